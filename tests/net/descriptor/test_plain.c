/*
 * Bytes between memory and a descriptor: what each call gives, in order and when something is wrong. What a socket does
 * with it: test_fault.c, test_write_file.c, test_write_fd.c; whether bytes are really held back: test_packets.c.
 */
#include "fault.h"
#include "helpers.h"
#include "plain.h"
#include "tune.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cmocka.h>

static int ours, peer;
static char memory[256];

static void
open_pair(int type)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fds), 0);
    ours = fds[0];
    peer = fds[1];
    memset(memory, 0, sizeof(memory));
}

static void
close_pair(void)
{
    close(ours);
    close(peer);
}

/* The kernel has no room. */
static void
fill(void)
{
    static char much[65536];
    while (tri_plain_write(ours, much, sizeof(much)) > 0)
        continue;
}

static void
a_read_gives_the_bytes_then_that_it_must_wait_and_at_last_the_end(void **state)
{
    (void)state;
    open_pair(SOCK_STREAM);
    assert_int_equal(tri_plain_write(peer, "hello", 5), 5);
    assert_int_equal(tri_plain_read(ours, memory, sizeof(memory)), 5);
    assert_string_equal(memory, "hello");
    assert_int_equal(tri_plain_read(ours, memory, sizeof(memory)), -EAGAIN);
    tri_plain_end(peer);
    assert_int_equal(tri_plain_read(ours, memory, sizeof(memory)), 0);
    close_pair();
    assert_int_equal(tri_plain_read(-1, memory, sizeof(memory)), -EBADF);
}

static void
an_interrupted_read_is_made_again(void **state)
{
    (void)state;
    struct tri_passed passed;
    open_pair(SOCK_STREAM);
    assert_int_equal(tri_plain_write(peer, "abc", 3), 3);
    fault_plan(FAULT_READ, 1, 2, EINTR);
    assert_int_equal(tri_plain_read(ours, memory, 1), 1);
    assert_int_equal(fault_met(FAULT_READ), 2);
    fault_plan(FAULT_RECVMSG, 1, 1, EINTR);
    assert_int_equal(tri_plain_receive(ours, memory, 1, &passed), 1);
    fault_plan(FAULT_RECVMSG, 1, 1, EINTR);
    assert_int_equal(tri_plain_read_record(ours, memory, 1), 1);
    fault_clear();
    close_pair();
}

/* A pipe is read and written as a file, and says what is wrong as one. */
static void
what_is_no_socket_is_read_and_written_all_the_same(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    assert_int_equal(tri_plain_read(ends[0], memory, sizeof(memory)), -EAGAIN);
    assert_int_equal(tri_plain_write(ends[1], "hello", 5), 5);
    memset(memory, 0, sizeof(memory));
    assert_int_equal(tri_plain_read(ends[0], memory, sizeof(memory)), 5);
    assert_string_equal(memory, "hello");
    close(ends[1]);
    assert_int_equal(tri_plain_read(ends[0], memory, sizeof(memory)), 0);
    assert_int_equal(tri_plain_write(ends[0], "x", 1), -EBADF);
    close(ends[0]);
}

static void
a_look_leaves_the_bytes_and_what_it_has_shown_can_be_taken(void **state)
{
    (void)state;
    open_pair(SOCK_STREAM);
    assert_int_equal(tri_plain_peek(ours, memory, sizeof(memory)), -EAGAIN);
    assert_int_equal(tri_plain_write(peer, "hello", 5), 5);
    fault_plan(FAULT_RECVMSG, 1, 1, EINTR);
    for (int i = 0; i < 2; i++) {
        memset(memory, 0, sizeof(memory));
        assert_int_equal(tri_plain_peek(ours, memory, sizeof(memory)), 5);
        assert_string_equal(memory, "hello");
    }
    assert_int_equal(fault_met(FAULT_RECVMSG), 1);
    memset(memory, 0, sizeof(memory));
    assert_true(tri_plain_take(ours, memory, 3));
    assert_string_equal(memory, "hel");
    assert_true(tri_plain_take(ours, memory, 0));
    assert_int_equal(tri_plain_peek(ours, memory, sizeof(memory)), 2);
    fault_plan(FAULT_READ, 1, 1, ECONNRESET);
    assert_false(tri_plain_take(ours, memory, 2));
    fault_clear();
    tri_plain_end(peer);
    assert_true(tri_plain_take(ours, memory, 2));
    assert_int_equal(tri_plain_peek(ours, memory, sizeof(memory)), 0);
    assert_false(tri_plain_take(ours, memory, 1));
    close_pair();
    assert_int_equal(tri_plain_peek(-1, memory, sizeof(memory)), -EBADF);
}

/* Descriptors cut a unix stream into pieces, over which a look goes and a read does not. */
static void
what_was_shown_is_taken_in_as_many_reads_as_it_needs(void **state)
{
    (void)state;
    open_pair(SOCK_STREAM);
    assert_int_equal(tri_plain_write(peer, "ab", 2), 2);
    assert_int_equal(tri_plain_pass(peer, "cd", 2, ours), 2);
    assert_int_equal(tri_plain_pass(peer, "ef", 2, ours), 2);
    assert_true(tri_plain_take(ours, memory, 6));
    assert_string_equal(memory, "abcdef");
    close_pair();
}

static void
without_room_a_write_takes_nothing_and_of_a_broken_connection_it_gives_the_error(void **state)
{
    (void)state;
    struct iovec part = {.iov_base = memory, .iov_len = sizeof(memory)};
    open_pair(SOCK_STREAM);
    fill();
    assert_int_equal(tri_plain_write(ours, "x", 1), 0);
    assert_int_equal(tri_plain_gather(ours, &part, 1), 0);
    assert_int_equal(tri_plain_pass(ours, "x", 1, ours), 0);
    close(peer);
    assert_int_equal(tri_plain_write(ours, "x", 1), -EPIPE);
    assert_int_equal(tri_plain_gather(ours, &part, 1), -EPIPE);
    close(ours);
}

static void
a_record_comes_whole_or_is_an_error(void **state)
{
    (void)state;
    open_pair(SOCK_SEQPACKET);
    assert_int_equal(tri_plain_write(peer, "one", 3), 3);
    assert_int_equal(tri_plain_write(peer, "much more", 9), 9);
    assert_int_equal(tri_plain_pass(peer, "two", 3, peer), 3);
    int before = tests_open_fds();
    assert_int_equal(tri_plain_read_record(ours, memory, 4), 3);
    assert_int_equal(tri_plain_read_record(ours, memory, 4), -EMSGSIZE);
    assert_int_equal(tri_plain_read_record(ours, memory, 4), 3); /* whose descriptor nobody asked for */
    assert_int_equal(tests_open_fds(), before);
    close_pair();
}

static void
descriptors_come_with_the_bytes_they_were_sent_with(void **state)
{
    (void)state;
    static struct tri_passed passed;
    open_pair(SOCK_STREAM);
    assert_int_equal(tri_plain_write(peer, "a", 1), 1);
    assert_int_equal(tri_plain_pass(peer, "bc", 2, STDIN_FILENO), 2);
    assert_int_equal(tri_plain_receive(ours, memory, 1, &passed), 1);
    assert_int_equal(passed.count, 0);
    assert_int_equal(tri_plain_receive(ours, memory, sizeof(memory), &passed), 2);
    assert_string_equal(memory, "bc");
    assert_int_equal(passed.count, 1);
    assert_true((fcntl(passed.fds[0], F_GETFD) & FD_CLOEXEC) != 0);
    close(passed.fds[0]);
    assert_int_equal(tri_plain_receive(ours, memory, sizeof(memory), &passed), -EAGAIN);
    assert_int_equal(passed.count, 0);
    close_pair();
}

/* As many as the system sends in one message. */
static void
pass_many(unsigned count)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * TRI_PASSED_MAX)];
    } control = {.bytes = {0}};
    struct iovec part = {.iov_base = "m", .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int) * count);
    for (unsigned i = 0; i < count; i++)
        memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &(int){STDIN_FILENO}, sizeof(int));
    assert_int_equal(sendmsg(peer, &message, 0), 1);
}

/* The process may open that many descriptors more. Gives the limit that was. */
static struct rlimit
leave_room_for(unsigned count)
{
    struct rlimit limit, low;
    int next = dup(ours);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = (rlim_t)next + count;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    return limit;
}

static void
all_descriptors_of_one_message_are_taken_and_none_is_left_when_one_is_lost(void **state)
{
    (void)state;
    static struct tri_passed passed;
    open_pair(SOCK_STREAM);
    int before = tests_open_fds();
    pass_many(TRI_PASSED_MAX);
    assert_int_equal(tri_plain_receive(ours, memory, sizeof(memory), &passed), 1);
    assert_int_equal(passed.count, TRI_PASSED_MAX);
    for (unsigned i = 0; i < passed.count; i++)
        assert_int_equal(close(passed.fds[i]), 0);

    pass_many(3);
    struct rlimit limit = leave_room_for(1);
    assert_int_equal(tri_plain_receive(ours, memory, sizeof(memory), &passed), -EMFILE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(passed.count, 0);
    assert_int_equal(tests_open_fds(), before);
    close_pair();
}

static int
file_of(const char *text)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    fputs(text, file);
    fflush(file);
    int fd = dup(fileno(file));
    fclose(file);
    return fd;
}

static void
a_part_of_a_file_is_sent_also_where_sendfile_cannot(void **state)
{
    (void)state;
    int file = file_of("0123456789");
    open_pair(SOCK_STREAM);
    for (int error = 0; error <= EINVAL; error += EINVAL) {
        fault_plan(FAULT_SENDFILE, 1, error != 0, error);
        assert_int_equal(tri_plain_send_file(ours, file, 3, 4), 4);
        assert_int_equal(fault_met(FAULT_SENDFILE), error != 0);
        fault_clear();
        memset(memory, 0, sizeof(memory));
        assert_int_equal(tri_plain_read(peer, memory, sizeof(memory)), 4);
        assert_string_equal(memory, "3456");
    }
    fill();
    assert_int_equal(tri_plain_send_file(ours, file, 3, 4), 0);
    close(file);
    close_pair();
}

static void
a_file_that_has_become_shorter_or_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    int file = file_of("0123");
    open_pair(SOCK_STREAM);
    assert_int_equal(tri_plain_send_file(ours, file, 4, 1), -EIO);
    fault_plan(FAULT_SENDFILE, 1, 3, ENOSYS);
    assert_int_equal(tri_plain_send_file(ours, file, 4, 1), -EIO);
    fault_plan(FAULT_PREAD, 1, 1, EISDIR);
    assert_int_equal(tri_plain_send_file(ours, file, 0, 1), -EISDIR);
    fault_clear();
    fault_plan(FAULT_SENDFILE, 1, 1, EPIPE);
    assert_int_equal(tri_plain_send_file(ours, file, 0, 1), -EPIPE);
    fault_clear();
    close(file);
    close_pair();
}

static void
what_may_be_held_back_arrives_when_it_is_pushed_or_followed(void **state)
{
    (void)state;
    uint16_t port;
    int listener = tests_peer_listen(&port);
    ours = tests_peer_connect(port);
    peer = tests_peer_accept(listener);
    struct iovec part = {.iov_base = "held", .iov_len = 4};
    assert_true(tri_tune_can_hold(ours));
    assert_int_equal(tri_plain_hold(ours, &part, 1), 4);
    tri_tune_push(ours);
    assert_int_equal(tests_peer_receive(peer, memory, 4), 4);
    assert_int_equal(tri_plain_hold(ours, &part, 1), 4);
    assert_int_equal(tri_plain_write(ours, "!", 1), 1);
    assert_int_equal(tests_peer_receive(peer, memory, 5), 5);
    assert_memory_equal(memory, "held!", 5);
    close(listener);
    close_pair();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_gives_the_bytes_then_that_it_must_wait_and_at_last_the_end),
        cmocka_unit_test(an_interrupted_read_is_made_again),
        cmocka_unit_test(what_is_no_socket_is_read_and_written_all_the_same),
        cmocka_unit_test(a_look_leaves_the_bytes_and_what_it_has_shown_can_be_taken),
        cmocka_unit_test(what_was_shown_is_taken_in_as_many_reads_as_it_needs),
        cmocka_unit_test(without_room_a_write_takes_nothing_and_of_a_broken_connection_it_gives_the_error),
        cmocka_unit_test(a_record_comes_whole_or_is_an_error),
        cmocka_unit_test(descriptors_come_with_the_bytes_they_were_sent_with),
        cmocka_unit_test(all_descriptors_of_one_message_are_taken_and_none_is_left_when_one_is_lost),
        cmocka_unit_test(a_part_of_a_file_is_sent_also_where_sendfile_cannot),
        cmocka_unit_test(a_file_that_has_become_shorter_or_cannot_be_read_is_an_error),
        cmocka_unit_test(what_may_be_held_back_arrives_when_it_is_pushed_or_followed),
    };
    signal(SIGPIPE, SIG_IGN); /* as the runtime does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
