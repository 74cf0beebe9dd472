/*
 * Routers: which member of a pool a message reaches, and that none is lost while the pool changes.
 */
#include "counters.h"
#include "helpers.h"
#include "members.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/router.h>

enum { WORKERS_OF_POOL = 8 };

static uint64_t handled[WORKERS_OF_POOL + 1];
static struct tally got;

static int
forget(void **state)
{
    (void)state;
    puppet_forget();
    memset(handled, 0, sizeof(handled));
    got = (struct tally){0};
    return 0;
}

/* A member of a pool: counts what it gets under its number, and does what a puppet does otherwise. */

struct member {
    tr_group *router;
    uint64_t number;
};

enum { JOB = 10, LEAVE };

static tr_status
member_init(tr_actor *self, void *state, const void *argument)
{
    memcpy(state, argument, sizeof(struct member));
    return tr_group_join(self, ((struct member *)state)->router);
}

static void
member_receive(tr_actor *self, void *state, tr_message *message)
{
    struct member *member = state;
    if (message->tag == LEAVE) {
        assert_int_equal(tr_group_leave(self, member->router), TR_OK);
        return;
    }
    __atomic_fetch_add(&handled[member->number], 1, __ATOMIC_RELAXED);
    tally_add(&got, 1);
}

static const struct tr_behavior pool_member = {
    .name = "member", .state_size = sizeof(struct member), .init = member_init, .receive = member_receive};

static tr_ref
spawn_member(tr_runtime *runtime, tr_group *router, uint64_t number)
{
    struct member member = {router, number};
    return stage_spawn(runtime, &pool_member, (unsigned)(number % 2), &member);
}

static tr_group *
router_new(tr_runtime *runtime, enum tr_group_policy policy)
{
    tr_group *router;
    struct tr_group_options options = {.policy = policy};
    assert_int_equal(tr_group_open(runtime, NULL, &options, &router), TR_OK);
    return router;
}

/* A puppet routes so many jobs, with keys from 0. */
struct routing {
    tr_group *router;
    unsigned count;
    tr_status status;
    tr_ref chosen;
    uint64_t key;
};

static void
route_jobs(tr_actor *self, void *argument)
{
    struct routing *routing = argument;
    for (uint64_t key = 0; key < routing->count; key++) {
        tr_message job = tr_message_copy(JOB, &key, sizeof(key));
        routing->status = tr_route(self, routing->router, key, &job);
        assert_int_equal(routing->status, TR_OK);
        assert_int_equal(tr_message_size(&job), 0);
    }
}

static void
route_one(tr_actor *self, void *argument)
{
    struct routing *routing = argument;
    tr_message job = tr_message_copy(JOB, &routing->key, sizeof(routing->key));
    routing->status = tr_route(self, routing->router, routing->key, &job);
}

static void
choose_one(tr_actor *self, void *argument)
{
    struct routing *routing = argument;
    routing->chosen = tr_route_choose(self, routing->router, routing->key);
}

static void
one_after_the_other_gets_as_much_here_and_there(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct routing routing = {.router = router_new(runtime, TR_GROUP_ROUND_ROBIN), .count = 800};
    for (unsigned i = 0; i < WORKERS_OF_POOL; i++)
        spawn_member(runtime, routing.router, i);
    puppet_do(runtime, puppet_spawn(runtime, 0), route_jobs, &routing);
    puppet_do(runtime, puppet_spawn(runtime, 1), route_jobs, &routing);
    for (uint64_t i = 0; i < 800; i++) {
        tr_message job = tr_message_copy(JOB, &i, sizeof(i));
        assert_int_equal(tr_runtime_route(runtime, routing.router, 0, &job), TR_OK);
    }
    tally_await(&got, 2400);
    for (unsigned i = 0; i < WORKERS_OF_POOL; i++)
        assert_int_equal(handled[i], 300);
    tests_counters_add_up(runtime);
    tr_group_release(routing.router);
    stage_close(runtime);
}

static bool
is_one_short(void *router)
{
    return tr_group_count(router) == WORKERS_OF_POOL - 1;
}

static void
a_key_reaches_one_member_from_everywhere_and_its_successor_after_it(void **state)
{
    (void)state;
    enum { KEYS = 64 };
    tr_ref members[WORKERS_OF_POOL], before[KEYS];
    tr_runtime *runtime = stage_open(2);
    struct routing routing = {.router = router_new(runtime, TR_GROUP_BY_KEY)};
    tr_ref puppets[] = {puppet_spawn(runtime, 0), puppet_spawn(runtime, 1)};
    for (unsigned i = 0; i < WORKERS_OF_POOL; i++)
        members[i] = spawn_member(runtime, routing.router, i);
    for (routing.key = 0; routing.key < KEYS; routing.key++) {
        puppet_do(runtime, puppets[0], choose_one, &routing);
        before[routing.key] = routing.chosen;
        puppet_do(runtime, puppets[1], choose_one, &routing);
        assert_int_equal(routing.chosen, before[routing.key]);
    }
    assert_int_equal(tr_runtime_stop_actor(runtime, members[3], TR_STOP_NOW), TR_OK);
    assert_true(tests_wait_until(is_one_short, routing.router, TESTS_LIMIT_MS));
    tr_ref successor = spawn_member(runtime, routing.router, 3);
    for (routing.key = 0; routing.key < KEYS; routing.key++) {
        puppet_do(runtime, puppets[routing.key % 2], choose_one, &routing);
        assert_int_equal(routing.chosen, before[routing.key] == members[3] ? successor : before[routing.key]);
        puppet_do(runtime, puppets[0], route_one, &routing);
        assert_int_equal(routing.status, TR_OK);
        tr_message job = tr_message_copy(JOB, &routing.key, sizeof(routing.key));
        assert_int_equal(tr_runtime_route(runtime, routing.router, routing.key, &job), TR_OK);
    }
    tally_await(&got, 2 * KEYS);
    for (unsigned i = 0; i < WORKERS_OF_POOL; i++)
        assert_int_equal(handled[i] % 2, 0);
    tr_group_release(routing.router);
    stage_close(runtime);
}

/* Members that show that they are crowded as soon as something waits. */

static tr_status
limited_init(tr_actor *self, void *state, const void *argument)
{
    *(uint64_t *)state = ((const struct member *)argument)->number;
    return tr_group_join(self, ((const struct member *)argument)->router);
}

static void
limited_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)message;
    __atomic_fetch_add(&handled[*(uint64_t *)state], 1, __ATOMIC_RELAXED);
    tally_add(&got, 1);
}

static const struct tr_behavior limited = {.name = "limited",
                                           .state_size = sizeof(uint64_t),
                                           .init = limited_init,
                                           .receive = limited_receive,
                                           .mailbox = {.messages = 2}};

/* Four are the pool, and somebody acts: as many jobs as that are handled by each. */
static void
limited_members_handle(enum tr_group_policy policy, void (*act)(tr_actor *self, void *argument), unsigned each)
{
    tr_runtime *runtime = stage_open(1);
    struct routing routing = {.router = router_new(runtime, policy)};
    for (uint64_t i = 0; i < 4; i++) {
        struct member member = {routing.router, i};
        stage_spawn(runtime, &limited, 0, &member);
    }
    puppet_do(runtime, puppet_spawn(runtime, 0), act, &routing);
    tally_await(&got, UINT64_C(4) * each);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(handled[i], each);
    tr_group_release(routing.router);
    stage_close(runtime);
}

static void
route_smallest(tr_actor *self, void *argument)
{
    struct routing *routing = argument;
    for (unsigned i = 0; i < 9; i++) { /* four have a place for two each, and show it with the first */
        tr_message job = tr_message_signal(JOB);
        routing->status = tr_route(self, routing->router, 0, &job);
        assert_int_equal(routing->status, i < 8 ? TR_OK : TR_EFULL);
    }
}

static void
the_smallest_mailbox_is_filled_first_and_all_are_before_any_refuses(void **state)
{
    (void)state;
    limited_members_handle(TR_GROUP_SMALLEST, route_smallest, 2);
}

static void
fill_one_and_route(tr_actor *self, void *argument)
{
    struct routing *routing = argument;
    tr_ref first = tr_route_choose(self, routing->router, 0);
    assert_int_equal(tr_tell(self, first, JOB, NULL, 0), TR_OK);
    for (unsigned i = 0; i < 3; i++) {
        tr_message job = tr_message_signal(JOB);
        assert_int_equal(tr_route(self, routing->router, 0, &job), TR_OK);
    }
    routing->chosen = first;
}

static void
who_has_something_to_do_is_passed_over(void **state)
{
    (void)state;
    limited_members_handle(TR_GROUP_SMALLEST, fill_one_and_route, 1);
}

/* The first one is full before anything is routed. */
static void
fill_first_and_route(tr_actor *self, void *argument)
{
    struct routing *routing = argument;
    tr_ref first = tr_route_choose(self, routing->router, 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(tr_tell(self, first, JOB, NULL, 0), TR_OK);
    for (unsigned i = 0; i < 7; i++) { /* the three others have place for six */
        tr_message job = tr_message_signal(JOB);
        assert_int_equal(tr_route(self, routing->router, 0, &job), i < 6 ? TR_OK : TR_EFULL);
    }
}

static void
in_turn_a_full_member_is_passed_over_until_all_are_full(void **state)
{
    (void)state;
    limited_members_handle(TR_GROUP_ROUND_ROBIN, fill_first_and_route, 2);
}

static void
route_three(tr_actor *self, void *argument)
{
    struct routing *tries = argument;
    for (unsigned i = 0; i < 3; i++)
        route_one(self, &tries[i]);
}

static void
by_key_a_full_member_refuses(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_group *router = router_new(runtime, TR_GROUP_BY_KEY);
    struct routing tries[3] = {
        {.router = router, .key = 5}, {.router = router, .key = 5}, {.router = router, .key = 5}};
    for (uint64_t i = 0; i < 2; i++) {
        struct member member = {router, i};
        stage_spawn(runtime, &limited, 0, &member);
    }
    puppet_do(runtime, puppet_spawn(runtime, 0), route_three, tries);
    assert_int_equal(tries[0].status, TR_OK);
    assert_int_equal(tries[1].status, TR_OK);
    assert_int_equal(tries[2].status, TR_EFULL);
    tally_await(&got, 2);
    tr_group_release(router);
    stage_close(runtime);
}

static void
refuse_calls(tr_actor *self, void *argument)
{
    tr_group *plain = argument;
    tr_message message = tr_message_signal(JOB);
    assert_int_equal(tr_route(NULL, plain, 0, &message), TR_EINVAL);
    assert_int_equal(tr_route(self, NULL, 0, &message), TR_EINVAL);
    assert_int_equal(tr_route(self, plain, 0, NULL), TR_EINVAL);
    assert_int_equal(tr_route(self, plain, 0, &message), TR_ENOTSUPPORTED);
    assert_int_equal(tr_route_choose(self, plain, 0), TR_NOBODY);
    assert_int_equal(tr_route_choose(self, NULL, 0), TR_NOBODY);
    assert_int_equal(tr_route_choose(NULL, plain, 0), TR_NOBODY);
}

static void
what_cannot_be_routed_is_refused(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_group *plain = group_new(runtime, NULL, 0), *none;
    tr_message message = tr_message_signal(JOB), reserved = tr_message_signal(TR_TAG_RESERVED);
    struct tr_group_options options = {.policy = (enum tr_group_policy)99};
    assert_int_equal(tr_group_open(runtime, NULL, &options, &none), TR_EINVAL);
    puppet_do(runtime, puppet_spawn(runtime, 0), refuse_calls, plain);
    assert_int_equal(tr_runtime_route(NULL, plain, 0, &message), TR_EINVAL);
    assert_int_equal(tr_runtime_route(runtime, NULL, 0, &message), TR_EINVAL);
    assert_int_equal(tr_runtime_route(runtime, plain, 0, NULL), TR_EINVAL);
    assert_int_equal(tr_runtime_route(runtime, plain, 0, &message), TR_ENOTSUPPORTED);
    for (unsigned policy = TR_GROUP_ROUND_ROBIN; policy <= TR_GROUP_SMALLEST; policy++) {
        struct routing routing = {.router = router_new(runtime, (enum tr_group_policy)policy)};
        puppet_do(runtime, puppet_spawn(runtime, 0), route_one, &routing);
        assert_int_equal(routing.status, TR_EGONE);
        assert_int_equal(tr_runtime_route(runtime, routing.router, 0, &message), TR_EGONE);
        spawn_member(runtime, routing.router, 0);
        assert_int_equal(tr_runtime_route(runtime, routing.router, 0, &reserved), TR_EBADTAG);
        tr_group_release(routing.router);
    }
    tr_group_release(plain);
    stage_close(runtime);
}

static void
publish_job(tr_actor *self, void *argument)
{
    struct routing *routing = argument;
    tr_message job = tr_message_signal(JOB);
    assert_int_equal(tr_group_publish(self, routing->router, &job), TR_OK);
}

static void
what_is_published_to_a_router_reaches_the_whole_pool(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct routing routing = {.router = router_new(runtime, TR_GROUP_ROUND_ROBIN)};
    for (unsigned i = 0; i < WORKERS_OF_POOL; i++)
        spawn_member(runtime, routing.router, i);
    puppet_do(runtime, puppet_spawn(runtime, 0), publish_job, &routing);
    tally_await(&got, WORKERS_OF_POOL);
    for (unsigned i = 0; i < WORKERS_OF_POOL; i++)
        assert_int_equal(handled[i], 1);
    tr_group_release(routing.router);
    stage_close(runtime);
}

/* Senders on two workers, while members join and leave: those that leave live on, so that nothing may be lost. */

struct sending {
    tr_group *router;
    uint64_t left;
};

static tr_status
sender_init(tr_actor *self, void *state, const void *argument)
{
    (void)self;
    memcpy(state, argument, sizeof(struct sending));
    return TR_OK;
}

static void
sender_receive(tr_actor *self, void *state, tr_message *message)
{
    struct sending *sending = state;
    (void)message;
    for (unsigned i = 0; i < 50 && sending->left > 0; i++, sending->left--) {
        tr_message job = tr_message_copy(JOB, &sending->left, sizeof(sending->left));
        assert_int_equal(tr_route(self, sending->router, sending->left, &job), TR_OK);
    }
    if (sending->left > 0)
        tr_tell(self, tr_self(self), 1, NULL, 0);
}

static void
nothing_is_lost_while_the_pool_grows_and_shrinks(void **state)
{
    (void)state;
    enum { JOBS = 100000, CHANGES = 200 };
    static const struct tr_behavior sends = {
        .name = "sender", .state_size = sizeof(struct sending), .init = sender_init, .receive = sender_receive};
    for (unsigned policy = TR_GROUP_ROUND_ROBIN; policy <= TR_GROUP_SMALLEST; policy++) {
        tr_runtime *runtime = stage_open(2);
        tr_group *router = router_new(runtime, (enum tr_group_policy)policy);
        got = (struct tally){0};
        spawn_member(runtime, router, WORKERS_OF_POOL); /* this one stays */
        struct sending sending = {router, JOBS};
        for (unsigned i = 0; i < 2; i++)
            stage_send(runtime, stage_spawn(runtime, &sends, i, &sending), 1, NULL, 0);
        for (unsigned i = 0; i < CHANGES; i++)
            stage_send(runtime, spawn_member(runtime, router, i % WORKERS_OF_POOL), LEAVE, NULL, 0);
        tally_await(&got, 2 * JOBS);
        tests_counters_add_up(runtime);
        struct tr_counters counters;
        tr_runtime_counters(runtime, &counters);
        assert_int_equal(counters.dead_letters, 0);
        tr_group_release(router);
        stage_close(runtime);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_after_the_other_gets_as_much_here_and_there, forget),
        cmocka_unit_test_setup(a_key_reaches_one_member_from_everywhere_and_its_successor_after_it, forget),
        cmocka_unit_test_setup(the_smallest_mailbox_is_filled_first_and_all_are_before_any_refuses, forget),
        cmocka_unit_test_setup(who_has_something_to_do_is_passed_over, forget),
        cmocka_unit_test_setup(in_turn_a_full_member_is_passed_over_until_all_are_full, forget),
        cmocka_unit_test_setup(by_key_a_full_member_refuses, forget),
        cmocka_unit_test_setup(what_cannot_be_routed_is_refused, forget),
        cmocka_unit_test_setup(what_is_published_to_a_router_reaches_the_whole_pool, forget),
        cmocka_unit_test_setup(nothing_is_lost_while_the_pool_grows_and_shrinks, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
