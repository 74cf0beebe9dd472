#include "merge.h"
#include <stdlib.h>
#include <string.h>

#include "bad_input.h"

/* How long the first may go on before another one's turn has come. */
static void
set_until(struct merge *merge)
{
    merge->until = UINT64_MAX;
    for (size_t child = 1; child <= 2 && child < merge->count; child++) {
        if (merge->heap[child].time < merge->until)
            merge->until = merge->heap[child].time;
    }
}

static void
sift_down(struct merge *merge, size_t at)
{
    struct merge_turn turn = merge->heap[at];
    for (size_t child; (child = at * 2 + 1) < merge->count; at = child) {
        if (child + 1 < merge->count && merge->heap[child + 1].time < merge->heap[child].time)
            child++;
        if (merge->heap[child].time >= turn.time)
            break;
        merge->heap[at] = merge->heap[child];
    }
    merge->heap[at] = turn;
}

void
merge_init(struct merge *merge, const struct trace *trace)
{
    memset(merge, 0, sizeof(*merge));
    merge->trace = trace;
    merge->sources = must_calloc(trace->stream_count, sizeof(*merge->sources));
    merge->heap = must_calloc(trace->stream_count, sizeof(*merge->heap));
    for (size_t i = 0; i < trace->stream_count; i++) {
        struct merge_source *source = &merge->sources[i];
        cursor_init(&source->cursor, trace, &trace->streams[i]);
        source->next = cursor_next(&source->cursor);
        if (source->next != NULL)
            merge->heap[merge->count++] = (struct merge_turn){source->next->timestamp, i};
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
    struct merge_source *source = &merge->sources[merge->heap[0].source];
    source->next = cursor_next(&source->cursor);
    if (source->next != NULL && source->next->timestamp <= merge->until)
        return;
    if (source->next != NULL)
        merge->heap[0].time = source->next->timestamp;
    else
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
    *stream = merge->sources[merge->heap[0].source].cursor.stream;
    return merge->sources[merge->heap[0].source].next;
}
