/*
 * Large and many: nothing is lost when much goes both ways at once, when the kernel takes little at a time and signals
 * interrupt its calls, and with thousands of connections that wait.
 */
#include "bytes.h"
#include "hands.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <troupe/actors/runtime.h>
#include <troupe/core/compiler.h>
#include <troupe/net/remote.h>
#include <troupe/net/server.h>
#include <unistd.h>

/* Each way. With a sanitizer 64 MB would take too long. */
#if defined(TRI_ASAN) || defined(TRI_TSAN)
#define BYTES (16u << 20)
#else
#define BYTES (64u << 20)
#endif
#define TINY_BYTES (1u << 20) /* through the smallest buffers of the kernel */
#define PAUSE_EVERY (1u << 20)
#define PAUSE_MS 1u
#define WORKERS 3u
#define IDLE 10000u

enum { TAG_GO = 1, TAG_RESUME, TAG_WRITTEN };

/* One end of a transfer, driven by callbacks or by an owner. What it receives is checked against its place. */
struct end {
    uint64_t out, in; /* streams */
    size_t size, sent, received, paused_at;
    bool wrong, failed, finished;
    unsigned closed; /* any thread */
    tr_ref socket;
};

static struct end ends[2];

static tr_slice
piece_of(struct end *end)
{
    size_t size = 1 + (size_t)(bytes_word(77, end->sent) % 100000);
    if (size > end->size - end->sent)
        size = end->size - end->sent;
    char *bytes = malloc(size);
    tr_slice slice;
    assert_non_null(bytes);
    bytes_fill(bytes, size, end->out, end->sent);
    assert_int_equal(tr_slice_adopt(bytes, size, free, &slice), TR_OK);
    end->sent += size;
    return slice;
}

/* true: it is time for a pause. */
static bool
take_in(struct end *end, tr_slice data)
{
    end->wrong |= !bytes_match(data.data, data.size, end->in, end->received);
    end->received += data.size;
    if (end->received - end->paused_at < PAUSE_EVERY)
        return false;
    end->paused_at = end->received;
    return true;
}

static void
is_over(struct end *end)
{
    __atomic_store_n(&end->closed, 1, __ATOMIC_SEQ_CST);
}

/* By callbacks. */

static void
pump(tr_socket *socket)
{
    struct end *end = tr_socket_data(socket);
    tr_status status = TR_OK;
    while (end->sent < end->size && status == TR_OK) {
        tr_slice piece = piece_of(end);
        status = tr_socket_write_slice(socket, piece);
        tr_slice_release(piece);
    }
    end->failed |= status < TR_OK;
    if (end->sent == end->size)
        tr_socket_end(socket);
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    tr_actor *self = tr_socket_actor(socket);
    if (!take_in(tr_socket_data(socket), data))
        return;
    tr_message later = tr_message_signal(TAG_RESUME);
    tr_socket_pause(socket);
    tr_send_after(self, tr_self(self), PAUSE_MS, &later, NULL);
}

static void
on_message(tr_socket *socket, tr_message *message)
{
    if (message->tag == TAG_RESUME)
        tr_socket_resume(socket);
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    struct end *end = tr_socket_data(socket);
    (void)error;
    end->failed = true;
}

static void
on_end(tr_socket *socket)
{
    struct end *end = tr_socket_data(socket);
    end->finished = true;
}

static void
on_close(tr_socket *socket, bool had_error)
{
    (void)had_error;
    is_over(tr_socket_data(socket));
}

static const struct tr_socket_events callbacks = {
    .connect = pump,
    .data = on_data,
    .drain = pump,
    .end = on_end,
    .error = on_error,
    .close = on_close,
    .message = on_message,
};

/* By an owner. It asks of each write whether it waits, and goes on at drain. */

static void
write_next(tr_actor *self, struct end *end)
{
    if (end->sent == end->size) {
        tr_remote_end(self, end->socket);
        return;
    }
    tr_slice piece = piece_of(end);
    tr_remote_write_check(self, end->socket, piece, TAG_WRITTEN, 0);
    tr_slice_release(piece);
}

static void
owner_data(tr_actor *self, struct end *end, tr_slice data)
{
    if (!take_in(end, data))
        return;
    tr_message later = tr_message_signal(TAG_RESUME);
    tr_remote_pause(self, end->socket);
    tr_send_after(self, tr_self(self), PAUSE_MS, &later, NULL);
}

static void
owner_event(tr_actor *self, struct end *end, enum tr_event event, tr_message *message)
{
    switch (event) {
    case TR_EVENT_CONNECT:
    case TR_EVENT_DRAIN: write_next(self, end); break;
    case TR_EVENT_DATA: owner_data(self, end, message->payload.slice); break;
    case TR_EVENT_END: end->finished = true; break;
    case TR_EVENT_ERROR: end->failed = true; break;
    case TR_EVENT_CLOSE: is_over(end); break;
    default: break;
    }
    tr_remote_credit(self, end->socket, 1);
}

static void
owner_begin(tr_actor *self, struct end *end, const struct tr_connect_options *connect)
{
    struct tr_socket_options options = {.owner = {.actor = tr_self(self)}, .allow_half_open = true};
    struct tr_spawn_options place = {.placement = TR_PLACE_WORKER, .worker = 0};
    assert_int_equal(tr_remote_socket(self, &options, &place, &end->socket), TR_OK);
    assert_int_equal(tr_remote_connect(self, end->socket, connect), TR_OK);
}

static void
owner_receive(tr_actor *self, void *state, tr_message *message)
{
    struct end *end = &ends[0];
    enum tr_event event;
    (void)state;
    if (message->tag == TAG_GO)
        owner_begin(self, end, tr_message_data(message));
    else if (message->tag == TAG_RESUME)
        tr_remote_resume(self, end->socket);
    else if (message->tag == TAG_WRITTEN) {
        const struct tr_remote_accepted *accepted = tr_message_data(message);
        end->failed |= accepted->status < TR_OK;
        if (accepted->status == TR_OK)
            write_next(self, end);
    } else if (tr_event_of(message, &event))
        owner_event(self, end, event, message);
}

static const struct tr_behavior owner = {.name = "owner", .receive = owner_receive};

static tr_ref
spawn_on(unsigned worker, const struct tr_behavior *behavior)
{
    struct tr_spawn_options place = {.placement = TR_PLACE_WORKER, .worker = worker};
    tr_ref ref;
    assert_int_equal(tr_runtime_spawn(hands_runtime, behavior, &place, &ref), TR_OK);
    return ref;
}

static void
prepare_ends(size_t size)
{
    ends[0] = (struct end){.out = 1, .in = 2, .size = size};
    ends[1] = (struct end){.out = 2, .in = 1, .size = size};
}

static bool
both_closed(void *argument)
{
    (void)argument;
    return __atomic_load_n(&ends[0].closed, __ATOMIC_SEQ_CST) != 0 &&
           __atomic_load_n(&ends[1].closed, __ATOMIC_SEQ_CST) != 0;
}

static void
await_transfer(void)
{
    bool over = tests_wait_until(both_closed, NULL, 2 * TESTS_LIMIT_MS);
    for (int i = 0; i < 2; i++) {
        if (!over || ends[i].received != ends[i].size)
            fail_msg("end %d: sent %zu, received %zu of %zu", i, ends[i].sent, ends[i].received, ends[i].size);
        assert_false(ends[i].wrong);
        assert_false(ends[i].failed);
        assert_true(ends[i].finished);
    }
}

/* Both ways at once. */

static unsigned
on_second_worker(const struct tr_balance_view *view)
{
    (void)view;
    return 1;
}

static void
on_connection(tr_socket *socket)
{
    tr_socket_set_data(socket, &ends[1]);
    pump(socket);
}

static void
connect_here(tr_actor *self, void *argument)
{
    struct tr_socket_options options = {.events = &callbacks, .data = &ends[0], .allow_half_open = true};
    assert_int_equal(tr_connect(self, &options, argument, NULL), TR_OK);
}

static void
transfer(const char *path, bool by_owner)
{
    hands_open(WORKERS);
    prepare_ends(BYTES);
    struct tr_server_options server = {
        .connection = on_connection,
        .socket = {.events = &callbacks, .allow_half_open = true},
        .balance = on_second_worker,
    };
    struct tr_listen_options listen = {.host = path == NULL ? "127.0.0.1" : NULL, .path = path};
    struct tr_address bound;
    assert_int_equal(tr_runtime_listen(hands_runtime, &server, &listen, NULL, &bound), TR_OK);
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = bound.port, .path = path};
    if (by_owner) {
        tr_message go = tr_message_copy(TAG_GO, &connect, sizeof(connect));
        assert_int_equal(tr_runtime_send(hands_runtime, spawn_on(2, &owner), &go), TR_OK);
    } else {
        on_worker(0, connect_here, &connect);
    }
    await_transfer();
    hands_close();
}

static void
much_goes_both_ways_at_once_over_tcp(void **state)
{
    (void)state;
    transfer(NULL, false);
}

static void
much_goes_both_ways_at_once_over_a_unix_socket(void **state)
{
    char path[32];
    (void)state;
    snprintf(path, sizeof(path), "@troupe-transfer-%d", (int)getpid());
    transfer(path, false);
}

static void
much_goes_both_ways_at_once_by_an_owner_on_a_third_worker(void **state)
{
    (void)state;
    transfer(NULL, true);
}

/* Small buffers and signals. */

#define ENOUGH_INTERRUPTIONS 50u

static pthread_t threads[WORKERS];
static unsigned interruptions, stop_interrupting;

static void
on_signal(int signal)
{
    (void)signal;
    __atomic_fetch_add(&interruptions, 1, __ATOMIC_SEQ_CST);
}

/* Workers block signals; an actor may let one through. */
static void
take_signals_here(tr_actor *self, void *argument)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
    threads[tr_ref_worker(tr_self(self))] = pthread_self();
    (void)argument;
}

static void *
interrupt(void *argument)
{
    (void)argument;
    while (__atomic_load_n(&stop_interrupting, __ATOMIC_SEQ_CST) == 0) {
        for (unsigned i = 0; i < 2; i++)
            pthread_kill(threads[i], SIGUSR1);
        tests_let_pass(1000000);
    }
    return NULL;
}

/* Small segments, too: otherwise TCP waits for room for one of 64 KiB, which there never is. */
static void
make_tiny(int fd)
{
    int bytes = 2048, segment = 536;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment));
}

static void
tiny_tcp_pair(int pair[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    pair[0] = socket(AF_INET, SOCK_STREAM, 0);
    make_tiny(listener);
    make_tiny(pair[0]);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(pair[0], (struct sockaddr *)&address, size), 0);
    pair[1] = accept(listener, NULL, NULL);
    assert_true(pair[1] >= 0);
    close(listener);
}

static void
tiny_unix_pair(int pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    make_tiny(pair[0]);
    make_tiny(pair[1]);
}

struct adoption {
    struct end *end;
    int fd;
};

static void
adopt_here(tr_actor *self, void *argument)
{
    struct adoption *adoption = argument;
    tr_socket *socket;
    struct tr_socket_options options = {
        .events = &callbacks, .data = adoption->end, .allow_half_open = true, .no_delay = true};
    unsigned both = TR_READABLE | TR_WRITABLE;
    assert_int_equal(tr_socket_adopt(self, adoption->fd, both, &options, &socket), TR_OK);
    pump(socket);
}

static void
interrupted_transfer(void (*make_pair)(int pair[2]))
{
    int pair[2];
    pthread_t interrupter;
    hands_open(WORKERS);
    prepare_ends(TINY_BYTES);
    stop_interrupting = 0;
    for (unsigned i = 0; i < 2; i++)
        on_worker(i, take_signals_here, NULL);
    make_pair(pair);
    assert_int_equal(pthread_create(&interrupter, NULL, interrupt, NULL), 0);
    for (unsigned i = 0; i < 2; i++)
        on_worker(i, adopt_here, &(struct adoption){&ends[i], pair[i]});
    await_transfer();
    __atomic_store_n(&stop_interrupting, 1, __ATOMIC_SEQ_CST);
    pthread_join(interrupter, NULL);
    hands_close();
}

/* As often as it takes to have been interrupted: on an idle machine a transfer is soon over. */
static void
interrupted_transfers(void (*make_pair)(int pair[2]))
{
    interruptions = 0;
    do
        interrupted_transfer(make_pair);
    while (__atomic_load_n(&interruptions, __ATOMIC_SEQ_CST) < ENOUGH_INTERRUPTIONS);
}

static void
nothing_is_lost_with_tiny_buffers_and_a_thousand_signals_a_second(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART: calls are interrupted */
    struct sigaction before;
    sigaction(SIGUSR1, &action, &before);
    interrupted_transfers(tiny_unix_pair);
    interrupted_transfers(tiny_tcp_pair);
    sigaction(SIGUSR1, &before, NULL);
}

/* Idle connections. */

static void
echo(tr_socket *socket, tr_slice data)
{
    tr_socket_write_slice(socket, data);
}

/* Both ends of a connection are in this process. */
static unsigned
raise_limit(unsigned connections)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    unsigned possible = limit.rlim_cur > 2 * connections + 100 ? connections : (unsigned)(limit.rlim_cur - 100) / 2;
    if (possible < connections)
        print_message("%u connections: the system allows %llu descriptors\n", possible,
                      (unsigned long long)limit.rlim_cur);
    return possible;
}

struct crowd {
    unsigned count, accepted;
};

static struct crowd crowd;

static void
count_connection(tr_socket *socket)
{
    (void)socket;
    __atomic_fetch_add(&crowd.accepted, 1, __ATOMIC_SEQ_CST);
}

static bool
all_accepted(void *argument)
{
    (void)argument;
    return __atomic_load_n(&crowd.accepted, __ATOMIC_SEQ_CST) == crowd.count;
}

static void
ask_all(const int *peers)
{
    char answer;
    for (unsigned i = 0; i < crowd.count; i++)
        assert_true(tests_peer_send(peers[i], &(char){(char)i}, 1));
    for (unsigned i = 0; i < crowd.count; i++) {
        assert_int_equal(tests_peer_receive(peers[i], &answer, 1), 1);
        assert_int_equal(answer, (char)i);
    }
}

static void
ten_thousand_idle_connections_are_all_answered(void **state)
{
    (void)state;
    static const struct tr_socket_events echoes = {.data = echo};
    crowd = (struct crowd){.count = raise_limit(IDLE)};
    int *peers = calloc(crowd.count, sizeof(*peers));
    struct tr_server_options server = {.connection = count_connection, .socket.events = &echoes};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address bound;
    assert_non_null(peers);
    hands_open(WORKERS);
    assert_int_equal(tr_runtime_listen(hands_runtime, &server, &listen, NULL, &bound), TR_OK);
    size_t before = tests_resident();
    for (unsigned i = 0; i < crowd.count; i++)
        assert_true((peers[i] = tests_peer_connect(bound.port)) >= 0);
    assert_true(tests_wait_until(all_accepted, NULL, TESTS_LIMIT_MS));
    print_message("%u idle connections take %ld bytes each in this process\n", crowd.count,
                  (tests_resident() - before) / crowd.count);
    ask_all(peers);
    ask_all(peers);
    for (unsigned i = 0; i < crowd.count; i++)
        close(peers[i]);
    free(peers);
    hands_close();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(much_goes_both_ways_at_once_over_tcp),
        cmocka_unit_test(much_goes_both_ways_at_once_over_a_unix_socket),
        cmocka_unit_test(much_goes_both_ways_at_once_by_an_owner_on_a_third_worker),
        cmocka_unit_test(nothing_is_lost_with_tiny_buffers_and_a_thousand_signals_a_second),
        cmocka_unit_test(ten_thousand_idle_connections_are_all_answered),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
