/*
 * `troupe-trace follow` reads what this program writes meanwhile. It waits for lines, so nothing depends on time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "timed.h"

#define A TRI_TRACE_REF(0, 7, 3)
#define TAIL_MOST 65536u /* of tail.h */

static FILE *
follow(const struct traces *traces, const char *options)
{
    char command[900];
    snprintf(command, sizeof(command), "%s follow %s '%s'", TROUPE_TRACE, options, traces->directory);
    FILE *output = popen(command, "r");
    assert_non_null(output);
    return output;
}

static void
expect_next(FILE *output, const char *part)
{
    char line[400];
    assert_non_null(fgets(line, sizeof(line), output));
    if (strstr(line, part) == NULL)
        fail_msg("the next line is not %s: %s", part, line);
}

static void
expect_end(FILE *output)
{
    assert_int_equal(fgetc(output), EOF);
    assert_int_equal(WEXITSTATUS(pclose(output)), 0);
}

static void
follow_prints_events_as_they_are_written_until_the_program_ends(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    traces_write(traces, 0, ACTORS(spawn), tri_trace_name(traces->trace, "first"), A, 0);
    FILE *output = follow(traces, "--all");
    expect_next(output, "spawn              0:7.3 (first)");
    traces_write(traces, 1, ACTORS(spawn), tri_trace_name(traces->trace, "second"), TRI_TRACE_REF(1, 1, 1), A);
    expect_next(output, "spawn              1:1.1 (second)  parent 0:7.3");
    traces_write(traces, OUTSIDE, ACTORS(send), 6, 0, TRI_TRACE_MESSAGE(OUTSIDE, 1));
    expect_next(output, "outside  send ");
    traces_close(traces);
    expect_end(output);
}

static void
follow_goes_on_from_file_to_file(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_write(traces, 0, CORE(lane_full), 0, 0, 0);
    FILE *output = follow(traces, "--all --json --event lane_full");
    expect_next(output, "\"to_worker\":0,");
    for (uint32_t i = 1; i <= 5 * FULL; i++)
        traces_write(traces, 0, CORE(lane_full), i, 0, 0);
    traces_fill(traces, 0, 5);
    traces_close(traces);
    for (uint32_t i = 1; i <= 5 * FULL; i++) {
        char part[40];
        snprintf(part, sizeof(part), "\"to_worker\":%u,", i);
        expect_next(output, part);
    }
    expect_end(output);
}

/* Those of worker 0 are more than are read at once. */
static void
follow_keeps_the_order_of_times_where_a_worker_has_much_to_tell(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, UINT64_C(64) << 20);
    traces_fill(traces, 0, TAIL_MOST + 5000);
    traces_write(traces, 1, CORE(lane_full), 7, 0, 0);
    traces_close(traces);
    struct outcome outcome = traces_tool(traces, "follow", "--all", "--json", NULL, NULL);
    assert_int_equal(outcome.status, 0);
    assert_int_equal(traces_count(outcome.text, "\"event\":\"over_budget\""), TAIL_MOST + 5000);
    const char *last = strstr(outcome.text, "\"to_worker\":7,");
    assert_non_null(last);
    assert_null(strstr(last, "\"event\":\"over_budget\""));
    free(outcome.text);
}

static void
of_a_program_that_has_ended_nothing_follows(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_fill(traces, 0, 5);
    traces_close(traces);
    expect_end(follow(traces, ""));
}

static void
what_is_no_trace_is_not_followed(void **state)
{
    struct traces *traces = *state;
    static const char zeros[4];
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_fill(traces, 0, 5);
    traces_close(traces);
    traces_patch(traces, "worker-0.00000000", 0, zeros, sizeof(zeros));
    traces_expect(traces, "follow", 2, "worker-0.00000000: offset 0: bad magic 0x00000000");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(follow_prints_events_as_they_are_written_until_the_program_ends),
        TEST(follow_goes_on_from_file_to_file),
        TEST(follow_keeps_the_order_of_times_where_a_worker_has_much_to_tell),
        TEST(of_a_program_that_has_ended_nothing_follows),
        TEST(what_is_no_trace_is_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
