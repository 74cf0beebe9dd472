/*
 * Paths of unix sockets that change between two looks, each at the very call, and what fails on the way.
 */
#include "fault.h"
#include "helpers.h"
#include "unix_bound.h"
#include "unix_path.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

static char directory[80];
static struct sockaddr_un address; /* of a path there */
static int rival;                  /* the socket of another server, -1: there is none */

static int
set_up(void **state)
{
    (void)state;
    rival = -1;
    if (!tests_directory_make(directory, sizeof(directory)))
        return -1;
    address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", directory);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    fault_clear();
    if (rival >= 0)
        close(rival);
    tests_directory_remove(directory);
    struct stat status;
    return lstat(directory, &status) != 0 ? 0 : -1; /* nothing else was left there */
}

static int
bind_at(const struct sockaddr_un *where)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)where, sizeof(*where)), 0);
    return fd;
}

static struct stat
look(void)
{
    struct stat status;
    assert_int_equal(lstat(address.sun_path, &status), 0);
    return status;
}

static bool
is_there(void)
{
    struct stat status;
    return lstat(address.sun_path, &status) == 0;
}

/* Does the rival get what connects there? */
static bool
rival_is_reached(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    fcntl(rival, F_SETFL, O_NONBLOCK);
    int accepted = accept(rival, NULL, NULL);
    if (accepted >= 0)
        close(accepted);
    close(fd);
    return connected && accepted >= 0;
}

static tr_status
bind_ours(struct tri_unix_options options, struct tri_unix_path **path)
{
    struct tr_error error;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    tr_status status = tri_unix_bind(fd, &address, sizeof(address), &options, path, &error);
    close(fd);
    return status;
}

/* Stale files. */

/* It has bound its socket before, and its file is taken for a stale one by somebody who cannot ask the kernel. */
static void
rival_listens(void)
{
    assert_int_equal(listen(rival, 1), 0);
}

static void
rival_replaces_the_file(void)
{
    assert_int_equal(unlink(address.sun_path), 0);
    rival = bind_at(&address);
    rival_listens();
}

static void
a_server_that_comes_while_its_path_is_taken_for_stale_keeps_it(void **state)
{
    static const struct {
        bool is_bound;
        void (*comes)(void);
    } cases[] = {{true, rival_listens}, {false, rival_replaces_the_file}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tri_unix_path *path;
        if (i > 0) {
            tear_down(state);
            set_up(state);
        }
        rival = bind_at(&address);
        if (!cases[i].is_bound) {
            close(rival);
            rival = -1;
        }
        fault_plan(FAULT_SOCKET, 4, 2, EMFILE); /* the two that ask the kernel before the file is moved */
        fault_plan_hook(FAULT_RENAME, 1, cases[i].comes);
        assert_int_equal(bind_ours((struct tri_unix_options){.unlink_stale = true}, &path), TR_EADDRINUSE);
        assert_int_equal(fault_met(FAULT_SOCKET), 2);
        assert_int_equal(fault_met(FAULT_RENAME), 1);
        fault_clear();
        assert_true(rival_is_reached());
    }
}

/* The file goes between two calls of ours. */

static tr_status
serve(tr_runtime *runtime)
{
    struct tr_server_options options = {.connection = NULL};
    struct tr_listen_options listen_options = {.path = address.sun_path};
    return tr_runtime_listen(runtime, &options, &listen_options, NULL, NULL);
}

static void
a_server_whose_file_was_replaced_before_it_listened_gives_up(void **state)
{
    (void)state;
    tr_runtime *runtime;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &runtime), TR_OK);
    int fds = tests_open_fds();
    fault_plan_hook(FAULT_LISTEN, 1, rival_replaces_the_file);
    assert_int_equal(serve(runtime), TR_EADDRINUSE);
    assert_int_equal(fault_met(FAULT_LISTEN), 1);
    fault_clear();
    assert_int_equal(tests_open_fds(), fds + 1); /* the rival's */
    assert_true(rival_is_reached());
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

static void
another_file_takes_the_place(void)
{
    char aside[sizeof(address.sun_path) + 2];
    snprintf(aside, sizeof(aside), "%s2", address.sun_path);
    assert_int_equal(rename(address.sun_path, aside), 0);
    close(open(address.sun_path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
}

static void
rights_are_given_to_the_file_that_was_made_and_to_no_other(void **state)
{
    (void)state;
    struct tri_unix_path *path;
    fault_plan_hook(FAULT_FSTAT, 1, another_file_takes_the_place); /* when it is held, before it gets its rights */
    assert_int_equal(bind_ours((struct tri_unix_options){.writable_all = true}, &path), TR_OK);
    assert_int_equal(fault_met(FAULT_FSTAT), 1);
    fault_clear();
    assert_int_equal(look().st_mode & 0777, 0600);
    assert_false(tri_unix_path_is_ours(path));
    tri_unix_path_remove(path);
    assert_true(is_there());
}

/* Failures. */

static void
whatever_fails_leaves_no_file_and_no_descriptor(void **state)
{
    (void)state;
    static const struct tri_unix_options wide = {.readable_all = true};
    struct tri_unix_path *path;
    tr_runtime *runtime;
    int fds = tests_open_fds();
    fault_plan(FAULT_FSTAT, 1, 1, EIO); /* on the way to its rights */
    assert_true(bind_ours(wide, &path) < TR_OK);
    assert_int_equal(fault_met(FAULT_FSTAT), 1);
    fault_clear();
    assert_false(is_there());
    assert_int_equal(bind_ours(wide, &path), TR_OK);
    tri_unix_path_remove(path);
    assert_false(is_there());
    assert_int_equal(tests_open_fds(), fds);

    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &runtime), TR_OK);
    fds = tests_open_fds();
    fault_plan(FAULT_LISTEN, 1, 1, ENOBUFS);
    assert_int_equal(serve(runtime), TR_ENOBUFS);
    fault_clear();
    assert_false(is_there());
    assert_int_equal(tests_open_fds(), fds);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

/* The kernel tells of so many at once, and of the rest when it is asked on. */

static void
a_bound_socket_is_found_among_many(void **state)
{
    enum { MANY = 300 };
    (void)state;
    static int fds[MANY];
    static ino_t inodes[MANY];
    uint32_t device;
    int before = tests_open_fds();
    if (!tri_unix_bound_device(directory, &device))
        skip();
    for (int i = 0; i < MANY; i++) {
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/%d", directory, i);
        fds[i] = bind_at(&address);
        inodes[i] = look().st_ino;
    }
    for (int i = 0; i < MANY; i++)
        assert_true(tri_unix_is_bound(device, inodes[i]));
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    assert_false(tri_unix_is_bound(device, inodes[0]));
    assert_int_equal(tests_open_fds(), before);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_server_that_comes_while_its_path_is_taken_for_stale_keeps_it),
        TEST(a_server_whose_file_was_replaced_before_it_listened_gives_up),
        TEST(rights_are_given_to_the_file_that_was_made_and_to_no_other),
        TEST(whatever_fails_leaves_no_file_and_no_descriptor),
        TEST(a_bound_socket_is_found_among_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
