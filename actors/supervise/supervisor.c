/*
 * Supervisors.
 *
 * A supervisor is an actor whose children stand in the order of their start. What happens sets marks on them, and then
 * the next step is done towards what the marks say, and again with the next message:
 *
 *   a child has ended       verdict.c: what becomes of it and of the others  --.
 *   somebody asks           answer.c: children come and go                   --+-->  advance.c: stop, forget, start
 *   it is asked to stop     they all go                                      --'
 *
 * The end. Asked to stop, or giving up, it marks all as down and ends when none is left. Whatever else ends it, the end
 * of its attachment kills the children: they are told with memory that is there from the beginning (child.c).
 */
#include "supervising.h"

#include <stdlib.h>

/* Messages. */

static void
on_begun(struct tri_supervisor *supervisor, const tr_message *message)
{
    struct tri_child *child = tri_child_of(supervisor, message->payload.words[0]);
    if (child == NULL)
        return;
    child->born = true;
    if (child->state == TR_CHILD_STARTING)
        child->state = TR_CHILD_RUNNING;
    tri_child_added(child, TR_OK);
}

/* A ward of a child of the supervisor's own last life is nobody's. */
static void
on_ended(struct tri_supervisor *supervisor, tr_message *message)
{
    struct tri_ward *ward = tr_message_take_pointer(message);
    struct tri_child *child = tri_child_of(supervisor, ward->actor);
    if (child == NULL) {
        tri_ward_free(ward);
        return;
    }
    bool was_asked = child->down || child->state == TR_CHILD_STOPPING;
    tri_child_ended(child, ward);
    if (!was_asked)
        tri_child_failed(child);
}

static void
on_late(struct tri_supervisor *supervisor, const tr_message *message)
{
    struct tri_child *child = tri_child_of(supervisor, message->payload.words[0]);
    if (child != NULL && child->state == TR_CHILD_STOPPING)
        tri_child_kill(child);
}

/* The behavior. */

/* Its own word first: without memory its death seems to be of its own will. */
static tr_status
why_not_started(const struct tri_supervisor *supervisor, const struct tri_death *death)
{
    if (supervisor->failure != TR_OK)
        return supervisor->failure;
    return death->status != TR_OK ? death->status : TR_ESTOPPING;
}

static void
on_end(struct tri_attachment *attachment, const struct tri_death *death)
{
    struct tri_supervisor *supervisor = (struct tri_supervisor *)attachment;
    tri_detach(attachment);
    while (supervisor->last != NULL)
        tri_child_forget(supervisor->last);
    tri_supervisor_started(supervisor, why_not_started(supervisor, death));
    tri_table_fini(&supervisor->by_ref);
    free(supervisor->intensity.times_ms);
    tri_plan_release(supervisor->plan);
}

static tr_status
fill(struct tri_supervisor *supervisor)
{
    struct tri_plan *plan = supervisor->plan;
    supervisor->intensity.limit = plan->limit;
    if (plan->limit.restarts > 0)
        supervisor->intensity.times_ms = calloc(plan->limit.restarts, sizeof(uint64_t));
    if (plan->limit.restarts > 0 && supervisor->intensity.times_ms == NULL)
        return TR_ENOMEM;
    for (size_t i = 0; i < plan->count; i++)
        if (!tri_children_new(supervisor, plan, &plan->children[i], NULL))
            return TR_ENOMEM;
    return TR_OK;
}

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    struct tri_supervisor *supervisor = state;
    struct tri_plan *plan = (struct tri_plan *)(uintptr_t)argument;
    struct tri_ward *ward = tri_ward_of(self);
    if (ward != NULL)
        ward->begins_later = true;
    tri_plan_hold(plan);
    supervisor->self = self;
    supervisor->plan = plan;
    supervisor->waiter = plan->waiter;
    if (plan->waiter != NULL)
        plan->waiter = NULL;
    supervisor->attachment.end = on_end;
    tri_actor_attach(self, &supervisor->attachment);
    tr_status status = fill(supervisor);
    if (status == TR_OK)
        tri_supervisor_advance(supervisor);
    return status;
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    struct tri_supervisor *supervisor = state;
    bool from_clock = message->from == self->ref;
    if (message->tag == TRI_TAG_WARD_LIVES)
        on_begun(supervisor, message);
    else if (message->tag == TRI_TAG_WARD_ENDED)
        on_ended(supervisor, message);
    else if (message->tag == TRI_TAG_SUPERVISOR_REQUEST)
        tri_supervisor_serve(supervisor, tr_message_take_pointer(message));
    else if (message->tag == TRI_CHILD_LATE && from_clock)
        on_late(supervisor, message);
    else if (message->tag < TR_TAG_RESERVED && !from_clock)
        tri_actor_bounce(self, message);
    tri_supervisor_advance(supervisor);
}

static bool
stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    struct tri_supervisor *supervisor = state;
    (void)self;
    if (how == TR_STOP_KILL)
        return true;
    if (supervisor->phase != TRI_SUPERVISOR_ENDING)
        tri_supervisor_end_all(supervisor);
    tri_supervisor_advance(supervisor);
    return false;
}

const struct tr_behavior tri_supervisor_behavior = {
    .name = "supervisor",
    .state_size = sizeof(struct tri_supervisor),
    .init = init,
    .receive = receive,
    .stopping = stopping,
};
