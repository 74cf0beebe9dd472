/*
 * What an actor works at: the deadline that goes on from one handler to the next, what becomes of contexts, and of
 * questions and answers that are set aside, rejected or not as they must be.
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
#include <troupe/actors/become.h>
#include <troupe/actors/failure.h>
#include <troupe/core/options.h>

#define LONG_MS 60000u
#define SHORT_MS 2000u

enum { ECHO = 1, NEVER, WORK, REJECT, FAIL, REFUSE, AGAIN, ANSWER, OTHER };

static struct tally over, destroyed, begun, seen;
static struct tr_answer outcome; /* message and text are gone */
static uint64_t lefts[4];        /* what tr_time_left() said */
static tr_ref oracle;

static int
forget(void **state)
{
    (void)state;
    puppet_forget();
    over = destroyed = begun = seen = (struct tally){0};
    outcome = (struct tr_answer){0};
    for (unsigned i = 0; i < 4; i++)
        lefts[i] = 0;
    return 0;
}

/* Who is asked. */

static void
echo(tr_actor *self)
{
    tr_message answer = tr_message_copy(ANSWER, &(uint64_t){7}, sizeof(uint64_t));
    assert_int_equal(tr_reply(self, &answer), TR_OK);
}

static void
keep(tr_actor *self)
{
    tr_question kept;
    assert_int_equal(tr_question_keep(self, &kept), TR_OK);
}

static void
oracle_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    switch (message->tag) {
    case ECHO: echo(self); break;
    case NEVER: keep(self); break;
    case REJECT: assert_int_equal(tr_reject(self, message), TR_OK); break;
    case FAIL: tr_fail(self, (tr_status)message->payload.words[0], "no"); break;
    case REFUSE: assert_int_equal(tr_refuse(self, (tr_status)message->payload.words[0]), TR_OK); break;
    case AGAIN: /* it rejects what it was given, and answers all the same */
        assert_int_equal(tr_reject(self, message), TR_OK);
        echo(self);
        break;
    default: break;
    }
}

static const struct tr_behavior oracle_behavior = {.name = "oracle", .receive = oracle_receive};

/* Who asks. */

static void
on_outcome(tr_actor *self, void *context, const struct tr_answer *answer)
{
    (void)self;
    (void)context;
    outcome = *answer;
    tally_add(&over, 1);
}

static void
on_destroy(void *context)
{
    tally_add(context, 1);
}

struct asking {
    tr_ref to;
    uint32_t tag;
    uint64_t number;
    uint64_t timeout_ms;
    bool (*fits)(const tr_message *answer);
    tr_ask_id id;
};

static void
ask(tr_actor *self, void *argument)
{
    struct asking *asking = argument;
    struct tr_ask_options options = {.timeout_ms = asking->timeout_ms,
                                     .done = on_outcome,
                                     .context = &destroyed,
                                     .destroy = on_destroy,
                                     .fits = asking->fits,
                                     .id = &asking->id};
    tr_message question = tr_message_copy(asking->tag, &asking->number, sizeof(asking->number));
    assert_int_equal(tr_ask(self, asking->to, &question, &options), TR_OK);
}

struct world {
    tr_runtime *runtime;
    tr_ref asker, oracle;
};

static struct world
open_world(unsigned worker)
{
    tr_runtime *runtime = stage_open(2);
    oracle = stage_spawn(runtime, &oracle_behavior, worker, NULL);
    return (struct world){runtime, puppet_spawn(runtime, 0), oracle};
}

static void
ask_once(const struct world *world, uint32_t tag, int64_t number)
{
    struct asking asking = {.to = world->oracle, .tag = tag, .number = (uint64_t)number, .timeout_ms = LONG_MS};
    uint64_t before = tally_read(&over);
    puppet_do(world->runtime, world->asker, ask, &asking);
    tally_await(&over, before + 1);
}

/* -- A deadline goes on. -- */

/* It asks in turn, once before and once after it has kept its question; and from the outcome again. */
struct middle {
    tr_question kept;
    unsigned notes;
};

static void
note_left(tr_actor *self, struct middle *middle)
{
    lefts[middle->notes++] = tr_time_left(self);
}

static void
on_second(tr_actor *self, void *context, const struct tr_answer *answer)
{
    struct middle *middle = context;
    assert_int_equal(answer->outcome, TR_ANSWERED);
    note_left(self, middle);
    tr_message own = tr_message_copy(ANSWER, &(uint64_t){7}, sizeof(uint64_t));
    assert_int_equal(tr_question_reply(self, &middle->kept, &own), TR_OK);
}

static void
ask_on(tr_actor *self, struct middle *middle, void (*done)(tr_actor *, void *, const struct tr_answer *))
{
    struct tr_ask_options options = {.timeout_ms = LONG_MS, .done = done, .context = middle};
    tr_message question = tr_message_signal(ECHO);
    assert_int_equal(tr_ask(self, oracle, &question, &options), TR_OK);
}

static void
on_first(tr_actor *self, void *context, const struct tr_answer *answer)
{
    assert_int_equal(answer->outcome, TR_ANSWERED);
    note_left(self, context);
    ask_on(self, context, on_second);
}

static void
middle_receive(tr_actor *self, void *state, tr_message *message)
{
    struct middle *middle = state;
    if (message->tag != WORK)
        return;
    assert_int_equal(tr_question_keep(self, &middle->kept), TR_OK);
    note_left(self, middle);
    ask_on(self, middle, on_first);
}

static const struct tr_behavior middle_behavior = {
    .name = "middle", .state_size = sizeof(struct middle), .receive = middle_receive};

static void
a_deadline_goes_on_to_what_is_asked_when_outcomes_are_handled(void **state)
{
    for (unsigned worker = 0; worker < 2; worker++) {
        forget(state);
        struct world world = open_world(1 - worker);
        struct asking asking = {
            .to = stage_spawn(world.runtime, &middle_behavior, worker, NULL), .tag = WORK, .timeout_ms = SHORT_MS};
        puppet_do(world.runtime, world.asker, ask, &asking);
        tally_await(&over, 1);
        assert_int_equal(outcome.outcome, TR_ANSWERED);
        for (unsigned i = 0; i < 3; i++)
            assert_in_range(lefts[i], 0, SHORT_MS + 2);
        stage_close(world.runtime);
    }
}

/* The one that it asks never answers: who asked first and who asked in turn give up together, though the latter would
 * wait for an hour. */
static void
on_in_vain(tr_actor *self, void *context, const struct tr_answer *answer)
{
    (void)self;
    (void)context;
    assert_int_equal(answer->outcome, TR_TIMED_OUT);
    tally_add(&seen, 1);
}

static void
keep_and_ask_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_question kept;
    struct tr_ask_options options = {.timeout_ms = LONG_MS * 60, .done = on_in_vain};
    (void)state;
    if (message->tag != WORK)
        return;
    assert_int_equal(tr_question_keep(self, &kept), TR_OK);
    tally_add(&begun, 1);
    tr_message question = tr_message_signal(NEVER);
    assert_int_equal(tr_ask(self, oracle, &question, &options), TR_OK);
}

static void
a_handler_that_has_kept_its_question_asks_within_its_deadline(void **state)
{
    static const struct tr_behavior behavior = {.name = "keeps", .receive = keep_and_ask_receive};
    (void)state;
    struct world world = open_world(1);
    struct asking asking = {.to = stage_spawn(world.runtime, &behavior, 0, NULL), .tag = WORK, .timeout_ms = 20};
    for (unsigned i = 0; tally_read(&begun) == 0; i++) { /* one may come too late to be begun */
        puppet_do(world.runtime, world.asker, ask, &asking);
        tally_await(&over, i + 1);
        assert_int_equal(outcome.outcome, TR_TIMED_OUT);
    }
    tally_await(&seen, 1); /* and not after an hour */
    stage_close(world.runtime);
}

/* What is asked after the answer is for oneself. */
static void
answer_and_ask_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag != WORK)
        return;
    lefts[0] = tr_time_left(self);
    echo(self);
    lefts[1] = tr_time_left(self);
}

static void
a_deadline_ends_with_the_answer(void **state)
{
    static const struct tr_behavior behavior = {.name = "answers", .receive = answer_and_ask_receive};
    (void)state;
    struct world world = open_world(1);
    struct asking asking = {.to = stage_spawn(world.runtime, &behavior, 0, NULL), .tag = WORK, .timeout_ms = SHORT_MS};
    puppet_do(world.runtime, world.asker, ask, &asking);
    tally_await(&over, 1);
    assert_in_range(lefts[0], 0, SHORT_MS + 2);
    assert_true(lefts[1] == UINT64_MAX);
    stage_close(world.runtime);
}

/* -- Work whose deadline has passed. -- */

static struct tally late;

/* It is quick, but for one message that takes longer than the question behind it may wait. */
static void
sluggish_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag == WORK)
        tests_hold(10);
    else if (message->tag == NEVER)
        tally_add(&late, 1);
    else if (message->tag == AGAIN)
        tally_add(&seen, 1);
}

static const struct tr_behavior sluggish = {.name = "sluggish", .receive = sluggish_receive};

/* All of them are in the queue before the first is handled; only the question can be late, since it is asked before. */
static void
hold_up(tr_actor *self, void *argument)
{
    const tr_ref *to = argument;
    struct tr_ask_options options = {.timeout_ms = 1, .done = on_outcome};
    tr_message question = tr_message_signal(NEVER);
    for (unsigned i = 0; i < 300; i++)
        tr_tell(self, *to, OTHER, NULL, 0);
    tr_tell(self, *to, WORK, NULL, 0);
    assert_int_equal(tr_ask(self, *to, &question, &options), TR_OK);
    tr_tell(self, *to, AGAIN, NULL, 0);
}

static void
behind_a_message_that_took_long_no_work_begins_whose_deadline_has_passed(void **state)
{
    (void)state;
    late = (struct tally){0};
    tr_runtime *runtime = stage_open(1);
    tr_ref asker = puppet_spawn(runtime, 0), to = stage_spawn(runtime, &sluggish, 0, NULL);
    for (unsigned i = 0; i < 20; i++) {
        puppet_do(runtime, asker, hold_up, &to);
        tally_await(&seen, i + 1);
        tally_await(&over, i + 1);
    }
    stage_close(runtime);
    assert_int_equal(tally_read(&late), 0);
}

/* -- Contexts. -- */

static void
cancel(tr_actor *self, void *argument)
{
    struct asking *asking = argument;
    assert_int_equal(tally_read(&destroyed), 0);
    assert_int_equal(tr_ask_cancel(self, asking->id), TR_OK);
    assert_int_equal(tally_read(&destroyed), 1);
}

static void
each_context_is_given_to_the_callback_or_destroyed(void **state)
{
    (void)state;
    struct world world = open_world(1);
    ask_once(&world, ECHO, 0);
    assert_int_equal(tally_read(&destroyed), 0);
    struct asking asking = {.to = world.oracle, .tag = NEVER, .timeout_ms = LONG_MS};
    puppet_do(world.runtime, world.asker, ask, &asking);
    puppet_do(world.runtime, world.asker, cancel, &asking);
    for (unsigned i = 0; i < 3; i++)
        puppet_do(world.runtime, world.asker, ask, &asking);
    assert_int_equal(tr_runtime_stop_actor(world.runtime, world.asker, TR_STOP_NOW), TR_OK);
    tally_await(&destroyed, 4);
    stage_close(world.runtime);
    assert_int_equal(tally_read(&destroyed), 4);
    assert_int_equal(tally_read(&over), 1);
}

static void
a_killing_destroys_contexts_too(void **state)
{
    (void)state;
    struct world world = open_world(1);
    struct asking asking = {.to = world.oracle, .tag = NEVER, .timeout_ms = LONG_MS};
    puppet_do(world.runtime, world.asker, ask, &asking);
    tr_runtime_stop(world.runtime, 0, NULL);
    assert_int_equal(tally_read(&destroyed) + tally_read(&over), 1);
}

static void
ask_wrongly(tr_actor *self, void *argument)
{
    struct tr_ask_options options = {.done = on_outcome, .context = &destroyed, .destroy = on_destroy};
    tr_message question = tr_message_signal(ECHO);
    (void)argument;
    assert_int_equal(tr_ask(self, tr_self(self), &question, &options), TR_ESELF);
}

static void
a_question_that_is_not_asked_destroys_nothing(void **state)
{
    (void)state;
    struct world world = open_world(1);
    puppet_do(world.runtime, world.asker, ask_wrongly, NULL);
    stage_close(world.runtime);
    assert_int_equal(tally_read(&destroyed), 0);
}

/* -- What is wrong with a question, or with its answer. -- */

static uint64_t
dead_letters(tr_runtime *runtime)
{
    struct tr_counters counters;
    tests_counters_add_up(runtime);
    tr_runtime_counters(runtime, &counters);
    return counters.dead_letters;
}

static void
who_asks_what_is_rejected_hears_so(void **state)
{
    for (unsigned worker = 0; worker < 2; worker++) {
        forget(state);
        struct world world = open_world(worker);
        ask_once(&world, REJECT, 0);
        assert_int_equal(outcome.outcome, TR_DOWN);
        assert_int_equal(outcome.status, TR_EBADMESSAGE);
        assert_int_equal(dead_letters(world.runtime), 1);
        ask_once(&world, AGAIN, 0);
        assert_int_equal(outcome.outcome, TR_ANSWERED);
        stage_close(world.runtime);
        assert_int_equal(tally_read(&over), 2);
    }
}

/* A question is answered with ENOREPLY after what another message, rejected before, has left behind. */
static void
a_rejected_message_means_nothing_to_the_next_question(void **state)
{
    (void)state;
    struct world world = open_world(0);
    ask_once(&world, REJECT, 0);
    stage_send(world.runtime, world.oracle, REJECT, NULL, 0);
    ask_once(&world, OTHER, 0);
    assert_int_equal(outcome.status, TR_ENOREPLY);
    stage_close(world.runtime);
}

static bool
is_small(const tr_message *answer)
{
    return answer->tag == ANSWER && answer->kind == TR_PAYLOAD_BYTES && tr_message_size(answer) < sizeof(uint64_t);
}

static bool
is_a_number(const tr_message *answer)
{
    return answer->tag == ANSWER && answer->kind == TR_PAYLOAD_BYTES && tr_message_size(answer) == sizeof(uint64_t);
}

static void
an_answer_that_does_not_fit_is_a_dead_letter_and_no_answer(void **state)
{
    for (unsigned worker = 0; worker < 2; worker++) {
        forget(state);
        struct world world = open_world(worker);
        struct asking asking = {.to = oracle, .tag = ECHO, .timeout_ms = LONG_MS, .fits = is_a_number};
        puppet_do(world.runtime, world.asker, ask, &asking);
        tally_await(&over, 1);
        assert_int_equal(outcome.outcome, TR_ANSWERED);
        assert_int_equal(dead_letters(world.runtime), 0);
        asking.fits = is_small;
        puppet_do(world.runtime, world.asker, ask, &asking);
        tally_await(&over, 2);
        assert_int_equal(outcome.outcome, TR_DOWN);
        assert_int_equal(outcome.status, TR_EBADMESSAGE);
        assert_null(outcome.message);
        assert_int_equal(dead_letters(world.runtime), 1);
        stage_close(world.runtime);
    }
}

static void
who_fails_or_refuses_is_down_whatever_the_status(void **state)
{
    static const tr_status statuses[] = {TR_EDEADLINE, TR_EFULL, TR_EMEMORYLIMIT, TR_ENOMEM, TR_EPROTO};
    (void)state;
    struct world world = open_world(1);
    for (unsigned i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        ask_once(&world, REFUSE, statuses[i]);
        assert_int_equal(outcome.outcome, TR_DOWN);
        assert_int_equal(outcome.status, statuses[i]);
        struct world one = world;
        one.oracle = stage_spawn(world.runtime, &oracle_behavior, i % 2, NULL);
        ask_once(&one, FAIL, statuses[i]);
        assert_int_equal(outcome.outcome, TR_DOWN);
        assert_int_equal(outcome.status, statuses[i]);
    }
    stage_close(world.runtime);
}

/* -- Set aside. -- */

static tr_ask_id asked, answered[2];

/* It asks, sets the outcome aside, and brings it back. */
static void
stasher_receive(tr_actor *self, void *state, tr_message *message)
{
    bool *has_seen = state;
    struct tr_ask_options options = {.timeout_ms = LONG_MS, .id = &asked};
    if (message->tag == WORK) {
        tr_message question = tr_message_signal((uint32_t)message->payload.words[0]);
        assert_int_equal(tr_ask(self, oracle, &question, &options), TR_OK);
        return;
    }
    answered[*has_seen] = tr_answers(self);
    lefts[*has_seen] = tr_time_left(self);
    if (!*has_seen) {
        *has_seen = true;
        assert_int_equal(tr_stash(self, message), TR_OK);
        assert_int_equal(tr_unstash(self), 1);
        return;
    }
    *has_seen = false;
    outcome.status = message->tag == ANSWER ? TR_OK : ((const struct tr_unanswered *)tr_message_data(message))->status;
    tally_add(&over, 1);
}

static const struct tr_behavior stasher = {.name = "stasher", .state_size = sizeof(bool), .receive = stasher_receive};

static void
what_answers_a_question_answers_it_again_when_it_was_set_aside(void **state)
{
    for (unsigned worker = 0; worker < 2; worker++) {
        forget(state);
        struct world world = open_world(worker);
        tr_ref self = stage_spawn(world.runtime, &stasher, 0, NULL);
        stage_send(world.runtime, self, WORK, &(uint64_t){ECHO}, sizeof(uint64_t));
        tally_await(&over, 1);
        assert_true(answered[0] == asked && answered[1] == asked);
        assert_int_equal(outcome.status, TR_OK);
        stage_send(world.runtime, self, WORK, &(uint64_t){OTHER}, sizeof(uint64_t));
        tally_await(&over, 2);
        assert_true(answered[0] == asked && answered[1] == asked);
        assert_int_equal(outcome.status, TR_ENOREPLY);
        tests_counters_add_up(world.runtime);
        stage_close(world.runtime);
    }
}

/* The same of one that asks because it was asked. */
static void
an_answer_that_was_set_aside_keeps_its_deadline(void **state)
{
    (void)state;
    struct world world = open_world(1);
    struct asking asking = {
        .to = stage_spawn(world.runtime, &stasher, 0, NULL), .tag = WORK, .number = ECHO, .timeout_ms = SHORT_MS};
    puppet_do(world.runtime, world.asker, ask, &asking);
    tally_await(&over, 2); /* the stasher gives no answer */
    for (unsigned i = 0; i < 2; i++)
        assert_in_range(lefts[i], 0, SHORT_MS + 2);
    stage_close(world.runtime);
}

#define TEST(name) cmocka_unit_test_setup(name, forget)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_deadline_goes_on_to_what_is_asked_when_outcomes_are_handled),
        TEST(a_handler_that_has_kept_its_question_asks_within_its_deadline),
        TEST(a_deadline_ends_with_the_answer),
        TEST(behind_a_message_that_took_long_no_work_begins_whose_deadline_has_passed),
        TEST(each_context_is_given_to_the_callback_or_destroyed),
        TEST(a_killing_destroys_contexts_too),
        TEST(a_question_that_is_not_asked_destroys_nothing),
        TEST(who_asks_what_is_rejected_hears_so),
        TEST(a_rejected_message_means_nothing_to_the_next_question),
        TEST(an_answer_that_does_not_fit_is_a_dead_letter_and_no_answer),
        TEST(who_fails_or_refuses_is_down_whatever_the_status),
        TEST(what_answers_a_question_answers_it_again_when_it_was_set_aside),
        TEST(an_answer_that_was_set_aside_keeps_its_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
