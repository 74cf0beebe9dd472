/*
 * A count of the holds on something that several threads use. It begins at 1, and who releases the last frees.
 *
 * A hold needs no order: the caller has one already, which keeps the thing alive. A release does, since who frees must
 * see that all others have finished (H1, H2). The operations are the compiler's, not ck_pr's, so that the folders that
 * know no Concurrency Kit can use them; sanitizers see them as they are.
 */
#ifndef TROUPE_CORE_REFCOUNT_H
#define TROUPE_CORE_REFCOUNT_H

#include <stdbool.h>

/* Thread: any that has a hold. */
static inline void
tri_refcount_hold(unsigned *holds)
{
    __atomic_fetch_add(holds, 1, __ATOMIC_RELAXED);
}

/* A hold, unless the last was released. Thread: any that keeps the memory, without a hold of its own. */
static inline bool
tri_refcount_hold_if_any(unsigned *holds)
{
    unsigned before = __atomic_load_n(holds, __ATOMIC_RELAXED);
    while (before != 0)
        if (__atomic_compare_exchange_n(holds, &before, before + 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return true;
    return false;
}

/* So many holds at once. Thread: any that has a hold. */
static inline void
tri_refcount_hold_more(unsigned *holds, unsigned more)
{
    __atomic_fetch_add(holds, more, __ATOMIC_RELAXED);
}

/*
 * true: that was the last, and the caller frees. Thread: any that has a hold.
 * Release: H1, this holder has finished. Acquire: H2, so have all others; pairs with their H1.
 */
static inline bool
tri_refcount_release(unsigned *holds)
{
    return __atomic_sub_fetch(holds, 1, __ATOMIC_ACQ_REL) == 0;
}

/* Has nobody else a hold? H3: then all others have finished; pairs with their H1. Thread: any that has a hold. */
static inline bool
tri_refcount_is_sole(const unsigned *holds)
{
    return __atomic_load_n(holds, __ATOMIC_ACQUIRE) == 1;
}

#endif
