/*
 * Questions of a protocol: asked, answered and checked by type.
 */
#include "counters.h"
#include "puppet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/typed.h>

#define LONG_MS 60000u

struct order {
    uint64_t words[4]; /* as large as a message that is no question */
};

struct bill {
    unsigned long cents;
    char text[100]; /* too large for a message */
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
    X(SHOP_BILL, shop_bill, QUESTION(VALUE(struct order), VALUE(struct bill)))                                         \
    X(SHOP_PHOTO, shop_photo, QUESTION(SIGNAL, SLICE))                                                                 \
    X(SHOP_SWAP, shop_swap, QUESTION(MOVED(struct cart, cart_free), MOVED(struct cart, cart_free)))                    \
    X(SHOP_PRINT, shop_print, QUESTION(SLICE, SIGNAL))                                                                 \
    X(SHOP_LATER, shop_later, QUESTION(SIGNAL, VALUE(int)))                                                            \
    X(SHOP_NOW, shop_now, SIGNAL)                                                                                      \
    X(SHOP_WRONG, shop_wrong, QUESTION(VALUE(uint64_t), VALUE(int)))

TR_PROTOCOL(shop, SHOP, 100);

static struct tally over, none;
static struct tr_answer outcome; /* message and text are gone */
static tr_ref shop_ref;

static int
reset(void **state)
{
    (void)state;
    puppet_forget();
    destroyed = over = none = (struct tally){0};
    return 0;
}

static tr_slice
slice_of(const char *text)
{
    tr_slice slice;
    assert_int_equal(tr_slice_copy(text, strlen(text), &slice), TR_OK);
    return slice;
}

/* The shop. */

static void
send_bill(tr_actor *self, const struct order *order)
{
    struct bill bill = {.cents = order->words[3], .text = "paid"};
    assert_int_equal(shop_bill_reply(self, NULL), TR_EINVAL);
    assert_int_equal(shop_bill_reply(self, &bill), TR_OK);
    assert_int_equal(shop_bill_reply(self, &bill), TR_ENOQUESTION);
}

static void
swap(tr_actor *self, struct cart *cart)
{
    cart->items++;
    assert_int_equal(shop_swap_reply(self, NULL), TR_EINVAL);
    assert_int_equal(shop_swap_reply(self, cart), TR_OK);
}

/* Answers that are not as declared. */
static void
answer_wrongly(tr_actor *self, uint64_t how)
{
    uint64_t words[20] = {0};
    struct cart *cart = how == 3 ? calloc(1, sizeof(*cart)) : NULL;
    tr_message answer = how == 0   ? tr_message_copy(SHOP_WRONG, words, sizeof(int) + 1)
                        : how == 1 ? tr_message_copy(SHOP_BILL, words, sizeof(int))
                        : how == 2 ? tr_message_copy(SHOP_WRONG, words, sizeof(words))
                                   : tr_message_pointer(SHOP_WRONG, cart, sizeof(int), shop_swap_destroy);
    assert_int_equal(tr_reply(self, &answer), TR_OK);
}

static void
shop_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_question *kept = state;
    switch (shop_tag_of(self, message)) {
    case SHOP_BILL: send_bill(self, shop_bill(message)); break;
    case SHOP_PHOTO: assert_int_equal(shop_photo_reply(self, slice_of("hat")), TR_OK); break;
    case SHOP_SWAP: swap(self, shop_swap_take(message)); break;
    case SHOP_PRINT:
        assert_memory_equal(shop_print(message).data, "text", 4);
        assert_int_equal(shop_print_reply(self), TR_OK);
        break;
    case SHOP_LATER: assert_int_equal(tr_question_keep(self, kept), TR_OK); break;
    case SHOP_NOW:
        assert_int_equal(shop_later_reply_to(self, kept, NULL), TR_EINVAL);
        assert_int_equal(shop_later_reply_to(self, kept, &(int){7}), TR_OK);
        assert_int_equal(shop_later_reply_to(self, kept, &(int){7}), TR_ENOQUESTION);
        break;
    case SHOP_WRONG: answer_wrongly(self, *shop_wrong(message)); break;
    case SHOP_NONE: tally_add(&none, 1); break;
    }
}

static const struct tr_behavior shop = {.name = "shop", .state_size = sizeof(tr_question), .receive = shop_receive};

/* Who asks. */

static void
on_bill(tr_actor *self, void *context, const struct tr_answer *answer)
{
    const struct bill *bill = shop_bill_answer(answer->message);
    (void)self, (void)context;
    assert_non_null(bill);
    assert_int_equal(bill->cents, 12);
    assert_string_equal(bill->text, "paid");
    tally_add(&over, 1);
}

static void
on_photo(tr_actor *self, void *context, const struct tr_answer *answer)
{
    (void)self, (void)context;
    tr_slice photo = shop_photo_answer_take(answer->message);
    assert_int_equal(photo.size, 3);
    assert_memory_equal(photo.data, "hat", 3);
    tr_slice_release(photo);
    tally_add(&over, 1);
}

static void
on_swap(tr_actor *self, void *context, const struct tr_answer *answer)
{
    (void)self, (void)context;
    struct cart *cart = shop_swap_answer_take(answer->message);
    assert_non_null(cart);
    assert_int_equal(cart->items, 4);
    cart_free(cart);
    tally_add(&over, 1);
}

static void
on_print(tr_actor *self, void *context, const struct tr_answer *answer)
{
    (void)self, (void)context;
    assert_int_equal(answer->outcome, TR_ANSWERED);
    tally_add(&over, 1);
}

static void
on_later(tr_actor *self, void *context, const struct tr_answer *answer)
{
    (void)self, (void)context;
    assert_int_equal(*shop_later_answer(answer->message), 7);
    tally_add(&over, 1);
}

static void
ask_all(tr_actor *self, void *argument)
{
    struct order order = {.words = {1, 2, 3, 12}};
    struct cart *cart = calloc(1, sizeof(*cart));
    cart->items = 3;
    (void)argument;
    struct tr_ask_options bill = {.timeout_ms = LONG_MS, .done = on_bill};
    struct tr_ask_options photo = {.timeout_ms = LONG_MS, .done = on_photo};
    struct tr_ask_options swapped = {.timeout_ms = LONG_MS, .done = on_swap};
    struct tr_ask_options print = {.timeout_ms = LONG_MS, .done = on_print};
    struct tr_ask_options later = {.timeout_ms = LONG_MS, .done = on_later};
    assert_int_equal(shop_bill_ask(self, shop_ref, &order, &bill), TR_OK);
    assert_int_equal(shop_photo_ask(self, shop_ref, &photo), TR_OK);
    assert_int_equal(shop_swap_ask(self, shop_ref, cart, &swapped), TR_OK);
    assert_int_equal(shop_print_ask(self, shop_ref, slice_of("text"), &print), TR_OK);
    assert_int_equal(shop_later_ask(self, shop_ref, &later), TR_OK);
    assert_int_equal(shop_now_send(self, shop_ref), TR_OK);
}

static void
every_question_and_every_answer_carries_what_its_row_says(void **state)
{
    for (unsigned worker = 0; worker < 2; worker++) {
        reset(state);
        tr_runtime *runtime = stage_open(2);
        shop_ref = stage_spawn(runtime, &shop, worker, NULL);
        puppet_do(runtime, puppet_spawn(runtime, 0), ask_all, NULL);
        tally_await(&over, 5);
        stage_close(runtime);
        assert_int_equal(tally_read(&none), 0);
        assert_int_equal(tally_read(&destroyed), 1);
    }
}

static void
on_outcome(tr_actor *self, void *context, const struct tr_answer *answer)
{
    (void)self, (void)context;
    outcome = *answer;
    assert_null(shop_wrong_answer(answer->message));
    tally_add(&over, 1);
}

static void
ask_for_a_wrong_one(tr_actor *self, void *argument)
{
    struct tr_ask_options options = {.timeout_ms = LONG_MS, .done = on_outcome};
    assert_int_equal(shop_wrong_ask(self, shop_ref, argument, &options), TR_OK);
}

static void
a_wrong_answer_is_a_dead_letter_and_no_answer(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_ref asker = puppet_spawn(runtime, 0);
    shop_ref = stage_spawn(runtime, &shop, 1, NULL);
    for (uint64_t how = 0; how < 4; how++) {
        puppet_do(runtime, asker, ask_for_a_wrong_one, &how);
        tally_await(&over, how + 1);
        assert_int_equal(outcome.outcome, TR_DOWN);
        assert_int_equal(outcome.status, TR_EBADMESSAGE);
    }
    tests_counters_await_dead(runtime, 4);
    tests_counters_add_up(runtime);
    stage_close(runtime);
    assert_int_equal(tally_read(&destroyed), 1);
}

static void
ask_wrongly(tr_actor *self, void *argument)
{
    struct tr_ask_options options = {.timeout_ms = LONG_MS, .done = on_outcome};
    tr_message question = tr_message_signal(SHOP_BILL);
    (void)argument;
    assert_int_equal(tr_ask(self, shop_ref, &question, &options), TR_OK);
}

static void
who_asks_what_is_not_as_declared_hears_so(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    shop_ref = stage_spawn(runtime, &shop, 0, NULL);
    puppet_do(runtime, puppet_spawn(runtime, 0), ask_wrongly, NULL);
    tally_await(&over, 1);
    assert_int_equal(outcome.outcome, TR_DOWN);
    assert_int_equal(outcome.status, TR_EBADMESSAGE);
    assert_int_equal(tally_read(&none), 1);
    stage_close(runtime);
}

static void
fail_to_ask(tr_actor *self, void *argument)
{
    tr_slice text = slice_of("text");
    struct order order = {0};
    struct cart *cart = calloc(1, sizeof(*cart));
    (void)argument;
    assert_int_equal(shop_bill_ask(self, TR_NOBODY, &order, NULL), TR_EBADREF);
    assert_int_equal(shop_bill_ask(self, shop_ref, NULL, NULL), TR_EINVAL);
    assert_int_equal(shop_swap_ask(self, shop_ref, NULL, NULL), TR_EINVAL);
    assert_int_equal(shop_print_ask(self, TR_NOBODY, text, NULL), TR_EBADREF);
    assert_int_equal(shop_swap_ask(self, TR_NOBODY, cart, NULL), TR_EBADREF);
    assert_int_equal(shop_bill_reply(self, &(struct bill){0}), TR_ENOQUESTION);
    assert_int_equal(shop_photo_reply(self, text), TR_ENOQUESTION);
    assert_int_equal(shop_swap_reply(self, cart), TR_ENOQUESTION);
    assert_int_equal(tally_read(&destroyed), 0);
    assert_memory_equal(text.data, "text", 4);
    tr_slice_release(text);
    cart_free(cart);
}

static void
what_is_not_asked_or_answered_leaves_slice_and_pointer_to_the_caller(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    shop_ref = stage_spawn(runtime, &shop, 0, NULL);
    puppet_do(runtime, puppet_spawn(runtime, 0), fail_to_ask, NULL);
    stage_close(runtime);
}

static void
a_thread_outside_asks_by_type_too(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    shop_ref = stage_spawn(runtime, &shop, 0, NULL);
    tr_message question = shop_bill_message(&(struct order){.words = {0, 0, 0, 5}}), answer;
    assert_int_equal(tr_runtime_ask(runtime, shop_ref, &question, LONG_MS, &answer), TR_OK);
    assert_int_equal(shop_bill_answer(&answer)->cents, 5);
    assert_null(shop_later_answer(&answer));
    tr_message_drop(&answer);
    stage_close(runtime);
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_question_and_every_answer_carries_what_its_row_says),
        TEST(a_wrong_answer_is_a_dead_letter_and_no_answer),
        TEST(who_asks_what_is_not_as_declared_hears_so),
        TEST(what_is_not_asked_or_answered_leaves_slice_and_pointer_to_the_caller),
        TEST(a_thread_outside_asks_by_type_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
