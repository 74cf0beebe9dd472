/*
 * Become, stash and receive timeouts under seeds: a crowd whose members send each other numbered work and questions,
 * set aside what they are given and bring it back, change their behavior, and want to hear when nothing comes.
 *
 * What must hold
 *   - What was set aside comes back in the order in which it came, before everything else; nothing is lost, and nothing
 *     comes twice.
 *   - As much is set aside as the limit says, and not one more.
 *   - A message goes to the behavior that the actor has become.
 *   - A question that was set aside is still one: it has one outcome, the answer if the other lives.
 *   - A receive timeout comes exactly when nothing was handled for so long, again and again, and none comes when none
 *     is wanted.
 */
#include "crowd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/ask.h>
#include <troupe/actors/become.h>
#include <troupe/testing.h>

enum { WORK = CROWD_TAGS, ANSWER, FLUSH };

#define LINE 512u
#define QUESTIONS 2048u
#define QUESTION_MS 10000000u /* longer than a program takes */
#define QUIET_MS 1000u        /* at rest */
#define BEHAVIORS 3u

struct work {
    uint32_t from, number; /* of all from one to the other */
    uint32_t question;     /* 0: none */
};

struct line {
    struct work at[LINE];
    unsigned count;
};

/* What is known of somebody. */
struct session {
    unsigned behavior;
    struct line aside, front; /* set aside; brought back and not handled yet */
    size_t limit;
    uint64_t timeout_ms, handled_ms; /* 0: none; when the latest message was */
    unsigned timeouts;
};

static struct session sessions[CROWD_MOST];
static uint32_t sent[CROWD_MOST][CROWD_MOST], seen[CROWD_MOST][CROWD_MOST];
static struct {
    unsigned asker, asked, outcomes;
    bool answered;
} questions[QUESTIONS];
static uint32_t question_count;
static bool flushes; /* everything comes to its end: nothing is set aside */

static const struct tr_behavior behaviors[BEHAVIORS];

/* Lines. */

static void
put(struct line *line, const struct work *work)
{
    assert_true(line->count < LINE);
    line->at[line->count++] = *work;
}

static bool
is_first(const struct line *line, const struct work *work)
{
    return line->count > 0 && line->at[0].from == work->from && line->at[0].number == work->number;
}

static void
take_first(struct line *line)
{
    line->count--;
    memmove(&line->at[0], &line->at[1], line->count * sizeof(line->at[0]));
}

/* Turns. */

static void
hear_outcome(tr_actor *self, void *context, const struct tr_answer *answer)
{
    uint32_t question = (uint32_t)(uintptr_t)context;
    unsigned who = crowd_number(tr_self(self));
    assert_int_equal(questions[question].asker, who);
    assert_int_equal(sessions[who].front.count, 0);
    assert_int_equal(questions[question].outcomes++, 0);
    if (answer->outcome == TR_ANSWERED)
        assert_true(questions[question].answered);
    else
        assert_true(crowd[questions[question].asked].may_be_gone); /* one that drains takes no question */
    sessions[who].handled_ms = tr_now(self);
}

static void
ask(tr_actor *self, unsigned who, unsigned whom)
{
    if (who == whom || question_count + 1 == QUESTIONS)
        return;
    struct work work = {who, sent[who][whom] + 1, ++question_count};
    struct tr_ask_options options = {
        .timeout_ms = QUESTION_MS, .done = hear_outcome, .context = (void *)(uintptr_t)work.question};
    tr_message message = tr_message_copy(WORK, &work, sizeof(work));
    questions[work.question].asker = who;
    questions[work.question].asked = whom;
    assert_int_equal(tr_ask(self, crowd[whom].ref, &message, &options), TR_OK);
    sent[who][whom]++;
}

static void
send_some(tr_actor *self, unsigned who, unsigned whom)
{
    for (unsigned i = 1 + crowd_roll(4); i > 0; i--) {
        struct work work = {who, sent[who][whom] + 1, 0};
        if (tr_tell(self, crowd[whom].ref, WORK, &work, sizeof(work)) == TR_OK)
            sent[who][whom]++;
    }
}

static void
become(tr_actor *self, unsigned who)
{
    sessions[who].behavior = crowd_roll(BEHAVIORS);
    assert_int_equal(tr_become(self, &behaviors[sessions[who].behavior]), TR_OK);
}

static void
bring_back(tr_actor *self, unsigned who)
{
    struct session *mine = &sessions[who];
    assert_int_equal(tr_unstash(self), mine->aside.count);
    for (unsigned i = 0; i < mine->front.count; i++)
        put(&mine->aside, &mine->front.at[i]);
    mine->front = mine->aside;
    mine->aside.count = 0;
}

static void
change_limit(tr_actor *self, unsigned who)
{
    sessions[who].limit = 1 + crowd_roll(12);
    assert_int_equal(tr_stash_limit(self, sessions[who].limit), TR_OK);
}

static void
want_timeout(tr_actor *self, unsigned who)
{
    sessions[who].timeout_ms = crowd_once_in(3) ? 0 : 1 + crowd_roll(30);
    assert_int_equal(tr_receive_timeout(self, sessions[who].timeout_ms), TR_OK);
}

static void
act(tr_actor *self, unsigned who)
{
    switch (crowd_roll(16)) {
    case 0: crowd_leave(self, who); break;
    case 1: crowd_stop(self, crowd_somebody()); break;
    case 2: become(self, who); break;
    case 3: bring_back(self, who); break;
    case 4: change_limit(self, who); break;
    case 5: want_timeout(self, who); break;
    case 6:
    case 7:
    case 8: ask(self, who, crowd_somebody()); break;
    default: send_some(self, who, crowd_somebody()); break;
    }
}

/* Work. */

static bool
set_aside(tr_actor *self, unsigned who, tr_message *message)
{
    struct session *mine = &sessions[who];
    struct work work = *(const struct work *)tr_message_data(message);
    if (flushes || crowd_once_in(2))
        return false;
    tr_status status = tr_stash(self, message);
    assert_int_equal(status, mine->aside.count < mine->limit ? TR_OK : TR_EFULL);
    if (status == TR_OK)
        put(&mine->aside, &work);
    return status == TR_OK;
}

static void
answer(tr_actor *self, const struct work *work)
{
    tr_message message = tr_message_signal(ANSWER);
    if (work->question == 0) {
        assert_int_equal(tr_reply(self, &message), TR_ENOQUESTION);
        return;
    }
    questions[work->question].answered = true;
    tr_status status = tr_reply(self, &message);
    if (status != TR_OK) {
        assert_int_equal(status, TR_EGONE);
        assert_true(crowd[work->from].may_be_gone); /* one that drains takes no answer either */
    }
}

/* It comes back as the first that was set aside, or for the first time as the next of its sender. */
static void
do_work(tr_actor *self, unsigned who, tr_message *message)
{
    struct session *mine = &sessions[who];
    struct work work = *(const struct work *)tr_message_data(message);
    if (is_first(&mine->front, &work)) {
        take_first(&mine->front);
    } else {
        assert_int_equal(mine->front.count, 0);
        assert_int_equal(work.number, ++seen[work.from][who]);
    }
    if (!set_aside(self, who, message))
        answer(self, &work);
    if (crowd_once_in(8))
        bring_back(self, who);
    if (crowd_once_in(8))
        become(self, who);
}

static void
hear_timeout(tr_actor *self, unsigned who)
{
    struct session *mine = &sessions[who];
    assert_int_not_equal(mine->timeout_ms, 0);
    assert_int_equal(tr_now(self), mine->handled_ms + mine->timeout_ms);
    mine->timeouts++;
    if (!flushes && crowd_once_in(4))
        want_timeout(self, who);
}

static void
hear(tr_actor *self, unsigned who, tr_message *message)
{
    switch (message->tag) {
    case WORK: do_work(self, who, message); break;
    case FLUSH: bring_back(self, who); break;
    case TR_TAG_RECEIVE_TIMEOUT: hear_timeout(self, who); break;
    default: fail_msg("nobody has sent a message with the tag %u", (unsigned)message->tag);
    }
}

static void
receive(tr_actor *self, void *state, tr_message *message, unsigned behavior)
{
    struct session *mine = &sessions[crowd_who(state)];
    assert_int_equal(mine->behavior, behavior);
    if (message->tag != WORK)
        assert_int_equal(mine->front.count, 0);
    crowd_receive(self, state, message);
    mine->handled_ms = tr_now(self);
}

static void
receive_first(tr_actor *self, void *state, tr_message *message)
{
    receive(self, state, message, 0);
}

static void
receive_second(tr_actor *self, void *state, tr_message *message)
{
    receive(self, state, message, 1);
}

static void
receive_third(tr_actor *self, void *state, tr_message *message)
{
    receive(self, state, message, 2);
}

#define BEHAVIOR(text, function)                                                                                       \
    {                                                                                                                  \
        .name = text, .state_size = CROWD_STATE_SIZE, .receive = function, .stopped = crowd_stopped                    \
    }

static const struct tr_behavior behaviors[BEHAVIORS] = {
    BEHAVIOR("first", receive_first), BEHAVIOR("second", receive_second), BEHAVIOR("third", receive_third)};

/* At rest. */

/* Brings back all that is set aside, and lets it be handled. */
static void
flush(tr_runtime *runtime)
{
    flushes = true;
    for (unsigned who = 0; who < crowd_born; who++)
        if (!crowd[who].gone)
            stage_send(runtime, crowd[who].ref, FLUSH, NULL, 0);
    tr_testing_run(runtime);
    flushes = false;
}

static void
all_was_handled_once(unsigned who)
{
    assert_int_equal(sessions[who].aside.count, 0);
    assert_int_equal(sessions[who].front.count, 0);
    for (unsigned from = 0; from < crowd_born; from++)
        assert_int_equal(seen[from][who], sent[from][who]);
}

/* Each tells of the quiet as often as its time has gone by. */
static void
let_be_quiet(tr_runtime *runtime)
{
    unsigned expected[CROWD_MOST] = {0};
    flushes = true;
    for (unsigned who = 0; who < crowd_born; who++) {
        const struct session *session = &sessions[who];
        if (!crowd[who].gone && session->timeout_ms != 0)
            expected[who] =
                (unsigned)((tr_testing_now(runtime) + QUIET_MS - session->handled_ms) / session->timeout_ms);
        sessions[who].timeouts = 0;
    }
    tr_testing_advance(runtime, QUIET_MS);
    for (unsigned who = 0; who < crowd_born; who++)
        assert_int_equal(sessions[who].timeouts, expected[who]);
    flushes = false;
}

static void
rest(tr_runtime *runtime)
{
    flush(runtime);
    for (unsigned who = 0; who < crowd_born; who++)
        if (!crowd[who].gone)
            all_was_handled_once(who);
    for (uint32_t question = 1; question <= question_count; question++)
        if (!crowd[questions[question].asker].gone)
            assert_int_equal(questions[question].outcomes, 1);
    let_be_quiet(runtime);
}

/* So that no step goes so far that a question is too late. */
static tr_status
tick(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    return tr_receive_timeout(self, 10);
}

static const struct tr_behavior metronome = {.name = "metronome", .init = tick, .receive = ignore};

static void
begin(tr_runtime *runtime)
{
    memset(sessions, 0, sizeof(sessions));
    memset(sent, 0, sizeof(sent));
    memset(seen, 0, sizeof(seen));
    memset(questions, 0, sizeof(questions));
    question_count = 0;
    for (unsigned who = 0; who < CROWD_MOST; who++)
        sessions[who].limit = TR_STASH_DEFAULT;
    stage_spawn(runtime, &metronome, 0, NULL);
}

static void
what_is_set_aside_comes_back_in_order_and_timeouts_are_exact_under_every_seed(void **state)
{
    (void)state;
    crowd_under_seeds(&(struct crowd_play){
        .size = 6, .turns = 80, .receive = receive_first, .begin = begin, .act = act, .hear = hear, .rest = rest});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_set_aside_comes_back_in_order_and_timeouts_are_exact_under_every_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
