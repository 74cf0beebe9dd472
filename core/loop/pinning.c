#include "pinning.h"

/* How the time between two looks was spent. */
struct interval {
    uint64_t passed_ns, ran_ns, waited_ns;
};

static bool
is_share(uint64_t part_ns, uint64_t whole_ns, unsigned percent)
{
    return part_ns > whole_ns / 100 * percent;
}

static uint64_t
less(uint64_t from, uint64_t what)
{
    return from > what ? from - what : 0;
}

static struct interval
between(const struct tri_pinning_look *before, const struct tri_pinning_look *now)
{
    uint64_t turns = now->time.turns - before->time.turns;
    struct interval interval = {
        .passed_ns = now->now_ns - before->now_ns,
        .ran_ns = now->time.ran_ns - before->time.ran_ns,
        .waited_ns = less(now->time.waited_ns - before->time.waited_ns, turns * TRI_PINNING_WAKE_NS),
    };
    if (turns == 0 && interval.ran_ns == 0 && now->time.runnable) /* it waits all the time; that counts at its end */
        interval.waited_ns = interval.passed_ns;
    return interval;
}

static enum tri_pinning_verdict
widen(struct tri_pinning *pinning)
{
    uint64_t patience_ns = pinning->patience_ns;
    if (pinning->calm_ns >= patience_ns)
        pinning->patience_ns = TRI_PINNING_PATIENCE_NS;
    else if (pinning->tried)
        pinning->patience_ns =
            patience_ns < TRI_PINNING_PATIENCE_MAX_NS / 2 ? 2 * patience_ns : TRI_PINNING_PATIENCE_MAX_NS;
    pinning->calm_ns = 0;
    pinning->tried = false;
    return TRI_PINNING_WIDEN;
}

static enum tri_pinning_verdict
narrow(struct tri_pinning *pinning)
{
    pinning->calm_ns = 0;
    pinning->tried = true;
    return TRI_PINNING_NARROW;
}

static void
count_calm(struct tri_pinning *pinning, const struct interval *interval)
{
    if (is_share(interval->waited_ns, interval->passed_ns, TRI_PINNING_CALM_PERCENT))
        pinning->calm_ns = 0;
    else if (is_share(interval->ran_ns, interval->passed_ns, TRI_PINNING_BUSY_PERCENT))
        pinning->calm_ns += interval->passed_ns;
}

static enum tri_pinning_verdict
judge(struct tri_pinning *pinning, const struct interval *interval, bool pinned)
{
    if (pinned && is_share(interval->waited_ns, interval->passed_ns, TRI_PINNING_LOST_PERCENT))
        return widen(pinning);
    count_calm(pinning, interval);
    return !pinned && pinning->calm_ns >= pinning->patience_ns ? narrow(pinning) : TRI_PINNING_KEEP;
}

enum tri_pinning_verdict
tri_pinning_see(struct tri_pinning *pinning, const struct tri_pinning_look *look)
{
    struct tri_pinning_look before = pinning->last;
    bool comparable = pinning->seen && look->time.known && before.time.known;
    pinning->last = *look;
    pinning->seen = true;
    if (pinning->patience_ns == 0)
        pinning->patience_ns = TRI_PINNING_PATIENCE_NS;
    if (!comparable)
        return TRI_PINNING_KEEP;
    if (before.pinned != look->pinned)
        pinning->calm_ns = 0;
    struct interval interval = between(&before, look);
    pinning->waited_ns = interval.waited_ns;
    return judge(pinning, &interval, look->pinned);
}

void
tri_pinning_rested(struct tri_pinning *pinning, uint64_t now_ns)
{
    pinning->last.now_ns = now_ns;
}
