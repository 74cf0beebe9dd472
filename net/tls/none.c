/*
 * TLS in a library that was built without OpenSSL: it is refused, and nothing of it ever exists.
 */
#include <troupe/net/tls.h>

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
