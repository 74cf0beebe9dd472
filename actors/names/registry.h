/*
 * The registry of a runtime: its table of names, and the lock under which that changes.
 */
#ifndef TROUPE_ACTORS_NAMES_REGISTRY_H
#define TROUPE_ACTORS_NAMES_REGISTRY_H

#include "actor_internal.h"
#include "name_table.h"

struct tri_names {
    struct tri_name_table table;
    uv_mutex_t lock;
    uint64_t changes; /* under the lock: how many names have come and gone */
};

/* Returns: TR_OK; TR_ENOMEM; an error of the system's. Thread: setup. */
tr_status tri_names_new(struct tri_names **out);

/* NULL does nothing. Thread: setup. */
void tri_names_free(struct tri_names *names);

static inline struct tri_names *
tri_names_of(const tr_actor *self)
{
    return tri_runtime_of(self->home)->names;
}

/* The key of a name that self asks for, as its public functions begin. Returns: TR_OK; TR_EINVAL; TR_EBADNAME. */
static inline tr_status
tri_names_key(const tr_actor *self, const char *name, struct tri_name_key *key)
{
    return self == NULL || name == NULL ? TR_EINVAL : tri_name_key_make(&tri_names_of(self)->table, name, key);
}

/* May self still begin something? */
static inline bool
tri_names_may_begin(const tr_actor *self)
{
    return (self->flags & (TRI_ACTOR_CLOSED | TRI_ACTOR_ENDING | TRI_ACTOR_GONE)) == 0;
}

#endif
