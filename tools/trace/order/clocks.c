/*
 * A message from stream S to stream R that is sent at s and received at r asks that R is moved by at least s - r more
 * than S. So each pair of streams has one demand, the largest, and the least movements that meet all are found as
 * longest ways are, by going through the demands until nothing changes. That ends after as many rounds as there are
 * streams, or never: then the demands go round in a circle, and whole streams cannot be moved so.
 *
 * Most traces contradict nothing. A command that goes through all events before it prints anything sees that as it
 * goes, and begins again if it must. For the others a merge by time, which is cheaper than the causal order, looks
 * before.
 */
#include "clocks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bad_input.h"
#include "merge.h"
#include "order.h"
#include "progress.h"
#include "text.h"
#include "words.h"

#define STREAMS (TRI_TRACE_OUTSIDE + 1u)

/* -- Is there anything? -- */

/* Is it the end of a message whose send is still to come? `sent` has what was sent so far, by the stream's place. */
static bool
comes_early(const struct trace *trace, struct spans *sent, const struct tri_trace_record *record)
{
    enum role role = (enum role)trace->metadata->roles[record->id];
    if (role != ROLE_send && role != ROLE_receive && role != ROLE_dead_letter)
        return false;
    const struct stream *stream = trace_stream(trace, TRI_TRACE_MESSAGE_STREAM(record->message));
    uint64_t count = TRI_TRACE_MESSAGE_COUNT(record->message);
    if (stream == NULL)
        return false;
    struct spans *before = &sent[stream - trace->streams];
    if (role == ROLE_send)
        spans_add(before, count);
    return role != ROLE_send && spans_has(before, count) == SPANS_NO && spans_has(&stream->sent, count) != SPANS_NO;
}

static bool
is_suspect(const struct trace *trace)
{
    struct merge merge;
    const struct stream *stream;
    const struct tri_trace_record *record;
    bool early = false;
    struct spans *sent = must_calloc(trace->stream_count, sizeof(*sent));
    merge_init(&merge, trace);
    while (!early && (record = merge_next(&merge, &stream)) != NULL)
        early = comes_early(trace, sent, record);
    merge_fini(&merge);
    for (size_t i = 0; i < trace->stream_count; i++)
        spans_fini(&sent[i]);
    free(sent);
    return early;
}

/* -- Demands. -- */

struct demand {
    bool made;
    int64_t ticks;
};

static int64_t
difference(uint64_t later, uint64_t earlier)
{
    uint64_t size = later > earlier ? later - earlier : earlier - later;
    int64_t limited = size < INT64_MAX / 4 ? (int64_t)size : INT64_MAX / 4; /* sums of two do not overflow */
    return later > earlier ? limited : -limited;
}

static void
note_contradiction(struct trace *trace, int64_t ticks)
{
    if (ticks <= 0)
        return;
    trace->contradictions++;
    trace->worst_ticks = (uint64_t)ticks > trace->worst_ticks ? (uint64_t)ticks : trace->worst_ticks;
}

static void
find_demands(struct trace *trace, struct table *demands)
{
    struct order order;
    struct step step;
    order_init(&order, trace);
    while (order_next(&order, &step)) {
        if (step.ending != ENDING_RIGHT || !step_is_end(&step) || step.sending.stream == step.stream->number)
            continue;
        int64_t ticks = difference(step.sending.timestamp, step.record->timestamp);
        struct demand *demand = table_put(demands, step.sending.stream, step.stream->number);
        if (!demand->made || ticks > demand->ticks)
            *demand = (struct demand){true, ticks};
        note_contradiction(trace, ticks);
    }
    order_fini(&order);
}

/* -- Whole streams. -- */

/* One round. Has anything changed? */
static bool
raise(const struct table *demands, int64_t *moved)
{
    bool changed = false;
    struct table_entry entry;
    for (size_t place = 0; table_next(demands, &place, &entry);) {
        const struct demand *demand = entry.value;
        int64_t *to = &moved[entry.key.b], wanted = moved[entry.key.a] + demand->ticks;
        if (wanted <= *to)
            continue;
        *to = wanted < INT64_MAX / 4 ? wanted : INT64_MAX / 4;
        changed = true;
    }
    return changed;
}

static bool
move_streams(struct trace *trace, const struct table *demands)
{
    int64_t *moved = must_calloc(STREAMS, sizeof(*moved));
    bool changed = true;
    for (size_t round = 0; changed && round <= trace->stream_count; round++)
        changed = raise(demands, moved);
    for (size_t i = 0; !changed && i < trace->stream_count; i++) {
        struct stream *stream = &trace->streams[i];
        if (moved[stream->number] > 0)
            stream_shift(stream, 0, (uint64_t)moved[stream->number]);
    }
    free(moved);
    return !changed;
}

/* -- Parts of streams. -- */

/* Where a stream is, and how far it has been moved by then. */
struct motion {
    uint64_t place, ticks;
};

static uint64_t
plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* An event must not be before that one: its stream is moved from it on. */
static void
move_behind(struct stream *stream, struct motion *motion, uint64_t timestamp, uint64_t earliest)
{
    if (plus(timestamp, motion->ticks) >= earliest)
        return;
    motion->ticks = earliest - timestamp;
    stream_shift(stream, motion->place, motion->ticks);
}

/* The shifts of all, found in causal order, in which they are not used yet. */
struct shifting {
    struct trace *trace;
    struct motion *motions; /* by number of the stream */
    struct table sent;      /* uint64_t: the corrected time of a send, by the id, and whether it is a parcel */
};

static void
shift_step(struct shifting *shifting, struct stream *stream, const struct step *step)
{
    struct motion *motion = &shifting->motions[stream->number];
    uint64_t message = step->record->message;
    bool parcel = role_sends_parcel(step->role) || role_ends_parcel(step->role);
    const uint64_t *sent = step_is_end(step) ? table_get(&shifting->sent, message, parcel) : NULL;
    if (sent != NULL && step->ending == ENDING_RIGHT)
        move_behind(stream, motion, step->record->timestamp, *sent);
    if (sent != NULL)
        table_remove(&shifting->sent, message, parcel);
    if (step->role == ROLE_send || step->role == ROLE_stash || role_sends_parcel(step->role))
        *(uint64_t *)table_put(&shifting->sent, message, parcel) = plus(step->record->timestamp, motion->ticks);
    motion->place++;
}

/* Found while no shift is in use: what a stream is moved by is added when all are known. */
static void
move_parts(struct trace *trace)
{
    struct order order;
    struct step step;
    struct shifting shifting = {trace, must_calloc(STREAMS, sizeof(*shifting.motions)), {0}};
    struct stream *shifted = must_calloc(trace->stream_count, sizeof(*shifted));
    for (size_t i = 0; i < trace->stream_count; i++)
        shifted[i].number = trace->streams[i].number;
    table_init(&shifting.sent, sizeof(uint64_t));
    progress_more(trace->bytes);
    order_init(&order, trace);
    while (order_next(&order, &step))
        shift_step(&shifting, &shifted[step.stream - trace->streams], &step);
    order_fini(&order);
    for (size_t i = 0; i < trace->stream_count; i++) {
        trace->streams[i].shifts = shifted[i].shifts;
        trace->streams[i].shift_count = shifted[i].shift_count;
    }
    table_fini(&shifting.sent);
    free(shifting.motions);
    free(shifted);
}

/* -- The whole. -- */

static void
correct_span(struct stream *stream)
{
    stream->first_time = plus(stream->first_time, stream_shift_at(stream, 0));
    stream->last_time = plus(stream->last_time, stream_shift_at(stream, stream->events - 1));
}

void
clocks_correct(struct trace *trace)
{
    struct table demands;
    trace->corrected = true;
    table_init(&demands, sizeof(struct demand));
    find_demands(trace, &demands);
    if (trace->contradictions > 0 && !move_streams(trace, &demands))
        move_parts(trace);
    table_fini(&demands);
    for (size_t i = 0; i < trace->stream_count; i++)
        correct_span(&trace->streams[i]);
}

/* On stderr, so that it disturbs no reader of what is printed. */
static void
tell(const struct trace *trace)
{
    char count[TEXT_SIZE], worst[WORD_SIZE], number[TEXT_SIZE], by[WORD_SIZE];
    if (trace->contradictions == 0)
        return;
    progress_wipe();
    fprintf(stderr, "troupe-trace: the clocks contradict the order of %s messages, by %s at most. Corrected:",
            text_of_count(trace->contradictions, count),
            word_of_duration(metadata_duration_ns(trace->metadata, trace->worst_ticks), worst));
    const char *comma = "";
    for (size_t i = 0; i < trace->stream_count; i++) {
        const struct stream *stream = &trace->streams[i];
        if (stream->shift_count == 0)
            continue;
        uint64_t ticks = stream->shifts[stream->shift_count - 1].ticks;
        fprintf(stderr, "%s %s%s by %s", comma, is_outside(stream->number) ? "threads " : "worker ",
                text_of_stream(stream->number, number),
                word_of_duration(metadata_duration_ns(trace->metadata, ticks), by));
        comma = ",";
    }
    fputc('\n', stderr);
}

static void
correct_and_tell(struct trace *trace)
{
    clocks_correct(trace);
    tell(trace);
}

struct trace *
trace_find_corrected(const char *const *paths, size_t count)
{
    struct trace *trace = trace_find(paths, count);
    if (trace->stream_count > 1)
        progress_more(trace->bytes); /* to see whether anything is to be corrected, or to correct it */
    return trace;
}

void
trace_check_corrected(struct trace *trace)
{
    trace_check(trace);
    bool suspect = !trace->has_parcels && trace->stream_count > 1 && is_suspect(trace);
    if (suspect)
        progress_more(trace->bytes);
    if (suspect || trace->has_parcels)
        correct_and_tell(trace);
}

struct trace *
trace_open_corrected(const char *const *paths, size_t count)
{
    struct trace *trace = trace_find_corrected(paths, count);
    trace_check_corrected(trace);
    return trace;
}

int
trace_pass(const char *const *paths, size_t count, int (*pass)(const struct trace *trace, void *argument),
           void *argument)
{
    struct trace *trace = trace_open(paths, count);
    if (trace->has_parcels) {
        progress_more(trace->bytes);
        correct_and_tell(trace);
    }
    int status = pass(trace, argument);
    if (status == PASS_AGAIN) {
        progress_more(2 * trace->bytes);
        correct_and_tell(trace);
        status = pass(trace, argument);
    }
    trace_close(trace);
    return status;
}
