/*
 * What a thread does at this moment: which actor's callback it runs, and beats by which others see that it moves.
 * Its thread writes it, the watchdog reads it at any moment.
 */
#ifndef TROUPE_CORE_ACTIVITY_H
#define TROUPE_CORE_ACTIVITY_H

#include <ck_pr.h>
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

    /* By uv_now(). */
    uint64_t polled_ms; /* before the callback that runs, or the last one, the loop looked at its descriptors then */
    uint64_t turned_ms; /* the next look */
    uint64_t turn_ms;   /* so long after that one; 0: no callback has run in between */

    uint64_t counted; /* the owner's: received and beat at that look */
};

/* A turn of the loop is over: it is about to look at its descriptors. Thread: owner. */
static inline void
tri_activity_end_turn(struct tri_worker_activity *activity, uint64_t now_ms)
{
    uint64_t counted = activity->received + activity->beat;
    ck_pr_store_64(&activity->turn_ms, counted != activity->counted ? now_ms - activity->polled_ms : 0);
    ck_pr_store_64(&activity->turned_ms, now_ms);
    activity->counted = counted;
}

/*
 * How far behind the loop is, in milliseconds: for how long the callback that runs has kept it from looking at its
 * descriptors, or how long the last turn took if that is over for no longer than it took. What is seen is of any
 * moment, and may be of two callbacks: good enough to prefer another worker. now_ms is of uv_hrtime(). Thread: any.
 */
static inline uint32_t
tri_activity_behind_ms(const struct tri_worker_activity *activity, uint64_t now_ms)
{
    uint64_t polled_ms = ck_pr_load_64(&activity->polled_ms), turned_ms = ck_pr_load_64(&activity->turned_ms);
    uint64_t turn_ms = ck_pr_load_64(&activity->turn_ms), behind_ms = 0;
    if (ck_pr_load_ptr(&activity->name) != NULL && now_ms > polled_ms)
        behind_ms = now_ms - polled_ms;
    if (turn_ms > behind_ms && now_ms < turned_ms + turn_ms)
        behind_ms = turn_ms;
    return behind_ms < UINT32_MAX ? (uint32_t)behind_ms : UINT32_MAX;
}

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

/* Gives a copy of what a worker does. false: it was changing. Thread: any. */
bool tri_activity_copy(const struct tri_worker_activity *activity, struct tri_worker_activity *copy);

/* What the calling thread does; NULL: it is no worker's. Thread: any. */
const struct tri_worker_activity *tri_activity_current(void);

/* From now on that is what the calling thread does; NULL: nothing is known of it. Thread: any. */
void tri_activity_set_current(const struct tri_worker_activity *activity);

#endif
