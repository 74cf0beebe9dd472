#include "table.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "bad_input.h"

/* Unlike in every run: keys come from a file, and one made for it could give all of them one home. */
static uint64_t seeds[2];

__attribute__((constructor)) static void
choose_seeds(void)
{
    if (getrandom(seeds, sizeof(seeds), GRND_NONBLOCK) != sizeof(seeds))
        seeds[0] = (uint64_t)(uintptr_t)&seeds ^ (uint64_t)getpid() << 32;
}

/*
 * Both halves of the product of two factors that nobody knows. Keys that count up in one part make a product that grows
 * by equal steps, which may be a multiple of a large power of two: so it is multiplied once more, and the middle taken.
 */
static inline size_t
home_of(const struct table *table, struct table_key key)
{
    unsigned __int128 product = (unsigned __int128)(key.a ^ seeds[0]) * (key.b ^ seeds[1]);
    uint64_t mixed = (uint64_t)(product ^ product >> 64) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 32) & (table->room - 1);
}

static struct table_key *
key_at(const struct table *table, size_t at)
{
    return (struct table_key *)(table->places + at * table->place_size);
}

static void *
value_at(const struct table *table, size_t at)
{
    return key_at(table, at) + 1;
}

static inline bool
is_key(const struct table_key *a, const struct table_key *b)
{
    return ((a->a ^ b->a) | (a->b ^ b->b)) == 0;
}

/* A free place has the key zero, so `used`, which is far from the keys, is seldom looked at. */
static inline bool
is_free(const struct table *table, size_t at)
{
    const struct table_key *key = key_at(table, at);
    return (key->a | key->b) == 0 && !table->used[at];
}

/* Where the key is, or the free place where it belongs. */
static inline size_t
find(const struct table *table, struct table_key key)
{
    size_t at = home_of(table, key);
    while (!is_key(key_at(table, at), &key) && !is_free(table, at))
        at = (at + 1) & (table->room - 1);
    return at;
}

void
table_init(struct table *table, size_t value_size)
{
    memset(table, 0, sizeof(*table));
    table->place_size = sizeof(struct table_key) + (value_size + 7) / 8 * 8; /* all are aligned */
}

void
table_fini(struct table *table)
{
    free(table->used);
    free(table->places);
}

/* An empty one with so many places. */
static struct table
empty_like(const struct table *table, size_t room)
{
    struct table empty = {.place_size = table->place_size, .room = room};
    empty.used = must_calloc(room, sizeof(*empty.used));
    empty.places = must_calloc(room, empty.place_size);
    return empty;
}

/* Copies what is at a place of another, which has no such key yet. */
static void
copy(struct table *table, const struct table *from, size_t place)
{
    size_t at = find(table, *key_at(from, place));
    table->used[at] = true;
    memcpy(key_at(table, at), key_at(from, place), table->place_size);
    table->count++;
}

static void
grow(struct table *table)
{
    struct table larger = empty_like(table, table->room > 0 ? table->room * 2 : 256);
    for (size_t i = 0; i < table->room; i++) {
        if (table->used[i])
            copy(&larger, table, i);
    }
    table_fini(table);
    *table = larger;
}

void *
table_get(const struct table *table, uint64_t a, uint64_t b)
{
    if (table->room == 0)
        return NULL;
    size_t at = find(table, (struct table_key){a, b});
    return is_free(table, at) ? NULL : value_at(table, at);
}

void *
table_put(struct table *table, uint64_t a, uint64_t b)
{
    if (table->count >= table->room / 4 * 3)
        grow(table);
    size_t at = find(table, (struct table_key){a, b});
    if (is_free(table, at)) {
        table->used[at] = true;
        memset(key_at(table, at), 0, table->place_size);
        *key_at(table, at) = (struct table_key){a, b};
        table->count++;
    }
    return value_at(table, at);
}

void
table_remove(struct table *table, uint64_t a, uint64_t b)
{
    if (table->room == 0)
        return;
    size_t mask = table->room - 1;
    size_t hole = find(table, (struct table_key){a, b});
    if (is_free(table, hole))
        return;
    table->count--;
    for (size_t at = (hole + 1) & mask; !is_free(table, at); at = (at + 1) & mask) {
        size_t home = home_of(table, *key_at(table, at));
        if (((at - home) & mask) < ((at - hole) & mask))
            continue; /* its home lies behind the hole: it is found where it is */
        memcpy(key_at(table, hole), key_at(table, at), table->place_size);
        hole = at;
    }
    table->used[hole] = false;
    *key_at(table, hole) = (struct table_key){0, 0};
}

void
table_sweep(struct table *table, bool (*keeps)(const void *argument, struct table_key key, const void *value),
            const void *argument)
{
    struct table swept = empty_like(table, table->room);
    for (size_t i = 0; i < table->room; i++) {
        if (table->used[i] && keeps(argument, *key_at(table, i), value_at(table, i)))
            copy(&swept, table, i);
    }
    table_fini(table);
    *table = swept;
}

bool
table_next(const struct table *table, size_t *place, struct table_entry *entry)
{
    while (*place < table->room && !table->used[*place])
        ++*place;
    if (*place == table->room)
        return false;
    *entry = (struct table_entry){*key_at(table, *place), value_at(table, *place)};
    ++*place;
    return true;
}
