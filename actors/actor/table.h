/*
 * A table of things by a 64-bit number that is never used twice: questions, watches. Its entries are members of those
 * things, in chains; it doubles when there is one for each chain. Without memory to double the chains grow, so that
 * adding cannot fail. Thread: owner.
 */
#ifndef TROUPE_ACTORS_TABLE_H
#define TROUPE_ACTORS_TABLE_H

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

/* The key is in no entry of the table. */
void tri_table_add(struct tri_table *table, struct tri_table_entry *entry, uint64_t key);

/* NULL: there is none. */
struct tri_table_entry *tri_table_find(const struct tri_table *table, uint64_t key);

/* Takes out an entry that is in the table. */
void tri_table_remove(struct tri_table *table, struct tri_table_entry *entry);

#endif
