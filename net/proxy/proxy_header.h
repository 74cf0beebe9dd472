/*
 * PROXY headers as bytes: reading (proxy_read.c), writing (proxy_write.c), their TLVs (proxy_tlv.c). No sockets.
 *
 * Thread: any.
 */
#ifndef TROUPE_NET_PROXY_HEADER_H
#define TROUPE_NET_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/status.h>
#include <troupe/net/proxy.h>

#define TRI_PROXY_START 16u /* bytes of version 2 before the addresses */
#define TRI_PROXY_PATH 108u /* of a unix address in version 2, whatever the system has */
#define TRI_PROXY_LIMIT_LEAST (TRI_PROXY_START + 2 * TRI_PROXY_PATH)
#define TRI_PROXY_LIMIT_MOST (TRI_PROXY_START + UINT16_MAX)
#define TRI_PROXY_TLV_START 3u /* bytes of a TLV before its value */
#define TRI_PROXY_SSL_START 5u /* bytes of an SSL value before its TLVs */
#define TRI_PROXY_UNIQUE_ID_MOST 128u

extern const unsigned char tri_proxy_signature[12]; /* version 2 begins with it */

/* What has become of bytes that are to be a header. Above DONE: they are none, and why; a trace has these numbers. */
enum tri_proxy_outcome {
    TRI_PROXY_MORE = -1,        /* the beginning of one */
    TRI_PROXY_DONE = 0,         /* all of one */
    TRI_PROXY_FOREIGN = 1,      /* they do not begin like a header of a version that is taken */
    TRI_PROXY_TOO_LONG = 2,     /* longer than the limit, or a line than version 1 allows */
    TRI_PROXY_MALFORMED = 3,    /* no such line, command, family, address or port; no room for the addresses */
    TRI_PROXY_BAD_TLV = 4,      /* no such TLVs */
    TRI_PROXY_BAD_CHECKSUM = 5, /* CRC32C */
    TRI_PROXY_ENDED = 6,        /* not of reading: the peer has ended, or the connection failed, before it was whole */
    TRI_PROXY_LATE = 7,         /* likewise: it was not whole in time */
};

/* What is taken. */
struct tri_proxy_rules {
    unsigned versions; /* bits: TR_PROXY_V1, TR_PROXY_V2 */
    size_t limit;      /* of version 2: bytes of a whole header */
};

struct tri_proxy_reading {
    enum tri_proxy_outcome outcome;
    size_t size; /* DONE: of the header, what follows is not looked at; MORE: for how many bytes there should be room */
};

/*
 * Reads a header from the first of size bytes. What it answers does not depend on how many bytes it is shown at a time:
 * what was DONE or refused stays so with more bytes.
 *
 * Memory:  out is written if it is DONE; its TLVs are in `bytes`.
 */
struct tri_proxy_reading tri_proxy_read(const struct tri_proxy_rules *rules, const unsigned char *bytes, size_t size,
                                        struct tr_proxy *out);

/*
 * Can this be written? *size: how many bytes it takes. TR_OK; TR_EINVAL: no such version, command or transport, TLVs in
 * a header that has none or that have not their form; TR_EBADADDRESS: no such address, or two families; TR_EBADLIMIT:
 * too many TLVs.
 */
tr_status tri_proxy_check(const struct tr_proxy *proxy, size_t *size);

/* Writes what can be written: so many bytes as tri_proxy_check() has said. */
void tri_proxy_write(const struct tr_proxy *proxy, unsigned char *bytes);

/* Have they the form that proxy.h says? *checksum: where the 4 bytes of CRC32C are; NULL: there are none. */
bool tri_proxy_tlvs_are_sound(const void *tlvs, size_t size, const unsigned char **checksum);

/* CRC32C of bytes (RFC 4960, appendix B), the four from `hole` on taken for zeroes; NULL: none. */
uint32_t tri_proxy_crc32c(const unsigned char *bytes, size_t size, const unsigned char *hole);

/* Numbers of two and four bytes, the highest byte first. */

static inline unsigned
tri_proxy_get16(const unsigned char *bytes)
{
    return (unsigned)bytes[0] << 8 | bytes[1];
}

static inline void
tri_proxy_put16(unsigned char *bytes, unsigned number)
{
    bytes[0] = (unsigned char)(number >> 8);
    bytes[1] = (unsigned char)number;
}

static inline uint32_t
tri_proxy_get32(const unsigned char *bytes)
{
    return (uint32_t)tri_proxy_get16(bytes) << 16 | tri_proxy_get16(bytes + 2);
}

static inline void
tri_proxy_put32(unsigned char *bytes, uint32_t number)
{
    tri_proxy_put16(bytes, number >> 16);
    tri_proxy_put16(bytes + 2, number & 0xffff);
}

#endif
