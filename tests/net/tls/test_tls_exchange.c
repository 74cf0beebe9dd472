/*
 * The contexts of a secure server: exchanged while it runs, and chosen by name.
 */
#include "helpers.h"
#include "tls_gate.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>
#include <troupe/net/remote.h>

#define HELLO_BYTES 4096u

static tr_tls_context *
context_of(const char *identity)
{
    struct tr_tls_context_options options = tls_server(identity);
    return tls_make(&options);
}

static tr_status
exchange(tr_tls_context *context)
{
    return gate_tell(GATE_SET_TLS, (uint64_t)(uintptr_t)context);
}

static void
must_be_shown(const char *name, const char *common_name)
{
    struct caller caller;
    caller_open(&caller, gate_calling, name);
    caller_must_echo(&caller);
    assert_string_equal(caller_was_shown(&caller), common_name);
    caller_close(&caller);
}

/* Exchanges. */

#define EXCHANGES 50
#define EACH 20

static struct caller callers[EXCHANGES * EACH];

/* Each generation sees its own certificate, and those before go on as they were. Only the first, the last and one in
 * the middle are kept for all the time: descriptors are few. */
static bool
is_kept(int generation)
{
    return generation % 10 == 0;
}

static void
a_thousand_connections_over_fifty_exchanges_and_nobody_is_disturbed(void **state)
{
    static const char *const names[] = {"a", "b", "c"};
    static const char *const shown[] = {"a.example", "b.example", "c.example"};
    tr_tls_context *contexts[3];
    (void)state;
    for (int i = 0; i < 3; i++)
        contexts[i] = context_of(names[i]);
    gate_serve((struct tr_server_options){.tls.context = contexts[0]}, 2);
    for (int generation = 0; generation < EXCHANGES; generation++) {
        struct caller *own = &callers[generation * EACH];
        assert_int_equal(exchange(contexts[generation % 3]), TR_OK);
        for (int i = 0; i < EACH; i++) {
            caller_open(&own[i], gate_calling, NULL);
            caller_must_echo(&own[i]);
            assert_string_equal(caller_was_shown(&own[i]), shown[generation % 3]);
        }
        for (int before = 0; before <= generation; before++)
            if (is_kept(before))
                assert_true(caller_echoes(&callers[before * EACH + generation % EACH]));
        for (int i = 0; i < EACH && !is_kept(generation); i++)
            caller_close(&own[i]);
    }
    for (int i = 0; i < EXCHANGES * EACH; i++) {
        if (!is_kept(i / EACH))
            continue;
        assert_true(caller_echoes(&callers[i]));
        caller_close(&callers[i]);
    }
    gate_await_connections(0);
    assert_int_equal(gate_accepted, EXCHANGES * EACH);
    assert_int_equal(gate_refusals.bad_tls, 0);
    for (int i = 0; i < 3; i++)
        tr_tls_context_release(contexts[i]);
    gate_stop();
}

static void
a_handshake_ends_as_it_has_begun_and_one_in_line_begins_anew(void **state)
{
    char hello[HELLO_BYTES];
    struct caller begun, in_line, silent;
    (void)state;
    tr_tls_context *a = context_of("a"), *b = context_of("b");
    gate_serve((struct tr_server_options){.tls = {.context = a, .handshakes = 1}}, 1);
    tr_tls_context_release(a); /* the server holds it */
    caller_open(&silent, gate_calling, NULL);
    caller_open(&begun, gate_calling, NULL);
    size_t size = caller_hello(&begun, hello, sizeof(hello));
    assert_true(tests_peer_send(begun.fd, hello, 10));
    gate_await_handshakes(1);
    caller_open(&in_line, gate_calling, NULL);
    char whole[HELLO_BYTES];
    size_t of_in_line = caller_hello(&in_line, whole, sizeof(whole));
    assert_true(tests_peer_send(in_line.fd, whole, of_in_line));
    gate_await_connections(3);
    assert_int_equal(exchange(b), TR_OK);
    tr_tls_context_release(b);
    assert_true(tests_peer_send(begun.fd, hello + 10, size - 10));
    caller_must_echo(&begun);
    assert_string_equal(caller_was_shown(&begun), "a.example");
    caller_must_echo(&in_line);
    assert_string_equal(caller_was_shown(&in_line), "b.example");
    caller_must_echo(&silent);
    assert_string_equal(caller_was_shown(&silent), "b.example");
    caller_close(&begun);
    caller_close(&in_line);
    caller_close(&silent);
    gate_stop();
}

static void
an_exchange_with_the_same_tickets_keeps_sessions(void **state)
{
    tr_tls_tickets *tickets;
    struct caller caller;
    (void)state;
    assert_int_equal(tr_tls_tickets_new(NULL, 0, 0, &tickets), TR_OK);
    struct tr_tls_context_options options = tls_server("server"), later = tls_server("renewed");
    options.tickets = later.tickets = tickets;
    tr_tls_context *before = tls_make(&options), *after = tls_make(&later);
    gate_serve((struct tr_server_options){.tls.context = before}, 2);
    caller_open(&caller, gate_calling, "server.example");
    caller_must_echo(&caller);
    SSL_SESSION *session = SSL_get1_session(caller.ssl);
    SSL_shutdown(caller.ssl);
    caller_close(&caller);
    assert_int_equal(exchange(after), TR_OK);
    caller_open(&caller, gate_calling, "server.example");
    assert_int_equal(SSL_set_session(caller.ssl, session), 1);
    caller_must_echo(&caller);
    assert_int_equal(SSL_session_reused(caller.ssl), 1);
    caller_close(&caller);
    SSL_SESSION_free(session);
    tr_tls_context_release(before);
    tr_tls_context_release(after);
    tr_tls_tickets_release(tickets);
    gate_stop();
}

/* What is refused. */

static tr_status answers[3];

static void
tries(tr_server *self)
{
    tr_tls_context **contexts = tr_server_data(self);
    answers[0] = tr_server_set_tls(self, contexts[0]);
    answers[1] = tr_server_set_tls(self, contexts[1]);
    answers[2] = tr_server_set_tls(self, NULL);
    gate_count(&gate_accepted);
}

static void
a_plain_server_stays_plain_and_a_client_cannot_serve(void **state)
{
    static const struct tr_server_events events = {.listening = tries};
    tr_tls_context *contexts[] = {gate_serving, gate_calling};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_server_options plain = {.events = &events, .data = contexts}, secure = plain;
    (void)state;
    secure.tls.context = gate_serving;
    gate_accepted = gate_ended = 0;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &gate_runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(gate_runtime, &plain, &listen, NULL, NULL), TR_OK);
    gate_await(&gate_accepted, 1);
    assert_int_equal(answers[0], TR_EBADHANDLE);
    assert_int_equal(answers[1], TR_ETLSNOKEY);
    assert_int_equal(answers[2], TR_EINVAL);
    assert_int_equal(tr_runtime_listen(gate_runtime, &secure, &listen, NULL, NULL), TR_OK);
    gate_await(&gate_accepted, 2);
    assert_int_equal(answers[0], TR_OK);
    assert_int_equal(answers[1], TR_ETLSNOKEY);
    assert_int_equal(answers[2], TR_EINVAL);
    gate_accepted = 0;
    gate_stop();
}

static void
wrong_options_are_refused_by_name(void **state)
{
    const struct {
        struct tr_server_options options;
        tr_status status;
    } rows[] = {
        {{.tls = {.context = gate_calling}}, TR_ETLSNOKEY},
        {{.tls = {.context = gate_serving, .handshake_timeout_ms = 1u << 31}}, TR_EBADLIMIT},
        {{.tls = {.context = gate_serving}, .socket.receive_fds = true}, TR_EBADHANDLE},
        {{.tls = {.context = gate_serving, .handshake_timeout_ms = TR_TLS_NO_LIMIT, .handshakes = UINT32_MAX}}, TR_OK},
        {{.tls = {.handshake_timeout_ms = 1u << 31}}, TR_OK}, /* plain: it is not looked at */
    };
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    (void)state;
    gate_accepted = gate_ended = 0;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &gate_runtime), TR_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(tr_runtime_listen(gate_runtime, &rows[i].options, &listen, NULL, NULL), rows[i].status);
    gate_stop();
}

/* From afar. */

enum { INFO = 1 };

static struct tr_server_info info;
static unsigned informed;
static tr_status sent[3];

static tr_status
asks(tr_actor *self, void *state, const void *argument)
{
    tr_tls_context *const *contexts = argument;
    (void)state;
    sent[0] = tr_remote_server_set_tls(self, gate_server, contexts[0]);
    sent[1] = tr_remote_server_set_tls(self, gate_server, contexts[1]);
    sent[2] = tr_remote_server_set_tls(self, gate_server, NULL);
    tr_remote_server_set_tls(self, tr_self(self), contexts[0]); /* it is no server: the hold must not be lost */
    return tr_remote_server_info(self, gate_server, INFO);
}

static void
hears(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state;
    if (message->tag != INFO)
        return;
    memcpy(&info, tr_message_data(message), sizeof(info));
    gate_count(&informed);
}

static const struct tr_behavior asker = {.name = "asker", .init = asks, .receive = hears};

static void
ask_from_afar(tr_tls_context *first, tr_tls_context *second)
{
    tr_tls_context *contexts[] = {first, second};
    struct tr_spawn_options spawn = {.argument = contexts};
    informed = 0;
    assert_int_equal(tr_runtime_spawn(gate_runtime, &asker, &spawn, NULL), TR_OK);
    gate_await(&informed, 1);
}

static void
it_can_be_exchanged_from_afar_and_its_handshakes_counted(void **state)
{
    char hello[HELLO_BYTES];
    struct caller begun;
    (void)state;
    tr_tls_context *b = context_of("b");
    gate_serve((struct tr_server_options){0}, 2);
    must_be_shown(NULL, "server.example");
    caller_open(&begun, gate_calling, NULL);
    caller_hello(&begun, hello, sizeof(hello));
    assert_true(tests_peer_send(begun.fd, hello, 10));
    gate_await_handshakes(1);
    ask_from_afar(b, gate_calling);
    tr_tls_context_release(b);
    assert_int_equal(sent[0], TR_OK);
    assert_int_equal(sent[1], TR_ETLSNOKEY);
    assert_int_equal(sent[2], TR_EINVAL);
    assert_int_equal(info.handshakes, 1);
    assert_int_equal(info.refusals.bad_tls, 0);
    must_be_shown(NULL, "b.example");
    caller_close(&begun);
    gate_await(&gate_failed, 1);
    ask_from_afar(gate_serving, gate_serving);
    assert_int_equal(info.handshakes, 0);
    assert_int_equal(info.refusals.bad_tls, 1);
    gate_stop();
}

static const char *call;
static tr_status error;

static void
notes_error(tr_server *self, const struct tr_error *why)
{
    (void)self;
    call = why->call;
    error = why->status;
}

static void
a_plain_server_refuses_it_from_afar_by_an_error_event(void **state)
{
    static const struct tr_server_events events = {.error = notes_error};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    (void)state;
    call = NULL;
    gate_accepted = gate_ended = gate_erred = 0;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 2}, &gate_runtime), TR_OK);
    assert_int_equal(
        tr_runtime_listen(gate_runtime, &(struct tr_server_options){.events = &events}, &listen, &gate_server, NULL),
        TR_OK);
    ask_from_afar(gate_serving, gate_calling);
    gate_stop();
    assert_string_equal(call, "set tls");
    assert_int_equal(error, TR_EBADHANDLE);
}

/* Names. */

static tr_tls_context *for_c;

static tr_tls_context *
chooses(const char *name, void *data)
{
    (void)data;
    return strcmp(name, "c.example") == 0 ? for_c : NULL;
}

static void
a_server_shows_the_certificate_of_the_name_by_table_wildcard_and_callback(void **state)
{
    (void)state;
    tr_tls_context *a = context_of("a"), *wildcard = context_of("wildcard");
    for_c = context_of("c");
    struct tr_tls_name names[] = {{"a.example", a}, {"*.wild.example", wildcard}};
    struct tr_tls_context_options options = tls_server("server");
    options.names = names;
    options.name_count = 2;
    options.choose = chooses;
    tr_tls_context *whole = tls_make(&options);
    options.names_only = true;
    tr_tls_context *strict = tls_make(&options);
    gate_serve((struct tr_server_options){.tls.context = whole}, 2);
    for (int i = 0; i < 2; i++) {
        must_be_shown("a.example", "a.example");
        must_be_shown("A.Example", "a.example");
        must_be_shown("x.wild.example", "*.wild.example");
        must_be_shown("c.example", "c.example");
        if (i == 0) {
            must_be_shown("other.example", "server.example");
            must_be_shown(NULL, "server.example");
            assert_int_equal(exchange(strict), TR_OK);
        }
    }
    struct caller caller;
    caller_open(&caller, gate_calling, "Other.example");
    assert_false(caller_shake(&caller));
    caller_close(&caller);
    gate_await(&gate_failed, 1);
    assert_string_equal(gate_failures[0].server_name, "other.example");
    tr_tls_context_release(a);
    tr_tls_context_release(wildcard);
    tr_tls_context_release(whole);
    tr_tls_context_release(strict);
    gate_stop();
    tr_tls_context_release(for_c);
}

static tr_tls_context *
drains(const char *name, void *data)
{
    (void)name, (void)data;
    if (tr_server_drain(gate_self, 0) != TR_OK)
        abort();
    return NULL;
}

static void
a_program_that_is_asked_for_a_name_may_cut_who_asks(void **state)
{
    struct caller caller;
    struct tr_tls_context_options options = tls_server("server");
    (void)state;
    options.choose = drains;
    tr_tls_context *context = tls_make(&options);
    gate_serve((struct tr_server_options){.tls.context = context}, 1);
    tr_tls_context_release(context);
    gate_tell(GATE_LOOK, 0);
    caller_open(&caller, gate_calling, "a.example");
    assert_false(caller_shake(&caller) && caller_echoes(&caller));
    caller_close(&caller);
    gate_await(&gate_closed, 1);
    assert_int_equal(gate_drained.cut, 1);
    gate_stop();
    assert_int_equal(gate_failed + gate_accepted, 0);
}

static tr_socket *other; /* a secure connection of the same worker */

static void
keep_first(tr_socket *socket)
{
    if (other == NULL)
        other = socket;
    gate_count(&gate_accepted);
}

static tr_tls_context *
writes_to_another(const char *name, void *data)
{
    (void)data;
    if (strcmp(name, "a.example") == 0 && tr_socket_write(other, "asked", 5) != TR_OK)
        abort();
    return NULL;
}

static void
a_program_that_is_asked_for_a_name_may_write_to_another_secure_socket(void **state)
{
    struct caller first, second;
    struct tr_tls_context_options options = tls_server("server");
    (void)state;
    options.choose = writes_to_another;
    other = NULL;
    tr_tls_context *context = tls_make(&options);
    gate_serve((struct tr_server_options){.connection = keep_first, .tls.context = context}, 1);
    tr_tls_context_release(context);
    caller_open(&first, gate_calling, NULL);
    caller_must_echo(&first);
    caller_open(&second, gate_calling, "a.example");
    caller_must_echo(&second);
    assert_true(caller_hears(&first, "asked"));
    assert_true(caller_echoes(&first));
    caller_close(&first);
    caller_close(&second);
    gate_stop();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(a_thousand_connections_over_fifty_exchanges_and_nobody_is_disturbed),
        TLS_TEST(a_handshake_ends_as_it_has_begun_and_one_in_line_begins_anew),
        TLS_TEST(an_exchange_with_the_same_tickets_keeps_sessions),
        TLS_TEST(a_plain_server_stays_plain_and_a_client_cannot_serve),
        TLS_TEST(wrong_options_are_refused_by_name),
        TLS_TEST(it_can_be_exchanged_from_afar_and_its_handshakes_counted),
        TLS_TEST(a_plain_server_refuses_it_from_afar_by_an_error_event),
        TLS_TEST(a_server_shows_the_certificate_of_the_name_by_table_wildcard_and_callback),
        TLS_TEST(a_program_that_is_asked_for_a_name_may_cut_who_asks),
        TLS_TEST(a_program_that_is_asked_for_a_name_may_write_to_another_secure_socket),
    };
    return cmocka_run_group_tests(tests, gate_setup, gate_teardown);
}
