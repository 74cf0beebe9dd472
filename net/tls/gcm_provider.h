/*
 * A provider of AES-GCM for OpenSSL's record layer, where another library makes it faster than this OpenSSL does.
 */
#ifndef TROUPE_NET_TLS_GCM_PROVIDER_H
#define TROUPE_NET_TLS_GCM_PROVIDER_H

/*
 * What a context asks OpenSSL for, so that its records are made by the provider; NULL: OpenSSL's own are used. Nothing
 * else in the process gets the provider's ciphers. Thread: any.
 */
const char *tri_gcm_wish(void);

#endif
