/*
 * A till and its customer, whose messages are declared once: what is sent has the type of its tag, what is received is
 * checked, and the compiler knows if the switch forgets one. A question is declared with the type of its answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/typed.h>

struct item {
    unsigned cents;
    unsigned count;
};

struct receipt {
    unsigned long cents;
    char text[200];
};

/* What the till understands, and what the customer does. */
#define TILL(X)                                                                                                        \
    X(TILL_ITEM, till_item, VALUE(struct item))                                                                        \
    X(TILL_COUPON, till_coupon, SLICE)                                                                                 \
    X(TILL_TOTAL, till_total, QUESTION(SIGNAL, VALUE(unsigned long)))                                                  \
    X(TILL_PAY, till_pay, SIGNAL)
#define CUSTOMER(X) X(CUSTOMER_RECEIPT, customer_receipt, MOVED(struct receipt, free))

TR_PROTOCOL(till, TILL, 1);
TR_PROTOCOL(customer, CUSTOMER, till_number_end);

struct till {
    unsigned long cents;
};

static void
take_coupon(struct till *till, tr_slice text)
{
    printf("coupon: %.*s\n", (int)text.size, (const char *)text.data);
    till->cents -= till->cents / 10;
}

static void
hand_receipt(tr_actor *self, const struct till *till, tr_ref customer)
{
    struct receipt *receipt = malloc(sizeof(*receipt));
    if (receipt == NULL)
        return;
    receipt->cents = till->cents;
    snprintf(receipt->text, sizeof(receipt->text), "%lu.%02lu, thank you", till->cents / 100, till->cents % 100);
    if (customer_receipt_send(self, customer, receipt) != TR_OK)
        free(receipt); /* it is still ours */
}

static void
till_receive(tr_actor *self, void *state, tr_message *message)
{
    struct till *till = state;
    switch (till_tag_of(self, message)) {
    case TILL_ITEM: till->cents += (unsigned long)till_item(message)->cents * till_item(message)->count; break;
    case TILL_COUPON: take_coupon(till, till_coupon(message)); break;
    case TILL_TOTAL: till_total_reply(self, &till->cents); break;
    case TILL_PAY: hand_receipt(self, till, message->from); break;
    case TILL_NONE: printf("not for a till: %u\n", message->tag); break; /* it is a dead letter */
    }
}

static const struct tr_behavior till_behavior = {
    .name = "till", .state_size = sizeof(struct till), .receive = till_receive};

static void
on_total(tr_actor *self, void *context, const struct tr_answer *answer)
{
    const unsigned long *cents = till_total_answer(answer->message);
    (void)context;
    if (cents == NULL) {
        printf("no total: %s\n", answer->text);
        tr_runtime_quit(tr_actor_runtime(self));
        return;
    }
    printf("%lu.%02lu to pay\n", *cents / 100, *cents % 100);
    till_pay_send(self, answer->asked);
}

static tr_status
go_shopping(tr_actor *self, void *state, const void *argument)
{
    tr_ref till = *(const tr_ref *)argument;
    struct item milk = {.cents = 120, .count = 2}, bread = {.cents = 360, .count = 1};
    tr_slice coupon;
    (void)state;
    if (tr_slice_copy("ten off", 7, &coupon) != TR_OK)
        return TR_ENOMEM;
    till_item_send(self, till, &milk);
    till_item_send(self, till, &bread);
    tr_tell(self, till, TILL_ITEM, "bread", 5); /* nobody keeps this from being sent, but the till does not take it */
    if (till_coupon_send(self, till, coupon) != TR_OK)
        tr_slice_release(coupon);
    return till_total_ask(self, till, &(struct tr_ask_options){.done = on_total});
}

static void
customer_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    switch (customer_tag_of(self, message)) {
    case CUSTOMER_RECEIPT: printf("%s\n", customer_receipt(message)->text); break;
    case CUSTOMER_NONE: return;
    }
    tr_runtime_quit(tr_actor_runtime(self));
}

static const struct tr_behavior customer_behavior = {
    .name = "customer", .init = go_shopping, .receive = customer_receive};

int
main(void)
{
    tr_runtime *runtime = NULL;
    tr_ref till;
    struct tr_stop_report left = {0};
    tr_status status = tr_runtime_start(NULL, &runtime);
    if (status == TR_OK)
        status = tr_runtime_spawn(runtime, &till_behavior, NULL, &till);
    struct tr_spawn_options options = {.argument = &till, .argument_size = sizeof(till)};
    if (status == TR_OK)
        status = tr_runtime_spawn(runtime, &customer_behavior, &options, NULL);
    if (status == TR_OK)
        tr_runtime_wait(runtime);
    else
        fprintf(stderr, "typed: %s\n", tr_status_text(status));
    tr_status end = tr_runtime_stop(runtime, 1000, &left);
    printf("%llu dead letter\n", (unsigned long long)left.dead_letters);
    return status == TR_OK && end == TR_OK ? 0 : 1;
}
