/*
 * What counts as movement: a timeout comes when nothing was received or sent for its whole time, and never earlier.
 */
#include "helpers.h"
#include "play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

#define TIMEOUT_MS 60u
#define HOLD_MS 40u
#define NS_PER_MS UINT64_C(1000000)

static struct endpoint client, other;
static int peer;
static uint64_t moved_ns, came_ns;
static bool has_moved;
static void (*move)(void);

static int
reset(void **state)
{
    (void)state;
    memset(&client, 0, sizeof(client));
    memset(&other, 0, sizeof(other));
    moved_ns = came_ns = 0;
    has_moved = false;
    return 0;
}

/* The last movement is so long after the beginning that a timeout which has missed it comes too early. */
static void
begin_to_wait(void)
{
    assert_int_equal(tr_socket_set_timeout(client.socket, TIMEOUT_MS), TR_OK);
    tests_hold(HOLD_MS);
    moved_ns = tests_now_ns();
    move();
}

static void
on_event(struct endpoint *self, const char *event)
{
    if (strcmp(event, "data") == 0 || strcmp(event, "end") == 0)
        has_moved = true;
    if (strcmp(event, "timeout") != 0)
        return;
    if (!has_moved) { /* on a machine so slow that the time had passed before the movement came */
        begin_to_wait();
        return;
    }
    came_ns = tests_now_ns();
    tr_socket_destroy(self->socket, TR_OK);
    close(peer);
    stage_end();
}

static void
play(void)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    peer = fds[1];
    client.hook = on_event;
    stage_adopt_as(&client, fds[0], (struct tr_socket_options){.allow_half_open = true});
    begin_to_wait();
}

static void
check_the_whole_time(void (*movement)(void))
{
    move = movement;
    stage_play(1, play);
    assert_true(has_moved);
    assert_true(came_ns - moved_ns >= TIMEOUT_MS * NS_PER_MS);
}

static void
receive(void)
{
    assert_int_equal(write(peer, "x", 1), 1);
}

static void
received_bytes_are_movement(void **state)
{
    (void)state;
    check_the_whole_time(receive);
}

static void
let_peer_end(void)
{
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
}

static void
the_peers_end_is_movement(void **state)
{
    (void)state;
    check_the_whole_time(let_peer_end);
}

static void
write_under_cork(void)
{
    has_moved = true;
    tr_socket_cork(client.socket);
    assert_int_equal(say(client.socket, "x"), TR_OK);
}

static void
a_write_that_waits_is_movement(void **state)
{
    (void)state;
    check_the_whole_time(write_under_cork);
}

/* A timeout that is due and not told yet. */

static tr_status (*order)(tr_ref socket);

static void
destroy_both(void *argument)
{
    (void)argument;
    if (client.socket != NULL)
        tr_socket_destroy(client.socket, TR_OK);
    if (other.socket != NULL)
        tr_socket_destroy(other.socket, TR_OK);
    stage_end_when_closed((struct endpoint *[]){&client, &other}, 2);
}

/* The other one's time has passed, too, but a message waits for it, which comes before. */
static void
orders_something_of_the_other(struct endpoint *self, const char *event)
{
    (void)self;
    if (strcmp(event, "timeout") != 0)
        return;
    assert_int_equal(order(tr_socket_ref(other.socket)), TR_OK);
    stage_settled(destroy_both, NULL);
}

static void
play_two(void)
{
    int pair[2];
    stage_pair(AF_UNIX, pair);
    client.hook = orders_something_of_the_other;
    stage_adopt(&client, pair[0]);
    stage_adopt(&other, pair[1]);
    assert_int_equal(tr_socket_set_timeout(client.socket, 1), TR_OK);
    assert_int_equal(tr_socket_set_timeout(other.socket, 1), TR_OK);
    tests_hold(5); /* both are due in one round of the worker's timers */
}

static tr_status
set_anew(tr_ref socket)
{
    return tr_remote_set_timeout(director, socket, TESTS_LIMIT_MS);
}

static void
a_timeout_that_is_due_is_void_when_it_is_set_anew(void **state)
{
    (void)state;
    order = set_anew;
    stage_play(1, play_two);
    assert_string_equal(client.log, "timeout close");
    assert_null(strstr(other.log, "timeout"));
}

static tr_status
destroy(tr_ref socket)
{
    return tr_remote_destroy(director, socket, TR_OK);
}

static void
a_timeout_that_is_due_is_void_when_the_socket_is_destroyed(void **state)
{
    (void)state;
    order = destroy;
    stage_play(1, play_two);
    assert_string_equal(other.log, "close");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(received_bytes_are_movement, reset),
        cmocka_unit_test_setup(the_peers_end_is_movement, reset),
        cmocka_unit_test_setup(a_write_that_waits_is_movement, reset),
        cmocka_unit_test_setup(a_timeout_that_is_due_is_void_when_it_is_set_anew, reset),
        cmocka_unit_test_setup(a_timeout_that_is_due_is_void_when_the_socket_is_destroyed, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
