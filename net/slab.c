/*
 * Slabs: parts that are lent, and sometimes kept.
 *
 * Each part that is lent is a buffer of its own over a piece of the slab, and each such buffer counts on the slab. If
 * the handler held nothing, giving our hold back destroys the buffer at once, on this thread, within
 * tri_slabs_take_back(): that is how the worker learns that the part is free. Otherwise the buffer is destroyed later,
 * on whatever thread lets it go last, and takes its count off the slab. A slab is freed by whoever counts it down to
 * nothing.
 *
 * Slabs stand at multiples of their size, so that an address tells its slab.
 */
#include "slab.h"

#include <ck_pr.h>
#include <stdint.h>
#include <stdlib.h>
#include <troupe/core/order.h>

#define SLAB_BYTES (4u * TRI_READ_BYTES)
#define PART_ALIGNMENT 64u

struct tri_slab {
    /* Any thread. */
    unsigned holds; /* the worker's while it is current, and one for each buffer that lives */
};

#define HEAD_BYTES PART_ALIGNMENT
_Static_assert(sizeof(struct tri_slab) <= HEAD_BYTES, "the head fits before the first part");

static _Thread_local const char *lent; /* the part whose buffer has not been destroyed yet */

static struct tri_slab *
slab_of(const void *address)
{
    return (struct tri_slab *)((uintptr_t)address & ~(uintptr_t)(SLAB_BYTES - 1));
}

static void
slab_release(struct tri_slab *slab)
{
    TRI_RELEASE(&slab->holds);
    ck_pr_fence_release(); /* L1: this holder has finished reading; pairs with L2, below */
    if (!ck_pr_dec_uint_is_zero(&slab->holds))
        return;
    ck_pr_fence_acquire(); /* L2: so has everybody else; pairs with L1, above */
    TRI_ACQUIRE(&slab->holds);
    free(slab);
}

static bool
slab_new(struct tri_slabs *slabs)
{
    struct tri_slab *slab = aligned_alloc(SLAB_BYTES, SLAB_BYTES);
    if (slab == NULL)
        return false;
    slab->holds = 1;
    slabs->current = slab;
    slabs->used = HEAD_BYTES;
    return true;
}

void
tri_slabs_fini(struct tri_slabs *slabs)
{
    if (slabs->current != NULL)
        slab_release(slabs->current);
    slabs->current = NULL;
}

void
tri_slabs_offer(struct tri_slabs *slabs, uv_buf_t *out)
{
    if (slabs->current != NULL && SLAB_BYTES - slabs->used < TRI_READ_BYTES)
        tri_slabs_fini(slabs);
    if (slabs->current == NULL && !slab_new(slabs)) {
        *out = uv_buf_init(NULL, 0);
        return;
    }
    *out = uv_buf_init((char *)slabs->current + slabs->used, TRI_READ_BYTES);
}

static void
buffer_gone(void *data)
{
    if (lent == data)
        lent = NULL;
    slab_release(slab_of(data));
}

tr_status
tri_slabs_lend(struct tri_slabs *slabs, size_t size, tr_slice *out)
{
    char *part = (char *)slabs->current + slabs->used;
    ck_pr_inc_uint(&slabs->current->holds); /* no order: the worker's own hold keeps the slab alive */
    tr_status status = tr_slice_adopt(part, size, buffer_gone, out);
    if (status == TR_OK)
        lent = part;
    else
        slab_release(slabs->current);
    return status;
}

void
tri_slabs_take_back(struct tri_slabs *slabs, tr_slice slice)
{
    tr_slice_release(slice);
    if (lent == NULL)
        return;
    lent = NULL;
    slabs->used += (slice.size + PART_ALIGNMENT - 1) / PART_ALIGNMENT * PART_ALIGNMENT;
}
