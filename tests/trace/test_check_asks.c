/*
 * Rules of questions, and of messages that are set aside.
 */
#include "checked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define QUESTION TRI_TRACE_MESSAGE(0, 1)
#define ANSWER TRI_TRACE_MESSAGE(1, 1)

static void
ask(struct traces *traces)
{
    traces_write(traces, 0, ACTORS(ask), 0, A, QUESTION);
    write_send(traces, A, QUESTION, 1);
    write_receive(traces, B, QUESTION, 1);
    write_send(traces, B, ANSWER, 2);
    write_receive(traces, A, ANSWER, 2);
}

static void
a_question_with_one_outcome_passes(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    ask(traces);
    traces_write(traces, 0, ACTORS(ask_over), 0, A, QUESTION);
    expect_finding(traces, 0, "passed   ask");
}

static void
a_question_without_an_outcome_passes(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    ask(traces);
    expect_finding(traces, 0, "passed   ask");
}

static void
two_outcomes_fail(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    ask(traces);
    traces_write(traces, 0, ACTORS(ask_over), 0, A, QUESTION);
    traces_write(traces, 0, ACTORS(ask_over), 1, A, QUESTION);
    expect_finding(traces, 1, "FAILED   ask");
}

static void
an_outcome_of_what_nobody_asked_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 0, ACTORS(ask_over), 0, A, QUESTION);
    expect_finding(traces, 1, "FAILED   ask");
}

static void
an_outcome_in_another_actor_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    ask(traces);
    traces_write(traces, 1, ACTORS(ask_over), 0, B, QUESTION);
    expect_finding(traces, 1, "FAILED   ask");
}

static void
a_question_that_is_asked_twice_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 0, ACTORS(ask), 0, A, QUESTION);
    ask(traces);
    expect_finding(traces, 1, "FAILED   ask");
}

static void
a_message_that_was_set_aside_is_received_again(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_send(traces, A, QUESTION, 1);
    write_receive(traces, B, QUESTION, 1);
    traces_write(traces, 1, ACTORS(stash), 0, B, QUESTION);
    write_receive(traces, B, QUESTION, 1);
    expect_finding(traces, 0, "passed   once");
}

static void
a_message_that_was_set_aside_is_received_once_more_and_no_further(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_send(traces, A, QUESTION, 1);
    write_receive(traces, B, QUESTION, 1);
    traces_write(traces, 1, ACTORS(stash), 0, B, QUESTION);
    write_receive(traces, B, QUESTION, 1);
    write_receive(traces, B, QUESTION, 1);
    expect_finding(traces, 1, "FAILED   once");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_question_with_one_outcome_passes),
        TEST(a_question_without_an_outcome_passes),
        TEST(two_outcomes_fail),
        TEST(an_outcome_of_what_nobody_asked_fails),
        TEST(an_outcome_in_another_actor_fails),
        TEST(a_question_that_is_asked_twice_fails),
        TEST(a_message_that_was_set_aside_is_received_again),
        TEST(a_message_that_was_set_aside_is_received_once_more_and_no_further),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
