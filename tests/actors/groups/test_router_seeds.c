/*
 * Routers under seeds: a crowd of which some are the pool, which grows and shrinks while everybody routes to it, one
 * after the other, by key, and to who has least to do.
 *
 * What must hold
 *   - A message that was taken is given to one, once, or becomes a dead letter.
 *   - What one routes to another arrives in its order.
 *   - It is refused if the pool is empty, or nobody there has room.
 *   - Who is chosen is of the pool at that moment, and nobody only if the pool is empty.
 *   - By key: while the pool is the same, everybody chooses the same one for a key. One more takes keys of others and
 *     moves no other; those of one that leaves go to others, and no other moves.
 *   - One after the other: in so many rounds each of the pool is chosen so often. So it is among equals by load.
 *   - By load: nobody of the pool has less to do than the chosen one.
 */
#include "crowd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/router.h>
#include <troupe/testing.h>

enum { JOB = CROWD_TAGS, JOIN, LEAVE, GO_ROUND, CHOOSE };

#define JOBS_MOST 1024u
#define KEYS 24u
#define ROUNDS 3u

struct job {
    unsigned from, number; /* CROWD_MOST: from outside */
};

static tr_group *router;
static enum tr_group_policy policy;
static bool in_pool[CROWD_MOST];
static struct {
    bool taken;
    unsigned done, by;
    unsigned meant; /* by key; CROWD_NOBODY: whoever it is */
} jobs[JOBS_MOST];
static unsigned job_count, dead_count;
static unsigned latest[CROWD_MOST + 1][CROWD_MOST]; /* [from][by] */
static unsigned chosen[CROWD_MOST], places[KEYS];   /* how often at rest; who has the key */

/* Who is in the pool for certain, and how many those are. */
static bool
is_certain(unsigned who)
{
    return in_pool[who] && !crowd[who].may_be_gone && !crowd[who].gone;
}

static unsigned
pool_size(void)
{
    unsigned size = 0;
    for (unsigned who = 0; who < crowd_born; who++)
        size += is_certain(who);
    return size;
}

/* Turns. */

static void
nobody_has_less(tr_actor *self, tr_ref ref)
{
    for (unsigned who = 0; who < crowd_born; who++)
        if (is_certain(who))
            assert_true(tr_backlog(self, ref) <= tr_backlog(self, crowd[who].ref));
}

static void
all_have_something_to_do(tr_actor *self)
{
    for (unsigned who = 0; who < crowd_born; who++)
        if (is_certain(who))
            assert_true(tr_backlog(self, crowd[who].ref) > 0);
}

static tr_ref
choose(tr_actor *self, uint64_t key)
{
    tr_ref ref = tr_route_choose(self, router, key);
    if (ref == TR_NOBODY)
        assert_int_equal(pool_size(), 0);
    else
        assert_true(in_pool[crowd_number(ref)]);
    if (policy == TR_GROUP_SMALLEST && ref != TR_NOBODY)
        nobody_has_less(self, ref);
    return ref;
}

/* From outside if self is NULL. */
static void
give_job(tr_runtime *runtime, tr_actor *self, unsigned who, uint64_t key)
{
    if (job_count == JOBS_MOST)
        return;
    struct job job = {who, job_count++};
    bool is_meant = self != NULL && policy == TR_GROUP_BY_KEY;
    jobs[job.number].meant = is_meant ? crowd_number(choose(self, key)) : CROWD_NOBODY;
    tr_message message = tr_message_copy(JOB, &job, sizeof(job));
    tr_status status =
        self != NULL ? tr_route(self, router, key, &message) : tr_runtime_route(runtime, router, key, &message);
    jobs[job.number].taken = status == TR_OK;
    if (status == TR_OK)
        return;
    assert_true(status == TR_EGONE || status == TR_EFULL);
    if (status == TR_EGONE)
        assert_int_equal(pool_size(), 0);
    else if (self != NULL && policy != TR_GROUP_BY_KEY)
        all_have_something_to_do(self);
    tr_message_drop(&message);
}

static void
join(tr_actor *self, unsigned who)
{
    assert_int_equal(tr_group_join(self, router), TR_OK);
    in_pool[who] = true;
}

static void
leave(tr_actor *self, unsigned who)
{
    assert_int_equal(tr_group_leave(self, router), in_pool[who] ? TR_OK : TR_EGONE);
    in_pool[who] = false;
}

static void
act(tr_actor *self, unsigned who)
{
    switch (crowd_roll(16)) {
    case 0: crowd_leave(self, who); break;
    case 1: crowd_stop(self, crowd_somebody()); break;
    case 2:
    case 3: join(self, who); break;
    case 4: leave(self, who); break;
    case 5: choose(self, crowd_roll(KEYS)); break;
    case 6: give_job(tr_actor_runtime(self), NULL, CROWD_MOST, crowd_roll(KEYS)); break;
    default:
        for (unsigned i = 0; i < 4; i++)
            give_job(NULL, self, who, crowd_roll(KEYS));
        choose(self, crowd_roll(KEYS));
        break;
    }
}

/* What is done. */

static void
do_job(unsigned who, const struct job *job)
{
    assert_true(jobs[job->number].taken);
    assert_int_equal(jobs[job->number].done, 0);
    jobs[job->number].done = 1;
    jobs[job->number].by = who;
    if (jobs[job->number].meant != CROWD_NOBODY && !crowd[jobs[job->number].meant].may_be_gone)
        assert_int_equal(who, jobs[job->number].meant);
    assert_true(latest[job->from][who] <= job->number);
    latest[job->from][who] = job->number;
}

static void
go_round(tr_actor *self)
{
    for (unsigned i = ROUNDS * pool_size(); i > 0; i--)
        chosen[crowd_number(choose(self, 0))]++;
}

/* All choose the same. */
static void
compare_keys(tr_actor *self)
{
    for (unsigned key = 0; key < KEYS; key++)
        assert_int_equal(crowd_number(choose(self, key)), places[key]);
}

static void
hear(tr_actor *self, unsigned who, tr_message *message)
{
    switch (message->tag) {
    case JOB: do_job(who, tr_message_data(message)); break;
    case JOIN: join(self, who); break;
    case LEAVE: leave(self, who); break;
    case GO_ROUND: go_round(self); break;
    case CHOOSE: compare_keys(self); break;
    default: fail_msg("nobody has sent a message with the tag %u", (unsigned)message->tag);
    }
}

/* At rest. */

static void
each_job_was_done_once(void)
{
    unsigned taken = 0, done = 0;
    for (unsigned job = 0; job < job_count; job++) {
        taken += jobs[job].taken;
        done += jobs[job].done;
    }
    assert_int_equal(done + dead_count, taken);
}

static void
tell(tr_runtime *runtime, unsigned who, uint32_t tag)
{
    stage_send(runtime, crowd[who].ref, tag, NULL, 0);
    tr_testing_run(runtime);
}

/* Each of the pool has had its turn as often, whoever chooses. */
static void
each_has_its_turn(tr_runtime *runtime, unsigned size)
{
    for (unsigned chooser = 0; chooser < crowd_born; chooser++) {
        if (crowd[chooser].gone)
            continue;
        memset(chosen, 0, sizeof(chosen));
        tell(runtime, chooser, GO_ROUND);
        for (unsigned who = 0; who < crowd_born; who++)
            assert_int_equal(chosen[who], in_pool[who] ? ROUNDS : 0);
        assert_true(size > 0);
    }
}

/* By what comes from outside. */
static void
read_keys(tr_runtime *runtime, unsigned out[KEYS])
{
    for (unsigned key = 0; key < KEYS && job_count < JOBS_MOST; key++) {
        unsigned job = job_count;
        give_job(runtime, NULL, CROWD_MOST, key);
        tr_testing_run(runtime);
        assert_true(jobs[job].done);
        out[key] = jobs[job].by;
    }
}

static void
all_choose_the_same(tr_runtime *runtime)
{
    read_keys(runtime, places);
    for (unsigned who = 0; who < crowd_born; who++)
        if (!crowd[who].gone)
            tell(runtime, who, CHOOSE);
}

/* One joins, or leaves: no key moves but to the first, or from the other. */
static void
change_pool(tr_runtime *runtime, unsigned who)
{
    unsigned before[KEYS];
    memcpy(before, places, sizeof(before));
    bool leaves = in_pool[who];
    tell(runtime, who, leaves ? LEAVE : JOIN);
    if (pool_size() == 0)
        return;
    all_choose_the_same(runtime);
    for (unsigned key = 0; key < KEYS; key++)
        if (leaves)
            assert_true(before[key] == who || places[key] == before[key]);
        else
            assert_true(places[key] == who || places[key] == before[key]);
}

static void
rest(tr_runtime *runtime)
{
    for (unsigned who = 0; who < crowd_born; who++)
        in_pool[who] &= !crowd[who].gone;
    unsigned size = pool_size();
    each_job_was_done_once();
    assert_int_equal(tr_group_count(router), size);
    if (size == 0 || job_count > JOBS_MOST - 4 * KEYS)
        return;
    if (policy != TR_GROUP_BY_KEY) {
        each_has_its_turn(runtime, size);
        return;
    }
    all_choose_the_same(runtime);
    for (unsigned i = 0; i < 3 && pool_size() > 0; i++)
        change_pool(runtime, crowd_somebody());
}

static void
hear_of_dead_letter(tr_actor *self, void *state, tr_message *message)
{
    const struct tr_dead_letter *letter = tr_message_data(message);
    (void)self;
    (void)state;
    dead_count += letter->tag == JOB;
}

static const struct tr_behavior undertaker = {.name = "undertaker", .receive = hear_of_dead_letter};

static void
begin(tr_runtime *runtime)
{
    assert_int_equal(tr_dead_letters_subscribe(runtime, stage_spawn(runtime, &undertaker, 0, NULL)), TR_OK);
    memset(in_pool, 0, sizeof(in_pool));
    memset(jobs, 0, sizeof(jobs));
    memset(latest, 0, sizeof(latest));
    job_count = dead_count = 0;
    assert_int_equal(tr_group_open(runtime, NULL, &(struct tr_group_options){.policy = policy}, &router), TR_OK);
}

/* With a limit, backlogs show what waits, and some messages are refused. */
static void
play(enum tr_group_policy with, unsigned limit)
{
    policy = with;
    crowd_under_seeds(&(struct crowd_play){.size = 8,
                                           .turns = 60,
                                           .mailbox = {.messages = limit},
                                           .begin = begin,
                                           .act = act,
                                           .hear = hear,
                                           .rest = rest});
}

static void
a_router_goes_round_whoever_joins_and_leaves_under_every_seed(void **state)
{
    (void)state;
    play(TR_GROUP_ROUND_ROBIN, 0);
}

static void
a_key_goes_to_one_member_and_moves_only_with_it_under_every_seed(void **state)
{
    (void)state;
    play(TR_GROUP_BY_KEY, 6);
}

static void
who_has_least_to_do_gets_it_under_every_seed(void **state)
{
    (void)state;
    play(TR_GROUP_SMALLEST, 6);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_router_goes_round_whoever_joins_and_leaves_under_every_seed),
        cmocka_unit_test(a_key_goes_to_one_member_and_moves_only_with_it_under_every_seed),
        cmocka_unit_test(who_has_least_to_do_gets_it_under_every_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
