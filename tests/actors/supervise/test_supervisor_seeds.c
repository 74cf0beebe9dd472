/*
 * Supervision under seeds: in whatever order orders, ends and messages come, everything holds that is promised; and
 * times are exact, in a time that the test moves.
 */
#include "troop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/testing.h>

#include <cmocka.h>

#define SEEDS 1000u
#define WORKERS 3u
#define NUMBERS 60

/* What the child has heard, over all its lives: it bequeaths it. */
struct diary {
    int count, last;
    bool wrong;
};

static struct diary *diary;

static tr_status
writer_init(tr_actor *self, void *state, const void *argument)
{
    (void)argument;
    diary = tr_inheritance(self);
    if (diary == NULL)
        diary = calloc(1, sizeof(*diary));
    *(struct diary **)state = diary;
    return tr_bequeath(self, diary, free);
}

static void
writer_receive(tr_actor *self, void *state, tr_message *message)
{
    struct diary *mine = *(struct diary **)state;
    if (message->tag == TROOP_FAIL)
        tr_fail(self, TR_EUSER, "as told");
    if (message->tag != TROOP_NUMBER)
        return;
    int number = *(const int *)tr_message_data(message);
    mine->wrong |= number != mine->last + 1;
    mine->last = number;
    mine->count++;
}

static const struct tr_behavior writer = {
    .name = "writer", .state_size = sizeof(struct diary *), .init = writer_init, .receive = writer_receive};

static uint64_t
next(uint64_t *random)
{
    return (*random = *random * UINT64_C(6364136223846793005) + 1442695040888963407) >> 33;
}

static tr_runtime *
simulate(uint64_t seed)
{
    tr_runtime *runtime = NULL;
    struct tr_testing_options options = {.seed = seed, .workers = WORKERS};
    assert_int_equal(tr_testing_start(&options, &runtime), TR_OK);
    return runtime;
}

static tr_ref
spawn(tr_runtime *runtime, struct tr_supervisor_options options)
{
    tr_ref ref = TR_NOBODY;
    options.spawn = (struct tr_spawn_options){.placement = TR_PLACE_WORKER, .worker = 0};
    assert_int_equal(tr_runtime_spawn_supervisor(runtime, &options, &ref), TR_OK);
    return ref;
}

/* Hurts one of them in some way, or takes some steps. */
static void
disturb(tr_runtime *runtime, tr_ref child, uint64_t *random)
{
    switch (next(random) % 8) {
    case 0: tr_runtime_stop_actor(runtime, child, TR_STOP_KILL); break;
    case 1: tr_runtime_stop_actor(runtime, child, TR_STOP_NOW); break;
    case 2: stage_send(runtime, child, TROOP_FAIL, NULL, 0); break;
    case 3: tr_testing_advance(runtime, next(random) % 30); break;
    default:
        for (uint64_t steps = next(random) % 20; steps > 0; steps--)
            tr_testing_step(runtime);
    }
}

static int
play_numbers(uint64_t seed, void *context)
{
    uint64_t random = seed;
    tr_runtime *runtime = simulate(seed);
    struct tr_child_spec children[] = {
        {.name = "writer", .behavior = &writer, .keep_mailbox = true, .placement = TR_PLACE_WORKER, .worker = 1},
        {.name = "other", .behavior = &troop_child, .argument = "o", .argument_size = 1, .one_each_worker = true},
        troop_spec("peer", 2),
    };
    if (seed % 2 == 0) { /* so the writer is restarted with the peer, whatever the strategy is but one for one */
        struct tr_child_spec first = children[0];
        children[0] = children[2];
        children[2] = first;
    }
    tr_ref supervisor = spawn(runtime, (struct tr_supervisor_options){.strategy = (enum tr_strategy)(seed % 3),
                                                                      .limit = {10000, 1},
                                                                      .backoff = {.first_ms = seed % 2 * 10},
                                                                      .children = children,
                                                                      .child_count = 3});
    (void)context;
    tr_ref child = troop_find(runtime, supervisor, "writer").child,
           other = troop_find(runtime, supervisor, "other/2").child;
    tr_ref victims[] = {child, child, other, troop_find(runtime, supervisor, "peer").child};
    for (int i = 1; i <= NUMBERS; i++) {
        stage_send(runtime, child, TROOP_NUMBER, &i, sizeof(i));
        disturb(runtime, victims[next(&random) % 4], &random);
    }
    tr_testing_advance(runtime, 100000);
    assert_int_equal(diary->count, NUMBERS);
    assert_false(diary->wrong);
    assert_int_equal(troop_find(runtime, supervisor, "writer").child, child);
    assert_int_equal(troop_find(runtime, supervisor, "other/2").child, other);
    assert_int_equal(troop_find(runtime, supervisor, "writer").state, TR_CHILD_RUNNING);
    assert_int_equal(tr_runtime_stop(runtime, 1000, NULL), TR_OK);
    return 0;
}

static void
a_kept_mailbox_keeps_its_order_and_every_child_runs_in_the_end_under_every_seed(void **state)
{
    (void)state;
    assert_true(tr_testing_seeds(1, tests_seeds(SEEDS), play_numbers, NULL));
}

/* The whole of it comes down at a moment that the seed chooses. */
static int
play_end(uint64_t seed, void *context)
{
    uint64_t random = seed;
    tr_runtime *runtime = simulate(seed);
    struct tr_child_spec leaves[] = {troop_spec("a", 1), troop_spec("b", 2)};
    struct tr_supervisor_options low = {.children = leaves, .child_count = 2, .limit = {2, 1000}};
    struct tr_child_spec children[] = {{.name = "low", .supervisor = &low, .placement = TR_PLACE_WORKER, .worker = 1},
                                       troop_spec("c", 0)};
    tr_ref supervisor = spawn(runtime, (struct tr_supervisor_options){.strategy = (enum tr_strategy)(seed % 3),
                                                                      .limit = {1 + (unsigned)(seed % 3), 1000},
                                                                      .children = children,
                                                                      .child_count = 2});
    (void)context;
    tr_ref inner = troop_find(runtime, supervisor, "low").child;
    tr_ref refs[] = {inner, troop_find(runtime, supervisor, "c").child, troop_find(runtime, inner, "a").child,
                     troop_find(runtime, inner, "b").child};
    for (unsigned acts = (unsigned)(next(&random) % 20); acts > 0; acts--)
        disturb(runtime, refs[next(&random) % 4], &random);
    if (seed % 2 == 0) {
        tr_runtime_stop_actor(runtime, supervisor, seed % 4 == 0 ? TR_STOP_KILL : TR_STOP_DRAIN);
        tr_testing_advance(runtime, 100000);
        struct tr_counters counters;
        tr_runtime_counters(runtime, &counters);
        assert_int_equal(counters.actors, 0);
    }
    assert_int_equal(tr_runtime_stop(runtime, 1000, NULL), TR_OK);
    return 0;
}

static void
a_tree_ends_whole_under_every_seed(void **state)
{
    (void)state;
    assert_true(tr_testing_seeds(1, tests_seeds(SEEDS), play_end, NULL));
}

static int
play_waits(uint64_t seed, void *context)
{
    tr_runtime *runtime = simulate(seed);
    struct tr_child_spec a = troop_spec("a", 1);
    tr_ref supervisor = spawn(
        runtime,
        (struct tr_supervisor_options){.children = &a, .child_count = 1, .limit = {100, 1}, .backoff = {10, 50, 1000}});
    (void)context;
    tr_ref child = troop_find(runtime, supervisor, "a").child;
    static const uint64_t waits[] = {10, 20, 40, 50, 50};
    for (size_t i = 0; i < 5; i++) {
        stage_send(runtime, child, TROOP_FAIL, NULL, 0);
        tr_testing_run(runtime);
        tr_testing_advance(runtime, waits[i] - 1);
        assert_int_equal(troop_find(runtime, supervisor, "a").state, TR_CHILD_RESTING);
        tr_testing_advance(runtime, 3);
        assert_int_equal(troop_find(runtime, supervisor, "a").state, TR_CHILD_RUNNING);
    }
    tr_testing_advance(runtime, 1000); /* a calm life */
    stage_send(runtime, child, TROOP_FAIL, NULL, 0);
    tr_testing_run(runtime);
    tr_testing_advance(runtime, 13);
    assert_int_equal(troop_find(runtime, supervisor, "a").state, TR_CHILD_RUNNING);
    assert_int_equal(tr_runtime_stop(runtime, 1000, NULL), TR_OK);
    return 0;
}

static void
a_restart_waits_exactly_as_long_as_the_backoff_says(void **state)
{
    (void)state;
    assert_true(tr_testing_seeds(1, tests_seeds(SEEDS / 10), play_waits, NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kept_mailbox_keeps_its_order_and_every_child_runs_in_the_end_under_every_seed),
        cmocka_unit_test(a_tree_ends_whole_under_every_seed),
        cmocka_unit_test(a_restart_waits_exactly_as_long_as_the_backoff_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
