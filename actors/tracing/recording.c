/*
 * Beginning and ending a trace while the workers run.
 *
 * What is recorded of an actor is written by its worker, so a worker begins and ends by itself, between two turns: it
 * gets an order, a message of the layer's own. One order goes to all workers, and each has a hold on it. Orders to a
 * worker are obeyed as they were sent, so who begins need not have waited for the end before.
 *
 * Begin: an actor that lives already is introduced before anything else of it is recorded (introductions.c).
 *
 * End: the recorder may be closed when every worker has left its stream. One that runs a long callback has not; then
 * the end is left unfinished (runtime->ending), and whoever asks next, or the end of the runtime, finishes it.
 *
 * O1, O2: what a worker wrote to its stream is seen by who closes it. The order's lock is between them: the worker has
 * it after it left (settle()), the closer when it sees that nobody is missing (await()).
 */
#include "recording.h"

#include "introductions.h"
#include "owed.h"
#include "post.h"
#include "tag_names.h"

#include <stdlib.h>
#include <troupe/actors/tracing.h>
#include <troupe/core/delay.h>
#include <troupe/core/recording.h>
#include <troupe/core/refcount.h>
#include <troupe/core/status_from.h>
#include <troupe/core/steps.h>

#define WAIT_NS UINT64_C(1000000000) /* a worker that needs longer is stuck */

struct tri_recording_order {
    bool begin; /* else end */
    unsigned holds;
    uv_mutex_t lock;
    uv_cond_t changed;

    /* Under the lock. */
    unsigned missing; /* workers that have not obeyed */
    bool unheard;     /* one has ended and never will */
};

/* -- An order's life. -- */

static tr_status
order_new(bool begin, struct tri_recording_order **out)
{
    struct tri_recording_order *order = calloc(1, sizeof(*order));
    if (order == NULL)
        return TR_ENOMEM;
    order->begin = begin;
    order->holds = 1;
    int error = uv_mutex_init(&order->lock);
    if (error != 0)
        goto free_order;
    error = uv_cond_init(&order->changed);
    if (error != 0)
        goto destroy_lock;
    *out = order;
    return TR_OK;

destroy_lock:
    uv_mutex_destroy(&order->lock);
free_order:
    free(order);
    return tri_status_from_uv(error);
}

static void
let_go(struct tri_recording_order *order)
{
    if (!tri_refcount_release(&order->holds))
        return;
    uv_cond_destroy(&order->changed);
    uv_mutex_destroy(&order->lock);
    free(order);
}

/* A worker has obeyed: O1. */
static void
settle(struct tri_recording_order *order)
{
    uv_mutex_lock(&order->lock);
    order->missing--;
    uv_cond_signal(&order->changed);
    uv_mutex_unlock(&order->lock);
}

static void
give_up(struct tri_recording_order *order)
{
    uv_mutex_lock(&order->lock);
    order->unheard = true;
    uv_cond_signal(&order->changed);
    uv_mutex_unlock(&order->lock);
}

/* One worker's copy of an order. */
struct copy {
    struct tri_recording_order *order;
    bool obeyed;
};

/* The destructor of the message. */
static void
drop_copy(void *address)
{
    struct copy *copy = address;
    if (!copy->obeyed)
        give_up(copy->order);
    let_go(copy->order);
    free(copy);
}

/* -- Who orders. -- */

static tr_status
send_to(tr_runtime *runtime, unsigned worker, struct tri_recording_order *order)
{
    struct copy *copy = malloc(sizeof(*copy));
    if (copy == NULL)
        return TR_ENOMEM;
    tri_refcount_hold(&order->holds);
    *copy = (struct copy){.order = order};
    uv_mutex_lock(&order->lock);
    order->missing++;
    uv_mutex_unlock(&order->lock);
    tr_message message = tr_message_pointer(TRI_TAG_RECORD, copy, sizeof(*copy), drop_copy);
    return tri_runtime_send_system(runtime, tri_ref_of(worker, 0, 1), &message); /* drops it if that fails */
}

/* What could not be sent is never obeyed. */
static tr_status
send_to_all(tr_runtime *runtime, struct tri_recording_order *order)
{
    tr_status status = TR_OK;
    for (unsigned i = 0; i < runtime->core->count; i++) {
        tr_status sent = send_to(runtime, i, order);
        status = status == TR_OK ? sent : status;
    }
    return status;
}

static bool
is_settled(struct tri_recording_order *order)
{
    uv_mutex_lock(&order->lock);
    bool settled = order->missing == 0 || order->unheard;
    uv_mutex_unlock(&order->lock);
    return settled;
}

/* Where the workers have no threads they obey in steps. */
static void
step_until_settled(struct tri_runtime *core, struct tri_recording_order *order)
{
    while (!is_settled(order) && core->stepper->step(core->stepper, tri_clock_ms())) {
    }
}

/* TR_OK: all have obeyed (O2). TR_EDEADLINE; TR_ESTOPPING. */
static tr_status
await(const tr_runtime *runtime, struct tri_recording_order *order)
{
    bool stepped = tri_runtime_is_stepped(runtime->core);
    if (stepped)
        step_until_settled(runtime->core, order);
    uint64_t ends_ns = tri_clock_now_ns() + (stepped ? 0 : WAIT_NS);
    uv_mutex_lock(&order->lock);
    for (uint64_t now_ns; order->missing > 0 && !order->unheard && (now_ns = tri_clock_now_ns()) < ends_ns;)
        uv_cond_timedwait(&order->changed, &order->lock, ends_ns - now_ns);
    tr_status status = order->missing == 0 ? TR_OK : order->unheard ? TR_ESTOPPING : TR_EDEADLINE;
    uv_mutex_unlock(&order->lock);
    return status;
}

/* A worker that is late begins when it comes to it. */
static tr_status
order_begin(tr_runtime *runtime)
{
    struct tri_recording_order *order;
    tr_status status = order_new(true, &order);
    if (status != TR_OK)
        return status;
    status = send_to_all(runtime, order);
    if (status == TR_OK)
        status = await(runtime, order);
    let_go(order);
    return status == TR_EDEADLINE ? TR_OK : status;
}

/* Sends the order to end, unless one is under way. */
static tr_status
order_end(tr_runtime *runtime)
{
    if (runtime->recording.ending != NULL)
        return TR_OK;
    struct tri_recording_order *order;
    tr_status status = order_new(false, &order);
    if (status != TR_OK)
        return status;
    status = send_to_all(runtime, order);
    if (status == TR_OK)
        runtime->recording.ending = order;
    else
        let_go(order); /* those that got it have left; the next order asks all again */
    return status;
}

static tr_status
finish_end(tr_runtime *runtime)
{
    tr_status status = await(runtime, runtime->recording.ending);
    if (status == TR_EDEADLINE)
        return status;
    let_go(runtime->recording.ending);
    runtime->recording.ending = NULL;
    if (status == TR_OK)
        tri_runtime_close_trace(runtime->core);
    return status;
}

static tr_status
begin(tr_runtime *runtime, const struct tr_trace_options *options)
{
    tr_status status = runtime->recording.ending != NULL ? finish_end(runtime) : TR_OK;
    if (status == TR_OK && tri_runtime_trace(runtime->core) != NULL)
        status = TR_EALREADY;
    if (status == TR_OK)
        status = tri_runtime_open_trace(runtime->core, options);
    if (status != TR_OK)
        return status;
    status = order_begin(runtime);
    if (status == TR_ENOMEM && order_end(runtime) == TR_OK)
        finish_end(runtime);
    return status;
}

tr_status
tr_trace_begin(tr_runtime *runtime, const struct tr_trace_options *options)
{
    if (runtime == NULL || options == NULL)
        return TR_EINVAL;
    if (tri_on_worker())
        return TR_EWRONGTHREAD;
    uv_mutex_lock(&runtime->recording.lock);
    tr_status status = begin(runtime, options);
    uv_mutex_unlock(&runtime->recording.lock);
    return status;
}

static tr_status
end(tr_runtime *runtime)
{
    if (tri_runtime_trace(runtime->core) == NULL)
        return TR_ENOTSUPPORTED;
    tr_status status = order_end(runtime);
    return status == TR_OK ? finish_end(runtime) : status;
}

tr_status
tr_trace_end(tr_runtime *runtime)
{
    if (runtime == NULL)
        return TR_EINVAL;
    if (tri_on_worker())
        return TR_EWRONGTHREAD;
    uv_mutex_lock(&runtime->recording.lock);
    tr_status status = end(runtime);
    uv_mutex_unlock(&runtime->recording.lock);
    return status;
}

void
tri_recording_forget(tr_runtime *runtime)
{
    if (runtime->recording.ending != NULL)
        let_go(runtime->recording.ending);
}

/* -- The worker obeys. -- */

static bool
obey_begin(struct tri_actors *home)
{
    if (home->worker->trace != NULL)
        return true;
    if (!tri_introductions_prepare(home))
        return false;
    if (!tri_worker_attach(home->worker)) {
        tri_introductions_fini(home);
        return true;
    }
    tri_tag_names_fini(home); /* what was recorded before was recorded in another trace */
    tri_introductions_begin(home);
    tri_owed_look_again(home);
    return true;
}

static void
obey_end(struct tri_actors *home)
{
    tri_introductions_end(home);
    tri_worker_detach(home->worker);
    tri_owed_look_again(home);
}

bool
tri_recording_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    struct copy *copy = message->payload.pointer.address;
    (void)to;
    if (!copy->order->begin)
        obey_end(home);
    else if (!obey_begin(home))
        return false;
    copy->obeyed = true;
    settle(copy->order);
    return true;
}
