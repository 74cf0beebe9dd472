/*
 * tracing.h: marks, what is recorded in a running program, and copies of its trace.
 */
#include "helpers.h"
#include "stage.h"
#include "traces.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/tracing.h>

enum { PLAIN = 1, MARK, MARK_FROM_ONE_PLACE };

static struct tally handled;

/* With a text that changes where it lies. */
static void
mark_from_one_place(const tr_actor *self)
{
    char text[] = "round 0";
    for (unsigned i = 0; i < 4; i++) {
        text[sizeof(text) - 2] = (char)('0' + i / 2);
        tr_trace_mark(self, text, i);
    }
}

static void
take(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == MARK)
        tr_trace_mark(self, "round", 42);
    if (message->tag == MARK_FROM_ONE_PLACE)
        mark_from_one_place(self);
    tally_add(&handled, 1);
}

static const struct tr_behavior taker = {.name = "taker", .receive = take};

static tr_runtime *
start(const struct traces *traces, unsigned workers)
{
    struct tr_runtime_options options = {.workers = workers, .watchdog_ms = -1};
    tr_runtime *runtime;
    options.trace = (struct tr_trace_options){.mode = TR_TRACE_FILE, .directory = traces->directory};
    handled = (struct tally){0};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    return runtime;
}

static void
stop(tr_runtime *runtime)
{
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

/* Sends count messages and waits until so many were handled in all. */
static void
play(tr_runtime *runtime, tr_ref to, uint32_t tag, unsigned count, uint64_t in_all)
{
    for (unsigned i = 0; i < count; i++) {
        tr_message message = tr_message_signal(tag);
        assert_int_equal(tr_runtime_send(runtime, to, &message), TR_OK);
    }
    tally_await(&handled, in_all);
}

static tr_ref
spawn(tr_runtime *runtime)
{
    tr_ref ref;
    assert_int_equal(tr_runtime_spawn(runtime, &taker, NULL, &ref), TR_OK);
    return ref;
}

static void
expect(const struct traces *traces, const char *event, unsigned lines, const char *part)
{
    struct outcome outcome = traces_tool(traces, "dump", "--event", event, NULL, NULL);
    if (outcome.status != 0 || traces_count(outcome.text, part) != lines)
        fail_msg("there are not %u times \"%s\" in:\n%s", lines, part, outcome.text);
    free(outcome.text);
}

/* -- Marks. -- */

static void
a_mark_is_written_with_its_actor_its_text_and_its_number(void **state)
{
    tr_runtime *runtime = start(*state, 1);
    tr_ref ref = spawn(runtime);
    char text[TR_REF_TEXT_SIZE], line[80];
    play(runtime, ref, MARK, 2, 2);
    tr_runtime_trace_mark(runtime, "phase", UINT64_MAX);
    tr_runtime_trace_mark(runtime, NULL, 0);
    stop(runtime);
    snprintf(line, sizeof(line), "  mark               %s (taker)  number 42  text round\n", tr_ref_text(ref, text));
    expect(*state, "mark", 2, line);
    expect(*state, "mark", 1, "outside  mark               number 18446744073709551615  text phase\n");
    expect(*state, "mark", 1, "outside  mark               number 0  text \n");
}

static void
a_mark_has_the_text_that_its_address_has_now(void **state)
{
    tr_runtime *runtime = start(*state, 1);
    play(runtime, spawn(runtime), MARK_FROM_ONE_PLACE, 1, 1);
    stop(runtime);
    expect(*state, "mark", 2, "text round 0\n");
    expect(*state, "mark", 2, "text round 1\n");
}

static void
marks_of_nobody_and_without_a_trace_do_nothing(void **state)
{
    (void)state;
    struct tr_runtime_options options = {.workers = 1};
    tr_runtime *runtime;
    handled = (struct tally){0};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    play(runtime, spawn(runtime), MARK, 1, 1);
    tr_runtime_trace_mark(runtime, "phase", 1);
    tr_runtime_trace_mark(NULL, "phase", 1);
    tr_trace_mark(NULL, "phase", 1);
    stop(runtime);
}

/* -- What is recorded. -- */

static void
a_category_that_is_off_is_not_recorded_and_then_is_again(void **state)
{
    tr_runtime *runtime = start(*state, 2);
    tr_ref ref = spawn(runtime);
    play(runtime, ref, MARK, 5, 5);
    assert_int_equal(tr_trace_categories(runtime, TR_TRACE_ALL & ~TR_TRACE_MESSAGES), TR_OK);
    play(runtime, ref, MARK, 7, 12);
    assert_int_equal(tr_trace_categories(runtime, TR_TRACE_MESSAGES), TR_OK);
    play(runtime, ref, MARK, 3, 15);
    stop(runtime);
    expect(*state, "receive", 5 + 3, "  receive ");
    expect(*state, "send", 5 + 3, "  send ");
    expect(*state, "mark", 5 + 7, "  mark ");
    expect(*state, "spawn", 1, "  spawn ");
    expect(*state, "stopped", 0, "  stopped "); /* the category actors is off by then */
    expect(*state, "worker_stop", 2, "  worker_stop");
    expect(*state, "switched", 1, "  categories 126  how as_others\n");
    expect(*state, "switched", 1, "  categories 1  how as_others\n");
}

static void
what_was_not_recorded_is_not_taken_for_missing(void **state)
{
    struct traces *traces = *state;
    tr_runtime *runtime = start(traces, 1);
    tr_ref ref = spawn(runtime);
    assert_int_equal(tr_trace_categories(runtime, 0), TR_OK);
    tr_ref other = spawn(runtime);
    play(runtime, ref, PLAIN, 3, 3);
    assert_int_equal(tr_trace_categories(runtime, TR_TRACE_ALL), TR_OK);
    play(runtime, other, PLAIN, 3, 6); /* of an actor whose spawn is not there */
    stop(runtime);
    traces_expect(traces, "check", 0, "unknown  sent_before");
    traces_expect(traces, "check", 0, "events of some actors or categories were not recorded for a while");
}

static void
of_a_single_actor_all_is_recorded_or_nothing(void **state)
{
    tr_runtime *runtime = start(*state, 1);
    tr_ref on = spawn(runtime), off = spawn(runtime), other = spawn(runtime);
    assert_int_equal(tr_trace_actor(runtime, off, TR_TRACE_ACTOR_OFF), TR_OK);
    assert_int_equal(tr_trace_actor(runtime, on, TR_TRACE_ACTOR_ON), TR_OK);
    play(runtime, off, PLAIN, 2, 2);
    play(runtime, other, PLAIN, 3, 5);
    assert_int_equal(tr_trace_categories(runtime, 0), TR_OK);
    play(runtime, on, PLAIN, 4, 9);
    play(runtime, other, PLAIN, 5, 14);
    assert_int_equal(tr_trace_actor(runtime, on, TR_TRACE_ACTOR_AS_OTHERS), TR_OK);
    play(runtime, on, PLAIN, 6, 20);
    assert_int_equal(tr_trace_categories(runtime, TR_TRACE_ALL), TR_OK);
    assert_int_equal(tr_trace_actor(runtime, off, TR_TRACE_ACTOR_AS_OTHERS), TR_OK);
    play(runtime, off, PLAIN, 7, 27);
    stop(runtime);
    expect(*state, "receive", 3 + 4 + 7, "  receive ");
    expect(*state, "switched", 1, "(taker)  categories 127  how off\n");
    expect(*state, "switched", 1, "(taker)  categories 127  how on\n");
}

static void
not_more_than_512_actors_differ_but_any_number_may_have(void **state)
{
    tr_runtime *runtime = start(*state, 1);
    tr_ref ref = spawn(runtime), others = ref + (UINT64_C(1) << 36); /* of later generations */
    for (uint64_t i = 0; i < 512; i++)
        assert_int_equal(tr_trace_actor(runtime, others + (i << 36), TR_TRACE_ACTOR_OFF), TR_OK);
    assert_int_equal(tr_trace_actor(runtime, ref, TR_TRACE_ACTOR_OFF), TR_EFULL);
    assert_int_equal(tr_trace_actor(runtime, others, TR_TRACE_ACTOR_ON), TR_OK);
    for (uint64_t i = 0; i < 512; i++)
        assert_int_equal(tr_trace_actor(runtime, others + (i << 36), TR_TRACE_ACTOR_AS_OTHERS), TR_OK);
    for (uint64_t i = 0; i < 2000; i++) {
        assert_int_equal(tr_trace_actor(runtime, others + (i << 36), TR_TRACE_ACTOR_ON), TR_OK);
        assert_int_equal(tr_trace_actor(runtime, others + (i << 36), TR_TRACE_ACTOR_AS_OTHERS), TR_OK);
    }
    assert_int_equal(tr_trace_actor(runtime, ref, TR_TRACE_ACTOR_OFF), TR_OK);
    play(runtime, ref, PLAIN, 2, 2);
    stop(runtime);
    expect(*state, "receive", 0, "  receive ");
}

static void
switches_that_cannot_be_are_refused(void **state)
{
    tr_runtime *runtime = start(*state, 1);
    tr_ref ref = spawn(runtime);
    assert_int_equal(tr_trace_categories(NULL, TR_TRACE_ALL), TR_EINVAL);
    assert_int_equal(tr_trace_categories(runtime, TR_TRACE_ALL + 1), TR_EINVAL);
    assert_int_equal(tr_trace_actor(NULL, ref, TR_TRACE_ACTOR_ON), TR_EINVAL);
    assert_int_equal(tr_trace_actor(runtime, ref, (enum tr_trace_actor)3), TR_EINVAL);
    assert_int_equal(tr_trace_actor(runtime, TR_NOBODY, TR_TRACE_ACTOR_ON), TR_EBADREF);
    assert_int_equal(tr_trace_snapshot(NULL, "x"), TR_EINVAL);
    assert_int_equal(tr_trace_snapshot(runtime, NULL), TR_EINVAL);
    stop(runtime);
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &runtime), TR_OK);
    ref = spawn(runtime);
    assert_int_equal(tr_trace_categories(runtime, TR_TRACE_ALL), TR_ENOTSUPPORTED);
    assert_int_equal(tr_trace_actor(runtime, ref, TR_TRACE_ACTOR_ON), TR_ENOTSUPPORTED);
    assert_int_equal(tr_trace_snapshot(runtime, "x"), TR_ENOTSUPPORTED);
    stop(runtime);
}

/* -- Copies. -- */

/* The trace of a copy, in `copy`. */
static struct traces
copy_of(const struct traces *traces, const char *name)
{
    struct traces copy = *traces;
    copy.trace = NULL;
    snprintf(copy.directory, sizeof(copy.directory), "%s/%s", traces->base, name);
    return copy;
}

static void
a_copy_holds_what_was_recorded_until_then(void **state)
{
    const struct traces *traces = *state;
    struct traces copy = copy_of(traces, "copy");
    tr_runtime *runtime = start(traces, 2);
    tr_ref ref = spawn(runtime);
    play(runtime, ref, MARK, 5, 5);
    assert_int_equal(tr_trace_snapshot(runtime, copy.directory), TR_OK);
    play(runtime, ref, MARK, 5, 10);
    assert_int_equal(tr_trace_snapshot(runtime, copy.directory), TR_EEXIST);
    assert_int_equal(tr_trace_snapshot(runtime, "/dev/null/copy"), TR_ENOTDIR);
    stop(runtime);
    expect(&copy, "mark", 5, " (taker)  number 42  text round\n");
    traces_expect(&copy, "check", 0, "the trace was cut off");
    tests_directory_remove(copy.directory);
}

/* While a flight recorder overwrites its files as fast as it can. */
static void
each_copy_of_a_flight_recorder_in_full_flight_can_be_read(void **state)
{
    static const struct tr_behavior echo = {.name = "echo", .receive = take};
    const struct traces *traces = *state;
    struct tr_runtime_options options = {.workers = 1, .watchdog_ms = -1};
    options.trace = (struct tr_trace_options){
        .mode = TR_TRACE_FLIGHT, .directory = traces->directory, .segment_bytes = SEGMENT, .segments = 4};
    tr_runtime *runtime;
    tr_ref ref;
    handled = (struct tally){0};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    assert_int_equal(tr_runtime_spawn(runtime, &echo, NULL, &ref), TR_OK);
    for (unsigned round = 0; round < 20; round++) {
        char name[20];
        snprintf(name, sizeof(name), "copy%u", round);
        struct traces copy = copy_of(traces, name);
        for (unsigned i = 0; i < 500; i++) {
            tr_message message = tr_message_signal(MARK);
            assert_int_equal(tr_runtime_send(runtime, ref, &message), TR_OK);
        }
        assert_int_equal(tr_trace_snapshot(runtime, copy.directory), TR_OK); /* they are being handled */
        traces_expect_counts(&copy, NULL);
        traces_expect(&copy, "check", 0, NULL);
        tests_directory_remove(copy.directory);
    }
    tally_await(&handled, UINT64_C(20) * 500);
    stop(runtime);
}

/* -- Killed at any moment. -- */

static void
pass_back(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    tr_trace_mark(self, "passed", message->tag);
    (void)tr_tell(self, tr_self(self), message->tag + 1, NULL, 0);
}

static const char *
name_of_any(uint32_t tag)
{
    static _Thread_local char name[24];
    snprintf(name, sizeof(name), "TAG_%u", tag);
    return name;
}

/* Two workers, each with an actor that never rests. */
static _Noreturn void
record_for_ever(const struct traces *traces, enum tr_trace_mode mode)
{
    static const struct tr_behavior restless = {.name = "restless", .receive = pass_back, .tag_name = name_of_any};
    struct tr_runtime_options options = {.workers = 2, .watchdog_ms = -1};
    tr_runtime *runtime;
    options.trace = (struct tr_trace_options){
        .mode = mode, .directory = traces->directory, .segment_bytes = SEGMENT, .segments = 4, .limit_bytes = 4 << 20};
    if (tr_runtime_start(&options, &runtime) != TR_OK)
        _exit(1);
    for (unsigned worker = 0; worker < 2; worker++) {
        struct tr_spawn_options place = {.placement = TR_PLACE_WORKER, .worker = worker};
        tr_message message = tr_message_signal(1);
        tr_ref ref;
        if (tr_runtime_spawn(runtime, &restless, &place, &ref) != TR_OK ||
            tr_runtime_send(runtime, ref, &message) != TR_OK)
            _exit(1);
    }
    for (;;)
        pause();
}

static void
a_program_that_is_killed_at_any_moment_leaves_a_trace_that_keeps_the_rules(void **state)
{
    struct traces *traces = *state;
    uint32_t seed = 20250101;
    for (unsigned round = 0; round < 60; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            record_for_ever(traces, round % 2 == 0 ? TR_TRACE_FILE : TR_TRACE_FLIGHT);
        assert_true(tests_wait_until(traces_have_begun, traces, TESTS_LIMIT_MS));
        seed = seed * 1664525u + 1013904223u;
        nanosleep(&(struct timespec){.tv_nsec = seed >> 10 & 0x3fffff}, NULL); /* the moment: up to 4 ms later */
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        traces_expect(traces, "check", 0, "the trace was cut off");
        tests_directory_remove(traces->directory);
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_mark_is_written_with_its_actor_its_text_and_its_number),
        TEST(a_mark_has_the_text_that_its_address_has_now),
        TEST(marks_of_nobody_and_without_a_trace_do_nothing),
        TEST(a_category_that_is_off_is_not_recorded_and_then_is_again),
        TEST(what_was_not_recorded_is_not_taken_for_missing),
        TEST(of_a_single_actor_all_is_recorded_or_nothing),
        TEST(not_more_than_512_actors_differ_but_any_number_may_have),
        TEST(switches_that_cannot_be_are_refused),
        TEST(a_copy_holds_what_was_recorded_until_then),
        TEST(each_copy_of_a_flight_recorder_in_full_flight_can_be_read),
        TEST(a_program_that_is_killed_at_any_moment_leaves_a_trace_that_keeps_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
