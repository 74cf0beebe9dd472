/*
 * Timers that send messages. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_TIMER_H
#define TROUPE_ACTORS_TIMER_H

#include "actor_internal.h"

/* An entry of the table of a worker's timers. */
struct tri_timer_entry {
    struct tri_actor_timer *timer; /* NULL: free */
    uint32_t next_free;            /* of a free one: the number of the next, TRI_NO_TIMER at the end */
    uint32_t count;                /* of a taken one: the count of its name */
};

#define TRI_NO_TIMER UINT32_MAX /* no number of a timer */

void tri_actors_timers_init(struct tri_actors *home);

/* Frees the table; the timers have ended with their actors. */
void tri_actors_timers_fini(struct tri_actors *home);

#endif
