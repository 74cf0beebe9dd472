/*
 * What the workers of a runtime, and the thread that ends them, wait for together: that all have looked at their
 * descriptors, that nothing lives any more, and the gate, which no worker passes before all have come to it. All of it
 * is under the runtime's lock.
 */
#ifndef TROUPE_CORE_GATE_H
#define TROUPE_CORE_GATE_H

#include <troupe/core/runtime.h>

/* Makes the lock. Thread: setup. TR_OK, TR_ENOMEM, TR_EAGAIN. */
tr_status tri_gate_open(struct tri_runtime *runtime);
void tri_gate_close(struct tri_runtime *runtime);

/* tri_runtime_look(): nobody has looked; one more has; waits until all have. Thread: any. */
void tri_gate_begin_look(struct tri_runtime *runtime);
void tri_gate_looked(struct tri_runtime *runtime);
void tri_gate_await_looks(struct tri_runtime *runtime);

/* One more worker is quiet; waits until all are or the deadline has passed. Thread: any. */
void tri_gate_quiet(struct tri_runtime *runtime);
void tri_gate_await_quiet(struct tri_runtime *runtime, uint64_t deadline_ms);

/* So many more had to be killed. Thread: any. */
void tri_gate_add_killed(struct tri_runtime *runtime, uint64_t killed);

/*
 * One more has come to the gate, which opens for all workers and the thread that ends them. pass: comes to it, and
 * waits until it is open: afterwards nobody sends or rings any more. Thread: any.
 */
void tri_gate_arrive(struct tri_runtime *runtime);

/* So many workers have never run, and will not come. Thread: setup. */
void tri_gate_miss(struct tri_runtime *runtime, unsigned workers);
void tri_gate_pass(struct tri_runtime *runtime);

#endif
