/*
 * Sockets: the life of one connection.
 *
 *   connecting --connect--> connected --peer's FIN--> `end` given ---+
 *       |                       |                                    +--> both sides over --> destroyed --> closed
 *       |                       +---end(), queue empty--> FIN sent --+                            ^
 *       +------------ error, tr_socket_destroy(), stop from any state ----------------------------+
 *
 * The actor's state is the socket itself, with libuv's handle inside. Therefore an ending has two steps: destroyed,
 * when uv_close() was called and nothing is read or written any more; closed, when libuv has called back: there error,
 * the callbacks of lost writes and close are given, in this order, and then the actor ends and its memory goes.
 *
 * No event may come before the call that caused it has returned. So the public functions only note what is due, and
 * settle() does it: at the end of the socket's own callback that runs (between enter and leave), or else
 * from the worker's list of later work.
 *
 * Invariants
 *   - DUE is set when INSIDE is, or when `later` stands on the worker's list;
 *   - after DESTROYED no event but error and close is given, and write callbacks;
 *   - the actor ends from on_closed() alone, or right after if `later` is still on the list.
 */
#include "socket_internal.h"

#include "connect.h"
#include "deal.h"

#include <stdlib.h>
#include <sys/socket.h>

static const struct tr_socket_events no_events;

static const char *const call_names[] = {
    [TRI_CALL_DESTROY] = "destroy", [TRI_CALL_LOOKUP] = "getaddrinfo", [TRI_CALL_BIND] = "bind",
    [TRI_CALL_CONNECT] = "connect", [TRI_CALL_READ] = "read",          [TRI_CALL_WRITE] = "write",
};

/* The beginning. */

tr_status
tri_socket_init(tr_socket *socket, tr_actor *actor, const struct tr_socket_events *events, void *data)
{
    socket->net = tri_net_of(tri_actor_worker(actor));
    if (socket->net == NULL)
        return TR_ENOMEM;
    tri_actor_host(actor);
    socket->actor = actor;
    socket->events = events != NULL ? events : &no_events;
    socket->data = data;
    return TR_OK;
}

struct tri_rare *
tri_socket_rare(tr_socket *socket)
{
    if (socket->rare == NULL) {
        socket->rare = calloc(1, sizeof(*socket->rare));
        if (socket->rare != NULL)
            socket->rare->socket = socket;
    }
    return socket->rare;
}

/* Callbacks, and what is due after them. */

static bool
our_side_is_over(const tr_socket *socket)
{
    return tri_socket_is(socket, TRI_SOCKET_ENDING) && !tri_socket_is(socket, TRI_SOCKET_CONNECTING) &&
           tri_writer_is_empty(socket);
}

static void
send_fin(tr_socket *socket)
{
    uv_os_fd_t fd;
    socket->flags |= TRI_SOCKET_ENDED;
    tri_socket_trace(socket, TRI_TRACE_NET_socket_shutdown, 0, 0);
    if (uv_fileno(&socket->handle, &fd) == 0)
        shutdown(fd, SHUT_WR); /* if it fails the connection is gone, which reading tells */
}

/* Our side has ended and all of it is in the kernel. If the peer has ended too, closing says so without a FIN apart. */
static void
settle_end(tr_socket *socket)
{
    if (!tri_socket_is(socket, TRI_SOCKET_PEER_ENDED | TRI_SOCKET_ENDED))
        send_fin(socket);
    if (tri_socket_is(socket, TRI_SOCKET_PEER_ENDED | TRI_SOCKET_DRAINING))
        tri_socket_close(socket, TR_OK, 0, TRI_CALL_DESTROY);
}

static void run_later(struct tri_later *later);

/* Does what is due, and closes the bracket. What that makes due waits for the next turn, so that the loop lives. */
static void
settle(tr_socket *socket)
{
    if (tri_socket_is(socket, TRI_SOCKET_DUE)) {
        socket->flags &= ~(uint32_t)TRI_SOCKET_DUE;
        tri_writer_tell(socket);
        if (tri_socket_is(socket, TRI_SOCKET_START))
            tri_connect_start(socket);
        tri_reader_settle(socket);
        if (!tri_socket_is(socket, TRI_SOCKET_DESTROYED) && our_side_is_over(socket))
            settle_end(socket);
        if (tri_socket_is(socket, TRI_SOCKET_DUE))
            tri_later_add(socket->net, &socket->later, run_later);
    }
    socket->flags &= ~(uint32_t)TRI_SOCKET_INSIDE;
}

struct tri_actor_frame
tri_socket_enter(tr_socket *socket, uint32_t tag)
{
    assert(!tri_socket_is(socket, TRI_SOCKET_INSIDE));
    socket->flags |= TRI_SOCKET_INSIDE;
    return tri_actor_enter(socket->actor, tag);
}

void
tri_socket_leave(tr_socket *socket, struct tri_actor_frame frame)
{
    settle(socket);
    tri_actor_leave(socket->actor, frame);
}

static void end_actor(tr_socket *socket);

static void
run_later(struct tri_later *later)
{
    tr_socket *socket = (tr_socket *)((char *)later - offsetof(tr_socket, later));
    if (tri_socket_is(socket, TRI_SOCKET_CLOSED)) {
        end_actor(socket);
        return;
    }
    if (tri_socket_is(socket, TRI_SOCKET_SILENT))
        return;
    struct tri_actor_frame frame = tri_socket_enter(socket, TRI_TAG_ON_LATER);
    tri_socket_leave(socket, frame);
}

void
tri_socket_due(tr_socket *socket)
{
    socket->flags |= TRI_SOCKET_DUE;
    if (!tri_socket_is(socket, TRI_SOCKET_INSIDE))
        tri_later_add(socket->net, &socket->later, run_later);
}

/* Messages of other actors; the actors' layer brackets them. */

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    tr_socket *socket = state;
    (void)self;
    socket->flags |= TRI_SOCKET_INSIDE;
    if (message->tag >= TRI_TAG_NET)
        tri_remote_to_socket(socket, message);
    else if (socket->events->message != NULL && !tri_socket_is(socket, TRI_SOCKET_DESTROYED))
        socket->events->message(socket, message);
    settle(socket);
}

/* The end. */

static void
free_parts(tr_socket *socket)
{
    tri_writer_drop(socket);
    if (!tri_socket_is(socket, TRI_SOCKET_ACCEPTED))
        tri_connect_free(socket);
    free(socket->rare);
    socket->rare = NULL;
}

/* With `later` on the worker's list the actor must stay until that has run. */
static void
end_actor(tr_socket *socket)
{
    socket->flags |= TRI_SOCKET_CLOSED;
    if (socket->later.run == NULL)
        tri_actor_end(socket->actor);
}

static void
emit_error(tr_socket *socket)
{
    struct tr_error error = {
        .status = socket->error, .system = socket->error_system, .call = call_names[socket->error_call]};
    tri_socket_trace(socket, TRI_TRACE_NET_socket_error, 0, (uint32_t)error.status);
    if (socket->events->error != NULL)
        socket->events->error(socket, &error);
}

/* As Node: what was lost on a connection is told before close, what waited for one that never came after it. */
static void
emit_end_of_life(tr_socket *socket)
{
    bool failed = tri_socket_is(socket, TRI_SOCKET_FAILED);
    tri_writer_tell(socket);
    if (failed)
        emit_error(socket);
    if (tri_socket_is(socket, TRI_SOCKET_CONNECTED))
        tri_writer_fail(socket, failed ? socket->error : TR_EDESTROYED);
    if (tri_socket_is(socket, TRI_SOCKET_ACCEPTED))
        tri_share_left(socket->share);
    tri_socket_trace(socket, TRI_TRACE_NET_socket_close, 0, failed);
    if (socket->events->close != NULL)
        socket->events->close(socket, failed);
    tri_writer_fail(socket, TR_ESOCKETCLOSED);
}

static void
on_closed(uv_handle_t *handle)
{
    tr_socket *socket = (tr_socket *)((char *)handle - offsetof(tr_socket, handle));
    bool accepted = tri_socket_is(socket, TRI_SOCKET_ACCEPTED);
    struct tri_share *share = accepted ? socket->share : NULL;
    if (tri_socket_is(socket, TRI_SOCKET_SILENT)) {
        if (accepted)
            tri_share_left(share);
        free_parts(socket);
        end_actor(socket);
    } else {
        struct tri_actor_frame frame = tri_socket_enter(socket, TRI_TAG_ON_CLOSED);
        emit_end_of_life(socket);
        free_parts(socket);
        socket->flags &= ~(uint32_t)(TRI_SOCKET_DUE | TRI_SOCKET_START);
        end_actor(socket);
        tri_socket_leave(socket, frame);
    }
    if (accepted)
        tri_share_ended(share);
}

static void
drop_held(tr_socket *socket)
{
    if (socket->rare == NULL || socket->rare->held.size == 0)
        return;
    tr_slice_release(socket->rare->held);
    socket->rare->held.size = 0;
}

void
tri_socket_close(tr_socket *socket, tr_status status, int system, enum tri_socket_call call)
{
    if (tri_socket_is(socket, TRI_SOCKET_DESTROYED))
        return;
    if (status < 0) {
        socket->flags |= TRI_SOCKET_FAILED;
        socket->error = status;
        socket->error_system = (uint16_t)system;
        socket->error_call = (uint8_t)call;
    }
    socket->flags |= TRI_SOCKET_DESTROYED;
    socket->flags &= ~(uint32_t)(TRI_SOCKET_CONNECTING | TRI_SOCKET_READING);
    tri_idle_end(socket);
    drop_held(socket);
    uv_close(&socket->handle, on_closed);
}

void
tri_socket_fail(tr_socket *socket, int uv_error, enum tri_socket_call call)
{
    /* Look-ups have numbers of their own, which are no errno. */
    int system = call == TRI_CALL_LOOKUP ? 0 : -uv_error;
    tri_socket_close(socket, tri_status_from_uv(uv_error), system, call);
}

static bool
stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    tr_socket *socket = state;
    (void)self;
    switch (how) {
    case TR_STOP_DRAIN:
        socket->flags |= TRI_SOCKET_DRAINING;
        if (tri_socket_is(socket, TRI_SOCKET_CONNECTING))
            tri_socket_close(socket, TR_OK, 0, TRI_CALL_DESTROY);
        else
            tr_socket_end(socket);
        tri_socket_due(socket);
        break;
    case TR_STOP_NOW: tri_socket_close(socket, TR_OK, 0, TRI_CALL_DESTROY); break;
    case TR_STOP_KILL:
        socket->flags |= TRI_SOCKET_SILENT;
        tri_socket_close(socket, TR_OK, 0, TRI_CALL_DESTROY);
        break;
    }
    return false;
}

void
tr_socket_destroy(tr_socket *socket, tr_status error)
{
    if (socket == NULL)
        return;
    tri_socket_check(socket);
    tri_socket_close(socket, error, 0, TRI_CALL_DESTROY);
}

/* Behaviors: they differ in how the actor begins. */

const struct tr_behavior tri_socket_accepted = {
    .name = "socket",
    .state_size = sizeof(tr_socket),
    .init = tri_share_init_socket,
    .receive = receive,
    .stopping = stopping,
};

const struct tr_behavior tri_socket_connecting = {
    .name = "socket",
    .state_size = sizeof(tr_socket),
    .init = tri_connect_init_socket,
    .receive = receive,
    .stopping = stopping,
};

/* Looking. */

typedef int (*name_function)(const uv_tcp_t *handle, struct sockaddr *name, int *size);

static void
address_by(name_function name_of, const tr_socket *socket, struct tr_address *out)
{
    *out = (struct tr_address){0};
    struct sockaddr_storage storage;
    int size = sizeof(storage);
    if (tri_socket_is(socket, TRI_SOCKET_CONNECTED) && !tri_socket_is(socket, TRI_SOCKET_DESTROYED) &&
        name_of(&socket->tcp, (struct sockaddr *)&storage, &size) == 0)
        tri_address_from((const struct sockaddr *)&storage, out);
}

void
tr_socket_remote_address(const tr_socket *socket, struct tr_address *out)
{
    if (socket != NULL && out != NULL)
        address_by(uv_tcp_getpeername, socket, out);
}

void
tr_socket_local_address(const tr_socket *socket, struct tr_address *out)
{
    if (socket != NULL && out != NULL)
        address_by(uv_tcp_getsockname, socket, out);
}

uint64_t
tr_socket_bytes_read(const tr_socket *socket)
{
    return socket != NULL ? socket->bytes_read : 0;
}

uint64_t
tr_socket_bytes_written(const tr_socket *socket)
{
    return socket != NULL ? socket->bytes_written : 0;
}

bool
tr_socket_connecting(const tr_socket *socket)
{
    return socket != NULL && tri_socket_is(socket, TRI_SOCKET_CONNECTING);
}

bool
tr_socket_destroyed(const tr_socket *socket)
{
    return socket == NULL || tri_socket_is(socket, TRI_SOCKET_DESTROYED);
}

void *
tr_socket_data(const tr_socket *socket)
{
    return socket != NULL ? socket->data : NULL;
}

void
tr_socket_set_data(tr_socket *socket, void *data)
{
    if (socket != NULL)
        socket->data = data;
}

void
tr_socket_set_events(tr_socket *socket, const struct tr_socket_events *events)
{
    if (socket != NULL)
        socket->events = events != NULL ? events : &no_events;
}

tr_actor *
tr_socket_actor(tr_socket *socket)
{
    return socket != NULL ? socket->actor : NULL;
}

tr_ref
tr_socket_ref(const tr_socket *socket)
{
    return socket != NULL ? tr_self(socket->actor) : TR_NOBODY;
}

tr_ref
tr_socket_server(const tr_socket *socket)
{
    if (socket == NULL || !tri_socket_is(socket, TRI_SOCKET_ACCEPTED))
        return TR_NOBODY;
    return tri_share_server(socket->share);
}
