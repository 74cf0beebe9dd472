/*
 * The table of names: looked up by any thread without a lock, changed by one at a time (name_table.c).
 */
#ifndef TROUPE_ACTORS_NAMES_NAME_TABLE_H
#define TROUPE_ACTORS_NAMES_NAME_TABLE_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <troupe/actors/names.h>
#include <troupe/core/compiler.h>

#define TRI_NAME_WORDS (TR_NAME_SIZE / sizeof(uint64_t))

struct tri_name_watch;
struct tri_name_held;
struct tri_name_buckets;
struct tri_name_chunk;

/* A name as it is looked up: words of its text, the last of which holds what is left and zeroes. */
struct tri_name_key {
    const char *text; /* the caller's */
    unsigned full;    /* words that hold no NUL */
    uint64_t rest;    /* the word after those */
    uint64_t hash;
};

/* A name that an actor has, or that is watched. A short one is in the first line. */
struct tri_name {
    /* Written under the lock, read by any thread: name_table.c. */
    alignas(TRI_CACHE_LINE) uint64_t next[2]; /* the next of its chain, or the chain's end; one for every other table */
    uint64_t version;                         /* odd: hash and text are being written */
    uint64_t hash;
    uint64_t ref; /* who has it */
    uint64_t text[TRI_NAME_WORDS];

    /* Under the lock. */
    struct tri_name_held *held;     /* with the one who has it; NULL: nobody */
    struct tri_name_watch *watches; /* those who watch it */
    struct tri_name *next_free;
};

struct tri_name_table {
    /* Constant. */
    uint64_t secret[3];

    /* Any thread; written when the table grows. */
    struct tri_name_buckets *buckets;

    /* Under the lock. */
    alignas(TRI_CACHE_PAIR) uint64_t count;
    struct tri_name *free;
    struct tri_name_chunk *chunks; /* the memory of all names */
};

/* Returns: TR_OK; TR_ENOMEM. Thread: setup. */
tr_status tri_name_table_init(struct tri_name_table *table);
void tri_name_table_fini(struct tri_name_table *table);

/* Returns: TR_OK; TR_EINVAL, text is NULL; TR_EBADNAME. Thread: any. */
tr_status tri_name_key_make(const struct tri_name_table *table, const char *text, struct tri_name_key *key);

/* Who has that name; TR_NOBODY: nobody. Thread: any. */
tr_ref tri_name_table_look(const struct tri_name_table *table, const struct tri_name_key *key);

/*
 * The rest is for whoever has the lock.
 */

/* The name; NULL if nobody has it and nobody watches it. */
struct tri_name *tri_name_table_find(const struct tri_name_table *table, const struct tri_name_key *key);

/* The same, but one that is not there is made. NULL: without memory. */
struct tri_name *tri_name_table_make(struct tri_name_table *table, const struct tri_name_key *key);

/* Says who has it from now on. */
void tri_name_give(struct tri_name *name, tr_ref ref);

/* Takes the name out if nobody has it and nobody watches it: its memory is for the next one. */
void tri_name_table_drop_unused(struct tri_name_table *table, struct tri_name *name);

#endif
