/*
 * The timeout of a socket: nothing moved for a while.
 *
 * As in Node, received and written bytes are movement, and so is progress of a write that the kernel takes piece by
 * piece. A timeout is reported once; the next one needs movement first.
 */
#include "socket_internal.h"

#define TIMEOUT_LIMIT_MS 2147483647u

static struct tri_timers *
timers_of(const tr_socket *socket)
{
    return &socket->net->worker->timers;
}

static void
on_idle(struct tri_idle *idle)
{
    struct tri_extra *extra = (struct tri_extra *)((char *)idle - offsetof(struct tri_extra, idle));
    extra->socket->flags &= ~(uint32_t)TRI_SOCKET_IDLE;
    tri_socket_step_now(extra->socket, TRI_STEP(TIMEOUT), TRI_TAG_ON_TIMEOUT);
}

/* false: without memory. */
static bool
start(tr_socket *socket)
{
    struct tri_extra *extra = socket->extra;
    extra->idle.fire = on_idle;
    if (tri_idle_start(timers_of(socket), &extra->idle, extra->timeout_ms) != TR_OK)
        return false;
    socket->flags |= TRI_SOCKET_IDLE;
    return true;
}

void
tri_idle_start_again(tr_socket *socket)
{
    if (!tri_socket_is(socket, TRI_SOCKET_DESTROYED))
        start(socket); /* without memory for it there is no timeout, as if the bytes had moved later */
}

void
tri_idle_end(tr_socket *socket)
{
    if (!tri_socket_is(socket, TRI_SOCKET_IDLE))
        return;
    tri_idle_stop(timers_of(socket), &socket->extra->idle);
    socket->flags &= ~(uint32_t)TRI_SOCKET_IDLE;
}

tr_status
tr_socket_set_timeout(tr_socket *socket, uint64_t timeout_ms)
{
    if (socket == NULL)
        return TR_EINVAL;
    tri_socket_check(socket);
    if (timeout_ms > TIMEOUT_LIMIT_MS)
        return TR_EBADLIMIT;
    if (tri_socket_is(socket, TRI_SOCKET_DESTROYED) || (timeout_ms == 0 && socket->extra == NULL))
        return TR_OK;
    struct tri_extra *extra = tri_socket_extra(socket);
    if (extra == NULL)
        return TR_ENOMEM;
    tri_idle_end(socket);
    socket->due &= ~TRI_STEP(TIMEOUT);
    extra->timeout_ms = timeout_ms;
    socket->flags &= ~(uint32_t)TRI_SOCKET_TIMED;
    socket->flags |= timeout_ms > 0 ? TRI_SOCKET_TIMED : 0;
    return timeout_ms == 0 || start(socket) ? TR_OK : TR_ENOMEM;
}
