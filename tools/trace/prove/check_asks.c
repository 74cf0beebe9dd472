/*
 * The rule of questions: ask.
 *
 * A question is the message that its asker sends next, and it has one outcome, in its asker; if it could not be sent
 * that is its outcome, and so is the end of its asker. What a forwarder sends next, with the tag that it says, is the
 * question that it hands on.
 */
#include "actor.h"
#include "rules.h"
#include "worker.h"

struct asked {
    uint64_t asker; /* 0: it was not asked, as far as the trace knows */
    bool over;
};

/* As TRI_TRACE_WORDS_ask_outcomes has them. */
enum { ANSWERED, NOT_SENT = 6 };

void
check_asks_init(struct check *check)
{
    table_init(&check->asks, sizeof(struct asked));
}

/* One that is over and forgotten counts as not asked. */
static bool
may_have_outcome(const void *check, struct table_key key, const void *value)
{
    const struct asked *asked = value;
    (void)key;
    return !asked->over && !check_has_ended(check, asked->asker);
}

static void
check_ask(struct check *check, const struct step *step)
{
    check_sweep(check, &check->asks, &check->most_asks, may_have_outcome);
    struct asked *asked = table_put(&check->asks, step->record->message, 0);
    struct worker *worker = worker_of(check, step);
    struct actor *actor;
    if (asked->asker != 0)
        check_failed(check, RULE_ask, step, "that question was asked before");
    else if ((actor = actor_of(check, step->record->actor)) != NULL)
        actor->asks++;
    asked->asker = step->record->actor;
    worker->asked = step->record->message;
    worker->asker = step->record->actor;
}

static void
check_outcome(struct check *check, const struct step *step)
{
    if (step->record->message == 0) { /* it was asked while nothing was recorded */
        check_missing(check, RULE_ask, step, "the outcome of a question that was not asked");
        return;
    }
    struct asked *asked = table_put(&check->asks, step->record->message, 0);
    struct worker *worker = worker_of(check, step);
    struct actor *actor = actor_of(check, step->record->actor);
    if (asked->asker == 0)
        check_missing(check, RULE_ask, step, "the outcome of a question that was not asked");
    else if (asked->asker != step->record->actor)
        check_failed(check, RULE_ask, step, "the outcome of a question that another actor asked");
    if (asked->over)
        check_failed(check, RULE_ask, step, "the question had its outcome before");
    else if (actor != NULL && actor->asks > 0 && asked->asker == step->record->actor)
        actor->asks--;
    if (worker->asked == step->record->message) {
        if (step->record->arg == ANSWERED)
            check_missing(check, RULE_ask, step, "an answer to a question that was not sent");
        worker->asked = 0;
    } else if (asked->asker != 0 && step->record->arg == NOT_SENT) {
        check_missing(check, RULE_ask, step, "it was sent after all");
    }
    asked->over = true;
}

/* What must be sent next is not sent. */
static void
check_send(struct check *check, struct worker *worker, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    if (worker->asked != 0 && (record->message != worker->asked || record->actor != worker->asker))
        check_missing(check, RULE_ask, step, "its worker's next send should be a question that was asked");
    if (worker->forwarder != 0 && (record->actor != worker->forwarder || record->arg != worker->forwarded))
        check_missing(check, RULE_ask, step, "it should be a question that is handed on");
    worker->asked = worker->forwarder = 0;
}

static void
check_forward(struct check *check, const struct step *step)
{
    struct worker *worker = worker_of(check, step);
    if (worker->forwarder != 0)
        check_missing(check, RULE_ask, step, "a question is handed on before the one before is sent");
    worker->forwarder = step->record->actor;
    worker->forwarded = step->record->arg;
}

void
check_asks(struct check *check, const struct step *step)
{
    if (step->role == ROLE_send) {
        struct worker *worker = worker_of(check, step);
        if ((worker->asked | worker->forwarder) != 0)
            check_send(check, worker, step);
        return;
    }
    check->findings[RULE_ask].looked++;
    if (step->role == ROLE_ask)
        check_ask(check, step);
    else if (step->role == ROLE_ask_over)
        check_outcome(check, step);
    else
        check_forward(check, step);
}
