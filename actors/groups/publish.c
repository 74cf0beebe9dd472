/*
 * Publishing: one order to each worker that has members, which files the message for all of them there.
 *
 *   tr_group_publish --own members' mailboxes
 *                    --lane--> TRI_TAG_PUBLISH --> mailboxes of the members there
 *
 * The order acts when it arrives, as a message is filed when it arrives: so what one actor publishes and what it sends
 * keep their order at each member. On the publisher's own worker both are filed within the call.
 *
 * All or nothing: what a publish needs it has before it begins. The orders are made and there is room in all lanes;
 * nodes for the mail of the own members are in reserve (tri_pool_reserve()), which costs nothing while fresh ones are
 * left. From there on it cannot fail. A worker that has no memory for all nodes leaves the order in its lane.
 *
 * A slice is held once for each member, by one addition. So that the releases of many members on several workers do not
 * fight for one count, each other worker has a count of its own: a buffer that has no bytes but a hold of the real one.
 *
 * Hosted actors, such as sockets, get what is published with a tag of its own (TRI_TAG_PUBLISHED). Of an actor that is
 * on its way it is not known yet what it will be; dispatch sees it.
 *
 * In a trace the members' messages are sends of the publisher where it lives on this worker, else of nobody: an actor's
 * own events stand in the stream of its worker alone.
 */
#include "group_internal.h"

#include "body.h"
#include "deliver.h"
#include "memory.h"
#include "owed.h"
#include "post.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/buffer_holds.h>

/* What one worker is to give its members. */
struct tri_fan {
    struct tri_word word; /* first */
    struct tri_fan *next; /* of the same publish */
    tr_group *group;      /* held */
    uint64_t epoch;       /* of the members that it is for; of a source: any */
    tr_message message;
    struct tri_worker *worker;

    /* From outside. */
    struct tri_inbox_entry *entry;
    bool is_counted; /* as one message, until it is known how many it is */
};

static void
free_fan(void *address)
{
    struct tri_fan *fan = address;
    if (fan->is_counted)
        tri_worker_recount(fan->worker, 0);
    tr_message_drop(&fan->message);
    tr_group_release(fan->group);
    free(fan);
}

static void
free_fans(struct tri_fan *fans)
{
    for (struct tri_fan *next; fans != NULL; fans = next) {
        next = fans->next;
        free_fan(fans);
    }
}

/* A count of its own for another worker's holds. */

static void
release_shared(void *address)
{
    tr_slice *shared = address;
    tr_slice_release(*shared);
    free(shared);
}

/* The same bytes, with a hold. TR_OK, TR_ENOMEM. */
static tr_status
share_slice(tr_slice slice, tr_slice *out)
{
    *out = slice;
    if (slice.buffer == NULL)
        return TR_OK;
    tr_slice *shared = malloc(sizeof(*shared));
    if (shared == NULL || tri_slice_wrap(shared, slice.size, release_shared, out) != TR_OK) {
        free(shared);
        return TR_ENOMEM;
    }
    tr_slice_hold(slice);
    *shared = slice;
    out->data = slice.data;
    return TR_OK;
}

/* NULL without memory. */
static struct tri_fan *
fan_new(tr_group *group, struct tri_worker *worker, uint64_t epoch, const tr_message *message)
{
    struct tri_fan *fan = malloc(sizeof(*fan));
    if (fan == NULL)
        return NULL;
    fan->message = *message;
    if (message->kind == TR_PAYLOAD_SLICE &&
        share_slice(message->payload.slice, &fan->message.payload.slice) != TR_OK) {
        free(fan);
        return NULL;
    }
    tr_group_hold(group);
    fan->group = group;
    fan->epoch = epoch;
    fan->worker = worker;
    fan->is_counted = false;
    return fan;
}

/* The members of one worker. */

/* One message that all members there get. */
struct giving {
    struct tri_actors *home;
    tr_message message;  /* `from` is the publisher */
    tr_ref seen_from;    /* who sends it, in the trace */
    tr_ref except;       /* a member that does not get it */
    uint32_t given;      /* so many have it */
    uint32_t to_outside; /* so many of these count as messages from outside */
};

static void
name(struct giving *giving, tr_message *message)
{
    message->id = tri_trace_message_id(giving->home->worker->trace);
    tri_trace_send(giving->home->worker->trace, giving->seen_from, false, message->tag, message->id);
}

/* A member that does not simply take a message: hosted, limited, on its way, or ending. */
TRI_NOINLINE static void
give_checked(struct giving *giving, tr_ref to)
{
    tr_message message = giving->message;
    tr_actor *actor = tri_actor_at(giving->home, to);
    if (actor != NULL && (actor->flags & TRI_ACTOR_HOSTED) != 0)
        message.tag = TRI_TAG_PUBLISHED;
    else
        giving->to_outside++;
    if (TRI_UNLIKELY(giving->home->worker->trace != NULL))
        name(giving, &message);
    if (actor != NULL && (actor->flags & TRI_ACTOR_UNBORN) != 0)
        message.kind |= TRI_MAIL_PUBLISHED;
    bool delivered = tri_actors_deliver(giving->home->worker, to, &message);
    assert(delivered); /* its node is in reserve, and whoever is a member is there to hold its mail */
    (void)delivered;
}

static inline void
give(struct giving *giving, tr_ref to)
{
    struct tri_actors *home = giving->home;
    if (TRI_UNLIKELY(to == giving->except))
        return;
    tr_actor *actor = tri_slots_find(&home->slots, to);
    giving->given++;
    if (TRI_UNLIKELY(actor == NULL || (actor->flags & (TRI_ACTOR_SLOW_PATH | TRI_ACTOR_HOSTED)) != 0 ||
                     actor->waiting >= TR_MAILBOX_DEFAULT_MESSAGES)) {
        give_checked(giving, to);
        return;
    }
    struct tri_mail *mail = tri_pool_take(&home->mail);
    mail->message = giving->message;
    giving->to_outside++;
    if (TRI_UNLIKELY(home->worker->trace != NULL))
        name(giving, &mail->message);
    tri_mailbox_note(actor, &mail->message);
    tri_mailbox_put_plain(home, actor, mail);
}

static void
give_seats(struct giving *giving, const struct tri_group_part *part)
{
    uint32_t count = part->count;
    for (uint32_t i = 0; i < count; i++)
        give(giving, part->seats[i].actor);
}

static void
give_visited(tr_actor *actor, void *giving)
{
    give(giving, actor->ref);
}

static void
count_visited(tr_actor *actor, void *count)
{
    (void)actor;
    ++*(uint32_t *)count;
}

/* How many members of that epoch live here. */
static uint32_t
count_here(tr_group *group, struct tri_actors *home, uint64_t epoch)
{
    uint32_t count = 0;
    const struct tri_group_part *part = tri_group_part_if_any(group, home);
    if (group->source != NULL)
        group->source->visit(home->worker, group->context, count_visited, &count);
    else if (part != NULL && ck_pr_load_64(tri_group_places(group, home->worker->index)) >> 32 == epoch)
        count = part->count;
    return count;
}

/* Gives the message to all members here; its payload stays the caller's. false: without memory, and nobody has it. */
static bool
give_all(tr_group *group, struct tri_actors *home, struct giving *giving, uint64_t epoch)
{
    uint32_t count = count_here(group, home, epoch);
    if (count > 0 && !tri_pool_reserve(&home->mail, count))
        return false;
    if (count == 0)
        return true;
    if (giving->message.kind == TR_PAYLOAD_SLICE)
        tri_slice_hold_more(giving->message.payload.slice, count);
    if (group->source != NULL)
        group->source->visit(home->worker, group->context, give_visited, giving);
    else
        give_seats(giving, tri_group_part_if_any(group, home));
    if (giving->given < count && giving->message.kind == TR_PAYLOAD_SLICE)
        tr_slice_release(giving->message.payload.slice);
    return true;
}

static bool
is_here(const struct tri_actors *home, tr_ref ref)
{
    return ref != TR_NOBODY && tri_ref_worker(ref) == home->worker->index;
}

static struct giving
giving_of(struct tri_actors *home, const tr_message *message, tr_ref from)
{
    struct giving giving = {.home = home, .message = *message, .seen_from = is_here(home, from) ? from : TR_NOBODY};
    giving.message.from = from;
    giving.message.id = 0;
    return giving;
}

bool
tri_group_publish_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    struct tri_fan *fan = message->payload.pointer.address;
    struct giving giving = giving_of(home, &fan->message, message->from);
    (void)to;
    if (!give_all(fan->group, home, &giving, fan->epoch))
        return false;
    if (fan->is_counted)
        tri_worker_recount(home->worker, giving.to_outside);
    home->worker->counters.sent += giving.given - (fan->is_counted ? giving.to_outside : 0);
    fan->is_counted = false;
    return true;
}

/* Who publishes. */

/* What a message must be to be given to many. */
static tr_status
check_message(const tr_message *message)
{
    if (message == NULL || message->kind == TR_PAYLOAD_POINTER)
        return TR_EINVAL;
    if (message->tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    return message->kind < TR_PAYLOAD_INVALID ? TR_OK : TR_ENOMEM;
}

/* The epoch of the members of a worker; 0: there are none. */
static uint64_t
epoch_of(tr_group *group, unsigned worker)
{
    uint64_t places = ck_pr_load_64(tri_group_places(group, worker));
    return group->source != NULL ? 1 : (uint32_t)places != 0 ? places >> 32 : 0;
}

static tr_status
check_way(struct tri_worker *worker, unsigned target)
{
    if (tri_owed_blocks(tri_actors_of(worker), tri_group_ref_of_worker(target)))
        return TR_ENOMEM;
    return target == worker->index || tri_worker_has_room(worker, target) ? TR_OK : TR_EFULL;
}

/* Makes the orders to the other workers. */
static tr_status
make_fans(struct tri_worker *worker, tr_group *group, const tr_message *message, struct tri_fan **fans)
{
    for (unsigned i = 0; i < group->workers; i++) {
        uint64_t epoch = epoch_of(group, i);
        if (epoch == 0)
            continue;
        tr_status status = check_way(worker, i);
        if (status != TR_OK)
            return status;
        if (i == worker->index)
            continue;
        struct tri_fan *fan = fan_new(group, worker->runtime->workers[i], epoch, message);
        if (fan == NULL)
            return TR_ENOMEM;
        fan->next = *fans;
        *fans = fan;
    }
    return TR_OK;
}

static tr_status
give_own(tr_actor *self, tr_group *group, const tr_message *message, tr_ref except)
{
    struct tri_actors *home = self->home;
    struct giving giving = giving_of(home, message, self->ref);
    giving.except = except;
    if (!give_all(group, home, &giving, epoch_of(group, home->worker->index)))
        return TR_ENOMEM;
    home->worker->counters.sent += giving.given;
    return TR_OK;
}

/* Nothing can refuse them any more. */
static void
send_fans(tr_actor *self, struct tri_fan *fans)
{
    for (struct tri_fan *fan = fans, *next; fan != NULL; fan = next) {
        next = fan->next;
        fan->word.done = NULL;
        tri_word_send(self->home->worker, &fan->word, self->ref, tri_group_ref_of_worker(fan->worker->index),
                      tr_message_pointer(TRI_TAG_PUBLISH, fan, sizeof(*fan), free_fan));
    }
}

/* To all but `except`, which lives here; TR_NOBODY: to all. */
static tr_status
publish(tr_actor *self, tr_group *group, tr_message *message, tr_ref except)
{
    struct tri_fan *fans = NULL;
    tr_status status = make_fans(self->home->worker, group, message, &fans);
    if (status == TR_OK)
        status = give_own(self, group, message, except);
    if (status != TR_OK) {
        free_fans(fans);
        return status;
    }
    if (TRI_UNLIKELY(self->home->worker->trace != NULL))
        tri_trace_publish(self->home->worker->trace, self->ref, message->tag, tr_group_count(group));
    send_fans(self, fans);
    tr_message_drop(message);
    return TR_OK;
}

static tr_status
check_publish(const tr_actor *self, const tr_group *group, const tr_message *message)
{
    if (self == NULL || group == NULL)
        return TR_EINVAL;
    tr_status status = check_message(message);
    if (status != TR_OK)
        return status;
    if (self->flags & TRI_ACTOR_GONE)
        return TR_EGONE;
    return !self->home->worker->sealed ? tri_memory_check(self->home->worker) : TR_ESTOPPING;
}

tr_status
tr_group_publish(tr_actor *self, tr_group *group, tr_message *message)
{
    TRI_CHECK_SELF(self);
    tr_status status = check_publish(self, group, message);
    return status == TR_OK ? publish(self, group, message, TR_NOBODY) : status;
}

tr_status
tr_group_publish_to_others(tr_actor *self, tr_group *group, tr_message *message)
{
    TRI_CHECK_SELF(self);
    tr_status status = check_publish(self, group, message);
    return status == TR_OK ? publish(self, group, message, self->ref) : status;
}

/* From outside: each order has its place in the inbox of its worker before the first goes there. */

static tr_status
make_outside_fan(tr_group *group, struct tri_worker *worker, uint64_t epoch, const tr_message *message,
                 struct tri_fan **fans)
{
    struct tri_inbox_entry *entry;
    tr_status status = tri_worker_prepare(worker, &entry);
    if (status != TR_OK)
        return status;
    struct tri_fan *fan = fan_new(group, worker, epoch, message);
    if (fan == NULL) {
        tri_worker_let_go(worker, entry);
        return TR_ENOMEM;
    }
    fan->entry = entry;
    fan->next = *fans;
    *fans = fan;
    return TR_OK;
}

static void
let_go(struct tri_fan *fans)
{
    for (struct tri_fan *fan = fans; fan != NULL; fan = fan->next)
        tri_worker_let_go(fan->worker, fan->entry);
    free_fans(fans);
}

/* A worker that has ended has no members any more. */
static void
post_fan(struct tri_fan *fan)
{
    struct tri_worker *worker = fan->worker;
    struct tri_inbox_entry *entry = fan->entry;
    tr_message order = tr_message_pointer(TRI_TAG_PUBLISH, fan, sizeof(*fan), free_fan);
    fan->is_counted = true;
    if (tri_worker_post_prepared(worker, entry, tri_group_ref_of_worker(worker->index), &order) == TR_OK)
        return;
    fan->is_counted = false;
    tri_worker_let_go(worker, entry);
    free_fan(fan);
}

static tr_status
publish_outside(struct tri_runtime *core, tr_group *group, tr_message *message)
{
    struct tri_fan *fans = NULL;
    tr_status status = TR_OK;
    for (unsigned i = 0; i < group->workers && status == TR_OK; i++) {
        uint64_t epoch = epoch_of(group, i);
        if (epoch != 0)
            status = make_outside_fan(group, core->workers[i], epoch, message, &fans);
    }
    if (status != TR_OK) {
        let_go(fans);
        return status;
    }
    struct tri_trace *trace = tri_runtime_trace(core);
    if (TRI_UNLIKELY(trace != NULL))
        tri_trace_publish_outside(trace, TR_NOBODY, message->tag, tr_group_count(group));
    for (struct tri_fan *fan = fans, *next; fan != NULL; fan = next) {
        next = fan->next;
        post_fan(fan);
    }
    tr_message_drop(message);
    return TR_OK;
}

tr_status
tr_runtime_publish(struct tr_runtime *runtime, tr_group *group, tr_message *message)
{
    if (runtime == NULL || group == NULL)
        return TR_EINVAL;
    tr_status status = check_message(message);
    if (status != TR_OK)
        return status;
    if (tri_runtime_phase(runtime->core) != TRI_RUNNING)
        return TR_ESTOPPING;
    status = tri_memory_check_outside(runtime);
    return status != TR_OK ? status : publish_outside(runtime->core, group, message);
}
