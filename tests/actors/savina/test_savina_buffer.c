/*
 * Bounded buffer: producers and consumers, and between them a buffer that holds little. A producer asks it to take an
 * item and makes the next one when it has; a consumer asks it for one. The buffer keeps the questions that it cannot
 * answer yet. When the producers have ended it is closed, and tells the consumers so when it is empty.
 */
#include "savina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <troupe/actors/failure.h>

#define CAPACITY_MOST 64u

struct size {
    unsigned producers, consumers, items; /* items of each producer */
    unsigned capacity;
};

struct item {
    uint32_t producer, number; /* from 1 on */
};

struct consumed {
    uint64_t count, sum;
};

#define BUFFER(X)                                                                                                      \
    X(BUFFER_PLAY, buffer_play, SIGNAL)                                                                                \
    X(BUFFER_PUT, buffer_put, VALUE(struct item))                                                                      \
    X(BUFFER_TAKEN, buffer_taken, SIGNAL)                                                                              \
    X(BUFFER_GET, buffer_get, SIGNAL)                                                                                  \
    X(BUFFER_ITEM, buffer_item, VALUE(struct item))                                                                    \
    X(BUFFER_CLOSE, buffer_close, SIGNAL)                                                                              \
    X(BUFFER_CLOSED, buffer_closed, SIGNAL)                                                                            \
    X(BUFFER_SUM, buffer_sum, VALUE(struct consumed))

TR_PROTOCOL(buffer, BUFFER, 1);

/* The buffer. */

struct buffer {
    unsigned capacity, first, count;
    bool closed;
    struct item items[CAPACITY_MOST];
    struct savina_line puts, gets; /* of one of them at least there is none */
};

static tr_status
buffer_init(tr_actor *self, void *state, const void *argument)
{
    struct buffer *buffer = state;
    (void)self;
    buffer->capacity = ((const struct size *)argument)->capacity;
    return TR_OK;
}

static void
put_in(struct buffer *buffer, struct item item)
{
    assert_true(buffer->count < buffer->capacity);
    buffer->items[(buffer->first + buffer->count++) % CAPACITY_MOST] = item;
}

static struct item
take_out(struct buffer *buffer)
{
    struct item item = buffer->items[buffer->first];
    buffer->first = (buffer->first + 1) % CAPACITY_MOST;
    buffer->count--;
    return item;
}

static void
put(tr_actor *self, struct buffer *buffer, struct item item)
{
    assert_false(buffer->closed);
    if (buffer->count == buffer->capacity) {
        savina_line_keep(self, &buffer->puts, (uint64_t)item.producer << 32 | item.number);
        return;
    }
    savina_reply(self, buffer_taken_message());
    if (buffer->gets.count == 0) {
        put_in(buffer, item);
        return;
    }
    struct savina_kept kept = savina_line_take(&buffer->gets);
    savina_reply_kept(self, &kept.question, buffer_item_message(&item));
}

static void
get(tr_actor *self, struct buffer *buffer)
{
    if (buffer->count == 0) {
        if (buffer->closed)
            savina_reply(self, buffer_closed_message());
        else
            savina_line_keep(self, &buffer->gets, 0);
        return;
    }
    struct item item = take_out(buffer);
    savina_reply(self, buffer_item_message(&item));
    if (buffer->puts.count > 0) {
        struct savina_kept kept = savina_line_take(&buffer->puts);
        put_in(buffer, (struct item){(uint32_t)(kept.number >> 32), (uint32_t)kept.number});
        savina_reply_kept(self, &kept.question, buffer_taken_message());
    }
}

static void
close_buffer(tr_actor *self, struct buffer *buffer)
{
    assert_int_equal(buffer->puts.count, 0);
    buffer->closed = true;
    while (buffer->gets.count > 0) {
        struct savina_kept kept = savina_line_take(&buffer->gets);
        savina_reply_kept(self, &kept.question, buffer_closed_message());
    }
}

static void
buffer_receive(tr_actor *self, void *state, tr_message *message)
{
    switch (buffer_tag_of(self, message)) {
    case BUFFER_PUT: put(self, state, *buffer_put(message)); break;
    case BUFFER_GET: get(self, state); break;
    case BUFFER_CLOSE: close_buffer(self, state); break;
    default: fail();
    }
}

static const struct tr_behavior buffer_behavior = {
    .name = "buffer", .state_size = sizeof(struct buffer), .init = buffer_init, .receive = buffer_receive};

/* Producers and consumers. */

struct part {
    struct size size;
    tr_ref buffer;
    unsigned number;
};

struct producer {
    struct part part;
    unsigned made;
};

static void on_taken(tr_actor *self, void *context, const struct tr_answer *answer);

static void
make(tr_actor *self, struct producer *producer)
{
    struct item item = {producer->part.number, ++producer->made};
    savina_ask(self, producer->part.buffer, buffer_put_message(&item), on_taken);
}

static void
on_taken(tr_actor *self, void *context, const struct tr_answer *answer)
{
    struct producer *producer = context;
    assert_int_equal(answer->outcome, TR_ANSWERED);
    assert_true(buffer_taken_fits(answer->message));
    if (producer->made < producer->part.size.items)
        make(self, producer);
    else
        tr_exit(self);
}

static tr_status
producer_init(tr_actor *self, void *state, const void *argument)
{
    struct producer *producer = state;
    producer->part = *(const struct part *)argument;
    make(self, producer);
    return TR_OK;
}

struct consumer {
    struct part part;
    struct consumed consumed;
    uint32_t *last; /* of each producer: the number of the last item */
};

static void
on_item(tr_actor *self, void *context, const struct tr_answer *answer)
{
    struct consumer *consumer = context;
    assert_int_equal(answer->outcome, TR_ANSWERED);
    const struct item *item = buffer_item(answer->message);
    if (item == NULL) {
        assert_true(buffer_closed_fits(answer->message));
        savina_send(self, tr_parent(self), buffer_sum_message(&consumer->consumed));
        tr_exit(self);
        return;
    }
    assert_true(item->number > consumer->last[item->producer]);
    consumer->last[item->producer] = item->number;
    consumer->consumed.count++;
    consumer->consumed.sum += item->number;
    savina_ask(self, consumer->part.buffer, buffer_get_message(), on_item);
}

static tr_status
consumer_init(tr_actor *self, void *state, const void *argument)
{
    struct consumer *consumer = state;
    consumer->part = *(const struct part *)argument;
    consumer->last = tr_alloc(self, consumer->part.size.producers * sizeof(*consumer->last));
    savina_ask(self, consumer->part.buffer, buffer_get_message(), on_item);
    return consumer->last != NULL ? TR_OK : TR_ENOMEM;
}

static const struct tr_behavior producer_behavior = {
    .name = "producer", .state_size = sizeof(struct producer), .init = producer_init, .receive = ignore};
static const struct tr_behavior consumer_behavior = {
    .name = "consumer", .state_size = sizeof(struct consumer), .init = consumer_init, .receive = ignore};

/* The director. */

struct director {
    struct size size;
    struct savina_play play;
    tr_ref buffer;
    struct consumed consumed;
};

static tr_status
director_init(tr_actor *self, void *state, const void *argument)
{
    struct director *director = state;
    (void)self;
    director->size = *(const struct size *)argument;
    return TR_OK;
}

static void
play(tr_actor *self, struct director *director)
{
    const struct size *size = &director->size;
    savina_begin(self, &director->play);
    director->buffer = savina_cast(self, &director->play, &buffer_behavior, 0, size, sizeof(*size));
    for (unsigned i = 0; i < size->producers + size->consumers; i++) {
        struct part part = {*size, director->buffer, i};
        const struct tr_behavior *behavior = i < size->producers ? &producer_behavior : &consumer_behavior;
        savina_cast(self, &director->play, behavior, i + 1, &part, sizeof(part));
    }
}

/* First the producers, then the consumers, then the buffer. */
static void
one_has_ended(tr_actor *self, struct director *director, const tr_message *message)
{
    savina_one_has_ended(&director->play, message);
    if (director->play.cast == director->size.consumers + 1)
        savina_send(self, director->buffer, buffer_close_message());
    else if (director->play.cast == 1)
        assert_int_equal(tr_stop(self, director->buffer, TR_STOP_DRAIN), TR_OK);
    else if (director->play.cast == 0)
        savina_end(self, &director->play, buffer_sum_message(&director->consumed));
}

static void
director_receive(tr_actor *self, void *state, tr_message *message)
{
    struct director *director = state;
    switch (buffer_tag_of(self, message)) {
    case BUFFER_PLAY: play(self, director); break;
    case BUFFER_SUM:
        director->consumed.count += buffer_sum(message)->count;
        director->consumed.sum += buffer_sum(message)->sum;
        break;
    default: one_has_ended(self, director, message);
    }
}

static const struct tr_behavior director_behavior = {
    .name = "director", .state_size = sizeof(struct director), .init = director_init, .receive = director_receive};

static void
program(tr_runtime *runtime, const void *argument)
{
    const struct size *size = argument;
    tr_message answer = savina_direct(runtime, &director_behavior, size, sizeof(*size), buffer_play_message());
    const struct consumed *consumed = buffer_sum(&answer);
    assert_non_null(consumed);
    assert_int_equal(consumed->count, size->producers * size->items);
    assert_int_equal(consumed->sum, (uint64_t)size->producers * size->items * (size->items + 1) / 2);
    tr_message_drop(&answer);
}

static void
the_buffer_hands_each_item_on_once_and_in_order_and_never_holds_more_than_it_may_on_many_workers(void **state)
{
    (void)state;
    savina_on_workers(program, &(struct size){.producers = 40, .consumers = 40, .items = 50, .capacity = 50});
}

static void
the_buffer_hands_each_item_on_once_and_in_order_and_never_holds_more_than_it_may_under_seeds(void **state)
{
    (void)state;
    savina_under_seeds(program, &(struct size){.producers = 4, .consumers = 4, .items = 8, .capacity = 3});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            the_buffer_hands_each_item_on_once_and_in_order_and_never_holds_more_than_it_may_on_many_workers),
        cmocka_unit_test(the_buffer_hands_each_item_on_once_and_in_order_and_never_holds_more_than_it_may_under_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
