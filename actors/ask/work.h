/*
 * What an actor works at: the question that it is handling, or that for which it asked the one whose outcome it is
 * handling. Its deadline holds for what is asked in turn, from one handler to the next, until the question is answered
 * or handed on. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_ASK_WORK_H
#define TROUPE_ACTORS_ASK_WORK_H

#include "actor_internal.h"

/* message: NULL, it comes to a callback. */
static inline void
tri_work_begin(struct tri_actors *home, const tr_actor *actor, const tr_message *message, uint64_t deadline_ms)
{
    home->work = (struct tri_work){actor, message, deadline_ms};
}

/* The handler has returned. */
static inline void
tri_work_over(struct tri_actors *home)
{
    home->work.actor = NULL;
}

/* The question is no longer this actor's: what it asks from here on is for itself. */
static inline void
tri_work_done(struct tri_actors *home)
{
    home->work.deadline_ms = UINT64_MAX;
}

/* UINT64_MAX: there is none. */
static inline uint64_t
tri_work_deadline(const tr_actor *actor)
{
    const struct tri_work *work = &actor->home->work;
    return work->actor == actor ? work->deadline_ms : UINT64_MAX;
}

#endif
