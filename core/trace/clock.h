/*
 * The trace's clock: the CPU's time stamp counter where it runs at one speed and never stops, else CLOCK_MONOTONIC.
 *
 * Reading the counter takes a third of the time of clock_gettime(). A counter that stops in deep sleep or follows the
 * CPU's frequency would make times lie, so such machines pay for the system's clock. Which of the two a trace uses is
 * settled when it opens.
 */
#ifndef TROUPE_CORE_TRACE_CLOCK_H
#define TROUPE_CORE_TRACE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define TRI_TRACE_NS 1000000000u /* in a second */

static inline uint64_t
tri_trace_clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * TRI_TRACE_NS + (uint64_t)now.tv_nsec;
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>

/* Is there a counter that can be trusted? */
static inline bool
tri_trace_counter_is_steady(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007u, &a, &b, &c, &d) != 0 && (d & 1u << 8) != 0; /* "invariant TSC" */
}

static inline uint64_t
tri_trace_counter(void)
{
    return __rdtsc();
}
#else
static inline bool
tri_trace_counter_is_steady(void)
{
    return false;
}

static inline uint64_t
tri_trace_counter(void)
{
    return tri_trace_clock_ns(CLOCK_MONOTONIC);
}
#endif

static inline uint64_t
tri_trace_ticks(bool steady)
{
    return __builtin_expect(steady, true) ? tri_trace_counter() : tri_trace_clock_ns(CLOCK_MONOTONIC);
}

#endif
