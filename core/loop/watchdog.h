/*
 * The watchdog: says on stderr, and in the trace, which actor keeps a worker from its other work, or that callbacks
 * of libuv handles do which belong to no actor that is known here. It also unpins workers that wait for their CPU, and
 * pins them again.
 */
#ifndef TROUPE_CORE_WATCHDOG_H
#define TROUPE_CORE_WATCHDOG_H

#include <stdbool.h>
#include <troupe/core/status.h>

struct tri_runtime;
struct tri_worker;

/*
 * Starts a thread that reports each callback which had its worker for more than limit_ms, once; 0: it reports none.
 * Time in which the process was stopped, or the worker got no CPU, does not count. pins: it changes the CPUs of workers
 * that have a thread as pinning.h says. All workers exist and stay until tri_watchdog_stop().
 * Thread: setup. Returns TR_OK, TR_ENOMEM, TR_EAGAIN (no more threads).
 */
tr_status tri_watchdog_start(struct tri_runtime *runtime, unsigned limit_ms, bool pins);

/* Stops at once and frees it; without one it does nothing. Thread: setup. */
void tri_watchdog_stop(struct tri_runtime *runtime);

/*
 * Ends its rest. While it rests, a worker that is about to sleep calls tri_rest_doze(), sleeps, and calls
 * tri_rest_rise() before anything else, so the first that is woken, by whatever, wakes the watchdog. Thread: any.
 */
void tri_watchdog_ring(struct tri_runtime *runtime);

#endif
