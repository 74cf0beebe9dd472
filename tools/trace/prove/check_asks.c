/*
 * The rule of questions: ask.
 *
 * A question is the message that its asker sends next, and it has one outcome, in its asker. One that has none may be
 * under way still, or its asker has ended.
 */
#include "rules.h"

struct asked {
    uint64_t asker; /* 0: it was not asked, as far as the trace knows */
    bool over;
};

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
    if (asked->asker != 0)
        check_failed(check, RULE_ask, step, "that question was asked before");
    asked->asker = step->record->actor;
}

static void
check_outcome(struct check *check, const struct step *step)
{
    if (step->record->message == 0) { /* it was asked while nothing was recorded */
        check_missing(check, RULE_ask, step, "the outcome of a question that was not asked");
        return;
    }
    struct asked *asked = table_put(&check->asks, step->record->message, 0);
    if (asked->asker == 0)
        check_missing(check, RULE_ask, step, "the outcome of a question that was not asked");
    else if (asked->asker != step->record->actor)
        check_failed(check, RULE_ask, step, "the outcome of a question that another actor asked");
    if (asked->over)
        check_failed(check, RULE_ask, step, "the question had its outcome before");
    asked->over = true;
}

void
check_asks(struct check *check, const struct step *step)
{
    if (step->role != ROLE_ask && step->role != ROLE_ask_over)
        return;
    check->findings[RULE_ask].looked++;
    if (step->role == ROLE_ask)
        check_ask(check, step);
    else
        check_outcome(check, step);
}
