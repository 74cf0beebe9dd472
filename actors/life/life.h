/*
 * The life of an actor. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_LIFE_H
#define TROUPE_ACTORS_LIFE_H

#include "actor_internal.h"
#include "monitor.h"

struct tri_ward;

/* What an actor begins with, if with anything. */
struct tri_birth {
    const void *argument;
    struct tri_watcher *watcher; /* of its parent, that monitors it; NULL: none */
    bool ends_with_parent;
    struct tri_ward *ward; /* of its supervisor; NULL: none */
};

/*
 * Gives an actor its name and lets its init run; birth: NULL is nothing of it. On failure nothing is left of the actor:
 * the name is given back, and the watcher was told; but with a ward it rests.
 */
tr_status tri_actor_begin(tr_actor *actor, tr_ref ref, const struct tri_birth *birth);

/* An actor that rests begins another life, with its ward's argument. */
void tri_actor_begin_again(tr_actor *actor, struct tri_ward *ward);

/* Asks an actor to stop. */
void tri_actor_stop(tr_actor *actor, enum tr_stop_mode how);

/* Ends an actor that has failed: tri_actor_set_failure(). */
void tri_actor_end_failed(tr_actor *actor);

/* A callback has returned: ends the actor if it is time. Afterwards it may be gone. */
void tri_actor_settle_now(tr_actor *actor);

static inline void
tri_actor_settle(tr_actor *actor)
{
    if (TRI_UNLIKELY((actor->flags & (TRI_ACTOR_ENDING | TRI_ACTOR_CLOSED)) != 0))
        tri_actor_settle_now(actor);
}

/* A child of another worker, or of this one, has ended. */
bool tri_child_gone_arrived(struct tri_actors *home, tr_ref parent, tr_message *message);

/* A worker that drains reports once that no actor lives on it any more. */
void tri_actors_check_quiet(struct tri_actors *home);

/* Frees the actors that still linger. Nothing uses their state any more: the loop is closed. */
void tri_actors_free_lingering(struct tri_actors *home);

#endif
