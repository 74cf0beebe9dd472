/*
 * What threads of the library, the pool's threads and their children inherit.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "affinity.h"
#include <cmocka.h>
#include <troupe/core/thread.h>

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
static const int others[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, SIGALRM, SIGPIPE, SIGPROF, SIGXFSZ};

/* What a thread finds when it looks at itself. */
struct found {
    char name[16];
    cpu_set_t cpus;
    sigset_t signals;
};

static void
look(struct found *found)
{
    assert_int_equal(pthread_getname_np(pthread_self(), found->name, sizeof(found->name)), 0);
    assert_int_equal(sched_getaffinity(0, sizeof(found->cpus), &found->cpus), 0);
    pthread_sigmask(SIG_BLOCK, NULL, &found->signals);
}

static void
look_around(void *argument)
{
    look(argument);
}

static void
expect_only_faults(const sigset_t *signals)
{
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        assert_false(sigismember(signals, faults[i]));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_true(sigismember(signals, others[i]));
}

static void
expect_same_signals(const sigset_t *a, const sigset_t *b)
{
    for (int signal = 1; signal < SIGRTMIN; signal++)
        assert_int_equal(sigismember(a, signal), sigismember(b, signal));
}

static void
run(const char *name, void (*main)(void *), void *argument)
{
    uv_thread_t thread;
    assert_int_equal(tri_thread_start(&thread, name, 0, main, argument), 0);
    uv_thread_join(&thread);
}

static void
a_thread_has_its_name_and_takes_no_signals_but_faults(void **state)
{
    (void)state;
    struct found before, found, after;
    look(&before);
    run("a-name-that-is-too-long", look_around, &found);
    look(&after);
    assert_string_equal(found.name, "a-name-that-is-");
    expect_only_faults(&found.signals);
    assert_true(CPU_EQUAL(&found.cpus, &before.cpus));
    expect_same_signals(&after.signals, &before.signals);
}

/* Pins itself as a worker does, and starts another thread. */
static void
pin_and_start(void *argument)
{
    int cpu = tri_affinity_claim();
    assert_int_equal(tri_affinity_pin(cpu), TR_OK);
    run("inner", look_around, argument);
    tri_affinity_return(cpu);
}

static void
a_thread_that_a_pinned_one_starts_has_all_of_the_programs_cpus(void **state)
{
    (void)state;
    struct found before, found;
    look(&before);
    run("outer", pin_and_start, &found);
    assert_true(CPU_EQUAL(&found.cpus, &before.cpus));
    expect_only_faults(&found.signals);
}

/* -- Children. -- */

/* The signals and CPUs of a child that the calling thread forks. */
static void
look_in_child(struct found *found)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        look(found);
        _exit(write(ends[1], found, sizeof(*found)) != sizeof(*found));
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], found, sizeof(*found)), sizeof(*found));
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
}

static void
pin_and_fork(void *argument)
{
    int cpu = tri_affinity_claim();
    assert_int_equal(tri_affinity_pin(cpu), TR_OK);
    look_in_child(argument);
    tri_affinity_return(cpu);
}

static void
a_forked_child_has_the_programs_cpus_and_signals(void **state)
{
    (void)state;
    sigset_t one, before;
    struct found own, found;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &one, &before); /* what the program blocks itself stays so */
    look(&own);
    run("outer", pin_and_fork, &found);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert_true(CPU_EQUAL(&found.cpus, &own.cpus));
    expect_same_signals(&found.signals, &own.signals);
    assert_true(sigismember(&found.signals, SIGUSR2));
}

/* As libuv's uv_spawn() does before it forks: nothing may reach the child before it is ready. */
static void
block_all_and_fork(void *argument)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    pin_and_fork(argument);
}

static void
who_blocks_signals_around_a_fork_finds_them_blocked_in_the_child(void **state)
{
    (void)state;
    struct found found;
    run("outer", block_all_and_fork, &found);
    assert_true(sigismember(&found.signals, SIGTERM));
    assert_true(sigismember(&found.signals, SIGSEGV));
}

static void
a_child_of_the_programs_own_thread_is_left_alone(void **state)
{
    (void)state;
    struct found own, found;
    run("any", look_around, &found);
    look(&own);
    look_in_child(&found);
    assert_true(CPU_EQUAL(&found.cpus, &own.cpus));
    expect_same_signals(&found.signals, &own.signals);
}

/* -- libuv's pool. -- */

#define JOBS 4u

struct job {
    uv_work_t request;
    struct found found;
};

static void
look_in_pool(uv_work_t *request)
{
    look(&((struct job *)request)->found);
}

static void
use_the_pool(void *argument)
{
    struct job *jobs = argument;
    uv_loop_t loop;
    int cpu = tri_affinity_claim();
    assert_int_equal(tri_affinity_pin(cpu), TR_OK);
    assert_int_equal(uv_loop_init(&loop), 0);
    tri_thread_start_pool();
    for (unsigned i = 0; i < JOBS; i++)
        assert_int_equal(uv_queue_work(&loop, &jobs[i].request, look_in_pool, NULL), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    tri_affinity_return(cpu);
}

static void
the_pool_that_a_pinned_thread_uses_first_runs_on_all_cpus(void **state)
{
    (void)state;
    static struct job jobs[JOBS];
    struct found own;
    look(&own);
    run("worker", use_the_pool, jobs);
    for (unsigned i = 0; i < JOBS; i++) {
        assert_true(CPU_EQUAL(&jobs[i].found.cpus, &own.cpus));
        expect_only_faults(&jobs[i].found.signals);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_has_its_name_and_takes_no_signals_but_faults),
        cmocka_unit_test(a_thread_that_a_pinned_one_starts_has_all_of_the_programs_cpus),
        cmocka_unit_test(a_forked_child_has_the_programs_cpus_and_signals),
        cmocka_unit_test(who_blocks_signals_around_a_fork_finds_them_blocked_in_the_child),
        cmocka_unit_test(a_child_of_the_programs_own_thread_is_left_alone),
        cmocka_unit_test(the_pool_that_a_pinned_thread_uses_first_runs_on_all_cpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
