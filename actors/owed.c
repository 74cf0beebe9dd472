/*
 * Words that must not be lost: that a child has ended, or was never born, which its parent on another worker waits for
 * when the runtime drains; that a message found nobody; an offloaded function's result; what the layer above owes.
 *
 * A send may fail for lack of memory. So the memory of what the word is about is kept until it has been sent: the
 * actor's own block, the order to spawn it, the node that the message lay in, the offload, a pipe, a question. Each
 * turn tries again, and the worker does not sleep while a word is owed.
 *
 * Order. What is owed stands in line, and while a word for another worker (or this one) is owed, nothing else is sent
 * there: `owing` has a bit for each worker, or for several if there are more than 64, and every way of sending looks at
 * it. Only the words that parents wait for are apart: they act when they arrive, whatever else waits.
 */
#include "mailbox.h"

#include <stddef.h>
#include <stdlib.h>

/* An actor that is gone has no attachments: the field is the link. */
static tr_actor **
link_of(tr_actor *actor)
{
    return (tr_actor **)(void *)&actor->attachments;
}

static bool
is_sent(struct tri_actors *home, tr_ref to, tr_message message)
{
    return tri_send_system(home->worker, NULL, to, &message) != TR_ENOMEM;
}

static bool
tell_end(struct tri_actors *home, tr_ref parent)
{
    return is_sent(home, parent, tr_message_signal(TRI_TAG_CHILD_GONE));
}

void
tri_owed_end(tr_actor *actor)
{
    struct tri_actors *home = actor->home;
    if (tell_end(home, actor->parent))
        return;
    actor->flags |= TRI_ACTOR_OWES;
    *link_of(actor) = home->owing_actors;
    home->owing_actors = actor;
}

/* Both words, each once. false: without memory. */
static bool
tell_failure(struct tri_actors *home, struct tri_spawn_order *order)
{
    struct tr_spawn_failed failed = {order->ref, order->failure};
    if (order->parent == TR_NOBODY)
        return true;
    if (order->owes_end && !tell_end(home, order->parent))
        return false;
    order->owes_end = false;
    return is_sent(home, order->parent, tr_message_copy(TR_TAG_SPAWN_FAILED, &failed, sizeof(failed)));
}

static struct tri_spawn_order *
order_of(struct tri_owed *owed)
{
    return TRI_CONTAINER_OF(owed, struct tri_spawn_order, owed);
}

static bool
send_failure(struct tri_worker *worker, struct tri_owed *owed)
{
    if (!tell_failure(tri_actors_of(worker), order_of(owed)))
        return false;
    free(order_of(owed));
    return true;
}

static void
forget_failure(struct tri_owed *owed)
{
    free(order_of(owed));
}

void
tri_owed_failure(struct tri_actors *home, struct tri_spawn_order *order)
{
    order->owed = (struct tri_owed){.send = send_failure, .forget = forget_failure, .to = order->parent};
    if (!send_failure(home->worker, &order->owed))
        tri_owe(home->worker, &order->owed);
}

/* The line. */

static uint64_t
bit_of(tr_ref to)
{
    return UINT64_C(1) << tri_ref_worker(to) % 64;
}

static void
look_again(struct tri_actors *home)
{
    home->careful = home->worker->trace != NULL || home->owed.first != NULL;
}

void
tri_owed_open(struct tri_actors *home)
{
    home->owed.last_next = &home->owed.first;
    look_again(home);
}

void
tri_owe(struct tri_worker *worker, struct tri_owed *owed)
{
    struct tri_actors *home = tri_actors_of(worker);
    owed->next = NULL;
    *home->owed.last_next = owed;
    home->owed.last_next = &owed->next;
    home->owing |= bit_of(owed->to);
    look_again(home);
}

static void
take_out(struct tri_actors *home, struct tri_owed **link)
{
    struct tri_owed *owed = *link;
    *link = owed->next;
    if (owed->next == NULL)
        home->owed.last_next = link;
}

static void
put_back(struct tri_actors *home, struct tri_owed **link, struct tri_owed *owed)
{
    owed->next = *link;
    *link = owed;
    if (owed->next == NULL)
        home->owed.last_next = &owed->next;
}

/* Out of the line while it is tried, since sending may owe more. false: it stands there again. */
static bool
try_first(struct tri_actors *home, struct tri_owed **link)
{
    struct tri_owed *owed = *link;
    take_out(home, link);
    if (owed->send(home->worker, owed))
        return true;
    put_back(home, link, owed);
    home->owing |= bit_of(owed->to);
    return false;
}

static void
pay_words(struct tri_actors *home)
{
    struct tri_owed **link = &home->owed.first;
    home->paying = true;
    home->owing = 0;
    while (*link != NULL)
        if ((home->owing & bit_of((*link)->to)) != 0 || !try_first(home, link))
            link = &(*link)->next;
    home->paying = false;
    look_again(home);
}

bool
tri_owed_blocks_now(struct tri_actors *home, tr_ref to)
{
    if (home->killing || (home->owing & bit_of(to)) == 0)
        return false;
    if (!home->paying)
        pay_words(home);
    return (home->owing & bit_of(to)) != 0;
}

/* Words with memory of their own. */

static bool
send_word(struct tri_worker *worker, struct tri_owed *owed)
{
    struct tri_word *word = (struct tri_word *)owed;
    void (*done)(struct tri_word *) = word->done; /* first: the receiver may free it at once */
    tr_message message = word->message;
    if (!tri_send_word(worker, word->from, owed->to, &message))
        return false;
    if (done != NULL)
        done(word);
    return true;
}

static void
forget_word(struct tri_owed *owed)
{
    struct tri_word *word = (struct tri_word *)owed;
    void (*done)(struct tri_word *) = word->done;
    tr_message message = word->message;
    tr_message_drop(&message);
    if (done != NULL)
        done(word);
}

void
tri_word_free(struct tri_word *word)
{
    free(word);
}

void
tri_word_send(struct tri_worker *worker, struct tri_word *word, tr_ref from, tr_ref to, tr_message message)
{
    word->owed = (struct tri_owed){.send = send_word, .forget = forget_word, .to = to};
    word->from = from;
    word->message = message;
    if (!send_word(worker, &word->owed))
        tri_owe(worker, &word->owed);
}

static void
pay_actors(struct tri_actors *home)
{
    tr_actor *actor = home->owing_actors;
    home->owing_actors = NULL;
    while (actor != NULL) {
        tr_actor *next = *link_of(actor);
        *link_of(actor) = NULL;
        actor->flags &= (uint16_t)~TRI_ACTOR_OWES;
        tri_owed_end(actor);
        tri_actor_free_if_unused(actor);
        actor = next;
    }
}

void
tri_owed_pay(struct tri_actors *home)
{
    pay_actors(home);
    pay_words(home);
}

void
tri_owed_forget(struct tri_actors *home)
{
    for (tr_actor *actor; (actor = home->owing_actors) != NULL;) {
        home->owing_actors = *link_of(actor);
        *link_of(actor) = NULL;
        actor->flags &= (uint16_t)~TRI_ACTOR_OWES;
        tri_actor_free_if_unused(actor);
    }
    for (struct tri_owed *owed; (owed = home->owed.first) != NULL;) {
        take_out(home, &home->owed.first);
        if (owed->forget != NULL)
            owed->forget(owed);
    }
}
