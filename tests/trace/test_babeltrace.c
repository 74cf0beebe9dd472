/*
 * babeltrace2 reads what the recorder writes: a reader that owes us nothing. Skipped where it is not installed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/trace.h>
#include <troupe/net/trace.h>

#include "helpers.h"
#include "traces.h"

static bool
is_installed(void)
{
    static const char *const words[] = {"sh", "-c", "command -v babeltrace2", NULL};
    struct outcome outcome = traces_run(words);
    free(outcome.text);
    return outcome.status == 0;
}

/* cmocka's skip() leaves the test. */
#define NEED_BABELTRACE()                                                                                              \
    do {                                                                                                               \
        if (!is_installed()) {                                                                                         \
            print_message("babeltrace2 is not installed\n");                                                           \
            skip();                                                                                                    \
        }                                                                                                              \
    } while (0)

static struct outcome
run_babeltrace(const struct traces *traces)
{
    const char *const words[] = {"babeltrace2", "--no-delta", traces->directory, NULL};
    return traces_run(words);
}

/* It reads all, without a word of complaint, as many events as our own reader. */
static void
expect_agreement(const struct traces *traces, const char *event)
{
    char with_colon[40], with_blanks[40];
    snprintf(with_colon, sizeof(with_colon), " %s: {", event);
    snprintf(with_blanks, sizeof(with_blanks), "  %s  ", event);
    struct outcome theirs = run_babeltrace(traces), ours = traces_tool(traces, "dump", NULL, NULL, NULL, NULL);
    if (theirs.status != 0 || strstr(theirs.text, "ERROR") != NULL || strstr(theirs.text, "WARNING") != NULL)
        fail_msg("babeltrace2 ended with %d:\n%.4000s", theirs.status, theirs.text);
    assert_int_equal(ours.status, 0);
    assert_true(traces_count(ours.text, with_blanks) > 0);
    assert_int_equal(traces_count(theirs.text, with_colon), traces_count(ours.text, with_blanks));
    free(theirs.text);
    free(ours.text);
}

static void
babeltrace_reads_events_and_names_as_they_were_given(void **state)
{
    struct traces *traces = *state;
    NEED_BABELTRACE();
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    tri_trace_name(traces->trace, "echo");
    tri_trace_name(traces->trace, "");
    tri_trace_name(traces->trace, "a name that fills more than one step of the file");
    tri_trace_name_tag(traces->trace, "echo", 9, "PING");
    traces_write(traces, 0, TRI_TRACE_ACTORS_spawn, 1, TRI_TRACE_REF(0, 7, 3), 0);
    traces_write(traces, 1, TRI_TRACE_ACTORS_send, 9, TRI_TRACE_REF(1, 2, 1), TRI_TRACE_MESSAGE(1, 5));
    traces_write(traces, 0, TRI_TRACE_ACTORS_stop, 2, TRI_TRACE_REF(0, 7, 3), 0);
    traces_write(traces, 0, TRI_TRACE_ACTORS_fail, (uint32_t)TR_EIO, TRI_TRACE_REF(0, 7, 3), 0);
    traces_write(traces, TRI_TRACE_OUTSIDE, TRI_TRACE_CORE_stall, 1000, 0, 0);
    traces_close(traces);
    struct outcome outcome = run_babeltrace(traces);
    static const char *const lines[] = {
        "name: { worker = 65535 }, { number = 1, text = \"echo\" }",
        "name: { worker = 65535 }, { number = 2, text = \"\" }",
        "name: { worker = 65535 }, { number = 3, text = \"a name that fills more than one step of the file\" }",
        "tag_name: { worker = 65535 }, { behavior = 1, tag = 9, text = \"PING\" }",
        "spawn: { worker = 0 }, { flags = 0, behavior = 1, actor = 0x3000000007, parent = 0x0 }",
        "send: { worker = 1 }, { owed = 0, tag = 9, actor = 0x1001000002, message = 0x1000000000005 }",
        "stop: { worker = 0 }, { flags = 0, how = ( \"kill\" : container = 2 ), actor = 0x3000000007, message = 0 }",
        ("fail: { worker = 0 }, { flags = 0, status = ( \"EIO\" : container = -119 ), actor = 0x3000000007, "
         "message = 0 }"),
        "stall: { worker = 65535 }, { flags = 0, ms = 1000, actor = 0x0, tag = 0 }",
    };
    assert_int_equal(outcome.status, 0);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (strstr(outcome.text, lines[i]) == NULL)
            fail_msg("babeltrace2 does not print \"%s\":\n%s", lines[i], outcome.text);
    }
    assert_null(strstr(outcome.text, "WARNING"));
    free(outcome.text);
}

static void
babeltrace_reads_many_files_of_a_stream_as_one(void **state)
{
    struct traces *traces = *state;
    NEED_BABELTRACE();
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    for (unsigned i = 0; i < 200; i++) {
        char name[40];
        snprintf(name, sizeof(name), "some name or other, number %u", i);
        tri_trace_name(traces->trace, name);
        traces_fill(traces, i * 10, 10);
        traces_write(traces, 1, TRI_TRACE_CORE_over_budget, i, 0, 0);
    }
    expect_agreement(traces, "over_budget"); /* while it is written */
    traces_close(traces);
    expect_agreement(traces, "over_budget");
}

static const struct tri_trace_event events[] = {TRI_TRACE_CORE_EVENTS(TRI_TRACE_DESCRIPTION) TRI_TRACE_ACTORS_EVENTS(
    TRI_TRACE_DESCRIPTION) TRI_TRACE_NET_EVENTS(TRI_TRACE_DESCRIPTION)};

enum { EVENTS = sizeof(events) / sizeof(events[0]) };

/* Of a line for each event, how many times it has each name. `lost` is the recorder's own. */
static void
babeltrace_reads_every_kind_of_event_as_often_as_it_was_written(void **state)
{
    struct traces *traces = *state;
    NEED_BABELTRACE();
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    for (size_t i = 1; i < EVENTS; i++)
        for (size_t times = 0; times <= i % 3; times++)
            traces_write(traces, (unsigned)i % 2, events[i].id, (uint32_t)times, 0x1000000002, times);
    traces_close(traces);
    struct outcome theirs = run_babeltrace(traces);
    assert_int_equal(theirs.status, 0);
    for (size_t i = 1; i < EVENTS; i++) {
        char name[60];
        snprintf(name, sizeof(name), " %s: {", events[i].name);
        if (traces_count(theirs.text, name) != i % 3 + 1)
            fail_msg("%s: %u times, instead of %zu", events[i].name, traces_count(theirs.text, name), i % 3 + 1);
    }
    free(theirs.text);
}

static void
babeltrace_reads_what_the_flight_recorder_kept(void **state)
{
    struct traces *traces = *state;
    NEED_BABELTRACE();
    traces_open(traces, TR_TRACE_FLIGHT, 3, 0);
    traces_fill(traces, 0, 10 * FULL + 3);
    traces_close(traces);
    expect_agreement(traces, "over_budget");
}

static void
babeltrace_is_told_of_losses(void **state)
{
    struct traces *traces = *state;
    NEED_BABELTRACE();
    traces_open(traces, TR_TRACE_FILE, 0, 5 * SEGMENT);
    traces_fill(traces, 0, 2 * FULL + 1234);
    traces_close(traces);
    struct outcome outcome = run_babeltrace(traces);
    assert_int_equal(outcome.status, 0);
    assert_non_null(strstr(outcome.text, "Tracer discarded 1234 events"));
    assert_non_null(strstr(outcome.text, "lost: { worker = 0 }, { flags = 0, events = 1234,"));
    free(outcome.text);
}

static void
babeltrace_reads_what_a_killed_process_left(void **state)
{
    struct traces *traces = *state;
    NEED_BABELTRACE();
    for (int mode = TR_TRACE_FLIGHT; mode <= TR_TRACE_FILE; mode++) {
        for (int round = 0; round < 3; round++) {
            traces_write_and_kill(traces, (enum tr_trace_mode)mode);
            expect_agreement(traces, "receive");
            tests_directory_remove(traces->directory);
        }
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(babeltrace_reads_events_and_names_as_they_were_given),
        TEST(babeltrace_reads_many_files_of_a_stream_as_one),
        TEST(babeltrace_reads_every_kind_of_event_as_often_as_it_was_written),
        TEST(babeltrace_reads_what_the_flight_recorder_kept),
        TEST(babeltrace_is_told_of_losses),
        TEST(babeltrace_reads_what_a_killed_process_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
