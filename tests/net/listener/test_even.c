/*
 * Connections are spread evenly, by every policy that looks at loads or takes turns: those that come at once, one after
 * the other, over unix sockets, and after a long time in which they came and went.
 */
#include "helpers.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/remote.h>

#define WORKERS 3u
#define CONNECTIONS 1000u
#define CHURN 100000u
#define ENOUGH_MS 20000u /* under a sanitizer it takes long: it is no matter how many they are */

static unsigned open_on[WORKERS]; /* atomic */
static tr_runtime *runtime;
static uint16_t port;
static char directory[] = "/tmp/troupe-even-XXXXXX";
static struct sockaddr_un path = {.sun_family = AF_UNIX};
static int fds[CONNECTIONS];

static const tr_balance_policy policies[] = {tr_balance_least_loaded, tr_balance_round_robin, tr_balance_two_choices};
#define POLICIES (sizeof(policies) / sizeof(policies[0]))

/* Says "hi", and stays until its peer ends. */
static void
on_connection(tr_socket *socket)
{
    ck_pr_inc_uint(&open_on[tr_ref_worker(tr_socket_ref(socket))]);
    tr_socket_write(socket, "hi", 2);
}

static void
on_close(tr_socket *socket, bool had_error)
{
    (void)had_error;
    ck_pr_dec_uint(&open_on[tr_ref_worker(tr_socket_ref(socket))]);
}

static void
serve(tr_balance_policy policy, bool at_path)
{
    static const struct tr_socket_events events = {.close = on_close};
    struct tr_server_options server = {.connection = on_connection, .balance = policy, .socket.events = &events};
    struct tr_listen_options listen = {.backlog = 2 * (int)CONNECTIONS};
    struct tr_address at;
    if (at_path)
        listen.path = path.sun_path;
    else
        listen.host = "127.0.0.1";
    memset(open_on, 0, sizeof(open_on));
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = WORKERS}, &runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(runtime, &server, &listen, NULL, &at), TR_OK);
    port = at.port;
}

static int
connect_one(bool to_path)
{
    if (!to_path)
        return tests_peer_connect(port);
    struct timeval limit = {.tv_sec = TESTS_LIMIT_MS / 1000};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&path, sizeof(path)), 0);
    return fd;
}

static void
hear(int fd)
{
    char word[2];
    assert_int_equal(tests_peer_receive(fd, word, 2), 2);
}

static unsigned
most_open(unsigned *sum)
{
    unsigned most = 0;
    *sum = 0;
    for (unsigned worker = 0; worker < WORKERS; worker++) {
        unsigned open = ck_pr_load_uint(&open_on[worker]);
        most = open > most ? open : most;
        *sum += open;
    }
    return most;
}

static bool
are_open(void *argument)
{
    unsigned sum;
    most_open(&sum);
    return sum == *(const unsigned *)argument;
}

/* The most that a worker has is at most so many percent of the mean. */
static void
expect_even(unsigned percent)
{
    unsigned sum, expected = CONNECTIONS;
    assert_true(tests_wait_until(are_open, &expected, TESTS_LIMIT_MS));
    unsigned most = most_open(&sum);
    print_message("the most is %u of %u on %u workers\n", most, sum, WORKERS);
    assert_true(most * WORKERS * 100 <= sum * percent);
}

static void
end(void)
{
    for (unsigned i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

static void
play(bool at_once, bool at_path)
{
    for (unsigned i = 0; i < POLICIES; i++) {
        serve(policies[i], at_path);
        for (unsigned n = 0; n < CONNECTIONS; n++) {
            fds[n] = connect_one(at_path);
            assert_true(fds[n] >= 0);
            if (!at_once)
                hear(fds[n]);
        }
        expect_even(102);
        end();
    }
}

static void
those_that_come_at_once_are_spread_evenly(void **state)
{
    (void)state;
    play(true, false);
}

static void
those_that_come_one_after_the_other_are_spread_evenly(void **state)
{
    (void)state;
    play(false, false);
}

static void
those_over_unix_sockets_are_spread_evenly(void **state)
{
    (void)state;
    play(true, true);
}

/* Most connections are short, some stay: the place of one in ten is drawn from all, that of the others from a few. */
static void
after_many_have_come_and_gone_they_are_spread_evenly(void **state)
{
    (void)state;
    unsigned seed = 5, done = CONNECTIONS;
    uint64_t enough = tests_now_ns() + ENOUGH_MS * UINT64_C(1000000);
    serve(NULL, false);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        assert_true((fds[i] = tests_peer_connect(port)) >= 0);
    for (; done < CHURN && tests_now_ns() < enough; done++) {
        unsigned drawn = (unsigned)rand_r(&seed), i = drawn % (drawn % 10 == 0 ? CONNECTIONS : CONNECTIONS / 20);
        tests_peer_reset(fds[i]); /* leaves no port behind that waits */
        assert_true((fds[i] = tests_peer_connect(port)) >= 0);
        hear(fds[i]);
    }
    print_message("%u connections\n", done);
    expect_even(110);
    end();
}

static int
set_up(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t wanted = 3 * CONNECTIONS;
    if (limit.rlim_cur < wanted)
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_non_null(mkdtemp(directory));
    snprintf(path.sun_path, sizeof(path.sun_path), "%s/s", directory);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    return rmdir(directory);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_that_come_at_once_are_spread_evenly),
        cmocka_unit_test(those_that_come_one_after_the_other_are_spread_evenly),
        cmocka_unit_test(those_over_unix_sockets_are_spread_evenly),
        cmocka_unit_test(after_many_have_come_and_gone_they_are_spread_evenly),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
