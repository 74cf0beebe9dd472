/*
 * Workers that accept for themselves: from one descriptor, and from descriptors of their own. Whatever the way, each
 * connection is served while a server is there, and limits are exact.
 */
#include "fault.h"
#include "helpers.h"
#include "sharers.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define CONNECTIONS 240

/* All that share listen in that way. */
static void
set_up_all(enum tr_accept_mode mode)
{
    for (unsigned i = 0; i < SHARERS; i++)
        sharers[i].listen.accept = mode;
}

static int
set_up_shared_fd(void **state)
{
    sharers_set_up(state);
    set_up_all(TR_ACCEPT_SHARED_FD);
    return 0;
}

static int
set_up_reuseport(void **state)
{
    sharers_set_up(state);
    set_up_all(TR_ACCEPT_REUSEPORT);
    return 0;
}

/* One server has all workers. */
static void
listen_on_all_workers(void)
{
    sharers[0].server.own_worker = false;
    sharers[0].stays = true;
    assert_int_equal(sharers_listen(0), TR_OK);
}

static void
each_connection_is_served(void **state)
{
    (void)state;
    int fds[CONNECTIONS];
    listen_on_all_workers();
    for (unsigned i = 0; i < CONNECTIONS; i++)
        fds[i] = sharers_connect();
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        assert_int_equal(sharers_hear(fds[i]), '0');
        close(fds[i]);
    }
    sharers_close(0);
    assert_int_equal(sharers_count(&sharers[0].begun), CONNECTIONS);
    assert_int_equal(tests_peer_connect(sharers[0].address.port), -1);
}

static uint64_t dealt[3];

static void
read_dealt(tr_actor *self, void *argument)
{
    (void)self;
    assert_int_equal(tr_server_dealt(((struct sharer *)argument)->handle, dealt, 3), 3);
}

/* A worker that has an eighth and 32 more than the mean lets the others go first. */
static void
from_one_descriptor_no_worker_gets_much_more_than_the_others(void **state)
{
    (void)state;
    int fds[CONNECTIONS];
    listen_on_all_workers();
    for (unsigned i = 0; i < CONNECTIONS; i++)
        fds[i] = sharers_connect();
    for (unsigned i = 0; i < CONNECTIONS; i++)
        assert_int_equal(sharers_hear(fds[i]), '0');
    sharers_with(0, read_dealt);
    assert_int_equal(dealt[0] + dealt[1] + dealt[2], CONNECTIONS);
    for (unsigned i = 0; i < 3; i++)
        assert_true(dealt[i] <= CONNECTIONS / 3 * 9 / 8 + 33);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    sharers_close(0);
}

static void
servers_come_and_go_and_each_connection_is_served(void **state)
{
    (void)state;
    sharers_come_and_go();
}

static void
a_server_has_exactly_as_many_connections_as_it_may(void **state)
{
    (void)state;
    int fds[CONNECTIONS];
    unsigned served = 0;
    sharers[0].server.max_connections = 7;
    listen_on_all_workers();
    for (unsigned i = 0; i < CONNECTIONS; i++)
        fds[i] = sharers_connect();
    for (unsigned i = 0; i < CONNECTIONS; i++)
        served += sharers_hear(fds[i]) == '0';
    assert_int_equal(served, 7);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    sharers_close(0);
}

static void
a_paused_server_accepts_nothing(void **state)
{
    (void)state;
    int fds[9];
    listen_on_all_workers();
    sharers_pause(0);
    hands_settle();
    for (unsigned i = 0; i < 9; i++)
        fds[i] = sharers_connect();
    hands_settle();
    assert_int_equal(sharers_count(&sharers[0].begun), 0);
    sharers_resume(0);
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(sharers_hear(fds[i]), '0');
        close(fds[i]);
    }
    sharers_close(0);
}

static bool
all_have_begun(void *argument)
{
    (void)argument;
    return sharers_count(&sharers[0].begun) == CONNECTIONS;
}

/* Nobody waits for a worker whose server is paused. */
static void
one_that_is_far_ahead_goes_on_if_the_others_take_nothing(void **state)
{
    (void)state;
    int fds[CONNECTIONS];
    for (unsigned i = 0; i < 2; i++) {
        sharers[i].stays = true;
        assert_int_equal(sharers_listen(i), TR_OK);
    }
    sharers_pause(1);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        fds[i] = sharers_connect();
    assert_true(tests_wait_until(all_have_begun, NULL, TESTS_LIMIT_MS)); /* all are open */
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        assert_int_equal(sharers_hear(fds[i]), '0');
        close(fds[i]);
    }
    sharers_close(0);
    sharers_close(1);
}

static bool
was_told(void *argument)
{
    (void)argument;
    return sharers_count(&sharers[0].settled) > 1;
}

static void
a_worker_that_has_no_descriptors_goes_on_when_it_has_and_the_server_is_told(void **state)
{
    (void)state;
    listen_on_all_workers();
    fault_plan(FAULT_ACCEPT, 1, 1, EMFILE);
    int fd = sharers_connect();
    assert_int_equal(sharers_hear(fd), '0');
    assert_true(tests_wait_until(was_told, NULL, TESTS_LIMIT_MS));
    assert_int_equal(sharers[0].status, TR_EMFILE);
    fault_clear();
    close(fd);
    sharers_close(0);
}

/* Somebody else's group. */
static void
an_address_where_others_have_a_group_is_in_use(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    sharers[0].listen.port = ntohs(address.sin_port);
    assert_int_equal(sharers_listen(0), TR_EADDRINUSE);
    close(fd);
}

static void
whoever_shares_accepts_in_the_same_way(void **state)
{
    (void)state;
    assert_int_equal(sharers_listen(0), TR_OK);
    sharers[1].listen.accept = TR_ACCEPT_HANDOFF;
    assert_int_equal(sharers_listen(1), TR_EACCEPTDIFFERS);
    sharers_close(0);
}

static void
only_tcp_has_groups_and_there_are_three_ways(void **state)
{
    (void)state;
    sharers[0].listen = (struct tr_listen_options){.path = "/tmp/x", .accept = TR_ACCEPT_REUSEPORT};
    assert_int_equal(sharers_listen(0), TR_ENOTSUPPORTED);
    sharers[1].listen = (struct tr_listen_options){.from_fd = true, .fd = 0, .accept = TR_ACCEPT_REUSEPORT};
    assert_int_equal(sharers_listen(1), TR_ENOTSUPPORTED);
    sharers[2].listen.accept = (enum tr_accept_mode)(TR_ACCEPT_REUSEPORT + 1);
    sharers[2].listen.any_port = true;
    assert_int_equal(sharers_listen(2), TR_EINVAL);
}

#define SHARED(name) cmocka_unit_test_setup_teardown(name, set_up_shared_fd, sharers_tear_down)
#define OWN(name) cmocka_unit_test_setup_teardown(name, set_up_reuseport, sharers_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SHARED(each_connection_is_served),
        OWN(each_connection_is_served),
        SHARED(from_one_descriptor_no_worker_gets_much_more_than_the_others),
        SHARED(servers_come_and_go_and_each_connection_is_served),
        OWN(servers_come_and_go_and_each_connection_is_served),
        SHARED(a_server_has_exactly_as_many_connections_as_it_may),
        OWN(a_server_has_exactly_as_many_connections_as_it_may),
        SHARED(a_paused_server_accepts_nothing),
        OWN(a_paused_server_accepts_nothing),
        SHARED(one_that_is_far_ahead_goes_on_if_the_others_take_nothing),
        SHARED(a_worker_that_has_no_descriptors_goes_on_when_it_has_and_the_server_is_told),
        OWN(a_worker_that_has_no_descriptors_goes_on_when_it_has_and_the_server_is_told),
        OWN(an_address_where_others_have_a_group_is_in_use),
        SHARED(whoever_shares_accepts_in_the_same_way),
        OWN(whoever_shares_accepts_in_the_same_way),
        OWN(only_tcp_has_groups_and_there_are_three_ways),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
