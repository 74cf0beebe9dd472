/*
 * Sockets and servers of other actors: the operations of socket.h and server.h as messages to a ref, from any actor on
 * any worker.
 *
 * Order:
 *   - What one actor sends to one socket is carried out in the order in which it was sent. What the actor does through
 *     a pipe comes in the same order: bytes that are written first and then bytes that are piped arrive so, on one
 *     worker as on two.
 *   - The functions of socket.h, called directly on a socket of the same worker, act at once, before what is still on
 *     its way.
 *   - Operations that are sent in one callback are not one unit: others may come between them, and the last may come
 *     some time after the first. But what comes of connecting comes after all that was sent in the callback that
 *     ordered it.
 *
 * Refusals by the socket or server:
 *   - Where the result of the operation matters, a message brings it, with the tag that the caller chose: exactly one,
 *     even if the socket is gone.
 *   - Any other refusal is an error event of the socket or server, as said below. If something would be missing in its
 *     stream, the socket is destroyed with that error.
 *   - What is refused because the socket is destroyed is reported by its close event.
 *   - An operation that finds no socket is a dead letter.
 *
 * Memory:  nothing is taken: slices are held, options are copied with their texts. Exceptions are named below.
 * Thread:  owner of self, for all functions. "owner" is the worker on which the object lives, "any" is every thread,
 *          "setup" is one thread before the workers start or after they have ended.
 * Returns: each function may return the following; below stands what comes in addition. A call that fails sends
 *          nothing. No limit of mailboxes or lanes applies, so TR_EFULL does not occur.
 *          TR_OK         sent
 *          TR_EINVAL     self is NULL
 *          TR_EBADREF    the ref is not the name of an actor of this runtime
 *          TR_EGONE      the actor lived on this worker and has stopped
 *          TR_ENOMEM
 *          TR_ESTOPPING  it lives on another worker and this one has ended: only in callbacks of libuv handles
 */
#ifndef TROUPE_NET_REMOTE_H
#define TROUPE_NET_REMOTE_H

#include <troupe/actors/send.h>
#include <troupe/core/declare.h>
#include <troupe/net/pipe.h>
#include <troupe/net/server.h>
#include <troupe/net/socket.h>
#include <troupe/net/tls.h>

TR_DECLARATIONS_BEGIN

/*
 * Answers events: gives a socket whose owner is self credit for `events` more, as many as were handled. Every event
 * must be answered like this, once: see struct tr_owner. If the call fails, for lack of memory, the socket keeps
 * waiting: stop it.
 */
tr_status tr_remote_credit(tr_actor *self, tr_ref socket, uint32_t events);

/*
 * tr_socket_spawn() on any worker; options.owner is usually self. placement is as in tr_spawn(), but its argument is
 * ignored; NULL: this worker. The name is valid at once.
 *
 * If there is neither an owner nor a data callback, nobody wants the data of this socket yet. Then it is as if it was
 * paused until it gets an owner, a pipe or a data callback, or is resumed: no byte is lost, whenever that is ordered.
 * As in Node it notices the end of a stream from which no byte came; otherwise the end waits, too. The other events go
 * to those who listen when they happen.
 *
 * Returns: TR_OK
 *          TR_EINVAL     self or out is NULL, no such options.type, or no such placement
 *          TR_EBADLIMIT, TR_EBADREF, TR_EBADENCODING, TR_EBADSTATE: see tr_socket_spawn()
 *          TR_EBADWORKER, TR_EFULL, TR_EMEMORYLIMIT, TR_EGONE: see tr_spawn()
 *          TR_ENOMEM
 *          TR_ESTOPPING  the runtime is stopping
 *          A failure on another worker is a message to self, TR_TAG_SPAWN_FAILED.
 */
tr_status tr_remote_socket(tr_actor *self, const struct tr_socket_options *options,
                           const struct tr_spawn_options *placement, tr_ref *out);

/*
 * tr_socket_connect(). The options are checked here.
 *
 *   - Every event of connecting comes after all that self sends to the socket in the callback in which it calls this.
 *     So an owner or a pipe that is ordered there misses nothing.
 *   - Connecting itself begins then, too, but to a path at once.
 *   - A socket that is connecting or connected already continues (TR_EALREADY, TR_EISCONN: the connect event comes, or
 *     has come). One that is destroyed has its close event.
 *   - TR_EBADADDRESS and TR_ENOMEM of the socket are error events.
 *
 * Memory:  what the options point to is copied, except for lookup_data.
 * Returns: also TR_EINVAL, TR_EMISSING, TR_EBADHOST, TR_EBADPATH, TR_ENAMETOOLONG, TR_ENOTSUPPORTED, TR_EBADADDRESS
 *          (local_address, proxy), TR_EBADLIMIT: see tr_socket_connect().
 */
tr_status tr_remote_connect(tr_actor *self, tr_ref socket, const struct tr_connect_options *options);

/*
 * tr_socket_looked_up(). A second answer does nothing.
 * Memory:  the addresses are copied. error->code is not: a constant.
 * Returns: also TR_EINVAL, TR_EBADADDRESS: see tr_socket_looked_up().
 */
tr_status tr_remote_looked_up(tr_actor *self, tr_ref socket, const struct tr_error *error,
                              const struct tr_address *addresses, unsigned count);

/*
 * tr_socket_write_slice(). A write that is refused destroys the socket with the error.
 * Memory:  the call takes a hold of its own.
 * Returns: also TR_EINVAL (a slice without an address but with a size).
 */
tr_status tr_remote_write(tr_actor *self, tr_ref socket, tr_slice slice);

/* The answer to tr_remote_write_ask() and tr_remote_end_ask(), and to tr_remote_update_keys(). */
struct tr_remote_written {
    uint64_t token;   /* the caller's */
    tr_status status; /* TR_OK: gone to the kernel; of keys: they are new from here on */
};

/*
 * tr_socket_write_then(). Exactly one message with reply_tag and a struct tr_remote_written comes, when the bytes have
 * gone to the kernel or never will. If the socket's actor is gone it comes from TR_NOBODY, with TR_EGONE. The answers
 * keep their place among the events that self gets as the socket's owner.
 * Memory:  the call takes a hold of its own.
 * Returns: also TR_EINVAL (a slice without an address but with a size), TR_EBADTAG (reply_tag).
 */
tr_status tr_remote_write_ask(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token);

/*
 * tr_socket_write_fd(). A write that is refused destroys the socket with the error.
 * Memory:  fd is the caller's: a duplicate goes along. The call takes a hold of the slice.
 * Returns: also TR_EINVAL (no bytes), TR_EBADF (no open descriptor), TR_EMFILE (no more descriptors).
 */
tr_status tr_remote_write_fd(tr_actor *self, tr_ref socket, tr_slice slice, int fd);

/* The answer to tr_remote_write_check(): what tr_socket_write_slice() returned. */
struct tr_remote_accepted {
    uint64_t token;   /* the caller's */
    tr_status status; /* TR_OK, TR_QUEUED, or the refusal; TR_EGONE: there is no socket */
};

/*
 * tr_socket_write_slice(). Exactly one message with reply_tag and a struct tr_remote_accepted comes at once, with what
 * the write returned: for those who stop at TR_QUEUED until the drain event.
 * Memory:  the call takes a hold of its own.
 * Returns: also TR_EINVAL (a slice without an address but with a size), TR_EBADTAG (reply_tag).
 */
tr_status tr_remote_write_check(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token);

/* tr_socket_cork(). */
tr_status tr_remote_cork(tr_actor *self, tr_ref socket);

/* tr_socket_uncork(). The result shows in the events: drain follows if part of it waits, or the error. */
tr_status tr_remote_uncork(tr_actor *self, tr_ref socket);

/* tr_socket_end(). */
tr_status tr_remote_end(tr_actor *self, tr_ref socket);

/*
 * tr_socket_end_with(). A write that is refused destroys the socket with the error.
 * Memory:  the call takes a hold of its own.
 * Returns: also TR_EINVAL (a slice without an address but with a size).
 */
tr_status tr_remote_end_with(tr_actor *self, tr_ref socket, tr_slice slice);

/*
 * tr_socket_end_then(), answered as tr_remote_write_ask().
 * Memory:  the call takes a hold of its own.
 * Returns: also TR_EINVAL (a slice without an address but with a size), TR_EBADTAG (reply_tag).
 */
tr_status tr_remote_end_ask(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token);

/* tr_socket_destroy(). */
tr_status tr_remote_destroy(tr_actor *self, tr_ref socket, tr_status error);

/* tr_socket_destroy_with(). Memory: code is not copied: a constant. */
tr_status tr_remote_destroy_with(tr_actor *self, tr_ref socket, const char *code);

/* tr_socket_reset(). A socket that is not TCP is destroyed with TR_EBADHANDLE. */
tr_status tr_remote_reset(tr_actor *self, tr_ref socket);

/* tr_socket_pause(), tr_socket_resume(). Events that are under way still come. */
tr_status tr_remote_pause(tr_actor *self, tr_ref socket);
tr_status tr_remote_resume(tr_actor *self, tr_ref socket);

/*
 * The functions of socket.h of these names. What is refused only there, such as for lack of memory, destroys the
 * socket with that status, because it would not do what was asked; but no_delay, background and awaits do not. An owner
 * that hands on what it gets names the actor to which it does so as the consumer: the events for which the socket has
 * credit still come.
 * Returns: also TR_EBADENCODING (encoding), TR_EBADLIMIT (timeout_ms, initial_delay_ms), TR_EBADREF (owner->actor,
 *          consumer).
 */
tr_status tr_remote_set_encoding(tr_actor *self, tr_ref socket, enum tr_encoding encoding);
tr_status tr_remote_set_timeout(tr_actor *self, tr_ref socket, uint64_t timeout_ms);
tr_status tr_remote_set_no_delay(tr_actor *self, tr_ref socket, bool no_delay);
tr_status tr_remote_set_keep_alive(tr_actor *self, tr_ref socket, bool enable, uint64_t initial_delay_ms);
tr_status tr_remote_set_background(tr_actor *self, tr_ref socket, bool background);
tr_status tr_remote_set_awaits(tr_actor *self, tr_ref socket, bool awaits);
tr_status tr_remote_set_owner(tr_actor *self, tr_ref socket, const struct tr_owner *owner);
tr_status tr_remote_set_consumer(tr_actor *self, tr_ref socket, tr_ref consumer);

/*
 * tr_socket_pipe(). If `from` cannot open the pipe any more, `to` does not wait for it: it is destroyed with TR_EPIPE,
 * as by a pipe whose first socket is destroyed, or it is ended if the peer of `from` had ended; not with keep_open.
 * Returns: also TR_EBADREF (`to`).
 */
tr_status tr_remote_pipe(tr_actor *self, tr_ref from, tr_ref to, const struct tr_pipe_options *options);

/* tr_socket_unpipe(). */
tr_status tr_remote_unpipe(tr_actor *self, tr_ref from);

/*
 * tr_socket_set_secure(). What self writes after this waits for the handshake, as there; a refusal destroys the socket
 * with the error, so that nothing of it goes as plain text. The contexts and texts are checked at the socket.
 *
 * Whoever is to answer a word such as STARTTLS sends this before the credit for the event that brought it, and has
 * credit for one: then no byte behind it is given as plain text.
 *
 * Memory:  all is copied or held.
 * Returns: also TR_EINVAL (NULL, no context, no such role, or received or alpn is NULL and not empty), TR_EBADLIMIT
 *          (handshake_timeout_ms), TR_ENOTSUPPORTED (Troupe was built without TLS).
 */
tr_status tr_remote_set_secure(tr_actor *self, tr_ref socket, const struct tr_tls_options *options);

/*
 * tr_socket_update_keys(). Exactly one message with reply_tag and a struct tr_remote_written comes at once, with what
 * the call returned; TR_EGONE: there is no socket.
 * Returns: also TR_EBADTAG (reply_tag).
 */
tr_status tr_remote_update_keys(tr_actor *self, tr_ref socket, bool both, uint32_t reply_tag, uint64_t token);

/* The answer to tr_remote_peer(). Memory: all of it is the message's, which owns the peer and frees it. */
struct tr_remote_shown {
    tr_ref socket;
    uint64_t token;       /* the caller's */
    tr_status status;     /* what tr_socket_peer() returned; TR_EGONE: there is no socket */
    struct tr_peer *peer; /* NULL unless TR_OK */
};

/*
 * tr_socket_peer(). Exactly one message with reply_tag and a struct tr_remote_shown comes.
 * Returns: also TR_EBADTAG (reply_tag).
 */
tr_status tr_remote_peer(tr_actor *self, tr_ref socket, uint32_t reply_tag, uint64_t token);

/* The answer to tr_remote_socket_info(). */
struct tr_socket_info {
    tr_ref socket;
    uint64_t token; /* the caller's */
    struct tr_address local;
    struct tr_address remote;
    uint64_t bytes_read;
    uint64_t bytes_written;
    uint64_t buffered; /* bytes: tr_socket_buffered() */
    uint64_t number;   /* tr_socket_number() */
    enum tr_ready_state ready_state;
    bool connecting;
    bool pending;
    bool destroyed;
    bool secure;            /* tr_socket_secure() */
    bool truncated;         /* tr_socket_truncated() */
    uint64_t wire_read;     /* of a secure one, the bytes of records that bytes_read and bytes_written came as: */
    uint64_t wire_written;  /* tr_socket_tls_info() */
    unsigned proxy_version; /* of tr_socket_proxy(): with which header the connection began; 0: with none */
    struct tr_address proxy_source;
    struct tr_address proxy_destination;
};

/*
 * Asks for what there is to know of a socket. Exactly one message with reply_tag and a struct tr_socket_info comes; of
 * a socket that is gone it says `destroyed`.
 * Returns: also TR_EBADTAG (reply_tag).
 */
tr_status tr_remote_socket_info(tr_actor *self, tr_ref socket, uint32_t reply_tag, uint64_t token);

/*
 * tr_server_listen(). The options are checked here; an error that only the server can know is an error event.
 * Memory:  the options are copied with their texts. options->fd is taken on success.
 * Returns: also TR_EINVAL (NULL, or options->server is set), TR_ENOADDRESS, TR_EBADHOST, TR_EBADPATH, TR_ENAMETOOLONG,
 *          TR_ENOTSUPPORTED, TR_EBADLIMIT, TR_EBADF: see tr_server_listen(); TR_EMFILE (no more descriptors).
 */
tr_status tr_remote_server_listen(tr_actor *self, tr_ref server, const struct tr_listen_options *options);

/* tr_server_close(). A server that does not listen gives its close event all the same. */
tr_status tr_remote_server_close(tr_actor *self, tr_ref server);

/*
 * tr_server_drain(). A refusal, TR_ENOTLISTENING or TR_ENOMEM, is an error event with the call "drain".
 * Returns: also TR_EBADLIMIT (deadline_ms above 2^31 - 1).
 */
tr_status tr_remote_server_drain(tr_actor *self, tr_ref server, uint64_t deadline_ms);

/*
 * tr_server_pause(), tr_server_resume(). A refusal, TR_ENOTLISTENING or TR_ENOMEM, is an error event with the call
 * "pause" or "resume".
 * Returns: also TR_EBADLIMIT (pause_ms above 2^31 - 1).
 */
tr_status tr_remote_server_pause(tr_actor *self, tr_ref server, uint64_t pause_ms);
tr_status tr_remote_server_resume(tr_actor *self, tr_ref server);

/* tr_server_set_max_connections(). */
tr_status tr_remote_server_set_max_connections(tr_actor *self, tr_ref server, uint32_t max_connections);

/*
 * tr_server_set_tls(). A refusal, TR_EBADHANDLE, is an error event with the call "set tls".
 * Memory:  the context is held.
 * Returns: also TR_EINVAL (no context), TR_ETLSNOKEY (it is a client's), TR_ENOTSUPPORTED (Troupe was built without
 *          TLS).
 */
tr_status tr_remote_server_set_tls(tr_actor *self, tr_ref server, tr_tls_context *context);

/* The answer to tr_remote_server_info(). */
struct tr_server_info {
    tr_ref server;
    struct tr_address address; /* family TR_FAMILY_NONE when it is not listening */
    uint32_t connections;
    bool listening;
    struct tr_server_refusals refusals;
    uint32_t handshakes; /* tr_server_handshakes() */
};

/*
 * Asks for what there is to know of a server. Exactly one message with reply_tag and a struct tr_server_info comes; a
 * server that is gone is not listening.
 * Returns: also TR_EBADTAG (reply_tag).
 */
tr_status tr_remote_server_info(tr_actor *self, tr_ref server, uint32_t reply_tag);

TR_DECLARATIONS_END
#endif
