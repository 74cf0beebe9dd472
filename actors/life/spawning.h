/*
 * Spawning, as another worker or a thread outside asks for it.
 */
#ifndef TROUPE_ACTORS_SPAWNING_H
#define TROUPE_ACTORS_SPAWNING_H

#include "actor_internal.h"

struct tri_ward;

/* Are these arguments valid? Returns as tr_spawn(). Thread: any. */
tr_status tri_spawn_check(const struct tri_runtime *runtime, const struct tr_behavior *behavior,
                          const struct tr_spawn_options *options);

/*
 * Spawns a child of a supervisor on worker `target`. Takes the ward. With TR_OK the supervisor hears whether the child
 * has begun (ward.h); else there is none. Nothing limits it. Thread: owner of self.
 * Returns: TR_OK; TR_ENOMEM; TR_ESTOPPING.
 */
tr_status tri_spawn_ward(tr_actor *self, const struct tr_behavior *behavior, unsigned target, struct tri_ward *ward,
                         tr_ref *out);

/*
 * As tr_spawn(), of options that were checked, with an argument that is released when init has run, or will not run:
 * the pointer itself is passed on. Takes it, also if it fails. Thread: owner of self.
 */
tr_status tri_spawn_releasing(tr_actor *self, const struct tr_behavior *behavior,
                              const struct tr_spawn_options *options, void (*release)(void *argument), tr_ref *out);

/* The number of the worker where the actor will live; `here`: the caller's. Thread: any. */
unsigned tri_spawn_place(const struct tri_runtime *runtime, const struct tr_spawn_options *options, unsigned here);

/* An order to spawn has arrived (parent.h). Always true. Thread: owner of the worker. */
bool tri_spawn_arrived(struct tri_actors *home, tr_ref ref, tr_message *message);

#endif
