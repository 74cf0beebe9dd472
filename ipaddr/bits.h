/*
 * Addresses as numbers of 128 bits, in which IPv4 addresses are their IPv4-mapped ones: so all addresses stand on one
 * line.
 */
#ifndef TROUPE_IPADDR_BITS_H
#define TROUPE_IPADDR_BITS_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/ipaddr/ip.h>

struct tri_bits {
    uint64_t high, low;
};

#define TRI_MAPPED UINT64_C(0xffff00000000) /* the low half of ::ffff:0.0.0.0; its high half is 0 */

/* How many bits the address has; 0 if it is none. */
static inline unsigned
tri_ip_bits(const struct tr_ip *ip)
{
    return ip->family == 4 ? 32 : ip->family == 6 ? 128 : 0;
}

static inline uint64_t
tri_load_network_order(const uint8_t *bytes, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

static inline void
tri_store_network_order(uint8_t *bytes, unsigned size, uint64_t value)
{
    for (unsigned i = size; i-- > 0; value >>= 8)
        bytes[i] = (uint8_t)value;
}

static inline struct tri_bits
tri_bits_of_ipv4(const uint8_t bytes[4])
{
    return (struct tri_bits){.high = 0, .low = TRI_MAPPED | tri_load_network_order(bytes, 4)};
}

static inline struct tri_bits
tri_bits_of_ipv6(const uint8_t bytes[16])
{
    return (struct tri_bits){
        .high = tri_load_network_order(bytes, 8),
        .low = tri_load_network_order(bytes + 8, 8),
    };
}

static inline struct tri_bits
tri_bits_of(const struct tr_ip *ip)
{
    return ip->family == 4 ? tri_bits_of_ipv4(ip->bytes) : tri_bits_of_ipv6(ip->bytes);
}

static inline bool
tri_bits_are_mapped(struct tri_bits bits)
{
    return bits.high == 0 && bits.low >> 32 == 0xffff;
}

/* a <= b. Without a branch: which half decides is as good as random in a search. */
static inline bool
tri_bits_up_to(struct tri_bits a, struct tri_bits b)
{
    return (a.high < b.high) | ((a.high == b.high) & (a.low <= b.low));
}

/* The bits set beyond the first length of 128. */
static inline struct tri_bits
tri_bits_beyond(unsigned length)
{
    if (length >= 128)
        return (struct tri_bits){0, 0};
    if (length >= 64)
        return (struct tri_bits){0, UINT64_MAX >> (length - 64)};
    return (struct tri_bits){UINT64_MAX >> length, UINT64_MAX};
}

#endif
