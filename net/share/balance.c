/*
 * Balancing policies: pure functions of what the server knows.
 *
 * Of equally loaded workers each gets its turn, by the number of connections dealt out so far. Loads are counted when
 * a connection is assigned, not when its worker sees it, so a burst is spread evenly.
 */

#include <troupe/net/balance.h>

unsigned
tr_balance_least_loaded(const struct tr_balance_view *view)
{
    unsigned first = (unsigned)(view->sequence % view->workers), best = first;
    for (unsigned i = 1; i < view->workers; i++) {
        unsigned worker = (first + i) % view->workers;
        if (view->loads[worker] < view->loads[best])
            best = worker;
    }
    return best;
}

unsigned
tr_balance_round_robin(const struct tr_balance_view *view)
{
    return (unsigned)(view->sequence % view->workers);
}
