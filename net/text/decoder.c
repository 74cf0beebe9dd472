/*
 * The decoder: bytes in pieces become UTF-8 text.
 *
 * A piece is cut into three parts. What the last piece left incomplete is completed, byte by byte, in the decoder's
 * own four bytes. Then comes the body, everything up to the last complete character, decoded at full speed straight
 * from the caller's memory. The tail, three bytes at most, is held for the next piece.
 *
 * In UTF-8 the cuts change nothing, not even in what is invalid, because a byte that can begin a character always
 * begins one: no error reaches across it. How many bytes to wait for is read from the lead alone, as Node does it. E0
 * 80 can no longer become a character, but it is held until a third byte or another lead comes; that decides when the
 * replacements are given, not how many.
 *
 * Invariant: between two calls the held bytes are the beginning of one character (UTF-8: a lead and less than it asks
 * for; UTF-16: an odd byte, a lead surrogate, or both) or of one group of three (base64).
 */
#include "utf8.h"

#include <assert.h>
#include <troupe/net/encoding.h>

static size_t
put_replacement(char *out)
{
    memcpy(out, "\xef\xbf\xbd", 3); /* U+FFFD */
    return 3;
}

static void
hold(struct tr_decoder *decoder, const unsigned char *data, size_t size)
{
    assert(size < sizeof(decoder->bytes));
    if (size > 0)
        memcpy(decoder->bytes, data, size);
    decoder->held = (unsigned char)size;
}

/* UTF-8. */

/* How many bytes at the start are valid. */
static size_t
utf8_valid_run(const unsigned char *data, size_t size)
{
    size_t run = tri_ascii_run(data, size);
    while (run < size) {
        bool valid;
        size_t length = tri_utf8_next(data + run, size - run, &valid);
        if (!valid)
            break;
        run += length;
        run += tri_ascii_run(data + run, size - run);
    }
    return run;
}

/* Copies what is valid, which as a rule is all, and replaces the rest. */
static size_t
utf8_text(const unsigned char *data, size_t size, char *out)
{
    char *at = out;
    for (size_t i = 0; i < size;) {
        size_t run = utf8_valid_run(data + i, size - i);
        memcpy(at, data + i, run);
        at += run;
        i += run;
        if (i == size)
            break;
        bool valid;
        i += tri_utf8_next(data + i, size - i, &valid);
        at += put_replacement(at);
    }
    return (size_t)(at - out);
}

/*
 * How many bytes to wait for after this lead. Unlike tri_utf8_length() it knows no difference between the leads of a
 * kind, for so does Node: C0 waits for its second byte and becomes two U+FFFD then.
 */
static size_t
utf8_wanted(unsigned char lead)
{
    if ((lead & 0xe0) == 0xc0)
        return 2;
    if ((lead & 0xf0) == 0xe0)
        return 3;
    return (lead & 0xf8) == 0xf0 ? 4 : 1;
}

/* How many bytes at the end begin a character and do not finish it. */
static size_t
utf8_tail(const unsigned char *data, size_t size)
{
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        unsigned char byte = data[size - back];
        if (!tri_utf8_continues(byte))
            return utf8_wanted(byte) > back ? back : 0;
    }
    return 0;
}

/* Adds to the held bytes until they are whole, or cannot become so. Returns how many bytes were taken. */
static size_t
utf8_complete(struct tr_decoder *decoder, const unsigned char *data, size_t size, char **at)
{
    size_t wanted = utf8_wanted(decoder->bytes[0]);
    size_t taken = 0;
    while (taken < size && decoder->held < wanted && tri_utf8_continues(data[taken]))
        decoder->bytes[decoder->held++] = data[taken++];
    if (decoder->held == wanted || taken < size) {
        *at += utf8_text(decoder->bytes, decoder->held, *at);
        decoder->held = 0;
    }
    return taken;
}

static size_t
utf8_push(struct tr_decoder *decoder, const unsigned char *data, size_t size, char *out)
{
    char *at = out;
    size_t taken = decoder->held > 0 ? utf8_complete(decoder, data, size, &at) : 0;
    if (taken == size)
        return (size_t)(at - out);
    size_t tail = utf8_tail(data + taken, size - taken);
    size_t body = size - taken - tail;
    at += utf8_text(data + taken, body, at);
    hold(decoder, data + taken + body, tail);
    return (size_t)(at - out);
}

/* UTF-16. */

static uint32_t
unit_at(const unsigned char *data)
{
    return (uint32_t)data[0] | (uint32_t)data[1] << 8;
}

static bool
is_lead(uint32_t unit)
{
    return (unit & 0xfc00) == 0xd800;
}

static bool
is_trail(uint32_t unit)
{
    return (unit & 0xfc00) == 0xdc00;
}

/* A unit that is no part of a pair. */
static size_t
put_unit(uint32_t unit, char *out)
{
    if (unit < 0x80) {
        out[0] = (char)unit;
        return 1;
    }
    if (unit < 0x800) {
        out[0] = (char)(0xc0 | unit >> 6);
        out[1] = (char)(0x80 | (unit & 0x3f));
        return 2;
    }
    if (is_lead(unit) || is_trail(unit))
        return put_replacement(out);
    out[0] = (char)(0xe0 | unit >> 12);
    out[1] = (char)(0x80 | (unit >> 6 & 0x3f));
    out[2] = (char)(0x80 | (unit & 0x3f));
    return 3;
}

static size_t
put_pair(uint32_t lead, uint32_t trail, char *out)
{
    uint32_t code_point = 0x10000 + ((lead & 0x3ff) << 10 | (trail & 0x3ff));
    out[0] = (char)(0xf0 | code_point >> 18);
    out[1] = (char)(0x80 | (code_point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code_point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code_point & 0x3f));
    return 4;
}

/* Decodes whole characters. Returns how many bytes they took; what is left is incomplete. */
static size_t
utf16_text(const unsigned char *data, size_t size, char **at)
{
    size_t done = 0;
    while (size - done >= 2) {
        uint32_t unit = unit_at(data + done);
        if (is_lead(unit) && size - done < 4)
            break; /* its trail may come yet */
        if (is_lead(unit) && is_trail(unit_at(data + done + 2))) {
            *at += put_pair(unit, unit_at(data + done + 2), *at);
            done += 4;
        } else {
            *at += put_unit(unit, *at);
            done += 2;
        }
    }
    return done;
}

/* Adds bytes until nothing is held any more; a lead surrogate after a lead surrogate keeps waiting. */
static size_t
utf16_complete(struct tr_decoder *decoder, const unsigned char *data, size_t size, char **at)
{
    size_t taken = 0;
    while (taken < size && decoder->held > 0) {
        decoder->bytes[decoder->held++] = data[taken++];
        size_t done = utf16_text(decoder->bytes, decoder->held, at);
        decoder->held = (unsigned char)(decoder->held - done);
        memmove(decoder->bytes, decoder->bytes + done, decoder->held);
    }
    return taken;
}

static size_t
utf16_push(struct tr_decoder *decoder, const unsigned char *data, size_t size, char *out)
{
    char *at = out;
    size_t taken = utf16_complete(decoder, data, size, &at);
    if (taken == size)
        return (size_t)(at - out);
    taken += utf16_text(data + taken, size - taken, &at);
    hold(decoder, data + taken, size - taken);
    return (size_t)(at - out);
}

/* Base64. */

static const char *
base64_digits(enum tr_encoding encoding)
{
    return encoding == TR_ENCODING_BASE64URL ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                                             : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

static void
put_group(const char *digits, const unsigned char *data, char *out)
{
    uint32_t bits = (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2];
    out[0] = digits[bits >> 18];
    out[1] = digits[bits >> 12 & 0x3f];
    out[2] = digits[bits >> 6 & 0x3f];
    out[3] = digits[bits & 0x3f];
}

/* Adds to the held bytes until they are a group. Returns how many bytes were taken. */
static size_t
base64_complete(struct tr_decoder *decoder, const unsigned char *data, size_t size, char **at)
{
    size_t taken = 0;
    while (taken < size && decoder->held < 3)
        decoder->bytes[decoder->held++] = data[taken++];
    if (decoder->held == 3) {
        put_group(base64_digits(decoder->encoding), decoder->bytes, *at);
        *at += 4;
        decoder->held = 0;
    }
    return taken;
}

static size_t
base64_push(struct tr_decoder *decoder, const unsigned char *data, size_t size, char *out)
{
    char *at = out;
    size_t taken = decoder->held > 0 ? base64_complete(decoder, data, size, &at) : 0;
    if (taken == size)
        return (size_t)(at - out);
    const char *digits = base64_digits(decoder->encoding);
    for (; size - taken >= 3; taken += 3, at += 4)
        put_group(digits, data + taken, at);
    hold(decoder, data + taken, size - taken);
    return (size_t)(at - out);
}

/* One or two bytes: as many digits as they need, and in base64 padding up to four. */
static size_t
base64_finish(const struct tr_decoder *decoder, char *out)
{
    if (decoder->held == 0)
        return 0;
    unsigned char group[3] = {decoder->bytes[0], decoder->held == 2 ? decoder->bytes[1] : 0, 0};
    put_group(base64_digits(decoder->encoding), group, out);
    size_t size = decoder->held + 1u;
    if (decoder->encoding == TR_ENCODING_BASE64)
        while (size < 4)
            out[size++] = '=';
    return size;
}

/* Encodings in which each byte stands alone. */

static size_t
bytes_push(const unsigned char *data, size_t size, char *out)
{
    if (size > 0)
        memcpy(out, data, size);
    return size;
}

static size_t
ascii_push(const unsigned char *restrict data, size_t size, char *restrict out)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (char)(data[i] & 0x7f);
    return size;
}

static size_t
latin1_push(const unsigned char *data, size_t size, char *out)
{
    char *at = out;
    for (size_t i = 0; i < size;) {
        size_t run = tri_ascii_run(data + i, size - i);
        memcpy(at, data + i, run);
        at += run;
        i += run;
        for (; i < size && data[i] >= 0x80; i++)
            at += put_unit(data[i], at);
    }
    return (size_t)(at - out);
}

static size_t
hex_push(const unsigned char *restrict data, size_t size, char *restrict out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 0x0f];
    }
    return 2 * size;
}

/* Any of them. */

void
tr_decoder_init(struct tr_decoder *decoder, enum tr_encoding encoding)
{
    *decoder = (struct tr_decoder){.encoding = encoding};
}

static size_t
times(size_t count, size_t factor)
{
    return count > SIZE_MAX / factor ? SIZE_MAX : count * factor;
}

size_t
tr_decoder_limit(const struct tr_decoder *decoder, size_t size)
{
    size_t bytes = size > SIZE_MAX - decoder->held ? SIZE_MAX : size + decoder->held;
    switch (decoder->encoding) {
    case TR_ENCODING_NONE:
    case TR_ENCODING_ASCII: return bytes;
    case TR_ENCODING_UTF8: return times(bytes, 3);
    case TR_ENCODING_LATIN1:
    case TR_ENCODING_HEX: return times(bytes, 2);
    case TR_ENCODING_BASE64:
    case TR_ENCODING_BASE64URL: return times(bytes / 3 + (bytes % 3 > 0), 4);
    case TR_ENCODING_UTF16LE: return times(bytes / 2, 3);
    }
    return bytes;
}

size_t
tr_decoder_push(struct tr_decoder *decoder, const void *data, size_t size, char *out)
{
    switch (decoder->encoding) {
    case TR_ENCODING_NONE: break;
    case TR_ENCODING_UTF8: return utf8_push(decoder, data, size, out);
    case TR_ENCODING_ASCII: return ascii_push(data, size, out);
    case TR_ENCODING_LATIN1: return latin1_push(data, size, out);
    case TR_ENCODING_HEX: return hex_push(data, size, out);
    case TR_ENCODING_BASE64:
    case TR_ENCODING_BASE64URL: return base64_push(decoder, data, size, out);
    case TR_ENCODING_UTF16LE: return utf16_push(decoder, data, size, out);
    }
    return bytes_push(data, size, out);
}

size_t
tr_decoder_finish(struct tr_decoder *decoder, char *out)
{
    size_t size = 0;
    switch (decoder->encoding) {
    case TR_ENCODING_UTF8: size = utf8_text(decoder->bytes, decoder->held, out); break;
    case TR_ENCODING_UTF16LE: size = decoder->held >= 2 ? put_replacement(out) : 0; break; /* a lead without a trail */
    case TR_ENCODING_BASE64:
    case TR_ENCODING_BASE64URL: size = base64_finish(decoder, out); break;
    case TR_ENCODING_NONE:
    case TR_ENCODING_ASCII:
    case TR_ENCODING_LATIN1:
    case TR_ENCODING_HEX: break; /* every byte is whole */
    }
    decoder->held = 0;
    return size;
}
