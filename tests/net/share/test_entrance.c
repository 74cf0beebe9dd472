/*
 * Servers that ask for a PROXY header: what is let in, what it can say, and what is refused.
 */
#include "entrance_play.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>

static void
both_versions_are_let_in_and_say_what_they_say(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        door_serve((struct tr_server_options){0}, workers);
        for (int i = 0; i < 4; i++) {
            door_must_let_in(LINE, sizeof(LINE) - 1, SAYS_LINE);
            door_must_let_in(BINARY, sizeof(BINARY) - 1, SAYS_BINARY);
        }
        door_must_let_in("PROXY UNKNOWN\r\n", 15, "1:1 0 ,0 0 ,0\n");
        door_must_let_in(SIGNATURE "\x20\x00\x00\x00", 16, "2:0 0 ,0 0 ,0\n");
        door_must_let_in(SIGNATURE "\x21\x00\x00\x00", 16, "2:1 0 ,0 0 ,0\n");
        door_stop();
    }
}

static void
what_follows_a_header_is_data_from_its_first_byte_on(void **state)
{
    (void)state;
    char much[20000];
    door_serve((struct tr_server_options){0}, 2);
    for (int i = 0; i < 4; i++) {
        int fd = door_connect();
        memcpy(much, LINE, sizeof(LINE) - 1);
        memcpy(much + sizeof(LINE) - 1, LINE, sizeof(LINE) - 1);
        memset(much + 2 * (sizeof(LINE) - 1), 'x', sizeof(much) - 2 * (sizeof(LINE) - 1));
        door_send(fd, much, sizeof(much));
        door_must_receive(fd, SAYS_LINE);
        door_must_receive(fd, LINE);
        for (size_t left = sizeof(much) - 2 * (sizeof(LINE) - 1); left > 0; left--) {
            char byte = 0;
            assert_int_equal(tests_peer_receive(fd, &byte, 1), 1);
            assert_int_equal(byte, 'x');
        }
        shutdown(fd, SHUT_WR);
        assert_true(tests_peer_at_end(fd));
        close(fd);
    }
    door_stop();
}

/* Each byte is a read of its own; that which completes the header comes with data. */
static void
send_bytewise(int fd, const char *bytes, size_t size)
{
    for (size_t i = 0; i + 1 < size; i++) {
        door_send(fd, bytes + i, 1);
        assert_true(tests_wait_until(door_has_read, &fd, TESTS_LIMIT_MS));
    }
    char last[6] = {bytes[size - 1], 'h', 'e', 'l', 'l', 'o'};
    door_send(fd, last, sizeof(last));
}

static void
a_header_may_come_byte_by_byte(void **state)
{
    (void)state;
    door_serve_path((struct tr_server_options){0});
    for (int i = 0; i < 2; i++) {
        int fd = door_connect_path();
        send_bytewise(fd, LINE, sizeof(LINE) - 1);
        door_must_receive(fd, SAYS_LINE "hello");
        close(fd);
        fd = door_connect_path();
        send_bytewise(fd, BINARY, sizeof(BINARY) - 1);
        door_must_receive(fd, SAYS_BINARY "hello");
        close(fd);
    }
    door_stop_path();
}

static void
a_long_header_is_let_in_up_to_the_limit(void **state)
{
    static unsigned char header[65551 + 5] = SIGNATURE "\x21\x11\xff\xff\x7f\0\0\1\x7f\0\0\2\0\1\0\2\x04\xff\xf0";
    (void)state;
    memcpy(header + 65551, "hello", 5);
    door_serve((struct tr_server_options){.proxy.limit_bytes = 65551}, 1);
    int fd = door_connect();
    door_send(fd, header, sizeof(header));
    door_must_receive(fd, "2:1 4 127.0.0.1,1 4 127.0.0.2,2\nhello");
    close(fd);
    door_stop();
    door_serve((struct tr_server_options){.proxy.limit_bytes = 65550}, 1);
    fd = door_connect();
    door_send(fd, header, 16); /* its length is enough to be refused */
    door_must_turn_away(fd);
    door_await_refused(1);
    door_stop();
    door_serve((struct tr_server_options){0}, 1);
    memcpy(header + 14, "\x0f\xf0", 2); /* the default: 4096 */
    memcpy(header + 29, "\x0f\xe1", 2);
    fd = door_connect();
    door_send(fd, header, 4096);
    door_must_receive(fd, "2:1 4 127.0.0.1,1 4 127.0.0.2,2\n");
    close(fd);
    memcpy(header + 14, "\x0f\xf1", 2);
    fd = door_connect();
    door_send(fd, header, 16);
    door_must_turn_away(fd);
    door_await_refused(1);
    door_stop();
}

/* Refused. */

static void
what_is_no_header_is_closed_and_counted_and_is_no_error(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        door_serve((struct tr_server_options){0}, workers);
        for (int i = 0; i < 2; i++) {
            door_must_refuse("GET / HTTP/1.1\r\n\r\n", 18);
            door_must_refuse("PROXY TCP4 1.2.3.4\r\n", 20);
            door_must_refuse(SIGNATURE "\x22\x00\x00\x00", 16);
            door_must_refuse(SIGNATURE "\x21\x11\x00\x0e\0\0\0\0\0\0\0\0\0\0\0\0\x02\x00", 30);
            door_must_refuse(SIGNATURE "\x21\x11\x00\x13\0\0\0\0\0\0\0\0\0\0\0\0\x03\x00\x04\0\0\0\0", 35);
        }
        door_await_refused(10);
        assert_int_equal(
            door_refusals.lost + door_refusals.blocked + door_refusals.over_limit + door_refusals.over_address, 0);
        door_await_connections(0);
        door_must_let_in(LINE, sizeof(LINE) - 1, SAYS_LINE);
        assert_int_equal(door_served, 1);
        door_stop();
    }
}

static void
a_peer_that_ends_before_is_closed_and_counted(void **state)
{
    (void)state;
    door_serve((struct tr_server_options){.proxy.timeout_ms = INT32_MAX}, 2);
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = door_connect();
        if (i % 2 == 1)
            door_send(fds[i], LINE, sizeof(LINE) - 3);
    }
    door_await_connections(4);
    shutdown(fds[0], SHUT_WR);
    shutdown(fds[1], SHUT_WR);
    door_must_turn_away(fds[0]);
    door_must_turn_away(fds[1]);
    tests_peer_reset(fds[2]);
    tests_peer_reset(fds[3]);
    door_await_refused(4);
    door_await_connections(0);
    door_stop();
}

static void
only_the_versions_that_are_asked_for_are_let_in(void **state)
{
    (void)state;
    door_serve((struct tr_server_options){.proxy.versions = TR_PROXY_V1}, 1);
    door_must_let_in(LINE, sizeof(LINE) - 1, SAYS_LINE);
    door_must_refuse(BINARY, sizeof(BINARY) - 1);
    door_stop();
    door_serve((struct tr_server_options){.proxy.versions = TR_PROXY_V2}, 1);
    door_must_let_in(BINARY, sizeof(BINARY) - 1, SAYS_BINARY);
    door_must_refuse(LINE, sizeof(LINE) - 1);
    door_stop();
}

static void
without_a_word_a_header_has_three_seconds(void **state)
{
    (void)state;
    door_by_default = true;
    door_serve((struct tr_server_options){0}, 1);
    door_by_default = false;
    uint64_t begin = tests_now_ns();
    door_must_turn_away(door_connect());
    assert_true(tests_now_ns() - begin >= TR_PROXY_TIMEOUT_MS * UINT64_C(1000000));
    door_await_refused(1);
    door_stop();
}

/* The time is that of the whole header: a byte now and then does not prolong it. */
static void
who_is_too_slow_is_closed_but_not_too_early(void **state)
{
    (void)state;
    door_serve((struct tr_server_options){.proxy.timeout_ms = 300}, 2);
    uint64_t begin = tests_now_ns();
    int silent = door_connect(), slow = door_connect();
    for (unsigned sent = 0; tests_now_ns() - begin < 250 * UINT64_C(1000000) && sent < sizeof(LINE) - 2; sent++) {
        door_send(slow, &LINE[sent], 1);
        tests_let_pass(10 * UINT64_C(1000000));
    }
    door_must_turn_away(silent);
    door_must_turn_away(slow);
    assert_true(tests_now_ns() - begin >= 300 * UINT64_C(1000000));
    door_await_refused(2);
    int fd = door_connect();
    door_send(fd, LINE, sizeof(LINE) - 1);
    door_must_receive(fd, SAYS_LINE);
    uint64_t end = tests_now_ns() + 400 * UINT64_C(1000000); /* what was let in has no such limit */
    while (tests_now_ns() < end)
        tests_let_pass(20 * UINT64_C(1000000));
    door_send(fd, "hello", 5);
    door_must_receive(fd, "hello");
    close(fd);
    door_stop();
}

static void
wrong_options_are_refused_by_name(void **state)
{
    static const struct {
        struct tr_proxy_accept proxy;
        tr_status status;
    } rows[] = {
        {{.versions = 4}, TR_EINVAL},
        {{.versions = 7}, TR_EINVAL},
        {{.versions = 3, .limit_bytes = 231}, TR_EBADLIMIT},
        {{.versions = 3, .limit_bytes = 65552}, TR_EBADLIMIT},
        {{.versions = 3, .timeout_ms = UINT32_C(1) << 31}, TR_EBADLIMIT},
        {{.versions = 3, .limit_bytes = 232, .timeout_ms = INT32_MAX}, TR_OK},
    };
    (void)state;
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &door_runtime), TR_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tr_server_options options = {.proxy = rows[i].proxy};
        assert_int_equal(tr_runtime_listen(door_runtime, &options, &listen, NULL, NULL), rows[i].status);
    }
    door_served = door_ended = door_failed = 0;
    door_stop();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_versions_are_let_in_and_say_what_they_say),
        cmocka_unit_test(what_follows_a_header_is_data_from_its_first_byte_on),
        cmocka_unit_test(a_header_may_come_byte_by_byte),
        cmocka_unit_test(a_long_header_is_let_in_up_to_the_limit),
        cmocka_unit_test(what_is_no_header_is_closed_and_counted_and_is_no_error),
        cmocka_unit_test(a_peer_that_ends_before_is_closed_and_counted),
        cmocka_unit_test(only_the_versions_that_are_asked_for_are_let_in),
        cmocka_unit_test(without_a_word_a_header_has_three_seconds),
        cmocka_unit_test(who_is_too_slow_is_closed_but_not_too_early),
        cmocka_unit_test(wrong_options_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
