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

/* What its thread does at the end, in two halves: kills what is left, and when all workers have done that buries what
 * the lanes hold and ceases to be the calling thread. Thread: owner. */
void tri_worker_kill(struct tri_worker *worker);
void tri_worker_finish(struct tri_worker *worker);

/* Frees a worker that never ran, or whose thread was joined. NULL does nothing. Thread: setup. */
void tri_worker_free(struct tri_worker *worker);

/* From now on the calling thread is this worker; NULL: none any more. Thread: owner. */
void tri_worker_set_current(struct tri_worker *worker);

#endif
