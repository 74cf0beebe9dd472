/*
 * Steps: what a socket does next, one function for each step, and what it does when its descriptor is ready.
 *
 * In which order, and when, is turn.c's matter. Data, which comes most often, is no step: the reader gives it at once
 * if nothing else is due. What one read has made due is done before the next read of the same wake, and before writing
 * continues.
 */
#include "steps.h"

#include "callbacks.h"
#include "close.h"
#include "connect.h"
#include "descriptor.h"
#include "destroy.h"
#include "events_internal.h"
#include "linger.h"
#include "pace.h"
#include "pipe_internal.h"
#include "reader.h"
#include "secure.h"
#include "secured.h"
#include "transmit.h"
#include "transport.h"
#include "turn.h"

static const char *const call_names[] = {
    [TRI_CALL_DESTROY] = "destroy", [TRI_CALL_LOOKUP] = "getaddrinfo",
    [TRI_CALL_BIND] = "bind",       [TRI_CALL_CONNECT] = "connect",
    [TRI_CALL_READ] = "read",       [TRI_CALL_WRITE] = "write",
    [TRI_CALL_OPEN] = "open",       [TRI_CALL_FIRST_BYTE] = "first byte",
};

static void
give_connect(tr_socket *socket)
{
    tri_trace_socket_connect(socket);
    tri_events_plain(socket, TR_EVENT_CONNECT);
}

static void
send_fin(tr_socket *socket)
{
    tri_trace_socket_shutdown(socket);
    tri_transport_end(socket);
}

/* If the kernel has no room for a goodbye, the end comes after what was written, as any other. */
static void
end_first(tr_socket *socket)
{
    if (!tri_socket_is_secure(socket) || tri_secure_leave(socket)) {
        send_fin(socket);
        return;
    }
    socket->ends_first = 0;
    socket->flags |= TRI_SOCKET_ENDING;
}

/* What waited for the connection; a reset waited for it, too, or an end that was ordered before connecting: as in Node
 * it comes before all that was written since. */
static void
flush_first(tr_socket *socket)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_RESETS))
        tri_socket_destroy(socket, TR_OK, 0, TRI_CALL_DESTROY);
    if (socket->ends_first && tri_socket_is_open(socket) && !tri_secure_is_shaking(socket))
        end_first(socket);
    tri_writer_begin(socket);
}

/* Whoever has looked at the peer in `secure`, and destroyed the socket, is not told that it is ready. */
static void
give_ready(tr_socket *socket)
{
    bool has_failed = tri_socket_has_any(socket, TRI_SOCKET_FAILED) && socket->error_call == TRI_CALL_WRITE;
    if (tri_socket_is_secure(socket) && tri_socket_has_any(socket, TRI_SOCKET_DESTROYED) && !has_failed)
        return;
    tri_trace_socket_ready(socket);
    tri_events_plain(socket, TR_EVENT_READY); /* as in Node, also if the connect event destroyed it */
}

static void
give_drain(tr_socket *socket)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_ENDING | TRI_SOCKET_DESTROYED))
        return;
    if (!tri_writer_is_empty(socket)) {
        socket->flags |= TRI_SOCKET_OWES_DRAIN; /* more was written meanwhile: when that has gone, too, as in Node */
        return;
    }
    tri_trace_socket_drain(socket);
    tri_events_plain(socket, TR_EVENT_DRAIN);
}

static void
give_end(tr_socket *socket)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED)) {
        socket->due &= ~TRI_STEP(AFTER_END);
        return;
    }
    socket->end_told = 1;
    tri_trace_socket_end(socket);
    tri_events_plain(socket, TR_EVENT_END);
}

void
tri_socket_end_with_peer(tr_socket *socket)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_PEER_ENDED) && !tri_socket_has_any(socket, TRI_SOCKET_DESTROYED) &&
        !tri_socket_wishes(socket, TRI_WISH_HALF_OPEN))
        tr_socket_end(socket);
}

/* After what was sent to the socket before, be it bytes of its own that a pipe brings back. */
static void
end_in_turn(tr_socket *socket)
{
    tr_message message = tr_message_signal(TRI_TAG_SOCKET_PEER_ENDED);
    if (!tri_actor_has_mail(socket->actor))
        tri_socket_end_with_peer(socket);
    else if (tri_send_system(socket->home->worker, socket->actor, tr_self(socket->actor), &message) != TR_OK)
        socket->due |= TRI_STEP(AFTER_END); /* again in the next turn, which may have memory, or no mail */
}

/* An owner that has not answered every event may still write what answers them. */
static void
after_end(tr_socket *socket)
{
    tri_pipe_end(socket);
    if (!tri_events_hold_end(socket))
        end_in_turn(socket);
    socket->due |= TRI_STEP(FIN);
}

/* Our side has ended and all of it is in the kernel. Closing would say so too, but only if nobody else has the
 * descriptor: a child that was forked, or whoever it was passed to. A socket that is not readable is over with this;
 * what came for it is read, since closing with bytes unread would be a reset. */
static void
settle_end(tr_socket *socket)
{
    if (!tri_socket_has_any(socket, TRI_SOCKET_ENDING) || !tri_socket_is_open(socket) || !tri_writer_is_empty(socket))
        return;
    bool ends_now = !tri_socket_has_any(socket, TRI_SOCKET_ENDED);
    if (TRI_UNLIKELY(tri_socket_is_secure(socket)) && ends_now && !tri_secure_has_left(socket))
        return; /* this step is due again then */
    bool drains = tri_socket_has_any(socket, TRI_SOCKET_DRAINING);
    bool closes_unread = drains || (ends_now && socket->unreadable);
    if (ends_now && !socket->ends_first) /* that end was sent as it connected */
        send_fin(socket);
    tri_callbacks_ended(socket);
    socket->flags |= TRI_SOCKET_ENDED;
    if (drains) {
        tri_linger_close(socket);
        return;
    }
    if (closes_unread)
        tri_reader_discard(socket);
    if (closes_unread || tri_socket_has_any(socket, TRI_SOCKET_PEER_ENDED))
        tri_socket_destroy(socket, TR_OK, 0, TRI_CALL_DESTROY);
}

static void
give_goaway(tr_socket *socket)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
        return;
    tri_trace_socket_goaway(socket);
    tri_events_plain(socket, TR_EVENT_GOAWAY);
}

static void
give_timeout(tr_socket *socket)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
        return;
    tri_trace_socket_timeout(socket, (uint32_t)socket->extra->timeout_ms);
    tri_events_plain(socket, TR_EVENT_TIMEOUT);
}

static void
give_up_slow_peer(tr_socket *socket)
{
    if (!tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
        tri_socket_destroy(socket, TR_ETOOSLOW, 0, tri_pace_verdict(socket));
}

/* There is no number for a handshake's: reading is all that a socket does then. */
static const char *
call_name(const tr_socket *socket)
{
    bool of_handshake = socket->error_call == TRI_CALL_READ && tri_secure_is_shaking(socket);
    return of_handshake ? "handshake" : call_names[socket->error_call];
}

static const char *
error_code(const tr_socket *socket)
{
    if (socket->error == TR_EUSER && socket->extra != NULL && socket->extra->code != NULL)
        return socket->extra->code;
    const char *code = tri_secure_code(socket);
    return code != NULL ? code : tr_status_code(socket->error);
}

static void
give_error(tr_socket *socket)
{
    if (!tri_socket_has_any(socket, TRI_SOCKET_FAILED))
        return;
    struct tr_error error = {
        .status = socket->error,
        .system = socket->error_system,
        .call = call_name(socket),
        .code = error_code(socket),
    };
    tri_events_trace_code(socket, &error);
    tri_trace_socket_error(socket, error.status);
    tri_events_error(socket, &error);
}

static void
give_close(tr_socket *socket)
{
    bool failed = tri_socket_has_any(socket, TRI_SOCKET_FAILED);
    tri_callbacks_fail(socket, TR_ECLOSEDBEFORECONNECT, failed ? socket->error : TR_ECLOSEDBEFORECONNECT);
    socket->due &= ~TRI_STEP(TELL);
    tri_pipe_closed(socket);
    socket->flags |= TRI_SOCKET_CLOSED;
    socket->due |= TRI_STEP(AFTER) | TRI_STEP(OVER); /* of this life: the close event may begin, and end, another */
    tri_trace_socket_close(socket, failed, socket->bytes_read);
    tri_events_close(socket, failed);
}

static void
finish_life(tr_socket *socket)
{
    tri_socket_count_live(socket);
    tri_socket_leave_origin(socket);
    if (!tri_socket_has_any(socket, TRI_SOCKET_CLOSED))
        return; /* another has begun */
    tri_secure_free(socket);
    if (!tri_socket_wishes(socket, TRI_WISH_KEEP))
        tri_socket_end_actor(socket);
}

const tri_step_function tri_socket_steps[TRI_STEPS] = {
    [TRI_STEP_DRAINING] = tri_socket_drain_in_turn,
    [TRI_STEP_START] = tri_connect_start,
    [TRI_STEP_LOOKED_UP] = tri_connect_looked_up,
    [TRI_STEP_TRY] = tri_connect_try,
    [TRI_STEP_ATTEMPTED] = tri_connect_attempted,
    [TRI_STEP_CONNECT] = give_connect,
    [TRI_STEP_SECURE] = tri_secured_give,
    [TRI_STEP_FLUSH] = flush_first,
    [TRI_STEP_FLUSH_DRAIN] = give_drain,
    [TRI_STEP_FLUSH_TELL] = tri_callbacks_first,
    [TRI_STEP_READY] = give_ready,
    [TRI_STEP_READ] = tri_reader_begin,
    [TRI_STEP_RESUMED] = tri_reader_held,
    [TRI_STEP_DRAIN] = give_drain,
    [TRI_STEP_TELL] = tri_callbacks_told,
    [TRI_STEP_HELD] = tri_reader_held,
    [TRI_STEP_INNER] = tri_reader_inner,
    [TRI_STEP_LAST] = tri_reader_last,
    [TRI_STEP_END] = give_end,
    [TRI_STEP_AFTER_END] = after_end,
    [TRI_STEP_GOAWAY] = give_goaway,
    [TRI_STEP_FIN] = settle_end,
    [TRI_STEP_TIMEOUT] = give_timeout,
    [TRI_STEP_SLOW] = give_up_slow_peer,
    [TRI_STEP_ENDS] = tri_callbacks_ends,
    [TRI_STEP_ERROR] = give_error,
    [TRI_STEP_LATE] = tri_callbacks_late,
    [TRI_STEP_LOST] = tri_callbacks_lost,
    [TRI_STEP_CLOSE] = give_close,
    [TRI_STEP_AFTER] = tri_callbacks_after,
    [TRI_STEP_OVER] = finish_life,
};

/* Polling speaks of an error that neither reading nor writing has met. */
static void
look_past_error(tr_socket *socket, uint64_t bytes_before)
{
    bool is_socket = tri_descriptor_empty_error_queue(socket->fd);
    if (!is_socket && tri_reader_is_to_read(socket) && socket->bytes_read == bytes_before)
        tri_socket_fail(socket, UV_EIO, TRI_CALL_READ); /* it would be said again and again */
    else
        tri_socket_poll(socket);
}

/* What reading has made due comes first: writing may fail, and destroy the socket. */
static void
write_on(tr_socket *socket)
{
    if (TRI_UNLIKELY(tri_socket_has_steps(socket)))
        tri_socket_do_steps(socket);
    if (tri_socket_has_any(socket, TRI_SOCKET_WRITING) && !tri_socket_lacks_credit(socket))
        tri_writer_flush(socket);
}

/* What messages have made due waits for the last of them, and what is read comes after it. Polling tells again. */
static void
put_off(tr_socket *socket, int status)
{
    if (status < 0)
        socket->polled = 0; /* libuv has stopped */
    tri_socket_poll(socket);
}

void
tri_socket_ready(uv_poll_t *poll, int status, int events)
{
    tr_socket *socket = TRI_CONTAINER_OF(poll, tr_socket, poll);
    if (TRI_UNLIKELY(socket->due != 0) && tri_socket_has_steps(socket) && tri_socket_waits_for_mail(socket)) {
        put_off(socket, status);
        return;
    }
    struct tri_actor_frame frame = tri_socket_enter(socket, TRI_TAG_ON_READ);
    if (TRI_UNLIKELY(socket->due != 0))
        tri_socket_do_steps(socket); /* what was due before comes before */
    if (TRI_UNLIKELY(tri_socket_lacks_credit(socket))) {
        tri_socket_leave(socket, frame);
        return;
    }
    if (TRI_UNLIKELY((socket->polled & UV_DISCONNECT) != 0) && (status < 0 || (events & UV_DISCONNECT) != 0))
        tri_reader_peer_gone(socket);
    uint64_t bytes_before = socket->bytes_read;
    if (TRI_UNLIKELY(status < 0)) { /* an error waits in the descriptor: reading or writing tells which */
        socket->polled = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    if ((events & UV_READABLE) != 0 && tri_reader_is_to_read(socket))
        tri_reader_readable(socket, status < 0);
    if ((events & UV_WRITABLE) != 0 && tri_socket_has_any(socket, TRI_SOCKET_WRITING))
        write_on(socket);
    if (TRI_UNLIKELY(status < 0) && tri_socket_is_open(socket))
        look_past_error(socket, bytes_before);
    else if (TRI_UNLIKELY((events & UV_DISCONNECT) != 0) && tri_socket_is_open(socket))
        tri_socket_poll(socket);
    tri_socket_leave(socket, frame);
}
