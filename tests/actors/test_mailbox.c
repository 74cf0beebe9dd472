#include "helpers.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

enum { FILL = 1, NUMBER, DONE };

#define LIMIT 5u
#define TRIED 12u

static struct tally done, lost;
static uint64_t seen[TRIED + 1], seen_count;

static void
note_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag == TR_TAG_DEAD_LETTER)
        tally_add(&lost, 1);
    else if (message->tag == NUMBER)
        seen[seen_count++] = message->payload.words[0];
}

static const struct tr_behavior by_policy[] = {
    [TR_MAILBOX_REFUSE] = {.name = "refuse", .receive = note_receive, .mailbox = {LIMIT, 0, TR_MAILBOX_REFUSE}},
    [TR_MAILBOX_DROP_NEWEST] = {.name = "newest",
                                .receive = note_receive,
                                .mailbox = {LIMIT, 0, TR_MAILBOX_DROP_NEWEST}},
    [TR_MAILBOX_DROP_OLDEST] = {.name = "oldest",
                                .receive = note_receive,
                                .mailbox = {LIMIT, 0, TR_MAILBOX_DROP_OLDEST}},
};
static const struct tr_behavior in_bytes = {
    .name = "bytes", .receive = note_receive, .mailbox = {.bytes = 5 * 64, .policy = TR_MAILBOX_REFUSE}};
static const struct tr_behavior of_one = {
    .name = "one", .receive = note_receive, .mailbox = {1, 0, TR_MAILBOX_DROP_OLDEST}};

/* Sends TRIED numbers within one callback, so that the receiver cannot run in between, and counts what is refused. */
static uint64_t refused;

static void
filler_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_ref to = message->payload.words[0];
    (void)state;
    if (message->tag == FILL) {
        for (uint64_t i = 0; i < TRIED; i++) {
            tr_status status = tr_tell(self, to, NUMBER, &i, sizeof(i));
            if (status != TR_OK)
                assert_int_equal(status, TR_EFULL);
            refused += status != TR_OK;
        }
        tr_tell(self, tr_self(self), DONE, NULL, 0);
    } else {
        tally_add(&done, 1);
    }
}

static const struct tr_behavior filler = {.name = "filler", .receive = filler_receive};

/* Stops when the numbers have been sent and `arrived` of them, received or lost, have been counted. */
static void
fill(const struct tr_behavior *behavior, unsigned from_worker, bool (*arrived)(void *))
{
    tr_runtime *runtime = stage_open(2);
    tr_ref to = stage_spawn(runtime, behavior, 0, NULL), from = stage_spawn(runtime, &filler, from_worker, NULL);
    tr_ref undertaker =
        stage_spawn(runtime, &(const struct tr_behavior){.name = "undertaker", .receive = note_receive}, 1, NULL);
    tr_dead_letters_subscribe(runtime, undertaker);
    done = lost = (struct tally){0};
    refused = seen_count = 0;
    stage_send(runtime, from, FILL, &to, sizeof(to));
    tally_await(&done, 1);
    assert_true(arrived == NULL || tests_wait_until(arrived, NULL, TESTS_LIMIT_MS));
    stage_close(runtime);
}

static void
assert_seen(uint64_t first, uint64_t count)
{
    assert_int_equal(seen_count, count);
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(seen[i], first + i);
}

static void
a_full_mailbox_refuses_and_tells_the_sender(void **state)
{
    (void)state;
    fill(&by_policy[TR_MAILBOX_REFUSE], 0, NULL);
    assert_seen(0, LIMIT);
    assert_int_equal(refused, TRIED - LIMIT);
}

static void
a_full_mailbox_drops_the_newest(void **state)
{
    (void)state;
    fill(&by_policy[TR_MAILBOX_DROP_NEWEST], 0, NULL);
    assert_seen(0, LIMIT);
    assert_int_equal(refused, 0);
}

static void
a_full_mailbox_drops_the_oldest(void **state)
{
    (void)state;
    fill(&by_policy[TR_MAILBOX_DROP_OLDEST], 0, NULL);
    assert_seen(TRIED - LIMIT, LIMIT);
    assert_int_equal(refused, 0);
}

static void
a_mailbox_of_one_keeps_the_last(void **state)
{
    (void)state;
    fill(&of_one, 0, NULL);
    assert_seen(TRIED - 1, 1);
}

static void
a_limit_in_bytes_counts_message_and_payload(void **state)
{
    (void)state;
    fill(&in_bytes, 0, NULL);
    assert_seen(0, 2); /* each weighs a line for itself and one for its payload */
    assert_int_equal(refused, TRIED - 2);
}

static struct tally received;

static void
count_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    tally_add(&received, 1);
}

static bool
all_arrived(void *argument)
{
    (void)argument;
    return tally_read(&received) + tally_read(&lost) == TRIED;
}

static void
what_is_refused_from_afar_becomes_a_dead_letter(void **state)
{
    (void)state;
    static const struct tr_behavior narrow = {
        .name = "narrow", .receive = count_receive, .mailbox = {1, 0, TR_MAILBOX_REFUSE}};
    received = (struct tally){0};
    fill(&narrow, 1, all_arrived);
    assert_int_equal(refused, 0);
    assert_true(tally_read(&received) >= 1);
}

/* Fairness: an actor that sends itself message after message, and one that takes long, share with their neighbour. */
static struct tally turns;

static void
busy_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    for (unsigned i = 0; i < 2; i++)
        tr_tell(self, tr_self(self), NUMBER, NULL, 0);
    tally_add(&turns, 1);
}

static const struct tr_behavior busy = {
    .name = "busy", .receive = busy_receive, .mailbox = {.messages = 50000, .policy = TR_MAILBOX_REFUSE}};
static const struct tr_behavior patient = {.name = "patient", .receive = count_receive};

static void
an_actor_that_never_runs_dry_starves_nobody(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    received = turns = (struct tally){0};
    tr_ref hog = stage_spawn(runtime, &busy, 0, NULL), other = stage_spawn(runtime, &patient, 0, NULL);
    stage_send(runtime, hog, NUMBER, NULL, 0);
    tally_await(&turns, 100000);
    for (unsigned i = 1; i <= 100; i++) {
        stage_send(runtime, other, NUMBER, NULL, 0);
        tally_await(&received, i);
    }
    assert_int_equal(tr_runtime_stop_actor(runtime, hog, TR_STOP_NOW), TR_OK);
    stage_close(runtime);
}

/* A slow actor with a full mailbox and a neighbour: counted in turns of the slow one, not in time. */
static struct tally slow_turns;
static uint64_t turns_at_greeting, turns_at_answer;

static void
slow_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == FILL) {
        for (unsigned i = 0; i < 60; i++)
            tr_tell(self, tr_self(self), NUMBER, message->payload.bytes, sizeof(tr_ref));
        return;
    }
    uint64_t end = uv_hrtime() + 2000000;
    while (uv_hrtime() < end) {
    }
    tally_add(&slow_turns, 1);
    if (tally_read(&slow_turns) == 40) { /* learnt by now; 20 more wait */
        turns_at_greeting = tally_read(&slow_turns);
        tr_tell(self, message->payload.words[0], NUMBER, NULL, 0);
    }
}

static void
answer_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    turns_at_answer = tally_read(&slow_turns);
    tally_add(&done, 1);
}

static void
a_slow_actor_lets_its_neighbour_in_after_one_message(void **state)
{
    (void)state;
    static const struct tr_behavior slow = {.name = "slow", .receive = slow_receive};
    static const struct tr_behavior answers = {.name = "answers", .receive = answer_receive};
    tr_runtime *runtime = stage_open(1);
    done = slow_turns = (struct tally){0};
    tr_ref snail = stage_spawn(runtime, &slow, 0, NULL), other = stage_spawn(runtime, &answers, 0, NULL);
    stage_send(runtime, snail, FILL, &other, sizeof(other));
    tally_await(&done, 1);
    assert_in_range(turns_at_answer - turns_at_greeting, 0, 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&slow_turns), 60);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_mailbox_refuses_and_tells_the_sender),
        cmocka_unit_test(a_full_mailbox_drops_the_newest),
        cmocka_unit_test(a_full_mailbox_drops_the_oldest),
        cmocka_unit_test(a_mailbox_of_one_keeps_the_last),
        cmocka_unit_test(a_limit_in_bytes_counts_message_and_payload),
        cmocka_unit_test(what_is_refused_from_afar_becomes_a_dead_letter),
        cmocka_unit_test(an_actor_that_never_runs_dry_starves_nobody),
        cmocka_unit_test(a_slow_actor_lets_its_neighbour_in_after_one_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
