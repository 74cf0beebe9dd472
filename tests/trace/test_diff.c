/*
 * What `troupe-trace diff` says of two traces.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helpers.h"
#include "timed.h"

#define A TRI_TRACE_REF(0, 1, 1)
#define B TRI_TRACE_REF(1, 1, 1)
#define M(count) TRI_TRACE_MESSAGE(0, count)

/* A sends to B messages of these tags; slots and times are those of the run. */
static void
write_run(const char *directory, uint64_t slots, uint64_t wait, const char *tags)
{
    timed_begin();
    timed_spawn(0, A + slots, "client");
    timed_spawn(0, B + slots, "server");
    for (uint64_t i = 0; i < strlen(tags); i++) {
        timed_send(i * MS, A + slots, M(i + 1), (uint32_t)(tags[i] - '0'));
        timed_receive(i * MS + wait, B + slots, M(i + 1), (uint32_t)(tags[i] - '0'));
    }
    timed_end(directory, true);
}

static void
expect_diff(struct traces *traces, const char *option, int status, const char *part)
{
    char other[300];
    snprintf(other, sizeof(other), "%s/other", traces->base);
    const char *words[] = {TROUPE_TRACE, "diff", traces->directory, other, option, NULL};
    struct outcome outcome = traces_run(words);
    if (outcome.status != status || strstr(outcome.text, part) == NULL)
        fail_msg("diff ended with %d, or did not print %s:\n%s", outcome.status, part, outcome.text);
    free(outcome.text);
    tests_directory_remove(other);
}

static void
write_runs(struct traces *traces, const char *before, const char *after)
{
    char other[300];
    snprintf(other, sizeof(other), "%s/other", traces->base);
    write_run(traces->directory, 0, 100, before);
    write_run(other, 77, 300, after);
}

static void
runs_that_deliver_the_same_do_not_differ(void **state)
{
    struct traces *traces = *state;
    write_runs(traces, "12345", "12345");
    expect_diff(traces, NULL, 0,
                "5 deliveries are the same in both\n\n"
                "medians that changed by a fifth or more, from A to B:\nnone\n");
}

static void
diff_names_the_first_delivery_that_differs(void **state)
{
    struct traces *traces = *state;
    write_runs(traces, "12345", "12435");
    expect_diff(traces, NULL, 1,
                "2 deliveries are the same in both\n"
                "first divergence server: A tag 3 (message 0:3 to 1:1.1)  B tag 4 (message 0:3 to 1:78.1)\n");
}

static void
diff_counts_what_only_one_run_has(void **state)
{
    struct traces *traces = *state;
    write_runs(traces, "123", "12345");
    expect_diff(traces, NULL, 1, "0 deliveries only A has, 2 only B");
}

/* The same tag to the same actor, but from the thread outside. */
static void
another_sender_is_a_difference(void **state)
{
    struct traces *traces = *state;
    char other[300];
    snprintf(other, sizeof(other), "%s/other", traces->base);
    write_run(other, 0, 100, "1");
    timed_begin();
    timed_spawn(0, A, "client");
    timed_spawn(0, B, "server");
    timed_send(1, 0, TRI_TRACE_MESSAGE(OUTSIDE, 1), 1);
    timed_receive(2, B, TRI_TRACE_MESSAGE(OUTSIDE, 1), 1);
    timed_end(traces->directory, true);
    expect_diff(traces, "--order-only", 1, "  from another sender\n");
}

static void
diff_tells_medians_that_changed(void **state)
{
    struct traces *traces = *state;
    write_runs(traces, "1111111111111111111111111", "1111111111111111111111111");
    expect_diff(traces, NULL, 0, "server                       tag 1            wait 100 ns -> 300 ns\n");
    write_runs(traces, "1111111111111111111111111", "1111111111111111111111111");
    expect_diff(traces, "--order-only", 0, "25 deliveries are the same in both\n");
}

static void
diff_needs_two_directories(void **state)
{
    expect_output(*state, "diff", NULL, NULL, 2, "two directories are needed");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(runs_that_deliver_the_same_do_not_differ), TEST(diff_names_the_first_delivery_that_differs),
        TEST(diff_counts_what_only_one_run_has),        TEST(another_sender_is_a_difference),
        TEST(diff_tells_medians_that_changed),          TEST(diff_needs_two_directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
