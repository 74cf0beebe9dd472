/*
 * The state of a server's actor, and what its flags say.
 *
 *   phase            flags                    who sets them
 *   idle             none
 *   listening        LISTENING_DUE            listening.c, until the event is given
 *   closing          CLOSING                  server_close.c; until the last connection has ended, or it listens again
 *   asked to stop    ENDING, LAST_WORDS       server_close.c
 *   gone             GONE                     server_close.c
 *   at any time      INSIDE, LIVE             due.c
 *                    BACKGROUND               server_info.c
 *
 * Thread: the worker of the server.
 */
#ifndef TROUPE_NET_SERVER_STATE_H
#define TROUPE_NET_SERVER_STATE_H

#include "bind.h"
#include "bound.h"
#include "questions.h"

#include <troupe/actors/host.h>
#include <troupe/net/server.h>
#include <troupe/net/trace.h>

enum tri_server_flag {
    TRI_SERVER_LISTENING_DUE = 1 << 0, /* the listening event is to be given */
    TRI_SERVER_CLOSING = 1 << 1,       /* closed; close is due when the last connection has ended */
    TRI_SERVER_ENDING = 1 << 2,        /* the actor ends after its close event whatever options.keep says */
    TRI_SERVER_INSIDE = 1 << 3,        /* a callback of it runs: what is due waits for its end */
    TRI_SERVER_GONE = 1 << 4,          /* it has let go of everything */
    TRI_SERVER_BACKGROUND = 1 << 5,    /* it does not keep the program alive */
    TRI_SERVER_LIVE = 1 << 6,          /* it is counted among those that do */
    TRI_SERVER_LAST_WORDS = 1 << 7,    /* the actor ends as soon as the errors that are due are given */
};

struct tri_listen_waiter; /* waiter.h */
struct tri_drain;         /* drain.c */

/* A host that is looked up. */
struct tri_host_lookup {
    tri_lookup *lookup;
    uint16_t port;
    struct tri_bound_wish wish; /* but the address */
};

/* An error event that is due. */
struct tri_server_error {
    struct tr_error error;
    uint64_t after_closes; /* so many close events were due, in all its life, when it happened */
};

/* The state of a server's actor. Everything is the owner's. */
struct tr_server {
    tr_actor *actor;
    const struct tr_server_events *events; /* never NULL */
    struct tri_net *net;
    struct tri_deal *deal;
    struct tri_share *share;          /* of its own worker */
    struct tri_member *member;        /* of a listener; NULL: it is not listening */
    tr_ref listener;                  /* the last one, which may be gone */
    unsigned leaving;                 /* members that listeners have not given back yet */
    struct tri_timer pause;           /* of a paused one; not started: until it is resumed */
    struct tri_host_lookup *lookup;   /* NULL: no name is looked up */
    struct tri_listen_waiter *waiter; /* NULL: nobody waits */
    struct tri_drain *drain;          /* NULL: it has never drained */
    struct tri_later later;
    uint32_t flags;                       /* enum tri_server_flag */
    uint64_t closes_caused, closes_given; /* close events; those between are due: due.c */
    struct tri_server_error *errors;      /* those that are due */
    uint32_t errors_due, errors_room;     /* there is always room for the next listening to fail */
    tr_status outcome;                    /* of the last listening that failed */
    struct tr_address address;            /* while it listens */
    uint64_t complain_ms;                 /* when a failing accept may be an event again, of the clock */
    uint64_t failures_heard;              /* lost connections that were told */
    uint64_t lookups;                     /* begun so far: the token of the last one */
};

static inline void
tri_server_clear(tr_server *server, uint32_t flags)
{
    server->flags &= ~flags;
}

/* Is it listening, or about to? */
static inline bool
tri_server_is_open(const tr_server *server)
{
    return server->member != NULL || server->lookup != NULL;
}

static inline struct tri_worker *
tri_server_worker(const tr_server *server)
{
    return server->net->worker;
}

/* tri_trace_server_listening(server, port) and its like: of each row of the table. */
#define TRI_TRACE_OF_SERVER(id, name, actor, flags, arg, message, doc)                                                 \
    TRI_TRACE_FUNCTION_OF(TRI_CATEGORY_SERVERS, tr_server, tri_server_worker, id, name, flags, arg, message)
TRI_TRACE_SERVER_EVENTS(TRI_TRACE_OF_SERVER)

/* At the beginning of each public function of a server: see TRI_CHECK_SELF(). NULL is no mistake here. */
#ifdef NDEBUG
#define TRI_CHECK_SERVER(server) ((void)0)
#else
#define TRI_CHECK_SERVER(server) tri_server_check(server, __func__)
void tri_server_check(const tr_server *server, const char *function);
#endif

#endif
