/*
 * Watching a name: the public way, and its end with its actor. What a watch brings is in news.c.
 */
#include "change.h"

#include <stdlib.h>

static void
unlink_watch(struct tri_name_watch *watch)
{
    *watch->link = watch->next;
    if (watch->next != NULL)
        watch->next->link = watch->link;
}

/* Under the lock. */
static void
end_watch(struct tri_name_watch *watch, struct tri_names *names)
{
    unlink_watch(watch);
    tri_name_table_drop_unused(&names->table, watch->name);
    tri_interest_end(&watch->interest);
    tri_name_news_free(watch->goes);
    free(watch);
}

static void
end_attached(struct tri_attachment *attachment, const struct tri_death *death)
{
    struct tri_name_watch *watch =
        (struct tri_name_watch *)TRI_CONTAINER_OF(attachment, struct tri_interest, attachment);
    struct tri_names *names = tri_runtime_of(watch->interest.home)->names;
    (void)death;
    uv_mutex_lock(&names->lock);
    end_watch(watch, names);
    uv_mutex_unlock(&names->lock);
}

/* The watch among what an actor has begun, if it is one of that name. */
static struct tri_name_watch *
watch_of(struct tri_attachment *begun, const struct tri_name *name)
{
    if (begun->end != end_attached)
        return NULL;
    struct tri_name_watch *watch = (struct tri_name_watch *)TRI_CONTAINER_OF(begun, struct tri_interest, attachment);
    return watch->name == name ? watch : NULL;
}

/*
 * Looks at all who watch the name and at all that self has begun, at the same time: one of the two is short, unless
 * somebody who watches thousands of names asks for one that thousands watch. Under the lock.
 */
static struct tri_name_watch *
find_watch(const tr_actor *self, const struct tri_name *name)
{
    struct tri_name_watch *watch = name->watches;
    struct tri_attachment *begun = self->attachments;
    for (; watch != NULL && begun != NULL; watch = watch->next, begun = begun->next) {
        struct tri_name_watch *mine = watch->interest.actor == self->ref ? watch : watch_of(begun, name);
        if (mine != NULL)
            return mine;
    }
    return NULL;
}

static void
link_watch(struct tri_name_watch *watch)
{
    struct tri_name *name = watch->name;
    watch->next = name->watches;
    watch->link = &name->watches;
    if (watch->next != NULL)
        watch->next->link = &watch->next;
    name->watches = watch;
}

static void
begin_watch(tr_actor *self, struct tri_name_watch *watch)
{
    watch->interest.attachment.end = end_attached;
    tri_interest_begin(self, &watch->interest);
    link_watch(watch);
}

/* If somebody has the name self is told now, and of its going some day. */
static tr_status
add_watch(tr_actor *self, struct tri_name *name, struct tri_name_errands *errands)
{
    struct tri_actors *home = self->home;
    bool has = name->held != NULL;
    struct tri_name_watch *watch = calloc(1, sizeof(*watch));
    struct tri_name_news *now = has ? tri_name_news_new(self->ref, home->worker->index) : NULL;
    struct tri_name_news *goes = has ? tri_name_news_new(self->ref, tri_ref_worker(name->ref)) : NULL;
    if (watch == NULL || (has && (now == NULL || goes == NULL))) {
        tri_name_news_free(goes);
        tri_name_news_free(now);
        free(watch);
        return TR_ENOMEM;
    }
    watch->name = name;
    watch->goes = goes;
    begin_watch(self, watch);
    if (has)
        tri_name_news_begin(home, watch, now, errands);
    return TR_OK;
}

static tr_status
watch_name(tr_actor *self, struct tri_names *names, const struct tri_name_key *key, struct tri_name_errands *errands)
{
    if (!tri_names_may_begin(self))
        return TR_EGONE;
    struct tri_name *name = tri_name_table_make(&names->table, key);
    if (name == NULL)
        return TR_ENOMEM;
    tr_status status = find_watch(self, name) != NULL ? TR_OK : add_watch(self, name, errands);
    tri_name_table_drop_unused(&names->table, name);
    return status;
}

tr_status
tr_name_watch(tr_actor *self, const char *text)
{
    TRI_CHECK_SELF(self);
    return tri_names_change(self, text, watch_name);
}

static tr_status
unwatch_name(tr_actor *self, struct tri_names *names, const struct tri_name_key *key, struct tri_name_errands *errands)
{
    const struct tri_name *name = tri_name_table_find(&names->table, key);
    struct tri_name_watch *watch = name != NULL ? find_watch(self, name) : NULL;
    (void)errands;
    if (watch == NULL)
        return TR_ENOTWATCHED;
    end_watch(watch, names);
    return TR_OK;
}

tr_status
tr_name_unwatch(tr_actor *self, const char *text)
{
    TRI_CHECK_SELF(self);
    return tri_names_change(self, text, unwatch_name);
}
