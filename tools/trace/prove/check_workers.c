/*
 * The rule of workers: worker.
 *
 * A worker's stream begins with its start and ends with its stop; between them it sleeps and wakes in turn, and reaches
 * its memory limit and goes below it in turn. The watchdog, which is a thread outside, unpins and pins it in turn. A
 * trace without starts is one of a test, or of a recorder without a runtime.
 *
 * Where the recorder is switched on or off while the program runs, `attached` is the first event of each stream, also
 * of the threads outside, and `detached` the last of each worker's. A worker that crashes does so in the handler that
 * runs.
 *
 * And the rule of switches: switch. All are recorded in one stream, under a lock, so those of single actors know what
 * is on. What others record a moment later may have been decided before: of that nothing is asked.
 */
#include "rules.h"
#include "worker.h"

#include "bad_input.h"

#define UNPINNED UINT32_MAX
#define FIRST_RESERVED_TAG 0xffff0000u
#define MOST_WORKER 0xfffu /* the numbers of workers have 12 bits; beyond are threads outside */

static bool
is_in(const struct check *check, const char *event)
{
    int id = metadata_find(check->trace->metadata, event);
    return id >= 0 && check->trace->counts[id] > 0;
}

void
check_workers_init(struct check *check)
{
    check->workers = must_calloc(check->trace->stream_count, sizeof(*check->workers));
    check->has_worker_starts = is_in(check, "worker_start");
    check->has_begins = check->has_worker_starts || is_in(check, "attached");
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

/* It is the first event of its stream. Of a worker's that is seen by what stands before it. */
static void
check_attached(struct check *check, struct worker *worker, const struct step *step)
{
    const struct stream *stream = step->stream;
    if (worker->attached)
        check_contradicted(check, RULE_worker, step, "it is attached a second time");
    else if (worker->started || (stream->shift_count == 0 && step->record->timestamp > stream->first_time))
        check_contradicted(check, RULE_worker, step, "it is attached after it was there");
    worker->started = worker->attached = true;
    worker->begin = *step->record;
}

static void
check_detached(struct check *check, struct worker *worker, const struct step *step)
{
    if (worker->stopped)
        check_contradicted(check, RULE_worker, step, "it is detached after it had gone");
    worker->stopped = true;
    worker->end = *step->record;
}

/*
 * A fault of its own, which has an address, comes while the handler runs that was received last; a signal may come at
 * any moment. Inside a handler the library may call others, whose tags are reserved or 0.
 */
static void
check_crash(struct check *check, const struct worker *worker, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    bool is_in_handler =
        worker->runs && worker->actor == record->actor && record->arg != 0 && record->arg < FIRST_RESERVED_TAG;
    if (!is_in_handler || worker->tag == record->arg)
        return;
    if (record->message != 0)
        check_contradicted(check, RULE_handler, step,
                           "it crashes in the handler of a message that it has not received");
    else
        check->findings[RULE_handler].unknown++;
}

static void
check_switch(struct check *check, struct worker *outside, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    check->findings[RULE_switch].looked++;
    if (record->actor == 0)
        outside->off = ~record->arg & TRI_CATEGORY_ALL;
    else if ((~record->arg & TRI_CATEGORY_ALL) == outside->off)
        return;
    else if (stream_lost(step->stream) > 0)
        check->findings[RULE_switch].unknown++;
    else
        check_failed(check, RULE_switch, step, "other categories are on than it says");
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
    case ROLE_attached: check_attached(check, worker, step); break;
    case ROLE_detached: check_detached(check, worker, step); break;
    case ROLE_crash: check_crash(check, worker, step); break;
    case ROLE_switched: check_switch(check, worker, step); break;
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
        check_contradicted(check, RULE_worker, step, "its worker has stopped, or was detached");
    else if (!worker->started && step->role != ROLE_worker_start)
        check_contradicted(check, RULE_worker, step, "its worker has not started, and was not attached");
    worker->started = true; /* told once */
}

void
check_workers(struct check *check, const struct step *step)
{
    struct worker *worker = worker_of(check, step);
    bool is_free = step->stream->number > MOST_WORKER || !check->has_begins;
    bool is_between = worker->started && !worker->stopped;
    if (step->role < ROLE_mark && step->role != ROLE_none)
        check_of_worker(check, worker, step);
    if (!is_between && !is_free && step->role != ROLE_worker_start && step->role != ROLE_worker_stop &&
        step->role != ROLE_attached && step->role != ROLE_detached)
        check_span(check, worker, step);
}

/* A trace that was closed has the end of each worker, or says that it went on without the recorder. */
static void
check_stops(struct check *check, size_t place)
{
    const struct worker *worker = &check->workers[place];
    struct step step = {.record = &worker->begin, .stream = &check->trace->streams[place], .role = ROLE_worker_start};
    bool began = worker->began || (worker->attached && !is_outside(step.stream->number));
    if (began && !worker->stopped && stream_lost(step.stream) == 0 && !check->trace->partial)
        check_failed(check, RULE_worker, &step, "the trace was closed, and it has not stopped, nor was it detached");
}

/* The threads outside are attached before any worker of their process. */
static void
check_outside(struct check *check, size_t place)
{
    const struct stream *stream = &check->trace->streams[place];
    for (size_t i = 0; i < check->trace->stream_count; i++) {
        const struct stream *other = &check->trace->streams[i];
        struct step step = {.record = &check->workers[i].begin, .stream = other, .role = ROLE_attached};
        if (!check->workers[i].attached || other->member != stream->member || stream_lost(stream) > 0)
            continue;
        check_failed(check, RULE_worker, &step, "it was attached, and the threads outside were not");
        return;
    }
}

void
check_workers_end(struct check *check)
{
    bool ends = check->trace->metadata->closed && (is_in(check, "worker_stop") || is_in(check, "detached"));
    for (size_t i = 0; i < check->trace->stream_count; i++) {
        if (ends)
            check_stops(check, i);
        if (is_outside(check->trace->streams[i].number) && !check->workers[i].attached)
            check_outside(check, i);
    }
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
