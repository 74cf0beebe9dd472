/*
 * Branches of a listener: where each worker accepts for itself.
 *
 *   TR_ACCEPT_SHARED_FD: each branch has a duplicate of the listener's descriptor. It accepts one connection each time
 *   that it wakes, so that the others get theirs, and rests while its worker has an eighth, and a few, more than the
 *   mean.
 *
 *   TR_ACCEPT_REUSEPORT: each branch has a descriptor of its own, and the system deals. The listener's own is bound
 *   before the others and never listens, and is no member of a group when it is bound: so an address of somebody else's
 *   group is in use. What comes to a branch whose server has left goes to the listener, which deals it to the others:
 *   the branch stays as long as the address does, and nothing that it has in its backlog is lost.
 *
 * A branch looks by itself who takes the connections of its worker, when the listener rings or something has changed.
 * What its own server refuses the listener deals again, since another one may have room. It ends when the bound is
 * over, with a word to the listener, which keeps its servers until all descriptors are closed.
 */
#include "branch.h"

#include "bind.h"
#include "listener.h"
#include "verdict.h"

#include <stdlib.h>
#include <troupe/core/descriptors.h>
#include <troupe/core/status_from.h>

#define ACCEPTS_PER_WAKE 16 /* of a descriptor that nobody else has */
#define SHORT_MS 50         /* descriptors or memory have run out */
#define AHEAD_MS 5          /* the others go first */
#define AHEAD_BY 32         /* connections that are no matter */

/* The ring of a branch, which the listener's worker has. */
struct tri_branch_ring {
    struct tri_word word; /* first */
    bool rings;           /* there was no memory yet */
    bool is_forgotten;
};

/* The state of a branch's actor. */
struct branch {
    struct tri_dealer dealer; /* first */
    struct tri_bound *bound;  /* held */
    struct tri_deal *deal;    /* held: of who takes connections here; NULL: nobody */
    struct branch_watch *watch;
    struct tri_word *over; /* to the listener, when it is */
    tr_ref listener;
    struct tri_timer rest;
    int fd;
    unsigned seen; /* bound->changes */
    bool polled, rests;
};

struct branch_watch {
    uv_poll_t poll;
    struct branch *branch;
};

static struct branch_watch *
watch_of(void *poll)
{
    return TRI_CONTAINER_OF(poll, struct branch_watch, poll);
}

static bool
is_own(const struct branch *branch)
{
    return branch->bound->terms.accept == TR_ACCEPT_REUSEPORT;
}

/* Does it accept now? */

static uint32_t
own_load(struct branch *branch)
{
    tri_deal_lock(branch->deal);
    uint32_t load = tri_deal_load(branch->deal, branch->dealer.net->worker->index);
    tri_deal_unlock(branch->deal);
    return load;
}

/* It has so many more than the mean that the others should get theirs first. */
static bool
is_ahead(struct branch *branch)
{
    uint64_t own, sum;
    if (own_load(branch) <= AHEAD_BY)
        return false;
    unsigned count = tri_bound_loads(branch->bound, branch->dealer.net->worker->index, &own, &sum);
    return own > AHEAD_BY && (own - AHEAD_BY) * count * 8 > sum * 9;
}

static enum tri_demand
demand(struct branch *branch)
{
    if (branch->rests)
        return TRI_DEMAND_LATER;
    if (branch->deal == NULL)
        return is_own(branch) ? TRI_DEMAND_NOW : TRI_DEMAND_NONE; /* for the others, by way of the listener */
    enum tri_demand demand = tri_deal_demand(branch->deal, branch->dealer.net->worker);
    return demand == TRI_DEMAND_NOW && !is_own(branch) && is_ahead(branch) ? TRI_DEMAND_LATER : demand;
}

static void on_readable(uv_poll_t *poll, int status, int events);
static void on_rest_over(struct tri_timer *timer);

/* For a moment. The timer is kept: it is sure to start. */
static void
rest(struct branch *branch, unsigned for_ms, tr_status why)
{
    if (branch->rests)
        return;
    branch->rests = true;
    branch->rest.fire = on_rest_over;
    tri_timer_start(&branch->dealer.net->worker->timers, &branch->rest, for_ms);
    if (why != TR_OK)
        tri_trace_listener_paused(&branch->dealer, why);
}

static void
poll_as_wanted(struct branch *branch)
{
    if (branch->watch == NULL)
        return;
    enum tri_demand now = demand(branch);
    bool wanted = now == TRI_DEMAND_NOW;
    if (now == TRI_DEMAND_LATER)
        rest(branch, AHEAD_MS, TR_OK); /* what keeps it from accepting ends without a ring */
    if (wanted == branch->polled)
        return;
    branch->polled = wanted;
    if (wanted)
        uv_poll_start(&branch->watch->poll, UV_READABLE, on_readable);
    else
        uv_poll_stop(&branch->watch->poll);
}

/* Accepting. */

static void
close_carried(void *address)
{
    tri_close((int)(intptr_t)address - 1);
}

/* Of any worker, with a hold. NULL: nobody is there. */
static struct tri_deal *
any_taker(const struct branch *branch)
{
    struct tri_deal *taker = NULL;
    tri_bound_lock(branch->bound);
    for (unsigned worker = 0; taker == NULL && worker < branch->dealer.net->worker->runtime->count; worker++)
        taker = tri_bound_taker(branch->bound, worker);
    tri_bound_unlock(branch->bound);
    return taker;
}

/* There was no memory for it. A server is told, though it may not be the one that would have got it. */
static void
lose(const struct branch *branch, int fd)
{
    struct tri_deal *taker = any_taker(branch);
    tri_close(fd);
    if (taker == NULL)
        return;
    tri_deal_failed(taker, branch->dealer.net->worker, TR_ENOMEM);
    tri_deal_release(taker);
}

/* The listener deals it. */
static void
hand_on(struct branch *branch, int fd)
{
    struct tri_worker *worker = branch->dealer.net->worker;
    tr_message message = tr_message_pointer(TRI_TAG_LISTENER_ACCEPTED, (void *)((intptr_t)fd + 1), 1, close_carried);
    if (tri_send_system_or_keep(worker, branch->dealer.actor, branch->listener, &message) != TR_OK)
        lose(branch, fd);
}

static void
deal(struct branch *branch, int fd, const struct sockaddr *peer)
{
    struct tri_arrival arrival = {.fd = fd, .worker = branch->dealer.net->worker->index};
    struct tri_admission_word word;
    struct tri_deal *taker = branch->deal;
    if (taker == NULL || tri_deal_admit(taker, peer, &arrival, &word) != TRI_ADMISSION_OK) {
        hand_on(branch, fd);
        return;
    }
    tri_trace_listener_accept(&branch->dealer, TRI_POLICY_SYSTEM, arrival.worker, taker->server);
    tri_dealer_set_delay(branch->bound, taker, fd);
    tri_deal_hold(taker); /* the callback may close the server */
    if (tri_dealer_hand_over(&branch->dealer, taker, &arrival, branch->listener) != TR_OK) {
        tri_deal_take_back(taker, branch->dealer.net->worker, &arrival);
        hand_on(branch, fd);
    }
    tri_deal_release(taker);
}

static void look(struct branch *branch);

static void
look_if_changed(struct branch *branch)
{
    if (TRI_UNLIKELY(ck_pr_load_uint(&branch->bound->changes) != branch->seen))
        look(branch);
}

/* Returns 0, or an errno. */
static int
accept_one(struct branch *branch)
{
    struct sockaddr_storage storage = {0};
    bool asks = branch->deal != NULL && tri_deal_asks_peer(branch->deal);
    int fd = tri_accept(branch->fd, asks ? &storage : NULL);
    if (fd < 0)
        return -fd;
    look_if_changed(branch);
    deal(branch, fd, asks ? (const struct sockaddr *)&storage : NULL);
    return 0;
}

/* What has failed the listener tells its servers. */
static void
halt(struct branch *branch, int error)
{
    struct tri_listen_failure failure = {.status = tri_status_from_errno(error), .system = error};
    failure.for_good = tri_verdict(TRI_ON_ACCEPT, error) == TRI_BROKEN;
    tr_message message = tr_message_copy(TRI_TAG_LISTENER_FAILED, &failure, sizeof(failure));
    tri_send_system(branch->dealer.net->worker, branch->dealer.actor, branch->listener, &message);
    rest(branch, SHORT_MS, failure.status);
}

static void
accept_some(struct branch *branch)
{
    int most = is_own(branch) ? ACCEPTS_PER_WAKE : 1;
    for (int i = 0; i < most && branch->watch != NULL && demand(branch) == TRI_DEMAND_NOW; i++) {
        int error = accept_one(branch);
        if (error == 0)
            continue;
        enum tri_verdict verdict = tri_verdict(TRI_ON_ACCEPT, error);
        if (verdict == TRI_SHORT || verdict == TRI_BROKEN)
            halt(branch, error);
        if (verdict != TRI_AGAIN)
            return;
    }
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
    struct branch *branch = watch_of(poll)->branch;
    (void)events;
    if (status < 0)
        branch->polled = false; /* libuv has stopped; the error shows in accept4() */
    struct tri_actor_frame frame = tri_actor_enter(branch->dealer.actor, TRI_TAG_ON_ACCEPT);
    if (tri_runtime_phase(branch->dealer.net->worker->runtime) == TRI_RUNNING) {
        look_if_changed(branch);
        accept_some(branch);
        poll_as_wanted(branch);
    } else if (branch->polled) {
        branch->polled = false;
        uv_poll_stop(poll);
    }
    tri_actor_leave(branch->dealer.actor, frame);
}

static void
on_rest_over(struct tri_timer *timer)
{
    struct branch *branch = TRI_CONTAINER_OF(timer, struct branch, rest);
    branch->rests = false;
    poll_as_wanted(branch);
}

/* Its end. */

static void
on_watch_closed(uv_handle_t *handle)
{
    free(watch_of(handle));
}

static void
close_descriptor(struct branch *branch)
{
    struct tri_net *net = branch->dealer.net;
    if (branch->watch == NULL)
        return;
    tri_timer_let_go(&net->worker->timers, &branch->rest);
    tri_net_disclaim(net, branch->fd);
    uv_close((uv_handle_t *)&branch->watch->poll, on_watch_closed);
    branch->watch = NULL;
    tri_close(branch->fd);
    tri_trace_listener_close(&branch->dealer);
}

static void
let_go(struct branch *branch)
{
    struct tri_word *over = branch->over;
    close_descriptor(branch);
    if (over == NULL)
        return;
    branch->over = NULL;
    over->done = tri_word_free;
    tri_word_send(branch->dealer.net->worker, over, tr_self(branch->dealer.actor), branch->listener,
                  tr_message_signal(TRI_TAG_LISTENER_OVER));
    if (branch->deal != NULL)
        tri_deal_release(branch->deal);
    branch->deal = NULL;
    tri_bound_release(branch->bound);
}

/* Who takes the connections of this worker? */
static void
look(struct branch *branch)
{
    struct tri_deal *before = branch->deal;
    bool over;
    if (branch->watch == NULL)
        return;
    tri_bound_lock(branch->bound);
    branch->deal = tri_bound_taker(branch->bound, branch->dealer.net->worker->index);
    branch->seen = branch->bound->changes;
    over = branch->bound->over;
    tri_bound_unlock(branch->bound);
    if (before != NULL)
        tri_deal_release(before);
    if (over) {
        close_descriptor(branch);
        tri_actor_end(branch->dealer.actor);
    } else {
        poll_as_wanted(branch);
    }
}

/* The actor. */

static int
open_own(struct branch *branch, struct tr_error *error)
{
    const struct tri_bound *bound = branch->bound;
    const struct tri_bind_options options = {
        .backlog = bound->terms.backlog,
        .ipv6_only = bound->terms.ipv6_only,
        .no_delay = bound->opened.no_delay,
        .group = TRI_GROUP_JOIN,
    };
    return tri_bind_and_listen(&bound->chosen.address, &options, &branch->fd, error);
}

/* Under the lock: the listener does not close the descriptor before it has said there that the bound is over. */
static tr_status
open_descriptor(struct branch *branch)
{
    struct tr_error error;
    tr_status status = TR_EGONE;
    tri_bound_lock(branch->bound);
    if (!branch->bound->over)
        status = is_own(branch) ? open_own(branch, &error) : tri_duplicate(branch->bound->opened.fd, &branch->fd);
    tri_bound_unlock(branch->bound);
    return status;
}

static tr_status
open_watch(struct branch *branch)
{
    struct tri_net *net = branch->dealer.net;
    tr_status status = tri_net_claim(net, branch->fd);
    if (status != TR_OK)
        return status;
    branch->watch = malloc(sizeof(*branch->watch));
    int error = branch->watch != NULL ? uv_poll_init(&net->worker->loop, &branch->watch->poll, branch->fd) : UV_ENOMEM;
    if (error == 0) {
        branch->watch->branch = branch;
        return TR_OK;
    }
    tri_net_disclaim(net, branch->fd);
    free(branch->watch);
    branch->watch = NULL;
    return tri_status_from_uv(error);
}

static tr_status
begin(struct branch *branch)
{
    branch->over = calloc(1, sizeof(*branch->over));
    if (branch->dealer.net == NULL || branch->over == NULL)
        return TR_ENOMEM;
    tr_status status = open_descriptor(branch);
    if (status != TR_OK)
        return status;
    status = tri_timer_keep(&branch->dealer.net->worker->timers, &branch->rest);
    if (status == TR_OK)
        status = open_watch(branch);
    if (status == TR_OK)
        return status;
    tri_timer_let_go(&branch->dealer.net->worker->timers, &branch->rest);
    tri_close(branch->fd);
    return status;
}

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    struct branch *branch = state;
    tri_actor_host(self);
    branch->dealer.actor = self;
    branch->dealer.net = tri_net_of(tri_actor_worker(self));
    branch->bound = (struct tri_bound *)argument;
    branch->listener = tr_parent(self);
    tr_status status = begin(branch);
    if (status != TR_OK) {
        free(branch->over);
        return status;
    }
    tri_trace_listener_open(&branch->dealer, branch->bound->address.port);
    look(branch);
    return TR_OK;
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    if (message->tag == TRI_TAG_LISTENER_LOOK)
        look(state);
}

static void
stopped(tr_actor *self, void *state)
{
    (void)self;
    let_go(state);
}

/* It ends with its bound, unless it is killed. */
static bool
stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    if (how != TR_STOP_KILL)
        return false;
    stopped(self, state);
    return true;
}

static const struct tr_behavior branch_behavior = {
    .name = "acceptor",
    .state_size = sizeof(struct branch),
    .init = init,
    .receive = receive,
    .stopping = stopping,
    .stopped = stopped,
};

/* For the listener. */

static void
rang(struct tri_word *word)
{
    struct tri_branch_ring *ring = TRI_CONTAINER_OF(word, struct tri_branch_ring, word);
    ring->rings = false;
    if (ring->is_forgotten)
        free(ring);
}

static void
ring_branch(struct tri_listener *listener, const struct tri_branch_entry *entry)
{
    struct tri_branch_ring *ring = entry->ring;
    if (ring->rings)
        return;
    ring->rings = true;
    ring->word.done = rang;
    tri_word_send(listener->dealer.net->worker, &ring->word, TR_NOBODY, entry->ref,
                  tr_message_signal(TRI_TAG_LISTENER_LOOK));
}

static void
forget(struct tri_branch_entry *entry)
{
    struct tri_branch_ring *ring = entry->ring;
    *entry = (struct tri_branch_entry){0};
    ring->is_forgotten = true;
    if (!ring->rings)
        free(ring);
}

/* The branch's hold on the bound is given back by itself when it is over, and here if it was never born. */
static tr_status
spawn_branch(struct tri_listener *listener, unsigned worker)
{
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = worker, .argument = listener->bound};
    struct tri_branch_entry *entry = &listener->branches[worker];
    entry->ring = calloc(1, sizeof(*entry->ring));
    if (entry->ring == NULL)
        return TR_ENOMEM;
    tri_bound_hold(listener->bound);
    tr_status status = tr_spawn(listener->dealer.actor, &branch_behavior, &options, &entry->ref);
    if (status == TR_OK)
        return TR_OK;
    tri_bound_release(listener->bound);
    free(entry->ring);
    *entry = (struct tri_branch_entry){0};
    return status;
}

tr_status
tri_branches_update(struct tri_listener *listener)
{
    tr_status status = TR_OK;
    unsigned workers = listener->dealer.net->worker->runtime->count;
    for (unsigned worker = 0; worker < workers; worker++) {
        struct tri_branch_entry *entry = &listener->branches[worker];
        if (entry->ref != TR_NOBODY)
            ring_branch(listener, entry);
        else if (listener->takers[worker] != NULL && status == TR_OK)
            status = spawn_branch(listener, worker);
    }
    return status;
}

bool
tri_branch_ended(struct tri_listener *listener, tr_ref branch, bool was_born)
{
    struct tri_branch_entry *entry = &listener->branches[tr_ref_worker(branch)];
    if (entry->ref != branch)
        return false;
    forget(entry);
    if (!was_born)
        tri_bound_release(listener->bound);
    return true;
}

bool
tri_branches_are_over(const struct tri_listener *listener)
{
    unsigned workers = listener->dealer.net->worker->runtime->count;
    for (unsigned worker = 0; worker < workers; worker++)
        if (listener->branches[worker].ref != TR_NOBODY)
            return false;
    return true;
}

void
tri_branches_forget(struct tri_listener *listener)
{
    unsigned workers = listener->dealer.net->worker->runtime->count;
    for (unsigned worker = 0; worker < workers; worker++) {
        if (listener->branches[worker].ref == TR_NOBODY)
            continue;
        ring_branch(listener, &listener->branches[worker]);
        forget(&listener->branches[worker]);
    }
}
