#include "backward.h"
#include <stdlib.h>
#include <string.h>

#include "bad_input.h"

#define HEADER sizeof(struct tri_trace_packet)
#define PIECE 1024u /* events that are read at once */

static void
skip_later(struct backward *backward, uint64_t until)
{
    const struct tri_trace_record *record;
    while ((record = backward_next(backward)) != NULL && record->timestamp > until)
        continue;
    backward->held += record != NULL; /* given once more */
}

static uint64_t
begin_of(const struct stream *stream, size_t segment)
{
    uint64_t begin = stream->segments[segment].begin;
    uint64_t shift = stream_shift_at(stream, stream->segments[segment].first);
    return begin > UINT64_MAX - shift ? UINT64_MAX : begin + shift;
}

void
backward_init(struct backward *backward, const struct trace *trace, const struct stream *stream, uint64_t until)
{
    memset(backward, 0, sizeof(*backward));
    backward->trace = trace;
    backward->stream = stream;
    backward->buffer = must_calloc(PIECE, sizeof(*backward->buffer));
    backward->segment = stream->segment_count;
    while (backward->segment > 1 && begin_of(stream, backward->segment - 1) > until)
        backward->segment--;
    skip_later(backward, until);
}

void
backward_fini(struct backward *backward)
{
    free(backward->buffer);
}

/* false: the stream is through. */
static bool
fill_buffer(struct backward *backward)
{
    if (backward->segment == 0)
        return false;
    const struct segment *segment = &backward->stream->segments[backward->segment - 1];
    uint64_t end = backward->offset != 0 ? backward->offset : segment->end;
    uint64_t left = (end - HEADER) / TRI_TRACE_STEP;
    backward->held = left < PIECE ? (size_t)left : PIECE;
    backward->offset = end - backward->held * TRI_TRACE_STEP;
    stream_read_events(backward->trace, backward->stream, segment, backward->offset, backward->buffer, backward->held);
    if (backward->offset == HEADER) {
        backward->offset = 0;
        backward->segment--;
    }
    return true;
}

const struct tri_trace_record *
backward_next(struct backward *backward)
{
    if (backward->held == 0 && !fill_buffer(backward))
        return NULL;
    return &backward->buffer[--backward->held];
}
