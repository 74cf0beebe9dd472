/*
 * Groups: names, handles, who is a member, and how many are.
 */
#include "helpers.h"
#include "members.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/failure.h>
#include <uv.h>

static int
forget(void **state)
{
    (void)state;
    puppet_forget();
    return 0;
}

static bool
has_count(void *argument)
{
    const struct deed *deed = argument;
    return tr_group_count(deed->group) == deed->number;
}

static void
await_count(tr_group *group, uint64_t count)
{
    struct deed deed = {.group = group, .number = count};
    assert_true(tests_wait_until(has_count, &deed, TESTS_LIMIT_MS));
}

/* Names and handles. */

static void
a_name_gives_one_group_and_another_name_or_none_another(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1), *other = stage_open(1);
    tr_group *red = group_new(runtime, "red", 0), *blue = group_new(runtime, "blue", 0);
    tr_group *none = group_new(runtime, NULL, 0), *neither = group_new(runtime, NULL, 0);
    tr_group *elsewhere = group_new(other, "red", 0), *again = group_new(runtime, "red", 0);
    assert_ptr_equal(red, again);
    assert_ptr_not_equal(red, blue);
    assert_ptr_not_equal(none, neither);
    assert_ptr_not_equal(red, elsewhere);
    tr_group_release(again);
    tr_group_release(red);
    tr_group_hold(blue);
    tr_group_release(blue);
    tr_group_release(blue);
    stage_close(runtime);
    stage_close(other); /* what nobody released goes with it */
}

static void
a_named_group_lasts_while_it_is_held_or_has_members(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref first = puppet_spawn(runtime, 0), second = puppet_spawn(runtime, 0);
    tr_group *group = group_new(runtime, "room", 1);
    assert_int_equal(have_join(runtime, first, group), TR_OK);
    tr_group_release(group);
    group = group_new(runtime, "room", 2); /* the options are those of the first */
    assert_int_equal(tr_group_count(group), 1);
    assert_int_equal(have_join(runtime, second, group), TR_EFULL);
    assert_int_equal(have_leave(runtime, first, group), TR_OK);
    tr_group_release(group);
    group = group_new(runtime, "room", 2);
    assert_int_equal(have_join(runtime, first, group), TR_OK);
    assert_int_equal(have_join(runtime, second, group), TR_OK);
    tr_group_release(group);
    stage_close(runtime);
}

static void
many_names_are_found(void **state)
{
    (void)state;
    enum { NAMES = 2000 };
    static tr_group *groups[NAMES];
    char name[16];
    tr_runtime *runtime = stage_open(1);
    for (unsigned i = 0; i < NAMES; i++) {
        snprintf(name, sizeof(name), "room %u", i);
        groups[i] = group_new(runtime, name, 0);
    }
    for (unsigned i = 0; i < NAMES; i++) {
        snprintf(name, sizeof(name), "room %u", i);
        tr_group *again = group_new(runtime, name, 0);
        assert_ptr_equal(again, groups[i]);
        tr_group_release(again);
        tr_group_release(groups[i]);
    }
    stage_close(runtime);
}

static void
a_name_is_not_empty_and_not_too_long(void **state)
{
    (void)state;
    char name[TR_GROUP_NAME_MOST + 2];
    tr_group *group;
    tr_runtime *runtime = stage_open(1);
    memset(name, 'n', sizeof(name));
    name[TR_GROUP_NAME_MOST + 1] = '\0';
    assert_int_equal(tr_group_open(runtime, name, NULL, &group), TR_EBADNAME);
    assert_int_equal(tr_group_open(runtime, "", NULL, &group), TR_EBADNAME);
    name[TR_GROUP_NAME_MOST] = '\0';
    assert_int_equal(tr_group_open(runtime, name, NULL, &group), TR_OK);
    tr_group_release(group);
    stage_close(runtime);
}

static void
refuse_null(tr_actor *self, void *group)
{
    tr_group_watch watch;
    tr_message message = tr_message_signal(1);
    assert_int_equal(tr_group_join(self, NULL), TR_EINVAL);
    assert_int_equal(tr_group_join(NULL, group), TR_EINVAL);
    assert_int_equal(tr_group_leave(self, NULL), TR_EINVAL);
    assert_int_equal(tr_group_leave(NULL, group), TR_EINVAL);
    assert_int_equal(tr_group_add(NULL, tr_self(self), group), TR_EINVAL);
    assert_int_equal(tr_group_add(self, tr_self(self), NULL), TR_EINVAL);
    assert_int_equal(tr_group_add(self, TR_NOBODY, group), TR_EBADREF);
    assert_int_equal(tr_group_add(self, UINT64_C(99) << 24 | 1, group), TR_EBADREF);
    assert_int_equal(tr_group_remove(self, TR_NOBODY, group), TR_EBADREF);
    assert_int_equal(tr_group_remove(NULL, tr_self(self), group), TR_EINVAL);
    assert_int_equal(tr_group_publish(NULL, group, &message), TR_EINVAL);
    assert_int_equal(tr_group_publish(self, NULL, &message), TR_EINVAL);
    assert_int_equal(tr_group_publish(self, group, NULL), TR_EINVAL);
    assert_int_equal(tr_group_list(NULL, group, 0), TR_EINVAL);
    assert_int_equal(tr_group_list(self, NULL, 0), TR_EINVAL);
    assert_int_equal(tr_group_watch_start(self, NULL, &watch), TR_EINVAL);
    assert_int_equal(tr_group_watch_start(NULL, group, &watch), TR_EINVAL);
    assert_int_equal(tr_group_watch_start(self, group, NULL), TR_EINVAL);
    assert_int_equal(tr_group_watch_stop(NULL, 1), TR_EINVAL);
    assert_int_equal(tr_group_watch_stop(self, 1), TR_EGONE);
    assert_int_equal(tr_group_local(NULL, group, NULL, 0), 0);
    assert_int_equal(tr_group_local(self, NULL, NULL, 0), 0);
}

static void
null_is_refused_or_nothing(void **state)
{
    (void)state;
    tr_group *group;
    tr_runtime *runtime = stage_open(1);
    tr_message message = tr_message_signal(1);
    assert_int_equal(tr_group_open(NULL, NULL, NULL, &group), TR_EINVAL);
    assert_int_equal(tr_group_open(runtime, NULL, NULL, NULL), TR_EINVAL);
    assert_int_equal(tr_group_open(runtime, NULL, NULL, &group), TR_OK);
    assert_int_equal(tr_group_count(NULL), 0);
    assert_int_equal(tr_runtime_publish(NULL, group, &message), TR_EINVAL);
    assert_int_equal(tr_runtime_publish(runtime, NULL, &message), TR_EINVAL);
    assert_int_equal(tr_runtime_publish(runtime, group, NULL), TR_EINVAL);
    puppet_do(runtime, puppet_spawn(runtime, 0), refuse_null, group);
    tr_group_hold(NULL);
    tr_group_release(NULL);
    tr_group_release(group);
    stage_close(runtime);
}

/* Members. */

static void
whoever_joins_twice_is_a_member_once(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_group *group = group_new(runtime, NULL, 0);
    tr_ref puppets[] = {puppet_spawn(runtime, 0), puppet_spawn(runtime, 1)};
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(have_join(runtime, puppets[i % 2], group), TR_OK);
    assert_int_equal(tr_group_count(group), 2);
    assert_int_equal(have_leave(runtime, puppets[0], group), TR_OK);
    assert_int_equal(have_leave(runtime, puppets[0], group), TR_EGONE);
    assert_int_equal(tr_group_count(group), 1);
    tr_group_release(group);
    stage_close(runtime);
}

static void
fail_now(tr_actor *self, void *argument)
{
    (void)argument;
    tr_fail(self, TR_EIO, "no more");
}

static void
end_in_way(tr_runtime *runtime, tr_ref puppet, unsigned way)
{
    switch (way) {
    case 0: puppet_order(runtime, puppet, do_exit, NULL); break;
    case 1: puppet_order(runtime, puppet, fail_now, NULL); break;
    case 2: assert_int_equal(tr_runtime_stop_actor(runtime, puppet, TR_STOP_DRAIN), TR_OK); break;
    case 3: assert_int_equal(tr_runtime_stop_actor(runtime, puppet, TR_STOP_NOW), TR_OK); break;
    default: assert_int_equal(tr_runtime_stop_actor(runtime, puppet, TR_STOP_KILL), TR_OK);
    }
}

static void
a_membership_ends_with_the_actor_however_it_ends(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_group *group = group_new(runtime, NULL, 0), *other = group_new(runtime, NULL, 0);
    for (unsigned way = 0; way < 5; way++) {
        tr_ref puppet = puppet_spawn(runtime, way % 2);
        assert_int_equal(have_join(runtime, puppet, group), TR_OK);
        assert_int_equal(have_join(runtime, puppet, other), TR_OK);
        assert_int_equal(tr_group_count(group), 1);
        end_in_way(runtime, puppet, way);
        await_count(group, 0);
        await_count(other, 0);
    }
    tr_group_release(group);
    tr_group_release(other);
    stage_close(runtime);
}

static tr_status
join_and_fail(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    assert_int_equal(tr_group_join(self, *(tr_group *const *)argument), TR_OK);
    return TR_EINIT;
}

static void
who_joins_in_an_init_that_fails_is_no_member(void **state)
{
    (void)state;
    static const struct tr_behavior behavior = {.name = "fails", .init = join_and_fail, .receive = ignore};
    tr_runtime *runtime = stage_open(1);
    tr_group *group = group_new(runtime, NULL, 0);
    struct tr_spawn_options options = {.argument = &group, .argument_size = sizeof(group)};
    assert_int_equal(tr_runtime_spawn(runtime, &behavior, &options, NULL), TR_EINIT);
    assert_int_equal(tr_group_count(group), 0);
    tr_group_release(group);
    stage_close(runtime);
}

static void
a_full_group_refuses_whoever_comes_from_whatever_worker(void **state)
{
    (void)state;
    enum { PUPPETS = 200, LIMIT = 50 };
    static struct deed deeds[PUPPETS];
    tr_ref puppets[PUPPETS];
    tr_runtime *runtime = stage_open(4);
    tr_group *group = group_new(runtime, NULL, LIMIT);
    for (unsigned i = 0; i < PUPPETS; i++) {
        puppets[i] = puppet_spawn(runtime, i % 4);
        deeds[i] = (struct deed){.group = group};
    }
    for (unsigned i = 0; i < PUPPETS; i++)
        puppet_order(runtime, puppets[i], do_join, &deeds[i]);
    unsigned full = 0, taken = 0, member = PUPPETS;
    for (unsigned i = 0; i < PUPPETS; i++) {
        puppet_settle(runtime, puppets[i], puppets[i]);
        full += deeds[i].status == TR_EFULL;
        taken += deeds[i].status == TR_OK;
        member = deeds[i].status == TR_OK ? i : member;
    }
    assert_int_equal(taken, LIMIT);
    assert_int_equal(full, PUPPETS - LIMIT);
    assert_int_equal(tr_group_count(group), LIMIT);
    assert_int_equal(have_add(runtime, puppets[0], puppet_spawn(runtime, 1), group), TR_EFULL);
    assert_int_equal(have_leave(runtime, puppets[member], group), TR_OK);
    assert_int_equal(have_join(runtime, puppets[member], group), TR_OK);
    tr_group_release(group);
    stage_close(runtime);
}

/* Others. */

static void
another_actor_is_added_and_removed_here_and_there(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_group *group = group_new(runtime, NULL, 0);
    tr_ref puppet = puppet_spawn(runtime, 0);
    for (unsigned worker = 0; worker < 2; worker++) {
        tr_ref other = puppet_spawn(runtime, worker);
        assert_int_equal(have_add(runtime, puppet, other, group), TR_OK);
        assert_int_equal(have_add(runtime, puppet, other, group), TR_OK);
        puppet_settle(runtime, puppet, other);
        assert_int_equal(tr_group_count(group), 1);
        assert_int_equal(have_join(runtime, other, group), TR_OK);
        assert_int_equal(tr_group_count(group), 1);
        assert_int_equal(have_remove(runtime, puppet, other, group), TR_OK);
        assert_int_equal(have_remove(runtime, puppet, other, group), TR_OK);
        puppet_settle(runtime, puppet, other);
        assert_int_equal(have_leave(runtime, other, group), TR_EGONE);
        assert_int_equal(tr_group_count(group), 0);
    }
    tr_group_release(group);
    stage_close(runtime);
}

static void
an_actor_that_is_gone_does_not_become_a_member(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_group *group = group_new(runtime, NULL, 1);
    tr_ref puppet = puppet_spawn(runtime, 0);
    for (unsigned worker = 0; worker < 2; worker++) {
        tr_ref other = puppet_spawn(runtime, worker);
        puppet_order(runtime, other, do_exit, NULL);
        tally_await(&puppet_stopped, worker + 1);
        assert_int_equal(have_add(runtime, puppet, other, group), TR_OK);
        await_count(group, 0);
    }
    tr_group_release(group);
    stage_close(runtime);
}

/* An actor on another worker, which is held meanwhile: whom others add before it is born. */
struct unborn {
    tr_group *group;
    uv_sem_t held, go;
    tr_ref child;
};

static void
spawn_there(tr_actor *self, void *argument)
{
    struct unborn *unborn = argument;
    struct tr_spawn_options place = {.placement = TR_PLACE_WORKER, .worker = 1};
    assert_int_equal(tr_spawn(self, &puppet_behavior, &place, &unborn->child), TR_OK);
    uv_sem_post(&unborn->held);
    uv_sem_wait(&unborn->go); /* the order to spawn does not go out before */
}

static void
an_actor_that_is_on_its_way_becomes_a_member(void **state)
{
    (void)state;
    struct unborn unborn = {0};
    tr_runtime *runtime = stage_open(3);
    unborn.group = group_new(runtime, NULL, 0);
    assert_int_equal(uv_sem_init(&unborn.held, 0), 0);
    assert_int_equal(uv_sem_init(&unborn.go, 0), 0);
    tr_ref spawner = puppet_spawn(runtime, 0), adder = puppet_spawn(runtime, 2), there = puppet_spawn(runtime, 1);
    puppet_order(runtime, spawner, spawn_there, &unborn);
    uv_sem_wait(&unborn.held);
    assert_int_equal(have_add(runtime, adder, unborn.child, unborn.group), TR_OK);
    assert_int_equal(have_publish(runtime, adder, unborn.group, 7), TR_OK);
    puppet_settle(runtime, adder, there); /* both have arrived */
    assert_int_equal(puppet_count(), 0);
    uv_sem_post(&unborn.go);
    assert_int_equal(puppet_await(1)->number, 7);
    assert_int_equal(have_publish(runtime, adder, unborn.group, 8), TR_OK);
    assert_int_equal(puppet_await(2)->number, 8);
    assert_int_equal(tr_group_count(unborn.group), 1);
    puppet_order(runtime, unborn.child, do_exit, NULL);
    await_count(unborn.group, 0);
    tr_group_release(unborn.group);
    stage_close(runtime);
    uv_sem_destroy(&unborn.held);
    uv_sem_destroy(&unborn.go);
}

/* Who is a member. */

static struct tr_group_members listed;
static tr_ref names[64];
static struct tally answers;

static void
asker_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag != TR_TAG_GROUP_MEMBERS) {
        tr_group *group = *(tr_group *const *)tr_message_data(message);
        assert_int_equal(tr_group_list(self, group, 17), TR_OK);
        return;
    }
    listed = *(const struct tr_group_members *)tr_message_data(message);
    for (size_t i = 0; i < listed.count && i < 64; i++)
        names[i] = listed.members[i];
    tally_add(&answers, 1);
}

static bool
is_named(tr_ref ref)
{
    unsigned found = 0;
    for (size_t i = 0; i < listed.count; i++)
        found += names[i] == ref;
    return found == 1;
}

static void
ask_for_list(tr_runtime *runtime, tr_group *group, unsigned number, size_t count)
{
    static const struct tr_behavior behavior = {.name = "asker", .receive = asker_receive};
    tr_ref asker = stage_spawn(runtime, &behavior, number % 3, NULL);
    stage_send(runtime, asker, 1, &group, sizeof(group));
    tally_await(&answers, number);
    assert_int_equal(listed.token, 17);
    assert_int_equal(listed.count, count);
}

static void
the_list_names_all_members_on_all_workers(void **state)
{
    (void)state;
    tr_ref puppets[9];
    tr_runtime *runtime = stage_open(3);
    tr_group *group = group_new(runtime, NULL, 0);
    answers = (struct tally){0};
    ask_for_list(runtime, group, 1, 0);
    for (unsigned i = 0; i < 9; i++) {
        puppets[i] = puppet_spawn(runtime, i % 3);
        assert_int_equal(have_join(runtime, puppets[i], group), TR_OK);
    }
    for (unsigned i = 2; i < 5; i++) {
        ask_for_list(runtime, group, i, 9);
        for (unsigned k = 0; k < 9; k++)
            assert_true(is_named(puppets[k]));
    }
    assert_int_equal(have_leave(runtime, puppets[4], group), TR_OK);
    ask_for_list(runtime, group, 5, 8);
    assert_false(is_named(puppets[4]));
    tr_group_release(group);
    stage_close(runtime);
}

static void
see_local(tr_actor *self, void *argument)
{
    struct deed *deed = argument;
    tr_ref seen[2] = {0};
    assert_int_equal(tr_group_local(self, deed->group, NULL, 2), 3);
    assert_int_equal(tr_group_local(self, deed->group, seen, 1), 3);
    assert_int_not_equal(seen[0], TR_NOBODY);
    assert_int_equal(seen[1], TR_NOBODY);
    assert_int_equal(tr_ref_worker(seen[0]), 1);
}

static void
the_members_of_the_own_worker_are_seen_at_once(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct deed deed = {.group = group_new(runtime, NULL, 0)};
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(have_join(runtime, puppet_spawn(runtime, i > 0), deed.group), TR_OK);
    puppet_do(runtime, puppet_spawn(runtime, 1), see_local, &deed);
    tr_group_release(deed.group);
    stage_close(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_gives_one_group_and_another_name_or_none_another),
        cmocka_unit_test(a_named_group_lasts_while_it_is_held_or_has_members),
        cmocka_unit_test(many_names_are_found),
        cmocka_unit_test(a_name_is_not_empty_and_not_too_long),
        cmocka_unit_test(null_is_refused_or_nothing),
        cmocka_unit_test(whoever_joins_twice_is_a_member_once),
        cmocka_unit_test(a_membership_ends_with_the_actor_however_it_ends),
        cmocka_unit_test(who_joins_in_an_init_that_fails_is_no_member),
        cmocka_unit_test(a_full_group_refuses_whoever_comes_from_whatever_worker),
        cmocka_unit_test(another_actor_is_added_and_removed_here_and_there),
        cmocka_unit_test_setup(an_actor_that_is_gone_does_not_become_a_member, forget),
        cmocka_unit_test_setup(an_actor_that_is_on_its_way_becomes_a_member, forget),
        cmocka_unit_test(the_list_names_all_members_on_all_workers),
        cmocka_unit_test(the_members_of_the_own_worker_are_seen_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
