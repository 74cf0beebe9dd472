#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "affinity.h"
#include <cmocka.h>
#include <uv.h>

static void
the_count_is_what_the_process_may_use(void **state)
{
    (void)state;
    assert_int_equal(tri_affinity_count(), uv_available_parallelism());
}

/* How many claims there are of a CPU. */
static unsigned
claims_of(const int *cpus, unsigned count, int cpu)
{
    unsigned claims = 0;
    for (unsigned i = 0; i < count; i++)
        claims += cpus[i] == cpu;
    return claims;
}

static void
claims_are_spread_over_the_cpus_beginning_with_the_lowest(void **state)
{
    (void)state;
    unsigned count = tri_affinity_count();
    int *cpus = calloc(3 * count, sizeof(int));
    for (unsigned i = 0; i < 3 * count; i++) {
        cpus[i] = tri_affinity_claim();
        assert_true(cpus[i] >= 0);
        if (i % count > 0)
            assert_true(cpus[i] > cpus[i - 1]);
    }
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(claims_of(cpus, 3 * count, cpus[i]), 3);
    for (unsigned i = 0; i < 3 * count; i++)
        tri_affinity_return(cpus[i]);
    free(cpus);
}

static void
a_cpu_that_was_given_back_is_the_next_to_be_claimed(void **state)
{
    (void)state;
    unsigned count = tri_affinity_count();
    int *cpus = calloc(count, sizeof(int));
    for (unsigned i = 0; i < count; i++)
        cpus[i] = tri_affinity_claim();
    for (unsigned i = 0; i < count; i++) {
        tri_affinity_return(cpus[i]);
        assert_int_equal(tri_affinity_claim(), cpus[i]);
    }
    for (unsigned i = 0; i < count; i++)
        tri_affinity_return(cpus[i]);
    tri_affinity_return(-1);
    int first = tri_affinity_claim();
    assert_int_equal(first, cpus[0]);
    tri_affinity_return(first);
    free(cpus);
}

struct pinned {
    int cpu;
    tr_status status;
    int runs_on;
    unsigned count;
    int claimed;
};

static void
pin_myself(void *argument)
{
    struct pinned *pinned = argument;
    pinned->status = tri_affinity_pin(pinned->cpu);
    pinned->runs_on = sched_getcpu();
    pinned->count = tri_affinity_count();
    pinned->claimed = tri_affinity_claim();
    tri_affinity_return(pinned->claimed);
}

static void
pin_a_thread(struct pinned *pinned)
{
    uv_thread_t thread;
    assert_int_equal(uv_thread_create(&thread, pin_myself, pinned), 0);
    uv_thread_join(&thread);
}

static void
a_pinned_thread_runs_on_its_cpu_and_may_use_no_other(void **state)
{
    (void)state;
    unsigned before = tri_affinity_count();
    int *cpus = calloc(before, sizeof(int));
    for (unsigned i = 0; i < before; i++) {
        struct pinned pinned = {.cpu = cpus[i] = tri_affinity_claim()};
        pin_a_thread(&pinned);
        assert_int_equal(pinned.status, TR_OK);
        assert_int_equal(pinned.runs_on, pinned.cpu);
        assert_int_equal(pinned.count, 1);
        assert_int_equal(pinned.claimed, pinned.cpu);
    }
    assert_int_equal(tri_affinity_count(), before); /* others keep theirs */
    for (unsigned i = 0; i < before; i++)
        tri_affinity_return(cpus[i]);
    free(cpus);
}

static void
a_cpu_that_there_is_not_is_refused(void **state)
{
    (void)state;
    static const int wrong[] = {-1, INT32_MIN, INT32_MAX, 1024 * 1024 - 1};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct pinned pinned = {.cpu = wrong[i]};
        pin_a_thread(&pinned);
        assert_int_equal(pinned.status, TR_EINVAL);
        assert_int_equal(pinned.count, tri_affinity_count());
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_count_is_what_the_process_may_use),
        cmocka_unit_test(claims_are_spread_over_the_cpus_beginning_with_the_lowest),
        cmocka_unit_test(a_cpu_that_was_given_back_is_the_next_to_be_claimed),
        cmocka_unit_test(a_pinned_thread_runs_on_its_cpu_and_may_use_no_other),
        cmocka_unit_test(a_cpu_that_there_is_not_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
