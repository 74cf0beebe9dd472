/*
 * Writing events.
 *
 * An event goes to the next place of the stream's segment, and then content_size, the commit word, counts it. All else
 * waits for two moments, at which the fast path ends. When an eighth of a segment is full, the maker (segment.h) is
 * asked for another. When the segment is full, that one takes its place, if it is there or comes within a short time: a
 * disk that hangs costs events, not the program's time. Who has events that can be put off asks first whether half of
 * the segment is full and the next one not there. A file is shown only when it holds an event.
 *
 * Losses. When no segment can be had, events are counted in events_discarded of the last packet, and in the event
 * `lost`, for which every segment keeps its last place free. The stream asks for a segment again from time to time: a
 * disk that was full for a while costs only the events of that time.
 */
#include "stream.h"

#include <ck_pr.h>
#include <stddef.h>
#include <troupe/core/clock.h>
#include <troupe/core/trace.h>

#include "packet.h"
#include "segment.h"

#define ASK_AGAIN 65536u /* events lost between two attempts to get a segment */
#define PREPARE_AFTER 8u /* a segment filled by this part will be followed by another: prepare that */
#define KEEP_FREE 2u     /* this part of a segment is for events that cannot be put off */

/* Counts a loss, and keeps the segment's last event up to date with it. */
static void
lose(struct tri_trace_stream *stream, uint64_t now)
{
    stream->lost++;
    stream->lost_here++;
    if (stream->packet == NULL)
        return;
    uint32_t arg = stream->lost_here < UINT32_MAX ? (uint32_t)stream->lost_here : UINT32_MAX;
    if (stream->lost_here == 1) {
        tri_stream_fill(stream, stream->full, now, TRI_TRACE_WHAT(TRI_TRACE_CORE_lost, 0, arg), 0, 0);
        tri_packet_commit(stream->packet, stream->full + 1);
    } else {
        ck_pr_store_32(&stream->full->arg, arg);
    }
    ck_pr_store_64(&stream->packet->events_discarded, stream->lost);
}

/* Writes an event as the first of the next segment. false: there is none. */
static bool
write_to_next_segment(struct tri_trace_stream *stream, uint64_t now, uint64_t what, uint64_t actor, uint64_t message)
{
    struct tri_segment *segment = tri_segments_next(stream->segments);
    if (segment == NULL)
        return false;
    struct tri_trace_packet *packet = segment->packet;
    tri_packet_begin(stream->segments, segment, stream->uuid, TRI_TRACE_CLASS_EVENTS, stream->number, stream->lost);
    struct tri_trace_record *first = (struct tri_trace_record *)(packet + 1);
    tri_stream_fill(stream, first, now, what, actor, message);
    packet->timestamp_begin = first->timestamp;
    tri_packet_commit(packet, first + 1);
    if (!tri_segments_show(stream->segments, segment))
        return false;

    stream->packet = packet;
    stream->next = first + 1;
    stream->full = first + TRI_TRACE_FULL(stream->segments->bytes);
    stream->fast_end = first + TRI_TRACE_FULL(stream->segments->bytes) / PREPARE_AFTER;
    stream->lost_here = 0;
    return true;
}

void
tri_stream_write_elsewhere(struct tri_trace_stream *stream, uint64_t now, uint64_t what, uint64_t actor,
                           uint64_t message)
{
    if (stream->fast_end != stream->full) {
        tri_segments_prepare(stream->segments);
        stream->fast_end = stream->full;
        tri_trace_put_at(stream, now, what, actor, message);
        return;
    }
    bool ask = stream->lost_here % ASK_AGAIN == 0 || tri_segments_arrived(stream->segments);
    if (stream->silent || !ask || !write_to_next_segment(stream, now, what, actor, message))
        lose(stream, now);
}

bool
tri_trace_is_short(const struct tri_trace_stream *stream)
{
    return tri_segments_are_awaited(stream->segments) &&
           stream->full - stream->next < (ptrdiff_t)(TRI_TRACE_FULL(stream->segments->bytes) / KEEP_FREE);
}

TRI_NOINLINE static void
put_by_slow_clock(struct tri_trace_stream *stream, uint64_t what, uint64_t actor, uint64_t message)
{
    tri_trace_put_at(stream, tri_clock_slow_ticks(), what, actor, message);
}

/* Not by tri_ticks(), which may be a call amid it. */
void
tri_trace_put(struct tri_trace_stream *stream, uint64_t what, uint64_t actor, uint64_t message)
{
    if (TRI_LIKELY(ck_pr_load_8(&tri_clock_is_counter) != 0))
        tri_trace_put_at(stream, tri_clock_counter(), what, actor, message);
    else
        put_by_slow_clock(stream, what, actor, message);
}

void
tri_trace_put_looked(struct tri_trace_stream *stream, uint64_t what, uint64_t actor, uint64_t message,
                     uint32_t category)
{
    if (tri_trace_looks(&stream->head, category, actor, message))
        tri_trace_put(stream, what, actor, message);
}

void
tri_stream_silence(struct tri_trace_stream *stream)
{
    stream->silent = true;
    stream->full = stream->fast_end = stream->next;
}
