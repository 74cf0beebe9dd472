/*
 * How a socket becomes secure, and what becomes of it meanwhile. The layer is the tests' own (toy_layer.h); the peer is
 * a raw descriptor that sends records made beforehand, or another secure socket.
 */
#include "cast.h"
#include "helpers.h"
#include "owner_play.h"
#include "reading_play.h"
#include "secure_play.h"
#include "writer_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* The beginning. */

static void
says_hello(struct endpoint *self, const char *event)
{
    if (!is(event, "secure"))
        return;
    assert_int_equal(say(self->socket, "hello"), TR_OK);
    tr_socket_end(self->socket);
}

static int family;

static void
play_hello(void)
{
    client.hook = says_hello;
    toy_pair(family, &client, (struct tr_socket_options){0}, &other, (struct tr_socket_options){0});
    end_when_pair_is_closed();
}

static void
both_ends_are_told_once_and_before_the_first_byte(void **state)
{
    static const int families[] = {AF_UNIX, AF_INET};
    for (int i = 0; i < 2; i++) {
        secure_reset(state);
        family = families[i];
        stage_play(1, play_hello);
        assert_string_equal(client.log, "secure end close");
        assert_string_equal(other.log, "secure data:hello end close");
    }
}

static bool
handshake_has_begun(void)
{
    return tri_secure_is_shaking(client.socket) && tri_socket_layer(client.socket)->state == TRI_LAYER_SHAKES;
}

static void
play_plain_first(void)
{
    open_narrow_as((struct tr_socket_options){0});
    assert_int_equal(write_named(pattern(BIG), "big"), TR_QUEUED);
    assert_int_equal(toy_secure(client.socket, false, NULL, NULL), TR_OK);
    assert_int_equal(tri_socket_layer(client.socket)->state, TRI_LAYER_WAITS);
    assert_int_equal(say(client.socket, "later"), TR_QUEUED);
    stage_read(&peer);
    stage_settled_when(handshake_has_begun, destroy_client, NULL);
    end_when_done();
}

/* The peer's answer does not come, so all that it sees are the plain bytes and the first flight. */
static void
what_was_written_before_goes_as_it_is_and_then_comes_the_handshake(void **state)
{
    (void)state;
    stage_play(1, play_plain_first);
    assert_string_equal(client.log, "big:OK close");
    assert_int_equal(peer.bytes, BIG + TOY_HEADER + strlen("hello"));
}

/* Bytes that came too early. */

static size_t cut; /* so many are read before the socket becomes secure */
static bool holds; /* by a pause, not by a data event */

static void
becomes_secure_with_what_came(struct endpoint *self, const char *event)
{
    closes_peer(self, event);
    if (is(event, "data") && tri_socket_layer(self->socket) == NULL)
        serve_as(&(struct tri_secure_options){.received = self->last});
}

static void
send_rest(void *argument)
{
    (void)argument;
    if (tri_socket_layer(client.socket) == NULL) {
        serve_as(NULL);
        tr_socket_resume(client.socket);
    }
    send_text(wire.bytes + cut, wire.size - cut);
}

static void
play_early(void)
{
    client.hook = holds ? closes_peer : becomes_secure_with_what_came;
    open_secure_raw((struct tr_socket_options){0});
    if (holds)
        tr_socket_pause(client.socket);
    send_text(wire.bytes, cut);
    stage_settled(send_rest, NULL);
}

static void
bytes_that_came_too_early_are_the_handshakes_wherever_they_are_cut(void **state)
{
    for (holds = false;; holds = true) {
        for (cut = 1; cut == 1 || cut < wire.size; cut++) {
            secure_reset(state);
            toy_put_beginning(&wire, "early");
            toy_put(&wire, TOY_BYE, NULL);
            stage_play(1, play_early);
            const char *before = holds ? "" : "data "; /* binary: only counted */
            assert_non_null(strstr(client.log, "secure data:early end close"));
            assert_true(strlen(client.log) <= strlen(before) + 10 + strlen("secure data:early end close"));
        }
        if (holds)
            return;
    }
}

static void
play_injected(void)
{
    cut = 0;
    open_secure_raw((struct tr_socket_options){.encoding = TR_ENCODING_UTF8});
    tr_socket_pause(client.socket);
    send_text("RCPT TO:<x>\r\n", 13);
    stage_settled(send_rest, NULL);
}

static void
plain_text_behind_the_turn_to_records_fails_and_is_never_data(void **state)
{
    (void)state;
    stage_play(1, play_injected);
    assert_string_equal(client.log, "TOY_BAD_RECORD close!");
    assert_int_equal(client.error, TR_EPROTO);
    assert_string_equal(client.call, "handshake");
}

/* What is refused. */

static void
play_refusals(void)
{
    const struct tri_secure_options options = {0};
    int fd;
    open_secure_raw((struct tr_socket_options){0});
    serve_as(NULL);
    assert_int_equal(toy_secure(client.socket, true, &options, NULL), TR_EALREADY);
    assert_int_equal(tr_socket_detach(client.socket, &fd), TR_EBADHANDLE);
    assert_int_equal(tr_socket_write_fd(client.socket, text_slice("x"), 0, NULL, NULL), TR_EBADHANDLE);
    tr_socket_destroy(client.socket, TR_OK);
    assert_int_equal(toy_secure(client.socket, true, &options, NULL), TR_EDESTROYED);
}

static void
play_ended(void)
{
    open_secure_raw((struct tr_socket_options){0});
    tr_socket_end(client.socket);
    assert_int_equal(toy_secure(client.socket, true, NULL, NULL), TR_EWRITEAFTEREND);
    tr_socket_destroy(client.socket, TR_OK);
}

static void
play_takes_descriptors(void)
{
    open_secure_raw((struct tr_socket_options){.receive_fds = true});
    assert_int_equal(toy_secure(client.socket, true, NULL, NULL), TR_EBADHANDLE);
    tr_socket_destroy(client.socket, TR_OK);
}

static void
play_records(void)
{
    open_records();
    assert_int_equal(toy_secure(client.socket, true, NULL, NULL), TR_EBADHANDLE);
    close(peer.fd);
    end_when_closed();
}

static void
play_unconnected(void)
{
    struct tr_socket_options options = {.events = &endpoint_events, .data = &client};
    assert_int_equal(tr_socket_spawn(director, &options, &client.socket), TR_OK);
    assert_int_equal(toy_secure(client.socket, true, NULL, NULL), TR_ENOTCONN);
    tr_socket_destroy(client.socket, TR_OK);
    end_when_closed();
}

static void
what_cannot_be_secure_is_refused_and_stays_as_it_is(void **state)
{
    static void (*const plays[])(void) = {play_refusals, play_ended, play_takes_descriptors, play_records,
                                          play_unconnected};
    for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++) {
        secure_reset(state);
        stage_play(1, plays[i]);
        assert_non_null(strstr(client.log, "close"));
    }
}

/* What it costs: nothing. */
static void
a_socket_is_no_larger_for_what_may_lie_before_it(void **state)
{
    (void)state;
    if (sizeof(void *) == 8)
        assert_int_equal(sizeof(struct tr_socket), 272);
    assert_true(sizeof(struct tri_record_layer) <= 32);
}

static uint64_t numbers[3];

static void
notes_its_number(struct endpoint *self, const char *event)
{
    if (is(event, "accepted")) {
        numbers[0] = tr_socket_number(self->socket);
        assert_int_equal(toy_secure(self->socket, true, NULL, NULL), TR_OK);
        numbers[1] = tr_socket_number(self->socket);
    }
    if (is(event, "close"))
        numbers[2] = tr_socket_number(self->socket);
}

static void
becomes_secure_when_ready(struct endpoint *self, const char *event)
{
    if (is(event, "ready"))
        assert_int_equal(toy_secure(self->socket, false, NULL, NULL), TR_OK);
    if (is(event, "secure"))
        tr_socket_end(self->socket);
    if (is(event, "close"))
        assert_non_null(tri_socket_layer(self->socket)); /* who looks at it in the last callback finds it */
}

static tr_server *server;

static void
close_server(void *argument)
{
    (void)argument;
    tr_server_close(server);
    stage_end();
}

static bool
both_are_closed(void)
{
    return client.closed && accepted[0].closed;
}

static void
play_accepted(void)
{
    accepted[0].hook = notes_its_number;
    client.hook = becomes_secure_when_ready;
    server = stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    stage_settled_when(both_are_closed, close_server, NULL);
}

static void
an_accepted_socket_keeps_its_number_and_its_layer_to_the_last_callback(void **state)
{
    (void)state;
    stage_play(1, play_accepted);
    assert_string_equal(client.log, "connect ready secure end close");
    assert_string_equal(accepted[0].log, "accepted secure end close");
    assert_int_not_equal(numbers[0], 0);
    assert_int_equal(numbers[1], numbers[0]);
    assert_int_equal(numbers[2], numbers[0]);
}

/* The end in each state. */

static unsigned ends_in;

static void
destroys_itself(struct endpoint *self, const char *event)
{
    if (is(event, "secure") && ends_in == 2)
        tr_socket_destroy(self->socket, TR_OK);
}

static void
play_destroyed(void)
{
    client.hook = destroys_itself;
    open_narrow_as((struct tr_socket_options){0});
    if (ends_in == 0)
        write_named(pattern(BIG), "plain");
    serve_as(&(struct tri_secure_options){.handshake_ms = TESTS_LIMIT_MS});
    toy_put_beginning(&wire, NULL);
    if (ends_in > 1)
        assert_true(tests_peer_send(peer.fd, wire.bytes, wire.size));
    if (ends_in > 2)
        write_named(pattern(BIG), "secret");
    if (ends_in > 3)
        tr_socket_end(client.socket);
    if (ends_in == 0)
        destroy_client(NULL);
    else if (ends_in != 2)
        stage_settled(destroy_client, NULL);
    stage_settled(cast_end, NULL);
}

static void
a_socket_that_is_destroyed_takes_its_layer_along_in_each_state(void **state)
{
    static const char *const logs[] = {"plain:ERR_STREAM_DESTROYED close", "close", "secure close",
                                       "secure secret:ERR_STREAM_DESTROYED close",
                                       "secure secret:ERR_STREAM_DESTROYED close"};
    for (ends_in = 0; ends_in < sizeof(logs) / sizeof(logs[0]); ends_in++) {
        secure_reset(state);
        stage_play(1, play_destroyed);
        assert_string_equal(client.log, logs[ends_in]);
        assert_int_equal(toys, 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, secure_reset, expect_no_toys)
        TEST(both_ends_are_told_once_and_before_the_first_byte),
        TEST(what_was_written_before_goes_as_it_is_and_then_comes_the_handshake),
        TEST(bytes_that_came_too_early_are_the_handshakes_wherever_they_are_cut),
        TEST(plain_text_behind_the_turn_to_records_fails_and_is_never_data),
        TEST(what_cannot_be_secure_is_refused_and_stays_as_it_is),
        TEST(an_accepted_socket_keeps_its_number_and_its_layer_to_the_last_callback),
        TEST(a_socket_is_no_larger_for_what_may_lie_before_it),
        TEST(a_socket_that_is_destroyed_takes_its_layer_along_in_each_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
