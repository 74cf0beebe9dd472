/*
 * Sockets that are driven from afar (remote.h): what is ordered in one callback, what becomes of orders that are
 * refused or find nobody, and when our side ends while an owner has events to answer.
 */
#include "connect.h"
#include "hands.h"
#include "helpers.h"
#include "lookups.h"
#include "server_state.h"
#include "side.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <troupe/net/remote.h>
#include <unistd.h>

#define GREETING "220 hello\n"
#define LINE "a line\n"

enum { ANSWER = 20, SINK = 21, PEER_ENDS = 22, HOLD = 23 };

static void
assert_receives(int peer, const char *text)
{
    char received[64] = {0};
    assert_int_equal(tests_peer_receive(peer, received, strlen(text)), strlen(text));
    assert_string_equal(received, text);
}

/* An owner: the hand of a worker writes down what it is told, and answers at once or not at all. */

struct told {
    bool answers;
    char log[256];
    uint64_t unanswered;
    tr_ref socket;
    bool closed;
};

static struct told told;

static const char *const event_names[TR_EVENTS] = {"connection", "lookup", "connect", "ready", "data", "fd",
                                                   "end",        "drain",  "timeout", "error", "close"};

static void
own(tr_actor *self, tr_message *message)
{
    enum tr_event event;
    if (!tr_event_of(message, &event))
        return;
    size_t used = strlen(told.log);
    snprintf(told.log + used, sizeof(told.log) - used, "%s%s", used > 0 ? " " : "", event_names[event]);
    told.socket = message->from;
    if (told.answers)
        tr_remote_credit(self, message->from, 1);
    else
        told.unanswered++;
    if (event == TR_EVENT_CLOSE)
        told.closed = true;
}

static bool
is_told_of_close(void *argument)
{
    (void)argument;
    return told.closed;
}

static bool
is_told_of_end(void *argument)
{
    (void)argument;
    return strstr(told.log, "end") != NULL;
}

/* What is ordered in one callback. */

enum listener { AN_OWNER, A_PIPE };

struct orders {
    unsigned worker, messages;
    enum listener listener;
    uint16_t port;
    int listening;
    uint32_t from; /* the address that connects; 0: any */
    tr_ref up, down;
};

static void
send_messages(tr_actor *self, tr_ref to, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        tr_message message = tr_message_signal(SINK);
        assert_int_equal(tr_send(self, to, &message), TR_OK);
    }
}

/* The connection must not be there before the callback is over: then it may have said something that nobody hears. */
static void
assert_not_begun(int listening)
{
    struct pollfd wait = {.fd = listening, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 10), 0);
}

static void
give_orders(tr_actor *self, void *argument)
{
    struct orders *orders = argument;
    char local_address[] = "127.0.0.2";
    struct tr_spawn_options place = {.placement = TR_PLACE_WORKER, .worker = orders->worker};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = orders->port, .local_address = local_address};
    struct tr_owner owner = {.actor = tr_self(self)};
    send_messages(self, hands[orders->worker], orders->messages);
    assert_int_equal(tr_remote_socket(self, NULL, &place, &orders->up), TR_OK);
    assert_int_equal(tr_remote_connect(self, orders->up, &connect), TR_OK);
    memset(local_address, 'x', sizeof(local_address) - 1); /* it was copied */
    assert_not_begun(orders->listening);
    send_messages(self, hands[orders->worker], orders->messages);
    if (orders->listener == AN_OWNER)
        assert_int_equal(tr_remote_set_owner(self, orders->up, &owner), TR_OK);
    else
        assert_int_equal(tr_remote_pipe(self, orders->up, orders->down, NULL), TR_OK);
    assert_not_begun(orders->listening);
}

static void
assert_comes_from(int fd, uint32_t address)
{
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    assert_int_equal(getpeername(fd, (struct sockaddr *)&from, &size), 0);
    assert_int_equal(ntohl(from.sin_addr.s_addr), address);
}

static void
greet(struct orders *orders)
{
    int fd = tests_peer_accept(orders->listening);
    assert_true(fd >= 0);
    if (orders->from != 0)
        assert_comes_from(fd, orders->from);
    assert_true(tests_peer_send(fd, GREETING, strlen(GREETING)));
    close(fd);
}

static void
order_with_an_owner(struct orders *orders)
{
    told = (struct told){.answers = true};
    hands_receive = own;
    on_worker(0, give_orders, orders);
    greet(orders);
    await_on_worker(0, is_told_of_close, NULL);
    assert_string_equal(told.log, "connect ready data end close");
}

static void
order_with_a_pipe(struct orders *orders)
{
    struct side down = {0};
    open_side(&down, 0);
    orders->down = down.ref;
    on_worker(0, give_orders, orders);
    greet(orders);
    assert_receives(down.peer, GREETING);
    assert_true(tests_peer_at_end(down.peer));
    close(down.peer);
    await_closed(&down);
}

/* Around 64, at which a batch goes off; 256, which are taken at once; 512, which are handled at once. */
static void
connecting_begins_after_all_that_was_ordered_in_the_same_callback(void **state)
{
    static const unsigned messages[] = {0, 61, 62, 63, 64, 300, 700};
    (void)state;
    for (unsigned i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        for (unsigned kind = 0; kind < 4; kind++) {
            struct orders orders = {.worker = kind % 2, .listener = kind / 2, .messages = messages[i]};
            orders.from = INADDR_LOOPBACK + 1;
            hands_open(2);
            orders.listening = tests_peer_listen(&orders.port);
            if (orders.listener == AN_OWNER)
                order_with_an_owner(&orders);
            else
                order_with_a_pipe(&orders);
            close(orders.listening);
            hands_close();
        }
    }
}

/* To a path one connects at once; the word to tell of it comes when the callback is over. The connection may be there
 * already, and is not the socket's yet, when that is destroyed. */

static uv_sem_t go_on;
static struct side early;
static struct sockaddr_un place_to_connect;

static void
connect_and_hold(tr_actor *self, tr_message *message)
{
    struct tr_connect_options connect = {.path = place_to_connect.sun_path};
    if (message->tag != HOLD)
        return;
    assert_int_equal(tr_remote_connect(self, early.ref, &connect), TR_OK);
    send_messages(self, hands[1], 200); /* so that the order goes off */
    uv_sem_wait(&go_on);
}

static bool
has_its_descriptor(void *argument)
{
    const struct side *side = argument;
    return tri_connect_of(side->socket) != NULL && tri_connect_of(side->socket)->fd >= 0;
}

static void spawn_unconnected(tr_actor *self, void *argument);
static void
a_connection_that_comes_too_late_for_its_socket_is_closed(void **state)
{
    char directory[80];
    tr_message hold = tr_message_signal(HOLD);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)state;
    assert_true(tests_directory_make(directory, sizeof(directory)));
    place_to_connect = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(place_to_connect.sun_path, sizeof(place_to_connect.sun_path), "%s/s", directory);
    assert_int_equal(bind(listener, (struct sockaddr *)&place_to_connect, sizeof(place_to_connect)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(uv_sem_init(&go_on, 0), 0);
    early = (struct side){.worker = 1};
    hands_open(2);
    hands_receive = connect_and_hold;
    on_worker(1, spawn_unconnected, &early);
    assert_int_equal(tr_runtime_send(hands_runtime, hands[0], &hold), TR_OK);
    await_on_worker(1, has_its_descriptor, &early);
    on_worker(1, destroy_side, &early);
    uv_sem_post(&go_on);
    await_closed(&early);
    assert_int_equal(early.error, TR_OK);
    hands_close();
    uv_sem_destroy(&go_on);
    close(listener);
    tests_directory_remove(directory);
}

/* A socket to which nobody listens. */

static void
connect_unheard(tr_actor *self, void *argument)
{
    struct orders *orders = argument;
    struct tr_spawn_options place = {.placement = TR_PLACE_WORKER, .worker = orders->worker};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = orders->port};
    assert_int_equal(tr_remote_socket(self, NULL, &place, &orders->up), TR_OK);
    assert_int_equal(tr_remote_connect(self, orders->up, &connect), TR_OK);
}

static void
listen_to_it(tr_actor *self, void *argument)
{
    struct orders *orders = argument;
    struct tr_owner owner = {.actor = tr_self(self)};
    hands_receive = own;
    if (orders->listener == AN_OWNER)
        assert_int_equal(tr_remote_set_owner(self, orders->up, &owner), TR_OK);
    else
        assert_int_equal(tr_remote_pipe(self, orders->up, orders->down, NULL), TR_OK);
}

static uint64_t bytes_read;

static void
note_info(tr_actor *self, tr_message *message)
{
    (void)self;
    if (message->tag == ANSWER)
        __atomic_store_n(&bytes_read, ((const struct tr_socket_info *)tr_message_data(message))->bytes_read,
                         __ATOMIC_SEQ_CST);
}

static void
ask_info(tr_actor *self, void *argument)
{
    struct orders *orders = argument;
    assert_int_equal(tr_remote_socket_info(self, orders->up, ANSWER, 0), TR_OK);
}

static bool
has_read_greeting(void *argument)
{
    on_worker(0, ask_info, argument);
    return __atomic_load_n(&bytes_read, __ATOMIC_SEQ_CST) == strlen(GREETING);
}

static void
a_socket_to_which_nobody_listens_yet_loses_no_bytes(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        struct orders orders = {.worker = kind % 2, .listener = kind / 2};
        struct side down = {0};
        hands_open(2);
        told = (struct told){.answers = true};
        __atomic_store_n(&bytes_read, 0, __ATOMIC_SEQ_CST);
        hands_receive = note_info;
        open_side(&down, 0);
        orders.down = down.ref;
        orders.listening = tests_peer_listen(&orders.port);
        on_worker(0, connect_unheard, &orders);
        greet(&orders);
        assert_true(tests_wait_until(has_read_greeting, &orders, TESTS_LIMIT_MS));
        on_worker(0, listen_to_it, &orders);
        if (orders.listener == AN_OWNER) {
            await_on_worker(0, is_told_of_close, NULL);
            assert_string_equal(told.log, "data end close");
        } else {
            assert_receives(down.peer, GREETING);
            assert_true(tests_peer_at_end(down.peer));
        }
        close(down.peer);
        await_closed(&down);
        close(orders.listening);
        hands_close();
    }
}

/* Orders that are refused. */

struct pipe_case {
    const char *name;
    unsigned worker; /* of the first */
    bool keeps;      /* the first stays after its close event */
    bool ends;       /* its peer ends it; otherwise it is destroyed */
    tr_status error; /* of the second */
};

static struct side first, second;

static bool keeps_second_open;
static tr_status piping;

static void
pipe_first_to_second(tr_actor *self, void *argument)
{
    struct tr_pipe_options options = {.keep_open = keeps_second_open};
    (void)argument;
    piping = tr_remote_pipe(self, first.ref, second.ref, &options);
}

static void
nothing(tr_actor *self, void *argument)
{
    (void)self;
    (void)argument;
}

/* What the peer sends before the socket has heard of the pipe is for nobody. */
static void
pipe_and_send_line(void)
{
    on_worker(0, pipe_first_to_second, NULL);
    on_worker(0, nothing, NULL); /* comes after the order, which the first call has sent on the same worker */
    assert_true(tests_peer_send(first.peer, LINE, strlen(LINE)));
}

static void
close_first(bool ends)
{
    if (ends)
        shutdown(first.peer, SHUT_WR);
    else
        on_worker(first.worker, destroy_side, &first);
    await_closed(&first);
}

/* The orders come from worker 0. That to a socket which is gone is refused there, and lost on its way from
 * elsewhere. */
static void
the_second_socket_of_a_pipe_that_never_opens_does_not_stay_open(void **state)
{
    static const struct pipe_case cases[] = {
        {"closed and kept", 0, true, false, TR_EPIPE},    {"closed and kept, elsewhere", 1, true, false, TR_EPIPE},
        {"ended, closed and kept", 0, true, true, TR_OK}, {"ended, closed and kept, elsewhere", 1, true, true, TR_OK},
        {"gone, elsewhere", 1, false, false, TR_EPIPE},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct pipe_case *each = &cases[i];
        print_message("%s\n", each->name);
        first = (struct side){.options = {.keep = each->keeps}};
        second = (struct side){0};
        hands_open(2);
        open_side(&first, each->worker);
        open_side(&second, 0);
        close_first(each->ends);
        on_worker(0, pipe_first_to_second, NULL);
        assert_int_equal(piping, TR_OK);
        assert_true(tests_peer_at_end(second.peer));
        close(second.peer);
        await_closed(&second);
        assert_int_equal(second.error, each->error);
        close(first.peer);
        hands_close();
    }
}

static void
a_pipe_that_is_to_keep_its_second_open_does_so_though_it_never_opens(void **state)
{
    (void)state;
    first = (struct side){.options = {.keep = true}};
    second = (struct side){0};
    hands_open(2);
    open_side(&first, 1);
    open_side(&second, 1);
    close_first(false);
    keeps_second_open = true;
    on_worker(0, pipe_first_to_second, NULL);
    keeps_second_open = false;
    assert_true(tests_peer_send(second.peer, LINE, strlen(LINE)));
    close(second.peer);
    await_closed(&second);
    assert_int_equal(second.error, TR_OK);
    close(first.peer);
    hands_close();
}

static void
spawn_unconnected(tr_actor *self, void *argument)
{
    struct side *side = argument;
    side->options = (struct tr_socket_options){.events = &side_events, .data = side};
    assert_int_equal(tr_socket_spawn(self, &side->options, &side->socket), TR_OK);
    side->ref = tr_socket_ref(side->socket);
}

static void
a_pipe_into_a_socket_that_was_never_connected_ends_with_an_error(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        first = (struct side){.options = {.allow_half_open = true}};
        second = (struct side){.worker = worker};
        hands_open(2);
        open_side(&first, 0);
        on_worker(worker, spawn_unconnected, &second);
        pipe_and_send_line();
        await_closed(&first);
        await_closed(&second);
        assert_int_equal(first.error, TR_EPIPE);
        assert_int_equal(second.error, TR_ESOCKETCLOSED);
        close(first.peer);
        hands_close();
    }
}

static void
spawn_server(tr_actor *self, void *argument)
{
    struct tr_server_options options = {.data = argument};
    tr_server *server;
    assert_int_equal(tr_server_spawn(self, &options, &server), TR_OK);
    *(tr_ref *)argument = tr_server_ref(server);
}

static void
a_pipe_into_a_server_ends_with_an_error(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        first = (struct side){.options = {.allow_half_open = true}};
        hands_open(2);
        open_side(&first, 0);
        on_worker(worker, spawn_server, &second.ref);
        on_worker(0, pipe_first_to_second, NULL);
        await_closed(&first);
        assert_int_equal(first.error, TR_EPIPE);
        close(first.peer);
        hands_close();
    }
}

/* Every operation that may be refused, by a socket that was closed and kept. */

static void
reset_it(tr_actor *self, void *argument)
{
    assert_int_equal(tr_remote_reset(self, ((struct side *)argument)->ref), TR_OK);
}

static void
a_reset_that_cannot_be_done_destroys_the_socket_with_an_error(void **state)
{
    (void)state;
    struct side side = {0};
    hands_open(2);
    open_side(&side, 1); /* a unix socket knows no reset */
    on_worker(0, reset_it, &side);
    await_closed(&side);
    assert_int_equal(side.error, TR_EBADHANDLE);
    close(side.peer);
    hands_close();
}

static struct {
    unsigned count;
    uint64_t tokens;
    tr_status status;
} answers;

static void
note_answer(tr_actor *self, tr_message *message)
{
    (void)self;
    if (message->tag != ANSWER)
        return;
    const struct tr_remote_written *written = tr_message_data(message);
    answers.count++;
    answers.tokens += written->token;
    answers.status = written->status;
}

static void
ask_about_writes(tr_actor *self, void *argument)
{
    tr_ref socket = ((struct side *)argument)->ref;
    tr_slice line = tr_slice_constant(LINE, strlen(LINE));
    assert_int_equal(tr_remote_write_ask(self, socket, line, ANSWER, 1), TR_OK);
    assert_int_equal(tr_remote_write_check(self, socket, line, ANSWER, 10), TR_OK);
    assert_int_equal(tr_remote_end_ask(self, socket, line, ANSWER, 100), TR_OK);
}

static bool
has_all_answers(void *argument)
{
    (void)argument;
    return answers.count == 3;
}

static void
every_question_about_a_write_is_answered(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) { /* kept on both workers; gone, on the other */
        bool keeps = kind < 2;
        first = (struct side){.options = {.keep = keeps}};
        memset(&answers, 0, sizeof(answers));
        hands_open(2);
        hands_receive = note_answer;
        open_side(&first, kind == 0 ? 0 : 1);
        close_first(false);
        on_worker(0, ask_about_writes, &first);
        await_on_worker(0, has_all_answers, NULL);
        assert_int_equal(answers.tokens, 111);
        assert_int_equal(answers.status, keeps ? TR_EDESTROYED : TR_EGONE);
        close(first.peer);
        hands_close();
    }
}

static char much[8u << 20]; /* more than the kernel takes */

static void
ask_about_much(tr_actor *self, void *argument)
{
    tr_slice all = tr_slice_constant(much, sizeof(much));
    assert_int_equal(tr_remote_write_ask(self, ((struct side *)argument)->ref, all, ANSWER, 1), TR_OK);
}

static bool
has_queue(void *argument)
{
    return tr_socket_buffered(((struct side *)argument)->socket) > 0;
}

static void
kill_it(tr_actor *self, void *argument)
{
    assert_int_equal(tr_stop(self, ((struct side *)argument)->ref, TR_STOP_KILL), TR_OK);
}

static bool
has_an_answer(void *argument)
{
    (void)argument;
    return answers.count > 0;
}

static void
a_question_about_a_write_is_answered_by_a_socket_that_is_killed(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        struct side side = {0};
        memset(&answers, 0, sizeof(answers));
        hands_open(2);
        hands_receive = note_answer;
        open_side(&side, worker);
        on_worker(0, ask_about_much, &side);
        await_on_worker(worker, has_queue, &side);
        on_worker(0, kill_it, &side);
        await_on_worker(0, has_an_answer, NULL);
        assert_int_equal(answers.tokens, 1);
        assert_int_equal(answers.status, TR_EDESTROYED);
        close(side.peer);
        hands_close();
    }
}

static void
note_gone(tr_actor *self, tr_message *message)
{
    (void)self;
    if (message->tag != ANSWER)
        return;
    const struct tr_socket_info *info = tr_message_data(message);
    answers.count += info->destroyed && info->token == 7 && info->socket == first.ref ? 3 : 0;
}

static void
ask_about_it(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_remote_socket_info(self, first.ref, ANSWER, 7), TR_OK);
}

static void
a_question_about_a_socket_that_is_gone_is_answered(void **state)
{
    (void)state;
    first = (struct side){0};
    memset(&answers, 0, sizeof(answers));
    hands_open(2);
    hands_receive = note_gone;
    open_side(&first, 1);
    close_first(false);
    on_worker(0, ask_about_it, NULL);
    await_on_worker(0, has_all_answers, NULL);
    close(first.peer);
    hands_close();
}

/* A program's own message. */

static void
must_not_come(tr_socket *socket, tr_message *message)
{
    (void)socket;
    (void)message;
    fail();
}

static void
destroy_and_send(tr_actor *self, void *argument)
{
    struct side *side = argument;
    tr_socket_destroy(side->socket, TR_OK);
    send_messages(self, side->ref, 1);
}

static void
a_message_that_comes_while_the_socket_closes_is_a_dead_letter(void **state)
{
    static const struct tr_socket_events hears = {.message = must_not_come, .close = note_close};
    struct side side = {.options.events = &hears};
    struct tr_counters counters;
    (void)state;
    hands_open(1);
    open_side(&side, 0);
    on_worker(0, destroy_and_send, &side);
    await_closed(&side);
    tr_runtime_counters(hands_runtime, &counters);
    assert_int_equal(counters.dead_letters, 1);
    close(side.peer);
    hands_close();
}

/* A server. */

static struct {
    tr_ref ref;
    unsigned errors;
    tr_status status;
    const char *call;
} refusing;

static void
note_server_error(tr_server *server, const struct tr_error *error)
{
    (void)server;
    refusing.status = error->status;
    refusing.call = error->call;
    refusing.errors++;
}

static void
spawn_refusing(tr_actor *self, void *argument)
{
    static const struct tr_server_events server_events = {.error = note_server_error};
    struct tr_server_options options = {.events = &server_events};
    tr_server *server;
    (void)argument;
    assert_int_equal(tr_server_spawn(self, &options, &server), TR_OK);
    refusing.ref = tr_server_ref(server);
}

static void
pause_server(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_remote_server_pause(self, refusing.ref, 10), TR_OK);
}

static void
resume_server(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_remote_server_resume(self, refusing.ref), TR_OK);
}

static bool
has_refused(void *argument)
{
    return refusing.errors == *(unsigned *)argument;
}

static void
what_a_server_refuses_is_an_error_event(void **state)
{
    (void)state;
    hands_open(2);
    memset(&refusing, 0, sizeof(refusing));
    on_worker(1, spawn_refusing, NULL);
    on_worker(0, pause_server, NULL);
    await_on_worker(1, has_refused, &(unsigned){1});
    assert_int_equal(refusing.status, TR_ENOTLISTENING);
    assert_string_equal(refusing.call, "pause");
    on_worker(0, resume_server, NULL);
    await_on_worker(1, has_refused, &(unsigned){2});
    assert_string_equal(refusing.call, "resume");
    hands_close();
}

/* Everything that a server is asked for from afar. */

static struct {
    tr_server *server;
    tr_ref ref;
    struct tr_server_info info;
    unsigned answers, errors;
    struct tr_error error;
} distant;

static void
note_distant_error(tr_server *server, const struct tr_error *error)
{
    (void)server;
    distant.error = *error;
    distant.errors++;
}

static void
spawn_distant(tr_actor *self, void *argument)
{
    static const struct tr_server_events server_events = {.error = note_distant_error};
    struct tr_server_options options = {.events = &server_events, .keep = true};
    (void)argument;
    assert_int_equal(tr_server_spawn(self, &options, &distant.server), TR_OK);
    distant.ref = tr_server_ref(distant.server);
}

static void
note_server_info(tr_actor *self, tr_message *message)
{
    (void)self;
    if (message->tag != ANSWER)
        return;
    memcpy(&distant.info, tr_message_data(message), sizeof(distant.info));
    distant.answers++;
}

static void
order_listen(tr_actor *self, void *argument)
{
    char host[] = "127.0.0.1";
    struct tr_listen_options listen = {.host = host};
    (void)argument;
    assert_int_equal(tr_remote_server_listen(self, distant.ref, &listen), TR_OK);
    memset(host, 'x', sizeof(host) - 1); /* it was copied */
}

static void
order_limit_and_close(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_remote_server_set_max_connections(self, distant.ref, 3), TR_OK);
    assert_int_equal(tr_remote_server_close(self, distant.ref), TR_OK);
}

static void
stop_distant(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_stop(self, distant.ref, TR_STOP_NOW), TR_OK);
}

static void
order_info(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_remote_server_info(self, distant.ref, ANSWER), TR_OK);
}

static bool
has_answers(void *argument)
{
    return distant.answers == *(unsigned *)argument;
}

static void
look_at_limit(tr_actor *self, void *argument)
{
    (void)self;
    *(uint32_t *)argument = distant.server->max_connections;
}

/* What a server says of itself after an order of worker 0. */
static void
assert_says(void (*order)(tr_actor *self, void *argument), bool listening)
{
    unsigned wanted = distant.answers + 1;
    on_worker(0, order, NULL);
    memset(&distant.info, 0xff, sizeof(distant.info));
    on_worker(0, order_info, NULL);
    await_on_worker(0, has_answers, &wanted);
    assert_int_equal(distant.info.server, distant.ref);
    assert_int_equal(distant.info.listening, listening);
    assert_int_equal(distant.info.address.family, listening ? TR_FAMILY_IPV4 : TR_FAMILY_NONE);
    assert_int_equal(distant.info.connections, 0);
}

static void
a_server_does_from_afar_what_it_is_told_and_says_how_it_is(void **state)
{
    uint32_t limit = 0;
    (void)state;
    memset(&distant, 0, sizeof(distant));
    hands_open(2);
    hands_receive = note_server_info;
    on_worker(1, spawn_distant, NULL);
    assert_says(nothing, false);
    assert_says(order_listen, true);
    assert_says(order_listen, true);
    assert_says(order_limit_and_close, false);
    on_worker(1, look_at_limit, &limit);
    assert_int_equal(limit, 3);
    assert_int_equal(distant.errors, 1); /* by the time that the answer came */
    assert_int_equal(distant.error.status, TR_EALREADYLISTENING);
    assert_string_equal(distant.error.call, "listen");
    assert_says(stop_distant, false);
    hands_close();
}

static void
go_to_the_background(tr_actor *self, void *argument)
{
    assert_int_equal(tr_remote_set_background(self, ((struct side *)argument)->ref, true), TR_OK);
}

static void
a_socket_goes_to_the_background_from_afar(void **state)
{
    struct side side = {0};
    (void)state;
    hands_open(2);
    open_side(&side, 1);
    on_worker(0, go_to_the_background, &side);
    assert_int_equal(tr_runtime_wait_idle(hands_runtime), 0); /* or the test never ends */
    assert_false(is_closed(&side));
    close(side.peer);
    await_closed(&side);
    hands_close();
}

/* What keeps the program alive: the system has a connection for a listener whose worker does something else. */

#define BUSY_MS 200u

static struct {
    uint16_t port;
    bool busy, connected, accepted; /* atomic */
} backlog;

static bool
is_set(void *flag)
{
    return __atomic_load_n((bool *)flag, __ATOMIC_SEQ_CST);
}

static void
accept_and_destroy(tr_socket *socket)
{
    __atomic_store_n(&backlog.accepted, true, __ATOMIC_SEQ_CST);
    tr_socket_destroy(socket, TR_OK);
}

static void
listen_in_the_background(tr_actor *self, void *argument)
{
    struct tr_server_options options = {.connection = accept_and_destroy};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address address;
    tr_server *server;
    (void)argument;
    assert_int_equal(tr_server_spawn(self, &options, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    assert_int_equal(tr_server_address(server, &address), TR_OK);
    tr_server_set_background(server, true);
    backlog.port = address.port;
}

static void
be_busy(tr_actor *self, tr_message *message)
{
    (void)self;
    (void)message;
    __atomic_store_n(&backlog.busy, true, __ATOMIC_SEQ_CST);
    tests_hold(BUSY_MS);
}

static void
note_connect(tr_socket *socket)
{
    (void)socket;
    __atomic_store_n(&backlog.connected, true, __ATOMIC_SEQ_CST);
}

static void
connect_in_the_background(tr_actor *self, void *argument)
{
    static const struct tr_socket_events connects = {.connect = note_connect};
    struct tr_socket_options options = {.events = &connects};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = backlog.port};
    tr_socket *socket;
    (void)argument;
    assert_int_equal(tr_socket_spawn(self, &options, &socket), TR_OK);
    assert_int_equal(tr_socket_connect(socket, &connect), TR_OK);
    tr_socket_set_background(socket, true);
}

static void
a_connection_that_is_not_accepted_yet_keeps_the_program_alive(void **state)
{
    tr_message work = tr_message_signal(SINK);
    (void)state;
    memset(&backlog, 0, sizeof(backlog));
    hands_open(2);
    hands_receive = be_busy;
    on_worker(1, listen_in_the_background, NULL);
    assert_int_equal(tr_runtime_send(hands_runtime, hands[1], &work), TR_OK);
    assert_true(tests_wait_until(is_set, &backlog.busy, TESTS_LIMIT_MS));
    on_worker(0, connect_in_the_background, NULL);
    assert_true(tests_wait_until(is_set, &backlog.connected, TESTS_LIMIT_MS));
    assert_int_equal(tr_runtime_wait_idle(hands_runtime), 0);
    assert_true(is_set(&backlog.accepted));
    hands_close();
}

/* Draining: what was sent before the stop. */

static void
write_and_stop(tr_actor *self, void *argument)
{
    tr_ref socket = ((struct side *)argument)->ref;
    assert_int_equal(tr_remote_write(self, socket, tr_slice_constant(LINE, strlen(LINE))), TR_OK);
    assert_int_equal(tr_stop(self, socket, TR_STOP_DRAIN), TR_OK);
}

static void
a_socket_that_drains_writes_what_was_sent_to_it_before(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        struct side side = {0};
        hands_open(2);
        open_side(&side, worker);
        on_worker(0, write_and_stop, &side);
        assert_receives(side.peer, LINE);
        assert_true(tests_peer_at_end(side.peer));
        await_closed(&side);
        assert_int_equal(side.error, TR_OK);
        close(side.peer);
        hands_close();
    }
}

/* An owner with more than one credit. */

static void
open_owned(struct side *side, unsigned worker, uint32_t credit)
{
    side->options.owner = (struct tr_owner){.actor = hands[0], .credit = credit};
    told = (struct told){0};
    hands_receive = own;
    open_side(side, worker);
}

static void
answer_late(tr_actor *self, void *argument)
{
    tr_ref socket = ((struct side *)argument)->ref;
    assert_int_equal(tr_remote_write(self, socket, tr_slice_constant(LINE, strlen(LINE))), TR_OK);
    told.answers = true;
    assert_int_equal(tr_remote_credit(self, socket, (uint32_t)told.unanswered), TR_OK);
}

static void
our_side_stays_open_until_the_owner_has_answered_every_event(void **state)
{
    static const uint32_t credits[] = {0, 2, 3, 100};
    (void)state;
    for (unsigned i = 0; i < sizeof(credits) / sizeof(credits[0]); i++) {
        for (unsigned worker = 0; worker < 2; worker++) {
            struct side side = {0};
            hands_open(2);
            open_owned(&side, worker, credits[i]);
            assert_true(tests_peer_send(side.peer, LINE, strlen(LINE)));
            shutdown(side.peer, SHUT_WR);
            await_on_worker(0, is_told_of_end, NULL);
            on_worker(0, answer_late, &side);
            assert_receives(side.peer, LINE);
            assert_true(tests_peer_at_end(side.peer));
            await_on_worker(0, is_told_of_close, NULL);
            assert_string_equal(told.log, "data end close");
            close(side.peer);
            hands_close();
        }
    }
}

/* A turn of the loop may end between two orders: a slice that takes too long ends at the next look at the clock. The
 * clock is read every 32 messages at first, and after each of those that take long (actors/run/dispatch.c). */

#define SLICE_IS_OVER_MS 2u
#define UNTIL_EACH_IS_LOOKED_AT 33

static void
own_and_ask(tr_actor *self, tr_message *message)
{
    size_t used = strlen(told.log);
    if (message->tag == ANSWER)
        snprintf(told.log + used, sizeof(told.log) - used, "%sasked", used > 0 ? " " : "");
    else
        own(self, message);
}

static void
take_long(tr_socket *socket, tr_message *message)
{
    const struct side *side = tr_socket_data(socket);
    if (message->tag == PEER_ENDS)
        shutdown(side->peer, SHUT_WR);
    tests_hold(SLICE_IS_OVER_MS);
}

static void
end_twice(tr_actor *self, void *argument)
{
    struct side *side = argument;
    tr_message peer_ends = tr_message_signal(PEER_ENDS);
    send_messages(self, side->ref, UNTIL_EACH_IS_LOOKED_AT);
    assert_int_equal(tr_remote_end_ask(self, side->ref, (tr_slice){0}, ANSWER, 1), TR_OK);
    assert_int_equal(tr_send(self, side->ref, &peer_ends), TR_OK);
    assert_int_equal(tr_remote_end_ask(self, side->ref, (tr_slice){0}, ANSWER, 2), TR_OK);
}

static void
the_end_of_the_peer_does_not_come_between_two_orders(void **state)
{
    static const struct tr_socket_events slow = {.message = take_long};
    struct side side = {.options.events = &slow};
    (void)state;
    hands_open(1);
    open_owned(&side, 0, 0);
    told.answers = true;
    hands_receive = own_and_ask;
    on_worker(0, end_twice, &side);
    await_on_worker(0, is_told_of_close, NULL);
    assert_string_equal(told.log, "asked asked end close");
    close(side.peer);
    hands_close();
}

static void
disown(tr_actor *self, void *argument)
{
    assert_int_equal(tr_remote_set_owner(self, ((struct side *)argument)->ref, NULL), TR_OK);
}

static void
our_side_ends_when_the_owner_that_has_not_answered_is_dismissed(void **state)
{
    (void)state;
    struct side side = {0};
    hands_open(2);
    open_owned(&side, 1, 0);
    shutdown(side.peer, SHUT_WR);
    await_on_worker(0, is_told_of_end, NULL);
    on_worker(0, disown, &side);
    assert_true(tests_peer_at_end(side.peer));
    await_closed(&side);
    close(side.peer);
    hands_close();
}

static void
leave(tr_actor *self, void *argument)
{
    (void)argument;
    tr_exit(self);
}

static void
an_owner_that_ends_without_having_answered_is_noticed(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        struct side side = {0};
        hands_open(2);
        open_owned(&side, worker, 0);
        shutdown(side.peer, SHUT_WR);
        await_on_worker(0, is_told_of_end, NULL);
        on_worker(0, leave, NULL);
        assert_true(tests_peer_at_end(side.peer));
        close(side.peer);
        hands_close();
    }
}

static void
a_stop_does_not_wait_for_an_owner_that_does_not_answer(void **state)
{
    (void)state;
    struct side side = {0};
    hands_open(2);
    open_owned(&side, 1, 0);
    shutdown(side.peer, SHUT_WR);
    await_on_worker(0, is_told_of_end, NULL);
    close(side.peer);
    hands_close();
}

static void
say_and_leave(tr_actor *self, void *argument)
{
    tr_ref socket = ((struct side *)argument)->ref;
    assert_int_equal(tr_remote_write(self, socket, tr_slice_constant(LINE, strlen(LINE))), TR_OK);
    tr_exit(self);
}

/* Its last words wait in the socket's mailbox when the socket finds out that it is gone. */
static void
last_words_of_an_owner_are_written(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        struct side side = {0};
        hands_open(2);
        open_owned(&side, worker, 0);
        on_worker(0, say_and_leave, &side);
        assert_true(tests_peer_send(side.peer, LINE, strlen(LINE)));
        assert_receives(side.peer, LINE);
        assert_true(tests_peer_at_end(side.peer));
        close(side.peer);
        hands_close();
    }
}

/* Sockets from outside live where the fewest actors do. */

static void
is_idle(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
}

static void
crowd(unsigned worker, unsigned count)
{
    static const struct tr_behavior idle = {.name = "idle", .receive = is_idle};
    struct tr_spawn_options place = {.placement = TR_PLACE_WORKER, .worker = worker};
    for (tr_ref ref; count > 0; count--)
        assert_int_equal(tr_runtime_spawn(hands_runtime, &idle, &place, &ref), TR_OK);
}

static void
expect_socket_on(unsigned worker)
{
    struct tr_connect_options nowhere = {.host = "far.example", .port = 1, .lookup = never_answers};
    tr_ref ref;
    assert_int_equal(tr_runtime_connect(hands_runtime, NULL, &nowhere, &ref), TR_OK);
    assert_int_equal(tr_ref_worker(ref), worker);
}

static void
connect_from_inside(tr_actor *self, void *argument)
{
    struct tr_connect_options nowhere = {.host = "far.example", .port = 1, .lookup = never_answers};
    (void)self;
    (void)argument;
    assert_int_equal(tr_runtime_connect(hands_runtime, NULL, &nowhere, NULL), TR_EWRONGTHREAD);
}

static void
a_connection_from_outside_lives_where_the_fewest_actors_do(void **state)
{
    (void)state;
    hands_open(2);
    crowd(0, 3);
    expect_socket_on(1);
    crowd(1, 6);
    expect_socket_on(0);
    on_worker(0, connect_from_inside, NULL);
    hands_close();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connecting_begins_after_all_that_was_ordered_in_the_same_callback),
        cmocka_unit_test(a_connection_that_comes_too_late_for_its_socket_is_closed),
        cmocka_unit_test(a_socket_to_which_nobody_listens_yet_loses_no_bytes),
        cmocka_unit_test(the_second_socket_of_a_pipe_that_never_opens_does_not_stay_open),
        cmocka_unit_test(a_pipe_that_is_to_keep_its_second_open_does_so_though_it_never_opens),
        cmocka_unit_test(a_pipe_into_a_socket_that_was_never_connected_ends_with_an_error),
        cmocka_unit_test(a_pipe_into_a_server_ends_with_an_error),
        cmocka_unit_test(a_reset_that_cannot_be_done_destroys_the_socket_with_an_error),
        cmocka_unit_test(every_question_about_a_write_is_answered),
        cmocka_unit_test(a_question_about_a_write_is_answered_by_a_socket_that_is_killed),
        cmocka_unit_test(a_question_about_a_socket_that_is_gone_is_answered),
        cmocka_unit_test(a_message_that_comes_while_the_socket_closes_is_a_dead_letter),
        cmocka_unit_test(what_a_server_refuses_is_an_error_event),
        cmocka_unit_test(a_server_does_from_afar_what_it_is_told_and_says_how_it_is),
        cmocka_unit_test(a_socket_goes_to_the_background_from_afar),
        cmocka_unit_test(a_connection_that_is_not_accepted_yet_keeps_the_program_alive),
        cmocka_unit_test(a_socket_that_drains_writes_what_was_sent_to_it_before),
        cmocka_unit_test(our_side_stays_open_until_the_owner_has_answered_every_event),
        cmocka_unit_test(the_end_of_the_peer_does_not_come_between_two_orders),
        cmocka_unit_test(our_side_ends_when_the_owner_that_has_not_answered_is_dismissed),
        cmocka_unit_test(an_owner_that_ends_without_having_answered_is_noticed),
        cmocka_unit_test(a_stop_does_not_wait_for_an_owner_that_does_not_answer),
        cmocka_unit_test(last_words_of_an_owner_are_written),
        cmocka_unit_test(a_connection_from_outside_lives_where_the_fewest_actors_do),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
