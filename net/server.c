/*
 * Servers: what they listen on, and what becomes of their connections.
 *
 *   idle --listen--> [looking up] --> listening --close--> closing --last connection ended--> `close`
 *     ^                   |               (again: another close event, as in Node)              |
 *     +----- `error` -----+                                                                     |
 *     +------------------------------- with options.keep, or listening again -------------------+--> the actor ends
 *
 * Events are given after the call that caused them has returned: calls note what is due, and settle() gives it, at the
 * end of the server's own callback that runs or else from the worker's list of later work. Each failure and each close
 * is given, in the order in which they were caused; listening comes last, since whatever undoes it makes it void. A
 * close needs no memory, and so cannot be lost: closes are counted, and only errors are stored, each with the number of
 * closes that come before it. The error of a listening that fails at once has its memory before that begins.
 *
 * All handles of libuv lie in memory of their own (endpoint.c), so the actor can end at any time: let_go()
 * is the only way out, and it may be gone twice. A server that is killed in its own callback gives no event any more,
 * but its memory stays until settle(), since what called the callback still looks at it.
 */
#include "server_internal.h"

#include "server_orders.h"
#include "socket_internal.h"

#include <ck_pr.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/ipaddr/block_list.h>

#define COMPLAIN_MS 1000u

static const struct tr_server_events no_events;

/* Callbacks, and what is due after them. */

static void
emit_close(tr_server *server)
{
    tri_server_trace(server, TRI_TRACE_NET_server_close, 0, 0, 0);
    if (server->events->close != NULL)
        server->events->close(server);
}

static void
emit_error(tr_server *server, const struct tr_error *error)
{
    tri_server_trace(server, TRI_TRACE_NET_server_error, 0, (uint32_t)error->status, 0);
    if (server->events->error != NULL)
        server->events->error(server, error);
}

static struct tr_error
error_of(tr_status status, int system, const char *call)
{
    return (struct tr_error){.status = status, .system = system, .call = call, .code = tr_status_code(status)};
}

/* Clears a flag: was it set? */
static bool
take_due(tr_server *server, enum tri_server_flag flag)
{
    bool due = (server->flags & (uint32_t)flag) != 0;
    tri_server_clear(server, flag);
    return due;
}

/* After its close event the server ends, unless it is to be kept or has tried to listen again. */
static bool
ends_now(const tr_server *server)
{
    if ((server->flags & TRI_SERVER_ENDING) == 0 && (server->deal->options.keep || server->errors_due > 0))
        return false;
    return !tri_server_is_open(server) && server->closes_given == server->closes_caused;
}

static bool
is_due(const tr_server *server)
{
    return (server->flags & TRI_SERVER_LISTENING_DUE) != 0 || server->errors_due > 0 ||
           server->closes_given < server->closes_caused;
}

static void
give_error(tr_server *server)
{
    struct tr_error error = server->errors[0].error;
    server->errors_due--;
    memmove(server->errors, server->errors + 1, server->errors_due * sizeof(*server->errors));
    emit_error(server, &error);
}

static void
give_close(tr_server *server)
{
    server->closes_given++;
    emit_close(server);
    if ((server->flags & TRI_SERVER_GONE) == 0 && ends_now(server))
        tri_actor_end(server->actor);
}

/* Gives the errors and closes that were caused so far, in the order of their causes. */
static void
give_endings(tr_server *server)
{
    uint32_t errors = server->errors_due;
    uint64_t closes = server->closes_caused;
    while ((server->flags & TRI_SERVER_GONE) == 0) {
        if (errors > 0 && server->errors[0].after_closes <= server->closes_given) {
            errors--;
            give_error(server);
        } else if (server->closes_given < closes) {
            give_close(server);
        } else {
            return;
        }
    }
}

void
tri_server_complain(tr_server *server, tr_status status, int system)
{
    if (tri_clock_ms() < server->complain_ms)
        return;
    server->complain_ms = tri_clock_after(COMPLAIN_MS);
    struct tr_error complaint = error_of(status, system, "accept");
    emit_error(server, &complaint);
}

tr_status
tri_server_reserve_error(tr_server *server)
{
    if (server->errors_due < server->errors_room)
        return TR_OK;
    struct tri_server_error *larger = realloc(server->errors, (server->errors_room + 1) * sizeof(*larger));
    if (larger == NULL)
        return TR_ENOMEM;
    server->errors = larger;
    server->errors_room++;
    return TR_OK;
}

void
tri_server_failed(tr_server *server, tr_status status, int system, const char *call)
{
    server->outcome = status;
    if (server->waiter != NULL) {
        tri_server_tell_waiter(server, status);
        tri_actor_end(server->actor);
        return;
    }
    server->errors[server->errors_due++] =
        (struct tri_server_error){.error = error_of(status, system, call), .after_closes = server->closes_caused};
    tri_server_due(server);
}

void
tri_server_refused(tr_server *server, tr_status status, const char *call)
{
    struct tr_error error = error_of(status, 0, call);
    if (tri_server_reserve_error(server) != TR_OK) {
        emit_error(server, &error); /* out of turn, which is better than not at all */
        return;
    }
    server->errors[server->errors_due++] =
        (struct tri_server_error){.error = error, .after_closes = server->closes_caused};
    tri_server_due(server);
}

void
tri_server_count_live(tr_server *server)
{
    bool is = (server->flags & TRI_SERVER_LIVE) != 0;
    bool shall = (server->flags & (TRI_SERVER_GONE | TRI_SERVER_BACKGROUND)) == 0 &&
                 (tri_server_is_open(server) || is_due(server));
    if (is == shall)
        return;
    server->flags ^= TRI_SERVER_LIVE;
    tri_net_add_live(server->net, shall ? 1 : -1);
}

/* Closed, and no connection is left: the close event is due. */
static void
check_drained(tr_server *server)
{
    if ((server->flags & TRI_SERVER_CLOSING) == 0)
        return;
    tri_deal_await_ends(server->deal);
    if (!tri_server_is_drained(server))
        return;
    tri_server_clear(server, TRI_SERVER_CLOSING);
    ck_pr_store_uint(&server->deal->closing, 0);
    server->closes_caused++;
    tri_server_due(server);
}

static void
emit_what_is_due(tr_server *server)
{
    bool listening = take_due(server, TRI_SERVER_LISTENING_DUE);
    give_endings(server);
    if (listening && server->listener.endpoint != NULL && server->events->listening != NULL)
        server->events->listening(server);
}

static void run_later(struct tri_later *later);
static void free_parts(tr_server *server);

/* Gives what is due, and closes the bracket. What that makes due waits for the next turn. */
static void
settle(tr_server *server)
{
    if ((server->flags & TRI_SERVER_GONE) == 0)
        emit_what_is_due(server);
    tri_server_clear(server, TRI_SERVER_INSIDE);
    if (server->flags & TRI_SERVER_GONE) { /* it was killed meanwhile */
        free_parts(server);
        tri_actor_end(server->actor);
    } else {
        if (is_due(server))
            tri_later_add(server->net, &server->later, run_later);
        else if (server->flags & TRI_SERVER_LAST_WORDS)
            tri_actor_end(server->actor);
        tri_server_count_live(server);
    }
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
    tr_server *server = TRI_CONTAINER_OF(later, tr_server, later);
    struct tri_actor_frame frame = tri_server_enter(server, TRI_TAG_ON_LATER);
    tri_server_leave(server, frame);
}

void
tri_server_due(tr_server *server)
{
    if ((server->flags & TRI_SERVER_INSIDE) == 0)
        tri_later_add(server->net, &server->later, run_later);
}

/* Closing. */

static void
stop_listening(tr_server *server)
{
    tri_listen_forget(server);
    tri_listener_close(server);
    server->address = (struct tr_address){0};
}

void
tri_server_shut(tr_server *server)
{
    stop_listening(server);
    server->flags |= TRI_SERVER_CLOSING;
    check_drained(server);
    tri_server_count_live(server);
}

tr_status
tr_server_close(tr_server *server)
{
    TRI_CHECK_SERVER(server);
    if (server == NULL)
        return TR_EINVAL;
    bool was_open = tri_server_is_open(server);
    tri_server_shut(server);
    return was_open ? TR_OK : TR_ENOTLISTENING;
}

static void
free_arrays(tr_server *server)
{
    free(server->dealt);
    free(server->loads);
    free(server->shares);
    free(server->dismissals);
    free(server->errors);
}

static void
free_parts(tr_server *server)
{
    ck_pr_store_uint(&server->deal->closing, 0);
    tri_share_close(server->share);
    tri_deal_release(server->deal);
    tri_limits_fini(&server->limits);
    tr_block_list_release(server->block_list);
    free_arrays(server);
}

static void
let_go(tr_server *server)
{
    if (server->flags & TRI_SERVER_GONE)
        return;
    server->flags |= TRI_SERVER_GONE;
    stop_listening(server);
    tri_server_tell_waiter(server, TR_ESTOPPING);
    tri_server_dismiss_shares(server);
    tri_later_remove(server->net, &server->later);
    tri_server_count_live(server);
    if ((server->flags & TRI_SERVER_INSIDE) == 0)
        free_parts(server);
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
    return !tri_server_is_open(server) && (server->flags & TRI_SERVER_CLOSING) == 0 &&
           server->closes_given == server->closes_caused;
}

static bool
stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    tr_server *server = state;
    (void)self;
    server->flags |= TRI_SERVER_ENDING;
    if (how == TR_STOP_KILL) {
        let_go(server);
        return (server->flags & TRI_SERVER_INSIDE) == 0;
    }
    if (is_idle(server)) {
        server->flags |= server->errors_due > 0 ? TRI_SERVER_LAST_WORDS : 0;
        return server->errors_due == 0;
    }
    if (tri_server_is_open(server) || server->closes_given == server->closes_caused)
        tri_server_shut(server);
    if (how == TR_STOP_NOW && (server->flags & TRI_SERVER_CLOSING)) { /* connections are not waited for */
        tri_server_clear(server, TRI_SERVER_CLOSING);
        server->closes_caused++;
        tri_server_due(server);
    }
    return false;
}

/* Messages. */

static bool
is_failed_share(tr_server *server, const tr_message *message)
{
    if (message->tag != TR_TAG_SPAWN_FAILED)
        return false;
    const struct tr_spawn_failed *failed = tr_message_data(message);
    return tri_server_share_failed(server, failed->actor);
}

/* Either somebody has asked it alone, or the runtime stops, which asks the children first. */
static void
share_stops(tr_server *server, tr_ref share)
{
    if (tri_server_replace_share(server, share))
        return;
    if (tri_server_is_open(server))
        tri_server_shut(server);
    tri_server_dismiss_shares(server);
}

/* What is not between the server and its shares. */
static void
receive_other(tr_server *server, tr_message *message)
{
    enum tr_event event;
    if (message->tag >= TRI_TAG_NET && !tr_event_of(message, &event)) /* it may be the owner of sockets */
        tri_server_obey(server, message);
    else if (!is_failed_share(server, message) && server->events->message != NULL)
        server->events->message(server, message);
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    tr_server *server = state;
    (void)self;
    server->flags |= TRI_SERVER_INSIDE;
    switch (message->tag) {
    case TRI_TAG_DEAL_ENDED: check_drained(server); break;
    case TRI_TAG_DEAL_FAILED: tri_server_hear_failures(server); break;
    case TRI_TAG_DEAL_PLACE: tri_limits_give(&server->limits, tr_message_data(message)); break;
    case TRI_TAG_DEAL_SHARE_STOPS: share_stops(server, message->from); break;
    case TRI_TAG_SERVER_LOOKED_UP: tri_listen_looked_up(server, message); break;
    default: receive_other(server, message);
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
    server->dismissals = calloc(workers, sizeof(*server->dismissals));
    server->deal = tri_deal_new(server->net, tr_self(server->actor), options);
    if (server->dealt == NULL || server->loads == NULL || server->shares == NULL || server->dismissals == NULL ||
        server->deal == NULL)
        return TR_ENOMEM;
    server->share = tri_share_open(server->deal, server->net);
    return server->share != NULL ? TR_OK : TR_ENOMEM;
}

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    tr_server *server = state;
    const struct tri_server_order *order = argument;
    tri_actor_host(self);
    server->actor = self;
    server->events = order->options->events != NULL ? order->options->events : &no_events;
    server->max_connections = order->options->max_connections;
    server->outcome = TR_OK;
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
    status = tr_server_set_block_list(server, order->options->block_list);
    if (status == TR_OK && order->listen == NULL)
        return TR_OK;
    if (status == TR_OK) {
        server->waiter = order->waiter;
        status = tr_server_listen(server, order->listen);
    }
    if (status == TR_OK && server->waiter == NULL && server->listener.endpoint == NULL)
        status = server->outcome; /* it has failed already */
    if (status != TR_OK)
        let_go(server);
    return status;
}

const struct tr_behavior tri_server_behavior = {
    .name = "server",
    .state_size = sizeof(tr_server),
    .init = init,
    .receive = receive,
    .stopping = stopping,
    .stopped = stopped,
};

tr_status
tri_server_check_options(const struct tr_runtime *runtime, const struct tr_server_options *options)
{
    return options->prefix_ipv6 > 128 ? TR_EBADLIMIT : tri_socket_check_options(runtime, &options->socket);
}

tr_status
tr_server_spawn(tr_actor *self, const struct tr_server_options *options, tr_server **out)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || options == NULL || out == NULL)
        return TR_EINVAL;
    tr_status status = tri_server_check_options(tr_actor_runtime(self), options);
    tr_actor *actor;
    struct tri_server_order order = {.options = options};
    if (status == TR_OK)
        status = tri_actor_spawn_here(tri_actor_worker(self), self, &tri_server_behavior, &order, &actor);
    if (status == TR_OK)
        *out = tr_state(actor);
    return status;
}

/* Looking. */

tr_status
tr_server_address(const tr_server *server, struct tr_address *out)
{
    TRI_CHECK_SERVER(server);
    if (server == NULL || out == NULL)
        return TR_EINVAL;
    *out = server->address;
    return server->listener.endpoint != NULL ? TR_OK : TR_ENOTLISTENING;
}

bool
tr_server_listening(const tr_server *server)
{
    TRI_CHECK_SERVER(server);
    return server != NULL && server->listener.endpoint != NULL;
}

uint32_t
tr_server_connections(const tr_server *server)
{
    TRI_CHECK_SERVER(server);
    return server != NULL ? tri_server_count(server) : 0;
}

void
tr_server_set_max_connections(tr_server *server, uint32_t max_connections)
{
    TRI_CHECK_SERVER(server);
    if (server != NULL)
        server->max_connections = max_connections;
}

void
tr_server_set_background(tr_server *server, bool background)
{
    TRI_CHECK_SERVER(server);
    if (server == NULL)
        return;
    tri_server_clear(server, TRI_SERVER_BACKGROUND);
    server->flags |= background ? TRI_SERVER_BACKGROUND : 0;
    tri_server_count_live(server);
}

/* Rule by rule, a long list would cost each connection more than all the rest: so it is frozen. */
tr_status
tr_server_set_block_list(tr_server *server, struct tr_block_list *list)
{
    TRI_CHECK_SERVER(server);
    if (server == NULL)
        return TR_EINVAL;
    tr_status status = list != NULL ? tr_block_list_freeze(list) : TR_OK;
    if (status != TR_OK)
        return status;
    struct tr_block_list *before = server->block_list;
    tr_block_list_hold(list);
    server->block_list = list;
    tr_block_list_release(before);
    return TR_OK;
}

unsigned
tr_server_dealt(const tr_server *server, uint64_t *counts, unsigned n)
{
    TRI_CHECK_SERVER(server);
    if (server == NULL)
        return 0;
    for (unsigned worker = 0; counts != NULL && worker < n && worker < server->deal->workers; worker++)
        counts[worker] = server->dealt[worker];
    return server->deal->workers;
}

void
tr_server_refusals(const tr_server *server, struct tr_server_refusals *out)
{
    TRI_CHECK_SERVER(server);
    tr_status ignored;
    if (out == NULL)
        return;
    *out = (struct tr_server_refusals){0};
    if (server == NULL)
        return;
    *out = server->refusals;
    out->lost = tri_server_failures(server, &ignored);
}

void *
tr_server_data(const tr_server *server)
{
    TRI_CHECK_SERVER(server);
    return server != NULL ? server->deal->options.data : NULL;
}

tr_actor *
tr_server_actor(tr_server *server)
{
    TRI_CHECK_SERVER(server);
    return server != NULL ? server->actor : NULL;
}

tr_ref
tr_server_ref(const tr_server *server)
{
    TRI_CHECK_SERVER(server);
    return server != NULL ? tr_self(server->actor) : TR_NOBODY;
}

/* A check of a Debug build: see TRI_CHECK_SELF(). The memory of an actor that has ended is zero in such a build. */

#ifndef NDEBUG

void
tri_server_check(const tr_server *server, const char *function)
{
    if (server != NULL)
        tri_net_check(server->net != NULL ? server->net->worker : NULL, "server", function);
}

#endif
