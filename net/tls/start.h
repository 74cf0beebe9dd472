/*
 * OpenSSL's beginning.
 */
#ifndef TROUPE_NET_TLS_START_H
#define TROUPE_NET_TLS_START_H

#include <stdbool.h>

/* Starts OpenSSL, if nobody has yet. Whoever may be the first to call it calls this before. false: no memory. Thread:
 * any. */
bool tri_openssl_start(void);

#endif
