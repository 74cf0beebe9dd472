/*
 * What every part of a socket needs of it: the memory that few sockets have, its descriptor, its origin, its names.
 */
#include "socket_state.h"

#include "idle.h"
#include "tune.h"

#include <stdlib.h>

const struct tr_socket_events tri_no_events;

struct tri_extra *
tri_socket_new_extra(tr_socket *socket, size_t state_size)
{
    socket->extra = calloc(1, state_size > 0 ? TRI_EXTRA_STATE + state_size : sizeof(*socket->extra));
    if (socket->extra != NULL) {
        socket->extra->socket = socket;
        socket->extra->has_state = state_size > 0;
    }
    return socket->extra;
}

struct tri_extra *
tri_socket_extra(tr_socket *socket)
{
    if (socket->extra != NULL || tri_socket_has_any(socket, TRI_SOCKET_GONE))
        return socket->extra;
    return tri_socket_new_extra(socket, 0);
}

void
tri_socket_update_special(tr_socket *socket)
{
    const struct tri_extra *extra = socket->extra;
    tri_socket_clear(socket, TRI_SOCKET_SPECIAL);
    if (extra != NULL &&
        (extra->owner != TR_NOBODY || extra->pipe != NULL || extra->drops || extra->encoding != TR_ENCODING_NONE ||
         extra->high_water != 0 || extra->write_limit != 0 || extra->held.first != NULL))
        socket->flags |= TRI_SOCKET_SPECIAL;
}

/* Opening: a descriptor that is connected. */

void
tri_socket_apply_options(tr_socket *socket)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_NO_DELAY) && !tri_socket_is_accepted(socket))
        tri_tune_no_delay(socket->fd, true);
    if (tri_socket_has_any(socket, TRI_SOCKET_KEEP_ALIVE))
        tri_tune_keep_alive(socket->fd, true, socket->extra != NULL ? socket->extra->keep_alive_delay_ms : 0);
}

tr_status
tri_socket_open(tr_socket *socket, int fd, unsigned sides)
{
    tr_status status = tri_net_claim(socket->home->net, fd);
    if (status != TR_OK)
        return status;
    int error = uv_poll_init(&socket->home->worker->loop, &socket->poll, fd);
    if (error != 0) {
        tri_net_disclaim(socket->home->net, fd);
        return error == UV_EPERM ? TR_EBADFD : tri_status_from_uv(error); /* a file cannot be polled */
    }
    socket->fd = fd;
    socket->holding = TRI_HOLDING_UNKNOWN;
    socket->flags |= TRI_SOCKET_HANDLE | TRI_SOCKET_CONNECTED;
    socket->begun = 1;
    socket->adopted = 0;
    socket->unreadable = (sides & TR_READABLE) == 0;
    socket->flags |= (sides & TR_WRITABLE) == 0 ? TRI_SOCKET_ENDING | TRI_SOCKET_ENDED : 0;
    tri_socket_count_live(socket);
    tri_socket_idle_moved(socket);
    return TR_OK;
}

void
tri_socket_count_live(tr_socket *socket)
{
    bool is = tri_socket_has_any(socket, TRI_SOCKET_LIVE);
    bool shall = tri_socket_has_any(socket, TRI_SOCKET_CONNECTING) ||
                 (tri_socket_has_any(socket, TRI_SOCKET_CONNECTED) &&
                  !tri_socket_has_any(socket, TRI_SOCKET_CLOSED | TRI_SOCKET_BACKGROUND));
    if (is == shall)
        return;
    socket->flags ^= TRI_SOCKET_LIVE;
    tri_net_add_live(socket->home->net, shall ? 1 : -1);
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

tr_socket *
tri_socket_reach(struct tri_sockets *home, tr_ref ref)
{
    tr_actor *actor = tri_actor_reach(home->worker, ref, home->course->behavior);
    return actor != NULL ? tr_state(actor) : NULL;
}

/* A check of a Debug build: see TRI_CHECK_SELF(). The memory of an actor that has ended is zero in such a build. */

#ifndef NDEBUG

void
tri_socket_check(const tr_socket *socket, const char *function)
{
    if (socket != NULL)
        tri_net_check(socket->home != NULL ? socket->home->worker : NULL, "socket", function);
}

#endif
