/*
 * Who gets a connection, and what becomes of those of a child that dies.
 */
#include "crew.h"
#include "helpers.h"
#include "random.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define FOREVER_MS 1000000u

static uint16_t
start_serving(struct crew *crew, struct tr_cluster_options options)
{
    crew_start(crew, options);
    uint16_t port = crew_listen(crew, 0);
    for (unsigned i = 1; i < crew->count; i++)
        assert_int_equal(crew_listen(crew, i), port);
    return port;
}

static void
children_take_turns(void **state)
{
    struct crew crew;
    unsigned child, before = 0;
    int fds[12];
    (void)state;
    uint16_t port = start_serving(&crew, (struct tr_cluster_options){.children = 3});
    for (unsigned i = 0; i < 12; i++) {
        fds[i] = crew_connect(port, &child, NULL);
        if (i > 0)
            assert_int_equal(child, (before + 1) % 3);
        before = child;
    }
    for (unsigned i = 0; i < 12; i++) {
        assert_true(crew_is_alive(fds[i]));
        close(fds[i]);
    }
    crew_end(&crew, "OK");
}

/* The connections of each child. */
struct held {
    int fds[3][8];
    unsigned counts[3];
};

static unsigned
hold_one(struct held *held, uint16_t port)
{
    unsigned child;
    int fd = crew_connect(port, &child, NULL);
    assert_in_range(held->counts[child], 0, 7);
    held->fds[child][held->counts[child]++] = fd;
    return child;
}

static void
let_go_of_all(struct held *held, unsigned child)
{
    while (held->counts[child] > 0)
        close(held->fds[child][--held->counts[child]]);
}

/* Child 1: no actors but its server and its listener. */
static bool
has_no_connection(void *crew)
{
    return strcmp(crew_ask(crew, 1, "actors"), "2") == 0;
}

static void
the_child_with_the_fewest_connections_gets_the_next(void **state)
{
    struct crew crew;
    struct held held = {0};
    (void)state;
    uint16_t port =
        start_serving(&crew, (struct tr_cluster_options){.children = 3, .scheduling = TR_CLUSTER_LEAST_LOADED});
    for (unsigned i = 0; i < 9; i++)
        hold_one(&held, port);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(held.counts[i], 3);
    let_go_of_all(&held, 1);
    assert_true(tests_wait_until(has_no_connection, &crew, TESTS_LIMIT_MS));
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(hold_one(&held, port), 1);
    for (unsigned i = 0; i < 3; i++)
        let_go_of_all(&held, i);
    crew_end(&crew, "OK");
}

static void
a_dead_child_has_no_connections(void **state)
{
    struct crew crew;
    struct held held = {0};
    (void)state;
    uint16_t port = start_serving(
        &crew, (struct tr_cluster_options){.children = 2, .scheduling = TR_CLUSTER_LEAST_LOADED, .backoff_min_ms = 1});
    for (unsigned i = 0; i < 6; i++)
        hold_one(&held, port);
    assert_int_equal(kill(crew_child(&crew, 0), SIGKILL), 0);
    crew_await(&crew, "started 0");
    assert_int_equal(crew_listen(&crew, 0), port);
    let_go_of_all(&held, 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(hold_one(&held, port), 0);
    for (unsigned i = 0; i < 2; i++)
        let_go_of_all(&held, i);
    crew_end(&crew, "OK");
}

static void
by_kernel_every_connection_is_served(void **state)
{
    struct crew crew;
    int fds[32];
    (void)state;
    uint16_t port =
        start_serving(&crew, (struct tr_cluster_options){.children = 3, .scheduling = TR_CLUSTER_BY_KERNEL});
    for (unsigned i = 0; i < 32; i++)
        fds[i] = crew_connect(port, NULL, NULL);
    for (unsigned i = 0; i < 32; i++) {
        assert_true(crew_is_alive(fds[i]));
        close(fds[i]);
    }
    crew_end(&crew, "OK");
}

/* One that is stopped begins with nothing: what it was sent waits in it. */
static void
what_a_dead_child_had_not_begun_goes_to_another(void **state)
{
    struct crew crew;
    int fds[2 * TR_CLUSTER_AHEAD + 8];
    unsigned waited = 0;
    const unsigned count = sizeof(fds) / sizeof(fds[0]);
    (void)state;
    uint16_t port = start_serving(
        &crew, (struct tr_cluster_options){.children = 2, .backoff_min_ms = FOREVER_MS, .backoff_max_ms = FOREVER_MS});
    int child = crew_freeze(&crew, 0);
    for (unsigned i = 0; i < count; i++) {
        fds[i] = tests_peer_connect(port);
        assert_true(fds[i] >= 0);
    }
    /* Those that the other has are answered; those of the one that is stopped are no more than AHEAD. */
    for (unsigned answered = 0; answered + TR_CLUSTER_AHEAD < count;) {
        struct pollfd looks[sizeof(fds) / sizeof(fds[0])];
        for (unsigned i = 0; i < count; i++)
            looks[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
        assert_true(poll(looks, count, (int)TESTS_LIMIT_MS) > 0);
        answered = 0;
        for (unsigned i = 0; i < count; i++)
            answered += looks[i].revents != 0;
        waited = count - answered;
    }
    assert_in_range(waited, 0, TR_CLUSTER_AHEAD);
    assert_int_equal(kill(child, SIGKILL), 0);
    for (unsigned i = 0; i < count; i++) {
        char line[64];
        unsigned number = 9;
        assert_true(crew_read_line(fds[i], line, sizeof(line)));
        sscanf(line, "%u", &number);
        assert_int_equal(number, 1);
        assert_true(crew_is_alive(fds[i]));
        close(fds[i]);
    }
    assert_string_equal(crew_ask(&crew, 1, "send parent stop"), "ok"); /* the dead one is not waited for */
    crew_end(&crew, "OK");
}

static void
what_the_only_child_had_not_begun_goes_to_its_successor(void **state)
{
    struct crew crew;
    int fds[TR_CLUSTER_AHEAD + 3];
    const unsigned count = sizeof(fds) / sizeof(fds[0]);
    (void)state;
    uint16_t port = start_serving(&crew, (struct tr_cluster_options){.children = 1, .backoff_min_ms = 1});
    int child = crew_freeze(&crew, 0);
    for (unsigned i = 0; i < count; i++) {
        fds[i] = tests_peer_connect(port);
        assert_true(fds[i] >= 0);
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    crew_await(&crew, "started 0");
    int more = tests_peer_connect(port); /* nobody listens now, and nobody is refused */
    assert_true(more >= 0);
    assert_int_equal(crew_listen(&crew, 0), port);
    for (unsigned i = 0; i < count; i++) {
        char line[64];
        assert_true(crew_read_line(fds[i], line, sizeof(line)));
        assert_true(crew_is_alive(fds[i]));
        close(fds[i]);
    }
    assert_true(crew_read_line(more, (char[64]){0}, 64));
    close(more);
    crew_end(&crew, "OK");
}

static void
what_a_child_has_no_descriptor_for_goes_to_another(void **state)
{
    struct crew crew;
    int fds[8];
    (void)state;
    uint16_t port = start_serving(&crew, (struct tr_cluster_options){.children = 2});
    assert_string_equal(crew_ask(&crew, 0, "limit 0"), "ok");
    for (unsigned i = 0; i < 8; i++) {
        unsigned child;
        fds[i] = crew_connect(port, &child, NULL);
        assert_int_equal(child, 1);
    }
    for (unsigned i = 0; i < 8; i++)
        close(fds[i]);
    crew_end(&crew, "OK");
}

static void
what_a_dead_child_listened_on_is_closed_if_nobody_comes_for_it(void **state)
{
    struct crew crew;
    (void)state;
    uint16_t port = start_serving(
        &crew, (struct tr_cluster_options){.children = 1, .backoff_min_ms = 1, .backoff_max_ms = 1, .healthy_ms = 100});
    assert_int_equal(kill(crew_child(&crew, 0), SIGKILL), 0);
    crew_await(&crew, "started 0");
    assert_true(tests_wait_until(crew_is_refused, &port, TESTS_LIMIT_MS));
    crew_end(&crew, "OK");
}

/* A connection that its user ends with the whole process takes no other with it. */
static void
a_connection_that_kills_is_given_to_nobody_else(void **state)
{
    struct crew crew;
    int process;
    (void)state;
    uint16_t port = start_serving(
        &crew, (struct tr_cluster_options){.children = 2, .backoff_min_ms = FOREVER_MS, .backoff_max_ms = FOREVER_MS});
    int other = crew_child(&crew, 0);
    int fd = crew_connect(port, NULL, &process);
    while (process == other) {
        close(fd);
        fd = crew_connect(port, NULL, &process);
    }
    assert_true(tests_peer_send(fd, "die", 3));
    assert_true(tests_peer_receive(fd, (char[1]){0}, 1) <= 0);
    close(fd);
    crew_await(&crew, "ended 1 signal 9");
    assert_int_equal(crew_child(&crew, 0), other);
    close(crew_connect(port, NULL, NULL));
    assert_string_equal(crew_ask(&crew, 0, "send parent stop"), "ok");
    crew_end(&crew, "OK");
}

/* Under load. */

#define HOLD 12u

struct client {
    int fd;
    int process;
};

static void
connect_client(struct client *client, uint16_t port)
{
    client->fd = crew_connect(port, NULL, &client->process);
}

/* Kills one of the children, with others at work, and with connections that nobody has looked at yet. Those that its
 * connections belonged to are lost, and those alone: all the others answer. */
static void
kill_one(struct crew *crew, uint16_t port, struct client *clients, unsigned number)
{
    int fresh[4];
    int victim = crew_child(crew, number);
    for (unsigned i = 0; i < 4; i++) {
        fresh[i] = tests_peer_connect(port);
        assert_true(fresh[i] >= 0);
    }
    assert_int_equal(kill(victim, SIGKILL), 0);
    for (unsigned i = 0; i < HOLD; i++) {
        if (clients[i].process != victim) {
            assert_true(crew_is_alive(clients[i].fd));
            continue;
        }
        assert_true(tests_peer_receive(clients[i].fd, (char[1]){0}, 1) <= 0);
        close(clients[i].fd);
        connect_client(&clients[i], port);
        assert_int_not_equal(clients[i].process, victim);
    }
    for (unsigned i = 0; i < 4; i++) {
        char line[64];
        int process = victim;
        bool has_line = crew_read_line(fresh[i], line, sizeof(line)); /* else the victim had begun with it */
        if (has_line)
            sscanf(line, "%*u %d", &process);
        if (process != victim)
            assert_true(crew_is_alive(fresh[i]));
        close(fresh[i]);
    }
}

static void
children_that_are_killed_again_and_again_lose_their_own_connections_alone(void **state)
{
    struct client clients[HOLD];
    uint64_t seed = 11;
    unsigned rounds = 100 * tests_stress();
    (void)state;
    for (enum tr_cluster_scheduling how = TR_CLUSTER_ROUND_ROBIN; how <= TR_CLUSTER_BY_KERNEL; how++) {
        struct crew crew;
        uint16_t port = start_serving(&crew, (struct tr_cluster_options){.children = 3,
                                                                         .scheduling = how,
                                                                         .backoff_min_ms = 1,
                                                                         .backoff_max_ms = 1,
                                                                         .healthy_ms = FOREVER_MS,
                                                                         .tries = UINT32_MAX});
        for (unsigned i = 0; i < HOLD; i++)
            connect_client(&clients[i], port);
        for (unsigned round = 0; round < rounds; round++) {
            unsigned number = (unsigned)(random_next(&seed) % 3);
            char word[32];
            kill_one(&crew, port, clients, number);
            snprintf(word, sizeof(word), "started %u", number);
            crew_await(&crew, word);
            if (random_next(&seed) % 2 == 0) /* the parent has time to forget the dead one, or has not */
                close(crew_connect(port, NULL, NULL));
            assert_int_equal(crew_listen(&crew, number), port);
        }
        for (unsigned i = 0; i < HOLD; i++)
            close(clients[i].fd);
        crew_end(&crew, "OK");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_take_turns),
        cmocka_unit_test(the_child_with_the_fewest_connections_gets_the_next),
        cmocka_unit_test(a_dead_child_has_no_connections),
        cmocka_unit_test(by_kernel_every_connection_is_served),
        cmocka_unit_test(what_a_dead_child_had_not_begun_goes_to_another),
        cmocka_unit_test(what_the_only_child_had_not_begun_goes_to_its_successor),
        cmocka_unit_test(what_a_child_has_no_descriptor_for_goes_to_another),
        cmocka_unit_test(what_a_dead_child_listened_on_is_closed_if_nobody_comes_for_it),
        cmocka_unit_test(a_connection_that_kills_is_given_to_nobody_else),
        cmocka_unit_test(children_that_are_killed_again_and_again_lose_their_own_connections_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
