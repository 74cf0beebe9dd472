/*
 * A server as its own files see it, and who does what.
 *
 *   server.c    life: spawn, settle, close, end; the public functions that only look or set
 *   listen.c    from the options to a listening descriptor: look-up, then bind.c
 *   listener.c  the descriptor that accepts: poll, accept4, pausing when descriptors run out
 *   dealer.c    who gets a connection, and how many there are
 *   deal.c      the connections on all workers
 */
#ifndef TROUPE_NET_SERVER_INTERNAL_H
#define TROUPE_NET_SERVER_INTERNAL_H

#include "address_internal.h"
#include "deal.h"
#include "tags.h"
#include "trace_events.h"
#include "worker_net.h"

#include <assert.h>
#include <stddef.h>
#include <troupe/actors/host.h>
#include <troupe/core/status_from.h>
#include <troupe/net/server.h>

enum tri_server_flag {
    TRI_SERVER_LISTENING_DUE = 1 << 0, /* the listening event is to be given */
    TRI_SERVER_ERROR_DUE = 1 << 1,     /* the error event is to be given */
    TRI_SERVER_CLOSING = 1 << 2,       /* closed; close is due when the last connection has ended */
    TRI_SERVER_ENDING = 1 << 3,        /* the actor ends after its close event whatever options.keep says */
    TRI_SERVER_INSIDE = 1 << 4,        /* a callback of it runs: what is due waits for its end */
    TRI_SERVER_SHARED = 1 << 5,        /* the shares on other workers are spawned */
    TRI_SERVER_GONE = 1 << 6,          /* it has let go of everything */
    TRI_SERVER_DISMISSED = 1 << 7,     /* the shares on other workers get nothing any more */
};

/* A thread outside that waits in tr_runtime_listen(). */
struct tri_listen_waiter {
    uv_mutex_t lock;
    uv_cond_t changed;
    bool over;
    tr_status status;
    struct tr_address address;
};

/* What the init callback is given. */
struct tri_server_order {
    const struct tr_server_options *options;
    const struct tr_listen_options *listen; /* NULL: not yet */
    struct tri_listen_waiter *waiter;       /* with listen */
};

/* The state of a server's actor. Everything is the owner's. */
struct tr_server {
    tr_actor *actor;
    const struct tr_server_events *events; /* never NULL */
    struct tri_net *net;
    struct tri_deal *deal;
    struct tri_share *share;          /* of its own worker */
    struct tri_listener *listener;    /* NULL: it is not listening */
    struct tri_listen_lookup *lookup; /* NULL: no name is looked up */
    struct tri_listen_waiter *waiter; /* NULL: nobody waits */
    struct tri_later later;
    uint32_t flags;             /* enum tri_server_flag */
    uint32_t closes_due;        /* close events to be given */
    uint32_t max_connections;   /* 0: no limit */
    struct tr_error error;      /* ERROR_DUE */
    struct tr_address address;  /* while it listens */
    uint64_t sequence;          /* connections dealt out */
    uint64_t error_reported_ms; /* when accept last failed with an event; 0: never */
    uint64_t *dealt;            /* to each worker */
    uint32_t *loads;            /* scratch, for the policy */
    tr_ref *shares;             /* on each worker; TR_NOBODY: on none, or its own */
};

/* server.c */

extern const struct tr_behavior tri_server_behavior; /* its argument is a struct tri_server_order */

/* TR_OK, TR_EBADLIMIT. Thread: any. */
tr_status tri_server_check_options(const struct tr_server_options *options);

/* Brackets a callback of the server that comes from libuv. After leave the server may be gone. */
struct tri_actor_frame tri_server_enter(tr_server *server, uint32_t tag);
void tri_server_leave(tr_server *server, struct tri_actor_frame frame);

/* An event is to be given, as soon as the server's callbacks have returned. */
void tri_server_due(tr_server *server);

/* Reports that accepting failed, unless that was reported just now. */
void tri_server_complain(tr_server *server, int error);

/* Stops listening; the close event follows when the last connection has ended. */
void tri_server_shut(tr_server *server);

/* dealer.c */

/* An accepted descriptor, which is taken: to a worker, or closed if there are too many. */
void tri_server_deal(tr_server *server, int fd);

/* Connections assigned and not closed yet. */
uint32_t tri_server_count(const tr_server *server);

/* Are the last events of all connections over? */
bool tri_server_is_drained(const tr_server *server);

/* Shares on all other workers, once. A worker that cannot have one gets no connections. */
void tri_server_spawn_shares(tr_server *server);

/* They may go: nothing more comes to them. */
void tri_server_dismiss_shares(tr_server *server);

static inline void
tri_server_trace(const tr_server *server, uint16_t id, uint32_t arg, uint64_t message)
{
    struct tri_trace_stream *stream = server->net->worker->trace;
    if (TRI_UNLIKELY(stream != NULL))
        tri_trace_write(stream, id, 0, arg, tr_self(server->actor), message);
}

static inline void
tri_server_check(const tr_server *server)
{
    assert(tri_worker_current() == server->net->worker);
    (void)server;
}

/* remote.c */
void tri_remote_to_server(tr_server *server, tr_message *message);

/* listen.c */

/* The thread outside that waits, if there is one, goes on. */
void tri_server_tell_waiter(tr_server *server, tr_status status);

/* Forgets a look-up that may be running. */
void tri_listen_forget(tr_server *server);

/* bind.c */

struct tri_bind_options {
    int backlog;
    bool ipv6_only;
    bool no_delay; /* accepted sockets inherit these from the descriptor that listens */
    bool keep_alive;
    uint64_t keep_alive_delay_ms;
};

/* A listening descriptor, non-blocking and closed on exec. error tells what failed. */
tr_status tri_bind(const struct sockaddr_storage *address, const struct tri_bind_options *options, int *fd,
                   struct tr_error *error);

/* listener.c */

/* Accepts from a descriptor, which is taken. NULL without memory: then it is still the caller's. */
struct tri_listener *tri_listener_open(tr_server *server, int fd);

/* Closes the descriptor and stops. */
void tri_listener_close(struct tri_listener *listener);

#endif
