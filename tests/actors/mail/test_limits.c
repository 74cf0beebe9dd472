/*
 * Arguments at and beyond their limits, full mailboxes and who a message in them says it is from, names that mean
 * nobody, and what a runtime with hardly any room on its lanes still delivers.
 */
#include "actor_internal.h"
#include "counting.h"
#include "deliver.h"
#include "helpers.h"
#include "post.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

enum { GO = 1, NUMBER };

static struct tally done, handled, wrong, letters;

static int
reset(void **state)
{
    (void)state;
    done = handled = received = wrong = stopped = letters = (struct tally){0};
    return 0;
}

static tr_runtime *
open_with(struct tr_runtime_options options)
{
    tr_runtime *runtime = NULL;
    options.pinning = TR_PINNING_NEVER;
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    return runtime;
}

static const struct tr_behavior counts = {.name = "counts", .receive = count_receive, .stopped = count_stopped};

/* Tags 1 to 3 within one callback. */
static void
three_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    for (uint32_t tag = 1; tag <= 3; tag++)
        if (tr_tell(self, message->payload.words[0], tag, NULL, 0) != TR_OK)
            tally_add(&wrong, 1);
    tally_add(&done, 1);
}

static const struct tr_behavior sends_three = {.name = "sends three", .receive = three_receive};

/* Options and arguments. */

static void
spinning_for_longer_than_a_millisecond_is_refused(void **state)
{
    (void)state;
    static const int refused[] = {-2, INT_MIN, 1001, 1000001, INT_MAX};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        tr_runtime *runtime = NULL;
        struct tr_runtime_options options = {.workers = 2, .pinning = TR_PINNING_NEVER, .spin_us = refused[i]};
        assert_int_equal(tr_runtime_start(&options, &runtime), TR_EBADLIMIT);
        assert_null(runtime);
    }
    stage_close(open_with((struct tr_runtime_options){.workers = 2, .spin_us = 1000}));
}

#define GIGABYTE ((size_t)1 << 30)

static tr_status
spawn_with_argument_of(tr_actor *self, unsigned worker, size_t size)
{
    static const char argument[64];
    struct tr_spawn_options options = {
        .placement = TR_PLACE_WORKER, .worker = worker, .argument = argument, .argument_size = size};
    return tr_spawn(self, &counts, &options, NULL);
}

static void
huge_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    for (unsigned worker = 0; worker < 2; worker++) {
        if (spawn_with_argument_of(self, worker, GIGABYTE + 1) != TR_EBADLIMIT ||
            spawn_with_argument_of(self, worker, SIZE_MAX - 8) != TR_EBADLIMIT ||
            spawn_with_argument_of(self, worker, 64) != TR_OK)
            tally_add(&wrong, 1);
    }
    tally_add(&done, 1);
}

static void
an_argument_above_a_gigabyte_is_refused(void **state)
{
    (void)state;
    static const struct tr_behavior huge = {.name = "huge", .receive = huge_receive};
    tr_runtime *runtime = stage_open(2);
    struct tr_spawn_options options = {.argument = &options, .argument_size = GIGABYTE + 1};
    assert_int_equal(tr_runtime_spawn(runtime, &counts, &options, NULL), TR_EBADLIMIT);
    options.argument_size = SIZE_MAX - 8;
    assert_int_equal(tr_runtime_spawn(runtime, &counts, &options, NULL), TR_EBADLIMIT);
    stage_send(runtime, stage_spawn(runtime, &huge, 0, NULL), GO, NULL, 0);
    tally_await(&done, 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&wrong), 0);
}

/* Lanes: what waits for the end of the turn is not what the lane has no room for. */
#define TINY 2u

static void
more_messages_than_the_lane_limit_pass_while_the_lane_has_room(void **state)
{
    (void)state;
    tr_runtime *runtime = open_with((struct tr_runtime_options){.workers = 2, .lane_limit = TINY});
    tr_ref to = stage_spawn(runtime, &counts, 0, NULL), from = stage_spawn(runtime, &sends_three, 1, NULL);
    stage_send(runtime, from, GO, &to, sizeof(to));
    tally_await(&done, 1);
    assert_int_equal(tally_read(&wrong), 0);
    tally_await(&received, 3);
    stage_close(runtime);
}

/*
 * A parent on worker 0 does not return before its first child, on worker 1, has filled the lane back to it. What then
 * follows on that lane is the runtime's own: a stop, the end of that child, the notices and ends of those that were not
 * born.
 */
#define FLOOD_AT_MOST 1000000u

struct flood {
    tr_ref parent, victim;
};

static struct tally flooded, failures;
static uint64_t orders, flood;
static tr_status full_status, stop_over_full_lane, spawn_over_full_lane;

static tr_status
flooder_init(tr_actor *self, void *state, const void *argument)
{
    const struct flood *whom = argument;
    (void)state;
    full_status = TR_OK;
    for (flood = 0; flood < FLOOD_AT_MOST; flood++)
        if ((full_status = tr_tell(self, whom->parent, NUMBER, NULL, 0)) != TR_OK)
            break;
    struct tr_spawn_options back = {.placement = TR_PLACE_WORKER, .worker = tr_ref_worker(whom->parent)};
    spawn_over_full_lane = tr_spawn(self, &counts, &back, NULL);
    stop_over_full_lane = tr_stop(self, whom->victim, TR_STOP_DRAIN);
    tr_exit(self);
    tally_add(&flooded, 1);
    return TR_OK;
}

static const struct tr_behavior flooder = {.name = "flooder", .init = flooder_init, .receive = count_receive};
static const struct tr_behavior failing = {.name = "failing", .init = fail_to_begin, .receive = count_receive};

static void
spawn_until_flooded(tr_actor *self, tr_ref victim)
{
    struct flood whom = {tr_self(self), victim};
    struct tr_spawn_options options = {
        .placement = TR_PLACE_WORKER, .worker = 1, .argument = &whom, .argument_size = sizeof(whom)};
    uint64_t end = uv_hrtime() + TESTS_LIMIT_MS * UINT64_C(1000000);
    if (tr_spawn(self, &flooder, &options, NULL) != TR_OK)
        tally_add(&wrong, 1);
    do
        orders += tr_spawn(self, &failing, &options, NULL) == TR_OK;
    while (tally_read(&flooded) == 0 && uv_hrtime() < end);
    tally_add(&done, 1);
}

static void
parent_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == GO)
        spawn_until_flooded(self, message->payload.words[0]);
    else
        tally_add(message->tag == TR_TAG_SPAWN_FAILED ? &failures : &received, 1);
}

static void
stops_and_ends_pass_a_lane_that_is_full(void **state)
{
    (void)state;
    static const struct tr_behavior parent = {.name = "parent", .receive = parent_receive, .stopped = count_stopped};
    tr_runtime *runtime = open_with((struct tr_runtime_options){.workers = 2, .lane_limit = TINY});
    flooded = failures = (struct tally){0};
    orders = 0;
    tr_ref victim = stage_spawn(runtime, &counts, 0, NULL), first = stage_spawn(runtime, &parent, 0, NULL);
    stage_send(runtime, first, GO, &victim, sizeof(victim));
    tally_await(&done, 1);
    tally_await(&stopped, 1); /* the victim */
    assert_int_equal(stop_over_full_lane, TR_OK);
    assert_int_equal(full_status, TR_EFULL);
    assert_int_equal(spawn_over_full_lane, TR_EFULL);
    tally_await(&failures, orders);
    tally_await(&received, flood);
    stage_close(runtime); /* the parent stops: it has heard of every child's end */
    assert_int_equal(tally_read(&stopped), 2);
    assert_int_equal(tally_read(&wrong), 0);
}

/* Who a message is from when the mailbox is full. */
#define LETTERS_AT_MOST 8u

static struct tr_dead_letter letter[LETTERS_AT_MOST];
static tr_ref kept_from;
static uint32_t kept_tag;

static void
keep_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    kept_from = message->from;
    kept_tag = message->tag;
    tally_add(&handled, 1);
}

static void
undertaker_receive(tr_actor *self, void *state, tr_message *message)
{
    uint64_t count = tally_read(&letters);
    (void)self;
    (void)state;
    if (message->tag != TR_TAG_DEAD_LETTER)
        return;
    if (count < LETTERS_AT_MOST)
        memcpy(&letter[count], tr_message_data(message), sizeof(letter[count]));
    tally_add(&letters, 1);
}

static const struct tr_behavior keeps_newest = {
    .name = "keeps newest", .receive = keep_receive, .mailbox = {.messages = 1, .policy = TR_MAILBOX_DROP_OLDEST}};
static const struct tr_behavior keeps_oldest = {
    .name = "keeps oldest", .receive = keep_receive, .mailbox = {.messages = 1, .policy = TR_MAILBOX_DROP_NEWEST}};
static const struct tr_behavior undertaker = {.name = "undertaker", .receive = undertaker_receive};

static void
open_graveyard(tr_runtime *runtime)
{
    assert_int_equal(tr_dead_letters_subscribe(runtime, stage_spawn(runtime, &undertaker, 0, NULL)), TR_OK);
}

static void
expect_sender_of_three(const struct tr_behavior *receiver, uint32_t tag, enum tr_dead_reason reason)
{
    tr_runtime *runtime = stage_open(1);
    open_graveyard(runtime);
    tr_ref to = stage_spawn(runtime, receiver, 0, NULL), from = stage_spawn(runtime, &sends_three, 0, NULL);
    stage_send(runtime, from, GO, &to, sizeof(to));
    tally_await(&handled, 1);
    tally_await(&letters, 2);
    stage_close(runtime);
    assert_int_equal(tally_read(&wrong), 0);
    assert_int_equal(kept_tag, tag);
    assert_int_equal(kept_from, from);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(letter[i].to, to);
        assert_int_equal(letter[i].from, from);
        assert_int_equal(letter[i].reason, reason);
    }
}

static void
a_message_that_replaces_the_oldest_keeps_its_sender(void **state)
{
    (void)state;
    expect_sender_of_three(&keeps_newest, 3, TR_DEAD_DROPPED);
}

static void
a_message_that_is_dropped_as_the_newest_keeps_its_sender(void **state)
{
    (void)state;
    expect_sender_of_three(&keeps_oldest, 1, TR_DEAD_MAILBOX_FULL);
}

/* Who is told of dead letters is not told of those that its own mailbox made. */
static void
what_dies_of_the_subscribers_own_mailbox_is_counted_only(void **state)
{
    struct tr_counters counters;
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref to = stage_spawn(runtime, &keeps_newest, 0, NULL), from = stage_spawn(runtime, &sends_three, 0, NULL);
    assert_int_equal(tr_dead_letters_subscribe(runtime, to), TR_OK);
    stage_send(runtime, from, GO, &to, sizeof(to));
    tally_await(&done, 1);
    tally_await(&handled, 1);
    tr_runtime_counters(runtime, &counters);
    stage_close(runtime);
    assert_int_equal(tally_read(&handled), 1);
    assert_int_equal(kept_tag, 3);
    assert_int_equal(counters.dead_letters, 2);
    assert_int_equal(counters.notices_lost, 0);
}

/* Keeps its own mailbox full until somebody's message has died of that. */
static void
full_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (tally_read(&letters) == 0)
        tr_send(self, tr_self(self), message);
}

static void
delay_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_message late = tr_message_signal(NUMBER);
    (void)state;
    if (tr_send_after(self, message->payload.words[0], 5, &late, NULL) != TR_OK)
        tally_add(&wrong, 1);
}

static const struct tr_behavior always_full = {
    .name = "always full", .receive = full_receive, .mailbox = {.messages = 1}};
static const struct tr_behavior delays = {.name = "delays", .receive = delay_receive};

static void
a_delayed_message_that_finds_a_full_mailbox_becomes_a_dead_letter_of_its_sender(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    open_graveyard(runtime);
    tr_ref to = stage_spawn(runtime, &always_full, 0, NULL), from = stage_spawn(runtime, &delays, 0, NULL);
    stage_send(runtime, to, GO, NULL, 0);
    stage_send(runtime, from, GO, &to, sizeof(to));
    tally_await(&letters, 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&wrong), 0);
    assert_int_equal(letter[0].from, from);
    assert_int_equal(letter[0].to, to);
    assert_int_equal(letter[0].tag, NUMBER);
    assert_int_equal(letter[0].reason, TR_DEAD_MAILBOX_FULL);
}

/* Names that nobody was given. */

static void
destroy(void *address)
{
    free(address);
    tally_add(&handled, 1);
}

static void
forger_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_message lost = tr_message_pointer(NUMBER, malloc(100), 100, destroy);
    (void)state;
    if (tr_send(self, message->payload.words[0], &lost) != TR_EGONE)
        tally_add(&wrong, 1);
    tr_message_drop(&lost);
    tally_add(&done, 1);
}

static void
a_message_to_a_name_that_was_never_given_is_freed(void **state)
{
    (void)state;
    static const struct tr_behavior forger = {.name = "forger", .receive = forger_receive};
    tr_runtime *runtime = stage_open(1);
    tr_ref self = stage_spawn(runtime, &forger, 0, NULL), forged = self + 7;
    open_graveyard(runtime);
    tr_message lost = tr_message_pointer(NUMBER, malloc(100), 100, destroy);
    assert_int_equal(tr_runtime_send(runtime, forged, &lost), TR_OK);
    tally_await(&letters, 1);
    assert_int_equal(tally_read(&handled), 1);
    stage_send(runtime, self, GO, &forged, sizeof(forged));
    tally_await(&done, 1);
    assert_int_equal(tally_read(&handled), 2);
    stage_close(runtime);
    assert_int_equal(letter[0].to, forged);
    assert_int_equal(letter[0].reason, TR_DEAD_NO_ACTOR);
    assert_int_equal(tally_read(&wrong), 0);
}

/* The stamp of a lane's slot: it lies in the message that is delivered, and must outlive what becomes of that. As all
 * that comes through a lane, the message has its name in the trace. */
#define STAMP 0x4711u

static const struct tr_behavior refuses = {
    .name = "refuses", .receive = count_receive, .mailbox = {.messages = 1, .policy = TR_MAILBOX_REFUSE}};

static void
deliver_stamped(tr_actor *self, tr_ref to, tr_message message)
{
    struct tri_worker *worker = tri_actor_worker(self);
    if (worker->trace != NULL)
        tri_post_name(worker, &message);
    message.lap = STAMP;
    if (!tri_actors_deliver(worker, to, &message) || message.lap != STAMP)
        tally_add(&wrong, 1);
}

static tr_message
of_kind(unsigned kind)
{
    static const char text[100];
    switch (kind) {
    case 0: return tr_message_signal(NUMBER);
    case 1: return tr_message_copy(NUMBER, text, sizeof(text));
    default: return tr_message_pointer(NUMBER, malloc(10), 10, free);
    }
}

/* Two rounds, so that each kind of payload finds a full mailbox too. */
static void
postman_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++)
        deliver_stamped(self, message->payload.words[0], of_kind(i % 3));
    tally_add(&done, 1);
}

static const struct tr_behavior postman = {.name = "postman", .receive = postman_receive};

static void
whatever_becomes_of_a_message_its_slot_keeps_the_stamp(void **state)
{
    (void)state;
    static const struct tr_behavior *const receivers[] = {&counts, &refuses, &keeps_newest, &keeps_oldest};
    tr_runtime *runtime = stage_open(1);
    tr_ref post = stage_spawn(runtime, &postman, 0, NULL), to = post + 7;
    stage_send(runtime, post, GO, &to, sizeof(to)); /* nobody */
    for (unsigned i = 0; i < 4; i++) {
        to = stage_spawn(runtime, receivers[i], 0, NULL);
        stage_send(runtime, post, GO, &to, sizeof(to));
    }
    tally_await(&done, 5);
    stage_close(runtime);
    assert_int_equal(tally_read(&wrong), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(spinning_for_longer_than_a_millisecond_is_refused, reset),
        cmocka_unit_test_setup(an_argument_above_a_gigabyte_is_refused, reset),
        cmocka_unit_test_setup(more_messages_than_the_lane_limit_pass_while_the_lane_has_room, reset),
        cmocka_unit_test_setup(stops_and_ends_pass_a_lane_that_is_full, reset),
        cmocka_unit_test_setup(a_message_that_replaces_the_oldest_keeps_its_sender, reset),
        cmocka_unit_test_setup(what_dies_of_the_subscribers_own_mailbox_is_counted_only, reset),
        cmocka_unit_test_setup(a_message_that_is_dropped_as_the_newest_keeps_its_sender, reset),
        cmocka_unit_test_setup(a_delayed_message_that_finds_a_full_mailbox_becomes_a_dead_letter_of_its_sender, reset),
        cmocka_unit_test_setup(a_message_to_a_name_that_was_never_given_is_freed, reset),
        cmocka_unit_test_setup(whatever_becomes_of_a_message_its_slot_keeps_the_stamp, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
