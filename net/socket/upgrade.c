/*
 * From plain to secure: what the program asks for becomes a layer of TLS before the descriptor.
 *
 * The layer is made first, which finds what is wrong with the options, and then given to the socket; one that is not
 * taken is dropped. A client must say whom it expects. A connection has that from its host, in the form that name
 * servers know; of an upgraded one nobody can know it but the program.
 */
#include "upgrade.h"

#include "address_internal.h"
#include "idna.h"
#include "layer.h"

#include <string.h>
#include <troupe/core/status_from.h>

#define DEFAULT_HOST "localhost"

static bool
is_possible_time(uint32_t ms)
{
    return ms <= INT32_MAX || ms == TR_TLS_NO_LIMIT;
}

tr_status
tri_upgrade_check_received(const struct tr_tls_options *options)
{
    bool is_slice = options->received.data != NULL || options->received.size == 0;
    if (!tr_tls_supported())
        return TR_ENOTSUPPORTED; /* there are no contexts: a program must not take that for its own mistake */
    if (options->context == NULL || !is_slice || options->role > TR_TLS_SERVER ||
        (options->alpn == NULL && options->alpn_count > 0))
        return TR_EINVAL;
    return is_possible_time(options->handshake_timeout_ms) ? TR_OK : TR_EBADLIMIT;
}

tr_status
tri_upgrade_check(const struct tr_tls_options *options)
{
    return options->received.size == 0 ? tri_upgrade_check_received(options) : TR_EINVAL;
}

/* A zone is our own matter, and no part of a certificate. */
static void
cut_zone(char name[TRI_IDNA_BYTES])
{
    struct sockaddr_storage address;
    char *zone = strchr(name, '%');
    if (zone != NULL && tri_address_parse(name, 0, &address))
        *zone = '\0';
}

/* Nor is the dot that says that a name is whole (RFC 6066, section 3). */
static void
cut_last_dot(char name[TRI_IDNA_BYTES])
{
    size_t size = strlen(name);
    if (size > 1 && name[size - 1] == '.')
        name[size - 1] = '\0';
}

static tr_status
open_layer(const struct tr_tls_options *options, bool serves, const char *host, struct tri_record_layer **out)
{
    char name[TRI_IDNA_BYTES] = "";
    struct tri_tls_wish wish = {.context = options->context, .serves = serves};
    if (!serves) {
        wish.server_name = host != NULL ? name : NULL;
        wish.any_name = options->any_name;
        wish.alpn = options->alpn;
        wish.alpn_count = options->alpn_count;
        wish.session = options->session;
    }
    if (!serves && (host != NULL ? !tri_host_is_sound(host) : !options->any_name))
        return TR_EBADHOST;
    int error = wish.server_name != NULL ? tri_idna_to_ascii(host, name) : 0;
    if (error != 0)
        return error == UV_EINVAL ? TR_EBADHOST : tri_status_from_uv(error);
    cut_zone(name);
    cut_last_dot(name);
    return tri_tls_open(&wish, out);
}

tr_status
tri_upgrade_open_client(const struct tr_connect_options *options, struct tri_record_layer **out)
{
    const struct tr_tls_options *tls = options->tls;
    *out = NULL;
    if (tls == NULL)
        return TR_OK;
    tr_status status = tri_upgrade_check(tls);
    if (status != TR_OK)
        return status;
    const char *host = options->host == NULL && options->path == NULL ? DEFAULT_HOST : options->host;
    if (options->path != NULL)
        host = NULL;
    return open_layer(tls, tls->role == TR_TLS_SERVER, tls->server_name != NULL ? tls->server_name : host, out);
}

void
tri_upgrade_drop(struct tri_record_layer *layer)
{
    if (layer != NULL)
        layer->kind->free(layer);
}

struct tri_secure_options
tri_upgrade_options(const struct tr_tls_options *options)
{
    uint32_t limit_ms = options->handshake_timeout_ms != 0 ? options->handshake_timeout_ms : TR_TLS_HANDSHAKE_MS;
    return (struct tri_secure_options){
        .handshake_ms = limit_ms != TR_TLS_NO_LIMIT ? limit_ms : 0,
        .cut_fails = options->truncation_fails,
        .received = options->received,
    };
}

static bool
serves(const tr_socket *socket, const struct tr_tls_options *options)
{
    return options->role == TR_TLS_BY_ORIGIN ? tri_socket_is_accepted(socket) : options->role == TR_TLS_SERVER;
}

tr_status
tr_socket_set_secure(tr_socket *socket, const struct tr_tls_options *options)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL || options == NULL)
        return TR_EINVAL;
    struct tri_record_layer *layer;
    tr_status status = tri_upgrade_check_received(options);
    if (status == TR_OK)
        status = tri_secure_check(socket);
    if (status == TR_OK)
        status = open_layer(options, serves(socket, options), options->server_name, &layer);
    if (status != TR_OK)
        return status;
    struct tri_secure_options secure = tri_upgrade_options(options);
    status = tri_secure_begin(socket, layer, &secure);
    if (status != TR_OK)
        tri_upgrade_drop(layer);
    return status;
}
