/*
 * What a supervisor does when a child ends: each strategy, each kind of restart, each way to end, on one worker and on
 * two.
 */
#include "troop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* -- Every strategy, every kind, every way. -- */

struct play {
    enum tr_strategy strategy;
    enum tr_restart restart;
    enum troop_way way;
    unsigned worker; /* of the children */
};

static bool
is_restarted(const struct play *play)
{
    bool normal = play->way == TROOP_BY_EXIT || play->way == TROOP_BY_STOP;
    return play->restart == TR_RESTART_PERMANENT || (play->restart == TR_RESTART_TRANSIENT && !normal);
}

/* What is written when b, of a, b and c, dies. */
static const char *
what_follows(const struct play *play)
{
    static const char *const follows[][2] = {
        [TR_ONE_FOR_ONE] = {"+b", "?b+b"},
        [TR_ONE_FOR_ALL] = {"-c-a+a+b+c", "-c-a+a?b-a+a+b+c"},
        [TR_REST_FOR_ONE] = {"-c+b+c", "-c?b+b+c"},
    };
    return is_restarted(play) ? follows[play->strategy][play->way == TROOP_BY_BAD_INIT] : "";
}

static void
expect(const struct play *play, char log[64])
{
    const char *death = play->way == TROOP_BY_KILL ? "" : "-b";
    snprintf(log, 64, "+a+b+c%s%s", death, what_follows(play));
}

static void
try_one(const struct play *play)
{
    tr_runtime *runtime = troop_open(play->worker + 1);
    struct tr_child_spec children[] = {troop_spec("a", play->worker), troop_spec("b", play->worker),
                                       troop_spec("c", play->worker)};
    children[1].restart = play->restart;
    tr_ref supervisor = troop_spawn(
        runtime, (struct tr_supervisor_options){.strategy = play->strategy, .children = children, .child_count = 3});
    tr_ref before[3] = {troop_find(runtime, supervisor, "a").child, troop_find(runtime, supervisor, "b").child,
                        troop_find(runtime, supervisor, "c").child};
    char log[64], all[80];
    expect(play, log);
    troop_die(runtime, before[1], 'b', play->way);
    troop_await(log);
    assert_int_equal(troop_find(runtime, supervisor, "a").child, before[0]);
    assert_int_equal(troop_find(runtime, supervisor, "c").child, before[2]);
    if (is_restarted(play)) {
        struct tr_supervisor_answer b = troop_find(runtime, supervisor, "b");
        assert_int_equal(b.child, before[1]);
        assert_true(b.restarts == (play->way == TROOP_BY_BAD_INIT ? 2 : 1));
    }
    snprintf(all, sizeof(all), "%s%s", log, is_restarted(play) ? "-c-b-a" : "-c-a");
    troop_close(runtime, supervisor);
    troop_await(all);
}

static void
try_all(enum tr_strategy strategy)
{
    struct play play = {.strategy = strategy};
    for (play.worker = 0; play.worker < 2; play.worker++)
        for (play.restart = TR_RESTART_PERMANENT; play.restart <= TR_RESTART_TEMPORARY; play.restart++)
            for (play.way = 0; play.way < TROOP_WAYS; play.way++)
                try_one(&play);
}

static void
one_for_one_restarts_the_child_that_ended_if_its_kind_says_so(void **state)
{
    (void)state;
    try_all(TR_ONE_FOR_ONE);
}

static void
one_for_all_stops_the_others_in_reverse_order_and_starts_all(void **state)
{
    (void)state;
    try_all(TR_ONE_FOR_ALL);
}

static void
rest_for_one_restarts_those_that_were_started_later_too(void **state)
{
    (void)state;
    try_all(TR_REST_FOR_ONE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_for_one_restarts_the_child_that_ended_if_its_kind_says_so),
        cmocka_unit_test(one_for_all_stops_the_others_in_reverse_order_and_starts_all),
        cmocka_unit_test(rest_for_one_restarts_those_that_were_started_later_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
