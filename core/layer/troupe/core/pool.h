/*
 * A pool of equal blocks that one thread takes and gives back.
 *
 * Blocks come from slabs; a free block holds the link to the next. Taking and giving are a few instructions and never
 * touch another thread; memory goes back to the system when the pool closes. Under AddressSanitizer free blocks are
 * poisoned, so a use after the end is found although nothing is freed.
 *
 * How many blocks are taken nobody counts as they come and go. A pool whose blocks count for the level is settled now
 * and then (tri_pool_settle()): of its free blocks a few stay where the next are taken, the others are put by and
 * counted.
 */
#ifndef TROUPE_CORE_POOL_H
#define TROUPE_CORE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <troupe/core/compiler.h>
#include <troupe/core/level.h>

struct tri_pool_block {
    struct tri_pool_block *next;
};

struct tri_pool {
    struct tri_pool_block *free;
    char *fresh, *fresh_end; /* of the newest slab: never used yet */
    size_t block_size;       /* a multiple of 16 */
    struct tri_pool_slab *slabs;

    /* Of one that is settled. */
    struct tri_level_shard *level; /* its blocks count there; NULL: they do not */
    struct tri_pool_block *spare;  /* free, and put by */
    size_t spare_count;
    size_t blocks;  /* of all slabs */
    size_t counted; /* blocks that count: those that are taken, and at most TRI_POOL_AT_HAND more */
};

#define TRI_POOL_AT_HAND 16u

/* block_size is rounded up to a multiple of 16; blocks of 64 and its multiples stand on cache lines. */
void tri_pool_init(struct tri_pool *pool, size_t block_size);

/* Frees all slabs, whatever is still taken. */
void tri_pool_fini(struct tri_pool *pool);

/* From now on so many blocks can be taken, whatever is taken: false without memory. It touches none of them. */
bool tri_pool_reserve(struct tri_pool *pool, size_t count);

/* The slow half of tri_pool_take(). NULL without memory. */
void *tri_pool_take_fresh(struct tri_pool *pool);

/* From now on its blocks count for the level. No block is taken. */
static inline void
tri_pool_count_in(struct tri_pool *pool, struct tri_level_shard *level)
{
    pool->level = level;
}

/* Counts the blocks that are taken, exactly. Between two calls those count that are not free, or were at hand. */
void tri_pool_settle(struct tri_pool *pool);

/* Can a block be taken that is there already? And how many are there, of a pool that was just settled? */
static inline bool
tri_pool_has_free(const struct tri_pool *pool)
{
    return pool->free != NULL || pool->spare != NULL;
}

static inline size_t
tri_pool_count_free(const struct tri_pool *pool)
{
    return pool->blocks - pool->counted - (size_t)(pool->fresh_end - pool->fresh) / pool->block_size;
}

/* A block, not cleared; NULL without memory. */
static inline void *
tri_pool_take(struct tri_pool *pool)
{
    struct tri_pool_block *block = pool->free;
    if (TRI_UNLIKELY(block == NULL))
        return tri_pool_take_fresh(pool);
    TRI_UNPOISON(block, pool->block_size);
    pool->free = block->next;
    return block;
}

static inline void
tri_pool_give(struct tri_pool *pool, void *memory)
{
    struct tri_pool_block *block = memory;
    block->next = pool->free;
    pool->free = block;
    TRI_POISON(block, pool->block_size);
}

#endif
