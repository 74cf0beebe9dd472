/*
 * The watchdog: one thread that looks at what every worker does, twice in the time that a callback may take.
 *
 * A worker writes down which callback it runs and counts them: the beat. It does so with plain stores and never waits;
 * the watchdog takes a copy that may be torn. So a copy counts only if the beat was the same before and after it, and a
 * stall only if the whole copy is what was seen the time before, back to when that beat was first seen. A torn copy can
 * therefore delay a report by one look, but not put the wrong name into it.
 *
 * libuv's callbacks have no name here: an actor puts any handle on its worker's loop, and so may a library that it
 * uses. A worker also writes down that it is in its loop, with a beat for each poll. There it either runs callbacks or
 * sleeps in the poll; the system says which. Where it does not, what happens in the loop is not reported.
 *
 * What is a stall is decided in stall.h.
 *
 * The time between two looks is a timed wait on a condition, so that stopping does not wait for it.
 */
#include "watchdog.h"

#include "stall.h"

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

struct tri_watchdog {
    /* Constant once the thread runs. */
    struct tri_runtime *runtime;
    uint64_t limit_ns;
    uv_thread_t thread;

    /* The thread's own. */
    struct tri_sighting *sightings; /* one for each worker */

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
    copy->loop_beat = ck_pr_load_64(&activity->loop_beat);
    ck_pr_fence_load(); /* W1: the beats before the rest; pairs with the worker's stores, the beat last */
    copy->name = ck_pr_load_ptr(&activity->name);
    copy->actor = ck_pr_load_64(&activity->actor);
    copy->tag = ck_pr_load_32(&activity->tag);
    ck_pr_fence_load(); /* W2: the rest before the beats again; pairs with the same */
    return (copy->name != NULL || tri_activity_in_loop(copy)) && ck_pr_load_64(&activity->beat) == copy->beat &&
           ck_pr_load_64(&activity->loop_beat) == copy->loop_beat;
}

static struct tri_look
look(const struct tri_worker *worker)
{
    struct tri_look look = {.now_ns = uv_hrtime()};
    int thread = ck_pr_load_int(&worker->thread_number);
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
    bool named = activity->name != NULL; /* else the rest is of whoever was named before */
    say(worker, activity, ms);
    if (runtime->trace != NULL)
        tri_trace_write_outside(runtime->trace, TRI_TRACE_CORE_stall, 0, (uint32_t)ms, named ? activity->actor : 0,
                                named ? activity->tag : 0);

    /* This counter alone is the watchdog's, who is its only writer. */
    ck_pr_store_64(&worker->counters.stalls, worker->counters.stalls + 1);
}

static void
watch(struct tri_watchdog *watchdog, struct tri_worker *worker)
{
    struct tri_look now = look(worker);
    uint64_t held_ns = tri_stall_see(&watchdog->sightings[worker->index], &now, watchdog->limit_ns);
    if (held_ns > 0)
        tell(watchdog->runtime, worker, &now.activity, held_ns / NS_PER_MS);
}

static void
watch_all(struct tri_watchdog *watchdog)
{
    for (unsigned i = 0; i < watchdog->runtime->count; i++)
        watch(watchdog, watchdog->runtime->workers[i]);
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
            uv_cond_timedwait(&watchdog->stop, &watchdog->lock, tri_stall_pause_ns(watchdog->limit_ns));
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
    error = tri_thread_start(&watchdog->thread, "troupe/watchdog", 0, watchdog_main, watchdog);
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
