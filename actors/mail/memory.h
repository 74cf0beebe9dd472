/*
 * Sends at the memory limit: memory.c. Thread: owner of the worker, unless a function says more.
 */
#ifndef TROUPE_ACTORS_MEMORY_H
#define TROUPE_ACTORS_MEMORY_H

#include "actor_internal.h"

/* At the limit: does the message bring new memory? Then its sender hears TR_EMEMORYLIMIT. */
bool tri_memory_is_new(struct tri_worker *worker, tr_ref to, const tr_message *message);

static inline bool
tri_memory_refuses(struct tri_worker *worker, tr_ref to, const tr_message *message)
{
    return TRI_UNLIKELY(worker->at_limit) && tri_memory_is_new(worker, to, message);
}

/* At the limit: could no word to an actor of this worker be filed without new memory? */
bool tri_memory_is_used_up(const struct tri_actors *home);

/* At the limit: may an actor start no further timer that carries the message? */
bool tri_memory_refuses_timer(const struct tri_actors *home, const tr_message *message);

/* Counts a refusal, and returns it. */
tr_status tri_memory_refuse(struct tri_worker *worker);

/* A call that needs new memory, by an actor, and by a thread that is no worker: TR_OK, or TR_EMEMORYLIMIT. The second:
 * thread any. */
static inline tr_status
tri_memory_check(struct tri_worker *worker)
{
    return TRI_LIKELY(!worker->at_limit) ? TR_OK : tri_memory_refuse(worker);
}

tr_status tri_memory_check_outside(const tr_runtime *runtime);

/* What the layer does for the limit: layer.h. */
void tri_memory_settle(struct tri_worker *worker);
void tri_memory_at_limit(struct tri_worker *worker, bool reached);

#endif
