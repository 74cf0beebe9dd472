/*
 * server.h: in each callback of a server every function for it may be called. Each of them is called in each, and the
 * server closes in order afterwards.
 */
#include "play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>

enum callback { LISTENING, ERROR, CLOSE, MESSAGE, CALLBACKS };
static const char *const callback_names[CALLBACKS] = {"listening", "error", "close", "message"};

struct function {
    const char *name;
    tr_status (*call)(tr_server *server);
    tr_status listening, idle; /* what it returns while the server listens, and while it does not */
};

static const struct tr_listen_options any_port = {.host = "127.0.0.1"};

static tr_status
call_listen(tr_server *server)
{
    return tr_server_listen(server, &any_port);
}

static tr_status
call_close(tr_server *server)
{
    return tr_server_close(server);
}

static tr_status
call_pause(tr_server *server)
{
    return tr_server_pause(server, 0);
}

static tr_status
call_set_block_list(tr_server *server)
{
    return tr_server_set_block_list(server, NULL);
}

static tr_status
call_address(tr_server *server)
{
    struct tr_address address;
    return tr_server_address(server, &address);
}

/* Those that return no status. */
static tr_status
call_the_others(tr_server *server)
{
    uint64_t counts[1];
    struct tr_server_refusals refusals;
    tr_server_set_background(server, true);
    tr_server_set_background(server, false);
    tr_server_set_max_connections(server, 1);
    assert_int_equal(tr_server_connections(server), 0);
    assert_int_equal(tr_server_dealt(server, counts, 1), 1);
    tr_server_refusals(server, &refusals);
    assert_null(tr_server_data(server));
    assert_int_equal(tr_self(tr_server_actor(server)), tr_server_ref(server));
    return tr_server_listening(server) ? TR_OK : TR_ENOTLISTENING;
}

static const struct function functions[] = {
    {"listen", call_listen, TR_EALREADYLISTENING, TR_OK},     {"close", call_close, TR_OK, TR_ENOTLISTENING},
    {"pause", call_pause, TR_OK, TR_ENOTLISTENING},           {"resume", tr_server_resume, TR_OK, TR_ENOTLISTENING},
    {"set_block_list", call_set_block_list, TR_OK, TR_OK},    {"address", call_address, TR_OK, TR_ENOTLISTENING},
    {"the others", call_the_others, TR_OK, TR_ENOTLISTENING},
};

/* One play. */
static enum callback where;
static const struct function *function;
static tr_server *server; /* NULL: it has ended */
static unsigned calls;
static int taken; /* a descriptor that has the port */

static void
call_in(enum callback callback)
{
    if (callback != where || calls++ > 0)
        return;
    tr_status expected = callback == LISTENING || callback == MESSAGE ? function->listening : function->idle;
    tr_status status = function->call(server);
    if (status != expected)
        fail_msg("%s in the %s callback: %s", function->name, callback_names[callback], tr_status_code(status));
}

static void
close_server(void *argument)
{
    (void)argument;
    if (server != NULL)
        tr_server_close(server);
}

static void
send_to_server(void *argument)
{
    (void)argument;
    assert_int_equal(tr_tell(director, tr_server_ref(server), 1, NULL, 0), TR_OK);
}

static void
on_listening(tr_server *self)
{
    (void)self;
    call_in(LISTENING);
    stage_settled(where == MESSAGE ? send_to_server : close_server, NULL);
}

static void
on_error(tr_server *self, const struct tr_error *error)
{
    (void)self;
    assert_int_equal(error->status, TR_EADDRINUSE);
    call_in(ERROR);
    stage_settled(close_server, NULL);
}

static void
on_close(tr_server *self)
{
    (void)self;
    call_in(CLOSE);
    bool comes_again = where == CLOSE && calls == 1 && (function->call == call_listen || function->call == call_close);
    if (comes_again) {
        calls++;
        return;
    }
    server = NULL;
    stage_settled(end_play, NULL);
}

static void
on_message(tr_server *self, tr_message *message)
{
    (void)self, (void)message;
    call_in(MESSAGE);
    stage_settled(close_server, NULL);
}

static void
play_one(void)
{
    static const struct tr_server_events events = {
        .listening = on_listening, .error = on_error, .close = on_close, .message = on_message};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(taken, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(taken, 1), 0);
    assert_int_equal(getsockname(taken, (struct sockaddr *)&address, &size), 0);
    struct tr_listen_options options = any_port;
    if (where == ERROR)
        options.port = ntohs(address.sin_port);
    calls = 0;
    assert_int_equal(tr_server_spawn(director, &(struct tr_server_options){.events = &events}, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &options), TR_OK);
    close(taken);
}

static void
in_each_callback_every_function_may_be_called(void **state)
{
    (void)state;
    for (where = 0; where < CALLBACKS; where++) {
        for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
            function = &functions[i];
            stage_play(1, play_one);
            if (calls == 0 || server != NULL)
                fail_msg("%s in the %s callback: %u calls", function->name, callback_names[where], calls);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_each_callback_every_function_may_be_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
