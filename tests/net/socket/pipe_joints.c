#include "pipe_joints.h"

#include "bytes.h"
#include "hands.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* One end of a connection each. */

static void
side_note(tr_socket *socket, const char *word)
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
    side_note(socket, "end");
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    side_note(socket, error->code);
}

static void
on_close(tr_socket *socket, bool had_error)
{
    struct side *side = tr_socket_data(socket);
    side_note(socket, had_error ? "close!" : "close");
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

void
open_end(struct side *side, unsigned worker, enum transport transport)
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

void
close_peer(struct side *side)
{
    if (side->peer >= 0)
        close(side->peer);
    side->peer = -1;
}

bool
end_is_closed(void *argument)
{
    struct side *side = argument;
    return __atomic_load_n(&side->closed, __ATOMIC_SEQ_CST) != 0;
}

void
await_closed_with(struct side *side, const char *log)
{
    if (!tests_wait_until(end_is_closed, side, TESTS_LIMIT_MS))
        fail_msg("not closed; so far: %s", side->log);
    assert_string_equal(side->log, log);
}

/* Operations on them. */

static void
pipe_here(tr_actor *self, void *argument)
{
    struct joint *joint = argument;
    (void)self;
    joint->status = tr_socket_pipe(joint->from->socket, joint->to->ref, joint->options);
}

void
join(struct side *from, struct side *to, const struct tr_pipe_options *options)
{
    struct joint joint = {from, to, options, TR_OK};
    on_worker(from->worker, pipe_here, &joint);
    assert_int_equal(joint.status, TR_OK);
}

void
fail_here(tr_actor *self, void *argument)
{
    struct side *side = argument;
    (void)self;
    tr_socket_destroy(side->socket, TR_EIO);
}

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

struct look
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

void
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

void
await_written(struct side *side, uint64_t bytes)
{
    struct look wanted = {.side = side, .bytes_written = bytes};
    assert_true(tests_wait_until(was_written_all, &wanted, TESTS_LIMIT_MS));
}

/* Flows: bytes on their way from one descriptor to another. */

bool
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

void
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

void
assert_at_end(int fd)
{
    assert_true(tests_peer_at_end(fd));
}

/* Every test in these places: both sockets on one worker, or on two; over both kinds of connection. */

const struct place places[4] = {{TCP, 0, 0}, {TCP, 0, 1}, {UNIX, 0, 0}, {UNIX, 1, 0}};

void
everywhere(void (*test)(const struct place *place))
{
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        hands_open(WORKERS);
        test(&places[i]);
        hands_close();
    }
}

void
open_two(const struct place *place, struct side *first, struct side *second)
{
    open_end(first, place->first, place->transport);
    open_end(second, place->second, place->transport);
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

void
send_until_stuck(struct flow *flow, struct side *side)
{
    struct jam jam = {flow, side};
    assert_true(tests_wait_until(is_stuck, &jam, TESTS_LIMIT_MS));
    assert_true(flow->sent < flow->size);
}

void
connect_by_port(tr_actor *self, void *argument)
{
    struct side *side = argument;
    struct tr_socket_options options = {.events = &events, .data = side};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = (uint16_t)side->fd};
    assert_int_equal(tr_connect(self, &options, &connect, &side->socket), TR_OK);
    side->ref = tr_socket_ref(side->socket);
}
