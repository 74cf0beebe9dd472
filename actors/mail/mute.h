/*
 * Muted actors: mute.c. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_MUTE_H
#define TROUPE_ACTORS_MUTE_H

#include "actor_internal.h"

#include <ck_pr.h>

/* self has sent to somebody: is it to be muted? */
void tri_mute_look(tr_actor *self, tr_ref to);

/* Some actor of the runtime mutes its senders. Thread: any. */
static inline bool
tri_mute_exists(const struct tri_runtime *runtime)
{
    return TRI_UNLIKELY(ck_pr_load_uint(&runtime->mutes) != 0);
}

static inline void
tri_mute_after_send(tr_actor *self, tr_ref to)
{
    if (tri_mute_exists(self->home->worker->runtime))
        tri_mute_look(self, to);
}

/* Is a message refused because its sender cannot be muted, and the mailbox is crowded? Thread: any. */
bool tri_mute_refuses(const struct tri_runtime *runtime, tr_ref to);

/*
 * Files mail of a muted actor, which the caller has counted. What must not wait goes into the worker's queue, the rest
 * into the overflow.
 */
void tri_mute_put(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail);

/* Mail of a muted actor has come up. true: it is put aside; false: it is to be handled, and tri_mute_leave() called. */
bool tri_mute_hold(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail);
void tri_mute_leave(struct tri_actors *home, tr_actor *actor, const struct tri_mail *mail);

/* For whose relief the actor waits; TR_NOBODY: for nobody's, or it has come and the actor is about to go on. */
tr_ref tri_muted_by(const tr_actor *actor);

bool tri_relief_held(struct tri_actors *home, tr_ref to, tr_message *message);
bool tri_relieved(struct tri_actors *home, tr_ref to, tr_message *message);

#endif
