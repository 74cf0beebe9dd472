#include "messages.h"
#include <stdlib.h>

#include "bad_input.h"

#define STREAMS (TRI_TRACE_OUTSIDE + 1u)

void
messages_init(struct messages *messages)
{
    flight_init(&messages->flying);
    messages->sent = must_calloc(STREAMS, sizeof(*messages->sent));
    table_init(&messages->early, sizeof(bool));
}

void
messages_fini(struct messages *messages)
{
    flight_fini(&messages->flying);
    for (size_t i = 0; i < STREAMS; i++)
        spans_fini(&messages->sent[i]);
    free(messages->sent);
    table_fini(&messages->early);
}

static struct spans *
sent_of(const struct messages *messages, uint64_t id)
{
    return &messages->sent[TRI_TRACE_MESSAGE_STREAM(id)];
}

static bool
was_sent(const struct messages *messages, uint64_t id)
{
    return spans_has(sent_of(messages, id), TRI_TRACE_MESSAGE_COUNT(id)) != SPANS_NO;
}

static bool
was_early(const struct messages *messages, uint64_t id)
{
    return messages->early.count > 0 && table_get(&messages->early, id, 0) != NULL;
}

bool
messages_send(struct messages *messages, uint64_t id, const struct sending *sending)
{
    if (was_sent(messages, id))
        return false;
    spans_add(sent_of(messages, id), TRI_TRACE_MESSAGE_COUNT(id));
    if (was_early(messages, id))
        table_remove(&messages->early, id, 0);
    else if (id != 0)
        flight_put(&messages->flying, id, sending);
    return true;
}

bool
messages_will_be_sent(const struct messages *messages, const struct spans *sent, uint64_t id)
{
    return sent != NULL && !was_sent(messages, id) && spans_has(sent, TRI_TRACE_MESSAGE_COUNT(id)) == SPANS_YES;
}

static enum ending
end_early(struct messages *messages, uint64_t id)
{
    if (was_early(messages, id))
        return ENDING_REPEATED;
    if (messages->early.count < MOST_EARLY)
        table_put(&messages->early, id, 0);
    return ENDING_UNSENT;
}

enum ending
messages_end(struct messages *messages, uint64_t id, struct sending *sending)
{
    if (flight_take(&messages->flying, id, sending))
        return ENDING_RIGHT;
    if (!was_sent(messages, id))
        return end_early(messages, id);
    return messages->flying.forgotten > 0 ? ENDING_FORGOTTEN : ENDING_REPEATED;
}

void
messages_return(struct messages *messages, uint64_t id, const struct sending *sending)
{
    if (was_early(messages, id))
        table_remove(&messages->early, id, 0);
    else if (!was_sent(messages, id))
        return;
    struct sending returned = *sending;
    returned.returned = true;
    flight_put(&messages->flying, id, &returned);
}

void
messages_mark(struct messages *messages, uint64_t id)
{
    struct sending *sending = flight_find(&messages->flying, id);
    if (sending != NULL)
        sending->marked = true;
}
