#include "sharers.h"

#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <troupe/core/worker.h>
#include <uv.h>

struct sharer sharers[SHARERS];

static void
count_one(unsigned *count)
{
    __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
}

unsigned
sharers_count(const unsigned *events)
{
    return __atomic_load_n(events, __ATOMIC_SEQ_CST);
}

static void
say_number(tr_socket *socket)
{
    struct sharer *sharer = tr_socket_data(socket);
    char number = (char)('0' + (sharer - sharers));
    if (sharer->server.own_worker) {
        uint64_t beat = tri_worker_current()->activity.loop_beat;
        sharer->together += beat == sharer->beat;
        sharer->beat = beat;
    }
    count_one(&sharer->begun);
    tr_socket_write(socket, &number, 1);
    if (!sharer->stays)
        tr_socket_end(socket);
}

static void
on_over(tr_socket *socket, bool had_error)
{
    (void)had_error;
    count_one(&((struct sharer *)tr_socket_data(socket))->over);
}

static void
on_leave(tr_socket *socket)
{
    count_one(&((struct sharer *)tr_socket_data(socket))->told);
    tr_socket_end(socket);
}

static void
on_listening(tr_server *server)
{
    struct sharer *sharer = tr_server_data(server);
    tr_server_address(server, &sharer->address);
    sharer->status = TR_OK;
    count_one(&sharer->settled);
}

static void
on_failure(tr_server *server, const struct tr_error *error)
{
    struct sharer *sharer = tr_server_data(server);
    sharer->status = error->status;
    sharer->call = error->call;
    count_one(&sharer->settled);
}

static void
on_close(tr_server *server)
{
    count_one(&((struct sharer *)tr_server_data(server))->closed);
}

static const struct tr_server_events server_events = {
    .listening = on_listening, .error = on_failure, .close = on_close};
static const struct tr_socket_events socket_events = {.close = on_over, .goaway = on_leave};

int
sharers_set_up(void **state)
{
    (void)state;
    memset(sharers, 0, sizeof(sharers));
    for (unsigned i = 0; i < SHARERS; i++) {
        sharers[i].worker = i % 3;
        sharers[i].server.own_worker = true;
        sharers[i].listen.host = "127.0.0.1";
    }
    sharers_busy_looks_awake = false;
    hands_open(3);
    return 0;
}

int
sharers_tear_down(void **state)
{
    (void)state;
    hands_close();
    return 0;
}

static void
spawn_and_listen(tr_actor *self, void *argument)
{
    struct sharer *sharer = argument;
    sharer->server.connection = say_number;
    sharer->server.data = sharer;
    sharer->server.events = &server_events;
    sharer->server.socket.events = &socket_events;
    assert_int_equal(tr_server_spawn(self, &sharer->server, &sharer->handle), TR_OK);
    sharer->ref = tr_server_ref(sharer->handle);
    sharer->status = tr_server_listen(sharer->handle, &sharer->listen);
    if (sharer->status != TR_OK)
        count_one(&sharer->settled);
}

static bool
is_above(void *argument)
{
    unsigned *const *pair = argument;
    return __atomic_load_n(pair[0], __ATOMIC_SEQ_CST) > *pair[1];
}

static void
await_above(unsigned *count, unsigned before)
{
    unsigned *pair[2] = {count, &before};
    assert_true(tests_wait_until(is_above, pair, TESTS_LIMIT_MS));
}

tr_status
sharers_listen(unsigned i)
{
    unsigned before = sharers_count(&sharers[i].settled);
    if (sharers[i].listen.port == 0 && !sharers[i].listen.any_port)
        sharers[i].listen.port = sharers[0].address.port;
    on_worker(sharers[i].worker, spawn_and_listen, &sharers[i]);
    await_above(&sharers[i].settled, before);
    return sharers[i].status;
}

static void
close_it(tr_actor *self, void *argument)
{
    (void)self;
    assert_int_equal(tr_server_close(((struct sharer *)argument)->handle), TR_OK);
}

void
sharers_close(unsigned i)
{
    unsigned before = sharers_count(&sharers[i].closed);
    on_worker(sharers[i].worker, close_it, &sharers[i]);
    await_above(&sharers[i].closed, before);
}

void
sharers_kill(unsigned i)
{
    assert_int_equal(tr_runtime_stop_actor(hands_runtime, sharers[i].ref, TR_STOP_KILL), TR_OK);
}

void
sharers_with(unsigned i, void (*run)(tr_actor *self, void *sharer))
{
    on_worker(sharers[i].worker, run, &sharers[i]);
}

static void
pause_it(tr_actor *self, void *argument)
{
    (void)self;
    assert_int_equal(tr_server_pause(((struct sharer *)argument)->handle, 0), TR_OK);
}

static void
resume_it(tr_actor *self, void *argument)
{
    (void)self;
    assert_int_equal(tr_server_resume(((struct sharer *)argument)->handle), TR_OK);
}

void
sharers_pause(unsigned i)
{
    sharers_with(i, pause_it);
}

void
sharers_resume(unsigned i)
{
    sharers_with(i, resume_it);
}

int
sharers_connect(void)
{
    int fd = tests_peer_connect(sharers[0].address.port);
    assert_true(fd >= 0);
    return fd;
}

char
sharers_hear(int fd)
{
    char number = 0;
    return tests_peer_receive(fd, &number, 1) == 1 ? number : 0;
}

void
sharers_connect_burst(int fds[SHARERS_BURST])
{
    for (int i = 0; i < SHARERS_BURST; i++)
        fds[i] = sharers_connect();
}

/* A busy worker. */

static unsigned is_busy, may_go_on;
bool sharers_busy_looks_awake;
static void (*at_the_end)(struct sharer *sharer);
static unsigned who_is_busy;
static uv_thread_t thread;

static void
keep_busy(tr_actor *self, void *argument)
{
    (void)self;
    ck_pr_store_uint(&is_busy, 1);
    while (ck_pr_load_uint(&may_go_on) == 0)
        if (sharers_busy_looks_awake)
            ck_pr_store_64(&tri_worker_current()->activity.polled_ms, tests_now_ns() / 1000000u);
    ck_pr_fence_acquire();
    if (at_the_end != NULL)
        at_the_end(argument);
}

static void
keep_busy_in_thread(void *argument)
{
    (void)argument;
    sharers_with(who_is_busy, keep_busy);
}

void
sharers_begin_busy_time(unsigned i, void (*then)(struct sharer *sharer))
{
    ck_pr_store_uint(&is_busy, 0);
    ck_pr_store_uint(&may_go_on, 0);
    at_the_end = then;
    who_is_busy = i;
    assert_int_equal(uv_thread_create(&thread, keep_busy_in_thread, NULL), 0);
    while (ck_pr_load_uint(&is_busy) == 0)
        ck_pr_stall();
}

void
sharers_end_busy_time(void)
{
    ck_pr_fence_release();
    ck_pr_store_uint(&may_go_on, 1);
    uv_thread_join(&thread);
}

/* Coming and going. */

#define SERVERS 3u
#define ROUNDS 400u
#define ENOUGH_MS 4000u /* under a sanitizer the rounds take long: it is no matter how many they are */

static bool there[SERVERS];

static void
hear_burst(const int fds[SHARERS_BURST])
{
    for (int i = 0; i < SHARERS_BURST; i++) {
        assert_int_not_equal(sharers_hear(fds[i]), 0);
        close(fds[i]);
    }
}

static unsigned
count_there(void)
{
    return there[0] + there[1] + there[2];
}

static void
stop_softly(tr_actor *self, void *argument)
{
    assert_int_equal(tr_stop(self, ((struct sharer *)argument)->ref, TR_STOP_DRAIN), TR_OK);
}

/* In one of four ways, without waiting for it. */
static void
end_one(unsigned i, int way)
{
    switch (way) {
    case 0: sharers_with(i, close_it); break;
    case 1: sharers_with(i, stop_softly); break;
    case 2: assert_int_equal(tr_runtime_stop_actor(hands_runtime, sharers[i].ref, TR_STOP_NOW), TR_OK); break;
    default: sharers_kill(i); break;
    }
    there[i] = false;
}

void
sharers_come_and_go(void)
{
    unsigned seed = 11, rounds = 0;
    uint64_t enough = tests_now_ns() + ENOUGH_MS * UINT64_C(1000000);
    int before[SHARERS_BURST], after[SHARERS_BURST];
    for (unsigned i = 0; i < SERVERS; i++)
        there[i] = sharers_listen(i) == TR_OK;
    assert_int_equal(count_there(), SERVERS);
    for (; rounds < ROUNDS && tests_now_ns() < enough; rounds++) {
        unsigned i = (unsigned)rand_r(&seed) % SERVERS;
        sharers_connect_burst(before);
        if (!there[i])
            there[i] = sharers_listen(i) == TR_OK;
        else if (count_there() > 1)
            end_one(i, rand_r(&seed) % 4);
        sharers_connect_burst(after);
        hear_burst(before);
        hear_burst(after);
    }
    print_message("%u rounds\n", rounds);
    for (unsigned i = 0; i < SERVERS; i++)
        if (there[i])
            sharers_close(i);
}
