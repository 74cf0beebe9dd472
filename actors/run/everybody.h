/*
 * Draining and killing the actors of a worker. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_EVERYBODY_H
#define TROUPE_ACTORS_EVERYBODY_H

#include "actor_internal.h"

/* Asks all that have no children to stop; the others follow when their last child has ended. */
void tri_actors_drain(struct tri_worker *worker);

/* Kills what lives. Returns how many those were. */
uint64_t tri_actors_kill(struct tri_worker *worker);

#endif
