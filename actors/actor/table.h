/*
 * A table of things by a 64-bit number that is never used twice: questions, watches. Its entries are members of those
 * things, in chains; it doubles when there is one for each chain. Without memory to double the chains grow, so that
 * adding cannot fail. Thread: owner.
 */
#ifndef TROUPE_ACTORS_TABLE_H
#define TROUPE_ACTORS_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct tri_table_entry {
    struct tri_table_entry *next;
    uint64_t key;
};

struct tri_table {
    struct tri_table_entry **chains; /* NULL: all are in `only` */
    struct tri_table_entry *only;
    uint32_t mask; /* chains - 1 */
    uint32_t count;
};

void tri_table_fini(struct tri_table *table);

/* There is one entry for each chain: more chains, if there is memory. */
void tri_table_grow(struct tri_table *table);

/* Numbers count up on each worker, whose own number is in the upper bits. */
static inline uint32_t
tri_table_chain_of(uint64_t key, uint32_t mask)
{
    return ((uint32_t)key ^ (uint32_t)(key >> 48) * 0x9e3779b1u) & mask;
}

static inline struct tri_table_entry **
tri_table_chain(struct tri_table *table, uint64_t key)
{
    return table->chains == NULL ? &table->only : &table->chains[tri_table_chain_of(key, table->mask)];
}

/* The key is in no entry of the table. */
static inline void
tri_table_add(struct tri_table *table, struct tri_table_entry *entry, uint64_t key)
{
    if (table->count++ > table->mask)
        tri_table_grow(table);
    struct tri_table_entry **chain = tri_table_chain(table, key);
    entry->key = key;
    entry->next = *chain;
    *chain = entry;
}

/* NULL: there is none. */
static inline struct tri_table_entry *
tri_table_find(struct tri_table *table, uint64_t key)
{
    struct tri_table_entry *entry = *tri_table_chain(table, key);
    while (entry != NULL && entry->key != key)
        entry = entry->next;
    return entry;
}

/* Takes out an entry that is in the table. */
static inline void
tri_table_remove(struct tri_table *table, struct tri_table_entry *entry)
{
    struct tri_table_entry **link = tri_table_chain(table, entry->key);
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    table->count--;
}

#endif
