#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/core/buffer.h>
#include <troupe/core/buffer_holds.h>
#include <troupe/core/message.h>
#include <uv.h>

#define THREADS 4
#define ROUNDS 20000

static void
a_copy_holds_the_bytes_and_not_the_place(void **state)
{
    (void)state;
    char text[] = "hello";
    tr_slice slice;
    assert_int_equal(tr_slice_copy(text, 5, &slice), TR_OK);
    memset(text, 'x', 5);
    assert_int_equal(slice.size, 5);
    assert_memory_equal(slice.data, "hello", 5);
    tr_slice_release(slice);
}

static void
a_copy_of_nothing_is_an_empty_slice(void **state)
{
    (void)state;
    tr_slice slice;
    assert_int_equal(tr_slice_copy(NULL, 0, &slice), TR_OK);
    assert_int_equal(slice.size, 0);
    tr_slice_release(slice);
}

static void
wrong_arguments_are_refused(void **state)
{
    (void)state;
    tr_slice slice;
    char byte;
    assert_int_equal(tr_slice_copy(NULL, 1, &slice), TR_EINVAL);
    assert_int_equal(tr_slice_copy("x", 1, NULL), TR_EINVAL);
    assert_int_equal(tr_slice_copy("x", SIZE_MAX - 8, &slice), TR_ENOMEM);
    assert_int_equal(tr_slice_adopt(NULL, 1, NULL, &slice), TR_EINVAL);
    assert_int_equal(tr_slice_adopt(&byte, 1, NULL, NULL), TR_EINVAL);
}

static unsigned destroyed; /* the last holder only writes it, and the test reads it after the threads have ended */

static void
count_destroyed(void *data)
{
    assert_int_equal(*(char *)data, 'a');
    destroyed++;
}

static void
adopted_memory_is_destroyed_by_the_last_release_and_once(void **state)
{
    (void)state;
    static char memory[] = "abc";
    tr_slice slice;
    destroyed = 0;
    assert_int_equal(tr_slice_adopt(memory, 3, count_destroyed, &slice), TR_OK);
    assert_ptr_equal(slice.data, memory);
    tr_slice_hold(slice);
    tr_slice_release(slice);
    assert_int_equal(destroyed, 0);
    tr_slice_release(slice);
    assert_int_equal(destroyed, 1);
}

static void
adopted_memory_without_a_destructor_stays(void **state)
{
    (void)state;
    char memory[] = "abc";
    tr_slice slice;
    assert_int_equal(tr_slice_adopt(memory, 3, NULL, &slice), TR_OK);
    tr_slice_release(slice);
    assert_string_equal(memory, "abc");
}

static void
a_constant_needs_no_hold_and_no_release(void **state)
{
    (void)state;
    tr_slice slice = tr_slice_constant("abc", 3);
    assert_null(slice.buffer);
    tr_slice_hold(slice);
    tr_slice_release(slice);
    tr_slice_release(slice);
    assert_memory_equal(slice.data, "abc", 3);
}

static void
a_part_lies_within_its_slice(void **state)
{
    (void)state;
    tr_slice slice = tr_slice_constant("abcdef", 6);
    tr_slice middle = tr_slice_part(slice, 2, 3);
    assert_int_equal(middle.size, 3);
    assert_memory_equal(middle.data, "cde", 3);
    assert_int_equal(tr_slice_part(slice, 4, 100).size, 2);
    assert_int_equal(tr_slice_part(slice, 4, SIZE_MAX).size, 2);
    assert_int_equal(tr_slice_part(slice, 6, 1).size, 0);
    assert_int_equal(tr_slice_part(slice, SIZE_MAX, 1).size, 0);
    assert_ptr_equal(tr_slice_part(slice, 100, 1).data, slice.data + 6);
    assert_int_equal(tr_slice_part((tr_slice){0}, 0, 1).size, 0);
}

static void
hold_and_release_again_and_again(void *argument)
{
    tr_slice slice = *(tr_slice *)argument;
    for (int i = 0; i < ROUNDS; i++) {
        tr_slice_hold(slice);
        assert_int_equal(slice.data[i % 3], "abc"[i % 3]);
        tr_slice_release(slice);
    }
    tr_slice_release(slice);
}

static void
threads_that_hold_one_buffer_free_it_once_and_after_all_have_read(void **state)
{
    (void)state;
    static char memory[] = "abc";
    tr_slice slice;
    uv_thread_t threads[THREADS];
    destroyed = 0;
    assert_int_equal(tr_slice_adopt(memory, 3, count_destroyed, &slice), TR_OK);
    for (int i = 0; i < THREADS; i++) {
        tr_slice_hold(slice);
        assert_int_equal(uv_thread_create(&threads[i], hold_and_release_again_and_again, &slice), 0);
    }
    tr_slice_release(slice);
    for (int i = 0; i < THREADS; i++)
        uv_thread_join(&threads[i]);
    assert_int_equal(destroyed, 1);
}

/* Chains whose elements let go of the next, by slices and by messages in turn. */

#define CHAIN 1000000u

struct element {
    tr_message next;
};

static unsigned elements_freed;

static void
free_element(void *address)
{
    struct element *element = address;
    tr_message_drop(&element->next);
    free(element);
    elements_freed++;
}

static void
drop_chain(void)
{
    tr_message first = tr_message_signal(1);
    for (unsigned i = 0; i < CHAIN; i++) {
        struct element *element = malloc(sizeof(*element));
        element->next = first;
        tr_slice slice;
        if (i % 2 == 0)
            first = tr_message_pointer(1, element, sizeof(*element), free_element);
        else if (tr_slice_adopt(element, sizeof(*element), free_element, &slice) == TR_OK)
            first = tr_message_slice(1, slice);
    }
    elements_freed = 0;
    tr_message_drop(&first);
}

static void
destructors_that_let_go_of_the_next_may_be_in_chains_of_any_length(void **state)
{
    (void)state;
    assert_true(tests_run_on_small_stack(drop_chain));
    assert_int_equal(elements_freed, CHAIN);
}

/* A destructor within a destructor: how deep they nest, and in which order they are left. */
static unsigned nested, deepest;
static void *next_of[40];

static void
let_go_of_the_next(void *address)
{
    void **place = address;
    nested++;
    deepest = nested > deepest ? nested : deepest;
    if (place < &next_of[39]) {
        tr_slice next;
        assert_int_equal(tr_slice_adopt(place + 1, sizeof(*place), let_go_of_the_next, &next), TR_OK);
        tr_slice_release(next);
    }
    nested--;
    elements_freed++;
}

static void
destructors_nest_sixteen_deep_and_no_deeper(void **state)
{
    (void)state;
    for (unsigned count = 1; count <= 40; count++) {
        tr_slice first;
        nested = deepest = elements_freed = 0;
        assert_int_equal(tr_slice_adopt(&next_of[40 - count], 8, let_go_of_the_next, &first), TR_OK);
        tr_slice_release(first);
        assert_int_equal(elements_freed, count);
        assert_int_equal(deepest, count < 16 ? count : 16);
    }
}

/* A tree: each element lets go of two. */
struct node {
    tr_slice children[2];
};

static void
free_node(void *address)
{
    struct node *node = address;
    tr_slice_release(node->children[0]);
    tr_slice_release(node->children[1]);
    free(node);
    elements_freed++;
}

static tr_slice
grow_tree(unsigned depth)
{
    tr_slice slice = {0};
    if (depth == 0)
        return slice;
    struct node *node = malloc(sizeof(*node));
    node->children[0] = grow_tree(depth - 1);
    node->children[1] = grow_tree(depth - 1);
    assert_int_equal(tr_slice_adopt(node, sizeof(*node), free_node, &slice), TR_OK);
    return slice;
}

static void
all_is_destroyed_when_the_outermost_release_returns(void **state)
{
    (void)state;
    for (unsigned depth = 1; depth <= 18; depth++) {
        elements_freed = 0;
        tr_slice_release(grow_tree(depth));
        assert_int_equal(elements_freed, (1u << depth) - 1);
    }
}

/* What is kept takes at most twice its bytes, unless it is large: then it is not copied. */
static void
keeping_a_part_does_not_keep_a_buffer_that_is_twice_as_large(void **state)
{
    (void)state;
    static const struct {
        size_t whole, part;
        bool held;
    } rows[] = {
        {100, 100, true},
        {100, 50, true},
        {100, 49, false},
        {65536, 1, false},
        {65536, 32767, false},
        {65536, 32768, true},
        {1u << 20, TRI_KEEP_COPY_BYTES, false},
        {1u << 20, TRI_KEEP_COPY_BYTES + 1, true},
    };
    static char bytes[1u << 20];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        tr_slice whole, kept;
        assert_int_equal(tr_slice_copy(bytes, rows[i].whole, &whole), TR_OK);
        tr_slice part = tr_slice_part(whole, rows[i].whole - rows[i].part, rows[i].part);
        assert_int_equal(tri_slice_keep(part, &kept), TR_OK);
        assert_int_equal(kept.size, part.size);
        assert_memory_equal(kept.data, part.data, part.size);
        assert_int_equal(kept.buffer == whole.buffer, rows[i].held);
        assert_int_equal(tri_slice_is_sole(whole), !rows[i].held);
        assert_true(rows[i].part > TRI_KEEP_COPY_BYTES || tri_slice_whole(kept) <= 2 * kept.size);
        tr_slice_release(kept);
        tr_slice_release(whole);
    }
}

static void
keeping_constant_bytes_keeps_their_place(void **state)
{
    (void)state;
    tr_slice kept;
    static const char text[] = "for ever";
    assert_int_equal(tri_slice_keep(tr_slice_constant(text, 3), &kept), TR_OK);
    assert_ptr_equal(kept.data, text);
    assert_null(kept.buffer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_holds_the_bytes_and_not_the_place),
        cmocka_unit_test(a_copy_of_nothing_is_an_empty_slice),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(adopted_memory_is_destroyed_by_the_last_release_and_once),
        cmocka_unit_test(adopted_memory_without_a_destructor_stays),
        cmocka_unit_test(a_constant_needs_no_hold_and_no_release),
        cmocka_unit_test(a_part_lies_within_its_slice),
        cmocka_unit_test(threads_that_hold_one_buffer_free_it_once_and_after_all_have_read),
        cmocka_unit_test(destructors_that_let_go_of_the_next_may_be_in_chains_of_any_length),
        cmocka_unit_test(destructors_nest_sixteen_deep_and_no_deeper),
        cmocka_unit_test(all_is_destroyed_when_the_outermost_release_returns),
        cmocka_unit_test(keeping_a_part_does_not_keep_a_buffer_that_is_twice_as_large),
        cmocka_unit_test(keeping_constant_bytes_keeps_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
