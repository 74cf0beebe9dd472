/*
 * A stream of events in mapped files, with one writer: the part of the recorder that each event passes.
 *
 * An event goes to the next place of the stream's segment, and then content_size, the commit word, counts it. All else
 * is in core/trace/stream.c.
 *
 * Beside the clock an event costs a nanosecond or two, of which saved registers would be a third. So what is called on
 * this path is called last, and its arguments are few: the number of the event, its flags and arg are one word.
 *
 * Thread: the stream's own.
 */
#ifndef TROUPE_CORE_TRACE_STREAM_H
#define TROUPE_CORE_TRACE_STREAM_H

#include <ck_pr.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <troupe/core/compiler.h>
#include <troupe/core/trace_format.h>

#define TRI_STREAM_AHEAD 16u /* events: lines so far ahead are fetched; the maker's CPU has them. 13 ns became 11.8 */
#define TRI_STREAM_NAMES 16u /* a power of two */

struct tri_segments;
struct tri_picks;

/* An event with these two fields is about to be recorded, if it is wanted. It may record others before it. */
typedef void tri_trace_meet_function(void *host, uint64_t actor, uint64_t message);

/* Begins a struct tri_trace and a struct tri_trace_stream: what is recorded in it. */
struct tri_trace_head {
    uint32_t wanted; /* atomic: enum tri_trace_category, and TRI_TRACE_PICKS or TRI_TRACE_MEETS */
    const struct tri_picks *picks;
};

/*
 * In `wanted`: what is recorded of some actors differs; of a stream, somebody is to be told of each event. With one of
 * them the categories of actors that do not differ stand so many bits higher, and none where they stood, but for what
 * is always recorded and of no actor: so one test tells the plain case.
 */
#define TRI_TRACE_PICKS 0x80000000u
#define TRI_TRACE_MEETS 0x40000000u
#define TRI_TRACE_LOOKS (TRI_TRACE_PICKS | TRI_TRACE_MEETS)
#define TRI_TRACE_LOOKS_SHIFT 8

struct tri_trace_stream {
    alignas(TRI_CACHE_PAIR) struct tri_trace_head head;
    struct tri_trace_record *next;     /* where the next event goes; NULL: no segment yet */
    struct tri_trace_record *fast_end; /* where the fast path ends: once to ask the maker, then at full */
    struct tri_trace_record *full;     /* the segment's end */
    struct tri_trace_packet *packet;
    uint64_t newest; /* timestamp: the next is not smaller */
    uint64_t messages;
    bool silent; /* from now on its events are lost */
    uint16_t number;
    uint64_t lost;      /* events, ever */
    uint64_t lost_here; /* since the segment is full */
    struct tri_segments *segments;
    const uint8_t *uuid;
    tri_trace_meet_function *meet; /* NULL: nobody is told */
    void *host;

    /* Numbers of names, by the address of who asks; `text` is the recorder's own copy. */
    struct {
        const char *asked, *text;
        uint32_t number;
    } names[TRI_STREAM_NAMES];
};

/* What tri_trace_put_at() does at the end of the fast path. */
void tri_stream_write_elsewhere(struct tri_trace_stream *stream, uint64_t now, uint64_t what, uint64_t actor,
                                uint64_t message);

/* The packet ends at `end` from now on: what lies before it is whole, whenever the process dies. */
static inline void
tri_packet_commit(struct tri_trace_packet *packet, const void *end)
{
    ck_pr_fence_store(); /* C1: the event before its count; pairs with the reader of the file, a process of its own */
    ck_pr_store_64(&packet->content_size, (uint64_t)((const char *)end - (const char *)packet) * 8);
}

/* Readers refuse a stream whose time goes back: an event before the last one counts as that. The time, which is read
 * last of all, is stored last, so the rest need not wait for it. */
static TRI_INLINE void
tri_stream_fill(struct tri_trace_stream *stream, struct tri_trace_record *record, uint64_t now, uint64_t what,
                uint64_t actor, uint64_t message)
{
    record->what = what;
    record->actor = actor;
    record->message = message;
    if (TRI_UNLIKELY(now < stream->newest))
        now = stream->newest;
    stream->newest = now;
    record->timestamp = now;
}

/* Writes one event of the moment `now`, in ticks; `what` is TRI_TRACE_WHAT(). */
static TRI_INLINE void
tri_trace_put_at(struct tri_trace_stream *stream, uint64_t now, uint64_t what, uint64_t actor, uint64_t message)
{
    struct tri_trace_record *record = stream->next;
    if (TRI_UNLIKELY(record == stream->fast_end)) {
        tri_stream_write_elsewhere(stream, now, what, actor, message);
        return;
    }
    TRI_PREFETCH_WRITE(record + TRI_STREAM_AHEAD);
    tri_stream_fill(stream, record, now, what, actor, message);
    stream->next = record + 1;
    tri_packet_commit(stream->packet, record + 1);
}

/* A new message id: the stream in the upper 16 bits, a count from 1 in the lower 48. */
static inline uint64_t
tri_trace_message_id(struct tri_trace_stream *stream)
{
    return TRI_TRACE_MESSAGE(stream->number, ++stream->messages);
}

#endif
