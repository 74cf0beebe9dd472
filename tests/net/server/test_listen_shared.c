/*
 * Servers on what another server listens on: who gets a connection. It tells by its word which server took it.
 */
#include "helpers.h"
#include "listen_words.h"
#include "play.h"
#include "socket_state.h"
#include "stage.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* options.server. */

static tr_status
listen_with(unsigned i, const tr_server *other)
{
    return tr_server_listen(spawn_server(i), &(struct tr_listen_options){.server = other});
}

static bool
are_all_closed(void)
{
    return servers_closed == 3;
}

static void
check_all_closed(void *argument)
{
    (void)argument;
    assert_int_equal(servers_closed, 3);
    int fd = tests_peer_connect(stage_port);
    assert_int_equal(fd, -1); /* nobody is left */
    stage_end();
}

static const unsigned *order; /* in which three servers close */
static unsigned step;

static void
close_next(void)
{
    bool open[3] = {true, true, true};
    for (unsigned i = 0; i <= step; i++)
        open[order[i]] = false;
    tr_server_close(servers[order[step++]]);
    for (unsigned newest = 3; newest-- > 0;) {
        if (!open[newest])
            continue;
        expect_word(tests_peer_connect(stage_port), (char)('0' + newest), close_next);
        return;
    }
    stage_settled_when(are_all_closed, check_all_closed, NULL);
}

static void
play_chain(void)
{
    struct tr_address first, other;
    step = servers_closed = 0;
    assert_int_equal(tr_server_listen(spawn_server(0), &(struct tr_listen_options){.host = "127.0.0.1"}), TR_OK);
    assert_int_equal(listen_with(1, servers[0]), TR_OK);
    assert_int_equal(listen_with(2, servers[0]), TR_OK); /* an older one names the same */
    assert_int_equal(tr_server_address(servers[0], &first), TR_OK);
    assert_int_equal(tr_server_address(servers[2], &other), TR_OK);
    assert_memory_equal(&first, &other, sizeof(first));
    stage_port = first.port;
    expect_word(tests_peer_connect(stage_port), '2', close_next);
}

static void
the_newest_server_gets_the_connections_until_it_closes(void **state)
{
    (void)state;
    static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int i = 0; i < 6; i++) {
        order = orders[i];
        stage_play(1, play_chain);
    }
}

static struct sockaddr_un shared;

static bool
path_is_there(void)
{
    struct stat status;
    return lstat(shared.sun_path, &status) == 0;
}

static void
close_second(void)
{
    assert_int_equal(tr_server_close(servers[1]), TR_OK);
    assert_false(path_is_there());
    stage_end();
}

static void
close_binder(void)
{
    assert_int_equal(tr_server_close(servers[0]), TR_OK);
    assert_true(path_is_there());
    expect_word(connect_unix(&shared), '1', close_second);
}

static void
play_shared_path(void)
{
    shared = socket_path(words_directory, "s");
    assert_int_equal(tr_server_listen(spawn_server(0), &(struct tr_listen_options){.path = shared.sun_path}), TR_OK);
    assert_int_equal(listen_with(1, servers[0]), TR_OK);
    expect_word(connect_unix(&shared), '1', close_binder);
}

static void
a_shared_path_is_there_until_the_last_server_closes(void **state)
{
    (void)state;
    assert_true(tests_directory_make(words_directory, sizeof(words_directory)));
    stage_play(1, play_shared_path);
    tests_directory_remove(words_directory);
}

static void
play_wrong_servers(void)
{
    spawn_server(0);
    spawn_server(1);
    assert_int_equal(tr_server_listen(servers[0], &(struct tr_listen_options){.server = servers[1]}), TR_ENOADDRESS);
    assert_int_equal(tr_server_listen(servers[0], &(struct tr_listen_options){.server = servers[0]}), TR_ENOADDRESS);
    assert_int_equal(tr_server_listen(servers[0], &(struct tr_listen_options){.host = "127.0.0.1"}), TR_OK);
    assert_int_equal(tr_server_listen(servers[0], &(struct tr_listen_options){.server = servers[0]}),
                     TR_EALREADYLISTENING);
    stage_end();
}

/* A server of worker 1, for the director on worker 0. */

static tr_server *elsewhere;

static tr_status
listen_elsewhere(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    tr_server *server;
    assert_int_equal(tr_server_spawn(self, &(struct tr_server_options){0}, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &(struct tr_listen_options){.host = "127.0.0.1"}), TR_OK);
    __atomic_store_n(&elsewhere, server, __ATOMIC_SEQ_CST);
    return TR_OK;
}

static bool
is_there(void)
{
    return __atomic_load_n(&elsewhere, __ATOMIC_SEQ_CST) != NULL;
}

static void
listen_on_what_is_elsewhere(void *argument)
{
    (void)argument;
    assert_int_equal(tr_server_listen(servers[0], &(struct tr_listen_options){.server = elsewhere}), TR_EINVAL);
    stage_end();
}

static void
play_elsewhere(void)
{
    static const struct tr_behavior neighbour = {.name = "neighbour", .init = listen_elsewhere, .receive = ignore};
    struct tr_spawn_options there = {.placement = TR_PLACE_WORKER, .worker = 1};
    spawn_server(0);
    assert_int_equal(tr_spawn(director, &neighbour, &there, NULL), TR_OK);
    stage_when(is_there, listen_on_what_is_elsewhere, NULL);
}

static void
a_server_of_another_worker_cannot_be_listened_on(void **state)
{
    (void)state;
    stage_play(2, play_elsewhere);
}

static void
only_a_server_that_listens_can_be_listened_on(void **state)
{
    (void)state;
    stage_play(1, play_wrong_servers);
}

/* The callback of a connection lets another server take over, in the middle of accepting. */

static void
hand_over(tr_socket *socket)
{
    say_name(socket);
    if (servers[1] == NULL)
        assert_int_equal(listen_with(1, servers[0]), TR_OK);
}

static int waiting[2];

static void
expect_second(void)
{
    expect_word(waiting[1], '1', stage_end);
}

static void
play_hand_over(void)
{
    struct tr_server_options options = {.connection = hand_over, .data = "0"};
    struct tr_address address;
    servers[1] = NULL;
    assert_int_equal(tr_server_spawn(director, &options, &servers[0]), TR_OK);
    assert_int_equal(tr_server_listen(servers[0], &(struct tr_listen_options){.host = "127.0.0.1"}), TR_OK);
    assert_int_equal(tr_server_address(servers[0], &address), TR_OK);
    waiting[0] = tests_peer_connect(address.port); /* both wait before anything is accepted */
    waiting[1] = tests_peer_connect(address.port);
    expect_word(waiting[0], '0', expect_second);
}

static void
a_server_that_comes_while_another_accepts_gets_the_next_connection(void **state)
{
    (void)state;
    stage_play(1, play_hand_over);
}

/* The newest is paused: nobody accepts, until it goes. */

static void
close_paused(void *argument)
{
    char word;
    (void)argument;
    assert_int_equal(recv(waiting[0], &word, 1, MSG_DONTWAIT), -1);
    assert_int_equal(tr_server_close(servers[1]), TR_OK);
    expect_word(waiting[0], '0', stage_end);
}

static void
play_paused_newest(void)
{
    struct tr_address address;
    assert_int_equal(tr_server_listen(spawn_server(0), &(struct tr_listen_options){.host = "127.0.0.1"}), TR_OK);
    assert_int_equal(listen_with(1, servers[0]), TR_OK);
    assert_int_equal(tr_server_pause(servers[1], 0), TR_OK);
    assert_int_equal(tr_server_address(servers[1], &address), TR_OK);
    waiting[0] = tests_peer_connect(address.port);
    stage_settled(close_paused, NULL);
}

static void
what_waited_while_the_newest_was_paused_goes_to_the_next(void **state)
{
    (void)state;
    stage_play(1, play_paused_newest);
}

/* No delay: of each connection as its own server wants it, whatever it was listened on with. */

static const struct delays {
    const char *name;
    bool first; /* the server that listens */
    bool from_fd, fd_has;
    bool shared, last; /* another one listens on that */
    bool expected;
} delays[] = {
    {"none", false, .expected = false},
    {"of its own", true, .expected = true},
    {"of the older server", true, .shared = true, .last = false, .expected = false},
    {"of the newer server", false, .shared = true, .last = true, .expected = true},
    {"of both", true, .shared = true, .last = true, .expected = true},
    {"on a descriptor", true, .from_fd = true, .expected = true},
    {"on a descriptor that has it", true, .from_fd = true, .fd_has = true, .expected = true},
    {"of the descriptor alone", false, .from_fd = true, .fd_has = true, .expected = true},
    {"of the newer one on a descriptor", false, .from_fd = true, .shared = true, .last = true, .expected = true},
};

static const struct delays *delay;
static int met; /* 1 + what the connection had */

static void
look_at_delay(tr_socket *socket)
{
    int no_delay = -1;
    socklen_t size = sizeof(no_delay);
    getsockopt(socket->fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
    tr_socket_destroy(socket, TR_OK);
    __atomic_store_n(&met, 1 + (no_delay != 0), __ATOMIC_SEQ_CST);
}

static bool
is_met(void)
{
    return __atomic_load_n(&met, __ATOMIC_SEQ_CST) != 0;
}

static void
close_and_end(void *argument)
{
    (void)argument;
    close(hearer);
    stage_end();
}

static tr_server *
spawn_delaying(bool no_delay)
{
    struct tr_server_options options = {.connection = look_at_delay, .socket = {.no_delay = no_delay}};
    tr_server *server;
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    return server;
}

static void
play_delays(void)
{
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    int has = delay->fd_has;
    struct tr_address address;
    if (delay->from_fd) {
        listen = (struct tr_listen_options){.from_fd = true, .fd = bound_tcp(false)};
        setsockopt(listen.fd, IPPROTO_TCP, TCP_NODELAY, &has, sizeof(has));
    }
    tr_server *server = spawn_delaying(delay->first);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    if (delay->shared)
        assert_int_equal(tr_server_listen(spawn_delaying(delay->last), &(struct tr_listen_options){.server = server}),
                         TR_OK);
    assert_int_equal(tr_server_address(server, &address), TR_OK);
    met = 0;
    hearer = tests_peer_connect(address.port);
    assert_true(hearer >= 0);
    stage_when(is_met, close_and_end, NULL);
}

static void
each_connection_has_the_delay_that_its_own_server_wants(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(delays) / sizeof(delays[0]); i++) {
        delay = &delays[i / 2];
        stage_play(1 + i % 2, play_delays);
        if (met != 1 + delay->expected)
            fail_msg("%s: %d", delay->name, met - 1);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_newest_server_gets_the_connections_until_it_closes, words_reset),
        cmocka_unit_test_setup(a_shared_path_is_there_until_the_last_server_closes, words_reset),
        cmocka_unit_test_setup(only_a_server_that_listens_can_be_listened_on, words_reset),
        cmocka_unit_test(a_server_of_another_worker_cannot_be_listened_on),
        cmocka_unit_test_setup(a_server_that_comes_while_another_accepts_gets_the_next_connection, words_reset),
        cmocka_unit_test_setup(what_waited_while_the_newest_was_paused_goes_to_the_next, words_reset),
        cmocka_unit_test(each_connection_has_the_delay_that_its_own_server_wants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
