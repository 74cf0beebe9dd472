/*
 * What actors are known to have done, one slice at a time: a worker without a thread, and a clock that is set.
 */
#include "body.h"
#include "describe.h"
#include "dispatch.h"
#include "ledger.h"
#include "life.h"
#include "mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TICKS_PER_MS 1000000u
#define STRETCH UINT64_C(1000000) /* the true clock hardly moves beside the one that is set */
#define NS_PER_MS UINT64_C(1000000)

static struct stage {
    struct tri_runtime core;
    struct tri_worker worker;
    struct tri_actors home;
    struct tr_runtime runtime;
} * stage;

static int
open_stage(void **state)
{
    (void)state;
    stage = aligned_alloc(alignof(struct stage), sizeof(*stage));
    assert_non_null(stage);
    memset(stage, 0, sizeof(*stage));
    stage->core.ticks_per_ms = TICKS_PER_MS * STRETCH;
    stage->core.host = &stage->runtime;
    stage->runtime.core = &stage->core;
    stage->worker.runtime = &stage->core;
    stage->worker.host = &stage->home;
    stage->home.worker = &stage->worker;
    stage->home.stride = stage->home.until_look = 1;
    tri_mail_list_init(&stage->home.queue);
    tri_pool_init(&stage->home.mail, sizeof(struct tri_mail));
    tri_bodies_init(&stage->home);
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

static void
pass_time(uint64_t ns)
{
    stage->home.looked -= ns * STRETCH;
    stage->worker.turn_began -= ns * STRETCH;
}

/* A message says how many nanoseconds it takes. */
static void
timed_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    pass_time(message->payload.words[0]);
}

static const struct tr_behavior timed = {.name = "timed", .receive = timed_receive};
static const struct tr_behavior limited = {.name = "limited", .receive = timed_receive, .mailbox = {.bytes = 100000}};

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
put(tr_actor *actor, uint64_t ns)
{
    struct tri_mail *mail = tri_pool_take(&stage->home.mail);
    mail->message = tr_message_copy(1, &ns, sizeof(ns));
    mail->message.from = actor->ref;
    tri_mailbox_put(&stage->home, actor, mail);
}

/* As a worker's turn does. */
static void
run_dry(void)
{
    bool more;
    do {
        more = tri_dispatch_run(&stage->worker);
        stage->worker.turn_ended = tri_ticks();
    } while (more);
    tri_dispatch_settle(&stage->home);
}

static void
end(tr_actor *actor)
{
    tri_actor_stop(actor, TR_STOP_KILL);
}

static void
handle(tr_actor *actor, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        put(actor, 0);
    run_dry();
}

/* Messages. */

static void
messages_are_counted_beyond_32_bits(void **state)
{
    tr_actor *actor = actor_of(&timed);
    (void)state;
    handle(actor, 3);
    assert_true(tri_actor_describe(actor).handled == 3);

    for (uint64_t round = 1; round <= 3; round++) {
        actor->handled = (UINT32_C(1) << 31) - 1000; /* as if they had been handled, some of them before a look */
        handle(actor, 2000);
        assert_true(tri_actor_describe(actor).handled == ((round - 1) << 32) + (UINT64_C(1) << 31) + 1000);
        actor->handled = UINT32_MAX - 999;
        handle(actor, 2000);
        assert_true(tri_actor_describe(actor).handled == (round << 32) + 1000);
    }
    end(actor);
}

static void
what_has_come_round_is_known_before_the_next_look(void **state)
{
    tr_actor *actor = actor_of(&timed);
    (void)state;
    actor->handled = UINT32_MAX - 999;
    handle(actor, 500);
    actor->handled += 1000; /* no look has seen it */
    assert_true(tri_actor_describe(actor).handled == (UINT64_C(1) << 32) + 500);
    end(actor);
}

static void
an_actor_begins_with_nothing_whoever_had_its_slot(void **state)
{
    tr_actor *actor = actor_of(&timed);
    uint32_t slot = tri_ref_slot(actor->ref);
    (void)state;
    actor->handled = UINT32_MAX - 999;
    handle(actor, 2000);
    put(actor, 10000 * NS_PER_MS);
    run_dry();
    assert_true(tri_actor_describe(actor).busy_ns > 0);
    end(actor);

    actor = actor_of(&timed);
    assert_int_equal(tri_ref_slot(actor->ref), slot);
    struct tr_actor_info info = tri_actor_describe(actor);
    assert_true(info.handled == 0);
    assert_true(info.busy_ns == 0);
    assert_true(info.age_ms == 0);
    end(actor);

    actor = actor_of(&limited);
    put(actor, 0);
    put(actor, 0);
    end(actor); /* with mail, whose weight stands beside the slot */
    actor = actor_of(&limited);
    assert_int_equal(tri_ledger_more_of(actor)->waiting_lines, 0);
    end(actor);
    tri_dispatch_bury(&stage->home);
}

/* Time. */

static void
assert_near(uint64_t ns, uint64_t expected_ns)
{
    assert_true(ns >= expected_ns - expected_ns / 100);
    assert_true(ns <= expected_ns + expected_ns / 100);
}

static void
messages_of_50_us_and_more_are_timed_one_by_one(void **state)
{
    tr_actor *one = actor_of(&timed), *other = actor_of(&timed);
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        put(one, 60000);
        put(other, 90000);
    }
    run_dry();
    assert_near(tri_actor_describe(one).busy_ns, 60 * NS_PER_MS);
    assert_near(tri_actor_describe(other).busy_ns, 90 * NS_PER_MS);
    end(one);
    end(other);
}

static void
a_message_that_has_a_turn_to_itself_is_timed_however_short(void **state)
{
    tr_actor *one = actor_of(&timed), *other = actor_of(&timed);
    (void)state;
    handle(one, 1000); /* now there are looks for many messages only */
    uint64_t before = tri_actor_describe(other).busy_ns;
    for (unsigned i = 0; i < 1000; i++) {
        put(i % 2 == 0 ? one : other, i % 2 == 0 ? 1000 : 3000);
        tri_dispatch_run(&stage->worker);
        stage->worker.turn_ended = tri_ticks();
    }
    tri_dispatch_settle(&stage->home);
    assert_near(tri_actor_describe(one).busy_ns, 500 * 1000);
    assert_near(tri_actor_describe(other).busy_ns - before, 500 * 3000);
    end(one);
    end(other);
}

/* Of actors that take turns none is always the last before a look, whatever their number. */
static void
short_messages_share_the_time_and_the_sum_is_exact(void **state)
{
    enum { MESSAGES = 200000, SHORT_NS = 300 };
    (void)state;
    for (unsigned count = 2; count <= 32; count *= 2) {
        tr_actor *actors[32];
        uint64_t sum = 0, share = (uint64_t)MESSAGES * SHORT_NS / count;
        for (unsigned i = 0; i < count; i++)
            actors[i] = actor_of(&timed);
        for (unsigned i = 0; i < MESSAGES; i++) {
            put(actors[i % count], SHORT_NS);
            if (i % 1000 == 999)
                run_dry();
        }
        for (unsigned i = 0; i < count; i++) {
            uint64_t busy = tri_actor_describe(actors[i]).busy_ns;
            assert_true(busy > share / 2);
            assert_true(busy < share * 2);
            sum += busy;
            end(actors[i]);
        }
        assert_near(sum, (uint64_t)MESSAGES * SHORT_NS);
    }
}

static void
time_is_added_up_beyond_what_its_low_half_holds(void **state)
{
    tr_actor *actor = actor_of(&timed);
    uint64_t expected = 0;
    (void)state;
    stage->core.ticks_per_ms = TICKS_PER_MS * 1000; /* so that it overflows now and then, and not at once by far */
    for (unsigned i = 0; i < 50; i++) {
        stage->home.looked = tri_ticks();
        tri_ledger_add(&stage->home, actor->ref, UINT64_C(1) << 41);
        expected += UINT64_C(1) << 41;
    }
    assert_near(tri_actor_describe(actor).busy_ns, expected / 1000);
    end(actor);
}

static void
the_age_grows_with_the_clock_of_the_loop(void **state)
{
    (void)state;
    stage->home.began_ms = stage->worker.loop.time = 5000;
    stage->worker.loop.time += 1000000;
    tr_actor *actor = actor_of(&timed);
    for (uint64_t ms = 0; ms < UINT64_C(1000) * 60 * 60 * 24 * 365; ms = ms * 3 + 777) {
        stage->worker.loop.time = 5000 + 1000000 + ms;
        uint64_t age = tri_actor_describe(actor).age_ms;
        assert_true(age >= ms);
        assert_true(age <= ms + 128);
    }
    end(actor);
}

/* States. */

static unsigned
state_of(const tr_actor *actor)
{
    return tri_actor_describe(actor).state;
}

static bool
disagree(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)self;
    (void)state;
    return how == TR_STOP_KILL;
}

static void
what_an_actor_is_like_is_told(void **state)
{
    static const struct tr_behavior stubborn = {.name = "stubborn", .receive = timed_receive, .stopping = disagree};
    tr_actor *actor = actor_of(&timed);
    (void)state;
    assert_int_equal(state_of(actor), 0);
    put(actor, 500000);
    run_dry();
    assert_int_equal(state_of(actor), TR_ACTOR_SLOW);
    put(actor, 0);
    run_dry();
    assert_int_equal(state_of(actor), 0);
    for (unsigned i = 0; i < TRI_MAILBOX_CROWD; i++)
        put(actor, 0);
    assert_int_equal(state_of(actor), TR_ACTOR_CROWDED);
    assert_int_equal(tri_actor_describe(actor).waiting, TRI_MAILBOX_CROWD);
    tri_actor_stop(actor, TR_STOP_DRAIN);
    assert_int_equal(state_of(actor), TR_ACTOR_CROWDED | TR_ACTOR_CLOSED);
    run_dry();

    actor = actor_of(&stubborn);
    tri_actor_stop(actor, TR_STOP_DRAIN);
    assert_int_equal(state_of(actor), TR_ACTOR_ASKED);
    actor->depth++; /* in a callback */
    tri_actor_end(actor);
    assert_int_equal(state_of(actor), TR_ACTOR_ENDING);
    actor->depth--;
    tri_actor_settle_now(actor);
}

static void
one_that_is_on_its_way_is_told_with_its_mail(void **state)
{
    tr_ref ref;
    tr_actor *before = actor_of(&timed);
    (void)state;
    handle(before, 5);
    assert_int_equal(tri_slots_reserve(&stage->home.slots, &ref), TR_OK);
    tr_actor *holder = tri_actor_unborn(&stage->home, ref);
    put(holder, 0);
    struct tr_actor_info info = tri_actor_describe(holder);
    assert_int_equal(info.state, TR_ACTOR_COMING);
    assert_int_equal(info.waiting, 1);
    assert_true(info.handled == 0);
    tri_pool_give(&stage->home.mail, tri_mail_list_take(&holder->overflow));
    tri_actor_free(holder);
    tri_slots_at(&stage->home.slots, ref)->actor = NULL;
    tri_slots_give(&stage->home.slots, ref);
    end(before);
}

int
main(void)
{
#define ON_STAGE(test) cmocka_unit_test_setup_teardown(test, open_stage, close_stage)
    const struct CMUnitTest tests[] = {
        ON_STAGE(messages_are_counted_beyond_32_bits),
        ON_STAGE(what_has_come_round_is_known_before_the_next_look),
        ON_STAGE(an_actor_begins_with_nothing_whoever_had_its_slot),
        ON_STAGE(messages_of_50_us_and_more_are_timed_one_by_one),
        ON_STAGE(a_message_that_has_a_turn_to_itself_is_timed_however_short),
        ON_STAGE(short_messages_share_the_time_and_the_sum_is_exact),
        ON_STAGE(time_is_added_up_beyond_what_its_low_half_holds),
        ON_STAGE(the_age_grows_with_the_clock_of_the_loop),
        ON_STAGE(what_an_actor_is_like_is_told),
        ON_STAGE(one_that_is_on_its_way_is_told_with_its_mail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
