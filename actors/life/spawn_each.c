/*
 * One actor on each worker, or none at all: born one after the other, so that the first that fails is known before the
 * next is asked for. Those before it are asked to stop then, the latest first.
 */
#include "actor_internal.h"

static void
stop_again(tr_runtime *runtime, tr_ref actor)
{
    while (tr_runtime_stop_actor(runtime, actor, TR_STOP_NOW) == TR_ENOMEM)
        uv_sleep(1); /* it must not stay, and this thread is one that may block */
}

static void
undo(tr_runtime *runtime, tr_ref *born, unsigned count)
{
    while (count > 0) {
        stop_again(runtime, born[--count]);
        born[count] = TR_NOBODY;
    }
}

tr_status
tr_runtime_spawn_each(tr_runtime *runtime, const struct tr_behavior *behavior, const struct tr_spawn_options *options,
                      tr_ref *out)
{
    struct tr_spawn_options there = options != NULL ? *options : (struct tr_spawn_options){0};
    if (runtime == NULL || out == NULL || there.placement != TR_PLACE_HERE)
        return TR_EINVAL;
    there.placement = TR_PLACE_WORKER;
    for (unsigned i = 0; i < runtime->core->count; i++) {
        there.worker = i;
        tr_status status = tr_runtime_spawn(runtime, behavior, &there, &out[i]);
        if (status != TR_OK) {
            undo(runtime, out, i);
            return status;
        }
    }
    return TR_OK;
}
