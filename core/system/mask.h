/*
 * Who may change the CPUs on which a worker's thread may run: one at a time.
 *
 * The watchdog's thread changes them while the worker runs (pinning.h). The worker lends its thread the program's CPUs
 * while it starts a child that inherits them (children.c), and at its end the thread's number may become another's. So
 * both take this first. The watchdog only tries, and does it at its next look; it holds it for no longer than a system
 * call, so the worker waits for it. The word is a worker's `mask_held`: 1 while somebody has it.
 */
#ifndef TROUPE_CORE_MASK_H
#define TROUPE_CORE_MASK_H

#include <ck_pr.h>
#include <sched.h>
#include <stdbool.h>

/* false: somebody else has it. Thread: the watchdog's; owner. */
static inline bool
tri_mask_try(unsigned *held)
{
    if (!ck_pr_cas_uint(held, 0, 1))
        return false;
    ck_pr_fence_acquire(); /* M1: what the last holder did is done; pairs with M2 */
    return true;
}

/* Thread: owner. */
static inline void
tri_mask_take(unsigned *held)
{
    while (!tri_mask_try(held))
        sched_yield();
}

/* Thread: the holder; in the child of a fork its only thread. */
static inline void
tri_mask_release(unsigned *held)
{
    ck_pr_fence_release(); /* M2: before others may hold it; pairs with M1 */
    ck_pr_store_uint(held, 0);
}

#endif
