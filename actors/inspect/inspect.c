/*
 * What can be asked of a runtime from outside.
 */
#include <troupe/actors/inspect.h>

#include "inquiry.h"
#include "survey.h"

/* -- Actors. -- */

static bool
visit_portion(const struct tri_portion *portion, bool (*visit)(void *, const struct tr_actor_info *), void *context)
{
    for (uint32_t i = 0; i < portion->count; i++)
        if (!visit(context, &portion->actors[i]))
            return false;
    return true;
}

/* *on: visit wants more. */
static tr_status
visit_worker(struct tri_inquiry *inquiry, unsigned worker, bool (*visit)(void *, const struct tr_actor_info *),
             void *context, bool *on)
{
    uint32_t from = TRI_FIRST_SLOT;
    while (*on && from != 0) {
        struct tri_portion *portion;
        tr_status status = tri_inquiry_ask(inquiry, worker, from, &portion);
        if (status != TR_OK)
            return status;
        *on = visit_portion(portion, visit, context);
        from = portion->next;
        tri_portion_free(portion);
    }
    return TR_OK;
}

static tr_status
check(const tr_runtime *runtime, bool has_visit)
{
    if (runtime == NULL || !has_visit)
        return TR_EINVAL;
    return tri_on_worker() ? TR_EWRONGTHREAD : TR_OK;
}

tr_status
tr_inspect_actors(tr_runtime *runtime, bool (*visit)(void *context, const struct tr_actor_info *info), void *context)
{
    tr_status status = check(runtime, visit != NULL), first = TR_OK;
    struct tri_inquiry inquiry;
    if (status == TR_OK)
        status = tri_inquiry_init(&inquiry, runtime);
    if (status != TR_OK)
        return status;
    bool on = true;
    for (unsigned i = 0; on && status != TR_ENOMEM && i < runtime->core->count; i++) {
        status = visit_worker(&inquiry, i, visit, context, &on);
        first = first == TR_OK || status == TR_ENOMEM ? status : first;
    }
    tri_inquiry_fini(&inquiry);
    return first;
}

/* -- Workers. -- */

static bool
add_waiting(void *context, const struct tr_actor_info *info)
{
    uint64_t *waiting = context;
    *waiting += info->waiting;
    return true;
}

static tr_status
survey(struct tri_inquiry *inquiry, unsigned worker, struct tr_worker_info *info)
{
    bool on = true;
    uint64_t waiting = 0;
    tr_status status = visit_worker(inquiry, worker, add_waiting, &waiting, &on);
    *info = tri_worker_describe(inquiry->runtime, worker, status == TR_EDEADLINE, waiting);
    return status == TR_ENOMEM ? status : TR_OK;
}

tr_status
tr_inspect_workers(tr_runtime *runtime, bool (*visit)(void *context, const struct tr_worker_info *info), void *context)
{
    struct tr_worker_info info;
    struct tri_inquiry inquiry;
    tr_status status = check(runtime, visit != NULL);
    if (status == TR_OK)
        status = tri_inquiry_init(&inquiry, runtime);
    if (status != TR_OK)
        return status;
    for (unsigned i = 0; i < runtime->core->count; i++) {
        status = survey(&inquiry, i, &info);
        if (status != TR_OK || !visit(context, &info))
            break;
    }
    tri_inquiry_fini(&inquiry);
    return status;
}
