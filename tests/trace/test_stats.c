/*
 * What `troupe-trace stats` says of traces whose times are known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "timed.h"

#define A TRI_TRACE_REF(0, 1, 1)
#define B TRI_TRACE_REF(1, 1, 1)
#define M(count) TRI_TRACE_MESSAGE(0, count)

/* Ends the trace and expects a part of it in JSON. */
static void
expect_json(struct traces *traces, const char *part)
{
    timed_end(traces->directory, true);
    expect_output(traces, "stats", "--json", NULL, 0, part);
}

/* A (client) sends to B (server), which waits and works as told, and sleeps after it. */
static void
write_one(uint64_t at, uint64_t count, uint32_t tag, uint64_t wait, uint64_t work)
{
    timed_send(at, A, M(count), tag);
    timed_receive(at + wait, B, M(count), tag);
    timed_event(1, at + wait + work, CORE(sleep), 0, 0, 0);
}

static void
write_two(void)
{
    timed_begin();
    timed_spawn(0, A, "client");
    timed_spawn(0, B, "server");
}

static void
stats_gives_waits_and_works_by_class_and_tag(void **state)
{
    struct traces *traces = *state;
    write_two();
    write_one(1000, 1, 5, 40, 7);
    write_one(2000, 2, 5, 50, 9);
    write_one(3000, 3, 6, 60, 11);
    expect_json(traces, "{\"of\":\"messages\",\"class\":\"server\",\"tag\":5,"
                        "\"wait\":{\"count\":2,\"p50_ns\":40,\"p99_ns\":50,\"max_ns\":50,\"total_ns\":90},"
                        "\"work\":{\"count\":2,\"p50_ns\":7,\"p99_ns\":9,\"max_ns\":9,\"total_ns\":16}}\n");
    expect_output(traces, "stats", "--json", NULL, 0, "\"tag\":6,\"wait\":{\"count\":1,\"p50_ns\":60,");
    expect_output(traces, "stats", NULL, NULL, 0,
                  "server                       5                             2      40 ns      50 ns      50 ns "
                  "      7 ns       9 ns       9 ns\n");
}

static uint64_t
number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    assert_non_null(at);
    return strtoull(at + strlen(key), NULL, 10);
}

static void
percentiles_are_off_by_less_than_one_in_a_hundred(void **state)
{
    struct traces *traces = *state;
    write_two();
    for (uint64_t i = 1; i <= 1000; i++)
        write_one(i * 100 * MS, i, 5, i * 7919, 1);
    timed_end(traces->directory, true);
    struct outcome outcome = traces_tool(traces, "stats", "--json", NULL, NULL, NULL);
    const char *wait = strstr(outcome.text, "\"wait\":");
    assert_in_range(number_after(wait, "\"p50_ns\":"), 500 * 7919 / 100 * 99, 500 * 7919 / 100 * 101);
    assert_in_range(number_after(wait, "\"p99_ns\":"), 990 * 7919 / 100 * 99, 990 * 7919 / 100 * 101);
    assert_int_equal(number_after(wait, "\"max_ns\":"), 1000 * 7919);
    free(outcome.text);
}

static void
a_handler_ends_with_the_next_receive_on_its_worker(void **state)
{
    struct traces *traces = *state;
    write_two();
    timed_send(100, A, M(1), 5);
    timed_send(100, A, M(2), 6);
    timed_receive(200, B, M(1), 5);
    timed_receive(230, B, M(2), 6);
    timed_event(1, 240, CORE(worker_stop), 0, 0, 0);
    expect_json(traces, "\"tag\":5,\"wait\":{\"count\":1,\"p50_ns\":100,\"p99_ns\":100,\"max_ns\":100,"
                        "\"total_ns\":100},\"work\":{\"count\":1,\"p50_ns\":30,");
    expect_output(traces, "stats", "--json", NULL, 0,
                  "\"of\":\"class\",\"class\":\"server\",\"spawned\":1,\"received\":2,"
                  "\"in_handlers_ns\":40,");
}

/* B does not come back from its handler, while A goes on. */
static void
a_handler_that_is_open_when_a_trace_is_cut_off_lasts_to_its_end(void **state)
{
    struct traces *traces = *state;
    write_two();
    timed_send(100, A, M(1), 5);
    timed_receive(200, B, M(1), 5);
    timed_send(7200, A, M(2), 5);
    timed_end(traces->directory, false);
    expect_output(traces, "stats", "--json", NULL, 0, "\"work\":{\"count\":1,\"p50_ns\":7000,");
}

static void
a_worker_is_awake_when_it_does_not_sleep(void **state)
{
    struct traces *traces = *state;
    write_two();
    timed_event(0, 1000, CORE(sleep), 0, 0, 0);
    timed_event(0, 8500, CORE(wake), 0, 0, 0);
    timed_event(0, 10000, CORE(worker_stop), 0, 0, 0);
    expect_json(traces, "\"worker\":0,\"events\":4,\"received\":0,\"sent\":0,\"lasts_ns\":10000,\"asleep_ns\":7500,");
    expect_output(traces, "stats", NULL, NULL, 0, "0                         4              0              0   25.0 %");
}

static void
a_worker_is_awake_from_the_first_callback_of_its_loop_on(void **state)
{
    struct traces *traces = *state;
    uint64_t socket = TRI_TRACE_REF(0, 7, 1);
    write_two();
    timed_spawn(0, socket, "socket");
    timed_event(0, 0, NET(socket_accepted), 0, socket, B);
    timed_event(0, 1000, CORE(sleep), 0, 0, 0);
    timed_event(0, 5000, NET(socket_data), 64, socket, 0);
    timed_event(0, 9000, NET(socket_write), 64, socket, 0);
    timed_event(0, 9500, CORE(wake), 0, 0, 0);
    timed_event(0, 10000, CORE(worker_stop), 0, 0, 0);
    expect_json(traces, "\"worker\":0,\"events\":8,\"received\":0,\"sent\":0,\"lasts_ns\":10000,\"asleep_ns\":4000,");
    expect_output(traces, "explain", NULL, NULL, 0, "  workers      worker 0 is the busiest: 60.0 % of its time");
}

/* n messages are sent, and then received. */
static void
write_backlog(uint64_t n)
{
    write_two();
    for (uint64_t i = 1; i <= n; i++)
        timed_send(i, A, M(i), 5);
    for (uint64_t i = 1; i <= n; i++)
        timed_receive(1000000 + i, B, M(i), 5);
}

static uint64_t
deepest(struct traces *traces)
{
    timed_end(traces->directory, true);
    struct outcome outcome = traces_tool(traces, "stats", "--json", NULL, NULL, NULL);
    const char *at = strstr(outcome.text, "\"of\":\"class\",\"class\":\"server\"");
    assert_non_null(at);
    uint64_t depth = number_after(at, "\"deepest\":");
    free(outcome.text);
    return depth;
}

static void
a_mailbox_is_as_deep_as_messages_wait_in_it(void **state)
{
    struct traces *traces = *state;
    write_backlog(100);
    assert_int_equal(deepest(traces), 100);
    write_backlog(100000);
    assert_in_range(deepest(traces), 100000, 100000 + 100000 / 64);
}

/* Whatever came before, no more than one waits at any time. */
static void
a_mailbox_that_is_emptied_after_each_message_is_one_deep(void **state)
{
    struct traces *traces = *state;
    write_two();
    for (uint64_t i = 1; i <= 1000; i++)
        write_one(i * 1000, i, 5, 10, 10);
    assert_int_equal(deepest(traces), 1);
}

/* Clocks of two CPUs disagree. */
static void
a_message_that_is_received_before_its_send_has_waited_no_time(void **state)
{
    struct traces *traces = *state;
    write_two();
    timed_receive(90, B, M(1), 5);
    timed_send(100, A, M(1), 5);
    write_one(1000, 2, 5, 30, 5);
    expect_json(traces, "\"wait\":{\"count\":1,\"p50_ns\":40,"); /* B's clock is 10 behind */
    expect_output(traces, "stats", "--json", NULL, 0, "\"sent\":2,\"received\":2,\"on_the_way\":0,");
}

static void
what_was_not_received_is_on_the_way(void **state)
{
    struct traces *traces = *state;
    write_two();
    for (uint64_t i = 1; i <= 100; i++)
        timed_send(i, A, M(i), 5);
    timed_receive(200, B, M(3), 5);
    expect_json(traces, "\"sent\":100,\"received\":1,\"on_the_way\":99,");
}

static void
connections_are_counted_by_port_and_worker(void **state)
{
    struct traces *traces = *state;
    const uint64_t listener = TRI_TRACE_REF(0, 9, 1);
    write_two();
    timed_event(0, 1, NET(listener_open), 8080, listener, 0);
    timed_event(0, 2, NET(listener_load), 1, listener, 0);
    for (int i = 0; i < 3; i++)
        timed_event(0, 3, NET(listener_accept), 0, listener, A);
    timed_event(0, 4, NET(listener_accept), 1, listener, B);
    expect_json(traces, "{\"of\":\"deals\",\"port\":8080,\"to_worker\":0,\"connections\":3}\n"
                        "{\"of\":\"deals\",\"port\":8080,\"to_worker\":1,\"connections\":1}\n");
    expect_output(traces, "stats", NULL, NULL, 0, "8080                0              3   75.0 %");
}

static void
dead_letters_are_told_by_class_sender_and_reason(void **state)
{
    struct traces *traces = *state;
    write_two();
    timed_event(1, 10, ACTORS(stopped), 0, B, 0);
    for (uint64_t i = 1; i <= 3; i++) {
        timed_send(20 * i, A, M(i), 5);
        timed_event(0, 20 * i + 5, ACTORS(dead_letter), 0, B, M(i));
    }
    timed_end(traces->directory, true);
    expect_output(traces, "stats", NULL, NULL, 0,
                  "server                       client                       no actor                    3\n");
    expect_output(traces, "stats", "--json", NULL, 0,
                  "{\"of\":\"dead_letters\",\"class\":\"server\",\"from\":\"client\",\"reason\":0,\"count\":3}\n");
}

static void
sockets_that_failed_are_told_by_the_class_of_their_server(void **state)
{
    struct traces *traces = *state;
    const uint64_t socket = TRI_TRACE_REF(1, 7, 1);
    write_two();
    timed_spawn(5, socket, "socket");
    timed_event(1, 6, NET(socket_accepted), 0, socket, B);
    timed_event(1, 7, NET(socket_error), (uint32_t)-104, socket, 0);
    timed_end(traces->directory, true);
    expect_parts(traces, "stats", NULL, NULL, 0,
                 (const char *const[]){"sockets failed of", "server   ", "1  1:7.1\n", NULL});
}

static void
only_those_receives_are_counted_that_are_asked_for(void **state)
{
    static const struct {
        const char *option, *value, *part;
    } cases[] = {
        {"--class", "server", "received                   2"}, {"--class", "client", "received                   0"},
        {"--class", "nobody", "received                   0"}, {"--worker", "1", "received                   2"},
        {"--worker", "0", "received                   0"},     {"--actor", "1:1.1", "received                   2"},
        {"--actor", "1:1.2", "received                   0"},  {"--since", "1.5us", "received                   1"},
        {"--until", "1500ns", "received                   1"},
    };
    struct traces *traces = *state;
    write_two();
    write_one(1000, 1, 5, 40, 7);
    write_one(2000, 2, 5, 50, 9);
    timed_end(traces->directory, true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_output(traces, "stats", cases[i].option, cases[i].value, 0, cases[i].part);
    expect_output(traces, "stats", "--since", "1500 ns", 0, "received                   1");
}

static void
dump_takes_classes_and_times(void **state)
{
    static const struct {
        const char *option, *value;
        unsigned lines;
    } cases[] = {{"--class", "server", 3}, {"--class", "client", 3}, {"--class", "none", 0},
                 {"--since", "1500ns", 3}, {"--until", "1us", 2},    {"--until", "1001ns", 3}};
    struct traces *traces = *state;
    write_two();
    write_one(1000, 1, 5, 40, 7);
    write_one(2000, 2, 5, 50, 9);
    timed_end(traces->directory, true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome outcome = traces_tool(traces, "dump", cases[i].option, cases[i].value, NULL, NULL);
        assert_int_equal(outcome.status, 0);
        assert_int_equal(traces_count(outcome.text, "\n"), cases[i].lines);
        free(outcome.text);
    }
}

static void
a_time_that_is_none_is_refused(void **state)
{
    struct traces *traces = *state;
    static const char *const wrong[] = {"5", "ms", "-1s", "1.2.3s", "1 day", "1e3s", "99999999999999999999s", ""};
    write_two();
    timed_end(traces->directory, true);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        expect_output(traces, "stats", "--since", wrong[i], 2, "not a time since the trace's begin");
}

static void
an_empty_trace_has_stats(void **state)
{
    struct traces *traces = *state;
    timed_begin();
    timed_end(traces->directory, true);
    expect_output(traces, "stats", NULL, NULL, 0, "events                     0\n");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(stats_gives_waits_and_works_by_class_and_tag),
        TEST(percentiles_are_off_by_less_than_one_in_a_hundred),
        TEST(a_handler_ends_with_the_next_receive_on_its_worker),
        TEST(a_handler_that_is_open_when_a_trace_is_cut_off_lasts_to_its_end),
        TEST(a_worker_is_awake_when_it_does_not_sleep),
        TEST(a_worker_is_awake_from_the_first_callback_of_its_loop_on),
        TEST(a_mailbox_is_as_deep_as_messages_wait_in_it),
        TEST(a_mailbox_that_is_emptied_after_each_message_is_one_deep),
        TEST(a_message_that_is_received_before_its_send_has_waited_no_time),
        TEST(what_was_not_received_is_on_the_way),
        TEST(connections_are_counted_by_port_and_worker),
        TEST(dead_letters_are_told_by_class_sender_and_reason),
        TEST(sockets_that_failed_are_told_by_the_class_of_their_server),
        TEST(only_those_receives_are_counted_that_are_asked_for),
        TEST(dump_takes_classes_and_times),
        TEST(a_time_that_is_none_is_refused),
        TEST(an_empty_trace_has_stats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
