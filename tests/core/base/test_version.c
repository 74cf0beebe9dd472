/*
 * The version is one and the same: of the headers, of the library, of the package (PACKAGE_VERSION, from CMake).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <troupe/core/version.h>

static void
headers_library_and_package_have_one_version(void **state)
{
    (void)state;
    char text[40];
    snprintf(text, sizeof(text), "%d.%d.%d", TR_VERSION_MAJOR, TR_VERSION_MINOR, TR_VERSION_PATCH);
    assert_string_equal(text, PACKAGE_VERSION);
    assert_string_equal(text, TR_VERSION_TEXT);
    assert_string_equal(text, tr_version_text());
    assert_int_equal(tr_version(), TR_VERSION);
}

static void
a_later_version_is_a_larger_number(void **state)
{
    (void)state;
    assert_true(TR_VERSION_NUMBER(0, 1, 999) < TR_VERSION_NUMBER(0, 2, 0));
    assert_true(TR_VERSION_NUMBER(0, 999, 999) < TR_VERSION_NUMBER(1, 0, 0));
    assert_true(TR_VERSION == TR_VERSION_NUMBER(TR_VERSION_MAJOR, TR_VERSION_MINOR, TR_VERSION_PATCH));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_library_and_package_have_one_version),
        cmocka_unit_test(a_later_version_is_a_larger_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
