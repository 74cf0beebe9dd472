/*
 * Pauses: what is held back, and where it comes when reading goes on.
 *
 * The peer is a raw descriptor that the play writes to; an act waits until all has settled where the socket shall see
 * two pieces.
 */
#include "cast.h"
#include "reading_play.h"
#include "socket_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/pipe.h>

/* Pauses. */

static void
pause_before_second(unsigned i)
{
    if (i == 1)
        tr_socket_pause(client.socket);
    if (i == 2)
        stage_settled(resume_client, NULL);
}

static void
play_pause_in_a_character(void)
{
    static const char *const texts[] = {"a\xe2", "\x98\x83", NULL};
    client.hook = brackets;
    open_reader((struct tr_socket_options){.encoding = TR_ENCODING_UTF8});
    begin_sending(texts, pause_before_second);
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
        stage_settled(resume_client, NULL);
    }
}

static void
play_incomplete_in_a_pause(void)
{
    static const char *const texts[] = {"a\xe2\x98", NULL};
    client.hook = brackets;
    open_reader((struct tr_socket_options){.encoding = TR_ENCODING_UTF8});
    begin_sending(texts, pause_before_close);
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
    open_reader((struct tr_socket_options){0});
    begin_sending(texts, pause_before_second);
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
    open_reader((struct tr_socket_options){.encoding = TR_ENCODING_UTF16LE});
    begin_sending(texts, pause_before_second);
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
    open_reader((struct tr_socket_options){0});
    begin_sending(texts, pause_and_change);
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
    stage_settled(resume_client, NULL);
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
    open_reader((struct tr_socket_options){0});
    begin_sending(texts, pause_twice);
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
    open_reader((struct tr_socket_options){0});
    begin_sending(texts, pause_and_destroy);
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
    for (ssize_t size; (size = send(reader_peer, pattern(65536).data, 65536, MSG_DONTWAIT)) > 0;)
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
    assert_int_equal(send(reader_peer, &byte, 1, MSG_DONTWAIT), -1);
    shutdown(reader_peer, SHUT_WR);
    tr_socket_resume(client.socket);
}

static void
pause_and_fill(void *argument)
{
    pause_client(argument);
    fill(NULL);
    stage_settled(look_and_resume, NULL);
}

static void
play_flow_control(void)
{
    taken = 0;
    client.hook = closes_peer;
    open_reader((struct tr_socket_options){0});
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

/* What waits is given read by read, and a pause between two of them keeps the rest. */

static void
pauses_after_each(struct endpoint *self, const char *event)
{
    brackets(self, event);
    if (is(event, "data")) {
        tr_socket_pause(self->socket);
        stage_after(1, resume_client, NULL);
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
        stage_settled(resume_client, NULL);
}

static void
play_one_by_one(void)
{
    static const char *const texts[] = {"a", "b", "c", NULL};
    client.hook = pauses_after_each;
    open_reader((struct tr_socket_options){0});
    begin_sending(texts, resume_at_third);
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
    open_reader((struct tr_socket_options){0});
    begin_sending(texts, pipe_in_the_pause);
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
    recv(reader_peer, bytes, sizeof(bytes), MSG_DONTWAIT);
    close(reader_peer);
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
    open_reader((struct tr_socket_options){0});
    tr_socket_pause(client.socket);
    send_text("a", 1);
    if (peer_ends)
        shutdown(reader_peer, SHUT_WR);
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
    close(reader_peer);
}

static void
play_record_in_a_pause(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    reader_peer = fds[1];
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_pause_in_the_middle_of_a_character_loses_nothing, cast_reset),
        cmocka_unit_test_setup(what_is_incomplete_waits_for_resume_and_the_end_with_it, cast_reset),
        cmocka_unit_test_setup(an_end_with_nothing_before_it_comes_in_a_pause_too, cast_reset),
        cmocka_unit_test_setup(a_single_byte_of_utf16_does_not_keep_the_end_waiting, cast_reset),
        cmocka_unit_test_setup(what_was_held_back_is_given_in_the_encoding_of_the_moment, cast_reset),
        cmocka_unit_test_setup(a_pause_right_after_resume_goes_on_holding_back, cast_reset),
        cmocka_unit_test_setup(what_is_held_back_is_lost_with_its_socket, cast_reset),
        cmocka_unit_test_setup(a_paused_socket_takes_one_large_read_and_then_the_peer_has_to_wait, cast_reset),
        cmocka_unit_test_setup(what_waits_is_given_read_by_read_and_a_pause_keeps_the_rest, cast_reset),
        cmocka_unit_test_setup(what_is_held_back_goes_before_what_is_read_after_a_pipe, cast_reset),
        cmocka_unit_test_setup(what_was_held_back_comes_in_the_place_of_the_resume, cast_reset),
        cmocka_unit_test_setup(a_record_that_comes_in_a_pause_is_whole_however_much_is_held, cast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
