#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <troupe/core/timers.h>

#include "helpers.h"

#define MANY 2000u

struct fixture {
    uv_loop_t loop;
    struct tri_timers timers;
};

struct probe {
    struct tri_timer timer;
    struct fixture *fixture;
    uint64_t due_ms;
    unsigned fired;
    uint64_t fired_ms;
};

/* In the order in which they fired. */
static struct probe *fired[MANY];
static size_t fired_count;

static void
note(struct tri_timer *timer)
{
    struct probe *probe = (struct probe *)timer;
    assert_int_equal(timer->place, 0);
    probe->fired++;
    probe->fired_ms = uv_now(&probe->fixture->loop);
    fired[fired_count++] = probe;
}

static void
start_probe(struct fixture *f, struct probe *probe, uint64_t delay_ms)
{
    probe->fixture = f;
    probe->timer.fire = note;
    assert_int_equal(tri_timer_start(&f->timers, &probe->timer, delay_ms), TR_OK);
    probe->due_ms = probe->timer.due_ms;
}

/* Runs the loop until nothing is started any more. */
static void
run_dry(struct fixture *f)
{
    while (f->timers.count > 0)
        uv_run(&f->loop, UV_RUN_ONCE);
}

static int
open_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    fired_count = 0;
    *state = f;
    return uv_loop_init(&f->loop) != 0 || tri_timers_open(&f->timers, &f->loop) != TR_OK;
}

static int
close_fixture(void **state)
{
    struct fixture *f = *state;
    if (!uv_is_closing((uv_handle_t *)&f->timers.handle))
        tri_timers_close(&f->timers);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    int error = uv_loop_close(&f->loop);
    free(f);
    return error;
}

static void
a_timer_fires_once_and_not_before_its_time(void **state)
{
    struct fixture *f = *state;
    struct probe probe = {0};
    uint64_t began_ms = uv_now(&f->loop);
    start_probe(f, &probe, 5);
    run_dry(f);
    assert_int_equal(probe.fired, 1);
    assert_true(probe.fired_ms >= began_ms + 5);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(probe.fired, 1);
}

static void
a_delay_begins_when_it_is_asked_for_and_not_with_the_turn(void **state)
{
    struct fixture *f = *state;
    struct probe probe = {0};
    for (unsigned delay_ms = 1; delay_ms <= 3; delay_ms++) {
        uv_update_time(&f->loop);
        tests_hold(5);
        uint64_t began_ns = tests_now_ns();
        start_probe(f, &probe, delay_ms);
        run_dry(f);
        assert_true(tests_now_ns() - began_ns >= delay_ms * UINT64_C(1000000));
    }
}

static void
the_end_of_a_delay_is_never_before_its_time_nor_a_millisecond_after(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t before_ns = tests_now_ns(), end_ms = tri_clock_after(7), after_ns = tests_now_ns();
        assert_true(end_ms * 1000000 >= before_ns + 7000000);
        assert_true(end_ms * 1000000 < after_ns + 8000000);
        assert_true(tri_clock_ms() <= tests_now_ns() / 1000000);
    }
    assert_true(tri_clock_after(0) <= tri_clock_ms());
    assert_true(tri_clock_after(UINT64_MAX) == TRI_CLOCK_NEVER);
    assert_true(tri_clock_after(UINT64_MAX - 1) == TRI_CLOCK_NEVER);
    assert_true(tri_clock_after(UINT64_MAX / 2) < TRI_CLOCK_NEVER);
}

static void
half_of_a_time_is_enough_to_know_it_for_one_turn_of_its_bits(void **state)
{
    (void)state;
    static const uint64_t nows[] = {UINT64_C(0xffffffff),  UINT64_C(0x100000000), UINT64_C(0x100000001),
                                    UINT64_C(0x1ffffffff), UINT64_C(0x200000000), UINT64_C(0x123456789ab)};
    static const uint32_t ages[] = {0, 1, 2, INT32_MAX, (uint32_t)INT32_MAX + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof(nows) / sizeof(nows[0]); i++)
        for (size_t k = 0; k < sizeof(ages) / sizeof(ages[0]); k++)
            assert_true(tri_clock_whole((uint32_t)(nows[i] - ages[k]), nows[i]) == nows[i] - ages[k]);
}

static void
timers_fire_by_their_time_and_equal_ones_as_they_were_started(void **state)
{
    struct fixture *f = *state;
    static const unsigned delays[] = {7, 3, 3, 9, 3, 1, 7};
    static const unsigned order[] = {5, 1, 2, 4, 0, 6, 3};
    struct probe probes[7] = {0};
    uint64_t base_ms = tri_clock_ms();
    for (unsigned i = 0; i < 7; i++) {
        probes[i] = (struct probe){.fixture = f, .timer.fire = note};
        assert_int_equal(tri_timer_start_at(&f->timers, &probes[i].timer, base_ms + delays[i]), TR_OK);
    }
    run_dry(f);
    for (unsigned i = 0; i < 7; i++)
        assert_ptr_equal(fired[i], &probes[order[i]]);
}

static void
a_stopped_timer_does_not_fire(void **state)
{
    struct fixture *f = *state;
    struct probe stopped = {0}, other = {0};
    start_probe(f, &stopped, 1);
    start_probe(f, &other, 5);
    tri_timer_stop(&f->timers, &stopped.timer);
    tri_timer_stop(&f->timers, &stopped.timer);
    run_dry(f);
    assert_int_equal(stopped.fired, 0);
    assert_int_equal(other.fired, 1);
}

static void
a_time_that_has_passed_fires_in_the_next_turn(void **state)
{
    struct fixture *f = *state;
    struct probe probe = {.fixture = f, .timer.fire = note};
    assert_int_equal(tri_timer_start_at(&f->timers, &probe.timer, 1), TR_OK);
    assert_int_equal(probe.timer.due_ms, 1);
    assert_int_equal(probe.fired, 0);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(probe.fired, 1);
}

static void
a_time_beyond_the_clock_never_comes(void **state)
{
    struct fixture *f = *state;
    struct probe probe = {0}, soon = {0};
    start_probe(f, &probe, UINT64_MAX);
    start_probe(f, &soon, 1);
    uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(f->timers.count, 1);
    assert_int_equal(probe.fired, 0);
    tri_timer_stop(&f->timers, &probe.timer);
}

static void
many_timers_in_random_order_with_stops_between_fire_in_order_of_time(void **state)
{
    struct fixture *f = *state;
    struct probe *probes = calloc(MANY, sizeof(*probes));
    size_t expected = 0;
    srand(7);
    for (unsigned i = 0; i < MANY; i++) {
        start_probe(f, &probes[i], (unsigned)rand() % 40);
        if (i % 3 == 0)
            tri_timer_stop(&f->timers, &probes[(unsigned)rand() % (i + 1)].timer);
    }
    for (unsigned i = 0; i < MANY; i++)
        expected += probes[i].timer.place > 0;
    assert_true(expected > MANY / 2);
    run_dry(f);

    assert_int_equal(fired_count, expected);
    for (size_t i = 1; i < fired_count; i++) {
        struct probe *before = fired[i - 1], *after = fired[i];
        assert_true(before->due_ms < after->due_ms || (before->due_ms == after->due_ms && before < after));
    }
    free(probes);
}

/* Callbacks that start and stop. */

static void
start_again(struct tri_timer *timer)
{
    struct probe *probe = (struct probe *)timer;
    probe->fired++;
    probe->fired_ms = uv_now(&probe->fixture->loop);
    if (probe->fired < 4)
        assert_int_equal(tri_timer_start_at(&probe->fixture->timers, timer, probe->due_ms), TR_OK);
}

static void
a_timer_that_starts_itself_anew_at_once_lets_the_loop_turn_between(void **state)
{
    struct fixture *f = *state;
    struct probe probe = {.fixture = f, .timer.fire = start_again, .due_ms = 1};
    assert_int_equal(tri_timer_start_at(&f->timers, &probe.timer, 1), TR_OK);
    for (unsigned before = 0; before < 4; before = probe.fired) {
        uv_run(&f->loop, UV_RUN_NOWAIT);
        assert_in_range(probe.fired, before, before + 1);
        assert_true(f->timers.count == 0 || f->timers.handle.timeout == probe.fired_ms + 1); /* a millisecond later */
    }
    assert_int_equal(f->timers.count, 0);
}

static struct probe *late;

static void
start_the_late_one(struct tri_timer *timer)
{
    struct probe *probe = (struct probe *)timer;
    late->timer.fire = note;
    late->fixture = probe->fixture;
    assert_int_equal(tri_timer_start_at(&probe->fixture->timers, &late->timer, 1), TR_OK);
    note(timer);
}

static void
one_that_a_callback_starts_for_a_time_long_past_waits_for_those_that_are_due(void **state)
{
    struct fixture *f = *state;
    struct probe first = {0}, second = {0}, third = {0};
    start_probe(f, &first, 0);
    start_probe(f, &second, 0);
    first.timer.fire = start_the_late_one;
    late = &third;
    run_dry(f);
    assert_ptr_equal(fired[0], &first);
    assert_ptr_equal(fired[1], &second);
    assert_ptr_equal(fired[2], &third);
}

static void
one_that_is_started_for_a_time_long_past_comes_after_those_that_are_due(void **state)
{
    struct fixture *f = *state;
    struct probe due = {.fixture = f, .timer.fire = note}, past = due;
    assert_int_equal(tri_timer_start_at(&f->timers, &due.timer, uv_now(&f->loop)), TR_OK);
    assert_int_equal(tri_timer_start_at(&f->timers, &past.timer, 0), TR_OK);
    run_dry(f);
    assert_int_equal(fired_count, 2);
    assert_ptr_equal(fired[0], &due);
    assert_ptr_equal(fired[1], &past);
}

static struct probe *victim;

static void
stop_the_victim(struct tri_timer *timer)
{
    struct probe *probe = (struct probe *)timer;
    tri_timer_stop(&probe->fixture->timers, &victim->timer);
    note(timer);
}

static void
a_callback_stops_one_that_is_due_in_the_same_turn(void **state)
{
    struct fixture *f = *state;
    struct probe first = {0}, second = {0}, third = {0};
    start_probe(f, &first, 2);
    start_probe(f, &second, 2);
    start_probe(f, &third, 2);
    first.timer.fire = stop_the_victim;
    victim = &second;
    run_dry(f);
    assert_int_equal(first.fired, 1);
    assert_int_equal(second.fired, 0);
    assert_int_equal(third.fired, 1);
}

/* Idle timers. */

struct idle_probe {
    struct tri_timeout idle;
    struct fixture *fixture;
    unsigned fired;
};

static void
note_idle(struct tri_timeout *idle)
{
    struct idle_probe *probe = (struct idle_probe *)idle;
    assert_int_equal(idle->timer.place, 0);
    assert_true(uv_now(&probe->fixture->loop) >= idle->touched_ms + idle->duration_ms);
    probe->fired++;
}

static void
start_idle(struct fixture *f, struct idle_probe *probe, uint64_t duration_ms)
{
    probe->fixture = f;
    probe->idle.fire = note_idle;
    assert_int_equal(tri_timeout_start(&f->timers, &probe->idle, duration_ms), TR_OK);
}

static void
an_idle_timer_without_touches_fires_once(void **state)
{
    struct fixture *f = *state;
    struct idle_probe probe = {0};
    start_idle(f, &probe, 5);
    run_dry(f);
    assert_int_equal(probe.fired, 1);
}

static void
an_idle_timer_whose_time_is_beyond_the_clock_never_fires(void **state)
{
    struct fixture *f = *state;
    struct idle_probe probes[3] = {0};
    struct probe soon = {0};
    start_idle(f, &probes[0], UINT64_MAX);
    start_idle(f, &probes[1], UINT64_MAX - 1);
    start_idle(f, &probes[2], UINT64_MAX / 2);
    start_probe(f, &soon, 1);
    uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(f->timers.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(probes[i].fired, 0);
        tri_timeout_stop(&f->timers, &probes[i].idle);
    }
}

static void
touch_and_go_on(struct tri_timer *timer)
{
    struct probe *toucher = (struct probe *)timer;
    struct idle_probe *probe = (struct idle_probe *)(void *)victim;
    tri_timeout_touch(&probe->idle);
    assert_int_equal(probe->fired, 0);
    if (++toucher->fired < 10)
        assert_int_equal(tri_timer_start(&toucher->fixture->timers, timer, 3), TR_OK);
}

static void
a_touch_begins_the_duration_anew(void **state)
{
    struct fixture *f = *state;
    struct idle_probe probe = {0};
    struct probe toucher = {0};
    start_probe(f, &toucher, 3);
    toucher.timer.fire = touch_and_go_on;
    victim = (struct probe *)(void *)&probe;
    start_idle(f, &probe, 1000);
    while (toucher.fired < 10)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(probe.fired, 0);
    tri_timeout_stop(&f->timers, &probe.idle);
}

static void
one_that_was_touched_is_put_back_for_the_very_time_that_the_touch_asks_for(void **state)
{
    struct fixture *f = *state;
    struct idle_probe touched = {0}, later = {0};
    start_idle(f, &touched, 10);
    start_idle(f, &later, 10000);
    touched.idle.touched_ms += 4000; /* as if the touch came then */
    uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(touched.fired, 0);
    assert_int_equal(f->timers.armed_ms, touched.idle.touched_ms + 10);
    tri_timeout_stop(&f->timers, &touched.idle);
    tri_timeout_stop(&f->timers, &later.idle);
}

static void
a_stopped_idle_timer_does_not_fire(void **state)
{
    struct fixture *f = *state;
    struct idle_probe probe = {0};
    struct probe other = {0};
    start_idle(f, &probe, 1);
    start_probe(f, &other, 5);
    tri_timeout_stop(&f->timers, &probe.idle);
    tri_timeout_stop(&f->timers, &probe.idle);
    run_dry(f);
    assert_int_equal(probe.fired, 0);
}

static void
a_hundred_thousand_armed_timers_let_the_loop_sleep(void **state)
{
    struct fixture *f = *state;
    size_t count = 100000;
    struct idle_probe *probes = calloc(count, sizeof(*probes));
    for (size_t i = 0; i < count; i++)
        start_idle(f, &probes[i], 60000 + i % 1000);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    uv_update_time(&f->loop);
    assert_true(uv_backend_timeout(&f->loop) > 30000);
    tri_timers_close(&f->timers);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(probes[i].idle.timer.place, 0);
    free(probes);
}

/* Each turn of the loop fires some of what is due at once, and looks at everything else in between. */
static uint64_t portion, portion_most, fired_in_all, out_of_order;

struct numbered {
    struct tri_timer timer;
    uint64_t number;
};

static void
count_portion(struct tri_timer *timer)
{
    out_of_order += ((struct numbered *)timer)->number != fired_in_all++;
    portion++;
}

static void
note_portion(uv_check_t *handle)
{
    (void)handle;
    portion_most = portion > portion_most ? portion : portion_most;
    portion = 0;
}

static void
a_hundred_thousand_timers_due_together_fire_in_portions_and_in_order(void **state)
{
    struct fixture *f = *state;
    size_t count = 100000;
    struct numbered *timers = calloc(count, sizeof(*timers));
    static uv_check_t check;
    uv_check_init(&f->loop, &check);
    uv_check_start(&check, note_portion);
    uv_unref((uv_handle_t *)&check); /* a test that fails must come to its end */
    portion = portion_most = fired_in_all = out_of_order = 0;
    for (size_t i = 0; i < count; i++) {
        timers[i] = (struct numbered){.timer.fire = count_portion, .number = i};
        assert_int_equal(tri_timer_start_at(&f->timers, &timers[i].timer, uv_now(&f->loop)), TR_OK);
    }
    run_dry(f);
    assert_int_equal(fired_in_all, count);
    assert_int_equal(out_of_order, 0);
    assert_in_range(portion_most, 1, 1024);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    struct probe last = {0}; /* afterwards it sleeps and wakes as ever */
    start_probe(f, &last, 60000);
    uv_update_time(&f->loop);
    assert_in_range(uv_backend_timeout(&f->loop), 1, 60001);
    tri_timer_stop(&f->timers, &last.timer);
    start_probe(f, &last, 3);
    run_dry(f);
    assert_int_equal(last.fired, 1);
    uv_close((uv_handle_t *)&check, NULL);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    free(timers);
}

static void
timers_are_closed_in_the_middle_of_a_round(void **state)
{
    struct fixture *f = *state;
    static struct numbered timers[2000];
    portion = fired_in_all = 0;
    for (size_t i = 0; i < 2000; i++) {
        timers[i] = (struct numbered){.timer.fire = count_portion, .number = i};
        assert_int_equal(tri_timer_start_at(&f->timers, &timers[i].timer, uv_now(&f->loop)), TR_OK);
    }
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_in_range(fired_in_all, 1, 1999);
    tri_timers_close(&f->timers);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_in_range(fired_in_all, 1, 1999);
}

/* The room of the heap is counted: every started timer has a place, and so has every kept one that is not started. */
static void
a_kept_timer_finds_its_place_whatever_was_started_since(void **state)
{
    struct fixture *f = *state;
    static struct probe kept[200], others[200];
    fired_count = 0;
    for (size_t i = 0; i < 200; i++) {
        kept[i] = others[i] = (struct probe){0};
        assert_int_equal(tri_timer_keep(&f->timers, &kept[i].timer), TR_OK);
        assert_int_equal(tri_timer_keep(&f->timers, &kept[i].timer), TR_OK);
        start_probe(f, &others[i], 1000);
        assert_in_range(f->timers.count + f->timers.reserved, 0, f->timers.room);
    }
    const void *heap = f->timers.heap;
    for (size_t i = 0; i < 200; i++)
        start_probe(f, &kept[i], 0);
    assert_ptr_equal(f->timers.heap, heap); /* nothing had to be allocated */
    assert_int_equal(f->timers.reserved, 0);
    for (size_t i = 0; i < 200; i++) {
        tri_timer_stop(&f->timers, &others[i].timer);
        tri_timer_let_go(&f->timers, &kept[i].timer);
        tri_timer_let_go(&f->timers, &kept[i].timer);
    }
    assert_int_equal(f->timers.count + f->timers.reserved, 0);
    run_dry(f);
    assert_int_equal(fired_count, 0);
}

static void
a_timer_that_is_kept_when_it_is_started_has_one_place(void **state)
{
    struct fixture *f = *state;
    struct probe probe = {0};
    start_probe(f, &probe, 1000);
    assert_int_equal(tri_timer_keep(&f->timers, &probe.timer), TR_OK);
    assert_int_equal(f->timers.count, 1);
    assert_int_equal(f->timers.reserved, 0);
    tri_timer_stop(&f->timers, &probe.timer);
    assert_int_equal(f->timers.count, 0);
    assert_int_equal(f->timers.reserved, 1);
    tri_timer_let_go(&f->timers, &probe.timer);
    assert_int_equal(f->timers.reserved, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_timer_fires_once_and_not_before_its_time),
        TEST(a_delay_begins_when_it_is_asked_for_and_not_with_the_turn),
        TEST(the_end_of_a_delay_is_never_before_its_time_nor_a_millisecond_after),
        TEST(half_of_a_time_is_enough_to_know_it_for_one_turn_of_its_bits),
        TEST(timers_fire_by_their_time_and_equal_ones_as_they_were_started),
        TEST(a_stopped_timer_does_not_fire),
        TEST(a_time_that_has_passed_fires_in_the_next_turn),
        TEST(a_time_beyond_the_clock_never_comes),
        TEST(many_timers_in_random_order_with_stops_between_fire_in_order_of_time),
        TEST(a_timer_that_starts_itself_anew_at_once_lets_the_loop_turn_between),
        TEST(one_that_a_callback_starts_for_a_time_long_past_waits_for_those_that_are_due),
        TEST(one_that_is_started_for_a_time_long_past_comes_after_those_that_are_due),
        TEST(a_callback_stops_one_that_is_due_in_the_same_turn),
        TEST(an_idle_timer_without_touches_fires_once),
        TEST(an_idle_timer_whose_time_is_beyond_the_clock_never_fires),
        TEST(a_touch_begins_the_duration_anew),
        TEST(one_that_was_touched_is_put_back_for_the_very_time_that_the_touch_asks_for),
        TEST(a_stopped_idle_timer_does_not_fire),
        TEST(a_hundred_thousand_armed_timers_let_the_loop_sleep),
        TEST(a_hundred_thousand_timers_due_together_fire_in_portions_and_in_order),
        TEST(timers_are_closed_in_the_middle_of_a_round),
        TEST(a_kept_timer_finds_its_place_whatever_was_started_since),
        TEST(a_timer_that_is_kept_when_it_is_started_has_one_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
