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

void
backward_init(struct backward *backward, const struct trace *trace, const struct stream *stream, uint64_t until)
{
    memset(backward, 0, sizeof(*backward));
    backward->trace = trace;
    backward->stream = stream;
    backward->buffer = must_calloc(PIECE, sizeof(*backward->buffer));
    backward->segment = stream->segment_count;
    while (backward->segment > 1 && stream->segments[backward->segment - 1].begin > until)
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
    size_t size = backward->held * TRI_TRACE_STEP;
    backward->offset = end - size;
    size_t got = trace_read(backward->trace, segment->name, backward->offset, backward->buffer, size);
    if (got < size)
        bad_input(segment->name, backward->offset + got, "the file ends within its content");
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
