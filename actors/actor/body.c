/*
 * Bodies: the memory of an actor, and of the holders of mail for actors that are on their way.
 */
#include "body.h"

#include "box.h"
#include "extra.h"

#include <stdlib.h>
#include <string.h>

static size_t
bytes_of(const struct tr_behavior *behavior, bool limited)
{
    return tri_box_offset(behavior) + (TRI_UNLIKELY(limited) ? tri_box_bytes(behavior) : 0);
}

void
tri_bodies_init(struct tri_actors *home)
{
    for (size_t i = 0; i < TRI_BODY_POOLS; i++)
        tri_pool_init(&home->pools[i], i * TRI_ACTOR_ALIGN);
}

void
tri_bodies_fini(struct tri_actors *home)
{
    for (size_t i = 0; i < TRI_BODY_POOLS; i++)
        tri_pool_fini(&home->pools[i]);
}

static void *
take(struct tri_actors *home, size_t bytes)
{
    return TRI_LIKELY(bytes <= TRI_POOLED_BYTES) ? tri_pool_take(&home->pools[bytes / TRI_ACTOR_ALIGN]) : malloc(bytes);
}

/* For the memory limit. */
static inline void
count(struct tri_actors *home, int64_t bytes)
{
    if (TRI_UNLIKELY(home->counts))
        tri_level_add_own(&home->worker->level, bytes);
}

tr_actor *
tri_actor_new(struct tri_actors *home, const struct tr_behavior *behavior, tr_ref parent)
{
    bool limited = tri_behavior_is_limited(behavior);
    size_t bytes = bytes_of(behavior, limited);
    tr_actor *actor = take(home, bytes);
    if (actor == NULL)
        return NULL;
    count(home, (int64_t)bytes);
    *actor = (tr_actor){.behavior = behavior, .home = home, .parent = parent};
    tri_mail_list_init(&actor->overflow);
    if (bytes > TRI_ACTOR_HEAD)
        memset(tri_actor_state(actor), 0, bytes - TRI_ACTOR_HEAD);
    if (limited)
        actor->flags = TRI_ACTOR_LIMITED;
    return actor;
}

void
tri_actor_free(tr_actor *actor)
{
    struct tri_actors *home = actor->home;
    size_t bytes = bytes_of(actor->behavior, (actor->flags & TRI_ACTOR_LIMITED) != 0);
#ifndef NDEBUG
    memset(actor, 0, bytes); /* for TRI_CHECK_SELF(), and its like in the layer above */
#endif
    count(home, -(int64_t)bytes);
    if (TRI_LIKELY(bytes <= TRI_POOLED_BYTES))
        tri_pool_give(&home->pools[bytes / TRI_ACTOR_ALIGN], actor);
    else
        free(actor);
}

void
tri_actor_free_if_unused(tr_actor *actor)
{
    if (actor->waiting == 0 && (actor->flags & (TRI_ACTOR_LINGERS | TRI_ACTOR_OWES)) == 0)
        tri_actor_free(actor);
}

/* When the worker kills what lives nobody is born any more. */
bool
tri_actor_is_coming(struct tri_actors *home, tr_ref ref)
{
    return !home->killing && tri_slots_expected(&home->slots, ref);
}

void
tri_actor_hand_on(tr_actor *holder, tr_actor *actor)
{
    const struct tri_extra *extra = tri_extra_of(holder);
    struct tri_attachment *const *first = extra != NULL ? &extra->attachment.next : &holder->attachments;
    for (struct tri_attachment *next; (next = *first) != NULL;) {
        tri_detach(next);
        tri_actor_attach(actor, next);
    }
    if (extra != NULL && extra->failed)
        tri_actor_set_failure(actor, extra->failure.status, extra->failure.text);
    tri_actor_end_attachments(holder, NULL);
}

tr_actor *
tri_actor_unborn(struct tri_actors *home, tr_ref to)
{
    static const struct tr_behavior nothing = {.name = "unborn"};
    if (!tri_actor_is_coming(home, to))
        return NULL;
    tr_actor *actor = tri_actor_new(home, &nothing, TR_NOBODY);
    if (actor == NULL)
        return NULL;
    actor->ref = to;
    actor->flags |= TRI_ACTOR_UNBORN;
    tri_slots_at(&home->slots, to)->actor = actor;
    return actor;
}
