/*
 * What an actor is like now. Thread: owner of its worker.
 */
#ifndef TROUPE_ACTORS_INSPECT_DESCRIBE_H
#define TROUPE_ACTORS_INSPECT_DESCRIBE_H

#include "actor_internal.h"

#include <troupe/actors/inspect.h>

/* info.registered is valid until the actor releases those names. */
struct tr_actor_info tri_actor_describe(const tr_actor *actor);

#endif
