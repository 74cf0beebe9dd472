/*
 * What can be asked of a socket, and the options that can be set at any time.
 */
#include "descriptor.h"

#include "events_internal.h"
#include "reader.h"
#include "tune.h"
#include "turn.h"

/* Addresses: those of an open descriptor. */

void
tr_socket_remote_address(const tr_socket *socket, struct tr_address *out)
{
    TRI_CHECK_SOCKET(socket);
    if (out != NULL)
        tri_descriptor_peer(socket != NULL && tri_socket_is_open(socket) ? socket->fd : -1, out);
}

void
tr_socket_local_address(const tr_socket *socket, struct tr_address *out)
{
    TRI_CHECK_SOCKET(socket);
    if (out != NULL)
        tri_descriptor_own(socket != NULL && tri_socket_is_open(socket) ? socket->fd : -1, out);
}

/* Counters and states. */

uint64_t
tr_socket_bytes_read(const tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    return socket != NULL ? socket->bytes_read : 0;
}

uint64_t
tr_socket_bytes_written(const tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    return socket != NULL ? socket->bytes_written : 0;
}

bool
tr_socket_connecting(const tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    return socket != NULL && tri_socket_has_any(socket, TRI_SOCKET_CONNECTING);
}

bool
tr_socket_pending(const tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    return socket != NULL && !tri_socket_is_open(socket);
}

bool
tr_socket_destroyed(const tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    return socket == NULL || tri_socket_has_any(socket, TRI_SOCKET_DESTROYED);
}

uint64_t
tr_socket_number(const tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    return socket != NULL ? tri_socket_number(socket) : 0;
}

enum tr_ready_state
tr_socket_ready_state(const tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    if (tr_socket_destroyed(socket))
        return TR_STATE_CLOSED;
    if (tri_socket_has_any(socket, TRI_SOCKET_CONNECTING))
        return TR_STATE_OPENING;
    bool readable = !tri_socket_is_read_out(socket);
    bool writable = !tri_socket_has_any(socket, TRI_SOCKET_ENDING);
    if (readable)
        return writable ? TR_STATE_OPEN : TR_STATE_READ_ONLY;
    return writable ? TR_STATE_WRITE_ONLY : TR_STATE_CLOSED;
}

const char *
tr_ready_state_name(enum tr_ready_state state)
{
    static const char *const names[] = {
        [TR_STATE_CLOSED] = "closed",      [TR_STATE_OPENING] = "opening",      [TR_STATE_OPEN] = "open",
        [TR_STATE_READ_ONLY] = "readOnly", [TR_STATE_WRITE_ONLY] = "writeOnly",
    };
    return (size_t)state < sizeof(names) / sizeof(names[0]) ? names[state] : "closed";
}

/* The user's. */

void *
tr_socket_data(const tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    return socket != NULL ? socket->data : NULL;
}

void *
tr_socket_state(tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    bool has_state = socket != NULL && socket->extra != NULL && socket->extra->has_state;
    return has_state ? (char *)socket->extra + TRI_EXTRA_STATE : NULL;
}

void
tr_socket_set_data(tr_socket *socket, void *data)
{
    TRI_CHECK_SOCKET(socket);
    if (socket != NULL)
        socket->data = data;
}

void
tr_socket_set_events(tr_socket *socket, const struct tr_socket_events *events)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL)
        return;
    socket->events = events != NULL ? events : &tri_no_events;
    if (socket->events->data != NULL)
        tri_socket_heard(socket);
}

tr_actor *
tr_socket_actor(tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    return socket != NULL ? socket->actor : NULL;
}

tr_ref
tr_socket_ref(const tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    return socket != NULL ? tr_self(socket->actor) : TR_NOBODY;
}

tr_ref
tr_socket_server(const tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    return socket != NULL && socket->origin != NULL ? socket->origin->server : TR_NOBODY;
}

/* Options of the descriptor, which may be asked for before there is one. */

tr_status
tr_socket_set_no_delay(tr_socket *socket, bool no_delay)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL)
        return TR_EINVAL;
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
        return TR_EDESTROYED;
    tri_socket_set_wish(socket, TRI_WISH_NO_DELAY, no_delay);
    if (!tri_socket_is_open(socket) || !tri_descriptor_is_tcp(socket->fd))
        return TR_OK;
    return tri_status_from_uv(tri_tune_no_delay(socket->fd, no_delay));
}

tr_status
tr_socket_set_keep_alive(tr_socket *socket, bool enable, uint64_t initial_delay_ms)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL)
        return TR_EINVAL;
    if (initial_delay_ms > TRI_KEEP_ALIVE_LIMIT_MS)
        return TR_EBADLIMIT;
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
        return TR_EDESTROYED;
    if (initial_delay_ms > 0 && tri_socket_extra(socket) == NULL)
        return TR_ENOMEM;
    tri_socket_set_wish(socket, TRI_WISH_KEEP_ALIVE, enable);
    if (socket->extra != NULL)
        socket->extra->keep_alive_delay_ms = initial_delay_ms;
    if (!tri_socket_is_open(socket) || !tri_descriptor_is_tcp(socket->fd))
        return TR_OK;
    return tri_status_from_uv(tri_tune_keep_alive(socket->fd, enable, initial_delay_ms));
}

void
tr_socket_set_background(tr_socket *socket, bool background)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL)
        return;
    tri_socket_set_wish(socket, TRI_WISH_BACKGROUND, background);
    tri_socket_count_live(socket);
}

/* Its owner. */

tr_status
tr_socket_set_owner(tr_socket *socket, const struct tr_owner *owner)
{
    TRI_CHECK_SOCKET(socket);
    static const struct tr_owner nobody = {.actor = TR_NOBODY};
    if (socket == NULL)
        return TR_EINVAL;
    if (owner == NULL && socket->extra == NULL)
        return TR_OK;
    tr_status status = owner != NULL ? tri_events_check_owner(tr_actor_runtime(socket->actor), owner) : TR_OK;
    if (status != TR_OK)
        return status;
    if (tri_socket_extra(socket) == NULL || tri_events_set_owner(socket, owner != NULL ? owner : &nobody) != TR_OK)
        return TR_ENOMEM;
    tri_events_release_end(socket); /* by the old one */
    if (socket->extra->owner != TR_NOBODY)
        tri_socket_heard(socket);
    tri_socket_update_special(socket);
    tri_pace_look(socket);
    tri_socket_due(socket, TRI_STEP(FIN)); /* it may have stood still for the old one */
    if (tri_socket_is_open(socket))
        tri_socket_poll(socket);
    return TR_OK;
}
