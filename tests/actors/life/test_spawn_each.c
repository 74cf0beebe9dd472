#include "fault.h"
#include "stage.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WORKERS 3u

static struct tally born, ended;

/* Fails on the worker whose number is the argument. */
static tr_status
each_init(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    if (tr_ref_worker(tr_self(self)) == *(const unsigned *)argument)
        return TR_EACCES;
    tally_add(&born, 1);
    return TR_OK;
}

static void
each_stopped(tr_actor *self, void *state)
{
    (void)self, (void)state;
    tally_add(&ended, 1);
}

static const struct tr_behavior each = {.name = "each", .init = each_init, .receive = ignore, .stopped = each_stopped};

static void
every_worker_gets_one_whose_name_stands_in_its_place(void **state)
{
    (void)state;
    unsigned nowhere = WORKERS;
    tr_ref refs[WORKERS];
    struct tr_spawn_options options = {.argument = &nowhere, .argument_size = sizeof(nowhere)};
    tr_runtime *runtime = stage_open(WORKERS);
    assert_int_equal(tr_runtime_spawn_each(runtime, &each, &options, refs), TR_OK);
    assert_int_equal(tally_read(&born), WORKERS);
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(tr_ref_worker(refs[i]), i);
    assert_int_equal(tally_read(&ended), 0);
    stage_close(runtime);
    assert_int_equal(tally_read(&ended), WORKERS);
}

static void
if_one_is_not_born_those_before_it_are_stopped_again(void **state)
{
    (void)state;
    for (unsigned fails = 0; fails < WORKERS; fails++) {
        tr_ref refs[WORKERS] = {TR_NOBODY};
        struct tr_spawn_options options = {.argument = &fails, .argument_size = sizeof(fails)};
        born = ended = (struct tally){0};
        tr_runtime *runtime = stage_open(WORKERS);
        assert_int_equal(tr_runtime_spawn_each(runtime, &each, &options, refs), TR_EACCES);
        assert_int_equal(tally_read(&born), fails);
        tally_await(&ended, fails); /* while the runtime runs on */
        for (unsigned i = 0; i < WORKERS; i++)
            assert_int_equal(refs[i], TR_NOBODY);
        struct tr_counters counters;
        do
            tr_runtime_counters(runtime, &counters);
        while (counters.actors > 0);
        stage_close(runtime);
    }
}

/* On worker 1: there is no memory for some of the spawner's next calls. */
static tr_status
take_memory_away(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    fault_spare_me(true); /* this worker; the calls that fail are those of the thread that spawns */
    if (tr_ref_worker(tr_self(self)) == 0)
        return TR_OK;
    fault_plan(FAULT_MEMORY, 1, 5, ENOMEM);
    return TR_EACCES;
}

static void
those_that_are_to_be_stopped_are_stopped_as_soon_as_there_is_memory(void **state)
{
    static const struct tr_behavior greedy = {
        .name = "greedy", .init = take_memory_away, .receive = ignore, .stopped = each_stopped};
    (void)state;
    tr_ref refs[WORKERS];
    tr_runtime *runtime = stage_open(WORKERS);
    fault_spare_me(false);
    tr_status status = tr_runtime_spawn_each(runtime, &greedy, NULL, refs);
    fault_spare_me(true);
    assert_int_equal(status, TR_EACCES);
    assert_int_equal(fault_met(FAULT_MEMORY), 5);
    fault_clear();
    tally_await(&ended, 1);
    stage_close(runtime);
}

static tr_runtime *running;
static struct tally refused;

static void
try_on_a_worker(tr_actor *self, void *state, tr_message *message)
{
    tr_ref refs[WORKERS];
    (void)self, (void)state, (void)message;
    assert_int_equal(tr_runtime_spawn_each(running, &each, NULL, refs), TR_EWRONGTHREAD);
    tally_add(&refused, 1);
}

static void
wrong_arguments_are_refused_by_name(void **state)
{
    (void)state;
    static const struct tr_behavior worker = {.name = "worker", .receive = try_on_a_worker};
    static const struct tr_behavior nameless = {.receive = ignore};
    tr_ref refs[WORKERS];
    struct tr_spawn_options elsewhere = {.placement = TR_PLACE_WORKER, .worker = 1};
    running = stage_open(WORKERS);
    assert_int_equal(tr_runtime_spawn_each(NULL, &each, NULL, refs), TR_EINVAL);
    assert_int_equal(tr_runtime_spawn_each(running, NULL, NULL, refs), TR_EINVAL);
    assert_int_equal(tr_runtime_spawn_each(running, &each, NULL, NULL), TR_EINVAL);
    assert_int_equal(tr_runtime_spawn_each(running, &each, &elsewhere, refs), TR_EINVAL);
    assert_int_equal(tr_runtime_spawn_each(running, &nameless, NULL, refs), TR_ENONAME);
    stage_send(running, stage_spawn(running, &worker, 0, NULL), 1, NULL, 0);
    tally_await(&refused, 1);
    stage_close(running);
    assert_int_equal(tally_read(&born), 0);
}

static int
reset(void **state)
{
    (void)state;
    born = ended = refused = (struct tally){0};
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_worker_gets_one_whose_name_stands_in_its_place, reset),
        cmocka_unit_test_setup(if_one_is_not_born_those_before_it_are_stopped_again, reset),
        cmocka_unit_test_setup(those_that_are_to_be_stopped_are_stopped_as_soon_as_there_is_memory, reset),
        cmocka_unit_test_setup(wrong_arguments_are_refused_by_name, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
