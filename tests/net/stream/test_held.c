/*
 * What a socket has read and cannot give yet: bytes and descriptors keep their order, and come only as they may, be it
 * a pause, the owner's credit or a pipe that holds them up.
 */
#include "cast.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

static struct endpoint second;
static int second_peer;
static uint64_t read_before;

static int
reset(void **state)
{
    memset(&second, 0, sizeof(second));
    return cast_reset(state);
}

static void
send_text(const char *text)
{
    assert_int_equal(write(peer.fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void
close_all(void)
{
    if (client.socket != NULL)
        tr_socket_destroy(client.socket, TR_OK);
    if (second.socket != NULL)
        tr_socket_destroy(second.socket, TR_OK);
    close(peer.fd);
    close(second_peer);
    stage_end_when_closed((struct endpoint *[]){&client, &second}, 2);
}

/* A pipe whose window is full. */

static uint64_t
waiting_at_second(void)
{
    return tr_socket_buffered(second.socket);
}

static void
pipe_to_corked(uint32_t window_bytes)
{
    tr_socket_cork(second.socket);
    struct tr_pipe_options pipe = {.window_bytes = window_bytes};
    assert_int_equal(tr_socket_pipe(client.socket, tr_socket_ref(second.socket), &pipe), TR_OK);
}

static bool
all_have_come(void)
{
    char bytes[8];
    return recv(second_peer, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT) == 3;
}

static void
look_at_all(void *argument)
{
    char bytes[4] = "";
    (void)argument;
    assert_int_equal(read(second_peer, bytes, 3), 3);
    assert_string_equal(bytes, "abc");
    close_all();
}

static void
uncork_second(void *argument)
{
    (void)argument;
    assert_int_equal(waiting_at_second(), 1);
    assert_int_equal(tr_socket_uncork(second.socket), TR_OK);
    stage_when(all_have_come, look_at_all, NULL);
}

static void
look_at_first_piece(void *argument)
{
    (void)argument;
    assert_int_equal(waiting_at_second(), 1); /* the other pieces wait at the first */
    send_text("c");
    stage_settled(uncork_second, NULL);
}

static void
pipe_what_is_held(void *argument)
{
    (void)argument;
    pipe_to_corked(1);
    stage_settled(look_at_first_piece, NULL);
}

static void
send_b(void *argument)
{
    (void)argument;
    send_text("b");
    stage_settled(pipe_what_is_held, NULL);
}

static void
play_full_pipe(void)
{
    cast_open_as(&client, AF_UNIX, &peer.fd, (struct tr_socket_options){0});
    cast_open_as(&second, AF_UNIX, &second_peer, (struct tr_socket_options){0});
    tr_socket_pause(client.socket);
    send_text("a");
    stage_settled(send_b, NULL);
}

static void
a_pipe_that_is_full_stops_what_is_held_and_what_comes_after_it(void **state)
{
    (void)state;
    stage_play(1, play_full_pipe);
}

static void
look_at_counter(void *argument)
{
    (void)argument;
    assert_int_equal(tr_socket_bytes_read(client.socket), read_before);
    close_all();
}

static void
resume_and_send(void *argument)
{
    (void)argument;
    read_before = tr_socket_bytes_read(client.socket);
    tr_socket_pause(client.socket);
    tr_socket_resume(client.socket);
    send_text("bcd");
    stage_settled(look_at_counter, NULL);
}

static void
play_resume_full_pipe(void)
{
    cast_open_as(&client, AF_UNIX, &peer.fd, (struct tr_socket_options){0});
    cast_open_as(&second, AF_UNIX, &second_peer, (struct tr_socket_options){0});
    pipe_to_corked(1);
    send_text("a");
    stage_settled(resume_and_send, NULL);
}

static void
resuming_a_socket_whose_pipe_is_full_reads_nothing(void **state)
{
    (void)state;
    stage_play(1, play_resume_full_pipe);
    assert_int_equal(read_before, 1);
}

/* An owner's credit. */

static unsigned events_given;

static void
look_at_events(void *argument)
{
    (void)argument;
    assert_int_equal(events_given, 1);
    close_all();
}

static void
resume_with_one_credit(void *argument)
{
    (void)argument;
    tr_socket_resume(client.socket);
    stage_settled(look_at_events, NULL);
}

static void
send_second_piece(void *argument)
{
    (void)argument;
    send_text("b");
    stage_settled(resume_with_one_credit, NULL);
}

static void
count_event(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    (void)self, (void)state;
    events_given += tr_event_of(message, &event) && event == TR_EVENT_DATA;
}

static void
play_one_credit(void)
{
    static const struct tr_behavior owner = {.name = "owner", .receive = count_event};
    tr_ref ref;
    events_given = 0;
    assert_int_equal(tr_spawn(director, &owner, NULL, &ref), TR_OK);
    cast_open_as(&client, AF_UNIX, &peer.fd, (struct tr_socket_options){.owner = {.actor = ref, .credit = 1}});
    cast_open_as(&second, AF_UNIX, &second_peer, (struct tr_socket_options){0});
    tr_socket_pause(client.socket);
    send_text("a");
    stage_settled(send_second_piece, NULL);
}

static bool
second_is_closed(void)
{
    return second.closed;
}

static void
play_one_credit_to_the_end(void)
{
    play_one_credit();
    stage_settled_when(second_is_closed, end_play, NULL);
}

static void
what_was_held_comes_one_by_one_to_an_owner_with_one_credit(void **state)
{
    (void)state;
    stage_play(1, play_one_credit_to_the_end);
}

/* What it still holds when it is destroyed goes with it: its owner had not answered yet. */

enum { TAG_ANSWER = 1 };

static unsigned closes_given;

static void
count_event_or_answer(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    if (message->tag == TAG_ANSWER)
        assert_int_equal(tr_remote_credit(self, message->payload.words[0], 1), TR_OK);
    count_event(self, state, message);
    closes_given += tr_event_of(message, &event) && event == TR_EVENT_CLOSE;
}

static bool
close_is_given(void)
{
    return closes_given > 0;
}

static void
look_at_last_events(void *argument)
{
    (void)argument;
    assert_int_equal(events_given, 1);
    close(peer.fd);
    stage_end();
}

static tr_ref answering;

static void
destroy_and_have_it_answered(void *argument)
{
    tr_ref ref = tr_socket_ref(client.socket);
    (void)argument;
    assert_int_equal(events_given, 1);
    tr_socket_destroy(client.socket, TR_OK);
    assert_int_equal(tr_tell(director, answering, TAG_ANSWER, &ref, sizeof(ref)), TR_OK);
    stage_settled_when(close_is_given, look_at_last_events, NULL);
}

static void
resume_and_destroy(void *argument)
{
    (void)argument;
    tr_socket_resume(client.socket);
    stage_settled(destroy_and_have_it_answered, NULL);
}

static void
send_second_to_destroy(void *argument)
{
    (void)argument;
    send_text("b");
    stage_settled(resume_and_destroy, NULL);
}

static void
play_destroy_without_credit(void)
{
    static const struct tr_behavior owner = {.name = "owner", .receive = count_event_or_answer};
    events_given = closes_given = 0;
    assert_int_equal(tr_spawn(director, &owner, NULL, &answering), TR_OK);
    cast_open_as(&client, AF_UNIX, &peer.fd, (struct tr_socket_options){.owner = {.actor = answering, .credit = 1}});
    tr_socket_pause(client.socket);
    send_text("a");
    stage_settled(send_second_to_destroy, NULL);
}

static void
what_a_destroyed_socket_holds_for_an_owner_without_credit_is_not_given(void **state)
{
    (void)state;
    stage_play(1, play_destroy_without_credit);
}

/* A socket that nobody listens to, made from afar. */

static void pauses(tr_socket *socket);

static const struct tr_socket_events pausing_events = {.connect = pauses};

static tr_socket *unheard;

static void
resume_unheard(void *argument)
{
    (void)argument;
    note(&client, "resumed");
    tr_socket_resume(unheard);
}

static void
closes_after_data(struct endpoint *self, const char *event)
{
    if (strcmp(event, "data") == 0)
        tr_socket_destroy(self->socket, TR_OK);
}

static void
pauses(tr_socket *socket)
{
    unheard = socket;
    tr_socket_pause(socket); /* it was as if paused; now it is by its user */
    tr_socket_set_data(socket, &client);
    client.socket = socket;
    client.hook = closes_after_data;
    tr_socket_set_events(socket, &endpoint_events);
    say(accepted[0].socket, "hello");
    stage_settled(resume_unheard, NULL);
}

static tr_server *server;

static bool
both_are_closed(void)
{
    return client.closed && accepted[0].closed;
}

static void
close_server(void *argument)
{
    (void)argument;
    tr_server_close(server);
    stage_end();
}

static void
connect_from_afar(const struct tr_socket_events *events)
{
    tr_ref ref;
    struct tr_socket_options options = {.events = events};
    server = stage_serve((struct tr_server_options){0});
    assert_int_equal(tr_remote_socket(director, &options, NULL, &ref), TR_OK);
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_remote_connect(director, ref, &connect), TR_OK);
    stage_when(both_are_closed, close_server, NULL);
}

static void
play_unheard(void)
{
    connect_from_afar(&pausing_events);
}

static void
who_pauses_a_socket_that_nobody_heard_has_it_paused_until_it_is_resumed(void **state)
{
    (void)state;
    stage_play(1, play_unheard);
    assert_string_equal(client.log, "ready resumed data:hello close");
}

/* What others than a data callback hear changes nothing. */

static const struct tr_socket_events drain_events;

static void
listen_for_data(void *argument)
{
    (void)argument;
    assert_int_equal(tr_socket_bytes_read(unheard), 5); /* it came, and waits */
    tr_socket_set_events(unheard, &endpoint_events);
}

static void
hears_late(tr_socket *socket)
{
    unheard = socket;
    tr_socket_set_data(socket, &client);
    client.socket = socket;
    client.hook = closes_after_data;
    tr_socket_set_events(socket, &drain_events);
    say(accepted[0].socket, "hello");
    stage_settled(listen_for_data, NULL);
}

static void
play_heard_late(void)
{
    static const struct tr_socket_events late_events = {.connect = hears_late};
    connect_from_afar(&late_events);
}

static void
no_byte_of_a_socket_that_nobody_heard_is_lost_until_there_is_a_data_callback(void **state)
{
    (void)state;
    stage_play(1, play_heard_late);
    assert_string_equal(client.log, "data:hello close");
}

/* Records. */

static void
send_record_with_descriptor(int to)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {.iov_base = "record", .iov_len = 6};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &to, sizeof(to));
    assert_int_equal(sendmsg(to, &header, 0), 6);
}

static void
play_record(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    client.hook = closes_after_data;
    stage_adopt(&client, fds[0]);
    send_record_with_descriptor(fds[1]);
    close(fds[1]);
    stage_end_when_closed((struct endpoint *[]){&client}, 1);
}

static void
a_record_whose_descriptors_nobody_wants_is_whole(void **state)
{
    (void)state;
    stage_play(1, play_record);
    assert_string_equal(client.log, "data:record close");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_pipe_that_is_full_stops_what_is_held_and_what_comes_after_it, reset),
        cmocka_unit_test_setup(resuming_a_socket_whose_pipe_is_full_reads_nothing, reset),
        cmocka_unit_test_setup(what_was_held_comes_one_by_one_to_an_owner_with_one_credit, reset),
        cmocka_unit_test_setup(what_a_destroyed_socket_holds_for_an_owner_without_credit_is_not_given, reset),
        cmocka_unit_test_setup(who_pauses_a_socket_that_nobody_heard_has_it_paused_until_it_is_resumed, reset),
        cmocka_unit_test_setup(no_byte_of_a_socket_that_nobody_heard_is_lost_until_there_is_a_data_callback, reset),
        cmocka_unit_test_setup(a_record_whose_descriptors_nobody_wants_is_whole, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
