#include "play.h"

#include "counters.h"
#include "helpers.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#define SETTLING_TURNS 10u /* a reset, a refusal, a close of both sides take two or three */

enum { TAG_ACT = 1 };

struct act {
    bool (*holds)(void); /* NULL: it does */
    unsigned turns;      /* of the loop, from then on */
    void (*run)(void *argument);
    void *argument;
};

tr_actor *director;
tr_runtime *stage_runtime;
uint64_t stage_memory_limit;
uint16_t stage_port;
struct endpoint accepted[8];
unsigned accepted_count;

static uv_sem_t over;
static bool ended;

/* Logs. */

bool
is(const char *event, const char *name)
{
    return strcmp(event, name) == 0;
}

void
note(struct endpoint *endpoint, const char *format, ...)
{
    size_t used = strlen(endpoint->log);
    if (used > 0)
        used += (size_t)snprintf(endpoint->log + used, sizeof(endpoint->log) - used, " ");
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(endpoint->log + used, sizeof(endpoint->log) - used, format, arguments);
    va_end(arguments);
}

static void
happened(tr_socket *socket, const char *event)
{
    struct endpoint *endpoint = tr_socket_data(socket);
    if (endpoint->hook != NULL)
        endpoint->hook(endpoint, event);
}

static void
plain(tr_socket *socket, const char *event)
{
    note(tr_socket_data(socket), "%s", event);
    happened(socket, event);
}

static void
on_lookup(tr_socket *socket, const struct tr_error *error, const struct tr_address *address, const char *host)
{
    struct endpoint *endpoint = tr_socket_data(socket);
    note(endpoint, "lookup:%s:%s", host, error != NULL ? tr_status_code(error->status) : address->text);
    endpoint->code = error != NULL ? error->code : NULL;
    happened(socket, "lookup");
}

static void
on_connect(tr_socket *socket)
{
    plain(socket, "connect");
}

static void
on_ready(tr_socket *socket)
{
    plain(socket, "ready");
}

/* Joins what comes in pieces: the word grows. Long or binary data is only counted. */
static void
on_data(tr_socket *socket, tr_slice data)
{
    struct endpoint *endpoint = tr_socket_data(socket);
    const char *word = strrchr(endpoint->log, ' ');
    word = word != NULL ? word + 1 : endpoint->log;
    bool goes_on = strncmp(word, "data", 4) == 0;
    bool is_short = endpoint->bytes + data.size < 100;
    for (size_t i = 0; i < data.size; i++) {
        endpoint->sum += (uint64_t)(unsigned char)data.data[i] * (++endpoint->bytes % 65521);
        is_short &= data.data[i] > ' ' && data.data[i] <= '~';
    }
    if (!goes_on)
        note(endpoint, "data");
    if (is_short) {
        size_t used = strlen(endpoint->log);
        snprintf(endpoint->log + used, sizeof(endpoint->log) - used, "%s%.*s", goes_on ? "" : ":", (int)data.size,
                 data.data);
    }
    endpoint->last = data;
    happened(socket, "data");
}

static void
on_fd(tr_socket *socket, int fd)
{
    struct endpoint *endpoint = tr_socket_data(socket);
    endpoint->fd = fd;
    plain(socket, "fd");
    if (endpoint->fd >= 0)
        close(endpoint->fd);
}

static void
on_end(tr_socket *socket)
{
    plain(socket, "end");
}

static void
on_drain(tr_socket *socket)
{
    plain(socket, "drain");
}

static void
on_timeout(tr_socket *socket)
{
    plain(socket, "timeout");
}

static void
on_goaway(tr_socket *socket)
{
    plain(socket, "goaway");
}

static void
on_secure(tr_socket *socket)
{
    plain(socket, "secure");
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    struct endpoint *endpoint = tr_socket_data(socket);
    endpoint->error = error->status;
    endpoint->system = error->system;
    endpoint->call = error->call;
    endpoint->code = error->code;
    note(endpoint, "%s", error->code);
    happened(socket, "error");
}

static void
on_close(tr_socket *socket, bool had_error)
{
    struct endpoint *endpoint = tr_socket_data(socket);
    note(endpoint, had_error ? "close!" : "close");
    endpoint->closed = true;
    happened(socket, "close");
    if (tr_socket_destroyed(socket)) /* unless the hook has connected it anew */
        endpoint->socket = NULL;
}

const struct tr_socket_events endpoint_events = {
    .lookup = on_lookup,
    .connect = on_connect,
    .ready = on_ready,
    .data = on_data,
    .fd = on_fd,
    .end = on_end,
    .drain = on_drain,
    .timeout = on_timeout,
    .goaway = on_goaway,
    .error = on_error,
    .close = on_close,
    .secure = on_secure,
};

/* The play. */

void
stage_end(void)
{
    if (!ended)
        uv_sem_post(&over);
    ended = true;
}

void
end_play(void *argument)
{
    (void)argument;
    stage_end();
}

static void
put_off(unsigned ms, const struct act *act)
{
    tr_message message = tr_message_copy(TAG_ACT, act, sizeof(*act));
    assert_int_equal(tr_send_after(director, tr_self(director), ms, &message, NULL), TR_OK);
}

void
stage_after(unsigned ms, void (*run)(void *argument), void *argument)
{
    put_off(ms, &(struct act){.run = run, .argument = argument});
}

/* A timer that is started now fires in a later turn at the earliest, with a poll in between. */
static void
take_step(struct act *act)
{
    if (act->holds != NULL && !act->holds()) {
        put_off(1, act);
    } else if (act->turns > 0) {
        act->holds = NULL;
        act->turns--;
        put_off(1, act);
    } else {
        act->run(act->argument);
    }
}

void
stage_when(bool (*holds)(void), void (*run)(void *argument), void *argument)
{
    put_off(1, &(struct act){holds, 0, run, argument});
}

void
stage_settled_when(bool (*holds)(void), void (*run)(void *argument), void *argument)
{
    put_off(1, &(struct act){holds, SETTLING_TURNS, run, argument});
}

void
stage_settled(void (*run)(void *argument), void *argument)
{
    stage_settled_when(NULL, run, argument);
}

struct waiting {
    struct endpoint *endpoints[8];
    size_t n;
    const struct raw_peer *peer;
};

static struct waiting waiting;

static bool
is_done(void)
{
    for (size_t i = 0; i < waiting.n; i++)
        if (!waiting.endpoints[i]->closed)
            return false;
    return waiting.peer == NULL || waiting.peer->ended;
}

static void
look_whether_done(void *argument)
{
    (void)argument;
    if (is_done())
        stage_settled(end_play, NULL); /* a second close would come now */
    else
        stage_after(2, look_whether_done, NULL);
}

void
stage_end_when_closed(struct endpoint *const *endpoints, size_t n)
{
    stage_end_when_done(endpoints, n, NULL);
}

void
stage_end_when_done(struct endpoint *const *endpoints, size_t n, struct raw_peer *peer)
{
    assert_true(n <= sizeof(waiting.endpoints) / sizeof(waiting.endpoints[0]));
    memcpy(waiting.endpoints, endpoints, n * sizeof(*endpoints));
    waiting.n = n;
    waiting.peer = peer;
    look_whether_done(NULL);
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag != TAG_ACT)
        return;
    struct act act;
    memcpy(&act, tr_message_data(message), sizeof(act));
    take_step(&act);
}

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    director = self;
    (*(void (*const *)(void))argument)();
    return TR_OK;
}

static bool
is_over(void *argument)
{
    (void)argument;
    return uv_sem_trywait(&over) == 0;
}

/* libuv opens two descriptors for the whole process with its first loop and keeps them. */
static void
warm_up(void)
{
    static bool warm;
    tr_runtime *runtime;
    if (warm)
        return;
    warm = true;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &runtime), TR_OK);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

void
stage_play(unsigned workers, void (*script)(void))
{
    static const struct tr_behavior behavior = {.name = "director", .init = init, .receive = receive};
    warm_up();
    int fds = tests_open_fds();
    accepted_count = 0;
    ended = false;
    assert_int_equal(uv_sem_init(&over, 0), 0);
    struct tr_runtime_options options = {.workers = workers, .memory_limit = stage_memory_limit};
    assert_int_equal(tr_runtime_start(&options, &stage_runtime), TR_OK);
    struct tr_spawn_options spawn = {.placement = TR_PLACE_WORKER, .argument = &script};
    assert_int_equal(tr_runtime_spawn(stage_runtime, &behavior, &spawn, NULL), TR_OK);
    bool came_to_an_end = tests_wait_until(is_over, NULL, TESTS_LIMIT_MS);
    tests_counters_add_up(stage_runtime);
    struct tr_stop_report report = {0};
    tr_status status = tr_runtime_stop(stage_runtime, TESTS_LIMIT_MS, &report);
    uv_sem_destroy(&over);
    assert_true(came_to_an_end);
    assert_int_equal(status, TR_OK);
    assert_int_equal(report.killed, 0);
    assert_true(tests_wait_until(tests_has_open_fds, &fds,
                                 TESTS_LIMIT_MS)); /* a peer on a thread of its own may still be closing */
}

/* Peers. */

void
stage_on_connection(tr_socket *socket)
{
    assert_true(accepted_count < sizeof(accepted) / sizeof(accepted[0]));
    struct endpoint *endpoint = &accepted[accepted_count++];
    endpoint->socket = socket;
    tr_socket_set_data(socket, endpoint);
    note(endpoint, "accepted");
    happened(socket, "accepted");
}

tr_server *
stage_serve(struct tr_server_options options)
{
    tr_server *server;
    struct tr_address address;
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    if (options.connection == NULL)
        options.connection = stage_on_connection;
    if (options.socket.events == NULL)
        options.socket.events = &endpoint_events;
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    assert_int_equal(tr_server_address(server, &address), TR_OK);
    stage_port = address.port;
    return server;
}

void
stage_connect_with(struct endpoint *endpoint, struct tr_connect_options options)
{
    stage_connect_as(endpoint, (struct tr_socket_options){0}, options);
}

static void
complete(struct tr_socket_options *socket, struct endpoint *endpoint)
{
    if (socket->events == NULL)
        socket->events = &endpoint_events;
    if (socket->data == NULL)
        socket->data = endpoint;
}

void
stage_connect_as(struct endpoint *endpoint, struct tr_socket_options socket, struct tr_connect_options options)
{
    complete(&socket, endpoint);
    if (options.port == 0)
        options.port = stage_port;
    if (options.host == NULL)
        options.host = "127.0.0.1";
    assert_int_equal(tr_connect(director, &socket, &options, &endpoint->socket), TR_OK);
}

void
stage_connect(struct endpoint *endpoint)
{
    stage_connect_with(endpoint, (struct tr_connect_options){0});
}

/* Descriptors. */

void
stage_pair(int family, int fds[2])
{
    uint16_t port = 0;
    if (family == AF_UNIX) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        return;
    }
    int listener = tests_peer_listen(&port);
    fds[0] = tests_peer_connect(port);
    fds[1] = tests_peer_accept(listener);
    assert_true(fds[0] >= 0 && fds[1] >= 0);
    close(listener);
}

void
stage_adopt_as(struct endpoint *endpoint, int fd, struct tr_socket_options socket)
{
    complete(&socket, endpoint);
    assert_int_equal(tr_socket_adopt(director, fd, TR_READABLE | TR_WRITABLE, &socket, &endpoint->socket), TR_OK);
}

void
stage_adopt(struct endpoint *endpoint, int fd)
{
    stage_adopt_as(endpoint, fd, (struct tr_socket_options){0});
}

static void
take(struct raw_peer *peer, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (peer->bytes < sizeof(peer->text) - 1)
            peer->text[peer->bytes] = bytes[i];
        peer->sum += (uint64_t)(unsigned char)bytes[i] * (++peer->bytes % 65521);
    }
    peer->reads++;
}

/* true: it has ended, or failed. */
static bool
look(struct raw_peer *peer)
{
    static char bytes[65536];
    size_t most = peer->per_look != 0 ? peer->per_look : SIZE_MAX;
    while (most > 0) {
        ssize_t size = recv(peer->fd, bytes, most < sizeof(bytes) ? most : sizeof(bytes), MSG_DONTWAIT);
        if (size <= 0) {
            peer->error = size < 0 && errno != EAGAIN ? errno : 0;
            return size == 0 || peer->error != 0;
        }
        take(peer, bytes, (size_t)size);
        most -= (size_t)size;
    }
    return false;
}

static void
look_now_and_then(void *argument)
{
    struct raw_peer *peer = argument;
    if (!look(peer)) {
        stage_after(1, look_now_and_then, peer);
        return;
    }
    close(peer->fd);
    peer->ended = true;
}

void
stage_read(struct raw_peer *peer)
{
    look_now_and_then(peer);
}

void
note_written(tr_socket *socket, void *name, tr_status status)
{
    note(tr_socket_data(socket), "%s:%s", (const char *)name, tr_status_code(status));
}

tr_status
say(tr_socket *socket, const char *text)
{
    return tr_socket_write(socket, text, strlen(text));
}

tr_slice
text_slice(const char *text)
{
    return tr_slice_constant(text, strlen(text));
}

unsigned
home(const struct tr_balance_view *view)
{
    return view->home;
}

/* Bytes. */

#define PATTERN_BYTES (16u << 20)

static char *
pattern_bytes(void)
{
    static char bytes[PATTERN_BYTES];
    if (bytes[1] == 0)
        for (size_t i = 0; i < PATTERN_BYTES; i++)
            bytes[i] = (char)(3 + 7 * i + 13 * (i >> 8) + 101 * (i >> 16));
    return bytes;
}

tr_slice
pattern(size_t size)
{
    assert_true(size <= PATTERN_BYTES);
    return tr_slice_constant(pattern_bytes(), size);
}

uint64_t
pattern_sum(size_t size)
{
    uint64_t sum = 0;
    const char *bytes = pattern_bytes();
    for (size_t i = 0; i < size; i++)
        sum += (uint64_t)(unsigned char)bytes[i] * ((i + 1) % 65521);
    return sum;
}
