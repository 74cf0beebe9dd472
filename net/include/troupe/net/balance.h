/*
 * Balancing: which worker gets a new connection.
 *
 * A policy is a pure function of what it is given, so it is easy to test and to replace.
 *
 * Memory:  the view is borrowed for the call.
 * Thread:  a policy is called on the server's worker and must not block. Those below: any.
 */
#ifndef TROUPE_NET_BALANCE_H
#define TROUPE_NET_BALANCE_H

#include <stdint.h>
#include <troupe/core/declare.h>

TR_DECLARATIONS_BEGIN

/* What a policy may base its choice on. */
struct tr_balance_view {
    unsigned workers;      /* how many may be chosen: 1 or more */
    const uint32_t *loads; /* of each worker: its connections, assigned ones included; UINT32_MAX: it can take none */
    unsigned home;         /* the worker on which the server runs: the cheapest to reach */
    uint64_t sequence;     /* how many connections this server dealt out before */
};

/*
 * Chooses a worker.
 * Thread:  the server's worker; must not block.
 * Returns: a number below view->workers; any other one means home. If the worker can take no connection, the least
 *          loaded one gets it.
 */
typedef unsigned (*tr_balance_policy)(const struct tr_balance_view *view);

/* The worker with the fewest connections; equal ones take turns. The default. Thread: any. */
unsigned tr_balance_least_loaded(const struct tr_balance_view *view);

/* All workers take turns. Thread: any. */
unsigned tr_balance_round_robin(const struct tr_balance_view *view);

TR_DECLARATIONS_END
#endif
