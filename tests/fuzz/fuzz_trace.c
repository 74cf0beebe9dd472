/*
 * The reader of traces: any files are a trace or are refused in order, and the events of one that is not refused can be
 * gone through in order, measured, and asked for what led to a message. trace_files.h says what an input is.
 */
#include "fuzz.h"

#include "chain.h"
#include "clocks.h"
#include "measure.h"
#include "order.h"
#include "reader.h"
#include "refusal.h"
#include "trace_files.h"

static void
measure_all(const struct trace *trace, uint64_t events)
{
    struct measure *measure = measure_trace(trace, NULL);
    MUST(measure->events == events && measure->row_count > 0 && measure->kind_count > 0);
    for (size_t i = 0; i < measure->row_count; i++) {
        const struct histogram *waits = &measure->rows[i].waits, *works = &measure->rows[i].works;
        MUST(histogram_part(waits, 500) <= histogram_part(waits, 990) && histogram_part(waits, 990) <= waits->most);
        MUST(histogram_part(works, 990) <= works->most && waits->count <= works->count);
    }
    measure_free(measure);
}

/* Of the first messages of two streams. */
static void
find_chains(const struct trace *trace)
{
    struct chain chain;
    for (uint64_t i = 0; i < 4; i++) {
        if (!chain_find(&chain, trace, TRI_TRACE_MESSAGE(i % 2, 1 + i / 2), i == 3, 8))
            continue;
        MUST(chain.count > 0 && chain.count <= 8);
        chain_fini(&chain);
    }
}

static void
read_trace(void *argument)
{
    const char *path = argument;
    struct trace *trace = trace_open(&path, 1);
    clocks_correct(trace);
    struct order order;
    struct step step;
    uint64_t events = 0, found = 0;
    for (size_t i = 0; i < trace->stream_count; i++)
        events += trace->streams[i].events;
    order_init(&order, trace);
    while (order_next(&order, &step))
        found++;
    MUST(found == events);
    order_fini(&order);
    measure_all(trace, events);
    find_chains(trace);
    trace_close(trace);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    refusals_begin();
    runs_through(read_trace, (char *)trace_files_write(data, size), true);
    trace_files_remove();
    return 0;
}
