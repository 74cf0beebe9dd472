/*
 * Timers that send messages. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_TIMER_H
#define TROUPE_ACTORS_TIMER_H

#include "actor_internal.h"

/* Frees the table; the timers have ended with their actors. */
void tri_actors_timers_fini(struct tri_actors *home);

#endif
