/*
 * When our side of a socket ends while an owner has events to answer, and what it has ordered by then.
 */
#include "afar_owner.h"
#include "hands.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <troupe/net/remote.h>
#include <unistd.h>

static bool
is_told_of_end(void *argument)
{
    (void)argument;
    return strstr(told_owner.log, "end") != NULL;
}

/* Draining: what was sent before the stop. */

static void
write_and_stop(tr_actor *self, void *argument)
{
    tr_ref socket = ((struct side *)argument)->ref;
    assert_int_equal(tr_remote_write(self, socket, tr_slice_constant(LINE, strlen(LINE))), TR_OK);
    assert_int_equal(tr_stop(self, socket, TR_STOP_DRAIN), TR_OK);
}

static void
a_socket_that_drains_writes_what_was_sent_to_it_before(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        struct side side = {0};
        hands_open(2);
        open_side(&side, worker);
        on_worker(0, write_and_stop, &side);
        assert_receives(side.peer, LINE);
        assert_true(tests_peer_at_end(side.peer));
        await_closed(&side);
        assert_int_equal(side.error, TR_OK);
        close(side.peer);
        hands_close();
    }
}

/* An owner with more than one credit. */

static void
open_owned(struct side *side, unsigned worker, uint32_t credit)
{
    side->options.owner = (struct tr_owner){.actor = hands[0], .credit = credit};
    told_owner = (struct told_owner){0};
    hands_receive = own;
    open_side(side, worker);
}

static void
answer_late(tr_actor *self, void *argument)
{
    tr_ref socket = ((struct side *)argument)->ref;
    assert_int_equal(tr_remote_write(self, socket, tr_slice_constant(LINE, strlen(LINE))), TR_OK);
    told_owner.answers = true;
    assert_int_equal(tr_remote_credit(self, socket, (uint32_t)told_owner.unanswered), TR_OK);
}

static void
our_side_stays_open_until_the_owner_has_answered_every_event(void **state)
{
    static const uint32_t credits[] = {0, 2, 3, 100};
    (void)state;
    for (unsigned i = 0; i < sizeof(credits) / sizeof(credits[0]); i++) {
        for (unsigned worker = 0; worker < 2; worker++) {
            struct side side = {0};
            hands_open(2);
            open_owned(&side, worker, credits[i]);
            assert_true(tests_peer_send(side.peer, LINE, strlen(LINE)));
            shutdown(side.peer, SHUT_WR);
            await_on_worker(0, is_told_of_end, NULL);
            on_worker(0, answer_late, &side);
            assert_receives(side.peer, LINE);
            assert_true(tests_peer_at_end(side.peer));
            await_on_worker(0, is_told_of_close, NULL);
            assert_string_equal(told_owner.log, "data end close");
            close(side.peer);
            hands_close();
        }
    }
}

/* A socket that is to stop begins no new life, also if its owner asks for one before it has answered the close. */

static void
stop_and_connect(tr_actor *self, void *argument)
{
    static const struct tr_connect_options connect = {.host = "127.0.0.1", .port = 1};
    tr_ref socket = ((struct side *)argument)->ref;
    assert_string_equal(told_owner.log, "close");
    assert_int_equal(tr_stop(self, socket, TR_STOP_NOW), TR_OK);
    assert_int_equal(tr_remote_connect(self, socket, &connect), TR_OK);
    told_owner.answers = true;
    assert_int_equal(tr_remote_credit(self, socket, 1), TR_OK);
}

static void
a_closed_socket_that_is_to_stop_does_not_fail_to_connect(void **state)
{
    (void)state;
    struct side side = {.options.keep = true};
    hands_open(2);
    open_owned(&side, 0, 1);
    on_worker(0, destroy_side, &side);
    await_on_worker(0, is_told_of_close, NULL);
    on_worker(0, stop_and_connect, &side);
    hands_settle();
    assert_string_equal(told_owner.log, "close");
    close(side.peer);
    hands_close();
}

/* A socket that nobody has connected tells what was refused after `close`, in the order in which it was refused. */

static char refusals[64];

static void
ask_and_answer(tr_actor *self, uint64_t token)
{
    tr_slice line = tr_slice_constant(LINE, strlen(LINE));
    assert_int_equal(tr_remote_write_ask(self, told_owner.socket, line, ANSWER, token), TR_OK);
    assert_int_equal(tr_remote_credit(self, told_owner.socket, 1), TR_OK);
}

static void
own_and_write(tr_actor *self, tr_message *message)
{
    if (message->tag == ANSWER) {
        const struct tr_remote_written *written = tr_message_data(message);
        size_t used = strlen(refusals);
        snprintf(refusals + used, sizeof(refusals) - used, "%d:%s ", (int)written->token,
                 tr_status_code(written->status));
        return;
    }
    own(self, message);
    ask_and_answer(self, told_owner.unanswered);
}

static void
spawn_and_destroy(tr_actor *self, void *argument)
{
    struct tr_socket_options options = {.owner = {.actor = tr_self(self), .credit = 1}};
    tr_socket *socket;
    (void)argument;
    assert_int_equal(tr_socket_spawn(self, &options, &socket), TR_OK);
    tr_socket_destroy(socket, TR_EIO);
}

static void
what_is_refused_after_close_is_told_after_what_was_refused_before(void **state)
{
    (void)state;
    hands_open(2);
    told_owner = (struct told_owner){0};
    refusals[0] = '\0';
    hands_receive = own_and_write;
    on_worker(0, spawn_and_destroy, NULL);
    await_on_worker(0, is_told_of_close, NULL);
    hands_settle();
    assert_string_equal(told_owner.log, "error close");
    assert_string_equal(refusals, "1:ERR_STREAM_DESTROYED 2:ERR_STREAM_DESTROYED ");
    hands_close();
}

/* A turn of the loop may end between two orders: a slice that takes too long ends at the next look at the clock. The
 * clock is read every 32 messages at first, and after each of those that take long (actors/run/dispatch.c). */

#define SLICE_IS_OVER_MS 2u
#define UNTIL_EACH_IS_LOOKED_AT 33

static void
own_and_ask(tr_actor *self, tr_message *message)
{
    size_t used = strlen(told_owner.log);
    if (message->tag == ANSWER)
        snprintf(told_owner.log + used, sizeof(told_owner.log) - used, "%sasked", used > 0 ? " " : "");
    else
        own(self, message);
}

static void
take_long(tr_socket *socket, tr_message *message)
{
    const struct side *side = tr_socket_data(socket);
    if (message->tag == PEER_ENDS)
        shutdown(side->peer, SHUT_WR);
    tests_hold(SLICE_IS_OVER_MS);
}

static void
end_twice(tr_actor *self, void *argument)
{
    struct side *side = argument;
    tr_message peer_ends = tr_message_signal(PEER_ENDS);
    send_messages(self, side->ref, UNTIL_EACH_IS_LOOKED_AT);
    assert_int_equal(tr_remote_end_ask(self, side->ref, (tr_slice){0}, ANSWER, 1), TR_OK);
    assert_int_equal(tr_send(self, side->ref, &peer_ends), TR_OK);
    assert_int_equal(tr_remote_end_ask(self, side->ref, (tr_slice){0}, ANSWER, 2), TR_OK);
}

static void
the_end_of_the_peer_does_not_come_between_two_orders(void **state)
{
    static const struct tr_socket_events slow = {.message = take_long};
    struct side side = {.options.events = &slow};
    (void)state;
    hands_open(1);
    open_owned(&side, 0, 0);
    told_owner.answers = true;
    hands_receive = own_and_ask;
    on_worker(0, end_twice, &side);
    await_on_worker(0, is_told_of_close, NULL);
    assert_string_equal(told_owner.log, "asked asked end close");
    close(side.peer);
    hands_close();
}

static void
disown(tr_actor *self, void *argument)
{
    assert_int_equal(tr_remote_set_owner(self, ((struct side *)argument)->ref, NULL), TR_OK);
}

static void
our_side_ends_when_the_owner_that_has_not_answered_is_dismissed(void **state)
{
    (void)state;
    struct side side = {0};
    hands_open(2);
    open_owned(&side, 1, 0);
    shutdown(side.peer, SHUT_WR);
    await_on_worker(0, is_told_of_end, NULL);
    on_worker(0, disown, &side);
    assert_true(tests_peer_at_end(side.peer));
    await_closed(&side);
    close(side.peer);
    hands_close();
}

static void
leave(tr_actor *self, void *argument)
{
    (void)argument;
    tr_exit(self);
}

static void
an_owner_that_ends_without_having_answered_is_noticed(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        struct side side = {0};
        hands_open(2);
        open_owned(&side, worker, 0);
        shutdown(side.peer, SHUT_WR);
        await_on_worker(0, is_told_of_end, NULL);
        on_worker(0, leave, NULL);
        assert_true(tests_peer_at_end(side.peer));
        close(side.peer);
        hands_close();
    }
}

static void
a_stop_does_not_wait_for_an_owner_that_does_not_answer(void **state)
{
    (void)state;
    struct side side = {0};
    hands_open(2);
    open_owned(&side, 1, 0);
    shutdown(side.peer, SHUT_WR);
    await_on_worker(0, is_told_of_end, NULL);
    close(side.peer);
    hands_close();
}

static void
say_and_leave(tr_actor *self, void *argument)
{
    tr_ref socket = ((struct side *)argument)->ref;
    assert_int_equal(tr_remote_write(self, socket, tr_slice_constant(LINE, strlen(LINE))), TR_OK);
    tr_exit(self);
}

/* Its last words wait in the socket's mailbox when the socket finds out that it is gone. */
static void
last_words_of_an_owner_are_written(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        struct side side = {0};
        hands_open(2);
        open_owned(&side, worker, 0);
        on_worker(0, say_and_leave, &side);
        assert_true(tests_peer_send(side.peer, LINE, strlen(LINE)));
        assert_receives(side.peer, LINE);
        assert_true(tests_peer_at_end(side.peer));
        close(side.peer);
        hands_close();
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_that_drains_writes_what_was_sent_to_it_before),
        cmocka_unit_test(our_side_stays_open_until_the_owner_has_answered_every_event),
        cmocka_unit_test(a_closed_socket_that_is_to_stop_does_not_fail_to_connect),
        cmocka_unit_test(what_is_refused_after_close_is_told_after_what_was_refused_before),
        cmocka_unit_test(the_end_of_the_peer_does_not_come_between_two_orders),
        cmocka_unit_test(our_side_ends_when_the_owner_that_has_not_answered_is_dismissed),
        cmocka_unit_test(an_owner_that_ends_without_having_answered_is_noticed),
        cmocka_unit_test(a_stop_does_not_wait_for_an_owner_that_does_not_answer),
        cmocka_unit_test(last_words_of_an_owner_are_written),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
