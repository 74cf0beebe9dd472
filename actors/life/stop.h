/*
 * Stops that arrive. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_STOP_H
#define TROUPE_ACTORS_STOP_H

#include "actor_internal.h"

/* A stop has arrived for whom `to` names. false: it is on its way, and there is no memory to note that. */
bool tri_stop_arrived(struct tri_actors *home, tr_ref to, tr_message *message);

/* Can a stop be carried out, if need be when those on the stack are? false: without memory. */
bool tri_stop_has_room(struct tri_actors *home);

/* The actor has failed (tri_actor_set_failure()) and is to end; as a stop, but it is not asked. There is room for
 * it. */
void tri_stop_failed(struct tri_actors *home, tr_ref actor);

#endif
