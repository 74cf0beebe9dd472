/*
 * A worker as the runtime sees it.
 */
#ifndef TROUPE_CORE_WORKER_INTERNAL_H
#define TROUPE_CORE_WORKER_INTERNAL_H

#include <troupe/core/worker.h>

/* Makes worker number index of a runtime whose other fields are set; it does not run yet. Thread: setup. */
tr_status tri_worker_new(struct tri_runtime *runtime, unsigned index, struct tri_worker **out);

/* Starts its thread. Thread: setup. TR_OK, TR_EAGAIN. */
tr_status tri_worker_start(struct tri_worker *worker);

/* Frees a worker that never ran, or whose thread was joined. NULL does nothing. Thread: setup. */
void tri_worker_free(struct tri_worker *worker);

/* From now on the calling thread is this worker; NULL: none any more. Thread: owner. */
void tri_worker_set_current(struct tri_worker *worker);

/* Makes it look at the runtime's phase. Thread: any, while the worker's thread runs. */
void tri_worker_nudge(struct tri_worker *worker);

/* One more has looked. Thread: any. */
void tri_runtime_looked(struct tri_runtime *runtime);

/* One more has come to the gate, which opens for all workers and the thread that ends them. Thread: any. */
void tri_runtime_at_gate(struct tri_runtime *runtime);

#endif
