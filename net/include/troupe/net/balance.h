/*
 * Balancing: which worker gets a new connection.
 *
 * A policy is a pure function of what it is given, so it is easy to test and to replace.
 *
 * Memory:  the view is borrowed for the call.
 * Thread:  a policy is called on the listener's worker and must not block. Those below: any.
 */
#ifndef TROUPE_NET_BALANCE_H
#define TROUPE_NET_BALANCE_H

#include <stdint.h>
#include <troupe/core/declare.h>

TR_DECLARATIONS_BEGIN

struct sockaddr;

#define TR_BALANCE_NO_WORKER UINT32_MAX /* a load: that worker can take no connection, or is to get none */

/* What a policy may base its choice on. */
struct tr_balance_view {
    unsigned workers;            /* how many there are: 1 or more */
    const uint32_t *loads;       /* of each: its connections, assigned ones included; TR_BALANCE_NO_WORKER */
    const uint32_t *behind_ms;   /* of each: how long its loop has not looked at descriptors; NULL: not known */
    unsigned home;               /* the worker on which the listener runs: the cheapest to reach */
    uint64_t sequence;           /* how many connections the listener has dealt out before */
    const struct sockaddr *peer; /* the other end; NULL for the policies below that do not ask, and of unix sockets */
};

/*
 * Chooses a worker.
 * Thread:  the listener's worker; must not block.
 * Returns: the number of a worker; any other number means home. If that worker can take no connection, the least loaded
 *          one gets it, and if none can, the worker of a server that is there.
 */
typedef unsigned (*tr_balance_policy)(const struct tr_balance_view *view);

/*
 * The policies that are there. Each chooses among the workers that can take a connection; if there is none, the home.
 * Thread: any.
 */

/* A worker that is so far behind is stuck: some policies pass it over while there are others. */
#define TR_BALANCE_STUCK_MS 500u

/* The worker with the fewest connections, of those that are not stuck; equal ones take turns. The default. */
unsigned tr_balance_least_loaded(const struct tr_balance_view *view);

/* All take turns, whatever their loads. */
unsigned tr_balance_round_robin(const struct tr_balance_view *view);

/*
 * Power of two choices: of two workers, which differ from connection to connection, the one with fewer connections, or
 * the one that is not stuck. It costs the same however many workers there are.
 */
unsigned tr_balance_two_choices(const struct tr_balance_view *view);

/*
 * The same worker for all connections from one address, as far as it can take them: of an IPv6 address the first 64
 * bits count, and an IPv4 address in its mapped form is the IPv4 address. The choice depends on nothing but the address
 * and which workers there are (rendezvous hashing): if one is missing, only its addresses go to others. It does not
 * even out loads, and who chooses addresses can choose the worker: max_per_address limits that. Connections without
 * an address go to the least loaded.
 */
unsigned tr_balance_ip_hash(const struct tr_balance_view *view);

/* The listener's worker, which is that of the first server that listened there, as long as it can take connections. */
unsigned tr_balance_home(const struct tr_balance_view *view);

TR_DECLARATIONS_END
#endif
