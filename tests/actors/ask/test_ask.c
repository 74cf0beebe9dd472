/*
 * Asking: each outcome, here and on another worker, and each once.
 */
#include "helpers.h"
#include "puppet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/ask.h>
#include <troupe/actors/failure.h>
#include <troupe/testing.h>

#define LONG_MS 60000u
#define MANY 2000u

/* Who is asked does what the tag says. */
enum {
    TWICE = 1, /* answers with twice the number */
    LATER,     /* keeps the question; NOW answers all that are kept */
    NOW,
    SILENCE, /* returns */
    LEAVE,   /* exits */
    FAIL,
    LEAVE_LATER, /* keeps it; GO exits */
    GO,
    PASS, /* forwards it to the actor whose ref the question carries, as TWICE */
    GIVE, /* keeps it, and gives it to that actor, which answers */
    GIVEN,
    ASK_BACK, /* asks that actor SILENTLY, without end, and answers with what comes of it */
    NEVER,    /* keeps it */
    ANSWER,
};

struct oracle {
    tr_question kept[64];
    unsigned count;
};

struct question {
    uint64_t number;
    tr_ref other;
};

struct outcome {
    enum tr_outcome outcome;
    tr_status status;
    uint64_t number;
    tr_ref from, asked;
    uint32_t tag;
    char text[512];
};

static struct outcome outcomes[MANY];
static struct tally over, handled;

static int
forget(void **state)
{
    (void)state;
    puppet_forget();
    over = handled = (struct tally){0};
    memset(outcomes, 0, sizeof(outcomes));
    return 0;
}

static void
answer(tr_actor *self, uint64_t number)
{
    tr_message message = tr_message_copy(ANSWER, &number, sizeof(number));
    assert_int_equal(tr_reply(self, &message), TR_OK);
    assert_int_equal(tr_reply(self, &message), TR_ENOQUESTION);
}

static void
answer_kept(tr_actor *self, tr_question *question, uint64_t number)
{
    tr_message message = tr_message_copy(ANSWER, &number, sizeof(number));
    tr_status status = tr_question_reply(self, question, &message);
    assert_true(status == TR_OK || status == TR_EGONE);
    assert_int_equal(tr_question_reply(self, question, &message), TR_ENOQUESTION);
}

static void
keep(tr_actor *self, struct oracle *oracle)
{
    assert_int_equal(tr_question_keep(self, &oracle->kept[oracle->count++ % 64]), TR_OK);
}

/* What came of asking on: the answer to the question that is kept. */
static void
on_asked_back(tr_actor *self, void *context, const struct tr_answer *got)
{
    struct oracle *oracle = context;
    answer_kept(self, &oracle->kept[0], (uint64_t)got->outcome);
}

static void
ask_back(tr_actor *self, struct oracle *oracle, const struct question *question)
{
    struct tr_ask_options options = {.timeout_ms = LONG_MS, .done = on_asked_back, .context = oracle};
    struct question next = {.number = 1, .other = tr_self(self)};
    tr_message message = tr_message_copy(NEVER, &next, sizeof(next));
    assert_int_equal(tr_ask(self, question->other, &message, &options), TR_OK);
    keep(self, oracle);
}

static void
hand_on(tr_actor *self, struct oracle *oracle, tr_message *message)
{
    struct question question = *(const struct question *)tr_message_data(message);
    if (message->tag == PASS) {
        tr_message next = tr_message_copy(TWICE, &question, sizeof(question));
        assert_int_equal(tr_forward(self, TR_NOBODY, &next), TR_EBADREF);
        assert_int_equal(tr_forward(self, tr_self(self), &next), TR_ESELF);
        assert_int_equal(tr_forward(self, question.other, &next), TR_OK);
        assert_int_equal(tr_reply(self, &next), TR_ENOQUESTION);
    } else {
        keep(self, oracle);
        assert_int_equal(tr_tell(self, question.other, GIVEN, &oracle->kept[0], sizeof(tr_question)), TR_OK);
    }
}

static void
oracle_receive(tr_actor *self, void *state, tr_message *message)
{
    struct oracle *oracle = state;
    const struct question *question = tr_message_data(message);
    tr_question given;
    tally_add(&handled, 1);
    switch (message->tag) {
    case TWICE: answer(self, question->number * 2); break;
    case LATER:
    case LEAVE_LATER:
    case NEVER: keep(self, oracle); break;
    case NOW:
        for (unsigned i = 0; i < oracle->count; i++)
            answer_kept(self, &oracle->kept[i], i);
        break;
    case LEAVE:
    case GO: tr_exit(self); break;
    case FAIL: tr_fail(self, TR_EPROTO, "no"); break;
    case PASS:
    case GIVE: hand_on(self, oracle, message); break;
    case GIVEN:
        given = *(const tr_question *)tr_message_data(message);
        answer_kept(self, &given, 77);
        break;
    case ASK_BACK: ask_back(self, oracle, question); break;
    default: break;
    }
}

static const struct tr_behavior oracle = {
    .name = "oracle", .state_size = sizeof(struct oracle), .receive = oracle_receive};

/* The askers are puppets. */

struct asking {
    tr_ref to, other;
    uint32_t tag;
    uint64_t number, timeout_ms;
    tr_ask_id id;
};

static void
on_outcome(tr_actor *self, void *context, const struct tr_answer *got)
{
    struct outcome *to = context;
    (void)self;
    *to = (struct outcome){got->outcome, got->status, 0, 0, got->asked, 0, ""};
    assert_int_equal(got->message != NULL, got->outcome == TR_ANSWERED);
    assert_int_equal(got->status == TR_OK, got->outcome == TR_ANSWERED);
    if (got->message != NULL) {
        to->number = got->message->payload.words[0];
        to->from = got->message->from;
        to->tag = got->message->tag;
    }
    snprintf(to->text, sizeof(to->text), "%s", got->text);
    tally_add(&over, 1);
}

static void
ask(tr_actor *self, void *argument)
{
    struct asking *asking = argument;
    struct question question = {.number = asking->number, .other = asking->other};
    struct tr_ask_options options = {.timeout_ms = asking->timeout_ms,
                                     .done = on_outcome,
                                     .context = &outcomes[asking->number % MANY],
                                     .id = &asking->id};
    tr_message message = tr_message_copy(asking->tag, &question, sizeof(question));
    assert_int_equal(tr_ask(self, asking->to, &message, &options), TR_OK);
    assert_int_not_equal(asking->id, 0);
    assert_int_equal(tr_message_size(&message), 0);
}

struct world {
    tr_runtime *runtime;
    tr_ref asker, oracle, other;
};

static struct world
open_world(unsigned worker)
{
    tr_runtime *runtime = stage_open(2);
    return (struct world){runtime, puppet_spawn(runtime, 0), stage_spawn(runtime, &oracle, worker, NULL),
                          stage_spawn(runtime, &oracle, 1 - worker, NULL)};
}

/* Asks, and waits for the outcome if it is to come by itself. */
static const struct outcome *
ask_once(struct world *world, uint32_t tag, uint64_t number, bool await)
{
    struct asking asking = {world->oracle, world->other, tag, number, LONG_MS, 0};
    uint64_t before = tally_read(&over);
    puppet_do(world->runtime, world->asker, ask, &asking);
    if (await)
        tally_await(&over, before + 1);
    return &outcomes[number % MANY];
}

static void
expect(const struct outcome *got, enum tr_outcome outcome, tr_status status)
{
    assert_int_equal(got->outcome, outcome);
    assert_int_equal(got->status, status);
    assert_int_equal(got->text[0] == '\0', outcome == TR_ANSWERED);
}

static void
expect_answer(const struct outcome *got, uint64_t number, tr_ref from, tr_ref asked)
{
    expect(got, TR_ANSWERED, TR_OK);
    assert_int_equal(got->tag, ANSWER);
    assert_int_equal(got->number, number);
    assert_int_equal(got->from, from);
    assert_int_equal(got->asked, asked);
}

static void
an_answer_comes_to_the_callback_of_who_asked(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        forget(NULL);
        struct world world = open_world(worker);
        for (uint64_t i = 0; i < 100; i++)
            expect_answer(ask_once(&world, TWICE, i, true), 2 * i, world.oracle, world.oracle);
        stage_close(world.runtime);
        assert_int_equal(tally_read(&over), 100);
    }
}

static void
a_question_can_be_kept_and_answered_later(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        forget(NULL);
        struct world world = open_world(worker);
        for (uint64_t i = 0; i < 10; i++)
            ask_once(&world, LATER, i, false);
        tally_await(&handled, 10);
        assert_int_equal(tally_read(&over), 0);
        stage_send(world.runtime, world.oracle, NOW, NULL, 0);
        tally_await(&over, 10);
        for (uint64_t i = 0; i < 10; i++)
            expect_answer(&outcomes[i], i, world.oracle, world.oracle);
        stage_close(world.runtime);
    }
}

static void
a_question_can_be_forwarded_or_given_away(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        forget(NULL);
        struct world world = open_world(worker);
        expect_answer(ask_once(&world, PASS, 21, true), 42, world.other, world.oracle);
        expect_answer(ask_once(&world, GIVE, 2, true), 77, world.other, world.oracle);
        stage_close(world.runtime);
        assert_int_equal(tally_read(&over), 2);
    }
}

static void
who_does_not_answer_keep_or_forward_is_down_at_once(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        forget(NULL);
        struct world world = open_world(worker);
        expect(ask_once(&world, SILENCE, 1, true), TR_DOWN, TR_ENOREPLY);
        stage_close(world.runtime);
    }
}

static void
who_ends_instead_of_answering_is_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct world world = open_world(i);
        forget(NULL);
        expect(ask_once(&world, LEAVE, 1, true), TR_DOWN, TR_EGONE);
        expect(ask_once(&world, TWICE, 2, true), TR_DOWN, TR_EGONE); /* it is gone */
        world.oracle = stage_spawn(world.runtime, &oracle, i, NULL);
        expect(ask_once(&world, FAIL, 3, true), TR_DOWN, TR_EPROTO);
        world.oracle = stage_spawn(world.runtime, &oracle, i, NULL);
        ask_once(&world, LEAVE_LATER, 4, false);
        tally_await(&handled, 3);
        stage_send(world.runtime, world.oracle, GO, NULL, 0);
        tally_await(&over, 4);
        expect(&outcomes[4], TR_DOWN, TR_EGONE);
        world.oracle = stage_spawn(world.runtime, &oracle, i, NULL);
        ask_once(&world, NEVER, 5, false);
        tally_await(&handled, 5);
        assert_int_equal(tr_runtime_stop_actor(world.runtime, world.oracle, TR_STOP_KILL), TR_OK);
        tally_await(&over, 5);
        expect(&outcomes[5], TR_DOWN, TR_EKILLED);
        stage_close(world.runtime);
    }
}

/* Questions that wait in a mailbox when its actor ends. */
static void
ask_and_end_it(tr_actor *self, void *argument)
{
    struct asking *asking = argument;
    ask(self, asking);
    assert_int_equal(tr_stop(self, asking->to, TR_STOP_NOW), TR_OK);
}

static void
a_question_that_dies_in_a_mailbox_is_down(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        forget(NULL);
        struct world world = open_world(worker);
        struct asking asking = {.to = world.oracle, .tag = TWICE, .timeout_ms = LONG_MS};
        puppet_do(world.runtime, world.asker, ask_and_end_it, &asking);
        tally_await(&over, 1);
        if (worker == 0) /* on another it may be answered first */
            expect(&outcomes[0], TR_DOWN, TR_EGONE);
        stage_close(world.runtime);
        assert_int_equal(tally_read(&over), 1);
    }
}

static const struct tr_behavior narrow = {
    .name = "narrow", .state_size = sizeof(struct oracle), .receive = oracle_receive, .mailbox = {.messages = 2}};
static const struct tr_behavior dropping = {.name = "dropping",
                                            .state_size = sizeof(struct oracle),
                                            .receive = oracle_receive,
                                            .mailbox = {.messages = 2, .policy = TR_MAILBOX_DROP_NEWEST}};

static void
ask_five(tr_actor *self, void *argument)
{
    struct asking asking = {.to = *(const tr_ref *)argument, .tag = TWICE, .timeout_ms = LONG_MS};
    for (; asking.number < 5; asking.number++)
        ask(self, &asking);
}

static void
what_a_full_mailbox_refuses_or_drops_is_overloaded(void **state)
{
    (void)state;
    const struct tr_behavior *behaviors[] = {&narrow, &dropping};
    for (unsigned i = 0; i < 2; i++) {
        forget(NULL);
        struct world world = open_world(0);
        tr_ref full = stage_spawn(world.runtime, behaviors[i], 0, NULL);
        puppet_do(world.runtime, world.asker, ask_five, &full);
        tally_await(&over, 5);
        for (unsigned k = 0; k < 5; k++)
            expect(&outcomes[k], k < 2 ? TR_ANSWERED : TR_OVERLOADED, k < 2 ? TR_OK : TR_EFULL);
        stage_close(world.runtime);
    }
}

static void
without_an_answer_the_deadline_is_the_outcome(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        forget(NULL);
        struct world world = open_world(worker);
        struct asking asking = {.to = world.oracle, .tag = NEVER, .timeout_ms = 20};
        uint64_t began = tests_now_ns();
        puppet_do(world.runtime, world.asker, ask, &asking);
        tally_await(&over, 1);
        assert_true(tests_now_ns() - began >= 20000000u);
        expect(&outcomes[0], TR_TIMED_OUT, TR_EDEADLINE);
        char name[TR_REF_TEXT_SIZE], text[128];
        snprintf(text, sizeof(text), "no answer from %s within 20 ms", tr_ref_text(world.oracle, name));
        assert_string_equal(outcomes[0].text, text);
        stage_send(world.runtime, world.oracle, NOW, NULL, 0); /* too late: a dead letter */
        stage_close(world.runtime);
        assert_int_equal(tally_read(&over), 1);
    }
}

/* In a circle: the oracle asks the other, which asks nobody; the other's deadline is that of the first question. */

static void
a_deadline_travels_on_to_what_a_handler_asks(void **state)
{
    (void)state;
    struct world world = open_world(1);
    struct asking asking = {world.oracle, world.other, ASK_BACK, 0, 50, 0};
    uint64_t began = tests_now_ns();
    puppet_do(world.runtime, world.asker, ask, &asking);
    tally_await(&over, 1); /* the oracle would have asked for a minute */
    assert_true(tests_now_ns() - began < UINT64_C(30000) * 1000000);
    if (outcomes[0].outcome == TR_ANSWERED) /* the oracle's own outcome was first */
        assert_int_equal(outcomes[0].number, TR_TIMED_OUT);
    else
        expect(&outcomes[0], TR_TIMED_OUT, TR_EDEADLINE);
    stage_close(world.runtime);
}

/* Three that ask each other round, each once, in the handler of the question of the one before. */
struct round {
    tr_ref next;
    bool asked;
};

static void
ignore_outcome(tr_actor *self, void *context, const struct tr_answer *got)
{
    (void)self;
    (void)context;
    (void)got;
}

static void
round_receive(tr_actor *self, void *state, tr_message *message)
{
    struct round *round = state;
    tr_question kept;
    if (message->tag == GIVEN) {
        round->next = message->payload.words[0];
        return;
    }
    struct tr_ask_options options = {.timeout_ms = LONG_MS, .done = ignore_outcome};
    tr_message next = tr_message_signal(TWICE);
    if (!round->asked)
        assert_int_equal(tr_ask(self, round->next, &next, &options), TR_OK);
    round->asked = true;
    assert_int_equal(tr_question_keep(self, &kept), TR_OK);
}

static const struct tr_behavior round_behavior = {
    .name = "round", .state_size = sizeof(struct round), .receive = round_receive};

static void
ask_round(tr_actor *self, void *argument)
{
    const tr_ref *to = argument;
    struct tr_ask_options options = {.timeout_ms = 100, .done = on_outcome, .context = &outcomes[0]};
    tr_message message = tr_message_signal(TWICE);
    assert_int_equal(tr_ask(self, *to, &message, &options), TR_OK);
}

/* In simulated time, where the one who asked first is also told first. */
static int
go_round(uint64_t seed, void *context)
{
    tr_runtime *runtime;
    forget(context);
    assert_int_equal(tr_testing_start(&(struct tr_testing_options){.seed = seed, .workers = 2}, &runtime), TR_OK);
    tr_ref asker = stage_spawn(runtime, &puppet_behavior, 0, NULL), members[3];
    for (unsigned i = 0; i < 3; i++)
        members[i] = stage_spawn(runtime, &round_behavior, i % 2, NULL);
    for (unsigned i = 0; i < 3; i++)
        stage_send(runtime, members[i], GIVEN, &members[(i + 1) % 3], sizeof(tr_ref));
    tr_testing_run(runtime);
    puppet_order(runtime, asker, ask_round, &members[0]);
    tr_testing_advance(runtime, 200);
    assert_int_equal(tally_read(&over), 1);
    char names[3][TR_REF_TEXT_SIZE], text[512];
    for (unsigned i = 0; i < 3; i++)
        tr_ref_text(members[i], names[i]);
    snprintf(text, sizeof(text),
             "no answer from %s within 100 ms: it waits for %s, that waits for %s, that waits for %s", names[0],
             names[1], names[2], names[0]);
    assert_memory_equal(outcomes[0].text, text, strlen(text)); /* and so on, until it is cut */
    stage_close(runtime);
    return 0;
}

static void
a_timeout_names_the_circle_of_who_waits_for_whom(void **state)
{
    (void)state;
    assert_true(tr_testing_seeds(0, tests_seeds(1000), go_round, NULL));
}

/* Two that ask each other: who asks hears that he is in the circle. */
static void
ask_and_be_asked(tr_actor *self, void *argument)
{
    const struct asking *asking = argument;
    struct tr_ask_options options = {.timeout_ms = 100, .done = on_outcome, .context = &outcomes[0]};
    struct question question = {.other = tr_self(self)};
    tr_message message = tr_message_copy(ASK_BACK, &question, sizeof(question));
    assert_int_equal(tr_ask(self, asking->to, &message, &options), TR_OK);
}

static void
who_asks_in_a_circle_hears_that_he_is_in_it(void **state)
{
    (void)state;
    struct world world = open_world(1);
    struct asking asking = {.to = world.oracle};
    /* The puppet takes the oracle's question for a message and does not answer: TR_ENOREPLY would end the circle, so it
     * must time out first. */
    puppet_do(world.runtime, world.asker, ask_and_be_asked, &asking);
    tally_await(&over, 1);
    assert_int_equal(outcomes[0].outcome, TR_ANSWERED);
    assert_int_equal(outcomes[0].number, TR_DOWN);
    stage_close(world.runtime);
}

static void
ask_and_cancel(tr_actor *self, void *argument)
{
    struct asking *asking = argument;
    ask(self, asking);
    assert_int_equal(tr_ask_cancel(self, asking->id), TR_OK);
    assert_int_equal(tr_ask_cancel(self, asking->id), TR_EGONE);
}

static void
no_outcome_comes_after_cancelling(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        forget(NULL);
        struct world world = open_world(worker);
        struct asking asking = {world.oracle, world.other, TWICE, 1, LONG_MS, 0};
        puppet_do(world.runtime, world.asker, ask_and_cancel, &asking);
        expect_answer(ask_once(&world, TWICE, 2, true), 4, world.oracle, world.oracle);
        struct tr_counters counters;
        tr_runtime_counters(world.runtime, &counters);
        assert_int_equal(counters.dead_letters, 1); /* the answer that came too late */
        stage_close(world.runtime);
        assert_int_equal(tally_read(&over), 1);
    }
}

static void
who_ends_hears_no_outcome(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        forget(NULL);
        struct world world = open_world(worker);
        ask_once(&world, LATER, 1, false);
        tally_await(&handled, 1);
        assert_int_equal(tr_runtime_stop_actor(world.runtime, world.asker, TR_STOP_NOW), TR_OK);
        tally_await(&puppet_stopped, 1);
        stage_send(world.runtime, world.oracle, NOW, NULL, 0);
        stage_close(world.runtime);
        assert_int_equal(tally_read(&over), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, forget)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_comes_to_the_callback_of_who_asked),
        TEST(a_question_can_be_kept_and_answered_later),
        TEST(a_question_can_be_forwarded_or_given_away),
        TEST(who_does_not_answer_keep_or_forward_is_down_at_once),
        TEST(who_ends_instead_of_answering_is_down),
        TEST(a_question_that_dies_in_a_mailbox_is_down),
        TEST(what_a_full_mailbox_refuses_or_drops_is_overloaded),
        TEST(without_an_answer_the_deadline_is_the_outcome),
        TEST(a_deadline_travels_on_to_what_a_handler_asks),
        TEST(a_timeout_names_the_circle_of_who_waits_for_whom),
        TEST(who_asks_in_a_circle_hears_that_he_is_in_it),
        TEST(no_outcome_comes_after_cancelling),
        TEST(who_ends_hears_no_outcome),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
