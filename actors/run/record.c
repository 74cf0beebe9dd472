/*
 * A message that is handled is two events, `receive` and `handled`, and costs much less than two: to read the clock
 * takes most of the time of an event, and to make the pages of a trace takes more than to fill them. So when a handler
 * returns and the worker goes on to the next message at once, the return and that receive are one moment, for which the
 * clock is read once, and one event: the receive says that the handler before it has returned (`at_once`).
 *
 * So a return is kept until it is known what comes next. It is written by itself where anything else may come first:
 * the destructor of the message, the end of the actor, a message that needs a look, the end of the slice. And where
 * not all messages are recorded, since then the next receive may not be.
 */
#include "record.h"

#include <troupe/core/clock.h>

#include "tag_names.h"

static bool
all_messages_are_recorded(const struct tri_trace_stream *stream)
{
    return (ck_pr_load_32(&stream->head.wanted) & TRI_CATEGORY_MESSAGES) != 0;
}

static bool
is_wanted(const struct tri_trace_stream *stream, tr_ref actor)
{
    return tri_trace_wants(&stream->head, TRI_CATEGORY_MESSAGES, actor);
}

TRI_NOINLINE void
tri_record_return(struct tri_actors *home)
{
    struct tri_recorded *recorded = &home->recorded;
    if (recorded->returned && is_wanted(home->worker->trace, recorded->actor))
        tri_trace_handled_at(home->worker->trace, recorded->now, recorded->actor, recorded->tag, recorded->message);
    recorded->returned = false;
    recorded->now = 0;
}

static TRI_INLINE void
receive(struct tri_actors *home, const tr_actor *actor, const tr_message *message, uint64_t now, bool wanted)
{
    struct tri_recorded *recorded = &home->recorded;
    bool at_once = recorded->returned;
    recorded->returned = false;
    recorded->actor = actor->ref;
    recorded->message = message->id;
    recorded->tag = message->tag;
    if (wanted)
        tri_trace_receive_at(home->worker->trace, now, actor->ref, at_once, message->tag, message->id);
}

TRI_NOINLINE static void
receive_carefully(struct tri_actors *home, const tr_actor *actor, const tr_message *message)
{
    if (actor->behavior->tag_name != NULL)
        tri_tag_names_note(home, actor->behavior, message->tag);
    if (!all_messages_are_recorded(home->worker->trace))
        tri_record_return(home);
    uint64_t now = home->recorded.now != 0 ? home->recorded.now : tri_ticks();
    receive(home, actor, message, now, is_wanted(home->worker->trace, actor->ref));
}

/* What is mostly the case calls no function, so the compiler saves no registers. */
TRI_NOINLINE void
tri_record_receive(struct tri_actors *home, const tr_actor *actor, const tr_message *message)
{
    uint64_t now = home->recorded.now;
    if (TRI_LIKELY(now != 0 && actor->behavior->tag_name == NULL && all_messages_are_recorded(home->worker->trace)))
        receive(home, actor, message, now, true);
    else
        receive_carefully(home, actor, message);
}
