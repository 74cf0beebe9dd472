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
#include <troupe/net/server.h>
#include <troupe/net/socket.h>

TR_DECLARATIONS_BEGIN

/* tr_socket_write_slice(); the call takes a hold of its own. A write that is refused tells nobody but the socket. */
tr_status tr_remote_write(tr_actor *self, tr_ref socket, tr_slice slice);

/* What tr_remote_write_ask() is answered with. */
struct tr_remote_written {
    uint64_t token;   /* the caller's */
    tr_status status; /* TR_OK: gone to the kernel */
};

/*
 * tr_socket_write_then(): a message with reply_tag and a struct tr_remote_written comes when the bytes have gone or
 * never will. If the socket is closed by then the write is a dead letter and no answer comes.
 */
tr_status tr_remote_write_ask(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token);

tr_status tr_remote_end(tr_actor *self, tr_ref socket);
tr_status tr_remote_destroy(tr_actor *self, tr_ref socket, tr_status error);
tr_status tr_remote_pause(tr_actor *self, tr_ref socket);
tr_status tr_remote_resume(tr_actor *self, tr_ref socket);
tr_status tr_remote_set_timeout(tr_actor *self, tr_ref socket, uint64_t timeout_ms);
tr_status tr_remote_set_no_delay(tr_actor *self, tr_ref socket, bool no_delay);
tr_status tr_remote_set_keep_alive(tr_actor *self, tr_ref socket, bool enable, uint64_t initial_delay_ms);

/* What tr_remote_socket_info() is answered with. */
struct tr_socket_info {
    tr_ref socket;
    struct tr_address local;
    struct tr_address remote;
    uint64_t bytes_read;
    uint64_t bytes_written;
    uint64_t buffered;
    bool connecting;
    bool destroyed;
};

/* A message with reply_tag and a struct tr_socket_info. */
tr_status tr_remote_socket_info(tr_actor *self, tr_ref socket, uint32_t reply_tag);

tr_status tr_remote_server_close(tr_actor *self, tr_ref server);
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
