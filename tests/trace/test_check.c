/*
 * Each test writes a trace by hand, right or wrong, and says what `troupe-trace check` has to make of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/trace_events.h>

#include "../../net/trace_events.h"
#include "traces.h"

#define A TRI_TRACE_REF(0, 1, 1)
#define B TRI_TRACE_REF(1, 1, 1)
#define ACTORS(event) TRI_TRACE_ACTORS_##event
#define NET(event) TRI_TRACE_NET_##event
#define OUTSIDE TRI_TRACE_OUTSIDE

/* -- Writing. -- */

/* A and B live on workers 0 and 1. */
static void
begin(struct traces *traces)
{
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    traces_write(traces, 0, ACTORS(spawn), 0, A, 0);
    traces_write(traces, 1, ACTORS(spawn), 0, B, A);
}

static void
expect(struct traces *traces, int status, const char *text)
{
    traces_close(traces);
    traces_expect(traces, "check", status, text);
}

static void
send(struct traces *traces, uint64_t from, uint64_t message, uint32_t tag)
{
    traces_write(traces, from != 0 ? TRI_TRACE_REF_WORKER(from) : OUTSIDE, ACTORS(send), tag, from, message);
}

static void
receive(struct traces *traces, uint64_t by, uint64_t message, uint32_t tag)
{
    traces_write(traces, TRI_TRACE_REF_WORKER(by), ACTORS(receive), tag, by, message);
}

/* -- Messages. -- */

static void
a_trace_in_which_all_is_well_passes(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    for (unsigned i = 1; i <= 500; i++) {
        send(traces, A, TRI_TRACE_MESSAGE(0, i), 1);
        receive(traces, B, TRI_TRACE_MESSAGE(0, i), 1);
        send(traces, 0, TRI_TRACE_MESSAGE(OUTSIDE, i), 2);
        receive(traces, B, TRI_TRACE_MESSAGE(OUTSIDE, i), 2);
    }
    send(traces, A, TRI_TRACE_MESSAGE(0, 501), 1);
    traces_write(traces, 1, ACTORS(dead_letter), 0, B, TRI_TRACE_MESSAGE(0, 501));
    traces_write(traces, 0, ACTORS(stop), 0, A, 0);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
    traces_write(traces, 1, ACTORS(stopped), 0, B, 0);
    expect(traces, 0, "passed   sent_before           1,001 times");
    traces_expect(traces, "check", 0, "passed   once                  2,002 times");
    traces_expect(traces, "check", 0, "passed   fifo                    500 times");
    traces_expect(traces, "check", 0, "passed   life");
    traces_expect(traces, "check", 0, "no case  socket");
    traces_expect(traces, "check", 0, "0 messages were still on their way");
}

static void
a_message_that_was_never_sent_fails(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    expect(traces, 1, "FAILED   sent_before");
}

static void
a_received_message_without_an_id_fails(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    receive(traces, B, 0, 1);
    expect(traces, 1, "FAILED   sent_before");
}

/* Each worker receives first what the other sends only after it received. */
static void
messages_that_are_received_before_each_other_fail(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    receive(traces, A, TRI_TRACE_MESSAGE(1, 1), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    send(traces, B, TRI_TRACE_MESSAGE(1, 1), 1);
    expect(traces, 1, "FAILED   sent_before");
}

static void
a_message_that_is_received_before_it_is_sent_on_the_same_worker_fails(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    receive(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    expect(traces, 1, "FAILED   sent_before");
}

static void
a_clock_that_contradicts_a_message_is_reported_and_passes(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    send(traces, A, TRI_TRACE_MESSAGE(0, 2), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 2), 1);
    expect(traces, 0, "the time contradicts the order of 1 messages");
    traces_expect(traces, "check", 0, "passed   sent_before");
}

static void
a_message_that_is_received_twice_fails(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    expect(traces, 1, "FAILED   once");
}

static void
a_message_that_is_received_and_a_dead_letter_fails(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    traces_write(traces, 1, ACTORS(dead_letter), 0, B, TRI_TRACE_MESSAGE(0, 1));
    receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    expect(traces, 1, "FAILED   once");
}

static void
an_id_that_is_sent_twice_fails(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    expect(traces, 1, "FAILED   once");
}

static void
a_message_that_overtakes_another_of_its_pair_fails(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    send(traces, A, TRI_TRACE_MESSAGE(0, 2), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 2), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    expect(traces, 1, "FAILED   fifo");
}

static void
messages_of_different_senders_and_the_librarys_own_may_overtake(void **state)
{
    struct traces *traces = *state;
    uint64_t other = TRI_TRACE_REF(0, 2, 1);
    begin(traces);
    traces_write(traces, 0, ACTORS(spawn), 0, other, A);
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    send(traces, other, TRI_TRACE_MESSAGE(0, 2), 1);
    send(traces, A, TRI_TRACE_MESSAGE(0, 3), 0xffff1000u);
    send(traces, 0, TRI_TRACE_MESSAGE(OUTSIDE, 1), 1);
    send(traces, 0, TRI_TRACE_MESSAGE(OUTSIDE, 2), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(OUTSIDE, 2), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 3), 0xffff1000u);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 2), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(OUTSIDE, 1), 1);
    expect(traces, 0, "passed   fifo");
}

/* -- Actors. -- */

static void
an_actor_on_two_workers_fails(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    traces_write(traces, 1, ACTORS(send), 1, A, TRI_TRACE_MESSAGE(1, 1));
    expect(traces, 1, "FAILED   one_worker");
}

static void
what_happens_to_an_actor_may_be_recorded_elsewhere(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    send(traces, B, TRI_TRACE_MESSAGE(1, 1), 1);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
    traces_write(traces, 1, ACTORS(dead_letter), 0, A, TRI_TRACE_MESSAGE(1, 1));
    traces_write(traces, 1, ACTORS(stop), 0, A, 0);
    traces_write(traces, OUTSIDE, TRI_TRACE_CORE_stall, 1000, A, 7);
    expect(traces, 0, "passed   life");
}

static void
an_actor_that_acts_before_its_spawn_fails(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    receive(traces, TRI_TRACE_REF(1, 9, 1), TRI_TRACE_MESSAGE(0, 1), 1);
    expect(traces, 1, "FAILED   life");
}

static void
an_actor_that_is_spawned_twice_fails(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    traces_write(traces, 0, ACTORS(spawn), 0, A, 0);
    expect(traces, 1, "FAILED   life");
}

static void
an_actor_that_acts_after_its_end_fails(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    expect(traces, 1, "FAILED   life");
}

static void
an_actor_whose_init_failed_ends_and_receives_nothing(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    traces_write(traces, 0, ACTORS(init_failed), 0, A, 0);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
    traces_write(traces, 1, ACTORS(init_failed), 0, B, 0);
    send(traces, 0, TRI_TRACE_MESSAGE(OUTSIDE, 1), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(OUTSIDE, 1), 1);
    expect(traces, 1, "life: it receives although its init failed");
    traces_expect(traces, "check", 1, "broken 1 times");
}

/* -- Sockets. -- */

/* A letter for each event of a socket's life. */
static void
write_socket_event(struct traces *traces, char letter, uint64_t ref)
{
    static const struct {
        char letter;
        uint16_t id, flags;
        uint32_t arg;
    } events[] = {
        {'A', NET(socket_accepted), 0, 0}, {'C', NET(socket_connecting), 0, 80}, {'L', NET(socket_lookup), 0, 0},
        {'c', NET(socket_connect), 0, 0},  {'d', NET(socket_data), 0, 5},        {'w', NET(socket_write), 0, 5},
        {'q', NET(socket_write), 1, 5},    {'r', NET(socket_drain), 0, 0},       {'e', NET(socket_end), 0, 0},
        {'s', NET(socket_shutdown), 0, 0}, {'t', NET(socket_timeout), 0, 100},   {'!', NET(socket_error), 0, 0},
        {'x', NET(socket_close), 0, 0},    {'X', NET(socket_close), 0, 1},       {'S', ACTORS(stopped), 0, 0},
        {'k', ACTORS(stop), 0, 2},         {'p', ACTORS(spawn), 0, 0},           {'N', NET(socket_spawned), 0, 0},
        {'D', NET(socket_adopted), 0, 0},  {'R', NET(socket_again), 0, 0},       {'E', NET(socket_accepted), 1, 0},
        {'f', ACTORS(init_failed), 0, 0},
    };
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (events[i].letter == letter)
            tri_trace(tri_trace_stream_of(traces->trace, 0), events[i].id, events[i].flags, events[i].arg, ref, 0);
    }
}

static void
write_socket(struct traces *traces, const char *letters, uint32_t slot)
{
    for (const char *at = letters; *at != '\0'; at++)
        write_socket_event(traces, *at, TRI_TRACE_REF(0, slot, 1));
}

static void
sockets_that_keep_the_order_pass(void **state)
{
    static const char *const right[] = {
        /* accepted; E: and tells of it */
        "pAdwdexS",
        "pAxS",
        "pAqdwr!XS",
        "pAttdtxS",
        "pAdkS",
        "pAqqrqrxS",
        "pAesxS",
        "pA",
        "pAd!",
        "pEcdxS",
        "pEqcrdxS",
        "pExS",
        "pE!XS",
        "pEkS",
        /* that connect */
        "pNCLcwdqrdesxS",
        "pNCqcrdxS",
        "pNCs!XS",
        "pNCL!XS",
        "pNCkS",
        "pNCc",
        "pNCLcdqw",
        "pNCcdxS",
        "pNCxS",
        /* used before they begin to connect, or that never do */
        "pNqCcrdxS",
        "pNwCLcdxS",
        "pN!XS",
        "pNxS",
        "pNkS",
        "pNfS",
        "pNCfS",
        "pNqs!XS",
        "pNtxS",
        "pNttCcdxS",
        "pN",
        /* adopted */
        "pNDdwdexS",
        "pND!XS",
        "pNDq!XS",
        "pNDxS",
        "pNDqrxS",
        /* that begin again */
        "pAdexRCcdxS",
        "pNC!XRC!XRCcdexS",
        "pN!XRxS",
        "pAd!XRqCcrdxS",
        "pNDexRCL!XS",
        "pAxRkS",
        "pEcxRCcdxS",
    };
    struct traces *traces = *state;
    begin(traces);
    for (uint32_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        write_socket(traces, right[i], 10 + i);
    expect(traces, 0, "passed   socket");
}

static void
a_socket_that_breaks_the_order_fails(void **state)
{
    static const char *const wrong[] = {
        "pdx",         /* has not begun */
        "pCcdx",       /* the same */
        "p!X",         /* the same */
        "pDdx",        /* the same */
        "pRCcdx",      /* the same */
        "pNcdx",       /* connects without connecting */
        "pNLx",        /* a look-up without connecting */
        "pNdx",        /* data before it connects at all */
        "pNex",        /* the peer's end, likewise */
        "pNqrx",       /* drain, likewise */
        "pNCdx",       /* data before connect */
        "pNCex",       /* the peer's end before connect */
        "pNCqrx",      /* drain before connect */
        "pNCCx",       /* begins to connect twice */
        "pNCDdx",      /* gets a descriptor while it connects */
        "pNDDdx",      /* gets two */
        "pNDcx",       /* connects although it was adopted */
        "pNDCx",       /* the same */
        "pNNx",        /* begins twice */
        "pAAx",        /* the same */
        "pNAx",        /* the same */
        "pACx",        /* connects although it was accepted */
        "pNCccx",      /* connects twice */
        "pAcx",        /* tells of a connect that it did not announce */
        "pEccx",       /* tells of it twice */
        "pEdcx",       /* data before the connect that it announced */
        "pAeex",       /* ends twice */
        "pAedx",       /* data after the end */
        "pArx",        /* drain without a write */
        "pAwrx",       /* drain, but the write was not queued */
        "pAqrrx",      /* two drains of one write */
        "pA!dX",       /* something between error and close */
        "pA!tX",       /* the same */
        "pN!CX",       /* the same */
        "pA!!X",       /* two errors */
        "pA!x",        /* the close does not tell of the error */
        "pAX",         /* the close tells of an error that was not */
        "pAxx",        /* closed twice */
        "pAxd",        /* data after close */
        "pAxw",        /* a write after close */
        "pAxCcdx",     /* connects again without beginning again */
        "pAxDdx",      /* gets a descriptor after close */
        "pA!Xd",       /* data after error and close */
        "pARx",        /* begins again without close */
        "pAxRdx",      /* data of the connection before */
        "pAqxRCcrx",   /* drain of a write of the connection before */
        "pAexRCcdeex", /* ends twice in its second life */
        "pAdS",        /* stopped without close */
        "pNS",         /* the same */
        "pAxRS",       /* the same, of the second life */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        void *fresh;
        assert_int_equal(traces_setup(&fresh), 0);
        begin(fresh);
        write_socket(fresh, wrong[i], 10);
        traces_close(fresh);
        struct outcome outcome = traces_tool(fresh, "check", NULL, NULL, NULL, NULL);
        if (outcome.status != 1 || strstr(outcome.text, "FAILED   socket") == NULL)
            fail_msg("%s did not fail: %d\n%s", wrong[i], outcome.status, outcome.text);
        free(outcome.text);
        traces_teardown(&fresh);
    }
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
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    traces_fill(traces, 0, 3 * FULL);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    send(traces, A, TRI_TRACE_MESSAGE(0, 2), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 2), 1);
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
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
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
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    expect(traces, 0, "unknown  sent_before");
    traces_expect(traces, "check", 0, "2 events were lost");
}

/* The last packet of the sender is taken away: as if the process had died, or the reader come, in between. */
static void
a_missing_tail_is_no_failure_while_a_trace_is_open(void **state)
{
    struct traces *traces = *state;
    static const uint64_t nothing_sent = (sizeof(struct tri_trace_packet) + TRI_TRACE_STEP) * 8;
    begin(traces);
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    traces_patch(traces, "worker-0.00000000", 40, &nothing_sent, sizeof(nothing_sent));
    traces_expect(traces, "check", 0, "unknown  sent_before");
    expect(traces, 1, "FAILED   sent_before");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_trace_in_which_all_is_well_passes),
        TEST(a_message_that_was_never_sent_fails),
        TEST(a_received_message_without_an_id_fails),
        TEST(messages_that_are_received_before_each_other_fail),
        TEST(a_message_that_is_received_before_it_is_sent_on_the_same_worker_fails),
        TEST(a_clock_that_contradicts_a_message_is_reported_and_passes),
        TEST(a_message_that_is_received_twice_fails),
        TEST(a_message_that_is_received_and_a_dead_letter_fails),
        TEST(an_id_that_is_sent_twice_fails),
        TEST(a_message_that_overtakes_another_of_its_pair_fails),
        TEST(messages_of_different_senders_and_the_librarys_own_may_overtake),
        TEST(an_actor_on_two_workers_fails),
        TEST(what_happens_to_an_actor_may_be_recorded_elsewhere),
        TEST(an_actor_that_acts_before_its_spawn_fails),
        TEST(an_actor_that_is_spawned_twice_fails),
        TEST(an_actor_that_acts_after_its_end_fails),
        TEST(an_actor_whose_init_failed_ends_and_receives_nothing),
        TEST(sockets_that_keep_the_order_pass),
        TEST(a_socket_that_breaks_the_order_fails),
        TEST(what_was_overwritten_makes_every_rule_unknown),
        TEST(losses_do_not_hide_what_is_plainly_wrong),
        TEST(what_was_discarded_makes_every_rule_unknown),
        TEST(a_missing_tail_is_no_failure_while_a_trace_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
