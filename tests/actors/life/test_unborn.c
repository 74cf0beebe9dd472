/*
 * What comes for an actor before the actor does. Names are reserved here as a spawner on another worker does it, and
 * the order follows when the test says so: nothing depends on who is quicker.
 */
#include "actor_internal.h"
#include "body.h"
#include "counting.h"
#include "deliver.h"
#include "helpers.h"
#include "parent.h"
#include "puppet.h"

#include <ck_pr.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <troupe/actors/failure.h>

enum { NUMBER = 1 };

#define HELD 8u

static struct tally letters, undelivered;
static uint32_t reasons[HELD];

static int
reset(void **state)
{
    (void)state;
    received = stopped = letters = undelivered = (struct tally){0};
    return 0;
}

static const struct tr_behavior late = {.name = "late", .receive = count_receive, .stopped = count_stopped};
static const struct tr_behavior failing = {.name = "failing", .init = fail_to_begin, .receive = count_receive};

static void
undertaker_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag == TRI_TAG_UNDELIVERED)
        tally_add(&undelivered, 1);
    if (message->tag != TR_TAG_DEAD_LETTER)
        return;
    const struct tr_dead_letter *letter = tr_message_data(message);
    reasons[tally_read(&letters) % HELD] = letter->reason;
    tally_add(&letters, 1);
}

static const struct tr_behavior undertaker = {.name = "undertaker", .receive = undertaker_receive};

static tr_ref
reserve(tr_runtime *runtime)
{
    tr_ref ref = TR_NOBODY;
    assert_int_equal(tri_slots_reserve(&tri_actors_of(runtime->core->workers[0])->slots, &ref), TR_OK);
    return ref;
}

static void
give_birth(tr_runtime *runtime, tr_ref ref, const struct tr_behavior *behavior)
{
    struct tri_spawn_order *order = calloc(1, sizeof(*order));
    assert_non_null(order);
    order->behavior = behavior;
    ck_pr_inc_32(&runtime->core->workers[0]->coming);
    tr_message message = tr_message_pointer(TRI_TAG_SPAWN, order, sizeof(*order), free);
    assert_int_equal(tri_runtime_send_system(runtime, ref, &message), TR_OK);
}

static void
send_all(tr_runtime *runtime, tr_ref to)
{
    for (unsigned i = 0; i < HELD; i++)
        stage_send(runtime, to, NUMBER, NULL, 0);
}

static void
what_is_held_from_outside_counts_as_not_read_until_it_is(void **state)
{
    struct tr_runtime_options options = {.workers = 1, .pinning = TR_PINNING_NEVER, .outside_limit = HELD};
    tr_runtime *runtime = NULL;
    (void)state;
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    tr_ref ref = reserve(runtime);
    send_all(runtime, ref);
    tr_message more = tr_message_signal(NUMBER);
    assert_int_equal(tr_runtime_send(runtime, ref, &more), TR_EFULL);
    give_birth(runtime, ref, &late);
    tally_await(&received, HELD);
    send_all(runtime, ref); /* there is room for as many again */
    tally_await(&received, 2 * HELD);
    stage_close(runtime);
}

/* -- Stops that come first. -- */

static tr_runtime *
open_with_undertaker(void)
{
    tr_runtime *runtime = stage_open(1);
    assert_int_equal(tr_dead_letters_subscribe(runtime, stage_spawn(runtime, &undertaker, 0, NULL)), TR_OK);
    return runtime;
}

static void
expect_reasons(enum tr_dead_reason reason)
{
    for (unsigned i = 0; i < HELD; i++)
        assert_int_equal(reasons[i], reason);
}

static bool
all_have_ended(void *ignored)
{
    (void)ignored;
    return tally_read(&received) + tally_read(&letters) == HELD;
}

static void
who_is_asked_to_stop_before_it_is_there_is_asked_when_it_is(void **state)
{
    static const unsigned handled[] = {HELD, 0, 0}, ends[] = {1, 1, 0}; /* by how */
    (void)state;
    for (unsigned how = TR_STOP_DRAIN; how <= TR_STOP_KILL; how++) {
        reset(NULL);
        tr_runtime *runtime = open_with_undertaker();
        tr_ref ref = reserve(runtime);
        send_all(runtime, ref);
        assert_int_equal(tr_runtime_stop_actor(runtime, ref, (enum tr_stop_mode)how), TR_OK);
        give_birth(runtime, ref, &late);
        assert_true(tests_wait_until(all_have_ended, NULL, TESTS_LIMIT_MS));
        stage_close(runtime);
        assert_int_equal(tally_read(&received), handled[how]);
        assert_int_equal(tally_read(&stopped), ends[how]);
        if (how != TR_STOP_DRAIN)
            expect_reasons(TR_DEAD_STOPPED);
    }
}

/* -- Those that never come. -- */

static void
mail_that_waited_for_an_actor_whose_init_fails_dies_of_that(void **state)
{
    (void)state;
    tr_runtime *runtime = open_with_undertaker();
    tr_ref ref = reserve(runtime);
    send_all(runtime, ref);
    give_birth(runtime, ref, &failing);
    tally_await(&letters, HELD);
    stage_close(runtime);
    expect_reasons(TR_DEAD_INIT_FAILED);
    assert_int_equal(tally_read(&received), 0);
}

static void
mail_for_one_that_does_not_come_before_the_runtimes_end_is_counted(void **state)
{
    struct tr_stop_report report;
    (void)state;
    tr_runtime *runtime = stage_open(1);
    send_all(runtime, reserve(runtime));
    assert_int_equal(tr_runtime_spawn(runtime, &failing, NULL, NULL), TR_EINIT); /* what came before is held by now */
    assert_int_equal(tr_runtime_stop(runtime, 0, &report), TR_OK);
    assert_int_equal(report.dead_letters, HELD);
    assert_int_equal(report.killed, 0);
}

/* -- Those that are watched, or linked, before they are there. -- */

static tr_status
fail_in_init(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    tr_fail(self, TR_EPROTO, "in init");
    return TR_OK;
}

static bool
stay(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)self;
    (void)state;
    (void)how;
    return false;
}

static void
watch(tr_actor *self, void *argument)
{
    assert_int_equal(tr_monitor_start(self, *(const tr_ref *)argument, NULL), TR_OK);
}

static void
link_with(tr_actor *self, void *argument)
{
    assert_int_equal(tr_link(self, *(const tr_ref *)argument), TR_OK);
}

static void
fail_now(tr_actor *self, void *argument)
{
    (void)argument;
    tr_fail(self, TR_EIO, "first");
}

static void
expect_down(tr_ref actor, tr_status status, const char *text)
{
    const struct puppet_note *down = puppet_await(1);
    assert_int_equal(down->tag, TR_TAG_DOWN);
    assert_int_equal(down->from, actor);
    assert_int_equal(down->status, status);
    assert_string_equal(down->text, text);
}

static void
who_watches_it_before_it_is_there_is_told_of_a_failure_in_its_init(void **state)
{
    static const struct tr_behavior hasty = {.name = "hasty", .init = fail_in_init, .receive = count_receive};
    (void)state;
    puppet_forget();
    tr_runtime *runtime = stage_open(1);
    tr_ref watcher = puppet_spawn(runtime, 0), ref = reserve(runtime);
    puppet_do(runtime, watcher, watch, &ref);
    give_birth(runtime, ref, &hasty);
    expect_down(ref, TR_EPROTO, "in init");
    stage_close(runtime);
}

static void
who_is_linked_with_it_before_it_is_there_fails_it_and_does_not_ask(void **state)
{
    static const struct tr_behavior stubborn = {.name = "stubborn", .receive = count_receive, .stopping = stay};
    (void)state;
    puppet_forget();
    tr_runtime *runtime = stage_open(1);
    tr_ref watcher = puppet_spawn(runtime, 0), other = puppet_spawn(runtime, 0), ref = reserve(runtime);
    puppet_do(runtime, watcher, watch, &ref);
    puppet_do(runtime, other, link_with, &ref);
    puppet_order(runtime, other, fail_now, NULL);
    tally_await(&puppet_stopped, 1);
    give_birth(runtime, ref, &stubborn);
    expect_down(ref, TR_EIO, "first");
    stage_close(runtime);
}

/* At the end of the runtime, after it is certain that it does not come. */

static struct tally begun, killing;

static bool
say_that_they_are_killed(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)self;
    (void)state;
    if (how == TR_STOP_KILL)
        tally_add(&killing, 1);
    return how == TR_STOP_KILL;
}

/* Its worker is the last to be killed: so what it sends comes when the other has been. */
static void
link_and_watch_at_last(tr_actor *self, void *argument)
{
    tally_add(&begun, 1);
    tally_await(&killing, 1);
    watch(self, argument);
    link_with(self, argument);
}

static void
who_watches_it_at_the_runtimes_end_leaves_nothing_behind(void **state)
{
    static const struct tr_behavior first = {
        .name = "first", .receive = count_receive, .stopping = say_that_they_are_killed};
    (void)state;
    begun = killing = (struct tally){0};
    tr_runtime *runtime = stage_open(2);
    tr_ref ref = reserve(runtime);
    stage_send(runtime, ref, NUMBER, NULL, 0);
    stage_spawn(runtime, &first, 0, NULL);
    puppet_order(runtime, puppet_spawn(runtime, 1), link_and_watch_at_last, &ref);
    tally_await(&begun, 1);
    assert_int_equal(tr_runtime_stop(runtime, 0, NULL), TR_ETIMEDOUT_STOP); /* a sanitizer counts what is left */
}

/* -- Is it gone? -- */

struct probes {
    tr_ref coming, gone;
};

static void
prober_receive(tr_actor *self, void *state, tr_message *message)
{
    const struct probes *probes = tr_message_data(message);
    if (message->tag == NUMBER) {
        assert_true(tri_actor_probe(tri_actor_worker(self), tr_self(self), probes->coming));
        assert_true(tri_actor_probe(tri_actor_worker(self), tr_self(self), tr_self(self)));
        assert_true(tri_actor_probe(tri_actor_worker(self), tr_self(self), probes->gone)); /* the last to be answered */
    } else {
        undertaker_receive(self, state, message);
    }
}

static void
a_probe_tells_of_those_that_are_gone_and_not_of_those_that_come(void **state)
{
    static const struct tr_behavior prober = {.name = "prober", .receive = prober_receive};
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref asker = stage_spawn(runtime, &prober, 0, NULL);
    struct probes probes = {reserve(runtime), asker + 7};
    stage_send(runtime, asker, NUMBER, &probes, sizeof(probes));
    tally_await(&undelivered, 1);
    give_birth(runtime, probes.coming, &late);
    stage_close(runtime); /* all that was sent is handled by then */
    assert_int_equal(tally_read(&undelivered), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_held_from_outside_counts_as_not_read_until_it_is, reset),
        cmocka_unit_test_setup(who_is_asked_to_stop_before_it_is_there_is_asked_when_it_is, reset),
        cmocka_unit_test_setup(mail_that_waited_for_an_actor_whose_init_fails_dies_of_that, reset),
        cmocka_unit_test_setup(mail_for_one_that_does_not_come_before_the_runtimes_end_is_counted, reset),
        cmocka_unit_test_setup(who_watches_it_before_it_is_there_is_told_of_a_failure_in_its_init, reset),
        cmocka_unit_test_setup(who_is_linked_with_it_before_it_is_there_fails_it_and_does_not_ask, reset),
        cmocka_unit_test_setup(who_watches_it_at_the_runtimes_end_leaves_nothing_behind, reset),
        cmocka_unit_test_setup(a_probe_tells_of_those_that_are_gone_and_not_of_those_that_come, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
