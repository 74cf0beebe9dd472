/*
 * Listeners as actors: listener.c.
 *
 * Thread: the listener's worker.
 */
#ifndef TROUPE_NET_LISTENER_H
#define TROUPE_NET_LISTENER_H

#include "bound.h"
#include "branch.h"
#include "handover.h"

#include <troupe/core/timers.h>

/* Who accepts: a listener, or a branch of it. The beginning of both. */
struct tri_dealer {
    tr_actor *actor;
    struct tri_net *net;
};

/* Its poll handle, which libuv needs until it has closed it. */
struct tri_watch {
    uv_poll_t poll;
    struct tri_listener *listener;
};

/* The state of a listener's actor. */
struct tri_listener {
    struct tri_dealer dealer;          /* first */
    struct tri_bound *bound;           /* held */
    struct tri_watch *watch;           /* of its descriptor; NULL: it is closed */
    struct tri_deal **takers;          /* for each worker: whose connections live there; NULL: nobody's */
    uint32_t *loads;                   /* scratch, for the policy */
    uint32_t *behind_ms;               /* likewise */
    tr_balance_policy balance;         /* that of its members */
    unsigned seen;                     /* bound->changes, as it was when it looked */
    uint64_t sequence;                 /* connections dealt out */
    struct tri_timer retry;            /* while it is starved */
    struct tri_branch_entry *branches; /* for each worker, if workers accept for themselves */
    struct tri_member *leavers;        /* given back when all descriptors are closed */
    bool polled;
    bool starved;    /* descriptors or memory have run out */
    bool killed;     /* it lets go of everything when it is not inside any more */
    unsigned inside; /* its own functions run */
};

static inline struct tri_worker *
tri_dealer_worker(const struct tri_dealer *dealer)
{
    return dealer->net->worker;
}

/* tri_trace_listener_accept(dealer, policy, to_worker, server) and its like: of each row of the table. */
#define TRI_TRACE_OF_LISTENER(id, name, actor, flags, arg, message, doc)                                               \
    TRI_TRACE_FUNCTION_OF(TRI_CATEGORY_SERVERS, struct tri_dealer, tri_dealer_worker, id, name, flags, arg, message)
TRI_TRACE_LISTENER_EVENTS(TRI_TRACE_OF_LISTENER)

extern const struct tr_behavior tri_listener_behavior; /* its argument is a struct tri_bound */

/* Takes the descriptor of the bound on success. TR_OK, TR_ENOMEM, TR_EEXIST, TR_ESTOPPING. */
tr_status tri_listener_spawn(struct tri_net *net, struct tri_bound *bound, tr_ref *out);

/* A listener of this worker looks what its members want. */
void tri_listener_look(tr_actor *actor);

/* dealing.c */

/* An accepted descriptor, which is taken: to a server's worker, or closed if none wants it. peer: if somebody asks. */
void tri_listener_deal(struct tri_listener *listener, int fd, const struct sockaddr *peer);

/* One that a branch has accepted and cannot give to its own server. */
void tri_listener_deal_forwarded(struct tri_listener *listener, int fd);

/* One that was dealt and has not begun. Takes it. */
void tri_listener_deal_again(struct tri_listener *listener, struct tri_handover *handover);

/* Does somebody ask where connections come from? */
bool tri_listener_asks_peer(const struct tri_listener *listener);

/* As the server wants it. */
void tri_dealer_set_delay(const struct tri_bound *bound, const struct tri_deal *deal, int fd);

#define TRI_POLICY_SYSTEM 6 /* in traces: no policy of ours */

/*
 * Gives a connection to a server that has admitted it: by a call, after which everything may have changed, or by a
 * message. TR_OK: it is taken.
 */
tr_status tri_dealer_hand_over(const struct tri_dealer *dealer, struct tri_deal *deal,
                               const struct tri_arrival *arrival, tr_ref listener);

/* Does a server, or anybody, want connections? */
enum tri_demand {
    TRI_DEMAND_NONE,
    TRI_DEMAND_LATER, /* the loops of all who do are too far behind now */
    TRI_DEMAND_NOW,
};
enum tri_demand tri_deal_demand(struct tri_deal *deal, const struct tri_worker *worker);
enum tri_demand tri_listener_demand(const struct tri_listener *listener);

#endif
