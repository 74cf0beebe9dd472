/*
 * A graceful close resets no peer that is still sending: what it sends after our end is dropped until it ends, too, and
 * no longer than the limits of time.
 */
#include "cast.h"
#include "helpers.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#define LIMIT_MS 60u
#define NS_PER_MS UINT64_C(1000000)
#define ANSWER (64u << 10)
#define REQUEST (1u << 20)

static uint64_t began_ns, ended_ns;
static int fd;

static int
reset(void **state)
{
    began_ns = ended_ns = 0;
    fd = -1;
    return cast_reset(state);
}

/* A peer of a server whose runtime stops: it sends on when it has seen our end, and reads then. */

static unsigned closed, failed, datas;

static void
on_close(tr_socket *socket, bool had_error)
{
    (void)socket;
    failed += had_error;
    __atomic_add_fetch(&closed, 1, __ATOMIC_SEQ_CST);
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    (void)socket;
    (void)data;
    datas++;
}

static bool has_begun;

static void
says_goodbye(tr_socket *socket)
{
    static const char answer[ANSWER];
    assert_true(tr_socket_write(socket, answer, ANSWER) >= TR_OK);
    __atomic_store_n(&has_begun, true, __ATOMIC_SEQ_CST);
}

static bool
is_set(void *flag)
{
    return __atomic_load_n((bool *)flag, __ATOMIC_SEQ_CST);
}

struct stop {
    tr_runtime *runtime;
    unsigned deadline_ms;
    tr_status status;
    struct tr_stop_report report;
};

static void
stop(void *argument)
{
    struct stop *order = argument;
    order->status = tr_runtime_stop(order->runtime, order->deadline_ms, &order->report);
}

static void
open_server(struct stop *order, struct tr_socket_options socket)
{
    static const struct tr_socket_events events = {.close = on_close, .data = on_data};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address bound;
    socket.events = &events;
    struct tr_server_options server = {.connection = says_goodbye, .socket = socket};
    closed = failed = datas = 0;
    has_begun = false;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &order->runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(order->runtime, &server, &listen, NULL, &bound), TR_OK);
    fd = tests_peer_connect(bound.port);
    assert_true(tests_wait_until(is_set, &has_begun, TESTS_LIMIT_MS));
}

/* The end is there: what is sent from now on comes after it. */
static void
await_end(void)
{
    struct pollfd look = {.fd = fd, .events = POLLRDHUP};
    assert_int_equal(poll(&look, 1, (int)TESTS_LIMIT_MS), 1);
    assert_true((look.revents & POLLRDHUP) != 0);
}

static void
a_peer_that_is_still_sending_reads_the_whole_answer_and_an_end(void **state)
{
    struct stop order = {.deadline_ms = TESTS_LIMIT_MS};
    char *bytes = calloc(1, REQUEST);
    uv_thread_t thread;
    (void)state;
    open_server(&order, (struct tr_socket_options){0});
    assert_int_equal(uv_thread_create(&thread, stop, &order), 0);
    await_end();
    assert_true(tests_peer_send(fd, bytes, REQUEST));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_int_equal(tests_peer_receive(fd, bytes, REQUEST), ANSWER); /* -1 after a reset */
    assert_true(tests_peer_at_end(fd));
    uv_thread_join(&thread);
    assert_int_equal(order.status, TR_OK);
    assert_int_equal(closed, 1);
    assert_int_equal(failed + datas, 0);
    close(fd);
    free(bytes);
}

static void
a_stop_is_over_in_time_though_a_peer_never_ends(void **state)
{
    struct stop order = {.deadline_ms = 4000};
    (void)state;
    open_server(&order, (struct tr_socket_options){0});
    stop(&order);
    assert_int_equal(order.status, TR_OK);
    assert_int_equal(order.report.killed, 0);
    assert_int_equal(closed, 1);
    close(fd);
}

/* One socket that is asked to stop. */

static enum tr_stop_mode how_then;
static void (*then)(void);

static void
ends_at_close(struct endpoint *self, const char *event)
{
    (void)self;
    if (!is(event, "close"))
        return;
    ended_ns = tests_now_ns();
    stage_settled(cast_end, NULL);
}

static void
stop_client(enum tr_stop_mode how)
{
    assert_int_equal(tr_stop(director, tr_socket_ref(client.socket), how), TR_OK);
}

static void
open_and_stop(int family, struct tr_socket_options options)
{
    client.hook = ends_at_close;
    cast_open_as(&client, family, &peer.fd, options);
    began_ns = tests_now_ns();
    stop_client(TR_STOP_DRAIN);
}

static void
send_on(void *argument)
{
    (void)argument;
    if (client.closed)
        return;
    (void)send(peer.fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    stage_after(1, send_on, NULL);
}

static void
play_restless_peer(void)
{
    open_and_stop(AF_INET, (struct tr_socket_options){.linger_ms = LIMIT_MS});
    send_on(NULL);
}

static void
a_peer_that_sends_for_ever_is_cut_at_the_deadline(void **state)
{
    (void)state;
    stage_play(1, play_restless_peer);
    assert_string_equal(client.log, "close");
    assert_true(ended_ns - began_ns >= LIMIT_MS * NS_PER_MS);
}

static bool
peer_sees_end(void)
{
    struct pollfd look = {.fd = peer.fd, .events = POLLRDHUP};
    return poll(&look, 1, 0) == 1 && (look.revents & POLLRDHUP) != 0;
}

/* Unless it is so late that the first time is over. */
static void
send_late(void *argument)
{
    (void)argument;
    if (client.closed)
        return;
    tests_hold(LIMIT_MS / 2);
    began_ns = tests_now_ns();
    assert_true(tests_peer_send(peer.fd, "x", 1));
}

static void
play_quiet_peer(void)
{
    open_and_stop(AF_INET, (struct tr_socket_options){.linger_quiet_ms = LIMIT_MS});
    stage_when(peer_sees_end, send_late, NULL);
}

static void
a_peer_that_is_quiet_is_cut_when_its_time_is_over(void **state)
{
    (void)state;
    stage_play(1, play_quiet_peer);
    assert_string_equal(client.log, "close");
    assert_true(ended_ns - began_ns >= LIMIT_MS * NS_PER_MS);
}

static int family;

static void
end_peer(void *argument)
{
    (void)argument;
    assert_string_equal(client.log, ""); /* it has got bytes, and waits */
    assert_true(tr_socket_destroyed(client.socket));
    assert_int_equal(tr_socket_write(client.socket, "x", 1), TR_EDESTROYED);
    began_ns = tests_now_ns();
    assert_int_equal(shutdown(peer.fd, SHUT_WR), 0);
}

static void
send_and_end(void *argument)
{
    (void)argument;
    assert_true(tests_peer_send(peer.fd, "x", 1));
    stage_settled(end_peer, NULL);
}

static void
play_peer_that_ends(void)
{
    struct tr_socket_options options = {.linger_ms = INT32_MAX, .linger_quiet_ms = INT32_MAX};
    options.receive_fds = family == AF_UNIX;
    open_and_stop(family, options);
    stage_when(peer_sees_end, send_and_end, NULL);
}

static void
it_is_closed_when_the_peer_has_ended(void **state)
{
    static const int families[] = {AF_INET, AF_UNIX};
    for (int turn = 0; turn < 2; turn++) {
        reset(state);
        family = families[turn];
        stage_play(1, play_peer_that_ends);
        assert_string_equal(client.log, "close");
        assert_true(ended_ns > began_ns);
    }
}

static void
expect_closed(void *argument)
{
    assert_true(client.closed); /* though the peer has not ended */
    client.socket = NULL;
    cast_end(argument);
}

static void
play_no_linger(void)
{
    cast_open_as(&client, AF_INET, &peer.fd, (struct tr_socket_options){.linger_ms = TR_NO_LINGER});
    stop_client(TR_STOP_DRAIN);
    stage_settled_when(peer_sees_end, expect_closed, NULL);
}

static void
without_lingering_it_is_closed_at_once(void **state)
{
    (void)state;
    stage_play(1, play_no_linger);
    assert_string_equal(client.log, "close");
}

/* What ends it at once: nobody else does within the time that a test may take. */

static void
destroy_once_more(void)
{
    tr_socket_destroy(client.socket, TR_EPIPE);
}

static void
stop_once_more(void)
{
    stop_client(how_then);
}

static void
do_then(void *argument)
{
    (void)argument;
    assert_string_equal(client.log, "");
    then();
    if (then == stop_once_more && how_then == TR_STOP_KILL) {
        close(peer.fd);
        stage_settled(end_play, NULL);
    }
}

static void
play_end_at_once(void)
{
    open_and_stop(AF_INET, (struct tr_socket_options){.linger_ms = INT32_MAX, .linger_quiet_ms = INT32_MAX});
    stage_settled_when(peer_sees_end, do_then, NULL);
}

static void
to_destroy_or_stop_it_once_more_closes_it_at_once(void **state)
{
    (void)state;
    then = destroy_once_more;
    stage_play(1, play_end_at_once);
    assert_string_equal(client.log, "close");
    reset(state);
    then = stop_once_more;
    how_then = TR_STOP_NOW;
    stage_play(1, play_end_at_once);
    assert_string_equal(client.log, "close");
    reset(state);
    how_then = TR_STOP_KILL;
    stage_play(1, play_end_at_once);
    assert_string_equal(client.log, "");
}

static void
play_limits(void)
{
    const uint64_t most = INT32_MAX;
    struct tr_socket_options fits = {.linger_ms = most, .linger_quiet_ms = most};
    struct tr_socket_options too_long[2] = {{.linger_ms = most + 1}, {.linger_quiet_ms = most + 1}};
    tr_socket *socket;
    for (int i = 0; i < 2; i++)
        assert_int_equal(tr_socket_spawn(director, &too_long[i], &socket), TR_EBADLIMIT);
    assert_int_equal(tr_socket_spawn(director, &fits, &socket), TR_OK);
    tr_socket_destroy(socket, TR_OK);
    assert_int_equal(TR_LINGER_MS, 30000);
    assert_int_equal(TR_LINGER_QUIET_MS, 500);
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
        cmocka_unit_test_setup(a_peer_that_is_still_sending_reads_the_whole_answer_and_an_end, reset),
        cmocka_unit_test_setup(a_stop_is_over_in_time_though_a_peer_never_ends, reset),
        cmocka_unit_test_setup(a_peer_that_sends_for_ever_is_cut_at_the_deadline, reset),
        cmocka_unit_test_setup(a_peer_that_is_quiet_is_cut_when_its_time_is_over, reset),
        cmocka_unit_test_setup(it_is_closed_when_the_peer_has_ended, reset),
        cmocka_unit_test_setup(without_lingering_it_is_closed_at_once, reset),
        cmocka_unit_test_setup(to_destroy_or_stop_it_once_more_closes_it_at_once, reset),
        cmocka_unit_test_setup(a_time_that_is_too_long_is_refused, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
