/*
 * Timeouts, options and addresses of a socket.
 */
#include "cast.h"
#include "fds.h"
#include "helpers.h"
#include "socket_echo.h"
#include "socket_state.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Timeouts, options, addresses. */

static void
say_x(void *argument)
{
    (void)argument;
    say(client.socket, "x");
}

/* However long it takes. */
static void
end_at_leisure(void *argument)
{
    assert_int_equal(tr_socket_set_timeout(client.socket, 0), TR_OK);
    end_client(argument);
}

static unsigned timeouts;

/* After the first timeout there is time enough for a second one that may not come. */
static void
sets_a_timeout(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        assert_int_equal(tr_socket_set_timeout(self->socket, 50), TR_OK);
    else if (is(event, "timeout") && ++timeouts == 1)
        stage_after(150, say_x, NULL);
    else if (is(event, "timeout") && timeouts == 2)
        stage_after(150, end_at_leisure, NULL);
}

static void
play_timeout(void)
{
    timeouts = 0;
    client.hook = sets_a_timeout;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
a_timeout_comes_once_for_each_idle_period(void **state)
{
    (void)state;
    stage_play(1, play_timeout);
    assert_string_equal(client.log, "connect ready timeout timeout end close");
}

static uint16_t silent_port;

static void
play_connect_timeout(void)
{
    client.hook = gives_up;
    stage_connect_with(&client, (struct tr_connect_options){.port = silent_port, .timeout_ms = 80});
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

/* A queue of the shortest length that is full: Linux does not answer what comes then. */
static void
the_timeout_option_covers_connecting(void **state)
{
    (void)state;
    int listener = tests_peer_listen(&silent_port);
    assert_int_equal(listen(listener, 0), 0);
    int in_the_queue = tests_peer_connect(silent_port);
    assert_true(in_the_queue >= 0);
    stage_play(1, play_connect_timeout);
    assert_string_equal(client.log, "timeout ETIMEDOUT close!");
    close(in_the_queue);
    close(listener);
}

static void
looks_at_addresses(struct endpoint *self, const char *event)
{
    if (!is(event, "connect"))
        return;
    struct tr_address local, remote;
    tr_socket_local_address(self->socket, &local);
    tr_socket_remote_address(self->socket, &remote);
    assert_int_equal(remote.family, TR_FAMILY_IPV4);
    assert_int_equal(remote.port, stage_port);
    assert_string_equal(remote.text, "127.0.0.1");
    assert_string_equal(local.text, "127.0.0.2");
    tr_socket_end(self->socket);
}

static void
play_addresses(void)
{
    struct tr_address address;
    client.hook = looks_at_addresses;
    stage_serve((struct tr_server_options){0});
    stage_connect_with(&client, (struct tr_connect_options){.local_address = "127.0.0.2"});
    tr_socket_remote_address(client.socket, &address);
    assert_int_equal(address.family, TR_FAMILY_NONE);
    end_when_both_are_closed();
}

static void
both_addresses_are_known_while_connected(void **state)
{
    (void)state;
    stage_play(1, play_addresses);
    assert_string_equal(client.log, "connect ready end close");
}

static void
tunes(struct endpoint *self, const char *event)
{
    if (!is(event, "connect") && !is(event, "accepted"))
        return;
    assert_int_equal(tr_socket_set_no_delay(self->socket, true), TR_OK);
    assert_int_equal(tr_socket_set_no_delay(self->socket, false), TR_OK);
    assert_int_equal(tr_socket_set_keep_alive(self->socket, true, 0), TR_OK);
    assert_int_equal(tr_socket_set_keep_alive(self->socket, true, 1500), TR_OK);
    assert_int_equal(tr_socket_set_keep_alive(self->socket, false, 0), TR_OK);
    assert_int_equal(tr_socket_set_keep_alive(self->socket, true, UINT64_MAX), TR_EBADLIMIT);
    assert_int_equal(tr_socket_set_timeout(self->socket, UINT64_MAX), TR_EBADLIMIT);
    if (is(event, "connect"))
        tr_socket_end(self->socket);
}

/* What the system has for an accepted socket. */
static int no_delay, keep_alive, idle_seconds;

static void
look_at_options(struct endpoint *self, const char *event)
{
    socklen_t size = sizeof(int);
    if (is(event, "accepted")) {
        getsockopt(self->socket->fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
        getsockopt(self->socket->fd, SOL_SOCKET, SO_KEEPALIVE, &keep_alive, &size);
        getsockopt(self->socket->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, &size);
    }
    tunes(self, event);
}

static void
play_tuning(void)
{
    client.hook = tunes;
    accepted[0].hook = look_at_options;
    stage_serve(
        (struct tr_server_options){.socket = {.no_delay = true, .keep_alive = true, .keep_alive_delay_ms = 1000}});
    stage_connect(&client);
    assert_int_equal(tr_socket_set_no_delay(client.socket, true), TR_OK);
    assert_int_equal(tr_socket_set_keep_alive(client.socket, true, 5000), TR_OK);
    end_when_both_are_closed();
}

static void
options_can_be_set_at_any_time(void **state)
{
    (void)state;
    stage_play(1, play_tuning);
    assert_string_equal(client.log, "connect ready end close");
    assert_string_equal(accepted[0].log, "accepted end close");
    assert_int_not_equal(no_delay, 0);
    assert_int_not_equal(keep_alive, 0);
    assert_int_equal(idle_seconds, 1);
}

/* What is asked for before there is a connection holds when there is one. */

static void
expect_delay(tr_socket *socket, uint64_t delay_ms, int seconds)
{
    assert_int_equal(tr_socket_set_keep_alive(socket, true, delay_ms), TR_OK);
    assert_int_not_equal(option_of(socket->fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(option_of(socket->fd, IPPROTO_TCP, TCP_KEEPIDLE), seconds);
}

static void
finds_what_was_asked_for(struct endpoint *self, const char *event)
{
    if (!is(event, "connect"))
        return;
    assert_int_equal(option_of(self->socket->fd, IPPROTO_TCP, TCP_NODELAY), 0);
    assert_int_not_equal(option_of(self->socket->fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(option_of(self->socket->fd, IPPROTO_TCP, TCP_KEEPIDLE), 5);
    expect_delay(self->socket, 1001, 2);
    expect_delay(self->socket, 0, 2); /* as it was */
    expect_delay(self->socket, 32767000, 32767);
    assert_int_equal(tr_socket_set_keep_alive(self->socket, true, 32767001), TR_EBADLIMIT);
    assert_int_equal(tr_socket_set_keep_alive(self->socket, false, 0), TR_OK);
    assert_int_equal(option_of(self->socket->fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(tr_socket_set_no_delay(self->socket, true), TR_OK);
    assert_int_not_equal(option_of(self->socket->fd, IPPROTO_TCP, TCP_NODELAY), 0);
    tr_socket_destroy(self->socket, TR_OK);
    assert_true(tr_socket_pending(self->socket)); /* as in Node */
    assert_int_equal(tr_socket_set_keep_alive(self->socket, true, 0), TR_EDESTROYED);
    assert_int_equal(tr_socket_set_no_delay(self->socket, true), TR_EDESTROYED);
}

static void
play_asked_before(void)
{
    client.hook = finds_what_was_asked_for;
    stage_serve((struct tr_server_options){0});
    stage_connect_as(&client, (struct tr_socket_options){.timeout_ms = INT32_MAX}, (struct tr_connect_options){0});
    assert_int_equal(tr_socket_set_no_delay(client.socket, true), TR_OK);
    assert_int_equal(tr_socket_set_no_delay(client.socket, false), TR_OK);
    assert_int_equal(tr_socket_set_keep_alive(client.socket, true, 4001), TR_OK); /* rounded up */
    assert_int_equal(tr_socket_set_timeout(client.socket, INT32_MAX), TR_OK);
    assert_int_equal(tr_socket_set_timeout(client.socket, (uint64_t)INT32_MAX + 1), TR_EBADLIMIT);
    end_when_both_are_closed();
}

static void
what_is_asked_for_before_connect_holds_then(void **state)
{
    (void)state;
    stage_play(1, play_asked_before);
    assert_string_equal(client.log, "connect ready close");
}

/* No delay leaves that of the system, also after another one was asked for. */

static int systems_delay;

static void
finds_the_systems_delay(struct endpoint *self, const char *event)
{
    if (!is(event, "connect"))
        return;
    assert_int_not_equal(option_of(self->socket->fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(option_of(self->socket->fd, IPPROTO_TCP, TCP_KEEPIDLE), systems_delay);
    tr_socket_destroy(self->socket, TR_OK);
}

static void
play_no_delay_before(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    systems_delay = option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE);
    close(fd);
    client.hook = finds_the_systems_delay;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    assert_int_equal(tr_socket_set_keep_alive(client.socket, true, (uint64_t)(systems_delay / 2) * 1000), TR_OK);
    assert_int_equal(tr_socket_set_keep_alive(client.socket, true, 0), TR_OK);
    end_when_both_are_closed();
}

static void
keep_alive_without_a_delay_takes_an_earlier_one_back_before_connect(void **state)
{
    (void)state;
    stage_play(1, play_no_delay_before);
    assert_string_equal(client.log, "connect ready close");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_timeout_comes_once_for_each_idle_period, cast_reset),
        cmocka_unit_test_setup(the_timeout_option_covers_connecting, cast_reset),
        cmocka_unit_test_setup(both_addresses_are_known_while_connected, cast_reset),
        cmocka_unit_test_setup(options_can_be_set_at_any_time, cast_reset),
        cmocka_unit_test_setup(what_is_asked_for_before_connect_holds_then, cast_reset),
        cmocka_unit_test_setup(keep_alive_without_a_delay_takes_an_earlier_one_back_before_connect, cast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
