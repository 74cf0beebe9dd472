/*
 * An actor's life: from the name it is given to the last callback.
 *
 *   tri_actor_begin -> alive -> asked to stop -> closed -> ending -> gone
 *
 *   DRAIN   asked; if it agrees at once it is closed: it takes nothing new and ends with its mailbox empty
 *   NOW     asked; if it agrees it is ending: it ends when no callback of it runs
 *   KILL    ending without a say
 *   tr_exit ending, by its own will
 *   tr_fail the same, with a reason
 *
 * An actor that answers its stopping callback with false goes on until it calls tr_exit(). Ending calls stopped, buries
 * the mailbox, takes the name away and tells the parent. The memory may have to wait: for mail that is still in the
 * worker's queue, or, of a killed actor whose state is in use, for its tr_exit(); if that never comes, for the worker's
 * end. A supervised actor does not lose its name, and rests until its supervisor decides (rest.c).
 *
 * When the runtime drains, every actor without children is asked to stop, and each parent when its last child has gone.
 */
#include "life.h"

#include "body.h"
#include "dead_letters.h"
#include "extra.h"
#include "introductions.h"
#include "ledger.h"
#include "mailbox.h"
#include "parent.h"
#include "rest.h"
#include "ward.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/failure.h>

void
tri_actor_leave(tr_actor *actor, struct tri_actor_frame outer)
{
    struct tri_worker_activity *activity = &actor->home->worker->activity;
    actor->depth--;
    tri_actor_restore(activity, outer);
    tri_actor_settle(actor);
}

/* A parent that has ended already stops it at once. */
static tr_status
begin_to_live(tr_actor *actor, const struct tri_birth *birth)
{
    struct tri_ward *ward = tri_ward_of(actor);
    tr_status status = TR_OK;
    if (TRI_UNLIKELY(ward != NULL) && ward->prepare != NULL)
        status = ward->prepare(actor, ward);
    if (status == TR_OK && actor->behavior->init != NULL)
        status = actor->behavior->init(actor, tri_actor_state(actor), birth->argument);
    if (status == TR_OK && TRI_UNLIKELY(birth->ends_with_parent) && actor->parent != TR_NOBODY &&
        tri_watch(actor, actor->parent, TRI_WATCH_STOP, NULL) == TR_ENOMEM)
        status = TR_ENOMEM;
    return status;
}

static tr_status
run_init(tr_actor *actor, const struct tri_birth *birth)
{
    struct tri_actor_frame frame = tri_actor_enter(actor, 0);
    tr_status status = begin_to_live(actor, birth);
    if (status != TR_OK) {
        tri_trace_init_failed(actor->home->worker->trace, actor->ref, status);
        tri_actor_set_failure(actor, status, NULL);
        actor->flags |= TRI_ACTOR_ENDING | TRI_ACTOR_KILLED;
        if (TRI_UNLIKELY((actor->flags & TRI_ACTOR_WARD) != 0))
            tri_ward_of(actor)->init_status = status;
    } else if (TRI_UNLIKELY((actor->flags & TRI_ACTOR_WARD) != 0) && !tri_ward_of(actor)->begins_later) {
        tri_ward_begun(actor);
    }
    tri_actor_leave(actor, frame);
    return status;
}

TRI_NOINLINE static tr_status
begin_with(tr_actor *actor, const struct tri_birth *birth)
{
    if (birth->watcher != NULL)
        tri_watcher_attach(actor, birth->watcher);
    if (birth->ward != NULL)
        tri_ward_adopt(actor, birth->ward);
    return run_init(actor, birth);
}

static TRI_INLINE tr_status
begin_as_told(tr_actor *actor, const struct tri_birth *birth)
{
    static const struct tri_birth plain;
    if (birth == NULL && actor->behavior->init == NULL)
        return TR_OK;
    return begin_with(actor, birth != NULL ? birth : &plain);
}

/* Called last: so a spawn that is not recorded saves no registers for it. */
TRI_NOINLINE static tr_status
begin_recorded(tr_actor *actor, const struct tri_birth *birth)
{
    struct tri_worker *worker = actor->home->worker;
    tri_introduce_not(actor);
    tri_trace_spawn(worker->trace, actor->ref,
                    tri_trace_name(tri_runtime_trace(worker->runtime), actor->behavior->name), actor->parent);
    return begin_as_told(actor, birth);
}

tr_status
tri_actor_begin(tr_actor *actor, tr_ref ref, const struct tri_birth *birth)
{
    struct tri_actors *home = actor->home;
    struct tri_slot *slot = tri_slots_at(&home->slots, ref);
    actor->ref = ref;
    slot->actor = actor;
    tri_ledger_begin(actor, slot);
    if (TRI_UNLIKELY((actor->flags & TRI_ACTOR_LIMITED) != 0))
        tri_mailbox_open(home, actor);
    home->alive++;
    home->worker->counters.spawned++;
    return TRI_UNLIKELY(home->worker->trace != NULL) ? begin_recorded(actor, birth) : begin_as_told(actor, birth);
}

/* Its mail first: what its init sends to itself comes after that. */
void
tri_actor_begin_again(tr_actor *actor, struct tri_ward *ward)
{
    struct tri_worker *worker = actor->home->worker;
    struct tri_birth birth = {.argument = ward->argument};
    tri_introduce(actor);
    actor->flags &= TRI_ACTOR_LIMITED | TRI_ACTOR_LOOK | TRI_ACTOR_SLOW | TRI_ACTOR_AWAITED;
    actor->behavior = ward->behavior; /* it may have become another */
    memset(tri_actor_state(actor), 0, actor->behavior->state_size);
    tri_ward_adopt(actor, ward);
    tri_mailbox_wake(actor->home, actor);
    worker->counters.spawned++;
    if (worker->trace != NULL)
        tri_trace_restart(worker->trace, actor->ref,
                          tri_trace_name(tri_runtime_trace(worker->runtime), actor->behavior->name), actor->parent);
    run_init(actor, &birth);
}

/* The end. */

/* Gives the parent if it is time to ask it to stop, else NULL. */
static inline tr_actor *
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
    tri_parent_tell_end(actor);
    return NULL;
}

void
tri_actors_check_quiet(struct tri_actors *home)
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

/* Why it has ended, for those who watch it. */
static struct tri_death
death_of(const tr_actor *actor)
{
    if (tri_actor_rests(actor))
        return (struct tri_death){.status = actor->home->draining ? TR_ESTOPPING : TR_EGONE};
    const struct tri_extra *extra = tri_extra_of(actor);
    if (extra != NULL && extra->failed)
        return extra->failure;
    const struct tri_ward *ward = tri_ward_of(actor);
    if (TRI_UNLIKELY(ward != NULL) && ward->init_status != TR_OK)
        return (struct tri_death){.status = ward->init_status};
    if (actor->home->draining)
        return (struct tri_death){.status = TR_ESTOPPING};
    return (struct tri_death){.status = (actor->flags & TRI_ACTOR_KILLED) != 0 ? TR_EKILLED : TR_OK};
}

/* Its end is final, and nobody is told who knows that already. */
static void
end_ward(tr_actor *actor, const struct tri_death *death)
{
    struct tri_ward *ward = tri_ward_of(actor);
    if (ward == NULL)
        return;
    tri_table_remove(&actor->home->wards, &ward->entry);
    if (ward->released) {
        tri_ward_free(ward);
        return;
    }
    tri_text_release(ward->text);
    ward->text = death->text;
    tri_text_hold(death->text);
    tri_ward_gone(actor->home->worker, ward, death->status);
}

/* What is attached to it, its mail, and its ward. */
TRI_NOINLINE static void
end_what_it_owns(tr_actor *actor)
{
    struct tri_death death = death_of(actor);
    tri_introduce(actor);
    tri_text_hold(death.text);
    tri_actor_end_attachments(actor, &death);
    tri_dead_mailbox(actor->home, actor);
    if ((actor->flags & TRI_ACTOR_WARD) != 0)
        end_ward(actor, &death);
    tri_text_release(death.text);
}

/* The name first: who is told of the end, or begins to watch now, finds nobody any more. */
static inline void
end_name(tr_actor *actor)
{
    tri_slots_give(&actor->home->slots, actor->ref);
    if (TRI_UNLIKELY(actor->attachments != NULL || (actor->flags & TRI_ACTOR_WARD) != 0))
        end_what_it_owns(actor);
    else if (TRI_UNLIKELY(!tri_mail_list_empty(&actor->overflow)))
        tri_dead_mailbox(actor->home, actor);
}

/* The struct goes, and with it what its parent counts. Gives the parent if that is to be asked to stop in its turn. */
static inline tr_actor *
give_up_struct(tr_actor *actor)
{
    struct tri_actors *home = actor->home;
    home->alive--;
    actor->flags |= TRI_ACTOR_GONE;
    if (TRI_UNLIKELY(actor->flags & TRI_ACTOR_LINGERS))
        begin_to_linger(actor);
    tr_actor *next = tell_parent(home, actor);
    tri_actor_free_if_unused(actor);
    tri_actors_check_quiet(home);
    return next;
}

/* One that rested ends for good. */
TRI_NOINLINE static tr_actor *
finish_rest(tr_actor *actor)
{
    end_name(actor);
    actor->flags &= (uint16_t)~TRI_ACTOR_UNBORN;
    return give_up_struct(actor);
}

/* Out of the way of an end that is not recorded. */
TRI_NOINLINE static void
record_end(const tr_actor *actor)
{
    tri_introduce(actor);
    tri_trace_stopped(actor->home->worker->trace, actor->ref);
}

static bool
is_to_rest(const tr_actor *actor)
{
    return !actor->home->draining && !tri_ward_of(actor)->released;
}

TRI_NOINLINE static void
rest(tr_actor *actor)
{
    struct tri_death death = death_of(actor);
    tri_introduce(actor);
    tri_text_hold(death.text);
    tri_rest_begin(actor, &death);
    tri_text_release(death.text);
    tri_trace_stopped(actor->home->worker->trace, actor->ref);
    actor->home->worker->counters.ended++;
    tri_rest_check(actor);
}

/* Gives the parent if that is to be asked to stop in its turn. */
static tr_actor *
finish(tr_actor *actor)
{
    struct tri_actors *home = actor->home;
    const struct tr_behavior *behavior = actor->behavior;
    if (TRI_UNLIKELY((actor->flags & TRI_ACTOR_GONE) != 0))
        return finish_rest(actor);
    if (behavior->stopped != NULL && (actor->flags & TRI_ACTOR_KILLED) == 0) {
        struct tri_actor_frame frame = tri_actor_enter(actor, 0); /* whatever it calls, it ends once */
        behavior->stopped(actor, tri_actor_state(actor));
        actor->depth--;
        tri_actor_restore(&home->worker->activity, frame);
    }
    if (TRI_UNLIKELY((actor->flags & TRI_ACTOR_WARD) != 0) && is_to_rest(actor)) {
        rest(actor);
        return NULL;
    }
    end_name(actor);
    if (TRI_UNLIKELY(home->worker->trace != NULL))
        record_end(actor);
    home->worker->counters.ended++;
    return give_up_struct(actor);
}

static bool
is_over(const tr_actor *actor)
{
    if (actor->depth > 0)
        return false;
    if (actor->flags & TRI_ACTOR_GONE)
        return tri_actor_rests(actor) && (actor->flags & TRI_ACTOR_ENDING) != 0;
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
    tri_trace_stop(actor->home->worker->trace, actor->ref, how);
    if (TRI_UNLIKELY(tri_actor_rests(actor))) {
        tri_rest_stop(actor, how);
        return;
    }
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

void
tri_actor_end(tr_actor *self)
{
    if (self->flags & TRI_ACTOR_LINGERS) {
        self->flags &= (uint16_t)~TRI_ACTOR_LINGERS;
        if (tri_actor_rests(self)) {
            tri_rest_check(self);
        } else if (self->flags & TRI_ACTOR_GONE) {
            end_lingering(self);
            tri_actor_free_if_unused(self);
        }
        return;
    }
    if (self->flags & TRI_ACTOR_GONE)
        return;
    self->flags |= TRI_ACTOR_ENDING | TRI_ACTOR_DONE;
    tri_actor_settle(self);
}

void
tri_actor_end_failed(tr_actor *actor)
{
    if (actor->flags & TRI_ACTOR_ENDING)
        return;
    tri_trace_fail(actor->home->worker->trace, actor->ref, tri_extra_of(actor)->failure.status);
    if (actor->flags & TRI_ACTOR_HOSTED)
        tri_actor_stop(actor, TR_STOP_NOW);
    else
        tri_actor_end(actor);
}

/* NULL: there is nothing to say, or no memory. */
static struct tri_text *
make_text(const char *format, va_list arguments)
{
    struct tri_text *text = format != NULL ? malloc(sizeof(*text) + TR_FAILURE_TEXT_SIZE) : NULL;
    if (text == NULL)
        return NULL;
    text->holds = 1;
    vsnprintf(text->text, TR_FAILURE_TEXT_SIZE, format, arguments);
    return text;
}

void
tr_fail(tr_actor *self, tr_status status, const char *format, ...)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || (self->flags & (TRI_ACTOR_ENDING | TRI_ACTOR_GONE)) != 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    struct tri_text *text = make_text(format, arguments);
    va_end(arguments);
    tri_actor_set_failure(self, status < TR_OK ? status : TR_EUSER, text);
    tri_text_release(text);
    if (tri_extra_of(self) != NULL)
        tri_actor_end_failed(self);
    else
        tr_exit(self);
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
