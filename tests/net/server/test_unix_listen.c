#include "helpers.h"
#include "unix_path.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>
#include <uv.h>

/* A runtime, and a directory of its own for each test. */

static tr_runtime *runtime;
static char directory[80];
static atomic_uint closes;
static const char *watched; /* the close event looks whether this path exists */
static bool existed_at_close;

static bool
exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

static int
set_up(void **state)
{
    (void)state;
    closes = 0;
    watched = NULL;
    existed_at_close = false;
    bool ready = tests_directory_make(directory, sizeof(directory)) &&
                 tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &runtime) == TR_OK;
    return ready ? 0 : -1;
}

static int
tear_down(void **state)
{
    (void)state;
    tr_status status = runtime != NULL ? tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL) : TR_OK;
    runtime = NULL;
    tests_directory_remove(directory);
    return status == TR_OK && !exists(directory) ? 0 : -1;
}

static const char *
in_directory(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

/* A path of so many bytes in all. */
static const char *
path_of(size_t bytes)
{
    static char path[256];
    int used = snprintf(path, sizeof(path), "%s/", directory);
    memset(path + used, 'x', sizeof(path) - (size_t)used);
    path[bytes] = '\0';
    return path;
}

/* Servers that say "hi" and end. */

static void
say_hi(tr_socket *socket)
{
    tr_socket_end_with(socket, tr_slice_constant(tr_socket_data(socket), 2));
}

static void
on_close(tr_server *server)
{
    (void)server;
    existed_at_close = watched != NULL && exists(watched);
    closes++; /* last: it also hands over what was seen */
}

static tr_status
serve(const struct tr_listen_options *listen, tr_ref *out, struct tr_address *bound)
{
    static const struct tr_server_events events = {.close = on_close};
    struct tr_server_options options = {.connection = say_hi, .events = &events, .data = "hi"};
    return tr_runtime_listen(runtime, &options, listen, out, bound);
}

static tr_status
serve_path(const char *path)
{
    return serve(&(struct tr_listen_options){.path = path}, NULL, NULL);
}

static bool
have_closed(void *argument)
{
    return closes >= *(unsigned *)argument;
}

static void
stop_server(tr_ref server, enum tr_stop_mode how)
{
    unsigned wanted = closes + 1;
    assert_int_equal(tr_runtime_stop_actor(runtime, server, how), TR_OK);
    assert_true(tests_wait_until(have_closed, &wanted, TESTS_LIMIT_MS));
}

/* Plain sockets. */

static struct sockaddr_un
address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    assert_true(length < sizeof(address.sun_path));
    memcpy(address.sun_path, path, length + 1);
    return address;
}

static int
bind_plain(const char *path, int type)
{
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = address_of(path);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void
leave_stale(const char *path)
{
    close(bind_plain(path, SOCK_STREAM));
}

static int
listen_plain(const char *path)
{
    int fd = bind_plain(path, SOCK_STREAM);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

/* Does the server there say "hi"? size is that of the address. */
static bool
says_hi_at(const struct sockaddr_un *address, socklen_t size)
{
    char word[3] = "";
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct timeval limit = {.tv_sec = TESTS_LIMIT_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    bool said = connect(fd, (const struct sockaddr *)address, size) == 0 && tests_peer_receive(fd, word, 2) == 2 &&
                strcmp(word, "hi") == 0 && tests_peer_at_end(fd);
    close(fd);
    return said;
}

static bool
says_hi(const char *path)
{
    struct sockaddr_un address = address_of(path);
    return says_hi_at(&address, sizeof(address));
}

static ino_t
inode_of(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 ? status.st_ino : 0;
}

/* The path's life. */

static void
a_path_is_there_while_it_is_listened_on_and_gone_before_close(void **state)
{
    (void)state;
    struct tr_address bound;
    tr_ref server;
    const char *path = watched = in_directory("s");
    assert_false(exists(path));
    assert_int_equal(serve(&(struct tr_listen_options){.path = path}, &server, &bound), TR_OK);
    assert_int_equal(bound.family, TR_FAMILY_UNIX);
    assert_string_equal(bound.text, path);
    assert_int_equal(bound.port, 0);
    assert_true(exists(path));
    assert_true(says_hi(path));
    stop_server(server, TR_STOP_DRAIN);
    assert_false(existed_at_close);
    assert_false(exists(path));
}

static void
a_killed_server_removes_its_path_too(void **state)
{
    (void)state;
    tr_ref server;
    const char *path = in_directory("s");
    assert_int_equal(serve(&(struct tr_listen_options){.path = path}, &server, NULL), TR_OK);
    assert_int_equal(tr_runtime_stop_actor(runtime, server, TR_STOP_KILL), TR_OK);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    runtime = NULL;
    assert_false(exists(path));
}

static void
a_relative_path_is_removed_wherever_the_process_has_gone(void **state)
{
    (void)state;
    tr_ref server;
    char home[256];
    assert_non_null(getcwd(home, sizeof(home)));
    assert_int_equal(chdir(directory), 0);
    tr_status status = serve(&(struct tr_listen_options){.path = "relative"}, &server, NULL);
    assert_int_equal(chdir(home), 0);
    assert_int_equal(status, TR_OK);
    assert_true(exists(in_directory("relative")));
    stop_server(server, TR_STOP_NOW);
    assert_false(exists(in_directory("relative")));
}

static void
a_file_that_took_the_place_of_ours_is_not_removed(void **state)
{
    (void)state;
    tr_ref server;
    const char *path = in_directory("s");
    assert_int_equal(serve(&(struct tr_listen_options){.path = path}, &server, NULL), TR_OK);
    assert_int_equal(unlink(path), 0);
    int other = listen_plain(path);
    ino_t inode = inode_of(path);
    stop_server(server, TR_STOP_NOW);
    assert_int_equal(inode_of(path), inode);
    close(other);
}

static void
a_symlink_that_took_the_place_of_ours_is_not_followed(void **state)
{
    (void)state;
    tr_ref server;
    const char *path = in_directory("s"), *moved = in_directory("moved");
    assert_int_equal(serve(&(struct tr_listen_options){.path = path}, &server, NULL), TR_OK);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(symlink(moved, path), 0);
    stop_server(server, TR_STOP_NOW);
    assert_true(exists(path));
    assert_true(exists(moved));
}

/* Paths that cannot be. */

static void
an_empty_path_is_refused(void **state)
{
    (void)state;
    assert_int_equal(serve_path(""), TR_EBADPATH);
    assert_int_equal(serve_path("@"), TR_EBADPATH);
}

static void
a_path_has_107_bytes_at_most(void **state)
{
    (void)state;
    struct tr_address bound;
    assert_int_equal(serve_path(path_of(108)), TR_ENAMETOOLONG);
    assert_int_equal(serve_path(path_of(250)), TR_ENAMETOOLONG);
    assert_int_equal(serve(&(struct tr_listen_options){.path = path_of(107)}, NULL, &bound), TR_OK);
    assert_string_equal(bound.text, path_of(107));
    assert_true(says_hi(path_of(107)));
}

static void
a_path_that_is_too_long_is_cut_on_demand_and_removed_by_the_name_it_got(void **state)
{
    (void)state;
    struct tr_address bound;
    tr_ref server;
    struct tr_listen_options listen = {.path = path_of(150), .truncate_path = true};
    assert_int_equal(serve(&listen, &server, &bound), TR_OK);
    assert_string_equal(bound.text, path_of(107));
    assert_true(says_hi(path_of(107)));
    stop_server(server, TR_STOP_NOW);
    assert_false(exists(path_of(107)));
}

static void
a_directory_that_is_missing_is_eacces_as_in_node(void **state)
{
    (void)state;
    assert_int_equal(serve_path(in_directory("missing/s")), TR_EACCES);
}

static void
a_file_in_place_of_a_directory_is_enotdir(void **state)
{
    (void)state;
    close(open(in_directory("file"), O_CREAT | O_WRONLY, 0600));
    assert_int_equal(serve_path(in_directory("file/s")), TR_ENOTDIR);
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
    assert_int_equal(symlink(in_directory("nothing"), path), 0);
}

static void
make_symlink_to_stale(const char *path)
{
    leave_stale(in_directory("stale"));
    assert_int_equal(symlink(in_directory("stale"), path), 0);
}

static void
what_lies_in_the_way_stays(bool unlink_stale)
{
    static void (*const makers[])(const char *) = {make_regular, make_directory, make_symlink_to_nothing,
                                                   make_symlink_to_stale};
    for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
        const char *path = in_directory("s");
        makers[i](path);
        ino_t inode = inode_of(path);
        struct tr_listen_options listen = {.path = path, .unlink_stale = unlink_stale};
        assert_int_equal(serve(&listen, NULL, NULL), TR_EADDRINUSE);
        assert_int_equal(inode_of(path), inode);
        assert_false(exists(in_directory("nothing")));
        remove(path);
        remove(in_directory("stale"));
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
    const char *path = in_directory("s");
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
    const char *path = in_directory("s");
    leave_stale(path);
    struct tr_listen_options listen = {.path = path, .unlink_stale = true};
    assert_int_equal(serve(&listen, &server, NULL), TR_OK);
    assert_true(says_hi(path));
    stop_server(server, TR_STOP_NOW);
    assert_false(exists(path)); /* and tear_down() finds the directory empty */
}

static void
unlink_stale_finds_nothing_to_do_at_a_free_path(void **state)
{
    (void)state;
    struct tr_listen_options listen = {.path = in_directory("s"), .unlink_stale = true};
    assert_int_equal(serve(&listen, NULL, NULL), TR_OK);
    assert_true(says_hi(listen.path));
}

static void
a_socket_that_somebody_serves_stays(void **state)
{
    (void)state;
    const char *path = in_directory("s"), *datagrams = in_directory("d");
    int other = listen_plain(path), receiver = bind_plain(datagrams, SOCK_DGRAM);
    ino_t inode = inode_of(path);
    assert_int_equal(serve_path(path), TR_EADDRINUSE);
    struct tr_listen_options listen = {.path = path, .unlink_stale = true};
    assert_int_equal(serve(&listen, NULL, NULL), TR_EADDRINUSE);
    assert_int_equal(inode_of(path), inode);
    listen.path = datagrams;
    assert_int_equal(serve(&listen, NULL, NULL), TR_EADDRINUSE);
    assert_true(exists(datagrams));
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
    leave_stale(in_directory("s"));
    assert_int_equal(mkdir(in_directory("other"), 0700), 0);
    assert_non_null(getcwd(home, sizeof(home)));
    if (chdir(in_directory("other")) == 0)
        other = listen_plain("s"); /* which is what the kernel knows of its name */
    if (chdir(directory) == 0)
        status = serve(&(struct tr_listen_options){.path = "s", .unlink_stale = true}, NULL, NULL);
    assert_int_equal(chdir(home), 0);
    close(other);
    unlink(in_directory("other/s"));
    rmdir(in_directory("other"));
    assert_int_equal(status, TR_OK);
    assert_true(says_hi(in_directory("s")));
}

static void
a_socket_that_is_bound_and_not_listening_yet_stays_whatever_its_file_is_called_now(void **state)
{
    (void)state;
    int other = bind_plain(in_directory("before"), SOCK_STREAM);
    assert_int_equal(rename(in_directory("before"), in_directory("now")), 0);
    assert_int_equal(link(in_directory("now"), in_directory("link")), 0);
    ino_t inode = inode_of(in_directory("now"));
    static const char *const names[] = {"now", "link"};
    for (size_t i = 0; i < 2; i++) {
        struct tr_listen_options listen = {.path = in_directory(names[i]), .unlink_stale = true};
        assert_int_equal(serve(&listen, NULL, NULL), TR_EADDRINUSE);
        assert_int_equal(inode_of(listen.path), inode);
    }
    close(other);
}

static void
a_server_whose_backlog_is_full_is_not_stale(void **state)
{
    (void)state;
    const char *path = in_directory("s");
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
    assert_int_equal(serve(&listen, NULL, NULL), TR_EADDRINUSE);
    assert_true(exists(path));
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
    const char *path = in_directory("s");
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

/* Rights. */

static mode_t
mode_of(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 ? status.st_mode & 0777 : 0;
}

static void
rights_are_the_umasks_and_wider_on_demand(void **state)
{
    (void)state;
    struct {
        bool readable, writable;
        mode_t wanted;
    } cases[] = {{false, false, 0700}, {true, false, 0744}, {false, true, 0722}, {true, true, 0766}};
    mode_t before = umask(077);
    tr_status status[4];
    mode_t modes[4];
    for (int i = 0; i < 4; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        struct tr_listen_options listen = {
            .path = in_directory(name), .readable_all = cases[i].readable, .writable_all = cases[i].writable};
        status[i] = serve(&listen, NULL, NULL);
        modes[i] = mode_of(listen.path);
    }
    umask(before);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(status[i], TR_OK);
        assert_int_equal(modes[i], cases[i].wanted);
    }
}

/* Abstract names. */

static void
an_abstract_name_has_no_file_and_is_free_again_after_close(void **state)
{
    (void)state;
    char name[64];
    struct tr_address bound;
    tr_ref server;
    snprintf(name, sizeof(name), "@troupe-test-%ld", (long)getpid());
    struct tr_listen_options listen = {.path = name, .readable_all = true};
    for (int round = 0; round < 2; round++) {
        assert_int_equal(serve(&listen, &server, &bound), TR_OK);
        assert_int_equal(bound.family, TR_FAMILY_UNIX);
        assert_string_equal(bound.text, name);
        assert_false(exists(name));
        assert_int_equal(serve_path(name), TR_EADDRINUSE);
        struct sockaddr_un address = address_of(name);
        address.sun_path[0] = '\0';
        assert_true(says_hi_at(&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))));
        stop_server(server, TR_STOP_NOW);
    }
}

/* What is told of an error. */

static tr_status told_status;
static int told_system;
static char told[64];
static atomic_uint errors;

static void
on_error(tr_server *server, const struct tr_error *error)
{
    (void)server;
    told_status = error->status;
    told_system = error->system;
    snprintf(told, sizeof(told), "%s %s", error->call, error->code);
    errors++;
}

static tr_status
listens_in_vain(tr_actor *self, void *state, const void *argument)
{
    static const struct tr_server_events events = {.error = on_error};
    tr_server *server;
    (void)state;
    struct tr_server_options options = {.events = &events};
    struct tr_listen_options listen = {.path = argument};
    assert_int_equal(tr_server_spawn(self, &options, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    assert_false(tr_server_listening(server));
    return TR_OK;
}

static void
ignore(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
}

static bool
have_erred(void *argument)
{
    (void)argument;
    return errors > 0;
}

static void
an_error_tells_the_step_and_what_the_system_said(void **state)
{
    (void)state;
    static const struct tr_behavior behavior = {.name = "asker", .init = listens_in_vain, .receive = ignore};
    struct tr_spawn_options spawn = {.argument = in_directory("missing/s")};
    errors = 0;
    assert_int_equal(tr_runtime_spawn(runtime, &behavior, &spawn, NULL), TR_OK);
    assert_true(tests_wait_until(have_erred, NULL, TESTS_LIMIT_MS));
    assert_int_equal(told_status, TR_EACCES);
    assert_int_equal(told_system, ENOENT);
    assert_string_equal(told, "bind EACCES");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_path_is_there_while_it_is_listened_on_and_gone_before_close),
        TEST(a_killed_server_removes_its_path_too),
        TEST(a_relative_path_is_removed_wherever_the_process_has_gone),
        TEST(a_file_that_took_the_place_of_ours_is_not_removed),
        TEST(a_symlink_that_took_the_place_of_ours_is_not_followed),
        TEST(an_empty_path_is_refused),
        TEST(a_path_has_107_bytes_at_most),
        TEST(a_path_that_is_too_long_is_cut_on_demand_and_removed_by_the_name_it_got),
        TEST(a_directory_that_is_missing_is_eacces_as_in_node),
        TEST(a_file_in_place_of_a_directory_is_enotdir),
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
        TEST(rights_are_the_umasks_and_wider_on_demand),
        TEST(an_abstract_name_has_no_file_and_is_free_again_after_close),
        TEST(an_error_tells_the_step_and_what_the_system_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
