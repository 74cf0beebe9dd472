/*
 * Slabs and their parts.
 *
 *   slab  <-- one hold by the worker
 *         <-- one hold by each part that others keep <-- the holders of that part's bytes
 *
 * A part has a buffer of its own, whose end gives back the part's hold on the slab: so the worker sees whether a read
 * was kept, however many other parts of the slab are, and a read that nobody keeps uses nothing up. The buffer of a
 * part that nobody kept serves the next read.
 *
 * A slab is free again, from its beginning, when the worker's hold is the only one. Where bytes travel to another
 * worker, or wait to be written, the same few slabs go round, and the system need not give zeroed pages again and
 * again.
 */
#include "slab.h"

#include <stdlib.h>
#include <troupe/core/buffer_holds.h>
#include <troupe/core/compiler.h>

#define PART_ALIGNMENT 64u
#define LONE_BYTES (TRI_READ_BYTES + TRI_SLAB_ALIGNMENT)

/* At the end of its own memory. */
struct tri_slab {
    tr_slice whole; /* the worker's hold */
};

static struct tri_slab *
slab_new(size_t size)
{
    char *memory = aligned_alloc(TRI_SLAB_ALIGNMENT, size);
    tr_slice whole;
    if (memory == NULL)
        return NULL;
    if (tri_slice_wrap(memory, size, free, &whole) != TR_OK) {
        free(memory);
        return NULL;
    }
    struct tri_slab *slab = (struct tri_slab *)(void *)(memory + size) - 1;
    slab->whole = whole;
    return slab;
}

static size_t
slab_room(const struct tri_slab *slab)
{
    return slab->whole.size - sizeof(*slab);
}

/* Parts. */

/* The last holder of a part has let it go. */
static void
part_gone(void *slab)
{
    tr_slice_release(((const struct tri_slab *)slab)->whole);
}

/* The part belongs to its holders, and to nobody if there are none. */
static void
part_leave(struct tri_slabs *slabs)
{
    if (slabs->part.buffer == NULL)
        return;
    tr_slice_hold(slabs->current->whole);
    tr_slice_release(slabs->part);
    slabs->part.buffer = NULL;
}

static bool
part_ready(struct tri_slabs *slabs)
{
    return TRI_LIKELY(slabs->part.buffer != NULL) ||
           tri_slice_wrap(slabs->current, 0, part_gone, &slabs->part) == TR_OK;
}

/* Which slab is read into. */

static void
turn_to(struct tri_slabs *slabs, struct tri_slab *slab)
{
    part_leave(slabs);
    slabs->current = slab;
    slabs->free = (char *)(uintptr_t)slab->whole.data;
    slabs->left = slab_room(slab);
}

static struct tri_slab *
find_free(const struct tri_slabs *slabs)
{
    for (unsigned i = 0; i < slabs->count; i++)
        if (tri_slice_is_sole(slabs->all[i]->whole))
            return slabs->all[i];
    return NULL;
}

static struct tri_slab *
add_slab(struct tri_slabs *slabs)
{
    struct tri_slab *slab = slabs->count < TRI_SLABS ? slab_new(TRI_SLAB_BYTES) : NULL;
    if (slab != NULL)
        slabs->all[slabs->count++] = slab;
    return slab;
}

static struct tri_slab *
lone_slab(struct tri_slabs *slabs)
{
    if (slabs->lone == NULL)
        slabs->lone = slab_new(LONE_BYTES);
    return slabs->lone;
}

static bool
next_slab(struct tri_slabs *slabs)
{
    struct tri_slab *next = find_free(slabs);
    if (next == NULL)
        next = add_slab(slabs);
    if (next == NULL)
        next = lone_slab(slabs);
    if (next == NULL)
        return false;
    if (next != slabs->current || next != slabs->lone)
        turn_to(slabs, next);
    return true;
}

static bool
is_lone(const struct tri_slabs *slabs)
{
    return TRI_UNLIKELY(slabs->current == slabs->lone);
}

/* Reading. */

void
tri_slabs_offer(struct tri_slabs *slabs, uv_buf_t *out)
{
    bool ready = TRI_LIKELY(slabs->left >= TRI_READ_BYTES && !is_lone(slabs)) || next_slab(slabs);
    *out = ready && part_ready(slabs) ? uv_buf_init(slabs->free, TRI_READ_BYTES) : uv_buf_init(NULL, 0);
}

/* In a lone slab: too little to keep all of it for. */
static bool
is_copied(const struct tri_slabs *slabs, size_t size)
{
    return is_lone(slabs) && size < LONE_BYTES / 2;
}

tr_status
tri_slabs_lend(struct tri_slabs *slabs, size_t size, tr_slice *out)
{
    if (is_copied(slabs, size))
        return tr_slice_copy(slabs->free, size, out);
    *out = (tr_slice){.buffer = slabs->part.buffer, .data = slabs->free, .size = size};
    tri_slice_set_whole(*out, size);
    return TR_OK;
}

/* Somebody keeps it: it counts from now on. Of the slabs themselves, which the worker has once, nothing does. */
static void
move_on(struct tri_slabs *slabs, tr_slice slice)
{
    tri_slice_count(is_lone(slabs) ? slabs->lone->whole : slice, is_lone(slabs) ? LONE_BYTES : slice.size);
    part_leave(slabs);
    if (is_lone(slabs)) {
        tr_slice_release(slabs->lone->whole);
        slabs->current = slabs->lone = NULL;
        slabs->left = 0;
        return;
    }
    size_t used = (slice.size + PART_ALIGNMENT - 1) / PART_ALIGNMENT * PART_ALIGNMENT;
    slabs->free += used;
    slabs->left -= used < slabs->left ? used : slabs->left;
}

void
tri_slabs_take_back(struct tri_slabs *slabs, tr_slice slice)
{
    if (is_copied(slabs, slice.size))
        tr_slice_release(slice);
    else if (!tri_slice_is_sole(slice))
        move_on(slabs, slice);
}

size_t
tri_slabs_size(const struct tri_slabs *slabs)
{
    return slabs->count * (size_t)TRI_SLAB_BYTES + (slabs->lone != NULL ? LONE_BYTES : 0);
}

void
tri_slabs_fini(struct tri_slabs *slabs)
{
    part_leave(slabs);
    for (unsigned i = 0; i < slabs->count; i++)
        tr_slice_release(slabs->all[i]->whole);
    if (slabs->lone != NULL)
        tr_slice_release(slabs->lone->whole);
    *slabs = (struct tri_slabs){0};
}
