/*
 * A server that takes leave: its connections are told, may end by themselves, and are cut at the deadline.
 */
#include "cast.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

#define DEADLINE_MS 60u
#define NS_PER_MS UINT64_C(1000000)
#define FAR_MS 1000000u
#define CONNECTIONS 6

static tr_server *server;
static struct tr_server_drained outcome;
static unsigned closes, errors;
static struct tr_error error;
static uint64_t began_ns, ended_ns;
static uint64_t deadline_ms;
static int peers[CONNECTIONS]; /* raw ones; -1: none */

static int
reset(void **state)
{
    server = NULL;
    outcome = (struct tr_server_drained){99, 99};
    closes = errors = 0;
    memset(peers, 0xff, sizeof(peers));
    return cast_reset(state);
}

static void
on_server_close(tr_server *self)
{
    closes++;
    ended_ns = tests_now_ns();
    tr_server_drained(self, &outcome);
    if (client.socket != NULL)
        tr_socket_destroy(client.socket, TR_OK);
    for (int i = 0; i < CONNECTIONS; i++)
        if (peers[i] >= 0)
            close(peers[i]);
    stage_settled(end_play, NULL);
}

static void
on_server_error(tr_server *self, const struct tr_error *failure)
{
    (void)self;
    errors++;
    error = *failure;
}

static const struct tr_server_events events = {.close = on_server_close, .error = on_server_error};

static void
serve(struct tr_server_options options)
{
    options.events = &events;
    options.balance = home;
    server = stage_serve(options);
}

static void
drain_now(void)
{
    began_ns = tests_now_ns();
    assert_int_equal(tr_server_drain(server, deadline_ms), TR_OK);
    assert_false(tr_server_listening(server));
}

static void
drains_when_accepted(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "accepted"))
        drain_now();
}

static void
says_goodbye(struct endpoint *self, const char *event)
{
    drains_when_accepted(self, event);
    if (is(event, "goaway"))
        assert_int_equal(tr_socket_end_with(self->socket, text_slice("bye")), TR_OK);
}

static void
play(void)
{
    serve((struct tr_server_options){0});
    stage_connect(&client);
}

static void
expect(uint64_t ended, uint64_t cut)
{
    assert_int_equal(closes, 1);
    assert_int_equal(outcome.ended, ended);
    assert_int_equal(outcome.cut, cut);
}

static void
connections_are_told_and_end_by_themselves(void **state)
{
    (void)state;
    deadline_ms = FAR_MS;
    accepted[0].hook = says_goodbye;
    stage_play(1, play);
    assert_string_equal(accepted[0].log, "accepted goaway end close");
    assert_string_equal(client.log, "connect ready data:bye end close");
    expect(1, 0);
}

static void
what_is_left_at_the_deadline_is_ended(void **state)
{
    (void)state;
    deadline_ms = DEADLINE_MS;
    accepted[0].hook = drains_when_accepted;
    stage_play(1, play);
    assert_string_equal(accepted[0].log, "accepted goaway close");
    assert_string_equal(client.log, "connect ready end close");
    assert_true(ended_ns - began_ns >= DEADLINE_MS * NS_PER_MS);
    expect(0, 1);
}

static void
a_deadline_of_nothing_is_at_once(void **state)
{
    (void)state;
    deadline_ms = 0;
    accepted[0].hook = drains_when_accepted;
    stage_play(1, play);
    assert_string_equal(accepted[0].log, "accepted goaway close");
    expect(0, 1);
}

/* The peer reads nothing, and never ends. */
static void
writes_much_and_drains(struct endpoint *self, const char *event)
{
    if (!is(event, "accepted"))
        return;
    assert_int_equal(tr_socket_write_slice(self->socket, pattern(16u << 20)), TR_QUEUED);
    drain_now();
}

static void
play_stuck_peer(void)
{
    serve((struct tr_server_options){0});
    peers[0] = tests_peer_connect(stage_port);
}

static void
who_takes_nothing_is_not_waited_for(void **state)
{
    (void)state;
    deadline_ms = DEADLINE_MS;
    accepted[0].hook = writes_much_and_drains;
    stage_play(1, play_stuck_peer);
    assert_string_equal(accepted[0].log, "accepted goaway close");
    expect(0, 1);
}

/* Once more, close, and listen. */

static uint64_t second_ms;

static void
drains_twice(struct endpoint *self, const char *event)
{
    drains_when_accepted(self, event);
    if (!is(event, "accepted"))
        return;
    assert_int_equal(tr_server_drain(server, second_ms), TR_OK);
    assert_int_equal(tr_server_close(server), TR_ENOTLISTENING);
}

static void
a_second_drain_makes_the_time_shorter_and_never_longer(void **state)
{
    for (int turn = 0; turn < 2; turn++) {
        reset(state);
        deadline_ms = turn == 0 ? FAR_MS : DEADLINE_MS;
        second_ms = turn == 0 ? DEADLINE_MS : FAR_MS;
        accepted[0].hook = drains_twice;
        stage_play(1, play);
        assert_string_equal(accepted[0].log, "accepted goaway close");
        assert_true(ended_ns - began_ns >= DEADLINE_MS * NS_PER_MS);
        expect(0, 1);
    }
}

static void
closes_and_drains(struct endpoint *self, const char *event)
{
    (void)self;
    if (!is(event, "accepted"))
        return;
    assert_int_equal(tr_server_close(server), TR_OK);
    drain_now();
}

static void
a_server_that_is_closing_can_drain(void **state)
{
    (void)state;
    deadline_ms = DEADLINE_MS;
    accepted[0].hook = closes_and_drains;
    stage_play(1, play);
    assert_string_equal(accepted[0].log, "accepted goaway close");
    expect(0, 1);
}

static void
close_server(void *argument)
{
    (void)argument;
    assert_string_equal(accepted[0].log, "accepted goaway");
    tr_server_drained(server, &outcome);
    assert_int_equal(outcome.cut + outcome.ended, 0);
    tr_socket_destroy(accepted[0].socket, TR_OK);
    assert_int_equal(tr_server_close(server), TR_OK);
}

static void
listens_again(struct endpoint *self, const char *event)
{
    drains_when_accepted(self, event);
    if (!is(event, "accepted"))
        return;
    assert_int_equal(tr_server_listen(server, &(struct tr_listen_options){.host = "127.0.0.1"}), TR_OK);
    stage_after(2 * DEADLINE_MS, close_server, NULL);
}

static void
to_listen_again_ends_it(void **state)
{
    (void)state;
    deadline_ms = DEADLINE_MS;
    accepted[0].hook = listens_again;
    stage_play(1, play);
    assert_string_equal(accepted[0].log, "accepted goaway close");
    assert_int_equal(closes, 1);
}

/* On other workers. */

static unsigned told, over;

static void
note_goaway(tr_socket *socket)
{
    __atomic_add_fetch(&told, 1, __ATOMIC_SEQ_CST);
    if (tr_socket_number(socket) % 2 == 1)
        tr_socket_end(socket);
}

static void
note_over(tr_socket *socket, bool had_error)
{
    (void)socket;
    (void)had_error;
    __atomic_add_fetch(&over, 1, __ATOMIC_SEQ_CST);
}

static void
end_peers(void)
{
    for (int i = 0; i < CONNECTIONS; i++)
        shutdown(peers[i], SHUT_WR);
}

/* All are dealt, and nobody knows whether they have begun. */
static bool
are_dealt(void)
{
    uint64_t counts[2];
    tr_server_dealt(server, counts, 2);
    return counts[0] + counts[1] == CONNECTIONS;
}

static bool
are_told(void)
{
    return __atomic_load_n(&told, __ATOMIC_SEQ_CST) == CONNECTIONS;
}

static void
end_some(void *argument)
{
    (void)argument;
    end_peers();
}

static void
drain_dealt(void *argument)
{
    (void)argument;
    drain_now();
    stage_when(are_told, end_some, NULL);
}

static void
play_two_workers(void)
{
    static const struct tr_socket_events socket_events = {.goaway = note_goaway, .close = note_over};
    struct tr_server_options options = {.events = &events, .balance = tr_balance_round_robin};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address address;
    options.socket.events = &socket_events;
    options.socket.allow_half_open = true;
    told = over = 0;
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    assert_int_equal(tr_server_address(server, &address), TR_OK);
    for (int i = 0; i < CONNECTIONS; i++)
        peers[i] = tests_peer_connect(address.port);
    stage_when(are_dealt, drain_dealt, NULL);
}

static void
connections_on_all_workers_are_told_and_counted(void **state)
{
    (void)state;
    deadline_ms = 300;
    stage_play(2, play_two_workers);
    assert_int_equal(told, CONNECTIONS);
    assert_int_equal(over, CONNECTIONS);
    assert_int_equal(outcome.ended + outcome.cut, CONNECTIONS);
    assert_true(outcome.cut >= CONNECTIONS / 2); /* on a slow machine those that end come too late */
}

/* Owners, and orders from afar. */

static bool
has_closed(void)
{
    return closes == 1;
}

static void
order_drain(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "accepted"))
        assert_int_equal(tr_remote_server_drain(director, tr_server_ref(server), 0), TR_OK);
}

static void
another_actor_can_order_it(void **state)
{
    (void)state;
    accepted[0].hook = order_drain;
    stage_play(1, play);
    assert_string_equal(accepted[0].log, "accepted goaway close");
    expect(0, 1);
}

static void
end_when_closed_and_refused(void *argument)
{
    (void)argument;
    assert_int_equal(errors, 1);
    assert_int_equal(error.status, TR_ENOTLISTENING);
    assert_string_equal(error.call, "drain");
}

static void
play_refusals(void)
{
    struct tr_server_options options = {.events = &events};
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    assert_int_equal(tr_server_drain(server, (uint64_t)INT32_MAX + 1), TR_EBADLIMIT);
    assert_int_equal(tr_remote_server_drain(director, tr_server_ref(server), (uint64_t)INT32_MAX + 1), TR_EBADLIMIT);
    assert_int_equal(tr_remote_server_drain(director, tr_server_ref(server), 0), TR_OK);
    stage_when(has_closed, end_when_closed_and_refused, NULL);
}

static void
a_server_that_does_nothing_refuses_and_closes(void **state)
{
    (void)state;
    stage_play(1, play_refusals);
    expect(0, 0);
}

static void
play_without_connections(void)
{
    serve((struct tr_server_options){0});
    deadline_ms = FAR_MS;
    drain_now();
}

static void
without_connections_it_is_closed_at_once(void **state)
{
    (void)state;
    stage_play(1, play_without_connections);
    expect(0, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(connections_are_told_and_end_by_themselves, reset),
        cmocka_unit_test_setup(what_is_left_at_the_deadline_is_ended, reset),
        cmocka_unit_test_setup(a_deadline_of_nothing_is_at_once, reset),
        cmocka_unit_test_setup(who_takes_nothing_is_not_waited_for, reset),
        cmocka_unit_test_setup(a_second_drain_makes_the_time_shorter_and_never_longer, reset),
        cmocka_unit_test_setup(a_server_that_is_closing_can_drain, reset),
        cmocka_unit_test_setup(to_listen_again_ends_it, reset),
        cmocka_unit_test_setup(connections_on_all_workers_are_told_and_counted, reset),
        cmocka_unit_test_setup(another_actor_can_order_it, reset),
        cmocka_unit_test_setup(a_server_that_does_nothing_refuses_and_closes, reset),
        cmocka_unit_test_setup(without_connections_it_is_closed_at_once, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
