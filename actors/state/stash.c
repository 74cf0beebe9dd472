/*
 * The stash: messages that an actor has set aside, and brings back before all that waits for it.
 *
 * What waits for an actor stands in its worker's queue, up to a share, where nothing can be put before it (mailbox.h).
 * So what is brought back waits in a list of its own, `front`. When mail of the actor comes up in the queue it goes to
 * the end of that list, and the first of the list is handled in its place. All that is in the front list is older than
 * all that is in the mailbox, so the order holds. When nothing else waits for the actor, the list is put into the
 * mailbox.
 *
 *   set aside --tr_unstash()--> front --mail of the actor comes up--> handled
 *                                     --the mailbox is empty--------> mailbox
 *
 * When the actor ends it all becomes dead letters; but if it rests, and its mailbox is kept for its next life, so is
 * what it has set aside, before the rest.
 *
 * A message that comes back was read before: it does not count as read again (TRI_MAIL_READ). If it is a question it is
 * one again, and if it is an answer it answers again (TRI_MAIL_ANSWERED); both with the deadline that they had.
 */
#include "stash.h"

#include "ask.h"
#include "dead_letters.h"
#include "mailbox.h"
#include "rest.h"

#include <stdlib.h>
#include <troupe/actors/become.h>

struct tri_stash {
    struct tri_attachment attachment; /* first */
    tr_actor *actor;
    struct tri_mail_list aside, front;
    size_t count, limit; /* of those set aside */
};

static void
move_all(struct tri_mail_list *from, struct tri_mail_list *to)
{
    while (!tri_mail_list_empty(from))
        tri_mail_list_append(to, tri_mail_list_take(from));
}

/* All that the actor has here: what was set aside is older than what was brought back and has not been handled. */
static void
gather(struct tri_stash *stash, struct tri_mail_list *all)
{
    tri_mail_list_init(all);
    move_all(&stash->aside, all);
    move_all(&stash->front, all);
}

static void
on_end(struct tri_attachment *attachment, const struct tri_death *death)
{
    struct tri_stash *stash = (struct tri_stash *)attachment;
    tr_actor *actor = stash->actor;
    struct tri_mail_list all;
    (void)death;
    tri_detach(attachment);
    tri_extra_of(actor)->stash = NULL;
    gather(stash, &all);
    free(stash);
    if (tri_rest_keeps_mailbox(actor) && !tri_mail_list_empty(&all))
        tri_mailbox_put_before(actor->home, actor, &all);
    while (!tri_mail_list_empty(&all))
        tri_dead_mail(actor->home, actor->ref, tri_mail_list_take(&all), TR_DEAD_STOPPED);
}

/* NULL: without memory. */
static struct tri_stash *
stash_of(tr_actor *actor)
{
    struct tri_extra *extra = tri_extra_make(actor);
    if (extra == NULL || extra->stash != NULL)
        return extra != NULL ? extra->stash : NULL;
    struct tri_stash *stash = calloc(1, sizeof(*stash));
    if (stash == NULL)
        return NULL;
    stash->actor = actor;
    stash->limit = TR_STASH_DEFAULT;
    stash->attachment.end = on_end;
    tri_mail_list_init(&stash->aside);
    tri_mail_list_init(&stash->front);
    tri_actor_attach(actor, &stash->attachment);
    extra->stash = stash;
    return stash;
}

/* It has not been received after all. */
static void
set_aside(tr_actor *self, struct tri_stash *stash, struct tri_mail *mail, tr_message *message)
{
    struct tri_worker *worker = self->home->worker;
    mail->message = *message;
    tri_work_restore(self, message, &mail->message);
    if (message->from == TR_NOBODY)
        mail->message.kind |= TRI_MAIL_READ;
    *message = tr_message_signal(message->tag);
    tri_mail_list_append(&stash->aside, mail);
    stash->count++;
    worker->activity.received--;
    tri_trace_stash(worker->trace, self->ref, mail->message.id);
}

tr_status
tr_stash(tr_actor *self, tr_message *message)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || message == NULL)
        return TR_EINVAL;
    if (self->flags & TRI_ACTOR_GONE)
        return TR_EGONE;
    struct tri_stash *stash = stash_of(self);
    if (stash == NULL || !tri_message_spare_word(message))
        return TR_ENOMEM;
    if (stash->count >= stash->limit)
        return TR_EFULL;
    struct tri_mail *mail = tri_pool_take(&self->home->mail);
    if (mail == NULL)
        return TR_ENOMEM;
    set_aside(self, stash, mail, message);
    return TR_OK;
}

/* Nothing else waits: what was brought back is the mailbox. */
static void
put_front(tr_actor *actor, struct tri_stash *stash)
{
    while (!tri_mail_list_empty(&stash->front)) {
        struct tri_mail *mail = tri_mail_list_take(&stash->front);
        tri_mailbox_note(actor, &mail->message);
        tri_mailbox_put(actor->home, actor, mail);
    }
}

size_t
tr_unstash(tr_actor *self)
{
    TRI_CHECK_SELF(self);
    const struct tri_extra *extra = self != NULL ? tri_extra_of(self) : NULL;
    struct tri_stash *stash = extra != NULL ? extra->stash : NULL;
    if (stash == NULL || stash->count == 0)
        return 0;
    size_t count = stash->count;
    struct tri_mail_list all;
    gather(stash, &all);
    move_all(&all, &stash->front);
    stash->count = 0;
    if (self->waiting == 0)
        put_front(self, stash);
    else
        self->flags |= TRI_ACTOR_LOOK;
    return count;
}

struct tri_mail *
tri_stash_pass(tr_actor *actor, struct tri_mail *mail)
{
    const struct tri_extra *extra = tri_extra_of(actor);
    struct tri_stash *stash = extra != NULL ? extra->stash : NULL;
    if (stash == NULL || tri_mail_list_empty(&stash->front))
        return mail;
    if (mail->message.from == TR_NOBODY)
        mail->message.kind |= TRI_MAIL_READ;
    tri_mail_list_append(&stash->front, mail);
    struct tri_mail *first = tri_mail_list_take(&stash->front);
    if (actor->waiting == 0)
        put_front(actor, stash);
    else
        actor->flags |= TRI_ACTOR_LOOK;
    return first;
}

tr_status
tr_stash_limit(tr_actor *self, size_t messages)
{
    TRI_CHECK_SELF(self);
    if (self == NULL)
        return TR_EINVAL;
    if (messages == 0)
        return TR_EBADLIMIT;
    if (self->flags & TRI_ACTOR_GONE)
        return TR_EGONE;
    struct tri_stash *stash = stash_of(self);
    if (stash == NULL)
        return TR_ENOMEM;
    stash->limit = messages;
    return TR_OK;
}
