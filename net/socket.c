/*
 * Sockets: the life of one connection.
 *
 *   spawned --connect--> connecting --> connected --peer's FIN--> `end` ---+
 *      |                     |              |                              +--> both sides over --> destroyed --> closed
 *      |                     |              +--end(), queue empty--> FIN --+                           ^             |
 *      +------ error, tr_socket_destroy(), stop: from any state ----------------------------------------+             |
 *      ^------------------------- tr_socket_connect(), from the close event on ---------------------------------------+
 *
 * The actor's state is the socket itself, with libuv's handle inside. Therefore an ending has two steps: destroyed, when
 * the descriptor is closed and nothing is read or written any more; closed, when libuv has let go of the handle:
 * there error, the callbacks of lost writes and close are given, and then the actor ends, unless it is kept or connected
 * anew.
 *
 * No event may come before the call that caused it has returned, and with an owner none before it has answered the one
 * before (events.h). So everything that gives an event is a step that is noted as due and done by settle(), in the order
 * of enum tri_socket_step: at the end of the socket's own callback that runs (between enter and leave), or else from the
 * worker's list of later work. While the socket stands still settle() does nothing, and libuv polls nothing; the owner's
 * answer goes on where it stopped. Data, which comes most often, is given by the reader at once if nothing else is due.
 *
 * Invariants
 *   - a step is due only while a callback runs (INSIDE), `later` stands on the worker's list, or the socket stands still;
 *   - after DESTROYED no event is given but those of steps that were due before, error and close, and write callbacks;
 *   - the actor ends in end_actor() alone, once libuv has no handle and the list of later work no entry of it.
 */
#include "socket_internal.h"

#include "connect.h"
#include "deal.h"
#include "tune.h"
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct tr_socket_events no_events;
static const struct tr_socket_options no_options;

static const char *const call_names[] = {
    [TRI_CALL_DESTROY] = "destroy", [TRI_CALL_LOOKUP] = "getaddrinfo", [TRI_CALL_BIND] = "bind",
    [TRI_CALL_CONNECT] = "connect", [TRI_CALL_READ] = "read",          [TRI_CALL_WRITE] = "write",
    [TRI_CALL_OPEN] = "open",
};

/* The beginning. */

tr_status
tri_socket_check_options(const struct tr_runtime *runtime, const struct tr_socket_options *options)
{
    if (options == NULL)
        return TR_OK;
    if (options->timeout_ms > INT32_MAX || options->keep_alive_delay_ms > TRI_KEEP_ALIVE_LIMIT_MS)
        return TR_EBADLIMIT;
    if (options->encoding > TR_ENCODING_UTF16LE)
        return TR_EBADENCODING;
    if (options->type > TR_SOCKET_UNIX)
        return TR_EINVAL;
    return tri_events_check_owner(runtime, &options->owner);
}

struct tri_extra *
tri_socket_extra(tr_socket *socket)
{
    if (socket->extra == NULL && !tri_socket_is(socket, TRI_SOCKET_GONE)) {
        socket->extra = calloc(1, sizeof(*socket->extra));
        if (socket->extra != NULL)
            socket->extra->socket = socket;
    }
    return socket->extra;
}

void
tri_socket_mark(tr_socket *socket)
{
    const struct tri_extra *extra = socket->extra;
    socket->flags &= ~(uint32_t)TRI_SOCKET_SPECIAL;
    if (extra != NULL && (extra->owner != TR_NOBODY || extra->pipe != NULL || extra->drops ||
                          extra->encoding != TR_ENCODING_NONE || extra->high_water != 0 || extra->write_limit != 0))
        socket->flags |= TRI_SOCKET_SPECIAL;
}

static bool
needs_extra(const struct tr_socket_options *options)
{
    return options->owner.actor != TR_NOBODY || options->keep_alive_delay_ms != 0 || options->timeout_ms != 0 ||
           options->encoding != TR_ENCODING_NONE || options->type != TR_SOCKET_ANY || options->write_limit != 0 ||
           options->high_water != 0;
}

static void
fill_extra(struct tri_extra *extra, const struct tr_socket_options *options)
{
    tri_events_set_owner(extra, &options->owner);
    extra->keep_alive_delay_ms = options->keep_alive_delay_ms;
    extra->timeout_ms = options->timeout_ms;
    extra->encoding = options->encoding;
    tr_decoder_init(&extra->decoder, options->encoding);
    extra->type = options->type;
    extra->write_limit = options->write_limit;
    extra->high_water = options->high_water;
}

static uint32_t
flags_of(const struct tr_socket_options *options)
{
    return (options->allow_half_open ? TRI_SOCKET_HALF_OPEN : 0) | (options->keep ? TRI_SOCKET_KEEP : 0) |
           (options->no_delay ? TRI_SOCKET_NO_DELAY : 0) | (options->keep_alive ? TRI_SOCKET_KEEP_ALIVE : 0) |
           (options->receive_fds ? TRI_SOCKET_RECEIVES : 0) | (options->timeout_ms > 0 ? TRI_SOCKET_TIMED : 0);
}

tr_status
tri_socket_init(tr_socket *socket, tr_actor *actor, const struct tr_socket_options *options)
{
    socket->net = tri_net_of(tri_actor_worker(actor));
    if (socket->net == NULL)
        return TR_ENOMEM;
    if (needs_extra(options)) {
        if (tri_socket_extra(socket) == NULL)
            return TR_ENOMEM;
        fill_extra(socket->extra, options);
    }
    tri_actor_host(actor);
    socket->actor = actor;
    socket->events = options->events != NULL ? options->events : &no_events;
    socket->data = options->data;
    socket->flags = flags_of(options);
    tri_socket_mark(socket);
    socket->fd = -1;
    return TR_OK;
}

static tr_status
init_spawned(tr_actor *self, void *state, const void *argument)
{
    tr_socket *socket = state;
    const struct tri_socket_order *order = argument;
    tr_status status = tri_socket_init(socket, self, &order->options);
    if (status == TR_OK && order->connect != NULL)
        status = tr_socket_connect(socket, order->connect);
    if (status != TR_OK) {
        free(socket->extra);
        socket->extra = NULL;
    }
    return status;
}

static tr_status
spawn(tr_actor *self, const struct tr_socket_options *options, const struct tr_connect_options *connect,
      tr_socket **out)
{
    tr_actor *actor;
    struct tri_socket_order order = {options != NULL ? *options : no_options, connect};
    tr_status status = tri_socket_check_options(tr_actor_runtime(self), options);
    if (status == TR_OK)
        status = tri_actor_spawn_here(tri_actor_worker(self), self, &tri_socket_spawned, &order, &actor);
    if (status == TR_OK && out != NULL)
        *out = tr_state(actor);
    return status;
}

tr_status
tr_socket_spawn(tr_actor *self, const struct tr_socket_options *options, tr_socket **out)
{
    return self != NULL && out != NULL ? spawn(self, options, NULL, out) : TR_EINVAL;
}

tr_status
tr_connect(tr_actor *self, const struct tr_socket_options *socket, const struct tr_connect_options *connect,
           tr_socket **out)
{
    return self != NULL && connect != NULL ? spawn(self, socket, connect, out) : TR_EINVAL;
}

tr_status
tr_runtime_connect(struct tr_runtime *runtime, const struct tr_socket_options *socket,
                   const struct tr_connect_options *connect, tr_ref *out)
{
    if (runtime == NULL || connect == NULL)
        return TR_EINVAL;
    struct tri_socket_order order = {socket != NULL ? *socket : no_options, connect};
    struct tr_spawn_options spawn_options = {.placement = TR_PLACE_LEAST_LOADED, .argument = &order};
    tr_status status = tri_socket_check_options(runtime, socket);
    return status == TR_OK ? tr_runtime_spawn(runtime, &tri_socket_spawned, &spawn_options, out) : status;
}

/* Opening: a descriptor that is connected. */

void
tri_socket_apply_options(tr_socket *socket)
{
    if (tri_socket_is(socket, TRI_SOCKET_NO_DELAY))
        tri_tune_no_delay(socket->fd, true);
    if (tri_socket_is(socket, TRI_SOCKET_KEEP_ALIVE))
        tri_tune_keep_alive(socket->fd, true, socket->extra != NULL ? socket->extra->keep_alive_delay_ms : 0);
}

tr_status
tri_socket_open(tr_socket *socket, int fd, unsigned sides)
{
    int error = uv_poll_init(&socket->net->worker->loop, &socket->poll, fd);
    if (error == UV_EPERM)
        return TR_EBADFD; /* a file: it cannot be polled */
    if (error != 0)
        return tri_status_from_uv(error);
    socket->fd = fd;
    socket->flags |= TRI_SOCKET_HANDLE | TRI_SOCKET_CONNECTED;
    socket->flags |= (sides & TR_READABLE) == 0 ? TRI_SOCKET_PEER_ENDED : 0;
    socket->flags |= (sides & TR_WRITABLE) == 0 ? TRI_SOCKET_ENDING | TRI_SOCKET_ENDED : 0;
    tri_socket_count_live(socket);
    tri_idle_moved(socket);
    return TR_OK;
}

void
tri_socket_begin_accepted(tr_socket *socket, bool pause_on_connect)
{
    struct tri_actor_frame frame = tri_socket_enter(socket, TRI_TAG_ON_ACCEPTED);
    const struct tr_server_options *options = &socket->share->deal->options;
    if (pause_on_connect)
        socket->flags |= TRI_SOCKET_PAUSED;
    else
        socket->due |= TRI_STEP(READ);
    if (options->socket.emit_connect)
        socket->due |= TRI_STEP(CONNECT) | TRI_STEP(READY);
    tri_events_connection(socket);
    tri_socket_leave(socket, frame);
}

static void end_actor(tr_socket *socket);

static tr_status
check_descriptor(int fd)
{
    int listens = 0;
    struct sockaddr_storage peer;
    socklen_t size = sizeof(listens);
    if (fcntl(fd, F_GETFD) < 0)
        return TR_EBADF;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0)
        return TR_EBADFD;
    size = sizeof(peer);
    if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0 && errno == ENOTCONN)
        return TR_ENOTCONN;
    return TR_OK;
}

tr_status
tr_socket_adopt(tr_actor *self, int fd, unsigned sides, const struct tr_socket_options *options, tr_socket **out)
{
    if (self == NULL || out == NULL || (sides & ~(unsigned)(TR_READABLE | TR_WRITABLE)) != 0)
        return TR_EINVAL;
    tr_socket *socket;
    tr_status status = check_descriptor(fd);
    if (status == TR_OK)
        status = spawn(self, options, NULL, &socket);
    if (status != TR_OK)
        return status;
    status = tri_socket_open(socket, fd, sides);
    if (status != TR_OK) {
        end_actor(socket);
        return status;
    }
    fcntl(fd, F_SETFD, fcntl(fd, F_GETFD) | FD_CLOEXEC);
    tri_socket_apply_options(socket);
    tri_socket_due(socket, TRI_STEP(READ) | TRI_STEP(FIN));
    *out = socket;
    return TR_OK;
}

tr_socket *
tri_socket_find(struct tri_net *net, tr_ref ref)
{
    tr_actor *actor = tri_actor_find(net->worker, ref, &tri_socket_accepted);
    if (actor == NULL)
        actor = tri_actor_find(net->worker, ref, &tri_socket_spawned);
    return actor != NULL ? tr_state(actor) : NULL;
}

bool
tri_socket_is_unix(const tr_socket *socket)
{
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof(own);
    return getsockname(socket->fd, (struct sockaddr *)&own, &size) == 0 && own.ss_family == AF_UNIX;
}

/* What keeps the program alive. */

void
tri_socket_count_live(tr_socket *socket)
{
    bool is = tri_socket_is(socket, TRI_SOCKET_LIVE);
    bool shall = tri_socket_is(socket, TRI_SOCKET_CONNECTING | TRI_SOCKET_CONNECTED) &&
                 !tri_socket_is(socket, TRI_SOCKET_CLOSED | TRI_SOCKET_BACKGROUND);
    if (is == shall)
        return;
    socket->flags ^= TRI_SOCKET_LIVE;
    tri_net_live(socket->net, shall ? 1 : -1);
}

/* Steps. */

static void
give_connect(tr_socket *socket)
{
    tri_socket_trace(socket, TRI_TRACE_NET_socket_connect, 0, 0);
    tri_events_plain(socket, TR_EVENT_CONNECT);
}

/* What waited for the connection; a reset waited for it, too. */
static void
flush_first(tr_socket *socket)
{
    if (tri_socket_is(socket, TRI_SOCKET_RESETS))
        tri_socket_close(socket, TR_OK, 0, TRI_CALL_DESTROY);
    tri_writer_begin(socket);
}

static void
give_ready(tr_socket *socket)
{
    tri_events_plain(socket, TR_EVENT_READY); /* as in Node, also if the connect event destroyed it */
}

static void
give_drain(tr_socket *socket)
{
    if (tri_socket_is(socket, TRI_SOCKET_ENDING | TRI_SOCKET_DESTROYED))
        return;
    if (!tri_writer_is_empty(socket)) {
        socket->flags |= TRI_SOCKET_OWES_DRAIN; /* more was written meanwhile: when that has gone, too, as in Node */
        return;
    }
    tri_socket_trace(socket, TRI_TRACE_NET_socket_drain, 0, 0);
    tri_events_plain(socket, TR_EVENT_DRAIN);
}

static void
give_end(tr_socket *socket)
{
    if (tri_socket_is(socket, TRI_SOCKET_DESTROYED)) {
        socket->due &= ~TRI_STEP(AFTER_END);
        return;
    }
    tri_socket_trace(socket, TRI_TRACE_NET_socket_end, 0, 0);
    tri_events_plain(socket, TR_EVENT_END);
}

static void
end_with_peer(tr_socket *socket)
{
    tri_pipe_end(socket);
    if (!tri_socket_is(socket, TRI_SOCKET_HALF_OPEN))
        tr_socket_end(socket);
    socket->due |= TRI_STEP(FIN);
}

static void
send_fin(tr_socket *socket)
{
    socket->flags |= TRI_SOCKET_ENDED;
    tri_socket_trace(socket, TRI_TRACE_NET_socket_shutdown, 0, 0);
    shutdown(socket->fd, SHUT_WR); /* if it fails the connection is gone, which reading tells */
}

/* Our side has ended and all of it is in the kernel. If the peer has ended too, closing says so without a FIN apart. */
static void
settle_end(tr_socket *socket)
{
    if (!tri_socket_is(socket, TRI_SOCKET_ENDING) || !tri_socket_is_open(socket) || !tri_writer_is_empty(socket))
        return;
    if (!tri_socket_is(socket, TRI_SOCKET_PEER_ENDED | TRI_SOCKET_ENDED))
        send_fin(socket);
    tri_writer_ended(socket);
    socket->flags |= TRI_SOCKET_ENDED;
    if (tri_socket_is(socket, TRI_SOCKET_DRAINING))
        tri_reader_discard(socket);
    if (tri_socket_is(socket, TRI_SOCKET_PEER_ENDED | TRI_SOCKET_DRAINING))
        tri_socket_close(socket, TR_OK, 0, TRI_CALL_DESTROY);
}

static void
give_timeout(tr_socket *socket)
{
    if (tri_socket_is(socket, TRI_SOCKET_DESTROYED))
        return;
    tri_socket_trace(socket, TRI_TRACE_NET_socket_timeout, 0, (uint32_t)socket->extra->timeout_ms);
    tri_events_plain(socket, TR_EVENT_TIMEOUT);
}

static void
give_error(tr_socket *socket)
{
    if (!tri_socket_is(socket, TRI_SOCKET_FAILED))
        return;
    bool of_user = socket->error == TR_EUSER && socket->extra != NULL && socket->extra->code != NULL;
    struct tr_error error = {
        .status = socket->error,
        .system = socket->error_system,
        .call = call_names[socket->error_call],
        .code = of_user ? socket->extra->code : tr_status_code(socket->error),
    };
    tri_socket_trace(socket, TRI_TRACE_NET_socket_error, 0, (uint32_t)error.status);
    tri_events_error(socket, &error);
}

/* As Node: what was lost on a connection is told before close, what waited for one that never came after it. */
static void
fail_lost(tr_socket *socket)
{
    tr_status reason = tri_socket_is(socket, TRI_SOCKET_FAILED) ? socket->error : TR_EDESTROYED;
    tri_writer_after_error(socket);
    if (tri_socket_is(socket, TRI_SOCKET_CONNECTED))
        tri_writer_fail(socket, reason, reason);
    socket->due &= ~TRI_STEP(TELL);
    tri_writer_tell(socket);
}

static void
give_close(tr_socket *socket)
{
    bool failed = tri_socket_is(socket, TRI_SOCKET_FAILED);
    tri_writer_fail(socket, TR_ECLOSEDBEFORECONNECT, failed ? socket->error : TR_ECLOSEDBEFORECONNECT);
    socket->due &= ~TRI_STEP(TELL);
    tri_pipe_closed(socket);
    if (!tri_socket_is(socket, TRI_SOCKET_ACCEPTED))
        tri_connect_free(socket);
    socket->flags |= TRI_SOCKET_CLOSED;
    socket->due |= TRI_STEP(AFTER) | TRI_STEP(OVER); /* of this life: the close event may begin, and end, another */
    tri_socket_trace(socket, TRI_TRACE_NET_socket_close, 0, failed);
    tri_events_close(socket, failed);
}

static void
leave_share(tr_socket *socket)
{
    if (!tri_socket_is(socket, TRI_SOCKET_ACCEPTED))
        return;
    struct tri_share *share = socket->share;
    socket->flags &= ~(uint32_t)TRI_SOCKET_ACCEPTED;
    socket->share = NULL;
    tri_share_ended(share);
}

static void
finish_life(tr_socket *socket)
{
    tri_socket_count_live(socket);
    leave_share(socket);
    if (tri_socket_is(socket, TRI_SOCKET_CLOSED) && !tri_socket_is(socket, TRI_SOCKET_KEEP))
        end_actor(socket);
}

typedef void (*step_function)(tr_socket *socket);

static const step_function steps[TRI_STEPS] = {
    [TRI_STEP_START] = tri_connect_start,
    [TRI_STEP_LOOKED_UP] = tri_connect_looked_up,
    [TRI_STEP_TRY] = tri_connect_try,
    [TRI_STEP_ATTEMPTED] = tri_connect_attempted,
    [TRI_STEP_CONNECT] = give_connect,
    [TRI_STEP_FLUSH] = flush_first,
    [TRI_STEP_FLUSH_DRAIN] = give_drain,
    [TRI_STEP_FLUSH_TELL] = tri_writer_tell_first,
    [TRI_STEP_READY] = give_ready,
    [TRI_STEP_READ] = tri_reader_begin,
    [TRI_STEP_DRAIN] = give_drain,
    [TRI_STEP_TELL] = tri_writer_tell,
    [TRI_STEP_HELD] = tri_reader_held,
    [TRI_STEP_LAST] = tri_reader_last,
    [TRI_STEP_END] = give_end,
    [TRI_STEP_AFTER_END] = end_with_peer,
    [TRI_STEP_FIN] = settle_end,
    [TRI_STEP_TIMEOUT] = give_timeout,
    [TRI_STEP_ERROR] = give_error,
    [TRI_STEP_LOST] = fail_lost,
    [TRI_STEP_CLOSE] = give_close,
    [TRI_STEP_AFTER] = tri_writer_tell,
    [TRI_STEP_OVER] = finish_life,
};

static void run_later(struct tri_later *later);

static void
do_steps(tr_socket *socket)
{
    for (unsigned step = 0; step < TRI_STEPS && socket->due >> step != 0; step++) {
        if ((socket->due >> step & 1u) == 0)
            continue;
        if (tri_events_stand_still(socket))
            return;
        socket->due &= ~(1u << step);
        steps[step](socket);
    }
    if (socket->due != 0 && !tri_socket_is(socket, TRI_SOCKET_GONE))
        tri_later_add(socket->net, &socket->later, run_later); /* in the next turn, so that the loop lives */
}

/* Does what is due, and closes the bracket. */
static void
settle(tr_socket *socket)
{
    if (TRI_UNLIKELY(socket->due != 0))
        do_steps(socket);
    if (TRI_UNLIKELY(tri_socket_is(socket, TRI_SOCKET_SPECIAL)) && tri_socket_is_open(socket))
        tri_socket_poll(socket); /* it may stand still now, or not any more */
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
    tr_actor *actor = socket->actor;
    settle(socket);
    tri_actor_leave(actor, frame);
}

static void
run_later(struct tri_later *later)
{
    tr_socket *socket = (tr_socket *)((char *)later - offsetof(tr_socket, later));
    if (tri_socket_is(socket, TRI_SOCKET_GONE)) {
        end_actor(socket);
        return;
    }
    if (tri_socket_is(socket, TRI_SOCKET_SILENT))
        return;
    if (tri_socket_is(socket, TRI_SOCKET_STARTS)) {
        socket->flags &= ~(uint32_t)TRI_SOCKET_STARTS;
        socket->due |= TRI_STEP(START);
    }
    struct tri_actor_frame frame = tri_socket_enter(socket, TRI_TAG_ON_LATER);
    tri_socket_leave(socket, frame);
}

void
tri_socket_start_later(tr_socket *socket)
{
    socket->flags |= TRI_SOCKET_STARTS;
    tri_later_add(socket->net, &socket->later, run_later);
}

void
tri_socket_due(tr_socket *socket, uint32_t due)
{
    socket->due |= due;
    if (!tri_socket_is(socket, TRI_SOCKET_INSIDE))
        tri_later_add(socket->net, &socket->later, run_later);
}

void
tri_socket_step_now(tr_socket *socket, uint32_t due, uint32_t tag)
{
    socket->due |= due;
    if (tri_socket_is(socket, TRI_SOCKET_INSIDE))
        return;
    struct tri_actor_frame frame = tri_socket_enter(socket, tag);
    tri_socket_leave(socket, frame);
}

/* What libuv tells. */

static void
on_poll(uv_poll_t *poll, int status, int events)
{
    tr_socket *socket = (tr_socket *)((char *)poll - offsetof(tr_socket, poll));
    struct tri_actor_frame frame = tri_socket_enter(socket, TRI_TAG_ON_READ);
    if (TRI_UNLIKELY(socket->due != 0))
        do_steps(socket); /* what was due before comes before */
    if (TRI_UNLIKELY(tri_events_stand_still(socket))) {
        tri_socket_leave(socket, frame);
        return;
    }
    if (TRI_UNLIKELY(status < 0)) { /* an error waits in the descriptor: reading or writing tells which */
        socket->polled = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    if ((events & UV_READABLE) != 0 && tri_socket_is(socket, TRI_SOCKET_READING))
        tri_reader_readable(socket, status < 0);
    if ((events & UV_WRITABLE) != 0 && tri_socket_is(socket, TRI_SOCKET_WRITING))
        tri_writer_flush(socket);
    if (TRI_UNLIKELY(status < 0) && tri_socket_is_open(socket))
        tri_socket_poll(socket);
    tri_socket_leave(socket, frame);
}

void
tri_socket_poll(tr_socket *socket)
{
    unsigned wanted = (tri_socket_is(socket, TRI_SOCKET_READING) ? UV_READABLE : 0u) |
                      (tri_socket_is(socket, TRI_SOCKET_WRITING) ? UV_WRITABLE : 0u);
    if (tri_events_stand_still(socket))
        wanted = 0;
    if (wanted == socket->polled)
        return;
    socket->polled = (uint8_t)wanted;
    if (wanted != 0)
        uv_poll_start(&socket->poll, (int)wanted, on_poll);
    else
        uv_poll_stop(&socket->poll);
}

/* Messages of other actors; the actors' layer brackets them. */

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    tr_socket *socket = state;
    enum tr_event event;
    (void)self;
    if (tri_socket_is(socket, TRI_SOCKET_GONE))
        return;
    socket->flags |= TRI_SOCKET_INSIDE;
    if (message->tag >= TRI_TAG_NET && !tr_event_of(message, &event)) /* it may be the owner of another socket */
        tri_remote_to_socket(socket, message);
    else if (socket->events->message != NULL &&
             (!tri_socket_is(socket, TRI_SOCKET_DESTROYED) || tri_socket_is(socket, TRI_SOCKET_CLOSED)))
        socket->events->message(socket, message);
    settle(socket);
}

/* The end. */

static void
free_parts(tr_socket *socket)
{
    tri_writer_drop(socket);
    tri_pipe_closed(socket);
    if (!tri_socket_is(socket, TRI_SOCKET_ACCEPTED))
        tri_connect_free(socket);
    tri_events_end(socket);
    free(socket->extra);
    socket->extra = NULL;
    socket->flags &= ~(uint32_t)(TRI_SOCKET_SPECIAL | TRI_SOCKET_TIMED);
}

/* With `later` on the worker's list the actor must stay until that has run. */
static void
end_actor(tr_socket *socket)
{
    if (!tri_socket_is(socket, TRI_SOCKET_GONE)) {
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
    struct tri_share *share = tri_socket_is(socket, TRI_SOCKET_ACCEPTED) ? socket->share : NULL;
    socket->flags |= TRI_SOCKET_CLOSED;
    tri_socket_count_live(socket);
    end_actor(socket);
    if (share != NULL)
        tri_share_ended(share);
}

#define THE_END (TRI_STEP(ERROR) | TRI_STEP(LOST) | TRI_STEP(CLOSE))

static void
on_closed(uv_handle_t *handle)
{
    tr_socket *socket = (tr_socket *)((char *)handle - offsetof(tr_socket, poll));
    socket->flags &= ~(uint32_t)TRI_SOCKET_HANDLE;
    if (tri_socket_is(socket, TRI_SOCKET_SILENT))
        end_silently(socket);
    else
        tri_socket_step_now(socket, THE_END, TRI_TAG_ON_CLOSED);
}

static void
drop_held(tr_socket *socket)
{
    if (socket->extra == NULL || socket->extra->held.size == 0)
        return;
    tr_slice_release(socket->extra->held);
    socket->extra->held.size = 0;
}

/* First libuv forgets the descriptor, then it goes. */
static void
close_descriptor(tr_socket *socket)
{
    uv_close((uv_handle_t *)&socket->poll, on_closed);
    if (tri_socket_is(socket, TRI_SOCKET_RESETS))
        setsockopt(socket->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    close(socket->fd);
    socket->fd = -1;
    socket->polled = 0;
    if (tri_socket_is(socket, TRI_SOCKET_ACCEPTED))
        tri_share_left(socket->share);
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
    if (tri_socket_is(socket, TRI_SOCKET_CONNECTED))
        tri_writer_fail_ends(socket, status < 0 ? status : TR_EDESTROYED);
    socket->flags |= TRI_SOCKET_DESTROYED;
    socket->flags &= ~(uint32_t)(TRI_SOCKET_CONNECTING | TRI_SOCKET_READING | TRI_SOCKET_WRITING);
    tri_idle_end(socket);
    drop_held(socket);
    if (tri_socket_is(socket, TRI_SOCKET_HANDLE)) {
        close_descriptor(socket);
    } else {
        if (!tri_socket_is(socket, TRI_SOCKET_ACCEPTED))
            tri_connect_free(socket);
        tri_socket_due(socket, THE_END);
    }
}

void
tri_socket_close_with(tr_socket *socket, const char *code, enum tri_socket_call call)
{
    if (!tri_socket_is(socket, TRI_SOCKET_DESTROYED) && tri_socket_extra(socket) != NULL)
        socket->extra->code = code; /* without memory for it the error is a plain TR_EUSER */
    tri_socket_close(socket, TR_EUSER, 0, call);
}

void
tri_socket_fail(tr_socket *socket, int uv_error, enum tri_socket_call call)
{
    /* Look-ups have numbers of their own, which are no errno. */
    int system = call == TRI_CALL_LOOKUP ? 0 : -uv_error;
    tri_socket_close(socket, tri_status_from_uv(uv_error), system, call);
}

void
tri_socket_again(tr_socket *socket)
{
    leave_share(socket);
    socket->flags &= ~(uint32_t)(TRI_SOCKET_CONNECTED | TRI_SOCKET_PEER_ENDED | TRI_SOCKET_ENDING | TRI_SOCKET_ENDED |
                                 TRI_SOCKET_DESTROYED | TRI_SOCKET_FAILED | TRI_SOCKET_OWES_DRAIN | TRI_SOCKET_CLOSED |
                                 TRI_SOCKET_RESETS);
    socket->bytes_read = socket->bytes_written = 0;
    if (socket->extra == NULL)
        return;
    tr_decoder_init(&socket->extra->decoder, socket->extra->encoding);
    socket->extra->code = NULL;
}

/* It was closed and kept, and there is nothing to be told. */
static bool
is_over(const tr_socket *socket)
{
    return tri_socket_is(socket, TRI_SOCKET_CLOSED) && socket->due == 0;
}

static void
end_draining(tr_socket *socket)
{
    socket->flags |= TRI_SOCKET_DRAINING;
    if (tri_socket_is(socket, TRI_SOCKET_CONNECTED))
        tr_socket_end(socket);
    else
        tri_socket_close(socket, TR_OK, 0, TRI_CALL_DESTROY);
    tri_socket_due(socket, TRI_STEP(FIN));
}

/* A socket that is killed waits for nothing but libuv. */
static void
kill_socket(tr_socket *socket)
{
    if (tri_socket_is(socket, TRI_SOCKET_SILENT | TRI_SOCKET_GONE))
        return;
    socket->flags |= TRI_SOCKET_SILENT;
    tri_socket_close(socket, TR_OK, 0, TRI_CALL_DESTROY);
    socket->due = 0;
    if (!tri_socket_is(socket, TRI_SOCKET_HANDLE))
        end_silently(socket);
}

static bool
stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    tr_socket *socket = state;
    (void)self;
    if (how == TR_STOP_KILL) {
        kill_socket(socket);
        return false;
    }
    socket->flags &= ~(uint32_t)TRI_SOCKET_KEEP;
    socket->flags |= TRI_SOCKET_STOPS;
    if (is_over(socket))
        end_actor(socket);
    else if (how == TR_STOP_DRAIN)
        end_draining(socket);
    else
        tri_socket_close(socket, TR_OK, 0, TRI_CALL_DESTROY);
    tri_events_ask_owner(socket);
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

void
tr_socket_destroy_with(tr_socket *socket, const char *code)
{
    if (socket == NULL)
        return;
    tri_socket_check(socket);
    tri_socket_close_with(socket, code, TRI_CALL_DESTROY);
}

tr_status
tr_socket_reset(tr_socket *socket)
{
    if (socket == NULL)
        return TR_EINVAL;
    tri_socket_check(socket);
    if (tri_socket_is(socket, TRI_SOCKET_CONNECTING)) {
        if (tri_connect_is_unix(socket))
            return TR_EBADHANDLE;
        socket->flags |= TRI_SOCKET_RESETS;
    } else if (!tri_socket_is_open(socket)) {
        tri_socket_close(socket, TR_ESOCKETCLOSED, 0, TRI_CALL_DESTROY);
    } else {
        if (tri_socket_is_unix(socket))
            return TR_EBADHANDLE;
        socket->flags |= TRI_SOCKET_RESETS;
        tri_socket_close(socket, TR_OK, 0, TRI_CALL_DESTROY);
    }
    return TR_OK;
}

void
tr_socket_set_background(tr_socket *socket, bool background)
{
    if (socket == NULL)
        return;
    tri_socket_check(socket);
    socket->flags &= ~(uint32_t)TRI_SOCKET_BACKGROUND;
    socket->flags |= background ? TRI_SOCKET_BACKGROUND : 0;
    tri_socket_count_live(socket);
}

/* Behaviors: they differ in how the actor begins. */

const struct tr_behavior tri_socket_accepted = {
    .name = "socket",
    .state_size = sizeof(tr_socket),
    .init = tri_share_init_socket,
    .receive = receive,
    .stopping = stopping,
};

const struct tr_behavior tri_socket_spawned = {
    .name = "socket",
    .state_size = sizeof(tr_socket),
    .init = init_spawned,
    .receive = receive,
    .stopping = stopping,
};
