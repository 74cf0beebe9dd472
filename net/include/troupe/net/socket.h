/*
 * Sockets: one connection over TCP or a unix socket, one actor.
 *
 * A socket reports what happens through the callbacks of events.h, which run inside the socket's own actor, on its
 * worker. There, and from any other callback on that worker, the functions below act at once. From anywhere else use
 * <troupe/net/remote.h>: the same operations as messages to the socket's ref.
 *
 * A tr_socket is valid until its close callback has returned; then it is gone, and so is its actor. It stays if that
 * callback connects it anew, and with options.keep in any case. tr_exit() on its actor is tr_socket_destroy(), after
 * which it is not kept.
 *
 * tr_runtime_stop(), and tr_stop() with TR_STOP_DRAIN: the socket handles what it was sent before, then it ends its
 * side as by tr_socket_end(), and closes, without an error, as soon as all that waits and the FIN have gone to the
 * kernel; it does not wait for the peer's end. Until then its events go on, but a write is one after the end: refused,
 * with TR_EWRITEAFTEREND, and the socket is destroyed. One that is not connected is closed at once. One that has not
 * closed by the deadline is killed: what waits is lost, the peer sees an end after what the kernel had, and no event
 * and no callback of a write comes any more.
 *
 * "Document" in the comments names the Node documentation by era: v0.2, v0.4, v0.5, v0.10, v10.
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

struct tr_runtime;

/* What a socket may connect to (document v0.4, v0.5: the option type). */
enum tr_socket_type {
    TR_SOCKET_ANY,
    TR_SOCKET_TCP4,
    TR_SOCKET_TCP6,
    TR_SOCKET_UNIX,
};

#define TR_WRITE_COST_BYTES 160u  /* what a write that waits takes beside its bytes, at most */
#define TR_WRITES_ABOVE_LIMIT 16u /* that many small writes may wait under any write_limit */

/* What a socket is, whether it connects, is accepted or made from a descriptor. {0} is a complete set. */
struct tr_socket_options {
    const struct tr_socket_events *events; /* may be NULL */
    void *data;                            /* tr_socket_data() */
    size_t state_size;                     /* bytes of tr_socket_state(), at most 1 GiB; 0: none, which costs none */
    struct tr_owner owner;                 /* gets the events in place of the callbacks */
    bool allow_half_open;                  /* the peer's FIN does not end our side (v0.4 on) */
    bool keep;                             /* the socket outlives its close event, to be asked, or connected again */
    bool emit_connect;                     /* an accepted socket tells connect and ready, as in v0.2 */
    bool receive_fds;                      /* a unix socket takes descriptors that its peer sends: the fd event */
    bool report_resets;                    /* a reset is always an error: see the end event */
    bool no_delay;                         /* tr_socket_set_no_delay() */
    bool keep_alive;                       /* tr_socket_set_keep_alive() */
    uint64_t keep_alive_delay_ms;
    uint64_t timeout_ms;       /* tr_socket_set_timeout(), of the first connection */
    enum tr_encoding encoding; /* tr_socket_set_encoding() */
    enum tr_socket_type type;  /* other kinds of address are refused with TR_EBADADDRESS; not for accepted ones */

    /* How many bytes may wait in this process's memory. A write that comes while bytes wait and would make them more is
     * refused with TR_EQUEUELIMIT, all of it; one that comes from a distance without asking destroys the socket with
     * that error. What waits is thus never more than this and one write. Files count nothing, since their bytes wait on
     * the disk; tr_socket_buffered() counts them. 0: no limit.
     *
     * Of small writes the memory is the limit: no more than write_limit / TR_WRITE_COST_BYTES + TR_WRITES_ABOVE_LIMIT
     * may wait. So the process holds for a socket's writes at most twice write_limit, the last write, and 4 KiB. A
     * slice that is less than half of its buffer waits as a copy; one of more than 32 KiB keeps the whole buffer. */
    uint64_t write_limit;

    /* 0: a write says TR_QUEUED when part of it waits. Otherwise, as Node's streams with their 16,384: when the writes
     * that are not finished, each counted whole, are this many bytes or more. */
    uint32_t high_water;
};

/*
 * Answers tr_connect_options.lookup: with error (its status and code are used; the code is not copied: a constant) or
 * with addresses, of which ports are ignored. Now, or at any later time; a second answer does nothing.
 * Thread: owner. Returns: TR_OK; TR_EINVAL (neither or both); TR_EBADADDRESS; TR_EGONE (nothing is looked up any more).
 */
tr_status tr_socket_looked_up(tr_socket *socket, const struct tr_error *error, const struct tr_address *addresses,
                              unsigned count);

struct tr_connect_options {
    /* TCP. */
    const char *host;          /* name, in UTF-8, or address; default "localhost" (document v10) */
    uint16_t port;             /* 1 to 65535 */
    const char *local_address; /* an address to connect from; default: the system's choice */
    uint16_t local_port;       /* default: the system's choice */
    enum tr_family family;     /* of look-ups: TR_FAMILY_IPV4, TR_FAMILY_IPV6; default: either */
    int hints;                 /* of look-ups: getaddrinfo's AI_ADDRCONFIG, AI_V4MAPPED... */

    /* Called in place of the system's look-up, inside the socket's actor; answers with tr_socket_looked_up(). */
    void (*lookup)(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data);
    void *lookup_data;

    /* A name may have many addresses. Where no family is asked for (by `family`, local_address or the socket's type)
     * all are tried, IPv6 and IPv4 in turns, each as soon as the one before has failed: so "localhost" is reached
     * whichever of the two its server listens on. Where one is asked for, its first address alone is tried. Both are as
     * in Node 20, and so is that the lookup event comes for each address that may be tried. If all fail, the error is
     * that of the first.
     *
     * With race an attempt begins also race_delay_ms after the one before, which goes on, and all addresses are tried
     * in any case; the first connection wins (RFC 8305). */
    bool race;
    unsigned race_delay_ms; /* default 250 (RFC 8305, section 5) */

    /* Unix: takes the place of host and port (v10). "@name" is an abstract name (Linux). */
    const char *path;
    bool truncate_path; /* a path that is too long is cut, as the v10 document says, in place of TR_ENAMETOOLONG */

    uint64_t timeout_ms; /* tr_socket_set_timeout() before connecting, so it covers that too (v10) */

    /* The longest that connecting may take, from the call to the connect event, with the look-up and all attempts; what
     * is under way then is given up, with an error event: TR_ETIMEDOUT, its call "connect". An owner's time for its
     * answers to lookup events counts. 0: as long as the system tries, which may be minutes. */
    uint64_t connect_timeout_ms;
};

/*
 * Makes a socket on the worker of self, as its child. It is not connected. options may be NULL.
 * Owner:   the runtime's. The options are copied, what they point to is not.
 * Thread:  owner of self.
 * Returns: TR_OK; TR_EINVAL; TR_EBADLIMIT (a time that is too long); TR_EBADREF (owner); TR_EBADENCODING;
 *          TR_EBADSTATE (state_size); TR_ENOMEM; TR_ESTOPPING.
 * Document: new net.Socket (v0.4 on).
 */
tr_status tr_socket_spawn(tr_actor *self, const struct tr_socket_options *options, tr_socket **out);

/*
 * Connects. The events come after the call has returned. A socket that was closed may be connected again, from its
 * close callback on. The options are copied.
 * Thread:  owner.
 * Returns: TR_OK; TR_EINVAL (NULL, or a family that is none); TR_EMISSING (neither port nor path); TR_EBADHOST;
 *          TR_EBADPATH; TR_ENAMETOOLONG; TR_EBADADDRESS (local_address, or not of options.type); TR_EBADLIMIT (a time
 *          above 2^31 - 1); TR_EALREADY (it is connecting); TR_EISCONN; TR_EDESTROYED (it is closing: wait for close);
 *          TR_ENOMEM; TR_ESTOPPING. All else comes as an error event: no such name, refused, unreachable.
 * Document: socket.connect (all eras).
 */
tr_status tr_socket_connect(tr_socket *socket, const struct tr_connect_options *options);

/*
 * tr_socket_spawn() and tr_socket_connect() in one. socket and out may be NULL.
 * Thread: owner of self. Returns: as both. Document: net.createConnection, net.connect (all eras).
 */
tr_status tr_connect(tr_actor *self, const struct tr_socket_options *socket, const struct tr_connect_options *connect,
                     tr_socket **out);

/*
 * The same from a thread outside the runtime; the socket lives on the least loaded worker. out gets its name, may be
 * NULL.
 * Returns: as tr_connect(); TR_EWRONGTHREAD on a worker.
 */
tr_status tr_runtime_connect(struct tr_runtime *runtime, const struct tr_socket_options *socket,
                             const struct tr_connect_options *connect, tr_ref *out);

enum tr_sides {
    TR_READABLE = 1,
    TR_WRITABLE = 2,
};

/*
 * Makes a socket from a connected descriptor: of TCP, a unix socket, or anything else that can be polled, such as a
 * pipe. It begins connected, without a connect event. Of SOCK_SEQPACKET a record above 64 KiB is an error, TR_EMSGSIZE:
 * its rest would be lost. sides says what it is used for (enum tr_sides). Without TR_WRITABLE our side has ended from
 * the beginning. Without TR_READABLE nothing is read, and no end event comes: the socket closes when our side ends.
 * With neither it is open until it is destroyed.
 * Owner:   takes fd on success; on failure it is still the caller's.
 * Thread:  owner of self.
 * Returns: as tr_socket_spawn(); TR_EBADF; TR_EBADFD (a file, a socket that listens, or one of datagrams);
 *          TR_ENOTCONN; TR_EEXIST (it is a socket's of this worker already).
 * Document: the option fd (v0.4 on).
 */
tr_status tr_socket_adopt(tr_actor *self, int fd, unsigned sides, const struct tr_socket_options *options,
                          tr_socket **out);

/* Writing. */

/*
 * Writes a copy of size bytes. What the kernel does not take at once is queued.
 *
 * Thread:  owner.
 * Returns: TR_OK: the kernel has all of it. TR_QUEUED: part of it waits in this process, and drain will come.
 *          Before connect everything waits: there the answer is TR_QUEUED from 16 KiB on, as Node's, and TR_OK (without
 *          a drain) below. options.high_water changes both.
 *          Refusals that change nothing: TR_EINVAL; TR_EDESTROYED, the socket was destroyed; TR_EQUEUELIMIT,
 *          options.write_limit; TR_ENOMEM.
 *          Refusals that destroy the socket, with an error event, as in Node: TR_EWRITEAFTEREND, after tr_socket_end();
 *          TR_EPIPE, after our side was ended because the peer's was; TR_ESOCKETCLOSED, nobody has connected it; what
 *          the system answers.
 * Document: socket.write (all eras).
 */
tr_status tr_socket_write(tr_socket *socket, const void *data, size_t size);

/* As tr_socket_write(), without copying: the socket holds the slice as long as it needs it. */
tr_status tr_socket_write_slice(tr_socket *socket, tr_slice slice);

/* As tr_socket_write_slice() for many slices: one write, gathered into as few system calls as can be. */
tr_status tr_socket_write_slices(tr_socket *socket, const tr_slice *slices, unsigned count);

/* Writes a text of UTF-8 in an encoding. Returns also TR_EBADENCODING, TR_EBADTEXT: nothing is written. */
tr_status tr_socket_write_text(tr_socket *socket, const char *text, enum tr_encoding encoding);

/* Called when a write is over: see tr_socket_write_then(). */
typedef void (*tr_write_done)(tr_socket *socket, void *argument, tr_status status);

/*
 * As tr_socket_write_slice(); done is called exactly once, after the call has returned: with TR_OK when the bytes have
 * gone to the kernel, with an error when they never will: the one that destroyed the socket, or TR_EDESTROYED, or what
 * the call returned if it was refused. It is not called at all when the call returned TR_EINVAL, TR_EQUEUELIMIT or
 * TR_ENOMEM, nor when the actor is killed. The same holds for every function below that takes done.
 *
 * The callbacks of a socket's writes come in the order of the writes. As in Node, those of a write that the system
 * refuses come before error, and so do those of what is written after it in the same callback; those that destroying
 * has lost come between error and close; those that waited for a connection which never came directly after close, the
 * first of them with TR_ECLOSEDBEFORECONNECT. A write on a socket that is destroyed returns TR_EDESTROYED and tells
 * done what Node would: TR_EWRITEAFTEREND if our side was ended before. A write of no bytes is a write: it finds a
 * broken connection as any other.
 */
tr_status tr_socket_write_then(tr_socket *socket, tr_slice slice, tr_write_done done, void *argument);

/*
 * Writes length bytes of a file from offset on, in its turn, with sendfile where the system has it; length 0: up to its
 * end. The file is read while it is sent, on this worker: a slow disk holds the worker up. A file that is shorter than
 * it was said to be destroys the socket with TR_EIO. done may be NULL.
 *
 * Over TCP, bytes and the file after them leave in one packet as far as they fit: when both were corked or queued, and
 * when both are written in one callback of the socket's own. For that, where a worker's sockets write files, the bytes
 * of a write leave when the callback returns, at the latest.
 * Owner: fd is the caller's; a duplicate is kept until the write is over.
 * Thread: owner. Returns: as tr_socket_write_then(); TR_EBADF; TR_EBADFD (it is no regular file); TR_EMFILE.
 */
tr_status tr_socket_write_file(tr_socket *socket, int fd, uint64_t offset, uint64_t length, tr_write_done done,
                               void *argument);

/*
 * Sends a descriptor over a unix socket, together with a slice of at least one byte; the peer gets its fd event (or its
 * recvmsg) with the first of these bytes. done may be NULL.
 * Owner: fd is the caller's; a duplicate is kept until the write is over.
 * Thread: owner. Returns: as tr_socket_write_then(); TR_EBADF; TR_EBADHANDLE (no unix socket); TR_EMFILE; TR_EINVAL (no
 *         bytes).
 * Document: stream.write with fileDescriptor (v0.4, v0.5).
 */
tr_status tr_socket_write_fd(tr_socket *socket, tr_slice slice, int fd, tr_write_done done, void *argument);

/*
 * Holds writes back until tr_socket_uncork(), to be gathered into one system call. They nest. tr_socket_end() uncorks.
 * Thread: owner.
 */
void tr_socket_cork(tr_socket *socket);

/*
 * Sends what was held back, if it is the outermost; one uncork too many does nothing.
 * Thread:  owner.
 * Returns: what a write of all of it returns: TR_OK, the kernel has it, or nothing was to be sent; TR_QUEUED, part of
 *          it waits, and drain will come; the error of the system's for which the socket is destroyed, with an error
 *          event. TR_EINVAL; TR_EDESTROYED. Inside another cork and before connect it sends nothing, and answers TR_OK,
 *          before connect from 16 KiB on TR_QUEUED.
 */
tr_status tr_socket_uncork(tr_socket *socket);

/* Ending. */

/*
 * Ends our side: sends FIN after what is queued. The peer may go on sending. Ending twice does no harm. Before
 * tr_socket_connect() it is the first thing that the connection does, as in Node: what is written while it connects is
 * taken, and fails with TR_EPIPE.
 * Thread: owner. Returns: TR_OK; TR_EINVAL; TR_EDESTROYED. Document: socket.end (all eras).
 */
tr_status tr_socket_end(tr_socket *socket);

/*
 * Writes a last slice, then ends. A slice without an address ({NULL, 0}) is none; one of no bytes is a write of
 * nothing, as Node's end(""). Returns as tr_socket_write_slice(); without a slice, as tr_socket_end().
 */
tr_status tr_socket_end_with(tr_socket *socket, tr_slice slice);

/*
 * As tr_socket_end_with(); done is called when everything and the FIN has gone to the kernel, or never will. On a side
 * that has ended already done gets TR_EALREADYFINISHED; on a socket that is destroyed, TR_EDESTROYED, whatever error
 * destroyed it; if it is destroyed while our end is on its way, that error or TR_EDESTROYED, before the error event if
 * no write waits.
 * Returns: as tr_socket_write_then(). Document: the callback of socket.end (v10).
 */
tr_status tr_socket_end_then(tr_socket *socket, tr_slice slice, tr_write_done done, void *argument);

/*
 * Closes at once: nothing is read or written any more, what is queued is lost, close follows. The peer sees the end
 * even if another process has the descriptor too. With an error (below TR_OK) the error event comes before it, its call
 * being "destroy". Destroying twice does no harm. In the callback in which a write has failed, which destroys the
 * socket, too, it says what the error event will tell, and whether there is one.
 * Thread: owner. Document: socket.destroy (all eras).
 */
void tr_socket_destroy(tr_socket *socket, tr_status error);

/* The same with an error of the program's own: TR_EUSER, whose code is this text. It is not copied: a constant. */
void tr_socket_destroy_with(tr_socket *socket, const char *code);

/*
 * Closes a TCP connection with a reset (RST) in place of a FIN: the peer gets ECONNRESET. While it connects: as soon as
 * it is connected. On a socket that is not open: destroys it with TR_ESOCKETCLOSED.
 * Thread: owner. Returns: TR_OK; TR_EINVAL; TR_EBADHANDLE (what is not TCP; nothing happens).
 */
tr_status tr_socket_reset(tr_socket *socket);

/* Reading. */

/*
 * No data events until tr_socket_resume(); the peer feels it by TCP's flow control. As in Node the socket reads on
 * until 16 KiB (or 256 reads) wait; the read that passes this mark may bring up to 64 KiB. So it notices an error or a
 * reset, which closes it and drops what waits, and an end, which is reported at once if nothing waits before it. When
 * it may hold no more it notices a reset all the same. Descriptors wait in their place. All paused sockets of a worker
 * together hold at most 16 KiB each, and 1 MiB.
 * Thread: owner. Document: socket.pause (all eras).
 */
void tr_socket_pause(tr_socket *socket);

/*
 * Goes on after tr_socket_pause(), or after a server's pause_on_connect. What waits comes when the callback has
 * returned, in the place of this call among the callbacks of writes, also if the same callback destroys the socket.
 * Thread: owner. Document: socket.resume (all eras).
 */
void tr_socket_resume(tr_socket *socket);

/*
 * From now on data is text: decoded, no character cut, given as UTF-8. What is incomplete at the end comes as a last
 * data event before end. TR_ENCODING_NONE: bytes again.
 * Thread: owner. Returns: TR_OK; TR_EINVAL; TR_EBADENCODING; TR_ENOMEM. Document: socket.setEncoding (all eras).
 */
tr_status tr_socket_set_encoding(tr_socket *socket, enum tr_encoding encoding);

/* Tuning. */

/*
 * Reports a timeout event when nothing was received or sent for timeout_ms, from the call or the last movement on. What
 * the peer takes of bytes that the kernel holds for it is movement as well: a large file that a slow peer reads has no
 * timeout. For that the event may come up to timeout_ms late, never early. 0 switches it off, which is the default. A
 * timeout belongs to one connection: it is forgotten when the socket is destroyed, so a socket that is connected again
 * has none until it is set.
 * Thread: owner. Returns: TR_OK; TR_EBADLIMIT (above 2^31 - 1); TR_ENOMEM. Document: socket.setTimeout (all eras).
 */
tr_status tr_socket_set_timeout(tr_socket *socket, uint64_t timeout_ms);

/*
 * Switches Nagle's algorithm off (true) or on. Before connect it is remembered; on what is not TCP it does nothing.
 * Thread: owner. Returns: TR_OK; TR_EDESTROYED; what the system answers. Document: socket.setNoDelay (all eras).
 */
tr_status tr_socket_set_no_delay(tr_socket *socket, bool no_delay);

/*
 * Switches keep-alive probes on or off. initial_delay_ms is the quiet time before the first probe, rounded up to
 * seconds; 0 leaves the system's value. Before connect it is remembered; on what is not TCP it does nothing.
 * Thread: owner. Returns: TR_OK; TR_EDESTROYED; TR_EBADLIMIT; what the system answers. Document: socket.setKeepAlive
 * (all eras).
 */
tr_status tr_socket_set_keep_alive(tr_socket *socket, bool enable, uint64_t initial_delay_ms);

/*
 * A background socket does not keep tr_runtime_wait_idle() waiting, but while it connects. Thread: owner.
 * Document: socket.unref (true), socket.ref (false) (v0.10, v10).
 */
void tr_socket_set_background(tr_socket *socket, bool background);

/* Looking. */

/*
 * The peer's address; family TR_FAMILY_NONE before connect and after the socket is destroyed. A peer that has reset the
 * connection, be it before it was accepted, keeps its address until then. Thread: owner.
 */
void tr_socket_remote_address(const tr_socket *socket, struct tr_address *out);

/* Our own address, likewise. Thread: owner. Document: socket.address (v0.5 on), socket.localAddress (v0.10, v10). */
void tr_socket_local_address(const tr_socket *socket, struct tr_address *out);

/* Bytes received so far, also after the end. Thread: owner. Document: socket.bytesRead (v0.5 on). */
uint64_t tr_socket_bytes_read(const tr_socket *socket);

/* Bytes written so far, those queued included and those of a write that the system refused, of files those that have
 * gone. Thread: owner. Document: socket.bytesWritten (v0.5 on). */
uint64_t tr_socket_bytes_written(const tr_socket *socket);

/*
 * Bytes that were written and wait to be sent: those in memory, and of files what has not gone. To write_limit only
 * those in memory count. Thread: owner. Document: socket.bufferSize (v0.4 on).
 */
uint64_t tr_socket_buffered(const tr_socket *socket);

/* Connection in progress, from tr_socket_connect() to connect. Thread: owner. Document: socket.connecting (v10). */
bool tr_socket_connecting(const tr_socket *socket);

/* Not connected yet: connecting, or not even that. Thread: owner. Document: socket.pending (v10). */
bool tr_socket_pending(const tr_socket *socket);

/* No more data can be transferred. Thread: owner. Document: socket.destroyed (v10). */
bool tr_socket_destroyed(const tr_socket *socket);

/* What can be done with a socket. As in Node, one that was not connected yet is "open". */
enum tr_ready_state {
    TR_STATE_CLOSED,
    TR_STATE_OPENING,
    TR_STATE_OPEN,
    TR_STATE_READ_ONLY,  /* our side was ended */
    TR_STATE_WRITE_ONLY, /* the peer's side has ended */
};

/* Thread: owner. Document: stream.readyState (v0.2). */
enum tr_ready_state tr_socket_ready_state(const tr_socket *socket);

/* The document's word: "closed", "opening", "open", "readOnly", "writeOnly". Owner: a constant. Thread: any. */
const char *tr_ready_state_name(enum tr_ready_state state);

/*
 * Of an accepted socket: which of its server's connections it is, in the order in which the server accepted them, on
 * whatever worker each of them is; the first is 1. What the server turned away is not counted; a connection that was
 * lost before it came to life has a number that nobody sees. 0: it was not accepted; NULL.
 * Thread: owner. Document: our own.
 */
uint64_t tr_socket_number(const tr_socket *socket);

/* The user's pointer of this socket. Thread: owner. */
void *tr_socket_data(const tr_socket *socket);
void tr_socket_set_data(tr_socket *socket, void *data);

/*
 * The socket's own memory: options.state_size bytes, zero at its beginning, aligned for any type; NULL if that is 0.
 * Owner:   the socket's: it is valid as long as the socket is, and keeps what is in it when that is connected again.
 * Thread:  owner.
 */
void *tr_socket_state(tr_socket *socket);

/* Other callbacks from now on. events must outlive the socket; NULL: none. Thread: owner. */
void tr_socket_set_events(tr_socket *socket, const struct tr_socket_events *events);

/* Another owner from now on, or callbacks again (NULL). What the old one was told and did not answer is not waited for.
 * It is how one actor hands a socket on to another. Thread: owner. Returns: TR_OK; TR_EINVAL; TR_EBADREF; TR_ENOMEM. */
tr_status tr_socket_set_owner(tr_socket *socket, const struct tr_owner *owner);

/* The socket's actor, for tr_send() and its kin. Thread: owner. */
tr_actor *tr_socket_actor(tr_socket *socket);

/* The socket's name, for others. Thread: owner. */
tr_ref tr_socket_ref(const tr_socket *socket);

/* The server that accepted it, TR_NOBODY for any other socket. Thread: owner. */
tr_ref tr_socket_server(const tr_socket *socket);

TR_DECLARATIONS_END
#endif
