/*
 * A trace that begins and ends while the program runs: tr_trace_begin() and tr_trace_end().
 *
 * The stress test provokes a worker that attaches and detaches between any two of its turns, while messages of all
 * kinds are on their way: sends and questions from workers that record and from those that do not (yet, or any more),
 * threads outside that have found the recorder just before it ends, timers, monitors and actors older than the trace.
 */
#include "helpers.h"
#include "stage.h"
#include "traces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>
#include <troupe/actors/ask.h>
#include <troupe/actors/tracing.h>
#include <troupe/actors/watch.h>

enum { GO = 1, HOLD, BEGIN_HERE };

static struct tally handled, held;
static uint64_t let_go; /* atomic */
static tr_status answers[2];

static void
take(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == HOLD) {
        tally_add(&held, 1);
        while (__atomic_load_n(&let_go, __ATOMIC_RELAXED) == 0)
            tests_let_pass(100000);
    } else if (message->tag == BEGIN_HERE) {
        struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = "nowhere"};
        tr_runtime *runtime = *(tr_runtime **)message->payload.bytes;
        answers[0] = tr_trace_begin(runtime, &options);
        answers[1] = tr_trace_end(runtime);
    } else {
        tr_trace_mark(self, "taken", 1);
    }
    tally_add(&handled, 1);
}

static const char *
name_of(uint32_t tag)
{
    return tag == GO ? "GO" : NULL;
}

static const struct tr_behavior taker = {.name = "taker", .receive = take, .tag_name = name_of};

/* A directory beside the others of the test. */
static void
place(struct traces *traces, unsigned number)
{
    snprintf(traces->directory, sizeof(traces->directory), "%s/%u", traces->base, number);
}

static tr_status
begin(tr_runtime *runtime, const struct traces *traces)
{
    struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = traces->directory};
    return tr_trace_begin(runtime, &options);
}

/* On a machine that does other things a worker may be late. */
static void
end(tr_runtime *runtime)
{
    tr_status status;
    while ((status = tr_trace_end(runtime)) == TR_EDEADLINE) {
    }
    assert_int_equal(status, TR_OK);
}

static void
play(tr_runtime *runtime, tr_ref to, unsigned count)
{
    uint64_t before = tally_read(&handled);
    for (unsigned i = 0; i < count; i++)
        stage_send(runtime, to, GO, NULL, 0);
    tally_await(&handled, before + count);
}

static void
expect(const struct traces *traces, const char *event, unsigned lines, const char *part)
{
    struct outcome outcome = traces_tool(traces, "dump", "--event", event, NULL, NULL);
    if (outcome.status != 0 || traces_count(outcome.text, part) != lines)
        fail_msg("there are not %u times \"%s\" in:\n%s", lines, part, outcome.text);
    free(outcome.text);
}

static void
a_trace_that_begins_in_the_middle_introduces_who_lives_and_keeps_the_rules(void **state)
{
    struct traces *traces = *state;
    tr_runtime *runtime = stage_open(2);
    tr_ref old = stage_spawn(runtime, &taker, 0, NULL), other = stage_spawn(runtime, &taker, 1, NULL);
    char text[TR_REF_TEXT_SIZE], line[80];
    play(runtime, old, 5);
    assert_int_equal(begin(runtime, traces), TR_OK);
    play(runtime, old, 3);
    play(runtime, stage_spawn(runtime, &taker, 1, NULL), 2);
    end(runtime);
    play(runtime, other, 7);
    expect(traces, "present", 2, "  behavior taker  how lives");
    snprintf(line, sizeof(line), "present            %s ", tr_ref_text(old, text));
    expect(traces, "present", 1, line);
    expect(traces, "spawn", 1, "  spawn ");
    expect(traces, "receive", 5, " GO");
    expect(traces, "mark", 5, "text taken");
    expect(traces, "attached", 3, "  attached ");
    expect(traces, "detached", 2, "  detached");
    traces_expect(traces, "check", 0, "the recorder was switched on or off while the program ran");
    traces_expect(traces, "check", 0, "passed   life");
    traces_expect(traces, "info", 0, "properly");
    stage_close(runtime);
}

static void
a_runtime_can_be_traced_again_and_again_and_each_trace_is_whole(void **state)
{
    struct traces *traces = *state;
    tr_runtime *runtime = stage_open(1);
    tr_ref ref = stage_spawn(runtime, &taker, 0, NULL);
    for (unsigned i = 0; i < 5; i++) {
        place(traces, i);
        assert_int_equal(begin(runtime, traces), TR_OK);
        play(runtime, ref, i + 1);
        end(runtime);
        play(runtime, ref, 3);
        expect(traces, "receive", i + 1, " GO");
        expect(traces, "present", 1, "behavior taker");
        traces_expect(traces, "check", 0, "passed   sent_before");
        tests_directory_remove(traces->directory);
    }
    stage_close(runtime);
}

static void
a_trace_that_the_options_began_can_be_ended_and_another_ends_with_the_runtime(void **state)
{
    struct traces *traces = *state;
    struct tr_runtime_options options = {.workers = 1, .watchdog_ms = -1};
    tr_runtime *runtime;
    options.trace = (struct tr_trace_options){.mode = TR_TRACE_FLIGHT, .directory = traces->directory};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    tr_ref ref = stage_spawn(runtime, &taker, 0, NULL);
    play(runtime, ref, 2);
    assert_int_equal(begin(runtime, traces), TR_EALREADY);
    end(runtime);
    assert_int_equal(tr_trace_end(runtime), TR_ENOTSUPPORTED);
    assert_int_equal(tr_trace_categories(runtime, 0), TR_ENOTSUPPORTED);
    assert_int_equal(tr_trace_snapshot(runtime, traces->base), TR_ENOTSUPPORTED);
    expect(traces, "receive", 2, " GO");
    traces_expect(traces, "check", 0, "passed   sent_before");
    tests_directory_remove(traces->directory);

    assert_int_equal(begin(runtime, traces), TR_OK);
    assert_int_equal(tr_trace_categories(runtime, TR_TRACE_ALL & ~TR_TRACE_MARKS), TR_OK);
    play(runtime, ref, 4);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    expect(traces, "receive", 4, " GO");
    expect(traces, "mark", 0, "taken");
    expect(traces, "worker_stop", 1, "worker_stop");
    traces_expect(traces, "info", 0, "properly");
}

static void
calls_that_cannot_be_are_refused_and_change_nothing(void **state)
{
    struct traces *traces = *state;
    tr_runtime *runtime = stage_open(1);
    tr_ref ref = stage_spawn(runtime, &taker, 0, NULL);
    struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = "/proc/no/such/place"};
    assert_int_equal(tr_trace_begin(NULL, &options), TR_EINVAL);
    assert_int_equal(tr_trace_begin(runtime, NULL), TR_EINVAL);
    assert_int_equal(tr_trace_end(NULL), TR_EINVAL);
    assert_int_equal(tr_trace_end(runtime), TR_ENOTSUPPORTED);
    assert_int_equal(tr_trace_begin(runtime, &options), TR_ENOENT);
    options.mode = TR_TRACE_OFF;
    assert_int_equal(tr_trace_begin(runtime, &options), TR_EINVAL);
    options = (struct tr_trace_options){.mode = TR_TRACE_FLIGHT, .directory = traces->directory, .segments = 1};
    assert_int_equal(tr_trace_begin(runtime, &options), TR_EBADLIMIT);
    play(runtime, ref, 1);
    stage_send(runtime, ref, BEGIN_HERE, &runtime, sizeof(runtime));
    tally_await(&handled, tally_read(&handled) + 1);
    assert_int_equal(answers[0], TR_EWRONGTHREAD);
    assert_int_equal(answers[1], TR_EWRONGTHREAD);
    assert_int_equal(access(traces->directory, F_OK), -1);
    assert_int_equal(begin(runtime, traces), TR_OK);
    stage_close(runtime);
    traces_expect(traces, "info", 0, "properly");
}

static void
a_worker_that_is_busy_for_long_begins_and_ends_when_it_comes_to_it(void **state)
{
    struct traces *traces = *state;
    struct tr_runtime_options options = {.workers = 2, .pinning = TR_PINNING_NEVER, .watchdog_ms = -1};
    tr_runtime *runtime;
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    tr_ref stuck = stage_spawn(runtime, &taker, 0, NULL), free_one = stage_spawn(runtime, &taker, 1, NULL);
    stage_send(runtime, stuck, HOLD, NULL, 0);
    tally_await(&held, 1);
    assert_int_equal(begin(runtime, traces), TR_OK);
    play(runtime, free_one, 2);
    assert_int_equal(tr_trace_end(runtime), TR_EDEADLINE);
    assert_int_equal(begin(runtime, traces), TR_EDEADLINE);
    traces_expect(traces, "info", 0, "still being written");
    __atomic_store_n(&let_go, 1, __ATOMIC_RELAXED);
    tally_await(&handled, 3);
    end(runtime);
    expect(traces, "receive", 2, " GO");
    expect(traces, "attached", 3, "  attached ");
    traces_expect(traces, "check", 0, NULL);
    stage_close(runtime);
}

/* -- Full load. -- */

enum { PASS = 10, QUESTION, ANSWER, TICK, HOPS = 8, HANDS = 6 };

static tr_ref hands[HANDS];
static uint64_t over; /* atomic */

static bool
is_over(void)
{
    return __atomic_load_n(&over, __ATOMIC_RELAXED) != 0;
}

static void
live_shortly(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    tr_exit(self);
}

static const struct tr_behavior mayfly = {.name = "mayfly", .receive = live_shortly};

static void
breed(tr_actor *self, tr_ref near)
{
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = tr_ref_worker(near)};
    tr_ref child;
    if (tr_spawn(self, &mayfly, &options, &child) != TR_OK)
        return;
    tr_monitor monitor;
    (void)tr_monitor_start(self, child, &monitor);
    (void)tr_tell(self, child, GO, NULL, 0);
}

static void ask_on(tr_actor *self);

static void
on_answer(tr_actor *self, void *context, const struct tr_answer *answer)
{
    (void)context;
    (void)answer;
    tally_add(&handled, 1);
    ask_on(self);
}

static void
ask_on(tr_actor *self)
{
    static unsigned turn; /* any hand will do */
    struct tr_ask_options options = {.done = on_answer};
    tr_ref to = hands[__atomic_fetch_add(&turn, 1, __ATOMIC_RELAXED) % HANDS];
    tr_message question = tr_message_signal(QUESTION);
    if (is_over())
        return;
    if (to == tr_self(self) || tr_ask(self, to, &question, &options) != TR_OK)
        (void)tr_tell(self, tr_self(self), TICK, NULL, 0);
}

static void
work(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    uint64_t hop = message->tag == PASS ? message->payload.words[0] : 0;
    tally_add(&handled, 1);
    if (message->tag == QUESTION) {
        tr_message answer = tr_message_signal(ANSWER);
        (void)tr_reply(self, &answer);
    } else if (message->tag == TICK) {
        ask_on(self);
    } else if (message->tag == PASS && !is_over()) {
        uint64_t next = hop + 1;
        (void)tr_tell(self, hands[next * 7 % HANDS], PASS, &next, sizeof(next));
        if (hop % 16 == 0)
            breed(self, hands[next % HANDS]);
        if (hop % 64 == 0) {
            tr_message later = tr_message_signal(GO);
            (void)tr_send_after(self, tr_self(self), 1, &later, NULL);
        }
    }
}

static const struct tr_behavior hand = {.name = "hand", .receive = work, .mailbox = {.messages = 100000}};

static void
send_from_outside(void *argument)
{
    tr_runtime *runtime = argument;
    for (uint64_t i = 1; !is_over(); i++) {
        tr_message message = tr_message_signal(GO);
        (void)tr_runtime_send(runtime, hands[i % HANDS], &message);
        tr_runtime_trace_mark(runtime, "outside", i);
        if (i % 50 == 0)
            tests_let_pass(100000);
    }
}

static void
start_work(tr_runtime *runtime)
{
    for (unsigned i = 0; i < HANDS; i++)
        hands[i] = stage_spawn(runtime, &hand, i % 2, NULL);
    for (unsigned i = 0; i < HOPS; i++) {
        uint64_t hop = i;
        stage_send(runtime, hands[i % HANDS], PASS, &hop, sizeof(hop));
        stage_send(runtime, hands[i % HANDS], TICK, NULL, 0);
    }
}

static void
a_recorder_is_switched_on_and_off_under_full_load_and_every_trace_keeps_the_rules(void **state)
{
    struct traces *traces = *state;
    tr_runtime *runtime = stage_open(2);
    uv_thread_t outside;
    uint32_t seed = 4711;
    start_work(runtime);
    assert_int_equal(uv_thread_create(&outside, send_from_outside, runtime), 0);
    for (unsigned round = 0; round < 25 * tests_stress(); round++) {
        place(traces, round);
        struct tr_trace_options options = {.mode = round % 3 == 0 ? TR_TRACE_FLIGHT : TR_TRACE_FILE,
                                           .directory = traces->directory,
                                           .segment_bytes = 65536,
                                           .limit_bytes = 1 << 21};
        seed = seed * 1664525u + 1013904223u;
        tally_await(&handled, tally_read(&handled) + (seed >> 22)); /* the moment */
        assert_int_equal(tr_trace_begin(runtime, &options), TR_OK);
        tally_await(&handled, tally_read(&handled) + (seed >> 12 & 0x3ff));
        end(runtime);
        traces_expect(traces, "check", 0, NULL);
        traces_expect(traces, "info", 0, "properly");
        tests_directory_remove(traces->directory);
    }
    __atomic_store_n(&over, 1, __ATOMIC_RELAXED);
    uv_thread_join(&outside);
    stage_close(runtime);
}

static int
setup(void **state)
{
    handled = held = (struct tally){0};
    return traces_setup(state);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_trace_that_begins_in_the_middle_introduces_who_lives_and_keeps_the_rules),
        TEST(a_runtime_can_be_traced_again_and_again_and_each_trace_is_whole),
        TEST(a_trace_that_the_options_began_can_be_ended_and_another_ends_with_the_runtime),
        TEST(calls_that_cannot_be_are_refused_and_change_nothing),
        TEST(a_worker_that_is_busy_for_long_begins_and_ends_when_it_comes_to_it),
        TEST(a_recorder_is_switched_on_and_off_under_full_load_and_every_trace_keeps_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
