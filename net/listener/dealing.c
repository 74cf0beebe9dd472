/*
 * Dealing out: which server, and which of its workers, gets a connection.
 *
 * Each worker has one server at most here whose connections live there, so the policy, a pure function, chooses a
 * worker of all, and the server follows. If that refuses the connection (it is full, the address is blocked), its
 * workers take no part, and the policy chooses again; a connection that all refuse is counted as the first one's. What
 * no worker can take goes to the worker of the first server that is there, paused or not: it has been accepted.
 *
 * A connection that goes to a server of the listener's own worker is given by a call, if no message waits for that
 * server; else it goes by message. Afterwards nothing is as it was: the server's callback may have closed it, and the
 * listener with it.
 */
#include "listener.h"

#include "descriptor.h"
#include "tune.h"

#include <troupe/core/ceiling.h>
#include <troupe/core/descriptors.h>

/* The numbers that traces show; 0: a policy of the user's. */
#define POLICIES 6
static const tr_balance_policy policies[POLICIES] = {
    NULL, tr_balance_least_loaded, tr_balance_round_robin, tr_balance_two_choices, tr_balance_ip_hash, tr_balance_home,
};

_Static_assert(TRI_POLICY_SYSTEM == POLICIES, "it is none of these");

static uint16_t
number_of_policy(tr_balance_policy policy)
{
    for (uint16_t i = 1; i < POLICIES; i++)
        if (policies[i] == policy)
            return i;
    return 0;
}

/* All but these may: a new policy that does not look at the peer is to be named here, or each connection pays for
 * it. */
static bool
looks_at_peer(tr_balance_policy policy)
{
    return policy != tr_balance_least_loaded && policy != tr_balance_round_robin && policy != tr_balance_two_choices &&
           policy != tr_balance_home;
}

static unsigned
workers_of(const struct tri_listener *listener)
{
    return listener->dealer.net->worker->runtime->count;
}

bool
tri_listener_asks_peer(const struct tri_listener *listener)
{
    if (looks_at_peer(listener->balance))
        return true;
    for (unsigned worker = 0; worker < workers_of(listener); worker++)
        if (listener->takers[worker] != NULL && tri_deal_asks_peer(listener->takers[worker]))
            return true;
    return false;
}

/* Does anybody want connections? */

static bool
is_open(struct tri_deal *deal)
{
    tri_deal_lock(deal);
    bool open = deal->open && !deal->paused;
    tri_deal_unlock(deal);
    return open;
}

enum tri_demand
tri_deal_demand(struct tri_deal *deal, const struct tri_worker *worker)
{
    uint32_t limit_ms = deal->options.overload_ms;
    if (!is_open(deal))
        return TRI_DEMAND_NONE;
    if (tri_ceiling_is_reached(worker->runtime))
        return TRI_DEMAND_LATER;
    return limit_ms == 0 || tri_activity_behind_ms(&worker->activity, tri_clock_ms()) <= limit_ms ? TRI_DEMAND_NOW
                                                                                                  : TRI_DEMAND_LATER;
}

enum tri_demand
tri_listener_demand(const struct tri_listener *listener)
{
    struct tri_worker *const *all = listener->dealer.net->worker->runtime->workers;
    enum tri_demand most = TRI_DEMAND_NONE;
    for (unsigned worker = 0; worker < workers_of(listener) && most != TRI_DEMAND_NOW; worker++) {
        if (listener->takers[worker] == NULL)
            continue;
        enum tri_demand demand = tri_deal_demand(listener->takers[worker], all[worker]);
        most = demand > most ? demand : most;
    }
    return most;
}

/* The choice. */

static void
look_at_loads(struct tri_listener *listener)
{
    struct tri_worker *const *all = listener->dealer.net->worker->runtime->workers;
    uint64_t now = tri_clock_ms();
    for (unsigned worker = 0; worker < workers_of(listener); worker++) {
        struct tri_deal *deal = listener->takers[worker];
        listener->loads[worker] = TR_BALANCE_NO_WORKER;
        listener->behind_ms[worker] = tri_activity_behind_ms(&all[worker]->activity, now);
        if (deal == NULL)
            continue;
        tri_deal_lock(deal);
        if (tri_deal_takes(deal, worker) && !deal->paused)
            listener->loads[worker] = tri_deal_load(deal, worker);
        tri_deal_unlock(deal);
    }
}

static void
exclude(struct tri_listener *listener, const struct tri_deal *deal)
{
    for (unsigned worker = 0; worker < workers_of(listener); worker++)
        if (listener->takers[worker] == deal)
            listener->loads[worker] = TR_BALANCE_NO_WORKER;
}

/* Unix sockets have no address that says who is there. */
static const struct sockaddr *
of_internet(const struct sockaddr *peer)
{
    return peer != NULL && (peer->sa_family == AF_INET || peer->sa_family == AF_INET6) ? peer : NULL;
}

/* Gives a worker that can take it. A policy that chooses one which cannot means the next best; nonsense means home.
 * NULL: none can. */
static struct tri_deal *
choose(const struct tri_listener *listener, const struct sockaddr *peer, unsigned *worker)
{
    struct tr_balance_view view = {.workers = workers_of(listener),
                                   .loads = listener->loads,
                                   .behind_ms = listener->behind_ms,
                                   .home = listener->dealer.net->worker->index,
                                   .sequence = listener->sequence,
                                   .peer = of_internet(peer)};
    unsigned chosen = listener->balance(&view);
    if (chosen >= view.workers)
        chosen = view.home;
    if (view.loads[chosen] == TR_BALANCE_NO_WORKER)
        chosen = tr_balance_least_loaded(&view);
    *worker = chosen;
    return view.loads[chosen] != TR_BALANCE_NO_WORKER ? listener->takers[chosen] : NULL;
}

/* When no worker can take it. NULL: nobody is there. */
static struct tri_deal *
choose_any(const struct tri_listener *listener, unsigned *worker)
{
    for (unsigned i = 0; i < workers_of(listener); i++) {
        if (listener->takers[i] == NULL)
            continue;
        *worker = tr_ref_worker(listener->takers[i]->server);
        return listener->takers[i];
    }
    return NULL;
}

/* What became of a connection. */
struct outcome {
    enum tri_admission admission;
    struct tri_deal *deal; /* who has taken it, or refused it first; NULL: nobody is there */
    struct tri_admission_word word;
};

/* Takes a place for it. */
static struct outcome
assign(struct tri_listener *listener, const struct sockaddr *peer, struct tri_arrival *arrival)
{
    struct outcome first = {.admission = TRI_ADMISSION_LEFT}, outcome;
    look_at_loads(listener);
    for (;;) {
        outcome.deal = choose(listener, peer, &arrival->worker);
        if (outcome.deal == NULL && first.deal == NULL)
            outcome.deal = choose_any(listener, &arrival->worker);
        if (outcome.deal == NULL)
            return first;
        outcome.admission = tri_deal_admit(outcome.deal, peer, arrival, &outcome.word);
        if (outcome.admission == TRI_ADMISSION_OK)
            return outcome;
        if (first.deal == NULL || first.admission == TRI_ADMISSION_LEFT)
            first = outcome;
        exclude(listener, outcome.deal);
    }
}

/* What follows. */

/* The choice in the trace: what each worker had, and who gets it. */
static void
record(const struct tri_listener *listener, const struct tri_deal *deal, const struct tri_arrival *arrival,
       uint32_t load)
{
    if (TRI_LIKELY(listener->dealer.net->worker->trace == NULL))
        return;
    for (unsigned worker = 0; worker < workers_of(listener); worker++)
        if (worker != arrival->worker && listener->loads[worker] != TR_BALANCE_NO_WORKER)
            tri_trace_listener_load(&listener->dealer, worker, listener->loads[worker]);
    tri_trace_listener_load(&listener->dealer, arrival->worker, load);
    tri_trace_listener_accept(&listener->dealer, number_of_policy(listener->balance), arrival->worker, deal->server);
}

/* It is not refused, there was no way to take it: it is counted where other workers count theirs. */
static void
fail(struct tri_listener *listener, struct tri_deal *deal, tr_status status)
{
    tri_deal_failed(deal, listener->dealer.net->worker, status);
    tri_trace_listener_reject(&listener->dealer, TRI_REJECT_MEMORY, 0, deal->server);
}

static void
refuse(struct tri_listener *listener, const struct outcome *outcome)
{
    if (outcome->admission == TRI_ADMISSION_FAILED) {
        fail(listener, outcome->deal, TR_ENOMEM);
    } else if (outcome->admission == TRI_ADMISSION_REFUSED) {
        tri_deal_count_refusal(outcome->deal, outcome->word.reason);
        tri_trace_listener_reject(&listener->dealer, (uint16_t)outcome->word.reason, outcome->word.limit,
                                  outcome->deal->server);
    }
}

void
tri_dealer_set_delay(const struct tri_bound *bound, const struct tri_deal *deal, int fd)
{
    if (deal->options.socket.no_delay != bound->opened.no_delay)
        tri_tune_no_delay(fd, deal->options.socket.no_delay);
}

tr_status
tri_dealer_hand_over(const struct tri_dealer *dealer, struct tri_deal *deal, const struct tri_arrival *arrival,
                     tr_ref listener)
{
    struct tri_worker *here = dealer->net->worker;
    bool is_servers = tr_ref_worker(deal->server) == arrival->worker;
    tr_actor *server = is_servers && arrival->worker == here->index
                           ? tri_actor_reach(here, deal->server, deal->calls->behavior)
                           : NULL;
    if (server == NULL)
        return tri_handover_send(here, dealer->actor, deal, arrival, listener);
    deal->calls->arrived(tr_state(server), arrival);
    return TR_OK;
}

/* Gives it to who has admitted it. false: that is gone, and somebody else may have it. */
static bool
give(struct tri_listener *listener, const struct outcome *outcome, const struct tri_arrival *arrival)
{
    struct tri_deal *deal = outcome->deal;
    listener->sequence++;
    record(listener, deal, arrival, outcome->word.load);
    tri_dealer_set_delay(listener->bound, deal, arrival->fd);
    tr_status status = tri_dealer_hand_over(&listener->dealer, deal, arrival, tr_self(listener->dealer.actor));
    if (status == TR_OK)
        return true;
    tri_deal_take_back(deal, listener->dealer.net->worker, arrival);
    if (status == TR_EGONE)
        return false;
    fail(listener, deal, status);
    tri_close(arrival->fd);
    return true;
}

/* true: somebody has it, or nobody will. */
static bool
deal_once(struct tri_listener *listener, int fd, const struct sockaddr *peer)
{
    struct tri_arrival arrival = {.fd = fd};
    struct outcome outcome = assign(listener, peer, &arrival);
    if (outcome.admission == TRI_ADMISSION_OK)
        return give(listener, &outcome, &arrival);
    refuse(listener, &outcome);
    tri_close(fd);
    return true;
}

void
tri_listener_deal(struct tri_listener *listener, int fd, const struct sockaddr *peer)
{
    for (unsigned tries = 0; tries <= workers_of(listener); tries++)
        if (deal_once(listener, fd, peer))
            return;
    tri_close(fd);
}

/* The other end, if somebody asks for it. */
static const struct sockaddr *
peer_of(const struct tri_listener *listener, int fd, struct sockaddr_storage *storage)
{
    if (!tri_listener_asks_peer(listener) || !tri_descriptor_peer_name(fd, storage))
        return NULL;
    return (const struct sockaddr *)storage;
}

void
tri_listener_deal_forwarded(struct tri_listener *listener, int fd)
{
    struct sockaddr_storage storage;
    tri_listener_deal(listener, fd, peer_of(listener, fd, &storage));
}

/* It counts where it was until somebody else has it: so that server waits. */
void
tri_listener_deal_again(struct tri_listener *listener, struct tri_handover *handover)
{
    struct tri_worker *here = listener->dealer.net->worker;
    struct sockaddr_storage storage;
    struct tri_arrival before = handover->arrival, arrival = {.fd = before.fd};
    struct tri_deal *deal = handover->deal;
    struct outcome outcome = assign(listener, peer_of(listener, before.fd, &storage), &arrival);
    if (outcome.admission != TRI_ADMISSION_OK) {
        tri_handover_insist(handover, here);
        return;
    }
    tri_deal_take_back(deal, here, &before);
    tri_handover_free(handover);
    if (!give(listener, &outcome, &arrival))
        tri_listener_deal(listener, arrival.fd, peer_of(listener, arrival.fd, &storage));
}
