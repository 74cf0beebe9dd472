/*
 * What is in the way of a path: a stale socket file is replaced on demand, and nothing else is ever removed.
 */
#include "unix_path.h"
#include "unix_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/server.h>
#include <uv.h>

static void
leave_stale(const char *path)
{
    close(bind_plain(path, SOCK_STREAM));
}

/* What is in the way. */

static void
make_regular(const char *path)
{
    close(open(path, O_CREAT | O_WRONLY, 0600));
}

static void
make_directory(const char *path)
{
    assert_int_equal(mkdir(path, 0700), 0);
}

static void
make_symlink_to_nothing(const char *path)
{
    assert_int_equal(symlink(path_in_directory("nothing"), path), 0);
}

static void
make_symlink_to_stale(const char *path)
{
    leave_stale(path_in_directory("stale"));
    assert_int_equal(symlink(path_in_directory("stale"), path), 0);
}

static void
what_lies_in_the_way_stays(bool unlink_stale)
{
    static void (*const makers[])(const char *) = {make_regular, make_directory, make_symlink_to_nothing,
                                                   make_symlink_to_stale};
    for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
        const char *path = path_in_directory("s");
        makers[i](path);
        ino_t inode = inode_of(path);
        struct tr_listen_options listen = {.path = path, .unlink_stale = unlink_stale};
        assert_int_equal(serve_at(&listen, NULL, NULL), TR_EADDRINUSE);
        assert_int_equal(inode_of(path), inode);
        assert_false(path_exists(path_in_directory("nothing")));
        remove(path);
        remove(path_in_directory("stale"));
    }
}

static void
nothing_that_lies_in_the_way_is_removed(void **state)
{
    (void)state;
    what_lies_in_the_way_stays(false);
}

static void
unlink_stale_removes_nothing_but_sockets(void **state)
{
    (void)state;
    what_lies_in_the_way_stays(true);
}

static void
a_stale_socket_file_is_in_the_way(void **state)
{
    (void)state;
    const char *path = path_in_directory("s");
    leave_stale(path);
    ino_t inode = inode_of(path);
    assert_int_equal(serve_path(path), TR_EADDRINUSE);
    assert_int_equal(inode_of(path), inode);
}

static void
unlink_stale_replaces_a_stale_socket_file(void **state)
{
    (void)state;
    tr_ref server;
    const char *path = path_in_directory("s");
    leave_stale(path);
    struct tr_listen_options listen = {.path = path, .unlink_stale = true};
    assert_int_equal(serve_at(&listen, &server, NULL), TR_OK);
    assert_true(says_hi(path));
    stop_server(server, TR_STOP_NOW);
    assert_false(path_exists(path)); /* and paths_tear_down() finds the directory empty */
}

static void
unlink_stale_finds_nothing_to_do_at_a_free_path(void **state)
{
    (void)state;
    struct tr_listen_options listen = {.path = path_in_directory("s"), .unlink_stale = true};
    assert_int_equal(serve_at(&listen, NULL, NULL), TR_OK);
    assert_true(says_hi(listen.path));
}

static void
a_socket_that_somebody_serves_stays(void **state)
{
    (void)state;
    const char *path = path_in_directory("s"), *datagrams = path_in_directory("d");
    int other = listen_plain(path), receiver = bind_plain(datagrams, SOCK_DGRAM);
    ino_t inode = inode_of(path);
    assert_int_equal(serve_path(path), TR_EADDRINUSE);
    struct tr_listen_options listen = {.path = path, .unlink_stale = true};
    assert_int_equal(serve_at(&listen, NULL, NULL), TR_EADDRINUSE);
    assert_int_equal(inode_of(path), inode);
    listen.path = datagrams;
    assert_int_equal(serve_at(&listen, NULL, NULL), TR_EADDRINUSE);
    assert_true(path_exists(datagrams));
    close(other);
    close(receiver);
}

/* Files decide, not names. */

static void
a_stale_file_is_replaced_though_somebody_serves_another_file_of_its_name(void **state)
{
    (void)state;
    char home[256];
    tr_status status = TR_EIO;
    int other = -1;
    leave_stale(path_in_directory("s"));
    assert_int_equal(mkdir(path_in_directory("other"), 0700), 0);
    assert_non_null(getcwd(home, sizeof(home)));
    if (chdir(path_in_directory("other")) == 0)
        other = listen_plain("s"); /* which is what the kernel knows of its name */
    if (chdir(paths_directory) == 0)
        status = serve_at(&(struct tr_listen_options){.path = "s", .unlink_stale = true}, NULL, NULL);
    assert_int_equal(chdir(home), 0);
    close(other);
    unlink(path_in_directory("other/s"));
    rmdir(path_in_directory("other"));
    assert_int_equal(status, TR_OK);
    assert_true(says_hi(path_in_directory("s")));
}

static void
a_socket_that_is_bound_and_not_listening_yet_stays_whatever_its_file_is_called_now(void **state)
{
    (void)state;
    int other = bind_plain(path_in_directory("before"), SOCK_STREAM);
    assert_int_equal(rename(path_in_directory("before"), path_in_directory("now")), 0);
    assert_int_equal(link(path_in_directory("now"), path_in_directory("link")), 0);
    ino_t inode = inode_of(path_in_directory("now"));
    static const char *const names[] = {"now", "link"};
    for (size_t i = 0; i < 2; i++) {
        struct tr_listen_options listen = {.path = path_in_directory(names[i]), .unlink_stale = true};
        assert_int_equal(serve_at(&listen, NULL, NULL), TR_EADDRINUSE);
        assert_int_equal(inode_of(listen.path), inode);
    }
    close(other);
}

static void
a_server_whose_backlog_is_full_is_not_stale(void **state)
{
    (void)state;
    const char *path = path_in_directory("s");
    int other = bind_plain(path, SOCK_STREAM), fds[8];
    assert_int_equal(listen(other, 1), 0);
    struct sockaddr_un address = address_of(path);
    bool full = false;
    for (int i = 0; i < 8; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(fds[i], (struct sockaddr *)&address, sizeof(address)) != 0)
            full = errno == EAGAIN;
    }
    assert_true(full);
    struct tr_listen_options listen = {.path = path, .unlink_stale = true};
    assert_int_equal(serve_at(&listen, NULL, NULL), TR_EADDRINUSE);
    assert_true(path_exists(path));
    for (int i = 0; i < 8; i++)
        close(fds[i]);
    close(other);
}

/*
 * Several servers come up at once where a dead one has left its file. Provokes: looking, moving away, binding and
 * listening of each between any two steps of the others.
 */

#define RIVALS 4
#define ROUNDS 150

struct rival {
    const char *path;
    uv_barrier_t *start;
    struct tri_unix_path *file;
    int fd; /* -1: it has lost */
};

static void
compete(void *argument)
{
    static const struct tri_unix_options options = {.unlink_stale = true};
    struct rival *rival = argument;
    struct sockaddr_un address = address_of(rival->path);
    struct tr_error error;
    rival->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uv_barrier_wait(rival->start);
    if (tri_unix_bind(rival->fd, &address, sizeof(address), &options, &rival->file, &error) == TR_OK) {
        if (listen(rival->fd, 5) == 0 && tri_unix_path_is_ours(rival->file))
            return;
        tri_unix_path_remove(rival->file);
    }
    close(rival->fd);
    rival->fd = -1;
}

static void
of_servers_that_replace_a_stale_file_at_once_one_wins_at_most(void **state)
{
    (void)state;
    const char *path = path_in_directory("s");
    unsigned won = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct rival rivals[RIVALS];
        uv_thread_t threads[RIVALS];
        uv_barrier_t start;
        leave_stale(path);
        assert_int_equal(uv_barrier_init(&start, RIVALS), 0);
        for (int i = 0; i < RIVALS; i++) {
            rivals[i] = (struct rival){.path = path, .start = &start, .fd = -1};
            assert_int_equal(uv_thread_create(&threads[i], compete, &rivals[i]), 0);
        }
        struct rival *winner = NULL;
        for (int i = 0; i < RIVALS; i++)
            uv_thread_join(&threads[i]);
        for (int i = 0; i < RIVALS; i++) {
            if (rivals[i].fd < 0)
                continue;
            assert_null(winner);
            winner = &rivals[i];
        }
        uv_barrier_destroy(&start);
        if (winner != NULL) {
            won++;
            assert_true(tri_unix_path_is_ours(winner->file));
            tri_unix_path_remove(winner->file);
            close(winner->fd);
        }
        unlink(path);
    }
    assert_true(won > 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, paths_set_up, paths_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(nothing_that_lies_in_the_way_is_removed),
        TEST(unlink_stale_removes_nothing_but_sockets),
        TEST(a_stale_socket_file_is_in_the_way),
        TEST(unlink_stale_replaces_a_stale_socket_file),
        TEST(unlink_stale_finds_nothing_to_do_at_a_free_path),
        TEST(a_socket_that_somebody_serves_stays),
        TEST(a_stale_file_is_replaced_though_somebody_serves_another_file_of_its_name),
        TEST(a_socket_that_is_bound_and_not_listening_yet_stays_whatever_its_file_is_called_now),
        TEST(a_server_whose_backlog_is_full_is_not_stale),
        TEST(of_servers_that_replace_a_stale_file_at_once_one_wins_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
