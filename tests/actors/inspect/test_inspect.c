/*
 * What a running program is told about its actors and workers.
 */
#include "helpers.h"
#include "inquiry.h"
#include "puppet.h"
#include "sight.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/ask.h>
#include <troupe/actors/inspect.h>

enum { GO = 1, HOLD = 7 };

static tr_runtime *runtime;
static struct tally done, holding, released;

static int
open_runtime(void **state)
{
    (void)state;
    done = holding = released = (struct tally){0};
    runtime = stage_open(2);
    return 0;
}

static int
close_runtime(void **state)
{
    (void)state;
    stage_close(runtime);
    return 0;
}

/* Seeing. */

static const struct sight *
look(tr_status expected)
{
    return sight_look(runtime, expected);
}

struct workers {
    unsigned count, limit;
    struct tr_worker_info infos[8];
};

static bool
see_worker(void *context, const struct tr_worker_info *info)
{
    struct workers *workers = context;
    workers->infos[workers->count++] = *info;
    return workers->count != workers->limit;
}

static struct workers
look_at_workers(void)
{
    struct workers workers = {0};
    assert_int_equal(tr_inspect_workers(runtime, see_worker, &workers), TR_OK);
    assert_int_equal(workers.count, 2);
    return workers;
}

/* Actors. */

static void
count_done(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    tally_add(&done, 1);
}

static const struct tr_behavior child = {.name = "child", .receive = count_done};

static void
bear(tr_actor *self, void *state, tr_message *message)
{
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = 1};
    (void)message;
    if (tr_spawn(self, &child, &options, state) == TR_OK)
        tr_tell(self, *(tr_ref *)state, GO, NULL, 0);
}

static const struct tr_behavior mother = {.name = "mother", .state_size = sizeof(tr_ref), .receive = bear};

static void
an_actor_is_told_with_its_class_parent_and_messages(void **state)
{
    (void)state;
    tr_ref parent = stage_spawn(runtime, &mother, 0, NULL);
    stage_send(runtime, parent, GO, NULL, 0);
    tally_await(&done, 1);

    const struct sight *seen = look(TR_OK);
    assert_int_equal(seen->count, 2);
    const struct tr_actor_info *first = sight_find(seen, parent);
    assert_non_null(first);
    const struct tr_actor_info *second = &seen->actors[first == &seen->actors[0] ? 1 : 0];
    assert_string_equal(first->name, "mother");
    assert_true(first->parent == TR_NOBODY);
    assert_string_equal(second->name, "child");
    assert_true(second->parent == parent);
    assert_int_equal(tr_ref_worker(second->ref), 1);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(seen->actors[i].handled == 1);
        assert_int_equal(seen->actors[i].waiting, 0);
        assert_int_equal(seen->actors[i].state & ~(unsigned)TR_ACTOR_SLOW, 0);
        assert_true(seen->actors[i].waits_for == TR_NOBODY);
        assert_true(seen->actors[i].age_ms < TESTS_LIMIT_MS);
    }
}

/* Its questions are kept, and never answered. */
static void
keep_question(tr_actor *self, void *state, tr_message *message)
{
    (void)message;
    tr_question_keep(self, state);
    tally_add(&done, 1);
}

struct wish {
    tr_ref to;
    tr_ask_id id;
};

static void
ask_somebody(tr_actor *self, void *argument)
{
    struct wish *wish = argument;
    struct tr_ask_options options = {.timeout_ms = TESTS_LIMIT_MS, .id = &wish->id};
    tr_message question = tr_message_signal(GO);
    assert_int_equal(tr_ask(self, wish->to, &question, &options), TR_OK);
}

static void
give_up(tr_actor *self, void *argument)
{
    struct wish *wish = argument;
    assert_int_equal(tr_ask_cancel(self, wish->id), TR_OK);
}

static void
whom_an_actor_waits_for_is_told_while_it_does(void **state)
{
    static const struct tr_behavior keeper = {
        .name = "keeper", .state_size = sizeof(tr_question), .receive = keep_question};
    struct wish wish = {.to = stage_spawn(runtime, &keeper, 0, NULL)};
    (void)state;
    tr_ref asker = puppet_spawn(runtime, 1);
    assert_true(sight_find(look(TR_OK), asker)->waits_for == TR_NOBODY);
    puppet_do(runtime, asker, ask_somebody, &wish);
    tally_await(&done, 1);
    assert_true(sight_find(look(TR_OK), asker)->waits_for == wish.to);
    assert_true(sight_find(look(TR_OK), wish.to)->waits_for == TR_NOBODY);
    puppet_do(runtime, asker, give_up, &wish);
    assert_true(sight_find(look(TR_OK), asker)->waits_for == TR_NOBODY);
}

/* A message that sends itself again: so many always wait, whenever one looks. */
static void
pass_on(tr_actor *self, void *state, tr_message *message)
{
    bool *ends = state;
    if (message->tag == HOLD)
        *ends = true;
    else if (!*ends)
        tr_send(self, tr_self(self), message);
}

static void
what_waits_in_mailboxes_is_counted(void **state)
{
    static const struct tr_behavior passer = {.name = "passer", .state_size = sizeof(bool), .receive = pass_on};
    enum { WAITING = 3000 };
    (void)state;
    tr_ref ref = stage_spawn(runtime, &passer, 1, NULL);
    for (unsigned i = 0; i < WAITING; i++)
        stage_send(runtime, ref, GO, NULL, 0);
    for (unsigned i = 0; i < 20; i++) {
        const struct tr_actor_info *info = sight_find(look(TR_OK), ref);
        assert_non_null(info);
        if (i > 0) /* the first order comes after them, and all have arrived */
            assert_int_equal(info->waiting, WAITING);
        struct workers workers = look_at_workers();
        assert_true(workers.infos[0].waiting == 0);
        assert_true(workers.infos[1].waiting == WAITING);
    }
    stage_send(runtime, ref, HOLD, NULL, 0);
}

static void
a_visit_that_returns_false_is_the_last(void **state)
{
    static struct sight seen;
    struct workers workers = {.limit = 1};
    (void)state;
    for (unsigned i = 0; i < 10; i++)
        stage_spawn(runtime, &child, i % 2, NULL);
    seen.count = 0;
    seen.limit = 3;
    assert_int_equal(tr_inspect_actors(runtime, sight_see, &seen), TR_OK);
    assert_int_equal(seen.count, 3);
    assert_int_equal(tr_inspect_workers(runtime, see_worker, &workers), TR_OK);
    assert_int_equal(workers.count, 1);
}

/* More than a portion, and not only in the first slots. */
static void
all_actors_are_visited_however_many(void **state)
{
    enum { MANY = 2500 };
    static tr_ref refs[MANY];
    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        refs[i] = stage_spawn(runtime, &child, 0, NULL);
    const struct sight *seen = look(TR_OK);
    assert_int_equal(seen->count, MANY);
    for (unsigned i = 0; i < MANY; i += 100)
        assert_non_null(sight_find(seen, refs[i]));
}

static void
the_counters_of_workers_are_those_of_the_runtime(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++)
        stage_send(runtime, stage_spawn(runtime, &child, i % 2, NULL), GO, NULL, 0);
    tally_await(&done, 100);
    struct tr_counters sums;
    tr_runtime_counters(runtime, &sums);
    struct workers workers = look_at_workers();
    const struct tr_worker_info *a = &workers.infos[0], *b = &workers.infos[1];
    assert_int_equal(a->worker, 0);
    assert_int_equal(b->worker, 1);
    assert_true(a->actors == 50 && b->actors == 50);
    assert_true(a->spawned + b->spawned == sums.spawned);
    assert_true(a->sent + b->sent == sums.sent);
    assert_true(a->outside + b->outside == sums.outside);
    assert_true(a->received == 50 && b->received == 50);
    assert_true(a->dead_letters + b->dead_letters == sums.dead_letters);
    assert_false(a->stuck || b->stuck);
    assert_true(a->age_ms < TESTS_LIMIT_MS);
}

static void
hold(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    tests_hold(20);
    tally_add(&done, 1);
}

static void
busy_time_is_that_of_the_messages(void **state)
{
    static const struct tr_behavior holder = {.name = "holder", .receive = hold};
    uint64_t began_ns = tests_now_ns();
    (void)state;
    tr_ref busy = stage_spawn(runtime, &holder, 0, NULL), idle = stage_spawn(runtime, &holder, 1, NULL);
    for (unsigned i = 0; i < 10; i++)
        stage_send(runtime, busy, GO, NULL, 0);
    tally_await(&done, 10);
    const struct sight *seen = look(TR_OK);
    assert_true(sight_find(seen, busy)->busy_ns >= UINT64_C(198) * 1000000);
    uint64_t passed_ns = tests_now_ns() - began_ns;
    assert_true(sight_find(seen, busy)->busy_ns <= passed_ns + passed_ns / 100);
    assert_true(sight_find(seen, idle)->busy_ns == 0);
    assert_true(sight_find(seen, busy)->age_ms >= 200 - 64);
}

/* Workers that do not answer. */

static void
hold_until_released(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    tally_add(&holding, 1);
    tally_await(&released, 1);
}

static void
a_worker_that_does_not_answer_is_told_with_what_it_runs(void **state)
{
    static const struct tr_behavior holder = {.name = "holder", .receive = hold_until_released};
    (void)state;
    tr_ref stuck = stage_spawn(runtime, &holder, 0, NULL), other = stage_spawn(runtime, &child, 1, NULL);
    stage_send(runtime, stuck, HOLD, NULL, 0);
    tally_await(&holding, 1);

    const struct sight *seen = look(TR_EDEADLINE);
    assert_int_equal(seen->count, 1);
    assert_true(seen->actors[0].ref == other);

    struct workers workers = look_at_workers();
    assert_true(workers.infos[0].stuck);
    assert_string_equal(workers.infos[0].running, "holder");
    assert_true(workers.infos[0].actor == stuck);
    assert_int_equal(workers.infos[0].tag, HOLD);
    assert_true(workers.infos[0].actors == 1);
    assert_false(workers.infos[1].stuck);

    tally_add(&released, 1);
    seen = look(TR_OK);
    assert_int_equal(seen->count, 2);
    workers = look_at_workers();
    assert_false(workers.infos[0].stuck);
}

static void
a_worker_that_owes_an_answer_is_not_asked_again(void **state)
{
    static const struct tr_behavior holder = {.name = "holder", .receive = hold_until_released};
    struct tri_inquiry inquiry;
    struct tri_portion *portion;
    (void)state;
    stage_send(runtime, stage_spawn(runtime, &holder, 0, NULL), HOLD, NULL, 0);
    tally_await(&holding, 1);
    assert_int_equal(tri_inquiry_init(&inquiry, runtime), TR_OK);
    size_t before = tests_allocated();
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(tri_inquiry_ask(&inquiry, 0, TRI_FIRST_SLOT, &portion), TR_EDEADLINE);
    assert_true(tests_allocated() < before + 3 * sizeof(*portion)); /* each order has room for a portion */
    tally_add(&released, 1);
    tr_status status;
    while ((status = tri_inquiry_ask(&inquiry, 0, TRI_FIRST_SLOT, &portion)) == TR_EDEADLINE)
        continue; /* until the answer that it owes has come */
    assert_int_equal(status, TR_OK);
    tri_portion_free(portion);
    tri_inquiry_fini(&inquiry);
}

/* Arguments. */

static tr_status from_worker[2];

static void
inspect_itself(tr_actor *self, void *state, tr_message *message)
{
    static struct sight seen;
    struct workers workers = {0};
    (void)state;
    (void)message;
    from_worker[0] = tr_inspect_actors(tr_actor_runtime(self), sight_see, &seen);
    from_worker[1] = tr_inspect_workers(tr_actor_runtime(self), see_worker, &workers);
    tally_add(&done, 1);
}

static void
each_wrong_call_has_its_status(void **state)
{
    static const struct tr_behavior curious = {.name = "curious", .receive = inspect_itself};
    (void)state;
    assert_int_equal(tr_inspect_actors(NULL, sight_see, NULL), TR_EINVAL);
    assert_int_equal(tr_inspect_actors(runtime, NULL, NULL), TR_EINVAL);
    assert_int_equal(tr_inspect_workers(NULL, see_worker, NULL), TR_EINVAL);
    assert_int_equal(tr_inspect_workers(runtime, NULL, NULL), TR_EINVAL);
    stage_send(runtime, stage_spawn(runtime, &curious, 0, NULL), GO, NULL, 0);
    tally_await(&done, 1);
    assert_int_equal(from_worker[0], TR_EWRONGTHREAD);
    assert_int_equal(from_worker[1], TR_EWRONGTHREAD);
}

int
main(void)
{
#define WITH_RUNTIME(test) cmocka_unit_test_setup_teardown(test, open_runtime, close_runtime)
    const struct CMUnitTest tests[] = {
        WITH_RUNTIME(an_actor_is_told_with_its_class_parent_and_messages),
        WITH_RUNTIME(whom_an_actor_waits_for_is_told_while_it_does),
        WITH_RUNTIME(what_waits_in_mailboxes_is_counted),
        WITH_RUNTIME(a_visit_that_returns_false_is_the_last),
        WITH_RUNTIME(all_actors_are_visited_however_many),
        WITH_RUNTIME(the_counters_of_workers_are_those_of_the_runtime),
        WITH_RUNTIME(busy_time_is_that_of_the_messages),
        WITH_RUNTIME(a_worker_that_does_not_answer_is_told_with_what_it_runs),
        WITH_RUNTIME(a_worker_that_owes_an_answer_is_not_asked_again),
        WITH_RUNTIME(each_wrong_call_has_its_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
