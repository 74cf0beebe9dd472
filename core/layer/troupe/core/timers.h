/*
 * Timers: one libuv timer per worker drives all of them.
 *
 * Two kinds, in one heap. A tri_timer fires once at its time. A tri_timeout fires when nothing touched it for its
 * duration. A touch only notes the time, which is a store; a timeout that reaches the top of the heap with a younger
 * touch goes back to where that touch puts it. So 100,000 timeouts that are touched by every message cost a look at the
 * clock for each touch and one step through the heap for each duration, and fire to the millisecond.
 *
 * A delay begins when it is asked for, however long the callback has run that asks for it, and is never cut short
 * (delay.h).
 *
 * A timer that must not fail to start keeps its place in the heap, from the time when it can still be refused.
 *
 * All functions belong to the worker's thread. A callback may start and stop any timer, its own included.
 */
#ifndef TROUPE_CORE_TIMERS_H
#define TROUPE_CORE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/delay.h>
#include <troupe/core/status.h>
#include <uv.h>

struct tri_timer {
    uint64_t due_ms;                       /* on uv_now()'s clock */
    size_t place;                          /* in the heap, from 1; 0: not started */
    void (*fire)(struct tri_timer *timer); /* it is stopped by then */
    bool kept;                             /* there is room for it whenever it is started */
};

struct tri_timeout {
    struct tri_timer timer;    /* private */
    struct tri_timers *timers; /* where it was started */
    uint64_t duration_ms;
    uint64_t touched_ms;
    void (*fire)(struct tri_timeout *timeout); /* it is stopped by then */
};

struct tri_timers {
    uv_loop_t *loop;
    bool stepped; /* whoever steps the worker fires what is due, and the handle is never armed */
    uv_timer_t handle;
    uv_idle_t rest;                /* runs while a round has more than was fired yet */
    uint64_t armed_ms;             /* when the handle fires; TRI_CLOCK_NEVER: it is stopped */
    uint64_t started;              /* timers ever started */
    uint64_t round;                /* those that were when the round began */
    struct tri_timers_entry *heap; /* heap[0] is the next to fire */
    size_t count, room;
    size_t reserved; /* of the room, for timers that are kept and not started */
};

/* On a thread with a time of its own (clock.h) that time drives them: tri_timers_fire_one(). TR_OK, or what libuv
 * answers. */
tr_status tri_timers_open(struct tri_timers *timers, uv_loop_t *loop);

/* When the next is due; TRI_CLOCK_NEVER: none is. */
uint64_t tri_timers_next_ms(const struct tri_timers *timers);

/* Fires the next, which is due, of those that are stepped. What a callback starts without a delay is due a millisecond
 * later, so that time goes on. */
void tri_timers_fire_one(struct tri_timers *timers);

/* Stops everything and closes the handles; the loop must run once more before it can be closed. Nothing is started
 * then. */
void tri_timers_close(struct tri_timers *timers);

/*
 * Fires timer->fire(timer) delay_ms from now on at the earliest; with UINT64_MAX never. The timer is not started. TR_OK
 * or TR_ENOMEM.
 */
tr_status tri_timer_start(struct tri_timers *timers, struct tri_timer *timer, uint64_t delay_ms);

/* The same at a given time of uv_now()'s clock; a time that has passed fires in the next turn, or, started by a
 * callback of a timer, a millisecond later. */
tr_status tri_timer_start_at(struct tri_timers *timers, struct tri_timer *timer, uint64_t due_ms);

/* From now on starting it cannot fail. Again: nothing. TR_OK or TR_ENOMEM. */
tr_status tri_timer_keep(struct tri_timers *timers, struct tri_timer *timer);

/* Stops it, and keeps its place no more. On one that is neither started nor kept it does nothing. */
void tri_timer_let_go(struct tri_timers *timers, struct tri_timer *timer);

/* On a timer that is not started it does nothing. */
void tri_timer_stop(struct tri_timers *timers, struct tri_timer *timer);

/* Fires timeout->fire(timeout) once, when duration_ms (above 0) passed without a touch. It is not started. TR_OK or
 * TR_ENOMEM. */
tr_status tri_timeout_start(struct tri_timers *timers, struct tri_timeout *timeout, uint64_t duration_ms);

/* On one that is not started it does nothing. */
void tri_timeout_stop(struct tri_timers *timers, struct tri_timeout *timeout);

/* Something happened: the duration begins again. On one that is not started it does nothing. */
static inline void
tri_timeout_touch(struct tri_timeout *timeout)
{
    timeout->touched_ms = tri_clock_begin_ms();
}

#endif
