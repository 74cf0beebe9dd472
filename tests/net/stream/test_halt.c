/*
 * Sockets at the memory limit: floods whose bytes nobody takes yet stay in the kernel, what is read can be written, and
 * all of it arrives. The peers are descriptors that the test itself writes to and reads from, without blocking.
 */
#include "bytes.h"
#include "helpers.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <troupe/actors/host.h>
#include <troupe/core/runtime.h>
#include <troupe/net/pipe.h>
#include <troupe/net/server.h>
#include <unistd.h>

#define WORKERS 2u
#define PEERS 4u
#define LIMIT TR_MEMORY_LIMIT_LEAST(WORKERS)
#define TOTAL (10 * LIMIT) /* bytes of each peer */
#define PIECE 65536u
#define TURNS 20u /* of each worker, in which what can happen does */

/* What each worker counts late, and one read; what waits to be handled, or written, takes more than its bytes. */
#define BOUND (LIMIT + WORKERS * 2 * 65536 + LIMIT / 16)

enum { HOLD = 1, DATA }; /* DATA + n: of peer n */

static tr_runtime *runtime;
static uint16_t port;
static tr_ref consumer;
static int peers[PEERS];
static uint64_t written[PEERS], got[PEERS]; /* by the test */
static uint64_t taken[PEERS];               /* by the consumer */
static uint64_t most;
static struct tally connections, datas, all_taken, held, let_go, wrong, others;

static uint64_t
level(void)
{
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    if (counters.memory > most)
        most = counters.memory;
    return counters.memory;
}

static uint64_t
times_reached(void)
{
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    return counters.memory_reached;
}

/* The consumer: it stands still, with its worker, until it is let go. */
static void
consume(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag == HOLD) {
        tally_add(&held, 1);
        tally_await(&let_go, 1);
        return;
    }
    uint32_t number = message->tag - DATA;
    size_t size = tr_message_size(message);
    tally_add(&wrong, !bytes_match(tr_message_data(message), size, number, taken[number]));
    taken[number] += size;
    tally_add(&all_taken, taken[number] == TOTAL);
}

/* The sockets. A peer says first which it is. */

static void
on_connection(tr_socket *socket)
{
    tr_socket_set_data(socket, NULL);
    tally_add(&connections, 1);
}

static void
hand_on(tr_socket *socket, tr_slice data)
{
    uintptr_t known = (uintptr_t)tr_socket_data(socket);
    if (known == 0) {
        known = DATA + (uintptr_t)(unsigned char)data.data[0];
        tr_socket_set_data(socket, (void *)known);
        data = tr_slice_part(data, 1, data.size);
    }
    tally_add(&datas, 1);
    if (data.size == 0)
        return;
    tr_slice_hold(data);
    tr_message message = tr_message_slice((uint32_t)known, data);
    if (tr_send(tr_socket_actor(socket), consumer, &message) == TR_OK)
        return;
    tr_message_drop(&message);
    tally_add(&wrong, 1);
}

/* It does not heed the answer, so all that the peer does not read waits here. */
static void
echo(tr_socket *socket, tr_slice data)
{
    tr_status status = tr_socket_write_slice(socket, data);
    tally_add(&datas, 1);
    tally_add(&wrong, status != TR_OK && status != TR_QUEUED);
}

static void
on_other(tr_socket *socket)
{
    (void)socket;
    tally_add(&others, 1);
}

static void
on_close(tr_socket *socket, bool had_error)
{
    (void)socket;
    tally_add(&wrong, had_error);
}

static const struct tr_socket_events hands_on = {.data = hand_on, .close = on_close};
static void (*connects)(tr_socket *socket) = on_connection;
static uint64_t first_byte_ms;

static const struct tr_socket_events echoes = {.data = echo, .close = on_close, .timeout = on_other};

static void
open_server(const struct tr_socket_events *events)
{
    struct tr_runtime_options options = {.workers = WORKERS, .pinning = TR_PINNING_NEVER, .memory_limit = LIMIT};
    static const unsigned first;
    struct tr_server_options server = {.connection = connects,
                                       .socket = {.events = events, .first_byte_timeout_ms = first_byte_ms},
                                       .workers = &first,
                                       .worker_count = 1};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address at;
    memset(written, 0, sizeof(written));
    memset(got, 0, sizeof(got));
    memset(taken, 0, sizeof(taken));
    connections = datas = all_taken = held = let_go = wrong = others = (struct tally){0};
    most = 0;
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(runtime, &server, &listen, NULL, &at), TR_OK);
    port = at.port;
}

static int
peer_connect(void)
{
    int fd = tests_peer_connect(port);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void
connect_all(void)
{
    for (unsigned i = 0; i < PEERS; i++)
        peers[i] = peer_connect();
    tally_await(&connections, PEERS);
}

static void
close_all(void)
{
    for (unsigned i = 0; i < PEERS; i++)
        close(peers[i]);
    assert_int_equal(tr_runtime_stop(runtime, 10000, NULL), TR_OK);
    assert_int_equal(tally_read(&wrong), 0);
}

/* Each worker looks at its descriptors, again and again. */
static void
let_turns_pass(void)
{
    for (unsigned i = 0; i < TURNS; i++)
        tri_runtime_look(tri_runtime_core(runtime));
}

/* What is in use while nothing is under way: a worker counts what it took in a turn at the turn's end. */
static uint64_t
level_at_rest(void)
{
    let_turns_pass();
    return level();
}

/* The peers. */

static bool
write_some(unsigned i)
{
    static char piece[PIECE];
    size_t part = TOTAL - written[i] < PIECE ? (size_t)(TOTAL - written[i]) : PIECE;
    bytes_fill(piece, part, i, written[i]);
    ssize_t size = part > 0 ? write(peers[i], piece, part) : 0;
    if (size < 0)
        assert_int_equal(errno, EAGAIN);
    written[i] += size > 0 ? (uint64_t)size : 0;
    return size > 0;
}

static bool
read_some(unsigned i)
{
    static char piece[PIECE];
    ssize_t size = read(peers[i], piece, PIECE);
    if (size < 0)
        assert_int_equal(errno, EAGAIN);
    if (size <= 0)
        return false;
    tally_add(&wrong, !bytes_match(piece, (size_t)size, i, got[i]));
    got[i] += (uint64_t)size;
    return true;
}

/* Of all peers; none moves when false is returned. */
static bool
all_some(bool (*some)(unsigned i))
{
    bool any = false;
    for (unsigned i = 0; i < PEERS; i++)
        any |= some(i);
    level();
    return any;
}

static bool
stands_still(void *unused)
{
    (void)unused;
    return !all_some(write_some) && times_reached() > 0;
}

/* The kernel takes nothing more of anybody, although there is more. */
static void
write_until_all_stand_still(void)
{
    for (unsigned calm = 0; calm < 3; calm++) {
        assert_true(tests_wait_until(stands_still, NULL, TESTS_LIMIT_MS));
        if (tally_read(&held) == 0)
            let_turns_pass();
        if (all_some(write_some))
            calm = 0;
    }
    for (unsigned i = 0; i < PEERS; i++)
        assert_true(written[i] < TOTAL);
}

static bool
is_all_taken(void *unused)
{
    (void)unused;
    all_some(write_some);
    return tally_read(&all_taken) == PEERS;
}

static bool
is_all_echoed(void *unused)
{
    bool all = true;
    (void)unused;
    all_some(write_some);
    all_some(read_some);
    for (unsigned i = 0; i < PEERS; i++)
        all &= got[i] == TOTAL;
    return all;
}

static bool
is_level(void *base)
{
    return level() == *(uint64_t *)base;
}

/* Floods. */

static void
a_flood_for_a_slow_consumer_stays_below_the_limit_and_every_byte_arrives(void **state)
{
    static const struct tr_behavior consumes = {.name = "consumer", .receive = consume};
    (void)state;
    open_server(&hands_on);
    consumer = stage_spawn(runtime, &consumes, 1, NULL);
    connect_all();
    for (unsigned i = 0; i < PEERS; i++)
        assert_int_equal(write(peers[i], &(char){(char)i}, 1), 1);
    tally_await(&datas, PEERS);
    uint64_t base = level_at_rest();
    stage_send(runtime, consumer, HOLD, NULL, 0);
    tally_await(&held, 1);
    write_until_all_stand_still();
    tally_add(&let_go, 1);
    assert_true(tests_wait_until(is_all_taken, NULL, TESTS_LIMIT_MS));
    assert_true(tests_wait_until(is_level, &base, TESTS_LIMIT_MS));
    assert_in_range(most, LIMIT, BOUND);
    close_all();
}

static void
an_echo_at_the_limit_writes_what_it_has_read_and_reads_on_when_that_is_gone(void **state)
{
    (void)state;
    open_server(&echoes);
    connect_all();
    uint64_t base = level_at_rest();
    write_until_all_stand_still();
    assert_true(tests_wait_until(is_all_echoed, NULL, TESTS_LIMIT_MS));
    assert_true(tests_wait_until(is_level, &base, TESTS_LIMIT_MS));
    assert_in_range(most, LIMIT, BOUND);
    close_all();
}

/* Memory that the test itself holds. */

static char claimed;

static tr_slice
fill(void)
{
    tr_slice slice;
    assert_int_equal(tr_slice_adopt(&claimed, LIMIT, NULL, &slice), TR_OK);
    return slice;
}

static void
await_byte(unsigned i)
{
    char byte;
    assert_int_equal(poll(&(struct pollfd){.fd = peers[i], .events = POLLIN}, 1, TESTS_LIMIT_MS), 1);
    assert_int_equal(read(peers[i], &byte, 1), 1);
}

static bool
is_reached(void *unused)
{
    (void)unused;
    return times_reached() > 0;
}

static void
whoever_lets_go_of_the_memory_wakes_the_sockets_and_they_were_never_paused(void **state)
{
    (void)state;
    open_server(&echoes);
    connect_all();
    tr_slice slice = fill();
    let_turns_pass();
    assert_true(tests_wait_until(is_reached, NULL, TESTS_LIMIT_MS));
    for (unsigned i = 0; i < PEERS; i++)
        assert_int_equal(write(peers[i], "x", 1), 1);
    let_turns_pass();
    assert_int_equal(tally_read(&datas), 0);
    assert_true(tests_cpu_ms_in(300) < 30); /* nobody looks at them again and again */
    tr_slice_release(slice);
    tally_await(&datas, PEERS);
    for (unsigned i = 0; i < PEERS; i++)
        await_byte(i);
    close_all();
    assert_int_equal(tally_read(&others), 0);
}

static void
at_the_limit_no_connection_is_accepted_and_those_that_wait_are_when_it_is_over(void **state)
{
    (void)state;
    open_server(&echoes);
    connect_all();
    tr_slice slice = fill();
    let_turns_pass();
    int late = peer_connect();
    let_turns_pass();
    assert_int_equal(tally_read(&connections), PEERS);
    tr_slice_release(slice);
    tally_await(&connections, PEERS + 1);
    close(late);
    close_all();
}

/* A pipe into itself. */
static void
pipe_into_itself(tr_socket *socket)
{
    tally_add(&wrong, tr_socket_pipe(socket, tr_socket_ref(socket), NULL) != TR_OK);
    tally_add(&connections, 1);
}

static void
a_pipe_at_the_limit_writes_what_it_has_read_and_reads_on_when_it_is_over(void **state)
{
    (void)state;
    connects = pipe_into_itself;
    open_server(&echoes);
    connects = on_connection;
    connect_all();
    for (unsigned i = 0; i < 100; i++)
        all_some(write_some);
    tr_slice slice = fill();
    for (unsigned calm = 0; calm < 3; calm++) {
        let_turns_pass();
        calm = all_some(read_some) ? 0 : calm;
    }
    for (unsigned i = 0; i < PEERS; i++) {
        assert_true(got[i] > 0);
        assert_true(got[i] < TOTAL);
    }
    tr_slice_release(slice);
    assert_true(tests_wait_until(is_all_echoed, NULL, TESTS_LIMIT_MS));
    close_all();
}

/* It takes no time that a peer has: the first byte is there, and is not looked for. */
static void
a_peer_is_not_too_slow_because_the_limit_is_reached(void **state)
{
    (void)state;
    first_byte_ms = 1000;
    open_server(&echoes);
    first_byte_ms = 0;
    peers[0] = peer_connect();
    tally_await(&connections, 1);
    tr_slice slice = fill();
    let_turns_pass();
    assert_int_equal(write(peers[0], "x", 1), 1);
    tests_let_pass(UINT64_C(2200000000));
    tr_slice_release(slice);
    tally_await(&datas, 1);
    await_byte(0);
    close(peers[0]);
    assert_int_equal(tr_runtime_stop(runtime, 10000, NULL), TR_OK);
    assert_int_equal(tally_read(&wrong), 0);
}

static void
spawn_socket_at_limit(tr_actor *self, void *state, tr_message *message)
{
    tr_socket *socket;
    (void)state;
    (void)message;
    tr_slice slice = fill();
    tally_add(&wrong, tr_socket_spawn(self, NULL, &socket) != TR_EMEMORYLIMIT);
    tr_slice_release(slice);
    tally_add(&datas, 1);
}

static void
a_socket_of_ones_own_is_refused_at_the_limit(void **state)
{
    static const struct tr_behavior spawner = {.name = "spawner", .receive = spawn_socket_at_limit};
    (void)state;
    open_server(&echoes);
    stage_send(runtime, stage_spawn(runtime, &spawner, 0, NULL), HOLD, NULL, 0);
    tally_await(&datas, 1);
    assert_int_equal(tr_runtime_stop(runtime, 10000, NULL), TR_OK);
    assert_int_equal(tally_read(&wrong), 0);
}

static void
a_runtime_at_its_limit_stops_with_its_sockets(void **state)
{
    (void)state;
    open_server(&echoes);
    connect_all();
    write_until_all_stand_still();
    for (unsigned i = 0; i < PEERS; i++)
        close(peers[i]);
    (void)tr_runtime_stop(runtime, 100, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_for_a_slow_consumer_stays_below_the_limit_and_every_byte_arrives),
        cmocka_unit_test(an_echo_at_the_limit_writes_what_it_has_read_and_reads_on_when_that_is_gone),
        cmocka_unit_test(whoever_lets_go_of_the_memory_wakes_the_sockets_and_they_were_never_paused),
        cmocka_unit_test(at_the_limit_no_connection_is_accepted_and_those_that_wait_are_when_it_is_over),
        cmocka_unit_test(a_pipe_at_the_limit_writes_what_it_has_read_and_reads_on_when_it_is_over),
        cmocka_unit_test(a_peer_is_not_too_slow_because_the_limit_is_reached),
        cmocka_unit_test(a_socket_of_ones_own_is_refused_at_the_limit),
        cmocka_unit_test(a_runtime_at_its_limit_stops_with_its_sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
