/*
 * Writing files: their bytes in their turn, whatever the kernel takes at a time, and what happens to those that change.
 */
#include "cast.h"
#include "fds.h"
#include "helpers.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PIECE (4u << 20)
#define PIECES 5u /* a file of 20 MB */
#define LONG ((uint64_t)PIECE * PIECES)

static int file = -1;

static int
close_file(void **state)
{
    (void)state;
    if (file >= 0)
        close(file);
    file = -1;
    return 0;
}

static int
file_of(const char *text)
{
    int fd = file_new();
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

static int
file_of_pieces(unsigned pieces)
{
    int fd = file_new();
    for (unsigned i = 0; i < pieces; i++)
        assert_int_equal(write(fd, pattern(PIECE).data, PIECE), PIECE);
    return fd;
}

/* The sum of bytes that come after `before` others. */
static uint64_t
sum_after(uint64_t before, const char *bytes, size_t size)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += (uint64_t)(unsigned char)bytes[i] * ((before + i + 1) % 65521);
    return sum;
}

static uint64_t
sum_of_pieces(uint64_t before, unsigned pieces)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < pieces; i++)
        sum += sum_after(before + (uint64_t)i * PIECE, pattern(PIECE).data, PIECE);
    return sum;
}

static void
open_pair(int family)
{
    int fds[2];
    stage_pair(family, fds);
    peer.fd = fds[1];
    stage_adopt(&client, fds[0]);
}

static tr_status
write_file(uint64_t offset, uint64_t length, const char *name)
{
    return tr_socket_write_file(client.socket, file, offset, length, note_written, (void *)(uintptr_t)name);
}

static void
play_parts(void)
{
    open_pair(AF_INET);
    assert_int_equal(say(client.socket, "<"), TR_OK);
    assert_int_equal(write_file(0, 0, "whole"), TR_OK);
    assert_int_equal(write_file(2, 3, "part"), TR_OK);
    assert_int_equal(write_file(5, 0, "tail"), TR_OK);
    assert_int_equal(write_file(10, 0, "nothing"), TR_OK);
    assert_int_equal(write_file(11, 0, "beyond"), TR_OK);
    assert_int_equal(tr_socket_write_file(client.socket, file, 0, 1, NULL, NULL), TR_OK);
    assert_int_equal(say(client.socket, ">"), TR_OK);
    assert_int_equal(tr_socket_bytes_written(client.socket), 21);
    assert_int_equal(tr_socket_buffered(client.socket), 0);
    assert_int_equal(lseek(file, 0, SEEK_CUR), 10); /* its position is left alone */
    end_and_read();
}

static void
a_file_is_written_whole_or_in_part(void **state)
{
    (void)state;
    file = file_of("0123456789");
    stage_play(1, play_parts);
    assert_string_equal(peer.text, "<0123456789234567890>");
    assert_string_equal(client.log, "whole:OK part:OK tail:OK nothing:OK beyond:OK end close");
}

static int family;

static void
play_long_file(void)
{
    open_pair(family);
    peer.per_look = 1u << 20;
    assert_int_equal(say(client.socket, "head"), TR_OK);
    int lent = dup(file);
    assert_int_equal(tr_socket_write_file(client.socket, lent, 0, 0, note_written, (void *)(uintptr_t) "file"),
                     TR_QUEUED);
    close(lent); /* a duplicate is kept */
    assert_int_equal(
        tr_socket_write_then(client.socket, tr_slice_constant("tail", 4), note_written, (void *)(uintptr_t) "tail"),
        TR_QUEUED);
    end_and_read();
}

static void
a_slow_reader_gets_a_long_file_between_the_bytes_before_and_after(void **state)
{
    static const int families[] = {AF_INET, AF_UNIX};
    file = file_of_pieces(PIECES);
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        cast_reset(state);
        family = families[i];
        stage_play(1, play_long_file);
        assert_int_equal(peer.bytes, 4 + LONG + 4);
        assert_int_equal(peer.sum, sum_after(0, "head", 4) + sum_of_pieces(4, PIECES) + sum_after(4 + LONG, "tail", 4));
        assert_string_equal(client.log, "file:OK tail:OK end close");
    }
}

/* What of it waits is counted. */

static void
counts_down(struct endpoint *self, const char *event)
{
    if (strcmp(event, "drain") != 0)
        return;
    assert_int_equal(tr_socket_buffered(self->socket), 0);
    assert_int_equal(tr_socket_bytes_written(self->socket), 4 + PIECE);
    tr_socket_end(self->socket);
}

static void
play_counted(void)
{
    open_pair(AF_UNIX);
    client.hook = counts_down;
    tr_socket_cork(client.socket);
    say(client.socket, "head");
    assert_int_equal(write_file(0, 0, "file"), TR_QUEUED);
    assert_int_equal(tr_socket_buffered(client.socket), 4 + PIECE);
    assert_int_equal(tr_socket_uncork(client.socket), TR_QUEUED);
    assert_in_range(tr_socket_buffered(client.socket), 1, PIECE);
    assert_int_equal(tr_socket_buffered(client.socket) + tr_socket_bytes_written(client.socket), 4 + PIECE);
    stage_read(&peer);
    end_when_done();
}

static void
what_has_not_gone_of_a_file_is_buffered(void **state)
{
    (void)state;
    file = file_of_pieces(1);
    stage_play(1, play_counted);
    assert_string_equal(client.log, "drain file:OK end close");
    assert_int_equal(peer.bytes, 4 + PIECE);
}

static void
play_limited(void)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    peer.fd = fds[1];
    stage_adopt_as(&client, fds[0], (struct tr_socket_options){.write_limit = 1000});
    assert_int_equal(write_file(0, 0, "file"), TR_QUEUED);
    assert_true(tr_socket_buffered(client.socket) > 1000);
    assert_int_equal(tr_socket_write_slice(client.socket, pattern(600)), TR_QUEUED);
    assert_int_equal(tr_socket_write_slice(client.socket, pattern(600)), TR_EQUEUELIMIT);
    assert_int_equal(write_file(0, 0, "again"), TR_QUEUED);
    end_and_read();
}

static void
a_file_does_not_count_to_the_write_limit(void **state)
{
    (void)state;
    file = file_of_pieces(1);
    stage_play(1, play_limited);
    assert_int_equal(peer.bytes, 2 * PIECE + 600);
}

/* Many small files and bytes between them. */
#define TURNS 100u

static void
play_turns(void)
{
    open_pair(AF_UNIX);
    for (unsigned i = 0; i < TURNS; i++) {
        assert_true(say(client.socket, "a") >= TR_OK);
        assert_true(tr_socket_write_file(client.socket, file, i % 10, 1, NULL, NULL) >= TR_OK);
    }
    tr_socket_cork(client.socket);
    for (unsigned i = 0; i < TURNS; i++) {
        assert_true(say(client.socket, "a") >= TR_OK);
        assert_true(tr_socket_write_file(client.socket, file, i % 10, 1, NULL, NULL) >= TR_OK);
    }
    tr_socket_uncork(client.socket);
    end_and_read();
}

static void
bytes_and_files_take_turns_as_they_were_written(void **state)
{
    (void)state;
    file = file_of("0123456789");
    stage_play(1, play_turns);
    assert_int_equal(peer.bytes, TURNS * 4);
    for (unsigned i = 0; i < sizeof(peer.text) - 1; i++)
        assert_int_equal(peer.text[i], i % 2 == 0 ? 'a' : '0' + (int)(i / 2 % 10));
}

static void
play_drain(void)
{
    open_pair(AF_INET);
    client.hook = ends_on_drain;
    assert_int_equal(write_file(0, 0, "file"), TR_QUEUED);
    stage_read(&peer);
    end_when_done();
}

static void
a_file_that_waits_drains_before_its_callback(void **state)
{
    (void)state;
    file = file_of_pieces(2);
    stage_play(1, play_drain);
    assert_string_equal(client.log, "drain file:OK end close");
    assert_int_equal(peer.bytes, 2 * PIECE);
}

static void
play_too_short(void)
{
    open_pair(AF_INET);
    assert_int_equal(write_file(5, 6, "file"), TR_EIO); /* five bytes are there */
    assert_true(tr_socket_destroyed(client.socket));
    stage_read(&peer);
    end_when_done();
}

static void
a_file_that_is_shorter_than_said_is_an_error(void **state)
{
    (void)state;
    file = file_of("0123456789");
    stage_play(1, play_too_short);
    assert_string_equal(client.log, "file:EIO EIO close!");
    assert_string_equal(client.call, "write");
    assert_true(peer.bytes <= 5);
}

static void
truncate_and_read(void *argument)
{
    (void)argument;
    assert_int_equal(ftruncate(file, 100), 0);
    stage_read(&peer);
}

static void
play_truncated(void)
{
    open_pair(AF_UNIX);
    assert_int_equal(write_file(0, 0, "file"), TR_QUEUED);
    assert_int_equal(
        tr_socket_write_then(client.socket, tr_slice_constant("x", 1), note_written, (void *)(uintptr_t) "behind"),
        TR_QUEUED);
    stage_settled(truncate_and_read, NULL);
    end_when_done();
}

static void
a_file_that_is_cut_while_it_is_sent_is_an_error(void **state)
{
    (void)state;
    file = file_of_pieces(1);
    stage_play(1, play_truncated);
    assert_string_equal(client.log, "file:EIO behind:EIO EIO close!");
    assert_true(peer.bytes < PIECE);
}

static void
play_grown(void)
{
    open_pair(AF_UNIX);
    assert_int_equal(write_file(0, 0, "file"), TR_QUEUED);
    assert_int_equal(ftruncate(file, 2 * PIECE), 0);
    end_and_read();
}

static void
a_file_that_grows_is_sent_as_long_as_it_was(void **state)
{
    (void)state;
    file = file_of_pieces(1);
    stage_play(1, play_grown);
    assert_int_equal(peer.bytes, PIECE);
    assert_int_equal(peer.sum, pattern_sum(PIECE));
}

static void
play_no_file(void)
{
    int ends[2], directory = open("/", O_RDONLY | O_CLOEXEC), null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(pipe(ends), 0);
    open_pair(AF_UNIX);
    const int wrong[] = {ends[0], ends[1], directory, null, peer.fd};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(tr_socket_write_file(client.socket, wrong[i], 0, 1, note_written, "w"), TR_EBADFD);
    for (size_t i = 0; i < 4; i++)
        close(wrong[i]);
    assert_int_equal(tr_socket_write_file(client.socket, ends[0], 0, 1, note_written, "w"), TR_EBADF);
    assert_int_equal(tr_socket_write_file(client.socket, -1, 0, 1, note_written, "w"), TR_EBADF);
    assert_int_equal(tr_socket_write_file(NULL, file, 0, 1, NULL, NULL), TR_EINVAL);
    assert_int_equal(write_file(UINT64_MAX, 1, "never"), TR_EINVAL);
    assert_int_equal(write_file(1, INT64_MAX, "never"), TR_EINVAL);
    end_and_read();
}

static void
what_is_no_file_is_refused_and_leaves_the_socket_as_it_was(void **state)
{
    (void)state;
    file = file_of("0123456789");
    stage_play(1, play_no_file);
    assert_string_equal(client.log,
                        "w:ERR_INVALID_FD_TYPE w:ERR_INVALID_FD_TYPE w:ERR_INVALID_FD_TYPE w:ERR_INVALID_FD_TYPE "
                        "w:ERR_INVALID_FD_TYPE w:EBADF w:EBADF end close");
    assert_int_equal(peer.bytes, 0);
}

static void
play_not_readable(void)
{
    open_pair(AF_UNIX);
    assert_int_equal(write_file(0, 1, "file"), TR_EBADF); /* it is open for writing alone */
    stage_read(&peer);
    end_when_done();
}

static void
a_file_that_cannot_be_read_destroys_the_socket(void **state)
{
    (void)state;
    int both = file_of("0123456789");
    char name[64];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", both);
    file = open(name, O_WRONLY | O_CLOEXEC);
    close(both);
    assert_true(file >= 0);
    stage_play(1, play_not_readable);
    assert_string_equal(client.log, "file:EBADF EBADF close!");
}

static void
play_lost(void)
{
    open_pair(AF_INET);
    assert_int_equal(write_file(0, 0, "file"), TR_QUEUED);
    tr_socket_destroy(client.socket, TR_OK);
    assert_int_equal(write_file(0, 0, "late"), TR_EDESTROYED);
    stage_read(&peer);
    end_when_done();
}

static void
a_file_that_waits_is_lost_with_its_socket(void **state)
{
    (void)state;
    file = file_of_pieces(2);
    stage_play(1, play_lost);
    assert_string_equal(client.log, "late:ERR_STREAM_DESTROYED file:ERR_STREAM_DESTROYED close");
}

static void
play_into_a_pipe(void)
{
    int ends[2];
    struct tr_socket_options options = {.events = &endpoint_events, .data = &client};
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(tr_socket_adopt(director, ends[1], TR_WRITABLE, &options, &client.socket), TR_OK);
    assert_int_equal(write_file(0, 0, "file"), TR_OK);
    assert_int_equal(read(ends[0], peer.text, sizeof(peer.text) - 1), 10);
    close(ends[0]);
    peer.ended = true;
    tr_socket_end(client.socket);
    end_when_done();
}

static void
a_file_can_be_written_to_a_pipe(void **state)
{
    (void)state;
    file = file_of("0123456789");
    stage_play(1, play_into_a_pipe);
    assert_string_equal(peer.text, "0123456789");
    assert_string_equal(client.log, "file:OK close");
}

/* Where the system cannot send a file by itself it is read first, and not over the bytes of a data event. */

static struct endpoint first;
static int peer_of_first = -1;

static void
writes_a_file_in_between(struct endpoint *self, const char *event)
{
    static const char sent[] = "what the peer has sent";
    if (strcmp(event, "data") != 0)
        return;
    assert_int_equal(self->last.size, strlen(sent));
    assert_int_equal(write_file(0, 20, "file"), TR_OK);
    assert_memory_equal(self->last.data, sent, strlen(sent));
    close(peer_of_first);
    end_and_read();
}

static void
play_in_a_data_event(void)
{
    int fds[2];
    memset(&first, 0, sizeof(first));
    stage_pair(AF_UNIX, fds);
    peer_of_first = fds[1];
    first.hook = writes_a_file_in_between;
    stage_adopt(&first, fds[0]);
    open_pair(AF_UNIX);
    assert_true(tests_peer_send(peer_of_first, "what the peer has sent", 22));
}

static void
a_file_written_in_a_data_event_leaves_its_bytes_alone(void **state)
{
    (void)state;
    file = open("/proc/self/status", O_RDONLY | O_CLOEXEC); /* of those that some kernels do not send */
    assert_true(file >= 0);
    stage_play(1, play_in_a_data_event);
    assert_int_equal(peer.bytes, 20);
    assert_string_equal(client.log, "file:OK end close");
}

static void
play_mark_behind_a_file(void)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    peer.fd = fds[1];
    stage_adopt_as(&client, fds[0], (struct tr_socket_options){.high_water = 16384});
    client.hook = ends_on_drain;
    assert_int_equal(write_file(0, 0, "file"), TR_QUEUED);
    assert_int_equal(say(client.socket, "x"), TR_QUEUED);
    stage_read(&peer);
    end_when_done();
}

static void
a_write_behind_a_file_that_waits_is_over_the_mark(void **state)
{
    (void)state;
    file = file_of_pieces(1);
    stage_play(1, play_mark_behind_a_file);
    assert_non_null(strstr(client.log, "file:OK"));
    assert_non_null(strstr(client.log, "drain end close"));
    assert_int_equal(peer.bytes, PIECE + 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_written_whole_or_in_part, cast_reset, close_file),
        cmocka_unit_test_setup_teardown(a_slow_reader_gets_a_long_file_between_the_bytes_before_and_after, cast_reset,
                                        close_file),
        cmocka_unit_test_setup_teardown(what_has_not_gone_of_a_file_is_buffered, cast_reset, close_file),
        cmocka_unit_test_setup_teardown(a_file_does_not_count_to_the_write_limit, cast_reset, close_file),
        cmocka_unit_test_setup_teardown(bytes_and_files_take_turns_as_they_were_written, cast_reset, close_file),
        cmocka_unit_test_setup_teardown(a_file_that_waits_drains_before_its_callback, cast_reset, close_file),
        cmocka_unit_test_setup_teardown(a_file_that_is_shorter_than_said_is_an_error, cast_reset, close_file),
        cmocka_unit_test_setup_teardown(a_file_that_is_cut_while_it_is_sent_is_an_error, cast_reset, close_file),
        cmocka_unit_test_setup_teardown(a_file_that_grows_is_sent_as_long_as_it_was, cast_reset, close_file),
        cmocka_unit_test_setup_teardown(what_is_no_file_is_refused_and_leaves_the_socket_as_it_was, cast_reset,
                                        close_file),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_destroys_the_socket, cast_reset, close_file),
        cmocka_unit_test_setup_teardown(a_file_that_waits_is_lost_with_its_socket, cast_reset, close_file),
        cmocka_unit_test_setup_teardown(a_file_can_be_written_to_a_pipe, cast_reset, close_file),
        cmocka_unit_test_setup_teardown(a_file_written_in_a_data_event_leaves_its_bytes_alone, cast_reset, close_file),
        cmocka_unit_test_setup_teardown(a_write_behind_a_file_that_waits_is_over_the_mark, cast_reset, close_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
