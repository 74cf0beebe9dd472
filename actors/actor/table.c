#include "table.h"

#include <stdlib.h>

/* Numbers count up on each worker, whose own number is in the upper bits. */
static uint32_t
chain_of(uint64_t key, uint32_t mask)
{
    return ((uint32_t)key ^ (uint32_t)(key >> 48) * 0x9e3779b1u) & mask;
}

static struct tri_table_entry **
chain(const struct tri_table *table, uint64_t key)
{
    if (table->chains == NULL)
        return (struct tri_table_entry **)&table->only;
    return &table->chains[chain_of(key, table->mask)];
}

void
tri_table_fini(struct tri_table *table)
{
    free(table->chains);
    *table = (struct tri_table){0};
}

static void
move_chain(struct tri_table_entry *entry, struct tri_table_entry **chains, uint32_t mask)
{
    while (entry != NULL) {
        struct tri_table_entry *next = entry->next, **to = &chains[chain_of(entry->key, mask)];
        entry->next = *to;
        *to = entry;
        entry = next;
    }
}

static void
grow(struct tri_table *table)
{
    uint32_t size = table->chains == NULL ? 16 : (table->mask + 1) * 2;
    struct tri_table_entry **chains = size != 0 ? calloc(size, sizeof(*chains)) : NULL;
    if (chains == NULL)
        return;
    move_chain(table->only, chains, size - 1);
    for (uint32_t i = 0; table->chains != NULL && i <= table->mask; i++)
        move_chain(table->chains[i], chains, size - 1);
    free(table->chains);
    table->chains = chains;
    table->only = NULL;
    table->mask = size - 1;
}

void
tri_table_add(struct tri_table *table, struct tri_table_entry *entry, uint64_t key)
{
    if (table->count++ > table->mask)
        grow(table);
    struct tri_table_entry **to = chain(table, key);
    entry->key = key;
    entry->next = *to;
    *to = entry;
}

struct tri_table_entry *
tri_table_find(const struct tri_table *table, uint64_t key)
{
    struct tri_table_entry *entry = *chain(table, key);
    while (entry != NULL && entry->key != key)
        entry = entry->next;
    return entry;
}

void
tri_table_remove(struct tri_table *table, struct tri_table_entry *entry)
{
    struct tri_table_entry **link = chain(table, entry->key);
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    table->count--;
}
