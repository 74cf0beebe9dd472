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

/*
 * The names of an actor, the oldest first, up to `most` of them; the rest of `names` stays as it is. Each is valid
 * until the actor releases it. Gives how many it has. Thread: owner.
 */
unsigned tri_names_of_actor(const tr_actor *actor, const char *names[], unsigned most);

#endif
