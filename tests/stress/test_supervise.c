/*
 * A tree of supervisors on four workers, whose leaves and supervisors are killed, stopped and fail at random while
 * others send them numbers. What is provoked: ends while an order to restart is on its way, while a mailbox is put
 * aside, while siblings stop, while the supervisor itself is killed; and at last the end of the runtime in the middle
 * of all that.
 */
#include "counters.h"
#include "helpers.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/failure.h>
#include <troupe/actors/supervisor.h>
#include <troupe/actors/watch.h>

#include <cmocka.h>

#define WORKERS 4u
#define LEAVES 6u
#define FLOORS 3u

enum { FAIL = 1, EXIT, NUMBER, WATCH };

static struct tally begun, destroyed;

/* A leaf: it bequeaths what it has, and says once in a while that it cannot begin. */

struct leaf {
    int *numbers;
};

static void
free_numbers(void *data)
{
    free(data);
    tally_add(&destroyed, 1);
}

static tr_status
leaf_init(tr_actor *self, void *state, const void *argument)
{
    struct leaf *leaf = state;
    (void)argument;
    leaf->numbers = tr_inheritance(self);
    if (leaf->numbers == NULL)
        leaf->numbers = calloc(1, sizeof(int));
    assert_non_null(leaf->numbers);
    assert_int_equal(tr_bequeath(self, leaf->numbers, free_numbers), TR_OK);
    tally_add(&begun, 1);
    return *leaf->numbers % 7 == 6 && tr_now(self) % 2 == 0 ? TR_EINIT : TR_OK;
}

static void
leaf_receive(tr_actor *self, void *state, tr_message *message)
{
    struct leaf *leaf = state;
    if (message->tag == FAIL)
        tr_fail(self, TR_EUSER, "at random");
    else if (message->tag == EXIT)
        tr_exit(self);
    else if (message->tag == NUMBER)
        ++*leaf->numbers;
}

static const struct tr_behavior leaf = {
    .name = "leaf", .state_size = sizeof(struct leaf), .init = leaf_init, .receive = leaf_receive};

/* Watchers of leaves, that hear of each watch once. */

static struct tally watched, told;

static void
watcher_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == TR_TAG_DOWN) {
        tally_add(&told, 1);
    } else if (tr_monitor_start(self, *(const tr_ref *)tr_message_data(message), NULL) == TR_OK) {
        tally_add(&watched, 1);
    }
}

static const struct tr_behavior watcher = {.name = "watcher", .receive = watcher_receive};

/* The tree. */

struct floor {
    struct tr_child_spec children[LEAVES + 1];
    struct tr_supervisor_options options;
    char names[LEAVES][8];
};

static struct floor floors[FLOORS];

static void
make_floor(unsigned level)
{
    struct floor *floor = &floors[level];
    for (unsigned i = 0; i < LEAVES; i++) {
        snprintf(floor->names[i], sizeof(floor->names[i]), "leaf%u", i);
        floor->children[i] = (struct tr_child_spec){.name = floor->names[i],
                                                    .behavior = &leaf,
                                                    .placement = TR_PLACE_WORKER,
                                                    .worker = (i + level) % WORKERS,
                                                    .keep_mailbox = i % 2 == 0,
                                                    .stop = (enum tr_stop_mode)(i % 3)};
    }
    floor->options = (struct tr_supervisor_options){.strategy = (enum tr_strategy)level,
                                                    .limit = {10000, 60000},
                                                    .children = floor->children,
                                                    .child_count = LEAVES};
    if (level == 0)
        return;
    floor->children[LEAVES] = (struct tr_child_spec){.name = "floor",
                                                     .supervisor = &floors[level - 1].options,
                                                     .placement = TR_PLACE_WORKER,
                                                     .worker = level % WORKERS};
    floor->options.child_count++;
}

static tr_ref
spawn_tree(tr_runtime *runtime)
{
    tr_ref top;
    for (unsigned level = 0; level < FLOORS; level++)
        make_floor(level);
    assert_int_equal(tr_runtime_spawn_supervisor(runtime, &floors[FLOORS - 1].options, &top), TR_OK);
    return top;
}

/* The names of all that live, as far as they are known; a floor that is being restarted has none just now. */
static unsigned
find_all(tr_runtime *runtime, tr_ref top, tr_ref refs[FLOORS * (LEAVES + 1)])
{
    unsigned count = 0;
    struct tr_supervisor_answer answer = {.child = top};
    for (tr_ref floor = top; floor != TR_NOBODY; floor = answer.child) {
        for (unsigned i = 0; i < LEAVES; i++)
            if (tr_runtime_supervisor_child(runtime, floor, floors[0].names[i], &answer) == TR_OK &&
                answer.child != TR_NOBODY)
                refs[count++] = answer.child;
        if (tr_runtime_supervisor_child(runtime, floor, "floor", &answer) != TR_OK)
            break;
        if (answer.child != TR_NOBODY)
            refs[count++] = answer.child;
    }
    return count;
}

static void
hurt(tr_runtime *runtime, tr_ref victim)
{
    tr_message message = tr_message_signal(rand() % 2 == 0 ? FAIL : EXIT);
    switch (rand() % 4) {
    case 0: tr_runtime_stop_actor(runtime, victim, TR_STOP_KILL); break;
    case 1: tr_runtime_stop_actor(runtime, victim, (enum tr_stop_mode)(rand() % 2)); break;
    default:
        if (tr_runtime_send(runtime, victim, &message) != TR_OK)
            tr_message_drop(&message);
    }
}

static void
play(unsigned seed, unsigned acts)
{
    tr_runtime *runtime = stage_open(WORKERS);
    tr_ref refs[FLOORS * (LEAVES + 1)], top = spawn_tree(runtime);
    tr_ref who = stage_spawn(runtime, &watcher, seed % WORKERS, NULL);
    srand(seed);
    unsigned count = 0;
    for (unsigned act = 0; act < acts; act++) {
        if (act % 50 == 0)
            count = find_all(runtime, top, refs);
        if (count == 0)
            continue;
        tr_ref one = refs[(unsigned)rand() % count];
        stage_send(runtime, refs[(unsigned)rand() % count], NUMBER, NULL, 0);
        if (rand() % 3 == 0)
            stage_send(runtime, who, WATCH, &one, sizeof(one));
        if (rand() % 4 == 0)
            hurt(runtime, one);
    }
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

static void
a_tree_survives_ends_at_random_and_leaves_nothing(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20 * tests_stress(); seed++)
        play(seed, 2000);
    assert_true(tally_read(&begun) > 20 * FLOORS * LEAVES);
}

/* Nobody is hurt any more: then everything is as declared, each watch has told once, and all add up. */
static void
when_ends_cease_every_child_runs_again(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(WORKERS);
    tr_ref refs[FLOORS * (LEAVES + 1)], top = spawn_tree(runtime);
    srand(7);
    for (unsigned act = 0; act < 500; act++) {
        unsigned count = act % 20 == 0 ? find_all(runtime, top, refs) : 1;
        if (count > 0)
            hurt(runtime, refs[(unsigned)rand() % count]);
    }
    unsigned expected = FLOORS * LEAVES + FLOORS - 1;
    while (find_all(runtime, top, refs) != expected)
        tests_let_pass(1000000);
    tests_counters_add_up(runtime);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

static void
each_watch_tells_once_however_many_lives_an_actor_has(void **state)
{
    (void)state;
    watched = told = (struct tally){0};
    tr_runtime *runtime = stage_open(WORKERS);
    tr_ref refs[FLOORS * (LEAVES + 1)], top = spawn_tree(runtime);
    tr_ref who = stage_spawn(runtime, &watcher, 1, NULL);
    srand(11);
    for (unsigned act = 0; act < 1000; act++) {
        unsigned count = find_all(runtime, top, refs);
        if (count == 0)
            continue;
        tr_ref one = refs[(unsigned)rand() % count];
        stage_send(runtime, who, WATCH, &one, sizeof(one));
        hurt(runtime, one);
    }
    assert_int_equal(tr_runtime_stop_actor(runtime, top, TR_STOP_NOW), TR_OK);
    tests_counters_add_up(runtime);
    while (tally_read(&told) < tally_read(&watched))
        tests_let_pass(1000000);
    tests_counters_add_up(runtime);
    assert_int_equal(tally_read(&told), tally_read(&watched));
    stage_close(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_survives_ends_at_random_and_leaves_nothing),
        cmocka_unit_test(when_ends_cease_every_child_runs_again),
        cmocka_unit_test(each_watch_tells_once_however_many_lives_an_actor_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
