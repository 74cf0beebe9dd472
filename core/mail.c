#include "mail.h"

#include "doorbell.h"
#include "inbox.h"
#include "outbox.h"

#include <ck_pr.h>
#include <stdlib.h>

#define MAIL_AT_ONCE 256u /* messages taken from one lane, or from the inbox, in a turn */
#define STAGE_AT_MOST 64u /* messages held back for one destination within a turn */

tr_status
tri_mail_open(struct tri_worker *worker)
{
    unsigned count = worker->runtime->count;
    worker->outboxes = calloc(count, sizeof(*worker->outboxes));
    worker->dirty = calloc(count, sizeof(*worker->dirty));
    worker->lanes = calloc(count, sizeof(*worker->lanes));
    worker->inbox = tri_inbox_new();
    bool complete = worker->outboxes != NULL && worker->dirty != NULL && worker->lanes != NULL && worker->inbox != NULL;
    return complete ? TR_OK : TR_ENOMEM;
}

void
tri_mail_close(struct tri_worker *worker)
{
    for (unsigned i = 0; worker->outboxes != NULL && i < worker->runtime->count; i++)
        tri_outbox_fini(&worker->outboxes[i]);
    for (unsigned i = 0; worker->lanes != NULL && i < worker->runtime->count; i++)
        tri_lane_free(worker->lanes[i]); /* a lane is freed where it ends */
    tri_inbox_free(worker->inbox);
    free(worker->lanes);
    free(worker->dirty);
    free(worker->outboxes);
}

/* In. */

static void
ring(struct tri_worker *worker)
{
    if (tri_doorbell_ring(worker))
        ck_pr_inc_64(&worker->counters.wakes);
}

/* Takes what one lane holds, within reason. Returns how many envelopes came. */
static unsigned
take_lane(struct tri_worker *worker, struct tri_lane *lane, unsigned source)
{
    unsigned taken = 0;
    for (struct tri_envelope *slot; taken < MAIL_AT_ONCE && (slot = tri_lane_peek(lane)) != NULL; taken++) {
        if (TRI_UNLIKELY(!worker->layer->deliver(worker, slot->to, &slot->message)))
            break;
        if (TRI_UNLIKELY(tri_lane_drop(lane)))
            ring(worker->runtime->workers[source]);
    }
    return taken;
}

static struct tri_lane *
lane_from(struct tri_worker *worker, unsigned source)
{
    struct tri_lane *lane = ck_pr_load_ptr(&worker->lanes[source]);
    if (lane != NULL) {
        ck_pr_fence_load(); /* N2, pairs with N1 in outbox_open() */
        TRI_ACQUIRE(&worker->lanes[source]);
    }
    return lane;
}

static unsigned
take_inbox(struct tri_worker *worker)
{
    unsigned taken = 0;
    if (worker->inbox_rest == NULL && !tri_inbox_empty(worker->inbox))
        worker->inbox_rest = tri_inbox_take(worker->inbox);
    for (struct tri_inbox_entry *entry; taken < MAIL_AT_ONCE && (entry = worker->inbox_rest) != NULL; taken++) {
        if (!worker->layer->deliver(worker, entry->to, &entry->message))
            break; /* without memory it waits */
        worker->inbox_rest = tri_inbox_next(entry);
        free(entry);
    }
    return taken;
}

unsigned
tri_mail_take(struct tri_worker *worker)
{
    unsigned taken = 0;
    for (unsigned source = 0; source < worker->runtime->count; source++) {
        struct tri_lane *lane = lane_from(worker, source);
        if (lane != NULL)
            taken += take_lane(worker, lane, source);
    }
    return taken + take_inbox(worker);
}

bool
tri_mail_waits(struct tri_worker *worker)
{
    for (unsigned source = 0; source < worker->runtime->count; source++) {
        struct tri_lane *lane = lane_from(worker, source);
        if (lane != NULL && tri_lane_peek(lane) != NULL)
            return true;
    }
    return worker->inbox_rest != NULL || !tri_inbox_empty(worker->inbox);
}

/* Out. */

/* The outbox for a destination, with its lane: made by the first message. */
static bool
outbox_open(struct tri_worker *worker, struct tri_outbox *outbox, unsigned target)
{
    outbox->lane = tri_lane_new();
    if (outbox->lane == NULL)
        return false;
    struct tri_worker *receiver = worker->runtime->workers[target];
    TRI_RELEASE(&receiver->lanes[worker->index]);
    ck_pr_fence_store(); /* N1, pairs with N2 in lane_from(): the lane is whole before it is seen */
    ck_pr_store_ptr(&receiver->lanes[worker->index], outbox->lane);
    return true;
}

/* Publishes what fits. Returns false if something waits for room. */
static bool
send_outbox(struct tri_worker *worker, unsigned target)
{
    struct tri_outbox *outbox = &worker->outboxes[target];
    bool was_full = outbox->full;
    if (tri_outbox_flush(outbox) > 0)
        ring(worker->runtime->workers[target]);
    if (outbox->full && !was_full)
        tri_trace(worker->trace, TRI_TRACE_CORE_lane_full, 0, target, 0, 0);
    return !outbox->full;
}

void
tri_mail_send(struct tri_worker *worker)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < worker->dirty_count; i++) {
        unsigned target = worker->dirty[i];
        if (send_outbox(worker, target))
            worker->outboxes[target].dirty = false;
        else
            worker->dirty[kept++] = target;
    }
    worker->dirty_count = worker->full_count = kept;
}

/* The limit is for what the lane has no room for, not for what waits for the turn's end. */
static bool
makes_room(struct tri_worker *worker, unsigned target)
{
    send_outbox(worker, target);
    return worker->outboxes[target].waiting < worker->runtime->options.lane_limit;
}

tr_status
tri_worker_stage(struct tri_worker *worker, unsigned target, bool urgent, struct tri_envelope **out)
{
    struct tri_outbox *outbox = &worker->outboxes[target];
    if (TRI_UNLIKELY(worker->sealed))
        return TR_ESTOPPING;
    if (TRI_UNLIKELY(outbox->lane == NULL) && !outbox_open(worker, outbox, target))
        return TR_ENOMEM;
    if (TRI_UNLIKELY(outbox->waiting >= worker->runtime->options.lane_limit) && !urgent && !makes_room(worker, target))
        return TR_EFULL;
    *out = tri_outbox_append(outbox);
    return *out != NULL ? TR_OK : TR_ENOMEM;
}

void
tri_worker_commit(struct tri_worker *worker, unsigned target)
{
    struct tri_outbox *outbox = &worker->outboxes[target];
    if (!outbox->dirty) {
        outbox->dirty = true;
        worker->dirty[worker->dirty_count++] = target;
    }
    if (outbox->waiting % STAGE_AT_MOST == 0)
        send_outbox(worker, target);
}

size_t
tri_worker_backlog(const struct tri_worker *worker, unsigned target)
{
    const struct tri_outbox *outbox = &worker->outboxes[target];
    return outbox->full ? outbox->waiting : 0;
}

tr_status
tri_worker_post(struct tri_worker *worker, tr_ref to, const tr_message *message, bool urgent)
{
    tr_status status =
        tri_inbox_push(worker->inbox, to, message, urgent ? UINT_MAX : worker->runtime->options.outside_limit);
    if (status == TR_OK)
        ring(worker);
    return status;
}

bool
tri_mail_starve(struct tri_worker *worker)
{
    for (unsigned i = 0; i < worker->dirty_count; i++)
        if (tri_lane_starve(worker->outboxes[worker->dirty[i]].lane))
            return false;
    return true;
}

/* The end. */

static void
bury_inbox(struct tri_worker *worker)
{
    while (take_inbox(worker) > 0) {
    }
}

static void
bury_outbox(struct tri_worker *worker, struct tri_outbox *outbox)
{
    for (struct tri_envelope *left; (left = tri_outbox_take(outbox)) != NULL;)
        worker->layer->bury(worker, left->to, &left->message);
}

void
tri_mail_seal(struct tri_worker *worker)
{
    worker->sealed = true; /* first: what is buried may want to send */
    bury_inbox(worker);
    worker->inbox_rest = tri_inbox_seal(worker->inbox);
    bury_inbox(worker);
    for (unsigned target = 0; target < worker->runtime->count; target++)
        bury_outbox(worker, &worker->outboxes[target]);
    worker->dirty_count = worker->full_count = 0;
}

void
tri_mail_bury(struct tri_worker *worker)
{
    while (tri_mail_take(worker) > 0) {
    }
}
