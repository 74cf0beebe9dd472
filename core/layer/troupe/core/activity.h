/*
 * What a thread does at this moment: which actor's callback it runs, and beats by which others see that it moves.
 * Its thread writes it, the watchdog reads it at any moment.
 */
#ifndef TROUPE_CORE_ACTIVITY_H
#define TROUPE_CORE_ACTIVITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tri_worker_activity {
    const char *name; /* of the behavior whose callback runs, NULL: none does */
    uint64_t actor;
    uint32_t tag;

    /* The beats: if all are the same later, the same callback still runs. */
    uint64_t received;  /* messages, each counted before it is handled; exact when read */
    uint64_t beat;      /* callbacks of other kinds, when they begin and when they end */
    uint64_t loop_beat; /* odd: in the loop. Two more with each poll: what runs after it is not what ran before */
};

static inline bool
tri_activity_has_same_beats(const struct tri_worker_activity *a, const struct tri_worker_activity *b)
{
    return a->received == b->received && a->beat == b->beat && a->loop_beat == b->loop_beat;
}

/* Does the worker run callbacks of libuv's, or sleep in its loop's poll? name is NULL unless they belong to an
 * actor. */
static inline bool
tri_activity_in_loop(const struct tri_worker_activity *activity)
{
    return activity->loop_beat % 2 == 1;
}

/* What the calling thread does; NULL: it is no worker's. Thread: any. */
const struct tri_worker_activity *tri_activity_current(void);

/* From now on that is what the calling thread does; NULL: nothing is known of it. Thread: any. */
void tri_activity_set_current(const struct tri_worker_activity *activity);

#endif
