/*
 * Reading through a layer: what is inside it and polling does not see, the ends of the stream, and renewals.
 *
 * The peer is a raw descriptor that sends a client's records. They all arrive before they are read, and the layer reads
 * ahead, so that the kernel is empty long before the layer is.
 */
#include "cast.h"
#include "helpers.h"
#include "owner_play.h"
#include "reading_play.h"
#include "secure_play.h"
#include "writer_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/pipe.h>

#define FULL 6u /* records of the largest size: more than one read brings, and than a paused socket holds */

static int
reset(void **state)
{
    secure_reset(state);
    memset(&hoard, 0, sizeof(hoard));
    return 0;
}

static void
open_server_as(struct tr_socket_options options, const struct tri_secure_options *secure)
{
    open_secure_raw(options);
    serve_as(secure);
}

static void
open_server(struct tr_socket_options options)
{
    open_server_as(options, NULL);
}

static void
send_wire(void)
{
    send_text(wire.bytes, wire.size);
}

static void
put_full_records(void)
{
    toy_put_beginning(&wire, NULL);
    for (unsigned i = 0; i < FULL; i++)
        toy_put_bytes(&wire, pattern(FULL * TOY_RECORD).data + i * TOY_RECORD, TOY_RECORD);
    toy_put(&wire, TOY_BYE, NULL);
}

/* Nothing is left in the kernel, but the layer has bytes. */
static void
expect_bytes_inside(void)
{
    int in_kernel = -1;
    assert_int_equal(ioctl(client.socket->fd, FIONREAD, &in_kernel), 0);
    assert_int_equal(in_kernel, 0);
    assert_true(toy_of(client.socket)->in_size > toy_of(client.socket)->in_first);
    assert_true(tri_socket_layer(client.socket)->inner);
}

static void
expect_all(const struct endpoint *endpoint)
{
    assert_int_equal(endpoint->bytes, FULL * TOY_RECORD);
    assert_int_equal(endpoint->sum, pattern_sum(FULL * TOY_RECORD));
}

/* Times. */

static uint32_t moved_before;

static void
look_at_movement(void *argument)
{
    (void)argument;
    assert_true(client.socket->moved_ms != moved_before);
    tr_socket_destroy(client.socket, TR_OK);
}

static void
send_part_of_a_record(void *argument)
{
    (void)argument;
    moved_before = client.socket->moved_ms;
    tests_hold(3);
    send_text("D", 1);
    stage_settled(look_at_movement, NULL);
}

static void
play_movement(void)
{
    open_server((struct tr_socket_options){.timeout_ms = TESTS_LIMIT_MS});
    toy_put_beginning(&wire, NULL);
    send_wire();
    stage_settled(send_part_of_a_record, NULL);
}

static void
a_part_of_a_record_is_movement(void **state)
{
    (void)state;
    stage_play(1, play_movement);
    assert_string_equal(client.log, "secure close");
}

/* Inside. */

static void
resume_with_bytes_inside(void *argument)
{
    expect_bytes_inside();
    assert_int_equal(client.bytes, 0);
    resume_client(argument);
}

static void
play_pause(void)
{
    open_server((struct tr_socket_options){0});
    tr_socket_pause(client.socket);
    put_full_records();
    send_wire();
    stage_settled(resume_with_bytes_inside, NULL);
}

static void
what_a_paused_socket_has_inside_comes_when_it_is_resumed(void **state)
{
    (void)state;
    stage_play(1, play_pause);
    assert_string_equal(client.log, "secure resuming resumed data end close");
    expect_all(&client);
}

static void
pauses_in_data(struct endpoint *self, const char *event)
{
    closes_peer(self, event);
    if (!is(event, "data"))
        return;
    tr_socket_pause(self->socket);
    stage_settled(resume_client, NULL);
}

static void
play_pause_in_data(void)
{
    client.hook = pauses_in_data;
    open_server((struct tr_socket_options){0});
    put_full_records();
    send_wire();
}

static void
a_pause_in_each_data_event_loses_nothing(void **state)
{
    (void)state;
    stage_play(1, play_pause_in_data);
    expect_all(&client);
    assert_non_null(strstr(client.log, "end close"));
}

static void
drain_second(void *argument)
{
    (void)argument;
    assert_true(tri_pipe_is_full(client.socket->extra->pipe));
    assert_true(toy_of(client.socket)->in_size > toy_of(client.socket)->in_first);
    peer.fd = peer_of_other;
    stage_read(&peer);
}

static void
end_when_all_are_done(void)
{
    struct endpoint *both[] = {&client, &other};
    stage_end_when_done(both, 2, &peer);
}

static void
play_pipe(void)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    set_buffer(fds[0], SO_SNDBUF, 1);
    peer_of_other = fds[1];
    stage_adopt(&other, fds[0]);
    stage_pair(AF_UNIX, fds);
    reader_peer = fds[1];
    stage_adopt(&client, fds[0]);
    client.hook = closes_peer;
    assert_int_equal(toy_secure(client.socket, true, NULL, NULL), TR_OK);
    struct tr_pipe_options narrow = {.window_bytes = 1};
    assert_int_equal(tr_socket_pipe(client.socket, tr_socket_ref(other.socket), &narrow), TR_OK);
    put_full_records();
    send_wire();
    stage_settled(drain_second, NULL);
    end_when_all_are_done();
}

static void
what_is_inside_goes_through_a_pipe_that_was_full(void **state)
{
    (void)state;
    stage_play(1, play_pipe);
    assert_int_equal(peer.bytes, FULL * TOY_RECORD);
    assert_int_equal(peer.sum, pattern_sum(FULL * TOY_RECORD));
}

/* A consumer that is crowded by each piece. */

static unsigned pressed;

static void
take_piece(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    hoard.bytes += tr_message_size(message);
    pressed += tri_socket_has_any(client.socket, TRI_SOCKET_PRESSED);
}

static const struct tr_behavior crowded = {
    .name = "crowded", .receive = take_piece, .mailbox = {.messages = 4, .policy = TR_MAILBOX_REFUSE}};
static tr_ref consumer;

static void
hands_on(struct endpoint *self, const char *event)
{
    closes_peer(self, event);
    if (!is(event, "data"))
        return;
    for (unsigned i = 0; i < 3; i++) {
        tr_slice part = i == 0 ? self->last : tr_slice_part(self->last, 0, 0);
        tr_slice_hold(part);
        tr_message message = tr_message_slice(1, part);
        assert_int_equal(tr_send(tr_socket_actor(self->socket), consumer, &message), TR_OK);
    }
}

static void
play_consumer(void)
{
    pressed = 0;
    client.hook = hands_on;
    consumer = spawn_on(0, &crowded, NULL);
    open_server((struct tr_socket_options){.consumer = consumer});
    put_full_records();
    send_wire();
}

static void
what_is_inside_comes_when_the_consumer_is_relieved(void **state)
{
    (void)state;
    stage_play(1, play_consumer);
    assert_true(pressed > 0);
    assert_int_equal(hoard.bytes, FULL * TOY_RECORD);
    expect_all(&client);
}

/* A consumer that mutes who crowds it, which the callback of a write does: between two reads of the same wake. */

static const struct tr_behavior muting = {
    .name = "muting", .receive = take_piece, .mailbox = {.messages = 4, .policy = TR_MAILBOX_MUTE}};

static void
writes_in_data(struct endpoint *self, const char *event)
{
    closes_peer(self, event);
    if (!is(event, "data"))
        return;
    assert_false(tri_socket_has_any(self->socket, TRI_SOCKET_PRESSED));
    assert_int_equal(tr_socket_write_then(self->socket, text_slice("x"), crowd, &consumer), TR_OK);
}

static void
play_crowding_callback(void)
{
    pressed = 0;
    client.hook = writes_in_data;
    consumer = spawn_on(0, &muting, NULL);
    open_server((struct tr_socket_options){.consumer = consumer});
    put_full_records();
    send_wire();
}

static void
what_is_inside_waits_when_the_callback_of_a_write_crowds_the_consumer(void **state)
{
    (void)state;
    stage_play(1, play_crowding_callback);
    assert_true(pressed > 0);
    expect_all(&client);
}

/* An owner. */

static void
give_credit(void *argument)
{
    (void)argument;
    tr_message more = tr_message_signal(TAG_MORE);
    assert_int_equal(tr_send(director, consumer, &more), TR_OK);
    if (__atomic_load_n(&hoard.counted, __ATOMIC_SEQ_CST) > 0 && hoard.bytes == FULL * TOY_RECORD) {
        close(owned_peer);
        stage_settled(end_play, NULL);
    } else {
        stage_after(0, give_credit, NULL);
    }
}

static tr_socket *owned_socket;
static enum { BEFORE, AFTER, SLICES_AFTER, WAYS } way; /* when it is written: before the handshake, or its answer */

static void
expect_nothing(void *argument)
{
    char byte;
    assert_int_equal(recv(owned_peer, &byte, 1, MSG_DONTWAIT), -1);
    give_credit(argument);
}

static void
expect_only_welcome(void *argument)
{
    char bytes[64];
    assert_int_equal(recv(owned_peer, bytes, sizeof(bytes), MSG_DONTWAIT), TOY_HEADER + strlen("welcome"));
    assert_int_equal(hoard.events, 1);
    tr_slice slice = text_slice("for friends only");
    if (way == AFTER)
        assert_int_equal(tr_socket_write_slice(owned_socket, slice), TR_OK);
    if (way == SLICES_AFTER)
        assert_int_equal(tr_socket_write_slices(owned_socket, &slice, 1), TR_OK);
    stage_settled(expect_nothing, argument);
}

static void
play_owner(void)
{
    consumer = spawn_on(0, &hoarder, NULL);
    struct tr_socket_options options = {.owner = {.actor = consumer, .credit = 1}};
    owned_socket = adopt_one_of_a_pair(&options);
    assert_int_equal(toy_secure(owned_socket, true, NULL, NULL), TR_OK);
    if (way == BEFORE)
        assert_int_equal(say(owned_socket, "for friends only"), TR_OK);
    put_full_records();
    assert_true(tests_peer_send(owned_peer, wire.bytes, wire.size));
    stage_settled(expect_only_welcome, NULL);
}

/* The first event is `secure`: before its answer nothing is sent that was written for the other end, and nothing is
 * read. */
static void
an_owner_can_look_at_the_peer_before_anything_is_sent_and_then_gets_what_is_inside(void **state)
{
    for (way = BEFORE; way < WAYS; way++) {
        reset(state);
        stage_play(1, play_owner);
        assert_int_equal(hoard.bytes, FULL * TOY_RECORD);
    }
}

/* Pieces. */

static void
play_pieces(void)
{
    client.hook = brackets;
    open_server((struct tr_socket_options){.encoding = TR_ENCODING_UTF8});
    toy_put_beginning(&wire, "one");
    toy_put(&wire, TOY_DATA, "two\xe2");
    toy_put(&wire, TOY_DATA, "\x98\x83");
    toy_put(&wire, TOY_BYE, NULL);
    send_wire();
}

static void
ends_with_peer_closed(struct endpoint *self, const char *event)
{
    brackets(self, event);
    closes_peer(self, event);
}

static void
play_pieces_closed(void)
{
    play_pieces();
    client.hook = ends_with_peer_closed;
}

static void
records_that_came_together_are_one_piece(void **state)
{
    (void)state;
    stage_play(1, play_pieces_closed);
    assert_string_equal(client.log, "secure data [onetwo" SNOWMAN "] end close");
    assert_int_equal(client.bytes, 9);
}

/* Ends. */

static unsigned was_cut;

static void
looks_at_end(struct endpoint *self, const char *event)
{
    closes_peer(self, event);
    if (is(event, "end"))
        was_cut += tri_secure_is_cut(self->socket);
}

static struct tri_secure_options end_options;
static bool says_goodbye;

static void
play_end(void)
{
    was_cut = 0;
    client.hook = looks_at_end;
    open_server_as((struct tr_socket_options){0}, &end_options);
    toy_put_beginning(&wire, "last");
    if (says_goodbye)
        toy_put(&wire, TOY_BYE, NULL);
    send_wire();
    assert_int_equal(shutdown(reader_peer, SHUT_WR), 0);
}

static void
an_end_without_goodbye_can_be_told_from_one_with_it(void **state)
{
    end_options = (struct tri_secure_options){0};
    for (unsigned i = 0; i < 2; i++) {
        reset(state);
        says_goodbye = i == 1;
        stage_play(1, play_end);
        assert_string_equal(client.log, "secure data:last end close");
        assert_int_equal(was_cut, !says_goodbye);
    }
}

static void
an_end_without_goodbye_is_an_error_where_that_was_asked_for(void **state)
{
    end_options = (struct tri_secure_options){.cut_fails = true};
    for (unsigned i = 0; i < 2; i++) {
        reset(state);
        says_goodbye = i == 1;
        stage_play(1, play_end);
        assert_string_equal(client.log,
                            says_goodbye ? "secure data:last end close" : "secure data:last ERR_BAD_MESSAGE close!");
    }
}

static void
play_bad_record(void)
{
    open_server((struct tr_socket_options){0});
    toy_put_beginning(&wire, "good");
    memcpy(wire.bytes + wire.size, "garbage", 7);
    wire.size += 7;
    send_wire();
}

static void
what_was_good_before_a_bad_record_is_given_and_then_the_fault_by_its_name(void **state)
{
    (void)state;
    stage_play(1, play_bad_record);
    assert_string_equal(client.log, "secure data:good TOY_BAD_RECORD close!");
    assert_string_equal(client.call, "read");
    assert_int_equal(client.error, TR_EPROTO);
}

static void
answers_at_end(struct endpoint *self, const char *event)
{
    closes_peer(self, event);
    if (!is(event, "end"))
        return;
    assert_int_equal(say(self->socket, "answer"), TR_OK);
    tr_socket_end(self->socket);
}

static void
play_half_open(void)
{
    client.hook = answers_at_end;
    open_server((struct tr_socket_options){.allow_half_open = true});
    toy_put_beginning(&wire, "question");
    toy_put(&wire, TOY_BYE, NULL);
    send_wire();
}

static void
a_peer_that_has_said_goodbye_still_gets_what_is_written(void **state)
{
    (void)state;
    stage_play(1, play_half_open);
    assert_string_equal(client.log, "secure data:question end close");
}

/* Renewals. */

static uint64_t wire_size;

static void
let_peer_read(void *argument)
{
    (void)argument;
    assert_string_equal(client.log, "secure data:beforeafter");
    assert_true(tri_socket_layer(client.socket)->owes);
    assert_true(tri_secure_is_committed(client.socket));
    stage_read(&peer);
    tr_socket_end(client.socket);
}

static void
play_closed_window(void)
{
    open_narrow_as((struct tr_socket_options){.allow_half_open = true});
    assert_int_equal(toy_secure(client.socket, true, NULL, NULL), TR_OK);
    assert_int_equal(tr_socket_write_slice(client.socket, pattern(BIG)), TR_QUEUED);
    toy_put_beginning(&wire, "before");
    toy_put(&wire, TOY_RENEW, NULL);
    toy_put(&wire, TOY_DATA, "after");
    assert_true(tests_peer_send(peer.fd, wire.bytes, wire.size));
    stage_settled(let_peer_read, NULL);
    end_when_done();
}

static void
reading_does_not_wait_for_room_to_answer_a_renewal(void **state)
{
    (void)state;
    stage_play(1, play_closed_window);
    wire_size = TOY_HEADER + strlen("welcome");
    wire_size += BIG + BIG / TOY_RECORD * TOY_HEADER + 2 * TOY_HEADER; /* the answer, and goodbye */
    assert_int_equal(peer.bytes, wire_size);
}

static void
end_both(void *argument)
{
    (void)argument;
    assert_int_equal(toy_of(client.socket)->renewed, 1);
    assert_int_equal(toy_of(other.socket)->renewed, 1);
    tr_socket_end(client.socket);
}

static void
renew_both(void *argument)
{
    (void)argument;
    toy_renew(client.socket);
    toy_renew(other.socket);
    stage_settled(end_both, NULL);
}

static void
play_renewals(void)
{
    struct endpoint *both[] = {&client, &other};
    toy_pair(AF_UNIX, &client, (struct tr_socket_options){0}, &other, (struct tr_socket_options){0});
    stage_settled(renew_both, NULL);
    stage_end_when_closed(both, 2);
}

static void
a_renewal_is_answered_though_nothing_is_written(void **state)
{
    (void)state;
    stage_play(1, play_renewals);
    assert_string_equal(client.log, "secure end close");
    assert_string_equal(other.log, "secure end close");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, expect_no_toys)
        TEST(a_part_of_a_record_is_movement),
        TEST(what_a_paused_socket_has_inside_comes_when_it_is_resumed),
        TEST(a_pause_in_each_data_event_loses_nothing),
        TEST(what_is_inside_goes_through_a_pipe_that_was_full),
        TEST(what_is_inside_comes_when_the_consumer_is_relieved),
        TEST(what_is_inside_waits_when_the_callback_of_a_write_crowds_the_consumer),
        TEST(an_owner_can_look_at_the_peer_before_anything_is_sent_and_then_gets_what_is_inside),
        TEST(records_that_came_together_are_one_piece),
        TEST(an_end_without_goodbye_can_be_told_from_one_with_it),
        TEST(an_end_without_goodbye_is_an_error_where_that_was_asked_for),
        TEST(what_was_good_before_a_bad_record_is_given_and_then_the_fault_by_its_name),
        TEST(a_peer_that_has_said_goodbye_still_gets_what_is_written),
        TEST(reading_does_not_wait_for_room_to_answer_a_renewal),
        TEST(a_renewal_is_answered_though_nothing_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
