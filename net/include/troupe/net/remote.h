/*
 * Sockets and servers from a distance: the operations of socket.h and server.h as messages to a ref, from any actor on
 * any worker. They are carried out in the order in which one actor sends them. One that reaches a socket which is
 * closed becomes a dead letter.
 *
 * All functions: Thread: owner of self. Return TR_OK; TR_EINVAL; TR_EBADREF; TR_EGONE and TR_EFULL as tr_send(), though
 * no limit of the receiver's mailbox applies; TR_EBADLIMIT as the operation; TR_EBADTAG (reply_tag); TR_ENOMEM. Where
 * the answer of the operation matters, a message brings it: with the tag that the caller chose.
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
 */
tr_status tr_remote_socket(tr_actor *self, const struct tr_socket_options *options,
                           const struct tr_spawn_options *placement, tr_ref *out);

/*
 * tr_socket_connect(). The arguments are checked here, and what they point to is copied (but lookup_data); what only
 * the socket can know is not told (TR_EALREADY, TR_EISCONN, TR_EDESTROYED), or is an error event (TR_EBADADDRESS,
 * TR_ENOMEM).
 */
tr_status tr_remote_connect(tr_actor *self, tr_ref socket, const struct tr_connect_options *options);

/* tr_socket_looked_up(); returns TR_EINVAL and TR_EBADADDRESS as that. */
tr_status tr_remote_looked_up(tr_actor *self, tr_ref socket, const struct tr_error *error,
                              const struct tr_address *addresses, unsigned count);

/* tr_socket_write_slice(); the call takes a hold of its own. A write that is refused tells nobody but the socket. */
tr_status tr_remote_write(tr_actor *self, tr_ref socket, tr_slice slice);

/* What tr_remote_write_ask() and tr_remote_end_ask() are answered with. */
struct tr_remote_written {
    uint64_t token;   /* the caller's */
    tr_status status; /* TR_OK: gone to the kernel */
};

/*
 * tr_socket_write_then(): a message with reply_tag and a struct tr_remote_written comes when the bytes have gone or
 * never will. If the socket's actor is gone by then the write is a dead letter and no answer comes. The answers keep
 * their place among the events that self gets as the socket's owner.
 */
tr_status tr_remote_write_ask(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token);

/* tr_socket_write_fd(); a duplicate of fd goes along. */
tr_status tr_remote_write_fd(tr_actor *self, tr_ref socket, tr_slice slice, int fd);

/* What tr_remote_write_check() is answered with: what tr_socket_write_slice() returned, at once. */
struct tr_remote_accepted {
    uint64_t token;
    tr_status status; /* TR_OK, TR_QUEUED, or the refusal */
};

/* As tr_remote_write_ask(), but the answer, a struct tr_remote_accepted, says what the write returned: for those who want to
 * stop at TR_QUEUED until the drain event. */
tr_status tr_remote_write_check(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token);

tr_status tr_remote_cork(tr_actor *self, tr_ref socket);
tr_status tr_remote_uncork(tr_actor *self, tr_ref socket);
tr_status tr_remote_end(tr_actor *self, tr_ref socket);

/* tr_socket_end_with(). */
tr_status tr_remote_end_with(tr_actor *self, tr_ref socket, tr_slice slice);

/* tr_socket_end_then(), answered as tr_remote_write_ask(). */
tr_status tr_remote_end_ask(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token);

tr_status tr_remote_destroy(tr_actor *self, tr_ref socket, tr_status error);
tr_status tr_remote_destroy_with(tr_actor *self, tr_ref socket, const char *code); /* a constant */
tr_status tr_remote_reset(tr_actor *self, tr_ref socket);
tr_status tr_remote_pause(tr_actor *self, tr_ref socket);
tr_status tr_remote_resume(tr_actor *self, tr_ref socket);
tr_status tr_remote_set_encoding(tr_actor *self, tr_ref socket, enum tr_encoding encoding);
tr_status tr_remote_set_timeout(tr_actor *self, tr_ref socket, uint64_t timeout_ms);
tr_status tr_remote_set_no_delay(tr_actor *self, tr_ref socket, bool no_delay);
tr_status tr_remote_set_keep_alive(tr_actor *self, tr_ref socket, bool enable, uint64_t initial_delay_ms);
tr_status tr_remote_set_background(tr_actor *self, tr_ref socket, bool background);
tr_status tr_remote_set_owner(tr_actor *self, tr_ref socket, const struct tr_owner *owner);
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
    enum tr_ready_state ready_state;
    bool connecting;
    bool pending;
    bool destroyed;
};

/* A message with reply_tag and a struct tr_socket_info. */
tr_status tr_remote_socket_info(tr_actor *self, tr_ref socket, uint32_t reply_tag, uint64_t token);

/* tr_server_listen(), with what its options point to copied; an error that only the server can know is an error event. */
tr_status tr_remote_server_listen(tr_actor *self, tr_ref server, const struct tr_listen_options *options);
tr_status tr_remote_server_close(tr_actor *self, tr_ref server);
tr_status tr_remote_server_pause(tr_actor *self, tr_ref server, uint64_t pause_ms);
tr_status tr_remote_server_resume(tr_actor *self, tr_ref server);
tr_status tr_remote_server_set_max_connections(tr_actor *self, tr_ref server, uint32_t max_connections);

/* What tr_remote_server_info() is answered with. */
struct tr_server_info {
    tr_ref server;
    struct tr_address address; /* family TR_FAMILY_NONE when it is not listening */
    uint32_t connections;
    bool listening;
};

/* A message with reply_tag and a struct tr_server_info. */
tr_status tr_remote_server_info(tr_actor *self, tr_ref server, uint32_t reply_tag);

TR_DECLARATIONS_END
#endif
