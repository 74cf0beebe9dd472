/*
 * Words that a server must not lose: of connections that could not begin, of orders that it refuses, of a failure that
 * is due; and what it is to do while it has no descriptors, or no memory.
 */
#include "fault.h"
#include "hands.h"
#include "helpers.h"
#include "listener_of.h"
#include "server_state.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <troupe/core/runtime.h>
#include <troupe/core/timers.h>
#include <troupe/net/remote.h>

#define SERVER_WORKER 1u
#define MOST_ALLOCATIONS 64u

static struct {
    tr_server *server;
    tr_ref ref;
    uint16_t port;
    unsigned came, gone, told; /* atomic */
    tr_status error;
    unsigned nth;    /* atomic: the allocation that is to fail; 0: none */
    bool plans_late; /* not before the server chooses a worker */
} play;

static unsigned
read_count(const unsigned *count)
{
    return __atomic_load_n(count, __ATOMIC_SEQ_CST);
}

static void
count_up(unsigned *count)
{
    __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
}

/* Each failure is told when it is heard: no time has to pass between two. */
static void
on_error(tr_server *server, const struct tr_error *error)
{
    play.error = error->status;
    server->complain_ms = 0;
    count_up(&play.told);
}

static const struct tr_server_events server_events = {.error = on_error};

static void
spawn_server(tr_actor *self, void *argument)
{
    assert_int_equal(tr_server_spawn(self, argument, &play.server), TR_OK);
    play.ref = tr_server_ref(play.server);
}

static void
listen_here(tr_actor *self, void *argument)
{
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address address;
    spawn_server(self, argument);
    assert_int_equal(tr_server_listen(play.server, &listen), TR_OK);
    tr_server_address(play.server, &address);
    play.port = address.port;
}

static void
open_play(unsigned worker, void (*begin)(tr_actor *self, void *argument), struct tr_server_options options)
{
    memset(&play, 0, sizeof(play));
    options.events = &server_events;
    hands_open(2);
    on_worker(worker, begin, &options);
}

static void
exit_server(tr_actor *self, void *argument)
{
    (void)self;
    (void)argument;
    tr_exit(tr_server_actor(play.server));
}

static void
close_play(unsigned worker)
{
    on_worker(worker, exit_server, NULL);
    hands_close();
}

/* Connections that lack the memory for one thing after the other. */

static bool
has_come_or_was_told(void *argument)
{
    return read_count(&play.came) + read_count(&play.told) > *(unsigned *)argument;
}

static bool
all_have_gone(void *argument)
{
    (void)argument;
    return read_count(&play.gone) == read_count(&play.came);
}

static void
note_counts(tr_actor *self, void *argument)
{
    struct tr_server_refusals refusals;
    uint64_t *counts = argument;
    (void)self;
    tr_server_refusals(play.server, &refusals);
    assert_int_equal(refusals.over_address, 0);
    counts[0] = refusals.lost;
    counts[1] = tr_server_connections(play.server);
}

static bool
none_is_counted(void *argument)
{
    uint64_t counts[2];
    (void)argument;
    note_counts(NULL, counts);
    return counts[1] == 0;
}

/* Has each allocation fail, of those that a connection makes on any worker. This thread's are left alone. */
static void
connect_without_memory(void)
{
    uint64_t counts[2];
    unsigned lost = 0;
    fault_spare_me(true);
    for (unsigned nth = 0; nth <= MOST_ALLOCATIONS; nth++) {
        unsigned before = read_count(&play.came) + read_count(&play.told);
        unsigned told = read_count(&play.told);
        __atomic_store_n(&play.nth, nth, __ATOMIC_SEQ_CST); /* the first connection is to find all that is made once */
        if (nth > 0 && !play.plans_late)
            fault_plan(FAULT_MEMORY, nth, 1, ENOMEM);
        int fd = tests_peer_connect(play.port);
        assert_true(tests_wait_until(has_come_or_was_told, &before, TESTS_LIMIT_MS));
        bool met = fault_met(FAULT_MEMORY) > 0;
        fault_clear();
        close(fd);
        assert_true(tests_wait_until(all_have_gone, NULL, TESTS_LIMIT_MS));
        await_on_worker(SERVER_WORKER, none_is_counted, NULL);
        assert_in_range(read_count(&play.told) - told, 0, 1);
        lost += read_count(&play.told) - told;
        if (nth > 0 && !met)
            break;
    }
    fault_spare_me(false);
    on_worker(SERVER_WORKER, note_counts, counts);
    assert_in_range(lost, 1, MOST_ALLOCATIONS - 1);
    assert_int_equal(counts[0], lost);
    assert_int_equal(play.error, TR_ENOMEM);
}

static void
count_connection(tr_socket *socket)
{
    (void)socket;
    count_up(&play.came);
}

static void
count_close(tr_socket *socket, bool had_error)
{
    (void)socket;
    (void)had_error;
    count_up(&play.gone);
}

static const struct tr_socket_events socket_events = {.close = count_close};

static unsigned
at_home(const struct tr_balance_view *view)
{
    return view->home;
}

static unsigned
elsewhere(const struct tr_balance_view *view)
{
    return 1 - view->home;
}

static void
a_connection_without_memory_is_told_once_and_its_place_is_free(void **state)
{
    (void)state;
    open_play(SERVER_WORKER, listen_here,
              (struct tr_server_options){.connection = count_connection,
                                         .balance = at_home,
                                         .max_per_address = 1,
                                         .socket = {.events = &socket_events, .state_size = 4096}});
    connect_without_memory();
    close_play(SERVER_WORKER);
}

static void
a_connection_that_is_lost_on_another_worker_is_told(void **state)
{
    (void)state;
    open_play(SERVER_WORKER, listen_here,
              (struct tr_server_options){.connection = count_connection,
                                         .balance = elsewhere,
                                         .max_per_address = 8,
                                         .socket = {.events = &socket_events, .state_size = 4096}});
    connect_without_memory();
    close_play(SERVER_WORKER);
}

#define FILL 20 /* a tag */

/* A policy. A message to anybody on this worker takes memory from now on, and some of it will fail. */
static unsigned
at_home_without_mail(const struct tr_balance_view *view)
{
    tr_message message = tr_message_signal(FILL);
    fault_plan(FAULT_MEMORY, 1, UINT_MAX, ENOMEM);
    while (tr_send(tr_server_actor(play.server), hands[SERVER_WORKER], &message) == TR_OK)
        message = tr_message_signal(FILL);
    fault_clear();
    unsigned nth = read_count(&play.nth);
    if (nth > 0)
        fault_plan(FAULT_MEMORY, nth, 1, ENOMEM);
    return view->home;
}

/* The owner of connections is the hand of their own worker. */
static void
count_event(tr_actor *self, tr_message *message)
{
    enum tr_event event;
    if (!tr_event_of(message, &event))
        return;
    if (event == TR_EVENT_CONNECTION)
        count_up(&play.came);
    else if (event == TR_EVENT_CLOSE)
        count_up(&play.gone);
    tr_remote_credit(self, message->from, 1);
}

static void
open_owned(tr_actor *self, void *argument)
{
    struct tr_server_options *options = argument;
    options->socket.owner.actor = hands[SERVER_WORKER];
    play.plans_late = true;
    listen_here(self, options);
}

static void
a_connection_of_which_its_owner_cannot_be_told_is_told_as_lost(void **state)
{
    (void)state;
    open_play(SERVER_WORKER, open_owned, (struct tr_server_options){.balance = at_home_without_mail});
    hands_receive = count_event;
    connect_without_memory();
    close_play(SERVER_WORKER);
}

/* Words about what the server itself was to do. */

static bool
was_told(void *argument)
{
    (void)argument;
    return read_count(&play.told) > 0;
}

static void
order_pause_and_use_all_memory(tr_actor *self, void *argument)
{
    spawn_server(self, argument);
    assert_int_equal(tr_remote_server_pause(self, play.ref, 0), TR_OK);
    assert_int_equal(play.told, 0);
    fault_plan(FAULT_MEMORY, 1, UINT_MAX, ENOMEM);
}

static void
an_order_is_refused_by_a_word_also_without_memory(void **state)
{
    (void)state;
    open_play(0, order_pause_and_use_all_memory, (struct tr_server_options){.keep = true});
    bool told = tests_wait_until(was_told, NULL, TESTS_LIMIT_MS);
    fault_clear();
    assert_true(told);
    assert_int_equal(play.error, TR_ENOTLISTENING);
    close_play(0);
}

static void
fail_to_listen(tr_actor *self, void *argument)
{
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    spawn_server(self, argument);
    assert_false(play.server->flags & TRI_SERVER_LIVE);
    fault_plan(FAULT_LISTEN, 1, 1, EADDRINUSE);
    assert_int_equal(tr_server_listen(play.server, &listen), TR_OK);
    assert_int_equal(fault_met(FAULT_LISTEN), 1);
    assert_false(tr_server_listening(play.server));
    assert_int_equal(play.told, 0);
    assert_true(play.server->flags & TRI_SERVER_LIVE); /* tr_runtime_wait_idle() waits */
}

static bool
is_not_live(void *argument)
{
    (void)argument;
    return (play.server->flags & TRI_SERVER_LIVE) == 0;
}

static void
a_failure_that_is_due_keeps_the_program_alive_until_it_is_told(void **state)
{
    (void)state;
    open_play(0, fail_to_listen, (struct tr_server_options){.keep = true});
    fault_clear();
    assert_true(tests_wait_until(was_told, NULL, TESTS_LIMIT_MS));
    await_on_worker(0, is_not_live, NULL);
    close_play(0);
}

/* Pauses. */

static void
never(struct tri_timer *timer)
{
    (void)timer;
    fail();
}

static void
pause_without_memory(tr_actor *self, void *argument)
{
    static struct tri_timer others[256];
    unsigned started = 0;
    listen_here(self, argument);
    struct tri_timers *timers = &play.server->net->worker->timers;
    while (timers->count + timers->reserved < timers->room || timers->room == 0) {
        others[started].fire = never;
        assert_int_equal(tri_timer_start(timers, &others[started++], INT32_MAX), TR_OK);
    }
    fault_plan(FAULT_MEMORY, 1, 1, ENOMEM);
    assert_int_equal(tr_server_pause(play.server, 1000), TR_ENOMEM);
    assert_int_equal(fault_met(FAULT_MEMORY), 1);
    fault_clear();
    assert_false(play.server->deal->paused);
    while (started > 0)
        tri_timer_stop(timers, &others[--started]);
}

static void
a_pause_without_memory_is_refused_and_none(void **state)
{
    (void)state;
    open_play(0, pause_without_memory, (struct tr_server_options){.connection = count_connection});
    close(tests_peer_connect(play.port));
    unsigned none = 0;
    assert_true(tests_wait_until(has_come_or_was_told, &none, TESTS_LIMIT_MS));
    assert_int_equal(read_count(&play.came), 1);
    close_play(0);
}

static void
pause_here(tr_actor *self, void *argument)
{
    (void)self;
    (void)argument;
    assert_true(listener_of(play.server)->starved);
    assert_int_equal(tr_server_pause(play.server, 0), TR_OK);
}

static void
resume_here(tr_actor *self, void *argument)
{
    (void)self;
    (void)argument;
    assert_int_equal(tr_server_resume(play.server), TR_OK);
}

static bool
has_tried_again(void *argument)
{
    (void)argument;
    return !listener_of(play.server)->starved;
}

/* Pauses in the error event itself: the next try comes in 50 ms. */
static void
pause_when_starved(tr_server *server, const struct tr_error *error)
{
    on_error(server, error);
    pause_here(NULL, NULL);
}

static const struct tr_server_events pausing_events = {.error = pause_when_starved};

static void
listen_and_starve(tr_actor *self, void *argument)
{
    struct tr_server_options *options = argument;
    options->events = &pausing_events;
    listen_here(self, options);
    fault_plan(FAULT_ACCEPT, 1, 1, EMFILE);
}

static void
a_server_that_is_paused_while_it_lacks_descriptors_stays_paused(void **state)
{
    (void)state;
    open_play(0, listen_and_starve, (struct tr_server_options){.connection = count_connection, .balance = at_home});
    int fd = tests_peer_connect(play.port);
    assert_true(tests_wait_until(was_told, NULL, TESTS_LIMIT_MS));
    assert_int_equal(play.error, TR_EMFILE);
    await_on_worker(0, has_tried_again, NULL);
    hands_settle();
    assert_int_equal(read_count(&play.came), 0);
    on_worker(0, resume_here, NULL);
    unsigned heard = 1;
    assert_true(tests_wait_until(has_come_or_was_told, &heard, TESTS_LIMIT_MS));
    assert_int_equal(read_count(&play.came), 1);
    fault_clear();
    close(fd);
    close_play(0);
}

/* The end of the runtime: its phase is set before a server is asked to stop, and a connection may come in between. */
static void
meet_connection_while_draining(tr_actor *self, void *argument)
{
    int *fd = argument;
    struct tr_server_options options = {.connection = count_connection, .balance = at_home, .keep = true};
    listen_here(self, &options);
    struct tri_runtime *runtime = play.server->net->worker->runtime;
    *fd = tests_peer_connect(play.port);
    ck_pr_store_uint(&runtime->phase, TRI_DRAINING);
    struct tri_listener *listener = listener_of(play.server);
    listener->watch->poll.poll_cb(&listener->watch->poll, 0, UV_READABLE);
    ck_pr_store_uint(&runtime->phase, TRI_RUNNING);
    assert_false(listener->polled);
}

static void
a_server_accepts_nothing_more_once_the_runtime_stops(void **state)
{
    int fd;
    (void)state;
    memset(&play, 0, sizeof(play));
    hands_open(1);
    on_worker(0, meet_connection_while_draining, &fd);
    assert_int_equal(read_count(&play.came), 0);
    close(fd);
    close_play(0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_without_memory_is_told_once_and_its_place_is_free),
        cmocka_unit_test(a_connection_that_is_lost_on_another_worker_is_told),
        cmocka_unit_test(a_connection_of_which_its_owner_cannot_be_told_is_told_as_lost),
        cmocka_unit_test(an_order_is_refused_by_a_word_also_without_memory),
        cmocka_unit_test(a_failure_that_is_due_keeps_the_program_alive_until_it_is_told),
        cmocka_unit_test(a_pause_without_memory_is_refused_and_none),
        cmocka_unit_test(a_server_that_is_paused_while_it_lacks_descriptors_stays_paused),
        cmocka_unit_test(a_server_accepts_nothing_more_once_the_runtime_stops),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
