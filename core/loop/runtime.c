/*
 * The runtime: all workers, started and ended together.
 *
 * The end is driven from the thread that asks for it. It sets the phase to draining and nudges the workers; their layer
 * asks what lives there to end and reports each worker that has become quiet. When all are, or the deadline has
 * passed, the phase becomes killing: each worker leaves its turns, kills what is left, and ends (worker.c). Where the
 * workers have no threads (steps.h) that one steps them through all of it.
 */
#include "doorbell.h"
#include "gate.h"
#include "origin.h"
#include "quota.h"
#include "snapshot_signal.h"
#include "stepping.h"
#include "watchdog.h"
#include "worker_internal.h"

#include <ck_pr.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/ceiling.h>
#include <troupe/core/clock.h>
#include <troupe/core/say.h>
#include <troupe/core/signals.h>
#include <troupe/core/status_from.h>
#include <troupe/core/thread.h>

#define DEFAULT_SPIN_US 20
#define DEFAULT_WATCHDOG_MS 1000
#define DEFAULT_LIMIT 1048576u
#define POOL_AT_MOST 1024u   /* libuv's own bound */
#define SPIN_AT_MOST_US 1000 /* a timer may come as late */
#define CALIBRATE_NS 2000000u
#define CALIBRATE_TRIES 5u
#define STEPPED_WORKERS 4u
#define STEPPED_TICKS_PER_MS 1000000u /* they are nanoseconds of the stepper's time */

struct tri_runtime *tri_runtimes;
static uv_mutex_t runtimes_lock;
static uv_once_t runtimes_once = UV_ONCE_INIT;

static void
init_runtimes_lock(void)
{
    if (uv_mutex_init(&runtimes_lock) != 0)
        abort(); /* it needs no memory */
}

static void
show_runtime(struct tri_runtime *runtime)
{
    uv_once(&runtimes_once, init_runtimes_lock);
    uv_mutex_lock(&runtimes_lock);
    runtime->next = tri_runtimes;
    tri_runtimes = runtime;
    uv_mutex_unlock(&runtimes_lock);
}

/* One that was never shown is not found. */
static void
hide_runtime(struct tri_runtime *runtime)
{
    uv_once(&runtimes_once, init_runtimes_lock);
    uv_mutex_lock(&runtimes_lock);
    for (struct tri_runtime **link = &tri_runtimes; *link != NULL; link = &(*link)->next)
        if (*link == runtime) {
            *link = runtime->next;
            break;
        }
    uv_mutex_unlock(&runtimes_lock);
}

static unsigned
count_cpus(void)
{
    struct tri_cpus cpus = tri_origin_cpus();
    unsigned count = tri_cpus_count(&cpus);
    tri_cpus_fini(&cpus);
    return count;
}

/* Where the system does not say how long a thread waits for its CPU, nobody would notice that it waits. */
static enum tr_pinning
possible_pinning(enum tr_pinning wanted)
{
    struct tri_thread_time time;
    tri_thread_time(tri_thread_number(), &time);
    return wanted == TR_PINNING_ADAPTIVE && !time.known ? TR_PINNING_NEVER : wanted;
}

static tr_status
check_options(const struct tr_runtime_options *options)
{
    if (options->workers > TR_WORKERS_MAX)
        return TR_ETOOMANYWORKERS;
    if (options->pool_size > POOL_AT_MOST || options->spin_us < -1 || options->spin_us > SPIN_AT_MOST_US ||
        options->watchdog_ms < -1)
        return TR_EBADLIMIT;
    return (unsigned)options->pinning > TR_PINNING_NEVER ? TR_EINVAL : TR_OK;
}

/* *pinned: the workers begin pinned. Under a quota adaptive workers do not: such machines are full of others. */
static void
fill_machine(struct tr_runtime_options *options, bool *pinned)
{
    unsigned given = count_cpus(), quota = tri_quota_cpus("");
    unsigned cpus = quota > 0 && quota < given ? quota : given;
    if (options->workers == 0)
        options->workers = cpus < TR_WORKERS_MAX ? cpus : TR_WORKERS_MAX;
    if (options->spin_us == 0)
        options->spin_us = DEFAULT_SPIN_US;
    if (options->workers > cpus || options->workers == 1 || cpus < given)
        options->spin_us = -1; /* a spinning worker would keep the one it waits for from running, or use up the quota */
    options->pinning = possible_pinning(options->pinning);
    *pinned = options->pinning == TR_PINNING_ALWAYS || (options->pinning == TR_PINNING_ADAPTIVE && cpus == given);
    if (options->watchdog_ms == 0)
        options->watchdog_ms = DEFAULT_WATCHDOG_MS;
}

static void
fill_stepped(struct tr_runtime_options *options)
{
    if (options->workers == 0)
        options->workers = STEPPED_WORKERS;
    options->pinning = TR_PINNING_NEVER;
    options->spin_us = options->watchdog_ms = -1;
    options->pool_size = 0;
}

static void
fill_limits(struct tr_runtime_options *options)
{
    if (options->lane_limit == 0)
        options->lane_limit = DEFAULT_LIMIT;
    if (options->outside_limit == 0)
        options->outside_limit = DEFAULT_LIMIT;
}

/* It needs to know how many workers there are. */
static tr_status
check_memory_limit(const struct tr_runtime_options *options)
{
    uint64_t least = TR_MEMORY_LIMIT_LEAST(options->workers);
    if (options->memory_limit == 0 || options->memory_limit >= least)
        return TR_OK;
    tri_say("options.memory_limit is %" PRIu64 " bytes, and the least for %u workers is %" PRIu64,
            options->memory_limit, options->workers, least);
    return TR_EBADLIMIT;
}

static void
size_pool(unsigned threads)
{
    char text[16];
    if (threads == 0)
        return;
    snprintf(text, sizeof(text), "%u", threads);
    setenv("UV_THREADPOOL_SIZE", text, 1); /* read once, when the process first uses the pool */
}

/* Reads two clocks. A thread that is kept from running between the readings would take one moment for two, so the
 * closest of several counts. */
static void
read_clocks(uint64_t *ns, uint64_t *ticks)
{
    uint64_t closest = UINT64_MAX;
    for (unsigned i = 0; i < CALIBRATE_TRIES; i++) {
        uint64_t before = tri_ticks(), now_ns = tri_clock_now_ns(), width = tri_ticks() - before;
        if (width >= closest)
            continue;
        closest = width;
        *ns = now_ns;
        *ticks = before;
    }
}

static uint64_t
calibrate_ticks(void)
{
    uint64_t began_ns, began, ns, ticks;
    read_clocks(&began_ns, &began);
    do
        read_clocks(&ns, &ticks);
    while (ns - began_ns < CALIBRATE_NS);
    return (ticks - began) * 1000000u / (ns - began_ns);
}

void
tri_runtime_close(struct tri_runtime *runtime)
{
    hide_runtime(runtime);
    tri_ceiling_end(runtime);
    for (unsigned i = 0; runtime->workers != NULL && i < runtime->count; i++)
        tri_worker_free(runtime->workers[i]);
    free(runtime->workers);
    runtime->workers = NULL;
    if (runtime->guest_close != NULL)
        runtime->guest_close(runtime);
    runtime->guest_close = NULL;
}

static void
set_phase(struct tri_runtime *runtime, enum tri_phase phase)
{
    ck_pr_store_uint(&runtime->phase, phase);
    tri_doorbell_nudge_all(runtime); /* R1: the phase or the look before it; pairs with R2 in worker.c */
}

void
tri_runtime_look(struct tri_runtime *runtime)
{
    if (tri_runtime_is_stepped(runtime)) {
        tri_stepping_look(runtime);
        return;
    }
    tri_gate_begin_look(runtime);
    ck_pr_store_uint(&runtime->looks, runtime->looks + 1);
    tri_doorbell_nudge_all(runtime); /* R1: the phase or the look before it; pairs with R2 in worker.c */
    tri_gate_await_looks(runtime);
}

/* Lets the workers through their gate once all have been woken, and waits for their threads. */
static void
join_workers(struct tri_runtime *runtime)
{
    tri_gate_arrive(runtime);
    for (unsigned i = 0; i < runtime->count; i++)
        if (runtime->workers[i] != NULL && runtime->workers[i]->thread != 0)
            uv_thread_join(&runtime->workers[i]->thread);
}

static tr_status
start_worker(struct tri_worker *worker)
{
    if (!tri_runtime_is_stepped(worker->runtime))
        return tri_worker_start(worker);
    tri_stepping_begin(worker);
    return TR_OK;
}

static tr_status
start_workers(struct tri_runtime *runtime)
{
    tr_status status = TR_OK;
    for (unsigned i = 0; i < runtime->count && status == TR_OK; i++)
        status = tri_worker_new(runtime, i, &runtime->workers[i]);
    for (unsigned i = 0; i < runtime->count && status == TR_OK; i++)
        status = start_worker(runtime->workers[i]);
    if (status == TR_OK)
        return TR_OK;

    unsigned running = 0;
    for (unsigned i = 0; i < runtime->count; i++)
        running += runtime->workers[i] != NULL && runtime->workers[i]->thread != 0;
    tri_gate_miss(runtime, runtime->count - running);
    tri_ceiling_end(runtime);
    set_phase(runtime, TRI_KILLING);
    join_workers(runtime);
    return status;
}

static tr_status
start_watchdog(struct tri_runtime *runtime)
{
    int limit_ms = runtime->options.watchdog_ms;
    bool adaptive = runtime->options.pinning == TR_PINNING_ADAPTIVE;
    if (limit_ms < 0 && !adaptive)
        return TR_OK;
    return tri_watchdog_start(runtime, limit_ms > 0 ? (unsigned)limit_ms : 0, adaptive);
}

static tr_status
start(const struct tr_runtime_options *options, struct tri_stepper *stepper, const struct tri_layer *layer, void *host,
      struct tri_runtime **out)
{
    struct tr_runtime_options filled = options != NULL ? *options : (struct tr_runtime_options){0};
    bool pinned = false;
    tr_status status = check_options(&filled);
    if (status != TR_OK)
        return status;
    if (stepper != NULL)
        fill_stepped(&filled);
    else
        fill_machine(&filled, &pinned);
    fill_limits(&filled);
    status = check_memory_limit(&filled);
    if (status != TR_OK)
        return status;
    struct tri_runtime *runtime = aligned_alloc(alignof(struct tri_runtime), sizeof(*runtime));
    if (runtime == NULL)
        return TR_ENOMEM;
    memset(runtime, 0, sizeof(*runtime));
    runtime->options = filled;
    runtime->begins_pinned = pinned;
    runtime->count = filled.workers;
    runtime->layer = layer;
    runtime->host = host;
    runtime->stepper = stepper;
    tri_clock_init();
    runtime->ticks_per_ms = stepper != NULL ? STEPPED_TICKS_PER_MS : calibrate_ticks();
    status = tri_gate_open(runtime);
    if (status != TR_OK) {
        free(runtime);
        return status;
    }
    tri_signals_ignore_pipe();
    size_pool(filled.pool_size);

    status = TR_ENOMEM;
    runtime->workers = calloc(runtime->count, sizeof(struct tri_worker *));
    if (runtime->workers == NULL)
        goto free_runtime;
    status = tri_trace_open(&filled.trace, runtime->count, &runtime->recorder);
    runtime->trace = runtime->recorder;
    if (status == TR_OK)
        status = tri_snapshot_signal_begin(runtime);
    if (status != TR_OK)
        goto free_runtime;
    tri_ceiling_begin(runtime);
    status = start_workers(runtime);
    if (status != TR_OK)
        goto free_runtime;
    status = start_watchdog(runtime);
    if (status != TR_OK) {
        tri_runtime_end(runtime, 0);
        goto free_runtime;
    }
    show_runtime(runtime);
    *out = runtime;
    return TR_OK;

free_runtime:
    runtime->stepper = NULL;
    tri_runtime_free(runtime);
    return status;
}

tr_status
tri_runtime_start(const struct tr_runtime_options *options, const struct tri_layer *layer, void *host,
                  struct tri_runtime **out)
{
    const uint64_t *own = tri_clock_set_virtual(NULL); /* of a stepped runtime of this thread's: not that of this one */
    tr_status status = start(options, NULL, layer, host, out);
    tri_clock_set_virtual(own);
    return status;
}

tr_status
tri_runtime_start_stepped(const struct tr_runtime_options *options, struct tri_stepper *stepper,
                          const struct tri_layer *layer, void *host, struct tri_runtime **out)
{
    return start(options, stepper, layer, host, out);
}

static void
end(struct tri_runtime *runtime, uint64_t deadline_ms)
{
    bool stepped = tri_runtime_is_stepped(runtime);
    ck_pr_store_64(&runtime->drain_ends_ms, tri_clock_now_ns() / 1000000 + deadline_ms);
    ck_pr_fence_store(); /* R3: the end before its phase; pairs with R4 in tri_runtime_drain_ends() */
    set_phase(runtime, TRI_DRAINING);
    if (stepped)
        tri_stepping_await_quiet(runtime, runtime->drain_ends_ms);
    else
        tri_gate_await_quiet(runtime, deadline_ms);
    tri_ceiling_end(runtime);
    set_phase(runtime, TRI_KILLING);
    if (stepped)
        tri_stepping_end(runtime);
    else
        join_workers(runtime);
    tri_watchdog_stop(runtime);
}

uint64_t
tri_runtime_end(struct tri_runtime *runtime, uint64_t deadline_ms)
{
    bool stepped = tri_runtime_is_stepped(runtime);
    const uint64_t *own = stepped ? NULL : tri_clock_set_virtual(NULL); /* as at the start */
    end(runtime, deadline_ms);
    if (!stepped)
        tri_clock_set_virtual(own);
    return runtime->killed;
}

void
tri_runtime_free(struct tri_runtime *runtime)
{
    if (runtime == NULL)
        return;
    tri_runtime_close(runtime);
    tri_snapshot_signal_end(runtime);
    tri_trace_close(runtime->recorder);
    tri_gate_close(runtime);
    if (runtime->stepper != NULL)
        runtime->stepper->free(runtime->stepper);
    free(runtime);
}
