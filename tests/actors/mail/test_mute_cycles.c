/*
 * Muting in circles and at random: everything that was sent is handled, whoever mutes whom, on one worker and on
 * several. A wait that stood for ever would keep a token from its last hop, and a message that is lost or overtaken is
 * seen by the number that its sender gave it.
 */
#include "actor_internal.h"
#include "counters.h"
#include "counting.h"
#include "helpers.h"
#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <troupe/testing.h>

#include <cmocka.h>

enum { NEIGHBOURS = 1, START, TOKEN };

#define LIMIT 8u
#define MOST 100u
#define NOTICE (TR_TAG_RESERVED + 0x80u) /* one that must not wait for a relief */

static struct tally hops, muted, wrong, ready;

struct ring {
    tr_ref next;
};

static void
ring_receive(tr_actor *self, void *state, tr_message *message)
{
    struct ring *ring = state;
    if (message->tag == NEIGHBOURS) {
        ring->next = message->payload.words[0];
        tally_add(&ready, 1);
        return;
    }
    bool starts = message->tag == START;
    uint64_t left = message->payload.words[0] - !starts, tokens = starts ? message->payload.words[1] : left > 0;
    tally_add(&hops, !starts);
    for (uint64_t i = 0; i < tokens; i++)
        if (tr_tell(self, ring->next, TOKEN, &left, sizeof(left)) != TR_OK)
            tally_add(&wrong, 1);
    if (self->flags & TRI_ACTOR_MUTED)
        tally_add(&muted, 1);
}

static const struct tr_behavior in_ring = {.name = "ring",
                                           .state_size = sizeof(struct ring),
                                           .receive = ring_receive,
                                           .mailbox = {.messages = LIMIT, .policy = TR_MAILBOX_MUTE}};

/* From outside, which waits while the mailbox is crowded. */
static void
send_patiently(tr_runtime *runtime, tr_ref to, uint32_t tag, const uint64_t words[2])
{
    tr_message message = tr_message_copy(tag, words, 2 * sizeof(words[0]));
    tr_status status;
    uint64_t end = tests_now_ns() + TESTS_LIMIT_MS * UINT64_C(1000000);
    do
        status = tr_runtime_send(runtime, to, &message);
    while (status == TR_EFULL && tests_now_ns() < end);
    assert_int_equal(status, TR_OK);
}

/* Returns how often somebody was muted. */
static uint64_t
run_ring(unsigned workers, unsigned actors, unsigned tokens, unsigned rounds) /* tokens of each */
{
    tr_runtime *runtime = stage_open(workers);
    tr_ref refs[MOST];
    struct tr_counters counters;
    hops = wrong = muted = ready = (struct tally){0};
    for (unsigned i = 0; i < actors; i++)
        refs[i] = stage_spawn(runtime, &in_ring, i % workers, NULL);
    for (unsigned i = 0; i < actors; i++)
        stage_send(runtime, refs[i], NEIGHBOURS, &refs[(i + 1) % actors], sizeof(tr_ref));
    tally_await(&ready, actors); /* what comes from outside may be overtaken by what comes from actors */
    for (unsigned i = 0; i < actors; i++)
        send_patiently(runtime, refs[i], START, (uint64_t[]){(uint64_t)rounds * actors, tokens});
    tally_await(&hops, (uint64_t)tokens * rounds * actors * actors);
    tests_counters_add_up(runtime);
    tr_runtime_counters(runtime, &counters);
    stage_close(runtime);
    assert_int_equal(counters.dead_letters, 0);
    assert_int_equal(tally_read(&wrong), 0);
    return tally_read(&muted);
}

/* On several workers there are more tokens than a worker handles in a turn, so both ends are busy at a time. */
static void
run_rings(unsigned times, unsigned actors, unsigned workers)
{
    uint64_t muted_there = 0;
    for (unsigned i = 0; i < times * tests_stress(); i++) {
        assert_true(run_ring(1, actors, 30, 100 / actors) > 0);
        muted_there += run_ring(workers, actors, 3000 / actors, 20 / actors + 1);
    }
    assert_true(muted_there > 0);
}

static void
two_actors_that_mute_each_other_go_on(void **state)
{
    (void)state;
    run_rings(10, 2, 2);
}

static void
three_actors_that_mute_each_other_in_a_circle_go_on(void **state)
{
    (void)state;
    run_rings(10, 3, 3);
}

static void
a_hundred_actors_that_mute_each_other_in_a_circle_go_on(void **state)
{
    (void)state;
    run_rings(1, 100, 4);
}

/*
 * A circle whose questions are all on their way at once, one from each worker: every actor is crowded, and none returns
 * from its handler before all have sent to the next. Each finds the next one waiting that has no answer itself.
 */
static struct tally gathered, sent_all, handled;
static unsigned gather_count;

static void
gather_receive(tr_actor *self, void *state, tr_message *message)
{
    struct ring *ring = state;
    if (message->tag == NEIGHBOURS) {
        ring->next = message->payload.words[0];
        for (unsigned i = 0; i < LIMIT; i++)
            tr_tell(self, tr_self(self), TOKEN, NULL, 0);
        tr_tell(self, tr_self(self), START, NULL, 0);
        tally_add(&ready, 1);
    } else if (tally_read(&ready) == gather_count && tally_read(&gathered) < gather_count) {
        tally_add(&gathered, 1);
        tally_await(&gathered, gather_count);
        tr_tell(self, ring->next, TOKEN, NULL, 0);
        tally_add(&muted, (self->flags & TRI_ACTOR_MUTED) != 0);
        tally_add(&sent_all, 1);
        tally_await(&sent_all, gather_count);
    } else if (message->tag == TOKEN && tally_read(&sent_all) < gather_count) {
        tr_send(self, tr_self(self), message); /* it stays crowded until all are there */
        return;
    }
    tally_add(&handled, message->tag == TOKEN);
}

static const struct tr_behavior gathers = {.name = "gathers",
                                           .state_size = sizeof(struct ring),
                                           .receive = gather_receive,
                                           .mailbox = {.messages = LIMIT, .policy = TR_MAILBOX_MUTE}};

static void
a_circle_whose_waits_all_begin_at_once_is_broken(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 40 * tests_stress(); round++) {
        unsigned count = 2 + round % 4;
        tr_ref refs[5];
        tr_runtime *runtime = stage_open(count);
        ready = muted = gathered = sent_all = handled = (struct tally){0};
        gather_count = count;
        for (unsigned i = 0; i < count; i++)
            refs[i] = stage_spawn(runtime, &gathers, round % 2 ? i : count - 1 - i, NULL);
        for (unsigned i = 0; i < count; i++)
            stage_send(runtime, refs[i], NEIGHBOURS, &refs[(i + 1) % count], sizeof(tr_ref));
        tally_await(&handled, count * (LIMIT + 1));
        stage_close(runtime);
        assert_int_equal(tally_read(&muted), count);
    }
}

/* At random: each has numbers for each other, of which each must come in order, notices among them. */
struct letter {
    uint32_t from, number;
    uint32_t left; /* hops */
    uint32_t unused;
};

struct member {
    uint32_t index;
    uint64_t seed;
    uint32_t sent[MOST], seen[MOST];
};

static tr_ref members[MOST];
static unsigned member_count;

static void
send_on(tr_actor *self, struct member *member, uint32_t left)
{
    unsigned to = random_below(&member->seed, member_count);
    struct letter letter = {.from = member->index, .number = ++member->sent[to], .left = left};
    bool is_notice = random_below(&member->seed, 8) == 0;
    tr_message message = tr_message_copy(is_notice ? NOTICE : TOKEN, &letter, sizeof(letter));
    tr_status status = is_notice ? tri_send_system(tri_actor_worker(self), self, members[to], &message)
                                 : tr_send(self, members[to], &message);
    if (status != TR_OK)
        tally_add(&wrong, 1);
}

static void
member_receive(tr_actor *self, void *state, tr_message *message)
{
    struct member *member = state;
    struct letter letter;
    if (message->tag == NEIGHBOURS) {
        member->index = (uint32_t)message->payload.words[0];
        member->seed = message->payload.words[1];
        tally_add(&ready, 1);
        return;
    }
    if (message->from == TR_NOBODY) {
        send_on(self, member, (uint32_t)message->payload.words[0]);
        return;
    }
    memcpy(&letter, tr_message_data(message), sizeof(letter));
    if (++member->seen[letter.from] != letter.number)
        tally_add(&wrong, 1);
    tally_add(&hops, 1);
    if (letter.left > 1)
        send_on(self, member, letter.left - 1);
    if (random_below(&member->seed, 500) != 0)
        return;
    if (tr_testing_advance(tr_actor_runtime(self), 1) !=
        TR_OK) /* it is slow for a while: in simulated time, or in real */
        tests_hold(1);
}

#define MEMBER(limits)                                                                                                 \
    {                                                                                                                  \
        .name = "member", .state_size = sizeof(struct member), .receive = member_receive, .mailbox = limits            \
    }
#define LIMITS(...) __VA_ARGS__

static const struct tr_behavior kinds[] = {
    MEMBER(LIMITS({.messages = LIMIT, .policy = TR_MAILBOX_MUTE})),
    MEMBER(LIMITS({.messages = 3, .policy = TR_MAILBOX_MUTE})),
    MEMBER(LIMITS({.messages = 100000})), /* limited, and mutes nobody */
    MEMBER(LIMITS({0})),                  /* plain */
};

static void
run_at_random(unsigned workers, unsigned count, uint64_t seed)
{
    tr_runtime *runtime = stage_open(workers);
    unsigned tokens = count * 12, each = 60;
    hops = wrong = ready = (struct tally){0};
    member_count = count;
    for (unsigned i = 0; i < count; i++)
        members[i] = stage_spawn(runtime, &kinds[random_below(&seed, 4)], i % workers, NULL);
    for (uint64_t i = 0; i < count; i++)
        stage_send(runtime, members[i], NEIGHBOURS, (uint64_t[]){i, random_next(&seed)}, 16);
    tally_await(&ready, count);
    for (unsigned i = 0; i < tokens; i++)
        send_patiently(runtime, members[i % count], START, (uint64_t[]){each, 0});
    tally_await(&hops, (uint64_t)tokens * each);
    tests_counters_add_up(runtime);
    stage_close(runtime);
    if (tally_read(&wrong) != 0)
        fail_msg("%u of %u actors on %u workers", (unsigned)tally_read(&wrong), count, workers);
}

static void
whoever_mutes_whom_each_sender_is_heard_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40 * tests_stress(); seed++) {
        run_at_random(1, 2 + seed % 9, seed);
        run_at_random(3, 2 + seed % 20, seed);
    }
}

/* The same on one thread, in an order that the seed chooses. */
static int
run_seed(uint64_t seed, void *context)
{
    (void)context;
    tr_runtime *runtime;
    unsigned workers = 1 + seed % 4, count = 2 + seed / 4 % 12, tokens = count * 12, each = 20;
    struct tr_testing_options options = {.seed = seed, .workers = workers};
    uint64_t dice = seed;
    assert_int_equal(tr_testing_start(&options, &runtime), TR_OK);
    hops = wrong = (struct tally){0};
    member_count = count;
    for (uint64_t i = 0; i < count; i++) {
        members[i] = stage_spawn(runtime, &kinds[random_below(&dice, 4)], i % workers, NULL);
        stage_send(runtime, members[i], NEIGHBOURS, (uint64_t[]){i, random_next(&dice)}, 16);
    }
    tr_testing_run(runtime);
    for (unsigned i = 0; i < tokens; i++) {
        tr_message start = tr_message_copy(START, (uint64_t[]){each, 0}, 16);
        while (tr_runtime_send(runtime, members[i % count], &start) == TR_EFULL)
            assert_true(tr_testing_step(runtime));
    }
    tr_testing_run(runtime);
    assert_int_equal(tally_read(&hops), (uint64_t)tokens * each);
    assert_int_equal(tally_read(&wrong), 0);
    return tr_runtime_stop(runtime, 1000, NULL) != TR_OK;
}

static void
whoever_mutes_whom_all_is_handled_in_any_order_of_the_workers(void **state)
{
    (void)state;
    assert_true(tr_testing_seeds(1, tests_seeds(1000), run_seed, NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_actors_that_mute_each_other_go_on),
        cmocka_unit_test(three_actors_that_mute_each_other_in_a_circle_go_on),
        cmocka_unit_test(a_hundred_actors_that_mute_each_other_in_a_circle_go_on),
        cmocka_unit_test(a_circle_whose_waits_all_begin_at_once_is_broken),
        cmocka_unit_test(whoever_mutes_whom_all_is_handled_in_any_order_of_the_workers),
        cmocka_unit_test(whoever_mutes_whom_each_sender_is_heard_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
