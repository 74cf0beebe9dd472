/*
 * A sweep: programs in which the nth allocation fails, and such in which the next few fail with it, for every n until
 * none does.
 *
 * Whatever n is, the program comes to an end by itself: it did what it was for, or somebody heard why not, by a status
 * or an event. Then the runtime stops within its time, nothing was killed, no descriptor is left, and, where the leak
 * checker is built in, no memory. libuv's own allocations are left alone: without memory for its loop it ends the
 * process.
 */
#include "fault.h"
#include "helpers.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <troupe/net/pipe.h>
#include <troupe/net/remote.h>
#include <troupe/net/server.h>
#include <uv.h>

#define STOP_MS 10000u
#define MOST 3000u

enum { GO = 1, PING, PONG, TICK, RESULT, WRITTEN };

/* What a run has come to. Any thread. */
static uv_sem_t over;
static unsigned heard, finished;

static void
finish(void)
{
    __atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
    uv_sem_post(&over);
}

/* Somebody was told of a failure: the run may end. */
static void
hear(tr_status status)
{
    if (status >= TR_OK)
        return;
    __atomic_add_fetch(&heard, 1, __ATOMIC_SEQ_CST);
    uv_sem_post(&over);
}

static tr_runtime *runtime;

/* Actors: children here and elsewhere, messages both ways, a timer, an offloaded function. */

static void
on_echo(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    tr_message answer = tr_message_signal(PONG);
    hear(tr_send(self, message->from, &answer));
    tr_message_drop(&answer);
    tr_exit(self);
}

static const struct tr_behavior echo = {.name = "echo", .receive = on_echo};

struct director {
    unsigned answers;
};

static void *
works(void *argument)
{
    return argument;
}

static void
destroys(void *result)
{
    (void)result;
}

static tr_status
spawn_echo(tr_actor *self, unsigned worker)
{
    tr_ref child;
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = worker};
    tr_status status = tr_spawn(self, &echo, &options, &child);
    if (status != TR_OK)
        return status;
    tr_message ping = tr_message_signal(PING);
    status = tr_send(self, child, &ping);
    return status;
}

static tr_status
director_init(tr_actor *self, void *state, const void *argument)
{
    static int there;
    (void)state;
    (void)argument;
    tr_message tick = tr_message_signal(TICK);
    hear(spawn_echo(self, 0));
    hear(spawn_echo(self, 1));
    hear(tr_send_after(self, tr_self(self), 1, &tick, NULL));
    hear(tr_offload(self, works, &there, RESULT, destroys));
    return TR_OK;
}

static void
director_receive(tr_actor *self, void *state, tr_message *message)
{
    struct director *director = state;
    (void)self;
    if (message->tag == TR_TAG_SPAWN_FAILED)
        hear(((const struct tr_spawn_failed *)tr_message_data(message))->status);
    else if (++director->answers == 4)
        finish();
}

static const struct tr_behavior director = {
    .name = "director", .state_size = sizeof(struct director), .init = director_init, .receive = director_receive};

static void
run_actors(void)
{
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = 0};
    hear(tr_runtime_spawn(runtime, &director, &options, NULL));
}

/* Connections: a server whose sockets live on `place`, and a client that sends a word and gets it back. */

static unsigned place;
static struct tr_address bound;

static unsigned
places(const struct tr_balance_view *view)
{
    (void)view;
    return place;
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    (void)socket;
    hear(error->status);
}

static void
on_server_error(tr_server *server, const struct tr_error *error)
{
    (void)server;
    hear(error->status);
}

static void
echoes(tr_socket *socket, tr_slice data)
{
    hear(tr_socket_write_slice(socket, data));
}

static void
pipes(tr_socket *socket)
{
    hear(tr_socket_pipe(socket, tr_socket_ref(socket), NULL));
}

static void
says(tr_socket *socket)
{
    hear(tr_socket_write(socket, "word", 4));
}

static void
ends(tr_socket *socket, tr_slice data)
{
    (void)data;
    hear(tr_socket_end(socket));
    finish();
}

/* It ended without an answer: somebody must have heard why, at one side or the other. */
static void
on_client_close(tr_socket *socket, bool had_error)
{
    (void)socket;
    (void)had_error;
    uv_sem_post(&over);
}

static const struct tr_socket_events server_side = {.data = echoes, .error = on_error};
static const struct tr_socket_events client_side = {
    .ready = says, .data = ends, .error = on_error, .close = on_client_close};
static const struct tr_server_events server_events = {.error = on_server_error};

static bool with_pipe, by_name;

static void
run_connection(void)
{
    struct tr_server_options server = {.balance = places,
                                       .connection = with_pipe ? pipes : NULL,
                                       .events = &server_events,
                                       .max_per_address = 8,
                                       .socket = {.events = &server_side, .timeout_ms = 60000}};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    tr_status status = tr_runtime_listen(runtime, &server, &listen, NULL, &bound);
    if (status == TR_OK) {
        struct tr_socket_options socket = {.events = &client_side};
        struct tr_connect_options connect = {
            .host = by_name ? "localhost" : "127.0.0.1", .family = TR_FAMILY_IPV4, .port = bound.port};
        status = tr_runtime_connect(runtime, &socket, &connect, NULL);
    }
    hear(status);
}

/* The sweep. */

static bool
is_over(void *argument)
{
    (void)argument;
    return uv_sem_trywait(&over) == 0;
}

static bool
are_back(void *argument)
{
    return tests_open_fds() == *(const int *)argument;
}

static void
stop(const char *name, unsigned n)
{
    struct tr_stop_report report = {0};
    uint64_t began = uv_hrtime();
    tr_status status = tr_runtime_stop(runtime, STOP_MS, &report);
    uint64_t took_ms = (uv_hrtime() - began) / 1000000;
    if (status != TR_OK || report.killed != 0)
        fail_msg("%s, allocation %u: stopped with %s after %u ms, %u killed", name, n, tr_status_code(status),
                 (unsigned)took_ms, (unsigned)report.killed);
}

/* false: there are fewer allocations than that. */
static bool
run(const char *name, void (*program)(void), unsigned n, unsigned times)
{
    int fds = tests_open_fds();
    heard = finished = 0;
    assert_int_equal(uv_sem_init(&over, 0), 0);
    fault_plan(FAULT_MEMORY, n, times, ENOMEM);
    tr_status status = tr_runtime_start(&(struct tr_runtime_options){.workers = 2, .unpinned = true}, &runtime);
    hear(status);
    if (status == TR_OK) {
        program();
        if (!tests_wait_until(is_over, NULL, TESTS_LIMIT_MS))
            fail_msg("%s, allocation %u: nobody heard of it", name, n);
        stop(name, n);
    }
    bool met = fault_met(FAULT_MEMORY) > 0;
    fault_clear();
    uv_sem_destroy(&over);
    if (finished == 0 && heard == 0)
        fail_msg("%s, allocation %u: it failed without a word", name, n);
    assert_true(tests_wait_until(are_back, &fds, TESTS_LIMIT_MS));
    return met;
}

/* A word that is owed is tried again: so the next ones fail, too. */
#define BURST 5u

static void
sweep(const char *name, void (*program)(void))
{
    for (unsigned times = 1; times <= BURST; times += BURST - 1) {
        unsigned n = 1;
        while (n < MOST && run(name, program, n, times))
            n++;
        assert_true(n > 1 && n < MOST);
    }
}

static void
actors_messages_timers_and_offloaded_functions(void **state)
{
    (void)state;
    sweep("actors", run_actors);
}

static void
a_connection_on_the_servers_own_worker(void **state)
{
    (void)state;
    place = 0;
    with_pipe = by_name = false;
    sweep("connection here", run_connection);
}

static void
a_connection_that_is_handed_over(void **state)
{
    (void)state;
    place = 1;
    with_pipe = by_name = false;
    sweep("connection there", run_connection);
}

static void
a_connection_by_name_to_a_pipe(void **state)
{
    (void)state;
    place = 1;
    with_pipe = by_name = true;
    sweep("name and pipe", run_connection);
}

/* libuv keeps what it makes with the first loop of a process. */
static void
warm_up(void)
{
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &runtime), TR_OK);
    assert_int_equal(tr_runtime_stop(runtime, STOP_MS, NULL), TR_OK);
}

static int
set_up(void **state)
{
    (void)state;
    warm_up();
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(actors_messages_timers_and_offloaded_functions),
        cmocka_unit_test(a_connection_on_the_servers_own_worker),
        cmocka_unit_test(a_connection_that_is_handed_over),
        cmocka_unit_test(a_connection_by_name_to_a_pipe),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
