/*
 * How questions and answers look on their way.
 *
 * A question is a message with the bit TRI_MAIL_QUESTION in its kind. `from` is who asks, and words[3] holds its
 * number, 40 bits that count up on the asker's worker, and its deadline. An answer has the bit TRI_MAIL_REPLY, and
 * words[3] is the number of the question. So both may carry 24 bytes, a slice or a pointer; what is larger lies
 * outside. A refusal is an answer with the tag TR_TAG_UNANSWERED: words[0] is the status, words[1] who refuses,
 * words[2] the outcome: who refuses knows whether somebody is down or overloaded, and a status alone does not say.
 *
 * Of the deadline the lower 24 bits of its milliseconds travel. That is enough for deadlines up to two hours away;
 * later ones do not travel, and only the asker knows them.
 *
 * Who buries a question refuses it: see dead_letters.c.
 */
#ifndef TROUPE_ACTORS_QUESTION_H
#define TROUPE_ACTORS_QUESTION_H

#include "actor_internal.h"

#include <troupe/actors/ask.h>

/* Is there room for words[3]? */
static inline bool
tri_message_has_spare_word(const tr_message *message)
{
    return message->kind != TR_PAYLOAD_BYTES || message->size <= 3 * sizeof(uint64_t);
}

/* Makes room for it. false: without memory, and nothing has happened. */
static inline bool
tri_message_spare_word(tr_message *message)
{
    if (tri_message_has_spare_word(message))
        return true;
    tr_message larger = tr_message_copy_large(message->tag, message->payload.bytes, message->size);
    if (larger.kind == TR_PAYLOAD_INVALID)
        return false;
    *message = larger;
    return true;
}

/* As one word: see tr_message_set_head(). */
static inline void
tri_message_add_kind(tr_message *message, uint8_t bits)
{
    tr_message_set_head(message, message->tag, message->kind | bits, message->size);
}

#define TRI_QUESTION_BITS 40
#define TRI_DEADLINE_MASK ((UINT64_C(1) << 24) - 1)
#define TRI_DEADLINE_TRAVELS_MS (UINT64_C(1) << 23) /* less than that from now on */

/* There is room for words[3]. deadline_ms: UINT64_MAX, it does not travel. */
static inline void
tri_question_mark(tr_message *message, tr_ask_id question, uint64_t deadline_ms)
{
    uint64_t lower = deadline_ms != UINT64_MAX ? deadline_ms & TRI_DEADLINE_MASK : 0;
    if (lower == 0 && deadline_ms != UINT64_MAX)
        lower = 1; /* a millisecond later */
    tri_message_add_kind(message, TRI_MAIL_QUESTION);
    message->payload.words[3] = question << 24 | lower;
}

static inline tr_ask_id
tri_question_of(const tr_message *message)
{
    return message->payload.words[3] >> 24;
}

/* An answer that is set aside looks like its question, which is over, so that both number and deadline come back. */
static inline void
tri_answered_mark(tr_message *message, tr_ask_id question, uint64_t deadline_ms)
{
    tri_question_mark(message, question, deadline_ms);
    tr_message_set_head(message, message->tag, (message->kind & ~TRI_MAIL_QUESTION) | TRI_MAIL_ANSWERED, message->size);
}

/* UINT64_MAX: it has none that travels. now_ms: less than two hours from it. */
static inline uint64_t
tri_question_deadline(const tr_message *message, uint64_t now_ms)
{
    uint64_t lower = message->payload.words[3] & TRI_DEADLINE_MASK;
    uint64_t ahead = (lower - now_ms) & TRI_DEADLINE_MASK;
    if (lower == 0)
        return UINT64_MAX;
    return ahead < TRI_DEADLINE_TRAVELS_MS ? now_ms + ahead : now_ms - (TRI_DEADLINE_MASK + 1 - ahead);
}

static inline void
tri_reply_mark(tr_message *message, tr_ask_id question)
{
    tri_message_add_kind(message, TRI_MAIL_REPLY);
    message->payload.words[3] = question;
}

static inline tr_message
tri_refusal(tr_ask_id question, enum tr_outcome outcome, tr_status status, tr_ref who)
{
    uint64_t words[] = {(uint64_t)(int64_t)status, who, outcome};
    tr_message message = tr_message_copy(TR_TAG_UNANSWERED, words, sizeof(words));
    tri_reply_mark(&message, question);
    return message;
}

static inline bool
tri_is_question(const tr_message *message)
{
    return (message->kind & TRI_MAIL_QUESTION) != 0;
}

static inline bool
tri_is_refusal(const tr_message *message)
{
    return message->tag == TR_TAG_UNANSWERED;
}

#endif
