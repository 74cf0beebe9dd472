#include "slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int
open_slots(void **state)
{
    struct tri_slots *slots = aligned_alloc(alignof(struct tri_slots), sizeof(*slots));
    assert_non_null(slots);
    memset(slots, 0, sizeof(*slots));
    *state = slots;
    return tri_slots_init(slots, 3);
}

static int
close_slots(void **state)
{
    tri_slots_fini(*state);
    free(*state);
    return 0;
}

static tr_ref
take(struct tri_slots *slots, struct tr_actor *actor)
{
    tr_ref ref;
    assert_int_equal(tri_slots_take(slots, &ref), TR_OK);
    tri_slots_at(slots, ref)->actor = actor;
    return ref;
}

static void
a_ref_finds_its_actor_until_the_slot_is_given_back(void **state)
{
    struct tri_slots *slots = *state;
    struct tr_actor *actor = (struct tr_actor *)slots, *next = (struct tr_actor *)state;
    tr_ref ref = take(slots, actor);
    assert_int_not_equal(ref, TR_NOBODY);
    assert_int_equal(tri_ref_worker(ref), 3);
    assert_ptr_equal(tri_slots_find(slots, ref), actor);
    tri_slots_give(slots, ref);
    assert_null(tri_slots_find(slots, ref));
    tr_ref again = take(slots, next);
    assert_int_equal(tri_ref_slot(again), tri_ref_slot(ref));
    assert_int_not_equal(again, ref);
    assert_null(tri_slots_find(slots, ref));
    assert_ptr_equal(tri_slots_find(slots, again), next);
}

static void
no_two_refs_are_ever_the_same(void **state)
{
    enum { MANY = 5000 };
    struct tri_slots *slots = *state;
    static tr_ref refs[MANY];
    for (unsigned i = 0; i < MANY; i++)
        refs[i] = i % 3 == 0 ? TR_NOBODY : take(slots, (struct tr_actor *)state);
    for (unsigned i = 0; i < MANY; i += 3)
        assert_int_equal(tri_slots_reserve(slots, &refs[i]), TR_OK);
    for (unsigned i = 0; i < MANY; i++)
        for (unsigned j = i + 1; j < MANY && j < i + 200; j++)
            assert_int_not_equal(refs[i], refs[j]);
    for (unsigned i = 0; i < MANY; i++)
        tri_slots_give(slots, refs[i]);
    for (unsigned i = 0; i < MANY; i++)
        assert_null(tri_slots_find(slots, refs[i]));
}

static void
a_reserved_slot_is_expected_until_its_actor_comes(void **state)
{
    struct tri_slots *slots = *state;
    tr_ref ref, own = take(slots, (struct tr_actor *)state);
    assert_int_equal(tri_slots_reserve(slots, &ref), TR_OK);
    assert_true(tri_slots_expected(slots, ref));
    assert_false(tri_slots_expected(slots, own));
    tri_slots_at(slots, ref)->actor = (struct tr_actor *)state;
    assert_false(tri_slots_expected(slots, ref));
    tri_slots_give(slots, ref);
    assert_false(tri_slots_expected(slots, ref));
}

/* A slot that a guest had comes back to the owner's chain; from there it goes to guests again by the pile alone. */
static void
a_name_of_a_reserved_slots_past_is_not_expected(void **state)
{
    struct tri_slots *slots = *state;
    tr_ref past, now;
    assert_int_equal(tri_slots_reserve(slots, &past), TR_OK);
    tri_slots_give(slots, past);
    slots->guests_free = slots->free; /* as if it had gone that way */
    slots->free = slots->free_count = 0;
    assert_int_equal(tri_slots_reserve(slots, &now), TR_OK);
    assert_int_equal(tri_ref_slot(now), tri_ref_slot(past));
    assert_true(tri_slots_expected(slots, now));
    assert_false(tri_slots_expected(slots, past));
}

static void
no_name_is_that_of_nobody(void **state)
{
    struct tri_slots *slots = *state;
    tr_ref reserved;
    slots->worker = 0;
    assert_int_not_equal(take(slots, (struct tr_actor *)state), TR_NOBODY);
    assert_int_equal(tri_slots_reserve(slots, &reserved), TR_OK);
    assert_int_not_equal(reserved, TR_NOBODY);
}

static void
a_slot_whose_generations_are_used_up_is_retired(void **state)
{
    struct tri_slots *slots = *state;
    tr_ref first = take(slots, (struct tr_actor *)state);
    tri_slots_give(slots, first);
    slots->table[tri_ref_slot(first)].generation = TRI_REF_GENERATIONS - 1;
    tr_ref last = take(slots, (struct tr_actor *)state);
    assert_int_equal(tri_ref_slot(last), tri_ref_slot(first));
    assert_int_equal(tri_ref_generation(last), TRI_REF_GENERATIONS - 1);
    tri_slots_give(slots, last);
    assert_null(tri_slots_find(slots, last));
    assert_null(tri_slots_find(slots, first));
    assert_int_not_equal(tri_ref_slot(take(slots, (struct tr_actor *)state)), tri_ref_slot(first));
}

static void
any_64_bits_may_be_looked_up(void **state)
{
    struct tri_slots *slots = *state;
    uint64_t bits = 88172645463325252u;
    take(slots, (struct tr_actor *)state);
    for (unsigned i = 0; i < 1000; i++) {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        assert_null(tri_slots_find(slots, bits | (tr_ref)1 << 63));
        tri_slots_expected(slots, bits);
    }
}

/* All but so many slots belong to actors that live on. */
#define LEFT (4 * TRI_SLOT_CHUNK)

static tr_ref left[LEFT + TRI_SLOT_CHUNK];

static unsigned
take_all(struct tri_slots *slots, tr_status (*take_one)(struct tri_slots *slots, tr_ref *out))
{
    unsigned taken = 0;
    while (take_one(slots, &left[taken]) == TR_OK)
        assert_true(++taken < LEFT + TRI_SLOT_CHUNK);
    return taken;
}

static void
slots_that_the_owner_used_up_and_gave_back_are_there_for_guests(void **state)
{
    struct tri_slots *slots = *state;
    slots->made = TRI_REF_SLOTS - LEFT;
    for (unsigned round = 0; round < 3; round++) {
        unsigned taken = take_all(slots, tri_slots_take);
        assert_true(taken >= LEFT);
        tr_ref none;
        assert_int_equal(tri_slots_reserve(slots, &none), TR_ENOMEM);
        for (unsigned i = 0; i < taken; i++)
            tri_slots_give(slots, left[i]);
        unsigned guests = take_all(slots, tri_slots_reserve);
        assert_in_range(guests, taken - 2 * TRI_SLOT_CHUNK, taken); /* the owner keeps two chains */
        for (unsigned i = 0; i < guests; i++) {
            assert_true(tri_slots_expected(slots, left[i]));
            for (unsigned j = i + 1; j < guests && j < i + 20; j++)
                assert_int_not_equal(left[i], left[j]);
        }
        for (unsigned i = 0; i < guests; i++)
            tri_slots_give(slots, left[i]);
    }
}

static void
slots_that_guests_used_up_and_gave_back_are_there_for_the_owner(void **state)
{
    struct tri_slots *slots = *state;
    slots->made = TRI_REF_SLOTS - LEFT;
    unsigned guests = take_all(slots, tri_slots_reserve);
    assert_true(guests >= LEFT);
    for (unsigned i = 0; i < guests; i++)
        tri_slots_give(slots, left[i]);
    tr_ref kept;
    assert_int_equal(tri_slots_reserve(slots, &kept),
                     TR_OK); /* a guest has begun a chain: it is no loss to the owner */
    assert_in_range(take_all(slots, tri_slots_take), guests - 1, guests + TRI_SLOT_CHUNK);
}

static void
a_slot_begins_without_the_crowd_of_the_one_before(void **state)
{
    struct tri_slots *slots = *state;
    tr_ref ref = take(slots, (struct tr_actor *)state);
    assert_false(tri_slots_crowded(slots, ref));
    tri_slots_crowd(slots, ref, true);
    assert_true(tri_slots_crowded(slots, ref));
    tri_slots_give(slots, ref);
    assert_false(tri_slots_crowded(slots, take(slots, (struct tr_actor *)state)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_ref_finds_its_actor_until_the_slot_is_given_back, open_slots, close_slots),
        cmocka_unit_test_setup_teardown(no_two_refs_are_ever_the_same, open_slots, close_slots),
        cmocka_unit_test_setup_teardown(a_reserved_slot_is_expected_until_its_actor_comes, open_slots, close_slots),
        cmocka_unit_test_setup_teardown(a_name_of_a_reserved_slots_past_is_not_expected, open_slots, close_slots),
        cmocka_unit_test_setup_teardown(no_name_is_that_of_nobody, open_slots, close_slots),
        cmocka_unit_test_setup_teardown(a_slot_whose_generations_are_used_up_is_retired, open_slots, close_slots),
        cmocka_unit_test_setup_teardown(any_64_bits_may_be_looked_up, open_slots, close_slots),
        cmocka_unit_test_setup_teardown(slots_that_the_owner_used_up_and_gave_back_are_there_for_guests, open_slots,
                                        close_slots),
        cmocka_unit_test_setup_teardown(slots_that_guests_used_up_and_gave_back_are_there_for_the_owner, open_slots,
                                        close_slots),
        cmocka_unit_test_setup_teardown(a_slot_begins_without_the_crowd_of_the_one_before, open_slots, close_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
