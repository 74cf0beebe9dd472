/*
 * A memory limit that is reached all the time, by workers and by threads outside at once: payloads that are made on one
 * thread, wait on a second and are freed on a third, while the limit is reached and left from all sides. It provokes
 * that the level falls just when somebody comes to the limit (V1, V2 in ceiling.c), and that a worker goes to sleep at
 * the limit just when it is over (V3, V4): then a delayed message or a thread would wait for ever.
 */
#include "counters.h"
#include "helpers.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#define WORKERS 3u
#define ACTORS 24u
#define THREADS 2u
#define TURNS 400u /* of each actor */
#define PAYLOAD 20000u
#define LIMIT TR_MEMORY_LIMIT_LEAST(WORKERS)

enum { TURN = 1, DATA };

static tr_runtime *runtime;
static tr_ref all[ACTORS];
static struct tally sent, refused, received, done, wrong;

static unsigned
next(unsigned *random)
{
    return (*random = *random * 1103515245u + 12345u) >> 16;
}

static tr_message
make(unsigned *random)
{
    static const char bytes[PAYLOAD];
    return tr_message_copy(DATA, bytes, next(random) % PAYLOAD);
}

/* true: it was sent. Nothing else than the limit refuses. */
static bool
note(tr_status status)
{
    tally_add(&wrong, status != TR_OK && status != TR_EMEMORYLIMIT);
    tally_add(status == TR_OK ? &sent : &refused, 1);
    return status == TR_OK;
}

struct actor {
    unsigned random;
    uint64_t left;
};

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    struct actor *actor = state;
    if (message->tag == DATA) {
        tally_add(&received, 1);
        return;
    }
    if (actor->left == 0)
        *actor = (struct actor){(unsigned)tr_self(self), TURNS * tests_stress()};
    for (unsigned i = 0; i < 20; i++) {
        tr_message data = make(&actor->random);
        if (!note(tr_send(self, all[next(&actor->random) % ACTORS], &data)))
            tr_message_drop(&data);
    }
    if (--actor->left == 0) {
        tally_add(&done, 1);
        return;
    }
    tr_message again = tr_message_signal(TURN);
    tally_add(&wrong, tr_send_after(self, tr_self(self), 1, &again, NULL) != TR_OK);
}

static const struct tr_behavior behavior = {.name = "sender", .state_size = sizeof(struct actor), .receive = receive};

/* Each sends until the actors have done all, and waits at the limit by trying. */
static void
send_from_outside(void *argument)
{
    unsigned random = (unsigned)(uintptr_t)argument;
    while (tally_read(&done) < ACTORS) {
        tr_message message = make(&random);
        if (!note(tr_runtime_send(runtime, all[next(&random) % ACTORS], &message))) {
            tr_message_drop(&message);
            tests_let_pass(10000);
        }
    }
}

static bool
is_memory(void *base)
{
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    return counters.memory == *(uint64_t *)base;
}

static void
workers_and_threads_at_the_limit_lose_nothing_and_none_of_them_waits_for_ever(void **state)
{
    struct tr_runtime_options options = {.workers = WORKERS, .pinning = TR_PINNING_NEVER, .memory_limit = LIMIT};
    struct tr_counters counters;
    uv_thread_t threads[THREADS];
    (void)state;
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    for (unsigned i = 0; i < ACTORS; i++)
        all[i] = stage_spawn(runtime, &behavior, i % WORKERS, NULL);
    tests_counters_add_up(runtime);
    tr_runtime_counters(runtime, &counters);
    uint64_t base = counters.memory;
    for (unsigned i = 0; i < ACTORS; i++)
        stage_send(runtime, all[i], TURN, NULL, 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_create(&threads[i], send_from_outside, (void *)(uintptr_t)(i + 1)), 0);
    tally_await(&done, ACTORS);
    for (unsigned i = 0; i < THREADS; i++)
        uv_thread_join(&threads[i]);
    tally_await(&received, tally_read(&sent));
    assert_true(tests_wait_until(is_memory, &base, TESTS_LIMIT_MS));
    tr_runtime_counters(runtime, &counters);
    stage_close(runtime);
    assert_int_equal(tally_read(&wrong), 0);
    assert_int_equal(tally_read(&received), tally_read(&sent));
    assert_int_equal(counters.memory_refused, tally_read(&refused));
    assert_true(counters.memory_reached > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_and_threads_at_the_limit_lose_nothing_and_none_of_them_waits_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
