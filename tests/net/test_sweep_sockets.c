/*
 * Sweeps (sweep.h) over connections, files and descriptors.
 */
#include "stage.h"
#include "sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/pipe.h>
#include <troupe/net/proxy.h>
#include <troupe/net/server.h>
#include <uv.h>

static void
pipes(tr_socket *socket)
{
    hear(tr_socket_pipe(socket, tr_socket_ref(socket), NULL));
}

/* It ended without an answer: somebody must have heard why, at one side or the other. */
static void
on_client_close(tr_socket *socket, bool had_error)
{
    (void)socket;
    (void)had_error;
    uv_sem_post(&sweep_over);
}

static const struct tr_socket_events client_side = {
    .ready = says_word, .data = ends_after_data, .error = hears_error, .close = on_client_close};

static bool with_pipe, by_name, with_header;

/* Longer than the room for it in the beginning. */
static const char padding[3 + 256] = {TR_PROXY_NOOP, 1, 0};
static const struct tr_proxy header = {
    .version = TR_PROXY_V2, .command = TR_PROXY_FORWARDS, .tlvs = padding, .tlvs_size = sizeof(padding)};

static void
run_connection(void)
{
    struct tr_server_options server = {
        .balance = places_there,
        .connection = with_pipe ? pipes : NULL,
        .events = &sweep_server_events,
        .max_per_address = 8,
        .proxy.versions = with_header ? TR_PROXY_V2 : 0,
        .socket = {.events = &echo_side, .timeout_ms = 60000, .first_byte_timeout_ms = 60000}};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    tr_status status = tr_runtime_listen(sweep_runtime, &server, &listen, NULL, &sweep_bound);
    if (status == TR_OK) {
        struct tr_socket_options socket = {.events = &client_side};
        struct tr_connect_options connect = {
            .host = by_name ? "localhost" : "127.0.0.1", .family = TR_FAMILY_IPV4, .port = sweep_bound.port};
        connect.proxy = with_header ? &header : NULL;
        status = tr_runtime_connect(sweep_runtime, &socket, &connect, NULL);
    }
    hear(status);
}

static void
sends_file(tr_socket *socket)
{
    if (!goes(tr_socket_write_file(socket, sweep_file, 0, 0, NULL, NULL)) || !goes(tr_socket_end(socket)))
        tr_socket_destroy(socket, TR_OK);
}

static void
gets_end(tr_socket *socket)
{
    (void)socket;
    finish_run();
}

static void
gets_data(tr_socket *socket, tr_slice data)
{
    (void)socket;
    (void)data;
}

static void
gets_descriptor(tr_socket *socket, int fd)
{
    (void)socket;
    close(fd);
    finish_run();
}

static const struct tr_socket_events file_client = {
    .data = gets_data, .end = gets_end, .error = hears_error, .close = on_client_close};
static const struct tr_socket_events descriptor_side = {
    .data = gets_data, .fd = gets_descriptor, .error = hears_error, .close = on_client_close};

static void
run_file(void)
{
    struct tr_server_options server = {.balance = places_there,
                                       .events = &sweep_server_events,
                                       .connection = sends_file,
                                       .socket = {.events = &file_server}};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    if (!goes(tr_runtime_listen(sweep_runtime, &server, &listen, NULL, &sweep_bound)))
        return;
    struct tr_socket_options socket = {.events = &file_client};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = sweep_bound.port};
    goes(tr_runtime_connect(sweep_runtime, &socket, &connect, NULL));
}

static tr_status
passes_descriptor(tr_actor *self, void *state, const void *argument)
{
    const int *fds = argument;
    (void)state;
    tr_socket *from = adopt_or_close(self, fds[0], &descriptor_side),
              *to = adopt_or_close(self, fds[1], &descriptor_side);
    tr_slice slice;
    if (from == NULL || to == NULL || !goes(tr_slice_copy("d", 1, &slice)))
        return TR_OK;
    goes(tr_socket_write_fd(from, slice, sweep_file, NULL, NULL));
    tr_slice_release(slice);
    return TR_OK;
}

static const struct tr_behavior passer = {.name = "passer", .init = passes_descriptor, .receive = ignore};

static void
run_descriptor(void)
{
    int fds[2];
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .argument = fds, .argument_size = sizeof(fds)};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    tr_status status = tr_runtime_spawn(sweep_runtime, &passer, &options, NULL);
    if (goes(status))
        return;
    close(fds[0]);
    close(fds[1]);
}

/* The sweep. */

static void
a_connection_on_the_servers_own_worker(void **state)
{
    (void)state;
    sweep_place = 0;
    with_pipe = by_name = false;
    sweep(&(struct program){.name = "connection here", .run = run_connection});
}

static void
a_connection_that_is_handed_over(void **state)
{
    (void)state;
    sweep_place = 1;
    with_pipe = by_name = false;
    sweep(&(struct program){.name = "connection there", .run = run_connection});
}

static void
a_connection_by_name_to_a_pipe(void **state)
{
    (void)state;
    sweep_place = 1;
    with_pipe = by_name = true;
    sweep(&(struct program){.name = "name and pipe", .run = run_connection});
}

static void
a_connection_with_a_header(void **state)
{
    (void)state;
    with_pipe = by_name = false;
    with_header = true;
    for (sweep_place = 0; sweep_place < 2; sweep_place++)
        sweep(&(struct program){.name = sweep_place == 0 ? "header here" : "header there", .run = run_connection});
    with_header = false;
}

static void
a_file(void **state)
{
    (void)state;
    sweep_place = 1;
    sweep(&(struct program){.name = "file", .run = run_file});
}

static void
a_descriptor(void **state)
{
    (void)state;
    sweep(&(struct program){.name = "descriptor", .run = run_descriptor});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_on_the_servers_own_worker),
        cmocka_unit_test(a_connection_that_is_handed_over),
        cmocka_unit_test(a_connection_by_name_to_a_pipe),
        cmocka_unit_test(a_connection_with_a_header),
        cmocka_unit_test(a_file),
        cmocka_unit_test(a_descriptor),
    };
    return cmocka_run_group_tests(tests, sweep_set_up, sweep_tear_down);
}
