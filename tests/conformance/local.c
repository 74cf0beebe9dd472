/*
 * Sockets that are driven directly: their callbacks report events, and actions are calls on their worker.
 */
#include "stage.h"

#include <string.h>
#include <troupe/net/remote.h>

/* Events. */

/* The endpoint of a socket, with the baton in hand; NULL if the play is over. */
static struct endpoint *
enter(const tr_socket *socket)
{
    struct endpoint *endpoint = tr_socket_data(socket);
    return baton_take(endpoint->play, endpoint->worker) ? endpoint : NULL;
}

static void
tell(const tr_socket *socket, enum event event)
{
    struct endpoint *endpoint = enter(socket);
    if (endpoint == NULL)
        return;
    happen(endpoint, event, NULL);
    baton_give(endpoint->play);
}

static void
on_lookup(tr_socket *socket, const struct tr_error *error, const struct tr_address *address, const char *host)
{
    struct endpoint *endpoint = enter(socket);
    if (endpoint == NULL)
        return;
    socket_tell_lookup(endpoint, error, address, host);
    baton_give(endpoint->play);
}

static void
on_connect(tr_socket *socket)
{
    tell(socket, EVENT_CONNECT);
}

static void
on_ready(tr_socket *socket)
{
    tell(socket, EVENT_READY);
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    struct endpoint *endpoint = enter(socket);
    if (endpoint == NULL)
        return;
    happen_data(endpoint, data);
    baton_give(endpoint->play);
}

static void
on_end(tr_socket *socket)
{
    tell(socket, EVENT_END);
}

static void
on_drain(tr_socket *socket)
{
    tell(socket, EVENT_DRAIN);
}

static void
on_timeout(tr_socket *socket)
{
    tell(socket, EVENT_TIMEOUT);
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    struct endpoint *endpoint = enter(socket);
    if (endpoint == NULL)
        return;
    socket_tell_error(endpoint, error);
    baton_give(endpoint->play);
}

static void
on_close(tr_socket *socket, bool had_error)
{
    struct endpoint *endpoint = enter(socket);
    if (endpoint == NULL)
        return;
    socket_tell_close(endpoint, had_error);
    baton_give(endpoint->play);
}

#define EVENTS_BUT_DATA                                                                                                \
    .lookup = on_lookup, .connect = on_connect, .ready = on_ready, .end = on_end, .drain = on_drain,                   \
    .timeout = on_timeout, .error = on_error, .close = on_close

const struct tr_socket_events local_events = {EVENTS_BUT_DATA, .data = on_data};
const struct tr_socket_events local_events_without_data = {EVENTS_BUT_DATA};

/* A new connection: until here its data is the server's endpoint. */
void
local_connection(tr_socket *socket)
{
    struct endpoint *server = tr_socket_data(socket);
    unsigned worker = tr_ref_worker(tr_socket_ref(socket));
    if (!baton_take(server->play, worker))
        return;
    struct endpoint *connection = server_accepted(server, tr_socket_number(socket), worker);
    connection->socket = socket;
    tr_socket_set_data(socket, connection);
    name_in_trace(tr_socket_actor(socket), connection, tr_socket_ref(socket));
    server_tell_accepted(server, connection);
    baton_give(server->play);
}

tr_status
local_make(struct endpoint *endpoint)
{
    struct tr_socket_options options = socket_options(endpoint);
    tr_actor *self = endpoint->play->selves[endpoint->worker];
    tr_status status = tr_socket_spawn(self, &options, &endpoint->socket);
    if (status == TR_OK)
        name_in_trace(self, endpoint, tr_socket_ref(endpoint->socket));
    return status;
}

/* Writing. */

static void
on_written(tr_socket *socket, void *argument, tr_status status)
{
    (void)socket;
    struct ask *ask = argument;
    struct play *play = ask->endpoint->play;
    if (!baton_take(play, ask->endpoint->worker))
        return;
    socket_tell_written(ask, status);
    baton_give(play);
}

/* What a write or an end returned: a refusal that Node throws. All others are events and callbacks, as in Node. */
static tr_status
thrown(tr_status status)
{
    switch (status) {
    case TR_EINVAL:
    case TR_EBADTEXT:
    case TR_EBADENCODING:
    case TR_EQUEUELIMIT:
    case TR_ENOMEM: return status;
    default: return TR_OK;
    }
}

/* By all the ways there are. */
static tr_status
write_once(struct endpoint *endpoint, const struct action *action)
{
    const struct payload *payload = &action->payload;
    tr_slice slice;
    bool has_nul = memchr(payload->content.data, '\0', payload->content.size) != NULL;
    if (action->cb == NULL && payload->is_text && payload->owned == NULL && action->encoding != TR_ENCODING_NONE &&
        !has_nul)
        return tr_socket_write_text(endpoint->socket, payload->content.data, action->encoding);
    if (action->cb == NULL && !payload->is_text)
        return tr_socket_write(endpoint->socket, payload->content.data, payload->content.size);
    tr_status status = payload_slice(action, &slice);
    if (status != TR_OK)
        return status;
    if (action->cb != NULL)
        status = tr_socket_write_then(endpoint->socket, slice, on_written, ask_new(endpoint, action));
    else
        status = tr_socket_write_slice(endpoint->socket, slice);
    tr_slice_release(slice);
    return status;
}

static tr_status
write_all(struct endpoint *endpoint, const struct action *action)
{
    tr_status refusal = TR_OK;
    for (unsigned i = 0; i < action->times && refusal == TR_OK; i++) {
        tr_status status = write_once(endpoint, action);
        refusal = thrown(status);
        if (action->ret && refusal == TR_OK)
            record(endpoint, json_pack("[s,s,b]", "ret", "write", status == TR_OK));
    }
    return refusal;
}

static tr_status
end(struct endpoint *endpoint, const struct action *action)
{
    tr_slice slice = tr_slice_constant(NULL, 0);
    tr_status status = TR_OK;
    if (action->payload.given)
        status = payload_slice(action, &slice);
    if (status != TR_OK)
        return status;
    if (action->cb != NULL)
        status = tr_socket_end_then(endpoint->socket, slice, on_written, ask_new(endpoint, action));
    else if (action->payload.given)
        status = tr_socket_end_with(endpoint->socket, slice);
    else
        status = tr_socket_end(endpoint->socket);
    tr_slice_release(slice);
    return thrown(status);
}

/* The other actions. */

static tr_status
connect_it(struct endpoint *endpoint, const struct action *action)
{
    struct tr_connect_options options = connect_options(endpoint, action);
    uint64_t timeout_ms = options.timeout_ms;
    if (endpoint->state != STATE_OPEN)
        endpoint->state = STATE_OPENING;
    endpoint->user_code = NULL;
    endpoint->lookup_code = action->lookup_error;
    listen_once(endpoint, EVENT_CONNECT, action->cb, NULL); /* Node adds it even if it then throws */
    tr_status status = tr_socket_connect(endpoint->socket, &options);
    if (status < 0 && timeout_ms > 0)
        tr_socket_set_timeout(endpoint->socket, timeout_ms);
    if (status < 0)
        return status;
    endpoint->state = STATE_OPEN;
    endpoint->begun = true;
    if (endpoint->no_data)
        tr_socket_resume(endpoint->socket);
    return TR_OK;
}

static void
destroy(struct endpoint *endpoint, const struct action *action)
{
    if (action->error == NULL) {
        tr_socket_destroy(endpoint->socket, TR_OK);
        return;
    }
    if (!tr_socket_destroyed(endpoint->socket))
        endpoint->user_code = action->error;
    tr_socket_destroy_with(endpoint->socket, action->error);
}

static tr_status
set_timeout(struct endpoint *endpoint, const struct action *action)
{
    tr_status status = tr_socket_set_timeout(endpoint->socket, endpoint->play->scale * action->ms);
    if (status == TR_OK && action->ms > 0 && !tr_socket_destroyed(endpoint->socket))
        listen_once(endpoint, EVENT_TIMEOUT, action->cb, NULL);
    return status;
}

static void
get(struct endpoint *endpoint, const struct action *action)
{
    const tr_socket *socket = endpoint->socket;
    struct tr_socket_info info = {
        .bytes_read = tr_socket_bytes_read(socket),
        .bytes_written = tr_socket_bytes_written(socket),
        .buffered = tr_socket_buffered(socket),
        .ready_state = tr_socket_ready_state(socket),
        .connecting = tr_socket_connecting(socket),
        .pending = tr_socket_pending(socket),
        .destroyed = tr_socket_destroyed(socket),
    };
    tr_socket_local_address(socket, &info.local);
    tr_socket_remote_address(socket, &info.remote);
    record(endpoint, socket_properties(endpoint, action, &info));
}

static tr_status
set_encoding(struct endpoint *endpoint, const struct action *action)
{
    tr_status status = tr_socket_set_encoding(endpoint->socket, action->encoding);
    if (status == TR_OK)
        endpoint->reads_text = true;
    return status;
}

/* Node says nothing of options that the system does not take. */
static void
tune(struct endpoint *endpoint, const struct action *action)
{
    if (action->act == ACT_SET_NO_DELAY)
        tr_socket_set_no_delay(endpoint->socket, action->on || !action->has_on);
    else
        tr_socket_set_keep_alive(endpoint->socket, action->on, action->ms);
}

tr_status
local_act(struct endpoint *endpoint, const struct action *action, const tr_slice *chunk)
{
    tr_socket *socket = endpoint->socket;
    switch (action->act) {
    case ACT_CONNECT: return connect_it(endpoint, action);
    case ACT_WRAP: wrapping_begin(endpoint->play, endpoint->worker, wrapping_new(endpoint, action)); return TR_OK;
    case ACT_WRITE: return write_all(endpoint, action);
    case ACT_ECHO: return thrown(tr_socket_write_slice(socket, *chunk));
    case ACT_END: return end(endpoint, action);
    case ACT_DESTROY: destroy(endpoint, action); return TR_OK;
    case ACT_RESET: return tr_socket_reset(socket);
    case ACT_PAUSE: tr_socket_pause(socket); return TR_OK;
    case ACT_RESUME: tr_socket_resume(socket); return TR_OK;
    case ACT_SET_TIMEOUT: return set_timeout(endpoint, action);
    case ACT_SET_NO_DELAY:
    case ACT_SET_KEEP_ALIVE: tune(endpoint, action); return TR_OK;
    case ACT_SET_ENCODING: return set_encoding(endpoint, action);
    case ACT_REF: tr_socket_set_background(socket, false); return TR_OK;
    case ACT_UNREF: tr_socket_set_background(socket, true); return TR_OK;
    case ACT_GET: get(endpoint, action); return TR_OK;
    default: return TR_ENOTSUPPORTED; /* the scenario was checked */
    }
}

static tr_status
adopt(struct endpoint *endpoint, struct wrapping *wrapping)
{
    struct play *play = endpoint->play;
    struct tr_socket_options options = socket_options(endpoint);
    tr_status status = tr_socket_adopt(play->selves[endpoint->worker], wrapping->fd, wrapping_sides(wrapping), &options,
                                       &endpoint->socket);
    if (status != TR_OK)
        return status;
    wrapping->fd = -1;
    name_in_trace(play->selves[endpoint->worker], endpoint, tr_socket_ref(endpoint->socket));
    return secure_wrapped(play, endpoint->socket);
}

/* The socket takes the place of the unconnected one, which nothing reaches any more. */
void
local_wrapped(struct wrapping *wrapping)
{
    struct endpoint *endpoint = wrapping->endpoint;
    struct play *play = endpoint->play;
    if (!baton_take(play, endpoint->worker))
        return;
    tr_status status = wrapping->fd < 0 ? TR_ECONNREFUSED : adopt(endpoint, wrapping);
    play->sleeping--;
    if (status == TR_OK) {
        endpoint->begun = true;
        if (endpoint->no_data)
            tr_socket_pause(
                endpoint->socket); /* nobody listens, and nobody calls resume() here: see FORMAT.md, section 2 */
        happen(endpoint, EVENT_WRAPPED, NULL);
    } else {
        trouble(play, "wrap of %s: %s", endpoint->name, tr_status_code(status));
    }
    tr_runtime_release(play->runtime);
    baton_give(play);
}
