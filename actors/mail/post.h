/*
 * Posting messages, with limits and without (post.c). Thread: owner of the worker, unless a function says more.
 */
#ifndef TROUPE_ACTORS_POST_H
#define TROUPE_ACTORS_POST_H

#include "mailbox.h"
#include "question.h"

/*
 * Posts a message. Nothing limits it: neither the mailbox nor the lane. Takes the message if it returns TR_OK, else it
 * is still the caller's. Returns: TR_OK; TR_EGONE; TR_EBADREF; TR_ENOMEM.
 */
tr_status tri_post(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message);

/*
 * The same within the limits of mailboxes and lanes. `dropped`: what a full mailbox has dropped for this message; the
 * caller buries it. Returns TR_EFULL, too.
 */
tr_status tri_post_limited(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message,
                           struct tri_dropped *dropped);

/* Posts a word of the layer's own, or of the one above, and drops what is refused. false: without memory. */
bool tri_send_word(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message);

/* From threads that are no workers. Thread: any. Returns as tri_worker_post(), and TR_EBADREF. */
tr_status tri_post_outside(tr_runtime *runtime, tr_ref to, tr_message *message, bool urgent);

/* Does what a message of the layer's own says, on this worker. false: without memory, and nothing has happened. */
bool tri_system_act(struct tri_actors *home, tr_ref to, tr_message *message);
bool tri_system_here(struct tri_worker *worker, tr_ref to, tr_message *message);

/* Gives the message its name in the trace. */
void tri_post_name(struct tri_worker *worker, tr_message *message);

/* Moves a message into its envelope, and leaves the caller's empty. */
static inline void
tri_post_fill(struct tri_worker *worker, tr_message *to, tr_ref from, tr_message *message)
{
    to->from = from;
    to->id = TRI_UNLIKELY(tri_is_question(message)) ? message->id : 0;
    tri_message_move(to, message);
    if (TRI_UNLIKELY(worker->trace != NULL))
        tri_post_name(worker, to);
    message->kind = TR_PAYLOAD_BYTES;
    message->size = 0;
}

/* The two functions below, which differ in how careful the worker is. */
static TRI_INLINE tr_actor *
tri_post_plain_as(struct tri_actors *home, enum tri_careful careful, tr_ref from, tr_ref to, uint64_t id,
                  tr_message *message)
{
    tr_actor *actor = tri_slots_find(&home->slots, to);
    if (TRI_UNLIKELY(actor == NULL || (actor->flags & TRI_ACTOR_SLOW_PATH) != 0 ||
                     actor->waiting >= TR_MAILBOX_DEFAULT_MESSAGES))
        return NULL;
    if (TRI_UNLIKELY(home->careful != careful || home->mail.free == NULL))
        return NULL;
    struct tri_mail *mail = tri_pool_take(&home->mail);
    mail->message.from = from;
    mail->message.id = careful == TRI_CAREFUL_RECORDS ? tri_trace_message_id(home->worker->trace) : id;
    tri_message_move(&mail->message, message);
    message->kind = TR_PAYLOAD_BYTES;
    message->size = 0;
    tri_mailbox_put_plain(home, actor, mail);
    return actor;
}

/*
 * The plain case of a message to an actor of this worker, which calls no function, so that the compiler saves no
 * registers. Gives the actor; NULL: it is not the plain case, and nothing has happened.
 */
static inline tr_actor *
tri_post_plain(struct tri_actors *home, tr_ref from, tr_ref to, uint64_t id, tr_message *message)
{
    return tri_post_plain_as(home, TRI_CAREFUL_NOT, from, to, id, message);
}

/* The same on a worker that records, of a message that is no question or answer. It has its name in the trace, and the
 * caller does what else is to do and then calls the second: a call that comes last needs no saved registers either. */
static inline tr_actor *
tri_post_recorded(struct tri_actors *home, tr_ref from, tr_ref to, tr_message *message)
{
    return tri_post_plain_as(home, TRI_CAREFUL_RECORDS, from, to, 0, message);
}

static inline void
tri_post_record(struct tri_trace_stream *stream, tr_ref from, uint32_t tag)
{
    tri_trace_send(stream, from, false, tag, TRI_TRACE_MESSAGE(stream->number, stream->messages));
}

/* The same of a question or an answer, which is looked at before it is handled, and of which the limit of a plain
 * actor's mailbox is the only one. */
static TRI_INLINE bool
tri_post_plain_looked_at(struct tri_actors *home, tr_ref from, tr_ref to, tr_message *message)
{
    if (tri_ref_worker(to) != home->slots.worker)
        return false;
    tr_actor *actor = tri_post_plain(home, from, to, message->id, message);
    if (actor == NULL)
        return false;
    actor->flags |= TRI_ACTOR_LOOK;
    home->worker->counters.sent++;
    return true;
}

/*
 * Puts a message into the lane to another worker; urgent: beyond the limit of the lane. Returns as tri_worker_stage(),
 * and TR_EBADREF.
 */
static inline tr_status
tri_post_away(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message, bool urgent)
{
    unsigned target = tri_ref_worker(to);
    if (TRI_UNLIKELY(target >= worker->runtime->count))
        return TR_EBADREF;
    struct tri_envelope *envelope;
    tr_status status = tri_worker_stage(worker, target, urgent, &envelope);
    if (TRI_UNLIKELY(status != TR_OK))
        return status;
    envelope->to = to;
    tri_post_fill(worker, &envelope->message, from, message);
    tri_worker_commit(worker, target);
    return TR_OK;
}

#endif
