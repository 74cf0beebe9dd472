#include "stall.h"

static bool
same_activity(const struct tri_worker_activity *a, const struct tri_worker_activity *b)
{
    return tri_activity_has_same_beats(a, b) && a->name == b->name && a->actor == b->actor && a->tag == b->tag;
}

static uint64_t
smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The part of the time between two looks that the worker's thread had. */
static uint64_t
time_had(const struct tri_look *before, const struct tri_look *now, uint64_t pause_ns)
{
    bool known = before->time.known && now->time.known;
    uint64_t passed_ns = smaller(now->now_ns - before->now_ns, pause_ns);
    uint64_t ran_ns = known ? smaller(now->time.ran_ns - before->time.ran_ns, passed_ns) : 0;
    uint64_t waited_ns = known ? smaller(now->time.waited_ns - before->time.waited_ns, passed_ns) : 0;
    if (now->now_ns - before->now_ns >= 2 * pause_ns)
        return ran_ns;
    if (known && now->time.runnable) /* it may be waiting for a CPU just now, which is counted only when it gets one */
        return ran_ns;
    return passed_ns - waited_ns;
}

uint64_t
tri_stall_see(struct tri_sighting *seen, const struct tri_look *look, uint64_t limit_ns)
{
    bool goes_on = seen->last.busy && look->busy && same_activity(&look->activity, &seen->last.activity);
    if (!goes_on) {
        *seen = (struct tri_sighting){.last = *look};
        return 0;
    }
    seen->held_ns += time_had(&seen->last, look, tri_stall_pause_ns(limit_ns));
    seen->last = *look;
    if (seen->told || seen->held_ns < limit_ns)
        return 0;
    seen->told = true;
    return seen->held_ns;
}
