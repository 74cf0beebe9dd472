/*
 * Time in milliseconds: the one clock of every delay in the library.
 *
 * uv_now() is the time of the loop's turn, cut to whole milliseconds, and a callback may have run for long since. A
 * delay that counts from it is too short by both. So a delay begins at the real time, rounded up, and is over when
 * uv_now(), which is never ahead of the real time, has come to its end. Both count on CLOCK_MONOTONIC.
 *
 * Thread: any, for all of it.
 */
#ifndef TROUPE_CORE_DELAY_H
#define TROUPE_CORE_DELAY_H

#include <stdint.h>
#include <troupe/core/clock.h>

#define TRI_CLOCK_NEVER UINT64_MAX /* a time that does not come */

/* The milliseconds that are over now: what ends is compared with it. */
static inline uint64_t
tri_clock_ms(void)
{
    return tri_clock_now_ns() / 1000000;
}

/* The first full millisecond from now on: what begins now counts from there. */
static inline uint64_t
tri_clock_begin_ms(void)
{
    return (tri_clock_now_ns() + 999999) / 1000000;
}

/* When a delay is over that begins now; TRI_CLOCK_NEVER beyond the end of the clock. One of 0 is over already. */
static inline uint64_t
tri_clock_after(uint64_t delay_ms)
{
    if (delay_ms == 0)
        return 0;
    uint64_t begin_ms = tri_clock_begin_ms();
    return delay_ms < TRI_CLOCK_NEVER - begin_ms ? begin_ms + delay_ms : TRI_CLOCK_NEVER;
}

/* The time of which only the lower half was kept, less than 2^32 ms before now_ms, or at it. */
static inline uint64_t
tri_clock_whole(uint32_t lower, uint64_t now_ms)
{
    return now_ms - (uint32_t)((uint32_t)now_ms - lower);
}

#endif
