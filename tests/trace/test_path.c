/*
 * What `troupe-trace path` says of traces whose times are known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "timed.h"

#define A TRI_TRACE_REF(0, 1, 1)
#define B TRI_TRACE_REF(1, 1, 1)
#define C TRI_TRACE_REF(0, 2, 1)
#define M(stream, count) TRI_TRACE_MESSAGE(stream, count)

static void
write_actors(void)
{
    timed_begin();
    timed_spawn(0, A, "client");
    timed_spawn(0, B, "server");
    timed_spawn(0, C, "logger");
    timed_event(0, 1, CORE(sleep), 0, 0, 0);
    timed_event(1, 1, CORE(sleep), 0, 0, 0);
}

/* From outside to A, to B, to C, with others in between. */
static void
write_chain(void)
{
    write_actors();
    timed_send(10, 0, M(OUTSIDE, 1), 1);
    timed_receive(15, A, M(OUTSIDE, 1), 1);
    timed_send(20, A, M(0, 1), 2);
    timed_send(21, A, M(0, 2), 2);
    timed_receive(30, C, M(0, 2), 2);
    timed_event(0, 31, CORE(sleep), 0, 0, 0);
    timed_receive(50, B, M(0, 1), 2);
    timed_send(90, B, M(1, 1), 3);
    timed_receive(190, C, M(1, 1), 3);
    timed_event(0, 197, CORE(sleep), 0, 0, 0);
}

static void
path_shows_the_chain_from_its_root_with_waits_and_works(void **state)
{
    static const char *const parts[] = {
        "begins in a thread outside\n",
        "   1  outside:1      tag 1             to 0:1.1 (client)  waited 5 ns  worked 5 ns, then sent\n",
        "   2  0:1            tag 2             to 1:1.1 (server)  waited 30 ns  worked 40 ns, then sent\n",
        "   3  1:1            tag 3             to 0:2.1 (logger)  waited 100 ns  worked 7 ns\n",
        "  from there to the end 187 ns\n",
        NULL,
    };
    struct traces *traces = *state;
    write_chain();
    timed_end(traces->directory, true);
    expect_parts(traces, "path", "1:1", NULL, 0, parts);
}

static void
path_tells_programs_the_same(void **state)
{
    static const char *const parts[] = {
        "{\"message\":\"outside:1\",\"tag\":1,\"sender\":null,\"receiver\":\"0:1.1\",\"receiver_class\":\"client\","
        "\"waited_ns\":5,\"worked_ns\":5,\"dead\":false}\n",
        "{\"message\":\"0:1\",\"tag\":2,\"sender\":\"0:1.1\",\"sender_class\":\"client\",\"receiver\":\"1:1.1\",",
        "{\"message\":\"1:1\"",
        NULL,
    };
    struct traces *traces = *state;
    write_chain();
    timed_end(traces->directory, true);
    expect_parts(traces, "path", "--json", "1:1", 0, parts);
}

/* The handler of A is over when C's begins, and C sends nothing for A. */
static void
what_is_sent_after_the_worker_turned_away_has_no_cause(void **state)
{
    struct traces *traces = *state;
    write_chain();
    timed_send(200, A, M(0, 3), 4);
    timed_receive(220, B, M(0, 3), 4);
    timed_end(traces->directory, true);
    expect_parts(traces, "path", "0:3", NULL, 0,
                 (const char *const[]){"begins without a cause in the trace, such as a timer, in 0:1.1 (client)\n",
                                       "   1  0:3            tag 4             to 1:1.1 (server)  waited 20 ns", NULL});
}

/* C is born while A handles a message, and sends in its init. */
static void
what_a_newborn_sends_was_caused_by_what_its_parent_handled(void **state)
{
    struct traces *traces = *state;
    timed_begin();
    timed_spawn(0, A, "client");
    timed_spawn(0, B, "server");
    timed_send(10, 0, M(OUTSIDE, 1), 1);
    timed_receive(15, A, M(OUTSIDE, 1), 1);
    timed_event(0, 16, ACTORS(spawn), timed_name("child"), C, A);
    timed_send(20, C, M(0, 1), 2);
    timed_receive(30, B, M(0, 1), 2);
    timed_end(traces->directory, true);
    expect_parts(traces, "path", "0:1", NULL, 0,
                 (const char *const[]){"begins in a thread outside\n", "   1  outside:1", "to 0:1.1 (client)",
                                       "   2  0:1 ", "to 1:1.1 (server)", NULL});
}

static void
a_path_begins_with_what_a_socket_received(void **state)
{
    struct traces *traces = *state;
    write_actors();
    timed_event(0, 10, CORE(wake), 0, 0, 0);
    timed_event(0, 11, NET(socket_data), 500, A, 0);
    timed_send(12, A, M(0, 1), 2);
    timed_receive(30, B, M(0, 1), 2);
    timed_end(traces->directory, true);
    expect_output(traces, "path", "0:1", NULL, 0, "begins with socket_data of 0:1.1 (client)\n");
}

static void
the_end_of_a_path_may_be_a_dead_letter_or_open(void **state)
{
    struct traces *traces = *state;
    write_actors();
    timed_send(10, A, M(0, 1), 2);
    timed_event(1, 40, ACTORS(dead_letter), 3, B, M(0, 1));
    timed_send(50, A, M(0, 2), 2);
    timed_end(traces->directory, true);
    expect_output(traces, "path", "0:1", NULL, 0, "dies on its way to 1:1.1 (server)  waited 30 ns  (stopped)\n");
    expect_output(traces, "path", "0:2", NULL, 0, "is on its way when the trace ends\n");
}

static void
a_path_whose_first_send_is_missing_says_so(void **state)
{
    struct traces *traces = *state;
    write_actors();
    timed_receive(15, A, M(1, 7), 1);
    timed_send(20, A, M(0, 1), 2);
    timed_end(traces->directory, true);
    expect_parts(traces, "path", "0:1", NULL, 0,
                 (const char *const[]){
                     "begins earlier: the send of the first is not in the trace\n",
                     "   1  1:7            tag 1             to 0:1.1 (client)  worked 5 ns, then sent\n", NULL});
}

/* Each of two messages says that the other caused it. */
static void
a_path_that_turns_in_a_circle_has_an_end(void **state)
{
    struct traces *traces = *state;
    write_actors();
    timed_receive(15, A, M(1, 1), 1);
    timed_send(15, A, M(0, 1), 1);
    timed_receive(15, B, M(0, 1), 1);
    timed_send(15, B, M(1, 1), 1);
    timed_end(traces->directory, true);
    expect_output(traces, "path", "0:1", NULL, 0, "begins earlier: only the last 1000 are shown\n");
}

static void
a_message_that_is_not_there_is_refused(void **state)
{
    struct traces *traces = *state;
    static const char *const wrong[] = {"", "5", "0:", ":1", "0:0", "0:1x", "outside", "65536:1", "0:281474976710656"};
    write_chain();
    timed_end(traces->directory, true);
    expect_output(traces, "path", "0:77", NULL, 2, "the trace holds no message of that id: 0:77");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        expect_output(traces, "path", wrong[i], NULL, 2, "not the id of a message");
    expect_output(traces, "path", NULL, NULL, 2, "a message and a directory are needed");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(path_shows_the_chain_from_its_root_with_waits_and_works),
        TEST(path_tells_programs_the_same),
        TEST(what_is_sent_after_the_worker_turned_away_has_no_cause),
        TEST(what_a_newborn_sends_was_caused_by_what_its_parent_handled),
        TEST(a_path_begins_with_what_a_socket_received),
        TEST(the_end_of_a_path_may_be_a_dead_letter_or_open),
        TEST(a_path_whose_first_send_is_missing_says_so),
        TEST(a_path_that_turns_in_a_circle_has_an_end),
        TEST(a_message_that_is_not_there_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
