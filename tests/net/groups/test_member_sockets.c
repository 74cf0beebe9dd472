/*
 * Sockets as members of groups.
 */
#include "bytes.h"
#include "counters.h"
#include "hands.h"
#include "helpers.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <troupe/actors/group.h>
#include <troupe/net/remote.h>

enum { MOST = 10000 };

static tr_group *group;
static int peers[MOST];
static tr_ref sockets[MOST];
static unsigned errors, closes, frees;
static int last_error;

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    (void)socket;
    ck_pr_store_int(&last_error, error->status);
    ck_pr_inc_uint(&errors);
}

static void
on_close(tr_socket *socket, bool had_error)
{
    (void)socket;
    (void)had_error;
    ck_pr_inc_uint(&closes);
}

static const struct tr_socket_events events = {.error = on_error, .close = on_close};

struct opening {
    unsigned from, step, count;
    struct tr_socket_options options;
    bool by_itself; /* it joins; else it is added */
};

static void
open_sockets(tr_actor *self, void *argument)
{
    const struct opening *opening = argument;
    for (unsigned i = opening->from; i < opening->count; i += opening->step) {
        int fds[2];
        int send_bytes = 4096; /* the kernel takes little: what is more waits here */
        tr_socket *socket;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(send_bytes)), 0);
        assert_int_equal(tr_socket_adopt(self, fds[0], TR_READABLE | TR_WRITABLE, &opening->options, &socket), TR_OK);
        peers[i] = fds[1];
        sockets[i] = tr_socket_ref(socket);
        if (opening->by_itself)
            assert_int_equal(tr_group_join(tr_socket_actor(socket), group), TR_OK);
    }
}

/* Every second on worker 1. */
static void
open_all(unsigned count, uint32_t write_limit, bool by_itself)
{
    errors = closes = frees = 0;
    assert_int_equal(tr_group_open(hands_runtime, NULL, NULL, &group), TR_OK);
    for (unsigned i = 0; i < 2; i++) {
        struct opening opening = {.from = i, .step = 2, .count = count, .by_itself = by_itself};
        opening.options = (struct tr_socket_options){.events = &events, .write_limit = write_limit};
        on_worker(i, open_sockets, &opening);
    }
}

static void
add_all(tr_actor *self, void *count)
{
    for (unsigned i = 0; i < *(unsigned *)count; i++)
        assert_int_equal(tr_group_add(self, sockets[i], group), TR_OK);
}

static void
end_all(tr_actor *self, void *count)
{
    for (unsigned i = 0; i < *(unsigned *)count; i++)
        tr_remote_destroy(self, sockets[i], TR_OK);
}

static bool
are_closed(void *count)
{
    return ck_pr_load_uint(&closes) == *(unsigned *)count && tr_group_count(group) == 0;
}

static void
close_all(unsigned count)
{
    on_worker(0, end_all, &count);
    assert_true(tests_wait_until(are_closed, &count, TESTS_LIMIT_MS));
    for (unsigned i = 0; i < count; i++)
        close(peers[i]);
    tr_group_release(group);
}

static void
publish(tr_actor *self, void *argument)
{
    assert_int_equal(tr_group_publish(self, group, argument), TR_OK);
}

static void
expect_bytes(unsigned peer, const void *data, size_t size)
{
    char read[4096];
    for (size_t at = 0; at < size;) {
        size_t part = size - at < sizeof(read) ? size - at : sizeof(read);
        assert_int_equal(tests_peer_receive(peers[peer], read, part), part);
        assert_memory_equal(read, (const char *)data + at, part);
        at += part;
    }
}

static void
count_free(void *address)
{
    free(address);
    ck_pr_inc_uint(&frees);
}

static tr_message
slice_message(const void *data, size_t size)
{
    tr_slice slice;
    void *copy = malloc(size);
    memcpy(copy, data, size);
    assert_int_equal(tr_slice_adopt(copy, size, count_free, &slice), TR_OK);
    return tr_message_slice(77, slice);
}

static void
what_is_published_is_written_to_the_sockets_that_are_members(void **state)
{
    (void)state;
    hands_open(2);
    open_all(6, 0, true);
    char text[1000];
    bytes_fill(text, sizeof(text), 1, 0);
    tr_message message = slice_message(text, sizeof(text)), small = tr_message_copy(5, "in the message", 14);
    on_worker(0, publish, &message);
    on_worker(0, publish, &small);
    assert_int_equal(tr_group_count(group), 6);
    for (unsigned i = 0; i < 6; i++) {
        expect_bytes(i, text, sizeof(text));
        expect_bytes(i, "in the message", 14);
    }
    close_all(6);
    assert_int_equal(frees, 1);
    assert_int_equal(errors, 0);
    hands_close();
}

static void
raise_limit(void)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* How many sockets the descriptors allow: two of each. */
static unsigned
how_many(void)
{
    struct rlimit limit;
    raise_limit();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    return limit.rlim_cur > 2 * MOST + 200 ? MOST : (unsigned)(limit.rlim_cur - 200) / 2;
}

/* The peers read nothing at first, so that bytes wait for all of them at once: copies for each would be 1.3 GB. */
static void
ten_thousand_sockets_hold_one_buffer(void **state)
{
    (void)state;
    enum { SIZE = 65536 };
    static char text[SIZE];
    unsigned count = how_many();
    hands_open(2);
    open_all(count, 0, false);
    on_worker(1, add_all, &count);
    hands_settle();
    assert_int_equal(tr_group_count(group), count);
    bytes_fill(text, SIZE, 3, 0);
    tr_message first = slice_message(text, SIZE), second = slice_message(text, SIZE);
    size_t before = tests_allocated();
    on_worker(0, publish, &first);
    on_worker(0, publish, &second);
    hands_settle();
    assert_int_equal(ck_pr_load_uint(&frees), 0);
    assert_true(tests_allocated() - before < (size_t)count * SIZE / 64);
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < count; i++)
            expect_bytes(i, text, SIZE);
    close_all(count);
    assert_int_equal(frees, 2);
    assert_int_equal(errors, 0);
    hands_close();
}

static void
fill_and_publish(tr_actor *self, void *argument)
{
    (void)argument;
    static const char text[60000];
    for (unsigned i = 0; i < 20; i++) {
        tr_message message = slice_message(text, sizeof(text));
        assert_int_equal(tr_group_publish(self, group, &message), TR_OK);
    }
}

static bool
has_errors(void *count)
{
    return ck_pr_load_uint(&errors) == *(unsigned *)count && ck_pr_load_uint(&closes) == *(unsigned *)count;
}

static void
a_socket_at_its_write_limit_is_destroyed_with_that_error_and_is_no_member_any_more(void **state)
{
    (void)state;
    unsigned two = 2;
    hands_open(2);
    open_all(2, 100000, true);
    on_worker(0, fill_and_publish, NULL); /* nobody reads */
    assert_true(tests_wait_until(has_errors, &two, TESTS_LIMIT_MS));
    assert_int_equal(last_error, TR_EQUEUELIMIT);
    close_all(2);
    assert_int_equal(frees, 20);
    hands_close();
}

static void
end_side(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_remote_write(self, sockets[0], tr_slice_constant("last words", 10)), TR_OK);
    assert_int_equal(tr_remote_end(self, sockets[0]), TR_OK);
}

static void
what_comes_after_the_end_of_a_sockets_side_is_a_dead_letter(void **state)
{
    (void)state;
    hands_open(2);
    open_all(1, 0, true);
    on_worker(0, end_side, NULL);
    tr_message message = tr_message_copy(1, "late", 4);
    on_worker(0, publish, &message);
    tests_counters_await_dead(hands_runtime, 1);
    expect_bytes(0, "last words", 10);
    assert_true(tests_peer_at_end(peers[0]));
    assert_int_equal(errors, 0);
    close_all(1);
    hands_close();
}

/* In one callback of an actor on each worker: a write, a membership, a publish, a write. */
static void
write_join_and_publish(tr_actor *self, void *argument)
{
    unsigned count = *(unsigned *)argument;
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(tr_remote_write(self, sockets[i], tr_slice_constant("a", 1)), TR_OK);
        assert_int_equal(tr_group_add(self, sockets[i], group), TR_OK);
    }
    tr_message message = tr_message_copy(1, "b", 1);
    assert_int_equal(tr_group_publish(self, group, &message), TR_OK);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(tr_remote_write(self, sockets[i], tr_slice_constant("c", 1)), TR_OK);
}

static void
who_adds_a_socket_publishes_to_it_at_once_and_in_the_order_of_its_writes(void **state)
{
    (void)state;
    unsigned count = 8;
    hands_open(2);
    open_all(count, 0, false);
    for (unsigned i = 0; i < 200; i++) {
        on_worker(i % 2, write_join_and_publish, &count);
        for (unsigned k = 0; k < count; k++)
            expect_bytes(k, "abc", 3);
    }
    close_all(count);
    hands_close();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_published_is_written_to_the_sockets_that_are_members),
        cmocka_unit_test(ten_thousand_sockets_hold_one_buffer),
        cmocka_unit_test(a_socket_at_its_write_limit_is_destroyed_with_that_error_and_is_no_member_any_more),
        cmocka_unit_test(what_comes_after_the_end_of_a_sockets_side_is_a_dead_letter),
        cmocka_unit_test(who_adds_a_socket_publishes_to_it_at_once_and_in_the_order_of_its_writes),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
