/*
 * How the recorder is switched on and where it writes: options, the environment, directories.
 */
#include "recorder_files.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault.h"
#include "helpers.h"

/* -- Options. -- */

/* What the recorder says on stderr while it opens as TR_TRACE asks. */
static const char *
open_from_environment(struct traces *traces, const char *value)
{
    static struct words words;
    struct tr_trace_options options = {0};
    words_begin(&words, traces);
    setenv("TR_TRACE", value, 1);
    tr_status status = tri_trace_open(&options, 1, &traces->trace);
    unsetenv("TR_TRACE");
    const char *text = words_end(&words);
    assert_int_equal(status, TR_OK);
    return text;
}

static void
expect_a_line_and_no_trace(struct traces *traces, const char *value, const char *reason)
{
    int fds = tests_open_fds(), threads = tests_threads();
    const char *text = open_from_environment(traces, value);
    assert_null(traces->trace);
    if (traces_count(text, "\n") != 1 || strncmp(text, "troupe: no trace", 16) != 0 || strstr(text, reason) == NULL ||
        strstr(text, "TR_TRACE") == NULL)
        fail_msg("TR_TRACE=%.100s was answered with: %s", value, text);
    if (strlen(value) < 200)
        assert_non_null(strstr(text, value));
    assert_int_equal(tests_open_fds(), fds);
    assert_true(tests_wait_until(has_threads, &threads, TESTS_LIMIT_MS));
}

static void
a_variable_that_cannot_be_obeyed_is_one_line_and_no_trace(void **state)
{
    struct traces *traces = *state;
    static char longest[8192], long_path[PATH_MAX - 10];
    memset(longest, 'x', sizeof(longest) - 1);
    for (size_t i = 0; i + 1 < sizeof(long_path); i++)
        long_path[i] = i % 100 == 0 ? '/' : 'y';
    static const char form[] = "and not DIRECTORY, \"DIRECTORY,file\" or \"DIRECTORY,flight\"";
    const char *const cases[][2] = {
        {",", form},
        {",flight", form},
        {"dir,", form},
        {"dir,FLIGHT", form},
        {"dir,flihgt", form},
        {"dir,flight,", form},
        {"dir,file,flight ", form},
        {"/nowhere/at/all", tr_status_text(TR_ENOENT)},
        {"/dev/null,file", tr_status_text(TR_ENOTDIR)},
        {"/proc/self,flight", ""},
        {longest, tr_status_text(TR_ENAMETOOLONG)},
        {long_path, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_a_line_and_no_trace(traces, cases[i][0], cases[i][1]);
}

/* With fewer descriptors than it needs, at each step of opening, and with all of memory's limits in the way. */
static void
without_descriptors_there_is_a_line_and_no_trace(void **state)
{
    struct traces *traces = *state;
    int taken[64], count = 0;
    struct rlimit limit, few;
    getrlimit(RLIMIT_NOFILE, &limit);
    few = limit;
    few.rlim_cur = (rlim_t)tests_open_fds() + 12;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (count < 64 && (taken[count] = open("/dev/null", O_RDONLY)) >= 0)
        count++;
    assert_in_range(count, 3, 63);
    int needed = 0; /* descriptors that are free when it works: those for stderr's file are two of them */
    for (; needed < count; needed++) {
        close(taken[count - 1 - needed]);
        if (needed < 2)
            continue;
        const char *text = open_from_environment(traces, traces->directory);
        if (traces->trace != NULL)
            break;
        assert_int_equal(traces_count(text, "\n"), 1);
        assert_non_null(strstr(text, traces->directory));
        assert_int_equal(access(traces->directory, F_OK), -1);
    }
    assert_in_range(needed, 3, count - 1);
    traces_close(traces);
    for (int i = 0; i < count - 1 - needed; i++)
        close(taken[i]);
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void
expect_mode_from_environment(struct traces *traces, const char *suffix, const char *mode)
{
    char value[400];
    snprintf(value, sizeof(value), "%s%s", traces->directory, suffix);
    setenv("TR_TRACE", value, 1);
    struct tr_trace_options options = {0};
    assert_int_equal(tri_trace_open(&options, 1, &traces->trace), TR_OK);
    assert_non_null(traces->trace);
    traces_fill(traces, 0, 1);
    traces_close(traces);
    traces_expect(traces, "info", 0, mode);
    tests_directory_remove(traces->directory);
}

static void
the_environment_variable_switches_tracing_on(void **state)
{
    expect_mode_from_environment(*state, "", "mode        file");
    expect_mode_from_environment(*state, ",file", "mode        file");
    expect_mode_from_environment(*state, ",flight", "mode        flight");
}

static void
options_that_are_on_win_over_the_environment(void **state)
{
    struct traces *traces = *state;
    setenv("TR_TRACE", "/nowhere/at/all,nonsense", 1);
    traces_open(traces, TR_TRACE_FLIGHT, 2, 0);
    traces_close(traces);
}

static void
wrong_options_are_refused_and_leave_nothing(void **state)
{
    const struct traces *traces = *state;
    const char *directory = traces->directory;
    const struct {
        struct tr_trace_options options;
        unsigned workers;
        tr_status status;
    } cases[] = {
        {{.mode = TR_TRACE_FILE}, 1, TR_EINVAL},
        {{.mode = TR_TRACE_FILE, .directory = ""}, 1, TR_EINVAL},
        {{.mode = (enum tr_trace_mode)77, .directory = directory}, 1, TR_EINVAL},
        {{.mode = TR_TRACE_FILE, .directory = directory}, TR_WORKERS_MAX + 1, TR_ETOOMANYWORKERS},
        {{.mode = TR_TRACE_FILE, .directory = directory, .segment_bytes = 100}, 1, TR_EBADLIMIT},
        {{.mode = TR_TRACE_FILE, .directory = directory, .segment_bytes = SIZE_MAX}, 1, TR_EBADLIMIT},
        {{.mode = TR_TRACE_FILE, .directory = directory, .limit_bytes = UINT64_MAX}, 1, TR_EBADLIMIT},
        {{.mode = TR_TRACE_FILE, .directory = directory, .limit_bytes = 1}, 1, TR_EBADLIMIT},
        {{.mode = TR_TRACE_FILE, .directory = directory, .segment_bytes = 8192, .limit_bytes = 16384}, 1, TR_EBADLIMIT},
        {{.mode = TR_TRACE_FLIGHT, .directory = directory, .segments = 1}, 1, TR_EBADLIMIT},
        {{.mode = TR_TRACE_FLIGHT, .directory = directory, .segments = UINT32_MAX}, 1, TR_EBADLIMIT},
    };
    int fds = tests_open_fds();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tri_trace *trace;
        assert_int_equal(tri_trace_open(&cases[i].options, cases[i].workers, &trace), cases[i].status);
        assert_null(trace);
        assert_int_equal(access(directory, F_OK), -1);
    }
    assert_int_equal(tests_open_fds(), fds);
}

static void
a_small_limit_makes_small_files_when_their_size_is_left_open(void **state)
{
    struct traces *traces = *state;
    struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = traces->directory, .limit_bytes = 100000};
    assert_int_equal(tri_trace_open(&options, 1, &traces->trace), TR_OK);
    traces_fill(traces, 0, 1);
    traces_close(traces);
    struct file file = load_segment(traces, 0);
    assert_int_equal(file.packet->packet_size / 8, 32768); /* a third, in whole pages */
    free(file.bytes);
}

static void
a_directory_that_holds_a_trace_is_left_alone_and_a_numbered_one_taken(void **state)
{
    struct traces *traces = *state;
    struct tri_trace *others[3];
    char path[400];
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_fill(traces, 0, 7);
    struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = traces->directory};
    for (unsigned i = 0; i < 3; i++) {
        if (i == 1)
            traces_close(traces); /* closed or open, it is a trace */
        assert_int_equal(tri_trace_open(&options, 2, &others[i]), TR_OK);
        tri_trace(tri_trace_stream_of(others[i], 0), TRI_TRACE_CORE_over_budget, 0, i, 0, 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        tri_trace_close(others[i]);
        snprintf(path, sizeof(path), "%s/%u/worker-0.00000000", traces->directory, i + 2);
        assert_int_equal(access(path, F_OK), 0);
    }
    struct file file = load_segment(traces, 0);
    assert_int_equal(file.count, 7);
    free(file.bytes);
    traces_expect(traces, "check", 0, "2, 3, 4");
    for (unsigned i = 2; i <= 4; i++) {
        snprintf(path, sizeof(path), "%s/%u", traces->directory, i);
        tests_directory_remove(path);
    }
}

/* The names 2 to 9999 lead back to the directory, which holds a trace. */
static void
the_last_of_ten_thousand_directories_is_taken_and_then_none(void **state)
{
    struct traces *traces = *state;
    struct tri_trace *last = NULL, *none = NULL;
    char path[400];
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = traces->directory};
    for (unsigned i = 2; i < 9999; i++) {
        snprintf(path, sizeof(path), "%s/%u", traces->directory, i);
        assert_int_equal(symlink(".", path), 0);
    }
    int fds = tests_open_fds();
    assert_int_equal(tri_trace_open(&options, 1, &last), TR_OK);
    tri_trace_close(last);
    snprintf(path, sizeof(path), "%s/9999/metadata", traces->directory);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(tri_trace_open(&options, 1, &none), TR_EEXIST);
    assert_null(none);
    assert_int_equal(tests_open_fds(), fds);
    traces_close(traces);
    snprintf(path, sizeof(path), "%s/9999", traces->directory);
    tests_directory_remove(path);
}

/* Or a program whose nth allocation is made to fail, for every n, has more of them with each trace that it leaves. */
static void
directories_that_are_taken_cost_no_memory(void **state)
{
    struct traces *traces = *state;
    unsigned seen[4];
    char path[400];
    for (unsigned i = 0; i < 4; i++) {
        fault_plan(FAULT_MEMORY, ~0u, 1, 0);
        traces_open(traces, TR_TRACE_FILE, 0, 0);
        seen[i] = fault_seen(FAULT_MEMORY);
        fault_clear();
        traces_close(traces);
    }
    assert_true(seen[0] > 0);
    for (unsigned i = 1; i < 4; i++) {
        assert_int_equal(seen[i], seen[0]);
        snprintf(path, sizeof(path), "%s/%u", traces->directory, i + 1);
        assert_int_equal(access(path, F_OK), 0);
        tests_directory_remove(path);
    }
}

#define PROCESSES 8u

/* Opens a trace as TR_TRACE asks, once the others are there too, and writes one event. */
_Noreturn static void
trace_at_once(const char *directory, int gate)
{
    char byte;
    struct tri_trace *trace;
    struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = directory};
    if (read(gate, &byte, 1) != 0 || tri_trace_open(&options, 1, &trace) != TR_OK)
        _exit(1);
    tri_trace(tri_trace_stream_of(trace, 0), TRI_TRACE_CORE_over_budget, 0, 0, 0, 0);
    tri_trace_close(trace);
    _exit(0);
}

static void
processes_that_start_at_the_same_time_each_get_a_directory(void **state)
{
    struct traces *traces = *state;
    char path[400];
    pid_t children[PROCESSES];
    int gate[2];
    assert_int_equal(pipe(gate), 0);
    for (unsigned i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            close(gate[1]);
            trace_at_once(traces->directory, gate[0]);
        }
    }
    close(gate[0]);
    close(gate[1]);
    for (unsigned i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    traces_expect_counts(traces, "over_budget                        1");
    for (unsigned i = 2; i <= PROCESSES; i++) {
        snprintf(path, sizeof(path), "%s/%u", traces->directory, i);
        const char *const words[] = {TROUPE_TRACE, "info", "--counts", path, NULL};
        struct outcome outcome = traces_run(words);
        assert_int_equal(outcome.status, 0);
        assert_non_null(strstr(outcome.text, "over_budget                        1"));
        free(outcome.text);
        tests_directory_remove(path);
    }
    snprintf(path, sizeof(path), "%s/%u", traces->directory, PROCESSES + 1);
    assert_int_equal(access(path, F_OK), -1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_variable_that_cannot_be_obeyed_is_one_line_and_no_trace),
        TEST(without_descriptors_there_is_a_line_and_no_trace),
        TEST(the_environment_variable_switches_tracing_on),
        TEST(options_that_are_on_win_over_the_environment),
        TEST(wrong_options_are_refused_and_leave_nothing),
        TEST(a_small_limit_makes_small_files_when_their_size_is_left_open),
        TEST(a_directory_that_holds_a_trace_is_left_alone_and_a_numbered_one_taken),
        TEST(directories_that_are_taken_cost_no_memory),
        TEST(the_last_of_ten_thousand_directories_is_taken_and_then_none),
        TEST(processes_that_start_at_the_same_time_each_get_a_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
