/*
 * The table of error numbers: each row by name. What callers do with a verdict is in test_fault.c
 * and test_fault_server.c.
 */
#include "verdict.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

struct row {
    const char *name;
    int error;
    enum tri_verdict read, write, pass, file, accept, connect;
};

#define ROW(error, ...)                                                                                                \
    {                                                                                                                  \
#error, error, __VA_ARGS__                                                                                     \
    }

#define AGAIN TRI_AGAIN
#define WAIT TRI_WAIT
#define REFUSED TRI_REFUSED
#define BROKEN TRI_BROKEN
#define SHORT TRI_SHORT
#define COMPLETE TRI_COMPLETE

static const struct row rows[] = {
    /*                read    write    pass    file     accept   connect */
    ROW(EINTR, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN),
    ROW(EAGAIN, WAIT, WAIT, WAIT, WAIT, WAIT, BROKEN),
    ROW(EWOULDBLOCK, WAIT, WAIT, WAIT, WAIT, WAIT, BROKEN),
    ROW(EINPROGRESS, BROKEN, BROKEN, BROKEN, BROKEN, SHORT, WAIT),
    ROW(EALREADY, BROKEN, BROKEN, BROKEN, BROKEN, SHORT, WAIT),
    ROW(EISCONN, BROKEN, BROKEN, BROKEN, BROKEN, SHORT, COMPLETE),
    ROW(ENOBUFS, BROKEN, SHORT, SHORT, SHORT, SHORT, BROKEN),
    ROW(ENOMEM, BROKEN, SHORT, SHORT, SHORT, SHORT, BROKEN),
    ROW(ETOOMANYREFS, BROKEN, BROKEN, SHORT, BROKEN, SHORT, BROKEN),
    ROW(EMFILE, BROKEN, BROKEN, BROKEN, BROKEN, SHORT, BROKEN),
    ROW(ENFILE, BROKEN, BROKEN, BROKEN, BROKEN, SHORT, BROKEN),
    ROW(EINVAL, BROKEN, REFUSED, BROKEN, REFUSED, BROKEN, BROKEN),
    ROW(ENOSYS, BROKEN, BROKEN, BROKEN, REFUSED, SHORT, BROKEN),
    ROW(EOPNOTSUPP, BROKEN, BROKEN, BROKEN, REFUSED, REFUSED, BROKEN),
    ROW(ECONNABORTED, BROKEN, BROKEN, BROKEN, BROKEN, REFUSED, BROKEN),
    ROW(EPROTO, BROKEN, BROKEN, BROKEN, BROKEN, REFUSED, BROKEN),
    ROW(EPERM, BROKEN, BROKEN, BROKEN, BROKEN, REFUSED, BROKEN),
    ROW(ENETDOWN, BROKEN, BROKEN, BROKEN, BROKEN, REFUSED, BROKEN),
    ROW(ENOPROTOOPT, BROKEN, BROKEN, BROKEN, BROKEN, REFUSED, BROKEN),
    ROW(EHOSTDOWN, BROKEN, BROKEN, BROKEN, BROKEN, REFUSED, BROKEN),
    ROW(EHOSTUNREACH, BROKEN, BROKEN, BROKEN, BROKEN, REFUSED, BROKEN),
    ROW(ENETUNREACH, BROKEN, BROKEN, BROKEN, BROKEN, REFUSED, BROKEN),
    ROW(ETIMEDOUT, BROKEN, BROKEN, BROKEN, BROKEN, REFUSED, BROKEN),
    ROW(EBADF, BROKEN, BROKEN, BROKEN, BROKEN, BROKEN, BROKEN),
    ROW(ENOTSOCK, BROKEN, BROKEN, BROKEN, BROKEN, BROKEN, BROKEN),
    ROW(EPIPE, BROKEN, BROKEN, BROKEN, BROKEN, SHORT, BROKEN),
    ROW(ECONNRESET, BROKEN, BROKEN, BROKEN, BROKEN, SHORT, BROKEN),
    ROW(ECONNREFUSED, BROKEN, BROKEN, BROKEN, BROKEN, SHORT, BROKEN),
    ROW(EIO, BROKEN, BROKEN, BROKEN, BROKEN, SHORT, BROKEN),
};

static void
is(const struct row *row, enum tri_operation operation, enum tri_verdict expected)
{
    enum tri_verdict given = tri_verdict(operation, row->error);
    if (given != expected)
        fail_msg("%s, operation %d: %d, not %d", row->name, (int)operation, (int)given, (int)expected);
}

static void
each_error_number_has_its_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        is(row, TRI_ON_READ, row->read);
        is(row, TRI_ON_WRITE, row->write);
        is(row, TRI_ON_PASS, row->pass);
        is(row, TRI_ON_FILE, row->file);
        is(row, TRI_ON_ACCEPT, row->accept);
        is(row, TRI_ON_CONNECT, row->connect);
    }
}

static void
of_the_flags_only_lost_descriptors_and_bytes_are_an_error(void **state)
{
    (void)state;
    assert_int_equal(tri_error_of_flags(0), 0);
    assert_int_equal(tri_error_of_flags(MSG_EOR | MSG_OOB | MSG_CMSG_CLOEXEC), 0);
    assert_int_equal(tri_error_of_flags(MSG_CTRUNC), EMFILE);
    assert_int_equal(tri_error_of_flags(MSG_CTRUNC | MSG_EOR), EMFILE);
    assert_int_equal(tri_error_of_flags(MSG_TRUNC), EMSGSIZE);
    assert_int_equal(tri_error_of_flags(MSG_TRUNC | MSG_CTRUNC), EMSGSIZE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_error_number_has_its_verdict),
        cmocka_unit_test(of_the_flags_only_lost_descriptors_and_bytes_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
