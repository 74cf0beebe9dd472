/*
 * Watching a group: who has joined, and who has left.
 */
#include "counters.h"
#include "members.h"
#include "seeded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <troupe/testing.h>

static int
forget(void **state)
{
    (void)state;
    puppet_forget();
    return 0;
}

static void
do_watch(tr_actor *self, void *argument)
{
    struct deed *deed = argument;
    deed->status = tr_group_watch_start(self, deed->group, &deed->watch);
}

static void
do_stop(tr_actor *self, void *argument)
{
    struct deed *deed = argument;
    deed->status = tr_group_watch_stop(self, deed->watch);
}

static tr_group_watch
have_watch(tr_runtime *runtime, tr_ref watcher, tr_group *group)
{
    struct deed deed = {.group = group};
    puppet_do(runtime, watcher, do_watch, &deed);
    assert_int_equal(deed.status, TR_OK);
    return deed.watch;
}

static void
expect(const struct puppet_note *note, tr_group_watch watch, tr_ref member, enum tr_group_change change)
{
    assert_int_equal(note->tag, TR_TAG_GROUP);
    assert_int_equal(note->monitor, watch);
    assert_int_equal(note->from, member);
    assert_int_equal(note->number, change);
}

static void
joining_and_leaving_are_told_here_and_there_in_order(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_group *group = group_new(runtime, NULL, 0);
    tr_ref watcher = puppet_spawn(runtime, 0);
    tr_group_watch watch = have_watch(runtime, watcher, group);
    assert_int_not_equal(watch, 0);
    for (unsigned i = 0; i < 20; i++) {
        tr_ref member = i % 3 == 0 ? watcher : puppet_spawn(runtime, i % 2);
        assert_int_equal(have_join(runtime, member, group), TR_OK);
        if (i % 3 == 1)
            puppet_order(runtime, member, do_exit, NULL);
        else
            assert_int_equal(have_leave(runtime, member, group), TR_OK);
        expect(puppet_await(2 * i + 2), watch, member, TR_GROUP_LEFT);
        expect(puppet_note(2 * i), watch, member, TR_GROUP_JOINED);
    }
    tr_group_release(group);
    stage_close(runtime);
}

static void
every_watch_is_told_once(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(3);
    tr_group *group = group_new(runtime, NULL, 0);
    for (unsigned i = 0; i < 6; i++)
        have_watch(runtime, puppet_spawn(runtime, i % 3), group);
    tr_ref member = puppet_spawn(runtime, 1);
    assert_int_equal(have_join(runtime, member, group), TR_OK);
    puppet_await(6);
    for (unsigned i = 0; i < 6; i++)
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(puppet_note(i)->monitor, puppet_note(k)->monitor);
    assert_int_equal(have_leave(runtime, member, group), TR_OK);
    puppet_await(12);
    tests_counters_add_up(runtime);
    assert_int_equal(puppet_count(), 12);
    tr_group_release(group);
    stage_close(runtime);
}

/* In one callback: the event waits in the mailbox, and the watch is over. */
static void
join_and_stop_watching(tr_actor *self, void *argument)
{
    struct deed *deed = argument;
    assert_int_equal(tr_group_watch_start(self, deed->group, &deed->watch), TR_OK);
    assert_int_equal(tr_group_join(self, deed->group), TR_OK);
    assert_int_equal(tr_group_watch_stop(self, deed->watch), TR_OK);
    assert_int_equal(tr_group_watch_stop(self, deed->watch), TR_EGONE);
}

static void
nothing_comes_after_a_watch_was_stopped(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct deed deed = {.group = group_new(runtime, NULL, 0)};
    tr_ref watcher = puppet_spawn(runtime, 0), other = puppet_spawn(runtime, 1);
    puppet_do(runtime, watcher, join_and_stop_watching, &deed);
    assert_int_equal(have_join(runtime, other, deed.group), TR_OK);
    puppet_settle(runtime, other, watcher);
    assert_int_equal(puppet_count(), 0);
    tests_counters_add_up(runtime);
    tr_group_release(deed.group);
    stage_close(runtime);
}

static void
a_watch_is_its_actors_own_and_ends_with_it(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct deed deed = {.group = group_new(runtime, NULL, 0)};
    tr_ref watcher = puppet_spawn(runtime, 0), other = puppet_spawn(runtime, 0);
    deed.watch = have_watch(runtime, watcher, deed.group);
    puppet_do(runtime, other, do_stop, &deed);
    assert_int_equal(deed.status, TR_EGONE);
    puppet_order(runtime, watcher, do_exit, NULL);
    tally_await(&puppet_stopped, 1);
    assert_int_equal(have_join(runtime, other, deed.group), TR_OK);
    puppet_settle(runtime, other, other);
    assert_int_equal(puppet_count(), 0);
    tr_group_release(deed.group);
    stage_close(runtime);
}

static void
a_watch_keeps_its_group(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_group *group = group_new(runtime, "kept", 0);
    tr_ref watcher = puppet_spawn(runtime, 0), member = puppet_spawn(runtime, 0);
    tr_group_watch watch = have_watch(runtime, watcher, group);
    tr_group_release(group);
    group = group_new(runtime, "kept", 0);
    assert_int_equal(have_join(runtime, member, group), TR_OK);
    expect(puppet_await(1), watch, member, TR_GROUP_JOINED);
    tr_group_release(group);
    stage_close(runtime);
}

/* Nothing moves further than it must. */
static void
step_through(tr_runtime *runtime, tr_ref puppet, void (*act)(tr_actor *self, void *argument), struct deed *deed)
{
    deed->status = TR_EUSER;
    puppet_order(runtime, puppet, act, deed);
    while (deed->status == TR_EUSER)
        assert_true(tr_testing_step(runtime));
    assert_int_equal(deed->status, TR_OK);
}

/* Somebody leaves, which a watch hears of on its way out, and has joined again when the next watch begins there. */
static uint64_t
play_old_news(uint64_t seed, const void *context)
{
    tr_runtime *runtime;
    assert_int_equal(tr_testing_start(&(struct tr_testing_options){.seed = seed, .workers = 2}, &runtime), TR_OK);
    (void)context;
    puppet_forget();
    struct deed first = {.group = group_new(runtime, NULL, 0)}, second = first, third = first;
    tr_ref watchers[] = {puppet_spawn(runtime, 0), puppet_spawn(runtime, 0)}, member = puppet_spawn(runtime, 1);
    step_through(runtime, watchers[0], do_watch, &first);
    step_through(runtime, member, do_join, &third);
    tr_testing_run(runtime);
    step_through(runtime, member, do_leave, &third);
    step_through(runtime, watchers[0], do_stop, &first);
    step_through(runtime, member, do_join, &third);
    step_through(runtime, watchers[1], do_watch, &second);
    tr_testing_run(runtime);
    for (unsigned i = 0; i < puppet_count(); i++)
        assert_int_not_equal(puppet_note(i)->monitor, second.watch);
    uint64_t hash = tr_testing_hash(runtime);
    stage_close(runtime);
    return hash;
}

static void
a_watch_hears_of_nothing_that_was_before_it(void **state)
{
    (void)state;
    seeded_play(play_old_news, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(joining_and_leaving_are_told_here_and_there_in_order, forget),
        cmocka_unit_test_setup(every_watch_is_told_once, forget),
        cmocka_unit_test_setup(nothing_comes_after_a_watch_was_stopped, forget),
        cmocka_unit_test_setup(a_watch_is_its_actors_own_and_ends_with_it, forget),
        cmocka_unit_test_setup(a_watch_keeps_its_group, forget),
        cmocka_unit_test_setup(a_watch_hears_of_nothing_that_was_before_it, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
