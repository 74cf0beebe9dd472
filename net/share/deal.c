/*
 * A server's connections on all workers: how they are counted.
 *
 *   listener --descriptor, by message--> share's actor --spawns--> socket actors
 *      |                                                               |
 *      +---- places[w].dealt, under the lock       ends[w], the worker's own
 *
 * The number of connections on a worker is places[w].dealt - ends[w].closed. Only the worker writes the second, so that
 * an end costs neither a lock nor an atomic read-modify-write, and the number never falls below the truth.
 *
 * When is the last connection over? The server sets `closing`, then reads all ends[w].ended and all places[w].dealt; a
 * worker raises ended, or somebody takes a connection back, and then reads `closing`. Between the two steps both have a
 * full fence (D1, D2 in deal.h, D3 in admission.c), so at least one sees what the other wrote: either the server finds
 * all ended, or the other finds `closing` and sends a message, on which the server looks again. A message too many does
 * no harm, and one that cannot be sent for lack of memory is owed: the worker's part in the deal is kept until then.
 *
 * A deal stands in a list of its server's worker, so that the runtime's end finds those for which a hold was lost,
 * since a message could not be sent.
 */
#include "deal.h"

#include <ck_pr.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/refcount.h>
#include <troupe/ipaddr/block_list.h>

uint32_t *tri_deal_meter;

/* Deals. */

static void deal_free(struct tri_deal *deal);

/* Deals that somebody still holds go with the worker. */
static void
close_servers(struct tri_guest *guest)
{
    struct tri_servers *servers = TRI_CONTAINER_OF(guest, struct tri_servers, guest);
    while (servers->deals != NULL)
        deal_free(servers->deals);
    uv_mutex_destroy(&servers->lock);
    free(servers);
}

static struct tri_servers *
open_servers(struct tri_net *net)
{
    struct tri_servers *servers = calloc(1, sizeof(*servers));
    if (servers == NULL || uv_mutex_init(&servers->lock) != 0) {
        free(servers);
        return NULL;
    }
    servers->guest.close = close_servers;
    servers->worker = net->worker;
    net->guests[TRI_GUEST_SERVERS] = &servers->guest;
    return servers;
}

/* NULL without memory. */
static struct tri_servers *
servers_of(struct tri_net *net)
{
    struct tri_guest *guest = net->guests[TRI_GUEST_SERVERS];
    return guest != NULL ? TRI_CONTAINER_OF(guest, struct tri_servers, guest) : open_servers(net);
}

static void
put_into_list(struct tri_deal *deal)
{
    struct tri_servers *home = deal->home;
    uv_mutex_lock(&home->lock);
    deal->next = home->deals;
    if (deal->next != NULL)
        deal->next->prev = deal;
    home->deals = deal;
    uv_mutex_unlock(&home->lock);
}

static struct tri_deal *
allocate(unsigned workers)
{
    size_t size = sizeof(struct tri_deal) + workers * sizeof(struct tri_deal_place);
    size = (size + alignof(struct tri_deal) - 1) / alignof(struct tri_deal) * alignof(struct tri_deal);
    struct tri_deal *deal = aligned_alloc(alignof(struct tri_deal), size);
    struct tri_deal_ends *ends = aligned_alloc(alignof(struct tri_deal_ends), workers * sizeof(*ends));
    if (deal == NULL || ends == NULL)
        goto free_both;
    memset(deal, 0, size);
    memset(ends, 0, workers * sizeof(*ends));
    deal->ends = ends;
    if (uv_mutex_init(&deal->lock) == 0)
        return deal;
free_both:
    free(ends);
    free(deal);
    return NULL;
}

static void
set_places(struct tri_deal *deal, const struct tr_server_options *options, unsigned own)
{
    for (unsigned worker = 0; worker < deal->workers; worker++) {
        deal->ends[worker].deal = deal;
        deal->places[worker].wanted = options->own_worker ? worker == own : options->workers == NULL;
    }
    for (unsigned i = 0; i < options->worker_count; i++)
        deal->places[options->workers[i]].wanted = true;
    deal->places[own].share = deal->server;
}

struct tri_deal *
tri_deal_new(struct tri_net *net, tr_ref server, const struct tri_server_calls *calls,
             const struct tr_server_options *options)
{
    unsigned workers = net->worker->runtime->count;
    struct tri_servers *home = servers_of(net);
    struct tri_deal *deal = home != NULL ? allocate(workers) : NULL;
    if (deal == NULL)
        return NULL;
    deal->options = *options;
    deal->options.block_list = NULL;  /* the server may have another one later */
    deal->options.tls.context = NULL; /* likewise */
    deal->options.workers = NULL;     /* the caller's */
    deal->is_secure = options->tls.context != NULL;
    deal->is_plain = !deal->is_secure && options->proxy.versions == 0;
    deal->tls = tr_tls_context_hold(options->tls.context);
    if (deal->options.socket.data == NULL)
        deal->options.socket.data = options->data;
    if (deal->options.prefix_ipv6 == 0)
        deal->options.prefix_ipv6 = TRI_LIMITS_PREFIX_IPV6;
    deal->max_connections = options->max_connections;
    deal->server = server;
    deal->calls = calls;
    deal->workers = workers;
    deal->home = home;
    deal->holds = 1;
    set_places(deal, options, net->worker->index);
    put_into_list(deal);
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
    tr_block_list_release(deal->block_list);
    tr_tls_context_release(deal->tls);
    tri_limits_fini(&deal->limits);
    uv_mutex_destroy(&deal->lock);
    free(deal->ends);
    free(deal);
}

void
tri_deal_hold(struct tri_deal *deal)
{
    tri_refcount_hold(&deal->holds);
}

void
tri_deal_release(struct tri_deal *deal)
{
    if (tri_refcount_release(&deal->holds))
        deal_free(deal);
}

struct tr_tls_context *
tri_deal_hold_tls(struct tri_deal *deal)
{
    tri_deal_lock(deal);
    struct tr_tls_context *context = tr_tls_context_hold(deal->tls);
    tri_deal_unlock(deal);
    return context;
}

void
tri_deal_set_tls(struct tri_deal *deal, struct tr_tls_context *context)
{
    tr_tls_context_hold(context);
    tri_deal_lock(deal);
    struct tr_tls_context *before = deal->tls;
    deal->tls = context;
    tri_deal_unlock(deal);
    tr_tls_context_release(before);
}

/* Counting. */

/* false: there is no memory. A server that is gone needs no word. */
static bool
is_told(const struct tri_deal *deal, struct tri_worker *worker, tr_message message)
{
    return tri_send_system(worker, NULL, deal->server, &message) != TR_ENOMEM;
}

static bool
send_word(struct tri_deal_ends *ends, struct tri_worker *worker, enum tri_deal_word word, uint32_t tag)
{
    if ((ends->words & word) != 0 && is_told(ends->deal, worker, tr_message_signal(tag)))
        ends->words &= ~(unsigned)word;
    return (ends->words & word) == 0;
}

static bool
send_words(struct tri_deal_ends *ends, struct tri_worker *worker)
{
    return send_word(ends, worker, TRI_DEAL_SAYS_ENDED, TRI_TAG_DEAL_ENDED) &&
           send_word(ends, worker, TRI_DEAL_SAYS_FAILED, TRI_TAG_DEAL_FAILED);
}

static bool
send_again(struct tri_worker *worker, struct tri_owed *owed)
{
    struct tri_deal_ends *ends = TRI_CONTAINER_OF(owed, struct tri_deal_ends, owed);
    if (!send_words(ends, worker))
        return false;
    ends->waits = false;
    tri_deal_release(ends->deal);
    return true;
}

static void
tell_server(struct tri_deal *deal, struct tri_worker *worker, enum tri_deal_word word)
{
    struct tri_deal_ends *ends = &deal->ends[worker->index];
    ends->words |= word;
    if (ends->waits || send_words(ends, worker))
        return;
    ends->waits = true;
    ends->owed =
        (struct tri_owed){.send = send_again, .to = deal->server}; /* forgotten, the runtime's end finds the deal */
    tri_deal_hold(deal);
    tri_owe(worker, &ends->owed);
}

void
tri_deal_say_ended(struct tri_deal *deal, struct tri_worker *worker)
{
    tell_server(deal, worker, TRI_DEAL_SAYS_ENDED);
}

/* A runtime that stops loses none. */
void
tri_deal_failed(struct tri_deal *deal, struct tri_worker *worker, tr_status why)
{
    struct tri_deal_ends *ends = &deal->ends[worker->index];
    if (why == TR_ESTOPPING)
        return;
    ck_pr_store_int(&ends->why, why);
    TRI_RELEASE(&ends->failed);
    ck_pr_fence_store(); /* F1: why before the number; pairs with F2 in tri_server_failures() */
    ck_pr_store_64(&ends->failed, ends->failed + 1);
    tell_server(deal, worker, TRI_DEAL_SAYS_FAILED);
}
