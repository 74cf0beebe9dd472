/*
 * Rules of messages, and what losses leave of all rules.
 */
#include "checked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define AT(field) offsetof(struct tri_trace_packet, field)
#define EVENT(i) (sizeof(struct tri_trace_packet) + (i)*TRI_TRACE_STEP)

/* -- Messages. -- */

static void
a_trace_in_which_all_is_well_passes(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    for (unsigned i = 1; i <= 500; i++) {
        write_send(traces, A, TRI_TRACE_MESSAGE(0, i), 1);
        write_receive(traces, B, TRI_TRACE_MESSAGE(0, i), 1);
        write_send(traces, 0, TRI_TRACE_MESSAGE(OUTSIDE, i), 2);
        write_receive(traces, B, TRI_TRACE_MESSAGE(OUTSIDE, i), 2);
    }
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 501), 1);
    traces_write(traces, 1, ACTORS(dead_letter), 0, B, TRI_TRACE_MESSAGE(0, 501));
    traces_write(traces, 0, ACTORS(stop), 0, A, 0);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
    traces_write(traces, 1, ACTORS(stopped), 0, B, 0);
    expect_finding(traces, 0, "passed   sent_before           1,001 times");
    traces_expect(traces, "check", 0, "passed   once                  2,002 times");
    traces_expect(traces, "check", 0, "passed   fifo                    500 times");
    traces_expect(traces, "check", 0, "passed   life");
    traces_expect(traces, "check", 0, "no case  socket");
    traces_expect(traces, "check", 0, "0 messages were still on their way");
}

/* In whatever order they come, each is known until it does. */
static void
of_many_messages_under_way_each_finds_its_send(void **state)
{
    enum { MANY = 181 }; /* a prime, and nearly as many as are kept before there is more room */
    struct traces *traces = *state;
    begin_two(traces);
    for (uint64_t i = 1; i <= MANY; i++)
        write_send(traces, 0, TRI_TRACE_MESSAGE(OUTSIDE, i * 977), 1);
    for (uint64_t i = 1; i <= MANY; i++)
        write_receive(traces, B, TRI_TRACE_MESSAGE(OUTSIDE, (1 + i * 37 % MANY) * 977), 1);
    expect_finding(traces, 0, "passed   sent_before             181 times");
}

static void
a_message_that_was_never_sent_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    expect_finding(traces, 1, "FAILED   sent_before");
}

/* Ids of which every other one is missing: too many holes to remember them all. */
static void
a_message_that_was_sent_among_many_holes_is_not_received_a_second_time(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    for (uint64_t i = 1; i < 6000; i += 2) {
        write_send(traces, A, TRI_TRACE_MESSAGE(0, i), 1);
        write_receive(traces, B, TRI_TRACE_MESSAGE(0, i), 1);
    }
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    expect_finding(traces, 1, "once: the message was received before, or was a dead letter");
}

static void
a_dead_letter_that_was_never_sent_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 1, ACTORS(dead_letter), 0, B, TRI_TRACE_MESSAGE(0, 1));
    expect_finding(traces, 1, "FAILED   sent_before");
}

/* While a trace is open only what comes after the last send that was read may be missing. */
static void
a_message_that_was_left_out_of_an_open_trace_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 3), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 4), 1);
    traces_expect(traces, "check", 0, "unknown  sent_before");
    traces_expect(traces, "check", 0, "the trace was cut off");
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 2), 1);
    traces_expect(traces, "check", 1, "FAILED   sent_before");
}

static void
of_many_failures_the_first_ten_are_shown(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    for (unsigned i = 1; i <= 12; i++)
        write_receive(traces, B, TRI_TRACE_MESSAGE(0, i), 1);
    traces_close(traces);
    struct outcome outcome = traces_tool(traces, "check", NULL, NULL, NULL, NULL);
    assert_int_equal(outcome.status, 1);
    assert_int_equal(traces_count(outcome.text, "sent_before: no send before it"), 10);
    assert_non_null(strstr(outcome.text, "broken 12 times"));
    free(outcome.text);
}

static void
a_received_message_without_an_id_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_receive(traces, B, 0, 1);
    expect_finding(traces, 1, "FAILED   sent_before");
}

/* Each worker receives first what the other sends only after it received. */
static void
messages_that_are_received_before_each_other_fail(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_receive(traces, A, TRI_TRACE_MESSAGE(1, 1), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    write_send(traces, B, TRI_TRACE_MESSAGE(1, 1), 1);
    expect_finding(traces, 1, "FAILED   sent_before");
}

static void
a_message_that_is_received_before_it_is_sent_on_the_same_worker_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_receive(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    expect_finding(traces, 1, "FAILED   sent_before");
}

static void
a_clock_that_contradicts_a_message_is_reported_and_passes(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 2), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 2), 1);
    expect_finding(traces, 0, "the time contradicts the order of 1 messages");
    traces_expect(traces, "check", 0, "passed   sent_before");
}

/* Whatever the order of the ids: here a thread sends the larger first. */
static void
a_receive_waits_for_its_send_whatever_was_sent_before(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    for (unsigned id = 4; id >= 3; id--)
        write_receive(traces, B, TRI_TRACE_MESSAGE(0, id), 1);
    for (unsigned id = 5; id >= 3; id--)
        write_send(traces, A, TRI_TRACE_MESSAGE(0, id), 1);
    expect_finding(traces, 0, "passed   sent_before");
}

static void
write_times(struct traces *traces, const char *file, const uint64_t times[3])
{
    traces_patch(traces, file, AT(timestamp_begin), &times[0], sizeof(times[0]));
    for (unsigned i = 0; i < 3; i++)
        traces_patch(traces, file, EVENT(i), &times[i], sizeof(times[i]));
}

static void
of_times_that_contradict_the_order_the_worst_is_told(void **state)
{
    struct traces *traces = *state;
    char text[80];
    size_t size;
    begin_two(traces);
    for (unsigned i = 1; i <= 2; i++)
        write_send(traces, A, TRI_TRACE_MESSAGE(0, i), 1);
    for (unsigned i = 1; i <= 2; i++)
        write_receive(traces, B, TRI_TRACE_MESSAGE(0, i), 1);
    traces_close(traces);
    write_times(traces, "worker-0.00000000", (const uint64_t[]){1000, 500000, 500001});
    write_times(traces, "worker-1.00000000", (const uint64_t[]){1000, 200000, 400001});
    char *metadata = traces_read(traces, "metadata", &size);
    const char *line = strstr(metadata, "    freq = ");
    assert_non_null(line);
    uint64_t hertz = strtoull(line + strlen("    freq = "), NULL, 10);
    free(metadata);
    snprintf(text, sizeof(text), "order of 2 messages, by %llu ns at most",
             (unsigned long long)(UINT64_C(300000) * 1000000000 / hertz));
    traces_expect(traces, "check", 0, text);
}

static void
a_message_that_is_received_twice_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    expect_finding(traces, 1, "FAILED   once");
}

static void
a_message_that_is_received_and_a_dead_letter_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    traces_write(traces, 1, ACTORS(dead_letter), 0, B, TRI_TRACE_MESSAGE(0, 1));
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    expect_finding(traces, 1, "FAILED   once");
}

static void
an_id_that_is_sent_twice_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    expect_finding(traces, 1, "FAILED   once");
}

static void
an_id_that_is_sent_again_after_its_end_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 2), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 2), 1);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    expect_finding(traces, 1, "FAILED   once");
}

static void
the_librarys_own_messages_have_an_order_too(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 0xffff0000u);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 2), 0xffff0000u);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 2), 0xffff0000u);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 0xffff0000u);
    expect_finding(traces, 1, "FAILED   fifo");
}

static void
a_message_that_overtakes_another_of_its_pair_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 2), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 2), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    expect_finding(traces, 1, "FAILED   fifo");
}

static void
messages_of_different_senders_and_the_librarys_own_may_overtake(void **state)
{
    struct traces *traces = *state;
    uint64_t other = TRI_TRACE_REF(0, 2, 1);
    begin_two(traces);
    traces_write(traces, 0, ACTORS(spawn), 0, other, A);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    write_send(traces, other, TRI_TRACE_MESSAGE(0, 2), 1);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 3), 0xffff1000u);
    write_send(traces, 0, TRI_TRACE_MESSAGE(OUTSIDE, 1), 1);
    write_send(traces, 0, TRI_TRACE_MESSAGE(OUTSIDE, 2), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(OUTSIDE, 2), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 3), 0xffff1000u);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 2), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(OUTSIDE, 1), 1);
    expect_finding(traces, 0, "passed   fifo");
}

/* -- Losses. -- */

static void
what_was_overwritten_makes_every_rule_unknown(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FLIGHT, 2, 0);
    traces_declare_layers(traces->trace);
    traces_write(traces, 0, ACTORS(spawn), 0, A, 0);
    traces_write(traces, 1, ACTORS(spawn), 0, B, 0);
    write_socket(traces, "pAq", 10);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    traces_fill(traces, 0, 3 * FULL);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 2), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 2), 1);
    write_socket(traces, "rdx", 10);
    traces_close(traces);
    traces_expect(traces, "check", 0, "unknown  sent_before");
    traces_expect(traces, "check", 0, "unknown  life");
    traces_expect(traces, "check", 0, "unknown  socket");
    struct outcome strict = traces_tool(traces, "check", "--strict", NULL, NULL, NULL);
    assert_int_equal(strict.status, 3);
    assert_null(strstr(strict.text, "passed"));
    free(strict.text);
}

static void
losses_do_not_hide_what_is_plainly_wrong(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FLIGHT, 2, 0);
    traces_declare_layers(traces->trace);
    traces_fill(traces, 0, 3 * FULL);
    traces_write(traces, 1, ACTORS(spawn), 0, B, 0);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    traces_close(traces);
    struct outcome strict = traces_tool(traces, "check", "--strict", NULL, NULL, NULL);
    assert_int_equal(strict.status, 1);
    assert_non_null(strstr(strict.text, "FAILED   once"));
    free(strict.text);
}

static void
what_was_discarded_makes_every_rule_unknown(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 4 * SEGMENT);
    traces_declare_layers(traces->trace);
    traces_write(traces, 0, ACTORS(spawn), 0, A, 0);
    traces_write(traces, 1, ACTORS(spawn), 0, B, 0);
    traces_fill(traces, 0, FULL);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    expect_finding(traces, 0, "unknown  sent_before");
    traces_expect(traces, "check", 0, "2 events were lost");
}

/* An actor acts in worker 1's second file, and was not spawned in its first. */
static void
act_in_second_file(struct traces *traces)
{
    begin_two(traces);
    for (unsigned i = 1; i < FULL; i++)
        traces_write(traces, 1, TRI_TRACE_CORE_over_budget, i, 0, 0);
    write_send(traces, TRI_TRACE_REF(1, 9, 1), TRI_TRACE_MESSAGE(1, 1), 1);
    traces_close(traces);
    traces_expect(traces, "check", 1, "FAILED   life");
}

static void
say_discarded(struct traces *traces, const char *file, uint64_t count)
{
    traces_patch(traces, file, AT(events_discarded), &count, sizeof(count));
}

static void
say_lost_at_end(struct traces *traces, uint32_t count)
{
    uint16_t id = TRI_TRACE_CORE_lost;
    traces_patch(traces, "worker-1.00000000", EVENT(FULL - 1) + offsetof(struct tri_trace_record, id), &id, sizeof(id));
    traces_patch(traces, "worker-1.00000000", EVENT(FULL - 1) + offsetof(struct tri_trace_record, arg), &count,
                 sizeof(count));
    say_discarded(traces, "worker-1.00000000", count);
    say_discarded(traces, "worker-1.00000001", count);
}

static void
what_was_discarded_is_missing_where_it_was_discarded(void **state)
{
    struct traces *traces = *state;
    act_in_second_file(traces);
    say_discarded(traces, "worker-1.00000001", 5); /* between the two */
    traces_expect(traces, "check", 0, "unknown  life");
    say_lost_at_end(traces, 5); /* the same, and the first says so */
    traces_expect(traces, "check", 0, "unknown  life");
}

static void
what_was_discarded_before_the_first_event_is_missing_there(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_send(traces, TRI_TRACE_REF(1, 9, 1), TRI_TRACE_MESSAGE(1, 1), 1);
    traces_close(traces);
    traces_expect(traces, "check", 1, "FAILED   life");
    say_discarded(traces, "worker-1.00000000", 5);
    traces_expect(traces, "check", 0, "unknown  life");
}

static void
what_was_lost_afterwards_or_elsewhere_excuses_nothing(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    write_send(traces, TRI_TRACE_REF(1, 9, 1), TRI_TRACE_MESSAGE(1, 1), 1);
    for (unsigned i = 3; i <= FULL; i++)
        traces_write(traces, 1, TRI_TRACE_CORE_over_budget, i, 0, 0);
    traces_close(traces);
    say_lost_at_end(traces, 5);
    traces_expect(traces, "check", 1, "FAILED   sent_before");
    traces_expect(traces, "check", 1, "FAILED   life");
}

/* The last packet of the sender is taken away: as if the process had died, or the reader come, in between. */
static void
a_missing_tail_is_no_failure_while_a_trace_is_open(void **state)
{
    struct traces *traces = *state;
    static const uint64_t nothing_sent = (sizeof(struct tri_trace_packet) + TRI_TRACE_STEP) * 8;
    begin_two(traces);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    traces_patch(traces, "worker-0.00000000", 40, &nothing_sent, sizeof(nothing_sent));
    traces_expect(traces, "check", 0, "unknown  sent_before");
    expect_finding(traces, 1, "FAILED   sent_before");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_trace_in_which_all_is_well_passes),
        TEST(of_many_messages_under_way_each_finds_its_send),
        TEST(a_message_that_was_never_sent_fails),
        TEST(a_message_that_was_sent_among_many_holes_is_not_received_a_second_time),
        TEST(a_dead_letter_that_was_never_sent_fails),
        TEST(a_message_that_was_left_out_of_an_open_trace_fails),
        TEST(of_many_failures_the_first_ten_are_shown),
        TEST(a_received_message_without_an_id_fails),
        TEST(messages_that_are_received_before_each_other_fail),
        TEST(a_message_that_is_received_before_it_is_sent_on_the_same_worker_fails),
        TEST(a_clock_that_contradicts_a_message_is_reported_and_passes),
        TEST(a_receive_waits_for_its_send_whatever_was_sent_before),
        TEST(of_times_that_contradict_the_order_the_worst_is_told),
        TEST(a_message_that_is_received_twice_fails),
        TEST(a_message_that_is_received_and_a_dead_letter_fails),
        TEST(an_id_that_is_sent_twice_fails),
        TEST(an_id_that_is_sent_again_after_its_end_fails),
        TEST(the_librarys_own_messages_have_an_order_too),
        TEST(a_message_that_overtakes_another_of_its_pair_fails),
        TEST(messages_of_different_senders_and_the_librarys_own_may_overtake),
        TEST(what_was_overwritten_makes_every_rule_unknown),
        TEST(losses_do_not_hide_what_is_plainly_wrong),
        TEST(what_was_discarded_makes_every_rule_unknown),
        TEST(what_was_discarded_is_missing_where_it_was_discarded),
        TEST(what_was_discarded_before_the_first_event_is_missing_there),
        TEST(what_was_lost_afterwards_or_elsewhere_excuses_nothing),
        TEST(a_missing_tail_is_no_failure_while_a_trace_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
