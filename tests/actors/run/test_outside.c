/*
 * What a thread outside the runtime is told, and what a name that is nobody's is good for.
 */
#include "helpers.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <uv.h>

#define WORKERS 2u

static struct tally asked, handled;
static size_t backlog;

static int
reset(void **state)
{
    (void)state;
    asked = handled = (struct tally){0};
    backlog = SIZE_MAX;
    return 0;
}

/* A name of a worker that the runtime has not: the next one's, where nothing lies behind. */
static tr_ref
of_no_worker(tr_ref ref)
{
    return ref + ((tr_ref)WORKERS << 24);
}

static void
handle(tr_actor *self, void *state, tr_message *message)
{
    (void)state, (void)message;
    backlog = tr_backlog(self, of_no_worker(tr_self(self)));
    tally_add(&handled, 1);
}

static const struct tr_behavior plain = {.name = "plain", .receive = handle};

static void
a_mode_of_stopping_that_is_none_is_refused(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(WORKERS);
    tr_ref ref = stage_spawn(runtime, &plain, 0, NULL);
    assert_int_equal(tr_runtime_stop_actor(runtime, ref, (enum tr_stop_mode)(TR_STOP_KILL + 1)), TR_EINVAL);
    stage_close(runtime);
}

static void
the_backlog_of_a_name_of_no_worker_is_0(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(WORKERS);
    tr_ref ref = stage_spawn(runtime, &plain, 0, NULL);
    assert_int_equal(tr_ref_worker(of_no_worker(ref)), WORKERS);
    stage_send(runtime, ref, 1, NULL, 0);
    tally_await(&handled, 1);
    stage_close(runtime);
    assert_int_equal(backlog, 0);
}

/* It stays until it is killed. */
static bool
stays(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)self, (void)state, (void)how;
    tally_add(&asked, 1);
    return false;
}

static void
stop(void *argument)
{
    assert_int_equal(tr_runtime_stop(argument, TESTS_LIMIT_MS, NULL), TR_OK);
}

static void
a_runtime_that_drains_takes_no_message_of_a_thread_outside(void **state)
{
    (void)state;
    static const struct tr_behavior behavior = {.name = "stays", .receive = handle, .stopping = stays};
    tr_runtime *draining = stage_open(WORKERS);
    tr_ref ref = stage_spawn(draining, &behavior, 1, NULL);
    uv_thread_t thread;
    assert_int_equal(uv_thread_create(&thread, stop, draining), 0);
    tally_await(&asked, 1);
    tr_message message = tr_message_signal(1);
    assert_int_equal(tr_runtime_send(draining, ref, &message), TR_ESTOPPING);
    assert_int_equal(tr_runtime_stop_actor(draining, ref, TR_STOP_KILL), TR_OK);
    uv_thread_join(&thread);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_mode_of_stopping_that_is_none_is_refused, reset),
        cmocka_unit_test_setup(the_backlog_of_a_name_of_no_worker_is_0, reset),
        cmocka_unit_test_setup(a_runtime_that_drains_takes_no_message_of_a_thread_outside, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
