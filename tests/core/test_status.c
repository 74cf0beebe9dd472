#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/core/status.h>
#include <troupe/core/status_from.h>
#include <uv.h>

static const tr_status all[] = {
#define VALUE(constant, value, code, sentence) constant,
    TR_STATUS_MAP(VALUE)
#undef VALUE
};

static const size_t count = sizeof(all) / sizeof(all[0]);

static void
every_status_has_a_code_and_a_sentence_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_true(strlen(tr_status_text(all[i])) > 0);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(tr_status_code(all[i]), tr_status_code(all[k]));
            assert_string_not_equal(tr_status_text(all[i]), tr_status_text(all[k]));
        }
    }
}

static void
codes_are_those_of_node(void **state)
{
    (void)state;
    assert_string_equal(tr_status_code(TR_ECONNREFUSED), "ECONNREFUSED");
    assert_string_equal(tr_status_code(TR_EALREADYLISTENING), "ERR_SERVER_ALREADY_LISTEN");
    assert_string_equal(tr_status_text(TR_EADDRINUSE), "address already in use");
}

static void
a_number_that_is_no_status_is_unknown(void **state)
{
    (void)state;
    assert_string_equal(tr_status_code((tr_status)12345), "UNKNOWN");
    assert_string_equal(tr_status_text((tr_status)-12345), "unknown error");
}

static void
what_is_no_error_of_libuv_is_ok(void **state)
{
    (void)state;
    assert_int_equal(tri_status_from_uv(0), TR_OK);
    assert_int_equal(tri_status_from_uv(17), TR_OK);
}

static void
errors_of_libuv_keep_their_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < count; i++) {
        const char *code = tr_status_code(all[i]);
        int error = 0;
#define FIND(name, sentence)                                                                                           \
    if (strcmp(code, #name) == 0)                                                                                      \
        error = UV_##name;
        UV_ERRNO_MAP(FIND)
#undef FIND
        if (error != 0)
            assert_int_equal(tri_status_from_uv(error), all[i]);
        else if (all[i] <= TR_ENOMEM) /* what the system answers must come from somewhere */
            assert_int_equal(all[i], TR_ENOTFOUND);
    }
}

static void
look_ups_that_find_nothing_are_not_found(void **state)
{
    (void)state;
    assert_int_equal(tri_status_from_uv(UV_EAI_NONAME), TR_ENOTFOUND);
    assert_int_equal(tri_status_from_uv(UV_EAI_NODATA), TR_ENOTFOUND);
    assert_int_equal(tri_status_from_uv(UV_EAI_AGAIN), TR_EAI_AGAIN);
    assert_int_equal(tri_status_from_uv(UV_EAI_MEMORY), TR_ENOMEM);
    assert_int_equal(tri_status_from_uv(UV_EAI_CANCELED), TR_ECANCELED);
}

static void
an_error_of_libuv_without_a_name_here_is_unknown(void **state)
{
    (void)state;
    assert_int_equal(tri_status_from_uv(UV_EXDEV), TR_EUNKNOWN);
    assert_int_equal(tri_status_from_uv(-123456), TR_EUNKNOWN);
}

static void
an_errno_becomes_the_status_of_its_name(void **state)
{
    (void)state;
    assert_int_equal(tri_status_from_errno(0), TR_OK);
    assert_int_equal(tri_status_from_errno(EADDRINUSE), TR_EADDRINUSE);
    assert_int_equal(tri_status_from_errno(EMFILE), TR_EMFILE);
    assert_int_equal(tri_status_from_errno(EXDEV), TR_EUNKNOWN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_code_and_a_sentence_of_its_own),
        cmocka_unit_test(codes_are_those_of_node),
        cmocka_unit_test(a_number_that_is_no_status_is_unknown),
        cmocka_unit_test(what_is_no_error_of_libuv_is_ok),
        cmocka_unit_test(errors_of_libuv_keep_their_names),
        cmocka_unit_test(look_ups_that_find_nothing_are_not_found),
        cmocka_unit_test(an_error_of_libuv_without_a_name_here_is_unknown),
        cmocka_unit_test(an_errno_becomes_the_status_of_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
