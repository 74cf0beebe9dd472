/*
 * Servers that share an address end in any order and in every way, while connections come: as long as one is there,
 * each connection is served.
 */
#include "helpers.h"
#include "listener_of.h"
#include "sharers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/core/clock.h>

#define BURST SHARERS_BURST

static void
while_one_server_is_there_each_connection_is_served(void **state)
{
    (void)state;
    sharers_come_and_go();
}

/* A server whose worker is busy has connections on the way to it when it closes. */

static void
close_then(struct sharer *sharer)
{
    assert_int_equal(tr_server_close(sharer->handle), TR_OK);
}

static bool
half_have_begun(void *argument)
{
    (void)argument;
    return sharers_count(&sharers[0].begun) == BURST / 2;
}

static void
what_has_not_begun_when_a_server_closes_the_others_serve(void **state)
{
    (void)state;
    int fds[BURST];
    for (unsigned i = 0; i < 2; i++) {
        sharers[i].server.balance = tr_balance_round_robin; /* whether a worker is stuck or not */
        sharers[i].stays = true;
        assert_int_equal(sharers_listen(i), TR_OK);
    }
    sharers_begin_busy_time(1, close_then);
    sharers_connect_burst(fds);
    assert_true(tests_wait_until(half_have_begun, NULL, TESTS_LIMIT_MS)); /* the others are on their way */
    sharers_end_busy_time();
    for (unsigned i = 0; i < BURST; i++)
        assert_int_equal(sharers_hear(fds[i]), '0');
    assert_int_equal(sharers_count(&sharers[0].begun), BURST);
    for (unsigned i = 0; i < BURST; i++)
        close(fds[i]);
    sharers_close(0);
}

/* Without others they begin where they were to go: the listener is on a worker where no server is any more. */

static bool
second_has_closed(void *argument)
{
    (void)argument;
    return sharers_count(&sharers[1].closed) == 1;
}

static bool
all_are_sent(void *argument)
{
    struct tri_deal *deal = sharers[1].handle->deal;
    (void)argument;
    tri_deal_lock(deal);
    uint64_t sent = deal->places[1].sent;
    tri_deal_unlock(deal);
    return sent == BURST;
}

static void
what_has_not_begun_when_the_last_server_closes_begins_there(void **state)
{
    (void)state;
    int fds[BURST];
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sharers_listen(i), TR_OK);
    sharers_close(0);
    sharers_begin_busy_time(1, close_then);
    sharers_connect_burst(fds);
    assert_true(tests_wait_until(all_are_sent, NULL, TESTS_LIMIT_MS));
    sharers_end_busy_time();
    for (unsigned i = 0; i < BURST; i++) {
        assert_int_equal(sharers_hear(fds[i]), '1');
        close(fds[i]);
    }
    assert_true(tests_wait_until(second_has_closed, NULL, TESTS_LIMIT_MS));
    assert_int_equal(sharers_count(&sharers[1].over), BURST); /* its close event waited for them */
}

static void
take_leave(struct sharer *sharer)
{
    assert_int_equal(tr_server_drain(sharer->handle, TESTS_LIMIT_MS), TR_OK);
}

static void
what_has_not_begun_when_a_server_takes_leave_begins_and_is_told(void **state)
{
    (void)state;
    int fds[BURST];
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sharers_listen(i), TR_OK);
    sharers_close(0);
    sharers[1].stays = true;
    sharers_begin_busy_time(1, take_leave);
    sharers_connect_burst(fds);
    assert_true(tests_wait_until(all_are_sent, NULL, TESTS_LIMIT_MS));
    sharers_end_busy_time();
    for (unsigned i = 0; i < BURST; i++) {
        assert_int_equal(sharers_hear(fds[i]), '1');
        assert_int_equal(sharers_hear(fds[i]), 0); /* which is its end */
        close(fds[i]);
    }
    assert_true(tests_wait_until(second_has_closed, NULL, TESTS_LIMIT_MS));
    assert_int_equal(sharers_count(&sharers[1].told), BURST);
}

/* A worker whose callback does not return gets nothing while there are others. */

static bool
second_is_stuck(void *argument)
{
    const struct tri_runtime *runtime = sharers[1].handle->net->worker->runtime;
    (void)argument;
    return tri_activity_behind_ms(&runtime->workers[1]->activity, tests_now_ns() / 1000000u) >= TR_BALANCE_STUCK_MS;
}

static void
a_worker_that_is_stuck_gets_no_connections(void **state)
{
    (void)state;
    int fds[BURST];
    for (unsigned i = 0; i < 2; i++) {
        sharers[i].stays = true;
        assert_int_equal(sharers_listen(i), TR_OK);
    }
    sharers_begin_busy_time(1, close_then);
    assert_true(tests_wait_until(second_is_stuck, NULL, TESTS_LIMIT_MS));
    sharers_connect_burst(fds);
    for (unsigned i = 0; i < BURST; i++)
        assert_int_equal(sharers_hear(fds[i]), '0');
    sharers_end_busy_time();
    for (unsigned i = 0; i < BURST; i++)
        close(fds[i]);
    sharers_close(0);
}

/* While the workers of all connections are behind, nothing is accepted. */

static bool
listener_waits(void *argument)
{
    tr_actor *actor = tri_actor_reach(tri_worker_current(), *(const tr_ref *)argument, &tri_listener_behavior);
    return actor != NULL && ((const struct tri_listener *)tr_state(actor))->starved;
}

static void
a_server_whose_workers_are_all_behind_accepts_when_one_has_caught_up(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        sharers[i].server.overload_ms = TR_BALANCE_STUCK_MS / 2;
        assert_int_equal(sharers_listen(i), TR_OK);
    }
    tr_ref listener = sharers[1].handle->member->bound->listener;
    sharers_close(0); /* the listener stays on its worker, which is not busy */
    sharers_begin_busy_time(1, NULL);
    assert_true(tests_wait_until(second_is_stuck, NULL, TESTS_LIMIT_MS));
    int fd = sharers_connect();
    await_on_worker(0, listener_waits, &listener);
    assert_int_equal(tri_deal_connections(sharers[1].handle->deal), 0);
    sharers_end_busy_time();
    assert_int_equal(sharers_hear(fd), '1');
    close(fd);
    sharers_close(1);
}

/* A listener that somebody kills takes its servers along, with a word. */

static tr_ref their_listener;

static void
find_listener(tr_actor *self, void *argument)
{
    (void)self;
    their_listener = ((struct sharer *)argument)->handle->member->bound->listener;
}

static bool
have_closed(void *argument)
{
    (void)argument;
    return sharers_count(&sharers[0].closed) == 1 && sharers_count(&sharers[1].closed) == 1;
}

static void
servers_of_a_killed_listener_are_told_and_close(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sharers_listen(i), TR_OK);
    sharers_with(0, find_listener);
    assert_int_equal(tr_runtime_stop_actor(hands_runtime, their_listener, TR_STOP_KILL), TR_OK);
    assert_true(tests_wait_until(have_closed, NULL, TESTS_LIMIT_MS));
    assert_int_equal(sharers[0].status, TR_ECANCELED);
    assert_int_equal(sharers[1].status, TR_ECANCELED);
    assert_string_equal(sharers[1].call, "accept");
    assert_int_equal(tests_peer_connect(sharers[0].address.port), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, sharers_set_up, sharers_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(while_one_server_is_there_each_connection_is_served),
        TEST(what_has_not_begun_when_a_server_closes_the_others_serve),
        TEST(what_has_not_begun_when_the_last_server_closes_begins_there),
        TEST(what_has_not_begun_when_a_server_takes_leave_begins_and_is_told),
        TEST(a_worker_that_is_stuck_gets_no_connections),
        TEST(a_server_whose_workers_are_all_behind_accepts_when_one_has_caught_up),
        TEST(servers_of_a_killed_listener_are_told_and_close),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
