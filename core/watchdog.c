/*
 * The watchdog: one thread that looks at what every worker does, twice in the time that a callback may take.
 *
 * A worker writes down which callback it runs and counts them: the beat. It does so with plain stores and never waits;
 * the watchdog takes a copy that may be torn. So a copy counts only if the beat was the same before and after it, and a
 * stall only if the whole copy is what was seen the time before, back to when that beat was first seen. A torn copy can
 * therefore delay a report by one look, but not put the wrong name into it.
 *
 * A stall is told once. Its time counts from when the watchdog first saw the callback, so it is at least what is said. Only
 * time that the callback had counts: of the time between two looks no more than was meant to pass, since a process that
 * was stopped (by a signal, a debugger, the machine's host) stops its watchdog too; and not the time in which the worker's
 * thread could have run and was given no CPU. A callback that sleeps or waits for a lock has its time.
 *
 * The time between two looks is a timed wait on a condition, so that stopping does not wait for it.
 */
#include "watchdog.h"

#include <ck_pr.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <troupe/core/say.h>
#include <troupe/core/status_from.h>
#include <troupe/core/thread.h>
#include <troupe/core/trace_format.h>
#include <troupe/core/worker.h>

#define NS_PER_MS UINT64_C(1000000)

struct sighting {
    struct tri_worker_activity activity;
    struct tri_thread_time time; /* of the worker's thread, when it was last looked at */
    uint64_t held_ns;            /* the time that it had since it was first seen */
    bool told;
};

struct tri_watchdog {
    /* Constant once the thread runs. */
    struct tri_runtime *runtime;
    uint64_t limit_ns;
    uv_thread_t thread;

    /* The thread's own. */
    struct sighting *sightings; /* one for each worker */
    uint64_t looked_ns;         /* when it last looked */

    /* Any thread. */
    uv_mutex_t lock;
    uv_cond_t stop;
    bool stopping; /* under the lock */
};

/* Gives a copy of what a worker does. false: it was changing, or no callback runs. */
static bool
look_at(const struct tri_worker_activity *activity, struct tri_worker_activity *copy)
{
    copy->beat = ck_pr_load_64(&activity->beat);
    ck_pr_fence_load(); /* W1: the beat before the rest; pairs with the worker's stores, the beat last */
    copy->name = ck_pr_load_ptr(&activity->name);
    copy->actor = ck_pr_load_64(&activity->actor);
    copy->tag = ck_pr_load_32(&activity->tag);
    ck_pr_fence_load(); /* W2: the rest before the beat again; pairs with the same */
    return copy->name != NULL && ck_pr_load_64(&activity->beat) == copy->beat;
}

static bool
same_activity(const struct tri_worker_activity *a, const struct tri_worker_activity *b)
{
    return a->beat == b->beat && a->name == b->name && a->actor == b->actor && a->tag == b->tag;
}

static void
tell(struct tri_runtime *runtime, struct tri_worker *worker, const struct tri_worker_activity *activity, uint64_t ms)
{
    unsigned home = TRI_TRACE_REF_WORKER(activity->actor);
    unsigned slot = TRI_TRACE_REF_SLOT(activity->actor);
    unsigned generation = TRI_TRACE_REF_GENERATION(activity->actor);
    tri_say("actor %u:%u.%u (%s) has held worker %u for %" PRIu64 " ms in tag %" PRIu32, home, slot, generation,
            activity->name, worker->index, ms, activity->tag);
    if (runtime->trace != NULL)
        tri_trace_write_outside(runtime->trace, TRI_TRACE_CORE_stall, 0, (uint32_t)ms, activity->actor, activity->tag);

    /* This counter alone is the watchdog's, who is its only writer. */
    ck_pr_store_64(&worker->counters.stalls, worker->counters.stalls + 1);
}

/* The part of the time since the last look that the worker's thread had. */
static uint64_t
time_had(const struct tri_thread_time *before, const struct tri_thread_time *now, uint64_t passed_ns)
{
    if (!before->known || !now->known)
        return passed_ns;
    uint64_t waited_ns = now->waited_ns - before->waited_ns, ran_ns = now->ran_ns - before->ran_ns;
    if (now->runnable) /* it may be waiting for a CPU just now, which is counted only when it gets one */
        return ran_ns < passed_ns ? ran_ns : passed_ns;
    return waited_ns < passed_ns ? passed_ns - waited_ns : 0;
}

static void
watch(struct tri_watchdog *watchdog, struct tri_worker *worker, uint64_t passed_ns)
{
    struct sighting *seen = &watchdog->sightings[worker->index];
    struct tri_worker_activity activity;
    struct tri_thread_time time;
    if (!look_at(&worker->activity, &activity)) {
        seen->activity.name = NULL; /* equal to nothing that is looked at */
        return;
    }
    tri_thread_time(ck_pr_load_int(&worker->thread_number), &time);
    if (!same_activity(&activity, &seen->activity)) {
        *seen = (struct sighting){.activity = activity, .time = time};
        return;
    }
    seen->held_ns += time_had(&seen->time, &time, passed_ns);
    seen->time = time;
    if (seen->told || seen->held_ns < watchdog->limit_ns)
        return;
    seen->told = true;
    tell(watchdog->runtime, worker, &activity, seen->held_ns / NS_PER_MS);
}

static void
watch_all(struct tri_watchdog *watchdog)
{
    uint64_t now_ns = uv_hrtime(), passed_ns = now_ns - watchdog->looked_ns, meant_ns = watchdog->limit_ns / 2 + 1;
    watchdog->looked_ns = now_ns;
    for (unsigned i = 0; i < watchdog->runtime->count; i++)
        watch(watchdog, watchdog->runtime->workers[i], passed_ns < meant_ns ? passed_ns : meant_ns);
}

static void
watchdog_main(void *argument)
{
    struct tri_watchdog *watchdog = argument;
    uv_mutex_lock(&watchdog->lock);
    while (!watchdog->stopping) {
        uv_mutex_unlock(&watchdog->lock);
        watch_all(watchdog); /* without the lock: stderr may block */
        uv_mutex_lock(&watchdog->lock);
        if (!watchdog->stopping)
            uv_cond_timedwait(&watchdog->stop, &watchdog->lock, watchdog->limit_ns / 2);
    }
    uv_mutex_unlock(&watchdog->lock);
}

tr_status
tri_watchdog_start(struct tri_runtime *runtime, unsigned limit_ms, struct tri_watchdog **out)
{
    struct tri_watchdog *watchdog = calloc(1, sizeof(*watchdog));
    if (watchdog == NULL)
        return TR_ENOMEM;
    watchdog->runtime = runtime;
    watchdog->limit_ns = limit_ms * NS_PER_MS;

    int error = UV_ENOMEM;
    watchdog->sightings = calloc(runtime->count, sizeof(*watchdog->sightings));
    if (watchdog->sightings == NULL)
        goto free_watchdog;
    error = uv_mutex_init(&watchdog->lock);
    if (error != 0)
        goto free_sightings;
    error = uv_cond_init(&watchdog->stop);
    if (error != 0)
        goto destroy_lock;
    error = tri_thread_start(&watchdog->thread, "troupe-watchdog", 0, watchdog_main, watchdog);
    if (error != 0)
        goto destroy_stop;

    *out = watchdog;
    return TR_OK;

destroy_stop:
    uv_cond_destroy(&watchdog->stop);
destroy_lock:
    uv_mutex_destroy(&watchdog->lock);
free_sightings:
    free(watchdog->sightings);
free_watchdog:
    free(watchdog);
    return tri_status_from_uv(error);
}

void
tri_watchdog_stop(struct tri_watchdog *watchdog)
{
    if (watchdog == NULL)
        return;
    uv_mutex_lock(&watchdog->lock);
    watchdog->stopping = true;
    uv_cond_signal(&watchdog->stop);
    uv_mutex_unlock(&watchdog->lock);
    uv_thread_join(&watchdog->thread);

    uv_cond_destroy(&watchdog->stop);
    uv_mutex_destroy(&watchdog->lock);
    free(watchdog->sightings);
    free(watchdog);
}
