/*
 * Dispatch. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_DISPATCH_H
#define TROUPE_ACTORS_DISPATCH_H

#include "actor_internal.h"

/* Handles a slice of the queue. true: there is more to do. */
bool tri_dispatch_run(struct tri_worker *worker);

/* The time after the last look of the slice before counts for an actor, too (ledger.h). */
void tri_dispatch_settle(struct tri_actors *home);

/* The same for one message at the most: of workers that are stepped (steps.h). */
bool tri_dispatch_run_one(struct tri_worker *worker);

/* Buries the mail that actors which are gone left in the queue. */
void tri_dispatch_bury(struct tri_actors *home);

#endif
