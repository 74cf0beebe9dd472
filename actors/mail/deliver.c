/*
 * Delivery: what comes from other workers and from threads outside finds its actor here.
 *
 * The layer's own messages act when they arrive, ahead of whatever waits in the mailbox. A message may arrive before
 * the actor that it is for: A spawns X on another worker and tells B, and B's message overtakes the order to spawn. The
 * slot is reserved then, and an unborn actor holds the mail until X comes.
 */
#include "deliver.h"

#include "body.h"
#include "dead_letters.h"
#include "post.h"

/* There is an answer only if the actor is gone. */
bool
tri_probe_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    if (tri_slots_find(&home->slots, to) != NULL || tri_actor_is_coming(home, to))
        return true;
    tr_message notice = tr_message_copy(TRI_TAG_UNDELIVERED, &to, sizeof(to));
    return tri_send_word(home->worker, TR_NOBODY, message->payload.words[0], &notice);
}

bool
tri_actor_probe(struct tri_worker *worker, tr_ref asker, tr_ref ref)
{
    tr_message message = tr_message_copy(TRI_TAG_PROBE, &asker, sizeof(asker));
    return tri_send_system(worker, NULL, ref, &message) != TR_ENOMEM;
}

/* true: there is room for the mail now; false: it was stored or dropped. */
static bool
make_room(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    struct tri_dropped dropped;
    tr_ref ref = actor->ref;
    tri_dropped_init(&dropped);
    enum tri_overflow outcome = tri_mailbox_overflow(actor, mail, &dropped);
    tri_dead_dropped(home, ref, &dropped);
    return outcome == TRI_OVERFLOW_ROOM;
}

/* Files a message that came from afar; what is refused there becomes a dead letter. false: without memory. */
static bool
file(struct tri_actors *home, tr_actor *actor, tr_message *message)
{
    bool limited = tri_mail_is_limited(message);
    struct tri_mail *mail = tri_pool_take(&home->mail);
    if (mail == NULL)
        return false;
    mail->message = *message;
    if (TRI_UNLIKELY(limited && !tri_mailbox_has_room(actor, message)) && !make_room(home, actor, mail))
        return true;
    tri_mailbox_note(actor, &mail->message);
    tri_mailbox_put(home, actor, mail);
    return true;
}

void
tri_actors_bury(struct tri_worker *worker, tr_ref to, tr_message *message)
{
    if (tri_tag_is_own(message->tag) ||
        !tri_dead_letter(tri_actors_of(worker), to, message, TR_DEAD_NO_ACTOR)) /* its sender is dying, too */
        tr_message_drop(message);
}

/* All that is not the plain case: the layer's own messages, actors that do not simply take a message, nobody. */
TRI_NOINLINE static bool
deliver_checked(struct tri_actors *home, tr_ref to, tr_message *message)
{
    if (tri_tag_is_own(message->tag))
        return tri_system_act(home, to, message);
    tr_actor *actor = tri_actor_at(home, to);
    if (actor != NULL && (actor->flags & (TRI_ACTOR_CLOSED | TRI_ACTOR_ENDING)) == 0 && !home->killing)
        return file(home, actor, message);
    if (actor == NULL && tri_actor_is_coming(home, to))
        return false; /* there is no memory to hold its mail */
    return tri_dead_letter(home, to, message, TR_DEAD_NO_ACTOR);
}

bool
tri_actors_deliver(struct tri_worker *worker, tr_ref to, tr_message *message)
{
    struct tri_actors *home = tri_actors_of(worker);
    tr_actor *actor = tri_slots_find(&home->slots, to);
    if (TRI_UNLIKELY(message->tag >= TR_TAG_RESERVED || actor == NULL || (actor->flags & TRI_ACTOR_SLOW_PATH) != 0 ||
                     actor->waiting >= TR_MAILBOX_DEFAULT_MESSAGES))
        return deliver_checked(home, to, message);
    struct tri_mail *mail = tri_pool_take(&home->mail);
    if (TRI_UNLIKELY(mail == NULL))
        return false;
    mail->message = *message;
    tri_mailbox_note(actor, message);
    tri_mailbox_put_plain(home, actor, mail);
    return true;
}
