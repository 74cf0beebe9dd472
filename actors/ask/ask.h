/*
 * Questions and answers as dispatch sees them. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_ASK_INTERNAL_H
#define TROUPE_ACTORS_ASK_INTERNAL_H

#include "actor_internal.h"
#include "question.h"
#include "work.h"

/* A question of one actor that has no outcome yet. */
struct tri_asking;

/*
 * A question comes up in the mailbox. false: its deadline has passed. Else the message is a plain one from here on, and
 * tri_question_over() is to be called when its handler has returned, whatever has become of the actor.
 */
bool tri_question_begins(struct tri_actors *home, tr_actor *actor, tr_message *message);
void tri_question_unanswered(struct tri_actors *home);

static inline void
tri_question_over(struct tri_actors *home)
{
    if (TRI_UNLIKELY(home->asked.actor != NULL || home->asked.unsaid))
        tri_question_unanswered(home);
    tri_work_over(home);
}

/* A message is set aside as `copy`. If it is the one that the actor is handling it is a question again, or answers one
 * again, as it came. */
void tri_work_restore(tr_actor *actor, const tr_message *message, tr_message *copy);

/* What is to be done with an answer that comes up. */
enum tri_answer {
    TRI_ANSWER_LATE, /* the question has its outcome already */
    TRI_ANSWER_CALL,
    TRI_ANSWER_TO_MESSAGE,
};

/* It is a plain message from here on, unless it comes late. */
enum tri_answer tri_answer_comes(struct tri_actors *home, tr_actor *actor, tr_message *message,
                                 struct tri_asking **out);

/* The outcome is given to the callback, or made a plain message for receive. Takes the asking. */
void tri_answer_call(struct tri_asking *asking, tr_actor *actor, tr_message *message);
void tri_answer_to_message(struct tri_asking *asking, tr_message *message);

/* Was it made one before, and set aside? */
static inline bool
tri_answer_was_given(const tr_message *message)
{
    return (message->kind & TRI_MAIL_ANSWERED) == TRI_MAIL_ANSWERED;
}

/* Then it is made one again. */
void tri_answer_again(struct tri_actors *home, const tr_actor *actor, tr_message *message);

/* The handler of the message has returned. */
static inline void
tri_answer_over(struct tri_actors *home)
{
    home->answers = 0;
    tri_work_over(home);
}

/* The end of the worker. */
void tri_asks_fini(struct tri_actors *home);

#endif
