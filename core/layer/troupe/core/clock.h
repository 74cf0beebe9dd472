/*
 * The library's clocks: nanoseconds, and a fast one, ticks. Ticks are the CPU's time stamp counter where it runs at one
 * speed and never stops, else CLOCK_MONOTONIC in nanoseconds.
 *
 * Reading the counter takes a third of the time of clock_gettime(). A counter that stops in deep sleep or follows the
 * CPU's frequency would make times lie, so such machines pay for the system's clock. So does a program that is started
 * with TR_CLOCK=monotonic, for who suspects the counter. Which of the two it is, is settled once in the process, before
 * anybody reads it.
 *
 * A thread that steps the workers of a runtime itself (steps.h) can have a time of its own, which both clocks then tell
 * on that thread, in nanoseconds. From the first such thread on all reading goes by way of functions that ask for it;
 * until then it costs a look at a byte that nobody changes.
 */
#ifndef TROUPE_CORE_CLOCK_H
#define TROUPE_CORE_CLOCK_H

#include <ck_pr.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <troupe/core/compiler.h>
#include <uv.h>

#define TRI_CLOCK_NS 1000000000u /* in a second */

/* 1: ticks are the CPU's counter, on every thread. */
extern TRI_OURS uint8_t tri_clock_is_counter;

/* 1: a thread may have a time of its own. */
extern TRI_OURS uint8_t tri_clock_may_be_virtual;

/* Settles which clock it is; calling it again does nothing. Thread: any, before the thread reads ticks. */
void tri_clock_init(void);

/*
 * From now on the calling thread's time is what *now_ns says, in nanoseconds; it only grows. NULL: the system's again.
 * Returns what was set before. Thread: any.
 */
const uint64_t *tri_clock_set_virtual(const uint64_t *now_ns);

/* Has the calling thread a time of its own? Thread: any. */
bool tri_clock_is_virtual(void);

/* Are ticks the CPU's counter on the calling thread? Else they are nanoseconds. Thread: any. */
bool tri_clock_counts(void);

/* The clocks where a thread may have a time of its own. Thread: any. */
uint64_t tri_clock_slow_ns(void);
uint64_t tri_clock_slow_ticks(void);

static inline uint64_t
tri_clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * TRI_CLOCK_NS + (uint64_t)now.tv_nsec;
}

/* Nanoseconds of CLOCK_MONOTONIC, or of the thread's own time. Thread: any. */
static inline uint64_t
tri_clock_now_ns(void)
{
    return TRI_LIKELY(ck_pr_load_8(&tri_clock_may_be_virtual) == 0) ? uv_hrtime() : tri_clock_slow_ns();
}

/* Nanoseconds of the system's, also where the thread has a time of its own: what waits for another thread counts on it.
 * Thread: any. */
static inline uint64_t
tri_clock_system_ns(void)
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
    return TRI_LIKELY(ck_pr_load_8(&tri_clock_is_counter) != 0) ? tri_clock_counter() : tri_clock_slow_ticks();
}

/* What uv_now() returns, without the call: every callback of an actor notes it. Where the thread has a time of its
 * own it is that. Thread: owner of the loop. */
static inline uint64_t
tri_clock_of_loop_ms(const uv_loop_t *loop)
{
    if (TRI_LIKELY(ck_pr_load_8(&tri_clock_may_be_virtual) == 0) || !tri_clock_is_virtual())
        return loop->time;
    return tri_clock_slow_ns() / 1000000;
}

#endif
