/*
 * One child of a supervisor.
 *
 *   RESTING -> STARTING -> RUNNING -> STOPPING -> RESTING
 *                  `----------+-----------------------^
 *
 * It rests when its ward is here, or when it has no name yet: then the ward is made with the first order to start it.
 * The word that ends its name is there from the beginning, so a supervisor without memory can still end.
 */
#include "spawning.h"
#include "supervising.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/names.h>

static void
append(struct tri_supervisor *supervisor, struct tri_child *child)
{
    child->previous = supervisor->last;
    if (supervisor->last != NULL)
        supervisor->last->next = child;
    else
        supervisor->first = child;
    supervisor->last = child;
}

static void
take_out(struct tri_child *child)
{
    struct tri_supervisor *supervisor = child->supervisor;
    if (child->next != NULL)
        child->next->previous = child->previous;
    else
        supervisor->last = child->previous;
    if (child->previous != NULL)
        child->previous->next = child->next;
    else
        supervisor->first = child->next;
}

struct tri_child *
tri_child_new(struct tri_supervisor *supervisor, struct tri_plan *owner, const struct tri_child_plan *plan,
              unsigned worker)
{
    struct tri_child *child = calloc(1, sizeof(*child));
    struct tri_word *release = calloc(1, sizeof(*release));
    if (child == NULL || release == NULL) {
        free(child);
        free(release);
        return NULL;
    }
    tri_plan_hold(owner);
    *child = (struct tri_child){.supervisor = supervisor, .owner = owner, .plan = plan, .worker = worker};
    child->release = release;
    child->state = TR_CHILD_RESTING;
    child->wanted = true;
    if (plan->one_each_worker)
        snprintf(child->name, sizeof(child->name), "%s/%u", plan->name, worker);
    else
        snprintf(child->name, sizeof(child->name), "%s", plan->name);
    append(supervisor, child);
    return child;
}

bool
tri_children_new(struct tri_supervisor *supervisor, struct tri_plan *owner, const struct tri_child_plan *plan,
                 struct tri_request *request)
{
    unsigned count = plan->one_each_worker ? supervisor->self->home->worker->runtime->count : 1;
    for (unsigned i = 0; i < count; i++) {
        struct tri_child *child = tri_child_new(supervisor, owner, plan, i);
        if (child == NULL)
            return false;
        child->adding = request;
        if (request != NULL)
            request->pending++;
    }
    return true;
}

struct tri_child *
tri_child_of(struct tri_supervisor *supervisor, tr_ref ref)
{
    struct tri_table_entry *entry = tri_table_find(&supervisor->by_ref, ref);
    return entry != NULL ? TRI_CONTAINER_OF(entry, struct tri_child, entry) : NULL;
}

static void
lose_name(struct tri_child *child)
{
    if (child->ref != TR_NOBODY)
        tri_table_remove(&child->supervisor->by_ref, &child->entry);
    child->ref = TR_NOBODY;
}

/* Starting. */

static tr_status
register_name(tr_actor *actor, struct tri_ward *ward)
{
    return tr_name_register(actor, ward->name);
}

/* false: without memory. */
static bool
give_name(struct tri_ward *ward, const struct tri_child *child)
{
    char name[TR_NAME_SIZE];
    if (child->plan->registered[0] == '\0')
        return true;
    if (child->plan->one_each_worker)
        snprintf(name, sizeof(name), "%.119s/%u", child->plan->registered, child->worker);
    else
        snprintf(name, sizeof(name), "%s", child->plan->registered);
    ward->prepare = register_name;
    ward->name = strdup(name);
    return ward->name != NULL;
}

static struct tri_ward *
make_ward(const struct tri_child *child)
{
    const struct tri_child_plan *plan = child->plan;
    tr_ref supervisor = child->supervisor->self->ref;
    struct tri_ward *ward = tri_ward_new(supervisor, plan->argument, plan->argument_size);
    if (ward == NULL)
        return NULL;
    ward->keeps_mailbox = plan->keep_mailbox;
    if (!give_name(ward, child)) {
        tri_ward_free(ward);
        return NULL;
    }
    if (plan->supervisor != NULL) {
        tri_plan_hold(plan->supervisor);
        ward->argument = plan->supervisor;
        ward->release = tri_plan_release;
    }
    return ward;
}

/* Each is placed when it begins: so those before it count. */
static unsigned
place_of(const struct tri_child *child)
{
    const struct tri_child_plan *plan = child->plan;
    const struct tri_worker *worker = child->supervisor->self->home->worker;
    struct tr_spawn_options options = {
        .placement = plan->placement, .worker = plan->worker, .with = plan->with, .key = plan->key};
    return plan->one_each_worker ? child->worker : tri_spawn_place(worker->runtime, &options, worker->index);
}

static void
begin(struct tri_child *child, struct tri_ward *ward)
{
    child->worker = place_of(child);
    const struct tr_behavior *behavior =
        child->plan->supervisor != NULL ? &tri_supervisor_behavior : child->plan->behavior;
    tr_ref ref;
    tr_status status =
        ward != NULL ? tri_spawn_ward(child->supervisor->self, behavior, child->worker, ward, &ref) : TR_ENOMEM;
    if (status == TR_OK) {
        child->ref = ref;
        tri_table_add(&child->supervisor->by_ref, &child->entry, ref);
        return;
    }
    child->state = TR_CHILD_RESTING;
    child->reason = status;
}

/* What comes of it comes as a message, also if the child lives here. But without memory it goes on resting. */
void
tri_child_start(struct tri_child *child)
{
    struct tri_ward *ward = child->ward;
    child->state = TR_CHILD_STARTING;
    child->ward = NULL;
    child->restarts += child->born;
    child->begun_ms = tri_clock_ms();
    if (ward != NULL)
        tri_ward_restart(child->supervisor->self->home->worker, ward);
    else
        begin(child, make_ward(child));
}

/* Stopping. */

/* Without memory for a clock its time is over at once. */
static void
set_deadline(struct tri_child *child)
{
    tr_actor *self = child->supervisor->self;
    tr_message late = tr_message_copy(TRI_CHILD_LATE, &child->ref, sizeof(child->ref));
    uint32_t timeout_ms = child->plan->stop_timeout_ms;
    if (timeout_ms != TR_STOP_FOREVER && tr_send_after(self, self->ref, timeout_ms, &late, &child->deadline) != TR_OK)
        tri_child_kill(child);
}

/* What waits for one that is to begin again is kept: draining would only turn away what comes meanwhile. */
static enum tr_stop_mode
how_to_stop(const struct tri_child *child)
{
    bool keeps = child->plan->keep_mailbox && child->wanted;
    return keeps && child->plan->stop == TR_STOP_DRAIN ? TR_STOP_NOW : child->plan->stop;
}

void
tri_child_stop(struct tri_child *child)
{
    child->state = TR_CHILD_STOPPING;
    if (tr_stop(child->supervisor->self, child->ref, how_to_stop(child)) != TR_OK)
        tri_child_kill(child);
    else if (child->plan->stop != TR_STOP_KILL)
        set_deadline(child);
}

void
tri_child_kill(struct tri_child *child)
{
    child->deadline = 0;
    child->kill_owed = tr_stop(child->supervisor->self, child->ref, TR_STOP_KILL) != TR_OK;
}

void
tri_child_ended(struct tri_child *child, struct tri_ward *ward)
{
    tr_timer_cancel(child->supervisor->self, child->deadline);
    child->deadline = 0;
    child->kill_owed = false;
    child->state = TR_CHILD_RESTING;
    child->reason = ward->status;
    child->ward = ward;
    if (ward->gone) {
        lose_name(child);
        child->ward = NULL;
        tri_ward_free(ward);
    }
}

/* The end. */

void
tri_child_forget(struct tri_child *child)
{
    struct tri_worker *worker = child->supervisor->self->home->worker;
    tr_ref ref = child->ref;
    tr_timer_cancel(child->supervisor->self, child->deadline);
    tri_child_added(child, TR_ECANCELED);
    lose_name(child);
    tri_ward_free(child->ward);
    if (ref != TR_NOBODY)
        tri_ward_release(worker, ref, TR_STOP_KILL, child->release);
    else
        free(child->release);
    tri_child_removed(child);
    take_out(child);
    tri_plan_release(child->owner);
    free(child);
}

/* Requests. */

static void
release_request(struct tri_child *child, struct tri_request *request)
{
    if (--request->pending == 0)
        tri_request_answer(child->supervisor->self->home->worker, request);
}

void
tri_child_added(struct tri_child *child, tr_status status)
{
    struct tri_request *request = child->adding;
    child->adding = NULL;
    if (request == NULL)
        return;
    if (request->answer.status == TR_OK) {
        tri_child_describe(child, &request->answer);
        request->answer.status = status;
    }
    release_request(child, request);
}

void
tri_child_removed(struct tri_child *child)
{
    struct tri_request *request = child->removing;
    child->removing = NULL;
    if (request != NULL)
        release_request(child, request);
}

void
tri_child_describe(const struct tri_child *child, struct tr_supervisor_answer *answer)
{
    answer->state = child->state;
    answer->child = child->ref;
    answer->restarts = child->restarts;
    answer->reason = child->reason;
}
