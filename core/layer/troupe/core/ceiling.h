/*
 * The ceiling: options.memory_limit of a runtime, and whether the runtime is at it. See ceiling.c.
 */
#ifndef TROUPE_CORE_CEILING_H
#define TROUPE_CORE_CEILING_H

#include <troupe/core/level.h>
#include <troupe/core/runtime.h>

struct tri_worker;

/* Looks at the level, and says whether the runtime is at its limit. Without a limit it never is. Thread: any. */
bool tri_ceiling_look(struct tri_runtime *runtime);

/* The same from what is known: it was so at the last look of somebody. Thread: any. */
static inline bool
tri_ceiling_is_reached(const struct tri_runtime *runtime)
{
    return TRI_UNLIKELY(ck_pr_load_uint(&runtime->at_limit) != 0);
}

/* A call of a thread that is no worker was refused for it. Thread: any. */
void tri_ceiling_refuse(struct tri_runtime *runtime);

/* The runtime's limit holds from now on, and until the second. Both do nothing without a limit, the second nothing the
 * second time. Thread: setup; the second is called before the first worker ends. */
void tri_ceiling_begin(struct tri_runtime *runtime);
void tri_ceiling_end(struct tri_runtime *runtime);

/* A worker of a runtime with a limit is made, and it is freed. Thread: setup. */
void tri_ceiling_open(struct tri_worker *worker);
void tri_ceiling_close(struct tri_worker *worker);

/* What ends each turn of such a worker, and comes before it sleeps: it counts, looks, and tells its layer. Thread:
 * owner. */
void tri_ceiling_settle(struct tri_worker *worker);

#endif
