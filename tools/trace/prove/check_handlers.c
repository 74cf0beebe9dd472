/*
 * The rules of what runs on a worker: handler, timer.
 *
 * A worker does one thing at a time: a message is received, its handler returns, and then comes the next; what is set
 * aside is the message that is being handled. Traces of older libraries do not have the ends of handlers, nor do those
 * that were written without them: there nothing is missing.
 */
#include "actor.h"
#include "rules.h"
#include "worker.h"

struct timer {
    bool periodic;
    uint32_t fired; /* how often */
};

void
check_handlers_init(struct check *check)
{
    table_init(&check->timers, sizeof(struct timer));
    int id = metadata_find(check->trace->metadata, "handled");
    check->has_handler_ends = id >= 0 && check->trace->counts[id] > 0;
}

static void
check_received(struct check *check, struct worker *worker, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    bool at_once = (record->flags & 1) != 0; /* that handler ends with this event */
    check->has_handler_ends |= at_once;
    check->findings[RULE_handler].looked += at_once;
    if (worker->runs && check->has_handler_ends && !at_once)
        check_missing(check, RULE_handler, step, "the handler of the message before has not ended");
    if (!worker->runs && at_once)
        check_missing(check, RULE_handler, step, "it ends the handler of the message before, and there is none");
    if (record->arg == check->down || worker->noticed != 0)
        check_notice(check, worker, step);
    worker->actor = record->actor;
    worker->message = record->message;
    worker->tag = record->arg;
    worker->runs = true;
    worker->set_aside = false;
}

static bool
is_running(const struct worker *worker, const struct tri_trace_record *record)
{
    return worker->runs && worker->actor == record->actor && worker->message == record->message;
}

static void
check_handled(struct check *check, struct worker *worker, const struct step *step)
{
    check->findings[RULE_handler].looked++;
    if (!is_running(worker, step->record))
        check_missing(check, RULE_handler, step, "its actor has not received that message, or has handled it before");
    else if (worker->tag != step->record->arg)
        check_failed(check, RULE_handler, step, "its message was received with another tag");
    worker->runs = false;
}

static void
check_stash(struct check *check, struct worker *worker, const struct step *step)
{
    check->findings[RULE_handler].looked++;
    if (worker->set_aside)
        check_missing(check, RULE_handler, step, "the message was set aside before");
    else if (!is_running(worker, step->record))
        check_missing(check, RULE_handler, step, "a message is set aside that is not being handled");
    worker->set_aside = true;
}

static void
check_timer(struct check *check, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    struct actor *actor;
    check->findings[RULE_timer].looked++;
    if (table_get(&check->timers, record->actor, record->message) != NULL)
        check_missing(check, RULE_timer, step, "that timer has begun before, and is not over");
    else if ((actor = actor_of(check, record->actor)) != NULL)
        actor->timers++;
    struct timer *timer = table_put(&check->timers, record->actor, record->message);
    *timer = (struct timer){.periodic = (record->flags & 1) != 0};
}

static void
end_timer(struct check *check, const struct tri_trace_record *record)
{
    struct actor *actor = actor_of(check, record->actor);
    if (actor != NULL && actor->timers > 0)
        actor->timers--;
    table_remove(&check->timers, record->actor, record->message);
}

/* A timer that has fired may fire once more if there was no memory for its message. */
static void
check_fired(struct check *check, struct timer *timer, const struct step *step)
{
    bool periodic = (step->record->flags & 1) != 0;
    if (timer->periodic != periodic)
        check_failed(check, RULE_timer, step, "it comes again, and was to come once, or the reverse");
    timer->fired++;
    if (step->record->arg != 0 && step->record->arg != timer->fired)
        check_missing(check, RULE_timer, step, "it has not fired as often before as it says");
    timer->fired = step->record->arg != 0 ? step->record->arg : timer->fired;
    if (!periodic)
        end_timer(check, step->record);
}

/* Known are those that can fire still. */
void
check_timers(struct check *check, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    if (step->role == ROLE_timer) {
        check_timer(check, step);
        return;
    }
    struct timer *timer = table_get(&check->timers, record->actor, record->message);
    check->findings[RULE_timer].looked++;
    if (timer == NULL)
        check_missing(check, RULE_timer, step, "no such timer of its actor runs");
    else if (step->role == ROLE_timer_fired)
        check_fired(check, timer, step);
    else
        end_timer(check, record);
    struct actor *actor = actor_of(check, record->actor);
    if (actor != NULL && step->role == ROLE_timer_over && record->arg == 1)
        actor->ends = true;
}

void
check_handlers(struct check *check, const struct step *step)
{
    struct worker *worker = worker_of(check, step);
    if (step->role == ROLE_receive)
        check_received(check, worker, step);
    else if (step->role == ROLE_handled)
        check_handled(check, worker, step);
    else
        check_stash(check, worker, step);
}
