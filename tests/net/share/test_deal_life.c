/*
 * The life of a deal: what a server, its shares, its connections and the words between them hold of it is let go while
 * the runtime runs, and not only at its end, which frees whatever is left.
 */
#include "deal.h"
#include "fault.h"
#include "handover.h"
#include "helpers.h"
#include "play.h"
#include "server_state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/host.h>

#define CLIENTS 6u
#define FAULTS 16u

static struct endpoint clients[CLIENTS];
static tr_server *server;
static unsigned opened; /* connections, on any worker */

static int
reset(void **state)
{
    (void)state;
    memset(clients, 0, sizeof(clients));
    opened = 0;
    return 0;
}

/* On the director's worker, whose servers' deals these are; they are freed on any. */
static bool
no_deal_is_left(void)
{
    struct tri_guest *guest = tri_net_of(tri_actor_worker(director))->guests[TRI_GUEST_SERVERS];
    struct tri_servers *servers = TRI_CONTAINER_OF(guest, struct tri_servers, guest);
    uv_mutex_lock(&servers->lock);
    bool is_empty = servers->deals == NULL;
    uv_mutex_unlock(&servers->lock);
    return is_empty;
}

static void
count(tr_socket *socket)
{
    (void)socket;
    __atomic_add_fetch(&opened, 1, __ATOMIC_SEQ_CST);
}

static bool
all_are_open(void)
{
    return __atomic_load_n(&opened, __ATOMIC_SEQ_CST) == CLIENTS;
}

static void
end_all(void *argument)
{
    (void)argument;
    tr_server_close(server);
    for (unsigned i = 0; i < CLIENTS; i++)
        tr_socket_end(clients[i].socket);
    stage_when(no_deal_is_left, end_play, NULL);
}

static void
serve_and_connect(uint32_t max_per_address)
{
    static const struct tr_socket_events none;
    struct tr_server_options options = {.connection = count, .max_per_address = max_per_address};
    options.socket.events = &none;
    server = stage_serve(options);
    for (unsigned i = 0; i < CLIENTS; i++)
        stage_connect(&clients[i]);
    stage_when(all_are_open, end_all, NULL);
}

static void
play_plain(void)
{
    serve_and_connect(0);
}

static void
a_deal_ends_with_its_servers_last_connection_on_any_worker(void **state)
{
    (void)state;
    stage_play(2, play_plain);
}

static void
play_limited(void)
{
    serve_and_connect(CLIENTS);
}

static void
a_deal_ends_with_the_shares_of_single_connections(void **state)
{
    (void)state;
    stage_play(2, play_limited);
}

/* Listening without the memory for one thing after the other. */
static void
play_without_memory(void)
{
    for (unsigned nth = 1; nth <= FAULTS; nth++) {
        struct tr_listen_options listen = {.host = "127.0.0.1"};
        struct tr_server_options options = {.connection = count};
        assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
        fault_plan(FAULT_MEMORY, nth, 1, ENOMEM);
        tr_server_listen(server, &listen);
        fault_clear();
        tr_exit(tr_server_actor(server));
    }
    stage_when(no_deal_is_left, end_play, NULL);
}

static void
a_deal_ends_when_there_was_no_memory_for_its_shares(void **state)
{
    (void)state;
    stage_play(2, play_without_memory);
}

/* A handover for a share that is not there. */
static void
play_without_share(void)
{
    struct tr_server_options options = {.connection = count};
    struct tri_arrival arrival = {.fd = -1, .worker = 1};
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    assert_int_equal(tri_handover_send(tri_actor_worker(director), director, server->deal, &arrival, tr_self(director)),
                     TR_EGONE);
    tr_exit(tr_server_actor(server));
    stage_when(no_deal_is_left, end_play, NULL);
}

static void
a_deal_ends_though_a_connection_could_not_be_sent(void **state)
{
    (void)state;
    stage_play(2, play_without_share);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_deal_ends_with_its_servers_last_connection_on_any_worker, reset),
        cmocka_unit_test_setup(a_deal_ends_with_the_shares_of_single_connections, reset),
        cmocka_unit_test_setup(a_deal_ends_when_there_was_no_memory_for_its_shares, reset),
        cmocka_unit_test_setup(a_deal_ends_though_a_connection_could_not_be_sent, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
