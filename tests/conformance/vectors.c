#include "vectors.h"

#include "reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/ipaddr/ip.h>
#include <troupe/net/encoding.h>

struct counts {
    const char *file;
    size_t passed, failed;
};

static void
print_difference(const char *file, size_t index, const json_t *asked, json_t *expected, json_t *got)
{
    char *texts[] = {json_dumps(asked, JSON_COMPACT | JSON_ENCODE_ANY),
                     json_dumps(expected, JSON_COMPACT | JSON_ENCODE_ANY),
                     json_dumps(got, JSON_COMPACT | JSON_ENCODE_ANY)};
    printf("FAIL %s: vector %zu, %s: expected %s, got %s\n", file, index, texts[0], texts[1], texts[2]);
    for (size_t i = 0; i < 3; i++)
        free(texts[i]);
}

/* expected and got: got is taken. */
static void
judge(struct counts *counts, size_t index, const json_t *asked, json_t *expected, json_t *got)
{
    if (json_equal(expected, got)) {
        counts->passed++;
    } else {
        counts->failed++;
        print_difference(counts->file, index, asked, expected, got);
    }
    json_decref(got);
}

/* isIP. */

static int
is_ip(const char *text, size_t size)
{
    int answer = tr_is_ip_sized(text, size);
    if (strlen(text) != size)
        return answer; /* the functions for C strings cannot take it */
    bool agree = tr_is_ip(text) == answer && tr_is_ipv4(text) == (answer == 4) && tr_is_ipv6(text) == (answer == 6);
    return agree ? answer : -1;
}

static bool
check_isip(struct reader *reader, json_t *vectors, struct counts *counts)
{
    size_t i;
    json_t *vector;
    if (!reader_expect(reader, vectors, JSON_ARRAY))
        return false;
    json_array_foreach(vectors, i, vector)
    {
        json_t *asked = json_object_get(vector, "in"), *expected = json_object_get(vector, "isIP");
        size_t before = reader_enter(reader, "[%zu]", i);
        if (!json_is_string(asked) || !json_is_integer(expected))
            return reader_refuse(reader, "{\"in\": string, \"isIP\": number} is expected");
        reader_leave(reader, before);
        judge(counts, i, asked, expected, json_integer(is_ip(json_string_value(asked), json_string_length(asked))));
    }
    return true;
}

/* Decoding. */

static bool
from_hex(const char *text, unsigned char **bytes, size_t *size)
{
    *size = strlen(text) / 2;
    *bytes = malloc(*size + 1);
    if (*bytes == NULL || strlen(text) % 2 != 0 || strspn(text, "0123456789abcdefABCDEF") != strlen(text))
        return false;
    for (size_t i = 0; i < *size; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};
        (*bytes)[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return true;
}

static bool
decode_chunk(struct tr_decoder *decoder, const char *hex, json_t *strings)
{
    unsigned char *bytes;
    size_t size;
    bool is_hex = from_hex(hex, &bytes, &size);
    char *text = is_hex ? malloc(tr_decoder_limit(decoder, size) + 1) : NULL;
    if (text != NULL)
        json_array_append_new(strings, json_stringn(text, tr_decoder_push(decoder, bytes, size, text)));
    free(bytes);
    free(text);
    return text != NULL;
}

/* NULL: the vector is none. */
static json_t *
decode(const json_t *vector)
{
    size_t i;
    json_t *chunk, *chunks = json_object_get(vector, "chunks"), *strings = json_array();
    const char *name = json_string_value(json_object_get(vector, "encoding"));
    enum tr_encoding encoding;
    struct tr_decoder decoder;
    bool is_sound = tr_encoding_by_name(name, &encoding) == TR_OK && json_is_array(chunks);
    tr_decoder_init(&decoder, is_sound ? encoding : TR_ENCODING_NONE);
    json_array_foreach(chunks, i, chunk)
    {
        is_sound = is_sound && json_is_string(chunk) && decode_chunk(&decoder, json_string_value(chunk), strings);
    }
    if (!is_sound) {
        json_decref(strings);
        return NULL;
    }
    char *text = malloc(tr_decoder_limit(&decoder, 0) + 1);
    if (text != NULL)
        json_array_append_new(strings, json_stringn(text, tr_decoder_finish(&decoder, text)));
    free(text);
    return strings;
}

static bool
check_decode(struct reader *reader, json_t *vectors, struct counts *counts)
{
    size_t i;
    json_t *vector;
    if (!reader_expect(reader, vectors, JSON_ARRAY))
        return false;
    json_array_foreach(vectors, i, vector)
    {
        size_t before = reader_enter(reader, "[%zu]", i);
        json_t *expected = json_object_get(vector, "strings"), *got = decode(vector);
        if (got == NULL || !json_is_array(expected))
            return reader_refuse(reader, "an encoding, chunks of hex and strings are expected");
        reader_leave(reader, before);
        judge(counts, i, vector, expected, got);
    }
    return true;
}

/* Files. */

static bool
check_file(struct reader *reader, json_t *root, struct counts *counts)
{
    json_t *isip = json_object_get(root, "isip"), *decoding = json_object_get(root, "decode");
    if (isip == NULL && decoding == NULL)
        return reader_refuse(reader, "neither \"isip\" nor \"decode\" is there");
    size_t before = reader_enter(reader, "isip");
    if (isip != NULL && !check_isip(reader, isip, counts))
        return false;
    reader_leave(reader, before);
    reader_enter(reader, "decode");
    return decoding == NULL || check_decode(reader, decoding, counts);
}

bool
vectors_check(const char *file, size_t *passed, size_t *failed, char *complaint, size_t size)
{
    struct reader reader = {.file = file, .complaint = complaint, .size = size};
    struct counts counts = {.file = file};
    json_error_t error;
    json_t *root = json_load_file(file, JSON_ALLOW_NUL, &error);
    if (root == NULL && error.line > 0)
        return reader_refuse(&reader, "line %d, column %d: %s", error.line, error.column, error.text);
    if (root == NULL)
        return reader_refuse(&reader, "%s", error.text);
    bool is_sound = check_file(&reader, root, &counts);
    json_decref(root);
    if (is_sound && counts.failed == 0)
        printf("ok %s\n", file);
    *passed += counts.passed;
    *failed += counts.failed;
    return is_sound;
}
