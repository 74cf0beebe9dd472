/*
 * Waiting until an actor's mailbox is relieved: relief.c. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_RELIEF_H
#define TROUPE_ACTORS_RELIEF_H

#include "actor_internal.h"

struct tri_extra;

/*
 * The waiter, an actor of this worker, will get TRI_TAG_RELIEVED with that number, within the call or later: when the
 * mailbox of `to` is relieved, when that actor has ended, or at once if it is not crowded or must not be waited for.
 * TRI_TAG_RELIEF_HELD may come before. false: there is no memory to ask.
 */
bool tri_relief_ask(struct tri_worker *worker, tr_ref waiter, tr_ref to, uint64_t number);

/* All who wait for the actor are told; there are some. */
void tri_relief_tell(tr_actor *actor);

/* An actor with that struct has heard HELD, or waits no more: whoever waits for it hears HELD, too. */
void tri_relief_confirm(struct tri_actors *home, struct tri_extra *extra);

bool tri_relief_asked(struct tri_actors *home, tr_ref to, tr_message *message);
bool tri_relief_probed(struct tri_actors *home, tr_ref to, tr_message *message);

#endif
