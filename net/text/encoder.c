/*
 * The encoder: UTF-8 text becomes the bytes that it stands for in an encoding.
 *
 * Every encoding is two functions. The first checks all of the text and counts the bytes, the second writes them into a
 * block of just that size. So a text that is refused has cost no memory, and once writing begins nothing can fail.
 */
#include "utf8.h"

#include <stdlib.h>
#include <troupe/net/encoding.h>

struct codec {
    /* How many bytes the text becomes. false: it cannot be written in this encoding. */
    bool (*measure)(const unsigned char *text, size_t size, size_t *bytes);
    /* Writes that many. */
    void (*write)(const unsigned char *text, size_t size, unsigned char *out);
};

/* Characters: latin1 and ascii, and UTF-16. */

/* How many UTF-16 units the text has; false if it is not valid UTF-8. */
static bool
count_units(const unsigned char *text, size_t size, size_t *units)
{
    *units = 0;
    for (size_t i = 0; i < size;) {
        size_t run = tri_ascii_run(text + i, size - i);
        *units += run;
        i += run;
        if (i == size)
            break;
        bool valid;
        size_t length = tri_utf8_next(text + i, size - i, &valid);
        if (!valid)
            return false;
        *units += length == 4 ? 2 : 1;
        i += length;
    }
    return true;
}

/* Takes one character of valid text apart. Returns how many units it has. */
static unsigned
next_units(const unsigned char *text, size_t *i, uint32_t units[2])
{
    size_t length = tri_utf8_length(text[*i]);
    uint32_t code_point = tri_utf8_code_point(text + *i, length);
    *i += length;
    if (code_point < 0x10000) {
        units[0] = code_point;
        return 1;
    }
    units[0] = 0xd800 | (code_point - 0x10000) >> 10;
    units[1] = 0xdc00 | (code_point & 0x3ff);
    return 2;
}

static void
write_latin1(const unsigned char *text, size_t size, unsigned char *out)
{
    for (size_t i = 0; i < size;) {
        size_t run = tri_ascii_run(text + i, size - i);
        memcpy(out, text + i, run);
        out += run;
        i += run;
        if (i == size)
            break;
        uint32_t units[2];
        unsigned count = next_units(text, &i, units);
        for (unsigned k = 0; k < count; k++)
            *out++ = (unsigned char)(units[k] & 0xff);
    }
}

static bool
measure_utf16(const unsigned char *text, size_t size, size_t *bytes)
{
    if (!count_units(text, size, bytes))
        return false;
    *bytes *= 2; /* no more than twice the text, and nothing in memory is larger than half of SIZE_MAX */
    return true;
}

static void
write_utf16(const unsigned char *text, size_t size, unsigned char *out)
{
    for (size_t i = 0; i < size;) {
        uint32_t units[2];
        unsigned count = next_units(text, &i, units);
        for (unsigned k = 0; k < count; k++) {
            *out++ = (unsigned char)(units[k] & 0xff);
            *out++ = (unsigned char)(units[k] >> 8);
        }
    }
}

/* Digits: hex and base64. A table for each; characters that it does not name are 0. */

enum {
    DIGIT = 0x40, /* added to the value of a digit, so that 0 means: no digit */
    VALUE = 0x3f,
    SPACE = 0x01, /* not of a digit: base64 skips it */
    PADDING = 0x02,
};

#define D(value) (DIGIT | (value))

static const unsigned char hex_digit[256] = {
    ['0'] = D(0),  ['1'] = D(1),  ['2'] = D(2),  ['3'] = D(3),  ['4'] = D(4),  ['5'] = D(5),
    ['6'] = D(6),  ['7'] = D(7),  ['8'] = D(8),  ['9'] = D(9),  ['a'] = D(10), ['b'] = D(11),
    ['c'] = D(12), ['d'] = D(13), ['e'] = D(14), ['f'] = D(15), ['A'] = D(10), ['B'] = D(11),
    ['C'] = D(12), ['D'] = D(13), ['E'] = D(14), ['F'] = D(15),
};

static const unsigned char base64_digit[256] = {
    ['A'] = D(0),   ['B'] = D(1),   ['C'] = D(2),    ['D'] = D(3),  ['E'] = D(4),   ['F'] = D(5),   ['G'] = D(6),
    ['H'] = D(7),   ['I'] = D(8),   ['J'] = D(9),    ['K'] = D(10), ['L'] = D(11),  ['M'] = D(12),  ['N'] = D(13),
    ['O'] = D(14),  ['P'] = D(15),  ['Q'] = D(16),   ['R'] = D(17), ['S'] = D(18),  ['T'] = D(19),  ['U'] = D(20),
    ['V'] = D(21),  ['W'] = D(22),  ['X'] = D(23),   ['Y'] = D(24), ['Z'] = D(25),  ['a'] = D(26),  ['b'] = D(27),
    ['c'] = D(28),  ['d'] = D(29),  ['e'] = D(30),   ['f'] = D(31), ['g'] = D(32),  ['h'] = D(33),  ['i'] = D(34),
    ['j'] = D(35),  ['k'] = D(36),  ['l'] = D(37),   ['m'] = D(38), ['n'] = D(39),  ['o'] = D(40),  ['p'] = D(41),
    ['q'] = D(42),  ['r'] = D(43),  ['s'] = D(44),   ['t'] = D(45), ['u'] = D(46),  ['v'] = D(47),  ['w'] = D(48),
    ['x'] = D(49),  ['y'] = D(50),  ['z'] = D(51),   ['0'] = D(52), ['1'] = D(53),  ['2'] = D(54),  ['3'] = D(55),
    ['4'] = D(56),  ['5'] = D(57),  ['6'] = D(58),   ['7'] = D(59), ['8'] = D(60),  ['9'] = D(61),  ['+'] = D(62),
    ['-'] = D(62),  ['/'] = D(63),  ['_'] = D(63),   [' '] = SPACE, ['\t'] = SPACE, ['\n'] = SPACE, ['\v'] = SPACE,
    ['\f'] = SPACE, ['\r'] = SPACE, ['='] = PADDING,
};

static bool
measure_hex(const unsigned char *text, size_t size, size_t *bytes)
{
    if (size % 2 != 0)
        return false;
    for (size_t i = 0; i < size; i++)
        if (hex_digit[text[i]] == 0)
            return false;
    *bytes = size / 2;
    return true;
}

static void
write_hex(const unsigned char *text, size_t size, unsigned char *out)
{
    for (size_t i = 0; i < size; i += 2)
        *out++ = (unsigned char)((hex_digit[text[i]] & VALUE) << 4 | (hex_digit[text[i + 1]] & VALUE));
}

/* After the digits: nothing but padding and white space. */
static bool
is_padding(const unsigned char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (base64_digit[text[i]] != PADDING && base64_digit[text[i]] != SPACE)
            return false;
    return true;
}

static bool
measure_base64(const unsigned char *text, size_t size, size_t *bytes)
{
    size_t digits = 0;
    size_t i = 0;
    for (; i < size; i++) {
        unsigned char kind = base64_digit[text[i]];
        if (kind >= DIGIT)
            digits++;
        else if (kind != SPACE)
            break;
    }
    if (digits % 4 == 1 || !is_padding(text + i, size - i))
        return false;
    *bytes = digits / 4 * 3 + digits % 4 * 3 / 4;
    return true;
}

/* Whole groups as long as nothing stands between their digits. Returns how much of the text that was. */
static size_t
write_base64_groups(const unsigned char *text, size_t size, unsigned char **out)
{
    size_t i = 0;
    for (; size - i >= 4; i += 4) {
        unsigned a = base64_digit[text[i]], b = base64_digit[text[i + 1]];
        unsigned c = base64_digit[text[i + 2]], d = base64_digit[text[i + 3]];
        if ((a & b & c & d & DIGIT) == 0)
            break;
        uint32_t bits = (a & VALUE) << 18 | (b & VALUE) << 12 | (c & VALUE) << 6 | (d & VALUE);
        (*out)[0] = (unsigned char)(bits >> 16);
        (*out)[1] = (unsigned char)(bits >> 8 & 0xff);
        (*out)[2] = (unsigned char)(bits & 0xff);
        *out += 3;
    }
    return i;
}

static void
write_base64(const unsigned char *text, size_t size, unsigned char *out)
{
    uint32_t bits = 0;  /* the last digits */
    unsigned count = 0; /* how many of them belong to the group at hand */
    size_t i = write_base64_groups(text, size, &out);
    while (i < size) {
        unsigned digit = base64_digit[text[i++]];
        if (digit < DIGIT)
            continue;
        bits = bits << 6 | (digit & VALUE);
        count++;
        if (count > 1) /* from the second on, each digit completes a byte */
            *out++ = (unsigned char)(bits >> (2 * (4 - count)) & 0xff);
        if (count < 4)
            continue;
        count = 0;
        i += write_base64_groups(text + i, size - i, &out);
    }
}

/* Any of them. */

static const struct codec codecs[] = {
    [TR_ENCODING_ASCII] = {count_units, write_latin1},
    [TR_ENCODING_LATIN1] = {count_units, write_latin1},
    [TR_ENCODING_HEX] = {measure_hex, write_hex},
    [TR_ENCODING_BASE64] = {measure_base64, write_base64},
    [TR_ENCODING_BASE64URL] = {measure_base64, write_base64},
    [TR_ENCODING_UTF16LE] = {measure_utf16, write_utf16},
};

/* Makes a block of that many bytes, 1 or more, and a slice of it; its bytes are the caller's to write at once. */
static tr_status
block_new(size_t size, unsigned char **block, tr_slice *out)
{
    *block = malloc(size);
    if (*block == NULL)
        return TR_ENOMEM;
    tr_status status = tr_slice_adopt(*block, size, free, out);
    if (status != TR_OK)
        free(*block);
    return status;
}

tr_status
tr_encode(enum tr_encoding encoding, const char *text, size_t size, tr_slice *out)
{
    if (out == NULL || (text == NULL && size > 0))
        return TR_EINVAL;
    if ((size_t)encoding >= sizeof(codecs) / sizeof(codecs[0]))
        return TR_EBADENCODING;
    const struct codec *codec = &codecs[encoding];
    if (codec->measure == NULL || size == 0)
        return tr_slice_copy(text, size, out);

    const unsigned char *characters = (const unsigned char *)text;
    size_t bytes;
    if (!codec->measure(characters, size, &bytes))
        return TR_EBADTEXT;
    if (bytes == 0)
        return tr_slice_copy(NULL, 0, out);
    unsigned char *block;
    tr_status status = block_new(bytes, &block, out);
    if (status == TR_OK)
        codec->write(characters, size, block);
    return status;
}
