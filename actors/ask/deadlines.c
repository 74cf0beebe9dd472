#include "deadlines.h"

#include <assert.h>
#include <stdlib.h>
#include <troupe/core/compiler.h>

#define SPOKES 1024u /* of the wheel: a power of 2 */

struct tri_deadlines {
    struct tri_timers *timers;
    struct tri_timer timer;
    void (*passed)(struct tri_deadline *deadline);
    uint64_t armed_ms;  /* TRI_CLOCK_NEVER: the timer is not started */
    uint64_t looked_ms; /* all that were due by then have passed */
    uint64_t begin_ms;  /* the clock, rounded up, when it was last read */
    uint64_t read;      /* ticks, when that was */
    struct tri_deadline *spokes[SPOKES];
};

static struct tri_deadline **
spoke(struct tri_deadlines *deadlines, uint64_t ms)
{
    return &deadlines->spokes[ms % SPOKES];
}

static void
arm(struct tri_deadlines *deadlines, uint64_t due_ms)
{
    tri_timer_stop(deadlines->timers, &deadlines->timer);
    deadlines->armed_ms = due_ms;
    if (due_ms == TRI_CLOCK_NEVER)
        return;
    tr_status status = tri_timer_start_at(deadlines->timers, &deadlines->timer, due_ms);
    assert(status == TR_OK); /* its place is kept */
    (void)status;
}

static void
link_in(struct tri_deadline **at, struct tri_deadline *deadline)
{
    deadline->next = *at;
    deadline->link = at;
    if (deadline->next != NULL)
        deadline->next->link = &deadline->next;
    *at = deadline;
}

/* What is due goes into a list of its own first: what passes may end others. */
static void
pass_spoke(struct tri_deadlines *deadlines, struct tri_deadline *deadline, uint64_t now_ms)
{
    struct tri_deadline *due = NULL;
    for (struct tri_deadline *next; deadline != NULL; deadline = next) {
        next = deadline->next;
        if (deadline->due_ms > now_ms)
            continue;
        tri_deadline_end(deadline);
        link_in(&due, deadline);
    }
    while (due != NULL) {
        deadline = due;
        tri_deadline_end(deadline);
        deadlines->passed(deadline);
    }
}

static uint64_t
earliest_of(const struct tri_deadline *deadline)
{
    uint64_t earliest = TRI_CLOCK_NEVER;
    for (; deadline != NULL; deadline = deadline->next)
        if (deadline->due_ms < earliest)
            earliest = deadline->due_ms;
    return earliest;
}

/* Those of the next turn of the wheel come before all later ones, in the order of the spokes. */
static uint64_t
earliest(struct tri_deadlines *deadlines, uint64_t now_ms)
{
    uint64_t later = TRI_CLOCK_NEVER;
    for (uint64_t ms = now_ms + 1; ms <= now_ms + SPOKES; ms++) {
        uint64_t due_ms = earliest_of(*spoke(deadlines, ms));
        if (due_ms == ms)
            return ms;
        if (due_ms < later)
            later = due_ms;
    }
    return later;
}

static void
on_timer(struct tri_timer *timer)
{
    struct tri_deadlines *deadlines = TRI_CONTAINER_OF(timer, struct tri_deadlines, timer);
    uint64_t now_ms = tri_clock_of_loop_ms(deadlines->timers->loop), first_ms = deadlines->looked_ms + 1;
    if (now_ms - first_ms >= SPOKES)
        first_ms = now_ms - SPOKES + 1;
    deadlines->looked_ms = now_ms;
    deadlines->armed_ms = TRI_CLOCK_NEVER;
    for (uint64_t ms = first_ms; ms <= now_ms; ms++)
        pass_spoke(deadlines, *spoke(deadlines, ms), now_ms);
    arm(deadlines, earliest(deadlines, now_ms));
}

struct tri_deadlines *
tri_deadlines_new(struct tri_timers *timers, void (*passed)(struct tri_deadline *deadline))
{
    struct tri_deadlines *deadlines = calloc(1, sizeof(*deadlines));
    if (deadlines == NULL)
        return NULL;
    deadlines->timers = timers;
    deadlines->timer.fire = on_timer;
    deadlines->passed = passed;
    deadlines->armed_ms = TRI_CLOCK_NEVER;
    deadlines->looked_ms = tri_clock_of_loop_ms(timers->loop);
    if (tri_timer_keep(timers, &deadlines->timer) == TR_OK)
        return deadlines;
    free(deadlines);
    return NULL;
}

void
tri_deadlines_free(struct tri_deadlines *deadlines)
{
    free(deadlines);
}

/*
 * While half a millisecond of ticks has not passed since the clock was read, what begins now begins in the millisecond
 * that was next then, or in the one after it.
 */
uint64_t
tri_deadlines_after(struct tri_deadlines *deadlines, uint64_t ticks_per_ms, uint64_t delay_ms)
{
    uint64_t ticks = tri_ticks(), begin_ms = deadlines->begin_ms + 1;
    if (TRI_UNLIKELY(ticks - deadlines->read >= ticks_per_ms / 2)) {
        deadlines->read = ticks;
        begin_ms = deadlines->begin_ms = tri_clock_begin_ms();
    }
    return delay_ms < TRI_CLOCK_NEVER - begin_ms ? begin_ms + delay_ms : TRI_CLOCK_NEVER - 1;
}

void
tri_deadline_begin(struct tri_deadlines *deadlines, struct tri_deadline *deadline, uint64_t due_ms)
{
    if (due_ms <= deadlines->looked_ms)
        due_ms = deadlines->looked_ms + 1;
    deadline->due_ms = due_ms;
    link_in(spoke(deadlines, due_ms), deadline);
    if (TRI_UNLIKELY(due_ms < deadlines->armed_ms))
        arm(deadlines, due_ms);
}
