/*
 * A second reader, in Python and from docs/trace-format.md alone (reader.py), reads the same as troupe-trace. Skipped
 * where there is no Python.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/trace.h>
#include <troupe/net/trace.h>

#include <cmocka.h>

#include "../../net/base/tags.h"
#include "helpers.h"
#include "small_trace.h"

/* Does a line of the shell end well? */
static bool
run(const char *command)
{
    struct outcome outcome = traces_run((const char *const[]){"sh", "-c", command, NULL});
    free(outcome.text);
    return outcome.status == 0;
}

/* cmocka's skip() leaves the test. */
#define NEED_PYTHON()                                                                                                  \
    do {                                                                                                               \
        if (!run("command -v python3")) {                                                                              \
            print_message("python3 is not installed\n");                                                               \
            skip();                                                                                                    \
        }                                                                                                              \
    } while (0)

/* On each field of so many events; 0: of any number but none. */
static void
expect_agreement(const struct traces *traces, unsigned events)
{
    char command[2000], words[80];
    snprintf(command, sizeof(command), "'%s' dump --json '%s' | python3 '%s' '%s'", TROUPE_TRACE, traces->directory,
             TROUPE_READER, traces->directory);
    snprintf(words, sizeof(words), "%u events agree\n", events);
    const char *const line[] = {"sh", "-c", command, NULL};
    struct outcome outcome = traces_run(line);
    bool agree = outcome.status == 0 &&
                 (events == 0 ? strtoul(outcome.text, NULL, 10) > 0 && strstr(outcome.text, " events agree\n") != NULL
                              : strcmp(outcome.text, words) == 0);
    if (!agree)
        fail_msg("%u events should agree; it ended with %d:\n%s", events, outcome.status, outcome.text);
    free(outcome.text);
}

static void
both_read_names_messages_statuses_and_threads_outside_alike(void **state)
{
    NEED_PYTHON();
    write_small(*state);
    expect_agreement(*state, 7);
}

static const struct tri_trace_event core_events[] = {TRI_TRACE_CORE_EVENTS(TRI_TRACE_DESCRIPTION)};
static const struct tri_trace_event actors_events[] = {TRI_TRACE_ACTORS_EVENTS(TRI_TRACE_DESCRIPTION)};
static const struct tri_trace_event net_events[] = {TRI_TRACE_NET_EVENTS(TRI_TRACE_DESCRIPTION)};

/* Fields that no two of them share, and words that no table has. */
static const uint64_t values[] = {0, 1, 2, 3, 0x1000000002, UINT64_C(0xfffffffffffffff0)};

static void
write_all(const struct traces *traces, const struct tri_trace_event *events, size_t count, unsigned *written)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++, ++*written)
            tri_trace(tri_trace_stream_of(traces->trace, (unsigned)i % 2), events[i].id, (uint16_t)v,
                      (uint32_t)values[v], A + v, values[v]);
    }
}

static unsigned
write_every_event(struct traces *traces)
{
    unsigned written = 0;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    tri_trace_name(traces->trace, "first");
    write_all(traces, core_events + 1, sizeof(core_events) / sizeof(core_events[0]) - 1,
              &written); /* `lost` is the recorder's own */
    write_all(traces, actors_events, sizeof(actors_events) / sizeof(actors_events[0]), &written);
    write_all(traces, net_events, sizeof(net_events) / sizeof(net_events[0]), &written);
    traces_write(traces, 0, TRI_TRACE_ACTORS_send, TRI_TAG_SOCKET_WRITE, A, TRI_TRACE_MESSAGE(0, 77));
    traces_close(traces);
    return written + 1;
}

static void
both_read_all_fields_of_every_event_alike(void **state)
{
    NEED_PYTHON();
    expect_agreement(*state, write_every_event(*state));
}

static void
both_read_a_packed_trace_that_tar_and_zstd_have_unpacked_alike(void **state)
{
    struct traces *traces = *state;
    char command[400];
    NEED_PYTHON();
    unsigned written = write_every_event(traces);
    struct outcome pack = traces_tool(traces, "pack", NULL, NULL, NULL, NULL);
    bool can = strstr(pack.text, "was built without libzstd") == NULL && run("command -v zstd");
    free(pack.text);
    if (!can) {
        print_message("zstd is not installed, or troupe-trace was built without it\n");
        skip();
    }
    assert_int_equal(pack.status, 0);
    tests_directory_remove(traces->directory);
    snprintf(command, sizeof(command), "cd '%s' && zstd -dcq trace.tar.zst | tar x && rm trace.tar.zst", traces->base);
    assert_true(run(command));
    expect_agreement(traces, written);
}

static void
both_read_what_a_killed_process_left_alike(void **state)
{
    struct traces *traces = *state;
    NEED_PYTHON();
    for (int mode = TR_TRACE_FLIGHT; mode <= TR_TRACE_FILE; mode++) {
        traces_write_and_kill(traces, (enum tr_trace_mode)mode);
        expect_agreement(traces, 0);
        tests_directory_remove(traces->directory);
    }
}

static void
both_read_what_the_flight_recorder_kept_and_what_was_lost_alike(void **state)
{
    struct traces *traces = *state;
    NEED_PYTHON();
    traces_open(traces, TR_TRACE_FLIGHT, 3, 0);
    traces_fill(traces, 0, 10 * FULL + 3);
    traces_close(traces);
    expect_agreement(traces, 2 * FULL + 3);
    tests_directory_remove(traces->directory);
    traces_open(traces, TR_TRACE_FILE, 0, 5 * SEGMENT);
    traces_fill(traces, 0, 2 * FULL + 1234);
    traces_close(traces);
    expect_agreement(traces, 2 * FULL + 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(both_read_names_messages_statuses_and_threads_outside_alike),
        TEST(both_read_all_fields_of_every_event_alike),
        TEST(both_read_a_packed_trace_that_tar_and_zstd_have_unpacked_alike),
        TEST(both_read_what_a_killed_process_left_alike),
        TEST(both_read_what_the_flight_recorder_kept_and_what_was_lost_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
