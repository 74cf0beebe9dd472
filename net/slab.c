/*
 * Slabs: one buffer each, of which parts are lent.
 *
 * A part that is lent is a slice of the slab's buffer, so holding it holds the
 * slab. When the worker's own hold is the only one, all of the slab is free;
 * otherwise the part that was lent last may be held, and the next one comes
 * behind it. A slab that is used up goes to its holders, or is used from its
 * beginning if they are gone.
 */
#include "slab.h"

#include <stdlib.h>
#include <troupe/core/buffer_holds.h>

#define SLAB_BYTES (4u * TRI_READ_BYTES)
#define SLAB_ALIGNMENT 4096u /* what the kernel copies to page after page is copied faster */
#define PART_ALIGNMENT 64u

static bool
slab_new(struct tri_slabs *slabs)
{
    void *memory = aligned_alloc(SLAB_ALIGNMENT, SLAB_BYTES);
    if (memory == NULL)
        return false;
    if (tr_slice_adopt(memory, SLAB_BYTES, free, &slabs->current) == TR_OK)
        return true;
    free(memory);
    return false;
}

void
tri_slabs_fini(struct tri_slabs *slabs)
{
    tr_slice_release(slabs->current);
    *slabs = (struct tri_slabs){0};
}

void
tri_slabs_offer(struct tri_slabs *slabs, uv_buf_t *out)
{
    if (slabs->current.size - slabs->used < TRI_READ_BYTES) {
        tri_slabs_fini(slabs);
        if (!slab_new(slabs)) {
            *out = uv_buf_init(NULL, 0);
            return;
        }
    }
    *out = uv_buf_init((char *)slabs->current.data + slabs->used, TRI_READ_BYTES);
}

tr_slice
tri_slabs_lend(struct tri_slabs *slabs, size_t size)
{
    return tr_slice_part(slabs->current, slabs->used, size);
}

void
tri_slabs_take_back(struct tri_slabs *slabs, tr_slice slice)
{
    if (tri_slice_is_sole(slabs->current))
        slabs->used = 0;
    else
        slabs->used += (slice.size + PART_ALIGNMENT - 1) / PART_ALIGNMENT * PART_ALIGNMENT;
}
