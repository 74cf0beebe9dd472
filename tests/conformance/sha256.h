/*
 * SHA-256 (FIPS 180-4), for logs: long data is written down as the hash of its bytes.
 */
#ifndef CONFORMANCE_SHA256_H
#define CONFORMANCE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_TEXT 65u /* 64 digits and a NUL */

/* A hash in the making; nothing needs to be freed. */
struct sha256 {
    uint32_t state[8];
    uint64_t size; /* bytes so far */
    unsigned char block[64];
};

void sha256_init(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t size);

/* Writes the hash of all that was added, in lower case digits. The hash is used up. */
void sha256_finish(struct sha256 *hash, char text[SHA256_TEXT]);

#endif
