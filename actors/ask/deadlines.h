/*
 * Deadlines: times that nearly never come, since most questions are answered.
 *
 * They lie in a wheel, by the millisecond, so that beginning and ending one is a list's; one timer of the worker stands
 * for all of them. It is set for the earliest, or earlier: ending a deadline leaves it as it is, at the price of one
 * wake-up that finds nothing to do. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_DEADLINES_H
#define TROUPE_ACTORS_DEADLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/timers.h>

struct tri_deadline {
    struct tri_deadline *next, **link;
    uint64_t due_ms; /* on uv_now()'s clock */
};

#define TRI_DEADLINE_SPOKES 1024u /* of the wheel: a power of 2 */

struct tri_deadlines {
    struct tri_timers *timers;
    struct tri_timer timer;
    void (*passed)(struct tri_deadline *deadline);
    uint64_t armed_ms;  /* TRI_CLOCK_NEVER: the timer is not started */
    uint64_t looked_ms; /* all that were due by then have passed */
    uint64_t begin_ms;  /* the clock, rounded up, when it was last read */
    uint64_t read;      /* ticks, when that was */
    struct tri_deadline *spokes[TRI_DEADLINE_SPOKES];
};

/* NULL without memory. passed(deadline): it is due, and has ended. */
struct tri_deadlines *tri_deadlines_new(struct tri_timers *timers, void (*passed)(struct tri_deadline *deadline));

/* There is none left, or it does not matter; the timers are closed. NULL does nothing. */
void tri_deadlines_free(struct tri_deadlines *deadlines);

/* Sets the timer. */
void tri_deadlines_arm(struct tri_deadlines *deadlines, uint64_t due_ms);

/*
 * When a time is over that begins now, at most two milliseconds later than tri_clock_after(), and cheaper: while half a
 * millisecond of ticks has not passed since the clock was read, what begins now begins in the millisecond that was next
 * then, or in the one after it.
 */
static inline uint64_t
tri_deadlines_after(struct tri_deadlines *deadlines, uint64_t ticks_per_ms, uint64_t delay_ms)
{
    uint64_t ticks = tri_ticks(), begin_ms = deadlines->begin_ms + 1;
    if (TRI_UNLIKELY(ticks - deadlines->read >= ticks_per_ms / 2)) {
        deadlines->read = ticks;
        begin_ms = deadlines->begin_ms = tri_clock_begin_ms();
    }
    return delay_ms < TRI_CLOCK_NEVER - begin_ms ? begin_ms + delay_ms : TRI_CLOCK_NEVER - 1;
}

static inline void
tri_deadline_link(struct tri_deadline **at, struct tri_deadline *deadline)
{
    deadline->next = *at;
    deadline->link = at;
    if (deadline->next != NULL)
        deadline->next->link = &deadline->next;
    *at = deadline;
}

/* It is due at that time. */
static inline void
tri_deadline_begin(struct tri_deadlines *deadlines, struct tri_deadline *deadline, uint64_t due_ms)
{
    if (due_ms <= deadlines->looked_ms)
        due_ms = deadlines->looked_ms + 1;
    deadline->due_ms = due_ms;
    tri_deadline_link(&deadlines->spokes[due_ms % TRI_DEADLINE_SPOKES], deadline);
    if (TRI_UNLIKELY(due_ms < deadlines->armed_ms))
        tri_deadlines_arm(deadlines, due_ms);
}

/* It is no more, if it was. */
static inline void
tri_deadline_end(struct tri_deadline *deadline)
{
    if (deadline->link == NULL)
        return;
    *deadline->link = deadline->next;
    if (deadline->next != NULL)
        deadline->next->link = deadline->link;
    deadline->link = NULL;
}

#endif
