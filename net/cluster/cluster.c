/*
 * The parent's loop.
 */
#include "cluster_state.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <troupe/core/pages.h>
#include <troupe/core/status_from.h>

static bool is_running; /* a cluster, of this process */

/* Waiting. */

/* Room for all that is there and this one. */
bool
tri_cluster_reserve(struct tr_cluster *cluster)
{
    size_t wanted = 2 + 2 * (size_t)cluster->count + cluster->lent_count + cluster->lease_count;
    if (wanted <= cluster->room)
        return true;
    struct pollfd *fds = realloc(cluster->fds, 2 * wanted * sizeof(*fds));
    if (fds == NULL)
        return false;
    cluster->fds = fds;
    struct tri_polled *polled = realloc(cluster->polled, 2 * wanted * sizeof(*polled));
    if (polled == NULL)
        return false;
    cluster->polled = polled;
    cluster->room = 2 * wanted;
    return true;
}

static void
add(struct tr_cluster *cluster, size_t *count, int fd, short events, int what, void *whose)
{
    cluster->fds[*count] = (struct pollfd){.fd = fd, .events = events};
    cluster->polled[*count].what = what;
    cluster->polled[*count].whose = whose;
    (*count)++;
}

static void
add_lents(struct tr_cluster *cluster, size_t *count)
{
    for (struct tri_lent *lent = cluster->lents; lent != NULL; lent = lent->next)
        for (struct tri_lease *lease = lent->leases; lease != NULL; lease = lease->next)
            add(cluster, count, lease->fd, POLLIN, TRI_POLLED_LEASE, lease);
    for (struct tri_lent *lent = cluster->lents; lent != NULL; lent = lent->next)
        if (tri_lent_is_polled(cluster, lent))
            add(cluster, count, lent->opened.fd, POLLIN, TRI_POLLED_LENT, lent);
}

static void
add_slots(struct tr_cluster *cluster, size_t *count)
{
    for (unsigned i = 0; i < cluster->count; i++) {
        struct tri_slot *slot = &cluster->slots[i];
        short mail = (slot->held == NULL ? POLLIN : 0) | (tri_parcel_wants_room(cluster, i) ? POLLOUT : 0);
        if (slot->orders >= 0)
            add(cluster, count, slot->orders, POLLIN, TRI_POLLED_ORDERS, slot);
        if (slot->mail >= 0 && mail != 0)
            add(cluster, count, slot->mail, mail, TRI_POLLED_MAIL, slot);
    }
}

/* -1: for ever. Rounded up, so that what is due then is due. */
static int
timeout_ms(const struct tr_cluster *cluster)
{
    uint64_t soonest_ns = TRI_NEVER;
    tri_slots_soonest(cluster, &soonest_ns);
    tri_lents_soonest(cluster, &soonest_ns);
    if (soonest_ns == TRI_NEVER)
        return -1;
    if (soonest_ns <= cluster->now_ns)
        return 0;
    uint64_t ms = (soonest_ns - cluster->now_ns + tri_ms(1) - 1) / tri_ms(1);
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* A turn. */

static void
take_signals(struct tr_cluster *cluster)
{
    int signal;
    while ((signal = tri_process_signals_take(&cluster->signals)) != 0)
        switch (signal) {
        case SIGTERM:
        case SIGINT: tr_cluster_stop(cluster); break;
        case SIGHUP: tr_cluster_restart(cluster); break;
        default: break; /* of children: all are looked at */
        }
    tri_slots_reap(cluster);
}

static void
look_at(struct tr_cluster *cluster, const struct tri_polled *polled, short revents)
{
    switch (polled->what) {
    case TRI_POLLED_LEASE: tri_lease_read(cluster, polled->whose); break;
    case TRI_POLLED_LENT: tri_lent_deal(cluster, polled->whose, true); break;
    case TRI_POLLED_ORDERS:
        if (((struct tri_slot *)polled->whose)->orders >= 0)
            tri_lent_serve(cluster, polled->whose);
        break;
    case TRI_POLLED_MAIL:
        if ((revents & ~POLLOUT) != 0)
            tri_parcel_read(cluster, polled->whose, false);
        break;
    case TRI_POLLED_SIGNALS: take_signals(cluster); break;
    }
}

static void
turn(struct tr_cluster *cluster)
{
    size_t count = 0;
    add_lents(cluster, &count);
    add_slots(cluster, &count);
    add(cluster, &count, cluster->signals.fd, POLLIN, TRI_POLLED_SIGNALS, NULL);
    tri_process_poll(cluster->fds, count, timeout_ms(cluster));
    cluster->now_ns = tri_clock_now_ns();
    for (size_t i = 0; i < count; i++)
        if (cluster->fds[i].revents != 0)
            look_at(cluster, &cluster->polled[i], cluster->fds[i].revents);
    tri_parcel_turn(cluster);
    tri_lents_turn(cluster);
    tri_lents_sweep(cluster);
    tri_slots_turn(cluster);
}

/* Beginning and end. */

static bool
is_time(uint32_t ms)
{
    return ms <= INT_MAX;
}

static tr_status
check(const struct tr_cluster_options *options)
{
    if (options == NULL || options->child == NULL || (unsigned)options->scheduling > TR_CLUSTER_BY_KERNEL)
        return TR_EINVAL;
    if (options->children > TR_CLUSTER_CHILDREN_MAX || !is_time(options->backoff_min_ms) ||
        !is_time(options->backoff_max_ms) || !is_time(options->healthy_ms) || !is_time(options->stop_ms))
        return TR_EBADLIMIT;
    return is_running || tri_child_is_here() ? TR_EALREADY : TR_OK;
}

static uint32_t
or_default(uint32_t value, uint32_t ordinary)
{
    return value > 0 ? value : ordinary;
}

static void
fill(struct tr_cluster_options *options)
{
    if (options->children == 0) {
        options->children = tri_processes_wanted();
        if (options->children > TR_CLUSTER_CHILDREN_MAX)
            options->children = TR_CLUSTER_CHILDREN_MAX;
    }
    options->backoff_min_ms = or_default(options->backoff_min_ms, TR_CLUSTER_BACKOFF_MIN_MS);
    options->backoff_max_ms = or_default(options->backoff_max_ms, TR_CLUSTER_BACKOFF_MAX_MS);
    options->healthy_ms = or_default(options->healthy_ms, TR_CLUSTER_HEALTHY_MS);
    options->tries = or_default(options->tries, TR_CLUSTER_TRIES);
    options->stop_ms = or_default(options->stop_ms, TR_CLUSTER_STOP_MS);
}

static size_t
meters_size(const struct tr_cluster *cluster)
{
    return cluster->count * sizeof(*cluster->meters);
}

static void
free_memory(struct tr_cluster *cluster)
{
    if (cluster->meters != NULL)
        tri_pages_free(cluster->meters, meters_size(cluster));
    free(cluster->slots);
    free(cluster->fds);
    free(cluster->polled);
    free(cluster->record);
}

static tr_status
allocate(struct tr_cluster *cluster)
{
    cluster->meters = tri_pages_shared(meters_size(cluster));
    cluster->slots = calloc(cluster->count, sizeof(*cluster->slots));
    cluster->record = malloc(TRI_PARCEL_MAX);
    if (cluster->meters == NULL || cluster->slots == NULL || cluster->record == NULL || !tri_cluster_reserve(cluster))
        return TR_ENOMEM;
    for (unsigned i = 0; i < cluster->count; i++)
        cluster->slots[i] = (struct tri_slot){.number = i, .orders = -1, .mail = -1};
    return TR_OK;
}

tr_status
tr_cluster_run(const struct tr_cluster_options *options)
{
    struct tr_cluster cluster = {0};
    tr_status status = check(options);
    if (status != TR_OK)
        return status;
    cluster.options = *options;
    fill(&cluster.options);
    cluster.count = cluster.options.children;
    status = allocate(&cluster);
    if (status == TR_OK)
        status = tri_cluster_open_trace(&cluster);
    if (status == TR_OK)
        status = tri_status_from_errno(tri_process_signals_open(&cluster.signals, cluster.options.restart_on_hangup));
    if (status == TR_OK) {
        is_running = true;
        cluster.now_ns = tri_clock_now_ns();
        tri_slots_turn(&cluster);
        while (!tri_slots_are_over(&cluster))
            turn(&cluster);
        tri_lents_close(&cluster, true);
        tri_process_signals_close(&cluster.signals);
        is_running = false;
        status = cluster.status;
    }
    tri_trace_close(cluster.trace);
    free_memory(&cluster);
    return status;
}

/* For callbacks. */

void
tr_cluster_stop(tr_cluster *cluster)
{
    if (cluster == NULL)
        return;
    cluster->stopping = true;
    cluster->rolls = false;
}

void
tr_cluster_restart(tr_cluster *cluster)
{
    if (cluster == NULL || cluster->stopping)
        return;
    cluster->rolls = true;
    cluster->rolling = 0;
    cluster->rolling_asked = false;
}

unsigned
tr_cluster_children(const tr_cluster *cluster)
{
    return cluster != NULL ? cluster->count : 0;
}

int
tr_cluster_pid(const tr_cluster *cluster, unsigned number)
{
    return cluster != NULL && number < cluster->count ? cluster->slots[number].pid : 0;
}
