/*
 * Slabs: one buffer each, of which parts are lent.
 *
 * A part that is lent is a slice of the slab's buffer, so holding it holds the slab. When the worker's own hold is the
 * only one, all of the slab is free; otherwise the part that was lent last may be held, and the next one comes behind
 * it.
 *
 * A slab that is used up is kept aside until its holders have let it go, and then used from its beginning: where bytes
 * travel to another worker, or wait to be written, the same few slabs go round, and the system need not give zeroed
 * pages again and again. Only so many are kept; one more, and the oldest goes to its holders.
 */
#include "slab.h"

#include <stdlib.h>
#include <troupe/core/buffer_holds.h>

#define SLAB_BYTES (4u * TRI_READ_BYTES)
#define SLAB_ALIGNMENT 4096u /* what the kernel copies to page after page is copied faster */
#define PART_ALIGNMENT 64u

static bool
slab_new(tr_slice *out)
{
    void *memory = aligned_alloc(SLAB_ALIGNMENT, SLAB_BYTES);
    if (memory == NULL)
        return false;
    if (tr_slice_adopt(memory, SLAB_BYTES, free, out) == TR_OK)
        return true;
    free(memory);
    return false;
}

void
tri_slabs_fini(struct tri_slabs *slabs)
{
    tr_slice_release(slabs->current);
    for (unsigned i = 0; i < TRI_SLABS_SPENT; i++)
        tr_slice_release(slabs->spent[i]);
    *slabs = (struct tri_slabs){0};
}

/* Takes a spent slab that nobody holds any more in exchange for the current one. false: there is none. */
static bool
take_spent(struct tri_slabs *slabs)
{
    for (unsigned i = 0; i < TRI_SLABS_SPENT; i++) {
        tr_slice free_again = slabs->spent[i];
        if (free_again.size == 0 || !tri_slice_is_sole(free_again))
            continue;
        slabs->spent[i] = slabs->current;
        slabs->current = free_again;
        return true;
    }
    return false;
}

static bool
take_new(struct tri_slabs *slabs)
{
    tr_slice fresh;
    if (!slab_new(&fresh))
        return false;
    tr_slice *place = &slabs->spent[slabs->oldest];
    tr_slice_release(*place);
    *place = slabs->current;
    slabs->oldest = (slabs->oldest + 1) % TRI_SLABS_SPENT;
    slabs->current = fresh;
    return true;
}

void
tri_slabs_offer(struct tri_slabs *slabs, uv_buf_t *out)
{
    if (slabs->current.size - slabs->used < TRI_READ_BYTES) {
        if (!take_spent(slabs) && !take_new(slabs)) {
            *out = uv_buf_init(NULL, 0);
            return;
        }
        slabs->used = 0;
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
