/*
 * Versions, ciphers, groups and signatures.
 */
#ifndef TROUPE_NET_TLS_SUITES_H
#define TROUPE_NET_TLS_SUITES_H

#include "context.h"

#define TRI_SUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define TRI_GROUPS "X25519:P-256:P-384"

/* Sets them. What tr_tls_context_new() says of versions, ciphers, suites, groups and signatures, it returns. */
tr_status tri_suites_init(tr_tls_context *context, const struct tr_tls_context_options *options,
                          struct tr_tls_refusal *refusal);

#endif
