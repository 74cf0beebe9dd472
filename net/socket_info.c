/*
 * What can be asked of a socket, and the options that can be set at any time.
 */
#include "socket_internal.h"
#include "tune.h"

/* Addresses: those of an open descriptor. */

typedef int (*name_function)(int fd, struct sockaddr *name, socklen_t *size);

static void
address_by(name_function name_of, const tr_socket *socket, struct tr_address *out)
{
    struct sockaddr_storage storage = {0};
    socklen_t size = sizeof(storage);
    if (out == NULL)
        return;
    *out = (struct tr_address){0};
    if (socket != NULL && tri_socket_is_open(socket) && name_of(socket->fd, (struct sockaddr *)&storage, &size) == 0)
        tri_address_from((const struct sockaddr *)&storage, out);
}

/*
 * The kernel keeps the peer's address as long as the descriptor is open, but getpeername() denies it once the peer has
 * reset the connection, which it may have done before we accepted it. SO_PEERNAME gives it then: to a caller that asks
 * for exactly as many bytes as its family has.
 */
#ifdef SO_PEERNAME

static socklen_t
size_of_family(int fd)
{
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof(own);
    return getsockname(fd, (struct sockaddr *)&own, &size) == 0 ? size : 0;
}

static int
kept_peer_name(int fd, struct sockaddr *name, socklen_t *size)
{
    *size = size_of_family(fd);
    return getsockopt(fd, SOL_SOCKET, SO_PEERNAME, name, size);
}

#else

static int
kept_peer_name(int fd, struct sockaddr *name, socklen_t *size)
{
    (void)fd;
    (void)name;
    (void)size;
    return -1;
}

#endif

static int
peer_name(int fd, struct sockaddr *name, socklen_t *size)
{
    return getpeername(fd, name, size) == 0 ? 0 : kept_peer_name(fd, name, size);
}

static int
own_name(int fd, struct sockaddr *name, socklen_t *size)
{
    return getsockname(fd, name, size);
}

void
tr_socket_remote_address(const tr_socket *socket, struct tr_address *out)
{
    TRI_CHECK_SOCKET(socket);
    address_by(peer_name, socket, out);
}

void
tr_socket_local_address(const tr_socket *socket, struct tr_address *out)
{
    TRI_CHECK_SOCKET(socket);
    address_by(own_name, socket, out);
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
    return socket != NULL ? (uintptr_t)socket->poll.data : 0;
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
    tri_socket_clear(socket, TRI_SOCKET_NO_DELAY);
    socket->flags |= no_delay ? TRI_SOCKET_NO_DELAY : 0;
    if (!tri_socket_is_open(socket) || !tri_socket_is_tcp(socket))
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
    tri_socket_clear(socket, TRI_SOCKET_KEEP_ALIVE);
    socket->flags |= enable ? TRI_SOCKET_KEEP_ALIVE : 0;
    if (socket->extra != NULL)
        socket->extra->keep_alive_delay_ms = initial_delay_ms;
    if (!tri_socket_is_open(socket) || !tri_socket_is_tcp(socket))
        return TR_OK;
    return tri_status_from_uv(tri_tune_keep_alive(socket->fd, enable, initial_delay_ms));
}
