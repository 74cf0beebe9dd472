/*
 * A stepped runtime as the runtime itself sees it (steps.h): what takes the place of threads. Thread: the one that
 * started it.
 */
#ifndef TROUPE_CORE_STEPPING_H
#define TROUPE_CORE_STEPPING_H

#include <troupe/core/steps.h>

/* Instead of starting its thread. */
void tri_stepping_begin(struct tri_worker *worker);

/* Steps until nothing lives any more on any worker, but no longer than until_ms of tri_clock_ms(). */
void tri_stepping_await_quiet(struct tri_runtime *runtime, uint64_t until_ms);

/* All workers look at their loops. */
void tri_stepping_look(struct tri_runtime *runtime);

/* Instead of joining the threads of a runtime that kills: each worker kills what is left, then all come to their
 * end. */
void tri_stepping_end(struct tri_runtime *runtime);

#endif
