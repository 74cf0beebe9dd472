/*
 * The watchdog: one thread that looks at what every worker does, and at what the system does with the worker's thread.
 *
 * Twice in the time that a callback may take it looks for one that has taken longer. A worker writes down which
 * callback it runs and counts them: the beats. It does so with plain stores and never waits; the watchdog takes a copy
 * that may be torn. So a copy counts only if the beats were the same before and after it, and a stall only if the whole
 * copy is what was seen the time before, back to when those beats were first seen. A torn copy can therefore delay a
 * report by one look, but not put the wrong name into it.
 *
 * libuv's callbacks have no name here: an actor puts any handle on its worker's loop, and so may a library that it
 * uses. A worker also writes down that it is in its loop, with a beat for each poll. There it either runs callbacks or
 * sleeps in the poll; the system says which. Where it does not, what happens in the loop is not reported.
 *
 * What is a stall is decided in stall.h.
 *
 * With adaptive pinning it also looks some times a second at how long each worker waited for a CPU, and changes the
 * CPUs that its thread may use, as decided in pinning.h. A free worker may use those that the watchdog's own thread
 * may, which are the program's, also after somebody has changed them for all its threads. A worker whose CPUs are
 * neither those nor the one that we chose has been given them by somebody else, and keeps them. It is pinned again to
 * the CPU on which it has run, if nobody has claimed that: there it did not wait.
 *
 * When nothing has happened for a while the watchdog sleeps too, without looking again: rest.h.
 */
#include "watchdog.h"

#include "claims.h"
#include "doorbell.h"
#include "mask.h"
#include "origin.h"
#include "pinning.h"
#include "rest.h"
#include "stall.h"

#include <ck_pr.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <troupe/core/clock.h>
#include <troupe/core/say.h>
#include <troupe/core/status_from.h>
#include <troupe/core/thread.h>
#include <troupe/core/trace_format.h>
#include <troupe/core/worker.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_US UINT64_C(1000)
#define REST_AFTER_NS UINT64_C(1000000000)

/* What the watchdog knows of a worker. */
struct watched {
    struct tri_sighting sighting;
    struct tri_pinning pinning;
    struct tri_worker_activity activity; /* when it was last looked at */
};

struct tri_watchdog {
    /* Constant once the thread runs. */
    struct tri_runtime *runtime;
    uint64_t limit_ns; /* of a callback; 0: any time will do */
    bool pins;
    uv_thread_t thread;

    /* The thread's own. */
    struct watched *watched;  /* one for each worker */
    struct tri_cpus cpus;     /* that the program may use now */
    struct tri_cpus cpus_now; /* of a worker's thread */
    uint64_t stalls_due_ns, pinning_due_ns;
    uint64_t active_ns; /* when a worker was last seen to do something */

    /* Any thread. */
    uv_mutex_t lock;
    uv_cond_t changed;
    bool stopping; /* under the lock */
    bool rung;     /* under the lock: by a worker, since the last rest was announced */
};

/* -- Stalls. -- */

/* Gives a copy of what a worker does. false: it was changing, or no callback runs. */
static bool
look_at(const struct tri_worker_activity *activity, struct tri_worker_activity *copy)
{
    return tri_activity_copy(activity, copy) && (copy->name != NULL || tri_activity_in_loop(copy));
}

static struct tri_look
look(const struct tri_worker *worker)
{
    struct tri_look look = {.now_ns = tri_clock_now_ns()};
    int thread = tri_worker_thread_number(worker);
    look.busy = look_at(&worker->activity, &look.activity);
    if (look.busy && look.activity.name == NULL)
        look.busy = !tri_thread_may_poll(thread, uv_backend_fd(&worker->loop));
    if (look.busy)
        tri_thread_time(thread, &look.time);
    return look;
}

static void
say(const struct tri_worker *worker, const struct tri_worker_activity *activity, uint64_t ms)
{
    if (activity->name == NULL)
        tri_say("libuv callbacks have held worker %u for %" PRIu64 " ms", worker->index, ms);
    else
        tri_say("actor " TRI_TRACE_REF_FORMAT " (%s) has held worker %u for %" PRIu64 " ms in tag %" PRIu32,
                TRI_TRACE_REF_WORDS(activity->actor), activity->name, worker->index, ms, activity->tag);
}

static void
tell(struct tri_runtime *runtime, struct tri_worker *worker, const struct tri_worker_activity *activity, uint64_t ms)
{
    bool named = activity->name != NULL; /* else the other fields are of the one named before */
    say(worker, activity, ms);
    tri_trace_stall_outside(tri_runtime_trace(runtime), named ? activity->actor : 0, (uint32_t)ms,
                            named ? activity->tag : 0);

    /* This counter alone is the watchdog's, who is its only writer. */
    ck_pr_store_64(&worker->counters.stalls, worker->counters.stalls + 1);
}

static void
watch_for_stalls(struct tri_watchdog *watchdog, struct tri_worker *worker)
{
    struct tri_look now = look(worker);
    uint64_t held_ns = tri_stall_see(&watchdog->watched[worker->index].sighting, &now, watchdog->limit_ns);
    if (held_ns > 0)
        tell(watchdog->runtime, worker, &now.activity, held_ns / NS_PER_MS);
}

/* -- Pinning. -- */

static void
widen(struct tri_watchdog *watchdog, const struct tri_worker *worker, int thread)
{
    uint64_t waited_us = watchdog->watched[worker->index].pinning.waited_ns / NS_PER_US;
    if (tri_cpus_give(&watchdog->cpus, thread) == TR_OK)
        tri_trace_unpinned_outside(tri_runtime_trace(watchdog->runtime), worker->index, waited_us);
}

static void
narrow(struct tri_watchdog *watchdog, struct tri_worker *worker, int thread)
{
    worker->cpu = tri_claim_move(TRI_CLAIMS_ROOT, &watchdog->cpus, worker->cpu, tri_thread_cpu(thread));
    if (worker->cpu >= 0 && tri_affinity_pin(thread, worker->cpu) == TR_OK)
        tri_trace_pinned_outside(tri_runtime_trace(watchdog->runtime), worker->index, (uint64_t)worker->cpu);
}

/* What somebody else decides about is not known. */
static struct tri_pinning_look
look_at_thread(struct tri_watchdog *watchdog, const struct tri_worker *worker, int thread)
{
    struct tri_pinning_look look = {.now_ns = tri_clock_now_ns()};
    if (!tri_cpus_read(&watchdog->cpus_now, thread))
        return look;
    look.pinned = tri_cpus_are(&watchdog->cpus_now, worker->cpu);
    if (look.pinned || tri_cpus_equal(&watchdog->cpus_now, &watchdog->cpus))
        tri_thread_time(thread, &look.time);
    return look;
}

static void
watch_pinning(struct tri_watchdog *watchdog, struct tri_worker *worker)
{
    int thread = tri_worker_thread_number(worker);
    if (thread == 0 || !tri_mask_try(&worker->mask_held))
        return;
    struct tri_pinning_look look = look_at_thread(watchdog, worker, thread);
    enum tri_pinning_verdict verdict = tri_pinning_see(&watchdog->watched[worker->index].pinning, &look);
    if (verdict == TRI_PINNING_WIDEN)
        widen(watchdog, worker, thread);
    else if (verdict == TRI_PINNING_NARROW)
        narrow(watchdog, worker, thread);
    tri_mask_release(&worker->mask_held);
}

/* -- All workers. -- */

static void
watch_all(struct tri_watchdog *watchdog, void (*watch)(struct tri_watchdog *, struct tri_worker *))
{
    for (unsigned i = 0; i < watchdog->runtime->count; i++)
        watch(watchdog, watchdog->runtime->workers[i]);
}

/* With one CPU there is no choice. */
static bool
may_choose_cpus(struct tri_watchdog *watchdog)
{
    return tri_cpus_read(&watchdog->cpus, 0) && tri_cpus_count(&watchdog->cpus) > 1;
}

static void
look_for_stalls(struct tri_watchdog *watchdog, uint64_t now_ns)
{
    if (now_ns < watchdog->stalls_due_ns)
        return;
    watch_all(watchdog, watch_for_stalls);
    watchdog->stalls_due_ns = now_ns + tri_stall_pause_ns(watchdog->limit_ns);
}

static void
look_at_pinning(struct tri_watchdog *watchdog, uint64_t now_ns)
{
    if (now_ns < watchdog->pinning_due_ns)
        return;
    if (may_choose_cpus(watchdog))
        watch_all(watchdog, watch_pinning);
    watchdog->pinning_due_ns = now_ns + TRI_PINNING_PAUSE_NS;
}

/* What is not asked for is never due. */
static void
begin_pauses(struct tri_watchdog *watchdog)
{
    watchdog->active_ns = tri_clock_now_ns();
    watchdog->stalls_due_ns =
        watchdog->limit_ns > 0 ? watchdog->active_ns + tri_stall_pause_ns(watchdog->limit_ns) : UINT64_MAX;
    watchdog->pinning_due_ns = watchdog->pins ? watchdog->active_ns + TRI_PINNING_PAUSE_NS : UINT64_MAX;
}

/* -- Rest. -- */

/* Has the worker slept since it was last looked at, or seems to? */
static bool
seems_asleep(struct watched *watched, const struct tri_worker *worker)
{
    struct tri_worker_activity activity;
    look_at(&worker->activity, &activity);
    bool same = tri_activity_has_same_beats(&activity, &watched->activity);
    watched->activity = activity;
    return same && (tri_rest_dozes(worker) || (activity.name == NULL && tri_activity_in_loop(&activity)));
}

static bool
all_seem_asleep(struct tri_watchdog *watchdog)
{
    bool all = true;
    for (unsigned i = 0; i < watchdog->runtime->count; i++)
        all &= seems_asleep(&watchdog->watched[i], watchdog->runtime->workers[i]);
    return all;
}

static bool
all_doze(const struct tri_runtime *runtime)
{
    unsigned count = 0;
    while (count < runtime->count && tri_rest_dozes(runtime->workers[count]))
        count++;
    return count == runtime->count;
}

static void
announce_rest(struct tri_watchdog *watchdog)
{
    struct tri_runtime *runtime = watchdog->runtime;
    uv_mutex_lock(&watchdog->lock);
    watchdog->rung = false;
    uv_mutex_unlock(&watchdog->lock);
    tri_rest_begin(runtime);
    for (unsigned i = 0; i < runtime->count; i++)
        if (!tri_rest_dozes(runtime->workers[i]))
            tri_doorbell_nudge(runtime->workers[i]);
}

/* Nothing happened before now: what happens from here on is seen as if there had been no rest. */
static void
end_rest(struct tri_watchdog *watchdog)
{
    tri_rest_end(watchdog->runtime);
    begin_pauses(watchdog);
    for (unsigned i = 0; i < watchdog->runtime->count; i++)
        tri_pinning_rested(&watchdog->watched[i].pinning, watchdog->active_ns);
}

static void
wait_for_ring(struct tri_watchdog *watchdog)
{
    uv_mutex_lock(&watchdog->lock);
    while (!watchdog->stopping && !watchdog->rung)
        uv_cond_wait(&watchdog->changed, &watchdog->lock);
    uv_mutex_unlock(&watchdog->lock);
}

/* Waits until something is due. false: the watchdog must stop. */
static bool
wait_for_next(struct tri_watchdog *watchdog)
{
    bool stalls_first = watchdog->stalls_due_ns < watchdog->pinning_due_ns;
    uint64_t due_ns = stalls_first ? watchdog->stalls_due_ns : watchdog->pinning_due_ns;
    uv_mutex_lock(&watchdog->lock);
    for (uint64_t now_ns; !watchdog->stopping && (now_ns = tri_clock_now_ns()) < due_ns;)
        uv_cond_timedwait(&watchdog->changed, &watchdog->lock, due_ns - now_ns);
    bool goes_on = !watchdog->stopping;
    uv_mutex_unlock(&watchdog->lock);
    return goes_on;
}

static bool
was_rung(struct tri_watchdog *watchdog)
{
    uv_mutex_lock(&watchdog->lock);
    bool rung = watchdog->rung;
    uv_mutex_unlock(&watchdog->lock);
    return rung;
}

/* The rest was announced. A worker that sleeps in a callback never dozes: then there is none. */
static void
try_to_rest(struct tri_watchdog *watchdog, uint64_t now_ns)
{
    bool all = all_doze(watchdog->runtime);
    if (all)
        wait_for_ring(watchdog);
    if (all || was_rung(watchdog) || now_ns - watchdog->active_ns >= 2 * REST_AFTER_NS)
        end_rest(watchdog);
}

/* Without the lock: stderr may block. */
static void
look_around(struct tri_watchdog *watchdog)
{
    uint64_t now_ns = tri_clock_now_ns();
    bool asleep = all_seem_asleep(watchdog);
    look_for_stalls(watchdog, now_ns);
    look_at_pinning(watchdog, now_ns);
    if (tri_rest_is_on(watchdog->runtime))
        try_to_rest(watchdog, now_ns);
    else if (!asleep)
        watchdog->active_ns = now_ns;
    else if (now_ns - watchdog->active_ns >= REST_AFTER_NS)
        announce_rest(watchdog);
}

static void
watchdog_main(void *argument)
{
    struct tri_watchdog *watchdog = argument;
    begin_pauses(watchdog);
    do
        look_around(watchdog);
    while (wait_for_next(watchdog));
}

void
tri_watchdog_ring(struct tri_runtime *runtime)
{
    struct tri_watchdog *watchdog = runtime->watchdog;
    uv_mutex_lock(&watchdog->lock);
    watchdog->rung = true;
    uv_cond_signal(&watchdog->changed);
    uv_mutex_unlock(&watchdog->lock);
}

/* -- Life. -- */

static bool
open_cpus(struct tri_watchdog *watchdog)
{
    watchdog->cpus = tri_origin_cpus();
    watchdog->cpus_now = tri_cpus_copy(&watchdog->cpus);
    return watchdog->cpus_now.set != NULL;
}

static void
free_watchdog(struct tri_watchdog *watchdog)
{
    tri_cpus_fini(&watchdog->cpus_now);
    tri_cpus_fini(&watchdog->cpus);
    free(watchdog->watched);
    free(watchdog);
}

tr_status
tri_watchdog_start(struct tri_runtime *runtime, unsigned limit_ms, bool pins)
{
    struct tri_watchdog *watchdog = calloc(1, sizeof(*watchdog));
    if (watchdog == NULL)
        return TR_ENOMEM;
    watchdog->runtime = runtime;
    watchdog->limit_ns = limit_ms * NS_PER_MS;
    watchdog->pins = pins;

    int error = UV_ENOMEM;
    watchdog->watched = calloc(runtime->count, sizeof(*watchdog->watched));
    if (watchdog->watched == NULL || (pins && !open_cpus(watchdog)))
        goto free_watchdog;
    error = uv_mutex_init(&watchdog->lock);
    if (error != 0)
        goto free_watchdog;
    error = uv_cond_init(&watchdog->changed);
    if (error != 0)
        goto destroy_lock;
    runtime->watchdog = watchdog;
    error = tri_thread_start(&watchdog->thread, "troupe/watchdog", 0, watchdog_main, watchdog);
    if (error != 0)
        goto destroy_changed;
    return TR_OK;

destroy_changed:
    runtime->watchdog = NULL;
    uv_cond_destroy(&watchdog->changed);
destroy_lock:
    uv_mutex_destroy(&watchdog->lock);
free_watchdog:
    free_watchdog(watchdog);
    return tri_status_from_uv(error);
}

void
tri_watchdog_stop(struct tri_runtime *runtime)
{
    struct tri_watchdog *watchdog = runtime->watchdog;
    if (watchdog == NULL)
        return;
    uv_mutex_lock(&watchdog->lock);
    watchdog->stopping = true;
    uv_cond_signal(&watchdog->changed);
    uv_mutex_unlock(&watchdog->lock);
    uv_thread_join(&watchdog->thread);

    uv_cond_destroy(&watchdog->changed);
    uv_mutex_destroy(&watchdog->lock);
    free_watchdog(watchdog);
    runtime->watchdog = NULL;
}
