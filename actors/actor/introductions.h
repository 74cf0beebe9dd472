/*
 * Of a trace that begins while the program runs: who lives already is introduced (introductions.c).
 *
 * Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_INTRODUCTIONS_H
#define TROUPE_ACTORS_INTRODUCTIONS_H

#include "actor_internal.h"

/* Before the worker is attached. false: there is no memory. */
bool tri_introductions_prepare(struct tri_actors *home);

/* The worker has been attached: introduces the first. */
void tri_introductions_begin(struct tri_actors *home);

/* Introduces some more if they are due, once a turn while the worker records. */
void tri_introductions_go_on(struct tri_actors *home);

/* The worker is about to be detached: whoever is left is not introduced. */
void tri_introductions_end(struct tri_actors *home);

/* Frees what was prepared, and is not used any more. */
void tri_introductions_fini(struct tri_actors *home);

/* Is anybody left to be introduced? */
static inline bool
tri_introductions_are_left(const struct tri_actors *home)
{
    return TRI_UNLIKELY(home->introducing.met != NULL);
}

/* And now? */
static inline bool
tri_introductions_are_due(const struct tri_actors *home)
{
    return tri_introductions_are_left(home) && home->introducing.pause.place == 0;
}

void tri_introduce_now(const tr_actor *actor);
void tri_introduce_nobody(const tr_actor *actor);

/* What the actor is changes now, and the events that come do not show what it was. It has its name, or has just lost
 * it. */
static inline void
tri_introduce(const tr_actor *actor)
{
    if (tri_introductions_are_left(actor->home))
        tri_introduce_now(actor);
}

/* The actor begins, as the event says that comes next. */
static inline void
tri_introduce_not(const tr_actor *actor)
{
    if (tri_introductions_are_left(actor->home))
        tri_introduce_nobody(actor);
}

#endif
