/*
 * The key log: secrets of connections, for those who are to read them.
 */
#ifndef TROUPE_NET_TLS_KEY_LOG_H
#define TROUPE_NET_TLS_KEY_LOG_H

#include <openssl/types.h>
#include <troupe/net/tls.h>

struct tri_key_log {
    bool is_open;
    int file;
};

/* Opens it, to append, and has OpenSSL's context write to it. What opening answers. */
tr_status tri_key_log_init(struct tri_key_log *log, SSL_CTX *ssl, const char *path, struct tr_tls_refusal *refusal);

/* Closes it, if it is open. */
void tri_key_log_fini(struct tri_key_log *log);

#endif
