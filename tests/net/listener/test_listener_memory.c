/*
 * Sweeps (sweep.h) over listening: two servers that share an address, and one that has all workers, in each way of
 * accepting.
 *
 * While one of the servers listens each connection is served, however late, unless a server was told why not. Each
 * close is told.
 */
#include "fault.h"
#include "helpers.h"
#include "sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/send.h>

#define SERVERS 2u
#define CONNECTIONS 4u

struct host {
    unsigned number;
    tr_server *server;
    tr_ref ref;
    struct tr_address address;
    unsigned settled, closed; /* it listens, or has failed; its close events */
    bool listens;
};

static struct host hosts[SERVERS];
static unsigned servers; /* of this program: 1 has all workers */
static enum tr_accept_mode mode;

static void
on_listening(tr_server *server)
{
    struct host *host = tr_server_data(server);
    tr_server_address(server, &host->address);
    host->listens = true;
    count_up(&host->settled);
}

static void
on_error(tr_server *server, const struct tr_error *error)
{
    struct host *host = tr_server_data(server);
    hear(error->status);
    count_up(&host->settled);
}

static void
on_close(tr_server *server)
{
    count_up(&((struct host *)tr_server_data(server))->closed);
}

static const struct tr_server_events server_events = {.listening = on_listening, .error = on_error, .close = on_close};
static const struct tr_socket_events socket_events = {.error = hears_error};

static void
says_word_and_ends(tr_socket *socket)
{
    hear(tr_socket_write(socket, "w", 1));
    hear(tr_socket_end(socket));
}

/* Its server is its child. What has failed here the spawner hears. */
static tr_status
host_init(tr_actor *self, void *state, const void *argument)
{
    struct host *host = *(struct host *const *)argument;
    struct tr_server_options options = {.connection = says_word_and_ends,
                                        .socket.events = &socket_events,
                                        .events = &server_events,
                                        .data = host,
                                        .max_per_address = 2 * CONNECTIONS,
                                        .own_worker = servers > 1};
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = hosts[0].address.port, .accept = mode};
    (void)state;
    tr_status status = tr_server_spawn(self, &options, &host->server);
    if (status != TR_OK)
        return status;
    host->ref = tr_server_ref(host->server);
    return tr_server_listen(host->server, &listen);
}

static void
ignores(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
}

static const struct tr_behavior host_behavior = {.name = "host", .init = host_init, .receive = ignores};

static bool
is_up(void *counter)
{
    return read_count(counter) > 0;
}

static void
await(unsigned *counter)
{
    assert_true(tests_wait_until(is_up, counter, TESTS_LIMIT_MS));
}

static void
begin_host(unsigned i)
{
    const struct host *host = &hosts[i];
    struct tr_spawn_options options = {
        .placement = TR_PLACE_WORKER, .worker = i, .argument = &host, .argument_size = sizeof(host)};
    if (begins(tr_runtime_spawn(sweep_runtime, &host_behavior, &options, NULL)))
        await(&hosts[i].settled);
}

/* Without memory a descriptor of a worker's own may come late. */
static bool
connects(void *fd)
{
    *(int *)fd = tests_peer_connect(hosts[0].address.port);
    return *(int *)fd >= 0;
}

static void
connect_all(void)
{
    int fds[CONNECTIONS];
    for (unsigned i = 0; i < CONNECTIONS; i++)
        assert_true(tests_wait_until(connects, &fds[i], TESTS_LIMIT_MS));
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        char word = 0;
        if (tests_peer_receive(fds[i], &word, 1) != 1)
            await(&sweep_heard); /* why not */
        close(fds[i]);
    }
}

static void
end_host(unsigned i)
{
    if (hosts[i].listens && tr_runtime_stop_actor(sweep_runtime, hosts[i].ref, TR_STOP_DRAIN) == TR_OK)
        await(&hosts[i].closed);
}

static void
run_servers(void)
{
    for (unsigned i = 0; i < SERVERS; i++)
        hosts[i] = (struct host){.number = i};
    for (unsigned i = 0; i < servers; i++)
        begin_host(i);
    if (hosts[0].listens)
        connect_all();
    fault_spare_me(true);
    for (unsigned i = 0; i < servers; i++)
        end_host(i);
    fault_spare_me(false);
    finish_run();
}

static bool
is_over(void)
{
    return true; /* run_servers() has waited */
}

static void
sweep_servers(unsigned n, enum tr_accept_mode how, const char *name)
{
    servers = n;
    mode = how;
    sweep(&(struct program){.name = name, .run = run_servers, .is_over = is_over});
}

static void
one_server_whose_listener_accepts(void **state)
{
    (void)state;
    sweep_servers(1, TR_ACCEPT_HANDOFF, "one, handoff");
}

static void
one_server_whose_workers_accept_from_one_descriptor(void **state)
{
    (void)state;
    sweep_servers(1, TR_ACCEPT_SHARED_FD, "one, shared descriptor");
}

static void
one_server_whose_workers_accept_from_their_own(void **state)
{
    (void)state;
    sweep_servers(1, TR_ACCEPT_REUSEPORT, "one, own descriptors");
}

static void
two_servers_whose_listener_accepts(void **state)
{
    (void)state;
    sweep_servers(2, TR_ACCEPT_HANDOFF, "two, handoff");
}

static void
two_servers_whose_workers_accept_from_one_descriptor(void **state)
{
    (void)state;
    sweep_servers(2, TR_ACCEPT_SHARED_FD, "two, shared descriptor");
}

static void
two_servers_whose_workers_accept_from_their_own(void **state)
{
    (void)state;
    sweep_servers(2, TR_ACCEPT_REUSEPORT, "two, own descriptors");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_server_whose_listener_accepts),
        cmocka_unit_test(one_server_whose_workers_accept_from_one_descriptor),
        cmocka_unit_test(one_server_whose_workers_accept_from_their_own),
        cmocka_unit_test(two_servers_whose_listener_accepts),
        cmocka_unit_test(two_servers_whose_workers_accept_from_one_descriptor),
        cmocka_unit_test(two_servers_whose_workers_accept_from_their_own),
    };
    return cmocka_run_group_tests(tests, sweep_set_up, sweep_tear_down);
}
