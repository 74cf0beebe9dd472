/*
 * Whom we believe.
 */
#ifndef TROUPE_NET_TLS_TRUST_H
#define TROUPE_NET_TLS_TRUST_H

#include "context.h"
#include "policy.h"

/*
 * Gives the context its CAs, revocation lists and the way it verifies; what a resumed session must have been verified
 * by goes into the policy. What tr_tls_context_new() says of these, it returns.
 */
tr_status tri_trust_init(tr_tls_context *context, const struct tr_tls_context_options *options,
                         struct tri_policy *policy, struct tr_tls_refusal *refusal);

/* OpenSSL's mode of verification. */
int tri_trust_mode(const tr_tls_context *context);

/*
 * The peer's certificate must be for that host: a name, which it is asked for by, too (SNI), or an address (RFC 6125,
 * RFC 6066). Of a wildcard the first label alone may be one. false: no memory, or no such host; the queue is empty.
 */
bool tri_trust_expect(SSL *connection, const char *host);

#endif
