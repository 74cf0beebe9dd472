/*
 * The table of names: chains of names in an array of buckets that doubles.
 *
 * Changes are made under a lock. Readers take none, tell nobody that they read and write nothing, so a look-up costs
 * the same whoever else looks up, from workers and from other threads. The usual ways to know when a reader is done
 * with what was taken out (epochs, hazard pointers; ck has both) cost each look-up a store and a full fence, and each
 * thread that looks up a record of its own. Here a reader may stand on a name that was taken out, and even on one that
 * became another name meanwhile, and finds that out:
 *
 *   - The memory of a name is that of a name until the runtime ends: what is taken out is used again for the next name,
 *     so the table keeps what it needed when there were the most names. In months of names that come and go it does not
 *     grow.
 *   - `version` is odd while a name is being written, and another one afterwards. A reader that found its text reads
 *     the ref, and then the version again: the same version means that it was this name all the time.
 *   - A chain ends in a mark that says which one it is, of which table. A reader on a name that went into another chain
 *     comes to that one's end, sees it, and begins again. New names stand first in their chain, so a reader that is
 *     taken there and back has all names before it that it had.
 *   - A table that grows has the same names in new chains. Names have two links, of which every other table uses one:
 *     so the old chains stay whole while the new ones are made, and those who read them still find all. Only the next
 *     table but one writes those links again; who still reads then comes to the end of a newer chain, and begins again.
 *     Old arrays are kept: together they are smaller than the one in use.
 *
 * So a reader begins again only if somebody else has got something done: it never waits.
 *
 * Invariant: a name that is in the table during a whole look-up is found by it.
 *
 * The hash multiplies and folds with secrets of the runtime's own, as Go's maps do: names may come from those that a
 * server serves, and nobody who does not know the secrets can choose names that all stand in one chain. (SipHash-1-3
 * costs 20 ns more, and a look-up with it more than the 30 ns that it may take.) An array has twice as many buckets as
 * there are names, so that most chains are of one and the processor guesses right.
 */
#include "name_reader.h"

#include <stdlib.h>
#include <string.h>
#include <troupe/core/clock.h>
#include <troupe/core/random.h>

#define FIRST_BUCKETS 64u
#define CHUNK_NAMES 32u

struct tri_name_chunk {
    struct tri_name_chunk *next;
    struct tri_name names[CHUNK_NAMES];
};

/* Keys. */

/* From a number whose lowest byte is the first to a word in memory. */
static inline uint64_t
from_little(uint64_t number)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(number);
#else
    return number;
#endif
}

static inline uint64_t
byte_at(const char *text, size_t i)
{
    return (uint64_t)(unsigned char)text[i] << 8 * i;
}

/* The last bytes of a text, fewer than 8, as a word with zeroes behind them. It is not put together in memory: a load
 * of what was just stored in parts has to wait. */
static inline uint64_t
load_rest(const char *text, size_t size)
{
    uint64_t number = 0;
    if ((size & 4) != 0)
        number = byte_at(text, 0) | byte_at(text, 1) | byte_at(text, 2) | byte_at(text, 3);
    for (size_t i = size & 4; i < size; i++)
        number |= byte_at(text, i);
    return from_little(number);
}

/* The product, its upper half folded into the lower. */
static inline uint64_t
mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 both;
    both product = (both)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The words alone say how long the text is: only the last one holds a NUL. */
static inline uint64_t
hash_of(const uint64_t secret[3], const struct tri_name_key *key)
{
    uint64_t hash = secret[0];
    for (unsigned i = 0; i < key->full; i++)
        hash = mix(hash ^ tri_name_load_word(key->text + i * sizeof(uint64_t)), secret[1]);
    return mix(hash ^ key->rest, secret[2]);
}

tr_status
tri_name_key_make(const struct tri_name_table *table, const char *text, struct tri_name_key *key)
{
    if (text == NULL)
        return TR_EINVAL;
    size_t size = strnlen(text, TR_NAME_SIZE);
    if (size == 0 || size == TR_NAME_SIZE)
        return TR_EBADNAME;
    key->text = text;
    key->full = (unsigned)(size / sizeof(uint64_t));
    key->rest = load_rest(text + key->full * sizeof(uint64_t), size % sizeof(uint64_t));
    key->hash = hash_of(table->secret, key);
    return TR_OK;
}

/* Looking up. */

tr_ref
tri_name_table_look(const struct tri_name_table *table, const struct tri_name_key *key)
{
    struct tri_name_reader reader = {.key = key};
    for (;;) {
        tri_name_reader_begin(&reader, table);
        tr_ref ref = TR_NOBODY;
        bool done = tri_name_reader_search(&reader) ? tri_name_reader_take(&reader, &ref)
                                                    : tri_name_reader_is_at_its_end(&reader);
        if (TRI_LIKELY(done))
            return ref;
    }
}

/* Under the lock. */

static inline uint64_t
link_to(struct tri_name *name)
{
    return (uint64_t)(uintptr_t)name;
}

static inline void
lead_to(uint64_t *link, uint64_t next)
{
    TRI_RELEASE(link);
    ck_pr_fence_store(); /* N1: what it leads to is whole before it can be found; pairs with N2, follow() */
    ck_pr_store_64(link, next);
}

struct tri_name *
tri_name_table_find(const struct tri_name_table *table, const struct tri_name_key *key)
{
    const struct tri_name_buckets *buckets = table->buckets;
    uint64_t link = buckets->heads[tri_name_index_of(buckets, key->hash)];
    while (!tri_name_is_end(link) && !tri_name_is_text(tri_name_at(link), key))
        link = tri_name_at(link)->next[buckets->link];
    return tri_name_is_end(link) ? NULL : tri_name_at(link);
}

static void
put_first(struct tri_name_buckets *buckets, struct tri_name *name)
{
    uint64_t *head = &buckets->heads[tri_name_index_of(buckets, name->hash)];
    lead_to(&name->next[buckets->link], *head);
    lead_to(head, link_to(name));
}

static struct tri_name_buckets *
buckets_new(struct tri_name_buckets *older)
{
    uint64_t size = older != NULL ? older->size * 2 : FIRST_BUCKETS;
    struct tri_name_buckets *buckets = malloc(sizeof(*buckets) + size * sizeof(buckets->heads[0]));
    if (buckets == NULL)
        return NULL;
    buckets->older = older;
    buckets->size = size;
    buckets->link = older != NULL ? !older->link : 0;
    for (uint64_t i = 0; i < size; i++)
        buckets->heads[i] = tri_name_end_of(buckets, i);
    return buckets;
}

/* Without memory the chains get longer instead. */
static void
grow(struct tri_name_table *table)
{
    struct tri_name_buckets *older = table->buckets, *buckets = buckets_new(older);
    if (buckets == NULL)
        return;
    for (uint64_t i = 0; i < older->size; i++)
        for (uint64_t link = older->heads[i]; !tri_name_is_end(link);) {
            struct tri_name *name = tri_name_at(link);
            link = name->next[older->link];
            put_first(buckets, name);
        }
    TRI_RELEASE(&table->buckets);
    ck_pr_fence_store(); /* N7: the chains are whole before they can be found; pairs with N8, look */
    ck_pr_store_ptr(&table->buckets, buckets);
}

static bool
make_chunk(struct tri_name_table *table)
{
    struct tri_name_chunk *chunk = aligned_alloc(alignof(struct tri_name_chunk), sizeof(*chunk));
    if (chunk == NULL)
        return false;
    memset(chunk, 0, sizeof(*chunk));
    chunk->next = table->chunks;
    table->chunks = chunk;
    for (unsigned i = CHUNK_NAMES; i-- > 0;) {
        chunk->names[i].next_free = table->free;
        table->free = &chunk->names[i];
    }
    return true;
}

static void
write_name(struct tri_name *name, const struct tri_name_key *key)
{
    uint64_t version = name->version;
    ck_pr_store_64(&name->version, version + 1);
    ck_pr_fence_store(); /* N5: who reads new text, or a new ref, sees another version; pairs with N6 */
    ck_pr_store_64(&name->hash, key->hash);
    for (unsigned i = 0; i < key->full; i++)
        ck_pr_store_64(&name->text[i], tri_name_load_word(key->text + i * sizeof(uint64_t)));
    ck_pr_store_64(&name->text[key->full], key->rest);
    ck_pr_fence_store(); /* N3: who sees the new version reads the new text; pairs with N4, read_name() */
    ck_pr_store_64(&name->version, version + 2);
}

struct tri_name *
tri_name_table_make(struct tri_name_table *table, const struct tri_name_key *key)
{
    struct tri_name *name = tri_name_table_find(table, key);
    if (name != NULL)
        return name;
    if (table->free == NULL && !make_chunk(table))
        return NULL;
    if (table->count * 2 >= table->buckets->size)
        grow(table);
    name = table->free;
    table->free = name->next_free;
    table->count++;
    write_name(name, key);
    put_first(table->buckets, name);
    return name;
}

void
tri_name_give(struct tri_name *name, tr_ref ref)
{
    ck_pr_store_64(&name->ref, ref);
}

static void
take_out(struct tri_name_buckets *buckets, struct tri_name *name)
{
    uint64_t *link = &buckets->heads[tri_name_index_of(buckets, name->hash)];
    while (*link != link_to(name))
        link = &tri_name_at(*link)->next[buckets->link];
    lead_to(link, name->next[buckets->link]);
}

void
tri_name_table_drop_unused(struct tri_name_table *table, struct tri_name *name)
{
    if (name->held != NULL || name->watches != NULL)
        return;
    take_out(table->buckets, name);
    name->next_free = table->free;
    table->free = name;
    table->count--;
}

/* Life. */

tr_status
tri_name_table_init(struct tri_name_table *table)
{
    *table = (struct tri_name_table){.buckets = buckets_new(NULL)};
    if (table->buckets == NULL)
        return TR_ENOMEM;
    if (tri_random(table->secret, sizeof(table->secret)) != 0) /* early at boot: better than constants */
        for (unsigned i = 0; i < 3; i++)
            table->secret[i] = ((uint64_t)(uintptr_t)table->buckets ^ tri_ticks()) * UINT64_C(0x9e3779b97f4a7c15);
    return TR_OK;
}

void
tri_name_table_fini(struct tri_name_table *table)
{
    for (struct tri_name_buckets *buckets; (buckets = table->buckets) != NULL;) {
        table->buckets = buckets->older;
        free(buckets);
    }
    for (struct tri_name_chunk *chunk; (chunk = table->chunks) != NULL;) {
        table->chunks = chunk->next;
        free(chunk);
    }
}
