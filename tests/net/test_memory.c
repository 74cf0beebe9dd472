/*
 * Limits that bound memory: what the process allocates for bytes that somebody keeps is at most twice what is counted,
 * a sum for each socket, and a constant for the worker.
 *
 * Some sockets move bytes that nobody keeps, so that a part which is kept has neighbours of every size. All live on one
 * worker and their peers are raw descriptors of the play, so the figures are those of malloc, with no clock in them.
 */
#include "held.h"
#include "helpers.h"
#include "play.h"
#include "slab.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/pipe.h>

#define SOCKETS 60
#define ROUNDS_AT_MOST 20000
#define PER_SOCKET 4096 /* structs of its own, of its queues and of a stuffed write */
#define SLICES 2000

static struct pair {
    tr_socket *socket;
    int peer;
    bool is_stuck;
} pairs[SOCKETS], bulk, others[SOCKETS];

static tr_slice kept[SLICES];
static unsigned kept_count;
static uint64_t bulk_bytes;
static size_t before, after;
static uint64_t counted;

static void
open_pair_as(struct pair *pair, struct tr_socket_options options)
{
    int fds[2], small = 4096;
    stage_pair(AF_UNIX, fds);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    options.data = pair;
    options.allow_half_open = true;
    *pair = (struct pair){.peer = fds[1]};
    assert_int_equal(tr_socket_adopt(director, fds[0], TR_READABLE | TR_WRITABLE, &options, &pair->socket), TR_OK);
}

static void
count_bulk(tr_socket *socket, tr_slice data)
{
    (void)socket;
    bulk_bytes += data.size;
}

static void
close_pair(struct pair *pair)
{
    if (pair->socket != NULL)
        tr_socket_destroy(pair->socket, TR_OK);
    if (pair->socket != NULL)
        close(pair->peer);
    pair->socket = NULL;
}

/* Measures, lets everything go and ends the play. */
static void
finish(void)
{
    after = tests_allocated();
    for (unsigned i = 0; i < kept_count; i++)
        tr_slice_release(kept[i]);
    kept_count = 0;
    for (unsigned i = 0; i < SOCKETS; i++) {
        close_pair(&pairs[i]);
        close_pair(&others[i]);
    }
    close_pair(&bulk);
    stage_end();
}

/* One turn of the play: a piece into each pair that is not stuck, then bulk. */
static bool (*is_done)(void);
static size_t (*piece_size)(unsigned round);
static unsigned round_number;

static void
send_piece(struct pair *pair)
{
    size_t size = piece_size(round_number);
    if (!pair->is_stuck)
        (void)!send(pair->peer, pattern(size).data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
turn(void *argument)
{
    (void)argument;
    if (is_done() || round_number == ROUNDS_AT_MOST) {
        finish();
        return;
    }
    for (unsigned i = 0; i < SOCKETS; i++)
        send_piece(&pairs[i]);
    (void)!send(bulk.peer, pattern(100000).data, 100000, MSG_DONTWAIT | MSG_NOSIGNAL);
    round_number++;
    stage_after(0, turn, NULL);
}

static size_t
size_10(unsigned round)
{
    (void)round;
    return 10;
}

static size_t
size_mixed(unsigned round)
{
    static const size_t sizes[] = {1, 700, 40000, 10, 9000, 100};
    return sizes[round % (sizeof(sizes) / sizeof(sizes[0]))];
}

static void
begin_play(struct tr_socket_options options, size_t (*size)(unsigned round), bool (*done)(void))
{
    static const struct tr_socket_events counts = {.data = count_bulk};
    before = tests_allocated();
    piece_size = size;
    is_done = done;
    round_number = 0;
    bulk_bytes = counted = 0;
    kept_count = 0;
    open_pair_as(&bulk, (struct tr_socket_options){.events = &counts});
    for (unsigned i = 0; i < SOCKETS; i++)
        open_pair_as(&pairs[i], options);
    stage_after(0, turn, NULL);
}

static void
assert_bounded(uint64_t count, uint64_t pieces)
{
    uint64_t bound = 2 * count + pieces * TRI_SLAB_PART + SOCKETS * PER_SOCKET + TRI_SLABS_BYTES;
    assert_true(round_number < ROUNDS_AT_MOST);
    assert_in_range(after - before, 0, bound);
}

/* Held by the user. */

static void
keep(tr_socket *socket, tr_slice data)
{
    (void)socket;
    if (kept_count == SLICES)
        return;
    tr_slice_hold(data);
    kept[kept_count++] = data;
    counted += data.size;
}

static bool
has_kept_enough(void)
{
    return kept_count == SLICES;
}

static const struct tr_socket_events keeping = {.data = keep};

static void
play_keep_small(void)
{
    begin_play((struct tr_socket_options){.events = &keeping}, size_10, has_kept_enough);
}

static void
play_keep_mixed(void)
{
    begin_play((struct tr_socket_options){.events = &keeping}, size_mixed, has_kept_enough);
}

static void
slices_that_users_hold_take_no_more_than_twice_their_bytes(void **state)
{
    (void)state;
    stage_play(1, play_keep_small);
    assert_bounded(counted, SLICES);
    assert_true(bulk_bytes > 100000);
    stage_play(1, play_keep_mixed);
    assert_bounded(counted, SLICES);
}

/* Queued writes: an echo to peers that do not read. */

static void
echo(tr_socket *socket, tr_slice data)
{
    struct pair *pair = tr_socket_data(socket);
    tr_status status = tr_socket_write_slice(socket, data);
    if (status != TR_QUEUED)
        return;
    tr_socket_pause(socket);
    pair->is_stuck = true;
}

static bool
are_stuck(void)
{
    bool all = true;
    counted = 0;
    for (unsigned i = 0; i < SOCKETS; i++) {
        all &= pairs[i].is_stuck;
        counted += tr_socket_buffered(pairs[i].socket);
    }
    return all;
}

static const struct tr_socket_events echoing = {.data = echo};

static void
play_echo(void)
{
    begin_play((struct tr_socket_options){.events = &echoing}, size_mixed, are_stuck);
}

/* What comes in the pause is held besides. */
static uint64_t
most_held(uint64_t sockets)
{
    return sockets * TRI_HELD_BYTES + TRI_HELD_FREELY + TRI_READ_BYTES;
}

static void
queued_writes_take_no_more_than_twice_what_is_buffered(void **state)
{
    (void)state;
    stage_play(1, play_echo);
    assert_true(counted > 0);
    assert_bounded(counted, 0);
}

/* A write limit, of one byte at a time. */

static unsigned refused;

static void
stuff(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < SOCKETS; i++)
        for (tr_status status = TR_OK; status >= TR_OK; refused += status == TR_EQUEUELIMIT)
            status = tr_socket_write(pairs[i].socket, "x", 1);
    finish();
}

#define LIMIT 100000u

static void
play_bytes(void)
{
    struct tr_socket_options options = {.write_limit = LIMIT};
    refused = 0;
    before = tests_allocated();
    for (unsigned i = 0; i < SOCKETS; i++)
        open_pair_as(&pairs[i], options);
    stage_after(0, stuff, NULL);
}

static void
a_write_limit_bounds_memory_of_single_bytes_too(void **state)
{
    (void)state;
    stage_play(1, play_bytes);
    assert_int_equal(refused, SOCKETS);
    round_number = 0;
    assert_bounded((uint64_t)SOCKETS * LIMIT, 0);
}

/* Paused sockets, whose peers send as much as they can. */

static void
pause_each(tr_socket *socket, tr_slice data)
{
    (void)data;
    tr_socket_pause(socket);
}

static bool
are_full(void)
{
    static unsigned quiet;
    static uint64_t last;
    uint64_t read = 0;
    for (unsigned i = 0; i < SOCKETS; i++)
        read += tr_socket_bytes_read(pairs[i].socket);
    quiet = read == last && read > 0 ? quiet + 1 : 0;
    last = read;
    return quiet > 50; /* turns of the loop, in each of which every peer has sent */
}

static const struct tr_socket_events pausing = {.data = pause_each};

static void
play_paused(void)
{
    begin_play((struct tr_socket_options){.events = &pausing}, size_mixed, are_full);
}

static void
play_paused_bytes(void)
{
    begin_play((struct tr_socket_options){.events = &pausing}, size_10, are_full);
}

static void
paused_sockets_hold_what_they_may(void **state)
{
    (void)state;
    stage_play(1, play_paused);
    assert_bounded(most_held(SOCKETS), SOCKETS * TRI_HELD_READS);
    stage_play(1, play_paused_bytes);
    assert_bounded(SOCKETS * TRI_HELD_READS * 10, SOCKETS * TRI_HELD_READS);
}

/* An owner that keeps what it gets and does not answer. */

static void
keep_message(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    (void)self;
    (void)state;
    if (!tr_event_of(message, &event) || event != TR_EVENT_DATA || kept_count == SLICES)
        return;
    tr_slice_hold(message->payload.slice);
    kept[kept_count++] = message->payload.slice;
    counted += message->payload.slice.size;
}

static void
play_owner(void)
{
    static const struct tr_behavior behavior = {.name = "keeper", .receive = keep_message};
    tr_ref ref;
    assert_int_equal(tr_spawn(director, &behavior, NULL, &ref), TR_OK);
    begin_play((struct tr_socket_options){.owner = {.actor = ref, .credit = 16}}, size_mixed, are_full);
}

static void
events_that_an_owner_does_not_answer_take_no_more_than_twice_their_bytes(void **state)
{
    (void)state;
    stage_play(1, play_owner);
    assert_true(counted > 0);
    assert_bounded(counted, SOCKETS * 17);
}

/* Pipes to peers that do not read. */

#define WINDOW 32768u

static void
play_pipes(void)
{
    begin_play((struct tr_socket_options){0}, size_mixed, are_full);
    struct tr_pipe_options options = {.window_bytes = WINDOW};
    for (unsigned i = 0; i < SOCKETS; i++) {
        open_pair_as(&others[i], (struct tr_socket_options){0});
        assert_int_equal(tr_socket_pipe(pairs[i].socket, tr_socket_ref(others[i].socket), &options), TR_OK);
    }
}

static void
a_pipes_window_bounds_memory(void **state)
{
    (void)state;
    stage_play(1, play_pipes);
    assert_bounded((uint64_t)SOCKETS * (WINDOW + TRI_READ_BYTES), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_that_users_hold_take_no_more_than_twice_their_bytes),
        cmocka_unit_test(queued_writes_take_no_more_than_twice_what_is_buffered),
        cmocka_unit_test(a_write_limit_bounds_memory_of_single_bytes_too),
        cmocka_unit_test(paused_sockets_hold_what_they_may),
        cmocka_unit_test(events_that_an_owner_does_not_answer_take_no_more_than_twice_their_bytes),
        cmocka_unit_test(a_pipes_window_bounds_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
