/*
 * Spawning, as another worker or a thread outside asks for it.
 */
#ifndef TROUPE_ACTORS_SPAWNING_H
#define TROUPE_ACTORS_SPAWNING_H

#include "actor_internal.h"

/* Are these arguments valid? Returns as tr_spawn(). Thread: any. */
tr_status tri_spawn_check(const struct tri_runtime *runtime, const struct tr_behavior *behavior,
                          const struct tr_spawn_options *options);

/* The number of the worker where the actor will live; `here`: the caller's. Thread: any. */
unsigned tri_spawn_place(const struct tri_runtime *runtime, const struct tr_spawn_options *options, unsigned here);

/* An order to spawn has arrived (parent.h). Always true. Thread: owner of the worker. */
bool tri_spawn_arrived(struct tri_actors *home, tr_ref ref, tr_message *message);

#endif
