/*
 * What one actor does to another arrives in the order in which it was done: by a call or by a message, on one worker or
 * on two (host.h, the rule of calls and messages).
 *
 * A table of everything that the two sockets of a pipe do to each other. In each row one socket acts on the other, in a
 * callback in which it has sent a message to it before (MARK), or has not. Nothing is left to time: the act follows in
 * the same bracket, when the message cannot have been handled. On another worker all goes by messages.
 */
#include "hands.h"
#include "helpers.h"
#include "side.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <troupe/net/remote.h>
#include <unistd.h>

#define MARK "mark."
#define BYTES "bytes."

enum { GO = 1, PIPED };

static void play(tr_socket *socket);

struct row {
    const char *name;
    bool piped, paused;             /* the first, before bytes come */
    const char *bytes;              /* which the first has held back; NULL: none */
    void (*begin)(void);            /* makes `actor` call play() */
    void (*act)(tr_socket *socket); /* after the mark; NULL: the library does it of itself */
    unsigned acts, on;              /* which side acts, and on which: 0 or 1 */
    const char *expected;           /* what comes out after the mark */
    tr_status error;                /* of the side that is acted on */
};

static struct side sides[2];
static const struct row *row;
static bool marks, played, is_piped;

static void
say_mark(tr_socket *socket)
{
    tr_slice mark = tr_slice_constant(MARK, strlen(MARK));
    if (marks)
        assert_int_equal(tr_remote_write(tr_socket_actor(socket), sides[row->on].ref, mark), TR_OK);
}

/* In the callback from which the act comes, or which it follows. */
static void
play(tr_socket *socket)
{
    if (socket != sides[row->acts].socket || played)
        return;
    played = true;
    say_mark(socket);
    if (row->act != NULL)
        row->act(socket);
}

static void
on_message(tr_socket *socket, tr_message *message)
{
    if (message->tag == GO)
        play(socket);
    else if (message->tag == PIPED)
        __atomic_store_n(&is_piped, true, __ATOMIC_SEQ_CST);
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    note_error(socket, error);
    play(socket);
}

static const struct tr_socket_events events = {
    .message = on_message, .end = play, .error = on_error, .close = note_close};

/* The acts. */

static void
pipe_now(tr_socket *socket)
{
    assert_int_equal(tr_socket_pipe(socket, sides[1].ref, NULL), TR_OK);
}

static void
pipe_again(tr_socket *socket)
{
    tr_socket_unpipe(socket);
    pipe_now(socket);
}

/* What triggers them. */

static void
send_go(void)
{
    tr_message message = tr_message_signal(GO);
    assert_int_equal(tr_runtime_send(hands_runtime, sides[row->acts].ref, &message), TR_OK);
}

static void
end_peer(void)
{
    shutdown(sides[0].peer, SHUT_WR);
}

static void
destroy_it(tr_actor *self, void *argument)
{
    struct side *side = argument;
    (void)self;
    tr_socket_destroy(side->socket, TR_ETIMEDOUT);
}

static void
destroy_first(void)
{
    on_worker(sides[0].worker, destroy_it, &sides[0]);
}

static void
destroy_second(void)
{
    on_worker(sides[1].worker, destroy_it, &sides[1]);
}

static const struct row rows[] = {
    {"a pipe that is opened", false, true, BYTES, send_go, pipe_now, 0, 1, BYTES, TR_OK},
    {"data", true, true, BYTES, send_go, tr_socket_resume, 0, 1, BYTES, TR_OK},
    {"a pipe that is taken apart and opened again", true, true, BYTES, send_go, pipe_again, 0, 1, BYTES, TR_OK},
    {"the end", true, false, NULL, end_peer, NULL, 0, 1, "", TR_OK},
    {"the end of a pipe that is opened after it", false, false, NULL, end_peer, pipe_now, 0, 1, "", TR_OK},
    {"a first socket that is destroyed", true, false, NULL, destroy_first, NULL, 0, 1, "", TR_EPIPE},
    {"a second socket that fails", true, false, NULL, destroy_second, NULL, 1, 0, "", TR_EPIPE},
};

/* Setting up. */

static void
prepare(tr_actor *self, void *argument)
{
    (void)self;
    (void)argument;
    if (row->piped) { /* the message goes the way of the pipe: when it is there, so is the pipe */
        pipe_now(sides[0].socket);
        assert_int_equal(tr_tell(tr_socket_actor(sides[0].socket), sides[1].ref, PIPED, NULL, 0), TR_OK);
    }
    if (row->paused)
        tr_socket_pause(sides[0].socket);
}

static bool
second_is_piped(void *argument)
{
    (void)argument;
    return __atomic_load_n(&is_piped, __ATOMIC_SEQ_CST);
}

static bool
has_read(void *argument)
{
    return tr_socket_bytes_read(sides[0].socket) == strlen(argument);
}

/* Sees that the far end gets what was done, in its order, and then the end. */
static void
check_order(void)
{
    char expected[64], received[64] = {0};
    snprintf(expected, sizeof(expected), "%s%s", marks ? MARK : "", row->expected);
    assert_true(tests_peer_receive(sides[row->on].peer, received, strlen(expected)) >= 0);
    assert_string_equal(received, expected);
    if (row->bytes != NULL)
        shutdown(sides[0].peer, SHUT_WR);
    assert_true(tests_peer_at_end(sides[row->on].peer));
}

static void
play_row(unsigned other)
{
    for (int i = 0; i < 2; i++) {
        sides[i] = (struct side){.options = {.events = &events, .allow_half_open = true}};
        open_side(&sides[i], i == 0 ? 0 : other);
    }
    played = false;
    is_piped = !row->piped;
    on_worker(0, prepare, NULL);
    assert_true(tests_wait_until(second_is_piped, NULL, TESTS_LIMIT_MS));
    if (row->bytes != NULL) {
        assert_true(tests_peer_send(sides[0].peer, row->bytes, strlen(row->bytes)));
        await_on_worker(0, has_read, (void *)row->bytes);
    }
    row->begin();
    check_order();
    shutdown(sides[0].peer, SHUT_WR);
    shutdown(sides[1].peer, SHUT_WR);
    for (unsigned i = 0; i < 2; i++) { /* half-open sockets that nothing ends wait for the runtime's end */
        if (row->error != TR_OK)
            await_closed(&sides[i]);
        close(sides[i].peer);
    }
    assert_int_equal(sides[row->on].error, row->error);
}

static void
what_a_socket_does_to_another_comes_in_its_order(void **state)
{
    (void)state;
    for (unsigned other = 0; other < 2; other++)
        for (unsigned waits = 0; waits < 2; waits++)
            for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                row = &rows[i];
                marks = waits != 0;
                print_message("%s, %s, worker %u\n", row->name, marks ? "after a message" : "after nothing", other);
                hands_open(2);
                play_row(other);
                hands_close();
            }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_socket_does_to_another_comes_in_its_order),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
