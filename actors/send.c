/*
 * Sending: to an actor of this worker straight into its mailbox, to another worker's through the lane, from threads
 * outside through the inbox.
 *
 * A message gets its name for the trace here, before anybody can receive it.
 */
#include "mailbox.h"

#include <ck_pr.h>

/* Gives the message its name in the trace. */
TRI_NOINLINE static void
name(struct tri_worker *worker, tr_message *message)
{
    if (tri_tag_is_own(message->tag))
        return;
    message->id = tri_trace_message_id(worker->trace);
    tri_trace(worker->trace, TRI_TRACE_ACTORS_send, 0, message->tag, message->from, message->id);
}

/* Moves a message into its envelope, and leaves the caller's empty. */
static inline void
fill(struct tri_worker *worker, tr_message *to, tr_ref from, tr_message *message)
{
    to->from = from;
    to->id = 0;
    tri_message_move(to, message);
    if (TRI_UNLIKELY(worker->trace != NULL))
        name(worker, to);
    message->kind = TR_PAYLOAD_BYTES;
    message->size = 0;
}

static tr_status
send_here(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message, bool limited)
{
    struct tri_actors *home = tri_actors_of(worker);
    tr_actor *actor = tri_actor_at(home, to);
    if (actor == NULL || (actor->flags & (TRI_ACTOR_CLOSED | TRI_ACTOR_ENDING)) != 0)
        return actor == NULL && tri_actor_is_coming(home, to) ? TR_ENOMEM : TR_EGONE;
    bool full = limited && !tri_mailbox_has_room(actor, message);
    if (full && actor->behavior->mailbox.policy == TR_MAILBOX_REFUSE)
        return TR_EFULL;
    struct tri_mail *mail = tri_pool_take(&home->mail);
    if (mail == NULL)
        return TR_ENOMEM;
    fill(worker, &mail->message, from, message);
    /* A full mailbox that drops a message, this or the oldest, rather than refuse it. */
    if (!full || !tri_mailbox_overflow(home, actor, mail))
        tri_mailbox_put(home, actor, mail);
    return TR_OK;
}

static tr_status
send_away(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message, bool limited)
{
    unsigned target = tri_ref_worker(to);
    if (TRI_UNLIKELY(target >= worker->runtime->count))
        return TR_EBADREF;
    struct tri_envelope *envelope;
    tr_status status = tri_worker_stage(worker, target, !limited, &envelope);
    if (TRI_UNLIKELY(status != TR_OK))
        return status;
    envelope->to = to;
    fill(worker, &envelope->message, from, message);
    tri_worker_commit(worker, target);
    return TR_OK;
}

/* `limited`: the limits of mailboxes and lanes hold. The layer's own messages are orders, and not counted. */
static tr_status
send_from(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message, bool limited)
{
    if (message->kind >= TR_PAYLOAD_INVALID || tri_owed_blocks(tri_actors_of(worker), to))
        return TR_ENOMEM;
    bool counts = !tri_tag_is_own(message->tag);
    tr_status status = tri_ref_worker(to) == worker->index ? send_here(worker, from, to, message, limited)
                                                           : send_away(worker, from, to, message, limited);
    if (status == TR_OK)
        worker->counters.sent += counts;
    return status;
}

/* All that is not the plain case of tr_send(), refusals included. */
TRI_NOINLINE static tr_status
send_checked(tr_actor *self, tr_ref to, tr_message *message)
{
    if (self == NULL || message == NULL)
        return TR_EINVAL;
    struct tri_worker *worker = self->home->worker;
    tr_status status = to == TR_NOBODY                   ? TR_EBADREF
                       : message->tag >= TR_TAG_RESERVED ? TR_EBADTAG
                                                         : send_from(worker, self->ref, to, message, true);
    worker->counters.refused += status != TR_OK;
    return status;
}

/* The plain case of a message for another worker: there is nothing to look at before it is staged. */
TRI_NOINLINE static tr_status
send_plain_away(tr_actor *self, tr_ref to, tr_message *message)
{
    struct tri_actors *home = self->home;
    if (TRI_UNLIKELY(to == TR_NOBODY || home->owing != 0))
        return send_checked(self, to, message);
    struct tri_worker *worker = home->worker;
    tr_status status = send_away(worker, self->ref, to, message, true);
    if (TRI_LIKELY(status == TR_OK))
        worker->counters.sent++;
    else
        worker->counters.refused++;
    return status;
}

/*
 * The plain case, a message for an actor of this worker that takes it without more ado, is the library's shortest way
 * and keeps to itself: it calls nothing, so that it saves no registers.
 */
tr_status
tr_send(tr_actor *self, tr_ref to, tr_message *message)
{
    TRI_CHECK_SELF(self);
    if (TRI_UNLIKELY(self == NULL || message == NULL || message->tag >= TR_TAG_RESERVED ||
                     message->kind >= TR_PAYLOAD_INVALID))
        return send_checked(self, to, message);
    struct tri_actors *home = self->home;
    if (TRI_UNLIKELY(tri_ref_worker(to) != home->slots.worker))
        return send_plain_away(self, to, message);
    tr_actor *actor = tri_slots_find(&home->slots, to);
    if (TRI_UNLIKELY(actor == NULL || (actor->flags & TRI_ACTOR_PARTICULAR) != 0 ||
                     actor->waiting >= TR_MAILBOX_DEFAULT_MESSAGES))
        return send_checked(self, to, message);
    struct tri_worker *worker = home->worker;
    if (TRI_UNLIKELY(home->careful || home->mail.free == NULL))
        return send_checked(self, to, message);

    struct tri_mail *mail = tri_pool_take(&home->mail);
    mail->message.from = self->ref;
    mail->message.id = 0;
    tri_message_move(&mail->message, message);
    message->kind = TR_PAYLOAD_BYTES;
    message->size = 0;
    tri_mailbox_put_plain(home, actor, mail);
    worker->counters.sent++;
    return TR_OK;
}

static void
bury(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message, tr_status status)
{
    worker->counters.sent++; /* and dead at once: a refusal is what a caller hears of */
    message->from = from;
    message->id = 0; /* it has no name in the trace */
    tri_dead_user_letter(tri_actors_of(worker), to, message,
                         status == TR_EFULL ? TR_DEAD_MAILBOX_FULL : TR_DEAD_NO_ACTOR);
}

bool
tri_send_or_bury(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message, bool limited)
{
    tr_status status = send_from(worker, from, to, message, limited);
    if (status == TR_ENOMEM)
        return false;
    if (status != TR_OK)
        bury(worker, from, to, message, status);
    return true;
}

/* Whom a message meant that comes back; by a message, since others wait which the sender is to handle before. */
static tr_status
give_notice(struct tri_worker *worker, tr_ref sender, tr_ref meant)
{
    tr_message notice = tr_message_copy(TRI_TAG_UNDELIVERED, &meant, sizeof(meant));
    return send_from(worker, TR_NOBODY, sender, &notice, false);
}

bool
tri_send_word(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message)
{
    if (tri_tag_is_own(message->tag) && tri_ref_worker(to) == worker->index)
        return tri_system_here(worker, to, message);
    tr_status status = send_from(worker, from, to, message, false);
    bool comes_back = status == TR_EGONE && message->tag >= TRI_TAG_TOLD && from != TR_NOBODY;
    if (status == TR_ENOMEM || (comes_back && give_notice(worker, from, to) == TR_ENOMEM))
        return false;
    if (status != TR_OK)
        tr_message_drop(message);
    return true;
}

tr_status
tri_send_system_or_keep(struct tri_worker *worker, tr_actor *self, tr_ref to, tr_message *message)
{
    if (to == TR_NOBODY)
        return TR_EBADREF;
    if (tri_tag_is_own(message->tag) && tri_ref_worker(to) == worker->index)
        return tri_system_here(worker, to, message) ? TR_OK : TR_ENOMEM;
    tr_status status = send_from(worker, self != NULL ? self->ref : TR_NOBODY, to, message, false);
    if (TRI_UNLIKELY(status == TR_EGONE) && message->tag >= TRI_TAG_TOLD && self != NULL && self->waiting > 0 &&
        give_notice(worker, self->ref, to) == TR_OK) {
        tr_message_drop(message);
        return TR_OK;
    }
    return status;
}

tr_status
tri_send_system(struct tri_worker *worker, tr_actor *self, tr_ref to, tr_message *message)
{
    tr_status status = tri_send_system_or_keep(worker, self, to, message);
    if (TRI_UNLIKELY(status != TR_OK))
        tr_message_drop(message);
    return status;
}

size_t
tr_backlog(tr_actor *self, tr_ref to)
{
    TRI_CHECK_SELF(self);
    unsigned target = tri_ref_worker(to);
    if (self == NULL || target >= self->home->worker->runtime->count)
        return 0;
    const struct tri_worker *worker = self->home->worker, *receiver = worker->runtime->workers[target];
    size_t under_way = target != worker->index ? tri_worker_backlog(worker, target) : 0;
    return under_way + tri_slots_crowded(&tri_actors_of(receiver)->slots, to);
}

/* From outside. */

static tr_status
post(tr_runtime *runtime, tr_ref to, tr_message *message, bool urgent)
{
    struct tri_runtime *core = runtime->core;
    if (to == TR_NOBODY || tri_ref_worker(to) >= core->count)
        return TR_EBADREF;
    if (message->kind >= TR_PAYLOAD_INVALID)
        return TR_ENOMEM;
    message->from = TR_NOBODY;
    message->id = 0;
    if (core->trace != NULL && !tri_tag_is_own(message->tag)) {
        message->id = tri_trace_message_id_outside(core->trace);
        tri_trace_write_outside(core->trace, TRI_TRACE_ACTORS_send, 0, message->tag, TR_NOBODY, message->id);
    }
    tr_status status = tri_worker_post(core->workers[tri_ref_worker(to)], to, message, urgent);
    if (status == TR_OK)
        *message = tr_message_signal(message->tag);
    else if (message->id != 0)
        tri_trace_write_outside(core->trace, TRI_TRACE_ACTORS_dead_letter, 0,
                                status == TR_ESTOPPING ? TR_DEAD_NO_ACTOR : TR_DEAD_MAILBOX_FULL, to, message->id);
    return status;
}

tr_status
tr_runtime_send(tr_runtime *runtime, tr_ref to, tr_message *message)
{
    if (runtime == NULL || message == NULL)
        return TR_EINVAL;
    if (message->tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    if (tri_runtime_phase(runtime->core) != TRI_RUNNING)
        return TR_ESTOPPING;
    return post(runtime, to, message, false);
}

tr_status
tri_runtime_send_system(tr_runtime *runtime, tr_ref to, tr_message *message)
{
    bool counts = !tri_tag_is_own(message->tag);
    tr_status status = post(runtime, to, message, true);
    if (status != TR_OK)
        tr_message_drop(message);
    else if (counts)
        ck_pr_inc_64(&runtime->sent_outside);
    return status;
}

/* Stops are messages of the layer's own. */

tr_status
tr_stop(tr_actor *self, tr_ref actor, enum tr_stop_mode how)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || how > TR_STOP_KILL)
        return TR_EINVAL;
    tr_message message = tr_message_copy(TRI_TAG_STOP, &(uint64_t){how}, sizeof(uint64_t));
    return tri_send_system(self->home->worker, self, actor, &message);
}

tr_status
tr_runtime_stop_actor(tr_runtime *runtime, tr_ref actor, enum tr_stop_mode how)
{
    if (runtime == NULL || how > TR_STOP_KILL)
        return TR_EINVAL;
    tr_message message = tr_message_copy(TRI_TAG_STOP, &(uint64_t){how}, sizeof(uint64_t));
    return tri_runtime_send_system(runtime, actor, &message);
}
