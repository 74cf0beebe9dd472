/*
 * Slow peers: nobody is too slow from whom nothing is awaited.
 */
#include "pace_play.h"

#include "helpers.h"
#include "lookups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/pipe.h>
#include <troupe/net/remote.h>

/* What is not awaited. Each of these keeps the client from being too slow; then it is taken away. */

static const struct {
    const char *name;
    const struct tr_socket_options *options;
} kinds[] = {{"first byte", &pace_first_byte}, {"read", &pace_rate}};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static unsigned kind;

static void
play_paused(void)
{
    pace_other.hook = goes_on_with_the_client;
    pace_open_client(*kinds[kind].options);
    tr_socket_pause(client.socket);
    pace_open_other(*kinds[kind].options);
}

static void
resume_client(void)
{
    tr_socket_resume(client.socket);
}

static void
the_time_stands_still_while_the_socket_is_paused(void **state)
{
    for (kind = 0; kind < KINDS; kind++) {
        pace_reset(state);
        pace_then = resume_client;
        stage_play(1, play_paused);
        expect_too_slow(TOO_SLOW, kinds[kind].name);
        assert_took(LIMIT_MS / 2);
    }
}

/* It is not paused any more when its time is over. What has passed before the pause is not given back. */
static void
play_short_pause(void)
{
    uint64_t opened_ns = tests_now_ns();
    pace_open_client(*kinds[kind].options);
    tr_socket_pause(client.socket);
    uint64_t ran_ns = tests_now_ns() - opened_ns;
    tests_hold(HOLD_MS);
    pace_began_ns = tests_now_ns() - ran_ns;
    tr_socket_resume(client.socket);
}

static void
a_pause_that_is_over_does_not_count(void **state)
{
    for (kind = 0; kind < KINDS; kind++) {
        pace_reset(state);
        stage_play(1, play_short_pause);
        expect_too_slow(TOO_SLOW, kinds[kind].name);
        assert_took(LIMIT_MS);
    }
}

static void
pause_and_resume(void *argument)
{
    if (client.socket == NULL)
        return;
    tr_socket_pause(client.socket);
    tr_socket_resume(client.socket);
    stage_after(1, pause_and_resume, argument);
}

static void
play_restless(void)
{
    pace_open_client(*kinds[kind].options);
    pause_and_resume(NULL);
}

static void
pauses_do_not_begin_the_time_anew(void **state)
{
    for (kind = 0; kind < KINDS; kind++) {
        pace_reset(state);
        stage_play(1, play_restless);
        expect_too_slow(TOO_SLOW, kinds[kind].name);
        assert_took(LIMIT_MS);
    }
}

/* A server's connection that is born paused. */

static void
resumes_what_was_accepted(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "error"))
        assert_int_equal(accepted[0].error, TR_OK);
    if (!is(event, "close"))
        return;
    pace_began_ns = tests_now_ns();
    tr_socket_resume(accepted[0].socket);
}

static void
opens_the_other(struct endpoint *self, const char *event)
{
    if (is(event, "accepted"))
        pace_open_other(pace_first_byte);
    ends_at_close(self, event);
}

static void
play_born_paused(void)
{
    pace_other.hook = resumes_what_was_accepted;
    accepted[0].hook = opens_the_other;
    stage_serve((struct tr_server_options){.socket = pace_first_byte, .pause_on_connect = true});
    stage_connect(&client);
}

static void
of_a_socket_that_is_born_paused_nothing_is_awaited(void **state)
{
    (void)state;
    stage_play(1, play_born_paused);
    assert_string_equal(accepted[0].log, "accepted " TOO_SLOW);
    assert_took(LIMIT_MS);
}

/* A socket that stands still after what was read first: more than one interval demands. */

#define ENOUGH (2 * LIMIT_MS)

static bool
client_has_read(void)
{
    return tr_socket_bytes_read(client.socket) == ENOUGH;
}

static void
open_the_other(void *argument)
{
    (void)argument;
    pace_open_other(pace_rate);
}

static void
hear_of_the_client(void *argument)
{
    char byte;
    ssize_t size = recv(pace_peer, &byte, 1, MSG_DONTWAIT);
    if (size < 0) {
        stage_after(1, hear_of_the_client, argument);
        return;
    }
    assert_int_equal(size, 0);
    pace_ended_ns = tests_now_ns();
    client.socket = NULL;
    client.closed = true; /* as its owner was told */
    pace_end(NULL);
}

/* Nobody looks at the socket from now on: when its last event is answered it is gone. */
static void
answer_for_the_client(void)
{
    assert_false(tr_socket_destroyed(client.socket));
    assert_int_equal(tr_remote_credit(director, tr_socket_ref(client.socket), 100), TR_OK);
    hear_of_the_client(NULL);
}

static void
play_owner(void)
{
    struct tr_socket_options options = pace_rate;
    options.owner = (struct tr_owner){.actor = tr_self(director), .credit = 1};
    pace_then = answer_for_the_client;
    pace_other.hook = goes_on_with_the_client;
    pace_open_client(options);
    send_zeroes(pace_peer, ENOUGH);
    stage_when(client_has_read, open_the_other, NULL);
}

static void
the_time_stands_still_while_the_owner_answers(void **state)
{
    (void)state;
    stage_play(1, play_owner);
    assert_true(pace_ended_ns > 0);
}

/* Two intervals count: one with bytes that were enough, one without. What has passed before it stood still does. */
static void
stand_for_a_while(void)
{
    uint64_t ran_ns = tests_now_ns() - pace_began_ns;
    tests_hold(HOLD_MS);
    pace_began_ns = tests_now_ns() - ran_ns;
}

static void
answer_soon(void *argument)
{
    (void)argument;
    stand_for_a_while();
    answer_for_the_client();
}

static void
play_slow_owner(void)
{
    struct tr_socket_options options = pace_rate;
    options.owner = (struct tr_owner){.actor = tr_self(director), .credit = 1};
    pace_open_client(options);
    send_zeroes(pace_peer, ENOUGH);
    stage_when(client_has_read, answer_soon, NULL);
}

static void
the_time_that_the_owner_takes_does_not_count(void **state)
{
    (void)state;
    stage_play(1, play_slow_owner);
    assert_took(2 * LIMIT_MS);
}

static tr_socket *pipe_end;

static void
unpipe_client(void)
{
    tr_socket_unpipe(client.socket);
    tr_socket_destroy(pipe_end, TR_OK);
}

static void
unpipe_soon(void *argument)
{
    (void)argument;
    stand_for_a_while();
    unpipe_client();
}

static void
open_full_pipe(void)
{
    struct tr_connect_options nowhere = {.host = "some.where", .port = 1, .lookup = never_answers};
    pace_open_client(pace_rate);
    assert_int_equal(tr_connect(director, NULL, &nowhere, &pipe_end), TR_OK);
    assert_int_equal(
        tr_socket_pipe(client.socket, tr_socket_ref(pipe_end), &(struct tr_pipe_options){.window_bytes = 1}), TR_OK);
    send_zeroes(pace_peer, ENOUGH);
}

static void
play_full_pipe(void)
{
    pace_then = unpipe_client;
    pace_other.hook = goes_on_with_the_client;
    open_full_pipe();
    stage_when(client_has_read, open_the_other, NULL);
}

static void
the_time_stands_still_while_the_pipe_is_full(void **state)
{
    (void)state;
    stage_play(1, play_full_pipe);
    expect_too_slow(TOO_SLOW, "read");
}

static void
play_pipe_that_is_full_for_a_while(void)
{
    open_full_pipe();
    stage_when(client_has_read, unpipe_soon, NULL);
}

static void
the_time_that_the_pipe_is_full_does_not_count(void **state)
{
    (void)state;
    stage_play(1, play_pipe_that_is_full_for_a_while);
    expect_too_slow(TOO_SLOW, "read");
    assert_took(2 * LIMIT_MS);
}

/* By the user's word. */

static bool from_afar;

static void
set_awaits(bool awaits)
{
    if (from_afar)
        assert_int_equal(tr_remote_set_awaits(director, tr_socket_ref(client.socket), awaits), TR_OK);
    else
        tr_socket_set_awaits(client.socket, awaits);
}

static void
await_again(void)
{
    set_awaits(true);
}

static void
play_unawaited(void)
{
    pace_then = await_again;
    pace_other.hook = goes_on_with_the_client;
    pace_open_client(*kinds[kind].options);
    set_awaits(false);
    pace_open_other(*kinds[kind].options);
}

static void
who_is_not_awaited_is_not_too_slow(void **state)
{
    for (unsigned turn = 0; turn < 2 * KINDS; turn++) {
        pace_reset(state);
        kind = turn % KINDS;
        from_afar = turn >= KINDS;
        pace_then = await_again;
        stage_play(1, play_unawaited);
        expect_too_slow(TOO_SLOW, kinds[kind].name);
        assert_took(LIMIT_MS);
    }
}

static void
play_awaited_anew(void)
{
    pace_open_client(*kinds[kind].options);
    tests_hold(HOLD_MS);
    pace_began_ns = tests_now_ns();
    tr_socket_set_awaits(client.socket, true);
}

static void
to_be_awaited_begins_anew(void **state)
{
    for (kind = 0; kind < KINDS; kind++) {
        pace_reset(state);
        stage_play(1, play_awaited_anew);
        expect_too_slow(TOO_SLOW, kinds[kind].name);
        assert_took(LIMIT_MS);
    }
}

static void
waits_for_the_next(struct endpoint *self, const char *event)
{
    if (is(event, "data"))
        tr_socket_set_awaits(self->socket, true);
    ends_at_close(self, event);
}

static void
play_next_request(void)
{
    client.hook = waits_for_the_next;
    pace_open_client(pace_first_byte);
    send_zeroes(pace_peer, 1);
}

static void
the_first_byte_is_the_next_one_then(void **state)
{
    (void)state;
    stage_play(1, play_next_request);
    expect_too_slow("data ERR_PEER_TOO_SLOW close!", "first byte");
}

static void
play_ended_peer(void)
{
    struct tr_socket_options options = *kinds[kind].options;
    options.allow_half_open = true;
    pace_then = let_it_be;
    pace_other.hook = goes_on_with_the_client;
    pace_open_client(options);
    assert_int_equal(shutdown(pace_peer, SHUT_WR), 0);
    pace_open_other(*kinds[kind].options);
}

static void
a_peer_that_has_ended_is_not_too_slow(void **state)
{
    for (kind = 0; kind < KINDS; kind++) {
        pace_reset(state);
        stage_play(1, play_ended_peer);
        assert_string_equal(client.log, "end close");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_time_stands_still_while_the_socket_is_paused, pace_reset),
        cmocka_unit_test_setup(a_pause_that_is_over_does_not_count, pace_reset),
        cmocka_unit_test_setup(pauses_do_not_begin_the_time_anew, pace_reset),
        cmocka_unit_test_setup(of_a_socket_that_is_born_paused_nothing_is_awaited, pace_reset),
        cmocka_unit_test_setup(the_time_stands_still_while_the_owner_answers, pace_reset),
        cmocka_unit_test_setup(the_time_stands_still_while_the_pipe_is_full, pace_reset),
        cmocka_unit_test_setup(the_time_that_the_owner_takes_does_not_count, pace_reset),
        cmocka_unit_test_setup(the_time_that_the_pipe_is_full_does_not_count, pace_reset),
        cmocka_unit_test_setup(who_is_not_awaited_is_not_too_slow, pace_reset),
        cmocka_unit_test_setup(to_be_awaited_begins_anew, pace_reset),
        cmocka_unit_test_setup(the_first_byte_is_the_next_one_then, pace_reset),
        cmocka_unit_test_setup(a_peer_that_has_ended_is_not_too_slow, pace_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
