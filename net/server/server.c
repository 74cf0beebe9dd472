/*
 * Servers: what they listen on, and what becomes of their connections.
 *
 *   idle --listen--> [looking up] --> listening --close--> closing --last connection ended--> `close`
 *     ^                   |               (again: another close event, as in Node)              |
 *     +----- `error` -----+                                                                     |
 *     +------------------------------- with options.keep, or listening again -------------------+--> the actor ends
 *
 * It has no handle of libuv, so the actor can end at any time: tri_server_let_go() is the only way out, and it may be
 * gone twice. A server that is killed in its own callback gives
 * no event any more, but its memory stays until tri_server_settle(), since what called the callback still looks at it.
 */
#include "server_actor.h"

#include "due.h"
#include "failures.h"
#include "listening.h"
#include "membership.h"
#include "options.h"
#include "proxy_header.h"
#include "server_close.h"
#include "server_orders.h"
#include "server_tls.h"
#include "shares.h"

#include <stdlib.h>

static const struct tr_server_events no_events;

static bool
is_failed_share(tr_server *server, const tr_message *message)
{
    if (message->tag != TR_TAG_SPAWN_FAILED)
        return false;
    const struct tr_spawn_failed *failed = tr_message_data(message);
    return tri_server_share_failed(server, failed->actor);
}

/* Either somebody has asked it alone, or the runtime stops, which asks the children first. */
static void
share_stops(tr_server *server, tr_ref share)
{
    if (tri_server_replace_share(server, share))
        return;
    if (tri_server_is_open(server))
        tri_server_shut(server);
    tri_server_dismiss_shares(server);
}

/* What is not between the server and its shares. */
static void
receive_other(tr_server *server, tr_message *message)
{
    enum tr_event event;
    if (message->tag >= TRI_TAG_NET && !tr_event_of(message, &event)) /* it may be the owner of sockets */
        tri_server_obey(server, message);
    else if (!is_failed_share(server, message) && server->events->message != NULL)
        server->events->message(server, message);
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    tr_server *server = state;
    (void)self;
    server->flags |= TRI_SERVER_INSIDE;
    switch (message->tag) {
    case TRI_TAG_DEAL_ENDED: tri_server_check_drained(server); break;
    case TRI_TAG_DEAL_FAILED: tri_server_hear_failures(server); break;
    case TRI_TAG_DEAL_BAD_HANDSHAKE: tri_server_hear_bad_handshake(server, message); break;
    case TRI_TAG_DEAL_SHARE_STOPS: share_stops(server, message->from); break;
    case TRI_TAG_DEAL_CONNECTION:
    case TRI_TAG_LISTENER_LEFT:
    case TRI_TAG_LISTENER_FAILED: tri_server_hear_listener(server, message); break;
    case TRI_TAG_SERVER_LOOKED_UP: tri_listen_looked_up(server, message); break;
    default: receive_other(server, message);
    }
    tri_server_settle(server);
}

static tr_status
make_parts(tr_server *server, const struct tr_server_options *options)
{
    server->deal = tri_deal_new(server->net, tr_self(server->actor), &tri_server_calls, options);
    if (server->deal == NULL)
        return TR_ENOMEM;
    server->share = tri_share_open(server->deal, server->net);
    if (server->share != NULL)
        return TR_OK;
    tri_deal_release(server->deal);
    return TR_ENOMEM;
}

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    tr_server *server = state;
    const struct tri_server_order *order = argument;
    tri_actor_host(self);
    server->actor = self;
    server->events = order->options->events != NULL ? order->options->events : &no_events;
    server->outcome = TR_OK;
    server->net = tri_net_of(tri_actor_worker(self));
    if (server->net == NULL)
        return TR_ENOMEM;
    tr_status status = make_parts(server, order->options);
    if (status != TR_OK)
        return status;
    status = tr_server_set_block_list(server, order->options->block_list);
    if (status == TR_OK && order->listen == NULL)
        return TR_OK;
    if (status == TR_OK) {
        server->waiter = order->waiter;
        status = tr_server_listen(server, order->listen);
    }
    if (status == TR_OK && server->waiter == NULL && server->member == NULL)
        status = server->outcome; /* it has failed already */
    if (status != TR_OK)
        tri_server_let_go(server);
    return status;
}

static void
stopped(tr_actor *self, void *state)
{
    (void)self;
    tri_server_let_go(state);
}

const struct tr_behavior tri_server_behavior = {
    .name = "server",
    .state_size = sizeof(tr_server),
    .init = init,
    .receive = receive,
    .stopping = tri_server_stopping,
    .stopped = stopped,
};

static tr_status
check_proxy(const struct tr_proxy_accept *proxy)
{
    uint32_t limit = proxy->limit_bytes;
    if ((proxy->versions & ~(TR_PROXY_V1 | TR_PROXY_V2)) != 0)
        return TR_EINVAL;
    bool is_limit = limit == 0 || (limit >= TRI_PROXY_LIMIT_LEAST && limit <= TRI_PROXY_LIMIT_MOST);
    return proxy->timeout_ms <= INT32_MAX && is_limit ? TR_OK : TR_EBADLIMIT;
}

tr_status
tri_server_check_options(const struct tr_runtime *runtime, const struct tr_server_options *options)
{
    if ((options->workers == NULL) != (options->worker_count == 0) || (options->own_worker && options->workers != NULL))
        return TR_EINVAL;
    for (unsigned i = 0; i < options->worker_count; i++)
        if (options->workers[i] >= tr_runtime_workers(runtime))
            return TR_EBADWORKER;
    tr_status status = options->prefix_ipv6 > 128 ? TR_EBADLIMIT : check_proxy(&options->proxy);
    if (status == TR_OK)
        status = tri_server_check_tls(options);
    return status == TR_OK ? tri_socket_check_options(runtime, &options->socket) : status;
}

tr_status
tr_server_spawn(tr_actor *self, const struct tr_server_options *options, tr_server **out)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || options == NULL || out == NULL)
        return TR_EINVAL;
    tr_status status = tri_server_check_options(tr_actor_runtime(self), options);
    tr_actor *actor;
    struct tri_server_order order = {.options = options};
    if (status == TR_OK)
        status = tri_actor_spawn_here(tri_actor_worker(self), self, &tri_server_behavior, &order, &actor);
    if (status == TR_OK)
        *out = tr_state(actor);
    return status;
}
