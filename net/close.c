/*
 * The end of a socket.
 *
 * Since libuv's handle lies in the actor's state an ending has two steps: destroyed, when the descriptor is closed and
 * nothing is read or written any more: error is given when the callback that did it has returned; closed, when libuv
 * has let go of the handle: there the callbacks of lost writes and close are given, and then the actor ends, unless it
 * is kept or connected anew. A socket that never had a descriptor is closed in the next turn.
 *
 * The actor ends in tri_socket_end_actor() alone, once libuv has no handle and the list of later work no entry of it:
 * the entry is run first, and comes back here (GONE).
 */
#include "socket_internal.h"

#include "descriptor.h"
#include "trace_events.h"
#include "turn.h"
#include "writer.h"

#include <stdlib.h>
#include <unistd.h>

/* The end. */

static void
free_parts(tr_socket *socket)
{
    tri_callbacks_drop(socket);
    tri_reader_drop(socket);
    tri_pipe_closed(socket);
    tri_socket_free_extra(socket);
    tri_socket_clear(socket, TRI_SOCKET_SPECIAL | TRI_SOCKET_TIMED);
}

/* With `later` on the worker's list the actor must stay until that has run. */
void
tri_socket_end_actor(tr_socket *socket)
{
    if (!tri_socket_has_any(socket, TRI_SOCKET_GONE)) {
        socket->flags |= TRI_SOCKET_GONE;
        socket->due = 0;
        free_parts(socket);
    }
    if (socket->later.run == NULL)
        tri_actor_end(socket->actor);
}

/* It was killed: nobody is told. */
static void
end_silently(tr_socket *socket)
{
    struct tri_origin *origin = socket->origin; /* the actor's memory goes first */
    socket->flags |= TRI_SOCKET_CLOSED;
    tri_socket_count_live(socket);
    tri_socket_end_actor(socket);
    if (origin != NULL)
        origin->calls->over(origin);
}

#define DESTROYED_STEPS (TRI_STEP(ENDS) | TRI_STEP(ERROR))
#define CLOSED_STEPS (TRI_STEP(LOST) | TRI_STEP(CLOSE))

void
tri_socket_closed(uv_handle_t *handle)
{
    tr_socket *socket = TRI_CONTAINER_OF(handle, tr_socket, poll);
    tri_socket_clear(socket, TRI_SOCKET_HANDLE);
    if (tri_socket_has_any(socket, TRI_SOCKET_SILENT))
        end_silently(socket);
    else
        tri_socket_step_now(socket, CLOSED_STEPS, TRI_TAG_ON_CLOSED);
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
    close(socket->fd);
    socket->fd = -1;
    socket->polled = 0;
}

static void
note_error(tr_socket *socket, tr_status status, int system, enum tri_socket_call call)
{
    if (status >= 0)
        return;
    socket->flags |= TRI_SOCKET_FAILED;
    socket->error = status;
    socket->error_system = (uint16_t)system & 0x0fff; /* as wide as the fields */
    socket->error_call = (uint8_t)call & 0x07;
}

void
tri_socket_destroy(tr_socket *socket, tr_status status, int system, enum tri_socket_call call)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
        return;
    note_error(socket, status, system, call);
    socket->flags |= TRI_SOCKET_DESTROYED;
    tri_socket_clear(socket, TRI_SOCKET_CONNECTING | TRI_SOCKET_TO_PATH | TRI_SOCKET_READING | TRI_SOCKET_WRITING);
    if (tri_socket_has_any(socket, TRI_SOCKET_FAILED) || socket->writer != NULL)
        tri_socket_due(socket, DESTROYED_STEPS);
    tri_socket_idle_forget(socket);
    tri_retry_end(socket);
    if (!tri_reader_is_resumed(socket))
        tri_reader_drop(socket);
    if (tri_socket_has_any(socket, TRI_SOCKET_HANDLE))
        close_descriptor(socket);
    else
        tri_socket_due(socket, CLOSED_STEPS);
    if (socket->origin != NULL)
        socket->origin->calls->closed(socket->origin, socket);
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
    /* Look-ups have numbers of their own, which are no errno. */
    int system = call == TRI_CALL_LOOKUP ? 0 : -uv_error;
    tri_socket_destroy(socket, tri_status_from_uv(uv_error), system, call);
}

void
tri_socket_leave_origin(tr_socket *socket)
{
    struct tri_origin *origin = socket->origin;
    if (origin == NULL || origin->calls->over == NULL)
        return;
    socket->origin = NULL;
    origin->calls->over(origin);
}

void
tri_socket_reopen(tr_socket *socket)
{
    tri_socket_trace(socket, TRI_TRACE_NET_socket_again, 0, 0);
    tri_socket_leave_origin(socket);
    tri_socket_clear(socket, TRI_SOCKET_CONNECTED | TRI_SOCKET_PEER_ENDED | TRI_SOCKET_ENDING | TRI_SOCKET_ENDED |
                                 TRI_SOCKET_DESTROYED | TRI_SOCKET_FAILED | TRI_SOCKET_OWES_DRAIN | TRI_SOCKET_CLOSED |
                                 TRI_SOCKET_RESETS);
    socket->begun = socket->end_told = socket->ends_first = socket->unreadable = 0;
    socket->error = TR_OK;
    socket->bytes_read = socket->bytes_written = 0;
    if (socket->extra == NULL)
        return;
    tr_decoder_init(&socket->extra->decoder, socket->extra->encoding);
    socket->extra->code = NULL;
    socket->extra->holds_end = false;
}

/* It was closed and kept, and there is nothing to be told. */
static bool
is_over(const tr_socket *socket)
{
    return tri_socket_has_any(socket, TRI_SOCKET_CLOSED) && socket->due == 0;
}

void
tri_socket_drain(tr_socket *socket)
{
    socket->flags |= TRI_SOCKET_DRAINING;
    if (tri_socket_has_any(socket, TRI_SOCKET_CONNECTED))
        tr_socket_end(socket);
    else
        tri_socket_destroy(socket, TR_OK, 0, TRI_CALL_DESTROY);
    tri_socket_due(socket, TRI_STEP(FIN));
}

/* As every actor that drains, it handles first what was sent to it before. Without memory for the word it looks again
 * in the next turn. */
void
tri_socket_drain_in_turn(tr_socket *socket)
{
    tr_message message = tr_message_signal(TRI_TAG_SOCKET_DRAIN);
    if (!tri_actor_has_mail(socket->actor))
        tri_socket_drain(socket);
    else if (tri_send_system(socket->home->worker, socket->actor, tr_self(socket->actor), &message) != TR_OK)
        tri_socket_due(socket, TRI_STEP(DRAINING));
}

/* A socket that is killed waits for nothing but libuv. */
static void
kill_socket(tr_socket *socket)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_SILENT | TRI_SOCKET_GONE))
        return;
    socket->flags |= TRI_SOCKET_SILENT;
    tri_socket_destroy(socket, TR_OK, 0, TRI_CALL_DESTROY);
    socket->due = 0;
    if (!tri_socket_has_any(socket, TRI_SOCKET_HANDLE))
        end_silently(socket);
}

bool
tri_socket_stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    tr_socket *socket = state;
    (void)self;
    if (how == TR_STOP_KILL) {
        kill_socket(socket);
        return false;
    }
    tri_socket_clear(socket, TRI_SOCKET_KEEP);
    socket->flags |= TRI_SOCKET_STOPS;
    if (is_over(socket))
        tri_socket_end_actor(socket);
    else if (how == TR_STOP_DRAIN)
        tri_socket_drain_in_turn(socket);
    else
        tri_socket_destroy(socket, TR_OK, 0, TRI_CALL_DESTROY);
    tri_events_ask_owner(socket);
    return false;
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
        if (!tri_socket_is_tcp(socket))
            return TR_EBADHANDLE;
        socket->flags |= TRI_SOCKET_RESETS;
        tri_socket_destroy(socket, TR_OK, 0, TRI_CALL_DESTROY);
    }
    return TR_OK;
}

void
tr_socket_set_background(tr_socket *socket, bool background)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL)
        return;
    tri_socket_clear(socket, TRI_SOCKET_BACKGROUND);
    socket->flags |= background ? TRI_SOCKET_BACKGROUND : 0;
    tri_socket_count_live(socket);
}
