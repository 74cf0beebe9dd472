#include "fault.h"
#include "helpers.h"
#include "stage.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/local.h>
#include <uv.h>

#define WORKERS 3u

/* An actor that does what a test wants, on its worker. */

static struct tally acted, opened, closed, stopped, wrong;

typedef void act(tr_actor *self);

static void
act_receive(tr_actor *self, void *state, tr_message *message)
{
    act *what;
    (void)state;
    memcpy(&what, tr_message_data(message), sizeof(what));
    what(self);
    tally_add(&acted, 1);
}

static void
count_stopped(tr_actor *self, void *state)
{
    (void)self, (void)state;
    tally_add(&stopped, 1);
}

static const struct tr_behavior actor = {.name = "actor", .receive = act_receive, .stopped = count_stopped};

/* Two actors on each worker do it, one after the other. */
static void
on_each_worker(tr_runtime *runtime, act *what)
{
    for (unsigned i = 0; i < 2 * WORKERS; i++) {
        uint64_t before = tally_read(&acted);
        stage_send(runtime, stage_spawn(runtime, &actor, i % WORKERS, NULL), 1, &what, sizeof(what));
        tally_await(&acted, before + 1);
    }
}

static void
on_worker(tr_runtime *runtime, unsigned worker, act *what)
{
    uint64_t before = tally_read(&acted);
    stage_send(runtime, stage_spawn(runtime, &actor, worker, NULL), 1, &what, sizeof(what));
    tally_await(&acted, before + 1);
}

/* A cache, of which each worker has one. */

struct cache {
    unsigned worker;
    unsigned used;
    uv_thread_t thread;
    char zeros[100];
};

static unsigned uses_each, actors_in_all; /* by the time when a cache is closed */

static tr_status
cache_open(void *state, tr_actor *self)
{
    struct cache *cache = state;
    static const char zeros[sizeof(*cache)];
    assert_memory_equal(cache, zeros, sizeof(zeros));
    assert_int_equal((uintptr_t)state % _Alignof(max_align_t), 0);
    cache->worker = tr_ref_worker(tr_self(self));
    cache->thread = uv_thread_self();
    tally_add(&opened, 1);
    return TR_OK;
}

static void
cache_close(void *state)
{
    const struct cache *cache = state;
    uv_thread_t here = uv_thread_self();
    tally_add(&wrong, !uv_thread_equal(&cache->thread, &here));
    tally_add(&wrong, cache->used != uses_each);
    tally_add(&wrong, tally_read(&stopped) != actors_in_all);
    tally_add(&closed, 1);
}

static const struct tr_local_kind cache_kind = {
    .name = "cache", .size = sizeof(struct cache), .open = cache_open, .close = cache_close};

static void
use_cache(tr_actor *self)
{
    struct cache *cache = tr_local(self, &cache_kind);
    assert_non_null(cache);
    assert_int_equal(cache->worker, tr_ref_worker(tr_self(self)));
    assert_ptr_equal(tr_local(self, &cache_kind), cache);
    cache->used++;
}

static void
each_worker_has_one_that_its_actors_share_and_closes_it_on_its_thread_when_all_have_ended(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(WORKERS);
    uses_each = 2;
    actors_in_all = 2 * WORKERS;
    assert_int_equal(tally_read(&opened), 0);
    on_each_worker(runtime, use_cache);
    assert_int_equal(tally_read(&opened), WORKERS);
    assert_int_equal(tally_read(&closed), 0);
    stage_close(runtime);
    assert_int_equal(tally_read(&closed), WORKERS);
    assert_int_equal(tally_read(&wrong), 0);
}

static void
one_for_which_nobody_asks_is_not_there(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(WORKERS);
    uses_each = actors_in_all = 1;
    on_worker(runtime, 1, use_cache);
    stage_close(runtime);
    assert_int_equal(tally_read(&opened), 1);
    assert_int_equal(tally_read(&closed), 1);
    assert_int_equal(tally_read(&wrong), 0);
}

/* Opening that fails. */

static tr_status refusal;

static tr_status
refuse_to_open(void *state, tr_actor *self)
{
    (void)state, (void)self;
    tally_add(&opened, 1);
    return refusal;
}

static void
count_closed(void *state)
{
    (void)state;
    tally_add(&closed, 1);
}

static const struct tr_local_kind moody = {.name = "moody", .open = refuse_to_open, .close = count_closed};

static void
open_in_vain_and_again(tr_actor *self)
{
    void *unchanged = self, *state = unchanged;
    refusal = TR_EACCES;
    assert_int_equal(tr_local_open(self, &moody, &state), TR_EACCES);
    assert_ptr_equal(state, unchanged);
    refusal = TR_EUSER;
    assert_null(tr_local(self, &moody));
    refusal = TR_OK;
    assert_int_equal(tr_local_open(self, &moody, &state), TR_OK);
    assert_ptr_not_equal(state, unchanged);
    assert_ptr_equal(tr_local(self, &moody), state);
}

static void
what_fails_to_open_may_be_tried_again(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    on_worker(runtime, 0, open_in_vain_and_again);
    stage_close(runtime);
    assert_int_equal(tally_read(&opened), 3);
    assert_int_equal(tally_read(&closed), 1);
}

static void
open_without_memory(tr_actor *self)
{
    void *state;
    refusal = TR_OK;
    for (unsigned nth = 1; nth <= 2; nth++) { /* the table, and the state */
        fault_spare_me(false);
        fault_plan(FAULT_MEMORY, nth, 1, ENOMEM);
        tr_status status = tr_local_open(self, &moody, &state);
        fault_clear();
        fault_spare_me(true);
        assert_int_equal(status, TR_ENOMEM);
    }
    assert_int_equal(tally_read(&opened), 0);
    assert_int_equal(tr_local_open(self, &moody, &state), TR_OK);
}

static void
without_memory_nothing_is_opened(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    on_worker(runtime, 0, open_without_memory);
    stage_close(runtime);
    assert_int_equal(tally_read(&opened), 1);
    assert_int_equal(tally_read(&closed), 1);
}

/* Kinds that ask for others. */

#define DEPTH 40u

struct link {
    unsigned place;
    const struct link *next; /* for which its open has asked */
};

static struct tr_local_kind chain[DEPTH];
static unsigned links_open, links_closed;

static void
expect_busy(tr_actor *self)
{
    void *state;
    for (unsigned i = 0; i < DEPTH; i++)
        assert_int_equal(tr_local_open(self, &chain[i], &state), TR_EBUSY);
}

static tr_status
link_open(void *state, tr_actor *self)
{
    struct link *link = state;
    link->place = links_open++;
    if (link->place + 1 == DEPTH) {
        expect_busy(self);
        return TR_OK;
    }
    link->next = tr_local(self, &chain[link->place + 1]);
    assert_non_null(link->next);
    return TR_OK;
}

static void
link_close(void *state)
{
    const struct link *link = state;
    tally_add(&wrong, link->place != links_closed++);
    tally_add(&wrong, link->next != NULL && link->next->place != link->place + 1);
}

static void
open_chain(tr_actor *self)
{
    const struct link *link = tr_local(self, &chain[0]);
    assert_non_null(link);
    for (unsigned i = 0; i < DEPTH; i++, link = link->next)
        assert_ptr_equal(tr_local(self, &chain[i]), link);
    assert_null(link);
}

static void
make_chain(void)
{
    links_open = links_closed = 0;
    for (unsigned i = 0; i < DEPTH; i++)
        chain[i] =
            (struct tr_local_kind){.name = "link", .size = sizeof(struct link), .open = link_open, .close = link_close};
}

static void
kinds_that_ask_for_others_are_closed_before_them_and_none_asks_for_itself(void **state)
{
    (void)state;
    make_chain();
    tr_runtime *runtime = stage_open(1);
    on_worker(runtime, 0, open_chain);
    stage_close(runtime);
    assert_int_equal(links_open, DEPTH);
    assert_int_equal(links_closed, DEPTH);
    assert_int_equal(tally_read(&wrong), 0);
}

/* Many. */

#define MANY 1000u

static struct tr_local_kind many[MANY];

static void
open_many(tr_actor *self)
{
    static void *states[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        states[i] = tr_local(self, &many[i]);
        assert_non_null(states[i]);
        memcpy(states[i], &i, sizeof(i));
    }
    for (unsigned i = 0; i < MANY; i++) {
        assert_ptr_equal(tr_local(self, &many[i]), states[i]);
        assert_memory_equal(states[i], &i, sizeof(i));
    }
}

static void
a_worker_may_have_any_number_of_kinds(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        many[i] = (struct tr_local_kind){.name = "one of many", .size = sizeof(i), .close = count_closed};
    tr_runtime *runtime = stage_open(1);
    on_worker(runtime, 0, open_many);
    stage_close(runtime);
    assert_int_equal(tally_read(&closed), MANY);
}

/* Handles of libuv's. */

static void
never(uv_timer_t *timer)
{
    (void)timer;
    tally_add(&wrong, 1);
}

static tr_status
timer_open(void *state, tr_actor *self)
{
    uv_timer_t *timer = state;
    assert_int_equal(uv_timer_init(tr_actor_loop(self), timer), 0);
    return uv_timer_start(timer, never, 1000000, 0) == 0 ? TR_OK : TR_ENOMEM;
}

static void
timer_close(void *state)
{
    tally_add(&wrong, !uv_is_closing(state));
    tally_add(&closed, 1);
}

static const struct tr_local_kind timer_kind = {
    .name = "timer", .size = sizeof(uv_timer_t), .open = timer_open, .close = timer_close};

static void
use_timer(tr_actor *self)
{
    assert_non_null(tr_local(self, &timer_kind));
}

static void
handles_on_the_loop_are_closed_before_the_state(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    on_worker(runtime, 1, use_timer);
    stage_close(runtime);
    assert_int_equal(tally_read(&closed), 1);
    assert_int_equal(tally_read(&wrong), 0);
}

/* An actor that was killed while its state was in use, such as by a handle that closes. */

static tr_actor *lingering;

static void
look_again(uv_handle_t *handle)
{
    (void)handle;
    struct cache *cache = tr_local(lingering, &cache_kind);
    tally_add(&wrong, cache == NULL || tally_read(&closed) != 0);
    if (cache != NULL)
        cache->used++;
    tr_exit(lingering);
}

static tr_status
open_handle(tr_actor *self, void *state, const void *argument)
{
    (void)argument;
    assert_non_null(tr_local(self, &cache_kind));
    return uv_timer_init(tr_actor_loop(self), state) == 0 ? TR_OK : TR_ENOMEM;
}

static bool
close_handle(tr_actor *self, void *state, enum tr_stop_mode how)
{
    lingering = self;
    if (how == TR_STOP_KILL)
        uv_close(state, look_again);
    return false;
}

static void
what_lingers_finds_it_still_open(void **state)
{
    static const struct tr_behavior stubborn = {.name = "stubborn",
                                                .state_size = sizeof(uv_timer_t),
                                                .init = open_handle,
                                                .receive = act_receive,
                                                .stopping = close_handle};
    (void)state;
    uses_each = 1;
    actors_in_all = 0; /* none was asked */
    tr_runtime *runtime = stage_open(1);
    stage_spawn(runtime, &stubborn, 0, NULL);
    assert_int_equal(tr_runtime_stop(runtime, 0, NULL), TR_ETIMEDOUT_STOP);
    assert_int_equal(tally_read(&closed), 1);
    assert_int_equal(tally_read(&wrong), 0);
}

/* The watchdog. */

static tr_runtime *watched;

static bool
is_reported(void *ignored)
{
    struct tr_counters counters;
    (void)ignored;
    tr_runtime_counters(watched, &counters);
    return counters.stalls > 0;
}

static void
close_until_reported(void *state)
{
    (void)state;
    tally_add(&wrong, !tests_wait_until(is_reported, NULL, TESTS_LIMIT_MS));
    tally_add(&closed, 1);
}

static const struct tr_local_kind slow_kind = {.name = "slow to close", .close = close_until_reported};

static void
use_slow(tr_actor *self)
{
    assert_non_null(tr_local(self, &slow_kind));
}

static void
the_watchdog_reports_a_kind_that_takes_long_to_close(void **state)
{
    struct tr_runtime_options options = {.workers = 1, .pinning = TR_PINNING_NEVER, .watchdog_ms = 20};
    (void)state;
    assert_int_equal(tr_runtime_start(&options, &watched), TR_OK);
    on_worker(watched, 0, use_slow);
    stage_close(watched);
    assert_int_equal(tally_read(&closed), 1);
    assert_int_equal(tally_read(&wrong), 0);
}

static void
ask_for_missing_things(tr_actor *self)
{
    static const struct tr_local_kind nameless = {.size = 1}, unnamed = {.name = ""}, bare = {.name = "bare"};
    static const struct tr_local_kind huge = {.name = "huge", .size = ((size_t)1 << 30) + 1};
    void *state;
    assert_int_equal(tr_local_open(NULL, &bare, &state), TR_EINVAL);
    assert_int_equal(tr_local_open(self, NULL, &state), TR_EINVAL);
    assert_int_equal(tr_local_open(self, &bare, NULL), TR_EINVAL);
    assert_int_equal(tr_local_open(self, &nameless, &state), TR_ENONAME);
    assert_int_equal(tr_local_open(self, &unnamed, &state), TR_ENONAME);
    assert_int_equal(tr_local_open(self, &huge, &state), TR_EBADSTATE);
    assert_null(tr_local(NULL, &bare));
    assert_null(tr_local(self, NULL));
    assert_null(tr_local(self, &huge));
    assert_non_null(tr_local(self, &bare)); /* of no bytes, and without functions */
}

static void
wrong_arguments_are_refused_by_name(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    on_worker(runtime, 0, ask_for_missing_things);
    stage_close(runtime);
}

static int
reset(void **state)
{
    (void)state;
    fault_spare_me(true);
    acted = opened = closed = stopped = wrong = (struct tally){0};
    return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_worker_has_one_that_its_actors_share_and_closes_it_on_its_thread_when_all_have_ended),
        TEST(one_for_which_nobody_asks_is_not_there),
        TEST(what_fails_to_open_may_be_tried_again),
        TEST(without_memory_nothing_is_opened),
        TEST(kinds_that_ask_for_others_are_closed_before_them_and_none_asks_for_itself),
        TEST(a_worker_may_have_any_number_of_kinds),
        TEST(handles_on_the_loop_are_closed_before_the_state),
        TEST(what_lingers_finds_it_still_open),
        TEST(the_watchdog_reports_a_kind_that_takes_long_to_close),
        TEST(wrong_arguments_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
