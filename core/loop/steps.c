/*
 * The parts of a worker's turn, one at a time: steps.h.
 *
 * A stepped worker's own handles never fire, so they do not keep its loop alive: what does is the program's.
 */
#include <troupe/core/steps.h>

#include "mail.h"
#include "stepping.h"
#include "worker_internal.h"

#include <troupe/core/ceiling.h>
#include <troupe/core/clock.h>
#include <troupe/core/delay.h>
#include <troupe/core/mistake.h>

void
tri_step_begin(struct tri_worker *worker)
{
    tri_worker_set_current(worker);
}

void
tri_step_end(struct tri_worker *worker)
{
    if (worker->limited && tri_runtime_phase(worker->runtime) < TRI_KILLING)
        tri_ceiling_settle(worker);
    tri_worker_set_current(NULL);
}

bool
tri_step_way_waits(struct tri_worker *worker, unsigned way)
{
    return tri_mail_way_waits(worker, way);
}

void
tri_step_take(struct tri_worker *worker, unsigned way, unsigned most)
{
    tri_mail_take_way(worker, way, most);
}

bool
tri_step_outbox_waits(const struct tri_worker *worker, unsigned target)
{
    return tri_mail_is_staged(worker, target);
}

void
tri_step_send(struct tri_worker *worker, unsigned target)
{
    tri_mail_send_to(worker, target);
}

bool
tri_step_must_drain(const struct tri_worker *worker)
{
    return !worker->drained && tri_runtime_phase(worker->runtime) == TRI_DRAINING;
}

void
tri_step_drain(struct tri_worker *worker)
{
    worker->drained = true;
    worker->layer->drain(worker);
}

bool
tri_step_loop_lives(const struct tri_worker *worker)
{
    return uv_loop_alive(&worker->loop) != 0;
}

void
tri_step_poll(struct tri_worker *worker)
{
    uv_run(&worker->loop, UV_RUN_NOWAIT);
}

void
tri_steps_await(struct tri_stepper *stepper, uv_sem_t *done)
{
    if (stepper == NULL) {
        uv_sem_wait(done);
        return;
    }
    while (uv_sem_trywait(done) != 0)
        if (!stepper->step(stepper, TRI_CLOCK_NEVER))
            tri_mistake("a call waits for an answer of the workers, and nothing is left to do that could give it");
}

/* For the runtime: stepping.h. */

void
tri_stepping_begin(struct tri_worker *worker)
{
    uv_prepare_stop(&worker->before_poll);
    uv_unref((uv_handle_t *)&worker->wakeup);
    tri_trace_worker_start(worker->trace, UINT32_MAX);
}

void
tri_stepping_await_quiet(struct tri_runtime *runtime, uint64_t until_ms)
{
    while (runtime->quiet < runtime->count && tri_clock_ms() < until_ms &&
           runtime->stepper->step(runtime->stepper, until_ms)) {
    }
}

void
tri_stepping_look(struct tri_runtime *runtime)
{
    for (unsigned i = 0; i < runtime->count; i++) {
        tri_step_begin(runtime->workers[i]);
        tri_step_poll(runtime->workers[i]);
        tri_step_end(runtime->workers[i]);
    }
}

void
tri_stepping_end(struct tri_runtime *runtime)
{
    for (unsigned i = 0; i < runtime->count; i++) {
        tri_step_begin(runtime->workers[i]);
        tri_worker_kill(runtime->workers[i]);
        tri_step_end(runtime->workers[i]);
    }
    for (unsigned i = 0; i < runtime->count; i++) {
        tri_step_begin(runtime->workers[i]);
        tri_worker_finish(runtime->workers[i]);
    }
}
