/*
 * A server's connections on all workers: what the server's actor and the workers share.
 *
 *   struct tri_deal      one for each server, counted: it outlives the server for as long as connections do
 *   struct tri_share     a worker's part in it: only that worker's thread touches it
 *   struct tri_handover  an accepted descriptor on its way to another worker
 */
#ifndef TROUPE_NET_DEAL_H
#define TROUPE_NET_DEAL_H

#include "address_limits.h"
#include "socket_state.h"
#include "worker_net.h"

#include <ck_pr.h>
#include <stdalign.h>
#include <troupe/actors/host.h>
#include <troupe/core/compiler.h>
#include <troupe/net/server.h>

/* How many connections a worker has seen the end of. It alone writes, the server reads. */
struct tri_deal_ends {
    alignas(TRI_CACHE_PAIR) uint64_t closed; /* connections whose descriptor is closed */
    uint64_t ended;                          /* their close event is over as well */
    uint64_t failed;                         /* they never came to life */
    int why;                                 /* the status of the last that failed */

    /* The worker's alone. */
    struct tri_deal *deal;
    struct tri_owed owed; /* words to the server: it holds the deal while they wait for memory */
    unsigned words;       /* which: bits of enum tri_deal_word */
    bool waits;
};

enum tri_deal_word {
    TRI_DEAL_SAYS_ENDED = 1 << 0,
    TRI_DEAL_SAYS_FAILED = 1 << 1,
};

/* What servers keep on each worker. */
struct tri_servers {
    struct tri_guest guest; /* first */
    struct tri_worker *worker;

    /* Any thread, under the lock: deals whose server lives here. */
    uv_mutex_t lock;
    struct tri_deal *deals;
};

struct tri_deal {
    /* Constant. */
    struct tr_server_options options; /* with the defaults filled in */
    tr_ref server;
    unsigned workers;
    struct tri_servers *home; /* in whose list it stands, under that one's lock */
    struct tri_deal *next, *prev;

    /* Any thread. */
    alignas(TRI_CACHE_PAIR) unsigned holds; /* the server's, one for each share, one for each NO_MORE that will come */
    unsigned closing;                       /* the server waits for the last connection: it wants to be told of ends */
    struct tri_deal_ends ends[];            /* one for each worker */
};

/*
 * The two halves of the last connection's end (deal.c): each writes first and looks second, with a full fence between.
 */

/* A worker has seen an end. true: the server waits for it. */
static inline bool
tri_deal_count_ended(const struct tri_deal *deal, struct tri_deal_ends *ends)
{
    TRI_RELEASE(&ends->ended);
    ck_pr_fence_release(); /* E1: the connection's last event is over; pairs with E2 in tri_server_is_drained() */
    ck_pr_store_64(&ends->ended, ends->ended + 1);
    ck_pr_fence_memory(); /* D1: ended before closing; pairs with D2 */
    return ck_pr_load_uint(&deal->closing) != 0;
}

/* The server waits, and looks at all `ended` next. */
static inline void
tri_deal_await_ends(struct tri_deal *deal)
{
    ck_pr_store_uint(&deal->closing, 1);
    ck_pr_fence_memory(); /* D2: closing before ended; pairs with D1 */
}

struct tri_share {
    struct tri_origin origin; /* first */
    struct tri_deal *deal;
    struct tri_net *net;
    size_t connections; /* alive here */
    bool open;          /* more may come */
    bool has_place;     /* it is that of one connection alone, which counts for `place` */
    bool owes;          /* the server does not know yet that `place` is free */
    struct tri_owed owed;
    struct tri_limit_key place;
};

/* deal.c */

/* With one hold, the caller's. NULL without memory. Thread: owner of net, the server's. */
struct tri_deal *tri_deal_new(struct tri_net *net, tr_ref server, const struct tr_server_options *options);
void tri_deal_hold(struct tri_deal *deal);
void tri_deal_release(struct tri_deal *deal);

/* Tells the server, which waits for the last connection, that one has ended. Thread: owner of worker. */
void tri_deal_say_ended(struct tri_deal *deal, struct tri_worker *worker);

/* A connection's descriptor is closed. Thread: owner of worker. */
static inline void
tri_deal_connection_closed(struct tri_deal *deal, const struct tri_worker *worker)
{
    struct tri_deal_ends *ends = &deal->ends[worker->index];
    ck_pr_store_64(&ends->closed, ends->closed + 1); /* no order: it only counts */
}

/* A connection has had its last event. Thread: owner of worker. */
static inline void
tri_deal_connection_over(struct tri_deal *deal, struct tri_worker *worker)
{
    if (TRI_UNLIKELY(tri_deal_count_ended(deal, &deal->ends[worker->index])))
        tri_deal_say_ended(deal, worker);
}

/* A connection that was assigned to this worker never came to life; its place is the caller's matter. Thread: that
 * worker's. */
void tri_deal_lost(struct tri_deal *deal, struct tri_worker *worker);

/* Tells the server that a place is free. false: there is no memory. Thread: owner of worker. */
bool tri_deal_tell_place(const struct tri_deal *deal, struct tri_worker *worker, const struct tri_limit_key *place);

/*
 * A connection was lost for that reason before it came to life: its server tells it in an error event. Thread: that
 * worker's.
 */
void tri_deal_failed(struct tri_deal *deal, struct tri_worker *worker, tr_status why);

/* share.c */

/* Begins a share; takes a hold of its own. NULL without memory. Thread: owner of net. */
struct tri_share *tri_share_open(struct tri_deal *deal, struct tri_net *net);

/* Nothing more comes; it is freed with its last connection. NULL does nothing. Thread: owner. */
void tri_share_close(struct tri_share *share);

/* What a server knows of a connection that it has accepted. */
struct tri_arrival {
    int fd;
    uint64_t number;                   /* tr_socket_number() */
    const struct tri_limit_key *place; /* what it counts for where addresses are limited; NULL: nothing */
};

/*
 * Makes a socket actor of an accepted descriptor, which is taken. Thread: owner. Returns: TR_OK, also for one that
 * failed and has ended already; TR_ENOMEM: it was closed, and nobody has counted its end.
 */
tr_status tri_share_accept(struct tri_share *share, tr_actor *parent, const struct tri_arrival *arrival);

/* share_actor.c */

/* The actor that receives descriptors on another worker; its argument is a deal. */
extern const struct tr_behavior tri_share_behavior;

/*
 * A message that carries an accepted descriptor to the share of that worker. If nobody takes it there, the descriptor
 * is closed and the connection counts as ended. false: without memory, and the descriptor is still the caller's.
 */
bool tri_share_message(struct tri_deal *deal, unsigned worker, const struct tri_arrival *arrival, tr_message *out);

/* What becomes the last message to a share: made before the share, so that it is not lost for lack of memory. */
struct tri_dismissal;

/* Takes a hold of the deal. NULL without memory. Thread: the server's, as of the others. */
struct tri_dismissal *tri_dismissal_new(struct tri_deal *deal);

/* Sends it to the share, alive or not, now or when there is memory; takes the dismissal. */
void tri_share_dismiss(struct tri_dismissal *dismissal, tr_ref share);

/* There will be no share; takes the dismissal. */
void tri_dismissal_cancel(struct tri_dismissal *dismissal);

#endif
