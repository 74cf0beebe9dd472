#include "strategy.h"

#define DEFAULT_RESTARTS 3u
#define DEFAULT_WITHIN_MS 5000u
#define DEFAULT_DOUBLINGS 64u

bool
tri_restart_wanted(enum tr_restart restart, tr_status reason)
{
    switch (restart) {
    case TR_RESTART_PERMANENT: return true;
    case TR_RESTART_TRANSIENT: return reason != TR_OK;
    default: return false;
    }
}

bool
tri_strategy_concerns(enum tr_strategy strategy, size_t ended, size_t other)
{
    switch (strategy) {
    case TR_ONE_FOR_ALL: return true;
    case TR_REST_FOR_ONE: return other >= ended;
    default: return other == ended;
    }
}

struct tr_restart_limit
tri_restart_limit(struct tr_restart_limit wish)
{
    if (wish.restarts == 0 && wish.within_ms == 0)
        return (struct tr_restart_limit){DEFAULT_RESTARTS, DEFAULT_WITHIN_MS};
    return wish;
}

/* The ring is full: the oldest restart must be out of the time by now. */
bool
tri_intensity_allows(struct tri_intensity *intensity, uint64_t now_ms)
{
    const struct tr_restart_limit *limit = &intensity->limit;
    if (limit->restarts == 0)
        return false;
    if (intensity->count == limit->restarts && now_ms - intensity->times_ms[intensity->next] <= limit->within_ms)
        return false;
    intensity->count += intensity->count < limit->restarts;
    intensity->times_ms[intensity->next] = now_ms;
    intensity->next = (intensity->next + 1) % limit->restarts;
    return true;
}

static unsigned
times(unsigned ms, unsigned factor)
{
    uint64_t product = (uint64_t)ms * factor;
    return product < UINT32_MAX ? (unsigned)product : UINT32_MAX;
}

struct tr_backoff
tri_backoff(struct tr_backoff wish)
{
    if (wish.most_ms == 0)
        wish.most_ms = times(wish.first_ms, DEFAULT_DOUBLINGS);
    if (wish.calm_ms == 0)
        wish.calm_ms = times(wish.most_ms, 2);
    return wish;
}

uint64_t
tri_backoff_ms(const struct tr_backoff *backoff, uint64_t last_ms, uint64_t lived_ms)
{
    if (last_ms == 0 || lived_ms >= backoff->calm_ms)
        return backoff->first_ms;
    return last_ms * 2 < backoff->most_ms ? last_ms * 2 : backoff->most_ms;
}
