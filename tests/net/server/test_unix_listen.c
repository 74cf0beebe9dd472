/*
 * Servers on paths: how long a path is there, which paths cannot be, rights, abstract names, and what is told of
 * errors.
 */
#include "helpers.h"
#include "unix_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

/* A path of so many bytes in all. */
static const char *
path_of(size_t bytes)
{
    static char path[256];
    int used = snprintf(path, sizeof(path), "%s/", paths_directory);
    memset(path + used, 'x', sizeof(path) - (size_t)used);
    path[bytes] = '\0';
    return path;
}

/* The path's life. */

static void
a_path_is_there_while_it_is_listened_on_and_gone_before_close(void **state)
{
    (void)state;
    struct tr_address bound;
    tr_ref server;
    const char *path = watched_path = path_in_directory("s");
    assert_false(path_exists(path));
    assert_int_equal(serve_at(&(struct tr_listen_options){.path = path}, &server, &bound), TR_OK);
    assert_int_equal(bound.family, TR_FAMILY_UNIX);
    assert_string_equal(bound.text, path);
    assert_int_equal(bound.port, 0);
    assert_true(path_exists(path));
    assert_true(says_hi(path));
    stop_server(server, TR_STOP_DRAIN);
    assert_false(existed_at_close);
    assert_false(path_exists(path));
}

static void
a_killed_server_removes_its_path_too(void **state)
{
    (void)state;
    tr_ref server;
    const char *path = path_in_directory("s");
    assert_int_equal(serve_at(&(struct tr_listen_options){.path = path}, &server, NULL), TR_OK);
    assert_int_equal(tr_runtime_stop_actor(paths_runtime, server, TR_STOP_KILL), TR_OK);
    assert_int_equal(tr_runtime_stop(paths_runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    paths_runtime = NULL;
    assert_false(path_exists(path));
}

static void
a_relative_path_is_removed_wherever_the_process_has_gone(void **state)
{
    (void)state;
    tr_ref server;
    char home[256];
    assert_non_null(getcwd(home, sizeof(home)));
    assert_int_equal(chdir(paths_directory), 0);
    tr_status status = serve_at(&(struct tr_listen_options){.path = "relative"}, &server, NULL);
    assert_int_equal(chdir(home), 0);
    assert_int_equal(status, TR_OK);
    assert_true(path_exists(path_in_directory("relative")));
    stop_server(server, TR_STOP_NOW);
    assert_false(path_exists(path_in_directory("relative")));
}

static void
a_file_that_took_the_place_of_ours_is_not_removed(void **state)
{
    (void)state;
    tr_ref server;
    const char *path = path_in_directory("s");
    assert_int_equal(serve_at(&(struct tr_listen_options){.path = path}, &server, NULL), TR_OK);
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
    const char *path = path_in_directory("s"), *moved = path_in_directory("moved");
    assert_int_equal(serve_at(&(struct tr_listen_options){.path = path}, &server, NULL), TR_OK);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(symlink(moved, path), 0);
    stop_server(server, TR_STOP_NOW);
    assert_true(path_exists(path));
    assert_true(path_exists(moved));
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
    assert_int_equal(serve_at(&(struct tr_listen_options){.path = path_of(107)}, NULL, &bound), TR_OK);
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
    assert_int_equal(serve_at(&listen, &server, &bound), TR_OK);
    assert_string_equal(bound.text, path_of(107));
    assert_true(says_hi(path_of(107)));
    stop_server(server, TR_STOP_NOW);
    assert_false(path_exists(path_of(107)));
}

static void
a_directory_that_is_missing_is_eacces_as_in_node(void **state)
{
    (void)state;
    assert_int_equal(serve_path(path_in_directory("missing/s")), TR_EACCES);
}

static void
a_file_in_place_of_a_directory_is_enotdir(void **state)
{
    (void)state;
    close(open(path_in_directory("file"), O_CREAT | O_WRONLY, 0600));
    assert_int_equal(serve_path(path_in_directory("file/s")), TR_ENOTDIR);
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
            .path = path_in_directory(name), .readable_all = cases[i].readable, .writable_all = cases[i].writable};
        status[i] = serve_at(&listen, NULL, NULL);
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
        assert_int_equal(serve_at(&listen, &server, &bound), TR_OK);
        assert_int_equal(bound.family, TR_FAMILY_UNIX);
        assert_string_equal(bound.text, name);
        assert_false(path_exists(name));
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
    struct tr_spawn_options spawn = {.argument = path_in_directory("missing/s")};
    errors = 0;
    assert_int_equal(tr_runtime_spawn(paths_runtime, &behavior, &spawn, NULL), TR_OK);
    assert_true(tests_wait_until(have_erred, NULL, TESTS_LIMIT_MS));
    assert_int_equal(told_status, TR_EACCES);
    assert_int_equal(told_system, ENOENT);
    assert_string_equal(told, "bind EACCES");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, paths_set_up, paths_tear_down)
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
        TEST(rights_are_the_umasks_and_wider_on_demand),
        TEST(an_abstract_name_has_no_file_and_is_free_again_after_close),
        TEST(an_error_tells_the_step_and_what_the_system_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
