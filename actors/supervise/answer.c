/*
 * What a supervisor does about requests: it describes a child, or marks those that come and go, and answers when their
 * fate is known.
 */
#include "supervising.h"

#include <string.h>

/* Is the child meant by that name? By one of those that every worker has, of a worker, or all of them. */
static bool
is_named(const struct tri_child *child, const char *name)
{
    return strcmp(child->name, name) == 0 || strcmp(child->plan->name, name) == 0;
}

static bool
is_leaving(const struct tri_child *child)
{
    return !child->wanted;
}

static struct tri_child *
find_named(struct tri_supervisor *supervisor, const char *name, unsigned worker)
{
    for (struct tri_child *child = supervisor->first; child != NULL; child = child->next)
        if (is_named(child, name) && !is_leaving(child) && (child->worker == worker || strcmp(child->name, name) == 0))
            return child;
    return NULL;
}

static void
describe(struct tri_supervisor *supervisor, struct tri_request *request)
{
    unsigned worker =
        request->asker != TR_NOBODY ? tr_ref_worker(request->asker) : supervisor->self->home->worker->index;
    const struct tri_child *child = find_named(supervisor, request->name, worker);
    if (child != NULL)
        tri_child_describe(child, &request->answer);
    tri_request_refuse(supervisor->self->home->worker, request, child != NULL ? TR_OK : TR_EGONE);
}

static void
remove_child(struct tri_supervisor *supervisor, struct tri_request *request)
{
    request->pending = 1; /* so that it is not answered before all are marked */
    request->answer.status = TR_EGONE;
    for (struct tri_child *child = supervisor->first; child != NULL; child = child->next) {
        if (!is_named(child, request->name) || is_leaving(child))
            continue;
        tri_child_describe(child, &request->answer);
        request->answer.status = TR_OK;
        request->pending++;
        child->removing = request;
        child->down = true;
        child->wanted = false;
    }
    if (--request->pending == 0)
        tri_request_answer(supervisor->self->home->worker, request);
}

/* The names of children that every worker has begin with the name itself. */
static bool
is_taken(struct tri_supervisor *supervisor, const struct tri_child_plan *plan)
{
    for (struct tri_child *child = supervisor->first; child != NULL; child = child->next)
        if (!is_leaving(child) && (is_named(child, plan->name) || strcmp(child->plan->name, plan->name) == 0))
            return true;
    return false;
}

/* Of a request that failed in the middle: none of them is to be. */
static void
withdraw(struct tri_supervisor *supervisor, struct tri_request *request)
{
    for (struct tri_child *child = supervisor->first; child != NULL; child = child->next)
        if (child->adding == request)
            child->wanted = false;
}

static void
add_child(struct tri_supervisor *supervisor, struct tri_request *request)
{
    const struct tri_child_plan *plan = &request->plan->children[0];
    struct tri_worker *worker = supervisor->self->home->worker;
    if (supervisor->phase == TRI_SUPERVISOR_ENDING || is_taken(supervisor, plan)) {
        tri_request_refuse(worker, request, supervisor->phase == TRI_SUPERVISOR_ENDING ? TR_ESTOPPING : TR_ENAMETAKEN);
        return;
    }
    request->pending = 1;
    if (!tri_children_new(supervisor, request->plan, plan, request)) {
        request->answer.status = TR_ENOMEM;
        withdraw(supervisor, request);
    }
    if (--request->pending == 0)
        tri_request_answer(worker, request);
}

void
tri_supervisor_serve(struct tri_supervisor *supervisor, struct tri_request *request)
{
    switch (request->kind) {
    case TRI_REQUEST_ADD: add_child(supervisor, request); break;
    case TRI_REQUEST_REMOVE: remove_child(supervisor, request); break;
    case TRI_REQUEST_CHILD: describe(supervisor, request); break;
    }
}
