/*
 * Sockets made from descriptors: of which kinds, with which sides, and whose a descriptor is that was refused.
 */
#include "cast.h"
#include "fds.h"
#include "helpers.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static tr_status
adopt(int fd, unsigned sides)
{
    /* A timeout needs memory of its own, which a refusal must give back. */
    struct tr_socket_options options = {.events = &endpoint_events, .data = &client, .timeout_ms = 10000};
    return tr_socket_adopt(director, fd, sides, &options, &client.socket);
}

static int family;

static void
play_both_sides(void)
{
    int fds[2];
    struct tr_address address;
    stage_pair(family, fds);
    assert_int_equal(fcntl(fds[0], F_SETFD, 0), 0);
    assert_int_equal(adopt(fds[0], TR_READABLE | TR_WRITABLE), TR_OK);
    assert_true((fcntl(fds[0], F_GETFD) & FD_CLOEXEC) != 0);
    assert_true((fcntl(fds[0], F_GETFL) & O_NONBLOCK) != 0);
    assert_int_equal(tr_socket_ready_state(client.socket), TR_STATE_OPEN);
    assert_false(tr_socket_connecting(client.socket));
    assert_false(tr_socket_pending(client.socket));
    tr_socket_remote_address(client.socket, &address);
    assert_int_equal(address.family, family == AF_UNIX ? TR_FAMILY_UNIX : TR_FAMILY_IPV4);
    peer.fd = fds[1];
    assert_true(tests_peer_send(peer.fd, "there", 5));
    assert_int_equal(say(client.socket, "back"), TR_OK);
    assert_string_equal(client.log, "");
    shutdown(peer.fd, SHUT_WR);
    stage_read(&peer);
    end_when_done();
}

static void
a_connected_descriptor_begins_without_a_connect_event(void **state)
{
    static const int families[] = {AF_INET, AF_UNIX};
    for (size_t i = 0; i < 2; i++) {
        cast_reset(state);
        family = families[i];
        stage_play(1, play_both_sides);
        assert_string_equal(client.log, "data:there end close");
        assert_string_equal(peer.text, "back");
    }
}

static void
play_readable_pipe(void)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(adopt(fds[0], TR_READABLE), TR_OK);
    assert_int_equal(tr_socket_ready_state(client.socket), TR_STATE_READ_ONLY);
    assert_int_equal(tr_socket_end(client.socket), TR_OK); /* it has ended already */
    assert_int_equal(write(fds[1], "water", 5), 5);
    close(fds[1]);
    peer.ended = true;
    end_when_done();
}

static void
the_end_of_a_pipe_can_be_read(void **state)
{
    (void)state;
    stage_play(1, play_readable_pipe);
    assert_string_equal(client.log, "data:water end close");
}

static void
play_write_on_a_readable_side(void)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    peer.fd = fds[1];
    assert_int_equal(adopt(fds[0], TR_READABLE), TR_OK);
    assert_int_equal(say(client.socket, "x"), TR_EWRITEAFTEREND);
    stage_read(&peer);
    end_when_done();
}

static void
writing_to_a_side_that_is_not_named_is_writing_after_the_end(void **state)
{
    (void)state;
    stage_play(1, play_write_on_a_readable_side);
    assert_string_equal(client.log, "ERR_STREAM_WRITE_AFTER_END close!");
    assert_int_equal(peer.bytes, 0);
}

static char drops[8];

static void
play_writable_pipe(void)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(adopt(fds[1], TR_WRITABLE), TR_OK);
    assert_int_equal(tr_socket_ready_state(client.socket), TR_STATE_WRITE_ONLY);
    assert_int_equal(say(client.socket, "drops"), TR_OK);
    assert_int_equal(read(fds[0], drops, sizeof(drops)), 5);
    close(fds[0]);
    tr_socket_end(client.socket);
    peer.ended = true;
    end_when_done();
}

static void
the_end_of_a_pipe_can_be_written(void **state)
{
    (void)state;
    stage_play(1, play_writable_pipe);
    assert_string_equal(drops, "drops");
    assert_string_equal(client.log, "close");
}

/* recv() knows no pipe, so the reader is another socket of ours. */
static struct endpoint reader;

static void
play_full_pipe(void)
{
    int fds[2];
    memset(&reader, 0, sizeof(reader));
    struct tr_socket_options options = {.events = &endpoint_events, .data = &reader};
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(adopt(fds[1], TR_WRITABLE), TR_OK);
    assert_int_equal(tr_socket_write_slice(client.socket, pattern(1u << 20)), TR_QUEUED);
    assert_int_equal(tr_socket_adopt(director, fds[0], TR_READABLE, &options, &reader.socket), TR_OK);
    tr_socket_end(client.socket);
    struct endpoint *both[] = {&client, &reader};
    stage_end_when_closed(both, 2);
}

static void
a_pipe_between_two_sockets_holds_no_byte_back(void **state)
{
    (void)state;
    stage_play(1, play_full_pipe);
    assert_int_equal(reader.bytes, 1u << 20);
    assert_int_equal(reader.sum, pattern_sum(1u << 20));
    assert_string_equal(client.log, "close");
    assert_string_equal(reader.log, "data end close");
}

static void
destroy_it(void *argument)
{
    (void)argument;
    assert_string_equal(client.log, "");
    assert_false(tr_socket_destroyed(client.socket));
    tr_socket_destroy(client.socket, TR_OK);
    stage_read(&peer);
}

/* The peer speaks, and our side is ended: neither is anything to this socket. */
static void
play_no_sides(void)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    peer.fd = fds[1];
    assert_int_equal(adopt(fds[0], 0), TR_OK);
    assert_true(tests_peer_send(peer.fd, "x", 1));
    assert_int_equal(tr_socket_end(client.socket), TR_OK);
    stage_settled(destroy_it, NULL);
    end_when_done();
}

static void
without_any_side_a_socket_is_open_until_it_is_destroyed(void **state)
{
    (void)state;
    stage_play(1, play_no_sides);
    assert_string_equal(client.log, "close");
    assert_int_equal(peer.bytes, 0);
}

static bool
closed(void)
{
    return client.closed;
}

static void
read_peer(void *argument)
{
    (void)argument;
    stage_read(&peer);
}

static tr_slice last;

static void
end_with_last(void *argument)
{
    (void)argument;
    assert_int_equal(tr_socket_end_then(client.socket, last, note_written, (void *)(uintptr_t) "end"), TR_OK);
}

/* What the peer sent lies unread in the descriptor, which is closed before the peer reads anything: a reset would drop
 * what the peer's kernel has no room for. */
#define FOR_THE_KERNEL 180000u

static void
play_not_readable(void)
{
    int fds[2], room = 1 << 20;
    stage_pair(AF_INET, fds);
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    peer.fd = fds[1];
    assert_int_equal(adopt(fds[0], TR_WRITABLE), TR_OK);
    assert_int_equal(tr_socket_ready_state(client.socket), TR_STATE_WRITE_ONLY);
    assert_true(tests_peer_send(peer.fd, "nobody reads this", 17));
    last = pattern(FOR_THE_KERNEL);
    stage_settled(end_with_last, NULL);
    stage_when(closed, read_peer, NULL);
    end_when_done();
}

static void
the_end_of_a_side_that_is_not_read_is_no_reset_and_loses_nothing(void **state)
{
    (void)state;
    stage_play(1, play_not_readable);
    assert_string_equal(client.log, "end:OK close");
    assert_int_equal(peer.error, 0);
    assert_int_equal(peer.bytes, FOR_THE_KERNEL);
    assert_int_equal(peer.sum, pattern_sum(FOR_THE_KERNEL));
}

static void
write_after_end(struct endpoint *self, const char *event)
{
    if (is(event, "close"))
        tr_socket_write_then(self->socket, tr_slice_constant("x", 1), note_written, (void *)(uintptr_t) "late");
}

static void
play_write_after_end_unread(void)
{
    int fds[2];
    struct tr_socket_options options = {.events = &endpoint_events, .data = &client, .keep = true};
    client.hook = write_after_end;
    stage_pair(AF_INET, fds);
    peer.fd = fds[1];
    assert_int_equal(tr_socket_adopt(director, fds[0], TR_WRITABLE, &options, &client.socket), TR_OK);
    assert_int_equal(tr_socket_end(client.socket), TR_OK);
    stage_read(&peer);
    end_when_done();
}

/* It is EPIPE only after the peer's end was told. */
static void
writing_after_the_end_of_a_side_that_is_not_read_is_no_broken_pipe(void **state)
{
    (void)state;
    stage_play(1, play_write_after_end_unread);
    assert_string_equal(client.log, "close late:ERR_STREAM_WRITE_AFTER_END");
}

/* Refusals: the descriptor stays the caller's. */

static void
refuse(int fd, tr_status status)
{
    assert_int_equal(adopt(fd, TR_READABLE | TR_WRITABLE), status);
    assert_null(client.socket);
    assert_int_equal(close(fd), 0);
}

static void
play_refusals(void)
{
    uint16_t port;
    int fds[2];
    refuse(file_new(), TR_EBADFD);
    refuse(open("/", O_RDONLY | O_CLOEXEC), TR_EBADFD);
    refuse(tests_peer_listen(&port), TR_EBADFD);
    refuse(socket(AF_INET, SOCK_STREAM, 0), TR_ENOTCONN);
    refuse(socket(AF_UNIX, SOCK_STREAM, 0), TR_ENOTCONN);
    assert_int_equal(adopt(-1, TR_READABLE), TR_EBADF);
    stage_pair(AF_UNIX, fds);
    close(fds[1]);
    close(fds[0]);
    assert_int_equal(adopt(fds[0], TR_READABLE), TR_EBADF);

    stage_pair(AF_UNIX, fds);
    tr_socket *out = NULL;
    struct tr_socket_options too_long = {.timeout_ms = UINT64_MAX}, no_type = {.type = (enum tr_socket_type)9};
    assert_int_equal(tr_socket_adopt(director, fds[0], 4, NULL, &out), TR_EINVAL);
    assert_int_equal(tr_socket_adopt(NULL, fds[0], 3, NULL, &out), TR_EINVAL);
    assert_int_equal(tr_socket_adopt(director, fds[0], 3, NULL, NULL), TR_EINVAL);
    assert_int_equal(tr_socket_adopt(director, fds[0], 3, &too_long, &out), TR_EBADLIMIT);
    assert_int_equal(tr_socket_adopt(director, fds[0], 3, &no_type, &out), TR_EINVAL);
    assert_null(out);
    assert_int_equal(close(fds[0]) + close(fds[1]), 0);
    stage_end();
}

static void
what_cannot_be_a_socket_is_refused_and_stays_the_callers(void **state)
{
    (void)state;
    stage_play(1, play_refusals);
    assert_string_equal(client.log, "");
}

static int twice;

static void
adopt_again(void *argument)
{
    tr_socket *other = NULL;
    (void)argument;
    assert_int_equal(tr_socket_adopt(director, twice, 3, NULL, &other), TR_EEXIST);
    assert_null(other);
    shutdown(peer.fd, SHUT_WR);
    stage_read(&peer);
    end_when_done();
}

static void
play_twice(void)
{
    int fds[2];
    stage_pair(AF_INET, fds);
    peer.fd = fds[1];
    twice = fds[0];
    tr_socket *other = NULL;
    assert_int_equal(adopt(twice, TR_READABLE | TR_WRITABLE), TR_OK);
    assert_int_equal(tr_socket_adopt(director, twice, 3, NULL, &other), TR_EEXIST); /* libuv polls it not yet */
    stage_settled(adopt_again, NULL);
}

static void
the_descriptor_of_a_socket_makes_no_second_one(void **state)
{
    (void)state;
    stage_play(1, play_twice);
    assert_string_equal(client.log, "end close");
}

static void
play_event_descriptor(void)
{
    int fd = eventfd(1, EFD_CLOEXEC);
    assert_int_equal(adopt(fd, TR_READABLE), TR_OK);
    client.hook = NULL;
    peer.ended = true;
    end_when_done();
}

static void
ends_itself(struct endpoint *self, const char *event)
{
    if (is(event, "data"))
        tr_socket_destroy(self->socket, TR_OK);
}

static void
play_other_kinds(void)
{
    play_event_descriptor();
    client.hook = ends_itself;
}

static void
anything_that_can_be_polled_will_do(void **state)
{
    (void)state;
    stage_play(1, play_other_kinds);
    assert_string_equal(client.log, "data close");
    assert_int_equal(client.bytes, 8);
}

static void
play_options(void)
{
    int fds[2], value = 0;
    socklen_t size = sizeof(value);
    stage_pair(AF_INET, fds);
    peer.fd = fds[1];
    stage_adopt_as(&client, fds[0],
                   (struct tr_socket_options){.keep_alive = true, .no_delay = true, .encoding = TR_ENCODING_HEX});
    assert_int_equal(getsockopt(fds[0], SOL_SOCKET, SO_KEEPALIVE, &value, &size), 0);
    assert_true(value != 0);
    assert_true(tests_peer_send(peer.fd, "a", 1));
    shutdown(peer.fd, SHUT_WR);
    stage_read(&peer);
    end_when_done();
}

static void
the_options_hold_for_an_adopted_descriptor(void **state)
{
    (void)state;
    stage_play(1, play_options);
    assert_string_equal(client.log, "data:61 end close");
}

static void
play_detached(void)
{
    int fds[2], fd;
    char text[8] = "";
    stage_pair(family, fds);
    assert_int_equal(adopt(fds[0], TR_READABLE | TR_WRITABLE), TR_OK);
    assert_int_equal(tr_socket_detach(client.socket, NULL), TR_EINVAL);
    tr_socket_cork(client.socket);
    assert_true(say(client.socket, "held") >= TR_OK);
    assert_int_equal(tr_socket_detach(client.socket, &fd), TR_EBUSY);
    assert_int_equal(tr_socket_uncork(client.socket), TR_OK);
    assert_int_equal(tr_socket_detach(client.socket, &fd), TR_OK);
    assert_int_equal(tr_socket_detach(client.socket, &fds[0]), TR_ENOTCONN);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true(tests_peer_send(fds[1], "there", 5));
    assert_true(tests_peer_send(fd, "back", 4));
    assert_int_equal(tests_peer_receive(fd, text, 5), 5);
    assert_string_equal(text, "there");
    peer.fd = fds[1];
    close(fd); /* it alone was left */
    stage_read(&peer);
    end_when_done();
}

static void
a_socket_gives_its_connection_away_and_the_peer_notices_nothing(void **state)
{
    static const int families[] = {AF_INET, AF_UNIX};
    for (size_t i = 0; i < 2; i++) {
        cast_reset(state);
        family = families[i];
        stage_play(1, play_detached);
        assert_string_equal(client.log, "close");
        assert_string_equal(peer.text, "heldback");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_connected_descriptor_begins_without_a_connect_event, cast_reset),
        cmocka_unit_test_setup(the_end_of_a_pipe_can_be_read, cast_reset),
        cmocka_unit_test_setup(writing_to_a_side_that_is_not_named_is_writing_after_the_end, cast_reset),
        cmocka_unit_test_setup(the_end_of_a_pipe_can_be_written, cast_reset),
        cmocka_unit_test_setup(a_pipe_between_two_sockets_holds_no_byte_back, cast_reset),
        cmocka_unit_test_setup(without_any_side_a_socket_is_open_until_it_is_destroyed, cast_reset),
        cmocka_unit_test_setup(the_end_of_a_side_that_is_not_read_is_no_reset_and_loses_nothing, cast_reset),
        cmocka_unit_test_setup(writing_after_the_end_of_a_side_that_is_not_read_is_no_broken_pipe, cast_reset),
        cmocka_unit_test_setup(what_cannot_be_a_socket_is_refused_and_stays_the_callers, cast_reset),
        cmocka_unit_test_setup(the_descriptor_of_a_socket_makes_no_second_one, cast_reset),
        cmocka_unit_test_setup(anything_that_can_be_polled_will_do, cast_reset),
        cmocka_unit_test_setup(a_socket_gives_its_connection_away_and_the_peer_notices_nothing, cast_reset),
        cmocka_unit_test_setup(the_options_hold_for_an_adopted_descriptor, cast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
