/*
 * UTF-8, one character at a time: which bytes may follow which, as table 3-7 of the Unicode standard has it.
 *
 * The decoder and the encoder share this, so that they cannot disagree on what is valid.
 */
#ifndef TRI_NET_UTF8_H
#define TRI_NET_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Is the byte one that stands only inside a character? */
static inline bool
tri_utf8_continues(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* How many bytes the character has that begins with lead; 0 if none begins with it. */
static inline size_t
tri_utf8_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2)
        return 0; /* inside a character, or the long form of an ASCII character */
    if (lead < 0xe0)
        return 2;
    if (lead < 0xf0)
        return 3;
    return lead < 0xf5 ? 4 : 0;
}

/* The second byte excludes long forms, surrogates and what lies beyond U+10FFFF. */
static inline bool
tri_utf8_second_fits(unsigned char lead, unsigned char second)
{
    switch (lead) {
    case 0xe0: return second >= 0xa0 && second <= 0xbf;
    case 0xed: return second >= 0x80 && second <= 0x9f;
    case 0xf0: return second >= 0x90 && second <= 0xbf;
    case 0xf4: return second >= 0x80 && second <= 0x8f;
    default: return tri_utf8_continues(second);
    }
}

/*
 * How many bytes at the start of text belong together: a whole character (*valid is true), or the longest beginning of
 * one, which is replaced as a unit. size is 1 or more, and so is the answer.
 */
static inline size_t
tri_utf8_next(const unsigned char *text, size_t size, bool *valid)
{
    size_t length = tri_utf8_length(text[0]);
    *valid = length == 1;
    if (length < 2 || size < 2 || !tri_utf8_second_fits(text[0], text[1]))
        return 1;
    for (size_t i = 2; i < length; i++)
        if (i == size || !tri_utf8_continues(text[i]))
            return i;
    *valid = true;
    return length;
}

/* The code point of a valid character of that many bytes. */
static inline uint32_t
tri_utf8_code_point(const unsigned char *text, size_t length)
{
    static const unsigned char lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code_point = text[0] & lead_bits[length];
    for (size_t i = 1; i < length; i++)
        code_point = code_point << 6 | (text[i] & 0x3fu);
    return code_point;
}

/* How many ASCII characters text begins with; looks at 32 bytes at a time while it can. */
static inline size_t
tri_ascii_run(const unsigned char *text, size_t size)
{
    size_t run = 0;
    for (uint64_t words[4]; size - run >= sizeof(words); run += sizeof(words)) {
        memcpy(words, text + run, sizeof(words));
        if ((words[0] | words[1] | words[2] | words[3]) & UINT64_C(0x8080808080808080))
            break;
    }
    while (run < size && text[run] < 0x80)
        run++;
    return run;
}

#endif
