/*
 * A pinned worker beside something else on its CPU, as the system itself counts its waits. How it is pinned again is
 * in tests/core/loop/test_pins.c: on a machine that does other things that may never come.
 */
#include "helpers.h"
#include "stage.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/core/thread.h>

enum { GO = 1 };

/* A thread that works on the worker's CPU and never sleeps. */
struct neighbour {
    cpu_set_t cpus;
    uint64_t end; /* atomic */
};

static struct tally let_go;

static void *
be_neighbour(void *argument)
{
    struct neighbour *neighbour = argument;
    pthread_setaffinity_np(pthread_self(), sizeof(neighbour->cpus), &neighbour->cpus);
    while (__atomic_load_n(&neighbour->end, __ATOMIC_RELAXED) == 0)
        ;
    return NULL;
}

/* Works, in one callback, until its thread may use all CPUs of the program. */
static void
work_receive(tr_actor *self, void *state, tr_message *message)
{
    cpu_set_t all;
    struct neighbour neighbour = {.end = 0};
    uint64_t end_ns = tests_now_ns() + TESTS_LIMIT_MS * UINT64_C(1000000);
    pthread_t thread;
    (void)self;
    (void)state;
    memcpy(&all, tr_message_data(message), sizeof(all));
    assert_int_equal(sched_getaffinity(0, sizeof(neighbour.cpus), &neighbour.cpus), 0);
    assert_int_equal(pthread_create(&thread, NULL, be_neighbour, &neighbour), 0);
    cpu_set_t own = neighbour.cpus;
    while (!CPU_EQUAL(&own, &all) && tests_now_ns() < end_ns)
        sched_getaffinity(0, sizeof(own), &own);
    __atomic_store_n(&neighbour.end, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    assert_true(CPU_EQUAL(&own, &all));
    tally_add(&let_go, 1);
}

static const struct tr_behavior worker = {.name = "worker", .receive = work_receive};

static bool
system_tells(void)
{
    struct tri_thread_time time;
    tri_thread_time(tri_thread_number(), &time);
    return time.known;
}

static void
a_pinned_worker_is_let_go_while_something_else_runs_on_its_cpu(void **state)
{
    (void)state;
    cpu_set_t all;
    tr_runtime *runtime;
    sched_getaffinity(0, sizeof(all), &all);
    if (!system_tells())
        return;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1, .watchdog_ms = -1}, &runtime), TR_OK);
    stage_send(runtime, stage_spawn(runtime, &worker, 0, NULL), GO, &all, sizeof(all));
    tally_await(&let_go, 1);
    stage_close(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pinned_worker_is_let_go_while_something_else_runs_on_its_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
