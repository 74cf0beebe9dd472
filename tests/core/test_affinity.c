#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "affinity.h"
#include <cmocka.h>
#include <uv.h>

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
        cmocka_unit_test(a_pinned_thread_runs_on_its_cpu_and_may_use_no_other),
        cmocka_unit_test(a_cpu_that_there_is_not_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
