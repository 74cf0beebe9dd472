/*
 * Relief: who is to send no more to an actor whose mailbox is crowded, or to read no more for it, waits until that is
 * relieved, on whatever worker it lives. Nobody looks again and again.
 *
 *   worker of the waiter                  worker of the actor
 *   waits, with a number  ---- ASK ---->  crowded: the waiter stands in the actor's list
 *   is being waited with  <--- HELD ----
 *   goes on               <-- RELIEVED -  the mailbox is below its low-water mark, or the actor has ended
 *
 * The question brings the memory that the answer needs, so the answer cannot be lost for lack of memory. All of these
 * act on arrival, ahead of any mailbox, so each question is answered whatever the actors do.
 *
 * No actors wait for each other in a circle
 *   One actor waits for one other at a time (mute.c), and
 *   (1) does not begin to wait while anybody stands in its own list;
 *   (2) says HELD only while it waits for nobody or has heard HELD itself. Whoever asks before, of an actor that asks
 *       itself, stands in its list `unsure`, and a PROBE in its name goes after the question of the actor, and on from
 *       there as long as it meets such that have not heard HELD. If it comes to the one in whose name it goes, that
 *       one is told RELIEVED.
 *   Suppose a circle that stands: each actor of it waits, and is in the list of the next, whatever was on its way has
 *   arrived. If one has heard HELD, of b, then b waited already when it said so, because of (1), and had heard HELD
 *   before, because of (2); so the one after b had, before that, and so on: round the circle that cannot be. So none
 *   has heard HELD. The PROBE of the one that was put into its list last then met, at each of the others, a question
 *   that had come before it and an actor that had not heard HELD. So it came round, and there is no circle.
 *   Of actors that wait for each other in a row the last one therefore waits for nobody. It is given its messages until
 *   its mailbox is relieved, or it ends; then the one before it goes on.
 *
 * Whoever is waited for may thus send more to a crowded mailbox, until its own is relieved. Between actors of one
 * worker all this is one call, and nothing is on its way.
 *
 * A waiter that ends, or was told since its PROBE came round, leaves its place in the list, and is told in vain.
 */
#include "relief.h"

#include "extra.h"
#include "post.h"

#include <stdlib.h>

struct wait {
    struct tri_attachment attachment; /* first: in a list of the actor that is waited for */
    struct tri_word word;
    struct tri_worker *worker; /* of that actor */
    struct tri_extra *of;      /* and what that has besides; set while it is being said */
    tr_ref waiter;
    uint64_t number;
};

bool
tri_relief_ask(struct tri_worker *worker, tr_ref waiter, tr_ref to, uint64_t number)
{
    struct wait *wait = calloc(1, sizeof(*wait));
    if (wait == NULL)
        return false;
    wait->waiter = waiter;
    wait->number = number;
    tr_message message = tr_message_pointer(TRI_TAG_RELIEF_ASK, wait, sizeof(*wait), free);
    return tri_send_system(worker, NULL, to, &message) == TR_OK;
}

/* Telling. */

static void
free_told(struct tri_word *word)
{
    free(TRI_CONTAINER_OF(word, struct wait, word));
}

static void
tell(struct wait *wait)
{
    wait->word.done = free_told;
    tri_word_send(wait->worker, &wait->word, TR_NOBODY, wait->waiter,
                  tr_message_copy(TRI_TAG_RELIEVED, &wait->number, sizeof(wait->number)));
}

static void
end_wait(struct tri_attachment *attachment, const struct tri_death *death)
{
    (void)death;
    tri_detach(attachment);
    tell((struct wait *)attachment);
}

static void
move_all(struct tri_attachment **to, struct tri_attachment **from)
{
    for (struct tri_attachment *next; (next = *from) != NULL;) {
        tri_detach(next);
        tri_attach(to, next);
    }
}

/* The lists are taken first: who is told may ask again at once. */
void
tri_relief_tell(tr_actor *actor)
{
    struct tri_attachment *told = NULL;
    struct tri_extra *extra = tri_extra_of(actor);
    actor->flags &= (uint16_t)~TRI_ACTOR_AWAITED;
    move_all(&told, &extra->waiters);
    move_all(&told, &extra->unsure);
    tri_attachments_end(&told, NULL);
}

static void
say_held(struct wait *wait)
{
    tr_message message = tr_message_copy(TRI_TAG_RELIEF_HELD, &wait->number, sizeof(wait->number));
    tri_send_system(wait->worker, NULL, wait->waiter, &message); /* unheard it does no harm: others stay unsure */
}

/* A waiter of this worker hears it within the call, and has others that are to hear it: a list, not a recursion. */
void
tri_relief_confirm(struct tri_actors *home, struct tri_extra *extra)
{
    struct tri_attachment *next;
    for (next = extra->unsure; next != NULL; next = next->next)
        ((struct wait *)next)->of = extra;
    move_all(&home->confirming, &extra->unsure);
    if (home->confirms)
        return;
    home->confirms = true;
    while ((next = home->confirming) != NULL) {
        tri_detach(next);
        tri_attach(&((struct wait *)next)->of->waiters, next);
        say_held((struct wait *)next);
    }
    home->confirms = false;
}

/* Asking. */

static bool
is_unsure(const struct tri_extra *extra)
{
    return extra != NULL && extra->mute.number != 0 && !extra->mute.is_held;
}

/*
 * Follows the waits of actors that have not heard HELD, from `to` on. *circle: they lead to the waiter. false: without
 * memory. No circle is among the actors of this worker alone, since the last question of it was answered at once.
 */
static bool
probe(struct tri_actors *home, tr_ref to, const uint64_t wait[2], bool *circle)
{
    for (;;) {
        const tr_actor *actor = tri_slots_find(&home->slots, to);
        const struct tri_extra *extra = actor != NULL ? tri_extra_of(actor) : NULL;
        *circle = to == wait[0];
        if (*circle || !is_unsure(extra))
            return true;
        to = extra->mute.to;
        if (tri_ref_worker(to) == home->worker->index)
            continue;
        tr_message message = tr_message_copy(TRI_TAG_RELIEF_PROBE, wait, 2 * sizeof(wait[0]));
        return tri_send_system(home->worker, NULL, to, &message) != TR_ENOMEM;
    }
}

bool
tri_relief_probed(struct tri_actors *home, tr_ref to, tr_message *message)
{
    bool circle;
    if (!probe(home, to, message->payload.words, &circle))
        return false;
    if (!circle)
        return true;
    tr_message word = tr_message_copy(TRI_TAG_RELIEVED, &message->payload.words[1], sizeof(uint64_t));
    return tri_system_act(home, to, &word);
}

/* It is crowded, and comes to an end some time. */
static bool
may_be_awaited(const struct tri_actors *home, const tr_actor *actor)
{
    return (actor->flags & (TRI_ACTOR_UNBORN | TRI_ACTOR_ENDING)) == 0 && tri_slots_crowded(&home->slots, actor->ref);
}

static void
begin_wait(tr_actor *actor, struct tri_extra *extra, struct wait *wait)
{
    bool circle = false, unsure = is_unsure(extra);
    uint64_t of[2] = {wait->waiter, wait->number};
    if (unsure && (!probe(actor->home, actor->ref, of, &circle) || circle)) {
        tell(wait);
        return;
    }
    actor->flags |= TRI_ACTOR_AWAITED;
    wait->attachment.end = end_wait;
    tri_attach(unsure ? &extra->unsure : &extra->waiters, &wait->attachment);
    if (!unsure)
        say_held(wait);
}

bool
tri_relief_asked(struct tri_actors *home, tr_ref to, tr_message *message)
{
    struct wait *wait = tr_message_take_pointer(message);
    tr_actor *actor = tri_slots_find(&home->slots, to);
    struct tri_extra *extra = actor != NULL && may_be_awaited(home, actor) ? tri_extra_make(actor) : NULL;
    wait->worker = home->worker;
    if (extra != NULL)
        begin_wait(actor, extra, wait);
    else
        tell(wait);
    return true;
}
