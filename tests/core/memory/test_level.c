/*
 * What counts for the level, and when: buffers, the blocks of a pool, shards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/core/buffer.h>
#include <troupe/core/buffer_holds.h>
#include <troupe/core/level.h>
#include <troupe/core/pool.h>

#define BYTES 1000u
#define HEAD 128u /* at most, of a buffer, with its part of a line */
#define BLOCK 80u

static unsigned fallen, grown;

static void
on_fall(void)
{
    fallen++;
}

static void
on_growth(struct tri_level_shard *shard)
{
    (void)shard;
    grown++;
}

static int
watch(void **state)
{
    (void)state;
    fallen = grown = 0;
    tri_level.fell = on_fall;
    tri_level.watched = 1;
    tri_level.reached = 0;
    assert_int_equal(tri_level_bytes(), 0);
    return 0;
}

static int
unwatch(void **state)
{
    (void)state;
    tri_level_count_in(NULL);
    tri_level.watched = tri_level.reached = 0;
    assert_int_equal(tri_level.bytes, 0);
    return 0;
}

static tr_slice
copy(size_t size)
{
    static const char bytes[2 * TRI_LEVEL_STEP];
    tr_slice slice;
    assert_int_equal(tr_slice_copy(bytes, size, &slice), TR_OK);
    return slice;
}

static void
a_buffer_counts_with_its_bytes_and_its_head_until_the_last_release(void **state)
{
    (void)state;
    tr_slice slice = copy(BYTES);
    assert_in_range(tri_level_bytes(), BYTES, BYTES + HEAD + sizeof(void *) * 8);
    tr_slice_hold(slice);
    tr_slice_release(slice);
    assert_true(tri_level_bytes() > 0);
    tr_slice_release(slice);
    assert_int_equal(tri_level_bytes(), 0);
}

static void
what_is_adopted_counts_and_what_is_wrapped_does_not(void **state)
{
    static char bytes[BYTES];
    tr_slice adopted, wrapped;
    (void)state;
    assert_int_equal(tri_slice_wrap(bytes, BYTES, NULL, &wrapped), TR_OK);
    assert_int_equal(tri_level_bytes(), 0);
    assert_int_equal(tr_slice_adopt(bytes, BYTES, NULL, &adopted), TR_OK);
    uint64_t of_one = tri_level_bytes();
    assert_in_range(of_one, BYTES, BYTES + HEAD + sizeof(void *) * 8);
    tri_slice_count(wrapped, BYTES);
    assert_int_equal(tri_level_bytes(), 2 * of_one);
    tr_slice_release(adopted);
    tr_slice_release(wrapped);
}

static void
a_buffer_that_did_not_count_when_it_was_made_does_not_count_when_it_goes(void **state)
{
    (void)state;
    tri_level.watched = 0;
    tr_slice before = copy(BYTES);
    tri_level.watched = 1;
    tr_slice since = copy(BYTES);
    tri_level.watched = 0;
    assert_true(tri_level_bytes() > 0);
    tr_slice_release(since);
    assert_int_equal(tri_level.bytes, 0);
    tr_slice_release(before);
    assert_int_equal(tri_level.bytes, 0);
}

static void
a_buffer_knows_whether_a_limit_was_reached_when_it_was_made(void **state)
{
    (void)state;
    tr_slice before = copy(BYTES);
    tri_level.reached = 1;
    tr_slice since = copy(BYTES);
    tri_level.reached = 0;
    assert_false(tri_slice_is_new_at_limit(before));
    assert_true(tri_slice_is_new_at_limit(since));
    assert_false(tri_slice_is_new_at_limit(tr_slice_constant("", 0)));
    tr_slice_release(before);
    tr_slice_release(since);
}

static void
each_fall_while_a_limit_is_reached_is_told_and_no_other(void **state)
{
    (void)state;
    tr_slice slice = copy(BYTES);
    tri_level.reached = 1;
    tr_slice second = copy(BYTES);
    assert_int_equal(fallen, 0);
    tr_slice_release(slice);
    assert_int_equal(fallen, 1);
    tri_level.reached = 0;
    tr_slice_release(second);
    assert_int_equal(fallen, 1);
}

static void
a_shard_keeps_less_than_its_step_and_says_when_it_has_grown_by_that(void **state)
{
    (void)state;
    struct tri_level_shard shard = {.grown = on_growth};
    tri_level_count_in(&shard);
    tr_slice small = copy(BYTES);
    assert_int_equal(tri_level_bytes(), 0);
    tr_slice large = copy(TRI_LEVEL_STEP);
    assert_true(tri_level_bytes() >= TRI_LEVEL_STEP + BYTES);
    assert_int_equal(grown, 1);
    tr_slice_release(small);
    assert_true(tri_level_bytes() >= TRI_LEVEL_STEP + BYTES);
    tr_slice_release(large);
    assert_int_equal(tri_level_bytes(), 0);
    assert_int_equal(grown, 1);
    tri_level_publish(&shard);
}

static void
what_goes_with_a_worker_counts_no_more_when_that_has_ended(void **state)
{
    (void)state;
    struct tri_level_shard shard = {.grown = on_growth};
    tri_level_count_in(&shard);
    tr_slice slice = copy(BYTES);
    tri_level_add_own(&shard, 3 * TRI_LEVEL_STEP);
    tri_level_add_own(&shard, -5);
    tri_level_count_in(NULL);
    tri_level_end(&shard);
    assert_in_range(tri_level_bytes(), BYTES, BYTES + HEAD + sizeof(void *) * 8);
    tr_slice_release(slice);
}

/* Pools. */

static void
give_all(struct tri_pool *pool, void **blocks, size_t count)
{
    while (count > 0)
        tri_pool_give(pool, blocks[--count]);
}

static void
a_pool_that_is_settled_counts_just_the_blocks_that_are_taken(void **state)
{
    (void)state;
    enum { MOST = 5000 };
    static void *blocks[MOST];
    struct tri_level_shard shard = {.grown = on_growth};
    struct tri_pool pool;
    tri_pool_init(&pool, BLOCK);
    tri_pool_count_in(&pool, &shard);
    uint32_t random = 1;
    size_t taken = 0;
    for (unsigned round = 0; round < 200; round++) {
        size_t wanted = (random = random * 1103515245u + 12345u) >> 8 & 4095;
        while (taken < wanted)
            blocks[taken++] = memset(tri_pool_take(&pool), (int)round, BLOCK);
        assert_true(shard.own >= (int64_t)((taken > TRI_POOL_AT_HAND ? taken - TRI_POOL_AT_HAND : 0) * BLOCK));
        for (; taken > wanted; taken--)
            tri_pool_give(&pool, blocks[taken - 1]);
        if (round % 3 == 0)
            assert_true(tri_pool_reserve(&pool, random % 3000));
        tri_pool_settle(&pool);
        assert_int_equal(shard.own, taken * BLOCK);
        if (taken > 0)
            assert_true(tri_pool_count_free(&pool) + taken <= pool.blocks);
    }
    give_all(&pool, blocks, taken);
    tri_pool_settle(&pool);
    assert_int_equal(shard.own, 0);
    assert_true(tri_pool_has_free(&pool));
    tri_pool_fini(&pool);
    tri_level_end(&shard);
}

static void
what_a_settled_pool_has_put_by_is_taken_before_new_memory_is(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static void *blocks[COUNT];
    struct tri_pool pool;
    tri_pool_init(&pool, BLOCK);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < COUNT; i++)
            blocks[i] = tri_pool_take(&pool);
        assert_false(tri_pool_has_free(&pool));
        give_all(&pool, blocks, COUNT);
        tri_pool_settle(&pool);
        assert_int_equal(tri_pool_count_free(&pool), COUNT);
    }
    tri_pool_fini(&pool);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, watch, unwatch)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_buffer_counts_with_its_bytes_and_its_head_until_the_last_release),
        TEST(what_is_adopted_counts_and_what_is_wrapped_does_not),
        TEST(a_buffer_that_did_not_count_when_it_was_made_does_not_count_when_it_goes),
        TEST(a_buffer_knows_whether_a_limit_was_reached_when_it_was_made),
        TEST(each_fall_while_a_limit_is_reached_is_told_and_no_other),
        TEST(a_shard_keeps_less_than_its_step_and_says_when_it_has_grown_by_that),
        TEST(what_goes_with_a_worker_counts_no_more_when_that_has_ended),
        TEST(a_pool_that_is_settled_counts_just_the_blocks_that_are_taken),
        TEST(what_a_settled_pool_has_put_by_is_taken_before_new_memory_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
