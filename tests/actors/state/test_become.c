/*
 * Actors that are state machines: behaviors that change, messages that are set aside, and timeouts of receiving.
 */
#include "counting.h"
#include "helpers.h"
#include "puppet.h"
#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/ask.h>
#include <troupe/actors/become.h>
#include <troupe/testing.h>

#define LONG_MS 60000u
#define NUMBERS 500u
#define SENDERS 3u

/* A door: closed, it sets numbers aside until it is opened; open, it notes them. */
enum { OPEN = 1, CLOSE, NUMBER, QUESTION, ANSWER, HOLD, LIMIT };

struct door {
    uint64_t opened;
};

static uint64_t noted[8192];
static struct tally notes, held, full;
static struct tally let_go;

static int
forget(void **state)
{
    (void)state;
    puppet_forget();
    notes = held = full = let_go = (struct tally){0};
    return 0;
}

static const struct tr_behavior open_door, closed_door;

static void
hold(void)
{
    tally_add(&held, 1);
    while (tally_read(&let_go) == 0)
        tests_let_pass(100000);
}

static void
closed_receive(tr_actor *self, void *state, tr_message *message)
{
    struct door *door = state;
    switch (message->tag) {
    case OPEN:
        door->opened++;
        tr_unstash(self);
        assert_int_equal(tr_become(self, &open_door), TR_OK);
        break;
    case HOLD: hold(); break;
    case LIMIT: assert_int_equal(tr_stash_limit(self, (size_t)message->payload.words[0]), TR_OK); break;
    default: {
        tr_status status = tr_stash(self, message);
        assert_true(status == TR_OK || status == TR_EFULL);
        if (status == TR_EFULL)
            tally_add(&full, 1);
    }
    }
}

static void
open_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    switch (message->tag) {
    case CLOSE: assert_int_equal(tr_become(self, &closed_door), TR_OK); break;
    case NUMBER:
        noted[tally_read(&notes) % 8192] = message->payload.words[0];
        tally_add(&notes, 1);
        break;
    case QUESTION: {
        tr_message answer = tr_message_copy(ANSWER, tr_message_data(message), tr_message_size(message));
        assert_int_equal(tr_reply(self, &answer), TR_OK);
        break;
    }
    default: break;
    }
}

static const struct tr_behavior open_door = {
    .name = "door/open", .state_size = sizeof(struct door), .receive = open_receive};
static const struct tr_behavior closed_door = {
    .name = "door/closed", .state_size = sizeof(struct door), .receive = closed_receive};

static void
send_number(tr_runtime *runtime, tr_ref to, uint64_t number)
{
    stage_send(runtime, to, NUMBER, &number, sizeof(number));
}

static void
another_behavior_takes_the_next_message(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref door = stage_spawn(runtime, &closed_door, 0, NULL);
    send_number(runtime, door, 1);
    stage_send(runtime, door, OPEN, NULL, 0);
    send_number(runtime, door, 2);
    tally_await(&notes, 2);
    stage_send(runtime, door, CLOSE, NULL, 0);
    send_number(runtime, door, 3);
    stage_send(runtime, door, OPEN, NULL, 0);
    tally_await(&notes, 3);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(noted[i], i + 1);
    stage_close(runtime);
}

/* The door is held while messages come, so that many wait behind those that it brings back. */
static void
what_is_brought_back_comes_in_its_order_before_what_waits(void **state)
{
    (void)state;
    for (unsigned before = 1; before <= 150; before += 37)
        for (unsigned after = 0; after <= 150; after += 50) {
            forget(NULL);
            tr_runtime *runtime = stage_open(1);
            tr_ref door = stage_spawn(runtime, &closed_door, 0, NULL);
            uint64_t number = 0;
            for (unsigned i = 0; i < before; i++)
                send_number(runtime, door, number++);
            stage_send(runtime, door, HOLD, NULL, 0);
            tally_await(&held, 1);
            stage_send(runtime, door, OPEN, NULL, 0);
            for (unsigned i = 0; i < after; i++)
                send_number(runtime, door, number++);
            tally_add(&let_go, 1);
            tally_await(&notes, number);
            for (uint64_t i = 0; i < number; i++)
                assert_int_equal(noted[i], i);
            struct tr_counters counters;
            tr_runtime_counters(runtime, &counters);
            assert_int_equal(counters.sent + counters.outside, counters.received + counters.dead_letters);
            stage_close(runtime);
        }
}

/* Many senders, a door that opens and closes at random: of each sender the numbers come in order, and all of them. */
struct sender {
    tr_ref door;
    uint64_t next, seed;
    unsigned index;
};

static void
sender_receive(tr_actor *self, void *state, tr_message *message)
{
    struct sender *sender = state;
    if (message->tag == OPEN)
        *sender = *(const struct sender *)tr_message_data(message);
    if (sender->next == NUMBERS)
        return;
    uint64_t number = (uint64_t)sender->index << 32 | sender->next++;
    assert_int_equal(tr_tell(self, sender->door, NUMBER, &number, sizeof(number)), TR_OK);
    if (random_below(&sender->seed, 4) == 0)
        tr_tell(self, sender->door, random_below(&sender->seed, 2) == 0 ? OPEN : CLOSE, NULL, 0);
    if (sender->next == NUMBERS)
        tr_tell(self, sender->door, OPEN, NULL, 0);
    tr_tell(self, tr_self(self), NUMBER, NULL, 0);
}

static const struct tr_behavior sender_behavior = {
    .name = "sender", .state_size = sizeof(struct sender), .receive = sender_receive};

static void
nothing_is_lost_or_overtaken_however_often_messages_are_set_aside(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_ref door = stage_spawn(runtime, &closed_door, 0, NULL);
    for (unsigned i = 0; i < SENDERS; i++) {
        struct sender sender = {.door = door, .seed = i, .index = i};
        tr_message begin = tr_message_copy(OPEN, &sender, sizeof(sender));
        assert_int_equal(tr_runtime_send(runtime, stage_spawn(runtime, &sender_behavior, i % 2, NULL), &begin), TR_OK);
    }
    /* A sender's last word opens the door; another's may close it after that. */
    while (tally_read(&notes) < NUMBERS * SENDERS) {
        stage_send(runtime, door, OPEN, NULL, 0);
        tests_let_pass(1000000);
    }
    uint64_t next[SENDERS] = {0};
    for (uint64_t i = 0; i < NUMBERS * SENDERS; i++)
        assert_int_equal(noted[i] & UINT32_MAX, next[noted[i] >> 32]++);
    stage_close(runtime);
}

static void
no_more_is_set_aside_than_may_be(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref door = stage_spawn(runtime, &closed_door, 0, NULL);
    stage_send(runtime, door, LIMIT, &(uint64_t){3}, sizeof(uint64_t));
    for (uint64_t i = 0; i < 5; i++)
        send_number(runtime, door, i);
    tally_await(&full, 2);
    stage_send(runtime, door, OPEN, NULL, 0);
    tally_await(&notes, 3);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(noted[i], i);
    stage_close(runtime);
}

static void
what_is_set_aside_when_the_actor_ends_is_dead_letters(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref door = stage_spawn(runtime, &closed_door, 0, NULL);
    for (uint64_t i = 0; i < 70; i++)
        send_number(runtime, door, i);
    stage_send(runtime, door, HOLD, NULL, 0);
    tally_await(&held, 1);
    tally_add(&let_go, 1);
    assert_int_equal(tr_runtime_stop_actor(runtime, door, TR_STOP_NOW), TR_OK);
    struct tr_stop_report report;
    assert_int_equal(tr_runtime_stop(runtime, 10000, &report), TR_OK);
    assert_int_equal(report.dead_letters, 70);
}

/* The first finds the door closed, and nobody opens it: its deadline goes on. The second is set aside, and the door is
 * opened by what comes after it. */
struct caller {
    tr_ref door;
    enum tr_outcome outcome;
    uint64_t number;
};

static void
note_outcome(tr_actor *self, void *context, const struct tr_answer *answer)
{
    struct caller *caller = context;
    (void)self;
    caller->outcome = answer->outcome;
    caller->number = answer->message != NULL ? answer->message->payload.words[0] : 0;
    tally_add(&notes, 1);
}

static void
ask_the_door(tr_actor *self, void *argument)
{
    struct caller *caller = argument;
    uint64_t timeout_ms = caller->number;
    struct tr_ask_options options = {.timeout_ms = timeout_ms, .done = note_outcome, .context = caller};
    tr_message question = tr_message_copy(QUESTION, &(uint64_t){7}, sizeof(uint64_t));
    assert_int_equal(tr_ask(self, caller->door, &question, &options), TR_OK);
    if (timeout_ms == LONG_MS)
        assert_int_equal(tr_tell(self, caller->door, OPEN, NULL, 0), TR_OK);
}

static void
a_question_that_is_set_aside_stays_a_question(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        forget(NULL);
        tr_runtime *runtime = stage_open(2);
        struct caller caller = {stage_spawn(runtime, &closed_door, worker, NULL), TR_ANSWERED, 20};
        tr_ref self = puppet_spawn(runtime, 0);
        puppet_do(runtime, self, ask_the_door, &caller);
        tally_await(&notes, 1);
        assert_int_equal(caller.outcome, TR_TIMED_OUT);
        caller.number = LONG_MS;
        puppet_do(runtime, self, ask_the_door, &caller);
        tally_await(&notes, 2);
        assert_int_equal(caller.outcome, TR_ANSWERED);
        assert_int_equal(caller.number, 7);
        stage_close(runtime);
    }
}

/* Timeouts of receiving. */

#define TIMES 4096u

static struct tally timeouts;
static uint64_t times_ns[TIMES]; /* of each of them */

static void
quiet_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == TR_TAG_RECEIVE_TIMEOUT) {
        times_ns[tally_read(&timeouts) % TIMES] = tests_now_ns();
        tally_add(&timeouts, 1);
    } else if (message->tag == NUMBER) {
        assert_int_equal(tr_receive_timeout(self, message->payload.words[0]), TR_OK);
        tally_add(&notes, 1);
    } else if (message->tag == HOLD) {
        hold();
        assert_int_equal(tr_receive_timeout(self, 0), TR_OK);
    }
}

static const struct tr_behavior quiet = {.name = "quiet", .receive = quiet_receive};

static void
who_receives_nothing_for_so_long_is_told_again_and_again(void **state)
{
    (void)state;
    timeouts = (struct tally){0};
    tr_runtime *runtime = stage_open(1);
    tr_ref actor = stage_spawn(runtime, &quiet, 0, NULL);
    uint64_t began = tests_now_ns();
    send_number(runtime, actor, 20);
    tally_await(&timeouts, 3);
    assert_true(times_ns[0] - began >= 20000000u);
    assert_true(times_ns[2] - began >= 60000000u);
    send_number(runtime, actor, 0);
    tally_await(&notes, 2);
    uint64_t count = tally_read(&timeouts);
    send_number(runtime, actor, LONG_MS);
    tally_await(&notes, 3);
    assert_int_equal(tally_read(&timeouts), count);
    stage_close(runtime);
}

/* In simulated time. */
static void
each_message_begins_the_time_anew(void **state)
{
    (void)state;
    timeouts = (struct tally){0};
    tr_runtime *runtime;
    assert_int_equal(tr_testing_start(&(struct tr_testing_options){.workers = 1}, &runtime), TR_OK);
    tr_ref actor = stage_spawn(runtime, &quiet, 0, NULL);
    send_number(runtime, actor, 50);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(tr_testing_advance(runtime, 40), TR_OK);
        assert_int_equal(tally_read(&timeouts), 0);
        stage_send(runtime, actor, OPEN, NULL, 0);
    }
    assert_int_equal(tr_testing_advance(runtime, 49), TR_OK);
    assert_int_equal(tally_read(&timeouts), 0);
    assert_int_equal(tr_testing_advance(runtime, 2), TR_OK);
    assert_int_equal(tally_read(&timeouts), 1);
    assert_int_equal(tr_testing_advance(runtime, 200), TR_OK);
    assert_true(tally_read(&timeouts) >= 4);
    assert_int_equal(tr_runtime_stop(runtime, 1000, NULL), TR_OK);
}

/* Mistakes. */

static void
try_mistakes(tr_actor *self, void *argument)
{
    static const struct tr_behavior nameless = {.receive = quiet_receive}, deaf = {.name = "deaf"};
    static const struct tr_behavior larger = {.name = "larger", .state_size = 100, .receive = quiet_receive};
    static const struct tr_behavior narrow = {.name = "narrow", .receive = quiet_receive, .mailbox.messages = 1};
    tr_message message = tr_message_signal(NUMBER);
    (void)argument;
    assert_int_equal(tr_become(NULL, &quiet), TR_EINVAL);
    assert_int_equal(tr_become(self, NULL), TR_EINVAL);
    assert_int_equal(tr_become(self, &nameless), TR_ENONAME);
    assert_int_equal(tr_become(self, &deaf), TR_EBADBEHAVIOR);
    assert_int_equal(tr_become(self, &larger), TR_EBADSTATE);
    assert_int_equal(tr_become(self, &narrow), TR_EBADPOLICY);
    assert_int_equal(tr_stash(NULL, &message), TR_EINVAL);
    assert_int_equal(tr_stash(self, NULL), TR_EINVAL);
    assert_int_equal(tr_unstash(NULL), 0);
    assert_int_equal(tr_unstash(self), 0);
    assert_int_equal(tr_stash_limit(NULL, 1), TR_EINVAL);
    assert_int_equal(tr_stash_limit(self, 0), TR_EBADLIMIT);
    assert_int_equal(tr_receive_timeout(NULL, 1), TR_EINVAL);
    assert_int_equal(tr_receive_timeout(self, 0), TR_OK);
}

static void
what_cannot_be_is_refused(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    puppet_do(runtime, puppet_spawn(runtime, 0), try_mistakes, NULL);
    stage_close(runtime);
}

#define TEST(name) cmocka_unit_test_setup(name, forget)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(another_behavior_takes_the_next_message),
        TEST(what_is_brought_back_comes_in_its_order_before_what_waits),
        TEST(nothing_is_lost_or_overtaken_however_often_messages_are_set_aside),
        TEST(no_more_is_set_aside_than_may_be),
        TEST(what_is_set_aside_when_the_actor_ends_is_dead_letters),
        TEST(a_question_that_is_set_aside_stays_a_question),
        TEST(who_receives_nothing_for_so_long_is_told_again_and_again),
        TEST(each_message_begins_the_time_anew),
        TEST(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
