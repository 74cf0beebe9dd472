/*
 * Dealing out: which worker gets a connection, and how many there are.
 *
 * Only the server's actor assigns, so a limit is exact: nobody else can raise the number between the look and the deed.
 * How the number is kept without atomic read-modify-writes is told in deal.c.
 */
#include "server_internal.h"

#include <ck_pr.h>
#include <unistd.h>

/* How many connections there are. */

static uint32_t
load_of(const tr_server *server, unsigned worker)
{
    return (uint32_t)(server->dealt[worker] - ck_pr_load_64(&server->deal->ends[worker].left));
}

uint32_t
tri_server_count(const tr_server *server)
{
    uint32_t sum = 0;
    for (unsigned worker = 0; worker < server->deal->workers; worker++)
        sum += load_of(server, worker);
    return sum;
}

bool
tri_server_is_drained(const tr_server *server)
{
    for (unsigned worker = 0; worker < server->deal->workers; worker++) {
        struct tri_deal_ends *ends = &server->deal->ends[worker];
        if (ck_pr_load_64(&ends->ended) != server->dealt[worker])
            return false;
        ck_pr_fence_acquire(); /* E2: what it did came before; pairs with E1 in tri_share_ended() */
        TRI_ACQUIRE(&ends->ended);
    }
    return true;
}

/* Dealing out. */

static bool
takes_connections(const tr_server *server, unsigned worker)
{
    if (worker == server->net->worker->index)
        return true;
    return worker < server->deal->workers && server->shares[worker] != TR_NOBODY &&
           (server->flags & TRI_SERVER_DISMISSED) == 0;
}

static unsigned
choose(tr_server *server)
{
    const struct tr_server_options *options = &server->deal->options;
    struct tr_balance_view view = {.workers = server->deal->workers,
                                   .loads = server->loads,
                                   .home = server->net->worker->index,
                                   .sequence = server->sequence};
    for (unsigned worker = 0; worker < view.workers; worker++)
        server->loads[worker] = load_of(server, worker);
    unsigned chosen = options->balance != NULL ? options->balance(&view) : tr_balance_least_loaded(&view);
    return takes_connections(server, chosen) ? chosen : view.home;
}

static bool
send_descriptor(tr_server *server, unsigned worker, int fd)
{
    tr_message message = tri_share_message(fd);
    if (tri_send_system(server->net->worker, server->actor, server->shares[worker], &message) == TR_OK)
        return true;
    tr_message_drop(&message); /* closes it */
    return false;
}

void
tri_server_deal(tr_server *server, int fd)
{
    if (server->max_connections > 0 && tri_server_count(server) >= server->max_connections) {
        tri_server_trace(server, TRI_TRACE_NET_server_reject, 0, server->max_connections);
        close(fd);
        return;
    }
    unsigned worker = choose(server);
    server->sequence++;
    server->dealt[worker]++;
    tri_server_trace(server, TRI_TRACE_NET_server_accept, worker, server->loads[worker]);
    if (worker == server->net->worker->index)
        tri_share_accept(server->share, server->actor, fd);
    else if (!send_descriptor(server, worker, fd))
        server->dealt[worker]--;
}

/* The actors that take descriptors on other workers. */

void
tri_server_spawn_shares(tr_server *server)
{
    if (server->flags & TRI_SERVER_SHARED)
        return;
    server->flags |= TRI_SERVER_SHARED;
    for (unsigned worker = 0; worker < server->deal->workers; worker++) {
        if (worker == server->net->worker->index)
            continue;
        struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = worker, .argument = server->deal};
        tri_deal_hold(server->deal); /* the share's */
        if (tr_spawn(server->actor, &tri_share_behavior, &options, &server->shares[worker]) != TR_OK) {
            server->shares[worker] = TR_NOBODY;
            tri_deal_release(server->deal);
        }
    }
}

void
tri_server_dismiss_shares(tr_server *server)
{
    if (server->flags & TRI_SERVER_DISMISSED)
        return;
    server->flags |= TRI_SERVER_DISMISSED; /* their names stay: the word that one was not born may still come */
    for (unsigned worker = 0; worker < server->deal->workers; worker++) {
        if (server->shares[worker] == TR_NOBODY)
            continue;
        tr_message message = tr_message_signal(TRI_TAG_DEAL_NO_MORE);
        tri_send_system(server->net->worker, NULL, server->shares[worker], &message);
    }
}
