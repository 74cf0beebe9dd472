/*
 * Reading: texts that come in pieces, sockets that are readable in the same turn, and text that is kept.
 *
 * The peer is a raw descriptor that the play writes to; an act waits until all has settled where the socket shall see
 * two pieces.
 */
#include "cast.h"
#include "helpers.h"
#include "owner_play.h"
#include "reading_play.h"
#include "socket_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Texts. */

static void
play_cut_characters(void)
{
    static const char *const texts[] = {"a\xe2", "\x98", "\x83z", NULL};
    client.hook = brackets;
    open_reader((struct tr_socket_options){.encoding = TR_ENCODING_UTF8});
    begin_sending(texts, NULL);
}

static void
a_character_that_comes_in_pieces_is_given_whole(void **state)
{
    (void)state;
    stage_play(1, play_cut_characters);
    assert_string_equal(client.log, "data:a [a] data [" SNOWMAN "z] end close");
}

static void
play_incomplete(void)
{
    static const char *const texts[] = {"a", "\xe2\x98", NULL};
    client.hook = brackets;
    open_reader((struct tr_socket_options){.encoding = TR_ENCODING_UTF8});
    begin_sending(texts, NULL);
}

static void
what_is_incomplete_at_the_end_is_data_before_it(void **state)
{
    (void)state;
    stage_play(1, play_incomplete);
    assert_string_equal(client.log, "data:a [a] data [" REPLACED "] end close");
}

static enum tr_encoding encoding;

static void
play_encoding(void)
{
    static const char *const texts[] = {"\xe4\xe4", "?", NULL};
    client.hook = brackets;
    open_reader((struct tr_socket_options){.encoding = encoding});
    begin_sending(texts, NULL);
}

static void
every_encoding_gives_its_text_over_the_pieces(void **state)
{
    static const struct {
        enum tr_encoding encoding;
        const char *log;
    } cases[] = {
        {TR_ENCODING_LATIN1, "data [\xc3\xa4\xc3\xa4] data:? [?] end close"},
        {TR_ENCODING_ASCII, "data:dd [dd] data:? [?] end close"},
        {TR_ENCODING_HEX, "data:e4e4 [e4e4] data:3f [3f] end close"},
        {TR_ENCODING_BASE64, "data:5OQ/ [5OQ/] end close"},
        {TR_ENCODING_BASE64URL, "data:5OQ_ [5OQ_] end close"},
        {TR_ENCODING_UTF16LE, "data [\xee\x93\xa4] end close"},
        {TR_ENCODING_UTF8, "data [" REPLACED "] data [" REPLACED "?] end close"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cast_reset(state);
        encoding = cases[i].encoding;
        stage_play(1, play_encoding);
        assert_string_equal(client.log, cases[i].log);
    }
}

static void
change_encoding(unsigned i)
{
    static const enum tr_encoding encodings[] = {TR_ENCODING_HEX, TR_ENCODING_NONE, TR_ENCODING_BASE64,
                                                 TR_ENCODING_UTF8, TR_ENCODING_UTF8};
    assert_int_equal(tr_socket_set_encoding(client.socket, encodings[i]), TR_OK);
}

static void
play_changes(void)
{
    static const char *const texts[] = {"a", "b", "c", "d", NULL};
    client.hook = brackets;
    open_reader((struct tr_socket_options){0});
    assert_int_equal(tr_socket_set_encoding(client.socket, (enum tr_encoding)99), TR_EBADENCODING);
    assert_int_equal(tr_socket_set_encoding(NULL, TR_ENCODING_UTF8), TR_EINVAL);
    begin_sending(texts, change_encoding);
}

/* The base64 of one byte waits for more; a change of the encoding begins anew and forgets it, as Node's does. */
static void
the_encoding_can_be_changed_at_any_time(void **state)
{
    (void)state;
    stage_play(1, play_changes);
    assert_string_equal(client.log, "data:61 [61] data:b [b] data:d [d] end close");
}

/* Encoding that is set in a data event holds from the next byte on. */
static void
switches(struct endpoint *self, const char *event)
{
    brackets(self, event);
    if (is(event, "data"))
        assert_int_equal(tr_socket_set_encoding(self->socket, TR_ENCODING_HEX), TR_OK);
}

static void
play_switch(void)
{
    static const char *const texts[] = {"a", "b", NULL};
    client.hook = switches;
    open_reader((struct tr_socket_options){0});
    begin_sending(texts, NULL);
}

static void
an_encoding_set_in_a_data_event_holds_for_the_next_one(void **state)
{
    (void)state;
    stage_play(1, play_switch);
    assert_string_equal(client.log, "data:a [a] data:62 [62] end close");
}

/* Two sockets whose descriptors are readable in the same turn of the loop. */

static void
open_other(void (*hook)(struct endpoint *self, const char *event))
{
    int fds[2];
    memset(&other, 0, sizeof(other));
    other.hook = hook;
    stage_pair(AF_UNIX, fds);
    peer_of_other = fds[1];
    stage_adopt(&other, fds[0]);
}

/* With nothing unread, or it would be a reset. Nothing waits to be written, which would take memory. */
static void
close_peers(void *argument)
{
    char byte;
    (void)argument;
    assert_null(client.socket->writer);
    recv(reader_peer, &byte, 1, MSG_DONTWAIT);
    close(reader_peer);
    close(peer_of_other);
}

static void
writes_on_the_client(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "data"))
        assert_int_equal(tr_socket_write_then(client.socket, tr_slice_constant("x", 1), note_written, "written"),
                         TR_OK);
}

static void
send_to_both(void *argument)
{
    (void)argument;
    assert_true(tests_peer_send(peer_of_other, "go", 2));
    send_text("a", 1);
    stage_settled(close_peers, NULL);
}

static void
play_both_readable(void)
{
    open_other(writes_on_the_client);
    open_reader((struct tr_socket_options){0});
    stage_settled(send_to_both, NULL);
}

static void
what_another_socket_makes_due_comes_before_what_is_read_in_the_same_turn(void **state)
{
    (void)state;
    stage_play(1, play_both_readable);
    assert_string_equal(client.log, "written:OK data:a end close");
}

/* What is due crowds the consumer of what would be read then. */

static tr_ref consumer;

static void
take_signal(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state, (void)message;
}

static const struct tr_behavior crowded = {
    .name = "crowded", .receive = take_signal, .mailbox = {.messages = 4, .policy = TR_MAILBOX_MUTE}};

static void
crowds(tr_socket *socket, void *argument, tr_status status)
{
    crowd(socket, argument, status);
    note(&client, "crowds");
}

static void
writes_and_crowds(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "data"))
        assert_int_equal(tr_socket_write_then(client.socket, tr_slice_constant("x", 1), crowds, &consumer), TR_OK);
}

static void
is_not_pressed(struct endpoint *self, const char *event)
{
    assert_false(is(event, "data") && tri_socket_has_any(self->socket, TRI_SOCKET_PRESSED));
}

static void
play_crowding(void)
{
    consumer = spawn_on(0, &crowded, NULL);
    open_other(writes_and_crowds);
    client.hook = is_not_pressed;
    open_reader((struct tr_socket_options){.consumer = consumer});
    stage_settled(send_to_both, NULL);
}

static void
nothing_is_read_when_what_was_due_has_crowded_the_consumer(void **state)
{
    (void)state;
    stage_play(1, play_crowding);
    assert_string_equal(client.log, "crowds data:a end close");
}

/* The peer writes as fast as the socket reads, which so never runs dry; the other socket waits for its turn. */

#define READ_BYTES 65536u /* offered to one read */
#define READS_AT_MOST 200u

static unsigned reads, reads_before_other;

static void
is_never_dry(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "data") && ++reads < READS_AT_MOST)
        send_text(pattern(READ_BYTES).data, READ_BYTES);
    else if (is(event, "data"))
        stage_settled(close_peers, NULL);
}

static void
has_its_turn(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "data"))
        reads_before_other = reads;
}

static void
send_much_and_little(void *argument)
{
    (void)argument;
    send_text(pattern(READ_BYTES).data, READ_BYTES);
    assert_true(tests_peer_send(peer_of_other, "me too", 6));
}

static void
play_never_dry(void)
{
    reads = 0;
    reads_before_other = READS_AT_MOST;
    open_other(has_its_turn);
    client.hook = is_never_dry;
    open_reader((struct tr_socket_options){0});
    stage_settled(send_much_and_little, NULL);
}

static void
a_socket_that_is_never_read_dry_leaves_others_their_turn(void **state)
{
    (void)state;
    stage_play(1, play_never_dry);
    assert_int_equal(reads, READS_AT_MOST);
    assert_in_range(reads_before_other, 0, READS_AT_MOST / 2);
}

/* Text that somebody keeps takes the memory of its bytes; what was set aside for the worst case is given back. */

#define TEXT_BYTES 60000u

static tr_slice kept;

static void
keeps_text(struct endpoint *self, const char *event)
{
    if (!is(event, "data"))
        return;
    kept = self->last;
    tr_slice_hold(kept);
}

static bool
text_is_kept(void)
{
    return client.bytes == TEXT_BYTES;
}

static void
let_text_go(void *argument)
{
    (void)argument;
    size_t with = tests_allocated();
    tr_slice_release(kept);
    size_t without = tests_allocated();
    assert_in_range(with - without, TEXT_BYTES, 2 * TEXT_BYTES);
    close(reader_peer);
}

static void
play_kept_text(void)
{
    static char letters[TEXT_BYTES];
    memset(letters, 'a', sizeof(letters));
    client.hook = keeps_text;
    open_reader((struct tr_socket_options){.encoding = TR_ENCODING_UTF8});
    send_text(letters, sizeof(letters));
    stage_settled_when(text_is_kept, let_text_go, NULL);
}

static void
text_that_is_kept_takes_no_more_than_twice_its_bytes(void **state)
{
    (void)state;
    stage_play(1, play_kept_text);
    assert_string_equal(client.log, "data end close");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_character_that_comes_in_pieces_is_given_whole, cast_reset),
        cmocka_unit_test_setup(what_is_incomplete_at_the_end_is_data_before_it, cast_reset),
        cmocka_unit_test_setup(every_encoding_gives_its_text_over_the_pieces, cast_reset),
        cmocka_unit_test_setup(the_encoding_can_be_changed_at_any_time, cast_reset),
        cmocka_unit_test_setup(an_encoding_set_in_a_data_event_holds_for_the_next_one, cast_reset),
        cmocka_unit_test_setup(what_another_socket_makes_due_comes_before_what_is_read_in_the_same_turn, cast_reset),
        cmocka_unit_test_setup(nothing_is_read_when_what_was_due_has_crowded_the_consumer, cast_reset),
        cmocka_unit_test_setup(a_socket_that_is_never_read_dry_leaves_others_their_turn, cast_reset),
        cmocka_unit_test_setup(text_that_is_kept_takes_no_more_than_twice_its_bytes, cast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
