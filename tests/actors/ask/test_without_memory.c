/*
 * Asking, watching and setting aside without memory: what returned TR_OK keeps its promise. The nth allocation of the
 * library fails, alone or with the forty after it, for every n that a play comes to.
 */
#include "counting.h"
#include "fault.h"
#include "helpers.h"
#include "puppet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/ask.h>
#include <troupe/actors/become.h>
#include <troupe/actors/failure.h>

#define LONG_MS 60000u
#define QUESTIONS 40u
#define LARGE 100u

enum { ECHO = 1, KEEP, RELEASE, ANSWER, SHUT, UNSHUT };

static struct tally asked, outcomes, watched;
static tr_ref other;

/* Who is asked: it answers, or keeps the question until it is told to answer, or sets what comes aside. */
struct oracle {
    tr_question kept[QUESTIONS];
    unsigned count;
    bool shut;
};

static void
reply(tr_actor *self)
{
    unsigned char bytes[LARGE] = {0};
    tr_message answer = tr_message_copy(ANSWER, bytes, sizeof(bytes));
    if (tr_reply(self, &answer) != TR_OK)
        tr_message_drop(&answer); /* the asker hears that there is none */
}

static void
release_kept(tr_actor *self, struct oracle *oracle)
{
    while (oracle->count > 0) {
        tr_message answer = tr_message_signal(ANSWER);
        if (tr_question_reply(self, &oracle->kept[oracle->count - 1], &answer) == TR_ENOMEM)
            break; /* who ends with a question that it has kept tells so */
        oracle->count--;
    }
}

static void
oracle_receive(tr_actor *self, void *state, tr_message *message)
{
    struct oracle *oracle = state;
    if (message->tag == SHUT || message->tag == UNSHUT) {
        oracle->shut = message->tag == SHUT;
        tr_unstash(self);
        return;
    }
    if (oracle->shut && tr_stash(self, message) == TR_OK)
        return;
    if (message->tag == ECHO)
        reply(self);
    else if (message->tag == KEEP && tr_question_keep(self, &oracle->kept[oracle->count]) == TR_OK)
        oracle->count++;
    else if (message->tag == RELEASE)
        release_kept(self, oracle);
}

static const struct tr_behavior oracle = {
    .name = "oracle", .state_size = sizeof(struct oracle), .receive = oracle_receive};

static void
on_outcome(tr_actor *self, void *context, const struct tr_answer *answer)
{
    (void)self;
    (void)context;
    (void)answer;
    tally_add(&outcomes, 1);
}

static void
tell(tr_actor *self, uint32_t tag)
{
    tr_message message = tr_message_signal(tag);
    if (tr_send(self, other, &message) != TR_OK)
        tr_message_drop(&message);
}

static void
play(tr_actor *self, void *argument)
{
    unsigned char bytes[LARGE] = {0};
    (void)argument;
    if (tr_monitor_start(self, other, NULL) == TR_OK)
        tally_add(&watched, 1);
    tell(self, SHUT);
    for (unsigned i = 0; i < QUESTIONS; i++) {
        struct tr_ask_options options = {.timeout_ms = LONG_MS, .done = on_outcome};
        tr_message question = tr_message_copy(i % 2 == 0 ? ECHO : KEEP, bytes, i % 3 == 0 ? LARGE : 8);
        if (tr_ask(self, other, &question, &options) == TR_OK)
            tally_add(&asked, 1);
        else
            tr_message_drop(&question);
    }
    tell(self, UNSHUT);
    tell(self, RELEASE);
}

static void
end_oracle(tr_actor *self, void *argument)
{
    (void)argument;
    while (tr_stop(self, other, TR_STOP_DRAIN) == TR_ENOMEM) {
    }
}

static bool
all_is_told(void *unused)
{
    (void)unused;
    return tally_read(&outcomes) == tally_read(&asked) && puppet_count() == tally_read(&watched);
}

/* false: the play came to no such allocation. */
static bool
play_with_a_fault(unsigned worker, unsigned nth, unsigned times)
{
    asked = outcomes = watched = (struct tally){0};
    puppet_forget();
    fault_spare_me(true);
    tr_runtime *runtime = stage_open(2);
    other = stage_spawn(runtime, &oracle, worker, NULL);
    tr_ref asker = puppet_spawn(runtime, 0);
    fault_plan(FAULT_MEMORY, nth, times, ENOMEM);
    puppet_do(runtime, asker, play, NULL);
    puppet_do(runtime, asker, end_oracle, NULL);
    if (!tests_wait_until(all_is_told, NULL, TESTS_LIMIT_MS))
        fail_msg("allocation %u, %u times, worker %u: %u of %u outcomes, %u of %u notices", nth, times, worker,
                 (unsigned)tally_read(&outcomes), (unsigned)tally_read(&asked), puppet_count(),
                 (unsigned)tally_read(&watched));
    bool met = fault_met(FAULT_MEMORY) > 0;
    fault_clear();
    stage_close(runtime);
    assert_true(all_is_told(NULL));
    return met;
}

static void
each_outcome_and_each_notice_comes_whatever_allocation_fails(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        unsigned nth = 1;
        while (play_with_a_fault(worker, nth, 1) && play_with_a_fault(worker, nth, 40))
            nth++;
        assert_true(nth > 10);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_outcome_and_each_notice_comes_whatever_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
