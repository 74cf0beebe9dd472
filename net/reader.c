/*
 * Reading: from the kernel to `data` and `end`.
 *
 * Bytes land in the worker's slab (slab.h) and are lent to `data` for the call.
 *
 * Pausing does not stop libuv at once. As in Node, one more read may come; it is held back and stops the reading, and
 * resuming gives it first. So a pause that is over before anything came costs nothing, and the end of a stream with
 * nothing before it is noticed by a paused socket too. A socket that was born paused (pause_on_connect) does not read
 * before it is resumed, so that it can be handed on unread.
 */
#include "socket_internal.h"

static tr_socket *
socket_of(const void *handle)
{
    return (tr_socket *)((char *)handle - offsetof(tr_socket, handle));
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    tri_slabs_offer(&socket_of(handle)->net->slabs, buffer);
}

static void
give(tr_socket *socket, tr_slice slice)
{
    tri_socket_trace(socket, TRI_TRACE_NET_socket_data, 0, (uint32_t)slice.size);
    if (socket->events->data != NULL)
        socket->events->data(socket, slice);
}

/* The socket is paused: what came waits, and nothing more is read. */
static void
hold_back(tr_socket *socket, tr_slice slice)
{
    struct tri_rare *rare = tri_socket_rare(socket);
    if (rare == NULL) {
        tri_socket_fail(socket, UV_ENOMEM, TRI_CALL_READ);
        return;
    }
    tr_slice_hold(slice);
    rare->held = slice;
    socket->flags &= ~(uint32_t)TRI_SOCKET_READING;
    uv_read_stop(&socket->stream);
}

static void
on_bytes(tr_socket *socket, size_t size)
{
    tr_slice slice = tri_slabs_lend(&socket->net->slabs, size);
    socket->bytes_read += size;
    tri_idle_moved(socket);
    if (TRI_UNLIKELY(tri_socket_is(socket, TRI_SOCKET_PAUSED)))
        hold_back(socket, slice);
    else
        give(socket, slice);
    tri_slabs_take_back(&socket->net->slabs, slice);
}

static void
on_end(tr_socket *socket)
{
    socket->flags |= TRI_SOCKET_PEER_ENDED;
    socket->flags &= ~(uint32_t)TRI_SOCKET_READING; /* libuv has stopped by itself */
    tri_socket_trace(socket, TRI_TRACE_NET_socket_end, 0, 0);
    if (socket->events->end != NULL)
        socket->events->end(socket);
    if (!tri_socket_is(socket, TRI_SOCKET_HALF_OPEN))
        socket->flags |= TRI_SOCKET_ENDING;
    tri_socket_due(socket);
}

static void
on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    tr_socket *socket = socket_of(stream);
    (void)buffer;
    if (size == 0)
        return; /* libuv's way to say that there was nothing after all */
    struct tri_actor_frame frame = tri_socket_enter(socket, TRI_TAG_ON_READ);
    if (TRI_LIKELY(size > 0))
        on_bytes(socket, (size_t)size);
    else if (size == UV_EOF)
        on_end(socket);
    else
        tri_socket_fail(socket, (int)size, TRI_CALL_READ);
    tri_socket_leave(socket, frame);
}

void
tri_reader_begin(tr_socket *socket)
{
    if (tri_socket_is(socket, TRI_SOCKET_READING | TRI_SOCKET_DESTROYED | TRI_SOCKET_PEER_ENDED) ||
        !tri_socket_is(socket, TRI_SOCKET_CONNECTED))
        return;
    int error = uv_read_start(&socket->stream, on_alloc, on_read);
    if (error == 0)
        socket->flags |= TRI_SOCKET_READING;
    else
        tri_socket_fail(socket, error, TRI_CALL_READ);
}

void
tri_reader_start(tr_socket *socket)
{
    if (!tri_socket_is(socket, TRI_SOCKET_PAUSED))
        tri_reader_begin(socket);
}

void
tri_reader_settle(tr_socket *socket)
{
    struct tri_rare *rare = socket->rare;
    if (rare == NULL || rare->held.size == 0 || tri_socket_is(socket, TRI_SOCKET_PAUSED | TRI_SOCKET_DESTROYED))
        return;
    tr_slice slice = rare->held;
    rare->held.size = 0;
    give(socket, slice);
    tr_slice_release(slice);
    tri_reader_start(socket);
}

void
tr_socket_pause(tr_socket *socket)
{
    if (socket == NULL)
        return;
    tri_socket_check(socket);
    socket->flags |= TRI_SOCKET_PAUSED;
}

void
tr_socket_resume(tr_socket *socket)
{
    if (socket == NULL || !tri_socket_is(socket, TRI_SOCKET_PAUSED))
        return;
    tri_socket_check(socket);
    socket->flags &= ~(uint32_t)TRI_SOCKET_PAUSED;
    if (socket->rare != NULL && socket->rare->held.size > 0)
        tri_socket_due(socket);
    else
        tri_reader_start(socket);
}
