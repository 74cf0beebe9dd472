/*
 * Dealing out: who gets a connection, who gets none, and how many there are.
 *
 * Only the server's actor assigns, so the limits are exact: nobody else can raise a number between the look and the
 * deed. A place that a connection takes is free again when its descriptor is closed; the server may hear of that a
 * moment later, never too early. How the number of all is kept without atomic read-modify-writes is told in deal.c.
 */
#include "dealer.h"

#include "count.h"
#include "due.h"

#include <ck_pr.h>
#include <troupe/core/descriptors.h>
#include <troupe/ipaddr/block_list.h>

/* Who gets none. */

/* All but these may: a new policy that does not look at the peer is to be named here, or each connection pays for
 * it. */
static bool
looks_at_peer(tr_balance_policy policy)
{
    return policy != NULL && policy != tr_balance_least_loaded && policy != tr_balance_round_robin &&
           policy != tr_balance_two_choices && policy != tr_balance_home;
}

bool
tri_server_asks_peer(const tr_server *server)
{
    const struct tr_server_options *options = &server->deal->options;
    return server->block_list != NULL || options->max_per_address > 0 || looks_at_peer(options->balance);
}

static void
reject(const tr_server *server, enum tri_reject reason, uint32_t limit)
{
    tri_trace_server_reject(server, (uint16_t)reason, limit);
}

static void
refuse(tr_server *server, uint64_t *counter, enum tri_reject reason, uint32_t limit)
{
    ++*counter;
    reject(server, reason, limit);
}

/* It is not refused, there was no way to take it. It is counted where other workers count theirs. */
static void
fail(tr_server *server, tr_status status)
{
    tri_deal_failed(server->deal, server->net->worker, status);
    reject(server, TRI_REJECT_MEMORY, 0);
}

/* Takes a place of the peer's address. *place: which one, NULL if that address has no limit. false: the connection is
 * rejected. */
static bool
claim_place(tr_server *server, const struct sockaddr *peer, struct tri_limit_key *key, struct tri_limit_key **place)
{
    uint32_t limit = server->deal->options.max_per_address;
    *place = NULL;
    if (limit == 0 || !tri_limit_key_of(peer, server->deal->options.prefix_ipv6, key))
        return true;
    tr_status status = tri_limits_take(&server->limits, key, limit);
    if (status == TR_OK)
        *place = key;
    else if (status == TR_EFULL)
        refuse(server, &server->refusals.over_address, TRI_REJECT_ADDRESS, limit);
    else
        fail(server, status);
    return status == TR_OK;
}

/* Decides whether the connection is taken, and claims a place for it. */
static bool
admit(tr_server *server, const struct sockaddr *peer, struct tri_limit_key *key, struct tri_limit_key **place)
{
    if (server->block_list != NULL && tr_block_list_check_sockaddr(server->block_list, peer)) {
        refuse(server, &server->refusals.blocked, TRI_REJECT_BLOCKED, 0);
        return false;
    }
    if (server->max_connections > 0 && tri_server_count(server) >= server->max_connections) {
        refuse(server, &server->refusals.over_limit, TRI_REJECT_LIMIT, server->max_connections);
        return false;
    }
    return claim_place(server, peer, key, place);
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
    struct tr_block_list *before = server->block_list;
    tr_block_list_hold(list);
    server->block_list = list;
    tr_block_list_release(before);
    return TR_OK;
}

/* Who gets it. */

static bool
takes_connections(const tr_server *server, unsigned worker)
{
    if (!server->members[worker])
        return false;
    if (worker == server->net->worker->index)
        return true;
    return server->shares[worker] != TR_NOBODY && (server->flags & TRI_SERVER_DISMISSED) == 0;
}

/* Unix sockets have no address that says who is there. */
static const struct sockaddr *
of_internet(const struct sockaddr *peer)
{
    return peer != NULL && (peer->sa_family == AF_INET || peer->sa_family == AF_INET6) ? peer : NULL;
}

/* A policy that chooses a worker which can take none means the next best; nonsense means home. If no worker can, it is
 * home that takes it. */
static unsigned
choose(tr_server *server, const struct sockaddr *peer)
{
    const struct tr_server_options *options = &server->deal->options;
    struct tr_balance_view view = {.workers = server->deal->workers,
                                   .loads = server->loads,
                                   .home = server->net->worker->index,
                                   .sequence = server->sequence,
                                   .peer = peer};
    for (unsigned worker = 0; worker < view.workers; worker++)
        server->loads[worker] =
            takes_connections(server, worker) ? tri_server_load(server, worker) : TR_BALANCE_NO_WORKER;
    unsigned chosen = options->balance != NULL ? options->balance(&view) : tr_balance_least_loaded(&view);
    if (chosen >= view.workers)
        chosen = view.home;
    return takes_connections(server, chosen) ? chosen : tr_balance_least_loaded(&view);
}

static tr_status
send_descriptor(tr_server *server, unsigned worker, const struct tri_arrival *arrival)
{
    tr_message message;
    if (!tri_share_message(server->deal, worker, arrival, &message)) {
        tri_close(arrival->fd);
        return TR_ENOMEM;
    }
    /* If it is refused it is dropped, which closes the descriptor. */
    tr_status status = tri_send_system(server->net->worker, server->actor, server->shares[worker], &message);
    if (status != TR_OK)
        tri_deal_release(server->deal);
    return status;
}

/* The connection does not count: it has not left this worker. */
static void
take_back(tr_server *server, unsigned worker, const struct tri_limit_key *place)
{
    server->dealt[worker]--;
    if (place != NULL)
        tri_limits_give(&server->limits, place);
}

void
tri_server_deal(tr_server *server, int fd, const struct sockaddr *peer)
{
    struct tri_limit_key key, *place;
    if (!admit(server, peer, &key, &place)) {
        tri_close(fd);
        return;
    }
    unsigned worker = choose(server, of_internet(peer));
    struct tri_arrival arrival = {.fd = fd, .number = ++server->sequence, .place = place};
    server->dealt[worker]++;
    tri_trace_server_accept(server, worker, server->loads[worker]);
    tr_status status = worker == server->net->worker->index ? tri_share_accept(server->share, server->actor, &arrival)
                                                            : send_descriptor(server, worker, &arrival);
    if (status != TR_OK) {
        take_back(server, worker, place);
        fail(server, status);
    }
}

void
tri_server_hear_failures(tr_server *server)
{
    tr_status why = TR_OK;
    uint64_t failed = tri_server_failures(server, &why);
    if (failed == server->failures_heard)
        return;
    server->failures_heard = failed;
    tri_server_complain(server, why, 0);
}

/* The actors that take descriptors on other workers. */

static void
spawn_share(tr_server *server, unsigned worker)
{
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = worker, .argument = server->deal};
    struct tri_dismissal *dismissal = tri_dismissal_new(server->deal);
    if (dismissal == NULL)
        return;
    if (tr_spawn(server->actor, &tri_share_behavior, &options, &server->shares[worker]) == TR_OK) {
        server->dismissals[worker] = dismissal;
    } else {
        server->shares[worker] = TR_NOBODY;
        tri_dismissal_cancel(dismissal);
    }
}

static void
dismiss_share(tr_server *server, unsigned worker)
{
    tri_share_dismiss(server->dismissals[worker], server->shares[worker]);
    server->dismissals[worker] = NULL;
}

void
tri_server_spawn_shares(tr_server *server)
{
    for (unsigned worker = 0; worker < server->deal->workers; worker++)
        if (server->members[worker] && worker != server->net->worker->index && server->shares[worker] == TR_NOBODY)
            spawn_share(server, worker);
}

void
tri_server_dismiss_shares(tr_server *server)
{
    if (server->flags & TRI_SERVER_DISMISSED)
        return;
    server->flags |= TRI_SERVER_DISMISSED; /* their names stay: the word that one was not born may still come */
    for (unsigned worker = 0; worker < server->deal->workers; worker++)
        if (server->shares[worker] != TR_NOBODY)
            dismiss_share(server, worker);
}

/* The server has no share of that name any more. Gives its worker; false: it never had. */
static bool
strike_out(tr_server *server, tr_ref share, unsigned *worker)
{
    *worker = tr_ref_worker(share);
    if (server->shares[*worker] != share)
        return false;
    if ((server->flags & TRI_SERVER_DISMISSED) == 0)
        dismiss_share(server, *worker);
    server->shares[*worker] = TR_NOBODY;
    return true;
}

bool
tri_server_share_failed(tr_server *server, tr_ref share)
{
    unsigned worker;
    return strike_out(server, share, &worker);
}

bool
tri_server_replace_share(tr_server *server, tr_ref share)
{
    unsigned worker;
    if (tri_runtime_phase(server->net->worker->runtime) != TRI_RUNNING)
        return false;
    if (strike_out(server, share, &worker) && (server->flags & TRI_SERVER_DISMISSED) == 0)
        spawn_share(server, worker);
    return true;
}
