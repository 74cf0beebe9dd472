/*
 * Questions that are kept and then forwarded: an actor in front of others.
 */
#include "counters.h"
#include "helpers.h"
#include "puppet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <troupe/actors/ask.h>
#include <troupe/testing.h>

#define LONG_MS 60000u

enum { KEEP = 1, HAND_ON, REPLY, TWICE, ANSWER };

/* What the keeper is to do with the question that it has. */
struct order {
    tr_ref to;
    tr_status expected;
};

static struct tally over, ordered;
static struct tr_answer outcome; /* message and text are gone */
static uint64_t number, time_left;
static tr_ref answered_by;

static int
forget(void **state)
{
    (void)state;
    puppet_forget();
    over = ordered = (struct tally){0};
    return 0;
}

/* Who keeps, and forwards. */

static void
hand_on(tr_actor *self, tr_question *question, const struct order *order)
{
    tr_message message = tr_message_copy(TWICE, &(uint64_t){21}, sizeof(uint64_t));
    assert_int_equal(tr_question_forward(self, question, order->to, &message), order->expected);
    bool none = order->expected == TR_OK || order->expected == TR_EDEADLINE;
    assert_int_equal(question->asker == TR_NOBODY, none);
    assert_int_equal(tr_message_size(&message), order->expected == TR_OK ? 0 : sizeof(uint64_t));
    if (none)
        assert_int_equal(tr_question_forward(self, question, order->to, &message), TR_ENOQUESTION);
}

static void
keeper_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_message answer = tr_message_copy(ANSWER, &(uint64_t){1}, sizeof(uint64_t));
    switch (message->tag) {
    case KEEP: assert_int_equal(tr_question_keep(self, state), TR_OK); break;
    case HAND_ON: hand_on(self, state, tr_message_data(message)); break;
    case REPLY: assert_int_equal(tr_question_reply(self, state, &answer), TR_OK); break;
    default: break;
    }
    tally_add(&ordered, 1);
}

static const struct tr_behavior keeper = {
    .name = "keeper", .state_size = sizeof(tr_question), .receive = keeper_receive};

/* To whom. */

static void
doubler_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag != TWICE)
        return;
    uint64_t twice = *(const uint64_t *)tr_message_data(message) * 2;
    tr_message answer = tr_message_copy(ANSWER, &twice, sizeof(twice));
    time_left = tr_time_left(self);
    assert_int_equal(tr_reply(self, &answer), TR_OK);
}

static const struct tr_behavior doubler = {.name = "doubler", .receive = doubler_receive};

/* Who asks. */

static void
on_outcome(tr_actor *self, void *context, const struct tr_answer *answer)
{
    (void)self;
    (void)context;
    outcome = *answer;
    if (answer->message != NULL) {
        number = *(const uint64_t *)tr_message_data(answer->message);
        answered_by = answer->message->from;
    }
    tally_add(&over, 1);
}

struct asking {
    tr_ref to;
    uint64_t timeout_ms;
};

static void
ask(tr_actor *self, void *argument)
{
    const struct asking *asking = argument;
    struct tr_ask_options options = {.timeout_ms = asking->timeout_ms, .done = on_outcome};
    tr_message question = tr_message_signal(KEEP);
    assert_int_equal(tr_ask(self, asking->to, &question, &options), TR_OK);
}

struct world {
    tr_runtime *runtime;
    tr_ref keeper, doubler;
};

/* The asker is on worker 0; the keeper has his question. */
static struct world
open_world(unsigned keepers, unsigned doublers, uint64_t timeout_ms)
{
    struct world world = {.runtime = stage_open(2)};
    world.keeper = stage_spawn(world.runtime, &keeper, keepers, NULL);
    world.doubler = stage_spawn(world.runtime, &doubler, doublers, NULL);
    struct asking asking = {world.keeper, timeout_ms};
    puppet_do(world.runtime, puppet_spawn(world.runtime, 0), ask, &asking);
    tally_await(&ordered, 1);
    return world;
}

static void
order(const struct world *world, tr_ref to, tr_status expected)
{
    uint64_t before = tally_read(&ordered);
    struct order words = {to, expected};
    stage_send(world->runtime, world->keeper, HAND_ON, &words, sizeof(words));
    tally_await(&ordered, before + 1);
}

static bool
is_gone(void *runtime)
{
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    return counters.actors == 2; /* the keeper, and who asks */
}

static void
stop_doubler(const struct world *world)
{
    assert_int_equal(tr_runtime_stop_actor(world->runtime, world->doubler, TR_STOP_NOW), TR_OK);
    assert_true(tests_wait_until(is_gone, world->runtime, TESTS_LIMIT_MS));
}

/* The keeper's end, afterwards, means nothing to the asker: not one word is sent that nobody receives. */
static void
a_kept_question_can_be_forwarded_and_then_is_the_others(void **state)
{
    for (unsigned way = 0; way < 4; way++) {
        forget(state);
        struct world world = open_world(way % 2, way / 2, LONG_MS);
        order(&world, world.doubler, TR_OK);
        tally_await(&over, 1);
        assert_int_equal(outcome.outcome, TR_ANSWERED);
        assert_int_equal(number, 42);
        assert_true(answered_by == world.doubler && outcome.asked == world.keeper);
        assert_true(time_left > 0 && time_left <= LONG_MS + 2);
        assert_int_equal(tr_runtime_stop_actor(world.runtime, world.keeper, TR_STOP_NOW), TR_OK);
        tests_counters_add_up(world.runtime);
        struct tr_counters counters;
        tr_runtime_counters(world.runtime, &counters);
        assert_int_equal(counters.dead_letters + counters.notices_lost, 0);
        stage_close(world.runtime);
        assert_int_equal(tally_read(&over), 1);
    }
}

static void
a_kept_question_that_cannot_be_forwarded_can_still_be_answered(void **state)
{
    (void)state;
    struct world world = open_world(1, 1, LONG_MS);
    stop_doubler(&world);
    order(&world, world.doubler, TR_EGONE);
    order(&world, world.keeper, TR_ESELF);
    order(&world, TR_NOBODY, TR_EBADREF);
    order(&world, UINT64_MAX, TR_EBADREF);
    stage_send(world.runtime, world.keeper, REPLY, NULL, 0);
    tally_await(&over, 1);
    assert_int_equal(outcome.outcome, TR_ANSWERED);
    assert_int_equal(number, 1);
    stage_close(world.runtime);
}

/* On another worker it is found out there. */
static void
who_asked_is_told_when_the_question_was_forwarded_to_nobody(void **state)
{
    (void)state;
    struct world world = open_world(0, 1, LONG_MS);
    stop_doubler(&world);
    order(&world, world.doubler, TR_OK);
    tally_await(&over, 1);
    assert_int_equal(outcome.outcome, TR_DOWN);
    assert_int_equal(outcome.status, TR_EGONE);
    stage_close(world.runtime);
}

static void
a_kept_question_is_not_forwarded_after_its_deadline(void **state)
{
    (void)state;
    tr_runtime *simulated;
    assert_int_equal(tr_testing_start(&(struct tr_testing_options){.workers = 2}, &simulated), TR_OK);
    tr_ref front = stage_spawn(simulated, &keeper, 1, NULL), behind = stage_spawn(simulated, &doubler, 1, NULL);
    puppet_order(simulated, puppet_spawn(simulated, 0), ask, &(struct asking){front, 1000});
    tr_testing_run(simulated);
    assert_int_equal(tally_read(&ordered), 1); /* it is kept */
    tr_testing_advance(simulated, 1001);
    assert_int_equal(tally_read(&over), 1);
    assert_int_equal(outcome.outcome, TR_TIMED_OUT);
    struct order words = {behind, TR_EDEADLINE};
    stage_send(simulated, front, HAND_ON, &words, sizeof(words));
    tr_testing_run(simulated);
    assert_int_equal(tally_read(&ordered), 2);
    stage_close(simulated);
    assert_int_equal(tally_read(&over), 1);
}

static void
try_mistakes(tr_actor *self, void *argument)
{
    const tr_ref *to = argument;
    tr_message message = tr_message_signal(TWICE), reserved = tr_message_signal(TWICE);
    tr_question none = {0};
    reserved.tag = TR_TAG_RESERVED;
    assert_int_equal(tr_question_forward(NULL, &none, *to, &message), TR_EINVAL);
    assert_int_equal(tr_question_forward(self, NULL, *to, &message), TR_EINVAL);
    assert_int_equal(tr_question_forward(self, &none, *to, NULL), TR_EINVAL);
    assert_int_equal(tr_question_forward(self, &none, *to, &reserved), TR_EBADTAG);
    assert_int_equal(tr_question_forward(self, &none, *to, &message), TR_ENOQUESTION);
}

static void
what_is_no_question_or_no_message_is_not_forwarded(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref to = stage_spawn(runtime, &doubler, 0, NULL);
    puppet_do(runtime, puppet_spawn(runtime, 0), try_mistakes, &to);
    stage_close(runtime);
}

#define TEST(name) cmocka_unit_test_setup(name, forget)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_kept_question_can_be_forwarded_and_then_is_the_others),
        TEST(a_kept_question_that_cannot_be_forwarded_can_still_be_answered),
        TEST(who_asked_is_told_when_the_question_was_forwarded_to_nobody),
        TEST(a_kept_question_is_not_forwarded_after_its_deadline),
        TEST(what_is_no_question_or_no_message_is_not_forwarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
