/*
 * Intervals of addresses, both ends included, and how a heap of them becomes a list that can be searched.
 */
#ifndef TROUPE_IPADDR_INTERVALS_H
#define TROUPE_IPADDR_INTERVALS_H

#include "bits.h"

#include <stddef.h>

struct tri_interval {
    struct tri_bits first, last;
};

/*
 * Sorts intervals and makes one of those that overlap or touch. Returns how many are left: they stand in front, in
 * ascending order, and between each and the next there is an address that none of them holds.
 */
size_t tri_intervals_merge(struct tri_interval *intervals, size_t count);

/* Cuts off what lies outside of ::ffff:0:0/96. False: nothing is left. */
bool tri_interval_clip_mapped(struct tri_interval *interval);

#define TRI_INTERVAL_PIECES 3u

/*
 * Cuts an interval so that the high halves of each piece are either all the same or met by all low halves. Returns how
 * many pieces it wrote, in ascending order.
 */
size_t tri_interval_split(const struct tri_interval *interval, struct tri_interval pieces[TRI_INTERVAL_PIECES]);

/* Whether each high half in it is met by all low halves. */
static inline bool
tri_interval_is_of_highs(const struct tri_interval *interval)
{
    return interval->first.low == 0 && interval->last.low == UINT64_MAX;
}

#endif
