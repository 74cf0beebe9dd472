/*
 * What becomes of orders from afar that are refused or find nobody, and what servers do that are ordered so.
 */
#include "afar_owner.h"
#include "hands.h"
#include "helpers.h"
#include "server_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/net/remote.h>
#include <unistd.h>

/* Every operation that may be refused, by a socket that was closed and kept. */

static void
reset_it(tr_actor *self, void *argument)
{
    assert_int_equal(tr_remote_reset(self, ((struct side *)argument)->ref), TR_OK);
}

static void
a_reset_that_cannot_be_done_destroys_the_socket_with_an_error(void **state)
{
    (void)state;
    struct side side = {0};
    hands_open(2);
    open_side(&side, 1); /* a unix socket knows no reset */
    on_worker(0, reset_it, &side);
    await_closed(&side);
    assert_int_equal(side.error, TR_EBADHANDLE);
    close(side.peer);
    hands_close();
}

static struct {
    unsigned count;
    uint64_t tokens;
    tr_status status;
} answers;

static void
note_answer(tr_actor *self, tr_message *message)
{
    (void)self;
    if (message->tag != ANSWER)
        return;
    const struct tr_remote_written *written = tr_message_data(message);
    answers.count++;
    answers.tokens += written->token;
    answers.status = written->status;
}

static void
ask_about_writes(tr_actor *self, void *argument)
{
    tr_ref socket = ((struct side *)argument)->ref;
    tr_slice line = tr_slice_constant(LINE, strlen(LINE));
    assert_int_equal(tr_remote_write_ask(self, socket, line, ANSWER, 1), TR_OK);
    assert_int_equal(tr_remote_write_check(self, socket, line, ANSWER, 10), TR_OK);
    assert_int_equal(tr_remote_end_ask(self, socket, line, ANSWER, 100), TR_OK);
}

static bool
has_all_answers(void *argument)
{
    (void)argument;
    return answers.count == 3;
}

static void
every_question_about_a_write_is_answered(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) { /* kept on both workers; gone, on the other */
        bool keeps = kind < 2;
        first_side = (struct side){.options = {.keep = keeps}};
        memset(&answers, 0, sizeof(answers));
        hands_open(2);
        hands_receive = note_answer;
        open_side(&first_side, kind == 0 ? 0 : 1);
        close_first(false);
        on_worker(0, ask_about_writes, &first_side);
        await_on_worker(0, has_all_answers, NULL);
        assert_int_equal(answers.tokens, 111);
        assert_int_equal(answers.status, keeps ? TR_EDESTROYED : TR_EGONE);
        close(first_side.peer);
        hands_close();
    }
}

static char much[8u << 20]; /* more than the kernel takes */

static void
ask_about_much(tr_actor *self, void *argument)
{
    tr_slice all = tr_slice_constant(much, sizeof(much));
    assert_int_equal(tr_remote_write_ask(self, ((struct side *)argument)->ref, all, ANSWER, 1), TR_OK);
}

static bool
has_queue(void *argument)
{
    return tr_socket_buffered(((struct side *)argument)->socket) > 0;
}

static void
kill_it(tr_actor *self, void *argument)
{
    assert_int_equal(tr_stop(self, ((struct side *)argument)->ref, TR_STOP_KILL), TR_OK);
}

static bool
has_an_answer(void *argument)
{
    (void)argument;
    return answers.count > 0;
}

static void
a_question_about_a_write_is_answered_by_a_socket_that_is_killed(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        struct side side = {0};
        memset(&answers, 0, sizeof(answers));
        hands_open(2);
        hands_receive = note_answer;
        open_side(&side, worker);
        on_worker(0, ask_about_much, &side);
        await_on_worker(worker, has_queue, &side);
        on_worker(0, kill_it, &side);
        await_on_worker(0, has_an_answer, NULL);
        assert_int_equal(answers.tokens, 1);
        assert_int_equal(answers.status, TR_EDESTROYED);
        close(side.peer);
        hands_close();
    }
}

static void
note_gone(tr_actor *self, tr_message *message)
{
    (void)self;
    if (message->tag != ANSWER)
        return;
    const struct tr_socket_info *info = tr_message_data(message);
    answers.count += info->destroyed && info->token == 7 && info->socket == first_side.ref ? 3 : 0;
}

static void
ask_about_it(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_remote_socket_info(self, first_side.ref, ANSWER, 7), TR_OK);
}

static void
a_question_about_a_socket_that_is_gone_is_answered(void **state)
{
    (void)state;
    first_side = (struct side){0};
    memset(&answers, 0, sizeof(answers));
    hands_open(2);
    hands_receive = note_gone;
    open_side(&first_side, 1);
    close_first(false);
    on_worker(0, ask_about_it, NULL);
    await_on_worker(0, has_all_answers, NULL);
    close(first_side.peer);
    hands_close();
}

/* A program's own message. */

static void
must_not_come(tr_socket *socket, tr_message *message)
{
    (void)socket;
    (void)message;
    fail();
}

static void
destroy_and_send(tr_actor *self, void *argument)
{
    struct side *side = argument;
    tr_socket_destroy(side->socket, TR_OK);
    send_messages(self, side->ref, 1);
}

static void
a_message_that_comes_while_the_socket_closes_is_a_dead_letter(void **state)
{
    static const struct tr_socket_events hears = {.message = must_not_come, .close = note_close};
    struct side side = {.options.events = &hears};
    struct tr_counters counters;
    (void)state;
    hands_open(1);
    open_side(&side, 0);
    on_worker(0, destroy_and_send, &side);
    await_closed(&side);
    tr_runtime_counters(hands_runtime, &counters);
    assert_int_equal(counters.dead_letters, 1);
    close(side.peer);
    hands_close();
}

/* A server. */

static struct {
    tr_ref ref;
    unsigned errors;
    tr_status status;
    const char *call;
} refusing;

static void
note_server_error(tr_server *server, const struct tr_error *error)
{
    (void)server;
    refusing.status = error->status;
    refusing.call = error->call;
    refusing.errors++;
}

static void
spawn_refusing(tr_actor *self, void *argument)
{
    static const struct tr_server_events server_events = {.error = note_server_error};
    struct tr_server_options options = {.events = &server_events};
    tr_server *server;
    (void)argument;
    assert_int_equal(tr_server_spawn(self, &options, &server), TR_OK);
    refusing.ref = tr_server_ref(server);
}

static void
pause_server(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_remote_server_pause(self, refusing.ref, 10), TR_OK);
}

static void
resume_server(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_remote_server_resume(self, refusing.ref), TR_OK);
}

static bool
has_refused(void *argument)
{
    return refusing.errors == *(unsigned *)argument;
}

static void
what_a_server_refuses_is_an_error_event(void **state)
{
    (void)state;
    hands_open(2);
    memset(&refusing, 0, sizeof(refusing));
    on_worker(1, spawn_refusing, NULL);
    on_worker(0, pause_server, NULL);
    await_on_worker(1, has_refused, &(unsigned){1});
    assert_int_equal(refusing.status, TR_ENOTLISTENING);
    assert_string_equal(refusing.call, "pause");
    on_worker(0, resume_server, NULL);
    await_on_worker(1, has_refused, &(unsigned){2});
    assert_string_equal(refusing.call, "resume");
    hands_close();
}

/* Everything that a server is asked for from afar. */

static struct {
    tr_server *server;
    tr_ref ref;
    struct tr_server_info info;
    unsigned answers, errors;
    struct tr_error error;
} distant;

static void
note_distant_error(tr_server *server, const struct tr_error *error)
{
    (void)server;
    distant.error = *error;
    distant.errors++;
}

static void
spawn_distant(tr_actor *self, void *argument)
{
    static const struct tr_server_events server_events = {.error = note_distant_error};
    struct tr_server_options options = {.events = &server_events, .keep = true};
    (void)argument;
    assert_int_equal(tr_server_spawn(self, &options, &distant.server), TR_OK);
    distant.ref = tr_server_ref(distant.server);
}

static void
note_server_info(tr_actor *self, tr_message *message)
{
    (void)self;
    if (message->tag != ANSWER)
        return;
    memcpy(&distant.info, tr_message_data(message), sizeof(distant.info));
    distant.answers++;
}

static void
order_listen(tr_actor *self, void *argument)
{
    char host[] = "127.0.0.1";
    struct tr_listen_options listen = {.host = host};
    (void)argument;
    assert_int_equal(tr_remote_server_listen(self, distant.ref, &listen), TR_OK);
    memset(host, 'x', sizeof(host) - 1); /* it was copied */
}

static void
order_limit_and_close(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_remote_server_set_max_connections(self, distant.ref, 3), TR_OK);
    assert_int_equal(tr_remote_server_close(self, distant.ref), TR_OK);
}

static void
stop_distant(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_stop(self, distant.ref, TR_STOP_NOW), TR_OK);
}

static void
order_info(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_remote_server_info(self, distant.ref, ANSWER), TR_OK);
}

static bool
has_answers(void *argument)
{
    return distant.answers == *(unsigned *)argument;
}

static void
look_at_limit(tr_actor *self, void *argument)
{
    (void)self;
    *(uint32_t *)argument = distant.server->deal->max_connections;
}

/* What a server says of itself after an order of worker 0. */
static void
assert_says(void (*order)(tr_actor *self, void *argument), bool listening)
{
    unsigned wanted = distant.answers + 1;
    on_worker(0, order, NULL);
    memset(&distant.info, 0xff, sizeof(distant.info));
    on_worker(0, order_info, NULL);
    await_on_worker(0, has_answers, &wanted);
    assert_int_equal(distant.info.server, distant.ref);
    assert_int_equal(distant.info.listening, listening);
    assert_int_equal(distant.info.address.family, listening ? TR_FAMILY_IPV4 : TR_FAMILY_NONE);
    assert_int_equal(distant.info.connections, 0);
}

static void
a_server_does_from_afar_what_it_is_told_and_says_how_it_is(void **state)
{
    uint32_t limit = 0;
    (void)state;
    memset(&distant, 0, sizeof(distant));
    hands_open(2);
    hands_receive = note_server_info;
    on_worker(1, spawn_distant, NULL);
    assert_says(do_nothing, false);
    assert_says(order_listen, true);
    assert_says(order_listen, true);
    assert_says(order_limit_and_close, false);
    on_worker(1, look_at_limit, &limit);
    assert_int_equal(limit, 3);
    assert_int_equal(distant.errors, 1); /* by the time that the answer came */
    assert_int_equal(distant.error.status, TR_EALREADYLISTENING);
    assert_string_equal(distant.error.call, "listen");
    assert_says(stop_distant, false);
    hands_close();
}

static void
go_to_the_background(tr_actor *self, void *argument)
{
    assert_int_equal(tr_remote_set_background(self, ((struct side *)argument)->ref, true), TR_OK);
}

static void
a_socket_goes_to_the_background_from_afar(void **state)
{
    struct side side = {0};
    (void)state;
    hands_open(2);
    open_side(&side, 1);
    on_worker(0, go_to_the_background, &side);
    assert_int_equal(tr_runtime_wait_idle(hands_runtime), 0); /* or the test never ends */
    assert_false(is_closed(&side));
    close(side.peer);
    await_closed(&side);
    hands_close();
}

/* What keeps the program alive: the system has a connection for a listener whose worker does something else. */

#define BUSY_MS 200u

static struct {
    uint16_t port;
    bool busy, connected, accepted; /* atomic */
} backlog;

static bool
is_set(void *flag)
{
    return __atomic_load_n((bool *)flag, __ATOMIC_SEQ_CST);
}

static void
accept_and_destroy(tr_socket *socket)
{
    __atomic_store_n(&backlog.accepted, true, __ATOMIC_SEQ_CST);
    tr_socket_destroy(socket, TR_OK);
}

static void
listen_in_the_background(tr_actor *self, void *argument)
{
    struct tr_server_options options = {.connection = accept_and_destroy};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address address;
    tr_server *server;
    (void)argument;
    assert_int_equal(tr_server_spawn(self, &options, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    assert_int_equal(tr_server_address(server, &address), TR_OK);
    tr_server_set_background(server, true);
    backlog.port = address.port;
}

static void
be_busy(tr_actor *self, tr_message *message)
{
    (void)self;
    (void)message;
    __atomic_store_n(&backlog.busy, true, __ATOMIC_SEQ_CST);
    tests_hold(BUSY_MS);
}

static void
note_connect(tr_socket *socket)
{
    (void)socket;
    __atomic_store_n(&backlog.connected, true, __ATOMIC_SEQ_CST);
}

static void
connect_in_the_background(tr_actor *self, void *argument)
{
    static const struct tr_socket_events connects = {.connect = note_connect};
    struct tr_socket_options options = {.events = &connects};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = backlog.port};
    tr_socket *socket;
    (void)argument;
    assert_int_equal(tr_socket_spawn(self, &options, &socket), TR_OK);
    assert_int_equal(tr_socket_connect(socket, &connect), TR_OK);
    tr_socket_set_background(socket, true);
}

static void
a_connection_that_is_not_accepted_yet_keeps_the_program_alive(void **state)
{
    tr_message work = tr_message_signal(SINK);
    (void)state;
    memset(&backlog, 0, sizeof(backlog));
    hands_open(2);
    hands_receive = be_busy;
    on_worker(1, listen_in_the_background, NULL);
    assert_int_equal(tr_runtime_send(hands_runtime, hands[1], &work), TR_OK);
    assert_true(tests_wait_until(is_set, &backlog.busy, TESTS_LIMIT_MS));
    on_worker(0, connect_in_the_background, NULL);
    assert_true(tests_wait_until(is_set, &backlog.connected, TESTS_LIMIT_MS));
    assert_int_equal(tr_runtime_wait_idle(hands_runtime), 0);
    assert_true(is_set(&backlog.accepted));
    hands_close();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reset_that_cannot_be_done_destroys_the_socket_with_an_error),
        cmocka_unit_test(every_question_about_a_write_is_answered),
        cmocka_unit_test(a_question_about_a_write_is_answered_by_a_socket_that_is_killed),
        cmocka_unit_test(a_question_about_a_socket_that_is_gone_is_answered),
        cmocka_unit_test(a_message_that_comes_while_the_socket_closes_is_a_dead_letter),
        cmocka_unit_test(what_a_server_refuses_is_an_error_event),
        cmocka_unit_test(a_server_does_from_afar_what_it_is_told_and_says_how_it_is),
        cmocka_unit_test(a_socket_goes_to_the_background_from_afar),
        cmocka_unit_test(a_connection_that_is_not_accepted_yet_keeps_the_program_alive),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
