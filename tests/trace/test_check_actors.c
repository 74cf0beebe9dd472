/*
 * Rules of actors and sockets.
 */
#include "checked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/core/status.h>

/* -- Actors. -- */

static void
an_actor_on_two_workers_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 1, ACTORS(send), 1, A, TRI_TRACE_MESSAGE(1, 1));
    expect_finding(traces, 1, "FAILED   one_worker");
}

static void
a_sockets_events_belong_to_its_worker_too(void **state)
{
    struct traces *traces = *state;
    uint64_t socket = TRI_TRACE_REF(0, 10, 1);
    begin_two(traces);
    traces_write(traces, 0, ACTORS(spawn), 0, socket, 0);
    traces_write(traces, 1, NET(socket_accepted), 0, socket, 0);
    expect_finding(traces, 1, "FAILED   one_worker");
}

static void
what_happens_to_an_actor_may_be_recorded_elsewhere(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_send(traces, B, TRI_TRACE_MESSAGE(1, 1), 1);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
    traces_write(traces, 1, ACTORS(dead_letter), 0, A, TRI_TRACE_MESSAGE(1, 1));
    traces_write(traces, 1, ACTORS(stop), 0, A, 0);
    traces_write(traces, OUTSIDE, TRI_TRACE_CORE_stall, 1000, A, 7);
    expect_finding(traces, 0, "passed   life");
}

static void
an_actor_that_acts_before_its_spawn_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    write_receive(traces, TRI_TRACE_REF(1, 9, 1), TRI_TRACE_MESSAGE(0, 1), 1);
    expect_finding(traces, 1, "FAILED   life");
}

static void
that_an_actor_was_not_spawned_is_told_once(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    for (unsigned i = 1; i <= 3; i++)
        write_send(traces, TRI_TRACE_REF(1, 9, 1), TRI_TRACE_MESSAGE(1, i), 1);
    expect_finding(traces, 1, "then is stopped; broken 1 times");
}

static void
an_actor_that_is_stopped_twice_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
    expect_finding(traces, 1, "FAILED   life");
}

static void
an_actor_that_is_spawned_twice_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 0, ACTORS(spawn), 0, A, 0);
    expect_finding(traces, 1, "FAILED   life");
}

static void
an_actor_that_acts_after_its_end_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    expect_finding(traces, 1, "FAILED   life");
}

static void
write_owed(struct traces *traces, uint64_t from, uint64_t message)
{
    tri_trace(tri_trace_stream_of(traces->trace, 0), ACTORS(send), 1, 7, from, message);
}

static void
what_an_actor_owed_may_be_sent_after_its_end_and_when_another_has_its_place(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
    write_owed(traces, A, TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, 0, ACTORS(spawn), 0, TRI_TRACE_REF(0, 1, 2), 0);
    write_owed(traces, A, TRI_TRACE_MESSAGE(0, 2));
    expect_finding(traces, 0, "passed   life");
}

static void
what_an_actor_owed_has_a_sender_that_was_there(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    write_owed(traces, TRI_TRACE_REF(0, 9, 1), TRI_TRACE_MESSAGE(0, 1));
    expect_finding(traces, 1, "life: it acts before it is spawned");
}

static void
an_actor_whose_init_failed_ends_and_receives_nothing(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 0, ACTORS(init_failed), (uint32_t)TR_EIO, A, 0);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
    traces_write(traces, 1, ACTORS(init_failed), (uint32_t)TR_EIO, B, 0);
    write_send(traces, 0, TRI_TRACE_MESSAGE(OUTSIDE, 1), 1);
    write_receive(traces, B, TRI_TRACE_MESSAGE(OUTSIDE, 1), 1);
    expect_finding(traces, 1, "life: it receives although its init failed");
    traces_expect(traces, "check", 1, "broken 1 times");
}

static void
an_actor_that_begins_again_after_its_end_passes(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
    traces_write(traces, 0, ACTORS(restart), 0, A, 0);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    traces_write(traces, 0, ACTORS(init_failed), (uint32_t)TR_EIO, A, 0);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
    traces_write(traces, 0, ACTORS(restart), 0, A, 0);
    expect_finding(traces, 0, "passed   restart");
}

static void
a_behavior_for_whose_name_there_was_no_memory_may_be_any(void **state)
{
    uint64_t first = TRI_TRACE_REF(0, 8, 1), second = TRI_TRACE_REF(0, 9, 1);
    struct traces *traces = *state;
    begin_two(traces);
    uint32_t name = tri_trace_name(traces->trace, "one");
    traces_write(traces, 0, ACTORS(spawn), 0, first, A);
    traces_write(traces, 0, ACTORS(stopped), 0, first, 0);
    traces_write(traces, 0, ACTORS(restart), name, first, A);
    traces_write(traces, 0, ACTORS(spawn), name, second, A);
    traces_write(traces, 0, ACTORS(stopped), 0, second, 0);
    traces_write(traces, 0, ACTORS(restart), 0, second, A);
    expect_finding(traces, 0, "passed   restart");
}

static void
an_actor_that_begins_again_with_another_behavior_fails(void **state)
{
    struct traces *traces = *state;
    uint64_t actor = TRI_TRACE_REF(0, 8, 1);
    begin_two(traces);
    traces_write(traces, 0, ACTORS(spawn), tri_trace_name(traces->trace, "one"), actor, A);
    traces_write(traces, 0, ACTORS(stopped), 0, actor, 0);
    traces_write(traces, 0, ACTORS(restart), tri_trace_name(traces->trace, "two"), actor, A);
    expect_finding(traces, 1, "restart: it begins again with another behavior or parent");
}

static void
only_a_status_that_the_program_may_have_given_needs_no_code(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 0, ACTORS(fail), (uint32_t)-65536, A, 0);
    traces_write(traces, 1, ACTORS(init_failed), (uint32_t)-65536, B, 0);
    traces_write(traces, 0, NET(server_error), (uint32_t)-65536, A, 0);
    expect_finding(traces, 1, "form: a status that the trace has no code for");
    traces_expect(traces, "check", 1, "server_error");
    traces_expect(traces, "check", 1, "broken 1 times");
}

static void
an_actor_that_begins_again_before_its_end_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 0, ACTORS(restart), 0, A, 0);
    expect_finding(traces, 1, "restart: it begins again before it has ended");
}

static void
an_actor_that_begins_again_and_was_never_there_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 1, ACTORS(restart), 0, TRI_TRACE_REF(1, 9, 1), 0);
    expect_finding(traces, 1, "restart: it begins again, and was never there");
}

static void
a_life_after_a_restart_is_one_like_the_first(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
    traces_write(traces, 0, ACTORS(restart), 0, A, 0);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
    write_send(traces, A, TRI_TRACE_MESSAGE(0, 1), 1);
    expect_finding(traces, 1, "life: it acts after it was stopped");
}

/* -- Monitors. -- */

static void
a_monitor_with_one_notice_or_none_passes(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 0, ACTORS(monitor), 0, A, B);
    traces_write(traces, 0, ACTORS(monitor), 0, A, B);
    traces_write(traces, 0, ACTORS(monitor), 0, A, B);
    traces_write(traces, 0, ACTORS(unmonitor), 0, A, B);
    traces_write(traces, 0, ACTORS(down), 0, A, B);
    traces_write(traces, 1, ACTORS(monitor), 0, B, A);
    expect_finding(traces, 0, "passed   monitor");
}

static void
a_second_notice_of_a_monitor_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 0, ACTORS(monitor), 0, A, B);
    traces_write(traces, 0, ACTORS(down), 0, A, B);
    traces_write(traces, 0, ACTORS(down), 0, A, B);
    expect_finding(traces, 1, "monitor: the notice of a monitor that is not there");
}

static void
a_notice_after_a_monitors_end_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 0, ACTORS(monitor), 0, A, B);
    traces_write(traces, 0, ACTORS(unmonitor), 0, A, B);
    traces_write(traces, 0, ACTORS(down), 0, A, B);
    expect_finding(traces, 1, "FAILED   monitor");
}

static void
a_monitor_ends_with_the_life_of_who_began_it(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 0, ACTORS(monitor), 0, A, B);
    traces_write(traces, 0, ACTORS(stopped), 0, A, 0);
    traces_write(traces, 0, ACTORS(restart), 0, A, 0);
    traces_write(traces, 0, ACTORS(down), 0, A, B);
    expect_finding(traces, 1, "FAILED   monitor");
}

static void
a_monitor_that_ends_twice_fails(void **state)
{
    struct traces *traces = *state;
    begin_two(traces);
    traces_write(traces, 0, ACTORS(monitor), 0, A, B);
    traces_write(traces, 0, ACTORS(unmonitor), 0, A, B);
    traces_write(traces, 0, ACTORS(unmonitor), 0, A, B);
    expect_finding(traces, 1, "monitor: it ends a monitor that is not there");
}

/* -- Sockets. -- */

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
    begin_two(traces);
    for (uint32_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        write_socket(traces, right[i], 10 + i);
    expect_finding(traces, 0, "passed   socket");
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
        begin_two(fresh);
        write_socket(fresh, wrong[i], 10);
        traces_close(fresh);
        struct outcome outcome = traces_tool(fresh, "check", NULL, NULL, NULL, NULL);
        if (outcome.status != 1 || strstr(outcome.text, "FAILED   socket") == NULL)
            fail_msg("%s did not fail: %d\n%s", wrong[i], outcome.status, outcome.text);
        free(outcome.text);
        traces_teardown(&fresh);
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_actor_on_two_workers_fails),
        TEST(a_sockets_events_belong_to_its_worker_too),
        TEST(what_happens_to_an_actor_may_be_recorded_elsewhere),
        TEST(an_actor_that_acts_before_its_spawn_fails),
        TEST(that_an_actor_was_not_spawned_is_told_once),
        TEST(an_actor_that_is_stopped_twice_fails),
        TEST(an_actor_that_is_spawned_twice_fails),
        TEST(an_actor_that_acts_after_its_end_fails),
        TEST(what_an_actor_owed_may_be_sent_after_its_end_and_when_another_has_its_place),
        TEST(what_an_actor_owed_has_a_sender_that_was_there),
        TEST(an_actor_whose_init_failed_ends_and_receives_nothing),
        TEST(an_actor_that_begins_again_after_its_end_passes),
        TEST(a_behavior_for_whose_name_there_was_no_memory_may_be_any),
        TEST(an_actor_that_begins_again_with_another_behavior_fails),
        TEST(only_a_status_that_the_program_may_have_given_needs_no_code),
        TEST(an_actor_that_begins_again_before_its_end_fails),
        TEST(an_actor_that_begins_again_and_was_never_there_fails),
        TEST(a_life_after_a_restart_is_one_like_the_first),
        TEST(a_monitor_with_one_notice_or_none_passes),
        TEST(a_second_notice_of_a_monitor_fails),
        TEST(a_notice_after_a_monitors_end_fails),
        TEST(a_monitor_ends_with_the_life_of_who_began_it),
        TEST(a_monitor_that_ends_twice_fails),
        TEST(sockets_that_keep_the_order_pass),
        TEST(a_socket_that_breaks_the_order_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
