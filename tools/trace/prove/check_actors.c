/*
 * The rules of actors: one_worker, life.
 *
 * They apply to what an actor does itself. That it is asked to stop, that the watchdog names it and that a message
 * finds it gone can be recorded anywhere, and after its end.
 */
#include "rules.h"

struct actor {
    bool seen;   /* its spawn, or another event of it if that is missing */
    bool failed; /* its init */
    bool stopped;
};

void
check_actors_init(struct check *check)
{
    table_init(&check->actors, sizeof(struct actor));
}

static bool
is_own_doing(const struct step *step)
{
    enum role role = step->role;
    bool net = role_is_of_net(role);
    bool own = role == ROLE_spawn || role == ROLE_init_failed || role == ROLE_send || role == ROLE_receive ||
               role == ROLE_stopped || role == ROLE_fail || role == ROLE_ask || role == ROLE_ask_over ||
               role == ROLE_forward || role == ROLE_become || role == ROLE_stash;
    return (own || net) && step->record->actor != 0;
}

static void
check_worker(struct check *check, const struct step *step)
{
    check->findings[RULE_one_worker].looked++;
    if (TRI_TRACE_REF_WORKER(step->record->actor) != step->stream->number)
        check_failed(check, RULE_one_worker, step, "it acts on another worker than its own");
}

static void
check_spawn(struct check *check, struct actor *actor, const struct step *step)
{
    if (actor->seen)
        check_failed(check, RULE_life, step, "it is spawned after it was there");
    actor->seen = true;
}

static void
check_act(struct check *check, struct actor *actor, const struct step *step)
{
    if (!actor->seen)
        check_missing(check, RULE_life, step, "it acts before it is spawned");
    actor->seen = true; /* told once */
    if (actor->stopped)
        check_failed(check, RULE_life, step, "it acts after it was stopped");
    else if (actor->failed && step->role == ROLE_receive)
        check_failed(check, RULE_life, step, "it receives although its init failed");
    actor->failed |= step->role == ROLE_init_failed;
    actor->stopped |= step->role == ROLE_stopped;
}

void
check_actors(struct check *check, const struct step *step)
{
    if (!is_own_doing(step))
        return;
    check_worker(check, step);
    struct actor *actor = table_put(&check->actors, step->record->actor, 0);
    check->findings[RULE_life].looked++;
    if (step->role == ROLE_spawn)
        check_spawn(check, actor, step);
    else
        check_act(check, actor, step);
}
