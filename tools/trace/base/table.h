/*
 * A hash table from pairs of numbers to values of one size: open addressing, linear probing, no tombstones. A key and
 * its value lie side by side, so that a look-up waits for memory once.
 * Pointers to values are good until the next table_put() or table_remove().
 */
#ifndef TROUPE_TRACE_TABLE_H
#define TROUPE_TRACE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_key {
    uint64_t a, b;
};

struct table {
    size_t place_size;  /* of a key with its value */
    size_t count, room; /* room is 0 or a power of two */
    bool *used;
    unsigned char *places;
};

struct table_entry {
    struct table_key key;
    void *value;
};

void table_init(struct table *table, size_t value_size);
void table_fini(struct table *table);

/* The value of a key; NULL: there is none. */
void *table_get(const struct table *table, uint64_t a, uint64_t b);

/* The value of a key; a new one is zero. */
void *table_put(struct table *table, uint64_t a, uint64_t b);

/* Removes a key with its value, if it is there. */
void table_remove(struct table *table, uint64_t a, uint64_t b);

/* Removes what keeps() does not want; it may look into other tables. */
void table_sweep(struct table *table, bool (*keeps)(const void *argument, struct table_key key, const void *value),
                 const void *argument);

/*
 * Goes through all entries, in no order that says anything: *place begins with 0, and nothing is put or removed until
 * it ends. Gives the next entry; false: there are no more.
 */
bool table_next(const struct table *table, size_t *place, struct table_entry *entry);

#endif
