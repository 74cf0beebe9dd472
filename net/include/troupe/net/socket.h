/*
 * Sockets: one connection over TCP or a unix socket, one actor.
 *
 * A socket reports what happens through the callbacks of events.h. They run inside the socket's own actor, on its
 * worker. There, and in any other callback on that worker, the functions below act at once. From anywhere else use
 * <troupe/net/remote.h>: the same operations as messages to the socket's ref.
 *
 * A tr_socket is valid until its close callback has returned; then it is gone, and so is its actor. It stays
 *   - if that callback connects it again;
 *   - with options.keep, until its actor is stopped.
 * tr_exit() on its actor does what tr_socket_destroy() does, and then the socket is not kept.
 *
 * tr_runtime_stop(), and tr_stop() with TR_STOP_DRAIN:
 *   - The socket handles what it was sent before. Then it ends its side as tr_socket_end() does. As soon as all that
 *     waits and the FIN have gone to the kernel it is destroyed without an error.
 *   - Until then its events continue, but a write is a write after the end: it is refused with TR_EWRITEAFTEREND, and
 *     the socket is destroyed.
 *   - It is not closed yet: so that a peer which is still sending gets no reset, which could take from it what it has
 *     not read, what comes is read and dropped until the peer has ended, too (RFC 9112, section 9.6). That lasts no
 *     longer than linger_ms and linger_quiet_ms of the options, nor than seven eighths of the time that is left to
 *     tr_runtime_stop(). Then it is closed, and close follows. Destroying it once more closes it at once.
 *   - A socket that is not connected is closed at once.
 *   - A socket that has not closed by the deadline is killed: what waits is lost, the peer sees an end after what the
 *     kernel had, and no event and no callback of a write comes any more.
 *
 * Memory:  a pointer is borrowed for the call, unless its function says otherwise.
 * NULL:    functions that return a status return TR_EINVAL for a NULL that they need; the others do nothing, or return
 *          zero.
 * Thread:  "owner" is the worker on which the object lives, "any" is every thread, "setup" is one thread before the
 *          workers start or after they have ended.
 */
#ifndef TROUPE_NET_SOCKET_H
#define TROUPE_NET_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/actors/actor.h>
#include <troupe/core/buffer.h>
#include <troupe/core/declare.h>
#include <troupe/net/address.h>
#include <troupe/net/encoding.h>
#include <troupe/net/events.h>

TR_DECLARATIONS_BEGIN

struct tr_proxy; /* proxy.h */
struct tr_runtime;
struct tr_tls_options; /* tls.h */

/* What a socket may connect to. */
enum tr_socket_type {
    TR_SOCKET_ANY,
    TR_SOCKET_TCP4,
    TR_SOCKET_TCP6,
    TR_SOCKET_UNIX,
};

#define TR_WRITE_COST_BYTES 160u  /* what a waiting write takes in addition to its bytes, at most */
#define TR_WRITES_ABOVE_LIMIT 16u /* this many small writes may wait under any write_limit */
#define TR_MIN_RATE_INTERVAL_MS 5000u
#define TR_LINGER_MS 30000u     /* as nginx's lingering_time */
#define TR_LINGER_QUIET_MS 500u /* its lingering_timeout is 5 s, which nobody waits for who presses Ctrl-C */
#define TR_NO_LINGER UINT64_MAX

/* What a socket is, whether it connects, is accepted or made from a descriptor. {0} is a complete set. */
struct tr_socket_options {
    const struct tr_socket_events *events; /* may be NULL */
    void *data;                            /* tr_socket_data() */
    size_t state_size;                     /* bytes of tr_socket_state(), at most 1 GiB; 0: none, which costs none */
    struct tr_owner owner;                 /* gets the events in place of the callbacks */
    tr_ref consumer;                       /* tr_socket_set_consumer() */
    bool allow_half_open;                  /* the peer's FIN does not end our side */
    bool keep;                             /* the socket outlives its close event, to be asked, or connected again */
    bool emit_connect;                     /* an accepted socket gives connect and ready, too */
    bool receive_fds;                      /* a unix socket takes descriptors that its peer sends: the fd event */
    bool report_resets;                    /* a reset is always an error: see the end event */
    bool no_delay;                         /* tr_socket_set_no_delay() */
    bool keep_alive;                       /* tr_socket_set_keep_alive() */
    uint64_t keep_alive_delay_ms;          /* up to 32,767,000; 0: the system's value */
    uint64_t timeout_ms;                   /* tr_socket_set_timeout(), of the first connection; up to 2^31 - 1 */
    enum tr_encoding encoding;             /* tr_socket_set_encoding() */
    enum tr_socket_type type; /* other kinds of address are refused with TR_EBADADDRESS; not for accepted ones */

    /* How many bytes may wait in this process's memory; 0: no limit. A write that comes while bytes wait, and would
     * exceed the limit, is refused as a whole with TR_EQUEUELIMIT. If another actor wrote it without asking for an
     * answer (remote.h), the socket is destroyed with that error. So what waits is never more than the limit and one
     * write. Files count nothing, because their bytes wait on the disk; tr_socket_buffered() counts them.
     *
     * For small writes, those of no bytes too, the limit is one of memory: no more than write_limit /
     * TR_WRITE_COST_BYTES + TR_WRITES_ABOVE_LIMIT of them may wait. So the process holds for a socket's writes at most
     * twice write_limit, the last write, and 4 KiB. A slice that is less than half of its buffer waits as a copy; one
     * of more than 32 KiB keeps the whole buffer. */
    uint64_t write_limit;

    /* In bytes. 0: a write returns TR_QUEUED when part of it waits. Otherwise, as in Node's streams with their 16,384:
     * when the writes that are not finished, each counted as a whole, are this many bytes or more. */
    uint32_t high_water;

    /* Slow peers. A peer that does not keep one of these limits loses its connection: the socket is destroyed with
     * TR_ETOOSLOW, whose call says which limit it was. They hold for every connection of the socket, whether it is
     * accepted, connected or adopted. Times are up to 2^31 - 1, and no peer has less than them.
     *
     * The first two count only while bytes of the peer are awaited, and their time stands still
     *   - while the socket is paused: tr_socket_pause(), pause_on_connect;
     *   - while its owner has no credit left, its pipe is full, its consumer is crowded, or options.memory_limit of the
     *     runtime is reached;
     *   - from tr_socket_set_awaits(socket, false) on. It begins anew with the connection, and with `true`.
     * They are over when the peer has ended. A socket without TR_READABLE awaits nothing.
     *
     * first_byte_timeout_ms: how long the first byte may take. Its call is "first byte".
     *
     * min_rate: bytes in a second that must come, on average over each interval of min_rate_interval_ms (default
     * TR_MIN_RATE_INTERVAL_MS). Its call is "read". The first interval begins when min_rate_grace_ms have passed: since
     * the beginning, or with first_byte_timeout_ms since the first byte, which is noticed up to an interval late.
     *
     * write_timeout_ms: how long bytes may wait in this process while the peer takes none, neither of these nor of
     * those that the kernel holds. Up to the same time late. Its call is "write". What is corked, and what waits for an
     * owner's credit, does not count. */
    uint64_t first_byte_timeout_ms;
    uint32_t min_rate;
    uint64_t min_rate_interval_ms;
    uint64_t min_rate_grace_ms;
    uint64_t write_timeout_ms;

    /* How long a socket that was asked to stop with TR_STOP_DRAIN waits for its peer's end after ours (see the top of
     * this file): in all (default TR_LINGER_MS; TR_NO_LINGER: it closes at once), and since bytes last came (default
     * TR_LINGER_QUIET_MS). Up to 2^31 - 1. What is no socket, such as a pipe, does not wait. */
    uint64_t linger_ms;
    uint64_t linger_quiet_ms;
};

/*
 * Answers tr_connect_options.lookup, in the callback or at any later time: with an error, or with addresses, whose
 * ports are ignored. A second answer does nothing. Of the error its status is used, and its code if that is TR_EUSER.
 *
 * Memory:  the addresses are copied. error->code is not: a constant.
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL       neither or both, more than 64 addresses, or an error whose status is not below TR_OK
 *          TR_EBADADDRESS  the text of one is no address; it may be answered again
 *          TR_EGONE        nothing is being looked up any more
 */
tr_status tr_socket_looked_up(tr_socket *socket, const struct tr_error *error, const struct tr_address *addresses,
                              unsigned count);

struct tr_connect_options {
    /* TCP. */
    const char *host;          /* name, in UTF-8, or address; default "localhost" */
    uint16_t port;             /* 1 to 65535 */
    const char *local_address; /* an address to connect from; default: the system's choice */
    uint16_t local_port;       /* default: the system's choice */
    enum tr_family family;     /* of look-ups: TR_FAMILY_IPV4, TR_FAMILY_IPV6; default: either */
    int hints;                 /* of look-ups: getaddrinfo's AI_ADDRCONFIG, AI_V4MAPPED... */

    /* Called in place of the system's look-up, inside the socket's actor; it answers with tr_socket_looked_up(). */
    void (*lookup)(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data);
    void *lookup_data;

    /* A name may have many addresses.
     *   - If no family is asked for (by `family`, local_address or the socket's type) all are tried, IPv6 and IPv4
     *     alternating, each as soon as the one before has failed. So "localhost" is reached no matter on which of the
     *     two its server listens.
     *   - If a family is asked for, only its first address is tried.
     *   - The lookup event comes for each address that may be tried. If all fail, the error is that of the first.
     * All this is as in Node 20.
     *
     * With race, all addresses are tried in any case, and an attempt begins also race_delay_ms after the one before,
     * which continues; the first connection wins (RFC 8305). */
    bool race;
    unsigned race_delay_ms; /* up to 2^31 - 1; default 250 (RFC 8305, section 5) */

    /* Unix: used instead of host and port. "@name" is an abstract name (Linux). */
    const char *path;
    bool truncate_path; /* a path that is too long is cut, instead of refused with TR_ENAMETOOLONG */

    uint64_t timeout_ms; /* tr_socket_set_timeout() before connecting, so it covers that too; up to 2^31 - 1 */

    /* The longest time from the call to the connect event, including the look-up, all attempts, and an owner's time for
     * its answers to lookup events; up to 2^31 - 1. When it has passed, everything under way is given up and an error
     * event comes: TR_ETIMEDOUT, its call "connect". 0: as long as the system tries, which may be minutes. */
    uint64_t connect_timeout_ms;

    /* A header of the PROXY protocol, which goes before all else; NULL: none. It is as if the program had written it
     * first, directly after this call: it waits for the connection, leaves in one packet with what was written by then,
     * and counts in tr_socket_bytes_written() and for write_limit, but is never refused for that. An end before this
     * call comes after the header, and what is written then is a write after the end. */
    const struct tr_proxy *proxy;

    /* The connection is secure from the beginning (tls.h); NULL: plain. A handshake follows connect, or the header;
     * then come secure, what waited to be written, and ready. If it fails, error and close come in place of these.
     * An end before this call comes after the handshake, and what is written then is a write after the end. */
    const struct tr_tls_options *tls;
};

/*
 * Makes a socket on the worker of self, as its child. It is not connected. options may be NULL.
 *
 * Memory:  the socket is the runtime's. The options are copied, what they point to is not.
 * Thread:  owner of self.
 * Returns: TR_OK
 *          TR_EINVAL       self or out is NULL, or no such options.type
 *          TR_EBADLIMIT    a time is too long
 *          TR_EBADREF      options.owner or options.consumer is not the name of an actor of this runtime
 *          TR_EBADENCODING
 *          TR_EBADSTATE    options.state_size is above 1 GiB
 *          TR_EMEMORYLIMIT options.memory_limit of the runtime is reached
 *          TR_ENOMEM
 *          TR_ESTOPPING    the runtime is stopping
 */
tr_status tr_socket_spawn(tr_actor *self, const struct tr_socket_options *options, tr_socket **out);

/*
 * Connects. The events come after the call has returned. A socket that was closed may be connected again, from its
 * close callback on.
 *
 * Memory:  the options are copied, with their texts and the header; the context of `tls` is held.
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL         NULL, `family` is no family of addresses, or `proxy` is no header: no such version,
 *                            command or transport, TLVs in version 1 or of LOCAL, or not of their form; `tls` has no
 *                            context, no such role, or `received`
 *          TR_EMISSING       neither port nor path
 *          TR_EBADHOST       the host is empty, longer than 255 bytes, or has a blank or control character; or the name
 *                            that `tls` expects cannot be one, or is missing with a path
 *          TR_EBADPATH       the path is empty, or "@" alone
 *          TR_ENAMETOOLONG   the path is too long
 *          TR_ENOTSUPPORTED  an abstract name, which this system does not have; `tls`, without which Troupe was built
 *          TR_EBADADDRESS    local_address is no address, the address is not of options.type, or those of `proxy` are
 *                            none, or of two families
 *          TR_EBADLIMIT      a time above 2^31 - 1, or `proxy` has more than 65535 bytes after the first 16
 *          TR_EBADALPN       a protocol of `tls` cannot be one
 *          TR_ETLSNOKEY      `tls` is to serve, and its context does not
 *          TR_EBADHANDLE     `tls`, of a socket with receive_fds
 *          TR_EALREADY       it is connecting
 *          TR_EISCONN        it is connected
 *          TR_EDESTROYED     it is closing: wait for close
 *          TR_ENOMEM
 *          TR_ESTOPPING      it was asked to stop
 *          All else comes as an error event: no such name, connection refused, host unreachable...
 */
tr_status tr_socket_connect(tr_socket *socket, const struct tr_connect_options *options);

/*
 * tr_socket_spawn() and tr_socket_connect() in one. If the second fails, nothing is left of the first. socket and out
 * may be NULL.
 *
 * Memory:  as tr_socket_spawn() and tr_socket_connect().
 * Thread:  owner of self.
 * Returns: TR_OK, TR_EINVAL, TR_EBADLIMIT, TR_EBADREF, TR_EBADENCODING, TR_EBADSTATE, TR_EMISSING, TR_EBADHOST,
 *          TR_EBADPATH, TR_ENAMETOOLONG, TR_ENOTSUPPORTED, TR_EBADADDRESS, TR_EBADALPN, TR_ETLSNOKEY, TR_EBADHANDLE,
 *          TR_EMEMORYLIMIT, TR_ENOMEM, TR_ESTOPPING: see there.
 */
tr_status tr_connect(tr_actor *self, const struct tr_socket_options *socket, const struct tr_connect_options *connect,
                     tr_socket **out);

/*
 * As tr_connect(), from a thread outside the runtime. The socket lives on the least loaded worker. The call waits until
 * the socket is there, not until it is connected. out gets its name. socket and out may be NULL.
 *
 * Memory:  as tr_connect().
 * Thread:  any that is no worker.
 * Returns: TR_OK, and the statuses of tr_connect()
 *          TR_EWRONGTHREAD  on a worker
 */
tr_status tr_runtime_connect(struct tr_runtime *runtime, const struct tr_socket_options *socket,
                             const struct tr_connect_options *connect, tr_ref *out);

enum tr_sides {
    TR_READABLE = 1,
    TR_WRITABLE = 2,
};

/*
 * Makes a socket from a connected descriptor: of TCP, a unix socket, or anything else that can be polled, such as a
 * pipe. It begins connected, without a connect event. `sides` is what it is used for, of enum tr_sides:
 *
 *   - without TR_WRITABLE our side has ended from the beginning;
 *   - without TR_READABLE nothing is read, and no end event comes: the socket closes when our side ends;
 *   - with neither it is open until it is destroyed.
 *
 * Of SOCK_SEQPACKET a record above 64 KiB is an error event, TR_EMSGSIZE: the rest of it would be lost.
 *
 * Memory:  takes fd on success, and makes it non-blocking and closed on exec; on failure it is still the caller's.
 * Thread:  owner of self.
 * Returns: TR_OK
 *          TR_EINVAL   self or out is NULL, or no such sides
 *          TR_EBADF    no open descriptor
 *          TR_EBADFD   a file, a socket that listens, or one of datagrams
 *          TR_ENOTCONN
 *          TR_EEXIST   a socket of this worker has it already
 *          TR_EBADLIMIT, TR_EBADREF, TR_EBADENCODING, TR_EBADSTATE, TR_EMEMORYLIMIT, TR_ENOMEM, TR_ESTOPPING: see
 *          tr_socket_spawn()
 */
tr_status tr_socket_adopt(tr_actor *self, int fd, unsigned sides, const struct tr_socket_options *options,
                          tr_socket **out);

/* Writing. */

/*
 * Writes a copy of size bytes. What the kernel does not take at once is queued.
 *
 * Thread:  owner.
 * Returns: TR_OK      the kernel has all of it
 *          TR_QUEUED  part of it waits in this process, and drain will come
 *          Before connect, and under a cork, everything waits: there it is TR_QUEUED from 16 KiB on, as in Node, and
 *          TR_OK (without a drain) below. options.high_water changes both.
 *
 *          Refusals that change nothing:
 *          TR_EINVAL       NULL with a size
 *          TR_EDESTROYED   the socket was destroyed
 *          TR_EQUEUELIMIT  options.write_limit
 *          TR_ENOMEM       if the kernel has taken a part by then, the socket is destroyed with this error
 *
 *          Refusals that destroy the socket, with an error event, as in Node:
 *          TR_EWRITEAFTEREND  after tr_socket_end()
 *          TR_EPIPE           after our side was ended because the peer's was
 *          TR_ESOCKETCLOSED   nobody has connected it
 *          what the system answers
 */
tr_status tr_socket_write(tr_socket *socket, const void *data, size_t size);

/*
 * Writes a slice without copying it.
 * Memory:  the socket holds the slice as long as it needs it.
 * Thread:  owner.
 * Returns: TR_OK, TR_QUEUED, TR_EINVAL, TR_EDESTROYED, TR_EQUEUELIMIT, TR_ENOMEM, TR_EWRITEAFTEREND, TR_EPIPE,
 *          TR_ESOCKETCLOSED, what the system answers: see tr_socket_write().
 */
tr_status tr_socket_write_slice(tr_socket *socket, tr_slice slice);

/*
 * Writes many slices as one write, gathered into as few system calls as possible.
 * Memory:  the socket holds the slices as long as it needs them.
 * Thread:  owner.
 * Returns: TR_OK, TR_QUEUED, TR_EINVAL, TR_EDESTROYED, TR_EQUEUELIMIT, TR_ENOMEM, TR_EWRITEAFTEREND, TR_EPIPE,
 *          TR_ESOCKETCLOSED, what the system answers: see tr_socket_write().
 */
tr_status tr_socket_write_slices(tr_socket *socket, const tr_slice *slices, unsigned count);

/*
 * Writes a text of UTF-8, which ends with NUL, in an encoding.
 * Memory:  the text is copied.
 * Thread:  owner.
 * Returns: TR_EBADENCODING  no such encoding; nothing is written
 *          TR_EBADTEXT      the text cannot be written in that encoding; nothing is written
 *          TR_OK, TR_QUEUED, TR_EINVAL, TR_EDESTROYED, TR_EQUEUELIMIT, TR_ENOMEM, TR_EWRITEAFTEREND, TR_EPIPE,
 *          TR_ESOCKETCLOSED, what the system answers: see tr_socket_write().
 */
tr_status tr_socket_write_text(tr_socket *socket, const char *text, enum tr_encoding encoding);

/* Called when a write is over: see tr_socket_write_then(). */
typedef void (*tr_write_done)(tr_socket *socket, void *argument, tr_status status);

/*
 * As tr_socket_write_slice(), with a callback. done is called exactly once, after the call has returned:
 *
 *   - with TR_OK when the bytes have gone to the kernel;
 *   - with an error when they never will: the one that destroyed the socket, or TR_EDESTROYED, or what the call
 *     returned if it was refused.
 *
 * It is not called at all when the call returned TR_EINVAL, TR_EQUEUELIMIT or TR_ENOMEM, nor when the actor is killed.
 * The same holds for every function below that takes done.
 *
 * The callbacks of a socket's writes come in the order of the writes. As in Node:
 *
 *   - those of a write that the system refuses come before error, and so do those of what is written after it in the
 *     same callback;
 *   - those of writes that were lost by destroying come between error and close;
 *   - those that waited for a connection which never came are called directly after close, the first of them with
 *     TR_ECLOSEDBEFORECONNECT;
 *   - a write on a socket that is destroyed returns TR_EDESTROYED, and done gets what it would get in Node:
 *     TR_EWRITEAFTEREND if our side was ended before.
 *
 * A write of no bytes is a write: it finds a broken connection like any other.
 *
 * Memory:  the socket holds the slice as long as it needs it.
 * Thread:  owner.
 * Returns: TR_OK, TR_QUEUED, TR_EINVAL, TR_EDESTROYED, TR_EQUEUELIMIT, TR_ENOMEM, TR_EWRITEAFTEREND, TR_EPIPE,
 *          TR_ESOCKETCLOSED, what the system answers: see tr_socket_write().
 */
tr_status tr_socket_write_then(tr_socket *socket, tr_slice slice, tr_write_done done, void *argument);

/*
 * Writes length bytes of a file from offset on, in its turn, with sendfile where the system has it; length 0: up to its
 * end. done may be NULL.
 *
 *   - The file is read while it is sent, on this worker: a slow disk blocks the worker.
 *   - A file that turns out shorter than length destroys the socket with TR_EIO.
 *   - Over TCP, bytes and the file after them leave in one packet as far as they fit: when both were corked or queued,
 *     and when both are written in one callback of the socket's own. For that, where a worker's sockets write files,
 *     the bytes of a write leave when the callback returns, at the latest.
 *
 * Memory:  fd is the caller's; a duplicate is kept until the write is over.
 * Thread:  owner.
 * Returns: TR_EINVAL  NULL, or offset + length is above 2^63 - 1
 *          TR_EBADF   no open descriptor
 *          TR_EBADFD  no regular file
 *          TR_EMFILE  no more descriptors
 *          TR_OK, TR_QUEUED, TR_EDESTROYED, TR_EQUEUELIMIT, TR_ENOMEM, TR_EWRITEAFTEREND, TR_EPIPE, TR_ESOCKETCLOSED,
 *          what the system answers: see tr_socket_write().
 */
tr_status tr_socket_write_file(tr_socket *socket, int fd, uint64_t offset, uint64_t length, tr_write_done done,
                               void *argument);

/*
 * Sends a descriptor over a unix socket, together with a slice of at least one byte. The peer gets its fd event (or its
 * recvmsg) with the first of these bytes. done may be NULL.
 *
 * Memory:  fd is the caller's; a duplicate is kept until the write is over. The socket holds the slice as long as it
 *          needs it.
 * Thread:  owner.
 * Returns: TR_EINVAL      NULL, or no bytes
 *          TR_EBADF       no open descriptor
 *          TR_EBADHANDLE  no unix socket
 *          TR_EMFILE      no more descriptors
 *          TR_OK, TR_QUEUED, TR_EDESTROYED, TR_EQUEUELIMIT, TR_ENOMEM, TR_EWRITEAFTEREND, TR_EPIPE, TR_ESOCKETCLOSED,
 *          what the system answers: see tr_socket_write().
 */
tr_status tr_socket_write_fd(tr_socket *socket, tr_slice slice, int fd, tr_write_done done, void *argument);

/*
 * Holds writes back until tr_socket_uncork(), to gather them into one system call. Corks nest. tr_socket_end() uncorks.
 * Thread:  owner.
 */
void tr_socket_cork(tr_socket *socket);

/*
 * Sends what was held back, if this is the outermost cork; one uncork too many does nothing.
 *
 * Thread:  owner.
 * Returns: TR_OK          the kernel has all of it, or there was nothing to send
 *          TR_QUEUED      part of it waits, and drain will come
 *          TR_EINVAL      NULL
 *          TR_EDESTROYED  the socket was destroyed
 *          the system's error for which the socket is destroyed, with an error event
 *          Inside another cork, and before connect, it sends nothing and returns TR_OK; before connect TR_QUEUED from
 *          16 KiB on.
 */
tr_status tr_socket_uncork(tr_socket *socket);

/* Ending. */

/*
 * Ends our side: sends FIN after what is queued. The peer may continue to send. Ending twice does no harm. An end
 * before tr_socket_connect() is the first thing that the connection does, as in Node: what is written while it connects
 * is accepted, and fails with TR_EPIPE.
 *
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL      NULL
 *          TR_EDESTROYED  the socket was destroyed
 */
tr_status tr_socket_end(tr_socket *socket);

/*
 * Writes a last slice, then ends. If the write is refused, nothing is ended. A slice without an address ({NULL, 0}) is
 * none; one of no bytes is a write of nothing, as Node's end("").
 *
 * Memory:  the socket holds the slice as long as it needs it.
 * Thread:  owner.
 * Returns: TR_OK, TR_QUEUED, TR_EINVAL, TR_EDESTROYED, TR_EQUEUELIMIT, TR_ENOMEM, TR_EWRITEAFTEREND, TR_EPIPE,
 *          TR_ESOCKETCLOSED, what the system answers: see tr_socket_write(); without a slice as tr_socket_end().
 */
tr_status tr_socket_end_with(tr_socket *socket, tr_slice slice);

/*
 * As tr_socket_end_with(), with a callback: done is called when all bytes and the FIN have gone to the kernel, or never
 * will. It gets
 *
 *   - TR_EALREADYFINISHED on a side that has ended already;
 *   - TR_EDESTROYED on a socket that is destroyed, whatever error destroyed it;
 *   - that error or TR_EDESTROYED if the socket is destroyed while our end is on its way; before the error event if no
 *     write waits.
 *
 * Memory:  the socket holds the slice as long as it needs it.
 * Thread:  owner.
 * Returns: TR_OK, TR_QUEUED, TR_EINVAL, TR_EDESTROYED, TR_EQUEUELIMIT, TR_ENOMEM, TR_EWRITEAFTEREND, TR_EPIPE,
 *          TR_ESOCKETCLOSED, what the system answers: see tr_socket_write_then().
 */
tr_status tr_socket_end_then(tr_socket *socket, tr_slice slice, tr_write_done done, void *argument);

/*
 * Closes at once: nothing is read or written any more, what is queued is lost, and close follows. The peer sees the end
 * even if another process has the descriptor too. With an error (below TR_OK) the error event comes before close, its
 * call being "destroy". Destroying twice does no harm.
 *
 * A write that fails destroys the socket, too. In the callback in which that happened, this call decides which error
 * the error event has, and whether there is one.
 *
 * Thread:  owner.
 */
void tr_socket_destroy(tr_socket *socket, tr_status error);

/*
 * Destroys the socket without an error, and gives the descriptor of its connection, which goes on: for another process,
 * by tr_cluster_send(), tr_cluster_child_send() or tr_socket_write_fd(), or for tr_socket_adopt() on another worker.
 * What was read stays here: pause a socket from which everything is to be read there (options.pause_on_connect).
 *
 * Memory:  *fd is the caller's. It is non-blocking, and closed on exec.
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL    NULL
 *          TR_ENOTCONN  it is not connected yet, or was destroyed
 *          TR_EBUSY     something waits to be written
 *          TR_EMFILE    no more descriptors
 */
tr_status tr_socket_detach(tr_socket *socket, int *fd);

/*
 * As tr_socket_destroy(), with an error of the program's own: TR_EUSER, whose code is this text.
 * Memory:  code is not copied: a constant.
 * Thread:  owner.
 */
void tr_socket_destroy_with(tr_socket *socket, const char *code);

/*
 * Closes a TCP connection with a reset (RST, RFC 9293) instead of a FIN: the peer gets ECONNRESET. While it connects:
 * as soon as it is connected. A socket that is not open is destroyed with TR_ESOCKETCLOSED.
 *
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL      NULL
 *          TR_EBADHANDLE  not TCP; nothing happens
 */
tr_status tr_socket_reset(tr_socket *socket);

/* Reading. */

/*
 * Gives no data events until tr_socket_resume(); TCP's flow control slows the peer down.
 *
 *   - As in Node the socket continues to read until 16 KiB (or 256 reads) wait; the read that passes this mark may
 *     bring up to 64 KiB.
 *   - So it notices an error or a reset, which closes it and drops what waits, and an end, which is reported at once if
 *     nothing waits before it. When it may hold no more it still notices a reset.
 *   - Descriptors wait in their place.
 *   - All paused sockets of a worker together hold at most 16 KiB each, and 1 MiB.
 *
 * Thread:  owner.
 */
void tr_socket_pause(tr_socket *socket);

/*
 * Reads again after tr_socket_pause(), or after a server's pause_on_connect. What waits comes when the callback has
 * returned, in the place of this call among the callbacks of writes, even if the same callback destroys the socket.
 * Thread:  owner.
 */
void tr_socket_resume(tr_socket *socket);

/*
 * From now on data is text: decoded, with no character cut, given as UTF-8. What is incomplete at the end comes as a
 * last data event before end. TR_ENCODING_NONE: bytes again.
 *
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL        NULL
 *          TR_EBADENCODING  no such encoding
 *          TR_ENOMEM
 */
tr_status tr_socket_set_encoding(tr_socket *socket, enum tr_encoding encoding);

/* Tuning. */

/*
 * Gives a timeout event when nothing was received or sent for timeout_ms, counted from the call or from the last
 * movement. The connection stays.
 *
 *   - What the peer takes of bytes that the kernel holds for it is movement too: a large file that a slow peer reads
 *     has no timeout. For that the event may come up to timeout_ms late, never early.
 *   - 0 switches it off, which is the default.
 *   - A timeout belongs to one connection: it is forgotten when the socket is destroyed, so a socket that is connected
 *     again has none until it is set.
 *
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL     NULL
 *          TR_EBADLIMIT  above 2^31 - 1
 *          TR_ENOMEM
 */
tr_status tr_socket_set_timeout(tr_socket *socket, uint64_t timeout_ms);

/*
 * Whether the peer is to send now, as the protocol goes. While it is not, what it sends is read as ever, but it cannot
 * be too slow: neither first_byte_timeout_ms nor min_rate of the options counts. `true` begins both anew, with the next
 * byte as the first, also if it was true: when an answer is complete, and the next request is awaited. A connection
 * begins with `true`. Without these options it does nothing.
 * Thread:  owner.
 */
void tr_socket_set_awaits(tr_socket *socket, bool awaits);

/*
 * Names the actor to which the data callback sends what it gets, by tr_send(), on whatever worker that lives. As long
 * as it does not keep up (tr_backlog()) the socket reads nothing: what comes stays in the kernel, and the peer stands
 * still when that is full. It reads again when the actor's mailbox is relieved (no more than 2,048 messages or a
 * quarter of its limits wait) or the actor has ended. Nobody looks again and again.
 *
 *   - It is looked at after each read, which brings 64 KiB at the most. So beside what makes the mailbox crowded no
 *     more waits than what the callback sends for one read of each socket; if the actor lives on another worker for 16,
 *     which may be under way.
 *   - Meanwhile the socket writes, and gives all other events; that the peer has gone it notices when it reads again.
 *   - A consumer whose mailbox mutes its senders (TR_MAILBOX_MUTE) need not be named.
 *   - An actor that feeds on a socket and for which somebody waits itself, so that the two would wait for each other,
 *     does not hold it up.
 *   - TR_NOBODY: nobody's mailbox counts any more. A socket that waits for one goes on when that is relieved.
 *
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL   NULL
 *          TR_EBADREF  not the name of an actor of this runtime
 *          TR_ENOMEM
 */
tr_status tr_socket_set_consumer(tr_socket *socket, tr_ref consumer);

/*
 * Switches Nagle's algorithm off (true) or on (false). Before connect it is remembered; for what is not TCP it does
 * nothing. With TLS it is off from when the socket is to become secure: the first answer would wait, some 40 ms, until
 * the peer has acknowledged what TLS sends by itself. Who wants it calls this in `secure` or later.
 *
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL      NULL
 *          TR_EDESTROYED  the socket was destroyed
 *          what the system answers
 */
tr_status tr_socket_set_no_delay(tr_socket *socket, bool no_delay);

/*
 * Switches keep-alive probes on or off (RFC 9293, section 3.8.4). initial_delay_ms is the quiet time before the first
 * probe, rounded up to seconds, up to 32,767,000; 0 leaves the system's value. Before connect it is remembered; for
 * what is not TCP it does nothing.
 *
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL      NULL
 *          TR_EBADLIMIT   the delay is too long
 *          TR_EDESTROYED  the socket was destroyed
 *          TR_ENOMEM
 *          what the system answers
 */
tr_status tr_socket_set_keep_alive(tr_socket *socket, bool enable, uint64_t initial_delay_ms);

/*
 * A background socket does not keep tr_runtime_wait_idle() waiting, except while it connects.
 * Thread:  owner.
 */
void tr_socket_set_background(tr_socket *socket, bool background);

/* Looking. */

/*
 * The peer's address; family TR_FAMILY_NONE before connect, after the socket is destroyed, and for NULL. If the peer
 * has reset the connection, even before it was accepted, its address is known until the socket is destroyed.
 * Thread:  owner.
 */
void tr_socket_remote_address(const tr_socket *socket, struct tr_address *out);

/*
 * Our own address; family TR_FAMILY_NONE before connect, after the socket is destroyed, and for NULL.
 * Thread:  owner.
 */
void tr_socket_local_address(const tr_socket *socket, struct tr_address *out);

/* Bytes received so far, also after the end. Thread: owner. */
uint64_t tr_socket_bytes_read(const tr_socket *socket);

/*
 * Bytes written so far: including those that are queued and those of a write that the system refused; of files those
 * that have gone.
 * Thread:  owner.
 */
uint64_t tr_socket_bytes_written(const tr_socket *socket);

/*
 * Bytes that were written and wait to be sent: those in memory, and of files what has not gone. For write_limit only
 * those in memory count.
 * Thread:  owner.
 */
uint64_t tr_socket_buffered(const tr_socket *socket);

/* A connection is in progress, from tr_socket_connect() to connect. Thread: owner. */
bool tr_socket_connecting(const tr_socket *socket);

/* Not connected yet: connecting, or not even that. Thread: owner. */
bool tr_socket_pending(const tr_socket *socket);

/* No more data can be transferred; true for NULL. Thread: owner. */
bool tr_socket_destroyed(const tr_socket *socket);

/* What can be done with a socket. As in Node, one that has not been connected yet is "open". */
enum tr_ready_state {
    TR_STATE_CLOSED,
    TR_STATE_OPENING,
    TR_STATE_OPEN,
    TR_STATE_READ_ONLY,  /* our side was ended */
    TR_STATE_WRITE_ONLY, /* the peer's side has ended */
};

/* The state of a socket; TR_STATE_CLOSED for NULL. Thread: owner. */
enum tr_ready_state tr_socket_ready_state(const tr_socket *socket);

/* Node's word for a state: "closed", "opening", "open", "readOnly", "writeOnly". Memory: a constant. Thread: any. */
const char *tr_ready_state_name(enum tr_ready_state state);

/*
 * The number of an accepted socket among its server's connections, in the order in which the server accepted them, on
 * all workers together; the first is 1. Connections that the server turned away are not counted; one that was lost
 * before its socket existed has a number that nobody sees. 0: it was not accepted; NULL.
 * Thread:  owner.
 */
uint64_t tr_socket_number(const tr_socket *socket);

/* The user's pointer of this socket. Thread: owner. */
void *tr_socket_data(const tr_socket *socket);
void tr_socket_set_data(tr_socket *socket, void *data);

/*
 * The socket's own memory: options.state_size bytes, zero at its beginning, aligned for any type; NULL if that is 0.
 * Memory:  the socket's: it is valid as long as the socket is, and keeps its content when that is connected again.
 * Thread:  owner.
 */
void *tr_socket_state(tr_socket *socket);

/*
 * Other callbacks from now on; NULL: none.
 * Memory:  events must outlive the socket.
 * Thread:  owner.
 */
void tr_socket_set_events(tr_socket *socket, const struct tr_socket_events *events);

/*
 * Another owner from now on, or callbacks again (NULL): so one actor passes a socket on to another. Events that the old
 * owner got and did not answer are not waited for.
 *
 * Thread:  owner of socket.
 * Returns: TR_OK
 *          TR_EINVAL   socket is NULL
 *          TR_EBADREF  owner->actor is not the name of an actor of this runtime
 *          TR_ENOMEM
 */
tr_status tr_socket_set_owner(tr_socket *socket, const struct tr_owner *owner);

/* The socket's actor, for tr_send() and the like. Thread: owner. */
tr_actor *tr_socket_actor(tr_socket *socket);

/* The socket's name, for others. Thread: owner. */
tr_ref tr_socket_ref(const tr_socket *socket);

/* The server that accepted it; TR_NOBODY for any other socket. Thread: owner. */
tr_ref tr_socket_server(const tr_socket *socket);

TR_DECLARATIONS_END
#endif
