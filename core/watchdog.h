/*
 * The watchdog: says on stderr, and in the trace, which actor keeps a worker from its other work, or that callbacks
 * of libuv handles do which belong to no actor that is known here.
 */
#ifndef TROUPE_CORE_WATCHDOG_H
#define TROUPE_CORE_WATCHDOG_H

#include <troupe/core/status.h>

struct tri_runtime;
struct tri_watchdog; /* opaque */

/*
 * Starts a thread that reports each callback which had its worker for more than limit_ms (above 0), once. Time in which
 * the process was stopped, or the worker got no CPU, does not count. All workers exist and stay until
 * tri_watchdog_stop().
 * Thread: setup. Returns TR_OK, TR_ENOMEM, TR_EAGAIN (no more threads).
 */
tr_status tri_watchdog_start(struct tri_runtime *runtime, unsigned limit_ms, struct tri_watchdog **out);

/* Stops at once and frees it; NULL does nothing. Thread: setup. */
void tri_watchdog_stop(struct tri_watchdog *watchdog);

#endif
