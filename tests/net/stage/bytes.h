/*
 * Bytes that tell where they belong: the byte at a place of a stream depends on the stream and on the place, so that
 * bytes which are lost, come twice, in another order or from another stream do not go unnoticed.
 */
#ifndef TESTS_NET_BYTES_H
#define TESTS_NET_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Eight bytes of a stream: those at places 8 * index to 8 * index + 7. */
static inline uint64_t
bytes_word(uint64_t stream, uint64_t index)
{
    uint64_t word = (index + 1) * UINT64_C(0x9e3779b97f4a7c15) + stream;
    word ^= word >> 29;
    word *= UINT64_C(0xbf58476d1ce4e5b9);
    return word ^ word >> 32;
}

/* Fills data with the bytes of a stream from a place on. */
static inline void
bytes_fill(char *data, size_t size, uint64_t stream, uint64_t place)
{
    for (size_t i = 0; i < size;) {
        uint64_t word = bytes_word(stream, (place + i) / 8);
        size_t skip = (place + i) % 8, part = 8 - skip < size - i ? 8 - skip : size - i;
        memcpy(data + i, (const char *)&word + skip, part);
        i += part;
    }
}

/* Are these the bytes of that stream from that place on? */
static inline bool
bytes_match(const char *data, size_t size, uint64_t stream, uint64_t place)
{
    for (size_t i = 0; i < size;) {
        uint64_t word = bytes_word(stream, (place + i) / 8);
        size_t skip = (place + i) % 8, part = 8 - skip < size - i ? 8 - skip : size - i;
        if (memcmp(data + i, (const char *)&word + skip, part) != 0)
            return false;
        i += part;
    }
    return true;
}

#endif
