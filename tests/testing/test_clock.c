/*
 * Time in a simulated runtime.
 */
#include "helpers.h"
#include "simulated.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <troupe/actors/ask.h>
#include <troupe/core/clock.h>
#include <troupe/core/delay.h>

#include <cmocka.h>

enum { GO = 1, TICK };

#define HOUR_MS 3600000u

/* When each tick came, on the actor's clock. */
static struct {
    unsigned count;
    uint64_t ms[2000];
} ticks;

static void
note(tr_actor *self)
{
    assert_true(ticks.count < sizeof(ticks.ms) / sizeof(ticks.ms[0]));
    ticks.ms[ticks.count++] = tr_now(self);
}

/* GO: delays in milliseconds, for one tick each. */
static void
waiter_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == TICK) {
        note(self);
        return;
    }
    const uint64_t *delays = tr_message_data(message);
    for (size_t i = 0; i < tr_message_size(message) / sizeof(*delays); i++) {
        tr_message tick = tr_message_signal(TICK);
        assert_int_equal(tr_send_after(self, tr_self(self), delays[i], &tick, NULL), TR_OK);
    }
}

static const struct tr_behavior waiter = {.name = "waiter", .receive = waiter_receive};

static tr_runtime *
open_waiting(const uint64_t *delays, size_t count)
{
    tr_runtime *runtime = simulated_open(5, 2);
    ticks.count = 0;
    stage_send(runtime, stage_spawn(runtime, &waiter, 1, NULL), GO, delays, count * sizeof(*delays));
    return runtime;
}

static void
time_begins_at_the_same_moment_and_stands_still(void **state)
{
    (void)state;
    tr_runtime *runtime = open_waiting((uint64_t[]){HOUR_MS}, 1);
    assert_int_equal(tr_testing_now(runtime), SIMULATED_BEGIN_MS);
    tr_testing_run(runtime);
    assert_int_equal(tr_testing_now(runtime), SIMULATED_BEGIN_MS);
    assert_int_equal(ticks.count, 0);
    simulated_close(runtime);
}

static void
time_jumps_to_the_next_timer_when_nothing_is_left_to_do(void **state)
{
    (void)state;
    tr_runtime *runtime = open_waiting((uint64_t[]){3ul * HOUR_MS, HOUR_MS, 2ul * HOUR_MS}, 3);
    while (tr_testing_step(runtime)) {
    }
    assert_int_equal(ticks.count, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(ticks.ms[i], SIMULATED_BEGIN_MS + (i + 1) * (uint64_t)HOUR_MS);
    assert_int_equal(tr_testing_now(runtime), ticks.ms[2]);
    simulated_close(runtime);
}

static void
advancing_fires_each_timer_at_its_own_moment_and_ends_exactly(void **state)
{
    (void)state;
    tr_runtime *runtime = open_waiting((uint64_t[]){7, 100, 101}, 3);
    assert_int_equal(tr_testing_advance(runtime, 100), TR_OK);
    assert_int_equal(ticks.count, 2);
    assert_int_equal(ticks.ms[0], SIMULATED_BEGIN_MS + 7);
    assert_int_equal(ticks.ms[1], SIMULATED_BEGIN_MS + 100);
    assert_int_equal(tr_testing_now(runtime), SIMULATED_BEGIN_MS + 100);
    assert_int_equal(tr_testing_advance(runtime, 0), TR_OK);
    assert_int_equal(ticks.count, 2);
    assert_int_equal(tr_testing_advance(runtime, UINT64_MAX), TR_OK);
    assert_int_equal(ticks.count, 3);
    simulated_close(runtime);
}

static void
rhythm_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_message tick = tr_message_signal(TICK);
    (void)state;
    if (message->tag == TICK)
        note(self);
    else
        assert_int_equal(tr_send_every(self, tr_self(self), 60000, &tick, NULL), TR_OK);
}

static void
a_day_of_periodic_messages_takes_no_time_and_does_not_drift(void **state)
{
    (void)state;
    static const struct tr_behavior rhythm = {.name = "rhythm", .receive = rhythm_receive};
    tr_runtime *runtime = simulated_open(1, 2);
    ticks.count = 0;
    stage_send(runtime, stage_spawn(runtime, &rhythm, 0, NULL), GO, NULL, 0);
    assert_int_equal(tr_testing_advance(runtime, 24ul * HOUR_MS), TR_OK);
    assert_int_equal(ticks.count, 24 * 60);
    for (unsigned i = 0; i < ticks.count; i++)
        assert_int_equal(ticks.ms[i], SIMULATED_BEGIN_MS + (i + 1) * 60000ul);
    simulated_close(runtime);
}

/* Waits for nothing, again and again. */
static void
hasty_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_message tick = tr_message_signal(TICK);
    (void)state, (void)message;
    note(self);
    assert_int_equal(tr_send_after(self, tr_self(self), 0, &tick, NULL), TR_OK);
}

static void
a_delay_of_nothing_lets_time_go_on(void **state)
{
    (void)state;
    static const struct tr_behavior hasty = {.name = "hasty", .receive = hasty_receive};
    tr_runtime *runtime = simulated_open(1, 1);
    ticks.count = 0;
    stage_send(runtime, stage_spawn(runtime, &hasty, 0, NULL), GO, NULL, 0);
    assert_int_equal(tr_testing_advance(runtime, 50), TR_OK);
    assert_int_equal(ticks.count, 51);
    assert_int_equal(ticks.ms[50], SIMULATED_BEGIN_MS + 50);
    simulated_close(runtime);
}

/* -- Questions. -- */

/* Works for so many milliseconds on an answer; 0: there will be none. */
static void
expert_receive(tr_actor *self, void *state, tr_message *message)
{
    uint64_t ms = *(const uint64_t *)tr_message_data(message);
    tr_question *kept = state;
    tr_message answer = tr_message_signal(TICK);
    assert_int_equal(tr_testing_advance(tr_actor_runtime(self), ms), TR_OK);
    if (ms == 0)
        assert_int_equal(tr_question_keep(self, kept), TR_OK);
    else
        assert_int_equal(tr_reply(self, &answer), TR_OK);
}

static const struct tr_behavior expert = {
    .name = "expert", .state_size = sizeof(tr_question), .receive = expert_receive};

static tr_status
ask(tr_runtime *runtime, tr_ref ref, uint64_t ms, uint64_t timeout_ms)
{
    tr_message question = tr_message_copy(GO, &ms, sizeof(ms)), answer = tr_message_signal(GO);
    tr_status status = tr_runtime_ask(runtime, ref, &question, timeout_ms, &answer);
    assert_int_equal(answer.tag, status == TR_OK ? TICK : GO);
    tr_message_drop(&answer);
    return status;
}

static void
asking_from_outside_runs_steps_until_there_is_an_outcome(void **state)
{
    (void)state;
    tr_runtime *runtime = simulated_open(1, 2);
    tr_ref ref = stage_spawn(runtime, &expert, 1, NULL);
    assert_int_equal(ask(runtime, ref, 7, HOUR_MS), TR_OK);
    assert_int_equal(tr_testing_now(runtime), SIMULATED_BEGIN_MS + 7);
    simulated_close(runtime);
}

/* A deadline may come up to two milliseconds late, for the sake of its price: deadlines.h. */
static void
a_deadline_passes_in_the_simulated_time(void **state)
{
    (void)state;
    for (uint64_t timeout_ms = 1; timeout_ms < 2ul * HOUR_MS; timeout_ms = timeout_ms * 3 + 1) {
        tr_runtime *runtime = simulated_open(timeout_ms, 2);
        tr_ref ref = stage_spawn(runtime, &expert, 1, NULL);
        assert_int_equal(ask(runtime, ref, 0, timeout_ms), TR_EDEADLINE);
        uint64_t due_ms = SIMULATED_BEGIN_MS + timeout_ms;
        assert_in_range(tr_testing_now(runtime), due_ms, due_ms + 2);
        simulated_close(runtime);
    }
}

/* -- Callbacks that take long. -- */

#define LONG_MS 5u

static void
slow_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state, (void)message;
    assert_int_equal(tr_testing_advance(tr_actor_runtime(self), LONG_MS), TR_OK);
    note(self);
}

static void
advancing_in_a_callback_moves_the_clock_and_nothing_else(void **state)
{
    (void)state;
    static const struct tr_behavior slow = {.name = "slow", .receive = slow_receive};
    tr_runtime *runtime = open_waiting((uint64_t[]){1}, 1);
    tr_ref ref = stage_spawn(runtime, &slow, 0, NULL);
    tr_testing_run(runtime);
    for (unsigned i = 0; i < 200; i++) /* a slow actor has its own place for what waits: dispatch.c */
        stage_send(runtime, ref, GO, NULL, 0);
    tr_testing_run(runtime);
    assert_int_equal(ticks.count, 201); /* the timer came due meanwhile */
    assert_int_equal(tr_testing_now(runtime), SIMULATED_BEGIN_MS + 200 * LONG_MS);
    for (unsigned i = 1; i < ticks.count; i++)
        assert_true(ticks.ms[i] >= ticks.ms[i - 1]);
    simulated_close(runtime);
}

/* -- The library's clocks. -- */

static void
all_clocks_of_the_thread_are_the_simulated_one(void **state)
{
    (void)state;
    tr_runtime *runtime = simulated_open(1, 1);
    assert_int_equal(tri_clock_ms(), SIMULATED_BEGIN_MS);
    assert_int_equal(tri_clock_begin_ms(), SIMULATED_BEGIN_MS);
    assert_int_equal(tri_clock_after(3), SIMULATED_BEGIN_MS + 3);
    assert_int_equal(tri_ticks(), SIMULATED_BEGIN_MS * UINT64_C(1000000));
    assert_false(tri_clock_counts());
    tr_testing_advance(runtime, 7);
    assert_int_equal(tri_clock_ms(), SIMULATED_BEGIN_MS + 7);
    assert_int_equal(tri_ticks(), (SIMULATED_BEGIN_MS + 7) * UINT64_C(1000000));
    simulated_close(runtime);
}

static uint64_t seen_ms;

static void
real_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state, (void)message;
    __atomic_store_n(&seen_ms, tr_now(self), __ATOMIC_SEQ_CST);
}

static bool
has_seen(void *argument)
{
    (void)argument;
    return __atomic_load_n(&seen_ms, __ATOMIC_SEQ_CST) != 0;
}

/* Another runtime, with threads, goes on as before, begun before or after the simulated one. */
static void
other_threads_keep_the_systems_time(void **state)
{
    (void)state;
    static const struct tr_behavior real_behavior = {.name = "real", .receive = real_receive};
    tr_runtime *before = stage_open(1);
    bool counted = tri_clock_counts();
    tr_runtime *simulated = simulated_open(1, 1), *after = stage_open(1);
    tr_runtime *const both[] = {before, after};
    for (unsigned i = 0; i < 2; i++) {
        uint64_t now_ms = tri_clock_system_ns() / 1000000;
        __atomic_store_n(&seen_ms, 0, __ATOMIC_SEQ_CST);
        stage_send(both[i], stage_spawn(both[i], &real_behavior, 0, NULL), GO, NULL, 0);
        assert_true(tests_wait_until(has_seen, NULL, TESTS_LIMIT_MS));
        assert_in_range(seen_ms, now_ms, now_ms + TESTS_LIMIT_MS);
    }
    simulated_close(simulated);
    assert_int_equal(tri_clock_counts(), counted);
    uint64_t ticks_before = tri_ticks();
    assert_true(tri_ticks() >= ticks_before);
    stage_close(before);
    stage_close(after);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_threads_keep_the_systems_time), /* first: it begins before any simulated runtime */
        cmocka_unit_test(time_begins_at_the_same_moment_and_stands_still),
        cmocka_unit_test(time_jumps_to_the_next_timer_when_nothing_is_left_to_do),
        cmocka_unit_test(advancing_fires_each_timer_at_its_own_moment_and_ends_exactly),
        cmocka_unit_test(a_day_of_periodic_messages_takes_no_time_and_does_not_drift),
        cmocka_unit_test(a_delay_of_nothing_lets_time_go_on),
        cmocka_unit_test(asking_from_outside_runs_steps_until_there_is_an_outcome),
        cmocka_unit_test(a_deadline_passes_in_the_simulated_time),
        cmocka_unit_test(advancing_in_a_callback_moves_the_clock_and_nothing_else),
        cmocka_unit_test(all_clocks_of_the_thread_are_the_simulated_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
