/*
 * What the parent of an actor must hear: that a child of another worker has ended, or was never born. It waits for that
 * when the runtime drains. Without memory to send it, the actor's own block, or the order to spawn it, is kept until
 * then (owed.c).
 */
#include "parent.h"

#include "body.h"
#include "monitor.h"
#include "post.h"
#include "ward.h"

#include <stdlib.h>

void
tri_spawn_order_free(struct tri_spawn_order *order)
{
    if (order == NULL)
        return;
    if (order->watcher != NULL)
        tri_watcher_free(order->watcher);
    tri_ward_free(order->ward);
    if (order->release != NULL)
        order->release((void *)(uintptr_t)order->argument);
    free(order);
}

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
tri_parent_tell_end(tr_actor *actor)
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
    tri_spawn_order_free(order_of(owed));
    return true;
}

static void
forget_failure(struct tri_owed *owed)
{
    tri_spawn_order_free(order_of(owed));
}

void
tri_parent_tell_failure(struct tri_actors *home, struct tri_spawn_order *order)
{
    order->owed = (struct tri_owed){.send = send_failure, .forget = forget_failure, .to = order->parent};
    if (!send_failure(home->worker, &order->owed))
        tri_owe(home->worker, &order->owed);
}

void
tri_parents_pay(struct tri_actors *home)
{
    tr_actor *actor = home->owing_actors;
    home->owing_actors = NULL;
    while (actor != NULL) {
        tr_actor *next = *link_of(actor);
        *link_of(actor) = NULL;
        actor->flags &= (uint16_t)~TRI_ACTOR_OWES;
        tri_parent_tell_end(actor);
        tri_actor_free_if_unused(actor);
        actor = next;
    }
}

void
tri_parents_forget(struct tri_actors *home)
{
    for (tr_actor *actor; (actor = home->owing_actors) != NULL;) {
        home->owing_actors = *link_of(actor);
        *link_of(actor) = NULL;
        actor->flags &= (uint16_t)~TRI_ACTOR_OWES;
        tri_actor_free_if_unused(actor);
    }
}
