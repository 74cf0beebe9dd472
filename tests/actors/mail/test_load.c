/*
 * Load: what heedful senders lose and leave under way. Everything is counted; no test depends on how fast anything is.
 */
#include "load_play.h"
#include "mailbox.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <troupe/actors/host.h>

#define IN_FLIGHT_MOST 65536u

/* Heedful senders. */

struct task {
    tr_ref to;
    uint32_t each;  /* messages between two looks */
    uint32_t count; /* in all */
};

struct sender {
    struct task task;
    uint32_t sent;
    bool was_hindered;
};

static void
wait_a_moment(tr_actor *self)
{
    tr_message again = tr_message_signal(AGAIN);
    if (tr_send_after(self, tr_self(self), 1, &again, NULL) != TR_OK)
        tally_add(&wrong, 1);
}

static void
note_hindered(struct sender *sender)
{
    if (!sender->was_hindered)
        tally_add(&hindered, 1);
    sender->was_hindered = true;
}

static void
send_batch(tr_actor *self, struct sender *sender)
{
    for (uint32_t i = 0; i < sender->task.each && sender->sent < sender->task.count; i++, sender->sent++) {
        tally_add(&sent, 1);
        if (tr_tell(self, sender->task.to, NUMBER, NULL, 0) != TR_OK)
            tally_add(&wrong, 1);
    }
}

static void
sender_receive(tr_actor *self, void *state, tr_message *message)
{
    struct sender *sender = state;
    if (message->tag == GO)
        sender->task = *(const struct task *)tr_message_data(message);
    while (sender->sent < sender->task.count) {
        if (tr_backlog(self, sender->task.to) != 0) {
            note_hindered(sender);
            wait_a_moment(self);
            return;
        }
        send_batch(self, sender);
    }
    tally_add(&done, 1);
}

static const struct tr_behavior heedful = {
    .name = "heedful", .state_size = sizeof(struct sender), .receive = sender_receive};

/* With the receiver stuck every sender of another worker comes to a halt; afterwards all of it arrives. */
static void
play_heedful(unsigned workers, uint32_t each)
{
    load_reset(NULL);
    uint32_t count = 400000 / workers;
    tr_runtime *runtime = stage_open(workers);
    struct task task = {stage_spawn(runtime, &receiver, 0, NULL), each, count < 3000 ? 3000 : count};
    stage_send(runtime, task.to, HOLD, NULL, 0);
    tally_await(&held, 1);
    for (unsigned i = 1; i < workers; i++)
        stage_send(runtime, stage_spawn(runtime, &heedful, i, NULL), GO, &task, sizeof(task));
    tally_await(&hindered, workers - 1);
    assert_in_range(tally_read(&sent), 1, IN_FLIGHT_MOST);
    tally_add(&release, 1);
    stage_send(runtime, stage_spawn(runtime, &heedful, 0, NULL), GO, &task, sizeof(task)); /* and one beside it */
    tally_await(&done, workers);
    tally_await(&got, (uint64_t)workers * task.count);
    struct tr_counters counters = counters_of(runtime);
    stage_close(runtime);
    assert_int_equal(counters.dead_letters, 0);
    assert_int_equal(counters.refused, 0);
    assert_int_equal(tally_read(&wrong), 0);
    assert_in_range(in_flight_most, 0, IN_FLIGHT_MOST);
}

static void
senders_that_heed_the_backlog_lose_nothing_and_leave_little_under_way(void **state)
{
    (void)state;
    static const unsigned workers[] = {2, 4, 16, 64};
    for (unsigned i = 0; i < 4; i++) {
        play_heedful(workers[i], 1);
        play_heedful(workers[i], 64);
    }
}

/* Nothing but the mailbox stands between a sender and a receiver on one worker, and nothing runs in between. */
static uint64_t sent_before_backlog;

static void
local_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_ref to = message->payload.words[0];
    (void)state;
    for (sent_before_backlog = 0; tr_backlog(self, to) == 0 && sent_before_backlog < 1000000; sent_before_backlog++)
        if (tr_tell(self, to, NUMBER, NULL, 0) != TR_OK)
            tally_add(&wrong, 1);
    tally_add(&done, 1);
}

static void
expect_local(const struct tr_behavior *to_whom, uint64_t at)
{
    static const struct tr_behavior local = {.name = "local", .receive = local_receive};
    load_reset(NULL);
    tr_runtime *runtime = stage_open(1);
    tr_ref to = stage_spawn(runtime, to_whom, 0, NULL), from = stage_spawn(runtime, &local, 0, NULL);
    for (unsigned i = 0; i < 2; i++) {
        stage_send(runtime, from, GO, &to, sizeof(to));
        tally_await(&done, i + 1);
        assert_int_equal(sent_before_backlog, at);
        tally_await(&got, (i + 1) * at); /* and then it keeps up again */
    }
    assert_int_equal(counters_of(runtime).dead_letters, 0);
    stage_close(runtime);
    assert_int_equal(tally_read(&wrong), 0);
}

static void
a_sender_beside_its_receiver_sees_a_backlog_too(void **state)
{
    (void)state;
    static const struct tr_behavior of_hundred = {
        .receive = receiver_receive, .name = "hundred", .mailbox = {.messages = 100, .policy = 0}};
    static const struct tr_behavior of_one = {
        .receive = receiver_receive, .name = "one", .mailbox = {.messages = 1, .policy = 0}};
    static const struct tr_behavior in_bytes = {
        .receive = receiver_receive, .name = "bytes", .mailbox = {.bytes = 6400, .policy = 0}};
    static const struct tr_behavior of_many = {.receive = receiver_receive,
                                               .name = "many",
                                               .mailbox = {.messages = 1000000, .policy = TR_MAILBOX_DROP_OLDEST}};
    expect_local(&receiver, TRI_MAILBOX_CROWD);
    expect_local(&of_hundred, 50);
    expect_local(&of_one, 1);
    expect_local(&in_bytes, 50);
    expect_local(&of_many, TRI_MAILBOX_CROWD);
}

/* A crowded actor that ends takes its crowd along: who comes after it in its slot begins without. */
static void
crowd_and_stop_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    for (unsigned i = 0; i < 3; i++) {
        tr_ref to;
        if (tr_spawn(self, &receiver, NULL, &to) != TR_OK || tr_backlog(self, to) != 0)
            tally_add(&wrong, 1);
        for (unsigned told = 0; tr_backlog(self, to) == 0 && told <= TRI_MAILBOX_CROWD; told++)
            tr_tell(self, to, NUMBER, NULL, 0);
        tr_stop(self, to, TR_STOP_NOW);
    }
    tally_add(&done, 1);
}

static void
an_actor_does_not_inherit_the_crowd_of_its_slot(void **state)
{
    (void)state;
    static const struct tr_behavior crowds = {.name = "crowds", .receive = crowd_and_stop_receive};
    tr_runtime *runtime = stage_open(1);
    stage_send(runtime, stage_spawn(runtime, &crowds, 0, NULL), GO, NULL, 0);
    tally_await(&done, 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&wrong), 0);
}

/* Two that are flooded and heed each other do not wait for each other: it is the receiver that counts, not its
 * worker. */
struct peer {
    tr_ref partner;
    uint32_t left;
};

static void
peer_receive(tr_actor *self, void *state, tr_message *message)
{
    struct peer *peer = state;
    if (message->tag == GO)
        peer->partner = message->payload.words[0];
    if (message->tag != HOLD)
        return;
    if (tr_backlog(self, peer->partner) == 0) {
        tr_tell(self, peer->partner, NUMBER, NULL, 0);
        tally_add(&done, 1);
    } else if (tr_send(self, tr_self(self), message) != TR_OK) { /* later */
        tally_add(&wrong, 1);
    }
}

static void
sink_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    tally_add(&got, 1);
}

#define PEER_JOBS 20000u

static void
two_workers_full_of_work_for_each_other_both_get_it_done(void **state)
{
    (void)state;
    static const struct tr_behavior peer = {.name = "peer", .state_size = sizeof(struct peer), .receive = peer_receive};
    static const struct tr_behavior sink = {.name = "sink", .receive = sink_receive};
    tr_runtime *runtime = stage_open(2);
    tr_ref sinks[2], peers[2];
    for (unsigned i = 0; i < 2; i++) {
        sinks[i] = stage_spawn(runtime, &sink, i, NULL);
        peers[i] = stage_spawn(runtime, &peer, i, NULL);
    }
    for (unsigned i = 0; i < 2; i++)
        stage_send(runtime, peers[i], GO, &sinks[1 - i], sizeof(tr_ref));
    for (unsigned i = 0; i < 2 * PEER_JOBS; i++)
        stage_send(runtime, peers[i % 2], HOLD, NULL, 0);
    tally_await(&done, 2 * PEER_JOBS);
    tally_await(&got, 2 * PEER_JOBS);
    stage_close(runtime);
    assert_int_equal(tally_read(&wrong), 0);
}

/* From outside. */

static void
a_thread_outside_that_heeds_refusals_loses_nothing(void **state)
{
    (void)state;
    enum { LIMIT = 500, MANY = 20000 };
    tr_runtime *runtime = NULL;
    struct tr_runtime_options options = {.workers = 1, .pinning = TR_PINNING_NEVER, .outside_limit = LIMIT};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    tr_ref to = stage_spawn(runtime, &receiver, 0, NULL);
    stage_send(runtime, to, HOLD, NULL, 0);
    tally_await(&held, 1);
    uint64_t taken = 0, refused = 0;
    while (taken < MANY) {
        tr_message message = tr_message_signal(NUMBER);
        tr_status status = tr_runtime_send(runtime, to, &message);
        taken += status == TR_OK;
        if (status == TR_OK)
            continue;
        assert_int_equal(status, TR_EFULL);
        if (refused++ == 0) { /* the receiver has read its first message and is stuck in it */
            assert_int_equal(taken, LIMIT);
            tally_add(&release, 1);
        }
        sched_yield();
    }
    tally_await(&got, MANY);
    assert_int_equal(counters_of(runtime).dead_letters, 0);
    assert_int_equal(counters_of(runtime).outside, MANY + 1);
    stage_close(runtime);
    assert_true(refused > 0);
}

/* The worker files what comes, and has room all the same only for what its actors read: here nobody does. */
static void
what_waits_in_mailboxes_counts_as_not_read(void **state)
{
    (void)state;
    enum { LIMIT = 300 };
    tr_runtime *runtime = NULL;
    struct tr_runtime_options options = {.workers = 1, .pinning = TR_PINNING_NEVER, .outside_limit = LIMIT};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    tr_ref unborn, other = stage_spawn(runtime, &receiver, 0, NULL);
    assert_int_equal(tri_slots_reserve(&tri_actors_of(runtime->core->workers[0])->slots, &unborn), TR_OK);
    unsigned taken = 0;
    for (tr_message message = tr_message_signal(NUMBER); tr_runtime_send(runtime, unborn, &message) == TR_OK; taken++)
        message = tr_message_signal(NUMBER);
    assert_int_equal(taken, LIMIT);
    tr_message message = tr_message_signal(NUMBER);
    assert_int_equal(tr_runtime_send(runtime, other, &message), TR_EFULL);
    assert_int_equal(tr_runtime_stop_actor(runtime, other, TR_STOP_NOW), TR_OK); /* the library's own goes on */
    struct tr_stop_report report;
    tr_runtime_stop(runtime, 0, &report);
    assert_int_equal(report.dead_letters, LIMIT);
}

static void
bouncer_receive(tr_actor *self, void *state, tr_message *message)
{
    if (message->tag == AGAIN)
        tri_actor_bounce(self, message);
    else
        receiver_receive(self, state, message);
}

/* What an actor received and could not use was read once, and is one more message for the counters. */
static void
what_bounces_counts_as_read_once(void **state)
{
    (void)state;
    enum { LIMIT = 10, BOUNCES = 7 };
    static const struct tr_behavior bouncer = {.name = "bouncer", .receive = bouncer_receive};
    tr_runtime *runtime = NULL;
    struct tr_runtime_options options = {.workers = 1, .pinning = TR_PINNING_NEVER, .outside_limit = LIMIT};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    tr_ref to = stage_spawn(runtime, &bouncer, 0, NULL);
    for (unsigned i = 0; i < BOUNCES; i++)
        stage_send(runtime, to, AGAIN, NULL, 0);
    stage_send(runtime, to, HOLD, NULL, 0);
    tally_await(&held, 1);
    struct tr_counters counters = counters_of(runtime);
    assert_int_equal(counters.dead_letters, BOUNCES);
    assert_int_equal(counters.sent + counters.outside, counters.received + counters.dead_letters);
    unsigned taken = 0;
    for (tr_message message = tr_message_signal(NUMBER); tr_runtime_send(runtime, to, &message) == TR_OK; taken++)
        message = tr_message_signal(NUMBER);
    assert_int_equal(taken, LIMIT);
    tally_add(&release, 1);
    stage_close(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(senders_that_heed_the_backlog_lose_nothing_and_leave_little_under_way, load_reset),
        cmocka_unit_test_setup(a_sender_beside_its_receiver_sees_a_backlog_too, load_reset),
        cmocka_unit_test_setup(an_actor_does_not_inherit_the_crowd_of_its_slot, load_reset),
        cmocka_unit_test_setup(two_workers_full_of_work_for_each_other_both_get_it_done, load_reset),
        cmocka_unit_test_setup(a_thread_outside_that_heeds_refusals_loses_nothing, load_reset),
        cmocka_unit_test_setup(what_waits_in_mailboxes_counts_as_not_read, load_reset),
        cmocka_unit_test_setup(what_bounces_counts_as_read_once, load_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
