/*
 * A worker's part in a server: the connections that live there.
 *
 * Where addresses are limited a connection has a share of its own, which remembers the place that it takes and tells
 * the server when it is free again. So only those servers pay for it, and no socket is larger for their sake.
 */
#include "deal.h"
#include "socket_internal.h"

#include <stdlib.h>
#include <unistd.h>

struct tri_share *
tri_share_open(struct tri_deal *deal, struct tri_net *net)
{
    struct tri_share *share = calloc(1, sizeof(*share));
    if (share == NULL)
        return NULL;
    tri_deal_hold(deal);
    share->deal = deal;
    share->net = net;
    share->open = true;
    return share;
}

static void
free_if_over(struct tri_share *share)
{
    if (share->open || share->connections > 0 || share->owes)
        return;
    tri_deal_release(share->deal);
    free(share);
}

void
tri_share_close(struct tri_share *share)
{
    if (share == NULL)
        return;
    share->open = false;
    free_if_over(share);
}

tr_ref
tri_share_server(const struct tri_share *share)
{
    return share->deal->server;
}

static struct tri_share *
share_of(struct tri_owed *owed)
{
    return TRI_CONTAINER_OF(owed, struct tri_share, owed);
}

static bool
tell_place_again(struct tri_worker *worker, struct tri_owed *owed)
{
    struct tri_share *share = share_of(owed);
    if (!tri_deal_tell_place(share->deal, worker, &share->place))
        return false;
    share->owes = false;
    free_if_over(share);
    return true;
}

/* The deal may be gone already: the runtime's end frees it without looking at holds. */
static void
forget_place(struct tri_owed *owed)
{
    free(share_of(owed));
}

static void
free_place(struct tri_share *share)
{
    if (tri_deal_tell_place(share->deal, share->net->worker, &share->place))
        return;
    share->owes = true;
    share->owed = (struct tri_owed){.send = tell_place_again, .forget = forget_place, .to = tri_share_server(share)};
    tri_owe(share->net->worker, &share->owed);
}

void
tri_share_count_closed(struct tri_share *share)
{
    tri_deal_connection_closed(share->deal, share->net->worker);
    if (share->has_place)
        free_place(share);
}

void
tri_share_count_ended(struct tri_share *share)
{
    tri_deal_connection_over(share->deal, share->net->worker);
    share->connections--;
    free_if_over(share);
}

/* Accepted connections. */

struct accepted {
    struct tri_share *share;
    const struct tri_arrival *arrival;
};

tr_status
tri_share_init_socket(tr_actor *self, void *state, const void *argument)
{
    tr_socket *socket = state;
    const struct accepted *accepted = argument;
    tr_status status = tri_socket_init(socket, self, &accepted->share->deal->options.socket);
    if (status != TR_OK)
        return status;
    socket->share = accepted->share;
    socket->flags |= TRI_SOCKET_ACCEPTED;
    status = tri_socket_open(socket, accepted->arrival->fd, TR_READABLE | TR_WRITABLE);
    if (status != TR_OK) {
        tri_socket_free_extra(socket);
        return status;
    }
    tri_socket_apply_options(socket);
    tri_socket_set_number(socket, accepted->arrival->number);
    return TR_OK;
}

/* The share of one connection alone. NULL without memory. */
static struct tri_share *
share_for_one(struct tri_share *share, const struct tri_limit_key *place)
{
    struct tri_share *own = tri_share_open(share->deal, share->net);
    if (own == NULL)
        return NULL;
    own->open = false;
    own->has_place = true;
    own->place = *place;
    return own;
}

static void
begin(tr_socket *socket)
{
    const struct tri_deal *deal = socket->share->deal;
    tri_trace(socket->home->worker->trace, TRI_TRACE_NET_socket_accepted, deal->options.socket.emit_connect, 0,
              tr_self(socket->actor), deal->server);
    tri_socket_begin_accepted(socket, deal->options.pause_on_connect);
}

tr_status
tri_share_accept(struct tri_share *share, tr_actor *parent, const struct tri_arrival *arrival)
{
    struct tri_worker *worker = share->net->worker;
    struct tri_share *one = arrival->place != NULL ? share_for_one(share, arrival->place) : share;
    if (one == NULL) {
        close(arrival->fd);
        return TR_ENOMEM;
    }
    struct accepted accepted = {.share = one, .arrival = arrival};
    tr_actor *actor;
    one->connections++;
    tr_status status = tri_actor_spawn_here(worker, parent, &tri_socket_accepted, &accepted, &actor);
    if (status != TR_OK) {
        close(arrival->fd);
        tri_deal_failed(share->deal, worker, status);
        tri_share_count_closed(one);
        tri_share_count_ended(one);
        return TR_OK;
    }
    begin(tr_state(actor));
    return TR_OK;
}
