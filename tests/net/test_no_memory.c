/*
 * Without memory: a socket handles what was sent to it before it goes on to its end, also when there is none for the
 * message by which it waits for its turn. A call that is refused has changed nothing, unless the kernel has a part of
 * what was to be one; and nobody keeps what it had taken by then.
 */
#include "fault.h"
#include "fds.h"
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
#include <uv.h>

#define LINE "a line\n"
#define FILL 20 /* a tag */

static struct {
    tr_socket *socket;
    tr_ref ref;
    int fds[2]; /* the socket's, its peer's */
    bool receives;
    tr_status error;
    bool heard, closed; /* atomic */
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
    assert_true(had_error == (side.error != TR_OK));
    __atomic_store_n(&side.closed, true, __ATOMIC_SEQ_CST);
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    (void)socket;
    side.error = error->status;
}

static const struct tr_socket_events writes_at_end = {.end = write_to_itself, .close = on_close};
static void
on_data(tr_socket *socket, tr_slice data)
{
    (void)socket;
    (void)data;
    __atomic_store_n(&side.heard, true, __ATOMIC_SEQ_CST);
}

static const struct tr_socket_events plain = {.data = on_data, .error = on_error, .close = on_close};

static void
adopt(tr_actor *self, void *argument)
{
    struct tr_socket_options options = {.events = argument, .receive_fds = side.receives};
    assert_int_equal(tr_socket_adopt(self, side.fds[0], TR_READABLE | TR_WRITABLE, &options, &side.socket), TR_OK);
    side.ref = tr_socket_ref(side.socket);
}

static void
open_side(const struct tr_socket_events *events)
{
    hands_open(1);
    side.heard = side.closed = false;
    side.error = TR_OK;
    hands_pair(side.fds);
    on_worker(0, adopt, (void *)events);
}

static bool
is_closed(void *argument)
{
    (void)argument;
    return __atomic_load_n(&side.closed, __ATOMIC_SEQ_CST);
}

static void
close_side(void)
{
    close(side.fds[1]);
    assert_true(tests_wait_until(is_closed, NULL, TESTS_LIMIT_MS));
    hands_close();
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

/* Calls. The worker is new, so it has no memory set aside. */

static char much[8u << 20]; /* more than the kernel takes */
static unsigned told;

static void
counts(tr_socket *socket, void *argument, tr_status status)
{
    (void)socket;
    (void)argument;
    (void)status;
    told++;
}

static void
let_memory_fail(void)
{
    fault_plan(FAULT_MEMORY, 1, UINT_MAX, ENOMEM);
}

static void
write_in_vain(tr_actor *self, void *argument)
{
    (void)self;
    (void)argument;
    tr_slice line = tr_slice_constant(LINE, strlen(LINE));
    let_memory_fail();
    assert_int_equal(tr_socket_write_then(side.socket, line, counts, NULL), TR_ENOMEM);
    assert_int_equal(tr_socket_write_fd(side.socket, line, STDERR_FILENO, counts, NULL), TR_ENOMEM);
    assert_int_equal(tr_socket_end_then(side.socket, line, counts, NULL), TR_ENOMEM);
    fault_clear();
    assert_int_equal(tr_socket_bytes_written(side.socket), 0);
    assert_int_equal(tr_socket_ready_state(side.socket), TR_STATE_OPEN);
    assert_int_equal(tr_socket_end(side.socket), TR_OK);
}

static void
a_write_that_finds_no_memory_changes_nothing(void **state)
{
    (void)state;
    told = 0;
    open_side(&plain);
    on_worker(0, write_in_vain, NULL);
    assert_true(tests_peer_at_end(side.fds[1]));
    close_side();
    assert_int_equal(side.error, TR_OK);
    assert_int_equal(told, 0);
}

static void
write_half(tr_actor *self, void *argument)
{
    (void)self;
    (void)argument;
    let_memory_fail();
    assert_int_equal(tr_socket_write(side.socket, much, sizeof(much)), TR_ENOMEM);
    fault_clear();
    assert_true(tr_socket_destroyed(side.socket));
}

/* The first waits as it is. The second is a small part of its buffer, and would wait as a copy. */
static void
write_slices_in_part(tr_actor *self, void *argument)
{
    tr_slice whole, slices[2];
    (void)self;
    (void)argument;
    assert_int_equal(tr_slice_copy(much, 1000, &whole), TR_OK);
    slices[0] = tr_slice_constant(LINE, strlen(LINE));
    slices[1] = tr_slice_part(whole, 0, 10);
    tr_socket_cork(side.socket);
    assert_int_equal(tr_socket_write_slices(side.socket, slices, 1), TR_OK); /* from here on entries have memory */
    assert_int_equal(tr_socket_uncork(side.socket), TR_OK);
    let_memory_fail();
    assert_int_equal(tr_socket_write_slices(side.socket, &slices[1], 1), TR_ENOMEM);
    assert_false(tr_socket_destroyed(side.socket));
    assert_int_equal(tr_socket_buffered(side.socket), 0);
    assert_int_equal(tr_socket_write_slices(side.socket, slices, 2), TR_ENOMEM);
    fault_clear();
    assert_true(tr_socket_destroyed(side.socket));
    tr_slice_release(whole);
}

static void
half_a_message_is_worse_than_none(void **state)
{
    static void (*const writes[])(tr_actor * self, void *argument) = {write_half, write_slices_in_part};
    (void)state;
    for (int i = 0; i < 2; i++) {
        open_side(&plain);
        on_worker(0, writes[i], NULL);
        close_side();
        assert_int_equal(side.error, TR_ENOMEM);
    }
}

/* Descriptors. */

static bool
has_heard(void *argument)
{
    (void)argument;
    return __atomic_load_n(&side.heard, __ATOMIC_SEQ_CST);
}

static void
pause_without_memory(tr_actor *self, void *argument)
{
    (void)self;
    (void)argument;
    tr_socket_pause(side.socket);
    let_memory_fail();
}

static void
a_descriptor_that_would_wait_and_finds_no_memory_is_closed(void **state)
{
    (void)state;
    side.receives = true;
    open_side(&plain);
    side.receives = false;
    assert_true(tests_peer_send(side.fds[1], "x", 1)); /* from then on reading has memory */
    assert_true(tests_wait_until(has_heard, NULL, TESTS_LIMIT_MS));
    on_worker(0, pause_without_memory, NULL);
    send_fds(side.fds[1], side.fds[1], 1, "x");
    assert_true(tests_wait_until(is_closed, NULL, TESTS_LIMIT_MS));
    fault_clear();
    assert_int_equal(side.error, TR_ENOMEM);
    close_side(); /* which counts descriptors */
}

/* Others. */

static void
spawn_with_much_state(tr_actor *self, void *argument)
{
    struct tr_socket_options most = {.state_size = (size_t)1 << 30};
    tr_socket *socket;
    (void)argument;
    let_memory_fail();
    assert_int_equal(tr_socket_spawn(self, &most, &socket), TR_ENOMEM);
    fault_clear();
    most.state_size++;
    assert_int_equal(tr_socket_spawn(self, &most, &socket), TR_EBADSTATE);
}

static void
a_gigabyte_of_state_is_refused_for_lack_of_memory_alone(void **state)
{
    (void)state;
    hands_open(1);
    on_worker(0, spawn_with_much_state, NULL);
    hands_close();
}

/* The leak checker looks at what is left. */
static void
a_text_that_finds_no_memory_is_not_written_and_leaves_nothing(void **state)
{
    (void)state;
    tr_slice bytes = {0};
    unsigned nth = 0;
    tr_status status;
    do {
        fault_plan(FAULT_MEMORY, ++nth, 1, ENOMEM);
        status = tr_encode(TR_ENCODING_HEX, "6869", 4, &bytes);
        fault_clear();
        assert_true(status == TR_OK || (status == TR_ENOMEM && bytes.buffer == NULL));
    } while (status != TR_OK && nth < 10);
    assert_int_equal(nth, 3); /* the bytes and their buffer were missing once each */
    assert_memory_equal(bytes.data, "hi", 2);
    tr_slice_release(bytes);
}

/* A piece of a pipe: the lane to the second's worker is full, since that is held, and there is no memory for more. */

static struct {
    tr_socket *socket;
    tr_ref ref;
    int fds[2];
    struct tr_error error;
    bool closed; /* atomic */
} ends[2];

static uv_sem_t held, go_on;

static void
note_end_error(tr_socket *socket, const struct tr_error *error)
{
    ends[tr_ref_worker(tr_socket_ref(socket))].error = *error;
}

static void
note_end_close(tr_socket *socket, bool had_error)
{
    (void)had_error;
    __atomic_store_n(&ends[tr_ref_worker(tr_socket_ref(socket))].closed, true, __ATOMIC_SEQ_CST);
}

static void
adopt_end(tr_actor *self, void *argument)
{
    static const struct tr_socket_events end_events = {.error = note_end_error, .close = note_end_close};
    struct tr_socket_options options = {.events = &end_events};
    unsigned i = *(unsigned *)argument;
    assert_int_equal(tr_socket_adopt(self, ends[i].fds[0], TR_READABLE | TR_WRITABLE, &options, &ends[i].socket),
                     TR_OK);
    ends[i].ref = tr_socket_ref(ends[i].socket);
}

static void
join_ends(tr_actor *self, void *argument)
{
    (void)self;
    (void)argument;
    assert_int_equal(tr_socket_pipe(ends[0].socket, ends[1].ref, NULL), TR_OK);
}

static void
hold_here(tr_actor *self, tr_message *message)
{
    (void)self;
    if (message->tag != FILL + 1)
        return;
    uv_sem_post(&held);
    uv_sem_wait(&go_on);
}

/* There is memory again to read into, and none from then on. */
static void
fill_the_way(tr_actor *self, void *argument)
{
    (void)argument;
    tr_message message = tr_message_signal(FILL);
    let_memory_fail();
    while (tr_send(self, hands[1], &message) == TR_OK)
        message = tr_message_signal(FILL);
    fault_clear();
    fault_plan_hook(FAULT_READ, 1, let_memory_fail);
}

static bool
is_end_closed(void *argument)
{
    return __atomic_load_n(&ends[*(unsigned *)argument].closed, __ATOMIC_SEQ_CST);
}

static void
a_pipe_without_memory_for_a_piece_destroys_both_its_sockets(void **state)
{
    char received[sizeof(LINE)] = {0};
    tr_message hold = tr_message_signal(FILL + 1);
    (void)state;
    memset(ends, 0, sizeof(ends));
    assert_int_equal(uv_sem_init(&held, 0), 0);
    assert_int_equal(uv_sem_init(&go_on, 0), 0);
    hands_open(2);
    hands_receive = hold_here;
    for (unsigned i = 0; i < 2; i++) {
        hands_pair(ends[i].fds);
        on_worker(i, adopt_end, &i);
    }
    on_worker(0, join_ends, NULL);
    assert_true(tests_peer_send(ends[0].fds[1], LINE, strlen(LINE)));
    assert_int_equal(tests_peer_receive(ends[1].fds[1], received, strlen(LINE)), strlen(LINE));

    assert_int_equal(tr_runtime_send(hands_runtime, hands[1], &hold), TR_OK);
    uv_sem_wait(&held);
    on_worker(0, fill_the_way, NULL);
    assert_true(tests_peer_send(ends[0].fds[1], LINE, strlen(LINE)));
    assert_true(tests_wait_until(is_end_closed, &(unsigned){0}, TESTS_LIMIT_MS));
    fault_clear();
    uv_sem_post(&go_on);
    assert_true(tests_wait_until(is_end_closed, &(unsigned){1}, TESTS_LIMIT_MS));
    assert_int_equal(ends[0].error.status, TR_ENOMEM);
    assert_string_equal(ends[0].error.call, "write");
    assert_int_equal(ends[1].error.status, TR_EPIPE);
    for (unsigned i = 0; i < 2; i++)
        close(ends[i].fds[1]);
    hands_close();
    uv_sem_destroy(&held);
    uv_sem_destroy(&go_on);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_side_ends_with_the_peers_after_what_was_written),
        cmocka_unit_test(a_drain_begins_after_what_was_written),
        cmocka_unit_test(a_write_that_finds_no_memory_changes_nothing),
        cmocka_unit_test(half_a_message_is_worse_than_none),
        cmocka_unit_test(a_descriptor_that_would_wait_and_finds_no_memory_is_closed),
        cmocka_unit_test(a_gigabyte_of_state_is_refused_for_lack_of_memory_alone),
        cmocka_unit_test(a_text_that_finds_no_memory_is_not_written_and_leaves_nothing),
        cmocka_unit_test(a_pipe_without_memory_for_a_piece_destroys_both_its_sockets),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
