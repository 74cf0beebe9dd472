/*
 * TR_MAILBOX_MUTE: who is muted and until when, how much may wait, what a muted actor is given all the same, and what
 * becomes of senders that cannot be muted.
 */
#include "actor_internal.h"
#include "counters.h"
#include "counting.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <troupe/actors/ask.h>
#include <troupe/actors/watch.h>

#include <cmocka.h>

enum { GO = 1, NUMBER, HOLD, PLAIN };

#define LIMIT 16u /* crowded with 8, relieved with 4 */
#define BURST 5u  /* what a handler of a source sends */

static struct tally done, held, let_go, taken, wrong, downs, plains, dead;
static uint64_t most; /* that ever waited for the sink; its worker's */

static int
reset(void **state)
{
    (void)state;
    done = held = let_go = taken = wrong = downs = plains = dead = stopped = received = (struct tally){0};
    most = 0;
    return 0;
}

/* A sink, and sources which send to it, each BURST numbers for each message that it sends itself. */
struct source {
    tr_ref sink;
    uint64_t left, number;
};

static void
sink_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (self->waiting + 1 > most)
        most = self->waiting + 1;
    if (message->tag == HOLD) {
        tally_add(&held, 1);
        tally_await(&let_go, 1);
    } else {
        tally_add(&taken, 1);
    }
}

static void
source_receive(tr_actor *self, void *state, tr_message *message)
{
    struct source *source = state;
    if (message->tag == GO)
        *source = (struct source){.sink = message->payload.words[0], .left = message->payload.words[1]};
    for (unsigned i = 0; i < BURST && source->left > 0; i++, source->left--)
        if (tr_tell(self, source->sink, NUMBER, &source->number, sizeof(source->number)) != TR_OK)
            tally_add(&wrong, 1);
    if (source->left > 0)
        tr_tell(self, tr_self(self), PLAIN, NULL, 0);
    tally_add(&done, source->left == 0);
}

#define MUTES                                                                                                          \
    {                                                                                                                  \
        .messages = LIMIT, .policy = TR_MAILBOX_MUTE                                                                   \
    }
static const struct tr_behavior sink = {
    .name = "sink", .receive = sink_receive, .stopped = count_stopped, .mailbox = MUTES};
static const struct tr_behavior source = {
    .name = "source", .state_size = sizeof(struct source), .receive = source_receive, .stopped = count_stopped};

static void
run_sources(unsigned workers, unsigned sources, uint64_t each)
{
    tr_runtime *runtime = stage_open(workers);
    struct tr_counters counters;
    tr_ref to = stage_spawn(runtime, &sink, 0, NULL);
    for (unsigned i = 0; i < sources; i++)
        stage_send(runtime, stage_spawn(runtime, &source, i % workers, NULL), GO, (uint64_t[]){to, each}, 16);
    tally_await(&taken, sources * each);
    tests_counters_add_up(runtime);
    tr_runtime_counters(runtime, &counters);
    stage_close(runtime);
    assert_int_equal(tally_read(&wrong), 0);
    assert_int_equal(counters.dead_letters, 0);
}

static void
half_of_its_limit_and_one_burst_of_each_sender_is_all_that_waits_on_one_worker(void **state)
{
    (void)state;
    for (unsigned sources = 1; sources <= 50; sources += 7) {
        reset(state);
        run_sources(1, sources, 1000);
        assert_in_range(most, LIMIT / 2, LIMIT / 2 - 1 + sources * BURST);
    }
}

/* From each worker as many as may be under way until its senders see a backlog, and those of the same burst. */
static void
what_waits_of_senders_on_other_workers_is_bounded_by_what_may_be_under_way(void **state)
{
    (void)state;
    unsigned workers = 3, sources = 12;
    run_sources(workers, sources, 20000);
    assert_in_range(most, LIMIT / 2, LIMIT / 2 - 1 + sources * BURST + (workers - 1) * (1024 + 64));
}

/* While the worker of this one goes round so many times, every actor there that has mail is given some. */
#define ROUNDS 200u

static void
observer_receive(tr_actor *self, void *state, tr_message *message)
{
    uint64_t left = message->payload.words[0] - 1;
    (void)state;
    if (left > 0)
        tr_tell(self, tr_self(self), GO, &left, sizeof(left));
    else
        tally_add(&received, 1);
}

static const struct tr_behavior observer = {.name = "observer", .receive = observer_receive};

static void
go_round(tr_runtime *runtime, tr_ref observes, uint64_t rounds)
{
    uint64_t seen = tally_read(&received);
    stage_send(runtime, observes, GO, &rounds, sizeof(rounds));
    tally_await(&received, seen + 1);
}

/* Relays between a source and a sink that stands still: each is muted by the next, and the source by the first. */
struct relay {
    tr_ref to;
};

static void
relay_receive(tr_actor *self, void *state, tr_message *message)
{
    struct relay *relay = state;
    if (message->tag == GO) {
        relay->to = message->payload.words[0];
        tally_add(&plains, 1);
    } else if (tr_send(self, relay->to, message) != TR_OK) {
        tally_add(&wrong, 1);
    }
}

static void
a_muted_actor_mutes_those_who_fill_its_own_mailbox(void **state)
{
    (void)state;
    static const struct tr_behavior relays = {
        .name = "relay", .state_size = sizeof(struct relay), .receive = relay_receive, .mailbox = MUTES};
    enum { RELAYS = 5, ALL = 20000 };
    tr_runtime *runtime = stage_open(2);
    tr_ref to = stage_spawn(runtime, &sink, 0, NULL), observes = stage_spawn(runtime, &observer, 1, NULL);
    stage_send(runtime, to, HOLD, NULL, 0);
    tally_await(&held, 1);
    for (unsigned i = 0; i < RELAYS; i++) {
        tr_ref next = stage_spawn(runtime, &relays, 1, NULL);
        stage_send(runtime, next, GO, &to, sizeof(to));
        tally_await(&plains, i + 1);
        to = next;
    }
    stage_send(runtime, stage_spawn(runtime, &source, 1, NULL), GO, (uint64_t[]){to, ALL}, 16);
    go_round(runtime, observes, 2 * ALL / BURST); /* twice as long as the source would take */
    assert_int_equal(tally_read(&done), 0);
    tally_add(&let_go, 1);
    tally_await(&taken, ALL);
    stage_close(runtime);
    assert_int_equal(tally_read(&wrong), 0);
    /* At most what the lane takes until there is a backlog, then what each relay handles until it is relieved. */
    assert_true(most <= 1024 + 64 + RELAYS * (LIMIT / 2 + BURST));
}

/* A sink that stays full until it is let go, on any worker. */
static void
full_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (tally_read(&let_go) == 0)
        tr_send(self, tr_self(self), message);
    else
        tally_add(&taken, 1);
}

static const struct tr_behavior full = {.name = "full", .receive = full_receive, .mailbox = MUTES};

/* Sends until it is muted, and counts what it is given then. */
struct listener {
    tr_ref sink;
    tr_ref watched[2];
};

static uint64_t plains_at_down[2];
static tr_ref down_of[2];

static void
listener_receive(tr_actor *self, void *state, tr_message *message)
{
    struct listener *listener = state;
    if (message->tag == TR_TAG_DOWN) {
        const struct tr_down *down = tr_message_data(message);
        uint64_t count = tally_read(&downs);
        down_of[count] = down->actor;
        plains_at_down[count] = tally_read(&plains);
        tally_add(&downs, 1);
        return;
    }
    if (message->tag == PLAIN) {
        tally_add(&plains, 1);
        return;
    }
    memcpy(listener, tr_message_data(message), sizeof(*listener));
    for (unsigned i = 0; i < 2; i++)
        if (listener->watched[i] != TR_NOBODY &&
            tr_monitor_start(self, listener->watched[i], &(tr_monitor){0}) != TR_OK)
            tally_add(&wrong, 1);
    for (unsigned i = 0; i < LIMIT; i++) /* a muting mailbox never refuses */
        if (tr_tell(self, listener->sink, NUMBER, NULL, 0) != TR_OK)
            tally_add(&wrong, 1);
    tally_add(&held, 1);
}

static const struct tr_behavior listens = {
    .name = "listens", .state_size = sizeof(struct listener), .receive = listener_receive, .stopped = count_stopped};

static tr_ref
spawn_muted(tr_runtime *runtime, tr_ref sink_ref, tr_ref first, tr_ref second)
{
    tr_ref ref = stage_spawn(runtime, &listens, 0, NULL);
    struct listener listener = {sink_ref, {first, second}};
    stage_send(runtime, ref, GO, &listener, sizeof(listener));
    tally_await(&held, 1);
    return ref;
}

/* Sends a message to whom it is told and ends. */
static void
mortal_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->payload.words[0] != TR_NOBODY)
        tr_tell(self, message->payload.words[0], PLAIN, NULL, 0);
    tr_exit(self);
}

static const struct tr_behavior mortal = {.name = "mortal", .receive = mortal_receive};

static void
a_muted_actor_hears_notices_but_none_before_what_the_same_sender_sent(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref observes = stage_spawn(runtime, &observer, 0, NULL), nobody = TR_NOBODY;
    tr_ref talks = stage_spawn(runtime, &mortal, 0, NULL), is_silent = stage_spawn(runtime, &mortal, 0, NULL);
    tr_ref muted = spawn_muted(runtime, stage_spawn(runtime, &full, 0, NULL), talks, is_silent);
    stage_send(runtime, talks, GO, &muted, sizeof(muted));
    go_round(runtime, observes, ROUNDS);
    stage_send(runtime, is_silent, GO, &nobody, sizeof(nobody));
    tally_await(&downs, 1);
    go_round(runtime, observes, ROUNDS);
    assert_int_equal(tally_read(&downs), 1);
    assert_int_equal(tally_read(&plains), 0);
    tally_add(&let_go, 1);
    tally_await(&downs, 2);
    stage_close(runtime);
    assert_int_equal(tally_read(&wrong), 0);
    assert_int_equal(down_of[0], is_silent);
    assert_int_equal(down_of[1], talks);
    assert_int_equal(plains_at_down[1], 1);
}

/* Asks first, and is muted when the answer comes. */
struct asking {
    tr_ref sink, answers;
};

static void
on_answer(tr_actor *self, void *context, const struct tr_answer *answer)
{
    (void)context;
    if (answer->outcome != TR_ANSWERED || (self->flags & TRI_ACTOR_MUTED) == 0)
        tally_add(&wrong, 1);
    tally_add(&downs, 1);
}

static void
asking_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    struct asking asking;
    struct tr_ask_options options = {.done = on_answer};
    tr_message question = tr_message_signal(NUMBER);
    if (message->tag == PLAIN) {
        tally_add(&plains, 1);
        return;
    }
    memcpy(&asking, tr_message_data(message), sizeof(asking));
    if (tr_ask(self, asking.answers, &question, &options) != TR_OK)
        tally_add(&wrong, 1);
    for (unsigned i = 0; i < LIMIT; i++)
        tr_tell(self, asking.sink, NUMBER, NULL, 0);
    tr_tell(self, tr_self(self), PLAIN, NULL, 0);
}

static void
answering_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    tr_message answer = tr_message_signal(NUMBER);
    if (tr_reply(self, &answer) != TR_OK)
        tally_add(&wrong, 1);
}

static void
an_answer_reaches_a_muted_actor_before_what_others_sent(void **state)
{
    (void)state;
    static const struct tr_behavior asks = {.name = "asks", .receive = asking_receive};
    static const struct tr_behavior answers = {.name = "answers", .receive = answering_receive};
    tr_runtime *runtime = stage_open(1);
    struct asking asking = {stage_spawn(runtime, &full, 0, NULL), stage_spawn(runtime, &answers, 0, NULL)};
    stage_send(runtime, stage_spawn(runtime, &asks, 0, NULL), GO, &asking, sizeof(asking));
    tally_await(&downs, 1);
    assert_int_equal(tally_read(&plains), 0);
    tally_add(&let_go, 1);
    tally_await(&plains, 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&wrong), 0);
}

/* A question to a mailbox that mutes is asked, and mutes who asks. */
static void
a_question_to_a_crowded_mailbox_mutes_the_asker(void **state)
{
    (void)state;
    static const struct tr_behavior asks = {.name = "asks", .receive = asking_receive};
    tr_runtime *runtime = stage_open(1);
    tr_ref observes = stage_spawn(runtime, &observer, 0, NULL), to = stage_spawn(runtime, &full, 0, NULL);
    tr_ref nobody = TR_NOBODY;
    spawn_muted(runtime, to, nobody, nobody);
    struct asking asking = {TR_NOBODY, to};
    stage_send(runtime, stage_spawn(runtime, &asks, 0, NULL), GO, &asking, sizeof(asking));
    go_round(runtime, observes, ROUNDS);
    assert_int_equal(tally_read(&plains), 0);
    tally_add(&let_go, 1);
    tally_await(&plains, 1);
    stage_close(runtime);
}

static void
a_muted_actor_stops_when_it_is_told_to_and_what_it_held_is_dead(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref observes = stage_spawn(runtime, &observer, 0, NULL);
    tr_ref muted = spawn_muted(runtime, stage_spawn(runtime, &full, 0, NULL), TR_NOBODY, TR_NOBODY);
    for (unsigned i = 0; i < 100; i++)
        stage_send(runtime, muted, PLAIN, NULL, 0);
    go_round(runtime, observes, ROUNDS);
    assert_int_equal(tally_read(&plains), 0);
    assert_int_equal(tr_runtime_stop_actor(runtime, muted, TR_STOP_NOW), TR_OK);
    tally_await(&stopped, 1);
    tests_counters_await_dead(runtime, 100);
    tally_add(&let_go, 1);
    tally_await(&taken, LIMIT);
    tests_counters_add_up(runtime);
    stage_close(runtime);
}

static void
a_muted_actor_that_drains_ends_when_it_has_handled_what_it_held(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref observes = stage_spawn(runtime, &observer, 0, NULL);
    tr_ref muted = spawn_muted(runtime, stage_spawn(runtime, &full, 0, NULL), TR_NOBODY, TR_NOBODY);
    for (unsigned i = 0; i < 100; i++)
        stage_send(runtime, muted, PLAIN, NULL, 0);
    go_round(runtime, observes, ROUNDS);
    assert_int_equal(tr_runtime_stop_actor(runtime, muted, TR_STOP_DRAIN), TR_OK);
    go_round(runtime, observes, ROUNDS);
    assert_int_equal(tally_read(&stopped), 0);
    tally_add(&let_go, 1);
    tally_await(&stopped, 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&plains), 100);
}

static void
whoever_is_muted_by_an_actor_that_ends_goes_on(void **state)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        reset(state);
        tr_runtime *runtime = stage_open(workers);
        tr_ref observes = stage_spawn(runtime, &observer, workers - 1, NULL);
        tr_ref to = stage_spawn(runtime, &full, 0, NULL);
        stage_send(runtime, stage_spawn(runtime, &source, workers - 1, NULL), GO, (uint64_t[]){to, 100000}, 16);
        go_round(runtime, observes, 2 * 100000 / BURST); /* twice as long as it would take */
        assert_int_equal(tally_read(&done), 0);
        assert_int_equal(tr_runtime_stop_actor(runtime, to, workers == 1 ? TR_STOP_NOW : TR_STOP_KILL), TR_OK);
        tally_await(&done, 1);
        stage_close(runtime);
    }
}

/* Who cannot be muted. */

static void
timing_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    tr_message late = tr_message_signal(NUMBER);
    if (tr_send_after(self, message->payload.words[0], 1, &late, NULL) != TR_OK)
        tally_add(&wrong, 1);
}

static void
letter_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    const struct tr_dead_letter *letter = tr_message_data(message);
    if (letter->reason != TR_DEAD_MAILBOX_FULL || letter->tag != NUMBER)
        tally_add(&wrong, 1);
    tally_add(&dead, 1);
}

static void
timers_and_threads_outside_are_refused_while_the_mailbox_is_crowded(void **state)
{
    (void)state;
    static const struct tr_behavior times = {.name = "times", .receive = timing_receive};
    static const struct tr_behavior letters = {.name = "letters", .receive = letter_receive};
    for (unsigned worker = 0; worker < 2; worker++) {
        reset(state);
        tr_runtime *runtime = stage_open(2);
        tr_message message = tr_message_signal(PLAIN);
        tr_ref to = stage_spawn(runtime, &full, 0, NULL);
        assert_int_equal(tr_dead_letters_subscribe(runtime, stage_spawn(runtime, &letters, 0, NULL)), TR_OK);
        spawn_muted(runtime, to, TR_NOBODY, TR_NOBODY);
        assert_int_equal(tr_runtime_send(runtime, to, &message), TR_EFULL);
        stage_send(runtime, stage_spawn(runtime, &times, worker, NULL), GO, &to, sizeof(to));
        tally_await(&dead, 1);
        tally_add(&let_go, 1);
        tally_await(&taken, LIMIT);
        stage_send(runtime, to, PLAIN, NULL, 0);
        tally_await(&taken, LIMIT + 1);
        stage_close(runtime);
        assert_int_equal(tally_read(&wrong), 0);
    }
}

/* An actor that sends to itself waits for nobody. */
static void
selfish_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == GO)
        for (unsigned i = 0; i < 10 * LIMIT; i++)
            tr_tell(self, tr_self(self), NUMBER, NULL, 0);
    else
        tally_add(&taken, 1);
}

static void
an_actor_does_not_mute_itself(void **state)
{
    (void)state;
    static const struct tr_behavior selfish = {.name = "selfish", .receive = selfish_receive, .mailbox = MUTES};
    tr_runtime *runtime = stage_open(1);
    stage_send(runtime, stage_spawn(runtime, &selfish, 0, NULL), GO, NULL, 0);
    tally_await(&taken, 10 * LIMIT);
    stage_close(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(half_of_its_limit_and_one_burst_of_each_sender_is_all_that_waits_on_one_worker, reset),
        cmocka_unit_test_setup(what_waits_of_senders_on_other_workers_is_bounded_by_what_may_be_under_way, reset),
        cmocka_unit_test_setup(a_muted_actor_mutes_those_who_fill_its_own_mailbox, reset),
        cmocka_unit_test_setup(a_muted_actor_hears_notices_but_none_before_what_the_same_sender_sent, reset),
        cmocka_unit_test_setup(an_answer_reaches_a_muted_actor_before_what_others_sent, reset),
        cmocka_unit_test_setup(a_question_to_a_crowded_mailbox_mutes_the_asker, reset),
        cmocka_unit_test_setup(a_muted_actor_stops_when_it_is_told_to_and_what_it_held_is_dead, reset),
        cmocka_unit_test_setup(a_muted_actor_that_drains_ends_when_it_has_handled_what_it_held, reset),
        cmocka_unit_test_setup(whoever_is_muted_by_an_actor_that_ends_goes_on, reset),
        cmocka_unit_test_setup(timers_and_threads_outside_are_refused_while_the_mailbox_is_crowded, reset),
        cmocka_unit_test_setup(an_actor_does_not_mute_itself, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
