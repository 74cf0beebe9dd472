/*
 * Keys: which worker an actor that is placed by a key lives on.
 *
 * The key is mixed, and the upper half of the mixture is scaled to the number of workers: so keys that differ in a few
 * bits only, such as numbers that are counted up or addresses of one size, are spread as evenly as others, without a
 * division. Bytes are folded into the mixture eight at a time, in an order that is the same on every machine.
 */
#include <stdint.h>
#include <troupe/actors/actor.h>

#define WORD_BYTES 8u

/* Every bit of the word reaches every bit of the result. */
static uint64_t
mix(uint64_t word)
{
    word = (word ^ word >> 32) * 0xd6e8feb86659fd93u;
    word = (word ^ word >> 32) * 0xd6e8feb86659fd93u;
    return word ^ word >> 32;
}

/* Up to eight bytes, the first as the lowest. */
static uint64_t
word_of(const unsigned char *bytes, size_t size)
{
    uint64_t word = 0;
    for (size_t i = 0; i < size && i < WORD_BYTES; i++)
        word |= (uint64_t)bytes[i] << 8 * i;
    return word;
}

uint64_t
tr_key(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    if (data == NULL)
        size = 0;
    uint64_t hash = mix(size + 1); /* bytes of another size are another key, whatever they are */
    for (size_t done = 0; done < size; done += WORD_BYTES)
        hash = mix(hash ^ word_of(bytes + done, size - done));
    return hash;
}

unsigned
tr_key_worker(uint64_t key, unsigned workers)
{
    return (unsigned)((mix(key) >> 32) * workers >> 32);
}
