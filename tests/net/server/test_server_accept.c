/*
 * What a server accepts and when: pauses, storms, limits, and a process that is out of descriptors.
 */
#include "helpers.h"
#include "server_log.h"
#include "server_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>

static bool
peer_was_accepted(void)
{
    return accepted_count > 0;
}

/* Pausing. */

static int waiting_peer;
static bool resumed;

static void
resume_server(void *argument)
{
    (void)argument;
    assert_false(peer_was_accepted());
    resumed = true;
    assert_int_equal(tr_server_resume(our_server), TR_OK);
}

/* Later than all that could end a pause by now. */
static void
resume_when_settled(void *argument)
{
    stage_settled(resume_server, argument);
}

static void
closes_peer(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "accepted"))
        close(waiting_peer);
    if (is(event, "close"))
        stage_end();
}

static uint64_t pause_ms;

static void
play_pause(void)
{
    accepted[0].hook = closes_peer;
    our_server = stage_serve((struct tr_server_options){.events = &logged});
    assert_int_equal(tr_server_pause(our_server, pause_ms == 0 ? 1 : 50000), TR_OK);
    assert_int_equal(tr_server_pause(our_server, pause_ms), TR_OK); /* in place of that */
    assert_true(tr_server_listening(our_server));
    waiting_peer = tests_peer_connect(stage_port);
    assert_true(waiting_peer >= 0);
    if (pause_ms == 0)
        stage_after(3, resume_when_settled, NULL);
}

static void
a_paused_server_lets_connections_wait_until_it_is_resumed(void **state)
{
    (void)state;
    pause_ms = 0;
    resumed = false;
    stage_play(1, play_pause);
    assert_true(resumed);
    assert_int_equal(accepted_count, 1);
}

static void
a_pause_ends_by_itself_after_its_time(void **state)
{
    (void)state;
    pause_ms = 30;
    stage_play(1, play_pause);
    assert_int_equal(accepted_count, 1);
}

static void
pauses_and_listens_again(const char *event)
{
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port};
    if (is(event, "listening") && is(server_log, "listening")) {
        assert_int_equal(tr_server_pause(our_server, 0), TR_OK);
        assert_int_equal(tr_server_close(our_server), TR_OK);
        assert_int_equal(tr_server_pause(our_server, 0), TR_ENOTLISTENING);
        assert_int_equal(tr_server_resume(our_server), TR_ENOTLISTENING);
    } else if (is(event, "close") && is(server_log, "listening close")) {
        assert_int_equal(tr_server_listen(our_server, &listen), TR_OK);
    } else if (is(event, "listening")) {
        waiting_peer = tests_peer_connect(stage_port);
    }
}

static void
play_pause_ends_with_listening(void)
{
    accepted[0].hook = closes_peer;
    server_hook = pauses_and_listens_again;
    our_server = stage_serve((struct tr_server_options){.events = &logged});
}

static void
a_pause_ends_with_the_listening(void **state)
{
    (void)state;
    stage_play(1, play_pause_ends_with_listening);
    assert_int_equal(accepted_count, 1);
}

static void
pauses_itself(struct endpoint *self, const char *event)
{
    if (is(event, "accepted"))
        assert_int_equal(tr_server_pause(our_server, 0), TR_OK);
    (void)self;
}

static void
count_accepted(void *argument)
{
    (void)argument;
    assert_int_equal(accepted_count, 1);
    stage_end();
}

static void
play_pause_in_connection(void)
{
    static int fds[2];
    accepted[0].hook = pauses_itself;
    our_server = stage_serve((struct tr_server_options){.events = &logged});
    for (int i = 0; i < 2; i++)
        fds[i] = tests_peer_connect(stage_port);
    close(fds[0]); /* they are in the backlog */
    close(fds[1]);
    stage_settled_when(peer_was_accepted, count_accepted, NULL);
}

static void
a_connection_may_pause_its_server_and_is_the_last(void **state)
{
    (void)state;
    stage_play(1, play_pause_in_connection);
}

/* Many wait: some are accepted, then it is the others' turn. */

#define MANY 40

static unsigned accepted_in_turn;
static uv_check_t turn; /* runs when the descriptors of a turn have been looked at */

static void
end_of_turn(uv_check_t *check)
{
    if (accepted_in_turn == 0)
        return;
    assert_in_range(accepted_in_turn, 1, 16);
    uv_close((uv_handle_t *)check, NULL);
    stage_end();
}

static void
count_and_destroy(tr_socket *socket)
{
    accepted_in_turn++;
    tr_socket_destroy(socket, TR_OK);
}

static void
play_storm(void)
{
    accepted_in_turn = 0;
    our_server =
        stage_serve((struct tr_server_options){.connection = count_and_destroy, .socket.events = &silent_events});
    for (int i = 0; i < MANY; i++)
        close(tests_peer_connect(stage_port));
    assert_int_equal(uv_check_init(&our_server->net->worker->loop, &turn), 0);
    assert_int_equal(uv_check_start(&turn, end_of_turn), 0);
}

static void
a_storm_of_connections_is_not_accepted_in_one_turn(void **state)
{
    (void)state;
    stage_play(1, play_storm);
}

/* Data. */

static const char *data_met[2];
static unsigned data_count;

static void
look_at_data(tr_socket *socket)
{
    data_met[data_count++] = tr_socket_data(socket);
    tr_socket_destroy(socket, TR_OK);
}

static bool
both_have_data(void)
{
    return data_count == 2;
}

static void
play_data(void)
{
    struct tr_server_options options = {
        .connection = look_at_data, .data = "the server's", .socket.events = &silent_events};
    data_count = 0;
    our_server = stage_serve(options);
    close(tests_peer_connect(stage_port));
    options.socket.data = "its own";
    stage_serve(options);
    close(tests_peer_connect(stage_port));
    stage_when(both_have_data, end_play, NULL);
}

static void
the_data_of_a_connection_is_its_own_or_the_servers(void **state)
{
    (void)state;
    stage_play(1, play_data);
    bool in_order = is(data_met[0], "the server's");
    assert_string_equal(data_met[in_order ? 0 : 1], "the server's");
    assert_string_equal(data_met[in_order ? 1 : 0], "its own");
}

/* Connections. */

static void
alive(struct endpoint *self, const char *event)
{
    if (is(event, "data"))
        tr_socket_end_with(self->socket, tr_slice_constant("bye", 3));
    if (is(event, "accepted"))
        stage_connect(&clients[1]);
}

static void
say_alive(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "close"))
        say(clients[0].socket, "alive");
}

static void
play_max_connections(void)
{
    accepted[0].hook = alive;
    clients[1].hook = say_alive;
    our_server = stage_serve((struct tr_server_options){.max_connections = 1, .events = &logged});
    stage_connect(&clients[0]);
    static struct endpoint *all[] = {&clients[0], &clients[1], &accepted[0]};
    stage_end_when_closed(all, 3);
}

static void
connections_above_the_limit_are_closed_at_once(void **state)
{
    (void)state;
    stage_play(1, play_max_connections);
    assert_int_equal(accepted_count, 1);
    assert_string_equal(clients[0].log, "connect ready data:bye end close");
    assert_string_equal(clients[1].log, "connect ready end close");
}

/* Out of descriptors. */

static unsigned echoed;
static unsigned complaints;

static void
echo_and_count(tr_socket *socket, tr_slice data)
{
    tr_socket_write_slice(socket, data);
    ck_pr_inc_uint(&echoed);
}

static void
count_complaint(tr_server *self, const struct tr_error *error)
{
    (void)self;
    if (error->status == TR_EMFILE && strcmp(error->call, "accept") == 0)
        ck_pr_inc_uint(&complaints);
}

static bool
has_complained(void *argument)
{
    (void)argument;
    return ck_pr_load_uint(&complaints) > 0;
}

static void
out_of_descriptors_accepting_pauses_and_established_connections_go_on(void **state)
{
    (void)state;
    static const struct tr_socket_events socket_events = {.data = echo_and_count};
    static const struct tr_server_events server_events = {.error = count_complaint};
    struct tr_server_options options = {.socket = {.events = &socket_events}, .events = &server_events};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address address;
    tr_runtime *runtime;
    char byte;
    complaints = 0;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = WORKERS}, &runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, &address), TR_OK);
    int established = tests_peer_connect(address.port);
    assert_true(tests_peer_send(established, "a", 1) && tests_peer_receive(established, &byte, 1) == 1);

    /* The process has room for one descriptor, which our own side of the next connection takes. */
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int next = dup(established);
    close(next);
    limit = before;
    limit.rlim_cur = (rlim_t)next + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    int waiting = tests_peer_connect(address.port);
    assert_true(waiting >= 0);
    assert_true(tests_wait_until(has_complained, NULL, TESTS_LIMIT_MS));
    assert_true(tests_cpu_ms_in(500) < 250);
    assert_int_equal(ck_pr_load_uint(&complaints), 1);
    assert_true(tests_peer_send(established, "b", 1) && tests_peer_receive(established, &byte, 1) == 1);

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(tests_peer_send(waiting, "c", 1) && tests_peer_receive(waiting, &byte, 1) == 1);
    close(waiting);
    close(established);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_paused_server_lets_connections_wait_until_it_is_resumed, server_reset),
        cmocka_unit_test_setup(a_pause_ends_by_itself_after_its_time, server_reset),
        cmocka_unit_test_setup(a_pause_ends_with_the_listening, server_reset),
        cmocka_unit_test_setup(a_connection_may_pause_its_server_and_is_the_last, server_reset),
        cmocka_unit_test_setup(a_storm_of_connections_is_not_accepted_in_one_turn, server_reset),
        cmocka_unit_test_setup(the_data_of_a_connection_is_its_own_or_the_servers, server_reset),
        cmocka_unit_test_setup(connections_above_the_limit_are_closed_at_once, server_reset),
        cmocka_unit_test(out_of_descriptors_accepting_pauses_and_established_connections_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
