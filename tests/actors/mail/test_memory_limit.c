/*
 * options.memory_limit: what is refused at the limit, what passes, what waits, and that it is over when the memory is
 * back. In simulated runtimes; the level is raised by a buffer of the test's that claims to have as many bytes.
 */
#include "puppet.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <troupe/actors/ask.h>
#include <troupe/actors/group.h>
#include <troupe/actors/watch.h>
#include <troupe/testing.h>

#include <cmocka.h>

#define LIMIT TR_MEMORY_LIMIT_LEAST(2)
#define PAYLOAD 32768u
#define LATE 65536u    /* the level may be behind by so much for each worker */
#define WHILE_MS 1000u /* the limit lasts, where time goes on */

static tr_runtime *runtime;
static tr_ref a, b, afar; /* a and b live on one worker */
static tr_slice filler;
static tr_status status, second;
static enum tr_outcome outcome;
static unsigned sent, outcomes;

static int
open_play(void **state)
{
    struct tr_testing_options options = {.workers = 2, .runtime.memory_limit = LIMIT};
    (void)state;
    status = second = TR_OK;
    sent = outcomes = 0;
    filler = (tr_slice){0};
    assert_int_equal(tr_testing_start(&options, &runtime), TR_OK);
    a = puppet_spawn(runtime, 0);
    b = puppet_spawn(runtime, 0);
    afar = puppet_spawn(runtime, 1);
    puppet_forget();
    return 0;
}

static struct tr_counters
counters(void)
{
    struct tr_counters now;
    tr_runtime_counters(runtime, &now);
    return now;
}

static void
fill(size_t bytes)
{
    static char claimed;
    assert_int_equal(tr_slice_adopt(&claimed, bytes, NULL, &filler), TR_OK);
}

static void
empty(void)
{
    tr_slice_release(filler);
    filler = (tr_slice){0};
}

static int
close_play(void **state)
{
    (void)state;
    empty();
    assert_int_equal(tr_runtime_stop(runtime, 1000, NULL), TR_OK);
    return 0;
}

/* The actor does that when the runtime is at its limit, of which its worker has heard. */
static void
act_at_limit(tr_ref actor, void (*act)(tr_actor *self, void *argument))
{
    puppet_order(runtime, actor, act, NULL);
    fill(LIMIT);
    tr_testing_run(runtime);
}

static void
act_now(tr_ref actor, void (*act)(tr_actor *self, void *argument))
{
    puppet_order(runtime, actor, act, NULL);
    tr_testing_run(runtime);
}

/* Options. */

static void
a_limit_below_the_least_is_refused_and_the_least_is_taken(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        struct tr_runtime_options options = {.workers = workers, .pinning = TR_PINNING_NEVER};
        tr_runtime *started;
        options.memory_limit = TR_MEMORY_LIMIT_LEAST(workers) - 1;
        assert_int_equal(tr_runtime_start(&options, &started), TR_EBADLIMIT);
        options.memory_limit++;
        assert_int_equal(tr_runtime_start(&options, &started), TR_OK);
        assert_int_equal(tr_runtime_stop(started, 1000, NULL), TR_OK);
    }
}

static void
without_a_limit_nothing_is_counted_and_nothing_refused(void **state)
{
    (void)state;
    assert_int_equal(tr_testing_start(NULL, &runtime), TR_OK);
    a = puppet_spawn(runtime, 0);
    fill(SIZE_MAX / 4);
    assert_int_equal(counters().memory, 0);
    stage_send(runtime, a, PUPPET_NUMBER, &(uint64_t){1}, 8);
    tr_testing_run(runtime);
    assert_int_equal(counters().memory_limit + counters().memory_reached + counters().memory_refused, 0);
    close_play(state);
}

/* What counts. */

static uint64_t
counted_by(void (*act)(void))
{
    uint64_t before = counters().memory;
    act();
    tr_testing_run(runtime);
    return counters().memory - before;
}

static void
keep_in_mailbox(void)
{
    for (unsigned i = 0; i < 100; i++)
        stage_send(runtime, a, PUPPET_NUMBER, &(uint64_t){i}, 8);
    for (int i = 0; i < 4; i++) /* its worker takes them, and handles some */
        tr_testing_step(runtime);
}

static void
spawn_some(void)
{
    for (unsigned i = 0; i < 100; i++)
        puppet_spawn(runtime, i % 2);
}

static void
start_timers(tr_actor *self, void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < 100; i++) {
        tr_message message = tr_message_signal(PUPPET_NUMBER);
        assert_int_equal(tr_send_after(self, b, 1000, &message, NULL), TR_OK);
    }
}

static void
delay_some(void)
{
    act_now(a, start_timers);
}

static void
buffers_waiting_messages_delays_and_actors_count_and_no_more_when_they_are_gone(void **state)
{
    (void)state;
    uint64_t base = counters().memory;
    fill(100000);
    assert_in_range(counters().memory - base, 100000, 100128);
    empty();
    assert_int_equal(counters().memory, base);
    assert_int_equal(counted_by(keep_in_mailbox), 0);
    assert_in_range(counted_by(delay_some), 100 * 100, 100 * 300);
    tr_testing_advance(runtime, 2000);
    assert_int_equal(counters().memory, base);
    assert_in_range(counted_by(spawn_some), 100 * 64, 100 * 256);
}

static void
send_many(tr_actor *self, void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(tr_tell(self, b, PUPPET_NUMBER, &(uint64_t){i}, 8), TR_OK);
}

static void
messages_that_wait_count_and_those_that_were_handled_do_not(void **state)
{
    (void)state;
    uint64_t base = counters().memory;
    puppet_order(runtime, a, send_many, NULL);
    while (counters().memory < base + 1000 * 64)
        assert_true(tr_testing_step(runtime));
    tr_testing_run(runtime);
    assert_int_equal(counters().memory, base);
}

/* Refusals. */

static void
produce(tr_actor *self, void *argument)
{
    static const char bytes[PAYLOAD];
    (void)argument;
    do {
        tr_message message = tr_message_copy(PUPPET_NUMBER, bytes, sizeof(bytes));
        status = tr_send(self, b, &message);
        sent += status == TR_OK;
        second = tr_message_size(&message) == (status == TR_OK ? 0 : PAYLOAD) ? TR_OK : TR_EINVAL;
        tr_message_drop(&message);
    } while (status == TR_OK && sent < 1000000);
}

static void
who_produces_faster_than_others_consume_hears_of_it_in_the_same_call_and_goes_on_afterwards(void **state)
{
    (void)state;
    for (unsigned round = 1; round <= 3; round++) {
        sent = 0;
        act_now(a, produce);
        assert_int_equal(status, TR_EMEMORYLIMIT);
        assert_int_equal(second, TR_OK); /* the message was still its own */
        assert_in_range(sent * PAYLOAD, LIMIT * 3 / 4, LIMIT + LATE + PAYLOAD);
        assert_int_equal(puppet_count(), sent);
        assert_int_equal(counters().memory_reached, round);
        assert_int_equal(counters().memory_refused, round);
        assert_int_equal(counters().refused, round);
        puppet_forget();
    }
    assert_int_equal(counters().dead_letters, 0);
}

static void
produce_small(tr_actor *self, void *argument)
{
    const tr_ref *to = argument;
    do {
        status = tr_tell(self, *to, TR_TAG_RESERVED - 1, NULL, 0);
        sent += status == TR_OK;
    } while (status == TR_OK && sent < 1000000);
}

static void
who_produces_small_messages_hears_of_it_too(void **state)
{
    (void)state;
    static tr_ref sink;
    static const struct tr_behavior ignores = {.name = "sink", .receive = ignore};
    sink = stage_spawn(runtime, &ignores, 0, NULL);
    puppet_order(runtime, a, produce_small, &sink);
    tr_testing_run(runtime);
    assert_int_equal(status, TR_EMEMORYLIMIT);
    assert_in_range(sent * 80, LIMIT * 3 / 4, LIMIT + LATE);
    assert_int_equal(counters().dead_letters, 0);
}

static void
send_small(tr_actor *self, void *argument)
{
    (void)argument;
    status = tr_tell(self, b, PUPPET_NUMBER, &(uint64_t){1}, 8);
    second = tr_tell(self, afar, PUPPET_NUMBER, &(uint64_t){2}, 8);
}

static void
at_the_limit_a_small_message_passes_in_the_memory_of_what_was_handled(void **state)
{
    (void)state;
    act_now(a, send_small); /* and there are nodes on both workers */
    tr_testing_run(runtime);
    act_at_limit(a, send_small);
    assert_int_equal(status, TR_OK);
    assert_int_equal(second, TR_OK);
    assert_int_equal(puppet_count(), 4);
}

static tr_message prepared;

static void
send_prepared(tr_actor *self, void *argument)
{
    static const char bytes[PAYLOAD];
    tr_message fresh = tr_message_copy(PUPPET_NUMBER, bytes, sizeof(bytes));
    (void)argument;
    status = tr_send(self, b, &prepared);
    second = tr_send(self, b, &fresh);
    tr_message_drop(&fresh);
}

static void
at_the_limit_a_payload_passes_that_was_there_before_and_a_new_one_does_not(void **state)
{
    (void)state;
    static const char bytes[PAYLOAD];
    act_now(a, send_small);
    prepared = tr_message_copy(PUPPET_NUMBER, bytes, sizeof(bytes));
    act_at_limit(a, send_prepared);
    assert_int_equal(status, TR_OK);
    assert_int_equal(second, TR_EMEMORYLIMIT);
}

/* Sends on what it gets, and a pointer of its own. */
static void
relay(tr_actor *self, void *state, tr_message *message)
{
    static int own;
    (void)state;
    status = tr_send(self, b, message);
    tr_message fresh = tr_message_pointer(PUPPET_NUMBER, &own, sizeof(own), NULL);
    second = tr_send(self, b, &fresh);
}

static tr_ref relays;

static void
send_to_relay_and_fill(tr_actor *self, void *argument)
{
    static int own;
    tr_message message = tr_message_pointer(PUPPET_NUMBER, &own, sizeof(own), NULL);
    (void)argument;
    assert_int_equal(tr_send(self, relays, &message), TR_OK);
    fill(LIMIT);
}

static void
at_the_limit_a_message_is_sent_on_that_was_received_whatever_it_carries(void **state)
{
    (void)state;
    static const struct tr_behavior behavior = {.name = "relay", .receive = relay};
    relays = stage_spawn(runtime, &behavior, 0, NULL);
    act_now(a, send_small);
    puppet_forget();
    act_now(a, send_to_relay_and_fill);
    assert_int_equal(status, TR_OK);
    assert_int_equal(second, TR_EMEMORYLIMIT);
    assert_int_equal(puppet_count(), 1);
}

static void
from_outside_nothing_is_sent_published_asked_or_spawned_at_the_limit(void **state)
{
    (void)state;
    tr_group *group;
    tr_ref born;
    tr_message answer, message = tr_message_signal(PUPPET_NUMBER);
    assert_int_equal(tr_group_open(runtime, "group", NULL, &group), TR_OK);
    fill(LIMIT);
    assert_int_equal(tr_runtime_send(runtime, a, &message), TR_EMEMORYLIMIT);
    assert_int_equal(tr_runtime_publish(runtime, group, &message), TR_EMEMORYLIMIT);
    assert_int_equal(tr_runtime_ask(runtime, a, &message, 1000, &answer), TR_EMEMORYLIMIT);
    assert_int_equal(tr_runtime_spawn(runtime, &puppet_behavior, NULL, &born), TR_EMEMORYLIMIT);
    assert_int_equal(counters().memory_refused, 4);
    empty();
    assert_int_equal(tr_runtime_publish(runtime, group, &message), TR_OK);
    message = tr_message_signal(PUPPET_NUMBER);
    assert_int_equal(tr_runtime_send(runtime, a, &message), TR_OK);
    assert_int_equal(tr_runtime_spawn(runtime, &puppet_behavior, NULL, &born), TR_OK);
    tr_group_release(group);
}

static tr_group *group_of_all;

static void
join(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_group_join(self, group_of_all), TR_OK);
}

static void
publish_and_spawn(tr_actor *self, void *argument)
{
    tr_message message = tr_message_signal(PUPPET_NUMBER);
    (void)argument;
    status = tr_group_publish(self, group_of_all, &message);
    second = tr_spawn(self, &puppet_behavior, NULL, NULL);
}

static void
an_actor_publishes_and_spawns_nothing_at_the_limit(void **state)
{
    (void)state;
    assert_int_equal(tr_group_open(runtime, "all", NULL, &group_of_all), TR_OK);
    act_now(b, join);
    act_at_limit(a, publish_and_spawn);
    assert_int_equal(status, TR_EMEMORYLIMIT);
    assert_int_equal(second, TR_EMEMORYLIMIT);
    assert_int_equal(puppet_count(), 0);
    empty();
    act_now(a, publish_and_spawn);
    assert_int_equal(status, TR_OK);
    assert_int_equal(second, TR_OK);
    assert_int_equal(puppet_count(), 1);
    tr_group_release(group_of_all);
}

/* Questions. */

static void
on_answer(tr_actor *self, void *context, const struct tr_answer *answer)
{
    (void)self;
    (void)context;
    outcome = answer->outcome;
    second = answer->status;
    outcomes++;
}

static void
ask_with_payload(tr_actor *self, void *argument)
{
    static const char bytes[PAYLOAD];
    tr_message question = tr_message_copy(PUPPET_NUMBER, bytes, sizeof(bytes));
    (void)argument;
    status = tr_ask(self, b, &question, &(struct tr_ask_options){.done = on_answer});
    tr_message_drop(&question);
}

static void
a_question_that_brings_new_memory_is_overloaded_at_the_limit(void **state)
{
    (void)state;
    act_now(a, send_small);
    act_at_limit(a, ask_with_payload);
    assert_int_equal(status, TR_OK);
    assert_int_equal(outcomes, 1);
    assert_int_equal(outcome, TR_OVERLOADED);
    assert_int_equal(second, TR_EMEMORYLIMIT);
}

static void
ask_many(tr_actor *self, void *argument)
{
    (void)argument;
    do {
        tr_message question = tr_message_signal(PUPPET_NUMBER);
        status = tr_ask(self, b, &question, &(struct tr_ask_options){.done = on_answer});
        sent += status == TR_OK;
    } while (status == TR_OK && sent < 1000000);
}

static void
who_asks_without_end_hears_of_it_in_the_call_and_each_question_that_was_taken_has_one_outcome(void **state)
{
    (void)state;
    act_now(a, ask_many);
    assert_int_equal(status, TR_EMEMORYLIMIT);
    assert_in_range(sent, 1000, LIMIT / 80);
    tr_testing_advance(runtime, TR_ASK_TIMEOUT_MS + 1000);
    assert_int_equal(outcomes, sent);
}

/* What the library says. */

static tr_status spawned;

static void
answerer(tr_actor *self, void *state, tr_message *message)
{
    static const char bytes[PAYLOAD];
    (void)state;
    (void)message;
    fill(LIMIT); /* its worker hears of it at once, since this is more than it may be late with */
    spawned = tr_spawn(self, &puppet_behavior, NULL, NULL);
    tr_message answer = tr_message_copy(PUPPET_NUMBER, bytes, sizeof(bytes));
    status = tr_reply(self, &answer);
    tr_exit(self);
}

static tr_ref answers;

static void
ask_and_watch(tr_actor *self, void *argument)
{
    tr_message question = tr_message_signal(PUPPET_NUMBER);
    tr_monitor monitor;
    (void)argument;
    assert_int_equal(tr_monitor_start(self, answers, &monitor), TR_OK);
    assert_int_equal(tr_ask(self, answers, &question, &(struct tr_ask_options){.done = on_answer}), TR_OK);
}

static void
answers_and_notices_of_ends_pass_at_the_limit(void **state)
{
    (void)state;
    static const struct tr_behavior behavior = {.name = "answerer", .receive = answerer};
    for (unsigned worker = 0; worker < 2; worker++) {
        answers = stage_spawn(runtime, &behavior, worker, NULL);
        act_now(a, ask_and_watch);
        assert_int_equal(spawned, TR_EMEMORYLIMIT);
        assert_int_equal(status, TR_OK);
        assert_int_equal(outcomes, worker + 1);
        assert_int_equal(outcome, TR_ANSWERED);
        assert_int_equal(puppet_note(worker)->tag, TR_TAG_DOWN);
        empty();
        tr_testing_run(runtime);
    }
}

static void
actors_stop_at_the_limit(void **state)
{
    (void)state;
    fill(LIMIT);
    uint64_t before = counters().actors;
    assert_int_equal(tr_runtime_stop_actor(runtime, a, TR_STOP_DRAIN), TR_OK);
    tr_testing_run(runtime);
    assert_int_equal(counters().actors, before - 1);
}

/* Delays. */

static void
delay_prepared(tr_actor *self, void *argument)
{
    (void)argument;
    status = tr_send_after(self, b, 10, &prepared, NULL);
}

static void
what_was_delayed_waits_at_the_limit_and_comes_when_it_is_over(void **state)
{
    (void)state;
    static int own;
    prepared = tr_message_pointer(PUPPET_NUMBER, &own, sizeof(own), NULL);
    act_now(a, delay_prepared);
    assert_int_equal(status, TR_OK);
    act_at_limit(a, send_small);
    puppet_forget();
    tr_testing_advance(runtime, WHILE_MS);
    assert_int_equal(puppet_count(), 0);
    empty();
    tr_testing_advance(runtime, 100);
    assert_int_equal(puppet_count(), 1);
    assert_int_equal(counters().dead_letters, 0);
}

static void
delay_at_limit(tr_actor *self, void *argument)
{
    (void)argument;
    do {
        tr_message message = tr_message_signal(PUPPET_NUMBER);
        status = tr_send_after(self, b, 10, &message, NULL);
        sent += status == TR_OK;
    } while (status == TR_OK && sent < 100000);
}

static void
who_is_refused_can_try_again_later_and_so_can_a_thousand_of_a_worker(void **state)
{
    (void)state;
    act_at_limit(a, delay_at_limit);
    assert_int_equal(status, TR_EMEMORYLIMIT);
    assert_int_equal(sent, 1024);
    empty();
    tr_testing_advance(runtime, 100);
    assert_int_equal(puppet_count(), 1024);
}

/* The end of it. */

static void
it_is_over_below_seven_eighths_and_not_before(void **state)
{
    (void)state;
    tr_slice part;
    static char claimed;
    tr_message message = tr_message_signal(PUPPET_NUMBER);
    uint64_t base = counters().memory;
    fill(LIMIT / 8);
    assert_int_equal(tr_slice_adopt(&claimed, LIMIT - LIMIT / 8 - base, NULL, &part), TR_OK);
    assert_int_equal(tr_runtime_send(runtime, a, &message), TR_EMEMORYLIMIT);
    empty();
    assert_int_equal(tr_runtime_send(runtime, a, &message), TR_EMEMORYLIMIT);
    tr_slice_release(part);
    assert_int_equal(tr_runtime_send(runtime, a, &message), TR_OK);
    assert_int_equal(counters().memory_reached, 1);
}

static void
nothing_counts_any_more_when_the_runtime_has_ended(void **state)
{
    (void)state;
    fill(100000);
    act_now(a, send_many);
    prepared = tr_message_copy(PUPPET_NUMBER, &(char[PAYLOAD]){0}, PAYLOAD);
    puppet_order(runtime, a, delay_prepared, NULL);
    tr_testing_run(runtime);
    close_play(state);
    open_play(state);
    assert_in_range(counters().memory, 1, 3 * 256); /* of three actors */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_play, close_play)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_below_the_least_is_refused_and_the_least_is_taken),
        cmocka_unit_test(without_a_limit_nothing_is_counted_and_nothing_refused),
        TEST(buffers_waiting_messages_delays_and_actors_count_and_no_more_when_they_are_gone),
        TEST(messages_that_wait_count_and_those_that_were_handled_do_not),
        TEST(who_produces_faster_than_others_consume_hears_of_it_in_the_same_call_and_goes_on_afterwards),
        TEST(who_produces_small_messages_hears_of_it_too),
        TEST(at_the_limit_a_small_message_passes_in_the_memory_of_what_was_handled),
        TEST(at_the_limit_a_payload_passes_that_was_there_before_and_a_new_one_does_not),
        TEST(at_the_limit_a_message_is_sent_on_that_was_received_whatever_it_carries),
        TEST(from_outside_nothing_is_sent_published_asked_or_spawned_at_the_limit),
        TEST(an_actor_publishes_and_spawns_nothing_at_the_limit),
        TEST(a_question_that_brings_new_memory_is_overloaded_at_the_limit),
        TEST(who_asks_without_end_hears_of_it_in_the_call_and_each_question_that_was_taken_has_one_outcome),
        TEST(answers_and_notices_of_ends_pass_at_the_limit),
        TEST(actors_stop_at_the_limit),
        TEST(what_was_delayed_waits_at_the_limit_and_comes_when_it_is_over),
        TEST(who_is_refused_can_try_again_later_and_so_can_a_thousand_of_a_worker),
        TEST(it_is_over_below_seven_eighths_and_not_before),
        TEST(nothing_counts_any_more_when_the_runtime_has_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
