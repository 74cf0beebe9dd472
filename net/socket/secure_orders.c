#include "secure_orders.h"

#include <stdlib.h>
#include <troupe/net/tls.h>

tr_status
tri_obey_secure(tr_socket *socket, const struct tri_secure_order *order)
{
    return tr_socket_set_secure(socket, &order->options);
}

void
tri_obey_update_keys(tr_socket *socket, struct tri_info_ask *ask)
{
    tr_status status = tr_socket_update_keys(socket, ask->both);
    ask->info.done = (struct tr_remote_written){.token = ask->token, .status = status};
    tri_info_answer(socket->home->worker, socket->actor, ask, sizeof(ask->info.done));
}

static void
free_shown(void *address)
{
    struct tri_info_ask *ask = address;
    tr_peer_free(ask->info.shown.peer);
    free(ask);
}

void
tri_obey_peer(tr_socket *socket, struct tri_info_ask *ask)
{
    struct tr_remote_shown *shown = &ask->info.shown;
    *shown = (struct tr_remote_shown){.socket = tr_socket_ref(socket), .token = ask->token};
    shown->status = tr_socket_peer(socket, &shown->peer);
    tri_info_answer_with(socket->home->worker, socket->actor, ask, sizeof(*shown), free_shown);
}

void
tri_obey_secure_info(const tr_socket *socket, struct tr_socket_info *info)
{
    struct tr_tls_info tls;
    info->secure = tr_socket_secure(socket);
    info->truncated = tr_socket_truncated(socket);
    if (!info->secure || tr_socket_tls_info(socket, &tls) != TR_OK)
        return;
    info->wire_read = tls.wire_read;
    info->wire_written = tls.wire_written;
}
