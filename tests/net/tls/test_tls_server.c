/*
 * Secure servers: in which order a connection is told of, what it can see, and what is refused.
 */
#include "cast.h"
#include "helpers.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

static tr_tls_context *serving, *calling;
static struct tr_server_options options;
static struct tr_tls_options client_tls;
static tr_server *server;

static int
reset(void **state)
{
    cast_reset(state);
    options = (struct tr_server_options){0};
    client_tls = (struct tr_tls_options){.server_name = "server.example"};
    return 0;
}

static int
leave(void **state)
{
    return tls_leaves_no_errors(state);
}

static void
play(void (*script)(void))
{
    struct tr_tls_context_options of_server = tls_server("server"), of_client = tls_client("ca");
    serving = tls_make(&of_server);
    calling = tls_make(&of_client);
    options.tls.context = serving;
    client_tls.context = calling;
    stage_play(1, script);
    tr_tls_context_release(serving);
    tr_tls_context_release(calling);
}

static bool
both_are_closed(void)
{
    return client.closed && accepted[0].closed;
}

static void
close_server(void *argument)
{
    (void)argument;
    tr_server_close(server);
    stage_end();
}

static void
greets(struct endpoint *self, const char *event)
{
    if (!is(event, "accepted"))
        return;
    note(self, tr_socket_secure(self->socket) ? "is-secure" : "is-plain");
    assert_true(say(self->socket, "hello") >= TR_OK);
}

static void
ends_after_data(struct endpoint *self, const char *event)
{
    if (is(event, "data"))
        tr_socket_end_with(self->socket, text_slice("bye"));
}

static void
play_connection(void)
{
    accepted[0].hook = greets;
    client.hook = ends_after_data;
    server = stage_serve(options);
    stage_connect_with(&client, (struct tr_connect_options){.tls = &client_tls});
    stage_settled_when(both_are_closed, close_server, NULL);
}

static void
connection_comes_after_the_handshake_and_nothing_else_of_it(void **state)
{
    (void)state;
    play(play_connection);
    assert_string_equal(client.log, "connect secure ready data:hello end close");
    assert_string_equal(accepted[0].log, "accepted is-secure data:bye end close");
}

static void
with_emit_connect_come_connect_secure_and_ready(void **state)
{
    (void)state;
    options.socket.emit_connect = true;
    play(play_connection);
    assert_string_equal(client.log, "connect secure ready data:hello end close");
    assert_string_equal(accepted[0].log, "accepted is-secure connect secure ready data:bye end close");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, leave)
        TEST(connection_comes_after_the_handshake_and_nothing_else_of_it),
        TEST(with_emit_connect_come_connect_secure_and_ready),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
