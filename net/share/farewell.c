/*
 * A share takes leave of its sockets: it tells them that their server drains, and cuts those that are left.
 *
 * A worker has no list of a server's connections, since no socket is larger for the sake of that. They are found among
 * the worker's actors, which a server that drains can afford. The word to take leave may come before connections that
 * were dealt earlier: these get the same when they begin.
 */
#include "close.h"
#include "deal.h"
#include "destroy.h"
#include "entrance.h"
#include "greeting.h"
#include "queue.h"
#include "socket_actor.h"
#include "turn.h"

/* Is it one of theirs, and not destroyed? */
static bool
is_of(const tr_socket *socket, const struct tri_share *share)
{
    return !tri_socket_has_any(socket, TRI_SOCKET_DESTROYED | TRI_SOCKET_GONE) && tri_socket_is_accepted(socket) &&
           socket->origin->server == share->deal->server;
}

static void
tell(tr_actor *actor, void *argument)
{
    tr_socket *socket = tr_state(actor);
    if (is_of(socket, argument))
        tri_socket_due(socket, TRI_STEP(GOAWAY));
}

void
tri_share_drain(struct tri_share *share)
{
    struct tri_deal_ends *ends = &share->deal->ends[share->net->worker->index];
    ends->drains = true;
    ends->cuts = false; /* that was another time */
    tri_actors_visit(share->net->worker, &tri_socket_behavior, tell, share);
}

/* What waits is not waited for: the peer had its time to take it. Without anything that waits the end can be said. */
static void
cut_socket(struct tri_share *share, tr_socket *socket)
{
    tri_deal_count_cut(share->deal, share->net->worker);
    if (!tri_writer_is_empty(socket) || tri_socket_lacks_credit(socket))
        tri_socket_destroy(socket, TR_OK, 0, TRI_CALL_DESTROY);
    else
        tri_socket_drain(socket);
}

static void
cut(tr_actor *actor, void *argument)
{
    if (is_of(tr_state(actor), argument))
        cut_socket(argument, tr_state(actor));
}

void
tri_share_cut(struct tri_share *share)
{
    share->deal->ends[share->net->worker->index].cuts = true;
    tri_actors_visit(share->net->worker, &tri_socket_behavior, cut, share);
    tri_entrances_cut(share);
    tri_greetings_cut(share);
}

bool
tri_share_is_cut(const struct tri_share *share)
{
    return share->deal->ends[share->net->worker->index].cuts && ck_pr_load_uint(&share->deal->draining) != 0;
}

void
tri_share_meet_leave(struct tri_share *share, tr_socket *socket)
{
    struct tri_deal_ends *ends = &share->deal->ends[share->net->worker->index];
    if (ck_pr_load_uint(&share->deal->draining) == 0)
        ends->drains = ends->cuts = false; /* that was another time */
    if (ends->drains)
        tri_socket_due(socket, TRI_STEP(GOAWAY));
    if (ends->cuts && is_of(socket, share))
        cut_socket(share, socket);
}
