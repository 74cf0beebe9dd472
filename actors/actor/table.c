#include "table.h"

#include <stdlib.h>

#define CHAINS_FIRST 16u

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
        struct tri_table_entry *next = entry->next, **to = &chains[tri_table_chain_of(entry->key, mask)];
        entry->next = *to;
        *to = entry;
        entry = next;
    }
}

void
tri_table_grow(struct tri_table *table)
{
    uint32_t size = table->chains == NULL ? CHAINS_FIRST : (table->mask + 1) * 2;
    struct tri_table_entry **chains = size != 0 ? calloc(size, sizeof(struct tri_table_entry *)) : NULL;
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
