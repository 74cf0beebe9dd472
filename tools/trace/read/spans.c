#include "spans.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bad_input.h"

void
spans_fini(struct spans *spans)
{
    free(spans->items);
}

/* The place of the first span that does not end before a number. */
static size_t
find(const struct spans *spans, uint64_t number)
{
    size_t from = 0, until = spans->count;
    if (until > 0 && spans->items[until - 1].last < number)
        return until;
    while (from < until) {
        size_t middle = (from + until) / 2;
        if (spans->items[middle].last < number)
            from = middle + 1;
        else
            until = middle;
    }
    return from;
}

static void
remove_items(struct spans *spans, size_t at, size_t count)
{
    spans->count -= count;
    memmove(spans->items + at, spans->items + at + count, (spans->count - at) * sizeof(*spans->items));
}

static void
insert(struct spans *spans, size_t at, uint64_t number)
{
    if (spans->count == spans->room) {
        spans->room = spans->room > 0 ? spans->room * 2 : 1;
        spans->items = must_realloc(spans->items, spans->room, sizeof(*spans->items));
    }
    memmove(spans->items + at + 1, spans->items + at, (spans->count - at) * sizeof(*spans->items));
    spans->items[at] = (struct span){number, number};
    spans->count++;
}

static void
forget_older_half(struct spans *spans)
{
    size_t half = spans->count / 2;
    spans->vague = spans->items[half - 1].last;
    remove_items(spans, 0, half);
}

/* It is in no span, and belongs before that place. */
static void
add_between(struct spans *spans, size_t at, uint64_t number)
{
    struct span *before = at > 0 ? &spans->items[at - 1] : NULL;
    struct span *after = at < spans->count ? &spans->items[at] : NULL;
    if (before != NULL && before->last + 1 == number) {
        before->last = number;
        if (after == NULL || number + 1 != after->first)
            return;
        before->last = after->last;
        remove_items(spans, at, 1);
    } else if (after != NULL && number + 1 == after->first) {
        after->first = number;
    } else {
        insert(spans, at, number);
        if (spans->count > SPANS_MOST)
            forget_older_half(spans);
    }
}

void
spans_add_elsewhere(struct spans *spans, uint64_t number)
{
    size_t at = find(spans, number);
    bool is_there = at < spans->count && spans->items[at].first <= number;
    if (!is_there && (spans->vague == 0 || number > spans->vague))
        add_between(spans, at, number);
}

enum spans_has
spans_has_before(const struct spans *spans, uint64_t number)
{
    size_t at = find(spans, number);
    if (at < spans->count && spans->items[at].first <= number)
        return SPANS_YES;
    return spans->vague != 0 && number <= spans->vague ? SPANS_VAGUE : SPANS_NO;
}
