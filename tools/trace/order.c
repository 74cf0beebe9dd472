/*
 * A merge of streams. A heap holds the streams by the time of their next event; a stream whose next event is the
 * end of a message that is not sent yet is taken out of it and waits, but only as long as that send can still come: the
 * reader has told which ids each stream sends. If all wait, the trace is wrong (or was read while it was
 * written), and the earliest goes on.
 */
#include "order.h"
#include <string.h>

#include "bad_input.h"

struct order_source {
    struct cursor cursor;
    const struct tri_trace_record *next; /* NULL: it is through */
    bool gap;                            /* before next */
    uint64_t last_sent;                  /* count of the message sent last */
};

static enum role
role_of(const struct order *order, const struct tri_trace_record *record)
{
    return (enum role)order->trace->metadata->roles[record->id];
}

static bool
ends_message(const struct order *order, const struct tri_trace_record *record)
{
    enum role role = role_of(order, record);
    return role == ROLE_receive || role == ROLE_dead_letter;
}

static struct order_source *
sender_of(const struct order *order, uint64_t message)
{
    const struct stream *stream = trace_stream(order->trace, TRI_TRACE_MESSAGE_STREAM(message));
    return stream != NULL ? &order->sources[stream - order->trace->streams] : NULL;
}

/* Must source wait for another before it gives its next event? */
static bool
must_wait(const struct order *order, const struct order_source *source)
{
    if (!ends_message(order, source->next))
        return false;
    uint64_t message = source->next->message, count = TRI_TRACE_MESSAGE_COUNT(message);
    const struct order_source *sender = sender_of(order, message);
    if (sender == NULL || sender == source || sender->next == NULL || messages_was_sent(&order->messages, message))
        return false;
    const struct stream *stream = sender->cursor.stream;
    if (count < stream->first_sent || count > stream->last_sent)
        return false;
    return !stream->ascending || count > sender->last_sent;
}

/* -- The heap. -- */

static bool
is_earlier(const struct order *order, size_t a, size_t b)
{
    uint64_t x = order->sources[a].next->timestamp, y = order->sources[b].next->timestamp;
    return x != y ? x < y : a < b;
}

static void
swap(size_t *a, size_t *b)
{
    size_t kept = *a;
    *a = *b;
    *b = kept;
}

static void
sift_down(struct order *order, size_t at)
{
    for (;;) {
        size_t least = at, child = at * 2 + 1;
        for (size_t i = child; i < child + 2 && i < order->heap_count; i++) {
            if (is_earlier(order, order->heap[i], order->heap[least]))
                least = i;
        }
        if (least == at)
            return;
        swap(&order->heap[at], &order->heap[least]);
        at = least;
    }
}

static void
push(struct order *order, size_t source)
{
    size_t at = order->heap_count++;
    order->heap[at] = source;
    while (at > 0 && is_earlier(order, order->heap[at], order->heap[(at - 1) / 2])) {
        swap(&order->heap[at], &order->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void
remove_first(struct order *order)
{
    order->heap[0] = order->heap[--order->heap_count];
    sift_down(order, 0);
}

/* -- Waiting. -- */

/* Lets those go on that need not wait any more. */
static void
look_at_waiting(struct order *order)
{
    for (size_t i = 0; i < order->waiting_count;) {
        size_t source = order->waiting[i];
        if (must_wait(order, &order->sources[source])) {
            i++;
        } else {
            order->waiting[i] = order->waiting[--order->waiting_count];
            push(order, source);
        }
    }
}

/* Everybody waits for somebody: lets the earliest go on. */
static void
break_circle(struct order *order)
{
    size_t earliest = 0;
    for (size_t i = 1; i < order->waiting_count; i++) {
        if (is_earlier(order, order->waiting[i], order->waiting[earliest]))
            earliest = i;
    }
    size_t source = order->waiting[earliest];
    order->waiting[earliest] = order->waiting[--order->waiting_count];
    push(order, source);
}

/* -- Going on. -- */

static void
read_next(struct order_source *source)
{
    source->next = cursor_next(&source->cursor);
    source->gap = source->cursor.gap;
}

/* Moves on the source that gave the last event: it is the first of the heap still. */
static void
advance(struct order *order)
{
    struct order_source *source = &order->sources[order->heap[0]];
    bool sent = role_of(order, source->next) == ROLE_send;
    read_next(source);
    if (source->next == NULL) {
        remove_first(order);
    } else if (must_wait(order, source)) {
        order->waiting[order->waiting_count++] = order->heap[0];
        remove_first(order);
    } else {
        sift_down(order, 0);
    }
    if (order->waiting_count > 0 && (sent || source->next == NULL))
        look_at_waiting(order);
}

static void
note_send(struct order *order, struct order_source *source, struct step *step)
{
    const struct tri_trace_record *record = step->record;
    if (TRI_TRACE_MESSAGE_STREAM(record->message) == step->stream->number)
        source->last_sent = TRI_TRACE_MESSAGE_COUNT(record->message);
    struct sending sending = {record->actor, order->events, record->timestamp};
    step->sent_again = !messages_send(&order->messages, record->message, &sending);
}

static void
note_end(struct order *order, struct step *step)
{
    if (step->record->message == 0) { /* no send has that id */
        step->ending = ENDING_UNSENT;
        return;
    }
    step->ending = messages_end(&order->messages, step->record->message, &step->sending);
    if (step->ending != ENDING_RIGHT || step->record->timestamp >= step->sending.timestamp)
        return;
    step->contradicts = true;
    order->contradictions++;
    uint64_t ticks = step->sending.timestamp - step->record->timestamp;
    if (ticks > order->worst_ticks)
        order->worst_ticks = ticks;
}

bool
order_next(struct order *order, struct step *step)
{
    if (order->started)
        advance(order);
    order->started = order->heap_count > 0 || order->waiting_count > 0;
    if (!order->started)
        return false;
    if (order->heap_count == 0)
        break_circle(order);

    struct order_source *source = &order->sources[order->heap[0]];
    memset(step, 0, sizeof(*step));
    step->record = source->next;
    step->stream = source->cursor.stream;
    step->role = role_of(order, source->next);
    step->gap = source->gap;
    if (step->role == ROLE_send)
        note_send(order, source, step);
    else if (ends_message(order, source->next))
        note_end(order, step);
    order->events++;
    return true;
}

void
order_init(struct order *order, const struct trace *trace)
{
    size_t count = trace->stream_count;
    memset(order, 0, sizeof(*order));
    order->trace = trace;
    order->sources = must_calloc(count, sizeof(*order->sources));
    order->heap = must_calloc(count, sizeof(*order->heap));
    order->waiting = must_calloc(count, sizeof(*order->waiting));
    messages_init(&order->messages);
    for (size_t i = 0; i < count; i++) {
        cursor_init(&order->sources[i].cursor, trace, &trace->streams[i]);
        read_next(&order->sources[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (order->sources[i].next != NULL)
            order->waiting[order->waiting_count++] = i;
    }
    look_at_waiting(order);
}

void
order_fini(struct order *order)
{
    for (size_t i = 0; i < order->trace->stream_count; i++)
        cursor_fini(&order->sources[i].cursor);
    free(order->sources);
    free(order->heap);
    free(order->waiting);
    messages_fini(&order->messages);
}
