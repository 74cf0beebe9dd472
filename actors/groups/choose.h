/*
 * Whom of a pool a message is for: pure functions. A pool is an array of names, by place; TR_NOBODY is a place that
 * nobody has. The names may change meanwhile. Each returns a place, `size` if there is none. Thread: any.
 */
#ifndef TROUPE_ACTORS_CHOOSE_H
#define TROUPE_ACTORS_CHOOSE_H

#include <stddef.h>
#include <stdint.h>
#include <troupe/core/message.h>

/* The next one, and sets *next behind it. */
uint32_t tri_choose_next(const uint64_t *actors, uint32_t size, uint64_t *next);

/*
 * That of a key: of all places each has a weight for the key, and the largest weight has it. So a place that comes
 * takes keys from all others, and no other key moves; one that goes leaves its keys to all others. Only weights below
 * *below count, which is set to that of the choice: so the next call gives the second choice. It begins with
 * UINT64_MAX.
 */
uint32_t tri_choose_by_key(const uint64_t *actors, uint32_t size, uint64_t key, uint64_t *below);

/* The one with the least load, and of equals the next one; sets *next behind it. */
uint32_t tri_choose_least(const uint64_t *actors, uint32_t size, uint64_t *next,
                          size_t (*load)(void *argument, tr_ref actor), void *argument);

#endif
