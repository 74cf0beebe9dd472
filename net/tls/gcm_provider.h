/*
 * A provider of AES-GCM for OpenSSL's record layer, where another library makes it faster than this OpenSSL does.
 */
#ifndef TROUPE_NET_TLS_GCM_PROVIDER_H
#define TROUPE_NET_TLS_GCM_PROVIDER_H

#include <stdbool.h>

/*
 * What a context asks OpenSSL for, so that its records are made by the provider; NULL: OpenSSL's own are used. Nothing
 * else in the process gets the provider's ciphers. Thread: any.
 */
const char *tri_gcm_wish(void);

struct tri_vector_gcm;

/* Does a context that is made now get the provider's ciphers by its wish? Not if the user demands others of all.
 * Thread: any. */
bool tri_gcm_is_taken(void);

/* What the provider is made of, for keys of 128 or 256 bits; NULL: it is not there. Thread: any. */
const struct tri_vector_gcm *tri_gcm_calls(unsigned key_bits);

#endif
