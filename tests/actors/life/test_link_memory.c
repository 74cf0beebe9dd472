/*
 * Links without memory: whichever allocations fail, both actors end, and with the same reason.
 */
#include "fault.h"
#include "helpers.h"
#include "puppet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <troupe/actors/failure.h>

#define CHAIN 20u  /* more than stops nest */
#define LEAVES 8u  /* linked with the last of it */
#define LASTS 300u /* allocations that fail */

static tr_ref actors[CHAIN + LEAVES];

static int
forget(void **state)
{
    (void)state;
    puppet_forget();
    return 0;
}

static void
link_with(tr_actor *self, void *argument)
{
    assert_int_equal(tr_link(self, *(const tr_ref *)argument), TR_OK);
}

static void
watch(tr_actor *self, void *argument)
{
    assert_int_equal(tr_monitor_start(self, *(const tr_ref *)argument, NULL), TR_OK);
}

static void
do_to(tr_runtime *runtime, tr_ref puppet, void (*act)(tr_actor *self, void *argument), tr_ref other)
{
    puppet_do(runtime, puppet, act, &other);
    puppet_settle(runtime, puppet, other);
}

struct fault {
    unsigned nth, times;
};

static void
fail_without_memory(tr_actor *self, void *argument)
{
    const struct fault *fault = argument;
    fault_plan(FAULT_MEMORY, fault->nth, fault->times, ENOMEM);
    tr_fail(self, TR_EPROTO, NULL);
}

/* false: there were fewer allocations. */
static bool
fail_one_of_two(unsigned worker, struct fault fault)
{
    forget(NULL);
    tr_runtime *runtime = stage_open(2);
    tr_ref watcher = puppet_spawn(runtime, 0), pair[2] = {puppet_spawn(runtime, 0), puppet_spawn(runtime, worker)};
    do_to(runtime, pair[0], link_with, pair[1]);
    do_to(runtime, watcher, watch, pair[1]);
    puppet_order(runtime, pair[0], fail_without_memory, &fault);
    tr_status status = puppet_await(1)->status;
    tally_await(&puppet_stopped, 2);
    unsigned met = fault_met(FAULT_MEMORY);
    fault_clear();
    stage_close(runtime);
    if (fault.nth > 1) /* else the first has no reason */
        assert_int_equal(status, TR_EPROTO);
    return met > 0;
}

static void
two_that_are_linked_both_end_whatever_allocation_fails(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++)
        for (unsigned nth = 2; fail_one_of_two(worker, (struct fault){nth, 1}); nth++)
            fail_one_of_two(worker, (struct fault){nth, 40});
}

/* It has the memory for a reason from now on. */
static void
prepare(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_link_trap(self, false), TR_OK);
}

/* It has taken all the nodes that its worker has for mail. */
static void
fail_in_a_full_house(tr_actor *self, void *argument)
{
    (void)argument;
    fault_plan(FAULT_MEMORY, 1, LASTS, ENOMEM);
    while (tr_tell(self, tr_self(self), PUPPET_NUMBER, NULL, 0) == TR_OK) {
    }
    tr_fail(self, TR_EPROTO, NULL);
}

static void
all_that_are_linked_end_also_those_that_must_wait_and_find_no_memory(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    for (unsigned i = 0; i < CHAIN + LEAVES; i++) {
        actors[i] = puppet_spawn(runtime, 0);
        puppet_do(runtime, actors[i], prepare, NULL);
        if (i > 0)
            do_to(runtime, actors[i < CHAIN ? i - 1 : CHAIN - 1], link_with, actors[i]);
    }
    puppet_order(runtime, actors[0], fail_in_a_full_house, NULL);
    tally_await(&puppet_stopped, CHAIN + LEAVES);
    assert_true(fault_met(FAULT_MEMORY) > 1); /* the first ended the sending */
    fault_clear();
    stage_close(runtime);
}

#define TEST(name) cmocka_unit_test_setup(name, forget)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(two_that_are_linked_both_end_whatever_allocation_fails),
        TEST(all_that_are_linked_end_also_those_that_must_wait_and_find_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
