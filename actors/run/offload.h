/*
 * Offloaded functions.
 */
#ifndef TROUPE_ACTORS_OFFLOAD_H
#define TROUPE_ACTORS_OFFLOAD_H

#include "actor_internal.h"

/* The calling thread runs an offloaded function, for which the runtime's end waits. */
extern _Thread_local bool tri_inside_offload;

/* Cancels the offloaded functions of this worker that have not begun. */
void tri_offloads_cancel(struct tri_actors *home);

/* Where the workers are stepped (steps.h) the functions wait for a step: how many do; one of them runs, by its
 * number, and its result comes home. */
unsigned tri_offloads_count(const struct tri_actors *home);
void tri_offload_run(struct tri_actors *home, unsigned number);

#endif
