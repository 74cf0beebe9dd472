/*
 * Delayed and periodic sends: messages that wait for their time.
 *
 * Each stands in the worker's timers, is attached to the actor that started it, so that it ends with it, and is in a
 * table by number, where tr_timer_cancel() finds it. A tr_timer is that number and the timer's own count, so a stale
 * one finds nothing.
 */
#include "timer.h"

#include "dead_letters.h"
#include "extra.h"
#include "memory.h"

#include <assert.h>
#include <stdlib.h>

#define AGAIN_MS 1u     /* after which a message that found no memory is sent again */
#define AT_LIMIT_MS 10u /* and one that may not take any: the memory limit is reached */

struct tri_actor_timer {
    struct tri_timer base; /* first: fire() gets its address */
    tr_actor *owner;
    struct tri_attachment attachment; /* to the owner */
    tr_ref to;
    uint64_t period_ms; /* 0: once */
    uint64_t rhythm_ms; /* of a periodic one: when it is due; without memory it comes again a moment later */
    uint32_t number;    /* in the table */
    uint32_t fired;     /* how often, for the trace: since it began, or began again */
    tr_message message;
};

static struct tri_actor_timer *
timer_of(const struct tri_actors *home, tr_timer name)
{
    uint32_t number = (uint32_t)name, count = (uint32_t)(name >> 32);
    if (number >= home->timer_room || home->timers[number].count != count)
        return NULL;
    return home->timers[number].timer;
}

static void
give_number(struct tri_actors *home, uint32_t number)
{
    home->timers[number] = (struct tri_timer_entry){.next_free = home->timer_free};
    home->timer_free = number;
}

static bool
grow_table(struct tri_actors *home)
{
    uint32_t first = home->timer_room, room = first == 0 ? 16 : first * 2;
    struct tri_timer_entry *timers = realloc(home->timers, room * sizeof(*timers));
    if (timers == NULL)
        return false;
    home->timers = timers;
    home->timer_room = room;
    for (uint32_t number = room; number-- > first;)
        give_number(home, number);
    return true;
}

static bool
take_number(struct tri_actors *home, struct tri_actor_timer *timer)
{
    if (home->timer_free == TRI_NO_TIMER && !grow_table(home))
        return false;
    if (++home->timers_started == 0) /* it has come round: the name 0 is nobody's */
        home->timers_started = 1;
    timer->number = home->timer_free;
    struct tri_timer_entry *entry = &home->timers[timer->number];
    home->timer_free = entry->next_free;
    *entry = (struct tri_timer_entry){.timer = timer, .count = home->timers_started};
    return true;
}

/* Life. */

static void
count(struct tri_actors *home, int change)
{
    home->timers_running += (uint32_t)change;
    if (TRI_UNLIKELY(home->counts))
        tri_level_add_own(&home->worker->level, change * (int64_t)sizeof(struct tri_actor_timer));
}

static tr_timer
name_of(const struct tri_actor_timer *timer)
{
    return (tr_timer)timer->owner->home->timers[timer->number].count << 32 | timer->number;
}

enum { CANCELLED, ACTOR_ENDED };

/* That it fires has ended one that comes once, until it begins again: the message's destructor may end it meanwhile. */
static void
trace_over(const struct tri_actor_timer *timer, uint32_t how)
{
    if (timer->period_ms != 0 || timer->fired == 0)
        tri_trace_timer_over(timer->owner->home->worker->trace, timer->owner->ref, how, name_of(timer));
}

static void
trace_fired(struct tri_actor_timer *timer)
{
    tri_trace_timer_fired(timer->owner->home->worker->trace, timer->owner->ref, timer->period_ms != 0, ++timer->fired,
                          name_of(timer));
}

static void
trace_begin(struct tri_actor_timer *timer, uint64_t delay_ms)
{
    timer->fired = 0;
    uint32_t ms = delay_ms < UINT32_MAX ? (uint32_t)delay_ms : UINT32_MAX;
    tri_trace_timer(timer->owner->home->worker->trace, timer->owner->ref, timer->period_ms != 0, ms, name_of(timer));
}

static void
end_timer(struct tri_actor_timer *timer)
{
    struct tri_actors *home = timer->owner->home;
    tri_timer_let_go(&home->worker->timers, &timer->base);
    tri_detach(&timer->attachment);
    give_number(home, timer->number);
    tr_message_drop(&timer->message);
    free(timer);
    count(home, -1);
}

static void
end_attached(struct tri_attachment *attachment, const struct tri_death *death)
{
    struct tri_actor_timer *timer = TRI_CONTAINER_OF(attachment, struct tri_actor_timer, attachment);
    (void)death;
    trace_over(timer, ACTOR_ENDED);
    end_timer(timer);
}

void
tri_actors_timers_init(struct tri_actors *home)
{
    home->timer_free = TRI_NO_TIMER;
}

/* All numbers are free, each once. Debug builds call it. */
static void
check_all_free(const struct tri_actors *home)
{
#ifndef NDEBUG
    uint32_t count = 0;
    for (uint32_t number = home->timer_free; number != TRI_NO_TIMER; number = home->timers[number].next_free) {
        assert(number < home->timer_room && home->timers[number].timer == NULL && count < home->timer_room);
        count++;
    }
    assert(count == home->timer_room);
#else
    (void)home;
#endif
}

void
tri_actors_timers_fini(struct tri_actors *home)
{
    check_all_free(home);
    free(home->timers); /* its timers ended with their actors */
}

/* Firing. */

/* false: there is no memory, or it would be new at the limit. */
static bool
is_sent(struct tri_actor_timer *timer, tr_message *message)
{
    if (tri_memory_refuses(timer->owner->home->worker, timer->to, message))
        return false;
    return tri_send_or_bury(timer->owner->home->worker, timer->owner->ref, timer->to, message);
}

/* Its place is kept. */
static void
start_kept(struct tri_actor_timer *timer, uint64_t due_ms)
{
    tr_status status = tri_timer_start_at(&timer->owner->home->worker->timers, &timer->base, due_ms);
    assert(status == TR_OK);
    (void)status; /* in a Release build nobody asks */
}

static uint64_t
again(const struct tri_actor_timer *timer)
{
    return tri_clock_after(timer->owner->home->worker->at_limit ? AT_LIMIT_MS : AGAIN_MS);
}

static void
begin_again(struct tri_actor_timer *timer)
{
    uint64_t due_ms = again(timer);
    trace_begin(timer, due_ms - tri_clock_ms());
    start_kept(timer, due_ms);
}

/* The destructor of a message that finds nobody may cancel the timer. */
static void
fire_once(struct tri_timer *base)
{
    struct tri_actor_timer *timer = (struct tri_actor_timer *)base;
    const struct tri_actors *home = timer->owner->home;
    tr_timer name = name_of(timer);
    tr_message message = timer->message;
    timer->message = tr_message_signal(message.tag);
    trace_fired(timer);
    bool sent = is_sent(timer, &message);
    if (timer_of(home, name) != timer)
        return;
    if (sent) {
        end_timer(timer);
    } else {
        timer->message = message;
        begin_again(timer);
    }
}

/* The next time of the rhythm that is still to come: periods that a stall swallowed are left out. */
static uint64_t
next_due(uint64_t due_ms, uint64_t period_ms, uint64_t now_ms)
{
    return due_ms + ((now_ms < due_ms ? 0 : now_ms - due_ms) / period_ms + 1) * period_ms;
}

static void
fire_again(struct tri_timer *base)
{
    struct tri_actor_timer *timer = (struct tri_actor_timer *)base;
    tr_message message = timer->message;
    if (message.kind == TR_PAYLOAD_SLICE)
        tr_slice_hold(message.payload.slice);
    uint64_t due_ms = timer->rhythm_ms;
    timer->rhythm_ms = next_due(due_ms, timer->period_ms, tri_clock_ms());
    start_kept(timer, timer->rhythm_ms); /* first: the message's destructor may cancel it */
    trace_fired(timer);
    if (is_sent(timer, &message))
        return;
    tr_message_drop(&message);
    timer->rhythm_ms = due_ms;
    tri_timer_stop(&timer->owner->home->worker->timers, base);
    start_kept(timer, again(timer));
}

/* The public ways. */

static tr_status
start(tr_actor *self, tr_ref to, uint64_t delay_ms, uint64_t period_ms, tr_message *message, tr_timer *out)
{
    struct tri_actors *home = self->home;
    struct tri_actor_timer *timer = calloc(1, sizeof(*timer));
    if (timer == NULL)
        return TR_ENOMEM;
    timer->owner = self;
    timer->to = to;
    timer->period_ms = period_ms;
    timer->base.fire = period_ms != 0 ? fire_again : fire_once;
    if (!take_number(home, timer)) {
        free(timer);
        return TR_ENOMEM;
    }
    if (tri_timer_keep(&home->worker->timers, &timer->base) != TR_OK) {
        give_number(home, timer->number);
        free(timer);
        return TR_ENOMEM;
    }
    count(home, 1);
    timer->rhythm_ms = tri_clock_after(delay_ms);
    start_kept(timer, timer->rhythm_ms);
    timer->message = *message;
    *message = tr_message_signal(message->tag);
    timer->attachment.end = end_attached;
    tri_actor_attach(self, &timer->attachment);
    trace_begin(timer, delay_ms);
    if (out != NULL)
        *out = name_of(timer);
    return TR_OK;
}

static tr_status
check(const tr_actor *self, tr_ref to, const tr_message *message)
{
    if (self == NULL || message == NULL)
        return TR_EINVAL;
    if (self->flags & TRI_ACTOR_GONE)
        return TR_EGONE;
    if (!tri_ref_is_of(self->home->worker->runtime, to))
        return TR_EBADREF;
    if (message->tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    if (message->kind >= TR_PAYLOAD_INVALID)
        return TR_ENOMEM;
    return tri_memory_refuses_timer(self->home, message) ? tri_memory_refuse(self->home->worker) : TR_OK;
}

tr_status
tr_send_after(tr_actor *self, tr_ref to, uint64_t delay_ms, tr_message *message, tr_timer *out)
{
    TRI_CHECK_SELF(self);
    tr_status status = check(self, to, message);
    return status == TR_OK ? start(self, to, delay_ms, 0, message, out) : status;
}

tr_status
tr_send_every(tr_actor *self, tr_ref to, uint64_t period_ms, tr_message *message, tr_timer *out)
{
    TRI_CHECK_SELF(self);
    tr_status status = check(self, to, message);
    if (status != TR_OK)
        return status;
    if (message->kind == TR_PAYLOAD_POINTER)
        return TR_EINVAL;
    return period_ms != 0 ? start(self, to, period_ms, period_ms, message, out) : TR_EBADLIMIT;
}

tr_status
tr_timer_cancel(tr_actor *self, tr_timer timer)
{
    TRI_CHECK_SELF(self);
    if (self == NULL)
        return TR_EINVAL;
    struct tri_actor_timer *named = timer_of(self->home, timer);
    if (named == NULL || named->owner != self)
        return TR_EGONE;
    trace_over(named, CANCELLED);
    end_timer(named);
    return TR_OK;
}
