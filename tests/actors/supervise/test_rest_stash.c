/*
 * What a child has set aside when it ends: for its next life, before all else, if its mailbox is kept.
 */
#include "troop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/become.h>
#include <troupe/testing.h>

#include <cmocka.h>

#define SEEDS 1000u
#define NUMBERS 60
#define OFTEN ((struct tr_restart_limit){10000, 1})
#define HOUR_MS 3600000u

/* While it is shut everything is set aside; then what comes brings that back, and is the last of it. */
static struct tally opened, aside, heard;
static int last;
static bool wrong;

struct keeper {
    bool has_some;
};

static int
reset(void **state)
{
    (void)state;
    opened = aside = heard = (struct tally){0};
    last = 0;
    wrong = false;
    return 0;
}

static void
hear(const tr_message *message)
{
    int number = *(const int *)tr_message_data(message);
    wrong |= number != last + 1;
    last = number;
    tally_add(&heard, 1);
}

static void
set_aside(tr_actor *self, struct keeper *keeper, tr_message *message)
{
    assert_int_equal(tr_stash(self, message), TR_OK);
    keeper->has_some = true;
    tally_add(&aside, 1);
}

static void
keep(tr_actor *self, void *state, tr_message *message)
{
    struct keeper *keeper = state;
    bool is_open = tally_read(&opened) > 0;
    if (message->tag != TROOP_NUMBER) {
        troop_child.receive(self, state, message);
        return;
    }
    if (is_open && !keeper->has_some) {
        hear(message);
        return;
    }
    set_aside(self, keeper, message);
    if (is_open) {
        tr_unstash(self);
        keeper->has_some = false;
    }
}

/* The same, but slow: dispatch.c. */
static void
keep_slowly(tr_actor *self, void *state, tr_message *message)
{
    uint64_t began = tests_now_ns();
    while (tests_now_ns() - began < 120000)
        continue;
    keep(self, state, message);
}

#define KEEPER(receives, limits)                                                                                       \
    {                                                                                                                  \
        .name = "keeper", .state_size = sizeof(struct keeper), .receive = receives, .mailbox = limits                  \
    }
#define LIMITS(...) __VA_ARGS__
static const struct tr_behavior plain = KEEPER(keep, LIMITS({0})), slow = KEEPER(keep_slowly, LIMITS({0})),
                                limited = KEEPER(keep, LIMITS({.messages = 100000, .policy = TR_MAILBOX_DROP_OLDEST}));

static struct tr_child_spec
spec_of(const struct tr_behavior *behavior, bool keeps)
{
    return (struct tr_child_spec){
        .name = "a", .behavior = behavior, .keep_mailbox = keeps, .placement = TR_PLACE_WORKER, .worker = 1};
}

static tr_ref
spawn_alone(tr_runtime *runtime, const struct tr_behavior *behavior, bool keeps, struct tr_backoff backoff)
{
    struct tr_child_spec spec = spec_of(behavior, keeps);
    return troop_spawn(runtime, (struct tr_supervisor_options){
                                    .children = &spec, .child_count = 1, .limit = OFTEN, .backoff = backoff});
}

static void
send_number(tr_runtime *runtime, tr_ref child, int number)
{
    stage_send(runtime, child, TROOP_NUMBER, &number, sizeof(number));
}

/* Dies at random moments, with some set aside, some brought back, and others in the queue and beyond it. */
static void
try_keeping(const struct tr_behavior *behavior, int count, unsigned seed)
{
    void *none = NULL;
    reset(&none);
    srand(seed);
    tr_runtime *runtime = troop_open(2);
    tr_ref supervisor = spawn_alone(runtime, behavior, true, (struct tr_backoff){0});
    tr_ref child = troop_find(runtime, supervisor, "a").child;
    for (int i = 1; i <= count; i++) {
        send_number(runtime, child, i);
        if (i == count / 2) {
            tally_await(&aside, 1);
            tally_add(&opened, 1);
        }
        if (rand() % 40 == 0)
            assert_int_equal(tr_runtime_stop_actor(runtime, child, TR_STOP_KILL), TR_OK);
        if (rand() % 40 == 0)
            tests_let_pass((uint64_t)(rand() % 300) * 1000);
    }
    send_number(runtime, child, count + 1);
    tally_await(&heard, (uint64_t)count + 1);
    assert_false(wrong);
    assert_true(troop_find(runtime, supervisor, "a").restarts > 0);
    troop_close(runtime, supervisor);
}

static void
what_is_set_aside_is_kept_with_the_mailbox_and_in_its_order(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 10 * tests_stress(); seed++) {
        try_keeping(&plain, 1000, seed);
        try_keeping(&limited, 1000, seed);
        try_keeping(&slow, 300, seed);
    }
}

/* Sets three aside, and dies with two more behind it. */
static tr_ref
die_with_five(tr_runtime *runtime, tr_ref supervisor)
{
    tr_ref child = troop_find(runtime, supervisor, "a").child;
    for (int i = 1; i <= 3; i++)
        send_number(runtime, child, i);
    stage_send(runtime, child, TROOP_GATE, NULL, 0);
    tally_await(&troop_at_gate, 1);
    stage_send(runtime, child, TROOP_FAIL, NULL, 0);
    for (int i = 4; i <= 5; i++)
        send_number(runtime, child, i);
    assert_int_equal(tally_read(&aside), 3);
    tally_add(&opened, 1);
    troop_open_gate();
    while (troop_find(runtime, supervisor, "a").state != TR_CHILD_RESTING)
        continue;
    return child;
}

static void
what_is_set_aside_becomes_dead_letters_with_a_mailbox_that_is_not_kept(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    tr_ref supervisor = spawn_alone(runtime, &plain, false, (struct tr_backoff){.first_ms = 100});
    tr_ref child = die_with_five(runtime, supervisor);
    tests_counters_await_dead(runtime, 5);
    last = 5;
    send_number(runtime, child, 6);
    tally_await(&heard, 1);
    assert_false(wrong);
    troop_close(runtime, supervisor);
}

static void
what_is_set_aside_becomes_dead_letters_when_the_child_does_not_live_again(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    tr_ref supervisor = spawn_alone(runtime, &plain, true, (struct tr_backoff){.first_ms = HOUR_MS});
    die_with_five(runtime, supervisor);
    assert_int_equal(tr_runtime_supervisor_remove(runtime, supervisor, "a", NULL), TR_OK);
    tests_counters_await_dead(runtime, 5);
    assert_int_equal(tally_read(&heard), 0);
    troop_close(runtime, supervisor);
}

/* One more replaces the newest of five of a tag that has a limit. */
static void
what_is_set_aside_is_older_than_all_others_of_its_tag(void **state)
{
    static const struct tr_tag_limit newest = {.tag = TROOP_NUMBER, .most = 5, .policy = TR_TAG_KEEP_LAST};
    struct tr_behavior behavior = plain;
    (void)state;
    behavior.mailbox = (struct tr_mailbox_limits){.tags = &newest, .tag_count = 1};
    tr_runtime *runtime = troop_open(2);
    tr_ref supervisor = spawn_alone(runtime, &behavior, true, (struct tr_backoff){.first_ms = 200});
    send_number(runtime, die_with_five(runtime, supervisor), 5);
    tests_counters_await_dead(runtime, 1);
    tally_await(&heard, 5);
    assert_false(wrong);
    troop_close(runtime, supervisor);
}

/* -- Seeds. -- */

static uint64_t coins;

static uint64_t
next(uint64_t *random)
{
    return (*random = *random * UINT64_C(6364136223846793005) + 1442695040888963407) >> 33;
}

/* Sets aside, and brings back, whenever a coin says so; in the end everything is heard. */
static void
keep_by_coins(tr_actor *self, void *state, tr_message *message)
{
    struct keeper *keeper = state;
    bool ends = tally_read(&opened) > 0;
    if (message->tag != TROOP_NUMBER) {
        keep(self, state, message);
        return;
    }
    if (!keeper->has_some && (ends || next(&coins) % 3 != 0)) {
        hear(message);
        return;
    }
    set_aside(self, keeper, message);
    if (ends || next(&coins) % 3 == 0) {
        tr_unstash(self);
        keeper->has_some = false;
    }
}

static void
disturb(tr_runtime *runtime, tr_ref child, uint64_t *random)
{
    switch (next(random) % 8) {
    case 0: tr_runtime_stop_actor(runtime, child, TR_STOP_KILL); break;
    case 1: tr_runtime_stop_actor(runtime, child, TR_STOP_NOW); break;
    case 2: stage_send(runtime, child, TROOP_FAIL, NULL, 0); break;
    default:
        for (uint64_t steps = next(random) % 20; steps > 0; steps--)
            tr_testing_step(runtime);
    }
}

static int
play(uint64_t seed, void *context)
{
    struct tr_behavior behavior = seed % 2 == 0 ? plain : limited;
    struct tr_testing_options options = {.seed = seed, .workers = 2};
    tr_runtime *runtime = NULL;
    uint64_t random = coins = seed;
    reset(context);
    behavior.receive = keep_by_coins;
    assert_int_equal(tr_testing_start(&options, &runtime), TR_OK);
    tr_ref supervisor = spawn_alone(runtime, &behavior, true, (struct tr_backoff){.first_ms = seed % 3});
    tr_ref child = troop_find(runtime, supervisor, "a").child;
    for (int i = 1; i <= NUMBERS; i++) {
        send_number(runtime, child, i);
        disturb(runtime, child, &random);
    }
    tr_testing_advance(runtime, 100000);
    tally_add(&opened, 1);
    send_number(runtime, child, NUMBERS + 1);
    tr_testing_advance(runtime, 100000);
    assert_int_equal(tally_read(&heard), NUMBERS + 1);
    assert_false(wrong);
    assert_int_equal(tr_runtime_stop(runtime, 1000, NULL), TR_OK);
    return 0;
}

static void
nothing_that_is_set_aside_is_lost_or_out_of_order_under_every_seed(void **state)
{
    assert_true(tr_testing_seeds(1, tests_seeds(SEEDS), play, state));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_set_aside_is_kept_with_the_mailbox_and_in_its_order),
        cmocka_unit_test_setup(what_is_set_aside_becomes_dead_letters_with_a_mailbox_that_is_not_kept, reset),
        cmocka_unit_test_setup(what_is_set_aside_becomes_dead_letters_when_the_child_does_not_live_again, reset),
        cmocka_unit_test_setup(what_is_set_aside_is_older_than_all_others_of_its_tag, reset),
        cmocka_unit_test(nothing_that_is_set_aside_is_lost_or_out_of_order_under_every_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
