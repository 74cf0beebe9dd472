/*
 * Bytes through secure sockets: what is inside when reading stops, text, and pipes between secure and plain ones.
 */
#include "cast.h"
#include "helpers.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

#define MUCH (3u << 20)
#define FLIGHT 200000u /* some records more than one read brings */

static tr_tls_context *serving, *calling;
static struct tr_tls_options client_tls;
static struct tr_server_options secure_server;
static tr_server *server;

static int
reset(void **state)
{
    secure_server = (struct tr_server_options){0};
    client_tls = (struct tr_tls_options){.server_name = "server.example"};
    return cast_reset(state);
}

static void
play(void (*script)(void))
{
    struct tr_tls_context_options of_server = tls_server("server"), of_client = tls_client("ca");
    secure_server.tls.context = serving = tls_make(&of_server);
    client_tls.context = calling = tls_make(&of_client);
    stage_play(1, script);
    tr_tls_context_release(serving);
    tr_tls_context_release(calling);
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
connect_client(void)
{
    stage_connect_with(&client, (struct tr_connect_options){.tls = &client_tls});
}

static void
play_both(void)
{
    server = stage_serve(secure_server);
    connect_client();
    stage_settled_when(both_are_closed, close_server, NULL);
}

/* Pauses. */

static void
sends_a_flight(struct endpoint *self, const char *event)
{
    if (is(event, "accepted"))
        assert_int_equal(tr_socket_end_with(self->socket, pattern(FLIGHT)), TR_OK);
}

static unsigned pauses;
static size_t bytes_when_paused;

static void
resume(void *argument)
{
    struct endpoint *endpoint = argument;
    assert_int_equal(endpoint->bytes, bytes_when_paused);
    tr_socket_resume(endpoint->socket);
}

/* The other end has sent all of it, its FIN included, so nothing comes any more that polling could see. */
static void
pauses_each_time(struct endpoint *self, const char *event)
{
    if (!is(event, "data"))
        return;
    pauses++;
    bytes_when_paused = self->bytes;
    tr_socket_pause(self->socket);
    stage_settled(resume, self);
}

static void
what_is_inside_while_a_socket_is_paused_comes_when_it_is_resumed(void **state)
{
    (void)state;
    pauses = 0;
    accepted[0].hook = sends_a_flight;
    client.hook = pauses_each_time;
    play(play_both);
    assert_string_equal(client.log, "connect secure ready data end close");
    assert_true(pauses >= 3);
    assert_int_equal(client.bytes, FLIGHT);
    assert_true(client.sum == pattern_sum(FLIGHT));
}

/* Text. */

static void
sends_half_characters(struct endpoint *self, const char *event)
{
    if (!is(event, "accepted"))
        return;
    assert_true(tr_socket_write(self->socket, "gr\xc3", 3) >= TR_OK); /* a record each */
    assert_true(tr_socket_write(self->socket, "\xbc\xc3\x9f", 3) >= TR_OK);
    assert_int_equal(tr_socket_end_with(self->socket, text_slice("e")), TR_OK);
}

static char text[64];

static void
reads_text(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        assert_int_equal(tr_socket_set_encoding(self->socket, TR_ENCODING_UTF8), TR_OK);
    if (is(event, "data"))
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.*s", (int)self->last.size, self->last.data);
    if (is(event, "data"))
        assert_true((self->last.data[self->last.size - 1] & 0xc0) != 0xc0); /* no half of a character */
}

static void
characters_that_records_cut_come_whole(void **state)
{
    (void)state;
    text[0] = '\0';
    accepted[0].hook = sends_half_characters;
    client.hook = reads_text;
    play(play_both);
    assert_string_equal(text, "gr\xc3\xbc\xc3\x9f"
                              "e");
}

static void
writes_hex(struct endpoint *self, const char *event)
{
    if (!is(event, "accepted"))
        return;
    assert_true(tr_socket_write_text(self->socket, "68656c6c6f", TR_ENCODING_HEX) >= TR_OK);
    tr_socket_end(self->socket);
}

static void
text_is_decoded_before_it_is_protected(void **state)
{
    (void)state;
    accepted[0].hook = writes_hex;
    play(play_both);
    assert_string_equal(client.log, "connect secure ready data:hello end close");
}

/* Pipes: client <-> near server | pipe | far server, each of the three ways secure or plain. */

static struct endpoint middle;
static tr_server *far;
static uint16_t far_port;
static bool near_is_secure, far_is_secure, from_afar;
static struct tr_server_options near_options, far_options;

static void
join(tr_socket *one, tr_socket *two)
{
    tr_ref first = tr_socket_ref(one), second = tr_socket_ref(two);
    if (from_afar) {
        assert_int_equal(tr_remote_pipe(director, first, second, NULL), TR_OK);
        assert_int_equal(tr_remote_pipe(director, second, first, NULL), TR_OK);
        return;
    }
    assert_int_equal(tr_socket_pipe(one, second, NULL), TR_OK);
    assert_int_equal(tr_socket_pipe(two, first, NULL), TR_OK);
}

static void
goes_on_to_the_far_server(struct endpoint *self, const char *event)
{
    if (!is(event, "accepted"))
        return;
    stage_port = far_port;
    stage_connect_as(&middle, (struct tr_socket_options){.allow_half_open = true},
                     (struct tr_connect_options){.tls = far_is_secure ? &client_tls : NULL});
    join(self->socket, middle.socket);
}

static void
says_much(struct endpoint *self, const char *event)
{
    if (is(event, "ready") || is(event, "accepted"))
        assert_int_equal(tr_socket_end_with(self->socket, pattern(MUCH)), TR_OK);
}

static bool
all_four_are_closed(void)
{
    return client.closed && accepted[0].closed && middle.closed && accepted[1].closed;
}

static void
close_both_servers(void *argument)
{
    tr_server_close(far);
    close_server(argument);
}

static void
play_proxy(void)
{
    memset(&middle, 0, sizeof(middle));
    far = stage_serve(far_options);
    far_port = stage_port;
    server = stage_serve(near_options);
    accepted[0].hook = goes_on_to_the_far_server;
    accepted[1].hook = says_much;
    client.hook = says_much;
    stage_connect_as(&client, (struct tr_socket_options){.allow_half_open = true},
                     (struct tr_connect_options){.tls = near_is_secure ? &client_tls : NULL});
    stage_settled_when(all_four_are_closed, close_both_servers, NULL);
}

static void
play_proxy_with_contexts(void)
{
    near_options = far_options = (struct tr_server_options){.socket.allow_half_open = true};
    if (near_is_secure)
        near_options.tls.context = serving;
    if (far_is_secure)
        far_options.tls.context = serving;
    play_proxy();
}

static void
all_goes_through(void **state, bool near, bool beyond, bool afar)
{
    reset(state);
    near_is_secure = near;
    far_is_secure = beyond;
    from_afar = afar;
    play(play_proxy_with_contexts);
    assert_int_equal(client.bytes, MUCH);
    assert_int_equal(accepted[1].bytes, MUCH);
    assert_true(client.sum == pattern_sum(MUCH) && accepted[1].sum == pattern_sum(MUCH));
    assert_null(strchr(client.log, '!'));
    assert_null(strchr(accepted[1].log, '!'));
}

static void
a_pipe_carries_all_from_a_secure_socket_to_a_plain_one_and_back(void **state)
{
    all_goes_through(state, true, false, false);
    all_goes_through(state, true, false, true);
}

static void
a_pipe_carries_all_from_a_plain_socket_to_a_secure_one_and_back(void **state)
{
    all_goes_through(state, false, true, false);
    all_goes_through(state, false, true, true);
}

static void
a_pipe_carries_all_from_a_secure_socket_to_a_secure_one_and_back(void **state)
{
    all_goes_through(state, true, true, false);
    all_goes_through(state, true, true, true);
}

/* The order of a plain socket. */

static void
writes_in_connect(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        assert_int_equal(tr_socket_write_then(self->socket, text_slice("w"), note_written, "w"), TR_OK);
    if (is(event, "ready"))
        tr_socket_end(self->socket);
}

static void
a_write_in_connect_waits_for_the_handshake_and_is_told_after_ready(void **state)
{
    (void)state;
    client.hook = writes_in_connect;
    play(play_both);
    assert_string_equal(client.log, "connect secure ready w:OK end close");
    assert_string_equal(accepted[0].log, "accepted data:w end close");
}

static void
play_nowhere(void)
{
    client_tls.any_name = true;
    stage_connect_with(&client, (struct tr_connect_options){.path = "/nowhere/at/all", .tls = &client_tls});
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(tr_socket_write_then(client.socket, text_slice("w"), note_written, "w"), TR_OK);
    end_when_closed();
}

static void
the_first_write_of_a_connection_that_never_came_is_told_that_and_the_others_why(void **state)
{
    (void)state;
    play(play_nowhere);
    assert_string_equal(client.log, "ENOENT close! w:ERR_SOCKET_CLOSED_BEFORE_CONNECTION w:ENOENT");
}

static void
play_ended_first(void)
{
    struct tr_socket_options options = {.events = &endpoint_events, .data = &client};
    server = stage_serve(secure_server);
    struct tr_connect_options to = {.host = "127.0.0.1", .port = stage_port, .tls = &client_tls};
    assert_int_equal(tr_socket_spawn(director, &options, &client.socket), TR_OK);
    tr_socket_end(client.socket);
    assert_int_equal(tr_socket_connect(client.socket, &to), TR_OK);
    assert_int_equal(tr_socket_write_then(client.socket, text_slice("w"), note_written, "w"), TR_OK);
    stage_settled_when(both_are_closed, close_server, NULL);
}

static void
what_is_written_behind_an_end_before_connecting_is_a_broken_pipe_and_the_peer_sees_the_end(void **state)
{
    (void)state;
    play(play_ended_first);
    assert_string_equal(client.log, "connect secure w:EPIPE ready EPIPE close!");
    assert_string_equal(accepted[0].log, "accepted end close");
}

static void
is_gone_when_secure(struct endpoint *self, const char *event)
{
    if (is(event, "secure"))
        tr_socket_destroy(self->socket, TR_OK);
}

static void
writes_nothing_at_the_end(struct endpoint *self, const char *event)
{
    if (is(event, "end"))
        (void)tr_socket_write_then(self->socket, text_slice(""), note_written, "w");
}

static void
play_broken(void)
{
    int fds[2];
    struct tr_tls_options server_tls = {.context = serving, .role = TR_TLS_SERVER};
    memset(&middle, 0, sizeof(middle));
    middle.hook = is_gone_when_secure;
    client.hook = writes_nothing_at_the_end;
    stage_pair(AF_UNIX, fds);
    stage_adopt_as(&client, fds[0], (struct tr_socket_options){.allow_half_open = true});
    stage_adopt(&middle, fds[1]);
    assert_int_equal(tr_socket_set_secure(client.socket, &client_tls), TR_OK);
    assert_int_equal(tr_socket_set_secure(middle.socket, &server_tls), TR_OK);
    end_when_closed();
}

static void
a_write_of_no_bytes_finds_a_broken_connection(void **state)
{
    (void)state;
    play(play_broken);
    assert_string_equal(client.log, "secure end w:EPIPE EPIPE close!");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, tls_leaves_no_errors)
        TEST(what_is_inside_while_a_socket_is_paused_comes_when_it_is_resumed),
        TEST(characters_that_records_cut_come_whole),
        TEST(text_is_decoded_before_it_is_protected),
        TEST(a_pipe_carries_all_from_a_secure_socket_to_a_plain_one_and_back),
        TEST(a_pipe_carries_all_from_a_plain_socket_to_a_secure_one_and_back),
        TEST(a_pipe_carries_all_from_a_secure_socket_to_a_secure_one_and_back),
        TEST(a_write_in_connect_waits_for_the_handshake_and_is_told_after_ready),
        TEST(the_first_write_of_a_connection_that_never_came_is_told_that_and_the_others_why),
        TEST(what_is_written_behind_an_end_before_connecting_is_a_broken_pipe_and_the_peer_sees_the_end),
        TEST(a_write_of_no_bytes_finds_a_broken_connection),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
