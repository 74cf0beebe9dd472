/*
 * How pipes end, seen from the far ends: with the first socket, with the second, with the runtime.
 */
#include "hands.h"
#include "helpers.h"
#include "pipe_joints.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <poll.h>
#include <sys/socket.h>
#include <troupe/actors/runtime.h>
#include <unistd.h>

static void
destroy_here(tr_actor *self, void *argument)
{
    struct side *side = argument;
    (void)self;
    tr_socket_destroy(side->socket, TR_OK);
}

static bool
has_ended(void *argument)
{
    return look_at(argument).state == TR_STATE_READ_ONLY;
}

/* The second goes. */

static void
second_closed(const struct place *place)
{
    struct side first = {.peer = -1}, second = {.peer = -1};
    open_two(place, &first, &second);
    join(&first, &second, NULL);
    struct flow flow = {.from = first.peer, .to = second.peer, .stream = 1, .size = 1u << 20};
    carry(&flow, 1);
    on_worker(second.worker, destroy_here, &second);
    await_closed_with(&second, "close");
    assert_at_end(first.peer);
    struct flow dropped = {.from = first.peer, .stream = 1, .size = 8u << 20};
    while (dropped.sent < dropped.size) {
        send_some(&dropped);
        poll(&(struct pollfd){.fd = first.peer, .events = POLLOUT}, 1, (int)TESTS_LIMIT_MS);
    }
    shutdown(first.peer, SHUT_WR);
    await_closed_with(&first, "end close");
    close_peer(&first);
    close_peer(&second);
}

static void
the_first_is_ended_when_the_second_is_closed(void **state)
{
    (void)state;
    everywhere(second_closed);
}

static void
second_failed(const struct place *place)
{
    struct side first = {.peer = -1}, second = {.peer = -1};
    open_two(place, &first, &second);
    join(&first, &second, NULL);
    on_worker(second.worker, fail_here, &second);
    await_closed_with(&second, "EIO close!");
    await_closed_with(&first, "EPIPE close!");
    close_peer(&first);
    close_peer(&second);
}

static void
second_reset(const struct place *place)
{
    struct side first = {.peer = -1}, second = {.peer = -1};
    if (place->transport == UNIX)
        return;
    open_two(place, &first, &second);
    join(&first, &second, NULL);
    tests_peer_reset(second.peer);
    second.peer = -1;
    await_closed_with(&second, "ECONNRESET close!");
    await_closed_with(&first, "EPIPE close!");
    close_peer(&first);
}

static void
second_gone(const struct place *place)
{
    struct side first = {.peer = -1}, second = {.peer = -1};
    open_two(place, &first, &second);
    on_worker(second.worker, destroy_here, &second);
    await_closed_with(&second, "close");
    assert_at_end(second.peer);
    join(&first, &second, NULL);
    await_closed_with(&first, "EPIPE close!");
    close_peer(&first);
    close_peer(&second);
}

static void
second_never_there(const struct place *place)
{
    uint16_t port;
    int refusing = tests_peer_refuse(&port);
    struct side first = {.peer = -1}, second = {.peer = -1, .worker = place->second, .fd = port};
    open_end(&first, place->first, place->transport);
    on_worker(second.worker, connect_by_port, &second);
    join(&first, &second, NULL);
    await_closed_with(&first, "EPIPE close!");
    await_closed_with(&second, "ECONNREFUSED close!");
    close_peer(&first);
    close(refusing);
}

static void
a_second_that_failed_or_is_not_there_destroys_the_first(void **state)
{
    (void)state;
    everywhere(second_failed);
    everywhere(second_reset);
    everywhere(second_gone);
    everywhere(second_never_there);
}

/* The first goes before the end. */

static void
destroy_first(const struct place *place, bool kept)
{
    struct side first = {.options.keep = kept}, second = {.peer = -1};
    open_two(place, &first, &second);
    join(&first, &second, NULL);
    struct flow flow = {.from = first.peer, .to = second.peer, .stream = 1, .size = 100000};
    carry(&flow, 1);
    on_worker(first.worker, destroy_here, &first);
    await_closed_with(&first, "close");
    await_closed_with(&second, "EPIPE close!");
    close_peer(&first);
    close_peer(&second);
}

static void
first_destroyed(const struct place *place)
{
    destroy_first(place, false);
}

/* Its actor stays, and has nothing more to say. */
static void
kept_first_destroyed(const struct place *place)
{
    destroy_first(place, true);
}

/* On the first one's own worker, so that it finds both at once. */
static void
send_and_reset(tr_actor *self, void *argument)
{
    struct side *side = argument;
    (void)self;
    assert_true(tests_peer_send(side->peer, "last", 4));
    tests_peer_reset(side->peer);
    side->peer = -1;
}

/* Neither ends its side by itself: nothing but the reset can close them. */
static void
first_reset_with_its_last_bytes(const struct place *place)
{
    struct side first = {.options.allow_half_open = true}, second = {.options.allow_half_open = true};
    if (place->transport == UNIX)
        return;
    open_two(place, &first, &second);
    join(&first, &second, NULL);
    on_worker(first.worker, send_and_reset, &first);
    await_closed_with(&first, "ECONNRESET close!");
    await_closed_with(&second, "EPIPE close!");
    close_peer(&second);
}

static void
a_first_that_is_destroyed_before_the_end_destroys_the_second(void **state)
{
    (void)state;
    everywhere(first_destroyed);
    everywhere(kept_first_destroyed);
    everywhere(first_reset_with_its_last_bytes);
}

/* The first reads the end and, in the same turn, is destroyed by the callback of a write, before the end is told. */

static void
destroy_when_written(tr_socket *socket, void *argument, tr_status status)
{
    (void)argument;
    assert_int_equal(status, TR_OK);
    tr_socket_destroy(socket, TR_OK);
}

/* More than the kernel takes, and what it leaves fits in when it is empty. */
static void
write_more_than_fits(tr_actor *self, void *argument)
{
    struct side *side = argument;
    static const char much[300000];
    tr_slice slice = tr_slice_constant(much, sizeof(much));
    (void)self;
    assert_int_equal(tr_socket_write_then(side->socket, slice, destroy_when_written, NULL), TR_QUEUED);
}

/* On the first one's own worker, so that it finds all of this at once. */
static void
drain_and_end_in_one_turn(tr_actor *self, void *argument)
{
    struct side *side = argument;
    char bytes[CHUNK];
    (void)self;
    while (recv(side->peer, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    shutdown(side->peer, SHUT_WR);
}

static void
first_destroyed_at_the_end(const struct place *place)
{
    struct side first = {.peer = -1}, second = {.peer = -1};
    if (place->transport == TCP)
        return; /* the kernel's buffers have no clear limit there */
    open_two(place, &first, &second);
    join(&first, &second, NULL);
    on_worker(first.worker, write_more_than_fits, &first);
    on_worker(first.worker, drain_and_end_in_one_turn, &first);
    await_closed_with(&first, "end close"); /* what was read is told before writing goes on */
    assert_at_end(second.peer);             /* all of it came through */
    close_peer(&second);
    await_closed_with(&second, "end close");
    close_peer(&first);
}

static void
a_first_that_is_destroyed_with_its_end_ends_the_second(void **state)
{
    (void)state;
    everywhere(first_destroyed_at_the_end);
}

/* Answers. */

/* The one who asks goes on asking; the one who answers ends, and is gone before the answer was read. */
static void
answer_first(const struct place *place, bool reset)
{
    struct side client = {.peer = -1}, server = {.peer = -1};
    open_two(place, &client, &server);
    join(&client, &server, NULL);
    join(&server, &client, &(struct tr_pipe_options){.window_bytes = 2 * FITS_NOWHERE});
    struct flow question = {.from = client.peer, .stream = 1, .size = 256u << 20};
    send_until_stuck(&question, &server);
    struct flow answer = {.from = server.peer, .to = client.peer, .stream = 2, .size = FITS_NOWHERE};
    while (answer.sent < answer.size)
        if (!send_some(&answer))
            poll(&(struct pollfd){.fd = server.peer, .events = POLLOUT}, 1, (int)TESTS_LIMIT_MS);
    await_read(&server, FITS_NOWHERE);
    shutdown(server.peer, SHUT_WR);
    assert_true(tests_wait_until(has_ended, &client, TESTS_LIMIT_MS)); /* the end has come through, behind the answer */
    assert_true(look_at(&client).buffered > 0);                        /* so there is something to be lost */
    if (reset)
        tests_peer_reset(server.peer);
    else
        close_peer(&server);
    server.peer = -1;
    assert_true(tests_wait_until(end_is_closed, &server, TESTS_LIMIT_MS));
    while (send_some(&question))
        ;
    carry(&answer, 1);
    assert_at_end(client.peer);
    close_peer(&client);
    assert_true(tests_wait_until(end_is_closed, &client, TESTS_LIMIT_MS));
}

static void
answer_then_close(const struct place *place)
{
    answer_first(place, false);
}

static void
answer_then_reset(const struct place *place)
{
    if (place->transport == TCP)
        answer_first(place, true);
}

/* The second still has to write when its peer ends; what comes then is too late, and spoils nothing. */
static void
questions_that_are_too_late(const struct place *place)
{
    struct side client = {.peer = -1}, server = {.peer = -1};
    open_two(place, &client, &server);
    join(&client, &server, &(struct tr_pipe_options){.window_bytes = 4 * FITS_NOWHERE});
    join(&server, &client, NULL);
    struct flow question = {.from = client.peer, .to = server.peer, .stream = 1, .size = FITS_NOWHERE};
    struct flow answer = {.from = server.peer, .to = client.peer, .stream = 2, .size = 100000};
    while (question.sent < question.size)
        send_some(&question);
    await_written(&server, question.sent);
    carry(&answer, 1);
    shutdown(server.peer, SHUT_WR);
    assert_at_end(client.peer);
    assert_true(look_at(&server).buffered > 0);
    struct flow late = {.from = client.peer, .stream = 3, .size = 100000};
    while (late.sent < late.size)
        send_some(&late);
    await_read(&client, question.sent + late.sent);
    carry(&question, 1);
    assert_at_end(server.peer);
    await_closed_with(&server, "end close");
    shutdown(client.peer, SHUT_WR);
    await_closed_with(&client, "end close");
    assert_int_equal(client.received, 0); /* nor does it become an event */
    close_peer(&client);
    close_peer(&server);
}

static void
what_comes_after_the_second_ended_is_dropped_and_what_waits_is_sent(void **state)
{
    (void)state;
    everywhere(questions_that_are_too_late);
}

static void
an_answer_is_not_lost_when_the_second_closes_first(void **state)
{
    (void)state;
    everywhere(answer_then_close);
    everywhere(answer_then_reset);
}

/* Stopping in the middle. Nobody reads, so the deadline ends it: nothing may be left. */

static void
stop_in_the_middle(const struct place *place)
{
    struct side first = {.peer = -1}, second = {.peer = -1};
    open_two(place, &first, &second);
    join(&first, &second, NULL);
    join(&second, &first, NULL);
    struct flow there = {.from = first.peer, .stream = 1, .size = 64u << 20};
    struct flow back = {.from = second.peer, .stream = 2, .size = 64u << 20};
    while (there.sent < 1u << 19 && send_some(&there))
        send_some(&back);
    tr_runtime_stop(hands_runtime, 50, NULL);
    close_peer(&first);
    close_peer(&second);
}

static void
the_runtime_stops_in_the_middle_and_nothing_is_left(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int fds_before = tests_open_fds();
        hands_open(WORKERS);
        stop_in_the_middle(&places[i]);
        assert_int_equal(tests_open_fds(), fds_before);
    }
}

/* To a socket that has exited and is still there: it remembers no pipe, and the first is told that nobody takes it. */

static void
pipe_to_one_that_has_exited(tr_actor *self, void *argument)
{
    struct side *side = argument;
    tr_socket *second;
    assert_int_equal(tr_socket_spawn(self, NULL, &second), TR_OK);
    tr_ref ref = tr_socket_ref(second);
    tr_socket_end(second);
    tr_exit(tr_socket_actor(second));
    assert_int_equal(tr_socket_pipe(side->socket, ref, NULL), TR_OK);
}

static void
second_exited(const struct place *place)
{
    struct side first = {.peer = -1};
    open_end(&first, place->first, place->transport);
    on_worker(first.worker, pipe_to_one_that_has_exited, &first);
    await_closed_with(&first, "EPIPE close!");
    close_peer(&first);
}

static void
a_pipe_to_a_socket_that_has_exited_leaves_nothing_there(void **state)
{
    (void)state;
    everywhere(second_exited);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_ended_when_the_second_is_closed),
        cmocka_unit_test(a_second_that_failed_or_is_not_there_destroys_the_first),
        cmocka_unit_test(a_first_that_is_destroyed_before_the_end_destroys_the_second),
        cmocka_unit_test(a_first_that_is_destroyed_with_its_end_ends_the_second),
        cmocka_unit_test(an_answer_is_not_lost_when_the_second_closes_first),
        cmocka_unit_test(what_comes_after_the_second_ended_is_dropped_and_what_waits_is_sent),
        cmocka_unit_test(the_runtime_stops_in_the_middle_and_nothing_is_left),
        cmocka_unit_test(a_pipe_to_a_socket_that_has_exited_leaves_nothing_there),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
