/*
 * A lane: the way of messages from one worker to one other.
 *
 * A ring of envelopes by value with one producer and one consumer. A slot is a cache line that carries its own stamp,
 * the lap of the ring in which it was written, so a message costs the transfer of one line; a ring that shows its tail
 * costs two (measured: 155 ns to and fro against 310 with ck_ring). A batch is published last slot first: the consumer,
 * which looks at the first, does not chase the producer from line to line.
 *
 *   producer   fills slots tail .. tail+n-1, each time the content before the stamp        L1
 *   consumer   sees the stamp it expects at head, then reads the content                   L2, pairs with L1
 *              (it may take the payload out of the slot, but never writes the stamp)
 *   consumer   gives slots back by storing `released`, an eighth of the ring at a time     L3
 *   producer   sees `released`, then overwrites                                            L4, pairs with L3
 *
 * A producer that finds no room sets `starved` and looks once more; a consumer that gave slots back looks at `starved`
 * and rings the producer's bell. Each stores first and loads second with a full fence between (L5, L6), so at least one
 * sees the other: so the producer may sleep.
 */
#ifndef TROUPE_CORE_LANE_H
#define TROUPE_CORE_LANE_H

#include <ck_pr.h>
#include <stdalign.h>
#include <troupe/core/compiler.h>
#include <troupe/core/envelope.h>

#define TRI_LANE_SLOTS 1024u

struct tri_lane {
    /* Producer. */
    alignas(TRI_CACHE_PAIR) uint64_t tail;
    uint64_t released_seen;

    /* Consumer. */
    alignas(TRI_CACHE_PAIR) uint64_t head;
    uint64_t released_shown;

    /* Consumer writes, producer reads. */
    alignas(TRI_CACHE_PAIR) uint64_t released;

    /* Producer sets, consumer clears. */
    alignas(TRI_CACHE_PAIR) unsigned starved;

    alignas(TRI_CACHE_PAIR) struct tri_envelope slots[TRI_LANE_SLOTS];
};

struct tri_lane *tri_lane_new(void);
void tri_lane_free(struct tri_lane *lane);

/*
 * Copies up to count envelopes into the lane and publishes them. Returns how many found room. Thread: producer.
 */
unsigned tri_lane_put(struct tri_lane *lane, struct tri_envelope *envelopes, unsigned count);

/* How many envelopes lie in it; asks its reader for what it gave back only if they seem to be `mark` or more. Thread:
 * producer. */
unsigned tri_lane_under_way(struct tri_lane *lane, unsigned mark);

/* The lane is full: from now on the consumer rings when there is room. true: there is room already. Thread:
 * producer. */
bool tri_lane_starve(struct tri_lane *lane);

/* The stamp of the slot at a position: never that of the lap before, nor 0 in the first. */
static inline uint16_t
tri_lane_lap(uint64_t position)
{
    return (uint16_t)(position / TRI_LANE_SLOTS + 1);
}

/* The envelope at the head, NULL if there is none. It stays until tri_lane_drop(). Thread: consumer. */
static inline struct tri_envelope *
tri_lane_peek(struct tri_lane *lane)
{
    struct tri_envelope *slot = &lane->slots[lane->head % TRI_LANE_SLOTS];
    if (ck_pr_load_16(&slot->message.lap) != tri_lane_lap(lane->head))
        return NULL;
    ck_pr_fence_load(); /* L2 */
    TRI_ACQUIRE(&slot->message.lap);
    return slot;
}

/* Gives the envelope at the head back. true: the producer waits for room, ring its bell. Thread: consumer. */
static inline bool
tri_lane_drop(struct tri_lane *lane)
{
    if (++lane->head - lane->released_shown < TRI_LANE_SLOTS / 8)
        return false;
    lane->released_shown = lane->head;
    TRI_RELEASE(&lane->released);
    ck_pr_fence_load_store(); /* L3: the content was read before the slot is free */
    ck_pr_store_64(&lane->released, lane->head);
    ck_pr_fence_memory(); /* L5, pairs with L6 */
    return ck_pr_load_uint(&lane->starved) != 0 && ck_pr_fas_uint(&lane->starved, 0) != 0;
}

#endif
