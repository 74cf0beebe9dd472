/*
 * Interests: what an actor wants to be told of, and may no longer want to be: a monitor, a link, a name that it
 * watches.
 *
 * A notice travels as a message and waits in the mailbox like any other. Its words[3] is the number of the interest
 * that it is for, and its kind has the bit TRI_MAIL_NOTICE: before it is handled, dispatch looks whether that interest
 * still is there. If not, nobody gets it. So an actor that says that it is no longer interested hears nothing
 * afterwards, not even what was in its mailbox by then. Thread: owner of the actor.
 */
#ifndef TROUPE_ACTORS_INTEREST_H
#define TROUPE_ACTORS_INTEREST_H

#include "actor_internal.h"

struct tri_interest {
    struct tri_table_entry entry;     /* first; its key is the number */
    struct tri_attachment attachment; /* to the actor that is interested */
    struct tri_actors *home;
    tr_ref actor; /* by name: the holder of an actor's mail hands on what is attached to it */
    void (*met)(struct tri_interest *interest); /* its notice is about to be handled; NULL: it waits for more */
};

/* A new number of this worker; no other of the runtime is equal. */
static inline uint64_t
tri_actors_number(struct tri_actors *home)
{
    return (uint64_t)(home->slots.worker + 1) << 48 | ++home->numbers;
}

/* Begins an interest of an actor under a number of its own, whose `met` and `attachment.end` are set. */
void tri_interest_begin_as(tr_actor *actor, struct tri_interest *interest, uint64_t number);

/* The same under a new number, which it gives; of an interest whose `met` and `attachment.end` are set. Gives its
 * number. */
uint64_t tri_interest_begin(tr_actor *actor, struct tri_interest *interest);

/* Ends it: from now on its notices find nobody. The memory is the caller's. */
void tri_interest_end(struct tri_interest *interest);

/* The interest of that actor and of that kind, which its end says; NULL: there is none. */
struct tri_interest *tri_interest_find(tr_actor *actor, uint64_t number,
                                       void (*end)(struct tri_attachment *attachment, const struct tri_death *death));

/* A message that carries a notice. It is not one of bytes beyond 24. */
static inline void
tri_notice_mark(tr_message *message, uint64_t number)
{
    message->kind |= TRI_MAIL_NOTICE;
    message->payload.words[3] = number;
}

/* May the notice be handled? Then it is a plain message from here on. */
bool tri_notice_take(struct tri_actors *home, tr_message *message);

#endif
