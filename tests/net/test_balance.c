#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/net/balance.h>

#define WORKERS 5

static void
least_loaded_takes_the_least(void **state)
{
    (void)state;
    uint32_t loads[WORKERS] = {9, 4, 7, 3, 8};
    for (uint64_t sequence = 0; sequence < 3 * WORKERS; sequence++) {
        struct tr_balance_view view = {.workers = WORKERS, .loads = loads, .sequence = sequence};
        assert_int_equal(tr_balance_least_loaded(&view), 3);
    }
}

static void
least_loaded_gives_equals_their_turn(void **state)
{
    (void)state;
    uint32_t loads[WORKERS] = {2, 2, 2, 2, 2};
    for (uint64_t sequence = 0; sequence < 3 * WORKERS; sequence++) {
        struct tr_balance_view view = {.workers = WORKERS, .loads = loads, .sequence = sequence};
        assert_int_equal(tr_balance_least_loaded(&view), sequence % WORKERS);
    }
}

static void
round_robin_takes_each_in_its_turn_whatever_the_load(void **state)
{
    (void)state;
    uint32_t loads[WORKERS] = {900, 0, 0, 0, 0};
    for (uint64_t sequence = 0; sequence < 3 * WORKERS; sequence++) {
        struct tr_balance_view view = {.workers = WORKERS, .loads = loads, .sequence = sequence};
        assert_int_equal(tr_balance_round_robin(&view), sequence % WORKERS);
    }
}

static void
one_worker_takes_all(void **state)
{
    (void)state;
    uint32_t load = 3;
    struct tr_balance_view view = {.workers = 1, .loads = &load, .sequence = UINT64_MAX};
    assert_int_equal(tr_balance_least_loaded(&view), 0);
    assert_int_equal(tr_balance_round_robin(&view), 0);
}

/* Connections of mixed length: under round robin the sums would drift apart. */
static void
least_loaded_keeps_workers_even_when_lifetimes_differ(void **state)
{
    (void)state;
    uint32_t loads[2] = {0, 0};
    unsigned owner[4000];
    for (uint64_t i = 0; i < 4000; i++) {
        struct tr_balance_view view = {.workers = 2, .loads = loads, .sequence = i};
        owner[i] = tr_balance_least_loaded(&view);
        loads[owner[i]]++;
        if (i % 2 == 1)
            loads[owner[i - 1]]--; /* every second connection is short */
        uint32_t apart = loads[0] > loads[1] ? loads[0] - loads[1] : loads[1] - loads[0];
        assert_in_range(apart, 0, 2);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_loaded_takes_the_least),
        cmocka_unit_test(least_loaded_gives_equals_their_turn),
        cmocka_unit_test(round_robin_takes_each_in_its_turn_whatever_the_load),
        cmocka_unit_test(one_worker_takes_all),
        cmocka_unit_test(least_loaded_keeps_workers_even_when_lifetimes_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
