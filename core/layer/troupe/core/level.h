/*
 * The level: how many bytes the runtimes of the process hold for their programs, of the kinds that grow with load. What
 * has a memory limit compares it with that (ceiling.h); while nothing has, nothing is counted.
 *
 * There is one level for the process, since a buffer belongs to no runtime: any thread makes it, and any other may free
 * it. A worker of a runtime that has a limit counts in a shard of its own, which is added to the level when it has
 * changed by TRI_LEVEL_STEP, and at the end of each turn. All other threads add to the level at once.
 */
#ifndef TROUPE_CORE_LEVEL_H
#define TROUPE_CORE_LEVEL_H

#include <ck_pr.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <troupe/core/compiler.h>

#define TRI_LEVEL_STEP 65536

/* What one worker counts. Thread: owner of the worker. */
struct tri_level_shard {
    int64_t change;                               /* that the level does not have yet */
    int64_t own;                                  /* of what goes with the worker, so much is counted */
    void (*grown)(struct tri_level_shard *shard); /* it has added a change of TRI_LEVEL_STEP, upwards */
};

struct tri_level {
    alignas(TRI_CACHE_PAIR) uint64_t bytes;   /* a shard may subtract what another one has not added yet: below 0 */
    alignas(TRI_CACHE_PAIR) unsigned watched; /* so many runtimes have a limit */
    unsigned reached;                         /* so many of these are at it */
    void (*fell)(void);                       /* constant from the first of them on: called when it has fallen then */
};

extern struct tri_level tri_level;

/* Is anything to be counted? Thread: any. */
static inline bool
tri_level_is_watched(void)
{
    return TRI_UNLIKELY(ck_pr_load_uint(&tri_level.watched) != 0);
}

/* What is made now is new to a runtime that is at its limit. Thread: any. */
static inline bool
tri_level_is_reached(void)
{
    return TRI_UNLIKELY(ck_pr_load_uint(&tri_level.reached) != 0);
}

/* Bytes in use. Thread: any. */
static inline uint64_t
tri_level_bytes(void)
{
    uint64_t bytes = ck_pr_load_64(&tri_level.bytes);
    return (int64_t)bytes > 0 ? bytes : 0;
}

/* So many bytes more are in use, or less: by the shard of the calling thread, or at once. Thread: any. */
void tri_level_add(int64_t bytes);

/* From now on the calling thread counts in that shard; NULL: it has none. Thread: any. */
void tri_level_count_in(struct tri_level_shard *shard);

/* The slow half of tri_level_add_own(), and what ends a turn: the change goes to the level. */
void tri_level_publish(struct tri_level_shard *shard);
void tri_level_publish_grown(struct tri_level_shard *shard);

/* The same of what goes with the worker. */
static inline void
tri_level_add_own(struct tri_level_shard *shard, int64_t bytes)
{
    shard->own += bytes;
    shard->change += bytes;
    if (TRI_UNLIKELY(shard->change >= TRI_LEVEL_STEP))
        tri_level_publish_grown(shard);
}

/* The worker has ended, and with it what was its own. Thread: setup. */
void tri_level_end(struct tri_level_shard *shard);

#endif
