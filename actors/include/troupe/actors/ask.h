/*
 * Asking: a message that wants an answer, with a deadline and exactly one outcome.
 *
 * Whoever asks gives a callback, which is called once on his worker: with the answer, or with the reason why there is
 * none. Nobody waits meanwhile: the actor goes on receiving. Whoever is asked gets an ordinary message in his receive
 * callback, and answers there, or keeps the question and answers later, or hands it on to another actor.
 *
 *   asker                               asked
 *   tr_ask(self, kv, &get, &options)    receive(): tr_reply(self, &value)
 *   options.done(self, context, answer)
 *
 * A deadline travels with a question, unless it is more than an hour away: the question is not begun when its deadline
 * has passed, and what is asked in turn has no later one. That holds for what its handler asks before it has answered
 * or forwarded it, after keeping it too, and for what is asked when the outcome of that is handled, and so on.
 *
 * Thread: "owner" is the worker on which the object lives, "any" is every thread, "setup" is one thread before the
 * workers start or after they have ended.
 */
#ifndef TROUPE_ACTORS_ASK_H
#define TROUPE_ACTORS_ASK_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/actors/actor.h>
#include <troupe/core/declare.h>
#include <troupe/core/message.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

struct tr_runtime;

#define TR_ASK_TIMEOUT_MS 5000u /* of a question that says nothing else */

enum tr_outcome {
    TR_ANSWERED,  /* there is an answer */
    TR_TIMED_OUT, /* the deadline has passed: TR_EDEADLINE */
    TR_DOWN,      /* who was asked has ended, was not there or gives no answer: of the question that he was handling, or
                     had kept, the reason of his end (tr_down.status in watch.h); TR_EGONE; TR_ENOREPLY;
                     TR_EBADMESSAGE, question or answer was not as it must be; what tr_refuse() said */
    TR_OVERLOADED, /* his mailbox, or the way to it, is full: TR_EFULL, TR_EMEMORYLIMIT */
};

struct tr_answer {
    enum tr_outcome outcome;
    tr_status status;    /* TR_OK with TR_ANSWERED, else why there is none */
    tr_ref asked;        /* who was asked; message->from is who answered */
    tr_message *message; /* the answer, whose payload may be taken out; NULL if there is none. Memory: lent */

    /* Why there is none, for people; else "". Of a timeout it says whom the asked one waits for himself, and whom that
     * one does; so a circle of actors that ask each other shows. Memory: lent. */
    const char *text;
};

/* Names a question of one actor. 0 is none. */
typedef uint64_t tr_ask_id;

struct tr_ask_options {
    uint64_t timeout_ms; /* from the call on; 0: TR_ASK_TIMEOUT_MS. It is not longer than what tr_time_left() says */

    /* Called once, on the asker's worker, not within the call. If the asker ends before, or cancels, it is not called.
     * NULL: the answer is a message for receive, with whatever tag it has, and tr_answers() names the question; if
     * there is none a TR_TAG_UNANSWERED comes. */
    void (*done)(tr_actor *self, void *context, const struct tr_answer *answer);
    void *context;

    /* Called once, on the asker's worker, when the question is over without a call of done: so each context is given to
     * one of the two. Not if tr_ask() fails. NULL: nothing to do. */
    void (*destroy)(void *context);

    /* Is that an answer to this question? If not it is a dead letter, TR_DEAD_BAD_MESSAGE, and the outcome TR_DOWN with
     * TR_EBADMESSAGE. NULL: whatever comes is one. The functions of typed.h set it. */
    bool (*fits)(const tr_message *answer);

    tr_ask_id *id; /* NULL, or where the question's name goes */
};

/* A question without an answer, for those who gave no callback: the payload is a struct tr_unanswered. */
#define TR_TAG_UNANSWERED (TR_TAG_RESERVED + 5u)

struct tr_unanswered {
    tr_ask_id question;
    tr_ref asked;
    tr_status status;
    uint32_t outcome; /* enum tr_outcome */
};

/*
 * Asks an actor. If it returns TR_OK there is exactly one outcome, through the asker's mailbox: after what was in it by
 * then, but for one that is muted, which has others' messages only later (TR_MAILBOX_MUTE). What is wrong with the
 * other, or with the way to it, is an outcome and not a status of the call; the question is a dead letter then.
 *
 * A mailbox's limits hold for questions as for other messages; what it refuses or drops is TR_OVERLOADED, and so is
 * what options.memory_limit refuses. Answers, and outcomes, are never refused.
 *
 * Memory:  on success the message moves. options may be NULL: the answer is a message.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK
 *          TR_EINVAL   self or question is NULL
 *          TR_EBADREF  not the name of an actor of this runtime
 *          TR_EBADTAG  the tag is TR_TAG_RESERVED or above
 *          TR_ESELF    to is self
 *          TR_EGONE    self was killed
 *          TR_EMEMORYLIMIT  options.memory_limit is reached, and even an outcome would bring new memory
 *          TR_ENOMEM
 */
tr_status tr_ask(tr_actor *self, tr_ref to, tr_message *question, const struct tr_ask_options *options);

/*
 * The asker is no longer interested: no outcome comes, not even one that is in the mailbox, and options.destroy is
 * called. An answer becomes a dead letter.
 * Thread:  owner of self.
 * Returns: TR_OK
 *          TR_EINVAL  self is NULL
 *          TR_EGONE   it has its outcome, or was never one of self's
 */
tr_status tr_ask_cancel(tr_actor *self, tr_ask_id question);

/* In receive: the question that the message which is being handled answers, also if it was set aside; 0: none. Thread:
 * owner. */
tr_ask_id tr_answers(const tr_actor *self);

/*
 * Answers the question that is being handled. A question has one answer: a handler that returns without having
 * answered, kept or forwarded it gives the asker TR_DOWN with TR_ENOREPLY, or with TR_EBADMESSAGE if it has rejected
 * the message (tr_reject()). An answer that comes after the outcome is a dead letter.
 *
 * Memory:  on success the message moves; on failure it is still the caller's.
 * Thread:  owner of self, in receive. Never blocks.
 * Returns: TR_OK
 *          TR_EINVAL       self or answer is NULL
 *          TR_EBADTAG      the tag is TR_TAG_RESERVED or above
 *          TR_ENOQUESTION  no question is being handled, or it was answered, kept or forwarded
 *          TR_EGONE        the asker lived on this worker and has ended, or drains: it takes nothing new
 *          TR_ENOMEM
 */
tr_status tr_reply(tr_actor *self, tr_message *answer);

/* A question that was kept. Not to be copied, but for handing it on: it has one answer. */
typedef struct tr_question {
    tr_ref asker; /* TR_NOBODY: it is none */
    tr_ask_id id;
    uint64_t deadline_ms; /* on the clock of tr_now() */
} tr_question;

/*
 * Keeps the question that is being handled, to answer it later. If self ends before, the asker hears TR_DOWN. Another
 * actor may answer it, if it is given the tr_question (in a message: it has 24 bytes).
 * Thread:  owner of self, in receive.
 * Returns: TR_OK
 *          TR_EINVAL       self or out is NULL
 *          TR_ENOQUESTION  see tr_reply()
 *          TR_ENOMEM
 */
tr_status tr_question_keep(tr_actor *self, tr_question *out);

/*
 * Answers a question that was kept, by self or by another actor.
 * Memory:  on success the message moves, and the question is none any more.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK, TR_EINVAL, TR_EBADTAG, TR_EGONE, TR_ENOMEM: see tr_reply()
 *          TR_ENOQUESTION  it is none
 */
tr_status tr_question_reply(tr_actor *self, tr_question *question, tr_message *answer);

/*
 * Refuses the question that is being handled, or one that was kept: the asker gets TR_DOWN with that status. What is an
 * ordinary answer of the program's own, such as that there is no such thing, is better an answer with a tag that says
 * so.
 *
 * Thread:  owner of self; tr_refuse() in receive. Never blocks.
 * Returns: TR_OK
 *          TR_EINVAL       self or question is NULL, or the status is TR_OK or above
 *          TR_ENOQUESTION  see tr_reply(); of a kept one: it is none
 *          TR_ENOMEM       the question is as it was
 */
tr_status tr_refuse(tr_actor *self, tr_status status);
tr_status tr_question_refuse(tr_actor *self, tr_question *question, tr_status status);

/*
 * Hands the question that is being handled on to another actor, which answers in self's place: asker and deadline stay.
 * The message may be the one that is being handled, or another.
 *
 * Memory:  on success the message moves; on failure it is still the caller's, and so is the question.
 * Thread:  owner of self, in receive. Never blocks.
 * Returns: TR_OK
 *          TR_EINVAL       self or message is NULL
 *          TR_EBADREF      not the name of an actor of this runtime
 *          TR_EBADTAG      the tag is TR_TAG_RESERVED or above
 *          TR_ESELF        to is self
 *          TR_ENOQUESTION  see tr_reply()
 *          TR_EGONE        the other lived on this worker and has stopped
 *          TR_EFULL, TR_EMEMORYLIMIT  see tr_send()
 *          TR_ENOMEM
 */
tr_status tr_forward(tr_actor *self, tr_ref to, tr_message *message);

/*
 * The same of a question that was kept: for an actor in front of others that lets questions wait until one of these is
 * free. It is handled there like any other question; self has no part in it any more.
 *
 * Memory:  on success the message moves, and the question is none any more; on failure both are as before, but with
 *          TR_EDEADLINE the question is none.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK, TR_EBADREF, TR_EBADTAG, TR_ESELF, TR_EGONE, TR_EFULL, TR_EMEMORYLIMIT, TR_ENOMEM: see tr_forward()
 *          TR_EINVAL       self, question or message is NULL
 *          TR_ENOQUESTION  it is none
 *          TR_EDEADLINE    its deadline has passed: the asker has his outcome
 */
tr_status tr_question_forward(tr_actor *self, tr_question *question, tr_ref to, tr_message *message);

/*
 * Milliseconds until the deadline of what self works at: the question that it is handling, until it has answered or
 * forwarded it; where it handles the outcome of another, the one for which it asked that. UINT64_MAX: there is none, or
 * it did not travel. Thread: owner.
 */
uint64_t tr_time_left(const tr_actor *self);

/*
 * Asks from a thread that is no worker, and waits for the outcome. Memory:  on success question moves, and *answer is
 * the caller's to drop. On failure question has moved if the status is
 *          that of an outcome.
 * Thread:  any that is no worker.
 * Returns: TR_OK            *answer is set
 *          TR_EINVAL        runtime, question or answer is NULL
 *          TR_EWRONGTHREAD  on a worker
 *          TR_EBADREF, TR_EBADTAG, TR_EMEMORYLIMIT, TR_ENOMEM: see tr_ask(), tr_runtime_spawn()
 *          TR_ESTOPPING     the runtime is stopping
 *          the status of the outcome: TR_EDEADLINE, TR_EGONE, TR_EFULL, ...
 */
tr_status tr_runtime_ask(struct tr_runtime *runtime, tr_ref to, tr_message *question, uint64_t timeout_ms,
                         tr_message *answer);

TR_DECLARATIONS_END
#endif
