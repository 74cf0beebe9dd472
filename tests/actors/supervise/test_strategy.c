/*
 * What a supervisor decides.
 */
#include "strategy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
a_permanent_child_is_restarted_whatever_the_reason(void **state)
{
    (void)state;
    assert_true(tri_restart_wanted(TR_RESTART_PERMANENT, TR_OK));
    assert_true(tri_restart_wanted(TR_RESTART_PERMANENT, TR_EUSER));
    assert_true(tri_restart_wanted(TR_RESTART_PERMANENT, TR_EKILLED));
}

static void
a_transient_child_is_restarted_if_the_reason_is_not_ok(void **state)
{
    (void)state;
    assert_false(tri_restart_wanted(TR_RESTART_TRANSIENT, TR_OK));
    assert_true(tri_restart_wanted(TR_RESTART_TRANSIENT, TR_EUSER));
    assert_true(tri_restart_wanted(TR_RESTART_TRANSIENT, TR_EKILLED));
}

static void
a_temporary_child_is_never_restarted(void **state)
{
    (void)state;
    assert_false(tri_restart_wanted(TR_RESTART_TEMPORARY, TR_OK));
    assert_false(tri_restart_wanted(TR_RESTART_TEMPORARY, TR_EUSER));
}

static void
a_strategy_says_who_is_restarted_with_whom(void **state)
{
    (void)state;
    for (size_t ended = 0; ended < 4; ended++)
        for (size_t other = 0; other < 4; other++) {
            assert_int_equal(tri_strategy_concerns(TR_ONE_FOR_ONE, ended, other), ended == other);
            assert_true(tri_strategy_concerns(TR_ONE_FOR_ALL, ended, other));
            assert_int_equal(tri_strategy_concerns(TR_REST_FOR_ONE, ended, other), other >= ended);
        }
}

static void
as_many_restarts_as_the_limit_says_are_allowed_within_its_time(void **state)
{
    (void)state;
    uint64_t times[3];
    struct tri_intensity intensity = {.limit = {3, 100}, .times_ms = times};
    assert_true(tri_intensity_allows(&intensity, 1000));
    assert_true(tri_intensity_allows(&intensity, 1050));
    assert_true(tri_intensity_allows(&intensity, 1090));
    assert_false(tri_intensity_allows(&intensity, 1100));
    assert_true(tri_intensity_allows(&intensity, 1101)); /* the first is out of the time */
    assert_false(tri_intensity_allows(&intensity, 1150));
    assert_true(tri_intensity_allows(&intensity, 1151));
}

static void
a_limit_of_no_restarts_allows_none(void **state)
{
    (void)state;
    struct tri_intensity intensity = {.limit = {0, 100}};
    assert_false(tri_intensity_allows(&intensity, 1000));
    assert_false(tri_intensity_allows(&intensity, 9000));
}

static void
without_a_limit_there_is_the_default(void **state)
{
    (void)state;
    struct tr_restart_limit limit = tri_restart_limit((struct tr_restart_limit){0});
    assert_int_equal(limit.restarts, 3);
    assert_int_equal(limit.within_ms, 5000);
    limit = tri_restart_limit((struct tr_restart_limit){0, 7});
    assert_int_equal(limit.restarts, 0);
    assert_int_equal(limit.within_ms, 7);
}

static void
a_backoff_doubles_up_to_its_most_and_begins_again_after_a_calm_life(void **state)
{
    (void)state;
    struct tr_backoff backoff = tri_backoff((struct tr_backoff){.first_ms = 10, .most_ms = 70, .calm_ms = 500});
    static const uint64_t expected[] = {10, 20, 40, 70, 70};
    uint64_t last = 0;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_int_equal(last = tri_backoff_ms(&backoff, last, 499), expected[i]);
    assert_int_equal(tri_backoff_ms(&backoff, last, 500), 10);
}

static void
what_a_backoff_does_not_say_follows_from_what_it_says(void **state)
{
    (void)state;
    struct tr_backoff backoff = tri_backoff((struct tr_backoff){.first_ms = 10});
    assert_int_equal(backoff.most_ms, 640);
    assert_int_equal(backoff.calm_ms, 1280);
    backoff = tri_backoff((struct tr_backoff){.first_ms = UINT32_MAX});
    assert_int_equal(backoff.most_ms, UINT32_MAX);
    assert_int_equal(backoff.calm_ms, UINT32_MAX);
}

static void
without_a_backoff_no_restart_waits(void **state)
{
    (void)state;
    struct tr_backoff backoff = tri_backoff((struct tr_backoff){0});
    for (uint64_t lived = 0; lived < 3; lived++)
        assert_int_equal(tri_backoff_ms(&backoff, 0, lived), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_permanent_child_is_restarted_whatever_the_reason),
        cmocka_unit_test(a_transient_child_is_restarted_if_the_reason_is_not_ok),
        cmocka_unit_test(a_temporary_child_is_never_restarted),
        cmocka_unit_test(a_strategy_says_who_is_restarted_with_whom),
        cmocka_unit_test(as_many_restarts_as_the_limit_says_are_allowed_within_its_time),
        cmocka_unit_test(a_limit_of_no_restarts_allows_none),
        cmocka_unit_test(without_a_limit_there_is_the_default),
        cmocka_unit_test(a_backoff_doubles_up_to_its_most_and_begins_again_after_a_calm_life),
        cmocka_unit_test(what_a_backoff_does_not_say_follows_from_what_it_says),
        cmocka_unit_test(without_a_backoff_no_restart_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
