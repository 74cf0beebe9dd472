/*
 * Connecting: look-up, attempts.
 *
 *   tr_socket_connect() returns -> [question -> answer -> `lookup`] -> attempts -> `connect`, [handshake, `secure`,]
 *   what waits is sent, `ready`
 *                                                  |                      |
 *                                                  +----------------------+--> `error`, `close`
 *
 * Nothing but the checks of the arguments happens before tr_socket_connect() has returned, but for unix sockets, which
 * the system connects at once: they call it within, and tell later. All this is as in Node, and an address is not
 * looked up. An order from afar waits for the word to start (start.h). Each arrow is a step of the socket (steps.c),
 * so that an owner's answer to `lookup` is waited for. What is needed on the way lies in memory of its own, which is
 * given back when the socket is connected or destroyed; questions and attempts are cancelled with it. The layer of a
 * secure connection is the socket's from the beginning on, with its barrier in the queue behind a PROXY header
 * (secure.c).
 */
#include "connect.h"

#include "destroy.h"
#include "events_internal.h"
#include "idle.h"
#include "open.h"
#include "proxy_header.h"
#include "queue.h"
#include "secure.h"
#include "turn.h"
#include "upgrade.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <troupe/core/descriptors.h>

#define DEFAULT_HOST "localhost"
#define DEFAULT_RACE_DELAY_MS 250u
#define PEERS_LIMIT 64u

/* The arguments. */

static bool
is_internet(enum tr_family family)
{
    return family == TR_FAMILY_NONE || family == TR_FAMILY_IPV4 || family == TR_FAMILY_IPV6;
}

static tr_status
check_path(const struct tr_connect_options *options, enum tr_socket_type type)
{
    struct sockaddr_un address;
    socklen_t size;
    if (type == TR_SOCKET_TCP4 || type == TR_SOCKET_TCP6)
        return TR_EBADADDRESS;
    return tri_address_of_path(options->path, options->truncate_path, &address, &size);
}

/* The only family that a socket of this type takes. */
static enum tr_family
family_of_type(enum tr_socket_type type)
{
    return type == TR_SOCKET_TCP4 ? TR_FAMILY_IPV4 : type == TR_SOCKET_TCP6 ? TR_FAMILY_IPV6 : TR_FAMILY_NONE;
}

static bool
is_of_type(const struct sockaddr_storage *address, enum tr_socket_type type)
{
    enum tr_family family = family_of_type(type);
    return family == TR_FAMILY_NONE || address->ss_family == (family == TR_FAMILY_IPV4 ? AF_INET : AF_INET6);
}

static tr_status
check_host(const struct tr_connect_options *options, enum tr_socket_type type)
{
    struct sockaddr_storage address;
    enum tr_family family = family_of_type(type);
    if (options->host == NULL)
        return TR_OK;
    if (!tri_host_is_sound(options->host))
        return TR_EBADHOST;
    if (family != TR_FAMILY_NONE && options->family != TR_FAMILY_NONE && options->family != family)
        return TR_EBADADDRESS;
    return !tri_address_parse(options->host, 0, &address) || is_of_type(&address, type) ? TR_OK : TR_EBADADDRESS;
}

tr_status
tri_connect_check(const struct tr_connect_options *options, enum tr_socket_type type)
{
    struct sockaddr_storage local;
    size_t size;
    if (options->timeout_ms > INT32_MAX || options->connect_timeout_ms > INT32_MAX ||
        options->race_delay_ms > INT32_MAX)
        return TR_EBADLIMIT;
    tr_status status = options->proxy != NULL ? tri_proxy_check(options->proxy, &size) : TR_OK;
    if (status != TR_OK)
        return status;
    if (options->tls != NULL)
        status = tri_upgrade_check(options->tls);
    if (status != TR_OK)
        return status;
    if (options->path != NULL)
        return check_path(options, type);
    if (options->port == 0)
        return TR_EMISSING;
    if (type == TR_SOCKET_UNIX)
        return TR_EBADADDRESS;
    if (options->local_address != NULL && !tri_address_parse(options->local_address, 0, &local))
        return TR_EBADADDRESS;
    return is_internet(options->family) ? check_host(options, type) : TR_EINVAL;
}

/* Preparing. */

static void
fill_unix(struct tri_connect *connect)
{
    socklen_t size;
    tri_address_of_path(connect->options.path, connect->options.truncate_path, (struct sockaddr_un *)&connect->path,
                        &size);
    connect->options.path = NULL;
    connect->options.local_port = 0;
}

/* The addresses that the options point to are the caller's: they are copied. */
static void
fill(struct tri_connect *connect, const struct tr_connect_options *options, enum tr_socket_type type)
{
    connect->options = *options;
    connect->options.proxy = NULL;
    connect->options.tls = NULL;
    connect->fd = -1;
    if (options->path != NULL) {
        fill_unix(connect);
        return;
    }
    const char *host = options->host != NULL ? options->host : DEFAULT_HOST;
    memcpy(connect->host, host, strlen(host) + 1);
    connect->options.host = connect->host;
    if (options->family == TR_FAMILY_NONE)
        connect->options.family = family_of_type(type);
    if (options->local_address != NULL)
        tri_address_parse(options->local_address, options->local_port, &connect->local);
    connect->options.local_address = NULL;
    connect->tries_all =
        options->race || (connect->options.family == TR_FAMILY_NONE && connect->local.ss_family == AF_UNSPEC);
}

static tr_status
check_state(const tr_socket *socket)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_CONNECTING))
        return TR_EALREADY;
    if (tri_socket_is_open(socket))
        return TR_EISCONN;
    if (tri_socket_has_any(socket, TRI_SOCKET_STOPS | TRI_SOCKET_GONE | TRI_SOCKET_SILENT))
        return TR_ESTOPPING;
    return tri_socket_has_any(socket, TRI_SOCKET_DESTROYED) && !tri_socket_has_any(socket, TRI_SOCKET_CLOSED)
               ? TR_EDESTROYED
               : TR_OK;
}

/* It is not connected in time: the look-up and all attempts are given up. */
static void
on_limit(struct tri_timer *timer)
{
    struct tri_connect *connect = TRI_CONTAINER_OF(timer, struct tri_connect, limit);
    tri_socket_fail(connect->socket, UV_ETIMEDOUT, TRI_CALL_CONNECT);
}

/* The socket is connected, or will not be. */
static void
forget(struct tri_origin *origin, tr_socket *socket)
{
    struct tri_connect *connect = (struct tri_connect *)origin;
    socket->origin = NULL;
    tri_timer_stop(&socket->home->worker->timers, &connect->limit);
    tri_lookup_cancel(connect->lookup);
    tri_attempts_cancel(connect->attempts);
    if (connect->fd >= 0)
        tri_close(connect->fd);
    free(connect->peers);
    free(connect);
}

static const struct tri_origin_calls connect_calls = {.closed = forget};

/* NULL without memory. */
static struct tri_connect *
new_connect(tr_socket *socket, uint64_t limit_ms)
{
    struct tri_connect *connect = calloc(1, sizeof(*connect));
    if (connect == NULL)
        return NULL;
    connect->origin.calls = &connect_calls;
    connect->socket = socket;
    connect->limit.fire = on_limit;
    if (limit_ms == 0 || tri_timer_start(&socket->home->worker->timers, &connect->limit, limit_ms) == TR_OK)
        return connect;
    free(connect);
    return NULL;
}

/* 0: what was set before stays. */
static tr_status
set_timeout(tr_socket *socket, uint64_t timeout_ms)
{
    if (timeout_ms == 0)
        return TR_OK;
    return tri_socket_extra(socket) != NULL ? tri_socket_idle_set(socket, timeout_ms) : TR_ENOMEM;
}

/* NULL does nothing. */
static void
drop_header(tr_socket *socket, struct tri_write *header)
{
    if (header == NULL)
        return;
    tr_slice_release(header->slice);
    tri_queue_entry_free(socket, header);
    tri_queue_give_back(socket);
}

/* The header that goes before all else, as an entry for the queue. NULL without memory. */
static struct tri_write *
make_header(tr_socket *socket, const struct tr_proxy *proxy)
{
    size_t size = 0;
    tri_proxy_check(proxy, &size);
    unsigned char *bytes = malloc(size);
    struct tri_write *write = bytes != NULL ? tri_queue_entry(socket, &(struct tri_order){.done = NULL}) : NULL;
    if (write == NULL || tr_slice_adopt(bytes, size, free, &write->slice) != TR_OK) {
        drop_header(socket, write); /* its slice is empty */
        free(bytes);
        return NULL;
    }
    tri_proxy_write(proxy, bytes);
    write->whole = size;
    return write;
}

static void
put_header(tr_socket *socket, struct tri_write *header)
{
    tri_trace_socket_write(socket, 1, (uint32_t)header->whole);
    tri_queue_put(socket, header);
}

/* What waits from the beginning on. Parts that are NULL are not there. */
struct first_writes {
    struct tri_write *header, *barrier;
};

static void
drop_first(tr_socket *socket, struct tri_record_layer *layer, struct first_writes first)
{
    drop_header(socket, first.header);
    if (layer != NULL)
        tri_secure_give_up(socket, layer, first.barrier);
}

static tr_status
make_first(tr_socket *socket, const struct tr_connect_options *options, struct tri_record_layer *layer,
           struct first_writes *first)
{
    first->header = options->proxy != NULL ? make_header(socket, options->proxy) : NULL;
    if (first->header == NULL && options->proxy != NULL)
        return TR_ENOMEM;
    if (layer == NULL)
        return TR_OK;
    struct tri_secure_options secure = tri_upgrade_options(options->tls);
    if (tri_secure_prepare(socket, layer, &secure, &first->barrier) == TR_OK)
        return TR_OK;
    drop_header(socket, first->header);
    return TR_ENOMEM;
}

static tr_status
check(const tr_socket *socket, const struct tr_connect_options *options)
{
    enum tr_socket_type type = socket->extra != NULL ? socket->extra->type : TR_SOCKET_ANY;
    tr_status status = tri_connect_check(options, type);
    if (status == TR_OK)
        status = check_state(socket);
    if (status == TR_OK && options->tls != NULL && tri_socket_has_any(socket, TRI_SOCKET_RECEIVES))
        status = TR_EBADHANDLE;
    return status;
}

static tr_status
prepare(tr_socket *socket, const struct tr_connect_options *options, struct tri_record_layer *layer,
        struct first_writes *first)
{
    if (tri_events_begin(socket) != TR_OK || make_first(socket, options, layer, first) != TR_OK)
        return TR_ENOMEM;
    struct tri_connect *connect = new_connect(socket, options->connect_timeout_ms);
    if (connect == NULL)
        goto drop_first;
    if (set_timeout(socket, options->timeout_ms) != TR_OK)
        goto free_connect;
    if (tri_socket_has_any(socket, TRI_SOCKET_CLOSED))
        tri_socket_reopen(socket);
    fill(connect, options, socket->extra != NULL ? socket->extra->type : TR_SOCKET_ANY);
    socket->origin = &connect->origin;
    return TR_OK;

free_connect:
    tri_timer_stop(&socket->home->worker->timers, &connect->limit);
    free(connect);
drop_first:
    drop_first(socket, layer, *first);
    return TR_ENOMEM;
}

/* In the place of its first writes; an end that was ordered before comes after them. */
static void
put_first(tr_socket *socket, struct tri_record_layer *layer, struct first_writes first)
{
    if (first.header != NULL)
        put_header(socket, first.header);
    if (layer != NULL)
        tri_secure_await(socket, layer, first.barrier);
    socket->ends_first = tri_socket_has_any(socket, TRI_SOCKET_ENDING) && first.header == NULL;
    if (socket->ends_first)
        tri_socket_clear(socket, TRI_SOCKET_ENDING);
}

/* Everything but the beginning. Takes the layer on success. */
static tr_status
take_order(tr_socket *socket, const struct tr_connect_options *options, struct tri_record_layer *layer)
{
    struct first_writes first = {NULL, NULL};
    tr_status status = check(socket, options);
    if (status == TR_OK)
        status = prepare(socket, options, layer, &first);
    if (status != TR_OK)
        return status;
    socket->flags |= TRI_SOCKET_CONNECTING | (options->path != NULL ? TRI_SOCKET_TO_PATH : 0);
    socket->begun = 1;
    put_first(socket, layer, first);
    tri_socket_count_live(socket);
    tri_socket_idle_moved(socket);
    return TR_OK;
}

static void begin(tr_socket *socket);

tr_status
tr_socket_connect(tr_socket *socket, const struct tr_connect_options *options)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL || options == NULL)
        return TR_EINVAL;
    struct tri_record_layer *layer = NULL;
    tr_status status = tri_upgrade_open_client(options, &layer);
    if (status == TR_OK)
        status = take_order(socket, options, layer);
    if (status != TR_OK) {
        tri_upgrade_drop(layer);
        return status;
    }
    if (tri_socket_has_any(socket, TRI_SOCKET_TO_PATH))
        begin(socket);
    else
        tri_socket_start_later(socket);
    return TR_OK;
}

tr_status
tri_connect_prepare(tr_socket *socket, const struct tr_connect_options *options, struct tri_record_layer **layer,
                    uint64_t start)
{
    tr_status status = take_order(socket, options, *layer);
    if (status != TR_OK)
        return status;
    *layer = NULL;
    tri_connect_of(socket)->start = start;
    if (tri_socket_has_any(socket, TRI_SOCKET_TO_PATH))
        begin(socket);
    return TR_OK;
}

void
tri_connect_go(tr_socket *socket, uint64_t start)
{
    struct tri_connect *connect = tri_connect_of(socket);
    if (!tri_socket_has_any(socket, TRI_SOCKET_CONNECTING) || connect == NULL || connect->start != start)
        return; /* that order was refused, or the socket has been destroyed since */
    connect->start = 0;
    tri_socket_due(socket, TRI_STEP(START));
}

/* Attempts. */

/* Which peers are tried, as an array within theirs: all, or the first that can be connected to from the local
 * address. */
static const struct sockaddr_storage *
peers_to_try(const struct tri_connect *connect, unsigned *count)
{
    int family = connect->local.ss_family;
    *count = connect->tries_all ? connect->count : 1;
    for (unsigned i = 0; !connect->tries_all && family != AF_UNSPEC && i < connect->count; i++)
        if (connect->peers[i].ss_family == family)
            return &connect->peers[i];
    return connect->peers;
}

static void
on_attempted(void *argument, const struct tri_attempts_result *result)
{
    struct tri_connect *connect = argument;
    connect->attempts = NULL;
    connect->fd = result->fd;
    connect->system = result->error;
    connect->call = result->in_bind ? TRI_CALL_BIND : TRI_CALL_CONNECT;
    if (connect->start != 0)
        return; /* told when the word has come */
    tri_socket_step_now(connect->socket, TRI_STEP(ATTEMPTED), TRI_TAG_ON_CONNECT);
}

static void
attempt(tr_socket *socket)
{
    struct tri_connect *connect = tri_connect_of(socket);
    unsigned delay_ms = connect->options.race_delay_ms != 0 ? connect->options.race_delay_ms : DEFAULT_RACE_DELAY_MS;
    struct tri_attempts_options options = {
        .local = connect->local.ss_family != AF_UNSPEC ? &connect->local : NULL,
        .local_port = connect->options.local_port,
        .delay_ms = connect->options.race ? delay_ms : 0,
    };
    options.peers = peers_to_try(connect, &options.count);
    struct tri_worker *worker = socket->home->worker;
    tr_status status =
        tri_attempts_start(&worker->loop, &worker->timers, &options, on_attempted, connect, &connect->attempts);
    if (status != TR_OK)
        tri_socket_destroy(socket, status, 0, TRI_CALL_CONNECT);
}

static void
attempt_one(tr_socket *socket, const struct sockaddr_storage *peer)
{
    struct tri_connect *connect = tri_connect_of(socket);
    connect->peers = malloc(sizeof(*peer));
    if (connect->peers == NULL) {
        tri_socket_fail(socket, UV_ENOMEM, TRI_CALL_CONNECT);
        return;
    }
    connect->peers[0] = *peer;
    connect->count = 1;
    attempt(socket);
}

/* A barrier alone is nobody's write. */
static bool
has_waited(const struct tri_writes *queue)
{
    return queue->first != NULL && queue->last->kind != TRI_WRITE_BARRIER;
}

/* The socket has a descriptor: the events of a connection are due. */
static void
connected(tr_socket *socket)
{
    forget(socket->origin, socket);
    tri_socket_clear(socket, TRI_SOCKET_CONNECTING | TRI_SOCKET_TO_PATH);
    tri_socket_count_live(socket); /* a connection that is being made keeps the program alive also in the background */
    tri_socket_apply_options(socket);
    if (socket->writer != NULL)
        socket->writer->waited = has_waited(&socket->writer->queue);
    socket->due |= TRI_STEP(CONNECT) | TRI_STEP(FLUSH) | TRI_STEP(FIN);
    if (tri_socket_is_secure(socket))
        socket->holding = TRI_HOLDS_NOT; /* ready, and the reading, come when the handshake is over */
    else
        socket->due |= TRI_STEP(READY) | TRI_STEP(READ);
}

void
tri_connect_attempted(tr_socket *socket)
{
    struct tri_connect *connect = tri_connect_of(socket);
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED) || connect == NULL)
        return;
    if (connect->fd < 0) {
        tri_socket_fail(socket, connect->system, connect->call);
        return;
    }
    tr_status status = tri_socket_open(socket, connect->fd, TR_READABLE | TR_WRITABLE);
    if (status != TR_OK) {
        tri_socket_destroy(socket, status, 0, TRI_CALL_OPEN);
        return;
    }
    connect->fd = -1;
    connected(socket);
}

/* Look-ups. */

/* As many as were given, but for those that this socket cannot connect to. */
static tr_status
take_peers(struct tri_connect *connect, const struct tr_address *addresses, unsigned count, enum tr_socket_type type)
{
    connect->peers = calloc(count, sizeof(*connect->peers));
    if (connect->peers == NULL)
        return TR_ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        struct sockaddr_storage *peer = &connect->peers[connect->count];
        tri_address_parse(addresses[i].text, connect->options.port, peer);
        connect->count += is_of_type(peer, type);
    }
    return connect->count > 0 ? TR_OK : TR_ENOTFOUND;
}

static void
answered(tr_socket *socket, const struct tr_error *error)
{
    struct tri_connect *connect = tri_connect_of(socket);
    connect->asks = false;
    connect->error = *error;
    tri_lookup_cancel(connect->lookup);
    connect->lookup = NULL;
    tri_socket_due(socket, TRI_STEP(LOOKED_UP) | TRI_STEP(TRY));
}

tr_status
tri_connect_check_answer(const struct tr_error *error, const struct tr_address *addresses, unsigned count)
{
    struct sockaddr_storage peer;
    if ((error != NULL) == (count > 0) || (count > 0 && addresses == NULL) || count > PEERS_LIMIT ||
        (error != NULL && error->status >= 0))
        return TR_EINVAL;
    for (unsigned i = 0; i < count; i++)
        if (!tri_address_parse(addresses[i].text, 0, &peer))
            return TR_EBADADDRESS;
    return TR_OK;
}

tr_status
tr_socket_looked_up(tr_socket *socket, const struct tr_error *error, const struct tr_address *addresses, unsigned count)
{
    TRI_CHECK_SOCKET(socket);
    tr_status status = socket != NULL ? tri_connect_check_answer(error, addresses, count) : TR_EINVAL;
    if (status != TR_OK)
        return status;
    struct tri_connect *connect = tri_socket_has_any(socket, TRI_SOCKET_CONNECTING) ? tri_connect_of(socket) : NULL;
    if (connect == NULL || !connect->asks)
        return TR_EGONE;
    struct tr_error outcome = error != NULL ? *error : (struct tr_error){.status = TR_OK};
    if (error == NULL) {
        enum tr_socket_type type = socket->extra != NULL ? socket->extra->type : TR_SOCKET_ANY;
        outcome.status = take_peers(connect, addresses, count, type);
    }
    if (outcome.code == NULL || outcome.status != TR_EUSER)
        outcome.code = tr_status_code(outcome.status);
    outcome.call = "getaddrinfo";
    answered(socket, &outcome);
    return TR_OK;
}

/* The system's answer: addresses as text, so that both kinds of look-up go one way. */
static unsigned
texts_of(const struct addrinfo *answers, struct tr_address *out)
{
    unsigned count = 0;
    for (; answers != NULL && count < PEERS_LIMIT; answers = answers->ai_next) {
        tri_address_from(answers->ai_addr, &out[count]);
        count += out[count].family != TR_FAMILY_NONE;
    }
    return count;
}

void
tri_connect_answer(tr_socket *socket, tr_message *message)
{
    struct tri_resolver_answer *answer = tr_message_take_pointer(message);
    struct tri_connect *connect = tri_socket_has_any(socket, TRI_SOCKET_CONNECTING) ? tri_connect_of(socket) : NULL;
    if (connect != NULL && connect->asks && connect->token == answer->token) {
        struct tr_address addresses[PEERS_LIMIT];
        unsigned count = texts_of(answer->addresses, addresses);
        tr_status status = answer->error != 0 ? tri_status_from_uv(answer->error) : TR_ENOTFOUND;
        tr_socket_looked_up(socket, count == 0 ? &(struct tr_error){.status = status} : NULL, addresses, count);
    }
    tri_resolver_answer_free(answer);
}

/* Tells the outcome, or the next address that may be tried. true: there are more. */
static bool
tell_lookup(tr_socket *socket)
{
    struct tri_connect *connect = tri_connect_of(socket);
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED) || connect == NULL)
        return false;
    struct tr_address address;
    struct tr_error error = connect->error;
    char host[TRI_HOST_LIMIT];
    memcpy(host, connect->host, sizeof(host)); /* the callback may destroy the socket, and `connect` with it */
    bool failed = error.status != TR_OK;
    unsigned count = 0;
    if (!failed)
        tri_address_from((const struct sockaddr *)(peers_to_try(connect, &count) + connect->told), &address);
    bool has_more = ++connect->told < count;
    tri_events_lookup(socket, failed ? &error : NULL, failed ? NULL : &address, host);
    return has_more;
}

/* As in Node one event for each address that may be tried, in the order in which they were found. */
void
tri_connect_looked_up(tr_socket *socket)
{
    while (tell_lookup(socket)) {
        if (tri_socket_lacks_credit(socket)) {
            socket->due |= TRI_STEP(LOOKED_UP);
            return;
        }
    }
}

void
tri_connect_try(tr_socket *socket)
{
    struct tri_connect *connect = tri_connect_of(socket);
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED) || connect == NULL)
        return;
    if (connect->error.status == TR_OK)
        attempt(socket);
    else if (connect->error.status == TR_EUSER)
        tri_socket_destroy_with(socket, connect->error.code, TRI_CALL_LOOKUP);
    else
        tri_socket_destroy(socket, connect->error.status, 0, TRI_CALL_LOOKUP);
}

static int
system_family(enum tr_family family)
{
    return family == TR_FAMILY_IPV4 ? AF_INET : family == TR_FAMILY_IPV6 ? AF_INET6 : AF_UNSPEC;
}

static void
look_up(tr_socket *socket)
{
    struct tri_connect *connect = tri_connect_of(socket);
    const struct tr_connect_options *options = &connect->options;
    connect->asks = true;
    if (options->lookup != NULL) {
        char host[TRI_HOST_LIMIT];
        memcpy(host, connect->host, sizeof(host));
        options->lookup(socket, host, options->family, options->lookup_data);
        return;
    }
    connect->token = ++socket->home->lookups;
    tr_status status = tri_ask(socket->home->net, tr_self(socket->actor), TRI_TAG_SOCKET_ANSWER, connect->token,
                               connect->host, system_family(options->family), options->hints, &connect->lookup);
    if (status != TR_OK)
        answered(socket, &(struct tr_error){status, 0, "getaddrinfo", tr_status_code(status)});
}

static void
begin(tr_socket *socket)
{
    struct tri_connect *connect = tri_connect_of(socket);
    struct sockaddr_storage peer;
    tri_trace_socket_connecting(socket, connect->options.port);
    if (tri_socket_has_any(socket, TRI_SOCKET_TO_PATH))
        attempt_one(socket, &connect->path);
    else if (tri_address_parse(connect->host, connect->options.port, &peer))
        attempt_one(socket, &peer);
    else
        look_up(socket);
}

/* What the last life of the socket has left to tell comes before. To a path, connecting has begun with the order. */
void
tri_connect_start(tr_socket *socket)
{
    const struct tri_connect *connect = tri_connect_of(socket);
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED) || connect == NULL)
        return;
    if ((socket->due & (TRI_STEP(AFTER) | TRI_STEP(OVER))) != 0)
        socket->due |= TRI_STEP(START);
    else if (connect->peers == NULL)
        begin(socket);
    else if (connect->attempts == NULL)
        socket->due |= TRI_STEP(ATTEMPTED);
}
