/*
 * The rules of what runs on a worker: handler, timer.
 *
 * A worker does one thing at a time: a message is received, its handler returns, and then comes the next. Traces of older
 * libraries do not have the ends of handlers, nor do those that were written without them: there nothing is missing.
 */
#include "bad_input.h"
#include "rules.h"

struct handler {
    uint64_t actor, message;
    bool runs;
};

void
check_handlers_init(struct check *check)
{
    check->handlers = must_calloc(check->trace->stream_count, sizeof(*check->handlers));
    table_init(&check->timers, sizeof(bool));
    int id = metadata_find(check->trace->metadata, "handled");
    check->has_handler_ends = id >= 0 && check->trace->counts[id] > 0;
}

static void
check_received(struct check *check, struct handler *handler, const struct step *step)
{
    bool at_once = step->record->flags & 1; /* that handler ends with this event */
    check->has_handler_ends |= at_once;
    check->findings[RULE_handler].looked += at_once;
    if (handler->runs && check->has_handler_ends && !at_once)
        check_missing(check, RULE_handler, step, "the handler of the message before has not ended");
    if (!handler->runs && at_once)
        check_missing(check, RULE_handler, step, "it ends the handler of the message before, and there is none");
    *handler = (struct handler){step->record->actor, step->record->message, true};
}

static void
check_handled(struct check *check, struct handler *handler, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    check->findings[RULE_handler].looked++;
    if (!handler->runs || handler->actor != record->actor || handler->message != record->message)
        check_missing(check, RULE_handler, step, "its actor has not received that message, or has handled it before");
    handler->runs = false;
}

/* Known are those that can fire still. */
static void
check_timer(struct check *check, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    bool is_known = table_get(&check->timers, record->actor, record->message) != NULL;
    bool begins = step->role == ROLE_timer;
    check->findings[RULE_timer].looked++;
    if (begins == is_known)
        check_missing(check, RULE_timer, step,
                      begins ? "that timer has begun before, and is not over" : "no such timer of its actor runs");
    if (begins)
        table_put(&check->timers, record->actor, record->message);
    else if (step->role == ROLE_timer_over || (record->flags & 1) == 0)
        table_remove(&check->timers, record->actor, record->message);
}

void
check_handlers(struct check *check, const struct step *step)
{
    bool of_timer = step->role == ROLE_timer || step->role == ROLE_timer_fired || step->role == ROLE_timer_over;
    if (of_timer)
        check_timer(check, step);
    struct handler *handler = &check->handlers[step->stream - check->trace->streams];
    if (step->role == ROLE_receive)
        check_received(check, handler, step);
    else if (step->role == ROLE_handled)
        check_handled(check, handler, step);
}
