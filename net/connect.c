/*
 * Connecting: look-up, bind, connect.
 *
 *   tr_connect() returns -> [look-up -> `lookup`] -> [bind] -> connect -> `connect`, what waits is sent, `ready`
 *                                      |              |           |
 *                                      +--------------+-----------+--> `error`, `close`
 *
 * Nothing but the checks of the arguments happens before tr_connect() has returned; as in Node, an address is not
 * looked up. What is needed on the way lies in memory of its own, which is given back when the socket is connected. If
 * the socket is destroyed during the look-up, that memory stays behind alone until libuv's pool has finished with it.
 *
 * The first address that the look-up answers is tried.
 */
#include "connect.h"

#include "tune.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_HOST "localhost"

/* The arguments. */

static tr_status
check_options(const struct tr_connect_options *options, struct sockaddr_storage *local)
{
    if (options->port == 0)
        return TR_EMISSING;
    if (options->host != NULL && !tri_host_is_sound(options->host))
        return TR_EBADHOST;
    if (options->local_address != NULL && !tri_address_parse(options->local_address, options->local_port, local))
        return TR_EBADADDRESS;
    if (options->family != TR_FAMILY_NONE && options->family != TR_FAMILY_IPV4 && options->family != TR_FAMILY_IPV6)
        return TR_EINVAL;
    return options->timeout_ms > INT32_MAX ? TR_EBADLIMIT : TR_OK;
}

static void
fill(struct tri_connect *connect, const struct tr_connect_options *options)
{
    const char *host = options->host != NULL ? options->host : DEFAULT_HOST;
    memcpy(connect->host, host, strlen(host) + 1);
    connect->port = options->port;
    connect->family = options->family;
    connect->local_port = options->local_port;
    connect->binds = options->local_address != NULL || options->local_port != 0;
    connect->is_literal = tri_address_parse(host, options->port, &connect->peer);
}

tr_status
tri_connect_init_socket(tr_actor *self, void *state, const void *argument)
{
    tr_socket *socket = state;
    const struct tr_connect_options *options = argument;
    struct tri_connect *connect = calloc(1, sizeof(*connect));
    if (connect == NULL)
        return TR_ENOMEM;
    tr_status status = check_options(options, &connect->local);
    if (status == TR_OK)
        status = tri_socket_init(socket, self, options->events, options->data);
    if (status != TR_OK)
        goto free_connect;

    fill(connect, options);
    connect->socket = socket;
    socket->connect = connect;
    if (options->timeout_ms > 0) {
        if (tri_socket_rare(socket) == NULL) {
            status = TR_ENOMEM;
            goto free_connect;
        }
        socket->rare->timeout_ms = options->timeout_ms;
    }
    uv_tcp_init(&socket->net->worker->loop, &socket->tcp);
    socket->flags = TRI_SOCKET_CONNECTING | TRI_SOCKET_START | (options->allow_half_open ? TRI_SOCKET_HALF_OPEN : 0);
    tri_idle_moved(socket);
    tri_socket_due(socket);
    return TR_OK;

free_connect:
    free(connect);
    return status;
}

void
tri_connect_free(tr_socket *socket)
{
    struct tri_connect *connect = socket->connect;
    socket->connect = NULL;
    if (connect == NULL)
        return;
    connect->socket = NULL;
    if (!connect->looking_up)
        free(connect);
    else
        uv_cancel((uv_req_t *)&connect->lookup); /* if it has begun already it goes on; on_lookup() frees either way */
}

/* Connect. */

static void
apply_options(tr_socket *socket)
{
    uv_os_fd_t fd;
    if (uv_fileno(&socket->handle, &fd) != 0)
        return;
    if (tri_socket_is(socket, TRI_SOCKET_NO_DELAY))
        tri_tune_no_delay(fd, true);
    if (socket->connect->keep_alive)
        tri_tune_keep_alive(fd, true, socket->connect->keep_alive_delay_ms);
}

static void
connected(tr_socket *socket)
{
    apply_options(socket);
    tri_connect_free(socket);
    socket->flags &= ~(uint32_t)TRI_SOCKET_CONNECTING;
    socket->flags |= TRI_SOCKET_CONNECTED;
    tri_idle_moved(socket);
    tri_socket_trace(socket, TRI_TRACE_NET_socket_connect, 0, 0);
    if (socket->events->connect != NULL)
        socket->events->connect(socket);
    if (!tri_socket_is(socket, TRI_SOCKET_DESTROYED))
        tri_writer_connected(socket);
    if (socket->events->ready != NULL && !tri_socket_is(socket, TRI_SOCKET_SILENT))
        socket->events->ready(socket); /* as in Node, also if the connect callback destroyed it */
    tri_reader_start(socket);
    tri_socket_due(socket);
}

static void
on_connect(uv_connect_t *request, int status)
{
    tr_socket *socket = (tr_socket *)((char *)request->handle - offsetof(tr_socket, stream));
    if (tri_socket_is(socket, TRI_SOCKET_DESTROYED))
        return;
    struct tri_actor_frame frame = tri_socket_enter(socket, TRI_TAG_ON_CONNECT);
    if (status == 0)
        connected(socket);
    else
        tri_socket_fail(socket, status, TRI_CALL_CONNECT);
    tri_socket_leave(socket, frame);
}

/* Without a local address a local port is bound on any address of the peer's family. */
static int
bind_local(tr_socket *socket)
{
    struct tri_connect *connect = socket->connect;
    if (!connect->binds)
        return 0;
    if (connect->local.ss_family == AF_UNSPEC)
        tri_address_parse(connect->peer.ss_family == AF_INET ? "0.0.0.0" : "::", connect->local_port, &connect->local);
    return uv_tcp_bind(&socket->tcp, (const struct sockaddr *)&connect->local, 0);
}

static void
connect_to_peer(tr_socket *socket)
{
    struct tri_connect *connect = socket->connect;
    int error = bind_local(socket);
    if (error != 0) {
        tri_socket_fail(socket, error, TRI_CALL_BIND);
        return;
    }
    error = uv_tcp_connect(&connect->request, &socket->tcp, (const struct sockaddr *)&connect->peer, on_connect);
    if (error != 0)
        tri_socket_fail(socket, error, TRI_CALL_CONNECT);
}

/* Look-up. */

static void
emit_lookup(tr_socket *socket, int status)
{
    struct tr_error error = {.status = tri_status_from_uv(status), .system = 0, .call = "getaddrinfo"};
    struct tr_address address;
    tri_address_from((const struct sockaddr *)&socket->connect->peer, &address);
    tri_socket_trace(socket, TRI_TRACE_NET_socket_lookup, 0, (uint32_t)error.status);
    if (socket->events->lookup != NULL)
        socket->events->lookup(socket, status != 0 ? &error : NULL, status == 0 ? &address : NULL,
                               socket->connect->host);
}

static void
looked_up(tr_socket *socket, int status)
{
    emit_lookup(socket, status);
    if (tri_socket_is(socket, TRI_SOCKET_DESTROYED))
        return;
    if (status == 0)
        connect_to_peer(socket);
    else
        tri_socket_fail(socket, status, TRI_CALL_LOOKUP);
}

static void
on_lookup(uv_getaddrinfo_t *request, int status, struct addrinfo *answers)
{
    struct tri_connect *connect = (struct tri_connect *)((char *)request - offsetof(struct tri_connect, lookup));
    tr_socket *socket = connect->socket;
    connect->looking_up = false;
    if (socket == NULL || tri_socket_is(socket, TRI_SOCKET_DESTROYED)) {
        uv_freeaddrinfo(answers);
        if (socket == NULL)
            free(connect);
        return;
    }
    if (status == 0) {
        memcpy(&connect->peer, answers->ai_addr, answers->ai_addrlen);
        tri_address_set_port((struct sockaddr *)&connect->peer, connect->port);
    }
    uv_freeaddrinfo(answers);
    struct tri_actor_frame frame = tri_socket_enter(socket, TRI_TAG_ON_LOOKUP);
    looked_up(socket, status);
    tri_socket_leave(socket, frame);
}

static int
family_of(enum tr_family family)
{
    return family == TR_FAMILY_IPV4 ? AF_INET : family == TR_FAMILY_IPV6 ? AF_INET6 : AF_UNSPEC;
}

static void
look_up(tr_socket *socket)
{
    struct tri_connect *connect = socket->connect;
    struct addrinfo hints = {.ai_family = family_of(connect->family), .ai_socktype = SOCK_STREAM};
    int error = uv_getaddrinfo(&socket->net->worker->loop, &connect->lookup, on_lookup, connect->host, NULL, &hints);
    connect->looking_up = error == 0;
    if (error != 0)
        looked_up(socket, error);
}

void
tri_connect_start(tr_socket *socket)
{
    socket->flags &= ~(uint32_t)TRI_SOCKET_START;
    if (tri_socket_is(socket, TRI_SOCKET_DESTROYED))
        return;
    tri_socket_trace(socket, TRI_TRACE_NET_socket_connecting, 0, socket->connect->port);
    if (socket->connect->is_literal)
        connect_to_peer(socket);
    else
        look_up(socket);
}

/* The public functions. */

tr_status
tr_connect(tr_actor *self, const struct tr_connect_options *options, tr_socket **out)
{
    if (self == NULL || options == NULL)
        return TR_EINVAL;
    tr_actor *actor;
    tr_status status = tri_actor_spawn_here(tri_actor_worker(self), self, &tri_socket_connecting, options, &actor);
    if (status == TR_OK && out != NULL)
        *out = tr_state(actor);
    return status;
}

tr_status
tr_runtime_connect(struct tr_runtime *runtime, const struct tr_connect_options *options, tr_ref *out)
{
    if (runtime == NULL || options == NULL)
        return TR_EINVAL;
    struct tr_spawn_options spawn = {.placement = TR_PLACE_LEAST_LOADED, .argument = options};
    return tr_runtime_spawn(runtime, &tri_socket_connecting, &spawn, out);
}

/* The options of the descriptor, which may be asked for before there is one. */

tr_status
tr_socket_set_no_delay(tr_socket *socket, bool no_delay)
{
    if (socket == NULL)
        return TR_EINVAL;
    tri_socket_check(socket);
    if (tri_socket_is(socket, TRI_SOCKET_DESTROYED))
        return TR_EDESTROYED;
    if (tri_socket_is(socket, TRI_SOCKET_CONNECTING)) {
        socket->flags &= ~(uint32_t)TRI_SOCKET_NO_DELAY;
        socket->flags |= no_delay ? TRI_SOCKET_NO_DELAY : 0;
        return TR_OK;
    }
    uv_os_fd_t fd;
    int error = uv_fileno(&socket->handle, &fd);
    return tri_status_from_uv(error != 0 ? error : tri_tune_no_delay(fd, no_delay));
}

tr_status
tr_socket_set_keep_alive(tr_socket *socket, bool enable, uint64_t initial_delay_ms)
{
    if (socket == NULL)
        return TR_EINVAL;
    tri_socket_check(socket);
    if (initial_delay_ms > TRI_KEEP_ALIVE_LIMIT_MS)
        return TR_EBADLIMIT;
    if (tri_socket_is(socket, TRI_SOCKET_DESTROYED))
        return TR_EDESTROYED;
    if (tri_socket_is(socket, TRI_SOCKET_CONNECTING)) {
        socket->connect->keep_alive = enable;
        socket->connect->keep_alive_delay_ms = initial_delay_ms;
        return TR_OK;
    }
    uv_os_fd_t fd;
    int error = uv_fileno(&socket->handle, &fd);
    return tri_status_from_uv(error != 0 ? error : tri_tune_keep_alive(fd, enable, initial_delay_ms));
}
