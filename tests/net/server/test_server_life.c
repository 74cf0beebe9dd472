/*
 * The life of a server: closing, listening again, its end in any callback, and what keeps the program alive.
 */
#include "helpers.h"
#include "server_log.h"
#include "server_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>

/* Listening and closing. */

static void
play_close_at_once(void)
{
    struct tr_server_options options = {.events = &logged};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    assert_int_equal(tr_server_spawn(director, &options, &our_server), TR_OK);
    assert_int_equal(tr_server_listen(our_server, &listen), TR_OK);
    assert_int_equal(tr_server_listen(our_server, &listen), TR_EALREADYLISTENING);
    assert_int_equal(tr_server_close(our_server), TR_OK);
    assert_false(tr_server_listening(our_server));
    struct tr_address address = {.family = TR_FAMILY_IPV4};
    assert_int_equal(tr_server_address(our_server, &address), TR_ENOTLISTENING);
    assert_int_equal(address.family, TR_FAMILY_NONE);
    assert_string_equal(server_log, "");
    stage_settled(end_play, NULL);
}

static void
listening_and_closing_at_once_gives_only_close(void **state)
{
    (void)state;
    stage_play(2, play_close_at_once);
    assert_string_equal(server_log, "close");
}

static void
closes_twice(const char *event)
{
    if (!is(event, "listening"))
        return;
    assert_int_equal(tr_server_close(our_server), TR_OK);
    assert_int_equal(tr_server_close(our_server), TR_ENOTLISTENING);
    stage_settled(end_play, NULL);
}

static void
play_close_twice(void)
{
    server_hook = closes_twice;
    our_server = stage_serve((struct tr_server_options){.events = &logged});
}

static void
closing_twice_gives_two_closes_as_in_node(void **state)
{
    (void)state;
    stage_play(1, play_close_twice);
    assert_string_equal(server_log, "listening close close");
}

static void
say_bye(void *argument)
{
    (void)argument;
    write_down("bye");
    tr_socket_end(accepted[0].socket);
}

static void
closes_server(struct endpoint *self, const char *event)
{
    if (is(event, "accepted")) {
        assert_int_equal(tr_server_connections(our_server), 1);
        assert_int_equal(tr_server_close(our_server), TR_OK);
        stage_settled(say_bye, NULL);
    }
    if (is(event, "close")) {
        assert_int_equal(tr_server_connections(our_server), 0);
        write_down("socket");
    }
    (void)self;
}

static void
play_close_waits(void)
{
    server_hook = ends_after_close;
    accepted[0].hook = closes_server;
    our_server = stage_serve((struct tr_server_options){.events = &logged});
    stage_connect(&clients[0]);
}

static void
close_comes_after_the_close_of_the_last_connection(void **state)
{
    (void)state;
    stage_play(1, play_close_waits);
    assert_string_equal(server_log, "listening bye socket close");
}

static void
listens_again(const char *event)
{
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    if (is(event, "close") && strcmp(server_log, "listening close") == 0)
        assert_int_equal(tr_server_listen(our_server, &listen), TR_OK);
    else if (is(event, "listening"))
        tr_server_close(our_server);
    else
        stage_end();
}

static void
play_listen_again(void)
{
    server_hook = listens_again;
    our_server = stage_serve((struct tr_server_options){.events = &logged});
}

static void
a_server_can_listen_again_after_close(void **state)
{
    (void)state;
    stage_play(2, play_listen_again);
    assert_string_equal(server_log, "listening close listening close");
}

/* A close that waits for a connection is void when the server listens again. */

static void
closes_and_listens(struct endpoint *self, const char *event)
{
    (void)self;
    if (!is(event, "accepted"))
        return;
    assert_int_equal(tr_server_close(our_server), TR_OK);
    assert_int_equal(tr_server_listen(our_server, &(struct tr_listen_options){.host = "127.0.0.1"}), TR_OK);
    tr_socket_end(clients[0].socket);
}

static void
end_with_a_word(void *argument)
{
    write_down(argument);
    stage_end();
}

static void
play_listen_before_close(void)
{
    accepted[0].hook = closes_and_listens;
    our_server = stage_serve((struct tr_server_options){.events = &logged});
    stage_connect(&clients[0]);
    stage_settled_when(first_is_over, end_with_a_word, "over");
}

/* The word of the last end is on its way to the server when that listens: another's message comes before it. */

static void
listens_for_server(tr_server *other, tr_message *message)
{
    (void)other;
    (void)message;
    assert_int_equal(tr_server_listen(our_server, &(struct tr_listen_options){.host = "127.0.0.1"}), TR_OK);
}

static tr_server *helper;

static void
closes_at_the_end(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "accepted"))
        tr_socket_end(clients[0].socket);
    if (!is(event, "close"))
        return;
    assert_int_equal(tr_server_close(our_server), TR_OK);
    assert_int_equal(tr_tell(director, tr_server_ref(helper), 1, NULL, 0), TR_OK);
}

static void
play_listen_before_word(void)
{
    static const struct tr_server_events helping = {.message = listens_for_server};
    accepted[0].hook = closes_at_the_end;
    our_server = stage_serve((struct tr_server_options){.events = &logged});
    assert_int_equal(tr_server_spawn(director, &(struct tr_server_options){.events = &helping}, &helper), TR_OK);
    stage_connect(&clients[0]);
    stage_settled_when(first_is_over, end_with_a_word, "over");
}

static void
a_server_that_listens_again_before_its_last_connection_has_ended_gives_no_close(void **state)
{
    stage_play(2, play_listen_before_close);
    assert_string_equal(server_log, "listening listening over close");
    server_reset(state);
    stage_play(1, play_listen_before_word);
    assert_string_equal(server_log, "listening listening over close");
}

/* Stopped at once. */

static void
closes_with_a_connection(tr_server *self)
{
    assert_int_equal(tr_server_connections(self), 1);
    assert_false(accepted[0].closed);
    write_down("close");
    tr_socket_end(clients[0].socket);
}

static void
stops_server_now(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "accepted"))
        assert_int_equal(tr_stop(director, tr_server_ref(our_server), TR_STOP_NOW), TR_OK);
}

static void
play_stop_now(void)
{
    static const struct tr_server_events impatient = {.close = closes_with_a_connection};
    accepted[0].hook = stops_server_now;
    our_server = stage_serve((struct tr_server_options){.events = &impatient});
    stage_connect(&clients[0]);
    end_when_all_are_closed(1);
}

static void
a_server_that_is_to_stop_now_does_not_wait_for_its_connections(void **state)
{
    (void)state;
    stage_play(1, play_stop_now);
    assert_string_equal(server_log, "close");
    assert_string_equal(accepted[0].log, "accepted end close");
}

/* From outside, over all workers. */

static bool
is_open_somewhere(void *argument)
{
    (void)argument;
    return ck_pr_load_32(&open_on[0]) + ck_pr_load_32(&open_on[1]) >= 20;
}

static void
stopping_with_open_connections_and_a_stream_of_new_ones_leaves_nothing(void **state)
{
    (void)state;
    static const struct tr_socket_events socket_events = {.close = count_close};
    struct tr_server_options options = {.connection = count_connection, .socket = {.events = &socket_events}};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    int fds[60];
    for (int round = 0; round < 5; round++) {
        struct tr_address address;
        tr_runtime *runtime;
        int before = tests_open_fds();
        memset(open_on, 0, sizeof(open_on));
        memset(closed_on, 0, sizeof(closed_on));
        assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = WORKERS}, &runtime), TR_OK);
        assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, &address), TR_OK);
        for (unsigned i = 0; i < 60; i++)
            fds[i] = tests_peer_connect(address.port);
        assert_true(tests_wait_until(is_open_somewhere, NULL, TESTS_LIMIT_MS));
        struct tr_stop_report report;
        assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, &report), TR_OK);
        assert_int_equal(report.killed, 0);
        assert_int_equal(open_on[0] + open_on[1], closed_on[0] + closed_on[1]);
        for (unsigned i = 0; i < 60; i++)
            close(fds[i]);
        assert_int_equal(tests_open_fds(), before);
    }
}

static void
killing_at_once_leaves_no_descriptor(void **state)
{
    (void)state;
    struct tr_server_options options = {.connection = count_connection};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    int fds[20];
    for (int round = 0; round < 5; round++) {
        struct tr_address address;
        tr_runtime *runtime;
        int before = tests_open_fds();
        assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = WORKERS}, &runtime), TR_OK);
        assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, &address), TR_OK);
        for (unsigned i = 0; i < 20; i++)
            fds[i] = tests_peer_connect(address.port);
        tr_runtime_stop(runtime, 0, NULL);
        for (unsigned i = 0; i < 20; i++)
            close(fds[i]);
        assert_int_equal(tests_open_fds(), before);
    }
}

/* What keeps the program alive. */

static bool goes_to_background;
static unsigned ended_closes;

static void
goes_away(tr_server *self)
{
    if (goes_to_background) {
        tr_server_set_background(self, false); /* twice the same does no harm */
        tr_server_set_background(self, true);
        tr_server_set_background(self, true);
    } else {
        tr_server_close(self);
    }
}

static void
note_close(tr_server *self)
{
    (void)self;
    ck_pr_inc_uint(&ended_closes);
}

static void
a_server_keeps_the_program_alive_until_it_closes_or_goes_to_the_background(void **state)
{
    (void)state;
    static const struct tr_server_events going = {.listening = goes_away, .close = note_close};
    struct tr_server_options options = {.events = &going};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    for (int round = 0; round < 2; round++) {
        tr_runtime *runtime;
        ended_closes = 0;
        goes_to_background = round == 1;
        assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 2}, &runtime), TR_OK);
        assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, NULL), TR_OK);
        assert_int_equal(tr_runtime_wait_idle(runtime), 0); /* or the test never ends */
        assert_int_equal(ck_pr_load_uint(&ended_closes), goes_to_background ? 0 : 1);
        assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
        assert_int_equal(ended_closes, 1);
    }
}

/* Again and again one goes to the background and another comes out of it in one callback: one keeps it alive always. */

#define CHANGES 20
#define MOMENT_MS 5u /* who waits may look now */

enum { TAG_CHANGE = 1 };

static struct {
    tr_server *servers[2];
    unsigned changes, over;
} relay;

static void
change_places(tr_actor *self, void *state, tr_message *message)
{
    tr_message next = tr_message_signal(TAG_CHANGE);
    (void)state;
    (void)message;
    unsigned goes = relay.changes++ % 2;
    if (relay.changes == CHANGES) {
        ck_pr_store_uint(&relay.over, 1);
        for (int i = 0; i < 2; i++)
            tr_server_close(relay.servers[i]);
        return;
    }
    tr_server_set_background(relay.servers[goes], true);
    tests_hold(MOMENT_MS);
    tr_server_set_background(relay.servers[1 - goes], false);
    assert_int_equal(tr_send_after(self, tr_self(self), 1, &next, NULL), TR_OK);
}

static tr_status
begin_relay(tr_actor *self, void *state, const void *argument)
{
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    tr_message first_change = tr_message_signal(TAG_CHANGE);
    (void)state;
    (void)argument;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tr_server_spawn(self, &(struct tr_server_options){0}, &relay.servers[i]), TR_OK);
        assert_int_equal(tr_server_listen(relay.servers[i], &listen), TR_OK);
    }
    tr_server_set_background(relay.servers[1], true);
    return tr_send_after(self, tr_self(self), 1, &first_change, NULL);
}

static void
one_after_the_other_keeps_the_program_alive(void **state)
{
    (void)state;
    static const struct tr_behavior runner = {.name = "runner", .init = begin_relay, .receive = change_places};
    tr_runtime *runtime;
    memset(&relay, 0, sizeof(relay));
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &runtime), TR_OK);
    assert_int_equal(tr_runtime_spawn(runtime, &runner, NULL, NULL), TR_OK);
    assert_int_equal(tr_runtime_wait_idle(runtime), 0);
    assert_int_equal(ck_pr_load_uint(&relay.over), 1);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

/* The life of a server's actor under its own callbacks. */

static const char *fatal_event;

static void
kill_server(void)
{
    assert_int_equal(tr_stop(director, tr_server_ref(our_server), TR_STOP_KILL), TR_OK);
}

static void
dies_in_event(const char *event)
{
    if (is(event, "listening"))
        tr_server_close(our_server);
    if (!is(event, fatal_event))
        return;
    tr_server_close(our_server); /* one more event that is due, and will not be given */
    kill_server();
    tr_server_close(our_server);
    assert_int_equal(tr_server_listen(our_server, &(struct tr_listen_options){.host = "127.0.0.1"}), TR_ESTOPPING);
    assert_int_equal(tr_server_dealt(our_server, NULL, 0), 1);
    stage_settled(end_play, NULL);
}

static void
play_kill_in_event(void)
{
    struct tr_server_options options = {.events = &logged, .keep = true};
    server_hook = dies_in_event;
    if (!is(fatal_event, "EADDRINUSE")) {
        our_server = stage_serve(options);
        return;
    }
    stage_serve((struct tr_server_options){0});
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_server_spawn(director, &options, &our_server), TR_OK);
    assert_int_equal(tr_server_listen(our_server, &listen), TR_OK);
}

static void
a_server_may_be_killed_in_any_of_its_events(void **state)
{
    static const char *const event_names[] = {"listening", "close", "EADDRINUSE"};
    for (size_t i = 0; i < sizeof(event_names) / sizeof(event_names[0]); i++) {
        server_reset(state);
        fatal_event = event_names[i];
        stage_play(1, play_kill_in_event);
        const char *last = strstr(server_log, fatal_event);
        assert_non_null(last);
        assert_string_equal(last, fatal_event);
    }
}

static void
end_first_client(void *argument)
{
    (void)argument;
    tr_socket_end(clients[0].socket);
}

static void
kills_server(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "accepted")) {
        kill_server();
        stage_settled(end_first_client, NULL);
    }
}

static void
play_kill_in_connection(void)
{
    accepted[0].hook = kills_server;
    our_server = stage_serve((struct tr_server_options){.events = &logged});
    stage_connect(&clients[0]);
    end_when_all_are_closed(1);
}

static void
a_connection_may_kill_its_server_and_lives_on(void **state)
{
    (void)state;
    stage_play(1, play_kill_in_connection);
    assert_string_equal(accepted[0].log, "accepted end close");
}

static void
listens_where_it_cannot(const char *event)
{
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port};
    if (is(event, "listening"))
        assert_int_equal(tr_server_close(our_server), TR_OK);
    else if (is(event, "close"))
        assert_int_equal(tr_server_listen(our_server, &listen), TR_OK);
    else
        stage_settled(end_play, NULL);
}

static void
play_listen_again_in_vain(void)
{
    server_hook = listens_where_it_cannot;
    our_server = stage_serve((struct tr_server_options){.events = &logged});
    stage_serve((struct tr_server_options){0}); /* the port of this one is taken */
}

static void
listening_again_in_vain_is_told_after_close(void **state)
{
    (void)state;
    stage_play(1, play_listen_again_in_vain);
    assert_string_equal(server_log, "listening close EADDRINUSE");
}

static tr_status listened;

static void
listens_for_ever(const char *event)
{
    if (is(event, "close"))
        listened = tr_server_listen(our_server, &(struct tr_listen_options){.host = "127.0.0.1"});
    else
        stage_end();
}

static void
play_listen_for_ever(void)
{
    server_hook = listens_for_ever;
    our_server = stage_serve((struct tr_server_options){.events = &logged});
}

static void
a_server_that_stops_does_not_listen_again(void **state)
{
    (void)state;
    stage_play(1, play_listen_for_ever);
    assert_string_equal(server_log, "listening close");
    assert_int_equal(listened, TR_ESTOPPING);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(listening_and_closing_at_once_gives_only_close, server_reset),
        cmocka_unit_test_setup(closing_twice_gives_two_closes_as_in_node, server_reset),
        cmocka_unit_test_setup(close_comes_after_the_close_of_the_last_connection, server_reset),
        cmocka_unit_test_setup(a_server_can_listen_again_after_close, server_reset),
        cmocka_unit_test_setup(a_server_that_listens_again_before_its_last_connection_has_ended_gives_no_close,
                               server_reset),
        cmocka_unit_test_setup(a_server_that_is_to_stop_now_does_not_wait_for_its_connections, server_reset),
        cmocka_unit_test(stopping_with_open_connections_and_a_stream_of_new_ones_leaves_nothing),
        cmocka_unit_test(killing_at_once_leaves_no_descriptor),
        cmocka_unit_test(a_server_keeps_the_program_alive_until_it_closes_or_goes_to_the_background),
        cmocka_unit_test(one_after_the_other_keeps_the_program_alive),
        cmocka_unit_test_setup(a_server_may_be_killed_in_any_of_its_events, server_reset),
        cmocka_unit_test_setup(a_connection_may_kill_its_server_and_lives_on, server_reset),
        cmocka_unit_test_setup(listening_again_in_vain_is_told_after_close, server_reset),
        cmocka_unit_test_setup(a_server_that_stops_does_not_listen_again, server_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
