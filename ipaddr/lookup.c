/*
 * A table of disjoint intervals.
 *
 * A number lies in one of many intervals exactly when the last one that begins at it or before does not end before it.
 * So a search looks at the beginnings alone, and at one end when it is over.
 *
 * The beginnings form a search tree without pointers: the children of node i are 2i and 2i+1, the root is 1. In sorted
 * order, each step of a search would wait for memory, because what it needs depends on the step before. Here, the
 * descendants of a node that are three generations younger lie side by side, and the line of memory that holds them is
 * asked for while the steps on the way there are made. A step is computed, not branched to: half of the branches would
 * be guessed wrong. A search that goes left appends a 0 to the node's number, one that goes right a 1. Behind the last
 * 1 of the path stands the node where the search went right for the last time, and that is the last beginning at the
 * number or before it.
 *
 * Numbers are 64 bits, for speed: twice as many of them fit in a cache, and one instruction compares them. So an IPv6
 * address is looked up by its high half first, and what is found is an interval of high halves that are in altogether,
 * or the group of all intervals with that very high half, in which the low half is looked up. Intervals are cut to fit.
 * Rules are seldom in both ways many: a few networks with many addresses, or many networks with few.
 *
 * IPv4 addresses are in a group of their own, so that their search has one stage, and no IPv6 rule slows it down.
 */
#include "lookup.h"

#include <stdlib.h>
#include <string.h>

#define CACHE_LINE 64u
#define LINE_CELLS 8u

/* What is made of the intervals on the way to a table. */
struct draft {
    struct tri_interval *pieces; /* first those of IPv4, then the others */
    size_t mapped, count;        /* of IPv4; of all */
    size_t groups;
    size_t cells; /* used so far; cell 0 is not */
};

/* The node that comes first in ascending order, of those below node, in a tree of count nodes. */
static size_t
leftmost(size_t node, size_t count)
{
    while (2 * node <= count)
        node *= 2;
    return node;
}

/* The node that follows in ascending order; 0 after the last. */
static size_t
next_node(size_t node, size_t count)
{
    if (2 * node + 1 <= count)
        return leftmost(2 * node + 1, count);
    while (node & 1)
        node >>= 1; /* up from where everything is done */
    return node >> 1;
}

/* The node of the last number that is not above x, in a tree of count nodes; 0 if all are above. */
static inline size_t
find(const uint64_t *tree, size_t count, uint64_t x)
{
    size_t path = 1;
    while (path <= count) {
        __builtin_prefetch((const void *)((uintptr_t)tree + path * CACHE_LINE)); /* may point behind the tree */
        path = 2 * path + (tree[path] <= x);
    }
    return path >> (__builtin_ctzll(path) + 1); /* where it went right for the last time */
}

static inline bool
group_has(const struct tri_lookup *table, const struct tri_lookup_group *group, uint64_t low)
{
    const uint64_t *firsts = table->cells + group->begin, *lasts = firsts + group->count;
    size_t node = find(firsts, group->count, low);
    return node != 0 && low <= lasts[node];
}

bool
tri_lookup_has(const struct tri_lookup *table, struct tri_bits address)
{
    if (tri_bits_are_mapped(address))
        return group_has(table, &table->mapped, address.low);
    size_t node = find(table->highs, table->count, address.high);
    if (node == 0)
        return false;
    const struct tri_lookup_group *group = &table->groups[node];
    if (group->count == 0)
        return address.high <= group->last_high;
    return table->highs[node] == address.high && group_has(table, group, address.low);
}

/* Memory on a cache line, where a tree must begin for the sake of find(). NULL: there is none. */
static void *
lines_new(size_t count, size_t size)
{
    void *memory;
    if (posix_memalign(&memory, CACHE_LINE, count * size) != 0)
        return NULL;
    return memset(memory, 0, count * size);
}

/* Cuts the intervals up. */
static void
draft_pieces(struct draft *draft, const struct tri_interval *intervals, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        draft->pieces[draft->count] = intervals[i];
        draft->count += tri_interval_clip_mapped(&draft->pieces[draft->count]);
    }
    draft->mapped = draft->count;
    for (size_t i = 0; i < count; i++)
        if (!tri_bits_are_mapped(intervals[i].first) || !tri_bits_are_mapped(intervals[i].last))
            draft->count += tri_interval_split(&intervals[i], draft->pieces + draft->count);
}

/* How many pieces from one on belong to its group. */
static size_t
group_size(const struct draft *draft, size_t piece)
{
    size_t end = piece + 1;
    while (end < draft->count && draft->pieces[end].first.high == draft->pieces[piece].first.high)
        end++;
    return end - piece;
}

static void
draft_groups(struct draft *draft)
{
    for (size_t i = draft->mapped; i < draft->count; i += group_size(draft, i))
        draft->groups++;
}

/*
 * A place for count intervals. A tree that is larger than a line begins on one; many are much smaller, and are packed.
 */
static struct tri_lookup_group
place_group(struct draft *draft, size_t count)
{
    size_t begin = draft->cells;
    if (count > LINE_CELLS)
        begin = (begin + LINE_CELLS - 1) / LINE_CELLS * LINE_CELLS;
    draft->cells = begin + 2 * count;
    return (struct tri_lookup_group){.begin = (uint32_t)begin, .count = (uint32_t)count};
}

static void
fill_group(const struct tri_lookup *table, const struct tri_lookup_group *group, const struct tri_interval *pieces)
{
    uint64_t *firsts = table->cells + group->begin, *lasts = firsts + group->count;
    size_t node = leftmost(1, group->count);
    for (size_t i = 0; i < group->count; i++, node = next_node(node, group->count)) {
        firsts[node] = pieces[i].first.low;
        lasts[node] = pieces[i].last.low;
    }
}

static void
fill_table(struct tri_lookup *table, struct draft *draft)
{
    table->mapped = place_group(draft, draft->mapped);
    fill_group(table, &table->mapped, draft->pieces);
    size_t node = leftmost(1, table->count);
    for (size_t i = draft->mapped; i < draft->count; node = next_node(node, table->count)) {
        const struct tri_interval *piece = &draft->pieces[i];
        size_t size = group_size(draft, i);
        table->highs[node] = piece->first.high;
        if (tri_interval_is_of_highs(piece)) {
            table->groups[node].last_high = piece->last.high;
        } else {
            table->groups[node] = place_group(draft, size);
            fill_group(table, &table->groups[node], piece);
        }
        i += size;
    }
}

/* No cells are lost but up to a line before each tree that is larger than one. */
static size_t
cells_needed(const struct draft *draft)
{
    return LINE_CELLS + 3 * draft->count;
}

bool
tri_lookup_init(struct tri_lookup *table, const struct tri_interval *intervals, size_t count)
{
    struct tri_lookup made = {0};
    struct draft draft = {0};
    draft.pieces = malloc((1 + (1 + TRI_INTERVAL_PIECES) * count) * sizeof(*draft.pieces));
    if (draft.pieces == NULL)
        return false;
    draft_pieces(&draft, intervals, count);
    draft_groups(&draft);
    made.count = draft.groups;
    made.cells = lines_new(cells_needed(&draft), sizeof(*made.cells));
    made.highs = lines_new(1 + made.count, sizeof(*made.highs));
    made.groups = lines_new(1 + made.count, sizeof(*made.groups));
    bool done = made.cells != NULL && made.highs != NULL && made.groups != NULL;
    if (done) {
        fill_table(&made, &draft);
        *table = made;
    } else {
        tri_lookup_fini(&made);
    }
    free(draft.pieces);
    return done;
}

void
tri_lookup_fini(struct tri_lookup *table)
{
    free(table->cells);
    free(table->highs);
    free(table->groups);
}
