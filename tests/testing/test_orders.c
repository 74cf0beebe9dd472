/*
 * Which orders come: those that are promised always, and all others under some seed.
 */
#include "helpers.h"
#include "simulated.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { GO = 1, NUMBER, WORD, TICK };

#define SEEDS 1000u
#define FEW (SEEDS / 4) /* for what is of two kinds */
#define PLAYS 20u       /* of one scene under one seed */

/* What a receiver heard, in its order. */
static struct {
    unsigned count;
    unsigned char heard[64];
} story;

static void
note(unsigned char what)
{
    assert_true(story.count < sizeof(story.heard));
    story.heard[story.count++] = what;
}

/* -- Two senders and a receiver. -- */

#define EACH 3u /* messages of each sender */

struct sender {
    tr_ref to;
    unsigned char name;
    unsigned count;
};

static tr_status
sender_init(tr_actor *self, void *state, const void *argument)
{
    (void)self;
    memcpy(state, argument, sizeof(struct sender));
    return TR_OK;
}

/* Sends one message for each that it gets, so that they leave in turns of their own. */
static void
sender_receive(tr_actor *self, void *state, tr_message *message)
{
    struct sender *sender = state;
    (void)message;
    unsigned char number = (unsigned char)(sender->name + sender->count++);
    assert_int_equal(tr_tell(self, sender->to, NUMBER, &number, 1), TR_OK);
    if (sender->count < EACH)
        assert_int_equal(tr_tell(self, tr_self(self), GO, NULL, 0), TR_OK);
}

static void
receiver_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state;
    note(*(const unsigned char *)tr_message_data(message));
}

static const struct tr_behavior sender_behavior = {
    .name = "sender", .state_size = sizeof(struct sender), .init = sender_init, .receive = sender_receive};
static const struct tr_behavior receiver_behavior = {.name = "receiver", .receive = receiver_receive};

/* The senders' messages are 'a', 'b', 'c' and 'x', 'y', 'z'. */
static void
play_two_senders(tr_runtime *runtime, unsigned first, unsigned second, unsigned receiver)
{
    story.count = 0;
    tr_ref to = stage_spawn(runtime, &receiver_behavior, receiver, NULL);
    tr_ref one = stage_spawn(runtime, &sender_behavior, first, &(struct sender){.to = to, .name = 'a'});
    tr_ref other = stage_spawn(runtime, &sender_behavior, second, &(struct sender){.to = to, .name = 'x'});
    stage_send(runtime, one, GO, NULL, 0);
    stage_send(runtime, other, GO, NULL, 0);
    tr_testing_run(runtime);
    assert_int_equal(story.count, 2 * EACH);
}

/* Which of the interleavings it was: a bit for each message, set if it was the first sender's. */
static unsigned
interleaving(void)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < story.count; i++)
        bits |= (unsigned)(story.heard[i] < 'x') << i;
    return bits;
}

static bool
is_in_order(unsigned char name)
{
    unsigned next = 0;
    for (unsigned i = 0; i < story.count; i++)
        if ((story.heard[i] < 'x') == (name < 'x') && story.heard[i] != name + next++)
            return false;
    return next == EACH;
}

/* In many plays, some under each seed: starting a runtime is what costs most. */
static unsigned
count_interleavings(unsigned first, unsigned second, unsigned receiver)
{
    bool seen[1u << 2 * EACH] = {false};
    unsigned count = 0;
    for (uint64_t seed = 0; seed < SEEDS / 5; seed++) {
        tr_runtime *runtime = simulated_open(seed, 3);
        for (unsigned i = 0; i < PLAYS; i++) {
            play_two_senders(runtime, first, second, receiver);
            assert_true(is_in_order('a') && is_in_order('x'));
            count += !seen[interleaving()];
            seen[interleaving()] = true;
        }
        simulated_close(runtime);
    }
    return count;
}

#define INTERLEAVINGS 20u /* of three messages and three */

static void
messages_of_two_workers_come_in_every_order_that_keeps_each_senders(void **state)
{
    (void)state;
    assert_int_equal(count_interleavings(0, 1, 2), INTERLEAVINGS);
}

static void
messages_of_one_worker_come_in_every_order_that_keeps_each_senders(void **state)
{
    (void)state;
    assert_int_equal(count_interleavings(1, 1, 1), INTERLEAVINGS);
}

static void
messages_of_the_receivers_worker_and_of_another_come_in_every_order(void **state)
{
    (void)state;
    assert_int_equal(count_interleavings(0, 2, 2), INTERLEAVINGS);
}

/* -- By way of a third. -- */

static tr_ref receiver, relay;

static void
relay_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state, (void)message;
    assert_int_equal(tr_tell(self, receiver, NUMBER, "r", 1), TR_OK);
}

/* Tells the relay first, and then the receiver itself. */
static void
origin_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state, (void)message;
    assert_int_equal(tr_tell(self, relay, WORD, NULL, 0), TR_OK);
    assert_int_equal(tr_tell(self, receiver, NUMBER, "d", 1), TR_OK);
}

static void
what_goes_by_way_of_a_third_comes_before_and_after_what_goes_directly(void **state)
{
    (void)state;
    static const struct tr_behavior relay_behavior = {.name = "relay", .receive = relay_receive};
    static const struct tr_behavior origin_behavior = {.name = "origin", .receive = origin_receive};
    unsigned relayed_first = 0;
    for (uint64_t seed = 0; seed < FEW; seed++) {
        tr_runtime *runtime = simulated_open(seed, 3);
        story.count = 0;
        receiver = stage_spawn(runtime, &receiver_behavior, 2, NULL);
        relay = stage_spawn(runtime, &relay_behavior, 1, NULL);
        stage_send(runtime, stage_spawn(runtime, &origin_behavior, 0, NULL), GO, NULL, 0);
        tr_testing_run(runtime);
        assert_int_equal(story.count, 2);
        relayed_first += story.heard[0] == 'r';
        simulated_close(runtime);
    }
    assert_in_range(relayed_first, FEW / 20, FEW - FEW / 20);
}

/* -- Timers and jobs. -- */

static void
ticker_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    tr_message tick = tr_message_signal(TICK);
    if (message->tag == GO)
        assert_int_equal(tr_send_after(self, tr_self(self), 10, &tick, NULL), TR_OK);
    else
        note((unsigned char)('a' + tr_ref_worker(tr_self(self))));
}

static void
timers_of_two_workers_at_one_moment_fire_in_both_orders(void **state)
{
    (void)state;
    static const struct tr_behavior ticker = {.name = "ticker", .receive = ticker_receive};
    unsigned first = 0;
    for (uint64_t seed = 0; seed < FEW; seed++) {
        tr_runtime *runtime = simulated_open(seed, 2);
        story.count = 0;
        for (unsigned i = 0; i < 2; i++)
            stage_send(runtime, stage_spawn(runtime, &ticker, i, NULL), GO, NULL, 0);
        tr_testing_advance(runtime, 10);
        assert_int_equal(story.count, 2);
        first += story.heard[0] == 'a';
        simulated_close(runtime);
    }
    assert_in_range(first, FEW / 20, FEW - FEW / 20);
}

static void *
work(void *argument)
{
    return argument;
}

static void
employer_receive(tr_actor *self, void *state, tr_message *message)
{
    static char results[] = "ab";
    (void)state;
    if (message->tag == GO) {
        assert_int_equal(tr_offload(self, work, &results[0], NUMBER, NULL), TR_OK);
        assert_int_equal(tr_offload(self, work, &results[1], NUMBER, NULL), TR_OK);
        return;
    }
    note(*(const unsigned char *)tr_message_take_pointer(message));
}

static void
jobs_come_home_in_both_orders(void **state)
{
    (void)state;
    static const struct tr_behavior employer = {.name = "employer", .receive = employer_receive};
    unsigned first = 0;
    for (uint64_t seed = 0; seed < FEW; seed++) {
        tr_runtime *runtime = simulated_open(seed, 1);
        story.count = 0;
        stage_send(runtime, stage_spawn(runtime, &employer, 0, NULL), GO, NULL, 0);
        tr_testing_run(runtime);
        assert_int_equal(story.count, 2);
        first += story.heard[0] == 'a';
        simulated_close(runtime);
    }
    assert_in_range(first, FEW / 20, FEW - FEW / 20);
}

/* -- Many to many. -- */

#define CROWD 6u
#define ROUNDS 20u

static tr_ref crowd[CROWD];
static uint64_t last_of[CROWD][CROWD]; /* the last number that one got from another */

struct numbered {
    uint64_t from, number;
};

static void
crowd_receive(tr_actor *self, void *state, tr_message *message)
{
    uint64_t *own = state, me = *own;
    if (message->tag == NUMBER) {
        const struct numbered *numbered = tr_message_data(message);
        if (numbered->number != ++last_of[me][numbered->from])
            fail();
        return;
    }
    uint64_t number = *(const uint64_t *)tr_message_data(message);
    for (unsigned i = 0; i < CROWD; i++)
        tr_tell(self, crowd[i], NUMBER, &(struct numbered){me, number}, sizeof(struct numbered));
}

static tr_status
crowd_init(tr_actor *self, void *state, const void *argument)
{
    (void)self;
    memcpy(state, argument, sizeof(uint64_t));
    return TR_OK;
}

static int
play_crowd(uint64_t seed, void *context)
{
    static const struct tr_behavior member = {
        .name = "member", .state_size = sizeof(uint64_t), .init = crowd_init, .receive = crowd_receive};
    (void)context;
    memset(last_of, 0, sizeof(last_of));
    tr_runtime *runtime = simulated_open(seed, 1 + seed % 5);
    for (uint64_t i = 0; i < CROWD; i++)
        crowd[i] = stage_spawn(runtime, &member, i % tr_runtime_workers(runtime), &i);
    for (uint64_t number = 1; number <= ROUNDS; number++)
        for (unsigned i = 0; i < CROWD; i++)
            stage_send(runtime, crowd[i], GO, &number, sizeof(number));
    tr_testing_run(runtime);
    for (unsigned i = 0; i < CROWD * CROWD; i++)
        assert_int_equal(last_of[i / CROWD][i % CROWD], ROUNDS);
    simulated_close(runtime);
    return 0;
}

static void
each_pair_keeps_its_order_under_a_thousand_seeds(void **state)
{
    (void)state;
    assert_true(tr_testing_seeds(0, tests_seeds(SEEDS), play_crowd, NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_two_workers_come_in_every_order_that_keeps_each_senders),
        cmocka_unit_test(messages_of_one_worker_come_in_every_order_that_keeps_each_senders),
        cmocka_unit_test(messages_of_the_receivers_worker_and_of_another_come_in_every_order),
        cmocka_unit_test(what_goes_by_way_of_a_third_comes_before_and_after_what_goes_directly),
        cmocka_unit_test(timers_of_two_workers_at_one_moment_fire_in_both_orders),
        cmocka_unit_test(jobs_come_home_in_both_orders),
        cmocka_unit_test(each_pair_keeps_its_order_under_a_thousand_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
