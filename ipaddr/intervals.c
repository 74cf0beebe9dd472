#include "intervals.h"

#include <stdlib.h>

static int
by_first(const void *a, const void *b)
{
    struct tri_bits x = ((const struct tri_interval *)a)->first, y = ((const struct tri_interval *)b)->first;
    if (x.high != y.high)
        return x.high < y.high ? -1 : 1;
    return x.low < y.low ? -1 : x.low > y.low;
}

/* Whether an interval that begins at next leaves no address between itself and one that ends at last. */
static bool
reaches(struct tri_bits last, struct tri_bits next)
{
    struct tri_bits after = {.high = last.high + (last.low == UINT64_MAX), .low = last.low + 1};
    bool at_the_end = after.high == 0 && after.low == 0;
    return at_the_end || tri_bits_up_to(next, after);
}

size_t
tri_intervals_merge(struct tri_interval *intervals, size_t count)
{
    if (count == 0)
        return 0;
    qsort(intervals, count, sizeof(*intervals), by_first);
    struct tri_interval *top = intervals;
    for (size_t i = 1; i < count; i++) {
        if (!reaches(top->last, intervals[i].first))
            *++top = intervals[i];
        else if (!tri_bits_up_to(intervals[i].last, top->last))
            top->last = intervals[i].last;
    }
    return (size_t)(top - intervals) + 1;
}

bool
tri_interval_clip_mapped(struct tri_interval *interval)
{
    static const struct tri_bits lowest = {0, TRI_MAPPED}, highest = {0, TRI_MAPPED | UINT32_MAX};
    if (tri_bits_up_to(interval->first, lowest))
        interval->first = lowest;
    if (tri_bits_up_to(highest, interval->last))
        interval->last = highest;
    return tri_bits_up_to(interval->first, interval->last);
}

size_t
tri_interval_split(const struct tri_interval *interval, struct tri_interval pieces[TRI_INTERVAL_PIECES])
{
    struct tri_interval rest = *interval;
    bool has_tail = false;
    size_t count = 0;
    if (rest.first.high == rest.last.high) {
        pieces[0] = rest;
        return 1;
    }
    if (rest.first.low != 0) {
        pieces[count++] = (struct tri_interval){rest.first, {rest.first.high, UINT64_MAX}};
        rest.first = (struct tri_bits){rest.first.high + 1, 0};
    }
    if (rest.last.low != UINT64_MAX) {
        has_tail = true;
        rest.last = (struct tri_bits){rest.last.high - 1, UINT64_MAX};
    }
    if (tri_bits_up_to(rest.first, rest.last))
        pieces[count++] = rest;
    if (has_tail)
        pieces[count++] = (struct tri_interval){{interval->last.high, 0}, interval->last};
    return count;
}
