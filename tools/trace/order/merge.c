#include "merge.h"
#include <stdlib.h>
#include <string.h>

#include "bad_input.h"

static uint64_t
time_of(const struct merge *merge, size_t place)
{
    return merge->sources[merge->heap[place]].next->timestamp;
}

/* How long the first may go on before another one's turn has come. */
static void
set_until(struct merge *merge)
{
    merge->until = UINT64_MAX;
    for (size_t child = 1; child <= 2 && child < merge->count; child++) {
        if (time_of(merge, child) < merge->until)
            merge->until = time_of(merge, child);
    }
}

static void
sift_down(struct merge *merge, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = at * 2 + 1; child <= at * 2 + 2 && child < merge->count; child++) {
            if (time_of(merge, child) < time_of(merge, least))
                least = child;
        }
        if (least == at)
            return;
        size_t kept = merge->heap[at];
        merge->heap[at] = merge->heap[least];
        merge->heap[least] = kept;
        at = least;
    }
}

void
merge_init(struct merge *merge, const struct trace *trace)
{
    memset(merge, 0, sizeof(*merge));
    merge->trace = trace;
    merge->sources = must_calloc(trace->stream_count, sizeof(*merge->sources));
    merge->heap = must_calloc(trace->stream_count, sizeof(*merge->heap));
    for (size_t i = 0; i < trace->stream_count; i++) {
        cursor_init(&merge->sources[i].cursor, trace, &trace->streams[i]);
        merge->sources[i].next = cursor_next(&merge->sources[i].cursor);
        if (merge->sources[i].next != NULL)
            merge->heap[merge->count++] = i;
    }
    for (size_t i = merge->count; i-- > 0;)
        sift_down(merge, i);
    set_until(merge);
}

void
merge_fini(struct merge *merge)
{
    for (size_t i = 0; i < merge->trace->stream_count; i++)
        cursor_fini(&merge->sources[i].cursor);
    free(merge->sources);
    free(merge->heap);
}

/* Moves on the source that gave the last event. */
static void
advance(struct merge *merge)
{
    struct merge_source *source = &merge->sources[merge->heap[0]];
    source->next = cursor_next(&source->cursor);
    if (source->next != NULL && source->next->timestamp <= merge->until)
        return;
    if (source->next == NULL)
        merge->heap[0] = merge->heap[--merge->count];
    sift_down(merge, 0);
    set_until(merge);
}

const struct tri_trace_record *
merge_next(struct merge *merge, const struct stream **stream)
{
    if (merge->started)
        advance(merge);
    merge->started = merge->count > 0;
    if (!merge->started)
        return NULL;
    *stream = merge->sources[merge->heap[0]].cursor.stream;
    return merge->sources[merge->heap[0]].next;
}
