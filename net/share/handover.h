/*
 * Accepted descriptors on their way to another worker: handover.c.
 */
#ifndef TROUPE_NET_HANDOVER_H
#define TROUPE_NET_HANDOVER_H

#include "deal.h"

struct tri_handover {
    struct tr_runtime *runtime; /* kept alive: the server may close before the socket is there */
    struct tri_deal *deal;      /* held */
    struct tri_arrival arrival;
    tr_ref listener;  /* to whom it goes back if it finds nobody; TR_NOBODY: it does not any more */
    unsigned returns; /* how often it did */
};

/*
 * Sends the descriptor to the actor of its place. Returns: TR_OK, and it is taken; TR_ENOMEM, TR_EGONE: nothing has
 * happened. Thread: owner of worker.
 */
tr_status tri_handover_send(struct tri_worker *worker, tr_actor *self, struct tri_deal *deal,
                            const struct tri_arrival *arrival, tr_ref listener);

/*
 * What came back goes on to the place that it was for, if that still takes it; for the last time. It is taken. Thread:
 * owner of worker.
 */
void tri_handover_insist(struct tri_handover *handover, struct tri_worker *worker);

/* It is over: the descriptor and the place are somebody else's matter. Thread: a worker. */
void tri_handover_free(struct tri_handover *handover);

/*
 * A handover has come to its worker: it begins in the share, or goes back to the listener if the server has left that
 * meanwhile. Takes what the message carries. Thread: owner of the share.
 */
void tri_handover_take(tr_message *message, struct tri_share *share, tr_actor *parent);

#endif
