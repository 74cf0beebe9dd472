/*
 * Which worker the calling thread is, and whether that is the one which it should be.
 */
#include "origin.h"
#include "worker_internal.h"

#include <stdio.h>
#include <troupe/core/mistake.h>

static _Thread_local struct tri_worker *current;

struct tri_worker *
tri_worker_current(void)
{
    return current;
}

void
tri_worker_set_current(struct tri_worker *worker)
{
    current = worker;
    tri_activity_set_current(worker != NULL ? &worker->activity : NULL);
    tri_thread_set_mask(worker != NULL ? &worker->mask_held : NULL);
    tri_level_count_in(worker != NULL && worker->limited ? &worker->level : NULL);
}

void
tri_mistake_unless_owner(const struct tri_worker *worker, const char *function)
{
    const struct tri_worker *here = tri_worker_current();
    if (here == worker)
        return;
    char place[64] = "a thread that is no worker";
    if (here != NULL)
        snprintf(place, sizeof(place), "worker %u%s", here->index,
                 here->runtime == worker->runtime ? "" : " of another runtime");
    tri_mistake("%s() was called on %s, but what it was called for lives on worker %u; from another thread, send a "
                "message",
                function, place, worker->index);
}
