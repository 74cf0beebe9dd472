/*
 * What could not be sent yet for lack of memory (troupe/actors/host.h). Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_OWED_H
#define TROUPE_ACTORS_OWED_H

#include "actor_internal.h"

void tri_owed_open(struct tri_actors *home);

static inline bool
tri_owed_any(const struct tri_actors *home)
{
    return TRI_UNLIKELY(home->owing_actors != NULL || home->owed.first != NULL);
}

/* Would a message to `to` overtake a word that is owed there, which cannot be sent now either? */
bool tri_owed_blocks_now(struct tri_actors *home, tr_ref to);

static inline bool
tri_owed_blocks(struct tri_actors *home, tr_ref to)
{
    return TRI_UNLIKELY(home->owing != 0) && tri_owed_blocks_now(home, to);
}

/* Is any send the plain case now? Called whenever that may have changed. */
void tri_owed_look_again(struct tri_actors *home);

/* Tries again to send the words that are owed. */
void tri_owed_pay(struct tri_actors *home);

/* The worker's end: nobody can be told any more. */
void tri_owed_forget(struct tri_actors *home);

#endif
