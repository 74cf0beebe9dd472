/*
 * The turns of a worker below any actors, and its sleep. The layer above is the test's own (turns_layer.h). It acts, or
 * lets another thread act, at the moment that is critical: between the last look and the sleep, inside the loop.
 */
#include "doorbell.h"
#include "helpers.h"
#include "turns_layer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/core/thread.h>
#include <troupe/core/worker.h>

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
    layer_play.run = post_to_itself;
    layer_play.deliver = note_sleeps;
    looks = (struct tally){0};
    posts = false;
    struct tri_runtime *runtime = start_workers(1);
    for (uint64_t n = 1; n <= 100; n++) {
        post(runtime->workers[0], GO, false);
        tally_await(&delivered, 2 * n);
    }
    assert_int_equal(tally_read(&looks), 100);
    end_workers(runtime);
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
    layer_play.run = start_timer_and_hold;
    layer_play.deliver = ask_for_timer;
    turns_to_timer = 0;
    timer = (struct tri_timer){.fire = stage_in_timer};
    struct tri_runtime *runtime = start_workers(2);
    for (uint64_t n = 1; n <= 5; n++) {
        post(runtime->workers[0], GO, false);
        tally_await(&delivered, 2 * n);
    }
    end_workers(runtime);
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
    layer_play.open = hook_before_poll;
    late = (struct tally){0};
    struct tri_runtime *runtime = start_workers(1);
    for (uint64_t n = 1; n <= 5; n++) {
        await_sleep(runtime->workers[0]);
        post(runtime->workers[0], GO, false);
        tally_await(&delivered, n);
    }
    end_workers(runtime);
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
    layer_play.run = be_busy;
    busy_turns = blind_turns = (struct tally){0};
    struct tri_runtime *runtime = start_workers(1);
    tally_await(&busy_turns, 20);
    end_workers(runtime);
    assert_int_equal(tally_read(&blind_turns), 0);
}

static void
a_worker_is_woken_when_it_sleeps_and_counts_that_and_nothing_else(void **state)
{
    (void)state;
    layer_play.run = post_to_itself;
    layer_play.deliver = note_sleeps;
    posts = false;
    struct tri_runtime *runtime = start_workers(1);
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
    end_workers(runtime);
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
    layer_play.run = stand_or_flood;
    layer_play.deliver = begin_flood;
    stands_still = floods = false;
    stands = (struct tally){0};
    assert_int_equal(uv_sem_init(&may_go_on, 0), 0);
    struct tri_runtime *runtime = start_workers(2);
    tally_await(&stands, 1);
    post(runtime->workers[0], GO, false);
    tally_await(&delivered, 1);
    assert_true(tests_wait_until(sleeps_in_poll, runtime->workers[0], TESTS_LIMIT_MS));
    assert_int_equal(tally_read(&delivered), 1);
    uv_sem_post(&may_go_on);
    tally_await(&delivered, 1 + FLOOD);
    end_workers(runtime);
    uv_sem_destroy(&may_go_on);
}

/* -- Spinning is learnt: spin.h. Which turns spin is read from what the worker remembers. -- */

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
    layer_play.open = spin_all_the_same;
    layer_play.run = answer_itself;
    layer_play.deliver = note_naps;
    memset(naps_seen, 0, sizeof(naps_seen));
    memset(paid_seen, 0, sizeof(paid_seen));
    sleeps_before = (struct tally){0};
    answers_itself = true;
    has_mail = false;
    struct tri_runtime *runtime = start_workers(1);
    for (uint64_t n = 1; n <= 25; n++) { /* each ends a sleep */
        assert_true(tests_wait_until(sleeps_again, runtime->workers[0], TESTS_LIMIT_MS));
        post(runtime->workers[0], GO, false);
        tally_await(&delivered, n + (n >= 8)); /* and the eighth is followed by its answer */
    }
    end_workers(runtime);
    for (unsigned naps = 1; naps <= 8; naps++)
        assert_in_range(tally_read(&naps_seen[naps]), 3, 4);
    assert_int_equal(tally_read(&naps_seen[0]) + tally_read(&naps_seen[9]), 0);
    assert_int_equal(tally_read(&paid_seen[2]), 1);
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
    layer_play.open = watch_pipe;
    layer_play.run = be_busy_and_hold;
    read_bytes = held_after_look = (struct tally){0};
    holds = false;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(uv_sem_init(&may_go_on, 0), 0);
    struct tri_runtime *runtime = start_workers(2);
    for (uint64_t n = 1; n <= 50; n++) {
        assert_int_equal(write(ends[1], "x", 1), 1);
        tri_runtime_look(runtime);
        assert_int_equal(tally_read(&read_bytes), n);
        tally_await(&delivered, n); /* though worker 0 stands still before its next turn */
        uv_sem_post(&may_go_on);
    }
    end_workers(runtime);
    close(ends[0]);
    close(ends[1]);
    uv_sem_destroy(&may_go_on);
}

/* -- While the watchdog rests the worker sleeps outside its loop, which must know every descriptor by then. -- */

static int pipes[2][2]; /* in each lies a byte */
static uv_poll_t polls[2];
static struct tally seen;

static void
on_second(uv_poll_t *poll, int status, int events)
{
    struct tri_worker *worker = poll->loop->data;
    tally_add(&wrong, status != 0 || (events & UV_READABLE) == 0);
    ck_pr_store_uint(&worker->runtime->watchdog_rests, 0); /* there is none to ring */
    uv_poll_stop(poll);
    tally_add(&seen, 1);
}

static void
on_first(uv_poll_t *poll, int status, int events)
{
    tally_add(&wrong, status != 0 || (events & UV_READABLE) == 0);
    uv_poll_stop(poll);
    tally_add(&wrong, uv_poll_start(&polls[1], UV_READABLE, on_second) != 0);
}

static void
watch_first(struct tri_worker *worker, const tr_message *message)
{
    (void)message;
    for (int i = 0; i < 2; i++)
        tally_add(&wrong, uv_poll_init(&worker->loop, &polls[i], pipes[i][0]) != 0);
    tally_add(&wrong, uv_poll_start(&polls[0], UV_READABLE, on_first) != 0);
    ck_pr_store_uint(&worker->runtime->watchdog_rests, 1);
}

static void
a_descriptor_that_a_callback_begins_to_watch_is_seen_while_the_watchdog_rests(void **state)
{
    (void)state;
    layer_play.deliver = watch_first;
    seen = (struct tally){0};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe(pipes[i]), 0);
        assert_int_equal(write(pipes[i][1], "x", 1), 1);
    }
    struct tri_runtime *runtime = start_workers(1);
    post(runtime->workers[0], GO, false);
    tally_await(&seen, 1);
    end_workers(runtime);
    for (int i = 0; i < 4; i++)
        close(pipes[i / 2][i % 2]);
}

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
        TEST(a_descriptor_that_a_callback_begins_to_watch_is_seen_while_the_watchdog_rests),
        TEST(what_the_system_knew_before_a_look_has_come_and_gone_out_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
