/*
 * Servers: a bound address, and connections dealt out over the workers.
 *
 * A server is an actor. Each bound address has a listener, an actor of the library's, which accepts, chooses a worker
 * for each connection and sends it there, where it becomes a socket actor. `connection` is called inside that new
 * actor, on its worker: with four workers it may run four times at once, so what these calls share must be shared as
 * actors share.
 *
 * Servers share an address, as the workers of Node's cluster do (cluster.md, "How it works"), when their connections
 * live on different workers and none of them is `exclusive`: typically a server on each worker, with `own_worker`, and
 * what it needs beside it. A port that the system chose is one for all of them. The listener is independent of any
 * server's life: it closes the descriptor with the last one. What it dealt to a server that has closed since, and that
 * has not begun there, goes to another, and without others begins where it was to go. A server that refuses a
 * connection leaves it to the others; one that all refuse is counted by one of them.
 *
 * Connections are numbered in the order in which the server accepts them (tr_socket_number()). On each worker
 * `connection` comes in the order of these numbers, but not with options.proxy or options.tls. Between workers there is
 * no order.
 *
 * Events, in the order of Node's net.Server:
 *   - 'listening' or 'error' after listen;
 *   - 'connection' for each connection;
 *   - 'close' when the server was closed and the close callback of its last connection has returned, on any worker.
 *     An 'error' is not followed by 'close', except as said below.
 *
 * Errors while it listens, whose call is "accept"; at most one in a second is reported:
 *   - Descriptors have run out: the server pauses, and continues by itself when there are some again.
 *   - A connection was accepted and lost for lack of memory, on any worker.
 *   - The descriptor does not listen any more, because another process has shut it down, or somebody has killed the
 *     listener (TR_ECANCELED). 'close' follows.
 *
 * tr_runtime_stop() closes a server, after its connections: socket.h says what happens to these. Connections that are
 * still in the system's backlog are not served. 'close' comes when the last connection has ended; if that takes longer
 * than the deadline, the server is killed without it.
 *
 * Memory:  a pointer is borrowed for the call, unless its function says otherwise.
 * NULL:    functions that return a status return TR_EINVAL for a NULL that they need; the others do nothing, or return
 *          zero.
 * Thread:  "owner" is the worker on which the object lives, "any" is every thread, "setup" is one thread before the
 *          workers start or after they have ended.
 */
#ifndef TROUPE_NET_SERVER_H
#define TROUPE_NET_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/core/declare.h>
#include <troupe/net/balance.h>
#include <troupe/net/proxy.h>
#include <troupe/net/socket.h>
#include <troupe/net/tls.h>

TR_DECLARATIONS_BEGIN

typedef struct tr_server tr_server; /* opaque */
struct tr_group;

#define TR_BACKLOG_DEFAULT 511 /* as Node's */

/* A handshake that has failed. */
struct tr_handshake_failure {
    struct tr_address peer; /* where it comes from, whatever a PROXY header says */

    /* call is "handshake". TR_ETLS, with OpenSSL's reason as the code ("ERR_SSL_NO_SHARED_CIPHER"), for what is wrong
     * with the protocol, and for alerts of the client; TR_ETLSTIMEOUT; TR_ECONNRESET: the client has ended or reset the
     * connection; what tr_socket_verify_result() says of a client's certificate that must be good. */
    struct tr_error error;

    char server_name[256]; /* for which the client has asked (SNI), in lower case; "": for none, or not yet */
};

/*
 * Callbacks, each inside the server's actor. Any may be NULL. In each of them every function for the server may be
 * called, tr_server_close() too.
 * Memory:  the struct must outlive the server: usually it is a static constant.
 */
struct tr_server_events {
    /* The server listens; tr_server_address() has the address. Not if it was closed before this could be reported. */
    void (*listening)(tr_server *server);

    /* Listening has failed, or one of the errors at the top of this file. It may call tr_server_listen() again after a
     * failure to listen. error is valid during the call; copy the struct to keep it. */
    void (*error)(tr_server *server, const struct tr_error *error);

    /* The server was closed, and its last connection has ended. The server ends when this has returned, unless it calls
     * tr_server_listen() again, even if that fails, or options.keep is set. */
    void (*close)(tr_server *server);

    /* A message from another actor, other than the operations of remote.h. The callback has the message until it
     * returns. Without this callback such messages are dropped. */
    void (*message)(tr_server *server, tr_message *message);

    /* A handshake of a client has failed: options.tls. No `error` and no `connection` comes of it. failure is valid
     * during the call. Each is told once and before `close`, but when TR_HANDSHAKES_UNTOLD are waiting to be told, or
     * there is no memory, it is only counted (tr_server_refusals). */
    void (*handshake_failed)(tr_server *server, const struct tr_handshake_failure *failure);
};

#define TR_HANDSHAKES_UNTOLD 256u

struct tr_block_list;

struct tr_server_options {
    /* A new connection; runs inside its actor, on its worker. May be NULL. tr_socket_data() is options.data until it is
     * set. With socket.owner the owner gets a TR_EVENT_CONNECTION instead. */
    void (*connection)(tr_socket *socket);
    struct tr_socket_options socket;       /* of every new connection; without `data`, its data is the server's */
    const struct tr_server_events *events; /* may be NULL */
    void *data;                            /* tr_server_data(), and tr_socket_data() of new sockets */
    bool pause_on_connect;                 /* new connections read nothing until tr_socket_resume() */
    uint32_t max_connections;              /* further ones are accepted and closed at once; 0: no limit */
    tr_balance_policy balance;             /* default tr_balance_least_loaded; one for all that share an address */
    bool keep; /* true: the server's actor outlives its close event and can listen again at any time */

    /* The workers on which connections live, by number; NULL: all. The server's own worker need not be one of them.
     * What none of them can take, it takes itself. */
    const unsigned *workers;
    unsigned worker_count; /* how many numbers there are; twice the same does no harm */
    bool own_worker;       /* instead: on the server's own worker only */

    /* Sheds load: accepts nothing while the loops of all workers of its connections are behind by more than this, that
     * is, while they did not look at their descriptors for so long; 0: accepts always. Connections wait in the system's
     * backlog, and are accepted 10 ms after a worker has caught up, or earlier. */
    uint32_t overload_ms;

    /* Connections of peers whose address is on this list are closed before `connection`; NULL: none. The server holds
     * the list, and freezes it. */
    struct tr_block_list *block_list;

    /* How many connections there may be from one address at a time; 0: any number. Of an IPv6 address only the first
     * prefix_ipv6 bits count, up to 128, by default 64, because a subscriber usually has all addresses of such a
     * prefix. Unix sockets have no address and no limit. */
    uint32_t max_per_address;
    unsigned prefix_ipv6;

    /* Each connection begins with a header of the PROXY protocol: proxy.h says who may then be let in.
     *
     *   - `connection` comes when the header is complete; tr_socket_proxy() has it. It comes in the order in which the
     *     headers become complete.
     *   - A connection without a header of the versions that are taken, with one that is too long or malformed or comes
     *     too late, or whose peer ends before, is closed. The refusals count it, and it is no error of the server's.
     *   - What follows the header is the connection's data, from its first byte on, with pause_on_connect too.
     *     tr_socket_bytes_read() does not count the header. Descriptors that come with the header are closed.
     *   - A connection that waits for its header is one of the server's: it counts for max_connections,
     *     max_per_address, tr_server_connections() and the close event, and keeps the program running.
     *   - After tr_server_close() it may still be served. When the runtime stops it is closed at once, and counted
     *     nowhere. */
    struct tr_proxy_accept proxy;

    /* Each connection begins with a handshake of TLS, after its PROXY header if there is to be one.
     *
     *   - `connection` comes after the handshake, in the order in which handshakes end; so it can look at the peer, and
     *     no byte that it writes goes to another. With socket.emit_connect come then connect, secure and ready;
     *     without, none of them. So it is with socket.owner.
     *   - socket.no_delay says nothing: see tr_socket_set_no_delay().
     *   - A handshake that fails, or takes too long, is `handshake_failed` of the server and bad_tls of the refusals.
     *     Its alert is sent before the end of the connection, which waits up to TR_HANDSHAKE_LINGER_MS for that of the
     *     client.
     *   - The work of handshakes takes about a millisecond of each turn of a worker's loop, the rest is the next
     *     turn's: so however many clients come, connections go on.
     *   - Until the handshake is over, and its failure sent, a connection is one of the server's: it counts for
     *     max_connections, max_per_address, tr_server_connections() and the close event, keeps the program running, and
     *     is cut by tr_server_drain().
     *   - After tr_server_close() it may still be served. When the runtime stops it is closed at once, and counted
     *     nowhere. While options.memory_limit of the runtime is reached handshakes stand still. */
    struct tr_tls_accept tls;
};

#define TR_HANDSHAKE_LINGER_MS 500u

/* Who accepts the connections of an address. */
enum tr_accept_mode {
    /* Its listener, which deals them out by the servers' policy. The default: even, and all of it in the trace. */
    TR_ACCEPT_HANDOFF,

    /* Each worker for itself, from one descriptor that all have, one connection each time that it wakes; a worker that
     * has an eighth, and 32, more connections than the mean lets the others go first. No policy is asked. */
    TR_ACCEPT_SHARED_FD,

    /* Each worker for itself, from a descriptor and a backlog of its own, among which the system deals by a hash of the
     * addresses (SO_REUSEPORT, socket(7)). No policy is asked. What comes to a worker whose server has left is dealt to
     * the others. An address on which other processes have such a group is in use. TCP only. */
    TR_ACCEPT_REUSEPORT,
};

/*
 * What to listen on: `server`, a descriptor, a port or a path, the first of them that is given. Port 0 needs `host` or
 * any_port, so that a forgotten port is an error, TR_ENOADDRESS.
 */
struct tr_listen_options {
    /* What another server on this worker listens on. Connections come to the newer one until it closes. `exclusive` and
     * `accept` are the other's. */
    const tr_server *server;

    /* A descriptor of a stream socket that is bound, whether or not it listens. It is taken if the call succeeds, made
     * non-blocking and closed on exec. Servers that name the same one share it. */
    bool from_fd;
    int fd;

    /* A unix socket, unless there is a port. "@name" is an abstract name (Linux). */
    const char *path;
    bool readable_all;  /* all users may read the path */
    bool writable_all;  /* all users may write to it, that is, connect */
    bool truncate_path; /* a path that is too long is cut, instead of refused with TR_ENAMETOOLONG */
    bool unlink_stale;  /* a socket file there that no process serves is replaced; the file counts, not its name */

    /* TCP. */
    const char *host; /* an address or a name; default "::", which takes IPv4 too, or "0.0.0.0" without IPv6 */
    uint16_t port;
    bool any_port;  /* the system chooses, see tr_server_address(); not needed with a host */
    bool ipv6_only; /* "::" takes no IPv4 */

    int backlog; /* default TR_BACKLOG_DEFAULT; the system may shorten it */

    /* No other server shares the address: whoever comes later gets TR_EADDRINUSE, or with any_port another port. Others
     * share it if backlog, ipv6_only, readable_all, writable_all, accept and the server's balance are the same. */
    bool exclusive;
    enum tr_accept_mode accept;
};

/*
 * From outside the runtime: makes a server and listens, and waits until it listens or has failed. On failure nothing is
 * left of the server, and the status takes the place of the error event.
 *
 * Memory:  the server is the runtime's. out gets its name, bound its address (with the port that the system chose);
 *          both may be NULL. The options are copied with their texts; listen->fd is taken on success.
 * Thread:  any that is no worker.
 * Returns: TR_OK
 *          TR_EINVAL  NULL, listen->server is set, the block list is not frozen, no such socket.type, no such versions
 *                     of `proxy`, or workers without worker_count or the other way round
 *          TR_EBADLIMIT, TR_EBADWORKER, TR_EBADREF, TR_EBADENCODING, TR_EBADSTATE, TR_ETLSNOKEY, TR_EBADHANDLE: see
 *          tr_server_spawn()
 *          TR_ENOADDRESS, TR_EBADHOST, TR_EBADPATH, TR_ENAMETOOLONG, TR_ENOTSUPPORTED, TR_EBADF, TR_EBADFD, TR_EEXIST:
 *          see tr_server_listen()
 *          TR_EBACKLOGDIFFERS, TR_EIPV6ONLYDIFFERS, TR_ERIGHTSDIFFER, TR_EACCEPTDIFFERS, TR_EBALANCEDIFFERS: a server
 *          that shares the address has said otherwise
 *          TR_EMFILE        no more descriptors
 *          TR_EWRONGTHREAD  on a worker
 *          TR_ENOMEM
 *          TR_ESTOPPING     the runtime is stopping
 *          what listening answers: TR_EADDRINUSE, TR_EACCES, TR_EADDRNOTAVAIL, TR_ENOTFOUND...
 */
tr_status tr_runtime_listen(struct tr_runtime *runtime, const struct tr_server_options *server,
                            const struct tr_listen_options *listen, tr_ref *out, struct tr_address *bound);

/*
 * Makes a server on the worker of self, as its child. It does nothing until tr_server_listen().
 *
 * Memory:  the server is the runtime's. *out is valid until its close callback has returned (unless that calls
 *          tr_server_listen() again, even if it fails), with options.keep until it is stopped. The options are copied
 *          with their workers, what else they point to is not; the block list is held.
 * Thread:  owner of self.
 * Returns: TR_OK
 *          TR_EINVAL        NULL, no such socket.type, no such versions of `proxy`, own_worker with workers, or workers
 *                           without worker_count or the other way round
 *          TR_EBADLIMIT     a time of `socket` is too long, prefix_ipv6 is above 128, a limit of `proxy`, or
 *                           tls.handshake_timeout_ms
 *          TR_ETLSNOKEY     tls.context is a client's
 *          TR_EBADHANDLE    tls.context with socket.receive_fds: descriptors cannot come along with records
 *          TR_EBADWORKER    in workers: no number of a worker
 *          TR_EBADREF       socket.owner is not the name of an actor of this runtime
 *          TR_EBADENCODING  socket.encoding
 *          TR_EBADSTATE     socket.state_size is above 1 GiB
 *          TR_ENOTSUPPORTED tls.context, and Troupe was built without TLS
 *          TR_ENOMEM
 *          TR_ESTOPPING     the runtime is stopping
 */
tr_status tr_server_spawn(tr_actor *self, const struct tr_server_options *options, tr_server **out);

/*
 * Begins to listen. The listening or error event comes after the call has returned. It may be called again after an
 * error, in the close callback, and after close with options.keep.
 *
 * Memory:  the options are copied with their texts; options->fd is taken on success.
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL            NULL, options->server lives on another worker, or no such `accept`
 *          TR_ENOADDRESS        nothing to listen on, or options->server does not listen
 *          TR_EBADHOST          the host is empty, longer than 255 bytes, or has a blank or control character
 *          TR_EBADPATH          the path is empty, or "@" alone
 *          TR_ENAMETOOLONG      the path is too long
 *          TR_ENOTSUPPORTED     an abstract name, which this system does not have; or TR_ACCEPT_REUSEPORT of anything
 *                               but a host and a port
 *          TR_EBADLIMIT         backlog is below 0
 *          TR_EBADF             fd is no open descriptor
 *          TR_EBADFD            fd is no stream socket, is not bound, or is connected
 *          TR_EEXIST            a server of this worker has fd already
 *          TR_EALREADYLISTENING
 *          TR_ENOMEM
 *          TR_ESTOPPING         the server was asked to stop
 *          All else comes as an error event: TR_EADDRINUSE, TR_EACCES, TR_EADDRNOTAVAIL, TR_ENOTFOUND; or, call
 *          "listen", what differs from the servers that share the address: TR_EBACKLOGDIFFERS, TR_EIPV6ONLYDIFFERS,
 *          TR_ERIGHTSDIFFER, TR_EACCEPTDIFFERS, TR_EBALANCEDIFFERS
 */
tr_status tr_server_listen(tr_server *server, const struct tr_listen_options *options);

/*
 * Stops accepting, for this server; connections continue. The close event comes when the last one has ended, unless the
 * server listens again before. If nobody shares the address, that is free when the event comes.
 *
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL         NULL
 *          TR_ENOTLISTENING  a close event comes all the same, as in Node
 */
tr_status tr_server_close(tr_server *server);

/*
 * Takes leave of the connections: stops accepting as tr_server_close() does, gives each connection, on every worker,
 * the goaway event (events.h), and closes those that are left when deadline_ms have passed.
 *
 *   - A connection that was accepted and has not begun yet begins, and gets the event, too.
 *   - What is left at the deadline is ended as by tr_runtime_stop() (socket.h), with its linger_ms, unless bytes still
 *     wait to be written, or its owner has no credit left: then it is destroyed. With deadline_ms 0 that is at once.
 *   - The close event follows as always; in it tr_server_drained() says how they have ended.
 *   - Draining once more gives no event; it makes the time shorter, never longer. tr_server_close() meanwhile changes
 *     nothing. It may also follow a tr_server_close().
 *   - To listen again ends it: nothing is cut any more.
 *   - tr_runtime_stop() tells nobody, and ends each connection at once: who wants to say goodbye drains first, and
 *     stops the runtime when close has come. If it comes earlier, connections are stopped as always, and count as ended
 *     by themselves.
 *
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL         NULL
 *          TR_EBADLIMIT      deadline_ms is above 2^31 - 1
 *          TR_ENOTLISTENING  it neither listens nor waits for connections; a close event comes all the same
 *          TR_ENOMEM         nothing has changed
 */
tr_status tr_server_drain(tr_server *server, uint64_t deadline_ms);

/* What has become of the connections that were there when a drain began. */
struct tr_server_drained {
    uint64_t ended; /* by themselves */
    uint64_t cut;   /* at the deadline */
};

/*
 * How the last drain has ended, from the close event on, or since the server listens again; zeroes before, and for
 * NULL.
 * Thread:  owner.
 */
void tr_server_drained(const tr_server *server, struct tr_server_drained *out);

/*
 * Accepts nothing for pause_ms; 0: until tr_server_resume(). Connections wait in the system's backlog. A later call
 * replaces an earlier one. The pause ends when the server stops listening.
 *
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL         NULL
 *          TR_ENOTLISTENING
 *          TR_EBADLIMIT      above 2^31 - 1
 *          TR_ENOMEM
 */
tr_status tr_server_pause(tr_server *server, uint64_t pause_ms);
#define TR_PAUSE_DEFAULT_MS 1000u

/*
 * Accepts again.
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL         NULL
 *          TR_ENOTLISTENING
 */
tr_status tr_server_resume(tr_server *server);

/* A background server does not keep tr_runtime_wait_idle() waiting. Thread: owner. */
void tr_server_set_background(tr_server *server, bool background);

/*
 * Another block list for connections from now on; NULL: none. A list that is not frozen yet is frozen: to change the
 * rules, set another list.
 *
 * Memory:  the server holds the list.
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL  server is NULL
 *          TR_ENOMEM  the list before stays
 */
tr_status tr_server_set_block_list(tr_server *server, struct tr_block_list *list);

/*
 * Another context for a server that has one (options.tls): handshakes that begin from now on are made with it, on all
 * workers. Connections notice nothing, and those that shake hands end as they have begun.
 *
 * Memory:  the server holds the context.
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL         NULL
 *          TR_EBADHANDLE     the server was made without: a plain one stays plain
 *          TR_ETLSNOKEY      the context is a client's
 *          TR_ENOTSUPPORTED  Troupe was built without TLS
 */
tr_status tr_server_set_tls(tr_server *server, tr_tls_context *context);

/* Handshakes that are under way, on all workers: the client has begun, and neither waits in line nor is it over. 0 of a
 * plain server. Thread: owner. */
uint32_t tr_server_handshakes(const tr_server *server);

/*
 * The bound address.
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL         NULL
 *          TR_ENOTLISTENING  *out has family TR_FAMILY_NONE
 */
tr_status tr_server_address(const tr_server *server, struct tr_address *out);

/* Is it listening? Thread: owner. */
bool tr_server_listening(const tr_server *server);

/* Connections that were assigned to a worker and are not closed yet, on all workers. Thread: owner. */
uint32_t tr_server_connections(const tr_server *server);

/* Changes the limit for connections from now on; 0: none. Thread: owner. */
void tr_server_set_max_connections(tr_server *server, uint32_t max_connections);

/*
 * How many connections each worker was assigned since the server's beginning, into counts[0..n-1].
 * Thread:  owner.
 * Returns: the number of workers.
 */
unsigned tr_server_dealt(const tr_server *server, uint64_t *counts, unsigned n);

/* Connections that were turned away since the server's beginning, by the reason. The peer saw an end or a reset. */
struct tr_server_refusals {
    uint64_t blocked;      /* the peer was on the block list */
    uint64_t over_limit;   /* max_connections were there */
    uint64_t over_address; /* max_per_address were there from its address */
    uint64_t lost;         /* no memory for it, or no more descriptors to be polled: on any worker */
    uint64_t bad_proxy;    /* no PROXY header as options.proxy asks for: on any worker */
    uint64_t bad_tls;      /* the handshake of options.tls has failed: on any worker */
};

/*
 * How many connections were turned away; zeroes for NULL. Exact, except for those that other workers have lost, or
 * refused for their header or their handshake, within the last moment. Connections that wait in the system's backlog
 * are in none of these, nor are those that are closed as the runtime stops.
 * Thread:  owner.
 */
void tr_server_refusals(const tr_server *server, struct tr_server_refusals *out);

/* The user's pointer. Thread: owner. */
void *tr_server_data(const tr_server *server);

/* The server's actor, for tr_send() and the like. Thread: owner. */
tr_actor *tr_server_actor(tr_server *server);

/* The server's name, for others. Thread: owner. */
tr_ref tr_server_ref(const tr_server *server);

/*
 * All connections of a server on all workers, as a group (group.h): bytes can be published to them, and they can be
 * counted and listed. They need not join, and pay nothing while nobody publishes; a publish or a list looks at all
 * actors of each worker. Those that begin or end at that moment may or may not be among them.
 *
 * Memory:  *out is held once for the caller: tr_group_release(). It keeps neither the server nor its connections.
 * Thread:  any that has the name from the server or its listener, such as by tr_server_ref().
 * Returns: TR_OK
 *          TR_EINVAL   runtime or out is NULL
 *          TR_EBADREF  not the name of an actor of this runtime
 *          TR_EGONE    no such server, or it has ended and has no connections
 *          TR_ENOMEM
 */
tr_status tr_group_of_server(struct tr_runtime *runtime, tr_ref server, struct tr_group **out);

TR_DECLARATIONS_END
#endif
