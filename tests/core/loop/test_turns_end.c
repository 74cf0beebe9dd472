/*
 * The start and the end of workers and the runtime, below any actors. The layer above is the test's own
 * (turns_layer.h).
 *
 * Calls of some functions come here, so that a test can hold the thread that makes them, or make them fail.
 */
#include "affinity.h"
#include "claims.h"
#include "doorbell.h"
#include "helpers.h"
#include "mask.h"
#include "quota.h"
#include "turns_layer.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/core/thread.h>
#include <troupe/core/worker.h>

/* -- The end. -- */

/* Whether the calls of these are held or fail. Read by the threads that call. */
static struct {
    struct tri_runtime *gate; /* its last worker is nudged to death only when all are at the gate, or one has left it */
    unsigned threads_left;    /* starts of threads that succeed; then they fail, if `fails` */
    bool fails;
    bool time_unknown;
    unsigned quota; /* CPUs; 0: that of the machine */
} fault;

static struct tally gate_held, gate_left;

int __real_uv_async_send(uv_async_t *handle);
int __wrap_uv_async_send(uv_async_t *handle);
int __real_uv_thread_create_ex(uv_thread_t *thread, const uv_thread_options_t *options, uv_thread_cb main,
                               void *argument);
int __wrap_uv_thread_create_ex(uv_thread_t *thread, const uv_thread_options_t *options, uv_thread_cb main,
                               void *argument);
void __real_tri_thread_time(int number, struct tri_thread_time *out);
void __wrap_tri_thread_time(int number, struct tri_thread_time *out);
unsigned __real_tri_quota_cpus(const char *root);
unsigned __wrap_tri_quota_cpus(const char *root);

/* A worker that has left the gate closes its loop, and is about to end. */
static bool
one_has_left(const struct tri_runtime *runtime)
{
    for (unsigned i = 0; i < runtime->count; i++)
        if (uv_is_closing((const uv_handle_t *)&runtime->workers[i]->wakeup))
            return true;
    return false;
}

static unsigned quiet_looks; /* in which all stood at the gate */

static bool
all_stand_or_one_has_left(void *argument)
{
    const struct tri_runtime *runtime = argument;
    if (one_has_left(runtime))
        return true;
    bool all = ck_pr_load_uint(&runtime->at_gate) == runtime->count;
    for (unsigned i = 0; i < runtime->count; i++)
        all = all && tests_thread_sleeps(ck_pr_load_int(&runtime->workers[i]->thread_number));
    quiet_looks = all ? quiet_looks + 1 : 0;
    return quiet_looks == 10;
}

int
__wrap_uv_async_send(uv_async_t *handle)
{
    struct tri_runtime *runtime = fault.gate;
    if (runtime != NULL && handle == &runtime->workers[runtime->count - 1]->wakeup &&
        tri_runtime_phase(runtime) == TRI_KILLING) {
        quiet_looks = 0;
        tally_add(&gate_held, tests_wait_until(all_stand_or_one_has_left, runtime, TESTS_LIMIT_MS));
        tally_add(&gate_left, one_has_left(runtime));
        fault.gate = NULL;
    }
    return __real_uv_async_send(handle);
}

int
__wrap_uv_thread_create_ex(uv_thread_t *thread, const uv_thread_options_t *options, uv_thread_cb main, void *argument)
{
    if (fault.fails && fault.threads_left == 0)
        return UV_EAGAIN;
    fault.threads_left -= fault.fails;
    return __real_uv_thread_create_ex(thread, options, main, argument);
}

void
__wrap_tri_thread_time(int number, struct tri_thread_time *out)
{
    __real_tri_thread_time(number, out);
    out->known = out->known && !fault.time_unknown;
}

unsigned
__wrap_tri_quota_cpus(const char *root)
{
    return fault.quota != 0 ? fault.quota : __real_tri_quota_cpus(root);
}

static bool
never_rest(struct tri_worker *worker)
{
    return tri_runtime_phase(worker->runtime) != TRI_KILLING;
}

/* The thread that ends them is held before it has nudged the last worker, which sees by itself that it is over. */
static void
no_worker_closes_its_loop_while_somebody_may_still_ring_it(void **state)
{
    (void)state;
    layer_play.run = never_rest;
    gate_held = gate_left = (struct tally){0};
    struct tri_runtime *runtime = start_workers(3);
    fault.gate = runtime;
    end_workers(runtime);
    assert_null(fault.gate);
    assert_int_equal(tally_read(&gate_held), 1);
    assert_int_equal(tally_read(&gate_left), 0);
}

static struct tally quiet_in_all;

static void
say_quiet_twice(struct tri_worker *worker)
{
    tri_worker_quiet(worker);
    tri_worker_quiet(worker);
}

/* As a worker leaves it: nobody may change its thread's CPUs, nothing is open in its loop, all have said that they are
 * quiet. */
static void
look_at_what_is_left(struct tri_worker *worker)
{
    tally_add(&wrong, tri_mask_try(&worker->mask_held));
    tally_add(&wrong, uv_backend_fd(&worker->loop) >= 0);
    tally_add(&wrong, worker->runtime->quiet != worker->runtime->count);
    tally_add(&quiet_in_all, 1);
}

static void
a_runtime_drains_each_worker_once_and_kills_what_is_left_on_all(void **state)
{
    (void)state;
    layer_play.drain = say_quiet_twice;
    layer_play.close = look_at_what_is_left;
    quiet_in_all = (struct tally){0};
    struct tri_runtime *runtime = start_workers(3);
    for (unsigned i = 0; i < 3; i++)
        kills[i] = 1 + i;
    post(runtime->workers[1], GO, false);
    tally_await(&delivered, 1);
    assert_int_equal(tri_runtime_end(runtime, TESTS_LIMIT_MS), 6);
    assert_int_equal(tally_read(&drained), 3);
    tri_runtime_free(runtime);
    assert_int_equal(tally_read(&quiet_in_all), 3);
    assert_int_equal(tally_read(&wrong), 0);
}

static uv_timer_t left_open[3];

static void
open_timer(struct tri_worker *worker)
{
    assert_int_equal(uv_timer_init(&worker->loop, &left_open[worker->index]), 0);
    tri_worker_quiet(worker);
}

/* Its own two handles are open still. */
static void
count_handle(uv_handle_t *handle, void *count)
{
    (void)handle;
    ++*(unsigned *)count;
}

static void
look_before_leaving(struct tri_worker *worker)
{
    unsigned handles = 0;
    uv_walk(&worker->loop, count_handle, &handles);
    tally_add(&wrong, handles != 2);
    tally_add(&wrong, tri_worker_current() != worker);
    tally_add(&wrong, !worker->sealed);
    tally_add(&wrong, ck_pr_load_uint(&worker->runtime->at_gate) < worker->runtime->count);
    tally_add(&quiet_in_all, 1);
}

static void
each_worker_leaves_on_its_thread_when_all_have_killed_and_its_loop_is_empty(void **state)
{
    (void)state;
    layer_play.drain = open_timer;
    layer_play.leave = look_before_leaving;
    quiet_in_all = (struct tally){0};
    struct tri_runtime *runtime = start_workers(3);
    tri_runtime_end(runtime, TESTS_LIMIT_MS);
    assert_int_equal(tally_read(&quiet_in_all), 3);
    tri_runtime_free(runtime);
    assert_int_equal(tally_read(&wrong), 0);
}

static void
say_nothing(struct tri_worker *worker)
{
    post(worker, OTHER, true); /* it has more turns to come */
}

static void
what_is_not_quiet_has_until_the_deadline(void **state)
{
    (void)state;
    layer_play.drain = say_nothing;
    struct tri_runtime *runtime = start_workers(2);
    uint64_t began_ns = tests_now_ns();
    tri_runtime_end(runtime, 30);
    assert_true(tests_now_ns() - began_ns >= 30 * UINT64_C(1000000));
    assert_int_equal(tally_read(&drained), 2);
    assert_int_equal(tally_read(&delivered), 2);
    tri_runtime_free(runtime);
}

/* -- The start. -- */

static bool
has_threads(void *count)
{
    return tests_threads() == *(int *)count;
}

static void
expect_nothing_left(int fds, int threads)
{
    assert_int_equal(tests_open_fds(), fds);
    assert_true(tests_wait_until(has_threads, &threads, TESTS_LIMIT_MS));
}

/* For three workers and the watchdog, and the recorder if there is one: for as many threads as there may be. */
static void
a_runtime_without_threads_ends_those_that_it_has(void **state)
{
    (void)state;
    struct tr_runtime_options options = {.workers = 3, .pinning = TR_PINNING_ALWAYS};
    int fds = tests_open_fds(), threads = tests_threads();
    tr_status status = TR_EAGAIN;
    unsigned left = 0;
    for (; status == TR_EAGAIN; left++) {
        struct tri_runtime *runtime = NULL;
        fault.threads_left = left;
        fault.fails = true;
        status = tri_runtime_start(&options, &layer, NULL, &runtime);
        fault.fails = false;
        if (status == TR_OK)
            end_workers(runtime);
        assert_int_equal(tally_read(&closed), 3);
        closed = (struct tally){0};
        expect_nothing_left(fds, threads);
    }
    assert_int_equal(status, TR_OK);
    assert_in_range(left, 5, 6);
}

/* In a child, whose limit is its own. */
static bool
starts_with_few_descriptors(void)
{
    struct rlimit few = {64, 1024}, now;
    struct tri_runtime *runtime = NULL;
    struct tr_runtime_options options = {.workers = 40, .pinning = TR_PINNING_NEVER, .watchdog_ms = -1};
    if (setrlimit(RLIMIT_NOFILE, &few) != 0 || tri_runtime_start(&options, &layer, NULL, &runtime) != TR_OK)
        return false;
    getrlimit(RLIMIT_NOFILE, &now);
    tri_runtime_end(runtime, TESTS_LIMIT_MS);
    tri_runtime_free(runtime);
    return now.rlim_cur > 64;
}

static void
a_runtime_raises_the_limit_of_descriptors_as_far_as_it_needs(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(starts_with_few_descriptors() ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static struct tr_runtime_options
filled(struct tr_runtime_options options)
{
    struct tri_runtime *runtime = NULL;
    assert_int_equal(tri_runtime_start(&options, &layer, NULL, &runtime), TR_OK);
    options = runtime->options;
    closed = (struct tally){0};
    end_workers(runtime);
    return options;
}

static unsigned
given_cpus(void)
{
    struct tri_cpus cpus = tri_cpus_own();
    unsigned count = tri_cpus_count(&cpus);
    tri_cpus_fini(&cpus);
    return count;
}

static void
options_that_are_zero_mean_their_defaults(void **state)
{
    (void)state;
    unsigned given = given_cpus(), quota = tri_quota_cpus(""), cpus = quota > 0 && quota < given ? quota : given;
    struct tr_runtime_options defaults = filled((struct tr_runtime_options){0});
    assert_int_equal(defaults.workers, cpus);
    assert_int_equal(defaults.watchdog_ms, 1000);
    assert_int_equal(defaults.lane_limit, 1048576);
    assert_int_equal(defaults.outside_limit, 1048576);
    assert_int_equal(defaults.spin_us, cpus == given && cpus > 1 ? 20 : -1);
    assert_int_equal(filled((struct tr_runtime_options){.workers = cpus + 1}).spin_us, -1);
    assert_int_equal(filled((struct tr_runtime_options){.workers = 1, .spin_us = 7}).spin_us, -1);
}

static void
a_pool_may_have_a_thousand_and_twenty_four_threads(void **state)
{
    (void)state;
    setenv("UV_THREADPOOL_SIZE", "5", 1);
    filled((struct tr_runtime_options){.workers = 1, .pool_size = 1024});
    assert_string_equal(getenv("UV_THREADPOOL_SIZE"), "1024");
    filled((struct tr_runtime_options){.workers = 1});
    assert_string_equal(getenv("UV_THREADPOOL_SIZE"), "1024");
    unsetenv("UV_THREADPOOL_SIZE"); /* nothing here has used the pool */
}

static void
what_the_system_does_not_tell_is_no_reason_to_pin(void **state)
{
    (void)state;
    fault.time_unknown = true;
    enum tr_pinning adaptive = filled((struct tr_runtime_options){.workers = 1}).pinning;
    enum tr_pinning always = filled((struct tr_runtime_options){.workers = 1, .pinning = TR_PINNING_ALWAYS}).pinning;
    fault.time_unknown = false;
    assert_int_equal(adaptive, TR_PINNING_NEVER);
    assert_int_equal(always, TR_PINNING_ALWAYS);
}

static bool
begins_pinned(enum tr_pinning pinning, unsigned quota)
{
    struct tr_runtime_options options = {.workers = 1, .pinning = pinning};
    struct tri_runtime *runtime = NULL;
    fault.quota = quota;
    assert_int_equal(tri_runtime_start(&options, &layer, NULL, &runtime), TR_OK);
    fault.quota = 0;
    bool pinned = runtime->begins_pinned;
    closed = (struct tally){0};
    end_workers(runtime);
    return pinned;
}

static void
under_a_quota_of_fewer_cpus_adaptive_workers_begin_unpinned(void **state)
{
    (void)state;
    unsigned cpus = given_cpus();
    if (cpus == 1)
        skip();
    assert_true(begins_pinned(TR_PINNING_ADAPTIVE, cpus));
    assert_false(begins_pinned(TR_PINNING_ADAPTIVE, cpus - 1));
    assert_true(begins_pinned(TR_PINNING_ALWAYS, cpus - 1));
    assert_false(begins_pinned(TR_PINNING_NEVER, cpus));
}

static tr_status
note_claim(struct tri_worker *worker)
{
    tally_add(&wrong, worker->cpu >= 0);
    return TR_OK;
}

static void
a_worker_that_is_never_pinned_claims_no_cpu(void **state)
{
    (void)state;
    layer_play.open = note_claim;
    end_workers(start_workers(2));
}

static tr_status
does_not_open(struct tri_worker *worker)
{
    (void)worker;
    return TR_ENOMEM;
}

/* Each CPU is claimed once before one is claimed again, and of equals the lowest: so none was claimed before. */
static void
a_worker_that_cannot_be_made_gives_its_claim_back(void **state)
{
    (void)state;
    struct tr_runtime_options options = {.workers = 1, .pinning = TR_PINNING_ALWAYS};
    struct tri_runtime *runtime = NULL;
    struct tri_cpus cpus = tri_cpus_own();
    int claims[64];
    unsigned count = tri_cpus_count(&cpus) < 64 ? tri_cpus_count(&cpus) : 64;
    layer_play.open = does_not_open;
    assert_int_equal(tri_runtime_start(&options, &layer, NULL, &runtime), TR_ENOMEM);
    for (unsigned i = 0; i < count; i++)
        claims[i] = tri_claim_take("/nowhere", &cpus);
    for (unsigned i = 0; i < count; i++)
        tri_claim_return(claims[i]);
    tri_cpus_fini(&cpus);
    if (count == 1)
        skip();
    for (unsigned i = 1; i < count; i++)
        assert_true(claims[i - 1] >= 0 && claims[i - 1] < claims[i]);
}

/* A signal for the process finds none of our threads: it waits for one that takes it. */
static void
no_thread_of_the_runtime_takes_a_signal_for_the_process(void **state)
{
    (void)state;
    struct tri_runtime *runtime = NULL;
    struct tr_runtime_options options = {.workers = 4, .watchdog_ms = 1000};
    sigset_t one, before;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    assert_int_equal(tri_runtime_start(&options, &layer, NULL, &runtime), TR_OK);
    pthread_sigmask(SIG_BLOCK, &one, &before); /* only now: a thread begins with what its maker blocks */
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    for (unsigned i = 0; i < 4; i++)
        post(runtime->workers[i], GO, false); /* each has run since */
    tally_await(&delivered, 4);
    assert_int_equal(sigtimedwait(&one, NULL, &(struct timespec){0}), SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    end_workers(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_worker_closes_its_loop_while_somebody_may_still_ring_it),
        TEST(a_runtime_drains_each_worker_once_and_kills_what_is_left_on_all),
        TEST(each_worker_leaves_on_its_thread_when_all_have_killed_and_its_loop_is_empty),
        TEST(what_is_not_quiet_has_until_the_deadline),
        TEST(a_runtime_without_threads_ends_those_that_it_has),
        TEST(a_runtime_raises_the_limit_of_descriptors_as_far_as_it_needs),
        TEST(options_that_are_zero_mean_their_defaults),
        TEST(a_pool_may_have_a_thousand_and_twenty_four_threads),
        TEST(under_a_quota_of_fewer_cpus_adaptive_workers_begin_unpinned),
        TEST(what_the_system_does_not_tell_is_no_reason_to_pin),
        TEST(a_worker_that_is_never_pinned_claims_no_cpu),
        TEST(a_worker_that_cannot_be_made_gives_its_claim_back),
        TEST(no_thread_of_the_runtime_takes_a_signal_for_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
