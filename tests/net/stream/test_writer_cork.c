/*
 * Corks: what is written under one leaves in one system call, when it is taken off.
 *
 * The peer is a SOCK_SEQPACKET socket: there each call of the writer's is one record, so the peer's reads count them.
 */
#include "cast.h"
#include "fds.h"
#include "writer_play.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static bool
peer_has_something(void)
{
    char byte;
    return recv(peer.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

/* Cork. */

static void
play_cork(void)
{
    open_records();
    tr_socket_cork(client.socket);
    assert_int_equal(write_named(text_slice("a"), "a"), TR_OK);
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
    open_writer(AF_UNIX);
    tr_socket_cork(client.socket);
    assert_int_equal(write_named(text_slice("a"), "a"), TR_OK);
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
    open_writer(AF_UNIX);
    tr_socket_cork(client.socket);
    assert_int_equal(write_named(text_slice("a"), "a"), TR_OK);
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
    assert_int_equal(write_named(pattern(CORKED_BYTES), "a"), TR_OK);
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
    open_writer(AF_UNIX);
    tr_socket_cork(client.socket);
    assert_int_equal(write_named(text_slice("a"), "a"), TR_OK);
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

static void
uncork_and_end(void *argument)
{
    (void)argument;
    assert_false(peer_has_something());
    tr_socket_uncork(client.socket);
    shutdown(peer.fd, SHUT_WR);
    end_and_read();
}

static void
play_cork_before_connect(void)
{
    connect_to_raw((struct tr_socket_options){0}, uncork_and_end);
    tr_socket_cork(client.socket);
    assert_int_equal(tr_socket_uncork(client.socket), TR_OK);
    tr_socket_cork(client.socket);
    assert_int_equal(write_named(text_slice("a"), "a"), TR_OK);
    assert_int_equal(write_named(text_slice("b"), "b"), TR_OK);
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
    assert_int_equal(write_named(text_slice("a"), "a"), TR_OK);
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
    open_writer_as(AF_INET, (struct tr_socket_options){.no_delay = true});
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
    open_writer(AF_UNIX);
    assert_int_equal(write_named(pattern(BIG), "big"), TR_QUEUED);
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

static void
play_cork_after_end(void)
{
    open_writer(AF_UNIX);
    assert_int_equal(write_named(pattern(BIG), "big"), TR_QUEUED);
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
        cmocka_unit_test_setup(a_cork_over_a_queue_lets_the_worker_sleep, cast_reset),
        cmocka_unit_test_setup(a_cork_after_the_end_holds_nothing_back, cast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
