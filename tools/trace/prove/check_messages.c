/*
 * The rules of messages: sent_before, once, tag, arrival, fifo; and of what goes from process to process: parcel.
 *
 * A pair of actors has two orders: that of the messages that they send each other, and that of the library's own, whose
 * tags are the reserved ones. Threads outside are not told apart in a trace, so no order is asked of what they send.
 */
#include "rules.h"
#include "worker.h"

#define FIRST_RESERVED_TAG 0xffff0000u

/* Of a pair of actors, the message that was sent last of those that were received. There are many, so they are
 * small. */
struct pair {
    uint64_t place; /* of its send, plus 1 */
    uint64_t message;
};

void
check_messages_init(struct check *check)
{
    table_init(&check->pairs[0], sizeof(struct pair));
    table_init(&check->pairs[1], sizeof(struct pair));
}

static bool
is_of_living(const void *check, struct table_key key, const void *value)
{
    (void)value;
    return !check_has_ended(check, key.a) && !check_has_ended(check, key.b);
}

static void
check_fifo(struct check *check, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    if (step->sending.sender == 0)
        return;
    bool reserved = record->arg >= FIRST_RESERVED_TAG;
    check_sweep(check, &check->pairs[reserved], &check->most_pairs[reserved], is_of_living);
    struct pair *pair = table_put(&check->pairs[reserved], step->sending.sender, record->actor);
    check->findings[RULE_fifo].looked++;
    if (step->sending.place >= pair->place) {
        *pair = (struct pair){step->sending.place + 1, record->message};
        return;
    }
    check->overtaker = pair->message;
    check_failed(check, RULE_fifo, step, "overtaken by a message that was sent later");
}

/* May the send stand among events that are not there? */
static bool
may_be_missing(const struct check *check, uint64_t message)
{
    const struct stream *stream = trace_stream(check->trace, TRI_TRACE_MESSAGE_STREAM(message));
    bool open = !check->trace->metadata->closed;
    if (message == 0) /* who sent it did not record */
        return check->trace->in_the_middle;
    if (stream == NULL)
        return open || check->trace->partial || check->trace->in_the_middle || trace_lost(check->trace) > 0;
    if (TRI_TRACE_MESSAGE_COUNT(message) <= stream->before)
        return true;
    bool later = TRI_TRACE_MESSAGE_COUNT(message) > stream->last_sent;
    return stream_lost(stream) > 0 || check->trace->partial || (open && later); /* written after the stream was read */
}

static void
check_unsent(struct check *check, const struct step *step)
{
    if (may_be_missing(check, step->record->message))
        check->findings[RULE_sent_before].unknown++;
    else
        check_failed(check, RULE_sent_before, step, "no send before it");
}

static void
check_tag(struct check *check, const struct step *step)
{
    check->findings[RULE_tag].looked++;
    if (!step->sending.returned && step->sending.tag != step->record->arg)
        check_failed(check, RULE_tag, step, "it was sent with another tag");
}

static void
check_end(struct check *check, const struct step *step)
{
    check->findings[RULE_sent_before].looked++;
    check->findings[RULE_once].looked++;
    if (step->ending == ENDING_REPEATED)
        check_failed(check, RULE_once, step, "the message was received before, or was a dead letter");
    else if (step->ending == ENDING_UNSENT)
        check_unsent(check, step);
    else if (step->ending == ENDING_FORGOTTEN)
        check->findings[RULE_once].unknown++;
    else if (step->role == ROLE_receive && step->ending == ENDING_RIGHT) {
        check_tag(check, step);
        check_fifo(check, step);
    }
}

/* -- From process to process. -- */

/* May the send stand in a trace of its process that is not read, or among events that are not there? */
static bool
may_be_elsewhere(const struct check *check, const struct step *step)
{
    const struct trace *trace = check->trace;
    uint64_t parcel = step->record->message;
    const struct spans *sent = table_get(&trace->parcels, TRI_TRACE_MESSAGE_STREAM(parcel), 0);
    if (parcel == 0 || sent == NULL || trace_lost(trace) > 0 || trace->partial)
        return true;
    bool later = TRI_TRACE_MESSAGE_COUNT(parcel) > sent->items[sent->count - 1].last;
    if (later && !trace->metadata->closed) /* written after the stream was read */
        return true;
    return !check_has_told_all(check, step->stream->member->cluster, TRI_TRACE_MESSAGE_STREAM(parcel),
                               step->record->timestamp);
}

static void
check_parcel_end(struct check *check, const struct step *step)
{
    if (step->ending == ENDING_REPEATED)
        check_failed(check, RULE_parcel, step, "it had come to its end before");
    else if (step->ending == ENDING_UNSENT && may_be_elsewhere(check, step))
        check->findings[RULE_parcel].unknown++;
    else if (step->ending == ENDING_UNSENT)
        check_failed(check, RULE_parcel, step, "no process sent it before");
    else if (step->ending == ENDING_FORGOTTEN)
        check->findings[RULE_parcel].unknown++;
}

static void
check_parcel(struct check *check, const struct step *step)
{
    check->findings[RULE_parcel].looked++;
    if (role_ends_parcel(step->role))
        check_parcel_end(check, step);
    else if (step->sent_again && step->record->message != 0)
        check_failed(check, RULE_parcel, step, "sent again under the same id");
}

/* Ids count up, and when the stream was attached it said how many there were. */
static void
check_attached(struct check *check, const struct step *step)
{
    uint64_t id = step->record->message;
    const struct stream *stream = step->stream;
    if (TRI_TRACE_MESSAGE_STREAM(id) == stream->number && TRI_TRACE_MESSAGE_COUNT(id) <= stream->before)
        check_failed(check, RULE_worker, step, "its stream says that it had given that id before it was attached");
}

void
check_messages(struct check *check, const struct step *step)
{
    if (step->role == ROLE_send) {
        check->findings[RULE_once].looked++;
        if (step->sent_again)
            check_failed(check, RULE_once, step, "a message of that id was sent before");
        else if (step->stream->before > 0)
            check_attached(check, step);
    } else if (step->role == ROLE_receive) {
        check_end(check, step);
    } else if (step->role == ROLE_dead_letter && step->record->message != 0) {
        check_end(check, step); /* 0: the library's own, which are not in the trace when all goes well */
    } else if (role_sends_parcel(step->role) || role_ends_parcel(step->role)) {
        check_parcel(check, step);
    }
}

static void
check_flying(void *argument, const struct sent *sent)
{
    struct check *check = argument;
    struct tri_trace_record record = {.timestamp = sent->sending.timestamp,
                                      .id = (uint16_t)metadata_find(check->trace->metadata, "send"),
                                      .arg = sent->sending.tag,
                                      .actor = sent->sending.sender,
                                      .message = sent->message};
    struct step step = {.record = &record,
                        .stream = trace_stream(check->trace, TRI_TRACE_MESSAGE_STREAM(sent->message)),
                        .role = ROLE_send};
    check->findings[RULE_arrival].looked++;
    if (step.stream != NULL)
        check_failed(check, RULE_arrival, &step, "it was neither received nor a dead letter");
}

void
check_messages_end(struct check *check, const struct order *order)
{
    if (!workers_have_stopped(check))
        return;
    check->findings[RULE_arrival].looked++;
    flight_each(&order->messages.flying, check_flying, check);
}
