/*
 * Dead letters: messages that nobody received. Counted, traced, and told to the subscriber if there is one.
 *
 * What tells about them are notices, which the library sends because of traffic: so they obey the limits of lanes and
 * of the subscriber's mailbox, and one that nobody receives is no dead letter itself, which would be one more of the
 * same message, but a lost notice. The other kind, to the sender of a message that must come back, is one for each that
 * it sent, and without a limit: the layer above ends things by it.
 *
 * The subscriber is one word for the whole runtime, so that any worker may read it at any moment.
 */
#include "actor_internal.h"

#include <ck_pr.h>

static void
tell_subscriber(struct tri_actors *home, tr_ref to, const tr_message *message, enum tr_dead_reason reason)
{
    tr_ref subscriber = ck_pr_load_64(&tri_runtime_of(home)->subscriber);
    if (subscriber == TR_NOBODY || subscriber == to)
        return;
    struct tr_dead_letter letter = {to, message->from, message->tag, reason};
    tr_message notice = tr_message_copy(TR_TAG_DEAD_LETTER, &letter, sizeof(letter));
    tri_send_or_bury(home->worker, TR_NOBODY, subscriber, &notice, true);
}

static void
tell_sender(struct tri_actors *home, tr_ref to, const tr_message *message)
{
    if (TRI_LIKELY(message->tag < TRI_TAG_TOLD) || message->from == TR_NOBODY)
        return;
    tr_message notice = tr_message_copy(TRI_TAG_UNDELIVERED, &to, sizeof(to));
    tri_send_system(home->worker, NULL, message->from, &notice);
}

static bool
is_notice(uint32_t tag)
{
    return tag == TR_TAG_DEAD_LETTER || tag == TRI_TAG_UNDELIVERED;
}

void
tri_dead_letter(struct tri_actors *home, tr_ref to, tr_message *message, enum tr_dead_reason reason)
{
    tri_trace(home->worker->trace, TRI_TRACE_ACTORS_dead_letter, 0, reason, to, message->id);
    if (is_notice(message->tag)) {
        home->worker->counters.notices_lost++;
    } else {
        home->worker->counters.dead_letters++;
        if (message->from == TR_NOBODY)
            tri_outside_read(home->worker, message);
        tell_subscriber(home, to, message, reason);
        tell_sender(home, to, message);
    }
    tr_message_drop(message);
}

void
tri_actor_bounce(tr_actor *actor, tr_message *message)
{
    tri_dead_letter(actor->home, actor->ref, message, TR_DEAD_STOPPED);
}

tr_status
tr_dead_letters_subscribe(struct tr_runtime *runtime, tr_ref subscriber)
{
    if (runtime == NULL)
        return TR_EINVAL;
    if (subscriber != TR_NOBODY && tri_ref_worker(subscriber) >= runtime->core->count)
        return TR_EBADREF;
    ck_pr_store_64(&runtime->subscriber, subscriber);
    return TR_OK;
}
