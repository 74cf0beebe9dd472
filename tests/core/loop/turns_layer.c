#include "turns_layer.h"

#include "doorbell.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/core/worker.h>

struct layer_play layer_play;

struct tally delivered, drained, closed, wrong;
uint64_t kills[TR_WORKERS_MAX];

static tr_status
layer_open(struct tri_worker *worker)
{
    return layer_play.open != NULL ? layer_play.open(worker) : TR_OK;
}

static bool
layer_deliver(struct tri_worker *worker, tr_ref to, tr_message *message)
{
    (void)to;
    if (layer_play.deliver != NULL)
        layer_play.deliver(worker, message);
    tally_add(&delivered, 1);
    return true;
}

static void
layer_bury(struct tri_worker *worker, tr_ref to, tr_message *message)
{
    (void)worker;
    (void)to;
    (void)message;
}

static bool
layer_run(struct tri_worker *worker)
{
    if (ck_pr_load_uint(&worker->bell) != TRI_AWAKE) /* it is: whatever has woken it */
        tally_add(&wrong, 1);
    return layer_play.run != NULL && layer_play.run(worker);
}

static bool
layer_ready(struct tri_worker *worker)
{
    (void)worker;
    return false;
}

static void
layer_drain(struct tri_worker *worker)
{
    tally_add(&drained, 1);
    if (layer_play.drain != NULL)
        layer_play.drain(worker);
    else
        tri_worker_quiet(worker);
}

static uint64_t
layer_kill(struct tri_worker *worker)
{
    return kills[worker->index];
}

static void
layer_leave(struct tri_worker *worker)
{
    if (layer_play.leave != NULL)
        layer_play.leave(worker);
}

static void
layer_close(struct tri_worker *worker)
{
    if (layer_play.close != NULL)
        layer_play.close(worker);
    tally_add(&closed, 1);
}

const struct tri_layer layer = {
    .open = layer_open,
    .deliver = layer_deliver,
    .bury = layer_bury,
    .run = layer_run,
    .ready = layer_ready,
    .drain = layer_drain,
    .kill = layer_kill,
    .leave = layer_leave,
    .close = layer_close,
};

int
layer_reset(void **state)
{
    (void)state;
    memset(&layer_play, 0, sizeof(layer_play));
    memset(kills, 0, sizeof(kills));
    delivered = drained = closed = wrong = (struct tally){0};
    return 0;
}

struct tri_runtime *
start_workers(unsigned workers)
{
    struct tri_runtime *runtime = NULL;
    struct tr_runtime_options options = {
        .workers = workers, .pinning = TR_PINNING_NEVER, .spin_us = -1, .watchdog_ms = -1};
    assert_int_equal(tri_runtime_start(&options, &layer, NULL, &runtime), TR_OK);
    return runtime;
}

void
end_workers(struct tri_runtime *runtime)
{
    unsigned count = runtime->count;
    tri_runtime_end(runtime, TESTS_LIMIT_MS);
    tri_runtime_free(runtime);
    assert_int_equal(tally_read(&closed), count);
    assert_int_equal(tally_read(&wrong), 0);
}

void
post(struct tri_worker *worker, uint32_t tag, bool urgent)
{
    tr_message message = tr_message_signal(tag);
    if (tri_worker_post(worker, 1, &message, urgent) != TR_OK)
        tally_add(&wrong, 1);
}
