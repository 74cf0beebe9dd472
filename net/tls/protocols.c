/*
 * Protocols above TLS (ALPN, RFC 7301).
 */
#include "context.h"
#include "names.h"
#include "refusal.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#define PROTOCOL_BYTES 255u
#define LIST_BYTES 65535u

static size_t
length_of(const char *protocol)
{
    return protocol == NULL ? 0 : strnlen(protocol, PROTOCOL_BYTES + 1);
}

static tr_status
measure(const char *const *names, unsigned count, size_t *size, struct tr_tls_refusal *refusal)
{
    *size = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t length = length_of(names[i]);
        if (length == 0 || length > PROTOCOL_BYTES)
            return tri_refuse(refusal, TR_EBADALPN, "alpn[%u] has %s", i, length == 0 ? "no bytes" : "above 255 bytes");
        *size += 1 + length;
    }
    return *size <= LIST_BYTES ? TR_OK : tri_refuse(refusal, TR_EBADALPN, "alpn has above 65535 bytes");
}

static bool
make_list(struct tri_protocols *protocols, const char *const *names, unsigned count, size_t size)
{
    unsigned char *at = protocols->list = malloc(size);
    if (at == NULL)
        return false;
    protocols->size = (unsigned)size;
    for (unsigned i = 0; i < count; i++) {
        size_t length = length_of(names[i]);
        *at++ = (unsigned char)length;
        memcpy(at, names[i], length);
        at += length;
    }
    return true;
}

/* None in common: section 3.2 wants the alert no_application_protocol. */
static int
on_protocols(SSL *connection, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
             unsigned in_size, void *data)
{
    const struct tri_protocols *ours = data;
    unsigned char *chosen;
    (void)connection;
    if (SSL_select_next_proto(&chosen, out_size, ours->list, ours->size, in, in_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

tr_status
tri_protocols_init(tr_tls_context *context, const struct tr_tls_context_options *options,
                   struct tr_tls_refusal *refusal)
{
    size_t size;
    if (options->alpn_count == 0)
        return TR_OK;
    if (options->alpn == NULL)
        return tri_refuse(refusal, TR_EINVAL, "alpn is NULL");
    tr_status status = measure(options->alpn, options->alpn_count, &size, refusal);
    if (status != TR_OK)
        return status;
    if (!make_list(&context->protocols, options->alpn, options->alpn_count, size) ||
        SSL_CTX_set_alpn_protos(context->ssl, context->protocols.list, context->protocols.size) != 0)
        return tri_refuse(refusal, TR_ENOMEM, "%s", tr_status_text(TR_ENOMEM));
    SSL_CTX_set_alpn_select_cb(context->ssl, on_protocols, &context->protocols);
    return TR_OK;
}

tr_status
tri_protocols_offer(SSL *connection, const char *const *names, unsigned count)
{
    struct tr_tls_refusal refusal;
    struct tri_protocols protocols = {0};
    size_t size;
    tr_status status = measure(names, count, &size, &refusal);
    if (status != TR_OK)
        return status;
    if (size > 0 && !make_list(&protocols, names, count, size))
        return TR_ENOMEM;
    int failed = SSL_set_alpn_protos(connection, protocols.list, protocols.size);
    tri_protocols_fini(&protocols);
    return failed ? TR_ENOMEM : TR_OK;
}

void
tri_protocols_fini(struct tri_protocols *protocols)
{
    free(protocols->list);
    *protocols = (struct tri_protocols){0};
}
