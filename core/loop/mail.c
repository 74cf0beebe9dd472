/*
 * Taking mail: fair parts. The ways in, a lane from each worker and the inbox last, are gone through in two rounds, in
 * an order that begins one way further in each turn. In the first every way gives its part, which shrinks with the
 * number of lanes, so that the last sender waits behind a few messages of each other one; in the second those that had
 * more share what is left of the turn's whole. A single lane shares with nobody. So a turn files TURN_TAKES messages,
 * or PART_LEAST of each way if that is more, or TURN_TAKES of one lane and as many of the inbox, and then runs its
 * actors and looks at its sockets, however much has come.
 *
 * Sending mail: limits. What may be on its way to one worker is divided among the others: WAY_TOTAL messages, each its
 * part, and who has reached that sees a backlog. What finds no room in a lane counts for its receiver, in `held`, which
 * all senders look at, so that lane_limit means one receiver and not one pair.
 */
#include "mail.h"

#include "doorbell.h"
#include "inbox.h"
#include "outbox.h"

#include <ck_pr.h>
#include <stdlib.h>

#define TURN_TAKES 256u   /* messages taken in a turn, from all ways in together */
#define PART_MOST 16u     /* of one way in the first round, where there are several lanes */
#define PART_LEAST 4u     /* likewise, however many lanes there are */
#define STAGE_AT_MOST 64u /* messages held back for one destination within a turn */
#define WAY_TOTAL 32768u  /* messages on their way to one worker at which its senders see a backlog */
#define WAY_LEAST 192u    /* of one sender: more than a lane's reader keeps before it gives slots back, and a batch */

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

/* Takes what one lane holds, `most` at the most. Returns how many envelopes came. */
static unsigned
take_lane(struct tri_worker *worker, struct tri_lane *lane, unsigned source, unsigned most)
{
    unsigned taken = 0;
    for (struct tri_envelope *slot; taken < most && (slot = tri_lane_peek(lane)) != NULL; taken++) {
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

static bool
inbox_waits(const struct tri_worker *worker)
{
    return worker->inbox_rest != NULL || !tri_inbox_empty(worker->inbox);
}

/* One that waits counts for the level, before others can take it out. */
static void
count_entry(const struct tri_worker *worker, int change)
{
    if (TRI_UNLIKELY(worker->limited))
        tri_level_add(change * (int64_t)sizeof(struct tri_inbox_entry));
}

/* There is something: inbox_waits(). */
static unsigned
take_inbox(struct tri_worker *worker, unsigned most)
{
    unsigned taken = 0;
    if (worker->inbox_rest == NULL)
        worker->inbox_rest = tri_inbox_take(worker->inbox);
    for (struct tri_inbox_entry *entry; taken < most && (entry = worker->inbox_rest) != NULL; taken++) {
        if (!worker->layer->deliver(worker, entry->to, &entry->message))
            break; /* without memory it waits */
        worker->inbox_rest = tri_inbox_next(entry);
        free(entry);
        count_entry(worker, -1);
    }
    return taken;
}

/* Without two lanes to be fair to, each way gives a turn's whole. */
static unsigned
take_all(struct tri_worker *worker)
{
    unsigned taken = 0;
    for (unsigned source = 0; source < worker->runtime->count; source++) {
        struct tri_lane *lane = lane_from(worker, source);
        if (lane != NULL)
            taken += take_lane(worker, lane, source, TURN_TAKES);
    }
    return inbox_waits(worker) ? taken + take_inbox(worker, TURN_TAKES) : taken;
}

unsigned
tri_mail_take_way(struct tri_worker *worker, unsigned way, unsigned most)
{
    if (way == worker->runtime->count)
        return inbox_waits(worker) ? take_inbox(worker, most) : 0;
    struct tri_lane *lane = lane_from(worker, way);
    return lane != NULL ? take_lane(worker, lane, way, most) : 0;
}

/* One round: up to `part` from each way, from `first` on. Returns how many came; *rich: ways that gave all their
 * part. */
static unsigned
take_round(struct tri_worker *worker, unsigned first, unsigned part, unsigned *rich)
{
    unsigned ways = worker->runtime->count + 1, taken = 0;
    *rich = 0;
    for (unsigned i = 0, way = first; i < ways; i++, way = way + 1 < ways ? way + 1 : 0) {
        unsigned came = tri_mail_take_way(worker, way, part);
        taken += came;
        *rich += came == part;
    }
    return taken;
}

/* What each of several lanes, and the inbox, may give in the first round. */
static unsigned
fair_part(unsigned lanes)
{
    unsigned part = TURN_TAKES / lanes;
    return part > PART_MOST ? PART_MOST : part < PART_LEAST ? PART_LEAST : part;
}

TRI_NOINLINE static unsigned
take_fairly(struct tri_worker *worker, unsigned lanes)
{
    unsigned first = worker->first_way, rich;
    worker->first_way = first < worker->runtime->count ? first + 1 : 0;
    unsigned taken = take_round(worker, first, fair_part(lanes), &rich);
    if (rich > 0 && taken + rich <= TURN_TAKES)
        taken += take_round(worker, first, (TURN_TAKES - taken) / rich, &rich);
    return taken;
}

unsigned
tri_mail_take(struct tri_worker *worker)
{
    unsigned lanes = ck_pr_load_uint(&worker->lanes_open);
    return lanes > 1 ? take_fairly(worker, lanes) : take_all(worker);
}

static bool
lane_waits(struct tri_worker *worker, unsigned source)
{
    struct tri_lane *lane = lane_from(worker, source);
    return lane != NULL && tri_lane_peek(lane) != NULL;
}

bool
tri_mail_waits(struct tri_worker *worker)
{
    for (unsigned source = 0; source < worker->runtime->count; source++)
        if (lane_waits(worker, source))
            return true;
    return inbox_waits(worker);
}

bool
tri_mail_way_waits(struct tri_worker *worker, unsigned way)
{
    return way == worker->runtime->count ? inbox_waits(worker) : lane_waits(worker, way);
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
    ck_pr_inc_uint(&receiver->lanes_open);
    return true;
}

/* What found no room counts for its receiver from now on, or no longer. */
static void
settle_held(struct tri_worker *worker, struct tri_outbox *outbox, struct tri_worker *receiver)
{
    uint32_t held = outbox->full ? (uint32_t)outbox->waiting : 0;
    if (TRI_UNLIKELY(held != outbox->held)) {
        ck_pr_add_32(&receiver->held, held - outbox->held);
        if (worker->limited)
            tri_level_add_own(&worker->level, ((int64_t)held - outbox->held) * (int64_t)sizeof(struct tri_envelope));
        outbox->held = held;
    }
}

/* Publishes what fits. Returns false if something waits for room. */
static bool
send_outbox(struct tri_worker *worker, unsigned target)
{
    struct tri_outbox *outbox = &worker->outboxes[target];
    bool was_full = outbox->full;
    if (tri_outbox_flush(outbox) > 0)
        ring(worker->runtime->workers[target]);
    settle_held(worker, outbox, worker->runtime->workers[target]);
    if (outbox->full && !was_full)
        tri_trace_lane_full(worker->trace, target);
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

bool
tri_mail_is_staged(const struct tri_worker *worker, unsigned target)
{
    return worker->outboxes[target].dirty;
}

void
tri_mail_send_to(struct tri_worker *worker, unsigned target)
{
    unsigned place = 0;
    while (worker->dirty[place] != target)
        place++;
    if (!send_outbox(worker, target))
        return;
    worker->outboxes[target].dirty = false;
    worker->dirty[place] = worker->dirty[--worker->dirty_count];
}

/* Is there room under the limit beside what all senders hold for that worker, this one's latest included? */
static bool
is_below_limit(const struct tri_worker *worker, unsigned target)
{
    const struct tri_outbox *outbox = &worker->outboxes[target];
    uint32_t held = ck_pr_load_32(&worker->runtime->workers[target]->held);
    return held + (outbox->waiting - outbox->held) < worker->runtime->options.lane_limit;
}

/* The limit is for what the lane has no room for, not for what waits for the turn's end. */
bool
tri_worker_has_room(struct tri_worker *worker, unsigned target)
{
    if (TRI_LIKELY(!worker->outboxes[target].full) || is_below_limit(worker, target))
        return true;
    return send_outbox(worker, target) || is_below_limit(worker, target);
}

tr_status
tri_worker_stage(struct tri_worker *worker, unsigned target, bool urgent, struct tri_envelope **out)
{
    struct tri_outbox *outbox = &worker->outboxes[target];
    if (TRI_UNLIKELY(worker->sealed))
        return TR_ESTOPPING;
    if (TRI_UNLIKELY(outbox->lane == NULL) && !outbox_open(worker, outbox, target))
        return TR_ENOMEM;
    if (TRI_UNLIKELY(outbox->full) && !urgent && !tri_worker_has_room(worker, target))
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

bool
tri_worker_has_old_room(const struct tri_worker *worker, unsigned target)
{
    const struct tri_outbox *outbox = &worker->outboxes[target];
    return !outbox->full && outbox->waiting < ck_pr_load_32(&worker->runtime->workers[target]->free_mail);
}

/* One sender's part of what may be on the way to one worker. */
static unsigned
way_part(const struct tri_runtime *runtime)
{
    unsigned part = WAY_TOTAL / runtime->count;
    return part > TRI_LANE_SLOTS ? TRI_LANE_SLOTS : part < WAY_LEAST ? WAY_LEAST : part;
}

size_t
tri_worker_backlog(const struct tri_worker *worker, unsigned target)
{
    const struct tri_outbox *outbox = &worker->outboxes[target];
    if (outbox->lane == NULL)
        return 0;
    unsigned part = way_part(worker->runtime);
    unsigned mark = outbox->waiting < part ? part - (unsigned)outbox->waiting : 0;
    size_t under_way = outbox->waiting + tri_lane_under_way(outbox->lane, mark);
    return under_way >= part ? under_way : 0;
}

tr_status
tri_worker_post(struct tri_worker *worker, tr_ref to, const tr_message *message, bool urgent)
{
    count_entry(worker, 1);
    tr_status status = urgent ? tri_inbox_push_urgent(worker->inbox, to, message)
                              : tri_inbox_push(worker->inbox, to, message, worker->runtime->options.outside_limit);
    if (status == TR_OK)
        ring(worker);
    else
        count_entry(worker, -1);
    return status;
}

tr_status
tri_worker_prepare(struct tri_worker *worker, struct tri_inbox_entry **out)
{
    return tri_inbox_prepare(worker->inbox, worker->runtime->options.outside_limit, out);
}

tr_status
tri_worker_post_prepared(struct tri_worker *worker, struct tri_inbox_entry *entry, tr_ref to, const tr_message *message)
{
    count_entry(worker, 1);
    if (tri_inbox_push_prepared(worker->inbox, entry, to, message) != TR_OK) {
        count_entry(worker, -1);
        return TR_ESTOPPING;
    }
    ring(worker);
    return TR_OK;
}

void
tri_worker_let_go(struct tri_worker *worker, struct tri_inbox_entry *entry)
{
    tri_inbox_let_go(worker->inbox, entry);
}

void
tri_worker_recount(struct tri_worker *worker, uint64_t count)
{
    tri_inbox_recount(worker->inbox, count);
}

void
tri_worker_outside_read(struct tri_worker *worker)
{
    tri_inbox_read(worker->inbox);
}

uint64_t
tri_worker_posted(const struct tri_worker *worker)
{
    return tri_inbox_pushed(worker->inbox);
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
    while (inbox_waits(worker) && take_inbox(worker, TURN_TAKES) > 0) {
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
