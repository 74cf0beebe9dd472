/*
 * The runtime as its users see it: workers with actors on them, started, asked and ended from outside.
 */
#include "ask.h"
#include "body.h"
#include "deliver.h"
#include "dispatch.h"
#include "everybody.h"
#include "group_internal.h"
#include "inquiry.h"
#include "introductions.h"
#include "life.h"
#include "link.h"
#include "mailbox.h"
#include "memory.h"
#include "monitor.h"
#include "mute.h"
#include "news.h"
#include "offload.h"
#include "owed.h"
#include "parent.h"
#include "recording.h"
#include "relief.h"
#include "request.h"
#include "rest.h"
#include "serve.h"
#include "spawning.h"
#include "stop.h"
#include "survey.h"
#include "tag_names.h"
#include "timer.h"
#include "ward.h"

#include <ck_pr.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/become.h>
#include <troupe/actors/steps.h>
#include <troupe/core/recording.h>
#include <troupe/core/signals.h>
#include <troupe/core/status_from.h>

/* The layer on one worker. */

static void
close_actors(struct tri_worker *worker)
{
    struct tri_actors *home = tri_actors_of(worker);
    tri_actors_timers_fini(home);
    tri_parents_forget(home);
    tri_name_news_forget(home);
    tri_owed_forget(home); /* before: one that lingers may owe a word, too */
    tri_actors_free_lingering(home);
    tri_bodies_fini(home);
    tri_introductions_fini(home);
    tri_tag_names_fini(home);
    tri_pool_fini(&home->mail);
    tri_asks_fini(home);
    tri_table_fini(&home->interests);
    tri_table_fini(&home->watchers);
    tri_table_fini(&home->wards);
    tri_slots_fini(&home->slots);
    free(home);
}

/* What the last slice took counts before it is written down. */
static bool
inspect_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    tri_dispatch_settle(home);
    return tri_inquiry_arrived(home, to, message);
}

/* Who does what the layer's own messages say. */
static const tri_system_function system_functions[] = {
    [TRI_TAG_SPAWN - TRI_TAG_SPAWN] = tri_spawn_arrived,
    [TRI_TAG_STOP - TRI_TAG_SPAWN] = tri_stop_arrived,
    [TRI_TAG_CHILD_GONE - TRI_TAG_SPAWN] = tri_child_gone_arrived,
    [TRI_TAG_PROBE - TRI_TAG_SPAWN] = tri_probe_arrived,
    [TRI_TAG_WATCH - TRI_TAG_SPAWN] = tri_watch_arrived,
    [TRI_TAG_UNWATCH - TRI_TAG_SPAWN] = tri_unwatch_arrived,
    [TRI_TAG_LINK - TRI_TAG_SPAWN] = tri_link_arrived,
    [TRI_TAG_UNLINK - TRI_TAG_SPAWN] = tri_unlink_arrived,
    [TRI_TAG_LINK_DOWN - TRI_TAG_SPAWN] = tri_link_down_arrived,
    [TRI_TAG_NAME_NEWS - TRI_TAG_SPAWN] = tri_name_news_arrived,
    [TRI_TAG_INSPECT - TRI_TAG_SPAWN] = inspect_arrived,
    [TRI_TAG_GROUP_JOIN - TRI_TAG_SPAWN] = tri_group_join_arrived,
    [TRI_TAG_GROUP_LEAVE - TRI_TAG_SPAWN] = tri_group_leave_arrived,
    [TRI_TAG_PUBLISH - TRI_TAG_SPAWN] = tri_group_publish_arrived,
    [TRI_TAG_GROUP_NEWS - TRI_TAG_SPAWN] = tri_group_news_arrived,
    [TRI_TAG_GROUP_GATHER - TRI_TAG_SPAWN] = tri_group_gather_arrived,
    [TRI_TAG_RELIEF_ASK - TRI_TAG_SPAWN] = tri_relief_asked,
    [TRI_TAG_RELIEF_PROBE - TRI_TAG_SPAWN] = tri_relief_probed,
    [TRI_TAG_RELIEF_HELD - TRI_TAG_SPAWN] = tri_relief_held,
    [TRI_TAG_RELIEVED - TRI_TAG_SPAWN] = tri_relieved,
    [TRI_TAG_RESTART - TRI_TAG_SPAWN] = tri_restart_arrived,
    [TRI_TAG_RELEASE - TRI_TAG_SPAWN] = tri_release_arrived,
    [TRI_TAG_SUPERVISE - TRI_TAG_SPAWN] = tri_supervise_arrived,
    [TRI_TAG_RECORD - TRI_TAG_SPAWN] = tri_recording_arrived,
};
_Static_assert(sizeof(system_functions) / sizeof(system_functions[0]) == TRI_TAG_OWN_END - TRI_TAG_SPAWN,
               "every tag of the layer's own has a function");

static const struct tri_trace_event events[] = {TRI_TRACE_ACTORS_EVENTS(TRI_TRACE_DESCRIPTION)};

static const struct tri_trace_tag tags[] = {
    {TR_TAG_SPAWN_FAILED, "SPAWN_FAILED"},
    {TR_TAG_DEAD_LETTER, "DEAD_LETTER"},
    {TRI_TAG_UNDELIVERED, "UNDELIVERED"},
    {TRI_TAG_SPAWN, "SPAWN"},
    {TRI_TAG_STOP, "STOP"},
    {TRI_TAG_CHILD_GONE, "CHILD_GONE"},
    {TRI_TAG_PROBE, "PROBE"},
    {TR_TAG_DOWN, "DOWN"},
    {TR_TAG_LINK_DOWN, "LINK_DOWN"},
    {TR_TAG_UNANSWERED, "UNANSWERED"},
    {TR_TAG_RECEIVE_TIMEOUT, "RECEIVE_TIMEOUT"},
    {TRI_TAG_WATCH, "WATCH"},
    {TRI_TAG_UNWATCH, "UNWATCH"},
    {TRI_TAG_LINK, "LINK"},
    {TRI_TAG_UNLINK, "UNLINK"},
    {TRI_TAG_LINK_DOWN, "LINK_ENDS"},
    {TR_TAG_NAME, "NAME"},
    {TRI_TAG_NAME_NEWS, "NAME_NEWS"},
    {TRI_TAG_INSPECT, "INSPECT"},
    {TR_TAG_GROUP, "GROUP"},
    {TR_TAG_GROUP_MEMBERS, "GROUP_MEMBERS"},
    {TRI_TAG_PUBLISHED, "PUBLISHED"},
    {TRI_TAG_GROUP_JOIN, "GROUP_JOIN"},
    {TRI_TAG_GROUP_LEAVE, "GROUP_LEAVE"},
    {TRI_TAG_PUBLISH, "PUBLISH"},
    {TRI_TAG_GROUP_NEWS, "GROUP_NEWS"},
    {TRI_TAG_GROUP_GATHER, "GROUP_GATHER"},
    {TRI_TAG_RELIEF_ASK, "RELIEF_ASK"},
    {TRI_TAG_RELIEF_PROBE, "RELIEF_PROBE"},
    {TRI_TAG_RELIEF_HELD, "RELIEF_HELD"},
    {TRI_TAG_RELIEVED, "RELIEVED"},
    {TRI_TAG_RESTART, "RESTART"},
    {TRI_TAG_RELEASE, "RELEASE"},
    {TRI_TAG_SUPERVISE, "SUPERVISE"},
    {TRI_TAG_RECORD, "RECORD"},
    {TRI_TAG_WARD_LIVES, "CHILD_LIVES"},
    {TRI_TAG_WARD_ENDED, "CHILD_ENDED"},
    {TRI_TAG_SUPERVISOR_REQUEST, "SUPERVISOR_REQUEST"},
    {TR_TAG_SUPERVISOR, "SUPERVISOR"},
};

static const struct tri_trace_table table = {
    .events = events,
    .event_count = sizeof(events) / sizeof(events[0]),
    .tags = tags,
    .tag_count = sizeof(tags) / sizeof(tags[0]),
};

static tr_status
open_actors(struct tri_worker *worker)
{
    struct tri_actors *home = aligned_alloc(alignof(struct tri_actors), sizeof(*home));
    if (home == NULL)
        return TR_ENOMEM;
    memset(home, 0, sizeof(*home));
    home->worker = worker;
    home->system = system_functions;
    home->began_ms = tri_clock_of_loop_ms(&worker->loop);
    home->stride = home->until_look = 1;
    tri_mail_list_init(&home->queue);
    tri_mail_list_init(&home->late_stops);
    tri_owed_open(home);
    tri_actors_timers_init(home);
    tri_pool_init(&home->mail, sizeof(struct tri_mail));
    home->counts = worker->limited;
    if (home->counts)
        tri_pool_count_in(&home->mail, &worker->level);
    tri_bodies_init(home);
    tr_status status = tri_slots_init(&home->slots, worker->index);
    if (status != TR_OK) {
        free(home);
        return status;
    }
    worker->host = home;
    tri_worker_declare(worker, &table);
    return TR_OK;
}

static void
leave_actors(struct tri_worker *worker)
{
    tri_locals_close(tri_actors_of(worker));
}

static bool
is_ready(struct tri_worker *worker)
{
    const struct tri_actors *home = tri_actors_of(worker);
    return !tri_mail_list_empty(&home->queue) || tri_owed_any(home) || tri_introductions_are_due(home);
}

static const struct tri_layer actors_layer = {
    .open = open_actors,
    .deliver = tri_actors_deliver,
    .bury = tri_actors_bury,
    .run = tri_dispatch_run,
    .ready = is_ready,
    .drain = tri_actors_drain,
    .kill = tri_actors_kill,
    .leave = leave_actors,
    .settle = tri_memory_settle,
    .at_limit = tri_memory_at_limit,
    .close = close_actors,
};

/* Start and stop. */

static tr_status
start(const struct tr_runtime_options *options, struct tri_stepper *stepper, tr_runtime **out)
{
    if (out == NULL)
        return TR_EINVAL;
    tr_runtime *runtime = aligned_alloc(alignof(tr_runtime), sizeof(*runtime));
    if (runtime == NULL)
        return TR_ENOMEM;
    memset(runtime, 0, sizeof(*runtime));
    int err = uv_mutex_init(&runtime->lock);
    tr_status status = tri_status_from_uv(err);
    if (err != 0)
        goto free_runtime;
    status = tri_status_from_uv(uv_mutex_init(&runtime->recording.lock));
    if (status != TR_OK)
        goto destroy_lock;
    status = tri_names_new(&runtime->names);
    if (status != TR_OK)
        goto destroy_recording_lock;
    status = tri_named_open_all(&runtime->named);
    if (status != TR_OK)
        goto free_names;
    status = stepper != NULL ? tri_runtime_start_stepped(options, stepper, &actors_layer, runtime, &runtime->core)
                             : tri_runtime_start(options, &actors_layer, runtime, &runtime->core);
    if (status != TR_OK)
        goto close_named;
    status = tri_inspector_start(runtime, options != NULL ? options->inspect : NULL, &runtime->inspector);
    if (status != TR_OK)
        goto end_core;
    *out = runtime;
    return TR_OK;

end_core:
    tri_runtime_end(runtime->core, 0);
    tri_runtime_free(runtime->core);
close_named:
    tri_named_close_all(&runtime->named);
free_names:
    tri_names_free(runtime->names);
destroy_recording_lock:
    uv_mutex_destroy(&runtime->recording.lock);
destroy_lock:
    uv_mutex_destroy(&runtime->lock);
free_runtime:
    free(runtime);
    return status;
}

tr_status
tr_runtime_start(const struct tr_runtime_options *options, tr_runtime **out)
{
    return start(options, NULL, out);
}

tr_status
tri_actors_start_stepped(const struct tr_runtime_options *options, struct tri_stepper *stepper, tr_runtime **out)
{
    return start(options, stepper, out);
}

static uint64_t
count_cancelled(const struct tri_runtime *core)
{
    uint64_t cancelled = 0;
    for (unsigned i = 0; i < core->count; i++)
        cancelled += tri_actors_of(core->workers[i])->cancelled;
    return cancelled;
}

/* Ends it all but for the memory of the runtime itself. */
static struct tr_stop_report
end(tr_runtime *runtime, unsigned deadline_ms)
{
    struct tr_stop_report report = {.killed = tri_runtime_end(runtime->core, deadline_ms)};
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    report.dead_letters = counters.dead_letters;
    report.cancelled = count_cancelled(runtime->core);
    tri_inspector_stop(runtime->inspector); /* until now it could say what the end waited for */
    tri_runtime_close(runtime->core);
    report.left_behind = runtime->core->left_behind;
    return report;
}

/* A thread for which the end waits must not wait for it. */
static bool
may_wait_for_end(void)
{
    return !tri_on_worker() && !tri_inside_offload;
}

tr_status
tr_runtime_stop(tr_runtime *runtime, unsigned deadline_ms, struct tr_stop_report *report)
{
    if (runtime == NULL)
        return TR_OK;
    if (!may_wait_for_end())
        return TR_EWRONGTHREAD;
    struct tr_stop_report left = end(runtime, deadline_ms);
    if (report != NULL)
        *report = left;
    tri_named_close_all(&runtime->named);
    tri_recording_forget(runtime);
    tri_runtime_free(runtime->core);
    tri_names_free(runtime->names);
    uv_mutex_destroy(&runtime->recording.lock);
    uv_mutex_destroy(&runtime->lock);
    free(runtime);
    return left.killed == 0 ? TR_OK : TR_ETIMEDOUT_STOP;
}

/* Under the lock. The signal is blocked in the thread that waits for it. */
static void
let_go(tr_runtime *runtime)
{
    if (!runtime->woken && runtime->waiting) {
        tri_signals_send_end(runtime->waiter);
        runtime->woken = true;
    }
}

static bool
is_idle(const tr_runtime *runtime)
{
    return ck_pr_load_64(&runtime->live) == 0;
}

/* Waits for a signal, the user's quit, or that nothing keeps the program alive. Returns the signal; 0: another of them,
 * and *quit says whether it is the user's. */
static int
wait_once(tr_runtime *runtime, bool until_idle, bool *quit)
{
    uv_mutex_lock(&runtime->lock);
    bool over = runtime->quit || (until_idle && is_idle(runtime));
    runtime->waiter = uv_thread_self();
    runtime->waiting = !over;
    runtime->waits_for_idle = until_idle && !over;
    uv_mutex_unlock(&runtime->lock);

    int signal = over ? 0 : tri_signals_wait_end();

    uv_mutex_lock(&runtime->lock);
    runtime->waiting = runtime->waits_for_idle = false;
    if (runtime->woken) { /* let_go()'s own SIGTERM is one of those that are there; another is the user's */
        int other = tri_signals_take_end();
        signal = other == 0 ? 0 : signal == SIGTERM ? other : signal;
    }
    *quit = runtime->quit;
    runtime->quit = runtime->woken = false;
    uv_mutex_unlock(&runtime->lock);
    return signal;
}

/* Of workers without threads: until then, or until nothing is left to do that could bring it about. */
static int
wait_in_steps(tr_runtime *runtime, bool until_idle)
{
    struct tri_stepper *stepper = runtime->core->stepper;
    while (!runtime->quit && !(until_idle && is_idle(runtime)) && stepper->step(stepper, TRI_CLOCK_NEVER)) {
    }
    runtime->quit = false;
    return 0;
}

static int
wait_for_signal(tr_runtime *runtime, bool until_idle)
{
    if (runtime == NULL)
        return TR_EINVAL;
    if (!may_wait_for_end())
        return TR_EWRONGTHREAD;
    if (tri_runtime_is_stepped(runtime->core))
        return wait_in_steps(runtime, until_idle);
    tri_signals_block_ends();
    for (;;) {
        bool quit;
        int signal = wait_once(runtime, until_idle, &quit);
        if (signal != 0 || quit)
            return quit ? 0 : signal;
        tri_runtime_look(runtime->core); /* the system may hold a connection that no listener has accepted yet */
        if (is_idle(runtime))
            return 0;
    }
}

int
tr_runtime_wait(tr_runtime *runtime)
{
    return wait_for_signal(runtime, false);
}

int
tr_runtime_wait_idle(tr_runtime *runtime)
{
    return wait_for_signal(runtime, true);
}

void
tr_runtime_quit(tr_runtime *runtime)
{
    if (runtime == NULL)
        return;
    uv_mutex_lock(&runtime->lock);
    runtime->quit = true;
    let_go(runtime);
    uv_mutex_unlock(&runtime->lock);
}

/* The thread that brings the count to 0 checks under the lock if it still is 0, and if somebody waits for that. */
void
tri_runtime_add_live(tr_runtime *runtime, int change)
{
    uint64_t before = ck_pr_faa_64(&runtime->live, (uint64_t)(int64_t)change);
    if (before + (uint64_t)(int64_t)change != 0)
        return;
    uv_mutex_lock(&runtime->lock);
    if (runtime->waits_for_idle && is_idle(runtime))
        let_go(runtime);
    uv_mutex_unlock(&runtime->lock);
}

void
tr_runtime_hold(tr_runtime *runtime)
{
    if (runtime != NULL)
        tri_runtime_add_live(runtime, 1);
}

void
tr_runtime_release(tr_runtime *runtime)
{
    if (runtime != NULL)
        tri_runtime_add_live(runtime, -1);
}

/* Questions. */

unsigned
tr_runtime_workers(const tr_runtime *runtime)
{
    return runtime != NULL ? runtime->core->count : 0;
}

void
tr_runtime_counters(const tr_runtime *runtime, struct tr_counters *out)
{
    if (out == NULL)
        return;
    *out = (struct tr_counters){0};
    for (unsigned i = 0; i < tr_runtime_workers(runtime); i++) {
        const struct tri_worker_counters *counters = &runtime->core->workers[i]->counters;
        uint64_t ended = ck_pr_load_64(&counters->ended);
        uint64_t spawned = ck_pr_load_64(&counters->spawned);
        out->spawned += spawned;
        out->actors += spawned - ended;
        out->sent += ck_pr_load_64(&counters->sent);
        out->received += ck_pr_load_64(&runtime->core->workers[i]->activity.received);
        out->refused += ck_pr_load_64(&counters->refused);
        out->dead_letters += ck_pr_load_64(&counters->dead_letters);
        out->notices_lost += ck_pr_load_64(&counters->notices_lost);
        out->outside += tri_worker_posted(runtime->core->workers[i]);
        out->wakes += ck_pr_load_64(&counters->wakes);
        out->sleeps += ck_pr_load_64(&counters->sleeps);
        out->stalls += ck_pr_load_64(&counters->stalls);
    }
    if (runtime == NULL)
        return;
    struct tri_memory_info memory = tri_memory_describe(runtime);
    out->memory = memory.bytes;
    out->memory_limit = memory.limit;
    out->memory_reached = memory.reached;
    out->memory_refused = memory.refused;
    out->sent += ck_pr_load_64(&runtime->sent_outside);
}
