/*
 * The rule of workers: worker.
 *
 * A worker's stream begins with its start and ends with its stop; between them it sleeps and wakes in turn, and reaches
 * its memory limit and goes below it in turn. The watchdog, which is a thread outside, unpins and pins it in turn. A
 * trace without starts is one of a test, or of a recorder without a runtime.
 */
#include "rules.h"
#include "worker.h"

#include "bad_input.h"

#define UNPINNED UINT32_MAX
#define MOST_WORKER 0xfffu /* the numbers of workers have 12 bits; beyond are threads outside */

void
check_workers_init(struct check *check)
{
    int id = metadata_find(check->trace->metadata, "worker_start");
    check->workers = must_calloc(check->trace->stream_count, sizeof(*check->workers));
    check->has_worker_starts = id >= 0 && check->trace->counts[id] > 0;
}

struct worker *
worker_numbered(const struct check *check, uint32_t number)
{
    const struct stream *stream = trace_stream(check->trace, number);
    return stream != NULL ? &check->workers[stream - check->trace->streams] : NULL;
}

static void
check_start(struct check *check, struct worker *worker, const struct step *step)
{
    if (worker->began)
        check_missing(check, RULE_worker, step, "it starts a second time");
    worker->started = worker->began = true;
    worker->begin = *step->record;
    worker->unpinned = step->record->arg == UNPINNED;
}

static void
check_stop(struct check *check, struct worker *worker, const struct step *step)
{
    if (worker->stopped)
        check_missing(check, RULE_worker, step, "it stops a second time");
    if (worker->asleep)
        check_missing(check, RULE_worker, step, "it stops while it sleeps");
    if (worker->runs && check->has_handler_ends)
        check_missing(check, RULE_handler, step, "its worker stops before the handler has ended");
    worker->stopped = true;
    worker->end = *step->record;
}

static void
check_turn(struct check *check, bool *state, bool now, const struct step *step, const char *twice)
{
    if (*state == now)
        check_missing(check, RULE_worker, step, twice);
    *state = now;
}

static void
check_sleep(struct check *check, struct worker *worker, const struct step *step)
{
    check_turn(check, &worker->asleep, true, step, "it goes to sleep while it sleeps");
    if (worker->runs && check->has_handler_ends)
        check_missing(check, RULE_handler, step, "its worker sleeps before the handler has ended");
}

/* By the watchdog; the stream of that worker may be missing. */
static void
check_pinning(struct check *check, const struct step *step)
{
    struct worker *worker = worker_numbered(check, step->record->arg);
    bool unpins = step->role == ROLE_unpinned;
    if (check->trace->member_count > 1) /* the number is one of its process */
        return;
    if (worker != NULL)
        check_turn(check, &worker->unpinned, unpins, step,
                   unpins ? "that worker was not pinned" : "that worker was pinned before");
    else if (check->has_worker_starts)
        check_missing(check, RULE_worker, step, "there is no such worker");
}

static void
check_lane(struct check *check, const struct step *step)
{
    if (check->trace->member_count > 1)
        return;
    if (step->record->arg == step->stream->number)
        check_failed(check, RULE_worker, step, "a worker has no lane to itself");
    else if (check->has_worker_starts && worker_numbered(check, step->record->arg) == NULL)
        check_missing(check, RULE_worker, step, "there is no such worker");
}

static void
check_of_worker(struct check *check, struct worker *worker, const struct step *step)
{
    check->findings[RULE_worker].looked++;
    switch (step->role) {
    case ROLE_worker_start: check_start(check, worker, step); break;
    case ROLE_attached: worker->started = true; break;
    case ROLE_worker_stop: check_stop(check, worker, step); break;
    case ROLE_sleep: check_sleep(check, worker, step); break;
    case ROLE_wake: check_turn(check, &worker->asleep, false, step, "it wakes and has not slept"); break;
    case ROLE_memory_limit:
        check_turn(check, &worker->limited, true, step, "the memory limit is reached before it is left");
        break;
    case ROLE_memory_free:
        check_turn(check, &worker->limited, false, step, "the memory limit is left before it is reached");
        break;
    case ROLE_lane_full: check_lane(check, step); break;
    case ROLE_pinned:
    case ROLE_unpinned: check_pinning(check, step); break;
    default: break;
    }
}

/* Whatever a worker does, it does between its start and its stop. */
static void
check_span(struct check *check, struct worker *worker, const struct step *step)
{
    if (worker->stopped)
        check_missing(check, RULE_worker, step, "its worker has stopped");
    else if (!worker->started && step->role != ROLE_worker_start)
        check_missing(check, RULE_worker, step, "its worker has not started");
    worker->started = true; /* told once */
}

void
check_workers(struct check *check, const struct step *step)
{
    struct worker *worker = worker_of(check, step);
    bool is_outside = step->stream->number > MOST_WORKER || !check->has_worker_starts;
    bool is_between = worker->started && !worker->stopped;
    if (step->role < ROLE_mark && step->role != ROLE_none)
        check_of_worker(check, worker, step);
    if (!is_between && !is_outside && step->role != ROLE_worker_start && step->role != ROLE_worker_stop &&
        step->role != ROLE_attached)
        check_span(check, worker, step);
}

/* A trace that was closed has the end of each worker. */
static void
check_stops(struct check *check, size_t place)
{
    const struct worker *worker = &check->workers[place];
    struct step step = {.record = &worker->begin, .stream = &check->trace->streams[place], .role = ROLE_worker_start};
    if (worker->began && !worker->stopped && stream_lost(step.stream) == 0 && !check->trace->partial)
        check_failed(check, RULE_worker, &step, "the trace was closed, and it has not stopped");
}

void
check_workers_end(struct check *check)
{
    int id = metadata_find(check->trace->metadata, "worker_stop");
    if (check->trace->in_the_middle || !check->trace->metadata->closed || id < 0 || check->trace->counts[id] == 0)
        return;
    for (size_t i = 0; i < check->trace->stream_count; i++)
        check_stops(check, i);
}

bool
workers_have_stopped(const struct check *check)
{
    bool any = false;
    for (size_t i = 0; i < check->trace->stream_count; i++) {
        any |= check->workers[i].stopped;
        if (check->workers[i].started && !check->workers[i].stopped)
            return false;
    }
    return any && check->trace->metadata->closed && !check->trace->partial && !check->trace->in_the_middle &&
           trace_lost(check->trace) == 0;
}
