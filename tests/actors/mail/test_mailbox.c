#include "counters.h"
#include "counting.h"
#include "deliver.h"
#include "mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include <cmocka.h>

enum { FILL = 1, NUMBER, DONE, HOLD };

#define LIMIT 5u
#define TRIED 12u

static struct tally done, lost;
static uint64_t seen[TRIED + 1], seen_count;
static uint32_t reasons[TRIED];

static void
note_letter(const tr_message *message)
{
    const struct tr_dead_letter *letter = tr_message_data(message);
    reasons[tally_read(&lost) % TRIED] = letter->reason;
    tally_add(&lost, 1);
}

static void
note_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag == TR_TAG_DEAD_LETTER)
        note_letter(message);
    else if (message->tag == NUMBER)
        seen[seen_count++] = *(const uint64_t *)tr_message_data(message);
}

static const struct tr_behavior by_policy[] = {
    [TR_MAILBOX_REFUSE] = {.name = "refuse",
                           .receive = note_receive,
                           .mailbox = {.messages = LIMIT, .policy = TR_MAILBOX_REFUSE}},
    [TR_MAILBOX_DROP_NEWEST] = {.name = "newest",
                                .receive = note_receive,
                                .mailbox = {.messages = LIMIT, .policy = TR_MAILBOX_DROP_NEWEST}},
    [TR_MAILBOX_DROP_OLDEST] = {.name = "oldest",
                                .receive = note_receive,
                                .mailbox = {.messages = LIMIT, .policy = TR_MAILBOX_DROP_OLDEST}},
};
static const struct tr_behavior of_one = {
    .name = "one", .receive = note_receive, .mailbox = {.messages = 1, .policy = TR_MAILBOX_DROP_OLDEST}};

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
        tr_message later = tr_message_signal(DONE); /* in a turn when what was sent is under way */
        assert_int_equal(tr_send_after(self, tr_self(self), 1, &later, NULL), TR_OK);
    } else {
        tally_add(&done, 1);
    }
}

static const struct tr_behavior filler = {.name = "filler", .receive = filler_receive};

static tr_runtime *
open_with_undertaker(void)
{
    static const struct tr_behavior undertaker = {.name = "undertaker", .receive = note_receive};
    tr_runtime *runtime = stage_open(2);
    tr_dead_letters_subscribe(runtime, stage_spawn(runtime, &undertaker, 1, NULL));
    done = lost = (struct tally){0};
    refused = seen_count = 0;
    return runtime;
}

static void
fill_by(const struct tr_behavior *filled, const struct tr_behavior *filling)
{
    tr_runtime *runtime = open_with_undertaker();
    tr_ref to = stage_spawn(runtime, filled, 0, NULL), from = stage_spawn(runtime, filling, 0, NULL);
    stage_send(runtime, from, FILL, &to, sizeof(to));
    tally_await(&done, 1);
    stage_close(runtime);
}

static void
fill(const struct tr_behavior *filled)
{
    fill_by(filled, &filler);
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
    fill(&by_policy[TR_MAILBOX_REFUSE]);
    assert_seen(0, LIMIT);
    assert_int_equal(refused, TRIED - LIMIT);
}

static void
a_full_mailbox_drops_the_newest(void **state)
{
    (void)state;
    fill(&by_policy[TR_MAILBOX_DROP_NEWEST]);
    assert_seen(0, LIMIT);
    assert_int_equal(refused, 0);
}

static void
a_full_mailbox_drops_the_oldest(void **state)
{
    (void)state;
    fill(&by_policy[TR_MAILBOX_DROP_OLDEST]);
    assert_seen(TRIED - LIMIT, LIMIT);
    assert_int_equal(refused, 0);
}

static void
a_mailbox_of_one_keeps_the_last(void **state)
{
    (void)state;
    fill(&of_one);
    assert_seen(TRIED - 1, 1);
}

static void
a_limit_in_bytes_counts_message_and_payload(void **state)
{
    static struct tr_behavior in_bytes = {.name = "bytes", .receive = note_receive};
    /* Each weighs a line for itself and one for its payload; one that is too large still fits into an empty mailbox. */
    static const unsigned lines[] = {1, 3, 4, 5, 6}, fit[] = {1, 1, 2, 2, 3};
    (void)state;
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        in_bytes.mailbox.bytes = lines[i] * UINT64_C(64);
        fill(&in_bytes);
        assert_seen(0, fit[i]);
        assert_int_equal(refused, TRIED - fit[i]);
    }
}

/* Twelve of two lines, then one of six. */
static void
heap_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_ref to = message->payload.words[0];
    uint64_t large[5 * 64 / sizeof(uint64_t)] = {TRIED};
    (void)state;
    for (uint64_t i = 0; i < TRIED; i++)
        assert_int_equal(tr_tell(self, to, NUMBER, &i, sizeof(i)), TR_OK);
    assert_int_equal(tr_tell(self, to, NUMBER, large, sizeof(large)), TR_OK);
    tally_add(&done, 1);
}

static void
a_message_takes_the_place_of_as_many_of_the_oldest_as_it_needs(void **state)
{
    static const struct tr_behavior heaps = {.name = "heaps", .receive = heap_receive};
    static const struct tr_behavior oldest_in_bytes = {
        .name = "oldest",
        .receive = note_receive,
        .mailbox = {.bytes = UINT64_C(10) * 64, .policy = TR_MAILBOX_DROP_OLDEST}};
    (void)state;
    fill_by(&oldest_in_bytes, &heaps);
    assert_seen(TRIED - 2, 3);
}

static struct tally held, let_go;

static void
narrow_receive(tr_actor *self, void *state, tr_message *message)
{
    if (message->tag != HOLD) {
        count_receive(self, state, message);
        return;
    }
    tally_add(&held, 1);
    tally_await(&let_go, 1);
}

/* Its worker stands still until all of them are on their way. */
static void
fill_from_afar(const struct tr_behavior *narrow)
{
    tr_runtime *runtime = open_with_undertaker();
    tr_ref to = stage_spawn(runtime, narrow, 0, NULL), from = stage_spawn(runtime, &filler, 1, NULL);
    received = held = let_go = (struct tally){0};
    stage_send(runtime, to, HOLD, NULL, 0);
    tally_await(&held, 1);
    stage_send(runtime, from, FILL, &to, sizeof(to));
    tally_await(&done, 1);
    tally_add(&let_go, 1);
    tally_await(&lost, TRIED - 1);
    tally_await(&received, 1);
    stage_close(runtime);
}

static void
what_is_too_much_from_afar_becomes_a_dead_letter_that_says_why(void **state)
{
    static const struct tr_behavior narrow[] = {
        {.name = "refuses", .receive = narrow_receive, .mailbox = {.messages = 1, .policy = TR_MAILBOX_REFUSE}},
        {.name = "newest", .receive = narrow_receive, .mailbox = {.messages = 1, .policy = TR_MAILBOX_DROP_NEWEST}},
        {.name = "oldest", .receive = narrow_receive, .mailbox = {.messages = 1, .policy = TR_MAILBOX_DROP_OLDEST}},
    };
    static const uint32_t expected[] = {TR_DEAD_MAILBOX_FULL, TR_DEAD_MAILBOX_FULL, TR_DEAD_DROPPED};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        fill_from_afar(&narrow[i]);
        assert_int_equal(refused, 0);
        assert_int_equal(tally_read(&received), 1);
        for (unsigned k = 0; k < TRIED - 1; k++)
            assert_int_equal(reasons[k], expected[i]);
    }
}

/* A subscriber that stands still, and letters that die on the other worker meanwhile. */
static void
pauser_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_message later = tr_message_signal(DONE);
    (void)state;
    if (message->tag == DONE)
        tally_add(&done, 1);
    else
        assert_int_equal(tr_send_after(self, tr_self(self), 1, &later, NULL), TR_OK); /* in another turn */
}

static void
subscriber_receive(tr_actor *self, void *state, tr_message *message)
{
    if (message->tag == TR_TAG_DEAD_LETTER)
        note_letter(message);
    else
        narrow_receive(self, state, message);
}

static void
notices_from_afar_obey_the_subscribers_limits(void **state)
{
    static const struct tr_behavior subscriber = {
        .name = "subscriber", .receive = subscriber_receive, .mailbox = {.messages = 1, .policy = TR_MAILBOX_REFUSE}};
    static const struct tr_behavior pauser = {.name = "pauser", .receive = pauser_receive};
    struct tr_counters counters;
    (void)state;
    tr_runtime *runtime = stage_open(2);
    done = lost = held = let_go = received = (struct tally){0};
    tr_ref told = stage_spawn(runtime, &subscriber, 0, NULL), other = stage_spawn(runtime, &pauser, 1, NULL);
    assert_int_equal(tr_dead_letters_subscribe(runtime, told), TR_OK);
    stage_send(runtime, told, HOLD, NULL, 0);
    tally_await(&held, 1);
    for (unsigned i = 0; i < TRIED; i++)
        stage_send(runtime, other + 7, NUMBER, NULL, 0); /* nobody */
    tests_counters_await_dead(runtime, TRIED);
    stage_send(runtime, other, FILL, NULL, 0);
    tally_await(&done, 1);
    tally_add(&let_go, 1);
    tally_await(&lost, 1);
    stage_send(runtime, told, FILL, NULL, 0); /* handled after all that came before */
    tally_await(&received, 1);
    tr_runtime_counters(runtime, &counters);
    stage_close(runtime);
    assert_int_equal(tally_read(&lost), 1);
    assert_int_equal(counters.notices_lost, TRIED - 1);
}

/* A receiver that looks at its own backlog with each message. */
#define CROWD 4096u
#define RELIEF 2048u

static uint64_t looks, wrong;

static void
crowded_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    uint64_t left = CROWD - ++looks;
    wrong += (tr_backlog(self, tr_self(self)) != 0) != (left > RELIEF);
    if (left == 0)
        tally_add(&done, 1);
}

static void
crowd_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_ref to = message->payload.words[0];
    (void)state;
    for (unsigned i = 0; i < CROWD; i++) {
        wrong += tr_backlog(self, to) != 0;
        tr_tell(self, to, NUMBER, NULL, 0);
    }
    wrong += tr_backlog(self, to) == 0;
}

static void
a_receiver_is_crowded_from_4096_messages_on_until_2048_are_left(void **state)
{
    static const struct tr_behavior crowded = {.name = "crowded", .receive = crowded_receive};
    static const struct tr_behavior crowds = {.name = "crowds", .receive = crowd_receive};
    (void)state;
    tr_runtime *runtime = stage_open(1);
    done = (struct tally){0};
    looks = wrong = 0;
    tr_ref to = stage_spawn(runtime, &crowded, 0, NULL);
    stage_send(runtime, stage_spawn(runtime, &crowds, 0, NULL), FILL, &to, sizeof(to));
    tally_await(&done, 1);
    stage_close(runtime);
    assert_int_equal(wrong, 0);
}

/* As if all but one of the messages that fit waited for it already. */
static void
brimful_receive(tr_actor *self, void *state, tr_message *message)
{
    struct tri_actors *home = self->home;
    (void)state;
    if (message->tag != FILL)
        return;
    tr_message from_afar = tr_message_signal(NUMBER);
    self->waiting = 1048576 - 1;
    assert_int_equal(tr_tell(self, tr_self(self), NUMBER, NULL, 0), TR_OK);
    assert_int_equal(tr_tell(self, tr_self(self), NUMBER, NULL, 0), TR_EFULL);
    assert_true(tri_actors_deliver(home->worker, tr_self(self), &from_afar)); /* and dies */
    assert_int_equal(self->waiting, 1048576);
    struct tri_mail *mail = tri_mail_list_take(&self->overflow);
    assert_true(tri_mail_list_empty(&self->overflow));
    self->waiting = 0;
    tri_mailbox_put(home, self, mail);
    tally_add(&done, 1);
}

static void
by_default_a_mailbox_holds_1048576_messages(void **state)
{
    static const struct tr_behavior brimful = {.name = "brimful", .receive = brimful_receive};
    struct tr_counters counters;
    (void)state;
    tr_runtime *runtime = stage_open(1);
    done = (struct tally){0};
    stage_send(runtime, stage_spawn(runtime, &brimful, 0, NULL), FILL, NULL, 0);
    tally_await(&done, 1);
    tr_runtime_counters(runtime, &counters);
    stage_close(runtime);
    assert_int_equal(counters.dead_letters, 1);
    assert_int_equal(counters.refused, 1);
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
        cmocka_unit_test(a_message_takes_the_place_of_as_many_of_the_oldest_as_it_needs),
        cmocka_unit_test(what_is_too_much_from_afar_becomes_a_dead_letter_that_says_why),
        cmocka_unit_test(notices_from_afar_obey_the_subscribers_limits),
        cmocka_unit_test(a_receiver_is_crowded_from_4096_messages_on_until_2048_are_left),
        cmocka_unit_test(by_default_a_mailbox_holds_1048576_messages),
        cmocka_unit_test(an_actor_that_never_runs_dry_starves_nobody),
        cmocka_unit_test(a_slow_actor_lets_its_neighbour_in_after_one_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
