/*
 * Writing through a layer: which records come of what is written, what a callback means, and the end of our side.
 *
 * The client writes to another secure socket, whose layer counts the records that come.
 */
#include "cast.h"
#include "helpers.h"
#include "reading_play.h"
#include "secure_play.h"
#include "writer_play.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct toy *ours, *theirs;
static unsigned records; /* that came */
static void (*writes)(void);

static int
reset(void **state)
{
    secure_reset(state);
    records = 0;
    return 0;
}

static void
counts_records(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "close"))
        records = theirs->records_read;
}

static void
write_now(void *argument)
{
    (void)argument;
    ours = toy_of(client.socket);
    theirs = toy_of(other.socket);
    writes();
}

static void
play_pair(void)
{
    other.hook = counts_records;
    toy_pair(AF_UNIX, &client, (struct tr_socket_options){0}, &other, (struct tr_socket_options){0});
    stage_when(both_are_secure, write_now, NULL);
    end_when_pair_is_closed();
}

/* Both become secure, what follows is written, and both end. */
static void
play(void (*what)(void))
{
    writes = what;
    stage_play(1, play_pair);
}

static void
end_client(void *argument)
{
    (void)argument;
    tr_socket_end(client.socket);
}

/* Records. */

static void
write_corked(void)
{
    tr_socket_cork(client.socket);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(tr_socket_write_slice(client.socket, tr_slice_part(pattern(10000), i * 100, 100)), TR_OK);
    assert_int_equal(tr_socket_uncork(client.socket), TR_OK);
    end_client(NULL);
}

static void
what_is_corked_is_one_record_if_it_fits(void **state)
{
    (void)state;
    play(write_corked);
    assert_int_equal(records, 1);
    assert_int_equal(other.sum, pattern_sum(10000));
}

static void
write_slices(void)
{
    tr_slice slices[] = {pattern(5000), tr_slice_part(pattern(9000), 5000, 0),
                         tr_slice_part(pattern(9000), 5000, 4000)};
    assert_int_equal(tr_socket_write_slices(client.socket, slices, 3), TR_OK);
    end_client(NULL);
}

static void
slices_that_are_written_together_are_one_record(void **state)
{
    (void)state;
    play(write_slices);
    assert_int_equal(records, 1);
    assert_int_equal(other.sum, pattern_sum(9000));
}

static void
write_long(void)
{
    assert_int_equal(write_named(pattern(3 * TOY_RECORD + 1), "long"), TR_OK);
    assert_int_equal(tr_socket_bytes_written(client.socket), 3 * TOY_RECORD + 1);
    assert_int_equal(ours->records_written, 4);
    assert_int_equal(ours->last_record, 1);
    end_client(NULL);
}

static void
a_long_write_is_records_of_the_largest_size_and_a_rest(void **state)
{
    (void)state;
    play(write_long);
    assert_string_equal(client.log, "secure long:OK end close");
    assert_int_equal(other.sum, pattern_sum(3 * TOY_RECORD + 1));
}

static void
write_nothing(void)
{
    assert_int_equal(write_named(tr_slice_constant("", 0), "nothing"), TR_OK);
    assert_int_equal(ours->records_written, 0);
    end_client(NULL);
}

static void
a_write_of_no_bytes_is_no_record(void **state)
{
    (void)state;
    play(write_nothing);
    assert_string_equal(client.log, "secure nothing:OK end close");
}

/* Files. */

static FILE *file;

static void
write_file(void)
{
    tr_socket_cork(client.socket);
    tr_socket_write_slice(client.socket, pattern(100));
    assert_int_equal(tr_socket_write_file(client.socket, fileno(file), 100, 2 * TOY_RECORD, note_written,
                                          (void *)(uintptr_t) "file"),
                     TR_QUEUED);
    assert_int_equal(
        tr_socket_write_slice(client.socket, tr_slice_part(pattern(2 * TOY_RECORD + 200), 2 * TOY_RECORD + 100, 100)),
        TR_QUEUED);
    assert_int_equal(tr_socket_uncork(client.socket), TR_OK);
    assert_int_equal(tr_socket_bytes_written(client.socket), 2 * TOY_RECORD + 200);
    end_client(NULL);
}

static void
open_file(size_t size)
{
    file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(pattern(size).data, 1, size, file), size);
    assert_int_equal(fflush(file), 0);
}

static void
a_file_keeps_its_place_and_begins_in_the_record_of_what_is_before_it(void **state)
{
    (void)state;
    open_file(4 * TOY_RECORD);
    play(write_file);
    fclose(file);
    assert_string_equal(client.log, "secure file:OK end close");
    assert_int_equal(other.sum, pattern_sum(2 * TOY_RECORD + 200));
    assert_int_equal(records, 4); /* the one in which a file ends, and what is after it */
}

static void
write_short_file(void)
{
    tr_socket_write_file(client.socket, fileno(file), 0, 2 * TOY_RECORD, note_written, (void *)(uintptr_t) "file");
}

static void
a_file_that_has_become_shorter_fails_the_socket(void **state)
{
    (void)state;
    open_file(TOY_RECORD);
    play(write_short_file);
    fclose(file);
    assert_string_equal(client.log, "secure file:EIO EIO close!");
    assert_string_equal(other.log, "secure data end close");
}

/* A record that the kernel takes in part. */

static size_t split;

static void
expect_gone(void *argument)
{
    (void)argument;
    assert_string_equal(client.log, "secure first:OK second:OK");
    end_client(NULL);
}

static void
write_split(void)
{
    ours->most_written = split;
    assert_int_equal(write_named(pattern(40), "first"), split < TOY_HEADER + 40 ? TR_QUEUED : TR_OK);
    if (split < TOY_HEADER + 40)
        assert_int_equal(tr_socket_buffered(client.socket), 40); /* no part of it has gone */
    ours->most_written = 0;
    write_named(tr_slice_part(pattern(100), 40, 60), "second");
    client.socket->flags &= ~(uint32_t)TRI_SOCKET_OWES_DRAIN;
    stage_settled(expect_gone, NULL);
}

static void
a_callback_comes_when_the_whole_record_is_in_the_kernel_wherever_that_splits_it(void **state)
{
    for (split = 1; split <= TOY_HEADER + 40; split++) {
        reset(state);
        play(write_split);
        assert_int_equal(other.bytes, 100);
        assert_int_equal(other.sum, pattern_sum(100));
    }
}

/* The same record is offered again though more stands behind it by then, and a cork before it. */
static void
write_behind(void)
{
    ours->stands = true;
    assert_int_equal(write_named(pattern(10), "first"), TR_QUEUED);
    assert_int_equal(ours->pending, 10);
    write_named(tr_slice_part(pattern(30), 10, 20), "second");
    tr_socket_cork(client.socket);
    write_named(tr_slice_part(pattern(60), 30, 30), "third");
    ours->stands = false;
    tr_socket_uncork(client.socket);
    end_client(NULL);
}

static void
a_record_on_its_way_stays_as_it_was_made(void **state)
{
    (void)state;
    play(write_behind);
    assert_string_equal(client.log, "secure first:OK second:OK third:OK end close");
    assert_int_equal(other.sum, pattern_sum(60));
    assert_int_equal(records, 2); /* what had come to wait is one */
}

static void
write_without_memory(void)
{
    ours->write_error = ENOBUFS;
    assert_int_equal(write_named(pattern(10), "first"), TR_QUEUED);
    assert_int_equal(ours->pending, 10);
    write_named(tr_slice_part(pattern(30), 10, 20), "second");
    end_client(NULL);
}

static void
a_lack_of_the_systems_is_waited_for_and_the_record_goes_then(void **state)
{
    (void)state;
    play(write_without_memory);
    assert_non_null(strstr(client.log, "first:OK second:OK end close"));
    assert_int_equal(other.sum, pattern_sum(30));
}

static void
write_in_vain(void)
{
    ours->write_error = EPIPE;
    assert_int_equal(write_named(pattern(10), "first"), TR_EPIPE);
}

static void
a_write_that_the_system_refuses_is_told_as_of_a_plain_socket(void **state)
{
    (void)state;
    play(write_in_vain);
    assert_string_equal(client.log, "secure first:EPIPE EPIPE close!");
    assert_string_equal(client.call, "write");
}

/* The end of our side. */

static void
let_go(void *argument)
{
    (void)argument;
    assert_string_equal(other.log, "secure"); /* neither goodbye nor FIN has come */
    ours->stands = false;
}

static unsigned was_cut;

static void
looks_whether_cut(struct endpoint *self, const char *event)
{
    if (is(event, "end"))
        was_cut += tri_secure_is_cut(self->socket);
}

static void
end_without_room(void)
{
    was_cut = 0;
    other.hook = looks_whether_cut;
    ours->stands = true;
    assert_int_equal(tr_socket_end_then(client.socket, nothing(), note_written, (void *)(uintptr_t) "ended"), TR_OK);
    stage_settled(let_go, NULL);
}

static void
goodbye_waits_for_room_and_the_fin_for_goodbye(void **state)
{
    (void)state;
    play(end_without_room);
    assert_string_equal(client.log, "secure ended:OK end close");
    assert_string_equal(other.log, "secure end close");
    assert_int_equal(was_cut, 0);
}

static void
destroy_in_mid_stream(void)
{
    was_cut = 0;
    other.hook = looks_whether_cut;
    say(client.socket, "half");
    tr_socket_destroy(client.socket, TR_OK);
}

static void
a_socket_that_is_destroyed_says_no_goodbye(void **state)
{
    (void)state;
    play(destroy_in_mid_stream);
    assert_string_equal(other.log, "secure data:half end close");
    assert_int_equal(was_cut, 1);
}

/* Limits. */

static void
play_limit(void)
{
    client.hook = closes_peer;
    open_reader((struct tr_socket_options){.write_limit = 100});
    assert_int_equal(write_named(pattern(1), "plain"), TR_OK);
    assert_int_equal(toy_secure(client.socket, true, NULL, NULL), TR_OK);
    assert_int_equal(tr_socket_buffered(client.socket), 0);
    assert_int_equal(write_named(pattern(100), "fits"), TR_OK);
    assert_int_equal(write_named(pattern(1), "not"), TR_EQUEUELIMIT);
    assert_int_equal(tr_socket_buffered(client.socket), 100);
    tr_socket_destroy(client.socket, TR_OK);
}

static void
a_limit_counts_plain_bytes_and_holds_during_the_handshake(void **state)
{
    (void)state;
    stage_play(1, play_limit);
    assert_string_equal(client.log, "plain:OK fits:ERR_STREAM_DESTROYED close");
}

/* Another life. */

static tr_server *server;

static void
close_server(void *argument)
{
    (void)argument;
    tr_server_close(server);
    stage_end();
}

static bool
all_are_closed(void)
{
    return accepted[0].closed && accepted[1].closed && strstr(client.log, "close connect") != NULL && client.closed &&
           tr_socket_destroyed(client.socket);
}

static void
lives_twice(struct endpoint *self, const char *event)
{
    bool is_first = strstr(self->log, "close") == NULL;
    if (is(event, "ready") && is_first)
        assert_int_equal(toy_secure(self->socket, false, NULL, NULL), TR_OK);
    else if (is(event, "ready"))
        say(self->socket, "plain");
    if (is(event, "ready") && !is_first)
        assert_int_equal(tr_socket_number(self->socket), 0); /* as of any that was not accepted */
    if (is(event, "secure") || (is(event, "ready") && !is_first))
        tr_socket_end(self->socket);
    if (is(event, "close") && strstr(self->log, "close connect") == NULL)
        assert_int_equal(
            tr_socket_connect(self->socket, &(struct tr_connect_options){.host = "127.0.0.1", .port = stage_port}),
            TR_OK);
}

static void
serves_first(struct endpoint *self, const char *event)
{
    if (is(event, "accepted"))
        assert_int_equal(toy_secure(self->socket, true, NULL, NULL), TR_OK);
}

static void
play_lives(void)
{
    client.hook = lives_twice;
    accepted[0].hook = serves_first;
    server = stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    stage_settled_when(all_are_closed, close_server, NULL);
}

static void
the_next_life_of_a_secure_socket_is_plain(void **state)
{
    (void)state;
    stage_play(1, play_lives);
    assert_string_equal(accepted[1].log, "accepted data:plain end close");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, expect_no_toys)
        TEST(what_is_corked_is_one_record_if_it_fits),
        TEST(slices_that_are_written_together_are_one_record),
        TEST(a_long_write_is_records_of_the_largest_size_and_a_rest),
        TEST(a_write_of_no_bytes_is_no_record),
        TEST(a_file_keeps_its_place_and_begins_in_the_record_of_what_is_before_it),
        TEST(a_file_that_has_become_shorter_fails_the_socket),
        TEST(a_callback_comes_when_the_whole_record_is_in_the_kernel_wherever_that_splits_it),
        TEST(a_record_on_its_way_stays_as_it_was_made),
        TEST(a_lack_of_the_systems_is_waited_for_and_the_record_goes_then),
        TEST(a_write_that_the_system_refuses_is_told_as_of_a_plain_socket),
        TEST(goodbye_waits_for_room_and_the_fin_for_goodbye),
        TEST(a_socket_that_is_destroyed_says_no_goodbye),
        TEST(a_limit_counts_plain_bytes_and_holds_during_the_handshake),
        TEST(the_next_life_of_a_secure_socket_is_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
