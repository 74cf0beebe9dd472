/*
 * The term of a client that has shown a certificate: how long it may resume without showing it again.
 */
#ifndef TROUPE_NET_TLS_TERM_H
#define TROUPE_NET_TLS_TERM_H

#include <openssl/types.h>
#include <stdbool.h>

/* What sessions of this context follow from one with a term keep that. */
void tri_term_use(SSL_CTX *ssl);

/* A server has found this certificate of its client good: the term begins. false: no memory. */
bool tri_term_begin(SSL *connection, const X509 *certificate);

#endif
