/*
 * What can be asked of a server, and the options that can be set at any time.
 */
#include "due.h"
#include "failures.h"
#include "server_tls.h"

#include <troupe/ipaddr/block_list.h>

tr_status
tr_server_address(const tr_server *server, struct tr_address *out)
{
    TRI_CHECK_SERVER(server);
    if (server == NULL || out == NULL)
        return TR_EINVAL;
    *out = server->address;
    return server->member != NULL ? TR_OK : TR_ENOTLISTENING;
}

bool
tr_server_listening(const tr_server *server)
{
    TRI_CHECK_SERVER(server);
    return server != NULL && server->member != NULL;
}

uint32_t
tr_server_connections(const tr_server *server)
{
    TRI_CHECK_SERVER(server);
    return server != NULL ? tri_deal_connections(server->deal) : 0;
}

void
tr_server_set_max_connections(tr_server *server, uint32_t max_connections)
{
    TRI_CHECK_SERVER(server);
    if (server == NULL)
        return;
    tri_deal_lock(server->deal);
    server->deal->max_connections = max_connections;
    tri_deal_unlock(server->deal);
}

/* Rule by rule, a long list would cost each connection more than all the rest: so it is frozen. */
tr_status
tr_server_set_block_list(tr_server *server, struct tr_block_list *list)
{
    TRI_CHECK_SERVER(server);
    if (server == NULL)
        return TR_EINVAL;
    tr_status status = list != NULL ? tr_block_list_freeze(list) : TR_OK;
    if (status != TR_OK)
        return status;
    struct tri_deal *deal = server->deal;
    tr_block_list_hold(list);
    tri_deal_lock(deal);
    struct tr_block_list *before = deal->block_list;
    ck_pr_store_ptr(&deal->block_list, list);
    tri_deal_unlock(deal);
    tr_block_list_release(before);
    return TR_OK;
}

void
tr_server_set_background(tr_server *server, bool background)
{
    TRI_CHECK_SERVER(server);
    if (server == NULL)
        return;
    tri_server_clear(server, TRI_SERVER_BACKGROUND);
    server->flags |= background ? TRI_SERVER_BACKGROUND : 0;
    tri_server_count_live(server);
}

unsigned
tr_server_dealt(const tr_server *server, uint64_t *counts, unsigned n)
{
    TRI_CHECK_SERVER(server);
    if (server == NULL)
        return 0;
    tri_deal_lock(server->deal);
    for (unsigned worker = 0; counts != NULL && worker < n && worker < server->deal->workers; worker++)
        counts[worker] = server->deal->places[worker].dealt;
    tri_deal_unlock(server->deal);
    return server->deal->workers;
}

void
tr_server_refusals(const tr_server *server, struct tr_server_refusals *out)
{
    TRI_CHECK_SERVER(server);
    tr_status ignored;
    if (out == NULL)
        return;
    *out = (struct tr_server_refusals){0};
    if (server == NULL)
        return;
    tri_deal_lock(server->deal);
    *out = server->deal->refusals;
    tri_deal_unlock(server->deal);
    out->lost = tri_server_failures(server, &ignored);
    out->bad_proxy = tri_deal_refusals(server->deal);
    out->bad_tls = tri_server_bad_handshakes(server);
}

void *
tr_server_data(const tr_server *server)
{
    TRI_CHECK_SERVER(server);
    return server != NULL ? server->deal->options.data : NULL;
}

tr_actor *
tr_server_actor(tr_server *server)
{
    TRI_CHECK_SERVER(server);
    return server != NULL ? server->actor : NULL;
}

tr_ref
tr_server_ref(const tr_server *server)
{
    TRI_CHECK_SERVER(server);
    return server != NULL ? tr_self(server->actor) : TR_NOBODY;
}
