/*
 * Leases, and the connections on them.
 *
 * The parent keeps its own descriptor of a connection until the child has answered for it, in any order: several
 * threads of a child may read one lease. A lease that ends without a word is that of a child that has died: what it had
 * not answered for comes back, and goes to somebody else.
 */
#include "cluster_state.h"

#include <ck_pr.h>
#include <errno.h>
#include <stdlib.h>
#include <troupe/core/descriptors.h>

#define BACK_MS 50 /* who could not take a connection is passed over for so long */

struct tri_lease *
tri_lease_new(struct tr_cluster *cluster, struct tri_lent *lent, struct tri_slot *slot, int *end, int *error)
{
    int ends[2];
    *error = -ENOMEM;
    struct tri_lease *lease = calloc(1, sizeof(*lease));
    if (lease == NULL || !tri_cluster_reserve(cluster))
        goto free_lease;
    *error = tri_channel_pair(ends);
    if (*error != 0)
        goto free_lease;
    lease->lent = lent;
    lease->slot = slot;
    lease->fd = ends[0];
    lease->next = lent->leases;
    lent->leases = lease;
    lent->keep_ns = 0;
    cluster->lease_count++;
    *end = ends[1];
    return lease;

free_lease:
    free(lease);
    return NULL;
}

static void
bring_back(struct tr_cluster *cluster, struct tri_lease *lease, const struct tri_waiting *connection)
{
    tri_trace_cluster_back_outside(cluster->trace, lease->slot->number, connection->trace);
    tri_lent_return(lease->lent, connection->fd);
    lease->slot->given--;
}

static void
end_lease(struct tr_cluster *cluster, struct tri_lease *lease)
{
    tri_close(lease->fd);
    lease->fd = -1;
    while (lease->waiting > 0)
        bring_back(cluster, lease, &lease->waits[--lease->waiting]);
}

static bool
has_leases(const struct tri_lent *lent)
{
    for (const struct tri_lease *lease = lent->leases; lease != NULL; lease = lease->next)
        if (lease->fd >= 0)
            return true;
    return false;
}

/* A successor has the time of its beginning, which may have to wait, and then that in which it becomes healthy. */
static uint64_t
keep_until(const struct tr_cluster *cluster)
{
    return cluster->now_ns + tri_ms(cluster->options.backoff_max_ms) + tri_ms(cluster->options.healthy_ms);
}

void
tri_lease_lost(struct tr_cluster *cluster, struct tri_lease *lease)
{
    if (lease->fd < 0)
        return;
    end_lease(cluster, lease);
    if (!has_leases(lease->lent) && cluster->stopping)
        lease->lent->over = true;
    else if (!has_leases(lease->lent))
        lease->lent->keep_ns = keep_until(cluster);
}

/* It was the child's own will, unless it is being replaced. */
static void
left(struct tr_cluster *cluster, struct tri_lease *lease)
{
    struct tri_lent *lent = lease->lent;
    if (lease->slot->asked && !cluster->stopping) {
        tri_lease_lost(cluster, lease);
        return;
    }
    end_lease(cluster, lease);
    lent->over = lent->over || !has_leases(lent);
}

static bool
answered(struct tr_cluster *cluster, struct tri_lease *lease, const struct tri_lease_word *word)
{
    unsigned place = 0;
    while (place < lease->waiting && lease->waits[place].number != word->number)
        place++;
    if (place == lease->waiting)
        return false;
    struct tri_waiting connection = lease->waits[place];
    lease->waits[place] = lease->waits[--lease->waiting];
    if (word->kind == TRI_LEASE_BEGUN) {
        tri_close(connection.fd);
        return true;
    }
    bring_back(cluster, lease, &connection);
    lease->back_until_ns = cluster->now_ns + tri_ms(BACK_MS);
    return true;
}

/* false: that was nonsense. */
static bool
understand(struct tr_cluster *cluster, struct tri_lease *lease, const struct tri_lease_word *word)
{
    switch (word->kind) {
    case TRI_LEASE_BEGUN:
    case TRI_LEASE_BACK: return answered(cluster, lease, word);
    case TRI_LEASE_LEFT: left(cluster, lease); return true;
    default: return false;
    }
}

void
tri_lease_read(struct tr_cluster *cluster, struct tri_lease *lease)
{
    struct tri_lease_word word;
    struct tri_channel_record record;
    while (lease->fd >= 0) {
        ssize_t got = tri_channel_receive(lease->fd, &word, sizeof(word), &record);
        if (got == -EAGAIN)
            return;
        bool has_fds = record.count > 0;
        tri_channel_drop(&record);
        if (got == 0 && !has_fds) {
            tri_lease_lost(cluster, lease);
        } else if (got != (ssize_t)sizeof(word) || has_fds || !understand(cluster, lease, &word)) {
            tri_slot_refuse(cluster, lease->slot, "what is no answer for a connection");
            tri_lease_lost(cluster, lease);
        }
    }
}

/* The choice. */

static bool
has_room(const struct tr_cluster *cluster, const struct tri_lease *lease)
{
    return lease->fd >= 0 && lease->waiting < TR_CLUSTER_AHEAD && cluster->now_ns >= lease->back_until_ns &&
           !lease->slot->killed;
}

/* What it was given, less what has ended; those that it took by itself count, too. */
static uint32_t
load_of(const struct tr_cluster *cluster, const struct tri_lease *lease)
{
    uint32_t load = lease->slot->given - ck_pr_load_32(&cluster->meters[lease->slot->number]);
    return (int32_t)load > 0 ? load : 0; /* at the moment when it takes one it counts nowhere */
}

/* How many children come before this one, if that whose turn it is comes first. */
static unsigned
place_of(const struct tr_cluster *cluster, const struct tri_lent *lent, const struct tri_lease *lease)
{
    return (lease->slot->number + cluster->count - lent->turn) % cluster->count;
}

struct tri_lease *
tri_lease_choose(const struct tr_cluster *cluster, const struct tri_lent *lent)
{
    bool by_load = cluster->options.scheduling == TR_CLUSTER_LEAST_LOADED;
    struct tri_lease *best = NULL;
    uint32_t best_load = 0;
    for (struct tri_lease *lease = lent->leases; lease != NULL; lease = lease->next) {
        if (!has_room(cluster, lease))
            continue;
        uint32_t load = by_load ? load_of(cluster, lease) : 0;
        bool is_better = best == NULL || load < best_load ||
                         (load == best_load && place_of(cluster, lent, lease) < place_of(cluster, lent, best));
        if (!is_better)
            continue;
        best = lease;
        best_load = load;
    }
    return best;
}

bool
tri_lease_give(struct tr_cluster *cluster, struct tri_lease *lease, int fd)
{
    uint64_t id = tri_cluster_record_deal(cluster, lease->slot->number);
    struct tri_lease_word word = {.kind = TRI_LEASE_CONNECTION, .number = lease->sent, .trace = id};
    int error = tri_channel_send(lease->fd, &word, sizeof(word), NULL, 0, &fd, 1);
    if (error == 0) {
        lease->waits[lease->waiting++] = (struct tri_waiting){.number = lease->sent++, .fd = fd, .trace = id};
        lease->slot->given++;
        lease->lent->turn = (lease->slot->number + 1) % cluster->count;
        return true;
    }
    tri_trace_cluster_lost_outside(cluster->trace, 1, lease->slot->number, id);
    lease->back_until_ns = cluster->now_ns + tri_ms(BACK_MS); /* if the child is gone, reading will tell */
    return false;
}
