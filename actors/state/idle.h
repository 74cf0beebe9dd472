/*
 * Actors that notice that nothing comes. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_IDLE_H
#define TROUPE_ACTORS_IDLE_H

#include "actor_internal.h"
#include "extra.h"

/* The actor of that name, which may have ended, has handled a message. */
void tri_idle_touch_now(struct tri_actors *home, tr_ref ref);

/* Does this actor wait for that? Then each of its messages needs a look (TRI_ACTOR_LOOK). */
static inline bool
tri_idle_is_on(const tr_actor *actor)
{
    const struct tri_extra *extra = tri_extra_of(actor);
    return extra != NULL && extra->idle != NULL;
}

#endif
