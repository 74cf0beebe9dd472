/*
 * The memory of actors. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_BODY_H
#define TROUPE_ACTORS_BODY_H

#include "actor_internal.h"

/* The pools of a worker. fini frees what they gave. */
void tri_bodies_init(struct tri_actors *home);
void tri_bodies_fini(struct tri_actors *home);

/* Memory for an actor with its state zero, without a name. NULL without memory. */
tr_actor *tri_actor_new(struct tri_actors *home, const struct tr_behavior *behavior, tr_ref parent);
void tri_actor_free(tr_actor *actor);

/* Frees an actor that is gone, unless somebody still needs its memory. */
void tri_actor_free_if_unused(tr_actor *actor);

/* Will an actor of that name be born here? */
bool tri_actor_is_coming(struct tri_actors *home, tr_ref ref);

/* Somebody to hold the mail of a reserved slot; NULL if ref names none, or without memory. */
tr_actor *tri_actor_unborn(struct tri_actors *home, tr_ref ref);

/* The actor is born: what was attached to the holder of its mail is the actor's. */
void tri_actor_hand_on(tr_actor *holder, tr_actor *actor);

/* The actor that ref names, or the holder of its mail while it is on its way; NULL if it is gone. */
static inline tr_actor *
tri_actor_at(struct tri_actors *home, tr_ref ref)
{
    tr_actor *actor = tri_slots_find(&home->slots, ref);
    return TRI_LIKELY(actor != NULL) ? actor : tri_actor_unborn(home, ref);
}

#endif
