/*
 * What a worker that records writes of each message that it handles (record.c). Thread: owner of the worker, which has
 * a recorder.
 */
#ifndef TROUPE_ACTORS_RECORD_H
#define TROUPE_ACTORS_RECORD_H

#include <troupe/core/clock.h>

#include "actor_internal.h"

/* A slice begins: the clock was read at `now`, and nothing has happened since. */
static inline void
tri_record_slice(struct tri_actors *home, uint64_t now)
{
    home->recorded.now = now;
}

/* A message is about to be handled. */
void tri_record_receive(struct tri_actors *home, const tr_actor *actor, const tr_message *message);

/* Something else is about to happen than the next receive. */
void tri_record_return(struct tri_actors *home);

/* Its handler has returned. */
static inline void
tri_record_handled(struct tri_actors *home, const tr_actor *actor, const tr_message *message)
{
    home->recorded.now = tri_ticks();
    home->recorded.returned = true;
    bool ends = (actor->flags & (TRI_ACTOR_ENDING | TRI_ACTOR_CLOSED)) != 0;
    if (TRI_UNLIKELY(ends || message->kind != TR_PAYLOAD_BYTES))
        tri_record_return(home);
}

#endif
