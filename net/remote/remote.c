/*
 * Operations of sockets from another actor.
 *
 * An operation is a message with a tag of the library's own (tags.h); the actor carries it out when it comes to it, by
 * the same public functions (socket_orders.c). What does not fit into a message goes along as memory: texts with the
 * options that point to them, and questions, which stay until the callback of their write.
 *
 * An order whose loss would leave somebody waiting has a destructor that tells: a question is answered, and the second
 * socket of a pipe hears that there will be none.
 */
#include "connect.h"

#include "encoding_internal.h"
#include "events_internal.h"
#include "options.h"
#include "pipe_internal.h"
#include "post.h"
#include "socket_actor.h"
#include "socket_orders.h"
#include "start.h"
#include "tune.h"
#include "upgrade.h"

#include <stdlib.h>
#include <troupe/core/descriptors.h>

/* Writes that are answered, and such as carry a descriptor. */

/* A question found no socket. */
static void
lose_ask(void *address)
{
    struct tri_worker *here = tri_worker_current();
    if (here != NULL)
        tri_write_ask_answer(here, NULL, address, TR_EGONE);
    else
        tri_write_ask_free(address); /* the runtime has ended */
}

/* There is no socket: it is closed, and has no addresses. */
static void
lose_socket_ask(void *address)
{
    struct tri_info_ask *ask = address;
    ask->info.socket = (struct tr_socket_info){
        .socket = ask->about, .token = ask->token, .ready_state = TR_STATE_CLOSED, .pending = true, .destroyed = true};
    tri_info_lose(ask, sizeof(ask->info.socket));
}

/* Takes the descriptor in any case. lost: see tri_remote_post_order(). */
static tr_status
send_ask(tr_actor *self, tr_ref socket, uint32_t tag, const struct tri_write_ask *content, void (*lost)(void *))
{
    struct tri_write_ask *ask = malloc(sizeof(*ask));
    if (ask == NULL) {
        if (content->fd >= 0)
            tri_close(content->fd);
        return TR_ENOMEM;
    }
    *ask = *content;
    ask->asker = tr_self(self);
    tr_slice_hold(ask->slice);
    return tri_remote_post_order(self, socket, tag, ask, sizeof(*ask) + ask->slice.size, lost, tri_write_ask_free);
}

static tr_status
ask_about(tr_actor *self, tr_ref socket, uint32_t tag, tr_slice slice, uint32_t reply_tag, uint64_t token)
{
    if (self == NULL || (slice.data == NULL && slice.size > 0))
        return TR_EINVAL;
    if (reply_tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    struct tri_write_ask ask = {.slice = slice, .token = token, .reply_tag = reply_tag, .fd = -1};
    return send_ask(self, socket, tag, &ask, lose_ask);
}

tr_status
tr_remote_write(tr_actor *self, tr_ref socket, tr_slice slice)
{
    TRI_CHECK_SELF(self);
    return tri_remote_post_slice(self, socket, TRI_TAG_SOCKET_WRITE, slice);
}

tr_status
tr_remote_write_ask(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token)
{
    TRI_CHECK_SELF(self);
    return ask_about(self, socket, TRI_TAG_SOCKET_WRITE_ASK, slice, reply_tag, token);
}

tr_status
tr_remote_write_check(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token)
{
    TRI_CHECK_SELF(self);
    return ask_about(self, socket, TRI_TAG_SOCKET_WRITE_CHECK, slice, reply_tag, token);
}

tr_status
tr_remote_end_ask(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token)
{
    TRI_CHECK_SELF(self);
    return ask_about(self, socket, TRI_TAG_SOCKET_END_ASK, slice, reply_tag, token);
}

tr_status
tr_remote_write_fd(tr_actor *self, tr_ref socket, tr_slice slice, int fd)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || slice.data == NULL || slice.size == 0)
        return TR_EINVAL;
    struct tri_write_ask ask = {.slice = slice};
    tr_status status = tri_duplicate(fd, &ask.fd);
    if (status != TR_OK)
        return status;
    return send_ask(self, socket, TRI_TAG_SOCKET_WRITE_FD, &ask, tri_write_ask_free);
}

/* Options with the texts that they point to, in one piece of memory. */

static void
drop_connect_order(void *address)
{
    struct tri_connect_order *order = address;
    tri_runtime_add_live(order->runtime, -1);
    tri_upgrade_drop(order->layer);
    free(order);
}

/* A header with its TLVs. It is copied first, to where its alignment is that of the order. */
static size_t
proxy_size(const struct tr_proxy *proxy)
{
    return proxy != NULL ? sizeof(*proxy) + proxy->tlvs_size : 0;
}
_Static_assert(offsetof(struct tri_connect_order, texts) % _Alignof(struct tr_proxy) == 0, "aligned for a header");

static const struct tr_proxy *
proxy_copy(char **next, const struct tr_proxy *proxy)
{
    if (proxy == NULL)
        return NULL;
    struct tr_proxy *copy = (struct tr_proxy *)(void *)*next;
    *copy = *proxy;
    if (proxy->tlvs_size > 0)
        copy->tlvs = memcpy(copy + 1, proxy->tlvs, proxy->tlvs_size);
    *next += proxy_size(proxy);
    return copy;
}

/* The layer is made here, where the texts of the options are. */
static void
take_layer(struct tri_connect_order *order, struct tri_record_layer *layer)
{
    order->layer = layer;
    if (layer == NULL)
        return;
    order->tls = *order->options.tls;
    order->tls.server_name = NULL;
    order->tls.alpn = NULL;
    order->tls.alpn_count = 0;
    order->tls.session = NULL;
    order->options.tls = &order->tls;
}

tr_status
tr_remote_connect(tr_actor *self, tr_ref socket, const struct tr_connect_options *options)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || options == NULL)
        return TR_EINVAL;
    struct tri_record_layer *layer = NULL;
    tr_status status = tri_connect_check(options, TR_SOCKET_ANY);
    if (status == TR_OK)
        status = tri_upgrade_open_client(options, &layer);
    if (status != TR_OK)
        return status;
    size_t size = sizeof(struct tri_connect_order) + proxy_size(options->proxy) + tri_text_size(options->host) +
                  tri_text_size(options->local_address) + tri_text_size(options->path);
    struct tri_connect_order *order = malloc(size);
    struct tri_net *net = tri_net_of(tri_actor_worker(self));
    if (order == NULL || net == NULL || tri_start_later(net, socket, &order->start) != TR_OK) {
        free(order);
        tri_upgrade_drop(layer);
        return TR_ENOMEM;
    }
    char *next = order->texts;
    order->runtime = tr_actor_runtime(self);
    tri_runtime_add_live(order->runtime, 1);
    order->options = *options;
    take_layer(order, layer);
    order->options.proxy = proxy_copy(&next, options->proxy);
    order->options.host = tri_text_copy(&next, options->host);
    order->options.local_address = tri_text_copy(&next, options->local_address);
    order->options.path = tri_text_copy(&next, options->path);
    tr_message message = tr_message_pointer(TRI_TAG_SOCKET_CONNECT, order, size, drop_connect_order);
    return tri_remote_post(self, socket, &message);
}

tr_status
tr_remote_looked_up(tr_actor *self, tr_ref socket, const struct tr_error *error, const struct tr_address *addresses,
                    unsigned count)
{
    TRI_CHECK_SELF(self);
    tr_status status = self != NULL ? tri_connect_check_answer(error, addresses, count) : TR_EINVAL;
    if (status != TR_OK)
        return status;
    size_t size = sizeof(struct tri_looked_up_order) + count * sizeof(*addresses);
    struct tri_looked_up_order *order = calloc(1, size);
    if (order == NULL)
        return TR_ENOMEM;
    if (error != NULL)
        order->error = *error;
    order->count = count;
    for (unsigned i = 0; i < count; i++)
        order->addresses[i] = addresses[i];
    tr_message message = tr_message_pointer(TRI_TAG_SOCKET_LOOKED_UP, order, size, free);
    return tri_remote_post(self, socket, &message);
}

/* Sockets. */

tr_status
tr_remote_socket(tr_actor *self, const struct tr_socket_options *options, const struct tr_spawn_options *placement,
                 tr_ref *out)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || out == NULL)
        return TR_EINVAL;
    tr_status status = tri_socket_check_options(tr_actor_runtime(self), options);
    if (status != TR_OK)
        return status;
    struct tri_remote_socket_order order = {.order = {.from_afar = true}};
    if (options != NULL)
        order.options = *options;
    struct tr_spawn_options spawn = placement != NULL ? *placement : (struct tr_spawn_options){0};
    spawn.argument = &order;
    spawn.argument_size = sizeof(order);
    return tr_spawn(self, &tri_socket_behavior, &spawn, out);
}

tr_status
tr_remote_credit(tr_actor *self, tr_ref socket, uint32_t events)
{
    TRI_CHECK_SELF(self);
    return tri_remote_post_word(self, socket, TRI_TAG_SOCKET_CREDIT, events);
}

tr_status
tr_remote_cork(tr_actor *self, tr_ref socket)
{
    TRI_CHECK_SELF(self);
    return tri_remote_post_signal(self, socket, TRI_TAG_SOCKET_CORK);
}

tr_status
tr_remote_uncork(tr_actor *self, tr_ref socket)
{
    TRI_CHECK_SELF(self);
    return tri_remote_post_signal(self, socket, TRI_TAG_SOCKET_UNCORK);
}

tr_status
tr_remote_end(tr_actor *self, tr_ref socket)
{
    TRI_CHECK_SELF(self);
    return tri_remote_post_signal(self, socket, TRI_TAG_SOCKET_END);
}

tr_status
tr_remote_end_with(tr_actor *self, tr_ref socket, tr_slice slice)
{
    TRI_CHECK_SELF(self);
    return tri_remote_post_slice(self, socket, TRI_TAG_SOCKET_END_WITH, slice);
}

tr_status
tr_remote_destroy(tr_actor *self, tr_ref socket, tr_status error)
{
    TRI_CHECK_SELF(self);
    return tri_remote_post_word(self, socket, TRI_TAG_SOCKET_DESTROY, (uint64_t)(int64_t)error);
}

tr_status
tr_remote_destroy_with(tr_actor *self, tr_ref socket, const char *code)
{
    TRI_CHECK_SELF(self);
    return tri_remote_post_word(self, socket, TRI_TAG_SOCKET_DESTROY_WITH, (uint64_t)(uintptr_t)code);
}

tr_status
tr_remote_reset(tr_actor *self, tr_ref socket)
{
    TRI_CHECK_SELF(self);
    return tri_remote_post_signal(self, socket, TRI_TAG_SOCKET_RESET);
}

tr_status
tr_remote_pause(tr_actor *self, tr_ref socket)
{
    TRI_CHECK_SELF(self);
    return tri_remote_post_signal(self, socket, TRI_TAG_SOCKET_PAUSE);
}

tr_status
tr_remote_resume(tr_actor *self, tr_ref socket)
{
    TRI_CHECK_SELF(self);
    return tri_remote_post_signal(self, socket, TRI_TAG_SOCKET_RESUME);
}

tr_status
tr_remote_set_encoding(tr_actor *self, tr_ref socket, enum tr_encoding encoding)
{
    TRI_CHECK_SELF(self);
    if (!tri_encoding_exists(encoding))
        return TR_EBADENCODING;
    return tri_remote_post_word(self, socket, TRI_TAG_SOCKET_ENCODING, encoding);
}

tr_status
tr_remote_set_timeout(tr_actor *self, tr_ref socket, uint64_t timeout_ms)
{
    TRI_CHECK_SELF(self);
    if (timeout_ms > INT32_MAX)
        return TR_EBADLIMIT;
    return tri_remote_post_word(self, socket, TRI_TAG_SOCKET_TIMEOUT, timeout_ms);
}

tr_status
tr_remote_set_no_delay(tr_actor *self, tr_ref socket, bool no_delay)
{
    TRI_CHECK_SELF(self);
    return tri_remote_post_word(self, socket, TRI_TAG_SOCKET_NO_DELAY, no_delay);
}

tr_status
tr_remote_set_keep_alive(tr_actor *self, tr_ref socket, bool enable, uint64_t initial_delay_ms)
{
    TRI_CHECK_SELF(self);
    if (initial_delay_ms > TRI_KEEP_ALIVE_LIMIT_MS)
        return TR_EBADLIMIT;
    return tri_remote_post_words(self, socket, TRI_TAG_SOCKET_KEEP_ALIVE, enable, initial_delay_ms);
}

tr_status
tr_remote_set_background(tr_actor *self, tr_ref socket, bool background)
{
    TRI_CHECK_SELF(self);
    return tri_remote_post_word(self, socket, TRI_TAG_SOCKET_BACKGROUND, background);
}

tr_status
tr_remote_set_awaits(tr_actor *self, tr_ref socket, bool awaits)
{
    TRI_CHECK_SELF(self);
    return tri_remote_post_word(self, socket, TRI_TAG_SOCKET_AWAITS, awaits);
}

tr_status
tr_remote_set_owner(tr_actor *self, tr_ref socket, const struct tr_owner *owner)
{
    TRI_CHECK_SELF(self);
    tr_status status = self != NULL && owner != NULL ? tri_events_check_owner(tr_actor_runtime(self), owner) : TR_OK;
    if (status != TR_OK)
        return status;
    return tri_remote_post_words(self, socket, TRI_TAG_SOCKET_OWNER, owner != NULL ? owner->actor : TR_NOBODY,
                                 owner != NULL ? owner->credit : 0);
}

tr_status
tr_remote_set_consumer(tr_actor *self, tr_ref socket, tr_ref consumer)
{
    TRI_CHECK_SELF(self);
    if (self != NULL && tr_ref_worker(consumer) >= tr_runtime_workers(tr_actor_runtime(self)))
        return TR_EBADREF;
    return tri_remote_post_word(self, socket, TRI_TAG_SOCKET_CONSUMER, consumer);
}

/* The order found no socket. */
static void
lose_pipe(void *address)
{
    struct tri_pipe_order *order = address;
    if (!order->options.keep_open)
        tri_pipe_never(&order->word, order->to, TRI_PIPE_FAILED);
    else
        free(order);
}

tr_status
tr_remote_pipe(tr_actor *self, tr_ref from, tr_ref to, const struct tr_pipe_options *options)
{
    TRI_CHECK_SELF(self);
    static const struct tr_pipe_options defaults;
    if (options == NULL)
        options = &defaults;
    if (self != NULL && (to == TR_NOBODY || tr_ref_worker(to) >= tr_runtime_workers(tr_actor_runtime(self))))
        return TR_EBADREF;
    struct tri_pipe_order *order = self != NULL ? malloc(sizeof(*order)) : NULL;
    if (order == NULL)
        return self != NULL ? TR_ENOMEM : TR_EINVAL;
    *order = (struct tri_pipe_order){.word = {.done = tri_word_free}, .to = to, .options = *options};
    return tri_remote_post_order(self, from, TRI_TAG_SOCKET_PIPE, order, sizeof(*order), lose_pipe, free);
}

tr_status
tr_remote_unpipe(tr_actor *self, tr_ref from)
{
    TRI_CHECK_SELF(self);
    return tri_remote_post_signal(self, from, TRI_TAG_SOCKET_UNPIPE);
}

tr_status
tr_remote_socket_info(tr_actor *self, tr_ref socket, uint32_t reply_tag, uint64_t token)
{
    TRI_CHECK_SELF(self);
    struct tri_info_ask ask = {.about = socket, .token = token, .reply_tag = reply_tag};
    return tri_remote_post_info_ask(self, TRI_TAG_SOCKET_INFO, &ask, lose_socket_ask);
}
