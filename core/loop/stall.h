/*
 * When a callback has held its worker too long: decided from looks at it, without a clock or a thread of its own.
 *
 * A stall is told once. Its time counts from when the callback was first seen, so it is at least what is said. Only
 * time that the callback had counts:
 *   - not the time in which the process was stopped (by a signal, a debugger, the machine's host). That stops the looks
 *     too, so a look that comes far too late counts no more than what the thread ran since;
 *   - not the time in which the worker's thread could have run and was given no CPU.
 * A callback that sleeps or waits for a lock has its time.
 */
#ifndef TROUPE_CORE_STALL_H
#define TROUPE_CORE_STALL_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/core/thread.h>
#include <troupe/core/worker.h>

/* What was seen of a worker at one moment. */
struct tri_look {
    bool busy; /* a callback ran; else only the moment counts */
    struct tri_worker_activity activity;
    struct tri_thread_time time; /* of the worker's thread */
    uint64_t now_ns;
};

/* What is known of the callback that a worker runs; zero at first. */
struct tri_sighting {
    struct tri_look last;
    uint64_t held_ns; /* the time that it had since it was first seen */
    bool told;
};

/* The time that should pass between two looks. */
static inline uint64_t
tri_stall_pause_ns(uint64_t limit_ns)
{
    return limit_ns / 2 + 1;
}

/*
 * Adds a look. Returns the nanoseconds for which the callback has held its worker, if that is at least limit_ns and was
 * not told before; 0 otherwise. Thread: the watchdog's.
 */
uint64_t tri_stall_see(struct tri_sighting *seen, const struct tri_look *look, uint64_t limit_ns);

#endif
