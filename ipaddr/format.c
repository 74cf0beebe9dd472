/*
 * Addresses and prefixes to text, as RFC 5952 wants it: hexadecimal in lower case without leading zeros; "::" for the
 * longest run of zero words, for the first of equal ones, and never for a single word; the IPv4 address behind
 * ::ffff:0:0/96 in its own notation.
 *
 * Texts are short, so they are put together in a buffer that holds any of them, and copied if the caller has room.
 */
#include "bits.h"

#include <stdio.h>
#include <string.h>

#define WORDS 8u /* of 16 bits */

static char *
put_decimal(char *at, unsigned value)
{
    if (value >= 100)
        *at++ = (char)('0' + value / 100);
    if (value >= 10)
        *at++ = (char)('0' + value / 10 % 10);
    *at++ = (char)('0' + value % 10);
    return at;
}

static char *
put_ipv4(char *at, const uint8_t bytes[4])
{
    for (unsigned i = 0; i < 4; i++) {
        if (i > 0)
            *at++ = '.';
        at = put_decimal(at, bytes[i]);
    }
    return at;
}

static char *
put_word(char *at, unsigned word)
{
    int shift = 12;
    while (shift > 0 && word >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[word >> shift & 15];
    return at;
}

static unsigned
word_at(const uint8_t bytes[16], unsigned i)
{
    return (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1];
}

/* Where the zeros stand that "::" takes the place of. Returns how many words they are, 0 if there are none. */
static unsigned
find_gap(const uint8_t bytes[16], unsigned *begin)
{
    unsigned best = 1, run = 0; /* a single word is not shortened */
    *begin = WORDS;
    for (unsigned i = 0; i < WORDS; i++) {
        run = word_at(bytes, i) == 0 ? run + 1 : 0;
        if (run > best) {
            best = run;
            *begin = i + 1 - run;
        }
    }
    return *begin < WORDS ? best : 0;
}

static char *
put_words(char *at, const uint8_t bytes[16])
{
    unsigned gap, size = find_gap(bytes, &gap);
    for (unsigned i = 0; i < WORDS; i++) {
        if (i == gap) {
            *at++ = ':';
            *at++ = ':';
            i += size - 1;
            continue;
        }
        if (i > 0 && i != gap + size)
            *at++ = ':';
        at = put_word(at, word_at(bytes, i));
    }
    return at;
}

static char *
put_ipv6(char *at, const struct tr_ip *ip)
{
    if (tr_ip_is_mapped(ip)) {
        memcpy(at, "::ffff:", 7);
        at = put_ipv4(at + 7, ip->bytes + 12);
    } else {
        at = put_words(at, ip->bytes);
    }
    size_t zone = strnlen(ip->zone, sizeof(ip->zone) - 1);
    if (zone > 0)
        *at++ = '%';
    memcpy(at, ip->zone, zone);
    return at + zone;
}

static char *
put_ip(char *at, const struct tr_ip *ip)
{
    if (ip->family == 4)
        return put_ipv4(at, ip->bytes);
    return ip->family == 6 ? put_ipv6(at, ip) : at;
}

/* Hands a text over to the caller, if there is one and it has room for it. */
static size_t
give(const char *from, size_t length, char *text, size_t size)
{
    if (length >= size)
        length = 0;
    if (size > 0) {
        memcpy(text, from, length);
        text[length] = '\0';
    }
    return length;
}

size_t
tr_ip_format(const struct tr_ip *ip, char *text, size_t size)
{
    char buffer[TR_IP_TEXT];
    return give(buffer, (size_t)(put_ip(buffer, ip) - buffer), text, size);
}

size_t
tr_prefix_format(const struct tr_prefix *prefix, char *text, size_t size)
{
    char buffer[TR_PREFIX_TEXT], *at = buffer;
    if (prefix->length <= tri_ip_bits(&prefix->ip) && prefix->ip.family != 0) {
        struct tr_ip ip = prefix->ip;
        ip.zone[0] = '\0';
        at = put_ip(at, &ip);
        *at++ = '/';
        at = put_decimal(at, prefix->length);
    }
    return give(buffer, (size_t)(at - buffer), text, size);
}
