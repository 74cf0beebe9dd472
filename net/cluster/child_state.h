/*
 * A child of a cluster: child.c, and what it asks the parent: ask.c.
 */
#ifndef TROUPE_NET_CLUSTER_CHILD_STATE_H
#define TROUPE_NET_CLUSTER_CHILD_STATE_H

#include "words.h"

#include <troupe/actors/runtime.h>
#include <uv.h>

struct tr_cluster_child {
    /* Constant. */
    unsigned number, count;
    unsigned serial; /* of the process among all of the cluster */
    int orders, mail;
    uv_mutex_t asking; /* one at a time, until the answer is there */

    /* Under the lock. */
    uv_mutex_t lock;
    tr_runtime *runtime; /* in which the reader lives; NULL: there is none */
    tr_ref reader;
    struct tri_runtime *core; /* the same */

    /* Any thread. */
    uint64_t parcels; /* atomic: that it has recorded */
};

/* The one of this process. number is wrong in every other process. Thread: any. */
extern struct tr_cluster_child tri_child;

/* record.c: records that something is sent. Gives its id; 0: nothing is recorded. And that it could not be. Thread:
 * any. */
uint64_t tri_child_record_send(struct tr_cluster_child *child, uint32_t to, int fd);
void tri_child_record_refusal(struct tr_cluster_child *child, uint32_t to, int fd, uint64_t id);

/* tri_bound_source of a child. Thread: any. */
tr_status tri_child_ask(const struct tri_bound_wish *wish, struct tri_opened *out, struct tr_error *error);

#endif
