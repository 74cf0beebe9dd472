/*
 * options.memory_limit under seeds: actors that send each other small messages and payloads at random, and keep the
 * limit reached most of the time. In whatever order things happen, each message that was sent is received or a dead
 * letter, each refusal is heard, and in the end nothing counts that is not there.
 */
#include "helpers.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <troupe/testing.h>

#include <cmocka.h>

#define SEEDS 1000u
#define WORKERS 3u
#define ACTORS 9u
#define TURNS 40u /* of each actor, one each millisecond */
#define LIMIT TR_MEMORY_LIMIT_LEAST(WORKERS)
#define PAYLOAD_MOST 131072u

enum { TURN = 1, DATA, FORWARD };

/* All that may be beyond the limit: what each worker counts late, the payload that it makes then, and what is on its
 * way. Payloads that were refused are gone at once. */
#define BOUND (LIMIT + WORKERS * (65536 + PAYLOAD_MOST + 256) + WORKERS * WORKERS * 1024 * 80)

static struct {
    uint64_t random, sent, forwarded, refused, received, failed, ended, most;
    tr_ref all[ACTORS];
    tr_runtime *runtime;
} play;

static uint64_t
next(uint64_t bound)
{
    play.random = play.random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (play.random >> 33) % bound;
}

static void
note(tr_status status)
{
    if (status == TR_OK)
        play.sent++;
    else if (status == TR_EMEMORYLIMIT)
        play.refused++;
    else
        play.failed++;
}

static void
look_at_level(void)
{
    struct tr_counters counters;
    tr_runtime_counters(play.runtime, &counters);
    if (counters.memory > play.most)
        play.most = counters.memory;
}

static void
keep(void *data)
{
    (void)data;
}

/* A large payload is copied now and then, and else a place that everybody uses: it counts as much, and costs less. */
static tr_message
make_message(uint32_t tag, size_t size)
{
    static char bytes[PAYLOAD_MOST];
    tr_slice slice;
    if (size < 32 || next(16) == 0)
        return tr_message_copy(tag, bytes, size);
    assert_int_equal(tr_slice_adopt(bytes, size, keep, &slice), TR_OK);
    return tr_message_slice(tag, slice);
}

static void
send_something(tr_actor *self)
{
    size_t size = next(3) == 0 ? next(32) : next(PAYLOAD_MOST);
    tr_message message = make_message(next(4) == 0 ? FORWARD : DATA, size);
    tr_status status = tr_send(self, play.all[next(ACTORS)], &message);
    note(status);
    play.failed += status != TR_OK && tr_message_size(&message) != size; /* it is still the sender's */
    tr_message_drop(&message);
}

/* It tries again when it is refused, by the timer alone. */
static void
take_turn(tr_actor *self, uint64_t left)
{
    for (unsigned i = 0; i < 8; i++)
        send_something(self);
    look_at_level();
    play.ended += left == 0;
    if (left == 0)
        return;
    left--;
    tr_message again = tr_message_copy(TURN, &left, sizeof(left));
    play.failed += tr_send_after(self, tr_self(self), 1, &again, NULL) != TR_OK;
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == TURN) {
        take_turn(self, message->payload.words[0]);
        return;
    }
    play.received++;
    if (message->tag != FORWARD)
        return;
    message->tag = DATA;
    note(tr_send(self, play.all[next(ACTORS)], message));
}

static const struct tr_behavior behavior = {.name = "sender", .receive = receive};

static int
run(uint64_t seed, void *context)
{
    struct tr_testing_options options = {.seed = seed, .workers = WORKERS, .runtime.memory_limit = LIMIT};
    struct tr_counters counters;
    (void)context;
    memset(&play, 0, sizeof(play));
    play.random = seed;
    if (tr_testing_start(&options, &play.runtime) != TR_OK)
        return -1;
    tr_runtime_counters(play.runtime, &counters);
    uint64_t empty = counters.memory;
    for (unsigned i = 0; i < ACTORS; i++)
        play.all[i] = stage_spawn(play.runtime, &behavior, i % WORKERS, NULL);
    for (unsigned i = 0; i < ACTORS; i++)
        stage_send(play.runtime, play.all[i], TURN, &(uint64_t){TURNS}, sizeof(uint64_t));
    tr_testing_advance(play.runtime, 100 * 1000);
    for (unsigned i = 0; i < ACTORS; i++)
        tr_runtime_stop_actor(play.runtime, play.all[i], TR_STOP_DRAIN);
    tr_testing_run(play.runtime);
    tr_runtime_counters(play.runtime, &counters);
    int wrong = play.failed > 0 ? 1 : play.ended != ACTORS ? 2 : play.received != play.sent ? 3 : 0;
    if (wrong == 0)
        wrong = counters.refused != play.refused || counters.memory_refused != play.refused ? 4
                : counters.dead_letters != 0                                                ? 5
                : counters.memory != empty                                                  ? 6
                : play.most > BOUND                                                         ? 7
                                                                                            : 0;
    if (wrong == 0 && counters.memory_reached == 0)
        wrong = 8; /* then this proves nothing */
    if (tr_runtime_stop(play.runtime, 1000, NULL) != TR_OK)
        wrong = 9;
    return wrong;
}

static void
in_a_thousand_orders_each_message_is_received_or_refused_and_the_level_returns(void **state)
{
    (void)state;
    assert_true(tr_testing_seeds(1, tests_seeds(SEEDS), run, NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_a_thousand_orders_each_message_is_received_or_refused_and_the_level_returns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
