/*
 * Dead letters, and the sends that make them of what is refused. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_DEAD_LETTERS_H
#define TROUPE_ACTORS_DEAD_LETTERS_H

#include "mailbox.h"
#include "question.h"

/*
 * Makes a dead letter of a message, and takes the payload. false: its sender is to be told, and there is no memory for
 * that; nothing has happened.
 */
bool tri_dead_letter(struct tri_actors *home, tr_ref to, tr_message *message, enum tr_dead_reason reason);

/* The same for mail in a node, which is taken: so there is memory. */
void tri_dead_mail(struct tri_actors *home, tr_ref to, struct tri_mail *mail, enum tr_dead_reason reason);

/* The same for a message whose sender is not told of its fate: not one with a tag from TRI_TAG_TOLD on. */
void tri_dead_user_letter(struct tri_actors *home, tr_ref to, tr_message *message, enum tr_dead_reason reason);

/* Turns what waits in the overflow into dead letters; mail in the queue follows when its turn comes. */
void tri_dead_mailbox(struct tri_actors *home, tr_actor *actor);

/* Buries what a full mailbox has dropped. */
void tri_dead_dropped(struct tri_actors *home, tr_ref to, struct tri_dropped *dropped);

/* Tells an asker that there is no answer, and why: TR_DOWN. false: without memory, and nothing has happened. */
bool tri_question_refuse(struct tri_actors *home, tr_ref asker, tr_ask_id question, tr_status status, tr_ref who);

/* Makes a dead letter of a question that a send has refused with that status: as if it had died on another worker. So
 * the asker hears why. Takes the question; false: there is no memory, and it is still the caller's. */
bool tri_question_bury(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *question, tr_status status);

/* Sends within the limits, as tri_post_limited(); what a full mailbox drops becomes a dead letter. */
tr_status tri_send_limited(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message);

/*
 * Sends on behalf of somebody who hears of no refusal: what is refused becomes a dead letter. Takes the message; false:
 * there is no memory, and it is still the caller's.
 */
bool tri_send_or_bury(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message);

/* The same without limits. */
bool tri_post_or_bury(struct tri_worker *worker, tr_ref from, tr_ref to, tr_message *message);

#endif
