/*
 * Counted things of a runtime that may have a name: groups, routers. Threads find them by name under a lock; who has
 * one uses it without. What nobody released goes with the runtime.
 */
#ifndef TROUPE_ACTORS_NAMED_H
#define TROUPE_ACTORS_NAMED_H

#include "table.h"

#include <troupe/core/refcount.h>
#include <troupe/core/status.h>
#include <uv.h>

#define TRI_NAMED_MOST 255u /* bytes of a name, without its NUL */

struct tr_runtime;
struct tri_named;

/* Things of one kind have names of their own. */
struct tri_named_kind {
    struct tri_named *(*make)(struct tr_runtime *runtime, const void *options); /* NULL without memory */
    void (*free)(struct tri_named *named);
};

struct tri_named {
    struct tri_table_entry entry; /* first; of one with a name, among the named. Under the lock */
    struct tri_named *next, **link;
    const struct tri_named_kind *kind;
    struct tr_runtime *runtime;
    unsigned holds; /* any thread */
    char *name;     /* NULL: it has none */
};

/* Those of a runtime. */
struct tri_named_all {
    uv_mutex_t lock;
    uint64_t seed; /* of the hashes: nobody shall choose names that fall into one chain */
    struct tri_table by_name;
    struct tri_named *first;
};

tr_status tri_named_open_all(struct tri_named_all *all);

/* Frees them all. Thread: setup. */
void tri_named_close_all(struct tri_named_all *all);

/*
 * The one of that name and kind, made if there is none; without a name a new one. The caller has a hold of it.
 * Returns TR_OK, TR_EBADNAME, TR_ENOMEM. Thread: any.
 */
tr_status tri_named_open(struct tr_runtime *runtime, const char *name, const struct tri_named_kind *kind,
                         const void *options, struct tri_named **out);

static inline void
tri_named_hold(struct tri_named *named)
{
    tri_refcount_hold(&named->holds);
}

/* Thread: any. */
void tri_named_release(struct tri_named *named);

#endif
