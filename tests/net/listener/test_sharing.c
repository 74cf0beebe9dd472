/*
 * Servers of different workers that listen on one address: who shares, who is refused, and who gets the connections.
 */
#include "helpers.h"
#include "server_state.h"
#include "sharers.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/ipaddr/block_list.h>

#define CONNECTIONS 30

/* Connects so often, and counts who has answered. */
static void
count_answers(unsigned n, unsigned counts[SHARERS])
{
    int fds[CONNECTIONS];
    memset(counts, 0, SHARERS * sizeof(*counts));
    for (unsigned i = 0; i < n; i++)
        fds[i] = sharers_connect();
    for (unsigned i = 0; i < n; i++) {
        char number = sharers_hear(fds[i]);
        assert_in_range(number, '0', '0' + SHARERS - 1);
        counts[number - '0']++;
    }
    for (unsigned i = 0; i < n; i++)
        close(fds[i]);
}

static void
expect_answers(unsigned n, unsigned first, unsigned second, unsigned third)
{
    unsigned counts[SHARERS], expected[SHARERS] = {first, second, third};
    count_answers(n, counts);
    assert_memory_equal(counts, expected, sizeof(counts));
}

static void
listen_all(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(sharers_listen(i), TR_OK);
}

static void
close_all(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        sharers_close(i);
}

/* Who shares. */

static void
servers_of_different_workers_share_a_port_that_the_system_chose(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        sharers[i].stays = true;
        sharers[i].listen.any_port = true;
    }
    listen_all(3);
    assert_int_equal(sharers[1].address.port, sharers[0].address.port);
    assert_int_equal(sharers[2].address.port, sharers[0].address.port);
    expect_answers(CONNECTIONS, 10, 10, 10);
    close_all(3);
}

static void
a_port_that_the_system_chose_can_be_named(void **state)
{
    (void)state;
    sharers[0].stays = sharers[1].stays = true;
    listen_all(2);
    expect_answers(10, 5, 5, 0);
    close_all(2);
}

static void
the_first_may_leave_and_the_others_go_on(void **state)
{
    (void)state;
    listen_all(3);
    sharers_close(0);
    unsigned counts[SHARERS];
    count_answers(CONNECTIONS, counts);
    assert_int_equal(counts[0], 0);
    assert_int_equal(counts[1] + counts[2], CONNECTIONS);
    sharers_close(1);
    expect_answers(4, 0, 0, 4);
    sharers_close(2);
    assert_int_equal(tests_peer_connect(sharers[0].address.port), -1);
}

static void
when_all_have_left_the_address_is_free(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        listen_all(3);
        for (unsigned i = 0; i < 3; i++)
            sharers_close((round + i) % 3);
        sharers[3].worker = round % 3;
        sharers[3].listen.exclusive = true;
        assert_int_equal(sharers_listen(3), TR_OK);
        assert_int_equal(sharers[3].address.port, sharers[0].address.port);
        sharers_close(3);
    }
}

/* Who is refused. */

static void
expect_refusal(unsigned i, tr_status status, const char *call)
{
    assert_int_equal(sharers_listen(i), status);
    assert_string_equal(sharers[i].call, call);
}

static void
who_wants_an_address_alone_has_it_alone(void **state)
{
    (void)state;
    listen_all(1);
    sharers[1].listen.exclusive = true;
    expect_refusal(1, TR_EADDRINUSE, "bind");
    sharers_close(0);
    sharers[1].listen.port = sharers[0].address.port;
    assert_int_equal(sharers_listen(1), TR_OK);
    expect_refusal(2, TR_EADDRINUSE, "bind");
    sharers_close(1);
    assert_int_equal(sharers_listen(2), TR_OK);
    sharers_close(2);
}

static void
who_wants_a_port_alone_gets_another_from_the_system(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        sharers[i].listen.any_port = true;
    sharers[1].listen.exclusive = true;
    listen_all(3);
    assert_int_not_equal(sharers[1].address.port, sharers[0].address.port);
    assert_int_equal(sharers[2].address.port, sharers[0].address.port);
    close_all(3);
}

/* As in Node's cluster. */
static void
the_nth_server_of_a_worker_shares_a_port_of_the_systems_with_the_nth_of_the_others(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SHARERS; i++)
        sharers[i].listen.any_port = true;
    sharers[2].worker = 1;
    assert_int_equal(sharers_listen(0), TR_OK);
    assert_int_equal(sharers_listen(3), TR_OK); /* of the same worker */
    assert_int_equal(sharers_listen(1), TR_OK);
    assert_int_equal(sharers_listen(2), TR_OK);
    uint16_t first = sharers[0].address.port, second = sharers[3].address.port;
    assert_int_not_equal(first, second);
    assert_int_equal(sharers[1].address.port, first);
    assert_int_equal(sharers[2].address.port, second);
    sharers_close(1);
    assert_int_equal(sharers_listen(1), TR_OK); /* it has been there */
    assert_int_not_equal(sharers[1].address.port, first);
    assert_int_not_equal(sharers[1].address.port, second);
    sharers_close(1);
    sharers_close(2);
    assert_int_equal(sharers_listen(1), TR_OK); /* it has no other */
    assert_int_equal(sharers[1].address.port, first);
    sharers_close(0);
    sharers_close(1);
    sharers_close(3);
}

static void
a_worker_has_an_address_once(void **state)
{
    (void)state;
    listen_all(1);
    expect_refusal(3, TR_EADDRINUSE, "bind");
    sharers[3].listen.port = 0;
    sharers[3].listen.any_port = true;
    assert_int_equal(sharers_listen(3), TR_OK);
    assert_int_not_equal(sharers[3].address.port, sharers[0].address.port);
    sharers_close(3);
    sharers_close(0);
}

static void
it_is_the_workers_of_the_connections_that_count(void **state)
{
    (void)state;
    static const unsigned first_two[] = {0, 1}, last_two[] = {1, 2}, last[] = {2};
    sharers[0].server.own_worker = sharers[1].server.own_worker = sharers[2].server.own_worker = false;
    sharers[0].server.workers = first_two;
    sharers[0].server.worker_count = 2;
    sharers[1].server.workers = last_two;
    sharers[1].server.worker_count = 2;
    sharers[2].server.workers = last;
    sharers[2].server.worker_count = 1;
    sharers[0].stays = sharers[2].stays = true;
    sharers[2].worker = 0; /* it lives where the first does */
    listen_all(1);
    expect_refusal(1, TR_EADDRINUSE, "bind");
    assert_int_equal(sharers_listen(2), TR_OK);
    expect_answers(CONNECTIONS, 20, 0, 10);
    sharers_close(0);
    sharers_close(2);
}

/* What they must agree on. */

static void
whoever_shares_has_the_same_backlog(void **state)
{
    (void)state;
    listen_all(1);
    sharers[1].listen.backlog = 7;
    expect_refusal(1, TR_EBACKLOGDIFFERS, "listen");
    sharers[2].listen.backlog = TR_BACKLOG_DEFAULT;
    assert_int_equal(sharers_listen(2), TR_OK);
    sharers_close(0);
    sharers_close(2);
}

static void
whoever_shares_takes_ipv4_or_does_not(void **state)
{
    (void)state;
    sharers[0].listen.host = sharers[1].listen.host = "::";
    listen_all(1);
    sharers[1].listen.ipv6_only = true;
    expect_refusal(1, TR_EIPV6ONLYDIFFERS, "listen");
    sharers_close(0);
}

static void
whoever_shares_balances_in_the_same_way(void **state)
{
    (void)state;
    listen_all(1);
    sharers[1].server.balance = tr_balance_round_robin;
    expect_refusal(1, TR_EBALANCEDIFFERS, "listen");
    sharers[2].server.balance = tr_balance_least_loaded; /* which is the default */
    assert_int_equal(sharers_listen(2), TR_OK);
    sharers_close(0);
    sharers_close(2);
}

static char directory[] = "/tmp/troupe-sharing-XXXXXX";
static char path[80];

static void
listen_on_path(unsigned i)
{
    sharers[i].listen = (struct tr_listen_options){.path = path, .any_port = true};
}

static int
connect_to_path(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = TESTS_LIMIT_MS / 1000};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void
a_path_is_shared_and_its_file_stays_until_the_last_has_left(void **state)
{
    (void)state;
    struct stat file;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/s", directory);
    for (unsigned i = 0; i < 3; i++)
        listen_on_path(i);
    listen_all(2);
    sharers[2].listen.writable_all = true;
    expect_refusal(2, TR_ERIGHTSDIFFER, "listen");
    sharers[3].listen = (struct tr_listen_options){.path = path, .readable_all = true, .any_port = true};
    sharers[3].worker = 2;
    expect_refusal(3, TR_ERIGHTSDIFFER, "listen");
    sharers_close(0);
    assert_int_equal(lstat(path, &file), 0);
    int fd = connect_to_path();
    assert_int_equal(sharers_hear(fd), '1');
    close(fd);
    sharers_close(1);
    assert_int_equal(lstat(path, &file), -1);
    assert_int_equal(rmdir(directory), 0);
}

static void
a_descriptor_is_shared_by_its_number(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    for (unsigned i = 0; i < SHARERS; i++)
        sharers[i].listen = (struct tr_listen_options){.from_fd = true, .fd = fd, .any_port = true};
    sharers[0].stays = sharers[1].stays = true;
    listen_all(2);
    sharers[2].listen.exclusive = true;
    expect_refusal(2, TR_EADDRINUSE, "bind");
    assert_int_equal(sharers_listen(3), TR_EEXIST);
    expect_answers(10, 5, 5, 0);
    close_all(2);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* it went with the last */
}

/* Limits are each server's own. */

static void
read_refusals(tr_actor *self, void *argument)
{
    struct sharer *sharer = argument;
    struct tr_server_refusals refusals;
    (void)self;
    tr_server_refusals(sharer->handle, &refusals);
    sharer->refusals = (unsigned)(refusals.over_limit * 100 + refusals.blocked * 10 + refusals.over_address);
}

static void
what_a_full_server_refuses_the_others_get(void **state)
{
    (void)state;
    int fds[7];
    for (unsigned i = 0; i < 3; i++) {
        sharers[i].stays = true;
        sharers[i].server.max_connections = i + 1;
    }
    listen_all(3);
    unsigned answers[SHARERS] = {0}, nobody = 0;
    for (unsigned i = 0; i < 7; i++) {
        fds[i] = sharers_connect();
        char number = sharers_hear(fds[i]);
        if (number != 0)
            answers[number - '0']++;
        else
            nobody++;
    }
    assert_int_equal(answers[0], 1);
    assert_int_equal(answers[1], 2);
    assert_int_equal(answers[2], 3);
    assert_int_equal(nobody, 1);
    unsigned refusals = 0;
    for (unsigned i = 0; i < 3; i++) {
        sharers_with(i, read_refusals);
        refusals += sharers[i].refusals;
    }
    assert_int_equal(refusals, 100); /* counted once, by one of them */
    for (unsigned i = 0; i < 7; i++)
        close(fds[i]);
    close_all(3);
}

static void
block_loopback(tr_actor *self, void *argument)
{
    struct tr_block_list *list;
    (void)self;
    assert_int_equal(tr_block_list_new(&list), TR_OK);
    assert_int_equal(tr_block_list_add_text(list, "127.0.0.0/8"), TR_OK);
    assert_int_equal(tr_server_set_block_list(((struct sharer *)argument)->handle, list), TR_OK);
    tr_block_list_release(list);
}

static enum tri_admission admission;

/* As if nobody had asked for the peer when it was accepted: the list came in between. */
static void
admit_without_peer(tr_actor *self, void *argument)
{
    struct tri_deal *deal = ((struct sharer *)argument)->handle->deal;
    struct tri_admission_word word;
    uint16_t port;
    int listener = tests_peer_listen(&port), fd = tests_peer_connect(port);
    struct tri_arrival arrival = {.fd = tests_peer_accept(listener)};
    (void)self;
    admission = tri_deal_admit(deal, NULL, &arrival, &word);
    assert_int_equal(word.reason, TRI_REJECT_BLOCKED);
    close(arrival.fd);
    close(fd);
    close(listener);
}

static void
who_is_blocked_since_he_was_accepted_is_refused(void **state)
{
    (void)state;
    listen_all(1);
    sharers_with(0, block_loopback);
    sharers_with(0, admit_without_peer);
    assert_int_equal(admission, TRI_ADMISSION_REFUSED);
    sharers_close(0);
}

static void
whom_one_server_blocks_the_others_serve(void **state)
{
    (void)state;
    sharers[1].stays = sharers[2].stays = true;
    listen_all(3);
    sharers_with(0, block_loopback);
    expect_answers(CONNECTIONS, 0, 15, 15);
    sharers_with(1, block_loopback);
    sharers_with(2, block_loopback);
    int fd = sharers_connect();
    assert_int_equal(sharers_hear(fd), 0);
    close(fd);
    close_all(3);
}

static void
while_one_is_paused_the_others_get_all_and_while_all_are_nobody_does(void **state)
{
    (void)state;
    sharers[1].stays = sharers[2].stays = true;
    listen_all(3);
    sharers_pause(0);
    expect_answers(10, 0, 5, 5);
    sharers_pause(1);
    sharers_pause(2);
    hands_settle();
    int fd = sharers_connect(); /* it waits in the backlog */
    hands_settle();
    assert_int_equal(recv(fd, &(char){0}, 1, MSG_DONTWAIT), -1);
    sharers_resume(1);
    assert_int_equal(sharers_hear(fd), '1');
    close(fd);
    close_all(3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, sharers_set_up, sharers_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(servers_of_different_workers_share_a_port_that_the_system_chose),
        TEST(a_port_that_the_system_chose_can_be_named),
        TEST(the_first_may_leave_and_the_others_go_on),
        TEST(when_all_have_left_the_address_is_free),
        TEST(who_wants_an_address_alone_has_it_alone),
        TEST(who_wants_a_port_alone_gets_another_from_the_system),
        TEST(the_nth_server_of_a_worker_shares_a_port_of_the_systems_with_the_nth_of_the_others),
        TEST(a_worker_has_an_address_once),
        TEST(it_is_the_workers_of_the_connections_that_count),
        TEST(whoever_shares_has_the_same_backlog),
        TEST(whoever_shares_takes_ipv4_or_does_not),
        TEST(whoever_shares_balances_in_the_same_way),
        TEST(a_path_is_shared_and_its_file_stays_until_the_last_has_left),
        TEST(a_descriptor_is_shared_by_its_number),
        TEST(what_a_full_server_refuses_the_others_get),
        TEST(who_is_blocked_since_he_was_accepted_is_refused),
        TEST(whom_one_server_blocks_the_others_serve),
        TEST(while_one_is_paused_the_others_get_all_and_while_all_are_nobody_does),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
