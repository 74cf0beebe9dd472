/*
 * What the watchdog says of a real worker: handles that an actor put on its loop, and a loop in which nothing happens.
 * And what it does while nothing happens anywhere.
 */
#include "helpers.h"
#include "stage.h"

#include <dirent.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    struct tr_runtime_options options = {.workers = 2, .pinning = TR_PINNING_NEVER, .watchdog_ms = LIMIT_MS};
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

/* -- While nothing happens. -- */

#define REST_NS UINT64_C(1000000000) /* many pauses between looks */
#define LATE_MS 5000

/* How often the watchdog's thread was given a CPU; 0: the system does not tell. */
static uint64_t
watchdogs_turns(void)
{
    uint64_t turns = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        char path[300], name[32] = "";
        snprintf(path, sizeof(path), "/proc/self/task/%s/comm", task->d_name);
        FILE *comm = fopen(path, "r");
        bool is = comm != NULL && fgets(name, sizeof(name), comm) != NULL && strcmp(name, "troupe/watchdog\n") == 0;
        if (comm != NULL)
            fclose(comm);
        snprintf(path, sizeof(path), "/proc/self/task/%s/schedstat", task->d_name);
        FILE *schedstat = is ? fopen(path, "r") : NULL;
        if (schedstat == NULL)
            continue;
        if (fscanf(schedstat, "%*u %*u %" SCNu64, &turns) != 1)
            turns = 0;
        fclose(schedstat);
    }
    closedir(tasks);
    return turns;
}

static bool
watchdog_rests(void *argument)
{
    (void)argument;
    uint64_t before = watchdogs_turns();
    tests_let_pass(REST_NS);
    return watchdogs_turns() == before;
}

static bool
system_tells(void)
{
    return access("/proc/self/syscall", R_OK) == 0 && watchdogs_turns() > 0;
}

static void
the_watchdog_sleeps_while_all_workers_do(void **state)
{
    (void)state;
    tr_runtime *adaptive;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 2}, &adaptive), TR_OK);
    if (system_tells())
        assert_true(tests_wait_until(watchdog_rests, NULL, TESTS_LIMIT_MS)); /* of either runtime */
    stage_close(adaptive);
}

static void
poll_later_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    uv_poll_t *poll = malloc(sizeof(*poll));
    assert_int_equal(uv_poll_init(tr_actor_loop(self), poll, ends[0]), 0);
    poll->data = &ends[0];
    assert_int_equal(uv_poll_start(poll, UV_READABLE, on_readable), 0);
}

static void
timer_later_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    uv_timer_t *timer = malloc(sizeof(*timer));
    assert_int_equal(uv_timer_init(tr_actor_loop(self), timer), 0);
    assert_int_equal(uv_timer_start(timer, on_timer, LATE_MS, 0), 0);
}

static void
hold_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    tally_add(&called, 1);
    hold();
}

/* The nth thing that happens after a rest holds its worker until it was reported. */
static void
expect_report(uint64_t n)
{
    tally_await(&called, n);
    assert_true(tests_wait_until(reported, &n, TESTS_LIMIT_MS));
    tally_add(&going, 1);
}

static bool
watchdog_rests_or_it_happened(void *n)
{
    return tally_read(&called) == *(uint64_t *)n || watchdog_rests(NULL);
}

/* Until the watchdog rests, unless the nth thing comes first: then it was seen, and the watchdog shall not rest. */
static void
rest_until(uint64_t n)
{
    if (system_tells())
        assert_true(tests_wait_until(watchdog_rests_or_it_happened, &n, TESTS_LIMIT_MS));
}

static void
whatever_ends_the_workers_sleep_is_watched(void **state)
{
    (void)state;
    static const struct tr_behavior holder = {.name = "holder", .receive = hold_receive};
    static const struct tr_behavior poller = {.name = "poller", .receive = poll_later_receive};
    static const struct tr_behavior timer = {.name = "timer", .receive = timer_later_receive};
    hold = sleep_in_callback;
    tr_ref held = stage_spawn(runtime, &holder, 1, NULL);
    rest_until(1);
    stage_send(runtime, held, GO, NULL, 0); /* a message */
    expect_report(1);

    stage_send(runtime, stage_spawn(runtime, &poller, 1, NULL), GO, NULL, 0);
    rest_until(2);
    assert_int_equal(write(ends[1], "x", 1), 1); /* a descriptor */
    expect_report(2);

    stage_send(runtime, stage_spawn(runtime, &timer, 1, NULL), GO, NULL, 0);
    rest_until(3);
    expect_report(3);
    assert_int_equal(stalls(), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_timer_callback_that_sleeps_is_reported_and_an_idle_loop_is_not),
        TEST(a_timer_callback_that_works_is_reported),
        TEST(a_callback_of_a_descriptor_that_sleeps_is_reported),
        TEST(the_watchdog_sleeps_while_all_workers_do),
        TEST(whatever_ends_the_workers_sleep_is_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
