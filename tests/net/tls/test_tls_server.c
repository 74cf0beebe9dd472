/*
 * Secure servers: in which order a connection is told of, what it can see, and what is refused.
 */
#include "cast.h"
#include "helpers.h"
#include "socket_state.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <troupe/net/remote.h>

static struct tr_server_options options;
static struct tr_tls_options client_tls;
static tr_server *server;

static int
reset(void **state)
{
    cast_reset(state);
    options = (struct tr_server_options){0};
    client_tls = (struct tr_tls_options){.server_name = "server.example"};
    return 0;
}

static int
leave(void **state)
{
    return tls_leaves_no_errors(state);
}

static void
play_with(const struct tr_tls_context_options *of_server, const struct tr_tls_context_options *of_client,
          void (*script)(void))
{
    tr_tls_context *serving = tls_make(of_server), *calling = tls_make(of_client);
    options.tls.context = serving;
    client_tls.context = calling;
    stage_play(1, script);
    tr_tls_context_release(serving);
    tr_tls_context_release(calling);
}

static void
play(void (*script)(void))
{
    struct tr_tls_context_options of_server = tls_server("server"), of_client = tls_client("ca");
    play_with(&of_server, &of_client, script);
}

static bool
both_are_closed(void)
{
    return client.closed && accepted[0].closed;
}

static void
close_server(void *argument)
{
    (void)argument;
    tr_server_close(server);
    stage_end();
}

static void
greets(struct endpoint *self, const char *event)
{
    if (!is(event, "accepted"))
        return;
    note(self, tr_socket_secure(self->socket) ? "is-secure" : "is-plain");
    assert_true(say(self->socket, "hello") >= TR_OK);
}

static void
ends_after_data(struct endpoint *self, const char *event)
{
    if (self == &client && is(event, "data"))
        tr_socket_end_with(self->socket, text_slice("bye"));
}

static void
play_connection(void)
{
    accepted[0].hook = greets;
    client.hook = ends_after_data;
    server = stage_serve(options);
    stage_connect_with(&client, (struct tr_connect_options){.tls = &client_tls});
    stage_settled_when(both_are_closed, close_server, NULL);
}

static void
connection_comes_after_the_handshake_and_nothing_else_of_it(void **state)
{
    (void)state;
    play(play_connection);
    assert_string_equal(client.log, "connect secure ready data:hello end close");
    assert_string_equal(accepted[0].log, "accepted is-secure data:bye end close");
}

static void
with_emit_connect_come_connect_secure_and_ready(void **state)
{
    (void)state;
    options.socket.emit_connect = true;
    play(play_connection);
    assert_string_equal(client.log, "connect secure ready data:hello end close");
    assert_string_equal(accepted[0].log, "accepted is-secure connect secure ready data:bye end close");
}

/* What it can see. */

static struct tr_tls_info info;
static char common_name[64];
static uint64_t number;

static void
looks_around(struct endpoint *self, const char *event)
{
    struct tr_peer *shown;
    greets(self, event);
    if (!is(event, "accepted"))
        return;
    number = tr_socket_number(self->socket);
    assert_int_equal(tr_socket_tls_info(self->socket, &info), TR_OK);
    assert_true(tr_socket_verify_peer(self->socket));
    assert_int_equal(tr_socket_peer(self->socket, &shown), TR_OK);
    snprintf(common_name, sizeof(common_name), "%s", shown->chain[0].subject[0].value);
    tr_peer_free(shown);
}

static void
play_looking(void)
{
    play_connection();
    accepted[0].hook = looks_around;
}

static void
connection_can_look_at_its_peer_already(void **state)
{
    (void)state;
    struct tr_tls_context_options of_server = tls_server("server"), of_client = tls_client("ca");
    of_server.ca = tls_pem("ca");
    of_server.ca_count = 1;
    of_server.verify = TR_TLS_VERIFY_REQUIRE;
    of_client.identities = tls_identity("client");
    of_client.identity_count = 1;
    play_with(&of_server, &of_client, play_looking);
    assert_string_equal(common_name, "client");
    assert_string_equal(info.server_name, "server.example");
    assert_int_equal(info.version, TR_TLS_1_3);
    assert_int_equal(number, 1);
    assert_string_equal(accepted[0].log, "accepted is-secure data:bye end close");
}

/* Nagle's algorithm. */

static unsigned looks;

static int
no_delay_of(const tr_socket *socket)
{
    int no_delay = -1;
    socklen_t size = sizeof(no_delay);
    assert_int_equal(getsockopt(socket->fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
    return no_delay;
}

static void
looks_for_delay(struct endpoint *self, const char *event)
{
    greets(self, event);
    ends_after_data(self, event);
    if (!is(event, self == &client ? "secure" : "accepted"))
        return;
    looks++;
    assert_int_not_equal(no_delay_of(self->socket), 0);
    assert_int_equal(tr_socket_set_no_delay(self->socket, false), TR_OK);
    assert_int_equal(no_delay_of(self->socket), 0);
}

static void
play_delay(void)
{
    play_connection();
    client.hook = accepted[0].hook = looks_for_delay;
}

static void
secure_sockets_send_without_delay_until_they_are_told_otherwise(void **state)
{
    (void)state;
    looks = 0;
    play(play_delay);
    assert_int_equal(looks, 2);
    assert_string_equal(client.log, "connect secure ready data:hello end close");
}

/* Ends. */

static void
breaks_off(struct endpoint *self, const char *event)
{
    if (is(event, "ready"))
        tr_socket_destroy(self->socket, TR_OK);
}

static void
play_truncation(void)
{
    play_connection();
    accepted[0].hook = NULL;
    client.hook = breaks_off;
}

static void
a_stream_that_is_cut_is_an_error_if_the_server_asks_for_that(void **state)
{
    play(play_truncation);
    assert_string_equal(accepted[0].log, "accepted end close");
    reset(state);
    options.tls.truncation_fails = true;
    play(play_truncation);
    assert_string_equal(accepted[0].log, "accepted ERR_TLS_TRUNCATED close!");
}

static void
ends_at_once(struct endpoint *self, const char *event)
{
    if (is(event, "accepted"))
        tr_socket_end_with(self->socket, text_slice("bye"));
}

static void
play_short(void)
{
    play_connection();
    accepted[0].hook = ends_at_once;
    client.hook = NULL;
}

static void
what_connection_writes_and_ends_comes_after_secure(void **state)
{
    for (int emits = 0; emits < 2; emits++) {
        reset(state);
        options.socket.emit_connect = emits != 0;
        play(play_short);
        assert_string_equal(client.log, "connect secure ready data:bye end close");
        assert_string_equal(accepted[0].log,
                            emits != 0 ? "accepted connect secure ready end close" : "accepted end close");
    }
}

static void
destroys_in_connect(struct endpoint *self, const char *event)
{
    if (is(event, "accepted"))
        assert_true(say(self->socket, "secret") >= TR_OK);
    if (is(event, "connect"))
        tr_socket_destroy(self->socket, TR_OK);
}

static void
play_destroyed(void)
{
    play_connection();
    accepted[0].hook = destroys_in_connect;
}

static void
who_is_destroyed_before_secure_has_sent_nothing(void **state)
{
    (void)state;
    options.socket.emit_connect = true;
    play(play_destroyed);
    assert_string_equal(accepted[0].log, "accepted connect close");
    assert_null(strstr(client.log, "data"));
}

/* A unix socket. */

static char directory[80], path[100];

static void
play_path(void)
{
    struct tr_listen_options listen = {.path = path};
    accepted[0].hook = greets;
    client.hook = ends_after_data;
    options.connection = stage_on_connection;
    options.socket.events = &endpoint_events;
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    struct tr_socket_options socket = {.events = &endpoint_events, .data = &client};
    struct tr_connect_options to = {.path = path, .tls = &client_tls};
    assert_int_equal(tr_connect(director, &socket, &to, &client.socket), TR_OK);
    stage_settled_when(both_are_closed, close_server, NULL);
}

static void
a_path_can_be_secure_too(void **state)
{
    (void)state;
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(path, sizeof(path), "%s/s", directory);
    play(play_path);
    tests_directory_remove(directory);
    assert_string_equal(client.log, "connect secure ready data:hello end close");
    assert_string_equal(accepted[0].log, "accepted is-secure data:bye end close");
}

/* An owner. */

static char heard[64];
static struct tr_secured secured;
static bool has_heard_all;

static void
hears(tr_actor *self, void *state, tr_message *message)
{
    static const char letters[TR_EVENTS] = {
        [TR_EVENT_CONNECTION] = 'n', [TR_EVENT_CONNECT] = 'c', [TR_EVENT_READY] = 'r', [TR_EVENT_DATA] = 'd',
        [TR_EVENT_END] = 'e',        [TR_EVENT_CLOSE] = 'x',   [TR_EVENT_SECURE] = 's'};
    enum tr_event event;
    (void)state;
    if (!tr_event_of(message, &event))
        return;
    size_t used = strlen(heard);
    snprintf(heard + used, sizeof(heard) - used, "%c", letters[event] != 0 ? letters[event] : '?');
    if (event == TR_EVENT_CONNECTION)
        tr_remote_write(self, message->from, text_slice("hello"));
    if (event == TR_EVENT_SECURE)
        memcpy(&secured, tr_message_data(message), sizeof(secured));
    has_heard_all |= event == TR_EVENT_CLOSE;
    tr_remote_credit(self, message->from, 1);
}

static bool
owner_has_heard_all(void)
{
    return has_heard_all && client.closed;
}

static void
play_owned(void)
{
    static const struct tr_behavior owner = {.name = "owner", .receive = hears};
    tr_ref ref;
    client.hook = ends_after_data;
    assert_int_equal(tr_spawn(director, &owner, NULL, &ref), TR_OK);
    options.socket.owner = (struct tr_owner){.actor = ref, .credit = 1};
    server = stage_serve(options);
    stage_connect_with(&client, (struct tr_connect_options){.tls = &client_tls});
    stage_settled_when(owner_has_heard_all, close_server, NULL);
}

static void
an_owner_is_told_the_same_in_the_same_order(void **state)
{
    for (int emits = 0; emits < 2; emits++) {
        reset(state);
        heard[0] = '\0';
        has_heard_all = false;
        options.socket.emit_connect = emits != 0;
        play(play_owned);
        assert_string_equal(heard, emits != 0 ? "ncsrdex" : "ndex");
        assert_string_equal(client.log, "connect secure ready data:hello end close");
    }
    assert_int_equal(secured.result, TR_ENOENT); /* the client was asked for nothing */
    assert_int_equal(secured.version, TR_TLS_1_3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, leave)
        TEST(connection_comes_after_the_handshake_and_nothing_else_of_it),
        TEST(with_emit_connect_come_connect_secure_and_ready),
        TEST(connection_can_look_at_its_peer_already),
        TEST(secure_sockets_send_without_delay_until_they_are_told_otherwise),
        TEST(a_stream_that_is_cut_is_an_error_if_the_server_asks_for_that),
        TEST(what_connection_writes_and_ends_comes_after_secure),
        TEST(who_is_destroyed_before_secure_has_sent_nothing),
        TEST(a_path_can_be_secure_too),
        TEST(an_owner_is_told_the_same_in_the_same_order),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
