/*
 * What the processes of a cluster record of each other.
 *
 * The parent has a recorder without a thread, since it forks: all it does is in the stream of its threads outside. Each
 * child has its runtime's. What goes from one to the other has an id that both ends record: so it is known which
 * receive belongs to which send, whatever their clocks say. What is sent is recorded before it is sent; if it cannot be
 * sent then, or finds nobody, it is recorded as lost.
 */
#include "child_state.h"
#include "cluster_state.h"

#include "worker_net.h"

#include <stdio.h>
#include <troupe/core/random.h>
#include <troupe/core/runtime.h>
#include <troupe/core/status_from.h>
#include <troupe/core/worker.h>

/* The parent. */

static tr_status
name_cluster(struct tr_cluster *cluster)
{
    uint64_t random[2];
    int error = tri_random(random, sizeof(random));
    snprintf(cluster->name, sizeof(cluster->name), "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    return tri_status_from_uv(error);
}

tr_status
tri_cluster_open_trace(struct tr_cluster *cluster)
{
    tr_status status = name_cluster(cluster);
    if (status != TR_OK)
        return status;
    tri_trace_be_member(cluster->name, "parent", 0, NULL);
    tri_trace_open_alone(&cluster->trace);
    tri_trace_be_member("", "", 0, NULL); /* what the program opens when the cluster is over is no part of it */
    tri_net_describe(cluster->trace, 0);
    return TR_OK;
}

void
tri_cluster_leave_trace(struct tr_cluster *cluster, const struct tri_slot *slot)
{
    char number[16], path[TRI_TRACE_PATH];
    bool has_path = cluster->trace != NULL && tri_trace_path(cluster->trace, path);
    snprintf(number, sizeof(number), "%u", slot->number);
    tri_trace_be_member(cluster->name, number, slot->serial, has_path ? path : NULL);
    tri_trace_forget(cluster->trace);
    cluster->trace = NULL;
}

uint64_t
tri_cluster_record_send(struct tr_cluster *cluster, unsigned number, int fd)
{
    uint64_t id = cluster->trace != NULL ? tri_parcel_id(0, ++cluster->parcels) : 0;
    tri_trace_cluster_send_outside(cluster->trace, TR_NOBODY, fd >= 0, number, id);
    return id;
}

uint64_t
tri_cluster_record_deal(struct tr_cluster *cluster, unsigned number)
{
    uint64_t id = cluster->trace != NULL ? tri_parcel_id(0, ++cluster->parcels) : 0;
    tri_trace_cluster_deal_outside(cluster->trace, number, id);
    return id;
}

/* A child. */

static uint64_t
new_id(struct tr_cluster_child *child)
{
    return tri_parcel_id(child->serial, ck_pr_faa_64(&child->parcels, 1) + 1);
}

/* Of a worker: what it does is its own. */
static uint64_t
record_of_worker(struct tr_cluster_child *child, struct tri_worker *worker, uint32_t to, int fd)
{
    if (worker->trace == NULL || tri_net_of(worker) == NULL) /* this layer's events are described then */
        return 0;
    uint64_t id = new_id(child);
    tri_trace_cluster_send(worker->trace, worker->activity.actor, fd >= 0, to, id);
    return id;
}

/* Under the child's lock. What threads that are no workers record to: the runtime is there as long as the reader is. */
static struct tri_trace *
trace_of_threads(const struct tr_cluster_child *child)
{
    struct tri_trace *trace = child->core != NULL ? tri_runtime_trace(child->core) : NULL;
    tri_net_describe(trace, tr_ref_worker(child->reader));
    return trace;
}

static uint64_t
record_of_thread(struct tr_cluster_child *child, uint32_t to, int fd)
{
    struct tri_trace *trace = trace_of_threads(child);
    uint64_t id = trace != NULL ? new_id(child) : 0;
    tri_trace_cluster_send_outside(trace, TR_NOBODY, fd >= 0, to, id);
    return id;
}

uint64_t
tri_child_record_send(struct tr_cluster_child *child, uint32_t to, int fd)
{
    struct tri_worker *worker = tri_worker_current();
    if (worker != NULL)
        return record_of_worker(child, worker, to, fd);
    uv_mutex_lock(&child->lock);
    uint64_t id = record_of_thread(child, to, fd);
    uv_mutex_unlock(&child->lock);
    return id;
}

void
tri_child_record_refusal(struct tr_cluster_child *child, uint32_t to, int fd, uint64_t id)
{
    const struct tri_worker *worker = tri_worker_current();
    if (id == 0)
        return;
    if (worker != NULL) {
        tri_trace_cluster_lost(worker->trace, fd >= 0, to, id);
        return;
    }
    uv_mutex_lock(&child->lock);
    tri_trace_cluster_lost_outside(trace_of_threads(child), fd >= 0, to, id);
    uv_mutex_unlock(&child->lock);
}
