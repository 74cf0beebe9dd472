/*
 * A trace that begins and ends while workers run.
 *
 * Two words say that something is recorded. worker->trace is the worker's own: it alone writes and reads it, between
 * two handlers, so an event costs a plain load and a branch as ever. runtime->trace is for threads outside and for what
 * workers ask the whole recorder.
 *
 *   begin: the recorder is opened, runtime->trace is stored (T1), and each worker is told to attach itself;
 *   end:   each worker is told to detach itself; when all have, runtime->trace is NULL, and the recorder is closed.
 *
 * Telling them and hearing that they have done it is the layer's above, with messages, which order all that was written
 * on both sides. A thread outside may have loaded runtime->trace before it became NULL and use it later: the recorder's
 * memory stays, and its locks tell that nothing is open (trace/recorder.c).
 */
#include <troupe/core/recording.h>

#include "crash.h"

#include <assert.h>
#include <ck_pr.h>

tr_status
tri_runtime_open_trace(struct tri_runtime *runtime, const struct tr_trace_options *options)
{
    tr_status status = tri_trace_begin(options, runtime->count, &runtime->recorder);
    if (status != TR_OK)
        return status;
    TRI_RELEASE(&runtime->trace);
    ck_pr_fence_store(); /* T1: the recorder is whole before it is seen; pairs with T2 in runtime.h */
    ck_pr_store_ptr(&runtime->trace, runtime->recorder);
    return TR_OK;
}

void
tri_runtime_close_trace(struct tri_runtime *runtime)
{
    ck_pr_store_ptr(&runtime->trace, NULL);
    tri_trace_end(runtime->recorder);
}

bool
tri_worker_attach(struct tri_worker *worker)
{
    struct tri_trace *trace = tri_runtime_trace(worker->runtime);
    if (trace == NULL || worker->trace != NULL)
        return false;
    worker->trace = tri_trace_stream_of(trace, worker->index);
    for (unsigned i = 0; i < worker->table_count; i++)
        tri_trace_declare(trace, worker->index, worker->tables[i]);
    tri_trace_attached(worker->trace, tri_trace_messages(worker->trace));
    tri_crash_enter(worker);
    return true;
}

void
tri_worker_detach(struct tri_worker *worker)
{
    tri_crash_leave(worker);
    tri_trace_detached(worker->trace);
    worker->trace = NULL;
}

void
tri_worker_declare(struct tri_worker *worker, const struct tri_trace_table *table)
{
    assert(worker->table_count < TRI_WORKER_TABLES);
    worker->tables[worker->table_count++] = table;
    if (worker->trace != NULL)
        tri_trace_declare(tri_runtime_trace(worker->runtime), worker->index, table);
}
