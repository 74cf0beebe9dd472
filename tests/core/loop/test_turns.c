/*
 * Workers and the runtime below any actors: their turns, their sleep, their end. The layer above is the test's own. It
 * acts, or lets another thread act, at the moment that is critical: between the last look and the sleep, inside the
 * loop, between two steps of the end.
 *
 * Calls of three functions come here, so that a test can hold the thread that makes them, or make them fail.
 */
#include "affinity.h"
#include "doorbell.h"
#include "helpers.h"
#include "mail.h"
#include "mask.h"
#include "quota.h"
#include "stage.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/core/thread.h>
#include <troupe/core/worker.h>

enum { GO = 1, OTHER };

/* -- The layer. -- */

/* What a test puts into the workers; NULL does nothing. All on the worker's thread. */
static struct {
    tr_status (*open)(struct tri_worker *worker);
    void (*deliver)(struct tri_worker *worker, const tr_message *message);
    bool (*run)(struct tri_worker *worker);
    void (*drain)(struct tri_worker *worker);
    void (*close)(struct tri_worker *worker);
} play;

static struct tally delivered, drained, closed, wrong;
static uint64_t kills[TR_WORKERS_MAX]; /* how many each worker says that it killed */

static tr_status
layer_open(struct tri_worker *worker)
{
    return play.open != NULL ? play.open(worker) : TR_OK;
}

static bool
layer_deliver(struct tri_worker *worker, tr_ref to, tr_message *message)
{
    (void)to;
    if (play.deliver != NULL)
        play.deliver(worker, message);
    tally_add(&delivered, 1);
    return true;
}

static void
layer_bury(struct tri_worker *worker, tr_ref to, tr_message *message)
{
    (void)worker;
    (void)to;
    (void)message;
}

static bool
layer_run(struct tri_worker *worker)
{
    if (ck_pr_load_uint(&worker->bell) != TRI_AWAKE) /* it is: whatever has woken it */
        tally_add(&wrong, 1);
    return play.run != NULL && play.run(worker);
}

static bool
layer_ready(struct tri_worker *worker)
{
    (void)worker;
    return false;
}

static void
layer_drain(struct tri_worker *worker)
{
    tally_add(&drained, 1);
    if (play.drain != NULL)
        play.drain(worker);
    else
        tri_worker_quiet(worker);
}

static uint64_t
layer_kill(struct tri_worker *worker)
{
    return kills[worker->index];
}

static void
layer_close(struct tri_worker *worker)
{
    if (play.close != NULL)
        play.close(worker);
    tally_add(&closed, 1);
}

static const struct tri_layer layer = {
    .open = layer_open,
    .deliver = layer_deliver,
    .bury = layer_bury,
    .run = layer_run,
    .ready = layer_ready,
    .drain = layer_drain,
    .kill = layer_kill,
    .close = layer_close,
};

static int
reset(void **state)
{
    (void)state;
    memset(&play, 0, sizeof(play));
    memset(kills, 0, sizeof(kills));
    delivered = drained = closed = wrong = (struct tally){0};
    return 0;
}

static struct tri_runtime *
start(unsigned workers)
{
    struct tri_runtime *runtime = NULL;
    struct tr_runtime_options options = {
        .workers = workers, .pinning = TR_PINNING_NEVER, .spin_us = -1, .watchdog_ms = -1};
    assert_int_equal(tri_runtime_start(&options, &layer, NULL, &runtime), TR_OK);
    return runtime;
}

static void
end(struct tri_runtime *runtime)
{
    unsigned count = runtime->count;
    tri_runtime_end(runtime, TESTS_LIMIT_MS);
    tri_runtime_free(runtime);
    assert_int_equal(tally_read(&closed), count);
    assert_int_equal(tally_read(&wrong), 0);
}

static void
post(struct tri_worker *worker, uint32_t tag, bool urgent)
{
    tr_message message = tr_message_signal(tag);
    if (tri_worker_post(worker, 1, &message, urgent) != TR_OK)
        tally_add(&wrong, 1);
}

static void
stage(struct tri_worker *worker, unsigned target, uint32_t tag)
{
    struct tri_envelope *envelope;
    if (tri_worker_stage(worker, target, false, &envelope) != TR_OK) {
        tally_add(&wrong, 1);
        return;
    }
    *envelope = (struct tri_envelope){.to = 1, .message = tr_message_signal(tag)};
    tri_worker_commit(worker, target);
}

static bool
is_asleep(void *worker)
{
    return ck_pr_load_uint(&((struct tri_worker *)worker)->bell) == TRI_ASLEEP;
}

static void
await_sleep(struct tri_worker *worker)
{
    assert_true(tests_wait_until(is_asleep, worker, TESTS_LIMIT_MS));
}

/* -- What wakes a worker, or keeps it from sleeping. -- */

static bool posts;         /* the worker's own */
static uint64_t slept;     /* how often it had when it posted */
static struct tally looks; /* that found the second message without a sleep between */

/* Comes after the mail was taken and before the sleep, and nobody rings: the worker is awake. */
static bool
post_to_itself(struct tri_worker *worker)
{
    if (posts) {
        posts = false;
        slept = worker->counters.sleeps;
        post(worker, OTHER, false);
    }
    return false;
}

static void
note_sleeps(struct tri_worker *worker, const tr_message *message)
{
    if (message->tag == GO)
        posts = true;
    else
        tally_add(&looks, worker->counters.sleeps == slept);
}

static void
mail_that_comes_between_the_taking_and_the_sleep_is_not_slept_on(void **state)
{
    (void)state;
    play.run = post_to_itself;
    play.deliver = note_sleeps;
    looks = (struct tally){0};
    posts = false;
    struct tri_runtime *runtime = start(1);
    for (uint64_t n = 1; n <= 100; n++) {
        post(runtime->workers[0], GO, false);
        tally_await(&delivered, 2 * n);
    }
    assert_int_equal(tally_read(&looks), 100);
    end(runtime);
}

/* What a timer sends that is due when the worker comes to its sleep, and fires in the loop before the poll. */
static struct tri_timer timer;
static unsigned turns_to_timer; /* the worker's own; 0: none comes */

static void
stage_in_timer(struct tri_timer *due)
{
    (void)due;
    stage(tri_worker_current(), 1, OTHER);
}

static void
ask_for_timer(struct tri_worker *worker, const tr_message *message)
{
    (void)worker;
    if (message->tag == GO)
        turns_to_timer = 2;
}

/* In the turn after the one with the message: it sleeps after that, and has not looked at its loop before. */
static bool
start_timer_and_hold(struct tri_worker *worker)
{
    if (worker->index == 0 && turns_to_timer > 0 && --turns_to_timer == 0) {
        tri_timer_start(&worker->timers, &timer, 1);
        tests_hold(4);
    }
    return false;
}

static void
what_a_timer_sends_goes_out_before_the_worker_sleeps(void **state)
{
    (void)state;
    play.run = start_timer_and_hold;
    play.deliver = ask_for_timer;
    turns_to_timer = 0;
    timer = (struct tri_timer){.fire = stage_in_timer};
    struct tri_runtime *runtime = start(2);
    for (uint64_t n = 1; n <= 5; n++) {
        post(runtime->workers[0], GO, false);
        tally_await(&delivered, 2 * n);
    }
    end(runtime);
}

/* The worker's callback before the poll, which the test calls in its place after it has let time go by. */
static uv_prepare_cb before_poll;
static struct tally late;

static void
hold_before_poll(uv_prepare_t *handle)
{
    tests_hold(5);
    uint64_t now_ms = uv_hrtime() / 1000000;
    before_poll(handle);
    tally_add(&late, uv_now(handle->loop) + 2 < now_ms); /* the loop's clock may be a coarse one */
}

static tr_status
hook_before_poll(struct tri_worker *worker)
{
    before_poll = worker->before_poll.prepare_cb;
    worker->before_poll.prepare_cb = hold_before_poll;
    return TR_OK;
}

static void
a_poll_waits_from_the_time_when_what_ran_before_it_was_done(void **state)
{
    (void)state;
    play.open = hook_before_poll;
    late = (struct tally){0};
    struct tri_runtime *runtime = start(1);
    for (uint64_t n = 1; n <= 5; n++) {
        await_sleep(runtime->workers[0]);
        post(runtime->workers[0], GO, false);
        tally_await(&delivered, n);
    }
    end(runtime);
    assert_int_equal(tally_read(&late), 0);
}

/* A worker that is busy for a millisecond in each turn, and whose loop must be looked at in each. */
static uint64_t beats;
static struct tally busy_turns, blind_turns;

static bool
be_busy(struct tri_worker *worker)
{
    if (tally_read(&busy_turns) == 20)
        return false;
    if (tally_read(&busy_turns) > 0)
        tally_add(&blind_turns, worker->activity.loop_beat == beats);
    beats = worker->activity.loop_beat;
    tests_hold(1);
    tally_add(&busy_turns, 1);
    return true;
}

static void
a_busy_worker_looks_at_its_loop_again_and_again(void **state)
{
    (void)state;
    play.run = be_busy;
    busy_turns = blind_turns = (struct tally){0};
    struct tri_runtime *runtime = start(1);
    tally_await(&busy_turns, 20);
    end(runtime);
    assert_int_equal(tally_read(&blind_turns), 0);
}

static void
a_worker_is_woken_when_it_sleeps_and_counts_that_and_nothing_else(void **state)
{
    (void)state;
    play.run = post_to_itself;
    play.deliver = note_sleeps;
    posts = false;
    struct tri_runtime *runtime = start(1);
    struct tri_worker *worker = runtime->workers[0];
    for (uint64_t n = 1; n <= 20; n++) {
        await_sleep(worker);
        post(worker, OTHER, n % 2); /* urgent or not */
        tally_await(&delivered, n);
    }
    assert_int_equal(ck_pr_load_64(&worker->counters.wakes), 20);
    await_sleep(worker);
    post(worker, GO, false); /* it posts the next itself, being awake */
    tally_await(&delivered, 22);
    assert_int_equal(ck_pr_load_64(&worker->counters.wakes), 21);
    end(runtime);
}

/* -- A full lane. -- */

static uv_sem_t may_go_on; /* for worker 1, which runs nothing before */
static struct tally stands;
static bool stands_still, floods; /* each the worker's own */

#define FLOOD 3000u

static bool
stand_or_flood(struct tri_worker *worker)
{
    if (worker->index == 1 && !stands_still) {
        stands_still = true;
        tally_add(&stands, 1);
        uv_sem_wait(&may_go_on);
    }
    if (worker->index == 0 && floods) {
        floods = false;
        for (unsigned i = 0; i < FLOOD; i++)
            stage(worker, 1, OTHER);
    }
    return false;
}

static void
begin_flood(struct tri_worker *worker, const tr_message *message)
{
    (void)worker;
    if (message->tag == GO)
        floods = true;
}

static bool
sleeps_in_poll(void *argument)
{
    struct tri_worker *worker = argument;
    return is_asleep(worker) &&
           tri_thread_may_poll(ck_pr_load_int(&worker->thread_number), uv_backend_fd(&worker->loop));
}

static void
a_worker_whose_lane_is_full_sleeps_until_its_reader_rings(void **state)
{
    (void)state;
    play.run = stand_or_flood;
    play.deliver = begin_flood;
    stands_still = floods = false;
    stands = (struct tally){0};
    assert_int_equal(uv_sem_init(&may_go_on, 0), 0);
    struct tri_runtime *runtime = start(2);
    tally_await(&stands, 1);
    post(runtime->workers[0], GO, false);
    tally_await(&delivered, 1);
    assert_true(tests_wait_until(sleeps_in_poll, runtime->workers[0], TESTS_LIMIT_MS));
    assert_int_equal(tally_read(&delivered), 1);
    uv_sem_post(&may_go_on);
    tally_await(&delivered, 1 + FLOOD);
    end(runtime);
    uv_sem_destroy(&may_go_on);
}

/* -- Spinning is learnt: worker.c. Which turns spin is read from what the worker remembers. -- */

static struct tally naps_seen[10], paid_seen[4];
static struct tally sleeps_before; /* the last message */
static bool answers_itself, has_mail;

static tr_status
spin_all_the_same(struct tri_worker *worker)
{
    worker->runtime->options.spin_us = 100; /* however many CPUs there are */
    return TR_OK;
}

static void
note_naps(struct tri_worker *worker, const tr_message *message)
{
    has_mail = true;
    tally_add(&sleeps_before, worker->counters.sleeps - tally_read(&sleeps_before));
    if (message->tag == GO)
        tally_add(&naps_seen[worker->naps < 9 ? worker->naps : 9], 1);
    else
        tally_add(&paid_seen[worker->spin_paid < 3 ? worker->spin_paid : 3], 1);
}

/* Once, at the end of a turn without mail: the try to spin that comes next is a success. */
static bool
answer_itself(struct tri_worker *worker)
{
    if (answers_itself && !has_mail && worker->naps == 8) {
        answers_itself = false;
        post(worker, OTHER, false);
    }
    has_mail = false;
    return false;
}

/* It has looked at its mail for the last time since the last message came, and blocks. */
static bool
sleeps_again(void *argument)
{
    struct tri_worker *worker = argument;
    return is_asleep(worker) && ck_pr_load_64(&worker->counters.sleeps) > tally_read(&sleeps_before);
}

static void
one_in_eight_sleeps_that_a_message_ends_is_tried_without_and_a_success_buys_two(void **state)
{
    (void)state;
    play.open = spin_all_the_same;
    play.run = answer_itself;
    play.deliver = note_naps;
    memset(naps_seen, 0, sizeof(naps_seen));
    memset(paid_seen, 0, sizeof(paid_seen));
    sleeps_before = (struct tally){0};
    answers_itself = true;
    has_mail = false;
    struct tri_runtime *runtime = start(1);
    for (uint64_t n = 1; n <= 25; n++) { /* each ends a sleep */
        assert_true(tests_wait_until(sleeps_again, runtime->workers[0], TESTS_LIMIT_MS));
        post(runtime->workers[0], GO, false);
        tally_await(&delivered, n + (n >= 8)); /* and the eighth is followed by its answer */
    }
    end(runtime);
    for (unsigned naps = 1; naps <= 8; naps++)
        assert_in_range(tally_read(&naps_seen[naps]), 3, 4);
    assert_int_equal(tally_read(&naps_seen[0]) + tally_read(&naps_seen[9]), 0);
    assert_int_equal(tally_read(&paid_seen[2]), 1);
}

static struct tally ticks;

static void
tick(struct tri_timer *due)
{
    struct tri_worker *worker = tri_worker_current();
    tally_add(&wrong, worker->naps > 0 || worker->spin_paid > 0);
    tally_add(&ticks, 1);
    tri_timer_start(&worker->timers, due, 1);
}

static void
start_ticking(struct tri_worker *worker, const tr_message *message)
{
    (void)message;
    worker->naps = 0;
    tri_timer_start(&worker->timers, &timer, 1);
}

static void
sleeps_that_no_message_ended_teach_nothing(void **state)
{
    (void)state;
    play.open = spin_all_the_same;
    play.deliver = start_ticking;
    ticks = (struct tally){0};
    timer = (struct tri_timer){.fire = tick};
    struct tri_runtime *runtime = start(1);
    post(runtime->workers[0], GO, false);
    tally_await(&ticks, 20);
    end(runtime);
}

/* -- A look from outside. -- */

static int ends[2];
static uv_poll_t readable;
static struct tally read_bytes, held_after_look;
static bool holds;

static void
on_byte(uv_poll_t *handle, int status, int events)
{
    char byte;
    (void)status;
    (void)events;
    if (read(ends[0], &byte, 1) == 1)
        tally_add(&read_bytes, 1);
    struct tri_worker *worker = handle->loop->data;
    stage(worker, 1, OTHER);
    holds = true;
}

static tr_status
watch_pipe(struct tri_worker *worker)
{
    if (worker->index > 0)
        return TR_OK;
    uv_poll_init(&worker->loop, &readable, ends[0]);
    return uv_poll_start(&readable, UV_READABLE, on_byte) == 0 ? TR_OK : TR_EINVAL;
}

/* Worker 0 is busy, so it looks at its loop only now and then. After a look from outside it stands still. */
static bool
be_busy_and_hold(struct tri_worker *worker)
{
    if (worker->index > 0)
        return false;
    if (holds && worker->looks == tally_read(&read_bytes)) {
        holds = false;
        tally_add(&held_after_look, 1);
        uv_sem_wait(&may_go_on);
    }
    return tri_runtime_phase(worker->runtime) == TRI_RUNNING;
}

static void
what_the_system_knew_before_a_look_has_come_and_gone_out_after_it(void **state)
{
    (void)state;
    play.open = watch_pipe;
    play.run = be_busy_and_hold;
    read_bytes = held_after_look = (struct tally){0};
    holds = false;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(uv_sem_init(&may_go_on, 0), 0);
    struct tri_runtime *runtime = start(2);
    for (uint64_t n = 1; n <= 50; n++) {
        assert_int_equal(write(ends[1], "x", 1), 1);
        tri_runtime_look(runtime);
        assert_int_equal(tally_read(&read_bytes), n);
        tally_await(&delivered, n); /* though worker 0 stands still before its next turn */
        uv_sem_post(&may_go_on);
    }
    end(runtime);
    close(ends[0]);
    close(ends[1]);
    uv_sem_destroy(&may_go_on);
}

/* -- The end. -- */

/* Whether the calls of these are held or fail. Read by the threads that call. */
static struct {
    struct tri_runtime *gate; /* its last worker is nudged to death only when all are at the gate, or one has left it */
    unsigned threads_left;    /* starts of threads that succeed; then they fail, if `fails` */
    bool fails;
    bool time_unknown;
    unsigned quota; /* CPUs; 0: that of the machine */
} fault;

static struct tally gate_held, gate_left;

int __real_uv_async_send(uv_async_t *handle);
int __wrap_uv_async_send(uv_async_t *handle);
int __real_uv_thread_create_ex(uv_thread_t *thread, const uv_thread_options_t *options, uv_thread_cb main,
                               void *argument);
int __wrap_uv_thread_create_ex(uv_thread_t *thread, const uv_thread_options_t *options, uv_thread_cb main,
                               void *argument);
void __real_tri_thread_time(int number, struct tri_thread_time *out);
void __wrap_tri_thread_time(int number, struct tri_thread_time *out);
unsigned __real_tri_quota_cpus(const char *root);
unsigned __wrap_tri_quota_cpus(const char *root);

/* A worker that has left the gate closes its loop, and is about to end. */
static bool
one_has_left(const struct tri_runtime *runtime)
{
    for (unsigned i = 0; i < runtime->count; i++)
        if (uv_is_closing((const uv_handle_t *)&runtime->workers[i]->wakeup))
            return true;
    return false;
}

static unsigned quiet_looks; /* in which all stood at the gate */

static bool
all_stand_or_one_has_left(void *argument)
{
    const struct tri_runtime *runtime = argument;
    if (one_has_left(runtime))
        return true;
    bool all = ck_pr_load_uint(&runtime->at_gate) == runtime->count;
    for (unsigned i = 0; i < runtime->count; i++)
        all = all && tests_thread_sleeps(ck_pr_load_int(&runtime->workers[i]->thread_number));
    quiet_looks = all ? quiet_looks + 1 : 0;
    return quiet_looks == 10;
}

int
__wrap_uv_async_send(uv_async_t *handle)
{
    struct tri_runtime *runtime = fault.gate;
    if (runtime != NULL && handle == &runtime->workers[runtime->count - 1]->wakeup &&
        tri_runtime_phase(runtime) == TRI_KILLING) {
        quiet_looks = 0;
        tally_add(&gate_held, tests_wait_until(all_stand_or_one_has_left, runtime, TESTS_LIMIT_MS));
        tally_add(&gate_left, one_has_left(runtime));
        fault.gate = NULL;
    }
    return __real_uv_async_send(handle);
}

int
__wrap_uv_thread_create_ex(uv_thread_t *thread, const uv_thread_options_t *options, uv_thread_cb main, void *argument)
{
    if (fault.fails && fault.threads_left-- == 0)
        return UV_EAGAIN;
    return __real_uv_thread_create_ex(thread, options, main, argument);
}

void
__wrap_tri_thread_time(int number, struct tri_thread_time *out)
{
    __real_tri_thread_time(number, out);
    out->known = out->known && !fault.time_unknown;
}

unsigned
__wrap_tri_quota_cpus(const char *root)
{
    return fault.quota != 0 ? fault.quota : __real_tri_quota_cpus(root);
}

static bool
never_rest(struct tri_worker *worker)
{
    return tri_runtime_phase(worker->runtime) != TRI_KILLING;
}

/* The thread that ends them is held before it has nudged the last worker, which sees by itself that it is over. */
static void
no_worker_closes_its_loop_while_somebody_may_still_ring_it(void **state)
{
    (void)state;
    play.run = never_rest;
    gate_held = gate_left = (struct tally){0};
    struct tri_runtime *runtime = start(3);
    fault.gate = runtime;
    end(runtime);
    assert_null(fault.gate);
    assert_int_equal(tally_read(&gate_held), 1);
    assert_int_equal(tally_read(&gate_left), 0);
}

static struct tally quiet_in_all;

static void
say_quiet_twice(struct tri_worker *worker)
{
    tri_worker_quiet(worker);
    tri_worker_quiet(worker);
}

/* As a worker leaves it: nobody may change its thread's CPUs, nothing is open in its loop, all have said that they are
 * quiet. */
static void
look_at_what_is_left(struct tri_worker *worker)
{
    tally_add(&wrong, tri_mask_try(&worker->mask_held));
    tally_add(&wrong, uv_backend_fd(&worker->loop) >= 0);
    tally_add(&wrong, worker->runtime->quiet != worker->runtime->count);
    tally_add(&quiet_in_all, 1);
}

static void
a_runtime_drains_each_worker_once_and_kills_what_is_left_on_all(void **state)
{
    (void)state;
    play.drain = say_quiet_twice;
    play.close = look_at_what_is_left;
    quiet_in_all = (struct tally){0};
    struct tri_runtime *runtime = start(3);
    for (unsigned i = 0; i < 3; i++)
        kills[i] = 1 + i;
    post(runtime->workers[1], GO, false);
    tally_await(&delivered, 1);
    assert_int_equal(tri_runtime_end(runtime, TESTS_LIMIT_MS), 6);
    assert_int_equal(tally_read(&drained), 3);
    tri_runtime_free(runtime);
    assert_int_equal(tally_read(&quiet_in_all), 3);
    assert_int_equal(tally_read(&wrong), 0);
}

static void
say_nothing(struct tri_worker *worker)
{
    post(worker, OTHER, true); /* it has more turns to come */
}

static void
what_is_not_quiet_has_until_the_deadline(void **state)
{
    (void)state;
    play.drain = say_nothing;
    struct tri_runtime *runtime = start(2);
    uint64_t began_ns = tests_now_ns();
    tri_runtime_end(runtime, 30);
    assert_true(tests_now_ns() - began_ns >= 30 * UINT64_C(1000000));
    assert_int_equal(tally_read(&drained), 2);
    assert_int_equal(tally_read(&delivered), 2);
    tri_runtime_free(runtime);
}

/* -- The start. -- */

static bool
has_threads(void *count)
{
    return tests_threads() == *(int *)count;
}

static void
expect_nothing_left(int fds, int threads)
{
    assert_int_equal(tests_open_fds(), fds);
    assert_true(tests_wait_until(has_threads, &threads, TESTS_LIMIT_MS));
}

/* Three workers, and the watchdog: each of the four is the one that the system has no thread for. */
static void
a_runtime_without_threads_ends_those_that_it_has(void **state)
{
    (void)state;
    struct tr_runtime_options options = {.workers = 3, .pinning = TR_PINNING_ALWAYS};
    int fds = tests_open_fds(), threads = tests_threads();
    for (unsigned left = 0; left <= 4; left++) {
        struct tri_runtime *runtime = NULL;
        fault.threads_left = left;
        fault.fails = true;
        tr_status status = tri_runtime_start(&options, &layer, NULL, &runtime);
        fault.fails = false;
        assert_int_equal(status, left < 4 ? TR_EAGAIN : TR_OK);
        if (left == 4)
            end(runtime);
        assert_int_equal(tally_read(&closed), 3);
        closed = (struct tally){0};
        expect_nothing_left(fds, threads);
    }
}

/* In a child, whose limit is its own. */
static bool
starts_with_few_descriptors(void)
{
    struct rlimit few = {64, 1024}, now;
    struct tri_runtime *runtime = NULL;
    struct tr_runtime_options options = {.workers = 40, .pinning = TR_PINNING_NEVER, .watchdog_ms = -1};
    if (setrlimit(RLIMIT_NOFILE, &few) != 0 || tri_runtime_start(&options, &layer, NULL, &runtime) != TR_OK)
        return false;
    getrlimit(RLIMIT_NOFILE, &now);
    tri_runtime_end(runtime, TESTS_LIMIT_MS);
    tri_runtime_free(runtime);
    return now.rlim_cur > 64;
}

static void
a_runtime_raises_the_limit_of_descriptors_as_far_as_it_needs(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(starts_with_few_descriptors() ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static struct tr_runtime_options
filled(struct tr_runtime_options options)
{
    struct tri_runtime *runtime = NULL;
    assert_int_equal(tri_runtime_start(&options, &layer, NULL, &runtime), TR_OK);
    options = runtime->options;
    closed = (struct tally){0};
    end(runtime);
    return options;
}

static unsigned
given_cpus(void)
{
    struct tri_cpus cpus = tri_cpus_own();
    unsigned count = tri_cpus_count(&cpus);
    tri_cpus_fini(&cpus);
    return count;
}

static void
options_that_are_zero_mean_their_defaults(void **state)
{
    (void)state;
    unsigned given = given_cpus(), quota = tri_quota_cpus(""), cpus = quota > 0 && quota < given ? quota : given;
    struct tr_runtime_options defaults = filled((struct tr_runtime_options){0});
    assert_int_equal(defaults.workers, cpus);
    assert_int_equal(defaults.watchdog_ms, 1000);
    assert_int_equal(defaults.lane_limit, 1048576);
    assert_int_equal(defaults.outside_limit, 1048576);
    assert_int_equal(defaults.spin_us, cpus == given && cpus > 1 ? 20 : -1);
    assert_int_equal(filled((struct tr_runtime_options){.workers = cpus + 1}).spin_us, -1);
    assert_int_equal(filled((struct tr_runtime_options){.workers = 1, .spin_us = 7}).spin_us, -1);
}

static void
a_pool_may_have_a_thousand_and_twenty_four_threads(void **state)
{
    (void)state;
    setenv("UV_THREADPOOL_SIZE", "5", 1);
    filled((struct tr_runtime_options){.workers = 1, .pool_size = 1024});
    assert_string_equal(getenv("UV_THREADPOOL_SIZE"), "1024");
    filled((struct tr_runtime_options){.workers = 1});
    assert_string_equal(getenv("UV_THREADPOOL_SIZE"), "1024");
    unsetenv("UV_THREADPOOL_SIZE"); /* nothing here has used the pool */
}

static void
what_the_system_does_not_tell_is_no_reason_to_pin(void **state)
{
    (void)state;
    fault.time_unknown = true;
    enum tr_pinning adaptive = filled((struct tr_runtime_options){.workers = 1}).pinning;
    enum tr_pinning always = filled((struct tr_runtime_options){.workers = 1, .pinning = TR_PINNING_ALWAYS}).pinning;
    fault.time_unknown = false;
    assert_int_equal(adaptive, TR_PINNING_NEVER);
    assert_int_equal(always, TR_PINNING_ALWAYS);
}

static bool
begins_pinned(enum tr_pinning pinning, unsigned quota)
{
    struct tr_runtime_options options = {.workers = 1, .pinning = pinning};
    struct tri_runtime *runtime = NULL;
    fault.quota = quota;
    assert_int_equal(tri_runtime_start(&options, &layer, NULL, &runtime), TR_OK);
    fault.quota = 0;
    bool pinned = runtime->begins_pinned;
    closed = (struct tally){0};
    end(runtime);
    return pinned;
}

static void
under_a_quota_of_fewer_cpus_adaptive_workers_begin_unpinned(void **state)
{
    (void)state;
    unsigned cpus = given_cpus();
    if (cpus == 1)
        skip();
    assert_true(begins_pinned(TR_PINNING_ADAPTIVE, cpus));
    assert_false(begins_pinned(TR_PINNING_ADAPTIVE, cpus - 1));
    assert_true(begins_pinned(TR_PINNING_ALWAYS, cpus - 1));
    assert_false(begins_pinned(TR_PINNING_NEVER, cpus));
}

static tr_status
note_claim(struct tri_worker *worker)
{
    tally_add(&wrong, worker->cpu >= 0);
    return TR_OK;
}

static void
a_worker_that_is_never_pinned_claims_no_cpu(void **state)
{
    (void)state;
    play.open = note_claim;
    end(start(2));
}

/* A signal for the process finds none of our threads: it waits for one that takes it. */
static void
no_thread_of_the_runtime_takes_a_signal_for_the_process(void **state)
{
    (void)state;
    struct tri_runtime *runtime = NULL;
    struct tr_runtime_options options = {.workers = 4, .watchdog_ms = 1000};
    sigset_t one, before;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    assert_int_equal(tri_runtime_start(&options, &layer, NULL, &runtime), TR_OK);
    pthread_sigmask(SIG_BLOCK, &one, &before); /* only now: a thread begins with what its maker blocks */
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    for (unsigned i = 0; i < 4; i++)
        post(runtime->workers[i], GO, false); /* each has run since */
    tally_await(&delivered, 4);
    assert_int_equal(sigtimedwait(&one, NULL, &(struct timespec){0}), SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    end(runtime);
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mail_that_comes_between_the_taking_and_the_sleep_is_not_slept_on),
        TEST(what_a_timer_sends_goes_out_before_the_worker_sleeps),
        TEST(a_poll_waits_from_the_time_when_what_ran_before_it_was_done),
        TEST(a_busy_worker_looks_at_its_loop_again_and_again),
        TEST(a_worker_is_woken_when_it_sleeps_and_counts_that_and_nothing_else),
        TEST(a_worker_whose_lane_is_full_sleeps_until_its_reader_rings),
        TEST(one_in_eight_sleeps_that_a_message_ends_is_tried_without_and_a_success_buys_two),
        TEST(sleeps_that_no_message_ended_teach_nothing),
        TEST(what_the_system_knew_before_a_look_has_come_and_gone_out_after_it),
        TEST(no_worker_closes_its_loop_while_somebody_may_still_ring_it),
        TEST(a_runtime_drains_each_worker_once_and_kills_what_is_left_on_all),
        TEST(what_is_not_quiet_has_until_the_deadline),
        TEST(a_runtime_without_threads_ends_those_that_it_has),
        TEST(a_runtime_raises_the_limit_of_descriptors_as_far_as_it_needs),
        TEST(options_that_are_zero_mean_their_defaults),
        TEST(a_pool_may_have_a_thousand_and_twenty_four_threads),
        TEST(under_a_quota_of_fewer_cpus_adaptive_workers_begin_unpinned),
        TEST(what_the_system_does_not_tell_is_no_reason_to_pin),
        TEST(a_worker_that_is_never_pinned_claims_no_cpu),
        TEST(no_thread_of_the_runtime_takes_a_signal_for_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
