#include "survey.h"

#include <ck_pr.h>
#include <troupe/core/ceiling.h>
#include <troupe/core/thread.h>

static void
read_counters(const struct tri_worker *worker, struct tr_worker_info *info)
{
    const struct tri_worker_counters *counters = &worker->counters;
    uint64_t ended = ck_pr_load_64(&counters->ended);
    ck_pr_fence_load(); /* ended is never ahead of the other */
    info->spawned = ck_pr_load_64(&counters->spawned);
    info->actors = info->spawned - ended;
    info->sent = ck_pr_load_64(&counters->sent);
    info->outside = tri_worker_posted(worker);
    info->received = ck_pr_load_64(&worker->activity.received);
    info->refused = ck_pr_load_64(&counters->refused);
    info->dead_letters = ck_pr_load_64(&counters->dead_letters);
    info->notices_lost = ck_pr_load_64(&counters->notices_lost);
    info->wakes = ck_pr_load_64(&counters->wakes);
    info->sleeps = ck_pr_load_64(&counters->sleeps);
    info->stalls = ck_pr_load_64(&counters->stalls);
}

/* A worker that is stuck does not change meanwhile, so what is seen of it is whole. One that is not goes in and out of
 * its loop all the time. */
static void
read_activity(const struct tri_worker *worker, struct tr_worker_info *info)
{
    struct tri_worker_activity activity;
    if (!tri_activity_copy(&worker->activity, &activity))
        return;
    if (activity.name != NULL) {
        info->running = activity.name;
        info->actor = activity.actor;
        info->tag = activity.tag;
    } else if (info->stuck && tri_activity_in_loop(&activity) &&
               !tri_thread_may_poll(tri_worker_thread_number(worker), uv_backend_fd(&worker->loop))) {
        info->running = "libuv callbacks";
    }
}

struct tr_worker_info
tri_worker_describe(const tr_runtime *runtime, unsigned worker, bool stuck, uint64_t waiting)
{
    const struct tri_worker *described = runtime->core->workers[worker];
    struct tr_worker_info info = {.worker = worker, .stuck = stuck, .waiting = stuck ? 0 : waiting};
    struct tri_thread_time time;
    read_counters(described, &info);
    read_activity(described, &info);
    tri_thread_time(tri_worker_thread_number(described), &time);
    info.cpu_ns = time.ran_ns;
    info.waited_ns = time.waited_ns;
    uint64_t now_ms = tri_clock_now_ns() / 1000000, began_ms = tri_actors_of(described)->began_ms;
    info.age_ms = now_ms > began_ms ? now_ms - began_ms : 0;
    return info;
}

struct tri_memory_info
tri_memory_describe(const tr_runtime *runtime)
{
    const struct tri_runtime *core = runtime->core;
    struct tri_memory_info info = {.bytes = tri_level_bytes(),
                                   .limit = core->options.memory_limit,
                                   .at_limit = tri_ceiling_is_reached(core),
                                   .reached = ck_pr_load_64(&core->limit_reached),
                                   .refused = ck_pr_load_64(&core->limit_refused)};
    for (unsigned i = 0; i < core->count; i++)
        info.refused += ck_pr_load_64(&core->workers[i]->counters.memory_refused);
    return info;
}
