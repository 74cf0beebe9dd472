/*
 * Why a connection is of no use any more, or a certificate is not good: one number, which fits into a layer, and what
 * it is called.
 */
#ifndef TROUPE_NET_TLS_REASON_H
#define TROUPE_NET_TLS_REASON_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <troupe/core/status.h>

#define TRI_REASON_SSL 0x1000    /* and OpenSSL's reason; 0: it has given none */
#define TRI_REASON_VERIFY 0x2000 /* and the result of the verification */
#define TRI_REASON_MEMORY 0x3000

/* The newest entry of OpenSSL's queue, which is empty then. */
int16_t tri_reason_take(const SSL *connection);

/* Is it that the peer's certificate was refused? */
bool tri_reason_is_of_certificate(int16_t reason);

/* *code: the exact name, a constant; NULL: the status's. */
tr_status tri_reason_status(int32_t reason, const char **code);

/* The same of a certificate; X509_V_OK: TR_OK. */
tr_status tri_reason_of_certificate(long result, const char **code);

#endif
