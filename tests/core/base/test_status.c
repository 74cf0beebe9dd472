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

/* Programs are compiled with these numbers. A new status goes behind its kind; it need not be here. */
static const struct {
    int status, value;
} values[] = {
    {TR_OK, 0},
    {TR_QUEUED, 1},
    {TR_EINVAL, -1},
    {TR_EBADWORKER, -2},
    {TR_EBADPORT, -3},
    {TR_EBADHOST, -4},
    {TR_EBADADDRESS, -5},
    {TR_EMISSING, -6},
    {TR_EBADFD, -7},
    {TR_ETOOMANYWORKERS, -8},
    {TR_EBADBEHAVIOR, -9},
    {TR_EBADREF, -10},
    {TR_EBADTAG, -11},
    {TR_EWRONGTHREAD, -12},
    {TR_EBADLIMIT, -13},
    {TR_ENOADDRESS, -14},
    {TR_EBADENCODING, -15},
    {TR_EBADTEXT, -16},
    {TR_EBADPATH, -17},
    {TR_EBADHANDLE, -18},
    {TR_ENONAME, -19},
    {TR_EBADSTATE, -50},
    {TR_EBADPOLICY, -51},
    {TR_EGONE, -20},
    {TR_EFULL, -21},
    {TR_ESTOPPING, -22},
    {TR_ETIMEDOUT_STOP, -23},
    {TR_EINIT, -24},
    {TR_EGIVENUP, -25},
    {TR_EALREADYLISTENING, -40},
    {TR_ENOTLISTENING, -41},
    {TR_EWRITEAFTEREND, -42},
    {TR_EDESTROYED, -43},
    {TR_ESOCKETCLOSED, -44},
    {TR_ENOTSUPPORTED, -45},
    {TR_EALREADYFINISHED, -46},
    {TR_ECLOSEDBEFORECONNECT, -47},
    {TR_EQUEUELIMIT, -48},
    {TR_EUSER, -49},
    {TR_ENOTANUMBER, -60},
    {TR_ETRAILING, -61},
    {TR_ENOTPEM, -75},
    {TR_EPASSPHRASE, -76},
    {TR_ETLSNOKEY, -77},
    {TR_EKEYMISMATCH, -78},
    {TR_EWEAKKEY, -79},
    {TR_EBADCIPHERS, -80},
    {TR_EBADVERSIONS, -81},
    {TR_EBADALPN, -82},
    {TR_EBADNAMES, -83},
    {TR_EBADSESSION, -84},
    {TR_ETLS, -85},
    {TR_ETLSTIMEOUT, -86},
    {TR_ETRUNCATED, -87},
    {TR_EALTNAME, -88},
    {TR_ECERTEXPIRED, -89},
    {TR_ECERTNOTYET, -90},
    {TR_ESELFSIGNED, -91},
    {TR_ESELFSIGNEDCHAIN, -92},
    {TR_ENOISSUER, -93},
    {TR_EUNVERIFIED, -94},
    {TR_EREVOKED, -95},
    {TR_EUNTRUSTED, -96},
    {TR_ENOMEM, -100},
    {TR_EACCES, -101},
    {TR_EADDRINUSE, -102},
    {TR_EADDRNOTAVAIL, -103},
    {TR_EAFNOSUPPORT, -104},
    {TR_EAGAIN, -105},
    {TR_EALREADY, -106},
    {TR_EBADF, -107},
    {TR_EBUSY, -108},
    {TR_ECANCELED, -109},
    {TR_ECONNABORTED, -110},
    {TR_ECONNREFUSED, -111},
    {TR_ECONNRESET, -112},
    {TR_EDESTADDRREQ, -113},
    {TR_EEXIST, -114},
    {TR_EFAULT, -115},
    {TR_EHOSTDOWN, -116},
    {TR_EHOSTUNREACH, -117},
    {TR_EINTR, -118},
    {TR_EIO, -119},
    {TR_EISCONN, -120},
    {TR_EISDIR, -121},
    {TR_ELOOP, -122},
    {TR_EMFILE, -123},
    {TR_EMSGSIZE, -124},
    {TR_ENAMETOOLONG, -125},
    {TR_ENETDOWN, -126},
    {TR_ENETUNREACH, -127},
    {TR_ENFILE, -128},
    {TR_ENOBUFS, -129},
    {TR_ENODEV, -130},
    {TR_ENOENT, -131},
    {TR_ENOPROTOOPT, -132},
    {TR_ENOSPC, -133},
    {TR_ENOSYS, -134},
    {TR_ENOTCONN, -135},
    {TR_ENOTDIR, -136},
    {TR_ENOTSOCK, -137},
    {TR_ENOTSUP, -138},
    {TR_EPERM, -139},
    {TR_EPIPE, -140},
    {TR_EPROTO, -141},
    {TR_EPROTOTYPE, -142},
    {TR_EROFS, -143},
    {TR_ETIMEDOUT, -144},
    {TR_ENOTFOUND, -145},
    {TR_EAI_AGAIN, -146},
    {TR_EAI_FAIL, -147},
    {TR_EAI_FAMILY, -148},
    {TR_EFBIG, -151},
    {TR_EUNKNOWN, -199},
};

static void
no_status_is_ever_renumbered(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        assert_int_equal(values[i].status, values[i].value);
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
    assert_int_equal(tri_status_from_uv(UV_EAI_SERVICE), TR_ENOTFOUND);
    assert_int_equal(tri_status_from_uv(UV_EAI_ADDRFAMILY), TR_EAI_FAMILY);
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
    assert_int_equal(tri_status_from_errno(EDQUOT), TR_ENOSPC);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_code_and_a_sentence_of_its_own),
        cmocka_unit_test(no_status_is_ever_renumbered),
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
