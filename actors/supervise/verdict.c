/*
 * What becomes of a child that has ended, and of the others with it: it is forgotten, or they are to begin again, or
 * the supervisor gives up. A strategy is no more than who is marked; what can be said without a supervisor is in
 * strategy.h.
 */
#include "supervising.h"

#include <stdio.h>
#include <troupe/core/steps.h>

void
tri_supervisor_end_all(struct tri_supervisor *supervisor)
{
    supervisor->phase = TRI_SUPERVISOR_ENDING;
    for (struct tri_child *child = supervisor->first; child != NULL; child = child->next) {
        child->down = true;
        child->wanted = false;
    }
}

/* The reason stands first, so that its own text is what is cut off. */
static void
give_up(struct tri_supervisor *supervisor, const struct tri_child *child, tr_status status, const char *what)
{
    const struct tri_text *text = child->ward != NULL ? child->ward->text : NULL;
    supervisor->failure = status;
    snprintf(supervisor->text, sizeof(supervisor->text), "child \"%s\" %s: %s%s%s", child->name, what,
             tr_status_code(child->reason), text != NULL ? ": " : "", text != NULL ? text->text : "");
    tri_supervisor_end_all(supervisor);
}

static size_t
number_of(const struct tri_child *child)
{
    size_t number = 0;
    while ((child = child->previous) != NULL)
        number++;
    return number;
}

static void
concern(struct tri_child *child, uint64_t due_ms)
{
    bool has_begun = child->born || child->state != TR_CHILD_RESTING;
    if (!child->wanted || !has_begun)
        return;
    child->down = true;
    child->wanted = child->plan->restart != TR_RESTART_TEMPORARY;
    child->due_ms = due_ms;
}

static void
concern_others(struct tri_supervisor *supervisor, struct tri_child *ended)
{
    size_t other = 0, number = number_of(ended);
    enum tr_strategy strategy = ended->plan->one_each_worker ? TR_ONE_FOR_ONE : supervisor->plan->strategy;
    for (struct tri_child *child = supervisor->first; child != NULL; child = child->next, other++)
        if (child != ended && tri_strategy_concerns(strategy, number, other))
            concern(child, ended->due_ms);
}

static void
restart(struct tri_supervisor *supervisor, struct tri_child *child)
{
    uint64_t now_ms = tri_clock_ms();
    if (!tri_intensity_allows(&supervisor->intensity, now_ms)) {
        give_up(supervisor, child, TR_EGIVENUP, "has ended too often, at last");
        return;
    }
    child->waited_ms = tri_backoff_ms(&supervisor->plan->backoff, child->waited_ms, now_ms - child->begun_ms);
    child->due_ms = now_ms + child->waited_ms;
    concern_others(supervisor, child);
}

/* Its first init has failed: who wanted the child hears that. */
static void
could_not_start(struct tri_supervisor *supervisor, struct tri_child *child)
{
    if (supervisor->phase == TRI_SUPERVISOR_STARTING && child->adding == NULL)
        give_up(supervisor, child, child->reason, "could not start");
    child->wanted = false;
    tri_child_added(child, child->reason);
}

/* Its worker ends. */
static bool
is_with_the_runtime(const struct tri_child *child)
{
    return child->reason == TR_ESTOPPING && child->ref == TR_NOBODY;
}

/* A child rests that was not asked to. */
void
tri_child_failed(struct tri_child *child)
{
    struct tri_supervisor *supervisor = child->supervisor;
    if (!child->born)
        could_not_start(supervisor, child);
    else if (is_with_the_runtime(child) || !tri_restart_wanted(child->plan->restart, child->reason))
        child->wanted = false;
    else
        restart(supervisor, child);
}
