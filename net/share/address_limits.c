/*
 * How many connections come from each address: a hash table with the keys in it, searched forward from their place.
 *
 * Only addresses that have a connection are in it, so it grows with the connections and with nothing else. When the
 * last one of an address goes, the entry is taken out and those behind it move up, so no graves are left that would
 * make searching longer. Whoever chooses his addresses must not be able to choose where they land, therefore each table
 * mixes a random number of its own into its places.
 */
#include "address_limits.h"

#include "mix.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/clock.h>
#include <troupe/core/random.h>

#define FIRST_ROOM 16u

struct tri_limits_entry {
    struct tri_limit_key key;
    uint32_t count; /* 0: the place is free */
};

/* Keys. */

static void
clear_behind(unsigned char *bytes, unsigned prefix)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned kept = prefix > 8 * i ? prefix - 8 * i : 0;
        if (kept < 8)
            bytes[i] &= (unsigned char)(0xff00u >> kept);
    }
}

bool
tri_limit_key_of(const struct sockaddr *address, unsigned prefix_ipv6, struct tri_limit_key *out)
{
    unsigned char bytes[16] = {[10] = 0xff, [11] = 0xff};
    if (address->sa_family == AF_INET) {
        memcpy(bytes + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        const struct in6_addr *ip = &((const struct sockaddr_in6 *)address)->sin6_addr;
        memcpy(bytes, ip, 16);
        if (!IN6_IS_ADDR_V4MAPPED(ip))
            clear_behind(bytes, prefix_ipv6);
    } else {
        return false;
    }
    memcpy(out, bytes, sizeof(*out));
    return true;
}

static bool
equal(const struct tri_limit_key *a, const struct tri_limit_key *b)
{
    return a->words[0] == b->words[0] && a->words[1] == b->words[1];
}

/* The table. */

static size_t
home_of(const struct tri_limits *limits, const struct tri_limit_key *key)
{
    uint64_t hash = tri_mix((tri_mix(limits->seed ^ key->words[0]) + limits->seed) ^ key->words[1]);
    return (size_t)hash & (limits->room - 1);
}

static size_t
next(const struct tri_limits *limits, size_t place)
{
    return (place + 1) & (limits->room - 1);
}

/* The key's entry, or the free place where it belongs. There is room. */
static size_t
find(const struct tri_limits *limits, const struct tri_limit_key *key)
{
    size_t place = home_of(limits, key);
    while (limits->entries[place].count > 0 && !equal(&limits->entries[place].key, key))
        place = next(limits, place);
    return place;
}

/* The seed is the system's randomness; without it, which is only early at boot, an address in memory must do. */
static uint64_t
seed_for(const void *table)
{
    uint64_t seed;
    if (tri_random(&seed, sizeof(seed)) != 0)
        seed = tri_mix((uint64_t)(uintptr_t)table ^ tri_clock_now_ns());
    return seed;
}

static tr_status
grow(struct tri_limits *limits)
{
    struct tri_limits larger = {.room = limits->room > 0 ? 2 * limits->room : FIRST_ROOM, .used = limits->used};
    larger.entries = calloc(larger.room, sizeof(*larger.entries));
    if (larger.entries == NULL)
        return TR_ENOMEM;
    larger.seed = limits->room > 0 ? limits->seed : seed_for(larger.entries);
    for (size_t i = 0; i < limits->room; i++)
        if (limits->entries[i].count > 0)
            larger.entries[find(&larger, &limits->entries[i].key)] = limits->entries[i];
    free(limits->entries);
    *limits = larger;
    return TR_OK;
}

tr_status
tri_limits_take(struct tri_limits *limits, const struct tri_limit_key *key, uint32_t limit)
{
    if (limits->used + 1 > limits->room / 4 * 3 && grow(limits) != TR_OK)
        return TR_ENOMEM;
    struct tri_limits_entry *entry = &limits->entries[find(limits, key)];
    if (entry->count >= limit)
        return TR_EFULL;
    if (entry->count == 0) {
        entry->key = *key;
        limits->used++;
    }
    entry->count++;
    return TR_OK;
}

/* Frees a place. An entry behind it moves there if it was pushed past it on the way from its home. */
static void
take_out(struct tri_limits *limits, size_t hole)
{
    for (size_t place = next(limits, hole); limits->entries[place].count > 0; place = next(limits, place)) {
        size_t pushed = (place - home_of(limits, &limits->entries[place].key)) & (limits->room - 1);
        size_t distance = (place - hole) & (limits->room - 1);
        if (pushed < distance)
            continue;
        limits->entries[hole] = limits->entries[place];
        hole = place;
    }
    limits->entries[hole].count = 0;
    limits->used--;
}

void
tri_limits_give(struct tri_limits *limits, const struct tri_limit_key *key)
{
    if (limits->room == 0)
        return;
    size_t place = find(limits, key);
    if (limits->entries[place].count > 1)
        limits->entries[place].count--;
    else if (limits->entries[place].count == 1)
        take_out(limits, place);
}

uint32_t
tri_limits_count(const struct tri_limits *limits, const struct tri_limit_key *key)
{
    return limits->room > 0 ? limits->entries[find(limits, key)].count : 0;
}

void
tri_limits_fini(struct tri_limits *limits)
{
    free(limits->entries);
    *limits = (struct tri_limits){0};
}
