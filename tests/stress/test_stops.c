/*
 * Random stops under load, from seeds: TESTS_STOPS says how many (30), TESTS_SEED where they begin.
 *
 * In each round a runtime of one to four workers plays everything at once: connections that echo or are piped to
 * another one, peers from outside that come, send and reset, descriptors handed over with bytes, offloaded functions
 * that run, wait in the queue or spawn actors, spawns to and fro, timers, messages with payloads between workers. At a
 * random moment it is stopped, with a deadline of 0 to 30 ms.
 *
 * Checked after each: payloads, results and arguments were freed exactly once each; descriptors and threads are as many
 * as before, but for the threads that the report counts. The leak checker of the sanitized build sees the rest.
 */
#include "helpers.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <ck_pr.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <troupe/net/pipe.h>
#include <troupe/net/server.h>
#include <unistd.h>
#include <uv.h>

#define STOPS_BY_DEFAULT 30u
#define WORKERS_AT_MOST 4u
#define PEERS 24u /* from outside, in a round */

enum { BEGIN = 1, TICK, LOAD, RESULT };

static tr_runtime *runtime;
static unsigned workers;
static tr_ref hubs[WORKERS_AT_MOST];
static uint16_t port;
static uint64_t made, freed; /* things with an owner */

static uint32_t
next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void
free_thing(void *thing)
{
    if (thing == NULL)
        return; /* of a job that never ran */
    free(thing);
    ck_pr_inc_64(&freed);
}

static void *
new_thing(void)
{
    ck_pr_inc_64(&made);
    return malloc(24);
}

/* Sockets. */

static void
on_data(tr_socket *socket, tr_slice data)
{
    tr_socket_write_slice(socket, data);
}

static void
on_written_fd(tr_socket *socket, void *argument, tr_status status)
{
    (void)socket;
    (void)argument;
    (void)status;
}

/* A connection that hands a descriptor over with its first bytes, on the unix pair that it was made of. */
static void
on_ready(tr_socket *socket)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    tr_socket_write_fd(socket, tr_slice_constant("fd", 2), fd, on_written_fd, NULL); /* a duplicate */
    close(fd);
}

static void
on_fd(tr_socket *socket, int fd)
{
    (void)socket;
    close(fd);
}

static const struct tr_socket_events echo_events = {.data = on_data, .fd = on_fd};
static const struct tr_socket_events giver_events = {.ready = on_ready, .data = on_data, .fd = on_fd};

/* Two sockets on one worker: one gives descriptors, the other takes them; now and then they are piped. */
static void
adopt_pair(tr_actor *self, uint32_t random)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
        return;
    tr_socket *sockets[2] = {NULL, NULL};
    for (unsigned i = 0; i < 2; i++) {
        struct tr_socket_options options = {.events = i == 0 ? &giver_events : &echo_events, .receive_fds = true};
        if (tr_socket_adopt(self, fds[i], TR_READABLE | TR_WRITABLE, &options, &sockets[i]) != TR_OK)
            close(fds[i]);
    }
    if (sockets[0] != NULL && sockets[1] != NULL && random % 4 == 0)
        tr_socket_pipe(sockets[0], tr_socket_ref(sockets[1]), NULL);
}

/* Functions of the pool. */

static const struct tr_behavior leaf = {.name = "leaf", .receive = ignore};

static void *
work_a_little(void *argument)
{
    tests_let_pass(200000);
    return argument;
}

static void *
spawn_and_send(void *argument)
{
    tr_ref ref;
    if (tr_runtime_spawn(runtime, &leaf, NULL, &ref) == TR_OK) {
        tr_message message = tr_message_pointer(LOAD, new_thing(), 24, free_thing);
        if (tr_runtime_send(runtime, ref, &message) != TR_OK)
            tr_message_drop(&message);
        tr_runtime_stop_actor(runtime, ref, TR_STOP_NOW);
    }
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = port};
    tr_runtime_connect(runtime, &(struct tr_socket_options){.events = &echo_events}, &connect, NULL);
    struct tr_listen_options listen = {.host = "127.0.0.1", .any_port = true};
    tr_runtime_listen(runtime, &(struct tr_server_options){.socket.events = &echo_events}, &listen, NULL, NULL);
    return argument;
}

static void
offload(tr_actor *self, uint32_t random)
{
    struct tr_job job = {.work = random % 8 == 0 ? spawn_and_send : work_a_little,
                         .argument = new_thing(),
                         .tag = RESULT,
                         .destroy = free_thing,
                         .cancel = free_thing};
    if (tr_offload_job(self, &job) != TR_OK)
        free_thing(job.argument);
}

/* Actors. */

static void
send_thing(tr_actor *self, tr_ref to)
{
    tr_message message = tr_message_pointer(LOAD, new_thing(), 24, free_thing);
    if (tr_send(self, to, &message) != TR_OK)
        tr_message_drop(&message);
}

static void
spawn_somewhere(tr_actor *self, uint32_t random)
{
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = random % workers};
    tr_ref ref;
    if (tr_spawn(self, &leaf, &options, &ref) != TR_OK)
        return;
    send_thing(self, ref);
    if (random % 3 == 0)
        tr_stop(self, ref, (enum tr_stop_mode)(random % 9 / 3));
}

struct hub {
    uint32_t seed;
    bool obstinate;
};

static tr_status
hub_init(tr_actor *self, void *state, const void *argument)
{
    (void)self;
    memcpy(state, argument, sizeof(struct hub));
    return TR_OK;
}

static void
hub_receive(tr_actor *self, void *state, tr_message *message)
{
    struct hub *hub = state;
    tr_message tick = tr_message_signal(TICK);
    if (message->tag == BEGIN)
        tr_send_every(self, tr_self(self), 1, &tick, NULL);
    if (message->tag != TICK)
        return;
    for (unsigned i = 0; i < 40; i++) {
        uint32_t random = next_random(&hub->seed) >> 4;
        switch (random % 12) {
        case 0: offload(self, random / 12); break;
        case 1: spawn_somewhere(self, random / 12); break;
        case 2:
            if (i % 8 == 0)
                adopt_pair(self, random / 12);
            break;
        case 3:
            if (i % 8 == 0)
                tr_connect(
                    self, &(struct tr_socket_options){.events = &echo_events},
                    &(struct tr_connect_options){.host = random % 2 == 0 ? "127.0.0.1" : "localhost", .port = port},
                    NULL);
            break;
        case 4: {
            tr_message later = tr_message_pointer(LOAD, new_thing(), 24, free_thing);
            if (tr_send_after(self, hubs[random % workers], random % 20, &later, NULL) != TR_OK)
                tr_message_drop(&later);
            break;
        }
        default: send_thing(self, hubs[random / 12 % workers]); break;
        }
    }
}

static bool
hub_stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    const struct hub *hub = state;
    for (unsigned i = 0; i < 100; i++) /* its last words, which nobody hears */
        send_thing(self, hubs[i % workers]);
    return !hub->obstinate || how == TR_STOP_NOW;
}

static const struct tr_behavior hub_behavior = {.name = "hub",
                                                .state_size = sizeof(struct hub),
                                                .init = hub_init,
                                                .receive = hub_receive,
                                                .stopping = hub_stopping,
                                                .mailbox = {.messages = 500, .policy = TR_MAILBOX_DROP_OLDEST}};

/* Peers from outside. */

static void
open_peers(int fds[PEERS], uint32_t *seed)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (unsigned i = 0; i < PEERS; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(fds[i] >= 0);
        connect(fds[i], (struct sockaddr *)&address, sizeof(address));
        send(fds[i], "hello", 5, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (next_random(seed) % 4 == 0) {
            tests_peer_reset(fds[i]);
            fds[i] = -1;
        }
    }
}

static void
close_peers(const int fds[PEERS])
{
    for (unsigned i = 0; i < PEERS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* The rounds. */

static void
start(uint32_t *seed)
{
    made = freed = 0;
    workers = 1 + next_random(seed) % WORKERS_AT_MOST;
    struct tr_runtime_options options = {.workers = workers, .pinning = TR_PINNING_NEVER};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    struct tr_listen_options listen = {.host = "127.0.0.1", .any_port = true};
    struct tr_server_options server = {.socket.events = &echo_events};
    struct tr_address bound;
    assert_int_equal(tr_runtime_listen(runtime, &server, &listen, NULL, &bound), TR_OK);
    port = bound.port;
    for (unsigned i = 0; i < workers; i++) {
        struct hub hub = {next_random(seed) | 1, next_random(seed) % 3 == 0};
        struct tr_spawn_options spawn = {.placement = TR_PLACE_WORKER, .worker = i, .argument = &hub};
        assert_int_equal(tr_runtime_spawn(runtime, &hub_behavior, &spawn, &hubs[i]), TR_OK);
    }
    for (unsigned i = 0; i < workers; i++) {
        tr_message begin = tr_message_signal(BEGIN);
        assert_int_equal(tr_runtime_send(runtime, hubs[i], &begin), TR_OK);
    }
}

static bool
threads_are(void *wanted)
{
    return tests_threads() == *(int *)wanted;
}

static void
stop_at_random(uint32_t *seed, int threads, int fds)
{
    int peers[PEERS];
    start(seed);
    open_peers(peers, seed);
    tests_let_pass(next_random(seed) % 20000000); /* the moment, not a wait for anything */
    struct tr_stop_report report;
    tr_runtime_stop(runtime, next_random(seed) % 4 * 10, &report);
    close_peers(peers);
    assert_int_equal(freed, made);
    assert_int_equal(tests_open_fds(), fds);
    if (report.left_behind == 0)
        assert_true(tests_threads() <= threads + 1); /* the kernel lists the last one a moment longer */
    assert_true(tests_wait_until(threads_are, &threads, TESTS_LIMIT_MS)); /* "localhost" does not hang for ever */
}

static unsigned
number_from_environment(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text != NULL && *text != 0 ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void
do_nothing(uv_work_t *request)
{
    (void)request;
}

/* The pool's threads come with its first use, and stay. */
static void
start_pool(void)
{
    uv_loop_t loop;
    uv_work_t request;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_queue_work(&loop, &request, do_nothing, NULL), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void
random_stops_leave_no_thread_no_descriptor_and_no_byte(void **state)
{
    (void)state;
    unsigned first = number_from_environment("TESTS_SEED", 1);
    unsigned stops = number_from_environment("TESTS_STOPS", STOPS_BY_DEFAULT);
    start_pool();
    int threads = tests_threads(), fds = tests_open_fds();
    for (unsigned i = 0; i < stops; i++) {
        uint32_t seed = (first + i) * 2654435761u | 1u;
        print_message("seed %u\n", first + i);
        stop_at_random(&seed, threads, fds);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_stops_leave_no_thread_no_descriptor_and_no_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
