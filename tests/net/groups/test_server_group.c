/*
 * The connections of a server as a group.
 */
#include "hands.h"
#include "helpers.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <troupe/actors/group.h>
#include <troupe/net/server.h>

enum { PEERS = 40 };

static int peers[PEERS];
static unsigned begun;
static tr_ref server;
static tr_group *group;

static void
on_connection(tr_socket *socket)
{
    (void)socket;
    ck_pr_inc_uint(&begun);
}

static bool
have_begun(void *count)
{
    return ck_pr_load_uint(&begun) == *(unsigned *)count;
}

static tr_ref
listen_on(uint16_t *port)
{
    struct tr_server_options options = {.connection = on_connection};
    struct tr_listen_options listen = {.host = "127.0.0.1", .any_port = true};
    struct tr_address at;
    tr_ref ref;
    assert_int_equal(tr_runtime_listen(hands_runtime, &options, &listen, &ref, &at), TR_OK);
    *port = at.port;
    return ref;
}

/* One that has connections, and another one whose connections are none of its business. */
static int
open_both(uint16_t *other_port)
{
    uint16_t port;
    unsigned count = PEERS + 1;
    begun = 0;
    server = listen_on(&port);
    listen_on(other_port);
    for (unsigned i = 0; i < PEERS; i++)
        peers[i] = tests_peer_connect(port);
    int other = tests_peer_connect(*other_port);
    assert_true(tests_wait_until(have_begun, &count, TESTS_LIMIT_MS));
    assert_int_equal(tr_group_of_server(hands_runtime, server, &group), TR_OK);
    return other;
}

static void
stop_server(tr_actor *self, void *argument)
{
    tr_stop(self, *(tr_ref *)argument, TR_STOP_NOW);
}

static bool
has_count(void *count)
{
    return tr_group_count(group) == *(size_t *)count;
}

static void
await_count(size_t count)
{
    assert_true(tests_wait_until(has_count, &count, TESTS_LIMIT_MS));
}

static void
publish(tr_actor *self, void *argument)
{
    tr_message message = tr_message_copy(1, "to all of you", 13);
    (void)argument;
    assert_int_equal(tr_group_publish(self, group, &message), TR_OK);
}

static struct tr_group_members listed;
static struct tally lists;

static void
take_list(tr_actor *self, tr_message *message)
{
    (void)self;
    if (message->tag != TR_TAG_GROUP_MEMBERS)
        return;
    listed = *(const struct tr_group_members *)tr_message_data(message);
    tally_add(&lists, 1);
}

static void
ask_list(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_group_list(self, group, 3), TR_OK);
    assert_true(tr_group_local(self, group, NULL, 0) > 0);
}

static void
refuse_members(tr_actor *self, void *argument)
{
    tr_group_watch watch;
    (void)argument;
    assert_int_equal(tr_group_join(self, group), TR_ENOTSUPPORTED);
    assert_int_equal(tr_group_add(self, tr_self(self), group), TR_ENOTSUPPORTED);
    assert_int_equal(tr_group_remove(self, tr_self(self), group), TR_ENOTSUPPORTED);
    assert_int_equal(tr_group_watch_start(self, group, &watch), TR_ENOTSUPPORTED);
    assert_int_equal(tr_group_leave(self, group), TR_EGONE);
}

static void
close_peers(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        close(peers[i]);
}

static void
all_connections_of_a_server_are_told_counted_and_listed(void **state)
{
    (void)state;
    char text[16];
    uint16_t other_port;
    hands_open(2);
    hands_receive = take_list;
    int other = open_both(&other_port);
    assert_int_equal(tr_group_count(group), PEERS);
    on_worker(1, publish, NULL);
    for (unsigned i = 0; i < PEERS; i++) {
        assert_int_equal(tests_peer_receive(peers[i], text, 13), 13);
        assert_memory_equal(text, "to all of you", 13);
    }
    tr_message message = tr_message_copy(1, "!", 1);
    assert_int_equal(tr_runtime_publish(hands_runtime, group, &message), TR_OK);
    for (unsigned i = 0; i < PEERS; i++) {
        assert_int_equal(tests_peer_receive(peers[i], text, 1), 1);
        assert_int_equal(text[0], '!');
    }
    lists = (struct tally){0};
    on_worker(0, ask_list, NULL);
    tally_await(&lists, 1);
    assert_int_equal(listed.count, PEERS);
    close_peers(0, PEERS / 2);
    await_count(PEERS / 2);
    on_worker(0, refuse_members, NULL);
    close_peers(PEERS / 2, PEERS);
    await_count(0);
    tr_group_release(group);
    hands_receive = NULL;
    close(other);
    hands_close();
}

static void
a_server_that_is_gone_has_no_group_and_a_group_outlives_its_server(void **state)
{
    (void)state;
    uint16_t other_port;
    tr_group *none;
    hands_open(2);
    int other = open_both(&other_port);
    on_worker(0, stop_server, &server);
    close_peers(0, PEERS);
    await_count(0);
    on_worker(0, publish, NULL); /* to nobody */
    tr_group_release(group);
    assert_int_equal(tr_group_of_server(hands_runtime, hands[0], &none), TR_EGONE);
    assert_int_equal(tr_group_of_server(hands_runtime, TR_NOBODY, &none), TR_EBADREF);
    assert_int_equal(tr_group_of_server(hands_runtime, UINT64_C(9) << 24 | 1, &none), TR_EBADREF);
    assert_int_equal(tr_group_of_server(NULL, server, &none), TR_EINVAL);
    assert_int_equal(tr_group_of_server(hands_runtime, server, NULL), TR_EINVAL);
    close(other);
    hands_close();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_connections_of_a_server_are_told_counted_and_listed),
        cmocka_unit_test(a_server_that_is_gone_has_no_group_and_a_group_outlives_its_server),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
