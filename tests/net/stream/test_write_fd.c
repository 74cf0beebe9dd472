/*
 * Descriptors over unix sockets: each arrives once, with the first of its bytes, and none is left open by anybody.
 * stage_play() counts them.
 */
#include "cast.h"
#include "fds.h"
#include "helpers.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

#define MANY 200u

static struct endpoint sender, receiver;
static int ends[2]; /* of a pipe: the second is what is sent */
static unsigned told, told_ok;

static int
reset(void **state)
{
    (void)state;
    memset(&sender, 0, sizeof(sender));
    memset(&receiver, 0, sizeof(receiver));
    peer = (struct raw_peer){.fd = -1};
    told = told_ok = 0;
    return 0;
}

static tr_slice
text(const char *bytes)
{
    return tr_slice_constant(bytes, strlen(bytes));
}

static tr_status
write_fd(const char *bytes, int fd, const char *name)
{
    return tr_socket_write_fd(sender.socket, text(bytes), fd, note_written, (void *)(uintptr_t)name);
}

static void
open_sockets(struct tr_socket_options of_receiver)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    stage_adopt(&sender, fds[0]);
    stage_adopt_as(&receiver, fds[1], of_receiver);
}

static void
open_raw(int family)
{
    int fds[2];
    stage_pair(family, fds);
    stage_adopt(&sender, fds[0]);
    peer.fd = fds[1];
}

static void
end_when_both_are_closed(void)
{
    struct endpoint *both[] = {&sender, &receiver};
    stage_end_when_closed(both, 2);
}

static void
end_when_sender_is_done(void)
{
    struct endpoint *one[] = {&sender};
    stage_end_when_done(one, 1, &peer);
}

static void
count(tr_socket *socket, void *argument, tr_status status)
{
    (void)socket;
    (void)argument;
    told++;
    told_ok += status == TR_OK;
}

/* One descriptor. */

static void
writes_into_what_it_gets(struct endpoint *self, const char *event)
{
    if (!is(event, "fd"))
        return;
    assert_int_equal(self->bytes, 0); /* before the bytes that it came with */
    assert_true((fcntl(self->fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(write(self->fd, "through", 7), 7);
}

static void
play_one(void)
{
    assert_int_equal(pipe(ends), 0);
    receiver.hook = writes_into_what_it_gets;
    open_sockets((struct tr_socket_options){.receive_fds = true});
    assert_int_equal(write_fd("abc", ends[1], "fd"), TR_OK);
    close(ends[1]); /* a duplicate is on its way */
    tr_socket_end(sender.socket);
    end_when_both_are_closed();
}

static char through[16];

static void
reads_the_pipe(struct endpoint *self, const char *event)
{
    writes_into_what_it_gets(self, event);
    if (!is(event, "end"))
        return;
    assert_int_equal(read(ends[0], through, sizeof(through)), 7);
    assert_int_equal(read(ends[0], through + 8, 1), 0); /* nobody else holds the other end */
    close(ends[0]);
}

static void
play_through(void)
{
    play_one();
    receiver.hook = reads_the_pipe;
}

static void
what_arrives_is_the_same_open_file_and_nobody_keeps_another(void **state)
{
    (void)state;
    stage_play(1, play_through);
    assert_memory_equal(through, "through", 7);
    assert_string_equal(sender.log, "fd:OK end close");
    assert_string_equal(receiver.log, "fd data:abc end close");
}

/* A peer that is no socket of ours. */

static int
receive_one(int from, char *bytes, size_t size, ssize_t *received)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {.iov_base = bytes, .iov_len = size};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    *received = recvmsg(from, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    struct cmsghdr *first = CMSG_FIRSTHDR(&header);
    int fd = -1;
    if (*received > 0 && first != NULL && first->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(first), sizeof(fd));
    return fd;
}

static void
play_raw_receiver(void)
{
    char bytes[8] = "";
    ssize_t size;
    open_raw(AF_UNIX);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(say(sender.socket, "ab"), TR_OK);
    assert_int_equal(write_fd("c", ends[1], "one"), TR_OK);
    assert_int_equal(say(sender.socket, "d"), TR_OK);
    close(ends[1]);
    assert_int_equal(receive_one(peer.fd, bytes, 2, &size), -1);
    int fd = receive_one(peer.fd, bytes, 1, &size);
    assert_int_equal(bytes[0], 'c');
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(read(ends[0], bytes, 1), 0);
    close(ends[0]);
    tr_socket_end(sender.socket);
    stage_read(&peer);
    end_when_sender_is_done();
}

static void
recvmsg_gets_a_descriptor_with_the_first_of_its_bytes(void **state)
{
    (void)state;
    stage_play(1, play_raw_receiver);
    assert_string_equal(sender.log, "one:OK end close");
    assert_string_equal(peer.text, "d");
}

/* Many. */

static unsigned received;

static void
counts(struct endpoint *self, const char *event)
{
    received += is(event, "fd");
    self->log[0] = '\0';
}

static void
write_many(void)
{
    assert_int_equal(pipe(ends), 0);
    for (unsigned i = 0; i < MANY; i++)
        assert_true(tr_socket_write_fd(sender.socket, text("x"), ends[1], count, NULL) >= TR_OK);
    close(ends[0]);
    close(ends[1]);
}

static void
play_many(void)
{
    received = 0;
    receiver.hook = counts;
    open_sockets((struct tr_socket_options){.receive_fds = true});
    write_many();
    tr_socket_end(sender.socket);
    end_when_both_are_closed();
}

static void
two_hundred_descriptors_arrive_each_once(void **state)
{
    (void)state;
    stage_play(1, play_many);
    assert_int_equal(received, MANY);
    assert_int_equal(told_ok, MANY);
    assert_int_equal(receiver.bytes, MANY);
}

/* A duplicate that waits is not for a program that somebody executes meanwhile. */
static void
play_duplicate(void)
{
    open_raw(AF_UNIX);
    int copy = dup(STDERR_FILENO); /* the lowest number that is free: the next to be given */
    close(copy);
    tr_socket_cork(sender.socket);
    assert_true(write_fd("x", STDERR_FILENO, "fd") >= TR_OK);
    assert_int_equal(fcntl(copy, F_GETFD), FD_CLOEXEC);
    tr_socket_end(sender.socket);
    assert_int_equal(fcntl(copy, F_GETFD), -1);
    stage_read(&peer);
    end_when_sender_is_done();
}

static void
the_duplicate_that_waits_is_closed_on_exec_and_when_it_has_gone(void **state)
{
    (void)state;
    stage_play(1, play_duplicate);
    assert_string_equal(sender.log, "fd:OK end close");
}

/* Each is a system call of its own; after some of them other sockets have their turn. */
static void
play_many_in_turns(void)
{
    open_raw(AF_UNIX);
    tr_socket_cork(sender.socket);
    write_many();
    assert_int_equal(tr_socket_uncork(sender.socket), TR_QUEUED);
    assert_in_range(tr_socket_buffered(sender.socket), MANY / 2, MANY - 1);
    tr_socket_end(sender.socket);
    stage_read(&peer);
    end_when_sender_is_done();
}

static void
many_descriptors_go_in_several_turns_of_the_loop(void **state)
{
    (void)state;
    stage_play(1, play_many_in_turns);
    assert_int_equal(told_ok, MANY);
    assert_int_equal(peer.bytes, MANY);
}

/* Behind more bytes than the kernel takes: the descriptor and its bytes leave piece by piece. */
static void
play_big_slices(void)
{
    received = 0;
    receiver.hook = counts;
    open_sockets((struct tr_socket_options){.receive_fds = true});
    assert_int_equal(pipe(ends), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_true(tr_socket_write_fd(sender.socket, pattern(1u << 20), ends[1], count, NULL) >= TR_OK);
    assert_true(tr_socket_buffered(sender.socket) > 0);
    close(ends[0]);
    close(ends[1]);
    tr_socket_end(sender.socket);
    end_when_both_are_closed();
}

static void
a_descriptor_goes_once_though_its_bytes_go_in_pieces(void **state)
{
    (void)state;
    stage_play(1, play_big_slices);
    assert_int_equal(received, 4);
    assert_int_equal(told_ok, 4);
    assert_int_equal(receiver.bytes, 4u << 20);
}

/* In a pause: the next comes when the one before has been read. */

static void (*when_read)(void);

static void
send_next_paused(void *argument)
{
    static const char *const texts[] = {"b", "c"};
    uint64_t read = tr_socket_bytes_read(receiver.socket);
    unsigned sent = *(unsigned *)argument;
    if (read == sent && sent == 3) {
        when_read();
        return;
    }
    if (read == sent) {
        assert_int_equal(write_fd(texts[sent - 1], ends[1], "fd"), TR_OK);
        ++*(unsigned *)argument;
    }
    stage_settled(send_next_paused, argument);
}

static void
play_paused(void)
{
    static unsigned sent;
    open_sockets((struct tr_socket_options){.receive_fds = true});
    tr_socket_pause(receiver.socket);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(tr_socket_write(sender.socket, "a", 1), TR_OK);
    sent = 1;
    send_next_paused(&sent);
    end_when_both_are_closed();
}

static void
close_ends(void)
{
    assert_string_equal(receiver.log, "");
    close(ends[0]);
    close(ends[1]);
    tr_socket_end(sender.socket);
}

static void
resume_receiver(void)
{
    close_ends();
    tr_socket_resume(receiver.socket);
}

static void
destroy_receiver(void)
{
    close_ends();
    tr_socket_destroy(receiver.socket, TR_OK);
}

static void
play_resumed(void)
{
    when_read = resume_receiver;
    play_paused();
}

static void
descriptors_that_come_in_a_pause_keep_their_place(void **state)
{
    (void)state;
    stage_play(1, play_resumed);
    assert_string_equal(receiver.log, "data:a fd data:b fd data:c end close");
}

static void
play_paused_and_destroyed(void)
{
    when_read = destroy_receiver;
    play_paused();
}

/* The stage looks whether any is left. */
static void
descriptors_that_wait_are_closed_with_their_socket(void **state)
{
    (void)state;
    stage_play(1, play_paused_and_destroyed);
    assert_string_equal(receiver.log, "close");
}

/* Nobody takes them. */

static const struct tr_socket_events *without_fd(void);

static void
play_no_callback(void)
{
    open_sockets((struct tr_socket_options){.receive_fds = true, .events = without_fd()});
    write_many();
    tr_socket_end(sender.socket);
    end_when_both_are_closed();
}

static const struct tr_socket_events *
without_fd(void)
{
    static struct tr_socket_events events;
    events = endpoint_events;
    events.fd = NULL;
    return &events;
}

static void
without_a_callback_descriptors_are_closed(void **state)
{
    (void)state;
    stage_play(1, play_no_callback);
    assert_int_equal(receiver.bytes, MANY);
    assert_null(strstr(receiver.log, "fd"));
}

static void
play_not_let_in(void)
{
    open_sockets((struct tr_socket_options){0});
    write_many();
    tr_socket_end(sender.socket);
    end_when_both_are_closed();
}

static void
without_the_option_descriptors_are_not_let_in(void **state)
{
    (void)state;
    stage_play(1, play_not_let_in);
    assert_int_equal(receiver.bytes, MANY);
    assert_null(strstr(receiver.log, "fd"));
}

static void
destroy_sender(void *argument)
{
    (void)argument;
    assert_true(tr_socket_buffered(sender.socket) > 0);
    tr_socket_destroy(sender.socket, TR_OK);
    close(peer.fd);
    peer.ended = true;
}

static void
play_no_reader(void)
{
    open_raw(AF_UNIX);
    tr_socket_write_slice(sender.socket, pattern(1u << 20));
    write_many();
    stage_settled(destroy_sender, NULL);
    end_when_sender_is_done();
}

static void
descriptors_that_nobody_reads_are_closed_with_their_socket(void **state)
{
    (void)state;
    stage_play(1, play_no_reader);
    assert_int_equal(told, MANY);
    assert_int_equal(told_ok, 0);
}

static void
close_peer(void *argument)
{
    (void)argument;
    close(peer.fd);
    peer.ended = true;
}

static void
play_peer_dies(void)
{
    open_raw(AF_UNIX);
    write_many(); /* the kernel has taken those */
    tr_socket_write_slice(sender.socket, pattern(1u << 20));
    write_many(); /* these wait */
    stage_settled(close_peer, NULL);
    end_when_sender_is_done();
}

static void
a_peer_that_dies_leaves_no_descriptor_behind(void **state)
{
    (void)state;
    stage_play(1, play_peer_dies);
    assert_int_equal(told, 2 * MANY);
    assert_true(told_ok < 2 * MANY);
    assert_non_null(strstr(sender.log, "close!"));
}

/* A callback that destroys its socket. */

static void
dies_of_it(struct endpoint *self, const char *event)
{
    if (is(event, "fd"))
        tr_socket_destroy(self->socket, TR_OK);
}

static void
open_receiver(struct tr_socket_options options)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    options.receive_fds = true;
    stage_adopt_as(&receiver, fds[0], options);
    send_fds(fds[1], fds[1], 3, "xyz");
    close(fds[1]);
    struct endpoint *one[] = {&receiver};
    stage_end_when_closed(one, 1);
}

static void
play_three_at_once(void)
{
    open_receiver((struct tr_socket_options){0});
}

static void
several_descriptors_of_one_message_are_told_one_by_one(void **state)
{
    (void)state;
    stage_play(1, play_three_at_once);
    assert_string_equal(receiver.log, "fd fd fd data:xyz end close");
}

static void
play_dies_of_it(void)
{
    receiver.hook = dies_of_it;
    open_receiver((struct tr_socket_options){0});
}

static void
a_socket_that_is_destroyed_by_its_descriptor_gives_nothing_more(void **state)
{
    (void)state;
    stage_play(1, play_dies_of_it);
    assert_string_equal(receiver.log, "fd close");
}

/* Refusals. */

static void
play_refusals(void)
{
    open_raw(AF_UNIX);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    assert_int_equal(write_fd("", ends[1], "never"), TR_EINVAL);
    assert_int_equal(tr_socket_write_fd(sender.socket, tr_slice_constant(NULL, 1), ends[1], NULL, NULL), TR_EINVAL);
    assert_int_equal(tr_socket_write_fd(NULL, text("x"), ends[1], NULL, NULL), TR_EINVAL);
    assert_int_equal(write_fd("x", -1, "w"), TR_EBADF);
    assert_int_equal(write_fd("x", ends[0], "w"), TR_EBADF);
    close(ends[1]);
    tr_socket_end(sender.socket);
    stage_read(&peer);
    end_when_sender_is_done();
}

static void
a_descriptor_that_is_none_is_refused_and_leaves_the_socket_as_it_was(void **state)
{
    (void)state;
    stage_play(1, play_refusals);
    assert_string_equal(sender.log, "w:EBADF w:EBADF end close");
    assert_int_equal(peer.bytes, 0);
}

static void
play_over_tcp(void)
{
    open_raw(AF_INET);
    assert_int_equal(write_fd("x", 0, "w"), TR_EBADHANDLE);
    tr_socket_end(sender.socket);
    stage_read(&peer);
    end_when_sender_is_done();
}

static void
tcp_takes_no_descriptor(void **state)
{
    (void)state;
    stage_play(1, play_over_tcp);
    assert_string_equal(sender.log, "w:ERR_INVALID_HANDLE_TYPE end close");
}

static void
play_while_tcp_connects(void)
{
    int listener = tests_peer_listen(&stage_port);
    stage_connect(&sender);
    assert_int_equal(write_fd("x", 0, "w"), TR_EBADHANDLE);
    tr_socket_destroy(sender.socket, TR_OK);
    close(listener);
    peer.ended = true;
    end_when_sender_is_done();
}

static void
tcp_takes_none_while_it_connects_either(void **state)
{
    (void)state;
    stage_play(1, play_while_tcp_connects);
    assert_string_equal(sender.log, "w:ERR_INVALID_HANDLE_TYPE close");
}

/* From afar. */

static void
play_from_afar(void)
{
    assert_int_equal(pipe(ends), 0);
    receiver.hook = reads_the_pipe;
    open_sockets((struct tr_socket_options){.receive_fds = true});
    tr_ref ref = tr_socket_ref(sender.socket);
    assert_int_equal(tr_remote_write_fd(NULL, ref, text("x"), ends[1]), TR_EINVAL);
    assert_int_equal(tr_remote_write_fd(director, ref, text(""), ends[1]), TR_EINVAL);
    assert_int_equal(tr_remote_write_fd(director, ref, tr_slice_constant(NULL, 1), ends[1]), TR_EINVAL);
    assert_int_equal(tr_remote_write_fd(director, ref, text("x"), -1), TR_EBADF);
    assert_int_equal(tr_remote_write_fd(director, TR_NOBODY, text("x"), ends[1]), TR_EBADREF);
    assert_int_equal(tr_remote_write_fd(director, ref, text("abc"), ends[1]), TR_OK);
    close(ends[1]); /* a duplicate is on its way, and none of those that were refused */
    assert_int_equal(tr_remote_end(director, ref), TR_OK);
    end_when_both_are_closed();
}

static void
another_actor_sends_a_duplicate_that_nobody_keeps(void **state)
{
    (void)state;
    memset(through, 0, sizeof(through));
    stage_play(1, play_from_afar);
    assert_memory_equal(through, "through", 7);
    assert_string_equal(sender.log, "end close");
    assert_string_equal(receiver.log, "fd data:abc end close");
}

static void
play_from_afar_to_tcp(void)
{
    open_raw(AF_INET);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    assert_int_equal(tr_remote_write_fd(director, tr_socket_ref(sender.socket), text("x"), ends[1]), TR_OK);
    close(ends[1]);
    stage_read(&peer);
    end_when_sender_is_done();
}

static void
what_another_actor_cannot_send_destroys_the_socket(void **state)
{
    (void)state;
    stage_play(1, play_from_afar_to_tcp);
    assert_string_equal(sender.log, "ERR_INVALID_HANDLE_TYPE close!");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_arrives_is_the_same_open_file_and_nobody_keeps_another, reset),
        cmocka_unit_test_setup(recvmsg_gets_a_descriptor_with_the_first_of_its_bytes, reset),
        cmocka_unit_test_setup(two_hundred_descriptors_arrive_each_once, reset),
        cmocka_unit_test_setup(the_duplicate_that_waits_is_closed_on_exec_and_when_it_has_gone, reset),
        cmocka_unit_test_setup(many_descriptors_go_in_several_turns_of_the_loop, reset),
        cmocka_unit_test_setup(a_descriptor_goes_once_though_its_bytes_go_in_pieces, reset),
        cmocka_unit_test_setup(descriptors_that_come_in_a_pause_keep_their_place, reset),
        cmocka_unit_test_setup(descriptors_that_wait_are_closed_with_their_socket, reset),
        cmocka_unit_test_setup(without_a_callback_descriptors_are_closed, reset),
        cmocka_unit_test_setup(without_the_option_descriptors_are_not_let_in, reset),
        cmocka_unit_test_setup(descriptors_that_nobody_reads_are_closed_with_their_socket, reset),
        cmocka_unit_test_setup(a_peer_that_dies_leaves_no_descriptor_behind, reset),
        cmocka_unit_test_setup(several_descriptors_of_one_message_are_told_one_by_one, reset),
        cmocka_unit_test_setup(a_socket_that_is_destroyed_by_its_descriptor_gives_nothing_more, reset),
        cmocka_unit_test_setup(a_descriptor_that_is_none_is_refused_and_leaves_the_socket_as_it_was, reset),
        cmocka_unit_test_setup(tcp_takes_no_descriptor, reset),
        cmocka_unit_test_setup(tcp_takes_none_while_it_connects_either, reset),
        cmocka_unit_test_setup(another_actor_sends_a_duplicate_that_nobody_keeps, reset),
        cmocka_unit_test_setup(what_another_actor_cannot_send_destroys_the_socket, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
