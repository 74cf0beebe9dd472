/*
 * When a worker is pinned: stories of what is seen of its thread, told look by look. There is no clock here, and no
 * thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "pinning.h"
#include <cmocka.h>

#define PAUSE_MS 100u
#define MS UINT64_C(1000000)

/* A worker whose mask is what was last decided. */
struct story {
    struct tri_pinning pinning;
    struct tri_pinning_look look;
};

static struct story
begin(bool pinned)
{
    struct story story = {.look = {.now_ns = 1000 * MS, .time = {.known = true}, .pinned = pinned}};
    assert_int_equal(tri_pinning_see(&story.pinning, &story.look), TRI_PINNING_KEEP);
    return story;
}

/* One pause, in which the worker ran and waited so long, in so many turns. */
static enum tri_pinning_verdict
pause_of(struct story *story, unsigned ran_ms, unsigned waited_ms, unsigned turns)
{
    story->look.now_ns += PAUSE_MS * MS;
    story->look.time.ran_ns += ran_ms * MS;
    story->look.time.waited_ns += waited_ms * MS;
    story->look.time.turns += turns;
    enum tri_pinning_verdict verdict = tri_pinning_see(&story->pinning, &story->look);
    if (verdict != TRI_PINNING_KEEP)
        story->look.pinned = verdict == TRI_PINNING_NARROW;
    return verdict;
}

/* Runs without waiting until it is pinned again; returns how long that took. */
static unsigned
calm_ms_until_pinned(struct story *story)
{
    for (unsigned ms = PAUSE_MS; ms < 10000 * 1000; ms += PAUSE_MS)
        if (pause_of(story, 80, 0, 10) == TRI_PINNING_NARROW)
            return ms;
    fail_msg("it is never pinned again");
    return 0;
}

/* One pause between two looks, the first of which is at the beginning. */
struct row {
    const char *what;
    bool pinned;
    unsigned ran_ms, waited_ms, turns;
    bool runnable;
    enum tri_pinning_verdict verdict;
};

static const struct row rows[] = {
    {"idle", true, 0, 0, 0, false, TRI_PINNING_KEEP},
    {"works, and waits for nothing", true, 100, 0, 1, false, TRI_PINNING_KEEP},
    {"waits a little", true, 95, 5, 1, false, TRI_PINNING_KEEP},
    {"waits", true, 94, 6, 1, false, TRI_PINNING_WIDEN},
    {"hardly runs, since it waits", true, 1, 99, 1, false, TRI_PINNING_WIDEN},
    {"waits for longer than there was time, a wait counts at its end", true, 1, 700, 1, false, TRI_PINNING_WIDEN},
    {"does not run at all, but could", true, 0, 0, 0, true, TRI_PINNING_WIDEN},
    {"runs, and could", true, 100, 0, 0, true, TRI_PINNING_KEEP},
    {"is woken often, on a CPU of its own", true, 50, 6, 2000, false, TRI_PINNING_KEEP},
    {"is woken often, and waits for longer than that takes", true, 40, 12, 2000, false, TRI_PINNING_WIDEN},
    {"waits, with all CPUs", false, 50, 50, 1, false, TRI_PINNING_KEEP},
    {"waits for nothing, with all CPUs, but not for long yet", false, 100, 0, 1, false, TRI_PINNING_KEEP},
};

static void
a_pinned_worker_that_waits_for_its_cpu_is_let_go(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct story story = begin(row->pinned);
        story.look.time.runnable = row->runnable;
        if (pause_of(&story, row->ran_ms, row->waited_ms, row->turns) != row->verdict)
            fail_msg("%s", row->what);
    }
}

static void
one_that_has_not_waited_for_a_while_is_pinned_again(void **state)
{
    (void)state;
    struct story story = begin(true);
    assert_int_equal(pause_of(&story, 50, 50, 5), TRI_PINNING_WIDEN);
    assert_int_equal(calm_ms_until_pinned(&story) * MS, TRI_PINNING_PATIENCE_NS);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(pause_of(&story, 80, 1, 5), TRI_PINNING_KEEP);
}

static void
each_wait_makes_the_while_begin_again(void **state)
{
    (void)state;
    struct story story = begin(false);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(pause_of(&story, 50, i % 10 == 0 ? 5 : 0, 5), TRI_PINNING_KEEP);
    assert_int_equal(pause_of(&story, 50, 5, 5), TRI_PINNING_KEEP);
    assert_int_equal(calm_ms_until_pinned(&story) * MS, TRI_PINNING_PATIENCE_NS);
}

static void
idle_time_is_no_sign_of_a_free_cpu(void **state)
{
    (void)state;
    struct story story = begin(false);
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(pause_of(&story, i % 2, 0, 1), TRI_PINNING_KEEP);
    assert_int_equal(calm_ms_until_pinned(&story) * MS, TRI_PINNING_PATIENCE_NS);
}

static void
attempts_in_vain_become_rare(void **state)
{
    (void)state;
    struct story story = begin(true);
    unsigned before_ms = 0, ms = 0, attempts = 0;
    assert_int_equal(pause_of(&story, 50, 50, 5), TRI_PINNING_WIDEN);
    for (; ms * MS < TRI_PINNING_PATIENCE_MAX_NS; attempts++) {
        ms = calm_ms_until_pinned(&story);
        assert_true(attempts == 0 || ms == 2 * before_ms);
        before_ms = ms;
        assert_int_equal(pause_of(&story, 50, 50, 5), TRI_PINNING_WIDEN);
    }
    assert_true(attempts < 10);
    for (unsigned i = 0; i < 3; i++) { /* and then they do not become rarer */
        assert_int_equal(calm_ms_until_pinned(&story) * MS, TRI_PINNING_PATIENCE_MAX_NS);
        assert_int_equal(pause_of(&story, 50, 50, 5), TRI_PINNING_WIDEN);
    }
}

static void
an_attempt_that_lasts_makes_the_next_come_as_soon_as_the_first(void **state)
{
    (void)state;
    struct story story = begin(true);
    assert_int_equal(pause_of(&story, 50, 50, 5), TRI_PINNING_WIDEN);
    for (unsigned i = 0; i < 3; i++) {
        calm_ms_until_pinned(&story);
        assert_int_equal(pause_of(&story, 50, 50, 5), TRI_PINNING_WIDEN);
    }
    unsigned patience_ms = calm_ms_until_pinned(&story);
    assert_true(patience_ms * MS > TRI_PINNING_PATIENCE_NS);
    for (unsigned ms = 0; ms <= patience_ms; ms += PAUSE_MS)
        assert_int_equal(pause_of(&story, 50, 0, 5), TRI_PINNING_KEEP);
    assert_int_equal(pause_of(&story, 50, 50, 5), TRI_PINNING_WIDEN);
    assert_int_equal(calm_ms_until_pinned(&story) * MS, TRI_PINNING_PATIENCE_NS);
}

static void
looks_of_which_nothing_is_known_change_nothing(void **state)
{
    (void)state;
    struct story story = begin(true);
    story.look.time.known = false;
    assert_int_equal(pause_of(&story, 0, 5000, 5), TRI_PINNING_KEEP);
    story.look.time.known = true; /* nor does the first after them */
    assert_int_equal(pause_of(&story, 0, 5000, 5), TRI_PINNING_KEEP);
    assert_int_equal(pause_of(&story, 0, 50, 5), TRI_PINNING_WIDEN);
}

static void
a_rest_of_any_length_hides_no_wait_after_it(void **state)
{
    (void)state;
    struct story story = begin(true);
    story.look.now_ns += 3600 * 1000 * MS;
    tri_pinning_rested(&story.pinning, story.look.now_ns);
    assert_int_equal(pause_of(&story, 50, 50, 5), TRI_PINNING_WIDEN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pinned_worker_that_waits_for_its_cpu_is_let_go),
        cmocka_unit_test(one_that_has_not_waited_for_a_while_is_pinned_again),
        cmocka_unit_test(each_wait_makes_the_while_begin_again),
        cmocka_unit_test(idle_time_is_no_sign_of_a_free_cpu),
        cmocka_unit_test(attempts_in_vain_become_rare),
        cmocka_unit_test(an_attempt_that_lasts_makes_the_next_come_as_soon_as_the_first),
        cmocka_unit_test(looks_of_which_nothing_is_known_change_nothing),
        cmocka_unit_test(a_rest_of_any_length_hides_no_wait_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
