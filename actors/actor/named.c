#include "named.h"

#include "actor_internal.h"

#include <stdlib.h>
#include <string.h>
#include <troupe/core/random.h>
#include <troupe/core/status_from.h>

tr_status
tri_named_open_all(struct tri_named_all *all)
{
    if (tri_random(&all->seed, sizeof(all->seed)) != 0)
        all->seed = 0; /* none yet: names are found all the same */
    int err = uv_mutex_init(&all->lock);
    return tri_status_from_uv(err);
}

static void
put_into_list(struct tri_named_all *all, struct tri_named *named)
{
    named->next = all->first;
    named->link = &all->first;
    if (named->next != NULL)
        named->next->link = &named->next;
    all->first = named;
}

static void
take_out(struct tri_named_all *all, struct tri_named *named)
{
    *named->link = named->next;
    if (named->next != NULL)
        named->next->link = named->link;
    if (named->name != NULL)
        tri_table_remove(&all->by_name, &named->entry);
}

static void
free_named(struct tri_named *named)
{
    free(named->name);
    named->kind->free(named);
}

void
tri_named_close_all(struct tri_named_all *all)
{
    for (struct tri_named *named; (named = all->first) != NULL;) {
        take_out(all, named);
        free_named(named);
    }
    tri_table_fini(&all->by_name);
    uv_mutex_destroy(&all->lock);
}

/* FNV-1a from a seed, and its bits mixed. */
static uint64_t
hash_of(const struct tri_named_all *all, const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ all->seed;
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    hash ^= hash >> 32;
    return hash * UINT64_C(0x9e3779b97f4a7c15);
}

/* Held; NULL: there is none. One that was released for the last time stands there until its thread has the lock. */
static struct tri_named *
find(struct tri_named_all *all, const char *name, uint64_t hash, const struct tri_named_kind *kind)
{
    struct tri_table_entry *entry = tri_table_find(&all->by_name, hash);
    for (; entry != NULL; entry = entry->next) {
        struct tri_named *named = (struct tri_named *)entry;
        if (entry->key == hash && named->kind == kind && strcmp(named->name, name) == 0 &&
            tri_refcount_hold_if_any(&named->holds))
            return named;
    }
    return NULL;
}

static struct tri_named *
make(struct tr_runtime *runtime, const char *name, const struct tri_named_kind *kind, const void *options)
{
    char *copy = name != NULL ? strdup(name) : NULL;
    struct tri_named *named = name == NULL || copy != NULL ? kind->make(runtime, options) : NULL;
    if (named == NULL) {
        free(copy);
        return NULL;
    }
    named->kind = kind;
    named->runtime = runtime;
    named->holds = 1;
    named->name = copy;
    return named;
}

static struct tri_named *
find_or_make(struct tr_runtime *runtime, const char *name, const struct tri_named_kind *kind, const void *options)
{
    struct tri_named_all *all = &runtime->named;
    uint64_t hash = name != NULL ? hash_of(all, name) : 0;
    struct tri_named *named = name != NULL ? find(all, name, hash, kind) : NULL;
    if (named != NULL)
        return named;
    named = make(runtime, name, kind, options);
    if (named == NULL)
        return NULL;
    put_into_list(all, named);
    if (name != NULL)
        tri_table_add(&all->by_name, &named->entry, hash);
    return named;
}

tr_status
tri_named_open(struct tr_runtime *runtime, const char *name, const struct tri_named_kind *kind, const void *options,
               struct tri_named **out)
{
    if (name != NULL && (name[0] == '\0' || strlen(name) > TRI_NAMED_MOST))
        return TR_EBADNAME;
    uv_mutex_lock(&runtime->named.lock);
    struct tri_named *named = find_or_make(runtime, name, kind, options);
    uv_mutex_unlock(&runtime->named.lock);
    if (named == NULL)
        return TR_ENOMEM;
    *out = named;
    return TR_OK;
}

void
tri_named_release(struct tri_named *named)
{
    struct tri_named_all *all = &named->runtime->named;
    if (!tri_refcount_release(&named->holds))
        return;
    uv_mutex_lock(&all->lock);
    take_out(all, named);
    uv_mutex_unlock(&all->lock);
    free_named(named);
}
