/*
 * Slow peers: who sends less than the options demand loses the connection, and nobody else does.
 */
#include "pace_play.h"

#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The first byte. */

static void
play_silence(void)
{
    pace_open_client(pace_first_byte);
}

static void
a_peer_that_sends_nothing_in_time_is_given_up(void **state)
{
    (void)state;
    stage_play(1, play_silence);
    expect_too_slow(TOO_SLOW, "first byte");
    assert_took(LIMIT_MS);
}

static void
end_client_and_server(void *argument)
{
    (void)argument;
    stage_end_when_closed((struct endpoint *[]){&client, &accepted[0]}, 2);
}

static void
play_silent_client(void)
{
    stage_serve((struct tr_server_options){.socket = pace_first_byte});
    stage_connect(&client);
    end_client_and_server(NULL);
}

static void
play_silent_server(void)
{
    stage_serve((struct tr_server_options){0});
    stage_connect_as(&client, pace_first_byte, (struct tr_connect_options){0});
    end_client_and_server(NULL);
}

static void
accepted_and_connected_sockets_have_the_limit(void **state)
{
    stage_play(1, play_silent_client);
    assert_string_equal(accepted[0].log, "accepted " TOO_SLOW);
    assert_string_equal(accepted[0].call, "first byte");
    assert_string_equal(client.log, "connect ready end close");
    pace_reset(state);
    stage_play(1, play_silent_server);
    expect_too_slow("connect ready " TOO_SLOW, "first byte");
    assert_string_equal(accepted[0].log, "accepted end close");
}

static unsigned lives;

static void
connects_again(struct endpoint *self, const char *event)
{
    if (!is(event, "close"))
        return;
    if (++lives == 2) {
        ends_at_close(self, event);
        return;
    }
    pace_began_ns = tests_now_ns();
    struct tr_connect_options again = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_socket_connect(self->socket, &again), TR_OK);
}

static void
play_two_lives(void)
{
    lives = 0;
    client.hook = connects_again;
    stage_serve((struct tr_server_options){0});
    stage_connect_as(&client, pace_first_byte, (struct tr_connect_options){0});
}

static void
each_connection_of_a_socket_has_the_limit(void **state)
{
    (void)state;
    stage_play(1, play_two_lives);
    expect_too_slow("connect ready " TOO_SLOW " connect ready " TOO_SLOW, "first byte");
    assert_took(LIMIT_MS);
}

static void
play_one_byte(void)
{
    pace_then = let_it_be;
    pace_other.hook = goes_on_with_the_client;
    pace_open_client(pace_first_byte);
    pace_open_other(pace_first_byte);
    assert_true(tests_peer_send(pace_peer, "x", 1));
}

static void
who_has_sent_a_byte_may_be_silent(void **state)
{
    (void)state;
    stage_play(1, play_one_byte);
    assert_string_equal(client.log, "data:x close");
}

/* The byte comes in time, and the worker is held for longer than the limit. */
static void
play_busy_worker(void)
{
    pace_then = let_it_be;
    pace_other.hook = goes_on_with_the_client;
    pace_open_client(pace_first_byte);
    assert_true(tests_peer_send(pace_peer, "x", 1));
    tests_hold(2 * LIMIT_MS);
    pace_open_other(pace_first_byte);
}

static void
bytes_in_the_kernel_have_come(void **state)
{
    (void)state;
    stage_play(1, play_busy_worker);
    assert_string_equal(client.log, "data:x close");
}

/* The rate. */

/* The client has what one interval demands, the other a byte less: it is lost an interval earlier. */
static void
play_rates(void)
{
    pace_other.hook = comes_before_the_client;
    pace_open_client(pace_rate);
    pace_open_other(pace_rate);
    send_zeroes(pace_peer, LIMIT_MS);
    send_zeroes(pace_other_peer, LIMIT_MS - 1);
}

static void
less_than_the_rate_in_an_interval_is_too_slow(void **state)
{
    (void)state;
    stage_play(1, play_rates);
    assert_string_equal(pace_other.log, "data ERR_PEER_TOO_SLOW close!");
    assert_string_equal(pace_other.call, "read");
    expect_too_slow("data ERR_PEER_TOO_SLOW close!", "read");
}

static void
play_rates_of_silence(void)
{
    struct tr_socket_options graced = pace_rate;
    graced.min_rate_grace_ms = 2 * LIMIT_MS;
    pace_other.hook = comes_before_the_client;
    pace_open_client(graced);
    pace_open_other(pace_rate);
}

static void
the_rate_is_demanded_after_the_grace_time(void **state)
{
    (void)state;
    stage_play(1, play_rates_of_silence);
    expect_too_slow(TOO_SLOW, "read");
    assert_string_equal(pace_other.log, TOO_SLOW);
    assert_took(3 * LIMIT_MS);
}

static void
play_default_interval(void)
{
    struct tr_socket_options by_default = pace_rate;
    by_default.min_rate_interval_ms = 0;
    pace_then = let_it_be;
    pace_other.hook = goes_on_with_the_client;
    pace_open_client(by_default);
    pace_open_other(pace_rate);
}

static void
by_default_an_interval_is_long(void **state)
{
    (void)state;
    stage_play(1, play_default_interval);
    assert_string_equal(client.log, "close");
    assert_int_equal(TR_MIN_RATE_INTERVAL_MS, 5000);
}

/* Both: the first byte may take several intervals, and then the rate counts. */

static void
send_a_byte(void *argument)
{
    (void)argument;
    pace_began_ns = tests_now_ns();
    send_zeroes(pace_peer, 1);
}

static void
play_late_first_byte(void)
{
    struct tr_socket_options both = pace_rate;
    both.first_byte_timeout_ms = 1000000;
    pace_open_client(both);
    stage_after(3 * LIMIT_MS, send_a_byte, NULL);
}

static void
with_a_time_for_the_first_byte_the_rate_counts_from_there(void **state)
{
    (void)state;
    stage_play(1, play_late_first_byte);
    expect_too_slow("data ERR_PEER_TOO_SLOW close!", "read");
    assert_took(LIMIT_MS - 1);
}

static void
play_no_first_byte(void)
{
    struct tr_socket_options both = pace_rate;
    both.first_byte_timeout_ms = 2 * LIMIT_MS + 1;
    pace_open_client(both);
}

static void
with_a_rate_the_first_byte_has_its_whole_time(void **state)
{
    (void)state;
    stage_play(1, play_no_first_byte);
    expect_too_slow(TOO_SLOW, "first byte");
    assert_took(2 * LIMIT_MS + 1);
}

/* Refusals. */

static void
play_limits(void)
{
    const uint64_t most = INT32_MAX;
    struct tr_socket_options fits = {.first_byte_timeout_ms = most,
                                     .min_rate = UINT32_MAX,
                                     .min_rate_interval_ms = most,
                                     .min_rate_grace_ms = most,
                                     .write_timeout_ms = most};
    struct tr_socket_options too_long[4] = {{.first_byte_timeout_ms = most + 1},
                                            {.min_rate_interval_ms = most + 1},
                                            {.min_rate_grace_ms = most + 1},
                                            {.write_timeout_ms = most + 1}};
    tr_socket *socket;
    for (int i = 0; i < 4; i++)
        assert_int_equal(tr_socket_spawn(director, &too_long[i], &socket), TR_EBADLIMIT);
    assert_int_equal(tr_socket_spawn(director, &fits, &socket), TR_OK);
    tr_socket_destroy(socket, TR_OK);
    stage_settled(end_play, NULL);
}

static void
a_time_that_is_too_long_is_refused(void **state)
{
    (void)state;
    stage_play(1, play_limits);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_peer_that_sends_nothing_in_time_is_given_up, pace_reset),
        cmocka_unit_test_setup(accepted_and_connected_sockets_have_the_limit, pace_reset),
        cmocka_unit_test_setup(each_connection_of_a_socket_has_the_limit, pace_reset),
        cmocka_unit_test_setup(who_has_sent_a_byte_may_be_silent, pace_reset),
        cmocka_unit_test_setup(bytes_in_the_kernel_have_come, pace_reset),
        cmocka_unit_test_setup(less_than_the_rate_in_an_interval_is_too_slow, pace_reset),
        cmocka_unit_test_setup(the_rate_is_demanded_after_the_grace_time, pace_reset),
        cmocka_unit_test_setup(by_default_an_interval_is_long, pace_reset),
        cmocka_unit_test_setup(with_a_time_for_the_first_byte_the_rate_counts_from_there, pace_reset),
        cmocka_unit_test_setup(with_a_rate_the_first_byte_has_its_whole_time, pace_reset),
        cmocka_unit_test_setup(a_time_that_is_too_long_is_refused, pace_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
