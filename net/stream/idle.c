/*
 * The timeout of a socket: nothing moved for a while.
 *
 * As in Node, received and written bytes are movement, and so is progress of a write that the kernel takes piece by
 * piece. Beyond Node, so is what the peer has taken of bytes that the kernel still holds (progress.h): a file of which
 * megabytes lie in the send buffer moves as long as the peer reads, though we have nothing to do for seconds. That is
 * looked at when a timeout is due and costs nothing before. A timeout is reported once; the next one needs movement
 * first.
 *
 * Movement costs a look at the clock and a store, into the socket itself: when it was last, in milliseconds of 32 bits
 * of the clock. That is enough, since no timeout is longer than half of their turn: seen from now the last movement is
 * less than a turn ago. The timer, which lies elsewhere, is only looked at when it is due; 100,000 of them that every
 * message would touch cost the echo 2 %.
 */
#include "idle.h"

#include "turn.h"

#include <assert.h>

#define TIMEOUT_LIMIT_MS INT32_MAX

static struct tri_timers *
timers_of(const tr_socket *socket)
{
    return &socket->home->worker->timers;
}

static void on_due(struct tri_timer *timer);

/* Its place among the timers is kept. */
static void
start(tr_socket *socket, uint64_t due_ms)
{
    struct tri_extra *extra = socket->extra;
    extra->idle.fire = on_due;
    tr_status status = tri_timer_start_at(timers_of(socket), &extra->idle, due_ms);
    assert(status == TR_OK);
    (void)status; /* in a Release build nobody asks */
    socket->flags |= TRI_SOCKET_IDLE;
}

static void
start_whole(tr_socket *socket)
{
    tri_socket_idle_moved_now(socket);
    start(socket, tri_clock_after(socket->extra->timeout_ms));
}

/* When nothing will have moved for the whole duration. The kernel is asked only if that has come. */
static uint64_t
next_due(tr_socket *socket)
{
    struct tri_extra *extra = socket->extra;
    uint64_t now_ms = tri_clock_begin_ms(); /* rounded as the movement was: never before it */
    uint64_t moved_ms = tri_clock_whole(socket->moved_ms, now_ms);
    if (moved_ms + extra->timeout_ms <= now_ms && tri_progress_look(&extra->progress, socket->fd, now_ms, &moved_ms))
        socket->moved_ms = (uint32_t)moved_ms;
    return moved_ms + extra->timeout_ms;
}

/* The time since the last movement decides: if there was any, the rest is waited for. */
static void
on_due(struct tri_timer *timer)
{
    struct tri_extra *extra = TRI_CONTAINER_OF(timer, struct tri_extra, idle);
    tr_socket *socket = extra->socket;
    tri_socket_clear(socket, TRI_SOCKET_IDLE);
    uint64_t due_ms = next_due(socket);
    if (due_ms > tri_clock_ms())
        start(socket, due_ms);
    else
        tri_socket_step_now(socket, TRI_STEP(TIMEOUT), TRI_TAG_ON_TIMEOUT);
}

void
tri_socket_idle_restart(tr_socket *socket)
{
    if (!tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
        start_whole(socket);
}

void
tri_socket_idle_end(tr_socket *socket)
{
    if (!tri_socket_has_any(socket, TRI_SOCKET_IDLE))
        return;
    tri_timer_stop(timers_of(socket), &socket->extra->idle);
    tri_socket_clear(socket, TRI_SOCKET_IDLE);
}

/* The connection is over, and as in Node its timeout with it. */
void
tri_socket_idle_forget(tr_socket *socket)
{
    if (!tri_socket_has_any(socket, TRI_SOCKET_TIMED))
        return;
    tri_socket_idle_end(socket);
    socket->extra->timeout_ms = 0;
    tri_socket_clear(socket, TRI_SOCKET_TIMED);
}

tr_status
tri_socket_idle_set(tr_socket *socket, uint64_t timeout_ms)
{
    struct tri_timer *timer = &socket->extra->idle;
    if (timeout_ms > 0 && tri_timer_keep(timers_of(socket), timer) != TR_OK)
        return TR_ENOMEM;
    tri_socket_idle_end(socket); /* of a timeout that was set before and may be longer */
    if (timeout_ms == 0)
        tri_timer_let_go(timers_of(socket), timer);
    socket->extra->timeout_ms = timeout_ms;
    tri_socket_clear(socket, TRI_SOCKET_TIMED);
    socket->flags |= timeout_ms > 0 ? TRI_SOCKET_TIMED : 0;
    return TR_OK;
}

tr_status
tr_socket_set_timeout(tr_socket *socket, uint64_t timeout_ms)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL)
        return TR_EINVAL;
    if (timeout_ms > TIMEOUT_LIMIT_MS)
        return TR_EBADLIMIT;
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED) || (timeout_ms == 0 && socket->extra == NULL))
        return TR_OK;
    if (tri_socket_extra(socket) == NULL || tri_socket_idle_set(socket, timeout_ms) != TR_OK)
        return TR_ENOMEM;
    socket->due &= ~TRI_STEP(TIMEOUT);
    if (timeout_ms > 0)
        start_whole(socket);
    return TR_OK;
}
