/*
 * Changing the behavior. What depends on it for the whole life of an actor, the size of its memory and its mailbox,
 * stays as it is.
 */
#include "actor_internal.h"

#include <troupe/actors/become.h>

static bool
is_same_mailbox(const struct tr_behavior *a, const struct tr_behavior *b)
{
    return a->mailbox.messages == b->mailbox.messages && a->mailbox.bytes == b->mailbox.bytes &&
           a->mailbox.policy == b->mailbox.policy && a->mailbox.tags == b->mailbox.tags &&
           a->mailbox.tag_count == b->mailbox.tag_count;
}

static tr_status
check(const tr_actor *self, const struct tr_behavior *behavior)
{
    if (self == NULL || behavior == NULL)
        return TR_EINVAL;
    if (behavior->name == NULL || behavior->name[0] == '\0')
        return TR_ENONAME;
    if (behavior->receive == NULL)
        return TR_EBADBEHAVIOR;
    if (self->flags & TRI_ACTOR_HOSTED)
        return TR_ENOTSUPPORTED;
    if (behavior->state_size != self->behavior->state_size)
        return TR_EBADSTATE;
    return is_same_mailbox(behavior, self->behavior) ? TR_OK : TR_EBADPOLICY;
}

tr_status
tr_become(tr_actor *self, const struct tr_behavior *behavior)
{
    TRI_CHECK_SELF(self);
    tr_status status = check(self, behavior);
    if (status != TR_OK)
        return status;
    struct tri_worker *worker = self->home->worker;
    if (TRI_UNLIKELY(worker->trace != NULL)) /* before it is another: until here it may have to be introduced */
        tri_trace_become(worker->trace, self->ref, tri_trace_name(tri_runtime_trace(worker->runtime), behavior->name));
    self->behavior = behavior;
    return TR_OK;
}
