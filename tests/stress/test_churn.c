/*
 * Ten thousand connections that come and go in every way, over several workers.
 *
 * Provoked: descriptors on their way to a worker while their peer is gone already; resets between accept and the first
 * read; ends in both orders; and in each round a server that is stopped while connections still come and the last ones
 * end on other workers at the same moment, which is when its close event could get lost or come too early.
 *
 * Checked: each connection closes exactly once (its memory is freed there), the server's close event comes after all of
 * them, and at the end no descriptor is left.
 */
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>
#include <uv.h>

#define WORKERS 4
#define ROUNDS 20
#define CLIENTS 4      /* threads */
#define VISITS 125     /* of each in a round */
#define STOP_AFTER 400 /* connections in a round */

struct visit {
    uint64_t bytes;
};

static uint64_t opened, closed; /* of all rounds */
static unsigned accepted_in_round, server_closes, closed_too_early;

/* The server. */

static void
on_connection(tr_socket *socket)
{
    tr_socket_set_data(socket, calloc(1, sizeof(struct visit)));
    ck_pr_inc_64(&opened);
    ck_pr_inc_uint(&accepted_in_round);
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    struct visit *visit = tr_socket_data(socket);
    visit->bytes += data.size;
    tr_socket_write_slice(socket, data);
}

/* Sockets that are not half-open are ended after this in any case. */
static void
on_end(tr_socket *socket)
{
    struct visit *visit = tr_socket_data(socket);
    if (visit->bytes % 2 == 0)
        tr_socket_end_with(socket, tr_slice_constant("bye", 3));
    else
        tr_socket_end(socket);
}

static void
on_close(tr_socket *socket, bool had_error)
{
    (void)had_error;
    free(tr_socket_data(socket));
    ck_pr_inc_64(&closed);
}

static void
on_server_close(tr_server *server)
{
    if (tr_server_connections(server) != 0 || ck_pr_load_64(&closed) != ck_pr_load_64(&opened))
        ck_pr_inc_uint(&closed_too_early);
    ck_pr_inc_uint(&server_closes);
}

/* The clients: plain sockets. */

static void
end_and_read(int fd)
{
    char bytes[64];
    tests_peer_send(fd, "hello", 5);
    shutdown(fd, SHUT_WR);
    tests_peer_receive(fd, bytes, sizeof(bytes));
    close(fd);
}

static void
echo_and_close(int fd)
{
    char bytes[4];
    tests_peer_send(fd, "ping", 4);
    tests_peer_receive(fd, bytes, 4);
    close(fd);
}

static void
send_and_reset(int fd)
{
    tests_peer_send(fd, "lost", 4);
    tests_peer_reset(fd);
}

static void
end_without_reading(int fd)
{
    shutdown(fd, SHUT_WR);
    char byte;
    tests_peer_receive(fd, &byte, 1);
    close(fd);
}

static void
close_at_once(int fd)
{
    close(fd);
}

static void (*const ways[])(int fd) = {end_and_read,     echo_and_close,      send_and_reset,
                                       tests_peer_reset, end_without_reading, close_at_once};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

static uint16_t port;

static void
visit_often(void *argument)
{
    size_t way = (size_t)(uintptr_t)argument;
    for (int i = 0; i < VISITS; i++) {
        int fd = tests_peer_connect(port); /* fails when the server is stopped already */
        if (fd >= 0)
            ways[way++ % WAYS](fd);
    }
}

static bool
enough_came(void *argument)
{
    (void)argument;
    return ck_pr_load_uint(&accepted_in_round) >= STOP_AFTER;
}

static bool
server_is_closed(void *argument)
{
    unsigned round = *(unsigned *)argument;
    return ck_pr_load_uint(&server_closes) == round + 1;
}

static void
play_round(tr_runtime *runtime, unsigned round)
{
    static const struct tr_socket_events socket_events = {.data = on_data, .end = on_end, .close = on_close};
    static const struct tr_server_events server_events = {.close = on_server_close};
    struct tr_server_options options = {.connection = on_connection,
                                        .socket.events = &socket_events,
                                        .events = &server_events,
                                        .socket.allow_half_open = round % 2 == 0};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address address;
    uv_thread_t threads[CLIENTS];
    tr_ref server;
    ck_pr_store_uint(&accepted_in_round, 0);
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, &server, &address), TR_OK);
    port = address.port;
    for (uintptr_t i = 0; i < CLIENTS; i++)
        assert_int_equal(uv_thread_create(&threads[i], visit_often, (void *)i), 0);
    assert_true(tests_wait_until(enough_came, NULL, TESTS_LIMIT_MS));
    assert_int_equal(tr_runtime_stop_actor(runtime, server, TR_STOP_DRAIN), TR_OK);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(uv_thread_join(&threads[i]), 0);
    assert_true(tests_wait_until(server_is_closed, &round, TESTS_LIMIT_MS));
}

static void
every_connection_closes_once_and_its_server_after_it(void **state)
{
    (void)state;
    tr_runtime *runtime;
    struct tr_runtime_options options = {.workers = WORKERS};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    assert_int_equal(tr_runtime_stop(runtime, 1000, NULL),
                     TR_OK); /* what libuv opens once for the process is open now */

    int fds = tests_open_fds();
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    for (unsigned round = 0; round < ROUNDS; round++)
        play_round(runtime, round);
    assert_int_equal(opened, closed);
    assert_true(opened >= ROUNDS * STOP_AFTER);
    assert_int_equal(closed_too_early, 0);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    assert_int_equal(tests_open_fds(), fds);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_connection_closes_once_and_its_server_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
