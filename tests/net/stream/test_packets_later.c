/*
 * Packets of a worker that learns in its life that its sockets send files, and of a socket that stands still.
 */
#include "cast.h"
#include "fault.h"
#include "helpers.h"
#include "packets_play.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <troupe/net/remote.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY 40u /* callbacks without a file: enough for a worker to expect none */

/* The worker learns. */

static unsigned round_number;
static int to_client = -1;
static uint32_t segments[MANY + 2];

static void
on_round(struct endpoint *self, const char *event)
{
    (void)self;
    if (strcmp(event, "data") != 0)
        return;
    if (round_number < MANY)
        put_head();
    else
        put_head_and_file();
}

static void
next_round(void *argument)
{
    (void)argument;
    if (client.bytes <= round_number) { /* it has not heard of this one */
        stage_after(1, next_round, NULL);
        return;
    }
    assert_int_equal(unsent(watched), 0);
    segments[round_number] = tcp_info_of(watched).tcpi_data_segs_out;
    if (++round_number < MANY + 2) {
        assert_true(tests_peer_send(to_client, "r", 1));
        stage_after(1, next_round, NULL);
        return;
    }
    close(watched);
    tr_socket_end(client.socket);
    stage_read(&peer);
}

static void
play_rounds(void)
{
    int fds[2];
    struct endpoint *one[] = {&client};
    memset(&client, 0, sizeof(client));
    stage_pair(AF_INET, fds);
    peer = (struct raw_peer){.fd = fds[1]};
    to_client = fds[1];
    watched = dup(fds[0]);
    stage_adopt_as(&client, fds[0], (struct tr_socket_options){.no_delay = true});
    client.hook = on_round;
    round_number = 0;
    fault_plan(FAULT_SETSOCKOPT, ~0u, 1, EIO); /* it only counts */
    assert_true(tests_peer_send(to_client, "r", 1));
    stage_after(1, next_round, NULL);
    stage_end_when_done(one, 1, &peer);
}

static void
a_worker_that_sees_no_files_makes_no_calls_for_them_and_learns_when_it_does(void **state)
{
    (void)state;
    fault_clear();
    stage_play(1, play_rounds);
    assert_in_range(fault_seen(FAULT_SETSOCKOPT), 1, MANY / 2);
    fault_clear();
    assert_int_equal(segments[MANY] - segments[MANY - 1], 2); /* nothing was expected */
    assert_int_equal(segments[MANY + 1] - segments[MANY], 1);
}

/* A socket that stands still for its owner does no steps, but what it writes leaves. */

enum { TAG_GO = 1 };

static tr_ref owner_ref;

static void
write_and_wait(tr_actor *self, void *state, tr_message *message)
{
    static tr_ref socket;
    enum tr_event event;
    (void)state;
    if (message->tag == TAG_GO) {
        assert_int_equal(tr_remote_credit(self, socket, 1), TR_OK);
        assert_int_equal(tr_remote_end(self, socket), TR_OK);
    } else if (tr_event_of(message, &event) && event == TR_EVENT_DATA) {
        socket = message->from;
        assert_int_equal(tr_remote_write(self, socket, tr_slice_constant(bytes_of('h'), HEAD)), TR_OK);
    } else if (event == TR_EVENT_CLOSE) {
        stage_end();
    } else {
        assert_int_equal(tr_remote_credit(self, socket, 1), TR_OK);
    }
}

static void
look_at_still_socket(void *argument)
{
    (void)argument;
    if (tcp_info_of(watched).tcpi_data_segs_out == segments_before && unsent(watched) == 0) {
        stage_after(1, look_at_still_socket, NULL); /* the order to write has not arrived */
        return;
    }
    assert_int_equal(unsent(watched), 0);
    close(watched);
    tr_message go = tr_message_signal(TAG_GO);
    assert_int_equal(tr_send(director, owner_ref, &go), TR_OK);
    stage_read(&peer);
}

static void
play_still_socket(void)
{
    static const struct tr_behavior waits = {.name = "waits", .receive = write_and_wait};
    int fds[2];
    stage_pair(AF_INET, fds);
    peer = (struct raw_peer){.fd = fds[1]};
    watched = dup(fds[0]);
    segments_before = tcp_info_of(watched).tcpi_data_segs_out;
    assert_int_equal(tr_spawn(director, &waits, NULL, &owner_ref), TR_OK);
    struct tr_socket_options options = {.no_delay = true, .owner = {.actor = owner_ref, .credit = 1}};
    assert_int_equal(tr_socket_adopt(director, fds[0], TR_READABLE | TR_WRITABLE, &options, &client.socket), TR_OK);
    assert_true(tests_peer_send(peer.fd, "go", 2));
    stage_after(1, look_at_still_socket, NULL);
}

static void
what_is_written_while_the_socket_stands_still_leaves(void **state)
{
    (void)state;
    stage_play(1, play_still_socket);
    assert_int_equal(peer.bytes, HEAD);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_that_sees_no_files_makes_no_calls_for_them_and_learns_when_it_does),
        cmocka_unit_test(what_is_written_while_the_socket_stands_still_leaves),
    };
    return cmocka_run_group_tests(tests, packets_set_up, packets_tear_down);
}
