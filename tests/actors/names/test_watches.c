/*
 * Watching a name: what is told, when, in which order, and what is not.
 */
#include "actor_internal.h"
#include "counters.h"
#include "names_play.h"
#include "registry.h"

#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
who_watches_a_name_that_an_actor_has_is_told_at_once(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct player has, watchers[2];
    player_start(&has, runtime, 0);
    assert_int_equal(player_registers(&has, "db"), TR_OK);
    for (unsigned i = 0; i < 2; i++) {
        player_start(&watchers[i], runtime, i);
        assert_int_equal(player_watches(&watchers[i], "db"), TR_OK);
        player_catches_up(&watchers[i]);
        player_has_heard(&watchers[i], 1, "db", has.ref);
    }
    player_stop(&has, TR_STOP_NOW, "db");
    for (unsigned i = 0; i < 2; i++)
        player_has_heard(&watchers[i], 2, "db", TR_NOBODY);
    stage_close(runtime);
}

static void
who_watches_a_name_is_told_each_time_that_it_comes_and_goes(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(3);
    struct player has[2], watchers[3];
    uint64_t count = 0;
    for (unsigned i = 0; i < 3; i++) {
        player_start(&watchers[i], runtime, i);
        assert_int_equal(player_watches(&watchers[i], "db"), TR_OK);
    }
    for (unsigned i = 0; i < 2; i++)
        player_start(&has[i], runtime, i);
    for (unsigned round = 0; round < 10; round++) {
        struct player *holder = &has[round % 2];
        assert_int_equal(player_registers(holder, "db"), TR_OK);
        assert_int_equal(player_registers(holder, "other"), TR_OK); /* of which nobody is told */
        assert_int_equal(player_releases(holder, "db"), TR_OK);
        assert_int_equal(player_releases(holder, "other"), TR_OK);
        count += 2;
    }
    for (unsigned i = 0; i < 3; i++) {
        player_has_heard(&watchers[i], count, "db", TR_NOBODY);
        for (unsigned round = 0; round < 10; round++) {
            assert_int_equal(watchers[i].changes[2 * round].ref, has[round % 2].ref);
            assert_int_equal(watchers[i].changes[2 * round + 1].ref, TR_NOBODY);
        }
    }
    stage_close(runtime);
}

static void
a_refused_registration_is_no_change(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    struct player has, second, watcher;
    player_start(&has, runtime, 0);
    player_start(&second, runtime, 0);
    player_start(&watcher, runtime, 0);
    assert_int_equal(player_watches(&watcher, "db"), TR_OK);
    assert_int_equal(player_registers(&has, "db"), TR_OK);
    assert_int_equal(player_registers(&has, "db"), TR_OK);
    assert_int_equal(player_registers(&second, "db"), TR_ENAMETAKEN);
    player_has_heard(&watcher, 1, "db", has.ref);
    stage_close(runtime);
}

static void
watching_a_name_again_changes_nothing(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    struct player has, watcher;
    player_start(&has, runtime, 0);
    player_start(&watcher, runtime, 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(player_watches(&watcher, "db"), TR_OK);
    assert_int_equal(player_registers(&has, "db"), TR_OK);
    assert_int_equal(player_watches(&watcher, "db"), TR_OK);
    player_has_heard(&watcher, 1, "db", has.ref);
    assert_int_equal(player_unwatches(&watcher, "db"), TR_OK);
    assert_int_equal(player_unwatches(&watcher, "db"), TR_ENOTWATCHED);
    stage_close(runtime);
}

static void
only_what_is_watched_can_be_unwatched(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    struct player player, other;
    player_start(&player, runtime, 0);
    player_start(&other, runtime, 0);
    assert_int_equal(player_watches(&other, "db"), TR_OK);
    assert_int_equal(player_watches(&player, "another"), TR_OK);
    assert_int_equal(player_unwatches(&player, "db"), TR_ENOTWATCHED);
    assert_int_equal(player_unwatches(&player, "nothing"), TR_ENOTWATCHED);
    assert_int_equal(player_watches(&player, ""), TR_EBADNAME);
    assert_int_equal(player_unwatches(&player, ""), TR_EBADNAME);
    assert_int_equal(player_watches(&player, NULL), TR_EINVAL);
    assert_int_equal(player_unwatches(&player, NULL), TR_EINVAL);
    assert_int_equal(tr_name_watch(NULL, "db"), TR_EINVAL);
    assert_int_equal(tr_name_unwatch(NULL, "db"), TR_EINVAL);
    stage_close(runtime);
}

static void
one_hears_of_a_name_of_its_own(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    struct player player;
    player_start(&player, runtime, 0);
    assert_int_equal(player_watches(&player, "me"), TR_OK);
    assert_int_equal(player_registers(&player, "me"), TR_OK);
    player_has_heard(&player, 1, "me", player.ref);
    assert_int_equal(player_releases(&player, "me"), TR_OK);
    player_has_heard(&player, 2, "me", TR_NOBODY);
    assert_int_equal(player_registers(&player, "me"), TR_OK);
    player_stop(&player, TR_STOP_NOW, "me"); /* which it does not hear */
    stage_close(runtime);
}

/* -- No longer watching. -- */

static void
watch_and_unwatch(tr_actor *self, void *argument)
{
    const char *name = argument;
    assert_int_equal(tr_name_watch(self, name), TR_OK); /* what that tells is in the mailbox now */
    assert_int_equal(tr_name_unwatch(self, name), TR_OK);
}

static void
watch_unwatch_and_watch(tr_actor *self, void *argument)
{
    watch_and_unwatch(self, argument);
    assert_int_equal(tr_name_watch(self, argument), TR_OK);
}

static void
nothing_comes_after_unwatch_not_even_what_waits_in_the_mailbox(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    struct player has, watcher;
    char name[] = "db";
    player_start(&has, runtime, 0);
    player_start(&watcher, runtime, 0);
    assert_int_equal(player_registers(&has, name), TR_OK);
    player_does(&watcher, watch_and_unwatch, name);
    player_catches_up(&watcher);
    assert_int_equal(tally_read(&watcher.heard), 0);
    player_does(&watcher, watch_unwatch_and_watch, name);
    player_has_heard(&watcher, 1, name, has.ref); /* of the second, and nothing of the first */
    tests_counters_add_up(runtime);               /* also of the notices that nobody was given */
    stage_close(runtime);
}

/* Its worker stands still until the test lets it go on. */
struct hold {
    struct tally held, release;
    const char *name;
    tr_status status;
};

static void
hold_and_unwatch(tr_actor *self, void *argument)
{
    struct hold *hold = argument;
    tally_add(&hold->held, 1);
    tally_await(&hold->release, 1);
    hold->status = tr_name_unwatch(self, hold->name);
}

static void
unwatch_as_told(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    hold_and_unwatch(self, *(struct hold *const *)tr_message_data(message));
}

struct unwatcher {
    struct tally heard;
};

static tr_status
unwatcher_init(tr_actor *self, void *state, const void *argument)
{
    *(struct unwatcher **)state = (struct unwatcher *)(uintptr_t)argument;
    return tr_name_watch(self, "db");
}

static void
unwatcher_receive(tr_actor *self, void *state, tr_message *message)
{
    if (message->tag == TR_TAG_NAME)
        tally_add(&(*(struct unwatcher **)state)->heard, 1);
    else
        unwatch_as_told(self, state, message);
}

static void
nothing_comes_after_unwatch_of_what_is_on_its_way_from_another_worker(void **state)
{
    static const struct tr_behavior behavior = {.name = "unwatcher",
                                                .state_size = sizeof(struct unwatcher *),
                                                .init = unwatcher_init,
                                                .receive = unwatcher_receive};
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct unwatcher unwatcher = {0};
    struct hold hold = {.name = "db"}, *pointer = &hold;
    struct player has;
    player_start(&has, runtime, 0);
    tr_ref ref = stage_spawn(runtime, &behavior, 1, &unwatcher);
    stage_send(runtime, ref, 1, &pointer, sizeof(pointer));
    tally_await(&hold.held, 1);
    assert_int_equal(player_registers(&has, "db"), TR_OK);
    tally_add(&hold.release, 1);
    stage_close(runtime); /* which drains: what is in the mailbox is handled first */
    assert_int_equal(hold.status, TR_OK);
    assert_int_equal(tally_read(&unwatcher.heard), 0);
}

/* Is anything left of any name? */
static uint64_t
names_in(const tr_runtime *runtime)
{
    uv_mutex_lock(&runtime->names->lock);
    uint64_t count = runtime->names->table.count;
    uv_mutex_unlock(&runtime->names->lock);
    return count;
}

static bool
has_no_names(void *argument)
{
    return names_in(argument) == 0;
}

static void
a_watch_ends_with_its_actor_and_leaves_nothing(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct player watcher, has;
    player_start(&watcher, runtime, 1);
    player_start(&has, runtime, 0);
    assert_int_equal(player_registers(&has, "db"), TR_OK);
    assert_int_equal(player_watches(&watcher, "db"), TR_OK);
    assert_int_equal(player_watches(&watcher, "never"), TR_OK);
    assert_int_equal(names_in(runtime), 2);
    player_has_heard(&watcher, 1, "db", has.ref);
    assert_int_equal(tr_runtime_stop_actor(runtime, watcher.ref, TR_STOP_NOW), TR_OK);
    assert_int_equal(player_releases(&has, "db"), TR_OK);
    assert_true(tests_wait_until(has_no_names, runtime, TESTS_LIMIT_MS));
    stage_close(runtime);
}

static void
hold(tr_actor *self, void *argument)
{
    struct hold *hold = argument;
    (void)self;
    tally_add(&hold->held, 1);
    tally_await(&hold->release, 1);
}

static void
hold_when_told(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == 1)
        hold(self, *(struct hold *const *)tr_message_data(message));
}

/* -- Order. -- */

#define FIGHTS 3000u

static struct tally fights_won, fighters_done;

static void
fighter_receive(tr_actor *self, void *state, tr_message *message)
{
    uint64_t *fights = state;
    (void)message;
    if (tr_name_register(self, "prize") == TR_OK) {
        tally_add(&fights_won, 1);
        assert_int_equal(tr_name_release(self, "prize"), TR_OK);
    }
    if (++*fights == FIGHTS)
        tally_add(&fighters_done, 1);
    else
        assert_int_equal(tr_tell(self, tr_self(self), 1, NULL, 0), TR_OK);
}

struct witness {
    struct tally heard;
    tr_ref *refs;
};

static tr_status
witness_init(tr_actor *self, void *state, const void *argument)
{
    *(struct witness **)state = (struct witness *)(uintptr_t)argument;
    return tr_name_watch(self, "prize");
}

static void
witness_receive(tr_actor *self, void *state, tr_message *message)
{
    struct witness *witness = *(struct witness **)state;
    const struct tr_name_change *change = tr_message_data(message);
    (void)self;
    witness->refs[tally_read(&witness->heard)] = change->ref;
    tally_add(&witness->heard, 1);
}

static void
all_who_watch_hear_all_changes_by_all_workers_in_one_order(void **state)
{
    static const struct tr_behavior fighter = {
        .name = "fighter", .state_size = sizeof(uint64_t), .receive = fighter_receive};
    static const struct tr_behavior behavior = {
        .name = "witness", .state_size = sizeof(struct witness *), .init = witness_init, .receive = witness_receive};
    (void)state;
    tr_runtime *runtime = stage_open(3);
    struct witness witnesses[3] = {0};
    for (unsigned i = 0; i < 3; i++) {
        witnesses[i].refs = calloc(2 * 3 * FIGHTS, sizeof(tr_ref));
        stage_spawn(runtime, &behavior, i, &witnesses[i]);
    }
    for (unsigned i = 0; i < 3; i++)
        stage_send(runtime, stage_spawn(runtime, &fighter, i, NULL), 1, NULL, 0);
    tally_await(&fighters_done, 3);
    uint64_t changes = 2 * tally_read(&fights_won);
    assert_true(changes > 0);
    for (unsigned i = 0; i < 3; i++) {
        tally_await(&witnesses[i].heard, changes);
        assert_memory_equal(witnesses[i].refs, witnesses[0].refs, changes * sizeof(tr_ref));
        for (uint64_t change = 0; change < changes; change++)
            assert_int_equal(witnesses[i].refs[change] == TR_NOBODY, change % 2 == 1);
    }
    stage_close(runtime);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(tally_read(&witnesses[i].heard), changes);
        free(witnesses[i].refs);
    }
}

struct telling {
    tr_ref to;
    const char *name;
};

static void
register_and_tell(tr_actor *self, void *argument)
{
    const struct telling *telling = argument;
    assert_int_equal(tr_name_register(self, telling->name), TR_OK);
    assert_int_equal(tr_tell(self, telling->to, 77, NULL, 0), TR_OK);
}

/*
 * The watcher's worker is held while one worker makes a change, and then another one does and sends a message: so the
 * first kick is on its way still, and whose lane is read first is another one in each turn.
 */
static void
what_a_change_tells_comes_before_what_its_actor_sends(void **state)
{
    static const struct tr_behavior holder = {.name = "holder", .receive = hold_when_told};
    (void)state;
    tr_runtime *runtime = stage_open(3);
    tr_ref holds = stage_spawn(runtime, &holder, 0, NULL);
    for (unsigned round = 0; round < 60; round++) {
        struct hold held = {0}, *pointer = &held;
        struct player watcher, first, second;
        player_start(&watcher, runtime, 0);
        player_start(&first, runtime, 1 + round % 2);
        player_start(&second, runtime, 2 - round % 2);
        assert_int_equal(player_watches(&watcher, "first"), TR_OK);
        assert_int_equal(player_watches(&watcher, "second"), TR_OK);
        stage_send(runtime, holds, 1, &pointer, sizeof(pointer));
        tally_await(&held.held, 1);
        assert_int_equal(player_registers(&first, "first"), TR_OK);
        struct telling telling = {.to = watcher.ref, .name = "second"};
        player_does(&second, register_and_tell, &telling);
        tally_add(&held.release, 1);
        tally_await(&watcher.other, 1);
        assert_int_equal(watcher.heard_by_other, 2);
        player_stop(&first, TR_STOP_NOW, "first");
        player_stop(&second, TR_STOP_NOW, "second");
        assert_int_equal(tr_runtime_stop_actor(runtime, watcher.ref, TR_STOP_NOW), TR_OK);
        tally_await(&watcher.has_stopped, 1);
    }
    stage_close(runtime);
}

static void
what_a_change_tells_comes_first_on_its_own_worker_too(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    struct player watcher, has;
    player_start(&watcher, runtime, 0);
    player_start(&has, runtime, 0);
    assert_int_equal(player_watches(&watcher, "db"), TR_OK);
    struct telling telling = {.to = watcher.ref, .name = "db"};
    player_does(&has, register_and_tell, &telling);
    tally_await(&watcher.other, 1);
    assert_int_equal(watcher.heard_by_other, 1);
    stage_close(runtime);
}

/* -- Limits. -- */

static void
changes_are_told_to_a_full_mailbox(void **state)
{
    static const struct tr_mailbox_limits limits = {.messages = 1};
    static const struct tr_behavior holder = {.name = "holder", .receive = hold_when_told};
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct hold held = {0}, *pointer = &held;
    struct player has, watcher;
    player_start(&has, runtime, 0);
    player_start_limited(&watcher, runtime, 1, &limits);
    assert_int_equal(player_watches(&watcher, "db"), TR_OK);
    stage_send(runtime, stage_spawn(runtime, &holder, 1, NULL), 1, &pointer, sizeof(pointer));
    tally_await(&held.held, 1);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(player_registers(&has, "db"), TR_OK);
        assert_int_equal(player_releases(&has, "db"), TR_OK);
    }
    tally_add(&held.release, 1);
    tally_await(&watcher.heard, 10);
    stage_close(runtime);
}

/* -- Many. -- */

#define MANY 1000u

static void
watch_many(tr_actor *self, void *argument)
{
    tr_status (*function)(tr_actor *, const char *) = *(tr_status(**)(tr_actor *, const char *))argument;
    for (unsigned i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof(name), "room/%u", i);
        assert_int_equal(function(self, name), TR_OK);
    }
}

static void
one_may_watch_many_names_and_many_may_watch_one(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct player has, watcher;
    static struct player crowd[MANY];
    tr_status (*function)(tr_actor *, const char *) = tr_name_watch;
    player_start(&has, runtime, 0);
    player_start(&watcher, runtime, 1);
    player_does(&watcher, watch_many, &function);
    function = tr_name_register;
    player_does(&has, watch_many, &function);
    tally_await(&watcher.heard, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        player_start(&crowd[i], runtime, i % 2);
        assert_int_equal(player_watches(&crowd[i], "crowded"), TR_OK);
    }
    assert_int_equal(player_registers(&has, "crowded"), TR_OK);
    for (unsigned i = 0; i < MANY; i++)
        player_has_heard(&crowd[i], 1, "crowded", has.ref);
    assert_int_equal(player_unwatches(&watcher, "room/500"), TR_OK);
    assert_int_equal(player_unwatches(&crowd[500], "crowded"), TR_OK);
    assert_int_equal(tr_runtime_stop_actor(runtime, has.ref, TR_STOP_NOW), TR_OK);
    for (unsigned i = 0; i < MANY; i++)
        if (i != 500)
            player_has_heard(&crowd[i], 2, "crowded", TR_NOBODY);
    tally_await(&watcher.heard, 2 * MANY - 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&crowd[500].heard), 1);
}

/* -- The payload. -- */

static struct tr_name_change *kept;
static struct tally keeps;

static tr_status
keeper_init(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    return tr_name_watch(self, "db");
}

static void
keeper_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    kept = tr_message_take_pointer(message);
    tally_add(&keeps, 1);
}

static void
the_payload_may_be_taken_out_and_freed(void **state)
{
    static const struct tr_behavior keeper = {.name = "keeper", .init = keeper_init, .receive = keeper_receive};
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct player has;
    player_start(&has, runtime, 0);
    stage_spawn(runtime, &keeper, 1, NULL);
    assert_int_equal(player_registers(&has, "db"), TR_OK);
    tally_await(&keeps, 1);
    assert_int_equal(kept->ref, has.ref);
    assert_string_equal(kept->name, "db");
    free(kept);
    assert_int_equal(player_releases(&has, "db"), TR_OK);
    tally_await(&keeps, 2);
    assert_int_equal(kept->ref, TR_NOBODY);
    free(kept);
    stage_close(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_watches_a_name_that_an_actor_has_is_told_at_once),
        cmocka_unit_test(who_watches_a_name_is_told_each_time_that_it_comes_and_goes),
        cmocka_unit_test(a_refused_registration_is_no_change),
        cmocka_unit_test(watching_a_name_again_changes_nothing),
        cmocka_unit_test(only_what_is_watched_can_be_unwatched),
        cmocka_unit_test(one_hears_of_a_name_of_its_own),
        cmocka_unit_test(nothing_comes_after_unwatch_not_even_what_waits_in_the_mailbox),
        cmocka_unit_test(nothing_comes_after_unwatch_of_what_is_on_its_way_from_another_worker),
        cmocka_unit_test(a_watch_ends_with_its_actor_and_leaves_nothing),
        cmocka_unit_test(all_who_watch_hear_all_changes_by_all_workers_in_one_order),
        cmocka_unit_test(what_a_change_tells_comes_before_what_its_actor_sends),
        cmocka_unit_test(what_a_change_tells_comes_first_on_its_own_worker_too),
        cmocka_unit_test(changes_are_told_to_a_full_mailbox),
        cmocka_unit_test(one_may_watch_many_names_and_many_may_watch_one),
        cmocka_unit_test(the_payload_may_be_taken_out_and_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
