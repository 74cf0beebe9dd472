/*
 * By what clients ask: names of hosts (SNI), and protocols (ALPN).
 */
#ifndef TROUPE_NET_TLS_NAMES_H
#define TROUPE_NET_TLS_NAMES_H

#include <openssl/types.h>
#include <troupe/net/tls.h>

#define TRI_HOST_NAME_BYTES 256u /* a name, and its NUL */

struct tri_host_name;

struct tri_host_names {
    struct tri_host_name *table; /* in the order of their patterns */
    unsigned count;
    bool only;
    tr_tls_context *(*choose)(const char *server_name, void *data);
    void *choose_data;
};

/* As a handshake carries them: each with its length before it. */
struct tri_protocols {
    unsigned char *list;
    unsigned size;
};

/* Copies the names of the options, holds their contexts, and has the context asked for them, if there are any.
 * TR_EBADNAMES, TR_EINVAL, TR_ENOMEM. Fini them, whatever the answer. */
tr_status tri_host_names_init(tr_tls_context *context, const struct tr_tls_context_options *options,
                              struct tr_tls_refusal *refusal);
void tri_host_names_fini(struct tri_host_names *names);

/* The context for a name in lower case, NULL for none; from the table alone. */
tr_tls_context *tri_host_names_find(const struct tri_host_names *names, const char *name);

/* Copies the protocols of the options, and has the context offer them, or choose. TR_EBADALPN, TR_EINVAL, TR_ENOMEM. */
tr_status tri_protocols_init(tr_tls_context *context, const struct tr_tls_context_options *options,
                             struct tr_tls_refusal *refusal);

/* A client's connection offers these in place of its context's; 0: none. TR_EBADALPN, TR_ENOMEM. */
tr_status tri_protocols_offer(SSL *connection, const char *const *names, unsigned count);

void tri_protocols_fini(struct tri_protocols *protocols);

#endif
