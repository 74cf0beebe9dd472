/*
 * Balancing policies: pure functions of what the server knows.
 *
 * Of equally loaded workers each gets its turn, by the number of connections dealt out so far. Loads are counted when
 * a connection is assigned, not when its worker sees it, so a burst is spread evenly. A worker whose callback does not
 * return gets none while there are others: it would not serve them.
 */
#include "address_limits.h"
#include "mix.h"

#include <troupe/net/balance.h>

static bool
can_take(const struct tr_balance_view *view, unsigned worker)
{
    return view->loads[worker] != TR_BALANCE_NO_WORKER;
}

static unsigned
count_of_those_that_can(const struct tr_balance_view *view)
{
    unsigned count = 0;
    for (unsigned worker = 0; worker < view->workers; worker++)
        count += can_take(view, worker);
    return count;
}

/* Of the workers that can take a connection, the nth: counted from 0, there are more than n. */
static unsigned
nth_that_can(const struct tr_balance_view *view, unsigned n)
{
    unsigned worker = 0;
    while (!can_take(view, worker) || n-- > 0)
        worker++;
    return worker;
}

static bool
is_stuck(const struct tr_balance_view *view, unsigned worker)
{
    return view->behind_ms != NULL && view->behind_ms[worker] >= TR_BALANCE_STUCK_MS;
}

/* Is a the better choice of two? A worker that can take nothing is the worst. */
static bool
is_better(const struct tr_balance_view *view, unsigned a, unsigned b)
{
    if (can_take(view, a) && can_take(view, b) && is_stuck(view, a) != is_stuck(view, b))
        return is_stuck(view, b);
    return view->loads[a] < view->loads[b];
}

unsigned
tr_balance_least_loaded(const struct tr_balance_view *view)
{
    unsigned first = (unsigned)(view->sequence % view->workers), best = first;
    for (unsigned i = 1; i < view->workers; i++) {
        unsigned worker = (first + i) % view->workers;
        if (is_better(view, worker, best))
            best = worker;
    }
    return can_take(view, best) ? best : view->home;
}

unsigned
tr_balance_round_robin(const struct tr_balance_view *view)
{
    unsigned count = count_of_those_that_can(view);
    return count > 0 ? nth_that_can(view, (unsigned)(view->sequence % count)) : view->home;
}

unsigned
tr_balance_two_choices(const struct tr_balance_view *view)
{
    unsigned count = count_of_those_that_can(view);
    if (count < 2)
        return tr_balance_round_robin(view);
    uint64_t choice = tri_mix(view->sequence);
    unsigned n = (unsigned)(choice % count), other = (unsigned)((choice >> 32) % (count - 1));
    unsigned a = nth_that_can(view, n), b = nth_that_can(view, other < n ? other : other + 1);
    return is_better(view, b, a) ? b : a;
}

/* Each worker draws a number of its own for the address, and the highest wins: a worker that cannot take it changes
 * nothing between the others. */
unsigned
tr_balance_ip_hash(const struct tr_balance_view *view)
{
    struct tri_limit_key key;
    if (view->peer == NULL || !tri_limit_key_of(view->peer, TRI_LIMITS_PREFIX_IPV6, &key))
        return tr_balance_least_loaded(view);
    uint64_t address = tri_mix(tri_mix(key.words[0]) ^ key.words[1]), highest = 0;
    unsigned best = view->home;
    for (unsigned worker = 0; worker < view->workers; worker++) {
        uint64_t drawn = tri_mix(address + worker);
        if (!can_take(view, worker) || drawn < highest)
            continue;
        highest = drawn;
        best = worker;
    }
    return best;
}

unsigned
tr_balance_home(const struct tr_balance_view *view)
{
    return can_take(view, view->home) ? view->home : tr_balance_least_loaded(view);
}
