/*
 * How supervisors start, wait, give up and end, alone and in trees.
 */
#include "troop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OFTEN ((struct tr_restart_limit){10000, 1})
#define HOUR_MS 3600000u
#define OF(table) .children = (table), .child_count = sizeof(table) / sizeof((table)[0])

/* -- Who hears of a supervisor's end. -- */

static struct tally downs;
static struct tr_down down;
static char text[256];
static tr_ref spawned;
static tr_status spawn_status;

static tr_status
spawner_init(tr_actor *self, void *state, const void *argument)
{
    struct tr_supervisor_options options = *(const struct tr_supervisor_options *)argument;
    tr_monitor monitor;
    (void)state;
    options.spawn.monitor = &monitor;
    spawn_status = tr_supervisor_spawn(self, &options, &spawned);
    return TR_OK;
}

static void
spawner_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag != TR_TAG_DOWN)
        return;
    down = *(const struct tr_down *)tr_message_data(message);
    snprintf(text, sizeof(text), "%s", down.text);
    tally_add(&downs, 1);
}

static const struct tr_behavior spawner = {.name = "spawner", .init = spawner_init, .receive = spawner_receive};

static int
reset(void **state)
{
    (void)state;
    downs = (struct tally){0};
    text[0] = '\0';
    return 0;
}

/* Spawns a supervisor that is monitored, on that worker, from worker 0. */
static tr_ref
spawn_watched(tr_runtime *runtime, struct tr_supervisor_options options, unsigned worker)
{
    options.spawn = (struct tr_spawn_options){.placement = TR_PLACE_WORKER, .worker = worker};
    stage_spawn(runtime, &spawner, 0, &options);
    troop_bystanders = 1;
    assert_int_equal(spawn_status, TR_OK);
    return spawned;
}

static void
expect_end(tr_runtime *runtime, tr_status status, const char *words)
{
    tally_await(&downs, 1);
    assert_int_equal(down.status, status);
    assert_string_equal(text, words);
    troop_close(runtime, spawned);
    assert_int_equal(tally_read(&downs), 1);
}

/* -- The start. -- */

static void
children_start_in_order_each_when_the_one_before_has_begun(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        tr_runtime *runtime = troop_open(3);
        struct tr_child_spec children[] = {troop_spec("a", 1), troop_spec("b", 2), troop_spec("c", 0),
                                           troop_spec("d", 2), troop_spec("e", 1)};
        tr_ref supervisor = spawn_watched(runtime, (struct tr_supervisor_options){OF(children)}, worker);
        troop_await("+a+b+c+d+e");
        troop_close(runtime, supervisor);
        troop_await("+a+b+c+d+e-e-d-c-b-a");
    }
}

static void
a_supervisor_whose_child_cannot_start_stops_the_others_and_fails_with_the_reason(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        reset(NULL);
        tr_runtime *runtime = troop_open(2);
        struct tr_child_spec children[] = {troop_spec("a", 0), troop_spec("b", 1), troop_spec("c", worker),
                                           troop_spec("d", 0)};
        troop_spoil('c', 1);
        spawn_watched(runtime, (struct tr_supervisor_options){OF(children)}, 0);
        expect_end(runtime, TR_EINIT, "child \"c\" could not start: ERR_INIT_FAILED");
        troop_await("+a+b?c-b-a");
    }
}

static void
from_outside_one_waits_until_all_have_started_and_hears_why_not(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    struct tr_child_spec children[] = {troop_spec("a", 0), troop_spec("b", 1)};
    struct tr_supervisor_options options = {OF(children)};
    troop_spoil('b', 1);
    tr_ref ref = TR_NOBODY;
    assert_int_equal(tr_runtime_spawn_supervisor(runtime, &options, &ref), TR_EINIT);
    assert_int_equal(ref, TR_NOBODY);
    assert_int_equal(tr_runtime_spawn_supervisor(runtime, &options, &ref), TR_OK);
    troop_await("+a?b-a+a+b");
    troop_close(runtime, ref);
}

static void
a_supervisor_without_children_waits_for_some(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    tr_ref supervisor = troop_spawn(runtime, (struct tr_supervisor_options){.strategy = TR_ONE_FOR_ALL});
    struct tr_child_spec spec = troop_spec("a", 1);
    assert_int_equal(tr_runtime_supervisor_add(runtime, supervisor, &spec, NULL), TR_OK);
    troop_await("+a");
    troop_close(runtime, supervisor);
}

/* -- Giving up. -- */

static void
a_supervisor_gives_up_when_children_end_too_often(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    struct tr_child_spec children[] = {troop_spec("a", 0), troop_spec("b", 1), troop_spec("c", 0)};
    tr_ref supervisor = spawn_watched(runtime, (struct tr_supervisor_options){OF(children), .limit = {2, HOUR_MS}}, 0);
    troop_await("+a+b+c");
    tr_ref b = troop_find(runtime, supervisor, "b").child;
    troop_die(runtime, b, 'b', TROOP_BY_FAILURE);
    troop_await("+a+b+c-b+b");
    troop_die(runtime, b, 'b', TROOP_BY_EXIT);
    troop_await("+a+b+c-b+b-b+b");
    troop_die(runtime, b, 'b', TROOP_BY_FAILURE);
    expect_end(runtime, TR_EGIVENUP, "child \"b\" has ended too often, at last: ERR_USER: as told");
    troop_await("+a+b+c-b+b-b+b-b-c-a");
}

static void
a_limit_of_zero_gives_up_at_the_first_end(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(1);
    struct tr_child_spec children[] = {troop_spec("a", 0)};
    tr_ref supervisor = spawn_watched(runtime, (struct tr_supervisor_options){OF(children), .limit = {0, 1}}, 0);
    troop_die(runtime, troop_find(runtime, supervisor, "a").child, 'a', TROOP_BY_KILL);
    expect_end(runtime, TR_EGIVENUP, "child \"a\" has ended too often, at last: ERR_ACTOR_KILLED");
}

static void
ends_that_need_no_restart_do_not_count(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(1);
    struct tr_child_spec children[] = {troop_spec("a", 0), troop_spec("b", 0)};
    children[0].restart = TR_RESTART_TEMPORARY;
    children[1].restart = TR_RESTART_TRANSIENT;
    tr_ref supervisor = troop_spawn(runtime, (struct tr_supervisor_options){OF(children), .limit = {0, 1}});
    troop_die(runtime, troop_find(runtime, supervisor, "a").child, 'a', TROOP_BY_FAILURE);
    troop_die(runtime, troop_find(runtime, supervisor, "b").child, 'b', TROOP_BY_EXIT);
    troop_await("+a+b-a-b");
    troop_close(runtime, supervisor);
}

/* The innermost gives up at once; its restart by the next one fails twice; that one gives up, and so on. */
static void
giving_up_goes_up_through_three_levels_and_each_tells_why(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    struct tr_child_spec leaves[] = {troop_spec("a", 1), troop_spec("b", 0)};
    struct tr_supervisor_options low = {OF(leaves), .limit = {0, 1}};
    struct tr_child_spec lows[] = {{.name = "low", .supervisor = &low, .placement = TR_PLACE_WORKER, .worker = 1},
                                   troop_spec("c", 0)};
    struct tr_supervisor_options middle = {OF(lows), .strategy = TR_REST_FOR_ONE, .limit = {1, HOUR_MS}};
    struct tr_child_spec middles[] = {{.name = "middle", .supervisor = &middle}};
    tr_ref top = spawn_watched(runtime, (struct tr_supervisor_options){OF(middles), .limit = {0, 1}}, 0);
    troop_await("+a+b+c");
    tr_ref middle_ref = troop_find(runtime, top, "middle").child;
    tr_ref low_ref = troop_find(runtime, middle_ref, "low").child;
    troop_die(runtime, troop_find(runtime, low_ref, "a").child, 'a', TROOP_BY_FAILURE);
    troop_await("+a+b+c-a-b-c+a+b+c");
    assert_int_equal(troop_find(runtime, middle_ref, "low").child, low_ref);
    troop_die(runtime, troop_find(runtime, low_ref, "a").child, 'a', TROOP_BY_FAILURE);
    expect_end(runtime, TR_EGIVENUP,
               "child \"middle\" has ended too often, at last: ERR_CHILD_GIVEN_UP: "
               "child \"low\" has ended too often, at last: ERR_CHILD_GIVEN_UP: "
               "child \"a\" has ended too often, at last: ERR_USER: as told");
    troop_await("+a+b+c-a-b-c+a+b+c-a-b-c");
}

/* -- Waiting. -- */

static void
a_restart_waits_as_long_as_the_backoff_says(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(1);
    struct tr_child_spec children[] = {troop_spec("a", 0), troop_spec("b", 0)};
    tr_ref supervisor =
        troop_spawn(runtime, (struct tr_supervisor_options){OF(children), .limit = OFTEN, .backoff = {.first_ms = 20}});
    tr_ref a = troop_find(runtime, supervisor, "a").child;
    char log[64] = "+a+b";
    for (unsigned wait_ms = 20; wait_ms <= 80; wait_ms *= 2) {
        uint64_t began = tests_now_ns();
        troop_die(runtime, a, 'a', TROOP_BY_FAILURE);
        strcat(log, "-a+a");
        troop_await(log);
        assert_true(tests_now_ns() - began >= wait_ms * UINT64_C(1000000));
    }
    troop_close(runtime, supervisor);
}

static void
while_one_child_waits_others_are_restarted_by_one_for_one(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(1);
    struct tr_child_spec children[] = {troop_spec("b", 0), troop_spec("c", 0)};
    tr_ref supervisor = troop_spawn(
        runtime, (struct tr_supervisor_options){OF(children), .limit = OFTEN,
                                                .backoff = {.first_ms = 20, .most_ms = HOUR_MS, .calm_ms = HOUR_MS}});
    tr_ref b = troop_find(runtime, supervisor, "b").child, c = troop_find(runtime, supervisor, "c").child;
    char log[128] = "+b+c";
    for (int i = 0; i < 7; i++) { /* b's wait grows: 20, 40 ... 1,280, and then 2,560 */
        strcat(log, "-b+b");
        troop_die(runtime, b, 'b', TROOP_BY_FAILURE);
        troop_await(log);
    }
    troop_die(runtime, b, 'b', TROOP_BY_FAILURE);
    strcat(log, "-b");
    troop_await(log);
    strcat(log, "-c+c");
    troop_die(runtime, c, 'c', TROOP_BY_FAILURE);
    troop_await(log);
    troop_close(runtime, supervisor);
}

static void
a_supervisor_that_is_stopped_while_children_wait_ends_at_once(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    struct tr_child_spec children[] = {troop_spec("a", 0), troop_spec("b", 1), troop_spec("c", 0)};
    tr_ref supervisor = troop_spawn(runtime, (struct tr_supervisor_options){OF(children), .strategy = TR_ONE_FOR_ALL,
                                                                            .backoff = {.first_ms = HOUR_MS}});
    troop_die(runtime, troop_find(runtime, supervisor, "b").child, 'b', TROOP_BY_FAILURE);
    troop_await("+a+b+c-b-c-a");
    troop_close(runtime, supervisor);
    troop_await("+a+b+c-b-c-a");
}

/* -- Stops and kills. -- */

static bool
never(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)self;
    (void)state;
    return how == TR_STOP_KILL;
}

static void
a_child_that_does_not_stop_in_its_time_is_killed(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    struct tr_behavior stubborn = troop_child;
    stubborn.stopping = never;
    struct tr_child_spec children[] = {troop_spec("a", 0), troop_spec("b", 1), troop_spec("c", 0)};
    children[1].behavior = &stubborn;
    children[1].stop_timeout_ms = 30;
    tr_ref supervisor = troop_spawn(runtime, (struct tr_supervisor_options){OF(children)});
    uint64_t began = tests_now_ns();
    troop_close(runtime, supervisor);
    assert_true(tests_now_ns() - began >= 30000000);
    troop_await("+a+b+c-c-a"); /* who is killed has no stopped callback */
}

static void
a_child_is_stopped_as_its_declaration_says(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    struct tr_child_spec children[] = {troop_spec("a", 1), troop_spec("b", 1), troop_spec("c", 1)};
    children[0].stop = TR_STOP_DRAIN;
    children[1].stop = TR_STOP_KILL;
    children[2].stop = TR_STOP_NOW;
    tr_ref supervisor = troop_spawn(runtime, (struct tr_supervisor_options){OF(children)});
    tr_ref a = troop_find(runtime, supervisor, "a").child, c = troop_find(runtime, supervisor, "c").child;
    stage_send(runtime, c, TROOP_GATE, NULL, 0);
    tally_await(&troop_at_gate, 1);
    for (int i = 1; i <= 2; i++) {
        stage_send(runtime, a, TROOP_NUMBER, &i, sizeof(i));
        stage_send(runtime, c, TROOP_NUMBER, &(int){i + 10}, sizeof(int));
    }
    assert_int_equal(tr_runtime_stop_actor(runtime, supervisor, TR_STOP_NOW), TR_OK);
    troop_open_gate();
    troop_close(runtime, supervisor);
    troop_await("+a+b+c-c-a");
}

static void
a_killed_supervisor_kills_its_children_wherever_they_are(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    struct tr_behavior stubborn = troop_child;
    stubborn.stopping = never;
    struct tr_child_spec leaves[] = {troop_spec("a", 1), troop_spec("b", 0)};
    struct tr_supervisor_options low = {OF(leaves)};
    struct tr_child_spec children[] = {{.name = "low", .supervisor = &low, .placement = TR_PLACE_WORKER, .worker = 1},
                                       troop_spec("c", 0)};
    children[1].behavior = &stubborn;
    tr_ref supervisor = troop_spawn(runtime, (struct tr_supervisor_options){OF(children)});
    assert_int_equal(tr_runtime_stop_actor(runtime, supervisor, TR_STOP_KILL), TR_OK);
    troop_close(runtime, supervisor);
    troop_await("+a+b+c");
}

static void
a_supervisor_keeps_its_name_over_a_restart_and_its_children_are_new(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    struct tr_child_spec leaves[] = {troop_spec("a", 1)};
    struct tr_supervisor_options low = {OF(leaves)};
    struct tr_child_spec children[] = {{.name = "low", .supervisor = &low, .placement = TR_PLACE_WORKER, .worker = 1}};
    tr_ref supervisor = troop_spawn(runtime, (struct tr_supervisor_options){OF(children)});
    tr_ref low_ref = troop_find(runtime, supervisor, "low").child, a = troop_find(runtime, low_ref, "a").child;
    assert_int_equal(tr_runtime_stop_actor(runtime, low_ref, TR_STOP_KILL), TR_OK);
    troop_await("+a+a");
    assert_int_equal(troop_find(runtime, supervisor, "low").child, low_ref);
    assert_int_not_equal(troop_find(runtime, low_ref, "a").child, a);
    troop_close(runtime, supervisor);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(children_start_in_order_each_when_the_one_before_has_begun, reset),
        cmocka_unit_test(a_supervisor_whose_child_cannot_start_stops_the_others_and_fails_with_the_reason),
        cmocka_unit_test(from_outside_one_waits_until_all_have_started_and_hears_why_not),
        cmocka_unit_test(a_supervisor_without_children_waits_for_some),
        cmocka_unit_test_setup(a_supervisor_gives_up_when_children_end_too_often, reset),
        cmocka_unit_test_setup(a_limit_of_zero_gives_up_at_the_first_end, reset),
        cmocka_unit_test(ends_that_need_no_restart_do_not_count),
        cmocka_unit_test_setup(giving_up_goes_up_through_three_levels_and_each_tells_why, reset),
        cmocka_unit_test(a_restart_waits_as_long_as_the_backoff_says),
        cmocka_unit_test(while_one_child_waits_others_are_restarted_by_one_for_one),
        cmocka_unit_test(a_supervisor_that_is_stopped_while_children_wait_ends_at_once),
        cmocka_unit_test(a_child_that_does_not_stop_in_its_time_is_killed),
        cmocka_unit_test(a_child_is_stopped_as_its_declaration_says),
        cmocka_unit_test(a_killed_supervisor_kills_its_children_wherever_they_are),
        cmocka_unit_test(a_supervisor_keeps_its_name_over_a_restart_and_its_children_are_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
