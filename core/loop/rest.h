/*
 * The rest of the watchdog: when nothing has happened for a while it sleeps too, without looking again.
 *
 *   watchdog  says that it rests; full fence S1; nudges the workers that do not doze. When it sees all of them doze it
 *             sleeps until one rings.
 *   worker    dozes if the watchdog rests: marks it, and sleeps. When it wakes it takes the mark away; full fence S2;
 *             rings if the watchdog rests.
 *
 * Each side stores first and loads second. So if the watchdog has seen the mark of a worker that is awake, that worker
 * sees it rest, and rings. A worker in a callback does not doze, however long it sleeps there.
 */
#ifndef TROUPE_CORE_REST_H
#define TROUPE_CORE_REST_H

#include <ck_pr.h>
#include <troupe/core/compiler.h>
#include <troupe/core/worker.h>

/* Thread: any. */
static inline bool
tri_rest_is_on(const struct tri_runtime *runtime)
{
    return ck_pr_load_uint(&runtime->watchdog_rests) == 1;
}

/* Thread: the watchdog's. */
static inline void
tri_rest_begin(struct tri_runtime *runtime)
{
    ck_pr_fence_release(); /* S3: all of the watchdog before it rests; pairs with S4 */
    TRI_RELEASE(&runtime->watchdog_rests);
    ck_pr_store_uint(&runtime->watchdog_rests, 1);
    ck_pr_fence_memory(); /* S1: before the workers' marks are read; pairs with S2 */
}

/* Thread: the watchdog's. */
static inline void
tri_rest_end(struct tri_runtime *runtime)
{
    ck_pr_store_uint(&runtime->watchdog_rests, 0);
}

/* Thread: any. */
static inline bool
tri_rest_dozes(const struct tri_worker *worker)
{
    return ck_pr_load_uint(&worker->dozes) == 1;
}

/* Thread: owner. */
static inline void
tri_rest_doze(struct tri_worker *worker)
{
    ck_pr_store_uint(&worker->dozes, 1);
}

/* true: the watchdog rests, ring it. Thread: owner. */
static inline bool
tri_rest_rise(struct tri_worker *worker)
{
    struct tri_runtime *runtime = worker->runtime;
    ck_pr_store_uint(&worker->dozes, 0);
    ck_pr_fence_memory(); /* S2: before it is asked whether the watchdog rests; pairs with S1 */
    if (!tri_rest_is_on(runtime))
        return false;
    ck_pr_fence_acquire(); /* S4: it rests, so it is there; pairs with S3 */
    TRI_ACQUIRE(&runtime->watchdog_rests);
    return true;
}

#endif
