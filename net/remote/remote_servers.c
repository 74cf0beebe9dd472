/*
 * Operations of servers from another actor: each is a message, which the server obeys (server_orders.c).
 */
#include "listening.h"

#include "layer.h"
#include "post.h"
#include "server_orders.h"

#include <stdlib.h>
#include <troupe/core/descriptors.h>

static void
lose_server_ask(void *address)
{
    struct tri_info_ask *ask = address;
    ask->info.server = (struct tr_server_info){.server = ask->about};
    tri_info_lose(ask, sizeof(ask->info.server));
}

tr_status
tr_remote_server_listen(tr_actor *self, tr_ref server, const struct tr_listen_options *options)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || options == NULL || options->server != NULL)
        return TR_EINVAL;
    tr_status status = tri_listen_check_options(options);
    if (status != TR_OK)
        return status;
    size_t size = sizeof(struct tri_listen_order) + tri_text_size(options->host) + tri_text_size(options->path);
    struct tri_listen_order *order = malloc(size);
    if (order == NULL)
        return TR_ENOMEM;
    char *next = order->texts;
    order->options = *options;
    /* A duplicate goes along: what cannot be sent is dropped with its descriptor, and the caller's stays the
     * caller's. */
    if (options->from_fd && (status = tri_duplicate(options->fd, &order->options.fd)) != TR_OK) {
        free(order);
        return status;
    }
    order->runtime = tr_actor_runtime(self);
    tri_runtime_add_live(order->runtime, 1);
    order->options.host = tri_text_copy(&next, options->host);
    order->options.path = tri_text_copy(&next, options->path);
    tr_message message = tr_message_pointer(TRI_TAG_SERVER_LISTEN, order, size, tri_listen_order_drop);
    status = tri_remote_post(self, server, &message);
    if (status == TR_OK && options->from_fd)
        tri_close(options->fd);
    return status;
}

tr_status
tr_remote_server_close(tr_actor *self, tr_ref server)
{
    TRI_CHECK_SELF(self);
    return tri_remote_post_signal(self, server, TRI_TAG_SERVER_CLOSE);
}

tr_status
tr_remote_server_drain(tr_actor *self, tr_ref server, uint64_t deadline_ms)
{
    TRI_CHECK_SELF(self);
    if (deadline_ms > INT32_MAX)
        return TR_EBADLIMIT;
    return tri_remote_post_word(self, server, TRI_TAG_SERVER_DRAIN, deadline_ms);
}

tr_status
tr_remote_server_pause(tr_actor *self, tr_ref server, uint64_t pause_ms)
{
    TRI_CHECK_SELF(self);
    if (pause_ms > INT32_MAX)
        return TR_EBADLIMIT;
    return tri_remote_post_word(self, server, TRI_TAG_SERVER_PAUSE, pause_ms);
}

tr_status
tr_remote_server_resume(tr_actor *self, tr_ref server)
{
    TRI_CHECK_SELF(self);
    return tri_remote_post_signal(self, server, TRI_TAG_SERVER_RESUME);
}

tr_status
tr_remote_server_set_max_connections(tr_actor *self, tr_ref server, uint32_t max_connections)
{
    TRI_CHECK_SELF(self);
    return tri_remote_post_word(self, server, TRI_TAG_SERVER_MAX_CONNECTIONS, max_connections);
}

static void
release_context(void *context)
{
    tr_tls_context_release(context);
}

tr_status
tr_remote_server_set_tls(tr_actor *self, tr_ref server, tr_tls_context *context)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || context == NULL)
        return TR_EINVAL;
    tr_status status = tri_tls_check_server(context);
    if (status != TR_OK)
        return status;
    tr_message message =
        tr_message_pointer(TRI_TAG_SERVER_TLS, tr_tls_context_hold(context), sizeof(void *), release_context);
    return tri_remote_post(self, server, &message);
}

tr_status
tr_remote_server_info(tr_actor *self, tr_ref server, uint32_t reply_tag)
{
    TRI_CHECK_SELF(self);
    struct tri_info_ask ask = {.about = server, .reply_tag = reply_tag};
    return tri_remote_post_info_ask(self, TRI_TAG_SERVER_INFO, &ask, lose_server_ask);
}
