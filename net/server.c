/*
 * Servers: a bound address, and what becomes of its connections.
 *
 *   idle --listen--> [looking up] --> listening --close--> closing --last connection ended--> `close`
 *     ^                   |               (again: another close event, as in Node)              |
 *     +----- `error` -----+                                                                     |
 *     +------------------------------- with options.keep, or listening again -------------------+--> the actor ends
 *
 * Events are given after the call that caused them has returned: calls note what is due, and settle() gives it, at the
 * end of the server's own callback that runs or else from the worker's list of later work. The order is listening,
 * error, close.
 *
 * All handles of libuv lie in memory of their own (listener.c, listen.c), so the actor can end at any time: let_go()
 * is the only way out, and it may be gone twice.
 */
#include "server_internal.h"

#include <ck_pr.h>
#include <stdlib.h>
#include <troupe/actors/send.h>
#include <unistd.h>

#define COMPLAIN_MS 1000u
#define KEEP_ALIVE_LIMIT_MS 32767000u

static const struct tr_server_events no_events;

/* How many connections there are. */

static uint32_t
load_of(const tr_server *server, unsigned worker)
{
    return (uint32_t)(server->dealt[worker] - ck_pr_load_64(&server->deal->ends[worker].left));
}

static uint32_t
count_connections(const tr_server *server)
{
    uint32_t sum = 0;
    for (unsigned worker = 0; worker < server->deal->workers; worker++)
        sum += load_of(server, worker);
    return sum;
}

/* Are the last events of all connections over? */
static bool
is_drained(const tr_server *server)
{
    for (unsigned worker = 0; worker < server->deal->workers; worker++) {
        struct tri_deal_ends *ends = &server->deal->ends[worker];
        if (ck_pr_load_64(&ends->ended) != server->dealt[worker])
            return false;
        ck_pr_fence_acquire(); /* E2: what it did came before; pairs with E1 in tri_share_ended() */
        TRI_ACQUIRE(&ends->ended);
    }
    return true;
}

/* Dealing out. */

static bool
takes_connections(const tr_server *server, unsigned worker)
{
    return worker < server->deal->workers &&
           (worker == server->net->worker->index || server->shares[worker] != TR_NOBODY);
}

static unsigned
choose(tr_server *server)
{
    const struct tr_server_options *options = &server->deal->options;
    struct tr_balance_view view = {.workers = server->deal->workers,
                                   .loads = server->loads,
                                   .home = server->net->worker->index,
                                   .sequence = server->sequence};
    for (unsigned worker = 0; worker < view.workers; worker++)
        server->loads[worker] = load_of(server, worker);
    unsigned chosen = options->balance != NULL ? options->balance(&view) : tr_balance_least_loaded(&view);
    return takes_connections(server, chosen) ? chosen : view.home;
}

static bool
send_descriptor(tr_server *server, unsigned worker, int fd)
{
    tr_message message = tri_share_message(fd);
    if (tri_send_system(server->net->worker, server->actor, server->shares[worker], &message) == TR_OK)
        return true;
    tr_message_drop(&message); /* closes it */
    return false;
}

void
tri_server_deal(tr_server *server, int fd)
{
    if (server->max_connections > 0 && count_connections(server) >= server->max_connections) {
        tri_server_trace(server, TRI_TRACE_NET_server_reject, 0, server->max_connections);
        close(fd);
        return;
    }
    unsigned worker = choose(server);
    server->sequence++;
    server->dealt[worker]++;
    tri_server_trace(server, TRI_TRACE_NET_server_accept, worker, server->loads[worker]);
    if (worker == server->net->worker->index)
        tri_share_accept(server->share, server->actor, fd);
    else if (!send_descriptor(server, worker, fd))
        server->dealt[worker]--;
}

/* Callbacks, and what is due after them. */

static void
emit_close(tr_server *server)
{
    tri_server_trace(server, TRI_TRACE_NET_server_close, 0, 0);
    if (server->events->close != NULL)
        server->events->close(server);
}

static void
emit_error(tr_server *server)
{
    tri_server_trace(server, TRI_TRACE_NET_server_error, (uint32_t)server->error.status, 0);
    if (server->events->error != NULL)
        server->events->error(server, &server->error);
}

static void
emit_what_is_due(tr_server *server)
{
    uint32_t flags = server->flags;
    server->flags &= ~(uint32_t)(TRI_SERVER_LISTENING_DUE | TRI_SERVER_ERROR_DUE);
    if ((flags & TRI_SERVER_LISTENING_DUE) && server->listener != NULL && server->events->listening != NULL)
        server->events->listening(server);
    if (flags & TRI_SERVER_ERROR_DUE)
        emit_error(server);
}

/* After its close event the server ends, unless it is to be kept or listens again. */
static bool
ends_now(const tr_server *server)
{
    return ((server->flags & TRI_SERVER_ENDING) || !server->deal->options.keep) && server->listener == NULL &&
           server->lookup == NULL && server->closes_due == 0;
}

static void
emit_closes(tr_server *server)
{
    if (server->closes_due == 0)
        return;
    for (uint32_t due = server->closes_due; due > 0; due--) {
        server->closes_due--;
        emit_close(server);
    }
    if (ends_now(server))
        tr_exit(server->actor);
}

/* Closed, and no connection is left: the close event is due. */
static void
check_drained(tr_server *server)
{
    if ((server->flags & TRI_SERVER_CLOSING) == 0)
        return;
    ck_pr_store_uint(&server->deal->closing, 1);
    ck_pr_fence_memory(); /* D2: closing before ended; pairs with D1 in tri_share_ended() */
    if (!is_drained(server))
        return;
    server->flags &= ~(uint32_t)TRI_SERVER_CLOSING;
    ck_pr_store_uint(&server->deal->closing, 0);
    server->closes_due++;
    tri_server_due(server);
}

static void
settle(tr_server *server)
{
    emit_what_is_due(server);
    emit_closes(server);
    server->flags &= ~(uint32_t)TRI_SERVER_INSIDE;
}

struct tri_actor_frame
tri_server_enter(tr_server *server, uint32_t tag)
{
    assert((server->flags & TRI_SERVER_INSIDE) == 0);
    server->flags |= TRI_SERVER_INSIDE;
    return tri_actor_enter(server->actor, tag);
}

void
tri_server_leave(tr_server *server, struct tri_actor_frame frame)
{
    settle(server);
    tri_actor_leave(server->actor, frame);
}

static void
run_later(struct tri_later *later)
{
    tr_server *server = (tr_server *)((char *)later - offsetof(tr_server, later));
    struct tri_actor_frame frame = tri_server_enter(server, TRI_TAG_ON_LATER);
    tri_server_leave(server, frame);
}

void
tri_server_due(tr_server *server)
{
    if ((server->flags & TRI_SERVER_INSIDE) == 0)
        tri_later_add(server->net, &server->later, run_later);
}

/* Listening. */

/* The thread outside goes on. The waiter is its own, so it is not touched afterwards. */
static void
tell_waiter(tr_server *server, tr_status status)
{
    struct tri_listen_waiter *waiter = server->waiter;
    if (waiter == NULL)
        return;
    server->waiter = NULL;
    uv_mutex_lock(&waiter->lock);
    waiter->over = true;
    waiter->status = status;
    waiter->address = server->address;
    uv_cond_signal(&waiter->changed);
    uv_mutex_unlock(&waiter->lock);
}

void
tri_server_complain(tr_server *server, int error)
{
    uint64_t now_ms = uv_now(&server->net->worker->loop);
    if (server->error_reported_ms != 0 && now_ms - server->error_reported_ms < COMPLAIN_MS)
        return;
    server->error_reported_ms = now_ms;
    server->error = (struct tr_error){.status = tri_status_from_errno(error), .system = error, .call = "accept"};
    emit_error(server);
}

/* Shares on all other workers, once. A worker that cannot have one gets no connections. */
static void
spawn_shares(tr_server *server)
{
    if (server->flags & TRI_SERVER_SHARED)
        return;
    server->flags |= TRI_SERVER_SHARED;
    for (unsigned worker = 0; worker < server->deal->workers; worker++) {
        if (worker == server->net->worker->index)
            continue;
        struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = worker, .argument = server->deal};
        tri_deal_hold(server->deal); /* the share's */
        if (tr_spawn(server->actor, &tri_share_behavior, &options, &server->shares[worker]) != TR_OK) {
            server->shares[worker] = TR_NOBODY;
            tri_deal_release(server->deal);
        }
    }
}

void
tri_server_failed(tr_server *server, const struct tr_error *error)
{
    server->error = *error;
    if (server->waiter != NULL) {
        tell_waiter(server, error->status);
        tr_exit(server->actor);
        return;
    }
    server->flags |= TRI_SERVER_ERROR_DUE;
    tri_server_due(server);
}

static void
read_address(tr_server *server, int fd)
{
    struct sockaddr_storage storage = {0};
    socklen_t size = sizeof(storage);
    getsockname(fd, (struct sockaddr *)&storage, &size);
    tri_address_from((const struct sockaddr *)&storage, &server->address);
}

void
tri_server_opened(tr_server *server, int fd)
{
    server->listener = tri_listener_open(server, fd);
    if (server->listener == NULL) {
        close(fd);
        tri_server_failed(server, &(struct tr_error){.status = TR_ENOMEM, .call = "listen"});
        return;
    }
    read_address(server, fd);
    spawn_shares(server);
    tri_server_trace(server, TRI_TRACE_NET_server_listening, server->address.port, 0);
    tell_waiter(server, TR_OK);
    server->flags |= TRI_SERVER_LISTENING_DUE;
    tri_server_due(server);
}

tr_status
tr_server_listen(tr_server *server, const struct tr_listen_options *options)
{
    if (server == NULL || options == NULL)
        return TR_EINVAL;
    tri_server_check(server);
    tr_status status = tri_listen_check(options);
    if (status != TR_OK)
        return status;
    if (server->listener != NULL || server->lookup != NULL)
        return TR_EALREADYLISTENING;
    server->flags &= ~(uint32_t)TRI_SERVER_CLOSING; /* as in Node: a close that still waited for connections is void */
    ck_pr_store_uint(&server->deal->closing, 0);
    return tri_listen_begin(server, options);
}

/* Closing. */

static void
stop_listening(tr_server *server)
{
    tri_listen_forget(server);
    if (server->listener == NULL)
        return;
    tri_listener_close(server->listener);
    server->listener = NULL;
    server->address = (struct tr_address){0};
}

void
tri_server_shut(tr_server *server)
{
    stop_listening(server);
    server->flags |= TRI_SERVER_CLOSING;
    check_drained(server);
}

tr_status
tr_server_close(tr_server *server)
{
    if (server == NULL)
        return TR_EINVAL;
    tri_server_check(server);
    bool was_open = server->listener != NULL || server->lookup != NULL;
    tri_server_shut(server);
    return was_open ? TR_OK : TR_ENOTLISTENING;
}

/* The shares may go: nothing more comes to them. */
static void
dismiss_shares(tr_server *server)
{
    for (unsigned worker = 0; worker < server->deal->workers; worker++) {
        if (server->shares[worker] == TR_NOBODY)
            continue;
        tr_message message = tr_message_signal(TRI_TAG_DEAL_NO_MORE);
        tri_send_system(server->net->worker, NULL, server->shares[worker], &message);
        server->shares[worker] = TR_NOBODY;
    }
}

static void
free_arrays(tr_server *server)
{
    free(server->dealt);
    free(server->loads);
    free(server->shares);
}

static void
let_go(tr_server *server)
{
    if (server->flags & TRI_SERVER_GONE)
        return;
    server->flags |= TRI_SERVER_GONE;
    stop_listening(server);
    tell_waiter(server, TR_ESTOPPING);
    dismiss_shares(server);
    tri_share_close(server->share);
    tri_later_remove(server->net, &server->later);
    ck_pr_store_uint(&server->deal->closing, 0);
    tri_deal_release(server->deal);
    free_arrays(server);
}

static void
stopped(tr_actor *self, void *state)
{
    (void)self;
    let_go(state);
}

/* true: there is nothing to wait for, not even a close event. */
static bool
is_idle(const tr_server *server)
{
    return server->listener == NULL && server->lookup == NULL && (server->flags & TRI_SERVER_CLOSING) == 0 &&
           server->closes_due == 0;
}

static bool
stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    tr_server *server = state;
    (void)self;
    server->flags |= TRI_SERVER_ENDING;
    if (how == TR_STOP_KILL) {
        let_go(server);
        return true;
    }
    if (is_idle(server))
        return true;
    if (server->closes_due == 0)
        tri_server_shut(server);
    if (how == TR_STOP_NOW && (server->flags & TRI_SERVER_CLOSING)) { /* connections are not waited for */
        server->flags &= ~(uint32_t)TRI_SERVER_CLOSING;
        server->closes_due++;
        tri_server_due(server);
    }
    return false;
}

/* Messages. */

/* A share was not born: what was sent there is lost, and no more is. */
static void
share_failed(tr_server *server, const tr_message *message)
{
    const struct tr_spawn_failed *failed = tr_message_data(message);
    unsigned worker = tr_ref_worker(failed->actor);
    if (server->shares[worker] != failed->actor)
        return;
    server->shares[worker] = TR_NOBODY;
    server->dealt[worker] = 0;
    tri_deal_release(server->deal); /* the hold that it was to take */
    check_drained(server);
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    tr_server *server = state;
    (void)self;
    server->flags |= TRI_SERVER_INSIDE;
    switch (message->tag) {
    case TRI_TAG_DEAL_ENDED: check_drained(server); break;
    case TRI_TAG_DEAL_SHARE_STOPS: /* the runtime stops */
        if (server->listener != NULL || server->lookup != NULL)
            tri_server_shut(server);
        dismiss_shares(server);
        break;
    case TR_TAG_SPAWN_FAILED: share_failed(server, message); break;
    default:
        if (message->tag >= TRI_TAG_NET)
            tri_remote_to_server(server, message);
        else if (server->events->message != NULL)
            server->events->message(server, message);
    }
    settle(server);
}

/* The beginning. */

static tr_status
make_parts(tr_server *server, const struct tr_server_options *options)
{
    unsigned workers = server->net->worker->runtime->count;
    server->dealt = calloc(workers, sizeof(*server->dealt));
    server->loads = calloc(workers, sizeof(*server->loads));
    server->shares = calloc(workers, sizeof(*server->shares));
    server->deal = tri_deal_new(server->net, tr_self(server->actor), options);
    if (server->dealt == NULL || server->loads == NULL || server->shares == NULL || server->deal == NULL)
        return TR_ENOMEM;
    tri_deal_hold(server->deal);
    server->share = tri_share_open(server->deal, server->net);
    if (server->share != NULL)
        return TR_OK;
    tri_deal_release(server->deal);
    return TR_ENOMEM;
}

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    tr_server *server = state;
    const struct tri_server_order *order = argument;
    server->actor = self;
    server->events = order->options->events != NULL ? order->options->events : &no_events;
    server->max_connections = order->options->max_connections;
    server->net = tri_net_of(tri_actor_worker(self));
    if (server->net == NULL)
        return TR_ENOMEM;
    tr_status status = make_parts(server, order->options);
    if (status != TR_OK) {
        if (server->deal != NULL)
            tri_deal_release(server->deal);
        free_arrays(server);
        return status;
    }
    if (order->listen == NULL)
        return TR_OK;
    server->waiter = order->waiter;
    status = tr_server_listen(server, order->listen);
    if (status == TR_OK && server->waiter == NULL && server->listener == NULL)
        status = server->error.status; /* it has failed already */
    if (status != TR_OK)
        let_go(server);
    return status;
}

static const struct tr_behavior behavior = {
    .name = "server",
    .state_size = sizeof(tr_server),
    .init = init,
    .receive = receive,
    .stopping = stopping,
    .stopped = stopped,
};

static tr_status
check_options(const struct tr_server_options *options)
{
    return options->keep_alive_delay_ms > KEEP_ALIVE_LIMIT_MS ? TR_EBADLIMIT : TR_OK;
}

tr_status
tr_server_spawn(tr_actor *self, const struct tr_server_options *options, tr_server **out)
{
    if (self == NULL || options == NULL || out == NULL)
        return TR_EINVAL;
    tr_status status = check_options(options);
    tr_actor *actor;
    struct tri_server_order order = {.options = options};
    if (status == TR_OK)
        status = tri_actor_spawn_here(tri_actor_worker(self), self, &behavior, &order, &actor);
    if (status == TR_OK)
        *out = tr_state(actor);
    return status;
}

/* From outside. */

static tr_status
wait_until_over(struct tri_listen_waiter *waiter)
{
    uv_mutex_lock(&waiter->lock);
    while (!waiter->over)
        uv_cond_wait(&waiter->changed, &waiter->lock);
    uv_mutex_unlock(&waiter->lock);
    return waiter->status;
}

tr_status
tr_runtime_listen(struct tr_runtime *runtime, const struct tr_server_options *server, const struct tr_listen_options *listen,
                  tr_ref *out, struct tr_address *bound)
{
    if (runtime == NULL || server == NULL || listen == NULL)
        return TR_EINVAL;
    tr_status status = check_options(server);
    if (status == TR_OK)
        status = tri_listen_check(listen);
    if (status != TR_OK)
        return status;

    struct tri_listen_waiter waiter = {.over = false};
    if (uv_mutex_init(&waiter.lock) != 0)
        return TR_ENOMEM;
    if (uv_cond_init(&waiter.changed) != 0) {
        uv_mutex_destroy(&waiter.lock);
        return TR_ENOMEM;
    }
    struct tri_server_order order = {.options = server, .listen = listen, .waiter = &waiter};
    struct tr_spawn_options spawn = {.placement = TR_PLACE_LEAST_LOADED, .argument = &order};
    tr_ref ref;
    status = tr_runtime_spawn(runtime, &behavior, &spawn, &ref);
    if (status == TR_OK)
        status = wait_until_over(&waiter);
    uv_cond_destroy(&waiter.changed);
    uv_mutex_destroy(&waiter.lock);
    if (status == TR_OK && out != NULL)
        *out = ref;
    if (status == TR_OK && bound != NULL)
        *bound = waiter.address;
    return status;
}

/* Looking. */

tr_status
tr_server_address(const tr_server *server, struct tr_address *out)
{
    if (server == NULL || out == NULL)
        return TR_EINVAL;
    *out = server->address;
    return server->listener != NULL ? TR_OK : TR_ENOTLISTENING;
}

bool
tr_server_listening(const tr_server *server)
{
    return server != NULL && server->listener != NULL;
}

uint32_t
tr_server_connections(const tr_server *server)
{
    return server != NULL ? count_connections(server) : 0;
}

void
tr_server_set_max_connections(tr_server *server, uint32_t max_connections)
{
    if (server != NULL)
        server->max_connections = max_connections;
}

unsigned
tr_server_dealt(const tr_server *server, uint64_t *counts, unsigned n)
{
    if (server == NULL)
        return 0;
    for (unsigned worker = 0; counts != NULL && worker < n && worker < server->deal->workers; worker++)
        counts[worker] = server->dealt[worker];
    return server->deal->workers;
}

void *
tr_server_data(const tr_server *server)
{
    return server != NULL ? server->deal->options.data : NULL;
}

tr_actor *
tr_server_actor(tr_server *server)
{
    return server != NULL ? server->actor : NULL;
}

tr_ref
tr_server_ref(const tr_server *server)
{
    return server != NULL ? tr_self(server->actor) : TR_NOBODY;
}
