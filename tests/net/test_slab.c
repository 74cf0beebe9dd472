#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "slab.h"

/* A read of n bytes, as a socket does it. */
static tr_slice
read_some(struct tri_slabs *slabs, size_t n)
{
    uv_buf_t part;
    tri_slabs_offer(slabs, &part);
    assert_int_equal(part.len, TRI_READ_BYTES);
    memset(part.base, 'a', n);
    tr_slice slice = tri_slabs_lend(slabs, n);
    assert_ptr_equal(slice.data, part.base);
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
        cmocka_unit_test(slabs_live_as_long_as_their_last_holder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
