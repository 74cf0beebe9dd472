/*
 * While the handshake is under way: its time, and what is written, read and ended meanwhile. The layer is the tests'
 * own (toy_layer.h).
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

/* The handshake's time. */

static void
play_late(void)
{
    open_secure_raw((struct tr_socket_options){0});
    serve_as(&(struct tri_secure_options){.handshake_ms = 20});
    send_text("H", 1);
}

static void
a_handshake_that_takes_too_long_is_an_error(void **state)
{
    (void)state;
    stage_play(1, play_late);
    assert_string_equal(client.log, "ETIMEDOUT close!");
    assert_string_equal(client.call, "handshake");
}

/* The loop's timers come before its poll. */
static void
play_in_time(void)
{
    open_secure_raw((struct tr_socket_options){0});
    serve_as(&(struct tri_secure_options){.handshake_ms = 20});
    toy_put_beginning(&wire, "a");
    toy_put(&wire, TOY_BYE, NULL);
    send_text(wire.bytes, wire.size);
    tests_hold(40);
}

static void
what_came_in_time_while_the_worker_was_busy_is_not_late(void **state)
{
    (void)state;
    stage_play(1, play_in_time);
    assert_string_equal(client.log, "secure data:a end close");
}

static void
play_gone(void)
{
    open_secure_raw((struct tr_socket_options){0});
    serve_as(NULL);
    send_text("H", 1);
    shutdown(reader_peer, SHUT_WR);
}

static void
a_peer_that_ends_within_the_handshake_is_a_lost_connection(void **state)
{
    (void)state;
    stage_play(1, play_gone);
    assert_string_equal(client.log, "ECONNRESET close!");
    assert_string_equal(client.call, "handshake");
}

static uint32_t moved_before;

static void
look_at_movement(void *argument)
{
    (void)argument;
    assert_true(client.socket->moved_ms != moved_before);
    tr_socket_destroy(client.socket, TR_OK);
}

static void
play_movement(void)
{
    open_secure_raw((struct tr_socket_options){.timeout_ms = TESTS_LIMIT_MS});
    serve_as(NULL);
    moved_before = client.socket->moved_ms;
    tests_hold(3);
    send_text("H", 1);
    stage_settled(look_at_movement, NULL);
}

static void
a_byte_of_the_handshake_is_movement(void **state)
{
    (void)state;
    stage_play(1, play_movement);
}

/* Meanwhile. */

static void answer(void *argument);

static void
play_pace(void)
{
    open_secure_raw((struct tr_socket_options){.first_byte_timeout_ms = 20});
    serve_as(NULL);
    stage_after(80, answer, NULL);
}

static void
the_first_byte_is_awaited_from_the_end_of_the_handshake_on(void **state)
{
    (void)state;
    stage_play(1, play_pace);
    assert_string_equal(client.log, "secure ERR_PEER_TOO_SLOW close!");
    assert_string_equal(client.call, "first byte");
}

static tr_ref keeper;

static void
give_one(void *argument)
{
    (void)argument;
    assert_true(tri_secure_is_shaking(client.socket)); /* all of the handshake is in the kernel */
    tr_message more = tr_message_signal(TAG_MORE);
    assert_int_equal(tr_send(director, keeper, &more), TR_OK);
}

static bool
is_secure(void)
{
    return !tri_secure_is_shaking(client.socket);
}

static void
close_peer_and_end(void *argument)
{
    close(peer.fd);
    stage_settled(end_play, argument);
}

static void
send_handshake(void *argument)
{
    assert_int_equal(hoard.events, 1); /* data: the owner has no credit left */
    assert_int_equal(toy_secure(client.socket, true, &(struct tri_secure_options){.handshake_ms = 1}, NULL), TR_OK);
    answer(argument);
    stage_after(5, give_one, NULL);
    stage_settled_when(is_secure, close_peer_and_end, NULL);
}

static void
play_owner(void)
{
    memset(&hoard, 0, sizeof(hoard));
    keeper = spawn_on(0, &hoarder, NULL);
    cast_open((struct tr_socket_options){.owner = {.actor = keeper, .credit = 1}});
    reader_peer = peer.fd;
    send_text("plain", 5);
    stage_settled(send_handshake, NULL);
}

static void
an_owner_without_credit_holds_the_handshake_up_and_its_time(void **state)
{
    (void)state;
    stage_play(1, play_owner);
    assert_int_equal(hoard.bytes, 5);
}

static void
answer(void *argument)
{
    (void)argument;
    toy_put_beginning(&wire, NULL);
    send_text(wire.bytes, wire.size);
}

static void
is_destroyed_when_written(struct endpoint *self, const char *event)
{
    closes_peer(self, event);
    if (is(event, "drain"))
        stage_settled(destroy_client, NULL);
}

static void
play_writes(void)
{
    client.hook = is_destroyed_when_written;
    open_secure_raw((struct tr_socket_options){0});
    serve_as(NULL);
    assert_int_equal(write_named(pattern(TRI_HIGH_WATER - 1), "first"), TR_OK);
    assert_int_equal(write_named(pattern(1), "second"), TR_QUEUED);
    assert_int_equal(tr_socket_buffered(client.socket), TRI_HIGH_WATER);
    stage_settled(answer, NULL);
}

static void
what_is_written_meanwhile_waits_and_is_sent_when_that_was_told(void **state)
{
    (void)state;
    stage_play(1, play_writes);
    assert_non_null(strstr(client.log, "secure drain first:OK second:OK"));
}

static void
play_paused(void)
{
    open_secure_raw((struct tr_socket_options){0});
    serve_as(NULL);
    tr_socket_pause(client.socket);
    toy_put_beginning(&wire, "a");
    toy_put(&wire, TOY_BYE, NULL);
    send_text(wire.bytes, wire.size);
    stage_settled(resume_client, NULL);
}

static void
a_pause_holds_data_back_and_not_the_handshake(void **state)
{
    (void)state;
    stage_play(1, play_paused);
    assert_string_equal(client.log, "secure resuming resumed data:a end close");
}

static void
play_end_early(void)
{
    toy_pair(AF_UNIX, &client, (struct tr_socket_options){0}, &other, (struct tr_socket_options){0});
    say(client.socket, "bye");
    tr_socket_end(client.socket);
    end_when_pair_is_closed();
}

static void
an_end_that_is_asked_for_meanwhile_comes_after_what_was_written(void **state)
{
    (void)state;
    stage_play(1, play_end_early);
    assert_string_equal(client.log, "secure end close");
    assert_string_equal(other.log, "secure data:bye end close");
}

/* A peer that is quick: its answer is there when the handshake begins, within the step that sends what waits. */

static tr_server *quick_server;

static void
leaves_when_ready(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        assert_true(tr_socket_write_then(self->socket, text_slice("later"), note_written, "later") >= TR_OK);
    if (is(event, "ready"))
        tr_socket_end(self->socket);
}

static bool
quick_is_over(void)
{
    return client.closed && accepted[0].closed;
}

static void
close_quick(void *argument)
{
    (void)argument;
    tr_server_close(quick_server);
    stage_end();
}

static void
play_quick(void)
{
    toy_put_welcome(&wire);
    struct tri_secure_options options = {.received = tr_slice_constant(wire.bytes, wire.size)};
    client.hook = leaves_when_ready;
    quick_server = stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    assert_int_equal(toy_secure(client.socket, false, &options, NULL), TR_OK);
    assert_int_equal(tr_socket_write_then(client.socket, text_slice("first"), note_written, "first"), TR_OK);
    stage_settled_when(quick_is_over, close_quick, NULL);
}

static void
secure_comes_before_ready_also_if_the_handshake_is_over_as_soon_as_it_begins(void **state)
{
    (void)state;
    stage_play(1, play_quick);
    assert_string_equal(client.log, "connect secure first:OK ready later:OK end close");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, secure_reset, expect_no_toys)
        TEST(a_handshake_that_takes_too_long_is_an_error),
        TEST(what_came_in_time_while_the_worker_was_busy_is_not_late),
        TEST(a_peer_that_ends_within_the_handshake_is_a_lost_connection),
        TEST(a_byte_of_the_handshake_is_movement),
        TEST(the_first_byte_is_awaited_from_the_end_of_the_handshake_on),
        TEST(an_owner_without_credit_holds_the_handshake_up_and_its_time),
        TEST(what_is_written_meanwhile_waits_and_is_sent_when_that_was_told),
        TEST(a_pause_holds_data_back_and_not_the_handshake),
        TEST(an_end_that_is_asked_for_meanwhile_comes_after_what_was_written),
        TEST(secure_comes_before_ready_also_if_the_handshake_is_over_as_soon_as_it_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
