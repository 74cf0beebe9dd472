/*
 * The outcome of listening: the server is a member of a listener, or it has failed.
 */
#include "listening.h"

#include "drain.h"
#include "due.h"
#include "membership.h"
#include "shares.h"
#include "waiter.h"

#include <ck_pr.h>

struct tri_bound_wish
tri_listen_wish(const tr_server *server, const struct tr_listen_options *options)
{
    return (struct tri_bound_wish){
        .terms =
            {
                .backlog = tri_listen_backlog(options),
                .ipv6_only = options->ipv6_only,
                .readable_all = options->readable_all,
                .writable_all = options->writable_all,
                .balance = tri_deal_balance(server->deal),
                .accept = options->accept,
            },
        .exclusive = options->exclusive,
        .unlink_stale = options->unlink_stale,
        .no_delay = server->deal->options.socket.no_delay,
    };
}

static void
begin(tr_server *server, struct tri_member *member)
{
    tri_server_clear(server, TRI_SERVER_CLOSING); /* as in Node: a close that still waited for connections is void */
    ck_pr_store_uint(&server->deal->closing, 0);
    tri_drain_end(server);
    server->member = member;
    server->address = member->bound->address;
    server->listener = member->listener;
    tri_server_spawn_shares(server);
    tri_member_open(member, server->net);
    tri_trace_server_listening(server, server->address.port);
    tri_server_count_live(server); /* before the thread outside goes on, which may wait for that */
    tri_server_tell_waiter(server, TR_OK);
    server->flags |= TRI_SERVER_LISTENING_DUE;
    tri_server_due(server);
}

tr_status
tri_listen_try(tr_server *server, const struct tri_bound_wish *wish, struct tr_error *error)
{
    struct tri_member *member = tri_member_new(server->deal);
    *error = (struct tr_error){.status = TR_ENOMEM};
    if (member == NULL)
        return TR_ENOMEM;
    tr_status status = tri_member_join(member, server->net, wish, error);
    if (status == TR_OK)
        begin(server, member);
    else
        tri_member_release(member);
    return status;
}

void
tri_listen_failed(tr_server *server, const struct tr_error *error)
{
    tri_server_failed(server, error->status, error->system, error->call);
}

/* A failure that has no call is the caller's. */
static tr_status
told(tr_server *server, tr_status status, const struct tr_error *error)
{
    if (status != TR_OK && error->call == NULL)
        return status;
    if (status != TR_OK)
        tri_listen_failed(server, error);
    return TR_OK;
}

tr_status
tri_listen_join(tr_server *server, const struct tri_bound_wish *wish)
{
    struct tr_error error;
    tr_status status = tri_listen_try(server, wish, &error);
    return told(server, status, &error);
}

tr_status
tri_listen_cover(tr_server *server, const tr_server *other, int backlog)
{
    struct tri_member *member = tri_member_new(server->deal);
    struct tr_error error = {.status = TR_ENOMEM};
    if (member == NULL)
        return TR_ENOMEM;
    tr_status status = tri_member_cover(member, other->member, backlog, &error);
    if (status == TR_OK)
        begin(server, member);
    else
        tri_member_release(member);
    return told(server, status, &error);
}
