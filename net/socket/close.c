/*
 * The end of a socket's actor.
 *
 * Since libuv's handle lies in the actor's state an ending has two steps: destroyed (destroy.c), when the descriptor is
 * closed and nothing is read or written any more: error is given when the callback that did it has returned; closed,
 * when libuv has let go of the handle: there the callbacks of lost writes and close are given, and then the actor ends,
 * unless it is kept or connected anew. A socket that never had a descriptor is closed in the next turn.
 *
 * The actor ends in tri_socket_end_actor() alone, once libuv has no handle and the list of later work no entry of it:
 * the entry is run first, and ends the actor (GONE).
 */
#include "close.h"

#include "callbacks.h"
#include "destroy.h"
#include "events_internal.h"
#include "linger.h"
#include "options.h"
#include "pipe_internal.h"
#include "secure.h"
#include "turn.h"

static void
free_parts(tr_socket *socket)
{
    tri_callbacks_drop(socket);
    tri_socket_drop_held(socket);
    tri_pipe_closed(socket);
    tri_secure_free(socket);
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

void
tri_socket_closed(uv_handle_t *handle)
{
    tr_socket *socket = TRI_CONTAINER_OF(handle, tr_socket, poll);
    tri_socket_clear(socket, TRI_SOCKET_HANDLE);
    if (tri_socket_has_any(socket, TRI_SOCKET_SILENT))
        end_silently(socket);
    else
        tri_socket_step_now(socket, TRI_CLOSED_STEPS, TRI_TAG_ON_CLOSED);
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
    tri_socket_set_wish(socket, TRI_WISH_KEEP, false);
    socket->flags |= TRI_SOCKET_STOPS;
    tri_linger_hurry(socket);
    if (is_over(socket))
        tri_socket_end_actor(socket);
    else if (how == TR_STOP_DRAIN)
        tri_socket_drain_in_turn(socket);
    else
        tri_socket_destroy(socket, TR_OK, 0, TRI_CALL_DESTROY);
    tri_events_ask_owner(socket);
    return false;
}
