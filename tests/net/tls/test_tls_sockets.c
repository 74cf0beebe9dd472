/*
 * Sockets that are secure by TLS, as programs make them so: from the beginning, or in the middle of a stream.
 */
#include "cast.h"
#include "helpers.h"
#include "layer.h"
#include "secure.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

#define MUCH (3u << 20)

static tr_tls_context *serving, *calling;
static struct tr_tls_options client_tls, server_tls;
static const char *identity, *authority;
static struct tr_socket_options client_options;
static tr_server *server;
static const char *said; /* by the client, in `secure` */
static struct tr_tls_info info;
static bool verified, truncated, knew_itself_secure;
static char exported[2][32];
static char common_name[64];

static int
reset(void **state)
{
    cast_reset(state);
    identity = "server";
    authority = "ca";
    client_tls = (struct tr_tls_options){.server_name = "server.example"};
    server_tls = (struct tr_tls_options){0};
    client_options = (struct tr_socket_options){0};
    said = "hello";
    verified = truncated = knew_itself_secure = false;
    memset(exported, 0, sizeof(exported));
    common_name[0] = '\0';
    return 0;
}

static int
leave(void **state)
{
    return tls_leaves_no_errors(state);
}

static void
make_contexts(enum tr_tls_verify verify)
{
    struct tr_tls_context_options of_server = tls_server(identity), of_client = tls_client(authority);
    of_client.verify = verify;
    serving = tls_make(&of_server);
    calling = tls_make(&of_client);
    server_tls.context = serving;
    client_tls.context = calling;
}

static void
release_contexts(void)
{
    tr_tls_context_release(serving);
    tr_tls_context_release(calling);
}

static void
play(void (*script)(void), enum tr_tls_verify verify)
{
    make_contexts(verify);
    stage_play(1, script);
    release_contexts();
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

/* Looks at what can be asked, and answers nothing. */
static void
looks_around(struct endpoint *self)
{
    struct tr_peer *shown;
    knew_itself_secure = tr_socket_secure(self->socket);
    verified = tr_socket_verify_peer(self->socket);
    assert_int_equal(tr_socket_tls_info(self->socket, &info), TR_OK);
    assert_int_equal(tr_socket_export_key(self->socket, "EXPORTER-test", NULL, 0, exported[0], 32), TR_OK);
    if (tr_socket_peer(self->socket, &shown) != TR_OK)
        return;
    snprintf(common_name, sizeof(common_name), "%s", shown->chain[0].subject[0].value);
    tr_peer_free(shown);
}

static void
says_what_it_has_to_say(struct endpoint *self, const char *event)
{
    if (!is(event, "secure"))
        return;
    looks_around(self);
    assert_true(say(self->socket, said) >= TR_OK);
    tr_socket_end(self->socket);
}

/* Secure as soon as it is accepted. */
static void
serves(struct endpoint *self, const char *event)
{
    if (is(event, "accepted"))
        assert_int_equal(tr_socket_set_secure(self->socket, &server_tls), TR_OK);
    if (is(event, "secure"))
        assert_int_equal(tr_socket_export_key(self->socket, "EXPORTER-test", NULL, 0, exported[1], 32), TR_OK);
}

static void
play_connect(void)
{
    client.hook = client.hook != NULL ? client.hook : says_what_it_has_to_say;
    accepted[0].hook = accepted[0].hook != NULL ? accepted[0].hook : serves;
    server = stage_serve((struct tr_server_options){0});
    stage_connect_as(&client, client_options, (struct tr_connect_options){.tls = &client_tls});
    stage_settled_when(both_are_closed, close_server, NULL);
}

static void
a_connection_gives_connect_then_secure_then_ready(void **state)
{
    (void)state;
    play(play_connect, TR_TLS_VERIFY_DEFAULT);
    assert_string_equal(client.log, "connect secure ready end close");
    assert_string_equal(accepted[0].log, "accepted secure data:hello end close");
}

static void
a_zone_is_no_part_of_whom_one_expects(void **state)
{
    (void)state;
    client_tls.server_name = "::1%lo";
    play(play_connect, TR_TLS_VERIFY_DEFAULT);
    assert_string_equal(client.log, "connect secure ready end close");
}

static void
a_dot_at_the_end_is_no_part_of_whom_one_expects(void **state)
{
    (void)state;
    client_tls.server_name = "server.example.";
    play(play_connect, TR_TLS_VERIFY_DEFAULT);
    assert_string_equal(client.log, "connect secure ready end close");
    assert_string_equal(info.server_name, "server.example");
}

static void
who_looks_in_secure_finds_the_peer_and_the_connection(void **state)
{
    (void)state;
    play(play_connect, TR_TLS_VERIFY_DEFAULT);
    assert_true(verified);
    assert_true(knew_itself_secure);
    assert_int_equal(info.version, TR_TLS_1_3);
    assert_string_equal(info.server_name, "server.example");
    assert_string_equal(common_name, "server.example");
    assert_memory_equal(exported[0], exported[1], 32);
}

static void
destroys_who_is_not_verified(struct endpoint *self, const char *event)
{
    if (!is(event, "secure"))
        return;
    const char *code;
    assert_false(tr_socket_verify_peer(self->socket));
    assert_int_equal(tr_socket_verify_result(self->socket, &code), TR_ESELFSIGNED);
    assert_string_equal(code, "DEPTH_ZERO_SELF_SIGNED_CERT");
    tr_socket_destroy(self->socket, TR_EUNTRUSTED);
}

static void
play_waiting(void)
{
    play_connect();
    assert_int_equal(say(client.socket, "secret"), TR_OK);
}

static void
who_asked_to_look_himself_can_destroy_it_before_a_byte_has_left(void **state)
{
    (void)state;
    identity = "self";
    client.hook = destroys_who_is_not_verified;
    play(play_waiting, TR_TLS_VERIFY_REQUEST);
    assert_int_equal(client.error, TR_EUNTRUSTED);
    assert_null(strstr(client.log, "ready"));
    assert_null(strstr(accepted[0].log, "data"));
}

/* Writes that wait. */

static void
ends_when_ready(struct endpoint *self, const char *event)
{
    if (is(event, "ready"))
        tr_socket_end(self->socket);
}

static void
play_corked(void)
{
    client.hook = ends_when_ready;
    play_connect();
    tr_socket_cork(client.socket);
    assert_int_equal(tr_socket_write_then(client.socket, text_slice("early"), note_written, "early"), TR_OK);
}

static void
what_is_written_while_it_connects_waits_for_the_handshake_and_a_cork_holds_up_neither_that_nor_ready(void **state)
{
    (void)state;
    play(play_corked, TR_TLS_VERIFY_DEFAULT);
    assert_string_equal(client.log, "connect secure ready early:OK end close");
    assert_string_equal(accepted[0].log, "accepted secure data:early end close");
}

static void
serves_corked(struct endpoint *self, const char *event)
{
    if (is(event, "accepted")) {
        tr_socket_cork(self->socket);
        assert_int_equal(tr_socket_set_secure(self->socket, &server_tls), TR_OK);
    }
    if (is(event, "secure"))
        assert_true(tr_socket_write_then(self->socket, text_slice("held"), note_written, "held") >= TR_OK);
    if (is(event, "data"))
        assert_true(tr_socket_uncork(self->socket) >= TR_OK);
}

static void
a_cork_holds_the_handshake_up_only_if_something_was_written_under_it(void **state)
{
    (void)state;
    accepted[0].hook = serves_corked;
    client_options.allow_half_open = true;
    play(play_connect, TR_TLS_VERIFY_DEFAULT);
    assert_string_equal(client.log, "connect secure ready data:held end close");
    assert_string_equal(accepted[0].log, "accepted secure data:hello held:OK end close");
}

static void
play_ended_first(void)
{
    accepted[0].hook = serves;
    server = stage_serve((struct tr_server_options){0});
    struct tr_socket_options options = {.events = &endpoint_events, .data = &client};
    assert_int_equal(tr_socket_spawn(director, &options, &client.socket), TR_OK);
    tr_socket_end(client.socket);
    struct tr_connect_options to = {.host = "127.0.0.1", .port = stage_port, .tls = &client_tls};
    assert_int_equal(tr_socket_connect(client.socket, &to), TR_OK);
    stage_settled_when(both_are_closed, close_server, NULL);
}

static void
an_end_before_connecting_comes_after_the_handshake(void **state)
{
    (void)state;
    play(play_ended_first, TR_TLS_VERIFY_DEFAULT);
    assert_string_equal(client.log, "connect secure ready end close");
    assert_string_equal(accepted[0].log, "accepted secure end close");
}

/* Much, both ways, to the end. */

static void
writes_much(struct endpoint *self, const char *event)
{
    if (is(event, "accepted"))
        assert_int_equal(tr_socket_set_secure(self->socket, &server_tls), TR_OK);
    if (!is(event, "secure"))
        return;
    assert_true(tr_socket_write_slice(self->socket, pattern(MUCH)) >= TR_OK);
    assert_int_equal(tr_socket_end(self->socket), TR_OK);
    truncated |= tr_socket_truncated(self->socket);
}

static void
bytes_come_whole_both_ways_and_the_end_is_no_truncation(void **state)
{
    (void)state;
    client.hook = accepted[0].hook = writes_much;
    client_options.allow_half_open = true;
    play(play_connect, TR_TLS_VERIFY_DEFAULT);
    assert_int_equal(client.bytes, MUCH);
    assert_int_equal(accepted[0].bytes, MUCH);
    assert_true(client.sum == pattern_sum(MUCH) && accepted[0].sum == pattern_sum(MUCH));
    assert_false(truncated);
}

/* Truncation. */

static void
notes_truncation(struct endpoint *self, const char *event)
{
    if (is(event, "end"))
        truncated = tr_socket_truncated(self->socket);
}

static void
breaks_off(struct endpoint *self, const char *event)
{
    serves(self, event);
    if (is(event, "secure"))
        tr_socket_destroy(self->socket, TR_OK);
}

static void
a_fin_without_close_notify_is_told_apart_and_can_be_an_error(void **state)
{
    client.hook = notes_truncation;
    accepted[0].hook = breaks_off;
    play(play_connect, TR_TLS_VERIFY_DEFAULT);
    assert_true(truncated);
    assert_string_equal(client.log, "connect secure ready end close");
    reset(state);
    client_tls.truncation_fails = true;
    client.hook = notes_truncation;
    accepted[0].hook = breaks_off;
    play(play_connect, TR_TLS_VERIFY_DEFAULT);
    assert_string_equal(client.log, "connect secure ready ERR_TLS_TRUNCATED close!");
    assert_int_equal(client.error, TR_ETRUNCATED);
}

/* In the middle of a stream. */

static void
answers_starttls(struct endpoint *self, const char *event)
{
    if (!is(event, "data") || tr_socket_secure(self->socket) || tri_socket_is_secure(self->socket))
        return;
    tr_slice rest = tr_slice_part(self->last, strlen("STARTTLS"), self->last.size - strlen("STARTTLS"));
    struct tr_tls_options options = server_tls;
    options.received = rest;
    assert_int_equal(say(self->socket, "220"), TR_OK);
    assert_int_equal(tr_socket_set_secure(self->socket, &options), TR_OK);
    if (rest.size == 0)
        assert_int_equal(tr_socket_set_secure(self->socket, &options), TR_EALREADY);
}

static void
asks_for_tls(struct endpoint *self, const char *event)
{
    if (is(event, "ready"))
        assert_int_equal(say(self->socket, "STARTTLS"), TR_OK);
    if (is(event, "data") && !tr_socket_secure(self->socket)) {
        assert_int_equal(tr_socket_set_secure(self->socket, &client_tls), TR_OK);
        assert_int_equal(say(self->socket, "waits"), TR_OK);
        tr_socket_end(self->socket);
    }
}

static void
play_starttls(void)
{
    client.hook = asks_for_tls;
    accepted[0].hook = answers_starttls;
    server = stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    stage_settled_when(both_are_closed, close_server, NULL);
}

static void
either_side_becomes_secure_in_the_middle_of_a_stream(void **state)
{
    (void)state;
    play(play_starttls, TR_TLS_VERIFY_DEFAULT);
    assert_string_equal(client.log, "connect ready data:220 secure end close");
    assert_string_equal(accepted[0].log, "accepted data:STARTTLS secure data:waits end close");
}

/* The command and plain text in one packet, as who stands between the two would send them. */
static void
injects(struct endpoint *self, const char *event)
{
    if (is(event, "ready"))
        assert_int_equal(say(self->socket, "STARTTLSMAIL-FROM:x"), TR_OK);
}

static void
play_injected(void)
{
    play_starttls();
    client.hook = injects;
}

static void
plain_text_that_was_injected_behind_the_command_is_never_data(void **state)
{
    (void)state;
    play(play_injected, TR_TLS_VERIFY_DEFAULT);
    assert_non_null(strstr(accepted[0].log, "data:STARTTLSMAIL-FROM:x ERR_SSL_"));
    assert_string_equal(accepted[0].call, "handshake");
    assert_null(strstr(accepted[0].log, "secure"));
}

/* What is refused. */

static void
refused(tr_status status, struct tr_tls_options tls, struct tr_connect_options to)
{
    to.tls = &tls;
    assert_int_equal(tr_connect(director, NULL, &to, NULL), status);
}

static void
play_refusals(void)
{
    static const char *const odd[] = {""};
    const struct tr_connect_options to = {.host = "127.0.0.1", .port = 1};
    refused(TR_EINVAL, (struct tr_tls_options){.context = NULL}, to);
    refused(TR_EINVAL, (struct tr_tls_options){.context = calling, .role = (enum tr_tls_role)3}, to);
    refused(TR_EINVAL, (struct tr_tls_options){.context = calling, .received = text_slice("x")}, to);
    refused(TR_EINVAL, (struct tr_tls_options){.context = calling, .alpn_count = 1}, to);
    refused(TR_EBADALPN, (struct tr_tls_options){.context = calling, .alpn = odd, .alpn_count = 1}, to);
    refused(TR_EBADLIMIT, (struct tr_tls_options){.context = calling, .handshake_timeout_ms = 1u << 31}, to);
    refused(TR_EBADHOST, (struct tr_tls_options){.context = calling, .server_name = "a b"}, to);
    refused(TR_ETLSNOKEY, (struct tr_tls_options){.context = calling, .role = TR_TLS_SERVER}, to);
    refused(TR_EBADHOST, (struct tr_tls_options){.context = calling}, (struct tr_connect_options){.path = "/nowhere"});
    int fds[2];
    stage_pair(AF_UNIX, fds);
    stage_adopt(&client, fds[0]);
    client_tls.server_name = NULL;
    assert_int_equal(tr_socket_set_secure(client.socket, &client_tls), TR_EBADHOST);
    assert_int_equal(tr_socket_verify_result(client.socket, NULL), TR_ENOTCONN);
    assert_int_equal(tr_socket_update_keys(client.socket, true), TR_ENOTCONN);
    assert_int_equal(tr_socket_tls_info(client.socket, &info), TR_ENOTCONN);
    assert_false(tr_socket_secure(client.socket) || tr_socket_truncated(client.socket));
    tr_socket_destroy(client.socket, TR_OK);
    assert_int_equal(tr_socket_set_secure(client.socket, &client_tls), TR_EDESTROYED);
    close(fds[1]);
    end_when_closed();
}

static void
what_cannot_be_is_refused_with_the_status_that_says_why(void **state)
{
    (void)state;
    play(play_refusals, TR_TLS_VERIFY_DEFAULT);
    assert_string_equal(client.log, "close");
}

/* In the callback of connect. */

static bool writes_plain;

static void
becomes_secure_in_connect(struct endpoint *self, const char *event)
{
    if (is(event, "secure"))
        tr_socket_end(self->socket);
    if (!is(event, "connect"))
        return;
    if (writes_plain)
        assert_true(tr_socket_write_then(self->socket, text_slice("plain"), note_written, "plain") >= TR_OK);
    assert_int_equal(tr_socket_set_secure(self->socket, &client_tls), TR_OK);
    assert_true(tr_socket_write_then(self->socket, text_slice("secret"), note_written, "secret") >= TR_OK);
}

static void
serves_behind_plain(struct endpoint *self, const char *event)
{
    if (!is(event, "data") || tr_socket_secure(self->socket))
        return;
    assert_memory_equal(self->last.data, "plain", 5);
    server_tls.received = tr_slice_part(self->last, 5, self->last.size - 5);
    assert_int_equal(tr_socket_set_secure(self->socket, &server_tls), TR_OK);
}

static void
play_in_connect(void)
{
    client.hook = becomes_secure_in_connect;
    accepted[0].hook = writes_plain ? serves_behind_plain : serves;
    server = stage_serve((struct tr_server_options){0});
    stage_connect_as(&client, client_options, (struct tr_connect_options){0});
    stage_settled_when(both_are_closed, close_server, NULL);
}

static void
in_connect_a_socket_becomes_secure_behind_what_it_has_written_there(void **state)
{
    writes_plain = true;
    play(play_in_connect, TR_TLS_VERIFY_DEFAULT);
    assert_string_equal(client.log, "connect ready plain:OK secure secret:OK end close");
    reset(state);
    writes_plain = false;
    play(play_in_connect, TR_TLS_VERIFY_DEFAULT);
    assert_string_equal(client.log, "connect ready secure secret:OK end close");
    assert_string_equal(accepted[0].log, "accepted secure data:secret end close");
}

/* Keys. */

static void
renews_keys(struct endpoint *self, const char *event)
{
    if (!is(event, "secure"))
        return;
    assert_int_equal(tr_socket_update_keys(self->socket, true), TR_OK);
    assert_true(say(self->socket, "renewed") >= TR_OK);
    tr_socket_end(self->socket);
}

static void
keys_can_be_renewed_on_both_sides(void **state)
{
    (void)state;
    client.hook = renews_keys;
    play(play_connect, TR_TLS_VERIFY_DEFAULT);
    assert_string_equal(client.log, "connect secure ready end close");
    assert_string_equal(accepted[0].log, "accepted secure data:renewed end close");
}

/* In `secure` nothing is sent yet, so what was written waits, and behind it the goodbye. */
static void
renews_keys_after_its_end(struct endpoint *self, const char *event)
{
    if (!is(event, "secure"))
        return;
    assert_true(say(self->socket, "last") >= TR_OK);
    tr_socket_end(self->socket);
    assert_int_equal(tr_socket_update_keys(self->socket, true), TR_EWRITEAFTEREND);
    tr_socket_destroy(self->socket, TR_OK);
    assert_int_equal(tr_socket_update_keys(self->socket, true), TR_EDESTROYED);
}

static void
keys_cannot_be_renewed_once_our_side_was_ended_although_its_bytes_still_wait(void **state)
{
    (void)state;
    client.hook = renews_keys_after_its_end;
    play(play_connect, TR_TLS_VERIFY_DEFAULT);
    assert_string_equal(client.log, "connect secure close");
}

/* From afar. */

static char heard[128];
static struct tr_secured secured;
static bool has_heard_all;

static tr_status
connects_from_afar(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    tr_ref socket;
    struct tr_socket_options options = {.owner = {.actor = tr_self(self), .credit = 1}};
    char name[] = "server.example"; /* gone when the socket connects */
    struct tr_tls_options tls = {.context = calling, .server_name = name};
    struct tr_connect_options to = {.host = "127.0.0.1", .port = stage_port, .tls = &tls};
    assert_int_equal(tr_remote_socket(self, &options, NULL, &socket), TR_OK);
    assert_int_equal(tr_remote_connect(self, socket, &to), TR_OK);
    memset(name, 'x', sizeof(name) - 1);
    tls.context = NULL;
    return TR_OK;
}

static void
hears(tr_actor *self, void *state, tr_message *message)
{
    static const char letters[TR_EVENTS] = {[TR_EVENT_CONNECT] = 'c', [TR_EVENT_READY] = 'r', [TR_EVENT_DATA] = 'd',
                                            [TR_EVENT_END] = 'e',     [TR_EVENT_CLOSE] = 'x', [TR_EVENT_SECURE] = 's'};
    enum tr_event event;
    (void)state;
    if (!tr_event_of(message, &event))
        return;
    size_t used = strlen(heard);
    snprintf(heard + used, sizeof(heard) - used, "%c", letters[event] != 0 ? letters[event] : '?');
    if (event == TR_EVENT_SECURE)
        memcpy(&secured, tr_message_data(message), sizeof(secured));
    if (event == TR_EVENT_CLOSE)
        has_heard_all = true;
    tr_remote_credit(self, message->from, 1);
}

static void
greets(struct endpoint *self, const char *event)
{
    serves(self, event);
    if (is(event, "secure"))
        tr_socket_end_with(self->socket, text_slice("hello"));
}

static bool
all_is_over(void)
{
    return has_heard_all && accepted[0].closed;
}

static void
play_from_afar(void)
{
    static const struct tr_behavior owner = {.name = "owner", .init = connects_from_afar, .receive = hears};
    accepted[0].hook = greets;
    server = stage_serve((struct tr_server_options){0});
    assert_int_equal(tr_spawn(director, &owner, NULL, NULL), TR_OK);
    stage_settled_when(all_is_over, close_server, NULL);
}

static void
an_owner_connects_securely_from_afar_and_is_told_what_was_found(void **state)
{
    (void)state;
    heard[0] = '\0';
    has_heard_all = false;
    play(play_from_afar, TR_TLS_VERIFY_DEFAULT);
    assert_string_equal(heard, "csrdex");
    assert_int_equal(secured.result, TR_OK);
    assert_int_equal(secured.version, TR_TLS_1_3);
    assert_false(secured.resumed);
}

/* A handshake that goes nowhere. */

static void
gives_no_answer(struct endpoint *self, const char *event)
{
    if (is(event, "end"))
        tr_socket_destroy(self->socket, TR_OK);
}

static void
a_handshake_that_takes_too_long_is_an_error(void **state)
{
    (void)state;
    client_tls.handshake_timeout_ms = 20;
    client.hook = gives_no_answer;
    accepted[0].hook = gives_no_answer;
    play(play_connect, TR_TLS_VERIFY_DEFAULT);
    assert_string_equal(client.log, "connect ERR_TLS_HANDSHAKE_TIMEOUT close!");
    assert_int_equal(client.error, TR_ETLSTIMEOUT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, leave)
        TEST(a_connection_gives_connect_then_secure_then_ready),
        TEST(a_zone_is_no_part_of_whom_one_expects),
        TEST(a_dot_at_the_end_is_no_part_of_whom_one_expects),
        TEST(who_looks_in_secure_finds_the_peer_and_the_connection),
        TEST(who_asked_to_look_himself_can_destroy_it_before_a_byte_has_left),
        TEST(what_is_written_while_it_connects_waits_for_the_handshake_and_a_cork_holds_up_neither_that_nor_ready),
        TEST(a_cork_holds_the_handshake_up_only_if_something_was_written_under_it),
        TEST(an_end_before_connecting_comes_after_the_handshake),
        TEST(bytes_come_whole_both_ways_and_the_end_is_no_truncation),
        TEST(a_fin_without_close_notify_is_told_apart_and_can_be_an_error),
        TEST(either_side_becomes_secure_in_the_middle_of_a_stream),
        TEST(plain_text_that_was_injected_behind_the_command_is_never_data),
        TEST(what_cannot_be_is_refused_with_the_status_that_says_why),
        TEST(in_connect_a_socket_becomes_secure_behind_what_it_has_written_there),
        TEST(keys_can_be_renewed_on_both_sides),
        TEST(keys_cannot_be_renewed_once_our_side_was_ended_although_its_bytes_still_wait),
        TEST(an_owner_connects_securely_from_afar_and_is_told_what_was_found),
        TEST(a_handshake_that_takes_too_long_is_an_error),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
