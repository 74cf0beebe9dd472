/*
 * A worker's part in a server: the connections that live there.
 *
 * Where addresses are limited a connection has a share of its own, which remembers the address that it counts for. So
 * only those servers pay for it, and no socket is larger for their sake.
 */
#include "deal.h"

#include "entrance.h"
#include "events_internal.h"
#include "greeting.h"
#include "reader.h"
#include "socket_actor.h"
#include "turn.h"
#include "upgrade.h"

#include <stdlib.h>
#include <troupe/core/descriptors.h>

static void
free_if_over(struct tri_share *share)
{
    if (share->open || share->connections > 0)
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

static struct tri_share *
share_of_origin(struct tri_origin *origin)
{
    return (struct tri_share *)origin;
}

static void
on_closed(struct tri_origin *origin, tr_socket *socket)
{
    struct tri_share *share = share_of_origin(origin);
    (void)socket;
    tri_deal_connection_closed(share->deal, share->net->worker);
    if (share->has_address)
        tri_deal_forget_address(share->deal, &share->address);
}

/* The share may be gone afterwards. */
static void
on_over(struct tri_origin *origin)
{
    struct tri_share *share = share_of_origin(origin);
    tri_deal_connection_over(share->deal, share->net->worker);
    share->connections--;
    free_if_over(share);
}

static const struct tri_origin_calls share_calls = {.closed = on_closed, .over = on_over};

struct tri_share *
tri_share_open(struct tri_deal *deal, struct tri_net *net)
{
    struct tri_share *share = calloc(1, sizeof(*share));
    if (share == NULL)
        return NULL;
    tri_deal_hold(deal);
    share->origin = (struct tri_origin){.calls = &share_calls, .server = deal->server};
    share->deal = deal;
    share->net = net;
    share->open = true;
    return share;
}

/* Accepted connections. */

/* The share of one connection alone. NULL without memory. */
static struct tri_share *
share_for_one(struct tri_share *share, const struct tri_limit_key *address)
{
    struct tri_share *own = tri_share_open(share->deal, share->net);
    if (own == NULL)
        return NULL;
    own->open = false;
    own->has_address = true;
    own->address = *address;
    return own;
}

/* What is written before the event waits for it, as does our side's end. */
#define SECURE_STEPS (TRI_STEP(SECURE) | TRI_STEP(FLUSH) | TRI_STEP(FIN))

/* The owner never knew of the socket. */
static void
fail(tr_socket *socket, struct tri_deal *deal, tr_status status)
{
    tri_deal_failed(deal, socket->home->worker, status);
    tri_events_owner_gone(socket, socket->extra->owner);
}

/* A socket that is open begins: the connection callback, or event. */
static void
begin(tr_socket *socket, struct tri_share *share)
{
    struct tri_deal *deal = share->deal;
    const struct tr_server_options *options = &deal->options;
    bool emits_connect = options->socket.emit_connect;
    tri_trace_socket_accepted(socket, emits_connect, deal->server);
    struct tri_actor_frame frame = tri_socket_enter(socket, TRI_TAG_ON_ACCEPTED);
    if (options->pause_on_connect)
        tri_reader_pause(socket);
    else
        socket->due |= TRI_STEP(READ);
    if (emits_connect)
        socket->due |= TRI_STEP(CONNECT) | TRI_STEP(READY) | (deal->is_secure ? SECURE_STEPS : 0);
    bool is_late = deal->ends[share->net->worker->index].drains; /* not if its own callback begins that */
    tr_status status = tri_events_connection(socket, options->connection);
    if (status != TR_OK)
        fail(socket, deal, status);
    if (TRI_UNLIKELY(is_late))
        tri_share_meet_leave(share, socket);
    tri_socket_leave(socket, frame);
}

void
tri_share_end(struct tri_share *share, int fd)
{
    tri_close(fd);
    on_closed(&share->origin, NULL);
    on_over(&share->origin);
}

void
tri_share_fail(struct tri_share *share, int fd, tr_status why)
{
    tri_deal_failed(share->deal, share->net->worker, why);
    tri_share_end(share, fd);
}

void
tri_share_begin(struct tri_share *share, tr_actor *parent, const struct tri_entrant *entrant)
{
    struct tri_socket_order order = {
        .options = &share->deal->options.socket,
        .origin = &share->origin,
        .number = entrant->number,
        .proxy = entrant->proxy,
        .layer = entrant->layer,
        .fd = entrant->fd,
    };
    tr_actor *actor;
    tr_status status = tri_actor_spawn_here(share->net->worker, parent, &tri_socket_behavior, &order, &actor);
    if (status == TR_OK) {
        begin(tr_state(actor), share);
        return;
    }
    free(entrant->proxy);
    tri_upgrade_drop(entrant->layer);
    tri_share_fail(share, entrant->fd, status);
}

/* What comes before it is a socket. */
TRI_NOINLINE static void
prepare(struct tri_share *share, tr_actor *parent, const struct tri_entrant *entrant)
{
    if (share->deal->options.proxy.versions != 0)
        tri_entrance_open(share, parent, entrant);
    else
        tri_greeting_open(share, parent, entrant);
}

tr_status
tri_share_accept(struct tri_share *share, tr_actor *parent, const struct tri_arrival *arrival)
{
    struct tri_share *one = arrival->has_address ? share_for_one(share, &arrival->address) : share;
    if (one == NULL) {
        tri_close(arrival->fd);
        return TR_ENOMEM;
    }
    one->connections++;
    struct tri_entrant entrant = {.fd = arrival->fd, .number = arrival->number};
    if (TRI_LIKELY(one->deal->is_plain))
        tri_share_begin(one, parent, &entrant);
    else
        prepare(one, parent, &entrant);
    return TR_OK;
}
