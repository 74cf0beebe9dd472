/*
 * Words that must not be lost: that a child has ended, or was never born, which its parent on another worker waits for
 * when the runtime drains; an offloaded function's result; what the layer above owes.
 *
 * A send may fail for lack of memory. So the memory of what the word is about is kept until it has been sent: the
 * actor's own block, the order to spawn it, the offload. Each turn tries again, and the worker does not sleep while a
 * word is owed.
 */
#include "mailbox.h"

#include <stddef.h>
#include <stdlib.h>

/* An actor that is gone has no timers: the field is the link. */
static tr_actor **
link_of(tr_actor *actor)
{
    return (tr_actor **)(void *)&actor->timers;
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
    return (struct tri_spawn_order *)((char *)owed - offsetof(struct tri_spawn_order, owed));
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
    order->owed = (struct tri_owed){.send = send_failure, .forget = forget_failure};
    if (!send_failure(home->worker, &order->owed))
        tri_owe(home->worker, &order->owed);
}

void
tri_owe(struct tri_worker *worker, struct tri_owed *owed)
{
    struct tri_actors *home = tri_actors_of(worker);
    owed->next = home->owed;
    home->owed = owed;
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

static void
pay_words(struct tri_actors *home)
{
    struct tri_owed *owed = home->owed;
    home->owed = NULL;
    while (owed != NULL) {
        struct tri_owed *next = owed->next;
        if (!owed->send(home->worker, owed))
            tri_owe(home->worker, owed);
        owed = next;
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
    for (struct tri_owed *owed; (owed = home->owed) != NULL;) {
        home->owed = owed->next;
        if (owed->forget != NULL)
            owed->forget(owed);
    }
}
