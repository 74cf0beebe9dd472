#include "deadlines.h"

#include <assert.h>
#include <stdlib.h>
#include <troupe/core/compiler.h>

#define SPOKES TRI_DEADLINE_SPOKES

void
tri_deadlines_arm(struct tri_deadlines *deadlines, uint64_t due_ms)
{
    tri_timer_stop(deadlines->timers, &deadlines->timer);
    deadlines->armed_ms = due_ms;
    if (due_ms == TRI_CLOCK_NEVER)
        return;
    tr_status status = tri_timer_start_at(deadlines->timers, &deadlines->timer, due_ms);
    assert(status == TR_OK); /* its place is kept */
    (void)status;
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
        tri_deadline_link(&due, deadline);
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
        uint64_t due_ms = earliest_of(deadlines->spokes[ms % SPOKES]);
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
        pass_spoke(deadlines, deadlines->spokes[ms % SPOKES], now_ms);
    tri_deadlines_arm(deadlines, earliest(deadlines, now_ms));
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
