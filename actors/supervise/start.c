/*
 * The public ways to start a supervisor: as an actor of an actor, or from a thread outside, which waits until all
 * children have started.
 */
#include "outsider.h"
#include "spawning.h"
#include "supervising.h"

void
tri_supervisor_started(struct tri_supervisor *supervisor, tr_status status)
{
    struct tri_outsider *waiter = supervisor->waiter;
    supervisor->waiter = NULL;
    if (waiter != NULL)
        tri_outsider_let_go(waiter, status);
}

tr_status
tr_supervisor_spawn(tr_actor *self, const struct tr_supervisor_options *options, tr_ref *out)
{
    tr_ref ignored;
    TRI_CHECK_SELF(self);
    if (self == NULL || options == NULL)
        return TR_EINVAL;
    if (self->flags & TRI_ACTOR_GONE)
        return TR_EGONE;
    const struct tri_runtime *core = self->home->worker->runtime;
    tr_status status = tri_spawn_check(core, &tri_supervisor_behavior, &options->spawn);
    if (status == TR_OK)
        status = tri_plan_check(core, options);
    if (status != TR_OK)
        return status;
    struct tr_spawn_options spawn = options->spawn;
    spawn.argument = tri_plan_new(options);
    if (spawn.argument == NULL)
        return TR_ENOMEM;
    return tri_spawn_releasing(self, &tri_supervisor_behavior, &spawn, tri_plan_release, out != NULL ? out : &ignored);
}

/* The plan is the caller's. */
static tr_status
spawn_and_wait(tr_runtime *runtime, const struct tr_spawn_options *options, struct tri_plan *plan, tr_ref *out)
{
    struct tri_outsider waiter;
    struct tr_spawn_options spawn = *options;
    tr_status status = tri_outsider_init(&waiter, runtime->core);
    if (status != TR_OK)
        return status;
    spawn.argument = plan;
    plan->waiter = &waiter;
    tr_ref ref;
    status = tr_runtime_spawn(runtime, &tri_supervisor_behavior, &spawn, &ref);
    if (status == TR_OK)
        status = tri_outsider_wait(&waiter);
    tri_outsider_fini(&waiter);
    if (status == TR_OK && out != NULL)
        *out = ref;
    return status;
}

tr_status
tr_runtime_spawn_supervisor(tr_runtime *runtime, const struct tr_supervisor_options *options, tr_ref *out)
{
    if (runtime == NULL || options == NULL)
        return TR_EINVAL;
    if (tri_on_worker())
        return TR_EWRONGTHREAD;
    tr_status status = tri_spawn_check(runtime->core, &tri_supervisor_behavior, &options->spawn);
    if (status == TR_OK)
        status = tri_plan_check(runtime->core, options);
    if (status != TR_OK)
        return status;
    struct tri_plan *plan = tri_plan_new(options);
    if (plan == NULL)
        return TR_ENOMEM;
    status = spawn_and_wait(runtime, &options->spawn, plan, out);
    tri_plan_release(plan);
    return status;
}
