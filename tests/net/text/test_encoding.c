/*
 * Decoding is held against vectors that Node made, and against itself: bytes cut anywhere must give one text. Every
 * output lies in a block of just tr_decoder_limit() bytes, so that the sanitizer sees a limit that is too small.
 */
#include "encodings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <troupe/net/encoding.h>

/* Text that grows as pieces are decoded. */
struct decoded {
    char bytes[1024];
    size_t size;
};

static void
text_add(struct decoded *text, const char *bytes, size_t size)
{
    assert_true(size <= sizeof(text->bytes) - text->size);
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

/* data == NULL: the end. */
static void
decode(struct tr_decoder *decoder, const void *data, size_t size, struct decoded *text)
{
    size_t limit = tr_decoder_limit(decoder, size);
    char *out = malloc(limit + (limit == 0));
    assert_non_null(out);
    size_t written = data == NULL ? tr_decoder_finish(decoder, out) : tr_decoder_push(decoder, data, size, out);
    assert_true(written <= limit);
    text_add(text, out, written);
    free(out);
}

static void
assert_text(const struct decoded *text, const char *expected, size_t size)
{
    assert_int_equal(text->size, size);
    assert_memory_equal(text->bytes, expected, size);
}

/* Pieces as strings, {"\xe2", "\x82\xac"}, and what each gives; the last text is that of the end. */
struct pieces {
    enum tr_encoding encoding;
    struct {
        const char *bytes;
        size_t size;
        const char *text;
    } piece[4];
    const char *end;
};

#define PIECE(bytes, text)                                                                                             \
    {                                                                                                                  \
        bytes, sizeof(bytes) - 1, text                                                                                 \
    }

static void
assert_pieces(const struct pieces *pieces)
{
    struct tr_decoder decoder;
    tr_decoder_init(&decoder, pieces->encoding);
    for (size_t i = 0; i < COUNT(pieces->piece) && pieces->piece[i].bytes != NULL; i++) {
        struct decoded text = {.size = 0};
        decode(&decoder, pieces->piece[i].bytes, pieces->piece[i].size, &text);
        assert_text(&text, pieces->piece[i].text, strlen(pieces->piece[i].text));
    }
    struct decoded text = {.size = 0};
    decode(&decoder, NULL, 0, &text);
    assert_text(&text, pieces->end, strlen(pieces->end));
}

/* Node's vectors. */

static size_t
from_hex(const char *hex, unsigned char *bytes, size_t limit)
{
    tr_slice slice;
    assert_int_equal(tr_encode(TR_ENCODING_HEX, hex, strlen(hex), &slice), TR_OK);
    size_t size = slice.size;
    assert_true(size <= limit);
    memcpy(bytes, slice.data, size);
    tr_slice_release(slice);
    return size;
}

static void
assert_string(const struct decoded *text, const json_t *expected)
{
    assert_text(text, json_string_value(expected), json_string_length(expected));
}

static void
run_vector(const json_t *vector)
{
    enum tr_encoding encoding;
    const json_t *chunks = json_object_get(vector, "chunks");
    const json_t *strings = json_object_get(vector, "strings");
    assert_int_equal(tr_encoding_by_name(json_string_value(json_object_get(vector, "encoding")), &encoding), TR_OK);
    assert_int_equal(json_array_size(strings), json_array_size(chunks) + 1);

    struct tr_decoder decoder;
    tr_decoder_init(&decoder, encoding);
    for (size_t i = 0; i < json_array_size(chunks); i++) {
        unsigned char bytes[64];
        size_t size = from_hex(json_string_value(json_array_get(chunks, i)), bytes, sizeof(bytes));
        struct decoded text = {.size = 0};
        decode(&decoder, bytes, size, &text);
        assert_string(&text, json_array_get(strings, i));
    }
    struct decoded text = {.size = 0};
    decode(&decoder, NULL, 0, &text);
    assert_string(&text, json_array_get(strings, json_array_size(chunks)));
}

static void
node_decodes_the_same_piece_for_piece(void **state)
{
    (void)state;
    json_error_t error;
    json_t *file = json_load_file(TESTS_VECTORS "/decode.json", JSON_ALLOW_NUL, &error);
    assert_non_null(file);
    const json_t *vectors = json_object_get(file, "decode");
    assert_in_range(json_array_size(vectors), 125, 10000);
    for (size_t i = 0; i < json_array_size(vectors); i++)
        run_vector(json_array_get(vectors, i));
    json_decref(file);
}

/* Cuts. */

static uint64_t seed;

static uint32_t
random_number(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33);
}

/* Bytes of which most are the beginning, the middle or the end of something. */
static size_t
random_bytes(unsigned char *bytes, size_t limit)
{
    static const unsigned char likely[] = {
        0x00, 0x41, 0x7f, 0x80, 0x82, 0x8f, 0x90, 0x9f, 0xa0, 0xac, 0xbf, 0xc0, 0xc1, 0xc2, 0xc3, 0xd8, 0xdb, 0xdc,
        0xde, 0xdf, 0xe0, 0xe2, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xf7, 0xf8, 0xff, 0x3d, 0x98, 0xbb, 0x00, 0xd8,
    };
    size_t size = random_number() % (limit + 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = random_number() % 8 == 0 ? (unsigned char)random_number() : likely[random_number() % sizeof(likely)];
    return size;
}

/* The text of bytes in pieces of these ends. */
static struct decoded
text_of(enum tr_encoding encoding, const unsigned char *bytes, const size_t *ends, size_t count)
{
    struct decoded text = {.size = 0};
    struct tr_decoder decoder;
    tr_decoder_init(&decoder, encoding);
    size_t begin = 0;
    for (size_t i = 0; i < count; begin = ends[i++])
        decode(&decoder, bytes + begin, ends[i] - begin, &text);
    decode(&decoder, NULL, 0, &text);
    return text;
}

static struct decoded
text_whole(enum tr_encoding encoding, const unsigned char *bytes, size_t size)
{
    return text_of(encoding, bytes, &size, 1);
}

#define BYTES 16

static void
assert_cuts_do_not_matter(enum tr_encoding encoding, const unsigned char *bytes, size_t size)
{
    struct decoded whole = text_whole(encoding, bytes, size);
    for (size_t a = 0; a <= size; a++)
        for (size_t b = a; b <= size; b++) {
            struct decoded cut = text_of(encoding, bytes, (size_t[]){a, b, size}, 3);
            assert_text(&cut, whole.bytes, whole.size);
        }
    size_t singly[BYTES];
    for (size_t i = 0; i < size; i++)
        singly[i] = i + 1;
    struct decoded cut = text_of(encoding, bytes, singly, size);
    assert_text(&cut, whole.bytes, whole.size);
}

static void
bytes_give_one_text_wherever_they_are_cut(void **state)
{
    (void)state;
    seed = 20;
    for (int round = 0; round < 300; round++) {
        unsigned char bytes[BYTES];
        size_t size = random_bytes(bytes, sizeof(bytes));
        for (size_t i = 0; i < COUNT(encodings); i++)
            assert_cuts_do_not_matter(encodings[i], bytes, size);
    }
}

static bool
is_valid(const struct decoded *text)
{
    tr_slice slice;
    if (tr_encode(TR_ENCODING_UTF16LE, text->bytes, text->size, &slice) != TR_OK)
        return false;
    tr_slice_release(slice);
    return true;
}

static void
whatever_comes_the_text_is_valid_in_every_piece(void **state)
{
    (void)state;
    seed = 21;
    for (int round = 0; round < 2000; round++)
        for (size_t i = 1; i < COUNT(encodings); i++) {
            struct tr_decoder decoder;
            tr_decoder_init(&decoder, encodings[i]);
            for (int piece = 0; piece < 4; piece++) {
                unsigned char bytes[BYTES];
                size_t size = random_bytes(bytes, sizeof(bytes));
                struct decoded text = {.size = 0};
                decode(&decoder, piece < 3 ? bytes : NULL, size * (piece < 3), &text);
                assert_true(is_valid(&text));
            }
        }
}

static void
what_was_decoded_can_be_written_again(void **state)
{
    (void)state;
    static const enum tr_encoding lossless[] = {TR_ENCODING_LATIN1, TR_ENCODING_HEX, TR_ENCODING_BASE64,
                                                TR_ENCODING_BASE64URL};
    seed = 22;
    for (int round = 0; round < 500; round++) {
        unsigned char bytes[100];
        size_t size = random_bytes(bytes, sizeof(bytes));
        for (size_t i = 0; i < COUNT(lossless); i++) {
            struct decoded text = text_whole(lossless[i], bytes, size);
            tr_slice slice;
            assert_int_equal(tr_encode(lossless[i], text.bytes, text.size, &slice), TR_OK);
            assert_int_equal(slice.size, size);
            assert_memory_equal(slice.data, bytes, size);
            tr_slice_release(slice);
        }
    }
}

/* A word-wise search must find one character among many others, wherever it stands. */
static void
one_odd_byte_is_found_at_every_place_of_a_long_text(void **state)
{
    (void)state;
    for (size_t place = 0; place < 100; place++) {
        unsigned char bytes[100];
        memset(bytes, 'a', sizeof(bytes));
        bytes[place] = 0xe9;

        struct decoded text = text_whole(TR_ENCODING_UTF8, bytes, sizeof(bytes));
        assert_int_equal(text.size, sizeof(bytes) + 2);
        assert_memory_equal(text.bytes + place, "\xef\xbf\xbd", 3);
        text = text_whole(TR_ENCODING_LATIN1, bytes, sizeof(bytes));
        assert_int_equal(text.size, sizeof(bytes) + 1);
        assert_memory_equal(text.bytes + place, "\xc3\xa9", 2);
        tr_slice slice;
        assert_int_equal(tr_encode(TR_ENCODING_LATIN1, (char *)bytes, sizeof(bytes), &slice), TR_EBADTEXT);
        assert_int_equal(tr_encode(TR_ENCODING_LATIN1, text.bytes, text.size, &slice), TR_OK);
        assert_int_equal(slice.size, sizeof(bytes));
        assert_memory_equal(slice.data, bytes, sizeof(bytes));
        tr_slice_release(slice);
    }
}

#define BAD "\xef\xbf\xbd" /* U+FFFD */

/* Made with Node: what can never become a character is held like what can, and each byte of it is replaced. */
static void
impossible_characters_are_replaced_byte_by_byte(void **state)
{
    (void)state;
    static const struct pieces cases[] = {
        {TR_ENCODING_UTF8, {PIECE("\xc0", ""), PIECE("\x80", BAD BAD)}, ""},
        {TR_ENCODING_UTF8, {PIECE("\xf5", ""), PIECE("\x80", "")}, BAD BAD},
        {TR_ENCODING_UTF8, {PIECE("\xf5\x80\x80\x80", BAD BAD BAD BAD)}, ""},
        {TR_ENCODING_UTF8, {PIECE("\xf0\x8f\xbf\xbf", BAD BAD BAD BAD)}, ""},
        {TR_ENCODING_UTF8, {PIECE("\xf8", BAD)}, ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_pieces(&cases[i]);
}

static void
half_of_a_surrogate_pair_waits_for_the_other_half(void **state)
{
    (void)state;
    static const struct pieces cases[] = {
        {TR_ENCODING_UTF16LE, {PIECE("\x3d\xd8\x00", ""), PIECE("\xde", "\xf0\x9f\x98\x80")}, ""},
        {TR_ENCODING_UTF16LE, {PIECE("\x3d", ""), PIECE("\xd8", ""), PIECE("\x00\xde", "\xf0\x9f\x98\x80")}, ""},
        {TR_ENCODING_UTF16LE,
         {PIECE("\x3d\xd8", ""), PIECE("\x3d\xd8", BAD), PIECE("\x00\xde", "\xf0\x9f\x98\x80")},
         ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_pieces(&cases[i]);
}

static void
a_lonely_surrogate_is_replaced(void **state)
{
    (void)state;
    static const struct pieces cases[] = {
        {TR_ENCODING_UTF16LE, {PIECE("\x00\xde", BAD)}, ""},
        {TR_ENCODING_UTF16LE, {PIECE("\x3d\xd8", ""), PIECE("a\0", BAD "a")}, ""},
        {TR_ENCODING_UTF16LE, {PIECE("\x3d\xd8", "")}, BAD},
        {TR_ENCODING_UTF16LE, {PIECE("\x3d\xd8", ""), PIECE("a", "")}, BAD},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_pieces(&cases[i]);
}

static void
bytes_come_as_they_are_without_an_encoding(void **state)
{
    (void)state;
    static const struct pieces none = {TR_ENCODING_NONE, {PIECE("\xc3", "\xc3"), PIECE("\xff\x80", "\xff\x80")}, ""};
    assert_pieces(&none);
}

/* Life of a decoder. */

static void
all_zero_and_an_encoding_is_a_decoder(void **state)
{
    (void)state;
    struct tr_decoder decoder;
    memset(&decoder, 0, sizeof(decoder));
    decoder.encoding = TR_ENCODING_BASE64;
    struct decoded text = {.size = 0};
    decode(&decoder, "ab", 2, &text);
    decode(&decoder, NULL, 0, &text);
    assert_text(&text, "YWI=", 4);
    assert_in_range(sizeof(decoder), 1, 16);
}

static void
after_the_end_a_decoder_is_as_new(void **state)
{
    (void)state;
    static const unsigned char incomplete[] = {0xf0, 0x9f, 0x98, 0x3d, 0xd8};
    for (size_t i = 0; i < COUNT(encodings); i++) {
        struct tr_decoder decoder;
        tr_decoder_init(&decoder, encodings[i]);
        struct decoded first = {.size = 0}, second = {.size = 0};
        decode(&decoder, incomplete, sizeof(incomplete), &first);
        decode(&decoder, NULL, 0, &first);
        decode(&decoder, incomplete, sizeof(incomplete), &second);
        decode(&decoder, NULL, 0, &second);
        assert_text(&second, first.bytes, first.size);
    }
}

static void
nothing_pushed_changes_nothing(void **state)
{
    (void)state;
    struct tr_decoder decoder;
    tr_decoder_init(&decoder, TR_ENCODING_UTF8);
    struct decoded text = {.size = 0};
    decode(&decoder, "\xe2\x82", 2, &text);
    char out[6];
    assert_int_equal(tr_decoder_push(&decoder, NULL, 0, out), 0);
    decode(&decoder, "\xac", 1, &text);
    assert_text(&text, "\xe2\x82\xac", 3);
    for (size_t i = 0; i < COUNT(encodings); i++) {
        tr_decoder_init(&decoder, encodings[i]);
        assert_int_equal(tr_decoder_push(&decoder, NULL, 0, out), 0);
        assert_int_equal(tr_decoder_finish(&decoder, out), 0);
    }
}

static void
a_limit_that_cannot_be_counted_is_the_largest_number(void **state)
{
    (void)state;
    struct tr_decoder decoder;
    tr_decoder_init(&decoder, TR_ENCODING_UTF8);
    assert_int_equal(tr_decoder_limit(&decoder, 10), 30);
    assert_true(tr_decoder_limit(&decoder, SIZE_MAX / 3 + 1) == SIZE_MAX);
    char out[3];
    tr_decoder_push(&decoder, "\xc3", 1, out);
    assert_int_equal(tr_decoder_limit(&decoder, 10), 33);
    assert_true(tr_decoder_limit(&decoder, SIZE_MAX) == SIZE_MAX);
    tr_decoder_init(&decoder, TR_ENCODING_HEX);
    assert_true(tr_decoder_limit(&decoder, SIZE_MAX / 2) == SIZE_MAX - 1);
    assert_true(tr_decoder_limit(&decoder, SIZE_MAX / 2 + 1) == SIZE_MAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(node_decodes_the_same_piece_for_piece),
        cmocka_unit_test(bytes_give_one_text_wherever_they_are_cut),
        cmocka_unit_test(whatever_comes_the_text_is_valid_in_every_piece),
        cmocka_unit_test(what_was_decoded_can_be_written_again),
        cmocka_unit_test(one_odd_byte_is_found_at_every_place_of_a_long_text),
        cmocka_unit_test(impossible_characters_are_replaced_byte_by_byte),
        cmocka_unit_test(half_of_a_surrogate_pair_waits_for_the_other_half),
        cmocka_unit_test(a_lonely_surrogate_is_replaced),
        cmocka_unit_test(bytes_come_as_they_are_without_an_encoding),
        cmocka_unit_test(all_zero_and_an_encoding_is_a_decoder),
        cmocka_unit_test(after_the_end_a_decoder_is_as_new),
        cmocka_unit_test(nothing_pushed_changes_nothing),
        cmocka_unit_test(a_limit_that_cannot_be_counted_is_the_largest_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
