/*
 * Prefixes: the addresses that begin with the same bits.
 */
#include "bits.h"

#include <string.h>

tr_status
tr_prefix_make(const struct tr_ip *ip, unsigned length, struct tr_prefix *out)
{
    if (ip == NULL || out == NULL)
        return TR_EINVAL;
    if (ip->family != 4 && ip->family != 6)
        return TR_EBADADDRESS;
    if (length > tri_ip_bits(ip))
        return TR_EBADLIMIT;
    struct tr_prefix prefix = {.ip = {.family = ip->family}, .length = (uint8_t)length};
    memcpy(prefix.ip.bytes, ip->bytes, tri_ip_bits(ip) / 8);
    *out = prefix;
    return TR_OK;
}

/* A length of any size is a number; what it may be is for the caller to say. */
static bool
read_length(const char *text, size_t size, unsigned *length)
{
    *length = 0;
    if (size == 0 || (size > 1 && text[0] == '0'))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        if (*length < 1000)
            *length = *length * 10 + (unsigned)(text[i] - '0');
    }
    return true;
}

tr_status
tr_prefix_parse_sized(const char *text, size_t size, struct tr_prefix *out)
{
    struct tr_ip ip;
    unsigned length;
    if (text == NULL || out == NULL)
        return TR_EINVAL;
    const char *slash = memchr(text, '/', size);
    if (slash == NULL || tr_ip_parse_sized(text, (size_t)(slash - text), &ip) != TR_OK || ip.zone[0] != '\0')
        return TR_EBADADDRESS;
    if (!read_length(slash + 1, size - (size_t)(slash + 1 - text), &length))
        return TR_EBADADDRESS;
    return tr_prefix_make(&ip, length, out);
}

tr_status
tr_prefix_parse(const char *text, struct tr_prefix *out)
{
    return text != NULL ? tr_prefix_parse_sized(text, strlen(text), out) : TR_EINVAL;
}

/* How many leading bits of 128 count when the address is looked at as one of IPv6. */
static unsigned
mapped_length(const struct tr_prefix *prefix)
{
    return prefix->length + 128 - tri_ip_bits(&prefix->ip);
}

struct tr_prefix
tr_prefix_masked(const struct tr_prefix *prefix)
{
    struct tr_prefix masked = *prefix;
    struct tri_bits bits = tri_bits_of(&prefix->ip), beyond = tri_bits_beyond(mapped_length(prefix));
    if (prefix->ip.family == 4) {
        tri_store_network_order(masked.ip.bytes, 4, bits.low & ~beyond.low);
    } else {
        tri_store_network_order(masked.ip.bytes, 8, bits.high & ~beyond.high);
        tri_store_network_order(masked.ip.bytes + 8, 8, bits.low & ~beyond.low);
    }
    return masked;
}

bool
tr_prefix_contains(const struct tr_prefix *prefix, const struct tr_ip *ip)
{
    if (prefix->ip.family != ip->family || tri_ip_bits(ip) == 0)
        return false;
    struct tri_bits a = tri_bits_of(&prefix->ip), b = tri_bits_of(ip), beyond = tri_bits_beyond(mapped_length(prefix));
    return (((a.high ^ b.high) & ~beyond.high) | ((a.low ^ b.low) & ~beyond.low)) == 0;
}
