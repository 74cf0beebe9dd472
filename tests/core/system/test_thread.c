/*
 * What threads of the library, the pool's threads and their children inherit.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helpers.h"
#include "origin.h"
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
    assert_int_equal(tri_affinity_pin(0, sched_getcpu()), TR_OK);
    run("inner", look_around, argument);
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

/* What a runtime that is started there counts as the program's CPUs. */
static void
pin_and_count(void *argument)
{
    assert_int_equal(tri_affinity_pin(0, sched_getcpu()), TR_OK);
    struct tri_cpus cpus = tri_origin_cpus();
    *(unsigned *)argument = tri_cpus_count(&cpus);
    tri_cpus_fini(&cpus);
}

/* On each CPU in turn. */
static void
pin_and_tell_cpu(void *argument)
{
    struct tri_cpus cpus = tri_origin_cpus();
    for (int cpu = 0; cpu < cpus.capacity; cpu++)
        if (tri_cpus_have(&cpus, cpu)) {
            assert_int_equal(tri_affinity_pin(0, cpu), TR_OK);
            *(unsigned *)argument += tri_thread_cpu(tri_thread_number()) == cpu;
        }
    tri_cpus_fini(&cpus);
}

static void
the_cpu_on_which_a_thread_runs_is_known(void **state)
{
    (void)state;
    struct found own;
    unsigned right = 0;
    look(&own);
    run("outer (with) S 1", pin_and_tell_cpu, &right); /* the name stands before the numbers, as it is */
    assert_int_equal(right, CPU_COUNT(&own.cpus));
    assert_int_equal(tri_thread_cpu(INT32_MAX), -1);
}

static void
the_programs_cpus_are_known_on_a_pinned_thread(void **state)
{
    (void)state;
    struct found own;
    unsigned count = 0;
    look(&own);
    run("outer", pin_and_count, &count);
    assert_int_equal(count, CPU_COUNT(&own.cpus));
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
    assert_int_equal(tri_affinity_pin(0, sched_getcpu()), TR_OK);
    look_in_child(argument);
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

/*
 * Programs that a thread starts. Each way writes what the program finds of itself into a file: the masks that it blocks
 * and runs on, as the system writes them. The program is grep, or the shell itself: what a shell starts may have other
 * masks than the shell.
 */
#define MASKS "SigBlk:|Cpus_allowed_list:"
#define SHELL                                                                                                          \
    "while read -r line; do case \"$line\" in SigBlk:*|Cpus_allowed_list:*) echo \"$line\";; esac; done "              \
    "</proc/self/status"

struct masks {
    char text[256];
};

static char *const words[] = {"grep", "-E", MASKS, "/proc/self/status", NULL};

static void
spawn_with(int (*function)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                           char *const *, char *const *),
           const char *path, const posix_spawnattr_t *attributes, int out)
{
    pid_t child;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    assert_int_equal(function(&child, path, &actions, attributes, words, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    assert_true(tests_child_succeeds(child));
}

static void
by_posix_spawn(int out)
{
    spawn_with(posix_spawn, "/bin/grep", NULL, out);
}

static void
by_posix_spawnp(int out)
{
    posix_spawnattr_t attributes; /* that say nothing of signals */
    posix_spawnattr_init(&attributes);
    spawn_with(posix_spawnp, "grep", &attributes, out);
    posix_spawnattr_destroy(&attributes);
}

static void
by_system(int out)
{
    char command[300];
    snprintf(command, sizeof(command), "%s >/proc/%d/fd/%d", SHELL, (int)getpid(), out);
    assert_int_equal(system(command), 0);
}

static void
by_popen(int out)
{
    char line[128];
    FILE *file = popen(SHELL, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        dprintf(out, "%s", line);
    assert_int_equal(pclose(file), 0);
}

static void
by_fork(int out)
{
    pid_t child = fork();
    if (child == 0) {
        dup2(out, STDOUT_FILENO);
        execvp("grep", words);
        _exit(127);
    }
    assert_true(tests_child_succeeds(child));
}

static void
by_uv_spawn(int out)
{
    uv_loop_t loop;
    uv_process_t process;
    uv_stdio_container_t stdio[] = {{.flags = UV_IGNORE}, {.flags = UV_INHERIT_FD, .data.fd = out}};
    uv_process_options_t options = {
        .file = "grep", .args = (char **)(uintptr_t)words, .stdio = stdio, .stdio_count = 2};
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_spawn(&loop, &process, &options), 0);
    assert_true(tests_child_succeeds(process.pid));
    uv_close((uv_handle_t *)&process, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void (*const ways[])(int) = {by_posix_spawn, by_posix_spawnp, by_system, by_popen, by_fork, by_uv_spawn};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static void
look_from_programs(void *argument)
{
    struct masks *masks = argument;
    for (size_t i = 0; i < WAYS; i++) {
        FILE *file = tmpfile();
        assert_non_null(file);
        ways[i](fileno(file));
        rewind(file);
        masks[i].text[fread(masks[i].text, 1, sizeof(masks[i].text) - 1, file)] = '\0';
        fclose(file);
    }
}

/* The mask of what the calling thread blocks, before and after. */
static void
pin_and_look_from_programs(void *argument)
{
    struct found before, after;
    assert_int_equal(tri_affinity_pin(0, sched_getcpu()), TR_OK);
    look(&before);
    look_from_programs(argument);
    look(&after);
    assert_true(CPU_EQUAL(&after.cpus, &before.cpus));
    expect_same_signals(&after.signals, &before.signals);
}

/* As an offloaded function: on a thread of libuv's pool, which has the origin of the worker. */
struct errand {
    uv_work_t request;
    const struct tri_origin *origin;
    struct masks *masks;
};

static void
look_from_programs_in_pool(uv_work_t *request)
{
    struct errand *errand = (struct errand *)request;
    const struct tri_origin *before = tri_thread_set_origin(errand->origin);
    look_from_programs(errand->masks);
    tri_thread_set_origin(before);
}

static void
offload(void *argument)
{
    struct errand errand = {.origin = tri_thread_origin(), .masks = argument};
    uv_loop_t loop;
    tri_thread_start_pool();
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_queue_work(&loop, &errand.request, look_from_programs_in_pool, NULL), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void
expect_same_masks(const struct masks *found, const struct masks *own)
{
    for (size_t i = 0; i < WAYS; i++)
        assert_string_equal(found[i].text, own[i].text);
}

static void
a_program_has_the_programs_cpus_and_signals_whichever_thread_starts_it_and_how(void **state)
{
    (void)state;
    static struct masks own[WAYS], of_worker[WAYS], of_pool[WAYS];
    sigset_t one, before;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &one, &before); /* what the program blocks itself stays so */
    look_from_programs(own);
    run("worker", pin_and_look_from_programs, of_worker);
    run("worker", offload, of_pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    for (size_t i = 0; i < WAYS; i++)
        assert_non_null(strstr(own[i].text, "Cpus_allowed_list:"));
    expect_same_masks(of_worker, own);
    expect_same_masks(of_pool, own);
}

/* The caller's attributes say which signals the child blocks. */
static void
spawn_with_signals(void *argument)
{
    struct masks *masks = argument;
    posix_spawnattr_t attributes;
    sigset_t one;
    FILE *file = tmpfile();
    sigemptyset(&one);
    sigaddset(&one, SIGHUP);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attributes, &one);
    spawn_with(posix_spawn, "/bin/grep", &attributes, fileno(file));
    posix_spawnattr_destroy(&attributes);
    rewind(file);
    masks->text[fread(masks->text, 1, sizeof(masks->text) - 1, file)] = '\0';
    fclose(file);
}

static void
signals_that_the_caller_of_posix_spawn_sets_are_those_of_the_child(void **state)
{
    (void)state;
    static struct masks found;
    run("worker", spawn_with_signals, &found);
    assert_non_null(strstr(found.text, "SigBlk:\t0000000000000001\n"));
}

/* A thread that has prepared its signals for a child: by these ways it has them. */
static void
change_signals_and_look_from_programs(void *argument)
{
    struct masks *masks = argument;
    static void (*const own_ways[])(int) = {by_posix_spawn, by_posix_spawnp, by_popen, by_fork};
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGHUP);
    pthread_sigmask(SIG_SETMASK, &one, NULL);
    for (size_t i = 0; i < sizeof(own_ways) / sizeof(own_ways[0]); i++) {
        FILE *file = tmpfile();
        own_ways[i](fileno(file));
        rewind(file);
        masks[i].text[fread(masks[i].text, 1, sizeof(masks[i].text) - 1, file)] = '\0';
        fclose(file);
    }
}

static void
a_thread_that_has_changed_its_signals_hands_them_on(void **state)
{
    (void)state;
    static struct masks found[4];
    run("worker", change_signals_and_look_from_programs, found);
    for (size_t i = 0; i < 4; i++)
        if (strstr(found[i].text, "SigBlk:\t0000000000000001\n") == NULL)
            fail_msg("way %zu: %s", i, found[i].text);
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
    assert_int_equal(tri_affinity_pin(0, sched_getcpu()), TR_OK);
    assert_int_equal(uv_loop_init(&loop), 0);
    tri_thread_start_pool();
    for (unsigned i = 0; i < JOBS; i++)
        assert_int_equal(uv_queue_work(&loop, &jobs[i].request, look_in_pool, NULL), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
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
        cmocka_unit_test(the_cpu_on_which_a_thread_runs_is_known),
        cmocka_unit_test(the_programs_cpus_are_known_on_a_pinned_thread),
        cmocka_unit_test(a_forked_child_has_the_programs_cpus_and_signals),
        cmocka_unit_test(who_blocks_signals_around_a_fork_finds_them_blocked_in_the_child),
        cmocka_unit_test(a_child_of_the_programs_own_thread_is_left_alone),
        cmocka_unit_test(a_program_has_the_programs_cpus_and_signals_whichever_thread_starts_it_and_how),
        cmocka_unit_test(signals_that_the_caller_of_posix_spawn_sets_are_those_of_the_child),
        cmocka_unit_test(a_thread_that_has_changed_its_signals_hands_them_on),
        cmocka_unit_test(the_pool_that_a_pinned_thread_uses_first_runs_on_all_cpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
