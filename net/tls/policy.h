/*
 * What a resumed session must have in common with the context that resumes it: one digest of all that.
 *
 * OpenSSL compares it, bound to a name, before it resumes (it calls that the session id context), and makes a whole
 * handshake where it differs. So a client that was believed under other CAs, or before it was revoked, does not come in
 * by an old ticket; and a server that shares ticket keys with another does not speak for the other's names.
 *
 * Bound to a name, since RFC 6066, section 3, forbids to resume for another: with 1.2 OpenSSL does, and tells the old.
 */
#ifndef TROUPE_NET_TLS_POLICY_H
#define TROUPE_NET_TLS_POLICY_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#define TRI_POLICY_BYTES 32u

struct tri_policy {
    EVP_MD_CTX *digest;
    bool is_whole; /* false: something could not be added */
};

/* false: no memory. Fini it, whatever the answer. */
bool tri_policy_init(struct tri_policy *policy);
void tri_policy_fini(struct tri_policy *policy);

/* Something of that size, which has the name of what it is before it. */
void tri_policy_add(struct tri_policy *policy, const char *what, const void *bytes, size_t size);

/* The names that a certificate is for; its subject, if it has none. */
void tri_policy_add_names(struct tri_policy *policy, X509 *certificate);

/* Writes it to out. false: no memory. */
bool tri_policy_end(struct tri_policy *policy, unsigned char out[TRI_POLICY_BYTES]);

/* The bond of one connection: such a digest and the name of the host that its client asks for, in any case; NULL: none.
 * for_any_name tells apart whom a client takes for that. false: no memory. */
bool tri_policy_bond(const unsigned char policy[TRI_POLICY_BYTES], const char *name, bool for_any_name,
                     unsigned char out[TRI_POLICY_BYTES]);

#endif
