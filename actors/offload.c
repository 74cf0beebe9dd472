/*
 * Offloading: a blocking function runs in libuv's pool, its result comes home as a message.
 *
 * The request belongs to the worker's loop, so the result is handed over on the worker, and the runtime's end waits for
 * functions that still run.
 */
#include "actor_internal.h"

#include <stdlib.h>
#include <troupe/core/status_from.h>
#include <troupe/core/thread.h>

struct offload {
    uv_work_t request;
    struct tri_worker *worker;
    tr_ref caller;
    uint32_t tag;
    void *(*work)(void *argument);
    void *argument;
    void (*destroy)(void *result);
    void *result;
    const struct tri_origin *origin; /* the worker's: for what the function starts */
};

_Thread_local bool tri_inside_offload;

static void
run(uv_work_t *request)
{
    struct offload *offload = request->data;
    const struct tri_origin *before = tri_thread_set_origin(offload->origin);
    tri_inside_offload = true;
    offload->result = offload->work(offload->argument);
    tri_inside_offload = false;
    tri_thread_set_origin(before);
}

static void
come_home(uv_work_t *request, int status)
{
    struct offload *offload = request->data;
    (void)status; /* never cancelled */
    tr_message message = tr_message_pointer(offload->tag, offload->result, 0, offload->destroy);
    tr_actor *caller = tri_slots_find(&tri_actors_of(offload->worker)->slots, offload->caller);
    tri_send_system(offload->worker, caller, offload->caller, &message);
    free(offload);
}

tr_status
tr_offload(tr_actor *self, void *(*work)(void *argument), void *argument, uint32_t tag, void (*destroy)(void *result))
{
    TRI_CHECK_SELF(self);
    if (self == NULL || work == NULL)
        return TR_EINVAL;
    if (self->flags & TRI_ACTOR_GONE)
        return TR_EGONE;
    if (tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    struct offload *offload = malloc(sizeof(*offload));
    if (offload == NULL)
        return TR_ENOMEM;
    *offload = (struct offload){.worker = self->home->worker,
                                .caller = self->ref,
                                .tag = tag,
                                .work = work,
                                .argument = argument,
                                .destroy = destroy,
                                .origin = tri_thread_origin()};
    offload->request.data = offload;
    tri_thread_start_pool();
    int err = uv_queue_work(&self->home->worker->loop, &offload->request, run, come_home);
    if (err != 0)
        free(offload);
    return tri_status_from_uv(err);
}
