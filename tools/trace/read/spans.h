/*
 * A set of numbers that mostly come counting up: the counts in the ids of the messages that a stream sends.
 *
 * It is kept as the spans from one hole to the next, so a stream without losses is one span, however long it is. Of
 * more than SPANS_MOST the older half become one that is vague: which of its numbers are in the set is not known any
 * more.
 */
#ifndef TROUPE_TRACE_SPANS_H
#define TROUPE_TRACE_SPANS_H

#include <stddef.h>
#include <stdint.h>

#define SPANS_MOST 1024u

struct spans {
    struct span {
        uint64_t first, last;
    } * items;          /* in their order, with a hole between any two */
    size_t count, room; /* room is 0 or a power of two */
    uint64_t vague;     /* the numbers up to this one are vague; 0: none */
};

enum spans_has {
    SPANS_NO,
    SPANS_YES,
    SPANS_VAGUE,
};

/* One that is all zeros is empty. */
void spans_fini(struct spans *spans);

/* spans_add() where the number is not the next one. */
void spans_add_elsewhere(struct spans *spans, uint64_t number);

/* Adds a number, unless it is there or vague. */
static inline void
spans_add(struct spans *spans, uint64_t number)
{
    if (spans->count > 0 && spans->items[spans->count - 1].last + 1 == number)
        spans->items[spans->count - 1].last = number;
    else
        spans_add_elsewhere(spans, number);
}

/* spans_has() of a number before the last span. */
enum spans_has spans_has_before(const struct spans *spans, uint64_t number);

static inline enum spans_has
spans_has(const struct spans *spans, uint64_t number)
{
    const struct span *last = spans->count > 0 ? &spans->items[spans->count - 1] : NULL;
    if (last == NULL || number < last->first)
        return spans_has_before(spans, number);
    return number <= last->last ? SPANS_YES : SPANS_NO;
}

#endif
