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

struct tri_deadlines;

/* NULL without memory. passed(deadline): it is due, and has ended. */
struct tri_deadlines *tri_deadlines_new(struct tri_timers *timers, void (*passed)(struct tri_deadline *deadline));

/* There is none left, or it does not matter; the timers are closed. NULL does nothing. */
void tri_deadlines_free(struct tri_deadlines *deadlines);

/* When a time is over that begins now, at most two milliseconds later than tri_clock_after(), and cheaper. */
uint64_t tri_deadlines_after(struct tri_deadlines *deadlines, uint64_t ticks_per_ms, uint64_t delay_ms);

/* It is due at that time. */
void tri_deadline_begin(struct tri_deadlines *deadlines, struct tri_deadline *deadline, uint64_t due_ms);

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
