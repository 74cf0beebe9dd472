/*
 * The timeout of a socket: nothing moved for a while.
 *
 * As in Node, received and written bytes are movement, and so is progress of a write that the kernel takes piece by
 * piece, which shows only in the length of libuv's queue. A timeout is reported once; the next one needs movement
 * first.
 */
#include "socket_internal.h"

#define TIMEOUT_LIMIT_MS 2147483647u

static struct tri_timers *
timers_of(const tr_socket *socket)
{
    return &socket->net->worker->timers;
}

static bool
is_running(const struct tri_rare *rare)
{
    return rare->idle.timer.place > 0;
}

static void on_idle(struct tri_idle *idle);

/* false: without memory. */
static bool
start(tr_socket *socket)
{
    struct tri_rare *rare = socket->rare;
    rare->queue_seen = uv_stream_get_write_queue_size(&socket->stream);
    rare->idle.fire = on_idle;
    return tri_idle_start(timers_of(socket), &rare->idle, rare->timeout_ms) == TR_OK;
}

static void
on_idle(struct tri_idle *idle)
{
    struct tri_rare *rare = (struct tri_rare *)((char *)idle - offsetof(struct tri_rare, idle));
    tr_socket *socket = rare->socket;
    if (rare->queue_seen != uv_stream_get_write_queue_size(&socket->stream) && start(socket))
        return;
    struct tri_actor_frame frame = tri_socket_enter(socket, TRI_TAG_ON_TIMEOUT);
    tri_socket_trace(socket, TRI_TRACE_NET_socket_timeout, 0, (uint32_t)rare->timeout_ms);
    if (socket->events->timeout != NULL)
        socket->events->timeout(socket);
    tri_socket_leave(socket, frame);
}

void
tri_idle_moved_slow(tr_socket *socket)
{
    struct tri_rare *rare = socket->rare;
    if (rare->timeout_ms == 0 || tri_socket_is(socket, TRI_SOCKET_DESTROYED))
        return;
    if (is_running(rare))
        tri_idle_touch(timers_of(socket), &rare->idle);
    else
        start(socket); /* without memory for it there is no timeout, as if the bytes had moved later */
}

void
tri_idle_end(tr_socket *socket)
{
    if (socket->rare != NULL && is_running(socket->rare))
        tri_idle_stop(timers_of(socket), &socket->rare->idle);
}

tr_status
tr_socket_set_timeout(tr_socket *socket, uint64_t timeout_ms)
{
    if (socket == NULL)
        return TR_EINVAL;
    tri_socket_check(socket);
    if (timeout_ms > TIMEOUT_LIMIT_MS)
        return TR_EBADLIMIT;
    if (tri_socket_is(socket, TRI_SOCKET_DESTROYED) || (timeout_ms == 0 && socket->rare == NULL))
        return TR_OK;
    struct tri_rare *rare = tri_socket_rare(socket);
    if (rare == NULL)
        return TR_ENOMEM;
    tri_idle_end(socket);
    rare->timeout_ms = timeout_ms;
    return timeout_ms == 0 || start(socket) ? TR_OK : TR_ENOMEM;
}
