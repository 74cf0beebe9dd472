/*
 * The actors that take a server's connections on other workers, one for each on which connections may live.
 */
#include "shares.h"

static tr_ref
share_on(const tr_server *server, unsigned worker)
{
    return server->deal->places[worker].share; /* nobody else sets it */
}

/* Another share, or none, takes what is for that worker. Returns how many descriptors were sent to the one before. */
static uint64_t
set_share(tr_server *server, unsigned worker, tr_ref share)
{
    struct tri_deal_place *place = &server->deal->places[worker];
    tri_deal_lock(server->deal);
    uint64_t sent = place->sent;
    place->share = share;
    place->sent = 0;
    tri_deal_unlock(server->deal);
    return sent;
}

static void
spawn_share(tr_server *server, unsigned worker)
{
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = worker, .argument = server->deal};
    struct tri_dismissal *dismissal = tri_dismissal_new(server->deal);
    tr_ref share;
    if (dismissal == NULL)
        return;
    if (tr_spawn(server->actor, &tri_share_behavior, &options, &share) == TR_OK) {
        server->deal->places[worker].dismissal = dismissal;
        set_share(server, worker, share);
    } else {
        tri_dismissal_cancel(dismissal);
    }
}

static void
dismiss_share(tr_server *server, unsigned worker, tr_ref share, uint64_t sent)
{
    struct tri_deal_place *place = &server->deal->places[worker];
    struct tri_dismissal *dismissal = place->dismissal;
    place->dismissal = NULL;
    tri_share_dismiss(dismissal, share, sent);
}

void
tri_server_spawn_shares(tr_server *server)
{
    for (unsigned worker = 0; worker < server->deal->workers; worker++)
        if (server->deal->places[worker].wanted && share_on(server, worker) == TR_NOBODY)
            spawn_share(server, worker);
}

/* Their names stay: the word that one was not born may still come. */
void
tri_server_dismiss_shares(tr_server *server)
{
    struct tri_deal *deal = server->deal;
    if (deal->dismissed)
        return;
    tri_deal_lock(deal);
    deal->dismissed = true; /* from here on nothing more is sent to them */
    tri_deal_unlock(deal);
    for (unsigned worker = 0; worker < deal->workers; worker++)
        if (deal->places[worker].dismissal != NULL)
            dismiss_share(server, worker, share_on(server, worker), deal->places[worker].sent);
}

/* The server has no share of that name any more. Gives its worker; false: it never had. */
static bool
strike_out(tr_server *server, tr_ref share, unsigned *worker)
{
    *worker = tr_ref_worker(share);
    if (share_on(server, *worker) != share || share == server->deal->server)
        return false;
    uint64_t sent = set_share(server, *worker, TR_NOBODY);
    if (!server->deal->dismissed)
        dismiss_share(server, *worker, share, sent);
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
    if (strike_out(server, share, &worker) && !server->deal->dismissed)
        spawn_share(server, worker);
    return true;
}
