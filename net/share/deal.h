/*
 * A server's connections on all workers: what the server, its listener and the workers share.
 *
 *   struct tri_deal        one for each server, counted: it outlives the server for as long as connections do
 *   struct tri_deal_place  a worker's part in it, as who deals out sees it: under the deal's lock
 *   struct tri_deal_ends   the same, as the worker sees it
 *   struct tri_share       what the worker's connections belong to: only its thread touches it
 *   struct tri_handover    an accepted descriptor on its way to another worker: handover.h
 */
#ifndef TROUPE_NET_DEAL_H
#define TROUPE_NET_DEAL_H

#include "address_limits.h"
#include "hall.h"
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
    uint64_t cut;                            /* they had not ended when their server's drain was over */
    int why;                                 /* the status of the last that failed */
    uint64_t refused;                        /* for their PROXY header */
    uint64_t bad_tls;                        /* for their handshake */
    struct tri_seats seats;                  /* of handshakes: what is taken of them */

    /* The worker's alone. */
    uint32_t lingering; /* connections whose handshake has failed, and whose descriptor is open */
    bool drains;        /* it has told its connections that the server drains */
    bool cuts;          /* and has closed them */
    struct tri_deal *deal;
    struct tri_owed owed; /* words to the server: it holds the deal while they wait for memory */
    unsigned words;       /* which: bits of enum tri_deal_word */
    bool waits;
};

enum tri_deal_word {
    TRI_DEAL_SAYS_ENDED = 1 << 0,
    TRI_DEAL_SAYS_FAILED = 1 << 1,
};

/*
 * In a child of a cluster, whose parent sees it: connections that have ended, less those that have begun. Who takes a
 * connection from the parent, which counts it until it ends, adds it beforehand. Set once, before a runtime starts;
 * NULL elsewhere.
 */
extern uint32_t *tri_deal_meter;

/* Thread: any. */
static inline void
tri_deal_meter_up(void)
{
    if (TRI_UNLIKELY(tri_deal_meter != NULL))
        ck_pr_inc_32(tri_deal_meter);
}

/* What servers keep on each worker. */
struct tri_servers {
    struct tri_guest guest; /* first */
    struct tri_worker *worker;

    /* Any thread, under the lock: deals whose server lives here. */
    uv_mutex_t lock;
    struct tri_deal *deals;
};

struct tri_arrival;
struct tri_member; /* a server's part in a listener: bound.h */

/* Accepting has failed: what TRI_TAG_LISTENER_FAILED carries. */
struct tri_listen_failure {
    tr_status status;
    int system;
    bool for_good; /* the listener is no more */
};

/* What a listener tells a server. Thread: the server's worker. */
struct tri_server_calls {
    const struct tr_behavior *behavior; /* of the server's actor */
    void (*arrived)(void *server, const struct tri_arrival *arrival);
    void (*left)(void *server, struct tri_member *member); /* the member is the server's again: tri_member_release() */
    void (*failed)(void *server, tr_ref listener, const struct tri_listen_failure *failure);
};

/* A worker, as who deals out connections sees it. */
struct tri_deal_place {
    bool wanted;    /* connections may live there: constant */
    tr_ref share;   /* the actor that takes them: the server on its own worker; TR_NOBODY: there is none */
    uint64_t dealt; /* connections that were assigned to it, without those that were taken back */
    uint64_t sent;  /* handovers, to that share */
    struct tri_dismissal *dismissal; /* the share's: the server's alone */
};

struct tri_deal {
    /* Constant. */
    struct tr_server_options options; /* with the defaults filled in */
    tr_ref server;
    const struct tri_server_calls *calls;
    unsigned workers;
    bool is_plain;            /* a connection is a socket at once: it has no header, and shakes no hands */
    bool is_secure;           /* it shakes hands */
    struct tri_servers *home; /* in whose list it stands, under that one's lock */
    struct tri_deal *next, *prev;
    struct tri_deal_ends *ends; /* one for each worker */

    /* Any thread. */
    alignas(TRI_CACHE_PAIR) unsigned holds; /* the server's, and one of each that will look at it: tri_deal_hold() */
    unsigned closing;                       /* the server waits for the last connection: it wants to be told of ends */
    unsigned draining;                      /* the server takes leave of its connections */
    unsigned untold;                        /* handshakes that have failed, of which the server is to be told */

    /* Under the lock, which is held for a few instructions: the server sets it, its listener deals by it. */
    alignas(TRI_CACHE_PAIR) uv_mutex_t lock;
    bool open;                          /* it takes connections */
    bool paused;                        /* tr_server_pause() */
    bool dismissed;                     /* shares on other workers get nothing any more */
    uint32_t max_connections;           /* 0: no limit */
    struct tr_block_list *block_list;   /* held, frozen; NULL: none */
    struct tr_tls_context *tls;         /* held, of handshakes that begin now; NULL: it is not secure */
    struct tri_limits limits;           /* by address, with options.max_per_address */
    uint64_t sequence;                  /* connections dealt out: the number of the last one */
    struct tr_server_refusals refusals; /* `lost` is counted in ends */
    struct tri_deal_place places[];     /* one for each worker */
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
    bool has_address;   /* it is that of one connection alone, which counts for `address` */
    struct tri_limit_key address;
};

/* deal.c */

/* With one hold, the caller's. NULL without memory. Thread: owner of net, the server's. */
struct tri_deal *tri_deal_new(struct tri_net *net, tr_ref server, const struct tri_server_calls *calls,
                              const struct tr_server_options *options);
void tri_deal_hold(struct tri_deal *deal);
void tri_deal_release(struct tri_deal *deal);

/* The context of a secure server, as it is now: one hold is the caller's. The second gives it another, which it holds.
 * Thread: any. */
struct tr_tls_context *tri_deal_hold_tls(struct tri_deal *deal);
void tri_deal_set_tls(struct tri_deal *deal, struct tr_tls_context *context);

/* Tells the server, which waits for the last connection, that one has ended. Thread: owner of worker. */
void tri_deal_say_ended(struct tri_deal *deal, struct tri_worker *worker);

/* A connection's descriptor is closed. Thread: owner of worker. */
static inline void
tri_deal_connection_closed(struct tri_deal *deal, const struct tri_worker *worker)
{
    struct tri_deal_ends *ends = &deal->ends[worker->index];
    ck_pr_store_64(&ends->closed, ends->closed + 1); /* no order: it only counts */
    tri_deal_meter_up();
}

/* A connection has not ended by itself when its server's drain was over. Thread: owner of worker. */
static inline void
tri_deal_count_cut(struct tri_deal *deal, const struct tri_worker *worker)
{
    struct tri_deal_ends *ends = &deal->ends[worker->index];
    ck_pr_store_64(&ends->cut, ends->cut + 1);
}

/* A connection has had its last event. Thread: owner of worker. */
static inline void
tri_deal_connection_over(struct tri_deal *deal, struct tri_worker *worker)
{
    if (TRI_UNLIKELY(tri_deal_count_ended(deal, &deal->ends[worker->index])))
        tri_deal_say_ended(deal, worker);
}

/* The policy of the server. Thread: any. */
static inline tr_balance_policy
tri_deal_balance(const struct tri_deal *deal)
{
    return deal->options.balance != NULL ? deal->options.balance : tr_balance_least_loaded;
}

/* The deal's lock. Thread: any. */
static inline void
tri_deal_lock(struct tri_deal *deal)
{
    uv_mutex_lock(&deal->lock);
}

static inline void
tri_deal_unlock(struct tri_deal *deal)
{
    uv_mutex_unlock(&deal->lock);
}

/* A connection from there is over. Thread: any. */
void tri_deal_forget_address(struct tri_deal *deal, const struct tri_limit_key *address);

/* A connection was refused for its PROXY header. Thread: that worker's. */
static inline void
tri_deal_refused(struct tri_deal *deal, const struct tri_worker *worker)
{
    struct tri_deal_ends *ends = &deal->ends[worker->index];
    ck_pr_store_64(&ends->refused, ends->refused + 1); /* no order: it only counts */
}

/* How many were, on all workers. Thread: any. */
static inline uint64_t
tri_deal_refusals(const struct tri_deal *deal)
{
    uint64_t sum = 0;
    for (unsigned worker = 0; worker < deal->workers; worker++)
        sum += ck_pr_load_64(&deal->ends[worker].refused);
    return sum;
}

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

/* An accepted connection that has a place. */
struct tri_arrival {
    int fd;
    unsigned worker;  /* to which it is assigned */
    uint64_t number;  /* tr_socket_number() */
    bool has_address; /* it counts for `address` */
    struct tri_limit_key address;
};

/*
 * Makes a socket actor of an accepted descriptor, which is taken. Thread: owner. Returns: TR_OK, also for one that
 * failed and has ended already; TR_ENOMEM: it was closed, and its place is still taken.
 */
tr_status tri_share_accept(struct tri_share *share, tr_actor *parent, const struct tri_arrival *arrival);

/* An accepted connection on its way to be a socket, with what it has got before. */
struct tri_entrant {
    int fd;
    uint64_t number;
    struct tr_proxy *proxy;         /* the beginning of memory from malloc(); NULL: it has no header */
    struct tri_record_layer *layer; /* its handshake is over; NULL: it is plain */
};

/*
 * What is let in becomes a socket actor, which takes all that the entrant has. The share counts the connection already.
 * parent may be NULL. If there is no actor the connection has failed and ended.
 */
void tri_share_begin(struct tri_share *share, tr_actor *parent, const struct tri_entrant *entrant);

/* The connection has ended: its descriptor is closed here. The share may be gone afterwards. */
void tri_share_end(struct tri_share *share, int fd);

/* The same before it came to life, for that reason. */
void tri_share_fail(struct tri_share *share, int fd, tr_status why);

/* farewell.c. Thread: owner. */

/* Its connections get the goaway event. */
void tri_share_drain(struct tri_share *share);

/* Those that are open are counted as cut, and closed: as gently as their peers let them. */
void tri_share_cut(struct tri_share *share);

/* Is its server's drain over, but for what ends? */
bool tri_share_is_cut(const struct tri_share *share);

/* A connection that begins later gets the same; within the socket's bracket, after the connection event. */
void tri_share_meet_leave(struct tri_share *share, tr_socket *socket);

/* share_actor.c */

/* The actor that receives descriptors on another worker; its argument is a deal. */
extern const struct tr_behavior tri_share_behavior;

/* What becomes the last message to a share: made before the share, so that it is not lost for lack of memory. */
struct tri_dismissal;

/* Takes a hold of the deal. NULL without memory. Thread: the server's, as of the others. */
struct tri_dismissal *tri_dismissal_new(struct tri_deal *deal);

/* Sends it to the share, alive or not, now or when there is memory; takes the dismissal. So many descriptors were sent
 * to that share. */
void tri_share_dismiss(struct tri_dismissal *dismissal, tr_ref share, uint64_t sent);

/* There will be no share; takes the dismissal. */
void tri_dismissal_cancel(struct tri_dismissal *dismissal);

#endif
