/*
 * Slabs: the memory into which sockets read, and a bound for what it costs when bytes are kept.
 *
 * A worker offers the same part of its slab to every read, until somebody holds what a read brought. Then that part
 * belongs to its holders, and the next read goes after it, or into another slab. So a socket that waits holds no memory
 * for reading, bytes that are handled at once are neither copied nor allocated, and bytes that are kept need no copy as
 * long as there is room.
 *
 * Few bytes that are held for long keep a whole slab from being read into again. Therefore a worker has TRI_SLABS slabs
 * and no more. While others hold parts of all of them, what is read gets memory of its own size: a copy, or for a read
 * that fills most of TRI_READ_BYTES a lone slab, which goes with its holders. So
 *
 *   memory of what is held  <=  2 x its bytes, and TRI_SLAB_PART for each read, and TRI_SLABS_BYTES for each worker.
 */
#ifndef TROUPE_NET_SLAB_H
#define TROUPE_NET_SLAB_H

#include <stdbool.h>
#include <troupe/core/buffer.h>
#include <uv.h>

#define TRI_READ_BYTES 65536u /* offered to one read */

#define TRI_SLABS 8u
#define TRI_SLAB_ALIGNMENT 4096u /* what the kernel copies to page after page is copied faster */
#define TRI_SLAB_BYTES (4u * TRI_READ_BYTES + TRI_SLAB_ALIGNMENT)
#define TRI_SLABS_BYTES ((TRI_SLABS + 1) * TRI_SLAB_BYTES) /* of a worker; the lone slab included */
#define TRI_SLAB_PART 128u                                 /* most that a held read takes beside its bytes */

struct tri_slab;

/* What a worker reads into. All zero to begin with. */
struct tri_slabs {
    struct tri_slab *all[TRI_SLABS];
    unsigned count; /* of these */

    struct tri_slab *current; /* one of them, or the lone one; NULL: none yet */
    struct tri_slab *lone;    /* NULL: none */
    char *free;               /* in the current one: after what is held */
    size_t left;              /* bytes from there on */
    tr_slice part;            /* of the current one: its buffer is what holders of the next part hold; NULL: none yet */
};

/* Gives the part for the next read; a part of no bytes without memory. */
void tri_slabs_offer(struct tri_slabs *slabs, uv_buf_t *out);

/* A slice of the first size bytes of what was offered: lent until tri_slabs_take_back(). TR_OK, TR_ENOMEM. */
tr_status tri_slabs_lend(struct tri_slabs *slabs, size_t size, tr_slice *out);

/* The lending is over: what nobody holds by now is offered again. */
void tri_slabs_take_back(struct tri_slabs *slabs, tr_slice slice);

/* Bytes of slabs, of the worker's and of the lone ones that it still has. */
size_t tri_slabs_size(const struct tri_slabs *slabs);

void tri_slabs_fini(struct tri_slabs *slabs);

#endif
