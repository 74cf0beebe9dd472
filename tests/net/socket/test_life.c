/*
 * The life of a socket: spawned, connected, closed, connected again; how it ends, and what is left of it.
 *
 * The far end is a raw descriptor, accepted when the socket says that it is ready.
 */
#include "cast.h"
#include "helpers.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static int listener = -1;
static tr_socket *kept;

static int
listen_raw(void **state)
{
    listener = tests_peer_listen(&stage_port);
    assert_true(listener >= 0);
    return cast_reset(state);
}

static int
stop_listening(void **state)
{
    (void)state;
    close(listener);
    listener = -1;
    return 0;
}

static void
spawn_client(struct tr_socket_options options)
{
    options.events = &endpoint_events;
    options.data = &client;
    assert_int_equal(tr_socket_spawn(director, &options, &client.socket), TR_OK);
    kept = client.socket;
}

static tr_status
connect_client(void)
{
    struct tr_connect_options options = {.host = "127.0.0.1", .port = stage_port};
    return tr_socket_connect(kept, &options);
}

static const char *
state_of(const tr_socket *socket)
{
    return tr_ready_state_name(tr_socket_ready_state(socket));
}

/* Not connected. */

static void
destroy_untouched(void *argument)
{
    (void)argument;
    assert_string_equal(client.log, "");
    tr_socket_destroy(client.socket, TR_OK);
}

static void
play_spawned(void)
{
    tr_socket *out;
    struct tr_socket_options bad = {.encoding = (enum tr_encoding)77};
    assert_int_equal(tr_socket_spawn(NULL, NULL, &out), TR_EINVAL);
    assert_int_equal(tr_socket_spawn(director, NULL, NULL), TR_EINVAL);
    assert_int_equal(tr_socket_spawn(director, &bad, &out), TR_EBADENCODING);
    spawn_client((struct tr_socket_options){.timeout_ms = 1000, .no_delay = true});
    assert_true(tr_socket_pending(client.socket));
    assert_false(tr_socket_connecting(client.socket));
    assert_false(tr_socket_destroyed(client.socket));
    assert_string_equal(state_of(client.socket), "open");
    assert_int_equal(tr_socket_server(client.socket), TR_NOBODY);
    assert_int_equal(tr_socket_connect(client.socket, NULL), TR_EINVAL);
    tr_socket_pause(client.socket);
    tr_socket_resume(client.socket);
    stage_settled(destroy_untouched, NULL);
    end_when_closed();
}

static void
a_socket_that_is_not_connected_waits_and_can_be_destroyed(void **state)
{
    (void)state;
    stage_play(1, play_spawned);
    assert_string_equal(client.log, "close");
}

/* States. */

static char words[128];

static void
word(void)
{
    strcat(words, state_of(kept));
    strcat(words, " ");
}

static void
ends_then(void *argument)
{
    (void)argument;
    tr_socket_end(kept);
    word();
    close(peer.fd);
}

static void
says_states(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "ready")) {
        assert_false(tr_socket_pending(kept));
        assert_false(tr_socket_connecting(kept));
        peer.fd = tests_peer_accept(listener);
        stage_settled(ends_then, NULL);
    }
    word();
}

static void
play_states(void)
{
    words[0] = '\0';
    client.hook = says_states;
    spawn_client((struct tr_socket_options){0});
    word();
    assert_int_equal(connect_client(), TR_OK);
    assert_true(tr_socket_pending(kept));
    assert_true(tr_socket_connecting(kept));
    word();
    end_when_closed();
}

static void
the_ready_state_of_a_client_goes_through_the_documents_words(void **state)
{
    (void)state;
    stage_play(1, play_states);
    assert_string_equal(client.log, "connect ready end close");
    assert_string_equal(words, "open opening open open readOnly closed closed ");
    assert_string_equal(tr_ready_state_name((enum tr_ready_state)99), "closed");
}

static void
write_only_then_end(struct endpoint *self, const char *event)
{
    if (is(event, "ready")) {
        peer.fd = tests_peer_accept(listener);
        shutdown(peer.fd, SHUT_WR);
    }
    if (is(event, "end")) {
        assert_string_equal(state_of(self->socket), "writeOnly");
        assert_int_equal(tr_socket_end_with(self->socket, tr_slice_constant("last", 4)), TR_OK);
        assert_string_equal(state_of(self->socket), "closed");
        stage_read(&peer);
    }
}

static void
play_write_only(void)
{
    client.hook = write_only_then_end;
    spawn_client((struct tr_socket_options){.allow_half_open = true});
    assert_int_equal(connect_client(), TR_OK);
    end_when_done();
}

static void
a_half_open_socket_is_write_only_after_the_peers_end(void **state)
{
    (void)state;
    stage_play(1, play_write_only);
    assert_string_equal(client.log, "connect ready end close");
    assert_string_equal(peer.text, "last");
}

/* Connecting when it is not time to. */

static void
connects_too_often(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "connect"))
        assert_int_equal(connect_client(), TR_EISCONN);
    if (!is(event, "ready"))
        return;
    peer.fd = tests_peer_accept(listener);
    assert_int_equal(connect_client(), TR_EISCONN);
    tr_socket_destroy(kept, TR_OK);
    assert_int_equal(connect_client(), TR_EDESTROYED);
    close(peer.fd);
}

static void
play_connects_too_often(void)
{
    client.hook = connects_too_often;
    spawn_client((struct tr_socket_options){0});
    assert_int_equal(connect_client(), TR_OK);
    assert_int_equal(connect_client(), TR_EALREADY);
    end_when_closed();
}

static void
a_socket_that_is_busy_is_not_connected_again(void **state)
{
    (void)state;
    stage_play(1, play_connects_too_often);
    assert_string_equal(client.log, "connect ready close");
}

/* Again. */

#define LIVES 100u

static unsigned lives;

static void
lives_again(struct endpoint *self, const char *event)
{
    if (is(event, "ready")) {
        peer.fd = tests_peer_accept(listener);
        assert_true(tests_peer_send(peer.fd, "hello", 5));
        close(peer.fd);
    }
    if (!is(event, "close"))
        return;
    assert_string_equal(self->log, "connect ready data:hello end close");
    assert_int_equal(tr_socket_bytes_read(kept), 5);
    assert_true(tr_socket_destroyed(kept));
    if (++lives == LIVES)
        return;
    self->closed = false;
    self->log[0] = '\0';
    self->bytes = 0;
    assert_int_equal(connect_client(), TR_OK);
    assert_int_equal(tr_socket_bytes_read(kept), 0);
    assert_false(tr_socket_destroyed(kept));
    assert_int_equal(tr_socket_set_timeout(kept, 5000 + lives), TR_OK);
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
    assert_string_equal(state_of(kept), "closed");
    assert_true(tr_socket_destroyed(kept));
    assert_int_equal(say(kept, "x"), TR_EDESTROYED);
    assert_int_equal(tr_socket_bytes_read(kept), 5); /* it can still be asked */
    client.closed = false;
    client.socket = kept;
    client.bytes = 0;
    note(&client, "|");
    assert_int_equal(connect_client(), TR_OK);
    end_when_closed();
}

static void
exit_at_last(void *argument)
{
    (void)argument;
    tr_exit(tr_socket_actor(kept));
}

static void
lives_later(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "ready")) {
        peer.fd = tests_peer_accept(listener);
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
        peer.fd = tests_peer_accept(listener);
        tr_socket_destroy(kept, TR_EUSER);
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
    assert_int_equal(tr_socket_write_then(kept, tr_slice_constant("x", 1), note_written, (void *)(uintptr_t) "x"),
                     TR_OK);
    assert_int_equal(tr_socket_end(kept), TR_OK);
    tr_socket_destroy_with(kept, "ECHANGEDMYMIND");
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
    tr_socket_destroy(kept, TR_OK);
}

static void
is_corked(void)
{
    tr_socket_cork(kept);
    assert_int_equal(say(kept, "x"), TR_OK);
    destroy_kept(NULL);
}

static void
is_reset(void)
{
    assert_int_equal(tr_socket_reset(kept), TR_OK);
}

static bool
has_read_one(void)
{
    return tr_socket_bytes_read(kept) == 1;
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
    assert_int_equal(tr_socket_set_timeout(kept, 20), TR_OK);
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
    assert_int_equal(tr_socket_bytes_written(kept), 0);
    assert_int_equal(say(kept, "hi"), TR_OK);
    assert_int_equal(tr_socket_buffered(kept), 0);
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
        peer.fd = tests_peer_accept(listener);
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
    kept = client.socket;
    assert_int_equal(tr_socket_end(kept), TR_OK);
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
ends_when_ready(struct endpoint *self, const char *event)
{
    if (is(event, "ready") || is(event, "accepted"))
        tr_socket_end(self->socket);
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

/* The document of v0.2: server-side streams tell `connect`, too. */
static void
play_emit_connect(void)
{
    client.hook = ends_when_ready;
    stage_serve((struct tr_server_options){.socket.emit_connect = true});
    stage_connect(&client);
    struct endpoint *both[] = {&client, &accepted[0]};
    stage_end_when_closed(both, 2);
}

static void
an_accepted_socket_tells_connect_if_asked_to(void **state)
{
    (void)state;
    stage_play(1, play_emit_connect);
    assert_string_equal(accepted[0].log, "accepted connect ready end close");
}

/* Types. */

static void
is_destroyed_when_ready(struct endpoint *self, const char *event)
{
    if (is(event, "ready"))
        tr_socket_destroy(self->socket, TR_OK);
}

static void
play_types(void)
{
    struct tr_socket_options tcp4 = {.type = TR_SOCKET_TCP4, .events = &endpoint_events, .data = &client};
    struct tr_socket_options tcp6 = {.type = TR_SOCKET_TCP6};
    struct tr_connect_options to4 = {.host = "127.0.0.1", .port = stage_port};
    struct tr_connect_options to6 = {.host = "::1", .port = stage_port};
    struct tr_connect_options name6 = {.host = "localhost", .port = stage_port, .family = TR_FAMILY_IPV6};
    struct tr_connect_options name = {.host = "localhost", .port = stage_port};
    assert_int_equal(tr_connect(director, &tcp4, &to6, NULL), TR_EBADADDRESS);
    assert_int_equal(tr_connect(director, &tcp4, &name6, NULL), TR_EBADADDRESS);
    assert_int_equal(tr_connect(director, &tcp6, &to4, NULL), TR_EBADADDRESS);
    client.hook = is_destroyed_when_ready;
    assert_int_equal(tr_connect(director, &tcp4, &name, &client.socket), TR_OK);
    end_when_closed();
}

static void
the_type_of_a_socket_decides_which_family_it_looks_for(void **state)
{
    (void)state;
    stage_play(1, play_types);
    assert_string_equal(client.log, "lookup:localhost:127.0.0.1 connect ready close");
}

/* Reset. */

static void
resets(struct endpoint *self, const char *event)
{
    if (!is(event, "ready"))
        return;
    peer.fd = tests_peer_accept(listener);
    tr_socket_write_slice(self->socket, pattern(4u << 20)); /* what waits is lost */
    assert_int_equal(tr_socket_reset(self->socket), TR_OK);
    assert_true(tr_socket_destroyed(self->socket));
    assert_int_equal(tr_socket_reset(self->socket), TR_OK);
    stage_read(&peer);
}

static void
play_reset(void)
{
    client.hook = resets;
    stage_connect(&client);
    end_when_done();
}

static void
the_peer_of_a_reset_socket_gets_ECONNRESET(void **state)
{
    (void)state;
    stage_play(1, play_reset);
    assert_string_equal(client.log, "connect ready close");
    assert_int_equal(peer.error, ECONNRESET);
}

static void
accepts_late(struct endpoint *self, const char *event)
{
    (void)self;
    if (!is(event, "close"))
        return;
    peer.fd = tests_peer_accept(listener);
    stage_read(&peer);
}

static void
play_reset_while_connecting(void)
{
    client.hook = accepts_late;
    stage_connect(&client);
    assert_int_equal(tr_socket_reset(client.socket), TR_OK);
    assert_true(tr_socket_connecting(client.socket));
    end_when_done();
}

static void
a_reset_while_connecting_waits_for_the_connection(void **state)
{
    (void)state;
    stage_play(1, play_reset_while_connecting);
    assert_string_equal(client.log, "connect ready close");
    assert_int_equal(peer.error, ECONNRESET);
}

static void
play_reset_unconnected(void)
{
    assert_int_equal(tr_socket_reset(NULL), TR_EINVAL);
    spawn_client((struct tr_socket_options){0});
    assert_int_equal(tr_socket_reset(client.socket), TR_OK);
    assert_string_equal(client.log, "");
    end_when_closed();
}

static void
a_reset_of_a_socket_that_is_not_open_destroys_it_with_an_error(void **state)
{
    (void)state;
    stage_play(1, play_reset_unconnected);
    assert_string_equal(client.log, "ERR_SOCKET_CLOSED close!");
}

/* Errors of the program's own. */

static void
play_own_error(void)
{
    spawn_client((struct tr_socket_options){0});
    tr_socket_destroy_with(client.socket, "ENOTMYDAY");
    tr_socket_destroy_with(client.socket, "ETOOLATE");
    tr_socket_destroy_with(NULL, "ENOBODY");
    end_when_closed();
}

static void
a_program_may_destroy_with_a_code_of_its_own(void **state)
{
    (void)state;
    stage_play(1, play_own_error);
    assert_string_equal(client.log, "ENOTMYDAY close!");
    assert_int_equal(client.error, TR_EUSER);
    assert_string_equal(client.call, "destroy");
}

/* Stopping: each state, each way. */

enum life { SPAWNED, ASKED, CONNECTING, OPEN, QUEUED, KEPT, LIFE_STATES };

static enum life life;
static enum tr_stop_mode mode;
static tr_ref stopped;

static void
look_whether_gone(void *argument)
{
    (void)argument;
    tr_message message = tr_message_signal(7);
    tr_status status = tr_send(director, stopped, &message);
    tr_message_drop(&message);
    if (status == TR_EGONE && (peer.fd < 0 || peer.ended))
        stage_end();
    else
        stage_after(2, look_whether_gone, NULL);
}

static void
stop_it(void *argument)
{
    (void)argument;
    note(&client, "|");
    assert_int_equal(tr_stop(director, stopped, mode), TR_OK);
    if (peer.fd >= 0)
        stage_read(&peer);
    look_whether_gone(NULL);
}

static void
gets_ready_to_stop(struct endpoint *self, const char *event)
{
    if (is(event, "ready")) {
        peer.fd = tests_peer_accept(listener);
        if (life == QUEUED)
            assert_int_equal(tr_socket_write_slice(self->socket, pattern(4u << 20)), TR_QUEUED);
        if (life == KEPT)
            tr_socket_destroy(self->socket, TR_OK);
        else
            stage_settled(stop_it, NULL);
    }
    if (is(event, "close") && life == KEPT)
        stage_settled(stop_it, NULL);
}

static void
play_stop(void)
{
    client.hook = gets_ready_to_stop;
    spawn_client((struct tr_socket_options){.keep = true, .timeout_ms = 9000});
    stopped = tr_socket_ref(client.socket);
    if (life != SPAWNED)
        assert_int_equal(connect_client(), TR_OK);
    if (life == SPAWNED || life == ASKED)
        stop_it(NULL);
    if (life == CONNECTING)
        stage_settled(stop_it, NULL);
}

/* A queue of the shortest length that is full: Linux does not answer what comes then. */
static void
stop_in(enum life in, enum tr_stop_mode how)
{
    uint16_t port = stage_port;
    int silent = -1, in_the_queue = -1;
    cast_reset(NULL);
    life = in;
    mode = how;
    if (in == CONNECTING) {
        silent = tests_peer_listen(&stage_port);
        assert_int_equal(listen(silent, 0), 0);
        in_the_queue = tests_peer_connect(stage_port);
    }
    stage_play(1, play_stop);
    if (in == CONNECTING) {
        close(in_the_queue);
        close(silent);
        stage_port = port;
    }
}

static void
a_socket_in_any_state_can_be_stopped_in_any_way(void **state)
{
    static const struct {
        enum tr_stop_mode mode;
        const char *logs[LIFE_STATES];
    } cases[] = {
        {TR_STOP_DRAIN,
         {"| close", "| close", "| close", "connect ready | close", "connect ready | close", "connect ready close |"}},
        {TR_STOP_NOW,
         {"| close", "| close", "| close", "connect ready | close", "connect ready | close", "connect ready close |"}},
        {TR_STOP_KILL, {"|", "|", "|", "connect ready |", "connect ready |", "connect ready close |"}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned in = SPAWNED; in < LIFE_STATES; in++) {
            stop_in((enum life)in, cases[i].mode);
            assert_string_equal(client.log, cases[i].logs[in]);
            assert_true(in != QUEUED || cases[i].mode != TR_STOP_DRAIN || peer.bytes == 4u << 20);
        }
}

/* tr_exit() is tr_socket_destroy(), and keeps nothing. */

static void
exits(struct endpoint *self, const char *event)
{
    if (!is(event, "ready"))
        return;
    peer.fd = tests_peer_accept(listener);
    stopped = tr_socket_ref(self->socket);
    tr_exit(tr_socket_actor(self->socket));
    stage_read(&peer);
    look_whether_gone(NULL);
}

static void
play_exit(void)
{
    client.hook = exits;
    spawn_client((struct tr_socket_options){.keep = true});
    assert_int_equal(connect_client(), TR_OK);
}

static void
the_exit_of_a_kept_socket_closes_it_for_good(void **state)
{
    (void)state;
    stage_play(1, play_exit);
    assert_string_equal(client.log, "connect ready close");
}

/* The end of the runtime, with sockets in all states. */

#define SOCKETS 7u

static struct endpoint all[SOCKETS];
static int raw[SOCKETS];
static unsigned ready_count; /* atomic */

static void
end_of_the_world(struct endpoint *self, const char *event)
{
    if (!is(event, "ready"))
        return;
    unsigned i = (unsigned)(self - all);
    raw[i] = tests_peer_accept(listener);
    if (i == 2)
        tr_socket_write_slice(self->socket, pattern(4u << 20)); /* nobody reads it until the end */
    if (i == 3)
        tr_socket_pause(self->socket);
    if (i == 4)
        tr_socket_destroy(self->socket, TR_EIO);
    if (i == 5) {
        tr_socket_cork(self->socket);
        say(self->socket, "corked");
    }
    if (__atomic_add_fetch(&ready_count, 1, __ATOMIC_SEQ_CST) < SOCKETS - 2)
        return;
    struct tr_connect_options again = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_socket_connect(all[1].socket, &again), TR_OK);
    stage_end();
}

static void
play_the_end(void)
{
    memset(all, 0, sizeof(all));
    for (unsigned i = 0; i < SOCKETS; i++) {
        raw[i] = -1;
        all[i].hook = i >= 2 ? end_of_the_world : NULL;
        struct tr_socket_options options = {
            .events = &endpoint_events, .data = &all[i], .keep = i == 4, .timeout_ms = 10000, .allow_half_open = true};
        struct tr_connect_options connect = {.host = "127.0.0.1", .port = stage_port};
        if (i < 2)
            assert_int_equal(tr_socket_spawn(director, &options, &all[i].socket), TR_OK);
        else
            assert_int_equal(tr_connect(director, &options, &connect, &all[i].socket), TR_OK);
    }
}

static bool
are_ready(void *argument)
{
    (void)argument;
    return __atomic_load_n(&ready_count, __ATOMIC_SEQ_CST) >= SOCKETS - 2;
}

/* The peers read on a thread of their own, while the runtime stops. */
static void *
read_to_the_end(void *argument)
{
    static char bytes[65536];
    size_t *total = argument;
    bool begun = tests_wait_until(are_ready, NULL, TESTS_LIMIT_MS);
    for (unsigned i = 2; begun && i < SOCKETS; i++) {
        for (ssize_t size; (size = read(raw[i], bytes, sizeof(bytes))) > 0;)
            *total += (size_t)size;
        close(raw[i]);
    }
    return NULL;
}

static void
the_end_of_the_runtime_leaves_nothing_of_sockets_in_any_state(void **state)
{
    (void)state;
    pthread_t thread;
    size_t total = 0;
    ready_count = 0;
    assert_int_equal(pthread_create(&thread, NULL, read_to_the_end, &total), 0);
    stage_play(1, play_the_end);
    pthread_join(thread, NULL);
    assert_int_equal(total, (4u << 20) + strlen("corked")); /* what was written was delivered */
}

/* What keeps a program alive. */

static void *
wait_idle(void *argument)
{
    int *result = argument;
    __atomic_store_n(result, tr_runtime_wait_idle(stage_runtime), __ATOMIC_SEQ_CST);
    return NULL;
}

static bool
is_zero(void *argument)
{
    return __atomic_load_n((int *)argument, __ATOMIC_SEQ_CST) == 0;
}

static unsigned is_connected; /* atomic */

static bool
has_connected(void *argument)
{
    (void)argument;
    return __atomic_load_n(&is_connected, __ATOMIC_SEQ_CST) != 0;
}

static void
connects(tr_socket *socket)
{
    (void)socket;
    __atomic_store_n(&is_connected, 1, __ATOMIC_SEQ_CST);
}

static void
goes_into_the_background(tr_socket *socket)
{
    tr_socket_set_background(socket, true);
    tr_socket_set_background(socket, true);
    connects(socket);
}

static void
comes_back(tr_socket *socket)
{
    tr_socket_set_background(socket, true);
    tr_socket_set_background(socket, false);
    connects(socket);
}

/* A wait that is over too early shows within 50 ms, or not at all: nothing is under way that could end it later. It
 * begins after the connect callback, in which a socket may be in the background for a moment. */
static void
idle_case(const struct tr_socket_events *events, bool hold, bool must_wait)
{
    pthread_t thread;
    int result = -1;
    is_connected = 0;
    struct tr_runtime_options options = {.workers = 2};
    struct tr_socket_options socket = {.events = events};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_runtime_start(&options, &stage_runtime), TR_OK);
    if (hold)
        tr_runtime_hold(stage_runtime);
    assert_int_equal(tr_runtime_connect(stage_runtime, &socket, &connect, NULL), TR_OK);
    int fd = tests_peer_accept(listener);
    assert_true(tests_wait_until(has_connected, NULL, TESTS_LIMIT_MS));
    assert_int_equal(pthread_create(&thread, NULL, wait_idle, &result), 0);
    assert_true(tests_wait_until(is_zero, &result, must_wait ? 50 : TESTS_LIMIT_MS) == !must_wait);
    close(fd);
    if (hold) {
        assert_false(tests_wait_until(is_zero, &result, 50));
        tr_runtime_release(stage_runtime);
    }
    assert_true(tests_wait_until(is_zero, &result, TESTS_LIMIT_MS));
    pthread_join(thread, NULL);
    assert_int_equal(tr_runtime_stop(stage_runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

static tr_ref looking;

static void
looks_up_in_the_background(tr_socket *socket, const char *host, enum tr_family family, void *data)
{
    (void)host;
    (void)family;
    (void)data;
    tr_socket_set_background(socket, true);
    looking = tr_socket_ref(socket);
    connects(socket);
}

static void
answers_the_look_up(tr_socket *socket, tr_message *message)
{
    (void)message;
    assert_int_equal(tr_socket_looked_up(socket, &(struct tr_error){.status = TR_ENOTFOUND}, NULL, 0), TR_OK);
}

/* As in Node, whose request to connect does so. */
static void
a_connection_that_is_being_made_keeps_the_program_alive_also_in_the_background(void **state)
{
    (void)state;
    static const struct tr_socket_events events = {.message = answers_the_look_up};
    pthread_t thread;
    int result = -1;
    struct tr_socket_options socket = {.events = &events};
    struct tr_connect_options connect = {.host = "far.example", .port = 1, .lookup = looks_up_in_the_background};
    tr_message answer = tr_message_signal(1);
    is_connected = 0;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &stage_runtime), TR_OK);
    assert_int_equal(tr_runtime_connect(stage_runtime, &socket, &connect, NULL), TR_OK);
    assert_true(tests_wait_until(has_connected, NULL, TESTS_LIMIT_MS));
    assert_int_equal(pthread_create(&thread, NULL, wait_idle, &result), 0);
    assert_false(tests_wait_until(is_zero, &result, 50));
    assert_int_equal(tr_runtime_send(stage_runtime, looking, &answer), TR_OK);
    assert_true(tests_wait_until(is_zero, &result, TESTS_LIMIT_MS));
    pthread_join(thread, NULL);
    assert_int_equal(tr_runtime_stop(stage_runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

static void
an_open_socket_keeps_the_program_alive_unless_it_is_in_the_background(void **state)
{
    (void)state;
    static const struct tr_socket_events plain = {.connect = connects},
                                         background = {.connect = goes_into_the_background},
                                         foreground = {.connect = comes_back};
    idle_case(&plain, false, true);
    idle_case(&foreground, false, true);
    idle_case(&background, false, false);
}

static void
a_hold_keeps_it_alive_without_any_socket(void **state)
{
    (void)state;
    static const struct tr_socket_events plain = {.connect = connects};
    idle_case(&plain, true, true);
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
    assert_int_equal(tr_socket_write_then(kept, tr_slice_constant("x", 1), note_written, (void *)(uintptr_t) "x"),
                     TR_OK);
    tr_socket_destroy(kept, TR_OK);
}

static void
play_moment(void)
{
    lives = 0;
    client.hook = lives_for_a_moment;
    spawn_client((struct tr_socket_options){0});
    stopped = tr_socket_ref(kept);
    assert_int_equal(connect_client(), TR_OK);
    tr_socket_destroy(kept, TR_OK);
}

static void
a_life_may_begin_and_end_in_the_close_callback(void **state)
{
    (void)state;
    stage_play(1, play_moment);
    assert_string_equal(client.log, "close close x:ERR_SOCKET_CLOSED_BEFORE_CONNECTION");
}

/* An exit is the last close. */

static void
exit_now(void *argument)
{
    (void)argument;
    stopped = tr_socket_ref(kept);
    tr_exit(tr_socket_actor(kept));
    look_whether_gone(NULL);
}

static void
comes_too_late(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "ready")) {
        peer.fd = tests_peer_accept(listener);
        stage_read(&peer);
        stage_settled(exit_now, NULL);
    }
    if (is(event, "close"))
        assert_int_equal(connect_client(), TR_ESTOPPING);
}

static void
play_too_late(void)
{
    client.hook = comes_too_late;
    spawn_client((struct tr_socket_options){0});
    assert_int_equal(connect_client(), TR_OK);
}

static void
a_socket_that_exits_is_not_connected_again(void **state)
{
    (void)state;
    stage_play(1, play_too_late);
    assert_string_equal(client.log, "connect ready close");
}

static void
play_timed_exit(void)
{
    spawn_client((struct tr_socket_options){0});
    assert_int_equal(tr_socket_set_timeout(kept, 10000), TR_OK);
    stage_settled(exit_now, NULL);
}

static void
play_timed_stop(void)
{
    spawn_client((struct tr_socket_options){0});
    assert_int_equal(tr_socket_set_timeout(kept, 10000), TR_OK);
    stage_end();
}

static void
a_socket_that_never_connected_takes_its_timer_along(void **state)
{
    stage_play(1, play_timed_exit);
    assert_string_equal(client.log, "close");
    cast_reset(state);
    stage_play(1, play_timed_stop);
    assert_string_equal(client.log, "close");
}

/* What is called after the exit, in the same callback, still finds a socket, and leaves no memory behind. */

static void
exits_and_goes_on(tr_socket *socket, tr_message *message)
{
    (void)message;
    stopped = tr_socket_ref(socket);
    tr_exit(tr_socket_actor(socket));
    tr_socket_set_encoding(socket, TR_ENCODING_UTF8);
    look_whether_gone(NULL);
}

static void
send_signal(void)
{
    tr_message message = tr_message_signal(7);
    assert_int_equal(tr_send(director, tr_socket_ref(kept), &message), TR_OK);
}

static struct tr_socket_events with_message;

static void
spawn_listener_to_messages(bool keep)
{
    with_message = endpoint_events;
    with_message.message = exits_and_goes_on;
    struct tr_socket_options options = {.events = &with_message, .data = &client, .keep = keep};
    assert_int_equal(tr_socket_spawn(director, &options, &client.socket), TR_OK);
    kept = client.socket;
}

static void
play_exit_and_go_on(void)
{
    spawn_listener_to_messages(false);
    send_signal();
}

static void
asks_the_closed(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "close"))
        send_signal();
}

static void
play_exit_of_the_closed(void)
{
    client.hook = asks_the_closed;
    spawn_listener_to_messages(true);
    tr_socket_destroy(kept, TR_OK);
}

static void
calls_after_an_exit_leave_nothing_behind(void **state)
{
    stage_play(1, play_exit_and_go_on);
    assert_string_equal(client.log, "close");
    cast_reset(state);
    stage_play(1, play_exit_of_the_closed);
    assert_string_equal(client.log, "close");
}

static void
play_end_of_nothing(void)
{
    spawn_client((struct tr_socket_options){0});
    tr_slice nothing = tr_slice_constant(NULL, 0);
    assert_int_equal(tr_socket_end_then(kept, nothing, note_written, (void *)(uintptr_t) "end"), TR_OK);
    assert_string_equal(client.log, "");
    stage_settled(exit_now, NULL);
}

static void
an_end_before_any_connection_is_called_back_when_there_will_be_none(void **state)
{
    (void)state;
    stage_play(1, play_end_of_nothing);
    assert_string_equal(client.log, "end:ERR_STREAM_DESTROYED close");
}

/* A unix socket has no port: one that is given is ignored, as all that is said of TCP. */

static int
listen_abstract(char *path, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int length = snprintf(path, size, "@life-%ld", (long)getpid());
    memcpy(address.sun_path + 1, path + 1, (size_t)length - 1);
    socklen_t used = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, used), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static bool
client_is_closed(void)
{
    return client.closed;
}

static void
close_descriptor(void *fd)
{
    close(*(int *)fd);
}

static void
play_path_with_port(void)
{
    char path[64];
    static int unix_listener;
    unix_listener = listen_abstract(path, sizeof(path));
    struct tr_socket_options socket = {.events = &endpoint_events, .data = &client};
    struct tr_connect_options options = {.path = path, .local_port = stage_port};
    client.hook = is_destroyed_when_ready;
    assert_int_equal(tr_connect(director, &socket, &options, &client.socket), TR_OK);
    end_when_closed();
    stage_when(client_is_closed, close_descriptor, &unix_listener);
}

static void
a_path_has_no_local_port(void **state)
{
    (void)state;
    stage_play(1, play_path_with_port);
    assert_string_equal(client.log, "connect ready close");
}

int
main(void)
{
#define RAW_TEST(name) cmocka_unit_test_setup_teardown(name, listen_raw, stop_listening)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_socket_that_is_not_connected_waits_and_can_be_destroyed, cast_reset),
        RAW_TEST(the_ready_state_of_a_client_goes_through_the_documents_words),
        RAW_TEST(a_half_open_socket_is_write_only_after_the_peers_end),
        RAW_TEST(a_socket_that_is_busy_is_not_connected_again),
        RAW_TEST(a_closed_socket_connects_again_from_its_close_callback_a_hundred_times),
        RAW_TEST(a_kept_socket_connects_again_at_any_time),
        RAW_TEST(a_life_that_failed_leaves_nothing_to_the_next),
        RAW_TEST(a_new_life_has_nothing_of_the_last),
        cmocka_unit_test_setup(an_accepted_socket_may_connect_when_it_is_closed, cast_reset),
        cmocka_unit_test_setup(an_accepted_socket_tells_connect_if_asked_to, cast_reset),
        RAW_TEST(the_type_of_a_socket_decides_which_family_it_looks_for),
        RAW_TEST(the_peer_of_a_reset_socket_gets_ECONNRESET),
        RAW_TEST(a_reset_while_connecting_waits_for_the_connection),
        cmocka_unit_test_setup(a_reset_of_a_socket_that_is_not_open_destroys_it_with_an_error, cast_reset),
        cmocka_unit_test_setup(a_program_may_destroy_with_a_code_of_its_own, cast_reset),
        RAW_TEST(a_socket_in_any_state_can_be_stopped_in_any_way),
        RAW_TEST(the_exit_of_a_kept_socket_closes_it_for_good),
        RAW_TEST(the_end_of_the_runtime_leaves_nothing_of_sockets_in_any_state),
        RAW_TEST(an_open_socket_keeps_the_program_alive_unless_it_is_in_the_background),
        RAW_TEST(a_connection_that_is_being_made_keeps_the_program_alive_also_in_the_background),
        RAW_TEST(a_hold_keeps_it_alive_without_any_socket),
        RAW_TEST(a_life_may_begin_and_end_in_the_close_callback),
        RAW_TEST(a_socket_that_exits_is_not_connected_again),
        cmocka_unit_test_setup(a_socket_that_never_connected_takes_its_timer_along, cast_reset),
        cmocka_unit_test_setup(calls_after_an_exit_leave_nothing_behind, cast_reset),
        cmocka_unit_test_setup(an_end_before_any_connection_is_called_back_when_there_will_be_none, cast_reset),
        RAW_TEST(a_path_has_no_local_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
