/*
 * A trace that begins where very many actors live: they are introduced little by little, and each before anything else
 * of it.
 *
 * Provokes: while a worker introduces a hundred thousand actors, others of them are sent to, asked to stop, killed,
 * watched, become another, end by themselves and have a timer that ends with them, and new ones take their slots; or
 * the disk hangs, as one may that is slower than the worker.
 */
#include "helpers.h"
#include "stage.h"
#include "traces.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/become.h>
#include <troupe/actors/host.h>
#include <troupe/actors/tracing.h>
#include <troupe/actors/watch.h>
#include <troupe/core/worker.h>

#define CROWD 100000u
#define A_TURN 1000u  /* slots of which actors are introduced in one turn */
#define ENOUGH 60000u /* steps, of which a turn takes 512 at most: the introductions need 100 turns */
#define SOME 128u     /* steps: now and then the meddler does something */
#define ROUNDS 20u
#define WAITING 10u /* one of so many has a timer */
#define FEW 100u    /* steps that take no time, and little room in a file */

enum { GATHER = 1, STEP, GREET, END, CHANGE, WAIT };

/* -- A disk as a test wants it. -- */

static atomic_bool disk_hangs; /* but for this thread, which makes the first files */
static _Thread_local bool is_spared;
static atomic_uint files_awaited;

/* Takes the place of the C library's. */
int
posix_fallocate(int fd, off_t offset, off_t size)
{
    files_awaited += disk_hangs && !is_spared;
    while (disk_hangs && !is_spared)
        tests_let_pass(1000000);
    return ftruncate(fd, offset + size) == 0 ? 0 : errno;
}

static bool
a_file_is_awaited(void *argument)
{
    (void)argument;
    return files_awaited > 0;
}

/* -- Actors. -- */

static tr_ref crowd[CROWD];
static struct tally gathered, waiting, stepped;

static void
live(tr_actor *self, void *state, tr_message *message)
{
    static const struct tr_behavior changed = {.name = "changed", .receive = live};
    (void)state;
    if (message->tag == CHANGE)
        assert_int_equal(tr_become(self, &changed), TR_OK);
    if (message->tag == WAIT) {
        tr_message later = tr_message_signal(GREET);
        assert_int_equal(tr_send_after(self, tr_self(self), 3600000, &later, NULL), TR_OK);
        tally_add(&waiting, 1);
    }
    if (message->tag == END)
        tr_exit(self);
}

static const struct tr_behavior one_of_many = {.name = "one_of_many", .receive = live};

static void
gather(tr_actor *self, void *state, tr_message *message)
{
    (void)state, (void)message;
    for (unsigned i = 0; i < CROWD; i++) {
        assert_int_equal(tr_spawn(self, &one_of_many, NULL, &crowd[i]), TR_OK);
        if (i % WAITING == 0)
            assert_int_equal(tr_tell(self, crowd[i], WAIT, NULL, 0), TR_OK);
    }
    tally_add(&gathered, 1);
}

static const struct tr_behavior gatherer = {.name = "gatherer", .receive = gather};

/* Whom it chooses is spread over all slots, so most have not been introduced. */
static void
meddle(tr_actor *self, unsigned step)
{
    tr_ref who = crowd[step * 7919 % CROWD], fresh;
    tr_monitor monitor;
    switch (step % 8) {
    case 0: /* in a slot that was free when the trace began, as long as nobody has ended */
    case 1:
        if (tr_spawn(self, &one_of_many, NULL, &fresh) == TR_OK)
            (void)tr_tell(self, fresh, step % 8 == 0 ? GREET : END, NULL, 0);
        break;
    case 2: (void)tr_tell(self, who, GREET, NULL, 0); break;
    case 3: (void)tr_tell(self, who, END, NULL, 0); break;
    case 4: (void)tr_stop(self, who, TR_STOP_KILL); break;
    case 5: (void)tr_stop(self, who, TR_STOP_DRAIN); break;
    case 6: (void)tr_monitor_start(self, who, &monitor); break;
    default: (void)tr_tell(self, who, CHANGE, NULL, 0);
    }
}

/* It always has a message waiting, and waits for the trace before it does anything. */
static void
step_on(tr_actor *self, void *state, tr_message *message)
{
    static unsigned steps;
    (void)state;
    if (message->tag != STEP)
        return;
    if (tri_actor_worker(self)->trace != NULL) {
        if (steps++ % SOME == 0)
            for (unsigned i = 0; i < 8; i++)
                meddle(self, steps / SOME * 8 + i);
        tally_add(&stepped, 1);
    }
    (void)tr_tell(self, tr_self(self), STEP, NULL, 0); /* until it is to stop */
}

static const struct tr_behavior meddler = {.name = "meddler", .receive = step_on};

static tr_runtime *
open_crowd(void)
{
    tr_runtime *runtime = stage_open(1);
    gathered = waiting = stepped = (struct tally){0};
    stage_send(runtime, stage_spawn(runtime, &gatherer, 0, NULL), GATHER, NULL, 0);
    tally_await(&gathered, 1);
    tally_await(&waiting, CROWD / WAITING); /* nobody is before the meddler */
    return runtime;
}

static void
begin(tr_runtime *runtime, const struct traces *traces)
{
    struct tr_trace_options options = {
        .mode = TR_TRACE_FILE, .directory = traces->directory, .wait_ms = TESTS_LIMIT_MS}; /* nothing is lost */
    assert_int_equal(tr_trace_begin(runtime, &options), TR_OK);
}

/* On a machine that does other things a worker may be late. */
static void
end(tr_runtime *runtime)
{
    tr_status status;
    while ((status = tr_trace_end(runtime)) == TR_EDEADLINE) {
    }
    assert_int_equal(status, TR_OK);
}

/* How many events of that name `info --counts` tells of. */
static unsigned
count_of(const struct traces *traces, const char *event)
{
    struct outcome outcome = traces_tool(traces, "info", "--counts", NULL, NULL, NULL);
    char start[40];
    unsigned count = 0;
    snprintf(start, sizeof(start), "\n%s ", event);
    const char *line = strstr(outcome.text, start);
    for (const char *at = line != NULL ? line + 1 : ""; *at != '\0' && *at != '\n'; at++)
        if (*at >= '0' && *at <= '9')
            count = count * 10 + (unsigned)(*at - '0');
    free(outcome.text);
    return count;
}

/* Or something is lost. */
static bool
all_are_introduced(void *traces)
{
    return count_of(traces, "present") == CROWD + 2 || count_of(traces, "lost") > 0; /* the gatherer, and one more */
}

/* The most lines with `event` between two with `other`. */
static unsigned
longest_run(const char *text, const char *event, const char *other)
{
    unsigned run = 0, longest = 0;
    for (const char *line = text; *line != '\0'; line += *line == '\n') {
        size_t length = strcspn(line, "\n");
        if (memmem(line, length, event, strlen(event)) != NULL)
            run++;
        else if (memmem(line, length, other, strlen(other)) != NULL)
            run = 0;
        longest = run > longest ? run : longest;
        line += length;
    }
    return longest;
}

static void
very_many_actors_are_introduced_a_thousand_a_turn_and_each_before_anything_else_of_it(void **state)
{
    struct traces *traces = *state;
    tr_runtime *runtime = open_crowd();
    tr_ref steps = stage_spawn(runtime, &meddler, 0, NULL);
    char text[TR_REF_TEXT_SIZE], turn[80];
    stage_send(runtime, steps, STEP, NULL, 0);
    begin(runtime, traces);
    tally_await(&stepped, ENOUGH);
    assert_true(tests_wait_until(all_are_introduced, traces, TESTS_LIMIT_MS));
    end(runtime);

    struct outcome outcome = traces_tool(traces, "dump", "--event", "present,receive", NULL, NULL);
    assert_int_equal(outcome.status, 0);
    assert_int_equal(traces_count(outcome.text, "  present  "), CROWD + 2);
    snprintf(turn, sizeof(turn), "  receive            %s ", tr_ref_text(steps, text));
    assert_true(traces_count(outcome.text, turn) >= ENOUGH);
    /* In the first turn it attaches itself, too; and whom the meddler takes a step with is introduced then. */
    assert_in_range(longest_run(outcome.text, "  present  ", turn), A_TURN / 2, 2 * A_TURN + 16);
    free(outcome.text);
    traces_expect(traces, "check", 0, "passed   life");
    traces_expect(traces, "check", 0, "passed   monitor");
    traces_expect(traces, "check", 0, "passed   one_worker");
    stage_close(runtime);
}

static void
a_trace_that_ends_amid_the_introductions_keeps_the_rules_and_so_does_the_next(void **state)
{
    struct traces *traces = *state;
    tr_runtime *runtime = open_crowd();
    tr_ref steps = stage_spawn(runtime, &meddler, 0, NULL);
    stage_send(runtime, steps, STEP, NULL, 0);
    unsigned partial = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        snprintf(traces->directory, sizeof(traces->directory), "%s/%u", traces->base, round);
        begin(runtime, traces);
        tally_await(&stepped, tally_read(&stepped) + round * SOME);
        end(runtime);
        unsigned introduced = count_of(traces, "present");
        assert_true(introduced > 0);
        partial += introduced < CROWD / 2;
        traces_expect(traces, "check", 0, "passed   life");
        traces_expect(traces, "info", 0, "properly");
        tests_directory_remove(traces->directory);
    }
    assert_in_range(partial, 1, ROUNDS);
    stage_close(runtime);
}

static void
categories_that_are_switched_off_amid_the_introductions_hide_nobody(void **state)
{
    struct traces *traces = *state;
    tr_runtime *runtime = open_crowd();
    tr_ref steps = stage_spawn(runtime, &meddler, 0, NULL);
    begin(runtime, traces);
    assert_int_equal(tr_trace_categories(runtime, TR_TRACE_MESSAGES), TR_OK);
    assert_int_equal(tr_trace_actor(runtime, crowd[CROWD - 1], TR_TRACE_ACTOR_OFF), TR_OK);
    stage_send(runtime, steps, STEP, NULL, 0);
    assert_true(tests_wait_until(all_are_introduced, traces, TESTS_LIMIT_MS));
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    struct outcome outcome = traces_tool(traces, "dump", "--event", "present", NULL, NULL);
    assert_int_equal(outcome.status, 0);
    assert_int_equal(traces_count(outcome.text, "  present  "), CROWD + 2);
    free(outcome.text);
    traces_expect(traces, "check", 0, NULL);
}

/* Answers each step. */
static void
keep_step(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state;
    tally_add(&stepped, message->tag == STEP);
}

static const struct tr_behavior walker = {.name = "walker", .receive = keep_step};

static void
introductions_wait_for_a_disk_that_hangs_and_the_worker_does_not(void **state)
{
    struct traces *traces = *state;
    tr_runtime *runtime = open_crowd();
    tr_ref steps = stage_spawn(runtime, &walker, 0, NULL);
    struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = traces->directory, .wait_ms = -1};
    stepped = (struct tally){0};
    disk_hangs = is_spared = true;
    assert_int_equal(tr_trace_begin(runtime, &options), TR_OK);
    assert_true(tests_wait_until(a_file_is_awaited, NULL, TESTS_LIMIT_MS));
    for (unsigned i = 0; i < FEW; i++) {
        stage_send(runtime, steps, STEP, NULL, 0);
        tally_await(&stepped, i + 1);
    }
    disk_hangs = false;
    assert_true(tests_wait_until(all_are_introduced, traces, TESTS_LIMIT_MS));
    end(runtime);
    traces_expect(traces, "info", 0, "properly");
    const char *const words[] = {TROUPE_TRACE, "check", "--strict", traces->directory, NULL};
    struct outcome outcome = traces_run(words);
    if (outcome.status != 0)
        fail_msg("check --strict ended with %d:\n%s", outcome.status, outcome.text);
    free(outcome.text);
    stage_close(runtime);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(very_many_actors_are_introduced_a_thousand_a_turn_and_each_before_anything_else_of_it),
        TEST(a_trace_that_ends_amid_the_introductions_keeps_the_rules_and_so_does_the_next),
        TEST(categories_that_are_switched_off_amid_the_introductions_hide_nobody),
        TEST(introductions_wait_for_a_disk_that_hangs_and_the_worker_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
