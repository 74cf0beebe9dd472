/*
 * Text to addresses.
 *
 * One pass over the text with the bytes as its result; isIP is the same pass with the bytes thrown away. The family is
 * known from the first '.' or ':', which stands among the first five characters of every address, so the two grammars
 * are read by two functions that know nothing of each other but this: the last 32 bits of an IPv6 address may be
 * written as IPv4.
 *
 * A reader gets where to begin and where the text ends, and returns where it stopped, NULL if that is no address. So
 * text needs no NUL at its end, and a NUL inside is a character like any other that does not belong there.
 *
 * A word of IPv6 is read with four characters in one number, instead of one by one: its length, and which of its digits
 * are letters, are as good as random, and a processor that guesses them wrong loses more time than all of the work
 * takes.
 */
#include "parse.h"

#include "bits.h"

#include <string.h>

#define WORDS 8u /* of 16 bits */
#define NO_GAP (WORDS + 1)

/* Reads a number from 0 to 255 without leading zeros. */
static inline const char *
read_decimal(const char *at, const char *end, uint8_t *out)
{
    const char *begin = at;
    unsigned value = 0;
    for (; at != end; at++) {
        unsigned digit = (unsigned)(unsigned char)*at - '0';
        if (digit > 9)
            break;
        if (at != begin && value == 0)
            return NULL; /* a leading zero: some read what follows as octal, so nobody may */
        value = value * 10 + digit;
        if (value > 255)
            return NULL;
    }
    *out = (uint8_t)value;
    return at != begin ? at : NULL;
}

static inline const char *
read_ipv4(const char *at, const char *end, uint8_t bytes[4])
{
    for (unsigned i = 0; i < 4; i++) {
        if (i > 0 && (at == end || *at++ != '.'))
            return NULL;
        at = read_decimal(at, end, &bytes[i]);
        if (at == NULL)
            return NULL;
    }
    return at;
}

/* The highest bit of each of four bytes: set where the other seven bits are at least limit, which is 1 to 127. */
static inline uint32_t
at_least(uint32_t bytes, uint32_t limit)
{
    return ((bytes & 0x7f7f7f7f) + (0x80 - limit) * 0x01010101) & 0x80808080;
}

/* How many of four characters, from the lowest byte on, are hexadecimal digits. */
static inline unsigned
count_hex(uint32_t four)
{
    uint32_t lower = four | 0x20202020;
    uint32_t digits = at_least(four, '0') & ~at_least(four, '9' + 1);
    uint32_t letters = at_least(lower, 'a') & ~at_least(lower, 'f' + 1);
    uint32_t others = ~((digits | letters) & ~four) & 0x80808080;
    return (unsigned)__builtin_ctzll(others | UINT64_C(1) << 39) / 8;
}

/* The number that the first count of four hexadecimal digits are; the other characters do not matter. */
static inline unsigned
hex_value(uint32_t four, unsigned count)
{
    uint32_t digits = (four & 0x0f0f0f0f) + 9 * (four >> 6 & 0x01010101); /* of all digits only letters have bit 6 */
    uint32_t value = (digits & 15) << 12 | (digits >> 8 & 15) << 8 | (digits >> 16 & 15) << 4 | (digits >> 24 & 15);
    return value >> (16 - 4 * count);
}

/* Up to four characters, the first in the lowest byte; zeros where the text has ended. */
static inline uint32_t
load_four(const char *at, const char *end)
{
    uint32_t four = 0;
    if (end - at >= 4)
        return (uint32_t)(unsigned char)at[0] | (uint32_t)(unsigned char)at[1] << 8 |
               (uint32_t)(unsigned char)at[2] << 16 | (uint32_t)(unsigned char)at[3] << 24;
    for (unsigned i = 0; at + i != end; i++)
        four |= (uint32_t)(unsigned char)at[i] << 8 * i;
    return four;
}

/*
 * Reads one to four hexadecimal digits. A fifth is left where it stands, and nothing that may follow begins with one.
 */
static inline const char *
read_word(const char *at, const char *end, unsigned *out)
{
    uint32_t four = load_four(at, end);
    unsigned count = count_hex(four);
    *out = hex_value(four, count);
    return count > 0 ? at + count : NULL;
}

/* The words of an IPv6 address while it is read. */
struct words {
    struct tri_bits bits; /* those since "::", the last in the lowest bits */
    struct tri_bits head; /* those before it */
    unsigned count;       /* of all */
    unsigned gap;         /* how many stand before "::"; NO_GAP: it has not come */
};

static inline void
append(struct words *words, unsigned word)
{
    words->bits.high = words->bits.high << 16 | words->bits.low >> 48;
    words->bits.low = words->bits.low << 16 | word;
    words->count++;
}

/* Notes that "::" stands here. False: there was one before. */
static inline bool
open_gap(struct words *words)
{
    if (words->gap != NO_GAP)
        return false;
    words->gap = words->count;
    words->head = words->bits;
    words->bits = (struct tri_bits){0, 0};
    return true;
}

/* Puts head and tail together. False: there are too few words or too many; "::" stands for one zero at least. */
static inline bool
close_gap(struct words *words)
{
    if (words->gap == NO_GAP)
        return words->count == WORDS;
    unsigned shift = 16 * (WORDS - words->gap); /* of the head, to where it belongs */
    if (words->count >= WORDS)
        return false;
    if (shift < 64) {
        words->bits.high |= words->head.high << shift | words->head.low >> (64 - shift);
        words->bits.low |= words->head.low << shift;
    } else if (shift < 128) {
        words->bits.high |= words->head.low << (shift - 64);
    }
    return true;
}

/* Reads the IPv4 address that two words may be written as, if they are the last. */
static inline const char *
read_last_words(const char *at, const char *end, struct words *words)
{
    uint8_t bytes[4];
    if ((at = read_ipv4(at, end, bytes)) == NULL)
        return NULL;
    append(words, (unsigned)bytes[0] << 8 | bytes[1]);
    append(words, (unsigned)bytes[2] << 8 | bytes[3]);
    return at;
}

static inline bool
at_end_of_words(const char *at, const char *end)
{
    return at == end || *at == '%';
}

static inline const char *
read_words(const char *at, const char *end, struct words *words)
{
    for (;;) {
        const char *begin = at;
        unsigned word;
        if (words->count == WORDS || (at = read_word(at, end, &word)) == NULL)
            return NULL;
        if (at != end && *at == '.')
            return read_last_words(begin, end, words);
        append(words, word);
        if (at_end_of_words(at, end))
            return at;
        if (*at++ != ':')
            return NULL;
        if (at == end || *at != ':')
            continue;
        if (!open_gap(words))
            return NULL;
        at++;
        if (at_end_of_words(at, end))
            return at; /* "::" may come last, ':' may not */
    }
}

/* Stops at the end or at the '%' of a zone. */
static inline const char *
read_ipv6(const char *at, const char *end, uint8_t bytes[16])
{
    struct words words = {.gap = NO_GAP};
    if (end - at >= 2 && at[0] == ':' && at[1] == ':') {
        open_gap(&words);
        at += 2;
    }
    if (words.gap == NO_GAP || !at_end_of_words(at, end))
        at = read_words(at, end, &words);
    if (at == NULL || !at_end_of_words(at, end) || !close_gap(&words))
        return NULL;
    tri_store_network_order(bytes, 8, words.bits.high);
    tri_store_network_order(bytes + 8, 8, words.bits.low);
    return at;
}

bool
tri_is_zone(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned c = (unsigned char)text[i];
        if (c - '0' > 9 && (c | 0x20) - 'a' > 25 && c != '-' && c != '.' && c != ':')
            return false;
    }
    return size > 0;
}

/* Which grammar to read the text with: 4, 6, or 0 if it can be neither. */
static int
family_of(const char *text, size_t size)
{
    size_t limit = size < 5 ? size : 5;
    for (size_t i = 0; i < limit; i++) {
        if (text[i] == ':')
            return 6;
        if (text[i] == '.')
            return 4;
    }
    return 0;
}

/* Returns the family, 0 if it is no address. The zone is what stands behind '%', NULL if there is none. */
static inline int
read_ip(const char *text, size_t size, uint8_t bytes[16], const char **zone)
{
    const char *end = text + size, *at;
    int family = family_of(text, size);
    *zone = NULL;
    if (family == 4)
        return read_ipv4(text, end, bytes) == end ? 4 : 0;
    if (family == 0 || (at = read_ipv6(text, end, bytes)) == NULL)
        return 0;
    if (at == end)
        return 6;
    *zone = at + 1;
    return tri_is_zone(*zone, (size_t)(end - *zone)) ? 6 : 0;
}

int
tr_is_ip_sized(const char *text, size_t size)
{
    uint8_t bytes[16];
    const char *zone;
    return text != NULL ? read_ip(text, size, bytes, &zone) : 0;
}

int
tr_is_ip(const char *text)
{
    return text != NULL ? tr_is_ip_sized(text, strlen(text)) : 0;
}

bool
tr_is_ipv4(const char *text)
{
    return tr_is_ip(text) == 4;
}

bool
tr_is_ipv6(const char *text)
{
    return tr_is_ip(text) == 6;
}

tr_status
tr_ip_parse_sized(const char *text, size_t size, struct tr_ip *out)
{
    struct tr_ip ip = {0};
    const char *zone;
    if (text == NULL || out == NULL)
        return TR_EINVAL;
    ip.family = (uint8_t)read_ip(text, size, ip.bytes, &zone);
    if (ip.family == 0)
        return TR_EBADADDRESS;
    if (zone != NULL) {
        size_t zone_size = (size_t)(text + size - zone);
        if (zone_size >= sizeof(ip.zone))
            return TR_ENAMETOOLONG;
        memcpy(ip.zone, zone, zone_size);
    }
    *out = ip;
    return TR_OK;
}

tr_status
tr_ip_parse(const char *text, struct tr_ip *out)
{
    return text != NULL ? tr_ip_parse_sized(text, strlen(text), out) : TR_EINVAL;
}
