#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/core/buffer_holds.h>

#include "slab.h"

/* A read of n bytes, as a socket does it. */
static tr_slice
read_some(struct tri_slabs *slabs, size_t n)
{
    uv_buf_t part;
    tri_slabs_offer(slabs, &part);
    assert_int_equal(part.len, TRI_READ_BYTES);
    memset(part.base, 'a', n);
    tr_slice slice;
    assert_int_equal(tri_slabs_lend(slabs, n, &slice), TR_OK);
    assert_int_equal(slice.size, n);
    return slice;
}

static void
what_nobody_holds_is_offered_again(void **state)
{
    (void)state;
    struct tri_slabs slabs = {0};
    tr_slice first = read_some(&slabs, 100);
    tri_slabs_take_back(&slabs, first);
    tr_slice second = read_some(&slabs, TRI_READ_BYTES);
    assert_ptr_equal(second.data, first.data);
    tri_slabs_take_back(&slabs, second);
    tri_slabs_fini(&slabs);
}

static void
what_is_held_stays_and_the_next_read_comes_behind_it(void **state)
{
    (void)state;
    struct tri_slabs slabs = {0};
    tr_slice held = read_some(&slabs, 100);
    tr_slice_hold(held);
    tri_slabs_take_back(&slabs, held);
    tr_slice next = read_some(&slabs, 7);
    assert_true(next.data >= held.data + held.size);
    memset((char *)(uintptr_t)next.data, 'b', next.size);
    tri_slabs_take_back(&slabs, next);
    for (size_t i = 0; i < held.size; i++)
        assert_int_equal(held.data[i], 'a');
    tr_slice_release(held);
    tri_slabs_fini(&slabs);
}

static void
a_slab_that_is_let_go_is_read_into_again(void **state)
{
    (void)state;
    struct tri_slabs slabs = {0};
    tr_slice held = read_some(&slabs, 40000);
    const char *first = held.data;
    bool again = false;
    for (int i = 0; i < 40 && !again; i++) {
        tr_slice_hold(held);
        tri_slabs_take_back(&slabs, held);
        tr_slice next = read_some(&slabs, 40000);
        assert_ptr_not_equal(next.data, held.data); /* which is still held */
        tr_slice_release(held);
        held = next;
        again = held.data == first;
    }
    assert_true(again);
    tri_slabs_take_back(&slabs, held);
    tri_slabs_fini(&slabs);
}

/* A read of n bytes that is kept. */
static tr_slice
keep_some(struct tri_slabs *slabs, size_t n)
{
    tr_slice slice = read_some(slabs, n);
    tr_slice_hold(slice);
    tri_slabs_take_back(slabs, slice);
    return slice;
}

/* A part of a read that has to wait somewhere is copied if it is less than half of it. */
static void
a_small_part_of_a_read_that_waits_does_not_keep_the_read(void **state)
{
    (void)state;
    struct tri_slabs slabs = {0};
    tr_slice read = read_some(&slabs, 1000), few, many;
    assert_int_equal(tri_slice_keep(tr_slice_part(read, 0, 499), &few), TR_OK);
    assert_ptr_not_equal(few.buffer, read.buffer);
    assert_int_equal(tri_slice_keep(tr_slice_part(read, 0, 500), &many), TR_OK);
    assert_ptr_equal(many.buffer, read.buffer);
    tr_slice_release(few);
    tr_slice_release(many);
    tri_slabs_take_back(&slabs, read);
    tri_slabs_fini(&slabs);
}

/* What is passed by uses nothing up, whatever else is held. */
static void
reads_that_nobody_keeps_use_nothing_up_beside_one_that_is_held(void **state)
{
    (void)state;
    struct tri_slabs slabs = {0};
    tr_slice held = keep_some(&slabs, 10);
    size_t size = tri_slabs_size(&slabs);
    const char *place = NULL;
    for (int i = 0; i < 1000; i++) {
        tr_slice passing = read_some(&slabs, TRI_READ_BYTES);
        assert_true(place == NULL || passing.data == place);
        place = passing.data;
        tri_slabs_take_back(&slabs, passing);
    }
    assert_int_equal(tri_slabs_size(&slabs), size);
    tr_slice_release(held);
    tri_slabs_fini(&slabs);
}

static void
few_bytes_that_are_held_lie_side_by_side(void **state)
{
    (void)state;
    struct tri_slabs slabs = {0};
    tr_slice held[1000];
    for (int i = 0; i < 1000; i++) {
        held[i] = keep_some(&slabs, 10);
        tri_slabs_take_back(&slabs, read_some(&slabs, TRI_READ_BYTES));
    }
    assert_in_range(tri_slabs_size(&slabs), 0, TRI_SLAB_BYTES);
    for (int i = 0; i < 1000; i++)
        tr_slice_release(held[i]);
    tri_slabs_fini(&slabs);
}

/*
 * Holders let most go and keep a little for long, in whatever sizes: the worker's slabs stay as many as they may be,
 * and what is read while none of them is free takes at most twice its bytes, since a holder's memory is its buffer's
 * alone.
 */

#define KEPT 512

static size_t
memory_of(tr_slice slice, bool is_lone)
{
    return is_lone ? TRI_READ_BYTES + TRI_SLAB_ALIGNMENT : slice.size;
}

static void
memory_stays_within_twice_what_is_held_and_the_slabs(void **state)
{
    (void)state;
    struct tri_slabs slabs = {0};
    static tr_slice kept[KEPT];
    memset(kept, 0, sizeof(kept));
    uint32_t random = 7;
    unsigned lone = 0;
    for (int i = 0; i < 20000; i++) {
        random = random * 1664525u + 1013904223u;
        size_t size = random % 8 == 0 ? 1 + (random >> 8) % TRI_READ_BYTES : 1 + (random >> 8) % 100;
        tr_slice *place = &kept[(random >> 16) % KEPT];
        tr_slice_release(*place);
        tr_slice slice = read_some(&slabs, size);
        bool is_lone = slabs.current == slabs.lone && slice.buffer == slabs.part.buffer;
        tr_slice_hold(slice);
        tri_slabs_take_back(&slabs, slice);
        *place = slice;
        lone += is_lone;
        assert_true(memory_of(slice, is_lone) <= 2 * size || !is_lone);
        assert_true(tri_slabs_size(&slabs) <= TRI_SLABS_BYTES);
    }
    assert_true(lone > 0); /* the slabs were used up */
    for (int i = 0; i < KEPT; i++)
        tr_slice_release(kept[i]);
    tri_slabs_fini(&slabs);
}

/* The one with all slabs pinned by a byte each: what comes then does not depend on them, and they serve again later. */
static void
pinned_slabs_serve_again_when_they_are_let_go(void **state)
{
    (void)state;
    struct tri_slabs slabs = {0};
    tr_slice bytes[TRI_SLABS], rest[TRI_SLABS * 4], after[3];
    for (unsigned i = 0; i < TRI_SLABS; i++) {
        bytes[i] = keep_some(&slabs, 1);
        for (unsigned j = 0; j < 4; j++)
            rest[4 * i + j] = keep_some(&slabs, TRI_READ_BYTES);
    }
    for (unsigned i = 0; i < TRI_SLABS * 4; i++)
        tr_slice_release(rest[i]);
    assert_int_equal(tri_slabs_size(&slabs), TRI_SLABS * TRI_SLAB_BYTES);
    for (unsigned i = 0; i < 3; i++)
        after[i] = keep_some(&slabs, 1 + i * 30000);
    assert_int_equal(after[0].data[0], 'a');
    assert_int_equal(after[1].data[30000], 'a');
    assert_int_equal(after[2].data[60000], 'a');
    assert_in_range(tri_slabs_size(&slabs), TRI_SLABS * TRI_SLAB_BYTES, TRI_SLABS_BYTES);
    tr_slice_release(bytes[3]);
    tr_slice next = read_some(&slabs, 5);
    assert_true(next.data == bytes[3].data);
    tri_slabs_take_back(&slabs, next);
    tri_slabs_fini(&slabs);
    for (unsigned i = 0; i < TRI_SLABS; i++)
        if (i != 3)
            tr_slice_release(bytes[i]);
    for (unsigned i = 0; i < 3; i++)
        tr_slice_release(after[i]);
}

#define HELD 40

static void
release_all(void *argument)
{
    tr_slice *held = argument;
    for (int i = 0; i < HELD; i++)
        tr_slice_release(held[i]);
}

/* Large parts fill one slab after the other; the last holder, another thread,
 * frees them. */
static void
slabs_live_as_long_as_their_last_holder(void **state)
{
    (void)state;
    struct tri_slabs slabs = {0};
    tr_slice held[HELD];
    for (int i = 0; i < HELD; i++) {
        held[i] = read_some(&slabs, 40000);
        tr_slice_hold(held[i]);
        tri_slabs_take_back(&slabs, held[i]);
    }
    tri_slabs_fini(&slabs);
    for (int i = 0; i < HELD; i++)
        assert_int_equal(held[i].data[39999], 'a');
    uv_thread_t thread;
    assert_int_equal(uv_thread_create(&thread, release_all, held), 0);
    assert_int_equal(uv_thread_join(&thread), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_holds_is_offered_again),
        cmocka_unit_test(what_is_held_stays_and_the_next_read_comes_behind_it),
        cmocka_unit_test(a_slab_that_is_let_go_is_read_into_again),
        cmocka_unit_test(a_small_part_of_a_read_that_waits_does_not_keep_the_read),
        cmocka_unit_test(reads_that_nobody_keeps_use_nothing_up_beside_one_that_is_held),
        cmocka_unit_test(few_bytes_that_are_held_lie_side_by_side),
        cmocka_unit_test(memory_stays_within_twice_what_is_held_and_the_slabs),
        cmocka_unit_test(pinned_slabs_serve_again_when_they_are_let_go),
        cmocka_unit_test(slabs_live_as_long_as_their_last_holder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
