/*
 * Shares: which worker gets a connection, and what happens when a share is missing.
 */
#include "helpers.h"
#include "server_log.h"
#include "server_state.h"
#include "stage.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>

/* Shares. */

static unsigned
always_second(const struct tr_balance_view *view)
{
    (void)view;
    return 1;
}

static uint32_t seen_on[3];

static void
count_and_end(tr_socket *socket)
{
    ck_pr_inc_32(&seen_on[tr_ref_worker(tr_socket_ref(socket))]);
    tr_socket_end(socket);
}

static uint32_t seen_then;

static bool
are_served(void)
{
    return ck_pr_load_32(&seen_on[0]) + ck_pr_load_32(&seen_on[1]) >= seen_then;
}

static void
close_server(void *argument)
{
    (void)argument;
    tr_server_close(our_server);
}

static void
close_when_served(uint32_t seen)
{
    seen_then = seen;
    stage_when(are_served, close_server, NULL);
}

static void
connect_one_more(void *argument)
{
    (void)argument;
    close_when_served(ck_pr_load_32(&seen_on[1]) + 1);
    close(tests_peer_connect(stage_port));
}

/* A share that is stopped three times and killed, and connections that are assigned to it before the server hears of
 * its end, or after, to its successor. They take all places that their address has. */
#define PLACES 12u

static tr_ref stopped_share;

static uint32_t
places_taken(void)
{
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct tri_limit_key key;
    assert_true(tri_limit_key_of((struct sockaddr *)&peer, our_server->deal->options.prefix_ipv6, &key));
    tri_deal_lock(our_server->deal);
    uint32_t taken = tri_limits_count(&our_server->deal->limits, &key);
    tri_deal_unlock(our_server->deal);
    return taken;
}

static bool
there_is_a_successor_and_all_places_are_back(void)
{
    uint64_t dealt[2];
    tr_server_dealt(our_server, dealt, 2);
    return our_server->deal->places[1].share != stopped_share && dealt[0] + dealt[1] == PLACES && places_taken() == 0;
}

static void
play_killed_share(void)
{
    memset(seen_on, 0, sizeof(seen_on));
    server_hook = ends_after_close;
    our_server = stage_serve((struct tr_server_options){.events = &logged,
                                                        .balance = always_second,
                                                        .connection = count_and_end,
                                                        .max_per_address = PLACES,
                                                        .socket = {.events = &silent_events}});
    stopped_share = our_server->deal->places[1].share;
    for (int round = 0; round < 3; round++) {
        assert_int_equal(tr_stop(director, stopped_share, (enum tr_stop_mode)round), TR_OK);
        for (unsigned i = 0; i < PLACES / 3; i++)
            close(tests_peer_connect(stage_port));
    }
    assert_int_equal(tr_stop(director, stopped_share, TR_STOP_KILL), TR_OK);
    stage_when(there_is_a_successor_and_all_places_are_back, connect_one_more, NULL);
}

static void
a_share_that_somebody_stops_or_kills_gets_a_successor_and_no_connection_is_miscounted(void **state)
{
    (void)state;
    stage_play(2, play_killed_share);
    assert_string_equal(server_log, "listening close");
    assert_true(seen_on[1] > 0);
    assert_int_equal(seen_on[0], 0);
}

/* As the runtime does when the share's init found no memory; the share that is there gets its dismissal. */
static void
share_is_not_born(unsigned worker)
{
    struct tr_spawn_failed failed = {.actor = our_server->deal->places[worker].share, .status = TR_ENOMEM};
    tr_message message = tr_message_copy(TR_TAG_SPAWN_FAILED, &failed, sizeof(failed));
    tri_send_system(our_server->net->worker, director, tr_server_ref(our_server), &message);
}

static void
connect_three(void *argument)
{
    (void)argument;
    for (int i = 0; i < 3; i++)
        close(tests_peer_connect(stage_port));
    close_when_served(3);
}

static void
play_unborn_share(void)
{
    memset(seen_on, 0, sizeof(seen_on));
    server_hook = ends_after_close;
    our_server = stage_serve((struct tr_server_options){.events = &logged,
                                                        .balance = always_second,
                                                        .connection = count_and_end,
                                                        .socket = {.events = &silent_events}});
    share_is_not_born(1);
    stage_settled(connect_three, NULL);
}

static void
a_worker_whose_share_was_not_born_gets_no_connections(void **state)
{
    (void)state;
    stage_play(2, play_unborn_share);
    assert_string_equal(server_log, "listening close");
    assert_int_equal(seen_on[0], 3);
    assert_int_equal(seen_on[1], 0);
}

/* The worker that the policy names can take none: of the others the one with fewer. */

static unsigned
always_third(const struct tr_balance_view *view)
{
    assert_int_equal(view->loads[2], UINT32_MAX);
    return 2;
}

static void
connect_two(void *argument)
{
    (void)argument;
    for (int i = 0; i < 2; i++)
        close(tests_peer_connect(stage_port));
    close_when_served(2);
}

static void
play_third_unborn(void)
{
    memset(seen_on, 0, sizeof(seen_on));
    server_hook = ends_after_close;
    our_server = stage_serve((struct tr_server_options){
        .events = &logged, .balance = always_third, .connection = count_and_end, .socket = {.events = &silent_events}});
    share_is_not_born(2);
    stage_settled(connect_two, NULL);
}

static void
a_policy_that_names_a_worker_without_a_share_means_the_next_best(void **state)
{
    (void)state;
    stage_play(3, play_third_unborn);
    assert_int_equal(seen_on[0], 1);
    assert_int_equal(seen_on[1], 1);
}

/* Connections. */

/* Every call of the policy writes down what it was told. */
static unsigned asked;
static uint32_t seen_loads[3];

static unsigned
out_of_range(const struct tr_balance_view *view)
{
    assert_int_equal(view->sequence, asked);
    asked++;
    memcpy(seen_loads, view->loads, sizeof(seen_loads));
    assert_int_equal(view->workers, 3);
    assert_int_equal(view->home, 0);
    return 77;
}

static void
ends_itself(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        tr_socket_end(self->socket);
}

static uint64_t dealt_to[3];

static void
looks_at_dealt(struct endpoint *self, const char *event)
{
    (void)self;
    if (!is(event, "close"))
        return;
    memset(dealt_to, 0, sizeof(dealt_to));
    dealt_to[1] = 7;
    assert_int_equal(tr_server_dealt(our_server, dealt_to, 1), 3);
}

static void
play_own_policy(void)
{
    asked = 0;
    accepted[0].hook = accepted[1].hook = looks_at_dealt;
    clients[0].hook = clients[1].hook = ends_itself;
    our_server = stage_serve((struct tr_server_options){.balance = out_of_range});
    stage_connect(&clients[0]);
    stage_connect(&clients[1]);
    end_when_all_are_closed(2);
}

static void
a_policy_of_the_users_is_asked_and_nonsense_means_home(void **state)
{
    (void)state;
    stage_play(3, play_own_policy);
    assert_int_equal(asked, 2);
    assert_int_equal(dealt_to[0], 2);
    assert_int_equal(dealt_to[1], 7); /* nothing is written behind what there is room for */
    assert_int_equal(accepted_count, 2);
}

/* From outside, over all workers. */

#define CONNECTIONS 1000

static bool
all_are_open(void *argument)
{
    (void)argument;
    return ck_pr_load_32(&open_on[0]) + ck_pr_load_32(&open_on[1]) == CONNECTIONS;
}

static bool
all_are_closed(void *argument)
{
    (void)argument;
    return ck_pr_load_32(&closed_on[0]) + ck_pr_load_32(&closed_on[1]) == CONNECTIONS;
}

static void
allow_descriptors(rlim_t wanted)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < wanted)
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void
a_thousand_open_connections_are_split_evenly_over_two_workers(void **state)
{
    (void)state;
    static const struct tr_socket_events socket_events = {.close = count_close};
    struct tr_server_options options = {.connection = count_connection, .socket = {.events = &socket_events}};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address address;
    tr_runtime *runtime;
    static int fds[CONNECTIONS];
    allow_descriptors(2 * CONNECTIONS + 100);
    memset(open_on, 0, sizeof(open_on));
    memset(closed_on, 0, sizeof(closed_on));
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = WORKERS}, &runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, &address), TR_OK);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        fds[i] = tests_peer_connect(address.port);
        assert_true(fds[i] >= 0);
    }
    assert_true(tests_wait_until(all_are_open, NULL, TESTS_LIMIT_MS));
    uint32_t most = open_on[0] > open_on[1] ? open_on[0] : open_on[1];
    uint32_t least = CONNECTIONS - most;
    assert_true(most * 100 <= least * 102);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    assert_true(tests_wait_until(all_are_closed, NULL, TESTS_LIMIT_MS));
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

/* A server whose home is not the first worker. */

static unsigned port_of_other, home_of_connection; /* atomic; the second plus one */

static void
note_home(tr_socket *socket)
{
    __atomic_store_n(&home_of_connection, tr_ref_worker(tr_socket_ref(socket)) + 1, __ATOMIC_SEQ_CST);
    tr_socket_destroy(socket, TR_OK);
}

static unsigned
nonsense(const struct tr_balance_view *view)
{
    return view->workers;
}

static tr_status
serve_elsewhere(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    static const struct tr_server_options options = {.balance = nonsense, .connection = note_home};
    tr_server *other;
    struct tr_address address;
    assert_int_equal(tr_server_spawn(self, &options, &other), TR_OK);
    assert_int_equal(tr_server_listen(other, &(struct tr_listen_options){.host = "127.0.0.1"}), TR_OK);
    assert_int_equal(tr_server_address(other, &address), TR_OK);
    __atomic_store_n(&port_of_other, address.port, __ATOMIC_SEQ_CST);
    return TR_OK;
}

static bool
serves_elsewhere(void)
{
    return __atomic_load_n(&port_of_other, __ATOMIC_SEQ_CST) != 0;
}

static bool
has_connection(void)
{
    return __atomic_load_n(&home_of_connection, __ATOMIC_SEQ_CST) != 0;
}

static void
connect_elsewhere(void *argument)
{
    (void)argument;
    int fd = tests_peer_connect((uint16_t)port_of_other);
    assert_true(fd >= 0);
    stage_when(has_connection, end_play, NULL);
    close(fd);
}

static void
play_home(void)
{
    static const struct tr_behavior neighbour = {.name = "neighbour", .init = serve_elsewhere, .receive = ignore};
    struct tr_spawn_options there = {.placement = TR_PLACE_WORKER, .worker = 1};
    port_of_other = home_of_connection = 0;
    assert_int_equal(tr_spawn(director, &neighbour, &there, NULL), TR_OK);
    stage_when(serves_elsewhere, connect_elsewhere, NULL);
}

static void
nonsense_means_home_wherever_that_is(void **state)
{
    (void)state;
    stage_play(2, play_home);
    assert_int_equal(home_of_connection, 1 + 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_share_that_somebody_stops_or_kills_gets_a_successor_and_no_connection_is_miscounted,
                               server_reset),
        cmocka_unit_test_setup(a_worker_whose_share_was_not_born_gets_no_connections, server_reset),
        cmocka_unit_test_setup(a_policy_that_names_a_worker_without_a_share_means_the_next_best, server_reset),
        cmocka_unit_test_setup(a_policy_of_the_users_is_asked_and_nonsense_means_home, server_reset),
        cmocka_unit_test(a_thousand_open_connections_are_split_evenly_over_two_workers),
        cmocka_unit_test_setup(nonsense_means_home_wherever_that_is, server_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
