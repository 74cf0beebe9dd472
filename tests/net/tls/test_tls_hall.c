/*
 * A worker that has many handshakes to make: how many it makes in a turn of its loop, and what else it does.
 *
 * Each step of a handshake is made to take as long as a turn may spend on all of them. What happens in which turn is
 * then the same on every machine.
 */
#include "cast.h"
#include "connection.h"
#include "helpers.h"
#include "tls_play.h"
#include "worker_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <troupe/actors/host.h>
#include <troupe/core/clock.h>

#define CLIENTS 24
#define TURN_NS 1000000u

int __real_tri_tls_advance(struct tri_record_layer *layer, int fd);
int __wrap_tri_tls_advance(struct tri_record_layer *layer, int fd);

static tr_tls_context *serving;
static tr_server *server;
static struct tri_net *net;
static struct tri_later every_turn;
static bool counts; /* turns and steps; else they are as fast as they are */
static unsigned turn, steps, steps_in_turn, most_in_turn;
static unsigned answered_turn, asked_turn, answers, slowest; /* of the plain connection */
static int fds[CLIENTS], plain_fd;

int
__wrap_tri_tls_advance(struct tri_record_layer *layer, int fd)
{
    uint64_t begin = tri_clock_now_ns();
    int outcome = __real_tri_tls_advance(layer, fd);
    if (!counts)
        return outcome;
    while (tri_clock_now_ns() - begin < TURN_NS) {
    }
    steps++;
    steps_in_turn++;
    most_in_turn = steps_in_turn > most_in_turn ? steps_in_turn : most_in_turn;
    return outcome;
}

static void
ask(void)
{
    assert_int_equal(send(plain_fd, "x", 1, MSG_NOSIGNAL), 1);
    asked_turn = turn;
}

static void
look_for_answer(void)
{
    char byte;
    if (recv(plain_fd, &byte, 1, MSG_DONTWAIT) != 1)
        return;
    answers++;
    slowest = turn - asked_turn > slowest ? turn - asked_turn : slowest;
    answered_turn = turn;
    ask();
}

/* Runs once in each turn, before anything else of what is due in it: it was asked for in the turn before. */
static void
on_turn(struct tri_later *later)
{
    turn++;
    steps_in_turn = 0;
    look_for_answer();
    tri_later_add(net, later, on_turn);
}

static void
echoes(struct endpoint *self, const char *event)
{
    if (is(event, "data"))
        assert_true(tr_socket_write_slice(self->socket, self->last) >= TR_OK);
}

/* The first message of a client of OpenSSL's, for all of them: each is answered with the server's whole flight. */
static char hello[4096];
static size_t hello_size;

static void
make_hello(void)
{
    struct tls_duo duo;
    struct tr_tls_context_options options = tls_client("ca");
    tr_tls_context *calling = tls_make(&options);
    tls_begin(&duo, calling, serving, NULL);
    SSL_do_handshake(duo.client);
    int size = BIO_read(SSL_get_rbio(duo.server), hello, sizeof(hello));
    assert_true(size > 0);
    hello_size = (size_t)size;
    tls_end(&duo);
    tr_tls_context_release(calling);
}

static bool
all_have_been_looked_at(void)
{
    return steps >= CLIENTS;
}

static void
end(void *argument)
{
    (void)argument;
    counts = false;
    tri_later_remove(net, &every_turn);
    close(plain_fd);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    tr_server_close(server);
    stage_end();
}

static void
connect_all(void)
{
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = tests_peer_connect(stage_port);
        assert_true(fds[i] >= 0);
    }
}

static void
flood(void)
{
    connect_all();
    for (int i = 0; i < CLIENTS; i++)
        assert_true(tests_peer_send(fds[i], hello, hello_size));
}

/* One plain connection, which is served all the time, and a server with many clients that come at once. */
static void
play_flood(void)
{
    int pair[2];
    struct tr_server_options options = {.tls.context = serving};
    net = tri_net_of(tri_actor_worker(director));
    stage_pair(AF_INET, pair);
    plain_fd = pair[1];
    accepted[0].hook = echoes;
    stage_adopt(&accepted[0], pair[0]);
    server = stage_serve(options);
    make_hello();
    flood();
    ask();
    tri_later_add(net, &every_turn, on_turn);
    stage_when(all_have_been_looked_at, end, NULL);
}

static void
play(void (*script)(void))
{
    counts = true;
    turn = steps = steps_in_turn = most_in_turn = answers = slowest = 0;
    struct tr_tls_context_options of_server = tls_server("server");
    serving = tls_make(&of_server);
    stage_play(1, script);
    tr_tls_context_release(serving);
}

static void
a_turn_ends_with_the_handshake_in_which_its_time_is_over(void **state)
{
    cast_reset(state);
    play(play_flood);
    assert_int_equal(most_in_turn, 1);
    assert_true(turn >= CLIENTS);
}

/* An answer is there some turns after the question, however many handshakes wait: one turn reads it and writes it. */
static void
a_worker_that_is_busy_with_handshakes_serves_its_connections_all_the_time(void **state)
{
    cast_reset(state);
    play(play_flood);
    assert_true(answers >= CLIENTS / 4);
    assert_in_range(slowest, 1, 4);
    assert_true(turn - answered_turn <= 4);
}

/* At the memory limit. */

static char much[TR_MEMORY_LIMIT_LEAST(1)];
static tr_slice ballast;

static void
let_go(void *argument)
{
    (void)argument;
    assert_int_equal(steps, 0);
    tr_slice_release(ballast);
    stage_when(all_have_been_looked_at, end, NULL);
}

static bool
is_at_limit(void)
{
    return net->worker->at_limit;
}

static void
speak(void *argument)
{
    (void)argument;
    for (int i = 0; i < CLIENTS; i++)
        assert_true(tests_peer_send(fds[i], hello, hello_size));
    stage_settled(let_go, NULL);
}

static bool
all_are_accepted(void)
{
    return tr_server_connections(server) == CLIENTS;
}

static void
fill_memory(void *argument)
{
    (void)argument;
    assert_int_equal(tr_slice_copy(much, sizeof(much), &ballast), TR_OK);
    stage_when(is_at_limit, speak, NULL);
}

static void
play_limit(void)
{
    int pair[2];
    net = tri_net_of(tri_actor_worker(director));
    stage_pair(AF_INET, pair);
    plain_fd = pair[1];
    stage_adopt(&accepted[0], pair[0]);
    server = stage_serve((struct tr_server_options){.tls.context = serving});
    make_hello();
    connect_all();
    stage_when(all_are_accepted, fill_memory, NULL);
}

static void
at_the_memory_limit_handshakes_stand_still_and_go_on_later(void **state)
{
    cast_reset(state);
    stage_memory_limit = TR_MEMORY_LIMIT_LEAST(1);
    play(play_limit);
    stage_memory_limit = 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(a_turn_ends_with_the_handshake_in_which_its_time_is_over),
        TLS_TEST(a_worker_that_is_busy_with_handshakes_serves_its_connections_all_the_time),
        TLS_TEST(at_the_memory_limit_handshakes_stand_still_and_go_on_later),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
