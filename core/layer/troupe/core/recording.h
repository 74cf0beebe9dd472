/*
 * The recorder of a running runtime, begun and ended: core/loop/recording.c.
 */
#ifndef TROUPE_CORE_RECORDING_H
#define TROUPE_CORE_RECORDING_H

#include <troupe/core/options.h>
#include <troupe/core/runtime.h>
#include <troupe/core/trace.h>
#include <troupe/core/worker.h>

/*
 * Opens the runtime's recorder while nothing is recorded: threads outside record from now on. options are with a mode
 * that is not off. Returns as tri_trace_open(). Thread: one at a time, any; every worker has left its stream.
 */
tr_status tri_runtime_open_trace(struct tri_runtime *runtime, const struct tr_trace_options *options);

/* Ends it. Thread: likewise. */
void tri_runtime_close_trace(struct tri_runtime *runtime);

/* The worker records from now on, unless it does already or nothing is recorded. true: it has begun. Thread: owner,
 * while no handler runs. */
bool tri_worker_attach(struct tri_worker *worker);

/* The worker has left its stream, and records nothing more. Thread: likewise. */
void tri_worker_detach(struct tri_worker *worker);

/* A layer records these events on this worker, now or when it is attached. Once for each table. Thread: owner; setup.
 */
void tri_worker_declare(struct tri_worker *worker, const struct tri_trace_table *table);

#endif
