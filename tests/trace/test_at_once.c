/*
 * The end of a handler, and the receive of the next message: two events, or one where nothing can lie between.
 */
#include "helpers.h"
#include "stage.h"
#include "traces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <troupe/actors/actor.h>
#include <troupe/actors/send.h>
#include <troupe/actors/tracing.h>
#include <troupe/core/message.h>

#define MESSAGES 1000u

enum { GO = 1, PLAIN };

/* The one that gives, all in one handler, and those that take. */
static struct {
    tr_ref takers[2];
    bool with_destructor;
} play;

static struct tally handled;

static void
destroy(void *data)
{
    (void)data;
}

static void
give(tr_actor *self, void *state, tr_message *message)
{
    (void)state, (void)message;
    for (unsigned i = 0; i < MESSAGES; i++) {
        tr_message one = tr_message_signal(PLAIN);
        if (play.with_destructor)
            one = tr_message_pointer(PLAIN, &play, sizeof(play), destroy);
        assert_int_equal(tr_send(self, play.takers[i % 2], &one), TR_OK);
    }
}

static void
take(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state, (void)message;
    tally_add(&handled, 1);
}

static const struct tr_behavior giver = {.name = "giver", .receive = give}, taker = {.name = "taker", .receive = take};

static void
run(const struct traces *traces, bool with_destructor, bool second_is_recorded)
{
    struct tr_runtime_options options = {.workers = 1, .watchdog_ms = -1};
    tr_runtime *runtime;
    tr_ref ref;
    tr_message go = tr_message_signal(GO);
    options.trace = (struct tr_trace_options){.mode = TR_TRACE_FILE, .directory = traces->directory};
    handled = (struct tally){0};
    play.with_destructor = with_destructor;
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(tr_runtime_spawn(runtime, &taker, NULL, &play.takers[i]), TR_OK);
    if (!second_is_recorded)
        assert_int_equal(tr_trace_actor(runtime, play.takers[1], TR_TRACE_ACTOR_OFF), TR_OK);
    assert_int_equal(tr_runtime_spawn(runtime, &giver, NULL, &ref), TR_OK);
    assert_int_equal(tr_runtime_send(runtime, ref, &go), TR_OK);
    tally_await(&handled, MESSAGES);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    traces_expect(traces, "check", 0, "handler");
}

static unsigned
lines(const struct traces *traces, const char *event, const char *part)
{
    struct outcome outcome = traces_tool(traces, "dump", "--event", event, NULL, NULL);
    assert_int_equal(outcome.status, 0);
    unsigned count = traces_count(outcome.text, part);
    free(outcome.text);
    return count;
}

/* A slice may end anywhere, and the last handler of a slice ends by itself. */
static void
each_handler_ends_once_by_itself_or_at_once_with_the_next_receive(void **state)
{
    run(*state, false, true);
    unsigned at_once = lines(*state, "receive", "  at_once 1");
    assert_int_equal(lines(*state, "receive", "(taker)"), MESSAGES);
    assert_int_equal(lines(*state, "handled", "(taker)") + at_once, MESSAGES);
    assert_true(at_once > 0);
}

static void
a_handler_ends_by_itself_where_the_destructor_of_its_message_comes_first(void **state)
{
    run(*state, true, true);
    assert_int_equal(lines(*state, "handled", "(taker)"), MESSAGES);
    assert_int_equal(lines(*state, "receive", "  at_once 1"), 0);
}

static void
a_handler_ends_by_itself_where_the_next_receive_may_not_be_recorded(void **state)
{
    run(*state, false, false);
    assert_int_equal(lines(*state, "handled", "(taker)"), MESSAGES / 2);
    assert_int_equal(lines(*state, "receive", "(taker)"), MESSAGES / 2);
    assert_int_equal(lines(*state, "receive", "  at_once 1"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_handler_ends_once_by_itself_or_at_once_with_the_next_receive),
        TEST(a_handler_ends_by_itself_where_the_destructor_of_its_message_comes_first),
        TEST(a_handler_ends_by_itself_where_the_next_receive_may_not_be_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
