/*
 * TLS in a library that was built without OpenSSL: it is refused, and nothing of it ever exists.
 */
#include "layer.h"

bool
tr_tls_supported(void)
{
    return false;
}

tr_status
tr_tls_context_new(const struct tr_tls_context_options *options, struct tr_tls_refusal *refusal, tr_tls_context **out)
{
    if (options == NULL || out == NULL)
        return TR_EINVAL;
    if (refusal != NULL)
        *refusal = (struct tr_tls_refusal){.text = "Troupe was built without TLS"};
    return TR_ENOTSUPPORTED;
}

tr_tls_context *
tr_tls_context_hold(tr_tls_context *context)
{
    return context;
}

void
tr_tls_context_release(tr_tls_context *context)
{
    (void)context;
}

tr_status
tr_tls_tickets_new(const void *keys, unsigned count, uint32_t rotate_s, tr_tls_tickets **out)
{
    (void)rotate_s;
    return out == NULL || (keys == NULL) != (count == 0) ? TR_EINVAL : TR_ENOTSUPPORTED;
}

tr_status
tr_tls_tickets_set(tr_tls_tickets *tickets, const void *keys, unsigned count)
{
    return tickets == NULL || keys == NULL || count == 0 ? TR_EINVAL : TR_ENOTSUPPORTED;
}

tr_tls_tickets *
tr_tls_tickets_hold(tr_tls_tickets *tickets)
{
    return tickets;
}

void
tr_tls_tickets_release(tr_tls_tickets *tickets)
{
    (void)tickets;
}

tr_status
tr_tls_session_bytes(const tr_tls_session *session, tr_slice *out)
{
    return session == NULL || out == NULL ? TR_EINVAL : TR_ENOTSUPPORTED;
}

tr_status
tr_tls_session_from(const void *bytes, size_t size, tr_tls_session **out)
{
    (void)size;
    return bytes == NULL || out == NULL ? TR_EINVAL : TR_ENOTSUPPORTED;
}

tr_tls_session *
tr_tls_session_hold(tr_tls_session *session)
{
    return session;
}

void
tr_tls_session_release(tr_tls_session *session)
{
    (void)session;
}

void
tr_peer_free(struct tr_peer *peer)
{
    (void)peer;
}

/* Layers. */

tr_status
tri_tls_open(const struct tri_tls_wish *wish, struct tri_record_layer **out)
{
    (void)wish;
    (void)out;
    return TR_ENOTSUPPORTED;
}

bool
tri_is_tls(const struct tri_record_layer *layer)
{
    (void)layer;
    return false;
}

tr_status
tri_tls_check_server(const tr_tls_context *context)
{
    (void)context;
    return TR_ENOTSUPPORTED;
}

void
tri_tls_server_name(const struct tri_record_layer *layer, char name[256])
{
    (void)layer;
    name[0] = '\0';
}

void
tri_tls_info(const struct tri_record_layer *layer, struct tr_tls_info *out)
{
    (void)layer;
    *out = (struct tr_tls_info){0};
}

tr_status
tri_tls_verify_result(const struct tri_record_layer *layer, const char **code)
{
    (void)layer;
    *code = NULL;
    return TR_ENOTSUPPORTED;
}

tr_status
tri_tls_peer(const struct tri_record_layer *layer, struct tr_peer **out)
{
    (void)layer;
    (void)out;
    return TR_ENOTSUPPORTED;
}

tr_status
tri_tls_session(const struct tri_record_layer *layer, tr_tls_session **out)
{
    (void)layer;
    (void)out;
    return TR_ENOTSUPPORTED;
}

tr_status
tri_tls_export_key(const struct tri_record_layer *layer, const char *label, const void *context, size_t context_size,
                   void *out, size_t size)
{
    (void)layer;
    (void)label;
    (void)context;
    (void)context_size;
    (void)out;
    (void)size;
    return TR_ENOTSUPPORTED;
}

tr_status
tri_tls_update_keys(struct tri_record_layer *layer, bool both)
{
    (void)layer;
    (void)both;
    return TR_ENOTSUPPORTED;
}
