#include "process.h"

#include <stddef.h>
#include <troupe/core/trace_format.h>

#include "bad_input.h"

static struct process_range ranges[WORKERS_TOGETHER];
static size_t range_count;
static uint32_t next_base, first_outside = TRI_TRACE_OUTSIDE, next_outside = TRI_TRACE_OUTSIDE;
static bool told;

struct process_range
process_range_new(unsigned number, uint32_t count, bool whole)
{
    struct process_range range = {.number = number, .count = count, .outside = TRI_TRACE_OUTSIDE};
    if (whole && range_count == 0) {
        next_base = count > next_base ? count : next_base;
        first_outside = next_outside = TRI_TRACE_OUTSIDE - 1;
        return range;
    }
    if (count > WORKERS_TOGETHER - next_base || range_count == WORKERS_TOGETHER)
        give_up("these traces have more than %u workers or processes, and cannot be read together", WORKERS_TOGETHER);
    range.base = next_base;
    range.outside = next_outside--;
    next_base += count;
    told |= number > 0;
    ranges[range_count++] = range;
    return range;
}

void
process_ranges_forget(void)
{
    range_count = 0;
    next_base = 0;
    first_outside = next_outside = TRI_TRACE_OUTSIDE;
    told = false;
}

const struct process_range *
process_of_worker(uint32_t worker)
{
    size_t low = 0, high = range_count; /* ranges are sorted by base; the last that begins at or below it */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges[middle].base <= worker)
            low = middle + 1;
        else
            high = middle;
    }
    while (low > 0 && ranges[low - 1].count == 0)
        low--;
    const struct process_range *range = low > 0 ? &ranges[low - 1] : NULL;
    return range != NULL && worker - range->base < range->count ? range : NULL;
}

const struct process_range *
process_of_stream(uint32_t stream)
{
    if (!is_outside(stream))
        return process_of_worker(stream);
    return stream <= first_outside && first_outside - stream < range_count ? &ranges[first_outside - stream] : NULL;
}

const struct process_range *
process_find(unsigned number)
{
    for (size_t i = 0; i < range_count; i++)
        if (number == 0 || ranges[i].number == number)
            return &ranges[i];
    return NULL;
}

bool
processes_are_told(void)
{
    return told;
}
