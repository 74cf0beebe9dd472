/*
 * The answers of remote.h: whom they come from, and what they say of sockets that connect, are gone or refuse.
 */
#include "cast.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

static struct endpoint other;
static int other_peer;
static tr_ref socket_ref;

static int
reset(void **state)
{
    memset(&other, 0, sizeof(other));
    return cast_reset(state);
}

static void
open_client(struct tr_socket_options options)
{
    cast_open(options);
    socket_ref = tr_socket_ref(client.socket);
}

static tr_server *server;

static bool
is_connected(void)
{
    return strstr(client.log, "ready") != NULL;
}

static void
finish_with_server(void *argument)
{
    tr_server_close(server);
    cast_end(argument);
}

/* Answers. */

enum { ANSWER = 7 };

static struct tr_socket_info info;
static struct tr_server_info server_info;
static struct tr_remote_written written;
static tr_ref answered_by;
static unsigned answers;

/* Who asks. */
static tr_status (*question)(tr_actor *self);

static tr_status
ask(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    answers = 0;
    return question(self);
}

static void
hear(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state;
    if (message->tag != ANSWER)
        return;
    answers++;
    answered_by = message->from;
    if (tr_message_size(message) == sizeof(server_info))
        memcpy(&server_info, tr_message_data(message), sizeof(server_info));
    else if (tr_message_size(message) == sizeof(info))
        memcpy(&info, tr_message_data(message), sizeof(info));
    else
        memcpy(&written, tr_message_data(message), sizeof(written));
}

static bool
is_answered(void)
{
    return answers > 0;
}

static void
ask_by(tr_status (*asks)(tr_actor *self))
{
    static const struct tr_behavior asker = {.name = "asker", .init = ask, .receive = hear};
    tr_ref ref;
    question = asks;
    assert_int_equal(tr_spawn(director, &asker, NULL, &ref), TR_OK);
}

static tr_status
ask_for_info(tr_actor *self)
{
    return tr_remote_socket_info(self, socket_ref, ANSWER, 5);
}

static void
play_info_while_connecting(void)
{
    server = stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    socket_ref = tr_socket_ref(client.socket);
    ask_by(ask_for_info);
    stage_settled_when(is_connected, finish_with_server, NULL);
}

static void
the_info_of_a_socket_that_connects_says_so(void **state)
{
    (void)state;
    stage_play(1, play_info_while_connecting);
    assert_int_equal(answers, 1);
    assert_int_equal(info.token, 5);
    assert_true(info.connecting && info.pending && !info.destroyed);
    assert_int_equal(info.ready_state, TR_STATE_OPENING);
    assert_true(info.socket == socket_ref && answered_by == socket_ref);
}

/* On the other worker; who orders something next finds it gone. */
static void
open_and_kill_there(void)
{
    struct tr_spawn_options there = {.placement = TR_PLACE_WORKER, .worker = 1};
    assert_int_equal(tr_remote_socket(director, NULL, &there, &socket_ref), TR_OK);
    assert_int_equal(tr_stop(director, socket_ref, TR_STOP_KILL), TR_OK);
}

static void
play_info_of_gone(void)
{
    open_and_kill_there();
    ask_by(ask_for_info);
    stage_settled_when(is_answered, end_play, NULL);
}

static void
the_info_of_a_socket_that_is_gone_is_that_of_a_destroyed_one(void **state)
{
    (void)state;
    stage_play(2, play_info_of_gone);
    assert_true(info.pending && info.destroyed && !info.connecting);
    assert_int_equal(info.ready_state, TR_STATE_CLOSED);
    assert_int_equal(answered_by, TR_NOBODY);
}

static tr_status
ask_for_end(tr_actor *self)
{
    return tr_remote_end_ask(self, socket_ref, slice_of("more"), ANSWER, 9);
}

static void
play_refused_end(void)
{
    open_client((struct tr_socket_options){.write_limit = 4});
    tr_socket_cork(client.socket);
    assert_int_equal(say(client.socket, "1234"), TR_OK);
    ask_by(ask_for_end);
    stage_settled_when(is_answered, cast_end, NULL);
}

static void
an_end_that_the_limit_refuses_is_answered_and_changes_nothing(void **state)
{
    (void)state;
    stage_play(1, play_refused_end);
    assert_int_equal(answers, 1);
    assert_int_equal(written.token, 9);
    assert_int_equal(written.status, TR_EQUEUELIMIT);
    assert_true(answered_by == socket_ref);
    assert_string_equal(client.log, "close");
}

/* An accepted socket is asked, and its server. */

static tr_status
ask_server_too(tr_actor *self)
{
    tr_status status = tr_remote_socket_info(self, tr_socket_ref(accepted[0].socket), ANSWER, 1);
    return status == TR_OK ? tr_remote_server_info(self, tr_server_ref(server), ANSWER) : status;
}

static bool
both_are_answered(void)
{
    return answers == 2;
}

static bool
one_is_turned_away(void)
{
    return other.closed;
}

static void
ask_about_both(void *argument)
{
    (void)argument;
    ask_by(ask_server_too);
    stage_settled_when(both_are_answered, finish_with_server, NULL);
}

static void
connect_another(void *argument)
{
    (void)argument;
    stage_connect(&other);
    stage_settled_when(one_is_turned_away, ask_about_both, NULL);
}

static void
play_number_and_refusals(void)
{
    server = stage_serve((struct tr_server_options){.max_connections = 1});
    stage_connect(&client);
    stage_settled_when(is_connected, connect_another, NULL);
}

static void
an_accepted_socket_tells_its_number_and_a_server_whom_it_refused(void **state)
{
    (void)state;
    memset(&info, 0, sizeof(info));
    memset(&server_info, 0, sizeof(server_info));
    stage_play(1, play_number_and_refusals);
    assert_int_equal(info.number, 1);
    assert_int_equal(server_info.refusals.over_limit, 1);
    assert_int_equal(server_info.connections, 1);
}

/* Pipes whose first socket is gone. */

static void
finish_other(void *argument)
{
    (void)argument;
    assert_string_equal(other.log, "");
    tr_socket_destroy(other.socket, TR_OK);
    close(other_peer);
    stage_end_when_closed((struct endpoint *[]){&other}, 1);
}

/* Its answer comes after all that the order to pipe has led to. */
static void
play_pipe_from_gone(void)
{
    struct tr_pipe_options pipe = {.keep_open = true};
    cast_open_as(&other, AF_UNIX, &other_peer, (struct tr_socket_options){0});
    open_and_kill_there();
    assert_int_equal(tr_remote_pipe(director, socket_ref, tr_socket_ref(other.socket), &pipe), TR_OK);
    ask_by(ask_for_info);
    stage_settled_when(is_answered, finish_other, NULL);
}

static void
with_keep_open_a_first_that_is_gone_does_nothing_to_the_second(void **state)
{
    (void)state;
    stage_play(2, play_pipe_from_gone);
    assert_string_equal(other.log, "close");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_info_of_a_socket_that_connects_says_so, reset),
        cmocka_unit_test_setup(the_info_of_a_socket_that_is_gone_is_that_of_a_destroyed_one, reset),
        cmocka_unit_test_setup(an_end_that_the_limit_refuses_is_answered_and_changes_nothing, reset),
        cmocka_unit_test_setup(an_accepted_socket_tells_its_number_and_a_server_whom_it_refused, reset),
        cmocka_unit_test_setup(with_keep_open_a_first_that_is_gone_does_nothing_to_the_second, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
