/*
 * A socket with a layer (record_layer.h) before its descriptor: secure.c. And the bytes that go through it: records.c.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_SECURE_H
#define TROUPE_NET_SECURE_H

#include "queue.h"
#include "record_layer.h"

struct tri_secure_options {
    uint32_t handshake_ms; /* the time that the handshake may take; 0: any */
    bool cut_fails;        /* the peer's end without goodbye is an error of the socket */
    tr_slice received;     /* bytes of the wire that a data event has brought already */
};

/* May it become secure? One that connects may. TR_OK, TR_EDESTROYED, TR_ENOTCONN, TR_EALREADY: it is or becomes it,
 * TR_EWRITEAFTEREND: our side or the peer's has ended, TR_EBADHANDLE: it keeps records, takes descriptors, or has one
 * side only. */
tr_status tri_secure_check(const tr_socket *socket);

/*
 * The socket becomes secure: what was written before goes as it is, then comes the handshake, then the event `secure`,
 * and what is written from now on. What was received and not given yet is the handshake's. If it connects, all this
 * comes after `connect` and before `ready`.
 * Owner:   takes the layer on success.
 * Returns: TR_OK; what tri_secure_check() says; TR_ENOMEM.
 */
tr_status tri_secure_begin(tr_socket *socket, struct tri_record_layer *layer, const struct tri_secure_options *options);

/*
 * The same in two parts, for a connection that is to begin with a handshake. The first takes all memory: TR_OK,
 * TR_ENOMEM. Then comes one of the others: it begins, which cannot fail, now that the socket connects; or it does not,
 * and the layer stays the caller's. barrier NULL: it is not needed, since nothing is before the handshake.
 */
tr_status tri_secure_prepare(tr_socket *socket, struct tri_record_layer *layer,
                             const struct tri_secure_options *options, struct tri_write **barrier);
void tri_secure_await(tr_socket *socket, struct tri_record_layer *layer, struct tri_write *barrier);
void tri_secure_give_up(tr_socket *socket, struct tri_record_layer *layer, struct tri_write *barrier);

/* The socket begins with a layer whose handshake is over, which it takes. Its number is set. */
void tri_secure_continue(tr_socket *socket, struct tri_record_layer *layer);

/* All that was written before is in the kernel: the handshake begins. */
void tri_secure_shake(tr_socket *socket);

/* The step SECURE is done: what follows it is due. */
void tri_secure_follow(tr_socket *socket);

/* It is destroyed: nothing of the handshake is awaited any more. The layer is kept, since error callbacks may look. */
void tri_secure_stop(tr_socket *socket);

/* It is closed, or begins a new life: plain again. */
void tri_secure_free(tr_socket *socket);

/* What is to be polled instead of these bits of enum uv_poll_event, and by whom. */
unsigned tri_secure_wants(tr_socket *socket, unsigned wanted, uv_poll_cb *ready);

/* Our side is to end: does the peer know? If not, that is said when there is room, and FIN is due again. */
bool tri_secure_has_left(tr_socket *socket);

/* Our side ends before all that waits, none of which goes any more. false: there was no room to say so. */
bool tri_secure_leave(tr_socket *socket);

/* What TRI_LAYER_BROKEN stands for; its exact name if the socket's error is that, else NULL. */
tr_status tri_secure_failure(const tr_socket *socket);
const char *tri_secure_code(const tr_socket *socket);

/* The stream has ended without the peer's goodbye. */
bool tri_secure_is_cut(const tr_socket *socket);

/* The same, and the socket has failed with it since that was asked for. */
bool tri_secure_fails_cut(tr_socket *socket);

/* records.c. */

/* Reads what is there, as far as there is room for whole records. If more is inside, the buffer ends with what came, so
 * that it was filled. */
ssize_t tri_secure_read(tr_socket *socket, uv_buf_t *buffer);

/* Of the slice's beginning, the bytes of which all records are in the kernel. */
ssize_t tri_secure_write(tr_socket *socket, tr_slice slice);

/* Does a write go through at once, if the queue is empty? */
bool tri_secure_takes(const tr_socket *socket);

/* What comes before the queue: what the layer owes, and after the queue's end goodbye. false: nothing can be written
 * now. */
bool tri_secure_go_first(tr_socket *socket);

/* One record of what stands in front of the queue, or the beginning of the handshake if that is the barrier. Gives what
 * the kernel took, or an error. */
ssize_t tri_secure_send_front(tr_socket *socket);

/* It becomes secure, and carries no bytes yet. */
static inline bool
tri_secure_is_shaking(const tr_socket *socket)
{
    return TRI_UNLIKELY(tri_socket_is_secure(socket)) && tri_socket_layer(socket)->state != TRI_LAYER_OPEN;
}

/* What stands in front of the queue goes as a plain socket's: it was written before the barrier. */
static inline bool
tri_secure_sends_plain(const tr_socket *socket)
{
    return tri_socket_layer(socket)->state == TRI_LAYER_WAITS && socket->writer->queue.first->kind != TRI_WRITE_BARRIER;
}

/* The connection begins with a handshake, before which there is nothing that a cork could hold back. */
static inline bool
tri_secure_is_ahead(const tr_socket *socket)
{
    return TRI_UNLIKELY(tri_socket_is_secure(socket)) && tri_socket_layer(socket)->begins &&
           tri_socket_layer(socket)->state == TRI_LAYER_WAITS;
}

/* A record is on its way, so that its bytes cannot be refused any more. */
static inline bool
tri_secure_is_committed(const tr_socket *socket)
{
    return TRI_UNLIKELY(tri_socket_is_secure(socket)) && tri_socket_layer(socket)->committed > 0;
}

#endif
