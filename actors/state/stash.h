/*
 * Messages that were set aside, as dispatch sees them. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_STASH_H
#define TROUPE_ACTORS_STASH_H

#include "actor_internal.h"
#include "extra.h"

/* Mail has left the queue to be handled. If some that was brought back comes before it, gives the first of that, and
 * the other takes its turn behind it. */
struct tri_mail *tri_stash_pass(tr_actor *actor, struct tri_mail *mail);

#endif
