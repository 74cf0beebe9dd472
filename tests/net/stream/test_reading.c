/*
 * Reading: texts that come in pieces, pausing, and what waits in a pause.
 *
 * The peer is a raw descriptor that the play writes to; an act waits until all has settled where the socket shall see
 * two pieces.
 */
#include "cast.h"
#include "helpers.h"
#include "socket_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/pipe.h>

static int far_end = -1;

static void
open_pair(struct tr_socket_options options)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    far_end = fds[1];
    stage_adopt_as(&client, fds[0], options);
    end_when_closed();
}

/* What the data events brought: each in brackets, so that it shows where texts are cut. In the end nothing is held. */
static void
brackets(struct endpoint *self, const char *event)
{
    if (is(event, "close"))
        assert_int_equal(self->socket->home->held, 0);
    if (is(event, "data"))
        note(self, "[%.*s]", (int)self->last.size, self->last.data);
}

static void
send_text(const void *text, size_t size)
{
    assert_true(tests_peer_send(far_end, text, size));
}

/* Acts of the peer and the user, one after the other. NULL ends the peer. */
static const char *const *pieces;
static void (*between)(unsigned i); /* before piece i is sent; may be NULL */
static unsigned next;

static void
send_next(void *argument)
{
    (void)argument;
    unsigned i = next++;
    if (between != NULL)
        between(i);
    if (pieces[i] == NULL) {
        close(far_end);
        return;
    }
    send_text(pieces[i], strlen(pieces[i]));
    stage_settled(send_next, NULL);
}

static void
begin(const char *const *texts, void (*act)(unsigned i))
{
    pieces = texts;
    between = act;
    next = 0;
    send_next(NULL);
}

/* Texts. */

#define SNOWMAN "\xe2\x98\x83"
#define REPLACED "\xef\xbf\xbd"

static void
play_cut_characters(void)
{
    static const char *const texts[] = {"a\xe2", "\x98", "\x83z", NULL};
    client.hook = brackets;
    open_pair((struct tr_socket_options){.encoding = TR_ENCODING_UTF8});
    begin(texts, NULL);
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
    open_pair((struct tr_socket_options){.encoding = TR_ENCODING_UTF8});
    begin(texts, NULL);
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
    open_pair((struct tr_socket_options){.encoding = encoding});
    begin(texts, NULL);
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
    open_pair((struct tr_socket_options){0});
    assert_int_equal(tr_socket_set_encoding(client.socket, (enum tr_encoding)99), TR_EBADENCODING);
    assert_int_equal(tr_socket_set_encoding(NULL, TR_ENCODING_UTF8), TR_EINVAL);
    begin(texts, change_encoding);
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
    open_pair((struct tr_socket_options){0});
    begin(texts, NULL);
}

static void
an_encoding_set_in_a_data_event_holds_for_the_next_one(void **state)
{
    (void)state;
    stage_play(1, play_switch);
    assert_string_equal(client.log, "data:a [a] data:62 [62] end close");
}

/* Pauses. */

static void
resume(void *argument)
{
    (void)argument;
    note(&client, "resuming");
    tr_socket_resume(client.socket);
    note(&client, "resumed");
}

static void
pause_before_second(unsigned i)
{
    if (i == 1)
        tr_socket_pause(client.socket);
    if (i == 2)
        stage_settled(resume, NULL);
}

static void
play_pause_in_a_character(void)
{
    static const char *const texts[] = {"a\xe2", "\x98\x83", NULL};
    client.hook = brackets;
    open_pair((struct tr_socket_options){.encoding = TR_ENCODING_UTF8});
    begin(texts, pause_before_second);
}

static void
a_pause_in_the_middle_of_a_character_loses_nothing(void **state)
{
    (void)state;
    stage_play(1, play_pause_in_a_character);
    assert_string_equal(client.log, "data:a [a] resuming resumed data [" SNOWMAN "] end close");
}

static void
pause_before_close(unsigned i)
{
    if (i == 1) {
        tr_socket_pause(client.socket);
        stage_settled(resume, NULL);
    }
}

static void
play_incomplete_in_a_pause(void)
{
    static const char *const texts[] = {"a\xe2\x98", NULL};
    client.hook = brackets;
    open_pair((struct tr_socket_options){.encoding = TR_ENCODING_UTF8});
    begin(texts, pause_before_close);
}

static void
what_is_incomplete_waits_for_resume_and_the_end_with_it(void **state)
{
    (void)state;
    stage_play(1, play_incomplete_in_a_pause);
    assert_string_equal(client.log, "data:a [a] resuming resumed data [" REPLACED "] end close");
}

static void
play_end_in_a_pause(void)
{
    static const char *const texts[] = {"a", NULL};
    client.hook = brackets;
    open_pair((struct tr_socket_options){0});
    begin(texts, pause_before_second);
}

static void
an_end_with_nothing_before_it_comes_in_a_pause_too(void **state)
{
    (void)state;
    stage_play(1, play_end_in_a_pause);
    assert_string_equal(client.log, "data:a [a] end close");
}

/* Half of a unit of UTF-16 is no text. */
static void
play_odd_byte_in_a_pause(void)
{
    static const char *const texts[] = {"abc", NULL};
    client.hook = brackets;
    open_pair((struct tr_socket_options){.encoding = TR_ENCODING_UTF16LE});
    begin(texts, pause_before_second);
}

static void
a_single_byte_of_utf16_does_not_keep_the_end_waiting(void **state)
{
    (void)state;
    stage_play(1, play_odd_byte_in_a_pause);
    assert_string_equal(client.log, "data [\xe6\x89\xa1] end close");
}

static void
pause_and_change(unsigned i)
{
    pause_before_second(i);
    if (i == 2)
        assert_int_equal(tr_socket_set_encoding(client.socket, TR_ENCODING_HEX), TR_OK);
}

static void
play_change_in_a_pause(void)
{
    static const char *const texts[] = {"a", "b", NULL};
    client.hook = brackets;
    open_pair((struct tr_socket_options){0});
    begin(texts, pause_and_change);
}

static void
what_was_held_back_is_given_in_the_encoding_of_the_moment(void **state)
{
    (void)state;
    stage_play(1, play_change_in_a_pause);
    assert_string_equal(client.log, "data:a [a] resuming resumed data:62 [62] end close");
}

static void
pause_again(void *argument)
{
    (void)argument;
    tr_socket_resume(client.socket);
    tr_socket_pause(client.socket);
    note(&client, "paused");
    stage_settled(resume, NULL);
}

static void
pause_twice(unsigned i)
{
    if (i == 1)
        tr_socket_pause(client.socket);
    if (i == 2)
        stage_settled(pause_again, NULL);
}

static void
play_pause_again(void)
{
    static const char *const texts[] = {"a", "b", NULL};
    client.hook = brackets;
    open_pair((struct tr_socket_options){0});
    begin(texts, pause_twice);
}

static void
a_pause_right_after_resume_goes_on_holding_back(void **state)
{
    (void)state;
    stage_play(1, play_pause_again);
    assert_string_equal(client.log, "data:a [a] paused resuming resumed data:b [b] end close");
}

static void
pause_and_destroy(unsigned i)
{
    if (i == 1)
        tr_socket_pause(client.socket);
    if (i == 2)
        stage_settled(destroy_client, NULL);
}

static void
play_destroy_in_a_pause(void)
{
    static const char *const texts[] = {"a", "b", NULL};
    client.hook = brackets;
    open_pair((struct tr_socket_options){0});
    begin(texts, pause_and_destroy);
}

static void
what_is_held_back_is_lost_with_its_socket(void **state)
{
    (void)state;
    stage_play(1, play_destroy_in_a_pause);
    assert_string_equal(client.log, "data:a [a] close");
    assert_int_equal(client.bytes, 1);
}

/* A paused socket takes what may wait and no more: the peer feels it. */
static size_t taken;

static void
fill(void *argument)
{
    (void)argument;
    for (ssize_t size; (size = send(far_end, pattern(65536).data, 65536, MSG_DONTWAIT)) > 0;)
        taken += (size_t)size;
}

static void
look_and_resume(void *argument)
{
    (void)argument;
    char byte = 'x';
    assert_int_equal(client.bytes, 0);
    assert_in_range(tr_socket_bytes_read(client.socket), 1, 65536);
    fill(NULL);
    assert_int_equal(send(far_end, &byte, 1, MSG_DONTWAIT), -1);
    shutdown(far_end, SHUT_WR);
    tr_socket_resume(client.socket);
}

static void
closes_peer(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "close"))
        close(far_end);
}

static void
pause_now(void *argument)
{
    (void)argument;
    tr_socket_pause(client.socket);
}

static void
pause_and_fill(void *argument)
{
    pause_now(argument);
    fill(NULL);
    stage_settled(look_and_resume, NULL);
}

static void
play_flow_control(void)
{
    taken = 0;
    client.hook = closes_peer;
    open_pair((struct tr_socket_options){0});
    stage_settled(pause_and_fill, NULL);
}

static void
a_paused_socket_takes_one_large_read_and_then_the_peer_has_to_wait(void **state)
{
    (void)state;
    stage_play(1, play_flow_control);
    assert_int_equal(client.bytes, taken);
    assert_string_equal(client.log, "data end close");
}

/*
 * What waits in a pause: the peer's acts follow each other as soon as the socket has read what came before, which
 * tr_socket_bytes_read() shows.
 */

static const int families[] = {AF_UNIX, AF_INET};

static int family;
static unsigned reads_wanted;
static size_t read_bytes;

static void
open_paused(struct tr_socket_options options)
{
    int fds[2];
    stage_pair(family, fds);
    far_end = fds[1];
    stage_adopt_as(&client, fds[0], options);
    end_when_closed();
    stage_after(1, pause_now, NULL);
}

/* Calls act when the socket has read that many bytes. */
static void (*when_read)(void);
static uint64_t bytes_wanted;

static void
look_whether_read(void *argument)
{
    (void)argument;
    if (tr_socket_bytes_read(client.socket) < bytes_wanted)
        stage_after(1, look_whether_read, NULL);
    else
        when_read();
}

static void
after_reading(uint64_t bytes, void (*act)(void))
{
    bytes_wanted = bytes;
    when_read = act;
    look_whether_read(NULL);
}

static void
give_a_read(void *argument)
{
    (void)argument;
    send_text(pattern(read_bytes).data, read_bytes);
}

static void
note_reads(void *argument)
{
    note(&client, "%d", (int)tr_socket_bytes_read(client.socket));
    destroy_client(argument);
}

/* After the last that it takes comes one more, which has to wait. */
static void
next_read(void)
{
    give_a_read(NULL);
    if (--reads_wanted == 0) {
        stage_settled(note_reads, NULL);
        return;
    }
    after_reading(tr_socket_bytes_read(client.socket) + read_bytes, next_read);
}

static void
begin_reads(void *argument)
{
    (void)argument;
    give_a_read(NULL);
    after_reading(read_bytes, next_read);
}

static void
play_reads_on(void)
{
    client.hook = closes_peer;
    open_paused((struct tr_socket_options){0});
    stage_after(2, begin_reads, NULL);
}

static void
a_paused_socket_reads_on_until_16_kib_wait(void **state)
{
    static const struct {
        size_t size;
        unsigned reads;
        const char *log;
    } rows[] = {{10000, 2, "20000 close"}, {1000, 17, "17000 close"}, {8192, 2, "16384 close"}, {1, 256, "256 close"}};
    for (size_t i = 0; i < 2; i++)
        for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
            cast_reset(state);
            family = families[i];
            read_bytes = rows[row].size;
            reads_wanted = rows[row].reads;
            stage_play(1, play_reads_on);
            assert_string_equal(client.log, rows[row].log);
        }
}

/* The peer goes away while bytes wait: few, so that the socket reads on, or more than it may hold. */

static size_t held_bytes;
static void (*peer_goes)(void);

static void
peer_resets(void)
{
    tests_peer_reset(far_end);
}

static void
fill_and_go(void *argument)
{
    (void)argument;
    send_text(pattern(held_bytes).data, held_bytes);
    after_reading(held_bytes < 65536 ? held_bytes : 65536, peer_goes);
}

static void
play_peer_goes(void)
{
    open_paused((struct tr_socket_options){0});
    stage_after(2, fill_and_go, NULL);
}

static void
a_reset_is_noticed_in_a_pause_however_much_waits(void **state)
{
    static const size_t sizes[] = {1, 4000, 20000, 200000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        cast_reset(state);
        family = AF_INET;
        held_bytes = sizes[i];
        peer_goes = peer_resets;
        stage_play(1, play_peer_goes);
        assert_string_equal(client.log, "ECONNRESET close!");
        assert_int_equal(client.bytes, 0);
    }
}

/* An end is data's: it waits for what came before it. */

/* Its end was noticed, and nothing more is looked for; but one that stands behind bytes for which the kernel has no
 * room has not come yet. */
static void
resume_in_the_quiet(void *argument)
{
    if (family == AF_UNIX || held_bytes <= 20000)
        assert_int_equal(client.socket->polled, 0);
    resume(argument);
}

static void
resumes_later(void)
{
    close(far_end);
    stage_settled(resume_in_the_quiet, NULL);
}

static void
an_end_in_a_pause_comes_after_all_that_waits(void **state)
{
    static const size_t sizes[] = {1, 4000, 20000, 200000};
    for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
        cast_reset(state);
        family = families[i % 2];
        held_bytes = sizes[i / 2];
        peer_goes = resumes_later;
        stage_play(1, play_peer_goes);
        assert_string_equal(client.log, "resuming resumed data end close");
        assert_int_equal(client.bytes, held_bytes);
        assert_int_equal(client.sum, pattern_sum(held_bytes));
    }
}

static void
ends_its_side(unsigned i)
{
    if (i == 0)
        tr_socket_pause(client.socket);
    if (i == 1) {
        note(&client, "ending");
        tr_socket_end(client.socket);
    }
}

static void
play_end_of_both(void)
{
    static const char *const texts[] = {"", NULL};
    open_pair((struct tr_socket_options){.allow_half_open = true});
    begin(texts, ends_its_side);
}

static void
a_paused_socket_notices_its_peers_end_after_its_own(void **state)
{
    (void)state;
    stage_play(1, play_end_of_both);
    assert_string_equal(client.log, "ending end close");
}

/* An end is told once: as long as libuv looked for it the loop would never sleep. */

static bool half_open_paused;

static void
look_at_poll(void *argument)
{
    (void)argument;
    assert_string_equal(client.log, "end");
    note(&client, "%s", client.socket->polled == 0 ? "quiet" : "polled");
    tr_socket_end(client.socket);
    close(far_end);
    end_when_closed();
}

static bool
has_ended(void)
{
    return strcmp(client.log, "end") == 0;
}

static void
play_half_open(void)
{
    int fds[2];
    stage_pair(family, fds);
    far_end = fds[1];
    stage_adopt_as(&client, fds[0], (struct tr_socket_options){.allow_half_open = true});
    if (half_open_paused)
        tr_socket_pause(client.socket);
    shutdown(far_end, SHUT_WR);
    stage_settled_when(has_ended, look_at_poll, NULL);
}

static void
an_end_that_was_told_is_not_looked_for_again(void **state)
{
    for (unsigned i = 0; i < 4; i++) {
        cast_reset(state);
        family = families[i % 2];
        half_open_paused = i >= 2;
        stage_play(1, play_half_open);
        assert_string_equal(client.log, "end quiet close");
    }
}

/* What waits is given read by read, and a pause between two of them keeps the rest. */

static void
pauses_after_each(struct endpoint *self, const char *event)
{
    brackets(self, event);
    if (is(event, "data")) {
        tr_socket_pause(self->socket);
        stage_after(1, resume, NULL);
    }
}

static void
pause_first(unsigned i)
{
    if (i == 0)
        tr_socket_pause(client.socket);
}

static void
resume_at_third(unsigned i)
{
    pause_first(i);
    if (i == 3)
        stage_settled(resume, NULL);
}

static void
play_one_by_one(void)
{
    static const char *const texts[] = {"a", "b", "c", NULL};
    client.hook = pauses_after_each;
    open_pair((struct tr_socket_options){0});
    begin(texts, resume_at_third);
}

static void
what_waits_is_given_read_by_read_and_a_pause_keeps_the_rest(void **state)
{
    (void)state;
    stage_play(1, play_one_by_one);
    assert_string_equal(client.log,
                        "resuming resumed data:a [a] resuming resumed data:b [b] resuming resumed data:c [c] "
                        "resuming resumed end close");
}

/* A pipe that comes and goes in a pause: what was held back before it is not overwritten by what is read after it. */

static struct endpoint other;
static int peer_of_other;

static void
pipe_in_the_pause(unsigned i)
{
    if (i == 1)
        tr_socket_pause(client.socket);
    if (i == 2) {
        assert_int_equal(tr_socket_bytes_read(client.socket), 2);
        assert_int_equal(tr_socket_pipe(client.socket, tr_socket_ref(other.socket), NULL), TR_OK);
        tr_socket_unpipe(client.socket);
        tr_socket_pause(client.socket);
    }
    if (i == 3) {
        tr_socket_resume(client.socket);
        close(peer_of_other);
    }
}

static void
play_pipe_in_a_pause(void)
{
    static const char *const texts[] = {"a", "b", "c", NULL};
    int fds[2];
    memset(&other, 0, sizeof(other));
    stage_pair(AF_UNIX, fds);
    peer_of_other = fds[1];
    stage_adopt(&other, fds[0]);
    client.hook = brackets;
    open_pair((struct tr_socket_options){0});
    begin(texts, pipe_in_the_pause);
}

static void
what_is_held_back_goes_before_what_is_read_after_a_pipe(void **state)
{
    (void)state;
    stage_play(1, play_pipe_in_a_pause);
    assert_string_equal(client.log, "data:a [a] data:b [b] data:c [c] end close");
}

/* What is held back comes in the place of the resume: each letter is something that one callback does. */

static const char *script;
static bool peer_ends;

static void
write_named(const char *name, tr_write_done done)
{
    tr_socket_write_then(client.socket, tr_slice_constant("x", 1), done, (void *)(uintptr_t)name);
}

static void
write_again(tr_socket *socket, void *name, tr_status status)
{
    note_written(socket, name, status);
    write_named("again", note_written);
}

static void
finish_script(void *argument)
{
    char bytes[8];
    if (client.socket != NULL)
        destroy_client(argument);
    recv(far_end, bytes, sizeof(bytes), MSG_DONTWAIT);
    close(far_end);
}

static void
do_script(void *argument)
{
    (void)argument;
    for (const char *letter = script; *letter != '\0'; letter++)
        switch (*letter) {
        case 'r': tr_socket_resume(client.socket); break;
        case 'w': write_named("w", note_written); break;
        case 'W': write_named("W", write_again); break;
        default: tr_socket_destroy(client.socket, TR_OK); break;
        }
    stage_settled(finish_script, NULL);
}

static void
play_script(void)
{
    open_pair((struct tr_socket_options){0});
    tr_socket_pause(client.socket);
    send_text("a", 1);
    if (peer_ends)
        shutdown(far_end, SHUT_WR);
    stage_settled(do_script, NULL);
}

static void
what_was_held_back_comes_in_the_place_of_the_resume(void **state)
{
    static const struct {
        const char *script, *log;
        bool peer_ends;
    } rows[] = {
        {"rw", "data:a w:OK close", false},
        {"wr", "w:OK data:a close", false},
        {"rd", "data:a close", false},
        {"wrd", "w:OK data:a close", false},
        {"dr", "close", false},
        {"rw", "data:a w:OK end close", true},
        {"Wr", "W:OK data:a again:OK end close", true}, /* the end comes after what was written by then */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cast_reset(state);
        script = rows[i].script;
        peer_ends = rows[i].peer_ends;
        stage_play(1, play_script);
        assert_string_equal(client.log, rows[i].log);
    }
}

/* A paused socket that may read little takes no part of a record. */

static struct tri_sockets *sockets;

static void
resume_records(void *argument)
{
    (void)argument;
    sockets->held -= TRI_HELD_FREELY;
    tr_socket_resume(client.socket);
    close(far_end);
}

static void
play_record_in_a_pause(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    far_end = fds[1];
    stage_adopt(&client, fds[0]);
    tr_socket_pause(client.socket);
    sockets = client.socket->home;
    sockets->held += TRI_HELD_FREELY; /* as if others held so much */
    send_text(pattern(30000).data, 30000);
    stage_settled(resume_records, NULL);
    end_when_closed();
}

static void
a_record_that_comes_in_a_pause_is_whole_however_much_is_held(void **state)
{
    (void)state;
    stage_play(1, play_record_in_a_pause);
    assert_string_equal(client.log, "data end close");
    assert_int_equal(client.bytes, 30000);
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
    recv(far_end, &byte, 1, MSG_DONTWAIT);
    close(far_end);
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
    open_pair((struct tr_socket_options){0});
    stage_settled(send_to_both, NULL);
}

static void
what_another_socket_makes_due_comes_before_what_is_read_in_the_same_turn(void **state)
{
    (void)state;
    stage_play(1, play_both_readable);
    assert_string_equal(client.log, "written:OK data:a end close");
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
    open_pair((struct tr_socket_options){0});
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
    close(far_end);
}

static void
play_kept_text(void)
{
    static char letters[TEXT_BYTES];
    memset(letters, 'a', sizeof(letters));
    client.hook = keeps_text;
    open_pair((struct tr_socket_options){.encoding = TR_ENCODING_UTF8});
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
        cmocka_unit_test_setup(a_pause_in_the_middle_of_a_character_loses_nothing, cast_reset),
        cmocka_unit_test_setup(what_is_incomplete_waits_for_resume_and_the_end_with_it, cast_reset),
        cmocka_unit_test_setup(an_end_with_nothing_before_it_comes_in_a_pause_too, cast_reset),
        cmocka_unit_test_setup(a_single_byte_of_utf16_does_not_keep_the_end_waiting, cast_reset),
        cmocka_unit_test_setup(what_was_held_back_is_given_in_the_encoding_of_the_moment, cast_reset),
        cmocka_unit_test_setup(a_pause_right_after_resume_goes_on_holding_back, cast_reset),
        cmocka_unit_test_setup(what_is_held_back_is_lost_with_its_socket, cast_reset),
        cmocka_unit_test_setup(a_paused_socket_takes_one_large_read_and_then_the_peer_has_to_wait, cast_reset),
        cmocka_unit_test_setup(a_paused_socket_reads_on_until_16_kib_wait, cast_reset),
        cmocka_unit_test_setup(a_reset_is_noticed_in_a_pause_however_much_waits, cast_reset),
        cmocka_unit_test_setup(an_end_in_a_pause_comes_after_all_that_waits, cast_reset),
        cmocka_unit_test_setup(a_paused_socket_notices_its_peers_end_after_its_own, cast_reset),
        cmocka_unit_test_setup(an_end_that_was_told_is_not_looked_for_again, cast_reset),
        cmocka_unit_test_setup(what_waits_is_given_read_by_read_and_a_pause_keeps_the_rest, cast_reset),
        cmocka_unit_test_setup(what_is_held_back_goes_before_what_is_read_after_a_pipe, cast_reset),
        cmocka_unit_test_setup(what_was_held_back_comes_in_the_place_of_the_resume, cast_reset),
        cmocka_unit_test_setup(a_record_that_comes_in_a_pause_is_whole_however_much_is_held, cast_reset),
        cmocka_unit_test_setup(what_another_socket_makes_due_comes_before_what_is_read_in_the_same_turn, cast_reset),
        cmocka_unit_test_setup(a_socket_that_is_never_read_dry_leaves_others_their_turn, cast_reset),
        cmocka_unit_test_setup(text_that_is_kept_takes_no_more_than_twice_its_bytes, cast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
