/*
 * A server's connections on all workers.
 *
 *   server's actor --descriptor, by message--> share's actor --spawns--> socket actors
 *         |                                                                  |
 *         +---- dealt[w], its own                 ends[w], the worker's own -+
 *
 * The number of connections on a worker is dealt[w] - ends[w].left: each of the two is written by one thread, so
 * neither an assignment nor an end costs an atomic read-modify-write, and the number never falls below the truth.
 *
 * When is the last connection over? The server sets `closing`, then reads all ends[w].ended; a worker raises ended,
 * then reads `closing`. Between the two steps both have a full fence (D1, D2), so at least one sees what the other
 * wrote: either the server finds all ended, or the worker finds `closing` and sends a message, on which the server
 * looks again. A message too many does no harm.
 *
 * A share's actor ends only on the server's word NO_MORE, which comes the same way as the descriptors and thus after
 * the last of them: so none is lost when the runtime stops. A share that is asked to stop tells the server, which then
 * stops accepting and gives the word. Only killing does without; what is on its way then is closed with its message.
 *
 * A deal stands in a list of its server's worker, so that the runtime's end finds those that were held for a share
 * which was never born.
 */
#include "deal.h"

#include "socket_internal.h"

#include <ck_pr.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Deals. */

struct tri_deal *
tri_deal_new(struct tri_net *net, tr_ref server, const struct tr_server_options *options)
{
    unsigned workers = net->worker->runtime->count;
    size_t size = sizeof(struct tri_deal) + workers * sizeof(struct tri_deal_ends);
    struct tri_deal *deal = aligned_alloc(alignof(struct tri_deal), size);
    if (deal == NULL)
        return NULL;
    memset(deal, 0, size);
    deal->options = *options;
    deal->server = server;
    deal->workers = workers;
    deal->home = net;
    deal->holds = 1;
    uv_mutex_lock(&net->lock);
    deal->next = net->deals;
    if (deal->next != NULL)
        deal->next->prev = deal;
    net->deals = deal;
    uv_mutex_unlock(&net->lock);
    return deal;
}

static void
deal_free(struct tri_deal *deal)
{
    uv_mutex_lock(&deal->home->lock);
    if (deal->prev != NULL)
        deal->prev->next = deal->next;
    else
        deal->home->deals = deal->next;
    if (deal->next != NULL)
        deal->next->prev = deal->prev;
    uv_mutex_unlock(&deal->home->lock);
    free(deal);
}

void
tri_deal_hold(struct tri_deal *deal)
{
    ck_pr_inc_uint(&deal->holds); /* no order: the caller's own hold keeps it alive */
}

void
tri_deal_release(struct tri_deal *deal)
{
    TRI_RELEASE(&deal->holds);
    ck_pr_fence_release(); /* H1: this holder is done with it; pairs with H2, below */
    if (!ck_pr_dec_uint_is_zero(&deal->holds))
        return;
    ck_pr_fence_acquire(); /* H2: so is everybody else; pairs with H1, above */
    TRI_ACQUIRE(&deal->holds);
    deal_free(deal);
}

void
tri_deals_free(struct tri_net *net)
{
    while (net->deals != NULL)
        deal_free(net->deals);
}

/* Shares. */

struct tri_share *
tri_share_open(struct tri_deal *deal, struct tri_net *net)
{
    struct tri_share *share = calloc(1, sizeof(*share));
    if (share == NULL)
        return NULL;
    share->deal = deal;
    share->net = net;
    share->open = true;
    return share;
}

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

tr_ref
tri_share_server(const struct tri_share *share)
{
    return share->deal->server;
}

static struct tri_deal_ends *
ends_of(struct tri_share *share)
{
    return &share->deal->ends[share->net->worker->index];
}

void
tri_share_left(struct tri_share *share)
{
    struct tri_deal_ends *ends = ends_of(share);
    ck_pr_store_64(&ends->left, ends->left + 1); /* no order: it only counts */
}

static void
tell_server(struct tri_share *share)
{
    tr_message message = tr_message_signal(TRI_TAG_DEAL_ENDED);
    tri_send_system(share->net->worker, NULL, share->deal->server, &message); /* a server that is gone needs no word */
}

void
tri_share_ended(struct tri_share *share)
{
    struct tri_deal_ends *ends = ends_of(share);
    TRI_RELEASE(&ends->ended);
    ck_pr_fence_release(); /* E1: the connection's last event is over; pairs with E2 in tri_server_is_drained() */
    ck_pr_store_64(&ends->ended, ends->ended + 1);
    ck_pr_fence_memory(); /* D1: ended before closing; pairs with D2 in server.c */
    if (TRI_UNLIKELY(ck_pr_load_uint(&share->deal->closing) != 0))
        tell_server(share);
    share->connections--;
    free_if_over(share);
}

/* Accepted connections. */

struct accepted {
    struct tri_share *share;
    int fd;
};

tr_status
tri_share_init_socket(tr_actor *self, void *state, const void *argument)
{
    tr_socket *socket = state;
    const struct accepted *accepted = argument;
    const struct tr_server_options *options = &accepted->share->deal->options;
    tr_status status = tri_socket_init(socket, self, options->socket_events, options->data);
    if (status != TR_OK)
        return status;
    socket->share = accepted->share;
    socket->flags = TRI_SOCKET_ACCEPTED | TRI_SOCKET_CONNECTED | (options->allow_half_open ? TRI_SOCKET_HALF_OPEN : 0) |
                    (options->pause_on_connect ? TRI_SOCKET_PAUSED : 0);
    uv_tcp_init(&socket->net->worker->loop, &socket->tcp);
    if (uv_tcp_open(&socket->tcp, accepted->fd) == 0)
        return TR_OK;
    /* The handle is in the loop, so it must be closed like any other: the socket is born dead. */
    close(accepted->fd);
    socket->flags |= TRI_SOCKET_SILENT;
    tri_socket_close(socket, TR_OK, 0, TRI_CALL_DESTROY);
    return TR_OK;
}

static void
begin(tr_socket *socket)
{
    const struct tr_server_options *options = &socket->share->deal->options;
    struct tri_actor_frame frame = tri_socket_enter(socket, TRI_TAG_ON_ACCEPTED);
    tri_trace(socket->net->worker->trace, TRI_TRACE_NET_socket_accepted, 0, 0, tr_self(socket->actor),
              socket->share->deal->server);
    if (options->connection != NULL)
        options->connection(socket);
    if (!options->pause_on_connect)
        tri_reader_begin(socket);
    tri_socket_leave(socket, frame);
}

void
tri_share_accept(struct tri_share *share, tr_actor *parent, int fd)
{
    struct accepted accepted = {.share = share, .fd = fd};
    tr_actor *actor;
    share->connections++;
    if (tri_actor_spawn_here(share->net->worker, parent, &tri_socket_accepted, &accepted, &actor) != TR_OK) {
        close(fd);
        tri_share_left(share);
        tri_share_ended(share);
        return;
    }
    tr_socket *socket = tr_state(actor);
    if (!tri_socket_is(socket, TRI_SOCKET_SILENT))
        begin(socket);
}

/* The actor of a share on another worker than the server's. */

struct share_state {
    struct tri_share *share;
};

static void
close_descriptor(void *address)
{
    close((int)(intptr_t)address - 1);
}

/* One is added because a NULL pointer would be no payload, and 0 is a descriptor. */
tr_message
tri_share_message(int fd)
{
    return tr_message_pointer(TRI_TAG_DEAL_CONNECTION, (void *)(intptr_t)(fd + 1), 0, close_descriptor);
}

static tr_status
init_share(tr_actor *self, void *state, const void *argument)
{
    struct share_state *actor = state;
    struct tri_net *net = tri_net_of(tri_actor_worker(self));
    if (net != NULL)
        actor->share = tri_share_open((struct tri_deal *)argument, net);
    return actor->share != NULL ? TR_OK : TR_ENOMEM;
}

static void
receive_for_share(tr_actor *self, void *state, tr_message *message)
{
    struct share_state *actor = state;
    if (message->tag == TRI_TAG_DEAL_CONNECTION)
        tri_share_accept(actor->share, self, (int)(intptr_t)tr_message_take_pointer(message) - 1);
    else if (message->tag == TRI_TAG_DEAL_NO_MORE)
        tr_exit(self);
}

static void
stopped_share(tr_actor *self, void *state)
{
    struct share_state *actor = state;
    (void)self;
    tri_share_close(actor->share);
}

static bool
stopping_share(tr_actor *self, void *state, enum tr_stop_mode how)
{
    struct share_state *actor = state;
    if (how == TR_STOP_KILL) {
        stopped_share(self, state);
        return true;
    }
    tr_message message = tr_message_signal(TRI_TAG_DEAL_SHARE_STOPS);
    tri_send_system(actor->share->net->worker, self, actor->share->deal->server, &message);
    return false;
}

const struct tr_behavior tri_share_behavior = {
    .name = "share",
    .state_size = sizeof(struct share_state),
    .init = init_share,
    .receive = receive_for_share,
    .stopping = stopping_share,
    .stopped = stopped_share,
};
