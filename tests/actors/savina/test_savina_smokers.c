/*
 * Cigarette smokers: every smoker lacks what only the arbiter has. In each round the arbiter chooses a smoker and asks
 * him to smoke; he answers when he has begun, and smokes on while the next round goes on. After the last round all are
 * asked to stop, smoke what they have, and say how much it was.
 */
#include "random.h"
#include "savina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SMOKERS_MOST 256u

struct size {
    unsigned smokers, rounds;
    uint64_t seed;
};

struct smoked {
    uint32_t smoker, begun, ended;
};

#define SMOKE(X)                                                                                                       \
    X(SMOKE_PLAY, smoke_play, SIGNAL)                                                                                  \
    X(SMOKE_START, smoke_start, VALUE(uint32_t))                                                                       \
    X(SMOKE_STARTED, smoke_started, SIGNAL)                                                                            \
    X(SMOKE_PUFF, smoke_puff, SIGNAL)                                                                                  \
    X(SMOKE_SUM, smoke_sum, VALUE(struct smoked))                                                                      \
    X(SMOKE_OVER, smoke_over, VALUE(uint64_t))

TR_PROTOCOL(smoke, SMOKE, 1);

/* Smokers. */

struct smoker {
    struct smoked smoked;
    uint32_t round; /* of the last cigarette */
};

static tr_status
smoker_init(tr_actor *self, void *state, const void *argument)
{
    struct smoker *smoker = state;
    (void)self;
    smoker->smoked.smoker = *(const uint32_t *)argument;
    return TR_OK;
}

static void
smoker_receive(tr_actor *self, void *state, tr_message *message)
{
    struct smoker *smoker = state;
    switch (smoke_tag_of(self, message)) {
    case SMOKE_START:
        assert_true(*smoke_start(message) > smoker->round);
        smoker->round = *smoke_start(message);
        smoker->smoked.begun++;
        savina_reply(self, smoke_started_message());
        assert_int_equal(smoke_puff_send(self, tr_self(self)), TR_OK);
        break;
    case SMOKE_PUFF: smoker->smoked.ended++; break;
    default: fail();
    }
}

/* He still smokes what he has begun: that is in his mailbox. */
static void
smoker_stopped(tr_actor *self, void *state)
{
    const struct smoker *smoker = state;
    assert_int_equal(smoke_sum_send(self, tr_parent(self), &smoker->smoked), TR_OK);
}

static const struct tr_behavior smoker_behavior = {.name = "smoker",
                                                   .state_size = sizeof(struct smoker),
                                                   .init = smoker_init,
                                                   .receive = smoker_receive,
                                                   .stopped = smoker_stopped};

/* The arbiter. */

struct arbiter {
    struct size size;
    struct savina_play play;
    uint64_t seed;
    uint32_t round;
    uint64_t smoked;
    tr_ref smokers[SMOKERS_MOST];
    uint32_t chosen[SMOKERS_MOST]; /* how often each was */
};

static tr_status
arbiter_init(tr_actor *self, void *state, const void *argument)
{
    struct arbiter *arbiter = state;
    arbiter->size = *(const struct size *)argument;
    arbiter->seed = arbiter->size.seed;
    for (uint32_t i = 0; i < arbiter->size.smokers; i++)
        arbiter->smokers[i] = savina_cast(self, &arbiter->play, &smoker_behavior, i, &i, sizeof(i));
    return TR_OK;
}

static void on_started(tr_actor *self, void *context, const struct tr_answer *answer);

static void
next_round(tr_actor *self, struct arbiter *arbiter)
{
    unsigned smoker = random_below(&arbiter->seed, arbiter->size.smokers);
    arbiter->round++;
    arbiter->chosen[smoker]++;
    savina_ask(self, arbiter->smokers[smoker], smoke_start_message(&arbiter->round), on_started);
}

static void
on_started(tr_actor *self, void *context, const struct tr_answer *answer)
{
    struct arbiter *arbiter = context;
    assert_int_equal(answer->outcome, TR_ANSWERED);
    assert_true(smoke_started_fits(answer->message));
    if (arbiter->round < arbiter->size.rounds) {
        next_round(self, arbiter);
        return;
    }
    for (unsigned i = 0; i < arbiter->size.smokers; i++)
        assert_int_equal(tr_stop(self, arbiter->smokers[i], TR_STOP_DRAIN), TR_OK);
}

static void
add(struct arbiter *arbiter, const struct smoked *smoked)
{
    assert_int_equal(smoked->begun, arbiter->chosen[smoked->smoker]);
    assert_int_equal(smoked->ended, smoked->begun);
    arbiter->smoked += smoked->ended;
}

static void
one_has_ended(tr_actor *self, struct arbiter *arbiter, const tr_message *message)
{
    savina_one_has_ended(&arbiter->play, message);
    if (arbiter->play.cast == 0)
        savina_end(self, &arbiter->play, smoke_over_message(&arbiter->smoked));
}

static void
arbiter_receive(tr_actor *self, void *state, tr_message *message)
{
    struct arbiter *arbiter = state;
    switch (smoke_tag_of(self, message)) {
    case SMOKE_PLAY:
        savina_begin(self, &arbiter->play);
        next_round(self, arbiter);
        break;
    case SMOKE_SUM: add(arbiter, smoke_sum(message)); break;
    default: one_has_ended(self, arbiter, message);
    }
}

static const struct tr_behavior arbiter_behavior = {
    .name = "arbiter", .state_size = sizeof(struct arbiter), .init = arbiter_init, .receive = arbiter_receive};

static void
program(tr_runtime *runtime, const void *argument)
{
    const struct size *size = argument;
    tr_message answer = savina_direct(runtime, &arbiter_behavior, size, sizeof(*size), smoke_play_message());
    assert_non_null(smoke_over(&answer));
    assert_int_equal(*smoke_over(&answer), size->rounds);
    tr_message_drop(&answer);
}

static void
each_smoker_smokes_as_often_as_he_was_chosen_on_many_workers(void **state)
{
    (void)state;
    savina_on_workers(program, &(struct size){.smokers = 200, .rounds = 1000, .seed = 12});
}

static void
each_smoker_smokes_as_often_as_he_was_chosen_under_seeds(void **state)
{
    (void)state;
    savina_under_seeds(program, &(struct size){.smokers = 8, .rounds = 30, .seed = 12});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_smoker_smokes_as_often_as_he_was_chosen_on_many_workers),
        cmocka_unit_test(each_smoker_smokes_as_often_as_he_was_chosen_under_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
