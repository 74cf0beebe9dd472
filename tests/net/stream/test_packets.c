/*
 * Packets: bytes and the file that is written after them leave in one, and whatever becomes of that file, nothing that
 * was written stays in the kernel to wait for it.
 *
 * No clock: the kernel's counters say how many segments left and how many bytes were never sent. The sockets have
 * TCP_NODELAY, so the only thing that can hold bytes back is the one looked for.
 */
#include "cast.h"
#include "fault.h"
#include "helpers.h"
#include "packets_play.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void
head_in_two_and_file(void)
{
    put_bytes('h');
    put_bytes('t');
    assert_int_equal(put_file(0, 0), TR_OK);
}

static void
head_of_slices_and_file(void)
{
    tr_slice slices[] = {tr_slice_constant(bytes_of('h'), HEAD / 2), tr_slice_constant(bytes_of('h'), HEAD / 2)};
    assert_int_equal(tr_socket_write_slices(client.socket, slices, 2), TR_OK);
    assert_int_equal(put_file(0, 0), TR_OK);
}

static void
corked_head_and_file(void)
{
    tr_socket_cork(client.socket);
    put_bytes('h');
    put_file(0, 0);
    tr_socket_uncork(client.socket);
}

static void
corked_head_then_file(void)
{
    tr_socket_cork(client.socket);
    put_bytes('h');
    put_bytes('t');
    tr_socket_uncork(client.socket);
    assert_int_equal(put_file(0, 0), TR_OK);
}

static void
head_file_and_tail(void)
{
    put_head_and_file();
    put_bytes('t');
}

static void
file_and_tail(void)
{
    assert_int_equal(put_file(0, 0), TR_OK);
    put_bytes('t');
}

static void
corked_file_and_tail(void)
{
    tr_socket_cork(client.socket);
    put_file(0, 0);
    put_bytes('t');
    tr_socket_uncork(client.socket);
}

static void
head_and_nothing_of_a_file(void)
{
    put_bytes('h');
    assert_int_equal(put_file(FILE_SIZE, 0), TR_OK);
}

static void
head_and_no_file(void)
{
    put_bytes('h');
    assert_int_equal(tr_socket_write_file(client.socket, wrong_file, 0, 0, NULL, NULL), TR_EBADFD);
}

static void
head_and_a_shorter_file(void)
{
    put_bytes('h');
    put_file(0, FILE_SIZE + 1);
}

static void
head_and_a_file_that_is_gone(void)
{
    put_bytes('h');
    put_file(FILE_SIZE, 1);
}

static void
corked_head_and_a_file_that_is_gone(void)
{
    tr_socket_cork(client.socket);
    put_bytes('h');
    put_file(FILE_SIZE, 1);
    tr_socket_uncork(client.socket);
}

static void
head_and_end(void)
{
    put_bytes('h');
    tr_socket_end(client.socket);
}

static void
head_and_destroy(void)
{
    put_bytes('h');
    tr_socket_destroy(client.socket, TR_OK);
}

static void
head_and_reset(void)
{
    put_bytes('h');
    assert_int_equal(tr_socket_reset(client.socket), TR_OK);
}

static void
head_and_pause(void)
{
    put_bytes('h');
    tr_socket_pause(client.socket);
}

static void
uncork_client(void *argument)
{
    (void)argument;
    tr_socket_uncork(client.socket);
}

static void
head_then_cork_over_the_file(void)
{
    put_bytes('h');
    tr_socket_cork(client.socket);
    put_file(0, 0);
    stage_after(30, uncork_client, NULL);
}

static void
much_and_file(void)
{
    put_bytes('B');
    assert_true(put_file(0, 0) >= TR_OK);
}

static void
head_and_too_much(void)
{
    tr_socket_cork(client.socket);
    put_bytes('h');
    assert_int_equal(tr_socket_write(client.socket, bytes_of('B'), BIG), TR_EQUEUELIMIT);
    tr_socket_uncork(client.socket);
}

/* The table. */

enum kind { PLAIN, NARROW, OF_USERS_CORK, OF_UNIX, OF_RECORDS };

struct row {
    const char *name;
    void (*act)(void);
    const char *arrives; /* in letters */
    unsigned segments;   /* at most; 0: any number */
    enum kind kind;
    int sendfile_error; /* of the first call */
};

static const struct row *row;
static bool inside; /* in a callback of the socket's own, or in one of another actor's */

/* Nothing is left to wait: the rest of a queue goes when the peer reads, and a cork is the user's. */
static void
look(void)
{
    if (row->kind != PLAIN)
        return;
    assert_int_equal(unsent(watched), 0);
    if (row->segments != 0)
        assert_in_range(tcp_info_of(watched).tcpi_data_segs_out - segments_before, 1, row->segments);
}

static void
end_client(void *argument)
{
    (void)argument;
    if (!tr_socket_destroyed(client.socket))
        tr_socket_end(client.socket);
}

static void
look_and_end(void *argument)
{
    int off = 0;
    (void)argument;
    if (!tr_socket_destroyed(client.socket))
        look();
    if (row->kind == OF_USERS_CORK) {
        int corked;
        socklen_t size = sizeof(corked);
        assert_int_equal(getsockopt(watched, IPPROTO_TCP, TCP_CORK, &corked, &size), 0);
        assert_int_equal(corked, 1);
        assert_int_equal(setsockopt(watched, IPPROTO_TCP, TCP_CORK, &off, sizeof(off)), 0);
    }
    close(watched);
    stage_read(&peer);
    stage_after(60, end_client, NULL);
}

static void
act(void)
{
    fault_clear();
    if (row->sendfile_error != 0)
        fault_plan(FAULT_SENDFILE, 1, 1, row->sendfile_error);
    row->act();
}

static void
acts_on_data(struct endpoint *self, const char *event)
{
    (void)self;
    if (strcmp(event, "data") != 0)
        return;
    act();
    stage_after(1, look_and_end, NULL);
}

static void
act_outside(void *argument)
{
    (void)argument;
    act();
    stage_after(1, look_and_end, NULL);
}

static void
set(int fd, int level, int option, int value)
{
    assert_int_equal(setsockopt(fd, level, option, &value, sizeof(value)), 0);
}

static void
open_of_kind(int fds[2])
{
    switch (row->kind) {
    case OF_UNIX: stage_pair(AF_UNIX, fds); break;
    case OF_RECORDS: assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0); break;
    default: stage_pair(AF_INET, fds); break;
    }
    if (row->kind == NARROW)
        set(fds[0], SOL_SOCKET, SO_SNDBUF, 1);
    if (row->kind == OF_USERS_CORK)
        set(fds[0], IPPROTO_TCP, TCP_CORK, 1);
}

static void
play_row(void)
{
    int fds[2];
    struct endpoint *one[] = {&client};
    memset(&client, 0, sizeof(client));
    peer = (struct raw_peer){.fd = -1, .per_look = 65536};
    open_of_kind(fds);
    peer.fd = fds[1];
    watched = dup(fds[0]);
    struct tr_socket_options options = {.no_delay = true, .allow_half_open = true, .write_limit = BIG};
    stage_adopt_as(&client, fds[0], options);
    segments_before = row->kind == PLAIN ? tcp_info_of(watched).tcpi_data_segs_out : 0;
    client.hook = acts_on_data;
    if (inside)
        assert_true(tests_peer_send(peer.fd, "go", 2));
    else
        stage_after(1, act_outside, NULL);
    stage_end_when_done(one, 1, &peer);
}

static void
assert_arrived(const char *letters)
{
    size_t bytes = 0;
    uint64_t sum = 0;
    for (; *letters != '\0'; letters++)
        for (size_t i = 0; i < size_of(*letters); i++)
            sum += (uint64_t)(unsigned char)*letters * (++bytes % 65521);
    assert_int_equal(peer.bytes, bytes);
    assert_int_equal(peer.sum, sum);
}

static void
play_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        row = &rows[i];
        print_message("%s%s\n", row->name, inside ? "" : ", from outside");
        stage_play(1, play_row);
        fault_clear();
        assert_arrived(row->arrives);
    }
}

#define ROW(play, letters, ...)                                                                                        \
    {                                                                                                                  \
        .name = #play, .act = play, .arrives = letters, __VA_ARGS__                                                    \
    }
#define PLAY(rows) play_rows(rows, sizeof(rows) / sizeof(rows[0]))

static void
bytes_and_the_file_that_follows_are_one_packet(void **state)
{
    static const struct row rows[] = {
        ROW(put_head_and_file, "hf", .segments = 1),       ROW(head_in_two_and_file, "htf", .segments = 1),
        ROW(head_of_slices_and_file, "hf", .segments = 1), ROW(corked_head_and_file, "hf", .segments = 1),
        ROW(corked_head_then_file, "htf", .segments = 1),  ROW(head_file_and_tail, "hft", .segments = 2),
    };
    static const struct row corked[] = {ROW(corked_head_and_file, "hf", .segments = 1)};
    (void)state;
    inside = true;
    PLAY(rows);
    inside = false;
    PLAY(corked);
}

static const struct row all_rows[] = {
    ROW(put_head, "h", .segments = 1),
    ROW(put_head_and_file, "hf", .segments = 0),
    ROW(head_in_two_and_file, "htf", .segments = 0),
    ROW(head_of_slices_and_file, "hf", .segments = 0),
    ROW(corked_head_then_file, "htf", .segments = 0),
    ROW(file_and_tail, "ft", .segments = 0),
    ROW(corked_file_and_tail, "ft", .segments = 2),
    ROW(head_and_nothing_of_a_file, "h", .segments = 1),
    ROW(head_and_no_file, "h", .segments = 1),
    ROW(head_and_a_shorter_file, "hf", .segments = 0),
    ROW(head_and_a_file_that_is_gone, "h", .segments = 0),
    ROW(corked_head_and_a_file_that_is_gone, "h", .segments = 0),
    ROW(head_and_end, "h", .segments = 0),
    ROW(head_and_destroy, "h", .segments = 0),
    ROW(head_and_pause, "h", .segments = 1),
    ROW(head_then_cork_over_the_file, "hf", .segments = 0),
    ROW(head_and_too_much, "h", .segments = 1),
    ROW(much_and_file, "Bf", .kind = NARROW),
    ROW(put_head_and_file, "hf", .kind = NARROW),
    ROW(put_head, "h", .kind = OF_USERS_CORK),
    ROW(put_head_and_file, "hf", .kind = OF_USERS_CORK),
    ROW(corked_head_and_file, "hf", .kind = OF_USERS_CORK),
    ROW(put_head, "h", .kind = OF_UNIX),
    ROW(put_head_and_file, "hf", .kind = OF_UNIX),
    ROW(corked_head_and_file, "hf", .kind = OF_UNIX),
    ROW(put_head, "h", .kind = OF_RECORDS),
    ROW(corked_head_and_file, "hf", .kind = OF_RECORDS),
    ROW(put_head_and_file, "hf", .sendfile_error = EAGAIN),
    ROW(put_head_and_file, "hf", .sendfile_error = EINTR),
    ROW(corked_head_and_file, "hf", .sendfile_error = EAGAIN),
    ROW(corked_head_and_file, "hf", .sendfile_error = ENOMEM),
    ROW(corked_head_and_file, "hf", .sendfile_error = EINVAL),
    ROW(corked_head_and_a_file_that_is_gone, "h", .sendfile_error = EIO),
};

static void
nothing_waits_for_a_file_whatever_becomes_of_it(void **state)
{
    (void)state;
    inside = true;
    PLAY(all_rows);
    inside = false;
    PLAY(all_rows);
}

/* What is no socket holds nothing. */

static void
play_pipe(void)
{
    char bytes[2 * (HEAD + FILE_SIZE) + 1];
    int ends[2];
    struct endpoint *one[] = {&client};
    struct tr_socket_options options = {.events = &endpoint_events, .data = &client};
    memset(&client, 0, sizeof(client));
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(tr_socket_adopt(director, ends[1], TR_WRITABLE, &options, &client.socket), TR_OK);
    put_head_and_file();
    corked_head_and_file();
    assert_int_equal(read(ends[0], bytes, sizeof(bytes)), sizeof(bytes) - 1);
    for (size_t i = 0; i < sizeof(bytes) - 1; i++)
        assert_int_equal(bytes[i], i % (HEAD + FILE_SIZE) < HEAD ? 'h' : 'f');
    close(ends[0]);
    tr_socket_end(client.socket);
    stage_end_when_done(one, 1, NULL);
}

static void
a_pipe_gets_bytes_and_files_as_well(void **state)
{
    (void)state;
    stage_play(1, play_pipe);
}

/* A reset drops what the peer has not received, so what was written has to leave before it. */
static void
what_was_written_before_a_reset_was_sent_before_it(void **state)
{
    static const struct row rows[] = {ROW(head_and_reset, "h", .segments = 0)};
    (void)state;
    for (int i = 0; i < 2; i++) {
        inside = i == 0;
        row = rows;
        stage_play(1, play_row);
        assert_int_equal(peer.bytes, HEAD);
        assert_int_equal(peer.error, ECONNRESET);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_and_the_file_that_follows_are_one_packet),
        cmocka_unit_test(nothing_waits_for_a_file_whatever_becomes_of_it),
        cmocka_unit_test(a_pipe_gets_bytes_and_files_as_well),
        cmocka_unit_test(what_was_written_before_a_reset_was_sent_before_it),
    };
    return cmocka_run_group_tests(tests, packets_set_up, packets_tear_down);
}
