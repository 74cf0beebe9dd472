/*
 * Attempts from an address of one's own, and over unix sockets.
 */
#include "attempt_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sys/un.h>
#include <unistd.h>

#include "helpers.h"

/* The local end. */

static void
start_from(struct fixture *f, const struct sockaddr_storage *local, const struct sockaddr_storage *peers,
           unsigned count, unsigned delay_ms)
{
    start_with(f, &(struct tri_attempts_options){.peers = peers, .count = count, .local = local, .delay_ms = delay_ms},
               note_result);
}

static void
a_local_port_is_bound(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer, local;
    int listener = listen_there(AF_INET, &peer), reserved = refuse(AF_INET, &local);
    start_from(f, &local, &peer, 1, 0);
    expect_connected(f, &peer);
    struct sockaddr_storage near = name_of(f->result.fd);
    assert_int_equal(port_of(&near), port_of(&local));
    close(reserved);
    close(listener);
}

static void
a_local_port_is_bound_for_a_peer_of_ipv6_too(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer;
    int listener = listen_there(AF_INET6, &peer);
    expect_connected_from_port(f, &peer, 1);
    close(listener);
}

/* Our side has ended first: the system remembers the connection, and its port, for a minute. */
static void
a_local_port_is_not_refused_after_its_last_connection(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peers[2], local = loopback_at(AF_INET, 0);
    int listeners[2] = {listen_there(AF_INET, &peers[0]), listen_there(AF_INET, &peers[1])};
    start_from(f, &local, &peers[0], 1, 0);
    expect_connected(f, &peers[0]);
    local = name_of(f->result.fd);
    int accepted = tests_peer_accept(listeners[0]);
    close(f->result.fd);
    assert_true(tests_peer_at_end(accepted));
    close(accepted);
    f->calls = 0;
    start_from(f, &local, &peers[1], 1, 0);
    expect_connected(f, &peers[1]);
    close(listeners[0]);
    close(listeners[1]);
}

static void
local_port_in_use(struct fixture *f, int family)
{
    struct sockaddr_storage peer, local;
    int listener = listen_there(family, &peer), other = listen_there(family, &local);
    start_from(f, &local, &peer, 1, 0);
    expect_failed(f, UV_EADDRINUSE, "bind", &peer);
    close(other);
    close(listener);
}

static void
a_local_port_on_which_somebody_listens_is_in_use(void **state)
{
    local_port_in_use(*state, AF_INET);
}

static void
a_local_port_on_which_somebody_listens_is_in_use_with_ipv6(void **state)
{
    local_port_in_use(*state, AF_INET6);
}

static void
with_a_local_address_only_its_family_is_tried(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peers[2], local = loopback_at(AF_INET, 0);
    int six = listen_there(AF_INET6, &peers[0]), four = listen_there(AF_INET, &peers[1]);
    for (unsigned race = 0; race < 2; race++) {
        f->calls = 0;
        start_from(f, &local, peers, 2, race ? NEVER_MS : 0);
        expect_connected(f, &peers[1]);
        close(f->result.fd);
    }

    f->calls = 0;
    start_from(f, &local, peers, 1, NEVER_MS);
    expect_failed(f, UV_EINVAL, "bind", &peers[0]);
    close(six);
    close(four);
}

static void
met_itself(struct fixture *f, int family)
{
    struct sockaddr_storage itself;
    int reserved = refuse(family, &itself);
    start_from(f, &itself, &itself, 1, 0);
    expect_failed(f, UV_ECONNREFUSED, "connect", &itself);
    close(reserved);
}

static void
a_connection_with_itself_is_a_refusal(void **state)
{
    met_itself(*state, AF_INET);
}

static void
a_connection_with_itself_is_a_refusal_with_ipv6(void **state)
{
    met_itself(*state, AF_INET6);
}

/* Unix sockets. */

static void
a_unix_socket_is_connected_later_too(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer;
    struct place place = make_place();
    int listener = listen_unix(place.path, strlen(place.path) + 1, 8, &peer);
    start_attempt(f, &peer, 1, 0);
    expect_connected(f, &peer);
    close(listener);
    tests_directory_remove(place.directory);
}

static void
an_abstract_name_is_connected(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer;
    char name[64] = "";
    int size = 1 + snprintf(name + 1, sizeof(name) - 1, "troupe-test-attempt-%ld", (long)getpid());
    int listener = listen_unix(name, (size_t)size, 8, &peer);
    start_attempt(f, &peer, 1, 0);
    expect_connected(f, &peer);
    close(listener);
}

/* One that fills its room. */
static void
the_longest_abstract_name_is_connected(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer;
    char name[sizeof(((struct sockaddr_un *)0)->sun_path)];
    memset(name, 'n', sizeof(name));
    name[0] = '\0';
    int used = snprintf(name + 1, sizeof(name) - 1, "troupe-test-attempt-%ld", (long)getpid());
    name[1 + used] = '-';
    int listener = listen_unix(name, sizeof(name), 8, &peer);
    start_attempt(f, &peer, 1, 0);
    expect_connected(f, &peer);
    close(listener);
}

static void
a_path_where_nobody_listens_fails_later(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer;
    struct place place = make_place();
    int listener = listen_unix(place.path, strlen(place.path) + 1, 8, &peer);
    close(listener);
    start_attempt(f, &peer, 1, 0);
    expect_failed(f, UV_ECONNREFUSED, "connect", &peer);
    tests_directory_remove(place.directory);
}

static void
a_unix_listener_with_a_full_queue_is_eagain(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer;
    struct place place = make_place();
    struct silent silent = {.listener = listen_unix(place.path, strlen(place.path) + 1, 0, &peer)};
    for (int i = 0; i < FILLERS; i++) {
        silent.fillers[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(silent.fillers[i], (struct sockaddr *)&peer, sizeof(struct sockaddr_un));
    }
    start_attempt(f, &peer, 1, 0);
    expect_failed(f, UV_EAGAIN, "connect", &peer);
    end_silence(&silent);
    tests_directory_remove(place.directory);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, attempt_set_up, attempt_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_local_port_is_bound),
        TEST(a_local_port_is_bound_for_a_peer_of_ipv6_too),
        TEST(a_local_port_is_not_refused_after_its_last_connection),
        TEST(a_local_port_on_which_somebody_listens_is_in_use),
        TEST(a_local_port_on_which_somebody_listens_is_in_use_with_ipv6),
        TEST(with_a_local_address_only_its_family_is_tried),
        TEST(a_connection_with_itself_is_a_refusal),
        TEST(a_connection_with_itself_is_a_refusal_with_ipv6),
        TEST(a_unix_socket_is_connected_later_too),
        TEST(an_abstract_name_is_connected),
        TEST(the_longest_abstract_name_is_connected),
        TEST(a_path_where_nobody_listens_fails_later),
        TEST(a_unix_listener_with_a_full_queue_is_eagain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
