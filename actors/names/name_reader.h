/*
 * A look-up in its steps (name_table.c): between any two of them somebody else may change the table. Thread: any.
 */
#ifndef TROUPE_ACTORS_NAMES_NAME_READER_H
#define TROUPE_ACTORS_NAMES_NAME_READER_H

#include "name_table.h"

#include <ck_pr.h>
#include <string.h>

struct tri_name_buckets {
    /* Constant. */
    struct tri_name_buckets *older;
    uint64_t size; /* a power of 2 */
    unsigned link; /* which link of its names */

    /* Any thread. */
    uint64_t heads[]; /* each a link: to a name, or the end of its chain */
};

struct tri_name_reader {
    const struct tri_name_key *key;
    const struct tri_name_buckets *buckets;
    uint64_t index;   /* of the bucket */
    uint64_t link;    /* where it stands */
    uint64_t version; /* of the name there, when its text was read */
};

static inline uint64_t
tri_name_load_word(const char *text)
{
    uint64_t word;
    memcpy(&word, text, sizeof(word));
    return word;
}

/* Has it come to the end of a chain? */
static inline bool
tri_name_is_end(uint64_t link)
{
    return (link & 1) != 0;
}

/* The end of a chain; no two tables have the same size. */
static inline uint64_t
tri_name_end_of(const struct tri_name_buckets *buckets, uint64_t index)
{
    return (buckets->size + index) << 1 | 1;
}

static inline struct tri_name *
tri_name_at(uint64_t link)
{
    return (struct tri_name *)(uintptr_t)link;
}

static inline uint64_t
tri_name_index_of(const struct tri_name_buckets *buckets, uint64_t hash)
{
    return hash & (buckets->size - 1);
}

static inline uint64_t
tri_name_follow(const uint64_t *link)
{
    uint64_t next = ck_pr_load_64(link);
    ck_pr_fence_load(); /* N2: the link before what it leads to; pairs with N1, lead_to() */
    TRI_ACQUIRE(link);
    return next;
}

static inline bool
tri_name_is_text(const struct tri_name *name, const struct tri_name_key *key)
{
    if (ck_pr_load_64(&name->hash) != key->hash)
        return false;
    for (unsigned i = 0; i < key->full; i++)
        if (ck_pr_load_64(&name->text[i]) != tri_name_load_word(key->text + i * sizeof(uint64_t)))
            return false;
    return ck_pr_load_64(&name->text[key->full]) == key->rest;
}

/* Stands at the beginning of the chain. */
static inline void
tri_name_reader_begin(struct tri_name_reader *reader, const struct tri_name_table *table)
{
    reader->buckets = ck_pr_load_ptr(&table->buckets);
    ck_pr_fence_load(); /* N8: the array before what is in it; pairs with N7, grow() */
    TRI_ACQUIRE(&table->buckets);
    reader->index = tri_name_index_of(reader->buckets, reader->key->hash);
    reader->link = tri_name_follow(&reader->buckets->heads[reader->index]);
}

/* Goes on until it stands on a name of that text, which is true, or at the end of a chain. */
static inline bool
tri_name_reader_search(struct tri_name_reader *reader)
{
    for (; !tri_name_is_end(reader->link);
         reader->link = tri_name_follow(&tri_name_at(reader->link)->next[reader->buckets->link])) {
        const struct tri_name *name = tri_name_at(reader->link);
        reader->version = ck_pr_load_64(&name->version);
        ck_pr_fence_load(); /* N4: the version before the text; pairs with N3, write_name() */
        if (TRI_LIKELY((reader->version & 1) == 0) && tri_name_is_text(name, reader->key))
            return true;
    }
    return false;
}

/* Who has the name on which it stands. false: it has become another one. */
static inline bool
tri_name_reader_take(const struct tri_name_reader *reader, tr_ref *ref)
{
    const struct tri_name *name = tri_name_at(reader->link);
    *ref = ck_pr_load_64(&name->ref);
    ck_pr_fence_load(); /* N6: text and ref before the version again; pairs with N5, write_name() */
    return ck_pr_load_64(&name->version) == reader->version;
}

/* Is the end where it stands that of its own chain? */
static inline bool
tri_name_reader_is_at_its_end(const struct tri_name_reader *reader)
{
    return reader->link == tri_name_end_of(reader->buckets, reader->index);
}

#endif
