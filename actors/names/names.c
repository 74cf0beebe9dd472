/*
 * Names: the public ways to have one and to look one up.
 *
 * A name that an actor has is attached to it, so it goes with the actor: after its stopped callback and before its
 * parent, or anybody else, is told that it has ended. What changes does so under the registry's lock, which is held for
 * some hundred nanoseconds, and longer only for a name that many watch and while the table grows. The words to those
 * that watch are sent when it has been given back.
 */
#include "extra.h"
#include "news.h"

#include <stdlib.h>
#include <troupe/core/status_from.h>

/* A name that an actor has. Owner, but for `name`, which is constant. */
struct tri_name_held {
    struct tri_attachment attachment;
    tr_actor *owner;
    struct tri_name *name;
};

static void
give_up(struct tri_name_held *held)
{
    struct tri_actors *home = held->owner->home;
    struct tri_names *names = tri_runtime_of(home)->names;
    struct tri_name *name = held->name;
    struct tri_name_errands errands = {0};
    uv_mutex_lock(&names->lock);
    tri_name_give(name, TR_NOBODY);
    name->held = NULL;
    tri_name_news_spread(home, name, TR_NOBODY, &errands);
    tri_name_table_drop_unused(&names->table, name);
    uv_mutex_unlock(&names->lock);
    tri_detach(&held->attachment);
    free(held);
    tri_name_errands_run(home, &errands);
}

static void
end_attached(struct tri_attachment *attachment, const struct tri_death *death)
{
    (void)death;
    give_up(TRI_CONTAINER_OF(attachment, struct tri_name_held, attachment));
}

/* Under the lock, with a name that nobody has. */
static tr_status
take(tr_actor *self, struct tri_name *name, struct tri_name_errands *errands)
{
    struct tri_name_held *held = malloc(sizeof(*held));
    if (held == NULL || !tri_name_news_prepare(name, self->home->worker->index)) {
        free(held);
        return TR_ENOMEM;
    }
    *held = (struct tri_name_held){.attachment = {.end = end_attached}, .owner = self, .name = name};
    tri_actor_attach(self, &held->attachment);
    name->held = held;
    tri_name_give(name, self->ref);
    tri_name_news_spread(self->home, name, self->ref, errands);
    return TR_OK;
}

static tr_status
register_locked(tr_actor *self, struct tri_name_table *table, const struct tri_name_key *key,
                struct tri_name_errands *errands)
{
    struct tri_name *name = tri_name_table_make(table, key);
    if (name == NULL)
        return TR_ENOMEM;
    if (name->held != NULL)
        return name->ref == self->ref ? TR_OK : TR_ENAMETAKEN;
    tr_status status = take(self, name, errands);
    tri_name_table_drop_unused(table, name);
    return status;
}

tr_status
tr_name_register(tr_actor *self, const char *text)
{
    TRI_CHECK_SELF(self);
    struct tri_name_key key;
    tr_status status = tri_names_key(self, text, &key);
    if (status != TR_OK)
        return status;
    if (!tri_names_may_begin(self))
        return TR_EGONE;
    struct tri_names *names = tri_names_of(self);
    struct tri_name_errands errands = {0};
    uv_mutex_lock(&names->lock);
    status = register_locked(self, &names->table, &key, &errands);
    uv_mutex_unlock(&names->lock);
    tri_name_errands_run(self->home, &errands);
    return status;
}

tr_status
tr_name_release(tr_actor *self, const char *text)
{
    TRI_CHECK_SELF(self);
    struct tri_name_key key;
    tr_status status = tri_names_key(self, text, &key);
    if (status != TR_OK)
        return status;
    struct tri_names *names = tri_names_of(self);
    uv_mutex_lock(&names->lock);
    struct tri_name *name = tri_name_table_find(&names->table, &key);
    struct tri_name_held *held = name != NULL && name->ref == self->ref ? name->held : NULL;
    uv_mutex_unlock(&names->lock);
    if (held == NULL)
        return TR_ENOTNAMED;
    give_up(held);
    return TR_OK;
}

/* Looking up. */

static inline tr_ref
look(const struct tri_names *names, const char *text)
{
    struct tri_name_key key;
    return TRI_LIKELY(tri_name_key_make(&names->table, text, &key) == TR_OK) ? tri_name_table_look(&names->table, &key)
                                                                             : TR_NOBODY;
}

tr_ref
tr_whereis(const tr_actor *self, const char *name)
{
    TRI_CHECK_SELF(self);
    return self != NULL ? look(tri_names_of(self), name) : TR_NOBODY;
}

tr_ref
tr_runtime_whereis(const tr_runtime *runtime, const char *name)
{
    return runtime != NULL ? look(runtime->names, name) : TR_NOBODY;
}

/* What was attached first stands last. */
const char *
tr_name_of(const tr_actor *self)
{
    TRI_CHECK_SELF(self);
    const char *oldest = NULL;
    struct tri_attachment *attachment = self != NULL ? self->attachments : NULL;
    for (; attachment != NULL; attachment = attachment->next)
        if (attachment->end == end_attached)
            oldest = (const char *)TRI_CONTAINER_OF(attachment, struct tri_name_held, attachment)->name->text;
    return oldest;
}

/* Life. */

tr_status
tri_names_new(struct tri_names **out)
{
    struct tri_names *names = aligned_alloc(alignof(struct tri_names), sizeof(*names));
    if (names == NULL)
        return TR_ENOMEM;
    names->changes = 0;
    tr_status status = tri_name_table_init(&names->table);
    if (status != TR_OK)
        goto free_names;
    status = tri_status_from_uv(uv_mutex_init(&names->lock));
    if (status != TR_OK)
        goto fini_table;
    *out = names;
    return TR_OK;

fini_table:
    tri_name_table_fini(&names->table);
free_names:
    free(names);
    return status;
}

void
tri_names_free(struct tri_names *names)
{
    if (names == NULL)
        return;
    uv_mutex_destroy(&names->lock);
    tri_name_table_fini(&names->table);
    free(names);
}
