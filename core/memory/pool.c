/*
 * Pools: slabs, cut into blocks.
 *
 * A slab is cut as its blocks are first asked for, so memory that nobody used is never touched and costs no page. Slabs
 * begin at 64 KiB and double up to 1 MiB: a small pool stays small, a large one asks the system seldom.
 *
 * Counting without a count. Blocks that are taken and given between two settlings are not counted; settling walks the
 * free list, which holds those that were given since and TRI_POOL_AT_HAND more, and puts all but these by. So a block
 * is looked at once for each time that it is given. When none is at hand a few that were put by are fetched, or one is
 * cut fresh: these count at once, so that the level knows of a flood before the turn is over.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <troupe/core/pool.h>

#define SLAB_FIRST (64u * 1024)
#define SLAB_LAST (1024u * 1024)
#define BLOCK_ALIGNMENT 16u

struct tri_pool_slab {
    struct tri_pool_slab *next; /* the one before it in time */
    size_t size;                /* of all of it, this head included */
};

static size_t
round_up(size_t size, size_t multiple)
{
    return (size + multiple - 1) / multiple * multiple;
}

void
tri_pool_init(struct tri_pool *pool, size_t block_size)
{
    *pool = (struct tri_pool){.block_size = round_up(block_size > 0 ? block_size : 1, BLOCK_ALIGNMENT)};
}

void
tri_pool_fini(struct tri_pool *pool)
{
    struct tri_pool_slab *slab = pool->slabs;
    while (slab != NULL) {
        struct tri_pool_slab *next = slab->next;
        TRI_UNPOISON(slab, slab->size);
        free(slab);
        slab = next;
    }
    tri_pool_init(pool, pool->block_size);
}

static size_t
next_slab_size(const struct tri_pool *pool)
{
    size_t size = SLAB_FIRST;
    if (pool->slabs != NULL)
        size = pool->slabs->size < SLAB_LAST ? 2 * pool->slabs->size : SLAB_LAST;
    size_t least = round_up(TRI_CACHE_LINE + pool->block_size, TRI_CACHE_LINE);
    return size > least ? size : least;
}

/* The head takes a whole cache line, so that the blocks behind it begin on one. */
static void
use_slab(struct tri_pool *pool, struct tri_pool_slab *slab, size_t size)
{
    slab->next = pool->slabs;
    slab->size = size;
    pool->slabs = slab;
    pool->fresh = (char *)slab + TRI_CACHE_LINE;
    pool->fresh_end = (char *)slab + size;
    pool->blocks += (size - TRI_CACHE_LINE) / pool->block_size;
    TRI_POISON(pool->fresh, size - TRI_CACHE_LINE);
}

static bool
add_slab(struct tri_pool *pool, size_t size)
{
    struct tri_pool_slab *slab = aligned_alloc(TRI_CACHE_LINE, size);
    if (slab != NULL)
        use_slab(pool, slab, size);
    return slab != NULL;
}

static void
count(struct tri_pool *pool, size_t counted)
{
    int64_t more = (int64_t)(counted - pool->counted);
    pool->counted = counted;
    if (TRI_UNLIKELY(pool->level != NULL))
        tri_level_add_own(pool->level, more * (int64_t)pool->block_size);
}

/* Moves the first block of a list to another. */
static void
move_first(struct tri_pool_block **from, struct tri_pool_block **to)
{
    struct tri_pool_block *block = *from;
    TRI_UNPOISON(block, sizeof(*block));
    *from = block->next;
    block->next = *to;
    *to = block;
    TRI_POISON(block, sizeof(*block));
}

static void *
take_spare(struct tri_pool *pool)
{
    size_t fetched = 0;
    for (; fetched < TRI_POOL_AT_HAND && pool->spare != NULL; fetched++)
        move_first(&pool->spare, &pool->free);
    pool->spare_count -= fetched;
    count(pool, pool->counted + fetched);
    return tri_pool_take(pool);
}

static void *
cut_fresh(struct tri_pool *pool)
{
    if ((size_t)(pool->fresh_end - pool->fresh) < pool->block_size && !add_slab(pool, next_slab_size(pool)))
        return NULL;
    void *block = pool->fresh;
    pool->fresh += pool->block_size;
    TRI_UNPOISON(block, pool->block_size);
    return block;
}

void *
tri_pool_take_fresh(struct tri_pool *pool)
{
    if (TRI_UNLIKELY(pool->spare != NULL))
        return take_spare(pool);
    void *block = cut_fresh(pool);
    if (TRI_UNLIKELY(pool->level != NULL) && block != NULL)
        count(pool, pool->counted + 1);
    return block;
}

static size_t
fresh_count(const struct tri_pool *pool)
{
    return (size_t)(pool->fresh_end - pool->fresh) / pool->block_size;
}

/* The rest of the slab that is left for a new one is given to the free blocks. */
static void
give_fresh(struct tri_pool *pool)
{
    while (fresh_count(pool) > 0)
        tri_pool_give(pool, cut_fresh(pool));
}

/* The first free blocks stay; returns how many these are. */
static size_t
put_by(struct tri_pool *pool)
{
    struct tri_pool_block *kept = NULL;
    size_t at_hand = 0;
    for (; at_hand < TRI_POOL_AT_HAND && pool->free != NULL; at_hand++)
        move_first(&pool->free, &kept);
    for (; pool->free != NULL; pool->spare_count++)
        move_first(&pool->free, &pool->spare);
    while (kept != NULL)
        move_first(&kept, &pool->free);
    return at_hand;
}

void
tri_pool_settle(struct tri_pool *pool)
{
    size_t at_hand = put_by(pool);
    count(pool, pool->blocks - fresh_count(pool) - pool->spare_count - at_hand);
}

/* Fresh blocks are taken last, so they are what is in reserve: nobody need count those that are free. */
bool
tri_pool_reserve(struct tri_pool *pool, size_t count)
{
    if (TRI_LIKELY(fresh_count(pool) >= count))
        return true;
    if (count > (SIZE_MAX - 2 * TRI_CACHE_LINE) / pool->block_size)
        return false;
    size_t least = round_up(TRI_CACHE_LINE + count * pool->block_size, TRI_CACHE_LINE), size = next_slab_size(pool);
    struct tri_pool_slab *slab = aligned_alloc(TRI_CACHE_LINE, size > least ? size : least);
    if (slab == NULL)
        return false;
    give_fresh(pool);
    use_slab(pool, slab, size > least ? size : least);
    return true;
}
