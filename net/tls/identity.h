/*
 * Who we are: certificates with their keys.
 */
#ifndef TROUPE_NET_TLS_IDENTITY_H
#define TROUPE_NET_TLS_IDENTITY_H

#include <openssl/types.h>
#include <troupe/net/tls.h>

/*
 * Gives OpenSSL's context an identity; `number` is its place in the options. What tr_tls_context_new() says of
 * identities, it returns.
 */
tr_status tri_identity_add(SSL_CTX *ssl, const struct tr_tls_identity *identity, unsigned number,
                           struct tr_tls_refusal *refusal);

#endif
