/*
 * On which workers a server's connections live.
 */
#include "fault.h"
#include "helpers.h"
#include "play.h"

#include <arpa/inet.h>
#include <ck_pr.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define WORKERS 4u
#define CLIENTS 24u

static tr_server *server;
static int clients[CLIENTS];
static unsigned client_count;
static uint32_t seen_on[WORKERS];
static uint32_t worker_of[CLIENTS + 1]; /* by the connection's number */

static void
see(tr_socket *socket)
{
    unsigned worker = tr_ref_worker(tr_socket_ref(socket));
    ck_pr_store_32(&worker_of[tr_socket_number(socket)], worker);
    ck_pr_inc_32(&seen_on[worker]);
}

static const struct tr_socket_events deaf; /* not the stage's, which write into endpoints */

static bool
all_are_seen(void)
{
    uint32_t sum = 0;
    for (unsigned worker = 0; worker < WORKERS; worker++)
        sum += ck_pr_load_32(&seen_on[worker]);
    return sum >= client_count;
}

static void
end_clients(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < client_count; i++)
        close(clients[i]);
    tr_server_close(server);
    stage_end();
}

static void
prepare(void)
{
    memset(seen_on, 0, sizeof(seen_on));
    memset(worker_of, 0xff, sizeof(worker_of));
    client_count = 0;
}

static void
connect_from(uint32_t address)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    struct sockaddr_in peer = {
        .sin_family = AF_INET, .sin_port = htons(stage_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&own, sizeof(own)), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&peer, sizeof(peer)), 0);
    clients[client_count++] = fd;
}

/* -- Some of the workers. -- */

static const unsigned second_and_third[] = {1, 2, 1};

static void
serve_on_some(void)
{
    prepare();
    server = stage_serve((struct tr_server_options){
        .connection = see, .socket.events = &deaf, .workers = second_and_third, .worker_count = 3});
    for (unsigned i = 0; i < 8; i++)
        connect_from(INADDR_LOOPBACK);
    stage_when(all_are_seen, end_clients, NULL);
}

static void
connections_live_on_the_workers_that_the_server_names(void **state)
{
    (void)state;
    stage_play(WORKERS, serve_on_some);
    static const uint32_t expected[WORKERS] = {0, 4, 4, 0};
    assert_memory_equal(seen_on, expected, sizeof(expected));
}

static void
refuse(void)
{
    static const unsigned too_many[] = {1, WORKERS};
    const struct {
        const unsigned *workers;
        unsigned count;
        tr_status status;
    } cases[] = {
        {too_many, 2, TR_EBADWORKER},
        {too_many, 0, TR_EINVAL},
        {NULL, 1, TR_EINVAL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tr_server_options options = {.workers = cases[i].workers, .worker_count = cases[i].count};
        assert_int_equal(tr_server_spawn(director, &options, &server), cases[i].status);
    }
    stage_end();
}

static void
workers_that_there_are_not_are_refused(void **state)
{
    (void)state;
    stage_play(WORKERS, refuse);
}

/* The share of the only worker that is named cannot be made. */
static unsigned nth;
static bool fails, listens;

static void
serve_without_memory(void)
{
    static const unsigned second[] = {1};
    struct tr_server_options options = {
        .connection = see, .socket.events = &deaf, .workers = second, .worker_count = 1};
    prepare();
    listens = false;
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    fault_plan(FAULT_MEMORY, nth, 1, 0);
    tr_status status = tr_server_listen(server, &(struct tr_listen_options){.host = "127.0.0.1", .backlog = 8});
    fails = fault_met(FAULT_MEMORY) > 0;
    fault_clear();
    struct tr_address address;
    if (status == TR_OK && tr_server_address(server, &address) == TR_OK) {
        listens = true;
        stage_port = address.port;
        connect_from(INADDR_LOOPBACK);
    }
    stage_when(all_are_seen, end_clients, NULL);
}

static void
what_no_named_worker_can_take_the_servers_own_one_takes(void **state)
{
    (void)state;
    unsigned at_home = 0, on_the_named = 0;
    fails = true;
    for (nth = 1; fails; nth++) {
        stage_play(2, serve_without_memory);
        if (!listens)
            continue;
        assert_int_equal(seen_on[0] + seen_on[1], 1);
        at_home += seen_on[0];
        on_the_named += seen_on[1];
    }
    assert_int_equal(seen_on[1], 1);
    assert_true(at_home > 0);
    assert_true(on_the_named > 0);
}

/* -- The peer's address. -- */

static uint16_t peer_ports[CLIENTS];
static unsigned peer_count, peers_without_address;

static unsigned
note_peer(const struct tr_balance_view *view)
{
    if (view->peer == NULL)
        peers_without_address++;
    else
        peer_ports[peer_count++] = ntohs(((const struct sockaddr_in *)view->peer)->sin_port);
    return 1;
}

static void
serve_and_note(void)
{
    prepare();
    peer_count = peers_without_address = 0;
    server = stage_serve((struct tr_server_options){.connection = see, .socket.events = &deaf, .balance = note_peer});
    for (unsigned i = 0; i < 3; i++)
        connect_from(INADDR_LOOPBACK + i);
    stage_when(all_are_seen, end_clients, NULL);
}

static void
a_policy_of_the_users_sees_the_peer(void **state)
{
    (void)state;
    uint16_t ports[3];
    stage_play(2, serve_and_note);
    assert_int_equal(peer_count, 3);
    assert_int_equal(peers_without_address, 0);
    assert_int_equal(seen_on[1], 3);
    for (unsigned i = 0; i < 3; i++)
        ports[i] = peer_ports[i];
    assert_true(ports[0] != 0 && ports[0] != stage_port && ports[1] != ports[0] && ports[2] != ports[1]);
}

static void
serve_a_path(void)
{
    prepare();
    peer_count = peers_without_address = 0;
    struct tr_server_options options = {.connection = see, .socket.events = &deaf, .balance = note_peer};
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    snprintf(path.sun_path + 1, sizeof(path.sun_path) - 1, "troupe-placement-%d", (int)getpid());
    char name[sizeof(path.sun_path)];
    snprintf(name, sizeof(name), "@%s", path.sun_path + 1);
    assert_int_equal(tr_server_listen(server, &(struct tr_listen_options){.path = name}), TR_OK);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    clients[client_count++] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(clients[0], (const struct sockaddr *)&path, size), 0);
    stage_when(all_are_seen, end_clients, NULL);
}

static void
a_unix_sockets_peer_has_no_address(void **state)
{
    (void)state;
    stage_play(2, serve_a_path);
    assert_int_equal(peer_count, 0);
    assert_int_equal(peers_without_address, 1);
}

#define ADDRESSES 12u

static void
serve_by_address(void)
{
    prepare();
    server = stage_serve(
        (struct tr_server_options){.connection = see, .socket.events = &deaf, .balance = tr_balance_ip_hash});
    for (unsigned i = 0; i < 2 * ADDRESSES; i++)
        connect_from(INADDR_LOOPBACK + i % ADDRESSES);
    stage_when(all_are_seen, end_clients, NULL);
}

static void
by_address_a_client_comes_to_its_worker_again(void **state)
{
    (void)state;
    stage_play(WORKERS, serve_by_address);
    unsigned differ = 0;
    for (unsigned number = 1; number <= ADDRESSES; number++) {
        assert_int_equal(worker_of[number], worker_of[number + ADDRESSES]);
        differ += worker_of[number] != worker_of[1];
    }
    assert_true(differ > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_live_on_the_workers_that_the_server_names),
        cmocka_unit_test(workers_that_there_are_not_are_refused),
        cmocka_unit_test(what_no_named_worker_can_take_the_servers_own_one_takes),
        cmocka_unit_test(a_policy_of_the_users_sees_the_peer),
        cmocka_unit_test(a_unix_sockets_peer_has_no_address),
        cmocka_unit_test(by_address_a_client_comes_to_its_worker_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
