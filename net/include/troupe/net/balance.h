/*
 * Balancing: which worker gets a new connection.
 *
 * A policy is a pure function of what it is given, so it can be tested and replaced like one.
 */
#ifndef TROUPE_NET_BALANCE_H
#define TROUPE_NET_BALANCE_H

#include <stdint.h>
#include <troupe/core/declare.h>

TR_DECLARATIONS_BEGIN

struct tr_address;

struct tr_balance_view {
    unsigned workers; /* how many may be chosen: 1 or more */
    const uint32_t
        *loads;    /* connections that each holds or was assigned, UINT32_MAX if it can take none; `workers` of them */
    unsigned home; /* the one on which the listener runs: the cheapest to reach */
    uint64_t sequence; /* how many connections this server dealt out before */
};

/* Chooses a number below view->workers; another one means home. Called on the listener's worker, must not block. */
typedef unsigned (*tr_balance_policy)(const struct tr_balance_view *view);

/* The fewest connections; of equals, each in its turn. The default. Thread: any. */
unsigned tr_balance_least_loaded(const struct tr_balance_view *view);

/* Each in its turn. Thread: any. */
unsigned tr_balance_round_robin(const struct tr_balance_view *view);

TR_DECLARATIONS_END
#endif
