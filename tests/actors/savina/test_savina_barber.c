/*
 * Sleeping barber: customers come into a waiting room with few chairs. If all are taken a customer goes, and comes
 * again in a while. To a barber who sleeps the room hands a customer's question on; the others wait, and when the
 * barber asks for the next one, the question that was kept is handed on. So the barber himself answers whom he has
 * served.
 */
#include "savina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SNIPS 3u

struct size {
    unsigned customers, chairs;
};

struct shut {
    uint64_t served, turned_away;
};

#define BARBER(X)                                                                                                      \
    X(BARBER_PLAY, barber_play, SIGNAL)                                                                                \
    X(BARBER_ENTER, barber_enter, VALUE(uint64_t))                                                                     \
    X(BARBER_FULL, barber_full, SIGNAL)                                                                                \
    X(BARBER_AGAIN, barber_again, SIGNAL)                                                                              \
    X(BARBER_DONE, barber_done, VALUE(uint64_t))                                                                       \
    X(BARBER_NEXT, barber_next, SIGNAL)                                                                                \
    X(BARBER_SNIP, barber_snip, SIGNAL)                                                                                \
    X(BARBER_SHUT, barber_shut, VALUE(struct shut))

TR_PROTOCOL(barber, BARBER, 1);

/* The barber. */

struct barber {
    tr_question question; /* of whom he serves */
    uint64_t customer;
    bool busy;
    unsigned snips;
};

static void
begin(tr_actor *self, struct barber *barber, uint64_t customer)
{
    assert_false(barber->busy);
    assert_int_equal(tr_question_keep(self, &barber->question), TR_OK);
    barber->customer = customer;
    barber->busy = true;
    barber->snips = 0;
    assert_int_equal(barber_snip_send(self, tr_self(self)), TR_OK);
}

static void
snip(tr_actor *self, struct barber *barber)
{
    if (++barber->snips < SNIPS) {
        assert_int_equal(barber_snip_send(self, tr_self(self)), TR_OK);
        return;
    }
    barber->busy = false;
    savina_reply_kept(self, &barber->question, barber_done_message(&barber->customer));
    assert_int_equal(barber_next_send(self, tr_parent(self)), TR_OK);
}

static void
barber_receive(tr_actor *self, void *state, tr_message *message)
{
    switch (barber_tag_of(self, message)) {
    case BARBER_ENTER: begin(self, state, *barber_enter(message)); break;
    case BARBER_SNIP: snip(self, state); break;
    default: fail();
    }
}

static const struct tr_behavior barber_behavior = {
    .name = "barber", .state_size = sizeof(struct barber), .receive = barber_receive};

/* Customers. */

struct customer {
    tr_ref room;
    uint64_t number;
};

static void
on_served(tr_actor *self, void *context, const struct tr_answer *answer)
{
    const struct customer *customer = context;
    assert_int_equal(answer->outcome, TR_ANSWERED);
    if (barber_full_fits(answer->message)) {
        tr_message again = barber_again_message();
        assert_int_equal(tr_send_after(self, tr_self(self), 1, &again, NULL), TR_OK);
        return;
    }
    assert_non_null(barber_done(answer->message));
    assert_int_equal(*barber_done(answer->message), customer->number);
    tr_exit(self);
}

static tr_status
customer_init(tr_actor *self, void *state, const void *argument)
{
    struct customer *customer = state;
    *customer = *(const struct customer *)argument;
    savina_ask(self, customer->room, barber_enter_message(&customer->number), on_served);
    return TR_OK;
}

static void
customer_receive(tr_actor *self, void *state, tr_message *message)
{
    const struct customer *customer = state;
    assert_int_equal(barber_tag_of(self, message), BARBER_AGAIN);
    savina_ask(self, customer->room, barber_enter_message(&customer->number), on_served);
}

static const struct tr_behavior customer_behavior = {
    .name = "customer", .state_size = sizeof(struct customer), .init = customer_init, .receive = customer_receive};

/* The waiting room, which directs. */

struct room {
    struct size size;
    tr_ref barber;
    bool barber_sleeps;
    struct savina_line chairs;
    struct shut shut;
    struct savina_play play;
};

static tr_status
room_init(tr_actor *self, void *state, const void *argument)
{
    struct room *room = state;
    room->size = *(const struct size *)argument;
    room->barber_sleeps = true;
    room->barber = savina_cast(self, &room->play, &barber_behavior, 4, NULL, 0);
    return TR_OK;
}

static void
open_shop(tr_actor *self, struct room *room)
{
    savina_begin(self, &room->play);
    for (unsigned i = 0; i < room->size.customers; i++) {
        struct customer customer = {tr_self(self), i};
        savina_cast(self, &room->play, &customer_behavior, i, &customer, sizeof(customer));
    }
}

static void
enter(tr_actor *self, struct room *room, tr_message *message)
{
    if (room->barber_sleeps) {
        room->barber_sleeps = false;
        assert_int_equal(tr_forward(self, room->barber, message), TR_OK);
    } else if (room->chairs.count < room->size.chairs) {
        savina_line_keep(self, &room->chairs, *barber_enter(message));
    } else {
        room->shut.turned_away++;
        savina_reply(self, barber_full_message());
    }
}

static void
next(tr_actor *self, struct room *room)
{
    room->shut.served++;
    room->barber_sleeps = room->chairs.count == 0;
    if (room->barber_sleeps)
        return;
    struct savina_kept kept = savina_line_take(&room->chairs);
    tr_message message = barber_enter_message(&kept.number);
    assert_int_equal(tr_question_forward(self, &kept.question, room->barber, &message), TR_OK);
}

/* The barber goes when all customers have, and the room has heard his last word. */
static void
shut(tr_actor *self, struct room *room)
{
    if (room->play.cast == 1 && room->barber_sleeps)
        assert_int_equal(tr_stop(self, room->barber, TR_STOP_DRAIN), TR_OK);
    else if (room->play.cast == 0)
        savina_end(self, &room->play, barber_shut_message(&room->shut));
}

static void
room_receive(tr_actor *self, void *state, tr_message *message)
{
    struct room *room = state;
    switch (barber_tag_of(self, message)) {
    case BARBER_PLAY: open_shop(self, room); break;
    case BARBER_ENTER: enter(self, room, message); break;
    case BARBER_NEXT: next(self, room); break;
    default: savina_one_has_ended(&room->play, message);
    }
    shut(self, room);
}

static const struct tr_behavior room_behavior = {
    .name = "room", .state_size = sizeof(struct room), .init = room_init, .receive = room_receive};

static void
program(tr_runtime *runtime, const void *argument)
{
    const struct size *size = argument;
    tr_message answer = savina_direct(runtime, &room_behavior, size, sizeof(*size), barber_play_message());
    assert_non_null(barber_shut(&answer));
    assert_int_equal(barber_shut(&answer)->served, size->customers);
    tr_message_drop(&answer);
}

static void
every_customer_is_served_once_though_the_room_has_few_chairs_on_many_workers(void **state)
{
    (void)state;
    savina_on_workers(program, &(struct size){.customers = 200, .chairs = 10});
}

static void
every_customer_is_served_once_though_the_room_has_few_chairs_under_seeds(void **state)
{
    (void)state;
    savina_under_seeds(program, &(struct size){.customers = 10, .chairs = 2});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_customer_is_served_once_though_the_room_has_few_chairs_on_many_workers),
        cmocka_unit_test(every_customer_is_served_once_though_the_room_has_few_chairs_under_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
