/*
 * The rules of actors: one_worker, life, restart, monitor.
 *
 * They apply to what an actor does itself. That it is asked to stop, that the watchdog names it and that a message
 * finds it gone can be recorded anywhere, and after its end.
 *
 * An actor is known until another one gets its worker and slot.
 *
 * Monitors of one actor by another are counted; those that a life of the watcher leaves behind end with it.
 */
#include "rules.h"

struct actor {
    uint64_t ref;
    bool seen;   /* its spawn, or another event of it if that is missing */
    bool born;   /* while it was recorded */
    bool failed; /* its init */
    bool stopped;
    uint64_t restarts;
};

void
check_actors_init(struct check *check)
{
    table_init(&check->actors, sizeof(struct actor));
    table_init(&check->monitors, sizeof(uint64_t));
}

bool
check_saw_birth(const struct check *check, uint64_t ref)
{
    const struct actor *actor = table_get(&check->actors, SLOT_OF(ref), 0);
    return actor != NULL && (actor->ref > ref || (actor->ref == ref && actor->born));
}

static bool
is_own_doing(const struct step *step)
{
    enum role role = step->role;
    bool net = role_is_of_net(role);
    bool own = role == ROLE_spawn || role == ROLE_present || role == ROLE_restart || role == ROLE_init_failed ||
               role == ROLE_send || role == ROLE_receive || role == ROLE_stopped || role == ROLE_fail ||
               role == ROLE_ask || role == ROLE_ask_over || role == ROLE_forward || role == ROLE_become ||
               role == ROLE_stash || role == ROLE_handled || role == ROLE_timer || role == ROLE_timer_fired ||
               role == ROLE_timer_over;
    return (own || net) && step->record->actor != 0;
}

/* NULL: another one has its place. */
static struct actor *
actor_of(struct check *check, uint64_t ref)
{
    if (check->recent != NULL && check->recent->ref == ref)
        return check->recent;
    struct actor *actor = check->recent = table_put(&check->actors, SLOT_OF(ref), 0);
    if (actor->ref > ref)
        return NULL;
    if (actor->ref < ref)
        *actor = (struct actor){.ref = ref};
    return actor;
}

bool
check_has_ended(const struct check *check, uint64_t ref)
{
    const struct actor *actor = table_get(&check->actors, SLOT_OF(ref), 0);
    return actor != NULL && (actor->ref > ref || (actor->ref == ref && actor->stopped));
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
    actor->seen = actor->born = true;
}

/* It was there before the trace, or rests. */
static void
check_present(struct check *check, struct actor *actor, const struct step *step)
{
    if (actor->seen)
        check_failed(check, RULE_life, step, "it is introduced after it was there");
    actor->seen = true;
    actor->stopped = step->record->flags == 1;
}

static void
check_restart(struct check *check, struct actor *actor, const struct step *step)
{
    check->findings[RULE_restart].looked++;
    if (!actor->seen)
        check_missing(check, RULE_restart, step, "it begins again, and was never there");
    else if (!actor->stopped)
        check_missing(check, RULE_restart, step, "it begins again before it has ended");
    actor->seen = true;
    actor->stopped = actor->failed = false;
    actor->restarts++;
}

static void
check_act(struct check *check, struct actor *actor, const struct step *step)
{
    if (!actor->seen)
        check_missing(check, RULE_life, step, "it acts before it is spawned");
    actor->seen = true; /* told once */
    if (actor->stopped)
        check_missing(check, RULE_life, step, "it acts after it was stopped");
    else if (actor->failed && step->role == ROLE_receive)
        check_missing(check, RULE_life, step, "it receives although its init failed");
    actor->failed |= step->role == ROLE_init_failed;
    actor->stopped |= step->role == ROLE_stopped;
}

static bool
is_of_living(const void *check, struct table_key key, const void *count)
{
    return *(const uint64_t *)count > 0 && !check_has_ended(check, key.a);
}

/* How many monitors the actor has of another, in its present life. */
static uint64_t *
monitors_of(struct check *check, const struct tri_trace_record *record)
{
    const struct actor *actor = table_get(&check->actors, SLOT_OF(record->actor), 0);
    uint64_t restarts = actor != NULL && actor->ref == record->actor ? actor->restarts : 0;
    uint64_t life = restarts * UINT64_C(0x9e3779b97f4a7c15);
    check_sweep(check, &check->monitors, &check->most_monitors, is_of_living);
    return table_put(&check->monitors, record->actor, record->message ^ life);
}

static void
check_monitor(struct check *check, const struct step *step)
{
    uint64_t *count = monitors_of(check, step->record);
    check->findings[RULE_monitor].looked++;
    if (step->role == ROLE_monitor)
        ++*count;
    else if (*count > 0)
        --*count;
    else
        check_missing(check, RULE_monitor, step,
                      step->role == ROLE_down ? "the notice of a monitor that is not there"
                                              : "it ends a monitor that is not there");
}

void
check_actors(struct check *check, const struct step *step)
{
    if (step->role == ROLE_monitor || step->role == ROLE_unmonitor || step->role == ROLE_down)
        check_monitor(check, step);
    if (!is_own_doing(step))
        return;
    check_worker(check, step);
    struct actor *actor = actor_of(check, step->record->actor);
    check->findings[RULE_life].looked++;
    if (actor == NULL)
        check_missing(check, RULE_life, step, "it acts after another one got its place");
    else if (step->role == ROLE_spawn)
        check_spawn(check, actor, step);
    else if (step->role == ROLE_present)
        check_present(check, actor, step);
    else if (step->role == ROLE_restart)
        check_restart(check, actor, step);
    else
        check_act(check, actor, step);
}
