#include "gate.h"

#include <troupe/core/clock.h>
#include <troupe/core/status_from.h>

tr_status
tri_gate_open(struct tri_runtime *runtime)
{
    int err = uv_mutex_init(&runtime->lock);
    if (err != 0)
        return tri_status_from_uv(err);
    err = uv_cond_init(&runtime->changed);
    if (err != 0)
        uv_mutex_destroy(&runtime->lock);
    return tri_status_from_uv(err);
}

void
tri_gate_close(struct tri_runtime *runtime)
{
    uv_cond_destroy(&runtime->changed);
    uv_mutex_destroy(&runtime->lock);
}

void
tri_gate_begin_look(struct tri_runtime *runtime)
{
    uv_mutex_lock(&runtime->lock);
    runtime->looked = 0;
    uv_mutex_unlock(&runtime->lock);
}

void
tri_gate_looked(struct tri_runtime *runtime)
{
    uv_mutex_lock(&runtime->lock);
    if (++runtime->looked == runtime->count)
        uv_cond_broadcast(&runtime->changed);
    uv_mutex_unlock(&runtime->lock);
}

void
tri_gate_await_looks(struct tri_runtime *runtime)
{
    uv_mutex_lock(&runtime->lock);
    while (runtime->looked < runtime->count)
        uv_cond_wait(&runtime->changed, &runtime->lock);
    uv_mutex_unlock(&runtime->lock);
}

void
tri_gate_quiet(struct tri_runtime *runtime)
{
    uv_mutex_lock(&runtime->lock);
    if (++runtime->quiet == runtime->count)
        uv_cond_signal(&runtime->changed); /* nobody but the thread that ends them waits yet */
    uv_mutex_unlock(&runtime->lock);
}

void
tri_gate_await_quiet(struct tri_runtime *runtime, uint64_t deadline_ms)
{
    uint64_t end = tri_clock_now_ns() + deadline_ms * 1000000u, now;
    uv_mutex_lock(&runtime->lock);
    while (runtime->quiet < runtime->count && (now = tri_clock_now_ns()) < end)
        uv_cond_timedwait(&runtime->changed, &runtime->lock, end - now);
    uv_mutex_unlock(&runtime->lock);
}

void
tri_gate_add_killed(struct tri_runtime *runtime, uint64_t killed)
{
    uv_mutex_lock(&runtime->lock);
    runtime->killed += killed;
    uv_mutex_unlock(&runtime->lock);
}

/* Only the last one wakes the others: each would wake all that wait. */
void
tri_gate_arrive(struct tri_runtime *runtime)
{
    uv_mutex_lock(&runtime->lock);
    if (++runtime->at_gate > runtime->count)
        uv_cond_broadcast(&runtime->changed);
    uv_mutex_unlock(&runtime->lock);
}

void
tri_gate_miss(struct tri_runtime *runtime, unsigned workers)
{
    uv_mutex_lock(&runtime->lock);
    runtime->at_gate += workers;
    uv_mutex_unlock(&runtime->lock);
}

void
tri_gate_pass(struct tri_runtime *runtime)
{
    tri_gate_arrive(runtime);
    uv_mutex_lock(&runtime->lock);
    while (runtime->at_gate <= runtime->count)
        uv_cond_wait(&runtime->changed, &runtime->lock);
    uv_mutex_unlock(&runtime->lock);
}
