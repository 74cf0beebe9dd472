/*
 * What the watchdog says of a real worker: handles that an actor put on its loop, and a loop in which nothing happens.
 */
#include "helpers.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

enum { GO = 1 };

#define LIMIT_MS 50

static tr_runtime *runtime;
static struct tally called, closed, going;
static void (*hold)(void);

static uint64_t
stalls(void)
{
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    return counters.stalls;
}

static bool
reported(void *argument)
{
    return stalls() >= *(uint64_t *)argument;
}

/* Until the test has seen the report. */
static void
sleep_in_callback(void)
{
    tally_await(&going, tally_read(&called));
}

static void
spin_in_callback(void)
{
    uint64_t end = tests_now_ns() + TESTS_LIMIT_MS * UINT64_C(1000000);
    while (tally_read(&going) < tally_read(&called) && tests_now_ns() < end)
        ;
}

static void
on_closed(uv_handle_t *handle)
{
    free(handle);
    tally_add(&closed, 1);
}

static void
on_timer(uv_timer_t *timer)
{
    tally_add(&called, 1);
    hold();
    uv_close((uv_handle_t *)timer, on_closed);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
    char byte;
    int *end = poll->data;
    assert_int_equal(status, 0);
    assert_true(events & UV_READABLE);
    assert_int_equal(read(*end, &byte, 1), 1);
    tally_add(&called, 1);
    hold();
    uv_close((uv_handle_t *)poll, on_closed);
}

static int ends[2]; /* of a pipe */

static void
timer_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    uv_timer_t *timer = malloc(sizeof(*timer));
    assert_int_equal(uv_timer_init(tr_actor_loop(self), timer), 0);
    assert_int_equal(uv_timer_start(timer, on_timer, 1, 0), 0);
}

static void
poll_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    uv_poll_t *poll = malloc(sizeof(*poll));
    assert_int_equal(uv_poll_init(tr_actor_loop(self), poll, ends[0]), 0);
    poll->data = &ends[0];
    assert_int_equal(uv_poll_start(poll, UV_READABLE, on_readable), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
}

static const struct tr_behavior with_timer = {.name = "with timer", .receive = timer_receive};
static const struct tr_behavior with_poll = {.name = "with poll", .receive = poll_receive};

static int
open_stage(void **state)
{
    (void)state;
    struct tr_runtime_options options = {.workers = 2, .unpinned = true, .watchdog_ms = LIMIT_MS};
    called = closed = going = (struct tally){0};
    return pipe(ends) != 0 || tr_runtime_start(&options, &runtime) != TR_OK;
}

static int
close_stage(void **state)
{
    (void)state;
    stage_close(runtime);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

/* Three times, each reported once; and the other worker, in whose loop nothing happens, is not. */
static void
expect_reports(const struct tr_behavior *behavior, void (*how)(void))
{
    hold = how;
    tr_ref actor = stage_spawn(runtime, behavior, 1, NULL);
    for (uint64_t n = 1; n <= 3; n++) {
        stage_send(runtime, actor, GO, NULL, 0);
        tally_await(&called, n);
        assert_true(tests_wait_until(reported, &n, TESTS_LIMIT_MS));
        tally_add(&going, 1);
        tally_await(&closed, n);
    }
    assert_int_equal(stalls(), 3);
}

static void
a_timer_callback_that_sleeps_is_reported_and_an_idle_loop_is_not(void **state)
{
    (void)state;
    expect_reports(&with_timer, sleep_in_callback);
}

static void
a_timer_callback_that_works_is_reported(void **state)
{
    (void)state;
    expect_reports(&with_timer, spin_in_callback);
}

static void
a_callback_of_a_descriptor_that_sleeps_is_reported(void **state)
{
    (void)state;
    expect_reports(&with_poll, sleep_in_callback);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_timer_callback_that_sleeps_is_reported_and_an_idle_loop_is_not),
        TEST(a_timer_callback_that_works_is_reported),
        TEST(a_callback_of_a_descriptor_that_sleeps_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
