/*
 * A stream, read from the newest event to the oldest.
 */
#ifndef TROUPE_TRACE_BACKWARD_H
#define TROUPE_TRACE_BACKWARD_H

#include <stddef.h>
#include <stdint.h>

#include "reader.h"

struct backward {
    const struct trace *trace;
    const struct stream *stream;
    size_t segment;  /* the one being read, plus 1; 0: it is through */
    uint64_t offset; /* in its file, of the end of what is not read yet; 0: that of the whole file */
    struct tri_trace_record *buffer;
    size_t held;
};

/* Begins with the last event that is not later than a time. */
void backward_init(struct backward *backward, const struct trace *trace, const struct stream *stream, uint64_t until);
void backward_fini(struct backward *backward);

/* The event before, good until the next call; NULL: there are no more. */
const struct tri_trace_record *backward_next(struct backward *backward);

#endif
