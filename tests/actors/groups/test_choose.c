/*
 * Whom of a pool a message is for.
 */
#include "choose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 64, KEYS = 100000 };

/* A pool of so many, all there. */
static void
fill(uint64_t *actors, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        actors[i] = 100 + i;
}

static uint32_t
place_of(const uint64_t *actors, uint32_t size, uint64_t key)
{
    uint64_t below = UINT64_MAX;
    return tri_choose_by_key(actors, size, key, &below);
}

static void
one_after_the_other_passes_over_places_that_nobody_has(void **state)
{
    (void)state;
    uint64_t actors[5] = {TR_NOBODY, 1, TR_NOBODY, 2, 3}, next = 2;
    static const uint32_t expected[] = {3, 4, 1, 3, 4, 1};
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(tri_choose_next(actors, 5, &next), expected[i]);
    memset(actors, 0, sizeof(actors));
    assert_int_equal(tri_choose_next(actors, 5, &next), 5);
}

static void
keys_are_spread_evenly(void **state)
{
    (void)state;
    for (uint32_t size = 1; size <= MOST; size *= 2) {
        uint64_t actors[MOST], taken[MOST] = {0};
        fill(actors, size);
        for (uint64_t key = 0; key < KEYS; key++)
            taken[place_of(actors, size, key)]++;
        for (uint32_t i = 0; i < size; i++)
            assert_true(taken[i] * size > KEYS * 8 / 10 && taken[i] * size < KEYS * 12 / 10);
    }
}

/* Keys in steps, as addresses are, and keys that differ in high bits alone. */
static void
keys_that_look_alike_are_spread_too(void **state)
{
    (void)state;
    uint64_t actors[8];
    fill(actors, 8);
    for (unsigned shift = 0; shift < 50; shift += 5) {
        uint64_t taken[8] = {0};
        for (uint64_t key = 0; key < 8000; key++)
            taken[place_of(actors, 8, key << shift)]++;
        for (uint32_t i = 0; i < 8; i++)
            assert_true(taken[i] > 800 && taken[i] < 1200);
    }
}

static void
one_more_takes_its_part_of_the_keys_and_no_other_key_moves(void **state)
{
    (void)state;
    for (uint32_t size = 1; size < 20; size++) {
        uint64_t actors[MOST], moved = 0;
        fill(actors, MOST);
        for (uint64_t key = 0; key < KEYS; key++) {
            uint32_t before = place_of(actors, size, key), after = place_of(actors, size + 1, key);
            assert_true(after == before || after == size);
            moved += after != before;
        }
        double part = (double)moved * (size + 1) / KEYS;
        assert_true(part > 0.93 && part < 1.07);
    }
}

static void
the_keys_of_one_that_leaves_go_to_all_others_and_come_back(void **state)
{
    (void)state;
    uint64_t full[8], without[8], taken[8] = {0};
    fill(full, 8);
    fill(without, 8);
    without[3] = TR_NOBODY;
    for (uint64_t key = 0; key < KEYS; key++) {
        uint32_t before = place_of(full, 8, key), after = place_of(without, 8, key);
        assert_true(after == before || before == 3);
        taken[after] += before == 3;
    }
    for (uint32_t i = 0; i < 8; i++)
        assert_true(i == 3 ? taken[i] == 0 : taken[i] > KEYS / 8 / 7 * 8 / 10);
}

static void
the_second_choice_is_who_has_the_key_without_the_first(void **state)
{
    (void)state;
    uint64_t actors[8];
    fill(actors, 8);
    for (uint64_t key = 0; key < 1000; key++) {
        uint64_t below = UINT64_MAX, left[8];
        memcpy(left, actors, sizeof(left));
        for (unsigned i = 0; i < 8; i++) {
            uint32_t place = tri_choose_by_key(actors, 8, key, &below);
            assert_int_equal(place, place_of(left, 8, key));
            left[place] = TR_NOBODY;
        }
        assert_int_equal(tri_choose_by_key(actors, 8, key, &below), 8);
        assert_int_equal(place_of(left, 8, key), 8);
    }
}

static size_t
load_of(void *loads, tr_ref actor)
{
    return ((const size_t *)loads)[actor - 100];
}

static void
the_least_load_is_chosen_and_of_equals_the_next_one(void **state)
{
    (void)state;
    uint64_t actors[4], next = 1;
    size_t loads[4] = {2, 5, 1, 1};
    fill(actors, 4);
    assert_int_equal(tri_choose_least(actors, 4, &next, load_of, loads), 2);
    assert_int_equal(tri_choose_least(actors, 4, &next, load_of, loads), 3);
    assert_int_equal(tri_choose_least(actors, 4, &next, load_of, loads), 2);
    actors[2] = TR_NOBODY;
    loads[3] = 9;
    assert_int_equal(tri_choose_least(actors, 4, &next, load_of, loads), 0);
    loads[0] = loads[1] = loads[3] = 0;
    next = 0;
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(tri_choose_least(actors, 4, &next, load_of, loads), ((uint32_t[]){0, 1, 3, 0, 1, 3})[i]);
    memset(actors, 0, sizeof(actors));
    assert_int_equal(tri_choose_least(actors, 4, &next, load_of, loads), 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_after_the_other_passes_over_places_that_nobody_has),
        cmocka_unit_test(keys_are_spread_evenly),
        cmocka_unit_test(keys_that_look_alike_are_spread_too),
        cmocka_unit_test(one_more_takes_its_part_of_the_keys_and_no_other_key_moves),
        cmocka_unit_test(the_keys_of_one_that_leaves_go_to_all_others_and_come_back),
        cmocka_unit_test(the_second_choice_is_who_has_the_key_without_the_first),
        cmocka_unit_test(the_least_load_is_chosen_and_of_equals_the_next_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
