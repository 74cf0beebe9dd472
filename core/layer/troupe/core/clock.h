/*
 * The library's fast clock: the CPU's time stamp counter where it runs at one speed and never stops, else
 * CLOCK_MONOTONIC in nanoseconds.
 *
 * Reading the counter takes a third of the time of clock_gettime(). A counter that stops in deep sleep or follows the
 * CPU's frequency would make times lie, so such machines pay for the system's clock. Which of the two it is, is settled
 * once in the process, before anybody reads it.
 */
#ifndef TROUPE_CORE_CLOCK_H
#define TROUPE_CORE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <troupe/core/compiler.h>
#include <uv.h>

#define TRI_CLOCK_NS 1000000000u /* in a second */

/* Constant once tri_clock_init() was called: ticks are the CPU's counter. */
extern bool tri_clock_is_counter;

/* Settles which clock it is; calling it again does nothing. Thread: any, before the thread reads ticks. */
void tri_clock_init(void);

static inline uint64_t
tri_clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * TRI_CLOCK_NS + (uint64_t)now.tv_nsec;
}

/* Nanoseconds of CLOCK_MONOTONIC. Thread: any. */
static inline uint64_t
tri_clock_now_ns(void)
{
    return uv_hrtime();
}

#if defined(__x86_64__)
/* The compiler's own function: <x86intrin.h>, which has it as __rdtsc(), is ten times as long as all else that a file
 * of ours includes. */
static inline uint64_t
tri_clock_counter(void)
{
    return __builtin_ia32_rdtsc();
}
#else
static inline uint64_t
tri_clock_counter(void)
{
    return tri_clock_ns(CLOCK_MONOTONIC);
}
#endif

/* The clock, in units that runtime->ticks_per_ms and the trace's metadata tell. Thread: any. */
static inline uint64_t
tri_ticks(void)
{
    return TRI_LIKELY(tri_clock_is_counter) ? tri_clock_counter() : tri_clock_ns(CLOCK_MONOTONIC);
}

/* What uv_now() returns, without the call: every callback of an actor notes it. Thread: owner of the loop. */
static inline uint64_t
tri_clock_of_loop_ms(const uv_loop_t *loop)
{
    return loop->time;
}

#endif
