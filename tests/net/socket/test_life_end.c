/*
 * How the life of a socket ends: resets, errors of the program's own, stops, exits, the end of the runtime.
 *
 * The far end is a raw descriptor, accepted when the socket says that it is ready.
 */
#include "cast.h"
#include "helpers.h"
#include "life_play.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Reset. */

static void
resets(struct endpoint *self, const char *event)
{
    if (!is(event, "ready"))
        return;
    peer.fd = tests_peer_accept(raw_listener);
    tr_socket_write_slice(self->socket, pattern(4u << 20)); /* what waits is lost */
    assert_int_equal(tr_socket_reset(self->socket), TR_OK);
    assert_true(tr_socket_destroyed(self->socket));
    assert_int_equal(tr_socket_reset(self->socket), TR_OK);
    stage_read(&peer);
}

static void
play_reset(void)
{
    client.hook = resets;
    stage_connect(&client);
    end_when_done();
}

static void
the_peer_of_a_reset_socket_gets_ECONNRESET(void **state)
{
    (void)state;
    stage_play(1, play_reset);
    assert_string_equal(client.log, "connect ready close");
    assert_int_equal(peer.error, ECONNRESET);
}

static void
accepts_late(struct endpoint *self, const char *event)
{
    (void)self;
    if (!is(event, "close"))
        return;
    peer.fd = tests_peer_accept(raw_listener);
    stage_read(&peer);
}

static void
play_reset_while_connecting(void)
{
    client.hook = accepts_late;
    stage_connect(&client);
    assert_int_equal(tr_socket_reset(client.socket), TR_OK);
    assert_true(tr_socket_connecting(client.socket));
    end_when_done();
}

static void
a_reset_while_connecting_waits_for_the_connection(void **state)
{
    (void)state;
    stage_play(1, play_reset_while_connecting);
    assert_string_equal(client.log, "connect ready close");
    assert_int_equal(peer.error, ECONNRESET);
}

static void
play_reset_unconnected(void)
{
    assert_int_equal(tr_socket_reset(NULL), TR_EINVAL);
    spawn_client((struct tr_socket_options){0});
    assert_int_equal(tr_socket_reset(client.socket), TR_OK);
    assert_string_equal(client.log, "");
    end_when_closed();
}

static void
a_reset_of_a_socket_that_is_not_open_destroys_it_with_an_error(void **state)
{
    (void)state;
    stage_play(1, play_reset_unconnected);
    assert_string_equal(client.log, "ERR_SOCKET_CLOSED close!");
}

/* Errors of the program's own. */

static void
play_own_error(void)
{
    spawn_client((struct tr_socket_options){0});
    tr_socket_destroy_with(client.socket, "ENOTMYDAY");
    tr_socket_destroy_with(client.socket, "ETOOLATE");
    tr_socket_destroy_with(NULL, "ENOBODY");
    end_when_closed();
}

static void
a_program_may_destroy_with_a_code_of_its_own(void **state)
{
    (void)state;
    stage_play(1, play_own_error);
    assert_string_equal(client.log, "ENOTMYDAY close!");
    assert_int_equal(client.error, TR_EUSER);
    assert_string_equal(client.call, "destroy");
}

/* Stopping: each state, each way. */

enum life { SPAWNED, ASKED, CONNECTING, OPEN, QUEUED, KEPT, LIFE_STATES };

static enum life life;
static enum tr_stop_mode mode;

static void
stop_it(void *argument)
{
    (void)argument;
    note(&client, "|");
    assert_int_equal(tr_stop(director, stopped_ref, mode), TR_OK);
    if (peer.fd >= 0)
        stage_read(&peer);
    look_whether_gone(NULL);
}

static void
gets_ready_to_stop(struct endpoint *self, const char *event)
{
    if (is(event, "ready")) {
        peer.fd = tests_peer_accept(raw_listener);
        if (life == QUEUED)
            assert_int_equal(tr_socket_write_slice(self->socket, pattern(4u << 20)), TR_QUEUED);
        if (life == KEPT)
            tr_socket_destroy(self->socket, TR_OK);
        else
            stage_settled(stop_it, NULL);
    }
    if (is(event, "close") && life == KEPT)
        stage_settled(stop_it, NULL);
}

static void
play_stop(void)
{
    client.hook = gets_ready_to_stop;
    spawn_client((struct tr_socket_options){.keep = true, .timeout_ms = 9000});
    stopped_ref = tr_socket_ref(client.socket);
    if (life != SPAWNED)
        assert_int_equal(connect_client(), TR_OK);
    if (life == SPAWNED || life == ASKED)
        stop_it(NULL);
    if (life == CONNECTING)
        stage_settled(stop_it, NULL);
}

/* A queue of the shortest length that is full: Linux does not answer what comes then. */
static void
stop_in(enum life in, enum tr_stop_mode how)
{
    uint16_t port = stage_port;
    int silent = -1, in_the_queue = -1;
    cast_reset(NULL);
    life = in;
    mode = how;
    if (in == CONNECTING) {
        silent = tests_peer_listen(&stage_port);
        assert_int_equal(listen(silent, 0), 0);
        in_the_queue = tests_peer_connect(stage_port);
    }
    stage_play(1, play_stop);
    if (in == CONNECTING) {
        close(in_the_queue);
        close(silent);
        stage_port = port;
    }
}

static void
a_socket_in_any_state_can_be_stopped_in_any_way(void **state)
{
    static const struct {
        enum tr_stop_mode mode;
        const char *logs[LIFE_STATES];
    } cases[] = {
        {TR_STOP_DRAIN,
         {"| close", "| close", "| close", "connect ready | close", "connect ready | close", "connect ready close |"}},
        {TR_STOP_NOW,
         {"| close", "| close", "| close", "connect ready | close", "connect ready | close", "connect ready close |"}},
        {TR_STOP_KILL, {"|", "|", "|", "connect ready |", "connect ready |", "connect ready close |"}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned in = SPAWNED; in < LIFE_STATES; in++) {
            stop_in((enum life)in, cases[i].mode);
            assert_string_equal(client.log, cases[i].logs[in]);
            assert_true(in != QUEUED || cases[i].mode != TR_STOP_DRAIN || peer.bytes == 4u << 20);
        }
}

/* tr_exit() is tr_socket_destroy(), and keeps nothing. */

static void
exits(struct endpoint *self, const char *event)
{
    if (!is(event, "ready"))
        return;
    peer.fd = tests_peer_accept(raw_listener);
    stopped_ref = tr_socket_ref(self->socket);
    tr_exit(tr_socket_actor(self->socket));
    stage_read(&peer);
    look_whether_gone(NULL);
}

static void
play_exit(void)
{
    client.hook = exits;
    spawn_client((struct tr_socket_options){.keep = true});
    assert_int_equal(connect_client(), TR_OK);
}

static void
the_exit_of_a_kept_socket_closes_it_for_good(void **state)
{
    (void)state;
    stage_play(1, play_exit);
    assert_string_equal(client.log, "connect ready close");
}

/* The end of the runtime, with sockets in all states. */

#define SOCKETS 7u

static struct endpoint all[SOCKETS];
static int raw[SOCKETS];
static unsigned ready_count; /* atomic */

static void
end_of_the_world(struct endpoint *self, const char *event)
{
    if (!is(event, "ready"))
        return;
    unsigned i = (unsigned)(self - all);
    raw[i] = tests_peer_accept(raw_listener);
    if (i == 2)
        tr_socket_write_slice(self->socket, pattern(4u << 20)); /* nobody reads it until the end */
    if (i == 3)
        tr_socket_pause(self->socket);
    if (i == 4)
        tr_socket_destroy(self->socket, TR_EIO);
    if (i == 5) {
        tr_socket_cork(self->socket);
        say(self->socket, "corked");
    }
    if (__atomic_add_fetch(&ready_count, 1, __ATOMIC_SEQ_CST) < SOCKETS - 2)
        return;
    struct tr_connect_options again = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_socket_connect(all[1].socket, &again), TR_OK);
    stage_end();
}

static void
play_the_end(void)
{
    memset(all, 0, sizeof(all));
    for (unsigned i = 0; i < SOCKETS; i++) {
        raw[i] = -1;
        all[i].hook = i >= 2 ? end_of_the_world : NULL;
        struct tr_socket_options options = {
            .events = &endpoint_events, .data = &all[i], .keep = i == 4, .timeout_ms = 10000, .allow_half_open = true};
        struct tr_connect_options connect = {.host = "127.0.0.1", .port = stage_port};
        if (i < 2)
            assert_int_equal(tr_socket_spawn(director, &options, &all[i].socket), TR_OK);
        else
            assert_int_equal(tr_connect(director, &options, &connect, &all[i].socket), TR_OK);
    }
}

static bool
are_ready(void *argument)
{
    (void)argument;
    return __atomic_load_n(&ready_count, __ATOMIC_SEQ_CST) >= SOCKETS - 2;
}

/* The peers read on a thread of their own, while the runtime stops. */
static void *
read_to_the_end(void *argument)
{
    static char bytes[65536];
    size_t *total = argument;
    bool begun = tests_wait_until(are_ready, NULL, TESTS_LIMIT_MS);
    for (unsigned i = 2; begun && i < SOCKETS; i++) {
        for (ssize_t size; (size = read(raw[i], bytes, sizeof(bytes))) > 0;)
            *total += (size_t)size;
        close(raw[i]);
    }
    return NULL;
}

static void
the_end_of_the_runtime_leaves_nothing_of_sockets_in_any_state(void **state)
{
    (void)state;
    pthread_t thread;
    size_t total = 0;
    ready_count = 0;
    assert_int_equal(pthread_create(&thread, NULL, read_to_the_end, &total), 0);
    stage_play(1, play_the_end);
    pthread_join(thread, NULL);
    assert_int_equal(total, (4u << 20) + strlen("corked")); /* what was written was delivered */
}

/* An exit is the last close. */

static void
exit_now(void *argument)
{
    (void)argument;
    stopped_ref = tr_socket_ref(kept_socket);
    tr_exit(tr_socket_actor(kept_socket));
    look_whether_gone(NULL);
}

static void
comes_too_late(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "ready")) {
        peer.fd = tests_peer_accept(raw_listener);
        stage_read(&peer);
        stage_settled(exit_now, NULL);
    }
    if (is(event, "close"))
        assert_int_equal(connect_client(), TR_ESTOPPING);
}

static void
play_too_late(void)
{
    client.hook = comes_too_late;
    spawn_client((struct tr_socket_options){0});
    assert_int_equal(connect_client(), TR_OK);
}

static void
a_socket_that_exits_is_not_connected_again(void **state)
{
    (void)state;
    stage_play(1, play_too_late);
    assert_string_equal(client.log, "connect ready close");
}

static void
play_timed_exit(void)
{
    spawn_client((struct tr_socket_options){0});
    assert_int_equal(tr_socket_set_timeout(kept_socket, 10000), TR_OK);
    stage_settled(exit_now, NULL);
}

static void
play_timed_stop(void)
{
    spawn_client((struct tr_socket_options){0});
    assert_int_equal(tr_socket_set_timeout(kept_socket, 10000), TR_OK);
    stage_end();
}

static void
a_socket_that_never_connected_takes_its_timer_along(void **state)
{
    stage_play(1, play_timed_exit);
    assert_string_equal(client.log, "close");
    cast_reset(state);
    stage_play(1, play_timed_stop);
    assert_string_equal(client.log, "close");
}

/* What is called after the exit, in the same callback, still finds a socket, and leaves no memory behind. */

static void
exits_and_goes_on(tr_socket *socket, tr_message *message)
{
    (void)message;
    stopped_ref = tr_socket_ref(socket);
    tr_exit(tr_socket_actor(socket));
    tr_socket_set_encoding(socket, TR_ENCODING_UTF8);
    look_whether_gone(NULL);
}

static void
send_signal(void)
{
    tr_message message = tr_message_signal(7);
    assert_int_equal(tr_send(director, tr_socket_ref(kept_socket), &message), TR_OK);
}

static struct tr_socket_events with_message;

static void
spawn_listener_to_messages(bool keep)
{
    with_message = endpoint_events;
    with_message.message = exits_and_goes_on;
    struct tr_socket_options options = {.events = &with_message, .data = &client, .keep = keep};
    assert_int_equal(tr_socket_spawn(director, &options, &client.socket), TR_OK);
    kept_socket = client.socket;
}

static void
play_exit_and_go_on(void)
{
    spawn_listener_to_messages(false);
    send_signal();
}

static void
asks_the_closed(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "close"))
        send_signal();
}

static void
play_exit_of_the_closed(void)
{
    client.hook = asks_the_closed;
    spawn_listener_to_messages(true);
    tr_socket_destroy(kept_socket, TR_OK);
}

static void
calls_after_an_exit_leave_nothing_behind(void **state)
{
    stage_play(1, play_exit_and_go_on);
    assert_string_equal(client.log, "close");
    cast_reset(state);
    stage_play(1, play_exit_of_the_closed);
    assert_string_equal(client.log, "close");
}

static void
play_end_of_nothing(void)
{
    spawn_client((struct tr_socket_options){0});
    tr_slice nothing = tr_slice_constant(NULL, 0);
    assert_int_equal(tr_socket_end_then(kept_socket, nothing, note_written, (void *)(uintptr_t) "end"), TR_OK);
    assert_string_equal(client.log, "");
    stage_settled(exit_now, NULL);
}

static void
an_end_before_any_connection_is_called_back_when_there_will_be_none(void **state)
{
    (void)state;
    stage_play(1, play_end_of_nothing);
    assert_string_equal(client.log, "end:ERR_STREAM_DESTROYED close");
}

int
main(void)
{
#define RAW_TEST(name) cmocka_unit_test_setup_teardown(name, listen_raw, stop_listening)
    const struct CMUnitTest tests[] = {
        RAW_TEST(the_peer_of_a_reset_socket_gets_ECONNRESET),
        RAW_TEST(a_reset_while_connecting_waits_for_the_connection),
        cmocka_unit_test_setup(a_reset_of_a_socket_that_is_not_open_destroys_it_with_an_error, cast_reset),
        cmocka_unit_test_setup(a_program_may_destroy_with_a_code_of_its_own, cast_reset),
        RAW_TEST(a_socket_in_any_state_can_be_stopped_in_any_way),
        RAW_TEST(the_exit_of_a_kept_socket_closes_it_for_good),
        RAW_TEST(the_end_of_the_runtime_leaves_nothing_of_sockets_in_any_state),
        RAW_TEST(a_socket_that_exits_is_not_connected_again),
        cmocka_unit_test_setup(a_socket_that_never_connected_takes_its_timer_along, cast_reset),
        cmocka_unit_test_setup(calls_after_an_exit_leave_nothing_behind, cast_reset),
        cmocka_unit_test_setup(an_end_before_any_connection_is_called_back_when_there_will_be_none, cast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
