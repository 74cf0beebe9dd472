/*
 * Names that are not ASCII: what they are called where names are looked up, as Node has it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "idna.h"

static const struct {
    const char *host, *ascii; /* NULL: there is no such host */
} rows[] = {
    {"b\u00fccher.example", "xn--bcher-kva.example"},
    {"B\u00dcCHER.EXAMPLE", "xn--bcher-kva.example"},
    {"bu\u0308cher.example", "xn--bcher-kva.example"},
    {"b\u00fccher\u3002example", "xn--bcher-kva.example"},
    {"\uff42\u00fccher.example", "xn--bcher-kva.example"},
    {"b\u00fccher.example.", "xn--bcher-kva.example."},
    {"fa\u00df.example", "xn--fa-hia.example"},
    {"\uff11\uff12\uff17.0.0.1", "127.0.0.1"},
    {"b\xfc"
     "cher.example",
     NULL},
    {"\xed\xa0\x80.example", NULL},
    {"xn--zz--\u00fc.example", NULL},
};

static void
a_name_that_is_not_ascii_is_called_as_in_node(void **state)
{
    (void)state;
    char ascii[TRI_IDNA_BYTES];
    if (tri_idna_to_ascii(rows[0].host, ascii) == UV_ENOSYS)
        skip(); /* no libidn2 here */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int error = tri_idna_to_ascii(rows[i].host, ascii);
        if (error != (rows[i].ascii != NULL ? 0 : UV_EINVAL))
            fail_msg("%s: %s", rows[i].host, error != 0 ? uv_strerror(error) : ascii);
        if (error == 0)
            assert_string_equal(ascii, rows[i].ascii);
    }
}

static void
ascii_stays_as_it_is(void **state)
{
    (void)state;
    static const char *const names[] = {"localhost", "LOCALHOST",     "localhost.", "a..b",
                                        "-a_b-",     "xn--a.example", "127.1"};
    char ascii[TRI_IDNA_BYTES], longest[TRI_IDNA_BYTES];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(tri_idna_to_ascii(names[i], ascii), 0);
        assert_string_equal(ascii, names[i]);
    }
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(tri_idna_to_ascii(longest, ascii), 0);
    assert_string_equal(ascii, longest);
    assert_int_equal(tri_idna_to_ascii("", ascii), UV_EINVAL);
}

static void
a_name_that_becomes_too_long_is_refused(void **state)
{
    (void)state;
    char host[TRI_IDNA_BYTES] = "", ascii[TRI_IDNA_BYTES];
    if (tri_idna_to_ascii(rows[0].host, ascii) == UV_ENOSYS)
        skip();
    for (unsigned i = 0; i < 60; i++)
        strcat(host, "\u00fc.");
    strcat(host, "x");
    assert_int_equal(tri_idna_to_ascii(host, ascii), UV_EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_is_not_ascii_is_called_as_in_node),
        cmocka_unit_test(ascii_stays_as_it_is),
        cmocka_unit_test(a_name_that_becomes_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
