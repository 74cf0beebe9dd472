/*
 * TLS as a kind of layer: its life, and what it tells of itself.
 */
#include "layer.h"

#include "aside.h"
#include "connection.h"
#include "context.h"
#include "reason.h"
#include "sessions.h"
#include "trust.h"
#include "wire.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/ipaddr/ip.h>

#define HOST_BYTES 253u

/* What is wrong. */

int
tri_tls_break(struct tri_tls *tls)
{
    tls->layer.reason = tri_reason_take(tls->ssl);
    return TRI_LAYER_BROKEN;
}

static tr_status
failure(const struct tri_record_layer *layer, const char **code)
{
    return tri_reason_status(layer->reason, code);
}

/* The end. */

/* A connection that OpenSSL believes to be in the middle takes its session with it, which others may resume. */
static void
close_tls(struct tri_tls *tls)
{
    tri_wire_fini(tls);
    if (tri_tls_is(tls, TRI_TLS_SECURE) && tls->layer.reason <= 0)
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    tri_context_connection_free(tls->ssl);
}

static void
free_tls(struct tri_record_layer *layer)
{
    struct tri_tls *tls = tri_tls_of(layer);
    if (tls->ssl != NULL)
        close_tls(tls);
    free(tls);
}

/* The kind. */

static tr_status
take_early(struct tri_record_layer *layer, tr_slice bytes)
{
    return tri_early_take(tri_tls_of(layer), bytes);
}

static uint64_t
moved(const struct tri_record_layer *layer)
{
    const struct tri_tls *tls = (const struct tri_tls *)layer;
    return tri_wire_read(tls) + tri_wire_written(tls);
}

static const struct tri_record_layer_kind kind = {
    .late = TR_ETLSTIMEOUT,
    .cut = TR_ETRUNCATED,
    .advance = tri_tls_advance,
    .read_plain = tri_tls_read,
    .write_record = tri_tls_write,
    .push = tri_tls_push,
    .goodbye = tri_tls_goodbye,
    .take_early = take_early,
    .failure = failure,
    .moved = moved,
    .free = free_tls,
};

bool
tri_is_tls(const struct tri_record_layer *layer)
{
    return layer != NULL && layer->kind == &kind;
}

static const struct tri_tls *
tls_of(const struct tri_record_layer *layer)
{
    assert(tri_is_tls(layer));
    return (const struct tri_tls *)layer;
}

/* The beginning. */

/* To OpenSSL one that begins with a dot is any name that ends so. */
static bool
is_host(const char *name)
{
    size_t size = strnlen(name, HOST_BYTES + 1);
    for (size_t i = 0; i < size; i++)
        if (name[i] <= ' ' || name[i] > '~')
            return false;
    return size > 0 && size <= HOST_BYTES && name[0] != '.';
}

static bool
expect(SSL *ssl, const struct tri_tls_wish *wish)
{
    if (wish->server_name == NULL)
        return true;
    if (!wish->any_name)
        return tri_trust_expect(ssl, wish->server_name);
    return tr_is_ip(wish->server_name) != 0 || SSL_set_tlsext_host_name(ssl, wish->server_name) == 1;
}

tr_status
tri_tls_check_server(const tr_tls_context *context)
{
    return context->serves ? TR_OK : TR_ETLSNOKEY;
}

static tr_status
check(const struct tri_tls_wish *wish)
{
    if (wish->serves)
        return tri_tls_check_server(wish->context);
    if (wish->context->serves)
        return TR_EINVAL;
    return wish->server_name == NULL || is_host(wish->server_name) ? TR_OK : TR_EBADHOST;
}

static tr_status
set(struct tri_tls *tls, const struct tri_tls_wish *wish)
{
    tls->ssl = tri_context_connection(wish->context, wish->serves);
    if (tls->ssl == NULL || !tri_wire_init(tls))
        return TR_ENOMEM;
    if (wish->serves)
        return TR_OK;
    if (!expect(tls->ssl, wish) || !tri_sessions_begin(tls->ssl, wish))
        return TR_ENOMEM;
    return wish->alpn == NULL ? TR_OK : tri_protocols_offer(tls->ssl, wish->alpn, wish->alpn_count);
}

tr_status
tri_tls_open(const struct tri_tls_wish *wish, struct tri_record_layer **out)
{
    tr_status status = check(wish);
    if (status != TR_OK)
        return status;
    struct tri_tls *tls = calloc(1, sizeof(*tls));
    if (tls == NULL)
        return TR_ENOMEM;
    tls->layer.kind = &kind;
    status = set(tls, wish);
    ERR_clear_error();
    if (status == TR_OK)
        *out = &tls->layer;
    else
        free_tls(&tls->layer);
    return status;
}

/* What it has become. */

static enum tr_tls_version
version_of(const SSL *ssl)
{
    return SSL_version(ssl) == TLS1_3_VERSION ? TR_TLS_1_3 : TR_TLS_1_2;
}

/* A client may write what it likes, and programs print it. */
static void
copy_server_name(const SSL *ssl, char to[256])
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    snprintf(to, 256, "%s", name != NULL ? name : "");
    for (char *at = to; *at != '\0'; at++)
        *at = (char)(*at >= ' ' && *at <= '~' ? *at : '?');
}

static void
copy_names(const SSL *ssl, struct tr_tls_info *out)
{
    const unsigned char *alpn;
    unsigned size;
    SSL_get0_alpn_selected(ssl, &alpn, &size);
    if (size > 0 && size < sizeof(out->alpn))
        memcpy(out->alpn, alpn, size);
    copy_server_name(ssl, out->server_name);
}

void
tri_tls_server_name(const struct tri_record_layer *layer, char name[256])
{
    copy_server_name(tls_of(layer)->ssl, name);
    for (char *at = name; *at != '\0'; at++)
        *at = (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
}

void
tri_tls_info(const struct tri_record_layer *layer, struct tr_tls_info *out)
{
    const struct tri_tls *tls = tls_of(layer);
    *out = (struct tr_tls_info){
        .version = version_of(tls->ssl),
        .cipher = SSL_CIPHER_standard_name(SSL_get_current_cipher(tls->ssl)),
        .resumed = SSL_session_reused(tls->ssl) == 1,
        .wire_read = tri_wire_read(tls),
        .wire_written = tri_wire_written(tls),
    };
    copy_names(tls->ssl, out);
}

tr_status
tri_tls_verify_result(const struct tri_record_layer *layer, const char **code)
{
    const struct tri_tls *tls = tls_of(layer);
    *code = NULL;
    if (!tri_tls_is(tls, TRI_TLS_SECURE))
        return tri_reason_is_of_certificate(layer->reason) ? failure(layer, code) : TR_ENOTCONN;
    return SSL_get0_peer_certificate(tls->ssl) == NULL
               ? TR_ENOENT
               : tri_reason_of_certificate(SSL_get_verify_result(tls->ssl), code);
}

tr_status
tri_tls_export_key(const struct tri_record_layer *layer, const char *label, const void *context, size_t context_size,
                   void *out, size_t size)
{
    const struct tri_tls *tls = tls_of(layer);
    const char *code;
    if (SSL_export_keying_material(tls->ssl, out, size, label, strlen(label), context, context_size, context != NULL) ==
        1)
        return TR_OK;
    return tri_reason_status(tri_reason_take(tls->ssl), &code);
}

/* Keys. */

static tr_status
can_update(const struct tri_tls *tls)
{
    const char *code;
    if (tls->layer.reason != 0)
        return tls->layer.reason < 0 ? TR_ETLS : tri_reason_status(tls->layer.reason, &code);
    if (version_of(tls->ssl) != TR_TLS_1_3)
        return TR_ENOTSUPPORTED;
    if (tri_tls_is(tls, TRI_TLS_PARTED))
        return TR_EWRITEAFTEREND;
    return tls->layer.owes || tls->layer.committed > 0 || SSL_in_init(tls->ssl) ? TR_EAGAIN : TR_OK;
}

static bool
send_update(const struct tri_tls *tls, int type)
{
    return SSL_key_update(tls->ssl, type) == 1 && SSL_do_handshake(tls->ssl) == 1;
}

/* A wish of the peer's that is not answered yet must have an answer that wishes for nothing (RFC 8446, section 4.6.3);
 * OpenSSL would say ours in its place. */
static bool
answer_wish(const struct tri_tls *tls)
{
    return SSL_get_key_update_type(tls->ssl) == SSL_KEY_UPDATE_NONE || send_update(tls, SSL_KEY_UPDATE_NOT_REQUESTED);
}

tr_status
tri_tls_update_keys(struct tri_record_layer *layer, bool both)
{
    struct tri_tls *tls = tri_tls_of(layer);
    const char *code;
    tr_status status = can_update(tls);
    if (status != TR_OK)
        return status;
    tri_wire_begin(tls, -1);
    if (answer_wish(tls) && send_update(tls, both ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED))
        return TR_OK;
    if (layer->reason == 0)
        tri_tls_break(tls);
    return tri_reason_status(layer->reason, &code);
}
