/*
 * Sockets that are driven from afar (remote.h): what is ordered in one callback, and pipes that are.
 */
#include "afar_owner.h"
#include "connect.h"
#include "hands.h"
#include "helpers.h"
#include "lookups.h"
#include "server_state.h"

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
    told_owner = (struct told_owner){.answers = true};
    hands_receive = own;
    on_worker(0, give_orders, orders);
    greet(orders);
    await_on_worker(0, is_told_of_close, NULL);
    assert_string_equal(told_owner.log, "connect ready data end close");
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
        told_owner = (struct told_owner){.answers = true};
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
            assert_string_equal(told_owner.log, "data end close");
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

static bool keeps_second_open;
static tr_status piping;

static void
pipe_first_to_second(tr_actor *self, void *argument)
{
    struct tr_pipe_options options = {.keep_open = keeps_second_open};
    (void)argument;
    piping = tr_remote_pipe(self, first_side.ref, second_side.ref, &options);
}

/* What the peer sends before the socket has heard of the pipe is for nobody. */
static void
pipe_and_send_line(void)
{
    on_worker(0, pipe_first_to_second, NULL);
    on_worker(0, do_nothing, NULL); /* comes after the order, which the first call has sent on the same worker */
    assert_true(tests_peer_send(first_side.peer, LINE, strlen(LINE)));
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
        first_side = (struct side){.options = {.keep = each->keeps}};
        second_side = (struct side){0};
        hands_open(2);
        open_side(&first_side, each->worker);
        open_side(&second_side, 0);
        close_first(each->ends);
        on_worker(0, pipe_first_to_second, NULL);
        assert_int_equal(piping, TR_OK);
        assert_true(tests_peer_at_end(second_side.peer));
        close(second_side.peer);
        await_closed(&second_side);
        assert_int_equal(second_side.error, each->error);
        close(first_side.peer);
        hands_close();
    }
}

static void
a_pipe_that_is_to_keep_its_second_open_does_so_though_it_never_opens(void **state)
{
    (void)state;
    first_side = (struct side){.options = {.keep = true}};
    second_side = (struct side){0};
    hands_open(2);
    open_side(&first_side, 1);
    open_side(&second_side, 1);
    close_first(false);
    keeps_second_open = true;
    on_worker(0, pipe_first_to_second, NULL);
    keeps_second_open = false;
    assert_true(tests_peer_send(second_side.peer, LINE, strlen(LINE)));
    close(second_side.peer);
    await_closed(&second_side);
    assert_int_equal(second_side.error, TR_OK);
    close(first_side.peer);
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
        first_side = (struct side){.options = {.allow_half_open = true}};
        second_side = (struct side){.worker = worker};
        hands_open(2);
        open_side(&first_side, 0);
        on_worker(worker, spawn_unconnected, &second_side);
        pipe_and_send_line();
        await_closed(&first_side);
        await_closed(&second_side);
        assert_int_equal(first_side.error, TR_EPIPE);
        assert_int_equal(second_side.error, TR_ESOCKETCLOSED);
        close(first_side.peer);
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
        first_side = (struct side){.options = {.allow_half_open = true}};
        hands_open(2);
        open_side(&first_side, 0);
        on_worker(worker, spawn_server, &second_side.ref);
        on_worker(0, pipe_first_to_second, NULL);
        await_closed(&first_side);
        assert_int_equal(first_side.error, TR_EPIPE);
        close(first_side.peer);
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
        cmocka_unit_test(a_connection_from_outside_lives_where_the_fewest_actors_do),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
