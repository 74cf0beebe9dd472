/*
 * Sockets: one connection, one actor.
 *
 * A socket reports what happens through the callbacks of a struct tr_socket_events, which run inside the socket's own
 * actor, on its worker. There, and from any other callback on that worker, the functions below act at once.
 * From anywhere else use <troupe/net/remote.h>: the same operations as messages to the socket's ref.
 *
 * The order of events is that of Node's net.Socket (its documentation of v10 and the behaviour of v20): 'lookup', then
 * 'connect' and 'ready' or else 'error'; any number of 'data', 'drain' and 'timeout'; 'end' at most once; 'error' at
 * most once and directly before 'close'; 'close' exactly once, last. No event comes before the call that caused it has
 * returned. After the close callback has returned the tr_socket is gone, and so is its actor: tr_exit() on that is
 * tr_socket_destroy().
 *
 * "Document" in the comments names the Node documentation by era: v0.2, v0.4, v0.5, v0.10, v10.
 */
#ifndef TROUPE_NET_SOCKET_H
#define TROUPE_NET_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/actors/actor.h>
#include <troupe/core/buffer.h>
#include <troupe/core/declare.h>
#include <troupe/net/address.h>

TR_DECLARATIONS_BEGIN

typedef struct tr_socket tr_socket; /* opaque */

/*
 * The events of a socket. Any may be NULL. The struct must outlive every socket that uses it: usually it is a static
 * constant.
 */
struct tr_socket_events {
    /* A host name was looked up, before connecting (v10). address is NULL if it failed; host is what was asked. */
    void (*lookup)(tr_socket *socket, const struct tr_error *error, const struct tr_address *address, const char *host);

    /* The connection is established (all eras). Not for accepted sockets: they begin connected. */
    void (*connect)(tr_socket *socket);

    /* Directly after connect (v10). */
    void (*ready)(tr_socket *socket);

    /* Bytes came (all eras). data is lent for the call: hold it to keep it. Without this callback data is lost. */
    void (*data)(tr_socket *socket, tr_slice data);

    /* The peer sent its FIN and all data before it was delivered (all eras). Unless allow_half_open, the socket ends
     * its own side as well, after what is queued. */
    void (*end)(tr_socket *socket);

    /* All that was queued has gone to the kernel. Once, and always, after writes that returned TR_QUEUED (all eras);
     * not any more when our side was ended meanwhile. */
    void (*drain)(tr_socket *socket);

    /* Nothing moved for the time of tr_socket_set_timeout(); the connection stays (all eras). */
    void (*timeout)(tr_socket *socket);

    /* The connection failed; close follows directly (all eras). */
    void (*error)(tr_socket *socket, const struct tr_error *error);

    /* The socket is closed and its descriptor gone; had_error tells whether error came before (all eras). */
    void (*close)(tr_socket *socket, bool had_error);

    /* A message of another actor, other than the operations of remote.h. The callback owns it until it returns. Without
     * this callback such messages are dropped. */
    void (*message)(tr_socket *socket, tr_message *message);
};

struct tr_connect_options {
    const char *host;                      /* name or address; default "localhost" (document v10) */
    uint16_t port;                         /* 1 to 65535 */
    const char *local_address;             /* an address to connect from; default: the system's choice */
    uint16_t local_port;                   /* default: the system's choice */
    enum tr_family family;                 /* of look-ups: TR_FAMILY_IPV4, TR_FAMILY_IPV6; default: either */
    uint64_t timeout_ms;                   /* tr_socket_set_timeout() before connecting, so it covers that too (v10) */
    bool allow_half_open;                  /* true: the peer's FIN does not end our side */
    const struct tr_socket_events *events; /* may be NULL */
    void *data;                            /* tr_socket_data() */
};

/*
 * Makes a socket on the worker of self and connects it. Its events come after the call has returned. It is a child of
 * self.
 *
 * Owner:   the runtime's; *out is valid until its close callback has returned. out may be NULL. The options are copied.
 * Thread:  owner of self.
 * Returns: TR_OK; TR_EINVAL (NULL, or a family that is none); TR_EMISSING (no port); TR_EBADHOST; TR_EBADADDRESS
 *          (local_address); TR_EBADLIMIT (timeout_ms above 2^31 - 1); TR_ENOMEM; TR_ESTOPPING. All else comes as an
 *          error event: no such name, refused, unreachable.
 * Document: net.createConnection, socket.connect (all eras).
 */
tr_status tr_connect(tr_actor *self, const struct tr_connect_options *options, tr_socket **out);

/*
 * The same from a thread outside the runtime; the socket lives on the least loaded worker. out gets its name, may be
 * NULL.
 * Returns: as tr_connect(); TR_EWRONGTHREAD on a worker.
 */
tr_status tr_runtime_connect(struct tr_runtime *runtime, const struct tr_connect_options *options, tr_ref *out);

/*
 * Writes a copy of size bytes. What the kernel does not take at once is queued.
 *
 * Thread:  owner.
 * Returns: TR_OK: the kernel has all of it. TR_QUEUED: part of it waits in this process, and drain will come.
 *          Before connect everything waits: there the answer is TR_QUEUED from 16 KiB on, as Node's, and TR_OK (without
 *          a drain) below.
 *          Refusals that change nothing: TR_EINVAL; TR_EDESTROYED, the socket was destroyed; TR_ENOMEM.
 *          Refusals that destroy the socket, with an error event, as in Node: TR_EWRITEAFTEREND, after tr_socket_end();
 *          TR_EPIPE, after our side was ended because the peer's was; what the system answers.
 * Document: socket.write (all eras).
 */
tr_status tr_socket_write(tr_socket *socket, const void *data, size_t size);

/* As tr_socket_write(), without copying: the socket holds the slice as long as it needs it. */
tr_status tr_socket_write_slice(tr_socket *socket, tr_slice slice);

/*
 * As tr_socket_write_slice(); done is called exactly once, after the call has returned: with TR_OK when the bytes have
 * gone to the kernel, with an error when they never will: the one that destroyed the socket, or TR_EDESTROYED. It is
 * not called at all when the call changed nothing (TR_EINVAL, TR_EDESTROYED, TR_ENOMEM), nor when the actor is killed.
 * The callbacks of a socket's writes come in the order of the writes; those of lost writes between error and close. As
 * in Node, writes that waited for a connection which never came are called back directly after close, with
 * TR_ESOCKETCLOSED.
 */
tr_status tr_socket_write_then(tr_socket *socket, tr_slice slice,
                               void (*done)(tr_socket *socket, void *argument, tr_status status), void *argument);

/*
 * Ends our side: sends FIN after what is queued. The peer may go on sending. Ending twice does no harm.
 * Thread: owner. Returns: TR_OK; TR_EINVAL; TR_EDESTROYED. Document: socket.end (all eras).
 */
tr_status tr_socket_end(tr_socket *socket);

/* Writes a last slice, then ends. Returns as tr_socket_write_slice(). */
tr_status tr_socket_end_with(tr_socket *socket, tr_slice slice);

/*
 * Closes at once: nothing is read or written any more, what is queued is lost, close follows. With an error (below
 * TR_OK) the error event comes before it, its call being "destroy". Destroying twice does no harm.
 * Thread: owner. Document: socket.destroy (all eras).
 */
void tr_socket_destroy(tr_socket *socket, tr_status error);

/*
 * No data events until tr_socket_resume(); the peer feels it by TCP's flow control. One more read of up to 64 KiB may
 * be taken and held back. An end with nothing before it is still reported, as in Node.
 * Thread: owner. Document: socket.pause (all eras).
 */
void tr_socket_pause(tr_socket *socket);

/* Goes on after tr_socket_pause(), or after a server's pause_on_connect. Thread: owner. Document: all eras. */
void tr_socket_resume(tr_socket *socket);

/*
 * Reports a timeout event when nothing was received or sent for timeout_ms. 0 switches it off, which is the default.
 * Thread: owner. Returns: TR_OK; TR_EBADLIMIT (above 2^31 - 1); TR_ENOMEM. Document: socket.setTimeout (all eras).
 */
tr_status tr_socket_set_timeout(tr_socket *socket, uint64_t timeout_ms);

/*
 * Switches Nagle's algorithm off (true) or on. Before connect it is remembered. Thread: owner.
 * Returns: TR_OK; TR_EDESTROYED; what the system answers. Document: socket.setNoDelay (all eras).
 */
tr_status tr_socket_set_no_delay(tr_socket *socket, bool no_delay);

/*
 * Switches keep-alive probes on or off. initial_delay_ms is the quiet time before the first probe, rounded up to
 * seconds; 0 leaves the system's value. Before connect it is remembered. Thread: owner.
 * Returns: TR_OK; TR_EDESTROYED; TR_EBADLIMIT; what the system answers. Document: socket.setKeepAlive (all eras).
 */
tr_status tr_socket_set_keep_alive(tr_socket *socket, bool enable, uint64_t initial_delay_ms);

/* The peer's address; family TR_FAMILY_NONE before connect and after the socket is destroyed. Thread: owner. */
void tr_socket_remote_address(const tr_socket *socket, struct tr_address *out);

/* Our own address, likewise. Thread: owner. */
void tr_socket_local_address(const tr_socket *socket, struct tr_address *out);

/* Bytes received so far, also after the end. Thread: owner. Document: socket.bytesRead (v0.5 on). */
uint64_t tr_socket_bytes_read(const tr_socket *socket);

/* Bytes written so far, those queued included. Thread: owner. Document: socket.bytesWritten (v0.5 on). */
uint64_t tr_socket_bytes_written(const tr_socket *socket);

/* Bytes queued in this process. Thread: owner. Document: socket.bufferSize (v0.4 on). */
uint64_t tr_socket_buffered(const tr_socket *socket);

/* Connection in progress, from tr_connect() to connect. Thread: owner. Document: socket.connecting (v10). */
bool tr_socket_connecting(const tr_socket *socket);

/* No more data can be transferred. Thread: owner. Document: socket.destroyed (v10). */
bool tr_socket_destroyed(const tr_socket *socket);

/* The user's pointer of this socket. Thread: owner. */
void *tr_socket_data(const tr_socket *socket);
void tr_socket_set_data(tr_socket *socket, void *data);

/* Other callbacks from now on. events must outlive the socket; NULL: none. Thread: owner. */
void tr_socket_set_events(tr_socket *socket, const struct tr_socket_events *events);

/* The socket's actor, for tr_send() and its kin. Thread: owner. */
tr_actor *tr_socket_actor(tr_socket *socket);

/* The socket's name, for others. Thread: owner. */
tr_ref tr_socket_ref(const tr_socket *socket);

/* The server that accepted it, TR_NOBODY for a socket that connected itself. Thread: owner. */
tr_ref tr_socket_server(const tr_socket *socket);

TR_DECLARATIONS_END
#endif
