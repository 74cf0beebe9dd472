/*
 * A server as its own files see it, and who does what.
 *
 *   server.c          life: spawn, settle, close, end; the public functions that only look or set
 *   listen.c          from the options to a descriptor that listens
 *   listen_tcp.c      from a host and a port to one: look-up, then bind.c
 *   listen_outside.c  the same for a thread outside, which waits
 *   unix_path.c       the path of a unix socket
 *   endpoint.c        the descriptor, and the servers that share it
 *   listener.c        accepting: one server's part in an endpoint; pausing
 *   dealer.c          who gets a connection, who gets none, and how many there are
 *   deal.c, share_actor.c  the connections on all workers
 *   address_limits.c  how many connections come from each address
 */
#ifndef TROUPE_NET_SERVER_INTERNAL_H
#define TROUPE_NET_SERVER_INTERNAL_H

#include "address_internal.h"
#include "address_limits.h"
#include "bind.h"
#include "deal.h"
#include "resolver.h"
#include "tags.h"
#include "trace_events.h"
#include "unix_path.h"
#include "worker_net.h"

#include <assert.h>
#include <stddef.h>
#include <troupe/actors/host.h>
#include <troupe/core/status_from.h>
#include <troupe/net/server.h>

enum tri_server_flag {
    TRI_SERVER_LISTENING_DUE = 1 << 0, /* the listening event is to be given */
    TRI_SERVER_CLOSING = 1 << 1,       /* closed; close is due when the last connection has ended */
    TRI_SERVER_ENDING = 1 << 2,        /* the actor ends after its close event whatever options.keep says */
    TRI_SERVER_INSIDE = 1 << 3,        /* a callback of it runs: what is due waits for its end */
    TRI_SERVER_GONE = 1 << 4,          /* it has let go of everything */
    TRI_SERVER_DISMISSED = 1 << 5,     /* the shares on other workers get nothing any more */
    TRI_SERVER_BACKGROUND = 1 << 6,    /* it does not keep the program alive */
    TRI_SERVER_LIVE = 1 << 7,          /* it is counted among those that do */
    TRI_SERVER_LAST_WORDS = 1 << 8,    /* the actor ends as soon as the errors that are due are given */
};

/* A descriptor that listens. */
struct tri_endpoint {
    uv_poll_t poll;
    struct tri_net *net;
    struct tri_unix_path *path;  /* the file that goes with it; NULL: none of ours */
    struct tri_listener *newest; /* gets the connections; NULL: it is closed */
    int fd;
    bool polled;
    bool no_delay; /* what is accepted from it has no delay already */
};

/* One server's part in an endpoint; part of its struct tr_server. */
struct tri_listener {
    struct tri_endpoint *endpoint;      /* NULL: it is not listening */
    struct tri_listener *older, *newer; /* of the same endpoint */
    struct tri_timer retry;             /* of a starved one */
    struct tri_timer pause;             /* of a paused one; not started: until it is resumed */
    bool starved;                       /* descriptors or memory have run out */
    bool paused;                        /* it was asked to */
};

/* A thread outside that waits in tr_runtime_listen(). */
struct tri_listen_waiter;

/* What the init callback is given. */
struct tri_server_order {
    const struct tr_server_options *options;
    const struct tr_listen_options *listen; /* NULL: not yet */
    struct tri_listen_waiter *waiter;       /* with listen */
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
    struct tri_share *share; /* of its own worker */
    struct tri_listener listener;
    struct tri_host_lookup *lookup;   /* NULL: no name is looked up */
    struct tri_listen_waiter *waiter; /* NULL: nobody waits */
    struct tri_later later;
    uint32_t flags;                       /* enum tri_server_flag */
    uint32_t max_connections;             /* 0: no limit */
    struct tr_block_list *block_list;     /* held, frozen; NULL: none */
    struct tri_limits limits;             /* by address, with options.max_per_address */
    uint64_t closes_caused, closes_given; /* close events; those between are due */
    struct tri_server_error *errors;      /* those that are due */
    uint32_t errors_due, errors_room;     /* there is always room for the next listening to fail */
    tr_status outcome;                    /* of the last listening that failed */
    struct tr_address address;            /* while it listens */
    uint64_t sequence;                    /* connections dealt out: the number of the last one */
    uint64_t complain_ms;                 /* when a failing accept may be an event again, of the clock */
    uint64_t failures_heard;              /* lost connections that were told */
    struct tr_server_refusals refusals;   /* those that it refused itself */
    uint64_t lookups;                     /* begun so far: the token of the last one */
    uint64_t *dealt;                      /* to each worker */
    uint32_t *loads;                      /* scratch, for the policy */
    tr_ref *shares;                       /* on each worker; TR_NOBODY: on none, or its own */
    struct tri_dismissal **dismissals;    /* of each that was not sent NO_MORE */
};

/* server.c */

extern const struct tr_behavior tri_server_behavior; /* its argument is a struct tri_server_order */

/* TR_OK, TR_EINVAL, TR_EBADLIMIT, TR_EBADREF, TR_EBADENCODING, TR_EBADSTATE. Thread: any. */
tr_status tri_server_check_options(const struct tr_runtime *runtime, const struct tr_server_options *options);

/* Brackets a callback of the server that comes from libuv. After leave the server may be gone. */
struct tri_actor_frame tri_server_enter(tr_server *server, uint32_t tag);
void tri_server_leave(tr_server *server, struct tri_actor_frame frame);

/* An event is to be given, as soon as the server's callbacks have returned. */
void tri_server_due(tr_server *server);

/* Room for the error of a listening that is about to begin. TR_OK, TR_ENOMEM. */
tr_status tri_server_reserve_error(tr_server *server);

/* Listening has failed: the error event is due, or a thread outside gets to know. There is room for it. */
void tri_server_failed(tr_server *server, tr_status status, int system, const char *call);

/* An operation that another actor asked for was refused: the error event is due, with that call. */
void tri_server_refused(tr_server *server, tr_status status, const char *call);

/* Reports that accepting failed, unless that was reported just now. */
void tri_server_complain(tr_server *server, tr_status status, int system);

/* Counts it among those that keep the program alive, or no more, as its state says. */
void tri_server_count_live(tr_server *server);

/* Stops listening; the close event follows when the last connection has ended. */
void tri_server_shut(tr_server *server);

static inline void
tri_server_clear(tr_server *server, uint32_t flags)
{
    server->flags &= ~flags;
}

/* Is it listening, or about to? */
static inline bool
tri_server_is_open(const tr_server *server)
{
    return server->listener.endpoint != NULL || server->lookup != NULL;
}

/* dealer.c */

/* Does it ask where its connections come from? */
bool tri_server_asks_peer(const tr_server *server);

/* An accepted descriptor, which is taken: to a worker, or closed if it is not wanted. peer: if the server asks. */
void tri_server_deal(tr_server *server, int fd, const struct sockaddr *peer);

/* Connections that were lost before they came to life, on any worker: tells of them, if there are more; how many. */
void tri_server_hear_failures(tr_server *server);
uint64_t tri_server_failures(const tr_server *server, tr_status *why);

/* Connections assigned and not closed yet. */
uint32_t tri_server_count(const tr_server *server);

/* Are the last events of all connections over? */
bool tri_server_is_drained(const tr_server *server);

/* Shares on all other workers that have none. A worker that cannot have one gets no connections. */
void tri_server_spawn_shares(tr_server *server);

/* They may go: nothing more comes to them. */
void tri_server_dismiss_shares(tr_server *server);

/* A share stops: it gets a successor, unless the runtime stops. false: it does. */
bool tri_server_replace_share(tr_server *server, tr_ref share);

/* A share was not born. false: it was an actor of the user's. */
bool tri_server_share_failed(tr_server *server, tr_ref share);

static inline void
tri_server_trace(const tr_server *server, uint16_t id, uint16_t flags, uint32_t arg, uint64_t message)
{
    struct tri_trace_stream *stream = server->net->worker->trace;
    if (TRI_UNLIKELY(stream != NULL))
        tri_trace_write(stream, id, flags, arg, tr_self(server->actor), message);
}

/* At the beginning of each public function of a server: see TRI_CHECK_SELF(). NULL is no mistake here. */
#ifdef NDEBUG
#define TRI_CHECK_SERVER(server) ((void)0)
#else
#define TRI_CHECK_SERVER(server) tri_server_check(server, __func__)
void tri_server_check(const tr_server *server, const char *function);
#endif

/* listen.c */

/* Are these options in order? Returns as tr_server_listen(). Thread: any. */
tr_status tri_listen_check_options(const struct tr_listen_options *options);

/* A descriptor that listens, with its path, which may be NULL; both are taken. It listens, or has failed. */
void tri_listen_opened(tr_server *server, int fd, struct tri_unix_path *path);

static inline int
tri_listen_backlog(const struct tr_listen_options *options)
{
    return options->backlog > 0 ? options->backlog : TR_BACKLOG_DEFAULT;
}

/* listen_outside.c */

/* The thread outside that waits, if there is one, goes on. */
void tri_server_tell_waiter(tr_server *server, tr_status status);

/* listen_tcp.c */

/* TR_OK: it listens, has failed, or the host is being looked up. TR_ENOMEM: nothing happened. */
tr_status tri_listen_tcp(tr_server *server, const struct tr_listen_options *options);

/* The resolver's answer. */
void tri_listen_looked_up(tr_server *server, tr_message *message);

/* Forgets a look-up that may be running. */
void tri_listen_forget(tr_server *server);

/* endpoint.c */

/* An endpoint of a descriptor, without a listener. Takes descriptor and path on success. TR_OK, TR_ENOMEM,
 * TR_EEXIST... */
tr_status tri_endpoint_open(struct tri_net *net, int fd, struct tri_unix_path *path, struct tri_endpoint **out);

/* Closes one without a listener. */
void tri_endpoint_close(struct tri_endpoint *endpoint);

/* A listener comes as the newest, or goes; the last one closes the endpoint. */
void tri_endpoint_join(struct tri_endpoint *endpoint, struct tri_listener *listener);
void tri_endpoint_leave(struct tri_listener *listener);

/* Waits for connections or not, as the newest wants it. */
void tri_endpoint_poll(struct tri_endpoint *endpoint);

/* listener.c */

/* Accepts, as the endpoint's newest. */
void tri_listener_open(tr_server *server, struct tri_endpoint *endpoint);

/* Stops. On one that is not listening it does nothing. */
void tri_listener_close(tr_server *server);

/* Connections wait: accepts some. */
void tri_listener_readable(struct tri_listener *listener);

/* Does it want connections? */
static inline bool
tri_listener_accepts(const struct tri_listener *listener)
{
    return listener != NULL && !listener->starved && !listener->paused;
}

#endif
