/*
 * A stream of events in mapped files, with one writer. trace.h has the functions that write to it.
 *
 * Thread: the stream's own; setup.
 */
#ifndef TROUPE_CORE_TRACE_STREAM_H
#define TROUPE_CORE_TRACE_STREAM_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <troupe/core/compiler.h>
#include <troupe/core/trace.h>
#include <troupe/core/trace_format.h>

struct tri_segments;

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
};

/* What it writes from now on is lost, and counted in the place where its next event would have stood. */
void tri_stream_silence(struct tri_trace_stream *stream);

#endif
