/*
 * Handshakes of a secure server that fail, or wait: what is told and counted, their time, their number, their line.
 */
#include "helpers.h"
#include "tls_gate.h"
#include "tls_play.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define HELLO_BYTES 4096u

static struct tr_tls_context_options of_server, of_client;

static int
reset(void **state)
{
    (void)state;
    of_server = tls_server("server");
    of_client = tls_client("ca");
    return 0;
}

/* What fails. */

static void
a_server_of_names(void)
{
    of_server.names_only = true;
}

static void
a_server_of_1_3(void)
{
    of_server.lowest = TR_TLS_1_3;
    of_client.highest = TR_TLS_1_2;
}

static void
no_cipher_in_common(void)
{
    of_server.highest = of_client.highest = TR_TLS_1_2;
    of_server.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
    of_client.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
}

static void
no_protocol_in_common(void)
{
    static const char *const one[] = {"h2"}, *const other[] = {"http/1.1"};
    of_server.alpn = one;
    of_client.alpn = other;
    of_server.alpn_count = of_client.alpn_count = 1;
}

static void
a_client_that_does_not_believe(void)
{
    of_client = tls_client("other_ca");
}

static void
a_client_without_a_certificate(void)
{
    of_server.verify = TR_TLS_VERIFY_REQUIRE;
    of_server.ca = tls_pem("ca");
    of_server.ca_count = 1;
}

static void
a_client_of_another_authority(void)
{
    a_client_without_a_certificate();
    of_client.identities = tls_identity("stranger");
    of_client.identity_count = 1;
}

static void
the_same_in_1_2(void)
{
    a_client_of_another_authority();
    of_client.highest = TR_TLS_1_2;
}

static const struct {
    void (*set)(void);
    tr_status status;
    const char *code;
} bad_clients[] = {
    {a_server_of_names, TR_ETLS, "ERR_SSL_CALLBACK_FAILED"},
    {a_server_of_1_3, TR_ETLS, "ERR_SSL_UNSUPPORTED_PROTOCOL"},
    {no_cipher_in_common, TR_ETLS, "ERR_SSL_NO_SHARED_CIPHER"},
    {no_protocol_in_common, TR_ETLS, "ERR_SSL_NO_APPLICATION_PROTOCOL"},
    {a_client_that_does_not_believe, TR_ETLS, "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA"},
    {a_client_without_a_certificate, TR_ETLS, "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE"},
    {a_client_of_another_authority, TR_EUNVERIFIED, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"},
    {the_same_in_1_2, TR_EUNVERIFIED, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"},
};

/* Exactly one, and no other word. */
static void
must_be_told(uint16_t port, tr_status status, const char *code, const char *name)
{
    gate_await(&gate_failed, 1);
    gate_await_connections(0);
    const struct tr_handshake_failure *failure = &gate_failures[0];
    if (failure->error.status != status || strcmp(failure->error.code, code) != 0)
        fail_msg("%s (%s) in place of %s", failure->error.code, tr_status_code(failure->error.status), code);
    assert_string_equal(failure->error.call, "handshake");
    assert_string_equal(failure->peer.text, "127.0.0.1");
    assert_int_equal(failure->peer.port, port);
    assert_string_equal(failure->server_name, name);
    assert_int_equal(gate_refusals.bad_tls, 1);
    assert_int_equal(gate_refusals.lost + gate_refusals.bad_proxy, 0);
    assert_int_equal(gate_accepted, 0);
    assert_int_equal(gate_handshakes, 0);
}

static void
a_failed_handshake_is_told_once_with_peer_reason_and_name_and_is_no_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_clients) / sizeof(bad_clients[0]); i++) {
        struct caller caller;
        reset(state);
        bad_clients[i].set();
        tr_tls_context *serving = tls_make(&of_server), *calling = tls_make(&of_client);
        gate_serve((struct tr_server_options){.tls.context = serving}, 2);
        tr_tls_context_release(serving);
        caller_open(&caller, calling, "Some.example");
        assert_false(caller_shake(&caller) && caller_echoes(&caller));
        uint16_t port = gate_port_of(caller.fd);
        caller_close(&caller);
        must_be_told(port, bad_clients[i].status, bad_clients[i].code, "some.example");
        tr_tls_context_release(calling);
        gate_stop();
    }
}

static const struct {
    const char *bytes;
    size_t size;
    const char *code;
} no_tls[] = {
    {"GET / HTTP/1.1\r\n\r\n", 18, "ERR_SSL_HTTP_REQUEST"},
    {"SSH-2.0-OpenSSH_9.2\r\n", 21, "ERR_SSL_WRONG_VERSION_NUMBER"},
    {"\x16\x03\x01\xff\xff\x01\x00\x00\x00", 9, "ERR_SSL_PACKET_LENGTH_TOO_LONG"},
    {"\x15\x03\x01\x00\x02\x02\x28", 7, "ERR_SSL_UNEXPECTED_MESSAGE"},
};

static void
what_is_no_tls_is_told_by_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(no_tls) / sizeof(no_tls[0]); i++) {
        gate_serve((struct tr_server_options){0}, 1);
        int fd = gate_connect();
        uint16_t port = gate_port_of(fd);
        assert_true(tests_peer_send(fd, no_tls[i].bytes, no_tls[i].size));
        char bytes[64];
        assert_true(tests_peer_receive(fd, bytes, sizeof(bytes)) >= 0); /* an end, and no reset */
        close(fd);
        must_be_told(port, TR_ETLS, no_tls[i].code, "");
        gate_stop();
    }
}

static void
a_client_that_leaves_is_told_as_a_reset(void **state)
{
    char hello[HELLO_BYTES];
    (void)state;
    for (int way = 0; way < 4; way++) {
        struct caller caller;
        gate_serve((struct tr_server_options){0}, 1);
        caller_open(&caller, gate_calling, "server.example");
        uint16_t port = gate_port_of(caller.fd);
        size_t size = caller_hello(&caller, hello, sizeof(hello));
        if (way >= 2) {
            assert_true(tests_peer_send(caller.fd, hello, size / 2));
            gate_await_handshakes(1);
        } else {
            gate_await_connections(1);
        }
        int fd = dup(caller.fd);
        caller_close(&caller);
        if (way % 2 == 0)
            close(fd);
        else
            tests_peer_reset(fd);
        must_be_told(port, TR_ECONNRESET, "ECONNRESET", "");
        gate_stop();
    }
}

/* The alert. */

#define MUCH (1u << 20)

/* More than is ever read follows the bad bytes: closing would be a reset, which takes the alert along. */
static void
the_alert_arrives_though_the_client_has_sent_more(void **state)
{
    static char much[MUCH];
    char alert[7] = "";
    (void)state;
    gate_serve((struct tr_server_options){0}, 1);
    for (int i = 0; i < 20; i++) {
        int fd = gate_connect();
        memcpy(much, "\x16\x03\x01\x00\x05wrong", 10);
        assert_true(tests_peer_send(fd, much, sizeof(much)));
        assert_int_equal(tests_peer_receive(fd, alert, sizeof(alert)), sizeof(alert));
        assert_int_equal(alert[0], 0x15);
        assert_int_equal(alert[5], 2); /* fatal */
        assert_true(tests_peer_at_end(fd));
        close(fd);
    }
    gate_await_connections(0);
    assert_int_equal(gate_refusals.bad_tls, 20);
    gate_stop();
}

static void
who_does_not_end_after_the_alert_is_closed_when_its_time_is_over(void **state)
{
    char alert[7];
    (void)state;
    gate_serve((struct tr_server_options){.tls.handshakes = 1}, 1);
    uint64_t begin = tests_now_ns();
    int fd = gate_connect(), other = gate_connect();
    assert_true(tests_peer_send(fd, "\x16\x03\x01\x00\x05wrong", 10));
    assert_int_equal(tests_peer_receive(fd, alert, sizeof(alert)), sizeof(alert));
    gate_tell(GATE_LOOK, 0);
    assert_int_equal(gate_connections, 2); /* it has a descriptor, and no seat */
    assert_int_equal(gate_handshakes, 0);
    assert_true(tests_peer_send(other, "\x16\x03\x01\x00\x05wrong", 10)); /* one lingers: it does not */
    assert_true(tests_peer_receive(other, alert, sizeof(alert)) >= 0);
    gate_await_connections(0);
    assert_true(tests_now_ns() - begin >= TR_HANDSHAKE_LINGER_MS * UINT64_C(1000000));
    close(fd);
    close(other);
    gate_stop();
}

/* Time. */

static void
a_handshake_that_takes_too_long_fails_whatever_it_waits_for_and_not_too_early(void **state)
{
    char hello[HELLO_BYTES];
    struct caller silent, half, in_line;
    (void)state;
    gate_serve((struct tr_server_options){.tls = {.handshake_timeout_ms = 300, .handshakes = 1}}, 1);
    uint64_t begin = tests_now_ns();
    caller_open(&silent, gate_calling, NULL);
    caller_open(&half, gate_calling, NULL);
    size_t size = caller_hello(&half, hello, sizeof(hello));
    assert_true(tests_peer_send(half.fd, hello, size / 2));
    caller_open(&in_line, gate_calling, NULL);
    size = caller_hello(&in_line, hello, sizeof(hello));
    assert_true(tests_peer_send(in_line.fd, hello, size));
    gate_await(&gate_failed, 3);
    assert_true(tests_now_ns() - begin >= 300 * UINT64_C(1000000));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(gate_failures[i].error.status, TR_ETLSTIMEOUT);
        assert_string_equal(gate_failures[i].error.code, "ERR_TLS_HANDSHAKE_TIMEOUT");
        assert_int_equal(gate_failures[i].error.system, 0);
    }
    caller_close(&silent);
    caller_close(&half);
    caller_close(&in_line);
    gate_await_connections(0);
    assert_int_equal(gate_refusals.bad_tls, 3);
    gate_stop();
}

/* It came first and spoke last; who has the seat has more time left. */
static void
who_waits_in_line_when_its_time_is_over_fails_then(void **state)
{
    char hello[HELLO_BYTES];
    struct caller in_line, seated;
    (void)state;
    gate_serve((struct tr_server_options){.tls = {.handshake_timeout_ms = 300, .handshakes = 1}}, 1);
    caller_open(&in_line, gate_calling, NULL);
    uint16_t port = gate_port_of(in_line.fd);
    gate_await_connections(1);
    tests_let_pass(50 * UINT64_C(1000000));
    caller_open(&seated, gate_calling, NULL);
    size_t size = caller_hello(&seated, hello, sizeof(hello));
    assert_true(tests_peer_send(seated.fd, hello, size / 2));
    gate_await_handshakes(1);
    size = caller_hello(&in_line, hello, sizeof(hello));
    assert_true(tests_peer_send(in_line.fd, hello, size));
    gate_await(&gate_failed, 2);
    assert_int_equal(gate_failures[0].peer.port, port);
    assert_int_equal(gate_failures[0].error.status, TR_ETLSTIMEOUT);
    caller_close(&in_line);
    caller_close(&seated);
    gate_stop();
}

static void
what_was_let_in_has_no_such_limit(void **state)
{
    struct caller caller;
    (void)state;
    gate_serve((struct tr_server_options){.tls.handshake_timeout_ms = 200}, 1);
    caller_open(&caller, gate_calling, NULL);
    assert_true(caller_shake(&caller));
    gate_await(&gate_accepted, 1);
    int silent = gate_connect();
    gate_await(&gate_failed, 1); /* the limit of one that came later is over */
    assert_true(caller_echoes(&caller));
    caller_close(&caller);
    close(silent);
    gate_stop();
}

/* Number. */

static void
as_many_as_are_allowed_are_under_way_and_others_wait_in_their_order(void **state)
{
    char hello[HELLO_BYTES], rest[HELLO_BYTES];
    struct caller first, second, third, silent;
    (void)state;
    gate_serve((struct tr_server_options){.tls = {.handshakes = 1, .handshake_timeout_ms = TR_TLS_NO_LIMIT}}, 1);
    caller_open(&silent, gate_calling, NULL); /* says nothing, and so keeps nobody waiting */
    caller_open(&first, gate_calling, NULL);
    size_t size = caller_hello(&first, hello, sizeof(hello));
    assert_true(tests_peer_send(first.fd, hello, size / 2));
    gate_await_handshakes(1);
    caller_open(&second, gate_calling, NULL);
    caller_open(&third, gate_calling, NULL);
    size_t of_second = caller_hello(&second, rest, sizeof(rest));
    assert_true(tests_peer_send(second.fd, rest, of_second));
    gate_await_connections(4);
    size_t of_third = caller_hello(&third, rest, sizeof(rest));
    assert_true(tests_peer_send(third.fd, rest, of_third));
    for (int i = 0; i < 10; i++) {
        gate_tell(GATE_LOOK, 0);
        assert_int_equal(gate_handshakes, 1);
    }
    char byte;
    assert_true(recv(second.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0); /* nobody has answered */
    assert_int_equal(gate_accepted, 0);
    assert_true(tests_peer_send(first.fd, hello + size / 2, size - size / 2));
    caller_must_echo(&first);
    assert_int_equal(recv(second.fd, &byte, 1, MSG_PEEK), 1); /* its turn has come */
    assert_true(recv(third.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0);
    caller_must_echo(&second);
    caller_must_echo(&third);
    caller_must_echo(&silent);
    caller_close(&first);
    caller_close(&second);
    caller_close(&third);
    caller_close(&silent);
    gate_await_connections(0);
    assert_int_equal(gate_handshakes, 0);
    gate_stop();
}

static void
the_seat_of_one_that_fails_or_leaves_is_the_next_ones(void **state)
{
    char hello[HELLO_BYTES];
    struct caller first, second;
    (void)state;
    gate_serve((struct tr_server_options){.tls.handshakes = 1}, 1);
    for (int i = 0; i < 10; i++) {
        caller_open(&first, gate_calling, NULL);
        size_t size = caller_hello(&first, hello, sizeof(hello));
        assert_true(tests_peer_send(first.fd, hello, size / 2));
        gate_await_handshakes(1);
        caller_open(&second, gate_calling, NULL);
        size = caller_hello(&second, hello, sizeof(hello));
        assert_true(tests_peer_send(second.fd, hello, size));
        gate_await_connections(2);
        if (i % 2 == 0)
            assert_true(tests_peer_send(first.fd, "no such hello", 13) || true);
        caller_close(&first);
        caller_must_echo(&second);
        caller_close(&second);
        gate_await_connections(0);
    }
    gate_stop();
}

/* Telling. */

#define FLOOD 300u

static bool
is_held(void *argument)
{
    (void)argument;
    return gate_counted(&gate_held) > 0;
}

static void *
floods(void *argument)
{
    (void)argument;
    tests_wait_until(is_held, NULL, TESTS_LIMIT_MS);
    for (unsigned i = 0; i < FLOOD; i++) {
        int fd = tests_peer_connect(gate_port);
        tests_peer_send(fd, "GET / HTTP/1.1\r\n\r\n", 18);
        close(fd);
    }
    return NULL;
}

/* Connections live on another worker than the server, which is held until all have failed. */
static void
no_more_than_the_limit_wait_to_be_told_and_all_are_counted(void **state)
{
    static const unsigned other[] = {1};
    (void)state;
    pthread_t thread;
    struct tr_listen_options listen = {.host = "127.0.0.1", .accept = TR_ACCEPT_SHARED_FD};
    unsigned home;
    do { /* the server's worker is chosen by the runtime */
        gate_serve_at(listen, (struct tr_server_options){.workers = other, .worker_count = 1}, 2);
        home = tr_ref_worker(gate_server);
        if (home == 1)
            gate_stop();
    } while (home == 1);
    gate_held = 0;
    assert_int_equal(pthread_create(&thread, NULL, floods, NULL), 0);
    gate_tell(GATE_AWAIT_BAD, FLOOD);
    assert_int_equal(pthread_join(thread, NULL), 0);
    gate_await_connections(0);
    assert_int_equal(gate_refusals.bad_tls, FLOOD);
    gate_await(&gate_failed, TR_HANDSHAKES_UNTOLD);
    gate_tell(GATE_LOOK, 0);
    assert_int_equal(gate_failed, TR_HANDSHAKES_UNTOLD);
    int fd = gate_connect(); /* later ones are told again */
    assert_true(tests_peer_send(fd, "GET / HTTP/1.1\r\n\r\n", 18));
    gate_await(&gate_failed, TR_HANDSHAKES_UNTOLD + 1);
    close(fd);
    gate_stop();
}

static void
close_comes_after_the_last_failure_was_told(void **state)
{
    (void)state;
    int fds[20];
    for (unsigned round = 0; round < 10; round++) {
        gate_serve((struct tr_server_options){0}, 2);
        for (int i = 0; i < 20; i++)
            fds[i] = gate_connect();
        gate_await_connections(20);
        gate_tell(GATE_CLOSE, 0);
        for (int i = 0; i < 20; i++)
            tests_peer_reset(fds[i]);
        gate_await(&gate_closed, 1);
        assert_int_equal(gate_failed_at_close, 20);
        gate_stop();
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, tls_leaves_no_errors)
        TEST(a_failed_handshake_is_told_once_with_peer_reason_and_name_and_is_no_error),
        TEST(what_is_no_tls_is_told_by_its_reason),
        TEST(a_client_that_leaves_is_told_as_a_reset),
        TEST(the_alert_arrives_though_the_client_has_sent_more),
        TEST(who_does_not_end_after_the_alert_is_closed_when_its_time_is_over),
        TEST(a_handshake_that_takes_too_long_fails_whatever_it_waits_for_and_not_too_early),
        TEST(who_waits_in_line_when_its_time_is_over_fails_then),
        TEST(what_was_let_in_has_no_such_limit),
        TEST(as_many_as_are_allowed_are_under_way_and_others_wait_in_their_order),
        TEST(the_seat_of_one_that_fails_or_leaves_is_the_next_ones),
        TEST(no_more_than_the_limit_wait_to_be_told_and_all_are_counted),
        TEST(close_comes_after_the_last_failure_was_told),
    };
    return cmocka_run_group_tests(tests, gate_setup, gate_teardown);
}
