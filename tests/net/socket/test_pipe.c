/*
 * Pipes, seen from the far ends: a socket of the library's on one end of a connection, a plain descriptor of this
 * thread's on the other.
 */
#include "bytes.h"
#include "hands.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/remote.h>
#include <unistd.h>
#include <uv.h>

#define WORKERS 2u
#define READ_BYTES 65536u
#define CHUNK 65536u
#define FITS_NOWHERE (16u << 20) /* more than the kernel keeps of one connection */

/* One end of a connection each. */

enum transport { TCP, UNIX };

struct side {
    unsigned worker;
    struct tr_socket_options options; /* but for events and data */
    bool paused;                      /* until it is piped */
    tr_socket *socket;
    tr_ref ref;
    int fd;   /* which the socket takes */
    int peer; /* the other end: this thread's; -1: closed */
    char log[256];
    size_t received; /* by data events */
    uint64_t stream;
    bool wrong;
    unsigned closed;
};

static void
note(tr_socket *socket, const char *word)
{
    struct side *side = tr_socket_data(socket);
    size_t used = strlen(side->log);
    snprintf(side->log + used, sizeof(side->log) - used, "%s%s", used > 0 ? " " : "", word);
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    struct side *side = tr_socket_data(socket);
    side->wrong |= !bytes_match(data.data, data.size, side->stream, side->received);
    __atomic_fetch_add(&side->received, data.size, __ATOMIC_SEQ_CST);
}

static void
on_end(tr_socket *socket)
{
    note(socket, "end");
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    note(socket, error->code);
}

static void
on_close(tr_socket *socket, bool had_error)
{
    struct side *side = tr_socket_data(socket);
    note(socket, had_error ? "close!" : "close");
    side->socket = NULL;
    __atomic_store_n(&side->closed, 1, __ATOMIC_SEQ_CST);
}

static const struct tr_socket_events events = {.data = on_data, .end = on_end, .error = on_error, .close = on_close};

static void
adopt_here(tr_actor *self, void *argument)
{
    struct side *side = argument;
    side->options.events = &events;
    side->options.data = side;
    unsigned both = TR_READABLE | TR_WRITABLE;
    assert_int_equal(tr_socket_adopt(self, side->fd, both, &side->options, &side->socket), TR_OK);
    side->ref = tr_socket_ref(side->socket);
    if (side->paused)
        tr_socket_pause(side->socket);
}

static void
connected_pair(enum transport transport, int pair[2])
{
    uint16_t port;
    if (transport == UNIX) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        return;
    }
    int listener = tests_peer_listen(&port);
    pair[1] = tests_peer_connect(port);
    pair[0] = tests_peer_accept(listener);
    close(listener);
    assert_true(pair[0] >= 0 && pair[1] >= 0);
}

static void
open_side(struct side *side, unsigned worker, enum transport transport)
{
    int pair[2];
    struct timeval limit = {.tv_sec = TESTS_LIMIT_MS / 1000};
    connected_pair(transport, pair);
    setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    side->worker = worker;
    side->fd = pair[0];
    side->peer = pair[1];
    on_worker(worker, adopt_here, side);
}

static void
close_peer(struct side *side)
{
    if (side->peer >= 0)
        close(side->peer);
    side->peer = -1;
}

static bool
is_closed(void *argument)
{
    struct side *side = argument;
    return __atomic_load_n(&side->closed, __ATOMIC_SEQ_CST) != 0;
}

static void
await_closed(struct side *side, const char *log)
{
    if (!tests_wait_until(is_closed, side, TESTS_LIMIT_MS))
        fail_msg("not closed; so far: %s", side->log);
    assert_string_equal(side->log, log);
}

/* Operations on them. */

struct joint {
    struct side *from, *to;
    const struct tr_pipe_options *options;
    tr_status status;
};

static void
pipe_here(tr_actor *self, void *argument)
{
    struct joint *joint = argument;
    (void)self;
    joint->status = tr_socket_pipe(joint->from->socket, joint->to->ref, joint->options);
}

static void
join(struct side *from, struct side *to, const struct tr_pipe_options *options)
{
    struct joint joint = {from, to, options, TR_OK};
    on_worker(from->worker, pipe_here, &joint);
    assert_int_equal(joint.status, TR_OK);
}

static void
unpipe_here(tr_actor *self, void *argument)
{
    struct side *side = argument;
    (void)self;
    tr_socket_unpipe(side->socket);
}

static void
destroy_here(tr_actor *self, void *argument)
{
    struct side *side = argument;
    (void)self;
    tr_socket_destroy(side->socket, TR_OK);
}

static void
fail_here(tr_actor *self, void *argument)
{
    struct side *side = argument;
    (void)self;
    tr_socket_destroy(side->socket, TR_EIO);
}

struct look {
    struct side *side;
    uint64_t buffered, bytes_read, bytes_written;
    enum tr_ready_state state;
};

static void
look_here(tr_actor *self, void *argument)
{
    struct look *look = argument;
    (void)self;
    look->buffered = tr_socket_buffered(look->side->socket);
    look->bytes_read = tr_socket_bytes_read(look->side->socket);
    look->bytes_written = tr_socket_bytes_written(look->side->socket);
    look->state = tr_socket_ready_state(look->side->socket);
}

static struct look
look_at(struct side *side)
{
    struct look look = {.side = side};
    on_worker(side->worker, look_here, &look);
    return look;
}

static bool
has_read_all(void *argument)
{
    const struct look *wanted = argument;
    return look_at(wanted->side).bytes_read >= wanted->bytes_read;
}

static void
await_read(struct side *side, uint64_t bytes)
{
    struct look wanted = {.side = side, .bytes_read = bytes};
    assert_true(tests_wait_until(has_read_all, &wanted, TESTS_LIMIT_MS));
}

static bool
was_written_all(void *argument)
{
    const struct look *wanted = argument;
    return look_at(wanted->side).bytes_written >= wanted->bytes_written;
}

/* Everything has come through the pipe, though it may wait there. */
static void
await_written(struct side *side, uint64_t bytes)
{
    struct look wanted = {.side = side, .bytes_written = bytes};
    assert_true(tests_wait_until(was_written_all, &wanted, TESTS_LIMIT_MS));
}

static bool
has_ended(void *argument)
{
    return look_at(argument).state == TR_STATE_READ_ONLY;
}

/* Flows: bytes on their way from one descriptor to another. */

struct flow {
    int from, to;
    uint64_t stream;
    size_t size, sent, received;
};

static bool
send_some(struct flow *flow)
{
    char bytes[CHUNK];
    size_t size = flow->size - flow->sent < CHUNK ? flow->size - flow->sent : CHUNK;
    if (size == 0)
        return false;
    bytes_fill(bytes, size, flow->stream, flow->sent);
    ssize_t sent = send(flow->from, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
        assert_int_equal(errno, EAGAIN);
    flow->sent += sent > 0 ? (size_t)sent : 0;
    return sent > 0;
}

static bool
receive_some(struct flow *flow)
{
    char bytes[CHUNK];
    ssize_t received = flow->received < flow->sent ? recv(flow->to, bytes, CHUNK, MSG_DONTWAIT) : -2;
    if (received == -1)
        assert_int_equal(errno, EAGAIN);
    if (received < 0)
        return false;
    assert_true(received > 0); /* no end before the end */
    assert_true(bytes_match(bytes, (size_t)received, flow->stream, flow->received));
    flow->received += (size_t)received;
    return true;
}

/* Carries all flows to their ends at once. */
static void
carry(struct flow *flows, size_t n)
{
    size_t finished = 0;
    while (finished < n) {
        struct pollfd wanted[8];
        bool moved = false;
        finished = 0;
        for (size_t i = 0; i < n; i++) {
            moved |= send_some(&flows[i]);
            moved |= receive_some(&flows[i]);
            finished += flows[i].received == flows[i].size;
            wanted[2 * i] =
                (struct pollfd){.fd = flows[i].sent < flows[i].size ? flows[i].from : -1, .events = POLLOUT};
            wanted[2 * i + 1] = (struct pollfd){.fd = flows[i].to, .events = POLLIN};
        }
        if (!moved && finished < n)
            assert_true(poll(wanted, (nfds_t)(2 * n), (int)TESTS_LIMIT_MS) > 0);
    }
}

static void
assert_at_end(int fd)
{
    assert_true(tests_peer_at_end(fd));
}

static void
assert_open(int fd)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    hands_settle();
    assert_int_equal(poll(&wanted, 1, 0), 0);
}

/* Every test in these places: both sockets on one worker, or on two; over both kinds of connection. */

struct place {
    enum transport transport;
    unsigned first, second;
};

static const struct place places[] = {{TCP, 0, 0}, {TCP, 0, 1}, {UNIX, 0, 0}, {UNIX, 1, 0}};

static void
everywhere(void (*test)(const struct place *place))
{
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        hands_open(WORKERS);
        test(&places[i]);
        hands_close();
    }
}

static void
open_two(const struct place *place, struct side *first, struct side *second)
{
    open_side(first, place->first, place->transport);
    open_side(second, place->second, place->transport);
}

/* Echo. */

static void
echo(const struct place *place)
{
    struct side side = {.peer = -1};
    open_side(&side, place->first, place->transport);
    join(&side, &side, NULL);
    struct flow flow = {.from = side.peer, .to = side.peer, .stream = 1, .size = 6u << 20};
    carry(&flow, 1);
    shutdown(side.peer, SHUT_WR);
    assert_at_end(side.peer);
    await_closed(&side, "end close");
    close_peer(&side);
}

static void
a_socket_piped_to_itself_is_an_echo(void **state)
{
    (void)state;
    everywhere(echo);
}

/* A proxy. */

static void
proxy(const struct place *place)
{
    struct side client = {.options.allow_half_open = true}, server = {.options.allow_half_open = true};
    open_two(place, &client, &server);
    join(&client, &server, NULL);
    join(&server, &client, NULL);
    struct flow flows[] = {{.from = client.peer, .to = server.peer, .stream = 1, .size = 4u << 20},
                           {.from = server.peer, .to = client.peer, .stream = 2, .size = 4u << 20}};
    carry(flows, 2);
    shutdown(client.peer, SHUT_WR);
    assert_at_end(server.peer);
    flows[1].size += 1u << 20;
    carry(&flows[1], 1); /* the other direction goes on */
    shutdown(server.peer, SHUT_WR);
    assert_at_end(client.peer);
    await_closed(&client, "end close");
    await_closed(&server, "end close");
    close_peer(&client);
    close_peer(&server);
}

static void
two_sockets_piped_to_each_other_are_a_proxy(void **state)
{
    (void)state;
    everywhere(proxy);
}

struct jam {
    struct flow *flow;
    struct side *side;
};

static bool
is_stuck(void *argument)
{
    const struct jam *jam = argument;
    struct pollfd wanted = {.fd = jam->flow->from, .events = POLLOUT};
    while (send_some(jam->flow))
        ;
    hands_settle();
    return jam->flow->sent == jam->flow->size || (poll(&wanted, 1, 0) == 0 && look_at(jam->side).buffered > 0);
}

/* Sends until nothing more is taken, as the side that it goes to has bytes waiting for its peer. */
static void
send_until_stuck(struct flow *flow, struct side *side)
{
    struct jam jam = {flow, side};
    assert_true(tests_wait_until(is_stuck, &jam, TESTS_LIMIT_MS));
    assert_true(flow->sent < flow->size);
}

/* Back-pressure. */

static void
slow_reader_of(const struct place *place, const struct tr_pipe_options *options, uint64_t window_bytes)
{
    struct side fast = {.peer = -1}, slow = {.peer = -1};
    open_two(place, &fast, &slow);
    join(&fast, &slow, options);
    struct flow flow = {.from = fast.peer, .to = slow.peer, .stream = 3, .size = 256u << 20};
    send_until_stuck(&flow, &slow);
    uint64_t buffered = look_at(&slow).buffered;
    assert_true(buffered > 0);
    assert_true(buffered <= window_bytes + READ_BYTES);
    flow.size = flow.sent; /* enough */
    carry(&flow, 1);
    assert_int_equal(look_at(&slow).buffered, 0);
    shutdown(fast.peer, SHUT_WR);
    assert_at_end(slow.peer);
    shutdown(slow.peer, SHUT_WR);
    await_closed(&fast, "end close");
    await_closed(&slow, "end close");
    close_peer(&fast);
    close_peer(&slow);
}

static void
slow_reader(const struct place *place)
{
    slow_reader_of(place, &(struct tr_pipe_options){.window_bytes = 100000}, 100000);
}

static void
slow_reader_by_default(const struct place *place)
{
    slow_reader_of(place, NULL, 262144);
}

static void
no_more_than_the_window_and_a_read_waits_for_a_slow_reader(void **state)
{
    (void)state;
    everywhere(slow_reader);
    everywhere(slow_reader_by_default);
}

/* Small parts that wait: each would bind a slab, if it were not copied. Its worker is busy with other reads
 * meanwhile. */
static void
small_parts(const struct place *place)
{
    struct side drip = {.peer = -1}, slow = {.peer = -1}, busy = {.peer = -1};
    open_two(place, &drip, &slow);
    open_side(&busy, place->first, place->transport);
    join(&drip, &slow, &(struct tr_pipe_options){.window_bytes = 2 * FITS_NOWHERE});
    join(&busy, &busy, NULL);
    struct flow flow = {.from = drip.peer, .to = slow.peer, .stream = 4, .size = FITS_NOWHERE};
    struct flow noise = {.from = busy.peer, .to = busy.peer, .stream = 5};
    while (flow.sent < flow.size)
        send_some(&flow);
    await_written(&slow, flow.sent);
    for (int i = 0; i < 100; i++) {
        flow.size += 1;
        assert_true(send_some(&flow));
        await_read(&drip, flow.sent);
        noise.size += 70000;
        carry(&noise, 1);
    }
    assert_true(look_at(&slow).buffered > 100);
    carry(&flow, 1);
    close_peer(&drip);
    close_peer(&slow);
    close_peer(&busy);
    await_closed(&drip, "end close");
    await_closed(&slow, "end close");
    await_closed(&busy, "end close");
}

static void
small_parts_wait_and_arrive(void **state)
{
    (void)state;
    everywhere(small_parts);
}

/* The second is kept open. */

static void
keep_open(const struct place *place)
{
    struct tr_pipe_options kept = {.keep_open = true};
    struct side first = {.peer = -1}, next = {.peer = -1}, second = {.options.allow_half_open = true};
    open_two(place, &first, &second);
    open_side(&next, place->first, place->transport);
    join(&first, &second, &kept);
    struct flow flow = {.from = first.peer, .to = second.peer, .stream = 6, .size = 1u << 20};
    carry(&flow, 1);
    shutdown(first.peer, SHUT_WR);
    await_closed(&first, "end close");
    assert_open(second.peer);
    join(&next, &second, NULL);
    flow.from = next.peer;
    flow.size += 1u << 20;
    carry(&flow, 1);
    shutdown(next.peer, SHUT_WR);
    assert_at_end(second.peer);
    shutdown(second.peer, SHUT_WR);
    await_closed(&second, "end close");
    close_peer(&first);
    close_peer(&next);
    close_peer(&second);
}

/* Its first is destroyed in the middle. */
static void
keep_open_after_a_broken_first(const struct place *place)
{
    struct side first = {.peer = -1}, second = {.peer = -1};
    open_two(place, &first, &second);
    join(&first, &second, &(struct tr_pipe_options){.keep_open = true});
    struct flow flow = {.from = first.peer, .to = second.peer, .stream = 1, .size = 100000};
    carry(&flow, 1);
    on_worker(first.worker, fail_here, &first);
    await_closed(&first, "EIO close!");
    assert_open(second.peer);
    close_peer(&first);
    close_peer(&second);
    await_closed(&second, "end close");
}

static void
a_second_that_is_kept_open_takes_from_one_after_the_other(void **state)
{
    (void)state;
    everywhere(keep_open);
    everywhere(keep_open_after_a_broken_first);
}

/* Unpiping. */

static bool
has_received(void *argument)
{
    struct side *side = argument;
    return __atomic_load_n(&side->received, __ATOMIC_SEQ_CST) == 1u << 20;
}

static void
unpipe(const struct place *place)
{
    struct side first = {.stream = 8}, second = {.peer = -1};
    open_two(place, &first, &second);
    join(&first, &second, NULL);
    struct flow flow = {.from = first.peer, .to = second.peer, .stream = 7, .size = 1u << 20};
    carry(&flow, 1);
    on_worker(first.worker, unpipe_here, &first);
    on_worker(first.worker, unpipe_here, &first); /* does nothing */
    struct flow rest = {.from = first.peer, .stream = 8, .size = 1u << 20};
    while (rest.sent < rest.size)
        send_some(&rest);
    assert_true(tests_wait_until(has_received, &first, TESTS_LIMIT_MS));
    shutdown(first.peer, SHUT_WR);
    await_closed(&first, "end close");
    assert_false(first.wrong);
    assert_open(second.peer);
    close_peer(&first);
    close_peer(&second);
    await_closed(&second, "end close");
}

static void
after_unpipe_data_is_an_event_again(void **state)
{
    (void)state;
    everywhere(unpipe);
}

/* To another one in the middle, while the window is full. */
static void
pipe_again(const struct place *place)
{
    struct side first = {.peer = -1}, second = {.peer = -1}, third = {.peer = -1};
    open_two(place, &first, &second);
    open_side(&third, 1 - place->second, place->transport);
    join(&first, &second, NULL);
    struct flow flow = {.from = first.peer, .to = second.peer, .stream = 9, .size = 256u << 20};
    send_until_stuck(&flow, &second);
    uint64_t went_to_second = look_at(&first).bytes_read;
    join(&first, &third, NULL);
    struct flow rest = flow;
    rest.to = third.peer;
    rest.received = went_to_second;
    rest.size = flow.sent + (4u << 20);
    flow.size = flow.sent = went_to_second;
    carry((struct flow[]){flow, rest}, 2);
    shutdown(first.peer, SHUT_WR);
    assert_at_end(third.peer);
    assert_open(second.peer);
    await_closed(&first, "end close");
    close_peer(&first);
    close_peer(&second);
    close_peer(&third);
    await_closed(&second, "end close");
    await_closed(&third, "end close");
}

static void
a_pipe_can_go_elsewhere_in_the_middle(void **state)
{
    (void)state;
    everywhere(pipe_again);
}

/* The second goes. */

static void
second_closed(const struct place *place)
{
    struct side first = {.peer = -1}, second = {.peer = -1};
    open_two(place, &first, &second);
    join(&first, &second, NULL);
    struct flow flow = {.from = first.peer, .to = second.peer, .stream = 1, .size = 1u << 20};
    carry(&flow, 1);
    on_worker(second.worker, destroy_here, &second);
    await_closed(&second, "close");
    assert_at_end(first.peer);
    struct flow dropped = {.from = first.peer, .stream = 1, .size = 8u << 20};
    while (dropped.sent < dropped.size) {
        send_some(&dropped);
        poll(&(struct pollfd){.fd = first.peer, .events = POLLOUT}, 1, (int)TESTS_LIMIT_MS);
    }
    shutdown(first.peer, SHUT_WR);
    await_closed(&first, "end close");
    close_peer(&first);
    close_peer(&second);
}

static void
the_first_is_ended_when_the_second_is_closed(void **state)
{
    (void)state;
    everywhere(second_closed);
}

static void
second_failed(const struct place *place)
{
    struct side first = {.peer = -1}, second = {.peer = -1};
    open_two(place, &first, &second);
    join(&first, &second, NULL);
    on_worker(second.worker, fail_here, &second);
    await_closed(&second, "EIO close!");
    await_closed(&first, "EPIPE close!");
    close_peer(&first);
    close_peer(&second);
}

static void
second_reset(const struct place *place)
{
    struct side first = {.peer = -1}, second = {.peer = -1};
    if (place->transport == UNIX)
        return;
    open_two(place, &first, &second);
    join(&first, &second, NULL);
    tests_peer_reset(second.peer);
    second.peer = -1;
    await_closed(&second, "ECONNRESET close!");
    await_closed(&first, "EPIPE close!");
    close_peer(&first);
}

static void
second_gone(const struct place *place)
{
    struct side first = {.peer = -1}, second = {.peer = -1};
    open_two(place, &first, &second);
    on_worker(second.worker, destroy_here, &second);
    await_closed(&second, "close");
    assert_at_end(second.peer);
    join(&first, &second, NULL);
    await_closed(&first, "EPIPE close!");
    close_peer(&first);
    close_peer(&second);
}

static void
connect_by_port(tr_actor *self, void *argument)
{
    struct side *side = argument;
    struct tr_socket_options options = {.events = &events, .data = side};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = (uint16_t)side->fd};
    assert_int_equal(tr_connect(self, &options, &connect, &side->socket), TR_OK);
    side->ref = tr_socket_ref(side->socket);
}

static void
second_never_there(const struct place *place)
{
    uint16_t port;
    int refusing = tests_peer_refuse(&port);
    struct side first = {.peer = -1}, second = {.peer = -1, .worker = place->second, .fd = port};
    open_side(&first, place->first, place->transport);
    on_worker(second.worker, connect_by_port, &second);
    join(&first, &second, NULL);
    await_closed(&first, "EPIPE close!");
    await_closed(&second, "ECONNREFUSED close!");
    close_peer(&first);
    close(refusing);
}

static void
a_second_that_failed_or_is_not_there_destroys_the_first(void **state)
{
    (void)state;
    everywhere(second_failed);
    everywhere(second_reset);
    everywhere(second_gone);
    everywhere(second_never_there);
}

/* The first goes before the end. */

static void
destroy_first(const struct place *place, bool kept)
{
    struct side first = {.options.keep = kept}, second = {.peer = -1};
    open_two(place, &first, &second);
    join(&first, &second, NULL);
    struct flow flow = {.from = first.peer, .to = second.peer, .stream = 1, .size = 100000};
    carry(&flow, 1);
    on_worker(first.worker, destroy_here, &first);
    await_closed(&first, "close");
    await_closed(&second, "EPIPE close!");
    close_peer(&first);
    close_peer(&second);
}

static void
first_destroyed(const struct place *place)
{
    destroy_first(place, false);
}

/* Its actor stays, and has nothing more to say. */
static void
kept_first_destroyed(const struct place *place)
{
    destroy_first(place, true);
}

/* On the first one's own worker, so that it finds both at once. */
static void
send_and_reset(tr_actor *self, void *argument)
{
    struct side *side = argument;
    (void)self;
    assert_true(tests_peer_send(side->peer, "last", 4));
    tests_peer_reset(side->peer);
    side->peer = -1;
}

/* Neither ends its side by itself: nothing but the reset can close them. */
static void
first_reset_with_its_last_bytes(const struct place *place)
{
    struct side first = {.options.allow_half_open = true}, second = {.options.allow_half_open = true};
    if (place->transport == UNIX)
        return;
    open_two(place, &first, &second);
    join(&first, &second, NULL);
    on_worker(first.worker, send_and_reset, &first);
    await_closed(&first, "ECONNRESET close!");
    await_closed(&second, "EPIPE close!");
    close_peer(&second);
}

static void
a_first_that_is_destroyed_before_the_end_destroys_the_second(void **state)
{
    (void)state;
    everywhere(first_destroyed);
    everywhere(kept_first_destroyed);
    everywhere(first_reset_with_its_last_bytes);
}

/* The first reads the end and, in the same turn, is destroyed by the callback of a write, before the end is told. */

static void
destroy_when_written(tr_socket *socket, void *argument, tr_status status)
{
    (void)argument;
    assert_int_equal(status, TR_OK);
    tr_socket_destroy(socket, TR_OK);
}

/* More than the kernel takes, and what it leaves fits in when it is empty. */
static void
write_more_than_fits(tr_actor *self, void *argument)
{
    struct side *side = argument;
    static const char much[300000];
    tr_slice slice = tr_slice_constant(much, sizeof(much));
    (void)self;
    assert_int_equal(tr_socket_write_then(side->socket, slice, destroy_when_written, NULL), TR_QUEUED);
}

/* On the first one's own worker, so that it finds all of this at once. */
static void
drain_and_end_in_one_turn(tr_actor *self, void *argument)
{
    struct side *side = argument;
    char bytes[CHUNK];
    (void)self;
    while (recv(side->peer, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    shutdown(side->peer, SHUT_WR);
}

static void
first_destroyed_at_the_end(const struct place *place)
{
    struct side first = {.peer = -1}, second = {.peer = -1};
    if (place->transport == TCP)
        return; /* the kernel's buffers have no clear limit there */
    open_two(place, &first, &second);
    join(&first, &second, NULL);
    on_worker(first.worker, write_more_than_fits, &first);
    on_worker(first.worker, drain_and_end_in_one_turn, &first);
    await_closed(&first, "end close"); /* what was read is told before writing goes on */
    assert_at_end(second.peer);        /* all of it came through */
    close_peer(&second);
    await_closed(&second, "end close");
    close_peer(&first);
}

static void
a_first_that_is_destroyed_with_its_end_ends_the_second(void **state)
{
    (void)state;
    everywhere(first_destroyed_at_the_end);
}

/* Answers. */

/* The one who asks goes on asking; the one who answers ends, and is gone before the answer was read. */
static void
answer_first(const struct place *place, bool reset)
{
    struct side client = {.peer = -1}, server = {.peer = -1};
    open_two(place, &client, &server);
    join(&client, &server, NULL);
    join(&server, &client, &(struct tr_pipe_options){.window_bytes = 2 * FITS_NOWHERE});
    struct flow question = {.from = client.peer, .stream = 1, .size = 256u << 20};
    send_until_stuck(&question, &server);
    struct flow answer = {.from = server.peer, .to = client.peer, .stream = 2, .size = FITS_NOWHERE};
    while (answer.sent < answer.size)
        if (!send_some(&answer))
            poll(&(struct pollfd){.fd = server.peer, .events = POLLOUT}, 1, (int)TESTS_LIMIT_MS);
    await_read(&server, FITS_NOWHERE);
    shutdown(server.peer, SHUT_WR);
    assert_true(tests_wait_until(has_ended, &client, TESTS_LIMIT_MS)); /* the end has come through, behind the answer */
    assert_true(look_at(&client).buffered > 0);                        /* so there is something to be lost */
    if (reset)
        tests_peer_reset(server.peer);
    else
        close_peer(&server);
    server.peer = -1;
    assert_true(tests_wait_until(is_closed, &server, TESTS_LIMIT_MS));
    while (send_some(&question))
        ;
    carry(&answer, 1);
    assert_at_end(client.peer);
    close_peer(&client);
    assert_true(tests_wait_until(is_closed, &client, TESTS_LIMIT_MS));
}

static void
answer_then_close(const struct place *place)
{
    answer_first(place, false);
}

static void
answer_then_reset(const struct place *place)
{
    if (place->transport == TCP)
        answer_first(place, true);
}

/* The second still has to write when its peer ends; what comes then is too late, and spoils nothing. */
static void
questions_that_are_too_late(const struct place *place)
{
    struct side client = {.peer = -1}, server = {.peer = -1};
    open_two(place, &client, &server);
    join(&client, &server, &(struct tr_pipe_options){.window_bytes = 4 * FITS_NOWHERE});
    join(&server, &client, NULL);
    struct flow question = {.from = client.peer, .to = server.peer, .stream = 1, .size = FITS_NOWHERE};
    struct flow answer = {.from = server.peer, .to = client.peer, .stream = 2, .size = 100000};
    while (question.sent < question.size)
        send_some(&question);
    await_written(&server, question.sent);
    carry(&answer, 1);
    shutdown(server.peer, SHUT_WR);
    assert_at_end(client.peer);
    assert_true(look_at(&server).buffered > 0);
    struct flow late = {.from = client.peer, .stream = 3, .size = 100000};
    while (late.sent < late.size)
        send_some(&late);
    await_read(&client, question.sent + late.sent);
    carry(&question, 1);
    assert_at_end(server.peer);
    await_closed(&server, "end close");
    shutdown(client.peer, SHUT_WR);
    await_closed(&client, "end close");
    assert_int_equal(client.received, 0); /* nor does it become an event */
    close_peer(&client);
    close_peer(&server);
}

static void
what_comes_after_the_second_ended_is_dropped_and_what_waits_is_sent(void **state)
{
    (void)state;
    everywhere(questions_that_are_too_late);
}

static void
an_answer_is_not_lost_when_the_second_closes_first(void **state)
{
    (void)state;
    everywhere(answer_then_close);
    everywhere(answer_then_reset);
}

/* Connecting. */

static void
to_a_connecting_socket(const struct place *place)
{
    uint16_t port;
    int listener = tests_peer_listen(&port);
    struct side first = {.paused = true}, second = {.peer = -1, .worker = place->second, .fd = port};
    open_side(&first, place->first, place->transport);
    struct flow flow = {.from = first.peer, .stream = 1, .size = 2u << 20};
    while (send_some(&flow))
        ;
    on_worker(second.worker, connect_by_port, &second);
    join(&first, &second, NULL);
    flow.to = second.peer = tests_peer_accept(listener);
    close(listener);
    carry(&flow, 1);
    shutdown(first.peer, SHUT_WR);
    assert_at_end(second.peer);
    close_peer(&second);
    await_closed(&first, "end close");
    await_closed(&second, "end close");
    close_peer(&first);
}

static void
a_pipe_may_begin_before_the_second_is_connected(void **state)
{
    (void)state;
    everywhere(to_a_connecting_socket);
}

/* From a distance. */

static void
remote_pipe_here(tr_actor *self, void *argument)
{
    struct joint *joint = argument;
    joint->status = tr_remote_pipe(self, joint->from->ref, joint->to->ref, NULL);
}

/* Without a pipe the second has nothing to do with it. */
static void
remote_unpipe_and_destroy_here(tr_actor *self, void *argument)
{
    struct joint *joint = argument;
    joint->status = tr_remote_unpipe(self, joint->from->ref);
    assert_int_equal(tr_remote_destroy(self, joint->from->ref, TR_OK), TR_OK);
}

static void
remotely(const struct place *place)
{
    struct side first = {.paused = true}, second = {.peer = -1};
    open_two(place, &first, &second);
    struct joint joint = {.from = &first, .to = &second};
    on_worker(1 - place->first, remote_pipe_here, &joint);
    assert_int_equal(joint.status, TR_OK);
    struct flow flow = {.from = first.peer, .to = second.peer, .stream = 7, .size = 1u << 20};
    carry(&flow, 1);
    on_worker(1 - place->first, remote_unpipe_and_destroy_here, &joint);
    assert_int_equal(joint.status, TR_OK);
    await_closed(&first, "close");
    assert_open(second.peer);
    close_peer(&first);
    close_peer(&second);
    await_closed(&second, "end close");
}

static void
pipes_are_begun_and_ended_from_a_distance(void **state)
{
    (void)state;
    everywhere(remotely);
}

static void
misuse_here(tr_actor *self, void *argument)
{
    struct side *side = argument;
    (void)self;
    assert_int_equal(tr_socket_pipe(NULL, side->ref, NULL), TR_EINVAL);
    assert_int_equal(tr_socket_pipe(side->socket, TR_NOBODY, NULL), TR_EBADREF);
    assert_int_equal(tr_socket_pipe(side->socket, ~(tr_ref)0, NULL), TR_EBADREF);
    tr_socket_unpipe(NULL);
    tr_socket_destroy(side->socket, TR_OK);
    assert_int_equal(tr_socket_pipe(side->socket, side->ref, NULL), TR_EDESTROYED);
    tr_socket_unpipe(side->socket);
}

static void
wrong_arguments_are_refused_by_name(void **state)
{
    (void)state;
    struct side side = {.peer = -1};
    hands_open(WORKERS);
    open_side(&side, 0, UNIX);
    on_worker(0, misuse_here, &side);
    await_closed(&side, "close");
    close_peer(&side);
    hands_close();
}

/* Stopping in the middle. Nobody reads, so the deadline ends it: nothing may be left. */

static void
stop_in_the_middle(const struct place *place)
{
    struct side first = {.peer = -1}, second = {.peer = -1};
    open_two(place, &first, &second);
    join(&first, &second, NULL);
    join(&second, &first, NULL);
    struct flow there = {.from = first.peer, .stream = 1, .size = 64u << 20};
    struct flow back = {.from = second.peer, .stream = 2, .size = 64u << 20};
    while (there.sent < 1u << 19 && send_some(&there))
        send_some(&back);
    tr_runtime_stop(hands_runtime, 50, NULL);
    close_peer(&first);
    close_peer(&second);
}

static void
the_runtime_stops_in_the_middle_and_nothing_is_left(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int fds_before = tests_open_fds();
        hands_open(WORKERS);
        stop_in_the_middle(&places[i]);
        assert_int_equal(tests_open_fds(), fds_before);
    }
}

/* Bytes of a character of which the rest has not come yet. */

static bool
has_one(void *argument)
{
    struct side *side = argument;
    return __atomic_load_n(&side->received, __ATOMIC_SEQ_CST) == 1;
}

static void
half_a_character(const struct place *place)
{
    char bytes[3] = "";
    struct side first = {.options.encoding = TR_ENCODING_UTF8}, second = {.peer = -1};
    open_two(place, &first, &second);
    assert_true(tests_peer_send(first.peer, "x\xc3", 2));
    await_read(&first, 2);
    assert_true(tests_wait_until(has_one, &first, TESTS_LIMIT_MS));
    join(&first, &second, NULL);
    assert_true(tests_peer_send(first.peer, "\xb6", 1));
    assert_int_equal(tests_peer_receive(second.peer, bytes, 2), 2);
    assert_string_equal(bytes, "\xc3\xb6");
    close_peer(&first);
    await_closed(&first, "end close");
    assert_at_end(second.peer);
    close_peer(&second);
    await_closed(&second, "end close");
}

static void
what_the_decoder_still_has_is_the_first_that_goes_through_the_pipe(void **state)
{
    (void)state;
    everywhere(half_a_character);
}

/* To a socket that has exited and is still there: it remembers no pipe, and the first is told that nobody takes it. */

static void
pipe_to_one_that_has_exited(tr_actor *self, void *argument)
{
    struct side *side = argument;
    tr_socket *second;
    assert_int_equal(tr_socket_spawn(self, NULL, &second), TR_OK);
    tr_ref ref = tr_socket_ref(second);
    tr_socket_end(second);
    tr_exit(tr_socket_actor(second));
    assert_int_equal(tr_socket_pipe(side->socket, ref, NULL), TR_OK);
}

static void
second_exited(const struct place *place)
{
    struct side first = {.peer = -1};
    open_side(&first, place->first, place->transport);
    on_worker(first.worker, pipe_to_one_that_has_exited, &first);
    await_closed(&first, "EPIPE close!");
    close_peer(&first);
}

static void
a_pipe_to_a_socket_that_has_exited_leaves_nothing_there(void **state)
{
    (void)state;
    everywhere(second_exited);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_piped_to_itself_is_an_echo),
        cmocka_unit_test(two_sockets_piped_to_each_other_are_a_proxy),
        cmocka_unit_test(no_more_than_the_window_and_a_read_waits_for_a_slow_reader),
        cmocka_unit_test(small_parts_wait_and_arrive),
        cmocka_unit_test(a_second_that_is_kept_open_takes_from_one_after_the_other),
        cmocka_unit_test(after_unpipe_data_is_an_event_again),
        cmocka_unit_test(a_pipe_can_go_elsewhere_in_the_middle),
        cmocka_unit_test(the_first_is_ended_when_the_second_is_closed),
        cmocka_unit_test(a_second_that_failed_or_is_not_there_destroys_the_first),
        cmocka_unit_test(a_first_that_is_destroyed_before_the_end_destroys_the_second),
        cmocka_unit_test(a_first_that_is_destroyed_with_its_end_ends_the_second),
        cmocka_unit_test(an_answer_is_not_lost_when_the_second_closes_first),
        cmocka_unit_test(what_comes_after_the_second_ended_is_dropped_and_what_waits_is_sent),
        cmocka_unit_test(a_pipe_may_begin_before_the_second_is_connected),
        cmocka_unit_test(pipes_are_begun_and_ended_from_a_distance),
        cmocka_unit_test(wrong_arguments_are_refused_by_name),
        cmocka_unit_test(the_runtime_stops_in_the_middle_and_nothing_is_left),
        cmocka_unit_test(what_the_decoder_still_has_is_the_first_that_goes_through_the_pipe),
        cmocka_unit_test(a_pipe_to_a_socket_that_has_exited_leaves_nothing_there),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
