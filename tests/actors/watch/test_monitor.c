/*
 * Monitors: of every way to end, here and on another worker.
 */
#include "counting.h"
#include "helpers.h"
#include "puppet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/failure.h>

#define RUNS 300u

static int
forget(void **state)
{
    (void)state;
    puppet_forget();
    return 0;
}

/* What puppets do. */

struct watched {
    tr_ref actor;
    tr_monitor monitor;
    tr_status expected;
};

static void
begin(tr_actor *self, void *argument)
{
    struct watched *watched = argument;
    watched->monitor = 0;
    assert_int_equal(tr_monitor_start(self, watched->actor, &watched->monitor), watched->expected);
}

static void
have_watch(tr_runtime *runtime, tr_ref watcher, struct watched *watched)
{
    puppet_do(runtime, watcher, begin, watched);
    puppet_settle(runtime, watcher, watched->actor);
}

static void
leave_by_exit(tr_actor *self, void *argument)
{
    (void)argument;
    tr_exit(self);
}

static void
leave_by_failing(tr_actor *self, void *argument)
{
    (void)argument;
    tr_fail(self, TR_EPROTO, "no %s for %d", "word", 7);
    tr_fail(self, TR_EIO, "too late");
}

/* Ways to end. */

static void
exit_it(tr_runtime *runtime, tr_ref actor)
{
    puppet_order(runtime, actor, leave_by_exit, NULL);
}

static void
fail_it(tr_runtime *runtime, tr_ref actor)
{
    puppet_order(runtime, actor, leave_by_failing, NULL);
}

static void
drain_it(tr_runtime *runtime, tr_ref actor)
{
    assert_int_equal(tr_runtime_stop_actor(runtime, actor, TR_STOP_DRAIN), TR_OK);
}

static void
stop_it(tr_runtime *runtime, tr_ref actor)
{
    assert_int_equal(tr_runtime_stop_actor(runtime, actor, TR_STOP_NOW), TR_OK);
}

static void
kill_it(tr_runtime *runtime, tr_ref actor)
{
    assert_int_equal(tr_runtime_stop_actor(runtime, actor, TR_STOP_KILL), TR_OK);
}

static const struct {
    void (*end)(tr_runtime *runtime, tr_ref actor);
    tr_status status;
    const char *text;
} ends[] = {
    {exit_it, TR_OK, ""},      {fail_it, TR_EPROTO, "no word for 7"}, {drain_it, TR_OK, ""}, {stop_it, TR_OK, ""},
    {kill_it, TR_EKILLED, ""},
};

#define ENDS (sizeof(ends) / sizeof(ends[0]))

static void
expect_down(const struct puppet_note *note, const struct watched *watched, tr_status status, const char *text)
{
    assert_int_equal(note->tag, TR_TAG_DOWN);
    assert_int_equal(note->from, watched->actor);
    assert_int_equal(note->monitor, watched->monitor);
    assert_int_equal(note->status, status);
    assert_string_equal(note->text, text);
}

static void
every_end_is_told_with_its_reason_here_and_there(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_ref watcher = puppet_spawn(runtime, 0);
    for (unsigned i = 0; i < ENDS * 2; i++) {
        struct watched watched = {.actor = puppet_spawn(runtime, i % 2)};
        have_watch(runtime, watcher, &watched);
        assert_int_not_equal(watched.monitor, 0);
        ends[i / 2].end(runtime, watched.actor);
        expect_down(puppet_await(i + 1), &watched, ends[i / 2].status, ends[i / 2].text);
    }
    stage_close(runtime);
}

static void
who_is_gone_already_is_told_at_once_and_once(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_ref watcher = puppet_spawn(runtime, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct watched watched = {.actor = puppet_spawn(runtime, i)};
        have_watch(runtime, watcher, &watched);
        exit_it(runtime, watched.actor);
        puppet_await(2 * i + 1);
        puppet_do(runtime, watcher, begin, &watched);
        expect_down(puppet_await(2 * i + 2), &watched, TR_EGONE, "");
    }
    stage_close(runtime);
    assert_int_equal(puppet_count(), 4);
}

static void
say_numbers_and_exit(tr_actor *self, void *argument)
{
    const tr_ref *to = argument;
    for (uint64_t i = 0; i < 200; i++)
        assert_int_equal(tr_tell(self, *to, PUPPET_NUMBER, &i, sizeof(i)), TR_OK);
    tr_exit(self);
}

static void
the_notice_comes_after_all_that_the_actor_sent(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        puppet_forget();
        tr_runtime *runtime = stage_open(2);
        tr_ref watcher = puppet_spawn(runtime, 0);
        struct watched watched = {.actor = puppet_spawn(runtime, worker)};
        have_watch(runtime, watcher, &watched);
        puppet_order(runtime, watched.actor, say_numbers_and_exit, &watcher);
        puppet_await(201);
        for (unsigned i = 0; i < 200; i++)
            assert_int_equal(puppet_note(i)->number, i);
        expect_down(puppet_note(200), &watched, TR_OK, "");
        stage_close(runtime);
    }
}

/* Two monitors of one actor, both on this worker: the actor ends while the watcher's handler runs, so both notices wait
 * in its mailbox, and one of the two is stopped then. */
static void
end_it_and_stop_one(tr_actor *self, void *argument)
{
    struct watched *watched = argument;
    tr_monitor second;
    begin(self, watched);
    assert_int_equal(tr_monitor_start(self, watched->actor, &second), TR_OK);
    assert_int_equal(tr_stop(self, watched->actor, TR_STOP_NOW), TR_OK);
    assert_int_equal(tr_monitor_stop(self, second), TR_OK);
    assert_int_equal(tr_monitor_stop(self, second), TR_EGONE);
    tr_tell(self, tr_self(self), PUPPET_NUMBER, &(uint64_t){1}, sizeof(uint64_t));
}

static void
no_notice_comes_after_a_monitor_was_stopped_not_even_one_in_the_mailbox(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref watcher = puppet_spawn(runtime, 0);
    struct watched watched = {.actor = puppet_spawn(runtime, 0)};
    puppet_do(runtime, watcher, end_it_and_stop_one, &watched);
    puppet_await(2);
    expect_down(puppet_note(0), &watched, TR_OK, "");
    assert_int_equal(puppet_note(1)->tag, PUPPET_NUMBER);
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    assert_int_equal(counters.notices_lost, 1);
    assert_int_equal(counters.dead_letters, 0);
    stage_close(runtime);
    assert_int_equal(puppet_count(), 2);
}

static void
begin_and_stop(tr_actor *self, void *argument)
{
    struct watched *watched = argument;
    begin(self, watched);
    assert_int_equal(tr_monitor_stop(self, watched->monitor), TR_OK);
}

static void
a_monitor_that_was_stopped_tells_nothing(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_ref watcher = puppet_spawn(runtime, 0);
    struct watched last = {.actor = puppet_spawn(runtime, 1)};
    struct watched first = last;
    puppet_do(runtime, watcher, begin_and_stop, &first);
    have_watch(runtime, watcher, &last);
    exit_it(runtime, last.actor);
    expect_down(puppet_await(1), &last, TR_OK, "");
    stage_close(runtime);
    assert_int_equal(puppet_count(), 1);
}

/* Spawned and monitored in one. */

static tr_status
end_in_init(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    tr_exit(self);
    return TR_OK;
}

static const struct tr_behavior stillborn = {.name = "stillborn", .receive = ignore, .init = fail_to_begin};
static const struct tr_behavior short_lived = {.name = "short-lived", .receive = ignore, .init = end_in_init};

struct birth {
    const struct tr_behavior *behavior;
    unsigned worker;
    struct watched watched;
};

static void
spawn_watched(tr_actor *self, void *argument)
{
    struct birth *birth = argument;
    birth->watched.monitor = 0;
    struct tr_spawn_options options = {
        .placement = TR_PLACE_WORKER, .worker = birth->worker, .monitor = &birth->watched.monitor};
    assert_int_equal(tr_spawn(self, birth->behavior, &options, &birth->watched.actor), birth->watched.expected);
    assert_int_equal(birth->watched.monitor != 0, birth->watched.expected == TR_OK);
}

static void
a_monitor_that_begins_with_the_spawn_tells_what_init_returned(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_ref watcher = puppet_spawn(runtime, 0);
    struct birth birth = {.behavior = &stillborn, .worker = 1};
    puppet_do(runtime, watcher, spawn_watched, &birth);
    puppet_await(2); /* TR_TAG_SPAWN_FAILED comes, too */
    expect_down(puppet_note(puppet_note(0)->tag == TR_TAG_DOWN ? 0 : 1), &birth.watched, TR_EINIT, "");
    birth.behavior = &short_lived;
    puppet_do(runtime, watcher, spawn_watched, &birth);
    expect_down(puppet_await(3), &birth.watched, TR_OK, "");
    birth.worker = 0;
    puppet_do(runtime, watcher, spawn_watched, &birth);
    expect_down(puppet_await(4), &birth.watched, TR_OK, "");
    birth = (struct birth){.behavior = &stillborn, .watched.expected = TR_EINIT};
    puppet_do(runtime, watcher, spawn_watched, &birth); /* the call says it: no notice */
    stage_close(runtime);
    assert_int_equal(puppet_count(), 4);
}

/* The end of the runtime. */

static void
the_end_of_the_runtime_is_a_reason(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct birth birth = {.behavior = &puppet_behavior, .worker = 1};
    tr_ref parent = puppet_spawn(runtime, 0);
    puppet_do(runtime, parent, spawn_watched, &birth);
    stage_close(runtime); /* children before parents: so the parent hears of it */
    assert_int_equal(puppet_count(), 1);
    expect_down(puppet_note(0), &birth.watched, TR_ESTOPPING, "");
}

/* A child that ends with its parent. */

static void
spawn_tied(tr_actor *self, void *argument)
{
    struct birth *birth = argument;
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = birth->worker, .ends_with_parent = true};
    assert_int_equal(tr_spawn(self, birth->behavior, &options, &birth->watched.actor), TR_OK);
}

static void
a_child_ends_with_its_parent_if_it_was_spawned_so(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_ref watcher = puppet_spawn(runtime, 1);
    for (unsigned i = 0; i < ENDS * 2; i++) {
        tr_ref parent = puppet_spawn(runtime, 0);
        struct birth birth = {.behavior = &puppet_behavior, .worker = i % 2};
        puppet_do(runtime, parent, spawn_tied, &birth);
        have_watch(runtime, watcher, &birth.watched);
        ends[i / 2].end(runtime, parent);
        expect_down(puppet_await(i + 1), &birth.watched, TR_OK, "");
    }
    stage_close(runtime);
}

static void
a_child_that_ends_before_its_parent_leaves_nothing(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_ref parent = puppet_spawn(runtime, 0);
    for (unsigned i = 0; i < 100; i++) {
        struct birth birth = {.behavior = &puppet_behavior, .worker = i % 2};
        puppet_do(runtime, parent, spawn_tied, &birth);
        have_watch(runtime, parent, &birth.watched);
        exit_it(runtime, birth.watched.actor);
        puppet_await(i + 1);
    }
    exit_it(runtime, parent);
    tally_await(&puppet_stopped, 101);
    stage_close(runtime);
}

/* Both at once. */

static void
watch_each_other_and_both_end(tr_actor *self, void *argument)
{
    const tr_ref *other = argument;
    assert_int_equal(tr_monitor_start(self, *other, NULL), TR_OK);
    tr_exit(self);
}

static void
two_may_watch_each_other_and_end_at_the_same_moment(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    for (unsigned i = 0; i < RUNS; i++) {
        tr_ref pair[2] = {puppet_spawn(runtime, 0), puppet_spawn(runtime, 1)};
        puppet_order(runtime, pair[0], watch_each_other_and_both_end, &pair[1]);
        puppet_order(runtime, pair[1], watch_each_other_and_both_end, &pair[0]);
        tally_await(&puppet_stopped, 2 * i + 2);
    }
    stage_close(runtime);
    assert_int_equal(puppet_count(), 0);
}

/* Mistakes. */

static void
try_mistakes(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_monitor_start(NULL, tr_self(self), NULL), TR_EINVAL);
    assert_int_equal(tr_monitor_start(self, TR_NOBODY, NULL), TR_EBADREF);
    assert_int_equal(tr_monitor_start(self, UINT64_MAX, NULL), TR_EBADREF);
    assert_int_equal(tr_monitor_start(self, tr_self(self), NULL), TR_ESELF);
    assert_int_equal(tr_monitor_stop(NULL, 1), TR_EINVAL);
    assert_int_equal(tr_monitor_stop(self, 0), TR_EGONE);
    assert_int_equal(tr_monitor_stop(self, 12345), TR_EGONE);
}

static void
what_cannot_be_monitored_is_refused(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    puppet_do(runtime, puppet_spawn(runtime, 0), try_mistakes, NULL);
    stage_close(runtime);
}

#define TEST(name) cmocka_unit_test_setup(name, forget)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_end_is_told_with_its_reason_here_and_there),
        TEST(who_is_gone_already_is_told_at_once_and_once),
        TEST(the_notice_comes_after_all_that_the_actor_sent),
        TEST(no_notice_comes_after_a_monitor_was_stopped_not_even_one_in_the_mailbox),
        TEST(a_monitor_that_was_stopped_tells_nothing),
        TEST(a_monitor_that_begins_with_the_spawn_tells_what_init_returned),
        TEST(the_end_of_the_runtime_is_a_reason),
        TEST(a_child_ends_with_its_parent_if_it_was_spawned_so),
        TEST(a_child_that_ends_before_its_parent_leaves_nothing),
        TEST(two_may_watch_each_other_and_end_at_the_same_moment),
        TEST(what_cannot_be_monitored_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
