/*
 * Requests to a supervisor: to add, remove or describe a child. One is a block of memory that goes to the supervisor
 * and comes back as the answer, so the answer cannot be lost for lack of memory. A request that is dropped on its way
 * answers, too. Thread: owner of the worker, unless it says otherwise.
 */
#ifndef TROUPE_ACTORS_REQUEST_H
#define TROUPE_ACTORS_REQUEST_H

#include "actor_internal.h"
#include "plan.h"

#define TRI_TAG_SUPERVISOR_REQUEST (TR_TAG_RESERVED + 0x203u) /* in the supervisor's mailbox: a struct tri_request */

enum tri_request_kind { TRI_REQUEST_ADD, TRI_REQUEST_REMOVE, TRI_REQUEST_CHILD };

struct tri_request {
    struct tr_supervisor_answer answer; /* first: it is the answer's payload */
    struct tri_word word;
    enum tri_request_kind kind;
    tr_ref asker;                      /* TR_NOBODY: the thread that waits */
    struct tri_request_waiter *waiter; /* NULL: an actor asks */
    struct tri_plan *plan;             /* of one child, that is to be added */
    unsigned pending;                  /* children that it waits for; the supervisor's */
    char name[TRI_CHILD_NAME_SIZE];    /* of the child that is meant */
};

/* Sends the answer, whose fields but `request` are set. Takes the request. */
void tri_request_answer(struct tri_worker *worker, struct tri_request *request);

/* Answers with a status alone. Takes the request. */
void tri_request_refuse(struct tri_worker *worker, struct tri_request *request, tr_status status);

/* The destructor of a message that carries one: answers that nobody is there. Thread: any. */
void tri_request_drop(void *request);

/* A request has arrived for whom `to` names: it goes into the mailbox of that supervisor. */
bool tri_supervise_arrived(struct tri_actors *home, tr_ref to, tr_message *message);

#endif
