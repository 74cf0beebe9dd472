/*
 * An actor's life: from the name it is given to the last callback.
 *
 *   tri_actor_begin -> alive -> asked to stop -> closed -> ending -> gone
 *
 *   DRAIN   asked; if it agrees at once it is closed: it takes nothing new and ends with its mailbox empty
 *   NOW     asked; if it agrees it is ending: it ends when no callback of it runs
 *   KILL    ending without a say
 *   tr_exit ending, by its own will
 *
 * An actor that answers its stopping callback with false goes on until it calls tr_exit(). Ending calls stopped, buries
 * the mailbox, takes the name away and tells the parent. The memory may have to wait: for mail that is still in the
 * worker's queue, or, of a killed actor whose state is in use, for its tr_exit(); if that never comes, for the worker's
 * end.
 *
 * A callback that stops another actor of its worker runs that one's callbacks inside the call, and those may stop a
 * third. Stops nest STOPS_NESTED deep; what is asked for below waits until the innermost callback has returned.
 *
 * When the runtime drains, every actor without children is asked to stop, and each parent when its last child has gone.
 */
#include "mailbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STOPS_NESTED 16u

/* Memory. */

static size_t
bytes_of(const struct tr_behavior *behavior)
{
    return (TRI_ACTOR_HEAD + behavior->state_size + TRI_ACTOR_ALIGN - 1) / TRI_ACTOR_ALIGN * TRI_ACTOR_ALIGN;
}

static struct tri_pool *
pool_for(struct tri_actors *home, size_t bytes)
{
    struct tri_pool *pool = &home->pools[bytes / TRI_ACTOR_ALIGN];
    if (TRI_UNLIKELY(pool->block_size == 0))
        tri_pool_init(pool, bytes);
    return pool;
}

tr_actor *
tri_actor_new(struct tri_actors *home, const struct tr_behavior *behavior, tr_ref parent)
{
    size_t bytes = bytes_of(behavior);
    tr_actor *actor = TRI_LIKELY(bytes <= TRI_POOLED_BYTES) ? tri_pool_take(pool_for(home, bytes)) : malloc(bytes);
    if (actor == NULL)
        return NULL;
    memset(actor, 0, bytes);
    actor->behavior = behavior;
    actor->home = home;
    actor->parent = parent;
    tri_mail_list_init(&actor->overflow);
    if (behavior->mailbox.messages != 0 || behavior->mailbox.bytes != 0 ||
        behavior->mailbox.policy != TR_MAILBOX_REFUSE)
        actor->flags = TRI_ACTOR_LIMITED;
    return actor;
}

void
tri_actor_free(tr_actor *actor)
{
    struct tri_actors *home = actor->home;
    size_t bytes = bytes_of(actor->behavior);
#ifndef NDEBUG
    memset(actor, 0, bytes); /* for TRI_CHECK_SELF(), and its like in the layer above */
#endif
    if (TRI_LIKELY(bytes <= TRI_POOLED_BYTES))
        tri_pool_give(pool_for(home, bytes), actor);
    else
        free(actor);
}

/* The beginning. */

tr_status
tri_actor_begin(tr_actor *actor, tr_ref ref, const void *argument)
{
    struct tri_actors *home = actor->home;
    const struct tr_behavior *behavior = actor->behavior;
    actor->ref = ref;
    tri_slots_at(&home->slots, ref)->actor = actor;
    home->alive++;
    home->worker->counters.spawned++;
    if (TRI_UNLIKELY(home->worker->trace != NULL))
        tri_trace(home->worker->trace, TRI_TRACE_ACTORS_spawn, 0,
                  tri_trace_name(home->worker->runtime->trace, behavior->name), ref, actor->parent);
    if (behavior->init == NULL)
        return TR_OK;

    struct tri_actor_frame frame = tri_actor_enter(actor, 0);
    tr_status status = behavior->init(actor, tri_actor_state(actor), argument);
    if (status != TR_OK) {
        tri_trace(home->worker->trace, TRI_TRACE_ACTORS_init_failed, 0, (uint32_t)status, ref, 0);
        actor->flags |= TRI_ACTOR_ENDING | TRI_ACTOR_KILLED;
    }
    tri_actor_leave(actor, frame);
    return status;
}

/* The end. */

/* Gives the parent if it is time to ask it to stop, else NULL. */
static tr_actor *
lose_child(struct tri_actors *home, tr_ref parent)
{
    tr_actor *actor = tri_slots_find(&home->slots, parent);
    if (actor == NULL)
        return NULL;
    actor->children--;
    return TRI_UNLIKELY(home->draining && !home->killing) && actor->children == 0 ? actor : NULL;
}

bool
tri_child_gone_arrived(struct tri_actors *home, tr_ref parent, tr_message *message)
{
    (void)message;
    tr_actor *actor = lose_child(home, parent);
    if (actor != NULL)
        tri_actor_stop(actor, TR_STOP_DRAIN);
    return true;
}

/* Gives the parent if it lives here and is to be asked now. */
static tr_actor *
tell_parent(struct tri_actors *home, tr_actor *actor)
{
    if (actor->parent == TR_NOBODY)
        return NULL;
    if (TRI_LIKELY(tri_ref_worker(actor->parent) == home->worker->index))
        return lose_child(home, actor->parent);
    tri_owed_end(actor);
    return NULL;
}

/* A worker that drains says once that nothing lives on it any more. */
static void
check_quiet(struct tri_actors *home)
{
    if (TRI_UNLIKELY(home->draining) && home->alive == 0)
        tri_worker_quiet(home->worker);
}

static void
begin_to_linger(tr_actor *actor)
{
    tr_actor *next = actor->home->lingering;
    actor->lingering.next = next;
    actor->lingering.previous = NULL;
    if (next != NULL)
        next->lingering.previous = actor;
    actor->home->lingering = actor;
}

static void
end_lingering(tr_actor *actor)
{
    tr_actor *next = actor->lingering.next, *previous = actor->lingering.previous;
    if (previous != NULL)
        previous->lingering.next = next;
    else
        actor->home->lingering = next;
    if (next != NULL)
        next->lingering.previous = previous;
}

void
tri_actors_free_lingering(struct tri_actors *home)
{
    for (tr_actor *actor; (actor = home->lingering) != NULL;) {
        home->lingering = actor->lingering.next;
        tri_actor_free(actor);
    }
}

void
tri_actor_free_if_unused(tr_actor *actor)
{
    if (actor->waiting == 0 && (actor->flags & (TRI_ACTOR_LINGERS | TRI_ACTOR_OWES)) == 0)
        tri_actor_free(actor);
}

/* Gives the parent if that is to be asked to stop in its turn. */
static tr_actor *
finish(tr_actor *actor)
{
    struct tri_actors *home = actor->home;
    const struct tr_behavior *behavior = actor->behavior;
    if (behavior->stopped != NULL && (actor->flags & TRI_ACTOR_KILLED) == 0) {
        struct tri_actor_frame frame = tri_actor_enter(actor, 0); /* whatever it calls, it ends once */
        behavior->stopped(actor, tri_actor_state(actor));
        actor->depth--;
        tri_actor_restore(&home->worker->activity, frame);
    }
    tri_attachments_end(&actor->attachments);
    tri_mailbox_bury(home, actor);
    tri_slots_give(&home->slots, actor->ref);
    tri_trace(home->worker->trace, TRI_TRACE_ACTORS_stopped, 0, 0, actor->ref, 0);
    home->worker->counters.ended++;
    home->alive--;
    actor->flags |= TRI_ACTOR_GONE;
    if (TRI_UNLIKELY(actor->flags & TRI_ACTOR_LINGERS))
        begin_to_linger(actor);
    tr_actor *next = tell_parent(home, actor);
    tri_actor_free_if_unused(actor);
    check_quiet(home);
    return next;
}

static bool
is_over(const tr_actor *actor)
{
    if (actor->depth > 0 || (actor->flags & TRI_ACTOR_GONE) != 0)
        return false;
    return (actor->flags & TRI_ACTOR_ENDING) != 0 || ((actor->flags & TRI_ACTOR_CLOSED) != 0 && actor->waiting == 0);
}

static void ask(tr_actor *actor, enum tr_stop_mode how);

/* A loop, not a recursion: a family may be a hundred thousand generations deep. */
void
tri_actor_settle_now(tr_actor *actor)
{
    while (actor != NULL && is_over(actor)) {
        actor = finish(actor);
        if (actor != NULL)
            ask(actor, TR_STOP_DRAIN);
    }
}

/* Asks the behavior; it may call anything, tr_exit() included. */
static bool
agrees(tr_actor *actor, enum tr_stop_mode how)
{
    if (actor->behavior->stopping == NULL)
        return true;
    struct tri_actor_frame frame = tri_actor_enter(actor, 0);
    bool answer = actor->behavior->stopping(actor, tri_actor_state(actor), how);
    actor->depth--;
    tri_actor_restore(&actor->home->worker->activity, frame);
    return answer;
}

static void
kill_actor(tr_actor *actor)
{
    actor->flags |= TRI_ACTOR_ENDING | TRI_ACTOR_KILLED;
    if (!agrees(actor, TR_STOP_KILL) && (actor->flags & TRI_ACTOR_DONE) == 0)
        actor->flags |= TRI_ACTOR_LINGERS;
}

static void
ask(tr_actor *actor, enum tr_stop_mode how)
{
    if (actor->flags & TRI_ACTOR_ENDING)
        return;
    tri_trace(actor->home->worker->trace, TRI_TRACE_ACTORS_stop, 0, how, actor->ref, 0);
    switch (how) {
    case TR_STOP_DRAIN:
        if (actor->flags & TRI_ACTOR_ASKED)
            return;
        actor->flags |= TRI_ACTOR_ASKED;
        if (agrees(actor, how))
            actor->flags |= TRI_ACTOR_CLOSED;
        break;
    case TR_STOP_NOW:
        if (agrees(actor, how))
            actor->flags |= TRI_ACTOR_ENDING;
        break;
    case TR_STOP_KILL: kill_actor(actor); break;
    }
}

void
tri_actor_stop(tr_actor *actor, enum tr_stop_mode how)
{
    ask(actor, how);
    tri_actor_settle(actor);
}

/* false: it is on its way, and there is no memory to note that it is to stop. */
static bool
stop_whom(struct tri_actors *home, tr_ref to, enum tr_stop_mode how)
{
    tr_actor *actor = tri_actor_at(home, to);
    if (actor == NULL)
        return !tri_actor_is_coming(home, to);
    if (actor->flags & TRI_ACTOR_UNBORN) /* it will be asked as soon as it is there */
        actor->flags |= TRI_ACTOR_CLOSED | (how == TR_STOP_KILL  ? TRI_ACTOR_KILLED
                                            : how == TR_STOP_NOW ? TRI_ACTOR_ENDING
                                                                 : 0);
    else
        tri_actor_stop(actor, how);
    return true;
}

/* false: no memory for it. */
static bool
put_stop_off(struct tri_actors *home, tr_ref to, enum tr_stop_mode how)
{
    if (tri_actor_at(home, to) == NULL)
        return !tri_actor_is_coming(home, to);
    struct tri_mail *mail = tri_pool_take(&home->mail);
    if (mail == NULL)
        return false;
    mail->message = tr_message_copy(TRI_TAG_STOP, &(uint64_t){how}, sizeof(uint64_t));
    mail->message.from = to;
    tri_mail_list_append(&home->late_stops, mail);
    return true;
}

static void
do_late_stops(struct tri_actors *home)
{
    while (!tri_mail_list_empty(&home->late_stops)) {
        struct tri_mail *mail = tri_mail_list_take(&home->late_stops);
        tr_ref to = mail->message.from;
        enum tr_stop_mode how = (enum tr_stop_mode)mail->message.payload.words[0];
        tri_pool_give(&home->mail, mail);
        bool done = stop_whom(home, to, how);
        assert(done); /* somebody was there when it was put off */
        (void)done;   /* in a Release build nobody asks */
    }
}

bool
tri_stop_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    enum tr_stop_mode how = (enum tr_stop_mode)message->payload.words[0];
    if (TRI_UNLIKELY(home->stops >= STOPS_NESTED))
        return put_stop_off(home, to, how);
    home->stops++;
    bool done = stop_whom(home, to, how);
    if (TRI_UNLIKELY(home->stops == STOPS_NESTED))
        do_late_stops(home);
    home->stops--;
    return done;
}

void
tri_actor_end(tr_actor *self)
{
    if (self->flags & TRI_ACTOR_LINGERS) {
        self->flags &= (uint16_t)~TRI_ACTOR_LINGERS;
        if (self->flags & TRI_ACTOR_GONE) {
            end_lingering(self);
            tri_actor_free_if_unused(self);
        }
        return;
    }
    self->flags |= TRI_ACTOR_ENDING | TRI_ACTOR_DONE;
    tri_actor_settle(self);
}

void
tri_actor_host(tr_actor *actor)
{
    actor->flags |= TRI_ACTOR_HOSTED;
}

void
tr_exit(tr_actor *self)
{
    TRI_CHECK_SELF(self);
    if (self == NULL)
        return;
    if (self->flags & TRI_ACTOR_HOSTED)
        tri_actor_stop(self, TR_STOP_NOW);
    else
        tri_actor_end(self);
}

/* Everybody on this worker. */

static void
for_each_actor(struct tri_actors *home, void (*visit)(tr_actor *actor))
{
    uint32_t made = tri_slots_made(&home->slots);
    for (uint32_t i = 0; i < made; i++) {
        tr_actor *actor = home->slots.table[i].actor;
        if (actor != NULL)
            visit(actor);
    }
}

static void
ask_if_childless(tr_actor *actor)
{
    if (actor->children == 0 && (actor->flags & TRI_ACTOR_UNBORN) == 0)
        tri_actor_stop(actor, TR_STOP_DRAIN);
}

void
tri_actors_drain(struct tri_worker *worker)
{
    struct tri_actors *home = tri_actors_of(worker);
    home->draining = true;
    for_each_actor(home, ask_if_childless);
    check_quiet(home);
}

/* What is not born by now will never be: its holder takes no more mail. */
static void
kill_one(tr_actor *actor)
{
    if (actor->flags & TRI_ACTOR_UNBORN) {
        actor->flags |= TRI_ACTOR_CLOSED;
        tri_mailbox_bury(actor->home, actor);
    } else {
        tri_actor_stop(actor, TR_STOP_KILL);
    }
}

uint64_t
tri_actors_kill(struct tri_worker *worker)
{
    struct tri_actors *home = tri_actors_of(worker);
    uint64_t alive = home->alive;
    home->draining = home->killing = true;
    for_each_actor(home, kill_one);
    tri_dispatch_bury(home);
    tri_offloads_cancel(home);
    return alive;
}
