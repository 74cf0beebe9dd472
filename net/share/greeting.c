/*
 * The greeting: where a server is secure, an accepted connection shakes hands here, and becomes a socket when that is
 * over.
 *
 *   accepted, or let in --> silent --first byte--> [in line] --> shakes hands --> a socket's actor, `connection`
 *                             |                       |              |
 *                             +-- too late -----------+-- it fails --+--> counted and told --> lingers --> closed
 *                             +-- asked to stop, or killed ----------+-----------------------------------> closed
 *
 * As at the entrance, what shakes hands is an actor of its own, beside the sockets: so a stop finds it in its turn, it
 * can be killed, and a socket knows nothing of all this. What it has become is handed over with the descriptor: the
 * PROXY header that came before, and the layer, whose handshake is over.
 *
 * When it works is decided in the hall (hall.c). A client that says nothing has no seat there, and nothing of
 * OpenSSL's: so whoever only connects keeps nobody from shaking hands. The context is the server's in the moment in
 * which the handshake begins.
 *
 * Its time runs from the beginning on. Timers come before the loop's poll, and a turn may be far: so when it is over a
 * handshake that is under way has one more look at the wire, in its turn. Who waits in line then has waited in vain.
 *
 * A failed handshake has put its alert into the kernel. A descriptor that is closed with bytes unread resets the
 * connection, and may take the alert along; so after our FIN it lingers: what comes is dropped, until the client ends
 * or the time is over. As many linger as there are seats, others are closed at once.
 *
 * The actor ends when libuv has let go of the handle, which lies in its state.
 */
#include "greeting.h"

#include "descriptor.h"
#include "layer.h"
#include "plain.h"
#include "tags.h"
#include "upgrade.h"

#include <stdlib.h>
#include <troupe/core/status_from.h>

struct greeting {
    struct tri_visitor visitor;
    tr_actor *actor;
    tr_ref parent;           /* which will be the socket's, if it is there then; TR_NOBODY: none */
    struct tri_share *share; /* NULL: it is over */
    struct tri_net *net;
    struct tri_hall *hall;
    struct tri_entrant entrant; /* its layer: NULL until it has a seat, and when it has failed */
    struct tri_timer timer;
    uv_poll_t poll;
    int polled; /* what libuv waits for: bits of enum uv_poll_event */
    bool is_late;
    bool lingers;
};

static inline struct tri_worker *
worker_of(const struct greeting *greeting)
{
    return greeting->net->worker;
}

#define TRACE_OF_GREETING(id, name, actor, flags, arg, message, doc)                                                   \
    TRI_TRACE_FUNCTION_OF(TRI_CATEGORY_SERVERS, struct greeting, worker_of, id, name, flags, arg, message)
TRI_TRACE_GREETING_EVENTS(TRACE_OF_GREETING)

/* What makes one. */
struct greeting_order {
    struct tri_share *share;
    const struct tri_entrant *entrant;
};

static struct tri_timers *
timers_of(const struct greeting *greeting)
{
    return &greeting->net->worker->timers;
}

static struct tri_deal_ends *
ends_of(const struct greeting *greeting)
{
    return &greeting->share->deal->ends[greeting->net->worker->index];
}

static const struct tr_tls_accept *
wishes_of(const struct greeting *greeting)
{
    return &greeting->share->deal->options.tls;
}

static uint32_t
most_of(const struct greeting *greeting)
{
    uint32_t most = wishes_of(greeting)->handshakes;
    return most != 0 ? most : TR_TLS_HANDSHAKES;
}

/* The wire. */

static void
poll_for(struct greeting *greeting, int events, uv_poll_cb ready)
{
    if (events == greeting->polled)
        return;
    greeting->polled = events;
    if (events != 0)
        uv_poll_start(&greeting->poll, events, ready);
    else
        uv_poll_stop(&greeting->poll);
}

/* It can go on, or begin. In line it hears of nothing. */
static void
come(struct greeting *greeting)
{
    tri_hall_come(greeting->hall, &ends_of(greeting)->seats, most_of(greeting), &greeting->visitor);
    if (tri_hall_is_in_line(&greeting->visitor))
        poll_for(greeting, 0, NULL);
}

static void
on_ready(uv_poll_t *poll, int status, int events)
{
    struct greeting *greeting = TRI_CONTAINER_OF(poll, struct greeting, poll);
    (void)events;
    if (status < 0) { /* an error waits in the descriptor: the handshake tells which; libuv has stopped */
        greeting->polled = 0;
        (void)tri_descriptor_empty_error_queue(greeting->entrant.fd);
    }
    come(greeting);
}

/* The end. */

static void
drop_layer(struct greeting *greeting)
{
    tri_upgrade_drop(greeting->entrant.layer);
    greeting->entrant.layer = NULL;
}

static void
on_closed(uv_handle_t *handle)
{
    struct greeting *greeting = TRI_CONTAINER_OF(handle, struct greeting, poll);
    drop_layer(greeting);
    free(greeting->entrant.proxy);
    tri_actor_end(greeting->actor);
}

/* It shakes hands no more. What its share counts is from now on somebody else's matter. */
static struct tri_share *
leave(struct greeting *greeting)
{
    struct tri_share *share = greeting->share;
    tri_hall_go(greeting->hall, &ends_of(greeting)->seats, &greeting->visitor);
    ends_of(greeting)->lingering -= greeting->lingers;
    greeting->share = NULL;
    if (greeting->entrant.layer != NULL)
        greeting->entrant.layer->gone = 1;
    tri_timer_let_go(timers_of(greeting), &greeting->timer);
    uv_close((uv_handle_t *)&greeting->poll, on_closed);
    tri_net_disclaim(greeting->net, greeting->entrant.fd);
    return share;
}

static void
close_it(struct greeting *greeting)
{
    tri_share_end(leave(greeting), greeting->entrant.fd);
    tri_net_add_live(greeting->net, -1);
}

/* It was lost, which is not the client's fault. */
static void
lose(struct greeting *greeting, tr_status why)
{
    tri_share_fail(leave(greeting), greeting->entrant.fd, why);
    tri_net_add_live(greeting->net, -1);
}

static void
on_dropping(uv_poll_t *poll, int status, int events)
{
    struct greeting *greeting = TRI_CONTAINER_OF(poll, struct greeting, poll);
    (void)events;
    if (!tri_plain_drop(greeting->entrant.fd) || status < 0)
        close_it(greeting);
}

/* So that its alert arrives. The seat is free. */
static void
linger(struct greeting *greeting)
{
    tri_hall_go(greeting->hall, &ends_of(greeting)->seats, &greeting->visitor);
    drop_layer(greeting);
    ends_of(greeting)->lingering++;
    greeting->lingers = true;
    tri_plain_end(greeting->entrant.fd);
    poll_for(greeting, 0, NULL);
    poll_for(greeting, UV_READABLE, on_dropping);
    tri_timer_stop(timers_of(greeting), &greeting->timer);
    (void)tri_timer_start(timers_of(greeting), &greeting->timer, TR_HANDSHAKE_LINGER_MS); /* its place is kept */
}

/* Failures. */

static void
tell_failure(const struct greeting *greeting, const struct tr_error *error)
{
    struct tr_handshake_failure failure = {.error = *error};
    if (failure.error.code == NULL)
        failure.error.code = tr_status_code(error->status);
    tri_descriptor_peer(greeting->entrant.fd, &failure.peer);
    if (greeting->entrant.layer != NULL)
        tri_tls_server_name(greeting->entrant.layer, failure.server_name);
    tri_trace_handshake_failed(greeting, error->status, greeting->share->deal->server);
    tri_deal_handshake_failed(greeting->share->deal, greeting->net->worker, &failure);
}

static void
refuse(struct greeting *greeting, const struct tr_error *error, bool has_said_why)
{
    tell_failure(greeting, error);
    if (has_said_why && ends_of(greeting)->lingering < most_of(greeting))
        linger(greeting);
    else
        close_it(greeting);
}

static void
refuse_late(struct greeting *greeting)
{
    refuse(greeting, &(struct tr_error){.status = TR_ETLSTIMEOUT, .call = "handshake"}, false);
}

/* What a call of the layer has answered. */
static void
fail(struct greeting *greeting, int outcome)
{
    const struct tri_record_layer *layer = greeting->entrant.layer;
    bool is_broken = outcome == TRI_LAYER_BROKEN;
    struct tr_error error = {.call = "handshake", .system = is_broken ? 0 : -outcome};
    error.status = is_broken ? layer->kind->failure(layer, &error.code) : tri_status_from_uv(outcome);
    if (error.status == TR_ENOMEM || (!is_broken && tri_verdict(TRI_ON_WRITE, -outcome) == TRI_SHORT))
        lose(greeting, error.status);
    else
        refuse(greeting, &error, is_broken);
}

/* The handshake. */

static void
let_in(struct greeting *greeting)
{
    struct tri_worker *worker = greeting->net->worker;
    tr_actor *parent = greeting->parent != TR_NOBODY ? tri_actor_find(worker, greeting->parent) : NULL;
    struct tri_entrant entrant = greeting->entrant;
    tri_trace_handshake(greeting, greeting->share->deal->server);
    greeting->entrant.layer = NULL;
    greeting->entrant.proxy = NULL;
    tri_share_begin(leave(greeting), parent, &entrant);
    tri_net_add_live(greeting->net, -1);
}

static void
shake(struct greeting *greeting)
{
    struct tri_record_layer *layer = greeting->entrant.layer;
    int outcome = layer->kind->advance(layer, greeting->entrant.fd);
    if (greeting->share == NULL)
        return; /* the program, asked for a name, has cut it */
    if (outcome == TRI_LAYER_DONE)
        let_in(greeting);
    else if (outcome < 0)
        fail(greeting, outcome);
    else if (greeting->is_late)
        refuse_late(greeting);
    else
        poll_for(greeting, outcome == TRI_LAYER_WANTS_ROOM ? UV_WRITABLE : UV_READABLE, on_ready);
}

static tr_status
open_layer(struct greeting *greeting)
{
    tr_tls_context *context = tri_deal_hold_tls(greeting->share->deal);
    struct tri_tls_wish wish = {.context = context, .serves = true};
    tr_status status = tri_tls_open(&wish, &greeting->entrant.layer);
    tr_tls_context_release(context); /* the layer holds it */
    if (status != TR_OK)
        return status;
    greeting->entrant.layer->cut_fails = wishes_of(greeting)->truncation_fails;
    tri_trace_handshake_begin(greeting, greeting->share->deal->server);
    return TR_OK;
}

static void
go_on(struct tri_visitor *visitor)
{
    struct greeting *greeting = TRI_CONTAINER_OF(visitor, struct greeting, visitor);
    struct tri_actor_frame frame = tri_actor_enter(greeting->actor, TRI_TAG_ON_READ);
    tr_status status = greeting->entrant.layer == NULL ? open_layer(greeting) : TR_OK;
    if (status == TR_OK)
        shake(greeting);
    else
        lose(greeting, status);
    tri_actor_leave(greeting->actor, frame);
}

/* Times. */

static bool
has_begun(const struct greeting *greeting)
{
    char byte;
    return greeting->entrant.layer != NULL || greeting->visitor.in != NULL ||
           tri_plain_peek(greeting->entrant.fd, &byte, 1) > 0;
}

static void
on_late(struct greeting *greeting)
{
    bool looks_again = has_begun(greeting);
    greeting->is_late = true;
    if (looks_again)
        come(greeting);
    if (!looks_again || tri_hall_is_in_line(&greeting->visitor))
        refuse_late(greeting);
}

static void
on_timer(struct tri_timer *timer)
{
    struct greeting *greeting = TRI_CONTAINER_OF(timer, struct greeting, timer);
    struct tri_actor_frame frame = tri_actor_enter(greeting->actor, TRI_TAG_ON_TIMEOUT);
    if (greeting->lingers)
        close_it(greeting);
    else
        on_late(greeting);
    tri_actor_leave(greeting->actor, frame);
}

static void
start_timer(struct greeting *greeting)
{
    uint32_t timeout_ms = wishes_of(greeting)->handshake_timeout_ms;
    if (timeout_ms == TR_TLS_NO_LIMIT)
        return;
    timeout_ms = timeout_ms != 0 ? timeout_ms : TR_TLS_HANDSHAKE_MS;
    (void)tri_timer_start(timers_of(greeting), &greeting->timer, timeout_ms); /* its place is kept */
}

/* The actor. */

static tr_status
open_poll(struct greeting *greeting)
{
    int fd = greeting->entrant.fd;
    tr_status status = tri_net_claim(greeting->net, fd);
    if (status != TR_OK)
        return status;
    int error = uv_poll_init(&greeting->net->worker->loop, &greeting->poll, fd);
    if (error != 0)
        tri_net_disclaim(greeting->net, fd);
    return tri_status_from_uv(error);
}

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    struct greeting *greeting = state;
    const struct greeting_order *order = argument;
    *greeting = (struct greeting){.actor = self, .parent = tr_parent(self), .share = order->share};
    greeting->entrant = *order->entrant;
    greeting->net = order->share->net;
    greeting->hall = tri_hall_of(greeting->net);
    greeting->visitor.go_on = go_on;
    greeting->timer.fire = on_timer;
    if (greeting->hall == NULL || tri_timer_keep(timers_of(greeting), &greeting->timer) != TR_OK)
        return TR_ENOMEM;
    tr_status status = open_poll(greeting);
    if (status != TR_OK) {
        tri_timer_let_go(timers_of(greeting), &greeting->timer);
        return status;
    }
    tri_actor_host(self);
    start_timer(greeting);
    poll_for(greeting, UV_READABLE, on_ready);
    tri_net_add_live(greeting->net, 1);
    return TR_OK;
}

/* Nobody has its name. */
static void
receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    tri_actor_bounce(self, message);
}

static bool
stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    struct greeting *greeting = state;
    (void)self;
    (void)how;
    if (greeting->share != NULL)
        close_it(greeting);
    return false;
}

static const struct tr_behavior greeting_behavior = {
    .name = "greeting",
    .state_size = sizeof(struct greeting),
    .init = init,
    .receive = receive,
    .stopping = stopping,
};

/* One that has failed has ended by itself. */
static void
cut(tr_actor *actor, void *argument)
{
    struct greeting *greeting = tr_state(actor);
    const struct tri_share *share = argument;
    if (greeting->share == NULL || greeting->share->deal != share->deal)
        return;
    if (!greeting->lingers)
        tri_deal_count_cut(share->deal, share->net->worker);
    close_it(greeting);
}

void
tri_greetings_cut(struct tri_share *share)
{
    tri_actors_visit(share->net->worker, &greeting_behavior, cut, share);
}

void
tri_greeting_open(struct tri_share *share, tr_actor *parent, const struct tri_entrant *entrant)
{
    if (tri_share_is_cut(share)) {
        tri_deal_count_cut(share->deal, share->net->worker); /* it has no time left to shake hands */
        free(entrant->proxy);
        tri_share_end(share, entrant->fd);
        return;
    }
    struct greeting_order order = {.share = share, .entrant = entrant};
    tr_actor *actor;
    tr_status status = tri_actor_spawn_here(share->net->worker, parent, &greeting_behavior, &order, &actor);
    if (status == TR_OK)
        return;
    free(entrant->proxy);
    tri_share_fail(share, entrant->fd, status);
}
