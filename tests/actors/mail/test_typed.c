#include "counters.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/typed.h>

struct order {
    uint32_t item, count;
};

struct address { /* does not fit into a message */
    char lines[5][40];
};

struct cart {
    int items;
};

static struct tally destroyed;

static void
cart_free(struct cart *cart)
{
    tally_add(&destroyed, 1);
    free(cart);
}

#define SHOP(X)                                                                                                        \
    X(SHOP_ORDER, shop_order, VALUE(struct order))                                                                     \
    X(SHOP_ADDRESS, shop_address, VALUE(struct address))                                                               \
    X(SHOP_PHOTO, shop_photo, SLICE)                                                                                   \
    X(SHOP_CART, shop_cart, MOVED(struct cart, cart_free))                                                             \
    X(SHOP_CLOSE, shop_close, SIGNAL)
#define STAFF(X) X(STAFF_GREET, staff_greet, VALUE(tr_ref))

TR_PROTOCOL(shop, SHOP, 100);
TR_PROTOCOL(staff, STAFF, shop_number_end);

static const struct order two_hats = {.item = 7, .count = 2};
static const struct address home = {.lines = {"A. Turing", "Adlington Road", "Wilmslow"}};

static struct cart *
cart_new(int items)
{
    struct cart *cart = malloc(sizeof(*cart));
    assert_non_null(cart);
    cart->items = items;
    return cart;
}

static tr_slice
photo_of(const char *text)
{
    tr_slice photo;
    assert_int_equal(tr_slice_copy(text, strlen(text), &photo), TR_OK);
    return photo;
}

/* Messages alone. */

static void
tags_are_numbered_in_the_order_of_the_rows(void **state)
{
    (void)state;
    assert_int_equal(SHOP_ORDER, 100);
    assert_int_equal(SHOP_ADDRESS, 101);
    assert_int_equal(SHOP_CLOSE, 104);
    assert_int_equal(shop_number_end, 105);
}

static void
the_next_protocol_begins_where_one_ends(void **state)
{
    (void)state;
    tr_message greet = staff_greet_message(&(tr_ref){5}), shut = shop_close_message();
    assert_int_equal(STAFF_GREET, shop_number_end);
    assert_int_equal(shop_peek(&greet), SHOP_NONE);
    assert_int_equal(staff_peek(&greet), STAFF_GREET);
    assert_int_equal(staff_peek(&shut), STAFF_NONE);
}

static void
a_tag_has_the_name_of_its_constant(void **state)
{
    (void)state;
    assert_string_equal(shop_tag_name(SHOP_ADDRESS), "SHOP_ADDRESS");
    assert_string_equal(shop_tag_name(SHOP_NONE), "SHOP_NONE");
    assert_string_equal(shop_name_of_tag(SHOP_ADDRESS), "SHOP_ADDRESS");
    assert_null(shop_name_of_tag(STAFF_GREET));
    assert_null(shop_name_of_tag(UINT32_MAX));
}

static void
a_message_carries_what_its_row_says(void **state)
{
    (void)state;
    struct cart *cart = cart_new(3);
    tr_message order = shop_order_message(&two_hats), address = shop_address_message(&home);
    tr_message photo = shop_photo_message(photo_of("hat")), moved = shop_cart_message(cart);
    tr_message shut = shop_close_message();

    assert_int_equal(shop_peek(&order), SHOP_ORDER);
    assert_memory_equal(shop_order(&order), &two_hats, sizeof(two_hats));
    assert_int_equal(shop_peek(&address), SHOP_ADDRESS);
    assert_memory_equal(shop_address(&address), &home, sizeof(home));
    assert_int_equal(shop_peek(&photo), SHOP_PHOTO);
    assert_int_equal(shop_photo(&photo).size, 3);
    assert_int_equal(shop_peek(&moved), SHOP_CART);
    assert_ptr_equal(shop_cart(&moved), cart);
    assert_int_equal(shop_peek(&shut), SHOP_CLOSE);
    tr_message_drop(&address);
    tr_message_drop(&photo);
    tr_message_drop(&moved);
    assert_int_equal(tally_read(&destroyed), 1);
}

static void
what_is_taken_out_is_the_receivers(void **state)
{
    (void)state;
    struct cart *cart = cart_new(3);
    tr_message moved = shop_cart_message(cart), photo = shop_photo_message(photo_of("hat"));
    assert_ptr_equal(shop_cart_take(&moved), cart);
    tr_slice slice = shop_photo_take(&photo);
    tr_message_drop(&moved);
    tr_message_drop(&photo);
    assert_int_equal(tally_read(&destroyed), 0);
    assert_memory_equal(slice.data, "hat", 3);
    assert_null(shop_cart_take(&moved));
    assert_int_equal(shop_photo_take(&photo).size, 0);
    tr_slice_release(slice);
    cart_free(cart);
}

static void
no_message_has_the_payload_of_another_row(void **state)
{
    (void)state;
    tr_message order = shop_order_message(&two_hats), shut = shop_close_message();
    assert_null(shop_address(&order));
    assert_null(shop_cart(&order));
    assert_null(shop_order(&shut));
    assert_null(shop_photo(&order).data);
    assert_int_equal(shop_photo(&order).size, 0);
}

/* Each message that is not as declared, made by hand. */
static tr_message
wrong_message(unsigned which)
{
    static _Alignas(8) char bytes[sizeof(struct address) + 8];
    struct cart *cart = which == 6 || which == 7 ? cart_new(1) : NULL;
    tr_slice slice = {.data = bytes + 1, .size = sizeof(struct order)}; /* of no buffer */
    switch (which) {
    case 0: return tr_message_copy(SHOP_ORDER, bytes, sizeof(struct order) - 1);
    case 1: return tr_message_copy(SHOP_ORDER, bytes, sizeof(struct order) + 1);
    case 2: return tr_message_signal(SHOP_ORDER);
    case 3: return tr_message_copy(SHOP_ADDRESS, bytes, sizeof(struct address) + 1);
    case 4: return tr_message_slice(SHOP_ORDER, slice); /* not aligned */
    case 5: return tr_message_copy(SHOP_PHOTO, bytes, 8);
    case 6: return tr_message_pointer(SHOP_CART, cart, sizeof(*cart) + 1, shop_cart_destroy);
    case 7: return tr_message_pointer(SHOP_ORDER, cart, sizeof(struct order), shop_cart_destroy);
    case 8: return tr_message_pointer(SHOP_CART, NULL, sizeof(*cart), NULL);
    case 9: return tr_message_copy(SHOP_CART, bytes, sizeof(*cart));
    case 10: return tr_message_copy(SHOP_CLOSE, bytes, 1);
    case 11: return tr_message_signal(99);
    default: return tr_message_signal((uint32_t)shop_number_end);
    }
}
enum { WRONG_MESSAGES = 13, WRONG_CARTS = 2 };

static void
whatever_is_not_as_declared_is_none_of_the_protocol(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WRONG_MESSAGES; i++) {
        tr_message message = wrong_message(i);
        assert_int_equal(shop_peek(&message), SHOP_NONE);
        tr_message_drop(&message);
    }
}

static void
a_message_without_its_value_is_refused(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_message order = shop_order_message(NULL), address = shop_address_message(NULL), cart = shop_cart_message(NULL);
    assert_int_equal(tr_runtime_send(runtime, TR_NOBODY, &order), TR_EBADREF);
    tr_ref ref = stage_spawn(runtime, &(struct tr_behavior){.name = "deaf", .receive = ignore}, 0, NULL);
    assert_int_equal(tr_runtime_send(runtime, ref, &order), TR_ENOMEM);
    assert_int_equal(tr_runtime_send(runtime, ref, &address), TR_ENOMEM);
    assert_int_equal(tr_runtime_send(runtime, ref, &cart), TR_ENOMEM);
    stage_close(runtime);
}

/* Between actors. */

static struct tally received[WRONG_MESSAGES], none, notices;
static tr_ref shop_ref;

static void
shop_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    switch (shop_tag_of(self, message)) {
    case SHOP_ORDER:
        assert_memory_equal(shop_order(message), &two_hats, sizeof(two_hats));
        tally_add(&received[0], 1);
        break;
    case SHOP_ADDRESS:
        assert_memory_equal(shop_address(message), &home, sizeof(home));
        tally_add(&received[1], 1);
        break;
    case SHOP_PHOTO:
        assert_memory_equal(shop_photo(message).data, "hat", 3);
        tally_add(&received[2], 1);
        break;
    case SHOP_CART:
        assert_int_equal(shop_cart(message)->items, 3);
        tally_add(&received[3], 1);
        break;
    case SHOP_CLOSE: tally_add(&received[4], 1); break;
    case SHOP_NONE: tally_add(&none, 1); break;
    }
}

static const struct tr_behavior shop = {.name = "shop", .receive = shop_receive};

static tr_status
visit_shop(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    assert_int_equal(shop_order_send(self, shop_ref, &two_hats), TR_OK);
    assert_int_equal(shop_address_send(self, shop_ref, &home), TR_OK);
    assert_int_equal(shop_photo_send(self, shop_ref, photo_of("hat")), TR_OK);
    assert_int_equal(shop_cart_send(self, shop_ref, cart_new(3)), TR_OK);
    assert_int_equal(shop_close_send(self, shop_ref), TR_OK);
    return TR_OK;
}

static void
every_row_can_be_sent_to_any_worker(void **state)
{
    static const struct tr_behavior guest = {.name = "guest", .init = visit_shop, .receive = ignore};
    (void)state;
    tr_runtime *runtime = stage_open(2);
    shop_ref = stage_spawn(runtime, &shop, 0, NULL);
    stage_spawn(runtime, &guest, 0, NULL);
    stage_spawn(runtime, &guest, 1, NULL);
    for (unsigned i = 0; i < 5; i++)
        tally_await(&received[i], 2);
    tests_counters_add_up(runtime);
    stage_close(runtime);
    assert_int_equal(tally_read(&destroyed), 2);
    assert_int_equal(tally_read(&none), 0);
}

static tr_status
fail_to_send(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    tr_slice photo = photo_of("hat");
    struct cart *cart = cart_new(1);
    assert_int_equal(shop_order_send(self, TR_NOBODY, &two_hats), TR_EBADREF);
    assert_int_equal(shop_address_send(self, TR_NOBODY, &home), TR_EBADREF);
    assert_int_equal(shop_close_send(self, TR_NOBODY), TR_EBADREF);
    assert_int_equal(shop_photo_send(self, TR_NOBODY, photo), TR_EBADREF);
    assert_int_equal(shop_cart_send(self, TR_NOBODY, cart), TR_EBADREF);
    assert_int_equal(shop_order_send(self, tr_self(self), NULL), TR_EINVAL);
    assert_int_equal(shop_cart_send(self, tr_self(self), NULL), TR_EINVAL);
    assert_memory_equal(photo.data, "hat", 3);
    assert_int_equal(tally_read(&destroyed), 0);
    tr_slice_release(photo);
    cart_free(cart);
    return TR_OK;
}

static void
a_send_that_fails_leaves_slice_and_pointer_to_the_caller(void **state)
{
    static const struct tr_behavior unlucky = {.name = "unlucky", .init = fail_to_send, .receive = ignore};
    (void)state;
    tr_runtime *runtime = stage_open(1);
    stage_spawn(runtime, &unlucky, 0, NULL);
    stage_close(runtime);
}

static void
note_bad_letter(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state;
    const struct tr_dead_letter *letter = tr_message_data(message);
    assert_int_equal(message->tag, TR_TAG_DEAD_LETTER);
    assert_int_equal(letter->reason, TR_DEAD_BAD_MESSAGE);
    assert_int_equal(letter->to, shop_ref);
    tally_add(&notices, 1);
}

static const struct tr_behavior undertaker = {.name = "undertaker", .receive = note_bad_letter};

static void
a_wrong_message_is_a_dead_letter_with_the_reason_and_counted(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    shop_ref = stage_spawn(runtime, &shop, 1, NULL);
    assert_int_equal(tr_dead_letters_subscribe(runtime, stage_spawn(runtime, &undertaker, 0, NULL)), TR_OK);
    for (unsigned i = 0; i < WRONG_MESSAGES; i++) {
        tr_message message = wrong_message(i);
        assert_int_equal(tr_runtime_send(runtime, shop_ref, &message), TR_OK);
        tally_await(&none, i + 1);
    }
    tally_await(&notices, WRONG_MESSAGES);
    tests_counters_await_dead(runtime, WRONG_MESSAGES);
    tests_counters_add_up(runtime);
    assert_int_equal(tally_read(&destroyed), WRONG_CARTS);
    stage_close(runtime);
}

/* Rejecting by hand. */

static void
reject_by_hand(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == TR_TAG_DEAD_LETTER) { /* of itself, whose letters are counted alone; so this is another's */
        assert_int_equal(tr_reject(self, message), TR_EBADTAG);
        assert_int_equal(shop_tag_of(self, message), SHOP_NONE);
        assert_int_equal(tr_message_size(message), sizeof(struct tr_dead_letter));
        tally_add(&notices, 1);
        return;
    }
    assert_int_equal(tr_reject(NULL, message), TR_EINVAL);
    assert_int_equal(tr_reject(self, NULL), TR_EINVAL);
    assert_int_equal(tally_read(&destroyed), 0);
    assert_int_equal(tr_reject(self, message), TR_OK);
    assert_int_equal(tally_read(&destroyed), 1);
    assert_int_equal(message->tag, SHOP_CART);
    assert_int_equal(tr_message_size(message), 0);
    assert_int_equal(tr_reject(self, message), TR_EINVAL);
    assert_int_equal(shop_tag_of(self, message), SHOP_NONE);
    tally_add(&none, 1);
}

static const struct tr_behavior strict = {.name = "strict", .receive = reject_by_hand};

static void
a_message_is_rejected_once(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_message message = shop_cart_message(cart_new(1));
    assert_int_equal(tr_runtime_send(runtime, stage_spawn(runtime, &strict, 0, NULL), &message), TR_OK);
    tally_await(&none, 1);
    tests_counters_await_dead(runtime, 1);
    tests_counters_add_up(runtime);
    stage_close(runtime);
    assert_int_equal(tally_read(&destroyed), 1);
}

static void
a_message_of_the_librarys_own_is_not_judged_and_stays_as_it_is(void **state)
{
    (void)state;
    struct tr_counters counters;
    tr_runtime *runtime = stage_open(1);
    shop_ref = stage_spawn(runtime, &shop, 0, NULL);
    assert_int_equal(tr_dead_letters_subscribe(runtime, stage_spawn(runtime, &strict, 0, NULL)), TR_OK);
    stage_send(runtime, shop_ref, 1, NULL, 0);
    tally_await(&notices, 1);
    tests_counters_add_up(runtime);
    tr_runtime_counters(runtime, &counters);
    assert_int_equal(counters.dead_letters, 1);
    assert_int_equal(counters.notices_lost, 0);
    stage_close(runtime);
}

static int
reset(void **state)
{
    (void)state;
    memset(received, 0, sizeof(received));
    destroyed = none = notices = (struct tally){0};
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(tags_are_numbered_in_the_order_of_the_rows, reset),
        cmocka_unit_test_setup(the_next_protocol_begins_where_one_ends, reset),
        cmocka_unit_test_setup(a_tag_has_the_name_of_its_constant, reset),
        cmocka_unit_test_setup(a_message_carries_what_its_row_says, reset),
        cmocka_unit_test_setup(what_is_taken_out_is_the_receivers, reset),
        cmocka_unit_test_setup(no_message_has_the_payload_of_another_row, reset),
        cmocka_unit_test_setup(whatever_is_not_as_declared_is_none_of_the_protocol, reset),
        cmocka_unit_test_setup(a_message_without_its_value_is_refused, reset),
        cmocka_unit_test_setup(every_row_can_be_sent_to_any_worker, reset),
        cmocka_unit_test_setup(a_send_that_fails_leaves_slice_and_pointer_to_the_caller, reset),
        cmocka_unit_test_setup(a_wrong_message_is_a_dead_letter_with_the_reason_and_counted, reset),
        cmocka_unit_test_setup(a_message_is_rejected_once, reset),
        cmocka_unit_test_setup(a_message_of_the_librarys_own_is_not_judged_and_stays_as_it_is, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
