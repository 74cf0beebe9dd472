/*
 * The actors of workers without threads: what the stepper of core's steps.h needs of this layer.
 *
 * Thread: the one that started the runtime; where a worker is an argument, between tri_step_begin() and tri_step_end().
 */
#ifndef TROUPE_ACTORS_STEPS_H
#define TROUPE_ACTORS_STEPS_H

#include <troupe/actors/runtime.h>
#include <troupe/core/steps.h>

/* As tr_runtime_start(), with a stepper instead of threads. On failure the stepper is the caller's; else
 * tr_runtime_stop() frees it. */
tr_status tri_actors_start_stepped(const struct tr_runtime_options *options, struct tri_stepper *stepper,
                                   tr_runtime **out);

/* The workers of a runtime. Thread: any. */
struct tri_runtime *tri_actors_core(const tr_runtime *runtime);

/*
 * Handles one message, or does what else stands before the first one in the worker's queue. Which: of the actors that
 * the first `window` messages are for, the one whose name, hashed with the salt, comes first; its oldest. So each actor
 * gets its messages in their order, while those of different actors change places, as they do where the actors live on
 * different workers.
 */
void tri_step_handle(struct tri_worker *worker, unsigned window, uint64_t salt);

/* How many offloaded functions of the worker have not run. */
unsigned tri_step_offloads(const struct tri_worker *worker);

/* Runs one of them, by its number, and brings its result home. No worker is the calling thread then. */
void tri_step_offload(struct tri_worker *worker, unsigned number);

#endif
