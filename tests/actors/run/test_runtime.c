#include "helpers.h"
#include "stage.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

enum { GO = 1 };

static struct tally checks;
static uint32_t cpus_seen[TR_WORKERS_MAX];

static void
look_receive(tr_actor *self, void *state, tr_message *message)
{
    cpu_set_t set;
    (void)state;
    (void)message;
    sched_getaffinity(0, sizeof(set), &set);
    cpus_seen[tr_ref_worker(tr_self(self))] = (uint32_t)CPU_COUNT(&set);
    tally_add(&checks, 1);
}

static const struct tr_behavior looker = {.name = "looker", .receive = look_receive};

static unsigned
usable_cpus(void)
{
    cpu_set_t set;
    sched_getaffinity(0, sizeof(set), &set);
    return (unsigned)CPU_COUNT(&set);
}

static void
look_at_affinity(const struct tr_runtime_options *options, unsigned workers, unsigned cpus)
{
    tr_runtime *runtime;
    checks = (struct tally){0};
    assert_int_equal(tr_runtime_start(options, &runtime), TR_OK);
    assert_int_equal(tr_runtime_workers(runtime), workers);
    for (unsigned i = 0; i < workers; i++)
        stage_send(runtime, stage_spawn(runtime, &looker, i, NULL), GO, NULL, 0);
    tally_await(&checks, workers);
    stage_close(runtime);
    for (unsigned i = 0; i < workers; i++)
        assert_int_equal(cpus_seen[i], cpus);
}

static void
there_is_a_pinned_worker_for_every_cpu(void **state)
{
    (void)state;
    look_at_affinity(&(struct tr_runtime_options){.pinning = TR_PINNING_ALWAYS}, usable_cpus(), 1);
}

static void
more_workers_than_cpus_and_some_that_are_not_pinned_are_possible(void **state)
{
    (void)state;
    struct tr_runtime_options options = {.workers = usable_cpus() * 3 + 1, .pinning = TR_PINNING_ALWAYS};
    look_at_affinity(&options, options.workers, 1);
    options.pinning = TR_PINNING_NEVER;
    look_at_affinity(&options, options.workers, usable_cpus());
}

static void
impossible_options_are_refused_by_name(void **state)
{
    (void)state;
    tr_runtime *runtime = NULL;
    assert_int_equal(tr_runtime_start(NULL, NULL), TR_EINVAL);
    struct tr_runtime_options options = {.workers = TR_WORKERS_MAX + 1};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_ETOOMANYWORKERS);
    options = (struct tr_runtime_options){.spin_us = -2};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_EBADLIMIT);
    options = (struct tr_runtime_options){.watchdog_ms = -2};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_EBADLIMIT);
    options = (struct tr_runtime_options){.pinning = (enum tr_pinning)3};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_EINVAL);
    options = (struct tr_runtime_options){.pinning = (enum tr_pinning) - 1};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_EINVAL);
    options = (struct tr_runtime_options){.pool_size = 1025};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_EBADLIMIT);
    options = (struct tr_runtime_options){.workers = 1, .trace = {.mode = TR_TRACE_FILE}};
    assert_int_not_equal(tr_runtime_start(&options, &runtime), TR_OK);
    assert_null(runtime);
    assert_int_equal(tr_runtime_stop(NULL, 0, NULL), TR_OK);
}

static void
a_worker_may_not_wait_for_itself(void *state_of_actor)
{
    tr_runtime *runtime = state_of_actor;
    assert_int_equal(tr_runtime_spawn(runtime, &looker, NULL, NULL), TR_EWRONGTHREAD);
    assert_int_equal(tr_runtime_stop(runtime, 0, NULL), TR_EWRONGTHREAD);
    tally_add(&checks, 1);
}

static void
misuse_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    a_worker_may_not_wait_for_itself(tr_actor_runtime(self));
}

static void
calls_that_block_are_refused_on_a_worker(void **state)
{
    (void)state;
    static const struct tr_behavior misuser = {.name = "misuser", .receive = misuse_receive};
    tr_runtime *runtime = stage_open(1);
    checks = (struct tally){0};
    stage_send(runtime, stage_spawn(runtime, &misuser, 0, NULL), GO, NULL, 0);
    tally_await(&checks, 1);
    stage_close(runtime);
}

static void *
quit_later(void *runtime)
{
    tr_runtime_quit(runtime);
    return NULL;
}

static void
waiting_ends_by_a_word_or_a_signal(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_runtime_quit(runtime);
    assert_int_equal(tr_runtime_wait(runtime), 0);
    pthread_t other;
    pthread_create(&other, NULL, quit_later, runtime);
    assert_int_equal(tr_runtime_wait(runtime), 0);
    pthread_join(other, NULL);
    pthread_kill(pthread_self(), SIGTERM); /* blocked since the first wait */
    assert_int_equal(tr_runtime_wait(runtime), SIGTERM);
    stage_close(runtime);
}

static void *
release_later(void *runtime)
{
    tr_runtime_release(runtime);
    return NULL;
}

static void
waiting_for_idleness_ends_with_the_last_hold(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    assert_int_equal(tr_runtime_wait_idle(runtime), 0);
    for (int i = 0; i < 200; i++) { /* the release comes before, during and after the look */
        pthread_t other;
        tr_runtime_hold(runtime);
        tr_runtime_hold(runtime);
        tr_runtime_release(runtime);
        pthread_create(&other, NULL, release_later, runtime);
        assert_int_equal(tr_runtime_wait_idle(runtime), 0);
        pthread_join(other, NULL);
    }
    tr_runtime_hold(runtime);
    pthread_kill(pthread_self(), SIGTERM);
    assert_int_equal(tr_runtime_wait_idle(runtime), SIGTERM);
    stage_close(runtime);
}

static pthread_t waits;

static void *
interrupt_and_be_idle_for_a_moment(void *runtime)
{
    pthread_kill(waits, SIGINT);
    tr_runtime_release(runtime);
    tr_runtime_hold(runtime);
    return NULL;
}

/* The user's signal is told, or is there still. */
static void
a_signal_that_comes_with_idleness_is_not_lost(void **state)
{
    (void)state;
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    tr_runtime *runtime = stage_open(1);
    assert_int_equal(tr_runtime_wait_idle(runtime), 0); /* from here on it is blocked */
    waits = pthread_self();
    tr_runtime_hold(runtime);
    for (int i = 0; i < 1000; i++) {
        pthread_t other;
        pthread_create(&other, NULL, interrupt_and_be_idle_for_a_moment, runtime);
        int signal = tr_runtime_wait_idle(runtime);
        pthread_join(other, NULL);
        if (signal == 0)
            signal = sigtimedwait(&interrupt, NULL, &(struct timespec){0});
        assert_int_equal(signal, SIGINT);
    }
    tr_runtime_release(runtime);
    stage_close(runtime);
}

static void
sigpipe_does_not_end_the_process(void **state)
{
    (void)state;
    int ends[2];
    signal(SIGPIPE, SIG_DFL);
    tr_runtime *runtime = stage_open(1);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    assert_int_equal(write(ends[1], "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    close(ends[1]);
    stage_close(runtime);
}

/* The loop of a worker is its actors' too. */
struct clockwork {
    uv_timer_t timer;
};

static void
closed(uv_handle_t *handle)
{
    tr_exit(handle->data);
}

static void
rang(uv_timer_t *timer)
{
    tr_actor *self = timer->data;
    tr_tell(self, tr_self(self), GO, NULL, 0);
    uv_timer_stop(timer);
}

static tr_status
clockwork_init(tr_actor *self, void *state, const void *argument)
{
    struct clockwork *clockwork = state;
    (void)argument;
    uv_timer_init(tr_actor_loop(self), &clockwork->timer);
    clockwork->timer.data = self;
    uv_timer_start(&clockwork->timer, rang, 1, 1);
    return TR_OK;
}

static bool
clockwork_stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    struct clockwork *clockwork = state;
    (void)self;
    (void)how;
    if (!uv_is_closing((uv_handle_t *)&clockwork->timer))
        uv_close((uv_handle_t *)&clockwork->timer, closed);
    return false;
}

static void
count_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    tally_add(&checks, 1);
}

static void
an_actor_may_put_handles_on_its_loop(void **state)
{
    (void)state;
    static const struct tr_behavior behavior = {.name = "clockwork",
                                                .state_size = sizeof(struct clockwork),
                                                .init = clockwork_init,
                                                .receive = count_receive,
                                                .stopping = clockwork_stopping};
    checks = (struct tally){0};
    for (unsigned deadline = 0; deadline < 2; deadline++) { /* by its own will, and killed */
        tr_runtime *runtime = stage_open(2);
        stage_spawn(runtime, &behavior, 1, NULL);
        tally_await(&checks, deadline + 1);
        tr_runtime_stop(runtime, deadline * TESTS_LIMIT_MS, NULL);
    }
}

/* Five seconds in which no worker woke up at all. Before them, what began may still be settling. */
static bool
is_at_rest(void *runtime)
{
    struct tr_counters before, after;
    tr_runtime_counters(runtime, &before);
    double cpu_ms = tests_cpu_ms_in(5000);
    tr_runtime_counters(runtime, &after);
    return after.sleeps == before.sleeps && cpu_ms < 10;
}

static void
an_idle_runtime_uses_no_cpu(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(4);
    stage_spawn(runtime, &looker, 0, NULL);
    assert_true(tests_wait_until(is_at_rest, runtime, TESTS_LIMIT_MS));
    stage_close(runtime);
}

static unsigned over; /* atomic */

static void *
quit_again_and_again(void *runtime)
{
    while (__atomic_load_n(&over, __ATOMIC_SEQ_CST) == 0)
        tr_runtime_quit(runtime);
    return NULL;
}

/* A wait that need not wait is sent no signal, which would end a later one. */
static void
a_wait_that_is_over_at_once_leaves_no_signal(void **state)
{
    (void)state;
    sigset_t pending;
    pthread_t other;
    tr_runtime *runtime = stage_open(1);
    over = 0;
    assert_int_equal(pthread_create(&other, NULL, quit_again_and_again, runtime), 0);
    for (int i = 0; i < 20000; i++)
        assert_int_equal(tr_runtime_wait_idle(runtime), 0);
    __atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
    pthread_join(other, NULL);
    assert_int_equal(sigpending(&pending), 0);
    assert_false(sigismember(&pending, SIGTERM));
    stage_close(runtime);
}

/* -- The names of threads. -- */

static char pool_name[16];
static uv_work_t look;

static void
look_in_pool(uv_work_t *work)
{
    (void)work;
    pthread_getname_np(pthread_self(), pool_name, sizeof(pool_name));
}

static void
looked_in_pool(uv_work_t *work, int status)
{
    (void)work;
    tally_add(&checks, status == 0);
}

/* The pool is the runtime's also for what the program itself puts on the loop: nothing here has used it before. */
static void
queue_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    assert_int_equal(uv_queue_work(tr_actor_loop(self), &look, look_in_pool, looked_in_pool), 0);
}

static void
each_thread_says_by_its_name_what_it_is_for(void **state)
{
    static const struct tr_behavior queues = {.name = "queues", .receive = queue_receive};
    static const char *const names[] = {"troupe/0", "troupe/1", "troupe/watchdog", "troupe/trace"};
    char directory[256];
    (void)state;
    assert_true(tests_directory_make(directory, sizeof(directory)));
    struct tr_runtime_options options = {.workers = 2, .trace = {.mode = TR_TRACE_FILE, .directory = directory}};
    tr_runtime *runtime;
    checks = (struct tally){0};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    stage_send(runtime, stage_spawn(runtime, &queues, 1, NULL), GO, NULL, 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_true(tests_wait_until(tests_has_thread, (void *)(uintptr_t)names[i], TESTS_LIMIT_MS));
    tally_await(&checks, 1);
    stage_close(runtime);
    assert_string_equal(pool_name, "troupe/pool");
    tests_directory_remove(directory);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_a_pinned_worker_for_every_cpu),
        cmocka_unit_test(more_workers_than_cpus_and_some_that_are_not_pinned_are_possible),
        cmocka_unit_test(impossible_options_are_refused_by_name),
        cmocka_unit_test(calls_that_block_are_refused_on_a_worker),
        cmocka_unit_test(waiting_ends_by_a_word_or_a_signal),
        cmocka_unit_test(waiting_for_idleness_ends_with_the_last_hold),
        cmocka_unit_test(a_signal_that_comes_with_idleness_is_not_lost),
        cmocka_unit_test(sigpipe_does_not_end_the_process),
        cmocka_unit_test(an_actor_may_put_handles_on_its_loop),
        cmocka_unit_test(an_idle_runtime_uses_no_cpu),
        cmocka_unit_test(a_wait_that_is_over_at_once_leaves_no_signal),
        cmocka_unit_test(each_thread_says_by_its_name_what_it_is_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
