/*
 * How the registry changes: change.c. Thread: owner of the actor.
 */
#ifndef TROUPE_ACTORS_NAMES_CHANGE_H
#define TROUPE_ACTORS_NAMES_CHANGE_H

#include "news.h"

/* Changes something about the name, under the lock; what is to be done when that has been given back are errands. */
typedef tr_status (*tri_names_function)(tr_actor *self, struct tri_names *names, const struct tri_name_key *key,
                                        struct tri_name_errands *errands);

/* Returns: TR_EINVAL, an argument is NULL; TR_EBADNAME; what the function returns. */
tr_status tri_names_change(tr_actor *self, const char *text, tri_names_function change);

/* May self still begin something? */
static inline bool
tri_names_may_begin(const tr_actor *self)
{
    return (self->flags & (TRI_ACTOR_CLOSED | TRI_ACTOR_ENDING | TRI_ACTOR_GONE)) == 0;
}

#endif
