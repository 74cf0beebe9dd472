/*
 * A socket from its first event to its last, and what a program may do to it meanwhile.
 */
#include "cast.h"
#include "helpers.h"
#include "socket_echo.h"
#include "socket_state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The order of events. */

static void
says_hello(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        assert_int_equal(say(self->socket, "hello"), TR_OK);
    if (is(event, "data") && self->bytes == 5)
        tr_socket_end(self->socket);
}

static void
echoes(struct endpoint *self, const char *event)
{
    if (is(event, "data"))
        tr_socket_write_slice(self->socket, self->last);
}

static void
play_echo(void)
{
    client.hook = says_hello;
    accepted[0].hook = echoes;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
an_echo_has_the_events_in_their_order(void **state)
{
    (void)state;
    stage_play(1, play_echo);
    assert_string_equal(client.log, "connect ready data:hello end close");
    assert_string_equal(accepted[0].log, "accepted data:hello end close");
}

static void
says_more_on_end(struct endpoint *self, const char *event)
{
    if (is(event, "end")) {
        assert_int_equal(say(self->socket, "goodbye"), TR_OK);
        tr_socket_end(self->socket);
    }
}

static void
ends_with_hello(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        assert_int_equal(tr_socket_end_with(self->socket, tr_slice_constant("hello", 5)), TR_OK);
}

static void
play_goodbye(void)
{
    client.hook = ends_with_hello;
    accepted[0].hook = says_more_on_end;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
the_end_callback_can_still_write(void **state)
{
    (void)state;
    stage_play(1, play_goodbye);
    assert_string_equal(client.log, "connect ready data:goodbye end close");
    assert_string_equal(accepted[0].log, "accepted data:hello end close");
}

static void
late_reply(void *argument)
{
    (void)argument;
    assert_false(accepted[0].closed);
    assert_int_equal(tr_socket_end_with(accepted[0].socket, tr_slice_constant("late", 4)), TR_OK);
}

static void
replies_later(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "end"))
        stage_settled(late_reply, NULL);
}

static void
play_half_open(void)
{
    client.hook = ends_with_hello;
    accepted[0].hook = replies_later;
    stage_serve((struct tr_server_options){.socket.allow_half_open = true});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
a_half_open_socket_ends_when_the_user_says_so(void **state)
{
    (void)state;
    stage_play(1, play_half_open);
    assert_string_equal(client.log, "connect ready data:late end close");
    assert_string_equal(accepted[0].log, "accepted data:hello end close");
}

/* A play that connects to a port where nobody listens. */
static void
play_refusal(void (*script)(void))
{
    int refusing = tests_peer_refuse(&stage_port);
    stage_play(1, script);
    close(refusing);
}

static void
lost(tr_socket *socket, void *argument, tr_status status)
{
    (void)argument;
    note(tr_socket_data(socket), "lost:%s", tr_status_code(status));
}

static void
play_refused(void)
{
    stage_connect(&client);
    assert_int_equal(tr_socket_write_then(client.socket, tr_slice_constant("x", 1), lost, NULL), TR_OK);
    assert_string_equal(client.log, "");
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

static void
a_refused_connection_has_an_error_directly_before_close(void **state)
{
    (void)state;
    play_refusal(play_refused);
    assert_string_equal(client.log, "ECONNREFUSED close! lost:ERR_SOCKET_CLOSED_BEFORE_CONNECTION");
    assert_string_equal(client.call, "connect");
}

static void
play_lookup(void)
{
    client.hook = ends_with_hello;
    stage_serve((struct tr_server_options){0});
    stage_connect_with(&client, (struct tr_connect_options){.host = "localhost", .family = TR_FAMILY_IPV4});
    end_when_both_are_closed();
}

static void
a_name_is_looked_up_and_an_address_is_not(void **state)
{
    (void)state;
    stage_play(1, play_lookup);
    assert_string_equal(client.log, "lookup:localhost:127.0.0.1 connect ready end close");
}

static void
play_bad_lookup(void)
{
    stage_connect_with(&client, (struct tr_connect_options){.host = "no..such..name", .port = 80});
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

static void
a_name_that_nobody_knows_fails_after_its_lookup_event(void **state)
{
    (void)state;
    stage_play(1, play_bad_lookup);
    assert_string_equal(client.log, "lookup:no..such..name:ENOTFOUND ENOTFOUND close!");
    assert_string_equal(client.call, "getaddrinfo");
}

static void
play_destroy_in_lookup(void)
{
    stage_connect_with(&client, (struct tr_connect_options){.host = "localhost", .port = 80});
    tr_socket_destroy(client.socket, TR_OK);
    assert_false(tr_socket_connecting(client.socket));
    assert_true(tr_socket_destroyed(client.socket));
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

static void
a_socket_can_be_destroyed_before_it_is_connected(void **state)
{
    (void)state;
    stage_play(1, play_destroy_in_lookup);
    assert_string_equal(client.log, "close");
}

static void
destroys_itself(struct endpoint *self, const char *event)
{
    if (is(event, "data"))
        tr_socket_destroy(self->socket, TR_EIO);
}

static void
play_destroy_with_error(void)
{
    client.hook = says_hello;
    accepted[0].hook = destroys_itself;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
destroying_with_an_error_tells_it_before_close(void **state)
{
    (void)state;
    stage_play(1, play_destroy_with_error);
    assert_string_equal(accepted[0].log, "accepted data:hello EIO close!");
    assert_string_equal(accepted[0].call, "destroy");
    assert_int_equal(accepted[0].system, 0); /* the system has said nothing */
    assert_string_equal(client.log, "connect ready end close");
}

static void
exits(struct endpoint *self, const char *event)
{
    if (is(event, "data"))
        tr_exit(tr_socket_actor(self->socket));
}

static void
play_exit(void)
{
    client.hook = says_hello;
    accepted[0].hook = exits;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
the_exit_of_its_actor_destroys_a_socket(void **state)
{
    (void)state;
    stage_play(1, play_exit);
    assert_string_equal(accepted[0].log, "accepted data:hello close");
    assert_string_equal(client.log, "connect ready end close");
}

static int raw = -1;

static bool
has_a_byte(void)
{
    return accepted[0].bytes == 1;
}

static void
reset_raw(void *argument)
{
    (void)argument;
    tests_peer_reset(raw);
}

static void
play_reset(void)
{
    stage_serve((struct tr_server_options){0});
    raw = tests_peer_connect(stage_port);
    assert_true(raw >= 0);
    assert_true(tests_peer_send(raw, "x", 1));
    stage_settled_when(has_a_byte, reset_raw, NULL);
    struct endpoint *one[] = {&accepted[0]};
    stage_end_when_closed(one, 1);
}

static void
a_reset_by_the_peer_is_an_error(void **state)
{
    (void)state;
    stage_play(1, play_reset);
    assert_string_equal(accepted[0].log, "accepted data:x ECONNRESET close!");
    assert_string_equal(accepted[0].call, "read");
    assert_int_equal(accepted[0].system, ECONNRESET);
}

/* Misuse. */

static void
play_bad_arguments(void)
{
    char long_host[300];
    memset(long_host, 'a', sizeof(long_host));
    long_host[299] = '\0';
    struct tr_connect_options good = {.host = "127.0.0.1", .port = 1};
    tr_socket *socket;
    assert_int_equal(tr_connect(NULL, NULL, &good, &socket), TR_EINVAL);
    assert_int_equal(tr_connect(director, NULL, NULL, &socket), TR_EINVAL);

    static const char *const bad_hosts[] = {"", "a b", "a\nb", "\x7f", "\t"};
    for (size_t i = 0; i < sizeof(bad_hosts) / sizeof(bad_hosts[0]); i++) {
        struct tr_connect_options options = {.host = bad_hosts[i], .port = 1};
        assert_int_equal(tr_connect(director, NULL, &options, &socket), TR_EBADHOST);
    }
    struct tr_connect_options too_long = {.host = long_host, .port = 1};
    assert_int_equal(tr_connect(director, NULL, &too_long, &socket), TR_EBADHOST);
    struct tr_connect_options no_port = {.host = "127.0.0.1"};
    assert_int_equal(tr_connect(director, NULL, &no_port, &socket), TR_EMISSING);
    struct tr_connect_options bad_local = {.port = 1, .local_address = "localhost"};
    assert_int_equal(tr_connect(director, NULL, &bad_local, &socket), TR_EBADADDRESS);
    struct tr_connect_options bad_family = {.port = 1, .family = TR_FAMILY_UNIX};
    assert_int_equal(tr_connect(director, NULL, &bad_family, &socket), TR_EINVAL);
    struct tr_connect_options bad_timeout = {.port = 1, .timeout_ms = UINT64_MAX};
    assert_int_equal(tr_connect(director, NULL, &bad_timeout, &socket), TR_EBADLIMIT);

    assert_int_equal(tr_socket_write(NULL, "x", 1), TR_EINVAL);
    assert_int_equal(tr_socket_end(NULL), TR_EINVAL);
    assert_int_equal(tr_socket_set_timeout(NULL, 1), TR_EINVAL);
    assert_int_equal(tr_socket_set_no_delay(NULL, true), TR_EINVAL);
    assert_int_equal(tr_socket_set_keep_alive(NULL, true, 0), TR_EINVAL);
    tr_socket_destroy(NULL, TR_OK);
    tr_socket_pause(NULL);
    tr_socket_resume(NULL);
    assert_true(tr_socket_destroyed(NULL));

    stage_connect(&client);
    assert_int_equal(tr_socket_write(client.socket, NULL, 1), TR_EINVAL);
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

static void
wrong_arguments_are_refused_by_name(void **state)
{
    (void)state;
    play_refusal(play_bad_arguments);
    assert_string_equal(client.log, "ECONNREFUSED close!");
}

static void
misuses_after_close(struct endpoint *self, const char *event)
{
    if (!is(event, "close"))
        return;
    assert_int_equal(say(self->socket, "x"), TR_EDESTROYED);
    assert_int_equal(write_told(self->socket, tr_slice_constant("x", 1), "late"), TR_EDESTROYED);
    assert_int_equal(tr_socket_end(self->socket), TR_EDESTROYED);
    tr_socket_pause(self->socket);
    tr_socket_resume(self->socket);
    tr_socket_destroy(self->socket, TR_EIO);
    assert_int_equal(tr_socket_set_timeout(self->socket, 1), TR_OK);
}

static void
play_misuse_after_close(void)
{
    client.hook = misuses_after_close;
    accepted[0].hook = ends_at_once;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
nothing_harms_in_the_close_callback(void **state)
{
    (void)state;
    stage_play(1, play_misuse_after_close);
    assert_string_equal(client.log, "connect ready end close late:EPIPE");
}

/* Destroys in whatever event the test says. */
static const char *fatal_event;

static void
destroys_in_event(struct endpoint *self, const char *event)
{
    if (is(event, "connect") || is(event, "accepted"))
        say(self->socket, "hi");
    if (is(event, fatal_event)) {
        tr_socket_destroy(self->socket, TR_OK);
        tr_socket_destroy(self->socket, TR_EIO);
    }
}

static void
play_destroy_in_event(void)
{
    client.hook = accepted[0].hook = destroys_in_event;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    stage_settled(end_client, NULL);
    end_when_both_are_closed();
}

static unsigned
count(const char *text, const char *word)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word))
        n++;
    return n;
}

static void
a_socket_may_be_destroyed_in_any_event_and_closes_once(void **state)
{
    static const char *const events[] = {"connect", "ready", "accepted", "data", "end", "close"};
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        cast_reset(state);
        fatal_event = events[i];
        stage_play(1, play_destroy_in_event);
        assert_int_equal(count(client.log, "close"), 1);
        assert_int_equal(count(accepted[0].log, "close"), 1);
    }
}

static bool
accepted_is_closed(void)
{
    return accepted[0].closed;
}

static void
end_of_play(void *argument)
{
    (void)argument;
    stage_end();
}

/* Kills its actor in the connect event. */
static void
dies_in_connect(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        assert_int_equal(tr_stop(director, tr_socket_ref(self->socket), TR_STOP_KILL), TR_OK);
    if (is(event, "accepted"))
        stage_settled_when(accepted_is_closed, end_of_play, NULL);
}

static void
play_killed_in_connect(void)
{
    client.hook = accepted[0].hook = dies_in_connect;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
}

static void
a_killed_socket_gives_no_event_any_more(void **state)
{
    (void)state;
    stage_play(1, play_killed_in_connect);
    assert_string_equal(client.log, "connect");
    assert_string_equal(accepted[0].log, "accepted end close");
}

/* An error of the user's own keeps its number. */
static void
destroys_with_a_number(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        tr_socket_destroy(self->socket, (tr_status)-65536);
}

static void
play_destroy_with_a_number(void)
{
    client.hook = destroys_with_a_number;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
an_error_of_the_users_keeps_its_number(void **state)
{
    (void)state;
    stage_play(1, play_destroy_with_a_number);
    assert_int_equal(client.error, -65536);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_echo_has_the_events_in_their_order, cast_reset),
        cmocka_unit_test_setup(the_end_callback_can_still_write, cast_reset),
        cmocka_unit_test_setup(a_half_open_socket_ends_when_the_user_says_so, cast_reset),
        cmocka_unit_test_setup(a_refused_connection_has_an_error_directly_before_close, cast_reset),
        cmocka_unit_test_setup(a_name_is_looked_up_and_an_address_is_not, cast_reset),
        cmocka_unit_test_setup(a_name_that_nobody_knows_fails_after_its_lookup_event, cast_reset),
        cmocka_unit_test_setup(a_socket_can_be_destroyed_before_it_is_connected, cast_reset),
        cmocka_unit_test_setup(destroying_with_an_error_tells_it_before_close, cast_reset),
        cmocka_unit_test_setup(a_reset_by_the_peer_is_an_error, cast_reset),
        cmocka_unit_test_setup(wrong_arguments_are_refused_by_name, cast_reset),
        cmocka_unit_test_setup(nothing_harms_in_the_close_callback, cast_reset),
        cmocka_unit_test_setup(a_socket_may_be_destroyed_in_any_event_and_closes_once, cast_reset),
        cmocka_unit_test_setup(the_exit_of_its_actor_destroys_a_socket, cast_reset),
        cmocka_unit_test_setup(a_killed_socket_gives_no_event_any_more, cast_reset),
        cmocka_unit_test_setup(an_error_of_the_users_keeps_its_number, cast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
