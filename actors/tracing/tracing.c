#include "actor_internal.h"

#include <troupe/actors/tracing.h>
#include <troupe/core/clock.h>
#include <troupe/core/trace.h>

_Static_assert((int)TR_TRACE_MESSAGES == TRI_CATEGORY_MESSAGES && (int)TR_TRACE_ACTORS == TRI_CATEGORY_ACTORS &&
                   (int)TR_TRACE_TIMERS == TRI_CATEGORY_TIMERS && (int)TR_TRACE_WORKERS == TRI_CATEGORY_WORKERS &&
                   (int)TR_TRACE_SERVERS == TRI_CATEGORY_SERVERS && (int)TR_TRACE_SOCKETS == TRI_CATEGORY_SOCKETS &&
                   (int)TR_TRACE_MARKS == TRI_CATEGORY_MARKS && (int)TR_TRACE_ALL == TRI_CATEGORY_ALL,
               "the categories are the recorder's");

_Static_assert((int)TR_TRACE_ACTOR_AS_OTHERS == TRI_TRACE_AS_OTHERS && (int)TR_TRACE_ACTOR_ON == TRI_TRACE_ON &&
                   (int)TR_TRACE_ACTOR_OFF == TRI_TRACE_OFF,
               "what is recorded of an actor is the recorder's");

TRI_NOINLINE static void
mark(const struct tri_worker *worker, tr_ref actor, const char *text, uint64_t number)
{
    struct tri_trace_stream *stream = worker->trace;
    if (!tri_trace_wants((const struct tri_trace_head *)stream, TRI_CATEGORY_MARKS, actor))
        return;
    uint32_t name = tri_trace_name_again(tri_runtime_trace(worker->runtime), stream, text != NULL ? text : "");
    tri_trace_mark_at(stream, tri_ticks(), actor, name, number);
}

void
tr_trace_mark(const tr_actor *self, const char *text, uint64_t number)
{
    TRI_CHECK_SELF(self);
    if (self != NULL && TRI_UNLIKELY(self->home->worker->trace != NULL))
        mark(self->home->worker, self->ref, text, number);
}

void
tr_runtime_trace_mark(tr_runtime *runtime, const char *text, uint64_t number)
{
    struct tri_trace *trace = runtime != NULL ? tri_runtime_trace(runtime->core) : NULL;
    if (trace != NULL && tri_trace_wants((const struct tri_trace_head *)trace, TRI_CATEGORY_MARKS, TR_NOBODY))
        tri_trace_mark_outside(trace, TR_NOBODY, tri_trace_name(trace, text != NULL ? text : ""), number);
}

static tr_status
check(const tr_runtime *runtime)
{
    if (runtime == NULL)
        return TR_EINVAL;
    return tri_runtime_trace(runtime->core) != NULL ? TR_OK : TR_ENOTSUPPORTED;
}

tr_status
tr_trace_categories(tr_runtime *runtime, unsigned categories)
{
    if ((categories & ~(unsigned)TR_TRACE_ALL) != 0)
        return TR_EINVAL;
    tr_status status = check(runtime);
    if (status == TR_OK)
        tri_trace_switch_categories(tri_runtime_trace(runtime->core), categories);
    return status;
}

tr_status
tr_trace_actor(tr_runtime *runtime, tr_ref actor, enum tr_trace_actor how)
{
    if (runtime == NULL || (unsigned)how > TR_TRACE_ACTOR_OFF)
        return TR_EINVAL;
    if (!tri_ref_is_of(runtime->core, actor))
        return TR_EBADREF;
    tr_status status = check(runtime);
    return status == TR_OK ? tri_trace_switch_actor(tri_runtime_trace(runtime->core), actor, (enum tri_trace_switch)how)
                           : status;
}

tr_status
tr_trace_snapshot(tr_runtime *runtime, const char *directory)
{
    if (directory == NULL)
        return TR_EINVAL;
    tr_status status = check(runtime);
    return status == TR_OK ? tri_trace_snapshot(tri_runtime_trace(runtime->core), directory) : status;
}
