#include "plan.h"

#include "spawning.h"
#include "supervising.h"

#include <stdlib.h>
#include <string.h>
#include <troupe/core/refcount.h>

#define DEFAULT_STOP_MS 5000u
#define REGISTERED_SIZE (TR_NAME_SIZE - 8u) /* with the number of a worker it still is a name */
#define NESTED 64u                          /* supervisors in options of supervisors: more is taken for a circle */

static tr_status check_options(const struct tri_runtime *runtime, const struct tr_supervisor_options *options,
                               unsigned nested);

static tr_status
check_name(const char *name)
{
    if (name == NULL || name[0] == '\0' || strnlen(name, TR_CHILD_NAME_SIZE) == TR_CHILD_NAME_SIZE)
        return TR_EBADNAME;
    return strchr(name, '/') == NULL ? TR_OK : TR_EBADNAME; /* that makes the names of those that every worker has */
}

static tr_status
check_registered(const char *name)
{
    return name == NULL || (name[0] != '\0' && strnlen(name, REGISTERED_SIZE) < REGISTERED_SIZE) ? TR_OK : TR_EBADNAME;
}

static tr_status
check_spawn(const struct tri_runtime *runtime, const struct tr_child_spec *spec, const struct tr_behavior *behavior)
{
    struct tr_spawn_options options = {.placement = spec->placement,
                                       .worker = spec->worker,
                                       .with = spec->with,
                                       .key = spec->key,
                                       .argument = spec->argument,
                                       .argument_size = spec->argument_size};
    return behavior != NULL ? tri_spawn_check(runtime, behavior, &options) : TR_EBADBEHAVIOR;
}

static tr_status
check_child(const struct tri_runtime *runtime, const struct tr_child_spec *spec, unsigned nested)
{
    tr_status status = check_name(spec->name);
    if (status == TR_OK)
        status = check_registered(spec->registered);
    if (status != TR_OK)
        return status;
    if (spec->restart > TR_RESTART_TEMPORARY || spec->stop > TR_STOP_KILL)
        return TR_EINVAL;
    if (spec->supervisor == NULL)
        return check_spawn(runtime, spec, spec->behavior);
    if (spec->behavior != NULL)
        return TR_EBADBEHAVIOR;
    if (spec->argument != NULL)
        return TR_EINVAL;
    status = check_spawn(runtime, spec, &tri_supervisor_behavior);
    return status == TR_OK ? check_options(runtime, spec->supervisor, nested + 1) : status;
}

static tr_status
check_limits(const struct tr_supervisor_options *options)
{
    if (options->limit.restarts > TRI_RESTARTS_MOST || (options->limit.restarts > 0 && options->limit.within_ms == 0))
        return TR_EBADLIMIT;
    const struct tr_backoff *backoff = &options->backoff;
    return backoff->most_ms != 0 && backoff->most_ms < backoff->first_ms ? TR_EBADLIMIT : TR_OK;
}

static bool
has_twins(const struct tr_supervisor_options *options, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(options->children[i].name, options->children[index].name) == 0)
            return true;
    return false;
}

static tr_status
check_options(const struct tri_runtime *runtime, const struct tr_supervisor_options *options, unsigned nested)
{
    if (options->strategy > TR_REST_FOR_ONE || (options->children == NULL && options->child_count > 0) ||
        options->spawn.argument != NULL)
        return TR_EINVAL;
    tr_status status = nested <= NESTED ? check_limits(options) : TR_EBADLIMIT;
    for (size_t i = 0; status == TR_OK && i < options->child_count; i++) {
        status = check_child(runtime, &options->children[i], nested);
        if (status == TR_OK && has_twins(options, i))
            status = TR_ENAMETAKEN;
    }
    return status;
}

tr_status
tri_plan_check(const struct tri_runtime *runtime, const struct tr_supervisor_options *options)
{
    return check_options(runtime, options, 0);
}

tr_status
tri_plan_check_child(const struct tri_runtime *runtime, const struct tr_child_spec *spec)
{
    return check_child(runtime, spec, 0);
}

/* Copying. */

static bool
copy_argument(struct tri_child_plan *child, const struct tr_child_spec *spec)
{
    child->argument = spec->argument;
    child->argument_size = spec->argument_size;
    if (spec->argument_size == 0)
        return true;
    child->argument = child->copy = malloc(spec->argument_size);
    if (child->copy == NULL)
        return false;
    memcpy(child->copy, spec->argument, spec->argument_size);
    return true;
}

static uint32_t
stop_timeout(const struct tr_child_spec *spec)
{
    if (spec->stop_timeout_ms != 0)
        return spec->stop_timeout_ms;
    return spec->supervisor != NULL ? TR_STOP_FOREVER : DEFAULT_STOP_MS;
}

/* false: without memory, and what there is is the plan's. */
static bool
copy_child(struct tri_child_plan *child, const struct tr_child_spec *spec)
{
    *child = (struct tri_child_plan){.behavior = spec->behavior,
                                     .placement = spec->placement,
                                     .worker = spec->worker,
                                     .with = spec->with,
                                     .key = spec->key,
                                     .one_each_worker = spec->one_each_worker,
                                     .keep_mailbox = spec->keep_mailbox,
                                     .restart = spec->restart,
                                     .stop = spec->stop,
                                     .stop_timeout_ms = stop_timeout(spec)};
    memcpy(child->name, spec->name, strlen(spec->name));
    if (spec->registered != NULL)
        memcpy(child->registered, spec->registered, strlen(spec->registered));
    if (spec->supervisor == NULL)
        return copy_argument(child, spec);
    child->supervisor = tri_plan_new(spec->supervisor);
    return child->supervisor != NULL;
}

struct tri_plan *
tri_plan_new(const struct tr_supervisor_options *options)
{
    struct tri_plan *plan = calloc(1, sizeof(*plan) + options->child_count * sizeof(plan->children[0]));
    if (plan == NULL)
        return NULL;
    plan->holds = 1;
    plan->strategy = options->strategy;
    plan->limit = tri_restart_limit(options->limit);
    plan->backoff = tri_backoff(options->backoff);
    while (plan->count < options->child_count) {
        size_t next = plan->count++;
        if (!copy_child(&plan->children[next], &options->children[next])) {
            tri_plan_release(plan);
            return NULL;
        }
    }
    return plan;
}

void
tri_plan_hold(struct tri_plan *plan)
{
    tri_refcount_hold(&plan->holds);
}

void
tri_plan_release(void *address)
{
    struct tri_plan *plan = address;
    if (plan == NULL || !tri_refcount_release(&plan->holds))
        return;
    for (size_t i = 0; i < plan->count; i++) {
        free(plan->children[i].copy);
        tri_plan_release(plan->children[i].supervisor);
    }
    free(plan);
}
