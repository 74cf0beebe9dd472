/*
 * The life of a socket: spawned, connected, closed; and which sockets keep a program alive.
 *
 * The far end is a raw descriptor, accepted when the socket says that it is ready.
 */
#include "cast.h"
#include "helpers.h"
#include "life_play.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* Not connected. */

static void
destroy_untouched(void *argument)
{
    (void)argument;
    assert_string_equal(client.log, "");
    tr_socket_destroy(client.socket, TR_OK);
}

static void
play_spawned(void)
{
    tr_socket *out;
    struct tr_socket_options bad = {.encoding = (enum tr_encoding)77};
    assert_int_equal(tr_socket_spawn(NULL, NULL, &out), TR_EINVAL);
    assert_int_equal(tr_socket_spawn(director, NULL, NULL), TR_EINVAL);
    assert_int_equal(tr_socket_spawn(director, &bad, &out), TR_EBADENCODING);
    spawn_client((struct tr_socket_options){.timeout_ms = 1000, .no_delay = true});
    assert_true(tr_socket_pending(client.socket));
    assert_false(tr_socket_connecting(client.socket));
    assert_false(tr_socket_destroyed(client.socket));
    assert_string_equal(state_of(client.socket), "open");
    assert_int_equal(tr_socket_server(client.socket), TR_NOBODY);
    assert_int_equal(tr_socket_connect(client.socket, NULL), TR_EINVAL);
    tr_socket_pause(client.socket);
    tr_socket_resume(client.socket);
    stage_settled(destroy_untouched, NULL);
    end_when_closed();
}

static void
a_socket_that_is_not_connected_waits_and_can_be_destroyed(void **state)
{
    (void)state;
    stage_play(1, play_spawned);
    assert_string_equal(client.log, "close");
}

/* States. */

static char words[128];

static void
word(void)
{
    strcat(words, state_of(kept_socket));
    strcat(words, " ");
}

static void
ends_then(void *argument)
{
    (void)argument;
    tr_socket_end(kept_socket);
    word();
    close(peer.fd);
}

static void
says_states(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "ready")) {
        assert_false(tr_socket_pending(kept_socket));
        assert_false(tr_socket_connecting(kept_socket));
        peer.fd = tests_peer_accept(raw_listener);
        stage_settled(ends_then, NULL);
    }
    word();
}

static void
play_states(void)
{
    words[0] = '\0';
    client.hook = says_states;
    spawn_client((struct tr_socket_options){0});
    word();
    assert_int_equal(connect_client(), TR_OK);
    assert_true(tr_socket_pending(kept_socket));
    assert_true(tr_socket_connecting(kept_socket));
    word();
    end_when_closed();
}

static void
the_ready_state_of_a_client_goes_through_the_documents_words(void **state)
{
    (void)state;
    stage_play(1, play_states);
    assert_string_equal(client.log, "connect ready end close");
    assert_string_equal(words, "open opening open open readOnly closed closed ");
    assert_string_equal(tr_ready_state_name((enum tr_ready_state)99), "closed");
}

static void
write_only_then_end(struct endpoint *self, const char *event)
{
    if (is(event, "ready")) {
        peer.fd = tests_peer_accept(raw_listener);
        shutdown(peer.fd, SHUT_WR);
    }
    if (is(event, "end")) {
        assert_string_equal(state_of(self->socket), "writeOnly");
        assert_int_equal(tr_socket_end_with(self->socket, tr_slice_constant("last", 4)), TR_OK);
        assert_string_equal(state_of(self->socket), "closed");
        stage_read(&peer);
    }
}

static void
play_write_only(void)
{
    client.hook = write_only_then_end;
    spawn_client((struct tr_socket_options){.allow_half_open = true});
    assert_int_equal(connect_client(), TR_OK);
    end_when_done();
}

static void
a_half_open_socket_is_write_only_after_the_peers_end(void **state)
{
    (void)state;
    stage_play(1, play_write_only);
    assert_string_equal(client.log, "connect ready end close");
    assert_string_equal(peer.text, "last");
}

/* Connecting when it is not time to. */

static void
connects_too_often(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "connect"))
        assert_int_equal(connect_client(), TR_EISCONN);
    if (!is(event, "ready"))
        return;
    peer.fd = tests_peer_accept(raw_listener);
    assert_int_equal(connect_client(), TR_EISCONN);
    tr_socket_destroy(kept_socket, TR_OK);
    assert_int_equal(connect_client(), TR_EDESTROYED);
    close(peer.fd);
}

static void
play_connects_too_often(void)
{
    client.hook = connects_too_often;
    spawn_client((struct tr_socket_options){0});
    assert_int_equal(connect_client(), TR_OK);
    assert_int_equal(connect_client(), TR_EALREADY);
    end_when_closed();
}

static void
a_socket_that_is_busy_is_not_connected_again(void **state)
{
    (void)state;
    stage_play(1, play_connects_too_often);
    assert_string_equal(client.log, "connect ready close");
}

/* The document of v0.2: server-side streams tell `connect`, too. */
static void
play_emit_connect(void)
{
    client.hook = ends_when_ready;
    stage_serve((struct tr_server_options){.socket.emit_connect = true});
    stage_connect(&client);
    struct endpoint *both[] = {&client, &accepted[0]};
    stage_end_when_closed(both, 2);
}

static void
an_accepted_socket_tells_connect_if_asked_to(void **state)
{
    (void)state;
    stage_play(1, play_emit_connect);
    assert_string_equal(accepted[0].log, "accepted connect ready end close");
}

/* Types. */

static void
is_destroyed_when_ready(struct endpoint *self, const char *event)
{
    if (is(event, "ready"))
        tr_socket_destroy(self->socket, TR_OK);
}

static void
play_types(void)
{
    struct tr_socket_options tcp4 = {.type = TR_SOCKET_TCP4, .events = &endpoint_events, .data = &client};
    struct tr_socket_options tcp6 = {.type = TR_SOCKET_TCP6};
    struct tr_connect_options to4 = {.host = "127.0.0.1", .port = stage_port};
    struct tr_connect_options to6 = {.host = "::1", .port = stage_port};
    struct tr_connect_options name6 = {.host = "localhost", .port = stage_port, .family = TR_FAMILY_IPV6};
    struct tr_connect_options name = {.host = "localhost", .port = stage_port};
    assert_int_equal(tr_connect(director, &tcp4, &to6, NULL), TR_EBADADDRESS);
    assert_int_equal(tr_connect(director, &tcp4, &name6, NULL), TR_EBADADDRESS);
    assert_int_equal(tr_connect(director, &tcp6, &to4, NULL), TR_EBADADDRESS);
    client.hook = is_destroyed_when_ready;
    assert_int_equal(tr_connect(director, &tcp4, &name, &client.socket), TR_OK);
    end_when_closed();
}

static void
the_type_of_a_socket_decides_which_family_it_looks_for(void **state)
{
    (void)state;
    stage_play(1, play_types);
    assert_string_equal(client.log, "lookup:localhost:127.0.0.1 connect ready close");
}

/* What keeps a program alive. */

static void *
wait_idle(void *argument)
{
    int *result = argument;
    __atomic_store_n(result, tr_runtime_wait_idle(stage_runtime), __ATOMIC_SEQ_CST);
    return NULL;
}

static bool
is_zero(void *argument)
{
    return __atomic_load_n((int *)argument, __ATOMIC_SEQ_CST) == 0;
}

static unsigned is_connected; /* atomic */

static bool
has_connected(void *argument)
{
    (void)argument;
    return __atomic_load_n(&is_connected, __ATOMIC_SEQ_CST) != 0;
}

static void
connects(tr_socket *socket)
{
    (void)socket;
    __atomic_store_n(&is_connected, 1, __ATOMIC_SEQ_CST);
}

static void
goes_into_the_background(tr_socket *socket)
{
    tr_socket_set_background(socket, true);
    tr_socket_set_background(socket, true);
    connects(socket);
}

static void
comes_back(tr_socket *socket)
{
    tr_socket_set_background(socket, true);
    tr_socket_set_background(socket, false);
    connects(socket);
}

/* A wait that is over too early shows within 50 ms, or not at all: nothing is under way that could end it later. It
 * begins after the connect callback, in which a socket may be in the background for a moment. */
static void
idle_case(const struct tr_socket_events *events, bool hold, bool must_wait)
{
    pthread_t thread;
    int result = -1;
    is_connected = 0;
    struct tr_runtime_options options = {.workers = 2};
    struct tr_socket_options socket = {.events = events};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_runtime_start(&options, &stage_runtime), TR_OK);
    if (hold)
        tr_runtime_hold(stage_runtime);
    assert_int_equal(tr_runtime_connect(stage_runtime, &socket, &connect, NULL), TR_OK);
    int fd = tests_peer_accept(raw_listener);
    assert_true(tests_wait_until(has_connected, NULL, TESTS_LIMIT_MS));
    assert_int_equal(pthread_create(&thread, NULL, wait_idle, &result), 0);
    assert_true(tests_wait_until(is_zero, &result, must_wait ? 50 : TESTS_LIMIT_MS) == !must_wait);
    close(fd);
    if (hold) {
        assert_false(tests_wait_until(is_zero, &result, 50));
        tr_runtime_release(stage_runtime);
    }
    assert_true(tests_wait_until(is_zero, &result, TESTS_LIMIT_MS));
    pthread_join(thread, NULL);
    assert_int_equal(tr_runtime_stop(stage_runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

static tr_ref looking;

static void
looks_up_in_the_background(tr_socket *socket, const char *host, enum tr_family family, void *data)
{
    (void)host;
    (void)family;
    (void)data;
    tr_socket_set_background(socket, true);
    looking = tr_socket_ref(socket);
    connects(socket);
}

static void
answers_the_look_up(tr_socket *socket, tr_message *message)
{
    (void)message;
    assert_int_equal(tr_socket_looked_up(socket, &(struct tr_error){.status = TR_ENOTFOUND}, NULL, 0), TR_OK);
}

/* As in Node, whose request to connect does so. */
static void
a_connection_that_is_being_made_keeps_the_program_alive_also_in_the_background(void **state)
{
    (void)state;
    static const struct tr_socket_events events = {.message = answers_the_look_up};
    pthread_t thread;
    int result = -1;
    struct tr_socket_options socket = {.events = &events};
    struct tr_connect_options connect = {.host = "far.example", .port = 1, .lookup = looks_up_in_the_background};
    tr_message answer = tr_message_signal(1);
    is_connected = 0;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &stage_runtime), TR_OK);
    assert_int_equal(tr_runtime_connect(stage_runtime, &socket, &connect, NULL), TR_OK);
    assert_true(tests_wait_until(has_connected, NULL, TESTS_LIMIT_MS));
    assert_int_equal(pthread_create(&thread, NULL, wait_idle, &result), 0);
    assert_false(tests_wait_until(is_zero, &result, 50));
    assert_int_equal(tr_runtime_send(stage_runtime, looking, &answer), TR_OK);
    assert_true(tests_wait_until(is_zero, &result, TESTS_LIMIT_MS));
    pthread_join(thread, NULL);
    assert_int_equal(tr_runtime_stop(stage_runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

static void
an_open_socket_keeps_the_program_alive_unless_it_is_in_the_background(void **state)
{
    (void)state;
    static const struct tr_socket_events plain = {.connect = connects},
                                         background = {.connect = goes_into_the_background},
                                         foreground = {.connect = comes_back};
    idle_case(&plain, false, true);
    idle_case(&foreground, false, true);
    idle_case(&background, false, false);
}

static void
a_hold_keeps_it_alive_without_any_socket(void **state)
{
    (void)state;
    static const struct tr_socket_events plain = {.connect = connects};
    idle_case(&plain, true, true);
}

/* A unix socket has no port: one that is given is ignored, as all that is said of TCP. */

static int
listen_abstract(char *path, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int length = snprintf(path, size, "@life-%ld", (long)getpid());
    memcpy(address.sun_path + 1, path + 1, (size_t)length - 1);
    socklen_t used = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, used), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static bool
client_is_closed(void)
{
    return client.closed;
}

static void
close_descriptor(void *fd)
{
    close(*(int *)fd);
}

static void
play_path_with_port(void)
{
    char path[64];
    static int unix_listener;
    unix_listener = listen_abstract(path, sizeof(path));
    struct tr_socket_options socket = {.events = &endpoint_events, .data = &client};
    struct tr_connect_options options = {.path = path, .local_port = stage_port};
    client.hook = is_destroyed_when_ready;
    assert_int_equal(tr_connect(director, &socket, &options, &client.socket), TR_OK);
    end_when_closed();
    stage_when(client_is_closed, close_descriptor, &unix_listener);
}

static void
a_path_has_no_local_port(void **state)
{
    (void)state;
    stage_play(1, play_path_with_port);
    assert_string_equal(client.log, "connect ready close");
}

int
main(void)
{
#define RAW_TEST(name) cmocka_unit_test_setup_teardown(name, listen_raw, stop_listening)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_socket_that_is_not_connected_waits_and_can_be_destroyed, cast_reset),
        RAW_TEST(the_ready_state_of_a_client_goes_through_the_documents_words),
        RAW_TEST(a_half_open_socket_is_write_only_after_the_peers_end),
        RAW_TEST(a_socket_that_is_busy_is_not_connected_again),
        cmocka_unit_test_setup(an_accepted_socket_tells_connect_if_asked_to, cast_reset),
        RAW_TEST(the_type_of_a_socket_decides_which_family_it_looks_for),
        RAW_TEST(an_open_socket_keeps_the_program_alive_unless_it_is_in_the_background),
        RAW_TEST(a_connection_that_is_being_made_keeps_the_program_alive_also_in_the_background),
        RAW_TEST(a_hold_keeps_it_alive_without_any_socket),
        RAW_TEST(a_path_has_no_local_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
