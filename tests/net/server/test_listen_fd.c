/*
 * Servers on descriptors. A connection tells by its word which server took it.
 */
#include "helpers.h"
#include "listen_words.h"
#include "play.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static uint16_t
port_of(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

static bool
is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* from_fd. */

static bool listens_before;

static void
play_tcp_descriptor(void)
{
    int fd = bound_tcp(listens_before);
    struct tr_listen_options listen_options = {.from_fd = true, .fd = fd};
    struct tr_address address;
    assert_int_equal(tr_server_listen(spawn_server(0), &listen_options), TR_OK);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(tr_server_address(servers[0], &address), TR_OK);
    assert_int_equal(address.port, port_of(fd));
    assert_string_equal(address.text, "127.0.0.1");
    expect_word(tests_peer_connect(address.port), '0', stage_end);
}

static void
a_descriptor_that_is_bound_can_be_listened_on(void **state)
{
    (void)state;
    listens_before = false;
    stage_play(1, play_tcp_descriptor);
}

static void
a_descriptor_that_listens_already_can_be_listened_on(void **state)
{
    (void)state;
    listens_before = true;
    stage_play(2, play_tcp_descriptor);
}

static bool
is_one_closed(void)
{
    return servers_closed == 1;
}

static void
check_path_stays(void *argument)
{
    struct sockaddr_un address = socket_path(words_directory, "s");
    struct stat status;
    (void)argument;
    assert_int_equal(servers_closed, 1);
    assert_int_equal(lstat(address.sun_path, &status), 0);
    stage_end();
}

static void
close_first(void)
{
    servers_closed = 0;
    assert_int_equal(tr_server_close(servers[0]), TR_OK);
    stage_settled_when(is_one_closed, check_path_stays, NULL);
}

static void
play_unix_descriptor(void)
{
    struct sockaddr_un address = socket_path(words_directory, "s");
    struct tr_address bound;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(tr_server_listen(spawn_server(0), &(struct tr_listen_options){.from_fd = true, .fd = fd}), TR_OK);
    assert_int_equal(tr_server_address(servers[0], &bound), TR_OK);
    assert_int_equal(bound.family, TR_FAMILY_UNIX);
    assert_string_equal(bound.text, address.sun_path);
    expect_word(connect_unix(&address), '0', close_first);
}

static void
the_path_of_a_descriptor_is_left_to_who_bound_it(void **state)
{
    (void)state;
    assert_true(tests_directory_make(words_directory, sizeof(words_directory)));
    stage_play(1, play_unix_descriptor);
    tests_directory_remove(words_directory);
}

static tr_status
listen_on(int fd)
{
    return tr_server_listen(servers[0], &(struct tr_listen_options){.from_fd = true, .fd = fd});
}

static void
refuses(int fd, tr_status status)
{
    assert_int_equal(listen_on(fd), status);
    assert_true(is_open(fd));
    assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
    close(fd);
}

static void
play_wrong_descriptors(void)
{
    int ends[2], listener = bound_tcp(true), connected;
    spawn_server(0);
    assert_int_equal(listen_on(-1), TR_EBADF);
    int gone = dup(0);
    close(gone);
    assert_int_equal(listen_on(gone), TR_EBADF);
    assert_int_equal(pipe(ends), 0);
    refuses(ends[0], TR_EBADFD);
    refuses(ends[1], TR_EBADFD);
    refuses(open("/dev/null", O_RDONLY), TR_EBADFD);
    refuses(open("/proc/self/stat", O_RDONLY), TR_EBADFD);
    refuses(socket(AF_INET, SOCK_DGRAM, 0), TR_EBADFD);
    refuses(socket(AF_UNIX, SOCK_SEQPACKET, 0), TR_EBADFD);
    refuses(socket(AF_INET, SOCK_STREAM, 0), TR_EBADFD);
    refuses(socket(AF_INET6, SOCK_STREAM, 0), TR_EBADFD);
    refuses(socket(AF_UNIX, SOCK_STREAM, 0), TR_EBADFD);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    refuses(ends[0], TR_EBADFD);
    refuses(ends[1], TR_EBADFD);
    connected = tests_peer_connect(port_of(listener));
    refuses(accept(listener, NULL, NULL), TR_EBADFD);
    refuses(connected, TR_EBADFD);
    assert_false(tr_server_listening(servers[0]));
    assert_int_equal(listen_on(listener), TR_OK); /* it is as good as new */
    assert_int_equal(tr_server_listen(spawn_server(1), &(struct tr_listen_options){.from_fd = true, .fd = listener}),
                     TR_EEXIST);
    assert_int_equal(tr_server_pause(servers[0], 0), TR_OK);
    assert_int_equal(tr_server_listen(servers[1], &(struct tr_listen_options){.from_fd = true, .fd = listener}),
                     TR_EEXIST); /* though nobody looks at it */
    stage_end();
}

static void
what_is_no_bound_stream_socket_is_refused_and_left_alone(void **state)
{
    (void)state;
    stage_play(1, play_wrong_descriptors);
}

/* Two descriptors that are bound to one port, the other one on all addresses: that can be as long as neither listens,
 * then only one can. Other programs may use the port on other addresses; then it is another port. */
static int
bound_with_clash(int *clash)
{
    int one = 1, zero = 0;
    for (unsigned ports = 0; ports < 100; ports++) {
        int fd = bound_tcp(false);
        struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port_of(fd))};
        *clash = socket(AF_INET6, SOCK_STREAM, 0);
        setsockopt(*clash, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        setsockopt(*clash, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
        if (bind(*clash, (struct sockaddr *)&any, sizeof(any)) == 0)
            return fd;
        close(*clash);
        close(fd);
    }
    fail_msg("no port is free on all addresses");
    return -1;
}

static void
from_outside_a_descriptor_is_taken_on_success_only(void **state)
{
    (void)state;
    tr_runtime *runtime;
    struct tr_server_options options = {.connection = say_name, .data = "0"};
    struct tr_address address;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &runtime), TR_OK);
    int clash, fd = bound_with_clash(&clash), other = socket(AF_INET, SOCK_STREAM, 0), before = tests_open_fds();
    struct tr_listen_options wrong = {.from_fd = true, .fd = fd, .backlog = -1};
    assert_int_equal(tr_runtime_listen(runtime, &options, &wrong, NULL, NULL), TR_EBADLIMIT);
    wrong = (struct tr_listen_options){.from_fd = true, .fd = other};
    assert_int_equal(tr_runtime_listen(runtime, &options, &wrong, NULL, NULL), TR_EBADFD);
    assert_true(is_open(other));

    struct tr_listen_options listen_options = {.from_fd = true, .fd = fd};
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen_options, NULL, &address), TR_OK);
    assert_int_equal(tests_open_fds(), before); /* the duplicate in its place */
    int peer = tests_peer_connect(address.port);
    char word;
    assert_int_equal(tests_peer_receive(peer, &word, 1), 1);
    close(peer);
    listen_options.fd = clash;
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen_options, NULL, NULL), TR_EADDRINUSE);
    assert_true(is_open(clash));
    assert_false(fcntl(clash, F_GETFL) & O_NONBLOCK); /* it is as it was */
    close(clash);
    close(other);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_descriptor_that_is_bound_can_be_listened_on, words_reset),
        cmocka_unit_test_setup(a_descriptor_that_listens_already_can_be_listened_on, words_reset),
        cmocka_unit_test_setup(the_path_of_a_descriptor_is_left_to_who_bound_it, words_reset),
        cmocka_unit_test_setup(what_is_no_bound_stream_socket_is_refused_and_left_alone, words_reset),
        cmocka_unit_test(from_outside_a_descriptor_is_taken_on_success_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
