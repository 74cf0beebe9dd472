/*
 * What carries a socket's bytes: reader, writer and queue know it by these functions only.
 *
 * That is the socket's descriptor itself (plain.h), and each function is one of its calls. Of a secure socket a layer
 * lies before it: reader and writer turn to secure.h before they come here, where they test a flag anyway. What is
 * asked of the connection, and what is dropped, is the descriptor's matter also then.
 *
 * What reads gives the number of bytes, 0 at the end of the stream, or an error of the system's, negative: EAGAIN if
 * nothing is there yet. What writes gives how much was taken, 0 if there is no room, or an error, negative. Errors mean
 * for a connection what verdict.h says.
 *
 * Invariant: bytes that the transport holds back are followed by more before the flush or the socket's callback ends,
 * or TRI_DUE_PUSH stands in `due`.
 *
 * Thread: the worker of the socket, which is open.
 */
#ifndef TROUPE_NET_TRANSPORT_H
#define TROUPE_NET_TRANSPORT_H

#include "descriptor.h"
#include "plain.h"
#include "socket_state.h"
#include "tune.h"

static inline ssize_t
tri_transport_read(const tr_socket *socket, uv_buf_t buffer)
{
    return TRI_UNLIKELY(socket->records) ? tri_plain_read_record(socket->fd, buffer.base, buffer.len)
                                         : tri_plain_read(socket->fd, buffer.base, buffer.len);
}

/* Of a socket that takes descriptors. */
static inline ssize_t
tri_transport_receive(const tr_socket *socket, uv_buf_t buffer, struct tri_passed *passed)
{
    return tri_plain_receive(socket->fd, buffer.base, buffer.len, passed);
}

/* Is it worth reading again at once, after so much of what was offered? A descriptor that does not fill it is empty. */
static inline bool
tri_transport_has_more(const tr_socket *socket, size_t size, size_t offered)
{
    (void)socket;
    return size == offered;
}

/* The error that waits in the connection, which is taken out; 0: none. */
static inline int
tri_transport_error(const tr_socket *socket)
{
    return tri_descriptor_error(socket->fd);
}

static inline bool
tri_transport_has_hung_up(const tr_socket *socket)
{
    return tri_descriptor_has_hung_up(socket->fd);
}

/* Can descriptors be sent? */
static inline bool
tri_transport_passes(const tr_socket *socket)
{
    return tri_descriptor_is_unix(socket->fd);
}

/* Can bytes be held back, so that they leave with what follows? Asked once, and only where files are written. */
static inline bool
tri_transport_can_hold(tr_socket *socket)
{
    if (socket->holding == TRI_HOLDING_UNKNOWN)
        socket->holding = tri_tune_can_hold(socket->fd) ? TRI_HOLDS : TRI_HOLDS_NOT;
    return socket->holding == TRI_HOLDS;
}

/* What is held leaves now. */
static inline void
tri_transport_push(tr_socket *socket)
{
    socket->due &= ~TRI_DUE_PUSH;
    tri_tune_push(socket->fd);
}

/* What was sent without being held takes along what was. */
static inline ssize_t
tri_transport_sent(tr_socket *socket, ssize_t taken)
{
    if (taken > 0)
        socket->due &= ~TRI_DUE_PUSH;
    return taken;
}

/* One piece. A push that is due finds nothing if it took along what was held. */
static inline ssize_t
tri_transport_write(const tr_socket *socket, tr_slice slice)
{
    return tri_plain_write(socket->fd, slice.data, slice.size);
}

static inline ssize_t
tri_transport_gather(tr_socket *socket, const struct iovec *parts, int count)
{
    return tri_transport_sent(socket, tri_plain_gather(socket->fd, parts, count));
}

/* These may be held back: only where they can be. */
static inline ssize_t
tri_transport_hold(tr_socket *socket, struct iovec *parts, int count)
{
    ssize_t taken = tri_plain_hold(socket->fd, parts, count);
    socket->due |= taken > 0 ? TRI_DUE_PUSH : 0;
    return taken;
}

static inline ssize_t
tri_transport_pass(tr_socket *socket, tr_slice slice, int fd)
{
    return tri_transport_sent(socket, tri_plain_pass(socket->fd, slice.data, slice.size, fd));
}

static inline ssize_t
tri_transport_send_file(tr_socket *socket, int file, uint64_t offset, uint64_t most)
{
    return tri_transport_sent(socket, tri_plain_send_file(socket->fd, file, offset, most));
}

/* Our side has ended, which takes along what is held. */
static inline void
tri_transport_end(tr_socket *socket)
{
    tri_plain_end(socket->fd);
    socket->due &= ~TRI_DUE_PUSH;
}

#endif
