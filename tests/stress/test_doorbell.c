/*
 * Provokes: a message that is published while the worker makes up its mind to sleep.
 *
 * Workers sleep at once, and every producer waits for the answer to its message before it sends the next, so that a
 * worker goes to sleep as often as it can, each time with somebody about to wake it. A wake-up that is lost shows as a
 * producer that waits for ever. Threads outside and actors of another worker take part together, so wakers also race
 * with each other. TROUPE_STRESS=n makes n times as many rounds.
 */
#include "helpers.h"
#include "stage.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OUTSIDERS 3u
#define PAIRS 2u
#define ROUNDS 2000u

enum { PING = 1, PONG, START };

static uint64_t answered[OUTSIDERS]; /* rounds that the echo has answered, for each thread */
static struct tally finished;
static uint64_t rounds = ROUNDS;

/* Answers threads through memory, actors by a message. */
static void
echo_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->from == TR_NOBODY)
        __atomic_store_n(&answered[message->payload.words[0]], message->payload.words[1], __ATOMIC_RELEASE);
    else
        tr_tell(self, message->from, PONG, NULL, 0);
}

static const struct tr_behavior echo = {.name = "echo", .receive = echo_receive};

struct pinger {
    tr_ref to;
    uint64_t left;
};

static tr_status
pinger_init(tr_actor *self, void *state, const void *argument)
{
    (void)self;
    memcpy(state, argument, sizeof(struct pinger));
    return TR_OK;
}

static void
pinger_receive(tr_actor *self, void *state, tr_message *message)
{
    struct pinger *pinger = state;
    (void)message;
    if (pinger->left-- == 0)
        tally_add(&finished, 1);
    else
        tr_tell(self, pinger->to, PING, NULL, 0);
}

static const struct tr_behavior pinger = {
    .name = "pinger", .state_size = sizeof(struct pinger), .init = pinger_init, .receive = pinger_receive};

struct outsider {
    tr_runtime *runtime;
    tr_ref to;
    uint64_t me;
    pthread_t thread;
};

static bool
is_answered(void *argument)
{
    const uint64_t *expected = argument;
    return __atomic_load_n(&answered[expected[0]], __ATOMIC_ACQUIRE) == expected[1];
}

static void *
knock(void *argument)
{
    struct outsider *me = argument;
    for (uint64_t round = 1; round <= rounds; round++) {
        uint64_t expected[2] = {me->me, round};
        stage_send(me->runtime, me->to, PING, expected, sizeof(expected));
        for (unsigned i = 0; i < 2000 && !is_answered(expected); i++)
            sched_yield();
        if (!is_answered(expected) && !tests_wait_until(is_answered, expected, TESTS_LIMIT_MS))
            return NULL; /* a lost wake-up: the tally stays behind */
    }
    tally_add(&finished, 1);
    return NULL;
}

static void
no_wake_up_is_lost(void **state)
{
    (void)state;
    tr_runtime *runtime;
    struct tr_runtime_options options = {.workers = 2, .pinning = TR_PINNING_NEVER, .spin_us = -1};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    tr_ref to = stage_spawn(runtime, &echo, 0, NULL);
    struct outsider outsiders[OUTSIDERS];
    for (unsigned i = 0; i < OUTSIDERS; i++) {
        outsiders[i] = (struct outsider){.runtime = runtime, .to = to, .me = i};
        assert_int_equal(pthread_create(&outsiders[i].thread, NULL, knock, &outsiders[i]), 0);
    }
    for (unsigned i = 0; i < PAIRS; i++) {
        struct pinger start = {to, rounds};
        stage_send(runtime, stage_spawn(runtime, &pinger, 1, &start), START, NULL, 0);
    }
    for (unsigned i = 0; i < OUTSIDERS; i++)
        pthread_join(outsiders[i].thread, NULL);
    tally_await(&finished, OUTSIDERS + PAIRS);
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    assert_true(counters.sleeps > 100); /* it did sleep, time and again */
    stage_close(runtime);
}

int
main(void)
{
    rounds *= tests_stress();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_wake_up_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
