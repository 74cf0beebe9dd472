/*
 * Writing: what a write answers, what the kernel gets, and when a drain is told.
 *
 * Where the number of system calls matters the peer is a SOCK_SEQPACKET socket: there each call of the writer's is one
 * record, so the peer's reads count them.
 */
#include "cast.h"
#include "writer_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <troupe/net/remote.h>
#include <unistd.h>

#include <cmocka.h>

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

/* Many slices. */

#define MANY 2000u

static void
play_three_slices(void)
{
    tr_slice slices[] = {text_slice("a"), text_slice(""), text_slice("b"), text_slice("c")};
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
    assert_int_equal(write_named(text_slice(""), "last"), TR_QUEUED);
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
    tr_slice two[] = {text_slice("a"), text_slice("b")};
    assert_int_equal(say(client.socket, "x"), TR_EQUEUELIMIT);
    assert_int_equal(write_named(text_slice("x"), "never"), TR_EQUEUELIMIT);
    assert_int_equal(tr_socket_write_slices(client.socket, two, 2), TR_EQUEUELIMIT);
    assert_int_equal(tr_socket_write_text(client.socket, "x", TR_ENCODING_UTF8), TR_EQUEUELIMIT);
    assert_int_equal(tr_socket_write_fd(client.socket, text_slice("x"), 0, note_written, NULL), TR_EQUEUELIMIT);
    assert_int_equal(tr_socket_end_then(client.socket, text_slice("x"), note_written, NULL), TR_EQUEUELIMIT);
    assert_int_equal(tr_socket_end_with(client.socket, text_slice("x")), TR_EQUEUELIMIT);
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
    assert_int_equal(tr_remote_write(director, ref, text_slice("x")), TR_OK);
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
    open_writer_as(AF_UNIX, (struct tr_socket_options){.high_water = NODES_MARK});
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
    assert_int_equal(write_named(text_slice("x"), "x"), TR_QUEUED);
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
    assert_int_equal(write_named(text_slice("0"), "tenth"), TR_QUEUED);
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
    open_writer(AF_UNIX);
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
    open_writer(AF_UNIX);
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
    assert_int_equal(write_named(text_slice("0123456789"), "small"), TR_OK);
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
    assert_int_equal(write_named(pattern(200000), "big"), TR_QUEUED);
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

/* As a record it would be an end. */
static void
play_nothing_as_a_record(void)
{
    open_records();
    assert_int_equal(write_named(text_slice(""), "nothing"), TR_OK);
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
    assert_true(write_named(text_slice(""), "nothing") >= TR_OK);
    assert_int_equal(tr_remote_end_with(director, tr_socket_ref(client.socket), text_slice("")), TR_OK);
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
    assert_int_equal(write_named(text_slice("abc"), "never"), TR_EINVAL);
    assert_false(tr_socket_destroyed(client.socket));
    assert_int_equal(write_named(tr_slice_constant(&one, sizeof(one)), "one"), TR_OK);
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test_setup(a_drain_that_is_due_waits_for_what_was_written_meanwhile, cast_reset),
        cmocka_unit_test_setup(a_drain_is_told_once, cast_reset),
        cmocka_unit_test_setup(a_write_of_nothing_is_no_record, cast_reset),
        cmocka_unit_test_setup(a_write_of_nothing_is_never_over_the_limit, cast_reset),
        cmocka_unit_test_setup(a_write_that_the_kernel_calls_invalid_changes_nothing, cast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
