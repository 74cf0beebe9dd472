/*
 * Looks that the test makes up: no clock, no thread, so the machine's load decides nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stall.h"
#include <cmocka.h>

#define MS UINT64_C(1000000)
#define LIMIT (100 * MS)
#define PAUSE (50 * MS) /* between two looks */

/* A worker as a test moves it on. */
struct play {
    struct tri_sighting seen;
    struct tri_look look;
};

/* A callback of "echo" that has just begun, seen once. */
static struct play
play_begin(void)
{
    struct play play = {.look = {.busy = true, .activity = {.name = "echo", .actor = 9, .tag = 5, .beat = 1}}};
    play.look.time.known = true;
    assert_int_equal(tri_stall_see(&play.seen, &play.look, LIMIT), 0);
    return play;
}

/* The next look, after that time; of it the thread ran and waited for a CPU so long. */
static uint64_t
play_on(struct play *play, uint64_t passed_ns, uint64_t ran_ns, uint64_t waited_ns)
{
    play->look.now_ns += passed_ns;
    play->look.time.ran_ns += ran_ns;
    play->look.time.waited_ns += waited_ns;
    return tri_stall_see(&play->seen, &play->look, LIMIT);
}

static void
a_callback_that_works_is_told_at_the_limit_and_once(void **state)
{
    (void)state;
    struct play play = play_begin();
    play.look.time.runnable = true;
    assert_int_equal(play_on(&play, PAUSE, PAUSE, 0), 0);
    assert_int_equal(play_on(&play, PAUSE, PAUSE, 0), LIMIT);
    for (int i = 0; i < 100; i++)
        assert_int_equal(play_on(&play, PAUSE, PAUSE, 0), 0);
}

static void
a_callback_that_sleeps_is_told_at_the_limit(void **state)
{
    (void)state;
    struct play play = play_begin();
    assert_int_equal(play_on(&play, PAUSE, 0, 0), 0);
    assert_int_equal(play_on(&play, PAUSE, 0, 0), LIMIT);
}

static void
without_knowledge_of_the_thread_the_clock_counts(void **state)
{
    (void)state;
    struct play play = play_begin();
    play.look.time.known = false;
    assert_int_equal(play_on(&play, PAUSE, 0, 0), 0);
    assert_int_equal(play_on(&play, PAUSE, 0, 0), LIMIT);
}

/* Each time an hour passes between two looks, in which nothing runs. */
static void
a_process_that_is_stopped_blames_nobody(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        struct play play = play_begin();
        play.look.time.known = known;
        for (int i = 0; i < 100; i++)
            assert_int_equal(play_on(&play, 3600 * 1000 * MS, 0, 0), 0);
        assert_int_equal(play_on(&play, PAUSE, 0, 0), 0); /* its own time begins */
        assert_int_equal(play_on(&play, PAUSE, 0, 0), LIMIT);
    }
}

static void
what_ran_before_a_late_look_counts(void **state)
{
    (void)state;
    struct play play = play_begin();
    assert_int_equal(play_on(&play, 1000 * MS, 30 * MS, 0), 0);
    assert_int_equal(play_on(&play, 1000 * MS, 40 * MS, 0), 0);
    assert_int_equal(play_on(&play, 1000 * MS, 900 * MS, 0),
                     30 * MS + 40 * MS + PAUSE + 1); /* no more than was meant to pass */
}

static void
a_worker_without_a_cpu_blames_nobody(void **state)
{
    (void)state;
    struct play play = play_begin();
    for (int i = 0; i < 100; i++) { /* it waits, and what it waits is not counted yet */
        play.look.time.runnable = true;
        assert_int_equal(play_on(&play, PAUSE, 0, 0), 0);
    }
    for (int i = 0; i < 90; i++) { /* it gets a hundredth of one, and waits for the rest */
        play.look.time.runnable = i % 2;
        assert_int_equal(play_on(&play, PAUSE, PAUSE / 100, PAUSE - PAUSE / 100), 0);
    }
}

static void
another_callback_or_none_begins_again(void **state)
{
    (void)state;
    struct play play = play_begin();
    struct tri_worker_activity first = play.look.activity;
    struct tri_worker_activity changes[] = {first, first, first, first, first, first};
    changes[0].beat++;
    changes[1].loop_beat++;
    changes[2].name = "other";
    changes[3].actor++;
    changes[4].tag++;
    changes[5].received++;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        play.look.activity = first;
        assert_int_equal(play_on(&play, PAUSE, PAUSE, 0), 0);
        play.look.activity = changes[i];
        assert_int_equal(play_on(&play, PAUSE, PAUSE, 0), 0);
        assert_int_equal(play_on(&play, PAUSE, PAUSE, 0), 0);
    }
    play.look.busy = false;
    assert_int_equal(play_on(&play, PAUSE, PAUSE, 0), 0);
    play.look.busy = true;
    assert_int_equal(play_on(&play, PAUSE, PAUSE, 0), 0);
    assert_int_equal(play_on(&play, PAUSE, PAUSE, 0), 0);
    assert_int_equal(play_on(&play, PAUSE, PAUSE, 0), LIMIT);
}

static void
an_idle_worker_is_never_told_of(void **state)
{
    (void)state;
    struct play play = {0};
    for (int i = 0; i < 1000; i++)
        assert_int_equal(play_on(&play, PAUSE, 0, 0), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_callback_that_works_is_told_at_the_limit_and_once),
        cmocka_unit_test(a_callback_that_sleeps_is_told_at_the_limit),
        cmocka_unit_test(without_knowledge_of_the_thread_the_clock_counts),
        cmocka_unit_test(a_process_that_is_stopped_blames_nobody),
        cmocka_unit_test(what_ran_before_a_late_look_counts),
        cmocka_unit_test(a_worker_without_a_cpu_blames_nobody),
        cmocka_unit_test(another_callback_or_none_begins_again),
        cmocka_unit_test(an_idle_worker_is_never_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
