/*
 * Lingering: a graceful close waits for the peer's end.
 *
 * A TCP connection that is closed with bytes unread, or that gets bytes after it was closed, is reset (RFC 1122,
 * section 4.2.2.13; RFC 2525, section 2.17), and a reset may destroy what the peer has not received, or not read yet
 * (RFC 9112, section 9.6). A unix socket is reset by bytes that are unread. So after our FIN the descriptor stays open,
 * and what comes is read and dropped, until the peer ends, nothing has come for a while, or the whole time is over; as
 * nginx does with lingering_close.
 *
 *   open --our FIN--> destroyed, and lingers --peer's FIN, time, destroyed again, killed--> the descriptor is closed
 *
 * For the user the socket is destroyed when it begins to linger: no event comes, and nothing is written any more. For
 * its server, and for the system, it has a descriptor until that is closed: it counts as a connection, and `close`
 * comes then.
 *
 * One wake reads as much as any socket does in one (READS_PER_WAKE), into the worker's slab, and keeps nothing. One
 * timer drives both times. Without memory for it the socket is closed as it would be otherwise.
 */
#include "linger.h"

#include "descriptor.h"
#include "destroy.h"
#include "reader.h"
#include "transport.h"
#include "turn.h"

#include <stdlib.h>
#include <troupe/core/delay.h>

#define READS_PER_WAKE 16

static uint64_t
linger_ms_of(const tr_socket *socket)
{
    uint64_t asked_ms = socket->extra != NULL ? socket->extra->linger_ms : 0;
    return asked_ms == 0 ? TR_LINGER_MS : asked_ms == TR_NO_LINGER ? 0 : asked_ms;
}

static uint64_t
quiet_ms_of(const tr_socket *socket)
{
    uint64_t asked_ms = socket->extra->linger_quiet_ms;
    return asked_ms == 0 ? TR_LINGER_QUIET_MS : asked_ms;
}

/* How long a socket may linger from now on: an eighth of what is left of a runtime that stops is for what comes after
 * its close. */
static uint64_t
limit(const tr_socket *socket, uint64_t most_ms)
{
    uint64_t ends_ms = tri_runtime_drain_ends(socket->home->worker->runtime), now_ms = tri_clock_ms();
    uint64_t left_ms = ends_ms > now_ms ? ends_ms - now_ms : 0;
    left_ms -= left_ms / 8;
    return left_ms < most_ms ? left_ms : most_ms;
}

/* true: it goes on. */
static bool
drop_some(const tr_socket *socket)
{
    uv_buf_t buffer;
    tri_slabs_offer(&socket->home->slabs, &buffer);
    for (int i = 0; buffer.len > 0 && i < READS_PER_WAKE; i++) {
        ssize_t size = tri_transport_read(socket, buffer);
        if (size == 0)
            return false;
        if (size < 0 && size != -EMSGSIZE) /* of a record the rest is lost, as it should be */
            return tri_verdict(TRI_ON_READ, (int)-size) == TRI_WAIT;
        socket->extra->linger->heard_ms = tri_clock_begin_ms();
        if (size > 0 && !tri_transport_has_more(socket, (size_t)size, buffer.len))
            return true;
    }
    return buffer.len > 0;
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
    tr_socket *socket = TRI_CONTAINER_OF(poll, tr_socket, poll);
    struct tri_actor_frame frame = tri_socket_enter(socket, TRI_TAG_ON_READ);
    (void)events;
    if (!drop_some(socket) || status < 0)
        tri_socket_let_go(socket);
    tri_socket_leave(socket, frame);
}

static uint64_t
next_look(const tr_socket *socket)
{
    const struct tri_linger *linger = socket->extra->linger;
    uint64_t quiet_ms = linger->heard_ms + quiet_ms_of(socket);
    return quiet_ms < linger->ends_ms ? quiet_ms : linger->ends_ms;
}

static void
on_due(struct tri_timer *timer)
{
    struct tri_linger *linger = TRI_CONTAINER_OF(timer, struct tri_linger, timer);
    tr_socket *socket = linger->socket;
    if (!drop_some(socket)) { /* timers come before the loop's poll: something may have come */
        tri_socket_let_go(socket);
        return;
    }
    uint64_t due_ms = next_look(socket);
    if (due_ms <= tri_clock_ms() || tri_timer_start_at(&socket->home->worker->timers, &linger->timer, due_ms) != TR_OK)
        tri_socket_let_go(socket);
}

/* false: there is nothing to wait for, or no memory. */
static bool
prepare(tr_socket *socket, uint64_t limit_ms)
{
    if (limit_ms == 0 || tri_socket_is_read_out(socket) || tri_socket_extra(socket) == NULL ||
        !(tri_descriptor_is_tcp(socket->fd) || tri_descriptor_is_unix(socket->fd)))
        return false;
    struct tri_linger *linger = calloc(1, sizeof(*linger));
    if (linger == NULL)
        return false;
    socket->extra->linger = linger;
    linger->socket = socket;
    linger->timer.fire = on_due;
    linger->heard_ms = tri_clock_begin_ms();
    linger->ends_ms = linger->heard_ms + limit_ms;
    if (tri_timer_start_at(&socket->home->worker->timers, &linger->timer, next_look(socket)) == TR_OK)
        return true;
    free(linger);
    socket->extra->linger = NULL;
    return false;
}

void
tri_linger_close(tr_socket *socket)
{
    if (!prepare(socket, limit(socket, linger_ms_of(socket)))) {
        tri_reader_discard(socket);
        tri_socket_destroy(socket, TR_OK, 0, TRI_CALL_DESTROY);
        return;
    }
    tri_socket_destroy_and_keep(socket);
    socket->polled = UV_READABLE;
    uv_poll_start(&socket->poll, UV_READABLE, on_readable);
}

void
tri_linger_hurry(tr_socket *socket)
{
    struct tri_linger *linger = socket->extra != NULL ? socket->extra->linger : NULL;
    if (linger == NULL)
        return;
    uint64_t now_ms = tri_clock_begin_ms();
    uint64_t left_ms = linger->ends_ms > now_ms ? linger->ends_ms - now_ms : 0;
    linger->ends_ms = now_ms + limit(socket, left_ms);
    tri_timer_stop(&socket->home->worker->timers, &linger->timer);
    if (tri_timer_start_at(&socket->home->worker->timers, &linger->timer, next_look(socket)) != TR_OK)
        tri_socket_let_go(socket);
}
