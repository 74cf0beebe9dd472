/*
 * Asking without a callback, from outside, with payloads of all kinds, by mistake, and by many at once.
 */
#include "counters.h"
#include "counting.h"
#include "helpers.h"
#include "puppet.h"
#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/ask.h>

#define LONG_MS 60000u
#define WORKERS 4u
#define ASKERS 12u
#define QUESTIONS 3000u
#define LARGE 1000u

enum { ECHO = 1, HOLD, SILENCE, ANSWER, START, REFUSE, REFUSE_LATER };

static struct tally over, held;

static int
forget(void **state)
{
    (void)state;
    puppet_forget();
    over = held = (struct tally){0};
    return 0;
}

/* Answers with what it is asked. */
static void
echo_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == HOLD) {
        tally_add(&held, 1);
        tests_hold(30);
    }
    if (message->tag == REFUSE) {
        assert_int_equal(tr_refuse(self, TR_OK), TR_EINVAL);
        assert_int_equal(tr_refuse(self, TR_EPERM), TR_OK);
        assert_int_equal(tr_refuse(self, TR_EPERM), TR_ENOQUESTION);
    }
    if (message->tag == REFUSE_LATER) {
        tr_question kept;
        assert_int_equal(tr_question_keep(self, &kept), TR_OK);
        assert_int_equal(tr_question_refuse(self, &kept, TR_OK), TR_EINVAL);
        assert_int_equal(tr_question_refuse(self, &kept, TR_EACCES), TR_OK);
        assert_int_equal(tr_question_refuse(self, &kept, TR_EACCES), TR_ENOQUESTION);
    }
    if (message->tag != ECHO)
        return;
    tr_message answer = tr_message_copy(ANSWER, tr_message_data(message), tr_message_size(message));
    assert_int_equal(tr_reply(self, &answer), TR_OK);
}

static const struct tr_behavior echo = {.name = "echo", .receive = echo_receive};

/* Without a callback. */

struct teller {
    tr_ref to;
    uint32_t tag;
};

static tr_ask_id asked, answered;
static struct tr_unanswered failure;
static uint64_t number;

static void
teller_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == START) {
        const struct teller *teller = tr_message_data(message);
        struct tr_ask_options options = {.timeout_ms = LONG_MS, .id = &asked};
        tr_message question = tr_message_copy(teller->tag, &(uint64_t){42}, sizeof(uint64_t));
        assert_int_equal(tr_answers(self), 0);
        assert_int_equal(tr_ask(self, teller->to, &question, &options), TR_OK);
        return;
    }
    answered = tr_answers(self);
    if (message->tag == ANSWER)
        number = message->payload.words[0];
    else if (message->tag == TR_TAG_UNANSWERED)
        failure = *(const struct tr_unanswered *)tr_message_data(message);
    tally_add(&over, 1);
}

static const struct tr_behavior teller = {.name = "teller", .receive = teller_receive};

static void
without_a_callback_the_outcome_is_a_message(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        forget(NULL);
        tr_runtime *runtime = stage_open(2);
        tr_ref self = stage_spawn(runtime, &teller, 0, NULL);
        struct teller order = {stage_spawn(runtime, &echo, worker, NULL), ECHO};
        stage_send(runtime, self, START, &order, sizeof(order));
        tally_await(&over, 1);
        assert_int_equal(number, 42);
        assert_int_equal(answered, asked);
        order.tag = SILENCE;
        stage_send(runtime, self, START, &order, sizeof(order));
        tally_await(&over, 2);
        assert_int_equal(answered, asked);
        assert_int_equal(failure.question, asked);
        assert_int_equal(failure.asked, order.to);
        assert_int_equal(failure.status, TR_ENOREPLY);
        assert_int_equal(failure.outcome, TR_DOWN);
        stage_close(runtime);
    }
}

/* From outside. */

static void
a_thread_outside_waits_for_the_outcome(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    for (unsigned worker = 0; worker < 2; worker++) {
        tr_ref to = stage_spawn(runtime, &echo, worker, NULL);
        tr_message question = tr_message_copy(ECHO, &(uint64_t){7}, sizeof(uint64_t)), answer;
        assert_int_equal(tr_runtime_ask(runtime, to, &question, LONG_MS, &answer), TR_OK);
        assert_int_equal(answer.tag, ANSWER);
        assert_int_equal(answer.payload.words[0], 7);
        question = tr_message_signal(SILENCE);
        assert_int_equal(tr_runtime_ask(runtime, to, &question, LONG_MS, &answer), TR_ENOREPLY);
        question = tr_message_signal(REFUSE);
        assert_int_equal(tr_runtime_ask(runtime, to, &question, LONG_MS, &answer), TR_EPERM);
        question = tr_message_signal(REFUSE_LATER);
        assert_int_equal(tr_runtime_ask(runtime, to, &question, LONG_MS, &answer), TR_EACCES);
        assert_int_equal(tr_runtime_stop_actor(runtime, to, TR_STOP_NOW), TR_OK);
        question = tr_message_signal(ECHO);
        assert_int_equal(tr_runtime_ask(runtime, to, &question, LONG_MS, &answer), TR_EGONE);
    }
    stage_close(runtime);
}

static void
hold_and_say(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)message;
    (void)state;
    tally_add(&held, 1);
    tr_question kept;
    tr_question_keep(self, &kept);
}

static const struct tr_behavior keeper = {.name = "keeper", .receive = hold_and_say};

struct waiter {
    tr_runtime *runtime;
    tr_ref to;
    tr_status status;
};

static void
wait_for_it(void *argument)
{
    struct waiter *waiter = argument;
    tr_message question = tr_message_signal(ECHO), answer;
    waiter->status = tr_runtime_ask(waiter->runtime, waiter->to, &question, LONG_MS, &answer);
}

static void *
ask_in_the_pool(void *argument)
{
    wait_for_it(argument);
    return NULL;
}

static void
offload_asking(tr_actor *self, void *argument)
{
    assert_int_equal(tr_offload(self, ask_in_the_pool, argument, START, NULL), TR_OK);
}

static void
the_end_of_the_runtime_lets_a_thread_go_that_waits(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct waiter waiter = {runtime, stage_spawn(runtime, &keeper, 1, NULL), TR_OK};
    puppet_do(runtime, puppet_spawn(runtime, 0), offload_asking,
              &waiter); /* such a function may wait for the runtime */
    tally_await(&held, 1);
    stage_close(runtime);
    assert_true(waiter.status == TR_ESTOPPING || waiter.status == TR_EGONE);
}

static void
try_on_a_worker(tr_actor *self, void *argument)
{
    tr_message question = tr_message_signal(ECHO), answer;
    tr_runtime *runtime = tr_actor_runtime(self);
    assert_int_equal(tr_runtime_ask(runtime, *(const tr_ref *)argument, &question, 1, &answer), TR_EWRONGTHREAD);
}

static void
a_wrong_call_from_outside_is_refused(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref to = stage_spawn(runtime, &echo, 0, NULL);
    tr_message question = tr_message_signal(ECHO), answer;
    assert_int_equal(tr_runtime_ask(NULL, to, &question, 1, &answer), TR_EINVAL);
    assert_int_equal(tr_runtime_ask(runtime, to, NULL, 1, &answer), TR_EINVAL);
    assert_int_equal(tr_runtime_ask(runtime, to, &question, 1, NULL), TR_EINVAL);
    assert_int_equal(tr_runtime_ask(runtime, TR_NOBODY, &question, 1, &answer), TR_EBADREF);
    assert_int_equal(tr_runtime_ask(runtime, UINT64_MAX, &question, 1, &answer), TR_EBADREF);
    question.tag = TR_TAG_RESERVED;
    assert_int_equal(tr_runtime_ask(runtime, to, &question, 1, &answer), TR_EBADTAG);
    puppet_do(runtime, puppet_spawn(runtime, 0), try_on_a_worker, &to);
    stage_close(runtime);
}

/* Payloads. */

static void
expect_the_same(tr_actor *self, void *context, const struct tr_answer *answer)
{
    const size_t *size = context;
    (void)self;
    assert_int_equal(answer->outcome, TR_ANSWERED);
    assert_int_equal(tr_message_size(answer->message), *size);
    const unsigned char *bytes = tr_message_data(answer->message);
    for (size_t i = 0; i < *size; i++)
        assert_int_equal(bytes[i], (unsigned char)i);
    tally_add(&over, 1);
}

static size_t sizes[] = {0, 1, 8, 16, 23, 24, 25, 31, 32, 33, 500, LARGE};

static void
ask_with_each_size(tr_actor *self, void *argument)
{
    unsigned char bytes[LARGE];
    for (size_t i = 0; i < LARGE; i++)
        bytes[i] = (unsigned char)i;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct tr_ask_options options = {.timeout_ms = LONG_MS, .done = expect_the_same, .context = &sizes[i]};
        tr_message question = tr_message_copy(ECHO, bytes, sizes[i]);
        assert_int_equal(tr_ask(self, *(const tr_ref *)argument, &question, &options), TR_OK);
    }
}

static void
questions_and_answers_may_have_any_size(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    for (unsigned worker = 0; worker < 2; worker++) {
        tr_ref to = stage_spawn(runtime, &echo, worker, NULL);
        puppet_do(runtime, puppet_spawn(runtime, 0), ask_with_each_size, &to);
    }
    tally_await(&over, 2 * sizeof(sizes) / sizeof(sizes[0]));
    stage_close(runtime);
}

/* A question that its deadline overtakes in the mailbox of an actor that is busy. */

static void
count_timeouts(tr_actor *self, void *context, const struct tr_answer *answer)
{
    (void)self;
    (void)context;
    assert_int_equal(answer->outcome, TR_TIMED_OUT);
    tally_add(&over, 1);
}

static void
ask_in_a_hurry(tr_actor *self, void *argument)
{
    const tr_ref *to = argument;
    struct tr_ask_options options = {.timeout_ms = 1, .done = count_timeouts};
    tr_tell(self, *to, HOLD, NULL, 0);
    tr_message question = tr_message_signal(HOLD);
    assert_int_equal(tr_ask(self, *to, &question, &options), TR_OK);
}

static void
work_whose_deadline_has_passed_is_not_begun(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_ref to = stage_spawn(runtime, &echo, 1, NULL);
    puppet_do(runtime, puppet_spawn(runtime, 0), ask_in_a_hurry, &to);
    tally_await(&over, 1);
    tr_message question = tr_message_copy(ECHO, &(uint64_t){7}, sizeof(uint64_t)), answer;
    assert_int_equal(tr_runtime_ask(runtime, to, &question, LONG_MS, &answer), TR_OK); /* behind the other */
    assert_int_equal(tally_read(&held), 1);
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    assert_int_equal(counters.dead_letters, 1);
    stage_close(runtime);
}

/* A question that nobody takes. */

static void
count_refusals(tr_actor *self, void *context, const struct tr_answer *answer)
{
    const enum tr_outcome *expected = context;
    (void)self;
    assert_int_equal(answer->outcome, *expected);
    assert_int_equal(answer->status, *expected == TR_DOWN ? TR_EGONE : TR_EFULL);
    tally_add(&over, 1);
}

struct in_vain {
    tr_ref to;
    enum tr_outcome expected;
};

static void
ask_in_vain(tr_actor *self, void *argument)
{
    struct in_vain *in_vain = argument;
    struct tr_ask_options options = {.timeout_ms = LONG_MS, .done = count_refusals, .context = &in_vain->expected};
    tr_message question = tr_message_signal(ECHO);
    if (in_vain->expected == TR_OVERLOADED)
        assert_int_equal(tr_tell(self, in_vain->to, ANSWER, NULL, 0), TR_OK); /* which fills the mailbox */
    assert_int_equal(tr_ask(self, in_vain->to, &question, &options), TR_OK);
}

static void
expect_dead_letter(tr_runtime *runtime)
{
    struct tr_counters counters;
    tally_await(&over, 1);
    tests_counters_add_up(runtime);
    tr_runtime_counters(runtime, &counters);
    assert_int_equal(counters.dead_letters, 1);
    assert_int_equal(counters.refused, 0);
    stage_close(runtime);
}

static void
a_question_to_who_is_gone_is_a_dead_letter_whatever_worker_he_lived_on(void **state)
{
    for (unsigned worker = 0; worker < 2; worker++) {
        forget(state);
        tr_runtime *runtime = stage_open(2);
        struct in_vain in_vain = {stage_spawn(runtime, &echo, worker, NULL), TR_DOWN};
        assert_int_equal(tr_runtime_stop_actor(runtime, in_vain.to, TR_STOP_NOW), TR_OK);
        puppet_do(runtime, puppet_spawn(runtime, 0), ask_in_vain, &in_vain);
        expect_dead_letter(runtime);
    }
}

static void
a_question_that_a_full_mailbox_refuses_is_a_dead_letter(void **state)
{
    static const struct tr_behavior narrow = {.name = "narrow", .receive = echo_receive, .mailbox = {.messages = 1}};
    (void)state;
    tr_runtime *runtime = stage_open(1);
    struct in_vain in_vain = {stage_spawn(runtime, &narrow, 0, NULL), TR_OVERLOADED};
    puppet_do(runtime, puppet_spawn(runtime, 0), ask_in_vain, &in_vain);
    expect_dead_letter(runtime);
}

/* Mistakes. */

static void
try_mistakes(tr_actor *self, void *argument)
{
    const tr_ref *to = argument;
    tr_message message = tr_message_signal(ECHO), reserved = tr_message_signal(ECHO);
    tr_question none = {0};
    reserved.tag = TR_TAG_RESERVED;
    assert_int_equal(tr_ask(NULL, *to, &message, NULL), TR_EINVAL);
    assert_int_equal(tr_ask(self, *to, NULL, NULL), TR_EINVAL);
    assert_int_equal(tr_ask(self, TR_NOBODY, &message, NULL), TR_EBADREF);
    assert_int_equal(tr_ask(self, UINT64_MAX, &message, NULL), TR_EBADREF);
    assert_int_equal(tr_ask(self, *to, &reserved, NULL), TR_EBADTAG);
    assert_int_equal(tr_ask(self, tr_self(self), &message, NULL), TR_ESELF);
    assert_int_equal(tr_ask_cancel(NULL, 1), TR_EINVAL);
    assert_int_equal(tr_ask_cancel(self, 0), TR_EGONE);
    assert_int_equal(tr_answers(NULL), 0);
    assert_int_equal(tr_reply(NULL, &message), TR_EINVAL);
    assert_int_equal(tr_reply(self, NULL), TR_EINVAL);
    assert_int_equal(tr_reply(self, &reserved), TR_EBADTAG);
    assert_int_equal(tr_reply(self, &message), TR_ENOQUESTION);
    assert_int_equal(tr_refuse(NULL, TR_EIO), TR_EINVAL);
    assert_int_equal(tr_refuse(self, TR_EIO), TR_ENOQUESTION);
    assert_int_equal(tr_question_refuse(NULL, &none, TR_EIO), TR_EINVAL);
    assert_int_equal(tr_question_refuse(self, NULL, TR_EIO), TR_EINVAL);
    assert_int_equal(tr_question_refuse(self, &none, TR_EIO), TR_ENOQUESTION);
    assert_int_equal(tr_question_keep(NULL, &none), TR_EINVAL);
    assert_int_equal(tr_question_keep(self, NULL), TR_EINVAL);
    assert_int_equal(tr_question_keep(self, &none), TR_ENOQUESTION);
    assert_int_equal(tr_question_reply(NULL, &none, &message), TR_EINVAL);
    assert_int_equal(tr_question_reply(self, NULL, &message), TR_EINVAL);
    assert_int_equal(tr_question_reply(self, &none, NULL), TR_EINVAL);
    assert_int_equal(tr_question_reply(self, &none, &reserved), TR_EBADTAG);
    assert_int_equal(tr_question_reply(self, &none, &message), TR_ENOQUESTION);
    assert_int_equal(tr_forward(NULL, *to, &message), TR_EINVAL);
    assert_int_equal(tr_forward(self, *to, NULL), TR_EINVAL);
    assert_int_equal(tr_forward(self, TR_NOBODY, &message), TR_EBADREF);
    assert_int_equal(tr_forward(self, *to, &reserved), TR_EBADTAG);
    assert_int_equal(tr_forward(self, *to, &message), TR_ENOQUESTION);
    assert_true(tr_time_left(self) == UINT64_MAX && tr_time_left(NULL) == UINT64_MAX);
}

static void
what_cannot_be_asked_or_answered_is_refused(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref to = stage_spawn(runtime, &echo, 0, NULL);
    puppet_do(runtime, puppet_spawn(runtime, 0), try_mistakes, &to);
    stage_close(runtime);
}

/* Many at once: each of them asks random others, answers at once, keeps some and answers those later, forwards some and
 * ends at last, in the middle of the others' questions. Each question has one outcome, unless its asker ends before. */

struct crowd {
    unsigned index;
    uint64_t seed, left, under_way, kept_count;
    tr_question kept[8];
};

static tr_ref members[ASKERS];
static struct tally asked_in_all, outcomes[4], done;

static void ask_somebody(tr_actor *self, struct crowd *crowd);

static void
on_crowd_outcome(tr_actor *self, void *context, const struct tr_answer *answer)
{
    struct crowd *crowd = context;
    crowd->under_way--;
    tally_add(&outcomes[answer->outcome], 1);
    ask_somebody(self, crowd);
}

static void
ask_somebody(tr_actor *self, struct crowd *crowd)
{
    struct tr_ask_options options = {.timeout_ms = LONG_MS, .done = on_crowd_outcome, .context = crowd};
    if (crowd->left == 0) {
        if (crowd->under_way == 0)
            tally_add(&done, 1);
        return;
    }
    tr_ref to = members[random_below(&crowd->seed, ASKERS)];
    tr_message question = tr_message_copy(ECHO, &crowd->left, sizeof(crowd->left));
    crowd->left--;
    tr_status status = tr_ask(self, to, &question, &options);
    assert_true(status == TR_OK || status == TR_ESELF);
    if (status == TR_ESELF) {
        ask_somebody(self, crowd);
        return;
    }
    crowd->under_way++;
    tally_add(&asked_in_all, 1);
}

static void
answer_the_kept(tr_actor *self, struct crowd *crowd)
{
    for (unsigned i = 0; i < crowd->kept_count; i++) {
        tr_message answer = tr_message_signal(ANSWER);
        tr_question_reply(self, &crowd->kept[i], &answer);
    }
    crowd->kept_count = 0;
}

static void
answer_somehow(tr_actor *self, struct crowd *crowd, tr_message *message)
{
    tr_message answer = tr_message_signal(ANSWER);
    switch (random_below(&crowd->seed, 5)) {
    case 0:
        if (crowd->kept_count < 8) {
            assert_int_equal(tr_question_keep(self, &crowd->kept[crowd->kept_count++]), TR_OK);
            tr_message later = tr_message_signal(HOLD);
            tr_send(self, tr_self(self), &later);
            return;
        }
        break;
    case 1:
        if (tr_forward(self, members[random_below(&crowd->seed, ASKERS)], message) == TR_OK)
            return;
        break;
    case 2: return; /* nothing: TR_ENOREPLY */
    default: break;
    }
    assert_int_equal(tr_reply(self, &answer), TR_OK);
}

static void
crowd_receive(tr_actor *self, void *state, tr_message *message)
{
    struct crowd *crowd = state;
    switch (message->tag) {
    case START:
        crowd->index = (unsigned)message->payload.words[0];
        crowd->seed = 99 + crowd->index;
        crowd->left = QUESTIONS;
        for (unsigned i = 0; i < 4; i++)
            ask_somebody(self, crowd);
        break;
    case ECHO: answer_somehow(self, crowd, message); break;
    case HOLD: answer_the_kept(self, crowd); break;
    default: break;
    }
}

static const struct tr_behavior crowd_behavior = {
    .name = "crowd", .state_size = sizeof(struct crowd), .receive = crowd_receive};

static void
of_many_questions_at_once_each_has_one_outcome(void **state)
{
    (void)state;
    asked_in_all = done = (struct tally){0};
    memset(outcomes, 0, sizeof(outcomes));
    tr_runtime *runtime = stage_open(WORKERS);
    for (unsigned i = 0; i < ASKERS; i++)
        members[i] = stage_spawn(runtime, &crowd_behavior, i % WORKERS, NULL);
    for (uint64_t i = 0; i < ASKERS; i++)
        stage_send(runtime, members[i], START, &i, sizeof(i));
    tally_await(&done, ASKERS);
    assert_int_equal(tally_read(&outcomes[TR_TIMED_OUT]), 0);
    assert_int_equal(tally_read(&outcomes[TR_OVERLOADED]), 0);
    assert_int_equal(tally_read(&outcomes[TR_ANSWERED]) + tally_read(&outcomes[TR_DOWN]), tally_read(&asked_in_all));
    stage_close(runtime);
}

#define TEST(name) cmocka_unit_test_setup(name, forget)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_callback_the_outcome_is_a_message),
        TEST(a_thread_outside_waits_for_the_outcome),
        TEST(the_end_of_the_runtime_lets_a_thread_go_that_waits),
        TEST(a_wrong_call_from_outside_is_refused),
        TEST(questions_and_answers_may_have_any_size),
        TEST(work_whose_deadline_has_passed_is_not_begun),
        TEST(a_question_to_who_is_gone_is_a_dead_letter_whatever_worker_he_lived_on),
        TEST(a_question_that_a_full_mailbox_refuses_is_a_dead_letter),
        TEST(what_cannot_be_asked_or_answered_is_refused),
        TEST(of_many_questions_at_once_each_has_one_outcome),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
