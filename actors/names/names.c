/*
 * Names: the public ways to have one and to look one up.
 *
 * A name that an actor has is attached to it, so it goes with the actor: after its stopped callback and before its
 * parent, or anybody else, is told that it has ended. All of its names are in a list of the actor's own, too, for those
 * who ask what they are.
 */
#include "change.h"
#include "extra.h"

#include <stdlib.h>
#include <troupe/core/status_from.h>

/* A name that an actor has. Owner, but for `name`, which is constant. */
struct tri_name_held {
    struct tri_attachment attachment;
    struct tri_name_held *next, *previous; /* of those that its actor has */
    tr_actor *owner;
    struct tri_name *name;
};

/* The names of an actor. */

static void
append(struct tri_name_list *list, struct tri_name_held *held)
{
    held->next = NULL;
    held->previous = list->last;
    if (list->last != NULL)
        list->last->next = held;
    else
        list->first = held;
    list->last = held;
    list->count++;
}

static void
take_out(struct tri_name_list *list, struct tri_name_held *held)
{
    if (held->previous != NULL)
        held->previous->next = held->next;
    else
        list->first = held->next;
    if (held->next != NULL)
        held->next->previous = held->previous;
    else
        list->last = held->previous;
    list->count--;
}

unsigned
tri_names_of_actor(const tr_actor *actor, const char *names[], unsigned most)
{
    const struct tri_extra *extra = tri_extra_of(actor);
    const struct tri_name_held *held = extra != NULL ? extra->names.first : NULL;
    for (unsigned i = 0; i < most && held != NULL; i++, held = held->next)
        names[i] = (const char *)held->name->text;
    return extra != NULL ? extra->names.count : 0;
}

/* Having a name and giving it up. */

/* Under the lock. */
static void
give_up(struct tri_name_held *held, struct tri_names *names, struct tri_name_errands *errands)
{
    tr_actor *owner = held->owner;
    struct tri_name *name = held->name;
    tri_name_give(name, TR_NOBODY);
    name->held = NULL;
    tri_name_news_spread(owner->home, name, TR_NOBODY, errands);
    tri_name_table_drop_unused(&names->table, name);
    tri_detach(&held->attachment);
    take_out(&tri_extra_of(owner)->names, held);
    free(held);
}

static void
end_attached(struct tri_attachment *attachment, const struct tri_death *death)
{
    struct tri_name_held *held = TRI_CONTAINER_OF(attachment, struct tri_name_held, attachment);
    struct tri_actors *home = held->owner->home;
    struct tri_names *names = tri_runtime_of(home)->names;
    struct tri_name_errands errands = {0};
    (void)death;
    uv_mutex_lock(&names->lock);
    give_up(held, names, &errands);
    uv_mutex_unlock(&names->lock);
    tri_name_errands_run(home, &errands);
}

/* With a name that nobody has. */
static tr_status
take(tr_actor *self, struct tri_name *name, struct tri_name_errands *errands)
{
    struct tri_extra *extra = tri_extra_make(self);
    struct tri_name_held *held = extra != NULL ? malloc(sizeof(*held)) : NULL;
    if (held == NULL || !tri_name_news_prepare(name, self->home->worker->index)) {
        free(held);
        return TR_ENOMEM;
    }
    *held = (struct tri_name_held){.attachment = {.end = end_attached}, .owner = self, .name = name};
    tri_actor_attach(self, &held->attachment);
    append(&extra->names, held);
    name->held = held;
    tri_name_give(name, self->ref);
    tri_name_news_spread(self->home, name, self->ref, errands);
    return TR_OK;
}

static tr_status
register_name(tr_actor *self, struct tri_names *names, const struct tri_name_key *key, struct tri_name_errands *errands)
{
    if (!tri_names_may_begin(self))
        return TR_EGONE;
    struct tri_name *name = tri_name_table_make(&names->table, key);
    if (name == NULL)
        return TR_ENOMEM;
    if (name->held != NULL)
        return name->ref == self->ref ? TR_OK : TR_ENAMETAKEN;
    tr_status status = take(self, name, errands);
    tri_name_table_drop_unused(&names->table, name);
    return status;
}

tr_status
tr_name_register(tr_actor *self, const char *text)
{
    TRI_CHECK_SELF(self);
    return tri_names_change(self, text, register_name);
}

static tr_status
release_name(tr_actor *self, struct tri_names *names, const struct tri_name_key *key, struct tri_name_errands *errands)
{
    const struct tri_name *name = tri_name_table_find(&names->table, key);
    if (name == NULL || name->ref != self->ref)
        return TR_ENOTNAMED;
    give_up(name->held, names, errands);
    return TR_OK;
}

tr_status
tr_name_release(tr_actor *self, const char *text)
{
    TRI_CHECK_SELF(self);
    return tri_names_change(self, text, release_name);
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

const char *
tr_name_of(const tr_actor *self)
{
    TRI_CHECK_SELF(self);
    const char *oldest = NULL;
    if (self != NULL)
        tri_names_of_actor(self, &oldest, 1);
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
