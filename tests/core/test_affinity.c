#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "affinity.h"
#include <cmocka.h>
#include <uv.h>

static void
the_count_is_what_the_process_may_use(void **state)
{
    (void)state;
    assert_int_equal(tri_affinity_count(), uv_available_parallelism());
}

static void
the_cpus_are_numbered_round_and_round_without_repeating(void **state)
{
    (void)state;
    unsigned count = tri_affinity_count();
    for (unsigned i = 0; i < count; i++) {
        assert_true(tri_affinity_cpu(i) >= 0);
        assert_int_equal(tri_affinity_cpu(i + count), tri_affinity_cpu(i));
        if (i > 0)
            assert_true(tri_affinity_cpu(i) > tri_affinity_cpu(i - 1));
    }
    assert_true(tri_affinity_cpu(UINT32_MAX) >= 0);
}

struct pinned {
    int cpu;
    tr_status status;
    int runs_on;
    unsigned count;
    int first;
};

static void
pin_myself(void *argument)
{
    struct pinned *pinned = argument;
    pinned->status = tri_affinity_pin(pinned->cpu);
    pinned->runs_on = sched_getcpu();
    pinned->count = tri_affinity_count();
    pinned->first = tri_affinity_cpu(5);
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
    for (unsigned i = 0; i < before; i++) {
        struct pinned pinned = {.cpu = tri_affinity_cpu(i)};
        pin_a_thread(&pinned);
        assert_int_equal(pinned.status, TR_OK);
        assert_int_equal(pinned.runs_on, pinned.cpu);
        assert_int_equal(pinned.count, 1);
        assert_int_equal(pinned.first, pinned.cpu);
    }
    assert_int_equal(tri_affinity_count(), before); /* others keep theirs */
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
        cmocka_unit_test(the_cpus_are_numbered_round_and_round_without_repeating),
        cmocka_unit_test(a_pinned_thread_runs_on_its_cpu_and_may_use_no_other),
        cmocka_unit_test(a_cpu_that_there_is_not_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
