/*
 * A restart in place: the name, the mailbox and those who watch, over several lives of one actor.
 */
#include "troop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OFTEN ((struct tr_restart_limit){10000, 1})
#define HOUR_MS 3600000u

/* -- The mailbox. -- */

static struct tr_behavior limited, slow;

/* A long message makes an actor slow: dispatch.c. */
static void
receive_slowly(tr_actor *self, void *state, tr_message *message)
{
    bool holds = message->tag == TROOP_NUMBER && *(const int *)tr_message_data(message) % 3 != 0;
    uint64_t began = tests_now_ns();
    while (holds && tests_now_ns() - began < 120000)
        ;
    troop_child.receive(self, state, message);
}

static int
make_behaviors(void **state)
{
    (void)state;
    limited = slow = troop_child;
    limited.mailbox.messages = 100000;
    limited.mailbox.bytes = UINT64_C(1) << 30;
    limited.mailbox.policy = TR_MAILBOX_DROP_OLDEST;
    slow.receive = receive_slowly;
    return 0;
}

static void
send_number(tr_runtime *runtime, tr_ref child, int number)
{
    stage_send(runtime, child, TROOP_NUMBER, &number, sizeof(number));
}

static tr_ref
spawn_alone(tr_runtime *runtime, const struct tr_behavior *behavior, bool keep, struct tr_backoff backoff)
{
    struct tr_child_spec spec = troop_spec("a", 1);
    spec.behavior = behavior;
    spec.keep_mailbox = keep;
    return troop_spawn(runtime, (struct tr_supervisor_options){
                                    .children = &spec, .child_count = 1, .limit = OFTEN, .backoff = backoff});
}

/* Kills at random moments, while numbers come: with mail of the actor in the queue, put aside, and beyond it. */
static void
try_keeping(const struct tr_behavior *behavior, int count, unsigned seed)
{
    enum { ROOM = 8 };
    tr_runtime *runtime = troop_open(2);
    tr_ref supervisor = spawn_alone(runtime, behavior, true, (struct tr_backoff){0});
    tr_ref child = troop_find(runtime, supervisor, "a").child;
    char *expected = calloc((size_t)count, ROOM);
    size_t length = 0;
    assert_non_null(expected);
    srand(seed);
    for (int i = 0; i < count; i++) {
        send_number(runtime, child, i);
        length += (size_t)sprintf(expected + length, "%d ", i);
        if (rand() % 40 == 0)
            assert_int_equal(tr_runtime_stop_actor(runtime, child, TR_STOP_KILL), TR_OK);
        if (rand() % 40 == 0)
            tests_let_pass((uint64_t)(rand() % 300) * 1000);
    }
    troop_await_numbers(expected);
    assert_int_equal(troop_find(runtime, supervisor, "a").child, child);
    assert_true(troop_find(runtime, supervisor, "a").restarts > 0);
    free(expected);
    troop_close(runtime, supervisor);
}

static void
a_mailbox_that_is_kept_keeps_every_message_and_their_order(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 20 * tests_stress(); seed++)
        try_keeping(&troop_child, 2000, seed);
}

static void
so_does_that_of_an_actor_with_limits(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 20 * tests_stress(); seed++)
        try_keeping(&limited, 2000, seed);
}

static void
so_does_that_of_a_slow_actor(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 20 * tests_stress(); seed++)
        try_keeping(&slow, 500, seed);
}

/* Kills whom the message names, within its handler. */
static void
kill_named(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == TROOP_GATE)
        troop_child.receive(self, state, message);
    else
        assert_int_equal(tr_stop(self, *(const tr_ref *)tr_message_data(message), TR_STOP_KILL), TR_OK);
}

/*
 * While the worker waits all this comes into its queue. The first makes the actor slow; what it has in the queue by
 * then is put aside as it comes up, but for the next, which goes to the end. In the middle of that it dies.
 */
static void
what_is_put_aside_of_a_slow_actor_keeps_its_place(void **state)
{
    (void)state;
    static const struct tr_behavior killer = {.name = "killer", .receive = kill_named};
    tr_runtime *runtime = troop_open(2);
    tr_ref supervisor = spawn_alone(runtime, &slow, true, (struct tr_backoff){0});
    tr_ref child = troop_find(runtime, supervisor, "a").child, other = stage_spawn(runtime, &killer, 1, NULL);
    stage_send(runtime, other, TROOP_GATE, NULL, 0);
    tally_await(&troop_at_gate, 1);
    static const int before[] = {1, 3, 6, 9}, after[] = {12, 15, 18};
    for (size_t i = 0; i < 4; i++)
        send_number(runtime, child, before[i]);
    stage_send(runtime, other, 1000, &child, sizeof(child));
    for (size_t i = 0; i < 3; i++)
        send_number(runtime, child, after[i]);
    troop_open_gate();
    troop_await("+a+a");
    troop_await_numbers("1 3 6 9 12 15 18 ");
    troop_bystanders = 1;
    troop_close(runtime, supervisor);
}

/* It fails with the numbers behind it in the mailbox; one comes after its death. */
static void
fail_before_numbers(tr_runtime *runtime, tr_ref child, int count)
{
    stage_send(runtime, child, TROOP_GATE, NULL, 0);
    tally_await(&troop_at_gate, 1);
    stage_send(runtime, child, TROOP_FAIL, NULL, 0);
    for (int i = 0; i < count; i++)
        send_number(runtime, child, i);
    troop_open_gate();
}

static void
try_dropping(const struct tr_behavior *behavior)
{
    tr_runtime *runtime = troop_open(2);
    tr_ref supervisor = spawn_alone(runtime, behavior, false, (struct tr_backoff){0});
    tr_ref child = troop_find(runtime, supervisor, "a").child;
    fail_before_numbers(runtime, child, 200);
    troop_await("+a-a+a");
    tests_counters_await_dead(runtime, 200);
    send_number(runtime, child, 1000);
    troop_await_numbers("1000 ");
    troop_close(runtime, supervisor);
}

static void
a_mailbox_that_is_not_kept_becomes_dead_letters(void **state)
{
    (void)state;
    try_dropping(&troop_child);
    try_dropping(&limited);
    try_dropping(&slow);
}

static void
await_state(tr_runtime *runtime, tr_ref supervisor, const char *name, enum tr_child_state expected)
{
    while (troop_find(runtime, supervisor, name).state != expected)
        tests_let_pass(100000);
}

static void
what_comes_between_two_lives_waits_for_the_next(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    tr_ref supervisor = spawn_alone(runtime, &troop_child, false, (struct tr_backoff){.first_ms = 200});
    tr_ref child = troop_find(runtime, supervisor, "a").child;
    troop_die(runtime, child, 'a', TROOP_BY_FAILURE);
    await_state(runtime, supervisor, "a", TR_CHILD_RESTING);
    for (int i = 0; i < 100; i++)
        send_number(runtime, child, i);
    char expected[400] = "";
    for (int i = 0; i < 100; i++)
        sprintf(expected + strlen(expected), "%d ", i);
    troop_await_numbers(expected);
    troop_await("+a-a+a");
    troop_close(runtime, supervisor);
}

static void
a_limit_of_the_mailbox_holds_between_two_lives(void **state)
{
    (void)state;
    struct tr_behavior small = troop_child;
    small.mailbox.messages = 3;
    small.mailbox.policy = TR_MAILBOX_DROP_OLDEST;
    tr_runtime *runtime = troop_open(2);
    tr_ref supervisor = spawn_alone(runtime, &small, false, (struct tr_backoff){.first_ms = 200});
    tr_ref child = troop_find(runtime, supervisor, "a").child;
    troop_die(runtime, child, 'a', TROOP_BY_FAILURE);
    await_state(runtime, supervisor, "a", TR_CHILD_RESTING);
    for (int i = 0; i < 10; i++)
        send_number(runtime, child, i);
    troop_await_numbers("7 8 9 ");
    troop_close(runtime, supervisor);
}

/* -- Watching. -- */

enum { WATCH = 1, LINK };

static struct tally downs;
static struct tr_down last_down;
static char last_text[256];

static void
watcher_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == WATCH)
        assert_int_equal(tr_monitor_start(self, *(const tr_ref *)tr_message_data(message), NULL), TR_OK);
    if (message->tag == LINK)
        assert_int_equal(tr_link(self, *(const tr_ref *)tr_message_data(message)), TR_OK);
    if (message->tag != TR_TAG_DOWN)
        return;
    last_down = *(const struct tr_down *)tr_message_data(message);
    snprintf(last_text, sizeof(last_text), "%s", last_down.text);
    tally_add(&downs, 1);
}

static const struct tr_behavior watcher = {.name = "watcher", .receive = watcher_receive, .stopped = count_stopped};

static int
reset_watching(void **state)
{
    (void)state;
    downs = stopped = (struct tally){0};
    return 0;
}

static void
each_life_has_its_death_and_a_monitor_tells_of_one(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    tr_ref supervisor = spawn_alone(runtime, &troop_child, false, (struct tr_backoff){0});
    tr_ref child = troop_find(runtime, supervisor, "a").child, who = stage_spawn(runtime, &watcher, 1, NULL);
    stage_send(runtime, who, WATCH, &child, sizeof(child));
    stage_send(runtime, child, TROOP_FAIL, NULL, 0);
    tally_await(&downs, 1);
    assert_int_equal(last_down.status, TR_EUSER);
    assert_string_equal(last_text, "as told");
    troop_await("+a-a+a");
    troop_die(runtime, child, 'a', TROOP_BY_KILL); /* nobody watches this life */
    troop_await("+a-a+a+a");
    stage_send(runtime, who, WATCH, &child, sizeof(child));
    stage_send(runtime, who, WATCH, &child, sizeof(child));
    await_state(runtime, supervisor, "a", TR_CHILD_RUNNING);
    tests_counters_add_up(runtime); /* they have come there */
    assert_int_equal(tally_read(&downs), 1);
    troop_die(runtime, child, 'a', TROOP_BY_KILL);
    tally_await(&downs, 3);
    assert_int_equal(last_down.status, TR_EKILLED);
    troop_bystanders = 1;
    troop_close(runtime, supervisor);
}

static void
who_begins_to_watch_between_two_lives_watches_the_next(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    tr_ref supervisor = spawn_alone(runtime, &troop_child, false, (struct tr_backoff){.first_ms = 100});
    tr_ref child = troop_find(runtime, supervisor, "a").child, who = stage_spawn(runtime, &watcher, 1, NULL);
    troop_die(runtime, child, 'a', TROOP_BY_FAILURE);
    await_state(runtime, supervisor, "a", TR_CHILD_RESTING);
    stage_send(runtime, who, WATCH, &child, sizeof(child));
    troop_await("+a-a+a");
    assert_int_equal(tally_read(&downs), 0);
    troop_die(runtime, child, 'a', TROOP_BY_EXIT);
    tally_await(&downs, 1);
    assert_int_equal(last_down.status, TR_OK);
    troop_bystanders = 1;
    troop_close(runtime, supervisor);
}

static void
watchers_of_a_name_that_ends_between_two_lives_are_told(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    tr_ref supervisor = spawn_alone(runtime, &troop_child, false, (struct tr_backoff){.first_ms = HOUR_MS});
    tr_ref child = troop_find(runtime, supervisor, "a").child, who = stage_spawn(runtime, &watcher, 1, NULL);
    troop_die(runtime, child, 'a', TROOP_BY_FAILURE);
    await_state(runtime, supervisor, "a", TR_CHILD_RESTING);
    stage_send(runtime, who, WATCH, &child, sizeof(child));
    tests_counters_add_up(runtime); /* the watcher, of the same worker, has begun */
    send_number(runtime, child, 1);
    assert_int_equal(tr_runtime_supervisor_remove(runtime, supervisor, "a", NULL), TR_OK);
    tally_await(&downs, 1);
    assert_int_equal(last_down.status, TR_EGONE);
    tests_counters_await_dead(runtime, 1);
    troop_await("+a-a");
    troop_bystanders = 1;
    troop_close(runtime, supervisor);
}

static void
a_link_with_a_child_acts_with_each_life(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    tr_ref supervisor = spawn_alone(runtime, &troop_child, false, (struct tr_backoff){0});
    tr_ref child = troop_find(runtime, supervisor, "a").child, who = stage_spawn(runtime, &watcher, 1, NULL);
    stage_send(runtime, who, LINK, &child, sizeof(child));
    tests_counters_add_up(runtime); /* both are of one worker: they are linked */
    troop_die(runtime, child, 'a', TROOP_BY_FAILURE);
    tally_await(&stopped, 1);
    troop_await("+a-a+a");
    troop_close(runtime, supervisor);
}

/* -- Names. -- */

static void
a_registered_name_is_registered_again_by_each_life(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    struct tr_child_spec specs[] = {troop_spec("a", 1), troop_spec("e", 0)};
    specs[0].registered = "shop";
    specs[1].registered = "till";
    specs[1].one_each_worker = true;
    tr_ref supervisor = troop_spawn(
        runtime, (struct tr_supervisor_options){.children = specs, .child_count = 2, .backoff = {.first_ms = 100}});
    tr_ref child = troop_find(runtime, supervisor, "a").child;
    assert_int_equal(tr_runtime_whereis(runtime, "shop"), child);
    assert_int_equal(tr_runtime_whereis(runtime, "till/1"), troop_find(runtime, supervisor, "e/1").child);
    troop_die(runtime, child, 'a', TROOP_BY_KILL);
    await_state(runtime, supervisor, "a", TR_CHILD_RESTING);
    assert_int_equal(tr_runtime_whereis(runtime, "shop"), TR_NOBODY);
    troop_await("+a+e+e+a");
    assert_int_equal(tr_runtime_whereis(runtime, "shop"), child);
    struct tr_child_spec rival = troop_spec("r", 0);
    rival.registered = "shop";
    assert_int_equal(tr_runtime_supervisor_add(runtime, supervisor, &rival, NULL), TR_ENAMETAKEN);
    troop_await("+a+e+e+a");
    troop_close(runtime, supervisor);
}

/* -- Stops. -- */

#define BETWEEN_MS 1500 /* the order to stop, given at its begin, comes within this time */

static void
a_stop_that_comes_between_two_lives_ends_the_next_before_it_begins(void **state)
{
    (void)state;
    for (enum tr_stop_mode how = TR_STOP_DRAIN; how <= TR_STOP_KILL; how++) {
        tr_runtime *runtime = troop_open(2);
        struct tr_child_spec spec = troop_spec("a", 1);
        spec.restart = TR_RESTART_TRANSIENT;
        tr_ref supervisor = troop_spawn(
            runtime, (struct tr_supervisor_options){
                         .children = &spec, .child_count = 1, .limit = OFTEN, .backoff = {.first_ms = BETWEEN_MS}});
        tr_ref child = troop_find(runtime, supervisor, "a").child;
        troop_die(runtime, child, 'a', TROOP_BY_FAILURE);
        await_state(runtime, supervisor, "a", TR_CHILD_RESTING);
        assert_int_equal(tr_runtime_stop_actor(runtime, child, how), TR_OK);
        if (how == TR_STOP_KILL) { /* a kill is a reason for a restart */
            troop_await("+a-a+a");
            assert_int_equal(troop_find(runtime, supervisor, "a").restarts, 2);
        } else {
            while (tr_runtime_supervisor_child(runtime, supervisor, "a", NULL) != TR_EGONE)
                tests_let_pass(1000000);
            troop_await("+a-a");
        }
        troop_close(runtime, supervisor);
    }
}

/* -- A killed actor whose state is in use. -- */

static struct tally lingering;
static tr_actor *linger_self;

static bool
linger(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)state;
    if (how != TR_STOP_KILL)
        return true;
    linger_self = self;
    tally_add(&lingering, 1);
    return false;
}

static void
let_go(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    tr_exit(linger_self);
}

static void
a_killed_child_whose_state_is_in_use_is_restarted_when_it_is_free(void **state)
{
    (void)state;
    static const struct tr_behavior helper = {.name = "helper", .receive = let_go};
    struct tr_behavior lingers = troop_child;
    lingers.stopping = linger;
    lingering = (struct tally){0};
    tr_runtime *runtime = troop_open(2);
    tr_ref supervisor = spawn_alone(runtime, &lingers, true, (struct tr_backoff){0});
    tr_ref child = troop_find(runtime, supervisor, "a").child, other = stage_spawn(runtime, &helper, 1, NULL);
    troop_die(runtime, child, 'a', TROOP_BY_KILL);
    tally_await(&lingering, 1);
    send_number(runtime, child, 5);
    assert_int_equal(troop_find(runtime, supervisor, "a").restarts, 0);
    troop_await("+a");
    stage_send(runtime, other, 1, NULL, 0);
    troop_await("+a+a");
    troop_await_numbers("5 ");
    lingers.stopping = NULL; /* nothing lingers in the end */
    troop_bystanders = 1;
    troop_close(runtime, supervisor);
}

/* -- The runtime's end. -- */

static void
a_child_that_rests_does_not_hold_up_the_end_of_the_runtime(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    tr_ref supervisor = spawn_alone(runtime, &troop_child, true, (struct tr_backoff){.first_ms = HOUR_MS});
    tr_ref child = troop_find(runtime, supervisor, "a").child;
    troop_die(runtime, child, 'a', TROOP_BY_FAILURE);
    await_state(runtime, supervisor, "a", TR_CHILD_RESTING);
    send_number(runtime, child, 1);
    stage_close(runtime);
    troop_await("+a-a");
}

static void
nobody_is_restarted_while_the_runtime_ends(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    spawn_alone(runtime, &troop_child, true, (struct tr_backoff){0});
    stage_close(runtime);
    troop_await("+a-a");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mailbox_that_is_kept_keeps_every_message_and_their_order),
        cmocka_unit_test(so_does_that_of_an_actor_with_limits),
        cmocka_unit_test(so_does_that_of_a_slow_actor),
        cmocka_unit_test(what_is_put_aside_of_a_slow_actor_keeps_its_place),
        cmocka_unit_test(a_mailbox_that_is_not_kept_becomes_dead_letters),
        cmocka_unit_test(what_comes_between_two_lives_waits_for_the_next),
        cmocka_unit_test(a_limit_of_the_mailbox_holds_between_two_lives),
        cmocka_unit_test_setup(each_life_has_its_death_and_a_monitor_tells_of_one, reset_watching),
        cmocka_unit_test_setup(who_begins_to_watch_between_two_lives_watches_the_next, reset_watching),
        cmocka_unit_test_setup(watchers_of_a_name_that_ends_between_two_lives_are_told, reset_watching),
        cmocka_unit_test_setup(a_link_with_a_child_acts_with_each_life, reset_watching),
        cmocka_unit_test(a_registered_name_is_registered_again_by_each_life),
        cmocka_unit_test(a_stop_that_comes_between_two_lives_ends_the_next_before_it_begins),
        cmocka_unit_test(a_killed_child_whose_state_is_in_use_is_restarted_when_it_is_free),
        cmocka_unit_test(a_child_that_rests_does_not_hold_up_the_end_of_the_runtime),
        cmocka_unit_test(nobody_is_restarted_while_the_runtime_ends),
    };
    return cmocka_run_group_tests(tests, make_behaviors, NULL);
}
