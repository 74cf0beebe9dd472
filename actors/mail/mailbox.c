#include "mailbox.h"

#include "ledger.h"

#include <assert.h>

/* Of a limited mailbox: the weight of what waits. */
static uint32_t *
lines_of_all(const tr_actor *actor)
{
    return &tri_ledger_more_of(actor)->waiting_lines;
}

/* Where messages wait: the table in mailbox.h. Debug builds call it. */
static void
check(const tr_actor *actor)
{
#ifndef NDEBUG
    bool over = !tri_mail_list_empty(&actor->overflow);
    if (actor->flags & TRI_ACTOR_LIMITED) {
        assert(over == (actor->waiting > 1));
        assert(actor->waiting == 0 || actor->head != NULL);
        assert(*lines_of_all(actor) >= actor->waiting);
    } else if (actor->flags & TRI_ACTOR_UNBORN) {
        assert(over == (actor->waiting > 0));
    } else if ((actor->flags & TRI_ACTOR_SLOW) == 0) {
        assert(over == (actor->waiting > TRI_MAILBOX_SHARE));
    }
#else
    (void)actor;
#endif
}

static uint32_t
lines_of(const tr_message *message)
{
    size_t lines = 1 + (tr_message_size(message) + TRI_CACHE_LINE - 1) / TRI_CACHE_LINE;
    return lines < UINT32_MAX ? (uint32_t)lines : UINT32_MAX;
}

bool
tri_mailbox_has_room(const tr_actor *actor, const tr_message *message)
{
    const struct tr_mailbox_limits *limits = &actor->behavior->mailbox;
    if (actor->waiting >= (limits->messages != 0 ? limits->messages : TR_MAILBOX_DEFAULT_MESSAGES))
        return false;
    if (limits->bytes == 0 || actor->waiting == 0)
        return true; /* a message that is larger than the limit still fits into an empty mailbox */
    uint64_t lines = (uint64_t)*lines_of_all(actor) + lines_of(message);
    return lines * TRI_CACHE_LINE <= limits->bytes;
}

/* Half of its limits, or of CROWD messages if that is less. */
static bool
is_crowded(const tr_actor *actor)
{
    const struct tr_mailbox_limits *limits = &actor->behavior->mailbox;
    if (actor->waiting >= TRI_MAILBOX_CROWD ||
        (limits->messages != 0 && actor->waiting >= limits->messages - limits->messages / 2))
        return true;
    return limits->bytes != 0 && (uint64_t)*lines_of_all(actor) * TRI_CACHE_LINE >= limits->bytes - limits->bytes / 2;
}

static void
put_limited(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    mail->actor = actor;
    *lines_of_all(actor) += lines_of(&mail->message);
    if (actor->waiting++ > 0) {
        tri_mail_list_append(&actor->overflow, mail);
    } else {
        actor->head = mail;
        tri_mail_list_append(&home->queue, mail);
    }
    tri_slots_crowd(&home->slots, actor->ref, is_crowded(actor));
}

void
tri_mailbox_put(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    if (actor->flags & TRI_ACTOR_LIMITED) {
        put_limited(home, actor, mail);
    } else if ((actor->flags & TRI_ACTOR_UNBORN) != 0 || ((actor->flags & TRI_ACTOR_SLOW) != 0 && actor->waiting > 0)) {
        mail->actor = actor;
        actor->waiting++;
        tri_mailbox_put_over(home, actor, mail);
    } else {
        tri_mailbox_put_plain(home, actor, mail);
    }
    check(actor);
}

void
tri_mailbox_move_up(struct tri_actors *home, tr_actor *actor)
{
    tri_mail_list_append(&home->queue, tri_mail_list_take(&actor->overflow));
    if (TRI_UNLIKELY(actor->waiting == TRI_MAILBOX_RELIEF))
        tri_slots_crowd(&home->slots, actor->ref, false);
}

void
tri_mailbox_move_up_limited(struct tri_actors *home, tr_actor *actor, const struct tri_mail *mail)
{
    *lines_of_all(actor) -= lines_of(&mail->message);
    actor->waiting--;
    tri_slots_crowd(&home->slots, actor->ref, is_crowded(actor));
    if (actor->waiting == 0)
        return;
    actor->head = tri_mail_list_take(&actor->overflow);
    tri_mail_list_append(&home->queue, actor->head);
    check(actor);
}

void
tri_mailbox_slow_down(tr_actor *actor)
{
    actor->flags |= TRI_ACTOR_SLOW;
    if ((actor->flags & TRI_ACTOR_LIMITED) != 0)
        return; /* it has no more than one in the queue */
    actor->put_aside = NULL;
    actor->strayed = actor->waiting <= 1 ? 0 : actor->waiting < TRI_MAILBOX_SHARE ? actor->waiting : TRI_MAILBOX_SHARE;
}

void
tri_mailbox_speed_up(struct tri_actors *home, tr_actor *actor)
{
    actor->flags &= (uint16_t)~TRI_ACTOR_SLOW;
    if (actor->flags & TRI_ACTOR_LIMITED)
        return;
    for (uint32_t i = 1; i < actor->waiting && i < TRI_MAILBOX_SHARE; i++)
        tri_mailbox_move_up(home, actor);
    check(actor);
}

static void
insert_aside(tr_actor *actor, struct tri_mail *mail)
{
    bool last = actor->overflow.last_next == actor->put_aside;
    mail->next = *actor->put_aside;
    *actor->put_aside = mail;
    actor->put_aside = &mail->next;
    if (last)
        actor->overflow.last_next = &mail->next;
}

/* The first goes to the end of the queue, the others in their order before what waits in the overflow. */
bool
tri_mailbox_put_aside(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    if ((actor->flags & TRI_ACTOR_LIMITED) != 0 || actor->strayed == 0)
        return false;
    actor->strayed--;
    if (actor->put_aside != NULL) {
        insert_aside(actor, mail);
    } else {
        actor->put_aside = &actor->overflow.first;
        tri_mail_list_append(&home->queue, mail);
    }
    return true;
}

/* The oldest message makes way for the next, or for the new one, which then stands in its place. true: the latter. */
static bool
drop_oldest(tr_actor *actor, struct tri_mail *mail, struct tri_dropped *dropped)
{
    struct tri_mail *head = actor->head;
    bool alone = tri_mail_list_empty(&actor->overflow);
    struct tri_mail *next = alone ? mail : tri_mail_list_take(&actor->overflow);
    tr_message oldest = head->message;
    *lines_of_all(actor) -= lines_of(&oldest);
    *lines_of_all(actor) += alone ? lines_of(&next->message) : 0;
    actor->waiting -= alone ? 0 : 1;
    head->message = next->message;
    next->message = oldest;
    tri_mail_list_append(&dropped->mail, next);
    return alone;
}

enum tri_overflow
tri_mailbox_overflow(tr_actor *actor, struct tri_mail *mail, struct tri_dropped *dropped)
{
    if (actor->behavior->mailbox.policy != TR_MAILBOX_DROP_OLDEST) {
        dropped->reason = TR_DEAD_MAILBOX_FULL;
        tri_mail_list_append(&dropped->mail, mail);
        return TRI_OVERFLOW_DROPPED;
    }
    dropped->reason = TR_DEAD_DROPPED;
    while (!tri_mailbox_has_room(actor, &mail->message))
        if (drop_oldest(actor, mail, dropped))
            return TRI_OVERFLOW_STORED;
    return TRI_OVERFLOW_ROOM;
}
