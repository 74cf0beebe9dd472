/*
 * A paused socket reads ahead, up to a limit, so that it notices what its peer does: an end, a reset.
 */
#include "cast.h"
#include "helpers.h"
#include "reading_play.h"
#include "socket_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

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
    reader_peer = fds[1];
    stage_adopt_as(&client, fds[0], options);
    end_when_closed();
    stage_after(1, pause_client, NULL);
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
    tests_peer_reset(reader_peer);
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
    resume_client(argument);
}

static void
resumes_later(void)
{
    close(reader_peer);
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
    open_reader((struct tr_socket_options){.allow_half_open = true});
    begin_sending(texts, ends_its_side);
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
    close(reader_peer);
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
    reader_peer = fds[1];
    stage_adopt_as(&client, fds[0], (struct tr_socket_options){.allow_half_open = true});
    if (half_open_paused)
        tr_socket_pause(client.socket);
    shutdown(reader_peer, SHUT_WR);
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_paused_socket_reads_on_until_16_kib_wait, cast_reset),
        cmocka_unit_test_setup(a_reset_is_noticed_in_a_pause_however_much_waits, cast_reset),
        cmocka_unit_test_setup(an_end_in_a_pause_comes_after_all_that_waits, cast_reset),
        cmocka_unit_test_setup(a_paused_socket_notices_its_peers_end_after_its_own, cast_reset),
        cmocka_unit_test_setup(an_end_that_was_told_is_not_looked_for_again, cast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
