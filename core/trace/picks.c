/*
 * A place is an actor's from then on. One of an actor that is as the others is given to another when the table is full
 * of them: then those who look at that moment may find no place, and take what holds for the others.
 */
#include "picks.h"

#include <ck_pr.h>
#include <string.h>

static unsigned
first_place(uint64_t actor)
{
    return (unsigned)(actor * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (TRI_PICKS_PLACES - 1);
}

/* The place of an actor, or the empty one where it belongs: half of them are. */
static unsigned
find(const struct tri_picks *picks, uint64_t actor)
{
    unsigned at = first_place(actor);
    for (;;) {
        uint64_t there = ck_pr_load_64(&picks->actors[at]);
        if (there == 0 || there == actor)
            return at;
        at = (at + 1) & (TRI_PICKS_PLACES - 1);
    }
}

static void
put(struct tri_picks *picks, uint64_t actor, enum tri_trace_switch how)
{
    unsigned at = find(picks, actor);
    ck_pr_store_8(&picks->hows[at], (uint8_t)how);
    ck_pr_fence_store(); /* P1: how before who; pairs with P2 */
    ck_pr_store_64(&picks->actors[at], actor);
    picks->used++;
}

void
tri_picks_clear(struct tri_picks *picks)
{
    for (unsigned i = 0; i < TRI_PICKS_PLACES; i++)
        ck_pr_store_64(&picks->actors[i], 0);
    picks->used = picks->picked = 0;
}

/* Makes the table anew without the actors that are as the others. */
static void
sweep(struct tri_picks *picks)
{
    struct tri_picks old = *picks;
    tri_picks_clear(picks);
    picks->picked = old.picked;
    for (unsigned i = 0; i < TRI_PICKS_PLACES; i++)
        if (old.actors[i] != 0 && old.hows[i] != TRI_TRACE_AS_OTHERS)
            put(picks, old.actors[i], (enum tri_trace_switch)old.hows[i]);
}

tr_status
tri_picks_set(struct tri_picks *picks, uint64_t actor, enum tri_trace_switch how)
{
    enum tri_trace_switch before = tri_picks_of(picks, actor);
    unsigned at = find(picks, actor);
    bool is_new = picks->actors[at] == 0;
    if (before == how)
        return TR_OK;
    if (before == TRI_TRACE_AS_OTHERS && picks->picked == TRI_PICKS_MOST)
        return TR_EFULL;
    if (is_new && picks->used == TRI_PICKS_MOST)
        sweep(picks);
    picks->picked += (before == TRI_TRACE_AS_OTHERS) - (how == TRI_TRACE_AS_OTHERS);
    if (is_new)
        put(picks, actor, how);
    else
        ck_pr_store_8(&picks->hows[at], (uint8_t)how);
    return TR_OK;
}

enum tri_trace_switch
tri_picks_of(const struct tri_picks *picks, uint64_t actor)
{
    unsigned at = find(picks, actor);
    if (ck_pr_load_64(&picks->actors[at]) != actor)
        return TRI_TRACE_AS_OTHERS;
    ck_pr_fence_load(); /* P2: who before how; pairs with P1 */
    return (enum tri_trace_switch)ck_pr_load_8(&picks->hows[at]);
}
