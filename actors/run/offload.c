/*
 * Offloading: a blocking function runs in libuv's pool, its result comes home as a message.
 *
 * The request belongs to the worker's loop, so the result is handed over on the worker, and the runtime's end waits for
 * functions that still run. Those that have not begun when the worker kills what is left are cancelled: their requests
 * come home without having run. So each worker knows its requests, in a list.
 *
 * Where the workers have no threads (steps.h) there is no pool either: the functions in the list wait for a step that
 * runs one of them.
 */
#include "offload.h"

#include "dead_letters.h"

#include <stddef.h>
#include <stdlib.h>
#include <troupe/core/status_from.h>
#include <troupe/core/steps.h>
#include <troupe/core/thread.h>

struct tri_offload {
    uv_work_t request;
    struct tri_actors *home;
    struct tri_offload *next, *previous; /* of the same worker */
    tr_ref caller;
    struct tr_job job;
    void *result;
    struct tri_owed owed;            /* the result */
    const struct tri_origin *origin; /* the worker's: for what the function starts */
};

_Thread_local bool tri_inside_offload;

static void
run(uv_work_t *request)
{
    struct tri_offload *offload = request->data;
    const struct tri_origin *before = tri_thread_set_origin(offload->origin);
    tri_inside_offload = true;
    offload->result = offload->job.work(offload->job.argument);
    tri_inside_offload = false;
    tri_thread_set_origin(before);
}

static void
link_to_home(struct tri_offload *offload)
{
    struct tri_actors *home = offload->home;
    offload->next = home->offloads;
    if (offload->next != NULL)
        offload->next->previous = offload;
    home->offloads = offload;
}

static void
unlink_from_home(struct tri_offload *offload)
{
    if (offload->previous != NULL)
        offload->previous->next = offload->next;
    else
        offload->home->offloads = offload->next;
    if (offload->next != NULL)
        offload->next->previous = offload->previous;
}

static tr_message
result_of(const struct tri_offload *offload)
{
    return tr_message_pointer(offload->job.tag, offload->result, 0, offload->job.destroy);
}

static struct tri_offload *
offload_of(struct tri_owed *owed)
{
    return TRI_CONTAINER_OF(owed, struct tri_offload, owed);
}

static bool
send_result(struct tri_worker *worker, struct tri_owed *owed)
{
    struct tri_offload *offload = offload_of(owed);
    tr_message message = result_of(offload);
    if (!tri_post_or_bury(worker, offload->caller, offload->caller, &message))
        return false;
    free(offload);
    return true;
}

static void
forget_result(struct tri_owed *owed)
{
    struct tri_offload *offload = offload_of(owed);
    tr_message message = result_of(offload);
    tr_message_drop(&message);
    free(offload);
}

static void
come_back(struct tri_offload *offload)
{
    struct tri_worker *worker = offload->home->worker;
    offload->owed = (struct tri_owed){.send = send_result, .forget = forget_result, .to = offload->caller};
    if (!send_result(worker, &offload->owed))
        tri_owe(worker, &offload->owed);
}

/* It never ran. */
static void
give_up(const struct tri_offload *offload)
{
    const struct tr_job *job = &offload->job;
    offload->home->cancelled++;
    if (job->cancel != NULL)
        job->cancel(job->argument);
    else if (job->destroy != NULL)
        job->destroy(NULL);
}

static void
come_home_without(struct tri_offload *offload)
{
    unlink_from_home(offload);
    give_up(offload);
    free(offload);
}

static void
come_home(uv_work_t *request, int status)
{
    struct tri_offload *offload = request->data;
    if (status == UV_ECANCELED) {
        come_home_without(offload);
        return;
    }
    unlink_from_home(offload);
    come_back(offload);
}

static bool
is_stepped(const struct tri_actors *home)
{
    return tri_runtime_is_stepped(home->worker->runtime);
}

unsigned
tri_offloads_count(const struct tri_actors *home)
{
    unsigned count = 0;
    for (const struct tri_offload *offload = home->offloads; offload != NULL; offload = offload->next)
        count++;
    return count;
}

/* Out of the list first: the function may make calls that step the workers. */
void
tri_offload_run(struct tri_actors *home, unsigned number)
{
    struct tri_offload *offload = home->offloads;
    for (; number > 0; number--)
        offload = offload->next;
    unlink_from_home(offload);
    run(&offload->request);
    tri_step_begin(home->worker);
    come_back(offload);
    tri_step_end(home->worker);
}

void
tri_offloads_cancel(struct tri_actors *home)
{
    while (is_stepped(home) && home->offloads != NULL)
        come_home_without(home->offloads);
    for (struct tri_offload *offload = home->offloads; offload != NULL; offload = offload->next)
        uv_cancel((uv_req_t *)&offload->request); /* of no effect on one that has begun */
}

static tr_status
check(const tr_actor *self, const struct tr_job *job)
{
    if (self == NULL || job == NULL || job->work == NULL)
        return TR_EINVAL;
    if (self->flags & TRI_ACTOR_GONE)
        return TR_EGONE;
    if (job->tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    return self->home->killing ? TR_ESTOPPING : TR_OK;
}

tr_status
tr_offload_job(tr_actor *self, const struct tr_job *job)
{
    TRI_CHECK_SELF(self);
    tr_status status = check(self, job);
    if (status != TR_OK)
        return status;
    struct tri_offload *offload = malloc(sizeof(*offload));
    if (offload == NULL)
        return TR_ENOMEM;
    *offload =
        (struct tri_offload){.home = self->home, .caller = self->ref, .job = *job, .origin = tri_thread_origin()};
    offload->request.data = offload;
    int err = 0;
    if (!is_stepped(self->home)) {
        tri_thread_start_pool();
        err = uv_queue_work(&self->home->worker->loop, &offload->request, run, come_home);
    }
    if (err == 0)
        link_to_home(offload);
    else
        free(offload);
    return tri_status_from_uv(err);
}

tr_status
tr_offload(tr_actor *self, void *(*work)(void *argument), void *argument, uint32_t tag, void (*destroy)(void *result))
{
    TRI_CHECK_SELF(self);
    struct tr_job job = {.work = work, .argument = argument, .tag = tag, .destroy = destroy};
    return tr_offload_job(self, &job);
}
