/*
 * Copies of a trace on a signal.
 */
#include "helpers.h"
#include "stage.h"
#include "traces.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <troupe/actors/tracing.h>

static struct tally handled, own;

static void
pass_on(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    tally_add(&handled, 1);
    (void)tr_tell(self, tr_self(self), 1, NULL, 0);
}

static const struct tr_behavior restless = {.name = "restless", .receive = pass_on};

static tr_status
start(const char *directory, int number, tr_runtime **out)
{
    struct tr_runtime_options options = {.workers = 2, .pinning = TR_PINNING_NEVER, .watchdog_ms = -1};
    options.trace = (struct tr_trace_options){.mode = TR_TRACE_FLIGHT,
                                              .directory = directory,
                                              .segment_bytes = 65536,
                                              .segments = 4,
                                              .snapshot_signal = number};
    tr_status status = tr_runtime_start(&options, out);
    if (status == TR_OK)
        stage_send(*out, stage_spawn(*out, &restless, 0, NULL), 1, NULL, 0);
    return status;
}

static void
stop(tr_runtime *runtime)
{
    tr_runtime_stop(runtime, 0, NULL); /* the restless one is killed */
}

/* A copy of a trace, beside it. */
static struct traces
copy_of(const struct traces *traces, unsigned number)
{
    struct traces copy = *traces;
    snprintf(copy.directory, sizeof(copy.directory), "%.280s-%u", traces->directory, number);
    return copy;
}

/* Its metadata come last, in one piece. */
static bool
is_whole(void *copy)
{
    char path[320];
    struct stat found;
    snprintf(path, sizeof(path), "%s/metadata", ((struct traces *)copy)->directory);
    return stat(path, &found) == 0 && found.st_size > 0;
}

static void
expect_copy(const struct traces *traces, unsigned number)
{
    struct traces copy = copy_of(traces, number);
    assert_true(tests_wait_until(is_whole, &copy, TESTS_LIMIT_MS));
    traces_expect(&copy, "check", 0, "events");
    traces_expect(&copy, "info", 0, "mode        flight");
    tests_directory_remove(copy.directory);
}

static void
note_own(int number)
{
    (void)number;
    tally_add(&own, 1);
}

static void
a_signal_at_any_moment_copies_the_trace_beside_it(void **state)
{
    struct traces *traces = *state;
    tr_runtime *runtime;
    assert_int_equal(start(traces->directory, SIGUSR2, &runtime), TR_OK);
    for (unsigned i = 1; i <= 20; i++) {
        struct traces copy = copy_of(traces, 1);
        tally_await(&handled, tally_read(&handled) + i * 37);
        raise(SIGUSR2);
        assert_true(tests_wait_until(is_whole, &copy, TESTS_LIMIT_MS));
        expect_copy(traces, 1);
    }
    raise(SIGUSR2);
    struct traces copy = copy_of(traces, 1);
    assert_true(tests_wait_until(is_whole, &copy, TESTS_LIMIT_MS));
    raise(SIGUSR2);
    expect_copy(traces, 2); /* a number that is free */
    expect_copy(traces, 1);
    stop(runtime);
}

static void
several_runtimes_share_a_signal_and_the_last_gives_it_back(void **state)
{
    struct traces *traces = *state, other = *traces;
    struct sigaction before = {.sa_handler = note_own}, now;
    tr_runtime *runtimes[2];
    snprintf(other.directory, sizeof(other.directory), "%.280s/other", traces->base);
    sigaction(SIGUSR1, &before, NULL);
    assert_int_equal(start(traces->directory, SIGUSR1, &runtimes[0]), TR_OK);
    assert_int_equal(start(other.directory, SIGUSR1, &runtimes[1]), TR_OK);
    raise(SIGUSR1);
    expect_copy(traces, 1);
    expect_copy(&other, 1);
    stop(runtimes[0]);
    raise(SIGUSR1);
    expect_copy(&other, 1);
    assert_int_equal(tally_read(&own), 0);
    stop(runtimes[1]);
    sigaction(SIGUSR1, NULL, &now);
    assert_true(now.sa_handler == note_own);
    raise(SIGUSR1);
    assert_int_equal(tally_read(&own), 1);
    signal(SIGUSR1, SIG_DFL);
    tests_directory_remove(other.directory);
}

static void
a_handler_that_the_program_installs_meanwhile_stays(void **state)
{
    struct traces *traces = *state;
    struct sigaction now;
    tr_runtime *runtime;
    assert_int_equal(start(traces->directory, SIGUSR2, &runtime), TR_OK);
    signal(SIGUSR2, note_own);
    stop(runtime);
    sigaction(SIGUSR2, NULL, &now);
    assert_true(now.sa_handler == note_own);
    signal(SIGUSR2, SIG_DFL);
}

static void
the_variable_names_the_signal_and_what_it_cannot_be_is_no_failure(void **state)
{
    struct traces *traces = *state;
    static const char *const good[] = {"USR2", "sigusr2"};
    static const char *const bad[] = {"TERM", "0", "9", "USR3", "12 "};
    struct sigaction now;
    tr_runtime *runtime;
    for (size_t i = 0; i < 2; i++) {
        setenv("TR_TRACE_SIGNAL", good[i], 1);
        assert_int_equal(start(traces->directory, 0, &runtime), TR_OK);
        raise(SIGUSR2);
        expect_copy(traces, 1);
        stop(runtime);
        tests_directory_remove(traces->directory);
    }
    for (size_t i = 0; i < 5; i++) {
        setenv("TR_TRACE_SIGNAL", bad[i], 1);
        assert_int_equal(start(traces->directory, 0, &runtime), TR_OK);
        sigaction(SIGUSR2, NULL, &now);
        assert_true(now.sa_handler == SIG_DFL);
        stop(runtime);
        tests_directory_remove(traces->directory);
    }
    unsetenv("TR_TRACE_SIGNAL");
    assert_int_equal(start(traces->directory, SIGTERM, &runtime), TR_EINVAL);
    assert_int_equal(start(traces->directory, SIGKILL, &runtime), TR_EINVAL);
    assert_int_equal(start(traces->directory, -1, &runtime), TR_EINVAL);
}

static int
setup(void **state)
{
    own = handled = (struct tally){0};
    return traces_setup(state);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_signal_at_any_moment_copies_the_trace_beside_it),
        TEST(several_runtimes_share_a_signal_and_the_last_gives_it_back),
        TEST(a_handler_that_the_program_installs_meanwhile_stays),
        TEST(the_variable_names_the_signal_and_what_it_cannot_be_is_no_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
