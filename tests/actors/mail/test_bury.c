/*
 * What is sent while the runtime ends: whoever sends, whenever and whereto, each payload is freed exactly once, and no
 * thread that the end waits for waits for the end.
 */
#include "counting.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <uv.h>

enum { GO = 1, LOAD, RESULT };

#define BURST 200u /* more than three batches of a lane, and not a multiple of one */

static struct tally made, refused, killed, inside, outcome;
static tr_runtime *runtime;
static tr_ref peers[2];

static int
reset(void **state)
{
    (void)state;
    made = freed = refused = killed = inside = outcome = (struct tally){0};
    return 0;
}

static tr_message
new_load(void)
{
    tally_add(&made, 1);
    return tr_message_pointer(LOAD, malloc(16), 16, count_freed);
}

static void
send_load(tr_actor *self, tr_ref to)
{
    tr_message message = new_load();
    if (tr_send(self, to, &message) == TR_OK)
        return;
    tally_add(&refused, 1);
    tr_message_drop(&message);
}

static const struct tr_behavior idler = {.name = "idler", .receive = ignore};

/* When a peer sends. */
enum moment {
    IN_STOPPING = 1 << 0,
    IN_CLOSE = 1 << 1,     /* of a libuv handle, after the actor was killed */
    SPAWNING = 1 << 2,     /* orders that are refused on the other worker, which answers */
    IN_HANDLER = 1 << 3,   /* one that begins before the end and runs into it */
    SUBSCRIBING = 1 << 4,  /* to all the dead letters of this */
    FROM_OUTSIDE = 1 << 5, /* a function of the pool */
};
static unsigned moments;

struct peer {
    uv_timer_t handle;
};

static void
send_burst(tr_actor *self)
{
    for (unsigned i = 0; i < BURST; i++)
        send_load(self, peers[i % 2]);
}

/* The actor is dead, but its memory waits for this. */
static void
on_closed(uv_handle_t *handle)
{
    tr_actor *self = handle->data;
    send_burst(self);
    assert_int_equal(tr_spawn(self, &idler, NULL, NULL), TR_EGONE);
    tr_exit(self);
}

static bool
peer_stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    struct peer *peer = state;
    if (how != TR_STOP_KILL)
        return false; /* until the deadline has passed */
    tally_add(&killed, 1);
    if (moments & IN_STOPPING)
        send_burst(self);
    if ((moments & IN_CLOSE) == 0)
        return true;
    uv_close((uv_handle_t *)&peer->handle, on_closed);
    return false;
}

static void *
send_from_pool(void *argument)
{
    (void)argument;
    tally_add(&inside, 1);
    for (bool stops = false; !stops;) {
        tr_message message = new_load();
        tr_status status = tr_runtime_send(runtime, peers[tally_read(&made) % 2], &message);
        if (status != TR_OK)
            tr_message_drop(&message);
        stops = status == TR_ESTOPPING;
    }
    for (unsigned i = 0; i < BURST; i++) /* goes by urgent mail, which no limit stops */
        tr_runtime_stop_actor(runtime, peers[i % 2], TR_STOP_DRAIN);
    tr_message last = new_load();
    return last.payload.pointer.address;
}

static bool
runtime_ends(void *ignored)
{
    (void)ignored;
    return tally_read(&killed) > 0;
}

static void
spawn_on_the_other(tr_actor *self)
{
    struct tr_spawn_options there = {.placement = TR_PLACE_WORKER, .worker = 1 - tr_ref_worker(tr_self(self))};
    for (unsigned i = 0; i < BURST; i++)
        tr_spawn(self, &idler, &there, NULL);
}

static void
peer_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag != GO)
        return;
    if (moments & FROM_OUTSIDE)
        assert_int_equal(tr_offload(self, send_from_pool, NULL, RESULT, count_freed), TR_OK);
    tally_add(&inside, 1);
    if (moments & SPAWNING)
        spawn_on_the_other(self);
    if ((moments & IN_HANDLER) != 0 && tr_ref_worker(tr_self(self)) == 1) {
        assert_true(tests_wait_until(runtime_ends, NULL, TESTS_LIMIT_MS)); /* the other worker is past its turns */
        send_burst(self);
        spawn_on_the_other(self);
    }
}

static tr_status
peer_init(tr_actor *self, void *state, const void *argument)
{
    struct peer *peer = state;
    (void)argument;
    if ((moments & IN_CLOSE) != 0 && uv_timer_init(tr_actor_loop(self), &peer->handle) != 0)
        return TR_ENOMEM;
    peer->handle.data = self;
    return TR_OK;
}

static const struct tr_behavior peer = {.name = "peer",
                                        .state_size = sizeof(struct peer),
                                        .init = peer_init,
                                        .receive = peer_receive,
                                        .stopping = peer_stopping};

static void
end_with(unsigned wanted)
{
    moments = wanted;
    made = freed = refused = killed = inside = (struct tally){0};
    runtime = stage_open(2);
    for (unsigned w = 0; w < 2; w++)
        peers[w] = stage_spawn(runtime, &peer, w, NULL);
    tr_ref subscriber = stage_spawn(runtime, &idler, 0, NULL);
    if (moments & SUBSCRIBING)
        assert_int_equal(tr_dead_letters_subscribe(runtime, subscriber), TR_OK);
    for (unsigned w = 0; w < 2; w++)
        stage_send(runtime, peers[w], GO, NULL, 0);
    tally_await(&inside, (moments & FROM_OUTSIDE) != 0 ? 4 : 2);
    struct tr_stop_report report;
    assert_int_equal(tr_runtime_stop(runtime, 0, &report), TR_ETIMEDOUT_STOP);
    assert_int_equal(tally_read(&killed), 2);
    assert_int_equal(tally_read(&freed), tally_read(&made));
    if ((moments & (SUBSCRIBING | FROM_OUTSIDE | SPAWNING | IN_HANDLER)) ==
        0) /* else there are letters of other origin */
        assert_int_equal(report.dead_letters, tally_read(&made) - tally_read(&refused));
}

static void
every_payload_that_is_sent_while_the_runtime_ends_is_freed_once(void **state)
{
    (void)state;
    for (unsigned wanted = 0; wanted < 2 * FROM_OUTSIDE; wanted++)
        end_with(wanted);
}

/* Calls that wait for a worker, from a function of the pool. */

static tr_status
spawn_somewhere(void)
{
    return tr_runtime_spawn(runtime, &idler, NULL, NULL);
}

static tr_status
spawn_on_first(void)
{
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = 0};
    return tr_runtime_spawn(runtime, &idler, &options, NULL);
}

static tr_status
spawn_on_last(void)
{
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = 2};
    return tr_runtime_spawn(runtime, &idler, &options, NULL);
}

static tr_status (*const waiting_calls[])(void) = {spawn_somewhere, spawn_on_first, spawn_on_last};

/* Calls until it hears that the runtime stops. */
static void *
call_until_the_end(void *argument)
{
    tr_status (*call)(void) = waiting_calls[(uintptr_t)argument];
    assert_int_equal(tr_runtime_stop(runtime, 0, NULL), TR_EWRONGTHREAD);
    assert_int_equal(tr_runtime_wait(runtime), TR_EWRONGTHREAD);
    assert_int_equal(tr_runtime_wait_idle(runtime), TR_EWRONGTHREAD);
    tally_add(&inside, 1);
    tr_status status;
    do
        status = call();
    while (status == TR_OK);
    tally_add(&outcome, status == TR_ESTOPPING);
    return NULL;
}

static void
caller_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == GO)
        assert_int_equal(
            tr_offload(self, call_until_the_end, (void *)(uintptr_t)message->payload.words[0], RESULT, NULL), TR_OK);
}

static void
a_function_of_the_pool_that_waits_for_a_worker_hears_that_the_runtime_stops(void **state)
{
    static const struct tr_behavior caller = {.name = "caller", .receive = caller_receive};
    enum { CALLS = sizeof(waiting_calls) / sizeof(waiting_calls[0]) };
    (void)state;
    for (unsigned round = 0; round < 30; round++) {
        inside = outcome = (struct tally){0};
        runtime = stage_open(3);
        for (uint64_t i = 0; i < CALLS; i++)
            stage_send(runtime, stage_spawn(runtime, &caller, (unsigned)i, NULL), GO, &i, sizeof(i));
        tally_await(&inside, CALLS);
        tr_runtime_stop(runtime, round % 2 == 0 ? 0 : TESTS_LIMIT_MS, NULL);
        assert_int_equal(tally_read(&outcome), CALLS);
    }
}

/* Handles that callbacks open. */

static struct {
    uv_timer_t handle;
    unsigned generations;
} phoenix;

static void
rise_again(uv_handle_t *handle)
{
    phoenix.generations++;
    uv_timer_init(handle->loop, &phoenix.handle);
    uv_close((uv_handle_t *)&phoenix.handle, rise_again);
}

static tr_status
phoenix_init(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    return uv_timer_init(tr_actor_loop(self), &phoenix.handle) == 0 ? TR_OK : TR_ENOMEM;
}

static bool
phoenix_stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)self;
    (void)state;
    if (how == TR_STOP_DRAIN)
        uv_close((uv_handle_t *)&phoenix.handle, rise_again);
    return true;
}

static void
close_callbacks_that_open_the_next_handle_do_not_keep_the_end_from_coming(void **state)
{
    static const struct tr_behavior behavior = {
        .name = "phoenix", .init = phoenix_init, .receive = ignore, .stopping = phoenix_stopping};
    (void)state;
    phoenix.generations = 0;
    runtime = stage_open(1);
    stage_spawn(runtime, &behavior, 0, NULL);
    stage_close(runtime);
    assert_true(phoenix.generations >= 1000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_payload_that_is_sent_while_the_runtime_ends_is_freed_once, reset),
        cmocka_unit_test_setup(a_function_of_the_pool_that_waits_for_a_worker_hears_that_the_runtime_stops, reset),
        cmocka_unit_test_setup(close_callbacks_that_open_the_next_handle_do_not_keep_the_end_from_coming, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
