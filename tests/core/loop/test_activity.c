/*
 * How far behind a loop is: what its worker publishes, and what others see of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <troupe/core/activity.h>

static struct tri_worker_activity activity;

static int
reset(void **state)
{
    (void)state;
    activity = (struct tri_worker_activity){.name = NULL};
    return 0;
}

static uint32_t
behind(uint64_t now_ms)
{
    return tri_activity_behind_ms(&activity, now_ms);
}

static void
a_loop_that_never_turned_is_not_behind(void **state)
{
    (void)state;
    assert_int_equal(behind(123456), 0);
}

static void
a_callback_keeps_the_loop_from_its_descriptors_for_as_long_as_it_runs(void **state)
{
    (void)state;
    activity.polled_ms = 1000;
    activity.name = "actor";
    assert_int_equal(behind(1000), 0);
    assert_int_equal(behind(1250), 250);
    assert_int_equal(behind(999), 0); /* clocks of two threads */
    activity.name = NULL;
    assert_int_equal(behind(1250), 0); /* it sleeps */
}

static void
end_turn_after(uint64_t began_ms, uint64_t ended_ms, unsigned callbacks)
{
    activity.polled_ms = began_ms;
    activity.beat += callbacks;
    tri_activity_end_turn(&activity, ended_ms);
}

static void
a_turn_that_took_long_is_seen_for_as_long_again(void **state)
{
    (void)state;
    end_turn_after(1000, 1300, 1);
    assert_int_equal(behind(1300), 300);
    assert_int_equal(behind(1599), 300);
    assert_int_equal(behind(1600), 0);
}

static void
messages_make_a_turn_as_callbacks_do(void **state)
{
    (void)state;
    activity.received = 1;
    end_turn_after(1000, 1300, 0);
    assert_int_equal(behind(1300), 300);
}

static void
a_turn_without_a_callback_took_no_time(void **state)
{
    (void)state;
    end_turn_after(1000, 1010, 1);
    end_turn_after(1000, 5000, 0); /* it slept */
    assert_int_equal(behind(5000), 0);
}

static void
of_a_callback_that_runs_and_a_turn_that_is_over_the_longer_counts(void **state)
{
    (void)state;
    end_turn_after(1000, 1300, 1);
    activity.polled_ms = 1300;
    activity.name = "actor";
    assert_int_equal(behind(1310), 300);
    assert_int_equal(behind(1599), 300);
    assert_int_equal(behind(1700), 400);
    activity.polled_ms = 1250; /* what is seen may be of two callbacks */
    assert_int_equal(behind(1590), 340);
}

static void
more_than_can_be_said_is_the_most_that_can(void **state)
{
    (void)state;
    activity.name = "actor";
    assert_int_equal(behind(UINT64_C(1) << 32), UINT32_MAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_loop_that_never_turned_is_not_behind, reset),
        cmocka_unit_test_setup(a_callback_keeps_the_loop_from_its_descriptors_for_as_long_as_it_runs, reset),
        cmocka_unit_test_setup(a_turn_that_took_long_is_seen_for_as_long_again, reset),
        cmocka_unit_test_setup(messages_make_a_turn_as_callbacks_do, reset),
        cmocka_unit_test_setup(a_turn_without_a_callback_took_no_time, reset),
        cmocka_unit_test_setup(of_a_callback_that_runs_and_a_turn_that_is_over_the_longer_counts, reset),
        cmocka_unit_test_setup(more_than_can_be_said_is_the_most_that_can, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
