/*
 * Names without memory: what fails changes nothing, and what is to be told is told.
 */
#include "actor_internal.h"
#include "fault.h"
#include "names_play.h"
#include "registry.h"

#include "helpers.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int
spare_me(void **state)
{
    (void)state;
    fault_spare_me(true);
    return 0;
}

struct attempt {
    tr_status (*function)(tr_actor *self, const char *name);
    const char *name;
    unsigned failures; /* with TR_ENOMEM, each by another allocation */
    tr_ref found;      /* in between, who had the name */
};

/* Every allocation that the call makes fails once; the last call succeeds. */
static void
attempt_until_it_succeeds(tr_actor *self, void *argument)
{
    struct attempt *attempt = argument;
    for (unsigned nth = 1;; nth++) {
        fault_plan(FAULT_MEMORY, nth, 1, ENOMEM);
        tr_status status = attempt->function(self, attempt->name);
        bool met = fault_met(FAULT_MEMORY) > 0;
        fault_clear();
        if (status == TR_OK)
            return;
        assert_int_equal(status, TR_ENOMEM);
        assert_true(met);
        attempt->failures++;
        attempt->found |= tr_whereis(self, attempt->name);
    }
}

static uint64_t
names_in(const tr_runtime *runtime)
{
    uv_mutex_lock(&runtime->names->lock);
    uint64_t count = runtime->names->table.count;
    uv_mutex_unlock(&runtime->names->lock);
    return count;
}

/* A name, its holder; for each of two watchers its coming and its going, and for the one on the other worker kicks. */
static void
a_registration_without_memory_changes_nothing_and_tells_nothing(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct player has, watchers[2];
    struct attempt attempt = {.function = tr_name_register, .name = "db"};
    player_start(&has, runtime, 0);
    for (unsigned i = 0; i < 2; i++) {
        player_start(&watchers[i], runtime, i);
        assert_int_equal(player_watches(&watchers[i], "db"), TR_OK);
    }
    player_does(&has, attempt_until_it_succeeds, &attempt);
    assert_true(attempt.failures >= 7);
    assert_int_equal(attempt.found, TR_NOBODY);
    for (unsigned i = 0; i < 2; i++)
        player_has_heard(&watchers[i], 1, "db", has.ref);
    assert_int_equal(player_releases(&has, "db"), TR_OK);
    for (unsigned i = 0; i < 2; i++)
        player_has_heard(&watchers[i], 2, "db", TR_NOBODY);
    stage_close(runtime);
}

static void
a_first_name_without_memory_leaves_nothing(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    struct player has;
    struct attempt attempt = {.function = tr_name_register, .name = "db"};
    player_start(&has, runtime, 0);
    player_does(&has, attempt_until_it_succeeds, &attempt);
    assert_true(attempt.failures >= 2);
    assert_int_equal(names_in(runtime), 1);
    stage_close(runtime);
}

static void
a_watch_without_memory_changes_nothing_and_tells_nothing(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        tr_runtime *runtime = stage_open(2);
        struct player has, watcher;
        struct attempt attempt = {.function = tr_name_watch, .name = "db"};
        player_start(&has, runtime, 0);
        player_start(&watcher, runtime, worker);
        assert_int_equal(player_registers(&has, "db"), TR_OK);
        player_does(&watcher, attempt_until_it_succeeds, &attempt);
        assert_true(attempt.failures >= 3 + worker);
        player_has_heard(&watcher, 1, "db", has.ref);
        attempt = (struct attempt){.function = tr_name_watch, .name = "nobody"};
        player_does(&watcher, attempt_until_it_succeeds, &attempt);
        assert_true(attempt.failures >= 1);
        assert_int_equal(names_in(runtime), 2);
        assert_int_equal(player_unwatches(&watcher, "nobody"), TR_OK);
        assert_int_equal(names_in(runtime), 1);
        stage_close(runtime);
    }
}

/* -- What is to be told, without any memory when it happens. -- */

static void
release_in_a_drought(tr_actor *self, void *argument)
{
    const char *name = argument;
    fault_plan(FAULT_MEMORY, 1, UINT_MAX, ENOMEM);
    assert_int_equal(tr_name_release(self, name), TR_OK);
}

static void
a_name_that_goes_while_there_is_no_memory_is_told_when_there_is(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        tr_runtime *runtime = stage_open(2);
        struct player has, watcher;
        player_start(&has, runtime, 0);
        player_start(&watcher, runtime, worker);
        assert_int_equal(player_watches(&watcher, "db"), TR_OK);
        assert_int_equal(player_registers(&has, "db"), TR_OK);
        player_has_heard(&watcher, 1, "db", has.ref);
        player_does(&has, release_in_a_drought, (char[]){"db"});
        fault_clear();
        player_has_heard(&watcher, 2, "db", TR_NOBODY);
        stage_close(runtime);
    }
}

/* The pools of the watcher's worker are used up by what waits there, so each of the changes is owed. */
#define FLOOD 3000u

static struct tally flooded;

static void
flood_and_release(tr_actor *self, void *argument)
{
    fault_plan(FAULT_MEMORY, 1, UINT_MAX, ENOMEM);
    while (tr_tell(self, tr_self(self), 77, NULL, 0) == TR_OK)
        tally_add(&flooded, 1);
    assert_int_equal(tr_name_release(self, argument), TR_OK); /* which it watches itself */
    assert_int_equal(tr_name_release(self, "db2"), TR_OK);
    fault_clear();
    assert_true(tally_read(&flooded) < FLOOD);
}

/* Which it watches itself. */
static void
start_with_two_names(struct player *player, tr_runtime *runtime)
{
    static const char *const names[] = {"db", "db2"};
    player_start(player, runtime, 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(player_watches(player, names[i]), TR_OK);
        assert_int_equal(player_registers(player, names[i]), TR_OK);
    }
    player_has_heard(player, 2, "db2", player->ref);
}

static void
changes_for_which_a_mailbox_has_no_memory_are_told_in_their_order(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    struct player player;
    start_with_two_names(&player, runtime);
    player_does(&player, flood_and_release, (char[]){"db"});
    tally_await(&player.heard, 4);
    assert_string_equal(player.changes[2].name, "db");
    assert_int_equal(player.changes[2].ref, TR_NOBODY);
    assert_string_equal(player.changes[3].name, "db2");
    assert_int_equal(player.changes[3].ref, TR_NOBODY);
    stage_close(runtime);
}

static void
unwatch_what_is_owed(tr_actor *self, void *argument)
{
    flood_and_release(self, argument);
    assert_int_equal(tr_name_unwatch(self, argument), TR_OK);
}

static void
nothing_comes_after_unwatch_of_what_is_owed(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    struct player player;
    start_with_two_names(&player, runtime);
    player_does(&player, unwatch_what_is_owed, (char[]){"db"});
    tally_await(&player.heard, 3);
    assert_string_equal(player.changes[2].name, "db2");
    stage_close(runtime);
    assert_int_equal(tally_read(&player.heard), 3);
}

/* -- The runtime. -- */

static void
a_runtime_without_memory_for_names_does_not_start(void **state)
{
    (void)state;
    struct tr_runtime_options options = {.workers = 1, .pinning = TR_PINNING_NEVER};
    unsigned refused = 0;
    fault_spare_me(false);
    for (unsigned nth = 1; nth <= 3; nth++) { /* the runtime's own, the registry, its table */
        tr_runtime *runtime = NULL;
        fault_plan(FAULT_MEMORY, nth, 1, ENOMEM);
        refused += tr_runtime_start(&options, &runtime) == TR_ENOMEM;
        fault_clear();
        assert_null(runtime);
    }
    fault_spare_me(true);
    assert_int_equal(refused, 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_registration_without_memory_changes_nothing_and_tells_nothing, spare_me),
        cmocka_unit_test_setup(a_first_name_without_memory_leaves_nothing, spare_me),
        cmocka_unit_test_setup(a_watch_without_memory_changes_nothing_and_tells_nothing, spare_me),
        cmocka_unit_test_setup(a_name_that_goes_while_there_is_no_memory_is_told_when_there_is, spare_me),
        cmocka_unit_test_setup(changes_for_which_a_mailbox_has_no_memory_are_told_in_their_order, spare_me),
        cmocka_unit_test_setup(nothing_comes_after_unwatch_of_what_is_owed, spare_me),
        cmocka_unit_test_setup(a_runtime_without_memory_for_names_does_not_start, spare_me),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
