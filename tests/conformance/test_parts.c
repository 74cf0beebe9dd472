#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "check.h"
#include "log.h"
#include "scenario.h"
#include "sha256.h"

/* Hashes. */

static void
assert_hash(const char *data, size_t size, size_t piece, const char *expected)
{
    struct sha256 hash;
    char text[SHA256_TEXT];
    sha256_init(&hash);
    for (size_t at = 0; at < size; at += piece)
        sha256_add(&hash, data + at, piece < size - at ? piece : size - at);
    sha256_finish(&hash, text);
    assert_string_equal(text, expected);
}

/* The examples of the standard's authors, and one that is longer than a block by itself. */
static void
the_standards_examples_have_their_hashes(void **state)
{
    (void)state;
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    assert_hash("", 0, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_hash("abc", 3, 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_hash(two_blocks, 56, 56, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    assert_hash(million, 1000000, 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

static void
pieces_have_the_hash_of_the_whole(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 3, 55, 56, 63, 64, 65, 999};
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
        assert_hash(million, 1000000, pieces[i], "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

/* Logs. */

static void
assert_json(json_t *got, const char *expected)
{
    char *text = json_dumps(got, JSON_COMPACT);
    assert_string_equal(text, expected);
    free(text);
    json_decref(got);
}

static void
data_that_follows_data_is_one_entry(void **state)
{
    (void)state;
    struct log log;
    log_init(&log);
    log_data(&log, false, "ab", 2);
    log_data(&log, false, "cd\n", 3);
    log_add(&log, json_pack("[s]", "end"));
    log_data(&log, false, "e", 1);
    log_data(&log, true, "f", 1);
    log_data(&log, true, "\xc3\xa9", 2);
    assert_json(log_take(&log), "[[\"data\",{\"text\":\"abcd\\n\"}],[\"end\"],[\"data\",{\"text\":\"e\"}],[\"data\",{"
                                "\"string\":\"f\xc3\xa9\"}]]");
    log_fini(&log);
}

static void
data_is_text_or_hex_or_a_hash(void **state)
{
    (void)state;
    struct log log;
    char bytes[121];
    memset(bytes, 'a', sizeof(bytes));
    log_init(&log);
    log_data(&log, false, "a\0b", 3);
    log_add(&log, json_pack("[s]", "1"));
    log_data(&log, false, "\x7f", 1);
    log_add(&log, json_pack("[s]", "2"));
    log_data(&log, false, bytes, 120);
    log_add(&log, json_pack("[s]", "3"));
    log_data(&log, false, bytes, 121);
    log_add(&log, json_pack("[s]", "4"));
    log_data(&log, true, bytes, 121);
    json_t *entries = log_take(&log);
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_array_get(entries, 0), 1), "hex")),
                        "610062");
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_array_get(entries, 2), 1), "hex")), "7f");
    json_t *whole = json_object_get(json_array_get(json_array_get(entries, 4), 1), "text");
    assert_int_equal(json_string_length(whole), 120);
    json_t *hashed = json_array_get(json_array_get(entries, 6), 1),
           *text = json_array_get(json_array_get(entries, 8), 1);
    assert_int_equal(json_integer_value(json_object_get(hashed, "bytes")), 121);
    assert_int_equal(json_integer_value(json_object_get(text, "utf8")), 121);
    assert_true(json_equal(json_object_get(hashed, "sha256"), json_object_get(text, "sha256")));
    json_decref(entries);
    log_fini(&log);
}

/* Comparing. */

static bool
check(const char *expected, const char *got, bool apart, char *difference)
{
    json_t *a = json_loads(expected, 0, NULL), *b = json_loads(got, 0, NULL);
    assert_non_null(a);
    assert_non_null(b);
    bool equal = check_results(a, b, apart, difference, 200);
    json_decref(a);
    json_decref(b);
    return equal;
}

static void
a_difference_is_found_and_named(void **state)
{
    (void)state;
    char text[200];
    const char *base = "{\"ended\":\"closed\",\"logs\":{\"C\":[[\"connect\"],[\"end\"]]}}";
    assert_true(check(base, base, false, text));
    assert_false(check(base, "{\"ended\":\"closed\",\"logs\":{\"C\":[[\"connect\"],[\"close\"]]}}", false, text));
    assert_string_equal(text, "C, entry 1: expected [\"end\"], got [\"close\"]");
    assert_false(check(base, "{\"ended\":\"closed\",\"logs\":{\"C\":[[\"connect\"]]}}", false, text));
    assert_string_equal(text, "C, entry 1: expected [\"end\"], got nothing");
    assert_false(
        check(base, "{\"ended\":\"closed\",\"logs\":{\"C\":[[\"connect\"],[\"end\"],[\"end\"]]}}", false, text));
    assert_string_equal(text, "C, entry 2: expected nothing, got [\"end\"]");
    assert_false(check(base, "{\"ended\":\"quiet\",\"logs\":{\"C\":[[\"connect\"],[\"end\"]]}}", false, text));
    assert_string_equal(text, "ended: expected \"closed\", got \"quiet\"");
    assert_false(
        check(base, "{\"ended\":\"closed\",\"logs\":{\"C\":[[\"connect\"],[\"end\"]],\"D\":[]}}", false, text));
    assert_string_equal(text, "D: expected nothing, got []");
    assert_false(check(base, "{\"ended\":\"closed\",\"logs\":{}}", false, text));
}

static void
answers_are_compared_apart_where_that_is_asked(void **state)
{
    (void)state;
    char text[200];
    const char *a = "{\"ended\":\"closed\",\"logs\":{\"C\":[[\"ret\",\"write\",true],[\"connect\"],[\"get\",{}]]}}";
    const char *b = "{\"ended\":\"closed\",\"logs\":{\"C\":[[\"connect\"],[\"ret\",\"write\",true],[\"get\",{}]]}}";
    const char *c = "{\"ended\":\"closed\",\"logs\":{\"C\":[[\"connect\"],[\"get\",{}],[\"ret\",\"write\",true]]}}";
    assert_false(check(a, b, false, text));
    assert_true(check(a, b, true, text));
    assert_false(check(a, c, true, text));
    assert_string_equal(text, "C, answer 0: expected [\"ret\",\"write\",true], got [\"get\",{}]");
}

/* Names. */

static void
a_pattern_means_numbers_only(void **state)
{
    (void)state;
    assert_true(name_matches("S#*", "S#1"));
    assert_true(name_matches("S#*", "S#12"));
    assert_false(name_matches("S#*", "S#"));
    assert_false(name_matches("S#*", "S"));
    assert_false(name_matches("S#*", "S#1x"));
    assert_false(name_matches("S#*", "T#1"));
    assert_true(name_matches("S#1", "S#1"));
    assert_false(name_matches("S#1", "S#12"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_standards_examples_have_their_hashes),
        cmocka_unit_test(pieces_have_the_hash_of_the_whole),
        cmocka_unit_test(data_that_follows_data_is_one_entry),
        cmocka_unit_test(data_is_text_or_hex_or_a_hash),
        cmocka_unit_test(a_difference_is_found_and_named),
        cmocka_unit_test(answers_are_compared_apart_where_that_is_asked),
        cmocka_unit_test(a_pattern_means_numbers_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
