/*
 * Contexts, as the files of this room and the connections see them.
 */
#ifndef TROUPE_NET_TLS_CONTEXT_H
#define TROUPE_NET_TLS_CONTEXT_H

#include <openssl/types.h>
#include <openssl/x509.h>
#include <stdalign.h>
#include <stddef.h>
#include <troupe/net/tls.h>

#include "key_log.h"
#include "names.h"
#include "policy.h"

#define TRI_CONTEXT_LINE 64u /* bytes of a cache line */

struct tr_tls_context {
    /* Constant once it is given out. */
    SSL_CTX *ssl;
    bool serves;
    bool seals;                /* records are made by sealer.h, where it can */
    enum tr_tls_verify verify; /* never DEFAULT */
    unsigned depth;
    unsigned char policy[TRI_POLICY_BYTES];
    int lowest, highest;   /* OpenSSL's numbers */
    char *suites, *groups; /* for a connection that comes over from another context; NULL: our lists */
    struct tri_host_names names;
    struct tri_protocols protocols;
    tr_tls_tickets *tickets; /* NULL: no tickets, or a client's */
    struct tri_key_log key_log;

    /* Any thread. */
    alignas(TRI_CONTEXT_LINE) unsigned holds;
};

/* What OpenSSL's context belongs to. */
tr_tls_context *tri_context_of(const SSL_CTX *ssl);

/*
 * A connection of this context, which it holds: as a server, or as a client. NULL: no memory; the queue is empty.
 * Thread: any; the connection belongs to whoever made it.
 */
SSL *tri_context_connection(tr_tls_context *context, bool serves);

/* Frees it and releases what it holds. NULL is allowed. */
void tri_context_connection_free(SSL *connection);

/* The context with which a connection began: it has the tickets, and the table of names. */
tr_tls_context *tri_context_first(const SSL *connection);

/* The certificates that the peer of a connection has shown, and for which it was refused; NULL: none, or no memory. The
 * connection takes them, and frees them with itself, or at once without memory. */
STACK_OF(X509) * tri_context_refused(const SSL *connection);
void tri_context_note_refused(SSL *connection, STACK_OF(X509) * chain);

/* From now on the connection shows this context, which may be the first again; while a server reads the first message
 * of its client. false: no memory. */
bool tri_context_switch(SSL *connection, tr_tls_context *context);

#endif
