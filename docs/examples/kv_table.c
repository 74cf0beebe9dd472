/*
 * Tables by linear hashing (Litwin, 1980): a table grows by one bucket with each entry, and the chain that is split is
 * the only one that moves. So no command waits until a million keys have been hashed anew.
 *
 * With `bucket_count` buckets and `mask` one less than the power of two above it, a hash belongs to bucket
 * hash & mask if there is one, otherwise to the bucket from which that will be split, hash & mask / 2.
 */
#include "kv_table.h"

#include <stdlib.h>
#include <unistd.h>

#define LEAST_BUCKETS 4u
#define EMPTINESS 4u /* a table shrinks when it has fewer entries than one for so many buckets */

/* Hashing: eight bytes at a time are multiplied into 128 bits, whose halves are added. */

static uint64_t secret[2] = {0x9e3779b97f4a7c15u, 0xd1b54a32d192ed03u};

void
kv_hash_init(void)
{
    uint64_t random[2];
    if (getentropy(random, sizeof(random)) != 0)
        return; /* as safe as without a secret */
    secret[0] = random[0];
    secret[1] = random[1] | 1;
}

static uint64_t
mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t
kv_hash(struct kv_text text)
{
    uint64_t hash = secret[0] ^ text.size, word;
    for (; text.size >= sizeof(word); text.size -= sizeof(word), text.data += sizeof(word)) {
        memcpy(&word, text.data, sizeof(word));
        hash = mix(hash ^ word, secret[1]);
    }
    word = 0;
    if (text.size > 0)
        memcpy(&word, text.data, text.size);
    return mix(hash ^ word, 0x9fb21c651e98df25u);
}

/* Buckets. */

static struct kv_entry **
bucket_of(const struct kv_table *table, uint64_t hash)
{
    uint64_t index = hash & table->mask;
    return &table->buckets[index < table->bucket_count ? index : index & table->mask >> 1];
}

static bool
set_capacity(struct kv_table *table, size_t capacity)
{
    struct kv_entry **buckets = realloc(table->buckets, capacity * sizeof(struct kv_entry *));
    if (buckets == NULL)
        return false;
    table->buckets = buckets;
    table->capacity = capacity;
    return true;
}

static bool
begin(struct kv_table *table)
{
    if (table->buckets == NULL && !set_capacity(table, LEAST_BUCKETS))
        return false;
    memset(table->buckets, 0, LEAST_BUCKETS * sizeof(struct kv_entry *));
    table->bucket_count = LEAST_BUCKETS;
    table->mask = LEAST_BUCKETS - 1;
    return true;
}

/* Adds a bucket, to which a part of one chain moves. Without memory the chains become longer, and that is all. */
static void
split_one(struct kv_table *table)
{
    if (table->bucket_count == table->capacity && !set_capacity(table, 2 * table->capacity))
        return;
    if (table->bucket_count > table->mask)
        table->mask = 2 * table->mask + 1;
    size_t added = table->bucket_count++;
    struct kv_entry **from = &table->buckets[added & table->mask >> 1], **to = &table->buckets[added];
    while (*from != NULL) {
        struct kv_entry *entry = *from;
        if ((entry->hash & table->mask) != added) {
            from = &entry->next;
            continue;
        }
        *from = entry->next;
        *to = entry;
        to = &entry->next;
    }
    *to = NULL;
}

/* Takes the last bucket back: its chain joins the one from which it was split. */
static void
merge_one(struct kv_table *table)
{
    struct kv_entry *chain = table->buckets[--table->bucket_count];
    struct kv_entry **to = &table->buckets[table->bucket_count & table->mask >> 1];
    while (*to != NULL)
        to = &(*to)->next;
    *to = chain;
    if (table->bucket_count == (table->mask >> 1) + 1)
        table->mask >>= 1;
    if (table->bucket_count * EMPTINESS < table->capacity)
        set_capacity(table, table->capacity / 2);
}

/* Tables. */

struct kv_entry *
kv_table_find(const struct kv_table *table, uint64_t hash, struct kv_text key)
{
    if (table->size == 0)
        return NULL;
    struct kv_entry *entry = *bucket_of(table, hash);
    while (entry != NULL && (entry->hash != hash || !kv_text_equal(kv_entry_key(entry), key)))
        entry = entry->next;
    return entry;
}

struct kv_entry *
kv_table_add(struct kv_table *table, uint64_t hash, struct kv_text key)
{
    if (table->bucket_count == 0 && !begin(table))
        return NULL;
    struct kv_entry *entry = malloc(sizeof(*entry) + key.size);
    if (entry == NULL)
        return NULL;
    struct kv_entry **bucket = bucket_of(table, hash);
    *entry = (struct kv_entry){.next = *bucket, .hash = hash, .key_size = (uint32_t)key.size};
    if (key.size > 0)
        memcpy(entry->key, key.data, key.size);
    *bucket = entry;
    if (++table->size > table->bucket_count)
        split_one(table);
    return entry;
}

void
kv_table_remove(struct kv_table *table, struct kv_entry *entry)
{
    struct kv_entry **link = bucket_of(table, entry->hash);
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    kv_value_clear(&entry->value);
    free(entry);
    table->size--;
    for (unsigned i = 0; i < EMPTINESS; i++) {
        if (table->bucket_count > LEAST_BUCKETS && table->size * EMPTINESS < table->bucket_count)
            merge_one(table);
    }
}

void
kv_table_clear(struct kv_table *table)
{
    for (size_t i = 0; i < table->bucket_count; i++) {
        for (struct kv_entry *entry = table->buckets[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            kv_value_clear(&entry->value);
            free(entry);
        }
    }
    free(table->buckets);
    *table = (struct kv_table){0};
}

struct kv_entry *
kv_table_any(const struct kv_table *table, uint64_t random)
{
    if (table->size == 0)
        return NULL;
    size_t index = random % table->bucket_count;
    while (table->buckets[index] == NULL)
        index = index + 1 < table->bucket_count ? index + 1 : 0;
    return table->buckets[index];
}

static void
sweep_chain(struct kv_table *table, struct kv_entry *entry, uint64_t now_ms)
{
    for (struct kv_entry *next; entry != NULL; entry = next) {
        next = entry->next;
        if (entry->expires_ms != 0 && entry->expires_ms <= now_ms)
            kv_table_remove(table, entry);
    }
}

void
kv_table_sweep(struct kv_table *table, size_t *cursor, size_t buckets, uint64_t now_ms)
{
    for (size_t i = 0; i < buckets && table->size > 0; i++) {
        if (*cursor >= table->bucket_count)
            *cursor = 0;
        sweep_chain(table, table->buckets[(*cursor)++], now_ms);
    }
}

/* Lists. */

/* Doubles the ring: what stands before its first element goes on behind the old end. */
static bool
list_grow(struct kv_list *list)
{
    size_t capacity = list->capacity == 0 ? 4 : 2 * list->capacity;
    struct kv_item **items = realloc(list->items, capacity * sizeof(struct kv_item *));
    if (items == NULL)
        return false;
    memcpy(items + list->capacity, items, list->first * sizeof(struct kv_item *));
    list->items = items;
    list->capacity = capacity;
    return true;
}

static struct kv_item *
item_new(struct kv_text text)
{
    struct kv_item *item = malloc(sizeof(*item) + text.size);
    if (item == NULL)
        return NULL;
    item->size = (uint32_t)text.size;
    memcpy(item->data, text.data, text.size);
    return item;
}

bool
kv_list_push(struct kv_list *list, bool front, struct kv_text text)
{
    struct kv_item *item;
    if ((list->count == list->capacity && !list_grow(list)) || (item = item_new(text)) == NULL)
        return false;
    if (front)
        list->first = (list->first - 1) & (list->capacity - 1);
    size_t index = front ? 0 : list->count;
    list->items[(list->first + index) & (list->capacity - 1)] = item;
    list->count++;
    return true;
}

struct kv_item *
kv_list_pop(struct kv_list *list, bool front)
{
    size_t index = front ? 0 : list->count - 1;
    struct kv_item *item = list->items[(list->first + index) & (list->capacity - 1)];
    if (front)
        list->first = (list->first + 1) & (list->capacity - 1);
    list->count--;
    return item;
}

struct kv_text
kv_list_at(const struct kv_list *list, size_t index)
{
    const struct kv_item *item = list->items[(list->first + index) & (list->capacity - 1)];
    return (struct kv_text){item->data, item->size};
}

static void
list_clear(struct kv_list *list)
{
    while (list->count > 0)
        free(kv_list_pop(list, true));
    free(list->items);
}

/* Sorted sets. */

/* Equal scores are ordered by their members, as redis does. */
static bool
is_less(const struct kv_entry *a, const struct kv_entry *b)
{
    if (a->value.rank.score != b->value.rank.score)
        return a->value.rank.score < b->value.rank.score;
    size_t size = a->key_size < b->key_size ? a->key_size : b->key_size;
    int order = memcmp(a->key, b->key, size);
    return order != 0 ? order < 0 : a->key_size < b->key_size;
}

static void
put_at(struct kv_zset *zset, size_t place, struct kv_entry *entry)
{
    zset->heap[place] = entry;
    entry->value.rank.place = place;
}

static void
sift_up(struct kv_zset *zset, struct kv_entry *entry)
{
    size_t place = entry->value.rank.place;
    for (; place > 0 && is_less(entry, zset->heap[(place - 1) / 2]); place = (place - 1) / 2)
        put_at(zset, place, zset->heap[(place - 1) / 2]);
    put_at(zset, place, entry);
}

static void
sift_down(struct kv_zset *zset, struct kv_entry *entry, size_t count)
{
    size_t place = entry->value.rank.place;
    for (size_t child; (child = 2 * place + 1) < count; place = child) {
        if (child + 1 < count && is_less(zset->heap[child + 1], zset->heap[child]))
            child++;
        if (!is_less(zset->heap[child], entry))
            break;
        put_at(zset, place, zset->heap[child]);
    }
    put_at(zset, place, entry);
}

static bool
heap_has_room(struct kv_zset *zset)
{
    if (zset->members.size < zset->capacity)
        return true;
    size_t capacity = zset->capacity == 0 ? 4 : 2 * zset->capacity;
    struct kv_entry **heap = realloc(zset->heap, capacity * sizeof(struct kv_entry *));
    if (heap == NULL)
        return false;
    zset->heap = heap;
    zset->capacity = capacity;
    return true;
}

bool
kv_zset_put(struct kv_zset *zset, struct kv_text member, double score, bool *added)
{
    uint64_t hash = kv_hash(member);
    struct kv_entry *entry = kv_table_find(&zset->members, hash, member);
    *added = entry == NULL;
    if (entry == NULL) {
        size_t last = zset->members.size;
        if (!heap_has_room(zset) || (entry = kv_table_add(&zset->members, hash, member)) == NULL)
            return false;
        entry->value.type = KV_RANKED;
        put_at(zset, last, entry);
    }
    entry->value.rank.score = score;
    sift_up(zset, entry);
    sift_down(zset, entry, zset->members.size);
    return true;
}

const struct kv_entry *
kv_zset_least(const struct kv_zset *zset)
{
    return zset->members.size > 0 ? zset->heap[0] : NULL;
}

void
kv_zset_remove_least(struct kv_zset *zset)
{
    struct kv_entry *least = zset->heap[0], *last = zset->heap[zset->members.size - 1];
    kv_table_remove(&zset->members, least);
    if (last != least) {
        put_at(zset, 0, last);
        sift_down(zset, last, zset->members.size);
    }
}

/* Values. */

static void
zset_free(struct kv_zset *zset)
{
    kv_table_clear(&zset->members);
    free(zset->heap);
    free(zset);
}

void
kv_value_clear(struct kv_value *value)
{
    switch (value->type) {
    case KV_STRING: kv_bytes_free(&value->string); break;
    case KV_LIST: list_clear(&value->list); break;
    case KV_SET:
    case KV_HASH: kv_table_clear(&value->table); break;
    case KV_ZSET: zset_free(value->zset); break;
    case KV_NOTHING:
    case KV_RANKED: break;
    }
    value->type = KV_NOTHING;
}
