/*
 * Haste: where this is linked in, what the library does again after a pause, since the system lacked something, it does
 * again after the shortest one that there is. Whoever lets fifty allocations in a row fail would else wait fifty times,
 * and learn nothing from it. Longer times are what they are.
 */
#include <troupe/core/timers.h>

#define PAUSE_MS 50u /* the longest that the library makes before it tries again */

tr_status __real_tri_timer_start(struct tri_timers *timers, struct tri_timer *timer, uint64_t delay_ms);
tr_status __wrap_tri_timer_start(struct tri_timers *timers, struct tri_timer *timer, uint64_t delay_ms);
tr_status
__wrap_tri_timer_start(struct tri_timers *timers, struct tri_timer *timer, uint64_t delay_ms)
{
    return __real_tri_timer_start(timers, timer, delay_ms > 1 && delay_ms <= PAUSE_MS ? 1 : delay_ms);
}
