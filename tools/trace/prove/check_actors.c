/*
 * The rules of actors: one_worker, life, restart, monitor.
 *
 * They apply to what an actor does itself. That it is asked to stop, that the watchdog names it and that a message
 * finds it gone can be recorded anywhere, and after its end.
 *
 * An actor is known until another one gets its worker and slot.
 *
 * What is owed for lack of memory (the flag of a send) is sent when there is some, by an actor that may have ended
 * since.
 *
 * Monitors of one actor by another are counted; those that a life of the watcher leaves behind end with it.
 */
#include "actor.h"
#include "rules.h"
#include "worker.h"

#include <string.h>

void
check_actors_init(struct check *check)
{
    table_init(&check->actors, sizeof(struct actor));
    table_init(&check->monitors, sizeof(uint64_t));
    const struct table *tags = &check->trace->metadata->tags;
    struct table_entry tag;
    for (size_t place = 0; table_next(tags, &place, &tag);)
        if (strcmp(*(char **)tag.value, "DOWN") == 0)
            check->down = (uint32_t)tag.key.a;
}

struct actor *
find_actor(struct check *check, uint64_t ref)
{
    size_t room = check->actors.room;
    struct actor *actor = table_put(&check->actors, SLOT_OF(ref), 0);
    if (check->actors.room != room) /* the table has grown, and all are elsewhere */
        memset(check->recent, 0, sizeof(check->recent));
    if (actor->ref > ref)
        return NULL;
    if (actor->ref < ref)
        *actor = (struct actor){.ref = ref};
    return *recent_of(check, ref) = actor;
}

bool
check_saw_birth(const struct check *check, uint64_t ref)
{
    const struct actor *actor = table_get(&check->actors, SLOT_OF(ref), 0);
    return actor != NULL && (actor->ref > ref || (actor->ref == ref && actor->born));
}

bool
role_is_of_actor(enum role role)
{
    bool own = role == ROLE_spawn || role == ROLE_present || role == ROLE_restart || role == ROLE_init_failed ||
               role == ROLE_send || role == ROLE_receive || role == ROLE_stopped || role == ROLE_fail ||
               role == ROLE_ask || role == ROLE_ask_over || role == ROLE_forward || role == ROLE_become ||
               role == ROLE_stash || role == ROLE_handled || role == ROLE_timer || role == ROLE_timer_fired ||
               role == ROLE_timer_over || role == ROLE_publish || role == ROLE_mark || role == ROLE_crash;
    return own || role_is_of_net(role);
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

/* A parent on the same worker was there before. */
static void
check_spawn(struct check *check, struct actor *actor, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    bool is_here = record->message != 0 && TRI_TRACE_REF_WORKER(record->message) == step->stream->number;
    if (is_here && !actor_was_there(check, record->message))
        check_missing(check, RULE_life, step, "its parent was not there");
    if (actor->seen)
        check_failed(check, RULE_life, step, "it is spawned after it was there");
    actor->seen = actor->spawned = actor->born = true;
    actor->behavior = record->arg;
    actor->parent = record->message;
}

/* It was there before the trace, or rests. */
static void
check_present(struct check *check, struct actor *actor, const struct step *step)
{
    if (actor->seen)
        check_failed(check, RULE_life, step, "it is introduced after it was there");
    actor->seen = actor->introduced = true;
    actor->stopped = step->record->flags == 1;
    actor->parent = step->record->message;
}

/* A name for which there was no memory is 0. */
static bool
is_another_name(uint32_t one, uint32_t other)
{
    return one != other && one != 0 && other != 0;
}

static void
check_restart(struct check *check, struct actor *actor, const struct step *step)
{
    check->findings[RULE_restart].looked++;
    if (!actor->seen)
        check_missing(check, RULE_restart, step, "it begins again, and was never there");
    else if (!actor->stopped)
        check_missing(check, RULE_restart, step, "it begins again before it has ended");
    bool is_other = actor->spawned && is_another_name(actor->behavior, step->record->arg);
    if (is_other || ((actor->spawned || actor->introduced) && actor->parent != step->record->message))
        check_failed(check, RULE_restart, step,
                     "it begins again with another behavior or parent than it was spawned with");
    actor->seen = true;
    actor->stopped = actor->failed = actor->fails = actor->ends = actor->acted = false;
    actor->timers = actor->asks = 0;
    actor->restarts++;
}

/* What it still has of what ends with it. */
static void
check_rest(struct check *check, const struct actor *actor, const struct step *step)
{
    if (actor->timers > 0)
        check_missing(check, RULE_timer, step, "its actor ends, and the timer is not over");
    if (actor->asks > 0)
        check_missing(check, RULE_ask, step, "its asker ends, and the question has no outcome");
}

static void
check_failure(struct check *check, struct actor *actor, const struct step *step)
{
    if (actor->fails)
        check_missing(check, RULE_life, step, "it fails a second time");
    actor->fails = true;
}

static void
check_init_failure(struct check *check, struct actor *actor, const struct step *step)
{
    if (actor->failed)
        check_missing(check, RULE_life, step, "its init fails a second time");
    if (actor->acted)
        check_missing(check, RULE_life, step, "its init fails after it has received");
    actor->failed = true;
}

static bool
begins_something(enum role role)
{
    return role == ROLE_receive || role == ROLE_timer || role == ROLE_ask || role == ROLE_timer_fired;
}

static bool
is_owed(const struct step *step)
{
    return step->role == ROLE_send && step->record->flags == 1;
}

static void
check_act(struct check *check, struct actor *actor, const struct step *step)
{
    if (!actor->seen && worker_of(check, step)->attached)
        check_contradicted(check, RULE_life, step, "it acts before it is spawned or introduced");
    else if (!actor->seen)
        check_missing(check, RULE_life, step, "it acts before it is spawned");
    actor->seen = true; /* told once */
    if (step->role == ROLE_crash)
        return; /* perhaps in what is called after its end */
    if (actor->stopped && !is_owed(step))
        check_contradicted(check, RULE_life, step, "it acts after it was stopped");
    else if (actor->failed && step->role == ROLE_receive)
        check_missing(check, RULE_life, step, "it receives although its init failed");
    else if (actor->ends && begins_something(step->role))
        check_missing(check, RULE_life, step, "it goes on after what it had begun was over for its end");
    actor->acted |= step->role == ROLE_receive;
    if (step->role == ROLE_init_failed) {
        check_init_failure(check, actor, step);
    } else if (step->role == ROLE_fail) {
        check_failure(check, actor, step);
    } else if (step->role == ROLE_stopped) {
        check_rest(check, actor, step);
        actor->stopped = true;
    }
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

/* Whoever is asked to stop is there; where that is recorded is another matter. */
void
check_stop_order(struct check *check, const struct step *step)
{
    bool is_at_home = TRI_TRACE_REF_WORKER(step->record->actor) == step->stream->number;
    if (is_at_home && !actor_was_there(check, step->record->actor))
        check_missing(check, RULE_life, step, "it is asked to stop, and there is no such actor");
}

void
check_monitors(struct check *check, const struct step *step)
{
    check_monitor(check, step);
    if (step->role == ROLE_down)
        worker_of(check, step)->noticed = step->record->actor;
}

/* The notice of a monitor comes directly after the event that tells of it, but for one that was set aside. */
void
check_notice(struct check *check, struct worker *worker, const struct step *step)
{
    bool is_notice = step->record->arg == check->down && check->down != 0 && !step->sending.returned;
    bool is_his = worker->noticed == step->record->actor;
    if (is_notice && !is_his)
        check_missing(check, RULE_monitor, step, "the notice of a monitor without the event that tells of it");
    if (worker->noticed != 0 && !is_his)
        check_missing(check, RULE_monitor, step, "another actor was about to be given the notice of a monitor");
    worker->noticed = 0;
}

void
check_actors(struct check *check, const struct step *step)
{
    if (step->record->actor == 0)
        return;
    check_worker(check, step);
    struct actor *actor = actor_of(check, step->record->actor);
    check->findings[RULE_life].looked++;
    if (actor == NULL && is_owed(step))
        return;
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

/* Whoever lives on a worker that stops has ended before. */
static void
check_end(struct check *check, const struct actor *actor)
{
    const struct stream *stream = trace_stream(check->trace, TRI_TRACE_REF_WORKER(actor->ref));
    const struct worker *worker = stream != NULL ? &check->workers[stream - check->trace->streams] : NULL;
    if (!actor->seen || actor->stopped || worker == NULL || !worker->stopped || stream_lost(stream) > 0)
        return;
    struct tri_trace_record end = worker->end;
    end.actor = actor->ref;
    struct step step = {.record = &end, .stream = stream, .role = ROLE_worker_stop};
    check_failed(check, RULE_life, &step, "its worker has stopped, and it has not ended");
}

void
check_actors_end(struct check *check)
{
    if (check->trace->partial || check->trace->in_the_middle)
        return;
    struct table_entry entry;
    for (size_t place = 0; table_next(&check->actors, &place, &entry);)
        check_end(check, entry.value);
}
