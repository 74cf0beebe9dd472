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
#include "socket_actor.h"

#include "close.h"
#include "descriptor.h"
#include "events_internal.h"
#include "open.h"
#include "options.h"
#include "pipe_internal.h"
#include "reader.h"
#include "secure.h"
#include "socket_orders.h"
#include "steps.h"
#include "turn.h"

#include <stdlib.h>

static const struct tr_socket_options no_options;

/* Nobody wants the data yet: it must not be lost before somebody has had the time to say so. */
static tr_status
wait_to_be_heard(tr_socket *socket)
{
    if (tri_events_has_listener(socket))
        return TR_OK;
    if (tri_socket_extra(socket) == NULL)
        return TR_ENOMEM;
    socket->extra->unheard = true;
    tri_reader_pause(socket);
    return TR_OK;
}

static tr_status
begin_spawned(tr_socket *socket, const struct tri_socket_order *order)
{
    tr_status status = order->from_afar ? wait_to_be_heard(socket) : TR_OK;
    if (status != TR_OK)
        return status;
    tri_trace_socket_spawned(socket); /* connecting may begin within the call */
    return order->connect != NULL ? tr_socket_connect(socket, order->connect) : TR_OK;
}

static tr_status
begin_accepted(tr_socket *socket, const struct tri_socket_order *order)
{
    socket->origin = order->origin;
    if (TRI_UNLIKELY(order->proxy != NULL) && tri_socket_extra(socket) == NULL)
        return TR_ENOMEM;
    tr_status status = tri_socket_open(socket, order->fd, TR_READABLE | TR_WRITABLE);
    if (status != TR_OK)
        return status;
    tri_socket_apply_options(socket);
    tri_socket_set_number(socket, order->number);
    if (TRI_UNLIKELY(order->proxy != NULL))
        socket->extra->proxy = order->proxy;
    if (TRI_UNLIKELY(order->layer != NULL))
        tri_secure_continue(socket, order->layer);
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

static const struct tr_socket_options *
options_of(const struct tri_socket_order *order)
{
    return TRI_UNLIKELY(order->from_afar) ? &((const struct tri_remote_socket_order *)order)->options : order->options;
}

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    tr_socket *socket = state;
    const struct tri_socket_order *order = argument;
    tr_status status = tri_socket_init(socket, self, options_of(order), &course);
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
    struct tri_socket_order order = {.options = options != NULL ? options : &no_options, .connect = connect};
    tr_status status = tri_socket_check_options(tr_actor_runtime(self), options);
    if (status == TR_OK)
        status = tri_actors_check_memory(tri_actor_worker(self));
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
    struct tri_socket_order order = {.options = socket != NULL ? socket : &no_options, .connect = connect};
    struct tr_spawn_options spawn_options = {.placement = TR_PLACE_LEAST_LOADED, .argument = &order};
    tr_status status = tri_socket_check_options(runtime, socket);
    return status == TR_OK ? tr_runtime_spawn(runtime, &tri_socket_behavior, &spawn_options, out) : status;
}

tr_status
tr_socket_adopt(tr_actor *self, int fd, unsigned sides, const struct tr_socket_options *options, tr_socket **out)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || out == NULL || (sides & ~(unsigned)(TR_READABLE | TR_WRITABLE)) != 0)
        return TR_EINVAL;
    tr_socket *socket;
    tr_status status = tri_descriptor_check_connected(fd);
    if (status == TR_OK)
        status = spawn(self, options, NULL, &socket);
    if (status != TR_OK)
        return status;
    status = tri_socket_open(socket, fd, sides);
    if (status != TR_OK) {
        tri_trace_socket_close(socket, 0, 0); /* nobody hears of it: it was never anybody's */
        tri_socket_end_actor(socket);
        return status;
    }
    tri_trace_socket_adopted(socket);
    tri_descriptor_close_on_exec(fd);
    socket->records = tri_descriptor_keeps_records(fd);
    socket->adopted = 1;
    tri_socket_apply_options(socket);
    tri_socket_due(socket, TRI_STEP(READ));
    *out = socket;
    return TR_OK;
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
