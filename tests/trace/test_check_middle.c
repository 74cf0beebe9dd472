/*
 * Traces that begin and end in the middle: what may have been before is unknown, and everything else is held to the
 * rules.
 */
#include "checked.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BEFORE = 5 }; /* messages that each worker had sent */

#define OLD TRI_TRACE_MESSAGE(1, BEFORE)
#define LATER TRI_TRACE_MESSAGE(1, BEFORE + 1)
#define C TRI_TRACE_REF(0, 2, 1)

/* A was there, and B; C is born. */
static void
attach(struct traces *traces)
{
    tests_directory_remove(traces->directory); /* of the trace before */
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    traces_write(traces, 0, TRI_TRACE_CORE_attached, 0, 0, BEFORE);
    traces_write(traces, 1, TRI_TRACE_CORE_attached, 0, 0, BEFORE);
    traces_write(traces, 0, ACTORS(present), 0, A, 0);
    traces_write(traces, 1, ACTORS(present), 0, B, 0);
    traces_write(traces, 0, ACTORS(spawn), 0, C, 0);
}

static void
an_actor_that_was_there_lives(void **state)
{
    struct traces *traces = *state;
    attach(traces);
    write_send(traces, B, LATER, 1);
    write_receive(traces, A, LATER, 1);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
    expect_finding(traces, 0, "passed   life");
}

static void
an_actor_that_is_there_twice_fails(void **state)
{
    struct traces *traces = *state;
    attach(traces);
    traces_write(traces, 0, ACTORS(present), 0, A, 0);
    expect_finding(traces, 1, "it is introduced after it was there");
}

static void
an_actor_that_was_there_is_not_born_once_more(void **state)
{
    struct traces *traces = *state;
    attach(traces);
    traces_write(traces, 0, ACTORS(spawn), 0, A, 0);
    expect_finding(traces, 1, "it is spawned after it was there");
}

static void
an_actor_that_rests_may_begin_again_and_one_that_lives_may_not(void **state)
{
    struct traces *traces = *state;
    attach(traces);
    tri_trace_write(tri_trace_stream_of(traces->trace, 0), ACTORS(present), 1, 0, TRI_TRACE_REF(0, 3, 1), 0);
    traces_write(traces, 0, ACTORS(restart), 0, TRI_TRACE_REF(0, 3, 1), 0);
    expect_finding(traces, 0, "passed   restart");
    attach(traces);
    traces_write(traces, 0, ACTORS(restart), 0, C, 0);
    expect_finding(traces, 1, "it begins again before it has ended");
}

static void
a_message_that_was_sent_before_is_unknown(void **state)
{
    struct traces *traces = *state;
    attach(traces);
    write_receive(traces, A, OLD, 1);
    write_receive(traces, A, 0, 1);
    expect_finding(traces, 0, "unknown  sent_before");
}

static void
a_message_that_was_sent_later_must_have_its_send(void **state)
{
    struct traces *traces = *state;
    attach(traces);
    write_receive(traces, A, LATER, 1);
    expect_finding(traces, 1, "no send before it");
}

static void
a_message_without_an_id_fails_in_a_trace_that_is_whole(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_receive(traces, A, 0, 1);
    expect_finding(traces, 1, "no send before it");
}

/* What an actor began before is unknown when it ends; of one that was born later all is in the trace. */
static void
what_began_before_may_end_but_not_of_an_actor_that_was_born_later(void **state)
{
    static const struct {
        uint16_t id;
        uint64_t message;
        const char *unknown, *failed;
    } ends[] = {
        {ACTORS(timer_fired), 3, "unknown  timer", "FAILED   timer"},
        {ACTORS(timer_over), 3, "unknown  timer", "FAILED   timer"},
        {ACTORS(down), B, "unknown  monitor", "FAILED   monitor"},
        {ACTORS(unmonitor), B, "unknown  monitor", "FAILED   monitor"},
        {ACTORS(ask_over), 0, "unknown  ask", "FAILED   ask"},
        {ACTORS(ask_over), TRI_TRACE_MESSAGE(0, 2), "unknown  ask", "FAILED   ask"},
        {NET(socket_data), 0, "unknown  socket", "FAILED   socket"},
        {NET(socket_drain), 0, "unknown  socket", "FAILED   socket"},
    };
    struct traces *traces = *state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        attach(traces);
        traces_write(traces, 0, ends[i].id, 0, A, ends[i].message);
        expect_finding(traces, 0, ends[i].unknown);
        attach(traces);
        traces_write(traces, 0, ends[i].id, 0, C, ends[i].message);
        expect_finding(traces, 1, ends[i].failed);
    }
}

static void
two_outcomes_of_questions_that_were_asked_before_are_unknown(void **state)
{
    struct traces *traces = *state;
    attach(traces);
    traces_write(traces, 0, ACTORS(ask_over), 0, A, 0);
    traces_write(traces, 0, ACTORS(ask_over), 0, A, 0);
    expect_finding(traces, 0, "unknown  ask");
}

static void
a_trace_that_ends_while_the_program_runs_on_may_lack_the_sends_of_who_has_left(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 1, TRI_TRACE_CORE_detached, 0, 0, 0);
    write_receive(traces, A, 0, 1);
    expect_finding(traces, 0, "unknown  sent_before");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_actor_that_was_there_lives),
        TEST(an_actor_that_is_there_twice_fails),
        TEST(an_actor_that_was_there_is_not_born_once_more),
        TEST(an_actor_that_rests_may_begin_again_and_one_that_lives_may_not),
        TEST(a_message_that_was_sent_before_is_unknown),
        TEST(a_message_that_was_sent_later_must_have_its_send),
        TEST(a_message_without_an_id_fails_in_a_trace_that_is_whole),
        TEST(what_began_before_may_end_but_not_of_an_actor_that_was_born_later),
        TEST(two_outcomes_of_questions_that_were_asked_before_are_unknown),
        TEST(a_trace_that_ends_while_the_program_runs_on_may_lack_the_sends_of_who_has_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
