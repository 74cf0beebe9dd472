/*
 * The calls: what they refuse, children that come and go, and those that every worker has.
 */
#include "troop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HOUR_MS 3600000u

/* -- Refusals. -- */

static const struct tr_behavior deaf = {.name = "deaf"}, nameless = {.receive = ignore};

/* Each breaks one rule. */
static void
expect_of_options(tr_runtime *runtime, struct tr_supervisor_options options, tr_status status)
{
    tr_ref ref = TR_NOBODY;
    assert_int_equal(tr_runtime_spawn_supervisor(runtime, &options, &ref), status);
    assert_int_equal(ref, TR_NOBODY);
}

static void
expect_of_child(tr_runtime *runtime, tr_ref supervisor, struct tr_child_spec spec, tr_status status)
{
    struct tr_child_spec children[] = {troop_spec("first", 0), spec};
    struct tr_supervisor_options inner = {.children = &spec, .child_count = 1};
    struct tr_child_spec outer = {.name = "outer", .supervisor = &inner};
    expect_of_options(runtime, (struct tr_supervisor_options){.children = children, .child_count = 2}, status);
    expect_of_options(runtime, (struct tr_supervisor_options){.children = &outer, .child_count = 1}, status);
    assert_int_equal(tr_runtime_supervisor_add(runtime, supervisor, &spec, NULL), status);
}

static void
a_child_that_cannot_be_is_refused_with_the_reason(void **state)
{
    static const struct tr_supervisor_options empty;
    static char long_name[TR_CHILD_NAME_SIZE + 1], very_long[TR_NAME_SIZE];
    (void)state;
    memset(long_name, 'x', TR_CHILD_NAME_SIZE);
    memset(very_long, 'x', TR_NAME_SIZE - 8);
    tr_runtime *runtime = troop_open(1);
    tr_ref supervisor = troop_spawn(runtime, empty);
    struct tr_child_spec good = troop_spec("a", 0), spec;
#define EXPECT(field, value, status)                                                                                   \
    spec = good;                                                                                                       \
    spec.field = (value);                                                                                              \
    expect_of_child(runtime, supervisor, spec, status)
    EXPECT(name, NULL, TR_EBADNAME);
    EXPECT(name, "", TR_EBADNAME);
    EXPECT(name, "a/b", TR_EBADNAME);
    EXPECT(name, long_name, TR_EBADNAME);
    EXPECT(registered, "", TR_EBADNAME);
    EXPECT(registered, very_long, TR_EBADNAME);
    EXPECT(behavior, NULL, TR_EBADBEHAVIOR);
    EXPECT(behavior, &deaf, TR_EBADBEHAVIOR);
    EXPECT(behavior, &nameless, TR_ENONAME);
    EXPECT(supervisor, &empty, TR_EBADBEHAVIOR);
    EXPECT(restart, (enum tr_restart)3, TR_EINVAL);
    EXPECT(stop, (enum tr_stop_mode)3, TR_EINVAL);
    EXPECT(placement, (enum tr_placement)99, TR_EINVAL);
    EXPECT(worker, 1, TR_EBADWORKER);
    EXPECT(placement, TR_PLACE_WITH, TR_EBADREF);
    EXPECT(argument, NULL, TR_EINVAL);
    EXPECT(argument_size, (size_t)1 << 31, TR_EBADLIMIT);
    assert_int_equal(tr_runtime_supervisor_add(runtime, supervisor, NULL, NULL), TR_EINVAL);
    troop_await("");
    troop_close(runtime, supervisor);
}

static void
options_that_cannot_be_are_refused_with_the_reason(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(1);
    struct tr_child_spec twins[] = {troop_spec("a", 0), troop_spec("b", 0), troop_spec("a", 0)};
    expect_of_options(runtime, (struct tr_supervisor_options){.children = twins, .child_count = 3}, TR_ENAMETAKEN);
    expect_of_options(runtime, (struct tr_supervisor_options){.strategy = (enum tr_strategy)3}, TR_EINVAL);
    expect_of_options(runtime, (struct tr_supervisor_options){.child_count = 1}, TR_EINVAL);
    expect_of_options(runtime, (struct tr_supervisor_options){.spawn.argument = "x"}, TR_EINVAL);
    expect_of_options(runtime, (struct tr_supervisor_options){.limit = {1, 0}}, TR_EBADLIMIT);
    expect_of_options(runtime, (struct tr_supervisor_options){.limit = {10001, 5}}, TR_EBADLIMIT);
    expect_of_options(runtime, (struct tr_supervisor_options){.backoff = {.first_ms = 2, .most_ms = 1}}, TR_EBADLIMIT);
    struct tr_supervisor_options circle = {.child_count = 1};
    struct tr_child_spec itself = {.name = "itself", .supervisor = &circle};
    circle.children = &itself;
    expect_of_options(runtime, circle, TR_EBADLIMIT);
    assert_int_equal(tr_runtime_spawn_supervisor(NULL, &circle, NULL), TR_EINVAL);
    assert_int_equal(tr_runtime_spawn_supervisor(runtime, NULL, NULL), TR_EINVAL);
    stage_close(runtime);
    troop_await("");
}

/* What a call from inside returned. */
static tr_status inside[8];
static struct tally answers;
static struct tr_supervisor_answer last;

static tr_status
caller_init(tr_actor *self, void *state, const void *argument)
{
    tr_ref supervisor = *(const tr_ref *)argument;
    struct tr_child_spec spec = troop_spec("x", 0);
    static const struct tr_supervisor_options options;
    (void)state;
    inside[0] = tr_supervisor_spawn(self, NULL, NULL);
    inside[1] = tr_supervisor_spawn(NULL, &options, NULL);
    inside[2] = tr_supervisor_add(NULL, supervisor, &spec, NULL);
    inside[3] = tr_supervisor_add(self, TR_NOBODY, &spec, NULL);
    inside[4] = tr_supervisor_remove(self, supervisor, "", NULL);
    inside[5] = tr_supervisor_child(self, supervisor, NULL, NULL);
    inside[6] = tr_runtime_supervisor_child(tr_actor_runtime(self), supervisor, "x", NULL);
    inside[7] = tr_runtime_spawn_supervisor(tr_actor_runtime(self), &options, NULL);
    return TR_OK;
}

static const struct tr_behavior caller = {.name = "caller", .init = caller_init, .receive = ignore};

static void
wrong_calls_from_inside_get_a_status(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(1);
    tr_ref supervisor = troop_spawn(runtime, (struct tr_supervisor_options){0});
    stage_spawn(runtime, &caller, 0, &supervisor);
    static const tr_status expected[] = {TR_EINVAL,   TR_EINVAL,   TR_EINVAL,       TR_EBADREF,
                                         TR_EBADNAME, TR_EBADNAME, TR_EWRONGTHREAD, TR_EWRONGTHREAD};
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(inside[i], expected[i]);
    troop_bystanders = 1;
    troop_close(runtime, supervisor);
}

static void
who_is_no_supervisor_and_who_is_gone_is_told_apart(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    tr_ref plain = stage_spawn(runtime, &troop_child, 1, "p");
    assert_int_equal(tr_runtime_supervisor_child(runtime, plain, "a", NULL), TR_ENOTSUPPORTED);
    stage_send(runtime, plain, TROOP_EXIT, NULL, 0);
    troop_await("+p-p");
    while (tr_runtime_supervisor_child(runtime, plain, "a", NULL) == TR_ENOTSUPPORTED)
        ;
    assert_int_equal(tr_runtime_supervisor_child(runtime, plain, "a", NULL), TR_EGONE);
    assert_int_equal(tr_runtime_supervisor_child(runtime, TR_NOBODY, "a", NULL), TR_EBADREF);
    assert_int_equal(tr_runtime_supervisor_child(NULL, plain, "a", NULL), TR_EINVAL);
    stage_close(runtime);
}

/* -- Answers as messages. -- */

enum { ADD = 1, REMOVE, ASK, ASK_AND_KILL };
static struct tr_child_spec added;
static uint64_t number;

static void
client_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == TR_TAG_SUPERVISOR) {
        last = *(const struct tr_supervisor_answer *)tr_message_data(message);
        tally_add(&answers, 1);
        return;
    }
    tr_ref supervisor = *(const tr_ref *)tr_message_data(message);
    tr_status status = message->tag == ADD      ? tr_supervisor_add(self, supervisor, &added, &number)
                       : message->tag == REMOVE ? tr_supervisor_remove(self, supervisor, "a", &number)
                                                : tr_supervisor_child(self, supervisor, "a", &number);
    assert_int_equal(status, TR_OK);
    if (message->tag == ASK_AND_KILL)
        assert_int_equal(tr_stop(self, supervisor, TR_STOP_KILL), TR_OK);
}

static const struct tr_behavior client = {.name = "client", .receive = client_receive};

/* A child that is being removed is known no more. */
static void
await_unknown(tr_runtime *runtime, tr_ref supervisor, const char *name)
{
    while (tr_runtime_supervisor_child(runtime, supervisor, name, NULL) == TR_OK)
        ;
}

/* -- Children that come and go. -- */

static void
a_child_is_added_after_all_others_and_removed_by_name(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    struct tr_child_spec a = troop_spec("a", 0), b = troop_spec("b", 1);
    tr_ref supervisor = troop_spawn(
        runtime, (struct tr_supervisor_options){.children = &a, .child_count = 1, .strategy = TR_ONE_FOR_ALL});
    struct tr_supervisor_answer answer;
    assert_int_equal(tr_runtime_supervisor_add(runtime, supervisor, &b, &answer), TR_OK);
    assert_int_equal(answer.child, troop_find(runtime, supervisor, "b").child);
    assert_int_equal(answer.state, TR_CHILD_RUNNING);
    assert_int_equal(tr_runtime_supervisor_add(runtime, supervisor, &b, NULL), TR_ENAMETAKEN);
    troop_die(runtime, troop_find(runtime, supervisor, "a").child, 'a', TROOP_BY_FAILURE);
    troop_await("+a+b-a-b+a+b");
    assert_int_equal(tr_runtime_supervisor_remove(runtime, supervisor, "b", NULL), TR_OK);
    assert_int_equal(tr_runtime_supervisor_remove(runtime, supervisor, "b", NULL), TR_EGONE);
    assert_int_equal(tr_runtime_supervisor_child(runtime, supervisor, "b", NULL), TR_EGONE);
    assert_int_equal(tr_runtime_supervisor_add(runtime, supervisor, &b, NULL), TR_OK);
    troop_await("+a+b-a-b+a+b-b+b");
    troop_close(runtime, supervisor);
}

static void
an_added_child_that_cannot_start_is_forgotten_and_the_others_go_on(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    struct tr_child_spec a = troop_spec("a", 0), b = troop_spec("b", 1);
    tr_ref supervisor = troop_spawn(runtime, (struct tr_supervisor_options){.children = &a, .child_count = 1});
    troop_spoil('b', 1);
    assert_int_equal(tr_runtime_supervisor_add(runtime, supervisor, &b, NULL), TR_EINIT);
    assert_int_equal(tr_runtime_supervisor_child(runtime, supervisor, "b", NULL), TR_EGONE);
    assert_int_equal(tr_runtime_supervisor_add(runtime, supervisor, &b, NULL), TR_OK);
    troop_await("+a?b+b");
    troop_close(runtime, supervisor);
}

static void
a_child_that_is_about_to_be_restarted_can_be_removed(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    struct tr_child_spec a = troop_spec("a", 1);
    tr_ref supervisor = troop_spawn(
        runtime, (struct tr_supervisor_options){.children = &a, .child_count = 1, .backoff = {.first_ms = HOUR_MS}});
    troop_die(runtime, troop_find(runtime, supervisor, "a").child, 'a', TROOP_BY_FAILURE);
    while (troop_find(runtime, supervisor, "a").state != TR_CHILD_RESTING)
        ;
    assert_int_equal(troop_find(runtime, supervisor, "a").reason, TR_EUSER);
    assert_int_equal(tr_runtime_supervisor_remove(runtime, supervisor, "a", NULL), TR_OK);
    assert_int_equal(tr_runtime_supervisor_child(runtime, supervisor, "a", NULL), TR_EGONE);
    troop_await("+a-a");
    troop_close(runtime, supervisor);
}

static void
a_slow_stop_of_one_child_does_not_hold_up_the_restart_of_another(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    struct tr_child_spec children[] = {troop_spec("a", 1), troop_spec("b", 0)};
    children[0].stop_timeout_ms = TR_STOP_FOREVER;
    tr_ref supervisor = troop_spawn(runtime, (struct tr_supervisor_options){.children = children, .child_count = 2});
    tr_ref a = troop_find(runtime, supervisor, "a").child, b = troop_find(runtime, supervisor, "b").child;
    stage_send(runtime, a, TROOP_GATE, NULL, 0);
    tally_await(&troop_at_gate, 1);
    uint64_t before = tally_read(&answers);
    stage_send(runtime, stage_spawn(runtime, &client, 0, NULL), REMOVE, &supervisor, sizeof(supervisor));
    await_unknown(runtime, supervisor, "a");
    troop_die(runtime, b, 'b', TROOP_BY_FAILURE);
    troop_await("+a+b-b+b");
    troop_open_gate();
    tally_await(&answers, before + 1);
    troop_await("+a+b-b+b-a");
    troop_bystanders = 1;
    troop_close(runtime, supervisor);
}

static void
expect_answer(tr_runtime *runtime, tr_ref who, uint32_t tag, tr_ref supervisor, tr_status status)
{
    uint64_t before = tally_read(&answers);
    stage_send(runtime, who, tag, &supervisor, sizeof(supervisor));
    tally_await(&answers, before + 1);
    assert_int_equal(last.status, status);
    assert_int_equal(last.request, number);
}

static void
an_actor_gets_one_answer_to_each_request_whatever_became_of_the_supervisor(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        tr_runtime *runtime = troop_open(2);
        tr_ref supervisor = troop_spawn(runtime, (struct tr_supervisor_options){0});
        tr_ref who = stage_spawn(runtime, &client, worker, NULL), plain = stage_spawn(runtime, &troop_child, 0, "p");
        added = troop_spec("a", 1);
        expect_answer(runtime, who, ADD, supervisor, TR_OK);
        expect_answer(runtime, who, ADD, supervisor, TR_ENAMETAKEN);
        expect_answer(runtime, who, ASK, supervisor, TR_OK);
        expect_answer(runtime, who, REMOVE, supervisor, TR_OK);
        expect_answer(runtime, who, ASK, supervisor, TR_EGONE);
        expect_answer(runtime, who, ASK, plain, TR_ENOTSUPPORTED);
        assert_int_equal(tr_runtime_stop_actor(runtime, supervisor, TR_STOP_KILL), TR_OK);
        tests_counters_add_up(runtime);
        expect_answer(runtime, who, ASK, supervisor, TR_EGONE);
        stage_close(runtime);
    }
}

static void
requests_that_wait_when_the_supervisor_is_killed_are_answered(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(2);
    struct tr_child_spec a = troop_spec("a", 1);
    a.stop_timeout_ms = TR_STOP_FOREVER;
    tr_ref supervisor = troop_spawn(runtime, (struct tr_supervisor_options){.children = &a, .child_count = 1});
    tr_ref who = stage_spawn(runtime, &client, 0, NULL), child = troop_find(runtime, supervisor, "a").child;
    stage_send(runtime, child, TROOP_GATE, NULL, 0);
    tally_await(&troop_at_gate, 1);
    uint64_t before = tally_read(&answers);
    stage_send(runtime, who, REMOVE, &supervisor, sizeof(supervisor));
    await_unknown(runtime, supervisor, "a");
    assert_int_equal(tr_runtime_stop_actor(runtime, supervisor, TR_STOP_KILL), TR_OK);
    tally_await(&answers, before + 1);
    assert_int_equal(last.status, TR_OK);
    troop_open_gate();
    stage_close(runtime);
}

static void
a_request_in_the_mailbox_of_a_supervisor_that_is_killed_is_answered(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(1);
    tr_ref supervisor = troop_spawn(runtime, (struct tr_supervisor_options){0});
    expect_answer(runtime, stage_spawn(runtime, &client, 0, NULL), ASK_AND_KILL, supervisor, TR_EGONE);
    stage_close(runtime);
}

/* -- Children that every worker has. -- */

static void
one_on_each_worker_is_restarted_by_itself(void **state)
{
    (void)state;
    tr_runtime *runtime = troop_open(3);
    struct tr_child_spec children[] = {troop_spec("a", 0), troop_spec("e", 0)};
    children[1].one_each_worker = true;
    tr_ref supervisor = troop_spawn(
        runtime, (struct tr_supervisor_options){.children = children, .child_count = 2, .strategy = TR_ONE_FOR_ALL});
    char name[8];
    for (unsigned i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "e/%u", i);
        assert_int_equal(tr_ref_worker(troop_find(runtime, supervisor, name).child), i);
    }
    tr_ref second = troop_find(runtime, supervisor, "e/1").child;
    troop_die(runtime, second, 'e', TROOP_BY_FAILURE);
    troop_await("+a+e+e+e-e+e");
    assert_int_equal(troop_find(runtime, supervisor, "e/1").child, second);
    assert_int_equal(troop_find(runtime, supervisor, "e").child, troop_find(runtime, supervisor, "e/0").child);
    troop_die(runtime, troop_find(runtime, supervisor, "a").child, 'a', TROOP_BY_FAILURE);
    troop_await("+a+e+e+e-e+e-a-e-e-e+a+e+e+e");
    struct tr_child_spec more = troop_spec("m", 0);
    more.one_each_worker = true;
    assert_int_equal(tr_runtime_supervisor_add(runtime, supervisor, &more, NULL), TR_OK);
    assert_int_equal(tr_runtime_supervisor_remove(runtime, supervisor, "e", NULL), TR_OK);
    troop_await("+a+e+e+e-e+e-a-e-e-e+a+e+e+e+m+m+m-e-e-e");
    assert_int_equal(tr_runtime_supervisor_child(runtime, supervisor, "e/2", NULL), TR_EGONE);
    troop_close(runtime, supervisor);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_that_cannot_be_is_refused_with_the_reason),
        cmocka_unit_test(options_that_cannot_be_are_refused_with_the_reason),
        cmocka_unit_test(wrong_calls_from_inside_get_a_status),
        cmocka_unit_test(who_is_no_supervisor_and_who_is_gone_is_told_apart),
        cmocka_unit_test(a_child_is_added_after_all_others_and_removed_by_name),
        cmocka_unit_test(an_added_child_that_cannot_start_is_forgotten_and_the_others_go_on),
        cmocka_unit_test(a_child_that_is_about_to_be_restarted_can_be_removed),
        cmocka_unit_test(a_slow_stop_of_one_child_does_not_hold_up_the_restart_of_another),
        cmocka_unit_test(an_actor_gets_one_answer_to_each_request_whatever_became_of_the_supervisor),
        cmocka_unit_test(requests_that_wait_when_the_supervisor_is_killed_are_answered),
        cmocka_unit_test(a_request_in_the_mailbox_of_a_supervisor_that_is_killed_is_answered),
        cmocka_unit_test(one_on_each_worker_is_restarted_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
