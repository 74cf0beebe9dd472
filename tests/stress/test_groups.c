/*
 * Actors on four workers that join and leave two groups, publish to them and send to each other, all at random.
 *
 * Provoked: joining while messages are on their way, the last member of a worker that leaves while others publish to
 *           it,
 * members that are added by others, ends of members.
 *
 * Checked by each member, for each publisher: while it is a member it gets a run of that one's numbers without a gap,
 * in their order; a message that the publisher sends to it directly stands where it was sent; its own publishing
 * reaches itself. And at the end the counters add up, and nobody is a member any more.
 */
#include "counters.h"
#include "helpers.h"
#include "random.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/group.h>

enum { WORKERS = 4, PLAYERS = 40, STEPS = 3000, ALIVE = 64 };
enum { GO = 1, NEWS, DIRECT, LEFT };

static tr_group *group;
static tr_ref players[PLAYERS];
static struct tally finished, gaps, misplaced, runs;

struct player {
    uint64_t index, seed, steps, published;
    bool member, leaving; /* leaving: until its own mark has come, what waited by then still comes */
    bool runs[PLAYERS];   /* it has got something of that one as a member */
    uint64_t last[PLAYERS];
};

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    struct player *player = state;
    (void)self;
    memcpy(&player->index, argument, sizeof(player->index));
    player->seed = player->index;
    return TR_OK;
}

static void
join(tr_actor *self, struct player *player)
{
    assert_int_equal(tr_group_join(self, group), TR_OK);
    memset(player->runs, 0, sizeof(player->runs));
    player->member = true;
}

static void
leave(tr_actor *self, struct player *player)
{
    assert_int_equal(tr_group_leave(self, group), TR_OK);
    assert_int_equal(tr_tell(self, tr_self(self), LEFT, NULL, 0), TR_OK);
    player->member = false;
    player->leaving = true;
}

static void
publish(tr_actor *self, struct player *player)
{
    uint64_t words[] = {player->index, ++player->published};
    tr_message message = tr_message_copy(NEWS, words, sizeof(words));
    assert_int_equal(tr_group_publish(self, group, &message), TR_OK);
    if (player->member && !player->runs[player->index]) {
        player->runs[player->index] = true; /* it is a member: from here on it must get all of its own */
        player->last[player->index] = player->published - 1;
    }
}

/* Says how far it has published. */
static void
send_direct(tr_actor *self, struct player *player)
{
    uint64_t words[] = {player->index, player->published};
    tr_ref to = players[random_below(&player->seed, PLAYERS)];
    assert_int_equal(tr_tell(self, to, DIRECT, words, sizeof(words)), TR_OK);
}

static void
step(tr_actor *self, struct player *player)
{
    switch (random_below(&player->seed, 6)) {
    case 0:
        if (player->member)
            leave(self, player);
        else if (!player->leaving)
            join(self, player);
        break;
    case 1:
    case 2: publish(self, player); break;
    default: send_direct(self, player);
    }
    if (++player->steps < STEPS)
        assert_int_equal(tr_tell(self, tr_self(self), GO, NULL, 0), TR_OK);
    else
        tally_add(&finished, 1);
}

static void
take_news(struct player *player, const uint64_t *words)
{
    if (player->runs[words[0]] && words[1] != player->last[words[0]] + 1)
        tally_add(&gaps, 1);
    player->runs[words[0]] = true;
    player->last[words[0]] = words[1];
    tally_add(&runs, 1);
}

static void
take_direct(const struct player *player, const uint64_t *words)
{
    if (player->member && player->runs[words[0]] && player->last[words[0]] != words[1])
        tally_add(&misplaced, 1);
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    struct player *player = state;
    switch (message->tag) {
    case GO: step(self, player); break;
    case NEWS: take_news(player, message->payload.words); break;
    case DIRECT: take_direct(player, message->payload.words); break;
    case LEFT: player->leaving = false; break;
    }
}

static const struct tr_behavior behavior = {
    .name = "player", .state_size = sizeof(struct player), .init = init, .receive = receive};

static void
each_member_gets_a_run_without_a_gap_of_what_each_publishes(void **state)
{
    (void)state;
    for (unsigned round = 0; round < tests_stress(); round++) {
        tr_runtime *runtime = stage_open(WORKERS);
        finished = gaps = misplaced = runs = (struct tally){0};
        assert_int_equal(tr_group_open(runtime, "players", NULL, &group), TR_OK);
        for (uint64_t i = 0; i < PLAYERS; i++) {
            players[i] = stage_spawn(runtime, &behavior, i % WORKERS, &i);
        }
        for (unsigned i = 0; i < PLAYERS; i++)
            stage_send(runtime, players[i], GO, NULL, 0);
        tally_await(&finished, PLAYERS);
        tests_counters_add_up(runtime);
        assert_int_equal(tally_read(&gaps), 0);
        assert_int_equal(tally_read(&misplaced), 0);
        assert_true(tally_read(&runs) > 0);
        tr_group_release(group);
        stage_close(runtime);
    }
}

/* Members that are born, are added by whoever made them, and end, while the others publish. */

static struct tally heard;

static void
count(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    tally_add(&heard, 1);
    tr_exit(self);
}

static void
breed(tr_actor *self, void *state, tr_message *message)
{
    static const struct tr_behavior mayfly = {.name = "mayfly", .receive = count};
    uint64_t *left = state;
    (void)message;
    if (tr_group_count(group) >= ALIVE) { /* or all that is done is to count who has died already */
        assert_int_equal(tr_tell(self, tr_self(self), GO, NULL, 0), TR_OK);
        return;
    }
    struct tr_spawn_options place = {.placement = TR_PLACE_WORKER, .worker = (unsigned)(*left % WORKERS)};
    tr_ref child;
    assert_int_equal(tr_spawn(self, &mayfly, &place, &child), TR_OK);
    assert_int_equal(tr_group_add(self, child, group), TR_OK);
    tr_message news = tr_message_copy(NEWS, left, sizeof(*left));
    assert_int_equal(tr_group_publish(self, group, &news), TR_OK);
    if (--*left > 0)
        assert_int_equal(tr_tell(self, tr_self(self), GO, NULL, 0), TR_OK);
    else
        tally_add(&finished, 1);
}

static tr_status
breed_init(tr_actor *self, void *state, const void *argument)
{
    (void)self;
    (void)argument;
    *(uint64_t *)state = STEPS;
    return TR_OK;
}

static bool
is_empty(void *argument)
{
    (void)argument;
    return tr_group_count(group) == 0;
}

static void
each_that_is_added_hears_of_it_and_nobody_is_left(void **state)
{
    (void)state;
    static const struct tr_behavior breeder = {
        .name = "breeder", .state_size = sizeof(uint64_t), .init = breed_init, .receive = breed};
    tr_runtime *runtime = stage_open(WORKERS);
    finished = heard = (struct tally){0};
    assert_int_equal(tr_group_open(runtime, NULL, NULL, &group), TR_OK);
    for (unsigned i = 0; i < WORKERS; i++)
        stage_send(runtime, stage_spawn(runtime, &breeder, i, NULL), GO, NULL, 0);
    tally_await(&finished, WORKERS);
    tally_await(&heard, WORKERS * STEPS);
    assert_true(tests_wait_until(is_empty, NULL, TESTS_LIMIT_MS));
    tests_counters_add_up(runtime);
    tr_group_release(group);
    stage_close(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_member_gets_a_run_without_a_gap_of_what_each_publishes),
        cmocka_unit_test(each_that_is_added_hears_of_it_and_nobody_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
