/*
 * What the rules remember of an actor.
 */
#ifndef TROUPE_TRACE_ACTOR_H
#define TROUPE_TRACE_ACTOR_H

#include "finding.h"

struct actor {
    uint64_t ref;
    bool born;       /* while it was recorded */
    bool seen;       /* its spawn, or another event of it if that is missing */
    bool spawned;    /* its spawn itself */
    bool introduced; /* its worker was attached, and said that it was there */
    bool failed;     /* its init */
    bool fails;      /* it has said so */
    bool ends;       /* its timers or its questions are over for that */
    bool stopped;
    bool acted;        /* received */
    uint32_t behavior; /* a name, of its spawn */
    uint32_t timers;   /* that run */
    uint32_t asks;     /* without an outcome */
    uint64_t parent;
    uint64_t restarts;
};

/* Where it stands if it was looked for lately: slots of one worker are close together. */
static inline struct actor **
recent_of(struct check *check, uint64_t ref)
{
    return &check->recent[(ref ^ ref >> 17) & (RECENT_ACTORS - 1)];
}

/* check_actors.c: actor_of() for one that was not looked for lately. */
struct actor *find_actor(struct check *check, uint64_t ref);

/* Finds it, or makes it. Good until the next call. NULL: another one has its place. */
static inline struct actor *
actor_of(struct check *check, uint64_t ref)
{
    struct actor *recent = *recent_of(check, ref);
    return recent != NULL && recent->ref == ref ? recent : find_actor(check, ref);
}

/* Has the trace told of it? */
static inline bool
actor_was_there(const struct check *check, uint64_t ref)
{
    const struct actor *actor = table_get(&check->actors, SLOT_OF(ref), 0);
    return actor != NULL && (actor->ref > ref || (actor->ref == ref && actor->seen));
}

#endif
