/*
 * Which messages come to their end at a chosen actor: that must be known when their sends are read.
 *
 * A scout goes through the trace ahead of a pass over it, and in the same order. Where a chosen actor receives a
 * message the scout notes the place of its send among all events: a bit, for each place that the pass has not come to
 * yet. It is no more than `ahead` events ahead, so that is its memory, whatever the trace's size. Of a message that
 * comes to its end later than that after its send, the pass is not told: those are counted.
 */
#ifndef TROUPE_TRACE_SCOUT_H
#define TROUPE_TRACE_SCOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "who.h"

/* What a scout looks for: ends by chosen actors, at these times. */
struct scouted {
    const struct who *who;
    uint64_t since, until; /* timestamps; `until` is not in it */
};

struct scout {
    const struct scouted *scouted;
    struct order order;
    struct holders holders;
    uint64_t ahead;  /* bits */
    uint64_t *bits;  /* a ring, by place */
    uint64_t seen;   /* events, by the scout */
    uint64_t passed; /* events, by the pass */
    uint64_t late;   /* messages whose sends the pass had passed already */
    bool found;      /* an event of a chosen actor, at whatever time */
    bool through;
};

/* Borrows what it looks for. ahead: events, a multiple of 64. */
void scout_init(struct scout *scout, const struct trace *trace, const struct scouted *scouted, uint64_t ahead);
void scout_fini(struct scout *scout);

/* Before the first scout_pass(): does the trace have an event of a chosen actor? */
bool scout_find(struct scout *scout);

/* The pass has read its next event: does that send a message that comes to its end at a chosen actor? */
bool scout_pass(struct scout *scout);

/* May the step be one of those, by its time? */
bool scouted_in_time(const struct scouted *scouted, uint64_t timestamp);

#endif
