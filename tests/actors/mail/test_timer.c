#include "actor_internal.h"
#include "counting.h"
#include "helpers.h"
#include "timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

enum { GO = 1, TICK, LAST };

static struct tally ticks, checks;
static uint64_t began_ns, fired_ns[64];
static tr_timer periodic;

static int
reset(void **state)
{
    (void)state;
    ticks = checks = freed = (struct tally){0};
    return 0;
}

static void
note_tick(void)
{
    uint64_t n = tally_read(&ticks);
    if (n < 64)
        fired_ns[n] = uv_hrtime();
    tally_add(&ticks, 1);
}

/* One actor for each story: GO begins it. */

static void
delayed_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == TICK) {
        note_tick();
        return;
    }
    began_ns = uv_hrtime();
    tr_message first = tr_message_pointer(TICK, malloc(8), 8, count_freed);
    assert_int_equal(tr_send_after(self, tr_self(self), 30, &first, NULL), TR_OK);
    assert_int_equal(tr_message_size(&first), 0);
}

static void
a_delayed_message_comes_once_and_not_early(void **state)
{
    (void)state;
    static const struct tr_behavior delayed = {.name = "delayed", .receive = delayed_receive};
    tr_runtime *runtime = stage_open(1);
    stage_send(runtime, stage_spawn(runtime, &delayed, 0, NULL), GO, NULL, 0);
    tally_await(&freed, 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&ticks), 1);
    assert_true(fired_ns[0] - began_ns >= 30000000);
}

/* -- The clock. -- */

#define DELAY_MS 20u

static uint64_t began_ms, fired_ms, sent_late_ms;

/* Asks for the delay late in a callback that has lasted longer than that. */
static void
clock_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == TICK) {
        fired_ms = tr_now(self);
        tally_add(&ticks, 1);
        return;
    }
    began_ms = tr_now(self);
    tests_hold(DELAY_MS + 5);
    sent_late_ms = tr_now(self);
    tr_message tick = tr_message_signal(TICK);
    assert_int_equal(tr_send_after(self, tr_self(self), DELAY_MS, &tick, NULL), TR_OK);
}

static void
the_clock_goes_on_in_a_callback_and_no_delay_is_shorter_by_it(void **state)
{
    static const struct tr_behavior looks = {.name = "looks", .receive = clock_receive};
    (void)state;
    tr_runtime *runtime = stage_open(1);
    uint64_t before_ms = uv_hrtime() / 1000000;
    stage_send(runtime, stage_spawn(runtime, &looks, 0, NULL), GO, NULL, 0);
    tally_await(&ticks, 1);
    stage_close(runtime);
    assert_true(began_ms >= before_ms && fired_ms <= uv_hrtime() / 1000000);
    assert_true(sent_late_ms - began_ms >= DELAY_MS + 4); /* two readings, each cut to a millisecond */
    assert_true(fired_ms - sent_late_ms >= DELAY_MS);
    assert_true(tr_now(NULL) >= fired_ms);
}

static void
periodic_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == TICK) {
        note_tick();
        if (tally_read(&ticks) == 3) { /* a stall of several periods */
            uint64_t end = uv_hrtime() + 35000000;
            while (uv_hrtime() < end) {
            }
        }
        if (tally_read(&ticks) == 12) {
            assert_int_equal(tr_timer_cancel(self, periodic), TR_OK);
            assert_int_equal(tr_timer_cancel(self, periodic), TR_EGONE);
            tally_add(&checks, 1);
        }
        return;
    }
    tr_slice slice;
    assert_int_equal(tr_slice_adopt(malloc(8), 8, count_freed, &slice), TR_OK);
    tr_message every = tr_message_slice(TICK, slice);
    began_ns = uv_hrtime();
    assert_int_equal(tr_send_every(self, tr_self(self), 10, &every, &periodic), TR_OK);
}

static void
a_periodic_message_keeps_its_rhythm_after_a_stall(void **state)
{
    (void)state;
    static const struct tr_behavior rhythm = {.name = "rhythm", .receive = periodic_receive};
    tr_runtime *runtime = stage_open(1);
    stage_send(runtime, stage_spawn(runtime, &rhythm, 0, NULL), GO, NULL, 0);
    tally_await(&checks, 1);
    tally_await(&freed, 1);
    stage_close(runtime);
    /* The stall lasts from 30 to 65 ms: one tick makes up for 40, none for 50 and 60, and the rhythm goes on at 70. */
    assert_true(fired_ns[11] - began_ns >= 140000000);
    assert_int_equal(tally_read(&ticks), 12);
}

/* -- Rhythm. -- */

#define PERIOD_MS 11u
#define LATE_TICKS 9u

static uint64_t first_due_ms;
static unsigned off_beat;

static uint64_t
due_of(const tr_actor *self, tr_timer timer)
{
    return ((const struct tri_timer *)self->home->timers[(uint32_t)timer].timer)->due_ms; /* its first field */
}

/* Each tick is in time, but its handler takes longer than a period: the next is late. */
static void
late_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == GO) {
        tr_message every = tr_message_signal(TICK);
        assert_int_equal(tr_send_every(self, tr_self(self), PERIOD_MS, &every, &periodic), TR_OK);
        first_due_ms = due_of(self, periodic);
        return;
    }
    uint64_t due_ms = due_of(self, periodic), now_ms = tr_now(self);
    off_beat += (due_ms - first_due_ms) % PERIOD_MS != 0;
    off_beat += due_ms > now_ms + PERIOD_MS;
    tests_hold(PERIOD_MS + 1 + (unsigned)tally_read(&ticks));
    tally_add(&ticks, 1);
}

static void
however_late_a_tick_is_the_next_is_due_on_the_beat(void **state)
{
    static const struct tr_behavior late = {.name = "late", .receive = late_receive};
    (void)state;
    off_beat = 0;
    tr_runtime *runtime = stage_open(1);
    stage_send(runtime, stage_spawn(runtime, &late, 0, NULL), GO, NULL, 0);
    tally_await(&ticks, LATE_TICKS);
    stage_close(runtime);
    assert_int_equal(off_beat, 0);
}

/* -- Names of timers. -- */

static tr_timer first, second;

/* The second has the number of the first, which is over. */
static void
stale_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_message tick = tr_message_signal(TICK);
    (void)state;
    if (message->tag == GO) {
        assert_int_equal(tr_send_after(self, tr_self(self), 0, &tick, &first), TR_OK);
    } else if (tally_read(&ticks) == 0) {
        assert_int_equal(tr_send_after(self, tr_self(self), 1, &tick, &second), TR_OK);
        assert_int_equal((uint32_t)first, (uint32_t)second);
        assert_int_equal(tr_timer_cancel(self, first), TR_EGONE);
    }
    tally_add(&ticks, message->tag == TICK);
}

/* As if 2^32 timers less one had been started. */
static void
come_round_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_message tick = tr_message_signal(TICK);
    (void)state;
    if (message->tag == GO) {
        self->home->timers_started = UINT32_MAX;
        assert_int_equal(tr_send_after(self, tr_self(self), 1, &tick, &first), TR_OK);
        assert_int_not_equal(first, 0);
        assert_int_equal(tr_timer_cancel(self, 0), TR_EGONE);
    }
    tally_add(&ticks, message->tag == TICK);
}

static void
however_many_timers_were_started_none_is_called_0(void **state)
{
    static const struct tr_behavior comes_round = {.name = "comes round", .receive = come_round_receive};
    (void)state;
    tr_runtime *runtime = stage_open(1);
    stage_send(runtime, stage_spawn(runtime, &comes_round, 0, NULL), GO, NULL, 0);
    tally_await(&ticks, 1);
    stage_close(runtime);
}

/* Cancels what is another's. */
static void
meddler_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    assert_int_equal(tr_timer_cancel(self, second), TR_EGONE);
    tally_add(&checks, 1);
}

static void
an_owner_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_ref meddler = message->payload.words[0];
    tr_message tick = tr_message_signal(TICK);
    (void)state;
    if (message->tag == TICK) {
        tally_add(&ticks, 1);
        return;
    }
    assert_int_equal(tr_send_after(self, tr_self(self), 5, &tick, &second), TR_OK);
    assert_int_equal(tr_tell(self, meddler, GO, NULL, 0), TR_OK);
}

static void
a_name_of_a_timer_that_is_over_or_anothers_cancels_nothing(void **state)
{
    static const struct tr_behavior stale = {.name = "stale", .receive = stale_receive};
    static const struct tr_behavior owner = {.name = "owner", .receive = an_owner_receive};
    static const struct tr_behavior meddler = {.name = "meddler", .receive = meddler_receive};
    (void)state;
    tr_runtime *runtime = stage_open(1);
    stage_send(runtime, stage_spawn(runtime, &stale, 0, NULL), GO, NULL, 0);
    tally_await(&ticks, 2);
    tr_ref other = stage_spawn(runtime, &meddler, 0, NULL);
    stage_send(runtime, stage_spawn(runtime, &owner, 0, NULL), GO, &other, sizeof(other));
    tally_await(&ticks, 3);
    stage_close(runtime);
    assert_int_equal(tally_read(&checks), 1);
}

static void
ender_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag != GO)
        return;
    tr_message far_off = tr_message_pointer(TICK, malloc(8), 8, count_freed);
    tr_message every = tr_message_signal(TICK);
    assert_int_equal(tr_send_after(self, tr_self(self), 3600000, &far_off, NULL), TR_OK);
    assert_int_equal(tr_send_every(self, tr_self(self), 3600000, &every, NULL), TR_OK);
    tr_exit(self);
}

static void
timers_end_with_their_actor(void **state)
{
    (void)state;
    static const struct tr_behavior ender = {.name = "ender", .receive = ender_receive};
    tr_runtime *runtime = stage_open(1);
    stage_send(runtime, stage_spawn(runtime, &ender, 0, NULL), GO, NULL, 0);
    tally_await(&freed, 1);
    stage_close(runtime);
}

static void
misuser_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    tr_message signal = tr_message_signal(TICK), pointer = tr_message_pointer(TICK, self, 8, NULL);
    tr_ref me = tr_self(self);
    tr_timer timer;
    assert_int_equal(tr_send_after(NULL, me, 1, &signal, &timer), TR_EINVAL);
    assert_int_equal(tr_send_after(self, me, 1, NULL, &timer), TR_EINVAL);
    assert_int_equal(tr_send_after(self, TR_NOBODY, 1, &signal, &timer), TR_EBADREF);
    assert_int_equal(tr_send_after(self, ~(tr_ref)0, 1, &signal, &timer), TR_EBADREF);
    assert_int_equal(tr_send_every(self, me, 0, &signal, &timer), TR_EBADLIMIT);
    assert_int_equal(tr_send_every(self, me, 1, &pointer, &timer), TR_EINVAL);
    tr_message nothing = tr_message_copy(TICK, NULL, 8); /* its payload could not be made */
    assert_int_equal(tr_send_after(self, me, 1, &nothing, &timer), TR_ENOMEM);
    assert_int_equal(tr_send_every(self, me, 1, &nothing, &timer), TR_ENOMEM);
    signal.tag = TR_TAG_RESERVED + 7;
    assert_int_equal(tr_send_after(self, me, 1, &signal, &timer), TR_EBADTAG);
    assert_int_equal(tr_timer_cancel(self, 0), TR_EGONE);
    assert_int_equal(tr_timer_cancel(self, UINT64_MAX), TR_EGONE);
    assert_int_equal(tr_timer_cancel(NULL, 0), TR_EINVAL);
    signal.tag = TICK;
    assert_int_equal(tr_send_after(self, me, UINT64_MAX, &signal, &timer), TR_OK);
    assert_int_equal(tr_timer_cancel(self, timer), TR_OK);
    tally_add(&checks, 1);
}

static void
wrong_arguments_are_refused_and_any_delay_is_taken(void **state)
{
    (void)state;
    static const struct tr_behavior misuser = {.name = "misuser", .receive = misuser_receive};
    tr_runtime *runtime = stage_open(1);
    stage_send(runtime, stage_spawn(runtime, &misuser, 0, NULL), GO, NULL, 0);
    tally_await(&checks, 1);
    stage_close(runtime);
}

/* Many timers at once, half of them cancelled, some to another worker. */
#define MANY 2000u

static tr_timer many[MANY];

static void
many_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_ref other = message->payload.words[0];
    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        tr_message tick = tr_message_signal(TICK);
        assert_int_equal(tr_send_after(self, other, i % 50, &tick, &many[i]), TR_OK);
    }
    for (unsigned i = 0; i < MANY; i += 2)
        assert_int_equal(tr_timer_cancel(self, many[i]), TR_OK);
}

static void
tick_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    note_tick();
}

static void
of_many_timers_those_that_were_not_cancelled_fire(void **state)
{
    (void)state;
    static const struct tr_behavior starter = {.name = "starter", .receive = many_receive};
    static const struct tr_behavior ticked = {.name = "ticked", .receive = tick_receive};
    tr_runtime *runtime = stage_open(2);
    tr_ref to = stage_spawn(runtime, &ticked, 1, NULL);
    stage_send(runtime, stage_spawn(runtime, &starter, 0, NULL), GO, &to, sizeof(to));
    tally_await(&ticks, MANY / 2);
    stage_close(runtime);
    assert_int_equal(tally_read(&ticks), MANY / 2);
}

/* Four thousand delays, each begun in the midst of a callback. */

#define ROUNDS 20u
#define EACH_ROUND 200u

struct promise {
    uint64_t began_ns, delay_ms;
};

static struct tally early;

static void
punctual_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == TICK) {
        struct promise promise;
        memcpy(&promise, tr_message_data(message), sizeof(promise));
        if (tests_now_ns() - promise.began_ns < promise.delay_ms * 1000000)
            tally_add(&early, 1);
        tally_add(&ticks, 1);
        return;
    }
    for (unsigned i = 0; i < EACH_ROUND; i++) {
        uint64_t end_ns = tests_now_ns() + 37000; /* so that they begin all over a millisecond */
        while (tests_now_ns() < end_ns) {
        }
        struct promise promise = {.began_ns = tests_now_ns(), .delay_ms = 1 + i % 20};
        tr_message tick = tr_message_copy(TICK, &promise, sizeof(promise));
        assert_int_equal(tr_send_after(self, tr_self(self), promise.delay_ms, &tick, NULL), TR_OK);
    }
}

static void
of_four_thousand_delays_none_is_cut_short(void **state)
{
    (void)state;
    static const struct tr_behavior punctual = {.name = "punctual", .receive = punctual_receive};
    early = (struct tally){0};
    tr_runtime *runtime = stage_open(1);
    tr_ref actor = stage_spawn(runtime, &punctual, 0, NULL);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        stage_send(runtime, actor, GO, NULL, 0);
        tally_await(&ticks, round * EACH_ROUND);
    }
    stage_close(runtime);
    assert_int_equal(tally_read(&early), 0);
}

/* -- A destructor that cancels. -- */

static tr_actor *canceller;
static tr_timer once;

static void
cancel_once(void *address)
{
    tally_add(&checks, tr_timer_cancel(canceller, once) == TR_OK);
    count_freed(address);
}

static void
cancelling_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag != GO)
        return;
    canceller = self;
    tr_message last = tr_message_pointer(LAST, malloc(8), 8, cancel_once);
    assert_int_equal(tr_send_after(self, tr_self(self) + (UINT64_C(1) << 36), 1, &last, &once), TR_OK);
}

static void
the_destructor_of_a_message_that_finds_nobody_may_cancel_its_timer(void **state)
{
    static const struct tr_behavior cancels = {.name = "cancels", .receive = cancelling_receive};
    (void)state;
    tr_runtime *runtime = stage_open(1);
    stage_send(runtime, stage_spawn(runtime, &cancels, 0, NULL), GO, NULL, 0);
    tally_await(&freed, 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&checks), 1);
    assert_int_equal(tally_read(&freed), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_delayed_message_comes_once_and_not_early, reset),
        cmocka_unit_test_setup(the_clock_goes_on_in_a_callback_and_no_delay_is_shorter_by_it, reset),
        cmocka_unit_test_setup(a_periodic_message_keeps_its_rhythm_after_a_stall, reset),
        cmocka_unit_test_setup(however_late_a_tick_is_the_next_is_due_on_the_beat, reset),
        cmocka_unit_test_setup(however_many_timers_were_started_none_is_called_0, reset),
        cmocka_unit_test_setup(a_name_of_a_timer_that_is_over_or_anothers_cancels_nothing, reset),
        cmocka_unit_test_setup(timers_end_with_their_actor, reset),
        cmocka_unit_test_setup(the_destructor_of_a_message_that_finds_nobody_may_cancel_its_timer, reset),
        cmocka_unit_test_setup(wrong_arguments_are_refused_and_any_delay_is_taken, reset),
        cmocka_unit_test_setup(of_four_thousand_delays_none_is_cut_short, reset),
        cmocka_unit_test_setup(of_many_timers_those_that_were_not_cancelled_fire, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
