#include "counters.h"
#include "helpers.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { GO = 1, NUMBER, TEXT, LETTER_COUNT };

static struct tally got, destroyed, checked, dead;

static int
reset(void **state)
{
    (void)state;
    got = destroyed = checked = dead = (struct tally){0};
    return 0;
}

/* Counts messages and expects numbers in order from each sender. */
struct listener {
    uint64_t next[4];
};

static void
listener_receive(tr_actor *self, void *state, tr_message *message)
{
    struct listener *listener = state;
    (void)self;
    if (message->tag == NUMBER) {
        uint64_t sender = message->payload.words[1];
        if (message->payload.words[0] != listener->next[sender])
            fail_msg("sender %llu: number %llu came, %llu was due", (unsigned long long)sender,
                     (unsigned long long)message->payload.words[0], (unsigned long long)listener->next[sender]);
        listener->next[sender]++;
    }
    tally_add(&got, 1);
}

static const struct tr_behavior listener = {
    .name = "listener", .state_size = sizeof(struct listener), .receive = listener_receive};

/* Sends `count` numbers to `to`, in slices of a few hundred. */
struct talker {
    tr_ref to;
    uint64_t me, count, sent;
};

static tr_status
talker_init(tr_actor *self, void *state, const void *argument)
{
    (void)self;
    memcpy(state, argument, sizeof(struct talker));
    return TR_OK;
}

static void
talker_receive(tr_actor *self, void *state, tr_message *message)
{
    struct talker *talker = state;
    (void)message;
    for (unsigned i = 0; i < 300 && talker->sent < talker->count; i++, talker->sent++)
        assert_int_equal(tr_tell(self, talker->to, NUMBER, (uint64_t[]){talker->sent, talker->me}, 16), TR_OK);
    if (talker->sent < talker->count)
        tr_tell(self, tr_self(self), GO, NULL, 0);
}

static const struct tr_behavior talker = {
    .name = "talker", .state_size = sizeof(struct talker), .init = talker_init, .receive = talker_receive};

static void
messages_of_each_sender_arrive_in_order_from_everywhere(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(3);
    tr_ref to = stage_spawn(runtime, &listener, 1, NULL);
    for (unsigned i = 0; i < 3; i++) {
        struct talker start = {.to = to, .me = i, .count = 50000};
        stage_send(runtime, stage_spawn(runtime, &talker, i, &start), GO, NULL, 0);
    }
    for (uint64_t i = 0; i < 20000; i++)
        stage_send(runtime, to, NUMBER, (uint64_t[]){i, 3}, 16);
    tally_await(&got, 3 * 50000 + 20000);
    stage_close(runtime);
}

static void
destroy_counted(void *address)
{
    free(address);
    tally_add(&destroyed, 1);
}

static void
payload_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag == TEXT && tr_message_size(message) > 0)
        assert_memory_equal(tr_message_data(message), "abcdefghijklmnopqrstuvwxyz", 26);
    tally_add(&got, 1);
}

static const struct tr_behavior reader = {.name = "reader", .receive = payload_receive};

/* Payloads of each kind cross the workers whole and are destroyed once. */
static void
relay_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_ref to = *(tr_ref *)state;
    assert_int_equal(tr_send(self, to, message), TR_OK);
    assert_int_equal(tr_message_size(message), 0);
    assert_int_equal(tr_send(self, to, message), TR_OK); /* it is empty now, and may be sent as such */
}

static tr_status
relay_init(tr_actor *self, void *state, const void *argument)
{
    (void)self;
    memcpy(state, argument, sizeof(tr_ref));
    return TR_OK;
}

static void
payloads_of_every_kind_move_and_are_freed_once(void **state)
{
    (void)state;
    static const struct tr_behavior relay = {
        .name = "relay", .state_size = sizeof(tr_ref), .init = relay_init, .receive = relay_receive};
    tr_runtime *runtime = stage_open(2);
    tr_ref to = stage_spawn(runtime, &reader, 1, NULL), over = stage_spawn(runtime, &relay, 0, &to);
    const char *text = "abcdefghijklmnopqrstuvwxyz and so on, longer than a message";
    tr_slice slice;
    assert_int_equal(tr_slice_copy(text, 26, &slice), TR_OK);
    char *own = strdup(text);
    tr_message messages[] = {tr_message_copy(TEXT, text, 26), tr_message_copy(TEXT, text, strlen(text)),
                             tr_message_slice(TEXT, slice),
                             tr_message_pointer(TEXT, own, strlen(own), destroy_counted)};
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(tr_runtime_send(runtime, over, &messages[i]), TR_OK);
    tally_await(&got, 8);
    tally_await(&destroyed, 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&destroyed), 1);
}

/* Misuse, seen from inside an actor. */
static void
prober_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_ref gone = message->payload.words[0];
    (void)state;
    if (message->tag != GO)
        return;
    tr_message probe = tr_message_copy(TEXT, "x", 1);
    assert_int_equal(tr_send(NULL, tr_self(self), &probe), TR_EINVAL);
    assert_int_equal(tr_send(self, tr_self(self), NULL), TR_EINVAL);
    assert_int_equal(tr_send(self, TR_NOBODY, &probe), TR_EBADREF);
    assert_int_equal(tr_send(self, ~(tr_ref)0, &probe), TR_EBADREF);
    assert_int_equal(tr_send(self, gone, &probe), TR_EGONE);
    probe.tag = TR_TAG_RESERVED;
    assert_int_equal(tr_send(self, tr_self(self), &probe), TR_EBADTAG);
    assert_int_equal(tr_message_size(&probe), 1); /* still ours after every refusal */
    assert_int_equal(tr_stop(self, ~(tr_ref)0, TR_STOP_NOW), TR_EBADREF);
    assert_int_equal(tr_tell(self, gone, TEXT, (char[100]){0}, 100), TR_EGONE); /* and nothing is left to us */
    assert_int_equal(tr_stop(self, gone, TR_STOP_NOW), TR_OK);
    assert_int_equal(tr_stop(self, gone, (enum tr_stop_mode)(TR_STOP_KILL + 1)), TR_EINVAL);
    assert_int_equal(tr_backlog(self, ~(tr_ref)0), 0);
    tally_add(&checked, 1);
}

static void
a_refused_send_leaves_the_message_to_the_caller(void **state)
{
    (void)state;
    static const struct tr_behavior prober = {.name = "prober", .receive = prober_receive};
    tr_runtime *runtime = stage_open(1);
    tr_ref gone = stage_spawn(runtime, &reader, 0, NULL), self = stage_spawn(runtime, &prober, 0, NULL);
    assert_int_equal(tr_runtime_stop_actor(runtime, gone, TR_STOP_NOW), TR_OK);
    stage_send(runtime, self, GO, &gone, sizeof(gone));
    tally_await(&checked, 1);
    tr_message message = tr_message_signal(TEXT);
    assert_int_equal(tr_runtime_send(NULL, self, &message), TR_EINVAL);
    assert_int_equal(tr_runtime_send(runtime, self, NULL), TR_EINVAL);
    assert_int_equal(tr_runtime_send(runtime, TR_NOBODY, &message), TR_EBADREF);
    assert_int_equal(tr_runtime_send(runtime, ~(tr_ref)0, &message), TR_EBADREF);
    message.tag = UINT32_MAX;
    assert_int_equal(tr_runtime_send(runtime, self, &message), TR_EBADTAG);
    tr_message nothing = tr_message_copy(TEXT, NULL, 8); /* its payload could not be made */
    assert_int_equal(tr_runtime_send(runtime, self, &nothing), TR_ENOMEM);
    assert_int_equal(tr_runtime_stop_actor(runtime, self, (enum tr_stop_mode)(TR_STOP_KILL + 1)), TR_EINVAL);
    assert_int_equal(tr_runtime_stop_actor(NULL, self, TR_STOP_NOW), TR_EINVAL);
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    assert_int_equal(counters.refused, 5);
    assert_int_equal(counters.dead_letters, 0);
    stage_close(runtime);
}

static tr_ref said_from;

static void
origin_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    said_from = message->from;
    tally_add(&got, 1);
}

static void
a_message_from_outside_is_from_nobody_and_the_callers_is_empty_then(void **state)
{
    static const struct tr_behavior origin = {.name = "origin", .receive = origin_receive};
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref to = stage_spawn(runtime, &origin, 0, NULL);
    tr_message message = tr_message_pointer(TEXT, malloc(10), 10, destroy_counted);
    message.from = to;
    assert_int_equal(tr_runtime_send(runtime, to, &message), TR_OK);
    assert_int_equal(tr_message_size(&message), 0);
    tr_message_drop(&message);
    tally_await(&got, 1);
    stage_close(runtime);
    assert_int_equal(said_from, TR_NOBODY);
    assert_int_equal(tally_read(&destroyed), 1);
}

/* Dead letters. */
static void
undertaker_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    assert_int_equal(message->tag, TR_TAG_DEAD_LETTER);
    const struct tr_dead_letter *letter = tr_message_data(message);
    assert_int_equal(letter->tag, TEXT);
    assert_int_equal(letter->reason, TR_DEAD_NO_ACTOR);
    tally_add(&dead, 1);
}

static void
a_message_that_finds_nobody_becomes_a_dead_letter(void **state)
{
    (void)state;
    static const struct tr_behavior undertaker = {.name = "undertaker", .receive = undertaker_receive};
    tr_runtime *runtime = stage_open(2);
    tr_ref gone = stage_spawn(runtime, &reader, 1, NULL);
    assert_int_equal(tr_dead_letters_subscribe(runtime, ~(tr_ref)0), TR_EBADREF);
    assert_int_equal(tr_dead_letters_subscribe(NULL, gone), TR_EINVAL);
    assert_int_equal(tr_dead_letters_subscribe(runtime, stage_spawn(runtime, &undertaker, 1, NULL)), TR_OK);
    assert_int_equal(tr_runtime_stop_actor(runtime, gone, TR_STOP_NOW), TR_OK);
    for (unsigned i = 0; i < 10; i++) {
        tr_message message = tr_message_pointer(TEXT, malloc(10), 10, destroy_counted);
        assert_int_equal(tr_runtime_send(runtime, gone, &message), TR_OK);
    }
    tally_await(&dead, 10);
    tally_await(&destroyed, 10);
    assert_int_equal(tr_dead_letters_subscribe(runtime, TR_NOBODY), TR_OK);
    stage_send(runtime, gone, TEXT, NULL, 0);
    tests_counters_await_dead(runtime, 11);
    stage_close(runtime); /* a notice would be in the mailbox by now */
    assert_int_equal(tally_read(&dead), 10);
}

/* A full way out: the other worker is held in one handler, the lane and then the limit fill. */
static struct tally held, release;

static void
holder_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag == GO) {
        tally_add(&held, 1);
        tally_await(&release, 1);
    } else {
        tally_add(&got, 1);
    }
}

static void
filler_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_ref to = message->payload.words[0];
    uint64_t sent = 0;
    (void)state;
    tally_await(&held, 1);
    while (sent < 1000000 && tr_tell(self, to, TEXT, NULL, 0) == TR_OK)
        sent++;
    assert_in_range(sent, 2000, 1000000 - 1);
    assert_true(tr_backlog(self, to) >= 2000);
    assert_int_equal(tr_tell(self, to, TEXT, NULL, 0), TR_EFULL);
    tally_add(&checked, sent);
    tally_add(&release, 1);
}

static void
a_worker_that_takes_nothing_makes_senders_feel_it(void **state)
{
    (void)state;
    static const struct tr_behavior holder = {.name = "holder", .receive = holder_receive};
    static const struct tr_behavior filler = {.name = "filler", .receive = filler_receive};
    tr_runtime *runtime;
    struct tr_runtime_options options = {.workers = 2, .pinning = TR_PINNING_NEVER, .lane_limit = 2000};
    held = release = (struct tally){0};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    tr_ref to = stage_spawn(runtime, &holder, 1, NULL), from = stage_spawn(runtime, &filler, 0, NULL);
    stage_send(runtime, to, GO, NULL, 0);
    stage_send(runtime, from, GO, &to, sizeof(to));
    tally_await(&checked, 2000);
    tally_await(&got, tally_read(&checked)); /* what was taken arrives: the starved lane rings */
    stage_close(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(messages_of_each_sender_arrive_in_order_from_everywhere, reset),
        cmocka_unit_test_setup(payloads_of_every_kind_move_and_are_freed_once, reset),
        cmocka_unit_test_setup(a_refused_send_leaves_the_message_to_the_caller, reset),
        cmocka_unit_test_setup(a_message_from_outside_is_from_nobody_and_the_callers_is_empty_then, reset),
        cmocka_unit_test_setup(a_message_that_finds_nobody_becomes_a_dead_letter, reset),
        cmocka_unit_test_setup(a_worker_that_takes_nothing_makes_senders_feel_it, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
