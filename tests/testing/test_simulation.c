/*
 * A simulated runtime: it repeats exactly, starts no threads, does what runtimes do, and refuses what it cannot.
 */
#include "counters.h"
#include "helpers.h"
#include "simulated.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

enum { GO = 1, PASS, DONE };

/* -- A play that depends on the order: who gets a number hands it on to one that the number chooses. -- */

#define PLAYERS 8u

static tr_ref players[PLAYERS];
static uint64_t handled;

static void
player_receive(tr_actor *self, void *state, tr_message *message)
{
    uint64_t *sum = state, left;
    memcpy(&left, tr_message_data(message), sizeof(left));
    *sum = *sum * 31 + left;
    handled++;
    if (left-- > 0)
        assert_int_equal(tr_tell(self, players[*sum % PLAYERS], PASS, &left, sizeof(left)), TR_OK);
}

static const struct tr_behavior player = {.name = "player", .state_size = sizeof(uint64_t), .receive = player_receive};

static uint64_t
play(uint64_t seed)
{
    tr_runtime *runtime = simulated_open(seed, 3);
    uint64_t passes = 49;
    handled = 0;
    for (unsigned i = 0; i < PLAYERS; i++)
        players[i] = stage_spawn(runtime, &player, i % 3, NULL);
    for (unsigned i = 0; i < PLAYERS; i++)
        stage_send(runtime, players[i], PASS, &passes, sizeof(passes));
    uint64_t steps = tr_testing_run(runtime);
    assert_int_equal(handled, PLAYERS * (passes + 1));
    uint64_t hash = tr_testing_hash(runtime) ^ steps;
    simulated_close(runtime);
    return hash;
}

static void
the_same_seed_gives_the_same_run(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++)
        assert_int_equal(play(seed), play(seed));
}

static void
other_seeds_give_other_runs(void **state)
{
    (void)state;
    uint64_t hashes[50];
    for (unsigned i = 0; i < 50; i++) {
        hashes[i] = play(i);
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(hashes[i], hashes[j]);
    }
}

static uint64_t
hash_of_one(unsigned worker, unsigned before, uint32_t tag)
{
    static const struct tr_behavior nothing = {.name = "nothing", .receive = ignore};
    tr_runtime *runtime = simulated_open(1, 2);
    for (unsigned i = 0; i < before; i++)
        stage_spawn(runtime, &nothing, worker, NULL);
    stage_send(runtime, stage_spawn(runtime, &nothing, worker, NULL), tag, NULL, 0);
    assert_int_equal(tr_testing_hash(runtime), 0);
    tr_testing_run(runtime);
    uint64_t hash = tr_testing_hash(runtime);
    simulated_close(runtime);
    return hash;
}

static void
the_hash_knows_worker_actor_and_tag(void **state)
{
    (void)state;
    uint64_t plain = hash_of_one(0, 0, 7);
    assert_int_equal(plain, hash_of_one(0, 0, 7));
    assert_int_not_equal(plain, hash_of_one(1, 0, 7));
    assert_int_not_equal(plain, hash_of_one(0, 1, 7));
    assert_int_not_equal(plain, hash_of_one(0, 0, 8));
}

/* -- No threads. -- */

static void
employer_receive(tr_actor *self, void *state, tr_message *message)
{
    struct tr_job *job = *(struct tr_job **)state;
    if (message->tag == GO)
        assert_int_equal(tr_offload_job(self, job), TR_OK);
    else
        handled++;
}

static tr_status
employer_init(tr_actor *self, void *state, const void *argument)
{
    (void)self;
    memcpy(state, &argument, sizeof(argument));
    return TR_OK;
}

static const struct tr_behavior employer = {
    .name = "employer", .state_size = sizeof(void *), .init = employer_init, .receive = employer_receive};

static void *
count_run(void *argument)
{
    ++*(unsigned *)argument;
    return NULL;
}

static void
no_thread_is_started(void **state)
{
    (void)state;
    int threads = tests_threads(), fds = tests_open_fds();
    unsigned runs = 0;
    struct tr_job job = {.work = count_run, .argument = &runs, .tag = DONE};
    tr_runtime *runtime = simulated_open(1, 0);
    assert_int_equal(tr_runtime_workers(runtime), TR_TESTING_WORKERS);
    handled = 0;
    stage_send(runtime, stage_spawn(runtime, &employer, 1, &job), GO, NULL, 0);
    tr_testing_run(runtime);
    assert_int_equal(handled, 1);
    assert_int_equal(tests_threads(), threads);
    simulated_close(runtime);
    assert_int_equal(tests_open_fds(), fds);
}

/* -- Offloaded functions. -- */

static void *
spawn_inside(void *argument)
{
    static const struct tr_behavior nothing = {.name = "nothing", .receive = ignore};
    assert_int_equal(tr_runtime_spawn(argument, &nothing, NULL, NULL), TR_OK);
    assert_int_equal(tr_runtime_stop(argument, 0, NULL), TR_EWRONGTHREAD);
    return NULL;
}

static void
an_offloaded_function_may_make_calls_that_wait(void **state)
{
    (void)state;
    tr_runtime *runtime = simulated_open(1, 2);
    struct tr_job job = {.work = spawn_inside, .argument = runtime, .tag = DONE};
    handled = 0;
    stage_send(runtime, stage_spawn(runtime, &employer, 0, &job), GO, NULL, 0);
    tr_testing_run(runtime);
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    assert_int_equal(counters.actors, 2);
    assert_int_equal(handled, 1);
    simulated_close(runtime);
}

static void
count_cancelled(void *argument)
{
    *(unsigned *)argument += 100;
}

static void
a_job_that_has_not_begun_at_the_end_is_cancelled(void **state)
{
    (void)state;
    unsigned runs = 0, cancelled = 0;
    struct tr_job job = {.work = count_run, .argument = &runs, .tag = DONE, .cancel = count_cancelled};
    for (uint64_t seed = 0; seed < 200; seed++) {
        tr_runtime *runtime = simulated_open(seed, 1);
        struct tr_stop_report report;
        runs = 0;
        stage_send(runtime, stage_spawn(runtime, &employer, 0, &job), GO, NULL, 0);
        assert_int_equal(tr_runtime_stop(runtime, 1000, &report), TR_OK);
        assert_true(report.dead_letters == 1 || runs == (report.cancelled == 1 ? 100 : 1));
        cancelled += report.cancelled == 1;
    }
    assert_in_range(cancelled, 1, 199); /* in some orders it has begun */
}

/* -- Counters, waiting, stopping. -- */

static void
counters_add_up(void **state)
{
    (void)state;
    tr_runtime *runtime = simulated_open(3, 3);
    uint64_t passes = 20;
    for (unsigned i = 0; i < PLAYERS; i++)
        players[i] = stage_spawn(runtime, &player, i % 3, NULL);
    for (unsigned i = 0; i < PLAYERS; i++)
        stage_send(runtime, players[i], PASS, &passes, sizeof(passes));
    tr_testing_run(runtime);
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    assert_int_equal(counters.outside, PLAYERS);
    assert_int_equal(counters.received, PLAYERS * (passes + 1));
    assert_int_equal(counters.sent + counters.outside, counters.received);
    assert_int_equal(counters.sleeps + counters.wakes, 0);
    simulated_close(runtime);
}

static void
quitter_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state, (void)message;
    tr_runtime_quit(tr_actor_runtime(self));
}

static void
waiting_runs_steps_until_somebody_quits(void **state)
{
    (void)state;
    static const struct tr_behavior quitter = {.name = "quitter", .receive = quitter_receive};
    tr_runtime *runtime = simulated_open(1, 2);
    stage_send(runtime, stage_spawn(runtime, &quitter, 1, NULL), GO, NULL, 0);
    assert_int_equal(tr_runtime_wait(runtime), 0);
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    assert_int_equal(counters.received, 1);
    simulated_close(runtime);
}

static void
waiting_returns_when_nothing_is_left_to_do(void **state)
{
    (void)state;
    tr_runtime *runtime = simulated_open(1, 2);
    uint64_t passes = 5;
    for (unsigned i = 0; i < PLAYERS; i++)
        players[i] = stage_spawn(runtime, &player, i % 2, NULL);
    stage_send(runtime, players[0], PASS, &passes, sizeof(passes));
    handled = 0;
    assert_int_equal(tr_runtime_wait(runtime), 0);
    assert_int_equal(handled, 6);
    assert_int_equal(tr_runtime_wait_idle(runtime), 0);
    simulated_close(runtime);
}

/* Needs ten seconds to end. */
static bool
slow_stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    tr_message done = tr_message_signal(DONE);
    (void)state;
    if (how == TR_STOP_DRAIN)
        assert_int_equal(tr_send_after(self, tr_self(self), 10000, &done, NULL), TR_OK);
    return how != TR_STOP_DRAIN;
}

static void
slow_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state, (void)message;
    tr_exit(self);
}

static const struct tr_behavior slow = {.name = "slow", .stopping = slow_stopping, .receive = slow_receive};

static void
a_stop_waits_in_the_simulated_time(void **state)
{
    (void)state;
    struct tr_stop_report report;
    tr_runtime *runtime = simulated_open(1, 2);
    stage_spawn(runtime, &slow, 1, NULL);
    assert_int_equal(tr_runtime_stop(runtime, 10001, &report), TR_OK);
    assert_int_equal(report.killed, 0);
}

static void
a_stop_kills_what_lives_at_the_deadline(void **state)
{
    (void)state;
    struct tr_stop_report report;
    tr_runtime *runtime = simulated_open(1, 2);
    stage_spawn(runtime, &slow, 1, NULL);
    assert_int_equal(tr_runtime_stop(runtime, 9999, &report), TR_ETIMEDOUT_STOP);
    assert_int_equal(report.killed, 1);
}

static void
what_is_under_way_at_the_end_is_buried(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        tr_runtime *runtime = simulated_open(seed, 3);
        uint64_t passes = 1000000;
        for (unsigned i = 0; i < PLAYERS; i++)
            players[i] = stage_spawn(runtime, &player, i % 3, NULL);
        for (unsigned i = 0; i < PLAYERS; i++) {
            tr_message message = tr_message_pointer(PASS, malloc(sizeof(passes)), sizeof(passes), free);
            memcpy(message.payload.pointer.address, &passes, sizeof(passes));
            assert_int_equal(tr_runtime_send(runtime, players[i], &message), TR_OK);
        }
        for (unsigned i = 0; i < seed; i++)
            tr_testing_step(runtime);
        assert_int_equal(tr_runtime_stop(runtime, 0, NULL), TR_ETIMEDOUT_STOP);
    }
}

/* -- Handles of libuv's. -- */

static void
on_timer(uv_timer_t *handle)
{
    handled++;
    uv_close((uv_handle_t *)handle, (uv_close_cb)free);
}

static void
handler_receive(tr_actor *self, void *state, tr_message *message)
{
    uv_timer_t *timer = malloc(sizeof(*timer));
    (void)state, (void)message;
    uv_timer_init(tr_actor_loop(self), timer);
    uv_timer_start(timer, on_timer, 0, 0);
}

static void
handles_on_a_loop_work(void **state)
{
    (void)state;
    static const struct tr_behavior handler = {.name = "handler", .receive = handler_receive};
    int threads = tests_threads();
    tr_runtime *runtime = simulated_open(1, 2);
    handled = 0;
    stage_send(runtime, stage_spawn(runtime, &handler, 1, NULL), GO, NULL, 0);
    tr_testing_run(runtime);
    assert_int_equal(handled, 1);
    assert_int_equal(tests_threads(), threads);
    simulated_close(runtime);
}

/* -- Refusals. -- */

static void
a_start_says_what_is_wrong(void **state)
{
    (void)state;
    tr_runtime *runtime = NULL, *second = NULL;
    assert_int_equal(tr_testing_start(NULL, NULL), TR_EINVAL);
    struct tr_testing_options options = {.workers = TR_TESTING_WORKERS_MAX + 1};
    assert_int_equal(tr_testing_start(&options, &runtime), TR_ETOOMANYWORKERS);
    options = (struct tr_testing_options){.runtime.spin_us = -2};
    assert_int_equal(tr_testing_start(&options, &runtime), TR_EBADLIMIT);
    assert_null(runtime);
    assert_int_equal(tr_testing_start(NULL, &runtime), TR_OK);
    assert_int_equal(tr_testing_start(NULL, &second), TR_EBUSY);
    simulated_close(runtime);
    options = (struct tr_testing_options){.workers = TR_TESTING_WORKERS_MAX};
    assert_int_equal(tr_testing_start(&options, &runtime), TR_OK);
    assert_int_equal(tr_runtime_workers(runtime), TR_TESTING_WORKERS_MAX);
    simulated_close(runtime);
}

static void
inner_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_runtime *runtime = tr_actor_runtime(self), *other = NULL;
    (void)state, (void)message;
    assert_false(tr_testing_step(runtime));
    assert_int_equal(tr_testing_run(runtime), 0);
    assert_int_equal(tr_testing_start(NULL, &other), TR_EWRONGTHREAD);
    assert_int_equal(tr_runtime_wait(runtime), TR_EWRONGTHREAD);
    handled++;
}

static void
a_callback_makes_no_steps(void **state)
{
    (void)state;
    static const struct tr_behavior inner = {.name = "inner", .receive = inner_receive};
    tr_runtime *runtime = simulated_open(1, 1);
    tr_ref ref = stage_spawn(runtime, &inner, 0, NULL);
    stage_send(runtime, ref, GO, NULL, 0);
    stage_send(runtime, ref, GO, NULL, 0);
    handled = 0;
    tr_testing_run(runtime);
    assert_int_equal(handled, 2);
    simulated_close(runtime);
}

static void
other_runtimes_are_no_simulated_ones(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    for (unsigned i = 0; i < 2; i++) {
        assert_false(tr_testing_step(runtime));
        assert_int_equal(tr_testing_run(runtime), 0);
        assert_int_equal(tr_testing_advance(runtime, 1), TR_EINVAL);
        assert_int_equal(tr_testing_now(runtime), 0);
        assert_int_equal(tr_testing_hash(runtime), 0);
        if (i == 0)
            stage_close(runtime);
        runtime = NULL;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_run),
        cmocka_unit_test(other_seeds_give_other_runs),
        cmocka_unit_test(the_hash_knows_worker_actor_and_tag),
        cmocka_unit_test(no_thread_is_started),
        cmocka_unit_test(an_offloaded_function_may_make_calls_that_wait),
        cmocka_unit_test(a_job_that_has_not_begun_at_the_end_is_cancelled),
        cmocka_unit_test(counters_add_up),
        cmocka_unit_test(waiting_runs_steps_until_somebody_quits),
        cmocka_unit_test(waiting_returns_when_nothing_is_left_to_do),
        cmocka_unit_test(a_stop_waits_in_the_simulated_time),
        cmocka_unit_test(a_stop_kills_what_lives_at_the_deadline),
        cmocka_unit_test(what_is_under_way_at_the_end_is_buried),
        cmocka_unit_test(handles_on_a_loop_work),
        cmocka_unit_test(a_start_says_what_is_wrong),
        cmocka_unit_test(a_callback_makes_no_steps),
        cmocka_unit_test(other_runtimes_are_no_simulated_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
