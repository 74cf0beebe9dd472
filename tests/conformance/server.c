#include "stage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Events. */

static void
on_listening(tr_server *server)
{
    struct endpoint *endpoint = tr_server_data(server);
    struct tr_address address;
    if (!baton_take(endpoint->play, endpoint->worker))
        return;
    endpoint->state = STATE_OPEN;
    if (tr_server_address(server, &address) == TR_OK && address.port != 0)
        endpoint->at->port = address.port;
    happen(endpoint, EVENT_LISTENING, NULL);
    baton_give(endpoint->play);
}

static void
on_error(tr_server *server, const struct tr_error *error)
{
    struct endpoint *endpoint = tr_server_data(server);
    if (!baton_take(endpoint->play, endpoint->worker))
        return;
    if (endpoint->state == STATE_OPENING)
        endpoint->state = STATE_NEW;
    happen(endpoint, EVENT_ERROR, json_pack("[s,s]", "error", error->code));
    baton_give(endpoint->play);
}

static void
on_close(tr_server *server)
{
    struct endpoint *endpoint = tr_server_data(server);
    if (!baton_take(endpoint->play, endpoint->worker))
        return;
    endpoint->state = tr_server_listening(server) ? STATE_OPENING : STATE_CLOSED;
    happen(endpoint, EVENT_CLOSE, NULL);
    baton_give(endpoint->play);
}

struct endpoint *
server_accepted(struct endpoint *server, uint64_t number, unsigned worker)
{
    char name[300];
    snprintf(name, sizeof(name), "%s#%" PRIu64, server->name, number);
    struct endpoint *connection = endpoint_add(server->play, name, false, number, server->setup);
    connection->worker = worker;
    connection->state = STATE_OPEN;
    connection->begun = true;
    return connection;
}

void
server_tell_accepted(struct endpoint *server, struct endpoint *connection)
{
    server->counts[EVENT_CONNECTION] =
        (unsigned)connection->number - 1; /* rules for the nth mean that with the number n */
    happen(server, EVENT_CONNECTION, json_pack("[s,s]", "connection", connection->name));
    happen(connection, EVENT_ACCEPTED, NULL);
    if (connection->no_data)
        socket_resume(connection);
}

static const char *
connection_name(const json_t *log, size_t i)
{
    const json_t *entry = json_array_get(log, i);
    bool is = strcmp(json_string_value(json_array_get(entry, 0)), event_names[EVENT_CONNECTION]) == 0;
    return is ? json_string_value(json_array_get(entry, 1)) : NULL;
}

/* "S#9" is before "S#10". */
static bool
is_before(const char *a, const char *b)
{
    return strlen(a) != strlen(b) ? strlen(a) < strlen(b) : strcmp(a, b) < 0;
}

static void
exchange(json_t *log, size_t i, size_t k)
{
    json_t *entry = json_incref(json_array_get(log, i));
    json_array_set(log, i, json_array_get(log, k));
    json_array_set_new(log, k, entry);
}

json_t *
server_order_connections(json_t *log)
{
    for (size_t i = 0; i < json_array_size(log); i++)
        for (size_t k = i + 1; connection_name(log, i) != NULL && k < json_array_size(log); k++)
            if (connection_name(log, k) != NULL && is_before(connection_name(log, k), connection_name(log, i)))
                exchange(log, i, k);
    return log;
}

tr_status
server_make(struct endpoint *endpoint)
{
    static const struct tr_server_events events = {.listening = on_listening, .error = on_error, .close = on_close};
    struct play *play = endpoint->play;
    struct tr_server_options options = {
        .connection = local_connection,
        .socket = socket_options(endpoint),
        .events = &events,
        .data = endpoint,
        .pause_on_connect = endpoint->setup->pause_on_connect,
        .max_connections = endpoint->setup->max_connections,
        .balance = play->options->remote ? remote_balance : NULL,
        .keep = true,
        .tls.context = play->serving,
    };
    tr_actor *self = play->selves[endpoint->worker];
    tr_status status = tr_server_spawn(self, &options, &endpoint->server);
    if (status == TR_OK)
        name_in_trace(self, endpoint, tr_server_ref(endpoint->server));
    return status;
}

/* Actions. */

static tr_status
listen_on_descriptor(struct endpoint *endpoint, struct tr_listen_options *options)
{
    options->fd = address_bind(endpoint->play, endpoint->at);
    if (options->fd < 0) {
        trouble(endpoint->play, "%s: no descriptor could be bound", endpoint->name);
        return TR_OK;
    }
    options->from_fd = true;
    tr_status status = tr_server_listen(endpoint->server, options);
    if (status < 0)
        close(options->fd);
    return status;
}

static void
set_place(struct endpoint *endpoint, const struct action *action, struct tr_listen_options *options)
{
    if (endpoint->play->transport == UNIX) {
        options->path = endpoint->at->path;
        return;
    }
    options->port = (uint16_t)endpoint->at->held_port;
    if (action->host_is == HOST_LOOPBACK)
        options->host = loopback(endpoint->play);
    else if (action->host_is == HOST_GIVEN)
        options->host = action->host;
    else
        options->any_port = true;
}

/* `exclusive` says nothing here: these servers have connections on all workers, and so share with nobody. */
static tr_status
begin_to_listen(struct endpoint *endpoint, const struct action *action)
{
    struct tr_listen_options options = {
        .backlog = (int)action->backlog,
        .readable_all = action->readable_all,
        .writable_all = action->writable_all,
        .truncate_path = true,
    };
    endpoint->at = address_find(endpoint->play, action->at != NULL ? action->at : endpoint->name);
    if (endpoint->state != STATE_OPEN)
        endpoint->state = STATE_OPENING;
    if (action->from_fd && !action->nothing)
        return listen_on_descriptor(endpoint, &options);
    if (action->handle != NULL && !action->nothing)
        options.server = endpoint_find(endpoint->play, action->handle)->server;
    else if (!action->nothing)
        set_place(endpoint, action, &options);
    return tr_server_listen(endpoint->server, &options);
}

static json_t *
property(const struct endpoint *endpoint, enum property property)
{
    struct tr_address address;
    switch (property) {
    case PROP_LISTENING: return json_boolean(tr_server_listening(endpoint->server));
    case PROP_ADDRESS:
        if (tr_server_address(endpoint->server, &address) != TR_OK)
            return json_null();
        return address_value(endpoint->play, &address);
    case PROP_BUFFERING: return json_false();
    default: return json_null(); /* servers have none of the others */
    }
}

static void
get(struct endpoint *endpoint, const struct action *action)
{
    json_t *values = json_object();
    for (size_t i = 0; i < action->property_count; i++)
        json_object_set_new(values, property_names[action->properties[i]], property(endpoint, action->properties[i]));
    record(endpoint, json_pack("[s,o]", "get", values));
}

/* On a server that does not listen a close event comes all the same, and its callback gets the error. */
static tr_status
close_it(struct endpoint *endpoint, const struct action *action)
{
    if (tr_server_connections(endpoint->server) == 0)
        endpoint->closes_due++;
    tr_status status = tr_server_close(endpoint->server);
    listen_once(endpoint, EVENT_CLOSE, action->cb, status < 0 ? tr_status_code(status) : NULL);
    return status == TR_ENOTLISTENING ? TR_OK : status;
}

/* Then Node looks even an address up, and what the handler asks for comes before the event. */
static bool
has_host(const struct endpoint *endpoint, const struct action *action)
{
    bool is_place = !action->from_fd && action->handle == NULL;
    return is_place && endpoint->play->transport != UNIX && action->host_is != HOST_NONE;
}

tr_status
server_act(struct endpoint *endpoint, const struct action *action)
{
    tr_server *server = endpoint->server;
    tr_status status;
    switch (action->act) {
    case ACT_LISTEN:
        status = begin_to_listen(endpoint, action);
        if (status != TR_EALREADYLISTENING) /* Node adds it before it looks at anything else */
            listen_once(endpoint, EVENT_LISTENING, action->cb, NULL);
        endpoint->listening_due |= status == TR_OK && !has_host(endpoint, action);
        return status;
    case ACT_CLOSE: return close_it(endpoint, action);
    case ACT_GET_CONNECTIONS:
        record_late(endpoint, json_pack("[s,I]", "getConnections", (json_int_t)tr_server_connections(server)));
        return TR_OK;
    case ACT_SET_MAX_CONNECTIONS: tr_server_set_max_connections(server, action->value); return TR_OK;
    case ACT_REF: tr_server_set_background(server, false); return TR_OK;
    case ACT_UNREF: tr_server_set_background(server, true); return TR_OK;
    case ACT_GET: get(endpoint, action); return TR_OK;
    default: return TR_ENOTSUPPORTED; /* the scenario was checked */
    }
}
