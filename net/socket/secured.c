/*
 * What can be asked of a secure socket: about its peer, and about the connection.
 *
 * The layer stays with its socket until `close` was given, so callbacks of the end may ask as well as that of `secure`.
 */
#include "secured.h"

#include "events_internal.h"
#include "layer.h"
#include "secure.h"
#include "transmit.h"

#include <troupe/net/tls.h>

/* The layer, if it is one of TLS; NULL. */
static struct tri_record_layer *
layer_of(const tr_socket *socket)
{
    struct tri_record_layer *layer = socket != NULL ? tri_socket_layer(socket) : NULL;
    return tri_is_tls(layer) ? layer : NULL;
}

/* And if its handshake is over. */
static struct tri_record_layer *
open_layer(const tr_socket *socket)
{
    struct tri_record_layer *layer = layer_of(socket);
    return layer != NULL && layer->state == TRI_LAYER_OPEN ? layer : NULL;
}

/* What a socket that has none answers, or NULL. */
static tr_status
not_secure(const tr_socket *socket)
{
    return socket == NULL || tr_tls_supported() ? TR_ENOTCONN : TR_ENOTSUPPORTED;
}

void
tri_secured_give(tr_socket *socket)
{
    struct tr_secured secured = {.result = TR_ENOENT};
    tri_secure_follow(socket);
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
        return;
    const struct tri_record_layer *layer = open_layer(socket);
    if (layer != NULL) {
        struct tr_tls_info info;
        tri_tls_info(layer, &info);
        secured.version = info.version;
        secured.resumed = info.resumed;
        secured.result = tri_tls_verify_result(layer, &(const char *){NULL});
    }
    tri_events_secure(socket, &secured);
}

bool
tr_socket_secure(const tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    return open_layer(socket) != NULL;
}

bool
tr_socket_verify_peer(const tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    return tr_socket_verify_result(socket, NULL) == TR_OK;
}

tr_status
tr_socket_verify_result(const tr_socket *socket, const char **code)
{
    TRI_CHECK_SOCKET(socket);
    const char *name = NULL;
    const struct tri_record_layer *layer = layer_of(socket);
    tr_status status = layer != NULL ? tri_tls_verify_result(layer, &name) : not_secure(socket);
    if (code != NULL)
        *code = status == TR_OK || name != NULL ? name : tr_status_code(status);
    return status;
}

bool
tr_socket_truncated(const tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    return open_layer(socket) != NULL && tri_secure_is_cut(socket);
}

tr_status
tr_socket_peer(const tr_socket *socket, struct tr_peer **out)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL || out == NULL)
        return TR_EINVAL;
    const struct tri_record_layer *layer = layer_of(socket);
    return layer != NULL ? tri_tls_peer(layer, out) : not_secure(socket);
}

tr_status
tr_socket_tls_info(const tr_socket *socket, struct tr_tls_info *out)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL || out == NULL)
        return TR_EINVAL;
    const struct tri_record_layer *layer = open_layer(socket);
    if (layer == NULL)
        return not_secure(socket);
    tri_tls_info(layer, out);
    return TR_OK;
}

tr_status
tr_socket_tls_session(const tr_socket *socket, tr_tls_session **out)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL || out == NULL)
        return TR_EINVAL;
    const struct tri_record_layer *layer = open_layer(socket);
    return layer != NULL ? tri_tls_session(layer, out) : not_secure(socket);
}

tr_status
tr_socket_export_key(const tr_socket *socket, const char *label, const void *context, size_t context_size, void *out,
                     size_t size)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL || label == NULL || out == NULL || size == 0 || (context == NULL && context_size > 0))
        return TR_EINVAL;
    const struct tri_record_layer *layer = open_layer(socket);
    return layer != NULL ? tri_tls_export_key(layer, label, context, context_size, out, size) : not_secure(socket);
}

tr_status
tr_socket_update_keys(tr_socket *socket, bool both)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL)
        return TR_EINVAL;
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
        return TR_EDESTROYED;
    struct tri_record_layer *layer = open_layer(socket);
    if (layer == NULL)
        return not_secure(socket);
    if (tri_socket_has_any(socket, TRI_SOCKET_ENDING))
        return TR_EWRITEAFTEREND; /* as a write, whatever still waits before the goodbye */
    tr_status status = tri_tls_update_keys(layer, both);
    if (status == TR_OK)
        tri_writer_flush(socket);
    return status;
}
