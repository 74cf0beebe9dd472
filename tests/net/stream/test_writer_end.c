/*
 * Ends of our side: when they are called back, and what a write is told that comes too late or too early.
 */
#include "cast.h"
#include "helpers.h"
#include "writer_play.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

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
    open_writer(AF_INET);
    assert_int_equal(write_named(text_slice("a"), "a"), TR_OK);
    assert_int_equal(tr_socket_end_then(client.socket, text_slice("bc"), ended, (void *)(uintptr_t) "end"), TR_OK);
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
    open_writer(AF_INET);
    assert_int_equal(tr_socket_end_then(client.socket, text_slice("x"), ended, (void *)(uintptr_t) "one"), TR_OK);
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
play_impossible_end(void)
{
    tr_slice impossible = {.data = "x", .size = (size_t)PTRDIFF_MAX + 1};
    open_writer(AF_INET);
    tr_socket_destroy(client.socket, TR_OK);
    assert_int_equal(tr_socket_end_then(client.socket, impossible, note_written, (void *)(uintptr_t) "end"), TR_EINVAL);
    stage_read(&peer);
    end_when_done();
}

static void
an_end_that_is_refused_for_its_own_sake_is_not_called_back_after_destroy_either(void **state)
{
    (void)state;
    stage_play(1, play_impossible_end);
    assert_string_equal(client.log, "close");
}

static void
play_end_then_behind_a_queue(void)
{
    open_writer(AF_INET);
    assert_int_equal(write_named(pattern(BIG), "big"), TR_QUEUED);
    assert_int_equal(tr_socket_end_then(client.socket, text_slice("x"), note_written, (void *)(uintptr_t) "one"),
                     TR_QUEUED);
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
    open_writer(AF_INET);
    assert_int_equal(write_named(pattern(BIG), "big"), TR_QUEUED);
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
    assert_int_equal(write_named(text_slice("x"), "x"), TR_ESOCKETCLOSED);
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
    assert_int_equal(write_named(text_slice("x"), "x"), TR_EWRITEAFTEREND);
}

static void
play_half_open_end(void)
{
    client.hook = ends_then_writes;
    open_writer_as(AF_UNIX, (struct tr_socket_options){.allow_half_open = true});
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
    open_writer_as(AF_UNIX, (struct tr_socket_options){.allow_half_open = true});
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_callback_of_an_end_comes_when_the_fin_has_gone, cast_reset),
        cmocka_unit_test_setup(every_end_is_called_back_and_a_late_one_hears_that_it_is_over, cast_reset),
        cmocka_unit_test_setup(an_end_that_is_refused_for_its_own_sake_is_not_called_back_after_destroy_either,
                               cast_reset),
        cmocka_unit_test_setup(an_end_waits_for_what_was_written_before, cast_reset),
        cmocka_unit_test_setup(an_end_that_never_comes_is_called_back_with_the_error, cast_reset),
        cmocka_unit_test_setup(an_end_before_connect_ends_the_connection_when_it_is_there, cast_reset),
        cmocka_unit_test_setup(a_plain_end_before_connect_does_so_too, cast_reset),
        cmocka_unit_test_setup(a_write_before_connect_was_asked_for_destroys_the_socket, cast_reset),
        cmocka_unit_test_setup(a_half_open_socket_that_ended_its_side_has_written_after_the_end, cast_reset),
        cmocka_unit_test_setup(writing_to_a_peer_that_is_gone_is_a_broken_pipe, cast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
