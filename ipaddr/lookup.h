/*
 * A table that says whether an address lies in one of many disjoint intervals; made once, then only read.
 */
#ifndef TROUPE_IPADDR_LOOKUP_H
#define TROUPE_IPADDR_LOOKUP_H

#include "intervals.h"

/*
 * Intervals of low halves: their beginnings are cells[begin + 1..count], by node, and then come their ends, by node
 * too.
 */
struct tri_lookup_group {
    uint64_t
        last_high; /* used if count is 0: all high halves from the group's own to this one are in, whatever follows */
    uint32_t begin, count;
};

struct tri_lookup {
    uint64_t *cells;
    struct tri_lookup_group mapped;  /* what is in of ::ffff:0:0/96 */
    size_t count;                    /* of groups; what they say of ::ffff:0:0/96 does not matter */
    uint64_t *highs;                 /* of the groups, by node */
    struct tri_lookup_group *groups; /* by node */
};

#define TRI_LOOKUP_MAX (UINT32_C(1) << 28) /* intervals in a table */

/*
 * Makes a table of what tri_intervals_merge() left, at most TRI_LOOKUP_MAX. The intervals are not needed any more
 * afterwards. false: no memory.
 */
bool tri_lookup_init(struct tri_lookup *table, const struct tri_interval *intervals, size_t count);
void tri_lookup_fini(struct tri_lookup *table);

bool tri_lookup_has(const struct tri_lookup *table, struct tri_bits address);

#endif
