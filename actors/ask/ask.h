/*
 * Questions and answers as dispatch sees them. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_ASK_INTERNAL_H
#define TROUPE_ACTORS_ASK_INTERNAL_H

#include "actor_internal.h"
#include "question.h"

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
    if (TRI_UNLIKELY(home->asked.actor != NULL))
        tri_question_unanswered(home);
}

/* The message of the question that the actor is handling is set aside: it is a question again, if it was one. */
void tri_question_restore(tr_actor *actor, tr_message *message);

/* What is to be done with an answer that comes up. */
enum tri_answer {
    TRI_ANSWER_LATE, /* the question has its outcome already */
    TRI_ANSWER_CALL,
    TRI_ANSWER_TO_MESSAGE,
};

enum tri_answer tri_answer_comes(struct tri_actors *home, tr_actor *actor, const tr_message *message,
                                 struct tri_asking **out);

/* The outcome is given to the callback, or made a plain message for receive. Takes the asking. */
void tri_answer_call(struct tri_asking *asking, tr_actor *actor, tr_message *message);
void tri_answer_to_message(struct tri_asking *asking, tr_message *message);

/* The end of the worker. */
void tri_asks_fini(struct tri_actors *home);

#endif
