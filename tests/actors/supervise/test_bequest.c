/*
 * What a child bequeaths to its next life.
 */
#include "troop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* A child that counts in a table of its own, which it bequeaths as soon as it has one. */

enum { COUNT = 100, OTHER, WITHDRAW };

struct table {
    int lives, counted;
};

static struct tally destroyed, begun, counts;
static int lives, counted;
static bool takes, fails;
static tr_status bequeathed;

static void
destroy(void *data)
{
    free(data);
    tally_add(&destroyed, 1);
}

static struct table *
inherit(tr_actor *self)
{
    struct table *table = takes ? tr_inheritance(self) : NULL;
    assert_null(takes ? tr_inheritance(self) : NULL); /* it is given once */
    if (table == NULL)
        table = calloc(1, sizeof(*table));
    assert_non_null(table);
    return table;
}

static tr_status
begin(tr_actor *self, void *state, const void *argument)
{
    struct table *table = inherit(self);
    (void)argument;
    *(struct table **)state = table;
    bequeathed = tr_bequeath(self, table, destroy);
    lives = ++table->lives;
    bool failing = fails;
    fails = false;
    tally_add(&begun, 1);
    return failing ? TR_EINIT : TR_OK;
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    struct table *table = *(struct table **)state;
    switch (message->tag) {
    case TROOP_EXIT: tr_exit(self); break;
    case TROOP_FAIL: tr_fail(self, TR_EUSER, NULL); break;
    case COUNT:
        counted = ++table->counted;
        tally_add(&counts, 1);
        break;
    case OTHER: assert_int_equal(tr_bequeath(self, calloc(1, sizeof(*table)), destroy), TR_OK); break;
    case WITHDRAW:
        assert_int_equal(tr_bequeath(self, NULL, NULL), TR_OK);
        free(table);
        break;
    default: break;
    }
}

static const struct tr_behavior heir = {
    .name = "heir", .state_size = sizeof(struct table *), .init = begin, .receive = receive};

static int
reset(void **state)
{
    (void)state;
    destroyed = begun = counts = (struct tally){0};
    lives = counted = 0;
    takes = true;
    fails = false;
    return 0;
}

static tr_ref
spawn_heir(tr_runtime *runtime, enum tr_restart restart, tr_ref *child)
{
    struct tr_child_spec spec = troop_spec("a", 1);
    spec.behavior = &heir;
    spec.restart = restart;
    tr_ref supervisor =
        troop_spawn(runtime, (struct tr_supervisor_options){.children = &spec, .child_count = 1, .limit = {1000, 1}});
    *child = troop_find(runtime, supervisor, "a").child;
    return supervisor;
}

static void
what_a_child_bequeaths_reaches_its_next_life_however_it_ends(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    tr_ref child, supervisor = spawn_heir(runtime, TR_RESTART_PERMANENT, &child);
    for (enum troop_way way = 0; way < TROOP_BY_BAD_INIT; way++) {
        stage_send(runtime, child, COUNT, NULL, 0);
        tally_await(&counts, way + 1);
        assert_int_equal(counted, way + 1);
        troop_die(runtime, child, 'a', way);
        tally_await(&begun, way + 2);
        assert_int_equal(lives, way + 2);
    }
    assert_int_equal(tally_read(&destroyed), 0);
    troop_close(runtime, supervisor);
    assert_int_equal(tally_read(&destroyed), 1);
}

static void
it_survives_an_init_that_fails_after_it_has_bequeathed_it_again(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    tr_ref child, supervisor = spawn_heir(runtime, TR_RESTART_PERMANENT, &child);
    fails = true;
    troop_die(runtime, child, 'a', TROOP_BY_FAILURE);
    tally_await(&begun, 3);
    assert_int_equal(lives, 3);
    troop_close(runtime, supervisor);
    assert_int_equal(tally_read(&destroyed), 1);
}

static void
what_nobody_takes_is_destroyed_when_the_next_life_bequeaths_itself(void **state)
{
    (void)state;
    takes = false;
    tr_runtime *runtime = troop_open(2);
    tr_ref child, supervisor = spawn_heir(runtime, TR_RESTART_PERMANENT, &child);
    troop_die(runtime, child, 'a', TROOP_BY_FAILURE);
    tally_await(&begun, 2);
    troop_die(runtime, child, 'a', TROOP_BY_FAILURE);
    tally_await(&begun, 3);
    assert_int_equal(tally_read(&destroyed), 1);
    troop_close(runtime, supervisor);
    assert_int_equal(tally_read(&destroyed), 3);
}

static void
it_is_destroyed_when_there_is_no_next_life(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    tr_ref child, supervisor = spawn_heir(runtime, TR_RESTART_TEMPORARY, &child);
    troop_die(runtime, child, 'a', TROOP_BY_KILL);
    tally_await(&destroyed, 1);
    troop_close(runtime, supervisor);
    assert_int_equal(tally_read(&destroyed), 1);
    assert_int_equal(tally_read(&begun), 1);
}

static void
without_a_supervisor_it_ends_with_the_actor(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(1);
    tr_ref alone = stage_spawn(runtime, &heir, 0, NULL);
    assert_int_equal(bequeathed, TR_OK);
    stage_send(runtime, alone, OTHER, NULL, 0); /* the first is destroyed */
    tally_await(&destroyed, 1);
    stage_send(runtime, alone, TROOP_EXIT, NULL, 0);
    tally_await(&destroyed, 2);
    stage_close(runtime);
    assert_int_equal(tr_bequeath(NULL, NULL, NULL), TR_EINVAL);
    assert_null(tr_inheritance(NULL));
}

static void
what_is_withdrawn_is_the_actors_again(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(1);
    tr_ref alone = stage_spawn(runtime, &heir, 0, NULL);
    stage_send(runtime, alone, WITHDRAW, NULL, 0);
    tests_counters_add_up(runtime);
    stage_close(runtime);
    assert_int_equal(tally_read(&destroyed), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_a_child_bequeaths_reaches_its_next_life_however_it_ends, reset),
        cmocka_unit_test_setup(it_survives_an_init_that_fails_after_it_has_bequeathed_it_again, reset),
        cmocka_unit_test_setup(what_nobody_takes_is_destroyed_when_the_next_life_bequeaths_itself, reset),
        cmocka_unit_test_setup(it_is_destroyed_when_there_is_no_next_life, reset),
        cmocka_unit_test_setup(without_a_supervisor_it_ends_with_the_actor, reset),
        cmocka_unit_test_setup(what_is_withdrawn_is_the_actors_again, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
