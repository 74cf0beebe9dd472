#include "chain.h"
#include <stdlib.h>
#include <string.h>

#include "backward.h"
#include "bad_input.h"
#include "cause.h"
#include "merge.h"

#define RECORD const struct tri_trace_record

static enum role
role_of(const struct trace *trace, RECORD *record)
{
    return (enum role)trace->metadata->roles[record->id];
}

/* -- The message itself. -- */

/* By what a message, or a parcel, is sent. */
static bool
sends(const struct link *link, enum role role)
{
    return link->parcel ? role_sends_parcel(role) : role == ROLE_send;
}

static bool
ends(const struct link *link, enum role role)
{
    return link->parcel ? role_ends_parcel(role) : role == ROLE_receive || role == ROLE_dead_letter;
}

static void
note_end(struct link *link, enum role role, RECORD *record)
{
    link->received = true;
    link->dead = role == ROLE_dead_letter || role == ROLE_cluster_lost;
    link->receiver = record->actor;
    link->receive_time = record->timestamp;
    if (link->dead)
        link->reason = record->arg;
    else
        link->tag = record->arg;
}

static void
note_send(struct link *link, const struct stream *stream, RECORD *record)
{
    link->sent = true;
    link->stream = stream->number;
    link->tag = record->arg;
    link->sender = record->actor;
    link->send_time = record->timestamp;
}

/* Of an event of the message's own, or of the worker that handles it. */
static void
note_event(struct link *link, const struct stream **handling, const struct stream *stream, enum role role,
           RECORD *record)
{
    if (*handling == stream && !link->done && ends_work(role)) {
        link->done = true;
        link->done_time = record->timestamp;
    }
    if (record->message != link->message)
        return;
    if (sends(link, role) && !link->sent)
        note_send(link, stream, record);
    else if (ends(link, role) && !link->received)
        note_end(link, role, record);
    if (role == ROLE_receive && !link->parcel && *handling == NULL)
        *handling = stream;
}

static bool
find_message(struct link *link, const struct trace *trace)
{
    struct merge merge;
    RECORD *record;
    const struct stream *stream, *handling = NULL;
    merge_init(&merge, trace);
    while ((record = merge_next(&merge, &stream)) != NULL && (!link->sent || !link->done))
        note_event(link, &handling, stream, role_of(trace, record), record);
    merge_fini(&merge);
    return link->sent || link->received;
}

/* -- What led to it. -- */

/* A parcel's id tells the process alone. */
static void
find_send_of_parcel(struct link *link, const struct trace *trace)
{
    struct merge merge;
    RECORD *record;
    const struct stream *stream;
    merge_init(&merge, trace);
    while (!link->sent && (record = merge_next(&merge, &stream)) != NULL) {
        if (sends(link, role_of(trace, record)) && record->message == link->message)
            note_send(link, stream, record);
    }
    merge_fini(&merge);
}

static void
find_send(struct link *link, const struct trace *trace)
{
    const struct stream *stream = trace_stream(trace, TRI_TRACE_MESSAGE_STREAM(link->message));
    struct backward backward;
    RECORD *record;
    if (stream == NULL)
        return;
    backward_init(&backward, trace, stream, link->receive_time);
    while (!link->sent && (record = backward_next(&backward)) != NULL) {
        if (role_of(trace, record) == ROLE_send && record->message == link->message)
            note_send(link, stream, record);
    }
    backward_fini(&backward);
}

/* Goes back to the send of a message; false: it is not there. */
static bool
go_back_to_send(struct backward *backward, const struct link *link)
{
    RECORD *record;
    while ((record = backward_next(backward)) != NULL) {
        if (sends(link, role_of(backward->trace, record)) && record->message == link->message)
            return true;
    }
    return false;
}

/*
 * Goes back to the beginning of an actor's work; false: the worker turned away before. The work of one that is born in
 * another's work begins in that.
 */
static bool
go_back_to_begin(struct chain *chain, struct backward *backward, uint64_t actor)
{
    RECORD *record;
    bool found = false;
    while ((record = backward_next(backward)) != NULL) {
        enum role role = role_of(backward->trace, record);
        if (begins_work(role) && record->actor == actor) {
            found = true;
            chain->role = role;
            chain->event = *record;
            if (role != ROLE_spawn || record->message == 0 || record->message == actor)
                return true;
            actor = record->message;
            continue;
        }
        if (ends_work(role))
            return found;
    }
    return found;
}

static bool
find_begin(struct chain *chain, const struct trace *trace, const struct link *link)
{
    const struct stream *stream = trace_stream(trace, link->stream);
    struct backward backward;
    if (stream == NULL)
        return false;
    backward_init(&backward, trace, stream, link->send_time);
    bool found = go_back_to_send(&backward, link) && go_back_to_begin(chain, &backward, link->sender);
    backward_fini(&backward);
    return found;
}

static struct link *
add_link(struct chain *chain, uint64_t message, bool parcel)
{
    size_t count = chain->count;
    if ((count & (count - 1)) == 0) /* a power of two: full */
        chain->links = must_realloc(chain->links, count > 0 ? count * 2 : 1, sizeof(*chain->links));
    chain->links[count] = (struct link){.message = message, .parcel = parcel};
    return &chain->links[chain->count++];
}

/* The link before the last one; false: there is none, and chain->origin says why. */
static bool
go_back(struct chain *chain, const struct trace *trace)
{
    struct link link = chain->links[chain->count - 1];
    chain->origin = !link.sent ? ORIGIN_unsent : link.sender == 0 ? ORIGIN_outside : ORIGIN_unknown;
    if (chain->origin != ORIGIN_unknown || !find_begin(chain, trace, &link))
        return false;
    chain->origin = ORIGIN_event;
    bool parcel = role_ends_parcel(chain->role);
    if ((chain->role != ROLE_receive && !parcel) || chain->event.message == 0)
        return false;
    struct link *before = add_link(chain, chain->event.message, parcel);
    note_end(before, chain->role, &chain->event);
    before->done = true;
    before->done_time = link.send_time;
    if (parcel)
        find_send_of_parcel(before, trace);
    else
        find_send(before, trace);
    return true;
}

bool
chain_find(struct chain *chain, const struct trace *trace, uint64_t message, bool parcel, size_t most)
{
    memset(chain, 0, sizeof(*chain));
    if (!find_message(add_link(chain, message, parcel), trace)) {
        chain_fini(chain);
        return false;
    }
    while (chain->count < most && go_back(chain, trace))
        continue;
    if (chain->count == most)
        chain->origin = ORIGIN_far;
    return true;
}

void
chain_fini(struct chain *chain)
{
    free(chain->links);
}
