/*
 * Children: when they are forked, how they end, and what follows.
 *
 *   waits --its time has come--> runs --it returned 0, or was to stop with all--> over
 *     ^                           |
 *     +------it has died----------+--too often too soon--> over
 */
#include "cluster_state.h"

#include "plain.h"

#include <ck_pr.h>
#include <stdlib.h>
#include <troupe/core/descriptors.h>
#include <troupe/core/say.h>

/* What it has. */

static void
close_end(int *fd)
{
    if (*fd >= 0)
        tri_close(*fd);
    *fd = -1;
}

static void
lose_leases(struct tr_cluster *cluster, const struct tri_slot *slot)
{
    for (struct tri_lent *lent = cluster->lents; lent != NULL; lent = lent->next)
        for (struct tri_lease *lease = lent->leases; lease != NULL; lease = lease->next)
            if (lease->slot == slot)
                tri_lease_lost(cluster, lease);
}

static void
free_counts(struct tri_slot *slot)
{
    while (slot->counts != NULL) {
        struct tri_order_count *count = slot->counts;
        slot->counts = count->next;
        free(count);
    }
}

static void
close_all(struct tr_cluster *cluster, struct tri_slot *slot)
{
    close_end(&slot->orders);
    close_end(&slot->mail);
    tri_parcel_forget(cluster, slot);
    lose_leases(cluster, slot);
    free_counts(slot);
}

/* After an end. */

static uint64_t
backoff_ns(const struct tr_cluster *cluster, unsigned failures)
{
    uint64_t wait_ms = cluster->options.backoff_min_ms;
    for (unsigned i = 1; i < failures && wait_ms < cluster->options.backoff_max_ms; i++)
        wait_ms *= 2;
    return tri_ms(wait_ms < cluster->options.backoff_max_ms ? wait_ms : cluster->options.backoff_max_ms);
}

static bool
was_healthy(const struct tr_cluster *cluster, const struct tri_slot *slot)
{
    return cluster->now_ns - slot->began_ns >= tri_ms(cluster->options.healthy_ms);
}

static void
give_up(struct tr_cluster *cluster, struct tri_slot *slot)
{
    const struct tr_cluster_events *events = cluster->options.events;
    slot->state = TRI_SLOT_OVER;
    if (cluster->status == TR_OK)
        cluster->status = TR_EGIVENUP;
    tri_say("cluster: child %u has ended %u times within %u ms of its beginning, and is given up", slot->number,
            slot->failures, cluster->options.healthy_ms);
    if (events != NULL && events->given_up != NULL)
        events->given_up(cluster, slot->number, cluster->options.data);
}

static void
wait_again(struct tr_cluster *cluster, struct tri_slot *slot, bool healthy)
{
    slot->failures = healthy ? 0 : slot->failures + 1;
    if (slot->failures >= cluster->options.tries) {
        give_up(cluster, slot);
        return;
    }
    slot->state = TRI_SLOT_WAITS;
    slot->due_ns = cluster->now_ns + (healthy ? 0 : backoff_ns(cluster, slot->failures));
}

static void
ended(struct tr_cluster *cluster, struct tri_slot *slot, int status, int signal)
{
    const struct tr_cluster_events *events = cluster->options.events;
    struct tr_cluster_end end = {.pid = slot->pid, .status = status, .signal = signal, .asked = slot->asked};
    bool is_replaced = slot->asked && !slot->killed, is_done = status == 0 && !slot->asked && !slot->killed;
    slot->killed = true; /* its number may be another process's: no signals */
    tri_parcel_read(cluster, slot, true);
    for (struct tri_lent *lent = cluster->lents; lent != NULL; lent = lent->next) /* its last answers */
        for (struct tri_lease *lease = lent->leases; lease != NULL; lease = lease->next)
            if (lease->slot == slot)
                tri_lease_read(cluster, lease);
    close_all(cluster, slot);
    tri_trace_child_ended_outside(cluster->trace, (uint16_t)signal, slot->number, status >= 0 ? (uint64_t)status : 0);
    slot->pid = 0;
    slot->given = 0;
    ck_pr_store_32(&cluster->meters[slot->number], 0);
    slot->state = TRI_SLOT_OVER;
    if (!cluster->stopping && !is_done)
        wait_again(cluster, slot, is_replaced || was_healthy(cluster, slot));
    if (events != NULL && events->ended != NULL)
        events->ended(cluster, slot->number, &end, cluster->options.data);
}

void
tri_slots_reap(struct tr_cluster *cluster)
{
    int status, signal;
    for (unsigned i = 0; i < cluster->count; i++) {
        struct tri_slot *slot = &cluster->slots[i];
        if (slot->state == TRI_SLOT_RUNS && tri_process_ended(slot->pid, &status, &signal))
            ended(cluster, slot, status, signal);
    }
}

void
tri_slot_refuse(struct tr_cluster *cluster, struct tri_slot *slot, const char *what)
{
    if (slot->killed)
        return;
    tri_say("cluster: child %u, process %d, has sent %s, and is killed", slot->number, slot->pid, what);
    slot->killed = true;
    tri_process_kill(slot->pid);
    close_end(&slot->orders);
    close_end(&slot->mail);
    lose_leases(cluster, slot);
}

/* Beginning. */

/* Gives the number of the process, in the parent; an errno, negative. The child does not return. */
static int
fork_with(struct tr_cluster *cluster, struct tri_slot *slot, const int orders[2], const int mail[2])
{
    int pid = tri_process_fork();
    if (pid != 0)
        return pid;
    tri_cluster_leave_trace(cluster, slot);
    for (unsigned i = 0; i < cluster->count; i++) { /* those of the other children */
        close_end(&cluster->slots[i].orders);
        close_end(&cluster->slots[i].mail);
        tri_parcel_forget(cluster, &cluster->slots[i]);
        free_counts(&cluster->slots[i]);
    }
    tri_close(orders[0]);
    tri_close(mail[0]);
    tri_child_run(cluster, slot, orders[1], mail[1]);
}

static int
start(struct tr_cluster *cluster, struct tri_slot *slot)
{
    int orders[2] = {-1, -1}, mail[2] = {-1, -1};
    int pid = tri_channel_pair(orders);
    if (pid == 0)
        pid = tri_channel_pair(mail);
    if (pid == 0)
        pid = fork_with(cluster, slot, orders, mail);
    close_end(&orders[1]);
    close_end(&mail[1]);
    if (pid < 0) {
        close_end(&orders[0]);
        close_end(&mail[0]);
        return pid;
    }
    slot->orders = orders[0];
    slot->mail = mail[0];
    return pid;
}

static void
begin(struct tr_cluster *cluster, struct tri_slot *slot)
{
    const struct tr_cluster_events *events = cluster->options.events;
    slot->asked = slot->signalled = slot->killed = slot->ready = false;
    slot->began_ns = cluster->now_ns;
    slot->serial = cluster->serials = cluster->serials % 0xffffu + 1;
    int pid = start(cluster, slot);
    if (pid < 0) { /* the system has no process or descriptor for it now */
        wait_again(cluster, slot, false);
        return;
    }
    slot->pid = pid;
    slot->state = TRI_SLOT_RUNS;
    tri_trace_child_began_outside(cluster->trace, (uint16_t)slot->serial, slot->number, (uint64_t)pid);
    if (events != NULL && events->started != NULL)
        events->started(cluster, slot->number, pid, cluster->options.data);
}

/* Stopping. */

/* The end of the parent's side of the mail says it. Who has closed that already is told by a signal. */
void
tri_slot_ask(struct tr_cluster *cluster, struct tri_slot *slot)
{
    if (slot->state != TRI_SLOT_RUNS || slot->asked)
        return;
    slot->asked = true;
    slot->asked_ns = cluster->now_ns;
    if (slot->mail >= 0)
        tri_plain_end(slot->mail);
    else
        tri_process_ask(slot->pid);
}

static uint64_t
signal_at_ns(const struct tr_cluster *cluster, const struct tri_slot *slot)
{
    return slot->asked_ns + tri_ms(cluster->options.stop_ms) / (slot->signalled ? 1 : 2);
}

static void
press(struct tr_cluster *cluster, struct tri_slot *slot)
{
    if (slot->state != TRI_SLOT_RUNS || !slot->asked || slot->killed || cluster->now_ns < signal_at_ns(cluster, slot))
        return;
    if (!slot->signalled) {
        slot->signalled = true;
        tri_process_ask(slot->pid);
        return;
    }
    slot->killed = true;
    tri_process_kill(slot->pid);
    if (cluster->stopping)
        cluster->status = TR_ETIMEDOUT_STOP;
}

/* Replacing. */

static bool
has_settled(const struct tr_cluster *cluster, const struct tri_slot *slot)
{
    return slot->state == TRI_SLOT_OVER ||
           (slot->state == TRI_SLOT_RUNS && !slot->asked && (slot->ready || was_healthy(cluster, slot)));
}

/* Asks the child whose turn it is, then waits until its successor serves. */
static void
roll(struct tr_cluster *cluster)
{
    while (cluster->rolls) {
        struct tri_slot *slot = &cluster->slots[cluster->rolling];
        if (!cluster->rolling_asked) {
            cluster->rolling_asked = true;
            tri_slot_ask(cluster, slot);
        }
        if (!has_settled(cluster, slot))
            return;
        cluster->rolling_asked = false;
        cluster->rolls = ++cluster->rolling < cluster->count;
    }
}

void
tri_slots_turn(struct tr_cluster *cluster)
{
    for (unsigned i = 0; i < cluster->count; i++) {
        struct tri_slot *slot = &cluster->slots[i];
        if (slot->state == TRI_SLOT_WAITS && cluster->now_ns >= slot->due_ns && !cluster->stopping)
            begin(cluster, slot);
    }
    for (unsigned i = 0; i < cluster->count; i++) { /* a callback may have stopped it */
        struct tri_slot *slot = &cluster->slots[i];
        if (slot->state == TRI_SLOT_WAITS && cluster->stopping)
            slot->state = TRI_SLOT_OVER;
        if (slot->state == TRI_SLOT_RUNS && cluster->stopping)
            tri_slot_ask(cluster, slot);
        press(cluster, slot);
    }
    roll(cluster);
}

void
tri_slots_soonest(const struct tr_cluster *cluster, uint64_t *soonest_ns)
{
    for (unsigned i = 0; i < cluster->count; i++) {
        const struct tri_slot *slot = &cluster->slots[i];
        if (slot->state == TRI_SLOT_WAITS)
            tri_sooner(soonest_ns, slot->due_ns);
        if (slot->state == TRI_SLOT_RUNS && slot->asked && !slot->killed)
            tri_sooner(soonest_ns, signal_at_ns(cluster, slot));
        if (slot->state == TRI_SLOT_RUNS && cluster->rolls && i == cluster->rolling && !slot->asked)
            tri_sooner(soonest_ns, slot->began_ns + tri_ms(cluster->options.healthy_ms));
    }
}

bool
tri_slots_are_over(const struct tr_cluster *cluster)
{
    for (unsigned i = 0; i < cluster->count; i++)
        if (cluster->slots[i].state != TRI_SLOT_OVER)
            return false;
    return true;
}
