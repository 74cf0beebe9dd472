/*
 * Each test writes a trace by hand, right or wrong, and says what `troupe-trace check` has to make of it.
 */
#include <setjmp.h>
#include <stdarg.h>
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
#define NET(event) TRI_TRACE_NET_##event
#define OUTSIDE TRI_TRACE_OUTSIDE

#define AT(field) offsetof(struct tri_trace_packet, field)
#define EVENT(i) (sizeof(struct tri_trace_packet) + (i)*TRI_TRACE_STEP)

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

/* In whatever order they come, each is known until it does. */
static void
of_many_messages_under_way_each_finds_its_send(void **state)
{
    enum { MANY = 181 }; /* a prime, and nearly as many as are kept before there is more room */
    struct traces *traces = *state;
    begin(traces);
    for (uint64_t i = 1; i <= MANY; i++)
        send(traces, 0, TRI_TRACE_MESSAGE(OUTSIDE, i * 977), 1);
    for (uint64_t i = 1; i <= MANY; i++)
        receive(traces, B, TRI_TRACE_MESSAGE(OUTSIDE, (1 + i * 37 % MANY) * 977), 1);
    expect(traces, 0, "passed   sent_before             181 times");
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
a_dead_letter_that_was_never_sent_fails(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    traces_write(traces, 1, ACTORS(dead_letter), 0, B, TRI_TRACE_MESSAGE(0, 1));
    expect(traces, 1, "FAILED   sent_before");
}

/* While a trace is open only what comes after the last send that was read may be missing. */
static void
a_message_that_was_left_out_of_an_open_trace_fails(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    send(traces, A, TRI_TRACE_MESSAGE(0, 3), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 4), 1);
    traces_expect(traces, "check", 0, "unknown  sent_before");
    traces_expect(traces, "check", 0, "the trace was cut off");
    receive(traces, B, TRI_TRACE_MESSAGE(0, 2), 1);
    traces_expect(traces, "check", 1, "FAILED   sent_before");
}

static void
of_many_failures_the_first_ten_are_shown(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    for (unsigned i = 1; i <= 12; i++)
        receive(traces, B, TRI_TRACE_MESSAGE(0, i), 1);
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

/* Whatever the order of the ids: here a thread sends the larger first. */
static void
a_receive_waits_for_its_send_whatever_was_sent_before(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    for (unsigned id = 4; id >= 3; id--)
        receive(traces, B, TRI_TRACE_MESSAGE(0, id), 1);
    for (unsigned id = 5; id >= 3; id--)
        send(traces, A, TRI_TRACE_MESSAGE(0, id), 1);
    expect(traces, 0, "passed   sent_before");
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
    begin(traces);
    for (unsigned i = 1; i <= 2; i++)
        send(traces, A, TRI_TRACE_MESSAGE(0, i), 1);
    for (unsigned i = 1; i <= 2; i++)
        receive(traces, B, TRI_TRACE_MESSAGE(0, i), 1);
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
an_id_that_is_sent_again_after_its_end_fails(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    send(traces, A, TRI_TRACE_MESSAGE(0, 2), 1);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 2), 1);
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    expect(traces, 1, "FAILED   once");
}

static void
the_librarys_own_messages_have_an_order_too(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    send(traces, A, TRI_TRACE_MESSAGE(0, 1), 0xffff0000u);
    send(traces, A, TRI_TRACE_MESSAGE(0, 2), 0xffff0000u);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 2), 0xffff0000u);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 0xffff0000u);
    expect(traces, 1, "FAILED   fifo");
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
a_sockets_events_belong_to_its_worker_too(void **state)
{
    struct traces *traces = *state;
    uint64_t socket = TRI_TRACE_REF(0, 10, 1);
    begin(traces);
    traces_write(traces, 0, ACTORS(spawn), 0, socket, 0);
    traces_write(traces, 1, NET(socket_accepted), 0, socket, 0);
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
that_an_actor_was_not_spawned_is_told_once(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    for (unsigned i = 1; i <= 3; i++)
        send(traces, TRI_TRACE_REF(1, 9, 1), TRI_TRACE_MESSAGE(1, i), 1);
    expect(traces, 1, "then is stopped; broken 1 times");
}

static void
an_actor_that_is_stopped_twice_fails(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
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
        {'A', NET(socket_accepted), 0, 0},  {'C', NET(socket_connecting), 0, 80},
        {'L', NET(socket_lookup), 0, 0},    {'c', NET(socket_connect), 0, 0},
        {'d', NET(socket_data), 0, 5},      {'w', NET(socket_write), 0, 5},
        {'q', NET(socket_write), 1, 5},     {'r', NET(socket_drain), 0, 0},
        {'e', NET(socket_end), 0, 0},       {'s', NET(socket_shutdown), 0, 0},
        {'t', NET(socket_timeout), 0, 100}, {'!', NET(socket_error), 0, 0},
        {'x', NET(socket_close), 0, 0},     {'X', NET(socket_close), 0, 1},
        {'S', ACTORS(stopped), 0, 0},       {'k', ACTORS(stop), 0, 2},
        {'p', ACTORS(spawn), 0, 0},         {'N', NET(socket_spawned), 0, 0},
        {'D', NET(socket_adopted), 0, 0},   {'R', NET(socket_again), 0, 0},
        {'E', NET(socket_accepted), 1, 0},  {'f', ACTORS(init_failed), 0, 0},
        {'n', ACTORS(stop), 0, 1},          {'j', ACTORS(stop), 0, 0},
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
        "pA!wX",       /* the same */
        "pA!eX",       /* the same */
        "pA!sX",       /* the same */
        "pAq!rX",      /* the same */
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
        "pAnS",        /* the same: asked to stop, but not killed */
        "pAjS",        /* the same */
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

/* An actor acts in worker 1's second file, and was not spawned in its first. */
static void
act_in_second_file(struct traces *traces)
{
    begin(traces);
    for (unsigned i = 1; i < FULL; i++)
        traces_write(traces, 1, TRI_TRACE_CORE_wake, i, 0, 0);
    send(traces, TRI_TRACE_REF(1, 9, 1), TRI_TRACE_MESSAGE(1, 1), 1);
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
    begin(traces);
    send(traces, TRI_TRACE_REF(1, 9, 1), TRI_TRACE_MESSAGE(1, 1), 1);
    traces_close(traces);
    traces_expect(traces, "check", 1, "FAILED   life");
    say_discarded(traces, "worker-1.00000000", 5);
    traces_expect(traces, "check", 0, "unknown  life");
}

static void
what_was_lost_afterwards_or_elsewhere_excuses_nothing(void **state)
{
    struct traces *traces = *state;
    begin(traces);
    receive(traces, B, TRI_TRACE_MESSAGE(0, 1), 1);
    send(traces, TRI_TRACE_REF(1, 9, 1), TRI_TRACE_MESSAGE(1, 1), 1);
    for (unsigned i = 3; i <= FULL; i++)
        traces_write(traces, 1, TRI_TRACE_CORE_wake, i, 0, 0);
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
        TEST(of_many_messages_under_way_each_finds_its_send),
        TEST(a_message_that_was_never_sent_fails),
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
        TEST(an_actor_on_two_workers_fails),
        TEST(a_sockets_events_belong_to_its_worker_too),
        TEST(what_happens_to_an_actor_may_be_recorded_elsewhere),
        TEST(an_actor_that_acts_before_its_spawn_fails),
        TEST(that_an_actor_was_not_spawned_is_told_once),
        TEST(an_actor_that_is_stopped_twice_fails),
        TEST(an_actor_that_is_spawned_twice_fails),
        TEST(an_actor_that_acts_after_its_end_fails),
        TEST(an_actor_whose_init_failed_ends_and_receives_nothing),
        TEST(sockets_that_keep_the_order_pass),
        TEST(a_socket_that_breaks_the_order_fails),
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
