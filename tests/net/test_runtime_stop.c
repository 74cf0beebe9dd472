/*
 * What the end of the runtime means to a socket: it ends its side after what waits and closes; what cannot do so by the
 * deadline is killed without a word.
 */
#include "helpers.h"
#include "socket_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

#define BIG (8u << 20) /* more than the kernel takes at once */

/* What the sockets' callbacks have seen; read when the runtime has ended, or by __atomic_load_n(). */
static struct {
    unsigned begun;
    unsigned closed, failed;
    unsigned written, lost; /* callbacks of writes */
    unsigned server_closed;
} seen;

static char big[BIG];
static tr_runtime *runtime;
static uint16_t port;

static bool
has_begun(void *argument)
{
    (void)argument;
    return __atomic_load_n(&seen.begun, __ATOMIC_SEQ_CST) > 0;
}

static void
on_close(tr_socket *socket, bool had_error)
{
    (void)socket;
    seen.closed++;
    seen.failed += had_error;
}

static void
on_written(tr_socket *socket, void *argument, tr_status status)
{
    (void)socket;
    (void)argument;
    seen.written += status == TR_OK;
    seen.lost += status != TR_OK;
}

static void
writes_much(tr_socket *socket)
{
    assert_int_equal(tr_socket_write_then(socket, tr_slice_constant(big, BIG), on_written, NULL), TR_QUEUED);
    __atomic_store_n(&seen.begun, 1, __ATOMIC_SEQ_CST);
}

static void
on_server_close(tr_server *server)
{
    (void)server;
    assert_int_equal(seen.closed, 1); /* its connections come first */
    seen.server_closed++;
}

/* A server that writes much to its one client, which does not read yet. Gives the client. */
static int
open_play(void)
{
    static const struct tr_socket_events events = {.close = on_close};
    static const struct tr_server_events server_events = {.close = on_server_close};
    struct tr_server_options server = {
        .connection = writes_much, .socket = {.events = &events, .linger_ms = TR_NO_LINGER}, .events = &server_events};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address bound;
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(runtime, &server, &listen, NULL, &bound), TR_OK);
    port = bound.port;
    int fd = tests_peer_connect(port);
    assert_true(tests_wait_until(has_begun, NULL, TESTS_LIMIT_MS));
    return fd;
}

/* The client reads on a thread of its own, while the test's waits for the runtime's end. */
struct reader {
    int fd;
    long got;
    char *bytes;
};

static void
read_all(void *argument)
{
    struct reader *reader = argument;
    reader->got = tests_peer_receive(reader->fd, reader->bytes, BIG + 1);
}

static void
what_waits_is_sent_then_our_side_ends_and_the_socket_closes(void **state)
{
    (void)state;
    uv_thread_t thread;
    struct tr_stop_report report;
    struct reader reader = {.fd = open_play(), .bytes = malloc(BIG + 1)};
    assert_int_equal(uv_thread_create(&thread, read_all, &reader), 0);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, &report), TR_OK);
    uv_thread_join(&thread);
    assert_int_equal(report.killed, 0);
    assert_int_equal(reader.got, BIG);
    assert_int_equal(seen.written, 1);
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.failed, 0);
    assert_int_equal(seen.server_closed, 1);
    close(reader.fd);
    free(reader.bytes);
}

static void
what_has_not_gone_by_the_deadline_is_lost_without_an_event(void **state)
{
    (void)state;
    struct tr_stop_report report;
    struct reader reader = {.fd = open_play(), .bytes = malloc(BIG + 1)};
    assert_int_equal(tr_runtime_stop(runtime, 20, &report), TR_ETIMEDOUT_STOP);
    assert_true(report.killed >= 1);
    assert_int_equal(seen.closed + seen.written + seen.lost, 0);
    read_all(&reader);
    assert_in_range(reader.got, 1, BIG - 1); /* what the kernel had, and an end */
    close(reader.fd);
    free(reader.bytes);
}

/* What the peer has sent and we have not read would make closing a reset, which drops what the kernel has not sent: all
 * that the peer's kernel has no room for. */

#define FOR_THE_KERNEL 180000u

static void
writes_and_reads_nothing(tr_socket *socket)
{
    int room = 1 << 20;
    assert_int_equal(setsockopt(socket->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    assert_int_equal(tr_socket_write(socket, big, FOR_THE_KERNEL), TR_OK);
    __atomic_store_n(&seen.begun, 1, __ATOMIC_SEQ_CST);
}

static void
the_peer_of_a_socket_that_has_not_read_all_gets_what_was_written_and_an_end(void **state)
{
    static const struct tr_socket_events events = {.close = on_close};
    struct tr_server_options server = {.connection = writes_and_reads_nothing,
                                       .socket = {.events = &events, .linger_ms = TR_NO_LINGER},
                                       .pause_on_connect = true};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address bound;
    char *heard = malloc(FOR_THE_KERNEL + 1);
    (void)state;
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(runtime, &server, &listen, NULL, &bound), TR_OK);
    int fd = tests_peer_connect(bound.port);
    assert_true(tests_wait_until(has_begun, NULL, TESTS_LIMIT_MS));
    assert_true(tests_peer_send(fd, "not read", 8));
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    assert_int_equal(tests_peer_receive(fd, heard, FOR_THE_KERNEL + 1), FOR_THE_KERNEL);
    assert_int_equal(seen.closed, 1);
    close(fd);
    free(heard);
}

/* Not connected. */

static void
never_answers(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data)
{
    (void)socket;
    (void)host;
    (void)family;
    (void)lookup_data;
    __atomic_store_n(&seen.begun, 1, __ATOMIC_SEQ_CST);
}

static void
a_socket_that_connects_is_closed_at_once_without_an_error(void **state)
{
    static const struct tr_socket_events events = {.close = on_close};
    struct tr_socket_options socket = {.events = &events, .keep = true};
    struct tr_connect_options connect = {.host = "some.where", .port = 1, .lookup = never_answers};
    struct tr_stop_report report;
    (void)state;
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &runtime), TR_OK);
    assert_int_equal(tr_runtime_connect(runtime, &socket, &connect, NULL), TR_OK);
    assert_true(tests_wait_until(has_begun, NULL, TESTS_LIMIT_MS));
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, &report), TR_OK);
    assert_int_equal(report.killed, 0);
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.failed, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_is_sent_then_our_side_ends_and_the_socket_closes),
        cmocka_unit_test(the_peer_of_a_socket_that_has_not_read_all_gets_what_was_written_and_an_end),
        cmocka_unit_test(what_has_not_gone_by_the_deadline_is_lost_without_an_event),
        cmocka_unit_test(a_socket_that_connects_is_closed_at_once_without_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
