/*
 * What an actor can ask about itself, and who runs now.
 */
#include "actor_internal.h"

#include <ck_pr.h>
#include <stdio.h>
#include <troupe/core/delay.h>
#include <troupe/core/steps.h>
#include <troupe/core/thread.h>

#ifndef NDEBUG
void
tri_actor_check(const tr_actor *self, const char *function)
{
    if (self == NULL)
        return;
    if (self->home == NULL)
        tri_mistake("%s() was called with an actor that has ended", function);
    tri_mistake_unless_owner(self->home->worker, function);
}
#endif

tr_ref
tr_self(const tr_actor *self)
{
    TRI_CHECK_SELF(self);
    return self != NULL ? self->ref : TR_NOBODY;
}

tr_ref
tr_parent(const tr_actor *self)
{
    TRI_CHECK_SELF(self);
    return self != NULL ? self->parent : TR_NOBODY;
}

void *
tr_state(tr_actor *self)
{
    TRI_CHECK_SELF(self);
    return self != NULL ? tri_actor_state(self) : NULL;
}

struct tr_runtime *
tr_actor_runtime(const tr_actor *self)
{
    TRI_CHECK_SELF(self);
    return self != NULL ? tri_runtime_of(self->home) : NULL;
}

struct uv_loop_s *
tr_actor_loop(tr_actor *self)
{
    TRI_CHECK_SELF(self);
    if (self == NULL)
        return NULL;
    if (!tri_runtime_is_stepped(self->home->worker->runtime))
        tri_thread_start_pool(); /* what is put on the loop may use it */
    return &self->home->worker->loop;
}

unsigned
tr_ref_worker(tr_ref ref)
{
    return tri_ref_worker(ref);
}

const char *
tr_ref_text(tr_ref ref, char text[TR_REF_TEXT_SIZE])
{
    if (ref == TR_NOBODY)
        snprintf(text, TR_REF_TEXT_SIZE, "none");
    else
        snprintf(text, TR_REF_TEXT_SIZE, TRI_TRACE_REF_FORMAT, TRI_TRACE_REF_WORDS(ref));
    return text;
}

uint64_t
tr_now(const tr_actor *self)
{
    TRI_CHECK_SELF(self);
    (void)self;
    return tri_clock_ms();
}

struct tri_worker *
tri_actor_worker(const tr_actor *actor)
{
    return actor->home->worker;
}

tr_actor *
tri_actor_find(struct tri_worker *worker, tr_ref ref)
{
    return tri_ref_worker(ref) == worker->index ? tri_slots_find(&tri_actors_of(worker)->slots, ref) : NULL;
}

tr_actor *
tri_actor_reach(struct tri_worker *worker, tr_ref ref, const struct tr_behavior *behavior)
{
    tr_actor *actor = tri_actor_find(worker, ref);
    return actor != NULL && actor->behavior == behavior && actor->waiting == 0 ? actor : NULL;
}

bool
tri_actor_is(const tr_actor *actor, const struct tr_behavior *behavior)
{
    return actor->behavior == behavior;
}

bool
tri_actor_has_mail(const tr_actor *actor)
{
    return actor->waiting > 0;
}

struct tri_actor_frame
tri_actor_enter(tr_actor *actor, uint32_t tag)
{
    struct tri_worker_activity *activity = &actor->home->worker->activity;
    struct tri_actor_frame outer = {activity->name, activity->actor, activity->tag};
    actor->depth++;
    activity->actor = actor->ref;
    activity->tag = tag;
    ck_pr_store_64(&activity->polled_ms, tri_clock_of_loop_ms(&actor->home->worker->loop));
    activity->name = actor->behavior->name;
    ck_pr_fence_store(); /* the beat last, for the watchdog: pairs with W1 and W2 there */
    activity->beat++;
    return outer;
}

void
tri_actor_restore(struct tri_worker_activity *activity, struct tri_actor_frame outer)
{
    activity->name = outer.name;
    activity->actor = outer.actor;
    activity->tag = outer.tag;
    ck_pr_fence_store(); /* likewise */
    activity->beat++;
}

bool
tri_on_worker(void)
{
    return tri_worker_current() != NULL;
}
