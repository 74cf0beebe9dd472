/*
 * Which owner a socket has: one that dies, one that is a socket itself, one after the other; and what it is told.
 */
#include "owner_play.h"
#include "socket_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

/* Owners that die. */

static enum { DIE_AT_ONCE, DIE_IN_CONNECTION, DIE_KILLED } death;
static unsigned connections_told;
static tr_ref mortals_socket; /* atomic; TR_NOBODY: it was told of none */

static void
mortal_receive(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    (void)state;
    if (!tr_event_of(message, &event))
        return;
    if (event == TR_EVENT_CONNECTION) {
        const struct tr_connection *connection = tr_message_data(message);
        assert_true(connection->server != TR_NOBODY);
        __atomic_store_n(&mortals_socket, message->from, __ATOMIC_SEQ_CST);
        __atomic_fetch_add(&connections_told, 1, __ATOMIC_SEQ_CST);
    }
    if (death == DIE_IN_CONNECTION)
        tr_exit(self);
    else if (death == DIE_KILLED)
        tr_stop(self, tr_self(self), TR_STOP_KILL);
}

static const struct tr_behavior mortal = {.name = "mortal", .receive = mortal_receive};
static unsigned mortal_worker;
static struct endpoint visitor;

static void
say_and_wait(struct endpoint *self, const char *event)
{
    if (is(event, "ready"))
        say(self->socket, "hello");
}

/* On the director's worker, so it is known at once whether there is such an actor. */
static bool
is_over_and_gone(void)
{
    tr_ref socket = __atomic_load_n(&mortals_socket, __ATOMIC_SEQ_CST);
    return visitor.closed && (socket == TR_NOBODY || tr_tell(director, socket, TAG_MORE, NULL, 0) == TR_EGONE);
}

static void
owned_connection_script(void)
{
    tr_ref ref = spawn_on(mortal_worker, &mortal, NULL);
    if (death == DIE_AT_ONCE)
        assert_int_equal(tr_stop(director, ref, TR_STOP_NOW), TR_OK);
    struct tr_server_options options = {.balance = home};
    options.socket.owner = (struct tr_owner){.actor = ref, .credit = 1};
    options.socket.keep = true; /* a dead owner's socket is not kept */
    stage_serve(options);
    visitor.hook = say_and_wait;
    stage_connect(&visitor);
    stage_settled_when(is_over_and_gone, end_play, NULL);
}

static void
sockets_of_owners_that_die_are_destroyed(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        death = i % 3;
        mortal_worker = i < 3 ? 0 : 1;
        connections_told = 0;
        mortals_socket = TR_NOBODY;
        memset(&visitor, 0, sizeof(visitor));
        stage_play(2, owned_connection_script);
        assert_true(visitor.closed);
        assert_int_equal(connections_told, death != DIE_AT_ONCE);
        assert_memory_equal(visitor.log, "connect ready ", 14);
    }
}

/* What is no event. */

static void
only_an_event_is_taken_for_one(void **state)
{
    (void)state;
    enum tr_event event;
    for (uint32_t i = 0; i < TR_EVENTS; i++) {
        tr_message is_one = tr_message_signal(TR_TAG_SOCKET_EVENT + i);
        assert_true(tr_event_of(&is_one, &event));
        assert_int_equal(event, i);
    }
    tr_message before = tr_message_signal(TR_TAG_SOCKET_EVENT - 1);
    tr_message after = tr_message_signal(TR_TAG_SOCKET_EVENT + TR_EVENTS);
    assert_false(tr_event_of(&before, &event));
    assert_false(tr_event_of(&after, &event));

    tr_message pointer = tr_message_pointer(1, malloc(1), 1, free);
    assert_int_equal(tr_event_take_fd(&pointer), -1);
    assert_non_null(tr_message_data(&pointer));
    assert_int_equal(tr_event_take_fd(&before), -1);
    assert_int_equal(tr_event_take_fd(NULL), -1);
    tr_message_drop(&pointer);
}

/* A socket's actor as the owner of another one: its message callback gets the events. */

static struct endpoint front;
static unsigned told_to_socket;

static void
front_message(tr_socket *socket, tr_message *message)
{
    enum tr_event event;
    tr_actor *self = tr_socket_actor(socket);
    if (!tr_event_of(message, &event))
        return;
    told_to_socket++;
    if (event == TR_EVENT_DATA) {
        tr_socket_write_slice(socket, message->payload.slice);
        tr_remote_end(self, message->from);
    } else if (event == TR_EVENT_CLOSE) {
        tr_socket_end(socket);
    }
    tr_remote_credit(self, message->from, 1);
}

static void
open_another(struct endpoint *self, const char *event)
{
    tr_socket *other;
    if (!is(event, "ready"))
        return;
    struct tr_socket_options options = {.owner = {.actor = tr_socket_ref(self->socket), .credit = 1}};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_connect(tr_socket_actor(self->socket), &options, &connect, &other), TR_OK);
}

static void
socket_as_owner_script(void)
{
    static struct tr_socket_events events;
    events = endpoint_events;
    events.message = front_message;
    accepted[1].hook = peer_greets;
    front.hook = open_another;
    stage_serve((struct tr_server_options){.balance = home});
    struct tr_socket_options options = {.events = &events, .data = &front};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_connect(director, &options, &connect, &front.socket), TR_OK);
    struct endpoint *all[] = {&front, &accepted[0], &accepted[1]};
    stage_end_when_closed(all, 3);
}

static void
a_socket_can_own_another_one(void **state)
{
    (void)state;
    memset(accepted, 0, sizeof(accepted));
    stage_play(1, socket_as_owner_script);
    assert_string_equal(accepted[0].log, "accepted data:hello end close");
    assert_string_equal(front.log, "connect ready end close");
    assert_int_equal(told_to_socket, 5); /* connect ready data end close */
}

/* Handing on: what goes from one owner to the next along with the socket. */

#define STREAM_BYTES (2u << 20)
#define HAND_ON_EVERY 5u

struct stream {
    tr_ref socket;
    size_t bytes;
    uint64_t sum;
};

static tr_ref runners[2];
static struct stream at_the_end;
static unsigned handed_on;

static void
take_bytes(struct stream *stream, tr_slice data)
{
    for (size_t i = 0; i < data.size; i++)
        stream->sum += (uint64_t)(unsigned char)data.data[i] * (++stream->bytes % 65521);
}

struct runner {
    struct stream stream;
    unsigned events;
};

static void
hand_on(tr_actor *self, struct runner *runner)
{
    tr_ref next = runners[tr_self(self) == runners[0]];
    struct tr_owner to = {.actor = next, .credit = 1};
    assert_int_equal(tr_tell(self, next, TAG_STATE, &runner->stream, sizeof(runner->stream)), TR_OK);
    assert_int_equal(tr_remote_set_owner(self, runner->stream.socket, &to), TR_OK);
    handed_on++; /* by one runner at a time: the messages order them */
}

static void
runner_receive(tr_actor *self, void *state, tr_message *message)
{
    struct runner *runner = state;
    enum tr_event event;
    if (message->tag == TAG_STATE) {
        memcpy(&runner->stream, tr_message_data(message), sizeof(runner->stream));
        return;
    }
    if (!tr_event_of(message, &event))
        return;
    runner->stream.socket = message->from;
    if (event == TR_EVENT_DATA)
        take_bytes(&runner->stream, message->payload.slice);
    if (event == TR_EVENT_CLOSE)
        at_the_end = runner->stream;
    if (event == TR_EVENT_DATA && ++runner->events % HAND_ON_EVERY == 0)
        hand_on(self, runner);
    tr_remote_credit(self, message->from, 1);
}

static const struct tr_behavior runner = {
    .name = "runner", .state_size = sizeof(struct runner), .receive = runner_receive};

static void
write_the_stream(struct endpoint *self, const char *event)
{
    if (!is(event, "ready"))
        return;
    tr_socket_write_slice(self->socket, pattern(STREAM_BYTES));
    tr_socket_end(self->socket);
}

/* The callbacks take the first bytes, then it goes to the first runner. */
static struct stream before;

static void
hand_to_a_runner(tr_socket *socket, tr_slice data)
{
    take_bytes(&before, data);
    struct tr_owner to = {.actor = runners[0], .credit = 1};
    assert_int_equal(tr_tell(tr_socket_actor(socket), runners[0], TAG_STATE, &before, sizeof(before)), TR_OK);
    assert_int_equal(tr_socket_set_owner(socket, &to), TR_OK);
}

static void
on_relay_connection(tr_socket *socket)
{
    static const struct tr_socket_events events = {.data = hand_to_a_runner};
    tr_socket_set_events(socket, &events);
}

static void
relay_script(void)
{
    runners[0] = spawn_on(0, &runner, NULL);
    runners[1] = spawn_on(1, &runner, NULL);
    stage_serve((struct tr_server_options){.balance = home, .connection = on_relay_connection});
    visitor.hook = write_the_stream;
    stage_connect(&visitor);
    stage_end_when_closed(&(struct endpoint *){&visitor}, 1);
}

static void
a_socket_goes_from_owner_to_owner_without_losing_a_byte(void **state)
{
    (void)state;
    memset(&visitor, 0, sizeof(visitor));
    memset(&before, 0, sizeof(before));
    handed_on = 0;
    stage_play(2, relay_script);
    assert_int_equal(at_the_end.bytes, STREAM_BYTES);
    assert_int_equal(at_the_end.sum, pattern_sum(STREAM_BYTES));
    assert_true(handed_on >= 2);
}

/* Back to callbacks, from an owner for whom the socket stands still. */

static tr_socket *taken_back;

static void
take_back_when_it_stands_still(void *argument)
{
    (void)argument;
    if (__atomic_load_n(&hoard.counted, __ATOMIC_SEQ_CST) == 0) {
        stage_after(2, take_back_when_it_stands_still, NULL);
        return;
    }
    assert_int_equal(write(owned_peer, "b", 1), 1);
    assert_int_equal(tr_socket_set_owner(taken_back, NULL), TR_OK);
    close(owned_peer);
}

static void
take_back_script(void)
{
    struct tr_socket_options options = {.events = &endpoint_events, .data = &visitor};
    options.owner = (struct tr_owner){.actor = spawn_on(1, &hoarder, NULL), .credit = 1};
    taken_back = adopt_one_of_a_pair(&options);
    assert_int_equal(write(owned_peer, "a", 1), 1);
    take_back_when_it_stands_still(NULL);
    stage_end_when_closed(&(struct endpoint *){&visitor}, 1);
}

static void
a_socket_that_stands_still_goes_on_when_it_is_taken_from_its_owner(void **state)
{
    (void)state;
    memset(&visitor, 0, sizeof(visitor));
    memset(&hoard, 0, sizeof(hoard));
    stage_play(2, take_back_script);
    assert_string_equal(visitor.log, "data:b end close");
    assert_int_equal(hoard.events, 1);
}

/* Answers keep their place. */

static void
note_answer(tr_message *message)
{
    const struct tr_remote_accepted *taken = tr_message_data(message);
    const struct tr_socket_info *info = tr_message_data(message);
    if (message->tag == TAG_ACCEPTED)
        note(&owned.log, "accepted%d:%s", (int)taken->token, tr_status_code(taken->status));
    else if (message->tag == TAG_INFO)
        note(&owned.log, "info%d:%s:%d:%d", (int)info->token, tr_ready_state_name(info->ready_state), info->connecting,
             (int)(info->remote.port == stage_port));
}

static void
asker_receive(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    note_answer(message);
    if (tr_event_of(message, &event) && event == TR_EVENT_READY) {
        tr_remote_write_check(self, owned.ref, tr_slice_constant("first", 5), TAG_ACCEPTED, 1);
        tr_remote_socket_info(self, owned.ref, TAG_INFO, 2);
        tr_remote_write_ask(self, owned.ref, tr_slice_constant("second", 6), TAG_WRITTEN, 3);
        tr_remote_write_check(self, owned.ref, pattern(LONG_WRITE), TAG_ACCEPTED, 4);
        tr_remote_end_ask(self, owned.ref, tr_slice_constant(NULL, 0), TAG_WRITTEN, 5);
        tr_remote_socket_info(self, owned.ref, TAG_INFO, 6);
        tr_remote_write_check(self, owned.ref, tr_slice_constant("late", 4), TAG_ACCEPTED, 7);
    }
    owner_receive(self, state, message);
}

static const struct tr_behavior asker = {.name = "asker", .receive = asker_receive};

static void
asker_script(void)
{
    prepare();
    assert_int_equal(tr_tell(director, spawn_on(owner_worker, &asker, NULL), TAG_GO, NULL, 0), TR_OK);
}

static void
answers_keep_their_place_among_the_events(void **state)
{
    (void)state;
    static const struct owner_play plain = {.name = "answers"};
    play_now = &plain;
    for (owner_worker = 0; owner_worker < 2; owner_worker++) {
        socket_worker = 1 - owner_worker;
        give_play(asker_script);
        assert_string_equal(owned.log.log,
                            "connect ready accepted1:OK info2:open:0:1 accepted4:QUEUED info6:readOnly:0:1 "
                            "accepted7:ERR_STREAM_WRITE_AFTER_END "
                            "written3:OK error:ERR_STREAM_WRITE_AFTER_END:write:0 "
                            "written5:ERR_STREAM_WRITE_AFTER_END close!");
    }
}

/* What a distant order to connect can be refused for. */

static void
wrong_type_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    enum tr_event event;
    if (message->tag == TAG_GO) {
        struct tr_socket_options options = {.owner = {.actor = tr_self(self), .credit = 1}, .type = TR_SOCKET_TCP4};
        assert_int_equal(tr_remote_socket(self, &options, NULL, &owned.ref), TR_OK);
        assert_int_equal(tr_remote_connect(self, owned.ref, &(struct tr_connect_options){.host = "::1", .port = 1}),
                         TR_OK);
    } else if (tr_event_of(message, &event)) {
        log_event(event, message);
        tr_remote_credit(self, owned.ref, 1);
    }
}

static const struct tr_behavior wrong_type = {.name = "owner", .receive = wrong_type_receive};

static void
wrong_type_script(void)
{
    prepare();
    assert_int_equal(tr_tell(director, spawn_on(1, &wrong_type, NULL), TAG_GO, NULL, 0), TR_OK);
}

static void
an_address_that_the_socket_does_not_take_is_an_error_event(void **state)
{
    (void)state;
    static const struct owner_play refused = {.name = "type", .refused = true};
    play_now = &refused;
    give_play(wrong_type_script);
    assert_string_equal(owned.log.log, "error:ERR_INVALID_IP_ADDRESS:connect:0 close!");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_of_owners_that_die_are_destroyed),
        cmocka_unit_test(only_an_event_is_taken_for_one),
        cmocka_unit_test(a_socket_can_own_another_one),
        cmocka_unit_test(a_socket_goes_from_owner_to_owner_without_losing_a_byte),
        cmocka_unit_test(a_socket_that_stands_still_goes_on_when_it_is_taken_from_its_owner),
        cmocka_unit_test(answers_keep_their_place_among_the_events),
        cmocka_unit_test(an_address_that_the_socket_does_not_take_is_an_error_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
