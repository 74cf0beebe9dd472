/*
 * A merge of streams. A heap holds the streams by the time of their next event; a stream whose next event is the end of
 * a message that is not sent yet waits in another, if its send is in the trace at all: opening it has told. With that
 * send it goes on. If all wait, the trace is wrong (or was read while it was written), and the earliest goes on.
 *
 * An event costs a few steps in a heap, and a message a few in a table, whatever the trace says.
 */
#include "order.h"
#include <stdlib.h>
#include <string.h>

#include "bad_input.h"

#define NOBODY SIZE_MAX

struct order_source {
    struct cursor cursor;
    const struct tri_trace_record *next; /* NULL: it is through */
    enum role role;                      /* of next */
    bool gap;                            /* before next */
    size_t place;                        /* in the heap that holds it */
    size_t earlier, later;               /* sources that wait for the same message; NOBODY: none */
};

static bool
is_of_parcel(enum role role)
{
    return role_sends_parcel(role) || role_ends_parcel(role);
}

static bool
sends(enum role role)
{
    return role == ROLE_send || role_sends_parcel(role);
}

static bool
ends(enum role role)
{
    return role == ROLE_receive || role == ROLE_dead_letter || role_ends_parcel(role);
}

/* What goes from actor to actor, and what from process to process, have ids of their own. */
static struct messages *
messages_of(struct order *order, enum role role)
{
    return is_of_parcel(role) ? &order->parcels : &order->messages;
}

/* Must source wait for another before it gives its next event? */
static bool
must_wait(const struct order *order, const struct order_source *source)
{
    uint64_t message = source->next->message;
    uint32_t stream = TRI_TRACE_MESSAGE_STREAM(message);
    if (!ends(source->role))
        return false;
    if (role_ends_parcel(source->role))
        return messages_will_be_sent(&order->parcels, table_get(&order->trace->parcels, stream, 0), message);
    const struct stream *of = stream != source->cursor.stream->number ? trace_stream(order->trace, stream) : NULL;
    return of != NULL && messages_will_be_sent(&order->messages, &of->sent, message);
}

/* -- Heaps. -- */

static bool
is_earlier(const struct turn *a, const struct turn *b)
{
    return a->time != b->time ? a->time < b->time : a->source < b->source;
}

static void
put_at(struct order *order, struct heap *heap, size_t at, struct turn turn)
{
    heap->turns[at] = turn;
    order->sources[turn.source].place = at;
}

static void
sift_down(struct order *order, struct heap *heap, size_t at)
{
    struct turn turn = heap->turns[at];
    for (size_t child; (child = at * 2 + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && is_earlier(&heap->turns[child + 1], &heap->turns[child]))
            child++;
        if (!is_earlier(&heap->turns[child], &turn))
            break;
        put_at(order, heap, at, heap->turns[child]);
    }
    put_at(order, heap, at, turn);
}

static void
sift_up(struct order *order, struct heap *heap, size_t at)
{
    struct turn turn = heap->turns[at];
    for (; at > 0 && is_earlier(&turn, &heap->turns[(at - 1) / 2]); at = (at - 1) / 2)
        put_at(order, heap, at, heap->turns[(at - 1) / 2]);
    put_at(order, heap, at, turn);
}

static void
push(struct order *order, struct heap *heap, size_t source)
{
    heap->turns[heap->count] = (struct turn){order->sources[source].next->timestamp, source};
    sift_up(order, heap, heap->count++);
}

static void
remove_from(struct order *order, struct heap *heap, size_t at)
{
    struct turn last = heap->turns[--heap->count];
    if (at == heap->count)
        return;
    put_at(order, heap, at, last);
    sift_up(order, heap, at);
    sift_down(order, heap, order->sources[last.source].place);
}

/* How long the first of those that can go on does so before another one's turn has come. */
static void
set_until(struct order *order)
{
    const struct heap *ready = &order->ready;
    order->until = UINT64_MAX;
    for (size_t child = 1; child <= 2 && child < ready->count; child++) {
        if (ready->turns[child].time < order->until)
            order->until = ready->turns[child].time;
    }
}

/* -- Waiting. -- */

static void
wait_for_send(struct order *order, size_t number)
{
    struct order_source *source = &order->sources[number];
    bool parcel = is_of_parcel(source->role);
    size_t *first = table_get(&order->waiters, source->next->message, parcel);
    source->earlier = NOBODY;
    source->later = first != NULL ? *first : NOBODY;
    if (first != NULL)
        order->sources[*first].earlier = number;
    *(size_t *)table_put(&order->waiters, source->next->message, parcel) = number;
    push(order, &order->waiting, number);
}

/* Takes it out of those that wait for its message. */
static void
forget_waiter(struct order *order, const struct order_source *source)
{
    bool parcel = is_of_parcel(source->role);
    if (source->later != NOBODY)
        order->sources[source->later].earlier = source->earlier;
    if (source->earlier != NOBODY)
        order->sources[source->earlier].later = source->later;
    else if (source->later != NOBODY)
        *(size_t *)table_put(&order->waiters, source->next->message, parcel) = source->later;
    else
        table_remove(&order->waiters, source->next->message, parcel);
}

static void
go_on(struct order *order, size_t number)
{
    struct order_source *source = &order->sources[number];
    forget_waiter(order, source);
    remove_from(order, &order->waiting, source->place);
    push(order, &order->ready, number);
}

/* Lets those go on that wait for a message. */
static void
release_waiters(struct order *order, uint64_t message, bool parcel)
{
    const size_t *first;
    while ((first = table_get(&order->waiters, message, parcel)) != NULL)
        go_on(order, *first);
    set_until(order);
}

/* -- Going on. -- */

static void
read_next(const struct order *order, struct order_source *source)
{
    source->next = cursor_next(&source->cursor);
    if (source->next != NULL)
        source->role = (enum role)order->trace->metadata->roles[source->next->id];
    source->gap = source->cursor.gap;
}

/* The source that gave the last event has its next one: is it still the first? */
static void
find_first(struct order *order, size_t number)
{
    const struct order_source *source = &order->sources[number];
    if (source->next != NULL && !must_wait(order, source)) {
        order->ready.turns[0].time = source->next->timestamp;
        if (source->next->timestamp < order->until)
            return;
        sift_down(order, &order->ready, 0);
    } else {
        remove_from(order, &order->ready, 0);
        if (source->next != NULL)
            wait_for_send(order, number);
    }
    set_until(order);
}

/* Moves on the source that gave the last event: it is the first of those that can go on still. */
static void
advance(struct order *order)
{
    size_t number = order->ready.turns[0].source;
    struct order_source *source = &order->sources[number];
    uint64_t message = source->next->message;
    enum role role = source->role;
    read_next(order, source);
    find_first(order, number);
    if (sends(role) && order->waiters.count > 0)
        release_waiters(order, message, is_of_parcel(role));
}

static struct sending
sending_of(const struct order *order, const struct step *step, uint64_t sender)
{
    return (struct sending){.sender = sender,
                            .place = order->events,
                            .timestamp = step->record->timestamp,
                            .stream = step->stream->number,
                            .tag = step->record->arg,
                            .role = (uint8_t)step->role,
                            .flags = step->record->flags};
}

static void
note_send(struct order *order, struct step *step)
{
    struct sending sending = sending_of(order, step, step->record->actor);
    step->sent_again = !messages_send(messages_of(order, step->role), step->record->message, &sending);
}

static void
note_end(struct order *order, struct step *step)
{
    step->ending = ENDING_UNSENT;
    if (step->record->message != 0) /* no send has that id */
        step->ending = messages_end(messages_of(order, step->role), step->record->message, &step->sending);
    if (step->ending == ENDING_RIGHT && step->sending.timestamp > step->record->timestamp)
        order->contradictions += step->sending.stream != step->stream->number;
}

static void
note_stash(struct order *order, const struct step *step)
{
    struct sending sending = sending_of(order, step, 0);
    if (step->record->message != 0)
        messages_return(&order->messages, step->record->message, &sending);
}

bool
order_next(struct order *order, struct step *step)
{
    if (order->started)
        advance(order);
    order->started = order->ready.count > 0 || order->waiting.count > 0;
    if (!order->started)
        return false;
    if (order->ready.count == 0) {
        go_on(order, order->waiting.turns[0].source); /* everybody waits for somebody */
        set_until(order);
    }

    const struct order_source *source = &order->sources[order->ready.turns[0].source];
    memset(step, 0, sizeof(*step));
    step->record = source->next;
    step->stream = source->cursor.stream;
    step->role = source->role;
    step->gap = source->gap;
    if (sends(step->role))
        note_send(order, step);
    else if (ends(step->role))
        note_end(order, step);
    else if (step->role == ROLE_stash)
        note_stash(order, step);
    order->events++;
    return true;
}

void
order_mark(struct order *order, const struct step *step)
{
    messages_mark(messages_of(order, step->role), step->record->message);
}

bool
step_is_end(const struct step *step)
{
    return ends(step->role);
}

static void
start(struct order *order, size_t number)
{
    struct order_source *source = &order->sources[number];
    cursor_init(&source->cursor, order->trace, &order->trace->streams[number]);
    read_next(order, source);
    if (source->next == NULL)
        return;
    if (must_wait(order, source))
        wait_for_send(order, number);
    else
        push(order, &order->ready, number);
}

void
order_init(struct order *order, const struct trace *trace)
{
    size_t count = trace->stream_count;
    memset(order, 0, sizeof(*order));
    order->trace = trace;
    order->sources = must_calloc(count, sizeof(*order->sources));
    order->ready.turns = must_calloc(count, sizeof(*order->ready.turns));
    order->waiting.turns = must_calloc(count, sizeof(*order->waiting.turns));
    table_init(&order->waiters, sizeof(size_t));
    messages_init(&order->messages);
    if (trace->has_parcels)
        messages_init(&order->parcels);
    for (size_t i = 0; i < count; i++)
        start(order, i);
    set_until(order);
}

void
order_fini(struct order *order)
{
    for (size_t i = 0; i < order->trace->stream_count; i++)
        cursor_fini(&order->sources[i].cursor);
    free(order->sources);
    free(order->ready.turns);
    free(order->waiting.turns);
    table_fini(&order->waiters);
    messages_fini(&order->messages);
    if (order->trace->has_parcels)
        messages_fini(&order->parcels);
}
