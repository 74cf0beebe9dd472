/*
 * The last event of a worker that dies: crash.c.
 */
#ifndef TROUPE_CORE_TRACE_CRASH_H
#define TROUPE_CORE_TRACE_CRASH_H

#include <troupe/core/worker.h>

/* The calling thread is that worker's, and it records from now on: its death by a fatal signal is an event. Not with
 * the variable TR_TRACE_CRASH=off. Thread: owner. */
void tri_crash_enter(struct tri_worker *worker);

/* It records no more. Does no harm if it did not. Thread: owner. */
void tri_crash_leave(const struct tri_worker *worker);

#endif
