/*
 * What troupe-trace says beside its verdicts: which message a failure is about, how many are on their way, what is
 * escaped, whose events they are; and the arguments that it takes for none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/trace.h>
#include <troupe/net/trace.h>

#include "traces.h"

#define A TRI_TRACE_REF(0, 1, 1)
#define B TRI_TRACE_REF(1, 1, 1)
#define ACTORS(event) TRI_TRACE_ACTORS_##event

#define AT(field) offsetof(struct tri_trace_packet, field)
#define EVENT(i) (sizeof(struct tri_trace_packet) + (i)*TRI_TRACE_STEP)

/* Two actors, on workers 0 and 1; the first has a name. */
static void
begin_as(struct traces *traces, const char *name)
{
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    traces_write(traces, 0, ACTORS(spawn), tri_trace_name(traces->trace, name), A, 0);
    traces_write(traces, 1, ACTORS(spawn), 0, B, A);
}

static void
begin(struct traces *traces)
{
    begin_as(traces, "sender");
}

static void
send(struct traces *traces, unsigned id)
{
    traces_write(traces, 0, ACTORS(send), 1, A, TRI_TRACE_MESSAGE(0, id));
}

static void
receive(struct traces *traces, uint64_t message)
{
    traces_write(traces, 1, ACTORS(receive), 1, B, message);
}

/* -- check -- */

static void
messages_that_nobody_received_yet_are_counted(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    for (unsigned i = 1; i <= 3; i++)
        send(traces, i);
    receive(traces, TRI_TRACE_MESSAGE(0, 1));
    traces_close(traces);
    traces_expect(traces, "check", 0, "; 2 messages were still on their way\n");
}

static void
what_is_unknown_once_is_counted(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    receive(traces, TRI_TRACE_MESSAGE(0, 1)); /* the trace is open: its send may not be written yet */
    traces_expect(traces, "check", 0, "; unknown 1 times");
    traces_close(traces);
}

static void
a_failure_of_a_dead_letter_names_its_message(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    traces_write(traces, 1, ACTORS(dead_letter), 0, B, TRI_TRACE_MESSAGE(0, 8));
    traces_close(traces);
    traces_expect(traces, "check", 1, "worker 1  dead_letter  actor 1:1.1  message 0:8\n");
}

static void
a_dead_letter_without_an_id_is_no_case(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    traces_write(traces, 1, ACTORS(dead_letter), 0, B, 0);
    traces_close(traces);
    traces_expect(traces, "check", 0, "no case  sent_before");
}

static void
a_message_of_a_stream_that_a_closed_trace_has_not_was_never_sent(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    receive(traces, TRI_TRACE_MESSAGE(7, 1));
    traces_close(traces);
    traces_expect(traces, "check", 1, "FAILED   sent_before");
}

static void
a_message_that_came_in_the_tick_of_its_send_contradicts_nothing(void **state)
{
    struct traces *traces = *state;
    static const uint64_t times[] = {1000, 2000};
    begin(traces);
    send(traces, 1);
    receive(traces, TRI_TRACE_MESSAGE(0, 1));
    traces_close(traces);
    for (unsigned worker = 0; worker < 2; worker++) {
        const char *file = worker == 0 ? "worker-0.00000000" : "worker-1.00000000";
        traces_patch(traces, file, AT(timestamp_begin), &times[0], sizeof(times[0]));
        for (unsigned i = 0; i < 2; i++)
            traces_patch(traces, file, EVENT(i), &times[i], sizeof(times[i]));
    }
    const char *const words[] = {TROUPE_TRACE, "check", traces->directory, NULL};
    struct outcome outcome = traces_run(words);
    assert_int_equal(outcome.status, 0);
    assert_null(strstr(outcome.text, "contradicts"));
    free(outcome.text);
}

static void
an_event_after_close_fails(void **state)
{
    static const uint16_t events[] = {TRI_TRACE_NET_socket_timeout, TRI_TRACE_NET_socket_write,
                                      TRI_TRACE_NET_socket_shutdown, TRI_TRACE_NET_socket_error};
    struct traces *traces = *state;
    begin(traces);
    for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        uint64_t socket = TRI_TRACE_REF(0, 10 + i, 1);
        traces_write(traces, 0, ACTORS(spawn), 0, socket, 0);
        traces_write(traces, 0, TRI_TRACE_NET_socket_accepted, 0, socket, 0);
        traces_write(traces, 0, TRI_TRACE_NET_socket_close, 0, socket, 0);
        traces_write(traces, 0, events[i], 0, socket, 0);
    }
    traces_close(traces);
    struct outcome outcome = traces_tool(traces, "check", NULL, NULL, NULL, NULL);
    assert_int_equal(outcome.status, 1);
    assert_int_equal(traces_count(outcome.text, "it comes after close"), sizeof(events) / sizeof(events[0]));
    free(outcome.text);
}

/* -- dump -- */

static void
of_streams_that_wait_for_each_other_the_earliest_goes_on(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    traces_write(traces, 0, ACTORS(receive), 1, A, TRI_TRACE_MESSAGE(1, 1));
    traces_write(traces, 1, ACTORS(receive), 1, B, TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, 0, ACTORS(send), 1, A, TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, 1, ACTORS(send), 1, B, TRI_TRACE_MESSAGE(1, 1));
    traces_close(traces);
    struct outcome outcome = traces_tool(traces, "dump", "--event", "receive", NULL, NULL);
    const char *first = strstr(outcome.text, "message 1:1"), *second = strstr(outcome.text, "message 0:1");
    assert_true(first != NULL && second != NULL && first < second);
    free(outcome.text);
}

static void
an_actor_keeps_its_name_where_its_spawn_is_not_shown(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    send(traces, 1);
    traces_close(traces);
    struct outcome outcome = traces_tool(traces, "dump", "--event", "send", NULL, NULL);
    assert_non_null(strstr(outcome.text, "0:1.1 (sender)"));
    assert_null(strstr(outcome.text, "spawn"));
    free(outcome.text);
}

/* U+061C and U+2066 to U+2069 turn the direction of what follows. */
static void
characters_that_turn_the_direction_of_a_text_are_escaped(void **state)
{
    struct traces *traces = *state;
    begin_as(traces, "a\xd8\x9c"
                     "b\xe2\x81\xa6"
                     "c\xe2\x81\xa9");
    traces_close(traces);
    traces_expect(traces, "dump", 0, "(a\\xd8\\x9cb\\xe2\\x81\\xa6c\\xe2\\x81\\xa9)");
}

/* U+0080 to U+009F are commands to a terminal, too. */
static void
the_second_set_of_control_characters_is_escaped_and_no_more(void **state)
{
    struct traces *traces = *state;
    begin_as(traces, "a\xc2\x80"
                     "b\xc2\x9f"
                     "c\xc2\xa0");
    traces_close(traces);
    traces_expect(traces, "dump", 0, "(a\\xc2\\x80b\\xc2\\x9fc\xc2\xa0)");
}

static void
names_and_numbers_that_are_none_are_refused(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    traces_close(traces);
    static const char *const cases[][2] = {
        {"--actor", "4096:1.1"},     /* no worker has that number */
        {"--actor", "1:16777216.1"}, /* nor an actor that place */
        {"--actor", "-1"},           {"--actor", " 1"},  {"--actor", "1:1.1x"},
        {"--worker", "1x"},          {"--worker", " 1"}, {"--worker", "outsider"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome outcome = traces_tool(traces, "dump", cases[i][0], cases[i][1], NULL, NULL);
        if (outcome.status != 2)
            fail_msg("dump %s '%s' ended with %d", cases[i][0], cases[i][1], outcome.status);
        free(outcome.text);
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(messages_that_nobody_received_yet_are_counted),
        TEST(what_is_unknown_once_is_counted),
        TEST(a_failure_of_a_dead_letter_names_its_message),
        TEST(a_dead_letter_without_an_id_is_no_case),
        TEST(a_message_of_a_stream_that_a_closed_trace_has_not_was_never_sent),
        TEST(a_message_that_came_in_the_tick_of_its_send_contradicts_nothing),
        TEST(an_event_after_close_fails),
        TEST(of_streams_that_wait_for_each_other_the_earliest_goes_on),
        TEST(an_actor_keeps_its_name_where_its_spawn_is_not_shown),
        TEST(characters_that_turn_the_direction_of_a_text_are_escaped),
        TEST(the_second_set_of_control_characters_is_escaped_and_no_more),
        TEST(names_and_numbers_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
