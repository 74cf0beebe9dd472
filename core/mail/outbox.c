#include "outbox.h"

#include <assert.h>
#include <stdlib.h>

static struct tri_outbox_chunk *
chunk_new(struct tri_outbox *outbox)
{
    struct tri_outbox_chunk *chunk = outbox->spare;
    if (chunk != NULL)
        outbox->spare = NULL;
    else
        chunk = aligned_alloc(alignof(struct tri_outbox_chunk), sizeof(*chunk));
    if (chunk == NULL)
        return NULL;
    chunk->next = NULL;
    chunk->taken = chunk->filled = 0;
    return chunk;
}

static void
chunk_free(struct tri_outbox *outbox, struct tri_outbox_chunk *chunk)
{
    free(outbox->spare);
    outbox->spare = chunk;
}

void
tri_outbox_fini(struct tri_outbox *outbox)
{
    while (outbox->first != NULL) {
        struct tri_outbox_chunk *chunk = outbox->first;
        outbox->first = chunk->next;
        free(chunk);
    }
    free(outbox->spare);
    outbox->spare = NULL;
}

/* Of one chunk it can be seen at once that `waiting` tells the truth. Debug builds call it. */
static void
check_waiting(const struct tri_outbox *outbox)
{
    const struct tri_outbox_chunk *first = outbox->first;
    assert(first != NULL || outbox->waiting == 0);
    assert(first == NULL || first != outbox->last || outbox->waiting == first->filled - first->taken);
    (void)first;
}

struct tri_envelope *
tri_outbox_append(struct tri_outbox *outbox)
{
    struct tri_outbox_chunk *last = outbox->last;
    if (TRI_UNLIKELY(outbox->first == NULL || last->filled == TRI_OUTBOX_CHUNK)) {
        last = chunk_new(outbox);
        if (last == NULL)
            return NULL;
        if (outbox->first == NULL)
            outbox->first = last;
        else
            outbox->last->next = last;
        outbox->last = last;
    }
    outbox->waiting++;
    struct tri_envelope *envelope = &last->envelopes[last->filled++];
    check_waiting(outbox);
    return envelope;
}

/* The first chunk is empty: the only one begins again, any other gives way to the next. */
static void
advance(struct tri_outbox *outbox)
{
    struct tri_outbox_chunk *chunk = outbox->first;
    if (chunk->next == NULL) {
        chunk->taken = chunk->filled = 0;
        return;
    }
    outbox->first = chunk->next;
    chunk_free(outbox, chunk);
}

unsigned
tri_outbox_flush(struct tri_outbox *outbox)
{
    unsigned moved = 0;
    while (outbox->waiting > 0) {
        struct tri_outbox_chunk *chunk = outbox->first;
        unsigned wanted = chunk->filled - chunk->taken;
        unsigned fit = tri_lane_put(outbox->lane, &chunk->envelopes[chunk->taken], wanted);
        chunk->taken += fit;
        outbox->waiting -= fit;
        moved += fit;
        if (fit < wanted)
            break;
        advance(outbox);
    }
    outbox->full = outbox->waiting > 0;
    check_waiting(outbox);
    return moved;
}

struct tri_envelope *
tri_outbox_take(struct tri_outbox *outbox)
{
    if (outbox->waiting == 0)
        return NULL;
    if (outbox->first->taken == outbox->first->filled)
        advance(outbox);
    outbox->waiting--;
    return &outbox->first->envelopes[outbox->first->taken++];
}
