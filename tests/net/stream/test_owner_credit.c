/*
 * The credit of an owner: how much comes without an answer, and sockets that stand still for one.
 */
#include "fds.h"
#include "helpers.h"
#include "owner_play.h"
#include "slab.h"
#include "socket_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

/* Credit: how much comes without an answer. */

static tr_ref hoarder_ref;
static unsigned steps_done;
static unsigned expected_at_step[8];

/*
 * Gives one credit after another and sees after each how many events there are: when as many as there should be have
 * come, the socket gets turns to tell more, and then a message takes the same way as its events.
 */
static void await_step(void);

static bool
as_many_came(void)
{
    return __atomic_load_n(&hoard.counted, __ATOMIC_SEQ_CST) >= expected_at_step[steps_done];
}

static bool
hoarder_was_reached(void)
{
    return __atomic_load_n(&hoard.reached, __ATOMIC_SEQ_CST) > steps_done;
}

static void
step_credit(void *argument)
{
    (void)argument;
    assert_int_equal(__atomic_load_n(&hoard.counted, __ATOMIC_SEQ_CST), expected_at_step[steps_done]);
    if (expected_at_step[++steps_done] == 0) {
        stage_end();
        return;
    }
    tr_tell(director, hoarder_ref, TAG_MORE, NULL, 0);
    await_step();
}

static void
reach_hoarder(void *argument)
{
    (void)argument;
    tr_tell(director, hoarder_ref, TAG_REACHED, NULL, 0);
    stage_when(hoarder_was_reached, step_credit, NULL);
}

static void
await_step(void)
{
    stage_settled_when(as_many_came, reach_hoarder, NULL);
}

static void
hoard_script(void)
{
    hoarder_ref = spawn_on(1, &hoarder, NULL);
    struct tr_owner to = {.actor = hoarder_ref, .credit = hoard.credit};
    struct tr_socket_options options = {.owner = to, .receive_fds = true, .allow_half_open = true};
    tr_ref socket = tr_socket_ref(adopt_one_of_a_pair(&options));
    assert_int_equal(tr_remote_credit(director, socket, 100), TR_OK); /* it is not the owner: that changes nothing */
    if (hoard.fds == 0) {
        send_fds(owned_peer, owned_peer, 2, "abc");
        close(owned_peer);
    } else {
        hoard.fds = 0;
        char byte =
            'x'; /* each is an event of its own only if it is read before the next comes: so an end, and close */
        assert_int_equal(write(owned_peer, &byte, 1), 1);
        close(owned_peer);
    }
    await_step();
}

static void
play_hoard(uint32_t credit, bool fds, const unsigned *expected, size_t n)
{
    memset(&hoard, 0, sizeof(hoard));
    hoard.credit = credit;
    hoard.fds = !fds;
    steps_done = 0;
    memset(expected_at_step, 0, sizeof(expected_at_step));
    memcpy(expected_at_step, expected, n * sizeof(*expected));
    stage_play(2, hoard_script);
}

static void
without_credit_nothing_more_comes(void **state)
{
    (void)state;
    static const unsigned one[] = {1, 2}; /* data | end; the half-open socket then stays */
    play_hoard(1, false, one, 2);
    assert_int_equal(hoard.bytes, 1);
}

static void
a_larger_credit_lets_so_many_come(void **state)
{
    (void)state;
    static const unsigned three[] = {3, 4}; /* fd fd data | end */
    play_hoard(3, true, three, 2);
    assert_int_equal(hoard.fds, 2);
    assert_int_equal(hoard.bytes, 3);
}

static void
descriptors_of_one_message_come_together_and_their_bytes_wait(void **state)
{
    (void)state;
    static const unsigned one[] = {2, 2, 3, 4}; /* fd fd | | data | end */
    play_hoard(1, true, one, 4);
    assert_int_equal(hoard.fds, 2);
    assert_int_equal(hoard.bytes, 3);
}

/* Each record is an event. */
static void
record_script(void)
{
    int pair[2];
    tr_socket *socket;
    hoarder_ref = spawn_on(1, &hoarder, NULL);
    struct tr_socket_options options = {.owner = {.actor = hoarder_ref}, .allow_half_open = true};
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(write(pair[1], "r", 1), 1);
    close(pair[1]);
    assert_int_equal(tr_socket_adopt(director, pair[0], TR_READABLE, &options, &socket), TR_OK);
    await_step();
}

static void
the_credit_is_16_unless_it_is_said(void **state)
{
    (void)state;
    memset(&hoard, 0, sizeof(hoard));
    memset(expected_at_step, 0, sizeof(expected_at_step));
    expected_at_step[0] = 16;
    expected_at_step[1] = 17;
    steps_done = 0;
    stage_play(2, record_script);
}

static void
no_descriptor_is_taken_out_of_another_message(void **state)
{
    char *text = strdup("no descriptor");
    tr_message message = tr_message_pointer(TR_TAG_SOCKET_EVENT + TR_EVENT_FD, text, 14, free);
    (void)state;
    assert_int_equal(tr_event_take_fd(NULL), -1);
    assert_int_equal(tr_event_take_fd(&message), -1);
    assert_ptr_equal(tr_message_data(&message), text);
    tr_message_drop(&message);
    message = tr_message_signal(TR_TAG_SOCKET_EVENT + TR_EVENT_FD);
    assert_int_equal(tr_event_take_fd(&message), -1);
}

/* A timeout that is due while the socket stands still for its owner is not told any more when the owner switches it
 * off. */

static struct {
    unsigned timeouts;
    bool switched_off;
} timer;

static void
timer_receive(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    (void)state;
    if (message->tag == TAG_MORE) {
        timer.switched_off = true;
        assert_int_equal(tr_remote_set_timeout(self, hoard.socket, 0), TR_OK);
        assert_int_equal(tr_remote_credit(self, hoard.socket, 1), TR_OK);
        assert_int_equal(tr_remote_end(self, hoard.socket), TR_OK);
        close(owned_peer);
    } else if (tr_event_of(message, &event)) {
        hoard.socket = message->from;
        timer.timeouts += event == TR_EVENT_TIMEOUT;
        if (event == TR_EVENT_CLOSE)
            __atomic_store_n(&closed, 1, __ATOMIC_SEQ_CST);
        if (event != TR_EVENT_DATA) {
            assert_int_equal(tr_remote_credit(self, message->from, 1), TR_OK);
            return;
        }
        assert_int_equal(tr_remote_set_timeout(self, message->from, 30), TR_OK);
        tr_message later = tr_message_signal(TAG_MORE);
        assert_int_equal(tr_send_after(self, tr_self(self), 120, &later, NULL), TR_OK);
    }
}

static void
look_whether_closed(void *argument)
{
    if (__atomic_load_n(&closed, __ATOMIC_SEQ_CST) != 0)
        stage_end();
    else
        stage_after(2, look_whether_closed, argument);
}

static void
timer_script(void)
{
    static const struct tr_behavior keeper = {.name = "timer", .receive = timer_receive};
    struct tr_owner to = {.actor = spawn_on(1, &keeper, NULL), .credit = 1};
    adopt_one_of_a_pair(&(struct tr_socket_options){.owner = to});
    assert_true(tests_peer_send(owned_peer, "x", 1));
    look_whether_closed(NULL);
}

static void
a_timeout_that_waits_for_credit_can_still_be_switched_off(void **state)
{
    (void)state;
    closed = 0;
    memset(&timer, 0, sizeof(timer));
    stage_play(2, timer_script);
    assert_true(timer.switched_off);
    assert_int_equal(timer.timeouts, 0);
}

/* Owners that do not answer, and what the director does with their sockets in the end. */

static void
does_not_answer(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
}

static const struct tr_behavior deaf = {.name = "deaf", .receive = does_not_answer};
static struct endpoint still;

static void
adopt_for_the_deaf(struct tr_socket_options options, uint32_t credit)
{
    memset(&still, 0, sizeof(still));
    options.owner = (struct tr_owner){.actor = spawn_on(0, &deaf, NULL), .credit = credit};
    options.events = &endpoint_events;
    options.data = &still;
    still.socket = adopt_one_of_a_pair(&options);
}

static void
take_from_the_deaf(void *argument)
{
    (void)argument;
    assert_int_equal(tr_socket_set_owner(still.socket, NULL), TR_OK);
    stage_end_when_closed(&(struct endpoint *){&still}, 1);
}

static bool
has_read(void)
{
    return tr_socket_bytes_read(still.socket) > 0;
}

static void
look_at_still_socket(void *argument)
{
    assert_int_equal(tr_socket_bytes_read(still.socket), TRI_READ_BYTES);
    assert_int_equal(still.socket->polled, 0); /* else the loop would turn and turn */
    take_from_the_deaf(argument);
    close(owned_peer);
}

static void
give_credit_of_a_stranger(void *argument)
{
    (void)argument;
    assert_int_equal(tr_remote_credit(director, tr_socket_ref(still.socket), 1), TR_OK);
    stage_settled(look_at_still_socket, NULL);
}

static void
still_script(void)
{
    adopt_for_the_deaf((struct tr_socket_options){0}, 1);
    assert_true(tests_peer_send(owned_peer, pattern(100000).data, 100000));
    stage_settled_when(has_read, give_credit_of_a_stranger, NULL);
}

static void
without_credit_nothing_is_read_nor_polled_and_only_the_owners_counts(void **state)
{
    (void)state;
    stage_play(1, still_script);
    assert_string_equal(still.log, "data end close");
    assert_int_equal(still.bytes, 100000 - TRI_READ_BYTES);
}

static bool
timeout_is_due(void)
{
    return (still.socket->due & TRI_STEP(TIMEOUT)) != 0;
}

static void
destroy_still_socket(void *argument)
{
    tr_socket_destroy(still.socket, TR_OK);
    take_from_the_deaf(argument);
}

static void
due_timeout_script(void)
{
    adopt_for_the_deaf((struct tr_socket_options){.timeout_ms = 20}, 1);
    assert_true(tests_peer_send(owned_peer, "x", 1));
    close(owned_peer);
    stage_when(timeout_is_due, destroy_still_socket, NULL);
}

static void
a_timeout_that_was_due_is_not_told_of_a_socket_that_is_destroyed(void **state)
{
    (void)state;
    stage_play(1, due_timeout_script);
    assert_string_equal(still.log, "close");
}

/* Many. */

#define CROWD 1000u

struct member {
    tr_ref socket;
    size_t bytes;
    unsigned worker;
};

static struct {
    bool answers;
    unsigned connected, closed, wrong;
} crowd;

static void
member_begin(tr_actor *self, struct member *member)
{
    struct tr_socket_options options = {.owner = {.actor = tr_self(self), .credit = 1}};
    struct tr_spawn_options placement = {.placement = TR_PLACE_WORKER, .worker = member->worker};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_remote_socket(self, &options, &placement, &member->socket), TR_OK);
    assert_int_equal(tr_remote_connect(self, member->socket, &connect), TR_OK);
    assert_int_equal(tr_remote_write(self, member->socket, tr_slice_constant("crowded", 7)), TR_OK);
}

static void
member_receive(tr_actor *self, void *state, tr_message *message)
{
    struct member *member = state;
    enum tr_event event;
    if (message->tag == TAG_GO) {
        memcpy(&member->worker, tr_message_data(message), sizeof(member->worker));
        member_begin(self, member);
        return;
    }
    if (!tr_event_of(message, &event))
        return;
    if (event == TR_EVENT_CONNECT)
        __atomic_fetch_add(&crowd.connected, 1, __ATOMIC_SEQ_CST);
    if (!crowd.answers)
        return;
    member->bytes += event == TR_EVENT_DATA ? tr_message_size(message) : 0;
    if (event == TR_EVENT_DATA && member->bytes == 7)
        tr_remote_end(self, member->socket);
    if (event == TR_EVENT_CLOSE) {
        __atomic_fetch_add(&crowd.wrong, member->bytes != 7 || *(const bool *)tr_message_data(message),
                           __ATOMIC_SEQ_CST);
        __atomic_fetch_add(&crowd.closed, 1, __ATOMIC_SEQ_CST);
    }
    tr_remote_credit(self, member->socket, 1);
}

static const struct tr_behavior member = {
    .name = "member", .state_size = sizeof(struct member), .receive = member_receive};

static void
echo_data(tr_socket *socket, tr_slice data)
{
    tr_socket_write_slice(socket, data);
}

static void
on_crowd_connection(tr_socket *socket)
{
    (void)socket;
}

static void
look_at_crowd(void *argument)
{
    const unsigned *counter = argument;
    if (__atomic_load_n(counter, __ATOMIC_SEQ_CST) == CROWD)
        stage_end();
    else
        stage_after(2, look_at_crowd, argument);
}

static void
crowd_script(void)
{
    static const struct tr_socket_events echoes = {.data = echo_data};
    stage_serve((struct tr_server_options){.connection = on_crowd_connection, .socket.events = &echoes});
    for (unsigned i = 0; i < CROWD; i++) {
        unsigned worker = (i + 1) % 3;
        assert_int_equal(tr_tell(director, spawn_on(i % 3, &member, NULL), TAG_GO, &worker, sizeof(worker)), TR_OK);
    }
    look_at_crowd(crowd.answers ? &crowd.closed : &crowd.connected);
}

static void
a_thousand_sockets_have_owners_on_other_workers(void **state)
{
    (void)state;
    memset(&crowd, 0, sizeof(crowd));
    crowd.answers = true;
    stage_play(3, crowd_script);
    assert_int_equal(crowd.wrong, 0);
}

/* Accepted sockets are no children of their owner: it ends before them, and they stand still. */

static unsigned silent_told;

static void
silent_receive(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    (void)self;
    (void)state;
    if (tr_event_of(message, &event))
        __atomic_fetch_add(&silent_told, 1, __ATOMIC_SEQ_CST);
}

static const struct tr_behavior silent = {.name = "silent", .receive = silent_receive};

static void
crowd_that_stands_still_script(void)
{
    struct tr_server_options options = {.balance = NULL};
    options.socket.owner = (struct tr_owner){.actor = spawn_on(1, &silent, NULL), .credit = 1};
    stage_serve(options);
    for (unsigned i = 0; i < CROWD; i++) {
        struct tr_connect_options connect = {.host = "127.0.0.1", .port = stage_port};
        assert_int_equal(tr_connect(director, NULL, &connect, NULL), TR_OK);
    }
    look_at_crowd(&silent_told);
}

static void
the_runtime_stops_while_a_thousand_stand_still_for_an_owner_that_ends_first(void **state)
{
    (void)state;
    silent_told = 0;
    stage_play(3, crowd_that_stands_still_script); /* which fails if anything is killed, or a descriptor is left */
}

/* The owner is their parent, lives, and answers nothing: only the deadline ends that. */

static bool
all_are_connected(void *argument)
{
    (void)argument;
    return __atomic_load_n(&crowd.connected, __ATOMIC_SEQ_CST) == CROWD;
}

static void
stop_with_a_deadline(unsigned deadline_ms)
{
    int fds = tests_open_fds();
    struct tr_stop_report report;
    struct tr_runtime_options options = {.workers = 3};
    assert_int_equal(tr_runtime_start(&options, &stage_runtime), TR_OK);
    struct tr_server_options server = {.connection = on_crowd_connection};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address bound;
    assert_int_equal(tr_runtime_listen(stage_runtime, &server, &listen, NULL, &bound), TR_OK);
    stage_port = bound.port;
    for (unsigned i = 0; i < CROWD; i++) {
        struct tr_spawn_options place = {.placement = TR_PLACE_WORKER, .worker = i % 3};
        unsigned worker = (i + 1) % 3;
        tr_ref ref;
        assert_int_equal(tr_runtime_spawn(stage_runtime, &member, &place, &ref), TR_OK);
        tr_message go = tr_message_copy(TAG_GO, &worker, sizeof(worker));
        assert_int_equal(tr_runtime_send(stage_runtime, ref, &go), TR_OK);
    }
    assert_true(tests_wait_until(all_are_connected, NULL, TESTS_LIMIT_MS));
    assert_int_equal(tr_runtime_stop(stage_runtime, deadline_ms, &report), TR_ETIMEDOUT_STOP);
    assert_true(report.killed >= 2 * CROWD); /* sockets and owners */
    assert_int_equal(tests_open_fds(), fds);
}

static void
the_deadline_ends_a_thousand_that_stand_still_for_an_owner_who_never_answers(void **state)
{
    (void)state;
    memset(&crowd, 0, sizeof(crowd));
    stop_with_a_deadline(200);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_credit_nothing_more_comes),
        cmocka_unit_test(a_larger_credit_lets_so_many_come),
        cmocka_unit_test(descriptors_of_one_message_come_together_and_their_bytes_wait),
        cmocka_unit_test(the_credit_is_16_unless_it_is_said),
        cmocka_unit_test(no_descriptor_is_taken_out_of_another_message),
        cmocka_unit_test(a_timeout_that_waits_for_credit_can_still_be_switched_off),
        cmocka_unit_test(without_credit_nothing_is_read_nor_polled_and_only_the_owners_counts),
        cmocka_unit_test(a_timeout_that_was_due_is_not_told_of_a_socket_that_is_destroyed),
        cmocka_unit_test(a_thousand_sockets_have_owners_on_other_workers),
        cmocka_unit_test(the_runtime_stops_while_a_thousand_stand_still_for_an_owner_that_ends_first),
        cmocka_unit_test(the_deadline_ends_a_thousand_that_stand_still_for_an_owner_who_never_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
