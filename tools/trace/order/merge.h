/*
 * All events of a trace by their times alone. Cheaper than order.h, and its memory does not grow with the trace: for
 * what counts and measures. A send may come after its receive where the clocks of two CPUs disagree.
 */
#ifndef TROUPE_TRACE_MERGE_H
#define TROUPE_TRACE_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "reader.h"

struct merge_source {
    struct cursor cursor;
    const struct tri_trace_record *next; /* NULL: it is through */
};

struct merge {
    const struct trace *trace;
    struct merge_source *sources;
    struct merge_turn {
        uint64_t time; /* of its next event */
        size_t source;
    } * heap;       /* the earliest first; the time of the first may be that of an event before */
    size_t count;   /* of those that are not through */
    uint64_t until; /* the first source is the earliest while its next event is not later than this */
    bool started;
};

void merge_init(struct merge *merge, const struct trace *trace);
void merge_fini(struct merge *merge);

/* The next event, good until the next call, and its stream; NULL: there are no more. */
const struct tri_trace_record *merge_next(struct merge *merge, const struct stream **stream);

#endif
