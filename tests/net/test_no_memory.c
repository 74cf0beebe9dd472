/*
 * A socket handles what was sent to it before it goes on to its end, also when there is no memory for the message by
 * which it waits for its turn.
 */
#include "fault.h"
#include "hands.h"
#include "helpers.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <troupe/net/remote.h>
#include <unistd.h>

#define LINE "a line\n"
#define FILL 20 /* a tag */

static struct {
    tr_socket *socket;
    tr_ref ref;
    int fds[2]; /* the socket's, its peer's */
    bool closed;
} side;

/* The hand holds nothing back, so the messages are all that takes memory; they are read when it is free again. */
static void
use_all_memory(tr_actor *self)
{
    tr_message message = tr_message_signal(FILL);
    fault_plan(FAULT_MEMORY, 1, UINT_MAX, ENOMEM);
    while (tr_send(self, hands[0], &message) == TR_OK)
        message = tr_message_signal(FILL);
}

static void
write_line(tr_actor *self)
{
    assert_int_equal(tr_remote_write(self, side.ref, tr_slice_constant(LINE, strlen(LINE))), TR_OK);
}

static void
write_to_itself(tr_socket *socket)
{
    tr_actor *self = tr_socket_actor(socket);
    write_line(self);
    use_all_memory(self);
}

static void
on_close(tr_socket *socket, bool had_error)
{
    (void)socket;
    assert_false(had_error);
    side.closed = true;
}

static const struct tr_socket_events writes_at_end = {.end = write_to_itself, .close = on_close};
static const struct tr_socket_events plain = {.close = on_close};

static void
adopt(tr_actor *self, void *argument)
{
    struct tr_socket_options options = {.events = argument};
    assert_int_equal(tr_socket_adopt(self, side.fds[0], TR_READABLE | TR_WRITABLE, &options, &side.socket), TR_OK);
    side.ref = tr_socket_ref(side.socket);
}

static void
open_side(const struct tr_socket_events *events)
{
    hands_open(1);
    side.closed = false;
    hands_pair(side.fds);
    on_worker(0, adopt, (void *)events);
}

static bool
is_closed(void *argument)
{
    (void)argument;
    return side.closed;
}

static void
assert_line_and_end(void)
{
    char received[sizeof(LINE)] = {0};
    assert_int_equal(tests_peer_receive(side.fds[1], received, strlen(LINE)), strlen(LINE));
    assert_string_equal(received, LINE);
    assert_true(tests_peer_at_end(side.fds[1]));
    assert_true(fault_met(FAULT_MEMORY) > 0);
    fault_clear();
    await_on_worker(0, is_closed, NULL);
    close(side.fds[1]);
    hands_close();
}

static void
our_side_ends_with_the_peers_after_what_was_written(void **state)
{
    (void)state;
    open_side(&writes_at_end);
    shutdown(side.fds[1], SHUT_WR);
    assert_line_and_end();
}

static void
write_and_stop(tr_actor *self, void *argument)
{
    (void)argument;
    write_line(self);
    use_all_memory(self);
    assert_int_equal(tr_stop(self, side.ref, TR_STOP_DRAIN), TR_OK);
}

static void
a_drain_begins_after_what_was_written(void **state)
{
    (void)state;
    open_side(&plain);
    on_worker(0, write_and_stop, NULL);
    assert_line_and_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_side_ends_with_the_peers_after_what_was_written),
        cmocka_unit_test(a_drain_begins_after_what_was_written),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
