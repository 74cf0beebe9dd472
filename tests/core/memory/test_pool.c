#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/core/pool.h>

#define MANY 50000u /* of 64 bytes: several slabs */

/* Takes blocks, fills each with a byte of its own, and finds all of them unharmed. */
static void
take_fill_and_check(struct tri_pool *pool, unsigned char **blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        blocks[i] = tri_pool_take(pool);
        assert_non_null(blocks[i]);
        memset(blocks[i], (int)(i % 251), pool->block_size);
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < pool->block_size; k++)
            if (blocks[i][k] != i % 251)
                fail_msg("byte %zu of block %zu was overwritten", k, i);
}

static void
blocks_do_not_overlap_within_a_slab_or_across(void **state)
{
    (void)state;
    unsigned char **blocks = malloc(MANY * sizeof(*blocks));
    struct tri_pool pool;
    tri_pool_init(&pool, 64);
    take_fill_and_check(&pool, blocks, MANY);
    tri_pool_fini(&pool);
    free(blocks);
}

static void
blocks_of_64_and_its_multiples_stand_on_cache_lines(void **state)
{
    (void)state;
    for (size_t size = 64; size <= 256; size += 64) {
        struct tri_pool pool;
        tri_pool_init(&pool, size);
        for (unsigned i = 0; i < 3000; i++)
            assert_int_equal((uintptr_t)tri_pool_take(&pool) % 64, 0);
        tri_pool_fini(&pool);
    }
}

static void
sizes_are_rounded_up_to_what_any_type_needs(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{0, 16}, {1, 16}, {16, 16}, {17, 32}, {100, 112}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct tri_pool pool;
        unsigned char *blocks[100];
        tri_pool_init(&pool, sizes[i][0]);
        assert_int_equal(pool.block_size, sizes[i][1]);
        take_fill_and_check(&pool, blocks, 100);
        assert_int_equal((uintptr_t)blocks[99] % 16, 0);
        tri_pool_fini(&pool);
    }
}

static void
a_block_larger_than_a_slab_is_served(void **state)
{
    (void)state;
    struct tri_pool pool;
    unsigned char *blocks[3];
    tri_pool_init(&pool, 3 * 1024 * 1024 + 8);
    take_fill_and_check(&pool, blocks, 3);
    tri_pool_fini(&pool);
}

static void
a_block_given_back_is_the_next_to_be_taken(void **state)
{
    (void)state;
    struct tri_pool pool;
    tri_pool_init(&pool, 64);
    void *first = tri_pool_take(&pool), *second = tri_pool_take(&pool);
    tri_pool_give(&pool, first);
    tri_pool_give(&pool, second);
    assert_ptr_equal(tri_pool_take(&pool), second);
    assert_ptr_equal(tri_pool_take(&pool), first);
    tri_pool_fini(&pool);
}

static void
steady_use_needs_no_more_slabs(void **state)
{
    (void)state;
    struct tri_pool pool;
    tri_pool_init(&pool, 64);
    tri_pool_give(&pool, tri_pool_take(&pool));
    struct tri_pool_slab *slab = pool.slabs;
    for (unsigned i = 0; i < MANY; i++)
        tri_pool_give(&pool, tri_pool_take(&pool));
    assert_ptr_equal(pool.slabs, slab);
    tri_pool_fini(&pool);
}

static void
slabs_begin_small_and_double_up_to_a_megabyte(void **state)
{
    (void)state;
    static const size_t sizes_kib[] = {64, 128, 256, 512, 1024, 1024, 1024};
    struct tri_pool pool;
    tri_pool_init(&pool, 4096);
    for (size_t i = 0; i < sizeof(sizes_kib) / sizeof(sizes_kib[0]); i++) {
        const struct tri_pool_slab *before = pool.slabs;
        while (pool.slabs == before)
            assert_non_null(tri_pool_take(&pool));
        assert_int_equal(pool.fresh_end - (char *)pool.slabs, sizes_kib[i] * 1024);
    }
    tri_pool_fini(&pool);
}

static void
without_memory_nothing_is_taken_and_nothing_is_lost(void **state)
{
    (void)state;
    struct tri_pool pool;
    tri_pool_init(&pool, SIZE_MAX / 2);
    assert_null(tri_pool_take(&pool));
    assert_null(pool.slabs);
    tri_pool_fini(&pool);
}

static void
a_closed_pool_begins_anew(void **state)
{
    (void)state;
    struct tri_pool pool;
    tri_pool_init(&pool, 64);
    assert_non_null(tri_pool_take(&pool));
    tri_pool_give(&pool, tri_pool_take(&pool)); /* a free block goes with its slab */
    tri_pool_fini(&pool);
    assert_non_null(tri_pool_take(&pool));
    assert_non_null(pool.slabs); /* it comes from a slab of this life */
    tri_pool_fini(&pool);
}

#ifdef TRI_ASAN
static void
free_and_unused_blocks_are_poisoned(void **state)
{
    (void)state;
    struct tri_pool pool;
    tri_pool_init(&pool, 64);
    char *block = tri_pool_take(&pool);
    assert_false(__asan_address_is_poisoned(block + 63));
    assert_true(__asan_address_is_poisoned(block + 64));
    tri_pool_give(&pool, block);
    assert_true(__asan_address_is_poisoned(block));
    tri_pool_fini(&pool);
}
#endif

/* Whatever is free by then, also the rest of the slab before: neither lost nor counted. */
static void
what_is_in_reserve_can_be_taken_without_new_memory(void **state)
{
    (void)state;
    unsigned char **blocks = malloc(3 * MANY * sizeof(*blocks));
    struct tri_pool pool;
    tri_pool_init(&pool, 64);
    take_fill_and_check(&pool, blocks, 10);
    struct tri_pool_slab *slabs = pool.slabs;
    assert_true(tri_pool_reserve(&pool, 64 * 1024 / 64 - 11)); /* all but those, and the head */
    assert_ptr_equal(pool.slabs, slabs);
    assert_true(tri_pool_reserve(&pool, 64 * 1024 / 64 - 10));
    assert_ptr_not_equal(pool.slabs, slabs);
    tri_pool_fini(&pool);
    take_fill_and_check(&pool, blocks, 10);
    assert_true(tri_pool_reserve(&pool, MANY));
    slabs = pool.slabs;
    take_fill_and_check(&pool, blocks, MANY + 64 * 1024 / 64 - 11); /* the rest of the first slab, too */
    assert_ptr_equal(pool.slabs, slabs);
    for (unsigned i = 0; i < MANY; i++)
        tri_pool_give(&pool, blocks[i]);
    assert_true(tri_pool_reserve(&pool, 100));
    slabs = pool.slabs;
    assert_true(tri_pool_reserve(&pool, 100));
    assert_ptr_equal(pool.slabs, slabs);
    assert_false(tri_pool_reserve(&pool, SIZE_MAX / 64));
    tri_pool_fini(&pool);
    free(blocks);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_do_not_overlap_within_a_slab_or_across),
        cmocka_unit_test(blocks_of_64_and_its_multiples_stand_on_cache_lines),
        cmocka_unit_test(sizes_are_rounded_up_to_what_any_type_needs),
        cmocka_unit_test(a_block_larger_than_a_slab_is_served),
        cmocka_unit_test(a_block_given_back_is_the_next_to_be_taken),
        cmocka_unit_test(steady_use_needs_no_more_slabs),
        cmocka_unit_test(slabs_begin_small_and_double_up_to_a_megabyte),
        cmocka_unit_test(without_memory_nothing_is_taken_and_nothing_is_lost),
        cmocka_unit_test(a_closed_pool_begins_anew),
        cmocka_unit_test(what_is_in_reserve_can_be_taken_without_new_memory),
#ifdef TRI_ASAN
        cmocka_unit_test(free_and_unused_blocks_are_poisoned),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
