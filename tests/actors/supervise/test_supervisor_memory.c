/*
 * Supervision without memory: the nth allocation of the library fails, alone or with the forty after it, for every n
 * that a play comes to. Either the child lives again, or the supervisor is known to have ended; every request has its
 * answer; and nothing is left.
 */
#include "fault.h"
#include "troop.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static tr_status
heir_init(tr_actor *self, void *state, const void *argument)
{
    void *inherited = tr_inheritance(self);
    (void)argument;
    (void)state;
    if (inherited == NULL)
        inherited = "constant";
    return tr_bequeath(self, inherited, NULL);
}

static void
heir_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == TROOP_FAIL)
        tr_fail(self, TR_EUSER, "as told");
}

static const struct tr_behavior heir = {.name = "heir", .init = heir_init, .receive = heir_receive};

/* The child runs again, or there is no such child. */
static bool
settles(tr_runtime *runtime, tr_ref supervisor, const char *name)
{
    struct tr_supervisor_answer answer;
    for (;;) {
        tr_status status = tr_runtime_supervisor_child(runtime, supervisor, name, &answer);
        if (status == TR_EGONE)
            return true;
        if (status == TR_OK && answer.state == TR_CHILD_RUNNING)
            return true;
        if (status != TR_OK && status != TR_ENOMEM)
            return false;
    }
}

static void
hurt(tr_runtime *runtime, tr_ref supervisor, const char *name)
{
    struct tr_supervisor_answer answer;
    if (tr_runtime_supervisor_child(runtime, supervisor, name, &answer) != TR_OK || answer.child == TR_NOBODY)
        return;
    tr_message message = tr_message_signal(TROOP_FAIL);
    if (tr_runtime_send(runtime, answer.child, &message) != TR_OK)
        tr_message_drop(&message);
    tr_runtime_stop_actor(runtime, answer.child, TR_STOP_KILL);
}

/* false: the play came to no such allocation. */
static bool
play_with_a_fault(unsigned nth, unsigned times)
{
    fault_spare_me(false);
    tr_runtime *runtime = troop_open(2);
    struct tr_child_spec children[] = {troop_spec("a", 0), troop_spec("b", 1)}, more = troop_spec("c", 1);
    children[0].behavior = children[1].behavior = more.behavior = &heir;
    children[1].registered = "bee";
    children[1].keep_mailbox = true;
    struct tr_supervisor_options options = {.children = children,
                                            .child_count = 2,
                                            .strategy = TR_ONE_FOR_ALL,
                                            .limit = {100, 60000},
                                            .backoff = {.first_ms = 1}};
    tr_ref supervisor;
    fault_plan(FAULT_MEMORY, nth, times, ENOMEM);
    tr_status status = tr_runtime_spawn_supervisor(runtime, &options, &supervisor);
    if (status == TR_OK) {
        hurt(runtime, supervisor, "b");
        assert_true(settles(runtime, supervisor, "b"));
        tr_runtime_supervisor_add(runtime, supervisor, &more, NULL);
        hurt(runtime, supervisor, "c");
        assert_true(settles(runtime, supervisor, "c"));
        tr_runtime_supervisor_remove(runtime, supervisor, "a", NULL);
        assert_true(settles(runtime, supervisor, "a"));
    } else {
        assert_int_equal(status, TR_ENOMEM);
    }
    bool met = fault_met(FAULT_MEMORY) > 0;
    fault_clear();
    stage_close(runtime);
    return met;
}

static void
each_end_is_noticed_and_each_request_answered_whatever_allocation_fails(void **state)
{
    (void)state;
    unsigned nth = 1;
    while (play_with_a_fault(nth, 1) && play_with_a_fault(nth, 40))
        nth++;
    assert_true(nth > 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_end_is_noticed_and_each_request_answered_whatever_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
