/*
 * Slabs: the memory into which sockets read.
 *
 * A worker offers the same part of its slab to every read, until a data callback holds what it was given. Then that
 * part belongs to the holders and the worker goes on behind it, or with another slab when too little is left. So a
 * socket that waits holds no memory for reading, and bytes that are handled at once are never copied.
 */
#ifndef TROUPE_NET_SLAB_H
#define TROUPE_NET_SLAB_H

#include <stdbool.h>
#include <troupe/core/buffer.h>
#include <uv.h>

#define TRI_READ_BYTES 65536u /* offered to one read */

#define TRI_SLABS_SPENT 8u

/* What a worker reads into. All zero to begin with. */
struct tri_slabs {
    tr_slice current;                /* the whole of it; size 0: none yet */
    size_t used;                     /* bytes at its beginning that may be held */
    tr_slice spent[TRI_SLABS_SPENT]; /* used up, of which others hold parts; size 0: none */
    unsigned oldest;                 /* of these */
};

/* Gives the part for the next read; a part of no bytes without memory. */
void tri_slabs_offer(struct tri_slabs *slabs, uv_buf_t *out);

/* A slice of the first size bytes of what was offered: lent until tri_slabs_take_back(). */
tr_slice tri_slabs_lend(struct tri_slabs *slabs, size_t size);

/* The lending is over: what nobody holds by now is offered again. */
void tri_slabs_take_back(struct tri_slabs *slabs, tr_slice slice);

void tri_slabs_fini(struct tri_slabs *slabs);

#endif
