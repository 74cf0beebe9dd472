/*
 * A worker's life, turn by turn.
 *
 * A turn
 *   1. takes the mail: what came through the lanes and the inbox goes to the layer above, which files it with the
 *      actors it is for;
 *   2. lets the layer run actors that are ready, for a slice of time;
 *   3. sends the mail: what was staged for other workers is published, and those that sleep are woken;
 *   4. polls the loop without waiting, if the last look is older than POLL_EVERY_US.
 * A turn that found nothing to do waits: it looks around for a short time if that paid lately (spin.h), then sleeps in
 * its loop until a descriptor, a timer or the doorbell wakes it (doorbell.h).
 *
 * The end has two phases (runtime.c). Draining: the layer asks everything to end and says when nothing lives any more.
 * Killing, each worker for itself:
 *   1. it leaves its turns and kills what is left;
 *   2. it seals itself: from here on it stages nothing, and threads that are no workers are refused by its inbox;
 *   3. it runs its loop until all handles are closed and all requests have come home;
 *   4. it waits at the gate until all are there: all are sealed then, so what its lanes hold is the last;
 *   5. it empties the lanes, lets the layer leave and closes its loop.
 * A thread that waits for a worker's answer is answered by the last reading of the inbox or refused by the seal, and
 * the seal waits for nothing but a running handler. So a function in the pool, for which 3 waits, never waits for the
 * end.
 *
 * Invariants
 *   - a worker sleeps only with empty outboxes, or with starved lanes whose consumers will ring;
 *   - a sender that has published for a worker rings its bell.
 */
#include "worker_internal.h"

#include "claims.h"
#include "crash.h"
#include "doorbell.h"
#include "gate.h"
#include "mail.h"
#include "mask.h"
#include "origin.h"
#include "rest.h"
#include "spin.h"
#include "watchdog.h"

#include <ck_pr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/ceiling.h>
#include <troupe/core/clock.h>
#include <troupe/core/descriptors.h>
#include <troupe/core/status_from.h>
#include <troupe/core/thread.h>

#define POLL_EVERY_US 200u /* of a busy worker */
#define GENERATIONS 1000u  /* of handles that callbacks open while the loop is emptied */

/* Waiting. */

/* The way into the loop, marked for the watchdog. */
static void
run_loop(struct tri_worker *worker, uv_run_mode mode)
{
    worker->activity.loop_beat++;
    uv_run(&worker->loop, mode);
    worker->activity.loop_beat++;
}

static void
poll_loop(struct tri_worker *worker)
{
    run_loop(worker, UV_RUN_NOWAIT);
    worker->polled = tri_ticks();
}

static bool
must_look(const struct tri_worker *worker)
{
    return ck_pr_load_uint(&worker->runtime->looks) != worker->looks;
}

/* V3, pairs with V4 in ceiling.c: as R2. */
static bool
is_to_follow(const struct tri_worker *worker)
{
    return TRI_UNLIKELY(worker->at_limit) && !tri_ceiling_is_reached(worker->runtime);
}

/* R2, pairs with R1 in runtime.c: it is asked after the doorbell's fence, and a nudge ends the poll anyway. */
static bool
must_leave(const struct tri_worker *worker)
{
    unsigned phase = tri_runtime_phase(worker->runtime);
    return must_look(worker) || is_to_follow(worker) || phase == TRI_KILLING ||
           (phase == TRI_DRAINING && !worker->drained);
}

/* Has libuv given the system every descriptor that callbacks have begun to watch? It does so when it polls. */
static bool
knows_descriptors(const uv_loop_t *loop)
{
    const void *first; /* of a ring, in all versions: itself, if it is empty */
    memcpy(&first, &loop->watcher_queue, sizeof(first));
    return first == &loop->watcher_queue;
}

static bool
has_work(struct tri_worker *worker)
{
    return worker->layer->ready(worker) || worker->dirty_count > worker->full_count;
}

/* What callbacks of the loop have made or freed. */
static void
settle(struct tri_worker *worker)
{
    if (TRI_UNLIKELY(worker->limited))
        tri_ceiling_settle(worker);
}

/*
 * Sleeps outside the loop, since inside it a callback would come before the watchdog knows of it: polls the loop's own
 * descriptor. What has become ready is for the next look at the loop.
 */
static void
sleep_while_watchdog_rests(struct tri_worker *worker)
{
    run_loop(worker, UV_RUN_NOWAIT);
    settle(worker);
    if (has_work(worker) || tri_mail_waits(worker) || must_leave(worker) || !knows_descriptors(&worker->loop))
        return;
    uv_update_time(&worker->loop);
    tri_rest_doze(worker);
    tri_await_readable(uv_backend_fd(&worker->loop), uv_backend_timeout(&worker->loop));
    uv_update_time(&worker->loop); /* what runs next would seem to have begun before the sleep */
    if (tri_rest_rise(worker))
        tri_watchdog_ring(worker->runtime);
}

static void
sleep_in_loop(struct tri_worker *worker)
{
    tri_doorbell_doze(worker);
    if (!tri_mail_waits(worker) && tri_mail_starve(worker) && !must_leave(worker)) {
        worker->counters.sleeps++;
        tri_trace_sleep(worker->trace);
        if (TRI_UNLIKELY(tri_rest_is_on(worker->runtime)))
            sleep_while_watchdog_rests(worker);
        else
            run_loop(worker, UV_RUN_ONCE);
        tri_trace_wake(worker->trace);
        worker->polled = tri_ticks();
        tri_spin_learn(worker, worker->polled - worker->turn_ended, tri_mail_waits(worker));
    }
    tri_doorbell_rise(worker);
}

/* Else callbacks have begun to watch, to close or to put off something, and the loop is to run first. */
static bool
is_loop_done(struct tri_worker *worker)
{
    return knows_descriptors(&worker->loop) && uv_backend_timeout(&worker->loop) != 0;
}

static void
await_work(struct tri_worker *worker)
{
    enum tri_found found = TRI_FOUND_NOTHING;
    if (is_loop_done(worker) && tri_spin_pays(worker))
        found = tri_spin(worker);
    if (found == TRI_FOUND_NOTHING)
        sleep_in_loop(worker);
    else if (found == TRI_FOUND_DESCRIPTORS)
        poll_loop(worker);
}

/* The worker's own handles. */

static void
on_wakeup(uv_async_t *handle)
{
    (void)handle; /* the turn that follows looks at everything */
}

/*
 * libuv runs expired timers, and more, between the last look at the mail and the poll: if they sent anything, the poll
 * must not block. If it blocks it waits for the next timer from uv_now() on, which what has just run may have left far
 * behind.
 */
static void
on_before_poll(uv_prepare_t *handle)
{
    struct tri_worker *worker = handle->loop->data;
    worker->activity.loop_beat += 2;
    settle(worker);
    uv_update_time(&worker->loop);
    tri_activity_end_turn(&worker->activity, uv_now(&worker->loop));
    if (has_work(worker))
        uv_stop(&worker->loop);
}

static void
close_own_handles(struct tri_worker *worker)
{
    uv_close((uv_handle_t *)&worker->before_poll, NULL);
    uv_close((uv_handle_t *)&worker->wakeup, NULL);
    uv_run(&worker->loop, UV_RUN_DEFAULT); /* handles close only inside a running loop */
}

/* The turns. */

static void
turn(struct tri_worker *worker)
{
    unsigned mail = tri_mail_take(worker);
    bool more = worker->layer->run(worker);
    tri_mail_send(worker);
    settle(worker);
    worker->turn_ended = tri_ticks(); /* not before: what is sent does not wait for the clock */
    if (mail == 0 && !more)
        await_work(worker);
    else if (worker->turn_ended - worker->polled > POLL_EVERY_US * worker->runtime->ticks_per_ms / 1000)
        poll_loop(worker);
}

/* Of tri_runtime_look(): what comes of this look goes out before it is said to be done. */
static void
look(struct tri_worker *worker)
{
    unsigned looks = ck_pr_load_uint(&worker->runtime->looks);
    poll_loop(worker);
    tri_mail_send(worker);
    worker->looks = looks;
    tri_gate_looked(worker->runtime);
}

/* A look at all handles of a loop but the worker's own. */
struct sweep {
    struct tri_worker *worker;
    bool without_callbacks; /* those that are closing must not call back */
    bool found;             /* any */
};

static void
sweep_handle(uv_handle_t *handle, void *argument)
{
    struct sweep *sweep = argument;
    if (handle == (uv_handle_t *)&sweep->worker->wakeup || handle == (uv_handle_t *)&sweep->worker->before_poll)
        return;
    sweep->found = true;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
    else if (sweep->without_callbacks)
        handle->close_cb = NULL;
}

/* Closes what is open in the loop. Returns whether anything is there that is not closed yet. */
static bool
close_handles(struct tri_worker *worker, bool without_callbacks)
{
    struct sweep sweep = {.worker = worker, .without_callbacks = without_callbacks};
    uv_walk(&worker->loop, sweep_handle, &sweep);
    return sweep.found;
}

/*
 * Runs the loop until every handle but the worker's own is closed and no request is under way. A callback may open new
 * handles, and close them with a callback that does the same: after GENERATIONS of them handles close without a word.
 */
static void
empty_loop(struct tri_worker *worker)
{
    unsigned generation = 0;
    uv_prepare_stop(&worker->before_poll);
    uv_unref((uv_handle_t *)&worker->wakeup);
    for (;;) {
        bool handles = close_handles(worker, generation > GENERATIONS);
        generation = handles ? generation + 1 : 0;
        if (!handles && !uv_loop_alive(&worker->loop))
            return;
        run_loop(worker, UV_RUN_ONCE);
    }
}

void
tri_worker_kill(struct tri_worker *worker)
{
    uint64_t killed = worker->layer->kill(worker);
    tri_mail_seal(worker);
    tri_timers_close(&worker->timers);
    empty_loop(worker);
    tri_gate_add_killed(worker->runtime, killed);
}

void
tri_worker_finish(struct tri_worker *worker)
{
    tri_mail_bury(worker);
    worker->layer->leave(worker);
    if (worker->trace != NULL)
        tri_crash_leave(worker);
    tri_trace_worker_stop(worker->trace);
    close_own_handles(worker);
    worker->closed = true;
    tri_mask_take(&worker->mask_held); /* for good: the thread's number is about to be free */
    tri_worker_set_current(NULL);
}

/* false: nothing was claimed, or the CPU was taken away since. Then the worker runs where the system lets it. */
static bool
pin(const struct tri_worker *worker)
{
    return worker->runtime->begins_pinned && worker->cpu >= 0 && tri_affinity_pin(0, worker->cpu) == TR_OK;
}

static void
worker_main(void *argument)
{
    struct tri_worker *worker = argument;
    struct tri_runtime *runtime = worker->runtime;
    tri_worker_set_current(worker);
    uint32_t cpu = pin(worker) ? (uint32_t)worker->cpu : UINT32_MAX;
    TRI_RELEASE(&worker->thread_number);
    ck_pr_fence_release(); /* P1: its CPU is read; from here on the watchdog may change it. Pairs with P2 in worker.h */
    ck_pr_store_int(&worker->thread_number, tri_thread_number());
    worker->polled = tri_ticks();
    uv_update_time(&worker->loop); /* it is that of the loop's making */
    if (worker->trace != NULL)
        tri_crash_enter(worker);
    tri_trace_worker_start(worker->trace, cpu);

    for (unsigned phase; (phase = tri_runtime_phase(runtime)) != TRI_KILLING;) {
        if (phase == TRI_DRAINING && !worker->drained) {
            worker->drained = true;
            worker->layer->drain(worker);
        }
        turn(worker);
        if (TRI_UNLIKELY(must_look(worker)))
            look(worker);
    }

    tri_worker_kill(worker);
    tri_gate_pass(runtime);
    tri_worker_finish(worker);
}

void
tri_worker_quiet(struct tri_worker *worker)
{
    if (worker->quiet)
        return;
    worker->quiet = true;
    tri_gate_quiet(worker->runtime);
}

/* Life. */

/* A loop takes four descriptors, so many workers need more of them than the usual soft limit allows. */
static int
init_loop(uv_loop_t *loop)
{
    int err;
    do
        err = uv_loop_init(loop);
    while (err == UV_EMFILE && tri_descriptors_raise());
    return err;
}

static tr_status
open_loop(struct tri_worker *worker)
{
    int err = init_loop(&worker->loop);
    if (err != 0)
        return tri_status_from_uv(err);
    worker->loop.data = worker;
    err = uv_async_init(&worker->loop, &worker->wakeup, on_wakeup);
    tr_status status = tri_status_from_uv(err);
    if (err != 0)
        goto close_loop;
    uv_prepare_init(&worker->loop, &worker->before_poll);
    uv_prepare_start(&worker->before_poll, on_before_poll);
    status = tri_timers_open(&worker->timers, &worker->loop);
    if (status != TR_OK)
        goto close_handles;
    return TR_OK;

close_handles:
    close_own_handles(worker);
close_loop:
    uv_loop_close(&worker->loop);
    return status;
}

static void
close_loop(struct tri_worker *worker)
{
    if (!worker->closed) { /* it never ran */
        tri_timers_close(&worker->timers);
        close_own_handles(worker);
    }
    uv_loop_close(&worker->loop);
}

static int
claim_cpu(void)
{
    struct tri_cpus cpus = tri_origin_cpus();
    int cpu = tri_claim_take(TRI_CLAIMS_ROOT, &cpus);
    tri_cpus_fini(&cpus);
    return cpu;
}

tr_status
tri_worker_new(struct tri_runtime *runtime, unsigned index, struct tri_worker **out)
{
    struct tri_worker *worker = aligned_alloc(alignof(struct tri_worker), sizeof(*worker));
    if (worker == NULL)
        return TR_ENOMEM;
    memset(worker, 0, sizeof(*worker));
    worker->runtime = runtime;
    worker->layer = runtime->layer;
    worker->index = index;
    worker->cpu = runtime->options.pinning == TR_PINNING_NEVER ? -1 : claim_cpu();
    worker->trace = tri_trace_stream_of(runtime->trace, index);
    tri_ceiling_open(worker);
    tr_status status = tri_mail_open(worker);
    if (status != TR_OK)
        goto free_memory;
    status = open_loop(worker);
    if (status != TR_OK)
        goto free_memory;
    status = runtime->layer->open(worker);
    if (status != TR_OK)
        goto close_loop;
    *out = worker;
    return TR_OK;

close_loop:
    close_loop(worker);
free_memory:
    tri_mail_close(worker);
    tri_claim_return(worker->cpu);
    free(worker);
    return status;
}

tr_status
tri_worker_start(struct tri_worker *worker)
{
    char name[24];
    snprintf(name, sizeof(name), "troupe/%u", worker->index);
    int err = tri_thread_start(&worker->thread, name, 0, worker_main, worker);
    if (err != 0)
        worker->thread = 0;
    return tri_status_from_uv(err);
}

void
tri_worker_free(struct tri_worker *worker)
{
    if (worker == NULL)
        return;
    close_loop(worker);
    worker->layer->close(worker);
    if (worker->guest_close != NULL)
        worker->guest_close(worker);
    tri_ceiling_close(worker);
    tri_mail_close(worker);
    tri_claim_return(worker->cpu);
    free(worker);
}
