#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "affinity.h"
#include <cmocka.h>
#include <uv.h>

/* The system refuses sets that are smaller than this, as one with so many CPUs does. */
static size_t least_set_bytes;

int __real_sched_getaffinity(pid_t thread, size_t size, cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t thread, size_t size, cpu_set_t *set);

int
__wrap_sched_getaffinity(pid_t thread, size_t size, cpu_set_t *set)
{
    if (size >= least_set_bytes)
        return __real_sched_getaffinity(thread, size, set);
    errno = EINVAL;
    return -1;
}

static unsigned
count_own(void)
{
    struct tri_cpus own = tri_cpus_own();
    unsigned count = tri_cpus_count(&own);
    tri_cpus_fini(&own);
    return count;
}

static void
the_count_is_what_the_process_may_use(void **state)
{
    (void)state;
    assert_int_equal(count_own(), uv_available_parallelism());
}

static void
a_set_has_the_cpus_that_the_system_names_and_no_others(void **state)
{
    (void)state;
    cpu_set_t set;
    struct tri_cpus own = tri_cpus_own(), copy = tri_cpus_copy(&own);
    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        assert_int_equal(tri_cpus_have(&copy, cpu), CPU_ISSET(cpu, &set) != 0);
    assert_false(tri_cpus_have(&own, -1));
    assert_false(tri_cpus_have(&own, own.capacity));
    tri_cpus_fini(&own);
    assert_false(tri_cpus_have(&own, sched_getcpu()));
    assert_true(tri_cpus_count(&own) >= 1);
    tri_cpus_fini(&copy);
}

static void
a_kernel_with_more_cpus_than_a_set_holds_gets_a_larger_one(void **state)
{
    (void)state;
    unsigned count = count_own();
    for (size_t bytes = 256; bytes <= 128 * 1024; bytes *= 2) {
        least_set_bytes = bytes;
        struct tri_cpus own = tri_cpus_own();
        least_set_bytes = 0;
        assert_int_equal(own.size, bytes);
        assert_int_equal(own.capacity, 8 * bytes);
        assert_int_equal(tri_cpus_count(&own), count);
        tri_cpus_fini(&own);
    }
    least_set_bytes = SIZE_MAX; /* and none, if it takes none */
    struct tri_cpus own = tri_cpus_own();
    least_set_bytes = 0;
    assert_null(own.set);
    assert_int_equal(tri_cpus_count(&own), 1);
}

/* Sets of the test's own. */
static void
sets_are_told_apart(void **state)
{
    (void)state;
    cpu_set_t bits[3];
    struct tri_cpus one = {&bits[0], sizeof(bits[0]), CPU_SETSIZE}, two = {&bits[1], sizeof(bits[1]), CPU_SETSIZE};
    struct tri_cpus same = {&bits[2], sizeof(bits[2]), CPU_SETSIZE}, none = {0};
    memset(bits, 0, sizeof(bits));
    CPU_SET(3, &bits[0]);
    CPU_SET(3, &bits[1]);
    CPU_SET(4, &bits[1]);
    CPU_SET(3, &bits[2]);
    assert_true(tri_cpus_are(&one, 3));
    assert_false(tri_cpus_are(&one, 4));
    assert_false(tri_cpus_are(&two, 3));
    assert_false(tri_cpus_are(&none, 3));
    assert_true(tri_cpus_equal(&one, &same));
    assert_false(tri_cpus_equal(&one, &two));
    assert_false(tri_cpus_equal(&one, &none));
    assert_false(tri_cpus_equal(&none, &none));
    assert_false(tri_cpus_read(&none, 0));
    assert_int_equal(tri_cpus_give(&none, 0), TR_ENOTSUPPORTED);
    assert_int_equal(tri_cpus_count(&two), 2);
}

struct pinned {
    int cpu;
    tr_status status;
    int runs_on;
    unsigned count;
};

static void
pin_myself(void *argument)
{
    struct pinned *pinned = argument;
    pinned->status = tri_affinity_pin(0, pinned->cpu);
    pinned->runs_on = sched_getcpu();
    pinned->count = count_own();
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
    unsigned before = count_own(), pinned_to = 0;
    struct tri_cpus own = tri_cpus_own();
    for (int cpu = 0; cpu < own.capacity; cpu++)
        if (tri_cpus_have(&own, cpu)) {
            struct pinned pinned = {.cpu = cpu};
            pin_a_thread(&pinned);
            assert_int_equal(pinned.status, TR_OK);
            assert_int_equal(pinned.runs_on, pinned.cpu);
            assert_int_equal(pinned.count, 1);
            pinned_to++;
        }
    assert_int_equal(pinned_to, before);
    assert_int_equal(count_own(), before); /* others keep theirs */
    tri_cpus_fini(&own);
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
        assert_int_equal(pinned.count, count_own());
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_count_is_what_the_process_may_use),
        cmocka_unit_test(a_set_has_the_cpus_that_the_system_names_and_no_others),
        cmocka_unit_test(a_kernel_with_more_cpus_than_a_set_holds_gets_a_larger_one),
        cmocka_unit_test(sets_are_told_apart),
        cmocka_unit_test(a_pinned_thread_runs_on_its_cpu_and_may_use_no_other),
        cmocka_unit_test(a_cpu_that_there_is_not_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
