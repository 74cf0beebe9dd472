/*
 * The numbers of accepted connections: whatever worker a connection comes to, it can say which of its server's it is.
 * Peers connect one after the other, on blocking sockets, so the order in which they are accepted is known.
 */
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <troupe/net/remote.h>
#include <troupe/net/server.h>

#define WORKERS 3u
#define PEERS 30u
#define WORD 8 /* a number in digits */

static tr_runtime *runtime;
static unsigned used[WORKERS]; /* connections on each */

static tr_slice
word_of(uint64_t number)
{
    char text[WORD + 1];
    tr_slice slice;
    snprintf(text, sizeof(text), "%08u", (unsigned)number);
    assert_int_equal(tr_slice_copy(text, WORD, &slice), TR_OK);
    return slice;
}

static void
say_number(tr_socket *socket)
{
    tr_slice word = word_of(tr_socket_number(socket));
    ck_pr_inc_uint(&used[tr_ref_worker(tr_socket_ref(socket))]);
    tr_socket_write_slice(socket, word);
    tr_slice_release(word);
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    (void)state;
    if (!tr_event_of(message, &event) || event != TR_EVENT_CONNECTION)
        return;
    tr_slice word = word_of(((const struct tr_connection *)tr_message_data(message))->number);
    ck_pr_inc_uint(&used[tr_ref_worker(message->from)]);
    tr_remote_write(self, message->from, word);
    tr_slice_release(word);
    tr_remote_credit(self, message->from, 1);
}

static uint16_t
serve(struct tr_server_options options)
{
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address bound;
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, &bound), TR_OK);
    return bound.port;
}

static void
expect_numbers(uint16_t port)
{
    int peers[PEERS];
    for (unsigned i = 0; i < PEERS; i++)
        assert_true((peers[i] = tests_peer_connect(port)) >= 0);
    for (unsigned i = 0; i < PEERS; i++) {
        char word[WORD + 1] = "";
        assert_int_equal(tests_peer_receive(peers[i], word, WORD), WORD);
        assert_int_equal(atoi(word), i + 1);
        close(peers[i]);
    }
}

static void
expect_all_workers(void)
{
    for (unsigned worker = 0; worker < WORKERS; worker++)
        assert_true(ck_pr_load_uint(&used[worker]) > 0);
}

static int
start(void **state)
{
    (void)state;
    memset(used, 0, sizeof(used));
    return tr_runtime_start(&(struct tr_runtime_options){.workers = WORKERS}, &runtime) == TR_OK ? 0 : -1;
}

static int
stop(void **state)
{
    (void)state;
    return tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL) == TR_OK ? 0 : -1;
}

static void
connections_on_all_workers_have_the_numbers_in_which_they_came(void **state)
{
    (void)state;
    expect_numbers(serve((struct tr_server_options){.connection = say_number}));
    expect_all_workers();
}

static void
an_owner_is_told_the_numbers(void **state)
{
    static const struct tr_behavior behavior = {.name = "owner", .receive = receive};
    struct tr_server_options options = {.socket.owner.credit = 4};
    (void)state;
    assert_int_equal(tr_runtime_spawn(runtime, &behavior, NULL, &options.socket.owner.actor), TR_OK);
    expect_numbers(serve(options));
    expect_all_workers();
}

static void
each_server_counts_its_own(void **state)
{
    (void)state;
    expect_numbers(serve((struct tr_server_options){.connection = say_number}));
    expect_numbers(serve((struct tr_server_options){.connection = say_number}));
}

struct entry {
    uint16_t port;
    char word[WORD + 1];
};

/* A place is free: the server tells its number. */
static bool
lets_in(void *argument)
{
    struct entry *entry = argument;
    int peer = tests_peer_connect(entry->port);
    assert_true(peer >= 0);
    bool told = tests_peer_receive(peer, entry->word, WORD) == WORD;
    close(peer);
    return told;
}

/* Two are let in at a time; the others leave no gap. */
static void
who_is_turned_away_is_not_counted(void **state)
{
    (void)state;
    uint16_t port = serve((struct tr_server_options){.connection = say_number, .max_connections = 2});
    int peers[3];
    char word[WORD + 1] = "";
    for (unsigned i = 0; i < 3; i++)
        assert_true((peers[i] = tests_peer_connect(port)) >= 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(tests_peer_receive(peers[i], word, WORD), WORD);
        assert_int_equal(atoi(word), i + 1);
    }
    assert_true(tests_peer_receive(peers[2], word, WORD) <= 0);
    for (unsigned i = 0; i < 3; i++)
        close(peers[i]);
    struct entry entry = {.port = port};
    assert_true(tests_wait_until(lets_in, &entry, TESTS_LIMIT_MS));
    assert_int_equal(atoi(entry.word), 3);
}

static void
look(tr_actor *self, void *state, tr_message *message)
{
    tr_socket *socket;
    (void)state;
    (void)message;
    assert_int_equal(tr_socket_spawn(self, NULL, &socket), TR_OK);
    assert_int_equal(tr_socket_number(socket), 0);
    ck_pr_inc_uint(&used[0]);
}

static bool
has_looked(void *argument)
{
    (void)argument;
    return ck_pr_load_uint(&used[0]) > 0;
}

static void
a_socket_that_was_not_accepted_has_none(void **state)
{
    static const struct tr_behavior behavior = {.name = "looks", .receive = look};
    tr_message message = tr_message_signal(1);
    tr_ref actor;
    (void)state;
    assert_int_equal(tr_socket_number(NULL), 0);
    assert_int_equal(tr_runtime_spawn(runtime, &behavior, NULL, &actor), TR_OK);
    assert_int_equal(tr_runtime_send(runtime, actor, &message), TR_OK);
    assert_true(tests_wait_until(has_looked, NULL, TESTS_LIMIT_MS));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(connections_on_all_workers_have_the_numbers_in_which_they_came, start, stop),
        cmocka_unit_test_setup_teardown(an_owner_is_told_the_numbers, start, stop),
        cmocka_unit_test_setup_teardown(each_server_counts_its_own, start, stop),
        cmocka_unit_test_setup_teardown(who_is_turned_away_is_not_counted, start, stop),
        cmocka_unit_test_setup_teardown(a_socket_that_was_not_accepted_has_none, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
