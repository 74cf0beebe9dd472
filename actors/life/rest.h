/*
 * Rest: between two lives of a supervised actor. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_REST_H
#define TROUPE_ACTORS_REST_H

#include "actor_internal.h"
#include "extra.h"

/* The actor has ended for this reason, and rests from now on. */
void tri_rest_begin(tr_actor *actor, const struct tri_death *death);

/* Mail that the actor left in the worker's queue has come up. */
void tri_rest_mail(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail);

/* Does it rest, and is what waits for it kept for its next life? Its supervisor has not heard of its end yet. */
bool tri_rest_keeps_mailbox(const tr_actor *actor);

/* What it needs to begin again, its state and the queue, may be free now: then its supervisor hears of its end. */
void tri_rest_check(tr_actor *actor);

/* Somebody asks the actor to stop while it rests: it will not begin, unless its supervisor insists. */
void tri_rest_stop(tr_actor *actor, enum tr_stop_mode how);

bool tri_restart_arrived(struct tri_actors *home, tr_ref to, tr_message *message);
bool tri_release_arrived(struct tri_actors *home, tr_ref to, tr_message *message);

#endif
