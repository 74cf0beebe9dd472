/*
 * How many connections come from each address.
 */
#ifndef TROUPE_NET_ADDRESS_LIMITS_H
#define TROUPE_NET_ADDRESS_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/status.h>

struct sockaddr;

#define TRI_LIMITS_PREFIX_IPV6 64u /* bits of an IPv6 address that count, unless the user says otherwise */

/* What counts as one address: an IPv4 address, in its mapped form, or the beginning of an IPv6 address. */
struct tri_limit_key {
    uint64_t words[2]; /* in the address's own byte order */
};

/* Addresses that have connections. Zero is an empty one. */
struct tri_limits {
    struct tri_limits_entry *entries; /* address_limits.c */
    size_t room;                      /* 0, or a power of two */
    size_t used;
    uint64_t seed;
};

/* The key of an address. false: it is not the internet's, and has no limit. */
bool tri_limit_key_of(const struct sockaddr *address, unsigned prefix_ipv6, struct tri_limit_key *out);

/* One more from there, unless there are `limit` already. Returns: TR_OK; TR_EFULL; TR_ENOMEM. */
tr_status tri_limits_take(struct tri_limits *limits, const struct tri_limit_key *key, uint32_t limit);

/* One less from there. */
void tri_limits_give(struct tri_limits *limits, const struct tri_limit_key *key);

/* Connections from there. */
uint32_t tri_limits_count(const struct tri_limits *limits, const struct tri_limit_key *key);

void tri_limits_fini(struct tri_limits *limits);

#endif
