/*
 * Sweeps (sweep.h) over actors, over sockets that belong to one, and over pipes between workers.
 */
#include "helpers.h"
#include "stage.h"
#include "sweep.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <troupe/net/pipe.h>
#include <troupe/net/remote.h>
#include <troupe/net/server.h>
#include <uv.h>

enum { GO = 1, PING, PONG, TICK, RESULT, WRITTEN, INFO };

/* The call has promised to say something, unless it has failed. */
static void
owe(tr_status status)
{
    count_up(&sweep_owed);
    if (!goes(status))
        count_up(&sweep_paid);
}

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
        finish_run();
}

static const struct tr_behavior director = {
    .name = "director", .state_size = sizeof(struct director), .init = director_init, .receive = director_receive};

static void
run_actors(void)
{
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = 0};
    hear(tr_runtime_spawn(sweep_runtime, &director, &options, NULL));
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
    count_up(&sweep_paid);
}

static tr_status
is_stillborn(tr_actor *self, void *state, const void *argument)
{
    (void)self;
    (void)state;
    (void)argument;
    return TR_ENOENT;
}

static const struct tr_behavior stillborn = {.name = "stillborn", .init = is_stillborn, .receive = ignore};

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
        count_up(&letters);
}

/* They tick on: the first tick of each counts. */
static void
hears_tick(unsigned number)
{
    if ((ticked & 1u << number) == 0)
        count_up(&sweep_paid);
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
        finish_run();
        break;
    case RESULT: break; /* its destructor counts */
    case TR_TAG_DEAD_LETTER: count_up(&told); break;
    case TICK: hears_tick(*(const unsigned *)tr_message_data(message)); break;
    default: count_up(&sweep_paid); break;
    }
}

static const struct tr_behavior words = {.name = "words", .receive = words_receive};

static bool
words_are_said(void)
{
    struct tr_counters counters;
    tr_runtime_counters(sweep_runtime, &counters);
    return read_count(&sweep_finished) > 0 && read_count(&sweep_paid) >= read_count(&sweep_owed) &&
           read_count(&told) + counters.notices_lost >= read_count(&letters);
}

static bool
is_alone(void *argument)
{
    struct tr_counters counters;
    (void)argument;
    tr_runtime_counters(sweep_runtime, &counters);
    return counters.actors == 1;
}

static void
run_words(void)
{
    tr_ref self, nobody;
    struct tr_spawn_options here = {.placement = TR_PLACE_WORKER}, there = {.placement = TR_PLACE_WORKER, .worker = 1};
    letters = told = ticked = 0;
    if (!begins(tr_runtime_spawn(sweep_runtime, &words, &here, &self)) ||
        !begins(tr_runtime_spawn(sweep_runtime, &words, &there, &nobody)) ||
        !begins(tr_runtime_stop_actor(sweep_runtime, nobody, TR_STOP_NOW)))
        return;
    assert_true(tests_wait_until(is_alone, NULL, TESTS_LIMIT_MS));
    tr_message go = tr_message_copy(GO, &nobody, sizeof(nobody));
    begins(tr_runtime_send(sweep_runtime, self, &go));
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
    count_up(&closed);
    if (*(const bool *)tr_message_data(message))
        hear(TR_ENOMEM);
    else
        finish_run();
}

/* What an asker does with an answer: a write or an end that was refused has not ended the socket. */
static void
hears_answer(tr_actor *self, tr_ref socket, const tr_message *message)
{
    if (message->tag == WRITTEN && !goes(((const struct tr_remote_written *)tr_message_data(message))->status))
        stop_socket(self, socket);
    count_up(&sweep_paid);
}

static void
owner_answers(tr_actor *self, tr_ref socket, enum tr_event event, tr_message *message)
{
    if (event == TR_EVENT_CONNECTION)
        count_up(&begun);
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
    uv_sem_post(&sweep_over);
}

static void
takes_answer(tr_socket *socket, tr_slice data)
{
    (void)socket;
    (void)data;
    finish_run();
}

static const struct tr_socket_events owned_client = {
    .ready = says_word, .data = takes_answer, .error = hears_error, .close = on_owned_client_close};

static bool
owner_has_heard(void)
{
    return read_count(&sweep_paid) == read_count(&sweep_owed) && __atomic_load_n(&client_closed, __ATOMIC_SEQ_CST) &&
           read_count(&begun) == read_count(&closed);
}

static void
run_owner(void)
{
    tr_ref keeper;
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = 1};
    begun = closed = 0;
    client_closed = false;
    if (!begins(tr_runtime_spawn(sweep_runtime, &owner, &options, &keeper)))
        return;
    struct tr_server_options server = {
        .balance = places_there, .events = &sweep_server_events, .socket = {.owner = {.actor = keeper, .credit = 1}}};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    if (!begins(tr_runtime_listen(sweep_runtime, &server, &listen, NULL, &sweep_bound)))
        return;
    struct tr_socket_options socket = {.events = &owned_client};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = sweep_bound.port};
    begins(tr_runtime_connect(sweep_runtime, &socket, &connect, NULL));
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
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = sweep_bound.port};
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
    return read_count(&sweep_paid) == read_count(&sweep_owed) && read_count(&closed) > 0;
}

static void
run_far(void)
{
    struct tr_server_options server = {
        .balance = places_there, .events = &sweep_server_events, .socket = {.events = &echo_side}};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_spawn_options here = {.placement = TR_PLACE_WORKER};
    begun = closed = 0;
    if (begins(tr_runtime_listen(sweep_runtime, &server, &listen, NULL, &sweep_bound)))
        begins(tr_runtime_spawn(sweep_runtime, &far, &here, NULL));
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
    tr_socket *second = adopt_or_close(self, out_of[0], &file_server);
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
    tr_socket *first = adopt_or_close(self, into[0], &file_server);
    into[0] = -1;
    if (first != NULL && !begins(tr_socket_pipe(first, second, &options)))
        tr_socket_destroy(first, TR_OK);
}

static const struct tr_behavior second_plumber = {.name = "second", .init = second_init, .receive = ignore};
static const struct tr_behavior first_plumber = {.name = "first", .receive = first_receives};

/* The next word, or the end. */
static void
feed(void)
{
    char word[] = "word";
    if (send(into[1], word, 4, MSG_NOSIGNAL) < 0)
        count_up(&sweep_heard); /* that side is gone */
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
    if (begins(tr_runtime_spawn(sweep_runtime, &first_plumber, &here, &first)))
        begins(tr_runtime_spawn(sweep_runtime, &second_plumber, &there, NULL));
    feed();
    if (cut_off) {
        close(out_of[1]);
        out_of[1] = -1;
    }
    finish_run();
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
    int *const ends_after_data[] = {&into[0], &into[1], &out_of[0], &out_of[1]};
    for (size_t i = 0; i < sizeof(ends_after_data) / sizeof(ends_after_data[0]); i++)
        if (*ends_after_data[i] >= 0)
            close(*ends_after_data[i]);
}

/* The sweep. */

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
a_socket_of_an_owner_on_another_worker(void **state)
{
    (void)state;
    sweep_place = 0;
    sweep(&(struct program){.name = "owner", .run = run_owner, .is_over = owner_has_heard});
}

static void
a_socket_that_is_ordered_from_afar(void **state)
{
    (void)state;
    sweep_place = 1;
    sweep(&(struct program){.name = "far", .run = run_far, .is_over = far_has_heard});
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_runtime_actors_messages_timers_and_offloaded_functions),
        cmocka_unit_test(what_actors_are_told),
        cmocka_unit_test(a_socket_of_an_owner_on_another_worker),
        cmocka_unit_test(a_socket_that_is_ordered_from_afar),
        cmocka_unit_test(a_pipe_between_workers),
        cmocka_unit_test(a_pipe_between_workers_whose_end_breaks),
    };
    return cmocka_run_group_tests(tests, sweep_set_up, sweep_tear_down);
}
