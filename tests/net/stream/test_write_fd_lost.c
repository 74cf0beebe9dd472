/*
 * Descriptors that nobody takes, or that cannot be sent: none is left open by anybody. stage_play() counts them.
 */
#include "cast.h"
#include "fd_play.h"
#include "fds.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

/* Nobody takes them. */

static const struct tr_socket_events *without_fd(void);

static void
play_no_callback(void)
{
    open_sockets((struct tr_socket_options){.receive_fds = true, .events = without_fd()});
    write_many();
    tr_socket_end(sender.socket);
    end_when_receiver_is_closed();
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
    end_when_receiver_is_closed();
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
    assert_int_equal(pipe(pipe_ends), 0);
    close(pipe_ends[0]);
    assert_int_equal(write_fd("", pipe_ends[1], "never"), TR_EINVAL);
    assert_int_equal(tr_socket_write_fd(sender.socket, tr_slice_constant(NULL, 1), pipe_ends[1], NULL, NULL),
                     TR_EINVAL);
    assert_int_equal(tr_socket_write_fd(NULL, text_slice("x"), pipe_ends[1], NULL, NULL), TR_EINVAL);
    assert_int_equal(write_fd("x", -1, "w"), TR_EBADF);
    assert_int_equal(write_fd("x", pipe_ends[0], "w"), TR_EBADF);
    close(pipe_ends[1]);
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
    assert_int_equal(pipe(pipe_ends), 0);
    receiver.hook = reads_the_pipe;
    open_sockets((struct tr_socket_options){.receive_fds = true});
    tr_ref ref = tr_socket_ref(sender.socket);
    assert_int_equal(tr_remote_write_fd(NULL, ref, text_slice("x"), pipe_ends[1]), TR_EINVAL);
    assert_int_equal(tr_remote_write_fd(director, ref, text_slice(""), pipe_ends[1]), TR_EINVAL);
    assert_int_equal(tr_remote_write_fd(director, ref, tr_slice_constant(NULL, 1), pipe_ends[1]), TR_EINVAL);
    assert_int_equal(tr_remote_write_fd(director, ref, text_slice("x"), -1), TR_EBADF);
    assert_int_equal(tr_remote_write_fd(director, TR_NOBODY, text_slice("x"), pipe_ends[1]), TR_EBADREF);
    assert_int_equal(tr_remote_write_fd(director, ref, text_slice("abc"), pipe_ends[1]), TR_OK);
    close(pipe_ends[1]); /* a duplicate is on its way, and none of those that were refused */
    assert_int_equal(tr_remote_end(director, ref), TR_OK);
    end_when_receiver_is_closed();
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
    assert_int_equal(pipe(pipe_ends), 0);
    close(pipe_ends[0]);
    assert_int_equal(tr_remote_write_fd(director, tr_socket_ref(sender.socket), text_slice("x"), pipe_ends[1]), TR_OK);
    close(pipe_ends[1]);
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
        cmocka_unit_test_setup(without_a_callback_descriptors_are_closed, fd_reset),
        cmocka_unit_test_setup(without_the_option_descriptors_are_not_let_in, fd_reset),
        cmocka_unit_test_setup(descriptors_that_nobody_reads_are_closed_with_their_socket, fd_reset),
        cmocka_unit_test_setup(a_peer_that_dies_leaves_no_descriptor_behind, fd_reset),
        cmocka_unit_test_setup(several_descriptors_of_one_message_are_told_one_by_one, fd_reset),
        cmocka_unit_test_setup(a_socket_that_is_destroyed_by_its_descriptor_gives_nothing_more, fd_reset),
        cmocka_unit_test_setup(a_descriptor_that_is_none_is_refused_and_leaves_the_socket_as_it_was, fd_reset),
        cmocka_unit_test_setup(tcp_takes_no_descriptor, fd_reset),
        cmocka_unit_test_setup(tcp_takes_none_while_it_connects_either, fd_reset),
        cmocka_unit_test_setup(another_actor_sends_a_duplicate_that_nobody_keeps, fd_reset),
        cmocka_unit_test_setup(what_another_actor_cannot_send_destroys_the_socket, fd_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
