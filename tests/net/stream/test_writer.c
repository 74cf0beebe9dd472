/*
 * Writing: what a write answers, what the kernel gets, and when the callbacks come.
 *
 * Where the number of system calls matters the peer is a SOCK_SEQPACKET socket: there each call of the writer's is one
 * record, so the peer's reads count them.
 */
#include "cast.h"
#include "fds.h"
#include "helpers.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <troupe/net/remote.h>
#include <unistd.h>

#include <cmocka.h>

#define BIG (4u << 20)    /* more than the kernel takes at once */
#define NODES_MARK 16384u /* highWaterMark of Node's streams */

static void
set_buffer(int fd, int option, int size)
{
    assert_int_equal(setsockopt(fd, SOL_SOCKET, option, &size, sizeof(size)), 0);
}

static void
open_pair_as(int family, struct tr_socket_options options)
{
    int fds[2];
    stage_pair(family, fds);
    peer.fd = fds[1];
    stage_adopt_as(&client, fds[0], options);
}

static void
open_pair(int family)
{
    open_pair_as(family, (struct tr_socket_options){0});
}

static void
open_records(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    peer.fd = fds[1];
    stage_adopt(&client, fds[0]);
}

/* A socket whose kernel takes a few kilobytes at a time. */
static void
open_narrow_as(struct tr_socket_options options)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    set_buffer(fds[0], SO_SNDBUF, 1);
    peer.fd = fds[1];
    stage_adopt_as(&client, fds[0], options);
}

static tr_status
write_told(tr_slice slice, const char *name)
{
    return tr_socket_write_then(client.socket, slice, note_written, (void *)(uintptr_t)name);
}

static tr_slice
text(const char *bytes)
{
    return tr_slice_constant(bytes, strlen(bytes));
}

/* In place of a last slice. */
static tr_slice
nothing(void)
{
    return tr_slice_constant(NULL, 0);
}

static bool
peer_has_something(void)
{
    char byte;
    return recv(peer.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

/* The peer reads until we end; then it ends too. */
static void
read_late(void *argument)
{
    (void)argument;
    stage_read(&peer);
}

static void
end_peer_late(void *argument)
{
    shutdown(peer.fd, SHUT_WR);
    read_late(argument);
}

/* The peer ends first and then reads, after a moment in which nothing moves. */
static void
let_peer_end(void)
{
    stage_settled(end_peer_late, NULL);
    end_when_done();
}

/* Cork. */

static void
play_cork(void)
{
    open_records();
    tr_socket_cork(client.socket);
    assert_int_equal(write_told(text("a"), "a"), TR_OK);
    assert_int_equal(say(client.socket, "b"), TR_OK);
    assert_int_equal(say(client.socket, "c"), TR_OK);
    assert_int_equal(tr_socket_buffered(client.socket), 3);
    assert_false(peer_has_something());
    assert_int_equal(tr_socket_uncork(client.socket), TR_OK);
    assert_int_equal(tr_socket_buffered(client.socket), 0);
    assert_true(peer_has_something());
    assert_int_equal(say(client.socket, "d"), TR_OK);
    shutdown(peer.fd, SHUT_WR);
    end_and_read();
}

static void
corked_writes_leave_in_one_system_call(void **state)
{
    (void)state;
    stage_play(1, play_cork);
    assert_string_equal(peer.text, "abcd");
    assert_int_equal(peer.reads, 2);
    assert_string_equal(client.log, "a:OK end close");
}

static void
play_nested_corks(void)
{
    open_records();
    tr_socket_cork(client.socket);
    tr_socket_cork(client.socket);
    say(client.socket, "a");
    assert_int_equal(tr_socket_uncork(client.socket), TR_OK);
    say(client.socket, "b");
    assert_false(peer_has_something());
    assert_int_equal(tr_socket_uncork(client.socket), TR_OK);
    assert_true(peer_has_something());
    assert_int_equal(tr_socket_uncork(client.socket), TR_OK); /* one too many does nothing */
    assert_int_equal(tr_socket_uncork(NULL), TR_EINVAL);
    shutdown(peer.fd, SHUT_WR);
    end_and_read();
}

static void
corks_nest(void **state)
{
    (void)state;
    stage_play(1, play_nested_corks);
    assert_string_equal(peer.text, "ab");
    assert_int_equal(peer.reads, 1);
}

static void
play_end_under_cork(void)
{
    open_records();
    tr_socket_cork(client.socket);
    tr_socket_cork(client.socket);
    say(client.socket, "a");
    say(client.socket, "b");
    shutdown(peer.fd, SHUT_WR);
    end_and_read();
}

static void
end_uncorks(void **state)
{
    (void)state;
    stage_play(1, play_end_under_cork);
    assert_string_equal(peer.text, "ab");
    assert_int_equal(peer.reads, 1);
}

static void
play_peers_end_under_cork(void)
{
    open_pair(AF_UNIX);
    tr_socket_cork(client.socket);
    assert_int_equal(write_told(text("a"), "a"), TR_OK);
    shutdown(peer.fd, SHUT_WR);
    stage_read(&peer);
    end_when_done();
}

static void
an_end_that_comes_of_the_peers_uncorks_too(void **state)
{
    (void)state;
    stage_play(1, play_peers_end_under_cork);
    assert_string_equal(client.log, "end a:OK close");
    assert_string_equal(peer.text, "a");
}

static void
play_destroy_under_cork(void)
{
    open_pair(AF_UNIX);
    tr_socket_cork(client.socket);
    assert_int_equal(write_told(text("a"), "a"), TR_OK);
    tr_socket_destroy(client.socket, TR_OK);
    tr_socket_cork(client.socket);
    assert_int_equal(tr_socket_uncork(client.socket), TR_EDESTROYED);
    stage_read(&peer);
    end_when_done();
}

static void
corked_writes_are_lost_with_their_socket(void **state)
{
    (void)state;
    stage_play(1, play_destroy_under_cork);
    assert_string_equal(client.log, "a:ERR_STREAM_DESTROYED close");
    assert_int_equal(peer.bytes, 0);
}

/* Less than a write under a cork speaks of, and more than the kernel takes. */
#define CORKED_BYTES 16000u

static void
play_uncork_into_a_narrow_socket(void)
{
    open_narrow_as((struct tr_socket_options){0});
    client.hook = ends_on_drain;
    tr_socket_cork(client.socket);
    assert_int_equal(write_told(pattern(CORKED_BYTES), "a"), TR_OK);
    assert_int_equal(tr_socket_uncork(client.socket), TR_QUEUED);
    assert_true(tr_socket_buffered(client.socket) > 0);
    stage_read(&peer);
    end_when_done();
}

static void
uncork_says_that_part_of_it_waits_and_then_drain_comes(void **state)
{
    (void)state;
    stage_play(1, play_uncork_into_a_narrow_socket);
    assert_int_equal(peer.bytes, CORKED_BYTES);
    assert_string_equal(client.log, "drain a:OK end close");
}

static void
play_uncork_of_a_broken_connection(void)
{
    open_pair(AF_UNIX);
    tr_socket_cork(client.socket);
    assert_int_equal(write_told(text("a"), "a"), TR_OK);
    close(peer.fd);
    peer.fd = -1;
    assert_int_equal(tr_socket_uncork(client.socket), TR_EPIPE);
    assert_true(tr_socket_destroyed(client.socket));
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

static void
uncork_says_for_which_error_the_socket_is_destroyed(void **state)
{
    (void)state;
    stage_play(1, play_uncork_of_a_broken_connection);
    assert_string_equal(client.log, "a:EPIPE EPIPE close!");
}

static int listener = -1;

static void
uncork_and_end(void *argument)
{
    (void)argument;
    assert_false(peer_has_something());
    tr_socket_uncork(client.socket);
    shutdown(peer.fd, SHUT_WR);
    end_and_read();
}

static void (*then)(void *argument);

static void
accepts_raw(struct endpoint *self, const char *event)
{
    (void)self;
    if (!is(event, "ready"))
        return;
    peer.fd = tests_peer_accept(listener);
    close(listener);
    stage_settled(then, NULL);
}

/* Connects to a raw peer; what follows is done a moment after connect. */
static void
connect_to_raw(struct tr_socket_options options, void (*what_follows)(void *argument))
{
    listener = tests_peer_listen(&stage_port);
    then = what_follows;
    client.hook = accepts_raw;
    stage_connect_as(&client, options, (struct tr_connect_options){0});
}

static void
play_cork_before_connect(void)
{
    connect_to_raw((struct tr_socket_options){0}, uncork_and_end);
    tr_socket_cork(client.socket);
    assert_int_equal(tr_socket_uncork(client.socket), TR_OK);
    tr_socket_cork(client.socket);
    assert_int_equal(write_told(text("a"), "a"), TR_OK);
    assert_int_equal(write_told(text("b"), "b"), TR_OK);
}

static void
what_was_corked_before_connect_waits_for_uncork(void **state)
{
    (void)state;
    stage_play(1, play_cork_before_connect);
    assert_string_equal(client.log, "connect ready a:OK b:OK end close");
    assert_string_equal(peer.text, "ab");
}

/* Who connects, writes before and does something in the connect event. */

static void
end_both(void *argument)
{
    (void)argument;
    shutdown(peer.fd, SHUT_WR);
    end_and_read();
}

static void
uncorks_in_connect(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        assert_int_equal(tr_socket_uncork(self->socket), TR_OK);
    accepts_raw(self, event);
}

static void
play_uncork_in_connect(void)
{
    connect_to_raw((struct tr_socket_options){0}, end_both);
    client.hook = uncorks_in_connect;
    tr_socket_cork(client.socket);
    assert_int_equal(write_told(text("a"), "a"), TR_OK);
}

static void
what_is_uncorked_in_the_connect_event_is_told_before_ready(void **state)
{
    (void)state;
    stage_play(1, play_uncork_in_connect);
    assert_string_equal(client.log, "connect a:OK ready end close");
    assert_string_equal(peer.text, "a");
}

static void
play_nodes_mark_before_connect(void)
{
    connect_to_raw((struct tr_socket_options){0}, end_both);
    assert_int_equal(tr_socket_write_slice(client.socket, pattern(NODES_MARK - 1)), TR_OK);
    assert_int_equal(say(client.socket, "x"), TR_QUEUED);
}

static void
before_connect_a_write_is_queued_from_16_kib_on(void **state)
{
    (void)state;
    stage_play(1, play_nodes_mark_before_connect);
    assert_string_equal(client.log, "connect drain ready end close");
    assert_int_equal(peer.bytes, NODES_MARK);
}

/* The kernel tells how many segments with data came. */
static unsigned
segments_received(int fd)
{
    struct tcp_info info = {0};
    ask_option(fd, IPPROTO_TCP, TCP_INFO, &info, sizeof(info));
    return info.tcpi_data_segs_in;
}

static unsigned segments;

static bool
peer_has_all(void)
{
    int size = 0;
    assert_int_equal(ioctl(peer.fd, FIONREAD, &size), 0);
    return size == 1000;
}

static void
look_at_segments(void *argument)
{
    (void)argument;
    segments = segments_received(peer.fd);
    shutdown(peer.fd, SHUT_WR);
    end_and_read();
}

static void
play_segments(void)
{
    open_pair_as(AF_INET, (struct tr_socket_options){.no_delay = true});
    tr_socket_cork(client.socket);
    for (int i = 0; i < 100; i++)
        say(client.socket, "0123456789");
    tr_socket_uncork(client.socket);
    stage_when(peer_has_all, look_at_segments, NULL);
}

static void
a_hundred_corked_writes_are_one_segment(void **state)
{
    (void)state;
    stage_play(1, play_segments);
    assert_int_equal(peer.bytes, 1000);
    assert_int_equal(segments, 1);
}

/* Many slices. */

#define MANY 2000u

static void
play_three_slices(void)
{
    tr_slice slices[] = {text("a"), text(""), text("b"), text("c")};
    open_records();
    assert_int_equal(tr_socket_write_slices(client.socket, slices, 4), TR_OK);
    assert_int_equal(tr_socket_buffered(client.socket), 0);
    assert_int_equal(tr_socket_bytes_written(client.socket), 3);
    assert_int_equal(tr_socket_write_slices(client.socket, slices, 0), TR_OK);
    assert_int_equal(tr_socket_write_slices(client.socket, NULL, 0), TR_OK);
    assert_int_equal(tr_socket_write_slices(client.socket, NULL, 1), TR_EINVAL);
    slices[3] = tr_slice_constant(NULL, 1);
    assert_int_equal(tr_socket_write_slices(client.socket, slices, 4), TR_EINVAL);
    assert_int_equal(tr_socket_bytes_written(client.socket), 3);
    shutdown(peer.fd, SHUT_WR);
    stage_read(&peer);
    end_when_done();
}

static void
several_slices_are_one_write_without_a_drain_if_the_kernel_takes_it(void **state)
{
    (void)state;
    stage_play(1, play_three_slices);
    assert_string_equal(client.log, "end close");
    assert_string_equal(peer.text, "abc");
    assert_int_equal(peer.reads, 1);
}

static void
write_many(void)
{
    static tr_slice slices[MANY];
    for (unsigned i = 0; i < MANY; i++)
        slices[i] = tr_slice_part(pattern(4 * MANY), 4 * i, 4);
    assert_true(tr_socket_write_slices(client.socket, slices, MANY) >= TR_OK);
}

static void
play_many_slices(void)
{
    open_records();
    write_many();
    shutdown(peer.fd, SHUT_WR);
    end_and_read();
}

static void
two_thousand_slices_are_two_system_calls(void **state)
{
    (void)state;
    stage_play(1, play_many_slices);
    assert_int_equal(peer.bytes, 4 * MANY);
    assert_int_equal(peer.sum, pattern_sum(4 * MANY));
    assert_int_equal(peer.reads, 2);
}

static void
play_many_slices_into_a_narrow_socket(void)
{
    open_narrow_as((struct tr_socket_options){0});
    peer.per_look = 1000;
    write_many();
    assert_true(tr_socket_buffered(client.socket) > 0);
    tr_socket_end(client.socket);
    stage_settled(read_late, NULL);
    end_when_done();
}

static void
slices_that_are_taken_in_parts_arrive_whole(void **state)
{
    (void)state;
    stage_play(1, play_many_slices_into_a_narrow_socket);
    assert_int_equal(peer.bytes, 4 * MANY);
    assert_int_equal(peer.sum, pattern_sum(4 * MANY));
}

/* Partial writes. */

static void
writes_odd_sizes(void)
{
    size_t at = 0;
    for (size_t size = 1; at + size <= 300000; at += size, size = size * 2 + 1)
        assert_true(tr_socket_write_slice(client.socket, tr_slice_part(pattern(300000), at, size)) >= TR_OK);
    assert_true(tr_socket_write(client.socket, pattern(300000).data + at, 300000 - at) >= TR_OK);
    assert_int_equal(tr_socket_bytes_written(client.socket), 300000);
}

static void
play_partial_writes(void)
{
    open_narrow_as((struct tr_socket_options){0});
    peer.per_look = 3000;
    writes_odd_sizes();
    assert_int_equal(write_told(text(""), "last"), TR_QUEUED);
    let_peer_end();
}

static void
a_kernel_that_takes_little_gets_everything_in_order(void **state)
{
    (void)state;
    stage_play(1, play_partial_writes);
    assert_int_equal(peer.bytes, 300000);
    assert_int_equal(peer.sum, pattern_sum(300000));
    assert_non_null(strstr(client.log, "last:OK close"));
    assert_null(strstr(client.log, "drain")); /* the peer's end has ended our side before */
}

/* Limits. */

static void
play_write_limit(void)
{
    open_narrow_as((struct tr_socket_options){.write_limit = 100000});
    assert_int_equal(tr_socket_write_slice(client.socket, pattern(200000)), TR_QUEUED); /* nothing waited before */
    uint64_t buffered = tr_socket_buffered(client.socket), written = tr_socket_bytes_written(client.socket);
    assert_true(buffered > 100000);
    tr_slice two[] = {text("a"), text("b")};
    assert_int_equal(say(client.socket, "x"), TR_EQUEUELIMIT);
    assert_int_equal(write_told(text("x"), "never"), TR_EQUEUELIMIT);
    assert_int_equal(tr_socket_write_slices(client.socket, two, 2), TR_EQUEUELIMIT);
    assert_int_equal(tr_socket_write_text(client.socket, "x", TR_ENCODING_UTF8), TR_EQUEUELIMIT);
    assert_int_equal(tr_socket_write_fd(client.socket, text("x"), 0, note_written, NULL), TR_EQUEUELIMIT);
    assert_int_equal(tr_socket_end_then(client.socket, text("x"), note_written, NULL), TR_EQUEUELIMIT);
    assert_int_equal(tr_socket_end_with(client.socket, text("x")), TR_EQUEUELIMIT);
    assert_int_equal(tr_socket_buffered(client.socket), buffered);
    assert_int_equal(tr_socket_bytes_written(client.socket), written);
    assert_int_equal(tr_socket_ready_state(client.socket), TR_STATE_OPEN); /* a refused end has not ended it */
    let_peer_end();
}

static void
a_write_over_the_limit_is_refused_whole_and_changes_nothing(void **state)
{
    (void)state;
    stage_play(1, play_write_limit);
    assert_int_equal(peer.bytes, 200000);
    assert_int_equal(peer.sum, pattern_sum(200000));
    assert_string_equal(client.log, "end close");
}

static void
play_limit_up_to_the_brim(void)
{
    open_narrow_as((struct tr_socket_options){.write_limit = 100});
    tr_socket_cork(client.socket);
    assert_int_equal(tr_socket_write_slice(client.socket, pattern(60)), TR_OK);
    assert_int_equal(tr_socket_write_slice(client.socket, tr_slice_part(pattern(100), 60, 40)), TR_OK);
    assert_int_equal(say(client.socket, "x"), TR_EQUEUELIMIT);
    assert_int_equal(say(client.socket, ""), TR_OK); /* it makes them no more */
    tr_socket_uncork(client.socket);
    assert_int_equal(tr_socket_buffered(client.socket), 0);
    assert_int_equal(say(client.socket, "x"), TR_OK);
    let_peer_end();
}

static void
the_limit_itself_may_wait(void **state)
{
    (void)state;
    stage_play(1, play_limit_up_to_the_brim);
    assert_int_equal(peer.bytes, 101);
}

/* Of small writes their number is limited, and of what has gone none counts. */

#define SMALL 100u
#define SMALL_LIMIT 160000u

static void
write_small(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        assert_true(tr_socket_write_slice(client.socket, tr_slice_part(pattern(SMALL), 0, SMALL)) >= TR_OK);
}

static void
play_limit_of_small_writes(void)
{
    open_narrow_as((struct tr_socket_options){.write_limit = SMALL_LIMIT});
    tr_socket_cork(client.socket);
    write_small(SMALL_LIMIT / TR_WRITE_COST_BYTES + TR_WRITES_ABOVE_LIMIT);
    assert_int_equal(say(client.socket, "x"), TR_EQUEUELIMIT);
    assert_int_equal(tr_socket_uncork(client.socket), TR_QUEUED);
    assert_int_equal(say(client.socket, "x"), TR_QUEUED);
    let_peer_end();
}

static void
so_many_small_writes_may_wait_and_those_that_have_gone_do_not(void **state)
{
    (void)state;
    stage_play(1, play_limit_of_small_writes);
    assert_int_equal(peer.bytes, (SMALL_LIMIT / TR_WRITE_COST_BYTES + TR_WRITES_ABOVE_LIMIT) * SMALL + 1);
}

static void
play_limit_from_a_distance(void)
{
    open_narrow_as((struct tr_socket_options){.write_limit = 1000});
    tr_ref ref = tr_socket_ref(client.socket);
    assert_int_equal(tr_remote_write(director, ref, pattern(100000)), TR_OK);
    assert_int_equal(tr_remote_write(director, ref, text("x")), TR_OK);
    stage_settled(read_late, NULL);
    end_when_done();
}

static void
a_write_from_a_distance_over_the_limit_destroys_the_socket(void **state)
{
    (void)state;
    stage_play(1, play_limit_from_a_distance);
    assert_string_equal(client.log, "ERR_WRITE_LIMIT close!");
    assert_string_equal(client.call, "write");
}

/* What Node's streams say: false when the writes that are not finished, each counted whole, are 16 KiB or more. */

static void
play_high_water(void)
{
    tr_slice slices[] = {pattern(NODES_MARK / 2), pattern(NODES_MARK / 2)};
    open_pair_as(AF_UNIX, (struct tr_socket_options){.high_water = NODES_MARK});
    assert_int_equal(tr_socket_write_slice(client.socket, pattern(NODES_MARK)), TR_OK);
    assert_int_equal(tr_socket_write_slices(client.socket, slices, 2), TR_OK);
    assert_int_equal(tr_socket_buffered(client.socket), 0);
    let_peer_end();
}

static void
what_the_kernel_takes_at_once_is_under_any_mark(void **state)
{
    (void)state;
    stage_play(1, play_high_water);
    assert_string_equal(client.log, "end close");
    assert_int_equal(peer.bytes, 2 * NODES_MARK);
}

/* How much a narrow socket takes at once. */
static size_t
room_of_narrow(void)
{
    size_t room = 0;
    int fds[2];
    stage_pair(AF_UNIX, fds);
    set_buffer(fds[0], SO_SNDBUF, 1);
    for (ssize_t size; (size = send(fds[0], pattern(1000000).data, 1000000, MSG_DONTWAIT)) > 0;)
        room += (size_t)size;
    close(fds[0]);
    close(fds[1]);
    return room;
}

/* The kernel takes most of a write; what is left is under the mark, but the write was not. */
static void
play_high_water_of_a_partial_write(void)
{
    size_t room = room_of_narrow();
    assert_true(room > 2000);
    open_narrow_as((struct tr_socket_options){.high_water = (uint32_t)room + 1001});
    assert_int_equal(tr_socket_write_slice(client.socket, pattern(room + 1000)), TR_OK);
    assert_int_equal(tr_socket_buffered(client.socket), 1000);
    assert_int_equal(write_told(text("x"), "x"), TR_QUEUED);
    client.hook = ends_on_drain;
    stage_read(&peer);
    end_when_done();
}

static void
a_write_that_is_not_finished_counts_whole(void **state)
{
    (void)state;
    stage_play(1, play_high_water_of_a_partial_write);
    assert_string_equal(client.log, "drain x:OK end close");
}

/* Some of what was written has gone, the rest waits. */
static void
play_high_water_over_a_queue(void)
{
    uint32_t count = 2 * (uint32_t)room_of_narrow() / SMALL;
    open_narrow_as((struct tr_socket_options){.high_water = count * SMALL});
    tr_socket_cork(client.socket);
    write_small(count);
    tr_socket_uncork(client.socket);
    assert_in_range(tr_socket_buffered(client.socket), 1, count * SMALL - SMALL);
    assert_int_equal(say(client.socket, "x"), TR_OK);
    let_peer_end();
}

static void
a_write_that_is_finished_counts_no_more(void **state)
{
    (void)state;
    stage_play(1, play_high_water_over_a_queue);
    assert_non_null(strstr(client.log, "end close"));
}

static void
play_high_water_before_connect(void)
{
    connect_to_raw((struct tr_socket_options){.high_water = 10}, read_late);
    assert_int_equal(say(client.socket, "123456789"), TR_OK);
    assert_int_equal(write_told(text("0"), "tenth"), TR_QUEUED);
    tr_socket_end(client.socket);
    end_when_done();
}

static void
a_mark_holds_before_connect_too(void **state)
{
    (void)state;
    stage_play(1, play_high_water_before_connect);
    assert_string_equal(client.log, "connect ready tenth:OK end close");
}

/* Texts. */

static void
play_texts(void)
{
    static const struct {
        const char *text;
        enum tr_encoding encoding;
    } writes[] = {
        {"n\xff", TR_ENCODING_NONE},     {"\xc3\xa4", TR_ENCODING_UTF8}, {"\xc3\xa4", TR_ENCODING_LATIN1},
        {"\xc3\xa4", TR_ENCODING_ASCII}, {"6869", TR_ENCODING_HEX},      {"Pz8+", TR_ENCODING_BASE64},
        {"Pz8-", TR_ENCODING_BASE64URL}, {"u", TR_ENCODING_UTF16LE},     {"", TR_ENCODING_HEX},
    };
    static const struct {
        const char *text;
        enum tr_encoding encoding;
        tr_status status;
    } refusals[] = {
        {"abc", TR_ENCODING_HEX, TR_EBADTEXT},        {"zz", TR_ENCODING_HEX, TR_EBADTEXT},
        {"A", TR_ENCODING_BASE64, TR_EBADTEXT},       {"AA==AA", TR_ENCODING_BASE64, TR_EBADTEXT},
        {"\xff", TR_ENCODING_UTF16LE, TR_EBADTEXT},   {"\xed\xa0\x80", TR_ENCODING_LATIN1, TR_EBADTEXT},
        {"x", (enum tr_encoding)99, TR_EBADENCODING}, {NULL, TR_ENCODING_UTF8, TR_EINVAL},
    };
    open_pair(AF_UNIX);
    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
        assert_int_equal(tr_socket_write_text(client.socket, writes[i].text, writes[i].encoding), TR_OK);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        assert_int_equal(tr_socket_write_text(client.socket, refusals[i].text, refusals[i].encoding),
                         refusals[i].status);
    assert_int_equal(tr_socket_write_text(NULL, "x", TR_ENCODING_UTF8), TR_EINVAL);
    shutdown(peer.fd, SHUT_WR);
    end_and_read();
}

static void
a_text_is_written_in_any_encoding_and_a_malformed_one_not_at_all(void **state)
{
    (void)state;
    stage_play(1, play_texts);
    static const char expected[] = "n\xff\xc3\xa4\xe4\xe4hi?\x3f>?\x3f>u";
    assert_int_equal(peer.bytes, sizeof(expected)); /* the last is 'u' and a zero byte */
    assert_memory_equal(peer.text, expected, sizeof(expected));
    assert_string_equal(client.log, "end close");
}

/* Ending with a callback. */

static bool
comes_in(int fd)
{
    return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, (int)TESTS_LIMIT_MS) == 1;
}

static void
ended(tr_socket *socket, void *argument, tr_status status)
{
    char byte;
    ssize_t size = -1;
    note_written(socket, argument, status);
    if (status != TR_OK)
        return;
    while (comes_in(peer.fd) && (size = recv(peer.fd, &byte, 1, MSG_DONTWAIT)) == 1)
        peer.bytes++;
    assert_int_equal(size, 0); /* the end has gone already: nobody sends it while we wait here */
}

static void
play_end_then(void)
{
    open_pair(AF_INET);
    assert_int_equal(write_told(text("a"), "a"), TR_OK);
    assert_int_equal(tr_socket_end_then(client.socket, text("bc"), ended, (void *)(uintptr_t) "end"), TR_OK);
    assert_string_equal(client.log, "");
    stage_settled(read_late, NULL);
    end_when_done();
}

static void
the_callback_of_an_end_comes_when_the_fin_has_gone(void **state)
{
    (void)state;
    stage_play(1, play_end_then);
    assert_string_equal(client.log, "a:OK end:OK end close");
    assert_int_equal(peer.bytes, 3);
}

static void
end_late(void *argument)
{
    (void)argument;
    assert_int_equal(tr_socket_end_then(client.socket, nothing(), note_written, (void *)(uintptr_t) "late"), TR_OK);
    stage_settled(read_late, NULL);
}

static void
play_end_twice(void)
{
    open_pair(AF_INET);
    assert_int_equal(tr_socket_end_then(client.socket, text("x"), ended, (void *)(uintptr_t) "one"), TR_OK);
    assert_int_equal(tr_socket_end_then(client.socket, nothing(), ended, (void *)(uintptr_t) "two"), TR_OK);
    stage_settled(end_late, NULL);
    end_when_done();
}

static void
every_end_is_called_back_and_a_late_one_hears_that_it_is_over(void **state)
{
    (void)state;
    stage_play(1, play_end_twice);
    assert_string_equal(client.log, "one:OK two:OK late:ERR_STREAM_ALREADY_FINISHED end close");
}

static void
play_end_then_behind_a_queue(void)
{
    open_pair(AF_INET);
    assert_int_equal(write_told(pattern(BIG), "big"), TR_QUEUED);
    assert_int_equal(tr_socket_end_then(client.socket, text("x"), note_written, (void *)(uintptr_t) "one"), TR_QUEUED);
    assert_int_equal(tr_socket_end_then(client.socket, nothing(), note_written, (void *)(uintptr_t) "two"), TR_OK);
    stage_settled(read_late, NULL);
    end_when_done();
}

static void
an_end_waits_for_what_was_written_before(void **state)
{
    (void)state;
    stage_play(1, play_end_then_behind_a_queue);
    assert_null(strstr(client.log, "drain"));
    assert_string_equal(client.log, "big:OK one:OK two:OK end close");
    assert_int_equal(peer.bytes, BIG + 1);
}

static void
play_lost_end(void)
{
    open_pair(AF_INET);
    assert_int_equal(write_told(pattern(BIG), "big"), TR_QUEUED);
    assert_int_equal(tr_socket_end_then(client.socket, nothing(), note_written, (void *)(uintptr_t) "end"), TR_OK);
    tr_socket_destroy(client.socket, TR_EIO);
    assert_int_equal(tr_socket_end_then(client.socket, nothing(), note_written, (void *)(uintptr_t) "late"),
                     TR_EDESTROYED);
    stage_read(&peer);
    end_when_done();
}

static void
an_end_that_never_comes_is_called_back_with_the_error(void **state)
{
    (void)state;
    stage_play(1, play_lost_end);
    assert_string_equal(client.log, "EIO late:ERR_STREAM_DESTROYED big:EIO end:EIO close!");
}

static void
play_end_before_connect(void)
{
    connect_to_raw((struct tr_socket_options){0}, read_late);
    assert_int_equal(tr_socket_end_then(client.socket, nothing(), note_written, (void *)(uintptr_t) "end"), TR_OK);
    end_when_done();
}

static void
an_end_before_connect_ends_the_connection_when_it_is_there(void **state)
{
    (void)state;
    stage_play(1, play_end_before_connect);
    assert_string_equal(client.log, "connect ready end:OK end close");
}

static void
play_plain_end_before_connect(void)
{
    connect_to_raw((struct tr_socket_options){0}, read_late);
    assert_int_equal(tr_socket_end(client.socket), TR_OK);
    end_when_done();
}

static void
a_plain_end_before_connect_does_so_too(void **state)
{
    (void)state;
    stage_play(1, play_plain_end_before_connect);
    assert_string_equal(client.log, "connect ready end close");
}

/* Refusals. */

static void
play_write_without_connection(void)
{
    struct tr_socket_options options = {.events = &endpoint_events, .data = &client};
    peer.ended = true;
    assert_int_equal(tr_socket_spawn(director, &options, &client.socket), TR_OK);
    assert_int_equal(write_told(text("x"), "x"), TR_ESOCKETCLOSED);
    assert_true(tr_socket_destroyed(client.socket));
    assert_int_equal(say(client.socket, "x"), TR_EDESTROYED);
    assert_string_equal(client.log, "");
    end_when_done();
}

static void
a_write_before_connect_was_asked_for_destroys_the_socket(void **state)
{
    (void)state;
    stage_play(1, play_write_without_connection);
    assert_string_equal(client.log, "x:ERR_SOCKET_CLOSED ERR_SOCKET_CLOSED close!");
    assert_string_equal(client.call, "write");
}

/* It is EPIPE only where our side ended because the peer's did. */
static void
ends_then_writes(struct endpoint *self, const char *event)
{
    if (!is(event, "end"))
        return;
    assert_int_equal(tr_socket_end(self->socket), TR_OK);
    assert_int_equal(write_told(text("x"), "x"), TR_EWRITEAFTEREND);
}

static void
play_half_open_end(void)
{
    client.hook = ends_then_writes;
    open_pair_as(AF_UNIX, (struct tr_socket_options){.allow_half_open = true});
    shutdown(peer.fd, SHUT_WR);
    stage_read(&peer);
    end_when_done();
}

static void
a_half_open_socket_that_ended_its_side_has_written_after_the_end(void **state)
{
    (void)state;
    stage_play(1, play_half_open_end);
    assert_string_equal(client.log, "end x:ERR_STREAM_WRITE_AFTER_END ERR_STREAM_WRITE_AFTER_END close!");
}

static void
write_to_nobody(void *argument)
{
    (void)argument;
    if (client.socket == NULL || tr_socket_destroyed(client.socket))
        return;
    tr_socket_write(client.socket, "x", 1);
    stage_after(2, write_to_nobody, NULL);
}

static void
play_peer_is_gone(void)
{
    open_pair_as(AF_UNIX, (struct tr_socket_options){.allow_half_open = true});
    close(peer.fd);
    peer.ended = true;
    write_to_nobody(NULL);
    end_when_done();
}

static void
writing_to_a_peer_that_is_gone_is_a_broken_pipe(void **state)
{
    (void)state;
    stage_play(1, play_peer_is_gone);
    assert_non_null(strstr(client.log, "EPIPE close!"));
}

/* A cork over a queue: room in the kernel means nothing, so the worker sleeps. */

#define CORKED_MS 200u

static double
cpu_seconds_of_this_thread(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_when_corked;

/* The director lives on the socket's worker, so the thread is the one that would spin. */
static void
uncork_after_a_rest(void *argument)
{
    (void)argument;
    assert_true(tr_socket_buffered(client.socket) > 0);
    assert_true(cpu_seconds_of_this_thread() - cpu_when_corked < CORKED_MS / 2 / 1000.0);
    tr_socket_uncork(client.socket);
    end_and_read();
}

static void
cork_a_queue(void *argument)
{
    static char bytes[65536];
    (void)argument;
    tr_socket_cork(client.socket);
    for (ssize_t size; (size = recv(peer.fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0;)
        peer.bytes += (size_t)size;
    cpu_when_corked = cpu_seconds_of_this_thread();
    stage_after(CORKED_MS, uncork_after_a_rest, NULL);
}

static void
play_cork_over_a_queue(void)
{
    open_pair(AF_UNIX);
    assert_int_equal(write_told(pattern(BIG), "big"), TR_QUEUED);
    stage_settled(cork_a_queue, NULL);
}

static void
a_cork_over_a_queue_lets_the_worker_sleep(void **state)
{
    (void)state;
    stage_play(1, play_cork_over_a_queue);
    assert_int_equal(peer.bytes, BIG);
    assert_string_equal(client.log, "big:OK end close");
}

/* A drain says that nothing waits, so it is not told while a later write does. */

static void
nothing_waits_at_drain(struct endpoint *self, const char *event)
{
    if (!is(event, "drain"))
        return;
    assert_int_equal(tr_socket_buffered(self->socket), 0);
    tr_socket_end(self->socket);
}

static void
play_write_before_drain(void)
{
    open_pair(AF_UNIX);
    client.hook = nothing_waits_at_drain;
    tr_socket_cork(client.socket);
    assert_int_equal(tr_socket_write_slice(client.socket, pattern(20000)), TR_QUEUED);
    tr_socket_uncork(client.socket);
    assert_int_equal(tr_socket_buffered(client.socket), 0);
    assert_int_equal(tr_socket_write_slice(client.socket, pattern(BIG)), TR_QUEUED);
    stage_settled(read_late, NULL);
    end_when_done();
}

static void
a_drain_that_is_due_waits_for_what_was_written_meanwhile(void **state)
{
    (void)state;
    stage_play(1, play_write_before_drain);
    assert_string_equal(client.log, "drain end close");
    assert_int_equal(peer.bytes, 20000 + BIG);
}

static void
end_client(void *argument)
{
    (void)argument;
    tr_socket_end(client.socket);
}

static void
write_under_a_cork(void *argument)
{
    (void)argument;
    tr_socket_cork(client.socket);
    assert_int_equal(write_told(text("0123456789"), "small"), TR_OK);
    assert_int_equal(tr_socket_uncork(client.socket), TR_OK);
    stage_settled(end_client, NULL);
}

static bool
peer_has_read_big(void)
{
    return strstr(client.log, "big:OK") != NULL && peer.bytes == 200000;
}

static void
play_one_drain(void)
{
    open_narrow_as((struct tr_socket_options){0});
    assert_int_equal(write_told(pattern(200000), "big"), TR_QUEUED);
    stage_read(&peer);
    stage_when(peer_has_read_big, write_under_a_cork, NULL);
    end_when_done();
}

static void
a_drain_is_told_once(void **state)
{
    (void)state;
    stage_play(1, play_one_drain);
    assert_string_equal(client.log, "drain big:OK small:OK end close");
    assert_int_equal(peer.bytes, 200010);
}

static void
play_cork_after_end(void)
{
    open_pair(AF_UNIX);
    assert_int_equal(write_told(pattern(BIG), "big"), TR_QUEUED);
    assert_int_equal(tr_socket_end(client.socket), TR_OK);
    tr_socket_cork(client.socket);
    stage_settled(read_late, NULL);
    end_when_done();
}

static void
a_cork_after_the_end_holds_nothing_back(void **state)
{
    (void)state;
    stage_play(1, play_cork_after_end);
    assert_string_equal(client.log, "big:OK end close");
    assert_int_equal(peer.bytes, BIG);
}

/* As a record it would be an end. */
static void
play_nothing_as_a_record(void)
{
    open_records();
    assert_int_equal(write_told(text(""), "nothing"), TR_OK);
    assert_int_equal(say(client.socket, "a"), TR_OK);
    tr_socket_cork(client.socket);
    assert_int_equal(say(client.socket, ""), TR_OK);
    assert_int_equal(tr_socket_uncork(client.socket), TR_OK);
    assert_int_equal(say(client.socket, "b"), TR_OK);
    shutdown(peer.fd, SHUT_WR);
    end_and_read();
}

static void
a_write_of_nothing_is_no_record(void **state)
{
    (void)state;
    stage_play(1, play_nothing_as_a_record);
    assert_string_equal(client.log, "nothing:OK end close");
    assert_string_equal(peer.text, "ab");
}

static void
play_nothing_over_the_limit(void)
{
    open_narrow_as((struct tr_socket_options){.write_limit = 1000});
    assert_int_equal(tr_socket_write_slice(client.socket, pattern(200000)), TR_QUEUED);
    assert_true(tr_socket_buffered(client.socket) > 1000);
    assert_int_equal(say(client.socket, "x"), TR_EQUEUELIMIT);
    assert_true(write_told(text(""), "nothing") >= TR_OK);
    assert_int_equal(tr_remote_end_with(director, tr_socket_ref(client.socket), text("")), TR_OK);
    stage_settled(read_late, NULL);
    end_when_done();
}

static void
a_write_of_nothing_is_never_over_the_limit(void **state)
{
    (void)state;
    stage_play(1, play_nothing_over_the_limit);
    assert_string_equal(client.log, "nothing:OK end close");
    assert_int_equal(peer.bytes, 200000);
}

/* An eventfd takes 8 bytes and no others: the kernel's EINVAL is the caller's. */
static void
play_impossible_write(void)
{
    static const uint64_t one = 1;
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_true(fd >= 0);
    stage_adopt(&client, fd);
    peer.ended = true;
    assert_int_equal(write_told(text("abc"), "never"), TR_EINVAL);
    assert_false(tr_socket_destroyed(client.socket));
    assert_int_equal(write_told(tr_slice_constant(&one, sizeof(one)), "one"), TR_OK);
    stage_settled(destroy_client, NULL);
    end_when_done();
}

static void
a_write_that_the_kernel_calls_invalid_changes_nothing(void **state)
{
    (void)state;
    stage_play(1, play_impossible_write);
    assert_non_null(strstr(client.log, "one:OK"));
    assert_null(strstr(client.log, "never"));
    assert_null(strstr(client.log, "close!"));
}

/* The order of what is due, and of callbacks: net/socket/steps.c, net/stream/callbacks.c. Scenarios play most of it. */

#define MORE_THAN_ONE_READ 120000u

static void
answers_the_first(struct endpoint *self, const char *event)
{
    static const char name[] = "answer";
    if (is(event, "data") && self->bytes <= 65536)
        assert_int_equal(write_told(text("a"), name), TR_OK);
}

static void
play_two_reads(void)
{
    client.hook = answers_the_first;
    open_pair(AF_UNIX);
    assert_int_equal(write(peer.fd, pattern(MORE_THAN_ONE_READ).data, MORE_THAN_ONE_READ), MORE_THAN_ONE_READ);
    shutdown(peer.fd, SHUT_WR);
    stage_read(&peer);
    end_when_done();
}

static void
what_a_read_makes_due_comes_before_the_next_read(void **state)
{
    (void)state;
    stage_play(1, play_two_reads);
    assert_string_equal(client.log, "data answer:OK data end close");
    assert_int_equal(client.bytes, MORE_THAN_ONE_READ);
}

static bool
client_closed(void)
{
    return client.closed;
}

static void
play_end_and_broken_pipe(void)
{
    open_pair(AF_UNIX);
    assert_int_equal(write_told(pattern(BIG), "big"), TR_QUEUED);
    assert_true(tests_peer_send(peer.fd, "x", 1));
    shutdown(peer.fd, SHUT_RDWR); /* both are seen in one wake */
    stage_when(client_closed, read_late, NULL);
    end_when_done();
}

static void
what_a_read_makes_due_comes_before_writing_goes_on(void **state)
{
    (void)state;
    stage_play(1, play_end_and_broken_pipe);
    assert_string_equal(client.log, "data:x end big:EPIPE EPIPE close!");
}

/* A socket to which others send all the time does not wait for ever with what is due. */

#define MESSAGES_AT_MOST 5000000u

static unsigned messages;
static bool is_told;

static void
tells(tr_socket *socket, void *argument, tr_status status)
{
    note_written(socket, argument, status);
    is_told = true;
}

static void
send_to_itself(tr_socket *socket)
{
    tr_message next = tr_message_signal(1);
    assert_int_equal(tr_send(tr_socket_actor(socket), tr_socket_ref(socket), &next), TR_OK);
}

static void
goes_on_sending(tr_socket *socket, tr_message *message)
{
    (void)message;
    if (messages++ == 0)
        assert_int_equal(tr_socket_write_then(socket, text("a"), tells, "a"), TR_OK);
    if (!is_told && messages < MESSAGES_AT_MOST)
        send_to_itself(socket);
    else
        tr_socket_end(socket);
}

static void
play_busy_mailbox(void)
{
    static struct tr_socket_events events;
    events = endpoint_events;
    events.message = goes_on_sending;
    messages = 0;
    is_told = false;
    open_pair_as(AF_UNIX, (struct tr_socket_options){.events = &events});
    send_to_itself(client.socket);
    stage_read(&peer);
    end_when_done();
}

static void
what_is_due_waits_for_messages_but_not_without_an_end(void **state)
{
    (void)state;
    stage_play(1, play_busy_mailbox);
    assert_string_equal(client.log, "a:OK end close");
    assert_in_range(messages, 2, MESSAGES_AT_MOST - 1);
}

/* A handler that does a list of things at once: each letter is one. */
static const char *script;

static void
do_script(void)
{
    static const char *const names[] = {"1", "2", "3", "4", "5"};
    for (unsigned i = 0; script[i] != '\0'; i++) {
        void *name = (void *)(uintptr_t)names[i];
        switch (script[i]) {
        case 'w': tr_socket_write_then(client.socket, text("x"), note_written, name); break;
        case 'W': tr_socket_write(client.socket, "x", 1); break;
        case 'e': tr_socket_end_then(client.socket, nothing(), note_written, name); break;
        case 'x': tr_socket_end_then(client.socket, text("x"), note_written, name); break;
        case 'n': tr_socket_end_then(client.socket, text(""), note_written, name); break;
        case 'E': tr_socket_end(client.socket); break;
        case 'd': tr_socket_destroy(client.socket, TR_OK); break;
        case 'r': tr_socket_reset(client.socket); break;
        default: tr_socket_destroy(client.socket, TR_EIO); break;
        }
    }
}

static void
play_script_on_open(void)
{
    open_pair(AF_UNIX);
    do_script();
    stage_read(&peer);
    end_when_done();
}

static void
play_script_on_broken(void)
{
    open_pair(AF_UNIX);
    close(peer.fd);
    peer.ended = true;
    do_script();
    assert_int_equal(tr_socket_bytes_written(client.socket), 1); /* the first was offered, others are not */
    end_when_done();
}

static void
play_script_on_new(void)
{
    struct tr_socket_options options = {.events = &endpoint_events, .data = &client};
    peer.ended = true;
    assert_int_equal(tr_socket_spawn(director, &options, &client.socket), TR_OK);
    do_script();
    end_when_done();
}

#define WAE "ERR_STREAM_WRITE_AFTER_END"
#define GONE "ERR_STREAM_DESTROYED"
#define CLOSED "ERR_SOCKET_CLOSED"

/* As Node 20 plays them. */
static const struct {
    void (*play)(void);
    const char *script, *log;
} orders[] = {
    {play_script_on_open, "wew", "1:OK 2:" WAE " 3:" WAE " " WAE " close!"},
    {play_script_on_open, "Eww", "2:" WAE " " WAE " 3:" WAE " close!"},
    {play_script_on_open, "ex", "1:" WAE " " WAE " 2:" WAE " close!"},
    {play_script_on_open, "eD", "1:EIO EIO close!"},
    {play_script_on_open, "ed", "1:" GONE " close"},
    {play_script_on_open, "wDwe", "1:OK EIO 3:" GONE " 4:" GONE " close!"},
    {play_script_on_open, "dEw", "3:" WAE " close"},
    {play_script_on_open, "DEw", "EIO 3:" GONE " close!"},
    {play_script_on_open, "Wew", "3:" WAE " 2:" WAE " " WAE " close!"},
    {play_script_on_open, "wWew", "1:OK 3:" WAE " 4:" WAE " " WAE " close!"},
    {play_script_on_open, "wdw", "1:OK 3:" GONE " close"},
    {play_script_on_open, "EeD", "2:EIO EIO close!"},
    {play_script_on_open, "Wed", "2:" GONE " close"},
    {play_script_on_open, "wedw", "1:OK 2:" GONE " 4:" WAE " close"},
    {play_script_on_open, "En", WAE " 2:" WAE " close!"},
    {play_script_on_broken, "w", "1:EPIPE EPIPE close!"},
    {play_script_on_broken, "ww", "1:EPIPE 2:EPIPE EPIPE close!"},
    {play_script_on_broken, "wd", "1:EPIPE close"},
    {play_script_on_broken, "wD", "1:EPIPE EIO close!"},
    {play_script_on_broken, "weD", "1:EPIPE 2:EPIPE EIO close!"},
    {play_script_on_broken, "wr", "1:EPIPE close"},
    {play_script_on_new, "ww", "1:" CLOSED " 2:" CLOSED " " CLOSED " close!"},
    {play_script_on_new, "wew", "1:" CLOSED " 3:" CLOSED " 2:" CLOSED " " CLOSED " close!"},
    {play_script_on_new, "xw", "2:" CLOSED " 1:" CLOSED " " CLOSED " close!"},
    {play_script_on_new, "eww", "2:" WAE " 1:" WAE " " WAE " close! 3:" WAE},
    {play_script_on_new, "eD", "1:EIO EIO close!"},
    {play_script_on_new, "Dw", "EIO close! 2:" GONE},
    {play_script_on_new, "Ddw", "EIO close! 3:" GONE},
    {play_script_on_new, "wEw", "1:" CLOSED " 3:" CLOSED " " CLOSED " close!"},
    {play_script_on_new, "exw", "1:" WAE " " WAE " close! 2:" WAE " 3:" WAE},
    {play_script_on_new, "dew", "close 2:" GONE " 3:" WAE}, /* Node never calls 2 */
};

static void
callbacks_of_one_handler_come_in_nodes_order(void **state)
{
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        cast_reset(state);
        script = orders[i].script;
        stage_play(1, orders[i].play);
        assert_string_equal(client.log, orders[i].log);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(corked_writes_leave_in_one_system_call, cast_reset),
        cmocka_unit_test_setup(corks_nest, cast_reset),
        cmocka_unit_test_setup(uncork_says_that_part_of_it_waits_and_then_drain_comes, cast_reset),
        cmocka_unit_test_setup(uncork_says_for_which_error_the_socket_is_destroyed, cast_reset),
        cmocka_unit_test_setup(end_uncorks, cast_reset),
        cmocka_unit_test_setup(an_end_that_comes_of_the_peers_uncorks_too, cast_reset),
        cmocka_unit_test_setup(corked_writes_are_lost_with_their_socket, cast_reset),
        cmocka_unit_test_setup(what_was_corked_before_connect_waits_for_uncork, cast_reset),
        cmocka_unit_test_setup(what_is_uncorked_in_the_connect_event_is_told_before_ready, cast_reset),
        cmocka_unit_test_setup(before_connect_a_write_is_queued_from_16_kib_on, cast_reset),
        cmocka_unit_test_setup(a_hundred_corked_writes_are_one_segment, cast_reset),
        cmocka_unit_test_setup(several_slices_are_one_write_without_a_drain_if_the_kernel_takes_it, cast_reset),
        cmocka_unit_test_setup(two_thousand_slices_are_two_system_calls, cast_reset),
        cmocka_unit_test_setup(slices_that_are_taken_in_parts_arrive_whole, cast_reset),
        cmocka_unit_test_setup(a_kernel_that_takes_little_gets_everything_in_order, cast_reset),
        cmocka_unit_test_setup(a_write_over_the_limit_is_refused_whole_and_changes_nothing, cast_reset),
        cmocka_unit_test_setup(the_limit_itself_may_wait, cast_reset),
        cmocka_unit_test_setup(so_many_small_writes_may_wait_and_those_that_have_gone_do_not, cast_reset),
        cmocka_unit_test_setup(a_write_from_a_distance_over_the_limit_destroys_the_socket, cast_reset),
        cmocka_unit_test_setup(what_the_kernel_takes_at_once_is_under_any_mark, cast_reset),
        cmocka_unit_test_setup(a_write_that_is_not_finished_counts_whole, cast_reset),
        cmocka_unit_test_setup(a_write_that_is_finished_counts_no_more, cast_reset),
        cmocka_unit_test_setup(a_mark_holds_before_connect_too, cast_reset),
        cmocka_unit_test_setup(a_text_is_written_in_any_encoding_and_a_malformed_one_not_at_all, cast_reset),
        cmocka_unit_test_setup(the_callback_of_an_end_comes_when_the_fin_has_gone, cast_reset),
        cmocka_unit_test_setup(every_end_is_called_back_and_a_late_one_hears_that_it_is_over, cast_reset),
        cmocka_unit_test_setup(an_end_waits_for_what_was_written_before, cast_reset),
        cmocka_unit_test_setup(an_end_that_never_comes_is_called_back_with_the_error, cast_reset),
        cmocka_unit_test_setup(an_end_before_connect_ends_the_connection_when_it_is_there, cast_reset),
        cmocka_unit_test_setup(a_plain_end_before_connect_does_so_too, cast_reset),
        cmocka_unit_test_setup(a_write_before_connect_was_asked_for_destroys_the_socket, cast_reset),
        cmocka_unit_test_setup(a_half_open_socket_that_ended_its_side_has_written_after_the_end, cast_reset),
        cmocka_unit_test_setup(writing_to_a_peer_that_is_gone_is_a_broken_pipe, cast_reset),
        cmocka_unit_test_setup(a_cork_over_a_queue_lets_the_worker_sleep, cast_reset),
        cmocka_unit_test_setup(a_drain_that_is_due_waits_for_what_was_written_meanwhile, cast_reset),
        cmocka_unit_test_setup(a_drain_is_told_once, cast_reset),
        cmocka_unit_test_setup(a_cork_after_the_end_holds_nothing_back, cast_reset),
        cmocka_unit_test_setup(a_write_of_nothing_is_no_record, cast_reset),
        cmocka_unit_test_setup(a_write_of_nothing_is_never_over_the_limit, cast_reset),
        cmocka_unit_test_setup(a_write_that_the_kernel_calls_invalid_changes_nothing, cast_reset),
        cmocka_unit_test_setup(what_a_read_makes_due_comes_before_the_next_read, cast_reset),
        cmocka_unit_test_setup(what_a_read_makes_due_comes_before_writing_goes_on, cast_reset),
        cmocka_unit_test_setup(what_is_due_waits_for_messages_but_not_without_an_end, cast_reset),
        cmocka_unit_test_setup(callbacks_of_one_handler_come_in_nodes_order, cast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
