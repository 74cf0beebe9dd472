/*
 * Load: what notices cost a subscriber that is stuck, and what the counters say. Everything is counted; no test depends
 * on how fast anything is.
 */
#include "counters.h"
#include "load_play.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cmocka.h>
#include <troupe/actors/host.h>

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
    {.name = "refuses", .receive = subscriber_receive, .mailbox = {.messages = 16, .policy = TR_MAILBOX_REFUSE}},
    {.name = "drops newest",
     .receive = subscriber_receive,
     .mailbox = {.messages = 16, .policy = TR_MAILBOX_DROP_NEWEST}},
    {.name = "drops oldest",
     .receive = subscriber_receive,
     .mailbox = {.messages = 16, .policy = TR_MAILBOX_DROP_OLDEST}},
    {.name = "counts bytes", .receive = subscriber_receive, .mailbox = {.bytes = 2048, .policy = TR_MAILBOX_REFUSE}},
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
    load_reset(NULL);
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
        load_reset(NULL);
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
    {.name = "refuses",
     .state_size = sizeof(struct player),
     .receive = player_receive,
     .mailbox = {.messages = 3, .policy = 0}},
    {.name = "newest",
     .state_size = sizeof(struct player),
     .receive = player_receive,
     .mailbox = {.messages = 3, .policy = TR_MAILBOX_DROP_NEWEST}},
    {.name = "oldest",
     .state_size = sizeof(struct player),
     .receive = player_receive,
     .mailbox = {.messages = 3, .policy = TR_MAILBOX_DROP_OLDEST}},
};

static void
in_random_programs_every_message_that_began_has_ended_once(void **state)
{
    (void)state;
    for (seed = 1; seed <= 60; seed++) {
        load_reset(NULL);
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
        cmocka_unit_test_setup(notices_to_a_subscriber_obey_its_limits_and_each_letter_counts_once, load_reset),
        cmocka_unit_test_setup(a_stuck_subscriber_costs_no_more_than_a_lane_and_its_limit, load_reset),
        cmocka_unit_test_setup(letters_to_a_subscriber_that_is_gone_count_once, load_reset),
        cmocka_unit_test_setup(the_counter_of_received_messages_is_exact_while_a_handler_hangs, load_reset),
        cmocka_unit_test_setup(in_random_programs_every_message_that_began_has_ended_once, load_reset),
        cmocka_unit_test_setup(two_hundred_and_fifty_six_workers_start_under_a_soft_limit_of_1024_descriptors,
                               load_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
