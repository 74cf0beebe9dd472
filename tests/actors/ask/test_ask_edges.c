/*
 * Asking at its edges: without any memory at the runtime's end, and when numbers come round.
 */
#include "actor_internal.h"
#include "counting.h"
#include "fault.h"
#include "puppet.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <troupe/actors/ask.h>

#define MOMENTS 40u

enum { QUESTION = 17 }; /* beyond what puppets know */

static struct tally over;
static tr_ref other;

static int
forget(void **state)
{
    (void)state;
    puppet_forget();
    over = (struct tally){0};
    return 0;
}

static void
on_outcome(tr_actor *self, void *context, const struct tr_answer *answer)
{
    (void)self;
    (void)context;
    (void)answer;
    tally_add(&over, 1);
}

static void
ask(tr_actor *self, uint64_t timeout_ms)
{
    struct tr_ask_options options = {.timeout_ms = timeout_ms, .done = on_outcome};
    tr_message question = tr_message_signal(QUESTION);
    assert_int_equal(tr_ask(self, other, &question, &options), TR_OK);
}

/* Asked to stop it asks somebody who never comes, takes all the nodes that its worker has for mail, and stays. */
static bool
ask_and_fill(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)state;
    if (how != TR_STOP_DRAIN)
        return true;
    ask(self, 1);
    fault_plan(FAULT_MEMORY, 1, INT_MAX, ENOMEM);
    while (tr_tell(self, other, QUESTION, NULL, 0) == TR_OK) {
    }
    return false;
}

static void
a_deadline_that_is_owed_at_the_runtimes_end_is_forgotten(void **state)
{
    static const struct tr_behavior asker = {.name = "asker", .receive = ignore, .stopping = ask_and_fill};
    (void)state;
    fault_spare_me(true);
    tr_runtime *runtime = stage_open(1);
    assert_int_equal(tri_slots_reserve(&tri_actors_of(runtime->core->workers[0])->slots, &other), TR_OK);
    stage_spawn(runtime, &asker, 0, NULL);
    assert_int_equal(tr_runtime_stop(runtime, 300, NULL), TR_ETIMEDOUT_STOP); /* the deadline passes before */
    assert_true(fault_met(FAULT_MEMORY) > 1);                                 /* each turn tries again */
    fault_clear();
    assert_int_equal(tally_read(&over), 0);
}

static void
ask_when_numbers_come_round(tr_actor *self, void *argument)
{
    tr_ask_id *ids = argument;
    self->home->questions = (UINT64_C(1) << 40) - 2;
    for (unsigned i = 0; i < 3; i++) {
        struct tr_ask_options options = {.done = on_outcome, .id = &ids[i]};
        tr_message question = tr_message_signal(QUESTION);
        assert_int_equal(tr_ask(self, other, &question, &options), TR_OK);
    }
}

static void
no_question_has_the_name_of_none(void **state)
{
    tr_ask_id ids[3];
    (void)state;
    tr_runtime *runtime = stage_open(1);
    other = puppet_spawn(runtime, 0); /* it does not answer */
    puppet_do(runtime, puppet_spawn(runtime, 0), ask_when_numbers_come_round, ids);
    tally_await(&over, 3);
    assert_int_equal(ids[0], (UINT64_C(1) << 40) - 1);
    assert_int_equal(ids[1], 1);
    assert_int_equal(ids[2], 2);
    stage_close(runtime);
}

/* -- Keeping. -- */

static struct tally kept;
static uint32_t most;

/* It keeps what it is asked, for others to answer. */
static void
keeper_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_question question;
    (void)state;
    (void)message;
    assert_int_equal(tr_question_keep(self, &question), TR_OK);
    if (self->home->kept.count > most)
        most = self->home->kept.count;
    tally_add(&kept, 1);
}

static const struct tr_behavior keeper = {.name = "keeper", .receive = keeper_receive};

static void
ask_for_long(tr_actor *self, void *argument)
{
    (void)argument;
    ask(self, UINT64_MAX);
}

static void
ask_for_a_moment(tr_actor *self, void *argument)
{
    (void)argument;
    ask(self, 1);
}

static void
what_was_kept_and_is_over_is_forgotten_behind_what_is_kept_for_ever(void **state)
{
    (void)state;
    kept = (struct tally){0};
    most = 0;
    tr_runtime *runtime = stage_open(1);
    tr_ref asker = puppet_spawn(runtime, 0);
    other = stage_spawn(runtime, &keeper, 0, NULL);
    puppet_do(runtime, asker, ask_for_long, NULL);
    for (unsigned i = 0; tally_read(&kept) < MOMENTS; i++) { /* some may come too late to be kept */
        puppet_do(runtime, asker, ask_for_a_moment, NULL);
        tally_await(&over, i + 1);
    }
    stage_close(runtime);
    assert_true(most < 10);
}

#define TEST(name) cmocka_unit_test_setup(name, forget)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_deadline_that_is_owed_at_the_runtimes_end_is_forgotten),
        TEST(no_question_has_the_name_of_none),
        TEST(what_was_kept_and_is_over_is_forgotten_behind_what_is_kept_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
