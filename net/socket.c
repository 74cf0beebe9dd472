/*
 * Sockets: the life of one connection, and how it begins.
 *
 *   spawned --connect--> connecting --> connected --peer's FIN--> `end` --+
 *      |                     |              |                             +--> both sides over --> destroyed --> closed
 *      |                     |              +--end(), queue empty--> FIN -+                           ^             |
 *      +------ error, tr_socket_destroy(), stop: from any state --------------------------------------+             |
 *      ^------------------------- tr_socket_connect(), from the close event on -------------------------------------+
 *
 * The actor's state is the socket itself, with libuv's handle inside: a uv_poll_t, since reading and writing are our
 * own. What is between the beginning and the end are steps: steps.c. The end: close.c.
 */
#include "socket_internal.h"

#include "socket_orders.h"
#include "turn.h"

#include "trace_events.h"
#include "tune.h"
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

const struct tr_socket_events tri_no_events;
static const struct tr_socket_options no_options;

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
    if (options->state_size > TRI_STATE_LIMIT)
        return TR_EBADSTATE;
    return tri_events_check_owner(runtime, &options->owner);
}

static struct tri_extra *
new_extra(tr_socket *socket, size_t state_size)
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
    return new_extra(socket, 0);
}

void
tri_socket_free_extra(tr_socket *socket)
{
    if (socket->extra == NULL)
        return;
    tri_events_end(socket);
    tri_timer_let_go(&socket->home->worker->timers, &socket->extra->idle);
    free(socket->extra);
    socket->extra = NULL;
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

static bool
needs_extra(const struct tr_socket_options *options)
{
    return options->owner.actor != TR_NOBODY || options->keep_alive_delay_ms != 0 || options->timeout_ms != 0 ||
           options->encoding != TR_ENCODING_NONE || options->type != TR_SOCKET_ANY || options->write_limit != 0 ||
           options->high_water != 0 || options->report_resets || options->state_size != 0;
}

static tr_status
fill_extra(tr_socket *socket, const struct tr_socket_options *options)
{
    struct tri_extra *extra = new_extra(socket, options->state_size);
    if (extra == NULL || tri_events_set_owner(socket, &options->owner) != TR_OK ||
        tri_socket_idle_set(socket, options->timeout_ms) != TR_OK)
        return TR_ENOMEM;
    extra->keep_alive_delay_ms = options->keep_alive_delay_ms;
    extra->encoding = options->encoding;
    tr_decoder_init(&extra->decoder, options->encoding);
    extra->type = options->type;
    extra->write_limit = options->write_limit;
    extra->high_water = options->high_water;
    extra->reports_resets = options->report_resets;
    return TR_OK;
}

static uint32_t
flags_of(const struct tr_socket_options *options)
{
    return (options->allow_half_open ? TRI_SOCKET_HALF_OPEN : 0) | (options->keep ? TRI_SOCKET_KEEP : 0) |
           (options->no_delay ? TRI_SOCKET_NO_DELAY : 0) | (options->keep_alive ? TRI_SOCKET_KEEP_ALIVE : 0) |
           (options->receive_fds ? TRI_SOCKET_RECEIVES : 0) | (options->timeout_ms > 0 ? TRI_SOCKET_TIMED : 0);
}

tr_status
tri_socket_init(tr_socket *socket, tr_actor *actor, const struct tr_socket_options *options,
                const struct tri_course *course)
{
    socket->home = tri_sockets_of(tri_actor_worker(actor), course);
    if (socket->home == NULL)
        return TR_ENOMEM;
    if (needs_extra(options) && fill_extra(socket, options) != TR_OK) {
        tri_socket_free_extra(socket);
        return TR_ENOMEM;
    }
    tri_actor_host(actor);
    socket->actor = actor;
    socket->events = options->events != NULL ? options->events : &tri_no_events;
    socket->data = options->data;
    socket->flags = flags_of(options);
    tri_socket_update_special(socket);
    socket->fd = -1;
    return TR_OK;
}

/* Nobody wants the data yet: it must not be lost before somebody has had the time to say so. */
static tr_status
wait_to_be_heard(tr_socket *socket)
{
    if (socket->events->data != NULL || (socket->extra != NULL && socket->extra->owner != TR_NOBODY))
        return TR_OK;
    if (tri_socket_extra(socket) == NULL)
        return TR_ENOMEM;
    socket->extra->unheard = true;
    socket->flags |= TRI_SOCKET_PAUSED;
    return TR_OK;
}

static tr_status
begin_spawned(tr_socket *socket, const struct tri_socket_order *order)
{
    tr_status status = order->from_afar ? wait_to_be_heard(socket) : TR_OK;
    if (status != TR_OK)
        return status;
    tri_socket_trace(socket, TRI_TRACE_NET_socket_spawned, 0, 0); /* connecting may begin within the call */
    return order->connect != NULL ? tr_socket_connect(socket, order->connect) : TR_OK;
}

static tr_status
begin_accepted(tr_socket *socket, const struct tri_socket_order *order)
{
    socket->origin = order->origin;
    tr_status status = tri_socket_open(socket, order->fd, TR_READABLE | TR_WRITABLE);
    if (status != TR_OK)
        return status;
    tri_socket_apply_options(socket);
    tri_socket_set_number(socket, order->number);
    return TR_OK;
}

static const struct tri_course course = {
    .steps = tri_socket_steps,
    .ready = tri_socket_ready,
    .closed = tri_socket_closed,
    .pipe = tri_pipe_data,
    .emptied = tri_pipe_drained,
    .behavior = &tri_socket_behavior,
};

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    tr_socket *socket = state;
    const struct tri_socket_order *order = argument;
    tr_status status = tri_socket_init(socket, self, &order->options, &course);
    if (status != TR_OK)
        return status;
    status = order->origin != NULL ? begin_accepted(socket, order) : begin_spawned(socket, order);
    if (status != TR_OK)
        tri_socket_free_extra(socket);
    return status;
}

static tr_status
spawn(tr_actor *self, const struct tr_socket_options *options, const struct tr_connect_options *connect,
      tr_socket **out)
{
    tr_actor *actor;
    struct tri_socket_order order = {.options = options != NULL ? *options : no_options, .connect = connect};
    tr_status status = tri_socket_check_options(tr_actor_runtime(self), options);
    if (status == TR_OK)
        status = tri_actor_spawn_here(tri_actor_worker(self), self, &tri_socket_behavior, &order, &actor);
    if (status == TR_OK && out != NULL)
        *out = tr_state(actor);
    return status;
}

tr_status
tr_socket_spawn(tr_actor *self, const struct tr_socket_options *options, tr_socket **out)
{
    TRI_CHECK_SELF(self);
    return self != NULL && out != NULL ? spawn(self, options, NULL, out) : TR_EINVAL;
}

tr_status
tr_connect(tr_actor *self, const struct tr_socket_options *socket, const struct tr_connect_options *connect,
           tr_socket **out)
{
    TRI_CHECK_SELF(self);
    return self != NULL && connect != NULL ? spawn(self, socket, connect, out) : TR_EINVAL;
}

tr_status
tr_runtime_connect(struct tr_runtime *runtime, const struct tr_socket_options *socket,
                   const struct tr_connect_options *connect, tr_ref *out)
{
    if (runtime == NULL || connect == NULL)
        return TR_EINVAL;
    struct tri_socket_order order = {.options = socket != NULL ? *socket : no_options, .connect = connect};
    struct tr_spawn_options spawn_options = {.placement = TR_PLACE_LEAST_LOADED, .argument = &order};
    tr_status status = tri_socket_check_options(runtime, socket);
    return status == TR_OK ? tr_runtime_spawn(runtime, &tri_socket_behavior, &spawn_options, out) : status;
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

static tr_status
check_descriptor(int fd)
{
    int listens = 0, type;
    struct sockaddr_storage peer;
    socklen_t size = sizeof(listens);
    if (fcntl(fd, F_GETFD) < 0)
        return TR_EBADF;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0)
        return TR_EBADFD;
    size = sizeof(type);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type != SOCK_STREAM && type != SOCK_SEQPACKET)
        return TR_EBADFD; /* datagrams: an empty one would be taken for the end */
    size = sizeof(peer);
    if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0 && errno == ENOTCONN)
        return TR_ENOTCONN;
    return TR_OK;
}

static bool
keeps_records(int fd)
{
    int type;
    socklen_t size = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

tr_status
tr_socket_adopt(tr_actor *self, int fd, unsigned sides, const struct tr_socket_options *options, tr_socket **out)
{
    TRI_CHECK_SELF(self);
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
        tri_socket_trace(socket, TRI_TRACE_NET_socket_close, 0, 0); /* nobody hears of it: it was never anybody's */
        tri_socket_end_actor(socket);
        return status;
    }
    tri_socket_trace(socket, TRI_TRACE_NET_socket_adopted, 0, 0);
    fcntl(fd, F_SETFD, fcntl(fd, F_GETFD) | FD_CLOEXEC);
    socket->records = keeps_records(fd);
    socket->adopted = 1;
    tri_socket_apply_options(socket);
    tri_socket_due(socket, TRI_STEP(READ));
    *out = socket;
    return TR_OK;
}

tr_socket *
tri_socket_reach(struct tri_sockets *home, tr_ref ref)
{
    tr_actor *actor = tri_actor_reach(home->worker, ref, home->course->behavior);
    return actor != NULL ? tr_state(actor) : NULL;
}

/* Of what is no socket: AF_UNSPEC. */
static sa_family_t
family_of(const tr_socket *socket)
{
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof(own);
    return getsockname(socket->fd, (struct sockaddr *)&own, &size) == 0 ? own.ss_family : AF_UNSPEC;
}

bool
tri_socket_is_unix(const tr_socket *socket)
{
    return family_of(socket) == AF_UNIX;
}

bool
tri_socket_is_tcp(const tr_socket *socket)
{
    sa_family_t family = family_of(socket);
    return family == AF_INET || family == AF_INET6;
}

/* What keeps the program alive. */

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

/* Messages of other actors; the actors' layer brackets them. */

/* A program's own. While the socket closes nobody hears it. */
static void
give_message(tr_socket *socket, tr_message *message)
{
    if (socket->events->message == NULL)
        return;
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED) && !tri_socket_has_any(socket, TRI_SOCKET_CLOSED))
        tri_actor_bounce(socket->actor, message);
    else
        socket->events->message(socket, message);
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    tr_socket *socket = state;
    enum tr_event event;
    if (tri_socket_has_any(socket, TRI_SOCKET_GONE)) {
        tri_actor_bounce(self, message);
        return;
    }
    socket->flags |= TRI_SOCKET_INSIDE;
    socket->obeys = message->tag >= TRI_TAG_NET && !tr_event_of(message, &event); /* else of another socket's owner */
    if (socket->obeys)
        tri_socket_obey(socket, message);
    else
        give_message(socket, message);
    socket->obeys = 0;
    tri_socket_settle_mail(socket);
}

const struct tr_behavior tri_socket_behavior = {
    .name = "socket",
    .state_size = sizeof(tr_socket),
    .init = init,
    .receive = receive,
    .stopping = tri_socket_stopping,
};
