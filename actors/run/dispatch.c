/*
 * Dispatch: whose message is next, and when a slice ends.
 *
 * Messages are handled in the order of the worker's queue (mailbox.h). A slice ends after SLICE_MESSAGES messages or
 * SLICE_US, so that the worker looks at its lanes and sockets however busy its actors are.
 *
 * The queue gives actors equal shares of messages; those whose messages take long would take most of the time all the
 * same. An actor is slow when its last message took SLOW_US or more, and a slow actor has one message in the queue: the
 * next goes to the end of it when that is handled. So each of its messages waits for one of everybody else's. What it
 * had in the queue when it became slow is taken out as it comes up, so that this costs the same however long the queue.
 *
 * The clock costs as much as a message. So it is read every `stride` messages, and the stride follows the handlers: it
 * doubles while SHORT_US have not passed between two looks and falls to one when LONG_US have. What passed counts for
 * the actor that ran last (ledger.h); so that this is not always the same one where actors take turns, each look comes
 * up to a stride later, as dice say. Strides go on from one slice to the next, for the same reason. What passed after
 * the last look of a slice counts for its last actor if nobody else ran since, or if it was long; else for the one
 * before the next look.
 */
#include "dispatch.h"

#include "ask.h"
#include "body.h"
#include "dead_letters.h"
#include "idle.h"
#include "interest.h"
#include "introductions.h"
#include "ledger.h"
#include "life.h"
#include "mute.h"
#include "owed.h"
#include "parent.h"
#include "record.h"
#include "rest.h"
#include "stash.h"

#include <assert.h>
#include <ck_pr.h>

#define SLICE_MESSAGES 512u
#define SLICE_US 500u
#define SLOW_US 100u
#define STRIDE_AT_MOST 32u
#define SHORT_US 10u
#define LONG_US 50u

static uint64_t
us(const struct tri_actors *home, uint64_t count)
{
    return count * home->worker->runtime->ticks_per_ms / 1000;
}

/* How many messages this slice has left. */
static uint64_t
left(const struct tri_actors *home)
{
    uint64_t received = home->worker->activity.received;
    return received < home->slice_ends ? home->slice_ends - received : 0;
}

/* The next look: in a stride, or in up to two, at random, but no later than the slice's last message. The stride is a
 * power of two. */
static void
plan_look(struct tri_actors *home)
{
    home->dice = home->dice * 1664525u + 1013904223u;
    uint32_t next = home->stride + (home->dice >> 16 & (home->stride - 1));
    if (!home->slice_over && next > left(home))
        next = (uint32_t)left(home);
    home->looks_from = home->until_look = next;
}

/* Reads the clock and sets when to read it next. Returns the time since the last look. */
static uint64_t
look(struct tri_actors *home)
{
    uint64_t now = tri_ticks(), passed = now - home->looked;
    if (passed < us(home, SHORT_US))
        home->stride = home->stride < STRIDE_AT_MOST ? home->stride * 2 : STRIDE_AT_MOST;
    else if (passed > us(home, LONG_US))
        home->stride = 1;
    home->looked = now;
    if (left(home) == 0 || now - home->worker->turn_began > us(home, SLICE_US))
        home->slice_over = true;
    plan_look(home);
    tri_ledger_add(home, home->worker->activity.actor, passed);
    return passed;
}

TRI_NOINLINE static void
bounce(struct tri_actors *home, tr_ref actor, struct tri_mail *mail)
{
    mail->message.kind &= (uint8_t)~TRI_MAIL_BOUNCED;
    tri_dead_mail(home, actor, mail, TR_DEAD_STOPPED);
}

static inline void
release(struct tri_actors *home, const tr_actor *actor, struct tri_mail *mail)
{
    if (TRI_UNLIKELY(mail->message.kind != TR_PAYLOAD_BYTES)) {
        if (TRI_UNLIKELY((mail->message.kind & TRI_MAIL_BOUNCED) != 0)) {
            bounce(home, actor->ref, mail);
            return;
        }
        tr_message_drop(&mail->message);
    }
    tri_pool_give(&home->mail, mail);
}

/* A message is about to be handled. */
static inline void
announce(struct tri_actors *home, const tr_actor *actor, const tr_message *message, bool traced)
{
    struct tri_worker *worker = home->worker;
    struct tri_worker_activity *activity = &worker->activity;
    activity->actor = actor->ref;
    activity->tag = message->tag;
    activity->name = actor->behavior->name;
    ck_pr_fence_store(); /* the beat last, for the watchdog: pairs with W1 and W2 there */
    activity->received++;
    if (traced)
        tri_record_receive(home, actor, message);
}

/* By the callback of who asked, if it is an answer that has one; NULL: by the behavior. No callback of any actor is on
 * the stack. */
static TRI_INLINE void
handle_traced(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail, struct tri_asking *asking, bool traced)
{
    tr_message *message = &mail->message;
    assert(actor->depth == 0);
    announce(home, actor, message, traced);
    actor->depth = 1;
    if (asking != NULL)
        tri_answer_call(asking, actor, message);
    else
        actor->behavior->receive(actor, tri_actor_state(actor), message);
    if (traced)
        tri_record_handled(home, actor, message);
    actor->depth = 0;
    actor->handled++;
    release(home, actor, mail);
    tri_actor_settle(actor);
}

/* Of a message that is not the plain case, which may have more to come before the next one. */
static TRI_INLINE void
handle(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail, struct tri_asking *asking)
{
    bool traced = home->worker->trace != NULL;
    handle_traced(home, actor, mail, asking, traced);
    if (TRI_UNLIKELY(traced))
        tri_record_return(home);
}

/* Handles one message of a slow actor and sees whether it still is; the look before it was just before it. */
TRI_NOINLINE static void
handle_slow(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail, struct tri_asking *asking)
{
    tr_ref ref = actor->ref;
    look(home);
    handle(home, actor, mail, asking);
    bool still = look(home) >= us(home, SLOW_US);
    actor = tri_slots_find(&home->slots, ref);
    if (actor != NULL && (actor->flags & TRI_ACTOR_GONE) == 0 && !still)
        tri_mailbox_speed_up(home, actor);
}

/* Mail leaves the queue to be handled. */
static void
leave(struct tri_actors *home, tr_actor *actor, const struct tri_mail *mail)
{
    if (actor->flags & TRI_ACTOR_MUTED)
        tri_mute_leave(home, actor, mail);
    else if (actor->flags & TRI_ACTOR_LIMITED)
        tri_mailbox_move_up_limited(home, actor, mail);
    else if (actor->flags & TRI_ACTOR_SLOW)
        tri_mailbox_leave_slow(home, actor);
    else
        tri_mailbox_leave(home, actor);
}

static TRI_INLINE void
handle_at_its_pace(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail, struct tri_asking *asking)
{
    if (TRI_UNLIKELY((actor->flags & TRI_ACTOR_SLOW) != 0))
        handle_slow(home, actor, mail, asking);
    else
        handle(home, actor, mail, asking);
}

/* Nobody gets it. It may have been the last that the actor waited for. */
static void
pass_over(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail, enum tr_dead_reason reason)
{
    tri_dead_mail(home, actor->ref, mail, reason);
    tri_actor_settle(actor);
}

static void
handle_question(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    if (!tri_question_begins(home, actor, &mail->message)) {
        pass_over(home, actor, mail, TR_DEAD_EXPIRED);
        return;
    }
    handle_at_its_pace(home, actor, mail, NULL);
    tri_question_over(home);
}

/* By receive. */
static void
handle_answer_message(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    handle_at_its_pace(home, actor, mail, NULL);
    tri_answer_over(home);
}

static void
handle_answer(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    struct tri_asking *asking;
    if (TRI_UNLIKELY(tri_answer_was_given(&mail->message))) {
        tri_answer_again(home, actor, &mail->message);
        handle_answer_message(home, actor, mail);
        return;
    }
    switch (tri_answer_comes(home, actor, &mail->message, &asking)) {
    case TRI_ANSWER_LATE: pass_over(home, actor, mail, TR_DEAD_LATE); break;
    case TRI_ANSWER_CALL:
        handle_at_its_pace(home, actor, mail, asking);
        tri_work_over(home);
        break;
    case TRI_ANSWER_TO_MESSAGE:
        tri_answer_to_message(asking, &mail->message);
        handle_answer_message(home, actor, mail);
        break;
    }
}

/* Now it is known what the actor is that was on its way. */
static void
look_at_published(const tr_actor *actor, tr_message *message)
{
    message->kind &= (uint8_t)~TRI_MAIL_PUBLISHED;
    if (actor->flags & TRI_ACTOR_HOSTED)
        message->tag = TRI_TAG_PUBLISHED;
}

/* Mail that is not handled as it is: TRI_MAIL_NOTICE and the like. */
static TRI_INLINE void
handle_looked_at(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    if (TRI_UNLIKELY((mail->message.kind & TRI_MAIL_PUBLISHED) != 0))
        look_at_published(actor, &mail->message);
    unsigned kind = mail->message.kind &= (uint8_t)~TRI_MAIL_READ;
    if (kind <= TR_PAYLOAD_KINDS)
        handle_at_its_pace(home, actor, mail, NULL);
    else if ((kind & TRI_MAIL_QUESTION) != 0)
        handle_question(home, actor, mail);
    else if ((kind & TRI_MAIL_REPLY) != 0)
        handle_answer(home, actor, mail);
    else if (tri_notice_take(home, &mail->message))
        handle_at_its_pace(home, actor, mail, NULL);
    else
        pass_over(home, actor, mail, TR_DEAD_NO_ACTOR);
}

/* Does the mail come up? Else it was taken, or set aside. */
static bool
comes_up(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    if (tri_actor_rests(actor)) {
        tri_rest_mail(home, actor, mail);
        return false;
    }
    if (actor->flags & TRI_ACTOR_GONE) {
        actor->waiting--;
        tri_dead_mail(home, actor->ref, mail, TR_DEAD_STOPPED);
        tri_actor_free_if_unused(actor);
        return false;
    }
    if ((actor->flags & TRI_ACTOR_MUTED) != 0
            ? tri_mute_hold(home, actor, mail)
            : (actor->flags & TRI_ACTOR_SLOW) != 0 && tri_mailbox_put_aside(home, actor, mail))
        return false;
    leave(home, actor, mail);
    return true;
}

/*
 * Mail whose actor is not the plain case. What came from outside counts as read when it comes up. What was set aside
 * goes first, and a receive timeout begins again.
 */
TRI_NOINLINE static void
handle_special(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    if (TRI_LIKELY((actor->flags & TRI_ACTOR_UNUSUAL) == TRI_ACTOR_LOOK))
        tri_mailbox_leave(home, actor);
    else if (!comes_up(home, actor, mail))
        return;
    if (mail->message.from == TR_NOBODY && (mail->message.kind & TRI_MAIL_READ) == 0)
        tri_outside_read(home->worker, &mail->message);
    tr_ref ref = actor->ref;
    bool has_extra = tri_extra_of(actor) != NULL, touches = has_extra && tri_idle_is_on(actor);
    if (actor->waiting == 0 && !touches)
        actor->flags &= (uint16_t)~TRI_ACTOR_LOOK;
    if (has_extra)
        mail = tri_stash_pass(actor, mail);
    if (mail->message.kind > TR_PAYLOAD_KINDS)
        handle_looked_at(home, actor, mail);
    else
        handle_at_its_pace(home, actor, mail, NULL);
    if (touches)
        tri_idle_touch_now(home, ref);
}

/* Reads the clock when it is due, and marks the actor as slow if its message took too long. */
static void
look_at(struct tri_actors *home, tr_ref ref)
{
    bool alone = home->stride == 1; /* nothing else ran since the last look */
    uint64_t passed = look(home);
    tr_actor *actor = tri_slots_find(&home->slots, ref);
    if (alone && actor != NULL && (actor->flags & (TRI_ACTOR_SLOW | TRI_ACTOR_GONE)) == 0 &&
        passed >= us(home, SLOW_US))
        tri_mailbox_slow_down(actor);
}

void
tri_dispatch_settle(struct tri_actors *home)
{
    uint64_t ended = home->worker->turn_ended, passed = ended - home->looked;
    if (!home->unsettled || (int64_t)passed < 0) /* that turn has not ended */
        return;
    bool is_long = passed > us(home, LONG_US);
    home->unsettled = false;
    home->looked = ended;
    if (is_long)
        home->stride = home->until_look = 1;
    if (is_long || home->looks_from - home->until_look == 1)
        tri_ledger_add(home, home->worker->activity.actor, passed);
    else
        home->busy_rest += passed;
}

TRI_NOINLINE static void
trace_over_budget(const struct tri_actors *home, unsigned handled)
{
    uint64_t us_passed = (home->looked - home->worker->turn_began) * 1000 / home->worker->runtime->ticks_per_ms;
    uint32_t us_told = us_passed < UINT32_MAX ? (uint32_t)us_passed : UINT32_MAX;
    tri_trace_over_budget(home->worker->trace, us_told, handled);
}

/*
 * Handles the first in the queue. Returns whether the clock may have been read, which alone ends a slice. `traced`: is
 * there a recorder? Where there is none, nothing of it is asked for each message.
 */
static TRI_INLINE bool
handle_first(struct tri_actors *home, bool traced)
{
    struct tri_mail *mail = tri_mail_list_take(&home->queue);
    tr_actor *actor = mail->actor;
    bool is_special = (actor->flags & TRI_ACTOR_UNUSUAL) != 0;
    if (TRI_UNLIKELY(is_special)) {
        if (traced)
            tri_record_return(home);
        handle_special(home, actor, mail);
    } else {
        tri_mailbox_leave(home, actor);
        handle_traced(home, actor, mail, NULL, traced);
    }
    if (TRI_UNLIKELY(--home->until_look == 0)) {
        look_at(home, home->worker->activity.actor);
        return true;
    }
    return is_special;
}

static TRI_INLINE bool
run(struct tri_worker *worker, unsigned most, bool traced)
{
    struct tri_actors *home = tri_actors_of(worker);
    if (tri_owed_any(home)) {
        tri_parents_pay(home);
        tri_owed_pay(home);
    }
    if (home->unsettled)
        tri_dispatch_settle(home); /* mostly in a turn that finds no mail: so the next mail does not wait for it */
    if (tri_mail_list_empty(&home->queue))
        return tri_owed_any(home);
    worker->turn_began = home->looked = tri_ticks();
    ck_pr_store_64(&worker->activity.polled_ms, tri_clock_of_loop_ms(&worker->loop));
    home->looks_from = home->until_look;
    home->slice_over = false;
    home->slice_ends = worker->activity.received + most;
    if (traced)
        tri_record_slice(home, home->looked);
    while (!tri_mail_list_empty(&home->queue))
        if (handle_first(home, traced) && home->slice_over)
            break;
    if (traced)
        tri_record_return(home);
    worker->activity.name = NULL;
    home->unsettled = true;
    bool more = !tri_mail_list_empty(&home->queue);
    if (TRI_UNLIKELY(home->slice_over && more))
        trace_over_budget(home, most - (unsigned)left(home));
    return more;
}

TRI_NOINLINE static bool
run_traced(struct tri_worker *worker, unsigned most)
{
    struct tri_actors *home = tri_actors_of(worker);
    tri_introductions_go_on(home);
    bool more = run(worker, most, true);
    return more || tri_introductions_are_due(home);
}

bool
tri_dispatch_run(struct tri_worker *worker)
{
    return TRI_UNLIKELY(worker->trace != NULL) ? run_traced(worker, SLICE_MESSAGES)
                                               : run(worker, SLICE_MESSAGES, false);
}

/* It looks at the clock after each, as it does where handlers take long. */
TRI_NOINLINE bool
tri_dispatch_run_one(struct tri_worker *worker)
{
    struct tri_actors *home = tri_actors_of(worker);
    home->stride = home->until_look = 1;
    return worker->trace != NULL ? run_traced(worker, 1) : run(worker, 1, false);
}

void
tri_dispatch_bury(struct tri_actors *home)
{
    while (!tri_mail_list_empty(&home->queue)) {
        struct tri_mail *mail = tri_mail_list_take(&home->queue);
        handle_special(home, mail->actor, mail);
    }
}
