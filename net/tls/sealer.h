/*
 * Records of TLS 1.3 that we make ourselves. OpenSSL 3.0 spends more on making a small one than the kernel on sending
 * it, and has a way to leave that work to others: with SSL_OP_ENABLE_KTLS it hands its BIO the key, for the kernel, and
 * from then on plain bytes. Our BIO (wire.c) keeps the key and does what the kernel would do.
 *
 * Thread: that of the connection.
 */
#ifndef TROUPE_NET_TLS_SEALER_H
#define TROUPE_NET_TLS_SEALER_H

#include <stddef.h>
#include <stdint.h>

#define TRI_SEAL_BYTES 22u /* of a record beside its plain bytes: header, type, tag */

/* For the records of one key, in their order. */
struct tri_sealer;

/* From what the kernel would be given, a struct of <linux/tls.h>, which is wiped if it is taken. NULL: OpenSSL is to
 * make the records, since the key is of another version or cipher, or there is no memory. */
struct tri_sealer *tri_sealer_new(void *crypto_info);

/* NULL does nothing. */
void tri_sealer_free(struct tri_sealer *sealer);

/* Makes a record of the type from size bytes, at most TRI_RECORD_BYTES; record has room for TRI_SEAL_BYTES more. Gives
 * how many bytes it has. */
size_t tri_sealer_make(struct tri_sealer *sealer, uint8_t type, const void *data, size_t size, uint8_t *record);

#endif
