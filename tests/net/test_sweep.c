/*
 * A sweep: programs in which the nth allocation fails, such in which the next few fail with it, and such in which very
 * many do, so that whatever is tried again fails for a while; for every n until none does.
 *
 * Whatever n is, the program comes to an end by itself: it did what it was for, or somebody heard why not, by a status
 * or an event. And of what the library has promised to say - an answer, a close event, the end of a pipe, what becomes
 * of a job - nothing is missing when there is memory again. Then the runtime stops within its time, nothing was killed,
 * no descriptor is left, and, where the leak checker is built in, no memory. libuv's own allocations are left alone:
 * without memory for its loop it ends the process.
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

enum { GO = 1, PING, PONG, TICK, RESULT, WRITTEN, INFO };

/* What a run has come to. Any thread. */
static uv_sem_t over;
static unsigned heard, finished;
static unsigned given_up;   /* there is no program: it could not be started */
static unsigned owed, paid; /* things that the library has promised to say, and has said */

static void
count(unsigned *counter)
{
    __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

static unsigned
read_count(const unsigned *counter)
{
    return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

static void
finish(void)
{
    count(&finished);
    uv_sem_post(&over);
}

/* Somebody was told of a failure: the run may end. */
static void
hear(tr_status status)
{
    if (status >= TR_OK)
        return;
    count(&heard);
    uv_sem_post(&over);
}

/* The same for what a call returns. */
static bool
goes(tr_status status)
{
    hear(status);
    return status >= TR_OK;
}

/* The same where nothing is left to do without it. */
static bool
begins(tr_status status)
{
    if (status < TR_OK)
        count(&given_up);
    return goes(status);
}

/* The call has promised to say something, unless it has failed. */
static void
owe(tr_status status)
{
    count(&owed);
    if (!goes(status))
        count(&paid);
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

/* Words that tell of actors: a child that is not born, a message that nobody gets, a tick, what becomes of a job. */

#define OF_EACH 3u

static unsigned letters, told; /* dead letters that were made, and that the subscriber has got */
static unsigned ticked;        /* bits of the periodic timers that have */

static void *
job_works(void *argument)
{
    return argument;
}

static void
job_ends(void *argument)
{
    (void)argument;
    count(&paid);
}

static tr_status
is_stillborn(tr_actor *self, void *state, const void *argument)
{
    (void)self;
    (void)state;
    (void)argument;
    return TR_ENOENT;
}

static void
gets_nothing(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
}

static const struct tr_behavior stillborn = {.name = "stillborn", .init = is_stillborn, .receive = gets_nothing};

static void
asks_for_words(tr_actor *self, tr_ref nobody, unsigned number)
{
    static int there;
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = 1};
    struct tr_job job = {.work = job_works, .argument = &there, .tag = RESULT, .destroy = job_ends, .cancel = job_ends};
    tr_message tick = tr_message_signal(PING), letter = tr_message_signal(GO);
    tr_message again = tr_message_copy(TICK, &number, sizeof(number));
    owe(tr_spawn(self, &stillborn, &options, NULL));
    owe(tr_offload_job(self, &job));
    owe(tr_send_after(self, tr_self(self), 1, &tick, NULL));
    tr_timer timer;
    owe(tr_send_every(self, tr_self(self), 1, &again, &timer));
    if (goes(tr_send(self, nobody, &letter)))
        count(&letters);
}

/* They tick on: the first tick of each counts. */
static void
hears_tick(unsigned number)
{
    if ((ticked & 1u << number) == 0)
        count(&paid);
    ticked |= 1u << number;
}

static void
words_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    switch (message->tag) {
    case GO:
        goes(tr_dead_letters_subscribe(tr_actor_runtime(self), tr_self(self)));
        for (unsigned i = 0; i < OF_EACH; i++)
            asks_for_words(self, *(const tr_ref *)tr_message_data(message), i);
        finish();
        break;
    case RESULT: break; /* its destructor counts */
    case TR_TAG_DEAD_LETTER: count(&told); break;
    case TICK: hears_tick(*(const unsigned *)tr_message_data(message)); break;
    default: count(&paid); break;
    }
}

static const struct tr_behavior words = {.name = "words", .receive = words_receive};

static bool
words_are_said(void)
{
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    return read_count(&finished) > 0 && read_count(&paid) >= read_count(&owed) &&
           read_count(&told) + counters.notices_lost >= read_count(&letters);
}

static bool
is_alone(void *argument)
{
    struct tr_counters counters;
    (void)argument;
    tr_runtime_counters(runtime, &counters);
    return counters.actors == 1;
}

static void
run_words(void)
{
    tr_ref self, nobody;
    struct tr_spawn_options here = {.placement = TR_PLACE_WORKER}, there = {.placement = TR_PLACE_WORKER, .worker = 1};
    letters = told = ticked = 0;
    if (!begins(tr_runtime_spawn(runtime, &words, &here, &self)) ||
        !begins(tr_runtime_spawn(runtime, &words, &there, &nobody)) ||
        !begins(tr_runtime_stop_actor(runtime, nobody, TR_STOP_NOW)))
        return;
    assert_true(tests_wait_until(is_alone, NULL, TESTS_LIMIT_MS));
    tr_message go = tr_message_copy(GO, &nobody, sizeof(nobody));
    begins(tr_runtime_send(runtime, self, &go));
}

/* An owner: a server's sockets live on another worker, and are driven with credit and questions. */

static unsigned begun, closed; /* sockets that their owner has heard of, and of whose end */
static bool client_closed;
static tr_ref of_owner; /* the socket; the owner's */

/* Without its credit a socket stands still, and without a stop it stays: both are tried until there is memory. */
static void
give_credit(tr_actor *self, tr_ref socket)
{
    for (tr_status status; (status = tr_remote_credit(self, socket, 1)) == TR_ENOMEM;)
        hear(status);
}

static void
stop_socket(tr_actor *self, tr_ref socket)
{
    for (tr_status status; (status = tr_stop(self, socket, TR_STOP_NOW)) == TR_ENOMEM;)
        hear(status);
}

/* The error event may be lost, since the close event says so, too. */
static void
hears_close(const tr_message *message)
{
    count(&closed);
    if (*(const bool *)tr_message_data(message))
        hear(TR_ENOMEM);
    else
        finish();
}

/* What an asker does with an answer: a write or an end that was refused has not ended the socket. */
static void
hears_answer(tr_actor *self, tr_ref socket, const tr_message *message)
{
    if (message->tag == WRITTEN && !goes(((const struct tr_remote_written *)tr_message_data(message))->status))
        stop_socket(self, socket);
    count(&paid);
}

static void
owner_answers(tr_actor *self, tr_ref socket, enum tr_event event, tr_message *message)
{
    if (event == TR_EVENT_CONNECTION)
        count(&begun);
    if (event == TR_EVENT_DATA) {
        owe(tr_remote_write_ask(self, socket, message->payload.slice, WRITTEN, 1));
        owe(tr_remote_socket_info(self, socket, INFO, 2));
        tr_status status = tr_remote_end_ask(self, socket, (tr_slice){0}, WRITTEN, 3);
        owe(status);
        if (status != TR_OK)
            stop_socket(self, socket);
    }
    if (event == TR_EVENT_CLOSE)
        hears_close(message);
    give_credit(self, socket);
}

static void
owner_receives(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    (void)state;
    if (tr_event_of(message, &event))
        owner_answers(self, of_owner = message->from, event, message);
    else if (message->tag == WRITTEN || message->tag == INFO)
        hears_answer(self, of_owner, message);
}

static const struct tr_behavior owner = {.name = "owner", .receive = owner_receives};

static void
on_owned_client_close(tr_socket *socket, bool had_error)
{
    (void)socket;
    (void)had_error;
    __atomic_store_n(&client_closed, true, __ATOMIC_SEQ_CST);
    uv_sem_post(&over);
}

static void
takes_answer(tr_socket *socket, tr_slice data)
{
    (void)socket;
    (void)data;
    finish();
}

static const struct tr_socket_events owned_client = {
    .ready = says, .data = takes_answer, .error = on_error, .close = on_owned_client_close};

static bool
owner_has_heard(void)
{
    return read_count(&paid) == read_count(&owed) && __atomic_load_n(&client_closed, __ATOMIC_SEQ_CST) &&
           read_count(&begun) == read_count(&closed);
}

static void
run_owner(void)
{
    tr_ref keeper;
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = 1};
    begun = closed = 0;
    client_closed = false;
    if (!begins(tr_runtime_spawn(runtime, &owner, &options, &keeper)))
        return;
    struct tr_server_options server = {
        .balance = places, .events = &server_events, .socket = {.owner = {.actor = keeper, .credit = 1}}};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    if (!begins(tr_runtime_listen(runtime, &server, &listen, NULL, &bound)))
        return;
    struct tr_socket_options socket = {.events = &owned_client};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = bound.port};
    begins(tr_runtime_connect(runtime, &socket, &connect, NULL));
}

/* Connecting from afar: a socket on another worker that belongs to the actor that ordered it. */

static void
far_receives(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    (void)state;
    if (message->tag == TR_TAG_SPAWN_FAILED) {
        begins(((const struct tr_spawn_failed *)tr_message_data(message))->status);
        return;
    }
    if (!tr_event_of(message, &event)) {
        hears_answer(self, of_owner, message);
        return;
    }
    if (event == TR_EVENT_DATA && !goes(tr_remote_end(self, message->from)))
        stop_socket(self, message->from);
    if (event == TR_EVENT_CLOSE)
        hears_close(message);
    give_credit(self, message->from);
}

static void
order_far(tr_actor *self, tr_ref socket)
{
    static const char word[] = "word";
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = bound.port};
    tr_slice slice;
    tr_status status = tr_slice_copy(word, 4, &slice);
    if (goes(status)) {
        status = tr_remote_write_ask(self, socket, slice, WRITTEN, 1);
        owe(status);
        tr_slice_release(slice);
    }
    owe(tr_remote_socket_info(self, socket, INFO, 2));
    if (status != TR_OK || !goes(tr_remote_connect(self, socket, &connect)))
        stop_socket(self, socket);
}

static tr_status
far_init(tr_actor *self, void *state, const void *argument)
{
    struct tr_socket_options options = {.owner = {.actor = tr_self(self), .credit = 1}};
    struct tr_spawn_options there = {.placement = TR_PLACE_WORKER, .worker = 1};
    tr_ref socket;
    (void)state;
    (void)argument;
    if (begins(tr_remote_socket(self, &options, &there, &socket)))
        order_far(self, of_owner = socket);
    return TR_OK;
}

static const struct tr_behavior far = {.name = "far", .init = far_init, .receive = far_receives};

static bool
far_has_heard(void)
{
    return read_count(&paid) == read_count(&owed) && read_count(&closed) > 0;
}

static void
run_far(void)
{
    struct tr_server_options server = {.balance = places, .events = &server_events, .socket = {.events = &server_side}};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_spawn_options here = {.placement = TR_PLACE_WORKER};
    begun = closed = 0;
    if (begins(tr_runtime_listen(runtime, &server, &listen, NULL, &bound)))
        begins(tr_runtime_spawn(runtime, &far, &here, NULL));
}

/* Files and descriptors, in a worker's own sockets. */

static int file;

static void
sends_file(tr_socket *socket)
{
    if (!goes(tr_socket_write_file(socket, file, 0, 0, NULL, NULL)) || !goes(tr_socket_end(socket)))
        tr_socket_destroy(socket, TR_OK);
}

static void
gets_end(tr_socket *socket)
{
    (void)socket;
    finish();
}

static void
gets_data(tr_socket *socket, tr_slice data)
{
    (void)socket;
    (void)data;
}

static void
gets_descriptor(tr_socket *socket, int fd)
{
    (void)socket;
    close(fd);
    finish();
}

static const struct tr_socket_events file_client = {
    .data = gets_data, .end = gets_end, .error = on_error, .close = on_client_close};
static const struct tr_socket_events descriptor_side = {
    .data = gets_data, .fd = gets_descriptor, .error = on_error, .close = on_client_close};
static const struct tr_socket_events file_server = {.error = on_error};

static void
run_file(void)
{
    struct tr_server_options server = {
        .balance = places, .events = &server_events, .connection = sends_file, .socket = {.events = &file_server}};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    if (!goes(tr_runtime_listen(runtime, &server, &listen, NULL, &bound)))
        return;
    struct tr_socket_options socket = {.events = &file_client};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = bound.port};
    goes(tr_runtime_connect(runtime, &socket, &connect, NULL));
}

/* Adopts a descriptor, or closes it. */
static tr_socket *
adopt(tr_actor *self, int fd, const struct tr_socket_events *events)
{
    struct tr_socket_options options = {.events = events, .receive_fds = true};
    tr_socket *socket;
    if (begins(tr_socket_adopt(self, fd, TR_READABLE | TR_WRITABLE, &options, &socket)))
        return socket;
    close(fd);
    return NULL;
}

static tr_status
passes_descriptor(tr_actor *self, void *state, const void *argument)
{
    const int *fds = argument;
    (void)state;
    tr_socket *from = adopt(self, fds[0], &descriptor_side), *to = adopt(self, fds[1], &descriptor_side);
    tr_slice slice;
    if (from == NULL || to == NULL || !goes(tr_slice_copy("d", 1, &slice)))
        return TR_OK;
    goes(tr_socket_write_fd(from, slice, file, NULL, NULL));
    tr_slice_release(slice);
    return TR_OK;
}

static const struct tr_behavior passer = {.name = "passer", .init = passes_descriptor, .receive = gets_nothing};

static void
run_descriptor(void)
{
    int fds[2];
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .argument = fds, .argument_size = sizeof(fds)};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    tr_status status = tr_runtime_spawn(runtime, &passer, &options, NULL);
    if (goes(status))
        return;
    close(fds[0]);
    close(fds[1]);
}

/* A pipe between two workers, with a window of a byte: the test holds both ends. */

#define WORDS 4u

static int into[2], out_of[2]; /* [0] is the socket's, [1] the test's */
static unsigned said;          /* words that went in and came out */
static bool cut_off;           /* the test closes the way out */

static tr_status
second_init(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    tr_socket *second = adopt(self, out_of[0], &file_server);
    out_of[0] = -1;
    if (second == NULL)
        return TR_ENOENT;
    tr_message message = tr_message_copy(GO, &(tr_ref){tr_socket_ref(second)}, sizeof(tr_ref));
    if (!begins(tr_send(self, *(const tr_ref *)argument, &message)))
        tr_socket_destroy(second, TR_OK);
    return TR_OK;
}

static void
first_receives(tr_actor *self, void *state, tr_message *message)
{
    struct tr_pipe_options options = {.window_bytes = 1};
    (void)state;
    if (message->tag != GO)
        return;
    tr_ref second = *(const tr_ref *)tr_message_data(message);
    tr_socket *first = adopt(self, into[0], &file_server);
    into[0] = -1;
    if (first != NULL && !begins(tr_socket_pipe(first, second, &options)))
        tr_socket_destroy(first, TR_OK);
}

static const struct tr_behavior second_plumber = {.name = "second", .init = second_init, .receive = gets_nothing};
static const struct tr_behavior first_plumber = {.name = "first", .receive = first_receives};

/* The next word, or the end. */
static void
feed(void)
{
    char word[] = "word";
    if (send(into[1], word, 4, MSG_NOSIGNAL) < 0)
        count(&heard); /* that side is gone */
    if (++said == WORDS)
        shutdown(into[1], SHUT_WR);
}

/* What comes out must end, whatever happens, and what goes in, if nothing can come out. */
static bool
pipe_is_over(void)
{
    char word[16];
    ssize_t size = recv(cut_off ? into[1] : out_of[1], word, sizeof(word), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (size <= 0)
        return true; /* at its end, or reset */
    if (said < WORDS)
        feed();
    return false;
}

static void
run_pipe(void)
{
    tr_ref first;
    struct tr_spawn_options here = {.placement = TR_PLACE_WORKER};
    struct tr_spawn_options there = {
        .placement = TR_PLACE_WORKER, .worker = 1, .argument = &first, .argument_size = sizeof(first)};
    said = 0;
    if (begins(tr_runtime_spawn(runtime, &first_plumber, &here, &first)))
        begins(tr_runtime_spawn(runtime, &second_plumber, &there, NULL));
    feed();
    if (cut_off) {
        close(out_of[1]);
        out_of[1] = -1;
    }
    finish();
}

static void
open_pipe_ends(void)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, into), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, out_of), 0);
}

/* Those that no socket has taken. */
static void
close_pipe_ends(void)
{
    int *const ends[] = {&into[0], &into[1], &out_of[0], &out_of[1]};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (*ends[i] >= 0)
            close(*ends[i]);
}

/* The sweep. */

struct program {
    const char *name;
    void (*run)(void);
    bool (*is_over)(void);              /* NULL: when anybody has heard, or it is finished */
    void (*open)(void), (*close)(void); /* before and after each run */
    bool from_start;                    /* the allocations of the runtime's start count */
};

static bool
is_over(void *argument)
{
    const struct program *program = argument;
    if (program->is_over == NULL)
        return uv_sem_trywait(&over) == 0;
    return read_count(&given_up) > 0 ? read_count(&paid) >= read_count(&owed) : program->is_over();
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

static void
run_in_runtime(const struct program *program, unsigned n, unsigned times)
{
    if (!program->from_start)
        fault_plan(FAULT_MEMORY, n, times, ENOMEM);
    program->run();
    if (!tests_wait_until(is_over, (void *)program, TESTS_LIMIT_MS))
        fail_msg("%s, allocation %u and %u more: somebody waits in vain, %u of %u were told", program->name, n,
                 times - 1, paid, owed);
    stop(program->name, n);
}

/* false: there are fewer allocations than that. */
static bool
run(const struct program *program, unsigned n, unsigned times)
{
    int fds = tests_open_fds();
    heard = finished = given_up = owed = paid = 0;
    assert_int_equal(uv_sem_init(&over, 0), 0);
    if (program->open != NULL)
        program->open();
    if (program->from_start)
        fault_plan(FAULT_MEMORY, n, times, ENOMEM);
    tr_status status =
        tr_runtime_start(&(struct tr_runtime_options){.workers = 2, .pinning = TR_PINNING_NEVER}, &runtime);
    hear(status);
    if (status == TR_OK)
        run_in_runtime(program, n, times);
    bool met = fault_met(FAULT_MEMORY) > 0;
    fault_clear();
    uv_sem_destroy(&over);
    if (program->close != NULL)
        program->close();
    if (finished == 0 && heard == 0)
        fail_msg("%s, allocation %u: it failed without a word", program->name, n);
    assert_true(tests_wait_until(tests_has_open_fds, &fds, TESTS_LIMIT_MS));
    return met;
}

/* A word that is owed is tried again, in each turn: so many fail in a row. */
static void
sweep(const struct program *program)
{
    static const unsigned bursts[] = {1, 50};
    for (size_t i = 0; i < sizeof(bursts) / sizeof(bursts[0]); i++) {
        unsigned n = 1;
        while (n < MOST && run(program, n, bursts[i]))
            n++;
        assert_true(n > 1 && n < MOST);
    }
}

static void
a_runtime_actors_messages_timers_and_offloaded_functions(void **state)
{
    (void)state;
    sweep(&(struct program){.name = "actors", .run = run_actors, .from_start = true});
}

static void
what_actors_are_told(void **state)
{
    (void)state;
    sweep(&(struct program){.name = "words", .run = run_words, .is_over = words_are_said});
}

static void
a_connection_on_the_servers_own_worker(void **state)
{
    (void)state;
    place = 0;
    with_pipe = by_name = false;
    sweep(&(struct program){.name = "connection here", .run = run_connection});
}

static void
a_connection_that_is_handed_over(void **state)
{
    (void)state;
    place = 1;
    with_pipe = by_name = false;
    sweep(&(struct program){.name = "connection there", .run = run_connection});
}

static void
a_connection_by_name_to_a_pipe(void **state)
{
    (void)state;
    place = 1;
    with_pipe = by_name = true;
    sweep(&(struct program){.name = "name and pipe", .run = run_connection});
}

static void
a_socket_of_an_owner_on_another_worker(void **state)
{
    (void)state;
    place = 0;
    sweep(&(struct program){.name = "owner", .run = run_owner, .is_over = owner_has_heard});
}

static void
a_socket_that_is_ordered_from_afar(void **state)
{
    (void)state;
    place = 1;
    sweep(&(struct program){.name = "far", .run = run_far, .is_over = far_has_heard});
}

static void
a_file(void **state)
{
    (void)state;
    place = 1;
    sweep(&(struct program){.name = "file", .run = run_file});
}

static void
a_descriptor(void **state)
{
    (void)state;
    sweep(&(struct program){.name = "descriptor", .run = run_descriptor});
}

static void
a_pipe_between_workers(void **state)
{
    (void)state;
    cut_off = false;
    sweep(&(struct program){
        .name = "pipe", .run = run_pipe, .is_over = pipe_is_over, .open = open_pipe_ends, .close = close_pipe_ends});
}

static void
a_pipe_between_workers_whose_end_breaks(void **state)
{
    (void)state;
    cut_off = true;
    sweep(&(struct program){.name = "broken pipe",
                            .run = run_pipe,
                            .is_over = pipe_is_over,
                            .open = open_pipe_ends,
                            .close = close_pipe_ends});
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
    char path[] = "/tmp/troupe-sweep-XXXXXX";
    file = mkstemp(path);
    assert_true(file >= 0);
    unlink(path);
    assert_int_equal(write(file, "a file", 6), 6);
    warm_up();
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    close(file);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_runtime_actors_messages_timers_and_offloaded_functions),
        cmocka_unit_test(what_actors_are_told),
        cmocka_unit_test(a_connection_on_the_servers_own_worker),
        cmocka_unit_test(a_connection_that_is_handed_over),
        cmocka_unit_test(a_connection_by_name_to_a_pipe),
        cmocka_unit_test(a_socket_of_an_owner_on_another_worker),
        cmocka_unit_test(a_socket_that_is_ordered_from_afar),
        cmocka_unit_test(a_file),
        cmocka_unit_test(a_descriptor),
        cmocka_unit_test(a_pipe_between_workers),
        cmocka_unit_test(a_pipe_between_workers_whose_end_breaks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
