/*
 * Secure sockets at the memory limit. The server echoes, and heeds no answer of its writes; its clients live in a
 * runtime without a limit, and read nothing until they are told to.
 */
#include "helpers.h"
#include "play.h"
#include "stage.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/host.h>
#include <troupe/core/runtime.h>
#include <troupe/net/server.h>

#define PEERS 2u
#define LIMIT TR_MEMORY_LIMIT_LEAST(1)
#define PIECE (4u << 20)
#define PIECES 5u /* more than the kernel and the limit hold */
#define TURNS 20u
#define BOUND (LIMIT + 4 * 65536 + LIMIT / 16)

enum { READ = 1 };

struct peer_end {
    tr_socket *socket;
    uint64_t got;
};

static tr_tls_context *serving, *calling;
static tr_runtime *limited, *free_one;
static uint16_t port;
static struct peer_end ends[PEERS];
static struct tally secured, finished, wrong;

static void
echo(tr_socket *socket, tr_slice data)
{
    tr_status status = tr_socket_write_slice(socket, data);
    tally_add(&wrong, status != TR_OK && status != TR_QUEUED);
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    (void)socket, (void)error;
    tally_add(&wrong, 1);
}

static void
on_ready(tr_socket *socket)
{
    for (unsigned i = 0; i < PIECES; i++)
        tally_add(&wrong, tr_socket_write_slice(socket, pattern(PIECE)) < TR_OK);
    tr_socket_end(socket);
    tally_add(&secured, tr_socket_secure(socket));
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    struct peer_end *end = tr_socket_data(socket);
    for (size_t i = 0; i < data.size; end->got++, i++)
        if (data.data[i] != pattern(PIECE).data[end->got % PIECE])
            tally_add(&wrong, 1);
}

static void
on_close(tr_socket *socket, bool had_error)
{
    const struct peer_end *end = tr_socket_data(socket);
    tally_add(&wrong, had_error || end->got != (uint64_t)PIECE * PIECES);
    tally_add(&finished, 1);
}

static const struct tr_socket_events echoes = {.data = echo, .error = on_error};
static const struct tr_socket_events reads = {.ready = on_ready, .data = on_data, .error = on_error, .close = on_close};

static tr_status
connect_all(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    struct tr_tls_options tls = {.context = calling, .server_name = "server.example"};
    struct tr_connect_options to = {.host = "127.0.0.1", .port = port, .tls = &tls};
    for (unsigned i = 0; i < PEERS; i++) {
        struct tr_socket_options options = {.events = &reads, .data = &ends[i], .allow_half_open = true};
        tally_add(&wrong, tr_connect(self, &options, &to, &ends[i].socket) != TR_OK);
        tr_socket_pause(ends[i].socket);
    }
    return TR_OK;
}

static void
let_read(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state;
    for (unsigned i = 0; i < PEERS && message->tag == READ; i++)
        tr_socket_resume(ends[i].socket);
}

static tr_ref
open_both(void)
{
    static const struct tr_behavior driver = {.name = "driver", .init = connect_all, .receive = let_read};
    struct tr_tls_context_options of_server = tls_server("server"), of_client = tls_client("ca");
    serving = tls_make(&of_server);
    calling = tls_make(&of_client);
    struct tr_runtime_options options = {.workers = 1, .pinning = TR_PINNING_NEVER};
    struct tr_server_options server = {.socket.events = &echoes, .tls.context = serving};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address at;
    tr_ref ref;
    assert_int_equal(tr_runtime_start(&options, &free_one), TR_OK);
    options.memory_limit = LIMIT;
    assert_int_equal(tr_runtime_start(&options, &limited), TR_OK);
    assert_int_equal(tr_runtime_listen(limited, &server, &listen, NULL, &at), TR_OK);
    port = at.port;
    assert_int_equal(tr_runtime_spawn(free_one, &driver, NULL, &ref), TR_OK);
    return ref;
}

static bool
has_reached_the_limit(void *unused)
{
    struct tr_counters counters;
    (void)unused;
    tr_runtime_counters(limited, &counters);
    return counters.memory_reached > 0;
}

static void
secure_sockets_stand_still_at_the_memory_limit_and_go_on(void **state)
{
    (void)state;
    tr_ref driver = open_both();
    struct tr_counters counters;
    tally_await(&secured, PEERS);
    assert_true(tests_wait_until(has_reached_the_limit, NULL, TESTS_LIMIT_MS));
    for (unsigned i = 0; i < TURNS; i++)
        tri_runtime_look(tri_runtime_core(limited));
    tr_runtime_counters(limited, &counters);
    assert_true(counters.memory <= BOUND);
    tr_message message = tr_message_signal(READ);
    assert_int_equal(tr_runtime_send(free_one, driver, &message), TR_OK);
    tally_await(&finished, PEERS);
    assert_int_equal(tr_runtime_stop(free_one, 10000, NULL), TR_OK);
    assert_int_equal(tr_runtime_stop(limited, 10000, NULL), TR_OK);
    assert_int_equal(tally_read(&wrong), 0);
    tr_tls_context_release(serving);
    tr_tls_context_release(calling);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(secure_sockets_stand_still_at_the_memory_limit_and_go_on),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
