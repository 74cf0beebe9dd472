/*
 * A simulated runtime: the schedule of its steps, and its time.
 *
 * It is the stepper of a runtime without threads (core's steps.h), and so is freed with that. Time is a number of
 * nanoseconds here, which the library's clocks tell on this thread. It moves when nothing can be done: to the next
 * timer; or because the test says so.
 */
#include "simulation.h"

#include <stdlib.h>
#include <troupe/actors/host.h>
#include <troupe/core/delay.h>
#include <troupe/testing.h>

#define BEGIN_MS 1000000u
#define NS_PER_MS 1000000u

struct tri_simulation {
    struct tri_stepper stepper; /* first */
    struct tri_schedule schedule;
    uint64_t now_ns;
};

/* Time. */

static uint64_t
now_ms(const struct tri_simulation *simulation)
{
    return simulation->now_ns / NS_PER_MS;
}

static void
go_to(struct tri_simulation *simulation, uint64_t ms)
{
    uint64_t ns = ms < UINT64_MAX / NS_PER_MS ? ms * NS_PER_MS : UINT64_MAX - 1;
    if (ns > simulation->now_ns)
        simulation->now_ns = ns;
}

/* The moment that comes ms after this one; the last one if there is none. */
static uint64_t
moment_after(const struct tri_simulation *simulation, uint64_t ms)
{
    uint64_t last_ms = UINT64_MAX / NS_PER_MS - 1, now = now_ms(simulation);
    return ms < last_ms - now ? now + ms : last_ms;
}

/* Steps. */

static bool
step(struct tri_stepper *stepper, uint64_t until_ms)
{
    struct tri_simulation *simulation = (struct tri_simulation *)stepper; /* its first member */
    while (!tri_schedule_step(&simulation->schedule)) {
        uint64_t next_ms = tri_schedule_next_ms(&simulation->schedule);
        if (next_ms > until_ms || next_ms == TRI_CLOCK_NEVER) {
            if (until_ms != TRI_CLOCK_NEVER)
                go_to(simulation, until_ms);
            return false;
        }
        go_to(simulation, next_ms);
    }
    return true;
}

bool
tri_simulation_step(struct tri_simulation *simulation, uint64_t until_ms)
{
    return !tri_on_worker() && step(&simulation->stepper, until_ms);
}

struct tri_simulation *
tri_simulation_of(const tr_runtime *runtime)
{
    struct tri_stepper *stepper = runtime != NULL ? tri_actors_core(runtime)->stepper : NULL;
    return stepper != NULL && stepper->step == step ? (struct tri_simulation *)stepper : NULL;
}

/* Life. */

static void
free_simulation(struct tri_stepper *stepper)
{
    struct tri_simulation *simulation = (struct tri_simulation *)stepper;
    tri_clock_set_virtual(NULL);
    tri_schedule_fini(&simulation->schedule);
    free(simulation);
}

static tr_status
simulation_new(const struct tr_testing_options *options, unsigned workers, struct tri_simulation **out)
{
    struct tri_simulation *simulation = malloc(sizeof(*simulation));
    if (simulation == NULL)
        return TR_ENOMEM;
    *simulation = (struct tri_simulation){.stepper = {.step = step, .free = free_simulation},
                                          .now_ns = (uint64_t)BEGIN_MS * NS_PER_MS};
    tr_status status = tri_schedule_init(&simulation->schedule, options->seed, workers);
    if (status == TR_OK)
        *out = simulation;
    else
        free(simulation);
    return status;
}

static tr_status
check(const struct tr_testing_options *options, tr_runtime *const *out)
{
    if (out == NULL)
        return TR_EINVAL;
    if (tri_on_worker())
        return TR_EWRONGTHREAD;
    if (options->workers > TR_TESTING_WORKERS_MAX)
        return TR_ETOOMANYWORKERS;
    return tri_clock_is_virtual() ? TR_EBUSY : TR_OK;
}

tr_status
tr_testing_start(const struct tr_testing_options *options, tr_runtime **out)
{
    static const struct tr_testing_options defaults;
    if (options == NULL)
        options = &defaults;
    tr_status status = check(options, out);
    if (status != TR_OK)
        return status;
    struct tr_runtime_options runtime = options->runtime;
    runtime.workers = options->workers != 0 ? options->workers : TR_TESTING_WORKERS;
    struct tri_simulation *simulation;
    status = simulation_new(options, runtime.workers, &simulation);
    if (status != TR_OK)
        return status;
    tri_clock_set_virtual(&simulation->now_ns);
    status = tri_actors_start_stepped(&runtime, &simulation->stepper, out);
    if (status == TR_OK)
        simulation->schedule.core = tri_actors_core(*out);
    else
        free_simulation(&simulation->stepper);
    return status;
}

/* For tests. */

bool
tr_testing_step(tr_runtime *runtime)
{
    struct tri_simulation *simulation = tri_simulation_of(runtime);
    return simulation != NULL && tri_simulation_step(simulation, TRI_CLOCK_NEVER);
}

uint64_t
tr_testing_run(tr_runtime *runtime)
{
    struct tri_simulation *simulation = tri_simulation_of(runtime);
    uint64_t steps = 0;
    while (simulation != NULL && tri_simulation_step(simulation, now_ms(simulation)))
        steps++;
    return steps;
}

tr_status
tr_testing_advance(tr_runtime *runtime, uint64_t ms)
{
    struct tri_simulation *simulation = tri_simulation_of(runtime);
    if (simulation == NULL)
        return TR_EINVAL;
    uint64_t until_ms = moment_after(simulation, ms);
    while (tri_simulation_step(simulation, until_ms)) {
    }
    go_to(simulation, until_ms);
    return TR_OK;
}

uint64_t
tr_testing_now(const tr_runtime *runtime)
{
    const struct tri_simulation *simulation = tri_simulation_of(runtime);
    return simulation != NULL ? now_ms(simulation) : 0;
}

uint64_t
tr_testing_hash(const tr_runtime *runtime)
{
    const struct tri_simulation *simulation = tri_simulation_of(runtime);
    return simulation != NULL ? simulation->schedule.hash : 0;
}
