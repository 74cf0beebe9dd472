/*
 * The calls of remote.h one by one: what is refused at once, what goes along as a copy, and what becomes of an
 * operation that the socket refuses.
 */
#include "cast.h"
#include "helpers.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

#define NO_WORKER ((tr_ref)UINT64_MAX) /* the name of an actor that no runtime of these tests can have */

static tr_ref socket_ref;

static void
open_client(struct tr_socket_options options)
{
    cast_open(options);
    socket_ref = tr_socket_ref(client.socket);
}

static void
closes_peer(struct endpoint *self, const char *event)
{
    (void)self;
    if (strcmp(event, "close") == 0 && peer.fd >= 0)
        close(peer.fd);
}

static void
end_when_client_is_closed(void)
{
    client.hook = closes_peer;
    end_when_closed();
}

/* Refused at once. */

static void
play_refusals(void)
{
    struct tr_owner nobodys = {.actor = NO_WORKER};
    open_client((struct tr_socket_options){0});
    assert_int_equal(tr_remote_set_encoding(director, socket_ref, (enum tr_encoding)99), TR_EBADENCODING);
    assert_int_equal(tr_remote_set_owner(director, socket_ref, &nobodys), TR_EBADREF);
    assert_int_equal(tr_remote_pipe(director, socket_ref, NO_WORKER, NULL), TR_EBADREF);
    assert_int_equal(tr_remote_pipe(director, socket_ref, TR_NOBODY, NULL), TR_EBADREF);
    assert_int_equal(tr_remote_set_timeout(director, socket_ref, UINT64_C(1) << 31), TR_EBADLIMIT);
    assert_int_equal(tr_remote_set_timeout(director, socket_ref, (UINT64_C(1) << 31) - 1), TR_OK);
    stage_settled(cast_end, NULL);
}

static void
what_is_wrong_is_refused_at_once_and_the_socket_does_not_notice(void **state)
{
    (void)state;
    stage_play(1, play_refusals);
    assert_string_equal(client.log, "close");
}

static void
play_options(void)
{
    tr_socket *socket;
    struct tr_socket_options delay = {.keep_alive_delay_ms = UINT64_C(32767001)};
    struct tr_socket_options encoding = {.encoding = (enum tr_encoding)99};
    tr_ref ref;
    assert_int_equal(tr_socket_spawn(director, &delay, &socket), TR_EBADLIMIT);
    assert_int_equal(tr_remote_socket(director, &delay, NULL, &ref), TR_EBADLIMIT);
    assert_int_equal(tr_socket_spawn(director, &encoding, &socket), TR_EBADENCODING);
    assert_int_equal(tr_remote_socket(director, &encoding, NULL, &ref), TR_EBADENCODING);
    stage_end();
}

static void
options_that_are_wrong_are_refused_at_once(void **state)
{
    (void)state;
    stage_play(1, play_options);
}

/* Copies. */

static bool
is_connected(void)
{
    return strstr(client.log, "ready") != NULL;
}

static tr_server *server;

static void
finish_with_server(void *argument)
{
    tr_server_close(server);
    cast_end(argument);
}

static void
take_socket(tr_socket *socket)
{
    client.socket = socket;
    note(&client, "ready");
}

static void
spawn_from_afar(void)
{
    static struct tr_socket_events events;
    events = endpoint_events;
    events.ready = take_socket;
    struct tr_socket_options options = {.events = &events, .data = &client};
    assert_int_equal(tr_remote_socket(director, &options, NULL, &socket_ref), TR_OK);
}

static void
play_copied_host(void)
{
    char host[] = "127.0.0.1";
    server = stage_serve((struct tr_server_options){0});
    spawn_from_afar();
    struct tr_connect_options connect = {.host = host, .port = stage_port};
    assert_int_equal(tr_remote_connect(director, socket_ref, &connect), TR_OK);
    memcpy(host, "no host!!", sizeof(host));
    stage_settled_when(is_connected, finish_with_server, NULL);
}

static void
the_host_to_connect_to_may_change_at_once(void **state)
{
    (void)state;
    stage_play(1, play_copied_host);
    assert_string_equal(client.log, "connect ready close");
}

static char directory[80];
static int listener;

static void
close_listener(void *argument)
{
    close(listener);
    cast_end(argument);
}

static void
play_copied_path(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    spawn_from_afar();
    struct tr_connect_options connect = {.path = address.sun_path};
    assert_int_equal(tr_remote_connect(director, socket_ref, &connect), TR_OK);
    memset(address.sun_path, 'x', sizeof(address.sun_path) - 1);
    stage_settled_when(is_connected, close_listener, NULL);
}

static void
the_path_to_connect_to_may_change_at_once(void **state)
{
    (void)state;
    assert_true(tests_directory_make(directory, sizeof(directory)));
    stage_play(1, play_copied_path);
    tests_directory_remove(directory);
    assert_string_equal(client.log, "connect ready close");
}

static void
answers_from_afar(tr_socket *socket, const char *host, enum tr_family family, void *data)
{
    static const char code[] = "EHAVENONE";
    struct tr_error error = {.status = TR_EUSER, .code = code};
    (void)host, (void)family, (void)data;
    assert_int_equal(tr_remote_looked_up(director, tr_socket_ref(socket), &error, NULL, 0), TR_OK);
    memset(&error, 0, sizeof(error));
}

static void
play_copied_error(void)
{
    struct tr_socket_options options = {.events = &endpoint_events, .data = &client};
    struct tr_connect_options connect = {.host = "example.org", .port = 1, .lookup = answers_from_afar};
    assert_int_equal(tr_connect(director, &options, &connect, &client.socket), TR_OK);
    end_when_client_is_closed();
}

static void
the_error_of_a_look_up_goes_along_with_its_code(void **state)
{
    (void)state;
    stage_play(1, play_copied_error);
    assert_string_equal(client.log, "lookup:example.org:ERR_USER EHAVENONE close!");
}

/* The lowest descriptor that is free now is the one that the call takes. */
static int
free_descriptor(void)
{
    int fd = dup(STDIN_FILENO);
    close(fd);
    return fd;
}

static void
play_duplicate(void)
{
    open_client((struct tr_socket_options){0});
    int copy = free_descriptor();
    assert_int_equal(tr_remote_write_fd(director, socket_ref, slice_of("x"), STDIN_FILENO), TR_OK);
    assert_int_equal(fcntl(copy, F_GETFD), FD_CLOEXEC);
    stage_settled(cast_end, NULL);
}

static void
the_duplicate_of_a_descriptor_that_goes_along_is_closed_on_exec(void **state)
{
    (void)state;
    stage_play(1, play_duplicate);
}

/* What the socket refuses. */

static void
order_two_writes(tr_status (*second)(tr_actor *self, tr_ref socket, tr_slice slice))
{
    open_client((struct tr_socket_options){.write_limit = 4});
    assert_int_equal(tr_remote_cork(director, socket_ref), TR_OK);
    assert_int_equal(tr_remote_write(director, socket_ref, slice_of("1234")), TR_OK);
    assert_int_equal(second(director, socket_ref, slice_of("5678")), TR_OK);
    end_when_client_is_closed();
}

static void
play_refused_write(void)
{
    order_two_writes(tr_remote_write);
}

static void
play_refused_last_write(void)
{
    order_two_writes(tr_remote_end_with);
}

static void
a_write_that_the_limit_refuses_destroys_the_socket(void **state)
{
    (void)state;
    stage_play(1, play_refused_write);
    assert_string_equal(client.log, "ERR_WRITE_LIMIT close!");
    assert_string_equal(client.call, "write");
}

static void
a_last_write_that_the_limit_refuses_destroys_the_socket(void **state)
{
    (void)state;
    stage_play(1, play_refused_last_write);
    assert_string_equal(client.log, "ERR_WRITE_LIMIT close!");
}

static void
play_reset_of_a_unix_socket(void)
{
    open_client((struct tr_socket_options){0});
    assert_int_equal(tr_remote_reset(director, socket_ref), TR_OK);
    end_when_client_is_closed();
}

static void
a_reset_of_what_is_not_tcp_destroys_it_as_by_destroy(void **state)
{
    (void)state;
    stage_play(1, play_reset_of_a_unix_socket);
    assert_int_equal(client.error, TR_EBADHANDLE);
    assert_string_equal(client.call, "destroy");
}

static void
play_connect_of_a_connected(void)
{
    open_client((struct tr_socket_options){0});
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = 1};
    assert_int_equal(tr_remote_connect(director, socket_ref, &connect), TR_OK);
    stage_settled(cast_end, NULL);
}

static void
a_socket_that_is_connected_continues_when_it_is_to_connect(void **state)
{
    (void)state;
    stage_play(1, play_connect_of_a_connected);
    assert_string_equal(client.log, "close");
}

/* Of a type that this address has not: the socket refuses, and whoever asked waits for an error. */
static void
connect_closed(void *argument)
{
    struct tr_connect_options connect = {.path = "/nobody"};
    (void)argument;
    assert_int_equal(tr_remote_connect(director, socket_ref, &connect), TR_OK);
}

static bool
is_closed_twice(void)
{
    const char *first = strstr(client.log, "close");
    return first != NULL && strstr(first + 1, "close") != NULL;
}

static bool
client_is_closed(void)
{
    return client.closed;
}

static void
exit_client(void *argument)
{
    (void)argument;
    assert_int_equal(tr_stop(director, socket_ref, TR_STOP_NOW), TR_OK);
    stage_end();
}

static void
play_connect_of_a_closed(void)
{
    struct tr_socket_options options = {.keep = true, .type = TR_SOCKET_TCP4};
    options.events = &endpoint_events;
    options.data = &client;
    assert_int_equal(tr_socket_spawn(director, &options, &client.socket), TR_OK);
    socket_ref = tr_socket_ref(client.socket);
    tr_socket_destroy(client.socket, TR_OK);
    stage_settled_when(client_is_closed, connect_closed, NULL);
    stage_settled_when(is_closed_twice, exit_client, NULL);
}

static void
a_connect_that_a_closed_socket_refuses_fails_in_a_new_life(void **state)
{
    (void)state;
    stage_play(1, play_connect_of_a_closed);
    assert_int_equal(client.error, TR_EBADADDRESS);
    assert_true(strncmp(client.log, "close ", 6) == 0 && strstr(client.log, "close!") != NULL);
}

static int
no_delay_of(int fd)
{
    int value = -1;
    socklen_t size = sizeof(value);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
    return value;
}

static int own_fd;

static void
look_at_no_delay(void *argument)
{
    (void)argument;
    assert_int_equal(no_delay_of(own_fd), 0);
    cast_end(NULL);
}

static void
play_no_delay(void)
{
    int fds[2];
    stage_pair(AF_INET, fds);
    own_fd = fds[0];
    peer.fd = fds[1];
    stage_adopt_as(&client, own_fd, (struct tr_socket_options){.no_delay = true});
    assert_int_not_equal(no_delay_of(own_fd), 0);
    assert_int_equal(tr_remote_set_no_delay(director, tr_socket_ref(client.socket), false), TR_OK);
    stage_settled(look_at_no_delay, NULL);
}

static void
no_delay_is_switched_on_by_the_options_and_off_from_afar(void **state)
{
    (void)state;
    stage_play(1, play_no_delay);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_wrong_is_refused_at_once_and_the_socket_does_not_notice, cast_reset),
        cmocka_unit_test_setup(options_that_are_wrong_are_refused_at_once, cast_reset),
        cmocka_unit_test_setup(the_host_to_connect_to_may_change_at_once, cast_reset),
        cmocka_unit_test_setup(the_path_to_connect_to_may_change_at_once, cast_reset),
        cmocka_unit_test_setup(the_error_of_a_look_up_goes_along_with_its_code, cast_reset),
        cmocka_unit_test_setup(the_duplicate_of_a_descriptor_that_goes_along_is_closed_on_exec, cast_reset),
        cmocka_unit_test_setup(a_write_that_the_limit_refuses_destroys_the_socket, cast_reset),
        cmocka_unit_test_setup(a_connect_that_a_closed_socket_refuses_fails_in_a_new_life, cast_reset),
        cmocka_unit_test_setup(a_last_write_that_the_limit_refuses_destroys_the_socket, cast_reset),
        cmocka_unit_test_setup(a_reset_of_what_is_not_tcp_destroys_it_as_by_destroy, cast_reset),
        cmocka_unit_test_setup(a_socket_that_is_connected_continues_when_it_is_to_connect, cast_reset),
        cmocka_unit_test_setup(no_delay_is_switched_on_by_the_options_and_off_from_afar, cast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
