/*
 * What a stream of events (trace_stream.h) has beside its fast path. Thread: the stream's own; setup.
 */
#ifndef TROUPE_CORE_STREAM_H
#define TROUPE_CORE_STREAM_H

#include <troupe/core/trace_stream.h>

/* What it writes from now on is lost, and counted in the place where its next event would have stood. */
void tri_stream_silence(struct tri_trace_stream *stream);

#endif
