/*
 * A server's connections as a group (troupe/actors/group.h).
 *
 * The group keeps nothing and nobody joins it: it knows the server's name alone. Each worker finds the connections
 * among its actors when something is published, as it does when a server drains (farewell.c). So a connection that
 * nobody tells anything costs nothing for it. How many there are the deal knows, which is found where its server lives.
 */
#include "deal.h"
#include "socket_actor.h"

/* NULL: no server lives there. Its worker set these before anybody could know of a server. */
static struct tri_servers *
servers_at(const tr_runtime *runtime, unsigned worker)
{
    const struct tri_net *net = ck_pr_load_ptr(&tri_runtime_core(runtime)->workers[worker]->guest);
    struct tri_guest *guest = net != NULL ? ck_pr_load_ptr(&net->guests[TRI_GUEST_SERVERS]) : NULL;
    return guest != NULL ? TRI_CONTAINER_OF(guest, struct tri_servers, guest) : NULL;
}

static size_t
connections_of(struct tri_deal *deal)
{
    uint64_t sum = 0;
    tri_deal_lock(deal);
    for (unsigned worker = 0; worker < deal->workers; worker++)
        sum += deal->places[worker].dealt - ck_pr_load_64(&deal->ends[worker].closed);
    tri_deal_unlock(deal);
    return (size_t)sum;
}

/* true: there is the server, or a connection of it. */
static bool
look_up(const tr_runtime *runtime, tr_ref server, size_t *connections)
{
    struct tri_servers *servers = servers_at(runtime, tr_ref_worker(server));
    if (servers == NULL)
        return false;
    uv_mutex_lock(&servers->lock);
    struct tri_deal *deal = servers->deals;
    while (deal != NULL && deal->server != server)
        deal = deal->next;
    if (deal != NULL)
        *connections = connections_of(deal);
    uv_mutex_unlock(&servers->lock);
    return deal != NULL;
}

static size_t
count(const tr_runtime *runtime, uint64_t server)
{
    size_t connections;
    return look_up(runtime, server, &connections) ? connections : 0;
}

struct visiting {
    tr_ref server;
    void (*visit)(tr_actor *actor, void *argument);
    void *argument;
};

static void
look_at(tr_actor *actor, void *argument)
{
    const struct visiting *visiting = argument;
    const tr_socket *socket = tr_state(actor);
    if (tri_socket_is_accepted(socket) && socket->origin->server == visiting->server &&
        !tri_socket_has_any(socket, TRI_SOCKET_DESTROYED | TRI_SOCKET_GONE))
        visiting->visit(actor, visiting->argument);
}

static void
visit_connections(struct tri_worker *worker, uint64_t server, void (*visit)(tr_actor *actor, void *argument),
                  void *argument)
{
    struct visiting visiting = {server, visit, argument};
    tri_actors_visit(worker, &tri_socket_behavior, look_at, &visiting);
}

tr_status
tr_group_of_server(struct tr_runtime *runtime, tr_ref server, struct tr_group **out)
{
    static const struct tri_group_source connections = {.visit = visit_connections, .count = count};
    size_t any;
    if (runtime == NULL || out == NULL)
        return TR_EINVAL;
    if (server == TR_NOBODY || tr_ref_worker(server) >= tr_runtime_workers(runtime))
        return TR_EBADREF;
    if (!look_up(runtime, server, &any))
        return TR_EGONE;
    *out = tri_group_of_source(runtime, &connections, server);
    return *out != NULL ? TR_OK : TR_ENOMEM;
}
