/*
 * Copies of traces on a signal: snapshot_signal.c.
 */
#ifndef TROUPE_CORE_TRACE_SNAPSHOT_SIGNAL_H
#define TROUPE_CORE_TRACE_SNAPSHOT_SIGNAL_H

#include <troupe/core/runtime.h>

/*
 * From now on the signal that the options name, or TR_TRACE_SIGNAL, copies the runtime's trace; without one it does
 * nothing. What the variable says and cannot be is a line on stderr, and no failure. Thread: setup. Returns TR_OK;
 * TR_EINVAL, no signal that can be used; TR_ENOMEM; TR_EAGAIN, no more threads.
 */
tr_status tri_snapshot_signal_begin(struct tri_runtime *runtime);

/* No more of this runtime; the last gives the signal back. Does no harm if it was not begun. Thread: setup. */
void tri_snapshot_signal_end(struct tri_runtime *runtime);

#endif
