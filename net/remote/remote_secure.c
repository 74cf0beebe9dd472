/*
 * Secure sockets from another actor. An order to become secure goes along with all that it needs: which side a socket
 * is on only the socket knows, so its layer is made there.
 */
#include "post.h"
#include "socket_orders.h"
#include "upgrade.h"

#include <stdlib.h>
#include <string.h>

static void
drop_secure_order(void *address)
{
    struct tri_secure_order *order = address;
    tr_tls_context_release(order->options.context);
    tr_slice_release(order->options.received);
    free(order);
}

static size_t
order_size(const struct tr_tls_options *options)
{
    size_t size = sizeof(struct tri_secure_order) + tri_text_size(options->server_name);
    for (unsigned i = 0; i < options->alpn_count; i++)
        size += sizeof(options->alpn[i]) + tri_text_size(options->alpn[i]);
    return size;
}

/* No list means another thing than an empty one. */
static void
fill_order(struct tri_secure_order *order, const struct tr_tls_options *options)
{
    char *next = (char *)&order->alpn[options->alpn_count];
    order->options = *options;
    order->options.server_name = tri_text_copy(&next, options->server_name);
    order->options.alpn = options->alpn != NULL ? order->alpn : NULL;
    for (unsigned i = 0; i < options->alpn_count; i++)
        order->alpn[i] = tri_text_copy(&next, options->alpn[i]);
    tr_tls_context_hold(options->context);
    tr_slice_hold(options->received);
}

tr_status
tr_remote_set_secure(tr_actor *self, tr_ref socket, const struct tr_tls_options *options)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || options == NULL)
        return TR_EINVAL;
    tr_status status = tri_upgrade_check_received(options);
    if (status != TR_OK)
        return status;
    size_t size = order_size(options);
    struct tri_secure_order *order = malloc(size);
    if (order == NULL)
        return TR_ENOMEM;
    fill_order(order, options);
    tr_message message = tr_message_pointer(TRI_TAG_SOCKET_SECURE, order, size, drop_secure_order);
    return tri_remote_post(self, socket, &message);
}

/* The socket of a question is gone. */

static void
lose_keys_ask(void *address)
{
    struct tri_info_ask *ask = address;
    ask->info.done = (struct tr_remote_written){.token = ask->token, .status = TR_EGONE};
    tri_info_lose(ask, sizeof(ask->info.done));
}

static void
lose_peer_ask(void *address)
{
    struct tri_info_ask *ask = address;
    ask->info.shown = (struct tr_remote_shown){.socket = ask->about, .token = ask->token, .status = TR_EGONE};
    tri_info_lose(ask, sizeof(ask->info.shown));
}

tr_status
tr_remote_update_keys(tr_actor *self, tr_ref socket, bool both, uint32_t reply_tag, uint64_t token)
{
    TRI_CHECK_SELF(self);
    struct tri_info_ask ask = {.about = socket, .token = token, .reply_tag = reply_tag, .both = both};
    return tri_remote_post_info_ask(self, TRI_TAG_SOCKET_UPDATE_KEYS, &ask, lose_keys_ask);
}

tr_status
tr_remote_peer(tr_actor *self, tr_ref socket, uint32_t reply_tag, uint64_t token)
{
    TRI_CHECK_SELF(self);
    struct tri_info_ask ask = {.about = socket, .token = token, .reply_tag = reply_tag};
    return tri_remote_post_info_ask(self, TRI_TAG_SOCKET_PEER, &ask, lose_peer_ask);
}
