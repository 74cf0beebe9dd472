/*
 * Dead letters: messages that nobody received. Counted, traced, and reported to the subscriber if there is one.
 *
 * They are reported by notices, which the library sends because of traffic: so they obey the limits of lanes and
 * of the subscriber's mailbox, and one that nobody receives is no dead letter itself, which would be one more of the
 * same message, but a lost notice. The other kind, to the sender of a message that must come back, is one for each that
 * it sent, and without a limit: the layer above ends things by it.
 *
 * The subscriber is one word for the whole runtime, so that any worker may read it at any moment.
 */
#include "dead_letters.h"

#include "mute.h"
#include "owed.h"
#include "post.h"

#include <assert.h>
#include <ck_pr.h>

static bool
is_notice(const tr_message *message)
{
    return (message->kind & TRI_MAIL_ANSWERED) == TRI_MAIL_NOTICE || tri_is_refusal(message) ||
           message->tag == TR_TAG_DEAD_LETTER || message->tag == TRI_TAG_UNDELIVERED;
}

static void
tell_subscriber(struct tri_actors *home, tr_ref to, const tr_message *message, enum tr_dead_reason reason)
{
    tr_ref subscriber = ck_pr_load_64(&tri_runtime_of(home)->subscriber);
    if (subscriber == TR_NOBODY || subscriber == to)
        return;
    struct tr_dead_letter letter = {to, message->from, message->tag, reason};
    tr_message notice = tr_message_copy(TR_TAG_DEAD_LETTER, &letter, sizeof(letter));
    if (tri_send_or_bury(home->worker, TR_NOBODY, subscriber, &notice))
        return;
    home->worker->counters.sent++; /* and lost at once */
    home->worker->counters.notices_lost++;
}

/* What the sender of a message hears that must come back, or that asks; in the memory of a node of mail. */
struct undelivered {
    struct tri_owed owed; /* first; `to` is the sender */
    tr_ref meant;
    tr_ask_id question;      /* 0: it is no question */
    tr_status status;        /* of a question */
    enum tr_outcome outcome; /* likewise */
};
_Static_assert(sizeof(struct undelivered) <= sizeof(struct tri_mail), "the word fits into the node of its message");

static bool
tell_undelivered(struct tri_worker *worker, const struct undelivered *word)
{
    tr_message notice = word->question != 0 ? tri_refusal(word->question, word->outcome, word->status, word->meant)
                                            : tr_message_copy(TRI_TAG_UNDELIVERED, &word->meant, sizeof(word->meant));
    return tri_send_word(worker, TR_NOBODY, word->owed.to, &notice);
}

static bool
send_undelivered(struct tri_worker *worker, struct tri_owed *owed)
{
    if (!tell_undelivered(worker, (const struct undelivered *)owed))
        return false;
    tri_pool_give(&tri_actors_of(worker)->mail, owed);
    return true;
}

/* Now, or as soon as there is memory. false: there is none to remember it. */
static bool
tell_or_owe(struct tri_actors *home, struct undelivered told)
{
    told.owed.send = send_undelivered;
    if (tell_undelivered(home->worker, &told))
        return true;
    struct undelivered *word = tri_pool_take(&home->mail);
    if (word == NULL)
        return false;
    *word = told;
    tri_owe(home->worker, &word->owed); /* forgotten, it goes with the pool */
    return true;
}

static bool
is_to_be_told(const tr_message *message)
{
    return TRI_UNLIKELY(message->tag >= TRI_TAG_TOLD) && message->from != TR_NOBODY;
}

/* What the asker hears of a question that is buried. */
static tr_status
status_of(enum tr_dead_reason reason)
{
    switch (reason) {
    case TR_DEAD_MAILBOX_FULL:
    case TR_DEAD_DROPPED:
    case TR_DEAD_REPLACED: return TR_EFULL;
    case TR_DEAD_MEMORY: return TR_EMEMORYLIMIT;
    case TR_DEAD_INIT_FAILED: return TR_EINIT;
    case TR_DEAD_BAD_MESSAGE: return TR_EBADMESSAGE;
    default: return TR_EGONE;
    }
}

/* false: there is no memory. An asker whose deadline has passed knows that by himself. */
static bool
tell_sender(struct tri_actors *home, tr_ref to, const tr_message *message, enum tr_dead_reason reason)
{
    struct undelivered word = {.owed.to = message->from, .meant = to};
    if (TRI_UNLIKELY(tri_is_question(message)) && reason != TR_DEAD_EXPIRED) {
        word.question = tri_question_of(message);
        word.status = status_of(reason);
        word.outcome = word.status == TR_EFULL || word.status == TR_EMEMORYLIMIT ? TR_OVERLOADED : TR_DOWN;
        return tell_or_owe(home, word);
    }
    return !is_to_be_told(message) || tell_or_owe(home, word);
}

bool
tri_question_refuse(struct tri_actors *home, tr_ref asker, tr_ask_id question, tr_status status, tr_ref who)
{
    struct undelivered word = {
        .owed.to = asker, .meant = who, .question = question, .status = status, .outcome = TR_DOWN};
    return tell_or_owe(home, word);
}

/* false: as tri_dead_letter(). */
static bool
bury(struct tri_actors *home, tr_ref to, tr_message *message, enum tr_dead_reason reason)
{
    bool notice = is_notice(message);
    if (!notice && !tell_sender(home, to, message, reason))
        return false;
    tri_trace_dead_letter(home->worker->trace, to, reason, message->id);
    if (notice) {
        home->worker->counters.notices_lost++;
    } else {
        home->worker->counters.dead_letters++;
        tell_subscriber(home, to, message, reason);
    }
    tr_message_drop(message);
    return true;
}

bool
tri_dead_letter(struct tri_actors *home, tr_ref to, tr_message *message, enum tr_dead_reason reason)
{
    if (message->from == TR_NOBODY && (message->kind & TRI_MAIL_READ) == 0)
        tri_outside_read(home->worker, message); /* nobody is to be told: there will be no second time */
    return bury(home, to, message, reason);
}

void
tri_dead_mail(struct tri_actors *home, tr_ref to, struct tri_mail *mail, enum tr_dead_reason reason)
{
    tr_message message = mail->message;
    tri_pool_give(&home->mail, mail); /* first: a word to the sender can have it */
    bool told = tri_dead_letter(home, to, &message, reason);
    assert(told);
    (void)told; /* in a Release build nobody asks */
}

void
tri_dead_user_letter(struct tri_actors *home, tr_ref to, tr_message *message, enum tr_dead_reason reason)
{
    assert(!is_to_be_told(message));
    bool told = tri_dead_letter(home, to, message, reason);
    assert(told);
    (void)told; /* likewise */
}

void
tri_dead_mailbox(struct tri_actors *home, tr_actor *actor)
{
    while (!tri_mail_list_empty(&actor->overflow)) {
        struct tri_mail *mail = tri_mail_list_take(&actor->overflow);
        actor->waiting--;
        tri_dead_mail(home, actor->ref, mail, TR_DEAD_STOPPED);
    }
}

void
tri_dead_dropped(struct tri_actors *home, tr_ref to, struct tri_dropped *dropped)
{
    if (dropped->replaced != NULL)
        tri_dead_mail(home, to, dropped->replaced, TR_DEAD_REPLACED);
    while (!tri_mail_list_empty(&dropped->mail))
        tri_dead_mail(home, to, tri_mail_list_take(&dropped->mail), dropped->reason);
}

tr_status
tri_send_limited(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message)
{
    struct tri_dropped dropped;
    tri_dropped_init(&dropped);
    tr_status status = tri_post_limited(worker, from, to, message, &dropped);
    tri_dead_dropped(tri_actors_of(worker), to, &dropped);
    return status;
}

static enum tr_dead_reason
reason_of(tr_status status)
{
    switch (status) {
    case TR_EFULL: return TR_DEAD_MAILBOX_FULL;
    case TR_EMEMORYLIMIT: return TR_DEAD_MEMORY;
    default: return TR_DEAD_NO_ACTOR;
    }
}

/* Of a send that was refused. false: for lack of memory; then it can be tried again. */
static bool
bury_refused(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message, tr_status status)
{
    if (status == TR_ENOMEM)
        return false;
    if (status == TR_OK)
        return true;
    worker->counters.sent++; /* and dead at once: a refusal is what a caller hears of */
    message->from = from;
    message->id = 0; /* it has no name in the trace */
    tri_dead_user_letter(tri_actors_of(worker), to, message, reason_of(status));
    return true;
}

bool
tri_question_bury(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *question, tr_status status)
{
    question->from = from;
    if (TRI_UNLIKELY(worker->trace != NULL))
        tri_post_name(worker, question);
    if (!bury(tri_actors_of(worker), to, question, reason_of(status)))
        return false;
    worker->counters.sent++;
    return true;
}

bool
tri_send_or_bury(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message)
{
    tr_status status = tri_mute_refuses(worker->runtime, to) ? TR_EFULL : tri_send_limited(worker, from, to, message);
    return bury_refused(worker, from, to, message, status);
}

bool
tri_post_or_bury(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message)
{
    return bury_refused(worker, from, to, message, tri_post(worker, from, to, message));
}

/* If it is a question that is being handled its asker hears why nobody has answered it, unless somebody does. */
static void
note_refusal(const tr_actor *actor, const tr_message *message, enum tr_dead_reason reason)
{
    struct tri_actors *home = actor->home;
    if (home->work.actor == actor && home->work.message == message)
        home->asked.refusal = status_of(reason);
}

/* It was received, and read: what dies is counted as one more message, and has no name in the trace. */
static bool
bury_received(tr_actor *actor, tr_message *message, enum tr_dead_reason reason)
{
    actor->home->worker->counters.sent++;
    message->id = 0;
    note_refusal(actor, message, reason);
    return bury(actor->home, actor->ref, message, reason);
}

void
tri_actor_bounce(tr_actor *actor, tr_message *message)
{
    if (!bury_received(actor, message, TR_DEAD_STOPPED))
        message->kind |= TRI_MAIL_BOUNCED; /* when its handler has returned its node is free: dispatch.c */
}

tr_status
tr_reject(tr_actor *self, tr_message *message)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || message == NULL || message->kind == TR_PAYLOAD_INVALID)
        return TR_EINVAL;
    if (message->tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    bool told = bury_received(self, message, TR_DEAD_BAD_MESSAGE);
    assert(told); /* with such a tag nobody is */
    (void)told;
    message->kind = TR_PAYLOAD_INVALID;
    return TR_OK;
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
