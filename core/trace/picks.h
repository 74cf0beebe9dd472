/*
 * Actors of which more, or less, is recorded than of the others. Any thread looks them up, one at a time changes them.
 */
#ifndef TROUPE_CORE_TRACE_PICKS_H
#define TROUPE_CORE_TRACE_PICKS_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/core/status.h>
#include <troupe/core/trace.h>

#define TRI_PICKS_MOST 512u
#define TRI_PICKS_PLACES 1024u /* a power of two */

struct tri_picks {
    uint64_t actors[TRI_PICKS_PLACES]; /* atomic: a hash table, 0: empty */
    uint8_t hows[TRI_PICKS_PLACES];    /* atomic: enum tri_trace_switch */
    unsigned used;                     /* places */
    unsigned picked;                   /* of them: what of their actors is recorded differs */
};

/* TR_OK; TR_EFULL. Thread: one at a time. */
tr_status tri_picks_set(struct tri_picks *picks, uint64_t actor, enum tri_trace_switch how);

/* All actors are as the others. Thread: one at a time. */
void tri_picks_clear(struct tri_picks *picks);

/* Thread: any. */
enum tri_trace_switch tri_picks_of(const struct tri_picks *picks, uint64_t actor);

#endif
