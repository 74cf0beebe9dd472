/*
 * The rules of a program's own, and what `troupe-trace assert` says of traces that keep or break them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/core/status.h>

#include "helpers.h"
#include "timed.h"

#define A TRI_TRACE_REF(0, 1, 1)
#define B TRI_TRACE_REF(1, 1, 1)
#define C TRI_TRACE_REF(1, 2, 1)
#define M(count) TRI_TRACE_MESSAGE(0, count)

/* A sends to B (server), 1 with tag 5 and 2 with tag 6; and 3 with tag 5 to C (server too). */
static void
write_trace(struct traces *traces)
{
    timed_begin();
    timed_spawn(0, A, "client");
    timed_spawn(0, B, "server");
    timed_spawn(0, C, "server");
    timed_send(1 * MS, A, M(1), 5);
    timed_receive(2 * MS, B, M(1), 5);
    timed_send(3 * MS, A, M(2), 6);
    timed_receive(8 * MS, B, M(2), 6);
    timed_send(9 * MS, A, M(3), 6);
    timed_receive(10 * MS, C, M(3), 6);
    timed_event(0, 30 * MS, CORE(worker_stop), 0, 0, 0);
    timed_end(traces->directory, true);
}

static void
expect_rules(struct traces *traces, const char *rules, int status, const char *part)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/rules", traces->base);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(rules, file);
    fclose(file);
    expect_output(traces, "assert", path, NULL, status, part);
    unlink(path);
}

static void
rules_pass_or_fail(void **state)
{
    static const struct {
        const char *rule;
        int status;
    } cases[] = {
        {"send 5 before receive 5", 0},
        {"receive 6 before receive 5", 1},
        {"receive 5 of server before receive 6 of server", 0},
        {"receive 5 of client before receive 6", 1},
        {"for each server: receive 5 before receive 6", 1}, /* C had no 5 */
        {"for each client: receive 5 before receive 6", 0}, /* it receives nothing */
        {"never dead_letter", 0},
        {"never receive 6", 1},
        {"never receive 5 after receive 6", 0},
        {"never receive 6 after receive 5", 1},
        {"for each server: never receive 6 after receive 5 of server", 1},
        {"receive 5 within 1 ms of send 5", 0},
        {"receive 5 within 999us of send 5", 1},
        {"receive 6 within 5ms of send 6", 0},
        {"receive 6 within 4.9 ms of send 6", 1},
        {"dead_letter within 1 s of send 6", 0},   /* the trace ends before */
        {"dead_letter within 20 ms of send 6", 1}, /* it never comes */
        {"# nothing\n\n  never receive 9 # of any\n", 0},
        {"never receive of \"server\"", 1},
    };
    struct traces *traces = *state;
    write_trace(traces);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_rules(traces, cases[i].rule, cases[i].status, cases[i].status == 0 ? " times  line " : "FAILED ");
}

static void
a_broken_rule_is_told_with_its_line_and_the_event(void **state)
{
    struct traces *traces = *state;
    write_trace(traces);
    expect_rules(traces, "never dead_letter\nnever receive 5\n", 1,
                 "rules:2: it must not be: 1970-01-01T00:00:00.002000000Z  worker 1  receive  actor 1:1.1\n");
    expect_rules(traces, "never dead_letter\nnever receive 6\n", 1, "line 2: never receive 6; broken 2 times\n");
    expect_rules(traces, "send 5 before receive 5\n", 0,
                 "passed                1 times  line 1: send 5 before receive 5\n");
    expect_rules(traces, "send 9 before receive 9\n", 0, "no case ");
}

/* A word, the text of a name, and a status. */
static void
a_rule_may_name_what_an_event_says(void **state)
{
    static const struct {
        const char *rule;
        int status;
        const char *part;
    } cases[] = {
        {"never dead_letter mailbox_full", 1, "it must not be: "},
        {"never dead_letter dropped", 0, "passed "},
        {"spawn client before spawn server", 0, "passed "},
        {"never spawn \"no such class\"", 0, "passed "},
        {"never dead_letter of_cold", 2, ":1:19: a word of that event, `of`, `before`, `after` or `within` is needed"},
        {"never socket_error cold", 2, ":1:20: a status such as ECONNRESET, `of`, `before`,"},
    };
    struct traces *traces = *state;
    timed_begin();
    timed_spawn(0, A, "client");
    timed_spawn(0, B, "server");
    timed_send(1 * MS, A, M(1), 5);
    timed_event(1, 2 * MS, ACTORS(dead_letter), 1, B, M(1));
    timed_end(traces->directory, true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_rules(traces, cases[i].rule, cases[i].status, cases[i].part);
    tests_directory_remove(traces->directory);
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    traces_write(traces, 0, NET(socket_error), (uint32_t)TR_ECONNRESET, A, 0);
    traces_close(traces);
    expect_rules(traces, "never socket_error ECONNRESET", 1, "it must not be: ");
    expect_rules(traces, "never socket_error EPIPE", 0, "passed ");
}

static void
a_rule_that_is_none_is_refused_with_line_and_column(void **state)
{
    static const struct {
        const char *rules, *part;
    } cases[] = {
        {"nonsense", ":1:1: the name of an event is needed that the trace knows, not nonsense"},
        {"\n# x\n  send before", ":3:14: the name of an event is needed that the trace knows, and the line ends"},
        {"send beside receive", ":1:6: a tag, `of`, `before`, `after` or `within` is needed, not beside"},
        {"stopped 5 before send", ":1:9: `of`, `before`, `after` or `within` is needed, not 5"},
        {"send 4294967296 before send", ":1:6: a tag, `of`"},
        {"send within 5 parsecs of receive", ":1:13: a duration such as 5ms is needed, not 5"},
        {"send within", ":1:12: a duration such as 5ms is needed, and the line ends"},
        {"send within 5ms receive", ":1:17: `of` is needed, not receive"},
        {"never send after receive 5 of a before", ":1:33: the end of the line is needed, not before"},
        {"for all: never send", ":1:5: `each` is needed, not all"},
        {"for each a never send", ":1:12: a colon is needed, not never"},
        {"never send of \"a", ":1:15: a quotation mark is missing"},
        {"never send of", ":1:14: the name of a class is needed, and the line ends"},
        {"send", ":1:5: `before` or `within` is needed, and the line ends"},
        {"send \x1b[31m", ":1:6: a tag, `of`, `before`, `after` or `within` is needed, not \\x1b[31m"},
    };
    struct traces *traces = *state;
    write_trace(traces);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_rules(traces, cases[i].rules, 2, cases[i].part);
    expect_output(traces, "assert", "/nowhere/at/all", NULL, 2, "/nowhere/at/all cannot be opened: ");
    expect_output(traces, "assert", NULL, NULL, 2, "a file of rules and a directory are needed");
}

/* Too many words for one line. */
static void
a_line_without_an_end_is_refused(void **state)
{
    struct traces *traces = *state;
    char rules[20000] = "never send of ";
    memset(rules + 14, 'a', sizeof(rules) - 15);
    write_trace(traces);
    expect_rules(traces, rules, 0, "passed ");
    for (size_t i = 14; i < sizeof(rules) - 1; i += 2)
        rules[i] = ' ';
    expect_rules(traces, rules, 2, "fewer words are needed");
}

static void
rules_of_a_trace_with_losses_are_unknown(void **state)
{
    struct traces *traces = *state;
    char path[300];
    traces_open(traces, TR_TRACE_FILE, 0, 5 * SEGMENT);
    traces_fill(traces, 0, 2 * FULL + 12345);
    traces_close(traces);
    expect_rules(traces, "never sleep\n", 0, "unknown ");
    expect_rules(traces, "mark before over_budget\n", 0, "unknown ");
    expect_rules(traces, "mark within 1 ns of over_budget\n", 0, "; unknown 1 times\n");
    snprintf(path, sizeof(path), "%s/rules", traces->base);
    FILE *file = fopen(path, "w");
    fputs("never sleep\n", file);
    fclose(file);
    expect_output(traces, "assert", "--strict", path, 3, "unknown ");
    unlink(path);
}

/* B was there before it, and C is not. */
static void
what_may_have_been_before_a_trace_that_begins_in_the_middle_is_unknown(void **state)
{
    struct traces *traces = *state;
    timed_begin();
    timed_event(OUTSIDE, 0, CORE(attached), 0, 0, 0);
    timed_event(1, 0, CORE(attached), 0, 0, 0);
    timed_event(1, 1, ACTORS(present), timed_name("server"), B, 0);
    timed_send(1 * MS, 0, TRI_TRACE_MESSAGE(OUTSIDE, 1), 5);
    timed_receive(2 * MS, B, TRI_TRACE_MESSAGE(OUTSIDE, 1), 5);
    timed_end(traces->directory, true);
    expect_rules(traces, "receive 6 before receive 5\n", 0, "unknown               1 times");
    expect_rules(traces, "for each server: receive 6 before receive 5\n", 0, "; unknown 1 times\n");
    timed_event(OUTSIDE, 0, CORE(attached), 0, 0, 0);
    timed_event(1, 0, CORE(attached), 0, 0, 0);
    timed_spawn(1 * MS, C, "server");
    timed_send(1 * MS, 0, TRI_TRACE_MESSAGE(OUTSIDE, 1), 5);
    timed_receive(2 * MS, C, TRI_TRACE_MESSAGE(OUTSIDE, 1), 5);
    timed_end(traces->directory, true);
    expect_rules(traces, "receive 6 before receive 5\n", 0, "unknown               1 times");
    expect_rules(traces, "for each server: receive 6 before receive 5\n", 1, "nothing was before");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(rules_pass_or_fail),
        TEST(a_broken_rule_is_told_with_its_line_and_the_event),
        TEST(a_rule_that_is_none_is_refused_with_line_and_column),
        TEST(a_rule_may_name_what_an_event_says),
        TEST(a_line_without_an_end_is_refused),
        TEST(rules_of_a_trace_with_losses_are_unknown),
        TEST(what_may_have_been_before_a_trace_that_begins_in_the_middle_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
