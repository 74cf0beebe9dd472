/*
 * Mixing the bits of a word, for hashes.
 */
#ifndef TROUPE_NET_MIX_H
#define TROUPE_NET_MIX_H

#include <stdint.h>

/* Every bit of the word reaches every bit of the result. Thread: any. */
static inline uint64_t
tri_mix(uint64_t word)
{
    word = (word ^ word >> 32) * 0xd6e8feb86659fd93u;
    word = (word ^ word >> 32) * 0xd6e8feb86659fd93u;
    return word ^ word >> 32;
}

#endif
