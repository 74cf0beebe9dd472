/*
 * Slow peers: who takes nothing of what waits for him loses the connection.
 */
#include "pace_play.h"

#include "helpers.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Writing. */

#define MUCH (16u << 20) /* more than the kernel takes */

static const struct tr_socket_options write_timeout = {.write_timeout_ms = LIMIT_MS};
static int family;

static void
write_much(struct endpoint *endpoint)
{
    assert_int_equal(tr_socket_write_then(endpoint->socket, pattern(MUCH), note_written, "much"), TR_QUEUED);
}

static void
send_now_and_then(void *argument)
{
    if (client.socket == NULL)
        return;
    send_zeroes(pace_peer, 1);
    stage_after(1, send_now_and_then, argument);
}

static void
play_peer_that_takes_nothing(void)
{
    pace_open_client(write_timeout);
    write_much(&client);
    send_now_and_then(NULL);
}

static void
a_peer_that_sends_and_takes_nothing_is_given_up(void **state)
{
    (void)state;
    stage_play(1, play_peer_that_takes_nothing);
    expect_too_slow("data ERR_PEER_TOO_SLOW much:ERR_PEER_TOO_SLOW close!", "write");
    assert_took(LIMIT_MS);
}

static void
take_some(void)
{
    static char bytes[1 << 18];
    assert_true(recv(pace_peer, bytes, sizeof(bytes), 0) > 0);
}

static void
play_peer_that_takes_some(void)
{
    client.hook = ends_at_close;
    cast_open_as(&client, family, &pace_peer, write_timeout);
    write_much(&client);
    tests_hold(HOLD_MS);
    pace_began_ns = tests_now_ns();
    take_some();
}

static void
who_takes_some_has_the_time_once_more(void **state)
{
    for (int turn = 0; turn < 2; turn++) {
        pace_reset(state);
        family = turn == 0 ? AF_INET : AF_UNIX;
        stage_play(1, play_peer_that_takes_some);
        expect_too_slow("ERR_PEER_TOO_SLOW much:ERR_PEER_TOO_SLOW close!", "write");
        assert_took(LIMIT_MS);
    }
}

static bool keeps_busy;

/* Of what is no socket the kernel does not say what it holds. */
static void
play_system_pipe(void)
{
    int fds[2];
    static char bytes[1 << 16];
    struct tr_socket_options options = write_timeout;
    options.events = &endpoint_events;
    options.data = &client;
    client.hook = ends_at_close;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pace_peer = fds[0];
    assert_int_equal(tr_socket_adopt(director, fds[1], TR_WRITABLE, &options, &client.socket), TR_OK);
    write_much(&client);
    tests_hold(HOLD_MS);
    pace_began_ns = tests_now_ns();
    assert_true(read(pace_peer, bytes, sizeof(bytes)) > 0);
    if (!keeps_busy)
        return;
    tests_hold(2 * LIMIT_MS); /* the time has passed before there is a look at the room that is there */
    pace_began_ns = tests_now_ns();
}

static void
who_takes_some_of_a_system_pipe_has_the_time_once_more(void **state)
{
    for (int turn = 0; turn < 2; turn++) {
        pace_reset(state);
        keeps_busy = turn == 1;
        stage_play(1, play_system_pipe);
        expect_too_slow("ERR_PEER_TOO_SLOW much:ERR_PEER_TOO_SLOW close!", "write");
        assert_took(LIMIT_MS);
    }
}

static void
writes_at_drain(struct endpoint *self, const char *event)
{
    if (is(event, "drain")) {
        peer.fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* which ends: nobody reads the connection any more */
        tests_hold(HOLD_MS);
        pace_began_ns = tests_now_ns();
        write_much(self);
    }
    ends_at_close(self, event);
}

static void
play_two_writes(void)
{
    client.hook = writes_at_drain;
    pace_open_client(write_timeout);
    write_much(&client);
    peer.fd = pace_peer;
    stage_read(&peer);
}

static void
each_write_that_waits_has_the_whole_time(void **state)
{
    (void)state;
    stage_play(1, play_two_writes);
    expect_too_slow("drain much:OK ERR_PEER_TOO_SLOW much:ERR_PEER_TOO_SLOW close!", "write");
    assert_took(LIMIT_MS);
}

static bool corks_first;

static void
uncork_client(void)
{
    assert_int_equal(tr_socket_uncork(client.socket), TR_QUEUED);
}

static void
play_corked(void)
{
    pace_then = uncork_client;
    pace_other.hook = goes_on_with_the_client;
    pace_open_client(write_timeout);
    if (corks_first)
        tr_socket_cork(client.socket);
    write_much(&client);
    if (!corks_first)
        tr_socket_cork(client.socket);
    pace_open_other(write_timeout);
    write_much(&pace_other);
}

static void
what_is_corked_does_not_count(void **state)
{
    for (int turn = 0; turn < 2; turn++) {
        corks_first = turn == 0;
        pace_reset(state);
        stage_play(1, play_corked);
        expect_too_slow("ERR_PEER_TOO_SLOW much:ERR_PEER_TOO_SLOW close!", "write");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_peer_that_sends_and_takes_nothing_is_given_up, pace_reset),
        cmocka_unit_test_setup(who_takes_some_has_the_time_once_more, pace_reset),
        cmocka_unit_test_setup(who_takes_some_of_a_system_pipe_has_the_time_once_more, pace_reset),
        cmocka_unit_test_setup(each_write_that_waits_has_the_whole_time, pace_reset),
        cmocka_unit_test_setup(what_is_corked_does_not_count, pace_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
