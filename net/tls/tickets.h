/*
 * Ticket keys, as contexts use them.
 */
#ifndef TROUPE_NET_TLS_TICKETS_H
#define TROUPE_NET_TLS_TICKETS_H

#include <openssl/types.h>
#include <troupe/net/tls.h>

/* OpenSSL's context takes its keys from the tickets of tri_context_of() it, or of the one with which a connection has
 * begun. */
void tri_tickets_use(SSL_CTX *ssl);

#endif
