/*
 * Connecting over unix sockets: paths and abstract names, and what is said of those that lead nowhere. The listening
 * side is plain system calls.
 */
#include "cast.h"
#include "helpers.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH_ROOM sizeof(((struct sockaddr_un *)0)->sun_path)

static char directory[200], path[300];
static int listener = -1;

static int
make_directory(void **state)
{
    (void)state;
    memset(&client, 0, sizeof(client));
    peer = (struct raw_peer){.fd = -1};
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(path, sizeof(path), "%s/socket", directory);
    return 0;
}

static int
remove_directory(void **state)
{
    (void)state;
    if (listener >= 0)
        close(listener);
    listener = -1;
    tests_directory_remove(directory);
    return 0;
}

/* A listener on a path, or on "@name". */
static int
listen_on(const char *name, int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(name);
    assert_true(size <= PATH_ROOM);
    memcpy(address.sun_path, name, size);
    bool is_abstract = name[0] == '@';
    if (is_abstract)
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + (is_abstract ? 0 : 1));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    if (backlog >= 0)
        assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static tr_status
connect_to(struct tr_connect_options options)
{
    struct tr_socket_options socket = {.events = &endpoint_events, .data = &client};
    return tr_connect(director, &socket, &options, &client.socket);
}

/* Says hello, and looks at both addresses. */
static struct tr_address local, remote;

static void
says_hello(struct endpoint *self, const char *event)
{
    if (!is(event, "ready"))
        return;
    tr_socket_local_address(self->socket, &local);
    tr_socket_remote_address(self->socket, &remote);
    peer.fd = tests_peer_accept(listener);
    tr_socket_end_with(self->socket, tr_slice_constant("hello", 5));
    stage_read(&peer);
}

static const char *name;
static bool truncates;

static void
play_connect(void)
{
    client.hook = says_hello;
    assert_int_equal(connect_to((struct tr_connect_options){.path = name, .truncate_path = truncates}), TR_OK);
    assert_true(tr_socket_connecting(client.socket));
    end_when_closed();
}

static void
a_path_is_connected_and_both_ends_have_addresses(void **state)
{
    (void)state;
    listener = listen_on(path, 5);
    name = path;
    truncates = false;
    stage_play(1, play_connect);
    assert_string_equal(client.log, "connect ready end close");
    assert_string_equal(peer.text, "hello");
    assert_int_equal(remote.family, TR_FAMILY_UNIX);
    assert_string_equal(remote.text, path);
    assert_int_equal(remote.port, 0);
    assert_int_equal(local.family, TR_FAMILY_UNIX);
    assert_string_equal(local.text, "");
}

static void
an_abstract_name_is_connected(void **state)
{
    (void)state;
    char own[64];
    snprintf(own, sizeof(own), "@troupe-test-%ld", (long)getpid());
    listener = listen_on(own, 5);
    name = own;
    truncates = false;
    stage_play(1, play_connect);
    assert_string_equal(client.log, "connect ready end close");
    assert_string_equal(peer.text, "hello");
    assert_string_equal(remote.text, own);
}

static void
an_abstract_name_may_fill_its_room(void **state)
{
    (void)state;
    char own[PATH_ROOM + 1];
    memset(own, 'n', sizeof(own));
    snprintf(own, 40, "@troupe-test-%ld", (long)getpid());
    own[strlen(own)] = '-';
    own[PATH_ROOM] = '\0';
    assert_int_equal(strlen(own), PATH_ROOM);
    listener = listen_on(own, 5);
    name = own;
    truncates = false;
    stage_play(1, play_connect);
    assert_string_equal(peer.text, "hello");
    assert_string_equal(remote.text, own);
}

/* The path, made as long as asked for by its last part. */
static void
lengthen_path(size_t length)
{
    size_t used = strlen(path);
    assert_true(used < length && length < sizeof(path));
    memset(path + used, 'x', length - used);
    path[length] = '\0';
}

static void
the_longest_path_is_connected_and_a_longer_one_cut_if_asked_for(void **state)
{
    (void)state;
    lengthen_path(PATH_ROOM - 1);
    listener = listen_on(path, 5);
    name = path;
    truncates = false;
    stage_play(1, play_connect);
    assert_string_equal(peer.text, "hello");
    assert_string_equal(remote.text, path);

    memset(&client, 0, sizeof(client));
    peer = (struct raw_peer){.fd = -1};
    char longer[sizeof(path) + 8];
    snprintf(longer, sizeof(longer), "%s-more", path);
    name = longer;
    truncates = true;
    stage_play(1, play_connect);
    assert_string_equal(client.log, "connect ready end close");
    assert_string_equal(peer.text, "hello");
}

static void
play_bad_paths(void)
{
    char abstract[PATH_ROOM + 2];
    lengthen_path(PATH_ROOM);
    memset(abstract, 'a', sizeof(abstract));
    abstract[0] = '@';
    abstract[PATH_ROOM + 1] = '\0';
    assert_int_equal(connect_to((struct tr_connect_options){.path = path}), TR_ENAMETOOLONG);
    assert_int_equal(connect_to((struct tr_connect_options){.path = abstract}), TR_ENAMETOOLONG);
    assert_int_equal(connect_to((struct tr_connect_options){.path = ""}), TR_EBADPATH);
    assert_int_equal(connect_to((struct tr_connect_options){.path = "@"}), TR_EBADPATH);
    assert_null(client.socket);
    stage_end();
}

static void
a_path_that_is_none_is_refused_at_once(void **state)
{
    (void)state;
    stage_play(1, play_bad_paths);
}

/* Paths that lead nowhere. */

static void
play_nowhere(void)
{
    assert_int_equal(connect_to((struct tr_connect_options){.path = name}), TR_OK);
    end_when_closed();
}

static void
nowhere(const char *to, const char *log)
{
    memset(&client, 0, sizeof(client));
    name = to;
    stage_play(1, play_nowhere);
    assert_string_equal(client.log, log);
    assert_string_equal(client.call, "connect");
}

static void
what_leads_nowhere_is_an_error_event_with_the_systems_word(void **state)
{
    (void)state;
    char file[300];
    nowhere(path, "ENOENT close!");
    nowhere("@troupe-test-nobody-listens-here", "ECONNREFUSED close!");
    nowhere(directory, "ECONNREFUSED close!");
    snprintf(file, sizeof(file), "%s/file", directory);
    close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    nowhere(file, "ECONNREFUSED close!");
    strcat(file, "/below");
    nowhere(file, "ENOTDIR close!");
    close(listen_on(path, 1)); /* its process is gone, so to say */
    nowhere(path, "ECONNREFUSED close!");
}

static void
a_socket_that_is_bound_and_does_not_listen_refuses(void **state)
{
    (void)state;
    listener = listen_on(path, -1);
    nowhere(path, "ECONNREFUSED close!");
}

/* The system does not make us wait for room in the queue, as it does with TCP. */
static void
a_full_queue_is_an_error_at_once(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    listener = listen_on(path, 0);
    int waiting = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(waiting, (struct sockaddr *)&address, sizeof(address)), 0);
    nowhere(path, "EAGAIN close!");
    close(waiting);
}

static void
play_no_permission(void)
{
    assert_int_equal(connect_to((struct tr_connect_options){.path = path}), TR_OK);
    end_when_closed();
}

/* Rights do not bind the superuser. */
static void
a_path_without_the_right_to_write_is_an_error(void **state)
{
    (void)state;
    listener = listen_on(path, 5);
    assert_int_equal(chmod(path, 0400), 0);
    if (geteuid() == 0)
        skip();
    stage_play(1, play_no_permission);
    assert_string_equal(client.log, "EACCES close!");
}

/* Types and options. */

static void
play_types(void)
{
    struct tr_socket_options tcp = {.type = TR_SOCKET_TCP4}, unix_only = {.type = TR_SOCKET_UNIX};
    struct tr_connect_options to_path = {.path = path, .port = 80}, to_port = {.port = 80};
    tr_socket *socket;
    assert_int_equal(tr_connect(director, &tcp, &to_path, &socket), TR_EBADADDRESS);
    tcp.type = TR_SOCKET_TCP6;
    assert_int_equal(tr_connect(director, &tcp, &to_path, &socket), TR_EBADADDRESS);
    assert_int_equal(tr_connect(director, &unix_only, &to_port, &socket), TR_EBADADDRESS);
    play_connect();
}

/* A path takes the place of host and port (document v10), sound or not. */
static void
the_type_of_a_socket_decides_what_it_connects_to(void **state)
{
    (void)state;
    listener = listen_on(path, 5);
    name = path;
    truncates = false;
    stage_play(1, play_types);
    assert_string_equal(peer.text, "hello");
}

static void
tunes(struct endpoint *self, const char *event)
{
    if (is(event, "ready")) {
        assert_int_equal(tr_socket_set_no_delay(self->socket, true), TR_OK);
        assert_int_equal(tr_socket_set_keep_alive(self->socket, true, 1000), TR_OK);
        assert_int_equal(tr_socket_reset(self->socket), TR_EBADHANDLE);
        assert_int_equal(tr_socket_ready_state(self->socket), TR_STATE_OPEN);
    }
    says_hello(self, event);
}

static void
play_tuning(void)
{
    client.hook = tunes;
    assert_int_equal(connect_to((struct tr_connect_options){.path = path, .host = "", .port = 0}), TR_OK);
    assert_int_equal(tr_socket_reset(client.socket), TR_EBADHANDLE);
    end_when_closed();
}

static void
options_of_tcp_do_nothing_and_a_reset_is_refused(void **state)
{
    (void)state;
    listener = listen_on(path, 5);
    stage_play(1, play_tuning);
    assert_string_equal(client.log, "connect ready end close");
    assert_string_equal(peer.text, "hello");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_path_is_connected_and_both_ends_have_addresses, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(an_abstract_name_is_connected, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(an_abstract_name_may_fill_its_room, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(the_longest_path_is_connected_and_a_longer_one_cut_if_asked_for, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(a_path_that_is_none_is_refused_at_once, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(what_leads_nowhere_is_an_error_event_with_the_systems_word, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(a_socket_that_is_bound_and_does_not_listen_refuses, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(a_full_queue_is_an_error_at_once, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_path_without_the_right_to_write_is_an_error, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(the_type_of_a_socket_decides_what_it_connects_to, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(options_of_tcp_do_nothing_and_a_reset_is_refused, make_directory,
                                        remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
