/*
 * Secure servers: their context, and what they hear of handshakes. How these are made is share/greeting.c's matter.
 */
#include "server_tls.h"

#include "due.h"
#include "layer.h"

tr_status
tri_server_check_tls(const struct tr_server_options *options)
{
    const struct tr_tls_accept *tls = &options->tls;
    if (tls->context == NULL)
        return TR_OK;
    if (tls->handshake_timeout_ms > INT32_MAX && tls->handshake_timeout_ms != TR_TLS_NO_LIMIT)
        return TR_EBADLIMIT;
    return options->socket.receive_fds ? TR_EBADHANDLE : tri_tls_check_server(tls->context);
}

tr_status
tr_server_set_tls(tr_server *server, tr_tls_context *context)
{
    TRI_CHECK_SERVER(server);
    if (server == NULL || context == NULL)
        return TR_EINVAL;
    tr_status status = tri_tls_check_server(context);
    if (status == TR_OK && !server->deal->is_secure)
        status = TR_EBADHANDLE;
    if (status == TR_OK)
        tri_deal_set_tls(server->deal, context);
    return status;
}

uint32_t
tr_server_handshakes(const tr_server *server)
{
    TRI_CHECK_SERVER(server);
    uint32_t sum = 0;
    for (unsigned worker = 0; server != NULL && worker < server->deal->workers; worker++)
        sum += ck_pr_load_32(&server->deal->ends[worker].seats.taken);
    return sum;
}

uint64_t
tri_server_bad_handshakes(const tr_server *server)
{
    uint64_t sum = 0;
    for (unsigned worker = 0; worker < server->deal->workers; worker++)
        sum += ck_pr_load_64(&server->deal->ends[worker].bad_tls);
    return sum;
}

/* It may be what the close event has waited for. */
void
tri_server_hear_bad_handshake(tr_server *server, const tr_message *message)
{
    if (server->events->handshake_failed != NULL)
        server->events->handshake_failed(server, tr_message_data(message));
    ck_pr_dec_uint(&server->deal->untold);
    if ((server->flags & TRI_SERVER_GONE) == 0)
        tri_server_check_drained(server);
}
