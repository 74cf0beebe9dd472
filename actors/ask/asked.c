/*
 * The side of who is asked: the question that is being handled, and those that are kept.
 *
 * While a question is being handled it stands in `home->asked`, attached to its actor. Answering, keeping and
 * forwarding take it out. What is there when the handler has returned, or when the actor ends in it, is refused: so no
 * asker waits for an answer that cannot come.
 *
 * A kept question is attached to whoever keeps it, with the memory for the word that it is down. If another actor
 * answers it, on another worker, nobody tells the keeper: so each keeping looks at the next two that the worker has,
 * and forgets those whose deadline has passed.
 */
#include "ask.h"

#include "dead_letters.h"
#include "deadlines.h"
#include "extra.h"
#include "mute.h"
#include "post.h"

#include <stdlib.h>
#include <troupe/core/delay.h>

#define LOOK_WITHIN_MS 1000u

struct tri_kept {
    struct tri_table_entry entry; /* first; its key is key_of() */
    struct tri_attachment attachment;
    struct tri_word word;
    struct tri_actors *home;
    struct tri_kept *older, *younger; /* of the worker */
    tr_ref keeper;
    tr_ref asker;
    tr_ask_id question;
    uint64_t deadline_ms;
};

/* Numbers count up on each worker. */
static uint64_t
key_of(tr_ref asker, tr_ask_id question)
{
    return (uint64_t)tri_ref_worker(asker) << TRI_QUESTION_BITS | question;
}

/* The one that is being handled. */

/* It is kept, or over. */
static void
close_asked(struct tri_asked *asked)
{
    tri_detach(&asked->attachment);
    asked->actor = NULL;
}

/* It was answered, or handed on. */
static void
finish(struct tri_asked *asked)
{
    tri_work_done(asked->actor->home);
    close_asked(asked);
}

/* false: without memory. Of a handler that has returned the asker then hears nothing until his deadline. */
static bool
refuse(struct tri_actors *home, const struct tri_asked *asked)
{
    return tri_question_refuse(home, asked->from, asked->id, asked->refusal, asked->who);
}

/* The node of the question is free when its handler has returned: so who ends in it tells so then, at the latest. */
static void
on_asked_end(struct tri_attachment *attachment, const struct tri_death *death)
{
    struct tri_asked *asked = TRI_CONTAINER_OF(attachment, struct tri_asked, attachment);
    struct tri_actors *home = asked->actor->home;
    asked->who = asked->actor->ref;
    close_asked(asked);
    asked->refusal = death->status != TR_OK ? death->status : TR_EGONE;
    asked->unsaid = !refuse(home, asked);
}

/* The loop's clock stands still while handlers run. This one is late by half a millisecond, and costs as much as a
 * message. So deadlines that are far away by the first are not compared with it: no handler takes that long. */
static uint64_t
now(struct tri_actors *home)
{
    uint64_t ticks = tri_ticks();
    if (TRI_UNLIKELY(ticks - home->asked_read >= home->worker->runtime->ticks_per_ms / 2)) {
        home->asked_read = ticks;
        home->asked_ms = tri_clock_ms();
    }
    return home->asked_ms;
}

static TRI_INLINE void
open_asked(struct tri_actors *home, tr_actor *actor, tr_message *message, uint64_t deadline_ms)
{
    struct tri_asked *asked = &home->asked;
    message->kind &= TR_PAYLOAD_KINDS;
    asked->actor = actor;
    asked->from = message->from;
    asked->id = tri_question_of(message);
    asked->deadline_ms = deadline_ms;
    asked->refusal = TR_ENOREPLY;
    asked->attachment.end = on_asked_end;
    tri_actor_attach(actor, &asked->attachment);
    tri_work_begin(home, actor, message, deadline_ms);
}

TRI_NOINLINE static bool
open_in_time(struct tri_actors *home, tr_actor *actor, tr_message *message, uint64_t deadline_ms)
{
    if (now(home) >= deadline_ms)
        return false;
    open_asked(home, actor, message, deadline_ms);
    return true;
}

bool
tri_question_begins(struct tri_actors *home, tr_actor *actor, tr_message *message)
{
    uint64_t now_ms = home->worker->activity.polled_ms;
    uint64_t deadline_ms = tri_question_deadline(message, now_ms);
    if (TRI_UNLIKELY(deadline_ms < now_ms + LOOK_WITHIN_MS))
        return open_in_time(home, actor, message, deadline_ms);
    open_asked(home, actor, message, deadline_ms);
    return true;
}

void
tri_question_unanswered(struct tri_actors *home)
{
    struct tri_asked *asked = &home->asked;
    if (asked->actor != NULL) {
        asked->who = asked->actor->ref;
        close_asked(asked);
    }
    asked->unsaid = false;
    refuse(home, asked);
}

/* Is that actor asked something just now? */
static struct tri_asked *
asked_of(const tr_actor *self)
{
    struct tri_asked *asked = &self->home->asked;
    return asked->actor == self ? asked : NULL;
}

void
tri_work_restore(tr_actor *actor, const tr_message *message, tr_message *copy)
{
    struct tri_actors *home = actor->home;
    struct tri_asked *asked = asked_of(actor);
    if (home->work.actor != actor || home->work.message != message)
        return;
    home->work.message = NULL;
    if (asked != NULL) {
        tri_question_mark(copy, asked->id, asked->deadline_ms);
        finish(asked);
    } else if (home->answers != 0) {
        tri_answered_mark(copy, home->answers, home->work.deadline_ms);
    }
}

uint64_t
tr_time_left(const tr_actor *self)
{
    TRI_CHECK_SELF(self);
    uint64_t deadline_ms = self != NULL ? tri_work_deadline(self) : UINT64_MAX;
    if (deadline_ms == UINT64_MAX)
        return UINT64_MAX;
    uint64_t now_ms = tri_clock_ms();
    return deadline_ms > now_ms ? deadline_ms - now_ms : 0;
}

/* Answering. */

static tr_status
check(const tr_actor *self, const tr_message *message)
{
    if (self == NULL || message == NULL)
        return TR_EINVAL;
    if (message->tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    return message->kind < TR_PAYLOAD_INVALID ? TR_OK : TR_ENOMEM;
}

/* No limit holds for an answer: the asker has asked for it. */
static tr_status
answer(tr_actor *self, tr_ref asker, tr_ask_id id, tr_message *message)
{
    if (!tri_message_spare_word(message))
        return TR_ENOMEM;
    tri_reply_mark(message, id);
    tr_status status = tri_post(self->home->worker, self->ref, asker, message);
    if (status != TR_OK)
        message->kind &= TR_PAYLOAD_KINDS;
    return status;
}

/* The plain case of it, which calls no function. false: it is not, and nothing has happened. */
static TRI_INLINE bool
answer_plain(tr_actor *self, const struct tri_asked *asked, tr_message *message)
{
    if (TRI_UNLIKELY(!tri_message_has_spare_word(message)))
        return false;
    tri_reply_mark(message, asked->id);
    if (TRI_LIKELY(tri_post_plain_looked_at(self->home, self->ref, asked->from, message)))
        return true;
    message->kind &= TR_PAYLOAD_KINDS;
    return false;
}

TRI_NOINLINE static tr_status
answer_asked(tr_actor *self, struct tri_asked *asked, tr_message *message)
{
    tr_status status = answer(self, asked->from, asked->id, message);
    if (status == TR_OK || status == TR_EGONE)
        finish(asked);
    return status;
}

tr_status
tr_reply(tr_actor *self, tr_message *message)
{
    TRI_CHECK_SELF(self);
    tr_status status = check(self, message);
    if (status != TR_OK)
        return status;
    struct tri_asked *asked = asked_of(self);
    if (asked == NULL)
        return TR_ENOQUESTION;
    if (TRI_UNLIKELY(!answer_plain(self, asked, message)))
        return answer_asked(self, asked, message);
    finish(asked);
    return TR_OK;
}

/* Forwarding: in the name of who asked. */

static tr_status
check_forward(const tr_actor *self, tr_ref to, const tr_message *message)
{
    tr_status status = check(self, message);
    if (status != TR_OK)
        return status;
    return tri_ref_is_of(self->home->worker->runtime, to) ? TR_OK : TR_EBADREF;
}

static tr_status
forward(tr_actor *self, const struct tr_question *question, tr_ref to, tr_message *message)
{
    struct tri_actors *home = self->home;
    if (to == self->ref)
        return TR_ESELF;
    if (!tri_message_spare_word(message))
        return TR_ENOMEM;
    uint64_t id = message->id;
    tri_question_mark(message, question->id, question->deadline_ms);
    message->id = 0; /* it gets a name of its own, and the trace says who forwards it: post.c */
    home->forwarder = self->ref;
    tr_status status = tri_send_limited(home->worker, question->asker, to, message);
    if (status == TR_OK) {
        tri_mute_after_send(self, to);
    } else {
        message->kind &= TR_PAYLOAD_KINDS;
        message->id = id;
    }
    return status;
}

tr_status
tr_forward(tr_actor *self, tr_ref to, tr_message *message)
{
    TRI_CHECK_SELF(self);
    tr_status status = check_forward(self, to, message);
    if (status != TR_OK)
        return status;
    struct tri_asked *asked = asked_of(self);
    if (asked == NULL)
        return TR_ENOQUESTION;
    status = forward(self, &(tr_question){asked->from, asked->id, asked->deadline_ms}, to, message);
    if (status == TR_OK)
        finish(asked);
    return status;
}

/* Keeping. */

/* Off the list of its worker. */
static void
take_off(struct tri_kept *kept)
{
    struct tri_actors *home = kept->home;
    *(kept->older != NULL ? &kept->older->younger : &home->kept_oldest) = kept->younger;
    *(kept->younger != NULL ? &kept->younger->older : &home->kept_youngest) = kept->older;
}

static void
take_out(struct tri_kept *kept)
{
    take_off(kept);
    tri_detach(&kept->attachment);
    tri_table_remove(&kept->home->kept, &kept->entry);
}

static void
on_told(struct tri_word *word)
{
    free(TRI_CONTAINER_OF(word, struct tri_kept, word));
}

static void
on_keeper_end(struct tri_attachment *attachment, const struct tri_death *death)
{
    struct tri_kept *kept = TRI_CONTAINER_OF(attachment, struct tri_kept, attachment);
    tr_status status = death->status != TR_OK ? death->status : TR_EGONE;
    take_out(kept);
    kept->word.done = on_told;
    tri_word_send(kept->home->worker, &kept->word, TR_NOBODY, kept->asker,
                  tri_refusal(kept->question, TR_DOWN, status, kept->keeper));
}

/* As the youngest of its worker. */
static void
put_last(struct tri_actors *home, struct tri_kept *kept)
{
    kept->older = home->kept_youngest;
    kept->younger = NULL;
    *(kept->older != NULL ? &kept->older->younger : &home->kept_oldest) = kept;
    home->kept_youngest = kept;
}

/* Looks at two, which come to the end if they are still to be answered: so all are looked at in their turn. */
static void
forget_passed(struct tri_actors *home)
{
    uint64_t now_ms = tri_clock_of_loop_ms(&home->worker->loop);
    for (unsigned i = 0; i < 2 && home->kept_oldest != NULL; i++) {
        struct tri_kept *kept = home->kept_oldest;
        if (kept->deadline_ms < now_ms) {
            take_out(kept);
            free(kept);
        } else {
            take_off(kept);
            put_last(home, kept);
        }
    }
}

static void
put_in(tr_actor *self, const struct tri_asked *asked, struct tri_kept *kept)
{
    struct tri_actors *home = self->home;
    *kept = (struct tri_kept){.home = home,
                              .keeper = self->ref,
                              .asker = asked->from,
                              .question = asked->id,
                              .deadline_ms = asked->deadline_ms};
    put_last(home, kept);
    kept->attachment.end = on_keeper_end;
    tri_actor_attach(self, &kept->attachment);
    tri_table_add(&home->kept, &kept->entry, key_of(asked->from, asked->id));
}

tr_status
tr_question_keep(tr_actor *self, tr_question *out)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || out == NULL)
        return TR_EINVAL;
    struct tri_asked *asked = asked_of(self);
    if (asked == NULL)
        return TR_ENOQUESTION;
    forget_passed(self->home);
    struct tri_kept *kept = malloc(sizeof(*kept));
    if (kept == NULL)
        return TR_ENOMEM;
    put_in(self, asked, kept);
    *out = (tr_question){asked->from, asked->id, asked->deadline_ms};
    close_asked(asked);
    return TR_OK;
}

/* It has its answer: if it is kept on this worker, it is no more. */
static void
forget_kept(struct tri_actors *home, tr_question *question)
{
    uint64_t key = key_of(question->asker, question->id);
    struct tri_kept *kept = (struct tri_kept *)tri_table_find(&home->kept, key);
    if (kept != NULL) {
        take_out(kept);
        free(kept);
    }
    *question = (tr_question){0};
}

tr_status
tr_question_reply(tr_actor *self, tr_question *question, tr_message *message)
{
    TRI_CHECK_SELF(self);
    tr_status status = question != NULL ? check(self, message) : TR_EINVAL;
    if (status != TR_OK)
        return status;
    if (question->asker == TR_NOBODY)
        return TR_ENOQUESTION;
    status = answer(self, question->asker, question->id, message);
    if (status != TR_OK && status != TR_EGONE)
        return status;
    forget_kept(self->home, question);
    return status;
}

tr_status
tr_question_forward(tr_actor *self, tr_question *question, tr_ref to, tr_message *message)
{
    TRI_CHECK_SELF(self);
    tr_status status = question != NULL ? check_forward(self, to, message) : TR_EINVAL;
    if (status != TR_OK)
        return status;
    if (question->asker == TR_NOBODY)
        return TR_ENOQUESTION;
    status = tri_clock_ms() < question->deadline_ms ? forward(self, question, to, message) : TR_EDEADLINE;
    if (status == TR_OK || status == TR_EDEADLINE)
        forget_kept(self->home, question);
    return status;
}

tr_status
tr_refuse(tr_actor *self, tr_status status)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || status >= TR_OK)
        return TR_EINVAL;
    struct tri_asked *asked = asked_of(self);
    if (asked == NULL)
        return TR_ENOQUESTION;
    if (!tri_question_refuse(self->home, asked->from, asked->id, status, self->ref))
        return TR_ENOMEM;
    finish(asked);
    return TR_OK;
}

tr_status
tr_question_refuse(tr_actor *self, tr_question *question, tr_status status)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || question == NULL || status >= TR_OK)
        return TR_EINVAL;
    if (question->asker == TR_NOBODY)
        return TR_ENOQUESTION;
    if (!tri_question_refuse(self->home, question->asker, question->id, status, self->ref))
        return TR_ENOMEM;
    forget_kept(self->home, question);
    return TR_OK;
}

void
tri_asks_fini(struct tri_actors *home)
{
    tri_table_fini(&home->askings);
    tri_table_fini(&home->kept);
    if (home->asking_pool.block_size != 0)
        tri_pool_fini(&home->asking_pool);
    tri_deadlines_free(home->deadlines);
}
