/*
 * Workers without threads: a runtime whose workers are run step by step, on the thread that started it.
 *
 * What a worker does in a turn is here in its parts, none of which waits for anything: whoever drives the runtime, its
 * stepper, chooses which part of which worker comes next, and so in which order things happen. Each worker is a real
 * one, with lanes, inbox, timers and a loop; it has no thread, is not pinned, never sleeps and never rings a bell. Time
 * is the stepper's: it gives the thread a time of its own (clock.h) before the start, and takes it back when it is
 * freed.
 *
 * Calls that wait for a worker from outside step the workers until they have what they wait for: they wait by
 * tri_steps_await().
 *
 * Thread: all functions are for the thread that started the runtime.
 */
#ifndef TROUPE_CORE_STEPS_H
#define TROUPE_CORE_STEPS_H

#include <troupe/core/worker.h>

/* Who chooses the steps. */
struct tri_stepper {
    /*
     * One step of some worker. If none has anything to do, time goes on to the next timer that is due by until_ms (of
     * tri_clock_ms()). false: there is none; it is until_ms now, unless that is TRI_CLOCK_NEVER.
     */
    bool (*step)(struct tri_stepper *stepper, uint64_t until_ms);
    /* The last call: the runtime has been freed. */
    void (*free)(struct tri_stepper *stepper);
};

/* As tri_runtime_start(). Options that are about threads mean nothing; the default is 4 workers. On failure the stepper
 * is the caller's. */
tr_status tri_runtime_start_stepped(const struct tr_runtime_options *options, struct tri_stepper *stepper,
                                    const struct tri_layer *layer, void *host, struct tri_runtime **out);

/* Is the runtime stepped? Thread: any. */
static inline bool
tri_runtime_is_stepped(const struct tri_runtime *runtime)
{
    return runtime->stepper != NULL;
}

/*
 * Waits until another thread, or a step of this one, has posted the semaphore: for calls from outside that a worker
 * answers. stepper is the runtime's, NULL where it is not stepped; it is taken before the worker is asked, since the
 * runtime may be stopped and freed before the caller comes to wait. Ends the process, by tri_mistake(), if the runtime
 * is stepped and nothing is left to do that could post it.
 * Thread: any that is no worker.
 */
void tri_steps_await(struct tri_stepper *stepper, uv_sem_t *done);

/* Between these two the calling thread is the worker. */
void tri_step_begin(struct tri_worker *worker);
void tri_step_end(struct tri_worker *worker);

/* The parts of a turn, each between begin and end. A way is a lane, by the number of the sending worker, or the inbox,
 * after the last lane. */

/* Is there anything to take from that way? */
bool tri_step_way_waits(struct tri_worker *worker, unsigned way);

/* Hands up to `most` messages of that way to the layer above. */
void tri_step_take(struct tri_worker *worker, unsigned way, unsigned most);

/* Is anything staged for that worker? */
bool tri_step_outbox_waits(const struct tri_worker *worker, unsigned target);

/* Publishes what fits of it. */
void tri_step_send(struct tri_worker *worker, unsigned target);

/* Has the worker not been told yet that the runtime drains? Then it has to be. */
bool tri_step_must_drain(const struct tri_worker *worker);
void tri_step_drain(struct tri_worker *worker);

/* Has its loop any handles or requests but the worker's own? */
bool tri_step_loop_lives(const struct tri_worker *worker);

/* Looks at them, without waiting. */
void tri_step_poll(struct tri_worker *worker);

#endif
