/*
 * Posting: to an actor of this worker straight into its mailbox, to another worker's through the lane, from threads
 * outside through the inbox. All sends go through here but the fast path of tr_send().
 *
 * Nothing here buries a message: what is refused stays the caller's, and what a full mailbox drops is handed to the
 * caller. So dead letters can be reported by posting. (What a thread outside could not send has its dead letter in the
 * trace alone.)
 *
 * A message gets its name for the trace here, before anybody can receive it.
 */
#include "post.h"

#include "body.h"
#include "memory.h"
#include "owed.h"

#include <ck_pr.h>
#include <stdlib.h>

/* A question that is forwarded is sent in the name of who asked; the trace says first who forwards it. */
static tr_ref
sender_of(struct tri_worker *worker, const tr_message *message)
{
    bool forwarded = tri_is_question(message) && message->id == 0;
    if (!forwarded)
        return message->from;
    tr_ref forwarder = tri_actors_of(worker)->forwarder;
    tri_trace_forward(worker->trace, forwarder, message->tag);
    return forwarder;
}

void
tri_post_name(struct tri_worker *worker, tr_message *message)
{
    if (tri_tag_is_own(message->tag))
        return;
    tr_ref sender = sender_of(worker, message);
    if (message->id == 0)
        message->id = tri_trace_message_id(worker->trace);
    tri_trace_send(worker->trace, sender, tri_actors_of(worker)->paying, message->tag, message->id);
}

/* The actor that takes a message to `to` here. Returns: TR_OK; TR_EGONE; TR_ENOMEM. */
static tr_status
receiver_of(struct tri_actors *home, tr_ref to, tr_actor **out)
{
    tr_actor *actor = *out = tri_actor_at(home, to);
    if (actor == NULL || (actor->flags & (TRI_ACTOR_CLOSED | TRI_ACTOR_ENDING)) != 0)
        return actor == NULL && tri_actor_is_coming(home, to) ? TR_ENOMEM : TR_EGONE;
    return TR_OK;
}

static tr_status
post_here(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message)
{
    struct tri_actors *home = tri_actors_of(worker);
    tr_actor *actor;
    tr_status status = receiver_of(home, to, &actor);
    if (status != TR_OK)
        return status;
    struct tri_mail *mail = tri_pool_take(&home->mail);
    if (mail == NULL)
        return TR_ENOMEM;
    tri_post_fill(worker, &mail->message, from, message);
    tri_mailbox_note(actor, &mail->message);
    tri_mailbox_put(home, actor, mail);
    return TR_OK;
}

static tr_status
post_here_limited(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message, struct tri_dropped *dropped)
{
    struct tri_actors *home = tri_actors_of(worker);
    tr_actor *actor;
    tr_status status = receiver_of(home, to, &actor);
    if (status != TR_OK)
        return status;
    bool full = !tri_mailbox_has_room(actor, message);
    if (full && tri_mailbox_refuses(actor, message))
        return TR_EFULL;
    if (tri_memory_refuses(worker, to, message))
        return tri_memory_refuse(worker);
    struct tri_mail *mail = tri_pool_take(&home->mail);
    if (mail == NULL)
        return TR_ENOMEM;
    tri_post_fill(worker, &mail->message, from, message);
    tri_mailbox_note(actor, &mail->message);
    if (!full || tri_mailbox_overflow(actor, mail, dropped) == TRI_OVERFLOW_ROOM)
        tri_mailbox_put(home, actor, mail);
    return TR_OK;
}

static tr_status
post_away_limited(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message)
{
    if (tri_memory_refuses(worker, to, message))
        return tri_memory_refuse(worker);
    return tri_post_away(worker, from, to, message, false);
}

static bool
may_post(struct tri_worker *worker, tr_ref to, const tr_message *message)
{
    return (message->kind & TR_PAYLOAD_KINDS) < TR_PAYLOAD_INVALID && !tri_owed_blocks(tri_actors_of(worker), to);
}

/* The layer's own messages are orders, and not counted. */
static void
count(struct tri_worker *worker, uint32_t tag)
{
    worker->counters.sent += !tri_tag_is_own(tag);
}

tr_status
tri_post(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message)
{
    if (!may_post(worker, to, message))
        return TR_ENOMEM;
    uint32_t tag = message->tag;
    tr_status status = tri_ref_worker(to) == worker->index ? post_here(worker, from, to, message)
                                                           : tri_post_away(worker, from, to, message, true);
    if (status == TR_OK)
        count(worker, tag);
    return status;
}

tr_status
tri_post_limited(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message, struct tri_dropped *dropped)
{
    if (!may_post(worker, to, message))
        return TR_ENOMEM;
    uint32_t tag = message->tag;
    tr_status status = tri_ref_worker(to) == worker->index ? post_here_limited(worker, from, to, message, dropped)
                                                           : post_away_limited(worker, from, to, message);
    if (status == TR_OK)
        count(worker, tag);
    return status;
}

bool
tri_system_act(struct tri_actors *home, tr_ref to, tr_message *message)
{
    bool done = home->system[message->tag - TRI_TAG_SPAWN](home, to, message);
    if (done)
        tr_message_drop(message);
    return done;
}

bool
tri_system_here(struct tri_worker *worker, tr_ref to, tr_message *message)
{
    return tri_system_act(tri_actors_of(worker), to, message);
}

/* Whom a message meant that comes back; by a message, since others wait which the sender is to handle before. */
static tr_status
give_notice(struct tri_worker *worker, tr_ref sender, tr_ref meant)
{
    tr_message notice = tr_message_copy(TRI_TAG_UNDELIVERED, &meant, sizeof(meant));
    return tri_post(worker, TR_NOBODY, sender, &notice);
}

bool
tri_send_word(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message)
{
    if (tri_tag_is_own(message->tag) && tri_ref_worker(to) == worker->index)
        return tri_system_here(worker, to, message);
    tr_status status = tri_post(worker, from, to, message);
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
    tr_status status = tri_post(worker, self != NULL ? self->ref : TR_NOBODY, to, message);
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

/* Words with memory of their own. */

static bool
send_word(struct tri_worker *worker, struct tri_owed *owed)
{
    struct tri_word *word = (struct tri_word *)owed;
    void (*done)(struct tri_word *) = word->done; /* first: the receiver may free it at once */
    tr_message message = word->message;
    if (!tri_send_word(worker, word->from, owed->to, &message))
        return false;
    if (done != NULL)
        done(word);
    return true;
}

static void
forget_word(struct tri_owed *owed)
{
    struct tri_word *word = (struct tri_word *)owed;
    void (*done)(struct tri_word *) = word->done;
    tr_message message = word->message;
    tr_message_drop(&message);
    if (done != NULL)
        done(word);
}

void
tri_word_free(struct tri_word *word)
{
    free(word);
}

void
tri_word_send(struct tri_worker *worker, struct tri_word *word, tr_ref from, tr_ref to, tr_message message)
{
    word->owed = (struct tri_owed){.send = send_word, .forget = forget_word, .to = to};
    word->from = from;
    word->message = message;
    if (!send_word(worker, &word->owed))
        tri_owe(worker, &word->owed);
}

tr_status
tri_post_outside(tr_runtime *runtime, tr_ref to, tr_message *message, bool urgent)
{
    struct tri_runtime *core = runtime->core;
    if (!tri_ref_is_of(core, to))
        return TR_EBADREF;
    if ((message->kind & TR_PAYLOAD_KINDS) >= TR_PAYLOAD_INVALID)
        return TR_ENOMEM;
    message->from = TR_NOBODY;
    message->id = 0;
    struct tri_trace *trace = tri_runtime_trace(core);
    if (trace != NULL && !tri_tag_is_own(message->tag)) {
        message->id = tri_trace_message_id_outside(trace);
        tri_trace_send_outside(trace, TR_NOBODY, false, message->tag, message->id);
    }
    tr_status status = tri_worker_post(core->workers[tri_ref_worker(to)], to, message, urgent);
    if (status == TR_OK)
        *message = tr_message_signal(message->tag);
    else if (message->id != 0)
        tri_trace_dead_letter_outside(trace, to, status == TR_ESTOPPING ? TR_DEAD_NO_ACTOR : TR_DEAD_MAILBOX_FULL,
                                      message->id);
    return status;
}

tr_status
tri_runtime_send_system(tr_runtime *runtime, tr_ref to, tr_message *message)
{
    bool counts = !tri_tag_is_own(message->tag);
    tr_status status = tri_post_outside(runtime, to, message, true);
    if (status != TR_OK)
        tr_message_drop(message);
    else if (counts)
        ck_pr_inc_64(&runtime->sent_outside);
    return status;
}
