/*
 * Sockets and servers from a distance: the operations of socket.h and server.h as messages to a ref, from any actor on
 * any worker.
 *
 * Order: what one actor sends to one socket is carried out in the order in which it was sent, and what the actor does
 * through a pipe comes in the same order: bytes that are written, then piped, arrive so, on one worker as on two. The
 * functions of socket.h, called directly on a socket of the same worker, act at once, before what is still on its way.
 * Operations that are sent in one callback are no unit: others may come between them, and the last may come some time
 * after the first. But what comes of connecting comes after all that was sent in the callback that ordered it.
 *
 * Refusals: where the answer of the operation matters, a message brings it, with the tag that the caller chose; exactly
 * one, also if the socket is gone. Any other refusal is an error event of the socket or server, as said below, and the
 * socket is destroyed with that error where something would be missing in its stream otherwise; what is refused because
 * the socket is destroyed is told by its close event. An operation that finds no socket is a dead letter.
 *
 * All functions: Thread: owner of self. Return TR_OK; TR_EINVAL; TR_EBADREF; TR_EGONE and TR_EFULL as tr_send(), though
 * no limit of the receiver's mailbox applies; TR_EBADLIMIT as the operation; TR_EBADTAG (reply_tag); TR_ENOMEM. A call
 * that fails sends nothing.
 */
#ifndef TROUPE_NET_REMOTE_H
#define TROUPE_NET_REMOTE_H

#include <troupe/actors/send.h>
#include <troupe/core/declare.h>
#include <troupe/net/pipe.h>
#include <troupe/net/server.h>
#include <troupe/net/socket.h>

TR_DECLARATIONS_BEGIN

/*
 * Gives a socket whose owner self is credit for that many more events: so many are handled. Every event is to be
 * answered so, once. See struct tr_owner. If it fails, for want of memory, the socket stands still: stop it.
 */
tr_status tr_remote_credit(tr_actor *self, tr_ref socket, uint32_t events);

/*
 * tr_socket_spawn() on another worker; options.owner is usually self. placement as in tr_spawn(), of which argument is
 * ignored; NULL: here. The name is valid at once. Returns as tr_socket_spawn() and tr_spawn().
 *
 * Without an owner and without a data callback nobody wants the data of this socket yet. Then it is as if it was paused
 * until it has an owner, a pipe or a data callback, or is resumed: no byte is lost, whenever that is ordered. As in
 * Node it notices the end of a stream from which no byte came; otherwise the end waits, too. The other events go to
 * those who listen when they happen.
 */
tr_status tr_remote_socket(tr_actor *self, const struct tr_socket_options *options,
                           const struct tr_spawn_options *placement, tr_ref *out);

/*
 * tr_socket_connect(). The arguments are checked here, and what they point to is copied (but lookup_data). Every event
 * of connecting comes after all that self sends to the socket in the callback in which it calls this, so an owner or a
 * pipe that is ordered there misses nothing. Connecting itself begins then, too, but to a path at once. A socket that
 * connects or is connected already goes on (TR_EALREADY, TR_EISCONN: the connect event comes, or came); one that is
 * destroyed has its close event; TR_EBADADDRESS and TR_ENOMEM are error events.
 */
tr_status tr_remote_connect(tr_actor *self, tr_ref socket, const struct tr_connect_options *options);

/* tr_socket_looked_up(); returns TR_EINVAL and TR_EBADADDRESS as that. */
tr_status tr_remote_looked_up(tr_actor *self, tr_ref socket, const struct tr_error *error,
                              const struct tr_address *addresses, unsigned count);

/* tr_socket_write_slice(); the call takes a hold of its own. A write that is refused destroys the socket with the
 * error. */
tr_status tr_remote_write(tr_actor *self, tr_ref socket, tr_slice slice);

/* What tr_remote_write_ask() and tr_remote_end_ask() are answered with. */
struct tr_remote_written {
    uint64_t token;   /* the caller's */
    tr_status status; /* TR_OK: gone to the kernel */
};

/*
 * tr_socket_write_then(): exactly one message with reply_tag and a struct tr_remote_written comes when the bytes have
 * gone or never will; with TR_EGONE, and from TR_NOBODY, if the socket's actor is gone. The answers keep their place
 * among the events that self gets as the socket's owner.
 */
tr_status tr_remote_write_ask(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token);

/* tr_socket_write_fd(); a duplicate of fd goes along. A refusal destroys the socket with the error. */
tr_status tr_remote_write_fd(tr_actor *self, tr_ref socket, tr_slice slice, int fd);

/* What tr_remote_write_check() is answered with: what tr_socket_write_slice() returned, at once. */
struct tr_remote_accepted {
    uint64_t token;
    tr_status status; /* TR_OK, TR_QUEUED, or the refusal; TR_EGONE: there is no socket */
};

/* As tr_remote_write_ask(), but the answer, a struct tr_remote_accepted, says what the write returned: for those who
 * want to stop at TR_QUEUED until the drain event. */
tr_status tr_remote_write_check(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token);

tr_status tr_remote_cork(tr_actor *self, tr_ref socket);

/* tr_socket_uncork(): what its answer says the events say, drain if part of it waits, or the error. */
tr_status tr_remote_uncork(tr_actor *self, tr_ref socket);

tr_status tr_remote_end(tr_actor *self, tr_ref socket);

/* tr_socket_end_with(). */
tr_status tr_remote_end_with(tr_actor *self, tr_ref socket, tr_slice slice);

/* tr_socket_end_then(), answered as tr_remote_write_ask(). */
tr_status tr_remote_end_ask(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token);

tr_status tr_remote_destroy(tr_actor *self, tr_ref socket, tr_status error);
tr_status tr_remote_destroy_with(tr_actor *self, tr_ref socket, const char *code); /* a constant */

/* tr_socket_reset(). What cannot be reset, since it is not TCP, is destroyed with TR_EBADHANDLE. */
tr_status tr_remote_reset(tr_actor *self, tr_ref socket);

tr_status tr_remote_pause(tr_actor *self, tr_ref socket);
tr_status tr_remote_resume(tr_actor *self, tr_ref socket);

/* Where there is no memory for one of these the socket is destroyed with TR_ENOMEM: it would not do what was asked. */
tr_status tr_remote_set_encoding(tr_actor *self, tr_ref socket, enum tr_encoding encoding);
tr_status tr_remote_set_timeout(tr_actor *self, tr_ref socket, uint64_t timeout_ms);
tr_status tr_remote_set_no_delay(tr_actor *self, tr_ref socket, bool no_delay);
tr_status tr_remote_set_keep_alive(tr_actor *self, tr_ref socket, bool enable, uint64_t initial_delay_ms);
tr_status tr_remote_set_background(tr_actor *self, tr_ref socket, bool background);
tr_status tr_remote_set_owner(tr_actor *self, tr_ref socket, const struct tr_owner *owner);

/*
 * tr_socket_pipe(). If `from` cannot open the pipe any more, `to` does not wait for it: it is destroyed with TR_EPIPE,
 * as by a pipe whose first socket is destroyed, or is ended if the peer of `from` had ended; not with keep_open.
 */
tr_status tr_remote_pipe(tr_actor *self, tr_ref from, tr_ref to, const struct tr_pipe_options *options);
tr_status tr_remote_unpipe(tr_actor *self, tr_ref from);

/* What tr_remote_socket_info() is answered with. */
struct tr_socket_info {
    tr_ref socket;
    uint64_t token;
    struct tr_address local;
    struct tr_address remote;
    uint64_t bytes_read;
    uint64_t bytes_written;
    uint64_t buffered;
    uint64_t number; /* tr_socket_number() */
    enum tr_ready_state ready_state;
    bool connecting;
    bool pending;
    bool destroyed;
};

/* A message with reply_tag and a struct tr_socket_info; of a socket that is gone it says `destroyed`. */
tr_status tr_remote_socket_info(tr_actor *self, tr_ref socket, uint32_t reply_tag, uint64_t token);

/* tr_server_listen(), with what its options point to copied; an error that only the server can know is an error
 * event. */
tr_status tr_remote_server_listen(tr_actor *self, tr_ref server, const struct tr_listen_options *options);

/* A server that does not listen closes all the same: it gives its close event. */
tr_status tr_remote_server_close(tr_actor *self, tr_ref server);

/* A refusal is an error event, with the call "pause" or "resume": TR_ENOTLISTENING, TR_ENOMEM. */
tr_status tr_remote_server_pause(tr_actor *self, tr_ref server, uint64_t pause_ms);
tr_status tr_remote_server_resume(tr_actor *self, tr_ref server);
tr_status tr_remote_server_set_max_connections(tr_actor *self, tr_ref server, uint32_t max_connections);

/* What tr_remote_server_info() is answered with. */
struct tr_server_info {
    tr_ref server;
    struct tr_address address; /* family TR_FAMILY_NONE when it is not listening */
    uint32_t connections;
    bool listening;
    struct tr_server_refusals refusals;
};

/* A message with reply_tag and a struct tr_server_info; a server that is gone is not listening. */
tr_status tr_remote_server_info(tr_actor *self, tr_ref server, uint32_t reply_tag);

TR_DECLARATIONS_END
#endif
