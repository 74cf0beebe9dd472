#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/core/message.h>

static char text[] = "a text that is longer than the thirty-two bytes which fit inside";

static unsigned destroyed;

static void
count_destroyed(void *address)
{
    assert_ptr_equal(address, text);
    destroyed++;
}

static tr_message
pointer_message(void)
{
    destroyed = 0;
    return tr_message_pointer(7, text, sizeof(text), count_destroyed);
}

static void
assert_empty(const tr_message *message)
{
    assert_int_equal(tr_message_size(message), 0);
    assert_null(tr_message_data(message));
}

static void
a_signal_has_a_tag_and_nothing_else(void **state)
{
    (void)state;
    tr_message message = tr_message_signal(9);
    assert_int_equal(message.tag, 9);
    assert_int_equal(message.from, TR_NOBODY);
    assert_empty(&message);
}

static void
up_to_32_bytes_lie_inside_the_message(void **state)
{
    (void)state;
    tr_message message = tr_message_copy(7, text, TR_MESSAGE_INLINE);
    assert_int_equal(message.kind, TR_PAYLOAD_BYTES);
    assert_int_equal(tr_message_size(&message), TR_MESSAGE_INLINE);
    assert_memory_equal(tr_message_data(&message), text, TR_MESSAGE_INLINE);
    assert_ptr_equal(tr_message_data(&message), message.payload.bytes);
    tr_message_drop(&message);
}

static void
more_bytes_have_memory_of_their_own(void **state)
{
    (void)state;
    tr_message message = tr_message_copy(7, text, TR_MESSAGE_INLINE + 1);
    assert_int_equal(message.tag, 7);
    assert_int_equal(tr_message_size(&message), TR_MESSAGE_INLINE + 1);
    assert_memory_equal(tr_message_data(&message), text, TR_MESSAGE_INLINE + 1);
    assert_ptr_not_equal(tr_message_data(&message), text);
    tr_message_drop(&message); /* the leak checker sees whether this frees it */
    assert_empty(&message);
}

static void
without_memory_the_message_says_so_and_is_empty(void **state)
{
    (void)state;
    tr_message message = tr_message_copy(7, text, SIZE_MAX - 8);
    assert_int_equal(message.kind, TR_PAYLOAD_INVALID);
    assert_empty(&message);
    tr_message_drop(&message);
}

static void
a_size_without_bytes_is_a_message_that_could_not_be_made(void **state)
{
    (void)state;
    tr_message message = tr_message_copy(7, NULL, 1);
    assert_int_equal(message.kind, TR_PAYLOAD_INVALID);
    assert_empty(&message);
}

static void
a_dropped_pointer_is_destroyed_once(void **state)
{
    (void)state;
    tr_message message = pointer_message();
    assert_int_equal(tr_message_size(&message), sizeof(text));
    tr_message_drop(&message);
    assert_int_equal(destroyed, 1);
    assert_empty(&message);
    tr_message_drop(&message);
    assert_int_equal(destroyed, 1);
}

static void
a_pointer_that_was_taken_is_the_taker_s(void **state)
{
    (void)state;
    tr_message message = pointer_message();
    assert_ptr_equal(tr_message_take_pointer(&message), text);
    assert_empty(&message);
    tr_message_drop(&message);
    assert_int_equal(destroyed, 0);
    assert_null(tr_message_take_pointer(&message));
}

static void
a_pointer_to_nothing_is_not_destroyed(void **state)
{
    (void)state;
    destroyed = 0;
    tr_message message = tr_message_pointer(7, NULL, 0, count_destroyed);
    tr_message_drop(&message);
    assert_int_equal(destroyed, 0);
}

static tr_slice
adopted_text(void)
{
    tr_slice slice;
    destroyed = 0;
    assert_int_equal(tr_slice_adopt(text, sizeof(text), count_destroyed, &slice), TR_OK);
    return slice;
}

static void
a_pointer_without_a_destructor_is_let_go(void **state)
{
    (void)state;
    tr_message message = tr_message_pointer(7, text, sizeof(text), NULL);
    tr_message_drop(&message);
    assert_empty(&message);
}

static void
dropped_bytes_are_gone(void **state)
{
    (void)state;
    tr_message message = tr_message_copy(7, text, 5);
    tr_message_drop(&message);
    assert_empty(&message);
}

static void
a_dropped_message_releases_its_slice(void **state)
{
    (void)state;
    tr_message message = tr_message_slice(7, adopted_text());
    assert_ptr_equal(tr_message_data(&message), text);
    tr_message_drop(&message);
    assert_int_equal(destroyed, 1);
    assert_empty(&message);
}

static void
a_slice_that_was_taken_is_the_taker_s(void **state)
{
    (void)state;
    tr_message message = tr_message_slice(7, adopted_text());
    tr_slice slice = tr_message_take_slice(&message);
    assert_empty(&message);
    tr_message_drop(&message);
    assert_int_equal(destroyed, 0);
    assert_ptr_equal(slice.data, text);
    tr_slice_release(slice);
    assert_int_equal(destroyed, 1);
}

static void
what_is_not_there_cannot_be_taken(void **state)
{
    (void)state;
    tr_message bytes = tr_message_copy(7, "abc", 3);
    assert_null(tr_message_take_slice(&bytes).data);
    assert_null(tr_message_take_pointer(&bytes));
    assert_int_equal(tr_message_size(&bytes), 3);

    tr_message pointer = pointer_message();
    assert_null(tr_message_take_slice(&pointer).data);
    assert_int_equal(tr_message_take_slice(&bytes).size, 0);
    tr_message_drop(&pointer);
    assert_int_equal(destroyed, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_has_a_tag_and_nothing_else),
        cmocka_unit_test(up_to_32_bytes_lie_inside_the_message),
        cmocka_unit_test(more_bytes_have_memory_of_their_own),
        cmocka_unit_test(without_memory_the_message_says_so_and_is_empty),
        cmocka_unit_test(a_size_without_bytes_is_a_message_that_could_not_be_made),
        cmocka_unit_test(a_dropped_pointer_is_destroyed_once),
        cmocka_unit_test(a_pointer_that_was_taken_is_the_taker_s),
        cmocka_unit_test(a_pointer_to_nothing_is_not_destroyed),
        cmocka_unit_test(a_pointer_without_a_destructor_is_let_go),
        cmocka_unit_test(dropped_bytes_are_gone),
        cmocka_unit_test(a_dropped_message_releases_its_slice),
        cmocka_unit_test(a_slice_that_was_taken_is_the_taker_s),
        cmocka_unit_test(what_is_not_there_cannot_be_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
