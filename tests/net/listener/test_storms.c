/*
 * Storms of connections: those that are reset before they are accepted, at once, or that say nothing, while others are
 * served. What is established goes on, and afterwards nothing is left of the storm.
 */
#include "helpers.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>
#include <uv.h>

#define WORKERS 2u
#define STORM 5000u
#define ROUNDS_AT_LEAST 50u

static unsigned open_now, began, storms_over; /* atomic */
static tr_runtime *runtime;
static uint16_t port;

static void
on_connection(tr_socket *socket)
{
    (void)socket;
    ck_pr_inc_uint(&began);
    ck_pr_inc_uint(&open_now);
}

static void
echo(tr_socket *socket, tr_slice data)
{
    tr_socket_write_slice(socket, data);
}

static void
on_close(tr_socket *socket, bool had_error)
{
    (void)socket;
    (void)had_error;
    ck_pr_dec_uint(&open_now);
}

static unsigned failures; /* atomic */
static tr_status failure;

static void
on_failure(tr_server *server, const struct tr_error *error)
{
    (void)server;
    failure = error->status;
    __atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST);
}

static void
serve(enum tr_accept_mode mode)
{
    static const struct tr_socket_events events = {.data = echo, .close = on_close};
    static const struct tr_server_events server_events = {.error = on_failure};
    struct tr_server_options server = {.connection = on_connection, .events = &server_events, .socket.events = &events};
    struct tr_listen_options listen = {.host = "127.0.0.1", .accept = mode};
    struct tr_address at;
    open_now = began = storms_over = failures = 0;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = WORKERS}, &runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(runtime, &server, &listen, NULL, &at), TR_OK);
    port = at.port;
}

/* Every connection is over before anybody can have looked at it: most are reset, some end, and some have bytes. */
static void
storm(void *argument)
{
    struct sockaddr_in peer = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger resets = {.l_onoff = 1};
    (void)argument;
    for (unsigned i = 0; i < STORM; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (i % 16 != 0)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &resets, sizeof(resets));
        if (connect(fd, (const struct sockaddr *)&peer, sizeof(peer)) == 0 && i % 3 == 0 && write(fd, "x", 1) < 0)
            break;
        close(fd);
    }
    ck_pr_inc_uint(&storms_over);
}

static void
expect_echo(int fd, unsigned number)
{
    unsigned back = 0;
    assert_true(tests_peer_send(fd, &number, sizeof(number)));
    assert_int_equal(tests_peer_receive(fd, &back, sizeof(back)), sizeof(back));
    assert_int_equal(back, number);
}

static bool
only_ours_is_left(void *argument)
{
    return ck_pr_load_uint(&open_now) == *(const unsigned *)argument;
}

static void
play(enum tr_accept_mode mode)
{
    uv_thread_t threads[2];
    unsigned round = 0, one = 1;
    serve(mode);
    int fd = tests_peer_connect(port);
    assert_true(fd >= 0);
    expect_echo(fd, 7);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(uv_thread_create(&threads[i], storm, NULL), 0);
    while (ck_pr_load_uint(&storms_over) < 2 || round < ROUNDS_AT_LEAST)
        expect_echo(fd, round++);
    for (unsigned i = 0; i < 2; i++)
        uv_thread_join(&threads[i]);
    int late = tests_peer_connect(port);
    assert_true(late >= 0);
    expect_echo(late, 11); /* behind all that the storm has left in the backlog */
    close(late);
    assert_true(tests_wait_until(only_ours_is_left, &one, TESTS_LIMIT_MS));
    print_message("%u rounds, %u connections began\n", round, ck_pr_load_uint(&began));
    close(fd);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

static void
a_storm_leaves_nothing_and_what_is_established_goes_on(void **state)
{
    (void)state;
    play(TR_ACCEPT_HANDOFF);
}

static void
the_same_where_workers_accept_from_one_descriptor(void **state)
{
    (void)state;
    play(TR_ACCEPT_SHARED_FD);
}

static void
the_same_where_each_has_its_own(void **state)
{
    (void)state;
    play(TR_ACCEPT_REUSEPORT);
}

/* Descriptors have run out, whoever took them: those that wait in the backlog are served when there are some again. */

#define WAITING 20

static bool
has_failed(void *argument)
{
    (void)argument;
    return __atomic_load_n(&failures, __ATOMIC_SEQ_CST) > 0;
}

static void
play_without_descriptors(enum tr_accept_mode mode)
{
    struct rlimit limit, none;
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = TESTS_LIMIT_MS / 1000};
    int waiting[WAITING];
    serve(mode);
    peer.sin_port = htons(port);
    int fd = tests_peer_connect(port);
    expect_echo(fd, 1);
    for (unsigned i = 0; i < WAITING; i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(setsockopt(waiting[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 3; /* all that are open stay */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (unsigned i = 0; i < WAITING; i++)
        assert_int_equal(connect(waiting[i], (const struct sockaddr *)&peer, sizeof(peer)), 0);
    assert_true(tests_wait_until(has_failed, NULL, TESTS_LIMIT_MS));
    assert_int_equal(failure, TR_EMFILE);
    for (unsigned round = 0; round < ROUNDS_AT_LEAST; round++)
        expect_echo(fd, round);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (unsigned i = 0; i < WAITING; i++) {
        expect_echo(waiting[i], i);
        close(waiting[i]);
    }
    close(fd);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

static void
without_descriptors_what_is_established_goes_on_and_what_waits_is_served_later(void **state)
{
    (void)state;
    play_without_descriptors(TR_ACCEPT_HANDOFF);
    play_without_descriptors(TR_ACCEPT_SHARED_FD);
    play_without_descriptors(TR_ACCEPT_REUSEPORT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_storm_leaves_nothing_and_what_is_established_goes_on),
        cmocka_unit_test(the_same_where_workers_accept_from_one_descriptor),
        cmocka_unit_test(the_same_where_each_has_its_own),
        cmocka_unit_test(without_descriptors_what_is_established_goes_on_and_what_waits_is_served_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
