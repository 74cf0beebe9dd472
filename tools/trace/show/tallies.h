/*
 * Tables of struct tally (measure.h), sorted, and summed up.
 */
#ifndef TROUPE_TRACE_TALLIES_H
#define TROUPE_TRACE_TALLIES_H

#include "measure.h"

/* To sort entries: the largest count first, or by their keys. */
int tallies_by_count(const void *a, const void *b);
int tallies_by_key(const void *a, const void *b);

uint64_t tallies_sum(const struct table_entry *entries, size_t count);

#endif
