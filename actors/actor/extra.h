/*
 * What few actors have: why it fails, memory of its own. It is the first attachment of its actor, so that it is found
 * at once, and the last that ends, since the others may use it. Thread: owner.
 */
#ifndef TROUPE_ACTORS_EXTRA_H
#define TROUPE_ACTORS_EXTRA_H

#include "actor_internal.h"

/* The text of a failure; several threads may hold it. */
struct tri_text {
    unsigned holds;
    char text[];
};

void tri_text_hold(struct tri_text *text);    /* NULL: nothing */
void tri_text_release(struct tri_text *text); /* NULL: nothing */

/* A block of an actor's own memory (tr_alloc()). */
struct tri_arena_block;

/* For whose relief the actor waits: mute.c. */
struct tri_mute {
    uint64_t number; /* of the wait; 0: for nobody's */
    tr_ref to;
    bool is_held;                /* that one has confirmed it */
    uint32_t queued;             /* its messages in the worker's queue */
    struct tri_mail **put_aside; /* where in the overflow the next of them goes that is held */
};

/* Under which names an actor is registered: names/names.c. */
struct tri_name_list {
    struct tri_name_held *first, *last; /* the oldest first */
    unsigned count;
};

struct tri_extra {
    struct tri_attachment attachment; /* first */
    bool failed;
    bool traps_links; /* link.c */
    struct tri_death failure;
    struct tri_arena_block *arena; /* the block that has room first */
    struct tri_stash *stash;       /* NULL: it has set nothing aside */
    struct tri_idle *idle;         /* NULL: it has no receive timeout */
    struct tri_name_list names;
    struct tri_mute mute;
    struct tri_attachment *waiters, *unsure; /* who waits for its own relief: relief.c */
};

void tri_extra_end(struct tri_attachment *attachment, const struct tri_death *death);

/* NULL: it has none. */
static inline struct tri_extra *
tri_extra_of(const tr_actor *actor)
{
    struct tri_attachment *first = actor->attachments;
    return first != NULL && first->end == tri_extra_end ? (struct tri_extra *)first : NULL;
}

/* Makes it if need be; NULL without memory. */
struct tri_extra *tri_extra_make(tr_actor *actor);

/* Attaches something to an actor. */
static inline void
tri_actor_attach(tr_actor *actor, struct tri_attachment *attachment)
{
    struct tri_extra *extra = tri_extra_of(actor);
    tri_attach(extra != NULL ? &extra->attachment.next : &actor->attachments, attachment);
}

/* Ends all that is attached to it. */
void tri_actor_end_attachments(tr_actor *actor, const struct tri_death *death);

/* Marks the actor as failed, once: the first reason counts. Holds the text. Without memory the reason is lost. */
void tri_actor_set_failure(tr_actor *actor, tr_status status, struct tri_text *text);

#endif
