/*
 * Workers that accept for themselves, one by one: what each takes, what it passes on, and what becomes of it when
 * somebody stops or kills it. Listeners that are killed, and servers that come and go while the listener is busy.
 */
#include "fault.h"
#include "helpers.h"
#include "listener_of.h"
#include "sharers.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#define BURST SHARERS_BURST

static int
set_up(void **state, enum tr_accept_mode mode)
{
    sharers_set_up(state);
    for (unsigned i = 0; i < SHARERS; i++)
        sharers[i].listen.accept = mode;
    return 0;
}

static int
set_up_handoff(void **state)
{
    return set_up(state, TR_ACCEPT_HANDOFF);
}

static int
set_up_shared_fd(void **state)
{
    return set_up(state, TR_ACCEPT_SHARED_FD);
}

static int
set_up_reuseport(void **state)
{
    return set_up(state, TR_ACCEPT_REUSEPORT);
}

static void
does_nothing(tr_actor *self, void *argument)
{
    (void)self;
    (void)argument;
}

/* So often at least. */
static void
let_first_worker_turn(unsigned times)
{
    while (times-- > 0)
        on_worker(0, does_nothing, NULL);
}

static bool
have_begun(void *count)
{
    return sharers_count(&sharers[0].begun) >= *(const unsigned *)count;
}

static void
await_begun(unsigned count)
{
    assert_true(tests_wait_until(have_begun, &count, TESTS_LIMIT_MS));
}

static void
expect_all(const int *fds, unsigned n, char number)
{
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(sharers_hear(fds[i]), number);
        close(fds[i]);
    }
}

/* What each takes. */

static void
from_one_descriptor_a_worker_takes_one_connection_each_time_that_it_wakes(void **state)
{
    (void)state;
    int fds[BURST];
    assert_int_equal(sharers_listen(0), TR_OK);
    sharers_begin_busy_time(0, NULL);
    sharers_connect_burst(fds);
    sharers_end_busy_time();
    expect_all(fds, BURST, '0');
    assert_int_equal(sharers[0].together, 0);
    sharers_close(0);
}

#define TWO_WORKERS_AHEAD 74 /* alone, the first number whose excess over 32 is more than nine eighths of the mean */
#define MANY 100

static void
connect_many_while_the_second_is_busy(int fds[MANY])
{
    static const unsigned both[] = {0, 1};
    sharers[0].server.own_worker = false;
    sharers[0].server.workers = both;
    sharers[0].server.worker_count = 2;
    sharers[0].stays = true;
    assert_int_equal(sharers_listen(0), TR_OK);
    sharers_begin_busy_time(1, NULL);
    for (unsigned i = 0; i < MANY; i++)
        fds[i] = sharers_connect();
}

static void
from_one_descriptor_a_worker_rests_that_is_far_ahead(void **state)
{
    (void)state;
    int fds[MANY];
    sharers_busy_looks_awake = true;
    connect_many_while_the_second_is_busy(fds);
    await_begun(TWO_WORKERS_AHEAD);
    let_first_worker_turn(20);
    assert_int_equal(sharers_count(&sharers[0].begun), TWO_WORKERS_AHEAD);
    sharers_end_busy_time();
    expect_all(fds, MANY, '0');
    sharers_close(0);
}

static void
it_does_not_rest_for_one_that_is_stuck(void **state)
{
    (void)state;
    int fds[MANY];
    connect_many_while_the_second_is_busy(fds);
    await_begun(MANY);
    sharers_end_busy_time();
    expect_all(fds, MANY, '0');
    sharers_close(0);
}

/* What each passes on. */

static bool
are_sent(void *argument)
{
    struct tri_deal *deal = sharers[1].handle->deal;
    (void)argument;
    tri_deal_lock(deal);
    uint64_t sent = deal->places[1].sent;
    tri_deal_unlock(deal);
    return sent == BURST - 1;
}

static void
what_its_own_server_refuses_others_get(void **state)
{
    (void)state;
    int fds[BURST];
    unsigned answers[2] = {0};
    sharers[0].server.max_connections = 1;
    for (unsigned i = 0; i < 2; i++) {
        sharers[i].server.balance = tr_balance_round_robin; /* whether a worker is stuck or not */
        sharers[i].stays = true;
        assert_int_equal(sharers_listen(i), TR_OK);
    }
    sharers_begin_busy_time(1, NULL);
    sharers_connect_burst(fds); /* the first worker takes all, or the other one's share stays in its backlog */
    if (sharers[0].listen.accept == TR_ACCEPT_SHARED_FD)
        assert_true(tests_wait_until(are_sent, NULL, TESTS_LIMIT_MS));
    sharers_end_busy_time();
    for (unsigned i = 0; i < BURST; i++) {
        char number = sharers_hear(fds[i]);
        assert_in_range(number, '0', '1');
        answers[number - '0']++;
    }
    assert_in_range(answers[0], sharers[0].listen.accept == TR_ACCEPT_SHARED_FD, 1);
    for (unsigned i = 0; i < BURST; i++)
        close(fds[i]);
    sharers_close(0);
    sharers_close(1);
}

/* The listener's worker is busy, so only the worker itself can see who is there now. */
static void
a_worker_sees_by_itself_who_takes_its_connections(void **state)
{
    (void)state;
    assert_int_equal(sharers_listen(1), TR_OK);
    sharers[0].listen.port = sharers[1].address.port;
    assert_int_equal(sharers_listen(0), TR_OK);
    hands_settle(); /* the first worker accepts */
    sharers_begin_busy_time(1, NULL);
    sharers[3].listen.server = sharers[0].handle;
    assert_int_equal(sharers_listen(3), TR_OK);
    int fd = sharers_connect();
    assert_int_equal(sharers_hear(fd), '3');
    close(fd);
    sharers_end_busy_time();
    sharers_close(3);
    sharers_close(0);
    sharers_close(1);
}

static void
who_listens_on_what_another_one_has_gets_all_of_its_connections(void **state)
{
    (void)state;
    int fds[MANY];
    sharers[0].server.own_worker = sharers[3].server.own_worker = false;
    assert_int_equal(sharers_listen(0), TR_OK);
    sharers[3].listen.server = sharers[0].handle;
    assert_int_equal(sharers_listen(3), TR_OK);
    hands_settle();
    for (unsigned i = 0; i < MANY; i++)
        fds[i] = sharers_connect();
    expect_all(fds, MANY, '3');
    sharers_close(3);
    sharers_close(0);
}

/* The end. */

static void
close_it(tr_actor *self, void *argument)
{
    (void)self;
    assert_int_equal(tr_server_close(((struct sharer *)argument)->handle), TR_OK);
}

static bool
is_closed(void *number)
{
    return sharers_count(&sharers[*(const unsigned *)number].closed) == 1;
}

static void
await_closed(unsigned i)
{
    assert_true(tests_wait_until(is_closed, &i, TESTS_LIMIT_MS));
}

static void
the_close_event_comes_when_the_last_worker_has_closed_its_descriptor(void **state)
{
    (void)state;
    sharers[0].server.own_worker = false;
    assert_int_equal(sharers_listen(0), TR_OK);
    hands_settle();
    sharers_begin_busy_time(1, NULL);
    sharers_with(0, close_it);
    let_first_worker_turn(20);
    assert_int_equal(sharers_count(&sharers[0].closed), 0);
    sharers_end_busy_time();
    await_closed(0);
    assert_int_equal(tests_peer_connect(sharers[0].address.port), -1);
}

static tr_ref acceptor, listener;

static void
find_acceptor(tr_actor *self, void *argument)
{
    const struct tri_listener *its = listener_of(((struct sharer *)argument)->handle);
    (void)self;
    acceptor = its->branches != NULL ? its->branches[0].ref : TR_NOBODY;
    listener = tr_self(its->dealer.actor);
}

static bool
has_successor(void *before)
{
    find_acceptor(NULL, &sharers[0]);
    return acceptor != TR_NOBODY && acceptor != *(const tr_ref *)before;
}

static void
expect_service(void)
{
    int fd = sharers_connect();
    assert_int_equal(sharers_hear(fd), '0');
    close(fd);
}

static void
an_acceptor_that_somebody_kills_gets_a_successor(void **state)
{
    (void)state;
    assert_int_equal(sharers_listen(0), TR_OK);
    sharers_with(0, find_acceptor);
    tr_ref before = acceptor;
    assert_int_equal(tr_runtime_stop_actor(hands_runtime, before, TR_STOP_KILL), TR_OK);
    await_on_worker(0, has_successor, &before);
    expect_service();
    assert_int_equal(tr_runtime_stop_actor(hands_runtime, acceptor, TR_STOP_KILL), TR_OK);
    sharers_close(0); /* the next one may be there by now, or not */
}

static void
kill_acceptor_and_close(tr_actor *self, void *argument)
{
    find_acceptor(self, argument);
    assert_int_equal(tr_stop(self, acceptor, TR_STOP_KILL), TR_OK);
    assert_int_equal(tr_server_close(((struct sharer *)argument)->handle), TR_OK);
}

static void
an_acceptor_that_was_killed_does_not_keep_the_address(void **state)
{
    (void)state;
    assert_int_equal(sharers_listen(0), TR_OK);
    sharers_with(0, kill_acceptor_and_close);
    await_closed(0);
    assert_int_equal(tests_peer_connect(sharers[0].address.port), -1);
}

/* It ends with its last server. */
static void
who_is_asked_to_stop_goes_on(void **state)
{
    (void)state;
    assert_int_equal(sharers_listen(0), TR_OK);
    sharers_with(0, find_acceptor);
    for (int i = 0; i < 2; i++) {
        enum tr_stop_mode how = i == 0 ? TR_STOP_DRAIN : TR_STOP_NOW;
        if (acceptor != TR_NOBODY)
            assert_int_equal(tr_runtime_stop_actor(hands_runtime, acceptor, how), TR_OK);
        assert_int_equal(tr_runtime_stop_actor(hands_runtime, listener, how), TR_OK);
        let_first_worker_turn(4);
        expect_service();
    }
    sharers_close(0);
    assert_int_equal(tests_peer_connect(sharers[0].address.port), -1);
}

/* Also who has joined when its worker was busy, and who is covered by another one. */
static void
all_servers_of_a_listener_that_is_killed_are_told(void **state)
{
    (void)state;
    assert_int_equal(sharers_listen(0), TR_OK);
    sharers[3].listen.server = sharers[0].handle;
    assert_int_equal(sharers_listen(3), TR_OK);
    sharers_with(0, find_acceptor);
    sharers_begin_busy_time(0, NULL);
    assert_int_equal(sharers_listen(1), TR_OK);
    assert_int_equal(tr_runtime_stop_actor(hands_runtime, listener, TR_STOP_KILL), TR_OK);
    sharers_end_busy_time();
    await_closed(0);
    await_closed(1);
    await_closed(3);
    assert_int_equal(sharers[0].status, TR_ECANCELED);
    assert_int_equal(sharers[1].status, TR_ECANCELED);
    assert_int_equal(sharers[3].status, TR_ECANCELED);
}

/* A server is killed while the listener could not be told of it yet. */

static void
fill_lane(tr_actor *self)
{
    tr_status status = TR_OK;
    fault_plan(FAULT_MEMORY, 1, 1u << 30, ENOMEM);
    while (status == TR_OK) {
        tr_message message = tr_message_signal(1u << 16);
        status = tr_send(self, hands[0], &message);
    }
    assert_int_equal(status, TR_ENOMEM);
}

static void
leave_in_vain_and_die(tr_actor *self, void *argument)
{
    struct sharer *sharer = argument;
    const struct tri_member *member = sharer->handle->member;
    fill_lane(self);
    assert_int_equal(tr_server_close(sharer->handle), TR_OK);
    assert_true(member->rings);
    assert_int_equal(tr_stop(self, sharer->ref, TR_STOP_KILL), TR_OK);
    fault_clear();
}

static void
join_in_vain_and_die(tr_actor *self, void *argument)
{
    struct sharer *sharer = argument;
    assert_int_equal(tr_server_spawn(self, &sharer->server, &sharer->handle), TR_OK);
    tr_ref ref = tr_server_ref(sharer->handle);
    fill_lane(self);
    fault_spare_me(true); /* but the lane is full */
    assert_int_equal(tr_server_listen(sharer->handle, &sharer->listen), TR_OK);
    fault_spare_me(false);
    assert_int_equal(tr_stop(self, ref, TR_STOP_KILL), TR_OK);
    fault_clear();
}

static void
a_server_may_be_killed_while_its_word_to_the_listener_is_owed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sharers_listen(i), TR_OK);
    sharers_begin_busy_time(0, NULL);
    sharers_with(1, leave_in_vain_and_die);
    sharers_with(1, join_in_vain_and_die);
    sharers_end_busy_time();
    hands_settle();
    expect_service();
    sharers_close(0);
    assert_int_equal(tests_peer_connect(sharers[0].address.port), -1);
}

/* Who has joined before a connection is accepted has done so for that one. */

static uv_sem_t is_accepting, has_joined;

static void
on_accept(void)
{
    uv_sem_post(&is_accepting);
    uv_sem_wait(&has_joined);
}

static void
who_has_joined_before_a_connection_is_accepted_may_get_it(void **state)
{
    (void)state;
    assert_int_equal(uv_sem_init(&is_accepting, 0), 0);
    assert_int_equal(uv_sem_init(&has_joined, 0), 0);
    sharers[0].server.max_connections = 1;
    sharers[0].stays = true;
    assert_int_equal(sharers_listen(0), TR_OK);
    int first = sharers_connect();
    assert_int_equal(sharers_hear(first), '0');
    let_first_worker_turn(4);
    fault_plan_hook(FAULT_ACCEPT, 1, on_accept);
    int second = sharers_connect();
    uv_sem_wait(&is_accepting);
    assert_int_equal(sharers_listen(1), TR_OK);
    uv_sem_post(&has_joined);
    assert_int_equal(sharers_hear(second), '1'); /* the first is full */
    fault_clear();
    close(first);
    close(second);
    sharers_close(0);
    sharers_close(1);
    uv_sem_destroy(&is_accepting);
    uv_sem_destroy(&has_joined);
}

static void
read_refusals(tr_actor *self, void *argument)
{
    struct sharer *sharer = argument;
    struct tr_server_refusals refusals;
    (void)self;
    tr_server_refusals(sharer->handle, &refusals);
    sharer->refusals = (unsigned)refusals.over_limit;
}

/* What is refused. */

static void
a_descriptor_that_the_worker_has_already_is_refused(void **state)
{
    (void)state;
    assert_int_equal(sharers_listen(0), TR_OK);
    sharers[3].listen = (struct tr_listen_options){.from_fd = true, .fd = sharers[0].handle->member->bound->opened.fd};
    sharers[3].listen.any_port = true;
    assert_int_equal(sharers_listen(3), TR_EEXIST);
    expect_service();
    sharers_close(0);
}

/* The last one has left, and the listener's worker is too busy to close the descriptor. */
static void
for_a_moment_after_the_last_the_address_is_in_use(void **state)
{
    (void)state;
    assert_int_equal(sharers_listen(0), TR_OK);
    assert_int_equal(sharers_listen(1), TR_OK);
    sharers_close(0);
    sharers_begin_busy_time(0, NULL);
    sharers_with(1, close_it);
    sharers[2].listen.backlog = 7;
    assert_int_equal(sharers_listen(2), TR_EADDRINUSE);
    sharers_end_busy_time();
    await_closed(1);
    assert_int_equal(sharers_listen(2), TR_OK);
    sharers_close(2);
}

static void
what_all_refuse_is_counted_by_the_server_that_was_asked_first(void **state)
{
    (void)state;
    int fds[3];
    for (unsigned i = 0; i < 2; i++) {
        sharers[i].stays = true;
        sharers[i].server.max_connections = 1;
        sharers[i].server.balance = tr_balance_home;
        assert_int_equal(sharers_listen(i), TR_OK);
    }
    for (unsigned i = 0; i < 3; i++) {
        fds[i] = sharers_connect();
        assert_int_equal(sharers_hear(fds[i]), i < 2 ? (char)('0' + i) : 0);
    }
    for (unsigned i = 0; i < 2; i++)
        sharers_with(i, read_refusals);
    assert_int_equal(sharers[0].refusals, 1);
    assert_int_equal(sharers[1].refusals, 0);
    for (unsigned i = 0; i < 3; i++)
        close(fds[i]);
    sharers_close(0);
    sharers_close(1);
}

#define HANDOFF(name) cmocka_unit_test_setup_teardown(name, set_up_handoff, sharers_tear_down)
#define SHARED(name) cmocka_unit_test_setup_teardown(name, set_up_shared_fd, sharers_tear_down)
#define OWN(name) cmocka_unit_test_setup_teardown(name, set_up_reuseport, sharers_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SHARED(from_one_descriptor_a_worker_takes_one_connection_each_time_that_it_wakes),
        SHARED(from_one_descriptor_a_worker_rests_that_is_far_ahead),
        SHARED(it_does_not_rest_for_one_that_is_stuck),
        SHARED(what_its_own_server_refuses_others_get),
        OWN(what_its_own_server_refuses_others_get),
        SHARED(a_worker_sees_by_itself_who_takes_its_connections),
        SHARED(who_listens_on_what_another_one_has_gets_all_of_its_connections),
        OWN(who_listens_on_what_another_one_has_gets_all_of_its_connections),
        SHARED(the_close_event_comes_when_the_last_worker_has_closed_its_descriptor),
        OWN(the_close_event_comes_when_the_last_worker_has_closed_its_descriptor),
        SHARED(an_acceptor_that_somebody_kills_gets_a_successor),
        OWN(an_acceptor_that_somebody_kills_gets_a_successor),
        SHARED(an_acceptor_that_was_killed_does_not_keep_the_address),
        OWN(an_acceptor_that_was_killed_does_not_keep_the_address),
        HANDOFF(who_is_asked_to_stop_goes_on),
        SHARED(who_is_asked_to_stop_goes_on),
        OWN(who_is_asked_to_stop_goes_on),
        HANDOFF(all_servers_of_a_listener_that_is_killed_are_told),
        SHARED(all_servers_of_a_listener_that_is_killed_are_told),
        OWN(all_servers_of_a_listener_that_is_killed_are_told),
        HANDOFF(a_server_may_be_killed_while_its_word_to_the_listener_is_owed),
        SHARED(a_server_may_be_killed_while_its_word_to_the_listener_is_owed),
        HANDOFF(who_has_joined_before_a_connection_is_accepted_may_get_it),
        SHARED(who_has_joined_before_a_connection_is_accepted_may_get_it),
        OWN(who_has_joined_before_a_connection_is_accepted_may_get_it),
        HANDOFF(a_descriptor_that_the_worker_has_already_is_refused),
        HANDOFF(for_a_moment_after_the_last_the_address_is_in_use),
        HANDOFF(what_all_refuse_is_counted_by_the_server_that_was_asked_first),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
