/*
 * Hash tables, and the values of keys: strings, lists, sets, hashes, sorted sets. Each is one actor's.
 */
#ifndef KV_TABLE_H
#define KV_TABLE_H

#include "kv_resp.h"

enum kv_type { KV_NOTHING, KV_STRING, KV_LIST, KV_SET, KV_HASH, KV_ZSET, KV_RANKED };

/* Entries in chains; see the top of kv_table.c. {0} is an empty table. */
struct kv_table {
    struct kv_entry **buckets;
    size_t bucket_count, capacity; /* of buckets */
    uint64_t mask;                 /* bucket_count rounded up to a power of two, less one */
    size_t size;                   /* entries */
};

struct kv_item {
    uint32_t size;
    char data[];
};

/* Elements in a ring, which has room for a power of two of them. */
struct kv_list {
    struct kv_item **items;
    size_t first, count, capacity;
};

/* A sorted set: its members are KV_RANKED, and stand in a heap whose top is the smallest. */
struct kv_zset {
    struct kv_table members;
    struct kv_entry **heap;
    size_t capacity;
};

struct kv_value {
    enum kv_type type;
    union {
        struct kv_bytes string;
        struct kv_list list;
        struct kv_table table; /* KV_SET, KV_HASH: their members */
        struct kv_zset *zset;
        struct kv_rank {
            double score;
            size_t place; /* in the heap */
        } rank;
    };
};

struct kv_entry {
    struct kv_entry *next; /* in its chain */
    uint64_t hash;
    uint64_t expires_ms; /* 0: never */
    struct kv_value value;
    uint32_t key_size;
    char key[];
};

static inline struct kv_text
kv_entry_key(const struct kv_entry *entry)
{
    return (struct kv_text){entry->key, entry->key_size};
}

/* Chooses the secret of all hashes, so that nobody can choose keys that meet. Thread: setup. */
void kv_hash_init(void);
uint64_t kv_hash(struct kv_text text);

struct kv_entry *kv_table_find(const struct kv_table *table, uint64_t hash, struct kv_text key);

/* Adds a key that is not there, without a value. NULL: without memory. */
struct kv_entry *kv_table_add(struct kv_table *table, uint64_t hash, struct kv_text key);
void kv_table_remove(struct kv_table *table, struct kv_entry *entry);
void kv_table_clear(struct kv_table *table);

/* An entry by chance; NULL: the table is empty. */
struct kv_entry *kv_table_any(const struct kv_table *table, uint64_t random);

/* Removes what has expired in some buckets from *cursor on, which it moves. */
void kv_table_sweep(struct kv_table *table, size_t *cursor, size_t buckets, uint64_t now_ms);

/* Empties a value: KV_NOTHING. */
void kv_value_clear(struct kv_value *value);

/* Lists. kv_list_at() counts from the front. Memory: what kv_list_pop() gives is the caller's, to free(). */
bool kv_list_push(struct kv_list *list, bool front, struct kv_text text); /* false: without memory */
struct kv_item *kv_list_pop(struct kv_list *list, bool front);
struct kv_text kv_list_at(const struct kv_list *list, size_t index);

/* Sorted sets. `added` tells whether the member is new. */
bool kv_zset_put(struct kv_zset *zset, struct kv_text member, double score, bool *added); /* false: without memory */
const struct kv_entry *kv_zset_least(const struct kv_zset *zset);                         /* NULL: it is empty */
void kv_zset_remove_least(struct kv_zset *zset);

#endif
