/*
 * Sweeps (sweep.h) over connections of secure servers: whatever allocation fails, somebody hears of it, and nothing is
 * left. OpenSSL's own allocations do not fail here; those of test_tls_memory.c do.
 */
#include "sweep.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/proxy.h>
#include <troupe/net/server.h>

static tr_tls_context *serving, *calling;
static bool is_good, with_header;

static const struct tr_proxy header = {.version = TR_PROXY_V2, .command = TR_PROXY_LOCAL};

static void
on_close(tr_socket *socket, bool had_error)
{
    (void)socket;
    (void)had_error;
    uv_sem_post(&sweep_over);
}

static void
hears_failure(tr_server *server, const struct tr_handshake_failure *failure)
{
    (void)server;
    hear(failure->error.status);
}

static void
hears_loss(tr_server *server, const struct tr_error *error)
{
    (void)server;
    hear(error->status);
}

static const struct tr_socket_events client_side = {
    .ready = says_word, .data = ends_after_data, .error = hears_error, .close = on_close};
static const struct tr_server_events server_events = {.error = hears_loss, .handshake_failed = hears_failure};

static void
run_connection(void)
{
    struct tr_server_options server = {.balance = places_there,
                                       .events = &server_events,
                                       .socket = {.events = &echo_side, .emit_connect = true},
                                       .proxy.versions = with_header ? TR_PROXY_V2 : 0,
                                       .tls.context = serving};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    tr_status status = tr_runtime_listen(sweep_runtime, &server, &listen, NULL, &sweep_bound);
    if (status == TR_OK) {
        struct tr_socket_options socket = {.events = &client_side};
        struct tr_tls_options tls = {.context = calling, .any_name = !is_good, .server_name = "server.example"};
        struct tr_connect_options connect = {.host = "127.0.0.1",
                                             .family = TR_FAMILY_IPV4,
                                             .port = sweep_bound.port,
                                             .proxy = with_header ? &header : NULL,
                                             .tls = &tls};
        status = tr_runtime_connect(sweep_runtime, &socket, &connect, NULL);
    }
    hear(status);
}

static void
sweep_connections(const char *authority)
{
    struct tr_tls_context_options of_server = tls_server("server"), of_client = tls_client(authority);
    serving = tls_make(&of_server);
    calling = tls_make(&of_client);
    struct program program = {.name = "a secure connection", .run = run_connection};
    for (sweep_place = 0; sweep_place < 2; sweep_place++)
        sweep(&program);
    tr_tls_context_release(serving);
    tr_tls_context_release(calling);
}

static void
without_memory_a_secure_connection_comes_about_or_somebody_hears_why_not(void **state)
{
    (void)state;
    is_good = true;
    for (int i = 0; i < 2; i++) {
        with_header = i == 1;
        sweep_connections("ca");
    }
}

static void
without_memory_a_handshake_that_fails_leaves_nothing(void **state)
{
    (void)state;
    is_good = with_header = false;
    sweep_connections("other_ca");
}

static int
set_up(void **state)
{
    return tls_setup(state) == 0 ? sweep_set_up(state) : -1;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(without_memory_a_secure_connection_comes_about_or_somebody_hears_why_not),
        TLS_TEST(without_memory_a_handshake_that_fails_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, sweep_tear_down);
}
