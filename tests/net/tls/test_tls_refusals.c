/*
 * Handshakes of sockets that fail: who the peer was, if it was refused for its certificate; and those that have failed
 * before tr_socket_set_secure() returns, or that the program ends in the middle.
 */
#include "cast.h"
#include "socket_state.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static struct tr_tls_context_options of_client, of_server;
static struct tr_tls_options client_tls, server_tls;
static tr_server *server;

/* What was seen in an event. */
struct sight {
    unsigned events; /* in which it was looked */
    tr_status result, peer;
    const char *code;
    bool secure, verified;
    char name[64];
    unsigned chain;
};
static struct sight at_client, at_server;

static int
reset(void **state)
{
    cast_reset(state);
    of_client = tls_client("ca");
    of_server = tls_server("server");
    client_tls = (struct tr_tls_options){.server_name = "server.example"};
    server_tls = (struct tr_tls_options){0};
    at_client = at_server = (struct sight){0};
    return 0;
}

static int
leave(void **state)
{
    return tls_leaves_no_errors(state);
}

static void
play(void (*script)(void))
{
    server_tls.context = tls_make(&of_server);
    client_tls.context = tls_make(&of_client);
    stage_play(1, script);
    tr_tls_context_release(server_tls.context);
    tr_tls_context_release(client_tls.context);
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
look_at_peer(const tr_socket *socket, struct sight *sight)
{
    struct tr_peer *shown;
    sight->peer = tr_socket_peer(socket, &shown);
    if (sight->peer != TR_OK)
        return;
    assert_true(shown->verified == sight->verified && shown->result == sight->result);
    assert_true(shown->code == sight->code); /* a constant, and NULL if nothing is wrong */
    snprintf(sight->name, sizeof(sight->name), "%s", shown->chain[0].subject[0].value);
    sight->chain = shown->count;
    tr_peer_free(shown);
}

/* In close it is to be what it was in error. */
static void
look(const struct endpoint *self, const char *event, struct sight *sight)
{
    if (!is(event, "error") && !is(event, "close") && !is(event, "close!"))
        return;
    struct sight now = {.events = sight->events + 1};
    now.result = tr_socket_verify_result(self->socket, &now.code);
    now.secure = tr_socket_secure(self->socket);
    now.verified = tr_socket_verify_peer(self->socket);
    look_at_peer(self->socket, &now);
    if (sight->events > 0)
        assert_true(now.result == sight->result && now.peer == sight->peer && strcmp(now.name, sight->name) == 0);
    *sight = now;
}

static void
calls(struct endpoint *self, const char *event)
{
    look(self, event, &at_client);
}

static void
serves(struct endpoint *self, const char *event)
{
    if (is(event, "accepted"))
        assert_int_equal(tr_socket_set_secure(self->socket, &server_tls), TR_OK);
    look(self, event, &at_server);
}

static void
connect_both(void)
{
    client.hook = calls;
    accepted[0].hook = serves;
    server = stage_serve((struct tr_server_options){0});
    stage_connect_with(&client, (struct tr_connect_options){.tls = &client_tls});
}

static void
play_connect(void)
{
    connect_both();
    stage_settled_when(both_are_closed, close_server, NULL);
}

/* Who was refused. */

static const struct {
    const char *identity, *authority, *name, *code;
    tr_status status;
} wrong[] = {
    {"server", "ca", "other.example", "ERR_TLS_CERT_ALTNAME_INVALID", TR_EALTNAME},
    {"self", "ca", "server.example", "DEPTH_ZERO_SELF_SIGNED_CERT", TR_ESELFSIGNED},
    {"unknown", "ca", "server.example", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", TR_EUNVERIFIED},
    {"server", "ca", "127.0.0.2", "ERR_TLS_CERT_ALTNAME_INVALID", TR_EALTNAME},
};

static void
a_peer_that_is_not_the_one_is_an_error_with_nodes_code_before_secure(void **state)
{
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        reset(state);
        of_server = tls_server(wrong[i].identity);
        of_client = tls_client(wrong[i].authority);
        client_tls.server_name = wrong[i].name;
        play(play_connect);
        assert_string_equal(client.code, wrong[i].code);
        assert_int_equal(client.error, wrong[i].status);
        assert_string_equal(client.call, "handshake");
        assert_null(strstr(client.log, "secure"));
        assert_null(strstr(client.log, "ready"));
        assert_null(strstr(accepted[0].log, "data"));
    }
}

static void
in_error_and_close_one_can_look_at_a_peer_that_was_refused(void **state)
{
    for (unsigned version = TR_TLS_1_2; version <= TR_TLS_1_3; version++)
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
            reset(state);
            of_server = tls_server(wrong[i].identity);
            of_client = tls_client(wrong[i].authority);
            of_client.lowest = of_client.highest = version;
            client_tls.server_name = wrong[i].name;
            play(play_connect);
            assert_int_equal(at_client.events, 2);
            assert_int_equal(at_client.result, wrong[i].status);
            assert_string_equal(at_client.code, wrong[i].code);
            assert_int_equal(at_client.peer, TR_OK);
            assert_string_equal(at_client.name, "server.example");
            assert_true(at_client.chain == 1 && !at_client.secure && !at_client.verified);
        }
}

static void
a_server_can_look_at_a_client_that_it_refused(void **state)
{
    for (unsigned version = TR_TLS_1_2; version <= TR_TLS_1_3; version++) {
        reset(state);
        of_server.ca = tls_pem("ca");
        of_server.ca_count = 1;
        of_server.verify = TR_TLS_VERIFY_REQUIRE;
        of_client.identities = tls_identity("stranger");
        of_client.identity_count = 1;
        of_client.lowest = of_client.highest = version;
        play(play_connect);
        assert_int_equal(accepted[0].error, TR_EUNVERIFIED);
        assert_int_equal(at_server.events, 2);
        assert_true(at_server.result == TR_EUNVERIFIED && at_server.peer == TR_OK);
        assert_string_equal(at_server.name, "stranger");
        assert_false(at_server.secure || at_server.verified);
    }
}

/* A peer that has shown a good certificate, and not proved yet that it is his, must not be taken for that. */
static void
of_a_handshake_that_fails_for_another_reason_no_peer_is_told(void **state)
{
    static const char *const ours[] = {"ours"}, *const theirs[] = {"theirs"};
    for (unsigned version = TR_TLS_1_2; version <= TR_TLS_1_3; version++) {
        reset(state);
        of_server.ca = tls_pem("ca");
        of_server.ca_count = 1;
        of_server.verify = TR_TLS_VERIFY_REQUIRE; /* and the client shows none */
        of_server.lowest = of_server.highest = version;
        play(play_connect);
        assert_int_equal(accepted[0].error, TR_ETLS);
        assert_true(at_server.result == TR_ENOTCONN && at_server.peer == TR_ENOTCONN);
        assert_true(version == TR_TLS_1_3 || (at_client.result == TR_ENOTCONN && at_client.peer == TR_ENOTCONN));
        reset(state);
        of_server.lowest = of_server.highest = version;
        of_server.alpn = ours;
        of_client.alpn = theirs;
        of_server.alpn_count = of_client.alpn_count = 1;
        play(play_connect);
        assert_true(at_server.result == TR_ENOTCONN && at_client.peer == TR_ENOTCONN);
    }
}

/* Failed at once. */

static bool returned;
static tr_status written_then;

static void
is_given_what_is_no_handshake(struct endpoint *self, const char *event)
{
    if (is(event, "data")) {
        struct tr_tls_options options = server_tls;
        options.role = TR_TLS_SERVER;
        options.received = text_slice("MAIL FROM:<x>\r\n");
        returned = false;
        note(self, "asked:%s", tr_status_code(tr_socket_set_secure(self->socket, &options)));
        assert_false(tr_socket_secure(self->socket));
        assert_int_equal(tr_socket_set_secure(self->socket, &options), TR_EDESTROYED);
        written_then = tr_socket_write_then(self->socket, text_slice("more"), note_written, "more");
        returned = true;
    }
    if (is(event, "error"))
        assert_true(returned);
}

static void
says_something(struct endpoint *self, const char *event)
{
    if (is(event, "ready"))
        assert_int_equal(say(self->socket, "STARTTLS"), TR_OK);
}

static void
play_failed_at_once(void)
{
    client.hook = says_something;
    accepted[0].hook = is_given_what_is_no_handshake;
    server = stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    stage_settled_when(both_are_closed, close_server, NULL);
}

static void
a_handshake_that_has_failed_at_once_is_told_by_error_after_the_callback_that_began_it(void **state)
{
    (void)state;
    play(play_failed_at_once);
    assert_int_equal(written_then, TR_EDESTROYED);
    assert_string_equal(accepted[0].call, "handshake");
    assert_string_equal(accepted[0].log, "accepted data:STARTTLS asked:OK ERR_SSL_WRONG_VERSION_NUMBER "
                                         "more:ERR_STREAM_DESTROYED close!");
}

/* Not in a callback of the socket's own, so the events come in a turn of their own. */
static void
fails_at_once_for_another(void *argument)
{
    struct tr_tls_options options = client_tls;
    (void)argument;
    options.received = text_slice("no handshake");
    assert_int_equal(tr_socket_set_secure(client.socket, &options), TR_OK);
    note(&client, "asked");
    assert_int_equal(say(client.socket, "more"), TR_EDESTROYED);
    end_when_closed();
}

static void
play_failed_for_another(void)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    peer.fd = fds[1];
    stage_adopt(&client, fds[0]);
    stage_read(&peer);
    stage_settled(fails_at_once_for_another, NULL);
}

static void
who_begins_it_from_elsewhere_is_not_called_back_within_the_call(void **state)
{
    (void)state;
    play(play_failed_for_another);
    assert_string_equal(client.log, "asked ERR_SSL_WRONG_VERSION_NUMBER close!");
}

/* Ended in the middle of a handshake. */

static int taken[2]; /* the first has the number of the descriptor that was closed */

static tr_tls_context *
destroys_who_asks(const char *name, void *data)
{
    int number = accepted[0].socket->fd;
    (void)name;
    (void)data;
    tr_socket_destroy(accepted[0].socket, TR_EUSER);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, taken), 0);
    if (taken[0] != number) {
        assert_int_equal(dup2(taken[0], number), number);
        close(taken[0]);
        taken[0] = number;
    }
    return NULL;
}

static void
close_taken(void *argument)
{
    char byte;
    assert_int_equal(recv(taken[1], &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
    close(taken[0]);
    close(taken[1]);
    close_server(argument);
}

static void
play_destroyed(void)
{
    connect_both();
    stage_settled_when(both_are_closed, close_taken, NULL);
}

static void
a_program_that_is_asked_for_a_name_may_destroy_who_asks_and_nobody_else_gets_what_was_for_him(void **state)
{
    (void)state;
    of_server.choose = destroys_who_asks;
    play(play_destroyed);
    assert_null(strstr(accepted[0].log, "secure"));
    assert_null(strstr(client.log, "secure"));
    assert_non_null(strstr(accepted[0].log, "close!"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, leave)
        TEST(a_peer_that_is_not_the_one_is_an_error_with_nodes_code_before_secure),
        TEST(in_error_and_close_one_can_look_at_a_peer_that_was_refused),
        TEST(a_server_can_look_at_a_client_that_it_refused),
        TEST(of_a_handshake_that_fails_for_another_reason_no_peer_is_told),
        TEST(a_handshake_that_has_failed_at_once_is_told_by_error_after_the_callback_that_began_it),
        TEST(who_begins_it_from_elsewhere_is_not_called_back_within_the_call),
        TEST(a_program_that_is_asked_for_a_name_may_destroy_who_asks_and_nobody_else_gets_what_was_for_him),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
