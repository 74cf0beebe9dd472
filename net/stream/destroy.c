/*
 * Destroying: the descriptor is closed now, and nothing is read or written any more. What waits is told later: `error`,
 * the callbacks of writes, and `close` when libuv has let go of the descriptor (close.c).
 */
#include "destroy.h"

#include "callbacks.h"
#include "descriptor.h"
#include "idle.h"
#include "pace.h"
#include "retry.h"
#include "secure.h"
#include "turn.h"

#include <stdlib.h>
#include <troupe/core/descriptors.h>

#define DESTROYED_STEPS (TRI_STEP(ENDS) | TRI_STEP(ERROR))

void
tri_socket_drop_held(tr_socket *socket)
{
    if (socket->extra == NULL)
        return;
    socket->home->held -= socket->extra->held.bytes;
    tri_held_drop(&socket->extra->held);
    tri_socket_update_special(socket);
}

/* What a socket which was resumed holds is given all the same, as in Node, if it is destroyed in that handler. */
static bool
is_resumed(const tr_socket *socket)
{
    return (socket->due & (TRI_STEP(RESUMED) | TRI_STEP(HELD))) != 0 &&
           !tri_socket_has_any(socket, TRI_SOCKET_PAUSED) && !tri_socket_lacks_credit(socket) &&
           socket->extra->pipe == NULL;
}

/* Its peer learns that it is over, whoever else has the descriptor. */
static void
end_connection(tr_socket *socket)
{
    tri_writer_push(socket); /* what a reset would drop has been written */
    if (tri_socket_has_any(socket, TRI_SOCKET_RESETS))
        tri_descriptor_reset(socket->fd);
    else if (!tri_socket_has_any(socket, TRI_SOCKET_ENDED))
        tri_descriptor_end(socket->fd, socket->adopted);
}

/* First libuv forgets the descriptor, then it goes. */
static void
close_descriptor(tr_socket *socket)
{
    uv_close((uv_handle_t *)&socket->poll, socket->home->course->closed);
    end_connection(socket);
    tri_net_disclaim(socket->home->net, socket->fd);
    tri_close(socket->fd);
    socket->fd = -1;
    socket->polled = 0;
}

static void
note_error(tr_socket *socket, tr_status status, int system, enum tri_socket_call call)
{
    if (status >= 0)
        return;
    assert(system >= 0 && system <= UINT8_MAX && (unsigned)call <= 0x07);
    socket->flags |= TRI_SOCKET_FAILED;
    socket->error = status;
    socket->error_system = (uint16_t)system & 0xff; /* as wide as the fields */
    socket->error_call = (uint8_t)call & 0x07;
}

/* Everything but the descriptor. */
static void
mark_destroyed(tr_socket *socket)
{
    socket->flags |= TRI_SOCKET_DESTROYED;
    tri_socket_clear(socket, TRI_SOCKET_CONNECTING | TRI_SOCKET_TO_PATH | TRI_SOCKET_READING | TRI_SOCKET_WRITING);
    if (tri_socket_has_any(socket, TRI_SOCKET_FAILED) || socket->writer != NULL)
        tri_socket_due(socket, DESTROYED_STEPS);
    tri_socket_idle_forget(socket);
    tri_retry_end(socket);
    tri_pace_end(socket);
    tri_secure_stop(socket);
    if (!is_resumed(socket))
        tri_socket_drop_held(socket);
}

static void
give_up_descriptor(tr_socket *socket)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_HANDLE))
        close_descriptor(socket);
    else
        tri_socket_due(socket, TRI_CLOSED_STEPS);
    if (socket->origin != NULL)
        socket->origin->calls->closed(socket->origin, socket);
}

void
tri_socket_let_go(tr_socket *socket)
{
    struct tri_linger *linger = socket->extra != NULL ? socket->extra->linger : NULL;
    if (linger == NULL)
        return;
    socket->extra->linger = NULL;
    tri_timer_stop(&socket->home->worker->timers, &linger->timer);
    free(linger);
    give_up_descriptor(socket);
}

void
tri_socket_destroy(tr_socket *socket, tr_status status, int system, enum tri_socket_call call)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED)) {
        tri_socket_let_go(socket);
        return;
    }
    note_error(socket, status, system, call);
    mark_destroyed(socket);
    give_up_descriptor(socket);
}

void
tri_socket_destroy_and_keep(tr_socket *socket)
{
    mark_destroyed(socket);
}

/* Without memory for it the error is a plain TR_EUSER. */
static void
note_code(tr_socket *socket, const char *code)
{
    if (tri_socket_extra(socket) != NULL)
        socket->extra->code = code;
}

void
tri_socket_destroy_with(tr_socket *socket, const char *code, enum tri_socket_call call)
{
    if (!tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
        note_code(socket, code);
    tri_socket_destroy(socket, TR_EUSER, 0, call);
}

void
tri_socket_fail(tr_socket *socket, int uv_error, enum tri_socket_call call)
{
    if (TRI_UNLIKELY(uv_error == TRI_LAYER_BROKEN))
        tri_socket_destroy(socket, tri_secure_failure(socket), 0, call);
    else
        tri_socket_destroy(socket, tri_status_from_uv(uv_error), -uv_error, call);
}

/* A write that the system refuses destroys the socket within the call. As in Node, where it does so after the handler,
 * whoever destroys the socket in between says what its error is. */
static void
replace_error(tr_socket *socket, tr_status status)
{
    if (!tri_callbacks_is_failing(socket))
        return;
    tri_callbacks_fail_ends(socket); /* with that of the write */
    tri_socket_clear(socket, TRI_SOCKET_FAILED);
    note_error(socket, status, 0, TRI_CALL_DESTROY);
}

void
tr_socket_destroy(tr_socket *socket, tr_status error)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL)
        return;
    replace_error(socket, error);
    tri_socket_destroy(socket, error, 0, TRI_CALL_DESTROY);
}

void
tr_socket_destroy_with(tr_socket *socket, const char *code)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL)
        return;
    if (tri_callbacks_is_failing(socket))
        note_code(socket, code);
    replace_error(socket, TR_EUSER);
    tri_socket_destroy_with(socket, code, TRI_CALL_DESTROY);
}

tr_status
tr_socket_reset(tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL)
        return TR_EINVAL;
    if (tri_socket_has_any(socket, TRI_SOCKET_CONNECTING)) {
        if (tri_socket_has_any(socket, TRI_SOCKET_TO_PATH))
            return TR_EBADHANDLE;
        socket->flags |= TRI_SOCKET_RESETS;
    } else if (!tri_socket_is_open(socket)) {
        replace_error(socket, TR_OK);
        tri_socket_destroy(socket, TR_ESOCKETCLOSED, 0, TRI_CALL_DESTROY);
    } else {
        if (!tri_descriptor_is_tcp(socket->fd))
            return TR_EBADHANDLE;
        socket->flags |= TRI_SOCKET_RESETS;
        tri_socket_destroy(socket, TR_OK, 0, TRI_CALL_DESTROY);
    }
    return TR_OK;
}
