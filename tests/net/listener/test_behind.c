/*
 * How far behind a worker's loop is: no further than its callback, or its last turn, has taken.
 */
#include "hands.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <troupe/core/worker.h>

#define SLEEP_MS 50u /* longer than whatever a turn takes here */

static struct tri_worker *worker;
static uint64_t asked_ms;
static uint32_t behind_ms, may_be_ms;

static uint64_t
now_ms(void)
{
    return tests_now_ns() / 1000000u;
}

static void
take_worker(tr_actor *self, void *argument)
{
    (void)self, (void)argument;
    worker = tri_worker_current();
}

static bool
has_slept(void *argument)
{
    const uint64_t *since_ms = argument;
    return now_ms() >= *since_ms + SLEEP_MS;
}

static void
look(tr_actor *self, void *argument)
{
    (void)self, (void)argument;
    uint64_t now = now_ms();
    behind_ms = tri_activity_behind_ms(&worker->activity, now);
    may_be_ms = (uint32_t)(now - asked_ms) + 1;
}

/* While the watchdog rests it sleeps outside of its loop. */
static bool
dozes(void *argument)
{
    (void)argument;
    return ck_pr_load_uint(&worker->dozes) != 0;
}

/* Its loop has not looked at descriptors for long, but nothing has kept it from that. */
static void
a_worker_that_has_slept_is_not_behind_when_it_wakes(void **state)
{
    (void)state;
    hands_open(2);
    on_worker(1, take_worker, NULL);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(i == 0 || tests_wait_until(dozes, NULL, TESTS_LIMIT_MS));
        uint64_t began_ms = now_ms();
        assert_true(tests_wait_until(has_slept, &began_ms, TESTS_LIMIT_MS));
        asked_ms = now_ms();
        on_worker(1, look, NULL);
        assert_in_range(behind_ms, 0, may_be_ms);
    }
    hands_close();
}

static void
spend(tr_actor *self, void *argument)
{
    uint64_t began_ms = now_ms();
    (void)self, (void)argument;
    while (!has_slept(&began_ms))
        continue;
    behind_ms = tri_activity_behind_ms(&worker->activity, now_ms());
}

static bool
is_behind(void *argument)
{
    (void)argument;
    return tri_activity_behind_ms(&worker->activity, now_ms()) > 0;
}

static bool
is_not_behind(void *argument)
{
    return !is_behind(argument);
}

/* For as long as its last turn took, and no longer. */
static void
a_callback_that_does_not_return_puts_its_worker_behind_and_so_for_a_while_does_a_long_turn(void **state)
{
    (void)state;
    hands_open(2);
    on_worker(1, take_worker, NULL);
    on_worker(1, spend, NULL);
    assert_true(behind_ms + 1 >= SLEEP_MS);
    assert_true(tests_wait_until(is_not_behind, NULL, TESTS_LIMIT_MS));
    hands_close();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_that_has_slept_is_not_behind_when_it_wakes),
        cmocka_unit_test(a_callback_that_does_not_return_puts_its_worker_behind_and_so_for_a_while_does_a_long_turn),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
