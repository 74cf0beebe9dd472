/*
 * Connections of a secure server that shake hands: how they count, what ends them, and what comes before.
 */
#include "fds.h"
#include "helpers.h"
#include "tls_gate.h"
#include "tls_play.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/send.h>
#include <troupe/ipaddr/block_list.h>

#define HELLO_BYTES 4096u
#define LINE "PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n"
#define FOREVER .tls.handshake_timeout_ms = TR_TLS_NO_LIMIT

/* One that is silent, one that has begun, and with one seat one that waits in line. */
static struct caller three[3];

static void
open_three(void)
{
    char hello[HELLO_BYTES];
    caller_open(&three[0], gate_calling, NULL);
    for (int i = 1; i < 3; i++) {
        caller_open(&three[i], gate_calling, NULL);
        size_t size = caller_hello(&three[i], hello, sizeof(hello));
        assert_true(tests_peer_send(three[i].fd, hello, i == 1 ? size / 2 : size));
        gate_await_handshakes(1);
    }
    gate_await_connections(3);
}

static void
close_three(void)
{
    for (int i = 0; i < 3; i++)
        caller_close(&three[i]);
}

/* They are closed, whether by an end or by a reset. */
static void
three_must_be_closed(void)
{
    char bytes[4096];
    for (int i = 0; i < 3; i++)
        assert_true(tests_peer_receive(three[i].fd, bytes, sizeof(bytes)) < (long)sizeof(bytes));
    close_three();
}

static const struct tr_server_options one_seat = {FOREVER, .tls.handshakes = 1};

static void
who_shakes_hands_is_one_of_the_connections(void **state)
{
    struct caller caller;
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        gate_serve((struct tr_server_options){.max_connections = 2, FOREVER}, workers);
        int first = gate_connect();
        caller_open(&caller, gate_calling, NULL);
        gate_await_connections(2);
        gate_must_turn_away(gate_connect());
        gate_tell(GATE_LOOK, 0);
        assert_int_equal(gate_refusals.over_limit, 1);
        caller_must_echo(&caller);
        gate_tell(GATE_LOOK, 0);
        assert_int_equal(gate_connections, 2);
        close(first);
        gate_await_connections(1);
        caller_close(&caller);
        gate_await_connections(0);
        gate_stop();
    }
}

static void
an_address_has_as_many_as_it_may_and_a_place_that_failed_is_free_again(void **state)
{
    struct caller caller;
    (void)state;
    gate_serve((struct tr_server_options){.max_per_address = 1, FOREVER}, 2);
    int first = gate_connect();
    gate_await_connections(1);
    gate_must_turn_away(gate_connect());
    close(first);
    gate_await_connections(0);
    int bad = gate_connect();
    assert_true(tests_peer_send(bad, "GET / HTTP/1.1\r\n\r\n", 18));
    gate_must_turn_away(bad);
    gate_await_connections(0);
    caller_open(&caller, gate_calling, NULL);
    caller_must_echo(&caller);
    gate_must_turn_away(gate_connect());
    caller_close(&caller);
    gate_await_connections(0);
    assert_int_equal(gate_refusals.over_address, 2);
    gate_stop();
}

static void
after_close_it_is_served_and_waited_for(void **state)
{
    (void)state;
    gate_serve(one_seat, 1);
    open_three();
    gate_tell(GATE_CLOSE, 0);
    gate_tell(GATE_LOOK, 0);
    assert_int_equal(gate_counted(&gate_closed), 0);
    caller_close(&three[1]);
    caller_must_echo(&three[2]);
    caller_must_echo(&three[0]);
    assert_int_equal(gate_counted(&gate_closed), 0);
    caller_close(&three[0]);
    caller_close(&three[2]);
    gate_await(&gate_closed, 1);
    gate_stop();
}

static void
says_goodbye(tr_socket *socket)
{
    tr_socket_end_with(socket, tr_slice_constant("bye", 3));
}

static void
counts_end(tr_socket *socket, bool had_error)
{
    (void)socket, (void)had_error;
    gate_count(&gate_ended);
}

static void
who_ends_its_handshake_in_a_drain_is_told_and_who_does_not_is_cut(void **state)
{
    static const struct tr_socket_events events = {.goaway = says_goodbye, .close = counts_end};
    struct tr_server_options options = one_seat;
    char rest[4096];
    (void)state;
    options.socket.events = &events;
    for (unsigned workers = 1; workers <= 2; workers++) {
        gate_serve(options, workers);
        struct caller caller, silent;
        caller_open(&caller, gate_calling, NULL);
        caller_open(&silent, gate_calling, NULL);
        gate_await_connections(2);
        assert_int_equal(gate_tell(GATE_DRAIN, INT32_MAX), TR_OK);
        assert_true(caller_shake(&caller));
        assert_true(tests_peer_receive(caller.fd, rest, sizeof(rest)) < (long)sizeof(rest)); /* up to its end */
        caller_close(&caller);
        gate_await_connections(1);
        assert_int_equal(gate_tell(GATE_DRAIN, 1), TR_OK);
        gate_await(&gate_closed, 1);
        assert_int_equal(gate_drained.ended, 1);
        assert_int_equal(gate_drained.cut, 1);
        caller_close(&silent);
        gate_stop();
        assert_int_equal(gate_failed, 0);
    }
}

static void
a_drain_without_time_cuts_all_that_shake_hands(void **state)
{
    (void)state;
    gate_serve(one_seat, 1);
    open_three();
    assert_int_equal(gate_tell(GATE_DRAIN, 0), TR_OK);
    gate_await(&gate_closed, 1);
    assert_int_equal(gate_drained.cut, 3);
    three_must_be_closed();
    gate_stop();
    assert_int_equal(gate_failed + gate_accepted, 0);
}

static void
the_end_of_the_runtime_closes_them_at_once_and_counts_them_nowhere(void **state)
{
    (void)state;
    gate_serve(one_seat, 1);
    open_three();
    gate_stop();
    assert_int_equal(gate_closed, 1);
    assert_int_equal(gate_failed + gate_accepted, 0);
    three_must_be_closed();
}

static void
they_outlive_a_server_that_is_killed(void **state)
{
    (void)state;
    gate_serve(one_seat, 1);
    open_three();
    assert_int_equal(tr_runtime_stop_actor(gate_runtime, gate_server, TR_STOP_KILL), TR_OK);
    caller_close(&three[1]);
    caller_must_echo(&three[2]);
    caller_close(&three[2]);
    gate_stop();
    char byte;
    assert_true(tests_peer_receive(three[0].fd, &byte, 1) <= 0);
    caller_close(&three[0]);
}

static void
who_lingers_is_closed_by_the_end_of_the_runtime(void **state)
{
    char alert[7];
    (void)state;
    gate_serve((struct tr_server_options){0}, 1);
    int fd = gate_connect();
    assert_true(tests_peer_send(fd, "\x16\x03\x01\x00\x05wrong", 10));
    assert_int_equal(tests_peer_receive(fd, alert, sizeof(alert)), sizeof(alert));
    gate_tell(GATE_DRAIN, 0); /* it has failed, and so is not cut */
    gate_await(&gate_closed, 1);
    assert_int_equal(gate_drained.cut, 0);
    gate_stop();
    close(fd);
}

static void
they_keep_the_program_running(void **state)
{
    (void)state;
    gate_serve((struct tr_server_options){.tls.handshake_timeout_ms = 200}, 1);
    uint64_t begin = tests_now_ns();
    int fd = gate_connect();
    gate_await_connections(1);
    gate_tell(GATE_CLOSE, 0);
    tr_runtime_wait_idle(gate_runtime);
    assert_true(tests_now_ns() - begin >= 200 * UINT64_C(1000000));
    gate_must_turn_away(fd);
    gate_stop();
}

/* A PROXY header before. */

static void
looks_at_header(tr_socket *socket)
{
    const struct tr_proxy *proxy = tr_socket_proxy(socket);
    if (proxy == NULL || strcmp(proxy->source.text, "192.0.2.1") != 0 || !tr_socket_secure(socket))
        abort();
    gate_count(&gate_accepted);
}

static const struct tr_server_options with_header = {
    .proxy.versions = TR_PROXY_V1, .proxy.timeout_ms = INT32_MAX, .connection = looks_at_header};

/* Both in one piece, and piece by piece. */
static void
a_header_comes_before_the_handshake(void **state)
{
    char bytes[sizeof(LINE) - 1 + HELLO_BYTES];
    struct caller caller;
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        gate_serve(with_header, workers);
        for (int i = 0; i < 8; i++) {
            caller_open(&caller, gate_calling, NULL);
            memcpy(bytes, LINE, sizeof(LINE) - 1);
            size_t size = sizeof(LINE) - 1 + caller_hello(&caller, bytes + sizeof(LINE) - 1, HELLO_BYTES);
            size_t part = i % 2 == 0 ? size : sizeof(LINE) - 1 + (size_t)i;
            assert_true(tests_peer_send(caller.fd, bytes, part));
            gate_await_connections(1);
            assert_true(tests_peer_send(caller.fd, bytes + part, size - part));
            caller_must_echo(&caller);
            caller_close(&caller);
            gate_await_connections(0);
        }
        gate_stop();
    }
}

static void
each_of_the_two_is_counted_by_itself(void **state)
{
    (void)state;
    gate_serve(with_header, 1);
    int fd = gate_connect();
    assert_true(tests_peer_send(fd, "GET / HTTP/1.1\r\n\r\n", 18));
    gate_must_turn_away(fd);
    gate_await_connections(0);
    assert_int_equal(gate_refusals.bad_proxy, 1);
    assert_int_equal(gate_refusals.bad_tls, 0);
    fd = gate_connect();
    assert_true(tests_peer_send(fd, LINE "GET / HTTP/1.1\r\n\r\n", sizeof(LINE) + 17));
    gate_await(&gate_failed, 1);
    assert_string_equal(gate_failures[0].error.code, "ERR_SSL_HTTP_REQUEST");
    assert_string_equal(gate_failures[0].peer.text, "127.0.0.1"); /* where it comes from, not what it says */
    close(fd);
    gate_await_connections(0);
    assert_int_equal(gate_refusals.bad_proxy, 1);
    assert_int_equal(gate_refusals.bad_tls, 1);
    gate_stop();
}

/* What comes along with the end of the handshake is inside, where polling does not see it. */

static tr_ref paused;

static void
remembers_itself(tr_socket *socket)
{
    __atomic_store_n(&paused, tr_socket_ref(socket), __ATOMIC_SEQ_CST);
    gate_count(&gate_accepted);
}

static void
echoes(tr_socket *socket, tr_slice data)
{
    tr_socket_write_slice(socket, data);
}

static void
goes_on(tr_socket *socket, tr_message *message)
{
    (void)message;
    if (tr_socket_bytes_read(socket) != 0)
        abort();
    tr_socket_resume(socket);
}

static void
what_comes_along_with_the_end_of_the_handshake_is_data(void **state)
{
    struct caller caller;
    (void)state;
    gate_serve((struct tr_server_options){0}, 2);
    for (int i = 0; i < 10; i++) {
        caller_open(&caller, gate_calling, NULL);
        caller_must_echo_at_once(&caller);
        caller_close(&caller);
    }
    gate_stop();
}

static void *
says_at_once(void *argument)
{
    caller_must_echo_at_once(argument);
    return NULL;
}

static void
with_pause_on_connect_that_is_given_when_it_is_resumed(void **state)
{
    static const struct tr_socket_events events = {.data = echoes, .message = goes_on, .close = counts_end};
    struct caller caller;
    pthread_t thread;
    (void)state;
    gate_serve(
        (struct tr_server_options){.pause_on_connect = true, .connection = remembers_itself, .socket.events = &events},
        1);
    caller_open(&caller, gate_calling, NULL);
    assert_int_equal(pthread_create(&thread, NULL, says_at_once, &caller), 0);
    gate_await(&gate_accepted, 1);
    for (int i = 0; i < 10; i++)
        gate_tell(GATE_LOOK, 0); /* it has had its chance */
    tr_message message = tr_message_signal(1);
    assert_int_equal(tr_runtime_send(gate_runtime, __atomic_load_n(&paused, __ATOMIC_SEQ_CST), &message), TR_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    caller_close(&caller);
    gate_stop();
}

/* What it costs. */

#define MANY 300

static void
who_says_nothing_costs_no_more_than_a_plain_connection(void **state)
{
    static int fds[MANY];
    struct caller caller;
    (void)state;
    gate_serve((struct tr_server_options){FOREVER}, 2);
    for (int i = 0; i < 2; i++) {
        caller_open(&caller, gate_calling, NULL);
        caller_must_echo(&caller);
        caller_close(&caller);
    }
    gate_await_connections(0);
    size_t before = tests_allocated();
    for (int i = 0; i < MANY; i++)
        fds[i] = gate_connect();
    gate_await_connections(MANY);
    size_t each = (tests_allocated() - before) / MANY;
    if (each > 1536)
        fail_msg("%zu bytes each", each);
    assert_int_equal(gate_handshakes, 0);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    gate_await_connections(0);
    assert_int_equal(gate_refusals.bad_tls, MANY);
    gate_stop();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(who_shakes_hands_is_one_of_the_connections),
        TLS_TEST(an_address_has_as_many_as_it_may_and_a_place_that_failed_is_free_again),
        TLS_TEST(after_close_it_is_served_and_waited_for),
        TLS_TEST(who_ends_its_handshake_in_a_drain_is_told_and_who_does_not_is_cut),
        TLS_TEST(a_drain_without_time_cuts_all_that_shake_hands),
        TLS_TEST(the_end_of_the_runtime_closes_them_at_once_and_counts_them_nowhere),
        TLS_TEST(they_outlive_a_server_that_is_killed),
        TLS_TEST(who_lingers_is_closed_by_the_end_of_the_runtime),
        TLS_TEST(they_keep_the_program_running),
        TLS_TEST(a_header_comes_before_the_handshake),
        TLS_TEST(each_of_the_two_is_counted_by_itself),
        TLS_TEST(what_comes_along_with_the_end_of_the_handshake_is_data),
        TLS_TEST(with_pause_on_connect_that_is_given_when_it_is_resumed),
        TLS_TEST(who_says_nothing_costs_no_more_than_a_plain_connection),
    };
    return cmocka_run_group_tests(tests, gate_setup, gate_teardown);
}
