/*
 * Text that becomes bytes, and the names of encodings.
 */
#include "encodings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/net/encoding.h>

/* Writing. */

struct written {
    enum tr_encoding encoding;
    const char *text;
    const char *bytes;
    size_t size;
};

#define WRITTEN(encoding, text, bytes)                                                                                 \
    {                                                                                                                  \
        TR_ENCODING_##encoding, text, bytes, sizeof(bytes) - 1                                                         \
    }

static void
text_is_written_as_node_writes_it(void **state)
{
    (void)state;
    static const struct written cases[] = {
        WRITTEN(NONE, "h\xc3\xa9", "h\xc3\xa9"),
        WRITTEN(UTF8, "h\xc3\xa9", "h\xc3\xa9"),
        WRITTEN(UTF8, "not valid: \xc3", "not valid: \xc3"),
        WRITTEN(LATIN1, "a\xe2\x82\xac\xc3\xa9\xf0\x9f\x98\x80", "a\xac\xe9\x3d\x00"),
        WRITTEN(ASCII, "a\xe2\x82\xac\xc3\xa9\xf0\x9f\x98\x80", "a\xac\xe9\x3d\x00"),
        WRITTEN(UTF16LE, "a\xe2\x82\xac\xc3\xa9\xf0\x9f\x98\x80", "a\0\xac\x20\xe9\0\x3d\xd8\x00\xde"),
        WRITTEN(UTF16LE, "\xf4\x8f\xbf\xbf\xef\xbf\xbf", "\xff\xdb\xff\xdf\xff\xff"),
        WRITTEN(HEX, "00fFA9", "\x00\xff\xa9"),
        WRITTEN(BASE64, "aGVsbG8=", "hello"),
        WRITTEN(BASE64, "aGVsbG8", "hello"),
        WRITTEN(BASE64, "aGVsbG8===", "hello"),
        WRITTEN(BASE64, " aGV\r\nsbG8 = \t\v\f", "hello"),
        WRITTEN(BASE64, "YWJjZGVmZ2hp\nYWJjZGVmZ2hp\n", "abcdefghiabcdefghi"),
        WRITTEN(BASE64, "+/+/-_-_", "\xfb\xff\xbf\xfb\xff\xbf"),
        WRITTEN(BASE64URL, "+/+/-_-_", "\xfb\xff\xbf\xfb\xff\xbf"),
        WRITTEN(BASE64, "YR", "a"), /* of the last digit the bits that make no byte */
        WRITTEN(BASE64, "=", ""),
        WRITTEN(BASE64, " \n", ""),
        WRITTEN(HEX, "", ""),
        WRITTEN(UTF16LE, "", ""),
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        tr_slice slice;
        assert_int_equal(tr_encode(cases[i].encoding, cases[i].text, strlen(cases[i].text), &slice), TR_OK);
        assert_int_equal(slice.size, cases[i].size);
        assert_memory_equal(slice.data, cases[i].bytes, cases[i].size);
        tr_slice_release(slice);
    }
}

static void
text_that_cannot_be_written_is_refused_and_nothing_is_given(void **state)
{
    (void)state;
    static const struct written cases[] = {
        WRITTEN(HEX, "abc", ""),
        WRITTEN(HEX, "zz", ""),
        WRITTEN(HEX, "0 ", ""),
        WRITTEN(HEX, "a\xc3", ""),
        WRITTEN(BASE64, "YW!J", ""),
        WRITTEN(BASE64, "YWJ\xc2\xa0", ""),
        WRITTEN(BASE64, "YQ==YQ==", ""),
        WRITTEN(BASE64, "Y", ""),
        WRITTEN(BASE64, "YWJjY===", ""),
        WRITTEN(BASE64URL, "YWJj.", ""),
        WRITTEN(LATIN1, "ab\xff", ""),
        WRITTEN(ASCII, "\xc3", ""),
        WRITTEN(UTF16LE, "\xed\xa0\x80", ""), /* a surrogate */
        WRITTEN(UTF16LE, "\xc0\x80", ""),     /* a long form */
        WRITTEN(UTF16LE, "\xf4\x90\x80\x80", ""),
        WRITTEN(UTF16LE, "a\xe2\x82", ""),
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        tr_slice slice = tr_slice_constant("before", 6);
        assert_int_equal(tr_encode(cases[i].encoding, cases[i].text, strlen(cases[i].text), &slice), TR_EBADTEXT);
        assert_string_equal(slice.data, "before");
    }
}

static void
wrong_arguments_of_writing_are_refused(void **state)
{
    (void)state;
    tr_slice slice;
    assert_int_equal(tr_encode(TR_ENCODING_HEX, NULL, 2, &slice), TR_EINVAL);
    assert_int_equal(tr_encode(TR_ENCODING_HEX, "00", 2, NULL), TR_EINVAL);
    assert_int_equal(tr_encode((enum tr_encoding)8, "00", 2, &slice), TR_EBADENCODING);
    assert_int_equal(tr_encode((enum tr_encoding) - 1, "00", 2, &slice), TR_EBADENCODING);
    for (size_t i = 0; i < COUNT(encodings); i++) {
        assert_int_equal(tr_encode(encodings[i], NULL, 0, &slice), TR_OK);
        assert_int_equal(slice.size, 0);
        tr_slice_release(slice);
    }
}

/* All of them at once: 0x10ffff less the surrogates, in the order of their numbers. */
static void
every_character_survives_utf16(void **state)
{
    (void)state;
    size_t units = 0xd800 + 0x2000 + 2 * 0x100000;
    unsigned char *bytes = malloc(2 * units), *at = bytes;
    assert_non_null(bytes);
    for (uint32_t c = 0; c < 0x110000; c++) {
        uint32_t pair[2] = {c, 0};
        if (c >= 0x10000) {
            pair[0] = 0xd800 + ((c - 0x10000) >> 10);
            pair[1] = 0xdc00 + (c - 0x10000) % 0x400;
        }
        for (size_t i = 0; i < (c < 0x10000 ? 1 : 2) && (c < 0xd800 || c > 0xdfff); i++) {
            *at++ = (unsigned char)(pair[i] % 256);
            *at++ = (unsigned char)(pair[i] / 256);
        }
    }
    struct tr_decoder decoder;
    tr_decoder_init(&decoder, TR_ENCODING_UTF16LE);
    char *text = malloc(tr_decoder_limit(&decoder, 2 * units));
    assert_non_null(text);
    size_t size = tr_decoder_push(&decoder, bytes, 2 * units, text);
    assert_int_equal(size, 0x80 + 2 * 0x780 + 3 * (0xf800 - 0x800) + 4 * 0x100000);
    tr_slice slice;
    assert_int_equal(tr_encode(TR_ENCODING_UTF16LE, text, size, &slice), TR_OK);
    assert_int_equal(slice.size, 2 * units);
    assert_memory_equal(slice.data, bytes, 2 * units);
    tr_slice_release(slice);
    free(text);
    free(bytes);
}

/* Names. */

static void
names_are_those_of_node_in_any_case(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum tr_encoding encoding;
    } names[] = {
        {"utf8", TR_ENCODING_UTF8},           {"utf-8", TR_ENCODING_UTF8},      {"UTF-8", TR_ENCODING_UTF8},
        {"ascii", TR_ENCODING_ASCII},         {"Ascii", TR_ENCODING_ASCII},     {"latin1", TR_ENCODING_LATIN1},
        {"binary", TR_ENCODING_LATIN1},       {"BINARY", TR_ENCODING_LATIN1},   {"hex", TR_ENCODING_HEX},
        {"base64", TR_ENCODING_BASE64},       {"Base64", TR_ENCODING_BASE64},   {"base64url", TR_ENCODING_BASE64URL},
        {"base64URL", TR_ENCODING_BASE64URL}, {"utf16le", TR_ENCODING_UTF16LE}, {"utf-16le", TR_ENCODING_UTF16LE},
        {"ucs2", TR_ENCODING_UTF16LE},        {"UCS-2", TR_ENCODING_UTF16LE},
    };
    for (size_t i = 0; i < COUNT(names); i++) {
        enum tr_encoding encoding = TR_ENCODING_NONE;
        assert_int_equal(tr_encoding_by_name(names[i].name, &encoding), TR_OK);
        assert_int_equal(encoding, names[i].encoding);
    }
}

static void
what_is_no_name_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"",      "utf",  "utf88",  "utf8 ",    "utf-16",
                                        "utf16", "none", "buffer", "base64ur", "[ex"};
    enum tr_encoding encoding = TR_ENCODING_HEX;
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(tr_encoding_by_name(names[i], &encoding), TR_EBADENCODING);
    assert_int_equal(tr_encoding_by_name(NULL, &encoding), TR_EINVAL);
    assert_int_equal(tr_encoding_by_name("hex", NULL), TR_EINVAL);
    assert_int_equal(encoding, TR_ENCODING_HEX);
}

static void
an_encoding_is_found_by_its_own_name(void **state)
{
    (void)state;
    for (size_t i = 1; i < COUNT(encodings); i++) {
        enum tr_encoding encoding = TR_ENCODING_NONE;
        assert_int_equal(tr_encoding_by_name(tr_encoding_name(encodings[i]), &encoding), TR_OK);
        assert_int_equal(encoding, encodings[i]);
    }
    assert_string_equal(tr_encoding_name(TR_ENCODING_LATIN1), "latin1");
    assert_string_equal(tr_encoding_name(TR_ENCODING_UTF16LE), "utf16le");
    assert_string_equal(tr_encoding_name(TR_ENCODING_NONE), "none");
    assert_string_equal(tr_encoding_name((enum tr_encoding)99), "unknown");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_written_as_node_writes_it),
        cmocka_unit_test(text_that_cannot_be_written_is_refused_and_nothing_is_given),
        cmocka_unit_test(wrong_arguments_of_writing_are_refused),
        cmocka_unit_test(every_character_survives_utf16),
        cmocka_unit_test(names_are_those_of_node_in_any_case),
        cmocka_unit_test(what_is_no_name_is_refused),
        cmocka_unit_test(an_encoding_is_found_by_its_own_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
