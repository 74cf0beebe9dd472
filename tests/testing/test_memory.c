/*
 * Without memory: nothing is left of what could not be started.
 */
#include "fault.h"
#include "simulated.h"
#include "stage.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ALLOCATIONS_AT_MOST 200u

static void
a_start_that_finds_no_memory_leaves_nothing(void **state)
{
    (void)state;
    unsigned nth = 1;
    for (tr_status status = TR_ENOMEM; status != TR_OK; nth++) {
        tr_runtime *runtime = NULL;
        assert_true(nth < ALLOCATIONS_AT_MOST);
        fault_plan(FAULT_MEMORY, nth, 1, ENOMEM);
        status = tr_testing_start(&(struct tr_testing_options){.workers = 2}, &runtime);
        bool met = fault_met(FAULT_MEMORY) > 0;
        fault_clear();
        assert_int_equal(status, met ? TR_ENOMEM : TR_OK);
        if (status == TR_OK)
            simulated_close(runtime);
    }
    assert_true(nth > 10);
}

static void
a_probe_that_finds_no_memory_leaves_nothing(void **state)
{
    (void)state;
    tr_runtime *runtime = simulated_open(1, 2);
    unsigned nth = 1;
    for (tr_status status = TR_ENOMEM; status != TR_OK; nth++) {
        tr_probe *probe = NULL;
        assert_true(nth < ALLOCATIONS_AT_MOST);
        fault_plan(FAULT_MEMORY, nth, 1, ENOMEM);
        status = tr_probe_open(runtime, &probe);
        bool met = fault_met(FAULT_MEMORY) > 0;
        fault_clear();
        assert_int_equal(status, met ? TR_ENOMEM : TR_OK);
        tr_probe_close(probe);
    }
    assert_true(nth > 2);
    simulated_close(runtime);
}

/* A message that finds no memory stays in its lane, and comes when there is some. */

static unsigned heard;

static void
hear(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state, (void)message;
    heard++;
}

static void
speak(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    tr_ref to = *(const tr_ref *)tr_message_data(message);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(tr_tell(self, to, 1, NULL, 0), TR_OK);
}

static void
messages_that_find_no_memory_come_later(void **state)
{
    (void)state;
    static const struct tr_behavior listener = {.name = "listener", .receive = hear};
    static const struct tr_behavior speaker = {.name = "speaker", .receive = speak};
    tr_runtime *runtime = simulated_open(1, 2);
    tr_ref to = stage_spawn(runtime, &listener, 1, NULL), from = stage_spawn(runtime, &speaker, 0, NULL);
    heard = 0;
    stage_send(runtime, from, 1, &to, sizeof(to));
    struct tr_counters counters = {0};
    while (counters.sent < 100) {
        assert_true(tr_testing_step(runtime));
        tr_runtime_counters(runtime, &counters);
    }
    fault_plan(FAULT_MEMORY, 1, 20, ENOMEM);
    tr_testing_run(runtime);
    fault_clear();
    assert_int_equal(heard, 100);
    simulated_close(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_that_finds_no_memory_leaves_nothing),
        cmocka_unit_test(a_probe_that_finds_no_memory_leaves_nothing),
        cmocka_unit_test(messages_that_find_no_memory_come_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
