/*
 * The entrance: where a server asks for a PROXY header, an accepted connection waits here for it, and becomes a socket
 * when it is complete.
 *
 *   accepted -> waiting --header complete------------------> a socket's actor, `connection`; or first the greeting
 *                  |
 *                  +-- none, malformed, too long, too late --+
 *                  +-- the peer ends, the connection fails --+--> closed: counted and traced
 *                  +-- asked to stop, or killed -------------+--> closed
 *
 * What waits is an actor of its own, beside the sockets: so a stop finds it in its turn, it can be killed, and a socket
 * knows nothing of all this. Its share has counted it as a connection; the count goes over to the socket.
 *
 * The bytes are looked at before they are read, and of those only what belongs to the header is read: the first byte
 * after it is still in the kernel when the socket begins. The beginning of a header is read at once, though it is not
 * complete: if it stayed, the descriptor would be readable all the time.
 *
 * Memory for a header is there from its first byte on, and grows when its length is known and within the limit. A
 * connection that sends nothing has the actor alone. The finished header goes to the socket in that same memory, a
 * struct tr_proxy and the bytes behind it.
 *
 * The actor ends when libuv has let go of the handle, which lies in its state.
 */
#include "entrance.h"

#include "greeting.h"
#include "plain.h"
#include "proxy_header.h"
#include "tags.h"

#include <stdlib.h>

struct entrance {
    tr_actor *actor;
    tr_ref parent;           /* which will be the socket's, if it is there then; TR_NOBODY: none */
    struct tri_share *share; /* NULL: it is over */
    struct tri_net *net;
    uint64_t number;
    struct tr_proxy *proxy; /* with `room` bytes behind it; NULL: no byte has come */
    size_t have, room;      /* bytes of the header */
    int fd;
    struct tri_timer limit;
    uv_poll_t poll;
};

static inline struct tri_worker *
worker_of(const struct entrance *entrance)
{
    return entrance->net->worker;
}

#define TRACE_OF_ENTRANCE(id, name, actor, flags, arg, message, doc)                                                   \
    TRI_TRACE_FUNCTION_OF(TRI_CATEGORY_SERVERS, struct entrance, worker_of, id, name, flags, arg, message)
TRI_TRACE_ENTRANCE_EVENTS(TRACE_OF_ENTRANCE)

/* What makes one. */
struct entrance_order {
    struct tri_share *share;
    uint64_t number;
    int fd;
};

static unsigned char *
bytes_of(const struct entrance *entrance)
{
    return (unsigned char *)(entrance->proxy + 1);
}

/* What the server wants, and how long it waits. */

static struct tri_proxy_rules
rules_of(const struct entrance *entrance)
{
    const struct tr_proxy_accept *wishes = &entrance->share->deal->options.proxy;
    return (struct tri_proxy_rules){
        .versions = wishes->versions,
        .limit = wishes->limit_bytes != 0 ? wishes->limit_bytes : TR_PROXY_LIMIT_BYTES,
    };
}

static uint64_t
timeout_of(const struct entrance *entrance)
{
    uint32_t timeout_ms = entrance->share->deal->options.proxy.timeout_ms;
    return timeout_ms != 0 ? timeout_ms : TR_PROXY_TIMEOUT_MS;
}

/* The end. */

static void
on_closed(uv_handle_t *handle)
{
    struct entrance *entrance = TRI_CONTAINER_OF(handle, struct entrance, poll);
    free(entrance->proxy);
    tri_actor_end(entrance->actor);
}

/* It waits no more. What its share counts is from now on somebody else's matter. */
static struct tri_share *
leave(struct entrance *entrance)
{
    struct tri_share *share = entrance->share;
    entrance->share = NULL;
    tri_timer_stop(&entrance->net->worker->timers, &entrance->limit);
    uv_close((uv_handle_t *)&entrance->poll, on_closed);
    tri_net_disclaim(entrance->net, entrance->fd);
    return share;
}

static void
close_for(struct entrance *entrance, tr_status why)
{
    tri_share_fail(leave(entrance), entrance->fd, why);
    tri_net_add_live(entrance->net, -1);
}

static void
refuse(struct entrance *entrance, enum tri_proxy_outcome why)
{
    tri_trace_proxy_refused(entrance, (uint16_t)why, (uint32_t)entrance->have, entrance->share->deal->server);
    tri_deal_refused(entrance->share->deal, entrance->net->worker);
    tri_share_end(leave(entrance), entrance->fd);
    tri_net_add_live(entrance->net, -1);
}

static void
on_limit(struct tri_timer *timer)
{
    struct entrance *entrance = TRI_CONTAINER_OF(timer, struct entrance, limit);
    struct tri_actor_frame frame = tri_actor_enter(entrance->actor, TRI_TAG_ON_TIMEOUT);
    refuse(entrance, TRI_PROXY_LATE);
    tri_actor_leave(entrance->actor, frame);
}

/* The header is complete. The descriptor is libuv's and the worker's to give again before the socket takes it. */
static void
let_in(struct entrance *entrance)
{
    struct tr_proxy *proxy = entrance->proxy;
    tr_actor *parent = entrance->parent != TR_NOBODY ? tri_actor_find(entrance->net->worker, entrance->parent) : NULL;
    struct tri_entrant entrant = {.fd = entrance->fd, .number = entrance->number, .proxy = proxy};
    tri_trace_proxy_header(entrance, (uint16_t)proxy->version, (uint32_t)entrance->have, entrance->share->deal->server);
    entrance->proxy = NULL;
    struct tri_share *share = leave(entrance);
    if (share->deal->is_secure)
        tri_greeting_open(share, parent, &entrant);
    else
        tri_share_begin(share, parent, &entrant);
    tri_net_add_live(entrance->net, -1);
}

/* Reading. */

/* Room for so many bytes of the header. */
static bool
make_room(struct entrance *entrance, size_t room)
{
    if (room <= entrance->room)
        return true;
    struct tr_proxy *larger = realloc(entrance->proxy, sizeof(*larger) + room);
    if (larger == NULL)
        return false;
    entrance->proxy = larger;
    entrance->room = room;
    return true;
}

/* Bytes that are there, and of the header, are read. false: the connection has failed meanwhile. */
static bool
take(struct entrance *entrance, size_t size)
{
    if (!tri_plain_take(entrance->fd, bytes_of(entrance) + entrance->have, size))
        return false;
    entrance->have += size;
    return true;
}

/* Looks at what is there. Gives how much; 0: nothing more for now, or it is over. */
static size_t
peek(struct entrance *entrance)
{
    ssize_t got = tri_plain_peek(entrance->fd, bytes_of(entrance) + entrance->have, entrance->room - entrance->have);
    if (got > 0)
        return (size_t)got;
    if (got == 0 || tri_verdict(TRI_ON_READ, (int)-got) != TRI_WAIT)
        refuse(entrance, TRI_PROXY_ENDED);
    return 0;
}

/* true: there may be more to look at. */
static bool
read_some(struct entrance *entrance, size_t *most)
{
    struct tri_proxy_rules rules = rules_of(entrance);
    if (!make_room(entrance, *most)) {
        close_for(entrance, TR_ENOMEM);
        return false;
    }
    size_t room = entrance->room - entrance->have, got = peek(entrance);
    if (got == 0)
        return false;
    struct tri_proxy_reading reading =
        tri_proxy_read(&rules, bytes_of(entrance), entrance->have + got, entrance->proxy);
    bool is_whole = reading.outcome == TRI_PROXY_DONE;
    if (!is_whole && reading.outcome != TRI_PROXY_MORE)
        refuse(entrance, reading.outcome);
    else if (!take(entrance, is_whole ? reading.size - entrance->have : got))
        refuse(entrance, TRI_PROXY_ENDED);
    else if (is_whole)
        let_in(entrance);
    *most = reading.size;
    return reading.outcome == TRI_PROXY_MORE && entrance->share != NULL && got == room;
}

static void
on_ready(uv_poll_t *poll, int status, int events)
{
    struct entrance *entrance = TRI_CONTAINER_OF(poll, struct entrance, poll);
    struct tri_actor_frame frame = tri_actor_enter(entrance->actor, TRI_TAG_ON_READ);
    size_t most = entrance->room > 0 ? entrance->room : TRI_PROXY_LIMIT_LEAST;
    (void)status; /* of an error reading tells */
    (void)events;
    while (read_some(entrance, &most)) {
    }
    tri_actor_leave(entrance->actor, frame);
}

/* The actor. */

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    struct entrance *entrance = state;
    const struct entrance_order *order = argument;
    struct tri_worker *worker = tri_actor_worker(self);
    *entrance = (struct entrance){.actor = self, .parent = tr_parent(self), .share = order->share, .fd = order->fd};
    entrance->net = order->share->net;
    entrance->number = order->number;
    entrance->limit.fire = on_limit;
    tr_status status = tri_timer_start(&worker->timers, &entrance->limit, timeout_of(entrance));
    if (status != TR_OK)
        return status;
    status = tri_net_claim(entrance->net, entrance->fd);
    if (status != TR_OK)
        goto stop_timer;
    int error = uv_poll_init(&worker->loop, &entrance->poll, entrance->fd);
    if (error != 0) {
        status = tri_status_from_uv(error);
        goto disclaim;
    }
    tri_actor_host(self);
    uv_poll_start(&entrance->poll, UV_READABLE, on_ready);
    tri_net_add_live(entrance->net, 1);
    return TR_OK;

disclaim:
    tri_net_disclaim(entrance->net, entrance->fd);
stop_timer:
    tri_timer_stop(&worker->timers, &entrance->limit);
    return status;
}

/* Nobody has its name. */
static void
receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    tri_actor_bounce(self, message);
}

/* It is closed before its header has come. */
static void
end_early(struct entrance *entrance)
{
    if (entrance->share == NULL)
        return;
    tri_share_end(leave(entrance), entrance->fd);
    tri_net_add_live(entrance->net, -1);
}

static bool
stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)self;
    (void)how;
    end_early(state);
    return false;
}

static void
cut(tr_actor *actor, void *argument)
{
    struct entrance *entrance = tr_state(actor);
    const struct tri_share *share = argument;
    if (entrance->share == NULL || entrance->share->deal != share->deal)
        return;
    tri_deal_count_cut(share->deal, share->net->worker);
    end_early(entrance);
}

static const struct tr_behavior entrance_behavior = {
    .name = "entrance",
    .state_size = sizeof(struct entrance),
    .init = init,
    .receive = receive,
    .stopping = stopping,
};

void
tri_entrance_open(struct tri_share *share, tr_actor *parent, const struct tri_entrant *entrant)
{
    if (tri_share_is_cut(share)) {
        tri_deal_count_cut(share->deal, share->net->worker); /* it has no time left to wait for a header */
        tri_share_end(share, entrant->fd);
        return;
    }
    struct entrance_order order = {.share = share, .number = entrant->number, .fd = entrant->fd};
    tr_actor *actor;
    tr_status status = tri_actor_spawn_here(share->net->worker, parent, &entrance_behavior, &order, &actor);
    if (status != TR_OK)
        tri_share_fail(share, entrant->fd, status);
}

void
tri_entrances_cut(struct tri_share *share)
{
    tri_actors_visit(share->net->worker, &entrance_behavior, cut, share);
}
