/*
 * Servers: a bound address, and connections dealt out over the workers.
 *
 * A server is an actor. It owns the listening descriptor, accepts, chooses a worker for each connection and sends it
 * there, where it becomes a socket actor. `connection` is called inside that new actor, on its worker: a server
 * with four workers may be calling it four times at once, so what those calls share must be shared as actors share.
 *
 * Connections are numbered in the order in which the server accepts them (tr_socket_number()), and each worker tells
 * its own in that order. Between workers there is no order.
 *
 * The order of events is that of Node's net.Server: 'listening' or 'error' after listen; 'connection' for each
 * connection; 'close' when the server was closed and the close callback of its last connection has returned, on
 * whatever worker. An 'error' is not followed by 'close' (v10). Running out of descriptors is an 'error' too, whose
 * call is "accept": the server pauses and goes on by itself when there are some again. So is a connection that was
 * accepted and lost, on whatever worker, for lack of memory. Of these at most one is told in a second. A descriptor
 * that does not listen any more, since another process has shut it down, is such an error, followed by 'close'.
 *
 * tr_runtime_stop() closes a server, after its connections: socket.h says what becomes of these. Who waits in the
 * system's backlog then is not served. 'close' comes when the last connection has ended, unless that takes longer than
 * the deadline: then the server is killed without it.
 */
#ifndef TROUPE_NET_SERVER_H
#define TROUPE_NET_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/core/declare.h>
#include <troupe/net/balance.h>
#include <troupe/net/socket.h>

TR_DECLARATIONS_BEGIN

typedef struct tr_server tr_server; /* opaque */

#define TR_BACKLOG_DEFAULT 511 /* not 512 (document v10) */

struct tr_server_events {
    void (*listening)(tr_server *server);
    void (*error)(tr_server *server, const struct tr_error *error);
    void (*close)(tr_server *server);
    void (*message)(tr_server *server, tr_message *message); /* of another actor, other than those of remote.h */
};

struct tr_block_list;

struct tr_server_options {
    /* A new connection; runs inside its actor. Its data is options.data until it sets its own. May be NULL. With
     * socket.owner the owner gets a TR_EVENT_CONNECTION instead. */
    void (*connection)(tr_socket *socket);
    struct tr_socket_options socket;       /* of every new connection; without `data`, its data is the server's */
    const struct tr_server_events *events; /* may be NULL */
    void *data;                            /* tr_server_data(), and tr_socket_data() of new sockets */
    bool pause_on_connect;                 /* new connections read nothing until tr_socket_resume() (v10) */
    uint32_t max_connections;              /* further ones are accepted and closed at once; 0: no limit */
    tr_balance_policy balance;             /* default tr_balance_least_loaded */
    bool keep; /* true: the server's actor outlives its close event and can listen again at any time */

    /* Peers whose address is on this list are closed before `connection`. The server holds it, and freezes it; NULL:
     * none. */
    struct tr_block_list *block_list;

    /* How many connections may come from one address at a time; 0: any number. Of IPv6 the first prefix_ipv6 bits are
     * one address, by default 64, since a subscriber has that many. Unix sockets have no address and no limit. */
    uint32_t max_per_address;
    unsigned prefix_ipv6;
};

/*
 * What to listen on: `server`, a descriptor, a port or a path, the first of them that is given. Port 0 without a host
 * must be meant, so it is to be said with any_port: TR_ENOADDRESS otherwise.
 */
struct tr_listen_options {
    /* What another server on this worker listens on (v0.10, v10). Connections come to the newer one until it closes. */
    const tr_server *server;

    /* A descriptor that is bound, whether or not it listens (listenFD, all eras up to v0.5; {fd}, v0.10 on). It is
     * taken if the call succeeds, made non-blocking and closed on exec. */
    bool from_fd;
    int fd;

    /* A unix socket (all eras), unless there is a port (v10). "@name" is an abstract name (Linux). */
    const char *path;
    bool readable_all;  /* all users may read the path (v10) */
    bool writable_all;  /* all users may write to it, which is connecting (v10) */
    bool truncate_path; /* a path that is too long is cut, as the v10 document says, in place of TR_ENAMETOOLONG */
    bool unlink_stale;  /* a socket file there which no process serves is replaced; the file counts, not its name */

    /* TCP. */
    const char *host; /* an address or a name; default "::", which takes IPv4 too, or "0.0.0.0" without IPv6 (v10) */
    uint16_t port;
    bool any_port;  /* the system chooses, see tr_server_address(); not needed with a host */
    bool ipv6_only; /* "::" takes no IPv4 */

    int backlog; /* default TR_BACKLOG_DEFAULT; the system may shorten it */
};

/*
 * From outside the runtime: makes a server and listens, and waits until it does or has failed.
 *
 * Owner:   the runtime's. out gets the name, bound the address (with the port that the system chose); both may be NULL.
 * Thread:  any that is no worker.
 * Returns: what tr_server_spawn() and tr_server_listen() return; TR_EINVAL (options.server, or a block list that is not
 *          frozen); TR_EWRONGTHREAD; what listening answers: TR_EADDRINUSE, TR_EACCES, TR_EADDRNOTAVAIL,
 *          TR_ENOTFOUND... On failure nothing is left of the server, and the status stands for the error event.
 */
tr_status tr_runtime_listen(struct tr_runtime *runtime, const struct tr_server_options *server,
                            const struct tr_listen_options *listen, tr_ref *out, struct tr_address *bound);

/*
 * Makes a server on the worker of self, as its child. It does nothing until tr_server_listen().
 * Owner: the runtime's; *out is valid until its close callback has returned (unless that listens again, be it in vain),
 * with options.keep until it is stopped.
 * Thread: owner of self. Returns: TR_OK; TR_EINVAL; TR_EBADLIMIT (a time that is too long, prefix_ipv6 above 128);
 *         TR_EBADREF (socket.owner); TR_EBADENCODING; TR_EBADSTATE (socket.state_size); TR_ENOMEM; TR_ESTOPPING.
 * Document: net.createServer (all eras).
 */
tr_status tr_server_spawn(tr_actor *self, const struct tr_server_options *options, tr_server **out);

/*
 * Begins to listen; the listening or error event comes after the call has returned. After an error, or after close with
 * options.keep, it may be called again.
 * Thread: owner. Returns: TR_OK; TR_EINVAL; TR_ENOADDRESS; TR_EBADHOST; TR_EBADPATH; TR_ENAMETOOLONG; TR_EBADLIMIT
 *         (backlog); TR_EBADF, TR_EBADFD (fd: no descriptor, or no stream socket); TR_EEXIST (fd is another server's of
 *         this worker); TR_ENOADDRESS (also: server does not listen); TR_ENOTSUPPORTED (abstract names here);
 *         TR_EALREADYLISTENING; TR_ENOMEM; TR_ESTOPPING (it was asked to stop).
 * Document: server.listen, server.listenFD (all eras).
 */
tr_status tr_server_listen(tr_server *server, const struct tr_listen_options *options);

/*
 * Stops accepting; connections go on. The close event comes when the last one has ended, unless it listens again
 * before.
 * Thread: owner. Returns: TR_OK; TR_EINVAL; TR_ENOTLISTENING (a close event comes all the same, as in Node).
 * Document: server.close (all eras).
 */
tr_status tr_server_close(tr_server *server);

/*
 * Accepts nothing for so long; 0: until tr_server_resume(). Connections wait in the system's backlog meanwhile. A later
 * call takes the place of an earlier one. It ends with the listening.
 * Thread: owner. Returns: TR_OK; TR_EINVAL; TR_ENOTLISTENING; TR_EBADLIMIT (above 2^31 - 1); TR_ENOMEM.
 * Document: server.pause (v0.5; its default of 1000 is TR_PAUSE_DEFAULT_MS).
 */
tr_status tr_server_pause(tr_server *server, uint64_t pause_ms);
#define TR_PAUSE_DEFAULT_MS 1000u

/* Accepts again. Thread: owner. Returns: TR_OK; TR_EINVAL; TR_ENOTLISTENING. */
tr_status tr_server_resume(tr_server *server);

/*
 * A background server does not keep tr_runtime_wait_idle() waiting. Thread: owner.
 * Document: server.unref (true), server.ref (false) (v0.10, v10).
 */
void tr_server_set_background(tr_server *server, bool background);

/*
 * Another block list for connections from now on; NULL: none. The server holds it, and freezes it if that is not done
 * yet: other rules are another list. Thread: owner. Returns: TR_OK; TR_EINVAL; TR_ENOMEM (the list before stays).
 */
tr_status tr_server_set_block_list(tr_server *server, struct tr_block_list *list);

/* The bound address. Thread: owner. Returns: TR_OK; TR_EINVAL; TR_ENOTLISTENING. Document: server.address (all). */
tr_status tr_server_address(const tr_server *server, struct tr_address *out);

/* Is it listening? Thread: owner. Document: server.listening (v10). */
bool tr_server_listening(const tr_server *server);

/* Connections assigned and not closed yet, on all workers. Thread: owner.
 * Document: server.connections (all eras), server.getConnections (v0.10, v10). */
uint32_t tr_server_connections(const tr_server *server);

/* Changes the limit for connections from now on; 0: none. Thread: owner. Document: server.maxConnections (all eras). */
void tr_server_set_max_connections(tr_server *server, uint32_t max_connections);

/* Connections that each worker was assigned since the beginning, into counts[0..n-1]; returns how many workers there
 * are. Thread: owner. */
unsigned tr_server_dealt(const tr_server *server, uint64_t *counts, unsigned n);

/* Connections that nobody got, since the server's beginning, by the reason. The peer saw an end or a reset. */
struct tr_server_refusals {
    uint64_t blocked;      /* the peer was on the block list */
    uint64_t over_limit;   /* max_connections were there */
    uint64_t over_address; /* max_per_address were there from its address */
    uint64_t lost;         /* no memory for it, or no more descriptors to be polled: on any worker */
};

/*
 * How many there were. Exact, but for what other workers have lost within the last moment. Connections that wait in the
 * system's backlog are in none of these, nor are those that are closed as the runtime stops.
 * Thread: owner. NULL: zeroes.
 */
void tr_server_refusals(const tr_server *server, struct tr_server_refusals *out);

/* The user's pointer. Thread: owner. */
void *tr_server_data(const tr_server *server);

/* The server's actor, for tr_send() and its kin. Thread: owner. */
tr_actor *tr_server_actor(tr_server *server);

/* The server's name, for others. Thread: owner. */
tr_ref tr_server_ref(const tr_server *server);

TR_DECLARATIONS_END
#endif
