/*
 * Listeners: an actor for each bound address, which accepts and deals out.
 *
 *   accepting --descriptors or memory run out--> starved --a timer's try succeeds--> accepting
 *       |                                            also: all loops are too far behind
 *       |
 *       +-- no server wants any now: all are paused, or none is left; then it closes the descriptor and ends
 *
 * It lives on the worker of the server that came first, and stays there when that goes. libuv cannot accept for another
 * loop, so the descriptor is polled and accepted from by ourselves: at most ACCEPTS_PER_WAKE at a time, so that a storm
 * of connections does not starve those that are here. What an error of accept() means is in verdict.c. A descriptor
 * that does not listen any more closes the servers.
 *
 * When the process is out of descriptors the waiting connection cannot be taken, and the descriptor would stay
 * readable: polling on would spin. So the listener waits and tries again every RETRY_MS, while established connections
 * go on; its servers are told.
 *
 * A connection may begin within the loop that accepts (dealing.c), and its callback may do anything: close the server,
 * pause it, let another one listen in its place. So the loop looks before each step whether connections are wanted.
 *
 * Closing is in order: the file first, since the open socket is what makes sure that the file is ours (unix_path.c);
 * then the poll handle, since the loop must forget the descriptor before it goes; then the descriptor. The memory of
 * the handle follows when libuv has let go of it.
 */
#include "listener.h"

#include "bind.h"
#include "channel.h"
#include "opening.h"
#include "verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/descriptors.h>
#include <troupe/core/refcount.h>
#include <troupe/core/status_from.h>

#define ACCEPTS_PER_WAKE 16
#define RETRY_MS 50
#define OVERLOAD_MS 10

/* Whatever runs is between these two; a callback in there may do anything, even kill the listener. */
static struct tri_actor_frame enter(struct tri_listener *listener, uint32_t tag);
static void leave(struct tri_listener *listener, struct tri_actor_frame frame);

/* Servers. */

/* What a server is told: by a call if it may be, else by message. That may be lost for lack of memory; it comes again
 * with the next failure. */
static void
tell_failed(struct tri_listener *listener, const struct tri_deal *deal, const struct tri_listen_failure *failure)
{
    struct tri_worker *worker = listener->dealer.net->worker;
    tr_actor *server = tri_actor_reach(worker, deal->server, deal->calls->behavior);
    if (server != NULL && !listener->killed) { /* who kills it may be the server, in a callback */
        deal->calls->failed(tr_state(server), tr_self(listener->dealer.actor), failure);
        return;
    }
    tr_message message = tr_message_copy(TRI_TAG_LISTENER_FAILED, failure, sizeof(*failure));
    tri_send_system(worker, listener->dealer.actor, deal->server, &message);
}

/* A callback may make any of them leave, or come. So each is told that was there at the beginning, and still is. */
static void
tell_all_failed(struct tri_listener *listener, struct tri_listen_failure failure)
{
    unsigned workers = listener->dealer.net->worker->runtime->count;
    for (unsigned worker = 0; worker < workers; worker++) {
        const struct tri_deal *deal = listener->takers[worker];
        bool was_told = false;
        for (unsigned before = 0; before < worker; before++)
            was_told = was_told || listener->takers[before] == deal;
        if (deal != NULL && !was_told)
            tell_failed(listener, deal, &failure);
    }
}

static struct tri_listen_failure
failure_of(int error, bool for_good)
{
    return (struct tri_listen_failure){.status = tri_status_from_errno(error), .system = error, .for_good = for_good};
}

/* A destructor. At the runtime's end, on a thread that is no worker, its deal may be gone already, as its server is. */
static void
drop_member(void *address)
{
    if (tri_worker_current() != NULL)
        tri_member_release(address);
    else
        free(address);
}

/* The member is its server's again. */
static void
give_back(struct tri_listener *listener, struct tri_member *member)
{
    struct tri_worker *worker = listener->dealer.net->worker;
    tr_ref server = member->deal->server;
    tr_actor *actor = tri_actor_reach(worker, server, member->deal->calls->behavior);
    if (actor != NULL) {
        member->deal->calls->left(tr_state(actor), member);
        return;
    }
    tri_word_send(worker, &member->left, tr_self(listener->dealer.actor), server,
                  tr_message_pointer(TRI_TAG_LISTENER_LEFT, member, sizeof(*member), drop_member));
}

/* The descriptor. */

static struct tri_watch *
watch_of(void *poll)
{
    return TRI_CONTAINER_OF(poll, struct tri_watch, poll);
}

static void
on_watch_closed(uv_handle_t *handle)
{
    free(watch_of(handle));
}

static void
close_descriptor(struct tri_listener *listener)
{
    struct tri_opened *opened = &listener->bound->opened;
    if (listener->watch == NULL)
        return;
    tri_timer_let_go(&listener->dealer.net->worker->timers, &listener->retry);
    tri_net_disclaim(listener->dealer.net, opened->fd);
    tri_opened_unlink(opened);
    uv_close((uv_handle_t *)&listener->watch->poll, on_watch_closed);
    listener->watch = NULL;
    listener->polled = false;
    tri_opened_close(opened);
    tri_trace_listener_close(&listener->dealer);
}

static void on_readable(uv_poll_t *poll, int status, int events);
static void on_retry(struct tri_timer *timer);

/* Accepts nothing for a moment. Without memory for the timer there is nothing left but to go on polling. */
static void
stand_still(struct tri_listener *listener, unsigned for_ms, tr_status why)
{
    listener->retry.fire = on_retry;
    listener->starved = tri_timer_start(&listener->dealer.net->worker->timers, &listener->retry, for_ms) == TR_OK;
    if (listener->starved)
        tri_trace_listener_paused(&listener->dealer, why);
}

/* Waits for connections or not, as its servers want it. */
static void
poll_as_wanted(struct tri_listener *listener)
{
    if (listener->watch == NULL || listener->branches != NULL)
        return;
    enum tri_demand demand = listener->starved ? TRI_DEMAND_NONE : tri_listener_demand(listener);
    if (demand == TRI_DEMAND_LATER)
        stand_still(listener, OVERLOAD_MS, TR_EBUSY);
    bool wanted = demand == TRI_DEMAND_NOW || (demand == TRI_DEMAND_LATER && !listener->starved);
    if (wanted == listener->polled)
        return;
    listener->polled = wanted;
    if (wanted)
        uv_poll_start(&listener->watch->poll, UV_READABLE, on_readable);
    else
        uv_poll_stop(&listener->watch->poll);
}

/* Members. */

/* The topmost of each row, for each of its workers; under the lock. true: there is any. */
static bool
see_members(struct tri_listener *listener)
{
    unsigned workers = listener->dealer.net->worker->runtime->count;
    memset(listener->takers, 0, workers * sizeof(struct tri_deal *));
    for (struct tri_member *member = listener->bound->members; member != NULL; member = member->next) {
        if (member->above != NULL)
            continue;
        for (unsigned worker = 0; worker < workers; worker++)
            if (member->deal->places[worker].wanted)
                listener->takers[worker] = member->deal;
        listener->balance = tri_deal_balance(member->deal); /* the same for all that share the address */
    }
    listener->seen = listener->bound->changes;
    return listener->bound->members != NULL;
}

static void
give_all_back(struct tri_listener *listener)
{
    struct tri_member *leavers = listener->leavers, *next;
    listener->leavers = NULL;
    for (; leavers != NULL; leavers = next) {
        next = leavers->next;
        give_back(listener, leavers);
    }
}

static void on_retry_of_branches(struct tri_timer *timer);

/* One could not be made. The timer is kept: it is sure to start. */
static void
await_branches(struct tri_listener *listener)
{
    listener->retry.fire = on_retry_of_branches;
    tri_timer_stop(&listener->dealer.net->worker->timers, &listener->retry);
    tri_timer_start(&listener->dealer.net->worker->timers, &listener->retry, RETRY_MS);
}

/* A runtime that stops makes none, and its servers are about to close. */
static bool
has_branches(tr_status status)
{
    return status == TR_OK || status == TR_ESTOPPING;
}

static void
update_branches(struct tri_listener *listener)
{
    if (!has_branches(tri_branches_update(listener)))
        await_branches(listener);
}

/* Servers are told of what failed again, or on another worker, and not within their own calls. */
static void
hear_no_branch(struct tri_listener *listener, tr_status status)
{
    if (has_branches(status) || listener->bound->over)
        return;
    await_branches(listener);
    tell_all_failed(listener, (struct tri_listen_failure){.status = status});
}

static void
on_retry_of_branches(struct tri_timer *timer)
{
    struct tri_listener *listener = TRI_CONTAINER_OF(timer, struct tri_listener, retry);
    struct tri_actor_frame frame = enter(listener, TRI_TAG_ON_ACCEPT);
    hear_no_branch(listener, tri_branches_update(listener));
    leave(listener, frame);
}

static void
add_leavers(struct tri_listener *listener, struct tri_member *leavers)
{
    struct tri_member **end = &listener->leavers;
    while (*end != NULL)
        end = &(*end)->next;
    *end = leavers;
}

/* The last server has left. Its close event says that the address is free: so it is the last to know. */
static void
finish(struct tri_listener *listener)
{
    if (listener->branches != NULL && !tri_branches_are_over(listener)) {
        tri_branches_update(listener);
        return;
    }
    close_descriptor(listener);
    give_all_back(listener);
    if (!listener->killed)
        tri_actor_end(listener->dealer.actor);
}

static void
look(struct tri_listener *listener)
{
    struct tri_bound *bound = listener->bound;
    tri_bound_lock(bound);
    add_leavers(listener, tri_bound_take_leavers(bound));
    bool any = see_members(listener);
    if (!any)
        tri_bound_end(bound);
    tri_bound_unlock(bound);
    if (!any) {
        finish(listener);
        return;
    }
    if (listener->branches != NULL)
        update_branches(listener);
    else
        poll_as_wanted(listener);
    give_all_back(listener);
}

/* Who has joined or left before a connection is accepted has done so for that one. */
static void
look_if_changed(struct tri_listener *listener)
{
    if (TRI_UNLIKELY(ck_pr_load_uint(&listener->bound->changes) != listener->seen))
        look(listener);
}

void
tri_listener_look(tr_actor *actor)
{
    struct tri_listener *listener = tr_state(actor);
    struct tri_actor_frame frame = enter(listener, TRI_TAG_LISTENER_LOOK);
    look(listener);
    leave(listener, frame);
}

/* Accepting. */

/* Takes one connection. false: there is none, or it is lost, and *error is the errno that says why. */
static bool
accept_one(struct tri_listener *listener, int *error)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_storage *peer = tri_listener_asks_peer(listener) ? &storage : NULL;
    const struct tri_opened *opened = &listener->bound->opened;
    bool dealt = opened->whose == TRI_OPENED_DEALT;
    uint64_t parcel = 0;
    int fd = dealt ? tri_lease_accept(opened->fd, peer, &parcel) : tri_accept(opened->fd, peer);
    if (fd < 0) {
        *error = -fd;
        return false;
    }
    if (dealt) {
        tri_deal_meter_up();
        tri_trace_cluster_take(listener->dealer.net->worker->trace, tr_self(listener->dealer.actor), parcel);
    }
    look_if_changed(listener);
    tri_listener_deal(listener, fd, (const struct sockaddr *)peer);
    return true;
}

static bool
goes_on(struct tri_listener *listener)
{
    if (listener->watch != NULL)
        look_if_changed(listener);
    return listener->watch != NULL && !listener->starved && tri_listener_demand(listener) == TRI_DEMAND_NOW;
}

/* Returns 0, or the errno for which it is of no use to go on at once. */
static int
accept_some(struct tri_listener *listener)
{
    int error = 0;
    unsigned lost = 0;
    for (int i = 0; i < ACCEPTS_PER_WAKE && goes_on(listener); i++) {
        if (accept_one(listener, &error))
            continue;
        enum tri_verdict verdict = tri_verdict(TRI_ON_ACCEPT, error);
        if (verdict == TRI_WAIT)
            return 0;
        if (verdict == TRI_SHORT || verdict == TRI_BROKEN)
            return error;
        lost++; /* the next may be well */
    }
    return lost == ACCEPTS_PER_WAKE ? error : 0; /* none of so many: something takes them all */
}

/* Accepting has come to a halt. The user may do anything in the error event. */
static void
halt(struct tri_listener *listener, int error)
{
    bool broken = tri_verdict(TRI_ON_ACCEPT, error) == TRI_BROKEN;
    if (!broken)
        stand_still(listener, RETRY_MS, tri_status_from_errno(error));
    tell_all_failed(listener, failure_of(error, broken));
}

static void
accept_and_poll(struct tri_listener *listener)
{
    int error = accept_some(listener);
    if (error != 0 && listener->watch != NULL)
        halt(listener, error);
    poll_as_wanted(listener);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
    struct tri_listener *listener = watch_of(poll)->listener;
    (void)events;
    if (status < 0)
        listener->polled = false; /* libuv has stopped; the error shows in accept4() */
    struct tri_actor_frame frame = enter(listener, TRI_TAG_ON_ACCEPT);
    if (tri_runtime_phase(listener->dealer.net->worker->runtime) == TRI_RUNNING) {
        accept_and_poll(listener);
    } else if (listener->polled) { /* its servers are about to close */
        listener->polled = false;
        uv_poll_stop(poll);
    }
    leave(listener, frame);
}

static void
on_retry(struct tri_timer *timer)
{
    struct tri_listener *listener = TRI_CONTAINER_OF(timer, struct tri_listener, retry);
    struct tri_actor_frame frame = enter(listener, TRI_TAG_ON_ACCEPT);
    listener->starved = false;
    if (tri_runtime_phase(listener->dealer.net->worker->runtime) == TRI_RUNNING)
        accept_and_poll(listener);
    if (!listener->starved && listener->watch != NULL)
        tri_trace_listener_resumed(&listener->dealer);
    leave(listener, frame);
}

/* The actor. */

static int
take_descriptor(tr_message *message)
{
    return (int)(intptr_t)tr_message_take_pointer(message) - 1;
}

/* One that somebody has killed gets a successor. */
static void
branch_over(struct tri_listener *listener, tr_ref branch)
{
    if (!tri_branch_ended(listener, branch, true))
        return;
    if (listener->bound->over)
        finish(listener);
    else
        update_branches(listener);
}

static void
branch_failed(struct tri_listener *listener, const struct tr_spawn_failed *failed)
{
    if (!tri_branch_ended(listener, failed->actor, false))
        return;
    if (listener->bound->over)
        finish(listener);
    else
        hear_no_branch(listener, failed->status);
}

/* What its branches, its servers, and what has not begun want of it. */
static void
obey(struct tri_listener *listener, tr_message *message)
{
    switch (message->tag) {
    case TRI_TAG_LISTENER_LOOK: look(listener); break;
    case TRI_TAG_LISTENER_BACK:
        look_if_changed(listener);
        tri_listener_deal_again(listener, tr_message_take_pointer(message));
        break;
    case TRI_TAG_LISTENER_ACCEPTED:
        look_if_changed(listener);
        tri_listener_deal_forwarded(listener, take_descriptor(message));
        break;
    case TRI_TAG_LISTENER_FAILED:
        tell_all_failed(listener, *(const struct tri_listen_failure *)tr_message_data(message));
        break;
    case TRI_TAG_LISTENER_OVER: branch_over(listener, message->from); break;
    case TR_TAG_SPAWN_FAILED: branch_failed(listener, tr_message_data(message)); break;
    }
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    struct tri_listener *listener = state;
    struct tri_actor_frame frame = enter(listener, message->tag);
    (void)self;
    obey(listener, message);
    leave(listener, frame);
}

static tr_status
open_watch(struct tri_listener *listener)
{
    struct tri_net *net = listener->dealer.net;
    int fd = listener->bound->opened.fd;
    tr_status status = tri_net_claim(net, fd);
    if (status != TR_OK)
        return status;
    listener->watch = malloc(sizeof(*listener->watch));
    int error = listener->watch != NULL ? uv_poll_init(&net->worker->loop, &listener->watch->poll, fd) : UV_ENOMEM;
    if (error == 0) {
        listener->watch->listener = listener;
        return TR_OK;
    }
    tri_net_disclaim(net, fd);
    free(listener->watch);
    listener->watch = NULL;
    return tri_status_from_uv(error);
}

static void
free_arrays(struct tri_listener *listener)
{
    free(listener->takers);
    free(listener->loads);
    free(listener->behind_ms);
    free(listener->branches);
}

static tr_status
make_arrays(struct tri_listener *listener)
{
    unsigned workers = listener->dealer.net->worker->runtime->count;
    bool accepts_itself = listener->bound->terms.accept == TR_ACCEPT_HANDOFF ||
                          listener->bound->opened.whose == TRI_OPENED_DEALT; /* the parent of a cluster deals */
    listener->takers = calloc(workers, sizeof(struct tri_deal *));
    listener->loads = calloc(workers, sizeof(*listener->loads));
    listener->behind_ms = calloc(workers, sizeof(*listener->behind_ms));
    listener->branches = accepts_itself ? NULL : calloc(workers, sizeof(*listener->branches));
    bool has_all = listener->takers != NULL && listener->loads != NULL && listener->behind_ms != NULL &&
                   (accepts_itself || listener->branches != NULL);
    return has_all ? TR_OK : TR_ENOMEM;
}

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    struct tri_listener *listener = state;
    tri_actor_host(self);
    listener->dealer.actor = self;
    listener->dealer.net = tri_net_of(tri_actor_worker(self));
    listener->bound = (struct tri_bound *)argument;
    listener->balance = listener->bound->terms.balance;
    if (listener->dealer.net == NULL)
        return TR_ENOMEM;
    tr_status status = make_arrays(listener);
    if (status == TR_OK && listener->branches != NULL)
        status = tri_timer_keep(&listener->dealer.net->worker->timers, &listener->retry);
    if (status == TR_OK)
        status = open_watch(listener);
    if (status == TR_OK) {
        tri_trace_listener_open(&listener->dealer, listener->bound->address.port);
        return TR_OK;
    }
    tri_timer_let_go(&listener->dealer.net->worker->timers, &listener->retry);
    free_arrays(listener);
    return status;
}

/* Nobody can join any more, and those that are there leave when they hear of it. */
static void
let_go(struct tri_listener *listener)
{
    struct tri_bound *bound = listener->bound;
    close_descriptor(listener);
    add_leavers(listener, tri_bound_listener_ends(bound));
    if (listener->branches != NULL)
        tri_branches_forget(listener);
    give_all_back(listener);
    free_arrays(listener);
    tri_bound_release(bound);
}

static struct tri_actor_frame
enter(struct tri_listener *listener, uint32_t tag)
{
    listener->inside++;
    return tri_actor_enter(listener->dealer.actor, tag);
}

static void
leave(struct tri_listener *listener, struct tri_actor_frame frame)
{
    tr_actor *actor = listener->dealer.actor;
    if (--listener->inside == 0 && listener->killed) {
        let_go(listener);
        tri_actor_end(actor);
    }
    tri_actor_leave(actor, frame);
}

static void
stopped(tr_actor *self, void *state)
{
    (void)self;
    let_go(state);
}

static void
said_last(struct tri_word *word)
{
    tri_member_release(TRI_CONTAINER_OF(word, struct tri_member, last));
}

/* The last word that its server hears of it: it has its memory, since no other would follow. */
static void
say_last(struct tri_listener *listener, struct tri_member *member)
{
    const struct tri_listen_failure failure = failure_of(ECANCELED, true);
    tri_refcount_hold(&member->holds);
    member->last.done = said_last;
    tri_word_send(listener->dealer.net->worker, &member->last, tr_self(listener->dealer.actor), member->deal->server,
                  tr_message_copy(TRI_TAG_LISTENER_FAILED, &failure, sizeof(failure)));
}

/* Nobody joins any more, and all that have are told, also those that it has not seen yet. */
static void
end_bound(struct tri_listener *listener)
{
    struct tri_bound *bound = listener->bound;
    tri_bound_lock(bound);
    tri_bound_end(bound);
    if (tri_runtime_phase(listener->dealer.net->worker->runtime) == TRI_RUNNING)
        for (struct tri_member *member = bound->members; member != NULL; member = member->next)
            say_last(listener, member);
    tri_bound_unlock(bound);
}

/* It ends with its last server, unless it is killed. */
static bool
stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    struct tri_listener *listener = state;
    (void)self;
    if (how != TR_STOP_KILL)
        return false;
    listener->killed = true;
    end_bound(listener);
    close_descriptor(listener);
    if (listener->inside > 0)
        return false;
    let_go(listener);
    return true;
}

const struct tr_behavior tri_listener_behavior = {
    .name = "listener",
    .state_size = sizeof(struct tri_listener),
    .init = init,
    .receive = receive,
    .stopping = stopping,
    .stopped = stopped,
};

tr_status
tri_listener_spawn(struct tri_net *net, struct tri_bound *bound, tr_ref *out)
{
    tr_actor *actor;
    tr_status status = tri_actor_spawn_here(net->worker, NULL, &tri_listener_behavior, bound, &actor);
    if (status == TR_OK)
        *out = tr_self(actor);
    return status;
}
