#include "helpers.h"
#include "stage.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { GO = 1, RESULT };

#define JOBS 50u

static struct tally results, destroyed, running, gate, checks;
static pthread_t worker_thread;

static int
reset(void **state)
{
    (void)state;
    results = destroyed = running = gate = checks = (struct tally){0};
    return 0;
}

static void
destroy(void *result)
{
    free(result);
    tally_add(&destroyed, 1);
}

static void *
square(void *argument)
{
    assert_false(pthread_equal(pthread_self(), worker_thread));
    uint64_t *result = malloc(sizeof(*result));
    *result = (uintptr_t)argument * (uintptr_t)argument;
    return result;
}

static void *
wait_at_gate(void *argument)
{
    (void)argument;
    tally_add(&running, 1);
    tally_await(&gate, 1);
    return malloc(1);
}

static void
caller_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == RESULT) {
        tally_add(&results, *(const uint64_t *)tr_message_data(message));
        return;
    }
    worker_thread = pthread_self();
    for (uintptr_t i = 1; i <= JOBS; i++)
        assert_int_equal(tr_offload(self, square, (void *)i, RESULT, destroy), TR_OK);
    assert_int_equal(tr_offload(NULL, square, NULL, RESULT, NULL), TR_EINVAL);
    assert_int_equal(tr_offload(self, NULL, NULL, RESULT, NULL), TR_EINVAL);
    assert_int_equal(tr_offload(self, square, NULL, UINT32_MAX, NULL), TR_EBADTAG);
}

static void
every_result_comes_home_once(void **state)
{
    (void)state;
    static const struct tr_behavior caller = {.name = "caller", .receive = caller_receive};
    tr_runtime *runtime = stage_open(2);
    stage_send(runtime, stage_spawn(runtime, &caller, 1, NULL), GO, NULL, 0);
    tally_await(&results, JOBS * (JOBS + 1) * (2 * JOBS + 1) / 6);
    stage_close(runtime);
    assert_int_equal(tally_read(&destroyed), JOBS);
}

static void
leaver_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    assert_int_equal(tr_offload(self, wait_at_gate, NULL, RESULT, destroy), TR_OK);
    tr_exit(self);
}

static void
a_result_that_nobody_waits_for_is_destroyed(void **state)
{
    (void)state;
    static const struct tr_behavior leaver = {.name = "leaver", .receive = leaver_receive};
    tr_runtime *runtime = stage_open(1);
    stage_send(runtime, stage_spawn(runtime, &leaver, 0, NULL), GO, NULL, 0);
    tally_await(&running, 1);
    tally_add(&gate, 1);
    tally_await(&destroyed, 1);
    stage_close(runtime);
}

static void *
open_gate(void *argument)
{
    tally_await(&running, 1);
    tally_add(&gate, 1);
    return argument;
}

static void
the_end_waits_for_a_function_that_runs(void **state)
{
    (void)state;
    static const struct tr_behavior leaver = {.name = "leaver", .receive = leaver_receive};
    tr_runtime *runtime = stage_open(1);
    pthread_t opener;
    stage_send(runtime, stage_spawn(runtime, &leaver, 0, NULL), GO, NULL, 0);
    tally_await(&running, 1);
    pthread_create(&opener, NULL, open_gate, NULL);
    stage_close(runtime);
    pthread_join(opener, NULL);
    assert_int_equal(tally_read(&destroyed), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_result_comes_home_once, reset),
        cmocka_unit_test_setup(a_result_that_nobody_waits_for_is_destroyed, reset),
        cmocka_unit_test_setup(the_end_waits_for_a_function_that_runs, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
