/*
 * Dispatch, one slice at a time: a worker's queue and its actors without the worker's thread. Handlers are made slow by
 * moving the clock that the slice compares with, so that nothing here waits.
 */
#include "ask.h"
#include "body.h"
#include "dispatch.h"
#include "life.h"
#include "mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <troupe/core/steps.h>

#include <cmocka.h>

#define TICKS_PER_MS 1000000u
#define STRETCH UINT64_C(1000000)
#define SLOW_FOR (TICKS_PER_MS / 5) /* 200 us: slow, and no slice's end */
#define LONG_FOR (TICKS_PER_MS)     /* 1 ms: the slice ends */

struct stage {
    struct tri_runtime core;
    struct tri_worker worker;
    struct tri_actors home;
    struct tr_runtime runtime;
};

static struct stage *stage;
static uint64_t handled, handled_numbers;
static unsigned disorder;

/* The handler took so many ticks: what was looked at before it lies further back. */
static void
pass_time(uint64_t ticks)
{
    stage->home.looked -= ticks;
    stage->worker.turn_began -= ticks;
}

static int
open_stage(void **state)
{
    (void)state;
    stage = aligned_alloc(alignof(struct stage), sizeof(*stage));
    assert_non_null(stage);
    memset(stage, 0, sizeof(*stage));
    stage->core.ticks_per_ms = TICKS_PER_MS * STRETCH; /* the true clock hardly moves beside the one that is set */
    stage->core.host = &stage->runtime;
    stage->runtime.core = &stage->core;
    stage->worker.runtime = &stage->core;
    stage->worker.host = &stage->home;
    stage->home.worker = &stage->worker;
    stage->home.stride = stage->home.until_look = 1;
    tri_mail_list_init(&stage->home.queue);
    tri_pool_init(&stage->home.mail, sizeof(struct tri_mail));
    tri_bodies_init(&stage->home);
    handled = handled_numbers = disorder = 0;
    return tri_slots_init(&stage->home.slots, 0) != TR_OK;
}

static int
close_stage(void **state)
{
    (void)state;
    tri_bodies_fini(&stage->home);
    tri_pool_fini(&stage->home.mail);
    tri_slots_fini(&stage->home.slots);
    free(stage);
    return 0;
}

/* An actor whose messages carry their number and how long they take. */
struct numbered {
    uint64_t expected;
};

static void
numbered_receive(tr_actor *self, void *state, tr_message *message)
{
    struct numbered *numbered = state;
    (void)self;
    disorder += message->payload.words[0] != numbered->expected++;
    handled_numbers++;
    pass_time(message->payload.words[1] * STRETCH);
}

static void
quick_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    handled++;
}

static const struct tr_behavior numbered = {
    .name = "numbered", .state_size = sizeof(struct numbered), .receive = numbered_receive};
static const struct tr_behavior quick = {.name = "quick", .receive = quick_receive};

static tr_actor *
actor_of(const struct tr_behavior *behavior)
{
    tr_actor *actor = tri_actor_new(&stage->home, behavior, TR_NOBODY);
    tr_ref ref;
    assert_non_null(actor);
    assert_int_equal(tri_slots_take(&stage->home.slots, &ref), TR_OK);
    assert_int_equal(tri_actor_begin(actor, ref, &(struct tri_birth){0}), TR_OK);
    return actor;
}

static void
put(tr_actor *actor, struct tri_mail *mail, uint64_t number, uint64_t ticks)
{
    uint64_t words[2] = {number, ticks};
    mail->message = tr_message_copy(1, words, sizeof(words));
    mail->message.from = actor->ref;
    tri_mailbox_put(&stage->home, actor, mail);
}

static void
put_new(tr_actor *actor, uint64_t number, uint64_t ticks)
{
    put(actor, tri_pool_take(&stage->home.mail), number, ticks);
}

static void
run_dry(void)
{
    while (tri_dispatch_run(&stage->worker)) {
    }
}

/*
 * Between the actor's messages and the end of the queue lies mail in memory that cannot be read while the actor becomes
 * slow: whoever went through what waits would end this program.
 */
#define BARRED 4096u

union barred {
    struct tri_mail mail;
    alignas(16) char block[(sizeof(struct tri_mail) + 15) / 16 * 16]; /* what the pool takes it for */
};

static void
becoming_slow_looks_at_nothing_that_waits(void **state)
{
    (void)state;
    size_t bytes = BARRED * sizeof(union barred);
    union barred *barred = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(barred != MAP_FAILED);
    tr_actor *slow = actor_of(&numbered), *others[BARRED / 32];
    for (unsigned i = 0; i < BARRED / 32; i++)
        others[i] = actor_of(&quick);
    for (unsigned i = 0; i < 100; i++)
        put_new(slow, i, i == 0 ? LONG_FOR : 0);
    for (unsigned i = 0; i < BARRED; i++)
        put(others[i % (BARRED / 32)], &barred[i].mail, 0, 0);
    put_new(actor_of(&quick), 0, 0); /* the end of the queue can be written */
    assert_int_equal(mprotect(barred, bytes, PROT_NONE), 0);
    assert_true(tri_dispatch_run(&stage->worker)); /* one message, which is slow, and the slice is over */
    assert_int_equal(mprotect(barred, bytes, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(handled_numbers, 1);
    assert_true((slow->flags & TRI_ACTOR_SLOW) != 0);
    run_dry();
    assert_int_equal(handled_numbers, 100);
    assert_int_equal(handled, BARRED + 1);
    assert_int_equal(disorder, 0);
    assert_int_equal(slow->waiting, 0);
    /* the pool lies in part in that memory now, and is given up before it */
    stage->home.mail.free = NULL;
    munmap(barred, bytes);
}

/* As long as an actor is slow, each of its messages waits for one of everybody else's. */
static void
a_slow_actor_has_one_message_in_a_round(void **state)
{
    (void)state;
    enum { OTHERS = 40, EACH = 30 };
    tr_actor *slow = actor_of(&numbered), *others[OTHERS];
    for (unsigned i = 0; i < 64; i++)
        put_new(slow, i, SLOW_FOR);
    for (unsigned i = 0; i < OTHERS; i++)
        others[i] = actor_of(&quick);
    for (unsigned k = 0; k < EACH; k++)
        for (unsigned i = 0; i < OTHERS; i++)
            put_new(others[i], 0, 0);
    bool more = true;
    while (more && handled < OTHERS * EACH) {
        uint64_t before = handled_numbers;
        more = tri_dispatch_run(&stage->worker);
        if (handled < OTHERS * EACH) /* the first, and those that come up while the others have mail */
            assert_in_range(handled_numbers - before, 0, 4);
    }
    assert_in_range(handled_numbers, 1, 8);
    run_dry();
    assert_int_equal(handled_numbers, 64);
    assert_int_equal(disorder, 0);
}

/* Messages enough that the clock is read seldom. */
static void
run_quick_ones(void)
{
    tr_actor *first = actor_of(&quick);
    for (unsigned i = 0; i < 500; i++)
        put_new(first, 0, 0);
    run_dry();
    assert_int_equal(stage->home.stride, 32);
}

static void
run_numbered(tr_actor *actor, uint64_t from, uint64_t count, uint64_t ticks)
{
    for (uint64_t i = 0; i < count; i++)
        put_new(actor, from + i, ticks);
    run_dry();
}

static bool
is_slow(const tr_actor *actor)
{
    return (actor->flags & TRI_ACTOR_SLOW) != 0;
}

static void
an_actor_is_slow_from_100_us_on_and_until_a_message_takes_less(void **state)
{
    (void)state;
    tr_actor *actor = actor_of(&numbered);
    run_quick_ones();
    run_numbered(actor, 0, 100, TICKS_PER_MS / 11); /* 91 us */
    assert_false(is_slow(actor));
    run_quick_ones();
    run_numbered(actor, 100, 100, TICKS_PER_MS / 9); /* 111 us */
    assert_true(is_slow(actor));
    run_numbered(actor, 200, 1, 0);
    assert_false(is_slow(actor));
    assert_int_equal(disorder, 0);
}

/* Together they take long between two looks at the clock, none of them does. */
static void
nobody_is_slow_for_what_others_did(void **state)
{
    enum { ACTORS = 32 };
    tr_actor *actors[ACTORS];
    (void)state;
    run_quick_ones();
    for (unsigned i = 0; i < ACTORS; i++)
        actors[i] = actor_of(&numbered);
    for (unsigned i = 0; i < ACTORS; i++)
        put_new(actors[i], 0, TICKS_PER_MS / 50); /* 20 us, and the clock is read after the last */
    run_dry();
    for (unsigned i = 0; i < ACTORS; i++)
        assert_false(is_slow(actors[i]));
}

/* Asks, and the callback of the answer takes so many ticks. */
static void
on_answer(tr_actor *self, void *context, const struct tr_answer *answer)
{
    const uint64_t *ticks = context;
    (void)self;
    assert_int_equal(answer->status, TR_OK);
    handled_numbers++;
    pass_time(*ticks * STRETCH);
}

static void
answering_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    tr_message answer = tr_message_signal(message->tag);
    assert_int_equal(tr_reply(self, &answer), TR_OK);
}

static void
ask_for(tr_actor *asker, const tr_actor *answering, uint64_t ticks)
{
    struct tr_ask_options options = {.done = on_answer, .context = &ticks};
    tr_message question = tr_message_signal(1);
    assert_int_equal(tr_ask(asker, answering->ref, &question, &options), TR_OK);
    while (tri_dispatch_run_one(&stage->worker)) {
    }
}

static void
the_callback_of_an_answer_makes_its_actor_slow_and_quick_as_a_message_does(void **state)
{
    static const struct tr_behavior answering = {.name = "answering", .receive = answering_receive};
    (void)state;
    assert_int_equal(uv_loop_init(&stage->worker.loop), 0);
    assert_int_equal(tri_timers_open(&stage->worker.timers, &stage->worker.loop), TR_OK);
    stage->core.count = 1;
    tri_step_begin(&stage->worker);
    tr_actor *asker = actor_of(&numbered), *other = actor_of(&answering);
    ask_for(asker, other, SLOW_FOR);
    assert_true(is_slow(asker));
    ask_for(asker, other, 0);
    assert_false(is_slow(asker));
    ask_for(asker, other, SLOW_FOR);
    run_numbered(asker, 0, 1, 0);
    assert_false(is_slow(asker));
    assert_int_equal(handled_numbers, 4);
    tri_timers_close(&stage->worker.timers);
    assert_int_equal(uv_run(&stage->worker.loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&stage->worker.loop), 0);
    tri_asks_fini(&stage->home);
    tri_step_end(&stage->worker);
}

static void
a_slice_is_512_messages_and_afterwards_nobody_runs(void **state)
{
    (void)state;
    tr_actor *actor = actor_of(&quick);
    for (unsigned i = 0; i < 600; i++)
        put_new(actor, 0, 0);
    assert_true(tri_dispatch_run(&stage->worker));
    assert_int_equal(handled, 512);
    assert_null(stage->worker.activity.name);
    assert_false(tri_dispatch_run(&stage->worker));
    assert_int_equal(handled, 600);
}

/* Actors that are slow and quick in turn, more mail while they are: the order of each holds, and nothing is lost. */
static void
however_slow_and_quick_change_each_actor_keeps_its_order(void **state)
{
    (void)state;
    enum { ACTORS = 12, ROUNDS = 4000 };
    for (uint64_t random = 1; random < 200000000000000; random *= 7919) {
        uint64_t seed = random * 88172645463325252u + 1, put_in_all = 0, numbers[ACTORS] = {0};
        tr_actor *actors[ACTORS];
        handled_numbers = 0;
        for (unsigned i = 0; i < ACTORS; i++)
            actors[i] = actor_of(&numbered);
        for (unsigned round = 0; round < ROUNDS; round++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            unsigned who = seed % ACTORS, count = (seed >> 8) % 8 == 0 ? (seed >> 16) % 200 : (seed >> 16) % 3;
            for (unsigned i = 0; i < count; i++, put_in_all++)
                put_new(actors[who], numbers[who]++, (seed >> (24 + i % 16)) % 3 == 0 ? SLOW_FOR : 0);
            if ((seed >> 40) % 3 == 0)
                tri_dispatch_run(&stage->worker);
        }
        run_dry();
        assert_int_equal(handled_numbers, put_in_all);
        assert_int_equal(disorder, 0);
        for (unsigned i = 0; i < ACTORS; i++) {
            assert_int_equal(actors[i]->waiting, 0);
            assert_true(tri_mail_list_empty(&actors[i]->overflow));
            assert_false(tri_slots_crowded(&stage->home.slots, actors[i]->ref));
            tri_actor_stop(actors[i], TR_STOP_KILL);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(becoming_slow_looks_at_nothing_that_waits, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(a_slow_actor_has_one_message_in_a_round, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(an_actor_is_slow_from_100_us_on_and_until_a_message_takes_less, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(nobody_is_slow_for_what_others_did, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(the_callback_of_an_answer_makes_its_actor_slow_and_quick_as_a_message_does,
                                        open_stage, close_stage),
        cmocka_unit_test_setup_teardown(a_slice_is_512_messages_and_afterwards_nobody_runs, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(however_slow_and_quick_change_each_actor_keeps_its_order, open_stage,
                                        close_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
