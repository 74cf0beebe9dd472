#include "stage.h"

#include "helpers.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

tr_runtime *
stage_open(unsigned workers)
{
    tr_runtime *runtime = NULL;
    struct tr_runtime_options options = {.workers = workers, .pinning = TR_PINNING_NEVER};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    return runtime;
}

void
stage_close(tr_runtime *runtime)
{
    struct tr_stop_report report;
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, &report), TR_OK);
    assert_int_equal(report.killed, 0);
}

tr_ref
stage_spawn(tr_runtime *runtime, const struct tr_behavior *behavior, unsigned worker, const void *argument)
{
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = worker, .argument = argument};
    tr_ref ref = TR_NOBODY;
    assert_int_equal(tr_runtime_spawn(runtime, behavior, &options, &ref), TR_OK);
    assert_int_equal(tr_ref_worker(ref), worker);
    return ref;
}

void
stage_send(tr_runtime *runtime, tr_ref to, uint32_t tag, const void *data, size_t size)
{
    tr_message message = tr_message_copy(tag, data, size);
    assert_int_equal(tr_runtime_send(runtime, to, &message), TR_OK);
}

void
ignore(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
}

tr_status
fail_to_begin(tr_actor *self, void *state, const void *argument)
{
    (void)self;
    (void)state;
    (void)argument;
    return TR_EINIT;
}

void
tally_add(struct tally *tally, uint64_t n)
{
    __atomic_fetch_add(&tally->count, n, __ATOMIC_SEQ_CST);
}

uint64_t
tally_read(const struct tally *tally)
{
    return __atomic_load_n(&tally->count, __ATOMIC_SEQ_CST);
}

struct expectation {
    const struct tally *tally;
    uint64_t n;
};

static bool
reached(void *argument)
{
    const struct expectation *expected = argument;
    return tally_read(expected->tally) >= expected->n;
}

void
tally_await(const struct tally *tally, uint64_t n)
{
    struct expectation expected = {tally, n};
    if (!tests_wait_until(reached, &expected, TESTS_LIMIT_MS))
        fail_msg("waited for %llu, got %llu", (unsigned long long)n, (unsigned long long)tally_read(tally));
}
