/*
 * TLVs of a header, and the checksum that may be among them.
 *
 * The specification says of the checksum "as described in RFC4960, Appendix B", and that it is "a 32-bit number". Like
 * haproxy we take that for the number which CRC32C is everywhere, its highest byte first; SCTP itself has the lowest
 * byte first.
 */
#include "proxy_header.h"

#include <string.h>

bool
tr_proxy_tlv_next(const void *tlvs, size_t size, struct tr_proxy_tlv *tlv)
{
    const unsigned char *at = tlvs, *end = at != NULL ? at + size : NULL;
    if (at == NULL || tlv == NULL)
        return false;
    if (tlv->value != NULL)
        at = (const unsigned char *)tlv->value + tlv->size;
    if ((size_t)(end - at) < TRI_PROXY_TLV_START || (size_t)(end - at) - TRI_PROXY_TLV_START < tri_proxy_get16(at + 1))
        return false;
    *tlv = (struct tr_proxy_tlv){.type = at[0], .value = at + TRI_PROXY_TLV_START, .size = tri_proxy_get16(at + 1)};
    return true;
}

bool
tr_proxy_tlv_find(const struct tr_proxy *proxy, unsigned type, struct tr_proxy_tlv *out)
{
    struct tr_proxy_tlv tlv = {0};
    if (proxy == NULL || out == NULL)
        return false;
    while (tr_proxy_tlv_next(proxy->tlvs, proxy->tlvs_size, &tlv)) {
        if (tlv.type != type)
            continue;
        *out = tlv;
        return true;
    }
    return false;
}

tr_status
tr_proxy_tlv_add(void *tlvs, size_t room, size_t *size, unsigned type, const void *value, size_t value_size)
{
    if (tlvs == NULL || size == NULL || type > UINT8_MAX || (value == NULL && value_size > 0))
        return TR_EINVAL;
    if (value_size > UINT16_MAX || *size > room || room - *size < TRI_PROXY_TLV_START + value_size)
        return TR_EBADLIMIT;
    unsigned char *at = (unsigned char *)tlvs + *size;
    at[0] = (unsigned char)type;
    tri_proxy_put16(at + 1, (unsigned)value_size);
    if (value_size > 0)
        memcpy(at + TRI_PROXY_TLV_START, value, value_size);
    *size += TRI_PROXY_TLV_START + value_size;
    return TR_OK;
}

/* One after the other, to the last byte. */
static bool
are_chained(const unsigned char *tlvs, size_t size)
{
    struct tr_proxy_tlv tlv = {0};
    size_t sum = 0;
    while (sum < size && tr_proxy_tlv_next(tlvs, size, &tlv))
        sum += TRI_PROXY_TLV_START + tlv.size;
    return sum == size;
}

static bool
is_sound(const struct tr_proxy_tlv *tlv)
{
    switch (tlv->type) {
    case TR_PROXY_CRC32C: return tlv->size == sizeof(uint32_t);
    case TR_PROXY_UNIQUE_ID: return tlv->size <= TRI_PROXY_UNIQUE_ID_MOST;
    case TR_PROXY_SSL:
        return tlv->size >= TRI_PROXY_SSL_START &&
               are_chained((const unsigned char *)tlv->value + TRI_PROXY_SSL_START, tlv->size - TRI_PROXY_SSL_START);
    default: return true;
    }
}

/* With two checksums neither could be right. */
bool
tri_proxy_tlvs_are_sound(const void *tlvs, size_t size, const unsigned char **checksum)
{
    struct tr_proxy_tlv tlv = {0};
    *checksum = NULL;
    if (!are_chained(tlvs, size))
        return false;
    while (tr_proxy_tlv_next(tlvs, size, &tlv)) {
        if (!is_sound(&tlv) || (tlv.type == TR_PROXY_CRC32C && *checksum != NULL))
            return false;
        if (tlv.type == TR_PROXY_CRC32C)
            *checksum = tlv.value;
    }
    return true;
}

/* Of each value of half a byte; the polynomial is 0x1edc6f41, turned round. */
static const uint32_t crc32c_table[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t
tri_proxy_crc32c(const unsigned char *bytes, size_t size, const unsigned char *hole)
{
    uint32_t crc = UINT32_MAX;
    for (const unsigned char *at = bytes; at < bytes + size; at++) {
        bool is_hole = hole != NULL && at >= hole && (size_t)(at - hole) < sizeof(crc);
        crc ^= is_hole ? 0 : *at;
        crc = crc >> 4 ^ crc32c_table[crc & 0xf];
        crc = crc >> 4 ^ crc32c_table[crc & 0xf];
    }
    return ~crc;
}
