/*
 * Where actors are born, and what a worker has once, under seeds: a crowd whose members bear children by all
 * placements, some of which fail at birth or end with their parents, and ask for states of their workers, some of which
 * do not open.
 *
 * What must hold
 *   - A child is born where its placement says. By load: no other worker has fewer actors, those on their way included.
 *   - A birth that fails is told to who asked for it: at once here, by one message from elsewhere.
 *   - Who is to end with its parent is gone when everything rests and the parent is gone.
 *   - One on every worker, or none at all.
 *   - A state of a worker is opened by who first asks for it, once; it is found at one address by all who ask after
 *     that; and closed once, at the end, in the reverse order.
 */
#include "crowd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/local.h>
#include <troupe/testing.h>

#define WORKERS_MOST 3u
#define KINDS 3u

static unsigned parents[CROWD_MOST];                  /* with whom somebody ends; CROWD_NOBODY: with nobody */
static unsigned failed[CROWD_MOST], told[CROWD_MOST]; /* births elsewhere: that fail; that were told of */

static bool each_lives; /* one more may be on every worker */

/* Placement. */

/* How many live on a worker: at least, and at most. */
static unsigned
count_there(unsigned worker, bool at_most)
{
    unsigned count = 0;
    for (unsigned who = 0; who < crowd_born; who++)
        if (tr_ref_worker(crowd[who].ref) == worker && !crowd[who].gone && (at_most || !crowd[who].may_be_gone))
            count++;
    return count;
}

/* How many live on each worker before a child is born. */
struct loads {
    unsigned at_least[WORKERS_MOST], at_most[WORKERS_MOST], workers;
};

static struct loads
count_loads(tr_runtime *runtime)
{
    struct loads loads = {.workers = tr_runtime_workers(runtime)};
    for (unsigned i = 0; i < loads.workers; i++) {
        loads.at_least[i] = count_there(i, false);
        loads.at_most[i] = count_there(i, true) + each_lives;
    }
    return loads;
}

static bool
has_fewest(const struct loads *loads, unsigned worker)
{
    for (unsigned other = 0; other < loads->workers; other++)
        if (loads->at_least[worker] > loads->at_most[other])
            return false;
    return true;
}

/* From outside: self is NULL. */
static struct tr_spawn_options
wish(tr_runtime *runtime, const tr_actor *self)
{
    return (struct tr_spawn_options){.placement = self != NULL ? crowd_roll(TR_PLACE_BY_KEY + 1)
                                                               : 1 + crowd_roll(TR_PLACE_BY_KEY),
                                     .worker = crowd_roll(tr_runtime_workers(runtime)),
                                     .with = crowd[crowd_anybody()].ref,
                                     .key = crowd_roll(1000),
                                     .ends_with_parent = self != NULL && crowd_once_in(2)};
}

static void
is_where_it_should(const struct tr_spawn_options *options, const struct loads *loads, unsigned own, unsigned worker)
{
    switch (options->placement) {
    case TR_PLACE_HERE: assert_int_equal(worker, own); break;
    case TR_PLACE_WORKER: assert_int_equal(worker, options->worker); break;
    case TR_PLACE_WITH: assert_int_equal(worker, tr_ref_worker(options->with)); break;
    case TR_PLACE_BY_KEY: assert_int_equal(worker, tr_key_worker(options->key, loads->workers)); break;
    default: assert_true(has_fewest(loads, worker)); break;
    }
}

static void
bear(tr_runtime *runtime, tr_actor *self, unsigned who)
{
    struct loads loads = count_loads(runtime);
    struct tr_spawn_options options = wish(runtime, self);
    unsigned child = crowd_born, own = self != NULL ? tr_ref_worker(tr_self(self)) : WORKERS_MOST;
    bool fails = self != NULL && crowd_once_in(4), has_failed = crowd_bear_as(self, fails, options) == CROWD_NOBODY;
    if (crowd_born == child)
        return;
    unsigned worker = tr_ref_worker(crowd[child].ref);
    is_where_it_should(&options, &loads, own, worker);
    assert_int_equal(has_failed, fails && worker == own);
    parents[child] = options.ends_with_parent ? who : CROWD_NOBODY;
    if (self != NULL)
        failed[who] += fails && worker != own;
}

/* What a worker has once. */

struct local {
    unsigned worker;
    const struct tr_local_kind *kind;
};

static const struct tr_local_kind kinds[KINDS];
static struct local *open_locals[WORKERS_MOST][KINDS];
static const struct tr_local_kind *opened[WORKERS_MOST][KINDS]; /* in their order */
static unsigned opened_count[WORKERS_MOST], openings;           /* calls of open */

/* The second kind needs the third, which at times asks for the second and is refused, since that is being opened. */
static tr_status
ask_for_others(tr_actor *self, const struct tr_local_kind *kind)
{
    void *other;
    if (kind == &kinds[1])
        return tr_local_open(self, &kinds[2], &other);
    unsigned worker = tr_ref_worker(tr_self(self));
    if (kind == &kinds[2] && open_locals[worker][1] == NULL && crowd_once_in(2)) {
        tr_status status = tr_local_open(self, &kinds[1], &other);
        assert_true(status == TR_EBUSY || status == TR_EACCES);
    }
    return TR_OK;
}

static tr_status
open_kind(void *state, tr_actor *self, const struct tr_local_kind *kind)
{
    struct local *local = state;
    unsigned worker = tr_ref_worker(tr_self(self));
    openings++;
    assert_null(local->kind);
    assert_null(open_locals[worker][kind - kinds]);
    tr_status status = ask_for_others(self, kind);
    if (status != TR_OK || crowd_once_in(3))
        return status != TR_OK ? status : TR_EACCES;
    *local = (struct local){worker, kind};
    open_locals[worker][kind - kinds] = local;
    opened[worker][opened_count[worker]++] = kind;
    return TR_OK;
}

static tr_status
open_first(void *state, tr_actor *self)
{
    return open_kind(state, self, &kinds[0]);
}

static tr_status
open_second(void *state, tr_actor *self)
{
    return open_kind(state, self, &kinds[1]);
}

static tr_status
open_third(void *state, tr_actor *self)
{
    return open_kind(state, self, &kinds[2]);
}

static void
close_local(void *state)
{
    const struct local *local = state;
    assert_true(crowd_ends);
    assert_ptr_equal(open_locals[local->worker][local->kind - kinds], local);
    assert_ptr_equal(opened[local->worker][--opened_count[local->worker]], local->kind);
    open_locals[local->worker][local->kind - kinds] = NULL;
}

static const struct tr_local_kind kinds[KINDS] = {
    {"first", sizeof(struct local), open_first, close_local},
    {"second", sizeof(struct local), open_second, close_local},
    {"third", sizeof(struct local), open_third, close_local},
};

static void
use_local(tr_actor *self)
{
    unsigned worker = tr_ref_worker(tr_self(self)), kind = crowd_roll(KINDS), before = openings;
    const struct local *known = open_locals[worker][kind];
    const void *found = tr_local(self, &kinds[kind]);
    assert_ptr_equal(found, open_locals[worker][kind]);
    assert_int_equal(openings > before, known == NULL);
    if (known != NULL)
        assert_ptr_equal(found, known);
}

/* One on each worker. */

static unsigned fails_on, born, ended; /* a worker's number, or how many there are */

static tr_status
each_begins(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    born++;
    return tr_ref_worker(tr_self(self)) == fails_on ? TR_EACCES : TR_OK;
}

static void
each_ends(tr_actor *self, void *state)
{
    (void)self;
    (void)state;
    ended++;
}

static const struct tr_behavior each = {.name = "each", .init = each_begins, .receive = ignore, .stopped = each_ends};

static void
stop_each(tr_runtime *runtime, const tr_ref refs[], unsigned workers)
{
    for (unsigned i = 0; i < workers; i++) {
        assert_int_equal(tr_ref_worker(refs[i]), i);
        assert_int_equal(tr_runtime_stop_actor(runtime, refs[i], TR_STOP_NOW), TR_OK);
    }
}

/* While the crowd goes on. */
static void
bear_each(tr_runtime *runtime)
{
    unsigned workers = tr_runtime_workers(runtime);
    tr_ref refs[WORKERS_MOST] = {TR_NOBODY};
    fails_on = crowd_roll(workers + 1);
    born = ended = 0;
    each_lives = true;
    for (unsigned i = 0; i < 6; i++)
        stage_send(runtime, crowd[crowd_somebody()].ref, CROWD_TURN, NULL, 0);
    tr_status status = tr_runtime_spawn_each(runtime, &each, NULL, refs);
    assert_int_equal(status, fails_on < workers ? TR_EACCES : TR_OK);
    assert_int_equal(born, fails_on < workers ? fails_on + 1 : workers);
    if (status == TR_OK)
        assert_int_equal(ended, 0);
    if (status == TR_OK)
        stop_each(runtime, refs, workers);
    tr_testing_run(runtime);
    assert_int_equal(ended, fails_on);
    each_lives = false;
}

/* The program. */

static void
act(tr_actor *self, unsigned who)
{
    switch (crowd_roll(12)) {
    case 0: crowd_leave(self, who); break;
    case 1: crowd_stop(self, crowd_somebody()); break;
    case 2:
    case 3:
    case 4: bear(tr_actor_runtime(self), self, who); break;
    default: use_local(self); break;
    }
}

static void
hear(tr_actor *self, unsigned who, tr_message *message)
{
    (void)self;
    assert_int_equal(message->tag, TR_TAG_SPAWN_FAILED);
    const struct tr_spawn_failed *failure = tr_message_data(message);
    assert_int_equal(failure->status, TR_EINIT);
    crowd_is_gone(crowd_number(failure->actor));
    told[who]++;
}

static void
rest(tr_runtime *runtime)
{
    for (unsigned who = 0; who < crowd_born; who++) {
        if (!crowd[who].gone)
            assert_int_equal(told[who], failed[who]);
        if (parents[who] != CROWD_NOBODY && crowd[parents[who]].gone)
            assert_true(crowd[who].gone);
    }
    for (unsigned i = 0; i < 3; i++)
        bear(runtime, NULL, CROWD_NOBODY);
    bear_each(runtime);
}

static void
begin(tr_runtime *runtime)
{
    (void)runtime;
    for (unsigned who = 0; who < CROWD_MOST; who++)
        parents[who] = CROWD_NOBODY;
    memset(failed, 0, sizeof(failed));
    memset(told, 0, sizeof(told));
}

static void
all_is_closed(void)
{
    for (unsigned worker = 0; worker < WORKERS_MOST; worker++)
        assert_int_equal(opened_count[worker], 0);
}

static void
births_and_what_a_worker_has_once_are_as_asked_for_under_every_seed(void **state)
{
    (void)state;
    crowd_under_seeds(&(struct crowd_play){
        .size = 6, .turns = 60, .begin = begin, .act = act, .hear = hear, .rest = rest, .over = all_is_closed});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(births_and_what_a_worker_has_once_are_as_asked_for_under_every_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
