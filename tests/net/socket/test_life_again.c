/*
 * A socket that connects again: what one life leaves to the next.
 *
 * The far end is a raw descriptor, accepted when the socket says that it is ready.
 */
#include "cast.h"
#include "helpers.h"
#include "life_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Again. */

#define LIVES 100u

static unsigned lives;

static void
lives_again(struct endpoint *self, const char *event)
{
    if (is(event, "ready")) {
        peer.fd = tests_peer_accept(raw_listener);
        assert_true(tests_peer_send(peer.fd, "hello", 5));
        close(peer.fd);
    }
    if (!is(event, "close"))
        return;
    assert_string_equal(self->log, "connect ready data:hello end close");
    assert_int_equal(tr_socket_bytes_read(kept_socket), 5);
    assert_true(tr_socket_destroyed(kept_socket));
    if (++lives == LIVES)
        return;
    self->closed = false;
    self->log[0] = '\0';
    self->bytes = 0;
    assert_int_equal(connect_client(), TR_OK);
    assert_int_equal(tr_socket_bytes_read(kept_socket), 0);
    assert_false(tr_socket_destroyed(kept_socket));
    assert_int_equal(tr_socket_set_timeout(kept_socket, 5000 + lives), TR_OK);
}

static void
play_lives(void)
{
    lives = 0;
    client.hook = lives_again;
    spawn_client((struct tr_socket_options){0});
    assert_int_equal(connect_client(), TR_OK);
    end_when_closed();
}

static void
a_closed_socket_connects_again_from_its_close_callback_a_hundred_times(void **state)
{
    (void)state;
    stage_play(1, play_lives);
    assert_int_equal(lives, LIVES);
}

static void
connect_later(void *argument)
{
    (void)argument;
    assert_string_equal(state_of(kept_socket), "closed");
    assert_true(tr_socket_destroyed(kept_socket));
    assert_int_equal(say(kept_socket, "x"), TR_EDESTROYED);
    assert_int_equal(tr_socket_bytes_read(kept_socket), 5); /* it can still be asked */
    client.closed = false;
    client.socket = kept_socket;
    client.bytes = 0;
    note(&client, "|");
    assert_int_equal(connect_client(), TR_OK);
    end_when_closed();
}

static void
exit_at_last(void *argument)
{
    (void)argument;
    tr_exit(tr_socket_actor(kept_socket));
}

static void
lives_later(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "ready")) {
        peer.fd = tests_peer_accept(raw_listener);
        assert_true(tests_peer_send(peer.fd, "hello", 5));
        close(peer.fd);
    }
    if (is(event, "close") && ++lives == 1)
        stage_settled(connect_later, NULL);
    else if (is(event, "close"))
        stage_settled(exit_at_last, NULL);
}

static void
play_kept(void)
{
    lives = 0;
    client.hook = lives_later;
    spawn_client((struct tr_socket_options){.keep = true});
    assert_int_equal(connect_client(), TR_OK);
}

static void
a_kept_socket_connects_again_at_any_time(void **state)
{
    (void)state;
    stage_play(1, play_kept);
    assert_string_equal(client.log, "connect ready data:hello end close | connect ready data:hello end close");
}

/* A life that failed leaves nothing to the next. */
static void
fails_once(struct endpoint *self, const char *event)
{
    if (is(event, "ready")) {
        peer.fd = tests_peer_accept(raw_listener);
        tr_socket_destroy(kept_socket, TR_EUSER);
        close(peer.fd);
    }
    if (is(event, "close") && ++lives == 1) {
        self->closed = false;
        assert_int_equal(connect_client(), TR_OK);
    }
}

static void
play_fails_once(void)
{
    lives = 0;
    client.hook = fails_once;
    spawn_client((struct tr_socket_options){0});
    assert_int_equal(connect_client(), TR_OK);
    assert_int_equal(
        tr_socket_write_then(kept_socket, tr_slice_constant("x", 1), note_written, (void *)(uintptr_t) "x"), TR_OK);
    assert_int_equal(tr_socket_end(kept_socket), TR_OK);
    tr_socket_destroy_with(kept_socket, "ECHANGEDMYMIND");
    end_when_closed();
}

static void
a_life_that_failed_leaves_nothing_to_the_next(void **state)
{
    (void)state;
    stage_play(1, play_fails_once);
    assert_string_equal(client.log,
                        "ECHANGEDMYMIND close! x:ERR_SOCKET_CLOSED_BEFORE_CONNECTION connect ready ERR_USER "
                        "close!");
}

/* What a socket has done in one life, or was, is nothing to the next. */

struct first_life {
    const char *name;
    void (*begin)(void); /* in its ready event; it ends of itself then */
    unsigned wait_ms;    /* how long nothing moves in the next */
};

static const struct first_life *first_life;

static void
destroy_kept(void *argument)
{
    (void)argument;
    tr_socket_destroy(kept_socket, TR_OK);
}

static void
is_corked(void)
{
    tr_socket_cork(kept_socket);
    assert_int_equal(say(kept_socket, "x"), TR_OK);
    destroy_kept(NULL);
}

static void
is_reset(void)
{
    assert_int_equal(tr_socket_reset(kept_socket), TR_OK);
}

static bool
has_read_one(void)
{
    return tr_socket_bytes_read(kept_socket) == 1;
}

static void
has_half_a_character(void)
{
    assert_true(tests_peer_send(peer.fd, "\xe2", 1));
    stage_when(has_read_one, destroy_kept, NULL);
}

static void
is_ended_by_its_peer(void)
{
    shutdown(peer.fd, SHUT_WR);
}

static void
has_a_timeout(void)
{
    assert_int_equal(tr_socket_set_timeout(kept_socket, 20), TR_OK);
    destroy_kept(NULL);
}

static void
send_hello(void *argument)
{
    (void)argument;
    assert_true(tests_peer_send(peer.fd, "hello", 5));
    shutdown(peer.fd, SHUT_WR);
}

static void
live_anew(void)
{
    assert_int_equal(tr_socket_bytes_written(kept_socket), 0);
    assert_int_equal(say(kept_socket, "hi"), TR_OK);
    assert_int_equal(tr_socket_buffered(kept_socket), 0);
    if (first_life->wait_ms > 0)
        stage_after(first_life->wait_ms, send_hello, NULL);
    else
        send_hello(NULL);
}

static void
writes_after_its_own_end(struct endpoint *self)
{
    assert_int_equal(tr_socket_end(self->socket), TR_OK);
    assert_int_equal(say(self->socket, "x"), TR_EWRITEAFTEREND);
}

static void
lives_once_more(struct endpoint *self, const char *event)
{
    if (is(event, "ready")) {
        peer.fd = tests_peer_accept(raw_listener);
        if (lives == 0)
            first_life->begin();
        else if (lives == 1)
            live_anew();
        else
            writes_after_its_own_end(self);
    }
    if (!is(event, "close"))
        return;
    if (peer.fd >= 0)
        close(peer.fd);
    if (++lives == 3)
        return;
    note(self, "|");
    self->closed = false;
    self->bytes = 0;
    assert_int_equal(connect_client(), TR_OK);
}

static void
play_first_life(void)
{
    lives = 0;
    client.hook = lives_once_more;
    spawn_client((struct tr_socket_options){.encoding = TR_ENCODING_UTF8});
    assert_int_equal(connect_client(), TR_OK);
    end_when_closed();
}

/* A descriptor that is not read; our end closes the socket. */
static void
play_unread_life(void)
{
    int fds[2];
    lives = 0;
    client.hook = lives_once_more;
    stage_pair(AF_UNIX, fds);
    peer.fd = fds[1];
    struct tr_socket_options options = {.events = &endpoint_events, .data = &client};
    assert_int_equal(tr_socket_adopt(director, fds[0], TR_WRITABLE, &options, &client.socket), TR_OK);
    kept_socket = client.socket;
    assert_int_equal(tr_socket_end(kept_socket), TR_OK);
    end_when_closed();
}

#define NEXT_LIVES " | connect ready data:hello end close | connect ready ERR_STREAM_WRITE_AFTER_END close!"

static void
a_new_life_has_nothing_of_the_last(void **state)
{
    static const struct first_life rows[] = {
        {"a cork", is_corked, 0},
        {"a reset", is_reset, 0},
        {"half a character", has_half_a_character, 0},
        {"an end of the peer's", is_ended_by_its_peer, 0},
        {"a timeout", has_a_timeout, 60},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cast_reset(state);
        first_life = &rows[i];
        stage_play(1, play_first_life);
        const char *first = rows[i].begin == is_ended_by_its_peer ? "connect ready end close" : "connect ready close";
        if (strncmp(client.log, first, strlen(first)) != 0 || strcmp(client.log + strlen(first), NEXT_LIVES) != 0)
            fail_msg("%s: %s", rows[i].name, client.log);
    }
    cast_reset(state);
    first_life = &rows[0];
    stage_play(1, play_unread_life);
    assert_string_equal(client.log, "close" NEXT_LIVES);
}

static void
connects_accepted(struct endpoint *self, const char *event)
{
    if (!is(event, "close") || ++lives != 1)
        return;
    struct tr_connect_options options = {.host = "127.0.0.1", .port = stage_port};
    self->closed = false;
    assert_int_not_equal(tr_socket_server(self->socket), TR_NOBODY);
    assert_int_equal(tr_socket_connect(self->socket, &options), TR_OK);
    assert_int_equal(tr_socket_server(self->socket), TR_NOBODY);
}

static void
play_accepted_connects(void)
{
    lives = 0;
    client.hook = ends_when_ready;
    accepted[0].hook = connects_accepted;
    accepted[1].hook = ends_when_ready;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    struct endpoint *all[] = {&client, &accepted[0], &accepted[1]};
    stage_end_when_closed(all, 3);
}

static void
an_accepted_socket_may_connect_when_it_is_closed(void **state)
{
    (void)state;
    stage_play(1, play_accepted_connects);
    assert_string_equal(accepted[0].log, "accepted end close connect ready end close");
    assert_string_equal(accepted[1].log, "accepted end close");
}

/* A life that is ended in the callback in which it began: it has its own close event, and its writes are called
 * back. */

static void
lives_for_a_moment(struct endpoint *self, const char *event)
{
    if (!is(event, "close"))
        return;
    if (++lives > 1) {
        look_whether_gone(NULL);
        return;
    }
    self->closed = false;
    assert_int_equal(connect_client(), TR_OK);
    assert_int_equal(
        tr_socket_write_then(kept_socket, tr_slice_constant("x", 1), note_written, (void *)(uintptr_t) "x"), TR_OK);
    tr_socket_destroy(kept_socket, TR_OK);
}

static void
play_moment(void)
{
    lives = 0;
    client.hook = lives_for_a_moment;
    spawn_client((struct tr_socket_options){0});
    stopped_ref = tr_socket_ref(kept_socket);
    assert_int_equal(connect_client(), TR_OK);
    tr_socket_destroy(kept_socket, TR_OK);
}

static void
a_life_may_begin_and_end_in_the_close_callback(void **state)
{
    (void)state;
    stage_play(1, play_moment);
    assert_string_equal(client.log, "close close x:ERR_SOCKET_CLOSED_BEFORE_CONNECTION");
}

int
main(void)
{
#define RAW_TEST(name) cmocka_unit_test_setup_teardown(name, listen_raw, stop_listening)
    const struct CMUnitTest tests[] = {
        RAW_TEST(a_closed_socket_connects_again_from_its_close_callback_a_hundred_times),
        RAW_TEST(a_kept_socket_connects_again_at_any_time),
        RAW_TEST(a_life_that_failed_leaves_nothing_to_the_next),
        RAW_TEST(a_new_life_has_nothing_of_the_last),
        cmocka_unit_test_setup(an_accepted_socket_may_connect_when_it_is_closed, cast_reset),
        RAW_TEST(a_life_may_begin_and_end_in_the_close_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
