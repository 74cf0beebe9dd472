/*
 * What the watchdog does with the CPUs of threads. The threads are real and so are their masks, but how long they wait
 * for a CPU is what the test says, since nothing can be known of that on a machine that does other things: calls of
 * tri_thread_time() come here. The workers are the test's own, and their threads sleep.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "claims.h"
#include "helpers.h"
#include "mask.h"
#include "origin.h"
#include "watchdog.h"
#include <cmocka.h>
#include <troupe/core/thread.h>
#include <troupe/core/worker.h>

#define WORKERS 2u

enum { CALM, WAITS, UNKNOWN };

struct played {
    struct tri_worker *worker;
    unsigned mode; /* atomic */
    uv_thread_t thread;
    uv_sem_t started, act, acted;
    void (*action)(struct played *); /* on the thread; NULL: it ends */

    /* The watchdog's. */
    struct tri_thread_time time;
    uint64_t seen_ns;
};

struct fixture {
    struct tri_runtime *runtime;
    struct tri_cpus cpus;
    char directory[256];
};

static struct played played[WORKERS];

/* -- What the system would say. -- */

int __real_tri_claim_move(const char *root, const struct tri_cpus *cpus, int cpu, int wanted);
int __wrap_tri_claim_move(const char *root, const struct tri_cpus *cpus, int cpu, int wanted);
void __wrap_tri_thread_time(int number, struct tri_thread_time *out);

void
__wrap_tri_thread_time(int number, struct tri_thread_time *out)
{
    unsigned i = 0;
    while (i < WORKERS && ck_pr_load_int(&played[i].worker->thread_number) != number)
        i++;
    assert_true(i < WORKERS);
    unsigned mode = ck_pr_load_uint(&played[i].mode);
    uint64_t passed_ns = uv_hrtime() - played[i].seen_ns;
    played[i].seen_ns += passed_ns;
    played[i].time.known = mode != UNKNOWN;
    played[i].time.ran_ns += passed_ns / 2;
    played[i].time.waited_ns += mode == CALM ? 0 : passed_ns / 2;
    played[i].time.turns++;
    *out = played[i].time;
}

/* The watchdog pins a worker again where it has run: whether somebody has claimed that is not for it to say. */
static int cpu_wanted = -1, cpu_of_worker_0 = -2; /* atomic */

int
__wrap_tri_claim_move(const char *root, const struct tri_cpus *cpus, int cpu, int wanted)
{
    if (wanted >= 0) {
        ck_pr_store_int(&cpu_of_worker_0, tri_thread_cpu(ck_pr_load_int(&played[0].worker->thread_number)));
        ck_pr_store_int(&cpu_wanted, wanted);
    }
    return __real_tri_claim_move(root, cpus, cpu, wanted);
}

/* -- The workers. -- */

static void
be_worker(void *argument)
{
    struct played *self = argument;
    tri_thread_set_mask(&self->worker->mask_held);
    assert_int_equal(tri_affinity_pin(0, self->worker->cpu), TR_OK);
    ck_pr_store_int(&self->worker->thread_number, tri_thread_number());
    uv_sem_post(&self->started);
    for (;;) {
        uv_sem_wait(&self->act);
        if (self->action == NULL)
            break;
        self->action(self);
        uv_sem_post(&self->acted);
    }
    tri_mask_take(&self->worker->mask_held);
}

static void
begin_action(struct played *one, void (*action)(struct played *))
{
    one->action = action;
    uv_sem_post(&one->act);
}

static struct tri_worker *
new_worker(unsigned index, const struct tri_cpus *cpus)
{
    struct tri_worker *worker = aligned_alloc(alignof(struct tri_worker), sizeof(*worker));
    assert_non_null(worker);
    memset(worker, 0, sizeof(*worker));
    worker->index = index;
    worker->cpu = tri_claim_take(TRI_CLAIMS_ROOT, cpus);
    return worker;
}

static void
start_worker(struct fixture *f, unsigned i)
{
    struct played *one = &played[i];
    *one = (struct played){.worker = new_worker(i, &f->cpus), .mode = CALM};
    f->runtime->workers[i] = one->worker;
    uv_sem_init(&one->started, 0);
    uv_sem_init(&one->act, 0);
    uv_sem_init(&one->acted, 0);
    assert_int_equal(tri_thread_start(&one->thread, "worker", 0, be_worker, one), 0);
    uv_sem_wait(&one->started);
}

static void
end_worker(struct played *one)
{
    begin_action(one, NULL);
    uv_thread_join(&one->thread);
}

static void
free_worker(struct played *one)
{
    tri_claim_return(one->worker->cpu);
    uv_sem_destroy(&one->started);
    uv_sem_destroy(&one->act);
    uv_sem_destroy(&one->acted);
    free(one->worker);
}

static int
open_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->cpus = tri_cpus_own();
    f->runtime = aligned_alloc(alignof(struct tri_runtime), sizeof(*f->runtime));
    memset(f->runtime, 0, sizeof(*f->runtime));
    f->runtime->count = WORKERS;
    f->runtime->workers = calloc(WORKERS, sizeof(struct tri_worker *));
    for (unsigned i = 0; i < WORKERS; i++)
        start_worker(f, i);
    assert_true(tests_directory_make(f->directory, sizeof(f->directory)));
    struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = f->directory};
    assert_int_equal(tri_trace_open(&options, WORKERS, &f->runtime->trace), TR_OK);
    *state = f;
    return tri_watchdog_start(f->runtime, 0, true) != TR_OK;
}

static int
close_fixture(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < WORKERS; i++)
        end_worker(&played[i]); /* the watchdog goes on meanwhile, as in a runtime that ends */
    tri_watchdog_stop(f->runtime);
    for (unsigned i = 0; i < WORKERS; i++)
        free_worker(&played[i]);
    tri_trace_close(f->runtime->trace);
    tests_directory_remove(f->directory);
    tri_cpus_fini(&f->cpus);
    free(f->runtime->workers);
    free(f->runtime);
    free(f);
    return 0;
}

/* -- Conditions. -- */

static int
cpus_of(unsigned i, cpu_set_t *set)
{
    assert_int_equal(sched_getaffinity(played[i].worker->thread_number, sizeof(*set), set), 0);
    return CPU_COUNT(set);
}

static bool
is_pinned(void *worker)
{
    cpu_set_t set;
    return cpus_of((unsigned)(uintptr_t)worker, &set) == 1;
}

static bool
is_free(void *worker)
{
    cpu_set_t set, all;
    sched_getaffinity(0, sizeof(all), &all);
    cpus_of((unsigned)(uintptr_t)worker, &set);
    return CPU_EQUAL(&set, &all);
}

static void
await(bool (*holds)(void *), unsigned worker)
{
    assert_true(tests_wait_until(holds, (void *)(uintptr_t)worker, TESTS_LIMIT_MS));
}

/* Lets a worker run on all CPUs, so that it is seen on the last one, which need not be its own. */
static void
run_everywhere(struct played *self)
{
    cpu_set_t set;
    (void)self;
    sched_getaffinity(0, sizeof(set), &set);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (CPU_ISSET(cpu, &set))
            sched_setaffinity(0, sizeof(one), &one);
    }
    sched_setaffinity(0, sizeof(set), &set);
}

/* So many times the watchdog has looked at all workers, and decided: worker 1 waits, and is let go each time. */
static void
let_watchdog_decide(unsigned times)
{
    ck_pr_store_uint(&played[1].mode, WAITS);
    for (unsigned i = 0; i < times; i++) {
        await(is_free, 1);
        assert_int_equal(tri_affinity_pin(played[1].worker->thread_number, played[1].worker->cpu), TR_OK);
    }
    await(is_free, 1);
}

/* Is there an event of this kind about a worker in the trace? */
static bool
recorded(struct fixture *f, uint16_t id, uint32_t worker)
{
    struct {
        uint16_t id, flags;
        uint32_t arg;
        uint64_t actor;
    } wanted = {id, 0, worker, 0};
    char command[300];
    snprintf(command, sizeof(command), "cat %s/outside.*", f->directory);
    FILE *files = popen(command, "r");
    assert_non_null(files);
    static unsigned char content[8 * 1024 * 1024];
    size_t length = fread(content, 1, sizeof(content), files);
    pclose(files);
    return memmem(content, length, &wanted, sizeof(wanted)) != NULL;
}

/* -- The tests. -- */

static void
a_worker_that_waits_is_let_go_and_pinned_again_when_it_waits_no_more(void **state)
{
    struct fixture *f = *state;
    cpu_set_t set;
    assert_true(is_pinned(0));
    ck_pr_store_uint(&played[0].mode, WAITS);
    await(is_free, 0);
    assert_true(is_pinned((void *)(uintptr_t)1)); /* the other does not wait */
    begin_action(&played[0], run_everywhere);
    uv_sem_wait(&played[0].acted); /* from here on it sleeps */
    ck_pr_store_uint(&played[0].mode, CALM);
    await(is_pinned, 0);
    assert_int_equal(ck_pr_load_int(&cpu_wanted), ck_pr_load_int(&cpu_of_worker_0));
    ck_pr_store_uint(&played[0].mode, WAITS); /* what was true once is true again */
    await(is_free, 0);
    ck_pr_store_uint(&played[0].mode, CALM);
    await(is_pinned, 0);

    tri_watchdog_stop(f->runtime);
    cpus_of(0, &set);
    assert_true(CPU_ISSET(played[0].worker->cpu, &set));
    assert_true(recorded(f, TRI_TRACE_CORE_unpinned, 0));
    assert_true(recorded(f, TRI_TRACE_CORE_pinned, 0));
    assert_false(recorded(f, TRI_TRACE_CORE_unpinned, 1));
}

static void
cpus_that_somebody_else_has_chosen_for_a_worker_stay(void **state)
{
    (void)state;
    cpu_set_t set;
    int other = 0;
    sched_getaffinity(0, sizeof(set), &set);
    while (!CPU_ISSET(other, &set) || other == played[0].worker->cpu)
        other++;
    assert_int_equal(tri_affinity_pin(played[0].worker->thread_number, other), TR_OK);
    ck_pr_store_uint(&played[0].mode, WAITS);
    let_watchdog_decide(3);
    assert_true(is_pinned(0));
    cpus_of(0, &set);
    assert_true(CPU_ISSET(other, &set));
}

static void
a_worker_of_which_the_system_does_not_tell_is_left_alone(void **state)
{
    (void)state;
    ck_pr_store_uint(&played[0].mode, UNKNOWN);
    let_watchdog_decide(3);
    assert_true(is_pinned(0));
}

static void
cpus_that_are_lent_to_a_child_are_not_changed(void **state)
{
    (void)state;
    tri_mask_take(&played[0].worker->mask_held);
    ck_pr_store_uint(&played[0].mode, WAITS);
    let_watchdog_decide(3);
    assert_true(is_pinned(0));
    tri_mask_release(&played[0].worker->mask_held);
    await(is_free, 0);
}

static void
run_a_program(struct played *self)
{
    (void)self;
    assert_int_equal(system("true"), 0);
}

static void
a_child_is_not_started_while_the_cpus_change(void **state)
{
    (void)state;
    tri_mask_take(&played[0].worker->mask_held);
    begin_action(&played[0], run_a_program);
    let_watchdog_decide(2);
    assert_int_not_equal(uv_sem_trywait(&played[0].acted), 0);
    tri_mask_release(&played[0].worker->mask_held);
    uv_sem_wait(&played[0].acted);
    assert_true(tri_mask_try(&played[0].worker->mask_held)); /* and afterwards they may change */
    tri_mask_release(&played[0].worker->mask_held);
    assert_true(is_pinned(0));
}

static void
fork_and_try(struct played *self)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(!tri_mask_try(&self->worker->mask_held));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void
in_a_forked_child_nobody_changes_them(void **state)
{
    (void)state;
    tri_mask_take(&played[0].worker->mask_held);
    begin_action(&played[0], fork_and_try);
    uv_sem_wait(&played[0].acted);
    tri_mask_release(&played[0].worker->mask_held);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int
main(void)
{
    cpu_set_t set;
    const struct CMUnitTest tests[] = {
        TEST(a_worker_that_waits_is_let_go_and_pinned_again_when_it_waits_no_more),
        TEST(cpus_that_somebody_else_has_chosen_for_a_worker_stay),
        TEST(a_worker_of_which_the_system_does_not_tell_is_left_alone),
        TEST(cpus_that_are_lent_to_a_child_are_not_changed),
        TEST(a_child_is_not_started_while_the_cpus_change),
        TEST(in_a_forked_child_nobody_changes_them),
    };
    sched_getaffinity(0, sizeof(set), &set);
    if (CPU_COUNT(&set) < 2)
        return 0; /* there is no choice to be made */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
