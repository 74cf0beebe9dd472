/*
 * `troupe-trace check`: the rules handler and timer, and of sockets their handshakes.
 */
#include "checked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MESSAGE(count) TRI_TRACE_MESSAGE(OUTSIDE, count)

static void
write_handled(struct traces *traces, uint64_t by, uint64_t message)
{
    traces_write(traces, TRI_TRACE_REF_WORKER(by), ACTORS(handled), 1, by, message);
}

/* Messages to A, which are received in that order. */
static void
begin_with_messages(struct traces *traces, unsigned count)
{
    begin_two(traces);
    for (unsigned i = 1; i <= count; i++)
        write_send(traces, 0, MESSAGE(i), 1);
}

static void
handlers_that_end_one_after_the_other_pass(void **state)
{
    struct traces *traces = *state;
    begin_with_messages(traces, 3);
    for (unsigned i = 1; i <= 2; i++) {
        write_receive(traces, A, MESSAGE(i), 1);
        write_handled(traces, A, MESSAGE(i));
    }
    write_receive(traces, A, MESSAGE(3), 1); /* and the trace ends */
    expect_finding(traces, 0, "passed   handler");
    traces_expect(traces, "check", 0, "handler                   2 times");
}

static void
write_receive_at_once(struct traces *traces, uint64_t by, uint64_t message)
{
    tri_trace(tri_trace_stream_of(traces->trace, 0), ACTORS(receive), 1, 1, by, message);
}

static void
handlers_that_end_at_once_with_the_next_receive_pass(void **state)
{
    struct traces *traces = *state;
    begin_with_messages(traces, 3);
    write_receive(traces, A, MESSAGE(1), 1);
    write_receive_at_once(traces, A, MESSAGE(2));
    write_receive_at_once(traces, A, MESSAGE(3));
    write_handled(traces, A, MESSAGE(3));
    expect_finding(traces, 0, "passed   handler                   3 times");
}

static void
a_receive_at_once_without_a_handler_before_it_fails(void **state)
{
    struct traces *traces = *state;
    begin_with_messages(traces, 2);
    write_receive(traces, A, MESSAGE(1), 1);
    write_handled(traces, A, MESSAGE(1));
    write_receive_at_once(traces, A, MESSAGE(2));
    expect_finding(traces, 1, "handler: it ends the handler of the message before, and there is none");
}

static void
a_receive_at_once_tells_that_ends_of_handlers_are_recorded(void **state)
{
    struct traces *traces = *state;
    begin_with_messages(traces, 3);
    write_receive(traces, A, MESSAGE(1), 1);
    write_receive_at_once(traces, A, MESSAGE(2));
    write_receive(traces, A, MESSAGE(3), 1);
    expect_finding(traces, 1, "handler: the handler of the message before has not ended");
}

static void
a_trace_without_ends_of_handlers_is_no_case(void **state)
{
    struct traces *traces = *state;
    begin_with_messages(traces, 2);
    write_receive(traces, A, MESSAGE(1), 1);
    write_receive(traces, A, MESSAGE(2), 1);
    expect_finding(traces, 0, "no case  handler");
}

static void
a_handler_that_does_not_end_before_the_next_begins_fails(void **state)
{
    struct traces *traces = *state;
    begin_with_messages(traces, 2);
    write_receive(traces, A, MESSAGE(1), 1);
    write_receive(traces, A, MESSAGE(2), 1);
    write_handled(traces, A, MESSAGE(2));
    expect_finding(traces, 1, "handler: the handler of the message before has not ended");
}

static void
a_handler_that_ends_twice_or_for_another_message_or_actor_fails(void **state)
{
    struct traces *traces = *state;
    begin_with_messages(traces, 2);
    write_receive(traces, A, MESSAGE(1), 1);
    write_handled(traces, A, MESSAGE(1));
    write_handled(traces, A, MESSAGE(1));
    write_receive(traces, A, MESSAGE(2), 1);
    write_handled(traces, A, MESSAGE(1));
    write_handled(traces, B, MESSAGE(2));
    expect_finding(traces, 1, "handler: its actor has not received that message, or has handled it before");
    traces_expect(traces, "check", 1, "broken 3 times");
}

static void
write_timer(struct traces *traces, uint16_t event, uint16_t flags, uint64_t timer)
{
    tri_trace(tri_trace_stream_of(traces->trace, 0), event, flags, 0, A, timer);
}

static void
timers_that_fire_once_or_often_and_end_pass(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_timer(traces, ACTORS(timer), 0, 1);
    write_timer(traces, ACTORS(timer), 1, 2);
    write_timer(traces, ACTORS(timer_fired), 0, 1);
    write_timer(traces, ACTORS(timer_fired), 1, 2);
    write_timer(traces, ACTORS(timer_fired), 1, 2);
    write_timer(traces, ACTORS(timer_over), 0, 2);
    write_timer(traces, ACTORS(timer), 0, 1); /* it found no memory */
    expect_finding(traces, 0, "passed   timer");
}

static void
a_timer_that_did_not_begin_or_is_over_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_timer(traces, ACTORS(timer_fired), 0, 1);
    write_timer(traces, ACTORS(timer), 0, 2);
    write_timer(traces, ACTORS(timer_fired), 0, 2);
    write_timer(traces, ACTORS(timer_fired), 0, 2);
    write_timer(traces, ACTORS(timer), 1, 3);
    write_timer(traces, ACTORS(timer_over), 0, 3);
    write_timer(traces, ACTORS(timer_over), 0, 3);
    expect_finding(traces, 1, "timer: no such timer of its actor runs");
    traces_expect(traces, "check", 1, "broken 3 times");
}

static void
a_timer_that_begins_twice_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_timer(traces, ACTORS(timer), 1, 3);
    write_timer(traces, ACTORS(timer_fired), 1, 3);
    write_timer(traces, ACTORS(timer), 1, 3);
    expect_finding(traces, 1, "timer: that timer has begun before, and is not over");
}

/* Letters of write_socket(), with h and H for the two ends of a handshake. */
static void
write_shaking(struct traces *traces, const char *letters, uint32_t slot)
{
    for (const char *at = letters; *at != '\0'; at++) {
        const char letter[] = {*at, '\0'};
        if (*at == 'h' || *at == 'H')
            traces_write(traces, 0, *at == 'h' ? NET(socket_handshake) : NET(socket_secure), 0,
                         TRI_TRACE_REF(0, slot, 1), 0);
        else
            write_socket(traces, letter, slot);
    }
}

static void
handshakes_that_end_pass_also_after_an_error(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    write_shaking(traces, "pAhHdx", 2);
    write_shaking(traces, "pEhHcdx", 3);
    write_shaking(traces, "pAh!HX", 4);
    write_shaking(traces, "pNCLchHx", 5);
    expect_finding(traces, 0, "passed   socket");
}

static void
handshakes_out_of_their_order_fail(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    write_shaking(traces, "pAHx", 2);
    write_shaking(traces, "pAhhHx", 3);
    write_shaking(traces, "pAhHHx", 4);
    write_shaking(traces, "pNhHx", 5); /* without a connection; then it is taken for granted */
    expect_finding(traces, 1, "socket: no handshake has begun before it");
    traces_expect(traces, "check", 1, "socket: a handshake before the one before is over");
    traces_expect(traces, "check", 1, "broken 4 times");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(handlers_that_end_one_after_the_other_pass),
        TEST(handlers_that_end_at_once_with_the_next_receive_pass),
        TEST(a_receive_at_once_without_a_handler_before_it_fails),
        TEST(a_receive_at_once_tells_that_ends_of_handlers_are_recorded),
        TEST(a_trace_without_ends_of_handlers_is_no_case),
        TEST(a_handler_that_does_not_end_before_the_next_begins_fails),
        TEST(a_handler_that_ends_twice_or_for_another_message_or_actor_fails),
        TEST(timers_that_fire_once_or_often_and_end_pass),
        TEST(a_timer_that_did_not_begin_or_is_over_fails),
        TEST(a_timer_that_begins_twice_fails),
        TEST(handshakes_that_end_pass_also_after_an_error),
        TEST(handshakes_out_of_their_order_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
