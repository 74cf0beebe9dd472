#include "mailbox.h"

#include "box.h"
#include "extra.h"
#include "ledger.h"
#include "mute.h"
#include "relief.h"

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
    if (tri_actor_rests(actor)) {
        assert(over == (actor->waiting > actor->strayed));
    } else if (actor->flags & TRI_ACTOR_MUTED) {
        assert(over == (actor->waiting > tri_extra_of(actor)->mute.queued));
    } else if (actor->flags & TRI_ACTOR_LIMITED) {
        assert(over == (actor->waiting > 1));
        assert((actor->waiting == 0) == (actor->head == NULL));
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

/* Limits: of all messages, and of those with one tag. */

/* Is there room beside what waits, without `leaving`, of which there may be none (NULL)? */
static bool
has_space(const tr_actor *actor, const tr_message *message, const tr_message *leaving)
{
    const struct tr_mailbox_limits *limits = &actor->behavior->mailbox;
    uint32_t waiting = actor->waiting - (leaving != NULL);
    if (waiting >= (limits->messages != 0 ? limits->messages : TR_MAILBOX_DEFAULT_MESSAGES))
        return false;
    if (limits->bytes == 0 || waiting == 0)
        return true; /* a message that is larger than the limit still fits into an empty mailbox */
    uint64_t lines = (uint64_t)*lines_of_all(actor) + lines_of(message) - (leaving != NULL ? lines_of(leaving) : 0);
    return lines * TRI_CACHE_LINE <= limits->bytes;
}

/* The number of the limit of its tag; tag_count: it has none. */
static size_t
tag_of(const tr_actor *actor, const tr_message *message)
{
    const struct tr_mailbox_limits *limits = &actor->behavior->mailbox;
    size_t i = tri_mail_is_limited(message) ? 0 : limits->tag_count;
    while (i < limits->tag_count && limits->tags[i].tag != message->tag)
        i++;
    return i;
}

/* What is known of its tag, if that has a limit; else NULL. */
static struct tri_tag_count *
count_of(tr_actor *actor, const tr_message *message)
{
    size_t i = tag_of(actor, message);
    return TRI_UNLIKELY(i < actor->behavior->mailbox.tag_count) ? &tri_actor_box(actor)->tags[i] : NULL;
}

/* The limit that keeps one more message with its tag out; NULL: none does. */
static const struct tr_tag_limit *
tag_limit(tr_actor *actor, const tr_message *message, struct tri_mail **last)
{
    const struct tr_mailbox_limits *limits = &actor->behavior->mailbox;
    size_t i = tag_of(actor, message);
    if (TRI_LIKELY(i == limits->tag_count))
        return NULL;
    const struct tri_tag_count *count = &tri_actor_box(actor)->tags[i];
    *last = count->last;
    return count->waiting >= limits->tags[i].most ? &limits->tags[i] : NULL;
}

bool
tri_mailbox_has_room(tr_actor *actor, const tr_message *message)
{
    struct tri_mail *last;
    return has_space(actor, message, NULL) && tag_limit(actor, message, &last) == NULL;
}

bool
tri_mailbox_refuses(tr_actor *actor, const tr_message *message)
{
    struct tri_mail *last = NULL;
    const struct tr_tag_limit *limit = tag_limit(actor, message, &last);
    if (limit != NULL && limit->policy != TR_TAG_KEEP_LAST)
        return limit->policy == TR_TAG_REFUSE;
    return actor->behavior->mailbox.policy == TR_MAILBOX_REFUSE &&
           !has_space(actor, message, limit != NULL ? &last->message : NULL);
}

/* Mail counts from when it is put into a limited mailbox until it leaves it. */

static void
count_in(tr_actor *actor, struct tri_mail *mail)
{
    struct tri_tag_count *count = count_of(actor, &mail->message);
    actor->waiting++;
    *lines_of_all(actor) += lines_of(&mail->message);
    if (count != NULL) {
        count->waiting++;
        count->last = mail;
    }
}

static void
count_out(tr_actor *actor, const struct tri_mail *mail)
{
    struct tri_tag_count *count = count_of(actor, &mail->message);
    actor->waiting--;
    *lines_of_all(actor) -= lines_of(&mail->message);
    if (count != NULL) {
        count->waiting--;
        if (count->last == mail)
            count->last = NULL; /* the newest, so no other is left, or the next takes its place at once */
    }
}

/* The overflow of a limited actor, whose mail knows what points to it. */

static void
over_append(tr_actor *actor, struct tri_mail *mail)
{
    mail->link = actor->overflow.last_next;
    tri_mail_list_append(&actor->overflow, mail);
}

static void
over_remove(tr_actor *actor, struct tri_mail *mail)
{
    struct tri_mail_list *list = &actor->overflow;
    struct tri_box *box = tri_actor_box(actor);
    if (list->last_next == &mail->next) {
        list->last_next = mail->link;
    } else {
        *mail->link = mail->next;
        mail->next->link = mail->link;
    }
    if (box->spared == mail)
        box->spared = NULL; /* it was the first */
    if ((actor->flags & TRI_ACTOR_MUTED) != 0 && tri_extra_of(actor)->mute.put_aside == &mail->next)
        tri_extra_of(actor)->mute.put_aside = mail->link;
}

static struct tri_mail *
over_take(tr_actor *actor)
{
    struct tri_mail *first = actor->overflow.first;
    over_remove(actor, first);
    return first;
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

/* A quarter of its limits, or RELIEF messages if that is less. */
static bool
is_relieved(const tr_actor *actor)
{
    const struct tr_mailbox_limits *limits = &actor->behavior->mailbox;
    return actor->waiting == 0 ||
           (actor->waiting <= TRI_MAILBOX_RELIEF && (limits->messages == 0 || actor->waiting <= limits->messages / 4) &&
            (limits->bytes == 0 || (uint64_t)*lines_of_all(actor) * TRI_CACHE_LINE <= limits->bytes / 4));
}

/* Shows how much waits for a limited actor, and tells those who wait for less. */
static void
show(struct tri_actors *home, tr_actor *actor)
{
    bool crowded = is_crowded(actor);
    if (!crowded && actor->behavior->mailbox.policy == TR_MAILBOX_MUTE && tri_slots_crowded(&home->slots, actor->ref))
        crowded = !is_relieved(actor);
    tri_slots_crowd(&home->slots, actor->ref, crowded);
    if (TRI_UNLIKELY((actor->flags & TRI_ACTOR_AWAITED) != 0) && is_relieved(actor))
        tri_relief_tell(actor);
}

void
tri_mailbox_show_relief(struct tri_actors *home, tr_actor *actor)
{
    tri_slots_crowd(&home->slots, actor->ref, false);
    if ((actor->flags & TRI_ACTOR_AWAITED) != 0)
        tri_relief_tell(actor);
}

void
tri_mailbox_open(struct tri_actors *home, tr_actor *actor)
{
    struct tri_runtime *runtime = home->worker->runtime;
    if (actor->behavior->mailbox.policy != TR_MAILBOX_MUTE)
        return;
    tri_slots_show(&home->slots, actor->ref, TRI_SLOT_MUTES);
    if (!tri_mute_exists(runtime))
        ck_pr_store_uint(&runtime->mutes, 1);
}

static void
put_limited(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    count_in(actor, mail);
    if (actor->flags & TRI_ACTOR_MUTED) {
        tri_mute_put(home, actor, mail);
    } else if (actor->waiting > 1) {
        over_append(actor, mail);
    } else {
        actor->head = mail;
        tri_mailbox_queue(home, actor, mail);
    }
    show(home, actor);
}

static void
put_muted(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    actor->waiting++;
    tri_mute_put(home, actor, mail);
    if (TRI_UNLIKELY(actor->waiting == TRI_MAILBOX_CROWD))
        tri_slots_crowd(&home->slots, actor->ref, true);
}

/* All waits in the overflow, also of a limited actor. */
static void
put_at_rest(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    if (actor->flags & TRI_ACTOR_LIMITED) {
        count_in(actor, mail);
        over_append(actor, mail);
    } else {
        actor->waiting++;
        tri_mail_list_append(&actor->overflow, mail);
    }
    tri_slots_crowd(&home->slots, actor->ref, is_crowded(actor));
}

void
tri_mailbox_put(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    if (tri_actor_rests(actor)) {
        put_at_rest(home, actor, mail);
    } else if (actor->flags & TRI_ACTOR_LIMITED) {
        put_limited(home, actor, mail);
    } else if (actor->flags & TRI_ACTOR_MUTED) {
        put_muted(home, actor, mail);
    } else if ((actor->flags & TRI_ACTOR_UNBORN) != 0 || ((actor->flags & TRI_ACTOR_SLOW) != 0 && actor->waiting > 0)) {
        actor->waiting++;
        tri_mailbox_put_over(home, actor, mail);
    } else {
        tri_mailbox_put_plain(home, actor, mail);
    }
    check(actor);
}

void
tri_mailbox_move_up_limited(struct tri_actors *home, tr_actor *actor, const struct tri_mail *mail)
{
    count_out(actor, mail);
    actor->head = NULL;
    if (actor->waiting > 0) {
        actor->head = over_take(actor);
        tri_mailbox_queue(home, actor, actor->head);
    }
    show(home, actor);
    check(actor);
}

void
tri_mailbox_slow_down(tr_actor *actor)
{
    actor->flags |= TRI_ACTOR_SLOW;
    if ((actor->flags & TRI_ACTOR_LIMITED) != 0)
        return; /* it has no more than one in the queue */
    actor->put_aside = NULL;
    if (actor->flags & TRI_ACTOR_MUTED)
        actor->strayed = 0; /* what comes up is held anyway */
    else
        actor->strayed = actor->waiting <= 1                  ? 0
                         : actor->waiting < TRI_MAILBOX_SHARE ? actor->waiting
                                                              : TRI_MAILBOX_SHARE;
}

void
tri_mailbox_speed_up(struct tri_actors *home, tr_actor *actor)
{
    actor->flags &= (uint16_t)~TRI_ACTOR_SLOW;
    if (actor->flags & (TRI_ACTOR_LIMITED | TRI_ACTOR_MUTED))
        return;
    for (uint32_t i = 1; i < actor->waiting && i < TRI_MAILBOX_SHARE; i++)
        tri_mailbox_move_up(home, actor);
    check(actor);
}

/* Into the overflow, where link is. */
static struct tri_mail **
insert(tr_actor *actor, struct tri_mail **link, struct tri_mail *mail)
{
    bool last = actor->overflow.last_next == link;
    mail->next = *link;
    mail->link = link;
    *link = mail;
    if (last)
        actor->overflow.last_next = &mail->next;
    else
        mail->next->link = &mail->next;
    return &mail->next;
}

/* The first goes to the end of the queue, the others in their order before what waits in the overflow. */
bool
tri_mailbox_put_aside(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    if ((actor->flags & TRI_ACTOR_LIMITED) != 0 || actor->strayed == 0)
        return false;
    actor->strayed--;
    if (actor->put_aside != NULL) {
        actor->put_aside = insert(actor, actor->put_aside, mail);
    } else {
        actor->put_aside = &actor->overflow.first;
        tri_mailbox_queue(home, actor, mail);
    }
    return true;
}

/* A muted actor. */

struct tri_mail **
tri_mailbox_hold(tr_actor *actor, struct tri_mail **link, struct tri_mail *mail)
{
    bool limited = (actor->flags & TRI_ACTOR_LIMITED) != 0;
    if (limited && link != actor->overflow.last_next)
        tri_actor_box(actor)->spared = NULL; /* it may go before that */
    if (limited && actor->head == mail)
        actor->head = NULL;
    return insert(actor, link, mail);
}

void
tri_mailbox_leave_muted(struct tri_actors *home, tr_actor *actor, const struct tri_mail *mail)
{
    if (actor->flags & TRI_ACTOR_LIMITED) {
        count_out(actor, mail);
        if (actor->head == mail)
            actor->head = NULL;
        show(home, actor);
    } else if (--actor->waiting == TRI_MAILBOX_RELIEF) {
        tri_mailbox_show_relief(home, actor);
    }
}

/* The first of the overflow go into the queue: one of a limited actor, or of a slow one. */
void
tri_mailbox_take_up(struct tri_actors *home, tr_actor *actor)
{
    bool limited = (actor->flags & TRI_ACTOR_LIMITED) != 0;
    uint32_t most = limited || (actor->flags & TRI_ACTOR_SLOW) != 0 ? 1 : TRI_MAILBOX_SHARE;
    for (uint32_t i = 0; i < most && !tri_mail_list_empty(&actor->overflow); i++) {
        struct tri_mail *mail = limited ? actor->head = over_take(actor) : tri_mail_list_take(&actor->overflow);
        tri_mailbox_queue(home, actor, mail);
    }
    check(actor);
}

/* At rest. */

/* A slow actor of which some have been put aside has its oldest at the end of the queue, behind those that have not. */
static void
rest_slow(tr_actor *actor)
{
    bool oldest_is_last = actor->strayed > 0 && actor->put_aside != NULL;
    if (actor->strayed == 0 && actor->waiting > 0)
        actor->strayed = 1;
    else
        actor->strayed += oldest_is_last;
    if (!oldest_is_last) {
        actor->flags &= (uint16_t)~TRI_ACTOR_SLOW;
        actor->put_aside = &actor->overflow.first;
    }
}

/* Takes the next mail of the actor out of the queue, from `at` on; NULL: there is none. */
static struct tri_mail *
next_queued(struct tri_actors *home, const tr_actor *actor, struct tri_mail ***at)
{
    for (; *at != home->queue.last_next; *at = &(**at)->next) {
        struct tri_mail *mail = **at;
        if (mail->actor != actor)
            continue;
        if (home->queue.last_next == &mail->next)
            home->queue.last_next = *at;
        else
            **at = mail->next;
        return mail;
    }
    return NULL;
}

/* All that it has in the queue goes into the overflow where link is. */
static void
pull_out(struct tri_actors *home, tr_actor *actor, struct tri_mail **link)
{
    struct tri_mail **at = &home->queue.first;
    for (struct tri_mail *mail; (mail = next_queued(home, actor, &at)) != NULL;)
        link = insert(actor, link, mail);
}

/*
 * The flag of a slow actor says now that the last to come up is the oldest. Of limited actors and muted ones, which
 * keep track of their mail, nothing stays in the queue: that costs a walk through it, at an end.
 */
void
tri_mailbox_rest(struct tri_actors *home, tr_actor *actor)
{
    bool limited = (actor->flags & TRI_ACTOR_LIMITED) != 0, muted = (actor->flags & TRI_ACTOR_MUTED) != 0;
    if (limited || muted) {
        pull_out(home, actor, muted ? tri_extra_of(actor)->mute.put_aside : &actor->overflow.first);
        actor->flags &= (uint16_t) ~(TRI_ACTOR_SLOW | TRI_ACTOR_MUTED);
        actor->strayed = 0;
        actor->head = NULL;
        if (limited)
            tri_actor_box(actor)->spared = NULL;
        else
            actor->put_aside = &actor->overflow.first;
    } else if (actor->flags & TRI_ACTOR_SLOW) {
        rest_slow(actor);
    } else {
        actor->strayed = actor->waiting < TRI_MAILBOX_SHARE ? (uint8_t)actor->waiting : TRI_MAILBOX_SHARE;
        actor->put_aside = &actor->overflow.first;
    }
    tri_slots_crowd(&home->slots, actor->ref, is_crowded(actor));
}

/* Not of a limited actor: of that nothing comes up. */
void
tri_mailbox_put_by(tr_actor *actor, struct tri_mail *mail)
{
    actor->strayed--;
    if ((actor->flags & TRI_ACTOR_SLOW) != 0 && actor->strayed == 0)
        insert(actor, &actor->overflow.first, mail);
    else
        actor->put_aside = insert(actor, actor->put_aside, mail);
    check(actor);
}

/* Of old mail, which is the newest of its tag if no other waits. */
static void
count_in_old(tr_actor *actor, struct tri_mail *const *end)
{
    struct tri_tag_count *tags = tri_actor_box(actor)->tags;
    struct tri_mail *newest[TR_TAG_LIMITS_MAX];
    for (size_t i = 0; i < actor->behavior->mailbox.tag_count; i++)
        newest[i] = tags[i].last;
    for (struct tri_mail *const *link = &actor->overflow.first; link != end; link = &(*link)->next)
        count_in(actor, *link);
    for (size_t i = 0; i < actor->behavior->mailbox.tag_count; i++)
        if (newest[i] != NULL)
            tags[i].last = newest[i];
    tri_actor_box(actor)->spared = NULL;
}

/* What it has in the queue is younger, and must not come up there: that costs a walk, too. */
void
tri_mailbox_put_before(struct tri_actors *home, tr_actor *actor, struct tri_mail_list *list)
{
    struct tri_mail **at = &home->queue.first, **link = &actor->overflow.first;
    uint32_t count = 0;
    for (struct tri_mail *mail; actor->strayed > 0 && (mail = next_queued(home, actor, &at)) != NULL;)
        tri_mailbox_put_by(actor, mail);
    while (!tri_mail_list_empty(list)) {
        struct tri_mail *mail = tri_mail_list_take(list);
        tri_mailbox_note(actor, &mail->message);
        link = insert(actor, link, mail);
        count++;
    }
    if (actor->flags & TRI_ACTOR_LIMITED)
        count_in_old(actor, link);
    else
        actor->waiting += count;
    tri_slots_crowd(&home->slots, actor->ref, is_crowded(actor));
    check(actor);
}

static void
uncount(tr_actor *actor, const struct tri_mail *mail)
{
    if (actor->flags & TRI_ACTOR_LIMITED)
        count_out(actor, mail);
    else
        actor->waiting--;
    tri_slots_crowd(&actor->home->slots, actor->ref, is_crowded(actor));
}

void
tri_mailbox_shed(tr_actor *actor, const struct tri_mail *mail)
{
    actor->strayed--;
    uncount(actor, mail);
}

struct tri_mail *
tri_mailbox_shed_held(tr_actor *actor)
{
    bool limited = (actor->flags & TRI_ACTOR_LIMITED) != 0;
    struct tri_mail *mail = limited ? over_take(actor) : tri_mail_list_take(&actor->overflow);
    uncount(actor, mail);
    return mail;
}

void
tri_mailbox_wake(struct tri_actors *home, tr_actor *actor)
{
    actor->flags &= (uint16_t)~TRI_ACTOR_SLOW;
    actor->head = NULL;
    tri_mailbox_take_up(home, actor);
}

/* Dropping. */

/* Two nodes change what they hold; the tag of what the second had knows it in the first from now on. */
static void
swap(tr_actor *actor, struct tri_mail *stays, struct tri_mail *other)
{
    struct tri_tag_count *count = count_of(actor, &other->message);
    tr_message message = stays->message;
    stays->message = other->message;
    other->message = message;
    if (count != NULL && count->last == other)
        count->last = stays;
}

/* Takes a message out of the mailbox, wherever it stands. Gives the node that holds it. The head's own node stands in
 * the worker's queue and must stay there: it gets the next message. There is one, or the message is not the head. */
static struct tri_mail *
take_out(tr_actor *actor, struct tri_mail *mail)
{
    count_out(actor, mail);
    if (mail != actor->head) {
        over_remove(actor, mail);
        return mail;
    }
    struct tri_mail *next = over_take(actor);
    swap(actor, mail, next);
    return next;
}

static bool
stands_alone(const tr_actor *actor, const struct tri_mail *mail)
{
    return mail == actor->head && tri_mail_list_empty(&actor->overflow);
}

/* The only message makes way for the new one. */
static void
replace_only(tr_actor *actor, struct tri_mail *only, struct tri_mail *mail)
{
    count_out(actor, only);
    tr_message old = only->message;
    only->message = mail->message;
    mail->message = old;
    count_in(actor, only);
}

/* The oldest message that may be dropped; NULL: there is none. What comes before it is passed once, and not again. */
static struct tri_mail *
oldest(tr_actor *actor)
{
    struct tri_box *box = tri_actor_box(actor);
    if (actor->head != NULL && tri_mail_is_limited(&actor->head->message))
        return actor->head;
    struct tri_mail **link = box->spared != NULL ? &box->spared->next : &actor->overflow.first;
    for (; link != actor->overflow.last_next; link = &box->spared->next) {
        if (tri_mail_is_limited(&(*link)->message))
            return *link;
        box->spared = *link;
    }
    return NULL;
}

static enum tri_overflow
drop_new(struct tri_mail *mail, struct tri_dropped *dropped, enum tr_dead_reason reason)
{
    dropped->reason = reason;
    tri_mail_list_append(&dropped->mail, mail);
    return TRI_OVERFLOW_DROPPED;
}

/* true: the new message stands in the place of the only one. */
static bool
drop_old(tr_actor *actor, struct tri_mail *old, struct tri_mail *mail, struct tri_mail **out)
{
    if (stands_alone(actor, old)) {
        replace_only(actor, old, mail);
        *out = mail;
        return true;
    }
    *out = take_out(actor, old);
    return false;
}

static enum tri_overflow
drop_oldest(tr_actor *actor, struct tri_mail *mail, struct tri_dropped *dropped)
{
    dropped->reason = TR_DEAD_DROPPED;
    while (!has_space(actor, &mail->message, NULL)) {
        struct tri_mail *old = oldest(actor), *out;
        if (old == NULL)
            return drop_new(mail, dropped, TR_DEAD_DROPPED); /* it is the oldest itself */
        bool stored = drop_old(actor, old, mail, &out);
        tri_mail_list_append(&dropped->mail, out);
        if (stored)
            return TRI_OVERFLOW_STORED;
    }
    return TRI_OVERFLOW_ROOM;
}

enum tri_overflow
tri_mailbox_overflow(tr_actor *actor, struct tri_mail *mail, struct tri_dropped *dropped)
{
    enum tr_mailbox_policy policy = actor->behavior->mailbox.policy;
    struct tri_mail *last = NULL;
    const struct tr_tag_limit *limit = tag_limit(actor, &mail->message, &last);
    bool replaces = limit != NULL && limit->policy == TR_TAG_KEEP_LAST;
    if (limit != NULL && !replaces)
        return drop_new(mail, dropped, TR_DEAD_MAILBOX_FULL);
    if (policy < TR_MAILBOX_DROP_OLDEST && !has_space(actor, &mail->message, replaces ? &last->message : NULL))
        return drop_new(mail, dropped, TR_DEAD_MAILBOX_FULL);
    if (replaces && drop_old(actor, last, mail, &dropped->replaced))
        return TRI_OVERFLOW_STORED;
    return policy == TR_MAILBOX_DROP_OLDEST ? drop_oldest(actor, mail, dropped) : TRI_OVERFLOW_ROOM;
}
