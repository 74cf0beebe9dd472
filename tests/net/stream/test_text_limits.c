/*
 * encoding.h: the most bytes of text that so many more bytes can give.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <troupe/net/encoding.h>

#define SIZES 5u

static void
a_limit_is_no_more_than_the_bytes_can_give(void **state)
{
    (void)state;
    static const struct {
        enum tr_encoding encoding;
        size_t most[SIZES]; /* of 0, 1, 2, 3 and 4 bytes */
    } cases[] = {
        {TR_ENCODING_NONE, {0, 1, 2, 3, 4}},      {TR_ENCODING_UTF8, {0, 3, 6, 9, 12}},
        {TR_ENCODING_ASCII, {0, 1, 2, 3, 4}},     {TR_ENCODING_LATIN1, {0, 2, 4, 6, 8}},
        {TR_ENCODING_HEX, {0, 2, 4, 6, 8}},       {TR_ENCODING_BASE64, {0, 4, 4, 4, 8}},
        {TR_ENCODING_BASE64URL, {0, 4, 4, 4, 8}}, {TR_ENCODING_UTF16LE, {0, 0, 3, 3, 6}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tr_decoder decoder;
        tr_decoder_init(&decoder, cases[i].encoding);
        for (size_t size = 0; size < SIZES; size++)
            assert_int_equal(tr_decoder_limit(&decoder, size), cases[i].most[size]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_is_no_more_than_the_bytes_can_give),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
