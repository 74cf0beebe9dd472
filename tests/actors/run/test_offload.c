#include "helpers.h"
#include "stage.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <uv.h>

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

/* Its mailbox is full of what it sends itself, whenever the result comes. */
static void
full_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == RESULT) {
        tally_add(&results, 1);
        return;
    }
    if (tally_read(&checks) == 0)
        assert_int_equal(tr_offload(self, square, (void *)1, RESULT, destroy), TR_OK);
    tally_add(&checks, 1);
    if (tally_read(&destroyed) == 0)
        tr_tell(self, tr_self(self), GO, NULL, 0);
}

static void
a_result_comes_although_the_mailbox_is_full(void **state)
{
    static const struct tr_behavior full = {
        .name = "full", .receive = full_receive, .mailbox = {.messages = 1, .policy = 0}};
    (void)state;
    tr_runtime *runtime = stage_open(1);
    stage_send(runtime, stage_spawn(runtime, &full, 0, NULL), GO, NULL, 0);
    tally_await(&destroyed, 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&results), 1);
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

/* Jobs that have not begun when the runtime ends. */

#define POOL 2u
#define QUEUED 20u

static struct tally cancelled, destroyed_nothing;

static void *
hold_thread(void *argument)
{
    tally_add(&running, 1);
    tally_await(&gate, 1);
    return argument;
}

static void *
never_runs(void *argument)
{
    (void)argument;
    abort();
}

static void
cancel_job(void *argument)
{
    free(argument);
    tally_add(&cancelled, 1);
}

static void
destroy_nothing(void *result)
{
    assert_null(result);
    tally_add(&destroyed_nothing, 1);
}

/* Fills the pool, then queues jobs with a cancel function and without, and some with none at all. */
static void
queuer_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag != GO)
        return;
    for (unsigned i = 0; i < POOL; i++)
        assert_int_equal(tr_offload(self, hold_thread, NULL, RESULT, NULL), TR_OK);
    tally_await(&running, POOL);
    for (unsigned i = 0; i < QUEUED; i++) {
        struct tr_job job = {.work = never_runs, .argument = malloc(8), .tag = RESULT, .cancel = cancel_job};
        if (i % 2 == 0)
            job.destroy = destroy_nothing; /* not called: there is a cancel function */
        assert_int_equal(tr_offload_job(self, &job), TR_OK);
        assert_int_equal(tr_offload(self, never_runs, NULL, RESULT, destroy_nothing), TR_OK);
        assert_int_equal(tr_offload(self, never_runs, NULL, RESULT, NULL), TR_OK);
    }
    assert_int_equal(tr_offload_job(self, NULL), TR_EINVAL);
    assert_int_equal(tr_offload_job(self, &(struct tr_job){.tag = RESULT}), TR_EINVAL);
    tally_add(&checks, 1);
    if (message->payload.words[0] != 0)
        tr_exit(self);
}

/* One that is killed has no more use of a result. */
static bool
queuer_stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)state;
    if (how != TR_STOP_KILL)
        return false;
    assert_int_equal(tr_offload(self, never_runs, NULL, RESULT, destroy_nothing), TR_ESTOPPING);
    return true;
}

/* The functions that run go on until all others are cancelled. */
static void *
open_gate_after_cancelling(void *argument)
{
    tally_await(&cancelled, QUEUED);
    tally_await(&destroyed_nothing, QUEUED);
    tally_add(&gate, 1);
    return argument;
}

static void
stop_with_queued_jobs(bool exits, unsigned deadline_ms)
{
    static const struct tr_behavior queuer = {.name = "queuer", .receive = queuer_receive, .stopping = queuer_stopping};
    running = gate = checks = cancelled = destroyed_nothing = (struct tally){0};
    tr_runtime *runtime;
    struct tr_runtime_options options = {.workers = 2, .pinning = TR_PINNING_NEVER, .pool_size = POOL};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    uint64_t leave = exits;
    stage_send(runtime, stage_spawn(runtime, &queuer, 1, NULL), GO, &leave, sizeof(leave));
    tally_await(&checks, 1);
    pthread_t opener;
    pthread_create(&opener, NULL, open_gate_after_cancelling, NULL);
    struct tr_stop_report report;
    assert_int_equal(tr_runtime_stop(runtime, deadline_ms, &report), exits ? TR_OK : TR_ETIMEDOUT_STOP);
    pthread_join(opener, NULL);
    assert_int_equal(report.killed, exits ? 0 : 1);
    assert_int_equal(report.cancelled, 3 * QUEUED);
    assert_int_equal(tally_read(&cancelled), QUEUED);
    assert_int_equal(tally_read(&destroyed_nothing), QUEUED);
}

static void
functions_that_have_not_begun_by_the_deadline_are_cancelled_once(void **state)
{
    (void)state;
    stop_with_queued_jobs(false, 0);
}

static void
functions_of_actors_that_are_gone_are_cancelled_without_waiting_for_the_deadline(void **state)
{
    (void)state;
    stop_with_queued_jobs(true, TESTS_LIMIT_MS);
}

/* What a function starts, and what the pool runs after it. */

extern char **environ;

static int child_status;

/* A pool thread takes no signals; what is started on it does. */
static void *
start_program(void *argument)
{
    char *words[] = {"sh", "-c", "kill -TERM $$; exit 0", NULL};
    pid_t child;
    if (posix_spawnp(&child, "sh", NULL, NULL, words, environ) == 0)
        waitpid(child, &child_status, 0);
    tally_add(&checks, 1);
    return argument;
}

static uv_work_t own_request;
static tr_runtime *asked;

/* Work that the program gives to the pool itself may wait for the runtime. */
static void
wait_on_pool(uv_work_t *request)
{
    (void)request;
    tr_runtime_quit(asked);
    assert_int_equal(tr_runtime_wait(asked), 0);
    tally_add(&checks, 1);
}

static void *
wait_inside(void *argument)
{
    assert_int_equal(tr_runtime_wait(asked), TR_EWRONGTHREAD);
    tally_add(&checks, 1);
    return argument;
}

static void
starter_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == RESULT)
        assert_int_equal(uv_queue_work(tr_actor_loop(self), &own_request, wait_on_pool, NULL), 0);
    else
        assert_int_equal(
            tr_offload(self, message->payload.words[0] != 0 ? wait_inside : start_program, NULL, RESULT, NULL), TR_OK);
}

static void
what_a_function_starts_takes_signals(void **state)
{
    (void)state;
    static const struct tr_behavior starter = {.name = "starter", .receive = starter_receive};
    tr_runtime *runtime = asked = stage_open(1);
    uint64_t inside = 0;
    stage_send(runtime, stage_spawn(runtime, &starter, 0, NULL), GO, &inside, sizeof(inside));
    tally_await(&checks, 2);
    stage_close(runtime);
    assert_true(WIFSIGNALED(child_status));
    assert_int_equal(WTERMSIG(child_status), SIGTERM);
}

static void
only_in_an_offloaded_function_nobody_waits_for_the_runtime(void **state)
{
    (void)state;
    static const struct tr_behavior starter = {.name = "starter", .receive = starter_receive};
    tr_runtime *runtime = asked = stage_open(1);
    tr_ref ref = stage_spawn(runtime, &starter, 0, NULL);
    uint64_t inside = 1;
    for (unsigned i = 1; i <= 2 * POOL; i++) { /* so that a thread which ran a function runs the other work, too */
        stage_send(runtime, ref, GO, &inside, sizeof(inside));
        tally_await(&checks, 2 * i);
    }
    stage_close(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        /* first: the pool's size is that of the process's first use */
        cmocka_unit_test_setup(functions_that_have_not_begun_by_the_deadline_are_cancelled_once, reset),
        cmocka_unit_test_setup(functions_of_actors_that_are_gone_are_cancelled_without_waiting_for_the_deadline, reset),
        cmocka_unit_test_setup(every_result_comes_home_once, reset),
        cmocka_unit_test_setup(a_result_comes_although_the_mailbox_is_full, reset),
        cmocka_unit_test_setup(a_result_that_nobody_waits_for_is_destroyed, reset),
        cmocka_unit_test_setup(the_end_waits_for_a_function_that_runs, reset),
        cmocka_unit_test_setup(what_a_function_starts_takes_signals, reset),
        cmocka_unit_test_setup(only_in_an_offloaded_function_nobody_waits_for_the_runtime, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
