/*
 * Resumption by sockets: connections one after the other, each with the session of the one before, whose servers live
 * on two workers by turns.
 */
#include "cast.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

#define MEETINGS 4u

static struct tr_tls_context_options of_client, of_server;
static struct tr_tls_options client_tls, server_tls;
static tr_server *server;
static unsigned dealt; /* connections, one worker after the other */

/* Of the connections, in their order. */
static unsigned met, wanted;
static struct {
    bool resumed;        /* as the client says */
    bool server_resumed; /* and the server */
    unsigned worker;     /* of the server */
    tr_status result;
    char name[64]; /* of the peer's certificate */
} meetings[MEETINGS];
static void (*between)(void); /* before the second and those behind it; NULL */

/* How it is. */
static bool destroys, upgrades;
static const struct tr_tls_options *again; /* of those behind the first; NULL: as the first */

static int
reset(void **state)
{
    cast_reset(state);
    of_client = tls_client("ca");
    of_server = tls_server("server");
    client_tls = (struct tr_tls_options){.server_name = "server.example"};
    server_tls = (struct tr_tls_options){0};
    memset(meetings, 0, sizeof(meetings));
    met = dealt = 0;
    wanted = 3;
    destroys = upgrades = false;
    between = NULL;
    again = NULL;
    return 0;
}

static int
leave(void **state)
{
    tr_tls_session_release(client_tls.session);
    return tls_leaves_no_errors(state);
}

/* The server. Its connections live on both workers, and no two at a time. */

static unsigned
by_turns(const struct tr_balance_view *view)
{
    (void)view;
    return dealt++ % 2;
}

static void
on_server_connection(tr_socket *socket)
{
    if (!upgrades)
        assert_int_equal(tr_socket_set_secure(socket, &server_tls), TR_OK);
}

/* Of an upgraded one: the command, and behind it what belongs to the handshake. */
static void
on_server_data(tr_socket *socket, tr_slice data)
{
    struct tr_tls_options options = server_tls;
    size_t command = strlen("STARTTLS");
    if (tr_socket_secure(socket))
        return;
    assert_true(data.size >= command);
    options.received = tr_slice_part(data, command, data.size - command);
    assert_int_equal(tr_socket_set_secure(socket, &options), TR_OK);
}

static void
on_server_secure(tr_socket *socket)
{
    struct tr_tls_info info;
    tr_tls_session *none;
    assert_int_equal(tr_socket_tls_session(socket, &none), TR_ENOENT);
    assert_int_equal(tr_socket_tls_info(socket, &info), TR_OK);
    meetings[met].server_resumed = info.resumed;
    meetings[met].worker = tr_ref_worker(tr_socket_ref(socket));
    assert_true(say(socket, "hello") >= TR_OK);
    if (!destroys)
        tr_socket_end(socket);
}

static const struct tr_socket_events served = {.data = on_server_data, .secure = on_server_secure};

/* The client. */

static void
look(const tr_socket *socket)
{
    struct tr_tls_info info;
    struct tr_peer *shown;
    assert_int_equal(tr_socket_tls_info(socket, &info), TR_OK);
    meetings[met].resumed = info.resumed;
    meetings[met].result = tr_socket_verify_result(socket, NULL);
    assert_int_equal(tr_socket_peer(socket, &shown), TR_OK);
    snprintf(meetings[met].name, sizeof(meetings[met].name), "%s", shown->chain[0].subject[0].value);
    tr_peer_free(shown);
}

static void
keep_session(const tr_socket *socket)
{
    tr_tls_session *session;
    assert_int_equal(tr_socket_tls_session(socket, &session), TR_OK);
    tr_tls_session_release(client_tls.session);
    client_tls.session = session;
}

static void
calls(struct endpoint *self, const char *event)
{
    tr_tls_session *none;
    if (is(event, "connect"))
        assert_int_equal(tr_socket_tls_session(self->socket, &none), TR_ENOTCONN);
    if (is(event, "secure"))
        look(self->socket);
    if (is(event, "data") && destroys)
        tr_socket_destroy(self->socket, TR_OK);
    if (is(event, "ready") && upgrades) {
        assert_int_equal(say(self->socket, "STARTTLS"), TR_OK);
        assert_int_equal(tr_socket_set_secure(self->socket, &client_tls), TR_OK);
    }
    if (is(event, "close"))
        keep_session(self->socket);
}

static void next_meeting(void *argument);

static bool
client_has_closed(void)
{
    return client.closed;
}

static void
finish(void *argument)
{
    (void)argument;
    tr_server_close(server);
    stage_end();
}

static void
meet(void)
{
    const struct tr_tls_options *tls = met > 0 && again != NULL ? again : &client_tls;
    cast_reset(NULL);
    client.hook = calls;
    stage_connect_with(&client, (struct tr_connect_options){.tls = upgrades ? NULL : tls});
    stage_settled_when(client_has_closed, next_meeting, NULL);
}

static void
next_meeting(void *argument)
{
    (void)argument;
    assert_true(strstr(client.log, "data:hello") != NULL && strstr(client.log, "close!") == NULL);
    met++;
    if (met < wanted && between != NULL)
        between();
    if (met < wanted)
        meet();
    else
        finish(NULL);
}

static void
play_meetings(void)
{
    server = stage_serve(
        (struct tr_server_options){.balance = by_turns, .connection = on_server_connection, .socket.events = &served});
    meet();
}

static void
play(void (*script)(void))
{
    server_tls.context = tls_make(&of_server);
    client_tls.context = tls_make(&of_client);
    stage_play(2, script);
    tr_tls_context_release(server_tls.context);
    tr_tls_context_release(client_tls.context);
}

/* All but the first are, or none is. */
static void
all_were(bool resumed)
{
    for (unsigned i = 0; i < wanted; i++) {
        assert_int_equal(meetings[i].resumed, resumed && i > 0);
        assert_int_equal(meetings[i].server_resumed, meetings[i].resumed);
        assert_int_equal(meetings[i].worker, i % 2);
        assert_int_equal(meetings[i].result, TR_OK);
        assert_string_equal(meetings[i].name, "server.example");
    }
}

static void
a_session_is_resumed_by_a_server_on_another_worker_by_tickets_and_by_ids(void **state)
{
    for (unsigned way = 0; way < 4; way++) {
        reset(state);
        of_client.lowest = of_client.highest = way % 2 == 0 ? TR_TLS_1_2 : TR_TLS_1_3;
        of_server.no_tickets = way / 2 == 1;
        play(play_meetings);
        all_were(true);
        assert_int_equal(leave(state), 0);
        client_tls.session = NULL;
    }
}

static void
a_session_is_of_use_after_its_socket_was_destroyed(void **state)
{
    for (unsigned way = 0; way < 4; way++) {
        reset(state);
        of_client.lowest = of_client.highest = way % 2 == 0 ? TR_TLS_1_2 : TR_TLS_1_3;
        of_server.no_tickets = way / 2 == 1;
        destroys = true;
        play(play_meetings);
        all_were(true);
        assert_int_equal(leave(state), 0);
        client_tls.session = NULL;
    }
}

static void
sockets_that_become_secure_in_the_middle_of_a_stream_resume_as_well(void **state)
{
    (void)state;
    upgrades = true;
    play(play_meetings);
    all_were(true);
}

/* The session of the first is offered for another host, which is the same server. */
static struct tr_tls_options other_host;

static void
call_another(void)
{
    other_host = client_tls;
    other_host.server_name = "localhost";
    again = &other_host;
}

static void
a_session_of_one_host_is_ignored_for_another_and_the_connection_is_made(void **state)
{
    (void)state;
    wanted = 2;
    between = call_another;
    play(play_meetings);
    all_were(false);
}

/* Contexts. */

static void
exchange_context(void)
{
    tr_tls_context_release(server_tls.context);
    server_tls.context = tls_make(&of_server);
}

static void
after_an_exchange_of_contexts_sessions_are_resumed_with_the_same_tickets_and_else_ignored(void **state)
{
    tr_tls_tickets *tickets;
    (void)state;
    between = exchange_context;
    play(play_meetings);
    all_were(false);
    assert_int_equal(leave(state), 0);
    reset(state);
    assert_int_equal(tr_tls_tickets_new(NULL, 0, 0, &tickets), TR_OK);
    of_server.tickets = tickets;
    between = exchange_context;
    play(play_meetings);
    all_were(true);
    tr_tls_tickets_release(tickets);
}

static tr_tls_tickets *exchanged;

static void
exchange_keys(void)
{
    static unsigned char key[TR_TLS_TICKET_KEY_BYTES];
    key[0]++;
    assert_int_equal(tr_tls_tickets_set(exchanged, key, 1), TR_OK);
}

static void
after_an_exchange_of_keys_a_session_is_ignored(void **state)
{
    (void)state;
    assert_int_equal(tr_tls_tickets_new(NULL, 0, 0, &exchanged), TR_OK);
    of_server.tickets = exchanged;
    between = exchange_keys;
    play(play_meetings);
    all_were(false);
    tr_tls_tickets_release(exchanged);
}

/* From afar. */

static bool owner_is_over, owner_has_resumed;

static tr_status
connects_from_afar(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    tr_ref socket;
    struct tr_socket_options options = {.owner = {.actor = tr_self(self), .credit = 1}};
    struct tr_connect_options to = {.host = "127.0.0.1", .port = stage_port, .tls = &client_tls};
    assert_int_equal(tr_remote_socket(self, &options, NULL, &socket), TR_OK);
    assert_int_equal(tr_remote_connect(self, socket, &to), TR_OK);
    tr_tls_session_release(client_tls.session); /* the order holds what it needs */
    client_tls.session = NULL;
    return TR_OK;
}

static void
hears(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    struct tr_secured secured;
    (void)state;
    if (!tr_event_of(message, &event))
        return;
    if (event == TR_EVENT_SECURE) {
        memcpy(&secured, tr_message_data(message), sizeof(secured));
        owner_has_resumed = secured.resumed;
    }
    owner_is_over |= event == TR_EVENT_CLOSE;
    tr_remote_credit(self, message->from, 1);
}

static bool
owner_has_heard_all(void)
{
    return owner_is_over;
}

static void
call_from_afar(void)
{
    static const struct tr_behavior owner = {.name = "owner", .init = connects_from_afar, .receive = hears};
    assert_int_equal(tr_spawn(director, &owner, NULL, NULL), TR_OK);
    wanted = 1; /* no more of the client's */
    stage_settled_when(owner_has_heard_all, finish, NULL);
}

static void
meet_once(void *argument)
{
    (void)argument;
    met++;
    call_from_afar();
}

static void
play_from_afar(void)
{
    server = stage_serve(
        (struct tr_server_options){.balance = by_turns, .connection = on_server_connection, .socket.events = &served});
    client.hook = calls;
    stage_connect_with(&client, (struct tr_connect_options){.tls = &client_tls});
    stage_settled_when(client_has_closed, meet_once, NULL);
}

static void
an_owner_resumes_from_afar_and_is_told(void **state)
{
    (void)state;
    owner_is_over = owner_has_resumed = false;
    play(play_from_afar);
    assert_true(owner_has_resumed && meetings[1].server_resumed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, leave)
        TEST(a_session_is_resumed_by_a_server_on_another_worker_by_tickets_and_by_ids),
        TEST(a_session_is_of_use_after_its_socket_was_destroyed),
        TEST(sockets_that_become_secure_in_the_middle_of_a_stream_resume_as_well),
        TEST(a_session_of_one_host_is_ignored_for_another_and_the_connection_is_made),
        TEST(after_an_exchange_of_contexts_sessions_are_resumed_with_the_same_tickets_and_else_ignored),
        TEST(after_an_exchange_of_keys_a_session_is_ignored),
        TEST(an_owner_resumes_from_afar_and_is_told),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
