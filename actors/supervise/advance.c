/*
 * The next step towards what the marks of the children say.
 *
 * Whatever happens - a child has ended, somebody asks for something, a time is over - sets marks: `wanted`, the child
 * is to run; `down`, it is to be stopped first. A step is then
 *
 *   1. the last child that is down and lives is asked to stop, and awaited: so they stop in reverse order;
 *   2. those that are down and not wanted are forgotten, and with none left a supervisor that is to end does so;
 *   3. the first child that is wanted and rests is started when its time has come, and awaited: so they start in order.
 *
 * With TR_ONE_FOR_ONE, once all have started, the steps of one child do not wait for those of another.
 */
#include "supervising.h"

#include <troupe/actors/failure.h>
#include <troupe/core/steps.h>

/* true: a child is being stopped. */
static bool
stop_next(struct tri_supervisor *supervisor)
{
    for (struct tri_child *child = supervisor->last; child != NULL; child = child->previous) {
        if (!child->down || child->state == TR_CHILD_RESTING)
            continue;
        if (child->state == TR_CHILD_STOPPING) {
            if (child->kill_owed)
                tri_child_kill(child);
        } else if (child->ref != TR_NOBODY) {
            tri_child_stop(child);
        }
        return true;
    }
    return false;
}

/* Of those that are stopped: they are no more down. A child that is not wanted, but has not been stopped, stays. */
static void
settle_down(struct tri_supervisor *supervisor)
{
    for (struct tri_child *next, *child = supervisor->first; child != NULL; child = next) {
        next = child->next;
        if (child->state != TR_CHILD_RESTING)
            continue;
        child->down = false;
        if (!child->wanted)
            tri_child_forget(child);
    }
}

static bool
is_ordered(const struct tri_supervisor *supervisor)
{
    return supervisor->phase == TRI_SUPERVISOR_STARTING || supervisor->plan->strategy != TR_ONE_FOR_ONE;
}

/* Without memory for a clock the wait is over at once. */
static void
wait_until(struct tri_supervisor *supervisor, uint64_t due_ms, uint64_t now_ms)
{
    tr_actor *self = supervisor->self;
    tr_message message = tr_message_signal(TRI_CHILD_DUE);
    tr_timer_cancel(self, supervisor->due);
    supervisor->due = 0;
    if (tr_send_after(self, self->ref, due_ms - now_ms, &message, &supervisor->due) != TR_OK)
        tr_send(self, self->ref, &message);
}

static void
could_not_begin(struct tri_child *child)
{
    if (child->state != TR_CHILD_RESTING)
        return;
    tri_child_failed(child);
    child->supervisor->again = true;
}

/* Gives the child that is to be started now; NULL: none, *due_ms says when the next is, 0: none. */
static struct tri_child *
next_to_start(struct tri_supervisor *supervisor, uint64_t now_ms, uint64_t *due_ms)
{
    bool ordered = is_ordered(supervisor);
    *due_ms = 0;
    for (struct tri_child *child = supervisor->first; child != NULL; child = child->next) {
        bool waits = child->state == TR_CHILD_RESTING && child->wanted;
        if (waits && child->due_ms <= now_ms)
            return child;
        if (waits && (*due_ms == 0 || child->due_ms < *due_ms))
            *due_ms = child->due_ms;
        if (ordered && (waits || child->state == TR_CHILD_STARTING))
            return NULL;
    }
    return NULL;
}

static bool
all_run(const struct tri_supervisor *supervisor)
{
    for (const struct tri_child *child = supervisor->first; child != NULL; child = child->next)
        if (child->state != TR_CHILD_RUNNING)
            return false;
    return true;
}

static void
start_next(struct tri_supervisor *supervisor)
{
    uint64_t due_ms, now_ms = tri_clock_ms();
    for (struct tri_child *child; (child = next_to_start(supervisor, now_ms, &due_ms)) != NULL;) {
        tri_child_start(child);
        could_not_begin(child);
    }
    if (due_ms != 0)
        wait_until(supervisor, due_ms, now_ms);
    if (supervisor->phase != TRI_SUPERVISOR_STARTING || !all_run(supervisor))
        return;
    supervisor->phase = TRI_SUPERVISOR_RUNNING;
    tri_ward_begun(supervisor->self);
    tri_supervisor_started(supervisor, TR_OK);
}

static void
end(struct tri_supervisor *supervisor)
{
    if (supervisor->failure != TR_OK)
        tr_fail(supervisor->self, supervisor->failure, "%s", supervisor->text);
    else
        tr_exit(supervisor->self);
}

static void
step(struct tri_supervisor *supervisor)
{
    bool stopping = stop_next(supervisor);
    if (!stopping || !is_ordered(supervisor))
        settle_down(supervisor);
    if (supervisor->phase == TRI_SUPERVISOR_ENDING) {
        if (supervisor->first == NULL)
            end(supervisor);
    } else if (!stopping || !is_ordered(supervisor)) {
        start_next(supervisor);
    }
}

/* What is called here may call the supervisor again: that is done when it has returned. */
void
tri_supervisor_advance(struct tri_supervisor *supervisor)
{
    supervisor->again = true;
    if (supervisor->advancing)
        return;
    supervisor->advancing = true;
    while (supervisor->again) {
        supervisor->again = false;
        step(supervisor);
    }
    supervisor->advancing = false;
}
