/*
 * A server obeys: it carries out what other actors ask of it (remote.h), by the functions that they would call on its
 * worker. A table says for each operation which event tells of its refusal.
 */
#include "server_orders.h"

#include "answer.h"
#include "due.h"

#include <stdlib.h>
#include <troupe/core/descriptors.h>

void
tri_listen_order_free(struct tri_listen_order *order)
{
    tri_runtime_add_live(order->runtime, -1);
    free(order);
}

void
tri_listen_order_drop(void *address)
{
    struct tri_listen_order *order = address;
    if (order->options.from_fd)
        tri_close(order->options.fd);
    tri_listen_order_free(order);
}

static tr_status
listen_by_order(tr_server *server, tr_message *message)
{
    struct tri_listen_order *order = tr_message_take_pointer(message);
    tr_status status = tr_server_listen(server, &order->options);
    if (status == TR_OK)
        tri_listen_order_free(order); /* the descriptor is the server's */
    else
        tri_listen_order_drop(order);
    return status;
}

static tr_status
answer_server_info(tr_server *server, struct tri_info_ask *ask)
{
    struct tr_server_info *info = &ask->info.server;
    *info = (struct tr_server_info){
        .server = tr_server_ref(server),
        .connections = tr_server_connections(server),
        .listening = tr_server_listening(server),
        .handshakes = tr_server_handshakes(server),
    };
    tr_server_address(server, &info->address);
    tr_server_refusals(server, &info->refusals);
    tri_info_answer(server->net->worker, server->actor, ask, sizeof(*info));
    return TR_OK;
}

static tr_status
set_max_connections(tr_server *server, uint64_t max_connections)
{
    tr_server_set_max_connections(server, (uint32_t)max_connections);
    return TR_OK;
}

static tr_status
set_tls(tr_server *server, tr_tls_context *context)
{
    tr_status status = tr_server_set_tls(server, context);
    tr_tls_context_release(context);
    return status;
}

static tr_status
ask_server(tr_server *server, tr_message *message)
{
    const uint64_t *words = message->payload.words;
    switch (message->tag) {
    case TRI_TAG_SERVER_LISTEN: return listen_by_order(server, message);
    case TRI_TAG_SERVER_CLOSE: return tr_server_close(server);
    case TRI_TAG_SERVER_PAUSE: return tr_server_pause(server, words[0]);
    case TRI_TAG_SERVER_RESUME: return tr_server_resume(server);
    case TRI_TAG_SERVER_DRAIN: return tr_server_drain(server, words[0]);
    case TRI_TAG_SERVER_MAX_CONNECTIONS: return set_max_connections(server, words[0]);
    case TRI_TAG_SERVER_TLS: return set_tls(server, tr_message_take_pointer(message));
    default: return answer_server_info(server, tr_message_take_pointer(message)); /* TRI_TAG_SERVER_INFO */
    }
}

/* The call that the error event names; NULL: the close event, or an answer, tells. */
static const char *const server_refusals[TRI_TAG_SERVER_INFO - TRI_TAG_SERVER_LISTEN + 1] = {
    [TRI_TAG_SERVER_LISTEN - TRI_TAG_SERVER_LISTEN] = "listen",
    [TRI_TAG_SERVER_CLOSE - TRI_TAG_SERVER_LISTEN] = NULL,
    [TRI_TAG_SERVER_PAUSE - TRI_TAG_SERVER_LISTEN] = "pause",
    [TRI_TAG_SERVER_RESUME - TRI_TAG_SERVER_LISTEN] = "resume",
    [TRI_TAG_SERVER_DRAIN - TRI_TAG_SERVER_LISTEN] = "drain",
    [TRI_TAG_SERVER_TLS - TRI_TAG_SERVER_LISTEN] = "set tls",
};

void
tri_server_obey(tr_server *server, tr_message *message)
{
    uint32_t place = message->tag - TRI_TAG_SERVER_LISTEN;
    if (place > TRI_TAG_SERVER_INFO - TRI_TAG_SERVER_LISTEN) {
        tri_actor_bounce(server->actor, message); /* meant for something that is no server */
        return;
    }
    tr_status status = ask_server(server, message);
    if (status < TR_OK && server_refusals[place] != NULL)
        tri_server_refused(server, status, server_refusals[place]);
}
