/*
 * The doorbell: how a worker is woken, and only when it sleeps.
 *
 *   sender   publishes a message (lane or inbox); full fence B1; looks at the bell
 *   worker   sets the bell to ASLEEP; full fence B2; looks at its lanes and inbox once more; blocks in its loop
 *
 * Each side stores first and loads second, with a full fence between, so at least one sees the other: either the worker
 * finds the message, or the sender finds it asleep. Without B1 the bell is read before the message is visible, even on
 * x86: measured with uv_async_send() alone, a wake-up was lost in 1 of 70,000 rounds. Of many senders that find it
 * asleep one wins the exchange and writes the descriptor; the others know that somebody did.
 *
 * The worker sets the bell back to AWAKE when its loop returns, for whatever reason: a wake-up that comes late makes
 * one turn more, no harm.
 */
#ifndef TROUPE_CORE_DOORBELL_H
#define TROUPE_CORE_DOORBELL_H

#include <ck_pr.h>
#include <troupe/core/runtime.h>
#include <troupe/core/worker.h>

enum { TRI_AWAKE, TRI_ASLEEP };

/* A message for that worker was published. true: it slept and was woken. Thread: any. */
static inline bool
tri_doorbell_ring(struct tri_worker *worker)
{
    ck_pr_fence_memory(); /* B1, pairs with B2 */
    if (ck_pr_load_uint(&worker->bell) != TRI_ASLEEP || !ck_pr_cas_uint(&worker->bell, TRI_ASLEEP, TRI_AWAKE))
        return false;
    uv_async_send(&worker->wakeup);
    return true;
}

/* Ends its sleep without a message, so that it looks at what it was not sent, such as the runtime's phase. Thread: any,
 * while the worker's thread runs. */
static inline void
tri_doorbell_nudge(struct tri_worker *worker)
{
    uv_async_send(&worker->wakeup);
}

/* The same for all workers that run. What they must see comes before: the word here, then the nudge; each looks at the
 * word after B2. */
static inline void
tri_doorbell_nudge_all(struct tri_runtime *runtime)
{
    ck_pr_fence_memory();
    for (unsigned i = 0; i < runtime->count; i++)
        if (runtime->workers[i] != NULL && runtime->workers[i]->thread != 0)
            tri_doorbell_nudge(runtime->workers[i]);
}

/* From here on senders ring. The caller looks at all ways in before it blocks. Thread: owner. */
static inline void
tri_doorbell_doze(struct tri_worker *worker)
{
    ck_pr_store_uint(&worker->bell, TRI_ASLEEP);
    ck_pr_fence_memory(); /* B2, pairs with B1 */
}

/* Thread: owner. */
static inline void
tri_doorbell_rise(struct tri_worker *worker)
{
    ck_pr_store_uint(&worker->bell, TRI_AWAKE);
}

#endif
