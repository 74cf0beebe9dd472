/*
 * TLS in memory: contexts from the certificates of certificates.sh, and two ends of a connection without a socket.
 */
#ifndef TESTS_NET_TLS_PLAY_H
#define TESTS_NET_TLS_PLAY_H

#include <openssl/types.h>
#include <stdbool.h>
#include <troupe/net/tls.h>

/* Makes the certificates, if nobody has yet: the setup of a group. */
int tls_setup(void **state);

/* OpenSSL's queue must be empty: the teardown of every test. */
int tls_leaves_no_errors(void **state);

#define TLS_TEST(name) cmocka_unit_test_teardown(name, tls_leaves_no_errors)

/* The path of a file of certificates.sh; valid for some calls more. */
const char *tls_file(const char *name);

/* What such a file holds: memory is the caller's. */
struct tr_pem tls_memory(const char *name);

/* The identity of NAME.pem and NAME.key; valid for some calls more. */
const struct tr_tls_identity *tls_identity(const char *name);

/* The PEM of NAME.pem, of the same validity. */
const struct tr_pem *tls_pem(const char *name);

/* Options of a server that is NAME, and of a client that believes CA; NULL: without an identity, or a CA. */
struct tr_tls_context_options tls_server(const char *name);
struct tr_tls_context_options tls_client(const char *ca);

/* The context of such options, which must be right. */
tr_tls_context *tls_make(const struct tr_tls_context_options *options);

/* These are refused: with that status, and a sentence that has these words in it. */
void tls_refused(const struct tr_tls_context_options *options, tr_status status, const char *words);

/* Both ends. */
struct tls_duo {
    SSL *client, *server;
    char alert[64];    /* the last that was sent, in OpenSSL's words; "" */
    long verified;     /* by the client: X509_V_OK, or why not */
    long client_shown; /* the same by the server */
};

/* Begins a connection. host: what the client expects, NULL: whatever comes. */
void tls_begin(struct tls_duo *duo, tr_tls_context *client, tr_tls_context *server, const char *host);

/* Shakes hands, and sends a word each way, so that what comes after the handshake has come. true: all of it went well.
 */
bool tls_shake(struct tls_duo *duo);

void tls_end(struct tls_duo *duo);

/* All three, for those who want to know no more. */
bool tls_agree(tr_tls_context *client, tr_tls_context *server, const char *host);

/* A server of OpenSSL's own, for what a context refuses to be. It is freed with the connection, by tls_end(). */
void tls_begin_raw(struct tls_duo *duo, tr_tls_context *client, const char *server, const char *host);

#endif
