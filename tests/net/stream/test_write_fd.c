/*
 * Descriptors over unix sockets: each arrives once, with the first of its bytes. stage_play() counts what is open.
 */
#include "cast.h"
#include "fd_play.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* One descriptor. */

static void
play_one(void)
{
    assert_int_equal(pipe(pipe_ends), 0);
    receiver.hook = writes_into_what_it_gets;
    open_sockets((struct tr_socket_options){.receive_fds = true});
    assert_int_equal(write_fd("abc", pipe_ends[1], "fd"), TR_OK);
    close(pipe_ends[1]); /* a duplicate is on its way */
    tr_socket_end(sender.socket);
    end_when_receiver_is_closed();
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
    assert_int_equal(pipe(pipe_ends), 0);
    assert_int_equal(say(sender.socket, "ab"), TR_OK);
    assert_int_equal(write_fd("c", pipe_ends[1], "one"), TR_OK);
    assert_int_equal(say(sender.socket, "d"), TR_OK);
    close(pipe_ends[1]);
    assert_int_equal(receive_one(peer.fd, bytes, 2, &size), -1);
    int fd = receive_one(peer.fd, bytes, 1, &size);
    assert_int_equal(bytes[0], 'c');
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(read(pipe_ends[0], bytes, 1), 0);
    close(pipe_ends[0]);
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
play_many(void)
{
    received = 0;
    receiver.hook = counts;
    open_sockets((struct tr_socket_options){.receive_fds = true});
    write_many();
    tr_socket_end(sender.socket);
    end_when_receiver_is_closed();
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
    assert_int_equal(pipe(pipe_ends), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_true(tr_socket_write_fd(sender.socket, pattern(1u << 20), pipe_ends[1], count_told, NULL) >= TR_OK);
    assert_true(tr_socket_buffered(sender.socket) > 0);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    tr_socket_end(sender.socket);
    end_when_receiver_is_closed();
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
        assert_int_equal(write_fd(texts[sent - 1], pipe_ends[1], "fd"), TR_OK);
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
    assert_int_equal(pipe(pipe_ends), 0);
    assert_int_equal(tr_socket_write(sender.socket, "a", 1), TR_OK);
    sent = 1;
    send_next_paused(&sent);
    end_when_receiver_is_closed();
}

static void
close_ends(void)
{
    assert_string_equal(receiver.log, "");
    close(pipe_ends[0]);
    close(pipe_ends[1]);
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_arrives_is_the_same_open_file_and_nobody_keeps_another, fd_reset),
        cmocka_unit_test_setup(recvmsg_gets_a_descriptor_with_the_first_of_its_bytes, fd_reset),
        cmocka_unit_test_setup(two_hundred_descriptors_arrive_each_once, fd_reset),
        cmocka_unit_test_setup(the_duplicate_that_waits_is_closed_on_exec_and_when_it_has_gone, fd_reset),
        cmocka_unit_test_setup(many_descriptors_go_in_several_turns_of_the_loop, fd_reset),
        cmocka_unit_test_setup(a_descriptor_goes_once_though_its_bytes_go_in_pieces, fd_reset),
        cmocka_unit_test_setup(descriptors_that_come_in_a_pause_keep_their_place, fd_reset),
        cmocka_unit_test_setup(descriptors_that_wait_are_closed_with_their_socket, fd_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
