/*
 * The CPUs here are directories in a tree of the test's own: other programs on the machine claim the system's. Other
 * processes are children of the test.
 */
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "claims.h"
#include "helpers.h"
#include "tree.h"
#include <cmocka.h>

#define CPUS 8

struct fixture {
    char root[TREE_ROOT_SIZE];
    cpu_set_t set;
    struct tri_cpus cpus;
    int taken[4 * CPUS];
    unsigned count;
};

static struct fixture fixture;

static int
open_fixture(void **state)
{
    struct fixture *f = &fixture;
    *f = (struct fixture){.cpus = {&f->set, sizeof(f->set), CPU_SETSIZE}};
    tree_make(f->root);
    for (int cpu = 0; cpu < CPUS; cpu++) {
        char path[32];
        snprintf(path, sizeof(path), "/cpu%d", cpu);
        tree_put(f->root, path, NULL);
        CPU_SET(cpu, &f->set);
    }
    *state = f;
    return 0;
}

static int
close_fixture(void **state)
{
    struct fixture *f = *state;
    while (f->count > 0)
        tri_claim_return(f->taken[--f->count]);
    tree_remove(f->root);
    return 0;
}

static void
put_siblings(struct fixture *f, int cpu, const char *text)
{
    char path[64];
    snprintf(path, sizeof(path), "/cpu%d/topology/thread_siblings_list", cpu);
    tree_put(f->root, path, text);
}

static int
take(struct fixture *f)
{
    return f->taken[f->count++] = tri_claim_take(f->root, &f->cpus);
}

static void
expect(struct fixture *f, const int *cpus, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(take(f), cpus[i]);
}

static void
expect_in_order(struct fixture *f, int first)
{
    for (int cpu = first; cpu < CPUS; cpu++)
        assert_int_equal(take(f), cpu);
}

static void
claims_are_spread_over_the_cpus_beginning_with_the_lowest(void **state)
{
    for (int round = 0; round < 3; round++)
        expect_in_order(*state, 0);
}

static void
a_cpu_that_was_given_back_is_the_next_to_be_claimed(void **state)
{
    struct fixture *f = *state;
    expect_in_order(f, 0);
    for (int cpu = 0; cpu < CPUS; cpu++) {
        tri_claim_return(f->taken[cpu]);
        assert_int_equal(f->taken[cpu] = tri_claim_take(f->root, &f->cpus), cpu);
    }
    tri_claim_return(-1);
}

static void
only_cpus_of_the_set_are_claimed(void **state)
{
    static const int expected[] = {3, 6, 3, 6};
    struct fixture *f = *state;
    CPU_ZERO(&f->set);
    CPU_SET(3, &f->set);
    CPU_SET(6, &f->set);
    expect(f, expected, 4);
    assert_int_equal(tri_claim_take(f->root, &(struct tri_cpus){0}), -1);
}

static void
every_core_has_a_worker_before_one_has_two(void **state)
{
    static const char *const lists[] = {"0,4\n", "1,5\n", "2-3\n", "2-3\n", "0,4\n", "1,5\n", "6\n", "7\n"};
    static const int expected[] = {0, 1, 2, 6, 7, 3, 4, 5, 6, 7, 0};
    struct fixture *f = *state;
    for (int cpu = 0; cpu < CPUS; cpu++)
        put_siblings(f, cpu, lists[cpu]);
    expect(f, expected, 9);
    tri_claim_return(f->taken[0]);
    tri_claim_return(f->taken[6]); /* of CPUs 0 and 4, one core */
    f->taken[0] = f->taken[6] = -1;
    assert_int_equal(take(f), 0);
    assert_int_equal(take(f), 4);
}

static void
what_makes_no_sense_as_a_core_is_a_core_of_its_own(void **state)
{
    static const char *const lists[] = {"",   "cores", "-1",  "3-99999999999", "999999999999999999999999",
                                        "\n", ",,",    "\x80"};
    struct fixture *f = *state;
    for (int cpu = 0; cpu < CPUS; cpu++)
        put_siblings(f, cpu, lists[cpu]);
    expect_in_order(f, 0);
    expect_in_order(f, 0);
}

static void
cpus_that_the_system_has_no_directory_for_are_claimed_all_the_same(void **state)
{
    struct fixture *f = *state;
    for (int cpu = 0; cpu < CPUS; cpu++) {
        char path[TREE_ROOT_SIZE + 16];
        snprintf(path, sizeof(path), "%s/cpu%d", f->root, cpu);
        rmdir(path);
    }
    expect_in_order(f, 0);
    expect_in_order(f, 0);
}

/* -- Moves. -- */

static int
move(struct fixture *f, unsigned which, int wanted)
{
    return f->taken[which] = tri_claim_move(f->root, &f->cpus, f->taken[which], wanted);
}

static void
a_claim_moves_to_a_free_cpu_and_to_no_other(void **state)
{
    static const int expected[] = {0, 1, 2};
    struct fixture *f = *state;
    expect(f, expected, 3);
    assert_int_equal(move(f, 0, 5), 5);
    assert_int_equal(move(f, 1, 5), 1);
    assert_int_equal(move(f, 1, CPUS), 1);
    assert_int_equal(move(f, 1, -1), 1);
    assert_int_equal(move(f, 1, 1), 1);
    assert_int_equal(take(f), 0); /* which the first has left */
}

static void
a_claim_leaves_a_cpu_that_was_taken_away(void **state)
{
    static const int expected[] = {0, 1, 2};
    struct fixture *f = *state;
    expect(f, expected, 3);
    CPU_CLR(1, &f->set);
    assert_int_equal(move(f, 1, 1), 3);
    CPU_CLR(3, &f->set);
    assert_int_equal(move(f, 1, 6), 6);
}

static void
a_new_claim_takes_the_cpu_that_is_wanted_if_it_is_free(void **state)
{
    struct fixture *f = *state;
    f->taken[f->count++] = -1;
    assert_int_equal(move(f, 0, 4), 4);
    f->taken[f->count++] = -1;
    assert_int_equal(move(f, 1, 4), 0);
}

/* -- Other processes. -- */

struct process {
    pid_t pid;
    int cpus[CPUS];
};

static void
claim_and_wait(struct fixture *f, int count, int out)
{
    int cpus[CPUS];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < count; i++)
        cpus[i] = tri_claim_take(f->root, &f->cpus);
    if (write(out, cpus, sizeof(cpus)) == sizeof(cpus))
        for (;;)
            pause();
    _exit(1);
}

/* Starts a process that claims so many CPUs, one after the other, and waits. */
static struct process
start_process(struct fixture *f, int count)
{
    int ends[2];
    struct process process;
    assert_int_equal(pipe(ends), 0);
    process.pid = fork();
    if (process.pid == 0)
        claim_and_wait(f, count, ends[1]);
    assert_int_equal(read(ends[0], process.cpus, sizeof(process.cpus)), sizeof(process.cpus));
    close(ends[0]);
    close(ends[1]);
    return process;
}

static void
kill_process(struct process *process)
{
    kill(process->pid, SIGKILL);
    assert_int_equal(waitpid(process->pid, NULL, 0), process->pid);
}

static void
two_processes_take_different_cpus_while_any_is_free(void **state)
{
    static const int expected[] = {3, 4, 5, 6, 7, 0, 1, 2};
    struct fixture *f = *state;
    struct process other = start_process(f, 3);
    assert_int_equal(other.cpus[0], 0);
    assert_int_equal(other.cpus[2], 2);
    assert_int_equal(take(f), 3);
    struct process third = start_process(f, 1);
    assert_int_equal(third.cpus[0], 4);
    kill_process(&third);
    expect(f, expected + 1, 7);
    kill_process(&other);
}

static void
a_claim_does_not_move_to_a_cpu_of_another_process(void **state)
{
    struct fixture *f = *state;
    struct process other = start_process(f, 3);
    assert_int_equal(take(f), 3);
    assert_int_equal(move(f, 0, 1), 3);
    kill_process(&other);
    assert_int_equal(move(f, 0, 1), 1);
}

static void
a_core_that_another_process_uses_comes_after_those_that_nobody_does(void **state)
{
    static const int expected[] = {2, 4, 6, 1, 3, 5, 7};
    static const char *const lists[] = {"0-1", "0-1", "2-3", "2-3", "4-5", "4-5", "6-7", "6-7"};
    struct fixture *f = *state;
    for (int cpu = 0; cpu < CPUS; cpu++)
        put_siblings(f, cpu, lists[cpu]);
    struct process other = start_process(f, 1);
    expect(f, expected, 7);
    kill_process(&other);
}

static void
what_a_killed_process_had_is_free_at_once(void **state)
{
    struct fixture *f = *state;
    struct process other = start_process(f, CPUS);
    kill_process(&other);
    expect_in_order(f, 0);
}

/* The child of a process that had a claim lives on without it, until the pipe's other end is closed. */
static void
claim_and_fork(struct fixture *f, const int *until_closed)
{
    char none;
    int cpu = tri_claim_take(f->root, &f->cpus);
    close(until_closed[1]);
    if (fork() == 0)
        _exit((int)read(until_closed[0], &none, 1));
    _exit(cpu);
}

static bool
cpu_0_is_free(void *argument)
{
    struct fixture *f = argument;
    int cpu = tri_claim_take(f->root, &f->cpus);
    tri_claim_return(cpu);
    return cpu == 0;
}

static void
a_forked_child_holds_none_of_its_parents_claims(void **state)
{
    struct fixture *f = *state;
    int until_closed[2], status;
    assert_int_equal(pipe(until_closed), 0);
    pid_t parent = fork();
    if (parent == 0)
        claim_and_fork(f, until_closed);
    assert_int_equal(waitpid(parent, &status, 0), parent);
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(tests_wait_until(cpu_0_is_free, f, TESTS_LIMIT_MS)); /* once the child has begun to run */
    close(until_closed[0]);
    close(until_closed[1]);
}

static void
claims_that_were_given_back_leave_no_descriptor(void **state)
{
    struct fixture *f = *state;
    int before = tests_open_fds();
    expect_in_order(f, 0);
    expect_in_order(f, 0);
    assert_int_equal(tests_open_fds(), before + CPUS);
    while (f->count > 0)
        tri_claim_return(f->taken[--f->count]);
    assert_int_equal(tests_open_fds(), before);
    struct process other = start_process(f, CPUS); /* and none of their locks */
    for (int cpu = 0; cpu < CPUS; cpu++)
        assert_int_equal(other.cpus[cpu], cpu);
    kill_process(&other);
}

/* A descriptor that is this directory's in this process; -1: there is none. */
static int
descriptor_of(const char *root, int cpu)
{
    char path[TREE_ROOT_SIZE + 16], link[64], target[2 * TREE_ROOT_SIZE];
    snprintf(path, sizeof(path), "%s/cpu%d", root, cpu);
    for (int fd = 0; fd < 256; fd++) {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t size = readlink(link, target, sizeof(target) - 1);
        target[size > 0 ? size : 0] = '\0';
        if (strcmp(target, path) == 0)
            return fd;
    }
    return -1;
}

/* As a library does that starts a child without our knowing. */
static void
a_claim_that_was_given_back_is_free_though_somebody_has_copied_its_descriptor(void **state)
{
    struct fixture *f = *state;
    char *real = realpath(f->root, NULL);
    assert_int_equal(take(f), 0);
    int copy = dup(descriptor_of(real, 0));
    free(real);
    assert_true(copy >= 0);
    tri_claim_return(f->taken[--f->count]);
    struct process other = start_process(f, 1);
    assert_int_equal(other.cpus[0], 0);
    kill_process(&other);
    close(copy);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(claims_are_spread_over_the_cpus_beginning_with_the_lowest),
        TEST(a_cpu_that_was_given_back_is_the_next_to_be_claimed),
        TEST(only_cpus_of_the_set_are_claimed),
        TEST(every_core_has_a_worker_before_one_has_two),
        TEST(what_makes_no_sense_as_a_core_is_a_core_of_its_own),
        TEST(cpus_that_the_system_has_no_directory_for_are_claimed_all_the_same),
        TEST(a_claim_moves_to_a_free_cpu_and_to_no_other),
        TEST(a_claim_leaves_a_cpu_that_was_taken_away),
        TEST(a_new_claim_takes_the_cpu_that_is_wanted_if_it_is_free),
        TEST(two_processes_take_different_cpus_while_any_is_free),
        TEST(a_claim_does_not_move_to_a_cpu_of_another_process),
        TEST(a_core_that_another_process_uses_comes_after_those_that_nobody_does),
        TEST(what_a_killed_process_had_is_free_at_once),
        TEST(a_forked_child_holds_none_of_its_parents_claims),
        TEST(claims_that_were_given_back_leave_no_descriptor),
        TEST(a_claim_that_was_given_back_is_free_though_somebody_has_copied_its_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
