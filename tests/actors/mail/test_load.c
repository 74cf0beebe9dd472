/*
 * Load: what heedful senders lose and leave under way, what notices cost a subscriber that is stuck, and what the
 * counters say. Everything is counted; no test depends on how fast anything is.
 */
#include "counters.h"
#include "helpers.h"
#include "mailbox.h"
#include "stage.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cmocka.h>
#include <troupe/actors/host.h>

enum { GO = 1, HOLD, NUMBER, AGAIN };

#define IN_FLIGHT_MOST 65536u

static struct tally sent, got, held, release, hindered, done, letters, wrong;
static uint64_t in_flight_most;

static int
reset(void **state)
{
    (void)state;
    sent = got = held = release = hindered = done = letters = wrong = (struct tally){0};
    in_flight_most = 0;
    return 0;
}

static struct tr_counters
counters_of(tr_runtime *runtime)
{
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    return counters;
}

/* Counts what it gets, and stands still on HOLD until the test lets it go on. */
static void
receiver_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag == HOLD) {
        tally_add(&held, 1);
        tally_await(&release, 1);
        return;
    }
    uint64_t in_flight = tally_read(&sent) - tally_read(&got);
    in_flight_most = in_flight > in_flight_most ? in_flight : in_flight_most;
    tally_add(&got, 1);
}

static const struct tr_behavior receiver = {.name = "receiver", .receive = receiver_receive};

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
    reset(NULL);
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
    reset(NULL);
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
        .receive = receiver_receive, .name = "hundred", .mailbox = {100, 0, 0}};
    static const struct tr_behavior of_one = {.receive = receiver_receive, .name = "one", .mailbox = {1, 0, 0}};
    static const struct tr_behavior in_bytes = {.receive = receiver_receive, .name = "bytes", .mailbox = {0, 6400, 0}};
    static const struct tr_behavior of_many = {
        .receive = receiver_receive, .name = "many", .mailbox = {1000000, 0, TR_MAILBOX_DROP_OLDEST}};
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

/* Notices. */

static void
subscriber_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag == TR_TAG_DEAD_LETTER)
        tally_add(&letters, 1);
    if (message->tag == HOLD) {
        tally_add(&held, 1);
        tally_await(&release, 1);
    }
}

static const struct tr_behavior subscribers[] = {
    {.name = "refuses", .receive = subscriber_receive, .mailbox = {16, 0, TR_MAILBOX_REFUSE}},
    {.name = "drops newest", .receive = subscriber_receive, .mailbox = {16, 0, TR_MAILBOX_DROP_NEWEST}},
    {.name = "drops oldest", .receive = subscriber_receive, .mailbox = {16, 0, TR_MAILBOX_DROP_OLDEST}},
    {.name = "counts bytes", .receive = subscriber_receive, .mailbox = {0, 2048, TR_MAILBOX_REFUSE}},
};

struct storm {
    tr_ref to;
    uint32_t count;
    bool kills; /* the receiver, with the storm in its mailbox */
};

static void
storm_receive(tr_actor *self, void *state, tr_message *message)
{
    struct storm storm = *(const struct storm *)tr_message_data(message);
    (void)state;
    for (uint32_t i = 0; i < storm.count; i++)
        if (tr_tell(self, storm.to, NUMBER, NULL, 0) != TR_OK)
            tally_add(&wrong, 1);
    if (storm.kills && tr_stop(self, storm.to, TR_STOP_KILL) != TR_OK)
        tally_add(&wrong, 1);
    tally_add(&done, 1);
}

static const struct tr_behavior stormy = {.name = "stormy", .receive = storm_receive};

/* Letters to one who is gone: sent from worker 0, dead on worker `grave`, told to a subscriber on worker `home`. */
static void
play_storm(const struct tr_behavior *subscriber, unsigned grave, unsigned home)
{
    enum { STORM = 50000 };
    reset(NULL);
    tr_runtime *runtime = NULL;
    struct tr_runtime_options options = {.workers = 3, .pinning = TR_PINNING_NEVER, .lane_limit = 100000};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    struct storm storm = {stage_spawn(runtime, &receiver, grave, NULL), STORM, false};
    assert_int_equal(tr_runtime_stop_actor(runtime, storm.to, TR_STOP_KILL), TR_OK);
    tr_ref told = stage_spawn(runtime, subscriber, home, NULL), from = stage_spawn(runtime, &stormy, 0, NULL);
    assert_int_equal(tr_dead_letters_subscribe(runtime, told), TR_OK);
    if (home != grave) { /* else the letters would not die before it goes on */
        stage_send(runtime, told, HOLD, NULL, 0);
        tally_await(&held, 1);
    }
    stage_send(runtime, from, GO, &storm, sizeof(storm));
    tally_await(&done, 1);
    tests_counters_await_dead(runtime, STORM);
    tally_add(&release, 1);
    tests_counters_add_up(runtime);
    struct tr_counters counters = counters_of(runtime);
    stage_close(runtime);
    assert_int_equal(counters.dead_letters, STORM);
    assert_int_equal(tally_read(&letters) + counters.notices_lost, STORM);
    assert_int_equal(counters.refused, 0);
    if (home != grave) /* a lane, and the mailbox */
        assert_in_range(tally_read(&letters), 1, 100000 + 1024 + 64);
    assert_int_equal(tally_read(&wrong), 0);
}

static void
notices_to_a_subscriber_obey_its_limits_and_each_letter_counts_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(subscribers) / sizeof(subscribers[0]); i++) {
        play_storm(&subscribers[i], 1, 2);
        play_storm(&subscribers[i], 1, 1);
    }
}

/* How much of a storm that a stuck worker is told of waits for it: a lane and the limit. */
static void
a_stuck_subscriber_costs_no_more_than_a_lane_and_its_limit(void **state)
{
    (void)state;
    enum { LIMIT = 1000, STORM = 50000 };
    tr_runtime *runtime = NULL;
    struct tr_runtime_options options = {.workers = 2, .pinning = TR_PINNING_NEVER, .lane_limit = LIMIT};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    tr_ref told = stage_spawn(runtime, &subscribers[0], 1, NULL), from = stage_spawn(runtime, &stormy, 0, NULL);
    struct storm storm = {stage_spawn(runtime, &receiver, 0, NULL), STORM, true};
    assert_int_equal(tr_dead_letters_subscribe(runtime, told), TR_OK);
    stage_send(runtime, told, HOLD, NULL, 0);
    tally_await(&held, 1);
    stage_send(runtime, from, GO, &storm, sizeof(storm));
    tests_counters_await_dead(runtime, STORM);
    tally_add(&release, 1);
    tests_counters_add_up(runtime);
    struct tr_counters counters = counters_of(runtime);
    stage_close(runtime);
    assert_int_equal(counters.notices_lost + tally_read(&letters), STORM);
    assert_int_equal(tally_read(&wrong), 0);
    assert_in_range(tally_read(&letters), 0, 1024 + LIMIT + 64);
}

static void
letters_to_a_subscriber_that_is_gone_count_once(void **state)
{
    (void)state;
    enum { STORM = 1000 };
    for (unsigned home = 0; home < 2; home++) {
        reset(NULL);
        tr_runtime *runtime = stage_open(2);
        tr_ref told = stage_spawn(runtime, &subscribers[0], home, NULL), from = stage_spawn(runtime, &stormy, 0, NULL);
        struct storm storm = {stage_spawn(runtime, &receiver, 1, NULL), STORM, false};
        assert_int_equal(tr_dead_letters_subscribe(runtime, told), TR_OK);
        tr_runtime_stop_actor(runtime, told, TR_STOP_KILL);
        tr_runtime_stop_actor(runtime, storm.to, TR_STOP_KILL);
        while (counters_of(runtime).actors > 1)
            sched_yield();
        stage_send(runtime, from, GO, &storm, sizeof(storm));
        while (counters_of(runtime).notices_lost < STORM)
            sched_yield();
        struct tr_counters counters = counters_of(runtime);
        stage_close(runtime);
        assert_int_equal(counters.dead_letters, STORM);
        assert_int_equal(counters.notices_lost, STORM);
        assert_int_equal(counters.refused, 0);
    }
}

/* Counters. */

static void
the_counter_of_received_messages_is_exact_while_a_handler_hangs(void **state)
{
    (void)state;
    enum { BEFORE = 299, AFTER = 20 };
    tr_runtime *runtime = stage_open(1);
    tr_ref to = stage_spawn(runtime, &receiver, 0, NULL);
    for (unsigned i = 0; i < BEFORE; i++)
        stage_send(runtime, to, NUMBER, NULL, 0);
    stage_send(runtime, to, HOLD, NULL, 0);
    for (unsigned i = 0; i < AFTER; i++)
        stage_send(runtime, to, NUMBER, NULL, 0);
    tally_await(&held, 1);
    struct tr_counters counters = counters_of(runtime);
    assert_int_equal(counters.received, BEFORE + 1);
    assert_int_equal(counters.outside, BEFORE + 1 + AFTER);
    tally_add(&release, 1);
    tally_await(&got, BEFORE + AFTER);
    assert_int_equal(counters_of(runtime).received, BEFORE + 1 + AFTER);
    stage_close(runtime);
}

/*
 * A random program: actors with mailboxes of all kinds that send to each other, to themselves, to nobody, by timers and
 * by offloaded functions, bounce what they cannot use, and end and are born again. When it has come to rest every
 * message that began has ended.
 */
#define CAST 24u

static tr_ref cast[CAST];
static uint64_t seed;

struct player {
    uint64_t seed;
    uint32_t left;
};

static uint64_t
next_of(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static void *
work(void *argument)
{
    return argument;
}

static tr_ref
anybody(struct player *player)
{
    return __atomic_load_n(&cast[next_of(&player->seed) % CAST], __ATOMIC_RELAXED);
}

static void
act_at_random(tr_actor *self, struct player *player)
{
    tr_message message = tr_message_signal(NUMBER);
    switch (next_of(&player->seed) % 12) {
    case 0: tr_send_after(self, anybody(player), next_of(&player->seed) % 3, &message, NULL); break;
    case 1: tr_offload(self, work, NULL, NUMBER, NULL); break;
    case 2: tr_stop(self, anybody(player), TR_STOP_NOW); break;
    case 3: tr_exit(self); break;
    case 4:
        for (unsigned i = 0; i < 50; i++)
            tr_tell(self, anybody(player), AGAIN, NULL, 0);
        break;
    default: tr_tell(self, anybody(player), NUMBER, NULL, 0); break;
    }
}

static void
player_receive(tr_actor *self, void *state, tr_message *message)
{
    struct player *player = state;
    if (message->tag == AGAIN)
        tri_actor_bounce(self, message);
    if (message->tag != NUMBER && message->tag != GO)
        return;
    if (player->seed == 0)
        *player = (struct player){seed + tr_self(self) * 7919 + 1, 30};
    for (unsigned i = 0; i < 2 && player->left > 0; i++, player->left--)
        act_at_random(self, player);
}

static const struct tr_behavior players[] = {
    {.name = "any", .state_size = sizeof(struct player), .receive = player_receive},
    {.name = "refuses", .state_size = sizeof(struct player), .receive = player_receive, .mailbox = {3, 0, 0}},
    {.name = "newest",
     .state_size = sizeof(struct player),
     .receive = player_receive,
     .mailbox = {3, 0, TR_MAILBOX_DROP_NEWEST}},
    {.name = "oldest",
     .state_size = sizeof(struct player),
     .receive = player_receive,
     .mailbox = {3, 0, TR_MAILBOX_DROP_OLDEST}},
};

static void
in_random_programs_every_message_that_began_has_ended_once(void **state)
{
    (void)state;
    for (seed = 1; seed <= 60; seed++) {
        reset(NULL);
        unsigned workers = 1 + (unsigned)seed % 3;
        tr_runtime *runtime = stage_open(workers);
        for (unsigned i = 0; i < CAST; i++)
            __atomic_store_n(&cast[i], stage_spawn(runtime, &players[i % 4], i % workers, NULL), __ATOMIC_RELAXED);
        if (seed % 2 == 0) {
            tr_ref told = stage_spawn(runtime, &subscribers[seed % 4], (unsigned)seed % workers, NULL);
            assert_int_equal(tr_dead_letters_subscribe(runtime, told), TR_OK);
        }
        for (unsigned i = 0; i < CAST; i++)
            stage_send(runtime, cast[i], GO, NULL, 0);
        print_message("seed %u\n", (unsigned)seed);
        tests_counters_add_up(runtime);
        assert_int_equal(counters_of(runtime).outside, CAST);
        stage_close(runtime);
    }
}

/* Many workers. */

static void
two_hundred_and_fifty_six_workers_start_under_a_soft_limit_of_1024_descriptors(void **state)
{
    (void)state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    if (before.rlim_max < 1200)
        skip();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){1024, before.rlim_max}), 0);
    tr_runtime *runtime = stage_open(256);
    stage_send(runtime, stage_spawn(runtime, &receiver, 255, NULL), NUMBER, NULL, 0);
    tally_await(&got, 1);
    stage_close(runtime);
    setrlimit(RLIMIT_NOFILE, &before);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(senders_that_heed_the_backlog_lose_nothing_and_leave_little_under_way, reset),
        cmocka_unit_test_setup(a_sender_beside_its_receiver_sees_a_backlog_too, reset),
        cmocka_unit_test_setup(an_actor_does_not_inherit_the_crowd_of_its_slot, reset),
        cmocka_unit_test_setup(two_workers_full_of_work_for_each_other_both_get_it_done, reset),
        cmocka_unit_test_setup(a_thread_outside_that_heeds_refusals_loses_nothing, reset),
        cmocka_unit_test_setup(what_waits_in_mailboxes_counts_as_not_read, reset),
        cmocka_unit_test_setup(what_bounces_counts_as_read_once, reset),
        cmocka_unit_test_setup(notices_to_a_subscriber_obey_its_limits_and_each_letter_counts_once, reset),
        cmocka_unit_test_setup(a_stuck_subscriber_costs_no_more_than_a_lane_and_its_limit, reset),
        cmocka_unit_test_setup(letters_to_a_subscriber_that_is_gone_count_once, reset),
        cmocka_unit_test_setup(the_counter_of_received_messages_is_exact_while_a_handler_hangs, reset),
        cmocka_unit_test_setup(in_random_programs_every_message_that_began_has_ended_once, reset),
        cmocka_unit_test_setup(two_hundred_and_fifty_six_workers_start_under_a_soft_limit_of_1024_descriptors, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
