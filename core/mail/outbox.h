/*
 * An outbox: what a worker has staged for one other.
 *
 * Sending appends here; the turn's end, or the 64th message, moves what fits into the lane. What finds no room waits
 * here, in order. Envelopes lie in chunks, so that a batch can be published from its end, and do not move.
 */
#ifndef TROUPE_CORE_OUTBOX_H
#define TROUPE_CORE_OUTBOX_H

#include "lane.h"

#include <stddef.h>
#include <troupe/core/envelope.h>

#define TRI_OUTBOX_CHUNK 64u

struct tri_outbox_chunk {
    struct tri_outbox_chunk *next;
    unsigned taken, filled;
    alignas(TRI_CACHE_LINE) struct tri_envelope envelopes[TRI_OUTBOX_CHUNK];
};

struct tri_outbox {
    struct tri_lane *lane; /* NULL until something is sent */
    struct tri_outbox_chunk *first, *last;
    struct tri_outbox_chunk *spare;
    size_t waiting; /* envelopes in the chunks */
    uint32_t held;  /* of them, as many as the receiver's `held` counts: mail.c */
    bool full;      /* the last flush found no room for all */
    bool dirty;     /* listed in worker->dirty */
};

/* Frees what is left and the lane is not its own. */
void tri_outbox_fini(struct tri_outbox *outbox);

/* Room for one more envelope at the end, NULL without memory. */
struct tri_envelope *tri_outbox_append(struct tri_outbox *outbox);

/* Moves what fits into the lane. Returns how many envelopes went. */
unsigned tri_outbox_flush(struct tri_outbox *outbox);

/* The envelope that waits longest, NULL if there is none; it is taken out and stays valid until the next call. */
struct tri_envelope *tri_outbox_take(struct tri_outbox *outbox);

#endif
